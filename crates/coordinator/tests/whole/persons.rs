//! What waits for a person: claimed, decided, resumed.

use crate::stage::{Counter, LIMIT, Stage, config};
use crate::{CREDIT_REFUSED, DEAF, REVERSAL_REFUSED, folder, of_credit};
use coordinator::events::Kind;
use coordinator::{Config, Coordinator, Found, PersonError, Proposal};
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
    assert_eq!(coordinator.summary().await.expect("counted").moving(), 0);
    assert_eq!(coordinator.proven(9).await.1, 0, "a person decides what was refused");

    let said = |words: &str| ForeignText::from(words);
    let claimed = coordinator.claim_transfer(master, said("ann"), said("on the telephone")).await;
    assert_eq!(claimed.expect("it is claimed").who, "ann");
    stage.event(Kind::Claimed, "ann has claimed it: on the telephone").await;
    // Who claimed it is known to its shard alone.
    let Some(Found::Open(view)) = coordinator.find(master).await.expect("it reads") else {
        panic!("it is open")
    };
    assert_eq!(view.claim().map(|claimant| &claimant.who), Some(&"ann".into()));
    let other_day = MasterSerial { day: Day::new(19_990_101).expect("a day"), ..master };
    assert!(coordinator.find(other_day).await.expect("it reads").is_none());
    assert!(coordinator.live(other_day).await.is_none());
    let live = coordinator.live(master).await.expect("it is open");
    assert_eq!(live.transfer.state(), State::NeedsOperator);
    let claimed = coordinator.claim_transfer(master, said("bob"), said("me too")).await;
    assert!(matches!(&claimed, Err(PersonError::Claimed(by)) if by.who == "ann"), "{claimed:?}");
    let proposed = propose(coordinator, master, Decision::Reversed, "bob").await;
    assert!(matches!(proposed, Err(PersonError::Claimed(_))), "{proposed:?}");
    assert!(coordinator.unclaim_transfer(master, said("ann")).await.expect("it was hers"));
    assert!(!coordinator.unclaim_transfer(master, said("ann")).await.expect("it is nobody's"));

    let refused = propose(coordinator, master, Decision::Completed, "bob").await;
    assert!(matches!(refused, Err(PersonError::Illegal(_))), "{refused:?}");
    let proposal = propose(coordinator, master, Decision::Reversed, "bob").await;
    let proposal = proposal.expect("it is proposed");
    stage.event(Kind::Proposed, "bob proposes reversed: another person has to approve it").await;
    let (waiting, total) = coordinator.proposed(9).await;
    assert_eq!((waiting[0].proposal(), total), (Some(&proposal), 1));
    let own = coordinator.approve(master, proposal.id, said("bob"), said("?")).await;
    assert!(matches!(own, Err(PersonError::Own)), "{own:?}");
    let others = (proposal.id, false);
    let withdrawn = coordinator.withdraw(master, others, said("ann"), said("no")).await;
    assert!(matches!(withdrawn, Err(PersonError::OfAnother(_))), "{withdrawn:?}");
    let others = (proposal.id, true);
    coordinator.withdraw(master, others, said("ann"), said("no")).await.expect("it is rejected");
    stage.event(Kind::Proposed, "ann rejects what bob proposed, reversed").await;
    let proposal = propose(coordinator, master, Decision::Reversed, "bob").await;
    let id = proposal.expect("it is proposed").id;
    coordinator.approve(master, id, said("ann"), said("seen")).await.expect("it is approved");
    assert_eq!(stage.event(Kind::Decided, "bob and ann: reversed").await.transfer, Some(master));
    let stored = coordinator.stored(master).await.expect("it reads").expect("there");
    assert!(stored.outcome.is_some(), "what is told is durable");
    let again = coordinator.approve(master, id, said("ann"), said("seen")).await;
    assert!(matches!(again, Err(PersonError::AlreadyFinal(same)) if same == master), "{again:?}");
    let nobody = MasterSerial { sequence: Sequence::new(77).expect("a number"), ..master };
    let unknown = coordinator.approve(nobody, id, said("ann"), said("?")).await;
    assert!(matches!(unknown, Err(PersonError::NotFound(_))), "{unknown:?}");
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}

/// Proposes a decision about a transfer as it is shown now.
pub(crate) async fn propose(
    coordinator: &Coordinator,
    master: MasterSerial,
    decision: Decision,
    who: &str,
) -> Result<Proposal, PersonError> {
    let view = coordinator.live(master).await.expect("it is open");
    let choice = Decision::ALL.into_iter().zip(view.choices.expect("it is parked"));
    let leads_to = choice.filter(|(it, _)| *it == decision).find_map(|(_, leads)| leads.ok());
    let seen = (decision, view.version(), leads_to.unwrap_or(Outlook::Person));
    coordinator.propose(master, seen, who.into(), "paid back by hand".into()).await
}

/// What is proven while a person is awaited, and would send something, waits for the word of two, the oldest
/// first.
#[tokio::test]
async fn what_is_proven_of_what_waits_is_resumed_by_the_word_of_two() {
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
    let proposal = propose(coordinator, masters[0], Decision::Resume, "bob").await;
    let proposal = proposal.expect("it is proposed");
    assert_eq!(proposal.leads_to, Outlook::Sends(Role::Reversal));
    let approved = coordinator.approve(masters[0], proposal.id, "ann".into(), "all".into()).await;
    assert_eq!(approved.expect("it is approved"), proposal);
    coordinator.wait(masters[0].sequence, LIMIT).await;
    let stored = coordinator.stored(masters[0]).await.expect("it reads").expect("there");
    assert_eq!(stored.outcome.map(|outcome| outcome.state), Some(FinalState::Reversed));
    assert_eq!(coordinator.proven(9).await.1, 2);
    stage.stop().await;
    securities.stop().await;
    futures.stop().await;
}
