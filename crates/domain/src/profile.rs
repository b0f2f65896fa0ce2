//! What a counter can do. Nothing is assumed: what the profile does not promise, the machine does
//! not rely on (DOMAIN §5). Declared in configuration, confirmed by the counter at sign-on.

use crate::message::AnswerCode;
use crate::money::Amount;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an answer code means. A code that the table does not list means [`Meaning::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// Posted by this request.
    Done,
    /// Posted earlier under the same serial; proof only if amount and account match.
    Duplicate,
    /// Definitely refused; nothing was or will be posted by this request.
    Refused,
    /// The serial is dead: it never ran and never will.
    NotExecuted,
    /// It proves nothing: the request may or may not have been executed.
    Unknown,
}

/// What each answer code of a counter means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeTable(BTreeMap<AnswerCode, Meaning>);

impl CodeTable {
    /// The table with these rows and no others.
    pub fn new(rows: impl IntoIterator<Item = (AnswerCode, Meaning)>) -> CodeTable {
        CodeTable(rows.into_iter().collect())
    }

    /// What the code means; unlisted codes are unknown, never guessed by family.
    pub fn meaning(&self, code: AnswerCode) -> Meaning {
        self.0.get(&code).copied().unwrap_or(Meaning::Unknown)
    }

    /// The rows, in order of code.
    pub fn rows(&self) -> impl Iterator<Item = (AnswerCode, Meaning)> + '_ {
        self.0.iter().map(|(code, meaning)| (*code, *meaning))
    }
}

impl Default for CodeTable {
    /// The standard table: 200 and 301 are the source's (001); the others fill its families.
    fn default() -> CodeTable {
        use AnswerCode as C;
        CodeTable::new([
            (C::PROCESSING, Meaning::Unknown),
            (C::DONE, Meaning::Done),
            (C::DUPLICATE, Meaning::Duplicate),
            (C::ALREADY_REVERSED, Meaning::Done),
            (C::NO_SUCH_ACCOUNT, Meaning::Refused),
            (C::ACCOUNT_FROZEN, Meaning::Refused),
            (C::BAD_FORMAT, Meaning::Refused),
            (C::NOT_AUTHORIZED, Meaning::Refused),
            (C::INSUFFICIENT_FUNDS, Meaning::Refused),
            (C::OVER_LIMIT, Meaning::Refused),
            (C::CLOSED, Meaning::Refused),
            (C::WRONG_CURRENCY, Meaning::Refused),
            (C::SERIAL_CONFLICT, Meaning::Unknown),
            (C::FENCED, Meaning::NotExecuted),
            (C::OUTCOME_UNKNOWN, Meaning::Unknown),
            (C::ORIGINAL_NOT_FOUND, Meaning::Refused),
            (C::REVERSAL_REFUSED, Meaning::Refused),
        ])
    }
}

impl AnswerCode {
    /// The request is still being worked on.
    pub const PROCESSING: AnswerCode = AnswerCode::of(100);
    /// Posted.
    pub const DONE: AnswerCode = AnswerCode::of(200);
    /// This serial was posted before, with the same account and amount.
    pub const DUPLICATE: AnswerCode = AnswerCode::of(201);
    /// No such account.
    pub const NO_SUCH_ACCOUNT: AnswerCode = AnswerCode::of(301);
    /// The account may not be posted to.
    pub const ACCOUNT_FROZEN: AnswerCode = AnswerCode::of(302);
    /// The request could not be understood; nothing was posted.
    pub const BAD_FORMAT: AnswerCode = AnswerCode::of(400);
    /// The bridge may not ask this.
    pub const NOT_AUTHORIZED: AnswerCode = AnswerCode::of(401);
    /// Not enough withdrawable money.
    pub const INSUFFICIENT_FUNDS: AnswerCode = AnswerCode::of(402);
    /// Over a per-transfer or per-day limit.
    pub const OVER_LIMIT: AnswerCode = AnswerCode::of(403);
    /// Outside service hours.
    pub const CLOSED: AnswerCode = AnswerCode::of(404);
    /// The account is not kept in this currency.
    pub const WRONG_CURRENCY: AnswerCode = AnswerCode::of(405);
    /// This serial was used before with another account or amount.
    pub const SERIAL_CONFLICT: AnswerCode = AnswerCode::of(409);
    /// The serial is fenced: it never ran and never will.
    pub const FENCED: AnswerCode = AnswerCode::of(501);
    /// The counter itself does not know.
    pub const OUTCOME_UNKNOWN: AnswerCode = AnswerCode::of(550);
    /// This original was reversed before, by this reversal serial.
    pub const ALREADY_REVERSED: AnswerCode = AnswerCode::of(601);
    /// There is no posting to reverse.
    pub const ORIGINAL_NOT_FOUND: AnswerCode = AnswerCode::of(602);
    /// The posting may not be reversed any more.
    pub const REVERSAL_REFUSED: AnswerCode = AnswerCode::of(603);
}

/// How amounts are written on the counter's wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmountUnit {
    /// Integer minor units (fen).
    #[default]
    Minor,
    /// Major units with exactly two decimals (yuan); more decimals are refused, never rounded.
    Major,
}

impl AmountUnit {
    /// As it is configured.
    pub const fn as_str(self) -> &'static str {
        match self {
            AmountUnit::Minor => "minor",
            AmountUnit::Major => "major",
        }
    }
}

/// The capabilities and limits of one counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// Executes one serial at most once, however often it arrives.
    pub dedupes: bool,
    /// A serial once refused is refused for ever.
    pub refusals_stick: bool,
    /// Answers a query with a fence: a tombstone for a serial that has not run.
    pub can_fence: bool,
    /// Undoes a debit of the same settle day.
    pub can_reverse: bool,
    /// Answers a query about a reversal's serial.
    pub can_query_reversals: bool,
    /// Keeps the mark with each posting, and repeats it in every answer about it.
    pub echoes_marks: bool,
    /// For how many settle days back a serial can be asked about.
    pub query_horizon_days: u16,
    /// The longest time a request may stay on its way inside the counter, in milliseconds.
    pub in_flight_limit_ms: u64,
    /// Largest number of requests in flight on one connection.
    pub max_in_flight: u16,
    /// When the settle day changes, in seconds after the counter's midnight, `0..=86_399`.
    pub cut_over_s: u32,
    /// How amounts are written on the counter's wire.
    pub amount_unit: AmountUnit,
    /// The largest single posting, in minor units; `None` if the counter has no limit of its own.
    pub per_transfer_limit: Option<Amount>,
    /// What each answer code of the counter proves.
    pub codes: CodeTable,
}

impl Default for Profile {
    /// A modern counter: dedupes, sticks to refusals, fences, reverses and answers for all of it.
    fn default() -> Profile {
        Profile {
            dedupes: true,
            refusals_stick: true,
            can_fence: true,
            can_reverse: true,
            can_query_reversals: true,
            echoes_marks: false,
            query_horizon_days: 7,
            in_flight_limit_ms: 60_000,
            max_in_flight: 256,
            cut_over_s: 0,
            amount_unit: AmountUnit::Minor,
            per_transfer_limit: None,
            codes: CodeTable::default(),
        }
    }
}

/// What the bridge relies on and a counter did not confirm at sign-on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "profile: `{field}` is configured as {configured} but the counter signed on with {declared}"
)]
pub struct Unconfirmed {
    /// Name of the field of [`Profile`] that is not confirmed.
    pub field: &'static str,
    /// What the bridge's configuration says of it.
    pub configured: String,
    /// What the counter said of it at its sign-on.
    pub declared: String,
}

impl Profile {
    /// Whether a counter that declared `declared` does all that this configured profile relies on.
    /// A counter may do more than is relied on, never less. A counter that takes nothing at once is
    /// not confirmed either: nothing could ever be asked of it.
    pub fn confirm(&self, declared: &Profile) -> Result<(), Unconfirmed> {
        let promises = [
            ("dedupes", self.dedupes, declared.dedupes),
            ("refusals_stick", self.refusals_stick, declared.refusals_stick),
            ("can_fence", self.can_fence, declared.can_fence),
            ("can_reverse", self.can_reverse, declared.can_reverse),
            ("can_query_reversals", self.can_query_reversals, declared.can_query_reversals),
            ("echoes_marks", self.echoes_marks, declared.echoes_marks),
        ];
        for (field, configured, told) in promises {
            if configured && !told {
                return Err(Unconfirmed {
                    field,
                    configured: configured.to_string(),
                    declared: told.to_string(),
                });
            }
        }
        if declared.max_in_flight == 0 {
            return Err(Unconfirmed {
                field: "max_in_flight",
                configured: "at least 1".to_owned(),
                declared: declared.max_in_flight.to_string(),
            });
        }
        if declared.in_flight_limit_ms > self.in_flight_limit_ms {
            return Err(Unconfirmed {
                field: "in_flight_limit_ms",
                configured: self.in_flight_limit_ms.to_string(),
                declared: declared.in_flight_limit_ms.to_string(),
            });
        }
        if declared.query_horizon_days < self.query_horizon_days {
            return Err(Unconfirmed {
                field: "query_horizon_days",
                configured: self.query_horizon_days.to_string(),
                declared: declared.query_horizon_days.to_string(),
            });
        }
        if declared.amount_unit != self.amount_unit {
            return Err(Unconfirmed {
                field: "amount_unit",
                configured: self.amount_unit.as_str().to_owned(),
                declared: declared.amount_unit.as_str().to_owned(),
            });
        }
        Ok(())
    }

    /// The largest single posting that this configured profile and what the counter declared both
    /// allow: a declared limit binds as a configured one does, the smaller of the two.
    pub fn smaller_limit(&self, declared: &Profile) -> Option<Amount> {
        let limits = [self.per_transfer_limit, declared.per_transfer_limit];
        limits.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlisted_code_is_unknown() {
        let table = CodeTable::default();
        for code in 100..=999 {
            let code = AnswerCode::new(code).expect("three digits");
            let listed = table.rows().any(|(row, _)| row == code);
            assert!(listed || table.meaning(code) == Meaning::Unknown);
        }
        assert_eq!(table.meaning(AnswerCode::of(299)), Meaning::Unknown);
    }

    #[test]
    fn a_counter_that_takes_nothing_at_once_is_refused_with_the_reason() {
        let declared = Profile { max_in_flight: 0, ..Profile::default() };
        let refusal = Profile::default().confirm(&declared).expect_err("no request could be sent");
        assert_eq!(
            refusal.to_string(),
            "profile: `max_in_flight` is configured as at least 1 but the counter signed on with 0"
        );
        let declared = Profile { max_in_flight: 1, ..Profile::default() };
        assert_eq!(Profile::default().confirm(&declared), Ok(()));
    }

    #[test]
    fn the_smaller_of_two_limits_binds() {
        let limit = |minor| Amount::new(minor).ok();
        let of = |limit| Profile { per_transfer_limit: limit, ..Profile::default() };
        for (configured, declared, smaller) in [
            (None, None, None),
            (limit(5), None, limit(5)),
            (None, limit(5), limit(5)),
            (limit(5), limit(4), limit(4)),
            (limit(4), limit(5), limit(4)),
        ] {
            assert_eq!(of(configured).smaller_limit(&of(declared)), smaller);
        }
    }

    #[test]
    fn a_counter_may_do_more_but_never_less() {
        let relied_on = Profile { can_fence: false, ..Profile::default() };
        assert_eq!(relied_on.confirm(&Profile::default()), Ok(()));
        let refusal = Profile::default().confirm(&relied_on).expect_err("fence is missing");
        assert_eq!(refusal.field, "can_fence");
        let relied_on = Profile { echoes_marks: true, ..Profile::default() };
        let refusal = relied_on.confirm(&Profile::default()).expect_err("echo is missing");
        assert_eq!(refusal.field, "echoes_marks");
    }
}
