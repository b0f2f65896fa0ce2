//! The bridge's process: the real shards and the real links' pure part, between which only the
//! queues are played. It is what a crash takes away.

use crate::clock::Micros;
use crate::journal::Journal;
use crate::network::Conn;
use crate::parts::CounterPlan;
use crate::peer::{BRIDGE, KEY};
use crate::plan::Plan;
use crate::standing::Standing;
use coordinator::record::WaiterReply;
use coordinator::shard::Shard;
use coordinator::world::{Facts, World};
use coordinator::{Rendered, View};
use domain::serial::MasterSerial;
use link::LinkConfig;
use link::sans_io::{Renewal, SansIoLink};
use port::Delivery;
use port::Sessions;
use rand::RngExt;
use std::collections::BTreeMap;
use std::ops::Range;
use tokio::sync::{mpsc, oneshot};

/// Requests of one connection are numbered so far apart from those of the next.
const CHANNEL_BITS: u32 = 40;

/// The process.
#[derive(Debug)]
pub struct Bridge {
    /// The owners of transfers.
    pub shards: Vec<Shard>,
    /// What each has been told to look at next, and in which order its queues are read.
    pub desks: Vec<Desk>,
    /// The connections, in the order of the counters; of each, in the order of its channels.
    pub links: Vec<End>,
    /// The counters whose books are kept in this process.
    pub in_process: BTreeMap<usize, Facts>,
    counters: usize,
    /// The queue of its journal.
    pub journal: Journal,
    /// The keys of open transfers.
    pub running: BTreeMap<String, MasterSerial>,
    /// Whether record and counters are fit to be acted upon.
    pub standing: Standing,
    /// Leased sequences.
    pub serials: Range<u64>,
    /// Callers that wait: the order, and where its answer comes.
    pub waiters: Vec<(usize, oneshot::Receiver<WaiterReply>)>,
}

/// What surrounds a shard.
#[derive(Debug)]
pub struct Desk {
    /// Where links deliver.
    pub deliver: mpsc::UnboundedSender<Delivery>,
    /// The same channel's other end.
    pub delivered: mpsc::UnboundedReceiver<Delivery>,
    /// When the last item of each queue is read: each queue keeps its order.
    pub last: [Micros; 3],
    /// When its timer is set.
    pub timer: Option<Micros>,
}

/// One link of one connection.
#[derive(Debug)]
pub struct End {
    /// Which counter it leads to.
    pub counter: usize,
    /// The link.
    pub link: SansIoLink,
    /// Its connection.
    pub conn: Option<Conn>,
    /// When its timer is set.
    pub timer: Option<Micros>,
}

/// The queues of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// From the journal.
    Journal = 0,
    /// From the links, about what was asked.
    Links = 1,
    /// Everything else.
    Mail = 2,
}

impl Bridge {
    /// A process that has just been started.
    pub fn new(plan: &Plan, random: &mut crate::random::Random, now: Micros) -> Bridge {
        let first_id = u64::try_from(now).unwrap_or(0);
        Bridge {
            shards: (0..plan.config.shards)
                .map(|_| Shard::new(plan.config.clone(), render, random.random()))
                .collect(),
            desks: (0..plan.config.shards)
                .map(|_| {
                    let (deliver, delivered) = mpsc::unbounded_channel();
                    Desk { deliver, delivered, last: [0; 3], timer: None }
                })
                .collect(),
            links: plan
                .counters
                .iter()
                .enumerate()
                .flat_map(|(index, counter)| {
                    let renewal = Renewal::default();
                    (0..counter.connections)
                        .map(move |channel| (index, counter, channel, renewal.clone()))
                })
                .map(|(index, counter, channel, renewal)| End {
                    counter: index,
                    link: SansIoLink::new(
                        link_config(counter),
                        channel,
                        renewal,
                        random.random(),
                        first_id + (u64::from(channel) << CHANNEL_BITS),
                    ),
                    conn: None,
                    timer: None,
                })
                .collect(),
            in_process: BTreeMap::new(),
            counters: plan.counters.len(),
            journal: Journal::default(),
            running: BTreeMap::new(),
            standing: Standing::default(),
            serials: 0..0,
            waiters: Vec::new(),
        }
    }

    /// What the shards know of the counters.
    pub fn world(&self) -> World {
        World {
            counters: (0..self.counters).map(|counter| self.facts(counter)).collect(),
            behind: self.standing.behind,
        }
    }

    /// What is known of one counter over all its connections, put together as by a link.
    pub fn facts(&self, counter: usize) -> Facts {
        let held = self.standing.held.contains(&counter);
        if let Some(facts) = self.in_process.get(&counter) {
            return Facts { held, ..facts.clone() };
        }
        let open = || self.lines(counter).filter(|link| link.session_began().is_some());
        let newest = open().filter_map(SansIoLink::settle_day).max();
        let first = self.lines(counter).next();
        let Some(first) = first else { unreachable!("every counter has a connection") };
        Facts {
            id: first.counter().clone(),
            profile: first.profile().clone(),
            settle_day: newest
                .or_else(|| self.lines(counter).filter_map(SansIoLink::settle_day).max()),
            sessions: Sessions::of(self.lines(counter).map(SansIoLink::newest_began)),
            held,
        }
    }

    /// Whether a counter takes new work.
    pub fn is_up(&self, counter: usize) -> bool {
        self.in_process.contains_key(&counter) || self.lines(counter).any(SansIoLink::is_up)
    }

    fn lines(&self, counter: usize) -> impl Iterator<Item = &SansIoLink> {
        self.links.iter().filter(move |end| end.counter == counter).map(|end| &end.link)
    }

    /// The shard that owns a sequence.
    pub fn shard_of(&self, sequence: u64) -> usize {
        let count = u64::try_from(self.shards.len()).unwrap_or(1);
        usize::try_from(sequence % count).unwrap_or(0)
    }

    /// All open transfers that are durable, in the order of their serials.
    pub fn views(&self) -> Vec<View> {
        let mut views: Vec<View> = self.shards.iter().flat_map(Shard::views).collect();
        views.sort_by_key(|view| view.transfer.intent.master);
        views
    }
}

/// The answer that a caller gets: the serial and the state.
fn render(view: &View) -> Rendered {
    let body = format!("{} {}", view.transfer.intent.master, view.transfer.state());
    Rendered { status: 201, body: body.into_bytes().into() }
}

fn link_config(counter: &CounterPlan) -> LinkConfig {
    LinkConfig {
        profile: counter.rules.profile.clone(),
        connections: counter.connections,
        ..LinkConfig::new(
            counter.rules.counter.clone(),
            Vec::new(),
            counter.dialect.clone(),
            BRIDGE.to_owned(),
            KEY.to_vec().into(),
        )
    }
}
