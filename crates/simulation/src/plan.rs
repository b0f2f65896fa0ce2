//! What one schedule is made of: counters, orders, and what goes wrong when. All of it follows from
//! the seed, the number of transfers and the classes of faults that are allowed.

use crate::class::Class;
use crate::clock::{BEGINNING, MS, Micros, SECOND};
use crate::liar::Lying;
use crate::mishaps::Mishap;
use crate::parts::{CounterPlan, Order};
use crate::random::Random;
use crate::{faults, mishaps};
use coordinator::Config;
use domain::message::AccountId;
use domain::money::{Amount, Currency};
use domain::profile::Profile;
use link::Timers;
use rand::{RngExt, SeedableRng};
use simulator::books::{AccountSetting, Rules};
use std::time::Duration;
use wire::dialect::{Dialect, Encoding, XmlOptions};

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

/// What does not occur together with restored records.
const NOT_WITH_RESTORED: [Class; 3] = [Class::Lies, Class::Decisions, Class::Liar];

/// The longest pause between two attempts to connect.
const LONGEST_BACK_OFF: Duration = Duration::from_mins(1);

/// A schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The classes of faults that occur.
    pub classes: Vec<Class>,
    /// The counters.
    pub counters: Vec<CounterPlan>,
    /// Which of them lies.
    pub liar: Option<usize>,
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

impl Plan {
    /// The schedule that was asked for.
    pub fn of(request: &Request) -> Plan {
        let mut random = Random::seed_from_u64(request.seed);
        let mut later = Random::seed_from_u64(request.seed ^ 0x1a7e_0000_1a7e);
        let mut latest = Random::seed_from_u64(request.seed ^ 0x1a57_0000_1a57);
        let mut newest = Random::seed_from_u64(request.seed ^ 0x2e57_0000_2e57);
        let mut fifth = Random::seed_from_u64(request.seed ^ 0xf1f7_0000_f1f7);
        let generators = [&mut random, &mut later, &mut latest, &mut newest, &mut fifth];
        let classes = classes_that_occur(request, generators);
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
            faults::later_faults(&mut later, &classes, counter);
        }
        let span = random.random_range(2..=40) * SECOND;
        let orders = orders(&mut random, &counters, count, span);
        let safety = span + random.random_range(5..=90) * SECOND;
        let mut mishaps = mishaps::mishaps(&mut random, &classes, counters.len(), safety);
        mishaps.extend(mishaps::later_mishaps(&mut later, &classes, counters.len(), safety));
        let mut config = configuration(&mut random);
        // A process that stands still holds a request up for longer than its own rules say.
        if has(Class::Queues) && !has(Class::Restarts) {
            faults::queues(&mut latest, &mut counters, &mut config);
            mishaps.extend(mishaps::queues(&mut latest, &orders));
        }
        if has(Class::Copies) {
            faults::copies(&mut latest, &mut counters, &mut config);
        }
        let mut orders = orders;
        let mut liar = None;
        if has(Class::Liar) {
            liar = Some(counters.len());
            counters.push(a_liar(&mut newest, count));
            if newest.random_bool(0.5) {
                take_part(&mut newest, &counters, &mut orders);
            }
        }
        if has(Class::InProcess) {
            counters.push(in_process_counter(&mut fifth, count));
            take_part(&mut fifth, &counters, &mut orders);
        }
        if has(Class::Restored) {
            faults::restored(&mut newest, &mut counters, count);
            mishaps.extend(mishaps::restored(&mut newest, &orders, safety));
            if newest.random_bool(0.6) {
                make_twins(&mut newest, &mut orders);
            }
        }
        mishaps.sort_by_key(|(at, _)| *at);
        Plan {
            liar,
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

    /// So long after healing everything has ended by itself, or is with a person. For each leg: as many
    /// rounds as there is patience for, each with its answer and its pause; new sessions with every
    /// channel, one after another, and then the in-flight limit. Before all that a connection is made
    /// anew, and the transfer's own deadline passes.
    pub fn time_to_end(&self) -> Micros {
        const LEGS: u32 = 3;
        let Config { patience, posting_deadline, query_deadline, longest_pause, .. } = self.config;
        let rounds =
            (posting_deadline + query_deadline + longest_pause) * (u32::from(patience) + 1);
        let timers = Timers::default();
        let session = timers.renewal + timers.drain + timers.sign_off + LONGEST_BACK_OFF;
        let proof = self.counters.iter().map(|counter| {
            let limit = Duration::from_millis(counter.rules.profile.in_flight_limit_ms);
            session * u32::from(counter.connections) + limit
        });
        let leg = rounds + proof.max().unwrap_or_default();
        let all = LONGEST_BACK_OFF + self.config.transfer_deadline + leg * LEGS;
        Micros::try_from(all.as_micros()).unwrap_or(Micros::MAX)
    }

    /// Whether a class of faults occurs.
    pub fn has(&self, class: Class) -> bool {
        self.classes.contains(&class)
    }
}

/// The classes of faults that occur, those of each age by a generator of their own: what was added later leaves
/// the schedules of before as they were.
fn classes_that_occur(request: &Request, generators: [&mut Random; 5]) -> Vec<Class> {
    let (earlier, in_process) = Class::ALL.split_at(Class::FOURTH);
    let (earlier, youngest) = earlier.split_at(Class::THIRD);
    let (earlier, last) = earlier.split_at(Class::SECOND);
    let (first, others) = earlier.split_at(Class::FIRST);
    let mut classes: Vec<Class> = Vec::new();
    // Swarm testing: leaving whole classes out lets the others go further.
    for (of_an_age, random) in
        [first, others, last, youngest, in_process].into_iter().zip(generators)
    {
        let occur = of_an_age
            .iter()
            .filter(|class| random.random_bool(class.share()) && request.classes.contains(class));
        classes.extend(occur);
    }
    if classes.contains(&Class::Restored) {
        // What persons decided past the books, and what nobody said truly, cannot be judged any
        // more once nobody knows of it.
        classes.retain(|class| !NOT_WITH_RESTORED.contains(class));
    }
    classes
}

/// In how many shards the bridge works, how patient it is, and how many serials it leases.
fn configuration(random: &mut Random) -> Config {
    Config {
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
        ..Config::default()
    }
}

/// One more counter, which lies.
fn a_liar(random: &mut Random, orders: usize) -> CounterPlan {
    let name = if random.random_bool(0.5) { "securities-liar" } else { "liar" };
    let mut liar = counter(random, name, &[], orders);
    liar.rules.profile.echoes_marks = random.random_bool(0.7);
    liar.rules.profile.refusals_stick = random.random_bool(0.7);
    liar.connections = random.random_range(1..=2);
    liar.lying = Some(Lying::draw(random));
    liar
}

/// One more counter, which has no connection and does what it is asked.
fn in_process_counter(random: &mut Random, orders: usize) -> CounterPlan {
    let mut ledger = counter(random, "ledger", &[], orders);
    ledger.faults.clear();
    ledger.connections = 0;
    ledger.in_process = true;
    ledger
}

/// Some orders lead from the last counter, or to it.
fn take_part(random: &mut Random, counters: &[CounterPlan], orders: &mut [Order]) {
    let last = counters.len() - 1;
    for order in orders {
        let account = random.random_range(0..counters[last].accounts.len());
        let place = (last, counters[last].accounts[account].0.clone());
        match random.random_range(0..6) {
            0 => order.from = place,
            1 => order.to = place,
            _ => {}
        }
    }
}

/// Orders that look alike: what one of them moved could be taken for another's.
fn make_twins(random: &mut Random, orders: &mut [Order]) {
    let Some(first) = orders.first().cloned() else { return };
    for order in orders {
        if random.random_bool(0.8) {
            (order.from, order.to) = (first.from.clone(), first.to.clone());
            order.amount = first.amount;
        }
    }
}

fn counter(random: &mut Random, name: &str, classes: &[Class], orders: usize) -> CounterPlan {
    let has = |class| classes.contains(&class);
    let mut profile = Profile { echoes_marks: true, ..Profile::default() };
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
        Dialect::Futures(XmlOptions {
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
            tells_highest_serial: true,
        },
        accounts,
        dialect,
        faults: faults::faults(random, classes),
        // Fewer days than a serial can be asked about for.
        cut_over_after: has(Class::CutOver)
            .then(|| random.random_range(faults::shortest_day(orders)..=postings.max(3))),
        connections: 1,
        odd_codes: 0.0,
        lying: None,
        in_process: false,
    }
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
