//! What counters say, asked and unasked, and when they are back.

use crate::stage::{Counter, LIMIT, Stage, account, config, counter_id, text};
use crate::{DEAF, NO_CREDIT, folder, of_credit, order_to};
use coordinator::accusations::Fault;
use coordinator::events::{Event, Kind};
use coordinator::{BeginError, Begun, Config};
use domain::message::{AnswerCode, BalanceQuery, Instruction, PostingReply, Reply};
use domain::message::{Notice, Severity};
use domain::money::Currency;
use domain::serial::{Mark, MasterSerial, Role, Sequence};
use port::{RequestOutcome, Unmatched};
use std::time::Duration;
use store::FinalState;

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

    let notice = Notice { severity: Severity::Warning, text: "mind the gap".into() };
    let said = Unmatched::Notice { counter: counter_id("futures"), notice };
    stage.unasked.send(said).await.expect("it is heard");
    stage.event(Kind::Notice, "futures says (warning): mind the gap").await;
    let error = "nonsense".to_owned();
    let said = Unmatched::Malformed { counter: counter_id("futures"), serial: None, error };
    stage.unasked.send(said).await.expect("it is heard");
    stage.event(Kind::Notice, "futures sent something unreadable: nonsense").await;
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
    assert!(matches!(&asked, Ok(RequestOutcome::Answered(Reply::Balance(_)))), "{asked:?}");
    let asked = stage.coordinator.ask(&counter_id("nobody"), balance()).await;
    assert!(matches!(asked, Err(BeginError::UnknownCounter(_))), "{asked:?}");
    stage.stop().await;
    securities.stop().await;
}
