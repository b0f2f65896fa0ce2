//! The example that is shipped.

use super::*;

/// The annotated example, and the variables that it asks for.
fn example() -> (PathBuf, Vec<(String, String)>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/counter-bridge.toml");
    let names = ["BRIDGE_DEMO_SECRET", "BRIDGE_SECURITIES_KEY", "BRIDGE_FUTURES_KEY"];
    (file, names.map(|name| (name.to_owned(), name.repeat(2))).into())
}

#[test]
fn the_example_is_accepted() {
    let (file, variables) = example();
    let config = Config::load(&file, variables).expect("the example");
    let told = crate::check::told(&config, "counter-bridge.toml");
    assert_eq!(
        told,
        "ok: 2 counters, 1 app with 1 key; API on 127.0.0.1:8080, operators on 127.0.0.1:8081, \
         record in sqlite:///var/lib/counter-bridge/bridge.sqlite\ndemo: may do everything"
    );
    let mistakes = Config::load(&file, []).expect_err("no variables");
    assert_eq!(mistakes.list.len(), 3, "{mistakes}");
    assert!(
        mistakes.to_string().contains("the environment variable BRIDGE_DEMO_SECRET is not set")
    );
    let looked_at = Config::load_to_check(&file, []).expect("it may be looked at without them");
    let told = crate::check::told(&looked_at, "counter-bridge.toml");
    assert!(told.starts_with("ok: 2 counters, 1 app with 1 key; "), "{told}");
    let needed = "BRIDGE_DEMO_SECRET is not set here; `serve` needs it";
    assert!(told.contains(needed) && told.matches("`serve` needs it").count() == 3, "{told}");
}

#[test]
fn what_the_example_shows_as_defaults_are_the_defaults() {
    let (file, variables) = example();
    let text = std::fs::read_to_string(&file).expect("the example");
    let plain = Config::load(&file, variables.clone()).expect("the example");
    // A table that is commented out as a whole stays out with its keys.
    let mut in_absent_table = false;
    let shown: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some("[accept]" | "[opentelemetry]") => {
                in_absent_table = true;
                line
            }
            None if in_absent_table => {
                in_absent_table = false;
                line
            }
            Some(_) if in_absent_table => line,
            // Alternatives, not defaults.
            Some(rest)
                if rest.starts_with("public_url")
                    || rest.starts_with("per_transfer")
                    || rest.starts_with("dials_in")
                    || rest.starts_with("dials_from")
                    || rest.starts_with("service_hours")
                    || rest.starts_with("special_days_file")
                    || rest.starts_with("certificate_name")
                    || rest.starts_with("tls = ") =>
            {
                line
            }
            // What an app may do is everything, where nothing is said.
            Some(rest)
                if [
                    "counters",
                    "accounts",
                    "directions",
                    "largest_transfer",
                    "requests_per_s",
                    "transfers_a_day",
                    "sum_a_day",
                ]
                .iter()
                .any(|right| rest.starts_with(&format!("{right} = "))) =>
            {
                line
            }
            Some(rest) => {
                let key = rest.split_once(" = ").map(|(key, _)| key);
                let is_key = key.is_some_and(|key| {
                    !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                });
                let commented_table = ["id", "algorithm", "public_key_file"];
                if is_key && key.is_none_or(|key| !commented_table.contains(&key)) {
                    rest
                } else {
                    line
                }
            }
            None => line,
        })
        .collect();
    assert!(shown.len() == text.lines().count() && shown.join("\n").contains("\nshards = 2"));
    let full = Config::from_text(&shown.join("\n"), Path::new(""), variables, &files)
        .map_err(|list| Mistakes { file: "example".to_owned(), list }.to_string());
    let full = full.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(full.coordinator, plain.coordinator);
    assert_eq!(full.api.policy, plain.api.policy);
    assert_eq!(full.api.longest_body, plain.api.longest_body);
    assert_eq!((full.api.nonces, full.drain_budget), (plain.api.nonces, plain.drain_budget));
    for (full, plain) in full.counters.iter().zip(&plain.counters) {
        assert_eq!(full.timers, plain.timers);
        assert_eq!(full.bounds, plain.bounds);
        assert_eq!(full.profile, plain.profile);
        assert_eq!(full.dialect, plain.dialect);
    }
}
