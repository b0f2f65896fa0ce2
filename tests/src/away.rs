//! A network of its own behind a link that can be cut, one way or both: what is sent that way then
//! reaches nobody, and nobody says so.

use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Nobody's address on the wire.
const NOBODY: &str = "02:00:00:00:00:99";

/// Networks made by this process.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Which way a link is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing reaches the other side; what it says is heard.
    There,
    /// Nothing that the other side says is heard; what is sent to it arrives.
    Back,
}

/// The network; removed when dropped.
#[derive(Debug)]
pub struct Away {
    name: String,
    here: String,
    there: String,
}

impl Away {
    /// Whether one can be made: by root only.
    pub fn is_possible() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Makes one.
    pub fn new() -> Result<Away> {
        let number = std::process::id().wrapping_mul(16) + MADE.fetch_add(1, Ordering::Relaxed);
        let number = number % 50_000;
        let (high, low) = (number / 250 + 20, number % 250);
        let away = Away {
            name: format!("cb{number}"),
            here: format!("10.{high}.{low}.1"),
            there: format!("10.{high}.{low}.2"),
        };
        let Away { name, here, there } = &away;
        for line in [
            format!("netns add {name}"),
            format!("link add {name}a type veth peer name {name}b netns {name}"),
            format!("address add {here}/30 dev {name}a"),
            format!("link set {name}a up"),
            format!("-n {name} address add {there}/30 dev {name}b"),
            format!("-n {name} link set {name}b up"),
        ] {
            ip(&line)?;
        }
        Ok(away)
    }

    /// The address on the other side.
    pub fn there(&self) -> &str {
        &self.there
    }

    /// From now on nothing goes that way.
    pub fn cut(&self, way: Way) -> Result<()> {
        let Away { name, here, there } = self;
        match way {
            Way::There => {
                ip(&format!("neigh replace {there} lladdr {NOBODY} dev {name}a nud permanent"))
            }
            Way::Back => ip(&format!(
                "-n {name} neigh replace {here} lladdr {NOBODY} dev {name}b nud permanent"
            )),
        }
    }

    /// What was cut that way is whole again.
    pub fn mend(&self, way: Way) -> Result<()> {
        let Away { name, here, there } = self;
        match way {
            Way::There => ip(&format!("neigh del {there} dev {name}a")),
            Way::Back => ip(&format!("-n {name} neigh del {here} dev {name}b")),
        }
    }

    /// What `ip` has to be told to run a program there; its arguments follow.
    pub fn run(&self, program: &Path) -> Vec<OsString> {
        let words = ["netns", "exec", &self.name].map(OsString::from);
        words.into_iter().chain([program.as_os_str().to_owned()]).collect()
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // What cannot be removed has a name that says whose it was.
        let _ = ip(&format!("netns delete {}", self.name));
    }
}

fn ip(line: &str) -> Result<()> {
    let output = std::process::Command::new("ip")
        .args(line.split_whitespace())
        .output()
        .context("`ip` (of iproute2) could not be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`ip {line}`: {said}");
    Ok(())
}
