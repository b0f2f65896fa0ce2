//! The licenses of what is linked into a program: each lets it be handed out if its text goes with it.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// How `cargo tree` lists the parts: name and version on a line each, without a tree.
pub(super) const OF_TREE: [&str; 4] = ["--prefix", "none", "--format", "{p}"];

/// How the names of files begin that have a license, or what it wants to be told.
const FILES: [&str; 6] = ["license", "licence", "copying", "copyright", "notice", "unlicense"];

/// One text: each part with the expression of its license, then each text once, with whose it is.
pub(super) fn of(parts: &str, metadata: &str) -> Result<String> {
    let metadata: Value = serde_json::from_str(metadata).context("it is no JSON")?;
    let packages = metadata["packages"].as_array().context("it names no packages")?;
    let mut whole = String::from("What this program is built of, and the licenses of it.\n\n");
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, version) in named(parts) {
        let package = packages
            .iter()
            .find(|package| package["name"] == *name && package["version"] == *version)
            .with_context(|| format!("{name} {version} is in the tree and not in the metadata"))?;
        let license = package["license"].as_str().unwrap_or("see its text");
        writeln!(whole, "{name} {version}: {license}")?;
        let manifest = package["manifest_path"].as_str().context("a package without a manifest")?;
        let folder = Path::new(manifest).parent().context("a manifest without a folder")?;
        let its = texts_in(folder)?;
        ensure!(
            !its.is_empty() || package["license"].is_string(),
            "{name} {version} has neither a license nor a text of one"
        );
        for text in its {
            texts.entry(text).or_default().push(format!("{name} {version}"));
        }
    }
    for (text, whose) in texts {
        write!(whole, "\n{}\n\nOf {}:\n\n{text}\n", "=".repeat(80), whose.join(", "))?;
    }
    Ok(whole)
}

/// Names and versions out of lines such as `bytes v1.12.1` and `domain v0.1.0 (/path)`.
fn named(parts: &str) -> BTreeSet<(&str, &str)> {
    parts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect()
}

fn texts_in(folder: &Path) -> Result<BTreeSet<String>> {
    let mut texts = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_file() && FILES.iter().any(|begin| name.starts_with(begin)) {
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            texts.insert(String::from_utf8_lossy(&bytes).trim().to_owned());
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_text_stands_once_and_each_part_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let package = |name: &str, license: Option<&str>| {
            let folder = folder.path().join(name);
            fs::create_dir(&folder).expect("a folder");
            let manifest = folder.join("Cargo.toml");
            json!({"name": name, "version": "1.0.0", "license": license, "manifest_path": manifest})
        };
        let packages = [package("one", Some("MIT")), package("two", None), package("no", None)];
        let metadata = json!({"packages": packages}).to_string();
        for name in ["one", "two"] {
            let path = folder.path().join(name).join("LICENSE-MIT");
            fs::write(path, "Permission is hereby granted\n").expect("a file");
        }
        let parts = "two v1.0.0\none v1.0.0 (/folder)\none v1.0.0 (/folder) (*)\n\n";
        let text = of(parts, &metadata).expect("it is written");
        assert!(text.contains("\none 1.0.0: MIT\ntwo 1.0.0: see its text\n"), "{text}");
        assert!(text.contains("Of one 1.0.0, two 1.0.0:\n"), "{text}");
        assert_eq!(text.matches("Permission is hereby granted").count(), 1);
        assert!(of("no v1.0.0", &metadata).is_err(), "nobody says that it may be handed out");
        assert!(of("other v1.0.0", &metadata).is_err(), "it is not known");
    }
}
