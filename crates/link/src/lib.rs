//! Keeps conversations with counters alive, and says truthfully what became of every request:
//! answered, never sent, or unknown.

mod ask;
pub mod status;

pub use ask::{Ask, Delivery, NotSent, Outcome, ReplyTo, Ticket, Unclear};
