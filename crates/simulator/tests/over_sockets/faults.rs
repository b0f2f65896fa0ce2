//! Every fault of a plan, seen from the bridge's end of a real socket.

use crate::peer::{Bridge, Broken, credit, debit, options, planned, query, reverse, start};
use domain::message::{Finding, Look, Reply};
use domain::serial::Role;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use wire::conversation::{Conversation, Heartbeat, RejectReason};
use wire::dialect::Dialect;
use wire::message::Message;
use wire::payload::{Payload, RequestId};

fn once(on: &str, action: &str) -> String {
    format!("[[rule]]\non = ['{on}']\ntimes = 1\ndo = {action}\n")
}

async fn debit_found(bridge: &mut Bridge) -> Finding {
    bridge.find(1, Role::Debit, Look::Only).await
}

#[tokio::test]
async fn dropped_means_never_arrived_and_unanswered_means_done() {
    for (action, found, again) in
        [("'drop'", Finding::NotFound, 200), ("'no_answer'", Finding::Done, 201)]
    {
        let (_counter, mut bridge) = planned(&once("debit", action)).await;
        bridge.request(debit(1, 300)).await;
        assert_eq!(debit_found(&mut bridge).await, found, "{action}");
        assert_eq!(bridge.post(debit(1, 300)).await, Ok(again), "{action}");
        assert_eq!(bridge.available("A").await, 99_700);
    }
}

#[tokio::test]
async fn a_late_answer_comes_late_and_what_came_behind_it_does_not_wait() {
    let (_counter, mut bridge) = planned(&once("debit", "{ late_ms = 1000 }")).await;
    let began = Instant::now();
    let late = bridge.request(debit(1, 300)).await;
    assert_eq!(debit_found(&mut bridge).await, Finding::Done);
    assert!(bridge.reply(late).await.is_ok());
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn twice_is_two_answers_and_one_posting() {
    let (_counter, mut bridge) = planned(&once("debit", "'twice'")).await;
    let id = bridge.request(debit(1, 300)).await;
    let first = bridge.reply(id).await;
    assert_eq!(bridge.reply(id).await, first);
    assert_eq!(bridge.available("A").await, 99_700);
}

#[tokio::test]
async fn processing_is_said_until_it_is_done() {
    let (_counter, mut bridge) = planned(&once("debit", "{ processing_ms = 1000 }")).await;
    assert_eq!(bridge.post(debit(1, 300)).await, Ok(100));
    assert_eq!(debit_found(&mut bridge).await, Finding::Processing);
    while debit_found(&mut bridge).await == Finding::Processing {}
    assert_eq!(debit_found(&mut bridge).await, Finding::Done);
}

#[tokio::test]
async fn what_is_on_its_way_arrives_even_without_its_connection() {
    let (counter, mut bridge) = planned(&once("debit", "{ on_its_way_ms = 1000 }")).await;
    bridge.request(debit(1, 300)).await;
    assert_eq!(debit_found(&mut bridge).await, Finding::NotFound);
    drop(bridge);
    let mut bridge = counter.bridge().await;
    while debit_found(&mut bridge).await == Finding::NotFound {}
    assert_eq!(debit_found(&mut bridge).await, Finding::Done);
}

#[tokio::test]
async fn a_fence_comes_before_what_is_on_its_way_and_what_is_processing() {
    for action in ["{ on_its_way_ms = 1000 }", "{ processing_ms = 1000 }"] {
        let (_counter, mut bridge) = planned(&once("debit", action)).await;
        let id = bridge.request(debit(1, 300)).await;
        if action.contains("processing") {
            assert!(bridge.reply(id).await.is_ok());
        }
        assert_eq!(bridge.find(1, Role::Debit, Look::Fence).await, Finding::Fenced);
        if action.contains("way") {
            let Ok(Reply::Posting(late)) = bridge.reply(id).await else { panic!("no answer") };
            assert_eq!(late.answer.code.number(), 501);
        }
        assert_eq!(bridge.available("A").await, 100_000);
    }
}

#[tokio::test]
async fn a_contradiction_is_a_refusal_of_what_was_done() {
    let (_counter, mut bridge) = planned(&once("credit", "'contradict'")).await;
    assert_eq!(bridge.post(credit(1, 300)).await, Ok(402));
    assert_eq!(bridge.find(1, Role::Credit, Look::Only).await, Finding::Done);
    assert_eq!(bridge.available("B").await, 300);
}

#[tokio::test]
async fn a_planned_refusal_sticks_and_moves_nothing() {
    let (_counter, mut bridge) = planned(&once("credit", "{ refuse = 404 }")).await;
    assert_eq!(bridge.post(credit(1, 300)).await, Ok(404));
    assert_eq!(bridge.post(credit(1, 300)).await, Ok(404));
    assert_eq!(bridge.find(1, Role::Credit, Look::Only).await, Finding::Refused);
    assert_eq!(bridge.available("B").await, 0);

    let (_counter, mut bridge) = planned(&once("query", "{ refuse = 550 }")).await;
    assert_eq!(debit_found(&mut bridge).await, Finding::Unclear);
    assert_eq!(debit_found(&mut bridge).await, Finding::NotFound);
}

#[tokio::test]
async fn a_broken_answer_is_of_something_done() {
    for (action, broken) in [
        ("'garbage'", Broken::Malformed),
        ("'half_write'", Broken::HalfAFrame),
        ("'close_after'", Broken::Closed),
    ] {
        let (counter, mut bridge) = planned(&once("debit", action)).await;
        assert_eq!(bridge.post(debit(1, 300)).await, Err(broken), "{action}");
        let mut again = counter.bridge().await;
        assert_eq!(debit_found(&mut again).await, Finding::Done, "{action}");
    }
    let (counter, mut bridge) = planned(&once("debit", "'close_before'")).await;
    assert_eq!(bridge.post(debit(1, 300)).await, Err(Broken::Closed));
    let mut again = counter.bridge().await;
    assert_eq!(debit_found(&mut again).await, Finding::NotFound);
}

#[tokio::test]
async fn garbage_is_well_framed_in_xml_too() {
    let dialect = crate::peer::dialects().remove(1);
    let counter = start(options(dialect, &once("debit", "'garbage'"))).await;
    let mut bridge = counter.bridge().await;
    assert_eq!(bridge.post(debit(1, 300)).await, Err(Broken::Malformed));
    assert_eq!(debit_found(&mut bridge).await, Finding::Done);
}

#[tokio::test]
async fn a_frozen_connection_is_silent_and_then_goes_on() {
    let (counter, mut bridge) = planned(&once("debit", "{ freeze_ms = 300 }")).await;
    let began = Instant::now();
    let frozen = bridge.request(debit(1, 300)).await;
    let mut other = counter.bridge().await;
    assert_eq!(debit_found(&mut other).await, Finding::Done, "the counter goes on");
    let behind = bridge.request(query(1, Role::Debit, Look::Only)).await;
    assert!(bridge.reply(frozen).await.is_ok());
    assert!(bridge.reply(behind).await.is_ok());
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_forgotten_session_takes_nothing_until_a_new_sign_on() {
    let (counter, mut bridge) = planned(&once("debit", "'forget_sessions'")).await;
    let mut other = counter.bridge().await;
    bridge.request(debit(1, 300)).await;
    // The other connection learns of it as soon as the counter has forgotten.
    let rejected = Err(Broken::Rejected(RejectReason::Other));
    while other.post(credit(9, 1)).await != rejected {}
    assert_eq!(bridge.post(debit(2, 300)).await, rejected);
    assert_eq!(bridge.hear().await, Err(Broken::Closed));
    let mut again = counter.bridge().await;
    assert_eq!(debit_found(&mut again).await, Finding::NotFound);
    assert_eq!(again.available("A").await, 100_000);
}

#[tokio::test]
async fn a_restart_closes_everything_and_comes_back_on_the_same_port() {
    let (counter, mut bridge) = planned(&once("credit", "{ restart_ms = 1000 }")).await;
    assert_eq!(bridge.post(debit(1, 300)).await, Ok(200));
    assert_eq!(bridge.post(credit(1, 300)).await, Err(Broken::Closed));
    assert!(TcpStream::connect(counter.address).await.is_err(), "nobody listens");
    while TcpStream::connect(counter.address).await.is_err() {}
    let mut again = counter.bridge().await;
    assert_eq!(debit_found(&mut again).await, Finding::Done);
    assert_eq!(again.find(1, Role::Credit, Look::Only).await, Finding::NotFound);
}

#[tokio::test]
async fn heartbeats_and_sign_ons_go_wrong_too() {
    let plan = once("heartbeat", "'drop'") + &once("sign_on", "{ refuse = 409 }");
    let counter = start(options(Dialect::Securities, &plan)).await;
    let mut bridge = Bridge::connect(counter.address, Dialect::Securities).await;
    let rejected = bridge.sign_on(&crate::peer::KEY, "bridge").await;
    assert_eq!(rejected, Err(Broken::Rejected(RejectReason::AlreadySignedOn)));
    let mut bridge = counter.bridge().await;
    for number in 1..=2 {
        bridge.send(&Message::Conversation(Conversation::Heartbeat(Heartbeat { number }))).await;
    }
    let Ok(Message::Conversation(Conversation::HeartbeatAck(ack))) = bridge.hear().await else {
        panic!("no ack")
    };
    assert_eq!(ack.number, 2);
}

#[tokio::test]
async fn rules_choose_by_account_and_amount_also_for_queries_and_reversals() {
    let plan =
        "[[rule]]\non = ['query', 'fence', 'reversal']\naccount = 'A'\namount = 666\ndo = 'drop'";
    let (_counter, mut bridge) = planned(plan).await;
    assert_eq!(bridge.post(debit(1, 666)).await, Ok(200));
    assert_eq!(bridge.post(debit(2, 667)).await, Ok(200));
    for dropped in
        [query(1, Role::Debit, Look::Only), query(1, Role::Debit, Look::Fence), reverse(1, 666)]
    {
        bridge.request(dropped).await;
    }
    assert_eq!(bridge.find(2, Role::Debit, Look::Only).await, Finding::Done);
    assert_eq!(bridge.post(reverse(2, 667)).await, Ok(200));
}

#[tokio::test]
async fn the_settle_day_changes_after_so_many_postings() {
    let (_counter, mut bridge) = planned("cut_over_after = 2").await;
    assert_eq!(bridge.post(debit(1, 300)).await, Ok(200));
    assert_eq!(bridge.post(credit(1, 300)).await, Ok(200));
    assert_eq!(bridge.post(debit(2, 300)).await, Ok(404));
    bridge.send(&Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 1 }))).await;
    let Ok(Message::Conversation(Conversation::HeartbeatAck(ack))) = bridge.hear().await else {
        panic!("no ack")
    };
    let (settle_day, _) = ack.counter.expect("a counter answers");
    assert_eq!(settle_day.number(), crate::peer::DAY + 1);
}

/// The codes of a hundred debits under a plan of chances; `None` where there was no answer.
async fn chances(seed: u64) -> Vec<Option<u16>> {
    let plan = "[[rule]]\non = ['debit']\nprobability = 0.3\ndo = 'drop'\n\
                [[rule]]\non = ['debit']\nprobability = 0.3\ndo = { refuse = 403 }";
    let counter = start(simulator::Options { seed, ..options(Dialect::Securities, plan) }).await;
    let mut bridge = counter.bridge().await;
    for sequence in 1..=100 {
        bridge.request(debit(sequence, 1)).await;
    }
    bridge.send(&Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 1 }))).await;
    let mut codes = vec![None; 100];
    loop {
        match bridge.hear().await.expect("goes on") {
            Message::Payload(Payload::Response(RequestId(id), Reply::Posting(reply))) => {
                let place = usize::try_from(id).expect("small") - 1;
                codes[place] = Some(reply.answer.code.number());
            }
            Message::Conversation(Conversation::HeartbeatAck(_)) => return codes,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_seed_makes_the_same_day_again() {
    let first = chances(11).await;
    assert_eq!(chances(11).await, first);
    assert_ne!(chances(12).await, first);
    for wanted in [None, Some(200), Some(403)] {
        assert!(first.contains(&wanted), "{first:?}");
    }
}
