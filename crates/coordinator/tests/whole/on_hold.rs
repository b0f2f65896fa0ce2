//! Counters that operators hold, drain and release, and that are asked for a new session.

use crate::persons::propose;
use crate::stage::{Counter, LIMIT, Stage, account, config, counter_id, order};
use crate::{DEAF, folder, of_credit, order_to};
use coordinator::events::Kind;
use coordinator::{
    BeginError, Begun, Config, Coordinator, HoldError, NewSessionError, Renewing, Waits,
};
use domain::message::{AnswerCode, BalanceQuery, Instruction, Reply};
use domain::money::Currency;
use domain::transfer::{Decision, State};
use foreign::ForeignText;
use port::RequestOutcome;
use port::status::State as LinkState;
use std::path::Path;
use std::time::Duration;
use store::{HoldKind, OnHold};

/// The first credit never arrives; the next one does.
const FIRST_CREDIT_LOST: &str = "[[rule]]\non = [\"credit\"]\ntimes = 1\ndo = \"drop\"\n";

fn said(words: &str) -> ForeignText {
    words.into()
}

async fn keep(coordinator: &Coordinator, kind: HoldKind, who: &str) -> Result<OnHold, HoldError> {
    coordinator.hold(&counter_id("futures"), kind, &said(who), &said("their release")).await
}

async fn release(coordinator: &Coordinator, who: &str) -> Result<OnHold, HoldError> {
    coordinator.release(&counter_id("futures"), None, &said(who), &said("it is done")).await
}

fn is_refused(begun: &Result<Begun, BeginError>) -> bool {
    matches!(begun, Err(BeginError::CounterHeld(counter)) if *counter == counter_id("futures"))
}

/// Waits until a connection of the futures counter stands so.
async fn until(stage: &Stage, wanted: LinkState) {
    let counters = stage.coordinator.counters();
    let mut shown = counters.get(&counter_id("futures")).expect("a counter").follow();
    let reached = shown.wait_for(|now| now.connections[0].state == wanted);
    tokio::time::timeout(LIMIT, reached).await.expect("in time").expect("it is there");
}

/// Waits until the drain of the futures counter waits for so much.
async fn waits_for(stage: &Stage, moving: usize, parked: usize) {
    let reached = async {
        let waits = Some(Waits { moving, parked });
        while stage.coordinator.drain_waits(&counter_id("futures")) != waits {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, reached).await.expect("it waits for that");
}

#[tokio::test]
async fn a_held_counter_gets_nothing_new_over_a_restart_and_what_is_begun_ends() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", FIRST_CREDIT_LOST).await;
    let other = Counter::start("other", "").await;
    let counters = [&securities, &futures, &other];
    // Nothing is known of the credit before this is over.
    let slow = || Config { posting_deadline: Duration::from_secs(1), ..config() };
    let stage = Stage::start(folder.path(), &counters, slow()).await;
    let open = stage.goes_on("open").await;
    let coordinator = &stage.coordinator;
    let (nowhere, lin) = (counter_id("nowhere"), said("lin"));
    let unknown = coordinator.hold(&nowhere, HoldKind::Hold, &lin, &lin);
    assert!(matches!(unknown.await, Err(HoldError::UnknownCounter(_))));
    assert!(matches!(release(coordinator, "lin").await, Err(HoldError::NotOnHold(_))));
    let held = keep(coordinator, HoldKind::Hold, "wang").await.expect("it is held");
    let again = keep(coordinator, HoldKind::Hold, "lin").await.expect("it is the same");
    assert_eq!((&again, held.who.as_received()), (&held, "wang"));
    stage.event(Kind::Held, "wang holds futures, which gets no new transfers: their release").await;

    assert!(is_refused(&stage.begin("new", LIMIT).await));
    let from = coordinator::Begin { order: swapped("back"), ..order("back") };
    assert!(is_refused(&coordinator.begin(from, LIMIT).await), "nor is anything taken from it");
    let elsewhere = coordinator.begin(order_to("elsewhere", "other"), LIMIT).await;
    assert!(matches!(elsewhere, Ok(Begun::Final { .. })), "{elsewhere:?}");
    // What was begun before goes on: the counter is asked about the credit, and has it again.
    coordinator.wait(open.sequence, LIMIT).await;
    let stored = coordinator.stored(open).await.expect("it reads").expect("there");
    assert!(stored.outcome.is_some());
    assert!(matches!(stage.begin("open", LIMIT).await, Ok(Begun::Final { replayed: true, .. })));
    stage.stop().await;

    let stage = Stage::start(folder.path(), &counters, slow()).await;
    assert_eq!(stage.coordinator.standing().on_hold(&counter_id("futures")), Some(held.clone()));
    assert!(is_refused(&stage.begin("new", LIMIT).await));
    let balance = BalanceQuery { account: account("6001"), currency: Currency::CNY };
    let asked = stage.coordinator.ask(&counter_id("futures"), Instruction::Balance(balance)).await;
    assert!(matches!(asked, Ok(RequestOutcome::Answered(_))), "it can be asked: {asked:?}");
    assert_eq!(release(&stage.coordinator, "lin").await.expect("it is released"), held);
    stage.event(Kind::Held, "lin has released futures: it is done").await;
    assert!(matches!(stage.begin("new", LIMIT).await, Ok(Begun::Final { replayed: false, .. })));
    stage.stop().await;

    let stage = Stage::start(folder.path(), &counters, slow()).await;
    assert_eq!(stage.coordinator.standing().on_hold(&counter_id("futures")), None);
    stage.stop().await;
    for counter in [securities, futures, other] {
        counter.stop().await;
    }
}

/// What somebody does to the record while the bridge cannot write to it, and has in it before the bridge can again.
struct Locked(rusqlite::Connection);

impl Locked {
    /// On a thread of its own: what the bridge has under way has to end first, on this one.
    async fn with(folder: &Path, sql: &'static str) -> Locked {
        let path = folder.join("record.sqlite");
        let locking = move || {
            let record = rusqlite::Connection::open(path)?;
            record.busy_timeout(LIMIT)?;
            record.execute_batch("BEGIN IMMEDIATE")?;
            record.execute(sql, []).map(|_| record)
        };
        let locked = tokio::task::spawn_blocking(locking).await.expect("it ends");
        Locked(locked.expect("it is locked"))
    }

    fn done(self) {
        self.0.execute_batch("COMMIT").expect("it is recorded");
    }
}

/// Nobody waits any more for the database's answer to a hold or a release: what it has recorded is in force once it can be
/// asked, and until then it is said that this is not known.
#[tokio::test]
async fn what_the_database_took_without_saying_so_is_in_force_once_it_answers() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let coordinator = &stage.coordinator;
    let known = async || {
        while !coordinator.is_hold_known(&counter_id("futures")) {
            tokio::task::yield_now().await;
        }
    };
    let held = "INSERT INTO operator_hold (counter, held_at, kind, who, note, released_at) \
                VALUES ('futures', 7, 'hold', 'wang', 'their release', 0)";
    let record = Locked::with(folder.path(), held).await;
    let keeping = keep(coordinator, HoldKind::Hold, "wang");
    let left = tokio::time::timeout(Duration::from_millis(1), keeping).await;
    assert!(left.is_err(), "{left:?}");
    assert!(!coordinator.is_hold_known(&counter_id("futures")));
    assert!(coordinator.is_hold_known(&counter_id("securities")), "nothing was said of it");
    stage.event(Kind::Held, "the database has not said whether it took what was said last").await;
    record.done();
    let words = "has answered what it took of holds: wang holds futures, which gets no new";
    stage.event(Kind::Held, words).await;
    tokio::time::timeout(LIMIT, known()).await.expect("it is known again");
    let shown = coordinator.standing().on_hold(&counter_id("futures")).expect("it is held");
    assert_eq!((shown.since, shown.who.as_received()), (7, "wang"));
    assert!(is_refused(&stage.begin("held", LIMIT).await));

    // It is released, and whoever said so has left before it is known.
    let released = "UPDATE operator_hold SET released_at = 8, released_by = 'lin'";
    let record = Locked::with(folder.path(), released).await;
    let left = tokio::time::timeout(Duration::from_millis(1), release(coordinator, "lin")).await;
    assert!(left.is_err(), "{left:?}");
    assert!(!coordinator.is_hold_known(&counter_id("futures")));
    assert!(coordinator.is_hold_known(&counter_id("securities")), "nothing was said of it");
    record.done();
    stage.event(Kind::Held, "no operator keeps futures from new transfers any more").await;
    tokio::time::timeout(LIMIT, known()).await.expect("it is known again");
    stage.ends("released").await;
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// A row that nobody can read hides no other, and lets no new money go where somebody kept it away, now or after a
/// restart. Whoever says something of the counter mends it.
#[tokio::test]
async fn a_hold_that_cannot_be_read_keeps_its_counter_and_the_others_are_followed() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let other = Counter::start("other", "").await;
    let counters = [&securities, &futures, &other];
    let stage = Stage::start(folder.path(), &counters, config()).await;
    let coordinator = &stage.coordinator;
    let spoilt = "INSERT INTO operator_hold (counter, held_at, kind, who, note, released_at) \
                  VALUES ('futures', 7, 'nap', 'wang', 'their release', 0), \
                         ('other', 8, 'hold', 'wang', 'their release', 0)";
    let record = Locked::with(folder.path(), spoilt).await;
    let left = tokio::time::timeout(Duration::from_millis(1), release(coordinator, "lin")).await;
    assert!(left.is_err(), "{left:?}");
    record.done();
    stage.event(Kind::Held, "what is recorded of futures's hold cannot be read").await;
    stage.event(Kind::Held, "wang holds other, which gets no new transfers").await;
    assert!(coordinator.is_hold_known(&counter_id("futures")), "it is read, and no more than that");
    assert!(is_refused(&stage.begin("new", LIMIT).await));
    stage.stop().await;

    let stage = Stage::start(folder.path(), &counters, config()).await;
    stage.event(Kind::Held, "what is recorded of futures's hold cannot be read").await;
    assert!(is_refused(&stage.begin("new", LIMIT).await));
    release(&stage.coordinator, "lin").await.expect("it is released");
    stage.ends("new").await;
    stage.stop().await;
    for counter in [securities, futures, other] {
        counter.stop().await;
    }
}

/// Of whom a recorded hold is cannot be read: nobody is let go on by that.
#[tokio::test]
async fn a_hold_of_nobody_known_lets_no_counter_go_on() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let coordinator = &stage.coordinator;
    keep(coordinator, HoldKind::Hold, "wang").await.expect("it is held");
    let spoilt = "UPDATE operator_hold SET counter = 'No Counter'";
    let record = Locked::with(folder.path(), spoilt).await;
    let keeping = keep(coordinator, HoldKind::Drain, "wang");
    let left = tokio::time::timeout(Duration::from_millis(1), keeping).await;
    assert!(left.is_err(), "{left:?}");
    record.done();
    stage.event(Kind::Held, "cannot be read which counter a recorded hold is of").await;
    stage.event(Kind::Held, "what it took of holds").await;
    assert!(is_refused(&stage.begin("new", LIMIT).await));
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// The database did not come to keep it: whoever said it is told so, and there is nothing to find out.
#[tokio::test]
async fn what_certainly_was_not_recorded_is_said_to_be_so() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let coordinator = &stage.coordinator;
    let record = Locked::with(folder.path(), "DELETE FROM operator_hold").await;
    let refused = keep(coordinator, HoldKind::Hold, "wang").await;
    assert!(matches!(refused, Err(HoldError::Store(_))), "{refused:?}");
    assert!(coordinator.is_hold_known(&counter_id("futures")));
    record.done();
    stage.ends("goes on").await;
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// Whoever repeats a release late lifts nobody's newer hold.
#[tokio::test]
async fn a_release_that_names_a_hold_lifts_no_newer_one() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let coordinator = &stage.coordinator;
    let held = keep(coordinator, HoldKind::Hold, "wang").await.expect("it is held");
    let (id, wang, note) = (counter_id("futures"), said("wang"), said("they are done"));
    let release = async || coordinator.release(&id, Some(held.since), &wang, &note).await;
    assert_eq!(release().await.expect("it is released"), held);
    assert!(matches!(release().await, Err(HoldError::NotOnHold(_))), "said again");
    let newer = keep(coordinator, HoldKind::Drain, "lin").await.expect("it is drained");
    match release().await {
        Err(HoldError::Another(other)) => assert_eq!(*other, newer),
        released => panic!("{released:?}"),
    }
    assert_eq!(coordinator.standing().on_hold(&id), Some(newer));
    assert!(is_refused(&stage.begin("held", LIMIT).await));
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// Each change is a row and may be a reconnect. What keeps new transfers away is never refused for it, nor does what
/// changes nothing count.
#[tokio::test]
async fn a_hold_is_changed_eight_times_at_once_and_a_free_counter_is_held_at_any_time() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let coordinator = &stage.coordinator;
    let (id, wang) = (counter_id("futures"), said("wang"));
    let first = keep(coordinator, HoldKind::Hold, "wang").await.expect("it is held");
    for kind in [HoldKind::Drain, HoldKind::Hold].into_iter().cycle().take(7) {
        keep(coordinator, kind, "lin").await.expect("it is changed");
        keep(coordinator, kind, "wang").await.expect("it is the same");
        let late = coordinator.release(&id, Some(first.since), &wang, &wang).await;
        assert!(matches!(late, Err(HoldError::Another(_))), "{late:?}");
    }
    release(coordinator, "wang").await.expect("it is released");
    keep(coordinator, HoldKind::Drain, "wang").await.expect("it is drained at any time");
    for refused in
        [release(coordinator, "wang").await, keep(coordinator, HoldKind::Hold, "wang").await]
    {
        assert!(matches!(refused, Err(HoldError::TooSoon { .. })), "{refused:?}");
    }
    assert!(is_refused(&stage.begin("held", LIMIT).await), "it stays drained");
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// The other way round than usual.
fn swapped(key: &str) -> domain::order::Order {
    let usual = order(key).order;
    domain::order::Order { from: usual.to, to: usual.from, ..usual }
}

/// However many come at the same moment: once somebody is told that it is held, nothing begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn once_a_hold_is_told_nothing_begins() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let mut callers = Vec::new();
    for number in 0..200 {
        let coordinator = stage.coordinator.clone();
        callers.push(tokio::spawn(async move {
            let begun = coordinator.begin(order(&format!("key-{number}")), LIMIT).await;
            (begun.is_ok(), is_refused(&begun))
        }));
    }
    keep(&stage.coordinator, HoldKind::Drain, "wang").await.expect("it is held");
    let (mut begun, mut refused) = (0, 0);
    // Whatever was begun is seen by the drain: it is signed off once all of it has ended.
    until(&stage, LinkState::Drained).await;
    assert_eq!(stage.coordinator.open(), 0);
    for caller in callers {
        let (is_begun, is_refused) = caller.await.expect("no panic");
        begun += usize::from(is_begun);
        refused += usize::from(is_refused);
    }
    assert_eq!(begun + refused, 200, "{begun} and {refused}");
    assert!(is_refused(&stage.begin("late", LIMIT).await));
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

#[tokio::test]
async fn a_drained_counter_is_signed_off_when_nothing_moves_there_and_back_for_what_does() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let counters = [&securities, &futures];
    let parks = Config { patience: 10, query_deadline: Duration::from_millis(200), ..config() };
    let stage = Stage::start(folder.path(), &counters, parks.clone()).await;
    let master = stage.goes_on("open").await;
    let drained = keep(&stage.coordinator, HoldKind::Drain, "wang").await.expect("it is drained");
    waits_for(&stage, 1, 0).await;
    assert!(is_refused(&stage.begin("new", LIMIT).await));
    // Once it waits for a person, nothing keeps the connections.
    waits_for(&stage, 0, 1).await;
    stage.event(Kind::Held, "futures is drained: nothing needs it").await;
    until(&stage, LinkState::Drained).await;
    stage.stop().await;

    // It stays so after a restart.
    let stage = Stage::without_waiting(folder.path(), &counters, parks.clone()).await;
    assert_eq!(stage.coordinator.standing().on_hold(&counter_id("futures")), Some(drained.clone()));
    let (waiting, _) = stage.coordinator.oldest(Some(State::NeedsOperator), 9).await;
    let is_parked = waiting.first().is_some_and(|view| view.transfer.intent.master == master);
    assert!(is_parked, "it still waits: {waiting:?}");
    until(&stage, LinkState::Drained).await;

    // Two decide that it goes on: the counter is asked again, for as long as that takes.
    let proposed = propose(&stage.coordinator, master, Decision::Resume, "wang").await;
    let id = proposed.expect("it is proposed").id;
    let approved = stage.coordinator.approve(master, id, said("lin"), said("seen")).await;
    approved.expect("it is approved");
    stage.event(Kind::Held, "comes back for what was decided").await;
    waits_for(&stage, 0, 1).await;
    until(&stage, LinkState::Drained).await;
    let link = stage.coordinator.counters().get(&counter_id("futures")).expect("a counter");
    assert!(link.snapshot().counts.sign_ons > 0 && link.snapshot().counts.drops == 0);

    // A hold instead: connected again, and what waits ends by what is proven.
    let held = keep(&stage.coordinator, HoldKind::Hold, "lin").await.expect("it is held");
    assert_eq!((held.kind, held.who.as_received()), (HoldKind::Hold, "lin"));
    until(&stage, LinkState::Up).await;
    assert!(is_refused(&stage.begin("new", LIMIT).await));
    let done = of_credit(&stage, master, AnswerCode::DONE).await;
    stage.say("futures", Reply::Posting(done)).await;
    stage.coordinator.wait(master.sequence, LIMIT).await;
    keep(&stage.coordinator, HoldKind::Drain, "lin").await.expect("it is drained");
    waits_for(&stage, 0, 0).await;
    until(&stage, LinkState::Drained).await;
    release(&stage.coordinator, "wang").await.expect("it is released");
    until(&stage, LinkState::Up).await;
    assert_eq!(stage.coordinator.drain_waits(&counter_id("futures")), None);
    stage.goes_on("new").await;
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

#[tokio::test]
async fn a_counter_that_cannot_fence_signs_on_anew_when_somebody_wants_it() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::with("futures", "", |options| options.profile.can_fence = false).await;
    let counters = [&securities, &futures];
    let stage = Stage::with_links(folder.path(), &counters, config(), |link| {
        link.profile.can_fence = link.counter.as_str() != "futures";
        link.timers.renewal = Duration::from_millis(10);
    });
    let stage = stage.await;
    let coordinator = &stage.coordinator;
    let wang = said("wang");
    let fences = coordinator.new_session(&counter_id("securities"), &wang);
    assert_eq!(fences, Err(NewSessionError::CanFence(counter_id("securities"))));
    let nowhere = coordinator.new_session(&counter_id("nowhere"), &wang);
    assert_eq!(nowhere, Err(NewSessionError::UnknownCounter(counter_id("nowhere"))));
    let link = coordinator.counters().get(&counter_id("futures")).expect("a counter");
    let former = link.session_began();
    let begins = coordinator.new_session(&counter_id("futures"), &wang);
    assert_eq!(begins, Ok(Renewing { connections: 1, signed_on: 1 }));
    stage.event(Kind::Held, "wang has futures sign on anew").await;
    let soon = coordinator.new_session(&counter_id("futures"), &wang);
    assert!(matches!(soon, Err(NewSessionError::TooSoon { .. })), "{soon:?}");
    let renewed = async {
        while !link.is_up() || link.session_began() == former {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, renewed).await.expect("it signs on anew");
    let shown = link.snapshot();
    assert_eq!((shown.counts.sign_ons, shown.counts.drops), (2, 0), "in order");
    futures.stop().await;
    let gone = async {
        while link.session_began().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.expect("it is gone");
    let down = coordinator.new_session(&counter_id("futures"), &wang);
    assert_eq!(down, Err(NewSessionError::NotConnected(counter_id("futures"))));
    stage.stop().await;
    securities.stop().await;
}
