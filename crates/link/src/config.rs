//! What one link needs to know. Every number is a default and may be set per counter.

use crate::io::tls::TlsDial;
use crate::reconnect::outage::Outages;
use crate::request::away::Away;
use crate::session::greeting::Known;
use crate::session::hours::ServiceHours;
use crate::session::keys::LinkKeys;
use crate::timers::Timers;
use domain::message::CounterId;
use domain::profile::Profile;
use port::Bounds;
use port::history::History;
use std::sync::Arc;
use wire::dialect::Dialect;

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
    /// Whether it is left alone until [`come_back`](port::Counter::come_back): not, unless said.
    pub away: Away,
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
            away: Away::default(),
        }
    }

    /// What it says of a counter that dials in.
    pub(crate) fn known(&self) -> Known {
        Known {
            counter: self.counter.clone(),
            own_name: self.own_name.clone(),
            keys: self.keys.clone(),
            profile: Arc::new(self.profile.clone()),
            timers: self.timers.clone(),
            channels: self.connections.max(1),
            hours: self.hours.clone(),
            away: self.away.clone(),
            certificate_name: match &self.certificate_name {
                Some(name) => name.clone(),
                None => self.counter.as_str().to_owned(),
            },
        }
    }
}
