//! What may be built in, as deny.toml says it: a test holds the lock file against it with every change. The file is that
//! of cargo-deny, which whoever has it may ask as well (`cargo deny check`); it takes longer to build than all of this
//! takes to look, and the rules that stand in the file are few.

#[cfg(test)]
mod tests {
    use crate::place::Place;
    use crate::steps::output;
    use serde_json::Value;
    use spdx::{Expression, LicenseReq, ParseMode};
    use std::collections::BTreeSet;
    use std::fs;
    use toml::Table;

    /// The registry that a package of the lock file says to come from, unless it is ours.
    const REGISTRY: &str = "registry+";

    fn rules() -> Table {
        let path = Place::find().expect("the repository").root.join("deny.toml");
        let text = fs::read_to_string(path).expect("deny.toml is read");
        text.parse().expect("deny.toml is TOML")
    }

    fn words<'a>(rules: &'a Table, section: &str, key: &str) -> BTreeSet<&'a str> {
        let list = rules[section][key].as_array().expect("a list");
        list.iter().map(|word| word.as_str().expect("a word")).collect()
    }

    /// All packages that are built for one of the targets, tests and tools included.
    fn packages(target: &str) -> Vec<Value> {
        let mut asked = Place::find().expect("the repository").cargo();
        asked.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", target]);
        let told: Value = serde_json::from_str(&output(&mut asked).expect("cargo metadata"))
            .expect("it writes JSON");
        let is_built: BTreeSet<&str> = told["resolve"]["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|node| node["id"].as_str().expect("an id"))
            .collect();
        let all = told["packages"].as_array().expect("packages");
        all.iter()
            .filter(|one| is_built.contains(one["id"].as_str().expect("an id")))
            .cloned()
            .collect()
    }

    fn all(rules: &Table) -> Vec<Value> {
        words(rules, "graph", "targets").into_iter().flat_map(packages).collect()
    }

    fn name(package: &Value) -> &str {
        package["name"].as_str().expect("a name")
    }

    fn expression(package: &Value) -> Expression {
        let license = package["license"].as_str();
        let license = license.unwrap_or_else(|| panic!("{} says no license", name(package)));
        Expression::parse_mode(license, ParseMode::LAX)
            .unwrap_or_else(|error| panic!("{}: {error}", name(package)))
    }

    fn is_allowed(expression: &Expression, allowed: &BTreeSet<&str>) -> bool {
        expression.evaluate(|wanted: &LicenseReq| allowed.contains(wanted.to_string().as_str()))
    }

    #[test]
    fn each_license_is_one_of_those_that_are_allowed_and_each_of_those_is_needed() {
        let rules = rules();
        let (allowed, packages) = (words(&rules, "licenses", "allow"), all(&rules));
        for package in &packages {
            let license = expression(package);
            assert!(is_allowed(&license, &allowed), "{}: {license}", name(package));
        }
        for one in &allowed {
            let is_named = |package: &Value| {
                expression(package).requirements().any(|wanted| wanted.req.to_string() == *one)
            };
            assert!(packages.iter().any(is_named), "nothing has the license {one}");
        }
    }

    #[test]
    fn either_license_is_enough_of_two_and_both_are_needed_of_both() {
        let allowed = BTreeSet::from(["MIT", "Apache-2.0 WITH LLVM-exception"]);
        for (license, expected) in [
            ("MIT OR GPL-3.0-only", true),
            ("MIT/GPL-3.0", true),
            ("MIT AND GPL-3.0-only", false),
            ("Apache-2.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
        ] {
            let license = Expression::parse_mode(license, ParseMode::LAX).expect("it is read");
            assert_eq!(is_allowed(&license, &allowed), expected, "{license}");
        }
    }

    #[test]
    fn no_crate_is_built_in_that_is_banned_or_comes_from_elsewhere_or_in_any_version() {
        let rules = rules();
        let banned = rules["bans"]["deny"].as_array().expect("a list");
        for package in all(&rules) {
            let name = name(&package);
            for ban in banned {
                assert_ne!(Some(name), ban["crate"].as_str(), "{}", ban["reason"]);
            }
            match package["source"].as_str() {
                Some(source) => assert!(source.starts_with(REGISTRY), "{name} is from {source}"),
                None => assert_our_versions_are_named(&package),
            }
        }
    }

    /// A crate of ours says of each other in which version it is to be.
    fn assert_our_versions_are_named(package: &Value) {
        for needed in package["dependencies"].as_array().expect("a list") {
            let is_ours = needed["path"].is_string();
            assert!(is_ours || needed["req"] != "*", "{}: {}", name(package), needed["name"]);
        }
    }
}
