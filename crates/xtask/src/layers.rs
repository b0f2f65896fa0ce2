//! Which crate may import which: the lists here are the whole of it, and tests hold the manifests against
//! them. What only tests import does not count.

#[cfg(test)]
mod tests {
    use crate::steps::output;
    use serde_json::Value;
    use std::collections::{BTreeMap, BTreeSet};
    use std::process::Command;

    /// A crate of the product, and all of ours that it imports. Whoever adds an arrow here says in the
    /// commit why the compiler should allow it (docs/ARCHITECTURE.md, Crates).
    const ARROWS: &[(&str, &[&str])] = &[
        ("foreign", &[]),
        ("people", &[]),
        ("supervise", &["foreign"]),
        ("domain", &["foreign"]),
        ("wire", &["domain", "foreign"]),
        ("port", &["domain", "foreign", "supervise"]),
        ("reconcile", &["domain", "foreign"]),
        ("link", &["domain", "foreign", "port", "supervise", "wire"]),
        ("store", &["domain", "foreign", "people", "supervise"]),
        ("coordinator", &["domain", "foreign", "port", "store", "supervise"]),
        ("api", &["coordinator", "domain", "foreign", "port", "store", "supervise"]),
        (
            "ops",
            &["api", "coordinator", "domain", "foreign", "people", "port", "store", "supervise"],
        ),
        ("bench", &["api", "client", "command-line", "domain", "people", "store", "supervise"]),
        ("client", &[]),
        ("command-line", &[]),
        ("console", &["api", "foreign"]),
        ("described", &[]),
        ("simulator", &["domain", "foreign", "supervise", "wire"]),
    ];

    /// They put the others together, or try them: they may import any.
    const OPEN: [&str; 7] =
        ["bridge", "counts", "fuzzing", "link-bench", "simulation", "system-tests", "xtask"];

    /// All that a crate without I/O, clock and chance is built on, of others.
    const PURE: &[(&str, &[&str])] = &[
        ("domain", &["serde", "thiserror"]),
        ("foreign", &["serde"]),
        ("reconcile", &[]),
        ("supervise", &[]),
    ];

    /// What only some may be built on.
    const OF_SOME: &[(&str, &[&str])] = &[
        ("sea-orm", &["store", "system-tests"]),
        ("rusqlite", &["store"]),
        ("quick-xml", &["wire"]),
        ("prost", &["wire"]),
        ("askama", &["console"]),
        ("axum", &["api", "bench", "console", "ops"]),
        ("reqwest", &["bench", "bridge", "client", "system-tests"]),
        ("argon2", &["people"]),
        ("zxcvbn", &["people"]),
    ];

    /// Crates that only show and measure a bridge; the last is built into nothing else.
    const OF_THE_DEMONSTRATION: [&str; 3] = ["bench", "simulator", "hdrhistogram"];

    /// What cargo tells of our manifests.
    fn packages() -> Vec<Value> {
        let mut asked = Command::new(env!("CARGO"));
        asked.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
        let told = output(&mut asked).expect("cargo tells");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        told["packages"].as_array().expect("packages").clone()
    }

    /// What a crate imports, but for tests and builds.
    fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
        let list = package["dependencies"].as_array().expect("dependencies").iter();
        list.filter(|one| one["kind"].is_null())
    }

    /// What each crate imports, ours and others', but for tests and builds.
    fn imports() -> BTreeMap<String, BTreeSet<String>> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let all = packages();
        let each = all.iter().map(|package| {
            (text(&package["name"]), dependencies(package).map(|one| text(&one["name"])).collect())
        });
        each.collect()
    }

    /// All that is linked into the bridge, built with these options.
    fn linked(options: &[&str]) -> BTreeSet<String> {
        let mut asked = Command::new(env!("CARGO"));
        asked.args(["tree", "--offline", "--package", "bridge", "--edges", "normal"]);
        asked.args(["--prefix", "none", "--format", "{p}"]).args(options);
        // With it, whatever is asked for would be built with the features of all that there is.
        asked.env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION");
        let told = output(&mut asked).expect("cargo tells");
        told.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    fn set<'a>(names: &[&'a str]) -> BTreeSet<&'a str> {
        names.iter().copied().collect()
    }

    #[test]
    fn imports_point_downward_only() {
        let all = imports();
        for (name, allowed) in ARROWS {
            let found = all.get(*name).unwrap_or_else(|| panic!("there is no crate {name}"));
            let ours = found.iter().filter(|import| all.contains_key(*import)).map(String::as_str);
            assert_eq!(ours.collect::<BTreeSet<_>>(), set(allowed), "what {name} imports");
        }
        let placed: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).chain(OPEN).collect();
        assert_eq!(
            all.keys().map(String::as_str).collect::<BTreeSet<_>>(),
            placed,
            "every crate has its place"
        );
    }

    #[test]
    fn what_is_pure_is_built_on_nothing_that_is_not() {
        let all = imports();
        for (name, allowed) in PURE {
            let others = all[*name].iter().filter(|import| !all.contains_key(*import));
            let others: BTreeSet<&str> = others.map(String::as_str).collect();
            assert_eq!(others, set(allowed), "what {name} is built on");
        }
    }

    /// What only shows and measures is asked for by one feature, which the default build has and a bridge that
    /// moves money has not.
    #[test]
    fn a_bridge_that_moves_money_links_neither_the_generator_nor_the_fake_counter() {
        let all = packages();
        let bridge = all.iter().find(|package| package["name"] == "bridge").expect("a bridge");
        let features = bridge["features"].as_object().expect("features");
        assert_eq!(features["default"], serde_json::json!(["demo"]));
        for name in ["bench", "simulator"] {
            let one = dependencies(bridge).find(|one| one["name"] == name).expect(name);
            assert_eq!(one["optional"], true, "{name}");
            let asks = |list: &Value| {
                let list = list.as_array().expect("a list").iter().filter_map(Value::as_str);
                list.map(|it| it.trim_start_matches("dep:"))
                    .any(|it| it.split('/').next() == Some(name))
            };
            let by: Vec<&str> =
                features.iter().filter(|(_, list)| asks(list)).map(|(by, _)| by.as_str()).collect();
            assert_eq!(by, ["demo"], "what asks for {name}");
        }
        let (whole, production) = (linked(&[]), linked(&["--no-default-features"]));
        for name in OF_THE_DEMONSTRATION {
            assert!(whole.contains(name), "the default build has {name}");
            assert!(!production.contains(name), "a production build has {name}");
        }
    }

    #[test]
    fn only_the_store_knows_a_database_and_only_wire_a_format() {
        let all = imports();
        for (library, allowed) in OF_SOME {
            let users = all.iter().filter(|(_, list)| list.contains(*library));
            let users: BTreeSet<&str> = users.map(|(name, _)| name.as_str()).collect();
            assert_eq!(users, set(allowed), "who is built on {library}");
        }
    }
}
