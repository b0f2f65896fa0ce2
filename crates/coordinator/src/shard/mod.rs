//! The single owner of its transfers. Pure: inputs and time in, outputs out; no clock, no I/O.
//!
//! Every change runs through [`domain::transfer::step`]. What must be durable first is written
//! first: while such a write is awaited, whatever else happens to that transfer is held back. One
//! stuck transfer holds up no other.

use crate::accusations::Fault;
use crate::by_hand::Waits;
use crate::clock::Now;
use crate::config::Config;
use crate::dealing::Dealing;
use crate::ended;
use crate::events::Kind;
use crate::record::{Afterwards, Awaited, Record, Rendered, WaiterReply};
use crate::summary::Summary;
use crate::transit::Tally;
use crate::view::View;
use crate::world::World;
use domain::message::{CounterId, Reply};
use domain::serial::{Role, Sequence, SubSerial};
use domain::transfer::{
    Event, Evidence, Intent, Knowledge, ParkReason, Phase, State, Transfer, Words, attribute,
};
use port::CounterIndex;
use port::{RequestOutcome, Ticket, Unclear};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use store::{NewTransfer, Write, WriteError, WriteId, Written};
use tokio::sync::oneshot;
use tokio::time::Instant;
use turns::Turns;

mod broken;
use broken::About;
mod persons;
pub use persons::Waiting;
use persons::{Dealings, Word};
mod happen;
mod open;
use open::Open;
pub(crate) use open::{Page, Wanted};
mod perform;
#[cfg(test)]
mod tests;
mod traffic;
use crate::happening::Happening;
pub use crate::said::{PersonRefused, Said, Taken};
pub use traffic::{Ended, Input, Output};
mod turns;

/// Tickets and write ids are a transfer's sequence and a count below it, so that whatever comes
/// back finds its transfer without a map. Sequences have at most 37 bits.
const COUNT_BITS: u32 = 24;

/// Who waits for one transfer at once. One caller waits for what it began; more only look.
const MOST_WAITERS: usize = 256;

/// Renders the answer to a final transfer.
pub type Render = fn(&View) -> Rendered;

/// The owner of the transfers whose sequence falls to it.
#[derive(Debug)]
pub struct Shard {
    config: Config,
    render: Render,
    open: Open,
    timers: BinaryHeap<Reverse<(Instant, u64, u64)>>,
    /// Turns of those that wake together.
    turns: Turns,
    dealings: Dealings,
    count: u64,
    rng: SmallRng,
}

impl Shard {
    /// An owner of nothing yet. The seed decides the jitter of pauses.
    pub fn new(config: Config, render: Render, seed: u64) -> Shard {
        Shard {
            turns: Turns::new(config.shards),
            config,
            render,
            open: Open::default(),
            timers: BinaryHeap::new(),
            dealings: Dealings::default(),
            count: 0,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    /// When [`Shard::tick`] is due next.
    pub fn next_timer(&self) -> Option<Instant> {
        let timer = self.timers.peek().map(|Reverse((due, _, _))| *due);
        [timer, self.dealings.next()].into_iter().flatten().min()
    }

    /// How many transfers are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// One open transfer, if it is durable.
    pub fn view(&self, sequence: Sequence) -> Option<View> {
        self.open.get(&sequence.number()).filter(|record| record.is_durable()).map(Record::view)
    }

    /// All open transfers that are durable, in no order.
    pub fn views(&self) -> impl Iterator<Item = View> + '_ {
        self.open.values().filter(|record| record.is_durable()).map(Record::view)
    }

    /// How things stand, over all open transfers that are durable.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for record in self.open.values().filter(|record| record.is_durable()) {
            summary.add(record.shown_phase().state(), record.shown_in_transit(), record);
        }
        summary
    }

    /// Money in transit over all open transfers that are durable, at a time in microseconds since 1970 UTC.
    pub(crate) fn transit(&self, at: i64) -> Tally {
        let mut tally = Tally::default();
        for record in self.open.values().filter(|record| record.is_durable()) {
            tally.add(&record.seen(), at);
        }
        tally
    }

    /// The open transfers with a leg at a counter, durable or not.
    pub(crate) fn needing(&self, counter: CounterIndex) -> Waits {
        let mut waits = Waits::default();
        for record in self.open.values().filter(|record| record.is_at(counter)) {
            waits.add(matches!(record.transfer.phase, Phase::Parked(_)));
        }
        waits
    }

    /// Some of an app's open transfers that are durable, the newest first.
    pub(crate) fn page(&self, wanted: &Wanted) -> Page {
        self.open.page(wanted)
    }

    /// The oldest that are durable, in no order, and how many there are.
    pub(crate) fn oldest(&self, state: Option<State>, limit: usize) -> (Vec<View>, usize) {
        self.open.oldest(state, limit)
    }

    /// Lets somebody wait for an open transfer to become final. Gives the sender back if it is
    /// not open, or if too many wait for it already.
    pub fn wait(
        &mut self,
        sequence: Sequence,
        waiter: oneshot::Sender<WaiterReply>,
    ) -> Result<(), oneshot::Sender<WaiterReply>> {
        let Some(record) = self.open.get_mut(&sequence.number()) else { return Err(waiter) };
        if !has_room(&mut record.waiters) {
            return Err(waiter);
        }
        record.waiters.push(waiter);
        Ok(())
    }

    /// Tells `to` as soon as an open transfer is durable; drops it if it is not open, or never
    /// becomes durable.
    pub fn when_recorded(&mut self, sequence: Sequence, to: oneshot::Sender<()>) {
        if let Some(record) = self.open.get_mut(&sequence.number()) {
            if record.is_durable() {
                let _ = to.send(());
            } else if has_room(&mut record.recorded) {
                record.recorded.push(to);
            }
        }
    }

    /// Runs the timers that are due.
    pub fn tick(&mut self, now: Now, world: &World, out: &mut Vec<Output>) {
        self.end_dealings(now, world, out);
        while let Some(Reverse((due, sequence, stamp))) = self.timers.peek().copied() {
            if due > now.at {
                break;
            }
            self.timers.pop();
            let due = self
                .open
                .get(&sequence)
                .is_some_and(|record| record.awaited == Awaited::Timer { stamp });
            if due {
                self.guarded(&About::transfer(sequence), now, out, |shard, out| {
                    shard.happen(sequence, Happening::Event(Event::Wake), now, world, out);
                });
            }
        }
    }

    /// Takes one input. If that panics, the transfer that it was about is parked.
    pub fn handle(&mut self, input: Input, now: Now, world: &World, out: &mut Vec<Output>) {
        let about = About::input(&input);
        self.guarded(&about, now, out, |shard, out| shard.take(input, now, world, out));
    }

    fn take(&mut self, input: Input, now: Now, world: &World, out: &mut Vec<Output>) {
        match input {
            Input::Begin { new, waiter } => self.begin(new, waiter, now, world, out),
            Input::Recovered { new, transfer, updated_at, next_part, left_alone, dealing } => {
                let taken =
                    TakenUp { transfer: *transfer, updated_at, next_part, left_alone, dealing };
                self.take_up(&new, taken, now, world, out);
            }
            Input::Written(written) => self.written(written, now, world, out),
            Input::Delivered { speaker, ticket: Ticket(ticket), outcome } => {
                // At once, whatever else is awaited first: from now on nothing of it leaves.
                if let Some(record) = self.open.get_mut(&(ticket >> COUNT_BITS)) {
                    for sent in &mut record.sent {
                        sent.outcome(ticket, &outcome, now.at);
                    }
                }
                self.delivered(&speaker, ticket, outcome, now, world, out);
            }
            Input::Unasked { speaker, reply } => {
                let Some(SubSerial { sequence, .. }) = reply.serial() else { return };
                let sequence = sequence.number();
                if let Some(words) = self.attributed(sequence, &speaker, reply, out) {
                    self.happen(sequence, Happening::Unasked(words), now, world, out);
                }
            }
            Input::SessionBegan(counter) => self.session_began(counter, now, world, out),
            Input::Person { master, who, said, done } => {
                self.hear_person(Word { master, who, said }, done, now, world, out);
            }
        }
    }

    fn delivered(
        &mut self,
        speaker: &CounterId,
        ticket: u64,
        outcome: RequestOutcome,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) {
        let sequence = ticket >> COUNT_BITS;
        let unanswered = |evidence, why| Happening::Unanswered { ticket, evidence, why };
        let silent = |why: Unclear| unanswered(Evidence::Silent, format!("unknown: {why}"));
        let happening = match outcome {
            RequestOutcome::NotSent(why) => {
                unanswered(Evidence::NotSent, format!("not sent: {why}"))
            }
            RequestOutcome::Unknown(why) => silent(why),
            RequestOutcome::Answered(reply) => match self.attributed(sequence, speaker, reply, out)
            {
                Some(words) => Happening::Answered { ticket, words },
                // Whatever it said, what was asked is not answered.
                None => silent(Unclear::BadAnswer),
            },
        };
        self.happen(sequence, happening, now, world, out);
    }

    /// Every way by which a counter's words reach a transfer leads through here: they are
    /// attributed to a leg that is booked at the one who speaks, held against the record if the
    /// transfer is not open, or counted against whoever spoke of what is not its own.
    fn attributed(
        &self,
        sequence: u64,
        speaker: &CounterId,
        reply: Reply,
        out: &mut Vec<Output>,
    ) -> Option<Words> {
        let Some(record) = self.open.get(&sequence) else {
            out.push(Output::Compare { speaker: speaker.clone(), reply });
            return None;
        };
        match attribute(&record.transfer, speaker, reply) {
            Ok(words) => Some(words),
            Err(why) => {
                out.push(Output::Accuse {
                    counter: speaker.clone(),
                    fault: Fault::Foreign,
                    master: record.master(),
                    text: format!("{speaker} speaks of what is not its own: {why}"),
                });
                None
            }
        }
    }

    fn begin(
        &mut self,
        new: NewTransfer,
        waiter: oneshot::Sender<WaiterReply>,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) {
        let (Some(debit_at), Some(credit_at)) =
            (world.find(&new.order.from.counter), world.find(&new.order.to.counter))
        else {
            let _ =
                waiter.send(WaiterReply::NotRecorded("the counter is not configured".to_owned()));
            out.push(Output::Closed {
                app: new.app,
                idempotency_key: new.idempotency_key,
                ended: None,
            });
            return;
        };
        let transfer = Transfer::accepted(intent(&new));
        let mut record = Record::new(&new, transfer, debit_at, credit_at, now);
        record.waiters.push(waiter);
        let master = new.master;
        let id = self.next_number(master.sequence.number());
        record.barrier = Some((id, Afterwards::Wake));
        self.open.insert(master.sequence.number(), record);
        out.push(Output::Write(Write { accept: Some(new), ..Write::of(WriteId(id), master) }));
    }

    fn take_up(
        &mut self,
        new: &NewTransfer,
        taken: TakenUp,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) {
        let (Some(debit_at), Some(credit_at)) =
            (world.find(&new.order.from.counter), world.find(&new.order.to.counter))
        else {
            // Start-up refuses to run without a counter that an open transfer needs.
            return;
        };
        let sequence = new.master.sequence.number();
        let TakenUp { transfer, updated_at, next_part, left_alone, dealing } = taken;
        let mut record = Record::new(new, transfer, debit_at, credit_at, now);
        record.updated_at = updated_at;
        record.next_part = next_part;
        let parked = record.transfer.state() == State::NeedsOperator;
        if !parked {
            record.note(now, "taken up again after a restart".to_owned(), None);
            // What is doubted now must still be doubted by the next life, whatever it finds recorded
            // by then: a credit that was sent in an earlier one may never have been recorded as sent.
            for role in Role::ALL {
                if record.transfer.leg(role).knowledge == Knowledge::Unknown {
                    record.note(now, format!("the {role} may have been sent"), Some(role));
                }
            }
        }
        record.left_alone = left_alone;
        if parked && !left_alone {
            // What it leads to depends on the time, too.
            let _ = record.look_at_deadline(world, now, self.config.patience);
        }
        record.look_ahead(world, self.config.patience);
        let broken = record.transfer.phase.parked().is_some_and(ParkReason::is_of_this_software);
        self.open.insert(sequence, record);
        self.deal_on(sequence, dealing, now);
        // What this software failed on is not worked on again before a person has looked at it.
        if !broken && !left_alone {
            self.wake_in_turn(sequence, now, world, out);
        }
    }

    /// Wakes one of many that wake together, when it is its turn.
    fn wake_in_turn(&mut self, sequence: u64, now: Now, world: &World, out: &mut Vec<Output>) {
        let due = self.turns.next(now.at);
        if due <= now.at {
            return self.happen(sequence, Happening::Event(Event::Wake), now, world, out);
        }
        let stamp = self.next_number(sequence);
        if let Some(record) = self.open.get_mut(&sequence) {
            record.awaited = Awaited::Timer { stamp };
            self.timers.push(Reverse((due, sequence, stamp)));
        }
    }

    fn written(&mut self, written: Written, now: Now, world: &World, out: &mut Vec<Output>) {
        let WriteId(id) = written.id;
        let sequence = id >> COUNT_BITS;
        let Some(record) = self.open.get_mut(&sequence) else { return };
        let afterwards = match record.barrier {
            Some((awaited, afterwards)) if awaited == id => afterwards,
            Some(_) | None => {
                if let Err(error) = written.result {
                    // The transfer goes on; its trail has a gap, its course has not.
                    tracing::error!(master = %record.master(), %error, "trail refused");
                }
                return;
            }
        };
        record.barrier = None;
        record.shown = None;
        if let Err(error) = written.result {
            return self.not_written(sequence, error, out);
        }
        for (done, taken) in record.said.drain(..) {
            let _ = done.send(Ok(taken));
        }
        if record.transfer.state().is_final() {
            return self.close(sequence, now, out);
        }
        for waiting in record.recorded.drain(..) {
            let _ = waiting.send(());
        }
        let held = std::mem::take(&mut record.held);
        match afterwards {
            Afterwards::Wake => {
                self.happen(sequence, Happening::Event(Event::Wake), now, world, out);
            }
            Afterwards::Do(action) => self.perform(sequence, action, now, world, out),
            Afterwards::Nothing => {}
            Afterwards::Freed => self.freed(sequence, now, world, out),
        }
        for happening in held {
            self.happen(sequence, happening, now, world, out);
        }
    }

    /// What was to be durable is not, and never will be.
    fn not_written(&mut self, sequence: u64, error: WriteError, out: &mut Vec<Output>) {
        let Some(record) = self.open.get_mut(&sequence) else { return };
        for (done, _) in record.said.drain(..) {
            let _ = done.send(Err(PersonRefused::NotRecorded(error.to_string())));
        }
        if record.transfer.phase != Phase::Accepted {
            // The journal keeps every other write until it succeeds; what it refuses for good
            // contradicts the record, and nothing more may be done by this process.
            let master = record.master();
            record.transfer.phase = Phase::Parked(ParkReason::Illegal);
            record.awaited = Awaited::Nothing;
            out.push(Output::Alarm {
                kind: Kind::Contradiction,
                master,
                text: format!("the record refused what was to be written: {error}"),
            });
            return;
        }
        let Some(mut record) = self.open.remove(&sequence) else { return };
        compare_held(&mut record, out);
        let told = match error {
            WriteError::DuplicateKey => WaiterReply::DuplicateKey,
            WriteError::Refused { why } => WaiterReply::NotRecorded(why),
        };
        for waiter in record.waiters {
            let _ = waiter.send(told.clone());
        }
        out.push(Output::Closed {
            app: record.app,
            idempotency_key: record.idempotency_key,
            ended: None,
        });
    }

    /// The final state is durable: now it may be told.
    fn close(&mut self, sequence: u64, now: Now, out: &mut Vec<Output>) {
        let Some(mut record) = self.open.remove(&sequence) else { return };
        self.dealings.forget(&mut record, now);
        compare_held(&mut record, out);
        ended::tell(&record, now);
        if let Some(rendered) = record.rendered {
            for waiter in record.waiters {
                let _ = waiter.send(WaiterReply::Final(rendered.clone()));
            }
        }
        out.push(Output::Closed {
            app: record.app,
            idempotency_key: record.idempotency_key,
            ended: Some(Ended { state: record.transfer.state(), accepted_at: record.created_at }),
        });
    }

    fn session_began(
        &mut self,
        counter: CounterIndex,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) {
        let mut waiting: Vec<u64> = self
            .open
            .iter()
            .filter(|(_, record)| {
                matches!(record.awaited, Awaited::Timer { .. })
                    && (record.debit_at == counter || record.credit_at == counter)
            })
            .map(|(sequence, _)| *sequence)
            .collect();
        // The oldest first; and the same order every time, so that a run can be repeated.
        waiting.sort_unstable();
        for sequence in waiting {
            self.guarded(&About::transfer(sequence), now, out, |shard, out| {
                shard.wake_in_turn(sequence, now, world, out);
            });
        }
    }

    fn next_number(&mut self, sequence: u64) -> u64 {
        self.count = self.count.wrapping_add(1);
        number(sequence, self.count)
    }
}

/// An open transfer as it is taken up after a restart.
struct TakenUp {
    transfer: Transfer,
    updated_at: i64,
    next_part: u32,
    left_alone: bool,
    dealing: Dealing,
}

/// Whether one more may wait. Those that have gone are forgotten whenever the list would grow, so
/// that each look costs little.
fn has_room<T>(waiting: &mut Vec<oneshot::Sender<T>>) -> bool {
    if waiting.len() == waiting.capacity() || waiting.len() >= MOST_WAITERS {
        waiting.retain(|one| !one.is_closed());
    }
    waiting.len() < MOST_WAITERS
}

/// A ticket or a write's id.
const fn number(sequence: u64, count: u64) -> u64 {
    sequence << COUNT_BITS | count & ((1 << COUNT_BITS) - 1)
}

/// What came while the last write was awaited is held against the record, now that the transfer is
/// not open any more.
fn compare_held(record: &mut Record, out: &mut Vec<Output>) {
    for happening in std::mem::take(&mut record.held) {
        match happening {
            Happening::Unasked(words) | Happening::Answered { words, .. } => {
                let speaker = record.transfer.place(words.role()).counter.clone();
                out.push(Output::Compare { speaker, reply: words.into_reply() });
            }
            Happening::Unanswered { .. } | Happening::Event(_) => {}
        }
    }
}

/// What the machine knows of a transfer from its record.
pub fn intent(new: &NewTransfer) -> Intent {
    Intent {
        master: new.master,
        order: new.order.clone(),
        debit_day: new.debit_day,
        credit_day: new.credit_day,
        credit_barrier: new.credit_barrier,
        mark: new.mark,
    }
}
