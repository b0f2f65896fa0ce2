//! The live feed over its route.

use super::*;
use coordinator::events::Kind;

/// Reads a feed until it has said `what`, within a time that only a hanging test needs.
pub(super) async fn until(response: axum::response::Response, what: &str) -> String {
    let mut stream = response.into_body().into_data_stream();
    let mut text = String::new();
    let reading = async {
        while !text.contains(what) {
            let Some(chunk) = stream.next().await else { break };
            text.push_str(&String::from_utf8_lossy(&chunk.expect("a chunk")));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it is said");
    text
}

#[tokio::test]
async fn the_feed_begins_whole_goes_on_from_an_id_and_ends_with_the_bridge() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let feed = rig.feed(None).await;
    assert_eq!(feed.headers()[header::CONTENT_TYPE], "text/event-stream");
    let text = until(feed, "taken up again").await;
    assert!(text.starts_with("event: counters\n"), "{text}");
    assert!(text.contains("\nevent: transfer\n"), "{text}");
    assert!(text.contains(&format!("\nid: {ACCEPTED_AT}.")), "{text}");

    let (status, _) = rig.decide(42, "completed").await;
    assert_eq!(status, StatusCode::CREATED);
    let feed = rig.feed(Some(format!("{ACCEPTED_AT}.0.1"))).await;
    let text = until(feed, "wang: completed").await;
    assert!(!text.contains("taken up again"), "{text}");
    let feed = rig.feed(Some("1.0.1".to_owned())).await;
    let text = until(feed, "taken up again").await;
    assert!(text.starts_with("event: lagged\n"), "{text}");

    let feed = rig.feed(None).await;
    rig.stop.cancel();
    let rest = axum::body::to_bytes(feed.into_body(), 1 << 20);
    tokio::time::timeout(Duration::from_secs(20), rest).await.expect("it ends").expect("in order");
}

#[tokio::test]
async fn a_graceful_shutdown_does_not_wait_for_open_feeds() {
    let rig = Rig::new(&["securities"], &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = rig.stop.clone().cancelled_owned();
    let routes = rig.routes.clone();
    let server = tokio::spawn(async move {
        axum::serve(listener, routes).with_graceful_shutdown(shutdown).await
    });
    let mut reader = TcpStream::connect(address).await.expect("a connection");
    let request = format!(
        "GET /ops/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
        rig.token
    );
    reader.write_all(request.as_bytes()).await.expect("it is taken");
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("event: counters") {
        assert_ne!(reader.read_buf(&mut heard).await.expect("an answer"), 0);
    }
    rig.stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), server)
        .await
        .expect("it does not wait")
        .expect("no panic")
        .expect("in order");
}

#[tokio::test]
async fn feeds_are_bounded_and_a_closed_one_makes_room() {
    let rig = Rig::new(&[], &[]).await;
    let mut feeds = Vec::new();
    for _ in 0..crate::feeds::MOST_FEEDS {
        let feed = rig.feed(None).await;
        assert_eq!(feed.status(), StatusCode::OK);
        feeds.push(feed);
    }
    assert_eq!(rig.feed(None).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    feeds.pop();
    assert_eq!(rig.feed(None).await.status(), StatusCode::OK);
}

/// Whoever opens a feed and reads nothing of it holds nobody up, however much happens: others are told at once, and what
/// is kept for whoever reads nothing has its bound. He is told that some is missing when he reads again.
#[tokio::test]
async fn a_reader_that_stands_still_holds_nobody_up_and_is_told_what_it_missed() {
    let rig = Rig::new(&["securities"], &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let routes = rig.routes.clone();
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let mut still = TcpStream::connect(address).await.expect("a connection");
    let request = format!(
        "GET /ops/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
        rig.token
    );
    still.write_all(request.as_bytes()).await.expect("it is taken");
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("event: counters") {
        assert_ne!(still.read_buf(&mut heard).await.expect("an answer"), 0);
    }
    // More than the sockets of both ends hold, and than is kept.
    let (words, most) = ("x".repeat(4 << 10), 8_000);
    let (events, mut reader) =
        (rig.coordinator.events(), rig.feed(None).await.into_body().into_data_stream());
    let reads = async {
        for number in 0..most {
            events.record(ACCEPTED_AT, Kind::Notice, None, format!("event {number}. {words}"));
            if number % 100 == 0 {
                let wanted = format!("event {number}. ");
                loop {
                    // Each event is a piece of its own.
                    let piece = reader.next().await.expect("it goes on").expect("a piece");
                    let piece = String::from_utf8_lossy(&piece);
                    assert!(!piece.contains("event: lagged"), "whoever reads misses nothing");
                    if piece.contains(&wanted) {
                        break;
                    }
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), reads).await.expect("nobody is held up");
    let reads_on = async {
        let (mut text, mut read) = (String::new(), 0);
        let last = format!("event {}. ", most - 1);
        let mut has_lagged = false;
        loop {
            heard.clear();
            assert_ne!(still.read_buf(&mut heard).await.expect("it goes on"), 0);
            read += heard.len();
            text.push_str(&String::from_utf8_lossy(&heard));
            has_lagged |= text.contains("event: lagged");
            if text.contains(&last) {
                return (read, has_lagged);
            }
            // What may be a word that goes on in the next piece.
            let tail = text.char_indices().rev().nth(100).map_or(0, |(at, _)| at);
            text.drain(..tail);
        }
    };
    let read = tokio::time::timeout(Duration::from_mins(1), reads_on).await;
    let (read, has_lagged) = read.expect("it goes on where it can");
    assert!(has_lagged, "it is told that some is missing");
    let all = most * words.len();
    assert!(read < all * 3 / 4, "{read} bytes of {all} were kept for one who did not read");
    server.abort();
}
