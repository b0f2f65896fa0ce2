//! Everything at once: callers that never rest, unreliable counters, a clock that jumps, and kills of
//! every program in random order. What a seed decides is who is killed, when, and what is ordered; how the machine
//! runs the programs in between it cannot, so a seed makes a failure likely again, not certain.

use crate::audit::{State, Told};
use crate::auditor::{self, Statements};
use crate::away::{Away, Way};
use crate::caller::{Caller, Order};
use crate::database::Database;
use crate::mariadb::MariaDb;
use crate::town::{Faults, NOBODY, POOR, Town};
use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use supervise::say_if_heard;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// What goes wrong at the securities counter while nobody is killed.
pub const SECURITIES: &str = "
    [[rule]]
    on = ['debit', 'reversal']
    probability = 0.1
    do = 'no_answer'
    [[rule]]
    on = ['debit', 'reversal']
    probability = 0.1
    do = 'close_after'
    [[rule]]
    on = ['debit', 'query', 'fence']
    probability = 0.1
    do = 'drop'
    ";

/// What goes wrong at the futures counter.
pub const FUTURES: &str = "
    [[rule]]
    on = ['credit']
    probability = 0.1
    do = 'half_write'
    [[rule]]
    on = ['credit']
    probability = 0.1
    do = { processing_ms = 200 }
    [[rule]]
    on = ['credit']
    probability = 0.1
    do = { on_its_way_ms = 300 }
    [[rule]]
    on = ['query', 'fence']
    probability = 0.1
    do = 'garbage'
    ";

/// A bridge that asks again soon, so that what a kill left behind is ended before the next rest.
const BRISK: &str = "posting_deadline_ms = 1000\nquery_deadline_ms = 500\nfirst_pause_ms = 50\n\
                     longest_pause_ms = 1000";

/// Longer than anything stays on its way (300 ms) behind a counter's back.
const SETTLED_AFTER: Duration = Duration::from_millis(600);

/// Callers at once; each has one order running.
const CALLERS: u64 = 12;

/// Cycles between two rests, in which everything is ended and the money is counted.
const CYCLES_A_REST: u32 = 50;

/// Where the record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// In a file.
    Sqlite,
    /// On a server that is killed like everything else.
    MariaDb,
}

/// The share of cycles in which a link is cut instead.
const CUTS: f64 = 0.0625;

/// The share of cycles in which the bridge's clock is stepped instead.
const STEPS: f64 = 0.125;

/// Of those, the share in which it is set right.
const SET_RIGHT: f64 = 0.4;

/// One day, in seconds.
const DAY_S: i64 = 86_400;

/// Lines of the bridge's log that a failure shows.
const LINES_OF_LOG: usize = 200;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Where the record is.
    pub record: Record,
    /// How many cycles. A cycle waits for a moment, kills one program, or two at once, waits for
    /// another moment, starts them again, and is over when they say that they are ready. Sometimes a
    /// program is stopped (SIGSTOP) and let go on instead, or the link to a counter is cut one way
    /// or both and mended, or the bridge's clock is stepped, and stays so over the next cycles.
    pub cycles: u32,
    /// What is drawn from.
    pub seed: u64,
}

/// Who was hit how often, and what came of the orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Kills and stops, by program.
    pub hits: BTreeMap<&'static str, u32>,
    /// Transfers, by their end.
    pub endings: BTreeMap<&'static str, u64>,
    /// How often the bridge's clock was stepped: ahead, back, and by a day or more of those.
    pub steps: [u32; 3],
    /// How often a caller was turned away because its clock and the bridge's differed.
    pub turned_away: u64,
    /// How often the money was counted, by both audits.
    pub audits: u32,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |of: Vec<String>| of.join(", ");
        let hits = self.hits.iter().map(|(who, times)| format!("{who} {times}")).collect();
        let endings = self.endings.iter().map(|(how, times)| format!("{how} {times}")).collect();
        let Tally { steps: [ahead, back, days], turned_away, audits, .. } = self;
        write!(
            f,
            "hit: {}; clock steps: {ahead} ahead, {back} back, {days} of them by a day or more, \
             {turned_away} requests turned away for the time; transfers: {}; audits: {audits}, clean",
            told(hits),
            told(endings)
        )
    }
}

/// A program that may be hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Bridge,
    Securities,
    Futures,
    Database,
}

impl Victim {
    const fn as_str(self) -> &'static str {
        match self {
            Victim::Bridge => "bridge",
            Victim::Securities => "securities counter",
            Victim::Futures => "futures counter",
            Victim::Database => "MariaDB",
        }
    }
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    /// SIGKILL, and a start.
    Kill,
    /// SIGSTOP, and SIGCONT.
    Freeze,
}

/// Runs so many cycles; an error as soon as a transfer does not end, or money is not where it has
/// to be.
pub async fn run(options: Options) -> Result<Tally> {
    let Options { record, cycles, seed } = options;
    let said = || format!("{record:?}, seed {seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().context("no folder for the database")?;
    let mut server = match record {
        Record::Sqlite => None,
        Record::MariaDb => Some(MariaDb::start(folder.path()).await?),
    };
    let database = match &server {
        None => Database::file(&folder.path().join("bridge.sqlite")),
        Some(server) => Database::on_own_server(&server.url()).await?,
    };
    let away = Away::is_possible();
    if !away {
        say_if_heard!("LEFT OUT: no link is cut; a network of its own can be made by root only");
    }
    let faults = Faults {
        securities: SECURITIES,
        futures: FUTURES,
        seed,
        coordinator: BRISK,
        away,
        clock: true,
        in_flight_limit_ms: None,
        silent: false,
        states_all_accounts: false,
        day: None,
    };
    let mut town = Town::start_on(database, faults).await.with_context(said)?;
    let mut tally = Tally::default();
    let numbers = Arc::new(AtomicU64::new(0));
    let mut left = cycles;
    while left > 0 {
        let now = left.min(CYCLES_A_REST);
        left -= now;
        let load = Load::start(&town, seed, &numbers);
        let mut blows = Ok(());
        for _ in 0..now {
            blows = cycle(&mut town, server.as_mut(), &mut chance, &mut tally).await;
            if blows.is_err() {
                break;
            }
        }
        if blows.is_ok() {
            blows = set_right(&mut town, &mut tally).await;
        }
        let settled = load.stop().await;
        blows.with_context(said).with_context(|| tail(&town))?;
        settled.with_context(said).with_context(|| tail(&town))?;
        sleep(SETTLED_AFTER).await;
        count_money(&town).await.with_context(said).with_context(|| tail(&town))?;
        tally.audits += 1;
    }
    tally.turned_away = town.caller.turned_away();
    for told in town.caller.told().await? {
        ensure!(told.state.is_final(), "{}: not ended: {told:?}", said());
        *tally.endings.entry(word(told.state)).or_default() += 1;
    }
    Ok(tally)
}

/// The end of what the bridge wrote: a long chaos makes a long log.
fn tail(town: &Town) -> String {
    let log = town.bridge.log();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES_OF_LOG)..].join("\n")
}

const fn word(state: State) -> &'static str {
    match state {
        State::Completed => "completed",
        State::Refused => "refused",
        State::Reversed => "reversed",
        State::Accepted
        | State::Debiting
        | State::Crediting
        | State::Reversing
        | State::NeedsOperator => "open",
    }
}

/// By the harness's own audit, which shares nothing with the bridge, and by the program's.
async fn count_money(town: &Town) -> Result<()> {
    let findings = town.audit().await?;
    ensure!(findings.is_empty(), "{findings:?}");
    let books = Statements::Books(town.securities.books_file(), town.futures.books_file());
    auditor::audit(town, &books).await?.clean()
}

async fn cycle(
    town: &mut Town,
    mut server: Option<&mut MariaDb>,
    chance: &mut StdRng,
    tally: &mut Tally,
) -> Result<()> {
    let victims = if server.is_some() { 4 } else { 3 };
    let victim = |number: u32| match number {
        0 => Victim::Securities,
        1 => Victim::Futures,
        2 => Victim::Bridge,
        _ => Victim::Database,
    };
    let first = victim(chance.random_range(0..victims));
    let second = victim(chance.random_range(0..victims));
    let hit =
        if chance.random_bool(0.25) && second != first { vec![first, second] } else { vec![first] };
    let blow = if chance.random_bool(0.125) { Blow::Freeze } else { Blow::Kill };
    if town.away.is_some() && chance.random_bool(CUTS) {
        return cut(town, chance, tally).await;
    }
    if chance.random_bool(STEPS) {
        return step(town, chance, tally);
    }
    let before = Duration::from_millis(chance.random_range(0..400));
    let down = Duration::from_millis(chance.random_range(0..300));
    sleep(before).await;
    for victim in &hit {
        *tally.hits.entry(victim.as_str()).or_default() += 1;
        match (victim, blow) {
            (Victim::Bridge, Blow::Kill) => town.bridge.kill().await?,
            (Victim::Bridge, Blow::Freeze) => town.bridge.freeze()?,
            (Victim::Securities, Blow::Kill) => town.securities.kill().await?,
            (Victim::Securities, Blow::Freeze) => town.securities.freeze()?,
            (Victim::Futures, Blow::Kill) => town.futures.kill().await?,
            (Victim::Futures, Blow::Freeze) => town.futures.freeze()?,
            (Victim::Database, Blow::Kill) => own(&mut server)?.kill().await?,
            (Victim::Database, Blow::Freeze) => own(&mut server)?.freeze()?,
        }
    }
    sleep(down).await;
    // The database first: a bridge does not start without it.
    if hit.contains(&Victim::Database) {
        match blow {
            Blow::Kill => own(&mut server)?.restart().await?,
            Blow::Freeze => own(&mut server)?.thaw()?,
        }
    }
    for victim in &hit {
        match (victim, blow) {
            (Victim::Bridge, Blow::Kill) => town.bridge.restart().await?,
            (Victim::Bridge, Blow::Freeze) => town.bridge.thaw()?,
            (Victim::Securities, Blow::Kill) => town.securities.restart().await?,
            (Victim::Securities, Blow::Freeze) => town.securities.thaw()?,
            (Victim::Futures, Blow::Kill) => town.futures.restart().await?,
            (Victim::Futures, Blow::Freeze) => town.futures.thaw()?,
            (Victim::Database, _) => {}
        }
    }
    Ok(())
}

/// Cuts the link to the futures counter, one way or both, for as long as it takes to be given up or
/// not; meanwhile the bridge or the counter may stand still too.
async fn cut(town: &Town, chance: &mut StdRng, tally: &mut Tally) -> Result<()> {
    let away = town.away.as_ref().context("there is no link to be cut")?;
    let ways: &[Way] =
        [&[Way::There][..], &[Way::Back], &[Way::There, Way::Back]][chance.random_range(0..3)];
    let frozen = chance.random_bool(0.25);
    let down = Duration::from_millis(chance.random_range(100..4000));
    *tally.hits.entry("link of the futures counter").or_default() += 1;
    for way in ways {
        away.cut(*way)?;
    }
    if frozen {
        *tally.hits.entry(Victim::Bridge.as_str()).or_default() += 1;
        town.bridge.freeze()?;
    }
    sleep(down).await;
    for way in ways {
        away.mend(*way)?;
    }
    if frozen {
        town.bridge.thaw()?;
    }
    Ok(())
}

/// Steps the bridge's clock to the right time, or away from it by seconds, hours or days.
fn step(town: &Town, chance: &mut StdRng, tally: &mut Tally) -> Result<()> {
    let away = match chance.random_range(0..3) {
        0 => chance.random_range(1..60),
        1 => chance.random_range(60..DAY_S),
        _ => chance.random_range(DAY_S..=5 * DAY_S),
    };
    let ahead_s = if chance.random_bool(SET_RIGHT) {
        0
    } else if chance.random_bool(0.5) {
        away
    } else {
        -away
    };
    step_to(town, ahead_s, tally)
}

fn step_to(town: &Town, ahead_s: i64, tally: &mut Tally) -> Result<()> {
    let clock = town.clock.as_ref().context("there is no clock to be stepped")?;
    let by_s = ahead_s - clock.ahead_s();
    clock.step_to(ahead_s)?;
    let [ahead, back, days] = &mut tally.steps;
    *ahead += u32::from(by_s > 0);
    *back += u32::from(by_s < 0);
    *days += u32::from(by_s.abs() >= DAY_S);
    Ok(())
}

/// Before the money is counted the clock is right again. The bridge is started anew: one that has
/// forgotten nonces of a time to come believes no signature for some minutes.
async fn set_right(town: &mut Town, tally: &mut Tally) -> Result<()> {
    step_to(town, 0, tally)?;
    town.bridge.restart().await
}

fn own<'s>(server: &'s mut Option<&mut MariaDb>) -> Result<&'s mut MariaDb> {
    server.as_deref_mut().context("there is no server to be hit")
}

/// Callers that settle one order after the other until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    callers: JoinSet<Result<()>>,
}

impl Load {
    fn start(town: &Town, seed: u64, numbers: &Arc<AtomicU64>) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            // Half of them live on the bridge's machine, and their clocks are stepped with it.
            let caller = town.caller.clone();
            let caller = if number % 2 == 0 { caller } else { caller.in_step() };
            callers.spawn(call(caller, seed, numbers.clone(), stop.clone()));
        }
        Load { stop, callers }
    }

    /// Waits until every order has ended.
    async fn stop(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.context("a caller panicked")??;
        }
        Ok(())
    }
}

async fn call(
    caller: Caller,
    seed: u64,
    numbers: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        // An order follows from the seed and its number, whichever caller gets to it.
        let mut chance = StdRng::seed_from_u64(seed ^ number.rotate_left(32));
        let order = Order::new(format!("chaos-{number}"), chance.random_range(1..100));
        let order = match chance.random_range(0..6) {
            0 => order.to(NOBODY),
            1 => order.from(POOR),
            _ => order,
        };
        let begun = Instant::now();
        let first = caller.settle(&order).await?;
        if chance.random_bool(0.2) {
            let again = caller.settle(&order).await?;
            ensure!(again == first, "{order:?} was told {first:?} and then {again:?}");
        }
        let told: Told = first.json()?;
        ensure!(told.amount == order.amount, "{order:?} after {:?}: {told:?}", begun.elapsed());
    }
    Ok(())
}
