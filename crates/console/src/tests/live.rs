//! What happens, followed through the operators' API in the language of the page.

use super::*;
use axum::routing::get;

const STREAM: &str =
    "event: transfer\nid: 7\ndata: {\"number\":3,\"text\":\"the database records again\"}\n\n";

/// The API tells it to who is signed in, from where somebody left off.
async fn told(headers: HeaderMap) -> Response {
    if !headers.contains_key(header::COOKIE) {
        return (StatusCode::UNAUTHORIZED, "nobody").into_response();
    }
    assert_eq!(headers["last-event-id"], "6");
    ([(header::CONTENT_TYPE, "text/event-stream")], STREAM).into_response()
}

#[tokio::test]
async fn what_happens_is_followed_in_the_language_of_the_page() {
    let routes = Router::new().route("/ops/v1/events", get(told));
    let api = Api { routes, once: Arc::default() };
    for (language, text) in [("en", "the database records again"), ("zh-CN", "数据库恢复记录")]
    {
        let asked = Request::get("/events")
            .header(header::ACCEPT_LANGUAGE, language)
            .header(header::COOKIE, "__Host-session=secret")
            .header("last-event-id", "6");
        let asked = asked.body(Body::empty()).expect("a request");
        let response = over(api.clone()).oneshot(asked).await.expect("an answer");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        assert_eq!(body, STREAM.replace("the database records again", text));
        // Who is nobody is told so as the API tells it.
        let asked = Request::get("/events").header(header::ACCEPT_LANGUAGE, language);
        let asked = asked.body(Body::empty()).expect("a request");
        let response = over(api.clone()).oneshot(asked).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    let follows = |page: &str| page.contains("data-events=\"/events\"");
    let (_, _, english) = Rig::new().get("/", "en").await;
    let (_, _, chinese) = Rig::new().get("/", "zh-CN").await;
    assert!(!follows(&english) && follows(&chinese));
}
