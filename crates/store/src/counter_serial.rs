//! Counters' own serials of their postings, as trails say them: all that is read here of a trail, which is the
//! coordinator's otherwise.

use serde::Deserialize;
use std::collections::BTreeSet;
use xxhash_rust::xxh3::xxh3_64;

/// What is read of an entry.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    leg: Option<Leg>,
}

#[derive(Deserialize)]
struct Leg {
    #[serde(default)]
    counter_serial: Option<String>,
}

/// The name under which a leg has it.
const NAME: &str = "\"counter_serial\":";

/// The counters' serials of postings that a part of a trail speaks of, of whichever leg; none if it is no trail.
pub fn counter_serials(part: &str) -> BTreeSet<String> {
    if !part.contains(NAME) {
        return BTreeSet::new();
    }
    let entries: Vec<Entry> = serde_json::from_str(part).unwrap_or_default();
    let said = entries.into_iter().filter_map(|entry| entry.leg?.counter_serial);
    said.filter(|serial| !serial.is_empty()).collect()
}

/// What stands for it in the index. Others may have the same, hardly ever: what is found by it is looked at.
pub(crate) fn hash(serial: &str) -> i64 {
    xxh3_64(serial.as_bytes()).cast_signed()
}

/// What a part of a trail contains that speaks of this serial.
pub(crate) fn written(serial: &str) -> String {
    format!("{NAME}{}", serde_json::Value::from(serial))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_is_read_for_counters_serials_and_for_nothing_else() {
        let said = |part: &str| counter_serials(part).into_iter().collect::<Vec<_>>();
        let leg = |serial: &str| {
            let leg = serde_json::json!({"role": "debit", "counter_serial": serial});
            serde_json::json!([
                {"at": 1, "event": "debit sent", "leg": {"role": "debit", "sent": 1}},
                {"at": 2, "event": "said \"counter_serial\":\"X\"", "leg": leg},
                {"at": 3, "event": "nothing of a leg"},
            ])
            .to_string()
        };
        for serial in ["F1", "\u{7c4c}1\"\\", " x "] {
            assert_eq!(said(&leg(serial)), [serial]);
            assert!(leg(serial).contains(&written(serial)), "{serial}");
        }
        assert!(!leg("F12").contains(&written("F1")));
        for nothing in ["", "[]", "{", "[{\"leg\":{\"counter_serial\":1}}]", &leg("")] {
            assert!(said(nothing).is_empty(), "{nothing}");
        }
        let two = r#"[{"leg":{"counter_serial":"B"}},{"leg":{"counter_serial":"A"}},{"leg":{"counter_serial":"B"}}]"#;
        assert_eq!(said(two), ["A", "B"]);
    }

    /// Databases keep it.
    #[test]
    fn the_hash_of_a_serial_stays_the_same() {
        assert_eq!(hash("F20261121000042"), KEPT);
        assert_ne!(hash("f20261121000042"), KEPT);
    }

    const KEPT: i64 = -944_879_157_268_817_976;
}
