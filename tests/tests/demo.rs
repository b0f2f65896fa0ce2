//! The newcomer's first command.

use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use system_tests::database::{Database, Kind};
use system_tests::process::{Process, program};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// It promises a minute; a loaded machine is given two.
const WITHIN: Duration = Duration::from_mins(2);

#[tokio::test]
async fn the_demo_shows_every_ending_and_ends_well() {
    for kind in Kind::all() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::create(kind, folder.path()).await.expect("a database");
        let arguments = ["demo", "--once", "--database", database.url()];
        let mut demo = Process::start("demo", folder.path(), &arguments).expect("it starts");
        let status = demo.ended(WITHIN).await.expect("it ends");
        assert!(status.success(), "{kind:?} {status}\n{}", demo.log());
    }
}

#[tokio::test]
async fn a_demo_that_stays_takes_its_counters_along_when_it_is_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = Command::new(program().expect("the program"))
        .arg("demo")
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(demo.stdout.take().expect("its output")).lines();
    let mut counters: Vec<PathBuf> = Vec::new();
    let stays = async {
        while let Some(line) = lines.next_line().await.expect("text") {
            if let Some((_, rest)) = line.split_once("a counter of its own: process ") {
                let (process, _) = rest.split_once(',').expect("a process and an address");
                counters.push(PathBuf::from(format!("/proc/{process}")));
            }
            // What comes last: how two end the transfer that waits for them.
            if line.contains("--approve PROPOSAL") {
                return true;
            }
        }
        false
    };
    assert!(timeout(WITHIN, stays).await.expect("in time"), "it ended by itself");
    assert_eq!(counters.iter().filter(|counter| counter.exists()).count(), 2, "{counters:?}");
    let process = i32::try_from(demo.id().expect("it runs")).ok().and_then(Pid::from_raw);
    kill_process(process.expect("a process"), Signal::TERM).expect("it is told");
    let status = timeout(WITHIN, demo.wait()).await.expect("in time").expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(counters.iter().filter(|counter| counter.exists()).count(), 0, "{counters:?}");
}
