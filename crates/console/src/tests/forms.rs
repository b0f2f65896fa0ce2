//! Forms: who sends them, what they ask for, and what is said of what came of it.

use super::*;

#[tokio::test]
async fn a_form_of_another_page_asks_for_nothing() {
    let rig = Rig::new();
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("user-agent", "says nothing of where it comes from"),
    ] {
        for path in ["/sign-in", "/sign-out", "/people", "/transfers/1/approval", "/language"] {
            let request = Request::post(path).header(name, value);
            let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            let (status, _, page) = rig.send(request.body(Body::empty()).expect("a request")).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path}: {page}");
        }
    }
    assert!(rig.asked().is_empty());
}

#[tokio::test]
async fn a_decision_is_proposed_about_what_was_shown() {
    let rig = Rig::new();
    let (_, _, page) = rig.get(&format!("/transfers/{SERIAL}"), "en").await;
    let choice = "value=\"reversed {&#34;ends&#34;:&#34;reversed&#34;}\"";
    assert!(page.contains(choice), "{page}");
    rig.asked();
    let path = format!("POST /ops/v1/transfers/{SERIAL}/proposal");
    rig.answers(&path, 201, json!({}));
    let form = "choice=reversed+%7B%22ends%22%3A%22reversed%22%7D&version=00&note=asked%20them";
    let (status, headers, _) = rig.post(&format!("/transfers/{SERIAL}/proposal"), form).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(headers[header::LOCATION], format!("/transfers/{SERIAL}"));
    // It is said once, and on that page alone.
    let told = headers[header::SET_COOKIE].to_str().expect("text");
    let there =
        format!("done=proposed; Path=/transfers/{SERIAL}; Max-Age=20; HttpOnly; SameSite=Strict");
    assert_eq!(told, there);
    let request =
        Request::get(format!("/transfers/{SERIAL}")).header(header::COOKIE, "a=b; done=proposed");
    let (_, headers, page) = rig.send(request.body(Body::empty()).expect("a request")).await;
    assert!(page.contains("Proposed. Another person has to approve it."), "{page}");
    assert_eq!(headers[header::SET_COOKIE], format!("done=; Path=/transfers/{SERIAL}; Max-Age=0"));
    let (_, headers, page) = rig.get(&format!("/transfers/{SERIAL}?done=proposed"), "en").await;
    assert!(
        !page.contains("Another person has to approve it.")
            && !headers.contains_key(header::SET_COOKIE)
    );
    let asked = rig.asked();
    let posted = asked.iter().find(|asked| asked.0 == Method::POST).expect("it is proposed");
    let (method, uri, headers, body) = posted;
    assert_eq!((method, uri.as_str()), (&Method::POST, &path[5..]));
    assert_eq!(headers["sec-fetch-site"], "same-origin", "the API judges it, too");
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    let sent = json!({ "decision": "reversed", "leads_to": { "ends": "reversed" }, "version": "00", "note": "asked them" });
    assert_eq!(*body, sent);
}

#[tokio::test]
async fn what_is_not_done_is_said_and_what_was_typed_is_kept() {
    let rig = Rig::new();
    for (status, slug, words) in [
        (409, "moved_on", "Not done."),
        (503, "not_confirmed", "It is not known whether that is done"),
        (500, "", "It is not known whether that is done"),
    ] {
        let path = format!("POST /ops/v1/transfers/{SERIAL}/proposal");
        let title = "It stands otherwise than it was seen";
        rig.answers(&path, status, json!({ "type": format!("/errors/{slug}"), "title": title }));
        let form = "choice=reversed+null&version=0&note=my+own+%3Cwords%3E";
        let (answered, _, page) = rig.post(&format!("/transfers/{SERIAL}/proposal"), form).await;
        assert_eq!(answered.as_u16(), status);
        assert!(page.contains(words) && page.contains(title), "{page}");
        assert!(page.contains("my own &#60;words&#62;</textarea>"), "{page}");
    }
}

/// What is sent by which form, and what the API is asked for then: method, path, body.
const FORMS: [(&str, &str, &str, &str, &str); 20] = [
    ("/transfers/1/claim", "note=n", "POST", "/ops/v1/transfers/1/claim", r#"{ "note": "n" }"#),
    (
        "/transfers/1/claim",
        "release=true",
        "POST",
        "/ops/v1/transfers/1/claim",
        r#"{ "release": true }"#,
    ),
    (
        "/transfers/1/approval",
        "proposal=p&note=n",
        "POST",
        "/ops/v1/transfers/1/approval",
        r#"{ "proposal": "p", "note": "n" }"#,
    ),
    (
        "/transfers/1/withdrawal",
        "proposal=p&note=n",
        "POST",
        "/ops/v1/transfers/1/withdrawal",
        r#"{ "proposal": "p", "note": "n" }"#,
    ),
    ("/connections/c/hold", "note=n", "POST", "/ops/v1/counters/c/hold", r#"{ "note": "n" }"#),
    (
        "/connections/c/release",
        "since=7&note=n",
        "POST",
        "/ops/v1/counters/c/release",
        r#"{ "note": "n", "since": 7 }"#,
    ),
    (
        "/connections/c/release",
        "uncertain=true&note=n",
        "POST",
        "/ops/v1/counters/c/release",
        r#"{ "note": "n" }"#,
    ),
    ("/connections/c/drain", "note=n", "POST", "/ops/v1/counters/c/drain", r#"{ "note": "n" }"#),
    (
        "/connections/c/new-session",
        "note=n",
        "POST",
        "/ops/v1/counters/c/new-session",
        r#"{ "note": "n" }"#,
    ),
    ("/connections/c/reconnect", "", "POST", "/ops/v1/counters/c/reconnect", r#"{}"#),
    (
        "/connections/c/readmission",
        "version=v&note=n",
        "POST",
        "/ops/v1/counters/c/readmission",
        r#"{ "version": "v", "note": "n", "move_serials": false }"#,
    ),
    (
        "/connections/c/readmission",
        "version=v&note=n&move_serials=true",
        "POST",
        "/ops/v1/counters/c/readmission",
        r#"{ "version": "v", "note": "n", "move_serials": true }"#,
    ),
    (
        "/connections/c/readmission/approval",
        "proposal=p&note=n",
        "POST",
        "/ops/v1/counters/c/readmission/approval",
        r#"{ "proposal": "p", "note": "n" }"#,
    ),
    (
        "/people/lin",
        "role=viewer&reason=r",
        "PATCH",
        "/ops/v1/operators/lin",
        r#"{ "role": "viewer", "reason": "r" }"#,
    ),
    (
        "/people/lin/disabled",
        "role=viewer&reason=r",
        "PATCH",
        "/ops/v1/operators/lin",
        r#"{ "disabled": true, "reason": "r" }"#,
    ),
    (
        "/people/lin/enabled",
        "reason=r",
        "PATCH",
        "/ops/v1/operators/lin",
        r#"{ "disabled": false, "reason": "r" }"#,
    ),
    ("/people/lin/sessions/5/end", "", "DELETE", "/ops/v1/operators/lin/sessions/5", r#"{}"#),
    ("/people/lin/tokens/5/end", "", "DELETE", "/ops/v1/operators/lin/tokens/5", r#"{}"#),
    (
        "/transfers/..%2Fcounters/claim",
        "note=n",
        "POST",
        "/ops/v1/transfers/..%2Fcounters/claim",
        r#"{ "note": "n" }"#,
    ),
    (
        "/people/a%3Fb%23c/enabled",
        "reason=r",
        "PATCH",
        "/ops/v1/operators/a%3Fb%23c",
        r#"{ "disabled": false, "reason": "r" }"#,
    ),
];

#[tokio::test]
async fn a_form_does_what_the_api_does_with_the_same_words() {
    let rig = Rig::new();
    for (path, form, method, api, body) in FORMS {
        let body: Value = serde_json::from_str(body).expect("JSON");
        rig.answers(&format!("{method} {api}"), 200, json!({}));
        let (status, _, page) = rig.post(path, form).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{path}: {page}");
        let asked = rig.asked();
        assert_eq!(asked.len(), 1, "{path}");
        let (by, uri, _, sent) = &asked[0];
        assert_eq!((by.as_str(), uri.as_str(), sent), (method, api, &body), "{path}");
    }
    for path in
        ["/transfers/1/nothing", "/connections/c/nothing", "/connections/c/readmission/nothing"]
    {
        let (status, _, _) = rig.post(path, "note=n").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(rig.asked().is_empty(), "what is no act is asked of nobody");
}

#[tokio::test]
async fn lines_end_as_the_api_has_them_end() {
    let rig = Rig::new();
    for (path, name, form) in [
        (
            format!("/ops/v1/transfers/{SERIAL}/proposal"),
            "note",
            "/transfers/2026113000000000006/proposal",
        ),
        ("/ops/v1/counters/securities/hold".to_owned(), "note", "/connections/securities/hold"),
        ("/ops/v1/operators".to_owned(), "reason", "/people"),
    ] {
        let sent = format!("{name}=first%0D%0Asecond&ticket={}", rig.once.ticket());
        let (_, _, page) = rig.post(form, &sent).await;
        let asked = rig.asked();
        let posted = asked.iter().find(|asked| asked.1 == path).expect("it is asked for");
        assert_eq!(posted.3[name], "first\nsecond");
        assert!(page.contains("Not done."), "{page}");
    }
}

#[tokio::test]
async fn words_about_one_proposal_are_not_kept_for_another() {
    let rig = Rig::new();
    let mut transfer = evidence();
    transfer["proposal"] = json!({
        "id": "b", "decision": "reversed", "leads_to": { "ends": "reversed" }, "who": "wang",
        "note": HOSTILE, "until": "2026-12-01T13:00:00Z",
    });
    rig.answers(&format!("GET /ops/v1/transfers/{SERIAL}"), 200, transfer);
    let moved = json!({ "type": "/errors/no_such_proposal", "title": "No such proposal is open" });
    for what in ["approval", "withdrawal"] {
        rig.answers(&format!("POST /ops/v1/transfers/{SERIAL}/{what}"), 409, moved.clone());
        for (id, is_kept) in [("b", true), ("a", false)] {
            let form = format!("proposal={id}&note=seen+in+the+books");
            let (_, _, page) = rig.post(&format!("/transfers/{SERIAL}/{what}"), &form).await;
            assert_eq!(page.contains("seen in the books</textarea>"), is_kept, "{page}");
            assert!(page.contains("What you wrote: seen in the books"), "{page}");
        }
    }
    // One who claimed it gives no reasons for what another proposes.
    rig.answers(&format!("POST /ops/v1/transfers/{SERIAL}/claim"), 409, moved);
    let (_, _, page) =
        rig.post(&format!("/transfers/{SERIAL}/claim"), "note=on+the+telephone").await;
    assert!(
        !page.contains("on the telephone</textarea>") && page.contains("on the telephone"),
        "{page}"
    );
}

#[tokio::test]
async fn what_was_typed_outlives_a_page_that_cannot_be_shown() {
    let rig = Rig::new();
    let form = "choice=reversed+null&version=0&note=my+own+words";
    let path = format!("/transfers/{SERIAL}/proposal");
    let failing = json!({ "type": "/errors/database", "title": "The database does not answer" });
    rig.answers(&format!("GET /ops/v1/transfers/{SERIAL}"), 503, failing.clone());
    rig.answers(&format!("POST /ops/v1{path}"), 503, failing);
    let (status, _, page) = rig.post(&path, form).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.contains("my own words") && page.contains("It is not known whether"), "{page}");
    let nobody = json!({ "type": "/errors/not_signed_in", "title": "Nobody is signed in" });
    rig.answers(&format!("POST /ops/v1{path}"), 401, nobody);
    let (status, _, page) = rig.post(&path, form).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(page.contains("my own words") && page.contains("href=\"/sign-in\""), "{page}");
}

#[tokio::test]
async fn a_counter_in_doubt_is_shown_while_the_database_fails() {
    let rig = Rig::new();
    let failing = json!({ "type": "/errors/database", "title": "The database does not answer" });
    rig.answers("GET /ops/v1/counters/securities/readmission", 503, failing);
    let (status, _, page) = rig.get("/connections/securities", "en").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("What holds it cannot be shown now: The database does not answer"),
        "{page}"
    );
}

#[tokio::test]
async fn a_page_that_refuses_is_looked_at_again_where_it_is_a_page() {
    let rig = Rig::new();
    for (form, page) in [
        ("/transfers/2026113000000000006/approval", "/transfers/2026113000000000006"),
        ("/connections/securities/drain", "/connections/securities"),
        ("/people/lin/disabled", "/people/lin"),
        ("/people", "/people"),
    ] {
        let (_, _, shown) = rig.post(form, "note=n&reason=r&proposal=p").await;
        assert!(shown.contains(&format!("<body data-here=\"{page}\">")), "{form}: {shown}");
        assert!(shown.contains(&format!("name=\"back\" value=\"{page}\"")), "{form}: {shown}");
    }
}

#[tokio::test]
async fn whoever_signs_out_is_forgotten_by_the_browser_whatever_the_bridge_says() {
    let rig = Rig::new();
    for (status, leads_to) in [(204, Some("/sign-in")), (503, None)] {
        rig.answers(
            "DELETE /ops/v1/session",
            status,
            json!({ "title": "The database does not answer" }),
        );
        let (_, headers, _) = rig.post("/sign-out", "").await;
        let location = headers.get(header::LOCATION).map(|to| to.to_str().expect("text"));
        assert_eq!(location, leads_to);
        let cookie = headers[header::SET_COOKIE].to_str().expect("text");
        assert!(
            cookie.starts_with("__Host-session=; ") && cookie.ends_with("Max-Age=0"),
            "{cookie}"
        );
    }
}

#[tokio::test]
async fn a_form_is_so_long_and_no_longer() {
    let rig = Rig::new();
    rig.answers("POST /ops/v1/transfers/1/claim", 200, json!({}));
    let form = |long: usize| format!("note={}", "n".repeat(long - "note=".len()));
    let (status, _, _) = rig.post("/transfers/1/claim", &form(crate::LONGEST_FORM)).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (status, _, _) = rig.post("/transfers/1/claim", &form(crate::LONGEST_FORM + 1)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_by_the_answer_alone() {
    let rig = Rig::new();
    let factor = json!({ "secret": "ABC", "uri": "otpauth://x", "recovery_codes": ["one", "two"] });
    let first = json!({ "name": "lin", "password": "first-of-all", "second_factor": factor });
    rig.answers("POST /ops/v1/operators", 201, first.clone());
    rig.answers("POST /ops/v1/operators/lin/reset", 200, first);
    let made = json!({ "token": "first-of-all", "expires_at": "2027-01-01T00:00:00Z" });
    rig.answers("POST /ops/v1/operators/lin/tokens", 201, made);
    for (room, at, path, form) in [
        ("/people", 0, "/people", "name=lin&role=viewer&reason=r"),
        ("/people/lin", 0, "/people/lin/reset", "reason=r"),
        ("/people/lin", 1, "/people/lin/tokens", "label=l&role=viewer&days=5&reason=r"),
    ] {
        let (_, _, page) = rig.get(room, "en").await;
        let form = format!("{form}&ticket={}", ticket(&page, at));
        rig.asked();
        let (status, _, page) = rig.post(path, &form).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("first-of-all") && page.contains("never again"), "{page}");
        assert_eq!(made_by(&rig), 1);
        // Sent again, it makes no second one, and says so; what was typed is kept, and may be sent by a form of today.
        let (status, _, page) = rig.post(path, &form).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(page.contains("This form was sent before") && !page.contains("first-of-all"));
        assert_eq!(made_by(&rig), 0);
        let again = format!("{}&ticket={}", form.replace("&ticket=", "&"), ticket(&page, at));
        let (status, _, _) = rig.post(path, &again).await;
        assert_eq!((status, made_by(&rig)), (StatusCode::OK, 1), "it is meant");
    }
    let (status, _, _) = rig.post("/people", "name=lin&role=viewer&reason=r").await;
    assert_eq!((status, made_by(&rig)), (StatusCode::CONFLICT, 0), "a form of no page of ours");
}

/// By which the form so far down a page is sent once.
fn ticket(page: &str, at: usize) -> String {
    let found = page.split("name=\"ticket\" value=\"").nth(at + 1).expect("a ticket");
    found.split('"').next().expect("its end").to_owned()
}

/// How often the API was asked to do something.
fn made_by(rig: &Rig) -> usize {
    rig.asked().iter().filter(|asked| asked.0 == Method::POST).count()
}

#[tokio::test]
async fn an_alarm_is_acknowledged_and_closed_by_a_form_each_and_what_is_refused_is_kept() {
    let rig = Rig::new();
    let (_, _, page) = rig.get("/", "en").await;
    assert!(page.contains("Alarms that nobody has acknowledged: 2"), "{page}");
    let (_, _, page) = rig.get("/alarms/7", "en").await;
    assert!(page.contains("formaction=\"/alarms/7/closing\""), "{page}");
    assert!(page.contains("name=\"times\" value=\"3\""), "what was seen goes with it: {page}");
    assert!(!page.contains(">Acknowledge</button>"), "somebody has: {page}");
    for (what, said) in [("acknowledgement", "Acknowledged: others"), ("closing", "is closed.")] {
        let path = format!("POST /ops/v1/alarms/7/{what}");
        rig.answers(&path, 200, json!({}));
        rig.asked();
        let (status, headers, _) =
            rig.post(&format!("/alarms/7/{what}"), "times=3&note=a%0D%0Ab").await;
        assert_eq!(
            (status, &headers[header::LOCATION]),
            (StatusCode::SEE_OTHER, &"/alarms/7".parse().expect("a value"))
        );
        assert_eq!(rig.asked()[0].3, json!({ "note": "a\nb", "times": 3 }));
        let request = Request::get("/alarms/7").header(header::COOKIE, format!("done={what}"));
        let (_, _, page) = rig.send(request.body(Body::empty()).expect("a request")).await;
        assert!(page.contains(said), "{page}");
        let title = "The alarm is closed";
        rig.answers(&path, 409, json!({ "type": "/errors/alarm_closed", "title": title }));
        let (status, _, page) = rig.post(&format!("/alarms/7/{what}"), "note=my+own+words").await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(page.contains(title) && page.contains("my own words</textarea>"), "{page}");
    }
    let (status, _, _) = rig.post("/alarms/7/other", "note=x").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for number in ["8", "x"] {
        let (status, _, page) = rig.get(&format!("/alarms/{number}"), "en").await;
        assert!(
            status == StatusCode::NOT_FOUND && page.contains("There is no such alarm"),
            "{page}"
        );
    }
}

/// What is open is in memory: it is shown while the database, which has the others, is away.
#[tokio::test]
async fn open_alarms_are_shown_while_those_that_have_closed_cannot_be() {
    let rig = Rig::new();
    let away =
        json!({ "type": "/errors/database_unavailable", "title": "The database does not answer" });
    rig.answers("GET /ops/v1/alarms?state=closed", 503, away);
    let (status, _, page) = rig.get("/alarms", "en").await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("What has closed cannot be shown now:"), "{page}");
    assert!(page.contains("/alarms/7#say"), "{page}");
}

#[tokio::test]
async fn a_filter_is_saved_under_a_name_and_its_page_is_shown_again() {
    let rig = Rig::new();
    let (_, _, page) = rig.get("/transfers", "en").await;
    assert!(page.contains("href=\"/transfers?counter=futures&#38;state=ended\""), "{page}");
    assert!(page.contains("shared by wang") && !page.contains("id=\"saving\""), "{page}");
    let path = format!("/transfers?app=a%20b&counter=&before={SERIAL}");
    let (_, _, page) = rig.get(&path, "en").await;
    assert!(page.contains("name=\"query\" value=\"app=a%20b\""), "{page}");
    rig.asked();
    rig.answers("POST /ops/v1/saved-views", 201, json!({}));
    let form = "query=app%3Da%2520b&name=%E6%AF%8F%E5%A4%A9&shared=true";
    let (status, headers, _) = rig.post("/saved-views", form).await;
    let there = "/transfers?app=a%20b";
    assert_eq!(
        (status, headers[header::LOCATION].as_bytes()),
        (StatusCode::SEE_OTHER, there.as_bytes())
    );
    let told = headers[header::SET_COOKIE].to_str().expect("text");
    assert!(told.starts_with("done=view-saved; Path=/transfers; "), "{told}");
    let asked = rig.asked();
    let (_, _, _, body) = asked.iter().find(|asked| asked.0 == Method::POST).expect("it is saved");
    assert_eq!(*body, json!({ "name": "每天", "query": "app=a%20b", "shared": true }));
    // Refused, it is said why on the page with that filter, and what was typed is kept.
    let title = "There is a saved view of this name";
    let problem = json!({ "type": "/errors/view_exists", "title": title });
    rig.answers("POST /ops/v1/saved-views", 409, problem);
    let (status, _, page) = rig.post("/saved-views", form).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(page.contains(title) && page.contains("value=\"每天\""), "{page}");
    assert!(page.contains("name=\"query\" value=\"app=a%20b\""), "{page}");
    // Nobody is led to another host, or to what is no address.
    for hostile in ["%0d%0aset-cookie: a=b", "é", "%2F%2Fevil.example"] {
        rig.answers("POST /ops/v1/saved-views", 201, json!({}));
        let (status, headers, _) =
            rig.post("/saved-views", &format!("query={hostile}&name=a")).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{hostile}");
        let location = headers[header::LOCATION].to_str().expect("text");
        assert!(location == "/transfers" || location.starts_with("/transfers?"), "{location}");
    }
}

#[tokio::test]
async fn a_saved_view_is_deleted_by_whoever_may() {
    let rig = Rig::new();
    let id = "5".repeat(32);
    let button = format!("action=\"/saved-views/{id}/delete\"");
    let (_, _, page) = rig.get("/transfers", "en").await;
    assert!(page.contains(&button), "an admin may delete another's: {page}");
    rig.answers("GET /ops/v1/session", 200, json!({ "name": "li", "role": "viewer" }));
    let (_, _, page) = rig.get("/transfers?app=a", "en").await;
    assert!(!page.contains(&button) && !page.contains("name=\"shared\""), "{page}");
    assert!(page.contains("id=\"saving\""), "a viewer keeps views of its own: {page}");
    rig.asked();
    rig.answers(&format!("DELETE /ops/v1/saved-views/{id}"), 204, json!({}));
    let (status, headers, _) =
        rig.post(&format!("/saved-views/{id}/delete"), "query=app%3Da").await;
    assert_eq!(
        (status, headers[header::LOCATION].as_bytes()),
        (StatusCode::SEE_OTHER, &b"/transfers?app=a"[..])
    );
    assert!(rig.asked().iter().any(|asked| asked.0 == Method::DELETE));
    // That they cannot be read hides no transfer.
    rig.answers(
        "GET /ops/v1/saved-views",
        503,
        json!({ "type": "/errors/database_unavailable", "title": "no" }),
    );
    let (status, _, page) = rig.get("/transfers", "en").await;
    assert!(status.is_success() && page.contains(SERIAL), "{page}");
    assert!(page.contains("The saved views cannot be read now."), "{page}");
}
