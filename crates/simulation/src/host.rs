//! The machine on which the bridge runs: it starts and kills the process, stops it, reads the
//! queues of its shards to them, and does what they want done.

use crate::agenda::Event;
use crate::bridge::{Bridge, Queue};
use crate::clock::{MS, Micros, SECOND};
use crate::journal::{Answer, Next};
use crate::network::Towards;
use crate::run::Simulation;
use crate::words::{brief, brief_ask};
use coordinator::Tail;
use coordinator::shard::{Input, Output};
use port::Ask;
use port::ReplyTo;
use rand::RngExt;

/// Bits of a ticket or a write id below the transfer's sequence (decision 0008).
pub(crate) const COUNT_BITS: u32 = 24;

impl Simulation {
    /// Works on the bridge, if it lives.
    pub(crate) fn in_bridge(&mut self, work: impl FnOnce(&mut Simulation, &mut Bridge)) {
        if let Some(mut bridge) = self.bridge.take() {
            work(self, &mut bridge);
            self.bridge = Some(bridge);
        }
    }

    pub(crate) fn start(&mut self, life: u32) {
        if life != self.life {
            return;
        }
        if self.now < self.database.down_until {
            let at = self.now + SECOND;
            return self.at(at, Event::Start(life));
        }
        let wall = self.present().wall;
        let mut bridge = Bridge::new(&self.plan, &mut self.random, wall);
        self.take_up_standing(&mut bridge);
        let open = self.database.tables().open_transfers();
        self.note(None, format_args!("the bridge starts and takes up {} transfers", open.len()));
        for open in open {
            let new = open.transfer;
            bridge.running.insert(new.idempotency_key.to_string(), new.master);
            let shard = bridge.shard_of(new.master.sequence.number());
            let lost = bridge.standing.behind || self.database.shelf.is_doubted(new.master);
            let tail = if lost { Tail::Lost } else { Tail::Whole };
            let input = coordinator::taken_up(new, &open.trail, tail);
            self.put(&mut bridge, shard, Queue::Mail, input);
        }
        self.open_books(&mut bridge);
        for index in 0..bridge.links.len() {
            let at = self.now + self.random.random_range(0..=50 * MS);
            self.at(at, Event::Dial(life, index));
        }
        self.bridge = Some(Box::new(bridge));
    }

    /// The process is killed. What it wrote to sockets is on its way; what was not committed is
    /// gone, unless the database had it in hand.
    pub(crate) fn crash(&mut self, down: Micros) {
        let Some(bridge) = self.bridge.take() else { return };
        self.note(None, format_args!("the bridge is killed"));
        self.frozen_until = 0;
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
    pub(crate) fn boundary(&mut self, place: &str) -> bool {
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

    pub(crate) fn shard_turn(&mut self, bridge: &mut Bridge, shard: usize, input: Option<Input>) {
        let world = bridge.world();
        let mut out = Vec::new();
        let mut acknowledged = false;
        let mut expected = None;
        if let Some(input) = input {
            acknowledged = matches!(input, Input::Written(_));
            self.note_input(&input);
            expected = self.must_be_foreign(&input);
            bridge.shards[shard].handle(input, self.present(), &world, &mut out);
            self.hear_decisions(bridge);
        }
        bridge.shards[shard].tick(self.present(), &world, &mut out);
        self.perform(bridge, shard, out);
        self.judge_foreign(expected);
        if acknowledged {
            self.boundary("after an acknowledgement");
        }
        let due = bridge.shards[shard].next_timer().map(|due| self.clock.micros(due));
        if let Some(due) = due
            && bridge.desks[shard].timer.is_none_or(|timer| due < timer)
        {
            bridge.desks[shard].timer = Some(due);
            let life = self.life;
            self.at(due, Event::ShardTimer(life, shard));
        }
    }

    /// Asks a counter. Over which link, unless its books are in the bridge's process.
    fn ask(&mut self, bridge: &mut Bridge, counter: usize, ask: Ask) -> Option<usize> {
        let Ask { ticket, instruction, .. } = &ask;
        self.note(
            Some(ticket.0 >> COUNT_BITS),
            format_args!("ask {:x}: {}", ticket.0, brief_ask(instruction)),
        );
        self.judge_ask(bridge, counter, instruction);
        self.watch_ask(instruction);
        if bridge.in_process.contains_key(&counter) {
            self.ask_in_process(bridge, counter, ask);
            return None;
        }
        let index = self.choose_line(bridge, counter);
        bridge.links[index].link.ask(ask);
        Some(index)
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
                    let reply_to = ReplyTo::Queue(bridge.desks[shard].deliver.clone());
                    let deadline = self.clock.instant(self.now) + within;
                    let ask = Ask { ticket, instruction, deadline, reply_to };
                    if let Some(index) = self.ask(bridge, counter.0, ask) {
                        asked[index] = true;
                    }
                }
                Output::NewSessions { counter, after } => {
                    self.note(None, format_args!("a new session with {} is wanted", counter.0));
                    for (index, end) in bridge.links.iter().enumerate() {
                        if end.counter == counter.0 {
                            end.link.renew_sessions(after);
                            asked[index] = true;
                        }
                    }
                }
                Output::Closed { idempotency_key, .. } => {
                    bridge.running.remove(&*idempotency_key);
                }
                Output::Alarm { master, text, .. } => {
                    self.note(Some(master.sequence.number()), format_args!("alarm: {text}"));
                }
                Output::LeftOut { master, text, .. } => self.note(
                    Some(master.sequence.number()),
                    format_args!("left out: {}", text.unwrap_or_default()),
                ),
                Output::Doubted { counter, doubt, master, role } => {
                    self.note(
                        Some(master.sequence.number()),
                        format_args!("doubt about the {role} at counter {}: {doubt:?}", counter.0),
                    );
                    self.doubt(bridge, counter.0, doubt, (master, role));
                }
                Output::Accuse { counter, fault, master, text } => {
                    self.accused(&counter, fault, Some(master), &text);
                }
                Output::Compare { speaker, reply } => {
                    self.note(
                        reply.serial().map(|serial| serial.sequence.number()),
                        format_args!("too late: {}", brief(&reply)),
                    );
                    self.compare(bridge, &speaker, reply);
                }
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

    pub(crate) fn commit(&mut self, bridge: &mut Bridge) {
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

    pub(crate) fn journal_goes_on(&mut self, next: Next) {
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
}
