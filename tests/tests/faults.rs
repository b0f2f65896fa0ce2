//! What the machine does to the bridge: it is stopped, its disk is full, its file is read-only, its
//! database server is gone. Nothing is told that is not recorded, and nothing is lost.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use system_tests::audit::{State, Told};
use system_tests::auditor::{self, Statements};
use system_tests::away::{Away, Way};
use system_tests::books::Kind as Line;
use system_tests::caller::Order;
use system_tests::database::{Database, Kind};
use system_tests::mariadb::MariaDb;
use system_tests::operator::{connected, look};
use system_tests::process::{Process, READY_WITHIN, free_address};
use system_tests::town::{Faults, Town};

/// Longer than a counter waits for a bridge that says nothing.
const LONG_SILENCE: std::time::Duration = std::time::Duration::from_secs(4);

/// By both audits.
async fn count_money(town: &Town) {
    assert_eq!(town.audit().await.expect("an audit"), [], "{}", town.bridge.log());
    let books = Statements::Books(town.securities.books_file(), town.futures.books_file());
    let audited = auditor::audit(town, &books).await.expect("an audit");
    audited.clean().expect("every unit is accounted for");
}

#[tokio::test]
async fn a_bridge_that_was_stopped_goes_on_where_it_was() {
    let silence = "[[rule]]\non = ['credit']\ntimes = 1\ndo = 'no_answer'";
    let faults = Faults { futures: silence, ..Faults::default() };
    for kind in Kind::all() {
        let town = Town::start(kind, faults).await.expect("the town starts");
        connected(&town).await.expect("they connect");
        let order = Order::new("stopped", 700);
        let settling = tokio::spawn({
            let (caller, order) = (town.caller.clone(), order.clone());
            async move { caller.ending(&order).await }
        });
        Town::wait_for(&town.futures, Line::Credit, 1).await.expect("it is posted");
        town.bridge.freeze().expect("it is stopped");
        // Both counters give up the connection meanwhile; that is what is tried here.
        tokio::time::sleep(LONG_SILENCE).await;
        town.bridge.thaw().expect("it goes on");
        let ending = settling.await.expect("no panic").expect("it ends");
        assert_eq!(ending, State::Completed, "{kind:?}\n{}", town.bridge.log());
        let after = town.caller.ending(&Order::new("after", 10)).await;
        assert_eq!(after.expect("it ends"), State::Completed, "{}", town.bridge.log());
        count_money(&town).await;
    }
}

/// What is asked reaches the counter and its answers are swallowed, or it never hears what is asked;
/// nobody is told. The bridge gives the connection up and asks over another.
#[tokio::test]
async fn a_link_that_is_cut_one_way_loses_nothing_and_doubles_nothing() {
    if !Away::is_possible() {
        println!("LEFT OUT: a network of its own can be made by root only");
        return;
    }
    let brisk = "posting_deadline_ms = 1000\nquery_deadline_ms = 500\nlongest_pause_ms = 1000";
    let faults = Faults { away: true, coordinator: brisk, ..Faults::default() };
    for kind in Kind::all() {
        let town = Town::start(kind, faults).await.expect("the town starts");
        let away = town.away.as_ref().expect("a network of its own");
        for (number, way) in [Way::Back, Way::There].into_iter().enumerate() {
            away.cut(way).expect("the link is cut");
            let mut settling = tokio::task::JoinSet::new();
            for order in 0..20 {
                let (caller, key) = (town.caller.clone(), format!("{number}-{order}"));
                settling.spawn(async move { caller.ending(&Order::new(key, 10)).await });
            }
            // Longer than the counter's silence is borne.
            tokio::time::sleep(LONG_SILENCE).await;
            away.mend(way).expect("the link is whole");
            while let Some(ended) = settling.join_next().await {
                let ending = ended.expect("no panic").expect("it ends");
                assert!(ending.is_final(), "{kind:?} {way:?}: {ending:?}\n{}", town.bridge.log());
            }
            connected(&town).await.expect("they connect again");
            count_money(&town).await;
        }
        let after = town.caller.ending(&Order::new("after", 10)).await;
        assert_eq!(after.expect("it ends"), State::Completed, "{}", town.bridge.log());
        count_money(&town).await;
    }
}

/// A file system of its own, of two MiB, in memory; only root can make one.
struct Disk {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Disk {
    /// `None`, said aloud, where this may not be done.
    fn mount() -> Option<Disk> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_owned();
        match mount(&["-t", "tmpfs", "-o", "size=2m,mode=0755", "tmpfs"], &path) {
            Ok(()) => Some(Disk { _folder: folder, path }),
            Err(error) => {
                println!("LEFT OUT: no small disk can be mounted here, root may: {error:#}");
                None
            }
        }
    }

    fn database(&self) -> Database {
        Database::file(&self.path.join("bridge.sqlite"))
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).expect("a file");
        let block = vec![0; 4096];
        while ballast.write_all(&block).is_ok() {}
        while ballast.write_all(&[0]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).expect("there is ballast");
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    fn remount(&self, how: &str) -> Result<()> {
        mount(&["-o", &format!("remount,{how}")], &self.path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a bridge that was just killed may still hold it for a moment.
        let ended = Command::new("umount").arg("-l").arg(&self.path).status();
        if !ended.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.path.display());
        }
    }
}

fn mount(how: &[&str], path: &Path) -> Result<()> {
    let ended = Command::new("mount").args(how).arg(path).output().context("mount")?;
    ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr).trim());
    Ok(())
}

/// Sends orders until the bridge cannot record one; nothing final may be told of that one.
async fn orders_until_refused(town: &Town, name: &str) -> Order {
    for number in 0..2000 {
        let order = Order::new(format!("{name}-{number}"), 10);
        let said = town.caller.send(&order).await.expect("an answer");
        match said.status {
            StatusCode::CREATED => {}
            StatusCode::ACCEPTED | StatusCode::SERVICE_UNAVAILABLE => return order,
            _ => panic!("{said:?}"),
        }
    }
    panic!("the full disk was not noticed")
}

#[tokio::test]
async fn a_full_disk_refuses_new_transfers_and_loses_none() {
    let Some(disk) = Disk::mount() else { return };
    let mut town =
        Town::start_on(disk.database(), Faults::default()).await.expect("the town starts");
    let before = Order::new("before", 700);
    let told = town.caller.settle(&before).await.expect("it ends");
    for (round, kill) in [("kept", false), ("killed", true)] {
        disk.fill();
        let order = orders_until_refused(&town, round).await;
        let again = town.caller.send(&before).await.expect("an answer");
        assert_eq!(again, told, "what is recorded can be read");
        if kill {
            town.bridge.kill().await.expect("it is killed");
        }
        disk.free();
        if kill {
            town.bridge.restart().await.expect("it starts again");
        }
        let ending = town.caller.ending(&order).await.expect("it ends");
        assert_eq!(ending, State::Completed, "{round}\n{}", town.bridge.log());
        count_money(&town).await;
    }
}

#[tokio::test]
async fn a_read_only_record_is_named_and_nothing_is_begun() {
    let Some(disk) = Disk::mount() else { return };
    let mut town =
        Town::start_on(disk.database(), Faults::default()).await.expect("the town starts");
    let order = Order::new("before", 700);
    let told = town.caller.settle(&order).await.expect("it ends");
    town.bridge.kill().await.expect("it is killed");
    disk.remount("ro").expect("root may");
    let refused = town.bridge.restart().await.expect_err("it cannot record");
    assert!(refused.to_string().contains("read-only"), "{refused:#}");
    let books = Statements::Books(town.securities.books_file(), town.futures.books_file());
    let audited = auditor::audit(&town, &books).await.expect("an audit");
    audited.clean().expect("a record that cannot be written can be audited");
    disk.remount("rw").expect("root may");
    town.bridge.restart().await.expect("it starts again");
    assert_eq!(town.caller.send(&order).await.expect("an answer"), told);
    count_money(&town).await;
}

#[tokio::test]
async fn a_database_server_that_is_gone_refuses_new_transfers_and_loses_none() {
    if !MariaDb::is_installed() {
        println!("LEFT OUT: MariaDB is not installed here");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = MariaDb::start(folder.path()).await.expect("a server");
    let database = Database::on_own_server(&server.url()).await.expect("a database");
    let slow = "[[rule]]\non = ['credit']\ndo = { late_ms = 300 }";
    let faults = Faults { futures: slow, ..Faults::default() };
    let town = Town::start_on(database, faults).await.expect("the town starts");
    connected(&town).await.expect("they connect");
    let begun = Order::new("begun", 700);
    let settling = tokio::spawn({
        let (caller, order) = (town.caller.clone(), begun.clone());
        async move { caller.send(&order).await }
    });
    Town::wait_for(&town.securities, Line::Debit, 1).await.expect("it is debited");
    server.kill().await.expect("it is killed");
    // Its end cannot be recorded, so nobody may be told that it has come.
    if let Ok(said) = settling.await.expect("no panic") {
        assert_ne!(said.status, StatusCode::CREATED, "{said:?}");
    }
    let refused = town.caller.send(&Order::new("refused", 10)).await.expect("an answer");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    server.restart().await.expect("it starts again");
    let ended: Told =
        town.caller.settle(&begun).await.and_then(|said| said.json()).expect("it ends");
    assert_eq!(ended.state, State::Completed, "{}", town.bridge.log());
    look(&town, "/ops/v1/transfers", |listed| {
        listed["transfers"].as_array().filter(|open| open.is_empty()).map(drop)
    })
    .await
    .expect("nothing stays open");
    count_money(&town).await;
}

/// The bridge is started before its database is there. It says so, ends when it is told to, and
/// otherwise goes on by itself; a password that is wrong ends it at once.
#[tokio::test]
async fn a_database_that_comes_late_is_waited_for() {
    if !MariaDb::is_installed() {
        println!("LEFT OUT: MariaDB is not installed here");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let place = tempfile::tempdir().expect("a folder");
    let mut server = MariaDb::start(folder.path()).await.expect("a server");
    let database = Database::on_own_server(&server.url()).await.expect("a database");
    let own = database.url().replace("bridge:bridge@", "bridge@");
    let (api, operators) = (free_address().expect("a port"), free_address().expect("a port"));
    let config = place.path().join("bridge.toml");
    let write = |password: &str| {
        fs::write(place.path().join("password"), password).expect("a file");
        let text = format!(
            "database = '{own}'\ndatabase_password_file = 'password'\n\
             [api]\nlisten = '{api}'\n[operators]\nlisten = '{operators}'\n"
        );
        fs::write(&config, text).expect("a file");
    };
    write("bridge");
    server.kill().await.expect("it is killed");
    let start = || {
        let arguments = ["serve".into(), "--config".into(), config.clone().into_os_string()];
        Process::start("bridge", place.path(), &arguments).expect("it starts")
    };
    let said = async |path: &str| -> (u16, String) {
        let within = tokio::time::timeout(READY_WITHIN, async {
            loop {
                if let Ok(answer) = system_tests::http::get(path).await {
                    return (answer.status.as_u16(), answer.text());
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
        within.await.expect("an answer")
    };

    let bridge = start();
    let (status, words) = said(&format!("http://{operators}/readyz")).await;
    assert!(status == 503 && words.contains("cannot be reached"), "{status} {words}");
    assert_eq!(said(&format!("http://{operators}/healthz")).await.0, 200);
    let (status, words) = said(&format!("http://{api}/v1/transfers")).await;
    assert!(status == 503 && words.contains("/errors/starting"), "{status} {words}");
    assert!(bridge.terminate().await.expect("it ends").success());

    let mut bridge = start();
    said(&format!("http://{operators}/readyz")).await;
    server.restart().await.expect("it starts again");
    bridge.ready().await.expect("it goes on by itself");
    assert_eq!(said(&format!("http://{operators}/readyz")).await.0, 200);
    assert!(bridge.log().contains("waiting for the database"), "{}", bridge.log());
    assert!(bridge.terminate().await.expect("it ends").success());

    write("another");
    let mut bridge = start();
    let status = bridge.ended(READY_WITHIN).await.expect("it ends by itself");
    assert_eq!(status.code(), Some(1));
    assert!(bridge.log().contains("refuses access"), "{}", bridge.log());
}

/// Counters that begin a new day every few postings: a transfer whose leg comes too late for its day is
/// sent again under the new one, and none is refused for the day's sake.
#[tokio::test]
async fn a_cut_over_refuses_nothing_for_the_days_sake() {
    let (securities, futures) = ("cut_over_after = 7", "cut_over_after = 5");
    let faults = Faults { securities, futures, ..Faults::default() };
    for kind in Kind::all() {
        let town = Town::start(kind, faults).await.expect("the town starts");
        for number in 0..12 {
            let order = Order::new(format!("day-{number}"), 10);
            let ending = town.caller.ending(&order).await.expect("it ends");
            assert_eq!(ending, State::Completed, "{number} {kind:?}\n{}", town.bridge.log());
        }
        count_money(&town).await;
    }
}
