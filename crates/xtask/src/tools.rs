//! What must be installed, as data, and how it is installed where that may be done.

use crate::steps::run;
use anyhow::{Context, Result, bail};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use supervise::{say_if_heard, tell};

/// How to tell whether a tool is there.
pub(crate) enum Probe {
    /// Every one of these programs is on the path, or where Debian keeps servers.
    Programs(&'static [&'static str]),
    /// This library is where Debian keeps libraries, or those of an architecture.
    Library(&'static str),
    /// One of the Pythons can make virtual environments that have pip.
    PythonVenv,
}

/// Where a missing tool comes from.
pub(crate) enum Source {
    /// These Debian packages.
    Debian(&'static [&'static str]),
    /// A component of the Rust toolchain; it is named, not installed.
    RustComponent(&'static str),
}

/// Something that must be installed.
pub(crate) struct Tool {
    /// What it is, for people.
    pub(crate) name: &'static str,
    /// What it is needed for.
    pub(crate) needed_for: &'static str,
    probe: Probe,
    source: Source,
}

/// The browser, by its program.
pub(crate) const BROWSER: &str = "chromium";

/// What `cargo xtask check` needs.
pub(crate) const FOR_CHECK: &[Tool] = &[
    Tool {
        name: "rustfmt",
        needed_for: "the format check",
        probe: Probe::Programs(&["cargo-fmt", "rustfmt"]),
        source: Source::RustComponent("rustfmt"),
    },
    Tool {
        name: "clippy",
        needed_for: "the lints",
        probe: Probe::Programs(&["cargo-clippy"]),
        source: Source::RustComponent("clippy"),
    },
    Tool {
        name: "a C compiler",
        needed_for: "linking, and the embedded database",
        probe: Probe::Programs(&["cc"]),
        source: Source::Debian(&["gcc", "libc6-dev"]),
    },
];

/// What `cargo xtask test` needs beyond that. A tool that tests come to need is one more row.
pub(crate) const FOR_TEST: &[Tool] = &[
    Tool {
        name: "MariaDB",
        needed_for: "the tests on a database server, privately started",
        probe: Probe::Programs(&["mariadbd", "mariadb-install-db"]),
        source: Source::Debian(&["mariadb-server"]),
    },
    Tool {
        name: "Python 3 with venv and pip",
        needed_for: "the independent client and the check of XML against its schema",
        probe: Probe::PythonVenv,
        source: Source::Debian(&["python3", "python3-venv"]),
    },
    Tool {
        name: "Node with npm",
        needed_for: "the linters of the APIs' descriptions, and the driver of the browser",
        probe: Probe::Programs(&["node", "npm"]),
        source: Source::Debian(&["nodejs", "npm"]),
    },
    Tool {
        name: "Chromium",
        needed_for: "the operators' page in a real browser",
        probe: Probe::Programs(&[BROWSER]),
        source: Source::Debian(&["chromium"]),
    },
    Tool {
        name: "iproute2",
        needed_for: "the tests of links in a network of their own, as root",
        probe: Probe::Programs(&["ip"]),
        source: Source::Debian(&["iproute2"]),
    },
    Tool {
        name: "libfaketime",
        needed_for: "the tests of a bridge whose clock is stepped",
        probe: Probe::Library("faketime/libfaketime.so.1"),
        source: Source::Debian(&["libfaketime"]),
    },
];

/// Prometheus's own tool, by its program.
pub(crate) const PROMTOOL: &str = "promtool";

/// What `cargo xtask monitoring` needs.
pub(crate) const FOR_MONITORING: &[Tool] = &[Tool {
    name: "promtool",
    needed_for: "the alert rules, the dashboard and the names of the metrics",
    probe: Probe::Programs(&[PROMTOOL]),
    source: Source::Debian(&["prometheus"]),
}];

/// What `cargo xtask counts` needs beyond that of `check`.
pub(crate) const FOR_COUNTS: &[Tool] = &[Tool {
    name: "valgrind",
    needed_for: "counting instructions",
    probe: Probe::Programs(&["valgrind"]),
    source: Source::Debian(&["valgrind"]),
}];

/// What `cargo xtask fuzz` needs beyond that of `check`; cargo-fuzz itself comes from the registry.
pub(crate) const FOR_FUZZ: &[Tool] = &[Tool {
    name: "a C++ compiler",
    needed_for: "the fuzzer's engine",
    probe: Probe::Programs(&["c++"]),
    source: Source::Debian(&["g++"]),
}];

/// The path of a program, if it is on the path or where Debian keeps servers.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Whether a library is below `/usr/lib`, or below the folder of an architecture there.
fn has_library(name: &str) -> bool {
    let folder = Path::new("/usr/lib");
    let architectures = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders = architectures.map(|entry| entry.path()).chain([folder.to_owned()]);
    folders.any(|folder| folder.join(name).is_file())
}

/// A Python that can make virtual environments. The one on the path is preferred; Debian's own is
/// the other, for `python3-venv` serves no Python but Debian's.
pub(crate) fn python() -> Option<PathBuf> {
    let candidates = find("python3").into_iter().chain([PathBuf::from("/usr/bin/python3")]);
    candidates.into_iter().find(|python| {
        Command::new(python)
            .args(["-c", "import venv, ensurepip"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

/// Makes sure of the tools: does nothing where all are there, installs Debian packages as root, and
/// otherwise fails with a list of what is missing and the command that would bring it.
pub(crate) fn provide(tools: &[&[Tool]]) -> Result<()> {
    let missing = missing(tools);
    if missing.is_empty() {
        say_if_heard!("    everything is installed");
        return Ok(());
    }
    let packages = packages(&missing);
    if !packages.is_empty() && may_install() {
        say_if_heard!("    installing {}", packages.join(" "));
        install(&packages)?;
    }
    let missing = self::missing(tools);
    if missing.is_empty() { Ok(()) } else { bail!("{}", complaint(&missing)) }
}

fn missing<'t>(tools: &[&'t [Tool]]) -> Vec<&'t Tool> {
    let is_there = |tool: &Tool| match tool.probe {
        Probe::Programs(programs) => programs.iter().all(|program| find(program).is_some()),
        Probe::Library(name) => has_library(name),
        Probe::PythonVenv => python().is_some(),
    };
    tools.iter().flat_map(|list| list.iter()).filter(|tool| !is_there(tool)).collect()
}

fn packages(missing: &[&Tool]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for tool in missing {
        if let Source::Debian(names) = tool.source {
            packages.extend_from_slice(names);
        }
    }
    packages
}

fn complaint(missing: &[&Tool]) -> String {
    let lines = missing.iter().map(|tool| {
        let remedy = match tool.source {
            Source::Debian(names) => {
                format!("on Debian, as root: apt-get install {}", names.join(" "))
            }
            Source::RustComponent(name) => format!("rustup component add {name}"),
        };
        format!("\n  - {}, for {}; {remedy}", tool.name, tool.needed_for)
    });
    lines.fold(String::from("missing:"), |text, line| text + &line)
}

/// Only root on a system with apt may install.
fn may_install() -> bool {
    find("apt-get").is_some() && effective_user() == Some(0)
}

/// The number of the user that this process acts as. The file is the kernel's own.
pub(crate) fn effective_user() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn install(packages: &[&str]) -> Result<()> {
    let _no_services = NoServices::forbid(Path::new("/usr/sbin/policy-rc.d"))?;
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        command
    };
    run(apt_get().args(["-q", "update"])).context("the list of packages could not be fetched")?;
    run(apt_get().args(["-q", "install", "--yes", "--no-install-recommends"]).args(packages))
}

/// Keeps an installed server from being started as a service: the tests start their own, privately.
/// A policy that is there already is left as it is.
struct NoServices(Option<PathBuf>);

impl NoServices {
    fn forbid(policy: &Path) -> Result<NoServices> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(policy);
        match file {
            Ok(mut file) => {
                let forbidden = NoServices(Some(policy.to_owned()));
                // 101: the action is forbidden by policy (Debian's invoke-rc.d).
                file.write_all(b"#!/bin/sh\nexit 101\n")
                    .with_context(|| format!("{} could not be written", policy.display()))?;
                Ok(forbidden)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(NoServices(None)),
            Err(error) => {
                Err(error).with_context(|| format!("{} could not be made", policy.display()))
            }
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.0
            && let Err(error) = fs::remove_file(policy)
        {
            tell!("xtask: {} should be removed by hand: {error}", policy.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: &[Tool] = &[
        Tool {
            name: "a frobnicator",
            needed_for: "frobnication",
            probe: Probe::Programs(&["sh", "no-such-program"]),
            source: Source::Debian(&["frob", "frob-data"]),
        },
        Tool {
            name: "a shell",
            needed_for: "everything",
            probe: Probe::Programs(&["sh"]),
            source: Source::Debian(&["dash"]),
        },
        Tool {
            name: "libgadget",
            needed_for: "gadgets",
            probe: Probe::Library("gadget/libgadget.so.9"),
            source: Source::Debian(&["libgadget"]),
        },
        Tool {
            name: "gadget",
            needed_for: "gadgetry",
            probe: Probe::Programs(&["no-such-gadget"]),
            source: Source::RustComponent("gadget"),
        },
    ];

    #[test]
    fn what_is_missing_is_named_with_the_command_that_brings_it() {
        let missing = missing(&[ABSENT]);
        assert_eq!(packages(&missing), ["frob", "frob-data", "libgadget"]);
        assert_eq!(
            complaint(&missing),
            "missing:\n  \
             - a frobnicator, for frobnication; on Debian, as root: apt-get install frob frob-data\n  \
             - libgadget, for gadgets; on Debian, as root: apt-get install libgadget\n  \
             - gadget, for gadgetry; rustup component add gadget"
        );
    }

    #[test]
    fn a_policy_is_made_and_removed_and_another_is_left_alone() {
        let policy = std::env::temp_dir().join(format!("policy-{}", std::process::id()));
        let ours = NoServices::forbid(&policy).expect("it can be made");
        drop(NoServices::forbid(&policy).expect("there is one already"));
        assert!(policy.exists(), "the second did not make it, so it does not remove it");
        drop(ours);
        assert!(!policy.exists());
    }
}
