//! `docs/guarantees.md` names the test behind each promise, `docs/limits.md` the one behind each
//! bound: those tests exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// The links of a text: what each is called, and where it leads.
fn links(text: &str) -> Vec<(&str, &str)> {
    let mut links = Vec::new();
    for (start, _) in text.match_indices("](") {
        let name = text[..start].rsplit('[').next().unwrap_or_default();
        let path = text[start + 2..].split(')').next().unwrap_or_default();
        links.push((name, path));
    }
    links
}

/// Whether the source has a test of this name: a function, and something that runs it.
fn has_test(source: &str, name: &str) -> bool {
    let Some(at) = source.find(&format!("fn {name}(")) else { return false };
    let line = source[..at].rfind('\n').unwrap_or(0);
    let marked = source[..line]
        .lines()
        .rev()
        .map(str::trim_start)
        .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
        .any(|line| line.starts_with("#[") && line.contains("test"));
    // Tests that run on each database are listed by name in a macro.
    let listed = source
        .split("on_each_database!(")
        .skip(1)
        .filter_map(|rest| rest.split(");").next())
        .flat_map(|list| list.split(','))
        .any(|listed| listed.trim() == name);
    marked || listed
}

#[test]
fn every_test_that_is_named_exists() {
    for (document, least) in [("guarantees.md", 40), ("limits.md", 20)] {
        let text = fs::read_to_string(documents().join(document)).expect("the document");
        let links = links(&text);
        assert!(links.len() > least, "{document}: {}", links.len());
        assert_eq!(missing(links), BTreeSet::new(), "{document}");
    }
}

/// Those of the tests that do not exist. Links to other documents are no tests.
fn missing(links: Vec<(&str, &str)>) -> BTreeSet<String> {
    links
        .into_iter()
        .filter(|(_, path)| Path::new(path).extension() != Some("md".as_ref()))
        .filter(|(name, path)| {
            !fs::read_to_string(documents().join(path)).is_ok_and(|source| has_test(&source, name))
        })
        .map(|(name, path)| format!("{name} in {path}"))
        .collect()
}

#[test]
fn every_bound_has_a_test_and_says_what_happens_past_it() {
    let text = fs::read_to_string(documents().join("limits.md")).expect("the document");
    let rows = text.lines().filter(|line| {
        line.starts_with("| ") && !line.starts_with("| bound |") && !line.starts_with("|---")
    });
    let rows: Vec<&str> = rows.collect();
    assert!(rows.len() > 20, "{}", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [bound, default, after, _metric, shown_by] = cells[..] else {
            panic!("{} cells: {row}", cells.len())
        };
        assert!(![bound, default, after].contains(&""), "something is missing: {row}");
        assert!(!links(shown_by).is_empty(), "no test stands behind: {row}");
    }
}

#[test]
fn every_promise_has_a_test() {
    let text = fs::read_to_string(documents().join("guarantees.md")).expect("the document");
    let part = text.split("\n## ").find(|text| text.starts_with("What is promised"));
    let part = part.expect("the part of promises");
    let promises: Vec<&str> = part.split("\n- ").skip(1).collect();
    assert!(promises.len() > 20, "{}", promises.len());
    for promise in promises {
        // A heading may follow the last promise of its group.
        let promise = promise.split("\n#").next().unwrap_or_default();
        assert!(!links(promise).is_empty(), "no test stands behind: {promise}");
    }
}

#[test]
fn a_name_that_no_test_has_is_noticed() {
    let source = "#[tokio::test]\nasync fn real() {}\n\nfn helper(x: u8) {}\n";
    assert!(has_test(source, "real"));
    assert!(!has_test(source, "unreal"));
    assert!(!has_test(source, "helper"));
    assert!(!has_test("/// No test.\nfn helper() {}\n", "helper"));
    assert!(has_test("on_each_database!(one, two,);\nasync fn two(url: String) {}", "two"));
    assert_eq!(links("a [b](c.rs), [d](e)"), [("b", "c.rs"), ("d", "e")]);
}
