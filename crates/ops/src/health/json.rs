//! The database and the record, as operators are told of them.

use coordinator::standing::Record;
use serde::Serialize;
use store::JournalHealth;
use utoipa::ToSchema;

/// Whether what is begun becomes durable in the database.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Journal)]
#[serde(tag = "health", rename_all = "snake_case")]
pub(crate) enum JournalJson {
    /// What is begun becomes durable.
    Ok,
    /// New transfers are refused; all else is kept and tried again.
    Failing {
        /// Since when the database fails, in microseconds since 1970 UTC.
        since: i64,
        /// What the database said last.
        why: String,
    },
}

impl From<JournalHealth> for JournalJson {
    fn from(health: JournalHealth) -> JournalJson {
        match health {
            JournalHealth::Ok => JournalJson::Ok,
            JournalHealth::Failing { since, why } => JournalJson::Failing { since, why },
        }
    }
}

/// Whether the record is all that was recorded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Record)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub(crate) enum RecordJson {
    /// It is, as far as is known.
    Current,
    /// It lacks something: nothing that moves money is sent until it is released.
    Behind {
        /// Since when that is known, in microseconds since 1970 UTC.
        since: i64,
        /// What the record lacks, in words for whoever must release it.
        why: String,
    },
}

impl From<Record> for RecordJson {
    fn from(record: Record) -> RecordJson {
        match record {
            Record::Current => RecordJson::Current,
            Record::Behind { since, why } => RecordJson::Behind { since, why },
        }
    }
}
