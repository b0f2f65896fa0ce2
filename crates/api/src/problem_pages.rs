//! Every problem has its page in `docs/errors/`, and no page speaks of a problem that nobody has.
//! What can be answered is read from this crate's own source, so that a new refusal fails here
//! until it is explained.

use crate::auth;
use http::StatusCode;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the code says of one kind of problem.
#[derive(Debug, Default)]
struct Kind {
    /// One, or the same word would mean two things.
    statuses: BTreeSet<u16>,
    titles: BTreeSet<String>,
}

/// What is found in the source: kinds by their slugs, and the names of extension members.
#[derive(Debug, Default)]
struct Found {
    kinds: BTreeMap<String, Kind>,
    /// Slugs that also go with a status that is only known when it happens.
    elsewhere: BTreeSet<String>,
    members: BTreeSet<String>,
}

impl Found {
    fn add(&mut self, status: u16, slug: &str, title: &str) {
        let kind = self.kinds.entry(slug.to_owned()).or_default();
        kind.statuses.insert(status);
        kind.titles.insert(title.to_owned());
    }

    /// Everything that the crate can answer.
    fn of_this_crate() -> Found {
        let mut found = Found::default();
        for kind in auth::KINDS {
            found.add(kind.status.as_u16(), kind.slug, kind.title);
        }
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a source file");
            found.scan(&file, &shipped(&text));
        }
        for slug in &found.elsewhere {
            assert!(found.kinds.contains_key(slug), "{slug} has no status of its own");
        }
        found
    }

    /// Takes every `(StatusCode::NAME, "slug", "title")`, as arguments or as a tuple, and makes
    /// sure that no `Problem::new` is written in a way that this does not see.
    fn scan(&mut self, file: &Path, text: &str) {
        let mut tuples = 0;
        for rest in after(text, "(") {
            if let Some((status, slug, title)) = triple(rest) {
                self.add(status, slug, title);
                tuples += 1;
            }
        }
        for arguments in after(text, "Problem::new(") {
            let line = arguments.trim_start();
            let literal = line.strip_prefix("status,").and_then(string);
            if let Some((slug, _)) = literal {
                self.elsewhere.insert(slug.to_owned());
            } else if line.starts_with("status, slug, title)") {
                assert!(tuples > 0, "{}: no status, slug and title", file.display());
            } else {
                let kind = line.starts_with("kind.status, kind.slug, kind.title)");
                let start: String = line.chars().take(80).collect();
                assert!(kind || triple(line).is_some(), "{}: {start}", file.display());
            }
        }
        for rest in after(text, ".with(") {
            if let Some((member, _)) = string(rest) {
                self.members.insert(member.to_owned());
            }
        }
    }
}

/// What follows each occurrence of `word`.
fn after<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(word).map(move |(at, _)| &text[at + word.len()..])
}

/// `StatusCode::NAME, "slug", "title"`, and nothing more.
fn triple(text: &str) -> Option<(u16, &str, &str)> {
    let text = text.trim_start().strip_prefix("StatusCode::")?;
    let (name, text) = text.split_once(',')?;
    let (slug, text) = string(text)?;
    let (title, text) = string(text.trim_start().strip_prefix(',')?)?;
    let end = text.trim_start();
    end.strip_prefix(',').unwrap_or(end).trim_start().strip_prefix(')')?;
    Some((number(name), slug, title))
}

/// A string without escapes, and what follows it.
fn string(text: &str) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix('"')?.split_once('"')
}

/// The number of a [`StatusCode`]'s constant: its name is its reason phrase.
fn number(name: &str) -> u16 {
    (400..600)
        .filter_map(|number| StatusCode::from_u16(number).ok())
        .find(|status| {
            let reason = status.canonical_reason().unwrap_or_default();
            reason.to_ascii_uppercase().replace([' ', '-'], "_") == name
        })
        .unwrap_or_else(|| panic!("{name} is no status of a refusal"))
        .as_u16()
}

/// All source files but tests.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().unwrap_or_default();
        if stem == "tests" || stem == "problem_pages" {
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
fn check_page(slug: &str, kind: &Kind, members: &BTreeSet<String>) {
    let page = page(&format!("{slug}.md"));
    let status = *kind.statuses.first().expect("a status");
    assert_eq!(kind.statuses.len(), 1, "{slug} is answered with {:?}", kind.statuses);
    let heading = format!("# {status} `{slug}`");
    assert_eq!(page.lines().next(), Some(heading.as_str()));
    for title in &kind.titles {
        assert!(page.contains(title), "{slug} does not say its title: {title}");
    }
    for part in ["**Means.** ", "**Do.** ", "**Members.** "] {
        assert_eq!(page.matches(part).count(), 1, "{slug}: {part}");
    }
    let fate = "| request | recorded | idempotency key | money |\n|---|---|---|---|\n| ";
    assert!(page.contains(fate), "{slug} does not say what was done and what was not");

    let example = example(slug, &page);
    assert_eq!(example["type"], format!("/errors/{slug}"));
    assert_eq!(example["status"], status, "{slug}");
    let title = example["title"].as_str().unwrap_or_default();
    assert!(kind.titles.contains(title), "{slug}: {title}");
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
    let found = Found::of_this_crate();
    assert!(found.kinds.len() > auth::KINDS.len(), "the scan finds problems outside `auth` too");
    for (slug, kind) in &found.kinds {
        check_page(slug, kind, &found.members);
    }
    for member in &found.members {
        let explained = |slug: &String| {
            let page = page(&format!("{slug}.md"));
            let (_, members) = page.split_once("**Members.** ").expect("checked above");
            members.contains(&format!("`{member}`"))
        };
        assert!(found.kinds.keys().any(explained), "no page explains the member {member}");
    }
}

#[test]
fn every_page_has_its_problem() {
    let found = Found::of_this_crate();
    for entry in std::fs::read_dir(errors()).expect("docs/errors") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        let slug = name.strip_suffix(".md").unwrap_or_else(|| panic!("{name} is no page"));
        let known = slug == "README" || found.kinds.contains_key(slug);
        assert!(known, "docs/errors/{name} explains what nothing answers");
    }
}

#[test]
fn the_index_lists_every_problem_by_status() {
    let found = Found::of_this_crate();
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
    let mut expected: Vec<(u16, String)> = Vec::new();
    for (slug, kind) in &found.kinds {
        expected.extend(kind.statuses.iter().map(|status| (*status, slug.clone())));
    }
    expected.sort();
    assert_eq!(rows, expected);
}

#[test]
fn the_scan_sees_what_it_should() {
    let mut found = Found::default();
    let text = "\
// Problem::new(StatusCode::GONE, \"a_comment\", \"Not seen\")
Problem::new(StatusCode::CONFLICT, \"one\", \"One\").with(\"member\", 1.into());
Problem::new(
    StatusCode::PAYLOAD_TOO_LARGE,
    \"two\",
    \"Two, on lines\",
)
let (status, slug, title) = (StatusCode::BAD_REQUEST, \"three\", \"Three\");
Problem::new(status, slug, title);
Problem::new(status, \"two\", \"Two\");
#[cfg(test)]
mod tests {
Problem::new(StatusCode::GONE, \"a_test\", \"Not seen\")
";
    found.scan(Path::new("here"), &shipped(text));
    let kinds: Vec<(&str, u16)> = found
        .kinds
        .iter()
        .flat_map(|(slug, kind)| kind.statuses.iter().map(|status| (slug.as_str(), *status)))
        .collect();
    assert_eq!(kinds, [("one", 409), ("three", 400), ("two", 413)]);
    assert!(found.elsewhere.contains("two") && found.members.contains("member"));
    assert!(found.kinds["two"].titles.contains("Two, on lines"));
}

#[test]
#[should_panic(expected = "here: which")]
fn what_the_scan_cannot_see_is_an_error() {
    Found::default().scan(Path::new("here"), "Problem::new(which, one, that)");
}
