//! Lists over shards and record.

use crate::record::alter;
use crate::stage::{Counter, LIMIT, Stage, account, config, counter_id};
use crate::{DEAF, folder, order_to};
use coordinator::{Begun, Found, Named};
use domain::transfer::State;
use store::{ListFilter, OpenState, StateFilter};

/// A list shows what is open and what has ended, by all that it may be asked for.
#[tokio::test]
async fn a_list_shows_what_it_is_asked_for_wherever_that_is() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let other = Counter::start("other", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures, &other], config()).await;
    let mut ended = Vec::new();
    for key in ["one", "two"] {
        let done = stage.coordinator.begin(order_to(key, "other"), LIMIT).await;
        let Ok(Begun::Final { master, .. }) = done else { panic!("{done:?}") };
        ended.push(master);
    }
    let open = stage.goes_on("open").await;
    stage.crediting(1).await;
    let [first, second] = ended[..] else { panic!("{ended:?}") };
    let (open_ones, ended_ones) = (StateFilter::Open(OpenState::Crediting), StateFilter::AnyEnded);
    for (state, counter, named, expected) in [
        (None, None, None, vec![open, second, first]),
        (None, Some("securities"), None, vec![open, second, first]),
        (None, Some("futures"), None, vec![open]),
        (None, Some("other"), None, vec![second, first]),
        (None, None, Some("6001"), vec![open, second, first]),
        (None, Some("other"), Some("6001"), vec![second, first]),
        (None, Some("other"), Some("7"), vec![]),
        (Some(open_ones), None, None, vec![open]),
        (Some(open_ones), Some("futures"), Some("6001"), vec![open]),
        (Some(open_ones), Some("other"), None, vec![]),
        (Some(open_ones), None, Some("7"), vec![]),
        (Some(ended_ones), None, None, vec![second, first]),
        (Some(ended_ones), Some("futures"), None, vec![]),
    ] {
        // In which state an open one is now is known to its shard alone, which goes by app.
        let apps: &[_] = if state == Some(open_ones) { &["app"] } else { &["app", ""] };
        for app in apps {
            let mut filter = ListFilter {
                app: Some((*app).to_owned()).filter(|app| !app.is_empty()),
                state,
                counter: counter.map(counter_id),
                account: named.map(account),
                limit: 1,
                ..ListFilter::default()
            };
            let mut seen = Vec::new();
            loop {
                let page = stage.coordinator.list(&filter).await.expect("a page");
                for found in &page.transfers {
                    let is_open = matches!(found, Found::Open(view)
                        if view.transfer.state() == State::Crediting);
                    assert_eq!(is_open, found.master() == open, "{found:?}");
                    seen.push(found.master());
                }
                let Some(next) = page.next else { break };
                filter.before = Some(next);
            }
            assert_eq!(seen, expected, "{filter:?}");
        }
    }
    stage.stop().await;
    for counter in [securities, futures, other] {
        counter.stop().await;
    }
}

/// A counter's own serial names the transfers that it answered with it, open or ended.
#[tokio::test]
async fn what_a_counter_answered_as_its_serial_finds_the_transfer() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let other = Counter::start("other", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures, &other], config()).await;
    let done = stage.coordinator.begin(order_to("one", "other"), LIMIT).await;
    let Ok(Begun::Final { master: ended, .. }) = done else { panic!("{done:?}") };
    let open = stage.goes_on("open").await;
    stage.crediting(1).await;
    let Some(view) = stage.coordinator.live(open).await else { panic!("it is open") };
    let debited = view.transfer.debit.counter_serial.expect("it was debited");
    let trail = stage.coordinator.trail(ended).await.expect("it reads");
    let said: Vec<String> = trail.iter().flat_map(|part| store::counter_serials(part)).collect();
    assert!(!said.is_empty(), "{trail:?}");
    let debited = debited.as_received().to_owned();
    for (serial, master, is_open) in
        said.iter().map(|serial| (serial, ended, false)).chain([(&debited, open, true)])
    {
        let found = stage.coordinator.search(serial, 10).await.expect("it asks");
        let found: Vec<_> =
            found.iter().filter(|(named, _)| *named == Named::CounterSerial).collect();
        let [(_, page)] = found[..] else { panic!("{serial}: {found:?}") };
        let found = page.transfers.iter().find(|found| found.master() == master);
        assert!(found.is_some_and(|found| matches!(found, Found::Open(_)) == is_open), "{serial}");
        for (state, expected) in [
            (StateFilter::Open(OpenState::Crediting), is_open),
            (StateFilter::Open(OpenState::NeedsOperator), false),
            (StateFilter::AnyEnded, !is_open),
        ] {
            let counter_serial = Some(serial.clone());
            let filter = ListFilter { state: Some(state), counter_serial, ..ListFilter::default() };
            let page = stage.coordinator.list(&filter).await.expect("a page");
            let found = page.transfers.iter().any(|found| found.master() == master);
            assert_eq!(found, expected, "{serial} {state:?}");
        }
    }
    assert!(stage.coordinator.search("no-such-serial", 10).await.expect("it asks").is_empty());
    stage.stop().await;
    for counter in [securities, futures, other] {
        counter.stop().await;
    }
}

/// Counters' own serials are looked for last, and that may take too long: whatever else was found is found. That nothing was
/// is told only once all has been looked at.
#[tokio::test]
async fn a_search_keeps_what_it_found_where_one_of_its_parts_fails() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let other = Counter::start("other", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &other], config()).await;
    let done = stage.coordinator.begin(order_to("one", "other"), LIMIT).await;
    let Ok(Begun::Final { master, .. }) = done else { panic!("{done:?}") };
    // Where their serials are looked for.
    alter(folder.path(), "DROP TABLE term_portion").await;
    let serial = master.to_string();
    for (text, named) in [
        ("6001", Named::Account),
        ("one", Named::IdempotencyKey),
        (serial.as_str(), Named::MasterSerial),
    ] {
        let found = stage.coordinator.search(text, 10).await.expect("the rest is found");
        let [(of, page)] = &found[..] else { panic!("{text}: {found:?}") };
        let masters: Vec<_> = page.transfers.iter().map(Found::master).collect();
        assert_eq!((*of, masters), (named, vec![master]), "{text}");
    }
    let none = stage.coordinator.search("no-such-serial", 10).await;
    assert!(none.is_err(), "it is not known that there is none: {none:?}");
    stage.stop().await;
    for counter in [securities, other] {
        counter.stop().await;
    }
}
