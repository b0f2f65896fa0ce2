//! The effects of a step: writes, requests, pauses.

use super::{Output, Shard, number};
use crate::clock::Now;
use crate::events::Kind;
use crate::happening::Happening;
use crate::record::{Afterwards, Awaited, Record, sent};
use crate::trail;
use crate::world::World;
use domain::message::Look;
use domain::serial::Role;
use domain::transfer::{
    Action, EndReason, Event, Evidence, Imbalance, Knowledge, LegReport, ParkReason, Phase,
    Question, State, Step, Weight,
};
use port::Ticket;
use rand::RngExt;
use std::cmp::Reverse;
use std::time::Duration;
use store::{FinalState, OpenState, Outcome as Ending, Write, WriteId};

impl Shard {
    /// Does what a step asks for; what must be durable first is written first.
    pub(super) fn follow(
        &mut self,
        sequence: u64,
        step: Step,
        decision: Option<store::Decision>,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) {
        let Some(record) = self.open.get_mut(&sequence) else { return };
        record.awaited = Awaited::Nothing;
        if let Action::Send(role) = step.action {
            let words = sent(role, record.transfer.leg(role).rebound.last());
            record.note(now, words, Some(role));
        }
        if step.barrier {
            let id = self.write(sequence, decision, now, out);
            if let Some(record) = self.open.get_mut(&sequence) {
                record.barrier = Some((id, Afterwards::Do(step.action)));
            }
        } else {
            self.perform(sequence, step.action, now, world, out);
        }
    }

    /// Does what is to be done now.
    pub(super) fn perform(
        &mut self,
        sequence: u64,
        action: Action,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) {
        match action {
            // It fell behind while the barrier was awaited.
            Action::Send(role) if self.is_still(sequence, role, world) => {
                let told = LegReport::nothing(Evidence::NotSent, Weight::Answer);
                let event = Event::Told(role, told);
                self.happen(sequence, Happening::Event(event), now, world, out);
            }
            Action::Send(role) => self.send(sequence, role, now, out),
            Action::Ask(role, look) => self.ask(sequence, role, look, now, world, out),
            Action::Pause => self.pause(sequence, now, out),
            Action::Stay | Action::Finish => {}
        }
    }

    /// Whether nothing that moves money may be sent for a leg now.
    fn is_still(&self, sequence: u64, role: Role, world: &World) -> bool {
        let held = |record: &Record| world.get(record.counter(role)).held;
        world.behind || self.open.get(&sequence).is_some_and(held)
    }

    fn send(&mut self, sequence: u64, role: Role, now: Now, out: &mut Vec<Output>) {
        let ticket = self.next_number(sequence);
        let Some(record) = self.open.get_mut(&sequence) else { return };
        record.awaited = Awaited::Outcome { ticket, role, question: None };
        let mut within = self.config.posting_deadline;
        if role != Role::Reversal {
            // Past the transfer's deadline not a byte of it is written.
            within = within.min(record.expires.saturating_duration_since(now.at));
        }
        record.sent[slot(role)].copy(ticket, now.at + within);
        out.push(Output::Ask {
            counter: record.counter(role),
            ticket: Ticket(ticket),
            instruction: record.transfer.posting(role),
            within,
        });
    }

    fn ask(
        &mut self,
        sequence: u64,
        role: Role,
        look: Look,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) {
        let ticket = self.next_number(sequence);
        let within = self.config.query_deadline;
        // A fence that waited behind a barrier would change the books of a counter which this record
        // may only ask by now.
        let look = if world.behind { Look::Only } else { look };
        let Some(record) = self.open.get_mut(&sequence) else { return };
        let counter = record.counter(role);
        let facts = world.get(counter);
        // Nothing is proven while a session is missing, or one that a copy may have gone out on is
        // the newest of its channel; nor while what came in just before the others may lie at the
        // counter (DOMAIN §3).
        let in_flight_limit = Duration::from_millis(facts.profile.in_flight_limit_ms);
        let settled = role != Role::Reversal
            && !facts.profile.can_fence
            && record.sent[slot(role)]
                .over(facts.sessions)
                .is_some_and(|over| now.at.saturating_duration_since(over) > in_flight_limit);
        let question = match look {
            Look::Fence => Question::Fence,
            Look::Only if settled => Question::Settled,
            Look::Only => Question::Look,
        };
        record.awaited = Awaited::Outcome { ticket, role, question: Some(question) };
        if record.is_told_of_rounds() {
            record.note_asked(now, role, look);
        }
        out.push(Output::Ask {
            counter,
            ticket: Ticket(ticket),
            instruction: record.transfer.question(role, look),
            within,
        });
        self.write_news(sequence, now, out);
    }

    /// Where nothing but a new session can prove what was asked about in vain, one is asked for, once
    /// nothing of the leg can leave any more.
    pub(super) fn want_sessions(
        &mut self,
        sequence: u64,
        role: Role,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) {
        let Some(record) = self.open.get_mut(&sequence) else { return };
        let counter = record.counter(role);
        let facts = world.get(counter);
        let sent = &mut record.sent[slot(role)];
        let (by, is_over) = (sent.by(), sent.over(facts.sessions).is_some());
        let in_vain = role != Role::Reversal
            && !facts.profile.can_fence
            && record.transfer.leg(role).knowledge == Knowledge::Unknown
            && !is_over;
        if let (true, Some(after)) = (in_vain, by)
            && after < now.at
        {
            out.push(Output::NewSessions { counter, after });
        }
    }

    /// Wakes it after a while: longer each time, never all at once, and not after its deadline.
    pub(super) fn pause(&mut self, sequence: u64, now: Now, out: &mut Vec<Output>) {
        let stamp = self.next_number(sequence);
        let Some(record) = self.open.get_mut(&sequence) else { return };
        let longest = if record.transfer.state() == State::NeedsOperator {
            self.config.parked_pause
        } else {
            let doubled = self.config.first_pause * 2_u32.saturating_pow(record.pauses.min(16));
            doubled.min(self.config.longest_pause)
        };
        record.pauses = record.pauses.saturating_add(1);
        record.awaited = Awaited::Timer { stamp };
        let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(1);
        let pause = Duration::from_micros(self.rng.random_range(longest / 2..=longest));
        let mut due = now.at + pause;
        if !record.transfer.expired && record.transfer.state() != State::NeedsOperator {
            due = due.min(record.expires.max(now.at));
        }
        self.timers.push(Reverse((due, sequence, stamp)));
        self.write_news(sequence, now, out);
    }

    /// Writes what has happened; nothing, if nothing has happened to a transfer whose state is
    /// recorded.
    fn write_news(&mut self, sequence: u64, now: Now, out: &mut Vec<Output>) {
        let news = self.open.get(&sequence).is_some_and(|record| {
            !record.pending.is_empty() || record.written != Some(record.transfer.state())
        });
        if news {
            self.write(sequence, None, now, out);
        }
    }

    /// Writes what has happened since the last write, and the ending if there is one: one that does not balance is not
    /// written, and the transfer waits for a person.
    pub(super) fn write(
        &mut self,
        sequence: u64,
        decision: Option<store::Decision>,
        now: Now,
        out: &mut Vec<Output>,
    ) -> u64 {
        let id = self.next_number(sequence);
        let render = self.render;
        let Some(record) = self.open.get_mut(&sequence) else { return id };
        if let Some(imbalance) = record.transfer.imbalance() {
            park_unbalanced(record, imbalance, now, out);
        }
        let state = match record.transfer.state() {
            State::Accepted => Ok(OpenState::Accepted),
            State::Debiting => Ok(OpenState::Debiting),
            State::Crediting => Ok(OpenState::Crediting),
            State::Reversing => Ok(OpenState::Reversing),
            State::NeedsOperator => Ok(OpenState::NeedsOperator),
            State::Completed => Err(FinalState::Completed),
            State::Refused => Err(FinalState::Refused),
            State::Reversed => Err(FinalState::Reversed),
        };
        record.written = Some(record.transfer.state());
        let mut write = Write::of(WriteId(id), record.master());
        write.decision = decision;
        if state.is_err() {
            record.note(now, "final".to_owned(), None);
        }
        match state {
            Ok(open) => write.state = Some(open),
            Err(ended) => {
                let view = record.view();
                let rendered = render(&view);
                write.outcome = Some(Ending {
                    state: ended,
                    reason: view.reason(),
                    finished_at: now.wall,
                    answer_status: rendered.status,
                    answer_body: rendered.body.clone(),
                });
                record.rendered = Some(rendered);
                // Nobody sees it before it is durable.
                record.shown = Some(match ended {
                    FinalState::Completed => Phase::CreditSent,
                    FinalState::Refused => Phase::DebitSent,
                    FinalState::Reversed => Phase::ReversalProving,
                });
            }
        }
        // Last, for what comes before may fail, and then nothing of it has been taken away.
        let mut parts = trail::parts(&record.pending);
        record.pending.clear();
        // The last part goes with the state; nearly always it is the only one.
        if let Some(last) = parts.pop() {
            for part in parts {
                self.count = self.count.wrapping_add(1);
                let id = number(sequence, self.count);
                let trail = Some((record.next_part, part));
                out.push(Output::Write(Write { trail, ..Write::of(WriteId(id), write.master) }));
                record.next_part += 1;
            }
            write.trail = Some((record.next_part, last));
            record.next_part += 1;
        }
        out.push(Output::Write(write));
        id
    }
}

/// An ending in which money does not add up is an error of this software, and is told to nobody: the transfer stays open.
fn park_unbalanced(record: &mut Record, imbalance: Imbalance, now: Now, out: &mut Vec<Output>) {
    record.transfer.phase = Phase::Parked(ParkReason::Unbalanced);
    if record.transfer.reason == Some(EndReason::Decided) {
        record.transfer.reason = None;
    }
    record.awaited = Awaited::Nothing;
    let (master, text) = (record.master(), imbalance.to_string());
    record.note(now, text.clone(), None);
    out.push(Output::Alarm { kind: Kind::Defect, master, text });
    let text = ParkReason::Unbalanced.as_str().to_owned();
    out.push(Output::Alarm { kind: Kind::NeedsOperator, master, text });
}

pub(super) const fn slot(role: Role) -> usize {
    match role {
        Role::Debit => 0,
        Role::Credit => 1,
        Role::Reversal => 2,
    }
}
