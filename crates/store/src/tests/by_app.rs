//! Lists of what has ended of one app's: all of it, whenever and in whichever life it was entered in the
//! index, and no more read for a page than a page.

use super::*;
use crate::address::Address;
use crate::journal::Reach;
use crate::list;
use crate::recent::Recent;
use crate::record::Listed;
use crate::{ListFilter, StateFilter, by_app, connect};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

on_each_database!(
    every_page_is_whole_whenever_they_ended,
    what_had_ended_before_there_was_an_index_is_shown_however_far_it_reaches,
    what_had_ended_before_there_was_an_index_is_entered_while_the_bridge_runs,
    what_has_just_ended_is_found_however_much_it_is,
    a_page_reads_no_more_than_a_page,
);

/// More than two steps of the journal, less than what makes a test slow.
const MANY: u64 = 1300;

const APPS: [&str; 3] = ["bank", "shop", "sho"];

fn app_of(sequence: u64) -> &'static str {
    // One has very few.
    if sequence.is_multiple_of(97) {
        "sho"
    } else {
        ["bank", "shop"][usize::from(sequence.is_multiple_of(3))]
    }
}

fn state_of(sequence: u64) -> FinalState {
    FinalState::ALL[usize::try_from(sequence % 11).expect("small").min(2)]
}

fn begun(sequence: u64) -> Write {
    accept(&transfer(master(sequence), app_of(sequence), &format!("key-{sequence}")))
}

fn ended(sequence: u64) -> Write {
    end(master(sequence), state_of(sequence))
}

/// What lists are read from: a store, or a database of which nothing has ended just now, or these.
#[derive(Clone, Copy)]
enum Source<'a> {
    Store(&'a Store),
    Database(&'a DatabaseConnection),
    Recent(&'a DatabaseConnection, &'a Recent),
}

impl<'a> From<&'a Store> for Source<'a> {
    fn from(store: &'a Store) -> Self {
        Source::Store(store)
    }
}

impl Source<'_> {
    async fn list(self, filter: &ListFilter) -> Listed {
        match self {
            Source::Store(store) => store.list(filter).await,
            Source::Database(connection) => {
                list::list(connection, filter, Some(&Recent::default())).await
            }
            Source::Recent(connection, recent) => {
                list::list(connection, filter, Some(recent)).await
            }
        }
        .expect("asks")
    }
}

/// All that a list shows, page after page.
async fn all_of(source: Source<'_>, app: &str, state: StateFilter) -> Vec<u64> {
    let mut filter = ListFilter {
        app: Some(app.to_owned()),
        state: Some(state),
        limit: 70,
        ..ListFilter::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = source.list(&filter).await;
        seen.extend(page.transfers.iter().map(|stored| stored.transfer.master.sequence.number()));
        filter.before = page.next;
        if page.next.is_none() {
            return seen;
        }
    }
}

/// That every list shows what has ended, and nothing else.
async fn check<'a>(source: impl Into<Source<'a>>, has_ended: impl Fn(u64) -> bool) {
    let source = source.into();
    for app in APPS {
        let own = || (1..=MANY).rev().filter(|one| app_of(*one) == app && has_ended(*one));
        let seen = all_of(source, app, StateFilter::AnyEnded).await;
        assert_eq!(seen, own().collect::<Vec<_>>(), "{app}");
        for state in FinalState::ALL {
            let seen = all_of(source, app, StateFilter::Ended(state)).await;
            let expected: Vec<u64> = own().filter(|one| state_of(*one) == state).collect();
            assert_eq!(seen, expected, "{app} {state}");
        }
    }
}

async fn every_page_is_whole_whenever_they_ended(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record((1..=MANY).map(begun).collect()).await;
    check(&store, |_| false).await;
    // The newest first, so that what is entered later is older; some stay open.
    let ends = |life: u64| move |one: u64| one % 4 == life;
    for life in [3, 1] {
        desk.record((1..=MANY).rev().filter(|one| ends(life)(*one)).map(ended).collect()).await;
        check(&store, |one| one % 4 == 3 || one % 4 == life).await;
    }
    store.close().await;
    // What the last life left is found before anything is written.
    let store = Store::open(&url).await.expect("opens again");
    check(&store, |one| one % 2 == 1).await;
    let mut desk = Desk::of(&store);
    desk.record((1..=MANY).filter(|one| ends(2)(*one)).map(ended).collect()).await;
    check(&store, |one| one % 4 != 0).await;
    store.close().await;
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

/// Whether it had ended before there was an index.
fn before(one: u64) -> bool {
    !one.is_multiple_of(5)
}

/// A record as an earlier version left it: some have ended, and nothing of them is in the index.
async fn without_an_index(url: &str) -> DatabaseConnection {
    let store = Store::open(url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record((1..=MANY).map(begun).collect()).await;
    desk.record((1..=MANY).filter(|one| before(*one)).map(ended).collect()).await;
    store.close().await;
    let connection = writer(url).await;
    for sql in [
        "DELETE FROM ended_entry",
        "UPDATE ended_reach SET oldest = (SELECT MAX(master_serial) + 1 FROM outcome)",
    ] {
        connection.execute_unprepared(sql).await.expect("it is done");
    }
    connection
}

const REACH: &str = "SELECT oldest FROM ended_reach";

async fn what_had_ended_before_there_was_an_index_is_shown_however_far_it_reaches(url: String) {
    let connection = without_an_index(&url).await;
    check(Source::Database(&connection), before).await;
    let (mut reach, mut steps) = (Reach::default(), 0);
    while reach.is_due() {
        if steps % 40 == 0 {
            check(Source::Database(&connection), before).await;
        }
        steps += 1;
        reach.go_on(&connection, None).await.expect("it goes on");
    }
    assert!(steps > 120, "{steps}");
    assert_eq!(number(&connection, REACH).await, 0);
    check(Source::Database(&connection), before).await;
    connection.close().await.expect("closes");
}

async fn what_had_ended_before_there_was_an_index_is_entered_while_the_bridge_runs(url: String) {
    let connection = without_an_index(&url).await;
    let store = Store::open(&url).await.expect("opens again");
    let mut desk = Desk::of(&store);
    check(&store, before).await;
    // What ends meanwhile is in its place, older or newer than what is not entered yet.
    desk.record([5, MANY].into_iter().map(ended).collect()).await;
    let has_ended = |one| before(one) || one == 5 || one == MANY;
    while number(&connection, REACH).await != 0 {
        check(&store, has_ended).await;
    }
    check(&store, has_ended).await;
    store.close().await;
    let entered = number(&connection, "SELECT COUNT(*) FROM ended_entry").await;
    let waiting = number(&connection, "SELECT COUNT(*) FROM open_transfer WHERE state = 0").await;
    let outcomes = number(&connection, "SELECT COUNT(*) FROM outcome").await;
    assert!((outcomes - waiting..=outcomes).contains(&entered), "{entered} {waiting} {outcomes}");
    connection.close().await.expect("closes");
}

/// More than one question looks for, none of it entered; and what is older fills no page in which what is
/// newer, and not entered either, has its place.
async fn what_has_just_ended_is_found_however_much_it_is(url: String) {
    let connection = without_an_index(&url).await;
    let oldest = Recent::default();
    oldest.add((1..=400).filter(|one| before(*one)).map(|one| master(one).number()));
    check(Source::Recent(&connection, &oldest), before).await;
    let all_entered = "UPDATE ended_reach SET oldest = 0";
    connection.execute_unprepared(all_entered).await.expect("it is done");
    let recent = Recent::default();
    recent.add((1..=MANY).filter(|one| before(*one)).map(|one| master(one).number()));
    check(Source::Recent(&connection, &recent), before).await;
    connection.close().await.expect("closes");
}

async fn a_page_reads_no_more_than_a_page(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record((1..=MANY).map(begun).collect()).await;
    desk.record((1..=MANY).map(ended).collect()).await;
    store.close().await;
    let connection = writer(&url).await;
    let backend = connection.get_database_backend();
    let page = by_app::entries(backend, "bank", FinalState::Reversed, i64::MAX, 7);
    if backend == DbBackend::Sqlite {
        let sql = format!("EXPLAIN QUERY PLAN {}", page.sql);
        let values = page.values.expect("some").0;
        let plan = Statement::from_sql_and_values(backend, sql, values);
        let rows = connection.query_all_raw(plan).await.expect("explains");
        let plan: Vec<String> =
            rows.iter().map(|row| row.try_get("", "detail").expect("a text")).collect();
        assert!(
            plan.iter().all(|step| step.starts_with("SEARCH ended_entry USING PRIMARY KEY")),
            "{plan:?}"
        );
    } else {
        let read = "SELECT SUM(VARIABLE_VALUE) FROM information_schema.SESSION_STATUS \
                    WHERE VARIABLE_NAME LIKE 'HANDLER_READ%'";
        let read = format!("SELECT CAST(({read}) AS SIGNED)");
        // The question itself reads the table of what was read.
        let (first, second) = (number(&connection, &read).await, number(&connection, &read).await);
        assert_eq!(connection.query_all_raw(page).await.expect("asks").len(), 7);
        let third = number(&connection, &read).await;
        let rows = (third - second) - (second - first);
        assert!(rows <= 8, "{rows} rows were read for a page of 7");
        // Nor is anything else gone through for a list, however few are the app's.
        let few = ListFilter {
            app: Some("sho".to_owned()),
            state: Some(StateFilter::AnyEnded),
            limit: 7,
            ..ListFilter::default()
        };
        let before = number(&connection, &read).await;
        let listed = Source::Database(&connection).list(&few).await;
        assert_eq!(listed.transfers.len(), 7);
        let rows = (number(&connection, &read).await - before) - (second - first);
        assert!(rows <= 100, "{rows} rows were read for a list of 7");
    }
    connection.close().await.expect("closes");
}
