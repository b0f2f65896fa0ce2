//! The event loop: everything that happens in a schedule happens here, one thing at a time.

use crate::audit::{Audit, Finding, Ordered};
use crate::bridge::{Bridge, Queue};
use crate::clock::{BEGINNING, Clock, MS, Micros, SECOND};
use crate::journal::{Answer, Database, Next};
use crate::network::{Conn, Network, Towards};
use crate::peer::{Peer, Wish, entry};
use crate::plan::{Class, Mishap, Plan, Random, Request};
use crate::trace::Trace;
use coordinator::shard::{Input, Output};
use domain::message::Reply;
use link::paper::{Heard, Rest};
use link::{Ask, Cause, ReplyTo};
use rand::{RngExt, SeedableRng};
use simulator::counter::Chore;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// No schedule has so many events: one that does goes round in circles.
const MOST_EVENTS: u64 = 400_000;

/// Bits of a ticket or a write id below the transfer's sequence (decision 0008).
const COUNT_BITS: u32 = 24;

/// One schedule on its way.
#[derive(Debug)]
pub struct Simulation {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) clock: Clock,
    pub(crate) now: Micros,
    events: BinaryHeap<Reverse<Scheduled>>,
    numbered: u64,
    pub(crate) trace: Trace,
    network: Network,
    pub(crate) peers: Vec<Peer>,
    peer_timers: std::collections::BTreeMap<Conn, Micros>,
    unreachable_until: Vec<Micros>,
    stalled_until: Vec<Micros>,
    pub(crate) database: Database,
    pub(crate) bridge: Option<Bridge>,
    /// Counts the bridge's lives: what an old one left behind is not done.
    life: u32,
    crashes_left: u32,
    crash_after: Option<Micros>,
    pub(crate) healed: bool,
    pub(crate) resumed: u32,
    pub(crate) callers: Vec<crate::callers::Caller>,
    pub(crate) audit: Audit,
    pub(crate) done: bool,
}

#[derive(Debug)]
struct Scheduled {
    at: Micros,
    /// Decides among what is due at one moment.
    tie: u32,
    number: u64,
    event: Event,
}

impl Scheduled {
    fn key(&self) -> (Micros, u32, u64) {
        (self.at, self.tie, self.number)
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Scheduled) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Scheduled) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Scheduled) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Something that is due. A number in front is the life of the process that it belongs to.
#[derive(Debug)]
pub(crate) enum Event {
    Start(u32),
    Dial(u32, usize),
    DialFailed(u32, usize),
    LinkTimer(u32, usize),
    ShardTimer(u32, usize),
    Shard(u32, usize, Box<Input>),
    Commit(u32),
    Retry(u32),
    Arrived(Conn, Towards),
    PeerTimer(Conn),
    Thaw(usize, Conn),
    Chore(usize, u32, Conn, Box<Chore>),
    Revive(usize, u32),
    Call(usize),
    Mishap(Mishap),
    Heal,
    Reconnect,
    Check,
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
    pub ends: std::collections::BTreeMap<String, usize>,
    /// How much virtual time passed.
    pub passed: Micros,
    /// How often the bridge died.
    pub crashes: u32,
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
            events: BinaryHeap::new(),
            numbered: 0,
            peer_timers: std::collections::BTreeMap::new(),
            database: Database::default(),
            bridge: None,
            life: 0,
            crash_after: None,
            healed: false,
            resumed: 0,
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
        for index in 0..simulation.peers.len() {
            simulation.read_books(index);
        }
        simulation
    }

    pub(crate) fn at(&mut self, at: Micros, event: Event) {
        self.numbered += 1;
        let (tie, number) = (self.random.random(), self.numbered);
        self.events.push(Reverse(Scheduled { at: at.max(self.now), tie, number, event }));
    }

    pub(crate) fn note(&mut self, about: Option<u64>, what: std::fmt::Arguments<'_>) {
        self.trace.note(self.now, about, what);
    }

    /// The next event; `false` if there is none.
    fn step(&mut self) -> bool {
        let Some(Reverse(Scheduled { at, event, .. })) = self.events.pop() else { return false };
        self.now = at;
        if self.numbered > MOST_EVENTS {
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
        match event {
            Event::Start(life) => self.start(life),
            Event::Mishap(mishap) => self.mishap(mishap),
            Event::Call(order) => self.call(order),
            Event::Heal => self.heal(),
            Event::Check => self.check(),
            Event::Reconnect => {
                self.note(None, format_args!("all connections are made anew"));
                for counter in 0..self.peers.len() {
                    self.cut(counter, true);
                }
            }
            Event::Arrived(conn, Towards::Counter) => self.counter_hears(conn),
            Event::Thaw(index, conn) => self.with_peer(index, conn, |peer, now, wishes| {
                peer.thaw(conn, now, wishes);
            }),
            Event::PeerTimer(conn) => {
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
            Event::Arrived(conn, Towards::Bridge) => self.in_bridge(|simulation, bridge| {
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
            }),
            Event::Dial(life, index) if life == self.life => {
                self.in_bridge(|simulation, bridge| simulation.dial(bridge, index));
            }
            Event::DialFailed(life, index) if life == self.life => {
                self.in_bridge(|simulation, bridge| {
                    let cause = Cause::Unreachable {
                        address: "counter".to_owned(),
                        error: "not reached".to_owned(),
                    };
                    simulation.lose(bridge, index, &cause);
                });
            }
            Event::LinkTimer(life, index) if life == self.life => {
                self.in_bridge(|simulation, bridge| {
                    bridge.links[index].timer = None;
                    simulation.link_turn(bridge, index);
                });
            }
            Event::ShardTimer(life, shard) if life == self.life => {
                self.in_bridge(|simulation, bridge| {
                    bridge.desks[shard].timer = None;
                    simulation.shard_turn(bridge, shard, None);
                });
            }
            Event::Shard(life, shard, input) if life == self.life => {
                self.in_bridge(|simulation, bridge| {
                    simulation.shard_turn(bridge, shard, Some(*input));
                });
            }
            Event::Commit(life) if life == self.life => {
                if !self.boundary("before a commit") {
                    self.in_bridge(Simulation::commit);
                    self.boundary("after a commit, before its answers");
                }
            }
            Event::Retry(life) if life == self.life => self.in_bridge(|simulation, bridge| {
                let next = bridge.journal.retry(&simulation.database, simulation.now);
                simulation.journal_goes_on(next);
            }),
            Event::Dial(..)
            | Event::DialFailed(..)
            | Event::LinkTimer(..)
            | Event::ShardTimer(..)
            | Event::Shard(..)
            | Event::Commit(_)
            | Event::Retry(_) => {}
        }
    }

    // The bridge.

    /// Works on the bridge, if it lives.
    pub(crate) fn in_bridge(&mut self, work: impl FnOnce(&mut Simulation, &mut Bridge)) {
        if let Some(mut bridge) = self.bridge.take() {
            work(self, &mut bridge);
            self.bridge = Some(bridge);
        }
    }

    fn start(&mut self, life: u32) {
        if life != self.life {
            return;
        }
        if self.now < self.database.down_until {
            let at = self.now + SECOND;
            return self.at(at, Event::Start(life));
        }
        let mut bridge = Bridge::new(&self.plan, &mut self.random, self.now);
        let open = self.database.tables.open_transfers();
        self.note(None, format_args!("the bridge starts and takes up {} transfers", open.len()));
        for open in open {
            let new = open.transfer;
            bridge.running.insert(new.idempotency_key.to_string(), new.master);
            let shard = bridge.shard_of(new.master.sequence.number());
            let input = coordinator::taken_up(new, &open.trail);
            self.put(&mut bridge, shard, Queue::Mail, input);
        }
        for index in 0..bridge.links.len() {
            let at = self.now + self.random.random_range(0..=50 * MS);
            self.at(at, Event::Dial(life, index));
        }
        self.bridge = Some(bridge);
    }

    /// The process is killed. What it wrote to sockets is on its way; what was not committed is
    /// gone, unless the database had it in hand.
    fn crash(&mut self, down: Micros) {
        let Some(bridge) = self.bridge.take() else { return };
        self.note(None, format_args!("the bridge is killed"));
        self.life += 1;
        let heads = self.random.random_bool(0.5);
        bridge.journal.die(&mut self.database, self.now, heads);
        let mut notices = Vec::new();
        for conn in bridge.links.iter().filter_map(|end| end.conn) {
            self.network.close(conn, Towards::Counter, self.now, &mut self.random, &mut notices);
        }
        self.announce(notices);
        let (at, life) = (self.now + down, self.life);
        self.at(at, Event::Start(life));
    }

    /// A journal boundary: the process may die here.
    fn boundary(&mut self, place: &str) -> bool {
        let one_in = self.plan.crash_one_in;
        if self.healed || self.crashes_left == 0 || one_in == 0 || self.bridge.is_none() {
            return false;
        }
        if self.random.random_range(0..one_in) > 0 {
            return false;
        }
        self.crashes_left -= 1;
        self.note(None, format_args!("death {place}"));
        self.crash_after = Some(self.random.random_range(10 * MS..5 * SECOND));
        true
    }

    /// Puts something into one of a shard's queues.
    pub(crate) fn put(&mut self, bridge: &mut Bridge, shard: usize, queue: Queue, input: Input) {
        let due = self.now + self.random.random_range(0..=MS / 2);
        let last = &mut bridge.desks[shard].last[queue as usize];
        // Behind what is in that queue already, by a microsecond, so that no tie reorders it.
        *last = due.max(*last + 1);
        let (at, life) = (*last, self.life);
        self.at(at, Event::Shard(life, shard, Box::new(input)));
    }

    fn shard_turn(&mut self, bridge: &mut Bridge, shard: usize, input: Option<Input>) {
        let world = bridge.world();
        let mut out = Vec::new();
        let mut acknowledged = false;
        if let Some(input) = input {
            acknowledged = matches!(input, Input::Written(_));
            self.note_input(&input);
            bridge.shards[shard].handle(input, self.now, &world, &mut out);
        }
        bridge.shards[shard].tick(self.now, &world, &mut out);
        self.perform(bridge, shard, out);
        if acknowledged {
            self.boundary("after an acknowledgement");
        }
        if let Some(due) = bridge.shards[shard].next_timer()
            && bridge.desks[shard].timer.is_none_or(|timer| due < timer)
        {
            bridge.desks[shard].timer = Some(due);
            let life = self.life;
            self.at(due, Event::ShardTimer(life, shard));
        }
    }

    fn note_input(&mut self, input: &Input) {
        match input {
            Input::Written(written) => self.note(
                Some(written.id.0 >> COUNT_BITS),
                format_args!("durable {:x}: {:?}", written.id.0, written.result),
            ),
            Input::Delivered { ticket, outcome } => self.note(
                Some(ticket.0 >> COUNT_BITS),
                format_args!("outcome of {:x}: {}", ticket.0, brief_outcome(outcome)),
            ),
            Input::Unasked { reply, .. } => self.note(
                reply.serial().map(|serial| serial.sequence.number()),
                format_args!("unasked: {}", brief(reply)),
            ),
            Input::Recovered { new, transfer, .. } => self.note(
                Some(new.master.sequence.number()),
                format_args!("taken up as {:?}", transfer.phase),
            ),
            Input::Decide { master, decision, .. } => self.note(
                Some(master.sequence.number()),
                format_args!("a person says {}", decision.as_str()),
            ),
            Input::Begin { new, .. } => self.note(
                Some(new.master.sequence.number()),
                format_args!(
                    "{} begins: {} from {}/{} to {}/{}",
                    new.idempotency_key,
                    new.amount,
                    new.from.counter,
                    new.from.account,
                    new.to.counter,
                    new.to.account
                ),
            ),
            Input::SessionBegan(_) => {}
        }
    }

    fn perform(&mut self, bridge: &mut Bridge, shard: usize, out: Vec<Output>) {
        let mut writes = Vec::new();
        let mut asked = vec![false; bridge.links.len()];
        for output in out {
            match output {
                Output::Write(write) => {
                    let state = write.outcome.as_ref().map(|outcome| outcome.state.as_str());
                    let state = state.or(write.state.map(store::OpenState::as_str));
                    self.note(
                        Some(write.master.sequence.number()),
                        format_args!("write {:x}: {state:?}", write.id.0),
                    );
                    writes.push(write);
                }
                Output::Ask { counter, ticket, instruction, within } => {
                    self.note(
                        Some(ticket.0 >> COUNT_BITS),
                        format_args!("ask {:x}: {}", ticket.0, brief_ask(&instruction)),
                    );
                    let reply_to = ReplyTo::Queue(bridge.desks[shard].deliver.clone());
                    let deadline = self.clock.instant(self.now) + within;
                    let ask = Ask { ticket, instruction, deadline, reply_to };
                    bridge.links[counter.0].link.ask(ask);
                    asked[counter.0] = true;
                }
                Output::Closed { idempotency_key, .. } => {
                    bridge.running.remove(&*idempotency_key);
                }
                Output::Alarm { master, text, .. } => {
                    self.note(Some(master.sequence.number()), format_args!("alarm: {text}"));
                }
                Output::Compare { reply, .. } => self.note(
                    reply.serial().map(|serial| serial.sequence.number()),
                    format_args!("too late: {}", brief(&reply)),
                ),
            }
        }
        if !writes.is_empty() {
            let mut answers = Vec::new();
            let next = bridge.journal.submit(shard, writes, &mut answers);
            self.answer(bridge, answers);
            self.journal_goes_on(next);
            self.boundary("after handing a write over");
        }
        for (index, asked) in asked.into_iter().enumerate() {
            if asked {
                self.link_turn(bridge, index);
            }
        }
        self.hear_answers(bridge);
    }

    // The journal.

    fn commit(&mut self, bridge: &mut Bridge) {
        let mut answers = Vec::new();
        let heads = self.random.random_bool(0.5);
        let next = bridge.journal.commit(&mut self.database, self.now, heads, &mut answers);
        self.answer(bridge, answers);
        self.journal_goes_on(next);
    }

    fn answer(&mut self, bridge: &mut Bridge, answers: Vec<Answer>) {
        for (shard, written) in answers {
            self.put(bridge, shard, Queue::Journal, Input::Written(written));
        }
    }

    fn journal_goes_on(&mut self, next: Next) {
        let life = self.life;
        match next {
            Next::Rest => {}
            Next::Commit => {
                let (until, least) = self.database.slow;
                let least = if self.now < until { least } else { 0 };
                let most = self.plan.commit;
                let at = self.now + least + self.random.random_range(most / 4..=most);
                self.at(at, Event::Commit(life));
            }
            Next::Retry => {
                let at = self.now + self.random.random_range(50 * MS..=2 * SECOND);
                self.at(at, Event::Retry(life));
            }
        }
    }

    // The links.

    fn dial(&mut self, bridge: &mut Bridge, index: usize) {
        let (life, delay) = (self.life, self.network.delay(&mut self.random));
        if self.unreachable_until[index] > self.now {
            let at = self.now + 3 * SECOND;
            return self.at(at, Event::DialFailed(life, index));
        }
        if !self.peers[index].up {
            let at = self.now + delay;
            return self.at(at, Event::DialFailed(life, index));
        }
        let conn = self.network.open(index);
        self.note(None, format_args!("counter {index} is dialled as {conn:?}"));
        let nonce = self.random.random();
        self.peers[index].accept(conn, nonce, self.now);
        self.after_peer(index, conn, Vec::new());
        bridge.links[index].conn = Some(conn);
        let now = self.clock.instant(self.now);
        bridge.links[index].link.connected(now);
        self.link_turn(bridge, index);
    }

    fn link_turn(&mut self, bridge: &mut Bridge, index: usize) {
        let now = self.clock.instant(self.now);
        let stutters = self.plan.has(Class::Network) && !self.healed;
        let end = &mut bridge.links[index];
        let mut heard = Vec::new();
        let mut over = None;
        let mut unfinished = None;
        while let Some(conn) = end.conn {
            if let Err(cause) = end.link.turn(now, self.now, &mut heard) {
                over = Some(cause);
                break;
            }
            let unsent = end.link.unsent();
            if unsent.is_empty() {
                break;
            }
            let length = unsent.len();
            if self.stalled_until[index] > self.now {
                unfinished = Some(self.stalled_until[index]);
                break;
            }
            let stutter = stutters && self.random.random_bool(0.03);
            let count = if stutter { self.random.random_range(1..=length) } else { length };
            let bytes = unsent[..count].to_vec();
            end.link.took(now, count);
            let mut notices = Vec::new();
            let towards = Towards::Counter;
            self.network.send(conn, towards, &bytes, self.now, &mut self.random, &mut notices);
            self.announce(notices);
            if stutter {
                unfinished = Some(self.now + 2 * MS);
                break;
            }
        }
        for heard in heard {
            match heard {
                Heard::Opened => {
                    self.note(None, format_args!("counter {index} has signed on"));
                    for shard in 0..bridge.shards.len() {
                        let input = Input::SessionBegan(coordinator::world::CounterIndex(index));
                        self.put(bridge, shard, Queue::Mail, input);
                    }
                }
                Heard::Unmatched(reply) => {
                    let Some(serial) = reply.serial() else { continue };
                    let shard = bridge.shard_of(serial.sequence.number());
                    let counter = coordinator::world::CounterIndex(index);
                    self.put(bridge, shard, Queue::Mail, Input::Unasked { counter, reply });
                }
            }
        }
        if let Some(cause) = over {
            self.lose(bridge, index, &cause);
        }
        self.collect(bridge);
        let due = bridge.links[index].link.next_timeout().map(|due| self.clock.micros(due));
        if let Some(due) = due.into_iter().chain(unfinished).min()
            && bridge.links[index].timer.is_none_or(|timer| due < timer)
        {
            let due = due.max(self.now + 1);
            bridge.links[index].timer = Some(due);
            let life = self.life;
            self.at(due, Event::LinkTimer(life, index));
        }
    }

    /// A connection is over, or none came to be.
    fn lose(&mut self, bridge: &mut Bridge, index: usize, cause: &Cause) {
        self.note(None, format_args!("counter {index} is lost: {cause}"));
        let mut notices = Vec::new();
        if let Some(conn) = bridge.links[index].conn.take() {
            self.network.close(conn, Towards::Counter, self.now, &mut self.random, &mut notices);
        }
        self.announce(notices);
        let now = self.clock.instant(self.now);
        let life = self.life;
        let wait = match bridge.links[index].link.lost(now, cause) {
            Rest::Wait(wait) => i64::try_from(wait.as_micros()).unwrap_or(i64::MAX),
            Rest::Held => {
                bridge.links[index].link.release();
                60 * SECOND
            }
        };
        let at = self.now + wait;
        self.at(at, Event::Dial(life, index));
    }

    /// Takes what the links have delivered to the shards' queues.
    fn collect(&mut self, bridge: &mut Bridge) {
        for shard in 0..bridge.shards.len() {
            while let Ok(delivery) = bridge.desks[shard].delivered.try_recv() {
                let link::Delivery { ticket, outcome, .. } = delivery;
                let input = Input::Delivered { ticket, outcome };
                self.put(bridge, shard, Queue::Links, input);
            }
        }
    }

    // The counters.

    fn counter_hears(&mut self, conn: Conn) {
        let Some(index) = self.network.counter(conn) else { return };
        if let Err(until) = self.peers[index].hears(conn, self.now) {
            return self.at(until, Event::Arrived(conn, Towards::Counter));
        }
        let arrived = self.network.take(conn, Towards::Counter, self.now);
        self.with_peer(index, conn, |peer, now, wishes| {
            if !arrived.bytes.is_empty() {
                peer.receive(conn, &arrived.bytes, now, wishes);
            }
            if arrived.closed {
                peer.closed(conn, wishes);
            }
        });
    }

    fn with_peer(
        &mut self,
        index: usize,
        conn: Conn,
        work: impl FnOnce(&mut Peer, Micros, &mut Vec<Wish>),
    ) {
        let mut wishes = Vec::new();
        if self.peers[index].up {
            work(&mut self.peers[index], self.now, &mut wishes);
        }
        self.after_peer(index, conn, wishes);
    }

    fn after_peer(&mut self, index: usize, conn: Conn, wishes: Vec<Wish>) {
        self.read_books(index);
        let life = self.peers[index].life;
        let mut notices = Vec::new();
        for wish in wishes {
            match wish {
                Wish::Send(conn, bytes) => {
                    let towards = Towards::Bridge;
                    let (now, random) = (self.now, &mut self.random);
                    self.network.send(conn, towards, &bytes, now, random, &mut notices);
                }
                Wish::Close(conn, why) => {
                    self.note(None, format_args!("counter {index} closes {conn:?}: {why}"));
                    let towards = Towards::Bridge;
                    self.network.close(conn, towards, self.now, &mut self.random, &mut notices);
                }
                Wish::Later(at, conn, chore) => {
                    self.at(at, Event::Chore(index, life, conn, Box::new(chore)));
                }
                Wish::Thaw(at, conn) => self.at(at, Event::Thaw(index, conn)),
                Wish::Restart(down) => {
                    let down = i64::try_from(down.as_micros()).unwrap_or(i64::MAX);
                    self.restart(index, down);
                }
            }
        }
        self.announce(notices);
        if let Some(due) = self.peers[index].next_timeout(conn) {
            self.set_peer_timer(conn, due);
        }
    }

    fn set_peer_timer(&mut self, conn: Conn, due: Micros) {
        let due = due.max(self.now + 1);
        if self.peer_timers.get(&conn).is_none_or(|timer| due < *timer) {
            self.peer_timers.insert(conn, due);
            self.at(due, Event::PeerTimer(conn));
        }
    }

    fn restart(&mut self, index: usize, down: Micros) {
        if !self.peers[index].up {
            return;
        }
        self.note(None, format_args!("counter {index} dies"));
        let mut notices = Vec::new();
        for conn in self.peers[index].die() {
            let towards = Towards::Bridge;
            self.network.close(conn, towards, self.now, &mut self.random, &mut notices);
        }
        self.announce(notices);
        let (at, life) = (self.now + down, self.peers[index].life);
        self.at(at, Event::Revive(index, life));
    }

    /// The auditor reads what the counter has written.
    fn read_books(&mut self, index: usize) {
        let lines = self.peers[index].news().to_vec();
        for line in lines {
            let about = line.serial.map(|serial| serial.sequence.number());
            let refused = line.refused.as_ref().map(|refused| refused.code);
            self.trace.note(
                self.now,
                about,
                format_args!(
                    "BOOKS of {}: {:?} {:?} {:?} {refused:?}",
                    line.counter, line.kind, line.serial, line.amount
                ),
            );
            if let Some(entry) = entry(&line) {
                self.audit.line(&entry);
            }
        }
        for master in self.peers[index].new_lies() {
            let sequence = master.sequence.number();
            self.note(Some(sequence), format_args!("counter {index} lies about {master}"));
            self.audit.lied(&master.to_string());
        }
    }

    // What goes wrong.

    fn mishap(&mut self, mishap: Mishap) {
        if self.healed {
            return;
        }
        self.note(None, format_args!("mishap: {mishap:?}"));
        match mishap {
            Mishap::Crash(down) => self.crash(down),
            Mishap::Cut(counter) => self.cut(counter, true),
            Mishap::CutUnseen(counter) => self.cut(counter, false),
            Mishap::DeafCounter(counter, hang) => {
                self.network.hold(counter, Towards::Counter, self.now + hang);
            }
            Mishap::DumbCounter(counter, hang) => {
                self.network.hold(counter, Towards::Bridge, self.now + hang);
            }
            Mishap::Stalled(counter, hang) => self.stalled_until[counter] = self.now + hang,
            Mishap::Unreachable(counter, hang) => {
                self.unreachable_until[counter] = self.now + hang;
            }
            Mishap::Freeze(counter, hang) => self.peers[counter].frozen_until = self.now + hang,
            Mishap::Restart(counter, down) => self.restart(counter, down),
            Mishap::ForgetSessions(counter) => self.peers[counter].forget_sessions(),
            Mishap::DatabaseDown(hang) => self.database.down_until = self.now + hang,
            Mishap::CommitUnclear(gone) => self.database.unclear = Some(gone),
            Mishap::DatabaseSlow(slow) => {
                self.database.slow = (self.now + 10 * SECOND, slow);
            }
            Mishap::Resume => self.resume(),
        }
    }

    fn cut(&mut self, counter: usize, bridge_learns: bool) {
        let mut notices = Vec::new();
        for conn in self.network.of(counter) {
            self.network.cut(conn, bridge_learns, self.now, &mut self.random, &mut notices);
        }
        self.announce(notices);
        self.network.sweep();
    }

    fn heal(&mut self) {
        self.note(None, format_args!("all heals"));
        self.healed = true;
        self.network.heal();
        self.unreachable_until.fill(0);
        self.stalled_until.fill(0);
        self.database.down_until = self.now;
        self.database.slow = (0, 0);
        self.database.unclear = None;
        for peer in &mut self.peers {
            peer.heal();
        }
        // Behind every request that may still be on its way, a new session begins: only that
        // proves anything to a bridge whose counter cannot fence.
        let limit =
            self.plan.counters.iter().map(|counter| counter.rules.profile.in_flight_limit_ms);
        let limit = i64::try_from(limit.max().unwrap_or(0)).unwrap_or(0) * MS;
        let at = self.now + limit + 5 * SECOND;
        self.at(at, Event::Reconnect);
        let at = self.now + 5 * SECOND;
        self.at(at, Event::Check);
    }

    fn announce(&mut self, notices: Vec<crate::network::Notice>) {
        for (at, conn, towards) in notices {
            self.at(at, Event::Arrived(conn, towards));
        }
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

fn brief(reply: &Reply) -> String {
    match reply {
        Reply::Posting(reply) => format!("{} {}", reply.serial, reply.answer.code),
        Reply::Query(reply) => {
            format!("{} {:?} ({})", reply.serial, reply.finding, reply.answer.code)
        }
        Reply::Balance(_) | Reply::Entries(_) => "figures".to_owned(),
    }
}

fn brief_outcome(outcome: &link::Outcome) -> String {
    match outcome {
        link::Outcome::Answered(reply) => brief(reply),
        link::Outcome::NotSent(why) => format!("not sent: {why}"),
        link::Outcome::Unknown(why) => format!("unknown: {why}"),
    }
}

fn brief_ask(instruction: &domain::message::Instruction) -> String {
    use domain::message::Instruction as I;
    match instruction {
        I::Debit(posting) => format!("debit {}", posting.serial),
        I::Credit(posting) => format!("credit {}", posting.serial),
        I::Reverse(reversal) => format!("reverse {}", reversal.serial),
        I::Query(query) => format!("query {} {:?}", query.serial, query.look),
        I::Balance(_) | I::Entries(_) => "figures".to_owned(),
    }
}
