//! `cargo xtask mutants`: cargo-mutants changes the code in every small way that it knows, and the
//! tests of the crate have to notice each. What is the same program in other words is listed, with
//! the reason, in `.cargo/mutants.toml`.

use crate::chores::Place;
use crate::steps::{Steps, output, run};
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use supervise::say_if_heard;

/// The crates whose rules are worth it, in the order of what they decide.
const CRATES: [&str; 6] = ["domain", "store", "coordinator", "link", "wire", "api"];

/// What installs the tool, at the version that was tried.
const INSTALL: &[&str] = &["install", "cargo-mutants", "--version", VERSION, "--locked"];
const VERSION: &str = "27.1.0";

/// What is mutated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Only this crate.
    pub(crate) package: Option<String>,
    /// Only lines that the work on this branch has changed.
    pub(crate) changed: bool,
    /// Only so many-th part of all, such as `0/4`.
    pub(crate) shard: Option<String>,
}

/// Mutates; fails if something is missed that is not listed.
pub(crate) fn mutants(wanted: &Wanted) -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("tools", || {
        tools::provide(&[tools::FOR_CHECK])?;
        if tools::find("cargo-mutants").is_none() {
            run(place.cargo().args(INSTALL)).context("cargo-mutants could not be installed")?;
        }
        Ok(())
    })?;
    let folder = place.target.join("mutants");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let changes = if wanted.changed {
        let diff = steps.step("what has changed", || what_has_changed(&place))?;
        if diff.trim().is_empty() {
            say_if_heard!("\n==> nothing has changed");
            return Ok(());
        }
        let file = folder.join("changes.diff");
        fs::write(&file, diff).with_context(|| format!("{} cannot be made", file.display()))?;
        Some(file)
    } else {
        None
    };
    let arguments = arguments(wanted, &folder, changes.as_deref());
    steps.step("mutants", || run(place.cargo().arg("mutants").args(&arguments)))?;
    say_if_heard!("\n==> passed");
    steps.summary();
    Ok(())
}

/// What differs from where this branch left the main one, work that is not committed included.
fn what_has_changed(place: &Place) -> Result<String> {
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.current_dir(&place.root).args(arguments);
        output(&mut git)
    };
    let base = git(&["merge-base", "HEAD", "origin/main"])
        .or_else(|_| git(&["merge-base", "HEAD", "main"]))
        .context("where this branch began is not known")?;
    git(&["diff", base.trim(), "--", "crates"])
}

fn arguments(wanted: &Wanted, folder: &Path, changes: Option<&Path>) -> Vec<String> {
    let mut arguments = vec![
        "--output".to_owned(),
        folder.display().to_string(),
        // One at a time: what the tests measure would be slower beside another.
        "--jobs=1".to_owned(),
    ];
    match &wanted.package {
        Some(package) => arguments.push(format!("--package={package}")),
        None => arguments.extend(CRATES.map(|name| format!("--package={name}"))),
    }
    if let Some(changes) = changes {
        arguments.push(format!("--in-diff={}", changes.display()));
    }
    if let Some(shard) = &wanted.shard {
        arguments.push(format!("--shard={shard}"));
    }
    arguments
}

/// `K/N`, of which K counts from 0.
pub(crate) fn shard(text: &str) -> Result<String> {
    let parts = text.split_once('/');
    let numbers = parts.and_then(|(part, of)| Some((part.parse::<u16>().ok()?, of.parse().ok()?)));
    let fits = numbers.is_some_and(|(part, of)| part < of);
    ensure!(fits, "must be K/N with K from 0 to N-1, not {text:?}");
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_one_of_so_many() {
        for good in ["0/1", "0/4", "3/4"] {
            assert_eq!(shard(good).expect(good), good);
        }
        for bad in ["", "1", "4/4", "-1/4", "a/b", "1/0"] {
            assert!(shard(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_tool_is_told_what_is_wanted() {
        let everything = Wanted { package: None, changed: false, shard: None };
        let told = arguments(&everything, Path::new("out"), None).join(" ");
        assert!(told.contains("--package=domain") && told.contains("--package=api"), "{told}");
        let part = Wanted {
            package: Some("store".to_owned()),
            changed: true,
            shard: Some("1/4".to_owned()),
        };
        let told = arguments(&part, Path::new("out"), Some(Path::new("d.diff"))).join(" ");
        assert_eq!(told, "--output out --jobs=1 --package=store --in-diff=d.diff --shard=1/4");
    }
}
