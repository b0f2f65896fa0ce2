//! `cargo xtask release`: the program as it is handed out. It is built twice, in two folders that have not even the
//! length of their names in common, and both times it must be the same bytes: whoever has the commit can find out
//! that a program was made of it. The program names in itself what it is built of (`cargo audit bin` reads that), and
//! beside it lie a bill of materials and a checksum.

use crate::copy::copy_to;
use crate::place::{Place, cargo};
use crate::steps::{Steps, output, run};
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use supervise::say_if_heard;

/// The program, by its package and its name.
const PACKAGE: &str = "bridge";
const PROGRAM: &str = "counter-bridge";

/// Where the two builds are, below the target folder. The second is deep, so that a path that is left in the program
/// is of another length.
const HERE: &str = "release-1";
const ELSEWHERE: &str = "release-2/in/another/folder/whose/path/is/long";

/// What is installed for it, at the versions that were tried.
const AUDITABLE: &[&str] = &["install", "cargo-auditable", "--version", "0.7.7", "--locked"];
const CYCLONEDX: &[&str] = &["install", "cargo-cyclonedx", "--version", "0.5.9", "--locked"];

/// The section of the program in which the versions of its parts stand.
const PARTS: &[u8] = b".dep-v0";

/// Builds it twice, compares, and leaves everything in `target/handed-out`.
pub(crate) fn release() -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("tools", || provide(&place))?;
    let one = steps.step("build", || Build::at(&place, HERE)?.program())?;
    let other = steps.step("build elsewhere", || Build::at(&place, ELSEWHERE)?.program())?;
    steps.step("the same bytes", || same(&one, &other))?;
    let folder = place.target.join("handed-out");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    steps.step("bill of materials", || Build::at(&place, HERE)?.bill_of_materials(&folder))?;
    steps.step("checksum", || {
        fs::copy(&one, folder.join(PROGRAM)).context("the program could not be copied")?;
        let sum = output(Command::new("sha256sum").current_dir(&folder).arg(PROGRAM))?;
        fs::write(folder.join("SHA256SUMS"), sum).context("the checksum could not be written")
    })?;
    say_if_heard!("\n==> {} has program, bill of materials and checksum", folder.display());
    steps.summary();
    Ok(())
}

fn provide(place: &Place) -> Result<()> {
    tools::provide(&[tools::FOR_CHECK])?;
    for (program, install) in [("cargo-auditable", AUDITABLE), ("cargo-cyclonedx", CYCLONEDX)] {
        if tools::find(program).is_none() {
            run(place.cargo().args(install))
                .with_context(|| format!("{program} could not be installed"))?;
        }
    }
    Ok(())
}

/// One of the two builds.
struct Build {
    tree: PathBuf,
    target: PathBuf,
    /// When the commit was made, in seconds since 1970 UTC: the only time that may be in what is built.
    made_at: String,
}

impl Build {
    /// A copy of the repository below the target folder. What was built there before stays.
    fn at(place: &Place, folder: &str) -> Result<Build> {
        let folder = place.target.join(folder);
        let (tree, target) = (folder.join("tree"), folder.join("target"));
        fs::create_dir_all(&tree).with_context(|| tree.display().to_string())?;
        copy_to(&place.root, &tree)?;
        let log = ["log", "--max-count=1", "--format=%ct"];
        let made_at = output(Command::new("git").current_dir(&place.root).args(log))?;
        Ok(Build { tree, target, made_at: made_at.trim().to_owned() })
    }

    /// Builds what runs in production: without the demonstration, its counters and its load.
    fn program(&self) -> Result<PathBuf> {
        let build = ["auditable", "build", "--release", "--locked", "--no-default-features"];
        run(self.cargo().args(build).args(["--package", PACKAGE, "--bin", PROGRAM]))?;
        Ok(self.target.join("release").join(PROGRAM))
    }

    /// Cargo, so that nothing in what it builds tells where it was built, or when.
    fn cargo(&self) -> Command {
        let home = cargo_home();
        let folders = [(&self.tree, "."), (&self.target, "target"), (&home, "cargo")];
        let of_rust = folders.map(|(from, to)| mapped("--remap-path-prefix=", from, to));
        let of_c = folders.map(|(from, to)| mapped("-ffile-prefix-map=", from, to));
        let mut command = cargo();
        command
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_ENCODED_RUSTFLAGS", of_rust.join(&OsString::from("\u{1f}")))
            .env("CFLAGS", of_c.join(&OsString::from(" ")))
            .env("SOURCE_DATE_EPOCH", &self.made_at);
        command
    }

    /// What the program is built of, in the format of `CycloneDX`.
    fn bill_of_materials(&self, folder: &Path) -> Result<()> {
        let package = self.tree.join("crates").join(PACKAGE);
        let format = ["--format", "json", "--no-default-features", "--override-filename", "bill"];
        run(self
            .cargo()
            .args(["cyclonedx", "--manifest-path"])
            .arg(package.join("Cargo.toml"))
            .args(format))?;
        let bill = package.join("bill.json");
        let text = fs::read_to_string(&bill).with_context(|| bill.display().to_string())?;
        let read: serde_json::Value = serde_json::from_str(&text).context("it is no JSON")?;
        let parts = read["components"].as_array().map_or(0, Vec::len);
        ensure!(parts > 0, "the bill of materials has no parts");
        say_if_heard!("    {parts} parts");
        let name = format!("{PROGRAM}.cdx.json");
        fs::write(folder.join(name), text).context("the bill of materials could not be written")
    }
}

/// An option that has a compiler write another folder instead of this one.
fn mapped(option: &str, from: &Path, to: &str) -> OsString {
    let mut whole = OsString::from(option);
    whole.push(from);
    whole.push("=");
    whole.push(to);
    whole
}

/// Where cargo keeps the sources of dependencies.
fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    )
}

/// Whether two builds are the same program, with its parts named in it.
fn same(one: &Path, other: &Path) -> Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    let (first, second) = (read(one)?, read(other)?);
    let differing = first.iter().zip(&second).position(|(one, other)| one != other);
    ensure!(
        first == second,
        "{} ({} bytes) and {} ({} bytes) are not the same, from byte {} on",
        one.display(),
        first.len(),
        other.display(),
        second.len(),
        differing.unwrap_or(first.len().min(second.len())),
    );
    ensure!(first.windows(PARTS.len()).any(|bytes| bytes == PARTS), "it does not name its parts");
    say_if_heard!("    {} bytes", first.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_more_or_another_byte_is_another_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).expect("a file");
            path
        };
        let program = file("program", b"elf .dep-v0 code");
        assert!(same(&program, &file("same", b"elf .dep-v0 code")).is_ok());
        let told = |other: &Path| same(&program, other).expect_err("another").to_string();
        assert!(told(&file("byte", b"elf .dep-v0 c0de")).ends_with("from byte 13 on"));
        assert!(told(&file("longer", b"elf .dep-v0 code!")).ends_with("from byte 16 on"));
        let silent = file("silent", b"elf");
        assert!(same(&silent, &silent).is_err(), "its parts are not named");
    }

    #[test]
    fn folders_are_mapped_by_one_option_each() {
        let option = mapped("--remap-path-prefix=", Path::new("/a b/tree"), ".");
        assert_eq!(option, "--remap-path-prefix=/a b/tree=.");
    }
}
