//! What is watched besides money: whom the bridge accuses, what one that lies has claimed, and which
//! words about what has ended must raise an alarm. Judged by rules of its own, from what counters say
//! and from what was ordered.

use crate::agenda::Event;
use crate::bridge::{Bridge, Queue};
use crate::class::Class;
use crate::liar::claims_rightly;
use crate::network::Conn;
use crate::run::Simulation;
use coordinator::accusations::Fault;
use coordinator::late::{self, Compared};
use coordinator::shard::Input;
use domain::message::{CounterId, Instruction, Reply};
use domain::serial::{Day, Mark, MasterSerial, Role, SubSerial};
use domain::transfer::Transfer;
use port::RequestOutcome;
use rand::RngExt;
use std::collections::{BTreeSet, HashMap, HashSet};
use store::{FinalState, NewTransfer, Stored};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// What was begun in this record, by sequence.
    begun: HashMap<u64, NewTransfer>,
    /// Under which settle days the bridge ever named a serial.
    days: HashMap<SubSerial, BTreeSet<Day>>,
    /// Under which settle days one that lies has claimed a posting that is right in all else.
    claimed: HashMap<SubSerial, BTreeSet<Day>>,
    /// How often somebody was accused of foreign words, or words were put off.
    foreign: u64,
    /// Open in a copy that hides what became of them since.
    pub(crate) hidden: BTreeSet<u64>,
    /// Sequences that a lost record gave out, and those that were then given out again.
    lost: HashSet<u64>,
    reused: HashSet<u64>,
    /// What was sent, by its serial and its mark.
    sent: BTreeSet<(SubSerial, Mark)>,
}

impl Watch {
    /// The record is another one: what it does not know may be begun anew.
    pub(crate) fn restored(&mut self) {
        self.lost.extend(self.begun.keys());
    }
}

impl Simulation {
    /// What the auditor calls a transfer: its serial, and its mark where the same serial may stand for
    /// two.
    pub(crate) fn name_of(&self, master: MasterSerial, mark: Option<Mark>) -> String {
        if self.plan.has(Class::Restored) {
            format!("{master}/{:016x}", mark.map_or(0, |mark| mark.0))
        } else {
            master.to_string()
        }
    }

    /// A transfer is handed to its shard.
    pub(crate) fn watch_beginning(&mut self, new: &NewTransfer, order: usize) {
        let sequence = new.master.sequence.number();
        if self.plan.has(Class::Restored) {
            self.marks.extend(new.mark.map(|mark| (mark, order)));
            let name = self.name_of(new.master, new.mark);
            self.audit.begun(&name, &new.idempotency_key);
            if self.watch.lost.contains(&sequence) {
                self.watch.reused.insert(sequence);
            }
        }
        let Some(liar) = self.plan.liar else {
            self.watch.begun.insert(sequence, new.clone());
            return;
        };
        for (role, day) in [(Role::Debit, new.debit_day), (Role::Credit, new.credit_day)] {
            self.watch.days.entry(new.master.leg(role)).or_default().insert(day);
        }
        let (source, destination) = self.honest(new);
        if !(source && destination) {
            self.audit.takes_part(&new.master.to_string(), source, destination);
        }
        self.watch.begun.insert(sequence, new.clone());
        self.peers[liar].learn(new.clone());
    }

    /// Whether the source and the destination are honest.
    pub(crate) fn honest(&self, new: &NewTransfer) -> (bool, bool) {
        let liar = self.plan.liar.map(|liar| self.counter_id(liar));
        (Some(&new.order.from.counter) != liar, Some(&new.order.to.counter) != liar)
    }

    /// Whether one that lies takes part in an order.
    pub(crate) fn is_party(&self, order: usize) -> bool {
        let order = &self.plan.orders[order];
        [order.from.0, order.to.0].into_iter().any(|counter| Some(counter) == self.plan.liar)
    }

    /// The bridge asks a counter.
    pub(crate) fn watch_ask(&mut self, ask: &Instruction) {
        let (serial, day, asked) = match ask {
            Instruction::Debit(posting) | Instruction::Credit(posting) => {
                (posting.serial, posting.settle_day, self.sent_again(posting.serial, posting.mark))
            }
            Instruction::Reverse(reversal) => {
                let again = self.sent_again(reversal.serial, reversal.mark);
                (reversal.serial, reversal.settle_day, again)
            }
            Instruction::Query(query) => (query.serial, query.settle_day, query.mark),
            Instruction::Balance(_) | Instruction::Entries(_) => return,
        };
        if self.plan.liar.is_some() {
            self.watch.days.entry(serial).or_default().insert(day);
        }
        if self.watch.reused.contains(&serial.sequence.number())
            && let Some(mark) = asked
        {
            self.doubt_unmarked(serial, mark);
        }
    }

    /// The mark, if this serial was sent with it before: what a counter says to a repetition, that it has
    /// done it already, is believed as an answer to a question is.
    fn sent_again(&mut self, serial: SubSerial, mark: Option<Mark>) -> Option<Mark> {
        mark.filter(|mark| !self.watch.sent.insert((serial, *mark)))
    }

    /// A counter that keeps no marks is believed when it is asked about a serial, although that was
    /// given out twice (docs/guarantees.md): what becomes of the transfer cannot be judged.
    /// Its mark tells which of the two is asked about: the record may have come back to the older one.
    fn doubt_unmarked(&mut self, serial: SubSerial, mark: Mark) {
        let Some(new) = self.watch.begun.get(&serial.sequence.number()) else { return };
        let Some(order) = self.marks.get(&mark).and_then(|order| self.plan.orders.get(*order))
        else {
            return;
        };
        let place = if serial.role == Role::Credit { &order.to } else { &order.from };
        if !self.peers[place.0].plan().rules.profile.echoes_marks {
            let name = self.name_of(new.master, Some(mark));
            self.audit.hidden(&name);
        }
    }

    /// What one that lies has said.
    pub(crate) fn hear_liar(&mut self, index: usize) {
        if self.plan.liar != Some(index) {
            return;
        }
        let echoes = self.plan.counters[index].rules.profile.echoes_marks;
        for reply in self.peers[index].new_words() {
            let Some(serial) = reply.serial() else { continue };
            let Some(new) = self.watch.begun.get(&serial.sequence.number()) else { continue };
            let Some(day) = claimed_day(&reply) else { continue };
            if claims_rightly(&reply, new, &BTreeSet::from([day]), echoes) {
                self.watch.claimed.entry(serial).or_default().insert(day);
            }
        }
    }

    /// It says something that nobody asked for, and will again.
    pub(crate) fn let_lie(&mut self, index: usize) {
        let Some(lying) = self.plan.counters[index].lying else { return };
        let mut wishes = Vec::new();
        if self.peers[index].up {
            self.peers[index].say_something(self.now, &mut wishes);
        }
        self.after_peer(index, Conn(0), wishes);
        let pause = if self.healed { lying.pause * 10 } else { lying.pause };
        let at = self.now + self.random.random_range(pause / 4..=pause);
        self.at(at, Event::Lie(index));
    }

    /// Whether what a caller is told rests on words that were said, where books tell nothing.
    pub(crate) fn judge_told(&mut self, stored: &Stored, state: &str) {
        let new = &stored.transfer;
        let name = self.name_of(new.master, new.mark);
        let legs: &[Role] = match state {
            "completed" => &[Role::Debit, Role::Credit],
            "reversed" => &[Role::Debit, Role::Reversal],
            _ => &[],
        };
        let (source, destination) = self.honest(new);
        let Some(outcome) = &stored.outcome else { return };
        let ended = late::ended(new, outcome.state, &self.database.tables().trail(new.master));
        for role in legs {
            let honest = if *role == Role::Credit { destination } else { source };
            if !honest && !self.audit.is_decided(&name) && !self.was_claimed(&ended, *role) {
                let found = format!("is told {state}, and nobody ever claimed the {role} rightly");
                self.audit.find(&name, found);
            }
        }
    }

    /// Whether the leg was claimed to be posted as it should be, on a day that was named to the counter
    /// or that the leg is bound to: who knows of it before it is sent may claim it, too.
    fn was_claimed(&self, ended: &Transfer, role: Role) -> bool {
        let master = ended.intent.master;
        let Some(claimed) = self.watch.claimed.get(&master.leg(role)) else { return false };
        let named = |role| self.watch.days.get(&master.leg(role)).into_iter().flatten().copied();
        let mut days = named(role).chain(named(Role::Debit)).chain(ended.bound_days(role));
        days.any(|day| claimed.contains(&day))
    }

    /// Whether a transfer that waits for a person does so because a serial was given out twice, or
    /// because a copy hides what became of it.
    pub(crate) fn is_hidden(&self, master: MasterSerial) -> bool {
        let sequence = master.sequence.number();
        self.watch.reused.contains(&sequence) || self.watch.hidden.contains(&sequence)
    }

    /// How many accusations of foreign words must follow from what comes to a shard.
    pub(crate) fn must_be_foreign(&self, input: &Input) -> Option<u64> {
        let (speaker, reply) = match input {
            Input::Unasked { speaker, reply }
            | Input::Delivered { speaker, outcome: RequestOutcome::Answered(reply), .. } => {
                (speaker, reply)
            }
            Input::Delivered { .. }
            | Input::Begin { .. }
            | Input::Recovered { .. }
            | Input::Written(_)
            | Input::SessionBegan(_)
            | Input::Person { .. } => return None,
        };
        self.plan.liar?;
        let serial = reply.serial()?;
        let new = self.watch.begun.get(&serial.sequence.number())?;
        let place = new.order.place(serial.role);
        (place.counter != *speaker).then_some(self.watch.foreign + 1)
    }

    /// What came of it.
    pub(crate) fn judge_foreign(&mut self, expected: Option<u64>) {
        if expected.is_some_and(|expected| self.watch.foreign < expected) {
            self.audit.find("", "foreign words went by without an accusation".to_owned());
        }
    }

    /// The bridge accuses a counter.
    pub(crate) fn accused(
        &mut self,
        counter: &CounterId,
        fault: Fault,
        master: Option<MasterSerial>,
        text: &str,
    ) {
        let about = master.map(|master| master.sequence.number());
        self.note(about, format_args!("against {counter}: {text}"));
        let is_liar = self.plan.liar.is_some_and(|liar| self.counter_id(liar) == counter);
        // Answers to a life that the record does not know come to the next.
        let excused = is_liar || self.plan.has(Class::Restored);
        match fault {
            Fault::Foreign => {
                self.watch.foreign += 1;
                if !excused {
                    let found = format!("{counter} is accused of foreign words: {text}");
                    self.audit.find("", found);
                }
            }
            Fault::Contradiction => {
                let begun = about.and_then(|about| self.watch.begun.get(&about));
                let takes_part = begun.is_none_or(|new| {
                    new.order.from.counter == *counter || new.order.to.counter == *counter
                });
                if !takes_part {
                    let found = format!("{counter} is believed to contradict what is not its own");
                    self.audit.find("", found);
                }
                // Whose words are true does not show where one of both lies.
                let party = begun.is_some_and(|new| self.honest(new) != (true, true));
                let lies = [Class::Lies, Class::Decisions, Class::OddCodes];
                if !excused && !party && !lies.into_iter().any(|class| self.plan.has(class)) {
                    let found = format!("{counter} is accused, and did nothing wrong: {text}");
                    self.audit.find("", found);
                }
            }
        }
    }

    /// Words about a transfer that is not open here are held against the record.
    pub(crate) fn compare(&mut self, bridge: &mut Bridge, speaker: &CounterId, reply: Reply) {
        let Some(serial) = reply.serial() else { return };
        let Some(stored) = self.database.tables().find_by_sequence(serial.sequence) else {
            let text = format!("{serial} was never issued");
            return self.accused(speaker, Fault::Foreign, None, &text);
        };
        let master = stored.transfer.master;
        let Some(outcome) = &stored.outcome else {
            self.watch.foreign += 1;
            if bridge.running.get(&*stored.transfer.idempotency_key) == Some(&master) {
                // It has just been taken up.
                let shard = bridge.shard_of(serial.sequence.number());
                let input = Input::Unasked { speaker: speaker.clone(), reply };
                self.put(bridge, shard, Queue::Mail, input);
            }
            return;
        };
        let Some(peer) = self.peers.iter().find(|peer| peer.plan().rules.counter == *speaker)
        else {
            return;
        };
        let profile = peer.plan().rules.profile.clone();
        let due = self.must_alarm(&stored, outcome.state, speaker, &reply, profile.echoes_marks);
        let trail = self.database.tables().trail(master);
        let ended = late::ended(&stored.transfer, outcome.state, &trail);
        let words = crate::words::brief(&reply);
        let alarmed = match late::compare(&ended, speaker, &profile, reply) {
            Compared::Agrees => false,
            Compared::Contradicts(text) => {
                self.accused(speaker, Fault::Contradiction, Some(master), &text);
                true
            }
            Compared::Foreign(text) => {
                self.accused(speaker, Fault::Foreign, Some(master), &text);
                true
            }
        };
        if due.is_some_and(|due| due != alarmed) {
            let name = self.name_of(master, stored.transfer.mark);
            let what = if alarmed { "is an alarm" } else { "is no alarm" };
            let found =
                format!("{speaker} says {words} after the end as {}: {what}", outcome.state);
            self.audit.find(&name, found);
        }
    }

    /// Whether words about an ended transfer must be an alarm; `None` where that depends.
    fn must_alarm(
        &self,
        stored: &Stored,
        state: FinalState,
        speaker: &CounterId,
        reply: &Reply,
        echoes_marks: bool,
    ) -> Option<bool> {
        let new = &stored.transfer;
        let role = reply.serial()?.role;
        let place = new.order.place(role);
        if place.counter != *speaker {
            return Some(true);
        }
        let hidden = self.audit.is_hidden(&self.name_of(new.master, new.mark));
        let decided = self.database.tables().decisions().iter().any(|(of, _)| *of == new.master);
        if decided || hidden {
            return None;
        }
        // Without a mark, a serial that was known already may be another's.
        if !has_mark(reply) {
            return None;
        }
        let days: BTreeSet<Day> = claimed_day(reply).into_iter().collect();
        let first = if role == Role::Credit { new.credit_day } else { new.debit_day };
        if !claims_rightly(reply, new, &days, echoes_marks) || !days.contains(&first) {
            return None;
        }
        Some(match (state, role) {
            (FinalState::Completed, Role::Debit | Role::Credit)
            | (FinalState::Reversed, Role::Debit | Role::Reversal) => false,
            (FinalState::Completed, Role::Reversal)
            | (FinalState::Reversed, Role::Credit)
            | (FinalState::Refused, Role::Debit | Role::Credit | Role::Reversal) => true,
        })
    }
}

fn has_mark(reply: &Reply) -> bool {
    match reply {
        Reply::Posting(reply) => reply.mark.is_some(),
        Reply::Query(reply) => reply.mark.is_some(),
        Reply::Balance(_) | Reply::Entries(_) => false,
    }
}

/// The settle day of the posting that is claimed.
fn claimed_day(reply: &Reply) -> Option<Day> {
    let posted = match reply {
        Reply::Posting(reply) => reply.posted.as_ref(),
        Reply::Query(reply) => reply.posted.as_ref(),
        Reply::Balance(_) | Reply::Entries(_) => None,
    };
    posted.map(|posted| posted.settle_day)
}
