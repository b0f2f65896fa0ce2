//! Transfers of an account are all found, whether they are open, have just ended, or were entered in
//! the index long ago, and whoever entered them.

use super::*;
use crate::entity::{account_portion, open_transfer};
use crate::{ListFilter, StateFilter};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};

on_each_database!(
    every_page_is_whole_while_portions_fill,
    what_an_earlier_life_left_is_entered,
    what_ended_late_is_in_its_place,
    pages_follow_each_other_whatever_the_order_of_the_ends,
    a_record_from_before_there_were_portions_is_brought_up,
);

/// Three steps, of which the first two fill a portion; less than what makes a test slow.
const MANY: u64 = 1900;

/// Accounts in turn, so that every portion has some of each; one has a single transfer.
fn account_of(sequence: u64) -> String {
    if sequence == 17 { "once".to_owned() } else { format!("A{}", sequence % 3) }
}

fn of_account(sequence: u64) -> Write {
    let mut new = transfer(master(sequence), "shop", &format!("key-{sequence}"));
    new.order.from = place("securities", &account_of(sequence));
    accept(&new)
}

fn completed(sequence: u64) -> Write {
    end(master(sequence), FinalState::Completed)
}

/// All transfers of an account, page after page.
async fn all_of(store: &Store, account: &str, filter: ListFilter) -> Vec<u64> {
    let account = Some(AccountId::new(account).expect("an account"));
    let mut filter = ListFilter { account, limit: 70, ..filter };
    let mut seen = Vec::new();
    loop {
        let page = store.list(&filter).await.expect("asks").transfers;
        let Some(last) = page.last() else { return seen };
        filter.before = Some(last.transfer.master);
        seen.extend(page.iter().map(|stored| stored.transfer.master.sequence.number()));
    }
}

/// The sequences up to `last` that are the account's, newest first.
fn expected(account: &str, last: u64) -> Vec<u64> {
    (1..=last).rev().filter(|sequence| account_of(*sequence) == account).collect()
}

async fn check(store: &Store, last: u64) {
    for account in ["A0", "A1", "A2", "once"] {
        let seen = all_of(store, account, ListFilter::default()).await;
        assert_eq!(seen, expected(account, last), "{account}");
    }
    let seen = all_of(store, "F1", ListFilter::default()).await;
    assert_eq!(seen, (1..=last).rev().collect::<Vec<_>>());
}

/// How many portions there are, and how many transfers that have ended are in none.
async fn portions(url: &str) -> (u64, u64) {
    let address = crate::address::Address::parse(url).expect("an address");
    let connection = crate::connect::readers(&address);
    let portions = account_portion::Entity::find().count(&connection).await.expect("asks");
    let ended = open_transfer::Column::State.eq(open_transfer::ENDED);
    let waiting = open_transfer::Entity::find().filter(ended).count(&connection).await;
    let waiting = waiting.expect("asks");
    connection.close().await.expect("closes");
    (portions, waiting)
}

async fn every_page_is_whole_while_portions_fill(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    for first in (1..=MANY).step_by(100) {
        let hundred = first..(first + 100).min(MANY + 1);
        let last = hundred.end - 1;
        desk.record(hundred.clone().map(of_account).collect()).await;
        desk.record(hundred.map(completed).collect()).await;
        if last % 300 == 0 || last == MANY {
            check(&store, last).await;
        }
    }
    let futures = Some(CounterId::new("futures").expect("a counter"));
    let other_side = ListFilter { counter: futures, ..ListFilter::default() };
    assert_eq!(all_of(&store, "A1", other_side).await, [0; 0]);
    let bank = ListFilter { app: Some("bank".to_owned()), ..ListFilter::default() };
    assert_eq!(all_of(&store, "A1", bank).await, [0; 0]);
    let refused = Some(StateFilter::Ended(FinalState::Refused));
    let refused = ListFilter { state: refused, ..ListFilter::default() };
    assert_eq!(all_of(&store, "A1", refused).await, [0; 0]);
    let completed = Some(StateFilter::Ended(FinalState::Completed));
    let completed = ListFilter { state: completed, ..ListFilter::default() };
    assert_eq!(all_of(&store, "A1", completed).await, expected("A1", MANY));
    store.close().await;
    let (portions, waiting) = portions(&url).await;
    assert_eq!(portions, 2);
    assert!(waiting < 512, "{waiting} wait");
}

async fn what_an_earlier_life_left_is_entered(url: String) {
    for life in 0..4 {
        let store = Store::open(&url).await.expect("opens");
        let mut desk = Desk::of(&store);
        let these = (life * 475 + 1)..=(life * 475 + 475);
        let last = *these.end();
        desk.record(these.clone().map(of_account).collect()).await;
        desk.record(these.map(completed).collect()).await;
        check(&store, last).await;
        store.close().await;
        let (_, waiting) = portions(&url).await;
        assert!(waiting <= 475, "{waiting} wait: more than this life left");
    }
}

async fn what_ended_late_is_in_its_place(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record((1..=MANY).map(of_account).collect()).await;
    // The oldest wait for a person until all others have been entered.
    desk.record((21..=MANY).rev().map(completed).collect()).await;
    desk.record((1..=20).map(completed).collect()).await;
    check(&store, MANY).await;
    desk.record((MANY + 1..=MANY + 600).map(of_account).collect()).await;
    desk.record((MANY + 1..=MANY + 600).map(completed).collect()).await;
    check(&store, MANY + 600).await;
    let open = store.open_transfers(None, 1000).await.expect("asks");
    assert_eq!(open.len(), 0);
    store.close().await;
}

/// Portions overlap, for what ended first is not what began first: each page is still the newest that
/// there are, and no page comes twice or is left out.
async fn pages_follow_each_other_whatever_the_order_of_the_ends(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record((1..=MANY).map(of_account).collect()).await;
    for rest in [1, 2, 0] {
        let these = (1..=MANY).filter(|sequence| (sequence / 3) % 3 == rest);
        // The last third stays open in part.
        let these = these.filter(|sequence| rest != 0 || !sequence.is_multiple_of(2));
        desk.record(these.map(completed).collect()).await;
        check(&store, MANY).await;
    }
    store.close().await;
}

async fn a_record_from_before_there_were_portions_is_brought_up(url: String) {
    let address = crate::address::Address::parse(&url).expect("an address");
    crate::connect::probe(&address).await.expect("a database");
    let connection = crate::connect::writer(&address);
    crate::migration::run_first(&connection, 1).await;
    for sequence in 1..=4 {
        let serial = master(sequence).number();
        let account = account_of(sequence);
        let transfer = format!(
            "INSERT INTO transfer VALUES ({serial}, 'shop', 'key-{sequence}', \
             '01234567890123456789012345678901', 1, 2, 'securities', '{account}', 'futures', 'F1', \
             100, 'CNY', 20261121, 20261121, 0, 1, 2)"
        );
        let open = format!("INSERT INTO open_transfer VALUES ({serial}, 2)");
        let outcome = format!("INSERT INTO outcome VALUES ({serial}, 1, NULL, 3, 201, '{{}}')");
        let rest = if sequence == 2 { open } else { outcome };
        for sql in [transfer, rest] {
            connection.execute_unprepared(&sql).await.expect("inserts");
        }
    }
    connection.close().await.expect("closes");
    for _ in 0..2 {
        let store = Store::open(&url).await.expect("opens");
        check(&store, 4).await;
        let open = store.open_transfers(None, 10).await.expect("asks");
        assert_eq!(open.len(), 1);
        assert_eq!(store.trail(master(1)).await.expect("asks"), [""; 0]);
        // Nor did such a record know of marks.
        let found = store.find(master(1)).await.expect("asks").expect("is there");
        assert_eq!(found.transfer.mark, None);
        store.close().await;
    }
}
