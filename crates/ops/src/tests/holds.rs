//! Counters that operators hold, drain and release: who may, and what is shown of it.

use super::*;
use coordinator::events::Kind;
use store::HoldKind;

const HOLD: &str = "/ops/v1/counters/futures/hold";
const DRAIN: &str = "/ops/v1/counters/futures/drain";
const RELEASE: &str = "/ops/v1/counters/futures/release";
const NEW_SESSION: &str = "/ops/v1/counters/futures/new-session";

fn note(words: &str) -> Value {
    json!({ "note": words })
}

/// What is shown of the futures counter.
async fn futures(rig: &Rig) -> Value {
    let (_, counters) = rig.get("/ops/v1/counters").await;
    let counters = counters.as_array().expect("a list").iter();
    counters.into_iter().find(|one| one["counter"] == "futures").expect("a counter").clone()
}

/// Waits until it is known what a drain waits for.
async fn drained(rig: &Rig) -> Value {
    let looked = async {
        loop {
            let hold = futures(rig).await["on_hold"].clone();
            if !hold["waits_for"].is_null() {
                return hold;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looked).await.expect("it is looked at")
}

#[tokio::test]
async fn a_held_counter_is_shown_with_who_and_why_wherever_one_looks() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let lin = rig.token_of("lin", OperatorRole::Operator).await;
    assert_eq!(futures(&rig).await["on_hold"], Value::Null);
    let (status, said) = rig.post_as(&lin, HOLD, note(" their\nrelease ")).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    let hold = &said["on_hold"];
    assert_eq!(
        (&said["counter"], &hold["kind"], &hold["who"], &hold["note"], &hold["waits_for"]),
        (&json!("futures"), &json!("hold"), &json!("lin"), &json!("their\nrelease"), &Value::Null)
    );
    let (_, again) = rig.post(HOLD, note("again")).await;
    assert_eq!(again, said, "the first stays");
    assert_eq!(&futures(&rig).await["on_hold"], hold);
    let (_, ready) = rig.get("/readyz").await;
    assert_eq!(
        (&ready["status"], &ready["held"]),
        (
            &json!("ready, but some counters get no new transfers"),
            &json!({"futures": "an operator holds it"})
        ),
        "nobody reads there who, and why"
    );
    let (_, text) = rig.get("/metrics").await;
    let line = "counter_on_hold{counter=\"futures\",why=\"hold\"} 1";
    assert!(text.as_str().expect("text").contains(line), "{text}");
    let (events, _) = rig.coordinator.events().follow();
    let told: Vec<&str> = events
        .iter()
        .filter(|event| event.kind == Kind::Held)
        .map(|event| event.text.as_str())
        .collect();
    assert_eq!(told, ["lin holds futures, which gets no new transfers: their\\nrelease"]);

    let (status, said) = rig.post_as(&lin, DRAIN, note("the line is moved")).await;
    assert_eq!((status, &said["on_hold"]["kind"]), (StatusCode::OK, &json!("drain")));
    // The one that waits for a person is not waited for.
    let hold = drained(&rig).await;
    assert_eq!((&hold["waits_for"], &hold["parked"]), (&json!(0), &json!(1)));
    assert!(
        hold["text"].as_str().expect("words").contains("not asked about 1 that wait"),
        "{hold}"
    );

    // One that names what was in force before is too late.
    let since = |hold: &Value| json!({"note": "they are done", "since": hold["since"]});
    let (status, said) = rig.post(RELEASE, since(&again["on_hold"])).await;
    assert_eq!((status, &said["type"]), (StatusCode::CONFLICT, &json!("/errors/moved_on")));
    assert!(said["detail"].as_str().expect("words").contains("lin drains futures"), "{said}");
    let (status, said) = rig.post(RELEASE, since(&hold)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&said["released"]["kind"], &said["released"]["who"], &said["who"], &said["still_held"]),
        (&json!("drain"), &json!("lin"), &json!("wang"), &Value::Null)
    );
    let (status, said) = rig.post(RELEASE, note("they are done")).await;
    assert_eq!((status, &said["type"]), (StatusCode::CONFLICT, &json!("/errors/counter_not_held")));
    assert_eq!(futures(&rig).await["on_hold"], Value::Null);
    let (_, acts) = rig.get("/ops/v1/acts?about=futures").await;
    let change =
        |act: &Value| ["who", "act", "before", "after", "outcome"].map(|field| act[field].clone());
    let acts: Vec<_> = acts["acts"].as_array().expect("acts").iter().map(change).collect();
    let done = |who, act, before: Option<&str>, after: Option<&str>, outcome| {
        [json!(who), json!(act), json!(before), json!(after), json!(outcome)]
    };
    let expected = [
        done("wang", "released", None, None, "counter_not_held"),
        done("wang", "released", Some("drain by lin"), None, "done"),
        done("wang", "released", Some("drain by lin"), None, "moved_on"),
        done("lin", "drained", Some("hold by lin"), Some("drain"), "done"),
        done("wang", "held", Some("hold by lin"), Some("hold"), "done"),
        done("lin", "held", None, Some("hold"), "done"),
    ];
    assert_eq!(acts, expected);
}

/// The database has not said whether it took a hold of a counter that got new transfers: it is not shown as free, and
/// may be released.
#[tokio::test]
async fn a_hold_that_may_be_recorded_is_shown_as_not_certain_and_may_be_released() {
    let rig = Rig::new(&["securities", "futures"], &[]).await;
    let (id, other) = (
        CounterId::new("futures").expect("a counter"),
        CounterId::new("securities").expect("a counter"),
    );
    let (who, why) = ("lin".into(), "their release".into());
    let mut left = Box::pin(rig.coordinator.hold(&id, HoldKind::Hold, &who, &why));
    assert!(futures::poll!(&mut left).is_pending(), "it is being written");
    // Who has the turn next keeps it, so that nobody finds out yet what came of the one before.
    let mut next = Box::pin(rig.coordinator.hold(&other, HoldKind::Hold, &who, &why));
    assert!(futures::poll!(&mut next).is_pending(), "it waits for its turn");
    drop(left);
    let shown = futures(&rig).await;
    assert_eq!(shown["on_hold"], Value::Null);
    let text = shown["on_hold_uncertain"].as_str().expect("words");
    assert!(text.contains("is not certain"), "{text}");
    let (_, counters) = rig.get("/ops/v1/counters").await;
    assert_eq!(counters[0]["on_hold_uncertain"], Value::Null, "nothing was said of it");
    drop(next);
    let (status, said) = rig.post(RELEASE, note("whatever it is")).await;
    // It was recorded, or was not; either way it is known now that it is not in force.
    let was_held = (StatusCode::OK, None);
    let was_free = (StatusCode::CONFLICT, Some("/errors/counter_not_held"));
    let answered = (status, said["type"].as_str());
    assert!(answered == was_held || answered == was_free, "{answered:?}");
    let known = async {
        while !futures(&rig).await["on_hold_uncertain"].is_null() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), known).await.expect("it is known");
    assert_eq!(futures(&rig).await["on_hold"], Value::Null);
}

#[tokio::test]
async fn whoever_only_looks_holds_nothing_and_a_reason_is_wanted() {
    let rig = Rig::new(&["securities", "futures"], &[]).await;
    let viewer = rig.token_of("lin", OperatorRole::Viewer).await;
    for path in [HOLD, DRAIN, RELEASE, NEW_SESSION] {
        let (status, _) = rig.post_as(&viewer, path, note("?")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        for body in [json!({}), note(" "), note("a\u{202e}b"), json!({"note": "x", "who": "lin"})] {
            let (status, said) = rig.post(path, body).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {said}");
        }
        let elsewhere = path.replace("futures", "elsewhere");
        let (status, said) = rig.post(&elsewhere, note("?")).await;
        let expected = (StatusCode::NOT_FOUND, &json!("/errors/no_such_counter"));
        assert_eq!((status, &said["type"]), expected, "{path}");
    }
    assert_eq!(futures(&rig).await["on_hold"], Value::Null);
    // Its profile can fence.
    let (status, said) = rig.post(NEW_SESSION, note("?")).await;
    assert_eq!(
        (status, &said["type"]),
        (StatusCode::CONFLICT, &json!("/errors/no_session_needed"))
    );
}
