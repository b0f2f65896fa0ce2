//! Whether record and counters are fit to be acted upon: the bridge's own rules for what counters
//! say of its serials, around which its tasks and its database are played, and the persons who
//! readmit and release.

use crate::bridge::Bridge;
use crate::class::Class;
use crate::clock::{MS, SECOND};
use crate::run::Simulation;
use coordinator::doubts::Doubts;
use domain::message::{CounterId, Instruction, Look};
use domain::serial::{MasterSerial, Role, SubSerial};
use domain::transfer::Doubt;
use rand::RngExt;
use std::collections::BTreeSet;

/// What one life of the bridge knows of it.
#[derive(Debug, Default)]
pub struct Standing {
    /// The record is behind.
    pub behind: bool,
    /// The counters that get nothing new.
    pub held: BTreeSet<usize>,
    doubts: Doubts,
}

impl Simulation {
    pub(crate) fn counter_id(&self, counter: usize) -> &CounterId {
        &self.plan.counters[counter].rules.counter
    }

    /// What a bridge finds when it starts.
    pub(crate) fn take_up_standing(&mut self, bridge: &mut Bridge) {
        bridge.standing.behind = self.database.shelf.look();
        if bridge.standing.behind {
            self.note(None, format_args!("the record is behind"));
        }
        let held = self.database.shelf.record.kept.held.clone();
        for (counter, seen) in held {
            let index = self.plan.counters.iter().position(|plan| plan.rules.counter == counter);
            bridge.standing.held.extend(index);
            if seen.is_some() {
                self.agree(bridge, &counter);
            }
        }
    }

    /// A session opened: how far the counter has seen our serials.
    pub(crate) fn look_at_reach(&mut self, bridge: &mut Bridge, counter: usize, told: SubSerial) {
        let (id, seen) = (self.counter_id(counter).clone(), told.sequence.number());
        if !self.database.shelf.is_beyond(&id, seen) {
            return;
        }
        self.note(None, format_args!("{id} has seen {told}, which was never given out"));
        self.hold(bridge, counter, Some(seen));
        self.agree(bridge, &id);
        let wall = self.present().wall;
        if self.database.shelf.lift(seen, false, wall) {
            bridge.serials = 0..0;
        }
    }

    /// What a counter holds under a serial may not be ours.
    pub(crate) fn doubt(
        &mut self,
        bridge: &mut Bridge,
        counter: usize,
        doubt: Doubt,
        about: (MasterSerial, Role),
    ) {
        let (id, wall) = (self.counter_id(counter).clone(), self.present().wall);
        let Standing { doubts, behind, .. } = &bridge.standing;
        if doubts.reason_to_hold(&id, doubt, about, *behind, wall).is_some() {
            self.hold(bridge, counter, None);
        }
    }

    fn hold(&mut self, bridge: &mut Bridge, counter: usize, seen: Option<u64>) {
        let id = self.counter_id(counter).clone();
        self.note(None, format_args!("{id} gets nothing new"));
        bridge.standing.held.insert(counter);
        self.database.shelf.record.kept.hold(&id, seen);
    }

    /// Two counters that have seen more than the record gave out speak of the record.
    fn agree(&mut self, bridge: &mut Bridge, counter: &CounterId) {
        if bridge.standing.doubts.beyond(counter).is_some() && !bridge.standing.behind {
            self.note(None, format_args!("counters agree that the record is behind"));
            bridge.standing.behind = true;
            self.database.shelf.declare_behind();
            if !self.plan.has(Class::Restored) {
                // One that lies is alone.
                self.audit.find("", format!("{counter} has stopped everything"));
            }
        }
    }

    /// Persons look at what is held, and at the record: both may go on.
    pub(crate) fn readmit_and_release(&mut self) {
        if self.bridge.as_ref().is_some_and(|bridge| bridge.standing.behind) {
            let down = self.random.random_range(100 * MS..3 * SECOND);
            self.crash(down);
            self.database.shelf.release();
            self.note(None, format_args!("a person releases the record"));
            self.helped_at = self.now;
            return;
        }
        let liar = self.plan.liar;
        self.in_bridge(|simulation, bridge| {
            // Nobody trusts one that lies.
            let held: Vec<usize> =
                bridge.standing.held.iter().copied().filter(|held| Some(*held) != liar).collect();
            for counter in held {
                let id = simulation.counter_id(counter).clone();
                let wall = simulation.present().wall;
                if let Some(seen) = simulation.database.shelf.record.kept.readmit(&id) {
                    simulation.database.shelf.lift(seen, true, wall);
                    bridge.serials = 0..0;
                }
                bridge.standing.doubts.explained(&id);
                bridge.standing.held.remove(&counter);
                simulation.note(None, format_args!("a person readmits {id}"));
                simulation.helped_at = simulation.now;
            }
        });
    }

    /// Whether persons are needed for the record, or for a counter that does not lie.
    pub(crate) fn needs_release(&self) -> bool {
        let Some(bridge) = &self.bridge else { return false };
        let Standing { behind, held, .. } = &bridge.standing;
        *behind || held.iter().any(|held| Some(*held) != self.plan.liar)
    }

    /// What moves money, or changes a counter's books, must not leave now.
    pub(crate) fn judge_ask(&mut self, bridge: &Bridge, counter: usize, ask: &Instruction) {
        let Standing { behind, held, .. } = &bridge.standing;
        let (moves, fences) = match ask {
            Instruction::Debit(_) | Instruction::Credit(_) | Instruction::Reverse(_) => {
                (true, false)
            }
            Instruction::Query(query) => (false, query.look == Look::Fence),
            Instruction::Balance(_) | Instruction::Entries(_) => (false, false),
        };
        let why = if *behind && (moves || fences) {
            "while the record is behind"
        } else if moves && held.contains(&counter) {
            "to a counter that is held"
        } else {
            return;
        };
        self.audit.find("", format!("{} is sent {why}", crate::words::brief_ask(ask)));
    }
}
