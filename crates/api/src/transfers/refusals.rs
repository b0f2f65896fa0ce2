//! Why something about a transfer is refused, in problem documents.

use crate::problem::Problem;
use axum::http::StatusCode;
use coordinator::BeginError;
use std::fmt::Display;

/// A rule of the order's own that is broken, and by which of its fields.
pub(crate) fn rule(field: &str, why: impl Display) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "rule_broken", "A rule is broken")
        .detail(format!("{field}: {why}"))
        .with("field", field.into())
}

/// That the record was not read: a defect of it, or of the database.
pub(crate) fn database(error: &store::StoreError) -> Problem {
    if let store::StoreError::Corrupt { .. } | store::StoreError::Damaged { .. } = error {
        tracing::error!(%error, "a row of the record is not served");
        return Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unreadable_record",
            "A stored answer cannot be read",
        )
        .detail(error.to_string());
    }
    tracing::error!(%error, "the database did not answer");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "database_unavailable",
        "The database does not answer",
    )
    .retry_after(2)
}

/// Why a transfer was not begun, to its caller.
pub(crate) fn refusal(error: BeginError) -> Problem {
    let detail = error.to_string();
    match error {
        BeginError::UnknownCounter(_) => rule("counter", detail),
        BeginError::SameAccount => rule("to", detail),
        BeginError::OverLimit { .. } => rule("amount", detail),
        BeginError::OverDayLimit(_) => Problem::new(
            StatusCode::FORBIDDEN,
            "over_day_limit",
            "More than the app may move in a day",
        )
        .detail(detail),
        BeginError::InProgress(master) => Problem::new(
            StatusCode::CONFLICT,
            "in_progress",
            "The transfer with this key is in progress",
        )
        .detail(detail)
        .with("master_serial", master.to_string().into())
        .retry_after(1),
        BeginError::KeyReused(master) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "key_reused",
            "The key was used with another body",
        )
        .detail(detail)
        .with("master_serial", master.to_string().into()),
        BeginError::CounterDown(counter) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "counter_unavailable",
            "A counter is not connected",
        )
        .detail(detail)
        .with("counter", counter.to_string().into())
        .retry_after(2),
        BeginError::CounterHeld(counter) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "counter_held",
            "A counter gets no new transfers",
        )
        .detail(detail)
        .with("counter", counter.to_string().into())
        .retry_after(60),
        BeginError::Overloaded => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", "Too much is going on")
                .detail(detail)
                .retry_after(1)
        }
        BeginError::RecordBehind => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "record_behind", "The record is behind")
                .detail(detail)
                .retry_after(60)
        }
        BeginError::NotRecorded(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_recorded",
            "The transfer could not be recorded",
        )
        .detail(detail)
        .retry_after(2),
        BeginError::NotConfirmed => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_confirmed",
            "The record is not confirmed yet",
        )
        .detail(detail)
        .retry_after(1),
        BeginError::Store(error) => database(&error),
        BeginError::Stopping => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "The bridge is stopping")
                .detail(detail)
                .retry_after(5)
        }
    }
}
