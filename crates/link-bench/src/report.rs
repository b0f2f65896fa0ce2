//! What is printed: figures with their targets.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One measured number, and what it should be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What was measured.
    #[serde(rename = "figure")]
    pub(crate) name: String,
    /// What came out.
    pub(crate) value: f64,
    /// In what.
    pub(crate) unit: String,
    /// What it should be; `None` where it only explains another.
    pub(crate) target: Option<Target>,
    /// Whether it is.
    pub(crate) met: Option<bool>,
    /// What else is known of it.
    pub(crate) detail: Value,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// So much or less.
    AtMost(f64),
    /// So much or more.
    AtLeast(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Target::AtMost(limit) => value <= limit,
            Target::AtLeast(limit) => value >= limit,
        }
    }
}

impl Figure {
    /// A number without a target.
    pub(crate) fn new(name: &str, value: f64, unit: &str) -> Figure {
        Figure {
            name: name.to_owned(),
            value: rounded(value),
            unit: unit.to_owned(),
            target: None,
            met: None,
            detail: Value::Null,
        }
    }

    /// With a target.
    pub(crate) fn should_be(self, target: Target) -> Figure {
        Figure { met: Some(target.is_met(self.value)), target: Some(target), ..self }
    }

    /// With what else is known.
    pub(crate) fn with(self, detail: Value) -> Figure {
        Figure { detail, ..self }
    }
}

/// To four digits, which is more than any of it is worth.
pub(crate) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powf(3.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

/// A count as a number to calculate with.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

/// The value below or at which a share of all lies; 0 of none.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (number(values.len()) * share).ceil() as usize;
    values.get(index.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// Middle, 99th percentile and largest.
pub(crate) fn spread(values: &mut [f64]) -> Value {
    let at = [0.5, 0.99, 1.0].map(|share| rounded(quantile(values, share)));
    serde_json::json!({ "p50": at[0], "p99": at[1], "max": at[2], "of": values.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_or_not() {
        let figure = |value| Figure::new("x", value, "s");
        assert_eq!(figure(1.0).should_be(Target::AtMost(1.0)).met, Some(true));
        assert_eq!(figure(1.1).should_be(Target::AtMost(1.0)).met, Some(false));
        assert_eq!(figure(1.1).should_be(Target::AtLeast(1.0)).met, Some(true));
        assert_eq!(figure(0.9).should_be(Target::AtLeast(1.0)).met, Some(false));
        assert_eq!(figure(7.0).met, None);
    }

    #[test]
    fn numbers_are_rounded_and_ranked() {
        let rounded = [123_456.0, 0.012_345, 0.0, 9999.6].map(|value| rounded(value).to_string());
        assert_eq!(rounded, ["123500", "0.01235", "0", "10000"]);
        let mut values: Vec<f64> = (1..=200).map(f64::from).rev().collect();
        let ranked = [0.5, 0.99, 1.0].map(|share| quantile(&mut values, share).to_string());
        assert_eq!(ranked, ["100", "198", "200"]);
        assert!(quantile(&mut [], 0.5).abs() < f64::EPSILON);
    }
}
