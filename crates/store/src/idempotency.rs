//! Decides what of a batch is written and what is not: insert first, and look only when the
//! database says that a key is taken (DOMAIN §4). No I/O: what is recorded already comes in as
//! [`Known`], what has to be added goes out as [`Plan`].

use crate::record::{Decision, NewTransfer, Outcome};
use crate::state::OpenState;
use crate::write::{Write, WriteError};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What the database holds under the keys of a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Masters that have a transfer.
    pub(crate) transfers: HashSet<i64>,
    /// Keys that are taken: app and idempotency key.
    pub(crate) keys: HashSet<(Vec<u8>, Vec<u8>)>,
    /// Masters that are open.
    pub(crate) open: HashSet<i64>,
    /// Bodies of trails, by master and part.
    pub(crate) trail: HashMap<(i64, u32), String>,
    /// Decisions, by master, moment and person.
    pub(crate) decisions: HashMap<(i64, i64, Vec<u8>), (String, String)>,
    /// States in which transfers have ended.
    pub(crate) outcomes: HashMap<i64, i16>,
}

/// What one database transaction adds for a batch, each table in the order of its key: two nodes
/// that insert in opposite orders deadlock on MariaDB.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    /// For each write of the batch, its answer once the plan is durable.
    pub(crate) answers: Vec<Result<(), WriteError>>,
    pub(crate) transfers: BTreeMap<i64, &'a NewTransfer>,
    /// Those that are new, and how far they have come; `None` if they have ended within the batch.
    pub(crate) opened: BTreeMap<i64, Option<OpenState>>,
    pub(crate) trail: BTreeMap<(i64, u32), &'a str>,
    pub(crate) states: BTreeMap<i64, OpenState>,
    pub(crate) decisions: BTreeMap<(i64, i64, &'a str), &'a Decision>,
    pub(crate) outcomes: BTreeMap<i64, End<'a>>,
    /// Masters that are open no longer; each has to be open in the database.
    pub(crate) closed: Vec<i64>,
}

/// How far an open transfer has come, if that changes, and how many parts of its trail are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Progress {
    pub(crate) state: Option<OpenState>,
    pub(crate) parts: u32,
}

/// How a transfer ended, with what of its trail was still to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub(crate) outcome: &'a Outcome,
    pub(crate) trail: Option<&'a str>,
}

impl<'a> Plan<'a> {
    /// Plans a batch. Without `known`, only what contradicts itself within the batch is found.
    pub(crate) fn of(
        batch: impl IntoIterator<Item = &'a Write>,
        known: Option<&Known>,
    ) -> Plan<'a> {
        let mut planner =
            Planner { plan: Plan::default(), known, keys: HashSet::new(), refused: HashSet::new() };
        for write in batch {
            let answer = planner.check(write);
            match &answer {
                Ok(()) => planner.add(write),
                Err(_) if write.accept.is_some() => {
                    planner.refused.insert(write.master.number());
                }
                Err(_) => {}
            }
            planner.plan.answers.push(answer);
        }
        let Plan { outcomes, opened, closed, states, .. } = &mut planner.plan;
        for master in outcomes.keys() {
            states.remove(master);
            match opened.get_mut(master) {
                Some(opened) => *opened = None,
                None => closed.push(*master),
            }
        }
        planner.plan
    }

    /// Parts of a trail that are added.
    pub(crate) fn parts_of(&self, master: i64) -> u32 {
        let parts = self.trail.range((master, 0)..=(master, u32::MAX)).count();
        u32::try_from(parts).unwrap_or(u32::MAX)
    }

    /// What changes of transfers that were open before and stay so.
    pub(crate) fn progress(&self) -> BTreeMap<i64, Progress> {
        let mut progress: BTreeMap<i64, Progress> = BTreeMap::new();
        for (master, state) in &self.states {
            progress.entry(*master).or_default().state = Some(*state);
        }
        for (master, _) in self.trail.keys() {
            progress.entry(*master).or_default().parts += 1;
        }
        progress.retain(|master, _| {
            !self.opened.contains_key(master) && !self.outcomes.contains_key(master)
        });
        progress
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.transfers.is_empty()
            && self.trail.is_empty()
            && self.states.is_empty()
            && self.decisions.is_empty()
            && self.outcomes.is_empty()
    }
}

struct Planner<'a, 'k> {
    plan: Plan<'a>,
    known: Option<&'k Known>,
    keys: HashSet<(&'a str, &'a str)>,
    /// Masters whose acceptance was turned down in this batch.
    refused: HashSet<i64>,
}

impl<'a> Planner<'a, '_> {
    /// Whether the whole of a write can be recorded, after those before it.
    fn check(&self, write: &Write) -> Result<(), WriteError> {
        let master = write.master.number();
        if let Some(transfer) = &write.accept {
            self.check_accept(transfer)?;
        } else if self.refused.contains(&master)
            && !self.plan.transfers.contains_key(&master)
            && self.known.is_none_or(|known| !known.transfers.contains(&master))
        {
            return Err(refused(format!("transfer {} was not recorded", write.master)));
        }
        if let Some((part, body)) = &write.trail {
            let key = (master, *part);
            let there =
                self.plan.trail.get(&key).copied().or_else(|| {
                    self.known.and_then(|known| known.trail.get(&key)).map(String::as_str)
                });
            if there.is_some_and(|there| there != body) {
                return Err(refused(format!(
                    "part {part} of the trail of {} exists",
                    write.master
                )));
            }
        }
        if let Some(decision) = &write.decision
            && self.recorded_decision(master, decision).is_some_and(|same| !same)
        {
            return Err(refused(format!("{} decided otherwise on {}", decision.who, write.master)));
        }
        if let Some(outcome) = &write.outcome {
            let there = self.plan.outcomes.get(&master).map(|end| end.outcome.state.number());
            let there = there.or_else(|| self.known.and_then(|k| k.outcomes.get(&master).copied()));
            match there {
                Some(state) if state != outcome.state.number() => {
                    return Err(refused(format!("transfer {} has ended otherwise", write.master)));
                }
                Some(_) => {}
                None => {
                    let open = write.accept.is_some()
                        || self.plan.transfers.contains_key(&master)
                        || self.known.is_none_or(|known| known.open.contains(&master));
                    if !open {
                        return Err(refused(format!("transfer {} is not open", write.master)));
                    }
                }
            }
        }
        Ok(())
    }

    fn check_accept(&self, transfer: &NewTransfer) -> Result<(), WriteError> {
        let (app, key) = (transfer.app.as_ref(), transfer.idempotency_key.as_ref());
        let taken = self.known.is_some_and(|known| {
            known.keys.contains(&(app.as_bytes().to_vec(), key.as_bytes().to_vec()))
        });
        if taken || self.keys.contains(&(app, key)) {
            return Err(WriteError::DuplicateKey);
        }
        let master = transfer.master.number();
        if self.plan.transfers.contains_key(&master)
            || self.known.is_some_and(|known| known.transfers.contains(&master))
        {
            return Err(refused(format!("serial {} belongs to another transfer", transfer.master)));
        }
        Ok(())
    }

    /// Whether the decision is there already, and if so, whether it says the same.
    fn recorded_decision(&self, master: i64, decision: &Decision) -> Option<bool> {
        let key = (master, decision.at, decision.who.as_received());
        if let Some(there) = self.plan.decisions.get(&key) {
            return Some(*there == decision);
        }
        let key = (master, decision.at, decision.who.as_received().as_bytes().to_vec());
        let (word, note) = self.known?.decisions.get(&key)?;
        Some(*word == decision.decision && decision.note == note.as_str())
    }

    /// Adds what is not recorded yet of a write that was checked.
    fn add(&mut self, write: &'a Write) {
        let master = write.master.number();
        if let Some(transfer) = &write.accept {
            self.keys.insert((&transfer.app, &transfer.idempotency_key));
            self.plan.transfers.insert(master, transfer);
            self.plan.opened.insert(master, Some(write.state.unwrap_or_default()));
        } else if let Some(state) = write.state {
            match self.plan.opened.get_mut(&master) {
                Some(opened) => *opened = Some(state),
                None => {
                    self.plan.states.insert(master, state);
                }
            }
        }
        // The last part goes with the outcome.
        let last = write.outcome.is_some();
        if let Some((part, body)) = write.trail.as_ref().filter(|_| !last)
            && self.known.is_none_or(|known| !known.trail.contains_key(&(master, *part)))
        {
            self.plan.trail.insert((master, *part), body);
        }
        if let Some(decision) = &write.decision
            && self.recorded_decision(master, decision).is_none()
        {
            self.plan.decisions.insert((master, decision.at, decision.who.as_received()), decision);
        }
        if let Some(outcome) = &write.outcome
            && self.known.is_none_or(|known| !known.outcomes.contains_key(&master))
        {
            let trail = write.trail.as_ref().map(|(_, body)| body.as_str());
            self.plan.outcomes.entry(master).or_insert(End { outcome, trail });
        }
    }
}

pub(crate) fn refused(why: String) -> WriteError {
    WriteError::Refused { why }
}

/// What makes a write impossible to store, whatever the database holds. Columns have lengths, and
/// a row that does not fit would hold up the batch that it is in.
pub(crate) fn misfit(write: &Write) -> Option<String> {
    let within = |what: &str, text: &str, least: usize, most: usize| {
        let fits = (least..=most).contains(&text.len());
        (!fits).then(|| format!("{what} has {} bytes, not {least} to {most}", text.len()))
    };
    let accept = write.accept.as_ref().and_then(|transfer| {
        if transfer.master != write.master {
            return Some(format!("{} is accepted under serial {}", transfer.master, write.master));
        }
        within("app", &transfer.app, 1, NewTransfer::LONGEST_APP).or_else(|| {
            within("idempotency key", &transfer.idempotency_key, 1, NewTransfer::LONGEST_KEY)
        })
    });
    let trail = || {
        let (_, body) = write.trail.as_ref()?;
        within("trail", body, 0, Write::LONGEST_TRAIL)
    };
    let decision = || {
        let decision = write.decision.as_ref()?;
        within("name", decision.who.as_received(), 1, Decision::LONGEST_WHO)
            .or_else(|| within("decision", &decision.decision, 1, Decision::LONGEST_DECISION))
            .or_else(|| within("note", decision.note.as_received(), 0, Decision::LONGEST_NOTE))
    };
    let outcome = || {
        let outcome = write.outcome.as_ref()?;
        if !(100..=999).contains(&outcome.answer_status) {
            return Some(format!("status {} is not three digits", outcome.answer_status));
        }
        if outcome.answer_body.len() > Outcome::LONGEST_ANSWER {
            return Some(format!("answer has {} bytes", outcome.answer_body.len()));
        }
        within("reason", outcome.reason.as_deref()?, 0, Outcome::LONGEST_REASON)
    };
    accept.or_else(trail).or_else(decision).or_else(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FinalState;
    use crate::tests::{master, transfer};
    use crate::write::WriteId;

    fn of(sequence: u64) -> Write {
        Write::of(WriteId(0), master(sequence))
    }

    fn accepted(sequence: u64) -> Write {
        let key = format!("key-{sequence}");
        Write { accept: Some(transfer(master(sequence), "shop", &key)), ..of(sequence) }
    }

    fn told(sequence: u64, part: u32, body: &str) -> Write {
        Write { trail: Some((part, body.to_owned())), ..of(sequence) }
    }

    fn ended(write: Write) -> Write {
        let outcome = Outcome {
            state: FinalState::Completed,
            reason: None,
            finished_at: 1,
            answer_status: 201,
            answer_body: Vec::new().into(),
        };
        Write { outcome: Some(outcome), ..write }
    }

    /// Which writes of a batch are taken.
    fn taken(batch: &[Write], known: Option<&Known>) -> Vec<bool> {
        Plan::of(batch, known).answers.iter().map(Result::is_ok).collect()
    }

    /// What follows an acceptance that is turned down is nobody's; what follows anything else that is
    /// turned down is its transfer's all the same.
    #[test]
    fn what_is_turned_down_takes_with_it_only_what_hangs_on_it() {
        let contradicted = [told(1, 0, "debited"), told(1, 0, "refused"), told(1, 1, "credited")];
        assert_eq!(taken(&contradicted, None), [true, false, true]);
        let same_key = Write { accept: Some(transfer(master(2), "shop", "key-1")), ..of(2) };
        let turned_down = [accepted(1), same_key, told(2, 0, "debited"), told(1, 0, "debited")];
        assert_eq!(taken(&turned_down, None), [true, false, false, true]);
    }

    /// Begun and ended in one batch, also when it is looked at beside what the record holds.
    #[test]
    fn what_is_begun_may_end_at_once() {
        let beside = Known::default();
        for known in [None, Some(&beside)] {
            assert_eq!(taken(&[ended(accepted(1))], known), [true]);
            assert_eq!(taken(&[accepted(1), ended(of(1))], known), [true, true]);
        }
        assert_eq!(taken(&[ended(of(1))], Some(&beside)), [false], "nobody began it");
    }

    /// Parts are counted where they are added, and not where they are recorded already.
    #[test]
    fn the_parts_of_open_trails_are_counted_once() {
        let state =
            |sequence| Write { state: Some(OpenState::Crediting), ..told(sequence, 1, "b") };
        let batch = [
            accepted(1),
            told(1, 0, "a"),
            told(2, 0, "a"),
            state(2),
            state(3),
            ended(told(4, 1, "b")),
        ];
        let mut known = Known::default();
        known.open.insert(master(4).number());
        let progress = |known: &Known| Plan::of(&batch, Some(known)).progress();
        let went = |parts| Progress { state: Some(OpenState::Crediting), parts };
        let of = |sequence| master(sequence).number();
        assert_eq!(Plan::of(&batch, Some(&known)).parts_of(of(1)), 1);
        assert_eq!(progress(&known), BTreeMap::from([(of(2), went(2)), (of(3), went(1))]));
        known.trail.insert((of(2), 0), "a".to_owned());
        known.trail.insert((of(3), 1), "b".to_owned());
        assert_eq!(progress(&known), BTreeMap::from([(of(2), went(1)), (of(3), went(0))]));
    }

    #[test]
    fn a_plan_is_empty_when_all_of_it_is_recorded() {
        assert!(Plan::of(&[], None).is_empty());
        let batch = [told(1, 0, "debited")];
        assert!(!Plan::of(&batch, None).is_empty());
        let mut known = Known::default();
        known.trail.insert((master(1).number(), 0), "debited".to_owned());
        let plan = Plan::of(&batch, Some(&known));
        assert!(plan.is_empty() && plan.answers == [Ok(())]);
    }
}
