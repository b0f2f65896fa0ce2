//! What one schedule is made of: counters, orders, and what goes wrong when. All of it follows from
//! the seed, the number of transfers and the classes of faults that are allowed.

use crate::clock::{BEGINNING, MS, Micros, SECOND};
use coordinator::Config;
use domain::message::{AccountId, AnswerCode};
use domain::money::{Amount, Currency};
use domain::profile::Profile;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use simulator::books::{AccountSetting, Rules};
use simulator::faults::{Action, Occasion, Rule};
use std::fmt;
use std::time::Duration;
use wire::codec::{Dialect, Encoding, FuturesOptions};

/// Random numbers whose algorithm is fixed for ever by its name, so that a seed means the same
/// schedule after an upgrade.
pub type Random = Xoshiro256PlusPlus;

/// A kind of fault that a schedule may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The bridge dies, at any journal boundary.
    Crash,
    /// Connections are cut at any byte, go silent one way, or cannot be made.
    Network,
    /// Counters answer late, twice, never, half, or with nonsense.
    Answers,
    /// Counters say "processing", or let a request lie around.
    Slowness,
    /// Counters refuse.
    Refusals,
    /// Counters say that they refused what they did.
    Lies,
    /// Counters restart, freeze, or forget their sessions.
    Restarts,
    /// The database is slow, fails, or loses its answers.
    Database,
    /// The settle day changes.
    CutOver,
    /// Counters that can do less.
    WeakProfiles,
    /// The wall clock of the bridge's machine is stepped, ahead or back, by seconds or by hours.
    Clocks,
    /// The bridge's whole process stands still for a while.
    Freezes,
    /// Several connections to one counter: what goes out on one may overtake another's.
    Connections,
    /// Answer codes that the profile does not list, for what was posted and for what was refused.
    OddCodes,
    /// Persons decide how transfers end, some of them by chance and while copies are on their way.
    Decisions,
    /// The in-flight limit that a counter states is no longer than a request may really lie there:
    /// what holds it up on the way to the counter is not part of it. Most of them cannot fence.
    TightLimits,
    /// The bridge's socket to a counter takes no byte, again and again.
    Stalls,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 17] = [
        Class::Crash,
        Class::Network,
        Class::Answers,
        Class::Slowness,
        Class::Refusals,
        Class::Lies,
        Class::Restarts,
        Class::Database,
        Class::CutOver,
        Class::WeakProfiles,
        Class::Clocks,
        Class::Freezes,
        Class::Connections,
        Class::OddCodes,
        Class::Decisions,
        Class::TightLimits,
        Class::Stalls,
    ];

    /// Those that are drawn from the seed itself. The others are drawn from numbers of their own, so
    /// that without them a seed is the schedule that it was before there were any.
    const FIRST: usize = 10;

    /// The word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Crash => "crash",
            Class::Network => "network",
            Class::Answers => "answers",
            Class::Slowness => "slowness",
            Class::Refusals => "refusals",
            Class::Lies => "lies",
            Class::Restarts => "restarts",
            Class::Database => "database",
            Class::CutOver => "cut-over",
            Class::WeakProfiles => "weak-profiles",
            Class::Clocks => "clocks",
            Class::Freezes => "freezes",
            Class::Connections => "connections",
            Class::OddCodes => "odd-codes",
            Class::Decisions => "decisions",
            Class::TightLimits => "tight-limits",
            Class::Stalls => "stalls",
        }
    }
}

impl Class {
    /// In how many schedules it may occur.
    const fn share(self) -> f64 {
        match self {
            Class::Lies => 0.12,
            Class::WeakProfiles | Class::CutOver | Class::OddCodes | Class::Decisions => 0.3,
            Class::Crash
            | Class::Network
            | Class::Answers
            | Class::Slowness
            | Class::Refusals
            | Class::Restarts
            | Class::Database => 0.6,
            Class::Clocks
            | Class::Freezes
            | Class::Connections
            | Class::TightLimits
            | Class::Stalls => 0.4,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a schedule is asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Decides everything that the other fields leave open.
    pub seed: u64,
    /// How many transfers are ordered; `None` lets the seed decide.
    pub transfers: Option<usize>,
    /// Which classes of faults may occur.
    pub classes: Vec<Class>,
}

impl Request {
    /// The schedule of a seed, with all that may go wrong.
    pub fn of(seed: u64) -> Request {
        Request { seed, transfers: None, classes: Class::ALL.to_vec() }
    }
}

/// A schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The classes of faults that occur.
    pub classes: Vec<Class>,
    /// The counters.
    pub counters: Vec<CounterPlan>,
    /// What is ordered.
    pub orders: Vec<Order>,
    /// How patient the bridge is.
    pub config: Config,
    /// What goes wrong, in the order of time.
    pub mishaps: Vec<(Micros, Mishap)>,
    /// When nothing goes wrong any more.
    pub heals_at: Micros,
    /// One in so many journal boundaries kills the bridge, before healing; 0 = none does.
    pub crash_one_in: u32,
    /// How often it may die.
    pub crashes: u32,
    /// Delays of the network and of the journal, at most.
    pub latency: Micros,
    /// The same for a commit.
    pub commit: Micros,
}

/// One counter.
#[derive(Clone, Debug)]
pub struct CounterPlan {
    /// What its books go by.
    pub rules: Rules,
    /// Its accounts and what is in each.
    pub accounts: Vec<(AccountId, i64)>,
    /// What it speaks.
    pub dialect: Dialect,
    /// What goes wrong with its answers until all heals.
    pub faults: Vec<Rule>,
    /// A new settle day after so many postings.
    pub cut_over_after: Option<u64>,
    /// How many connections the bridge makes to it.
    pub connections: usize,
    /// The share of postings' answers whose code is replaced by one that no profile lists.
    pub odd_codes: f64,
}

/// What a caller wants.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its idempotency key.
    pub key: String,
    /// Index of the source counter, and the account there.
    pub from: (usize, AccountId),
    /// Index of the destination counter, and the account there.
    pub to: (usize, AccountId),
    /// Minor units; no two orders of a schedule have the same, so that the books alone tell which
    /// order a posting is for.
    pub amount: Amount,
    /// When it is asked for the first time.
    pub at: Micros,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The bridge is killed; it comes back after this.
    Crash(Micros),
    /// The connection to this counter is cut. What is on its way arrives up to some byte.
    Cut(usize),
    /// The same, and the bridge does not learn of it.
    CutUnseen(usize),
    /// Nothing that the bridge sends arrives for so long.
    DeafCounter(usize, Micros),
    /// Nothing that the counter sends arrives for so long.
    DumbCounter(usize, Micros),
    /// The bridge's own socket to the counter takes no byte for so long.
    Stalled(usize, Micros),
    /// No connection can be made for so long.
    Unreachable(usize, Micros),
    /// The counter's process stands still for so long.
    Freeze(usize, Micros),
    /// The counter's process dies and comes back after so long, with its books.
    Restart(usize, Micros),
    /// The counter forgets its sessions.
    ForgetSessions(usize),
    /// The database cannot be written for so long.
    DatabaseDown(Micros),
    /// The next commit's answer is lost; it is tried again after so long.
    CommitUnclear(Micros),
    /// Commits take this long for a while.
    DatabaseSlow(Micros),
    /// A person hands whatever waits for one back to the rules.
    Resume,
    /// A person ends what waits for one, by chance and not by the books.
    Decide,
    /// The wall clock of the bridge's machine is stepped by so much.
    ClockStep(Micros),
    /// The bridge's process stands still for so long.
    FreezeBridge(Micros),
}

impl Plan {
    /// The schedule that was asked for.
    pub fn of(request: &Request) -> Plan {
        let mut random = Random::seed_from_u64(request.seed);
        let mut later = Random::seed_from_u64(request.seed ^ 0x1a7e_0000_1a7e);
        // Swarm testing: leaving whole classes out lets the others go further.
        let occurs = |random: &mut Random, class: Class| {
            random.random_bool(class.share()) && request.classes.contains(&class)
        };
        let (first, others) = Class::ALL.split_at(Class::FIRST);
        let mut classes: Vec<Class> = Vec::new();
        classes.extend(first.iter().filter(|class| occurs(&mut random, **class)));
        classes.extend(others.iter().filter(|class| occurs(&mut later, **class)));
        let count = random.random_range(1..=24);
        let count = request.transfers.unwrap_or(count);
        let has = |class| classes.contains(&class);

        let names = ["securities", "futures", "securities-2"];
        let number = if random.random_bool(0.3) { 3 } else { 2 };
        let mut counters = names[..number]
            .iter()
            .map(|name| counter(&mut random, name, &classes, count))
            .collect::<Vec<_>>();
        for counter in &mut counters {
            later_faults(&mut later, &classes, counter);
        }
        let span = random.random_range(2..=40) * SECOND;
        let orders = orders(&mut random, &counters, count, span);
        let safety = span + random.random_range(5..=90) * SECOND;
        let mut mishaps = mishaps(&mut random, &classes, counters.len(), safety);
        mishaps.extend(later_mishaps(&mut later, &classes, counters.len(), safety));
        mishaps.sort_by_key(|(at, _)| *at);
        let config = Config {
            shards: random.random_range(1..=3),
            transfer_deadline: Duration::from_secs(random.random_range(5..=60)),
            posting_deadline: Duration::from_secs(random.random_range(2..=10)),
            query_deadline: Duration::from_secs(random.random_range(1..=5)),
            patience: random.random_range(2..=20),
            first_pause: Duration::from_millis(random.random_range(50..=400)),
            longest_pause: Duration::from_secs(random.random_range(2..=30)),
            parked_pause: Duration::from_secs(random.random_range(10..=60)),
            most_callers: 1024,
            most_open: 100_000,
            serial_block: random.random_range(1..=20),
        };
        Plan {
            orders,
            config,
            mishaps,
            heals_at: BEGINNING + safety,
            crash_one_in: if has(Class::Crash) { random.random_range(8..=120) } else { 0 },
            crashes: random.random_range(1..=6),
            latency: *[MS / 5, MS, 20 * MS, 200 * MS].get(random.random_range(0..4)).unwrap_or(&MS),
            commit: *[MS / 2, 4 * MS, 60 * MS].get(random.random_range(0..3)).unwrap_or(&MS),
            classes,
            counters,
        }
    }

    /// Whether a class of faults occurs.
    pub fn has(&self, class: Class) -> bool {
        self.classes.contains(&class)
    }
}

fn counter(random: &mut Random, name: &str, classes: &[Class], orders: usize) -> CounterPlan {
    let has = |class| classes.contains(&class);
    let mut profile = Profile::default();
    if has(Class::WeakProfiles) {
        profile.dedupes = random.random_bool(0.5);
        profile.refusals_stick = random.random_bool(0.5);
        profile.can_fence = random.random_bool(0.6);
        profile.can_reverse = random.random_bool(0.8);
        profile.can_query_reversals = random.random_bool(0.6);
    }
    // All that may hold a request up, together: what the counter promises must be true.
    profile.in_flight_limit_ms = 120_000;
    profile.max_in_flight = *[1, 2, 8, 256].get(random.random_range(0..4)).unwrap_or(&256);
    let dialect = if name.starts_with("securities") {
        Dialect::Securities
    } else {
        let encoding = if random.random_bool(0.5) { Encoding::Utf8 } else { Encoding::Gb18030 };
        Dialect::Futures(FuturesOptions {
            encoding,
            amount_unit: profile.amount_unit,
            utc_offset_minutes: 480,
        })
    };
    let accounts: Vec<(AccountId, i64)> = (0..4)
        .filter_map(|number| Some((AccountId::new(&format!("600{number}")).ok()?, 20_000)))
        .collect();
    let settings = if has(Class::Refusals) {
        let setting = |id: &AccountId, frozen, held| AccountSetting {
            id: id.clone(),
            frozen,
            held,
            limit: None,
            currency: None,
        };
        // One that may not be posted to, one that runs dry soon.
        vec![setting(&accounts[0].0, true, 0), setting(&accounts[1].0, false, 18_000)]
    } else {
        Vec::new()
    };
    let postings = u64::try_from(orders).unwrap_or(u64::MAX).saturating_mul(3);
    CounterPlan {
        rules: Rules {
            counter: domain::message::CounterId::new(name)
                .unwrap_or_else(|error| unreachable!("{error}")),
            profile,
            currency: Currency::CNY,
            settings,
            open: true,
        },
        accounts,
        dialect,
        faults: faults(random, classes),
        // Fewer days than a serial can be asked about for.
        cut_over_after: has(Class::CutOver)
            .then(|| random.random_range(postings.div_ceil(5).max(2)..=postings.max(3))),
        connections: 1,
        odd_codes: 0.0,
    }
}

fn faults(random: &mut Random, classes: &[Class]) -> Vec<Rule> {
    const MOVES: [Occasion; 3] = [Occasion::Debit, Occasion::Credit, Occasion::Reversal];
    const ASKS: [Occasion; 2] = [Occasion::Query, Occasion::Fence];
    let mut rules = Vec::new();
    let mut add = |random: &mut Random, on: &[Occasion], action: Action, most: f64| {
        rules.push(Rule {
            on: on.to_vec(),
            account: None,
            amount: None,
            skip: random.random_range(0..3),
            every: 1,
            probability: Some(random.random_range(0.0..most)),
            times: None,
            action,
        });
    };
    let both: Vec<Occasion> = MOVES.into_iter().chain(ASKS).collect();
    for class in classes {
        match class {
            Class::Answers => {
                let late = random.random_range(500..15_000);
                for action in [
                    Action::Drop,
                    Action::NoAnswer,
                    Action::LateMs(late),
                    Action::Twice,
                    Action::Garbage,
                    Action::HalfWrite,
                    Action::CloseBefore,
                    Action::CloseAfter,
                ] {
                    add(random, &both, action, 0.12);
                }
                let freeze = random.random_range(100..9_000);
                add(random, &[Occasion::Heartbeat], Action::FreezeMs(freeze), 0.05);
            }
            Class::Slowness => {
                let ms = random.random_range(200..20_000);
                add(random, &MOVES, Action::ProcessingMs(ms), 0.3);
                let ms = random.random_range(200..20_000);
                add(random, &MOVES, Action::OnItsWayMs(ms), 0.3);
            }
            Class::Refusals => {
                let code = *[AnswerCode::INSUFFICIENT_FUNDS, AnswerCode::CLOSED]
                    .get(random.random_range(0..2))
                    .unwrap_or(&AnswerCode::CLOSED);
                let on = MOVES[random.random_range(0..3)];
                add(random, &[on], Action::Refuse(code), 0.4);
            }
            Class::Lies => add(random, &MOVES, Action::Contradict, 0.2),
            Class::Crash
            | Class::Network
            | Class::Restarts
            | Class::Database
            | Class::CutOver
            | Class::WeakProfiles
            | Class::Clocks
            | Class::Freezes
            | Class::Connections
            | Class::OddCodes
            | Class::Decisions
            | Class::TightLimits
            | Class::Stalls => {}
        }
    }
    rules.shuffle(random);
    rules
}

fn orders(random: &mut Random, counters: &[CounterPlan], count: usize, span: Micros) -> Vec<Order> {
    (0..count)
        .map(|index| {
            let from = random.random_range(0..counters.len());
            let to = (from + random.random_range(1..counters.len())) % counters.len();
            let account = |random: &mut Random, counter: usize| {
                let accounts = &counters[counter].accounts;
                (counter, accounts[random.random_range(0..accounts.len())].0.clone())
            };
            let minor = 1_000 + i64::try_from(index).unwrap_or(0);
            Order {
                key: format!("order-{index}"),
                from: account(random, from),
                to: account(random, to),
                amount: Amount::new(minor).unwrap_or(Amount::MAX),
                at: BEGINNING + random.random_range(0..span),
            }
        })
        .collect()
}

fn mishaps(
    random: &mut Random,
    classes: &[Class],
    counters: usize,
    safety: Micros,
) -> Vec<(Micros, Mishap)> {
    let mut all = Vec::new();
    for class in classes.iter().filter(|class| Class::ALL[..Class::FIRST].contains(class)) {
        let number = random.random_range(1..=6);
        for _ in 0..number {
            let at = BEGINNING + random.random_range(0..safety);
            let counter = random.random_range(0..counters);
            let hang = random.random_range(MS..15 * SECOND);
            let mishap = match class {
                Class::Crash => Mishap::Crash(random.random_range(10 * MS..20 * SECOND)),
                Class::Network => match random.random_range(0..7) {
                    0 | 1 => Mishap::Cut(counter),
                    5 => Mishap::Stalled(counter, hang),
                    2 => Mishap::CutUnseen(counter),
                    3 => Mishap::DeafCounter(counter, hang),
                    4 => Mishap::DumbCounter(counter, hang),
                    _ => Mishap::Unreachable(counter, hang),
                },
                Class::Restarts => match random.random_range(0..3) {
                    0 => Mishap::Freeze(counter, hang),
                    1 => Mishap::Restart(counter, hang),
                    _ => Mishap::ForgetSessions(counter),
                },
                Class::Database => match random.random_range(0..3) {
                    0 => Mishap::DatabaseDown(random.random_range(10 * MS..30 * SECOND)),
                    1 => Mishap::CommitUnclear(random.random_range(10 * MS..10 * SECOND)),
                    _ => Mishap::DatabaseSlow(random.random_range(50 * MS..4 * SECOND)),
                },
                Class::Answers | Class::Slowness | Class::Refusals | Class::Lies => Mishap::Resume,
                Class::CutOver
                | Class::WeakProfiles
                | Class::Clocks
                | Class::Freezes
                | Class::Connections
                | Class::OddCodes
                | Class::Decisions
                | Class::TightLimits
                | Class::Stalls => continue,
            };
            all.push((at, mishap));
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

/// What the later classes change of a counter.
fn later_faults(random: &mut Random, classes: &[Class], counter: &mut CounterPlan) {
    if classes.contains(&Class::Connections) {
        counter.connections = random.random_range(1..=3);
    }
    // A process that stands still holds a request up for longer than its own rules say.
    if classes.contains(&Class::TightLimits) && !classes.contains(&Class::Restarts) {
        let often = Rule {
            on: vec![Occasion::Debit, Occasion::Credit],
            account: None,
            amount: None,
            skip: 0,
            every: 1,
            probability: Some(random.random_range(0.0..0.7)),
            times: None,
            action: Action::OnItsWayMs(random.random_range(5_000..25_000)),
        };
        counter.faults.insert(0, often);
        let lies_for = counter.faults.iter().map(|rule| match rule.action {
            Action::ProcessingMs(ms) | Action::OnItsWayMs(ms) => ms,
            _ => 0,
        });
        counter.rules.profile.in_flight_limit_ms = lies_for.max().unwrap_or(0) + 1_000;
        // Only then it matters.
        counter.rules.profile.can_fence = random.random_bool(0.2);
    }
    if classes.contains(&Class::OddCodes) {
        counter.odd_codes = random.random_range(0.0..0.3);
        counter.faults.push(Rule {
            on: vec![Occasion::Debit, Occasion::Credit],
            account: None,
            amount: None,
            skip: 0,
            every: 1,
            probability: Some(random.random_range(0.0..0.1)),
            times: None,
            action: Action::Refuse(odd_code(random)),
        });
    }
}

/// A code that no profile lists, though its family may look like an answer.
pub fn odd_code(random: &mut Random) -> AnswerCode {
    let code = [199, 202, 299, 399, 502, 600, 777, 999][random.random_range(0..8)];
    AnswerCode::new(code).unwrap_or(AnswerCode::OUTCOME_UNKNOWN)
}

fn later_mishaps(
    random: &mut Random,
    classes: &[Class],
    counters: usize,
    safety: Micros,
) -> Vec<(Micros, Mishap)> {
    const MINUTE: Micros = 60 * SECOND;
    let mut all = Vec::new();
    if classes.contains(&Class::Clocks) {
        for _ in 0..random.random_range(1..=6) {
            let step = match random.random_range(0..3) {
                0 => random.random_range(MS..30 * SECOND),
                1 => random.random_range(MINUTE..10 * MINUTE),
                _ => random.random_range(60 * MINUTE..12 * 60 * MINUTE),
            };
            let step = if random.random_bool(0.5) { step } else { -step };
            let at = BEGINNING + random.random_range(0..safety);
            all.push((at, Mishap::ClockStep(step)));
        }
    }
    if classes.contains(&Class::TightLimits) {
        // What was sent is held up, for longer than its connection lives or not.
        for _ in 0..random.random_range(1..=5) {
            let at = BEGINNING + random.random_range(0..safety);
            let counter = random.random_range(0..counters);
            let most = if random.random_bool(0.5) { 40 } else { 12 };
            let hang = random.random_range(2 * SECOND..most * SECOND);
            all.push((at, Mishap::DeafCounter(counter, hang)));
            if random.random_bool(0.5) {
                all.push((at + random.random_range(0..hang), Mishap::Cut(counter)));
            }
        }
    }
    if classes.contains(&Class::Stalls) {
        for _ in 0..random.random_range(2..=10) {
            let at = BEGINNING + random.random_range(0..safety);
            let counter = random.random_range(0..counters);
            let hang = random.random_range(2 * SECOND..15 * SECOND);
            all.push((at, Mishap::Stalled(counter, hang)));
        }
    }
    if classes.contains(&Class::Decisions) {
        for _ in 0..random.random_range(0..=4) {
            all.push((BEGINNING + random.random_range(0..safety), Mishap::Decide));
        }
    }
    if classes.contains(&Class::Freezes) {
        for _ in 0..random.random_range(1..=4) {
            let at = BEGINNING + random.random_range(0..safety);
            all.push((at, Mishap::FreezeBridge(random.random_range(100 * MS..60 * SECOND))));
        }
    }
    all
}
