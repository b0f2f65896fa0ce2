//! How things stand as a whole, as the operators' side says it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `GET /ops/v1/summary`, as much of it as is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) uptime_s: i64,
    pub(super) journal: Journal,
    /// Whether the record is behind; a bridge of an earlier version does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) record: Option<Record>,
    pub(super) open: u64,
    pub(super) by_state: BTreeMap<String, u64>,
    pub(super) in_transit: BTreeMap<String, i64>,
    pub(super) oldest_in_transit_age_s: Option<i64>,
    /// How many alarms are open; a bridge of an earlier version has none that are.
    #[serde(default)]
    pub(super) alarms_open: u64,
    /// How many of them are to be looked into: nobody has, or they were said again since and wait for a person.
    #[serde(default)]
    pub(super) alarms_unacknowledged: usize,
}

/// How the database is doing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    /// `ok`, or what else it is.
    pub(super) health: String,
    /// Why it is not well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

/// Whether the record is all that was recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// `current`, or what else it is.
    pub(super) standing: String,
    /// What it lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}
