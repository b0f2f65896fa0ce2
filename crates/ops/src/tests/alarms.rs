//! Alarms: who may look at them, acknowledge and close them, and what is recorded of that.

use super::*;
use coordinator::events::Kind;
use store::{AlarmAbout, AlarmKind};

const ALARMS: &str = "/ops/v1/alarms";

fn note(words: &str) -> Value {
    json!({ "note": words })
}

/// Alarms that an earlier life of the bridge has left open: a counter's, and one of the database.
async fn with_alarms() -> Rig {
    let raised = |kind, about, at| Alarm {
        kind,
        about,
        text: "it says otherwise".into(),
        latest: "and again".into(),
        raised_at: at,
        last_at: at,
        times: 3,
        acknowledged: None,
        closed: None,
    };
    let futures = AlarmAbout::Counter(CounterId::new("futures").expect("a counter"));
    let alarms = [
        (None, raised(AlarmKind::Contradiction, futures, ACCEPTED_AT)),
        (None, raised(AlarmKind::RecordBehind, AlarmAbout::Bridge, ACCEPTED_AT + 1)),
    ];
    Rig::with_kept(&["securities", "futures"], &alarms).await
}

fn of<'a>(page: &'a Value, field: &str) -> Vec<&'a Value> {
    page["alarms"].as_array().expect("a list").iter().map(|alarm| &alarm[field]).collect()
}

#[tokio::test]
async fn an_alarm_is_acknowledged_by_one_closed_by_another_and_both_are_recorded() {
    let rig = with_alarms().await;
    let lin = rig.token_of("lin", OperatorRole::Operator).await;
    let (status, page) = rig.get(&format!("{ALARMS}?state=open")).await;
    assert_eq!(status, StatusCode::OK);
    let lie = page["alarms"].as_array().expect("a list").iter().find(|one| one["number"] == 1);
    let lie = lie.expect("it is open");
    assert_eq!(
        (&lie["kind"], &lie["counter"], &lie["transfer"], &lie["times"], &lie["unseen"]),
        (&json!("contradiction"), &json!("futures"), &Value::Null, &json!(3), &json!(3))
    );
    assert_eq!((&lie["acknowledged"], &lie["closed"]), (&Value::Null, &Value::Null));
    assert_eq!(lie["closes_by_itself"], false);
    let (_, summary) = rig.get("/ops/v1/summary").await;
    let before = summary["alarms_unacknowledged"].as_u64().expect("a count");

    let seen = format!("{ALARMS}/1/acknowledgement");
    let (status, said) = rig.post_as(&lin, &seen, note("on the\ntelephone")).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    let acknowledged = &said["acknowledged"];
    assert_eq!(
        (&acknowledged["who"], &acknowledged["note"], &said["unseen"]),
        (&json!("lin"), &json!("on the\ntelephone"), &json!(0))
    );
    let (status, again) = rig.post(&seen, note("I as well")).await;
    assert_eq!((status, &again["acknowledged"]), (StatusCode::OK, acknowledged), "the first stays");
    let (_, summary) = rig.get("/ops/v1/summary").await;
    let after = summary["alarms_unacknowledged"].as_u64().expect("a count");
    assert!(after < before && summary["alarms_open"].as_u64() > Some(after), "{summary}");
    let (_, text) = rig.get("/metrics").await;
    let metric = "alarms_open{kind=\"contradiction\",acknowledged=\"true\"} 1";
    assert!(text.as_str().expect("text").contains(metric), "{text}");

    let closing = format!("{ALARMS}/1/closing");
    let (status, said) = rig.post(&closing, note("it was a mistake of theirs")).await;
    assert_eq!((status, &said["closed"]["who"]), (StatusCode::OK, &json!("wang")), "{said}");
    for path in [&closing, &seen] {
        let (status, late) = rig.post_as(&lin, path, note("late")).await;
        assert_eq!((status, &late["type"]), (StatusCode::CONFLICT, &json!("/errors/alarm_closed")));
        assert!(late["detail"].as_str().expect("words").contains("closed already, by wang"));
    }
    let (_, page) = rig.get(&format!("{ALARMS}?state=closed")).await;
    assert_eq!((of(&page, "number").last(), &page["next"]), (Some(&&json!(1)), &Value::Null));
    let notes: Vec<&Value> =
        of(&page, "closed").into_iter().map(|closed| &closed["note"]).collect();
    assert_eq!(notes.last(), Some(&&json!("it was a mistake of theirs")));
    let (_, page) = rig.get(ALARMS).await;
    assert_eq!(of(&page, "number").last(), Some(&&json!(1)), "those that are open come first");
    let (_, page) = rig.get(&format!("{ALARMS}?before=1")).await;
    assert_eq!(of(&page, "number"), [&Value::Null; 0]);

    let (_, acts) = rig.get("/ops/v1/acts?about=alarm%201").await;
    let change =
        |act: &Value| ["who", "act", "before", "after", "outcome"].map(|field| act[field].clone());
    let acts: Vec<_> = acts["acts"].as_array().expect("acts").iter().map(change).collect();
    let done = |who, act, before: Option<&str>, after, outcome| {
        [json!(who), json!(act), json!(before), json!(after), json!(outcome)]
    };
    let by_lin = Some("acknowledged by lin");
    let expected = [
        done("lin", "alarm_acknowledged", None, "acknowledged", "alarm_closed"),
        done("lin", "alarm_closed", None, "closed", "alarm_closed"),
        done("wang", "alarm_closed", by_lin, "closed", "done"),
        done("wang", "alarm_acknowledged", by_lin, "acknowledged", "done"),
        done("lin", "alarm_acknowledged", Some("open"), "acknowledged", "done"),
    ];
    assert_eq!(acts, expected);
    let (events, _) = rig.coordinator.events().follow();
    let told = events.iter().filter(|event| event.kind == Kind::Alarm);
    let told: Vec<&str> = told.map(|event| event.text.as_str()).collect();
    let said = [
        "lin has acknowledged alarm 1: on the\\ntelephone",
        "wang has closed alarm 1: it was a mistake of theirs",
    ];
    for text in said {
        assert_eq!(told.iter().filter(|told| **told == text).count(), 1, "{told:?}");
    }
}

/// Whoever acknowledges or closes an alarm means what he has seen of it.
#[tokio::test]
async fn what_was_said_since_it_was_looked_at_is_neither_acknowledged_nor_closed() {
    let rig = with_alarms().await;
    let seeing = |times: u64| json!({ "note": "looked at", "times": times });
    let seen = format!("{ALARMS}/1/acknowledgement");
    let (status, said) = rig.post(&seen, seeing(2)).await;
    assert_eq!((status, &said["times"], &said["unseen"]), (StatusCode::OK, &json!(3), &json!(1)));
    let (status, said) = rig.post(&format!("{ALARMS}/1/closing"), seeing(2)).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    let (_, page) = rig.get(&format!("{ALARMS}?state=open")).await;
    let alarms = page["alarms"].as_array().expect("a list");
    let another = alarms.iter().find(|one| one["kind"] == "contradiction").expect("another");
    assert_eq!((&another["counter"], &another["times"]), (&json!("futures"), &json!(1)));
    assert_ne!(another["number"], 1);
    // All of it was seen: nothing is left.
    let rig = with_alarms().await;
    let (status, _) = rig.post(&format!("{ALARMS}/1/closing"), seeing(3)).await;
    assert_eq!(status, StatusCode::OK);
    let (_, page) = rig.get(&format!("{ALARMS}?state=open")).await;
    let alarms = page["alarms"].as_array().expect("a list");
    assert!(alarms.iter().all(|one| one["kind"] != "contradiction"), "{page}");
}

/// Its condition is over, for this record is whole: the one that was open before closes by itself, and says so.
#[tokio::test]
async fn what_lasts_closes_by_itself_and_by_nobody_before() {
    let rig = with_alarms().await;
    let closed = async {
        loop {
            let (_, page) = rig.get(&format!("{ALARMS}?state=closed")).await;
            if let Some(alarm) = page["alarms"].get(0) {
                return alarm.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let closed = tokio::time::timeout(Duration::from_mins(1), closed).await.expect("in time");
    assert_eq!((&closed["number"], &closed["kind"]), (&json!(2), &json!("record_behind")));
    assert_eq!(closed["closed"]["who"], Value::Null);
    assert_eq!(closed["closed"]["note"], "it is over: the record is behind no longer");
    assert_eq!(closed["closes_by_itself"], true);

    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let path = async {
        loop {
            let (_, page) = rig.get(&format!("{ALARMS}?state=open")).await;
            let open = page["alarms"].as_array().expect("a list").iter();
            let mut open = open.filter(|alarm| alarm["kind"] == "needs_operator");
            if let Some(number) = open.find_map(|alarm| alarm["number"].as_i64()) {
                return format!("{ALARMS}/{number}/closing");
            }
            tokio::task::yield_now().await;
        }
    };
    let path = tokio::time::timeout(Duration::from_mins(1), path).await.expect("it is raised");
    let (status, said) = rig.post(&path, note("enough")).await;
    assert_eq!((status, &said["type"]), (StatusCode::CONFLICT, &json!("/errors/alarm_lasts")));
    let detail = said["detail"].as_str().expect("words");
    assert!(detail.contains("closes by itself when no transfer needs a person"), "{detail}");
}

#[tokio::test]
async fn whoever_only_looks_says_nothing_of_alarms_and_a_note_is_wanted() {
    let rig = with_alarms().await;
    let viewer = rig.token_of("lin", OperatorRole::Viewer).await;
    for act in ["acknowledgement", "closing"] {
        let path = format!("{ALARMS}/1/{act}");
        let (status, _) = rig.post_as(&viewer, &path, note("?")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{act}");
        for body in [json!({}), note(" "), note("a\u{202e}b"), json!({"note": "x", "who": "lin"})] {
            let (status, said) = rig.post(&path, body).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{act}: {said}");
        }
        for number in ["999", "x", "-1"] {
            let (status, said) = rig.post(&format!("{ALARMS}/{number}/{act}"), note("?")).await;
            let expected = (StatusCode::NOT_FOUND, &json!("/errors/no_such_alarm"));
            assert_eq!((status, &said["type"]), expected, "{number}");
        }
    }
    for query in ["state=both", "before=x", "more=1"] {
        let (status, said) = rig.get(&format!("{ALARMS}?{query}")).await;
        let expected = (StatusCode::BAD_REQUEST, &json!("/errors/malformed_query"));
        assert_eq!((status, &said["type"]), expected, "{query}");
    }
}
