//! What goes wrong when its time comes, and how all heals in the end.

use crate::agenda::Event;
use crate::clock::{Micros, SECOND};
use crate::mishaps::Mishap;
use crate::network::{Conn, Notice, Towards};
use crate::record::Restored;
use crate::run::Simulation;
use rand::RngExt;
use std::collections::BTreeSet;

/// So long after healing nothing is on its way any more, and nothing new is sent by itself.
pub(crate) const QUIET_AFTER: Micros = 120 * SECOND;

impl Simulation {
    pub(crate) fn mishap(&mut self, mishap: Mishap) {
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
            Mishap::Decide => self.decide_by_chance(),
            Mishap::ClockStep(step) => self.stepped += step,
            Mishap::CopyRecord => self.database.shelf.copy(),
            Mishap::Restore(what, down) => self.restore(what, down),
            Mishap::Release => self.readmit_and_release(),
            // What is not there does not stand still.
            Mishap::FreezeBridge(hang) if self.bridge.is_some() => {
                let until = self.frozen_until.max(self.now + hang);
                // What is put off already keeps its place before what comes until then.
                self.agenda.move_put_off(self.frozen_until, until);
                self.frozen_until = until;
            }
            Mishap::FreezeBridge(_) => {}
        }
    }

    /// Of several connections, each with an even chance; the only one for certain.
    fn cut(&mut self, counter: usize, bridge_learns: bool) {
        let mut conns = self.network.of(counter);
        if self.plan.counters[counter].connections > 1 {
            conns.retain(|_| self.random.random_bool(0.5));
        }
        self.cut_these(conns, bridge_learns);
    }

    fn cut_these(&mut self, conns: Vec<Conn>, bridge_learns: bool) {
        let mut notices = Vec::new();
        for conn in conns {
            self.network.cut(conn, bridge_learns, self.now, &mut self.random, &mut notices);
        }
        self.announce(notices);
        self.network.sweep();
    }

    pub(crate) fn heal(&mut self) {
        self.note(None, format_args!("all heals"));
        self.healed = true;
        self.agenda.move_put_off(self.frozen_until, self.now);
        self.frozen_until = 0;
        self.network.heal();
        self.unreachable_until.fill(0);
        self.stalled_until.fill(0);
        self.database.down_until = self.now;
        self.database.slow = (0, 0);
        self.database.unclear = None;
        for peer in &mut self.peers {
            peer.heal();
        }
        if self.needs_release() {
            self.readmit_and_release();
        }
        let at = self.now + 5 * SECOND;
        self.at(at, Event::Check);
    }

    /// The bridge dies, and what it finds when it comes back is not what it left.
    fn restore(&mut self, what: Restored, down: Micros) {
        self.crash(down);
        let asked: BTreeSet<String> = self
            .database
            .tables()
            .all()
            .map(|stored| stored.transfer.idempotency_key.to_string())
            .collect();
        self.database.shelf.restore(what);
        let (mut known, mut open) = (BTreeSet::new(), Vec::new());
        for stored in self.database.tables().all() {
            known.insert(stored.transfer.idempotency_key.to_string());
            if stored.outcome.is_none() {
                open.push(stored.transfer);
            }
        }
        let lost: BTreeSet<&String> = asked.difference(&known).collect();
        self.note(None, format_args!("the record is lost: {what:?}, without {lost:?}"));
        for order in 0..self.plan.orders.len() {
            if lost.contains(&self.plan.orders[order].key) {
                // The apps are told that it may have been carried out, and do not ask again.
                self.callers[order].has_stopped = true;
                let key = self.plan.orders[order].key.clone();
                self.audit.lost(&key);
            }
        }
        if !what.shows() {
            // A copy of both hides what became of what is open in it (docs/guarantees.md).
            for new in open {
                let name = self.name_of(new.master, new.mark);
                self.audit.hidden(&name);
                self.watch.hidden.insert(new.master.sequence.number());
            }
        }
        self.watch.restored();
    }

    pub(crate) fn announce(&mut self, notices: Vec<Notice>) {
        for (at, conn, towards) in notices {
            self.at(at, Event::Arrived(conn, towards));
        }
    }
}
