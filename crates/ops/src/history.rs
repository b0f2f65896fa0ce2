//! Transfers of any time and state: searched by whatever number somebody has in hand, or listed by what narrows them.

mod csv;

use super::{Ops, described};
use api::json::{AccountJson, timestamp};
use api::problem::Problem;
use api::refused::database;
use api::sent;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use coordinator::{Found, Page};
use domain::message::{AccountId, CounterId};
use domain::money::{Amount, Currency, MoneyError};
use domain::serial::{Day, MasterSerial, Sequence};
use foreign::is_unseen;
use serde::{Deserialize, Serialize};
use store::{AmountFilter, FinalState, ListFilter, NewTransfer, OpenState, StateFilter};
use utoipa::{IntoParams, ToSchema};

/// Transfers on a page unless asked otherwise.
const PAGE: u16 = 50;

/// Which transfers to list, the newest first, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only those that this app ordered.
    app: Option<String>,
    /// Only those with this counter on either side.
    #[param(pattern = "^[a-z0-9-]{1,32}$")]
    counter: Option<String>,
    /// Only those with this account on either side; with `counter`, on the same side as it.
    #[param(pattern = "^[A-Za-z0-9]{1,25}$")]
    account: Option<String>,
    /// Only those of which a counter, whichever, answered this as its own serial of a posting, of whichever leg: 1 to 255
    /// bytes, compared exactly, with the spaces around them.
    #[param(min_length = 1, max_length = 255)]
    counter_serial: Option<String>,
    /// Only those that move exactly this, in minor units of the currency.
    #[param(minimum = 1, maximum = 999_999_999_999_i64)]
    amount: Option<i64>,
    /// The currency of `amount`, without which it is not taken: ISO 4217; any unless said.
    #[param(pattern = "^[A-Z]{3}$")]
    currency: Option<String>,
    /// Only those in this state; `ended` are all that are final.
    #[param(value_type = Option<described::AnyState>, inline)]
    state: Option<String>,
    /// Only those that were accepted on this day or later, by the day in their serials: `YYYYMMDD`, UTC.
    #[param(pattern = "^[0-9]{8}$")]
    since: Option<String>,
    /// Only those that were accepted on this day or before: `YYYYMMDD`, UTC.
    #[param(pattern = "^[0-9]{8}$")]
    until: Option<String>,
    /// Where the page begins: `next` of the one before.
    #[param(pattern = "^[0-9]{19}$")]
    before: Option<String>,
    /// How the page is written: `json` unless said, or as a table, `csv`.
    #[param(value_type = Option<described::PageFormat>, inline)]
    format: Option<String>,
    /// How many transfers to list at most: 1 to 200, 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

/// What to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Sought {
    /// A master serial, a sub serial, a running number, an idempotency key, an account, or a counter's own serial of a
    /// posting: 1 to 255 bytes, not all of them spaces, taken as they are, with the spaces around them.
    #[param(min_length = 1, max_length = 255)]
    q: String,
}

/// A transfer in a line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Line)]
pub(super) struct LineJson {
    /// Identifies the transfer for ever: 19 digits.
    #[schema(pattern = "^[0-9]{19}$")]
    master_serial: String,
    /// Where the transfer is.
    #[schema(value_type = api::json::StateJson)]
    state: &'static str,
    /// The account that is debited.
    from: AccountJson,
    /// The account that is credited.
    to: AccountJson,
    /// Amount in minor units of the currency (fen, cents).
    amount: i64,
    /// ISO 4217 code of the currency.
    currency: String,
    /// Name of the app that ordered it.
    app: String,
    /// Why it ended as it did, where it is not plain success; null if it is, or is open.
    #[schema(required)]
    reason: Option<String>,
    /// When it was accepted: RFC 3339, UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ended: RFC 3339, UTC; null while it is open.
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
}

/// A page of transfers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = History)]
pub(super) struct PageJson {
    /// The transfers, the newest first; fewer than were asked for, even none, where few of very many are wanted.
    transfers: Vec<LineJson>,
    /// Where the next page begins (`before`); null if there is certainly none.
    #[schema(required, pattern = "^[0-9]{19}$")]
    next: Option<String>,
}

/// What the text was taken for, and the transfers that it names then.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Match)]
pub(super) struct MatchJson {
    /// What it was taken for.
    #[schema(value_type = described::TakenFor)]
    by: &'static str,
    /// The transfers, the newest first.
    transfers: Vec<LineJson>,
    /// If there are more, or may be: where their next page begins, in the list by the same account or counter's serial.
    /// Null otherwise.
    #[schema(required, pattern = "^[0-9]{19}$")]
    next: Option<String>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FoundTransfers)]
pub(super) struct FoundJson {
    /// Each thing that the text may be, if it names transfers as that.
    found: Vec<MatchJson>,
}

impl From<&Found> for LineJson {
    fn from(found: &Found) -> LineJson {
        let (order, state, app, created_at, ended) = match found {
            Found::Open(view) => {
                let intent = &view.transfer.intent;
                (&intent.order, view.transfer.state().as_str(), &view.app, view.created_at, None)
            }
            Found::Ended(stored) => {
                let new = &stored.transfer;
                let ended = stored.outcome.as_ref();
                let state = ended.map_or("final", |ended| ended.state.as_str());
                (&new.order, state, &new.app, new.created_at, ended)
            }
        };
        LineJson {
            master_serial: found.master().to_string(),
            state,
            from: AccountJson::from(&order.from),
            to: AccountJson::from(&order.to),
            amount: order.amount.minor(),
            currency: order.currency.to_string(),
            app: app.to_string(),
            reason: ended.and_then(|ended| ended.reason.clone()),
            created_at: timestamp(created_at),
            ended_at: ended.map(|ended| timestamp(ended.finished_at)),
        }
    }
}

/// The part of a page that is no older than a day.
fn page(Page { transfers, next }: &Page, since: Option<Day>) -> PageJson {
    let is_wanted = |master: MasterSerial| since.is_none_or(|since| master.day >= since);
    let lines = transfers.iter().filter(|found| is_wanted(found.master())).map(LineJson::from);
    let lines: Vec<LineJson> = lines.collect();
    // What comes behind one that is too old is older still.
    let goes_on = lines.len() == transfers.len();
    let next = next.filter(|next| goes_on && is_wanted(*next));
    PageJson { transfers: lines, next: next.map(|next| next.to_string()) }
}

/// Transfers of any time and state, the newest first.
///
/// By account, by a counter's serial, by amount, and by app and state, a page is found at once, however many transfers there
/// are.
/// Narrowed otherwise, a page may be short, even empty, and have a next one; so may each, for some minutes, after the
/// start of a version that finds more at once.
#[utoipa::path(
    get, path = "/ops/v1/history", tag = "transfers", operation_id = "history", params(Wanted),
    responses((
        status = 200,
        description = "A page of them; as a table, in UTF-8 with a byte order mark and with a row of names first, if that is asked for",
        content((PageJson = "application/json"), (String = "text/csv")),
        headers(
            ("Content-Disposition" = String, description = "Of a table: a file to be kept, and its name"),
            ("Link" = String, description = "Of a table that goes on: where the next page is, as `next`")
        ),
    ))
)]
pub(super) async fn list(
    State(ops): State<Ops>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(wanted) = wanted.map_err(|error| sent::refused(&error))?;
    let (filter, since) = read(&wanted)?;
    let format = Format::read(wanted.format.as_deref())?;
    let found = ops.state.coordinator.list(&filter).await.map_err(|error| database(&error))?;
    let page = page(&found, since);
    Ok(match format {
        Format::Json => Json(page).into_response(),
        Format::Csv => csv::answer(&wanted, &page),
    })
}

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

impl Format {
    fn read(word: Option<&str>) -> Result<Format, Problem> {
        match word {
            None | Some("json") => Ok(Format::Json),
            Some("csv") => Ok(Format::Csv),
            Some(word) => {
                let why = format!("must be json or csv, not {word:?}");
                Err(sent::malformed("format", &why))
            }
        }
    }
}

impl Wanted {
    /// All that is asked for but where the page begins, as it stands in a query.
    fn fields(&self) -> [(&'static str, Option<String>); 11] {
        [
            ("app", self.app.clone()),
            ("counter", self.counter.clone()),
            ("account", self.account.clone()),
            ("counter_serial", self.counter_serial.clone()),
            ("amount", self.amount.map(|amount| amount.to_string())),
            ("currency", self.currency.clone()),
            ("state", self.state.clone()),
            ("since", self.since.clone()),
            ("until", self.until.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("format", self.format.clone()),
        ]
    }
}

/// A filter as it is kept, of what stands behind the question mark in the address of the list: what the list reads there
/// and would go by, written anew. Why it is none, in words.
pub(super) fn filter_of(query: &str) -> Result<String, String> {
    let uri: Uri = match format!("/?{query}").parse() {
        Ok(uri) if !query.contains('#') && query.is_ascii() => uri,
        Ok(_) | Err(_) => return Err("must be as it stands in an address".to_owned()),
    };
    let words = |problem: Problem| {
        let document = problem.document();
        document["detail"].as_str().unwrap_or("cannot be read").to_owned()
    };
    let wanted = Query::<Wanted>::try_from_uri(&uri);
    let Query(wanted) = wanted.map_err(|error| words(sent::refused(&error)))?;
    if wanted.before.is_some() || wanted.limit.is_some() || wanted.format.is_some() {
        let why = "a view is a filter: where a page begins, how long it is and how it is written \
                   (before, limit, format) is not kept";
        return Err(why.to_owned());
    }
    read(&wanted).map_err(words)?;
    Ok(csv::query(&wanted, None))
}

/// Find transfers by whatever number somebody has in hand.
///
/// It is looked for as each thing that it may be: a serial of ours, a key of an app's, an account at a counter, a serial
/// of a counter's.
#[utoipa::path(
    get, path = "/ops/v1/search", tag = "transfers", operation_id = "search", params(Sought),
    responses((status = 200, description = "What was found; nothing, if it names no transfer", body = FoundJson))
)]
pub(super) async fn search(
    State(ops): State<Ops>,
    sought: Result<Query<Sought>, QueryRejection>,
) -> Result<Json<FoundJson>, Problem> {
    let Query(Sought { q }) = sought.map_err(|error| sent::refused(&error))?;
    let text = text("q", &q)?;
    let found = ops.state.coordinator.search(text, PAGE).await;
    let found = found.map_err(|error| database(&error))?;
    let found = found.iter().map(|(named, found)| {
        let PageJson { transfers, next } = page(found, None);
        MatchJson { by: named.as_str(), transfers, next }
    });
    Ok(Json(FoundJson { found: found.collect() }))
}

/// What is looked for, exactly: a counter's serial may begin or end with a space.
fn text<'t>(field: &str, text: &'t str) -> Result<&'t str, Problem> {
    let bad = |why: &str| Err(sent::malformed(field, why));
    if text.trim().is_empty() {
        return bad("must not be empty, nor spaces alone");
    }
    if text.len() > NewTransfer::LONGEST_KEY {
        return bad(&format!("must be at most {} bytes", NewTransfer::LONGEST_KEY));
    }
    if text.chars().any(is_unseen) {
        return bad("must not have characters that nobody sees");
    }
    Ok(text)
}

/// Which transfers are wanted, and the first day of them.
fn read(wanted: &Wanted) -> Result<(ListFilter, Option<Day>), Problem> {
    let bad = |field, why: String| sent::malformed(field, &why);
    let limit = wanted.limit.unwrap_or(PAGE);
    if !(1..=ListFilter::LONGEST_PAGE).contains(&limit) {
        let why = format!("must be 1 to {}, not {limit}", ListFilter::LONGEST_PAGE);
        return Err(bad("limit", why));
    }
    let mut filter = ListFilter { limit, ..ListFilter::default() };
    filter.app.clone_from(&wanted.app);
    if let Some(state) = &wanted.state {
        filter.state = Some(state_filter(state)?);
    }
    if let Some(counter) = &wanted.counter {
        let counter = CounterId::new(counter);
        filter.counter = Some(counter.map_err(|error| bad("counter", error.to_string()))?);
    }
    if let Some(account) = &wanted.account {
        let account = AccountId::new(account);
        filter.account = Some(account.map_err(|error| bad("account", error.to_string()))?);
    }
    filter.amount = amount_filter(wanted)?;
    if let Some(serial) = &wanted.counter_serial {
        filter.counter_serial = Some(text("counter_serial", serial)?.to_owned());
    }
    if let Some(before) = &wanted.before {
        filter.before = Some(before.parse().map_err(|error| bad("before", format!("{error}")))?);
    }
    let day = |field, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => {
            let day = text.parse::<u32>().ok().filter(|_| text.len() == 8);
            let day = day.and_then(|number| Day::new(number).ok());
            day.map(Some)
                .ok_or_else(|| bad(field, format!("must be a day, YYYYMMDD, not {text:?}")))
        }
    };
    let (since, until) = (day("since", &wanted.since)?, day("until", &wanted.until)?);
    if let Some(until) = until {
        let after = Day::from_unix_days(until.unix_days() + 1);
        // The first number that there is on the day after.
        let first = MasterSerial { day: after, sequence: Sequence::of_ordinal(1) };
        filter.before = Some(filter.before.map_or(first, |before| before.min(first)));
    }
    Ok((filter, since))
}

/// The amount that a list is narrowed to.
fn amount_filter(wanted: &Wanted) -> Result<Option<AmountFilter>, Problem> {
    let bad = |field, error: MoneyError| sent::malformed(field, &error.to_string());
    let currency = wanted.currency.as_deref().map(str::parse::<Currency>).transpose();
    let currency = currency.map_err(|error| bad("currency", error))?;
    match wanted.amount {
        Some(minor) => {
            let amount = Amount::new(minor).map_err(|error| bad("amount", error))?;
            Ok(Some(AmountFilter { amount, currency }))
        }
        None if currency.is_some() => {
            Err(sent::malformed("currency", "must stand beside an amount"))
        }
        None => Ok(None),
    }
}

/// The states that a list is narrowed to.
fn state_filter(word: &str) -> Result<StateFilter, Problem> {
    let open = OpenState::ALL.into_iter().find(|state| state.as_str() == word);
    let ended = FinalState::ALL.into_iter().find(|state| state.as_str() == word);
    match (open, ended) {
        (Some(state), _) => Ok(StateFilter::Open(state)),
        (None, Some(state)) => Ok(StateFilter::Ended(state)),
        (None, None) if word == "ended" => Ok(StateFilter::AnyEnded),
        (None, None) => {
            let words = OpenState::ALL.into_iter().map(OpenState::as_str);
            let words = words.chain(FinalState::ALL.into_iter().map(FinalState::as_str));
            let words: Vec<&str> = words.chain(["ended"]).collect();
            let why = format!("must be one of {}, not {word:?}", words.join(", "));
            Err(sent::malformed("state", &why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(field: &str, value: &str) -> Wanted {
        let value = Some(value.to_owned());
        let mut wanted = Wanted::default();
        *match field {
            "app" => &mut wanted.app,
            "counter" => &mut wanted.counter,
            "account" => &mut wanted.account,
            "counter_serial" => &mut wanted.counter_serial,
            "currency" => &mut wanted.currency,
            "state" => &mut wanted.state,
            "since" => &mut wanted.since,
            "until" => &mut wanted.until,
            "before" => &mut wanted.before,
            _ => panic!("{field}"),
        } = value;
        wanted
    }

    #[test]
    fn a_list_is_narrowed_by_what_can_be_meant_alone() {
        for (field, value) in [
            ("counter", "Futures"),
            ("account", "a b"),
            ("counter_serial", " "),
            ("currency", "cny"),
            ("currency", "CNY"),
            ("counter_serial", "F\u{202e}1"),
            ("state", "done"),
            ("since", "20261340"),
            ("since", "2026-11-21"),
            ("until", "020261121"),
            ("before", "42"),
        ] {
            let refused = read(&wanted(field, value)).expect_err(value);
            let document = refused.document();
            assert_eq!(
                (refused.slug(), document["field"].as_str()),
                ("malformed_query", Some(field))
            );
        }
        for limit in [0, 201] {
            let refused = read(&Wanted { limit: Some(limit), ..Wanted::default() });
            assert_eq!(refused.expect_err("refused").document()["field"], "limit");
        }
        for limit in [1, 200] {
            let taken = read(&Wanted { limit: Some(limit), ..Wanted::default() });
            assert_eq!(taken.expect("taken").0.limit, limit);
        }
        let amount = |amount, currency: Option<&str>| {
            let currency = currency.map(str::to_owned);
            let read = read(&Wanted { amount: Some(amount), currency, ..Wanted::default() });
            read.map(|(filter, _)| filter.amount.expect("narrowed"))
        };
        for minor in [i64::MIN, -1, 0, 1_000_000_000_000] {
            let refused = amount(minor, None).expect_err("refused");
            assert_eq!(refused.document()["field"], "amount");
        }
        for (minor, currency) in [(1, None), (999_999_999_999, Some("CNY"))] {
            let taken = amount(minor, currency).expect("taken");
            let code = taken.currency.map(|currency| currency.to_string());
            assert_eq!((taken.amount.minor(), code.as_deref()), (minor, currency));
        }
        let state = |word: &str| read(&wanted("state", word)).expect("taken").0.state;
        assert_eq!(state("ended"), Some(StateFilter::AnyEnded));
        assert_eq!(state("needs_operator"), Some(StateFilter::Open(OpenState::NeedsOperator)));
        assert_eq!(state("reversed"), Some(StateFilter::Ended(FinalState::Reversed)));
        let (filter, since) = read(&wanted("since", "20261121")).expect("taken");
        assert_eq!((filter.before, since), (None, Day::new(20_261_121).ok()));
    }

    #[test]
    fn until_a_day_is_all_of_it_and_never_more_than_the_cursor_allows() {
        let number = |serial: MasterSerial| serial.number();
        let (filter, _) = read(&wanted("until", "20261231")).expect("taken");
        assert_eq!(filter.before.map(number), Some(2_027_010_100_000_000_001));
        let both = |before: &str| {
            let mut wanted = wanted("until", "20261121");
            wanted.before = Some(before.to_owned());
            read(&wanted).expect("taken").0.before.map(number)
        };
        assert_eq!(both("2026112100000000042"), Some(2_026_112_100_000_000_042));
        assert_eq!(both("2026112400000000042"), Some(2_026_112_200_000_000_001));
    }

    #[test]
    fn what_is_looked_for_is_bounded_and_visible() {
        assert_eq!(text("q", " 42 ").ok(), Some(" 42 "));
        assert!(text("q", &"k".repeat(255)).is_ok());
        for refused in ["", "  ", "42\n", "a\u{202e}b", &"k".repeat(256)] {
            let problem = text("q", refused).expect_err(refused);
            assert_eq!(problem.document()["field"], "q");
        }
    }
}
