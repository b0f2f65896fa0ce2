//! What waits for a person: claimed, decided, resumed.

use crate::stage::{Counter, LIMIT, Stage, config};
use crate::{CREDIT_REFUSED, DEAF, REVERSAL_REFUSED, folder, of_credit};
use coordinator::events::Kind;
use coordinator::{Config, DecideError, Found};
use domain::message::{AnswerCode, Reply};
use domain::serial::{Day, MasterSerial, Role, Sequence};
use domain::transfer::{Decision, Outlook, ParkReason, Phase, State};
use foreign::ForeignText;
use std::time::Duration;
use store::FinalState;

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
    assert_eq!(waiting[0].transfer.phase, Phase::Parked(ParkReason::ReversalRefused));
    assert_eq!(coordinator.summary().await.moving(), 0);
    assert_eq!(coordinator.proven(9).await.1, 0, "a person decides what was refused");

    let said = |words: &str| ForeignText::from(words);
    let claimed = coordinator.claim_transfer(master, said("ann"), said("on the telephone")).await;
    assert_eq!(claimed.expect("it is claimed").who, "ann");
    stage.event(Kind::Claimed, "ann has claimed it: on the telephone").await;
    // Who claimed it is known to its shard alone.
    let Some(Found::Open(view)) = coordinator.find(master).await.expect("it reads") else {
        panic!("it is open")
    };
    assert_eq!(view.claim.map(|claimant| claimant.who), Some("ann".into()));
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
    let resumed = coordinator.resume_proven(masters[0], "bob".into(), "all".into()).await;
    assert!(matches!(resumed, Ok(Outlook::Sends(Role::Reversal))), "{resumed:?}");
    coordinator.wait(masters[0].sequence, LIMIT).await;
    let stored = coordinator.stored(masters[0]).await.expect("it reads").expect("there");
    assert_eq!(stored.outcome.map(|outcome| outcome.state), Some(FinalState::Reversed));
    assert_eq!(coordinator.proven(9).await.1, 2);
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}
