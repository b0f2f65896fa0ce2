//! Everything that moves money, in one process on virtual time, with one seed for all that goes
//! wrong: the real shards, the real journal plan, the real recovery, the real sessions and codecs,
//! and the simulated counters' own books. What is played is what lies between them: sockets, disks,
//! clocks, and death.
//!
//! Reading order: [`clock`], [`trace`]; [`plan`] turns a seed into a schedule of [`class`]es of `faults`
//! and `mishaps`, [`parts`] are its counters and orders, [`random`] its chance, [`known`] lists those that once
//! failed; [`network`], [`journal`], [`peer`] and [`bridge`] are what takes part; [`run`](mod@run) is the event
//! loop over the `agenda`,
//! `host`, `ports`, `neighbours` and `trouble` do what it says, `callers` are who orders and who
//! judges, `operators` who decides, `waiting` what waits for them; `record` is what a copy brings back,
//! `standing` whether it may be acted upon, `liar` what one that lies says, `watch` what is judged
//! besides money; [`audit`] is the auditor, who shares nothing with the bridge. [`exhaustive`]
//! tells every story of one transfer, by [`choices`], and [`stories`] says of which; [`many`] runs
//! schedules on several threads.

mod agenda;
pub mod audit;
pub mod bridge;
mod callers;
pub mod choices;
pub mod class;
pub mod clock;
pub mod exhaustive;
mod faults;
mod host;
pub mod journal;
pub mod known;
mod liar;
pub mod many;
mod mishaps;
mod neighbours;
pub mod network;
mod operators;
pub mod parts;
pub mod peer;
pub mod plan;
mod ports;
pub mod random;
mod record;
pub mod run;
pub mod shrink;
mod standing;
pub mod stories;
pub mod trace;
mod trouble;
mod waiting;
mod watch;
mod words;

pub use class::Class;
pub use plan::Request;
pub use run::{Report, run};
