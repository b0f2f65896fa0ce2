//! `POST /v1/transfers`, one transfer, and lists of them.

mod key;

use crate::auth::Verified;
use crate::json::{StateJson, TransferJson, TransferPage, TransferRequest};
use crate::named::Named;
use crate::plain;
use crate::problem::{Problem, kind};
use crate::sent;
use crate::state::ApiState;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use coordinator::{Begin, Begun, Found};
use domain::message::{AccountId, CounterId, Place};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::serial::MasterSerial;
use ring::digest::{Context, SHA256};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use store::{FinalState, ListFilter, OpenState, StateFilter, Stored};
use utoipa::IntoParams;

use crate::refused::{database, refusal, rule};
use key::{IdempotencyKey, idempotency_key};

/// What a caller waits for if it does not say, in seconds.
const USUAL_WAIT_S: u64 = 5;
/// The longest that a caller is kept waiting, in seconds.
const LONGEST_WAIT_S: u64 = 30;

/// Begin a transfer.
///
/// The same `Idempotency-Key` is the same transfer, for ever: however often it is sent, the order is
/// carried out once, and each attempt is told how it ended. What a counter refuses is no refusal of the
/// request: it is an ordinary ending, 201 with the state `refused`.
#[utoipa::path(
    post, path = "/v1/transfers", tag = "transfers", request_body = TransferRequest,
    params(
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 258, example = "order-20261121-77", description = "1 to 128 visible ASCII characters, plain or as a quoted string (RFC 9651); `abc` and `\"abc\"` are one key. The same key is the same transfer, for ever"),
        ("Prefer" = Option<String>, Header, example = "wait=5", description = "`wait=N`: seconds to wait for the end, 5 unless said, at most 30"),
    ),
    responses(
        (status = 201, description = "It is final, and durable; also every replay, byte for byte", body = TransferJson, headers(
            ("Location", description = "Where the transfer is shown: `/v1/transfers/{master_serial}`"),
            ("Idempotency-Replayed", description = "`true` where the key had been used before, and this is what was answered then"),
            ("Preference-Applied", description = "`wait=N`, where `Prefer: wait` was said: how long it might have been waited for (RFC 7240)"),
        )),
        (status = 202, description = "It is durable and goes on; ask at `Location` after `Retry-After`", body = TransferJson, headers(
            ("Location", description = "Where the transfer is shown: `/v1/transfers/{master_serial}`"),
            ("Preference-Applied", description = "`wait=N`, where `Prefer: wait` was said: how long it was waited for (RFC 7240)"),
        )),
    )
)]
pub(crate) async fn create(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Verified>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let idempotency_key = idempotency_key(&headers)?;
    let request: TransferRequest = sent::body(&body).map_err(|error| {
        Problem::new(kind::MALFORMED_BODY).detail(plain::words(&error.to_string()))
    })?;
    let begin = checked(&caller, idempotency_key, &request)?;
    state.apps.may_order(&caller.app, &begin.order)?;
    let Some(_seat) = state.apps.seat(&caller.app) else {
        metrics::counter!("requests_not_admitted_total", "why" => "overloaded").increment(1);
        return Err(Problem::new(kind::OVERLOADED)
            .detail(format!("too many callers of {} wait; nothing was begun", caller.app))
            .retry_after(1));
    };
    let preferred = wait(&headers);
    let wait = preferred.unwrap_or(USUAL_WAIT_S);
    let mut response = match state.coordinator.begin(begin, Duration::from_secs(wait)).await {
        Ok(Begun::Final { master, answer, replayed }) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::CREATED);
            let mut response = (status, json_body(), answer.body).into_response();
            let headers = response.headers_mut();
            headers.insert(header::LOCATION, location(master));
            if replayed {
                headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
            }
            response
        }
        Ok(Begun::Running(view)) => {
            let mut response =
                (StatusCode::ACCEPTED, axum::Json(TransferJson::from(&*view))).into_response();
            let headers = response.headers_mut();
            headers.insert(header::LOCATION, location(view.transfer.intent.master));
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        Err(error) => return Err(refusal(error)),
    };
    applied(preferred, &mut response);
    Ok(response)
}

/// Says which preference was heeded (RFC 7240, section 3).
fn applied(preferred: Option<u64>, response: &mut Response) {
    if let Some(value) = preferred.and_then(|wait| format!("wait={wait}").parse().ok()) {
        response.headers_mut().insert("preference-applied", value);
    }
}

/// One transfer of the app.
///
/// Another app's looks like one that does not exist.
#[utoipa::path(
    get, path = "/v1/transfers/{master_serial}", tag = "transfers",
    params(
        ("master_serial" = String, Path, pattern = "^[0-9]{19}$", example = "2026112100000000042", description = "Serial of the transfer: 19 digits"),
        ("Prefer" = Option<String>, Header, example = "wait=5", description = "`wait=N`: seconds to wait for the end, 0 unless said, at most 30"),
    ),
    responses(
        (status = 200, description = "The transfer as it stands", body = TransferJson, headers(
            ("Preference-Applied", description = "`wait=N`, where `Prefer: wait` was said: how long its end might have been waited for (RFC 7240)"),
        )),
    )
)]
pub(crate) async fn show(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Verified>,
    headers: HeaderMap,
    Named(text): Named<String>,
) -> Result<Response, Problem> {
    let not_found = || Problem::new(kind::NO_SUCH_TRANSFER);
    let master: MasterSerial =
        text.parse().map_err(|error| not_found().detail(format!("a master serial {error}")))?;
    let mine = async || {
        let found = state.coordinator.find(master).await.map_err(|error| database(&error))?;
        let found = found.ok_or_else(not_found)?;
        if found.app() != &*caller.app {
            // Whether there is one is the other app's affair.
            return Err(not_found());
        }
        Ok(found)
    };
    let mut found = mine().await?;
    // Another app's is not waited for: when it ends is not the caller's affair.
    let preferred = wait(&headers);
    if let (Found::Open(_), Some(seconds)) = (&found, preferred) {
        state.coordinator.wait(master.sequence, Duration::from_secs(seconds)).await;
        found = mine().await?;
    }
    let mut response = match found {
        Found::Open(view) => axum::Json(TransferJson::from(&*view)).into_response(),
        Found::Ended(stored) => (json_body(), answer_of(*stored)).into_response(),
    };
    applied(preferred, &mut response);
    Ok(response)
}

/// The stored answer of a transfer that has ended.
fn answer_of(stored: Stored) -> Bytes {
    stored.outcome.map(|outcome| outcome.answer_body).unwrap_or_default()
}

/// Which of the app's transfers to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only transfers in this state.
    #[param(value_type = Option<StateJson>, inline)]
    pub state: Option<String>,
    /// Only transfers with this counter on either side: its name in the bridge's configuration.
    #[param(pattern = "^[a-z0-9-]{1,32}$")]
    pub counter: Option<String>,
    /// Only transfers with this account on either side; with `counter`, on the same side as it.
    #[param(pattern = "^[A-Za-z0-9]{1,25}$")]
    pub account: Option<String>,
    /// Where the page begins: `next_cursor` of the page before; with the newest transfer unless
    /// said.
    #[param(pattern = "^[0-9]{19}$")]
    pub cursor: Option<String>,
    /// How many transfers to list at most: 1 to 200, 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
}

/// The app's transfers, newest first.
///
/// Each is shown as it stood at one moment. Where few of very many are wanted, a page may be shorter than
/// its limit, even empty, and still have a `next_cursor`.
#[utoipa::path(
    get, path = "/v1/transfers", tag = "transfers", params(ListQuery),
    responses(
        (status = 200, description = "A page of transfers", body = TransferPage),
    )
)]
pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Verified>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let bad = |field: &'static str, why: String| sent::malformed(field, &why);
    let Query(query) = query.map_err(|error| sent::refused(&error))?;
    let limit = query.limit.unwrap_or(50);
    if !(1..=ListFilter::LONGEST_PAGE).contains(&limit) {
        return Err(bad(
            "limit",
            format!("must be 1 to {}, not {limit}", ListFilter::LONGEST_PAGE),
        ));
    }
    let mut filter =
        ListFilter { app: Some(caller.app.to_string()), limit, ..ListFilter::default() };
    if let Some(state) = &query.state {
        filter.state = Some(state_filter(state).ok_or_else(|| bad("state", no_state(state)))?);
    }
    if let Some(counter) = &query.counter {
        filter.counter =
            Some(CounterId::new(counter).map_err(|error| bad("counter", error.to_string()))?);
    }
    if let Some(account) = &query.account {
        filter.account =
            Some(AccountId::new(account).map_err(|error| bad("account", error.to_string()))?);
    }
    if let Some(cursor) = &query.cursor {
        filter.before = Some(cursor.parse().map_err(|error| bad("cursor", format!("{error}")))?);
    }
    let page = state.coordinator.list(&filter).await.map_err(|error| database(&error))?;
    let next_cursor = page.next.map(|master| master.to_string());
    let transfers = page.transfers.into_iter().map(listed).collect::<Result<Vec<_>, Problem>>()?;
    Ok(axum::Json(TransferPage { transfers, next_cursor }).into_response())
}

fn listed(found: Found) -> Result<Box<RawValue>, Problem> {
    let text = match found {
        Found::Open(view) => serde_json::to_string(&TransferJson::from(&*view)).unwrap_or_default(),
        Found::Ended(stored) => String::from_utf8(answer_of(*stored).to_vec()).unwrap_or_default(),
    };
    RawValue::from_string(text)
        .map_err(|error| Problem::new(kind::UNREADABLE_RECORD).detail(error.to_string()))
}

fn no_state(word: &str) -> String {
    let open = OpenState::ALL.into_iter().map(OpenState::as_str);
    let words: Vec<&str> =
        open.chain(FinalState::ALL.into_iter().map(FinalState::as_str)).collect();
    format!("must be one of {}, not {word:?}", words.join(", "))
}

fn state_filter(word: &str) -> Option<StateFilter> {
    OpenState::ALL.into_iter().find(|state| state.as_str() == word).map(StateFilter::Open).or_else(
        || FinalState::ALL.into_iter().find(|state| state.as_str() == word).map(StateFilter::Ended),
    )
}

/// `Prefer: wait=N` (RFC 7240), at most [`LONGEST_WAIT_S`]; what cannot be read is ignored, as the
/// RFC wants it.
fn wait(headers: &HeaderMap) -> Option<u64> {
    headers.get_all("prefer").iter().find_map(|value| {
        value.to_str().ok()?.split(',').find_map(|preference| {
            let (name, seconds) = preference.split_once('=')?;
            let named = name.trim().eq_ignore_ascii_case("wait");
            let seconds: u64 = seconds.trim().trim_matches('"').parse().ok()?;
            named.then_some(seconds.min(LONGEST_WAIT_S))
        })
    })
}

fn checked(
    caller: &Verified,
    IdempotencyKey { key, former }: IdempotencyKey,
    request: &TransferRequest,
) -> Result<Begin, Problem> {
    let place = |side: &str, counter: &str, account: &str| {
        Ok::<Place, Problem>(Place {
            counter: CounterId::new(counter)
                .map_err(|error| rule(&format!("{side}.counter"), error.to_string()))?,
            account: AccountId::new(account)
                .map_err(|error| rule(&format!("{side}.account"), error.to_string()))?,
        })
    };
    let from = place("from", &request.from.counter, &request.from.account)?;
    let to = place("to", &request.to.counter, &request.to.account)?;
    let amount = Amount::new(request.amount).map_err(|error| rule("amount", error.to_string()))?;
    let currency: Currency =
        request.currency.parse().map_err(|error| rule("currency", format!("{error}")))?;
    let order = Order { from, to, amount, currency };
    Ok(Begin {
        app: caller.app.clone(),
        idempotency_key: key,
        former_key: former,
        fingerprint: fingerprint(&order),
        order,
    })
}

/// Tells one order from another by what it means, not by how its JSON is laid out.
fn fingerprint(Order { from, to, amount, currency }: &Order) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    for part in
        [from.counter.as_str(), from.account.as_str(), to.counter.as_str(), to.account.as_str()]
    {
        hash.update(part.as_bytes());
        // No counter and no account has such a byte in it.
        hash.update(&[0]);
    }
    hash.update(&amount.minor().to_be_bytes());
    hash.update(currency.as_str().as_bytes());
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(hash.finish().as_ref());
    fingerprint
}

fn json_body() -> [(header::HeaderName, HeaderValue); 1] {
    [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]
}

fn location(master: MasterSerial) -> HeaderValue {
    HeaderValue::try_from(format!("/v1/transfers/{master}"))
        .unwrap_or_else(|_| HeaderValue::from_static("/v1/transfers"))
}

#[cfg(test)]
mod orders;
#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).expect("a header value"));
        }
        headers
    }

    #[test]
    fn waits_have_edges() {
        let wait = |values: &[&str]| wait(&headers("prefer", values));
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&["wait=0"]), Some(0));
        assert_eq!(wait(&["wait=30"]), Some(30));
        assert_eq!(wait(&["wait=31"]), Some(30));
        assert_eq!(wait(&["respond-async, Wait=\"7\""]), Some(7));
        assert_eq!(wait(&["respond-async", "wait=2"]), Some(2));
        for ignored in ["wait", "wait=", "wait=-1", "wait=x", "wait=99999999999999999999"] {
            assert_eq!(wait(&[ignored]), None, "{ignored}");
        }
    }

    #[test]
    fn the_wait_that_was_heeded_is_said() {
        for (preferred, said) in
            [(Some("wait=7"), Some("wait=7")), (Some("wait=99"), Some("wait=30"))]
                .into_iter()
                .chain([(Some("wait=soon"), None), (None, None)])
        {
            let preferred: Vec<&str> = preferred.into_iter().collect();
            let mut response = StatusCode::OK.into_response();
            applied(wait(&headers("prefer", &preferred)), &mut response);
            let header = response.headers().get("preference-applied");
            assert_eq!(header.map(|it| it.to_str().expect("text")), said, "{preferred:?}");
        }
    }

    #[test]
    fn a_fingerprint_tells_orders_apart() {
        let place = |counter: &str, account: &str| Place {
            counter: CounterId::new(counter).expect("a counter"),
            account: AccountId::new(account).expect("an account"),
        };
        let order = |from: &Place, to: &Place, amount| Order {
            from: from.clone(),
            to: to.clone(),
            amount: Amount::new(amount).expect("an amount"),
            currency: Currency::CNY,
        };
        let of = |from: &Place, to: &Place, amount| fingerprint(&order(from, to, amount));
        let (a, b) = (place("securities", "6001"), place("futures", "8001"));
        assert_eq!(of(&a, &b, 1), of(&a, &b, 1));
        assert_ne!(of(&a, &b, 1), of(&b, &a, 1));
        assert_ne!(of(&a, &b, 1), of(&a, &b, 2));
        let dollars = Order { currency: "USD".parse().expect("a currency"), ..order(&a, &b, 1) };
        assert_ne!(of(&a, &b, 1), fingerprint(&dollars));
        for (from, to) in [
            (&place("bank", "6001"), &b),
            (&place("securities", "6002"), &b),
            (&a, &place("bank", "8001")),
            (&a, &place("futures", "8002")),
        ] {
            assert_ne!(of(&a, &b, 1), of(from, to, 1), "{from:?} {to:?}");
        }
        assert_ne!(of(&a, &b, 1), of(&place("securities", "600"), &place("1futures", "8001"), 1));
    }

    #[test]
    fn a_state_to_list_is_found_by_its_word() {
        for state in OpenState::ALL {
            assert_eq!(state_filter(state.as_str()), Some(StateFilter::Open(state)));
        }
        for state in FinalState::ALL {
            assert_eq!(state_filter(state.as_str()), Some(StateFilter::Ended(state)));
        }
        for word in ["", "ended", "Completed", "completed "] {
            assert_eq!(state_filter(word), None, "{word:?}");
        }
    }

    /// A transfer that ended with this answer.
    fn ended(answer: &'static str) -> Stored {
        let outcome = Some(orders::answered(answer));
        Stored { transfer: orders::known(), outcome, open_state: None }
    }

    #[test]
    fn what_has_ended_is_told_byte_for_byte_as_it_was_answered() {
        let answer = r#"{ "state":"completed","z":1,  "a":2 }"#;
        assert_eq!(answer_of(ended(answer)), answer);
        let told = listed(Found::Ended(Box::new(ended(answer)))).expect("it is listed");
        assert_eq!(told.get(), answer);
        for damaged in ["", "{"] {
            let told = listed(Found::Ended(Box::new(ended(damaged)))).expect_err("no answer");
            assert_eq!(told.slug(), "unreadable_record");
        }
    }
}
