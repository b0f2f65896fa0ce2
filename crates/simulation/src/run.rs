//! The event loop: everything that happens in a schedule happens here, one thing at a time.

use crate::agenda::{Agenda, Event, PUT_OFF};
use crate::audit::{Audit, Finding, Ordered};
use crate::bridge::Bridge;
use crate::clock::{BEGINNING, Clock, Micros};
use crate::journal::Database;
use crate::network::{Conn, Network, Towards};
use crate::operators::Persons;
use crate::peer::Peer;
use crate::plan::{Plan, Request};
use crate::random::Random;
use crate::trace::Trace;
use crate::watch::Watch;
use coordinator::clock::Now;
use domain::serial::Mark;
use link::Cause;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, HashMap};

/// No schedule has so many events, and so many more for each of its transfers: one that does goes
/// round in circles. A usual one has a thousand altogether.
const MOST_EVENTS: u64 = 100_000;
const MOST_EVENTS_OF_ONE: u64 = 5_000;

/// One schedule on its way.
#[derive(Debug)]
pub struct Simulation {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) clock: Clock,
    /// By the clock that only goes forward.
    pub(crate) now: Micros,
    /// By how much the wall clock of the bridge's machine has been stepped.
    pub(crate) stepped: Micros,
    pub(crate) agenda: Agenda,
    pub(crate) trace: Trace,
    pub(crate) network: Network,
    pub(crate) peers: Vec<Peer>,
    pub(crate) peer_timers: BTreeMap<Conn, Micros>,
    pub(crate) unreachable_until: Vec<Micros>,
    pub(crate) stalled_until: Vec<Micros>,
    pub(crate) database: Database,
    pub(crate) bridge: Option<Box<Bridge>>,
    /// Counts the bridge's lives: what an old one left behind is not done.
    pub(crate) life: u32,
    /// Until when its process stands still.
    pub(crate) frozen_until: Micros,
    pub(crate) crashes_left: u32,
    pub(crate) crash_after: Option<Micros>,
    pub(crate) healed: bool,
    /// Whether, after healing, everything has once ended or been with a person.
    pub(crate) settled: bool,
    pub(crate) resumed: u32,
    /// What persons are about to decide.
    pub(crate) persons: Persons,
    /// Whether persons have ended, by the books, what nothing else could end.
    pub(crate) settled_by_hand: bool,
    pub(crate) callers: Vec<crate::callers::Caller>,
    pub(crate) audit: Audit,
    /// When persons last let go on what only they may, after healing.
    pub(crate) helped_at: Micros,
    /// Which order each mark was made for.
    pub(crate) marks: HashMap<Mark, usize>,
    /// What is watched of one that lies, or of what comes too late.
    pub(crate) watch: Watch,
    pub(crate) done: bool,
}

/// What came of a schedule.
#[derive(Clone, Debug)]
pub struct Report {
    /// What must not be, and was.
    pub findings: Vec<Finding>,
    /// The same for the same schedule.
    pub hash: u64,
    /// How many things happened.
    pub events: u64,
    /// How many transfers were ordered.
    pub transfers: usize,
    /// How they stood in the end, and how many.
    pub ends: BTreeMap<String, usize>,
    /// How much virtual time passed.
    pub passed: Micros,
    /// How often the bridge died.
    pub crashes: u32,
}

impl Report {
    /// What is left of a schedule in which something panicked.
    pub fn of_a_panic() -> Report {
        Report {
            findings: vec![Finding { master: None, what: "something panicked".to_owned() }],
            hash: 0,
            events: 0,
            transfers: 0,
            ends: BTreeMap::new(),
            passed: 0,
            crashes: 0,
        }
    }
}

/// Runs one schedule. With `keep`, its story is kept to be read.
pub fn run(request: &Request, keep: bool) -> (Report, Trace) {
    let mut simulation = Simulation::new(request, keep);
    while !simulation.done && simulation.step() {}
    simulation.finish()
}

impl Simulation {
    fn new(request: &Request, keep: bool) -> Simulation {
        let plan = Plan::of(request);
        let clock = Clock::new();
        let mut random = Random::seed_from_u64(request.seed ^ 0x5eed_0000_5eed);
        let peers: Vec<Peer> = plan
            .counters
            .iter()
            .map(|counter| Peer::new(counter.clone(), random.random(), clock, BEGINNING))
            .collect();
        let place = |(counter, account): &(usize, domain::message::AccountId)| {
            (plan.counters[*counter].rules.counter.to_string(), account.to_string())
        };
        let audit = Audit::new(plan.orders.iter().map(|order| Ordered {
            key: order.key.clone(),
            from: place(&order.from),
            to: place(&order.to),
            amount: order.amount.minor(),
        }));
        let mut simulation = Simulation {
            network: Network::new(plan.latency),
            unreachable_until: vec![0; peers.len()],
            stalled_until: vec![0; peers.len()],
            callers: plan.orders.iter().map(|_| crate::callers::Caller::default()).collect(),
            crashes_left: plan.crashes,
            trace: Trace::new(keep),
            now: BEGINNING,
            stepped: 0,
            agenda: Agenda::default(),
            peer_timers: BTreeMap::new(),
            database: Database::default(),
            bridge: None,
            life: 0,
            frozen_until: 0,
            crash_after: None,
            healed: false,
            settled: false,
            resumed: 0,
            persons: Persons::default(),
            settled_by_hand: false,
            helped_at: 0,
            marks: HashMap::new(),
            watch: Watch::default(),
            done: false,
            plan,
            random,
            clock,
            peers,
            audit,
        };
        let classes = simulation.plan.classes.clone();
        simulation.note(None, format_args!("schedule {} with {classes:?}", request.seed));
        simulation.at(BEGINNING, Event::Start(0));
        for (at, mishap) in simulation.plan.mishaps.clone() {
            simulation.at(at, Event::Mishap(mishap));
        }
        for index in 0..simulation.plan.orders.len() {
            let at = simulation.plan.orders[index].at;
            simulation.at(at, Event::Call(index));
        }
        simulation.at(simulation.plan.heals_at, Event::Heal);
        if let Some(liar) = simulation.plan.liar {
            simulation.at(BEGINNING, Event::Lie(liar));
        }
        for index in 0..simulation.peers.len() {
            simulation.read_books(index);
        }
        simulation
    }

    pub(crate) fn at(&mut self, at: Micros, event: Event) {
        self.agenda.add(at.max(self.now), self.random.random(), event);
    }

    /// The present, as the bridge's machine tells it.
    pub(crate) fn present(&self) -> Now {
        Now { wall: self.now + self.stepped, at: self.clock.instant(self.now) }
    }

    pub(crate) fn note(&mut self, about: Option<u64>, what: std::fmt::Arguments<'_>) {
        self.trace.note(self.now, about, what);
    }

    /// The next event; `false` if there is none.
    fn step(&mut self) -> bool {
        let Some((at, event)) = self.agenda.next() else { return false };
        self.now = at;
        let transfers = u64::try_from(self.plan.orders.len()).unwrap_or(u64::MAX);
        if self.agenda.count() > MOST_EVENTS + transfers.saturating_mul(MOST_EVENTS_OF_ONE) {
            self.audit.find("", "the schedule goes round in circles".to_owned());
            return false;
        }
        self.happen(event);
        if let Some(down) = self.crash_after.take() {
            self.crash(down);
        }
        true
    }

    fn happen(&mut self, event: Event) {
        // Whatever is told next may be by what they decided in a life that is over.
        self.learn_decisions();
        if self.frozen_until > self.now && event.is_of_the_bridge() {
            // In the order in which it was due.
            return self.agenda.add(self.frozen_until, PUT_OFF, event);
        }
        match event {
            Event::Start(life) => self.start(life),
            Event::Mishap(mishap) => self.mishap(mishap),
            Event::Call(order) => self.call(order),
            Event::Heal => self.heal(),
            Event::Check => self.check(),
            Event::Lie(index) => self.let_lie(index),
            Event::Arrived(conn, Towards::Counter) => self.counter_hears(conn),
            Event::Thaw(index, conn) => self.with_peer(index, conn, |peer, now, wishes| {
                peer.thaw(conn, now, wishes);
            }),
            Event::PeerTimer(conn) => {
                // Of those that were set for later before, one is enough.
                if self.peer_timers.get(&conn).is_none_or(|due| *due > self.now) {
                    return;
                }
                self.peer_timers.remove(&conn);
                let Some(index) = self.network.counter(conn) else { return };
                if let Err(until) = self.peers[index].hears(conn, self.now) {
                    return self.set_peer_timer(conn, until);
                }
                self.with_peer(index, conn, |peer, now, wishes| {
                    peer.on_timeout(conn, now, wishes);
                });
            }
            Event::Chore(index, life, conn, chore) => {
                let peer = &self.peers[index];
                if peer.life != life {
                    return;
                }
                if peer.frozen_until > self.now {
                    let until = peer.frozen_until;
                    return self.at(until, Event::Chore(index, life, conn, chore));
                }
                self.with_peer(index, conn, |peer, now, wishes| {
                    peer.attend(conn, *chore, now, wishes);
                });
            }
            Event::Revive(index, life) => {
                if self.peers[index].life == life {
                    let seed = self.random.random();
                    if let Err(error) = self.peers[index].revive(seed) {
                        self.audit.find("", format!("the counter's own books: {error}"));
                    }
                    self.note(None, format_args!("counter {index} is back"));
                }
            }
            Event::Arrived(conn, Towards::Bridge) => self.bridge_hears(conn),
            Event::Dial(life, _)
            | Event::DialFailed(life, _)
            | Event::LinkTimer(life, _)
            | Event::ShardTimer(life, _)
            | Event::Shard(life, ..)
            | Event::Commit(life)
            | Event::Retry(life) => {
                if life == self.life {
                    self.happen_in_bridge(event);
                }
            }
        }
    }

    /// Something that belongs to the life of the bridge that it has now.
    fn happen_in_bridge(&mut self, event: Event) {
        match event {
            Event::Dial(_, index) => {
                self.in_bridge(|simulation, bridge| simulation.dial(bridge, index));
            }
            Event::DialFailed(_, index) => {
                self.in_bridge(|simulation, bridge| {
                    let cause = Cause::Unreachable {
                        address: "counter".to_owned(),
                        error: "not reached".to_owned(),
                    };
                    simulation.lose(bridge, index, &cause);
                });
            }
            Event::LinkTimer(_, index) => {
                self.in_bridge(|simulation, bridge| {
                    if bridge.links[index].timer.is_none_or(|due| due > simulation.now) {
                        return;
                    }
                    bridge.links[index].timer = None;
                    simulation.link_turn(bridge, index);
                });
            }
            Event::ShardTimer(_, shard) => {
                self.in_bridge(|simulation, bridge| {
                    if bridge.desks[shard].timer.is_none_or(|due| due > simulation.now) {
                        return;
                    }
                    bridge.desks[shard].timer = None;
                    simulation.watched_turn(bridge, shard, None);
                });
            }
            Event::Shard(_, shard, input) => {
                self.in_bridge(|simulation, bridge| {
                    simulation.watched_turn(bridge, shard, Some(*input));
                });
            }
            Event::Commit(_) => {
                if !self.boundary("before a commit") {
                    self.in_bridge(Simulation::commit);
                    self.boundary("after a commit, before its answers");
                }
            }
            Event::Retry(_) => self.in_bridge(|simulation, bridge| {
                let next = bridge.journal.retry(&simulation.database, simulation.now);
                simulation.journal_goes_on(next);
            }),
            Event::Start(_)
            | Event::Mishap(_)
            | Event::Call(_)
            | Event::Heal
            | Event::Check
            | Event::Lie(_)
            | Event::Arrived(..)
            | Event::Thaw(..)
            | Event::PeerTimer(_)
            | Event::Chore(..)
            | Event::Revive(..) => unreachable!("it has no life of the bridge"),
        }
    }

    /// What has arrived on one of the bridge's connections.
    fn bridge_hears(&mut self, conn: Conn) {
        self.in_bridge(|simulation, bridge| {
            let index = bridge.links.iter().position(|end| end.conn == Some(conn));
            let arrived = simulation.network.take(conn, Towards::Bridge, simulation.now);
            let Some(index) = index else { return };
            bridge.links[index].link.received(&arrived.bytes);
            simulation.link_turn(bridge, index);
            if arrived.closed && bridge.links[index].conn == Some(conn) {
                let cause = bridge.links[index].link.closed_by_peer();
                simulation.lose(bridge, index, &cause);
                simulation.collect(bridge);
            }
        });
    }

    pub(crate) fn finish(mut self) -> (Report, Trace) {
        let ends = self.judge();
        let report = Report {
            findings: self.audit.findings().to_vec(),
            hash: self.trace.hash(),
            events: self.trace.len(),
            transfers: self.plan.orders.len(),
            ends,
            passed: self.now - BEGINNING,
            crashes: self.life,
        };
        (report, self.trace)
    }
}
