//! Counters' own serials of their postings, as trails say them: all that is read here of a trail, which is the
//! coordinator's otherwise.

use crate::fault::is_damage;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult, Statement, Value};
use serde::Deserialize;
use std::collections::BTreeSet;
use xxhash_rust::xxh3::xxh3_64;

/// Transfers whose trails are read together: a part of one is up to 64 KiB long, and few have several.
const TOGETHER: usize = 64;

/// Where the parts of trails stand.
const PARTS: [(&str, &str); 2] = [("outcome", "trail"), ("trail", "body")];

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

/// The hashes of what stands in a part of a trail as a counter's serial, in whatever place: not less than what is one, and
/// without taking the part apart, for every transfer's trail goes through this.
pub(crate) fn hashes(part: &str) -> impl Iterator<Item = i64> {
    part.match_indices(NAME).filter_map(|(at, name)| {
        let value = &part[at + name.len()..];
        let text = value.strip_prefix('"')?;
        let end = text.find(['"', '\\'])?;
        if text[end..].starts_with('"') {
            return (end > 0).then(|| hash(&text[..end]));
        }
        let mut escaped = serde_json::Deserializer::from_str(value).into_iter::<String>();
        Some(hash(&escaped.next()?.ok()?))
    })
}

/// Looks at the parts of these transfers' trails; `None` stands for what cannot be read, which hides no other. A part may
/// be looked at twice.
pub(crate) async fn each_part(
    connection: &DatabaseConnection,
    masters: &[i64],
    mut look: impl FnMut(i64, Option<&str>),
) -> Result<(), DbErr> {
    for (table, column) in PARTS {
        let mut waiting: Vec<&[i64]> = masters.chunks(TOGETHER).collect();
        while let Some(these) = waiting.pop() {
            match parts(connection, (table, column), these).await {
                Ok(rows) => {
                    for row in rows {
                        let (master, part) = (row.try_get_by_index(0)?, row.try_get_by_index(1));
                        look(master, part.as_ref().ok().map(String::as_str));
                    }
                }
                Err(error) if is_damage(&error) => match these {
                    [one] => look(*one, None),
                    several => waiting.extend(several.chunks(1)),
                },
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

async fn parts(
    connection: &DatabaseConnection,
    (table, column): (&str, &str),
    masters: &[i64],
) -> Result<Vec<QueryResult>, DbErr> {
    let marks = vec!["?"; masters.len()].join(",");
    let sql = format!(
        "SELECT master_serial, {column} FROM {table} \
         WHERE {column} IS NOT NULL AND master_serial IN ({marks})"
    );
    let values = masters.iter().copied().map(Value::from);
    let backend = connection.get_database_backend();
    connection.query_all_raw(Statement::from_sql_and_values(backend, sql, values)).await
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
            assert_eq!(hashes(&leg(serial)).collect::<Vec<_>>(), [hash(serial)], "{serial}");
            assert!(leg(serial).contains(&written(serial)), "{serial}");
        }
        assert!(!leg("F12").contains(&written("F1")));
        for nothing in ["", "[]", "{", "[{\"leg\":{\"counter_serial\":1}}]", &leg("")] {
            assert!(said(nothing).is_empty(), "{nothing}");
            assert_eq!(hashes(nothing).count(), 0, "{nothing}");
        }
        let two = r#"[{"leg":{"counter_serial":"B"}},{"leg":{"counter_serial":"A"}},{"leg":{"counter_serial":"B"}}]"#;
        assert_eq!(said(two), ["A", "B"]);
        assert_eq!(hashes(two).collect::<Vec<_>>(), ["B", "A", "B"].map(hash));
        for cut in [r#""counter_serial":"#, r#""counter_serial":"A"#, r#""counter_serial":"A\"#] {
            assert_eq!(hashes(cut).count(), 0, "{cut}");
        }
    }

    /// Databases keep it.
    #[test]
    fn the_hash_of_a_serial_stays_the_same() {
        assert_eq!(hash("F20261121000042"), KEPT);
        assert_ne!(hash("f20261121000042"), KEPT);
    }

    const KEPT: i64 = -944_879_157_268_817_976;
}
