//! Lists by a counter's own serial and by amount: all of them, wherever the transfers are on their way into the index,
//! and whoever entered them.

use super::*;
use crate::address::Address;
use crate::journal::{Terms, Turn};
use crate::recent::Recent;
use crate::run::{Entry, Kind, Row, rows, sum};
use crate::{AmountFilter, ListFilter, StateFilter, connect, list};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use std::fmt::Write as _;
use std::sync::Arc;

on_each_database!(
    all_are_found_while_portions_fill,
    what_had_ended_before_there_was_an_index_is_found_however_far_it_reaches,
    what_had_ended_before_there_was_an_index_is_entered_while_nothing_is_written,
    a_life_that_ends_within_a_portion_loses_nothing,
    serials_are_compared_byte_for_byte,
    amounts_are_narrowed_as_all_else,
    few_of_many_with_one_amount_are_found_in_steps_that_end,
    a_narrowed_list_beside_an_index_that_fills_leaves_nothing_out,
    a_trail_that_cannot_be_read_keeps_back_no_other,
    a_page_looks_at_entries_and_not_at_transfers,
    a_row_of_a_run_that_was_altered_is_told,
);

/// Two portions of accounts and some that are in none; less than what makes a test slow.
const MANY: u64 = 2300;

/// Three transfers in turn have one number, two of them by one counter and one by the other.
fn serial_of(sequence: u64) -> String {
    if sequence == 17 { "once".to_owned() } else { format!("F{}", sequence % 200) }
}

fn amount_of(sequence: u64) -> i64 {
    if sequence == 18 { 777 } else { 100 + i64::try_from(sequence % 300).expect("small") }
}

fn begun(sequence: u64) -> Write {
    let mut new = transfer(master(sequence), "shop", &format!("key-{sequence}"));
    new.order.amount = Amount::new(amount_of(sequence)).expect("an amount");
    accept(&new)
}

/// What a trail says of a leg that a counter answered so.
fn said(serial: &str) -> String {
    serde_json::json!([{"at": 1, "event": "answered", "phase": "credit_sent",
        "leg": {"role": "debit", "knowledge": "done", "sent": 1, "counter_serial": serial}}])
    .to_string()
}

/// Most say all with their ends, some before it.
fn ended(sequence: u64) -> Write {
    let mut write = end(master(sequence), FinalState::Completed);
    if !sequence.is_multiple_of(5) {
        write.trail = Some((0, said(&serial_of(sequence))));
    }
    write
}

fn paused(sequence: u64) -> Option<Write> {
    sequence.is_multiple_of(5).then(|| trail(master(sequence), 0, &said(&serial_of(sequence))))
}

async fn end_all(desk: &mut Desk, these: impl Iterator<Item = u64> + Clone) {
    desk.record(these.clone().filter_map(paused).collect()).await;
    desk.record(these.map(ended).collect()).await;
}

/// What lists are read from.
#[derive(Clone, Copy)]
enum Source<'a> {
    Store(&'a Store),
    Database(&'a DatabaseConnection),
}

/// All that a list shows, page after page.
async fn all_of(source: Source<'_>, filter: ListFilter) -> Vec<u64> {
    let mut filter = ListFilter { limit: 3, ..filter };
    let mut seen = Vec::new();
    loop {
        let page = match source {
            Source::Store(store) => store.list(&filter).await,
            Source::Database(connection) => {
                list::list(connection, &filter, Some(&Recent::default())).await
            }
        }
        .expect("asks");
        seen.extend(page.transfers.iter().map(|stored| stored.transfer.master.sequence.number()));
        assert!(page.next.is_none_or(|next| filter.before.is_none_or(|before| next < before)));
        filter.before = page.next;
        if page.next.is_none() {
            return seen;
        }
    }
}

fn by_serial(serial: &str) -> ListFilter {
    ListFilter { counter_serial: Some(serial.to_owned()), ..ListFilter::default() }
}

fn by_amount(minor: i64) -> ListFilter {
    let amount = Amount::new(minor).expect("an amount");
    ListFilter { amount: Some(AmountFilter { amount, currency: None }), ..ListFilter::default() }
}

/// That those which have ended are found by their serials, and all that were begun by their amounts.
async fn check(source: Source<'_>, begun: u64, has_ended: impl Fn(u64) -> bool) {
    for serial in ["F0", "F7", "F199", "once", "never"] {
        let seen = all_of(source, by_serial(serial)).await;
        let own = (1..=begun).rev().filter(|one| has_ended(*one) && serial_of(*one) == serial);
        assert_eq!(seen, own.collect::<Vec<_>>(), "{serial}");
    }
    for amount in [100, 399, 777, 778] {
        let seen = all_of(source, by_amount(amount)).await;
        let own = (1..=begun).rev().filter(|one| amount_of(*one) == amount);
        assert_eq!(seen, own.collect::<Vec<_>>(), "{amount}");
    }
}

async fn writer(url: &str) -> DatabaseConnection {
    let connection = connect::writer(&Address::parse(url).expect("an address"));
    connection.ping().await.expect("it is there");
    connection
}

async fn number(connection: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(connection.get_database_backend(), sql.to_owned());
    let row = connection.query_one_raw(statement).await.expect("asks").expect("a row");
    row.try_get_by_index(0).expect("a number")
}

async fn all_are_found_while_portions_fill(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    for first in (1..=MANY).step_by(100) {
        let hundred = first..(first + 100).min(MANY + 1);
        let last = hundred.end - 1;
        desk.record(hundred.clone().map(begun).collect()).await;
        // The oldest of all wait until all others have ended.
        end_all(&mut desk, hundred.filter(|one| *one > 20)).await;
        if last.is_multiple_of(1000) || last == MANY {
            check(Source::Store(&store), last, |one| one > 20).await;
        }
    }
    end_all(&mut desk, 1..=20).await;
    check(Source::Store(&store), MANY, |_| true).await;
    store.close().await;
    // What is in no run is read again by the next life, and found before and after.
    let store = Store::open(&url).await.expect("opens again");
    check(Source::Store(&store), MANY, |_| true).await;
    let connection = writer(&url).await;
    let (mut desk, mut last) = (Desk::of(&store), MANY);
    while number(&connection, "SELECT through FROM term_reach").await < 4 {
        desk.record((last + 1..=last + 100).map(begun).collect()).await;
        end_all(&mut desk, last + 1..=last + 100).await;
        last += 100;
        if last.is_multiple_of(1000) {
            check(Source::Store(&store), last, |_| true).await;
        }
    }
    check(Source::Store(&store), last, |_| true).await;
    store.close().await;
    check(Source::Database(&connection), last, |_| true).await;
    connection.close().await.expect("closes");
}

/// A record as an earlier version left it: some have ended, and nothing of them is in the index.
async fn without_an_index(url: &str) -> DatabaseConnection {
    let store = Store::open(url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record((1..=MANY).map(begun).collect()).await;
    end_all(&mut desk, (1..=MANY).filter(|one| before(*one))).await;
    store.close().await;
    let connection = writer(url).await;
    forget_index(&connection).await;
    connection
}

/// As if all that has ended had done so before there was an index.
async fn forget_index(connection: &DatabaseConnection) {
    for sql in [
        "DELETE FROM term_run",
        "DELETE FROM term_portion",
        "UPDATE term_reach SET oldest = (SELECT MAX(master_serial) + 1 FROM outcome), \
         through = (SELECT MAX(portion_number) FROM account_portion)",
    ] {
        connection.execute_unprepared(sql).await.expect("it is done");
    }
}

/// Whether it had ended before there was an index.
fn before(one: u64) -> bool {
    !one.is_multiple_of(7)
}

async fn what_had_ended_before_there_was_an_index_is_found_however_far_it_reaches(url: String) {
    let connection = without_an_index(&url).await;
    check(Source::Database(&connection), MANY, before).await;
    let (mut terms, mut steps) = (Terms::new(Arc::default()), 0);
    while terms.is_due(None) {
        if steps % 90 == 0 {
            check(Source::Database(&connection), MANY, before).await;
        }
        steps += 1;
        terms.go_on(&connection, None, None, Turn::Alone).await.expect("it goes on");
    }
    assert!(steps > 250, "{steps}");
    assert_eq!(number(&connection, "SELECT oldest FROM term_reach").await, 0);
    check(Source::Database(&connection), MANY, before).await;
    connection.close().await.expect("closes");
}

async fn what_had_ended_before_there_was_an_index_is_entered_while_nothing_is_written(url: String) {
    let connection = without_an_index(&url).await;
    let store = Store::open(&url).await.expect("opens again");
    let mut desk = Desk::of(&store);
    end_all(&mut desk, [7, 14, 2296].into_iter()).await;
    let has_ended = |one| before(one) || [7, 14, 2296].contains(&one);
    while number(&connection, "SELECT oldest FROM term_reach").await != 0 {
        check(Source::Store(&store), MANY, has_ended).await;
    }
    check(Source::Store(&store), MANY, has_ended).await;
    store.close().await;
    connection.close().await.expect("closes");
}

async fn a_life_that_ends_within_a_portion_loses_nothing(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record((1..=600).map(begun).collect()).await;
    end_all(&mut desk, 1..=600).await;
    store.close().await;
    let connection = writer(&url).await;
    // Less than a run: all of it had ended before there was an index.
    forget_index(&connection).await;
    for steps in [1, 9, 40, 1000] {
        // Each life begins anew with what is durable.
        let mut terms = Terms::new(Arc::default());
        for _ in 0..steps {
            terms.go_on(&connection, None, None, Turn::Alone).await.expect("it goes on");
        }
        check(Source::Database(&connection), 600, |_| true).await;
    }
    assert_eq!(number(&connection, "SELECT oldest FROM term_reach").await, 0);
    let entries = "SELECT COUNT(*) FROM term_portion";
    assert!(
        number(&connection, entries).await >= 600 / 27,
        "runs of twenty and what is left of a step"
    );
    connection.close().await.expect("closes");
}

async fn serials_are_compared_byte_for_byte(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let serials = ["F1", "f1", "F1 ", "F%", "\"F1\"", "\\", "\u{7c4c}", "F1\u{7c4c}"];
    desk.record((1..=8).map(simple).collect()).await;
    let ends = serials.iter().zip(1..).map(|(serial, sequence)| {
        let mut write = end(master(sequence), FinalState::Completed);
        write.trail = Some((0, said(serial)));
        write
    });
    desk.record(ends.collect()).await;
    for _ in 0..2 {
        for (serial, sequence) in serials.iter().zip(1..) {
            assert_eq!(all_of(Source::Store(&store), by_serial(serial)).await, [sequence]);
        }
    }
    // Once they are entered, and another has the same hash.
    store.close().await;
    let connection = writer(&url).await;
    let store = Store::open(&url).await.expect("opens again");
    Desk::of(&store).record(vec![simple(9), end(master(9), FinalState::Completed)]).await;
    store.close().await;
    forget_index(&connection).await;
    let mut terms = Terms::new(Arc::default());
    while terms.is_due(None) {
        terms.go_on(&connection, None, None, Turn::Alone).await.expect("it goes on");
    }
    let entry = |serial: &str, one| {
        let key = crate::counter_serial::hash(serial);
        Entry { key, master: master(one).number(), currency: [0; 3] }
    };
    let entries = serials.iter().zip(1..).map(|(serial, one)| entry(serial, one));
    let with_another = entries.chain([entry("F1", 2)]).collect();
    let portion = number(&connection, "SELECT MAX(portion_number) FROM term_portion").await;
    for sql in
        ["DELETE FROM term_run WHERE kind = 1".to_owned()]
            .into_iter()
            .chain(rows(Kind::Serials, with_another).iter().map(|row| {
            let Row { first_key, number, body, .. } = row;
            let mut hex = String::new();
            for byte in body {
                write!(hex, "{byte:02x}").expect("a string");
            }
            let sum = sum(portion, 1, *first_key, *number, body);
            format!(
                "INSERT INTO term_run VALUES ({portion}, 1, {first_key}, {number}, X'{hex}', {sum})"
            )
        }))
    {
        connection.execute_unprepared(&sql).await.expect("it is done");
    }
    for (serial, sequence) in serials.iter().zip(1..) {
        assert_eq!(all_of(Source::Database(&connection), by_serial(serial)).await, [sequence]);
    }
    connection.close().await.expect("closes");
}

async fn amounts_are_narrowed_as_all_else(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let usd: Currency = "USD".parse().expect("a currency");
    let make = |sequence: u64, app: &str, account: &str, currency| {
        let mut new = transfer(master(sequence), app, &sequence.to_string());
        new.order.from = place("securities", account);
        (new.order.amount, new.order.currency) = (Amount::new(500).expect("an amount"), currency);
        accept(&new)
    };
    let mut refused = end(master(2), FinalState::Refused);
    refused.trail = Some((0, said("F1")));
    let mut completed = end(master(4), FinalState::Completed);
    completed.trail = Some((0, said("F1")));
    desk.record(vec![
        make(1, "shop", "A1", Currency::CNY),
        make(2, "bank", "A1", Currency::CNY),
        make(3, "shop", "A2", usd),
        make(4, "shop", "A2", Currency::CNY),
        simple(5),
        refused,
        completed,
    ])
    .await;
    let of = |currency| {
        let amount = Amount::new(500).expect("an amount");
        ListFilter { amount: Some(AmountFilter { amount, currency }), ..ListFilter::default() }
    };
    let account = |name: &str| Some(AccountId::new(name).expect("an account"));
    let app = |name: &str| Some(name.to_owned());
    let ended = |state| Some(StateFilter::Ended(state));
    let cases = || {
        vec![
            (of(None), vec![4, 3, 2, 1]),
            (of(Some(usd)), vec![3]),
            (ListFilter { app: app("bank"), ..of(None) }, vec![2]),
            (ListFilter { account: account("A2"), ..of(None) }, vec![4, 3]),
            (ListFilter { account: account("A2"), ..of(Some(usd)) }, vec![3]),
            (ListFilter { account: account("F1"), ..of(None) }, vec![4, 3, 2, 1]),
            (ListFilter { state: ended(FinalState::Refused), ..of(None) }, vec![2]),
            (ListFilter { state: Some(StateFilter::AnyEnded), ..of(None) }, vec![4, 2]),
            (
                ListFilter { state: Some(StateFilter::Open(OpenState::Accepted)), ..of(None) },
                vec![3, 1],
            ),
            (ListFilter { before: Some(master(3)), ..of(None) }, vec![2, 1]),
            (by_serial("F1"), vec![4, 2]),
            (ListFilter { app: app("bank"), ..by_serial("F1") }, vec![2]),
            (ListFilter { account: account("A2"), ..by_serial("F1") }, vec![4]),
            (ListFilter { counter_serial: Some("F1".to_owned()), ..of(Some(usd)) }, vec![]),
            (ListFilter { counter_serial: Some("F1".to_owned()), ..of(None) }, vec![4, 2]),
            (ListFilter { state: ended(FinalState::Refused), ..by_serial("F1") }, vec![2]),
            (
                ListFilter {
                    state: Some(StateFilter::Open(OpenState::Accepted)),
                    ..by_serial("F1")
                },
                vec![],
            ),
        ]
    };
    for (filter, expected) in cases() {
        let seen = all_of(Source::Store(&store), filter.clone()).await;
        assert_eq!(seen, expected, "{filter:?}");
    }
    store.close().await;
    // The same once all of it is in the index.
    let store = Store::open(&url).await.expect("opens again");
    Desk::of(&store).record(vec![simple(6), end(master(6), FinalState::Completed)]).await;
    store.close().await;
    let connection = writer(&url).await;
    forget_index(&connection).await;
    let mut terms = Terms::new(Arc::default());
    while terms.is_due(None) {
        terms.go_on(&connection, None, None, Turn::Alone).await.expect("it goes on");
    }
    assert!(number(&connection, "SELECT COUNT(*) FROM term_run").await > 0);
    for (filter, expected) in cases() {
        let seen = all_of(Source::Database(&connection), filter.clone()).await;
        assert_eq!(seen, expected, "{filter:?}");
    }
    connection.close().await.expect("closes");
}

/// Many have one amount, and of an app there are few among them: a page reads so many entries, and says where it ended.
async fn few_of_many_with_one_amount_are_found_in_steps_that_end(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let rare = |sequence: u64| sequence % 700 == 3;
    let begun = (1..=MANY).map(|sequence| {
        let app = if rare(sequence) { "rare" } else { "shop" };
        let mut new = transfer(master(sequence), app, &format!("key-{sequence}"));
        new.order.amount = Amount::new(500 + i64::from(sequence % 90 == 5)).expect("an amount");
        accept(&new)
    });
    desk.record(begun.collect()).await;
    // They end in another order than they began: portions lie across each other.
    let (odd, even) =
        ((1..=MANY).filter(|one| one % 2 == 1), (1..=MANY).filter(|one| one % 2 == 0));
    for these in [odd.collect::<Vec<_>>(), even.collect()] {
        desk.record(these.iter().map(|one| ended(*one)).collect()).await;
    }
    store.close().await;
    let connection = writer(&url).await;
    let of_rare = || ListFilter { app: Some("rare".into()), ..by_amount(500) };
    let mut terms = Terms::new(Arc::default());
    let expected: Vec<u64> = (1..=MANY).rev().filter(|one| rare(*one)).collect();
    let mut steps = 0;
    while terms.is_due(None) {
        if steps % 120 == 0 {
            assert_eq!(all_of(Source::Database(&connection), of_rare()).await, expected);
        }
        steps += 1;
        terms.go_on(&connection, None, None, Turn::Alone).await.expect("it goes on");
    }
    assert_eq!(all_of(Source::Database(&connection), of_rare()).await, expected);
    let refused = ListFilter {
        state: Some(StateFilter::Ended(FinalState::Refused)),
        limit: 3,
        ..by_amount(500)
    };
    let page = list::list(&connection, &refused, Some(&Recent::default())).await.expect("asks");
    assert!(page.transfers.is_empty() && page.next.is_some(), "one page looks at all of them");
    assert_eq!(all_of(Source::Database(&connection), refused).await, [0; 0]);
    connection.close().await.expect("closes");
}

/// While the index fills with what had ended before there was one, a page goes through so many of its entries and no
/// more; what is older than those, in it and not in it yet, comes on later pages, each transfer once.
async fn a_narrowed_list_beside_an_index_that_fills_leaves_nothing_out(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let (of_app, of_bank) = (|one: u64| one % 700 == 3, |one: u64| one % 600 == 4);
    let is_refused = |one: u64| one % 650 == 5;
    let begun = (1..=MANY).map(|sequence| {
        let app = if of_app(sequence) { "rare" } else { "shop" };
        let mut new = transfer(master(sequence), app, &format!("key-{sequence}"));
        new.order.amount = Amount::new(500).expect("an amount");
        if of_bank(sequence) {
            new.order.from = place("bank", "A1");
        }
        accept(&new)
    });
    desk.record(begun.collect()).await;
    let ends = |one: u64| {
        let state = if is_refused(one) { FinalState::Refused } else { FinalState::Completed };
        end(master(one), state)
    };
    desk.record((1..=MANY).filter(|one| before(*one)).map(ends).collect()).await;
    store.close().await;
    let connection = writer(&url).await;
    forget_index(&connection).await;
    let refused = Some(StateFilter::Ended(FinalState::Refused));
    let bank = "bank".parse().expect("a counter");
    let lists = [
        (
            ListFilter { app: Some("rare".into()), ..by_amount(500) },
            (1..=MANY).rev().filter(|one| of_app(*one)).collect::<Vec<u64>>(),
        ),
        (
            ListFilter { counter: Some(bank), ..by_amount(500) },
            (1..=MANY).rev().filter(|one| of_bank(*one)).collect(),
        ),
        (
            ListFilter { state: refused, ..by_amount(500) },
            (1..=MANY).rev().filter(|one| is_refused(*one) && before(*one)).collect(),
        ),
    ];
    let (mut terms, mut steps, mut beside) = (Terms::new(Arc::default()), 0, 0);
    loop {
        let is_over = !terms.is_due(None);
        if steps % 60 == 0 || is_over {
            let entered =
                number(&connection, "SELECT COUNT(*) FROM term_run WHERE kind = 2").await * 5;
            let oldest = number(&connection, "SELECT oldest FROM term_reach").await;
            // More entries than a page goes through, and some that are not entered.
            beside += u64::from(entered > 300 && oldest != 0);
            for (filter, expected) in &lists {
                let seen = all_of(Source::Database(&connection), filter.clone()).await;
                assert_eq!(seen, *expected, "{entered} entered: {filter:?}");
            }
        }
        if is_over {
            break;
        }
        steps += 1;
        terms.go_on(&connection, None, None, Turn::Alone).await.expect("it goes on");
    }
    assert!(beside >= 3, "{beside} looks of {steps} steps");
    connection.close().await.expect("closes");
}

async fn a_trail_that_cannot_be_read_keeps_back_no_other(url: String) {
    let connection = without_an_index(&url).await;
    let damaged = master(18).number();
    let sql = format!("UPDATE outcome SET trail = X'5bff' WHERE master_serial = {damaged}");
    let is_damaged = connection.execute_unprepared(&sql).await.is_ok();
    assert_eq!(
        is_damaged,
        connection.get_database_backend() == DbBackend::Sqlite,
        "a server refuses it"
    );
    let mut terms = Terms::new(Arc::default());
    while terms.is_due(None) {
        terms.go_on(&connection, None, None, Turn::Alone).await.expect("it goes on");
    }
    let seen = all_of(Source::Database(&connection), by_serial("F19")).await;
    let own = (1..=MANY).rev().filter(|one| before(*one) && serial_of(*one) == "F19");
    assert_eq!(seen, own.collect::<Vec<_>>());
    connection.close().await.expect("closes");
}

/// A row of a run that was altered is not passed over: whoever seeks in it is told, and what stands in others is found.
async fn a_row_of_a_run_that_was_altered_is_told(url: String) {
    let connection = without_an_index(&url).await;
    let mut terms = Terms::new(Arc::default());
    while terms.is_due(None) {
        terms.go_on(&connection, None, None, Turn::Alone).await.expect("it goes on");
    }
    let sql = "UPDATE term_run SET checksum = checksum + 1 WHERE kind = 2";
    connection.execute_unprepared(sql).await.expect("altered");
    let recent = Recent::default();
    let asked = list::list(&connection, &by_amount(100), Some(&recent)).await;
    assert!(matches!(asked, Err(StoreError::Corrupt { .. })), "{asked:?}");
    assert_eq!(all_of(Source::Database(&connection), by_serial("once")).await, [17]);
    connection.close().await.expect("closes");
}

/// However many transfers there are, a page by what few of them have reads the entries that it finds.
async fn a_page_looks_at_entries_and_not_at_transfers(url: String) {
    let connection = without_an_index(&url).await;
    let mut terms = Terms::new(Arc::default());
    while terms.is_due(None) {
        terms.go_on(&connection, None, None, Turn::Alone).await.expect("it goes on");
    }
    if connection.get_database_backend() != DbBackend::Sqlite {
        let read = "SELECT SUM(VARIABLE_VALUE) FROM information_schema.SESSION_STATUS \
                    WHERE VARIABLE_NAME LIKE 'HANDLER_READ%'";
        let read = format!("SELECT CAST(({read}) AS SIGNED)");
        // The question itself reads the table of what was read.
        let (first, second) = (number(&connection, &read).await, number(&connection, &read).await);
        for filter in [by_serial("once"), by_amount(777)] {
            let before = number(&connection, &read).await;
            let listed = list::list(&connection, &filter, Some(&Recent::default())).await;
            assert_eq!(listed.expect("asks").transfers.len(), 1);
            let rows = (number(&connection, &read).await - before) - (second - first);
            // What waits to be entered, and three rows for each run.
            assert!(rows <= 1600, "{rows} rows were read for a page of one");
        }
    }
    for filter in [by_serial("once"), by_amount(777)] {
        assert_eq!(all_of(Source::Database(&connection), filter).await.len(), 1);
    }
    connection.close().await.expect("closes");
}
