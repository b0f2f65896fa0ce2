//! Why something about a transfer is refused, in problem documents.

use crate::problem::{Problem, kind};
use coordinator::{BeginError, OverDayLimit};
use std::fmt::Display;

/// A rule of the order's own that is broken, and by which of its fields.
pub(crate) fn rule(field: &str, why: impl Display) -> Problem {
    Problem::new(kind::RULE_BROKEN).detail(format!("{field}: {why}")).with("field", field.into())
}

/// That the record was not read: a defect of it, or of the database.
pub fn database(error: &store::StoreError) -> Problem {
    if let store::StoreError::Corrupt { .. } | store::StoreError::Damaged { .. } = error {
        tracing::error!(%error, "a row of the record is not served");
        return Problem::new(kind::UNREADABLE_RECORD).detail(error.to_string());
    }
    tracing::error!(%error, "the database did not answer");
    Problem::new(kind::DATABASE_UNAVAILABLE).retry_after(2)
}

/// Why a transfer was not begun, to its caller.
pub(crate) fn refusal(error: BeginError) -> Problem {
    let detail = error.to_string();
    match error {
        BeginError::UnknownCounter(_) => rule("counter", detail),
        BeginError::SameAccount => rule("to", detail),
        BeginError::OverLimit { .. } => rule("amount", detail),
        BeginError::OverDayLimit(OverDayLimit::NotCounted { .. }) => {
            Problem::new(kind::DATABASE_UNAVAILABLE).detail(detail).retry_after(2)
        }
        BeginError::OverDayLimit(OverDayLimit::Transfers { .. } | OverDayLimit::Sum { .. }) => {
            Problem::new(kind::OVER_DAY_LIMIT).detail(detail)
        }
        BeginError::InProgress(master) => Problem::new(kind::IN_PROGRESS)
            .detail(detail)
            .with("master_serial", master.to_string().into())
            .retry_after(1),
        BeginError::KeyReused(master) => Problem::new(kind::KEY_REUSED)
            .detail(detail)
            .with("master_serial", master.to_string().into()),
        BeginError::CounterDown(counter) => Problem::new(kind::COUNTER_UNAVAILABLE)
            .detail(detail)
            .with("counter", counter.to_string().into())
            .retry_after(2),
        BeginError::CounterHeld(counter) => Problem::new(kind::COUNTER_HELD)
            .detail(detail)
            .with("counter", counter.to_string().into())
            .retry_after(60),
        BeginError::Overloaded => Problem::new(kind::OVERLOADED).detail(detail).retry_after(1),
        BeginError::RecordBehind => {
            Problem::new(kind::RECORD_BEHIND).detail(detail).retry_after(60)
        }
        BeginError::NotRecorded(_) => {
            Problem::new(kind::NOT_RECORDED).detail(detail).retry_after(2)
        }
        BeginError::NotConfirmed => Problem::new(kind::NOT_CONFIRMED).detail(detail).retry_after(1),
        BeginError::Store(error) => database(&error),
        BeginError::Stopping => Problem::new(kind::STOPPING).detail(detail).retry_after(5),
    }
}
