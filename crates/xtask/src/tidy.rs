//! What a reader trips over and no compiler sees: a rule that is cited and stands nowhere, a file that
//! belongs to nothing, one that has grown too long, words that mean nothing here.

#[cfg(test)]
mod tests {
    use crate::place::Place;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// A file that is longer has two nouns.
    const LONGEST: usize = 600;

    /// Names of documents that are not in this repository, and marks of what is unfinished.
    const BANNED: [&str; 7] =
        ["(LINKS", "of LINKS", "EVENTS.md", "TODO", "FIXME", "XXX:", "unimplemented!("];

    /// Crates with a library that nobody outside uses, so that no doc-test has to show how; and why.
    const WITHOUT_A_DOC_TEST: [(&str, &str); 4] = [
        ("crates/bench", "one function, which starts a bridge and two counters as processes"),
        ("crates/fuzzing", "a test itself: a fuzzer and a test of the crate call its functions"),
        ("crates/simulation", "a test itself: its own program and tests play its schedules"),
        ("tests", "what the tests of whole systems share, and nobody else"),
    ];

    /// Every file below a folder of the repository, but what is built.
    fn files(root: &Path, folder: &str, endings: &[&str]) -> Vec<PathBuf> {
        let (mut left, mut found) = (vec![root.join(folder)], Vec::new());
        while let Some(path) = left.pop() {
            if path.is_dir() {
                let name = path.file_name().unwrap_or_default();
                if name != "target" && name != "node_modules" {
                    let entries = fs::read_dir(&path).expect("a folder");
                    left.extend(entries.map(|entry| entry.expect("an entry").path()));
                }
            } else if endings.iter().any(|end| path.extension().is_some_and(|it| it == *end)) {
                found.push(path);
            }
        }
        found.sort();
        found
    }

    fn sources(root: &Path) -> Vec<PathBuf> {
        ["crates", "tests"].iter().flat_map(|folder| files(root, folder, &["rs"])).collect()
    }

    fn this(path: &Path) -> bool {
        path.ends_with("xtask/src/tidy.rs")
    }

    /// The numbers that follow each place of `word` in a text.
    fn numbers_after<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = (usize, u32)> + 'a {
        text.match_indices(word).filter_map(move |(at, _)| {
            let rest = &text[at + word.len()..];
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            Some((at, rest[..digits].parse().ok()?))
        })
    }

    #[test]
    fn every_rule_and_decision_that_is_cited_stands_in_the_repository() {
        let root = Place::find().expect("a workspace").root;
        let domain = fs::read_to_string(root.join("docs/DOMAIN.md")).expect("the domain");
        let sections: BTreeSet<u32> = numbers_after(&domain, "\n## ").map(|(_, it)| it).collect();
        let rules: BTreeSet<u32> = domain
            .lines()
            .filter_map(|line| line.split_once(". **").and_then(|(number, _)| number.parse().ok()))
            .collect();
        assert_eq!(rules, (1..=10).collect(), "the ten rules");
        let decisions: BTreeSet<u32> = files(&root, "docs/decisions", &["md"])
            .iter()
            .filter_map(|file| file.file_name()?.to_str()?.get(..4)?.parse().ok())
            .collect();
        let all = sources(&root).into_iter().chain(files(&root, "docs", &["md"]));
        for file in all.filter(|file| !this(file)) {
            let text = fs::read_to_string(&file).expect("a text");
            let cited = |word| numbers_after(&text, word).map(|(_, number)| number);
            for section in cited("DOMAIN §") {
                assert!(sections.contains(&section), "{}: DOMAIN §{section}", file.display());
            }
            for rule in ["(rule ", ", rule ", "§3 rule "].into_iter().flat_map(cited) {
                assert!(rules.contains(&rule), "{}: rule {rule}", file.display());
            }
            for decision in cited("decision ") {
                assert!(
                    decisions.contains(&decision),
                    "{}: decision {decision:04}",
                    file.display()
                );
            }
        }
    }

    /// Of every document, where it points at a file beside it.
    #[test]
    fn every_link_leads_somewhere() {
        let root = Place::find().expect("a workspace").root;
        let at_the_top = fs::read_dir(&root).expect("a folder").map(|it| it.expect("one").path());
        let at_the_top = at_the_top.filter(|it| it.extension().is_some_and(|it| it == "md"));
        for file in files(&root, "docs", &["md"]).into_iter().chain(at_the_top) {
            let text = fs::read_to_string(&file).expect("a text");
            let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
            for target in targets.filter(|it| !it.contains("://") && !it.starts_with('#')) {
                let path = target.split('#').next().unwrap_or_default();
                let there = file.parent().expect("a folder").join(path);
                assert!(there.exists(), "{}: {target}", file.display());
            }
        }
    }

    #[test]
    fn nothing_speaks_of_what_is_not_here() {
        let root = Place::find().expect("a workspace").root;
        let all = sources(&root).into_iter().chain(files(&root, "docs", &["md"]));
        for file in all.filter(|file| !this(file)) {
            let text = fs::read_to_string(&file).expect("a text");
            for word in BANNED {
                assert!(!text.contains(word), "{}: {word}", file.display());
            }
        }
    }

    /// Whether a documentation comment holds code that `cargo test` runs: fenced, and neither in another
    /// language nor kept from running.
    fn has_doc_test(source: &str) -> bool {
        let comments = source.lines().map(str::trim_start);
        let comments = comments
            .filter_map(|line| line.strip_prefix("//!").or_else(|| line.strip_prefix("///")));
        let mut is_open = false;
        comments.filter_map(|line| line.trim_start().strip_prefix("```")).any(|words| {
            is_open = !is_open;
            let runs = |word: &str| ["", "rust", "should_panic"].contains(&word.trim());
            is_open && words.split(',').all(runs)
        })
    }

    #[test]
    fn only_code_that_runs_is_a_doc_test() {
        for runs in ["```", "```rust", "```should_panic", " ```"] {
            assert!(
                has_doc_test(&format!("//! Words.\n//!\n//!{runs}\n//! x();\n//! ```")),
                "{runs}"
            );
            assert!(has_doc_test(&format!("    ///{runs}\n    /// x();\n    /// ```")), "{runs}");
            assert!(!has_doc_test(&format!("//{runs}\n// x();\n// ```")), "{runs}");
        }
        for other in ["```text", "```toml", "```no_run", "```ignore", "```rust,compile_fail"] {
            assert!(!has_doc_test(&format!("//! {other}\n//! x();\n//! ```")), "{other}");
            assert!(has_doc_test(&format!("//! {other}\n//! ```\n//! ```\n//! ```")), "{other}");
        }
    }

    /// The first thing that a reader of a crate's documentation wants is how it is used; code in it that
    /// nobody runs would soon be wrong.
    #[test]
    fn each_library_shows_in_code_that_runs_what_it_is_for() {
        let root = Place::find().expect("a workspace").root;
        let crates = fs::read_dir(root.join("crates")).expect("a folder");
        let folders = crates.map(|it| it.expect("one").path()).chain([root.join("tests")]);
        let silent: BTreeSet<String> = folders
            .filter(|folder| folder.join("src/lib.rs").exists())
            .map(|folder| folder.strip_prefix(&root).expect("below it").display().to_string())
            .filter(|folder| {
                let manifest = root.join(folder).join("Cargo.toml");
                let manifest = fs::read_to_string(manifest).expect("a manifest");
                let shows =
                    |file: &PathBuf| has_doc_test(&fs::read_to_string(file).expect("a text"));
                manifest.contains("doctest = false")
                    || !files(&root, &format!("{folder}/src"), &["rs"]).iter().any(shows)
            })
            .collect();
        let excepted = WITHOUT_A_DOC_TEST.map(|(folder, _)| folder.to_owned());
        assert_eq!(silent, BTreeSet::from(excepted), "crates without a doc-test, and exceptions");
    }

    #[test]
    fn no_file_is_longer_than_a_reader_bears() {
        let root = Place::find().expect("a workspace").root;
        let long: Vec<String> = sources(&root)
            .into_iter()
            .filter_map(|file| {
                let lines = fs::read_to_string(&file).expect("a text").lines().count();
                (lines > LONGEST).then(|| format!("{} has {lines} lines", file.display()))
            })
            .collect();
        assert!(long.is_empty(), "{long:#?}");
    }

    /// What runs a bridge asks the registry of dialects; what tries or measures one may name it.
    #[test]
    fn whoever_runs_a_bridge_names_no_dialect() {
        let root = Place::find().expect("a workspace").root;
        for name in ["api", "bridge", "coordinator", "link", "ops", "port", "simulator", "store"] {
            for file in files(&root, &format!("crates/{name}/src"), &["rs"]) {
                let is_of_tests = file.components().any(|part| part.as_os_str() == "tests")
                    || ["tests.rs", "testing.rs", "lone.rs"].iter().any(|it| file.ends_with(it));
                let text = fs::read_to_string(&file).expect("a text");
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                for dialect in ["Dialect::Securities", "Dialect::Futures"] {
                    assert!(is_of_tests || !code.contains(dialect), "{}", file.display());
                }
            }
        }
    }

    /// A file that no module names is compiled by nobody.
    #[test]
    fn every_file_belongs_to_a_module() {
        let root = Place::find().expect("a workspace").root;
        for file in sources(&root) {
            let (folder, name) = (file.parent().expect("a folder"), file.file_stem());
            let name = name.and_then(|name| name.to_str()).expect("a name");
            let is_root = ["main", "lib", "build"].contains(&name)
                || ["bin", "tests", "examples", "benches", "targets"]
                    .iter()
                    .any(|kind| folder.ends_with(kind) && !folder.ends_with("src/tests"));
            let is_below_sources = folder.components().any(|part| part.as_os_str() == "src");
            if is_root && !(is_below_sources && folder.ends_with("tests")) {
                continue;
            }
            let (of, above) = if name == "mod" {
                (folder.file_name(), folder.parent().expect("a folder"))
            } else {
                (file.file_stem(), folder)
            };
            let of = of.and_then(|name| name.to_str()).expect("a name");
            let beside = fs::read_dir(above).expect("a folder").map(|it| it.expect("one").path());
            let parents = beside.filter(|it| it.is_file()).chain([above.with_extension("rs")]);
            let named = parents.filter_map(|parent| fs::read_to_string(parent).ok()).any(|text| {
                text.lines().any(|line| {
                    let line = line.trim_end_matches(';').trim_end_matches(" {");
                    line.ends_with(&format!("mod {of}"))
                })
            });
            assert!(named, "no module names {}", file.display());
        }
    }
}
