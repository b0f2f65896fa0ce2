//! `cargo xtask chaos`: builds what is killed, and what kills it, and runs that.

use crate::place::Place;
use crate::steps::{Steps, run};
use crate::tools;
use anyhow::Result;
use std::ffi::{OsStr, OsString};
use std::process::Command;
use supervise::say_if_heard;

/// What every change has to stand: two minutes on two cores.
pub(crate) const CYCLES_OF_CI: &str = "200";

/// As many cycles as one likes, on a fresh seed or a given one.
pub(crate) fn chaos(arguments: &[OsString]) -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("tools", || tools::provide(&[tools::FOR_CHECK, tools::FOR_TEST]))?;
    steps.step("chaos", || run_with(&place, arguments))?;
    say_if_heard!("\n==> passed");
    steps.summary();
    Ok(())
}

/// So many cycles, on a fresh seed, which is printed.
pub(crate) fn run_cycles(place: &Place, cycles: &str) -> Result<()> {
    run_with(place, &["--cycles", cycles])
}

fn run_with<A: AsRef<OsStr>>(place: &Place, arguments: &[A]) -> Result<()> {
    run(place.cargo().args(["build", "--workspace", "--bins"]))?;
    let mut chaos = Command::new(place.built("chaos"));
    run(chaos.current_dir(&place.root).args(arguments).env("COUNTER_BRIDGE_BIN", place.program()))
}
