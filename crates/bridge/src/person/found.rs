//! What a search finds, as the operators' side has it.

use client::Account;
use serde::{Deserialize, Serialize};

/// `GET /ops/v1/search`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) found: Vec<Match>,
}

/// What the text was taken for, and what it names then.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Match {
    pub(super) by: String,
    pub(super) transfers: Vec<Line>,
    /// Where more of them begin.
    pub(super) next: Option<String>,
}

/// A transfer in a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) master_serial: String,
    pub(super) state: String,
    pub(super) from: Account,
    pub(super) to: Account,
    /// In minor units of the currency.
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) app: String,
    pub(super) reason: Option<String>,
    pub(super) created_at: String,
    pub(super) ended_at: Option<String>,
}
