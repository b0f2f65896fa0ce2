//! The HTTP side of the bridge: who may ask for what, and what is answered.
//!
//! Reading order: [`auth`] says who sent a request, [`apps`] what each may and how much; [`json`] is what is
//! said, apart from the domain's own types; [`state`] is what handlers share; [`transfers`] and [`accounts`] are
//! the transfer API, [`problem`] what it refuses and `refused` why; [`openapi`] describes it from the code;
//! [`ops`] is the operators' side; [`server`] is what both are served by.

pub mod accounts;
pub mod apps;
pub mod auth;
#[cfg(test)]
mod foreign_apps;
pub mod json;
#[cfg(test)]
mod lone;
mod named;
pub mod openapi;
pub mod ops;
mod plain;
pub mod problem;
mod refused;
pub mod router;
mod sent;
pub mod server;
mod shares;
pub mod state;
pub mod transfers;

pub use openapi::{openapi_json, operators_openapi_json};
pub use router::router;
pub use state::ApiState;
