//! Where everything is.

use crate::steps::{output, run};
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
        self.built("counter-bridge")
    }

    /// A program as it is built with everything else.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// Builds a program optimized, with every assertion.
    pub(crate) fn optimized(&self, name: &str) -> Result<PathBuf> {
        run(self.cargo().args(BUILD_OPTIMIZED).arg(name))?;
        Ok(self.target.join(PROFILE).join(name))
    }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The profile with which schedules are built, and whatever else a chore builds optimized for a test.
pub(crate) const PROFILE: &str = "simulation";

/// What runs schedules, as a program.
pub(crate) const SIMULATE: &str = "simulate";

/// What builds one of them, which is named behind: as a part of the whole, or each would have its dependencies
/// built once more, with the features that it alone asks for.
pub(crate) const BUILD_OPTIMIZED: [&str; 6] =
    ["build", "--quiet", "--profile", PROFILE, "--workspace", "--bin"];
