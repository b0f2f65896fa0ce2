//! Which crate may import which: [`ARROWS`] is the whole of it, and a test holds the manifests against it.
//! What only tests import does not count.

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
        ("link", &["domain", "foreign", "port", "supervise", "wire"]),
        ("store", &["domain", "foreign", "supervise"]),
        ("coordinator", &["domain", "foreign", "port", "store", "supervise"]),
        ("api", &["coordinator", "domain", "foreign", "port", "store", "supervise"]),
        ("client", &[]),
        ("described", &[]),
        ("simulator", &["domain", "foreign", "supervise", "wire"]),
    ];

    /// They put the others together, or try them: they may import any.
    const OPEN: [&str; 7] =
        ["bridge", "counts", "fuzzing", "link-bench", "simulation", "system-tests", "xtask"];

    #[test]
    fn imports_point_downward_only() {
        let mut asked = Command::new(env!("CARGO"));
        asked.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
        let told: Value =
            serde_json::from_str(&output(&mut asked).expect("cargo tells")).expect("JSON");
        let packages = told["packages"].as_array().expect("packages");
        let names: BTreeSet<&str> = packages.iter().filter_map(|it| it["name"].as_str()).collect();
        let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for package in packages {
            let imports = package["dependencies"].as_array().expect("dependencies");
            // What is no import of tests or of a build has no kind.
            let imports = imports.iter().filter(|it| it["kind"].is_null());
            let imports =
                imports.filter_map(|it| it["name"].as_str()).filter(|it| names.contains(it));
            all.insert(package["name"].as_str().expect("a name"), imports.collect());
        }
        for (name, allowed) in ARROWS {
            let imports = all.remove(name).unwrap_or_else(|| panic!("there is no crate {name}"));
            let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
            assert_eq!(imports, allowed, "what {name} imports, and what it may");
        }
        let rest: Vec<&str> = all.into_keys().collect();
        assert_eq!(rest, OPEN, "every other crate is to be given its place");
    }
}
