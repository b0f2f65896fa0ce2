//! One open transfer, with what surrounds it: whose it is, who waits for it, what is awaited.

use crate::clock::Now;
use crate::dealing::Dealing;
use crate::happening::Happening;
use crate::received::Received;
use crate::said::{PersonRefused, Taken};
use crate::sent::Sent;
use crate::trail::{Entry, LegEntry};
use crate::transit::Seen;
use crate::view::View;
use crate::world::World;
use bytes::Bytes;
use domain::message::Look;
use domain::serial::{Day, MasterSerial, Role};
use domain::transfer::{
    Action, Decision, Doubt, Event, Illegal, Outlook, Phase, Question, State, Step, StepContext,
    Transfer, step,
};
use port::CounterIndex;
use std::collections::VecDeque;
use std::sync::Arc;
use store::NewTransfer;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The answer that a caller gets once a transfer is final, now and on every replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The HTTP status that it is answered with.
    pub status: u16,
    /// The body, replayed byte for byte.
    pub body: Bytes,
}

/// What becomes of a transfer that somebody waits for.
#[derive(Clone, Debug)]
pub enum WaiterReply {
    /// It is final and durable.
    Final(Rendered),
    /// The app has used the key before.
    DuplicateKey,
    /// It was not recorded, and never will be.
    NotRecorded(String),
}

/// What is awaited for a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Nothing.
    Nothing,
    /// The outcome of an instruction.
    Outcome { ticket: u64, role: Role, question: Option<Question> },
    /// A timer; stale ones carry another stamp.
    Timer { stamp: u64 },
}

/// What is done once a barrier is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// The transfer is woken for the first time.
    Wake,
    /// What the step asked for.
    Do(Action),
    /// Nothing: a person dealt with it.
    Nothing,
    /// Nobody deals with it any more: what waited for that goes on.
    Freed,
}

/// An open transfer.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) transfer: Transfer,
    pub(crate) app: Arc<str>,
    pub(crate) idempotency_key: Arc<str>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) deadline_at: i64,
    pub(crate) debit_at: CounterIndex,
    pub(crate) credit_at: CounterIndex,
    pub(crate) waiters: Vec<oneshot::Sender<WaiterReply>>,
    /// Told as soon as it is durable; dropped if it never is.
    pub(crate) recorded: Vec<oneshot::Sender<()>>,
    pub(crate) awaited: Awaited,
    /// Pauses in a row, by which the next one grows.
    pub(crate) pauses: u32,
    /// When nothing new is begun any more.
    pub(crate) expires: Instant,
    /// Until when each leg may have left, in the order of [`Role::ALL`].
    pub(crate) sent: [Sent; 3],
    /// What has happened since the last write.
    pub(crate) pending: Vec<Entry>,
    pub(crate) next_part: u32,
    /// The write that must be durable before anything else happens to it, and what is done then.
    pub(crate) barrier: Option<(u64, Afterwards)>,
    /// The phase to show while a final one is not yet durable.
    pub(crate) shown: Option<Phase>,
    /// The answer, once it is final.
    pub(crate) rendered: Option<Rendered>,
    /// What came while the barrier was awaited.
    pub(crate) held: VecDeque<Happening>,
    /// Late answers that were looked at in the present state, in the order of [`Role::ALL`].
    pub(crate) late: [u16; 3],
    /// What was last told to be doubtful of each leg: a person who has readmitted a counter knows of it.
    pub(crate) doubts_told: [Option<Doubt>; 3],
    /// Of which legs it has been said that late answers are left out.
    pub(crate) left_out: [bool; 3],
    /// Rounds of asking in a row that brought nothing while a person is awaited.
    pub(crate) fruitless: u16,
    /// The state in the last write, if there was one in this life.
    pub(crate) written: Option<State>,
    /// The state under which it is listed; `None` while it is not durable.
    pub(crate) listed: Option<State>,
    /// What it leads to while it is parked, when something last happened to it.
    pub(crate) outlook: Option<Outlook>,
    /// What each decision would lead to while it is parked, in the order of [`Decision::ALL`], when something last
    /// happened to it.
    pub(crate) choices: Option<Box<[Result<Outlook, Illegal>; 4]>>,
    /// Who deals with it while it is parked.
    pub(crate) dealing: Dealing,
    /// When that ends by itself, by the clock that nobody steps.
    pub(crate) deals_until: Option<Instant>,
    /// Persons who are told once the barrier is durable that what they said is.
    pub(crate) said: Vec<(oneshot::Sender<Result<Taken, PersonRefused>>, Taken)>,
    /// When a person said something last in this life, in microseconds since 1970 UTC.
    pub(crate) said_at: i64,
    /// How often persons began something with it in this life.
    pub(crate) words: u16,
    /// Until when no more of that is taken, once there is too much.
    pub(crate) words_until: Option<Instant>,
    /// This software fails on it: nothing is written about it but how it is decided.
    pub(crate) left_alone: bool,
}

impl Record {
    pub(crate) fn new(
        new: &NewTransfer,
        transfer: Transfer,
        debit_at: CounterIndex,
        credit_at: CounterIndex,
        now: Now,
    ) -> Record {
        Record {
            transfer,
            app: new.app.clone(),
            idempotency_key: new.idempotency_key.clone(),
            created_at: new.created_at,
            updated_at: now.wall,
            deadline_at: new.deadline_at,
            debit_at,
            credit_at,
            waiters: Vec::new(),
            recorded: Vec::new(),
            awaited: Awaited::Nothing,
            pauses: 0,
            expires: now.expiry(new.created_at, new.deadline_at),
            sent: [Sent::default(); 3],
            pending: Vec::new(),
            next_part: 0,
            barrier: None,
            shown: None,
            rendered: None,
            held: VecDeque::new(),
            late: [0; 3],
            doubts_told: [None; 3],
            left_out: [false; 3],
            fruitless: 0,
            written: None,
            listed: None,
            outlook: None,
            choices: None,
            dealing: Dealing::Nobody,
            deals_until: None,
            said: Vec::new(),
            said_at: 0,
            words: 0,
            words_until: None,
            left_alone: false,
        }
    }

    pub(crate) fn master(&self) -> MasterSerial {
        self.transfer.intent.master
    }

    /// Whether it has been recorded at all.
    pub(crate) fn is_durable(&self) -> bool {
        !matches!(self.barrier, Some((_, Afterwards::Wake)))
    }

    /// The transfer as it may be shown: a final state only once it is durable.
    pub(crate) fn view(&self) -> View {
        let mut transfer = self.transfer.clone();
        if let Some(phase) = self.shown {
            transfer.phase = phase;
            transfer.reason = None;
        }
        View {
            transfer,
            app: self.app.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            deadline_at: self.deadline_at,
            outlook: self.outlook,
            choices: self.choices.as_deref().copied(),
            dealing: self.dealing.clone(),
            is_ending: self.shown.is_some(),
        }
    }

    /// The phase as it may be shown: a final one only once it is durable.
    pub(crate) fn shown_phase(&self) -> Phase {
        self.shown.unwrap_or(self.transfer.phase)
    }

    /// The state that it is shown in.
    pub(crate) fn shown_state(&self) -> State {
        self.shown_phase().state()
    }

    /// Money in transit as it may be shown, in minor units.
    pub(crate) fn shown_in_transit(&self) -> i64 {
        self.transfer.in_transit_at(self.shown_phase())
    }

    /// It as money in transit is counted.
    pub(crate) fn seen(&self) -> Seen<'_> {
        Seen {
            transfer: &self.transfer,
            debit_at: self.debit_at,
            credit_at: self.credit_at,
            in_transit: self.shown_in_transit(),
            ahead: self.transfer.paid_ahead(),
            created_at: self.created_at,
        }
    }

    /// Whether it has a leg there.
    pub(crate) fn is_at(&self, counter: CounterIndex) -> bool {
        [self.debit_at, self.credit_at].contains(&counter)
    }

    pub(crate) fn counter(&self, role: Role) -> CounterIndex {
        match role {
            Role::Debit | Role::Reversal => self.debit_at,
            Role::Credit => self.credit_at,
        }
    }

    pub(crate) fn ground<'w>(&self, world: &'w World, patience: u16) -> StepContext<'w> {
        let (debit, credit) = (world.get(self.debit_at), world.get(self.credit_at));
        StepContext {
            debit: &debit.profile,
            credit: &credit.profile,
            debit_day: debit.settle_day,
            credit_day: credit.settle_day,
            patience,
            behind: world.behind,
            debit_held: debit.held,
            credit_held: credit.held,
            claimed: self.dealing.is_somebody(),
        }
    }

    /// Whether nothing new may be begun: past its deadline, or past the cut-over of a counter at which
    /// a leg may have been sent whose answer was lost.
    pub(crate) fn is_expired(&self, world: &World, now: Now) -> bool {
        now.at >= self.expires
            || [Role::Debit, Role::Credit].into_iter().any(|role| {
                self.transfer.is_overtaken(role, world.get(self.counter(role)).settle_day)
            })
    }

    /// Looks at the time before something is decided: past its deadline nothing new is begun. What
    /// follows from that, if it has just passed.
    pub(crate) fn look_at_deadline(
        &mut self,
        world: &World,
        now: Now,
        patience: u16,
    ) -> Result<Option<Step>, Illegal> {
        if self.transfer.expired || !self.is_expired(world, now) {
            return Ok(None);
        }
        let ground = self.ground(world, patience);
        let expired = step(&mut self.transfer, &Event::Expire, &ground)?;
        self.note(now, EXPIRED.to_owned(), None);
        Ok((expired.action != Action::Stay).then_some(expired))
    }

    /// Looks at what it leads to while it is parked. What is being written stays as it was seen.
    pub(crate) fn look_ahead(&mut self, world: &World, patience: u16) {
        if self.shown.is_none() {
            let ground = self.ground(world, patience);
            self.outlook = self.transfer.outlook(&ground);
            let parked = self.transfer.phase.parked().is_some();
            self.choices = parked.then(|| {
                Box::new(Decision::ALL.map(|decision| self.transfer.would(decision, &ground)))
            });
        }
    }

    /// What it leads to, if it waits for nothing but a person's word: all is proven, and the rules go
    /// on from there.
    pub(crate) fn proven(&self) -> Option<Outlook> {
        match self.transfer.phase {
            Phase::Parked(why) if why.is_want_of_knowledge() => {
                self.outlook.filter(|outlook| outlook.is_proven())
            }
            _ => None,
        }
    }

    /// Notes what happened, for the trail.
    pub(crate) fn note(&mut self, now: Now, event: String, role: Option<Role>) {
        let leg = role.map(|role| LegEntry::of(role, self.transfer.leg(role)));
        self.add(now, event, leg, None);
    }

    /// Notes what was heard of a leg, with what of it the rest does not imply, and the day under which the question was put
    /// that it answers: that question may not be written down itself.
    pub(crate) fn note_heard(
        &mut self,
        now: Now,
        event: String,
        role: Option<Role>,
        under: Option<Day>,
        received: Option<Box<Received>>,
    ) {
        self.note(now, event, role);
        if let Some(entry) = self.pending.last_mut() {
            (entry.under, entry.received) = (under, received);
        }
    }

    /// Notes that a leg's counter is asked about it.
    pub(crate) fn note_asked(&mut self, now: Now, role: Role, look: Look) {
        let under = self.under(role);
        self.note(now, asked(role, look), None);
        if let Some(entry) = self.pending.last_mut() {
            entry.under = under;
        }
    }

    /// The settle day under which a leg is asked about, where it is not the one that it is bound to.
    pub(crate) fn under(&self, role: Role) -> Option<Day> {
        let day = self.transfer.asked_day(role);
        Some(day).filter(|day| *day != self.transfer.bound_day(role))
    }

    /// Notes who deals with it from now on, and in what words.
    pub(crate) fn note_dealing(&mut self, now: Now, event: String, dealing: Dealing) {
        self.said_at = now.wall;
        self.add(now, event, None, Some(dealing));
    }

    fn add(&mut self, now: Now, event: String, leg: Option<LegEntry>, dealing: Option<Dealing>) {
        self.updated_at = now.wall;
        let (phase, reason) = (self.transfer.phase, self.transfer.reason);
        let (under, received) = (None, None);
        let at = now.wall;
        self.pending.push(Entry { at, event, phase, under, received, leg, reason, dealing });
    }

    /// A moment at which nobody has said anything about it yet: words of persons are told apart by theirs.
    pub(crate) fn moment(&self, now: Now) -> Now {
        Now { wall: now.wall.max(self.said_at.saturating_add(1)), ..now }
    }
}

/// The words of the end of its time, for the trail.
pub(crate) const EXPIRED: &str = "the deadline or the cut-over has passed";

/// The words of a posting that is sent, for the trail; `rebound` is the day that its leg was bound to after its first.
pub(crate) fn sent(role: Role, rebound: Option<&Day>) -> String {
    match rebound {
        Some(day) => format!("{role} sent, bound to settle day {day}"),
        None => format!("{role} sent"),
    }
}

/// The words of an instruction, for the trail.
pub(crate) fn asked(role: Role, look: Look) -> String {
    match look {
        Look::Only => format!("{role} asked about"),
        Look::Fence => format!("fence for the {role} sent"),
    }
}
