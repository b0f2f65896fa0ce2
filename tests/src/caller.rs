//! An app backend, as raw as it can be: it signs, sends, and keeps the bytes that came back.

use crate::audit::{State, Told};
use crate::bridge::App;
use crate::clock::{Clock, right_time_s};
use crate::http::Heard;
use crate::town::{OPEN, RICH};
use anyhow::{Context, Result, bail, ensure};
use client::signature::Signer;
use client::{Algorithm, Key};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longer than the longest `Prefer: wait`: only a bridge that hangs is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// The longest page of a list.
const PAGE: usize = 200;

/// By when a transfer must have ended, whatever went wrong on its way.
pub const END_WITHIN: Duration = Duration::from_mins(2);

/// Between two looks at something that cannot tell when it changes.
pub const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What an app asks for.
#[derive(Clone, Debug)]
pub struct Order {
    /// The idempotency key.
    pub key: String,
    /// The account at the securities counter.
    pub from: &'static str,
    /// The account at the futures counter.
    pub to: &'static str,
    /// Minor units.
    pub amount: i64,
}

impl Order {
    /// From [`RICH`] to [`OPEN`].
    pub fn new(key: impl Into<String>, amount: i64) -> Order {
        Order { key: key.into(), from: RICH, to: OPEN, amount }
    }

    /// From another account.
    #[must_use]
    pub fn from(self, from: &'static str) -> Order {
        Order { from, ..self }
    }

    /// To another account.
    #[must_use]
    pub fn to(self, to: &'static str) -> Order {
        Order { to, ..self }
    }

    /// The request's body.
    pub fn body(&self) -> String {
        serde_json::json!({
            "from": { "counter": "securities", "account": self.from },
            "to": { "counter": "futures", "account": self.to },
            "amount": self.amount,
            "currency": "CNY",
        })
        .to_string()
    }
}

/// What the API said.
#[derive(Clone, PartialEq, Eq)]
pub struct Said {
    /// The status.
    pub status: StatusCode,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

impl Said {
    /// Whether it was turned away unread because the signature is outside its time window by the
    /// bridge's clock.
    pub fn is_about_time(&self) -> bool {
        let problem: Result<serde_json::Value> = self.json();
        self.status == StatusCode::UNAUTHORIZED
            && problem.is_ok_and(|problem| {
                problem["type"].as_str().is_some_and(|kind| kind.ends_with("expired_signature"))
            })
    }

    /// The body as JSON of this shape.
    pub fn json<T: for<'a> Deserialize<'a>>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).with_context(|| format!("{self:?}"))
    }
}

/// One app's way to the transfer API.
#[derive(Clone)]
pub struct Caller {
    api: String,
    http: reqwest::Client,
    signer: Signer,
    /// The bridge's clock, if that may be wrong.
    clock: Option<Arc<Clock>>,
    /// Whether its own clock is wrong together with the bridge's.
    follows: bool,
    /// How often it was turned away because its clock and the bridge's differ.
    turned_away: Arc<AtomicU64>,
}

#[derive(Deserialize)]
struct Page {
    transfers: Vec<Told>,
    next_cursor: Option<String>,
}

impl Caller {
    /// A caller that signs as `app`; `api` is a URL without a path.
    pub fn new(app: &App, api: &str) -> Result<Caller> {
        let secret = std::fs::read(&app.secret_file).context("the secret could not be read")?;
        let key = Key::from_file(Algorithm::HmacSha256, &secret)?;
        let http = crate::http::builder().timeout(ANSWER_WITHIN).build()?;
        Ok(Caller {
            api: api.to_owned(),
            http,
            signer: Signer::new(app.key_id, key)?,
            clock: None,
            follows: false,
            turned_away: Arc::default(),
        })
    }

    /// The same caller of a bridge whose clock may be wrong: being turned away for that is no end, and
    /// is tried again.
    #[must_use]
    pub fn beside(self, clock: &Arc<Clock>) -> Caller {
        Caller { clock: Some(clock.clone()), ..self }
    }

    /// The same caller with a clock that is stepped together with the bridge's.
    #[must_use]
    pub fn in_step(self) -> Caller {
        Caller { follows: true, ..self }
    }

    /// How often it, and those that were made from it, were turned away because of the time.
    pub fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// Sends an order once, and gives what the bridge said after at most five seconds.
    pub async fn send(&self, order: &Order) -> Result<Said> {
        self.post(&order.key, &order.body(), 5).await
    }

    /// Sends an order as an app backend does: again and again under the same key, until the bridge
    /// says how it ended.
    pub async fn settle(&self, order: &Order) -> Result<Said> {
        let deadline = Instant::now() + END_WITHIN;
        loop {
            let last = self.send(order).await;
            match &last {
                Ok(said) if said.status == StatusCode::CREATED => {
                    let told: Told = said.json()?;
                    ensure!(told.state.is_final(), "201 before the end: {told:?}");
                    return last;
                }
                Ok(said) if self.clock.is_some() && said.is_about_time() => {
                    self.turned_away.fetch_add(1, Ordering::Relaxed);
                }
                Ok(said) => ensure!(
                    matches!(
                        said.status,
                        StatusCode::ACCEPTED
                            | StatusCode::CONFLICT
                            | StatusCode::TOO_MANY_REQUESTS
                            | StatusCode::SERVICE_UNAVAILABLE
                    ),
                    "{order:?}: {said:?}"
                ),
                // The bridge is not there, or went while it worked.
                Err(_) => {}
            }
            if Instant::now() >= deadline {
                bail!("{order:?} did not end in {END_WITHIN:?}; last: {last:?}");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// How an order ended.
    pub async fn ending(&self, order: &Order) -> Result<State> {
        Ok(self.settle(order).await?.json::<Told>()?.state)
    }

    /// Signs and sends a `POST /v1/transfers`; the bridge is asked to wait so many seconds.
    pub async fn post(&self, key: &str, body: &str, wait_s: u8) -> Result<Said> {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", HeaderValue::from_str(key)?);
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("prefer", HeaderValue::from_str(&format!("wait={wait_s}"))?);
        self.request(Method::POST, "/v1/transfers", headers, body).await
    }

    /// Signs and sends a `GET` of this path, which begins with `/`.
    pub async fn get(&self, path: &str) -> Result<Said> {
        self.request(Method::GET, path, HeaderMap::new(), "").await
    }

    /// Looks until so many transfers of the app are shown.
    pub async fn until_there_are(&self, count: usize) -> Result<()> {
        let deadline = Instant::now() + END_WITHIN;
        while self.told().await?.len() < count {
            ensure!(Instant::now() < deadline, "there never were {count}");
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Every transfer of the app.
    pub async fn told(&self) -> Result<Vec<Told>> {
        let mut told = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/transfers?limit={PAGE}{cursor}");
            let said = self.get(&path).await?;
            ensure!(said.status == StatusCode::OK, "{path}: {said:?}");
            let page: Page = said.json()?;
            told.extend(page.transfers);
            match page.next_cursor {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(told),
            }
        }
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        body: &str,
    ) -> Result<Said> {
        let url = &format!("{}{path}", self.api);
        let ahead_s = match &self.clock {
            Some(clock) if self.follows => clock.ahead_s(),
            Some(_) | None => 0,
        };
        let now = right_time_s()? + ahead_s;
        self.signer.sign(&method, url, &mut headers, body.as_bytes(), now)?;
        let request = self.http.request(method, url).headers(headers).body(body.to_owned());
        let Heard { status, body, headers: _ } = crate::http::send(request).await?;
        Ok(Said { status, body })
    }
}
