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
        ("supervise", &["foreign"]),
        ("domain", &["foreign"]),
        ("wire", &["domain", "foreign"]),
        ("port", &["domain", "foreign", "supervise"]),
        ("reconcile", &["domain", "foreign"]),
        ("link", &["domain", "foreign", "port", "supervise", "wire"]),
        ("store", &["domain", "foreign", "supervise"]),
        ("coordinator", &["domain", "foreign", "port", "store", "supervise"]),
        ("api", &["coordinator", "domain", "foreign", "port", "store", "supervise"]),
        ("bench", &["api", "client", "command-line", "domain", "store", "supervise"]),
        ("client", &[]),
        ("command-line", &[]),
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
        ("axum", &["api", "bench"]),
        ("reqwest", &["bench", "bridge", "client", "system-tests"]),
    ];

    /// What each crate imports, ours and others', but for tests and builds.
    fn imports() -> BTreeMap<String, BTreeSet<String>> {
        let mut asked = Command::new(env!("CARGO"));
        asked.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
        let told = output(&mut asked).expect("cargo tells");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let packages = told["packages"].as_array().expect("packages").iter();
        packages
            .map(|package| {
                let list = package["dependencies"].as_array().expect("dependencies").iter();
                let list = list.filter(|one| one["kind"].is_null()).map(|one| text(&one["name"]));
                (text(&package["name"]), list.collect())
            })
            .collect()
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
