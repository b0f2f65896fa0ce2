//! Saved views, as operators save, see and delete them.

use super::*;

/// Sends something as somebody, with what is answered.
async fn send_as(
    rig: &Rig,
    token: &str,
    method: &str,
    path: &str,
    body: Value,
) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let request = request.body(Body::from(body.to_string())).expect("a request");
    let (status, _, body) = rig.send(request).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

const PATH: &str = "/ops/v1/saved-views";

fn view(name: &str, query: &str, shared: bool) -> Value {
    json!({ "name": name, "query": query, "shared": shared })
}

async fn seen(rig: &Rig, token: &str) -> Vec<(String, bool)> {
    let (status, body) = send_as(rig, token, "GET", PATH, Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    let views = body["views"].as_array().expect("views").iter();
    let seen = views.map(|view| {
        (view["name"].as_str().expect("a name").to_owned(), view["own"] == json!(true))
    });
    seen.collect()
}

#[tokio::test]
async fn a_viewer_keeps_views_of_its_own_and_sharing_takes_an_operator() {
    let rig = Rig::new(&["securities"], &[]).await;
    let viewer = rig.token_of("li", OperatorRole::Viewer).await;
    let operator = rig.token_of("zhou", OperatorRole::Operator).await;
    let (status, saved) =
        send_as(&rig, &viewer, "POST", PATH, view("每天", "state=ended&app=a+b", false)).await;
    assert_eq!((status, &saved["query"]), (StatusCode::CREATED, &json!("app=a%20b&state=ended")));
    assert_eq!((&saved["owner"], &saved["own"]), (&json!("li"), &json!(true)));
    // Sent again, there is one.
    let (status, again) =
        send_as(&rig, &viewer, "POST", PATH, view(" 每天 ", "app=c", false)).await;
    assert_eq!((status, &again["type"]), (StatusCode::CONFLICT, &json!("/errors/view_exists")));
    let (status, refused) = send_as(&rig, &viewer, "POST", PATH, view("all", "app=c", true)).await;
    assert_eq!(
        (status, &refused["type"]),
        (StatusCode::FORBIDDEN, &json!("/errors/not_permitted"))
    );
    let (status, _) = send_as(&rig, &operator, "POST", PATH, view("all", "app=c", true)).await;
    assert_eq!(status, StatusCode::CREATED);
    let (own, shared) = (("每天".to_owned(), true), "all".to_owned());
    assert_eq!(seen(&rig, &viewer).await, [(shared.clone(), false), own]);
    assert_eq!(seen(&rig, &operator).await, [(shared, true)]);
    for (query, why) in [
        ("colour=red", "colour"),
        ("state=done", "state: must be one of"),
        ("app=a&before=2026112100000000042", "a view is a filter"),
        ("", "must narrow the list"),
    ] {
        let (status, refused) = send_as(&rig, &viewer, "POST", PATH, view("x", query, false)).await;
        assert_eq!(
            (status, &refused["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("query"))
        );
        let detail = refused["detail"].as_str().expect("words");
        assert!(detail.contains(why), "{query}: {detail}");
    }
}

#[tokio::test]
async fn a_view_is_deleted_by_its_owner_or_an_admin_and_each_is_an_act() {
    let rig = Rig::new(&["securities"], &[]).await;
    let [li, zhou] = [
        rig.token_of("li", OperatorRole::Operator).await,
        rig.token_of("zhou", OperatorRole::Approver).await,
    ];
    let save = async |name: &str, shared: bool| {
        let (status, saved) = send_as(&rig, &li, "POST", PATH, view(name, "app=c", shared)).await;
        assert_eq!(status, StatusCode::CREATED);
        format!("{PATH}/{}", saved["id"].as_str().expect("an id"))
    };
    let (private, shared, other) =
        (save("private", false).await, save("shared", true).await, save("other", true).await);
    for (token, path, expected, slug) in [
        (&zhou, "/ops/v1/saved-views/5", 404, "no_such_view"),
        (&zhou, private.as_str(), 404, "no_such_view"),
        (&zhou, &shared, 403, "not_permitted"),
        (&rig.token, &shared, 204, ""),
        (&li, &shared, 404, "no_such_view"),
        (&li, &other, 204, ""),
    ] {
        let (status, body) = send_as(&rig, token, "DELETE", path, json!({})).await;
        assert_eq!(status.as_u16(), expected, "{path}: {body}");
        assert!(slug.is_empty() || body["type"] == format!("/errors/{slug}"), "{body}");
    }
    assert_eq!(seen(&rig, &li).await, [("private".to_owned(), true)]);
    let (_, acts) = rig.get("/ops/v1/acts").await;
    let of = |word: &str| {
        let acts = acts["acts"].as_array().expect("acts").iter();
        acts.filter(|act| act["act"] == word).cloned().collect::<Vec<_>>()
    };
    assert_eq!((of("view_saved").len(), of("view_deleted").len()), (3, 2));
    let deleted = &of("view_deleted")[1];
    assert_eq!(
        (&deleted["who"], &deleted["before"]),
        (&json!("wang"), &json!("li, shared, app=c: shared"))
    );
    assert_eq!(deleted["outcome"], "done");
}

#[tokio::test]
async fn past_fifty_views_an_operator_saves_no_more() {
    let rig = Rig::new(&["securities"], &[]).await;
    for number in 0..50 {
        let (status, _) =
            send_as(&rig, &rig.token, "POST", PATH, view(&number.to_string(), "app=c", false))
                .await;
        assert_eq!(status, StatusCode::CREATED);
    }
    let (status, refused) =
        send_as(&rig, &rig.token, "POST", PATH, view("more", "app=c", false)).await;
    assert_eq!((status, &refused["type"]), (StatusCode::CONFLICT, &json!("/errors/no_more_views")));
    assert_eq!(refused["detail"], "one operator may have 50: delete some first");
}
