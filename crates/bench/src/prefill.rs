//! Transfers that a database holds before a bridge is started on it, ended or as a crash leaves them.

use crate::order::Accounts;
use crate::setup::APP;
use anyhow::{Context, Result};
use axum::body::Bytes;
use client::Account;
use command_line::doing::doing;
use domain::message::Place;
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence, SubSerial};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{FinalState, ListFilter, NewTransfer, Outcome, Store, Write, WriteId, Written};
use supervise::clock::now_micros;
use supervise::tell;
use time::OffsetDateTime;
use tokio::sync::mpsc;

/// Writes handed over at a time: one batch of the journal.
const BATCH: u64 = 1024;
/// Batches that may wait: one is written while the next is made.
const AHEAD: u64 = 4;

/// What a filled database holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filled {
    pub(crate) transfers: u64,
    /// How long it took; nothing if they were there already.
    pub(crate) took: Option<Duration>,
}

/// Puts `count` completed transfers into a database that has none, in the order of their serials and
/// through the journal. Their idempotency keys are spread over all that callers may draw, so that a
/// new one falls anywhere between them. A database that has transfers is left as it is.
pub(crate) async fn fill(database: &str, count: u64, accounts: &Accounts) -> Result<Filled> {
    let store = Store::open(database).await?;
    let newest = store.list(&ListFilter { limit: 1, ..ListFilter::default() }).await?;
    if let Some(newest) = newest.transfers.first() {
        let transfers = newest.transfer.master.sequence.number();
        store.close().await;
        tell!("the database has transfers up to the {transfers}th; it is left as it is");
        return Ok(Filled { transfers, took: None });
    }
    let begun = Instant::now();
    put(&store, count, Left::Ended, accounts).await?;
    store.close().await;
    Ok(Filled { transfers: count, took: Some(begun.elapsed()) })
}

/// Puts `count` transfers into a database as a crash leaves them just after they were accepted.
pub(crate) async fn leave_open(database: &str, count: u64, accounts: &Accounts) -> Result<()> {
    let store = Store::open(database).await?;
    put(&store, count, Left::Open, accounts).await?;
    store.close().await;
    Ok(())
}

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Open,
    Ended,
}

async fn put(store: &Store, count: u64, left: Left, accounts: &Accounts) -> Result<()> {
    let filling = doing("filling the database", "transfers");
    filling.of(count);
    let serials = store.lease_serials(count).await?;
    let now = now_micros();
    let (done, mut written) = mpsc::unbounded_channel::<Vec<Written>>();
    let (mut next, mut ended) = (serials.start, serials.start);
    let apart = u128::MAX / u128::from(count);
    let spread = rand::random_range(0..apart);
    let key = |number: u64| u128::from(number - serials.start) * apart + spread;
    while ended < serials.end {
        while next < serials.end && next - ended < AHEAD * BATCH {
            let last = serials.end.min(next + BATCH);
            let batch = (next..last)
                .map(|number| write(number, key(number), left, now, accounts))
                .collect::<Result<_>>()?;
            store.journal().submit(batch, &done);
            next = last;
        }
        for Written { result, .. } in written.recv().await.context("the journal has ended")? {
            result.context("the database does not take them")?;
            ended += 1;
            filling.one_more();
        }
    }
    Ok(())
}

fn write(number: u64, key: u128, left: Left, now: i64, accounts: &Accounts) -> Result<Write> {
    let pick = |from: &[Place], spread: u64| -> Result<Place> {
        let index = usize::try_from(number.wrapping_mul(spread) >> 7)? % from.len().max(1);
        from.get(index).cloned().context("no accounts")
    };
    let day = Day::from_unix_micros(now);
    let master = MasterSerial { day, sequence: Sequence::new(number)? };
    let (from, to) = (pick(&accounts.from, 2_654_435_761)?, pick(&accounts.to, 40_503)?);
    let amount = Amount::new(i64::try_from(1 + number % 100)?)?;
    let mut fingerprint = [0; 32];
    fingerprint[..16].copy_from_slice(&key.to_be_bytes());
    let accept = NewTransfer {
        master,
        app: Arc::from(APP),
        idempotency_key: Arc::from(format!("{key:032x}")),
        fingerprint,
        order: Order { from: from.clone(), to: to.clone(), amount, currency: Currency::CNY },
        debit_day: day,
        credit_day: day,
        credit_barrier: false,
        created_at: now,
        deadline_at: now + 60_000_000,
        mark: Some(Mark(number)),
    };
    let open = Write { accept: Some(accept), ..Write::of(WriteId(number), master) };
    match left {
        Left::Open => return Ok(open),
        Left::Ended => {}
    }
    // As long as what the bridge writes.
    let leg = |role| {
        format!(
            r#"{{"role":"{role}","knowledge":"done","sent":1,"answer":{{"code":200,"text":"done"}},"counter_serial":"{number:020}","posted_day":{day}}}"#
        )
    };
    let (debit, credit) = (leg("debit"), leg("credit"));
    let trail = format!(
        r#"[{{"at":{now},"event":"debit sent","phase":"debit_sent"}},{{"at":{now},"event":"debit done","phase":"credit_sent","leg":{debit}}},{{"at":{now},"event":"credit done","phase":"completed","leg":{credit}}}]"#
    );
    let answer = serde_json::to_vec(&answer(master, &from, &to, amount, now)?)?;
    Ok(Write {
        trail: Some((0, trail)),
        outcome: Some(Outcome {
            state: FinalState::Completed,
            reason: None,
            finished_at: now,
            answer_status: 201,
            answer_body: Bytes::from(answer),
        }),
        ..open
    })
}

/// What the caller of a transfer that was completed was told, and whoever lists it is.
fn answer(
    master: MasterSerial,
    from: &Place,
    to: &Place,
    amount: Amount,
    now: i64,
) -> Result<client::Transfer> {
    let account = |place: &Place| Account::new(place.counter.as_str(), place.account.as_str());
    let leg = |role, place: &Place, serial: SubSerial| client::Leg {
        role,
        counter: place.counter.to_string(),
        account: place.account.to_string(),
        sub_serial: serial.to_string(),
        knowledge: client::Knowledge::Done,
        counter_serial: Some(format!("{:020}", master.sequence.number())),
        answer: Some(client::CounterAnswer { code: 200, text: "done".to_owned() }),
    };
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(now) * 1000)?;
    Ok(client::Transfer {
        master_serial: master.to_string(),
        state: client::State::Completed,
        from: Some(account(from)),
        to: Some(account(to)),
        amount: Some(amount.minor()),
        currency: Some(Currency::CNY.as_str().to_owned()),
        legs: vec![
            leg(client::Role::Debit, from, master.leg(Role::Debit)),
            leg(client::Role::Credit, to, master.leg(Role::Credit)),
        ],
        reason: None,
        next: None,
        created_at: at,
        updated_at: at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::places;

    #[test]
    fn whoever_lists_what_was_put_there_can_read_it() {
        let accounts = Accounts {
            from: places("securities", 6, 2).expect("accounts"),
            to: places("futures", 8, 2).expect("accounts"),
            empty: places("securities", 6, 1).expect("an account").remove(0),
            missing: places("futures", 8, 1).expect("an account").remove(0),
            skew: 0.0,
        };
        let write = write(7, 1, Left::Ended, 1_795_000_000_000_000, &accounts).expect("a write");
        let body = write.outcome.expect("it has ended").answer_body;
        let told: client::Transfer = serde_json::from_slice(&body).expect("an answer");
        assert_eq!((told.state, told.legs.len()), (client::State::Completed, 2));
        assert_eq!(told.legs[1].sub_serial, "000000000072");
        assert!(told.from.is_some_and(|from| from.account.starts_with("600000")));
    }
}
