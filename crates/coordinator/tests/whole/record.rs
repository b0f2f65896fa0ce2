//! A record that lacks something: rows, its end, or all of it.

use crate::stage::{Counter, LIMIT, Stage, account, config, counter_id};
use crate::{DEAF, DROPS_WHO_ASKS_FOR_A_BALANCE, folder};
use coordinator::events::{Event, Kind};
use coordinator::{AlarmError, BeginError, Config, Coordinator, OpenAlarm, ReadmitError};
use domain::message::{BalanceQuery, CounterId, Instruction, Reply};
use domain::money::Currency;
use domain::serial::{Role, Sequence};
use domain::transfer::{ParkReason, Phase};
use link::LinkConfig;
use port::RequestOutcome;
use std::path::Path;
use std::time::Duration;
use store::{Alarm, AlarmAbout, AlarmKind, FinalState, Part, Store, StoreError};
use tokio::time::{sleep, timeout};

/// Alters the record behind the bridge's back and says how many rows that were. On a thread of its own: the bridge runs
/// on this one, and a transaction that it has open would otherwise never end.
pub(crate) async fn alter(folder: &Path, sql: impl Into<String>) -> usize {
    let (path, sql) = (folder.join("record.sqlite"), sql.into());
    let altering = move || rusqlite::Connection::open(path)?.execute(&sql, []);
    tokio::task::spawn_blocking(altering).await.expect("it ends").expect("it is altered")
}

/// Looks until there is something, at most for [`LIMIT`].
async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, looking).await.expect("it comes")
}

/// An open transfer of which not even the order can be read is in nobody's hands: operators are told, and
/// the others go on.
#[tokio::test]
async fn an_open_transfer_that_cannot_be_read_is_told_of_and_holds_up_no_other() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let (damaged, whole) = (stage.goes_on("damaged").await, stage.goes_on("whole").await);
    stage.crediting(2).await;
    stage.stop().await;
    futures.stop().await;
    let spoil =
        format!("UPDATE transfer SET currency = '?' WHERE master_serial = {}", damaged.number());
    assert_eq!(alter(folder.path(), spoil).await, 1);

    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let told = stage.event(Kind::NeedsOperator, "an open transfer cannot be taken up").await;
    assert_eq!(told.transfer, Some(damaged), "{}", told.text);
    stage.event(Kind::Recovered, "1 open transfers are taken up again").await;
    stage.coordinator.wait(whole.sequence, LIMIT).await;
    let stored = stage.coordinator.stored(whole).await.expect("it reads").expect("there");
    assert_eq!(stored.outcome.map(|outcome| outcome.state), Some(FinalState::Completed));
    assert!(stage.coordinator.find(damaged).await.is_err(), "it is never shown");
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// Of two transfers whose credit is being made at a counter that does not dedupe, the record has lost the
/// part that says so of one. Whoever went by what is left would send a first credit, and it would be the
/// second; so it is left to a person, and the other goes on.
#[tokio::test]
async fn an_open_transfer_whose_trail_has_lost_its_end_is_left_to_a_person() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let runs_all = |options: &mut simulator::Options| options.profile.dedupes = false;
    let known = |link: &mut LinkConfig| link.profile.dedupes = link.counter.as_str() != "futures";
    let futures = Counter::with("futures", DEAF, runs_all).await;
    let stage = Stage::with_links(folder.path(), &[&securities, &futures], config(), known).await;
    let (damaged, whole) = (stage.goes_on("damaged").await, stage.goes_on("whole").await);
    stage.crediting(2).await;
    stage.stop().await;
    futures.stop().await;
    let lose = format!(
        "DELETE FROM trail WHERE master_serial = {} AND body LIKE '%\"credit_%'",
        damaged.number()
    );
    assert!(alter(folder.path(), lose).await > 0, "something said so");

    let futures = Counter::with("futures", "", runs_all).await;
    let stage = Stage::with_links(folder.path(), &[&securities, &futures], config(), known).await;
    stage.coordinator.wait(whole.sequence, LIMIT).await;
    let stored = stage.coordinator.stored(whole).await.expect("it reads").expect("there");
    assert!(stored.outcome.is_some(), "it ends by what its counters say");
    let view = stage.coordinator.live(damaged).await.expect("it is open");
    assert_eq!(view.transfer.phase, Phase::Parked(ParkReason::Illegal));
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// A record that lost what its counters have seen gives nothing out that they know, and says so.
#[tokio::test]
async fn a_record_that_is_lost_is_noticed_by_what_counters_have_seen() {
    let (first, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(first.path(), &[&securities, &futures], config()).await;
    let (master, _) = stage.ends("before").await;
    stage.stop().await;

    // One counter that has seen more is held; what it says of its serials is taken into account.
    let (second, fresh) = (folder(), Counter::start("securities", "").await);
    let stage = Stage::start(second.path(), &[&fresh, &futures], config()).await;
    let begun = stage.begin("held", LIMIT).await;
    let held = counter_id("futures");
    assert!(matches!(&begun, Err(BeginError::CounterHeld(by)) if *by == held), "{begun:?}");
    let words = "futures gets no new transfers: it says that it has seen";
    stage.event(Kind::Contradiction, words).await;
    let coordinator = &stage.coordinator;
    for (counter, why) in [("nobody", "there is no counter"), ("securities", "is not held")] {
        let refused = coordinator.held_for(&counter_id(counter)).await.expect_err("it is not held");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    two_readmit(coordinator, &held, false).await;
    let (next, told) = stage.ends("after").await;
    assert!(next.sequence > master.sequence && told.ends_with(" completed"), "{told}");
    stage.stop().await;
    fresh.stop().await;

    // Two that agree speak of the record, which begins nothing any more.
    let third = folder();
    let stage = Stage::start(third.path(), &[&securities, &futures], config()).await;
    let mut standing = stage.coordinator.standing().follow();
    let behind = standing.wait_for(coordinator::standing::State::is_behind);
    drop(tokio::time::timeout(LIMIT, behind).await.expect("in time").expect("it is found out"));
    let begun = stage.begin("behind", LIMIT).await;
    assert!(matches!(begun, Err(BeginError::RecordBehind)), "{begun:?}");
    // Nor is a counter readmitted to it, which nobody could approve: the record is released first.
    let seen = stage.coordinator.held_for(&held).await.expect("it is held");
    let (proposing, note) = ((seen.version, true), "restored on purpose".into());
    let early = stage.coordinator.propose_readmission(&held, proposing, "lin".into(), note).await;
    assert!(matches!(early, Err(ReadmitError::RecordBehind)), "{early:?}");
    stage.record_is_behind().await;
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// Two persons let a counter get new transfers again.
async fn two_readmit(coordinator: &Coordinator, held: &CounterId, move_serials: bool) {
    let seen = coordinator.held_for(held).await.expect("it is held");
    assert_eq!(seen.proposal, None);
    let (proposing, note) = ((seen.version, move_serials), || "restored on purpose".into());
    let proposal = coordinator.propose_readmission(held, proposing, "lin".into(), note()).await;
    let proposal = proposal.expect("it is proposed");
    let id = proposal.id.parse().expect("an id");
    coordinator.approve_readmission(held, id, "wang".into(), note()).await.expect("it is approved");
    assert_eq!(coordinator.readmission(held), None);
}

/// What one person proposes about a counter lets nothing through, outlives the process, and is approved by another
/// alone, for what holds the counter now.
#[tokio::test]
async fn a_counter_is_readmitted_by_two_for_what_they_have_seen() {
    let (first, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(first.path(), &[&securities, &futures], config()).await;
    stage.ends("before").await;
    stage.stop().await;
    let (second, fresh) = (folder(), Counter::start("securities", "").await);
    let stage = Stage::start(second.path(), &[&fresh, &futures], config()).await;
    let words = "futures gets no new transfers: it says that it has seen";
    stage.event(Kind::Contradiction, words).await;
    let (held, note) = (counter_id("futures"), || "restored on purpose".into());
    let seen = stage.coordinator.held_for(&held).await.expect("it is held");
    let other = coordinator::Version::try_from("0".repeat(32)).expect("a version");
    let moved =
        stage.coordinator.propose_readmission(&held, (other, false), "lin".into(), note()).await;
    assert!(matches!(&moved, Err(ReadmitError::Moved(now)) if *now == seen.version), "{moved:?}");
    let proposing = (seen.version, false);
    let proposal = stage.coordinator.propose_readmission(&held, proposing, "lin".into(), note());
    let proposal = proposal.await.expect("it is proposed");
    let again =
        stage.coordinator.propose_readmission(&held, proposing, "wang".into(), note()).await;
    assert!(matches!(&again, Err(ReadmitError::Proposed(open)) if **open == proposal), "{again:?}");
    stage.stop().await;

    // It is shown after a restart, too; a counter that is held for more by then was not looked at.
    let stage = Stage::start(second.path(), &[&fresh, &futures], config()).await;
    let coordinator = &stage.coordinator;
    assert_eq!(coordinator.readmission(&held), Some(proposal.clone()));
    let begun = stage.begin("proposed", LIMIT).await;
    assert!(matches!(begun, Err(BeginError::CounterHeld(_))), "{begun:?}");
    let id = proposal.id.parse().expect("an id");
    let own = coordinator.approve_readmission(&held, id, "lin".into(), note()).await;
    assert!(matches!(own, Err(ReadmitError::Own)), "{own:?}");
    let alone = coordinator.withdraw_readmission(&held, (id, false), "wang".into(), note()).await;
    assert!(matches!(alone, Err(ReadmitError::OfAnother(_))), "{alone:?}");
    // The counter has said the same again, at its sign-on.
    let now = coordinator.held_for(&held).await.expect("it is held");
    assert_eq!((now.version, now.proposal), (seen.version, Some(proposal.clone())));
    let withdrawn = coordinator.withdraw_readmission(&held, (id, true), "wang".into(), note());
    assert_eq!(withdrawn.await.expect("it is rejected"), proposal);
    let over = coordinator.approve_readmission(&held, id, "wang".into(), note()).await;
    assert!(matches!(over, Err(ReadmitError::NoSuchProposal)), "{over:?}");
    // One that is held for something else by then was not looked at, and the proposal is void.
    let proposal = coordinator.propose_readmission(&held, proposing, "lin".into(), note()).await;
    let id = proposal.expect("it is proposed").id.parse().expect("an id");
    let another = "UPDATE counter_hold SET why = 'another', seen = NULL";
    assert_eq!(alter(second.path(), another).await, 1);
    let moved = coordinator.approve_readmission(&held, id, "wang".into(), note()).await;
    assert!(matches!(&moved, Err(ReadmitError::Moved(_))), "{moved:?}");
    let over = coordinator.approve_readmission(&held, id, "wang".into(), note()).await;
    assert!(matches!(over, Err(ReadmitError::NoSuchProposal)), "{over:?}");
    two_readmit(coordinator, &held, false).await;
    let (_, told) = stage.ends("after").await;
    assert!(told.ends_with(" completed"), "{told}");
    stage.stop().await;
    for counter in [securities, fresh, futures] {
        counter.stop().await;
    }
}

/// An approval that the database took and never confirmed is found out by whoever looks.
#[tokio::test]
async fn a_readmission_that_was_not_confirmed_holds_nothing_any_more() {
    let (first, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(first.path(), &[&securities, &futures], config()).await;
    stage.ends("before").await;
    stage.stop().await;
    let (second, fresh) = (folder(), Counter::start("securities", "").await);
    let stage = Stage::start(second.path(), &[&fresh, &futures], config()).await;
    let words = "futures gets no new transfers: it says that it has seen";
    stage.event(Kind::Contradiction, words).await;
    let held = counter_id("futures");
    stage.coordinator.held_for(&held).await.expect("it is held");
    let readmit = "UPDATE counter_hold SET readmitted_at = 1, who = 'wang', note = 'looked'";
    assert_eq!(alter(second.path(), readmit).await, 1);
    let begun = stage.begin("held", LIMIT).await;
    assert!(matches!(begun, Err(BeginError::CounterHeld(_))), "{begun:?}");
    let looked = stage.coordinator.held_for(&held).await;
    assert!(matches!(looked, Err(ReadmitError::NotHeld(_))), "{looked:?}");
    let (_, told) = stage.ends("after").await;
    assert!(told.ends_with(" completed"), "{told}");
    stage.stop().await;
    for counter in [securities, fresh, futures] {
        counter.stop().await;
    }
}

/// What a counter has seen is held against the record at each of its sign-ons: before that is done, it
/// gets nothing new.
#[tokio::test]
async fn what_a_counter_has_seen_is_compared_whenever_it_signs_on() {
    let securities = Counter::start("securities", DROPS_WHO_ASKS_FOR_A_BALANCE).await;
    let (folder, futures) = (folder(), Counter::start("futures", "").await);
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    for session in ["first", "second", "third"] {
        let (_, told) = stage.ends(session).await;
        assert!(told.ends_with(" completed"), "{session}: {told}");
        stage.sign_on_again("securities").await;
    }
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// A counter that does not say at its sign-on how far it has seen our serials is asked what it posted,
/// and what it says counts the same; one of which that is not known is spoken of once.
#[tokio::test]
async fn one_that_does_not_say_what_it_has_seen_is_asked_for_its_entries() {
    let silent = |options: &mut simulator::Options| options.tells_highest_serial = false;
    let plan = DROPS_WHO_ASKS_FOR_A_BALANCE;
    let (first, securities) = (folder(), Counter::with("securities", plan, silent).await);
    let futures = Counter::with("futures", "", silent).await;
    let states = Config { states_all_accounts: [counter_id("futures")].into(), ..config() };
    let stage = Stage::start(first.path(), &[&securities, &futures], states.clone()).await;
    let words =
        "lacks something of securities shows only in its answers: it says neither at sign-on";
    stage.event(Kind::Notice, words).await;
    stage.ends("before").await;
    let spoken_of = |event: &Event| event.text.contains("says neither at sign-on");
    assert_eq!(
        stage.coordinator.events().follow().0.iter().filter(|one| spoken_of(one)).count(),
        1
    );
    // It is not asked again in its next session.
    stage.sign_on_again("securities").await;
    let (master, _) = stage.ends("since").await;
    assert_eq!(
        stage.coordinator.events().follow().0.iter().filter(|one| spoken_of(one)).count(),
        1
    );
    stage.stop().await;

    let (second, fresh) = (folder(), Counter::with("securities", "", silent).await);
    let stage = Stage::start(second.path(), &[&fresh, &futures], states).await;
    let words = format!(
        "futures gets no new transfers: it says that it has seen the sub serial {}",
        master.leg(Role::Credit)
    );
    stage.event(Kind::Contradiction, &words).await;
    stage.stop().await;
    for counter in [securities, fresh, futures] {
        counter.stop().await;
    }
}

/// A counter's word alone moves serials on by ten million a day; more is a person's word.
#[tokio::test]
async fn what_a_counter_has_seen_far_ahead_takes_a_person_to_be_passed() {
    let (first, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(first.path(), &[&securities, &futures], config()).await;
    let far = Sequence::new(20_000_000).expect("a number");
    stage.go_on_after(far).await;
    let (master, _) = stage.ends("before").await;
    assert!(master.sequence > far);
    stage.stop().await;

    let (second, fresh) = (folder(), Counter::start("securities", "").await);
    let stage = Stage::start(second.path(), &[&fresh, &futures], config()).await;
    stage
        .event(Kind::Contradiction, "futures gets no new transfers: it says that it has seen")
        .await;
    let (coordinator, held) = (&stage.coordinator, counter_id("futures"));
    let seen = coordinator.held_for(&held).await.expect("it is held");
    let (lin, note) = (|| "lin".into(), || "restored on purpose".into());
    let behind = coordinator.propose_readmission(&held, (seen.version, false), lin(), note()).await;
    assert!(
        matches!(&behind, Err(ReadmitError::SerialsBehind { counter, seen })
            if *counter == held && *seen == master.sequence.number()),
        "{behind:?}"
    );
    let begun = stage.begin("held", LIMIT).await;
    assert!(matches!(begun, Err(BeginError::CounterHeld(_))), "{begun:?}");
    two_readmit(coordinator, &held, true).await;
    let (next, told) = stage.ends("after").await;
    assert!(next.sequence > master.sequence && told.ends_with(" completed"), "{told}");
    stage.stop().await;
    for counter in [securities, fresh, futures] {
        counter.stop().await;
    }
}

/// Without its position file a record counts as behind: what is open is asked about, and no more.
#[tokio::test]
async fn a_record_that_is_behind_only_asks() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let master = stage.goes_on("open").await;
    stage.crediting(1).await;
    stage.stop().await;
    futures.stop().await;
    let position = std::fs::read_dir(folder.path()).expect("a folder").flatten();
    let position = position.map(|entry| entry.path());
    for path in position.filter(|path| path.to_string_lossy().contains("position")) {
        std::fs::remove_file(path).expect("it is removed");
    }

    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    assert!(stage.coordinator.standing().behind().is_some());
    // A life of which the record knows nothing may have undone it: it is never credited again.
    let view = stage.coordinator.view(master.sequence).await.expect("it is taken up");
    assert!(view.transfer.expired);
    // Several times it says that it has no word of it, and it is sent nothing.
    let asked = async {
        loop {
            let trail = stage.coordinator.trail(master).await.expect("it reads").join("\n");
            if trail.matches("credit asked about").count() > 3 {
                return trail;
            }
        }
    };
    tokio::time::timeout(LIMIT, asked).await.expect("it is asked about");
    let query = BalanceQuery { account: account("6001"), currency: Currency::CNY };
    let balance = stage.coordinator.ask(&counter_id("futures"), Instruction::Balance(query)).await;
    let Ok(RequestOutcome::Answered(Reply::Balance(balance))) = balance else {
        panic!("{balance:?}")
    };
    assert_eq!(balance.balance.map(|balance| balance.available), Some(1_000_000));
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// Money does not wait for notes of what went wrong: without its table of alarms the bridge starts, moves money, and says
/// that it does not know what was open; as soon as it can be read, that is there. A row that was altered is named once: it is
/// open no more after that, for nobody could close it.
#[tokio::test]
async fn a_bridge_whose_alarms_cannot_be_read_starts_says_so_and_reads_them_when_it_can() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    stage.ends("before").await;
    stage.stop().await;
    let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
    let store = Store::open(&url).await.expect("it opens");
    let about = AlarmAbout::Counter(counter_id("futures"));
    let known = Alarm {
        kind: AlarmKind::Notice,
        about,
        text: "x".into(),
        latest: "x".into(),
        raised_at: 1,
        last_at: 1,
        times: 1,
        acknowledged: None,
        closed: None,
    };
    store.keep_alarms(&[(None, known.clone())]).await.expect("kept");
    store.close().await;
    let lie = "INSERT INTO alarm (number, kind, about, text, latest, raised_at, last_at, times, checksum) \
               VALUES (2, 'foreign', 'counter:futures', 'x', 'x', 1, 1, 1, 0)";
    assert_eq!(alter(folder.path(), lie).await, 1);
    alter(folder.path(), "ALTER TABLE alarm RENAME TO mislaid").await;

    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    stage.ends("without alarms").await;
    let about_alarms = |stage: &Stage| {
        let open = stage.coordinator.open_alarms().into_iter();
        let about = AlarmAbout::Part(Part::Alarms);
        let mut open = open.filter(|open| open.alarm.about == about);
        let one = open.next();
        assert!(open.next().is_none());
        one.inspect(|open| assert_eq!(open.alarm.kind, AlarmKind::Defect))
    };
    let told = until(async || about_alarms(&stage)).await;
    let text = told.alarm.text.as_received();
    assert!(text.starts_with("what alarms were open cannot be read"), "{text}");
    assert_eq!(told.number, None);
    let (who, note) = ("lin".into(), "seen".into());
    // It is not said to be closed, for that is not known.
    let said = stage.coordinator.acknowledge_alarm(1, &who, &note, None).await;
    assert!(matches!(said, Err(AlarmError::Store(_))), "{said:?}");

    alter(folder.path(), "ALTER TABLE mislaid RENAME TO alarm").await;
    stage.event(Kind::Alarm, "is raised: defect: what alarms were open cannot be read").await;
    let damaged = async |stage: &Stage| {
        let closed = stage.coordinator.closed_alarms(None).await.expect("it is read");
        closed.damaged.into_iter().next()
    };
    let named = until(async || damaged(&stage).await).await;
    assert!(matches!(named, StoreError::Corrupt { key: 2, .. }), "{named:?}");
    let told = about_alarms(&stage).expect("it is open");
    let latest = told.alarm.latest.as_received();
    assert!(latest.starts_with("an alarm's row was altered, and cannot be read"), "{latest}");
    let open = stage.coordinator.open_alarms();
    assert!(open.iter().any(|open| (open.number, &open.alarm) == (Some(1), &known)), "{open:?}");
    stage.coordinator.acknowledge_alarm(1, &who, &note, None).await.expect("it is open");
    stage.stop().await;

    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    stage.ends("with alarms").await;
    assert_eq!(about_alarms(&stage), Some(told), "it was said, and is not said again");
    assert!(damaged(&stage).await.is_some(), "it is named for as long as it is there");
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// Whether the database records is told as it fails and when it is back.
#[tokio::test]
async fn operators_are_told_when_the_database_fails_and_when_it_is_back() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    stage.ends("before").await;
    let path = folder.path().join("record.sqlite");
    let locking = || {
        let record = rusqlite::Connection::open(path)?;
        record.execute_batch("BEGIN IMMEDIATE").map(|()| record)
    };
    let locked = tokio::task::spawn_blocking(locking).await.expect("it ends");
    let record = locked.expect("it is locked");
    let refused = stage.begin("meanwhile", LIMIT).await;
    assert!(matches!(refused, Err(BeginError::NotRecorded(_))), "{refused:?}");
    stage.event(Kind::Database, "the database does not record: ").await;
    // The alarm waits in memory, and is shown meanwhile.
    let away = |alarms: Vec<OpenAlarm>| {
        let mut away = alarms.into_iter().filter(|open| open.alarm.kind == AlarmKind::Database);
        let one = away.next().expect("it is open");
        assert!(away.next().is_none());
        one
    };
    let open = away(stage.coordinator.open_alarms());
    assert_eq!((open.number, open.alarm.about), (None, AlarmAbout::Bridge));
    record.execute_batch("ROLLBACK").expect("it is free");
    stage.event(Kind::Database, "the database records again").await;
    stage.event(Kind::Alarm, "is raised: database: the database does not record: ").await;
    assert!(away(stage.coordinator.open_alarms()).number.is_some());
    stage.event(Kind::Alarm, "has closed by itself: it is over: the database records").await;
    stage.ends("after").await;
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}
