//! What two persons decide: one proposes, another approves, and nobody else's words do.

use super::*;

#[tokio::test]
async fn a_decision_by_two_ends_a_transfer_once() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let (status, body) = rig.decide(42, "refused").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    assert_eq!(body["type"], "/errors/against_proof");
    assert_eq!(body["detail"], "the decision contradicts the proof: the debit is done");
    assert_eq!(body["leg"], "debit");

    let seen = rig.seen(42).await;
    let choice = |word: &str| {
        let mut all = seen["decisions"].as_array().expect("a list").iter();
        all.find(|choice| choice["decision"] == word).cloned().expect("a choice")
    };
    assert_eq!(choice("completed")["leads_to"], json!({"ends": "completed"}));
    assert_eq!(choice("resume")["leads_to"], json!({"unproven": "credit"}));
    assert_eq!(
        (&choice("refused")["allowed"], &choice("refused")["leads_to"]),
        (&json!(false), &Value::Null)
    );

    let (status, body) = rig.decide(42, "completed").await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let by = (&body["proposal"]["who"], &body["approved_by"]);
    assert_eq!((&body["state"], by), (&json!("completed"), (&json!("zhou"), &json!("wang"))));

    let (status, body) = rig.decide(42, "completed").await;
    assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &json!("/errors/already_final")));
    let (status, body) = rig.decide(77, "completed").await;
    assert_eq!(
        (status, &body["type"]),
        (StatusCode::NOT_FOUND, &json!("/errors/no_such_transfer"))
    );

    let body = rig.seen(42).await;
    assert_eq!((&body["state"], &body["proposal"]), (&json!("completed"), &Value::Null));
    assert_eq!(body["decisions"], json!([]));
    let trail = body["trail"].to_string();
    for words in [
        "zhou proposes completed: seen in the statement",
        "wang approves what zhou proposed, completed: seen, too",
    ] {
        assert!(trail.contains(words), "{trail}");
    }
    assert_eq!(rig.get("/ops/v1/transfers/42").await.0, StatusCode::NOT_FOUND);
    assert_eq!(rig.get("/ops/v1/transfers/2026112100000000077").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nobody_approves_what_is_ones_own_whatever_the_role() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let path = format!("/ops/v1/transfers/{}", intent(42).master);
    let version = rig.seen(42).await["version"].clone();
    let proposing = json!({
        "decision": "completed", "version": version, "leads_to": {"ends": "completed"}, "note": "seen",
    });
    let (status, own) = rig.post(&format!("{path}/proposal"), proposing.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{own}");
    let on = json!({ "proposal": own["id"], "note": "seen" });
    let (status, body) = rig.post(&format!("{path}/approval"), on.clone()).await;
    assert_eq!((status, &body["type"]), (StatusCode::FORBIDDEN, &json!("/errors/own_proposal")));

    // One thing at a time, and who it is that waits is said.
    let (status, body) = rig.post(&format!("{path}/proposal"), proposing.clone()).await;
    assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &json!("/errors/proposed_already")));
    assert_eq!((&body["who"], &body["proposal"]), (&json!("wang"), &own["id"]));
    let claim = json!({"note": "on the telephone"});
    let (status, body) = rig.post(&format!("{path}/claim"), claim).await;
    assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &json!("/errors/proposed_already")));
    let (_, listed) = rig.get("/ops/v1/proposals").await;
    assert_eq!((&listed["total"], &listed["transfers"][0]["proposal"]), (&json!(1), &own));
    let (status, _) = rig.get("/ops/v1/proposals?limit=0").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);

    // Nobody withdraws it but the proposer and whoever may approve.
    let lin = rig.token_of("lin", OperatorRole::Operator).await;
    let (status, body) = rig.post_as(&lin, &format!("{path}/withdrawal"), on.clone()).await;
    assert_eq!((status, &body["type"]), (StatusCode::FORBIDDEN, &json!("/errors/not_permitted")));
    let (status, body) = rig.post_as(&lin, &format!("{path}/approval"), on.clone()).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "an operator approves nothing: {body}");
    let wu = rig.token_of("wu", OperatorRole::Approver).await;
    let (status, body) = rig.post_as(&wu, &format!("{path}/withdrawal"), on.clone()).await;
    assert_eq!((status, &body["id"]), (StatusCode::OK, &own["id"]));
    for path in [format!("{path}/approval"), format!("{path}/withdrawal")] {
        let (status, body) = rig.post_as(&wu, &path, on.clone()).await;
        let expected = json!("/errors/no_such_proposal");
        assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &expected), "{path}");
    }
    assert_eq!(rig.coordinator.open(), 1, "nothing has happened to it");
}

#[tokio::test]
async fn whoever_saw_something_else_proposes_nothing() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let path = format!("/ops/v1/transfers/{}/proposal", intent(42).master);
    let old = "0123456789abcdef0123456789abcdef";
    let leads_to = json!({"ends": "completed"});
    let proposing = |version: &Value, leads_to: &Value| json!({ "decision": "completed", "version": version, "leads_to": leads_to, "note": "seen" });
    let (status, body) = rig.post(&path, proposing(&json!(old), &leads_to)).await;
    assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &json!("/errors/moved_on")));
    let version = rig.seen(42).await["version"].clone();
    assert_eq!(body["version"], version, "it says what to look at");
    let other = json!({"sends": "credit"});
    let (status, body) = rig.post(&path, proposing(&version, &other)).await;
    assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &json!("/errors/moved_on")));
    assert_eq!(rig.post(&path, proposing(&version, &leads_to)).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn of_more_than_so_much_an_admin_has_to_approve() {
    let limit = |most| Approval { admin_above: [("CNY".to_owned(), most)].into() };
    let counters = ["securities", "futures"];
    for (most, expected) in [(99_999, StatusCode::FORBIDDEN), (100_000, StatusCode::CREATED)] {
        let rig = Rig::under(limit(most), &counters, &[parked(42)]).await;
        let wu = rig.token_of("wu", OperatorRole::Approver).await;
        let (_, proposal) = rig.propose(42, "completed").await;
        let path = format!("/ops/v1/transfers/{}/approval", intent(42).master);
        let on = json!({ "proposal": proposal["id"], "note": "seen" });
        let (status, body) = rig.post_as(&wu, &path, on.clone()).await;
        assert_eq!(status, expected, "{body}");
        if expected == StatusCode::FORBIDDEN {
            assert_eq!(body["type"], "/errors/not_permitted");
            let why = body["detail"].as_str().expect("words");
            assert!(why.contains("more than 99999") && why.contains("an admin"), "{why}");
            assert_eq!(rig.post(&path, on).await.0, StatusCode::CREATED, "wang is one");
        }
    }
}

#[tokio::test]
async fn what_somebody_has_claimed_is_shown_with_the_name_until_it_is_released() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let serial = intent(42).master.to_string();
    let path = format!("/ops/v1/transfers/{serial}/claim");
    let claim = || json!({"note": "on the telephone"});
    let lin = rig.token_of("lin", OperatorRole::Operator).await;
    let (status, body) = rig.post_as(&lin, &path, claim()).await;
    assert_eq!((status, &body["claim"]["who"]), (StatusCode::OK, &json!("lin")), "{body}");
    let body = rig.seen(42).await;
    assert_eq!(body["claim"]["note"], "on the telephone");
    assert!(
        body["next"].as_str().is_some_and(|next| next.ends_with("; lin has claimed it")),
        "{body}"
    );
    assert_eq!(body["outlook"], json!({"unproven": "credit"}));
    let (_, body) = rig.get("/ops/v1/transfers").await;
    assert_eq!(body["transfers"][0]["claim"]["who"], "lin");

    let (status, body) = rig.post(&path, claim()).await;
    assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &json!("/errors/claimed")));
    assert_eq!((&body["who"], body["until"].is_string()), (&json!("lin"), true));
    let (status, body) = rig.propose(42, "completed").await;
    assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &json!("/errors/claimed")));
    let (status, _) = rig.post(&path, json!({"release": true})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, body) = rig.post_as(&lin, &path, json!({"release": true})).await;
    assert_eq!((status, &body["claim"]), (StatusCode::OK, &Value::Null));
    assert_eq!(rig.seen(42).await["claim"], Value::Null);
    let long = "n".repeat(crate::said::LONGEST_NOTE + 1);
    for body in
        [json!({}), json!({"who": "wang", "note": "in another's name"}), json!({"note": long})]
    {
        assert_eq!(rig.post_as(&lin, &path, body).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    for (path, expected) in [
        ("/ops/v1/transfers/42/claim", StatusCode::NOT_FOUND),
        ("/ops/v1/transfers/2026112100000000077/claim", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(rig.post_as(&lin, path, claim()).await.0, expected, "{path}");
    }
    assert_eq!(rig.decide(42, "completed").await.0, StatusCode::CREATED);
    let (status, body) = rig.post_as(&lin, &path, claim()).await;
    assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &json!("/errors/already_final")));
}

#[tokio::test]
async fn all_that_is_proven_is_listed_and_nothing_else() {
    use Knowledge::{NotExecuted, Unknown};
    let rig = Rig::with(
        &["securities", "futures"],
        &[parked_with(42, NotExecuted), parked_with(43, Unknown), parked_with(44, NotExecuted)],
    )
    .await;
    let (status, body) = rig.get("/ops/v1/proven").await;
    assert_eq!((status, &body["total"]), (StatusCode::OK, &json!(2)), "{body}");
    let first = &body["transfers"][0];
    assert_eq!(first["master_serial"], "2026112100000000042");
    assert_eq!(first["outlook"], json!({"sends": "reversal"}));
    assert_eq!(first["reason"], "proven: debit done, credit never executed");
    assert_eq!(first["version"], rig.seen(42).await["version"]);
    for query in ["limit=0", "limit=201", "limit=x", "state=crediting"] {
        let (status, body) = rig.get(&format!("/ops/v1/proven?{query}")).await;
        assert_eq!(
            (status, &body["type"]),
            (StatusCode::BAD_REQUEST, &json!("/errors/malformed_query"))
        );
    }
    let claim = json!({"note": "on the telephone"});
    let path = "/ops/v1/transfers/2026112100000000044/claim";
    assert_eq!(rig.post(path, claim).await.0, StatusCode::OK);
    let (_, body) = rig.get("/ops/v1/proven").await;
    assert_eq!(body["total"], 1, "one is somebody's");
    let (status, body) = rig.decide(42, "resume").await;
    assert_eq!((status, &body["state"]), (StatusCode::CREATED, &json!("reversing")), "{body}");
    assert_eq!(rig.get("/ops/v1/proven").await.1["total"], 0);
    for (number, state) in [(43, "needs_operator"), (44, "needs_operator")] {
        assert_eq!(rig.seen(number).await["state"], state, "{number}");
    }
}

#[tokio::test]
async fn a_page_elsewhere_cannot_propose() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let path = format!("/ops/v1/transfers/{}/proposal", intent(42).master);
    let version = rig.seen(42).await["version"].clone();
    let body = json!({
        "decision": "completed", "version": version, "leads_to": {"ends": "completed"}, "note": "n",
    });
    let post = |name: &'static str, value: &'static str, media_type: &'static str| {
        Request::post(&path)
            .header(header::HOST, "127.0.0.1:8081")
            .header(header::CONTENT_TYPE, media_type)
            .header(name, value)
            .body(Body::from(body.to_string()))
            .expect("a request")
    };
    let foreign = post("origin", "http://evil.example", "application/json");
    assert_eq!(rig.send(foreign).await.0, StatusCode::FORBIDDEN);
    let form = post("x-nothing", "1", "text/plain");
    assert_eq!(rig.send(form).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(rig.seen(42).await["proposal"], Value::Null);
    let own = post("origin", "http://127.0.0.1:8081", "application/json");
    assert_eq!(rig.send(own).await.0, StatusCode::CREATED);

    let long = json!({ "note": "n".repeat(crate::LONGEST_BODY) });
    let (status, body) = rig.post(&path, long).await;
    assert_eq!(
        (status, &body["type"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!("/errors/body_too_large"))
    );
}
