//! The counters' machines: what reaches their processes, what those want done, and the auditor who
//! reads their books.

use crate::agenda::Event;
use crate::class::Class;
use crate::clock::Micros;
use crate::network::{Conn, Towards};
use crate::peer::{Peer, Wish, entry};
use crate::run::Simulation;

impl Simulation {
    pub(crate) fn counter_hears(&mut self, conn: Conn) {
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

    pub(crate) fn with_peer(
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

    pub(crate) fn after_peer(&mut self, index: usize, conn: Conn, wishes: Vec<Wish>) {
        self.read_books(index);
        self.hear_liar(index);
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

    pub(crate) fn set_peer_timer(&mut self, conn: Conn, due: Micros) {
        let due = due.max(self.now + 1);
        if self.peer_timers.get(&conn).is_none_or(|timer| due < *timer) {
            self.peer_timers.insert(conn, due);
            self.at(due, Event::PeerTimer(conn));
        }
    }

    pub(crate) fn restart(&mut self, index: usize, down: Micros) {
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
    pub(crate) fn read_books(&mut self, index: usize) {
        let by_marks = self.plan.has(Class::Restored);
        for (line, mark) in self.peers[index].news() {
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
            if let Some(mut entry) = entry(&line) {
                if by_marks && !entry.serial.is_empty() {
                    // The same serial may stand for two transfers.
                    let mark = format!("/{:016x}", mark.map_or(0, |mark| mark.0));
                    entry.serial.push_str(&mark);
                    entry.master.push_str(&mark);
                    entry.original = entry.original.map(|original| original + &mark);
                }
                self.audit.line(&entry);
            }
        }
        for (master, mark) in self.peers[index].new_lies() {
            let sequence = master.sequence.number();
            self.note(Some(sequence), format_args!("counter {index} lies about {master}"));
            let name = self.name_of(master, mark);
            self.audit.lied(&name);
        }
    }
}
