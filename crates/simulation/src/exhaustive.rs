//! One transfer, and everything that may happen to it, completely: every journal boundary times
//! every fate of every message times every fate of every question, within a budget of each.
//!
//! The shard, the journal's plan, recovery and both counters' books are the real ones. The links
//! are a model that says what the contract of a link allows: answered, not sent, unknown; and
//! answers that come late, twice or unasked.

mod fate;

use crate::audit::{Audit, Finding, Ordered};
use crate::choices::Choices;
use crate::clock::{BEGINNING, Clock, Micros, SECOND};
use crate::peer::{entry, first_day};
use coordinator::clock::Now;
use coordinator::record::WaiterReply;
use coordinator::shard::{Input, Output, Shard};
use coordinator::world::{Facts, World};
use coordinator::{Config, Rendered, Tail, View};
use domain::message::{AccountId, AnswerCode, CounterId, Instruction, Place, Reply};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::profile::Profile;
use domain::serial::{Mark, MasterSerial, Sequence};
use domain::transfer::{Knowledge, ParkReason, Phase, Transfer};
use fate::{Belated, Fate, Late, MOMENTS, order_of};
use port::NotSent;
use port::RequestOutcome;
use port::Sessions;
use port::Ticket;
use port::Unclear;
use simulator::books::{Books, Kind, Line, Rules, Settled};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use store::memory::Memory;
use store::{NewTransfer, Write, WriteError, Written};
use tokio::sync::oneshot;

/// No story has so many turns.
const MOST_TURNS: usize = 300;
const AMOUNT: i64 = 500;
const KEY: &str = "order";

/// How much may go wrong in one story.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Deaths of the bridge, and refusals of the database.
    pub journal: u32,
    /// Fates of debits, credits and reversals other than delivered.
    pub postings: u32,
    /// Fates of questions other than delivered.
    pub questions: u32,
}

/// What came of all stories.
#[derive(Clone, Debug, Default)]
pub struct Count {
    /// How many were told.
    pub stories: u64,
    /// How they ended.
    pub ends: BTreeMap<String, u64>,
    /// The first that must not be: its choices, its text and what was found.
    pub failed: Option<(Vec<usize>, Vec<String>, Vec<Finding>)>,
}

/// Tells every story of one transfer between two counters with these profiles, or all up to the
/// first that must not be.
pub fn tell_all(source: &Profile, destination: &Profile, budget: Budget) -> Count {
    let mut count = Count::default();
    let mut next = Some(Choices::default());
    while let Some(mut choices) = next {
        let (end, findings, _) = tell(source, destination, budget, &mut choices, false);
        count.stories += 1;
        *count.ends.entry(end).or_default() += 1;
        if !findings.is_empty() {
            let list = choices.list();
            choices.rewind();
            let (_, findings, text) = tell(source, destination, budget, &mut choices, true);
            count.failed = Some((list, text, findings));
            return count;
        }
        next = choices.advance();
    }
    count
}

fn tell(
    source: &Profile,
    destination: &Profile,
    budget: Budget,
    choices: &mut Choices,
    keep: bool,
) -> (String, Vec<Finding>, Vec<String>) {
    let mut story = Story::new(source, destination, budget, choices, keep);
    story.begin();
    let mut turns = 0;
    while story.turn() {
        turns += 1;
        if turns > MOST_TURNS {
            story.audit.find("", "goes round in circles".to_owned());
            break;
        }
    }
    story.end()
}

struct Story<'c> {
    choices: &'c mut Choices,
    budget: Budget,
    world: World,
    shard: Shard,
    memory: Memory,
    books: [Books; 2],
    lines: Vec<Line>,
    now: Micros,
    clock: Clock,
    writes: Vec<Write>,
    asks: VecDeque<(usize, Ticket, Instruction)>,
    late: Vec<Belated>,
    told: Option<oneshot::Receiver<WaiterReply>>,
    audit: Audit,
    cut_over: bool,
    parked_turns: u32,
    text: Option<Vec<String>>,
}

impl<'c> Story<'c> {
    fn new(
        source: &Profile,
        destination: &Profile,
        budget: Budget,
        choices: &'c mut Choices,
        keep: bool,
    ) -> Story<'c> {
        let ids = ["securities", "futures"].map(counter_id);
        // Without marks a copy that is answered first looks like a serial that was known before.
        let marked = |profile: &Profile| Profile { echoes_marks: true, ..profile.clone() };
        let profiles = [Arc::new(marked(source)), Arc::new(marked(destination))];
        let clock = Clock::new();
        let facts = |index: usize| Facts {
            id: ids[index].clone(),
            profile: Arc::clone(&profiles[index]),
            settle_day: Some(first_day()),
            sessions: Some(Sessions::at(clock.instant(BEGINNING))),
            held: false,
        };
        let books = [0, 1].map(|index| {
            let rules = Rules {
                counter: ids[index].clone(),
                profile: Profile::clone(&profiles[index]),
                currency: Currency::CNY,
                settings: Vec::new(),
                open: true,
                tells_highest_serial: true,
            };
            Books::new(rules, first_day())
        });
        let place = |index: usize| (ids[index].to_string(), account().to_string());
        let audit = Audit::new([Ordered {
            key: KEY.to_owned(),
            from: place(0),
            to: place(1),
            amount: AMOUNT,
        }]);
        Story {
            choices,
            budget,
            world: World { counters: vec![facts(0), facts(1)], behind: false },
            shard: Shard::new(config(), render, 7),
            memory: Memory::default(),
            books,
            lines: Vec::new(),
            now: BEGINNING,
            clock,
            writes: Vec::new(),
            asks: VecDeque::new(),
            late: Vec::new(),
            told: None,
            audit,
            cut_over: false,
            parked_turns: 0,
            text: keep.then(Vec::new),
        }
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(text) = &mut self.text {
            let since = (self.now - BEGINNING) / 1_000;
            text.push(format!("{since:>8} ms  {}", what()));
        }
    }

    fn begin(&mut self) {
        for index in 0..2 {
            if let Ok(Some(line)) = self.books[index].open_account(&account(), 10_000, self.now) {
                self.keep(line);
            }
        }
        // A deadline that any silence passes, or one that nearly none does.
        let seconds = [60, 5][self.choices.choose(2)];
        let sequence = Sequence::new(1).unwrap_or_else(|error| unreachable!("{error}"));
        let place = |index: usize| Place {
            counter: self.world.counters[index].id.clone(),
            account: account(),
        };
        let new = NewTransfer {
            master: MasterSerial { day: first_day(), sequence },
            app: "app".into(),
            idempotency_key: KEY.into(),
            fingerprint: [0; 32],
            order: Order {
                from: place(0),
                to: place(1),
                amount: Amount::new(AMOUNT).unwrap_or(Amount::MAX),
                currency: Currency::CNY,
            },
            debit_day: first_day(),
            credit_day: first_day(),
            credit_barrier: !self.world.counters[1].profile.dedupes,
            created_at: self.now,
            deadline_at: self.now + seconds * SECOND,
            mark: Some(Mark(7)),
        };
        let (waiter, told) = oneshot::channel();
        self.told = Some(told);
        self.handle(Input::Begin { new, waiter });
    }

    fn present(&self) -> Now {
        Now { wall: self.now, at: self.clock.instant(self.now) }
    }

    fn handle(&mut self, input: Input) {
        let mut out = Vec::new();
        self.shard.handle(input, self.present(), &self.world, &mut out);
        self.perform(out);
    }

    fn perform(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Write(write) => self.writes.push(write),
                Output::Ask { counter, ticket, instruction, .. } => {
                    self.asks.push_back((counter.0, ticket, instruction));
                }
                Output::Alarm { text, .. } | Output::Accuse { text, .. } => {
                    self.say(|| format!("alarm: {text}"));
                }
                Output::Doubted { doubt, .. } => self.say(|| format!("doubt: {doubt:?}")),
                // Its sessions come and go by themselves.
                Output::NewSessions { .. }
                | Output::Closed { .. }
                | Output::Compare { .. }
                | Output::LeftOut { .. } => {}
            }
        }
        self.hear();
    }

    /// Whether the caller has been told.
    fn hear(&mut self) {
        let told = self.told.as_mut().and_then(|told| told.try_recv().ok());
        if let Some(WaiterReply::Final(rendered)) = told {
            self.tell(&rendered.body);
        }
    }

    fn tell(&mut self, answer: &[u8]) {
        let text = String::from_utf8_lossy(answer).into_owned();
        self.say(|| format!("the caller is told {text}"));
        let (master, state) = text.split_once(' ').unwrap_or(("", &text));
        self.audit.told(KEY, answer, master, state);
    }

    /// One thing; `false` when the story is over.
    fn turn(&mut self) -> bool {
        if !self.writes.is_empty() {
            self.journal();
            return true;
        }
        if let Some(at) = self.overdue() {
            self.release(at);
            return true;
        }
        // What is late comes before the next message, or after it.
        if let Some(at) = self.late.iter().position(|belated| belated.passed < MOMENTS)
            && !self.asks.is_empty()
        {
            if self.choices.choose(2) == 1 {
                self.release(at);
                return true;
            }
            self.late[at].passed += 1;
        }
        if let Some((counter, ticket, instruction)) = self.asks.pop_front() {
            self.message(counter, ticket, &instruction);
            return true;
        }
        if let Some(view) = self.shard.views().next()
            && let Phase::Parked(_) = view.transfer.phase
        {
            self.parked_turns += 1;
            if self.late.is_empty() && self.parked_turns > 4 {
                return false;
            }
        }
        match self.shard.next_timer() {
            Some(due) => {
                self.now = self.now.max(self.clock.micros(due));
                self.renew_sessions();
                let mut out = Vec::new();
                self.shard.tick(self.present(), &self.world, &mut out);
                self.perform(out);
                true
            }
            None if !self.late.is_empty() => {
                self.release(0);
                true
            }
            None => false,
        }
    }

    /// Sessions come and go; to a counter that cannot fence it matters. They last for long enough
    /// that something may be proven over them.
    fn renew_sessions(&mut self) {
        let now = self.clock.instant(self.now);
        for facts in &mut self.world.counters {
            let lasts = 2 * Duration::from_millis(facts.profile.in_flight_limit_ms);
            if facts.sessions.is_none_or(|all| now.saturating_duration_since(all.oldest) > lasts) {
                facts.sessions = Some(Sessions::at(now));
            }
        }
    }

    /// A request stays on its way no longer than the counter has stated.
    fn overdue(&self) -> Option<usize> {
        let limit = self.world.counters[0].profile.in_flight_limit_ms;
        let limit = i64::try_from(limit).unwrap_or(0) * 1_000;
        self.late.iter().position(|belated| self.now - belated.since >= limit)
    }

    fn spend(&mut self, pick: fn(&mut Budget) -> &mut u32, among: usize) -> usize {
        if *pick(&mut self.budget) == 0 {
            return 0;
        }
        let chosen = self.choices.choose(among);
        if chosen > 0 {
            *pick(&mut self.budget) -= 1;
        }
        chosen
    }

    /// A batch: durable and acknowledged, or the bridge dies before, in between or after.
    fn journal(&mut self) {
        let accepts = self.writes.iter().any(|write| write.accept.is_some());
        let chosen = self.spend(|budget| &mut budget.journal, if accepts { 5 } else { 4 });
        let writes = std::mem::take(&mut self.writes);
        match chosen {
            1 => {
                self.say(|| "the bridge dies before the commit".to_owned());
                return self.restart();
            }
            4 => {
                self.say(|| "the database refuses".to_owned());
                for write in writes {
                    let why = "the database fails".to_owned();
                    let result = Err(WriteError::Refused { why });
                    self.handle(Input::Written(Written { id: write.id, result }));
                }
                return;
            }
            _ => {}
        }
        let written = self.memory.write(&writes);
        self.say(|| format!("{} writes are durable", writes.len()));
        if chosen == 2 {
            self.say(|| "the bridge dies before the acknowledgement".to_owned());
            return self.restart();
        }
        for written in written {
            self.handle(Input::Written(written));
        }
        if chosen == 3 {
            self.say(|| "the bridge dies after the acknowledgement".to_owned());
            self.restart();
        }
    }

    fn restart(&mut self) {
        self.now += SECOND;
        self.writes.clear();
        // What was asked and not yet written to a socket is gone.
        self.asks.clear();
        self.told = None;
        self.shard = Shard::new(config(), render, 8);
        // Every session begins after the process has.
        let begins = self.clock.instant(self.now + 1);
        for facts in &mut self.world.counters {
            facts.sessions = Some(Sessions::at(begins));
        }
        for open in self.memory.open_transfers() {
            self.handle(coordinator::taken_up(open.transfer, &open.trail, Tail::Whole));
        }
    }

    fn message(&mut self, counter: usize, ticket: Ticket, instruction: &Instruction) {
        let fate = if instruction.moves_money() {
            Fate::ALL[self.spend(|budget| &mut budget.postings, Fate::ALL.len())]
        } else {
            let fates = Fate::OF_QUESTIONS;
            fates[self.spend(|budget| &mut budget.questions, fates.len())]
        };
        self.say(|| format!("{fate:?} at {counter}: {instruction:?}"));
        let lost = RequestOutcome::Unknown(Unclear::TimedOut);
        let outcome = match fate {
            Fate::Delivered => RequestOutcome::Answered(self.execute(counter, instruction)),
            Fate::LostBefore => lost,
            Fate::LostAfter => {
                self.execute(counter, instruction);
                lost
            }
            Fate::Duplicated => {
                let reply = self.execute(counter, instruction);
                self.later(Late::Answer(counter, reply.clone()));
                RequestOutcome::Answered(reply)
            }
            Fate::Late => {
                self.later(Late::Arrives(counter, instruction.clone()));
                lost
            }
            Fate::AnswerLate => {
                let reply = self.execute(counter, instruction);
                self.later(Late::Answer(counter, reply));
                lost
            }
            Fate::NotSent => RequestOutcome::NotSent(NotSent::Down),
            Fate::Refused => RequestOutcome::Answered(match order_of(instruction) {
                Some(order) => {
                    let code = AnswerCode::INSUFFICIENT_FUNDS;
                    let settled = self.books[counter].refuse(order, code, self.now);
                    self.settle(settled)
                }
                None => self.execute(counter, instruction),
            }),
            Fate::Processing => RequestOutcome::Answered(match order_of(instruction) {
                Some(order) => {
                    let settled = self.books[counter].begin(order.clone(), self.now);
                    self.later(Late::Finishes(counter, order));
                    self.settle(settled)
                }
                None => self.execute(counter, instruction),
            }),
            Fate::AfterCutOver => {
                if let Ok(line) = self.books[counter].cut_over(self.now) {
                    self.keep(line);
                }
                self.cut_over = true;
                self.world.counters[counter].settle_day = Some(self.books[counter].settle_day());
                RequestOutcome::Answered(self.execute(counter, instruction))
            }
        };
        if outcome == lost_outcome() {
            let wait = if instruction.moves_money() { 10 } else { 5 };
            self.now += wait * SECOND;
        }
        let speaker = self.world.counters[counter].id.clone();
        self.handle(Input::Delivered { speaker, ticket, outcome });
    }

    fn later(&mut self, late: Late) {
        self.late.push(Belated { since: self.now, passed: 0, late });
    }

    fn release(&mut self, at: usize) {
        let Belated { late, .. } = self.late.remove(at);
        self.say(|| format!("late: {late:?}"));
        match late {
            Late::Arrives(counter, instruction) => {
                let reply = self.execute(counter, &instruction);
                self.unasked(counter, reply);
            }
            Late::Finishes(counter, order) => {
                let settled = self.books[counter].finish(order, self.now);
                self.settle(settled);
            }
            Late::Answer(counter, reply) => self.unasked(counter, reply),
        }
    }

    fn unasked(&mut self, counter: usize, reply: Reply) {
        let speaker = self.world.counters[counter].id.clone();
        self.handle(Input::Unasked { speaker, reply });
    }

    fn execute(&mut self, counter: usize, instruction: &Instruction) -> Reply {
        let settled = self.books[counter].execute(instruction, self.now);
        self.settle(settled)
    }

    fn settle(&mut self, settled: Settled) -> Reply {
        if let Some(line) = settled.line {
            self.keep(line);
        }
        settled.reply
    }

    fn keep(&mut self, line: Line) {
        self.say(|| format!("BOOKS of {}: {:?} {:?}", line.counter, line.kind, line.serial));
        if let Some(entry) = entry(&line) {
            self.audit.line(&entry);
        }
        self.lines.push(line);
    }

    fn end(mut self) -> (String, Vec<Finding>, Vec<String>) {
        let views: Vec<View> = self.shard.views().collect();
        let mut open = BTreeSet::new();
        let mut end = "never recorded".to_owned();
        let records: Vec<_> = self.memory.all().collect();
        for record in records {
            let master = record.transfer.master.to_string();
            match (record.outcome, views.first()) {
                (Some(outcome), None) => {
                    outcome.state.as_str().clone_into(&mut end);
                    // Whoever asks again is told this.
                    self.tell(&outcome.answer_body);
                }
                (None, Some(view)) => {
                    let phase = view.transfer.phase;
                    end = format!("{phase:?}");
                    open.insert(master.clone());
                    if !self.justified(&view.transfer) {
                        self.audit.find(&master, format!("nothing justifies {phase:?}"));
                    }
                }
                (Some(_), Some(_)) => self.audit.find(&master, "final and open".to_owned()),
                (None, None) => self.audit.find(&master, "open, and nobody owns it".to_owned()),
            }
        }
        self.audit.end(&open);
        (end, self.audit.findings().to_vec(), self.text.unwrap_or_default())
    }

    fn justified(&self, transfer: &Transfer) -> bool {
        let Phase::Parked(why) = transfer.phase else { return false };
        match why {
            ParkReason::CannotReverse => !self.world.counters[0].profile.can_reverse,
            ParkReason::SettleDayPassed => self.cut_over,
            // What was refused and ran later must be known.
            ParkReason::ReversalRefused => {
                let undone = self.lines.iter().any(|line| line.kind == Kind::Reversal);
                let known = transfer.reversal.knowledge == Knowledge::Done;
                let mut refused = self.lines.iter().filter(|line| line.kind == Kind::Refused);
                (!undone || known) && refused.any(|line| line.original.is_some())
            }
            ParkReason::DebitUnresolved
            | ParkReason::CreditUnresolved
            | ParkReason::ReversalUnresolved
            | ParkReason::Contradicted
            | ParkReason::OtherMark
            | ParkReason::KnownBefore
            | ParkReason::CreditWithoutDebit
            | ParkReason::Illegal
            | ParkReason::Panicked
            | ParkReason::Unbalanced => false,
        }
    }
}

fn lost_outcome() -> RequestOutcome {
    RequestOutcome::Unknown(Unclear::TimedOut)
}

fn config() -> Config {
    // Long pauses: a question asked again in the same situation is the same story told longer.
    Config { shards: 1, patience: 9, first_pause: Duration::from_secs(2), ..Config::default() }
}

fn render(view: &View) -> Rendered {
    let body = format!("{} {}", view.transfer.intent.master, view.transfer.state());
    Rendered { status: 201, body: body.into_bytes().into() }
}

fn counter_id(name: &str) -> CounterId {
    CounterId::new(name).unwrap_or_else(|error| unreachable!("{error}"))
}

fn account() -> AccountId {
    AccountId::new("6001").unwrap_or_else(|error| unreachable!("{error}"))
}
