//! How long pages of lists take in a record of many transfers: by a counter's own serial, by amount, and by account.
//!
//! `cargo run --release -p store --example lists_at_scale -- sqlite:///tmp/scale.sqlite 10000000` puts so many completed
//! transfers into a record that has none, through the journal, waits until the indexes are complete, and asks for two
//! hundred pages of each kind. A record that has transfers is asked as it is.

use bytes::Bytes;
use domain::message::{AccountId, CounterId, Place};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::serial::{Day, Mark, MasterSerial, Sequence};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{
    AmountFilter, FinalState, ListFilter, NewTransfer, Outcome, Store, Write, WriteId, Written,
};
use supervise::{say, tell};
use tokio::sync::mpsc;

type Failure = Box<dyn Error + Send + Sync>;

/// Writes handed over at a time, and how many may wait.
const BATCH: u64 = 1024;
const AHEAD: u64 = 4 * BATCH;
/// Pages of each kind.
const PAGES: u64 = 200;
/// One in so many has an amount that no other has.
const RARE: u64 = 1000;
/// Accounts on either side.
const ACCOUNTS: u64 = 100_000;
/// Between two looks at how far the indexes are.
const LOOK: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (url, count) = (arguments.next().ok_or("which database?")?, arguments.next());
    let count: u64 = count.ok_or("how many transfers?")?.parse()?;
    let store = Store::open(&url).await?;
    let newest = store.list(&ListFilter { limit: 1, ..ListFilter::default() }).await?;
    let there = newest.transfers.first().map(|newest| newest.transfer.master.sequence.number());
    if there.is_none() {
        let begun = Instant::now();
        fill(&store, count).await?;
        tell!("{count} transfers in {:.0} s", begun.elapsed().as_secs_f64());
    }
    let count = there.unwrap_or(count);
    let beside = Database::connect(&url).await?;
    let begun = Instant::now();
    while behind(&beside).await? {
        tokio::time::sleep(LOOK).await;
    }
    tell!("the indexes are complete {:.0} s later", begun.elapsed().as_secs_f64());
    let drawn = |draw: u64| 1 + scattered(draw) % count;
    let amount = |minor: u64| -> Result<ListFilter, Failure> {
        let amount = Amount::new(minor.try_into()?)?;
        let amount = Some(AmountFilter { amount, currency: Some(Currency::CNY) });
        Ok(ListFilter { amount, ..ListFilter::default() })
    };
    let account = |number: u64| account_of(number, 1).parse::<AccountId>();
    for (name, filter) in [
        (
            "a counter's serial",
            &(|draw| Ok(by_serial(serial_of(drawn(draw))))) as &dyn Fn(u64) -> _,
        ),
        ("a serial that nobody gave", &|draw| Ok(by_serial(format!("none-{draw}")))),
        ("an amount of many", &|draw| amount(minor_of(drawn(draw)))),
        ("an amount of one", &|draw| amount(minor_of((drawn(draw) / RARE).max(1) * RARE))),
        ("an account", &|draw| {
            Ok(ListFilter { account: Some(account(drawn(draw))?), ..ListFilter::default() })
        }),
        ("an account and an amount", &|draw| {
            let account = Some(account(drawn(draw))?);
            Ok(ListFilter { account, ..amount(minor_of(drawn(draw)))? })
        }),
    ] {
        let (mut times, mut found) = (Vec::new(), 0);
        for draw in 1..=PAGES {
            let filter = filter(draw)?;
            let begun = Instant::now();
            found += store.list(&filter).await?.transfers.len();
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
        let worst = times.last().copied().unwrap_or_default();
        let (median, most) = (at(50), at(95));
        say!("{name}: p50 {median:.1} ms, p95 {most:.1} ms, max {worst:.1} ms, {found} found")?;
    }
    store.close().await;
    Ok(())
}

fn by_serial(serial: String) -> ListFilter {
    ListFilter { counter_serial: Some(serial), ..ListFilter::default() }
}

/// Portions of accounts that a run of the index by terms has; fewer are known in memory.
const OF_A_RUN: i64 = 16;

/// Whether there are more complete portions than memory has, or what had ended before is not in a run yet.
async fn behind(connection: &DatabaseConnection) -> Result<bool, Failure> {
    let sql = "SELECT (SELECT COALESCE(MAX(portion_number), 0) FROM account_portion) - through, oldest \
               FROM term_reach";
    let asked = sea_orm::Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(asked).await?.ok_or("no reach")?;
    let (portions, oldest): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    Ok(portions > OF_A_RUN + 1 || oldest != 0)
}

async fn fill(store: &Store, count: u64) -> Result<(), Failure> {
    let serials = store.lease_serials(count).await?;
    let (done, mut written) = mpsc::unbounded_channel::<Vec<Written>>();
    let (mut next, mut ended) = (serials.start, serials.start);
    while ended < serials.end {
        while next < serials.end && next - ended < AHEAD {
            let last = serials.end.min(next + BATCH);
            let batch = (next..last).map(write).collect::<Result<_, Failure>>()?;
            store.journal().submit(batch, &done);
            next = last;
        }
        for Written { result, .. } in written.recv().await.ok_or("the journal has ended")? {
            result?;
            ended += 1;
        }
    }
    Ok(())
}

/// Scatters numbers as what others draw is scattered (`SplitMix64`).
fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// In no order, which is the worst for an index.
fn serial_of(number: u64) -> String {
    format!("S{:019}", scattered(number) % 10_000_000_000_000_000_000)
}

/// Most amounts are of many transfers.
fn minor_of(number: u64) -> u64 {
    if number.is_multiple_of(RARE) { 1_000_000 + number } else { 100 * (1 + number % 100) }
}

fn account_of(number: u64, side: u64) -> String {
    format!("{side}{:07}", scattered(number ^ side) % ACCOUNTS)
}

fn write(number: u64) -> Result<Write, Failure> {
    let day = Day::new(20_261_121)?;
    let master = MasterSerial { day, sequence: Sequence::new(number)? };
    let place = |counter: &str, side| -> Result<Place, Failure> {
        Ok(Place { counter: CounterId::new(counter)?, account: account_of(number, side).parse()? })
    };
    let at = 1_795_219_200_000_000;
    let accept = NewTransfer {
        master,
        app: Arc::from("shop"),
        idempotency_key: Arc::from(format!("{:016x}{number:016x}", scattered(number))),
        fingerprint: [7; 32],
        order: Order {
            from: place("securities", 1)?,
            to: place("futures", 2)?,
            amount: Amount::new(minor_of(number).try_into()?)?,
            currency: Currency::CNY,
        },
        debit_day: day,
        credit_day: day,
        credit_barrier: false,
        created_at: at,
        deadline_at: at + 60_000_000,
        mark: Some(Mark(number)),
    };
    // As long as what the bridge writes.
    let leg = |role, serial: String| {
        format!(
            r#"{{"role":"{role}","knowledge":"done","sent":1,"answer":{{"code":200,"text":"done"}},"counter_serial":"{serial}","posted_day":{day}}}"#
        )
    };
    let (debit, credit) =
        (leg("debit", serial_of(number)), leg("credit", format!("F{number:019}")));
    let trail = format!(
        r#"[{{"at":{at},"event":"debit sent","phase":"debit_sent"}},{{"at":{at},"event":"debit done","phase":"credit_sent","leg":{debit}}},{{"at":{at},"event":"credit done","phase":"completed","leg":{credit}}}]"#
    );
    Ok(Write {
        accept: Some(accept),
        trail: Some((0, trail)),
        outcome: Some(Outcome {
            state: FinalState::Completed,
            reason: None,
            finished_at: at,
            answer_status: 201,
            answer_body: Bytes::from(vec![b'-'; 700]),
        }),
        ..Write::of(WriteId(number), master)
    })
}
