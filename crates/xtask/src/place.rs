//! Where everything is.

use crate::steps::output;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// Where the repository and its target folder are.
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Place {
    /// Where the packages of Node are.
    pub(crate) fn node(&self) -> PathBuf {
        self.target.join("node")
    }

    pub(crate) fn find() -> Result<Place> {
        let metadata = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&metadata).context("`cargo metadata` did not write JSON")?;
        let folder = |name: &str| {
            metadata[name].as_str().map(PathBuf::from).with_context(|| format!("no `{name}`"))
        };
        Ok(Place { root: folder("workspace_root")?, target: folder("target_directory")? })
    }

    /// Cargo, at the root of the repository.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }

    /// The built program under test.
    pub(crate) fn program(&self) -> PathBuf {
        self.target.join("debug").join("counter-bridge")
    }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The profile with which schedules are built, and whatever else a chore builds optimized for a test.
pub(crate) const PROFILE: &str = "simulation";
