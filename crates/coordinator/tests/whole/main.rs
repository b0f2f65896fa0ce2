//! The coordinator as a whole, as those who hold it see it: over a real record, and real links to
//! simulated counters.

mod stage;

use coordinator::accusations::Fault;
use coordinator::events::{Event, Kind};
use coordinator::{BeginError, Begun, Config, DecideError, Found, ReadmitError};
use domain::message::{Answer, AnswerCode, BalanceQuery, Instruction, Posted, PostingReply, Reply};
use domain::money::{Amount, Currency};
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence};
use domain::transfer::{Decision, Outlook, Phase, State, Why};
use link::{Outcome, Unmatched};
use stage::{Counter, LIMIT, Stage, account, config, counter_id, order, text};
use std::time::Duration;
use store::{FinalState, ListFilter, OpenState, StateFilter};
use wire::message::{Notice, Severity};

/// The credit never arrives: a transfer is on its way until the bridge asks.
const NO_CREDIT: &str = "[[rule]]\non = [\"credit\"]\ndo = \"drop\"\n";

/// Neither does any question about it.
const DEAF: &str = "[[rule]]\non = [\"credit\", \"query\", \"fence\"]\ndo = \"drop\"\n";

const CREDIT_REFUSED: &str = "[[rule]]\non = [\"credit\"]\ndo = { refuse = 302 }\n";

/// The debit cannot be undone, and whether it was, the counter does say.
const REVERSAL_REFUSED: &str = "[[rule]]\non = [\"reversal\"]\ndo = { refuse = 302 }\n";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn of_app(state: Option<StateFilter>) -> ListFilter {
    ListFilter { app: Some("app".to_owned()), state, ..ListFilter::default() }
}

/// The serials on a page.
async fn listed(stage: &Stage, filter: &ListFilter) -> Vec<MasterSerial> {
    let page = stage.coordinator.list(filter).await.expect("a page");
    page.transfers.iter().map(Found::master).collect()
}

#[tokio::test]
async fn what_ends_is_told_again_under_its_key_and_found_in_the_record() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", CREDIT_REFUSED).await;
    let other = Counter::start("other", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures, &other], config()).await;
    let recovered = |event: &Event| event.kind == Kind::Recovered;
    assert!(!stage.coordinator.events().follow().0.iter().any(recovered), "nothing was open");
    let (reversed, told) = stage.ends("refused").await;
    assert_eq!(told, format!("{reversed} reversed"));
    let mut to_other = order_to("done", "other");
    let Ok(Begun::Final { master, answer, replayed: false }) =
        stage.coordinator.begin(to_other.clone(), LIMIT).await
    else {
        panic!("it ends")
    };
    assert_eq!(text(&answer), format!("{master} completed"));
    assert!(master > reversed);

    // The same order is told the same; another one under its key is told whose it is.
    let again = stage.coordinator.begin(to_other.clone(), LIMIT).await.expect("it is told");
    assert!(
        matches!(&again, Begun::Final { master: same, answer: told, replayed: true }
            if *same == master && *told == answer),
        "{again:?}"
    );
    to_other.fingerprint = [8; 32];
    let reused = stage.coordinator.begin(to_other, LIMIT).await;
    assert!(matches!(reused, Err(BeginError::KeyReused(same)) if same == master), "{reused:?}");

    // Its tasks are watched: one that does not get on is knocked at, and then spoken of.
    let (vitals, now) = (stage.coordinator.vitals(), std::time::Instant::now());
    for (hours, all_is_well) in [(0, true), (1, true), (2, false)] {
        let ailing = vitals.look(now + Duration::from_hours(hours));
        assert_eq!(ailing.is_nothing(), all_is_well, "after {hours} hours: {ailing:?}");
    }
    assert_eq!(stage.coordinator.open(), 0);
    assert_eq!(stage.coordinator.summary().await, coordinator::Summary::default());
    assert!(stage.coordinator.view(master.sequence).await.is_none());
    let found = stage.coordinator.find(master).await.expect("it reads").expect("it is there");
    assert_eq!((found.master(), found.app()), (master, "app"));
    let Found::Ended(stored) = found else { panic!("it has ended") };
    assert_eq!(stored.outcome.map(|outcome| outcome.state), Some(FinalState::Completed));
    // Its counter dedupes: after a crash it says itself whether it got the credit.
    assert!(!stored.transfer.credit_barrier);
    let stored = stage.coordinator.stored(reversed).await.expect("it reads").expect("there");
    assert_eq!(stored.outcome.map(|outcome| outcome.state), Some(FinalState::Reversed));
    let trail = stage.coordinator.trail(reversed).await.expect("it reads").join("\n");
    assert!(trail.contains("reversal") && trail.contains("302"), "{trail}");
    assert_eq!(listed(&stage, &of_app(None)).await, [master, reversed]);
    let completed = of_app(Some(StateFilter::Ended(FinalState::Completed)));
    assert_eq!(listed(&stage, &completed).await, [master]);
    let nobody = ListFilter { app: Some("nobody".to_owned()), ..ListFilter::default() };
    assert_eq!(listed(&stage, &nobody).await, []);
    stage.stop().await;
    for counter in [securities, futures, other] {
        counter.stop().await;
    }
}

#[tokio::test]
async fn what_may_not_be_begun_is_refused_with_its_reason() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let limit = Amount::new(1_000).expect("an amount");
    let stage = Stage::with_links(folder.path(), &[&securities, &futures], config(), |link| {
        if link.counter == counter_id("futures") {
            link.profile.per_transfer_limit = Some(limit);
            link.profile.dedupes = false;
        }
    })
    .await;
    let begin = async |change: fn(&mut coordinator::Begin)| {
        let mut order = order("refused");
        change(&mut order);
        stage.coordinator.begin(order, LIMIT).await.map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = begin(|order| order.to.counter = counter_id("nobody")).await;
    assert_eq!(refused, Err("there is no counter nobody".to_owned()));
    let refused = begin(|order| order.to = order.from.clone()).await;
    assert_eq!(refused, Err("source and destination are the same account".to_owned()));
    let refused = begin(|order| order.amount = Amount::new(1_001).expect("an amount")).await;
    let text = "futures takes at most 1000 minor units in one transfer";
    assert_eq!(refused, Err(text.to_owned()));
    assert_eq!(begin(|order| order.amount = Amount::new(1_000).expect("an amount")).await, Ok(()));
    futures.stop().await;
    let gone = async {
        while stage.coordinator.links()[1].is_up() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.expect("its end is noticed");
    let refused = stage.begin("down", LIMIT).await;
    assert!(
        matches!(&refused, Err(BeginError::CounterDown(counter)) if *counter == counter_id("futures")),
        "{refused:?}"
    );
    // What was answered once is answered again, whatever has changed since.
    let mut same = order("refused");
    same.amount = limit;
    let again = stage.coordinator.begin(same, LIMIT).await;
    let Ok(Begun::Final { master, replayed: true, .. }) = again else { panic!("{again:?}") };
    let stored = stage.coordinator.stored(master).await.expect("it reads").expect("there");
    assert!(stored.transfer.credit_barrier, "only our own record tells whether it was sent");
    stage.stop().await;
    securities.stop().await;
}

/// An order to another counter than usual.
fn order_to(key: &str, counter: &str) -> coordinator::Begin {
    let mut order = order(key);
    order.to.counter = counter_id(counter);
    order
}

#[tokio::test]
async fn no_more_is_taken_on_than_can_be_done() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", NO_CREDIT).await;
    let other = Counter::start("other", NO_CREDIT).await;
    let config = Config { posting_deadline: LIMIT, most_open: 2, ..config() };
    let counters = [&securities, &futures, &other];
    let stage = Stage::with_links(folder.path(), &counters, config, |link| {
        if link.counter == counter_id("futures") {
            (link.bounds.in_flight, link.bounds.queued) = (1, 1);
        }
    })
    .await;
    stage.goes_on("first").await;
    assert!(stage.crediting(1).await.by_state.contains_key("crediting"));
    // The one place at this counter is taken, whichever side of a transfer it is.
    let crowded = stage.begin("to", LIMIT).await;
    assert!(matches!(crowded, Err(BeginError::Overloaded)), "{crowded:?}");
    let mut from = order_to("from", "other");
    from.from.counter = counter_id("futures");
    let crowded = stage.coordinator.begin(from, LIMIT).await;
    assert!(matches!(crowded, Err(BeginError::Overloaded)), "{crowded:?}");
    // Others are not held up by it, as long as there is room in all.
    let begun = stage.coordinator.begin(order_to("second", "other"), Duration::ZERO).await;
    assert!(matches!(begun, Ok(Begun::Running(_))), "{begun:?}");
    let full = stage.coordinator.begin(order_to("third", "other"), LIMIT).await;
    assert!(matches!(full, Err(BeginError::Overloaded)), "{full:?}");
    // First the counters, for what is in flight to them would be waited for.
    for counter in [securities, futures, other] {
        counter.stop().await;
    }
    stage.stop().await;
}

#[tokio::test]
async fn what_goes_on_is_in_its_shards_hands_and_survives_a_restart() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let few = Config { most_open: 2, most_callers: 1, ..config() };
    let stage = Stage::start(folder.path(), &[&securities, &futures], few).await;
    let master = stage.goes_on("first").await;
    let second = stage.goes_on("second").await;
    let begun = stage.begin("third", LIMIT).await;
    assert!(matches!(begun, Err(BeginError::Overloaded)), "{begun:?}");
    let begun = stage.begin("first", LIMIT).await;
    assert!(matches!(begun, Err(BeginError::InProgress(same)) if same == master), "{begun:?}");
    assert_eq!(stage.coordinator.open(), 2);
    assert!(!stage.coordinator.is_crowded(), "nobody waits");

    // It is debited, and the credit is on its way.
    let summary = stage.crediting(2).await;
    assert_eq!((summary.moving(), summary.in_transit.get("CNY")), (2, Some(&200)));
    let view = stage.coordinator.view(master.sequence).await.expect("it is open");
    assert_eq!((view.transfer.intent.master, &*view.app), (master, "app"));
    assert!(matches!(stage.coordinator.find(master).await, Ok(Some(Found::Open(_)))));
    let crediting = of_app(Some(StateFilter::Open(OpenState::Crediting)));
    assert_eq!(listed(&stage, &crediting).await, [second, master]);
    let page = stage.coordinator.list(&ListFilter { limit: 1, ..crediting.clone() }).await;
    let page = page.expect("a page");
    assert_eq!(page.transfers.len(), 1);
    let rest = ListFilter { before: page.next, ..crediting };
    assert_eq!(listed(&stage, &rest).await, [master]);
    let reversing = of_app(Some(StateFilter::Open(OpenState::Reversing)));
    assert_eq!(listed(&stage, &reversing).await, []);
    assert_eq!(listed(&stage, &of_app(None)).await, [second, master]);
    let views = stage.coordinator.open_views().await;
    let masters: Vec<MasterSerial> = views.iter().map(|view| view.transfer.intent.master).collect();
    assert_eq!(masters, [master, second]);
    let (oldest, total) = stage.coordinator.oldest(Some(State::Crediting), 1).await;
    assert_eq!((oldest.len(), total), (1, 2));
    assert_eq!(oldest[0].transfer.intent.master, master);
    assert_eq!(stage.coordinator.oldest(Some(State::Reversing), 9).await.1, 0);

    // Whoever waits is counted, and told when it ends; here it does not.
    let waiting = stage.coordinator.begin(order("first"), LIMIT);
    assert!(matches!(waiting.await, Err(BeginError::InProgress(_))));
    stage.coordinator.wait(master.sequence, Duration::from_millis(1)).await;
    stage.stop().await;
    futures.stop().await;

    // The counter hears again, and has no word of the credits: they are sent again.
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    stage.event(Kind::Recovered, "2 open transfers are taken up again").await;
    for master in [master, second] {
        stage.coordinator.wait(master.sequence, LIMIT).await;
        let stored = stage.coordinator.stored(master).await.expect("it reads").expect("there");
        assert_eq!(stored.outcome.map(|outcome| outcome.state), Some(FinalState::Completed));
    }
    let again = stage.begin("first", LIMIT).await;
    assert!(
        matches!(&again, Ok(Begun::Final { master: same, replayed: true, .. }) if *same == master),
        "{again:?}"
    );
    assert_eq!(stage.coordinator.open(), 0);
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
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
    let record = rusqlite::Connection::open(folder.path().join("record.sqlite")).expect("it opens");
    let alter = "UPDATE transfer SET currency = '?' WHERE master_serial = ?1";
    assert_eq!(record.execute(alter, [damaged.number()]).expect("it is altered"), 1);
    drop(record);

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

/// A list shows what is open and what has ended, by all that it may be asked for.
#[tokio::test]
async fn a_list_shows_what_it_is_asked_for_wherever_that_is() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let other = Counter::start("other", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures, &other], config()).await;
    let mut ended = Vec::new();
    for key in ["one", "two"] {
        let done = stage.coordinator.begin(order_to(key, "other"), LIMIT).await;
        let Ok(Begun::Final { master, .. }) = done else { panic!("{done:?}") };
        ended.push(master);
    }
    let open = stage.goes_on("open").await;
    stage.crediting(1).await;
    let [first, second] = ended[..] else { panic!("{ended:?}") };
    let (open_ones, ended_ones) = (StateFilter::Open(OpenState::Crediting), StateFilter::AnyEnded);
    for (state, counter, named, expected) in [
        (None, None, None, vec![open, second, first]),
        (None, Some("securities"), None, vec![open, second, first]),
        (None, Some("futures"), None, vec![open]),
        (None, Some("other"), None, vec![second, first]),
        (None, None, Some("6001"), vec![open, second, first]),
        (None, Some("other"), Some("6001"), vec![second, first]),
        (None, Some("other"), Some("7"), vec![]),
        (Some(open_ones), None, None, vec![open]),
        (Some(open_ones), Some("futures"), Some("6001"), vec![open]),
        (Some(open_ones), Some("other"), None, vec![]),
        (Some(open_ones), None, Some("7"), vec![]),
        (Some(ended_ones), None, None, vec![second, first]),
        (Some(ended_ones), Some("futures"), None, vec![]),
    ] {
        // In which state an open one is now is known to its shard alone, which goes by app.
        let apps: &[_] = if state == Some(open_ones) { &["app"] } else { &["app", ""] };
        for app in apps {
            let mut filter = ListFilter {
                app: Some((*app).to_owned()).filter(|app| !app.is_empty()),
                state,
                counter: counter.map(counter_id),
                account: named.map(account),
                limit: 1,
                ..ListFilter::default()
            };
            let mut seen = Vec::new();
            loop {
                let page = stage.coordinator.list(&filter).await.expect("a page");
                for found in &page.transfers {
                    let is_open = matches!(found, Found::Open(view)
                        if view.transfer.state() == State::Crediting);
                    assert_eq!(is_open, found.master() == open, "{found:?}");
                    seen.push(found.master());
                }
                let Some(next) = page.next else { break };
                filter.before = Some(next);
            }
            assert_eq!(seen, expected, "{filter:?}");
        }
    }
    stage.stop().await;
    for counter in [securities, futures, other] {
        counter.stop().await;
    }
}

#[tokio::test]
async fn what_waits_for_a_person_is_shown_claimed_and_decided() {
    let (folder, securities) = (folder(), Counter::start("securities", REVERSAL_REFUSED).await);
    let futures = Counter::start("futures", CREDIT_REFUSED).await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let master = stage.goes_on("stuck").await;
    let event = stage.event(Kind::NeedsOperator, "").await;
    assert_eq!(event.transfer, Some(master));
    let coordinator = &stage.coordinator;
    let (waiting, total) = coordinator.oldest(Some(State::NeedsOperator), 9).await;
    assert_eq!(total, 1);
    assert_eq!(waiting[0].transfer.phase, Phase::Parked(Why::ReversalRefused));
    assert_eq!(coordinator.summary().await.moving(), 0);
    assert_eq!(coordinator.proven(9).await.1, 0, "a person decides what was refused");

    let said = |words: &str| words.to_owned();
    let claimed = coordinator.claim_transfer(master, said("ann"), said("on the telephone")).await;
    assert_eq!(claimed.expect("it is claimed").who, "ann");
    stage.event(Kind::Claimed, "ann has claimed it: on the telephone").await;
    // Who claimed it is known to its shard alone.
    let Some(Found::Open(view)) = coordinator.find(master).await.expect("it reads") else {
        panic!("it is open")
    };
    assert_eq!(view.claim.map(|claimant| claimant.who), Some("ann".to_owned()));
    let other_day = MasterSerial { day: Day::new(19_990_101).expect("a day"), ..master };
    assert!(coordinator.find(other_day).await.expect("it reads").is_none());
    assert!(coordinator.live(other_day).await.is_none());
    let live = coordinator.live(master).await.expect("it is open");
    assert_eq!(live.transfer.state(), State::NeedsOperator);
    let claimed = coordinator.claim_transfer(master, said("bob"), said("me too")).await;
    assert!(matches!(&claimed, Err(DecideError::Claimed(by)) if by.who == "ann"), "{claimed:?}");
    let resumed = coordinator.resume_proven(master, said("bob"), said("all")).await;
    assert!(
        matches!(resumed, Err(DecideError::Claimed(_) | DecideError::NotProven)),
        "{resumed:?}"
    );
    assert!(coordinator.unclaim_transfer(master, said("ann")).await.expect("it was hers"));
    assert!(!coordinator.unclaim_transfer(master, said("ann")).await.expect("it is nobody's"));
    let resumed = coordinator.resume_proven(master, said("bob"), said("all")).await;
    assert!(matches!(resumed, Err(DecideError::NotProven)), "{resumed:?}");

    let decide = async |decision| {
        coordinator.decide(master, decision, said("bob"), said("paid back by hand")).await
    };
    let refused = decide(Decision::Completed).await;
    assert!(matches!(refused, Err(DecideError::Illegal(_))), "{refused:?}");
    decide(Decision::Reversed).await.expect("it is taken");
    assert_eq!(stage.event(Kind::Decided, "bob: reversed").await.transfer, Some(master));
    coordinator.wait(master.sequence, LIMIT).await;
    let again = decide(Decision::Reversed).await;
    assert!(matches!(again, Err(DecideError::AlreadyFinal(same)) if same == master), "{again:?}");
    let nobody = MasterSerial { sequence: Sequence::new(77).expect("a number"), ..master };
    let unknown = coordinator.decide(nobody, Decision::Reversed, said("bob"), said("?")).await;
    assert!(matches!(unknown, Err(DecideError::NotFound(_))), "{unknown:?}");
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// What is proven while a person is awaited, and would send something, waits for one word, the oldest
/// first.
#[tokio::test]
async fn what_is_proven_of_what_waits_is_resumed_by_one_word() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let impatient = Config { patience: 1, query_deadline: Duration::from_millis(50), ..config() };
    let stage = Stage::start(folder.path(), &[&securities, &futures], impatient).await;
    let mut masters = Vec::new();
    for key in ["one", "two", "three"] {
        masters.push(stage.goes_on(key).await);
    }
    let coordinator = &stage.coordinator;
    let parked = async { while coordinator.oldest(Some(State::NeedsOperator), 9).await.1 < 3 {} };
    tokio::time::timeout(LIMIT, parked).await.expect("they wait for a person");
    assert_eq!(coordinator.proven(9).await.1, 0, "the counter says nothing");
    for master in &masters {
        let refused = of_credit(&stage, *master, AnswerCode::INSUFFICIENT_FUNDS).await;
        stage.say("futures", Reply::Posting(refused)).await;
    }
    let proven = async {
        loop {
            let (proven, total) = coordinator.proven(2).await;
            if total == 3 {
                return proven;
            }
        }
    };
    let proven = tokio::time::timeout(LIMIT, proven).await.expect("all is proven");
    let serials: Vec<_> = proven.iter().map(|view| view.transfer.intent.master).collect();
    assert_eq!(serials, masters[..2]);
    assert_eq!(proven[0].outlook, Some(Outlook::Sends(Role::Reversal)));
    let resumed = coordinator.resume_proven(masters[0], "bob".to_owned(), "all".to_owned()).await;
    assert!(matches!(resumed, Ok(Outlook::Sends(Role::Reversal))), "{resumed:?}");
    coordinator.wait(masters[0].sequence, LIMIT).await;
    let stored = coordinator.stored(masters[0]).await.expect("it reads").expect("there");
    assert_eq!(stored.outcome.map(|outcome| outcome.state), Some(FinalState::Reversed));
    assert_eq!(coordinator.proven(9).await.1, 2);
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
    let (coordinator, note) = (&stage.coordinator, "restored on purpose");
    let nobody = coordinator.readmit(&counter_id("nobody"), "ann", note, false).await;
    assert!(matches!(nobody, Err(ReadmitError::UnknownCounter(_))), "{nobody:?}");
    let free = coordinator.readmit(&counter_id("securities"), "ann", note, false).await;
    assert!(matches!(free, Err(ReadmitError::NotHeld(_))), "{free:?}");
    coordinator.readmit(&held, "ann", note, false).await.expect("it is readmitted");
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
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// What waits for a counter is gone on with as soon as that is back, however long it was to wait.
#[tokio::test]
async fn a_counter_that_is_back_is_asked_at_once() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let long = Duration::from_hours(1);
    let patient = Config {
        query_deadline: Duration::from_millis(50),
        first_pause: long,
        longest_pause: long,
        transfer_deadline: 2 * long,
        ..config()
    };
    let stage = Stage::start(folder.path(), &[&securities, &futures], patient).await;
    let master = stage.goes_on("waits").await;
    let paused = async {
        let asked = "credit asked about";
        while !stage.coordinator.trail(master).await.expect("it reads").join("").contains(asked) {}
    };
    tokio::time::timeout(LIMIT, paused).await.expect("it is asked in vain");
    let futures = futures.comes_back("").await;
    stage.coordinator.wait(master.sequence, LIMIT).await;
    let stored = stage.coordinator.stored(master).await.expect("it reads").expect("there");
    assert_eq!(stored.outcome.map(|outcome| outcome.state), Some(FinalState::Completed));
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// A counter that does not say at its sign-on how far it has seen our serials is asked what it posted,
/// and what it says counts the same; one of which that is not known is spoken of once.
#[tokio::test]
async fn one_that_does_not_say_what_it_has_seen_is_asked_for_its_entries() {
    let silent = |options: &mut simulator::Options| options.tells_highest_serial = false;
    let (first, securities) = (folder(), Counter::with("securities", "", silent).await);
    let futures = Counter::with("futures", "", silent).await;
    let states = Config { states_all_accounts: [counter_id("futures")].into(), ..config() };
    let stage = Stage::start(first.path(), &[&securities, &futures], states.clone()).await;
    let words = "securities says neither at sign-on nor when it is asked how far it has seen";
    stage.event(Kind::Notice, words).await;
    let (master, _) = stage.ends("before").await;
    let spoken_of = |event: &Event| event.text.contains("says neither at sign-on");
    assert_eq!(stage.coordinator.events().follow().0.iter().filter(|one| spoken_of(one)).count(), 1);
    stage.stop().await;

    let (second, fresh) = (folder(), Counter::with("securities", "", silent).await);
    let stage = Stage::start(second.path(), &[&fresh, &futures], states).await;
    let words = format!(
        "futures gets no new transfers: it says that it has seen the serial {}",
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
    let note = "restored on purpose";
    let behind = coordinator.readmit(&held, "ann", note, false).await;
    assert!(
        matches!(&behind, Err(ReadmitError::SerialsBehind { counter, seen })
            if *counter == held && *seen == master.sequence.number()),
        "{behind:?}"
    );
    let begun = stage.begin("held", LIMIT).await;
    assert!(matches!(begun, Err(BeginError::CounterHeld(_))), "{begun:?}");
    coordinator.readmit(&held, "ann", note, true).await.expect("it is readmitted");
    let (next, told) = stage.ends("after").await;
    assert!(next.sequence > master.sequence && told.ends_with(" completed"), "{told}");
    stage.stop().await;
    for counter in [securities, fresh, futures] {
        counter.stop().await;
    }
}

/// What a counter answers of the credit of a transfer.
async fn of_credit(stage: &Stage, master: MasterSerial, code: AnswerCode) -> PostingReply {
    let stored = stage.coordinator.stored(master).await.expect("it reads").expect("it is there");
    let transfer = stored.transfer;
    let posted = Posted {
        counter_serial: "C1".to_owned(),
        settle_day: transfer.credit_day,
        account: transfer.to.account,
        amount: transfer.amount,
        currency: transfer.currency,
        original: None,
    };
    PostingReply {
        serial: master.leg(Role::Credit),
        answer: Answer { code, text: String::new() },
        posted: (code == AnswerCode::DONE).then_some(posted),
        mark: transfer.mark,
    }
}

#[tokio::test]
async fn what_is_said_unasked_decides_a_leg_that_is_open() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let master = stage.goes_on("open").await;
    stage.crediting(1).await;
    let done = of_credit(&stage, master, AnswerCode::DONE).await;
    stage.say("futures", Reply::Posting(done)).await;
    stage.coordinator.wait(master.sequence, LIMIT).await;
    let told = match stage.begin("open", LIMIT).await.expect("it is told") {
        Begun::Final { answer, .. } => text(&answer),
        open @ Begun::Running(_) => panic!("{open:?}"),
    };
    assert_eq!(told, format!("{master} completed"));
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

#[tokio::test]
async fn a_counter_that_holds_anothers_posting_gets_nothing_new_until_somebody_has_looked() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", DEAF).await;
    let other = Counter::start("other", "").await;
    let counters = [&securities, &futures, &other];
    let stage = Stage::start(folder.path(), &counters, config()).await;
    let master = stage.goes_on("open").await;
    stage.crediting(1).await;
    let done = of_credit(&stage, master, AnswerCode::DONE).await;
    let of_another = PostingReply { mark: Some(Mark(8)), ..done };
    stage.say("futures", Reply::Posting(of_another)).await;
    stage.event(Kind::Contradiction, "futures gets no new transfers").await;
    let held = stage.is_held("futures").await;
    assert!(held.seen.is_none() && held.why.contains("the credit"), "{}", held.why);
    // It is so after a restart, too.
    stage.stop().await;
    let stage = Stage::start(folder.path(), &counters, config()).await;
    let refused = stage.begin("held", LIMIT).await;
    assert!(
        matches!(&refused, Err(BeginError::CounterHeld(counter)) if *counter == counter_id("futures")),
        "{refused:?}"
    );
    let Ok(Begun::Final { .. }) = stage.coordinator.begin(order_to("other", "other"), LIMIT).await
    else {
        panic!("others go on")
    };
    stage.stop().await;
    for counter in [securities, futures, other] {
        counter.stop().await;
    }
}

#[tokio::test]
async fn what_is_said_unasked_of_what_has_ended_is_held_against_the_record() {
    let (folder, securities) = (folder(), Counter::start("securities", "").await);
    let futures = Counter::start("futures", "").await;
    let stage = Stage::start(folder.path(), &[&securities, &futures], config()).await;
    let (master, _) = stage.ends("ended").await;
    let faults = |counter, fault| stage.coordinator.faults(&counter_id(counter), fault);

    // What agrees is dropped; the counter's next words show that it has been looked at.
    let done = of_credit(&stage, master, AnswerCode::DONE).await;
    stage.say("futures", Reply::Posting(done.clone())).await;
    let refused = of_credit(&stage, master, AnswerCode::INSUFFICIENT_FUNDS).await;
    stage.say("futures", Reply::Posting(refused.clone())).await;
    let words = "the credit is refused, but the transfer is completed";
    assert_eq!(stage.event(Kind::Contradiction, words).await.transfer, Some(master));
    assert_eq!(faults("futures", Fault::Contradiction), 1);
    assert_eq!(faults("futures", Fault::Foreign), 0);

    stage.say("securities", Reply::Posting(refused)).await;
    stage.event(Kind::Foreign, "securities speaks of what is not its own").await;
    assert_eq!(faults("securities", Fault::Foreign), 1);
    let never = MasterSerial { sequence: Sequence::new(77).expect("a number"), ..master };
    stage
        .say("futures", Reply::Posting(PostingReply { serial: never.leg(Role::Credit), ..done }))
        .await;
    let counted = async {
        while faults("futures", Fault::Foreign) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, counted).await.expect("it is counted");

    let not_compared = |event: &Event| event.kind == Kind::NotCompared;
    let (past, mut feed) = stage.coordinator.events().follow();
    assert!(!past.iter().any(not_compared), "all was compared");
    // More than can wait to be compared, without an end: operators are told how many were not.
    let told = async {
        loop {
            match feed.try_recv() {
                Ok(event) if not_compared(&event) => return event.text,
                Ok(_) => {}
                Err(_) => {
                    let agrees = of_credit(&stage, master, AnswerCode::DONE).await;
                    for _ in 0..200 {
                        stage.say("futures", Reply::Posting(agrees.clone())).await;
                    }
                }
            }
        }
    };
    let told = tokio::time::timeout(LIMIT, told).await.expect("it is too much some time");
    assert!(told.starts_with("futures said more about ended transfers than could be"), "{told}");

    let notice = Notice { severity: Severity::Warning, text: "mind the gap".to_owned() };
    let said = Unmatched::Notice { counter: counter_id("futures"), notice };
    stage.unasked.send(said).await.expect("it is heard");
    stage.event(Kind::Notice, "futures: Warning: mind the gap").await;
    let error = "nonsense".to_owned();
    let said = Unmatched::Malformed { counter: counter_id("futures"), serial: None, error };
    stage.unasked.send(said).await.expect("it is heard");
    stage.event(Kind::Notice, "futures sent something unreadable: nonsense").await;
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
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
    let Ok(Outcome::Answered(Reply::Balance(balance))) = balance else { panic!("{balance:?}") };
    assert_eq!(balance.balance.map(|balance| balance.available), Some(1_000_000));
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

#[tokio::test]
async fn a_counter_is_asked_what_moves_nothing() {
    let (folder, securities) = (folder(), Counter::start("securities", NO_CREDIT).await);
    let stage = Stage::start(folder.path(), &[&securities], config()).await;
    let query = BalanceQuery { account: account("6001"), currency: Currency::CNY };
    let balance = || Instruction::Balance(query.clone());
    let asked = stage.coordinator.ask(&counter_id("securities"), balance()).await;
    assert!(matches!(&asked, Ok(Outcome::Answered(Reply::Balance(_)))), "{asked:?}");
    let asked = stage.coordinator.ask(&counter_id("nobody"), balance()).await;
    assert!(matches!(asked, Err(BeginError::UnknownCounter(_))), "{asked:?}");
    stage.stop().await;
    securities.stop().await;
}
