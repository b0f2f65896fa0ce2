//! Lists, their filters and their pages.

use super::*;
use crate::{ListFilter, Listed, StateFilter};

on_each_database!(
    pages_run_from_new_to_old,
    filters_hold_together,
    a_sequence_is_found_on_any_day,
    a_page_goes_back_so_far_and_no_farther,
    keys_of_earlier_versions_are_known_by_their_quotation_marks,
    a_key_is_found_whichever_apps_have_it,
);

async fn sequences(store: &Store, filter: ListFilter) -> Vec<u64> {
    let page = store.list(&filter).await.expect("asks");
    page.transfers.iter().map(|stored| stored.transfer.master.sequence.number()).collect()
}

async fn pages_run_from_new_to_old(url: String) {
    let store = Store::open(&url).await.expect("opens");
    Desk::of(&store).record((1..=250).map(simple).collect()).await;
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page =
            sequences(&store, ListFilter { before, limit: 70, ..ListFilter::default() }).await;
        let Some(last) = page.last() else { break };
        before = Some(master(*last));
        seen.extend(page);
    }
    assert_eq!(seen, (1..=250).rev().collect::<Vec<u64>>());
    for (limit, length) in [(0, 1), (1, 1), (200, 200), (u16::MAX, 200)] {
        let page = sequences(&store, ListFilter { limit, ..ListFilter::default() }).await;
        assert_eq!(page.len(), length);
    }
    store.close().await;
}

async fn filters_hold_together(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let make = |sequence, app: &str, from: Place, to: Place| {
        let mut new = transfer(master(sequence), app, &sequence.to_string());
        (new.order.from, new.order.to) = (from, to);
        accept(&new)
    };
    let (s1, s2) = (place("securities", "A1"), place("securities", "A2"));
    let (f1, f2) = (place("futures", "A1"), place("futures", "a1"));
    desk.record(vec![
        make(1, "shop", s1.clone(), f1.clone()),
        make(2, "shop", f1.clone(), s1.clone()),
        make(3, "bank", s2.clone(), f2.clone()),
        make(4, "shop", s2.clone(), f1.clone()),
        make(5, "shop", s1.clone(), s2.clone()),
        make(6, "shop", f1.clone(), f2.clone()),
        end(master(1), FinalState::Completed),
        end(master(4), FinalState::Reversed),
        end(master(5), FinalState::Completed),
        state(master(6), OpenState::NeedsOperator),
    ])
    .await;
    let all = ListFilter::default;
    let counter = |name: &str| Some(CounterId::new(name).expect("a counter"));
    let account = |name: &str| Some(AccountId::new(name).expect("an account"));
    let ended = |state| Some(StateFilter::Ended(state));
    let open = |state| Some(StateFilter::Open(state));
    let cases: Vec<(ListFilter, Vec<u64>)> = vec![
        (all(), vec![6, 5, 4, 3, 2, 1]),
        (ListFilter { app: Some("bank".to_owned()), ..all() }, vec![3]),
        (ListFilter { app: Some("BANK".to_owned()), ..all() }, vec![]),
        (ListFilter { state: ended(FinalState::Completed), ..all() }, vec![5, 1]),
        (ListFilter { state: ended(FinalState::Refused), ..all() }, vec![]),
        (ListFilter { state: open(OpenState::NeedsOperator), ..all() }, vec![6]),
        (ListFilter { state: open(OpenState::Accepted), ..all() }, vec![3, 2]),
        (ListFilter { counter: counter("securities"), ..all() }, vec![5, 4, 3, 2, 1]),
        (ListFilter { counter: counter("wallet"), ..all() }, vec![]),
        (ListFilter { account: account("A1"), ..all() }, vec![6, 5, 4, 2, 1]),
        (ListFilter { account: account("a1"), ..all() }, vec![6, 3]),
        (
            ListFilter { counter: counter("securities"), account: account("A1"), ..all() },
            vec![5, 2, 1],
        ),
        (
            ListFilter {
                counter: counter("securities"),
                account: account("A1"),
                before: Some(master(5)),
                limit: 1,
                ..all()
            },
            vec![2],
        ),
        (
            ListFilter {
                app: Some("shop".to_owned()),
                counter: counter("securities"),
                state: ended(FinalState::Completed),
                ..all()
            },
            vec![5, 1],
        ),
        (ListFilter { account: account("A1"), state: open(OpenState::Accepted), ..all() }, vec![2]),
    ];
    for (filter, expected) in cases {
        assert_eq!(sequences(&store, filter.clone()).await, expected, "{filter:?}");
    }
    store.close().await;
}

async fn a_sequence_is_found_on_any_day(url: String) {
    let store = Store::open(&url).await.expect("opens");
    assert_eq!(store.find_by_sequence(Sequence::new(1).expect("fits")).await, Ok(None));
    let serials = [on_day(20_230_101, 1), on_day(20_261_121, 2), on_day(20_261_121, 3)];
    let writes = serials
        .iter()
        .map(|serial| accept(&transfer(*serial, "shop", &serial.to_string())))
        .collect();
    Desk::of(&store).record(writes).await;
    for serial in serials {
        let found = store.find_by_sequence(serial.sequence).await.expect("asks").expect("there");
        assert_eq!(found.transfer.master, serial);
    }
    assert_eq!(store.find_by_sequence(Sequence::new(4).expect("fits")).await, Ok(None));
    store.close().await;
}

async fn a_page_goes_back_so_far_and_no_farther(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let of =
        |sequence: u64, app: &str| accept(&transfer(master(sequence), app, &sequence.to_string()));
    // One of the shop's at the beginning and one at the end, and many of the bank's between them.
    desk.record(vec![of(1, "shop")]).await;
    desk.record((2..=1400).map(|sequence| of(sequence, "bank")).collect()).await;
    desk.record(vec![of(1401, "shop"), end(master(1), FinalState::Refused)]).await;
    let shop = ListFilter { app: Some("shop".to_owned()), limit: 2, ..ListFilter::default() };
    let serials = |listed: &Listed| -> Vec<MasterSerial> {
        listed.transfers.iter().map(|stored| stored.transfer.master).collect()
    };
    // More than are looked at for one page lie between the two: the page ends there, and the next one
    // goes on.
    let listed = store.list(&shop).await.expect("asks");
    assert_eq!(serials(&listed), [master(1401)]);
    let next = listed.next.expect("it was not looked at all of them");
    assert!(master(1) < next && next < master(1401), "{next}");
    let last = ListFilter { before: Some(next), ..shop.clone() };
    let listed = store.list(&last).await.expect("asks");
    assert_eq!((serials(&listed), listed.next), (vec![master(1)], None));
    let none = ListFilter { before: Some(master(1)), ..shop.clone() };
    assert_eq!(store.list(&none).await, Ok(Listed::default()));
    let refused = StateFilter::Ended(FinalState::Refused);
    assert_eq!(sequences(&store, ListFilter { state: Some(refused), ..shop.clone() }).await, [1]);
    let one = store.list(&ListFilter { limit: 1, ..shop }).await.expect("asks");
    assert_eq!((one.transfers.len(), one.next), (1, Some(master(1401))));
    store.close().await;
}

async fn keys_of_earlier_versions_are_known_by_their_quotation_marks(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let quoted = |sequence, app, key: &str| accept(&transfer(master(sequence), app, key));
    assert!(store.apps_with_quoted_keys().await.expect("asks").is_empty());
    let writes = vec![
        quoted(1, "bank", "abc"),
        quoted(2, "shop", "\"abc\""),
        quoted(3, "shop", "abc"),
        quoted(4, "wallet", "a\"b"),
    ];
    Desk::of(&store).record(writes).await;
    let apps = store.apps_with_quoted_keys().await.expect("asks");
    assert_eq!(apps.into_iter().collect::<Vec<_>>(), ["shop"]);
    store.close().await;
}

async fn a_key_is_found_whichever_apps_have_it(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let found = async |key: &str| {
        let found = store.find_by_any_key(key).await.expect("asks");
        found.iter().map(|stored| stored.transfer.master.sequence.number()).collect::<Vec<_>>()
    };
    assert!(found("one").await.is_empty());
    let new = |sequence, app, key| accept(&transfer(master(sequence), app, key));
    Desk::of(&store)
        .record(vec![
            new(1, "shop", "one"),
            new(2, "bank", "one"),
            new(3, "bank", "two"),
            new(4, "Shop", "One"),
            new(5, "zoo", "one"),
        ])
        .await;
    // In the order of the apps' names, byte for byte, as keys are.
    assert_eq!(found("one").await, [2, 1, 5]);
    assert_eq!((found("One").await, found("on").await), (vec![4], vec![]));
    store.close().await;
}
