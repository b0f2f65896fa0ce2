//! The live feed as server-sent events.

use super::feed::{Feed, FeedItem, From, Source};
use super::feeds::{MOST_FEEDS, Place};
use super::people::{Door, Proof, Use};
use super::{Ops, counters};
use api::problem::{Problem, kind};
use api::server::Visit;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use coordinator::Coordinator;
use port::history::{Event as LinkEvent, What};
use serde::Serialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::time::Duration;
use supervise::places::Full;

/// A comment after this much silence, so that nobody in between takes the feed for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How often it is looked at whether a reader may still look: a session that has ended reads no longer than that.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);
/// How long a browser waits before it comes back.
const COME_BACK: Duration = Duration::from_secs(1);

/// What happens, as server-sent events.
///
/// Events named `link`, `transfer`, `counters` and `lagged`, resumed by `Last-Event-ID`. The feed begins
/// with the connections and all events that are kept. The data of each is JSON: `LinkEvent`,
/// `TransferEvent`, a list of `Counter`, `Lagged`.
#[utoipa::path(
    get, path = "/ops/v1/events", tag = "bridge", operation_id = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen")),
    responses((
        status = 200, description = "Events for as long as they are read",
        body = String, content_type = "text/event-stream",
        headers(("X-Accel-Buffering", description = "`no`: proxies that collect answers make a feed useless")),
    ))
)]
pub(super) async fn follow(
    State(ops): State<Ops>,
    visit: Option<Extension<Visit>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Without a connection there is nobody but ourselves.
    let address = visit.map_or(Ipv4Addr::LOCALHOST.into(), |Extension(visit)| visit.peer().ip());
    let place = ops.feeds.enter(address).map_err(|full| {
        let which = match full {
            Full::Neighbourhood => format!("{} from your address", ops.state.feeds_per_address),
            Full::Everywhere => format!("{MOST_FEEDS} in all"),
        };
        let detail = format!("as many are open as may be: {which}");
        Problem::new(kind::TOO_MANY_FEEDS).detail(detail).retry_after(10)
    })?;
    let coordinator = &ops.state.coordinator;
    let counters = coordinator.counters();
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or(""));
    let feed = Feed::open(
        ops.state.started_at,
        From::last_event_id(last, ops.state.started_at),
        counters.iter().next().map(|first| first.history()),
        coordinator.events(),
        counters.iter().map(|counter| counter.follow()).collect(),
        ops.state.stop.clone(),
    );
    let reader = Following {
        feed,
        _place: place,
        coordinator: coordinator.clone(),
        leaving: Box::pin(is_gone(ops.door.clone(), Proof::of(&headers))),
    };
    let stream = futures::stream::unfold(reader, following);
    let mut response =
        Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    // Proxies that collect answers make a feed useless.
    response.headers_mut().insert(
        header::HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(response)
}

/// A feed, and whoever reads it.
struct Following {
    feed: Feed,
    _place: Place,
    coordinator: Coordinator,
    /// Ends once the reader is not known any more.
    leaving: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Following {
    /// What comes next; none once the bridge stops, or the reader may not look any more.
    async fn next(&mut self) -> Option<FeedItem> {
        tokio::select! {
            told = self.feed.next() => told,
            () = &mut self.leaving => None,
        }
    }
}

/// Returns once whoever showed this is not known any more. Where nobody can say, the memory of a moment ago does.
async fn is_gone(door: Door, proof: Option<Proof>) {
    let Some(proof) = proof else { return };
    loop {
        tokio::time::sleep(LOOKED_AT_EVERY).await;
        if door.who_shows(proof, Use::Background).await.is_err() {
            return;
        }
    }
}

async fn following(mut following: Following) -> Option<(Result<Event, Infallible>, Following)> {
    let told = following.next().await?;
    let (name, mut data) = said(&told);
    if let FeedItem::Counters(_) = told {
        counters::add_doubts(&following.coordinator, &mut data);
    }
    let event = Event::default()
        .event(name)
        .id(following.feed.position().to_string())
        .retry(COME_BACK)
        .data(data.to_string());
    Some((Ok(event), following))
}

/// An event's name and data.
fn said(told: &FeedItem) -> (&'static str, Value) {
    match told {
        FeedItem::Link(event) => ("link", json!(LinkEventJson { event, text: in_words(event) })),
        FeedItem::Transfer(event) => ("transfer", json!(event)),
        FeedItem::Counters(snapshots) => ("counters", counters::all(snapshots)),
        FeedItem::Lagged(source, missed) => {
            let (source, text) = match source {
                Source::Links => ("links", "some events of connections were missed"),
                Source::Transfers => ("transfers", "some events of transfers were missed"),
                Source::Bridge => ("bridge", "the bridge has started anew"),
            };
            ("lagged", json!({ "source": source, "missed": missed, "text": text }))
        }
    }
}

#[derive(Serialize)]
struct LinkEventJson<'a> {
    #[serde(flatten)]
    event: &'a LinkEvent,
    text: String,
}

/// What happened to a link, in a sentence.
fn in_words(event: &LinkEvent) -> String {
    let happened = in_words_alone(event);
    match &event.counter {
        Some(counter) => format!("{counter}: {happened}"),
        None => happened,
    }
}

/// The same, without whose link it is.
fn in_words_alone(event: &LinkEvent) -> String {
    match &event.what {
        What::State { channel: _, state, cause: Some(cause) } => {
            format!("{}: {cause}", counters::state_text(*state))
        }
        What::State { channel: _, state, cause: None } => counters::state_text(*state).to_owned(),
        What::Standing { settle_day, open } => {
            let open = if *open { "open" } else { "closed" };
            format!("{open} for postings, settle day {settle_day}")
        }
        What::Unmatched { serial, late } => {
            let about = serial.map_or("something".to_owned(), |serial| serial.to_string());
            let kind = if *late { "a late answer" } else { "an answer that nobody waited for" };
            format!("{kind}, about {about}")
        }
        What::Malformed { error } => format!("sent something unreadable: {error}"),
        What::Unreadable { what, count } => format!(
            "the {what} in {count} of its messages, which is only for people, could not be read; \
             all else was"
        ),
        What::Stranger { address, why: _, cause, others } => {
            let more = match others {
                0 => String::new(),
                others => format!(" ({others} more since the last that was told)"),
            };
            format!("somebody at {address} was not let in: {cause}{more}")
        }
        What::Notice { severity, text } => format!("{severity}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::message::CounterId;
    use domain::serial::Day;
    use port::status::State as LinkState;

    fn event(what: What) -> LinkEvent {
        let counter = CounterId::new("futures").expect("an id");
        LinkEvent { number: 7, at: 9, counter: Some(counter), what }
    }

    #[test]
    fn link_events_are_told_as_data_and_in_words() {
        let cause = Some("connection refused".to_owned());
        let told =
            FeedItem::Link(event(What::State { channel: 0, state: LinkState::BackingOff, cause }));
        let (name, data) = said(&told);
        assert_eq!(name, "link");
        assert_eq!(
            data,
            json!({
                "number": 7, "at": 9, "counter": "futures",
                "what": {"kind": "state", "channel": 0, "state": "backing_off", "cause": "connection refused"},
                "text": "futures: waiting to try again: connection refused",
            })
        );
        let day = Day::new(20_261_121).expect("a day");
        assert_eq!(
            in_words(&event(What::Standing { settle_day: day, open: false })),
            "futures: closed for postings, settle day 20261121"
        );
        let serial = "000000000421".parse().ok();
        assert_eq!(
            in_words(&event(What::Unmatched { serial, late: true })),
            "futures: a late answer, about 000000000421"
        );
        let stranger = |others| What::Stranger {
            address: [10, 0, 0, 7].into(),
            why: "frame",
            cause: "a frame of 1195725856 bytes".to_owned(),
            others,
        };
        let nobody = LinkEvent { counter: None, ..event(stranger(31)) };
        assert_eq!(
            in_words(&nobody),
            "somebody at 10.0.0.7 was not let in: a frame of 1195725856 bytes \
             (31 more since the last that was told)"
        );
        let (_, data) = said(&FeedItem::Link(nobody));
        assert_eq!((&data["counter"], &data["what"]["why"]), (&Value::Null, &json!("frame")));
        assert!(in_words(&event(stranger(0))).starts_with("futures: somebody at 10.0.0.7 was not"));
    }

    #[test]
    fn falling_behind_is_an_event_of_its_own() {
        let (name, data) = said(&FeedItem::Lagged(Source::Links, Some(34)));
        assert_eq!(
            (name, &data["source"], &data["missed"]),
            ("lagged", &json!("links"), &json!(34))
        );
        let (_, data) = said(&FeedItem::Lagged(Source::Bridge, None));
        assert_eq!(data["missed"], Value::Null);
    }
}
