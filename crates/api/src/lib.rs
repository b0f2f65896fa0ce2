//! The HTTP side of the bridge: who may ask for what, and what is answered.
//!
//! Reading order: [`auth`] says who sent a request, [`apps`] what each may and how much; [`json`] is what is
//! said, apart from the domain's own types; [`state`] is what handlers share; [`transfers`] and [`accounts`] are
//! the transfer API, [`problem`] what it refuses and [`refused`] why; [`named`], [`sent`] and [`plain`] read what
//! is asked, and say in plain words what cannot be read; [`mod@router`] lets in, [`requests`] counts;
//! [`openapi`] is how a side is described from the code; [`server`] is what it is served by.
//!
//! The operators' side is a crate of its own, `ops`, which is built on this one. What both need stands here:
//! problem documents and why the record is not read, transfers as JSON, the reading of paths, bodies and queries,
//! a counter's postings, how a side is described, and the server. All else is the transfer API's alone.

pub mod accounts;
pub mod apps;
pub mod auth;
#[cfg(test)]
mod foreign_apps;
pub mod json;
#[cfg(test)]
mod lone;
pub mod named;
pub mod openapi;
pub mod plain;
pub mod problem;
pub mod refused;
pub mod requests;
pub mod router;
pub mod sent;
pub mod server;
mod shares;
pub mod state;
pub mod transfers;

pub use router::{openapi_json, router};
pub use state::ApiState;
