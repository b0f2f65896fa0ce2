//! Keeps conversations with counters alive, and says truthfully what became of every request:
//! answered, never sent, or unknown.
//!
//! Reading order. What others see: the [`Link`] handle, which is a [`Counter`](port::Counter), and
//! [`LinkConfig`]. Then the pure part, which knows neither sockets nor clocks: `pending_reply` (an outcome that
//! somebody waits for), `pool` (which connection it goes to), `send_queue` (what waits to be sent, and what
//! outlives a connection), `in_flight` (what waits for an answer), `pulse` (heartbeats), `flood` (what nobody
//! asked for), `session` (the conversation), `outbox` (bytes on their way), `connection` (these as one),
//! `backoff` (when to try again), `addresses` (and where), `hours`, `renewal` (when a new session is needed);
//! `spare` and `intern` keep memory small where there are many links. Last the I/O around it: `dial` opens a
//! transport (`tls`, `transport`), `acceptor` lets counters dial in (by [`supervise::places`], and not without
//! end: `gate`), `driver` owns it and the clock, `mailbox` and `reception` are where requests arrive, `outage`
//! is how links look together for a counter that is away, `actor` makes one attempt after another,
//! `connection_status` and `status_aggregate` tell everybody where the link stands. [`sans_io`] is the pure
//! part in other hands: a link whose bytes and time a simulation decides.

mod acceptor;
mod actor;
mod addresses;
mod authenticated;
mod backoff;
mod cause;
mod config;
mod connection;
mod connection_status;
mod dial;
mod driver;
mod ended;
mod flood;
mod gate;
mod hours;
mod in_flight;
mod intern;
mod keys;
mod link;
mod mailbox;
mod outage;
mod outbox;
mod pending_reply;
mod pool;
mod pulse;
mod reception;
mod renewal;
pub mod sans_io;
mod send_queue;
mod session;
mod spare;
mod status_aggregate;
#[cfg(test)]
mod testing;
mod tls;
mod transport;

pub use acceptor::{Acceptor, AcceptorConfig, AcceptorLimits, InboundPeer};
pub use cause::{Cause, Verdict};
pub use config::{Leave, LinkConfig, Timers};
pub use dial::{Dial, TcpDial};
pub use hours::{NotADay, NotHours, ServiceHours};
pub use keys::LinkKeys;
pub use link::Link;
pub use outage::Outages;
pub use tls::{Credentials, TlsDial, TlsError, TlsFiles, Trust};
pub use transport::{Carrier, Secured, Transport};
