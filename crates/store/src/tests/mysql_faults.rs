//! A server that goes away while the journal runs, at the worst moments: told plainly, nothing
//! lost, nothing twice, and over by itself.

use super::proxy::{Proxy, Wire};
use super::waited_out::{returns_by_itself, survives};
use super::*;
use crate::{JournalHealth, Options, RecordStanding, StoreError};
use sea_orm::sqlx::{Row, mysql::MySqlConnectOptions};

/// A store behind a wire, and the database's true URL.
pub(super) async fn behind_a_wire(url: &str) -> (Proxy, Store) {
    let options: MySqlConnectOptions = url.parse().expect("a URL");
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let proxy = Proxy::to(server.clone()).await;
    // The wire has to see what passes.
    let near = url.replace(&server, &proxy.address.to_string()) + "?ssl-mode=disabled";
    // Its position is kept, so that batches are numbered. Once it is open, the file's name is not needed.
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { position: Some(folder.path().join("position")) };
    let store = Store::open_with(&near, &options).await.expect("opens");
    (proxy, store)
}

fn writes_of_both_kinds() -> Vec<Write> {
    vec![
        Write { trail: Some((0, "accepted".to_owned())), ..simple(3) },
        trail(master(1), 0, "debited"),
        end(master(1), FinalState::Completed),
    ]
}

async fn well_again(store: &Store) {
    let mut health = store.journal().health();
    patiently(health.wait_for(|health| *health == JournalHealth::Ok)).await.expect("a journal");
}

#[tokio::test]
async fn a_server_that_went_and_came_back() {
    on_mysql(|url| async move {
        let (proxy, store) = behind_a_wire(&url).await;
        let mut desk = Desk::of(&store);
        desk.record(vec![simple(1)]).await;
        proxy.set(Wire::Cut);
        let ids = desk.submit(writes_of_both_kinds());
        assert!(is_refused(&desk.answers(&ids[..1]).await[0]));
        assert!(is_refused(&desk.write(vec![simple(4)]).await[0]));
        assert!(store.find(master(1)).await.is_err());
        proxy.set(Wire::Whole);
        assert_eq!(desk.answers(&ids[1..]).await, [Ok(()), Ok(())]);
        well_again(&store).await;
        desk.record(vec![simple(3)]).await;
        assert_eq!(store.find(master(4)).await.expect("asks"), None);
        store.close().await;
    })
    .await;
}

/// Ends all connections to a database, as its server does.
async fn kill_all(url: &str) {
    let mut server = mysql_connection(url).await;
    let others = "SELECT id FROM information_schema.processlist \
                  WHERE db = DATABASE() AND id <> CONNECTION_ID()";
    for row in server.fetch_all(others).await.expect("a list") {
        let id: i64 = row.get(0);
        let kill = sea_orm::sqlx::AssertSqlSafe(format!("KILL {id}"));
        server.execute(kill).await.expect("a kill");
    }
}

/// A connection that died while nobody looked is replaced, and nobody is refused for it.
#[tokio::test]
async fn a_dead_connection_costs_nothing() {
    on_mysql(|url| async move {
        let (_proxy, store) = behind_a_wire(&url).await;
        let mut desk = Desk::of(&store);
        desk.record(vec![simple(1)]).await;
        let health = store.journal().health();
        kill_all(&url).await;
        desk.record(vec![simple(2), end(master(1), FinalState::Completed)]).await;
        kill_all(&url).await;
        store.lease_serials(5).await.expect("a block");
        assert!(!health.has_changed().expect("a journal"), "nobody heard of it");
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    on_mysql(|url| async move {
        let (proxy, store) = behind_a_wire(&url).await;
        let mut desk = Desk::of(&store);
        desk.record(vec![simple(1)]).await;
        proxy.set(Wire::Silent);
        let ids = desk.submit(writes_of_both_kinds());
        assert!(is_refused(&desk.answers(&ids[..1]).await[0]));
        proxy.set(Wire::Whole);
        assert_eq!(desk.answers(&ids[1..]).await, [Ok(()), Ok(())]);
        well_again(&store).await;
        assert_eq!(store.find(master(3)).await.expect("asks"), None);
        store.close().await;
    })
    .await;
}

/// The lease has its deadline too, and while it is not had, nobody is told that all is well.
#[tokio::test]
async fn a_server_that_is_silent_while_serials_are_leased_is_given_up() {
    on_mysql(|url| async move {
        let (proxy, store) = behind_a_wire(&url).await;
        let mut desk = Desk::of(&store);
        desk.record(vec![simple(1)]).await;
        let first = store.lease_serials(10).await.expect("a block");
        proxy.set(Wire::Silent);
        let leased = patiently(store.lease_serials(10)).await;
        assert!(matches!(leased, Err(StoreError::Unavailable { .. })), "{leased:?}");
        let health = store.journal().health().borrow().clone();
        assert!(matches!(health, JournalHealth::Failing { .. }), "{health:?}");
        assert!(is_refused(&desk.write(vec![simple(2)]).await[0]));
        proxy.set(Wire::Whole);
        well_again(&store).await;
        let second = store.lease_serials(10).await.expect("a block");
        assert!(second.start >= first.end, "{first:?} and {second:?}");
        desk.record(vec![simple(3)]).await;
        store.close().await;
    })
    .await;
}

/// Whichever statement it is that the server does not answer: its connection is left, and all goes
/// on.
#[tokio::test]
async fn a_connection_that_is_silent_at_any_statement_is_left() {
    // Each in a database of its own: a record has one holder.
    let each = |packets| on_mysql(move |url| async move { silent_after(&url, packets).await });
    futures_of((0..12).map(each)).await;
}

async fn silent_after(url: &str, packets: u32) {
    let (proxy, store) = behind_a_wire(url).await;
    let mut desk = Desk::of(&store);
    let at = |number: u64| master(u64::from(packets) * 100 + number);
    let new =
        |number: u64| accept(&transfer(at(number), "shop", &format!("key-{packets}-{number}")));
    desk.record(vec![new(1)]).await;
    proxy.set(Wire::SilentAfter(packets));
    let leased = store.lease_serials(1);
    let ids = desk.submit(vec![new(2), trail(at(1), 0, "debited")]);
    let (_, answers) = tokio::join!(leased, desk.answers(&ids));
    assert_eq!(answers[1], Ok(()), "{packets}: what was begun is never refused");
    let was_recorded = store.find(at(2)).await.expect("asks").is_some();
    assert_eq!(answers[0].is_ok(), was_recorded, "{packets}: what is told is so");
    // However often it took, the next one finds everything well.
    proxy.set(Wire::Whole);
    well_again(&store).await;
    desk.record(vec![end(at(1), FinalState::Completed), new(3)]).await;
    store.lease_serials(1).await.expect("a block");
    assert_eq!(store.trail(at(1)).await.expect("asks"), ["debited"]);
    store.close().await;
}

/// Questions that a silent server never answers leave no connection taken.
#[tokio::test]
async fn readers_outlive_a_silent_server() {
    on_mysql(|url| async move {
        let (proxy, store) = behind_a_wire(&url).await;
        Desk::of(&store).record(vec![simple(1)]).await;
        let ask = || async { store.find(master(1)).await };
        for answer in futures_of((0..4).map(|_| ask())).await {
            assert!(answer.expect("an answer").is_some());
        }
        proxy.set(Wire::Silent);
        for answer in futures_of((0..8).map(|_| ask())).await {
            assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
        }
        proxy.set(Wire::Whole);
        let answered = patiently(async {
            loop {
                if let Ok(found) = ask().await {
                    return found.is_some();
                }
            }
        });
        assert!(answered.await);
        store.close().await;
    })
    .await;
}

/// All of them at once.
async fn futures_of<T>(each: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = each.map(Box::pin).collect();
    let mut done = Vec::with_capacity(running.len());
    std::future::poll_fn(|context| {
        running.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

/// The COMMIT is lost: nothing was recorded, and everything is written again, once.
#[tokio::test]
async fn cut_before_the_commit() {
    cut_at_commit(Wire::CutBeforeCommit).await;
}

/// The COMMIT's answer is lost: everything was recorded, and nothing is written again.
#[tokio::test]
async fn cut_after_the_commit() {
    cut_at_commit(Wire::CutAfterCommit).await;
}

async fn cut_at_commit(wire: Wire) {
    on_mysql(move |url| async move {
        let (proxy, store) = behind_a_wire(&url).await;
        let mut desk = Desk::of(&store);
        desk.record(vec![simple(1)]).await;
        proxy.set(wire);
        desk.record(writes_of_both_kinds()).await;
        patiently(proxy.happened()).await;
        well_again(&store).await;
        assert_eq!(*store.standing().borrow(), RecordStanding::Current, "nothing is missing");
        assert_eq!(store.trail(master(3)).await.expect("asks"), ["accepted"]);
        let open = store.open_transfers(None, 10).await.expect("asks");
        assert_eq!((open.len(), open[0].next_part, &open[0].damage), (1, 1, &None));
        // The key is the transfer's own: who comes again with it is told so.
        let again = accept(&transfer(master(5), "shop", "key-3"));
        assert_eq!(desk.write(vec![again]).await, [Err(WriteError::DuplicateKey)]);
        store.close().await;
    })
    .await;
}

/// A COMMIT that lost against another's recorded nothing, for certain: it is made again at once, and
/// nobody hears of it.
#[tokio::test]
async fn a_commit_that_certainly_failed_is_made_again() {
    on_mysql(|url| async move {
        let (proxy, store) = behind_a_wire(&url).await;
        let mut desk = Desk::of(&store);
        desk.record(vec![simple(1)]).await;
        let health = store.journal().health();
        proxy.set(Wire::FailCommit);
        desk.record(writes_of_both_kinds()).await;
        patiently(proxy.happened()).await;
        assert!(!health.has_changed().expect("a journal"), "it works all the time");
        assert_eq!(store.trail(master(3)).await.expect("asks"), ["accepted"]);
        store.close().await;
    })
    .await;
}

/// Makes the table of trails fail as a full one does, for whoever inserts.
async fn fill(url: &str) {
    let full = "CREATE TRIGGER full BEFORE INSERT ON trail FOR EACH ROW \
                SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'the table is full'";
    mysql_connection(url).await.execute(full).await.expect("a trigger");
}

async fn empty(url: &str) {
    mysql_connection(url).await.execute("DROP TRIGGER full").await.expect("no trigger");
}

#[tokio::test]
async fn a_full_table_is_waited_out() {
    on_mysql(|url| async move {
        survives(url.clone(), "full", async |_| fill(&url).await, async |_| empty(&url).await)
            .await;
    })
    .await;
}

#[tokio::test]
async fn health_returns_by_itself() {
    on_mysql(|url| async move {
        let (broken, mended) = (async |_: &_| fill(&url).await, async |_: &_| empty(&url).await);
        returns_by_itself(url.clone(), broken, mended).await;
    })
    .await;
}

/// The COMMIT is still on its way when the connection is lost. Whoever looked at once would see
/// nothing and call it not recorded; a moment later it is.
#[tokio::test]
async fn a_commit_that_is_late() {
    on_mysql(|url| async move {
        let (proxy, store) = behind_a_wire(&url).await;
        let mut desk = Desk::of(&store);
        desk.record(vec![simple(1)]).await;
        proxy.set(Wire::HoldCommit);
        let ids = desk.submit(writes_of_both_kinds());
        patiently(proxy.happened()).await;
        let mut server = mysql_connection(&url).await;
        let asking = "SELECT COUNT(*) FROM information_schema.processlist \
                      WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE '%FOR UPDATE%'";
        patiently(async {
            while server.fetch_one(asking).await.expect("a count").get::<i64, _>(0) == 0 {}
        })
        .await;
        assert!(desk.answers.try_recv().is_err(), "nobody is told before it is known");
        proxy.release();
        assert_eq!(desk.answers(&ids).await, [Ok(()), Ok(()), Ok(())]);
        well_again(&store).await;
        assert_eq!(store.trail(master(3)).await.expect("asks"), ["accepted"]);
        store.close().await;
    })
    .await;
}
