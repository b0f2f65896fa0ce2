//! A panic in one transfer's step parks that transfer, and no other hears of it.
//!
//! What a step had begun is not trusted: nothing of it is sent, its words are kept for the trail, and
//! whatever may have been sent is in doubt. The parked transfer is made durable at once, so that the
//! next start finds it parked and does not begin with what failed before.

use super::{Input, Output, PersonRefused, Shard};
use crate::clock::Now;
use crate::events::Kind;
use crate::record::{Awaited, WaiterReply};
use crate::trail::Entry;
use domain::serial::{MasterSerial, Role};
use domain::transfer::{Knowledge, ParkReason, Phase, State, Transfer};
use port::Ticket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use store::{Decision, Write, WriteId};
use supervise::task::message;

/// What is known of an input before it is taken, should taking it fail.
pub(super) struct About {
    sequence: Option<u64>,
    /// Its master serial, where the input says it.
    master: Option<MasterSerial>,
    /// Whose key it was, if it began one.
    key: Option<(Arc<str>, Arc<str>)>,
}

impl About {
    pub(super) fn input(input: &Input) -> About {
        let sequence = match input {
            Input::Begin { new, .. } | Input::Recovered { new, .. } => {
                Some(new.master.sequence.number())
            }
            Input::Written(written) => Some(written.id.0 >> super::COUNT_BITS),
            Input::Delivered { ticket: Ticket(ticket), .. } => Some(ticket >> super::COUNT_BITS),
            Input::Unasked { reply, .. } => reply.serial().map(|serial| serial.sequence.number()),
            Input::Person { master, .. } => Some(master.sequence.number()),
            Input::SessionBegan(_) => None,
        };
        let master = match input {
            Input::Begin { new, .. } | Input::Recovered { new, .. } => Some(new.master),
            Input::Person { master, .. } => Some(*master),
            Input::Written(_)
            | Input::Delivered { .. }
            | Input::Unasked { .. }
            | Input::SessionBegan(_) => None,
        };
        let key = match input {
            Input::Begin { new, .. } => Some((new.app.clone(), new.idempotency_key.clone())),
            Input::Recovered { .. }
            | Input::Written(_)
            | Input::Delivered { .. }
            | Input::Unasked { .. }
            | Input::SessionBegan(_)
            | Input::Person { .. } => None,
        };
        About { sequence, master, key }
    }

    pub(super) fn transfer(sequence: u64) -> About {
        About { sequence: Some(sequence), master: None, key: None }
    }
}

impl Shard {
    /// Does something about one transfer. If it panics, that transfer is parked.
    pub(super) fn guarded(
        &mut self,
        about: &About,
        now: Now,
        out: &mut Vec<Output>,
        act: impl FnOnce(&mut Shard, &mut Vec<Output>),
    ) {
        let before = out.len();
        // What is used on is whole: the transfer that was worked on is replaced, the others were
        // not touched, and maps and queues are left whole by whatever changes them.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| act(self, out))) {
            let why = message(panic.as_ref());
            if let Some(sequence) = about.sequence {
                self.park_broken(sequence, about, &why, before, now, out);
            } else {
                tracing::error!(why, "what was about no transfer failed, and is left");
            }
        }
        if let Some(sequence) = about.sequence {
            debug_assert!(!out[before..].iter().any(|output| is_of_another(output, sequence)));
            self.open.settle(sequence);
        }
        #[cfg(test)]
        self.open.assert_listed();
    }

    fn park_broken(
        &mut self,
        sequence: u64,
        about: &About,
        why: &str,
        before: usize,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let mut undone = Undone::take(out, before);
        let Some(record) = self.open.get_mut(&sequence) else {
            let master = about.master.map(|master| master.to_string());
            tracing::error!(
                master,
                sequence,
                why,
                "what was about a transfer that is not open failed"
            );
            if let Some((app, idempotency_key)) = about.key.clone() {
                out.push(Output::Closed { app, idempotency_key, ended: None });
            }
            return;
        };
        let master = record.master();
        let text = format!("{}: {why}", ParkReason::Panicked.as_str());
        if undone.accept {
            // It was to be recorded first, and that has not begun.
            let Some(record) = self.open.remove(&sequence) else { return };
            for waiter in record.waiters {
                let _ =
                    waiter.send(WaiterReply::NotRecorded(ParkReason::Panicked.as_str().to_owned()));
            }
            let (app, idempotency_key) = (record.app, record.idempotency_key);
            out.push(Output::Closed { app, idempotency_key, ended: None });
            out.push(Output::Alarm { kind: Kind::Defect, master, text });
            return;
        }
        if record.barrier.is_some_and(|(id, _)| !undone.ids.contains(&id)) {
            // Its step waits for the record, and was not worked on.
            out.push(Output::Alarm { kind: Kind::Defect, master, text });
            return;
        }
        undone.entries.append(&mut record.pending);
        record.pending = undone.entries;
        record.next_part =
            undone.first_part.map_or(record.next_part, |part| part.min(record.next_part));
        (record.barrier, record.shown, record.rendered) = (None, None, None);
        for (done, _) in record.said.drain(..) {
            let _ = done.send(Err(PersonRefused::Failed));
        }
        record.awaited = Awaited::Nothing;
        record.held.clear();
        doubt(&mut record.transfer);
        record.note(now, text.clone(), None);
        for role in Role::ALL {
            if record.transfer.leg(role).knowledge == Knowledge::Unknown {
                record.note(now, format!("the {role} may have been sent"), Some(role));
            }
        }
        self.write(sequence, undone.decision, now, out);
        out.push(Output::Alarm { kind: Kind::NeedsOperator, master, text });
    }
}

/// Whether something is wanted of another transfer, which no step about one ever does.
fn is_of_another(output: &Output, sequence: u64) -> bool {
    match output {
        Output::Write(write) => write.master.sequence.number() != sequence,
        Output::Ask { ticket: Ticket(ticket), .. } => ticket >> super::COUNT_BITS != sequence,
        Output::Closed { .. }
        | Output::Alarm { .. }
        | Output::Accuse { .. }
        | Output::LeftOut { .. }
        | Output::Doubted { .. }
        | Output::NewSessions { .. }
        | Output::Compare { .. } => false,
    }
}

/// Parks it, with doubt about all that may have been sent.
pub(super) fn doubt(transfer: &mut Transfer) {
    // Of one that is parked already the reason stays: it says what may be resumed.
    if transfer.state() != State::NeedsOperator {
        transfer.phase = Phase::Parked(ParkReason::Panicked);
    }
    for role in Role::ALL {
        let leg = transfer.leg_mut(role);
        let untouched = leg.knowledge == Knowledge::NotSent && leg.sent == 0;
        if !untouched && !leg.knowledge.is_proof() {
            leg.knowledge = Knowledge::Unknown;
            leg.sent = leg.sent.max(2);
        }
    }
}

/// What a failed step had wanted done.
#[derive(Default)]
struct Undone {
    /// It was to be recorded for the first time.
    accept: bool,
    ids: Vec<u64>,
    entries: Vec<Entry>,
    first_part: Option<u32>,
    decision: Option<Decision>,
}

impl Undone {
    /// Takes back what the step wanted, all of which is of its transfer ([`is_of_another`]), but what is
    /// only for people or has happened.
    fn take(out: &mut Vec<Output>, before: usize) -> Undone {
        let mut undone = Undone::default();
        let wanted: Vec<Output> = out.drain(before..).collect();
        for output in wanted {
            match output {
                Output::Write(write) => undone.add(write),
                Output::Ask { .. } => {}
                kept @ (Output::Closed { .. }
                | Output::Alarm { .. }
                | Output::Accuse { .. }
                | Output::LeftOut { .. }
                | Output::Doubted { .. }
                | Output::NewSessions { .. }
                | Output::Compare { .. }) => out.push(kept),
            }
        }
        undone
    }

    fn add(&mut self, write: Write) {
        let Write { id: WriteId(id), accept, trail, decision, .. } = write;
        self.ids.push(id);
        self.accept |= accept.is_some();
        self.decision = self.decision.take().or(decision);
        if let Some((part, body)) = trail {
            self.first_part = Some(self.first_part.map_or(part, |first| first.min(part)));
            // We have just written it ourselves.
            self.entries.extend(serde_json::from_str::<Vec<Entry>>(&body).unwrap_or_default());
        }
    }
}
