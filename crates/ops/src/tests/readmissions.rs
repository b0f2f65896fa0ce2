//! Counters in doubt, which two persons readmit.

use super::*;
use coordinator::standing::Hold;
use store::HeldCounter;

const READMISSION: &str = "/ops/v1/counters/futures/readmission";
const APPROVAL: &str = "/ops/v1/counters/futures/readmission/approval";
const WITHDRAWAL: &str = "/ops/v1/counters/futures/readmission/withdrawal";

/// The futures counter gets no new transfers, as if it had given a reason.
async fn held(rig: &Rig, why: &str) {
    let (counter, why) = (CounterId::new("futures").expect("a counter"), why.to_owned());
    let held = HeldCounter { counter: counter.clone(), why: why.clone(), seen: None, since: 7 };
    rig.lone.store.hold_counter(&held).await.expect("it is kept");
    rig.coordinator.standing().hold(&counter, Hold { why, since: 7 });
}

/// Why the futures counter is shown to get no new transfers.
async fn shown(rig: &Rig) -> Value {
    let (_, counters) = rig.get("/ops/v1/counters").await;
    let counters = counters.as_array().expect("a list").iter();
    counters.into_iter().find(|one| one["counter"] == "futures").expect("it is there")["held"]
        .clone()
}

/// What is to be proposed for what is seen to hold it now.
async fn proposing(rig: &Rig) -> Value {
    let (status, seen) = rig.get(READMISSION).await;
    assert_eq!(status, StatusCode::OK, "{seen}");
    json!({ "version": seen["version"], "note": "their people have looked" })
}

fn is_problem((status, said): &(StatusCode, Value), expected: StatusCode, slug: &str) {
    assert_eq!((*status, &said["type"]), (expected, &json!(format!("/errors/{slug}"))), "{said}");
}

#[tokio::test]
async fn two_persons_readmit_a_counter_and_of_two_proposals_at_once_one_stands() {
    let rig = Rig::new(&["securities", "futures"], &[]).await;
    let [lin, zhou] = [
        rig.token_of("lin", OperatorRole::Operator).await,
        rig.token_of("zhou", OperatorRole::Operator).await,
    ];
    held(&rig, "a posting under another mark").await;
    assert_eq!(shown(&rig).await["why"], "a posting under another mark");
    let body = proposing(&rig).await;
    let (by_lin, by_zhou) = tokio::join!(
        rig.post_as(&lin, READMISSION, body.clone()),
        rig.post_as(&zhou, READMISSION, body.clone())
    );
    let lin_was_first = by_lin.0 == StatusCode::CREATED;
    let ((_, proposal), late) = if lin_was_first { (by_lin, by_zhou) } else { (by_zhou, by_lin) };
    let (own, other) = if lin_was_first { (&lin, &zhou) } else { (&zhou, &lin) };
    is_problem(&late, StatusCode::CONFLICT, "proposed_already");
    assert_eq!((&late.1["who"], &late.1["proposal"]), (&proposal["who"], &proposal["id"]));
    assert_eq!(rig.get(READMISSION).await.1["proposal"], proposal);

    // Whoever may not approve neither rejects what another has proposed, nor approves it.
    let on = json!({ "proposal": proposal["id"], "note": "seen, too" });
    let rejected = rig.post_as(other, WITHDRAWAL, on.clone()).await;
    is_problem(&rejected, StatusCode::FORBIDDEN, "not_permitted");
    let approved = rig.post_as(other, APPROVAL, on.clone()).await;
    is_problem(&approved, StatusCode::FORBIDDEN, "not_permitted");
    assert_eq!(rig.get(READMISSION).await.1["proposal"], proposal, "it stands");
    // One's own is taken back, and proposed anew.
    assert_eq!(rig.post_as(own, WITHDRAWAL, on.clone()).await.0, StatusCode::OK);
    let gone = rig.post(APPROVAL, on).await;
    is_problem(&gone, StatusCode::CONFLICT, "no_such_proposal");
    let (status, proposal) = rig.post_as(own, READMISSION, body.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{proposal}");
    assert_ne!(shown(&rig).await, Value::Null, "nothing has happened to it yet");

    let on = json!({ "proposal": proposal["id"], "note": "seen, too" });
    let (status, readmitted) = rig.post(APPROVAL, on.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{readmitted}");
    assert_eq!(
        (&readmitted["proposal"], &readmitted["approved_by"], &readmitted["note"]),
        (&proposal, &json!("wang"), &json!("seen, too"))
    );
    assert_eq!(shown(&rig).await, Value::Null);
    let held_still = rig.lone.store.held_counters().await.expect("asks");
    assert_eq!(held_still, [], "nor after a restart");
    let again = rig.post(APPROVAL, on).await;
    is_problem(&again, StatusCode::CONFLICT, "no_such_proposal");
    let late = rig.post_as(other, READMISSION, body).await;
    is_problem(&late, StatusCode::CONFLICT, "counter_not_held");
}

#[tokio::test]
async fn nobody_proposes_to_readmit_a_counter_to_a_record_that_is_behind() {
    let rig = Rig::new(&["securities", "futures"], &[]).await;
    held(&rig, "a posting under another mark").await;
    let body = proposing(&rig).await;
    assert!(rig.coordinator.standing().fall_behind("three batches are missing".to_owned()));
    let refused = rig.post(READMISSION, body).await;
    is_problem(&refused, StatusCode::SERVICE_UNAVAILABLE, "record_behind");
    let words = refused.1["detail"].as_str().expect("words");
    assert!(words.contains("is released first"), "{words}");
    assert_eq!(rig.lone.store.readmissions().await, Ok(Vec::new()));
}
