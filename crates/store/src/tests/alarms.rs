//! Alarms, from when they are raised until they close.

use super::mysql_faults::behind_a_wire;
use super::proxy::Wire;
use super::*;
use crate::{
    ALARMS_A_PAGE, Acknowledged, Alarm, AlarmAbout, AlarmKind, Closed, KeptAlarms, NumberedAlarm,
};
use domain::message::CounterId;

on_each_database!(
    an_alarm_is_one_row_from_its_raising_to_its_closing_and_over_restarts,
    what_is_written_again_is_the_same_and_the_first_word_stays,
    closed_ones_are_paged_the_latest_first,
    a_row_that_was_altered_is_named_and_hides_no_other,
    what_is_set_aside_is_open_no_more_and_is_named,
);

fn raised(kind: AlarmKind, counter: &str, at: i64) -> Alarm {
    Alarm {
        kind,
        about: AlarmAbout::Counter(CounterId::new(counter).expect("a counter")),
        text: "余额与记录不符 🚨".into(),
        latest: "again".into(),
        raised_at: at,
        last_at: at,
        times: 1,
        acknowledged: None,
        closed: None,
    }
}

fn seen(who: &str) -> Acknowledged {
    Acknowledged { at: 8, who: who.into(), note: "on the telephone".into(), times: 1 }
}

fn over(who: Option<&str>) -> Closed {
    Closed { at: 9, who: who.map(Into::into), note: "it is done".into() }
}

/// Keeps alarms of which no row was altered; how they stand.
async fn keep(
    store: &Store,
    alarms: &[(Option<i64>, Alarm)],
) -> Result<Vec<NumberedAlarm>, StoreError> {
    let KeptAlarms { alarms, damaged } = store.keep_alarms(alarms).await?;
    assert_eq!(damaged, []);
    Ok(alarms)
}

async fn rows(store: &Store) -> usize {
    use crate::entity::alarm::Entity;
    use sea_orm::EntityTrait;
    Entity::find().all(store.readers()).await.expect("it reads").len()
}

async fn an_alarm_is_one_row_from_its_raising_to_its_closing_and_over_restarts(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let lie = raised(AlarmKind::Contradiction, "futures", 7);
    let bridge = Alarm { about: AlarmAbout::Bridge, ..raised(AlarmKind::Database, "x", 6) };
    let new = [(None, lie.clone()), (None, bridge.clone())];
    let kept = keep(&store, &new).await.expect("kept");
    assert_eq!(kept, [(1, lie.clone()), (2, bridge.clone())]);
    store.close().await;

    let store = Store::open(&url).await.expect("opens");
    let open = store.open_alarms().await.expect("asks");
    assert_eq!((open.alarms, open.damaged.len()), (kept, 0));
    let often = Alarm { times: 1_000_000, last_at: 70, latest: "and again".into(), ..lie.clone() };
    let acknowledged = Alarm { acknowledged: Some(seen("lin")), ..often.clone() };
    for alarm in [&often, &acknowledged] {
        let said = keep(&store, &[(Some(1), alarm.clone())]).await.expect("kept");
        assert_eq!(said, [(1, alarm.clone())]);
    }
    let closed = Alarm { closed: Some(over(Some("wang"))), ..acknowledged.clone() };
    let by_itself = Alarm { closed: Some(over(None)), ..bridge };
    let ends = [(Some(1), closed.clone()), (Some(2), by_itself.clone())];
    keep(&store, &ends).await.expect("kept");
    // Said again after it closed, it is another.
    let again = raised(AlarmKind::Contradiction, "futures", 80);
    assert_eq!(keep(&store, &[(None, again.clone())]).await, Ok(vec![(3, again.clone())]));
    store.close().await;

    let store = Store::open(&url).await.expect("opens");
    assert_eq!(store.open_alarms().await.expect("asks").alarms, [(3, again)]);
    let page = store.closed_alarms(None).await.expect("asks");
    assert_eq!((page.alarms, page.next), (vec![(2, by_itself), (1, closed.clone())], None));
    assert_eq!(store.alarm(1).await, Ok(Some(closed)));
    assert_eq!(store.alarm(4).await, Ok(None));
    assert_eq!(rows(&store).await, 3);
    store.close().await;
}

async fn what_is_written_again_is_the_same_and_the_first_word_stays(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let lie = raised(AlarmKind::Contradiction, "futures", 7);
    for _ in 0..2 {
        let kept = keep(&store, &[(None, lie.clone())]).await;
        assert_eq!(kept, Ok(vec![(1, lie.clone())]));
    }
    let by_lin = Alarm { acknowledged: Some(seen("lin")), ..lie.clone() };
    keep(&store, &[(Some(1), by_lin.clone())]).await.expect("kept");
    // Whoever does not know of it takes it back as little as whoever says it once more.
    let by_wang = Alarm { acknowledged: Some(seen("wang")), ..lie.clone() };
    for said in [lie.clone(), by_wang] {
        assert_eq!(keep(&store, &[(Some(1), said)]).await, Ok(vec![(1, by_lin.clone())]));
    }
    let closed = Alarm { closed: Some(over(Some("lin"))), ..by_lin };
    keep(&store, &[(Some(1), closed.clone())]).await.expect("kept");
    let later = Alarm { times: 9, closed: Some(over(None)), ..lie.clone() };
    assert_eq!(keep(&store, &[(Some(1), later)]).await, Ok(vec![(1, closed)]));
    // By a clock that was set back another is raised at the same moment.
    let moved = Alarm { raised_at: 8, ..lie.clone() };
    assert_eq!(keep(&store, &[(None, lie)]).await, Ok(vec![(2, moved)]));
    assert_eq!(rows(&store).await, 2);
    store.close().await;
}

async fn closed_ones_are_paged_the_latest_first(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let many = i64::try_from(ALARMS_A_PAGE).expect("few") + 3;
    let all: Vec<(Option<i64>, Alarm)> = (1..=many)
        .map(|at| {
            // One of them is open still.
            let closed = (at != 50).then(|| over(None));
            (None, Alarm { closed, ..raised(AlarmKind::Notice, "futures", at) })
        })
        .collect();
    keep(&store, &all).await.expect("kept");
    let numbers = |page: &crate::Alarms| -> Vec<i64> {
        page.alarms.iter().map(|(number, _)| *number).collect()
    };
    let first = store.closed_alarms(None).await.expect("asks");
    let expected: Vec<i64> = (3..=many).rev().filter(|number| *number != 50).collect();
    assert_eq!((numbers(&first), first.next), (expected, Some(3)));
    let last = store.closed_alarms(first.next).await.expect("asks");
    assert_eq!((numbers(&last), last.next), (vec![2, 1], None));
    assert_eq!(numbers(&store.open_alarms().await.expect("asks")), [50]);
    store.close().await;
}

async fn a_row_that_was_altered_is_named_and_hides_no_other(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let new: Vec<(Option<i64>, Alarm)> =
        (1..=2).map(|at| (None, raised(AlarmKind::Foreign, "futures", at))).collect();
    keep(&store, &new).await.expect("kept");
    let journal = store.journal();
    for (alter, mend) in [
        (
            "UPDATE alarm SET text = 'x' WHERE number = 1",
            "UPDATE alarm SET text = latest WHERE 1 = 0",
        ),
        (
            "UPDATE alarm SET times = 2 WHERE number = 1",
            "UPDATE alarm SET times = 1 WHERE number = 1",
        ),
        (
            "UPDATE alarm SET acknowledged_by = 'lin' WHERE number = 1",
            "UPDATE alarm SET acknowledged_by = NULL WHERE number = 1",
        ),
        (
            "UPDATE alarm SET about = 'counter:securities' WHERE number = 1",
            "UPDATE alarm SET about = 'counter:futures' WHERE number = 1",
        ),
    ]
    .into_iter()
    .rev()
    {
        journal.execute(alter).await.expect("altered");
        let open = store.open_alarms().await.expect("asks");
        assert_eq!((open.alarms.len(), open.alarms[0].0, open.damaged.len()), (1, 2, 1), "{alter}");
        assert!(matches!(&open.damaged[0], StoreError::Corrupt { key: 1, .. }), "{alter}");
        assert!(matches!(store.alarm(1).await, Err(StoreError::Corrupt { .. })), "{alter}");
        journal.execute(mend).await.expect("mended");
    }
    // What is in force here is written over it; that it was altered is said once.
    journal.execute("UPDATE alarm SET times = 2 WHERE number = 1").await.expect("altered");
    let again = [(Some(1), new[0].1.clone()), (None, raised(AlarmKind::Notice, "futures", 3))];
    let kept = store.keep_alarms(&again).await.expect("kept");
    assert!(matches!(kept.damaged[..], [StoreError::Corrupt { key: 1, .. }]), "{kept:?}");
    assert_eq!(kept.alarms.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3]);
    keep(&store, &[(Some(1), new[0].1.clone())]).await.expect("kept");
    assert_eq!(store.alarm(1).await, Ok(Some(new[0].1.clone())));
    // And where somebody has taken the row away.
    journal.execute("DELETE FROM alarm WHERE number = 1").await.expect("gone");
    keep(&store, &[(Some(1), new[0].1.clone())]).await.expect("kept");
    assert_eq!(store.open_alarms().await.expect("asks").alarms.len(), 3);
    store.close().await;
}

/// SQLite keeps in a column what is none of its kind; such a row cannot even be asked for.
#[tokio::test]
async fn a_row_that_is_no_alarm_at_all_hides_no_other_and_keeps_none_from_being_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
    let store = Store::open(&url).await.expect("opens");
    let new: Vec<(Option<i64>, Alarm)> =
        (1..=3).map(|at| (None, raised(AlarmKind::Foreign, "futures", at))).collect();
    keep(&store, &new).await.expect("kept");
    let spoil = "UPDATE alarm SET times = 'often', text = X'FF' WHERE number = 2";
    store.journal().execute(spoil).await.expect("spoiled");
    let open = store.open_alarms().await.expect("asks");
    assert_eq!(open.alarms.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3]);
    assert!(matches!(open.damaged[..], [StoreError::Corrupt { key: 2, .. }]), "{open:?}");

    // Written again by its number, or raised once more for the number was not heard: with others, it is written anew.
    for number in [Some(2), None] {
        store.journal().execute(spoil).await.expect("spoiled");
        let batch = [
            (Some(1), Alarm { times: 8, ..new[0].1.clone() }),
            (number, new[1].1.clone()),
            (None, raised(AlarmKind::Notice, "futures", 9)),
        ];
        let kept = store.keep_alarms(&batch).await.expect("the others are kept");
        let numbers: Vec<i64> = kept.alarms.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 2, 4], "{number:?}");
        assert!(matches!(kept.damaged[..], [StoreError::Corrupt { key: 2, .. }]), "{kept:?}");
        assert_eq!(store.alarm(2).await, Ok(Some(new[1].1.clone())), "{number:?}");
        assert_eq!(keep(&store, &batch).await.expect("kept").len(), 3, "it is said once");
    }
    // Nor does it hide those that have closed.
    let closed = Closed { at: 9, who: None, note: "over".into() };
    let closed = new.iter().zip(1..).map(|((_, alarm), number)| {
        (Some(number), Alarm { closed: Some(closed.clone()), ..alarm.clone() })
    });
    keep(&store, &closed.collect::<Vec<_>>()).await.expect("kept");
    store.journal().execute(spoil).await.expect("spoiled");
    let page = store.closed_alarms(None).await.expect("asks");
    assert_eq!((page.alarms.len(), page.damaged.len(), page.next), (2, 1, None));
    store.close().await;
}

/// What cannot be read is open no more once it is set aside, and is named ever after; what has closed is left as it is.
async fn what_is_set_aside_is_open_no_more_and_is_named(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let new: Vec<(Option<i64>, Alarm)> =
        (1..=3).map(|at| (None, raised(AlarmKind::Foreign, "futures", at))).collect();
    keep(&store, &new).await.expect("kept");
    let closed = Some(Closed { at: 5, who: None, note: "over".into() });
    let over = Alarm { closed, ..new[2].1.clone() };
    keep(&store, &[(Some(3), over.clone())]).await.expect("kept");
    store.journal().execute("UPDATE alarm SET times = 2 WHERE number = 1").await.expect("altered");
    for _ in 0..2 {
        store.set_alarms_aside(&[1, 3], 9).await.expect("set aside");
        let open = store.open_alarms().await.expect("asks");
        assert_eq!((open.alarms, open.damaged.len()), (vec![(2, new[1].1.clone())], 0));
        let page = store.closed_alarms(None).await.expect("asks");
        assert_eq!(page.alarms, [(3, over.clone())]);
        assert!(matches!(page.damaged[..], [StoreError::Corrupt { key: 1, .. }]), "{page:?}");
    }
    store.close().await;
}

/// The answer to a commit is lost: said again, it is one row.
#[tokio::test]
async fn an_alarm_whose_commit_was_not_confirmed_is_one_row() {
    on_mysql(|url| async move {
        let (proxy, store) = behind_a_wire(&url).await;
        let lie = raised(AlarmKind::Contradiction, "futures", 7);
        proxy.set(Wire::HoldCommit);
        let unclear = keep(&store, &[(None, lie.clone())]).await;
        assert!(matches!(unclear, Err(StoreError::Unavailable { .. })), "{unclear:?}");
        proxy.release();
        let kept = keep(&store, &[(None, lie.clone())]).await;
        assert_eq!((kept, rows(&store).await), (Ok(vec![(1, lie)]), 1));
        store.close().await;
    })
    .await;
}
