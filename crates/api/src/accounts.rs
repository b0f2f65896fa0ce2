//! What a counter says of an account: asked of the counter each time, never remembered.

use crate::auth::Verified;
use crate::json::{BalanceJson, EntriesJson, EntryJson};
use crate::named::Named;
use crate::problem::{Problem, kind};
use crate::refused::refusal;
use crate::sent;
use crate::state::ApiState;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use coordinator::Coordinator;
use domain::message::{
    AccountId, Answer, AnswerCode, BalanceQuery, CounterId, EntriesQuery, Instruction, Place, Reply,
};
use domain::money::Currency;
use domain::serial::Day;
use port::RequestOutcome;
use serde::Deserialize;
use std::fmt::Display;
use std::sync::Arc;
use utoipa::IntoParams;

/// In which currency the balance is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BalanceParams {
    /// ISO 4217 code of the currency in which the account is kept; CNY unless said.
    #[param(pattern = "^[A-Z]{3}$", example = "CNY")]
    pub currency: Option<String>,
}

/// What an account holds.
///
/// It is asked of its counter each time, and never remembered.
#[utoipa::path(
    get, path = "/v1/counters/{counter}/accounts/{account}/balance", tag = "accounts",
    params(
        ("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", example = "securities", description = "The counter's name in the bridge's configuration"),
        ("account" = String, Path, pattern = "^[A-Za-z0-9]{1,25}$", example = "6001", description = "The account's number at that counter"),
        BalanceParams),
    responses(
        (status = 200, description = "The balance, as the counter says", body = BalanceJson),
    )
)]
pub(crate) async fn balance(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Verified>,
    Named((counter, account)): Named<(String, String)>,
    query: Result<Query<BalanceParams>, QueryRejection>,
) -> Result<Response, Problem> {
    let (counter, account) = named(&state, &caller, &counter, &account)?;
    let Query(params) = query.map_err(|error| sent::refused(&error))?;
    let currency: Currency = match params.currency {
        Some(text) => text.parse().map_err(|error| malformed("currency", format!("{error}")))?,
        None => Currency::CNY,
    };
    let asked = Instruction::Balance(BalanceQuery { account, currency });
    match ask(&state.coordinator, &counter, asked).await? {
        Reply::Balance(reply) => match reply.balance {
            Some(balance) => {
                Ok(axum::Json(BalanceJson::new(counter.as_str(), &balance)).into_response())
            }
            None => Err(refused(&counter, &reply.answer)),
        },
        Reply::Entries(_) | Reply::Posting(_) | Reply::Query(_) => {
            Err(silent(&counter, "it answered something else"))
        }
    }
}

/// Which postings are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EntriesParams {
    /// Those of this settle day, the counter's accounting day, as `YYYYMMDD` or `YYYY-MM-DD`; the
    /// counter's present one unless said.
    #[param(pattern = "^[0-9]{4}-?[0-9]{2}-?[0-9]{2}$", example = "2026-11-21")]
    pub date: Option<String>,
    /// How many postings of that day to skip, the oldest first; 0 unless said.
    pub offset: Option<u32>,
    /// How many postings to answer with at most: 1 to 500, 100 unless said.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u16>,
}

/// An account's postings of one settle day.
///
/// They are asked of its counter each time, and never remembered.
#[utoipa::path(
    get, path = "/v1/counters/{counter}/accounts/{account}/entries", tag = "accounts",
    params(
        ("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", example = "securities", description = "The counter's name in the bridge's configuration"),
        ("account" = String, Path, pattern = "^[A-Za-z0-9]{1,25}$", example = "6001", description = "The account's number at that counter"),
        EntriesParams),
    responses(
        (status = 200, description = "The postings, as the counter says, oldest first", body = EntriesJson),
    )
)]
pub(crate) async fn entries(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Verified>,
    Named((counter, account)): Named<(String, String)>,
    query: Result<Query<EntriesParams>, QueryRejection>,
) -> Result<Response, Problem> {
    let (counter, account) = named(&state, &caller, &counter, &account)?;
    postings(&state.coordinator, &counter, Some(account), query).await
}

/// What a counter says that was posted on a day, to one account or to all.
pub async fn postings(
    coordinator: &Coordinator,
    counter: &CounterId,
    account: Option<AccountId>,
    query: Result<Query<EntriesParams>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(params) = query.map_err(|error| sent::refused(&error))?;
    let settle_day =
        || coordinator.counters().get(counter).and_then(|counter| counter.settle_day());
    let day: Day = match params.date {
        Some(text) => day(&text).ok_or_else(|| {
            malformed("date", format!("{text:?} is not a day (YYYYMMDD or YYYY-MM-DD)"))
        })?,
        None => settle_day().ok_or_else(|| silent(counter, "it has not been connected yet"))?,
    };
    let limit = params.limit.unwrap_or(100);
    if !(1..=EntriesQuery::LONGEST_PAGE).contains(&limit) {
        return Err(malformed(
            "limit",
            format!("must be 1 to {}, not {limit}", EntriesQuery::LONGEST_PAGE),
        ));
    }
    let asked = EntriesQuery { account, day, offset: params.offset.unwrap_or(0), limit };
    match ask(coordinator, counter, Instruction::Entries(asked)).await? {
        Reply::Entries(reply) if reply.answer.code == AnswerCode::DONE => {
            let entries = reply.entries.iter().map(EntryJson::from).collect();
            Ok(axum::Json(EntriesJson { entries, more: reply.more }).into_response())
        }
        Reply::Entries(reply) => Err(refused(counter, &reply.answer)),
        Reply::Balance(_) | Reply::Posting(_) | Reply::Query(_) => {
            Err(silent(counter, "it answered something else"))
        }
    }
}

fn named(
    state: &ApiState,
    caller: &Verified,
    counter: &str,
    account: &str,
) -> Result<(CounterId, AccountId), Problem> {
    let not_found = |detail: String| Problem::new(kind::NO_SUCH_ACCOUNT).detail(detail);
    let counter = CounterId::new(counter).map_err(|error| not_found(error.to_string()))?;
    let account = AccountId::new(account).map_err(|error| not_found(error.to_string()))?;
    let place = Place { counter, account };
    state.apps.may_use(&caller.app, &place)?;
    let Place { counter, account } = place;
    if !state.coordinator.counters().has(&counter) {
        return Err(not_found(format!("there is no counter {counter}")));
    }
    Ok((counter, account))
}

async fn ask(
    coordinator: &Coordinator,
    counter: &CounterId,
    instruction: Instruction,
) -> Result<Reply, Problem> {
    match coordinator.ask(counter, instruction).await.map_err(refusal)? {
        RequestOutcome::Answered(reply) => Ok(reply),
        RequestOutcome::NotSent(why) => Err(silent(counter, &why.to_string())),
        RequestOutcome::Unknown(why) => Err(silent(counter, &why.to_string())),
    }
}

fn silent(counter: &CounterId, why: &str) -> Problem {
    Problem::new(kind::COUNTER_UNAVAILABLE)
        .detail(format!("{counter}: {why}"))
        .with("counter", counter.to_string().into())
        .retry_after(2)
}

fn refused(counter: &CounterId, answer: &Answer) -> Problem {
    let problem = if answer.code == AnswerCode::NO_SUCH_ACCOUNT {
        Problem::new(kind::NO_SUCH_ACCOUNT)
    } else {
        Problem::new(kind::REFUSED_BY_COUNTER)
    };
    problem
        .detail(format!("{counter}: {} {}", answer.code, answer.text))
        .with("code", answer.code.number().into())
}

fn malformed(field: &str, why: impl Display) -> Problem {
    sent::malformed(field, &why.to_string())
}

fn day(text: &str) -> Option<Day> {
    match text.split('-').collect::<Vec<_>>()[..] {
        [whole] => whole.parse().ok(),
        [year, month, day] if (year.len(), month.len(), day.len()) == (4, 2, 2) => {
            format!("{year}{month}{day}").parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_in_both_ways() {
        assert_eq!(day("20261121"), day("2026-11-21"));
        assert!(day("2026-11-21").is_some());
        for bad in ["", "2026-11", "2026-1-21", "2026-11-31", "21-11-2026", "2026-11-21-1"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
