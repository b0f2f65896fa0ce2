//! Calls to the transfer API, one method for each.

use crate::way::{self, Authorities, plain};
use crate::{
    error::CallError,
    retry::Retry,
    signature::Signer,
    transfer::{
        Balance, Entries, EntryFilter, IdempotencyKey, NewTransfer, Transfer, TransferFilter,
        TransferPage,
    },
};
use http::{HeaderMap, HeaderValue, Method, header};
use reqwest::Url;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// An app backend's connection to the bridge. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    signer: Signer,
    retry: Option<Retry>,
}

/// What `POST /v1/transfers` answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The transfer, final or not.
    pub transfer: Transfer,
    /// `None`: it is final (201). Otherwise it goes on (202): ask for it after this long.
    pub ask_again_after: Option<Duration>,
    /// The path at which the transfer is shown, `/v1/transfers/{master_serial}`.
    pub location: Option<String>,
    /// The answer's body as it came: a replay of a final answer has the same bytes.
    pub body: Vec<u8>,
}

impl Posted {
    /// Whether the transfer stays as it is for ever.
    pub const fn is_final(&self) -> bool {
        self.ask_again_after.is_none()
    }
}

/// An answer that is a success.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    /// How long connecting may take.
    pub const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
    /// How long an answer may take, beyond what was asked to be waited for.
    pub const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
    /// The longest that the bridge waits before it answers.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(30);
    /// How often an open transfer is asked for, where the bridge does not say.
    const ASK_EVERY: Duration = Duration::from_millis(500);

    /// A client of the bridge at `base_url`, such as `http://127.0.0.1:8080`: `http` or `https`, with a
    /// path only if the API is under one. It must be the URL that the bridge takes for its own
    /// (`public_url`), since it is signed. Nothing is sent yet.
    pub fn new(base_url: &str, signer: Signer) -> Result<Client, CallError> {
        Client::believing(base_url, signer, &Authorities::OfTheSystem)
    }

    /// The same, where `https` needs other authorities than this machine's.
    pub fn believing(
        base_url: &str,
        signer: Signer,
        authorities: &Authorities,
    ) -> Result<Client, CallError> {
        let base = way::base(base_url).map_err(CallError::unsendable)?;
        let http = way::builder(&base, authorities)
            .connect_timeout(Self::CONNECT_DEADLINE)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| CallError::Unsendable {
                why: way::plain(&error),
                source: Some(error.into()),
            })?;
        Ok(Client { http, base, signer, retry: None })
    }

    /// Repeats calls that found the bridge busy or out of reach. Without this, every call is sent
    /// once.
    #[must_use]
    pub fn with_retry(self, retry: Retry) -> Client {
        Client { retry: Some(retry), ..self }
    }

    /// `POST /v1/transfers`: orders a transfer and waits up to `wait` (whole seconds, 30 at most)
    /// for it to be final. The same key with the same order is the same transfer, and is told how
    /// that one stands.
    pub async fn transfer(
        &self,
        order: &NewTransfer,
        key: &IdempotencyKey,
        wait: Duration,
    ) -> Result<Posted, CallError> {
        let body = serde_json::to_vec(order).map_err(CallError::unsendable_by)?;
        let url = self.url(&["v1", "transfers"])?;
        let mut headers = waiting(wait)?;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("idempotency-key", text(key.as_str())?);
        let deadline = Self::ANSWER_DEADLINE + wait.min(Self::LONGEST_WAIT);
        let (answer, transfer): (_, Transfer) =
            self.send(Method::POST, url, headers, body, deadline).await?;
        let asked = retry_after(&answer.headers).unwrap_or(Self::ASK_EVERY);
        Ok(Posted {
            ask_again_after: (answer.status == 202).then_some(asked),
            location: answer
                .headers
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            transfer,
            body: answer.body,
        })
    }

    /// `GET /v1/transfers/{master_serial}`, as it stands.
    pub async fn show(&self, master_serial: &str) -> Result<Transfer, CallError> {
        self.show_within(master_serial, Duration::ZERO).await
    }

    /// Asks for a transfer until it is final or `patience` is at its end; the last that was heard
    /// of it. A transfer that needs an operator may take hours.
    pub async fn wait_until_final(
        &self,
        master_serial: &str,
        patience: Duration,
    ) -> Result<Transfer, CallError> {
        let begun = Instant::now();
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            let asked = Instant::now();
            let transfer = self.show_within(master_serial, left.min(Self::LONGEST_WAIT)).await?;
            if transfer.state.is_final() || begun.elapsed() >= patience {
                return Ok(transfer);
            }
            // The bridge waits for us; if it would not, we must not ask without a pause.
            let left = patience.saturating_sub(begun.elapsed());
            tokio::time::sleep(Self::ASK_EVERY.saturating_sub(asked.elapsed()).min(left)).await;
        }
    }

    async fn show_within(&self, serial: &str, wait: Duration) -> Result<Transfer, CallError> {
        self.get(&["v1", "transfers", serial], &[], wait).await
    }

    /// `GET /v1/transfers`: the app's transfers, newest first.
    pub async fn list(&self, filter: &TransferFilter) -> Result<TransferPage, CallError> {
        let limit = filter.limit.map(|limit| limit.to_string());
        let query = [
            ("state", filter.state.map(crate::transfer::State::as_str)),
            ("counter", filter.counter.as_deref()),
            ("account", filter.account.as_deref()),
            ("cursor", filter.cursor.as_deref()),
            ("limit", limit.as_deref()),
        ];
        self.get(&["v1", "transfers"], &query, Duration::ZERO).await
    }

    /// `GET /v1/counters/{counter}/accounts/{account}/balance`, asked of the counter, in
    /// `currency` (ISO 4217); without one, in the bridge's default.
    pub async fn balance(
        &self,
        counter: &str,
        account: &str,
        currency: Option<&str>,
    ) -> Result<Balance, CallError> {
        let path = ["v1", "counters", counter, "accounts", account, "balance"];
        self.get(&path, &[("currency", currency)], Duration::ZERO).await
    }

    /// `GET /v1/counters/{counter}/accounts/{account}/entries`, asked of the counter.
    pub async fn entries(
        &self,
        counter: &str,
        account: &str,
        filter: &EntryFilter,
    ) -> Result<Entries, CallError> {
        let path = ["v1", "counters", counter, "accounts", account, "entries"];
        let offset = filter.offset.map(|offset| offset.to_string());
        let limit = filter.limit.map(|limit| limit.to_string());
        let query = [
            ("date", filter.date.as_deref()),
            ("offset", offset.as_deref()),
            ("limit", limit.as_deref()),
        ];
        self.get(&path, &query, Duration::ZERO).await
    }

    /// `GET /v1/openapi.json`: the description of the API.
    pub async fn openapi(&self) -> Result<serde_json::Value, CallError> {
        self.get(&["v1", "openapi.json"], &[], Duration::ZERO).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, Option<&str>)],
        wait: Duration,
    ) -> Result<T, CallError> {
        let mut url = self.url(path)?;
        for (name, value) in query {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let headers = waiting(wait)?;
        let deadline = Self::ANSWER_DEADLINE + wait;
        let (_, said) = self.send(Method::GET, url, headers, Vec::new(), deadline).await?;
        Ok(said)
    }

    /// The base and a path of these parts, each escaped.
    fn url(&self, path: &[&str]) -> Result<Url, CallError> {
        if path.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(CallError::unsendable("a part of the path is empty"));
        }
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| CallError::unsendable("the URL cannot have a path"))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    /// Sends until there is an answer that can be read, or the retry gives up.
    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Result<(Answer, T), CallError> {
        let begun = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let sent = self.send_once(&method, &url, &headers, &body, deadline).await;
            let error = match sent.and_then(|answer| Ok((read(&answer.body)?, answer))) {
                Ok((said, answer)) => return Ok((answer, said)),
                Err(error) => error,
            };
            let pause = self
                .retry
                .and_then(|retry| retry.pause(tries, begun.elapsed(), &error, rand::random()));
            let Some(pause) = pause else { return Err(error) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Signs and sends once. Every time anew: a nonce is good for one request.
    async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: &[u8],
        deadline: Duration,
    ) -> Result<Answer, CallError> {
        let mut headers = headers.clone();
        self.signer
            .sign(method, url.as_str(), &mut headers, body, now_s())
            .map_err(CallError::unsendable_by)?;
        let request = self
            .http
            .request(method.clone(), url.clone())
            .headers(headers)
            .body(body.to_vec())
            .timeout(deadline);
        let unreachable = |error: reqwest::Error| {
            let why = plain(&error);
            CallError::Unreachable { why, source: Some(error.into()) }
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.map_err(unreachable)?.to_vec();
        match status {
            200..=299 => Ok(Answer { status, headers, body }),
            _ => Err(CallError::of_status(status, retry_after(&headers), &body)),
        }
    }
}

/// A success whose body cannot be read is no answer: the bridge may have done what was asked.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(|error| {
        let why = format!("unreadable answer: {error}");
        CallError::Unreachable { why, source: Some(error.into()) }
    })
}

/// Headers that ask for an answer within `wait`, in whole seconds.
fn waiting(wait: Duration) -> Result<HeaderMap, CallError> {
    let mut headers = HeaderMap::new();
    headers.insert("prefer", text(&format!("wait={}", wait.as_secs()))?);
    Ok(headers)
}

fn text(value: &str) -> Result<HeaderValue, CallError> {
    HeaderValue::from_str(value).map_err(CallError::unsendable_by)
}

/// `Retry-After` in seconds; the bridge does not use the form with a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Seconds since 1970 by this machine's clock.
fn now_s() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    fn client(base: &str) -> Result<Client, CallError> {
        Client::new(base, Signer::new("k", Key::generate_ed25519()).expect("a signer"))
    }

    #[test]
    fn paths_are_escaped_under_the_base() {
        for base in ["http://h:8080", "http://h:8080/"] {
            let url = client(base).expect("a client").url(&["v1", "a/b ?#", "é"]);
            assert_eq!(url.expect("a URL").as_str(), "http://h:8080/v1/a%2Fb%20%3F%23/%C3%A9");
        }
        let below = client("http://h/bridge/").expect("a client");
        assert_eq!(below.url(&["v1"]).expect("a URL").as_str(), "http://h/bridge/v1");
        for bad in ["", ".", ".."] {
            assert!(below.url(&["v1", bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bases_are_http() {
        for bad in ["", "h:8080", "http://u:p@h", "http://h/?q", "ftp://h"] {
            assert!(matches!(client(bad), Err(CallError::Unsendable { .. })), "{bad:?}");
        }
    }
}
