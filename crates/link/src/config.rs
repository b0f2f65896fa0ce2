//! What one link needs to know. Every number is a default and may be set per counter.

use crate::hours::ServiceHours;
use crate::keys::LinkKeys;
use crate::outage::Outages;
use crate::tls::TlsDial;
use domain::message::CounterId;
use domain::profile::Profile;
use port::Bounds;
use port::history::History;
use std::sync::Arc;
use std::time::Duration;
use wire::codec::Dialect;

/// Everything about one counter's link.
#[derive(Debug)]
pub struct LinkConfig {
    /// Whom to talk to; also the name that the counter is addressed by at sign-on.
    pub counter: CounterId,
    /// `host:port`, the preferred one first; each is resolved anew at every attempt.
    pub addresses: Vec<String>,
    /// How many connections are kept at once, each with a session of its own; at least 1.
    pub connections: u16,
    /// Whether requests go to one of them, the first that is up, while the others stand by; otherwise
    /// to all, where least is owed.
    pub standby: bool,
    /// How the connections are secured; `None` for plain TCP.
    pub tls: Option<TlsDial>,
    /// Whom its certificate must name when it dials in; `None` for its id.
    pub certificate_name: Option<String>,
    /// When it is dialled, or let in; `None` for always.
    pub hours: Option<ServiceHours>,
    /// Which bytes it speaks.
    pub dialect: Dialect,
    /// The bridge's name at sign-on.
    pub own_name: String,
    /// The keys of the proofs at sign-on.
    pub keys: LinkKeys,
    /// What is relied on; the counter must confirm it at sign-on.
    pub profile: Profile,
    /// How long things may take.
    pub timers: Timers,
    /// How much of everything there may be.
    pub bounds: Bounds,
    /// Where events are recorded; give all links of a bridge the same one.
    pub history: History,
    /// What is known of addresses that do not answer; give all links of a bridge the same one.
    pub outages: Outages,
    /// Whether a session may be begun.
    pub leave: Leave,
}

/// Whether a session may be begun now. A session of ours ends others on its channel, so a bridge that
/// may have lost its record to another (it was stopped for a while, and does not know it yet) waits
/// until it knows.
#[derive(Clone, Default)]
pub struct Leave(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Leave {
    /// Asked before each session.
    pub fn of(may: impl Fn() -> bool + Send + Sync + 'static) -> Leave {
        Leave(Some(Arc::new(may)))
    }

    /// Whether it may.
    pub(crate) fn is_given(&self) -> bool {
        self.0.as_ref().is_none_or(|may| may())
    }
}

impl std::fmt::Debug for Leave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leave").field("asked", &self.0.is_some()).finish()
    }
}

impl LinkConfig {
    /// A link with default timers and bounds, a default profile and a history of its own.
    pub fn new(
        counter: CounterId,
        addresses: Vec<String>,
        dialect: Dialect,
        own_name: String,
        keys: LinkKeys,
    ) -> LinkConfig {
        LinkConfig {
            counter,
            addresses,
            connections: 1,
            standby: false,
            tls: None,
            certificate_name: None,
            hours: None,
            dialect,
            own_name,
            keys,
            profile: Profile::default(),
            timers: Timers::default(),
            bounds: Bounds::default(),
            history: History::default(),
            outages: Outages::default(),
            leave: Leave::default(),
        }
    }
}

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timers {
    /// One TCP connection, name resolution included.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// From the secured transport to the open session.
    pub sign_on: Duration,
    /// One attempt as a whole: every address tried, and the sign-on.
    pub attempt: Duration,
    /// Wanted heartbeat interval in seconds, 1 to 120; 0 = none.
    pub heartbeat_s: u16,
    /// Age of the oldest request in flight at which a silent counter is probed early.
    pub early_probe: Duration,
    /// How long the transport may accept no byte while some wait.
    pub write_progress: Duration,
    /// How long a new session may ask about what the last one left unknown before it takes new
    /// work.
    pub sync: Duration,
    /// How long requests in flight are waited for when stopping.
    pub drain: Duration,
    /// How long the acknowledgement of a sign-off is waited for.
    pub sign_off: Duration,
    /// How long the last bytes and the transport's own farewell may take.
    pub close: Duration,
    /// How often a connection to another address than the preferred one looks whether that one
    /// answers again.
    pub fail_back: Duration,
    /// How old a session is at least when it is ended so that a new one can prove what became of a
    /// request.
    pub renewal: Duration,
    /// Silence after which the kernel probes the peer.
    pub keepalive_idle: Duration,
    /// Between two such probes.
    pub keepalive_interval: Duration,
    /// After how many unanswered ones the kernel gives up.
    pub keepalive_count: u32,
    /// How long the kernel keeps unacknowledged bytes before it gives up.
    pub tcp_user_timeout: Duration,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            connect: Duration::from_secs(3),
            tls: Duration::from_secs(5),
            sign_on: Duration::from_secs(10),
            attempt: Duration::from_secs(15),
            heartbeat_s: 10,
            early_probe: Duration::from_secs(3),
            write_progress: Duration::from_secs(10),
            sync: Duration::from_secs(5),
            drain: Duration::from_secs(15),
            sign_off: Duration::from_secs(2),
            close: Duration::from_millis(500),
            fail_back: Duration::from_mins(1),
            renewal: Duration::from_secs(30),
            keepalive_idle: Duration::from_secs(6),
            keepalive_interval: Duration::from_secs(3),
            keepalive_count: 3,
            tcp_user_timeout: Duration::from_secs(15),
        }
    }
}
