//! The bridge's sockets: connections are dialled, carry bytes and are lost.

use crate::agenda::Event;
use crate::bridge::{Bridge, Queue};
use crate::class::Class;
use crate::clock::{MS, SECOND};
use crate::network::Towards;
use crate::run::Simulation;
use coordinator::shard::Input;
use coordinator::world::Facts;
use link::Cause;
use link::sans_io::{Heard, Rest};
use port::{Ask, CounterIndex, RequestOutcome, Sessions};
use rand::RngExt;
use std::sync::Arc;

impl Simulation {
    pub(crate) fn dial(&mut self, bridge: &mut Bridge, index: usize) {
        let (life, delay) = (self.life, self.network.delay(&mut self.random));
        let counter = bridge.links[index].counter;
        if self.unreachable_until[counter] > self.now {
            let at = self.now + 3 * SECOND;
            return self.at(at, Event::DialFailed(life, index));
        }
        if !self.peers[counter].up {
            let at = self.now + delay;
            return self.at(at, Event::DialFailed(life, index));
        }
        let conn = self.network.open(counter);
        self.note(None, format_args!("counter {counter} is dialled as {conn:?}"));
        let nonce = self.random.random();
        self.peers[counter].accept(conn, nonce, self.now);
        self.after_peer(counter, conn, Vec::new());
        bridge.links[index].conn = Some(conn);
        let now = self.clock.instant(self.now);
        bridge.links[index].link.connected(now);
        self.link_turn(bridge, index);
    }

    pub(crate) fn link_turn(&mut self, bridge: &mut Bridge, index: usize) {
        let now = self.clock.instant(self.now);
        let stutters = self.plan.has(Class::Network) && !self.healed;
        let end = &mut bridge.links[index];
        let counter = end.counter;
        let mut heard = Vec::new();
        let mut over = None;
        let mut unfinished = None;
        while let Some(conn) = end.conn {
            if let Err(cause) = end.link.turn(now, &mut heard) {
                over = Some(cause);
                break;
            }
            let unsent = end.link.unsent();
            if unsent.is_empty() {
                break;
            }
            let length = unsent.len();
            if self.stalled_until[counter] > self.now {
                unfinished = Some(self.stalled_until[counter]);
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
                    self.note(None, format_args!("counter {counter} has signed on"));
                    for shard in 0..bridge.shards.len() {
                        let input = Input::SessionBegan(CounterIndex(counter));
                        self.put(bridge, shard, Queue::Mail, input);
                    }
                    if let Some(told) = bridge.links[index].link.highest_serial() {
                        self.look_at_reach(bridge, counter, told);
                    }
                    // What the others have put off because of this one.
                    let (at, life) = (self.now, self.life);
                    for other in (0..bridge.links.len()).filter(|other| *other != index) {
                        if bridge.links[other].counter == counter {
                            bridge.links[other].timer = Some(at);
                            self.at(at, Event::LinkTimer(life, other));
                        }
                    }
                }
                Heard::Unmatched(reply) => {
                    let Some(serial) = reply.serial() else { continue };
                    let shard = bridge.shard_of(serial.sequence.number());
                    let speaker = self.plan.counters[counter].rules.counter.clone();
                    self.put(bridge, shard, Queue::Mail, Input::Unasked { speaker, reply });
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
    pub(crate) fn lose(&mut self, bridge: &mut Bridge, index: usize, cause: &Cause) {
        let counter = bridge.links[index].counter;
        self.note(None, format_args!("counter {counter} is lost: {cause}"));
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

    /// What the bridge knows at its start of the counters whose books are kept in its own process.
    pub(crate) fn open_books(&mut self, bridge: &mut Bridge) {
        for index in 0..self.plan.counters.len() {
            let counter = &self.plan.counters[index];
            if !counter.in_process {
                continue;
            }
            let peer = &self.peers[index];
            let facts = Facts {
                id: counter.rules.counter.clone(),
                profile: Arc::new(counter.rules.profile.clone()),
                settle_day: Some(peer.settle_day()),
                sessions: Some(Sessions::at(self.clock.instant(self.now))),
                held: false,
            };
            let told = peer.highest_serial();
            bridge.in_process.insert(index, facts);
            for shard in 0..bridge.shards.len() {
                self.put(bridge, shard, Queue::Mail, Input::SessionBegan(CounterIndex(index)));
            }
            if let Some(told) = told {
                self.look_at_reach(bridge, index, told);
            }
        }
    }

    /// Asks one of them, which answers at once.
    pub(crate) fn ask_in_process(&mut self, bridge: &mut Bridge, index: usize, ask: Ask) {
        let reply = self.peers[index].answer(ask.ticket, ask.instruction, self.now);
        self.read_books(index);
        let day = self.peers[index].settle_day();
        if let Some(facts) = bridge.in_process.get_mut(&index) {
            facts.settle_day = Some(day);
        }
        let id = &self.plan.counters[index].rules.counter;
        ask.reply_to.deliver(id, ask.ticket, RequestOutcome::Answered(reply));
        self.collect(bridge);
    }

    /// Takes what the links have delivered to the shards' queues.
    pub(crate) fn collect(&mut self, bridge: &mut Bridge) {
        for shard in 0..bridge.shards.len() {
            while let Ok(delivery) = bridge.desks[shard].delivered.try_recv() {
                let port::Delivery { counter: speaker, ticket, outcome } = delivery;
                let input = Input::Delivered { speaker, ticket, outcome };
                self.put(bridge, shard, Queue::Links, input);
            }
        }
    }

    /// The connection that a request goes out on. Of several any that is up may be it: what the
    /// bridge asks on one may overtake what it asked on another.
    pub(crate) fn choose_line(&mut self, bridge: &Bridge, counter: usize) -> usize {
        let of_it = || bridge.links.iter().enumerate().filter(|(_, end)| end.counter == counter);
        let up: Vec<usize> =
            of_it().filter(|(_, end)| end.link.is_up()).map(|(index, _)| index).collect();
        match up.as_slice() {
            [] => of_it().map(|(index, _)| index).next().unwrap_or(counter),
            [one] => *one,
            several => several[self.random.random_range(0..several.len())],
        }
    }
}
