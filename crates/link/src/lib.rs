//! Keeps conversations with counters alive, and says truthfully what became of every request:
//! answered, never sent, or unknown.
//!
//! Reading order. What others see: [`Ask`] and its [`RequestOutcome`], the [`Link`] handle,
//! [`LinkConfig`], [`status`], [`history`], [`strangers`], [`Unmatched`]. Then the pure part, which knows neither
//! sockets nor clocks: `owed` (an outcome that somebody waits for), `lanes` (which connection it goes to), `desk` (what waits to be sent,
//! and what outlives a connection), `in_flight` (what waits for an answer), `pulse` (heartbeats), `flood` (what nobody asked for),
//! `session` (the conversation), `outbox` (bytes on their way), `line` (these as one connection),
//! `backoff` (when to try again), `addresses` (and where), `hours`, `renewal` (when a new session
//! is needed); `spare` and `intern` keep memory
//! small where there are many links. Last the I/O around it: `dial` opens a transport (`tls`, `transport`), `door` lets counters dial in (by [`places`], and not without end: `gate`), `conversation`
//! owns it and the clock, `mailbox` and `reception` are where requests arrive,
//! `outage` is how links look together for a counter that is away, `actor` makes one attempt after
//! another, `board` and `panel` tell everybody where the link stands. [`paper`] is the pure part in other hands:
//! a link whose bytes and time a simulation decides.

mod actor;
mod addresses;
mod backoff;
mod board;
mod cause;
mod config;
mod conversation;
mod desk;
mod dial;
mod door;
mod flood;
mod gate;
mod hours;
mod in_flight;
mod intern;
mod keys;
mod lanes;
mod line;
mod link;
mod mailbox;
mod outage;
mod outbox;
mod owed;
mod panel;
pub mod paper;
mod pulse;
mod reception;
mod renewal;
mod session;
mod spare;
#[cfg(test)]
mod testing;
mod tls;
mod transport;
mod visitor;

pub use cause::{Cause, Verdict};
pub use config::{Leave, LinkConfig, Timers};
pub use dial::{Dial, TcpDial};
pub use door::{Door, DoorConfig, DoorLimits, Guest};
pub use hours::{NotADay, NotHours, ServiceHours};
pub use keys::LinkKeys;
pub use link::Link;
pub use outage::Outages;
pub use tls::{Credentials, TlsDial, TlsError, TlsFiles, Trust};
pub use transport::{Carrier, Secured, Transport};
