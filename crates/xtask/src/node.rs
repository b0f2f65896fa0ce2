//! The Node of the tests: the pinned packages and nothing else, none of whose scripts ran when they were
//! installed.

use crate::steps::run;
use crate::tools;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use supervise::say_if_heard;

/// What says which packages are wanted, and exactly which they are.
const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];

/// Installs the packages that `wanted` names in `folder`, or takes those that are there if they were
/// installed whole, from the same lists. Gives the folder of their programs.
pub(crate) fn packages(folder: &Path, wanted: &Path) -> Result<PathBuf> {
    let programs = folder.join("node_modules/.bin");
    // Written last, so that its presence says that all is there.
    let seal = folder.join("installed");
    let mut lists = String::new();
    for name in MANIFESTS {
        let file = wanted.join(name);
        lists += &fs::read_to_string(&file)
            .with_context(|| format!("{} could not be read", file.display()))?;
    }
    if programs.exists() && fs::read_to_string(&seal).is_ok_and(|sealed| sealed == lists) {
        say_if_heard!("    taken as they are: the lists are the same");
        return Ok(programs);
    }
    fs::create_dir_all(folder)
        .with_context(|| format!("{} could not be made", folder.display()))?;
    for name in MANIFESTS {
        fs::copy(wanted.join(name), folder.join(name))
            .with_context(|| format!("{name} could not be copied"))?;
    }
    // From here on what is there is neither what it was nor what it will be.
    if let Err(error) = fs::remove_file(&seal)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error).with_context(|| format!("{} could not be removed", seal.display()));
    }
    let npm = tools::find("npm").context("no npm")?;
    run(Command::new(npm).current_dir(folder).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]))?;
    fs::write(&seal, lists).with_context(|| format!("{} could not be written", seal.display()))?;
    Ok(programs)
}

/// Holds `OpenAPI` descriptions against what two linters know of good ones; what either calls an error
/// is one.
pub(crate) fn lint(programs: &Path, root: &Path, descriptions: &[&str]) -> Result<()> {
    // Neither asks anybody whether there is a newer one of it.
    let linter = |name: &str| {
        let mut linter = Command::new(programs.join(name));
        linter.current_dir(root).env("REDOCLY_TELEMETRY", "off").env("CI", "true");
        linter
    };
    run(linter("redocly").args(["lint", "--format=stylish"]).args(descriptions))?;
    run(linter("spectral")
        .args(["lint", "--quiet", "--fail-severity=error", "--ruleset=tests/node/spectral.yaml"])
        .args(descriptions))
}
