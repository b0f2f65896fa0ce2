//! What a counter can do, as its `profile` and `codes` say.

use super::section::{Located, Section};
use super::service::value_or;
use domain::message::AnswerCode;
use domain::money::Amount;
use domain::profile::{AmountUnit, CodeTable, Meaning, Profile};

/// A profile, and where the unit of its amounts stands: the dialect has a word in it.
pub(super) struct Read {
    pub(super) profile: Profile,
    pub(super) amount_unit: Located<AmountUnit>,
}

/// Reads `profile` and `codes` of a counter.
pub(super) fn read(counter: &mut Section<'_>) -> Read {
    let codes = codes(counter);
    let mut section = counter.section("profile");
    let default = Profile::default();
    let amount_unit = section
        .choice("amount_unit", &[("minor", AmountUnit::Minor), ("major", AmountUnit::Major)])
        .unwrap_or_else(|| section.absent("amount_unit").map(|()| default.amount_unit));
    let mut flag = |key, default| value_or(section.flag(key), default);
    let dedupes = flag("dedupes", default.dedupes);
    let refusals_stick = flag("refusals_stick", default.refusals_stick);
    let can_fence = flag("can_fence", default.can_fence);
    let can_reverse = flag("can_reverse", default.can_reverse);
    let can_query_reversals = flag("can_query_reversals", default.can_query_reversals);
    let echoes_marks = flag("echoes_marks", default.echoes_marks);
    let profile = Profile {
        dedupes,
        refusals_stick,
        can_fence,
        can_reverse,
        can_query_reversals,
        echoes_marks,
        query_horizon_days: value_or(
            section.number("query_horizon_days", 0..=3650),
            default.query_horizon_days,
        ),
        in_flight_limit_ms: value_or(
            section.number("in_flight_limit_ms", 0..=86_400_000),
            default.in_flight_limit_ms,
        ),
        max_in_flight: value_or(section.number("max_in_flight", 1..=4096), default.max_in_flight),
        cut_over_s: value_or(section.number("cut_over_s", 0..=86_399), default.cut_over_s),
        amount_unit: amount_unit.value,
        per_transfer_limit: section
            .number("per_transfer_limit", 1..=Amount::MAX.minor())
            .and_then(|limit| Amount::new(limit.value).ok()),
        codes: codes.unwrap_or_default(),
    };
    section.end();
    Read { profile, amount_unit }
}

const MEANINGS: [(&str, Meaning); 5] = [
    ("done", Meaning::Done),
    ("duplicate", Meaning::Duplicate),
    ("refused", Meaning::Refused),
    ("not_executed", Meaning::NotExecuted),
    ("unknown", Meaning::Unknown),
];

/// The counter's own table, which takes the place of the standard one; `None` if it has none.
fn codes(counter: &mut Section<'_>) -> Option<CodeTable> {
    if !counter.has("codes") {
        return None;
    }
    let findings = counter.findings();
    let mut section = counter.section("codes");
    let here = section.here();
    let mut rows = Vec::new();
    for (code, found) in section.rows() {
        let number = code.parse().ok().and_then(|number| AnswerCode::new(number).ok());
        if number.is_none() {
            found.wrong(findings, format!("a code is 100 to 999, not {code:?}"));
        }
        let Some(word) = section.as_text(found, "what the code means, in quotes") else { continue };
        let meaning = MEANINGS.iter().find(|(name, _)| *name == word.value);
        if meaning.is_none() {
            let words = MEANINGS.map(|(name, _)| name).join(", ");
            word.wrong(findings, format!("must be one of {words}, not {:?}", word.value));
        }
        rows.extend(number.zip(meaning.map(|(_, meaning)| *meaning)));
    }
    if rows.iter().all(|(_, meaning)| *meaning != Meaning::Done) {
        here.wrong(findings, "no code means \"done\": nothing would ever be posted");
    }
    Some(CodeTable::new(rows))
}
