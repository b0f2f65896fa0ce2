//! A server's record has one holder: a second is told who it is, a silent one is superseded, and a
//! superseded one writes nothing.

use super::proxy::{Proxy, Wire};
use super::*;
use crate::address::Address;
use crate::process::Process;
use crate::{
    Allowance, HeldCounter, HoldKind, JournalHealth, NotChanged, OnHold, OpenError, Options,
    Readmission, ReadmissionEnd, RecordStanding, Release, StoreError,
};
use crate::{connect, held_by, lease, release};
use foreign::ForeignText;
use sea_orm::sqlx::Row;
use sea_orm::sqlx::mysql::MySqlConnectOptions;
use std::time::Instant;

on_each_database!(who_holds_a_record_is_told_to_whoever_asks);

async fn count(url: &str, sql: &'static str) -> i64 {
    mysql_connection(url).await.fetch_one(sql).await.expect("a count").get(0)
}

/// A store whose position is kept, so that batches are numbered. Once it is open the file's name is not
/// needed.
async fn kept(url: &str) -> Store {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { position: Some(folder.path().join("position")) };
    Store::open_with(url, &options).await.expect("opens")
}

#[tokio::test]
async fn a_holder_that_is_idle_stays_the_holder() {
    on_mysql(|url| async move {
        let store = Store::open(&url).await.expect("opens");
        let beat = "SELECT beat FROM shard_lease";
        let before = count(&url, beat).await;
        // Looked at for three seconds, in which nothing is written.
        match Store::open(&url).await {
            Err(OpenError::Held { by, .. }) => {
                assert!(by.starts_with(&format!("process {} ", std::process::id())), "{by}");
            }
            Ok(_) => panic!("two hold it"),
            Err(error) => panic!("{error}"),
        }
        assert!(count(&url, beat).await > before, "it beats");
        assert!(!store.may_be_superseded());
        Desk::of(&store).record(vec![simple(1)]).await;
        store.close().await;
        let given_back = "SELECT COUNT(*) FROM shard_lease WHERE host IS NULL";
        assert_eq!(count(&url, given_back).await, 1);
        Store::open(&url).await.expect("given back").close().await;
    })
    .await;
}

/// The first holder cannot reach the server for some seconds; another takes over; the first comes back.
#[tokio::test]
async fn a_holder_that_was_silent_writes_nothing_any_more() {
    on_mysql(|url| async move {
        let options: MySqlConnectOptions = url.parse().expect("a URL");
        let server = format!("{}:{}", options.get_host(), options.get_port());
        let proxy = Proxy::to(server.clone()).await;
        let near = url.replace(&server, &proxy.address.to_string()) + "?ssl-mode=disabled";
        let first = kept(&near).await;
        let mut desk = Desk::of(&first);
        desk.record(vec![simple(1)]).await;
        proxy.set(Wire::Cut);
        let second = Store::open(&url).await.expect("takes over from a silent holder");
        Desk::of(&second).record(vec![simple(2)]).await;
        assert!(first.may_be_superseded(), "it sends nothing by now");
        proxy.set(Wire::Whole);
        let mut lost = first.superseded();
        patiently(lost.wait_for(Option::is_some)).await.expect("a journal");
        let why = lost.borrow().clone().unwrap_or_default();
        assert!(why.contains(&format!("process {} ", std::process::id())), "{why}");

        let ids = desk.submit(vec![simple(3), end(master(1), FinalState::Completed)]);
        assert!(is_refused(&desk.answers(&ids[..1]).await[0]));
        assert!(matches!(first.lease_serials(1).await, Err(StoreError::Unavailable { .. })));
        assert!(matches!(&*first.journal().health().borrow(), JournalHealth::Failing { .. }));
        first.close().await;
        assert_eq!(second.find(master(3)).await.expect("asks"), None);
        let open = second.open_transfers(None, 10).await.expect("asks");
        assert_eq!(open.len(), 2, "the end of the first is not recorded by the former holder");
        // And the former holder's end does not take the lease from the new one.
        Desk::of(&second).record(vec![simple(4)]).await;
        second.close().await;
    })
    .await;
}

/// What is written at the very moment of the take-over is written by one of them.
#[tokio::test]
async fn a_batch_under_a_former_epoch_is_not_written() {
    on_mysql(|url| async move {
        let store = kept(&url).await;
        let mut desk = Desk::of(&store);
        desk.record(vec![simple(1)]).await;
        mysql_connection(&url)
            .await
            .execute("UPDATE shard_lease SET epoch = epoch + 1, host = 'db2', boot = 'x', pid = 4")
            .await
            .expect("taken over");
        let answers = desk.write(vec![simple(2)]).await;
        assert!(is_refused(&answers[0]));
        assert_eq!(store.find(master(2)).await.expect("asks"), None);
        let why = store.superseded().borrow().clone().unwrap_or_default();
        assert!(why.contains("process 4 on db2"), "{why}");
        store.close().await;
        assert_eq!(count(&url, "SELECT COUNT(*) FROM shard_lease WHERE host = 'db2'").await, 1);
    })
    .await;
}

/// Nor is what is written seldom, on connections of its own.
#[tokio::test]
async fn what_operators_say_to_one_that_was_superseded_is_not_written() {
    on_mysql(|url| async move {
        let store = Store::open(&url).await.expect("opens");
        let counter = CounterId::new("futures").expect("a counter");
        let (who, note): (ForeignText, ForeignText) = ("wang".into(), "their release".into());
        let on_hold = |since| OnHold {
            counter: counter.clone(),
            kind: HoldKind::Hold,
            who: who.clone(),
            note: note.clone(),
            since,
        };
        let held = |why: &str| HeldCounter {
            counter: counter.clone(),
            why: why.to_owned(),
            seen: None,
            since: 7,
        };
        let proposal = |id: &str| Readmission {
            id: id.repeat(32),
            counter: counter.clone(),
            version: "f".repeat(32),
            move_serials: false,
            who: who.clone(),
            note: note.clone(),
            at: 8,
            until: 9,
        };
        let first = store.put_on_hold(&on_hold(7)).await.expect("it is held");
        store.hold_counter(&held("a mark")).await.expect("it is held");
        store.propose_readmission(&proposal("a")).await.expect("it is proposed");
        mysql_connection(&url)
            .await
            .execute("UPDATE shard_lease SET epoch = epoch + 1, host = 'db2', boot = 'x', pid = 4")
            .await
            .expect("taken over");

        let drain = OnHold { kind: HoldKind::Drain, ..on_hold(8) };
        let (said, day) = ((&who, &note), Day::new(20_261_121).expect("a day"));
        let seen = Sequence::new(1_000_000).expect("a sequence");
        let withdrawn = ReadmissionEnd::Withdrawn;
        let nothing = |not: NotChanged| match not {
            NotChanged::Nothing(error) => error,
            NotChanged::Unclear(error) => panic!("{error}"),
        };
        let refused = [
            store.put_on_hold(&drain).await.map(drop).map_err(nothing),
            store.take_off_hold(&counter, None, said, 9).await.map(drop).map_err(nothing),
            store.hold_counter(&held("another")).await,
            store.lift_serials(&counter, seen, Allowance::Wanted(day), 9).await.map(drop),
            store.propose_readmission(&proposal("b")).await,
            store.end_readmission(&proposal("a").id, withdrawn, said, 9).await.map(drop),
            store.approve_readmission(&proposal("a"), &[held("a mark")], said, 9).await.map(drop),
        ];
        for (index, refused) in refused.into_iter().enumerate() {
            match refused {
                Err(StoreError::Unavailable { why }) => {
                    assert!(why.contains("process 4 on db2"), "{index}: {why}");
                }
                other => panic!("{index}: {other:?}"),
            }
        }
        assert_eq!(store.on_hold().await.expect("asks").holds, [first]);
        assert_eq!(store.holds_of(&counter).await, Ok(vec![held("a mark")]));
        assert_eq!(store.readmissions().await, Ok(vec![proposal("a")]));
        assert_eq!(count(&url, "SELECT COUNT(*) FROM serial_lift").await, 0);
        let lost = store.superseded().borrow().clone();
        assert!(lost.is_some_and(|why| why.contains("db2")), "this process ends");
        store.close().await;
    })
    .await;
}

/// A holder of this machine whose process has ended is not waited for.
#[tokio::test]
async fn a_holder_that_is_certainly_gone_is_not_waited_for() {
    on_mysql(|url| async move {
        Store::open(&url).await.expect("opens").close().await;
        let this = crate::process::Process::this();
        let boot = this.boot.replace('\'', "");
        let sql = format!(
            "UPDATE shard_lease SET host = '{}', boot = '{boot}', pid = 4294967295",
            this.host
        );
        let mut server = mysql_connection(&url).await;
        server.execute(sea_orm::sqlx::AssertSqlSafe(sql)).await.expect("a holder");
        let asked = std::time::Instant::now();
        let store = Store::open(&url).await.expect("opens");
        assert!(asked.elapsed() < std::time::Duration::from_secs(3));
        store.close().await;
    })
    .await;
}

/// The server fails over to one that lacks the last commits: the next batch does not follow them.
#[tokio::test]
async fn a_server_that_lost_its_last_commits_is_noticed_by_the_next_batch() {
    on_mysql(|url| async move {
        let store = kept(&url).await;
        let mut desk = Desk::of(&store);
        desk.record(vec![simple(1)]).await;
        desk.record(vec![simple(2)]).await;
        mysql_connection(&url)
            .await
            .execute("UPDATE node_position SET number = 1")
            .await
            .expect("an older state");
        desk.record(vec![simple(3)]).await;
        let standing = store.standing().borrow().clone();
        let RecordStanding::Behind { why } = standing else { panic!("current") };
        assert!(why.contains("answers with batch 1, and batch 2 was told"), "{why}");
        assert_eq!(
            count(&url, "SELECT number FROM node_position").await,
            1,
            "left as it was found"
        );
        desk.record(vec![simple(4)]).await;
        store.close().await;
        let noted = "SELECT COUNT(*) FROM node_position WHERE behind IS NOT NULL";
        assert_eq!(count(&url, noted).await, 1, "the next start knows it too");
    })
    .await;
}

async fn who_holds_a_record_is_told_to_whoever_asks(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let by = held_by(&url).await.expect("asks").expect("it is held");
    assert!(by.starts_with(&format!("process {} ", std::process::id())), "{by}");
    assert!(by.contains(" since 20"), "{by}");
    store.close().await;
    assert_eq!(held_by(&url).await, Ok(None));
    // There is no such record, and it is nobody's.
    assert_eq!(held_by(&format!("{url}_absent")).await, Ok(None));
}

/// A record that a process of some machine holds which says nothing.
async fn held_elsewhere(url: &str, boot: &str, pid: u32) {
    Store::open(url).await.expect("opens").close().await;
    let boot = boot.replace('\'', "");
    let sql = format!("UPDATE shard_lease SET host = 'db2', boot = '{boot}', pid = {pid}");
    let mut server = mysql_connection(url).await;
    server.execute(sea_orm::sqlx::AssertSqlSafe(sql)).await.expect("a holder");
}

/// Changes the lease again and again.
async fn goes_on(url: &str, sql: &'static str) -> ! {
    let mut server = mysql_connection(url).await;
    loop {
        server.execute(sql).await.expect("it is changed");
    }
}

#[tokio::test]
async fn a_holder_that_is_silent_is_watched_for_as_long_as_it_may_be_and_not_named() {
    on_mysql(|url| async move {
        held_elsewhere(&url, "x", 4).await;
        let asked = Instant::now();
        assert_eq!(held_by(&url).await, Ok(None));
        assert!(asked.elapsed() >= lease::SILENT, "{:?}", asked.elapsed());
        // One that says something is named.
        let by = tokio::select! {
            by = held_by(&url) => by.expect("asks").expect("it is held"),
            never = goes_on(&url, "UPDATE shard_lease SET beat = beat + 1") => never,
        };
        assert!(by.starts_with("process 4 on db2 since "), "{by}");
    })
    .await;
}

/// Whatever is written in its name.
#[tokio::test]
async fn a_holder_that_is_certainly_gone_holds_nothing() {
    on_mysql(|url| async move {
        held_elsewhere(&url, &Process::this().boot, u32::MAX).await;
        let by = tokio::select! {
            by = held_by(&url) => by,
            never = goes_on(&url, "UPDATE shard_lease SET beat = beat + 1") => never,
        };
        assert_eq!(by, Ok(None));
    })
    .await;
}

/// Two wait for a silent holder, and one of them is faster: the other need not see it beat to know that
/// the record is held.
#[tokio::test]
async fn a_holder_that_took_over_meanwhile_is_named_at_once() {
    on_mysql(|url| async move {
        held_elsewhere(&url, "x", 4).await;
        let connection = connect::writer(&Address::parse(&url).expect("an address"));
        let sql = "UPDATE shard_lease SET epoch = epoch + 1, beat = beat + 1, host = 'db3'";
        let taken = tokio::select! {
            taken = lease::take(&connection, "the record") => taken,
            never = goes_on(&url, sql) => never,
        };
        match taken {
            Err(OpenError::Held { database, by }) => {
                assert_eq!(database, "the record");
                assert!(by.starts_with("process 4 on db3 since "), "{by}");
            }
            other => panic!("{other:?}"),
        }
        connection.close().await.expect("closes");
    })
    .await;
}

/// Whatever comes of the release.
#[tokio::test]
async fn whoever_releases_a_record_holds_it_for_no_longer() {
    on_mysql(|url| async move {
        kept(&url).await.close().await;
        let before = count(&url, "SELECT epoch FROM shard_lease").await;
        let (who, reason) = ("ann".to_owned(), "counters were asked".to_owned());
        let said = Release { approved_by: who.clone(), who, reason, skip_serials: None };
        let done = release(&url, &Options::default(), &said).await;
        let after = count(&url, "SELECT epoch FROM shard_lease").await;
        assert_eq!(after, before + 1, "it was held: {done:?}");
        assert_eq!(count(&url, "SELECT COUNT(*) FROM shard_lease WHERE host IS NULL").await, 1);
    })
    .await;
}
