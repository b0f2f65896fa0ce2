//! What goes wrong when its time comes, and how all heals in the end.

use crate::agenda::Event;
use crate::clock::{Micros, SECOND};
use crate::mishaps::Mishap;
use crate::network::{Conn, Notice, Towards};
use crate::run::Simulation;
use rand::RngExt;

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
            Mishap::FreezeBridge(hang) => self.frozen_until = self.now + hang,
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
        let at = self.now + 5 * SECOND;
        self.at(at, Event::Check);
    }

    pub(crate) fn announce(&mut self, notices: Vec<Notice>) {
        for (at, conn, towards) in notices {
            self.at(at, Event::Arrived(conn, towards));
        }
    }
}
