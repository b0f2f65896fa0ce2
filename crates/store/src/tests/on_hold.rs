//! Counters that operators keep from new transfers.

use super::mysql_faults::behind_a_wire;
use super::proxy::Wire;
use super::*;
use crate::{DamagedHold, HoldKind, NotChanged, NotTakenOff, OnHold};
use foreign::ForeignText;

on_each_database!(
    what_an_operator_holds_is_held_after_a_restart_until_it_is_released,
    a_hold_becomes_a_drain_and_never_is_a_counter_free_meanwhile,
    a_release_that_names_a_hold_lifts_no_other,
    of_many_who_say_it_at_once_one_is_in_force,
    a_hold_that_cannot_be_read_keeps_its_counter_and_hides_no_other,
);

fn hold(name: &str, kind: HoldKind, who: &str, since: i64) -> OnHold {
    OnHold {
        counter: CounterId::new(name).expect("a counter"),
        kind,
        who: who.into(),
        note: format!("a note of {who}").into(),
        since,
    }
}

/// What is in force, where all of it can be read.
async fn now(store: &Store) -> Vec<OnHold> {
    let in_force = store.on_hold().await.expect("asks");
    assert_eq!(in_force.damaged, []);
    in_force.holds
}

/// What is kept of each hold that there ever was: counter, kind, since, until, by whom, why.
async fn kept(store: &Store) -> Vec<(String, String, i64, i64, Option<String>, Option<String>)> {
    use crate::entity::operator_hold::{Column, Entity};
    use sea_orm::{EntityTrait, QueryOrder};
    let all = Entity::find().order_by_asc(Column::HeldAt).all(store.readers()).await;
    let rows = all.expect("it reads").into_iter();
    rows.map(|row| {
        (row.counter, row.kind, row.held_at, row.released_at, row.released_by, row.release_note)
    })
    .collect()
}

async fn what_an_operator_holds_is_held_after_a_restart_until_it_is_released(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let futures = hold("futures", HoldKind::Hold, "wang", 7);
    assert_eq!(store.put_on_hold(&futures).await, Ok(futures.clone()));
    let again = hold("futures", HoldKind::Hold, "lin", 8);
    assert_eq!(store.put_on_hold(&again).await, Ok(futures.clone()), "the first stays");
    let securities = hold("securities", HoldKind::Drain, "lin", 9);
    assert_eq!(store.put_on_hold(&securities).await, Ok(securities.clone()));
    store.close().await;

    let store = Store::open(&url).await.expect("opens");
    let both = [futures.clone(), securities.clone()];
    assert_eq!(now(&store).await, both);
    let (who, why): (ForeignText, ForeignText) = ("lin".into(), "they are done".into());
    let release =
        async |meant, at| store.take_off_hold(&futures.counter, meant, (&who, &why), at).await;
    assert_eq!(release(None, 10).await, Ok(Ok(futures.clone())));
    assert_eq!(release(None, 11).await, Ok(Err(NotTakenOff::NotOnHold)), "it goes on already");
    assert_eq!(now(&store).await, [securities]);
    // It may be held again, and what was is kept.
    let later = hold("futures", HoldKind::Hold, "zhao", 12);
    assert_eq!(store.put_on_hold(&later).await, Ok(later));
    let futures: Vec<_> = kept(&store).await.into_iter().filter(|row| row.0 == "futures").collect();
    let row = |since, until, by: Option<&str>, why: Option<&str>| {
        let [by, why] = [by, why].map(|word| word.map(str::to_owned));
        ("futures".to_owned(), "hold".to_owned(), since, until, by, why)
    };
    let expected = [row(7, 10, Some("lin"), Some("they are done")), row(12, 0, None, None)];
    assert_eq!(futures, expected);
    store.close().await;
}

async fn a_hold_becomes_a_drain_and_never_is_a_counter_free_meanwhile(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let held = hold("futures", HoldKind::Hold, "wang", 7);
    store.put_on_hold(&held).await.expect("held");
    // Said at the same moment, by the clock.
    let drained = hold("futures", HoldKind::Drain, "lin", 7);
    let drained = OnHold { since: 8, ..drained };
    let said = OnHold { since: 7, ..drained.clone() };
    assert_eq!(store.put_on_hold(&said).await, Ok(drained.clone()));
    assert_eq!(now(&store).await, [drained]);
    let rows = kept(&store).await;
    assert_eq!(rows.len(), 2);
    let (_, kind, _, until, by, why) = &rows[0];
    assert_eq!((kind.as_str(), *until, by.as_deref()), ("hold", 7, Some("lin")));
    assert_eq!(why.as_deref(), Some("drain: a note of lin"));
    store.close().await;
}

async fn of_many_who_say_it_at_once_one_is_in_force(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut said = Vec::new();
    for since in 1..=6 {
        let (store, hold) = (store.clone(), hold("futures", HoldKind::Hold, "wang", since));
        said.push(tokio::spawn(async move { store.put_on_hold(&hold).await }));
    }
    let mut told = Vec::new();
    for one in said {
        told.extend(one.await.expect("no panic"));
    }
    let in_force = now(&store).await;
    assert_eq!((in_force.len(), kept(&store).await.len()), (1, 1));
    assert!(!told.is_empty() && told.iter().all(|one| *one == in_force[0]), "{told:?}");
    store.close().await;
}

/// Changes what is recorded, as nobody should.
async fn spoil(store: &Store, sql: &str) {
    use sea_orm::ConnectionTrait;
    let connection = crate::connect::writer(store.address());
    connection.execute_unprepared(sql).await.expect("it is changed");
    connection.close().await.expect("it is closed");
}

async fn a_hold_that_cannot_be_read_keeps_its_counter_and_hides_no_other(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let futures = hold("futures", HoldKind::Drain, "wang", 7);
    let securities = hold("securities", HoldKind::Drain, "lin", 9);
    for hold in [&futures, &securities] {
        store.put_on_hold(hold).await.expect("held");
    }
    spoil(&store, "UPDATE operator_hold SET kind = 'nap' WHERE counter = 'futures'").await;
    for found in [store.on_hold().await, store.on_hold_for_certain().await] {
        let found = found.expect("the other is read");
        let [DamagedHold { counter, error }] = &found.damaged[..] else { panic!("{found:?}") };
        assert_eq!(counter.as_ref(), Some(&futures.counter));
        assert!(error.to_string().contains("\"nap\" is no hold"), "{error}");
        let stands_for_it = OnHold::unread(futures.counter.clone(), 7, error);
        assert_eq!(found.holds, [stands_for_it, securities.clone()]);
        assert!(!found.lacks_a_counter());
    }
    // Whoever says it anew, or releases it, mends it.
    let again = hold("futures", HoldKind::Hold, "wang", 10);
    assert_eq!(store.put_on_hold(&again).await, Ok(again.clone()));
    assert_eq!(now(&store).await, [securities.clone(), again.clone()]);
    spoil(&store, "UPDATE operator_hold SET kind = 'nap' WHERE held_at = 10").await;
    let (who, why): (ForeignText, ForeignText) = ("lin".into(), "they are done".into());
    let released = store.take_off_hold(&futures.counter, Some(10), (&who, &why), 11).await;
    let released = released.expect("an answer").expect("it is released");
    assert_eq!((released.since, released.kind), (10, HoldKind::Hold));
    assert_eq!(now(&store).await, std::slice::from_ref(&securities));
    // One of whom nobody knows whose it is.
    spoil(&store, "UPDATE operator_hold SET counter = 'No Counter' WHERE held_at = 7").await;
    spoil(&store, "UPDATE operator_hold SET released_at = 0 WHERE held_at = 7").await;
    let found = store.on_hold().await.expect("the other is read");
    assert_eq!((found.holds.as_slice(), found.lacks_a_counter()), (&[securities][..], true));
    store.close().await;
}

/// A row with a value that is none of its column's kind hides no other.
#[tokio::test]
async fn a_hold_with_a_value_of_another_kind_keeps_its_counter_too() {
    on_sqlite(|url| async move {
        let store = Store::open(&url).await.expect("opens");
        let securities = hold("securities", HoldKind::Drain, "lin", 9);
        for hold in [&hold("futures", HoldKind::Hold, "wang", 7), &securities] {
            store.put_on_hold(hold).await.expect("held");
        }
        spoil(&store, "UPDATE operator_hold SET who = x'ff' WHERE counter = 'futures'").await;
        let found = store.on_hold().await.expect("the other is read");
        let kept: Vec<&str> = found.holds.iter().map(|hold| hold.counter.as_str()).collect();
        assert_eq!((kept, found.damaged.len()), (vec!["futures", "securities"], 1));
        store.close().await;
    })
    .await;
}

/// Whoever repeats a release late lifts nobody's newer hold.
async fn a_release_that_names_a_hold_lifts_no_other(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let first = hold("futures", HoldKind::Hold, "wang", 7);
    store.put_on_hold(&first).await.expect("held");
    let (who, why): (ForeignText, ForeignText) = ("wang".into(), "they are done".into());
    let release =
        async |meant, at| store.take_off_hold(&first.counter, meant, (&who, &why), at).await;
    assert_eq!(release(Some(6), 8).await, Ok(Err(NotTakenOff::Another(first.clone()))));
    assert_eq!(release(Some(7), 8).await, Ok(Ok(first.clone())));
    assert_eq!(release(Some(7), 9).await, Ok(Err(NotTakenOff::NotOnHold)));
    let newer = hold("futures", HoldKind::Drain, "lin", 10);
    store.put_on_hold(&newer).await.expect("held");
    assert_eq!(release(Some(7), 11).await, Ok(Err(NotTakenOff::Another(newer.clone()))));
    assert_eq!(now(&store).await, std::slice::from_ref(&newer));
    assert_eq!(release(None, 12).await, Ok(Ok(newer)), "whatever holds it");
    store.close().await;
}

/// A commit that is on its way while its answer is lost: who looks at once finds nothing, and who wants to know for
/// certain waits for it.
#[tokio::test]
async fn what_is_on_hold_for_certain_is_known_once_a_commit_that_is_on_its_way_has_come() {
    on_mysql(|url| async move {
        let (proxy, store) = behind_a_wire(&url).await;
        let futures = hold("futures", HoldKind::Hold, "wang", 7);
        proxy.set(Wire::HoldCommit);
        let unclear = store.put_on_hold(&futures).await;
        assert!(matches!(unclear, Err(NotChanged::Unclear(_))), "{unclear:?}");
        assert_eq!(now(&store).await, [], "not yet");
        let mut certain = Box::pin(store.on_hold_for_certain());
        tokio::select! {
            early = &mut certain => panic!("the commit is still on its way: {early:?}"),
            () = somebody_waits(&url) => {}
        }
        proxy.release();
        assert_eq!(certain.await.expect("an answer").holds, [futures]);
        store.close().await;
    })
    .await;
}

/// Whoever says it is told whether the database may have kept it: not before it was asked to, nor where it says that it
/// has undone it.
#[tokio::test]
async fn whether_a_hold_may_be_recorded_is_told_from_that_it_certainly_is_not() {
    on_mysql(|url| async move {
        let (proxy, store) = behind_a_wire(&url).await;
        let futures = hold("futures", HoldKind::Hold, "wang", 7);
        let put = async |wire| {
            proxy.set(wire);
            let put = store.put_on_hold(&futures).await;
            proxy.set(Wire::Whole);
            put
        };
        for nothing in [Wire::Cut, Wire::Silent] {
            let refused = put(nothing).await;
            assert!(matches!(refused, Err(NotChanged::Nothing(_))), "{nothing:?}: {refused:?}");
        }
        for unclear in [Wire::CutBeforeCommit, Wire::CutAfterCommit] {
            let refused = put(unclear).await;
            assert!(matches!(refused, Err(NotChanged::Unclear(_))), "{unclear:?}: {refused:?}");
        }
        let certain = store.on_hold_for_certain().await.expect("an answer");
        assert_eq!(certain.holds, std::slice::from_ref(&futures), "the second was");
        let (who, why): (ForeignText, ForeignText) = ("lin".into(), "they are done".into());
        proxy.set(Wire::FailCommit);
        let released = store.take_off_hold(&futures.counter, None, (&who, &why), 8).await;
        assert_eq!(released, Ok(Ok(futures)), "undone, and done once more");
        store.close().await;
    })
    .await;
}

/// Until somebody waits in this database for what another has changed and not committed.
async fn somebody_waits(url: &str) {
    let sql = "SELECT 1 FROM information_schema.innodb_trx t \
               JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
               WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE() LIMIT 1";
    let mut server = mysql_connection(url).await;
    while server.fetch_optional(sql).await.expect("an answer").is_none() {}
}
