//! Calls to the operators' side, in the name of the operator whose token there is.

use super::alarms::Alarms;
use super::found::Found;
use super::held_for::{HeldFor, ProposingReadmission, Readmission};
use super::summary::Summary;
use anyhow::{Context, Result, anyhow};
use client::way::{self, Authorities};
use client::{Account, Entries, Problem, State, Transfer};
use command_line::Usage;
use people::TokenSecret;
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How long connecting may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How often a request is sent again that came too fast, a second later each time.
const MOST_PAUSES: u32 = 10;
/// How long an answer may take: a decision waits for the database.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);

/// A client of the operators' side.
#[derive(Clone, Debug)]
pub(crate) struct Operators {
    http: reqwest::Client,
    base: Url,
    /// By which it is known who asks.
    token: Option<Arc<TokenSecret>>,
}

/// One counter of `GET /ops/v1/counters`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Counter {
    #[serde(rename = "counter")]
    pub(super) id: String,
    pub(super) health: String,
    pub(super) health_text: String,
    pub(super) settle_day: Option<u32>,
    pub(super) open: bool,
    pub(super) connections: Vec<Connection>,
    pub(super) queued: u64,
    pub(super) in_flight: u64,
    /// Why it gets no new transfers, if it gets none.
    #[serde(default)]
    pub(super) held: Option<Held>,
    /// That an operator keeps it from new transfers; an earlier version does not say.
    #[serde(default)]
    pub(super) on_hold: Option<OnHold>,
    /// That it is not certain whether one does; an earlier version does not say.
    #[serde(default)]
    pub(super) on_hold_uncertain: Option<String>,
    /// What it did wrong since the bridge started; an earlier version does not say.
    #[serde(default)]
    pub(super) faults: Option<Faults>,
}

/// What a counter did wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Faults {
    /// How often it spoke of what is not its own.
    pub(super) foreign: u64,
    /// How often it contradicted what was proven.
    pub(super) contradiction: u64,
    /// In words, with what to do; `None` if it did nothing wrong.
    pub(super) text: Option<String>,
}

/// Why a counter gets no new transfers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) why: String,
    /// Since when, in microseconds since 1970 UTC.
    pub(super) since: i64,
    /// What to do about it; an earlier version does not say.
    #[serde(default)]
    pub(super) to_do: Option<String>,
}

/// That an operator keeps a counter from new transfers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OnHold {
    /// `hold` or `drain`.
    pub(super) kind: String,
    pub(super) who: String,
    pub(super) note: String,
    /// Since when, in microseconds since 1970 UTC.
    pub(super) since: i64,
    /// How many open transfers a drain waits for, once it was looked at.
    #[serde(default)]
    pub(super) waits_for: Option<u64>,
    #[serde(default)]
    pub(super) parked: Option<u64>,
    pub(super) text: String,
}

/// One connection of a counter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Connection {
    pub(super) state: String,
    pub(super) state_text: String,
    pub(super) address: String,
    pub(super) attempt: u32,
    pub(super) last_cause: Option<String>,
    pub(super) next_attempt_at: Option<i64>,
    pub(super) round_trip_us: Option<u64>,
}

/// `GET /ops/v1/transfers`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OpenTransfers {
    pub(super) transfers: Vec<OpenTransfer>,
    /// How many there are, listed or not.
    pub(super) total: u64,
}

/// An open transfer with what is known of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OpenTransfer {
    #[serde(flatten)]
    pub(super) transfer: Transfer,
    pub(super) app: String,
    pub(super) age_s: i64,
    pub(super) in_transit: i64,
    /// Who has claimed it; a bridge of an earlier version does not say.
    #[serde(default)]
    pub(super) claim: Option<Claim>,
    /// What is proposed for it; a bridge of an earlier version does not say.
    #[serde(default)]
    pub(super) proposal: Option<Proposal>,
    /// What a proposal names as what was seen; likewise.
    #[serde(default)]
    pub(super) version: Option<String>,
    pub(super) decisions: Vec<Choice>,
}

/// Who has claimed a transfer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) who: String,
    pub(super) note: String,
    /// When it ends, if it is not said again.
    pub(super) until: String,
}

/// A claim, or the end of one, as it is sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Claiming<'a> {
    pub(super) note: &'a str,
    pub(super) release: bool,
}

/// Who has claimed a transfer now, if somebody has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claimed {
    pub(super) master_serial: String,
    pub(super) claim: Option<Claim>,
}

/// `GET /ops/v1/proven`: what waits for nothing but a person's word.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Proven {
    pub(super) transfers: Vec<ProvenOne>,
    /// How many there are, listed or not.
    pub(super) total: u64,
}

/// One transfer of which everything is proven.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ProvenOne {
    pub(super) master_serial: String,
    pub(super) from: Account,
    pub(super) to: Account,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) reason: Option<String>,
    pub(super) outlook: Option<Outlook>,
    /// What a proposal names as what was seen.
    pub(super) version: String,
}

/// What resuming a transfer leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outlook {
    /// A leg is asked about first.
    Unproven(String),
    /// It ends so.
    Ends(String),
    /// A leg is sent.
    Sends(String),
    /// It waits for a person again.
    Person,
}

/// A decision that is proposed, and waits for another person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Proposal {
    pub(super) id: String,
    pub(super) decision: String,
    pub(super) leads_to: Outlook,
    pub(super) who: String,
    pub(super) note: String,
    /// From when on nobody may approve it any more.
    pub(super) until: String,
}

/// `GET /ops/v1/proposals`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Proposals {
    pub(super) transfers: Vec<OpenTransfer>,
    /// How many there are, listed or not.
    pub(super) total: u64,
}

/// A proposal, as it is sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Proposing<'a> {
    pub(super) decision: &'a str,
    pub(super) version: &'a str,
    pub(super) leads_to: &'a Outlook,
    pub(super) note: &'a str,
}

/// What is said to a proposal, as it is sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OnProposal<'a> {
    pub(super) proposal: &'a str,
    pub(super) note: &'a str,
}

/// What two decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Decided {
    pub(super) master_serial: String,
    pub(super) proposal: Proposal,
    pub(super) approved_by: String,
    /// The transfer's state after it.
    pub(super) state: String,
}

/// What a person may decide.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Choice {
    pub(super) decision: String,
    pub(super) allowed: bool,
    pub(super) why_not: Option<String>,
    /// What it would lead to; a bridge of an earlier version does not say.
    #[serde(default)]
    pub(super) leads_to: Option<Outlook>,
}

impl Operators {
    /// A client of the operators' side at `url`, such as `http://127.0.0.1:8081`.
    pub(super) fn new(url: &str, authorities: &Authorities) -> Result<Operators> {
        let base = way::base(url).map_err(|error| Usage(format!("--operators: {error}")))?;
        let http = way::builder(&base, authorities)
            .connect_timeout(CONNECT_DEADLINE)
            .timeout(ANSWER_DEADLINE)
            .build()?;
        Ok(Operators { http, base, token: None })
    }

    /// The same in the name of whose token this is. It is sent where nobody else reads it and nowhere else: whoever
    /// saw it on its way would act in the operator's name.
    pub(super) fn with_token(self, token: TokenSecret) -> Result<Operators> {
        if self.base.scheme() != "https" && !way::is_this_machine(&self.base) {
            let why = format!(
                "--operators: a token is not sent to {} in the clear: have it behind TLS and write https://, or ask \
                 on the bridge's own machine",
                self.base
            );
            return Err(Usage(why).into());
        }
        Ok(Operators { token: Some(Arc::new(token)), ..self })
    }

    pub(super) async fn summary(&self) -> Result<Summary> {
        self.call(Method::GET, &["summary"], &[], None::<&()>).await
    }

    /// The alarms that are open.
    pub(super) async fn alarms(&self) -> Result<Alarms> {
        self.call(Method::GET, &["alarms"], &[("state", "open")], None::<&()>).await
    }

    pub(super) async fn counters(&self) -> Result<Vec<Counter>> {
        self.call(Method::GET, &["counters"], &[], None::<&()>).await
    }

    /// What a counter has posted on a settle day (`YYYYMMDD`), to whatever account: so many from
    /// `offset` on.
    pub(crate) async fn entries(
        &self,
        counter: &str,
        day: &str,
        offset: u32,
        limit: u16,
    ) -> Result<Entries> {
        let (offset, limit) = (offset.to_string(), limit.to_string());
        let query = [("date", day), ("offset", &offset), ("limit", &limit)];
        self.call(Method::GET, &["counters", counter, "entries"], &query, None::<&()>).await
    }

    /// Open transfers, the oldest first, at most `limit`; only those in `state`, if one is given.
    pub(super) async fn transfers(
        &self,
        state: Option<State>,
        limit: u16,
    ) -> Result<OpenTransfers> {
        let limit = limit.to_string();
        let mut query = vec![("limit", limit.as_str()), ("trail", "false")];
        query.extend(state.map(|state| ("state", state.as_str())));
        self.call(Method::GET, &["transfers"], &query, None::<&()>).await
    }

    /// Any transfer that needs persons, as it stands now.
    pub(super) async fn transfer(&self, serial: &str) -> Result<OpenTransfer> {
        self.call(Method::GET, &["transfers", serial], &[], None::<&()>).await
    }

    /// The transfers that a text names.
    pub(super) async fn search(&self, text: &str) -> Result<Found> {
        self.call(Method::GET, &["search"], &[("q", text)], None::<&()>).await
    }

    /// What is proposed and waits for another person, the oldest first, at most `limit`.
    pub(super) async fn proposals(&self, limit: u16) -> Result<Proposals> {
        let limit = limit.to_string();
        self.call(Method::GET, &["proposals"], &[("limit", &limit)], None::<&()>).await
    }

    pub(super) async fn propose(
        &self,
        serial: &str,
        proposing: &Proposing<'_>,
    ) -> Result<Proposal> {
        self.call(Method::POST, &["transfers", serial, "proposal"], &[], Some(proposing)).await
    }

    pub(super) async fn approve(&self, serial: &str, on: &OnProposal<'_>) -> Result<Decided> {
        self.call(Method::POST, &["transfers", serial, "approval"], &[], Some(on)).await
    }

    pub(super) async fn withdraw(&self, serial: &str, on: &OnProposal<'_>) -> Result<Proposal> {
        self.call(Method::POST, &["transfers", serial, "withdrawal"], &[], Some(on)).await
    }

    pub(super) async fn claim(&self, serial: &str, claiming: &Claiming<'_>) -> Result<Claimed> {
        self.call(Method::POST, &["transfers", serial, "claim"], &[], Some(claiming)).await
    }

    /// What waits for nothing but a person's word, the oldest first, at most `limit`.
    pub(super) async fn proven(&self, limit: u16) -> Result<Proven> {
        let limit = limit.to_string();
        self.call(Method::GET, &["proven"], &[("limit", &limit)], None::<&()>).await
    }

    /// Where it is asked.
    #[cfg(test)]
    pub(super) fn base(&self) -> &reqwest::Url {
        &self.base
    }

    pub(super) async fn held_for(&self, counter: &str) -> Result<HeldFor> {
        self.call(Method::GET, &["counters", counter, "readmission"], &[], None::<&()>).await
    }

    pub(super) async fn propose_readmission(
        &self,
        counter: &str,
        proposing: &ProposingReadmission<'_>,
    ) -> Result<Readmission> {
        self.call(Method::POST, &["counters", counter, "readmission"], &[], Some(proposing)).await
    }

    /// Says something to what is proposed about a counter: `approval` or `withdrawal`.
    pub(super) async fn say_to_readmission(
        &self,
        (counter, what): (&str, &str),
        on: &OnProposal<'_>,
    ) -> Result<serde_json::Value> {
        let path = ["counters", counter, "readmission", what];
        self.call(Method::POST, &path, &[], Some(on)).await
    }

    /// Does something about a counter: `reconnect`, `hold` and the like.
    pub(super) async fn act_on(
        &self,
        counter: &str,
        what: &str,
        body: &serde_json::Value,
    ) -> Result<serde_json::Value> {
        self.call(Method::POST, &["counters", counter, what], &[], Some(body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Usage("--operators: the URL cannot have a path".to_owned()))?
            .pop_if_empty()
            .extend(["ops", "v1"])
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let gone = || {
            format!(
                "the operators' side at {} does not answer; does the bridge run, and is it there? \
                 (--operators)",
                self.base
            )
        };
        let mut paused = 0;
        let (status, body) = loop {
            let mut request = self.http.request(method.clone(), url.clone());
            if let Some(token) = &self.token {
                request = request.bearer_auth(token.text());
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await;
            let answer = answer.map_err(|error| anyhow!("{}: {}", gone(), way::plain(&error)))?;
            let status = answer.status();
            // One who acts on many is let through at a pace. Nothing was done of it.
            let soon = answer.headers().get("retry-after").is_some_and(|after| after == "1");
            if status == StatusCode::TOO_MANY_REQUESTS && soon && paused < MOST_PAUSES {
                paused += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
            let body = answer.bytes().await;
            break (status, body.map_err(|error| anyhow!("{}: {}", gone(), way::plain(&error)))?);
        };
        if status.is_success() {
            return serde_json::from_slice(&body)
                .with_context(|| format!("{} answers something else", self.base));
        }
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => match what_to_do(problem.slug(), self.token.is_some()) {
                Some(words) => anyhow!("{problem}: {words}"),
                None => anyhow!("{problem}"),
            },
            Err(_) => anyhow!("{} answers with status {status}", self.base),
        })
    }
}

/// What somebody does who is not let in, or not far enough.
fn what_to_do(problem: &str, has_token: bool) -> Option<&'static str> {
    match (problem, has_token) {
        ("not_signed_in", false) => Some(
            "name the file with your token by --token-file, or as token_file in the file of --client; on the bridge's \
             machine `counter-bridge operator token NAME --label TEXT --config FILE > TOKENFILE` makes one",
        ),
        ("not_signed_in", true) => Some(
            "the token of --token-file is good no more: it has run out or was ended, or its operator was disabled; on \
             the bridge's machine `counter-bridge operator tokens NAME --config FILE` shows those that there are",
        ),
        ("not_permitted", _) => Some(
            "it takes more than this token, or its operator, may: on the bridge's machine \
             `counter-bridge operator list --config FILE` shows who may what",
        ),
        _ => None,
    }
}

impl OpenTransfer {
    /// Both ends of it, if the bridge says them.
    pub(super) fn ends(&self) -> Option<(&Account, &Account)> {
        self.transfer.from.as_ref().zip(self.transfer.to.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::in_one_line;

    #[test]
    fn urls_are_http() {
        for bad in ["", "h:8081", "ftp://h"] {
            let error = Operators::new(bad, &Authorities::OfTheSystem).expect_err(bad).to_string();
            assert!(error.starts_with("--operators"), "{error}");
        }
        Operators::new("http://127.0.0.1:8081/", &Authorities::OfTheSystem).expect("a client");
    }

    /// An operators' side that answers every proposal so; and where it is.
    async fn answering(status: u16, body: &'static str) -> Operators {
        use axum::http::{HeaderMap, StatusCode};
        let answer = move |headers: HeaderMap, decided: String| async move {
            assert_eq!(headers["content-type"], "application/json");
            assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
            let expected = r#"{"decision":"resume","version":"7","leads_to":{"sends":"credit"},"note":"seen"}"#;
            assert_eq!(decided, expected);
            (StatusCode::from_u16(status).expect("a status"), body)
        };
        let router =
            axum::Router::new().route("/ops/v1/transfers/1/proposal", axum::routing::post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let operators = Operators::new(&url, &Authorities::OfTheSystem).expect("a client");
        operators.with_token(TOKEN.parse().expect("a token")).expect("it is this machine")
    }

    const TOKEN: &str = "cbt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// What is proposed in these tests.
    async fn proposes(operators: &Operators) -> Result<Proposal> {
        let leads_to = &Outlook::Sends("credit".to_owned());
        let proposing = Proposing { decision: "resume", version: "7", leads_to, note: "seen" };
        operators.propose("1", &proposing).await
    }

    #[tokio::test]
    async fn a_proposal_is_posted_and_what_it_would_lead_to_is_read() {
        let body = r#"{"id":"0123456789abcdef0123456789abcdef","decision":"resume","who":"ann",
                       "note":"seen","leads_to":{"sends":"credit"},"until":"tomorrow"}"#;
        let taken = proposes(&answering(201, body).await).await.expect("taken");
        assert_eq!(taken.leads_to, Outlook::Sends("credit".to_owned()));
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_bridges_words() {
        let body = r#"{"type":"/errors/already_final","title":"It is final","status":409,
                       "detail":"transfer 1 is final already"}"#;
        let refusal = proposes(&answering(409, body).await).await.expect_err("refused");
        assert_eq!(refusal.to_string(), "409 already_final: transfer 1 is final already");
        let other = proposes(&answering(502, "<html>").await).await.expect_err("no bridge");
        assert!(other.to_string().contains("status 502"), "{other}");
        let other = proposes(&answering(200, "<html>").await).await.expect_err("no bridge");
        assert!(other.to_string().contains("answers something else"), "{other}");
    }

    #[tokio::test]
    async fn whoever_is_not_let_in_is_told_by_what_he_would_be() {
        let body = r#"{"type":"/errors/not_signed_in","title":"Not signed in","status":401}"#;
        let known = answering(401, body).await;
        let stranger = Operators { token: None, ..known.clone() };
        assert!(what_to_do("not_signed_in", stranger.token.is_some()).is_some_and(|words| {
            words.contains("--token-file") && words.contains("counter-bridge operator token NAME")
        }));
        let refusal = proposes(&known).await.expect_err("refused").to_string();
        assert!(refusal.contains("not_signed_in") && refusal.contains("good no more"), "{refusal}");
        assert!(!refusal.contains(TOKEN), "{refusal}");
        let body = r#"{"type":"/errors/not_permitted","title":"Not permitted","status":403}"#;
        let refusal = proposes(&answering(403, body).await).await.expect_err("refused");
        assert!(refusal.to_string().contains("operator list"), "{refusal}");
    }

    #[tokio::test]
    async fn silence_says_where_nobody_was_found() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let operators = Operators::new(&format!("http://{address}"), &Authorities::OfTheSystem)
            .expect("a client");
        let error = in_one_line(&operators.summary().await.expect_err("nobody is there"));
        assert!(error.contains(&address.to_string()) && error.contains("--operators"), "{error}");
    }
}
