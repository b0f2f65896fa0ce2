//! `cargo xtask release`: the program as it is handed out. It is built twice of one commit, in two folders that have not
//! even the length of their names in common, and both times it must be the same bytes: whoever has the commit and the
//! compiler can find out that a program was made of it. The program names in itself what it is built of (`cargo audit bin`
//! reads that), and beside it lie a bill of materials, the licenses of all parts, and checksums.

mod licenses;

use crate::place::{Place, cargo};
use crate::steps::{Steps, output, run};
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::env;
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
const INSTALLED: [[&str; 2]; 2] = [["cargo-auditable", "0.7.7"], ["cargo-cyclonedx", "0.5.9"]];

/// The section of the program in which the versions of its parts stand.
const PARTS: &[u8] = b".dep-v0";

/// What runs in production: without the demonstration, its counters and its load.
const FEATURES: &str = "--no-default-features";

/// Builds it twice, compares, and leaves everything in `target/handed-out`.
pub(crate) fn release() -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("nothing that is not committed", || is_committed(&place.root))?;
    steps.step("tools", || provide(&place))?;
    // Both are of this one, whatever is committed meanwhile.
    let head = ["rev-parse", "HEAD"];
    let commit = output(Command::new("git").current_dir(&place.root).args(head))?;
    let build = Build::at(&place, commit.trim(), HERE)?;
    let one = steps.step("build", || build.program())?;
    let elsewhere = || Build::at(&place, commit.trim(), ELSEWHERE)?.program();
    let other = steps.step("build elsewhere", elsewhere)?;
    steps.step("the same bytes", || same(&one, &other))?;
    let folder = empty(place.target.join("handed-out"))?;
    steps.step("bill of materials", || build.bill_of_materials(&folder))?;
    steps.step("licenses", || build.licenses(&folder))?;
    steps.step("checksums", || {
        fs::copy(&one, folder.join(PROGRAM)).context("the program could not be copied")?;
        check_sums(&folder)
    })?;
    say_if_heard!("\n==> {}", folder.display());
    steps.summary();
    Ok(())
}

/// What is handed out is made of a commit, or nobody could make it again.
fn is_committed(root: &Path) -> Result<()> {
    let status = output(Command::new("git").current_dir(root).args(["status", "--porcelain"]))?;
    ensure!(status.is_empty(), "these are not as they are committed:\n{status}");
    Ok(())
}

fn provide(place: &Place) -> Result<()> {
    tools::provide(&[tools::FOR_CHECK])?;
    for [program, version] in INSTALLED {
        let install = ["install", program, "--version", version, "--locked", "--quiet", "--root"];
        run(place.cargo().args(install).arg(installed(place)))
            .with_context(|| format!("{program} could not be installed"))?;
    }
    Ok(())
}

/// Where the tools are: of these versions, whatever else is on this machine.
fn installed(place: &Place) -> PathBuf {
    place.target.join("tools")
}

/// A folder with nothing in it.
fn empty(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// One of the two builds.
struct Build {
    tree: PathBuf,
    target: PathBuf,
    /// The search path, with the tools first.
    path: OsString,
    /// When the commit was made, in seconds since 1970 UTC: the only time that may be in what is built.
    made_at: String,
}

impl Build {
    /// A commit, in a folder below the target folder where nothing has been built.
    fn at(place: &Place, commit: &str, folder: &str) -> Result<Build> {
        let folder = empty(place.target.join(folder))?;
        let (tree, target) = (folder.join("tree"), folder.join("target"));
        ensure!(
            !folder.to_string_lossy().contains(char::is_whitespace),
            "{} has a blank in it, at which options of a C compiler would be split",
            folder.display()
        );
        fs::create_dir_all(&tree).with_context(|| tree.display().to_string())?;
        let git = |arguments: &[&str]| {
            output(Command::new("git").current_dir(&place.root).args(arguments))
        };
        let archive = folder.join("commit.tar");
        git(&["archive", "--output", &archive.to_string_lossy(), commit])?;
        run(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&tree))?;
        let made_at = git(&["log", "--max-count=1", "--format=%ct", commit])?.trim().to_owned();
        let tools = installed(place).join("bin");
        let others = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(std::iter::once(tools).chain(env::split_paths(&others)))?;
        Ok(Build { tree, target, path, made_at })
    }

    /// Builds the program, with the versions of its parts in it.
    ///
    /// cargo-auditable has cargo call it for each crate of ours by the folder in which it is, and cargo makes the names of
    /// symbols from that folder too; so cargo is told its bare name instead, which `env` puts in the place of the other.
    fn program(&self) -> Result<PathBuf> {
        let build = ["build", "--release", "--locked", FEATURES, "--package", PACKAGE];
        let real = cargo();
        let mut auditable = Command::new("cargo-auditable");
        auditable
            .args(["auditable", "RUSTC_WORKSPACE_WRAPPER=cargo-auditable"])
            .arg(real.get_program())
            .args(build)
            .args(["--bin", PROGRAM])
            .env("CARGO", "env");
        run(self.told_nothing(&mut auditable)?)?;
        Ok(self.target.join("release").join(PROGRAM))
    }

    /// A command at the copy, so that nothing in what it builds tells where it was built, or when.
    fn told_nothing<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        let (sysroot, hash) = of_compiler()?;
        let home = cargo_home();
        let folders = [(&self.tree, "."), (&self.target, "target"), (&home, "cargo")];
        let of_c = folders.map(|(from, to)| mapped("-ffile-prefix-map=", from, to));
        let of_rust = folders.map(|(from, to)| mapped("--remap-path-prefix=", from, to));
        // The compiler names its own library so, unless the sources of that are on the machine.
        let library = (sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{hash}"));
        let of_library = mapped("--remap-path-prefix=", &library.0, &library.1);
        let of_rust = of_rust.into_iter().chain([of_library]).collect::<Vec<_>>();
        Ok(command
            .current_dir(&self.tree)
            .env("PATH", &self.path)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_ENCODED_RUSTFLAGS", of_rust.join(&OsString::from("\u{1f}")))
            .env("CFLAGS", of_c.join(&OsString::from(" ")))
            .env("SOURCE_DATE_EPOCH", &self.made_at))
    }

    /// What the program is built of, in the format of `CycloneDX`.
    fn bill_of_materials(&self, folder: &Path) -> Result<()> {
        let package = self.tree.join("crates").join(PACKAGE);
        let format = ["--format", "json", FEATURES, "--override-filename", "bill"];
        let mut cyclonedx = cargo();
        cyclonedx.args(["cyclonedx", "--manifest-path"]).arg(package.join("Cargo.toml"));
        run(self.told_nothing(cyclonedx.args(format))?)?;
        let bill = package.join("bill.json");
        let text = fs::read_to_string(&bill).with_context(|| bill.display().to_string())?;
        let text = text.replace(&*self.tree.to_string_lossy(), "");
        let read: serde_json::Value = serde_json::from_str(&text).context("it is no JSON")?;
        let parts = read["components"].as_array().map_or(0, Vec::len);
        ensure!(parts > 0, "the bill of materials has no parts");
        say_if_heard!("    {parts} parts");
        let name = format!("{PROGRAM}.cdx.json");
        fs::write(folder.join(name), text).context("the bill of materials could not be written")
    }

    /// The texts that have to go with the program.
    fn licenses(&self, folder: &Path) -> Result<()> {
        let mut tree = cargo();
        let arguments = ["tree", "--locked", FEATURES, "--package", PACKAGE, "--edges", "normal"];
        let parts = output(self.told_nothing(tree.args(arguments).args(licenses::OF_TREE))?)?;
        let mut metadata = cargo();
        metadata.args(["metadata", "--locked", "--format-version", "1"]);
        let metadata = output(self.told_nothing(&mut metadata)?)?;
        let text = licenses::of(&parts, &metadata)?;
        fs::write(folder.join("LICENSES.txt"), text).context("the licenses could not be written")
    }
}

/// Where the compiler is, and the commit of which it was made.
fn of_compiler() -> Result<(PathBuf, String)> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = output(Command::new(&rustc).args(["--print", "sysroot"]))?;
    let version = output(Command::new(&rustc).arg("-vV"))?;
    let hash = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
    let hash = hash.context("the compiler does not say of which commit it was made")?;
    Ok((PathBuf::from(sysroot.trim_end()), hash.to_owned()))
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
    env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cargo"),
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

/// One line for each file of a folder, as `sha256sum --check` reads them.
fn check_sums(folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut names: Vec<OsString> = entries.into_iter().map(|entry| entry.file_name()).collect();
    names.sort();
    let sums = output(Command::new("sha256sum").current_dir(folder).args(names))?;
    fs::write(folder.join("SHA256SUMS"), sums).context("the checksums could not be written")
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

    #[test]
    fn what_is_not_committed_is_not_handed_out() {
        let folder = tempfile::tempdir().expect("a folder");
        run(Command::new("git").current_dir(folder.path()).args(["init", "--quiet"])).expect("git");
        is_committed(folder.path()).expect("nothing is there");
        fs::write(folder.path().join("new.rs"), "").expect("a file");
        let told = is_committed(folder.path()).expect_err("it is not committed").to_string();
        assert!(told.ends_with("?? new.rs\n"), "{told}");
    }

    #[test]
    fn checksums_are_of_all_files_and_hold() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["program", "bill"] {
            fs::write(folder.path().join(name), name).expect("a file");
        }
        check_sums(folder.path()).expect("they are written");
        let check = ["--check", "--strict", "SHA256SUMS"];
        let told = output(Command::new("sha256sum").current_dir(folder.path()).args(check));
        assert_eq!(told.expect("they hold"), "bill: OK\nprogram: OK\n");
    }
}
