//! `cargo xtask bench-link`: builds what measures long connections, and runs it. What it prints on
//! standard output is one JSON document.

use crate::place::Place;
use crate::steps::run;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::process::Command;
use supervise::say_if_heard;

/// All figures, or those that the arguments name, as an optimized program.
pub(crate) fn bench_link(arguments: &[OsString]) -> Result<()> {
    let place = Place::find()?;
    run(place.cargo().args(["build", "--quiet", "--release", "--package", "link-bench"]))?;
    run(Command::new(place.target.join("release").join("link-bench")).args(arguments))
}

/// Everything small and as it was built for the tests: fails on errors, not on missed targets, for
/// machines differ.
pub(crate) fn works(place: &Place) -> Result<()> {
    let program = place.target.join("debug").join("link-bench");
    let said = crate::steps::output(Command::new(program).arg("--quick"))?;
    let document: serde_json::Value =
        serde_json::from_str(&said).context("`link-bench` did not write JSON")?;
    let figures = document["figures"].as_array().context("no figures")?;
    say_if_heard!("    {} figures, missed: {}", figures.len(), document["missed"]);
    Ok(())
}
