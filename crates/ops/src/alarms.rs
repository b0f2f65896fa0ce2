//! Alarms: what is open, what has closed, and what a person says of them.

use super::Ops;
use super::people::{Identity, recorded};
use super::said::{note, parse, whole};
use api::json::timestamp;
use api::named::Named;
use api::problem::{Problem, kind};
use api::refused::database;
use api::sent;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use coordinator::{AlarmError, Coordinator, Ends, OpenAlarm, ends};
use foreign::ForeignText;
use serde::{Deserialize, Serialize};
use store::people::Act;
use store::{Acknowledged, Alarm, AlarmAbout, AlarmKind, Alarms, StoreError};
use utoipa::{IntoParams, ToSchema};

/// Which alarms are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// `open` or `closed`; both unless said.
    #[param(pattern = "^(open|closed)$")]
    state: Option<String>,
    /// Of those that are closed, those before the alarm with this number: `next` of the page before. Those that are open
    /// are not on such a page.
    before: Option<i64>,
}

/// For what an alarm is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AlarmKind)]
#[serde(rename_all = "snake_case")]
pub(super) enum KindJson {
    /// Transfers need a person.
    NeedsOperator,
    /// A counter gets no new transfers, for what it says is in doubt.
    CounterHeld,
    /// A counter contradicted itself, or the record.
    Contradiction,
    /// A counter spoke of what is not its own.
    Foreign,
    /// What a counter said came faster than it could be compared with the record.
    NotCompared,
    /// A counter said something that a person should see.
    Notice,
    /// The database does not record.
    Database,
    /// The record lacks something that was recorded.
    RecordBehind,
    /// This software failed at something, and went on with the rest.
    Defect,
    /// More alarms are open than are kept.
    TooMany,
}

impl From<AlarmKind> for KindJson {
    fn from(kind: AlarmKind) -> KindJson {
        match kind {
            AlarmKind::NeedsOperator => KindJson::NeedsOperator,
            AlarmKind::CounterHeld => KindJson::CounterHeld,
            AlarmKind::Contradiction => KindJson::Contradiction,
            AlarmKind::Foreign => KindJson::Foreign,
            AlarmKind::NotCompared => KindJson::NotCompared,
            AlarmKind::Notice => KindJson::Notice,
            AlarmKind::Database => KindJson::Database,
            AlarmKind::RecordBehind => KindJson::RecordBehind,
            AlarmKind::Defect => KindJson::Defect,
            AlarmKind::TooMany => KindJson::TooMany,
        }
    }
}

/// What somebody has said of an alarm, and when.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlarmWord)]
pub(super) struct WordJson {
    /// Name of the operator; null where it closed by itself.
    #[schema(value_type = Option<String>, required)]
    who: Option<ForeignText>,
    /// In the operator's own words, or why it closed.
    #[schema(value_type = String)]
    note: ForeignText,
    /// When: RFC 3339, UTC.
    #[schema(format = DateTime)]
    at: String,
}

/// An alarm.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alarm)]
pub(super) struct AlarmJson {
    /// Its number: a later one's is higher. Null until the database has taken it; nothing can be said of it before.
    #[schema(required)]
    number: Option<i64>,
    /// For what it was raised.
    kind: KindJson,
    /// The counter that it is about; null if it is about none.
    #[schema(required)]
    counter: Option<String>,
    /// Serial of the transfer that it is about; null if it is about none.
    #[schema(required, pattern = "^[0-9]{19}$")]
    transfer: Option<String>,
    /// What was said when it was raised.
    #[schema(value_type = String)]
    text: ForeignText,
    /// What was said last.
    #[schema(value_type = String)]
    latest: ForeignText,
    /// When it was raised: RFC 3339, UTC.
    #[schema(format = DateTime)]
    raised_at: String,
    /// When it was said last: RFC 3339, UTC.
    #[schema(format = DateTime)]
    last_at: String,
    /// How often it was said.
    times: u64,
    /// How often it was said since it was acknowledged; of one that is not, how often it was said.
    unseen: u64,
    /// Who has acknowledged it; null if nobody has.
    #[schema(required)]
    acknowledged: Option<WordJson>,
    /// How it closed; null while it is open.
    #[schema(required)]
    closed: Option<WordJson>,
    /// Whether it closes by itself: then nobody closes it while what it is about goes on.
    closes_by_itself: bool,
    /// Whether what it is about is over, so that it closes by itself in some seconds.
    is_over: bool,
    /// What there is to do, or when it closes by itself, in words for people.
    to_do: String,
}

impl AlarmJson {
    fn of(number: Option<i64>, alarm: Alarm, is_over: bool) -> AlarmJson {
        let seen = alarm.acknowledged.as_ref().map_or(0, |seen| seen.times);
        let (counter, transfer) = match &alarm.about {
            AlarmAbout::Bridge | AlarmAbout::Part(_) => (None, None),
            AlarmAbout::Counter(counter) => (Some(counter.to_string()), None),
            AlarmAbout::Transfer(master) => (None, Some(master.to_string())),
        };
        AlarmJson {
            number,
            kind: alarm.kind.into(),
            counter,
            transfer,
            text: alarm.text,
            latest: alarm.latest,
            raised_at: timestamp(alarm.raised_at),
            last_at: timestamp(alarm.last_at),
            times: alarm.times,
            unseen: alarm.times.saturating_sub(seen),
            acknowledged: alarm.acknowledged.map(|Acknowledged { at, who, note, .. }| WordJson {
                who: Some(who),
                note,
                at: timestamp(at),
            }),
            closed: alarm.closed.map(|closed| WordJson {
                who: closed.who,
                note: closed.note,
                at: timestamp(closed.at),
            }),
            closes_by_itself: ends(alarm.kind).is_by_itself(),
            is_over,
            to_do: match ends(alarm.kind) {
                Ends::ByItself(when) => format!("it closes by itself when {when}"),
                Ends::ByPerson(what) => what.to_owned(),
            },
        }
    }
}

impl From<OpenAlarm> for AlarmJson {
    fn from(OpenAlarm { number, alarm, is_over }: OpenAlarm) -> AlarmJson {
        AlarmJson::of(number, alarm, is_over)
    }
}

/// A page of alarms.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alarms)]
pub(super) struct AlarmsJson {
    /// Those that are open, and of them first those that nobody has acknowledged, the latest first; then at most a
    /// hundred that are closed, the latest first.
    alarms: Vec<AlarmJson>,
    /// Alarms of this page that cannot be read, for their rows were altered; each in words.
    damaged: Vec<String>,
    /// How many alarms were not kept since the start, for too many were open.
    left_out: u64,
    /// `before` of the next page; null at the end.
    #[schema(required)]
    next: Option<i64>,
}

/// Alarms, those that are open first.
///
/// There is one for each kind and each thing that it may be about, however often it is said. Those that are open are
/// shown while the database is away.
#[utoipa::path(
    get, path = "/ops/v1/alarms", tag = "alarms", operation_id = "alarms", params(Wanted),
    responses((status = 200, description = "A page of alarms", body = AlarmsJson))
)]
pub(super) async fn list(
    State(ops): State<Ops>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<AlarmsJson>, Problem> {
    let Query(Wanted { state, before }) = wanted.map_err(|error| sent::refused(&error))?;
    let (wants_open, wants_closed) = match state.as_deref() {
        None => (before.is_none(), true),
        Some("open") => (before.is_none(), false),
        Some("closed") => (false, true),
        Some(word) => {
            let why = format!("must be open or closed, not {word:?}");
            return Err(sent::malformed("state", &why));
        }
    };
    let coordinator = &ops.state.coordinator;
    let open = if wants_open { coordinator.open_alarms() } else { Vec::new() };
    let closed = if wants_closed {
        coordinator.closed_alarms(before).await.map_err(|error| database(&error))?
    } else {
        Alarms::default()
    };
    // One that closed between the two looks is shown once.
    let is_shown = |number: i64| open.iter().any(|open| open.number == Some(number));
    let ended = closed.alarms.into_iter().filter(|(number, _)| !is_shown(*number));
    let ended: Vec<AlarmJson> =
        ended.map(|(number, alarm)| AlarmJson::of(Some(number), alarm, false)).collect();
    let mut alarms: Vec<AlarmJson> = open.into_iter().map(AlarmJson::from).collect();
    alarms.extend(ended);
    Ok(Json(AlarmsJson {
        alarms,
        damaged: closed.damaged.iter().map(StoreError::to_string).collect(),
        left_out: coordinator.alarms_left_out(),
        next: closed.next,
    }))
}

/// What a person says of an alarm.
#[derive(Deserialize, ToSchema)]
#[schema(as = AlarmNote)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// What is done about it, or what was found, in at most 2,000 bytes of UTF-8. It is kept.
    #[schema(min_length = 1)]
    note: String,
    /// How often it had been said when it was looked at, as its `times` were: what was said since then is not acknowledged,
    /// and is another alarm if this one is closed. All that was said unless it is there.
    times: Option<u64>,
}

/// Say that you have seen an alarm and look into it.
///
/// Said again it is the same: the first who said it stays. What is said after that is counted beside it (`unseen`).
#[utoipa::path(
    post, path = "/ops/v1/alarms/{number}/acknowledgement", tag = "alarms", request_body = Body,
    operation_id = "acknowledge_alarm",
    params(("number" = String, Path, pattern = "^[0-9]{1,19}$", description = "The alarm's number")),
    responses((status = 200, description = "It is acknowledged, and that is durable", body = AlarmJson))
)]
pub(super) async fn acknowledge(
    State(ops): State<Ops>,
    identity: Identity,
    Named(number): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<AlarmJson>, Problem> {
    let coordinator = ops.state.coordinator.clone();
    let Body { note: words, times } = parse(&whole(body)?)?;
    let (number, words, who) = (read(&number)?, note(&words)?, identity.who());
    let act = act(&coordinator, number, (&identity, "alarm_acknowledged", "acknowledged"), &words);
    let saying = async move {
        let seen = coordinator.acknowledge_alarm(number, &who, &words, times).await;
        seen.map(AlarmJson::from).map_err(refusal)
    };
    recorded(&ops, &identity, act, saying).await.map(Json)
}

/// Say that an alarm is over: it was looked into, and what there was to do is done.
///
/// One that closes by itself (`closes_by_itself`) closes when what it is about is over, and not before.
#[utoipa::path(
    post, path = "/ops/v1/alarms/{number}/closing", tag = "alarms", request_body = Body,
    operation_id = "close_alarm",
    params(("number" = String, Path, pattern = "^[0-9]{1,19}$", description = "The alarm's number")),
    responses((status = 200, description = "It is closed, and that is durable", body = AlarmJson))
)]
pub(super) async fn close(
    State(ops): State<Ops>,
    identity: Identity,
    Named(number): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<AlarmJson>, Problem> {
    let coordinator = ops.state.coordinator.clone();
    let Body { note: words, times } = parse(&whole(body)?)?;
    let (number, words, who) = (read(&number)?, note(&words)?, identity.who());
    let act = act(&coordinator, number, (&identity, "alarm_closed", "closed"), &words);
    let saying = async move {
        let closed = coordinator.close_alarm(number, &who, &words, times).await;
        let closed = closed.map_err(refusal)?;
        Ok(AlarmJson::of(Some(number), closed, false))
    };
    recorded(&ops, &identity, act, saying).await.map(Json)
}

/// The number that a path names.
fn read(number: &str) -> Result<i64, Problem> {
    let is_one = number.len() <= 19 && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_one { number.parse().ok() } else { None };
    number.ok_or_else(|| Problem::new(kind::NO_SUCH_ALARM))
}

/// What is about to be said, and how the alarm stands before, for the record of acts.
fn act(
    coordinator: &Coordinator,
    number: i64,
    (identity, word, after): (&Identity, &str, &str),
    reason: &ForeignText,
) -> Act {
    let all = coordinator.open_alarms();
    let open = all.into_iter().find(|open| open.number == Some(number));
    let before = open.map(|open| match open.alarm.acknowledged {
        Some(Acknowledged { who, .. }) => format!("acknowledged by {}", who.as_received()).into(),
        None => "open".into(),
    });
    Act {
        before,
        after: Some(after.into()),
        reason: Some(reason.clone()),
        ..identity.act(word, format!("alarm {number}"))
    }
}

fn refusal(error: AlarmError) -> Problem {
    let detail = error.to_string();
    match error {
        AlarmError::NoSuch(_) => Problem::new(kind::NO_SUCH_ALARM).detail(detail),
        AlarmError::Closed { .. } => Problem::new(kind::ALARM_CLOSED).detail(detail),
        AlarmError::Lasts { .. } => Problem::new(kind::ALARM_LASTS).detail(detail),
        AlarmError::Unclear(error) => match error {
            StoreError::Corrupt { .. } | StoreError::Damaged { .. } => database(&error),
            StoreError::Unavailable { .. } | StoreError::Serials(_) | StoreError::Closed => {
                tracing::warn!(%error, "what was said of an alarm is not confirmed");
                Problem::new(kind::NOT_CONFIRMED).detail(detail).retry_after(2)
            }
        },
        AlarmError::Store(error) => database(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;
    use utoipa::PartialSchema;

    #[test]
    fn a_kind_has_one_word_in_the_record_in_answers_and_in_their_description() {
        for kind in AlarmKind::ALL {
            assert_eq!(json!(KindJson::from(kind)), kind.as_str());
        }
        let schema = json!(KindJson::schema());
        let words = schema["oneOf"].as_array().or(schema["enum"].as_array()).map(Vec::len);
        let kinds: BTreeSet<_> = AlarmKind::ALL.into_iter().collect();
        assert_eq!(words, Some(kinds.len()), "{schema}");
    }

    #[test]
    fn a_number_is_digits_and_no_other_names_an_alarm() {
        assert_eq!(read("7").ok(), Some(7));
        for text in ["", "-7", "+7", "seven", "99999999999999999999", "9999999999999999999", "7.0"]
        {
            let refused = read(text).map_err(|problem| problem.slug());
            assert_eq!(refused, Err("no_such_alarm"), "{text}");
        }
    }
}
