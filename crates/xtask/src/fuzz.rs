//! `cargo xtask fuzz`: the targets of the crate `fuzzing`, under cargo-fuzz in the workspace `tests/fuzz/`,
//! one after the other, each from its small corpus. What a run finds beyond that corpus is kept in
//! the target folder; a crash is kept where its message says, and fails the chore. A short run of
//! the same targets without cargo-fuzz is a test of that crate.

use crate::place::Place;
use crate::steps::{Steps, run};
use crate::tools;
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::Command;
use supervise::say_if_heard;

/// The targets, and the longest input of each in bytes.
const TARGETS: &[(&str, u32)] = &[
    ("securities", 4096),
    ("futures", 8192),
    ("conversing_securities", 4096),
    ("conversing_futures", 8192),
    ("accepting_securities", 4096),
    ("accepting_futures", 8192),
    ("signature", 2048),
    ("configuration", 4096),
];

/// An input that takes longer hangs, in seconds.
const HANGS_AFTER: u32 = 10;

/// More memory than this at once is unbounded, in MiB.
const MOST_MEMORY: u32 = 512;

/// What installs the tool, at the version that was tried.
const INSTALL: &[&str] = &["install", "cargo-fuzz", "--version", "0.13.2", "--locked"];

/// Runs each target, or one of them, for so many seconds.
pub(crate) fn fuzz(seconds: u32, only: Option<&str>) -> Result<()> {
    let targets: Vec<_> =
        TARGETS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if targets.is_empty() {
        let names = TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        bail!("there is no target {:?}; there are {names}", only.unwrap_or_default());
    }
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("tools", || {
        tools::provide(&[tools::FOR_CHECK, tools::FOR_FUZZ])?;
        if tools::find("cargo-fuzz").is_none() {
            run(place.cargo().args(INSTALL)).context("cargo-fuzz could not be installed")?;
        }
        Ok(())
    })?;
    steps.step("build", || run(cargo_fuzz(&place, "build").args(["--sanitizer", "none"])))?;
    for (name, longest) in targets {
        steps.step(name, || run_target(&place, name, *longest, seconds))?;
    }
    say_if_heard!("\n==> passed");
    steps.summary();
    Ok(())
}

fn run_target(place: &Place, name: &str, longest: u32, seconds: u32) -> Result<()> {
    let found = place.target.join("fuzz-corpus").join(name);
    fs::create_dir_all(&found).with_context(|| format!("{} cannot be made", found.display()))?;
    let mut target = cargo_fuzz(place, "run");
    target.args(["--sanitizer", "none", name]);
    // New inputs go into the first folder; the corpus that is kept stays as it is.
    target.arg(&found).arg(place.root.join("tests/fuzz/corpus").join(name)).arg("--");
    target.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={longest}"),
        format!("-timeout={HANGS_AFTER}"),
        format!("-rss_limit_mb={MOST_MEMORY}"),
        String::from("-print_final_stats=1"),
    ]);
    run(&mut target)
}

/// cargo-fuzz at its workspace. The code has no `unsafe` of its own, so no sanitizer is needed; what
/// marks the covered branches is still called unstable.
fn cargo_fuzz(place: &Place, what: &str) -> Command {
    let mut command = place.cargo();
    command.env("RUSTC_BOOTSTRAP", "1").args(["fuzz", what, "--fuzz-dir", "tests/fuzz"]);
    command
}
