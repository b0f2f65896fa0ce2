//! Keeps conversations with counters alive, and says truthfully what became of every request:
//! answered, never sent, or unknown.
//!
//! What others see is the [`Link`] handle, which is a [`Counter`](port::Counter), and [`LinkConfig`]. Behind it,
//! each folder built on those before it and on none after it (a test holds them to that):
//!
//! - `request`: an outcome that somebody waits for (`pending_reply`), where requests arrive (`mailbox`, `reception`),
//!   which connection one goes to (`pool`), what waits to be sent (`send_queue`) or for an answer (`in_flight`), and
//!   when a new session is needed to know more (`renewal`).
//! - `session`: the conversation, as data: sign-on, heartbeats (`pulse`), what nobody asked for (`flood`), keys, hours,
//!   and how it ended (`cause`).
//! - `io`: bytes on their way (`outbox`), session and bytes as one (`connection`), and the sockets under them (`dial`,
//!   `tls`, `transport`).
//! - `inbound`: counters that dial in (`acceptor`), not without end (`gate`).
//! - `reconnect`: when to try again (`backoff`) and where (`addresses`), how links look together for a counter that is
//!   away (`outage`), and what is left of an attempt (`ended`).
//! - `report`: where a link stands, for everybody; `spelling`, how people see what is said on one.
//!
//! On top, `driver` owns a connection and the clock, and `actor` makes one attempt after another. [`sans_io`] is the
//! same without either: a link whose bytes and time a simulation decides.
//!
//! ```
//! use link::ServiceHours;
//!
//! let hours: ServiceHours = "Mon-Fri 09:00-11:30 13:30-15:00 +08:00".parse()?;
//! let with_holidays = hours.with_special_days("2026-10-01 # off")?;
//! assert_ne!(hours, with_holidays);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod actor;
mod config;
mod driver;
mod inbound;
mod io;
mod link;
mod reconnect;
mod report;
mod request;
pub mod sans_io;
mod session;
mod spelling;
#[cfg(test)]
mod testing;
mod timers;

pub use config::{Leave, LinkConfig};
pub use inbound::acceptor::{Acceptor, AcceptorConfig, AcceptorLimits, InboundPeer};
pub use io::dial::{Dial, TcpDial};
pub use io::tls::{Credentials, TlsDial, TlsError, TlsFiles, Trust};
pub use io::transport::{Carrier, Secured, Transport};
pub use link::Link;
pub use reconnect::outage::Outages;
pub use request::away::Away;
pub use session::cause::{Cause, Verdict};
pub use session::hours::{NotADay, NotHours, ServiceHours};
pub use session::keys::LinkKeys;
pub use timers::Timers;
