//! The tables in memory, for simulations: what is written and what is not is decided by the same
//! plan as with a database, insert first. No clock, no task, no durability of its own: whoever
//! simulates decides what a crash leaves of it.

use crate::idempotency::{End, Known, Plan, misfit, refused};
use crate::record::{Decision, NewTransfer, OpenTransfer, Outcome, Stored};
use crate::state::OpenState;
use crate::write::{Write, Written};
use domain::serial::{MasterSerial, Sequence};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// The tables.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    known: Known,
    transfers: BTreeMap<i64, NewTransfer>,
    /// The transfers by their keys, and by their sequences.
    by_key: HashMap<(Vec<u8>, Vec<u8>), i64>,
    by_sequence: HashMap<u64, i64>,
    open: BTreeMap<i64, OpenState>,
    trail: BTreeMap<(i64, u32), String>,
    /// The last part of a trail, which goes with the outcome.
    last_trail: BTreeMap<i64, String>,
    outcomes: BTreeMap<i64, Outcome>,
    decisions: Vec<(MasterSerial, Decision)>,
    leased: u64,
}

impl Memory {
    /// Writes a batch as one database transaction: what can be recorded is, all at once, and each
    /// write is answered. What no column holds is refused, as by the journal.
    pub fn write(&mut self, batch: &[Write]) -> Vec<Written> {
        let misfits: Vec<Option<String>> = batch.iter().map(misfit).collect();
        let fits = || {
            let with = batch.iter().zip(&misfits);
            with.filter(|(_, misfit)| misfit.is_none()).map(|(write, _)| write)
        };
        let mut plan = Plan::of(fits(), None);
        if self.conflicts(&plan) {
            plan = Plan::of(fits(), Some(&self.known));
        }
        let Plan { answers, transfers, opened, trail, states, decisions, outcomes, closed } = plan;
        let (known, open) = (&mut self.known, &mut self.open);
        for (master, transfer) in transfers {
            known.transfers.insert(master);
            known.keys.insert(key(transfer));
            self.by_key.insert(key(transfer), master);
            self.by_sequence.insert(transfer.master.sequence.number(), master);
            self.transfers.insert(master, transfer.clone());
        }
        for (master, state) in opened {
            if let Some(state) = state {
                known.open.insert(master);
                open.insert(master, state);
            }
        }
        for (place, body) in trail {
            known.trail.insert(place, body.to_owned());
            self.trail.insert(place, body.to_owned());
        }
        for (master, state) in states {
            // As an UPDATE does: a row that is not there is not changed.
            if let Some(there) = open.get_mut(&master) {
                *there = state;
            }
        }
        for ((master, at, who), decision) in decisions {
            let said = (decision.decision.clone(), decision.note.as_received().to_owned());
            known.decisions.insert((master, at, who.as_bytes().to_vec()), said);
            if let Some(transfer) = self.transfers.get(&master) {
                self.decisions.push((transfer.master, decision.clone()));
            }
        }
        for (master, End { outcome, trail }) in outcomes {
            known.outcomes.insert(master, outcome.state.number());
            self.outcomes.insert(master, outcome.clone());
            if let Some(body) = trail {
                self.last_trail.insert(master, body.to_owned());
            }
        }
        for master in closed {
            known.open.remove(&master);
            open.remove(&master);
        }
        let mut answers = answers.into_iter();
        let answer = |(write, misfit): (&Write, Option<String>)| Written {
            id: write.id,
            result: match misfit {
                Some(why) => Err(refused(why)),
                // The plan answers every write that it was given, in order.
                None => answers.next().unwrap_or_else(|| Err(refused("not planned".to_owned()))),
            },
        };
        batch.iter().zip(misfits).map(answer).collect()
    }

    /// What a database's keys would refuse.
    fn conflicts(&self, plan: &Plan<'_>) -> bool {
        let taken = |transfer: &&NewTransfer| self.known.keys.contains(&key(transfer));
        plan.transfers.keys().any(|master| self.known.transfers.contains(master))
            || plan.transfers.values().any(taken)
            || plan.trail.keys().any(|place| self.trail.contains_key(place))
            || plan.decisions.keys().any(|(master, at, who)| {
                self.known.decisions.contains_key(&(*master, *at, who.as_bytes().to_vec()))
            })
            || plan.outcomes.keys().any(|master| self.outcomes.contains_key(master))
            || plan.closed.iter().any(|master| !self.open.contains_key(master))
    }

    /// The transfers that have not ended, in the order of their serials, with their trails.
    pub fn open_transfers(&self) -> Vec<OpenTransfer> {
        let of = |(master, state): (&i64, &OpenState)| {
            let transfer = self.transfers.get(master)?.clone();
            let trail = self.trail_of(*master);
            let next_part = u32::try_from(trail.len()).unwrap_or(u32::MAX);
            Some(OpenTransfer { transfer, trail, next_part, open_state: *state, damage: None })
        };
        self.open.iter().filter_map(of).collect()
    }

    /// All transfers, in the order of their serials.
    pub fn all(&self) -> impl Iterator<Item = Stored> + '_ {
        self.transfers.keys().filter_map(|master| self.stored(*master))
    }

    /// What an app's key was used for.
    pub fn find_by_key(&self, app: &str, idempotency_key: &str) -> Option<Stored> {
        let key = (app.as_bytes().to_vec(), idempotency_key.as_bytes().to_vec());
        self.stored(*self.by_key.get(&key)?)
    }

    /// The transfer with this sequence.
    pub fn find_by_sequence(&self, sequence: Sequence) -> Option<Stored> {
        self.stored(*self.by_sequence.get(&sequence.number())?)
    }

    /// The bodies of a transfer's trail, in order.
    pub fn trail(&self, master: MasterSerial) -> Vec<String> {
        self.trail_of(master.number())
    }

    /// Every decision that was recorded, in the order of their recording.
    pub fn decisions(&self) -> &[(MasterSerial, Decision)] {
        &self.decisions
    }

    /// The next `count` sequences; none of them is leased again.
    pub fn lease(&mut self, count: u64) -> Range<u64> {
        let first = self.leased + 1;
        self.leased += count;
        first..first + count
    }

    /// The first sequence that was never leased.
    pub fn next_serial(&self) -> u64 {
        self.leased + 1
    }

    /// No sequence below `next` is leased any more.
    pub fn lift(&mut self, next: u64) {
        self.leased = self.leased.max(next.saturating_sub(1));
    }

    fn trail_of(&self, master: i64) -> Vec<String> {
        let parts = self.trail.range((master, 0)..=(master, u32::MAX)).map(|(_, body)| body);
        parts.chain(self.last_trail.get(&master)).cloned().collect()
    }

    fn stored(&self, master: i64) -> Option<Stored> {
        Some(Stored {
            transfer: self.transfers.get(&master)?.clone(),
            outcome: self.outcomes.get(&master).cloned(),
            open_state: self.open.get(&master).copied(),
        })
    }
}

fn key(transfer: &NewTransfer) -> (Vec<u8>, Vec<u8>) {
    (transfer.app.as_bytes().to_vec(), transfer.idempotency_key.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Place;
    use crate::state::FinalState;
    use crate::write::{WriteError, WriteId};
    use domain::message::{AccountId, CounterId};
    use domain::money::{Amount, Currency};
    use domain::order::Order;
    use domain::serial::Day;
    use foreign::ForeignText;

    fn accept(sequence: u64, idempotency_key: &str) -> Write {
        let day = Day::new(20_261_121).expect("a day");
        let master = MasterSerial { day, sequence: Sequence::new(sequence).expect("a sequence") };
        let place = |counter| Place {
            counter: CounterId::new(counter).expect("a counter"),
            account: AccountId::new("6001").expect("an account"),
        };
        let new = NewTransfer {
            master,
            app: "app".into(),
            idempotency_key: idempotency_key.into(),
            fingerprint: [0; 32],
            order: Order {
                from: place("securities"),
                to: place("futures"),
                amount: Amount::new(500).expect("an amount"),
                currency: Currency::CNY,
            },
            debit_day: day,
            credit_day: day,
            credit_barrier: false,
            created_at: 1,
            deadline_at: 2,
            mark: None,
        };
        Write { accept: Some(new), ..Write::of(WriteId(sequence), master) }
    }

    fn end(sequence: u64, state: FinalState) -> Write {
        let outcome = Outcome {
            state,
            reason: None,
            finished_at: 3,
            answer_status: 201,
            answer_body: b"{}".to_vec().into(),
        };
        let master = accept(sequence, "").master;
        Write { outcome: Some(outcome), ..Write::of(WriteId(100 + sequence), master) }
    }

    #[test]
    fn a_key_is_taken_once_and_an_end_is_never_overwritten() {
        let mut memory = Memory::default();
        let first = memory.write(&[accept(1, "a"), accept(2, "a"), accept(3, "b")]);
        let results: Vec<_> = first.into_iter().map(|written| written.result).collect();
        assert_eq!(results, [Ok(()), Err(WriteError::DuplicateKey), Ok(())]);
        assert_eq!(memory.write(&[accept(4, "b")])[0].result, Err(WriteError::DuplicateKey));
        assert_eq!(memory.write(&[end(1, FinalState::Completed)])[0].result, Ok(()));
        assert!(memory.write(&[end(1, FinalState::Refused)])[0].result.is_err());
        assert_eq!(memory.open_transfers().len(), 1);
        let ended = memory.find_by_key("app", "a").and_then(|stored| stored.outcome);
        assert_eq!(ended.map(|outcome| outcome.state), Some(FinalState::Completed));
        assert_eq!((memory.lease(5), memory.lease(5)), (1..6, 6..11));
    }

    /// A write of the transfer with this sequence.
    fn of(sequence: u64) -> Write {
        Write::of(WriteId(200 + sequence), accept(sequence, "").master)
    }

    fn decision(sequence: u64, word: &str) -> Write {
        let (who, decision) = ("ann".to_owned(), word.to_owned());
        let decision = Decision { at: 7, who: who.into(), decision, note: ForeignText::default() };
        Write { decision: Some(decision), ..of(sequence) }
    }

    fn trail(sequence: u64, body: &str) -> Write {
        Write { trail: Some((1, body.to_owned())), ..of(sequence) }
    }

    /// Each alone in its batch, so that nothing else makes anybody look.
    #[test]
    fn whatever_contradicts_the_record_is_refused_and_what_repeats_it_is_not() {
        let mut memory = Memory::default();
        let mut write = |write: Write| memory.write(&[write]).remove(0).result.is_ok();
        assert!(write(accept(1, "a")) && write(trail(1, "one")) && write(decision(1, "wait")));
        for (repeated, other) in
            [(trail(1, "one"), trail(1, "two")), (decision(1, "wait"), decision(1, "complete"))]
        {
            assert!(write(repeated.clone()), "{repeated:?}");
            assert!(!write(other.clone()), "{other:?}");
        }
        assert!(!write(end(2, FinalState::Refused)), "it was never accepted");
        assert!(!write(accept(1, "another key")), "its serial is taken");
        assert!(write(end(1, FinalState::Refused)) && write(end(1, FinalState::Refused)));
        assert!(!write(end(1, FinalState::Reversed)));
        assert_eq!(memory.trail(accept(1, "").master), ["one"]);
    }

    #[test]
    fn a_transfer_is_found_by_its_sequence_and_decisions_stay_in_their_order() {
        let mut memory = Memory::default();
        assert_eq!(memory.decisions(), []);
        memory.write(&[accept(1, "a"), accept(2, "b"), decision(2, "wait"), decision(1, "go")]);
        let found = |number| memory.find_by_sequence(Sequence::new(number).expect("a sequence"));
        assert_eq!(
            found(2).map(|stored| stored.transfer.idempotency_key.to_string()),
            Some("b".into())
        );
        assert_eq!(found(3), None);
        let decided: Vec<(u64, &str)> = memory
            .decisions()
            .iter()
            .map(|(master, decision)| (master.sequence.number(), decision.decision.as_str()))
            .collect();
        assert_eq!(decided, [(1, "go"), (2, "wait")]);
    }

    #[test]
    fn no_serial_is_leased_that_was_leased_or_passed_over() {
        let mut memory = Memory::default();
        assert_eq!(memory.next_serial(), 1);
        assert_eq!((memory.lease(5), memory.next_serial()), (1..6, 6));
        for (lifted, next) in [(0, 6), (4, 6), (6, 6), (10, 10)] {
            memory.lift(lifted);
            assert_eq!(memory.next_serial(), next, "{lifted}");
        }
        assert_eq!(memory.lease(1), 10..11);
    }

    #[test]
    fn what_no_column_holds_is_refused_here_too() {
        let mut memory = Memory::default();
        let accepted = memory.write(&[accept(1, "a"), accept(2, &"k".repeat(256)), accept(3, "c")]);
        let recorded: Vec<bool> = accepted.iter().map(|written| written.result.is_ok()).collect();
        assert_eq!(recorded, [true, false, true]);
        let mut ending = end(1, FinalState::Completed);
        ending.trail = Some((0, "x".repeat(Write::LONGEST_TRAIL + 1)));
        let written = memory.write(&[ending.clone(), end(3, FinalState::Refused)]);
        assert!(
            matches!(&written[0].result, Err(WriteError::Refused { why }) if why.contains("trail"))
        );
        assert_eq!((written[0].id, written[1].result.clone()), (ending.id, Ok(())));
        assert_eq!(memory.open_transfers().len(), 1);
    }
}
