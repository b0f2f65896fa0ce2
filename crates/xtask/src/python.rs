//! The Python of the tests: a virtual environment with the pinned requirements and nothing else.

use crate::steps::run;
use crate::tools;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use supervise::say_if_heard;

/// Makes the environment in `folder`, or takes the one that is there if it was made complete, from
/// the same requirements. Gives the path of its Python.
pub(crate) fn environment(folder: &Path, requirements: &Path) -> Result<PathBuf> {
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("{} could not be read", requirements.display()))?;
    // Written last, so that its presence says that the environment is complete.
    let seal = folder.join("requirements.txt");
    let python = folder.join("bin/python");
    if python.exists() && fs::read_to_string(&seal).is_ok_and(|sealed| sealed == wanted) {
        say_if_heard!("    taken as it is: the requirements are the same");
        return Ok(python);
    }
    let base = tools::python().context("no Python with venv and pip")?;
    run(Command::new(base).args(["-m", "venv", "--clear"]).arg(folder))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements))?;
    fs::write(&seal, wanted).with_context(|| format!("{} could not be written", seal.display()))?;
    Ok(python)
}
