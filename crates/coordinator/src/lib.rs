//! Drives transfers: turns events into durable steps and performs their effects. Persist first,
//! then expose.
//!
//! Reading order: [`clock`] tells the time twice; [`world`] is what a shard knows of the counters,
//! [`standing`] whether record and counters are fit to be acted upon;
//! [`record`] is one transfer with what surrounds it, [`view`] what of it is shown and said, [`trail`] its
//! append-only history, `happening` what can happen to it, `sent` until when a leg may have left; [`shard`] is
//! the single owner of its transfers and pure: inputs and time in, outputs out. `actor` is the task
//! around it, `mail` what travels there; [`Coordinator`] is what the API holds, `handle` starts it, `begin` is how
//! it begins transfers, `claim` who of several does, `find` how it finds them wherever they are; `persons` is what
//! people say about them, [`claimant`] who has claimed one; `recovery` takes up what a crash left open,
//! `watch` passes on what is said unasked, [`late`] and `comparing` hold what comes after the end
//! against the record, [`accusations`] are what is counted against counters, [`doubts`] what holds one,
//! `reach` how far counters have seen our serials; `enduring` begins anew what fails beside the shards,
//! `summary` counts; [`events`] is what operators follow.

pub mod accusations;
mod actor;
mod allowance;
mod begin;
mod claim;
pub mod claimant;
pub mod clock;
mod comparing;
mod config;
mod coordinator;
pub mod doubts;
mod enduring;
pub mod events;
mod find;
mod handle;
mod happening;
mod inner;
pub mod late;
mod late_queue;
mod mail;
mod persons;
mod posted;
mod reach;
pub mod record;
mod recovery;
mod sent;
mod serials;
pub mod shard;
pub mod standing;
mod summary;
mod tail;
pub mod trail;
pub mod view;
mod watch;
pub mod world;

pub use allowance::{DayLimit, OverDayLimit};
pub use begin::{Begin, BeginError, Begun};
pub use claimant::{CLAIM_LASTS, Claimant};
pub use config::Config;
pub use coordinator::{Coordinator, StartError};
pub use find::{Found, Page};
pub use persons::DecideError;
pub use reach::ReadmitError;
pub use record::Rendered;
pub use recovery::{Tail, taken_up};
pub use summary::Summary;
pub use view::View;
