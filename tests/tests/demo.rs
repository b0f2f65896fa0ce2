//! The newcomer's first command.

use std::time::Duration;
use system_tests::database::{Database, Kind};
use system_tests::process::Process;

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
