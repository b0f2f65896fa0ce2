//! Every kind of problem has its page in `docs/errors/`, and no page speaks of one that nobody has. What
//! is answered is read from the source of this crate and of the operators' side, so that a kind that nothing
//! answers, and a member that no page explains, fail here.

use super::kind::{self, Kind};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// All kinds by their slugs.
fn kinds() -> BTreeMap<&'static str, Kind> {
    kind::ALL.iter().map(|(_, kind)| (kind.slug, *kind)).collect()
}

/// What follows each occurrence of `word`.
fn after<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(word).map(move |(at, _)| &text[at + word.len()..])
}

/// A string without escapes, and what follows it.
fn string(text: &str) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix('"')?.split_once('"')
}

/// All source files but tests and the table of kinds.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().unwrap_or_default();
        if ["tests", "pages", "kind", "openapi"].iter().any(|other| stem == *other) {
            continue;
        }
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// A file's code without comments, and without the tests at its end.
fn shipped(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let opens_tests = |next: &&str| next.contains("mod ") && next.ends_with('{');
        if line == "#[cfg(test)]" && lines.peek().is_some_and(opens_tests) {
            break;
        }
        if !line.trim_start().starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

/// All code of both sides that answers.
fn code() -> String {
    let mut files = Vec::new();
    for side in ["src", "../ops/src"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(side), &mut files);
    }
    files
        .iter()
        .map(|file| shipped(&std::fs::read_to_string(file).expect("a source file")))
        .collect()
}

/// The names of extension members.
fn members(code: &str) -> BTreeSet<String> {
    after(code, ".with(").filter_map(|rest| Some(string(rest)?.0.to_owned())).collect()
}

fn errors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(errors().join(name))
        .unwrap_or_else(|error| panic!("docs/errors/{name}: {error}"))
}

/// The JSON example of a page.
fn example(slug: &str, page: &str) -> Value {
    let (_, rest) = page.split_once("```json\n").unwrap_or_else(|| panic!("{slug}: no example"));
    let (body, rest) = rest.split_once("```").expect("an end of the example");
    assert!(!rest.contains("```"), "{slug}: one example is enough");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{slug}: {error}"))
}

#[track_caller]
fn check_page(kind: &Kind, members: &BTreeSet<String>) {
    let slug = kind.slug;
    let page = page(&format!("{slug}.md"));
    let status = kind.status.as_u16();
    let heading = format!("# {status} `{slug}`");
    assert_eq!(page.lines().next(), Some(heading.as_str()));
    for part in ["**Means.** ", "**Do.** ", "**Members.** "] {
        assert_eq!(page.matches(part).count(), 1, "{slug}: {part}");
    }
    let fate = "| request | recorded | idempotency key | money |\n|---|---|---|---|\n| ";
    assert!(page.contains(fate), "{slug} does not say what was done and what was not");

    let example = example(slug, &page);
    assert_eq!(example["type"], format!("/errors/{slug}"));
    assert_eq!(example["status"], status, "{slug}");
    assert_eq!(example["title"], kind.title, "{slug}");
    let (_, explained) = page.split_once("**Members.** ").expect("counted above");
    for name in example.as_object().expect("an object").keys() {
        if !["type", "title", "status", "detail"].contains(&name.as_str()) {
            assert!(members.contains(name), "{slug}: nothing has the member {name}");
            assert!(explained.contains(&format!("`{name}`")), "{slug} does not explain {name}");
        }
    }
}

#[test]
fn every_problem_has_its_page() {
    let members = members(&code());
    assert!(members.contains("field"), "the scan finds members");
    for kind in kinds().values() {
        check_page(kind, &members);
    }
    for member in &members {
        let explained = |slug: &&str| {
            let page = page(&format!("{slug}.md"));
            let (_, members) = page.split_once("**Members.** ").expect("checked above");
            members.contains(&format!("`{member}`"))
        };
        assert!(kinds().keys().any(explained), "no page explains the member {member}");
    }
}

#[test]
fn every_kind_is_answered_and_has_a_word_of_its_own() {
    let code = code();
    for (name, kind) in kind::ALL {
        let word = format!("kind::{name}");
        let used = after(&code, &word).any(|rest| {
            !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
        });
        assert!(used, "nothing answers {}", kind.slug);
        assert_eq!(kind.slug, name.to_ascii_lowercase());
    }
    assert_eq!(kinds().len(), kind::ALL.len());
}

#[test]
fn every_page_has_its_problem() {
    let kinds = kinds();
    for entry in std::fs::read_dir(errors()).expect("docs/errors") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        let slug = name.strip_suffix(".md").unwrap_or_else(|| panic!("{name} is no page"));
        let known = slug == "README" || kinds.contains_key(slug);
        assert!(known, "docs/errors/{name} explains what nothing answers");
    }
}

#[test]
fn the_index_lists_every_problem_by_status() {
    let index = page("README.md");
    let rows = index.lines().filter_map(|line| {
        let (status, rest) = line.strip_prefix("| ")?.split_once(" | [`")?;
        let (slug, rest) = rest.split_once("`](")?;
        let (target, rest) = rest.split_once(") | ")?;
        assert_eq!(target, format!("{slug}.md"));
        assert!(rest.len() > 3, "{slug} has no line of its own");
        Some((status.parse().unwrap_or_else(|_| panic!("{slug}: {status}")), slug.to_owned()))
    });
    let rows: Vec<(u16, String)> = rows.collect();
    let mut expected: Vec<(u16, String)> =
        kinds().values().map(|kind| (kind.status.as_u16(), kind.slug.to_owned())).collect();
    expected.sort();
    assert_eq!(rows, expected);
}

#[test]
fn the_scan_sees_what_ships_and_nothing_else() {
    let text = "\
// .with(\"comment\", 1)
problem.with(\"member\", 1.into()).with(
    \"on_lines\", 2)
#[cfg(test)]
mod tests {
.with(\"test\", 3)
";
    let seen = members(&shipped(text));
    assert_eq!(seen.iter().collect::<Vec<_>>(), ["member", "on_lines"]);
}
