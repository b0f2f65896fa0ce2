//! A record that lost its end: noticed at the next start or connection, whatever was lost, and ended
//! by a release.

use super::*;
use crate::{Options, RecordStanding, Release, ReleaseError, release, status};
use std::path::{Path, PathBuf};

/// A SQLite record and its position file.
struct Place {
    _folder: tempfile::TempDir,
    record: PathBuf,
    position: PathBuf,
    url: String,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let record = folder.path().join("bridge.sqlite");
        let position = folder.path().join("bridge.sqlite.position");
        let url = format!("sqlite://{}", record.display());
        Place { _folder: folder, record, position, url }
    }

    async fn open(&self) -> Store {
        Store::open(&self.url).await.expect("opens")
    }

    /// Opens, records these transfers one batch after another, and closes.
    async fn record(&self, sequences: std::ops::Range<u64>) {
        let store = self.open().await;
        let mut desk = Desk::of(&store);
        for sequence in sequences {
            desk.record(vec![simple(sequence)]).await;
        }
        store.close().await;
    }

    /// All that SQLite keeps.
    fn copy_to(&self, name: &str) -> PathBuf {
        let copy = self.record.with_file_name(name);
        std::fs::copy(&self.record, &copy).expect("a copy");
        copy
    }

    fn put_back(&self, copy: &Path) {
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.record.display()));
        }
        // Another file under the name: a handle that is just being closed must not write to it.
        std::fs::remove_file(&self.record).expect("removed");
        std::fs::copy(copy, &self.record).expect("put back");
    }

    /// Why the record is behind when it is opened now; nothing if it is not.
    async fn behind(&self) -> String {
        let store = self.open().await;
        let standing = store.standing().borrow().clone();
        store.close().await;
        match standing {
            RecordStanding::Current => String::new(),
            RecordStanding::Behind { why } => why,
        }
    }

    async fn release(&self, skip_serials: Option<u64>) -> Result<String, ReleaseError> {
        let said = Release {
            who: "lin".to_owned(),
            approved_by: "wang".to_owned(),
            reason: "counters were asked".to_owned(),
            skip_serials,
        };
        release(&self.url, &Options::default(), &said).await
    }
}

#[tokio::test]
async fn a_record_that_goes_on_is_current() {
    let place = Place::new();
    assert_eq!(place.behind().await, "");
    place.record(1..4).await;
    place.record(4..6).await;
    assert_eq!(place.behind().await, "");
    let told = status(&place.url, &Options::default()).await.expect("a status");
    assert_eq!((told.recorded, told.told, told.releases), (Some(5), Some(5), 0));
    assert!(matches!(place.release(None).await, Err(ReleaseError::NotBehind)));
}

/// How many batches a life has written besides its transfers is its own affair: the copy lacks some, or
/// would give out serials again.
fn names_what_is_missing(why: &str) -> bool {
    why.contains("batches are missing") || why.contains("were given out already")
}

#[tokio::test]
async fn an_older_copy_is_behind_until_it_is_released() {
    let place = Place::new();
    place.record(1..4).await;
    let store = place.open().await;
    assert_eq!(store.lease_serials(100).await, Ok(1..101));
    // Whether it was withdrawn since, the copy does not know.
    let proposal = crate::Readmission {
        id: "a".repeat(32),
        counter: CounterId::new("futures").expect("a counter"),
        version: "b".repeat(32),
        move_serials: false,
        who: "lin".into(),
        note: "looked".into(),
        at: 1,
        until: i64::MAX,
    };
    store.propose_readmission(&proposal).await.expect("it is kept");
    store.close().await;
    let copy = place.copy_to("copy");
    let store = place.open().await;
    assert_eq!(store.lease_serials(100).await, Ok(101..201));
    store.close().await;
    place.record(4..9).await;
    place.put_back(&copy);

    let why = place.behind().await;
    assert!(names_what_is_missing(&why), "{why}");
    // It goes on being written, for what it takes up is asked about; and stays behind.
    place.record(20..30).await;
    let why = place.behind().await;
    assert!(names_what_is_missing(&why), "{why}");
    let told = status(&place.url, &Options::default()).await.expect("a status");
    assert_eq!((told.recorded, told.told), (Some(3), Some(8)));
    assert_eq!((told.next_serial, told.told_next_serial), (101, Some(201)));

    let missing = place.release(None).await.expect("released");
    assert!(names_what_is_missing(&missing), "{missing}");
    let store = place.open().await;
    assert_eq!(*store.standing().borrow(), RecordStanding::Current);
    assert_eq!(store.lease_serials(10).await, Ok(201..211), "no serial is given out twice");
    assert_eq!(store.readmissions().await, Ok(Vec::new()));
    assert!(store.is_doubted(master(29)), "it was there when the record was released");
    assert!(!store.is_doubted(on_day(20_261_122, 201)));
    store.close().await;
    assert!(matches!(place.release(None).await, Err(ReleaseError::NotBehind)));
    // The copy again is behind once more.
    place.put_back(&copy);
    assert!(place.behind().await.contains("released 0 times"), "{}", place.behind().await);
    let told = status(&place.url, &Options::default()).await.expect("a status");
    assert_eq!(told.releases, 0);
}

#[tokio::test]
async fn without_its_position_file_a_record_is_behind() {
    let place = Place::new();
    place.record(1..4).await;
    std::fs::remove_file(&place.position).expect("removed");
    assert!(place.behind().await.contains("is missing"));
    assert!(!place.position.exists(), "nothing pretends that it was there");
    let refused = place.release(None).await;
    assert!(matches!(refused, Err(ReleaseError::SerialsUnknown(_))), "{refused:?}");
    place.release(Some(1_000_000)).await.expect("released");
    let store = place.open().await;
    assert_eq!(*store.standing().borrow(), RecordStanding::Current);
    assert_eq!(store.lease_serials(1).await, Ok(1_000_001..1_000_002));
    store.close().await;

    std::fs::write(&place.position, "torn").expect("written");
    assert!(place.behind().await.contains("is damaged"));
    place.release(Some(1)).await.expect("released");
    assert_eq!(place.behind().await, "");
}

#[tokio::test]
async fn another_record_in_its_place_is_behind() {
    let place = Place::new();
    place.record(1..4).await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", place.record.display()));
    }
    assert!(place.behind().await.contains("the record is empty"), "{}", place.behind().await);
    place.release(Some(1_000)).await.expect("released");
    assert_eq!(place.behind().await, "");
}

#[tokio::test]
async fn half_of_a_log_that_is_cut_off_is_noticed() {
    let place = Place::new();
    let store = place.open().await;
    let mut desk = Desk::of(&store);
    // More of the log than what made the tables.
    for sequence in 1..120 {
        desk.record(vec![simple(sequence)]).await;
    }
    // As a crash leaves it, and then half of the log is gone.
    let log = PathBuf::from(format!("{}-wal", place.record.display()));
    let crashed = Place::new();
    std::fs::copy(&place.record, &crashed.record).expect("a copy");
    std::fs::copy(&place.position, &crashed.position).expect("a copy");
    let content = std::fs::read(&log).expect("a log");
    let copy = PathBuf::from(format!("{}-wal", crashed.record.display()));
    std::fs::write(&copy, &content).expect("a log");
    assert_eq!(crashed.behind().await, "", "all of it is there");
    let crashed = Place::new();
    std::fs::copy(&place.record, &crashed.record).expect("a copy");
    std::fs::copy(&place.position, &crashed.position).expect("a copy");
    let copy = PathBuf::from(format!("{}-wal", crashed.record.display()));
    std::fs::write(&copy, &content[..content.len() / 2]).expect("a log");
    assert!(crashed.behind().await.contains("missing"), "{}", crashed.behind().await);
    store.close().await;
}

/// However often a record is released, what is written from then on is told from what was before.
#[tokio::test]
async fn each_release_begins_a_lineage_of_its_own() {
    let place = Place::new();
    place.record(1..4).await;
    for lineage in 2..5 {
        std::fs::remove_file(&place.position).expect("removed");
        place.release(Some(1_000)).await.expect("released");
        let record = rusqlite::Connection::open(&place.record).expect("it opens");
        for sql in
            ["SELECT MAX(lineage) FROM record_release", "SELECT MAX(lineage) FROM node_position"]
        {
            let newest: i64 = record.query_row(sql, [], |row| row.get(0)).expect("a lineage");
            assert_eq!(newest, lineage, "{sql}");
        }
        drop(record);
        place.record(lineage.unsigned_abs() * 10..lineage.unsigned_abs() * 10 + 1).await;
    }
}

/// The database is put back while the bridge runs: the next batch does not follow the last.
#[tokio::test]
async fn a_record_that_goes_back_while_it_is_written_is_noticed() {
    let place = Place::new();
    let store = place.open().await;
    let mut desk = Desk::of(&store);
    desk.record(vec![simple(1)]).await;
    let sql = "UPDATE node_position SET number = number - 1";
    store.journal().execute(sql).await.expect("an accident");
    desk.record(vec![simple(2)]).await;
    let mut standing = store.standing();
    patiently(standing.wait_for(|standing| *standing != RecordStanding::Current))
        .await
        .expect("a journal");
    store.close().await;
    assert!(place.behind().await.contains("answers with batch 0"), "{}", place.behind().await);
}

/// Counters have found out: it is remembered.
#[tokio::test]
async fn what_is_declared_behind_stays_so() {
    let place = Place::new();
    let store = place.open().await;
    Desk::of(&store).record(vec![simple(1)]).await;
    store.journal().fall_behind("two counters have seen serial 900".to_owned());
    assert_ne!(*store.standing().borrow(), RecordStanding::Current);
    store.close().await;
    assert!(place.behind().await.contains("two counters have seen"));
    place.release(None).await.expect("released");
    assert_eq!(place.behind().await, "");
}

/// A record of the version before this one has no position yet, and its rows no checksums.
#[tokio::test]
async fn a_record_of_an_earlier_version_is_given_a_position() {
    let place = Place::new();
    let address = crate::address::Address::parse(&place.url).expect("a URL");
    let connection = crate::connect::writer(&address);
    let _ = connection.close().await;
    let earlier = crate::connect::writer(&{
        crate::connect::probe(&address).await.expect("made");
        address.clone()
    });
    crate::migration::run_first(&earlier, 2).await;
    let row = "INSERT INTO transfer (master_serial, app, idempotency_key, fingerprint, debit_serial, \
               credit_serial, from_counter, from_account, to_counter, to_account, amount, currency, \
               debit_day, credit_day, credit_barrier, created_at, deadline_at) VALUES \
               (2026112100000000001, X'73', X'6b', zeroblob(32), 11, 12, 'securities', '1', \
               'futures', '2', 5, 'CNY', 20261121, 20261121, 0, 1, 2)";
    sea_orm::ConnectionTrait::execute_unprepared(&earlier, row).await.expect("a row");
    let open = "INSERT INTO open_transfer (master_serial, state) VALUES (2026112100000000001, 1)";
    sea_orm::ConnectionTrait::execute_unprepared(&earlier, open).await.expect("a row");
    earlier.close().await.expect("closed");
    let options = Options { position: Some(place.position.clone()) };
    let looked_at = status(&place.url, &options).await.expect_err("no position");
    assert!(matches!(looked_at, crate::OpenError::EarlierRecord { .. }), "{looked_at}");
    // The bridge of that version holds its file by nothing but having it open.
    let beside = crate::connect::readers(&address);
    let asked = "SELECT state FROM open_transfer";
    crate::position::rows::one(&beside, asked, []).await.expect("asks");
    let refused = Store::open_with(&place.url, &options).await.err().expect("another is there");
    assert!(
        matches!(&refused, crate::OpenError::Held { by, .. } if by == "this very process"),
        "{refused}"
    );
    let untouched = status(&place.url, &options).await.expect_err("no position");
    assert!(matches!(untouched, crate::OpenError::EarlierRecord { .. }), "{untouched}");
    beside.close().await.expect("closed");
    assert_eq!(place.behind().await, "");
    assert!(place.position.exists());
    place.record(2..4).await;
    let store = place.open().await;
    assert_eq!(store.open_transfers(None, 10).await.expect("asks").len(), 3);
    store.close().await;
}

#[tokio::test]
async fn where_there_is_no_record_that_is_said() {
    let place = Place::new();
    let url = place.url.as_str();
    let nothing = status(url, &Options::default()).await.expect_err("no file");
    assert!(nothing.to_string().contains("there is no such file"), "{nothing}");
    std::fs::write(&place.record, "").expect("an empty file");
    let empty = status(url, &Options::default()).await.expect_err("no tables");
    assert!(matches!(empty, crate::OpenError::NoRecord { .. }), "{empty}");
    std::fs::write(&place.record, "no database".repeat(99)).expect("a file");
    let other = status(url, &Options::default()).await.expect_err("something else");
    assert!(matches!(other, crate::OpenError::NotADatabase { .. }), "{other}");
    assert!(other.to_string().contains("not a database"), "{other}");
    // Another program's has a table of that name, too.
    let anothers = |sql: &'static str| async {
        let _ = std::fs::remove_file(&place.record);
        let address = crate::address::Address::parse(&place.url).expect("a URL");
        crate::connect::probe(&address).await.expect("made");
        let strange = crate::connect::writer(&address);
        sea_orm::ConnectionTrait::execute_unprepared(&strange, sql).await.expect("a table");
        strange.close().await.expect("closed");
        status(url, &Options::default()).await.expect_err("no record")
    };
    let another = anothers("CREATE TABLE transfer (id INTEGER)").await;
    assert!(matches!(another, crate::OpenError::NoRecord { .. }), "{another}");
    // A database that fails otherwise is one.
    let strange = anothers("CREATE TABLE record_identity (name TEXT)").await;
    assert!(matches!(strange, crate::OpenError::Unavailable { .. }), "{strange}");
}

on_each_database!(a_commit_whose_answer_was_lost_is_where_the_record_goes_on,);

/// A new connection finds the record one batch further than was told: that is the batch that was on its
/// way. More than that is not ours.
async fn a_commit_whose_answer_was_lost_is_where_the_record_goes_on(url: String) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { position: Some(folder.path().join("position")) };
    for (sql, is_current) in [
        ("UPDATE node_position SET number = number + 1", true),
        ("UPDATE node_position SET number = number + 2", false),
    ] {
        let store = Store::open_with(&url, &options).await.expect("opens");
        let mut desk = Desk::of(&store);
        store.journal().execute(sql).await.expect("what another connection left");
        let sequence = if is_current { 1 } else { 2 };
        desk.record(vec![simple(sequence)]).await;
        desk.record(vec![trail(master(sequence), 0, "debited")]).await;
        let standing = store.standing().borrow().clone();
        assert_eq!(standing == RecordStanding::Current, is_current, "{standing:?}");
        store.close().await;
    }
}
