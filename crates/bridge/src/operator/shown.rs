//! Operators and tokens as people and machines are told of them; never what lets anybody in.

use crate::person::tables::{plain, table};
use people::OperatorName;
use serde_json::{Value, json};
use store::people::{Operator, Token};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time, in microseconds since 1970 UTC, to the second.
pub(super) fn time(micros: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(micros.div_euclid(1_000_000));
    at.ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| micros.to_string())
}

/// All operators, as a table.
pub(super) fn operators(operators: &[Operator]) -> String {
    if operators.is_empty() {
        return "there is no operator: `counter-bridge operator add NAME --role admin` makes the first".to_owned();
    }
    let header = ["operator", "role", "since", "made by", "second factor", "disabled since"];
    let mut rows = table(header);
    for operator in operators {
        rows.add_row([
            operator.name.to_string(),
            operator.role.to_string(),
            time(operator.made_at),
            plain(operator.made_by.as_received()),
            if operator.second_factor.is_some() { "yes" } else { "NO" }.to_owned(),
            operator.disabled_at.map_or_else(|| "–".to_owned(), time),
        ]);
    }
    rows.to_string()
}

/// The same for machines.
pub(super) fn operators_json(operators: &[Operator]) -> Value {
    let one = |operator: &Operator| {
        json!({
            "name": operator.name,
            "role": operator.role,
            "made_at": time(operator.made_at),
            "made_by": operator.made_by.as_received(),
            "second_factor": operator.second_factor.is_some(),
            "must_change_password": operator.must_change,
            "disabled_at": operator.disabled_at.map(time),
        })
    };
    operators.iter().map(one).collect()
}

/// The tokens of an operator, as a table.
pub(super) fn tokens(tokens: &[Token], name: &OperatorName, now: i64) -> String {
    if tokens.is_empty() {
        return format!("{name} has no token");
    }
    let mut rows = table(["token", "role", "made", "good until", "last used"]);
    for token in tokens {
        let until = time(token.expires_at);
        rows.add_row([
            plain(token.label.as_received()),
            token.role.to_string(),
            time(token.made_at),
            if token.expires_at <= now { format!("{until}: it has run out") } else { until },
            token.seen_at.map_or_else(|| "never".to_owned(), time),
        ]);
    }
    rows.to_string()
}

/// The same for machines.
pub(super) fn tokens_json(tokens: &[Token]) -> Value {
    let one = |token: &Token| {
        json!({
            "label": token.label.as_received(),
            "role": token.role,
            "made_at": time(token.made_at),
            "expires_at": time(token.expires_at),
            "seen_at": token.seen_at.map(time),
        })
    };
    tokens.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use people::Role;

    const MADE: i64 = 1_795_219_200_000_000;

    fn lin(disabled_at: Option<i64>) -> Operator {
        Operator {
            name: "lin".parse().expect("a name"),
            role: Role::Operator,
            password: "$argon2id$what is kept".to_owned(),
            must_change: false,
            second_factor: Some("JBSWY3DPEHPK3PXP".to_owned()),
            last_step: None,
            made_at: MADE,
            made_by: "root\u{1b}[31m".into(),
            disabled_at,
        }
    }

    #[test]
    fn operators_are_shown_without_what_they_sign_in_by() {
        let all = [lin(None), lin(Some(MADE + 1_000_000))];
        let told = [operators(&all), operators_json(&all).to_string()];
        for told in &told {
            for words in ["lin", "operator", "2026-11-21T00:00:00Z", "2026-11-21T00:00:01Z"] {
                assert!(told.contains(words), "{words} is not in\n{told}");
            }
            for secret in ["argon2", "JBSWY", "\u{1b}"] {
                assert!(!told.contains(secret), "{told}");
            }
        }
        assert_eq!(operators_json(&all)[0]["second_factor"], true);
        assert_eq!(operators_json(&all)[0]["disabled_at"], Value::Null);
        assert_eq!(operators_json(&[]), json!([]));
        assert!(operators(&[]).contains("operator add NAME --role admin"));
    }

    #[test]
    fn tokens_are_shown_by_what_they_are_for_and_when_they_end() {
        let name: OperatorName = "lin".parse().expect("a name");
        let token = Token {
            digest: "what is kept".to_owned(),
            name: name.clone(),
            label: "nightly".into(),
            role: Role::Viewer,
            made_at: MADE,
            expires_at: MADE + 60_000_000,
            seen_at: None,
        };
        let all = [token];
        let told = tokens(&all, &name, MADE);
        for words in ["nightly", "viewer", "2026-11-21T00:01:00Z", "never"] {
            assert!(told.contains(words), "{words} is not in\n{told}");
        }
        assert!(!told.contains("run out") && !told.contains("what is kept"), "{told}");
        assert!(tokens(&all, &name, MADE + 60_000_000).contains("it has run out"));
        let json = tokens_json(&all);
        assert_eq!(
            (&json[0]["expires_at"], &json[0]["seen_at"]),
            (&json!("2026-11-21T00:01:00Z"), &Value::Null)
        );
        assert_eq!(tokens(&[], &name, MADE), "lin has no token");
    }
}
