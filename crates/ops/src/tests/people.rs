//! Who may look and act, and how they come in and out.

use super::*;
use ::people::{Password, SessionSecret, TotpSecret};
use axum::http::{Extensions, HeaderMap, Method};
use store::people::{Factor, NewFactor, NewSession, SignedIn};
use supervise::clock::now_micros;

/// A password that is good enough.
const PASSWORD: &str = "kettle orbit, sandal and 4 plums";

/// A request of a browser's.
struct Browser<'a> {
    rig: &'a Rig,
    /// What it was told to keep, as it sends it.
    cookies: String,
}

impl<'a> Browser<'a> {
    fn new(rig: &'a Rig) -> Browser<'a> {
        // Something must be sent, or the rig shows its own token.
        Browser { rig, cookies: "theme=dark".to_owned() }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> (StatusCode, HeaderMap, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1:8081")
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, &self.cookies)
            .body(Body::from(body.to_string()))
            .expect("a request");
        let (status, headers, body) = self.rig.send(request).await;
        (status, headers, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> StatusCode {
        self.send(Method::GET, path, Value::Null).await.0
    }

    /// One in which an operator with this role is signed in already.
    async fn of(rig: &'a Rig, name: &str, role: OperatorRole) -> Browser<'a> {
        made(rig, name, role, None).await;
        let mut browser = Browser::new(rig);
        let (status, said) = browser.sign_in(name, PASSWORD, "").await;
        assert_eq!(status, StatusCode::CREATED, "{said}");
        browser
    }

    /// What is answered of a request with a body.
    async fn asks(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let (status, _, said) = self.send(method, path, body).await;
        (status.as_u16(), said)
    }

    /// Signs in, and keeps what it is told to keep.
    async fn sign_in(&mut self, name: &str, password: &str, code: &str) -> (StatusCode, Value) {
        let body = json!({"name": name, "password": password, "code": code});
        let (status, headers, said) = self.send(Method::POST, "/ops/v1/session", body).await;
        for cookie in headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            assert!(cookie.contains("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
            assert!(cookie.starts_with("__Host-"), "{cookie}");
            let pair = cookie.split(';').next().expect("a pair");
            self.cookies = format!("{}; {pair}", self.cookies);
        }
        (status, said)
    }
}

/// Makes an operator with this password and, if there is a secret, a second factor.
async fn made(rig: &Rig, name: &str, role: OperatorRole, secret: Option<&TotpSecret>) {
    let name: OperatorName = name.parse().expect("a name");
    let password = Password::chosen(PASSWORD, &name, &[]).expect("it is good enough").hash();
    let new = NewOperator {
        name,
        role,
        password: password.as_str().to_owned(),
        must_change: false,
        factor: secret.map(|secret| NewFactor { secret: secret.text(), recovery: Vec::new() }),
    };
    rig.lone.people.add(&new, &act()).await.expect("it is made");
}

/// What was done, the latest first.
async fn acts(rig: &Rig) -> Vec<(String, String, String)> {
    let (_, body) = rig.get("/ops/v1/acts").await;
    let word = |act: &Value, name: &str| act[name].as_str().unwrap_or("none").to_owned();
    let acts = body["acts"].as_array().expect("acts").iter();
    acts.map(|act| (word(act, "who"), word(act, "act"), word(act, "outcome"))).collect()
}

/// Nobody is known by what is wrong, has expired, or is another's kind of proof; and no route that is described
/// answers nobody but those that are said to.
#[tokio::test]
async fn no_route_answers_nobody_but_those_that_are_said_to() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let described: Value = serde_json::from_str(crate::openapi_json()).expect("JSON");
    let mut guarded = 0;
    for (path, operations) in described["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            // What nobody needs to show is one of what may be shown, where that is configured.
            let is_open =
                operation["security"] == json!([]) || operation["security"][0] == json!({});
            let target = path
                .replace("{master_serial}", "2026112100000000042")
                .replace("{counter}", "securities")
                .replace("{name}", "wang")
                .replace("{id}", &"0".repeat(64));
            for proof in ["", "Bearer x", "Basic YTpi"] {
                let request = Request::builder()
                    .method(Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method"))
                    .uri(&target)
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(header::COOKIE, "__Host-session=cbs_x")
                    .header(header::AUTHORIZATION, proof)
                    .body(Body::from("{}"))
                    .expect("a request");
                let answer = rig.routes.clone().oneshot(request).await.expect("never fails");
                let is_nobody = answer.status() == StatusCode::UNAUTHORIZED;
                assert_eq!(is_nobody, !is_open, "{method} {path} {proof:?}: {}", answer.status());
                assert_eq!(is_nobody, answer.headers().contains_key(header::WWW_AUTHENTICATE));
            }
            guarded += u32::from(!is_open);
        }
    }
    assert!(guarded > 20, "{guarded}");
}

/// Where it is configured so, metrics want a viewer; whoever may less than that, or is nobody, reads none.
#[tokio::test]
async fn metrics_are_for_anyone_or_for_whoever_may_look() {
    for (metrics_for, of_nobody) in
        [(MetricsFor::Anyone, StatusCode::OK), (MetricsFor::Viewer, StatusCode::UNAUTHORIZED)]
    {
        let rig = Rig::set((Approval::default(), metrics_for), &["securities"], &[]).await;
        let viewer = rig.token_of("monitor", OperatorRole::Viewer).await;
        for (proof, status) in [
            (format!("Bearer {viewer}"), StatusCode::OK),
            (format!("Bearer {}", TokenSecret::random().text()), of_nobody),
            ("Basic YTpi".to_owned(), of_nobody),
            (String::new(), of_nobody),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let request = Request::builder()
                    .method(&method)
                    .uri("/metrics")
                    .header(header::AUTHORIZATION, &proof)
                    .body(Body::empty())
                    .expect("a request");
                let answer = rig.routes.clone().oneshot(request).await.expect("never fails");
                assert_eq!(answer.status(), status, "{metrics_for:?} {method} {proof:?}");
            }
        }
        // What a machine that watches asks first needs nobody, whatever is configured.
        for path in ["/healthz", "/readyz"] {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            let answer = rig.routes.clone().oneshot(request).await.expect("never fails");
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
        }
    }
}

/// Each role may what those before it may, and no more; what gives power to others takes a person.
#[tokio::test]
async fn a_role_may_so_much_and_no_more() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let unknown = "0123456789abcdef0123456789abcdef";
    let approval = format!("/ops/v1/transfers/{}/approval", intent(42).master);
    let approving = json!({"proposal": unknown, "note": "n"});
    let proposal = format!("/ops/v1/transfers/{}/proposal", intent(42).master);
    let proposing = json!({
        "decision": "completed", "version": unknown, "leads_to": {"ends": "completed"}, "note": "n",
    });
    let claim = format!("/ops/v1/transfers/{}/claim", intent(42).master);
    let release = json!({"release": true});
    // 200, 409 and 201 are answers of what was asked.
    for (name, role, claims, proposes, approves, makes) in [
        ("v", OperatorRole::Viewer, 403, 403, 403, 403),
        ("o", OperatorRole::Operator, 200, 409, 403, 403),
        ("p", OperatorRole::Approver, 200, 409, 409, 403),
        ("a", OperatorRole::Admin, 200, 409, 409, 201),
    ] {
        let browser = Browser::of(&rig, name, role).await;
        let other = json!({"name": format!("{name}-2"), "role": "viewer", "reason": "a colleague"});
        let asked = [
            (claim.as_str(), release.clone(), claims),
            (proposal.as_str(), proposing.clone(), proposes),
            (approval.as_str(), approving.clone(), approves),
            ("/ops/v1/operators", other, makes),
        ];
        for (path, body, expected) in asked {
            let (status, said) = browser.asks(Method::POST, path, body).await;
            assert_eq!(status, expected, "{name} {path}: {said}");
        }
    }
    let other = json!({"name": "zhao", "role": "viewer", "reason": "a new colleague"});
    let (status, said) = rig.post("/ops/v1/operators", other).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "an admin's program makes nobody: {said}");
    let refused = acts(&rig).await.into_iter().filter(|(_, act, _)| act == "approved");
    let outcomes: Vec<_> = refused.map(|(who, _, outcome)| (who, outcome)).collect();
    let expected = ["a", "p"].map(|who| (who.to_owned(), "no_such_proposal".to_owned()));
    assert_eq!(outcomes, expected, "whoever may not has not acted");
}

/// A token may no more than its operator, ends by its time, and with its operator.
#[tokio::test]
async fn a_token_is_no_more_than_its_operator_and_ends_with_it() {
    let rig = Rig::new(&["securities"], &[]).await;
    let admin = Browser::of(&rig, "zhao", OperatorRole::Admin).await;
    let token = rig.token_of("lin", OperatorRole::Operator).await;
    let reconnect = "/ops/v1/counters/securities/reconnect";
    let reconnects = async |token: &str| rig.post_as(token, reconnect, json!({})).await.0.as_u16();
    assert_eq!(reconnects(&token).await, 202);
    let patch =
        async |change: Value| admin.asks(Method::PATCH, "/ops/v1/operators/lin", change).await.0;
    assert_eq!(patch(json!({"role": "viewer", "reason": "on leave"})).await, 200);
    assert_eq!(reconnects(&token).await, 403);
    assert_eq!(patch(json!({"disabled": true, "reason": "has left"})).await, 200);
    assert_eq!(reconnects(&token).await, 401);
    for wrong in [
        json!({"reason": "nothing"}),
        json!({"role": "viewer", "disabled": true, "reason": "two"}),
        json!({"role": "chief", "reason": "no role"}),
        json!({"role": "viewer", "reason": " "}),
    ] {
        assert_eq!(patch(wrong).await, 422);
    }
    let secret = TokenSecret::random();
    let expired = NewToken {
        digest: secret.digest(),
        name: "wang".parse().expect("a name"),
        label: "of yesterday".into(),
        role: OperatorRole::Approver,
        expires_at: now_micros(),
    };
    assert_eq!(rig.lone.people.add_token(&expired, &act()).await, Ok(true));
    assert_eq!(reconnects(&secret.text()).await, 401);
}

#[tokio::test]
async fn an_operator_signs_in_with_a_second_factor_and_out_again() {
    let rig = Rig::new(&["securities"], &[]).await;
    let secret = TotpSecret::random();
    made(&rig, "lin", OperatorRole::Operator, Some(&secret)).await;
    let mut browser = Browser::new(&rig);
    assert_eq!(browser.get("/ops/v1/counters").await, StatusCode::UNAUTHORIZED);
    let code = secret.code(now_micros());
    for (name, password, code) in [
        ("lin", "another password", code.as_str()),
        ("lin", PASSWORD, ""),
        ("lin", PASSWORD, "ABCD-EFGH-IJKL-MNOP"),
        ("nobody", PASSWORD, &code),
        ("Not A Name", PASSWORD, &code),
    ] {
        let (status, said) = browser.sign_in(name, password, code).await;
        assert_eq!(
            (status, &said["type"], &said["detail"]),
            (
                StatusCode::UNAUTHORIZED,
                &json!("/errors/sign_in_refused"),
                &json!(
                    "name, password or code is wrong, or this operator may not sign in any more; \
                     a code is good once"
                )
            ),
            "{name} {password} {code}"
        );
    }
    let (status, said) = browser.sign_in("lin", PASSWORD, &secret.code(now_micros())).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    assert_eq!((&said["name"], &said["role"]), (&json!("lin"), &json!("operator")));
    assert_eq!(browser.get("/ops/v1/counters").await, StatusCode::OK);
    let mut second = Browser::new(&rig);
    let (status, _) = second.sign_in("lin", PASSWORD, &code).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "a code is good once");

    let (_, _, said) =
        browser.send(Method::GET, "/ops/v1/operators/lin/sessions", Value::Null).await;
    assert_eq!(said["sessions"].as_array().map(Vec::len), Some(1), "{said}");
    let (status, headers, _) = browser.send(Method::DELETE, "/ops/v1/session", json!({})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(headers[header::SET_COOKIE].to_str().expect("text").contains("Max-Age=0"));
    assert_eq!(browser.get("/ops/v1/counters").await, StatusCode::UNAUTHORIZED);
    let acts = acts(&rig).await;
    let of_lin: Vec<_> =
        acts.iter().filter(|(who, ..)| who == "lin").map(|(_, act, _)| act).collect();
    assert_eq!(of_lin, ["signed_out", "signed_in"], "what was refused is no act");
}

/// Whoever was given a password by another changes it before anything else, and gets a second factor that nobody else
/// has seen; all other sessions end with that.
#[tokio::test]
async fn a_given_password_is_changed_before_anything_else() {
    let rig = Rig::new(&["securities"], &[]).await;
    let admin = Browser::of(&rig, "lin", OperatorRole::Admin).await;
    let new = json!({"name": "zhao", "role": "operator", "reason": "a new colleague"});
    let (status, given) = admin.asks(Method::POST, "/ops/v1/operators", new.clone()).await;
    assert_eq!(status, 201, "{given}");
    let (status, said) = admin.asks(Method::POST, "/ops/v1/operators", new).await;
    assert_eq!((status, &said["type"]), (409, &json!("/errors/operator_exists")));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let code = |factor: &Value| {
        let secret: TotpSecret = text(&factor["secret"]).parse().expect("a secret");
        secret.code(now_micros())
    };
    let mut browser = Browser::new(&rig);
    let password = text(&given["password"]);
    let (status, said) = browser.sign_in("zhao", &password, &code(&given["second_factor"])).await;
    assert_eq!((status, &said["must_change_password"]), (StatusCode::CREATED, &json!(true)));
    let (status, said) = browser.asks(Method::GET, "/ops/v1/counters", Value::Null).await;
    assert_eq!((status, &said["type"]), (403, &json!("/errors/password_to_change")));
    let change = async |password: &str, new: &str| {
        let body = json!({"password": password, "new": new});
        let (status, said) = browser.asks(Method::POST, "/ops/v1/session/password", body).await;
        (status, said["field"].as_str().unwrap_or("none").to_owned(), said)
    };
    for (shown, new, field) in [
        ("wrong", PASSWORD, "password"),
        (password.as_str(), "password1234", "new"),
        (password.as_str(), password.as_str(), "new"),
    ] {
        let (status, wrong, _) = change(shown, new).await;
        assert_eq!((status, wrong.as_str()), (422, field));
    }
    let (status, _, own) = change(&password, PASSWORD).await;
    assert_eq!(status, 200, "{own}");
    assert_eq!(browser.get("/ops/v1/counters").await, StatusCode::OK, "this session goes on");
    let recovery = |given: &Value| text(&given["second_factor"]["recovery_codes"][0]);
    let mut another = Browser::new(&rig);
    for (password, code) in [
        (&*password, recovery(&own)),
        (PASSWORD, recovery(&given)),
        (PASSWORD, code(&given["second_factor"])),
    ] {
        let (status, _) = another.sign_in("zhao", password, &code).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "what the admin has seen");
    }
    assert_eq!(another.sign_in("zhao", PASSWORD, &recovery(&own)).await.0, StatusCode::CREATED);
    assert_eq!(browser.get("/ops/v1/counters").await, StatusCode::OK);
    let reset = "/ops/v1/operators/zhao/reset";
    let (status, _) = admin.asks(Method::POST, reset, json!({"reason": "lost"})).await;
    assert_eq!(status, 200);
    for ended in [&browser, &another] {
        assert_eq!(ended.get("/ops/v1/counters").await, StatusCode::UNAUTHORIZED);
    }
    let own = "/ops/v1/operators/lin/reset";
    let (status, said) = admin.asks(Method::POST, own, json!({"reason": "mine"})).await;
    assert_eq!(status, 403, "nobody gives himself a password: {said}");
}

/// A flood of guesses is slowed down, whoever guesses; a browser in which the operator has signed in before is not.
#[tokio::test]
async fn a_flood_of_guesses_is_slowed_down_and_the_true_operator_still_gets_in() {
    let rig = Rig::new(&["securities"], &[]).await;
    made(&rig, "lin", OperatorRole::Operator, None).await;
    let mut known = Browser::new(&rig);
    assert_eq!(known.sign_in("lin", PASSWORD, "").await.0, StatusCode::CREATED);
    let mut stranger = Browser::new(&rig);
    let mut refusals = Vec::new();
    for _ in 0..12 {
        refusals.push(stranger.sign_in("lin", "a guess of mine", "").await.0.as_u16());
    }
    assert_eq!(&refusals[..6], [401; 6]);
    assert!(refusals[6..].contains(&429), "{refusals:?}");
    assert_eq!(stranger.sign_in("lin", PASSWORD, "").await.0, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(known.sign_in("lin", PASSWORD, "").await.0, StatusCode::CREATED);
}

/// Sessions and tokens are their operator's matter, and to be ended an admin's; no program looks after them.
#[tokio::test]
async fn nobody_looks_after_anothers_sessions_and_tokens_but_an_admin() {
    let rig = Rig::new(&[], &[]).await;
    let [lin, zhao] = [
        Browser::of(&rig, "lin", OperatorRole::Approver).await,
        Browser::of(&rig, "zhao", OperatorRole::Approver).await,
    ];
    let admin = Browser::of(&rig, "ma", OperatorRole::Admin).await;
    let tokens = "/ops/v1/operators/zhao/tokens";
    let token = |role: &str, days: u32| json!({"label": "nightly", "role": role, "days": days, "reason": "a report"});
    for (browser, role, days, expected) in [
        (&zhao, "viewer", 0, 422),
        (&zhao, "viewer", 1, 201),
        (&zhao, "approver", 366, 201),
        (&zhao, "viewer", 367, 422),
        (&zhao, "admin", 30, 422),
        (&lin, "viewer", 30, 403),
        (&admin, "viewer", 30, 403),
    ] {
        let (status, said) = browser.asks(Method::POST, tokens, token(role, days)).await;
        assert_eq!(status, expected, "{role} {days}: {said}");
    }
    let (status, said) =
        admin.asks(Method::POST, "/ops/v1/operators/ma/tokens", token("admin", 30)).await;
    assert_eq!((status, &said["field"]), (422, &json!("role")), "{said}");
    assert_eq!(rig.get(tokens).await.0, StatusCode::FORBIDDEN, "a program");
    let (_, its) = zhao.asks(Method::GET, tokens, Value::Null).await;
    assert_eq!(its["tokens"].as_array().map(Vec::len), Some(2), "{its}");
    let id = its["tokens"][0]["id"].as_str().expect("an id").to_owned();
    let end = async |browser: &Browser<'_>, whose: &str| {
        let path = format!("/ops/v1/operators/{whose}/tokens/{id}");
        browser.asks(Method::DELETE, &path, json!({})).await.0
    };
    assert_eq!(end(&lin, "zhao").await, 403);
    assert_eq!(end(&lin, "lin").await, 404, "by whatever name it is called");
    assert_eq!(end(&lin, "nobody").await, 403);
    assert_eq!(end(&zhao, "zhao").await, 204);
    assert_eq!(end(&zhao, "zhao").await, 404);
    let (_, its) = admin.asks(Method::GET, "/ops/v1/operators/zhao/sessions", Value::Null).await;
    let session = its["sessions"][0]["id"].as_str().expect("an id");
    let path = format!("/ops/v1/operators/zhao/sessions/{session}");
    assert_eq!(lin.asks(Method::DELETE, &path, json!({})).await.0, 403);
    assert_eq!(admin.asks(Method::DELETE, &path, json!({})).await.0, 204);
    assert_eq!(zhao.get("/ops/v1/counters").await, StatusCode::UNAUTHORIZED);
}

/// An act is recorded before it is done, and afterwards with what became of it.
#[tokio::test]
async fn every_act_is_recorded_with_who_and_what_became_of_it() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let lin = rig.token_of("lin", OperatorRole::Operator).await;
    let path = format!("/ops/v1/transfers/{}/claim", intent(42).master);
    rig.post_as(&lin, &path, json!({"note": "on the telephone"})).await;
    rig.post(&path, json!({"note": "so am I"})).await;
    rig.post_as(&lin, "/ops/v1/counters/futures/reconnect", json!({})).await;
    let proposing = json!({"version": "0".repeat(32), "note": "it is well"});
    rig.post("/ops/v1/counters/futures/readmission", proposing).await;
    rig.post_as(&lin, &path, json!({"release": true})).await;
    rig.decide(42, "completed").await;
    let made = acts(&rig).await;
    let acts: Vec<_> = made.iter().filter(|(_, act, _)| act != "prepared").collect();
    let expected = [
        ("wang", "approved", "done"),
        ("zhou", "proposed", "done"),
        ("lin", "claim_ended", "done"),
        ("wang", "proposed_readmission", "counter_not_held"),
        ("lin", "reconnected", "done"),
        ("wang", "claimed", "claimed"),
        ("lin", "claimed", "done"),
    ];
    let seen: Vec<_> = acts.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
    assert_eq!(&seen[..7], expected);
    let (_, one) = rig.get("/ops/v1/acts?who=wang&about=futures").await;
    assert_eq!(one["acts"].as_array().map(Vec::len), Some(1), "{one}");
    assert_eq!(one["acts"][0]["reason"], "it is well");
    assert_eq!((&one["acts"][0]["by"], &one["next"]), (&json!("token a test"), &Value::Null));
    assert_eq!(rig.get("/ops/v1/acts?whom=lin").await.0, StatusCode::BAD_REQUEST);
}

/// Whoever makes a page of several answers brings back who the first was found to be of. It is good for looks alone, and
/// for nobody else.
#[tokio::test]
async fn who_looks_is_looked_up_once_where_that_is_brought_back() {
    let rig = Rig::new(&["securities", "futures"], &[]).await;
    let lin = Browser::of(&rig, "lin", OperatorRole::Operator).await;
    let zhao = Browser::of(&rig, "zhao", OperatorRole::Operator).await;
    let ask = async |browser: &Browser<'_>, method: Method, path: &str, seen: &Extensions| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1:8081")
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, &browser.cookies);
        let mut request = request.body(Body::from("{\"note\": \"?\"}")).expect("a request");
        request.extensions_mut().clone_from(seen);
        let response = rig.routes.clone().oneshot(request).await.expect("never fails");
        (response.status(), response.extensions().clone())
    };
    let (counters, hold) = ("/ops/v1/counters", "/ops/v1/counters/futures/hold");
    let nothing = Extensions::new();
    let (status, seen) = ask(&lin, Method::GET, counters, &nothing).await;
    assert_eq!(status, StatusCode::OK);
    for browser in [&lin, &zhao] {
        browser.send(Method::DELETE, "/ops/v1/session", json!({})).await;
    }
    for (browser, method, path, brought, expected) in [
        (&lin, Method::GET, counters, &seen, StatusCode::OK),
        (&lin, Method::GET, counters, &nothing, StatusCode::UNAUTHORIZED),
        (&lin, Method::POST, hold, &seen, StatusCode::UNAUTHORIZED),
        (&zhao, Method::GET, counters, &seen, StatusCode::UNAUTHORIZED),
    ] {
        let (status, _) = ask(browser, method.clone(), path, brought).await;
        assert_eq!(status, expected, "{method} {path}");
    }
}

/// A session that began so long ago, and was last seen then; what a browser would send.
async fn session_of(rig: &Rig, name: &str, began: i64) -> String {
    let secret = SessionSecret::random();
    let operator = rig.lone.people.operator(&name.parse().expect("a name")).await.expect("asks");
    let operator = operator.expect("somebody");
    let new = NewSession {
        digest: secret.digest(),
        name: operator.name,
        address: "127.0.0.1".to_owned(),
        agent: "a browser".into(),
        password: operator.password,
        second_factor: None,
        factor: Factor::None,
        over_before: 0,
        instead_of: None,
    };
    let signing_in = Act { at: began, ..act() };
    let signed_in = rig.lone.people.sign_in(&new, &signing_in).await;
    assert_eq!(signed_in, Ok(SignedIn::Begun));
    format!("__Host-session={}", secret.text())
}

/// Minutes, in microseconds.
const MINUTE: i64 = 60_000_000;

/// What a page asks by itself keeps no session alive; what a person asks does, also while nobody can note it.
#[tokio::test]
async fn a_session_is_kept_alive_by_a_person_alone() {
    let rig = Rig::new(&["securities"], &[]).await;
    let began = now_micros() - 20 * MINUTE;
    let cookie = session_of(&rig, "wang", began).await;
    let asks = async |background: bool| {
        let request = Request::get("/ops/v1/counters").header(header::COOKIE, &cookie);
        let request = if background { request.header("x-background", "1") } else { request };
        rig.send(request.body(Body::empty()).expect("a request")).await.0
    };
    let wang: OperatorName = "wang".parse().expect("a name");
    let seen = async || rig.lone.people.sessions(&wang).await.expect("they are read")[0].seen_at;
    assert_eq!(asks(true).await, StatusCode::OK);
    assert_eq!(seen().await, began);
    assert_eq!(asks(false).await, StatusCode::OK);
    // It is noted beside the request.
    let noted = async { while seen().await == began {} };
    tokio::time::timeout(Duration::from_secs(20), noted).await.expect("it is noted");
    let idle = session_of(&rig, "wang", now_micros() - 31 * MINUTE).await;
    let request = Request::get("/ops/v1/counters").header(header::COOKIE, &idle);
    let (status, _, _) = rig.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "half an hour without use");
}

/// Whoever was known a moment ago may go on looking while the database does not answer, and nothing else.
#[tokio::test]
async fn while_the_database_does_not_answer_who_was_known_may_look() {
    let rig = Rig::new(&["securities"], &[]).await;
    assert_eq!(rig.get("/ops/v1/counters").await.0, StatusCode::OK);
    let other = rig.token_of("lin", OperatorRole::Admin).await;
    rig.lone.people.clone().close().await;
    assert_eq!(rig.get("/ops/v1/counters").await.0, StatusCode::OK);
    let reconnect = "/ops/v1/counters/securities/reconnect";
    let (status, said) = rig.post(reconnect, json!({})).await;
    assert_eq!(
        (status, &said["type"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("/errors/database_unavailable"))
    );
    let request = Request::get("/ops/v1/counters")
        .header(header::AUTHORIZATION, format!("Bearer {other}"))
        .body(Body::empty())
        .expect("a request");
    let (status, _, _) = rig.send(request).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "who was not known is not known now");
}
