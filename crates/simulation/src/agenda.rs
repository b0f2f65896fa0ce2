//! What is due, and when: the only order in which anything happens.

use crate::clock::Micros;
use crate::mishaps::Mishap;
use crate::network::{Conn, Towards};
use coordinator::shard::Input;
use simulator::counter::Chore;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

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
    /// The counter that lies says something.
    Lie(usize),
    Mishap(Mishap),
    Heal,
    Check,
}

impl Event {
    /// Whether the bridge's process is what does it: while that stands still, it does not happen.
    pub(crate) fn is_of_the_bridge(&self) -> bool {
        match self {
            Event::Dial(..)
            | Event::DialFailed(..)
            | Event::LinkTimer(..)
            | Event::ShardTimer(..)
            | Event::Shard(..)
            | Event::Commit(_)
            | Event::Retry(_)
            | Event::Arrived(_, Towards::Bridge)
            // Whoever asks waits at its socket.
            | Event::Call(_) => true,
            Event::Start(_)
            | Event::Arrived(_, Towards::Counter)
            | Event::PeerTimer(_)
            | Event::Thaw(..)
            | Event::Chore(..)
            | Event::Revive(..)
            | Event::Lie(_)
            | Event::Mishap(_)
            | Event::Heal
            | Event::Check => false,
        }
    }
}

/// What is put off goes before all that is due then by itself.
pub(crate) const PUT_OFF: u32 = 0;

/// Everything that is due.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    events: BinaryHeap<Reverse<Scheduled>>,
    numbered: u64,
}

impl Agenda {
    /// Adds something; `tie` decides among what is due at one moment, and behind it who came first.
    pub(crate) fn add(&mut self, at: Micros, tie: u32, event: Event) {
        self.numbered += 1;
        self.events.push(Reverse(Scheduled { at, tie, number: self.numbered, event }));
    }

    /// The next.
    pub(crate) fn next(&mut self) -> Option<(Micros, Event)> {
        self.events.pop().map(|Reverse(Scheduled { at, event, .. })| (at, event))
    }

    /// Lets what was put off until `from` be due at `to` instead, in the same order and before whatever
    /// else is put off until then.
    pub(crate) fn move_put_off(&mut self, from: Micros, to: Micros) {
        let put_off = |event: &Scheduled| event.at == from && event.tie == PUT_OFF;
        let events = std::mem::take(&mut self.events).into_iter().map(|Reverse(event)| {
            Reverse(if put_off(&event) { Scheduled { at: to, ..event } } else { event })
        });
        self.events = events.collect();
    }

    /// How many were ever added.
    pub(crate) fn count(&self) -> u64 {
        self.numbered
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_off_is_moved_in_its_order_and_the_rest_stays_where_it_is() {
        let mut agenda = Agenda::default();
        for (at, tie, life) in [(9, PUT_OFF, 1), (5, 3, 2), (9, PUT_OFF, 3), (9, 7, 4)] {
            agenda.add(at, tie, Event::Start(life));
        }
        agenda.move_put_off(9, 12);
        agenda.add(12, PUT_OFF, Event::Start(5));
        agenda.move_put_off(12, 4);
        let mut order = Vec::new();
        while let Some((at, Event::Start(life))) = agenda.next() {
            order.push((at, life));
        }
        assert_eq!(order, [(4, 1), (4, 3), (4, 5), (5, 2), (9, 4)]);
    }
}
