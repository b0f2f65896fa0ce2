//! `cargo xtask mutants`: cargo-mutants changes the code in every small way that it knows, and the
//! tests of the crate have to notice each. What is the same program in other words is listed, with
//! the reason, in `.cargo/mutants.toml`.

use crate::place::Place;
use crate::private_database::{SERVER_VARIABLE, private_database};
use crate::steps::{Steps, output, run};
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use supervise::say_if_heard;

/// The crates whose rules are worth it, in the order of what they decide.
const CRATES: [&str; 8] =
    ["domain", "store", "coordinator", "link", "wire", "api", "ops", "people"];

/// What installs the tool, at the version that was tried.
const INSTALL: &[&str] = &["install", "cargo-mutants", "--version", VERSION, "--locked"];
const VERSION: &str = "27.1.0";

/// What is mutated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Only this crate.
    pub(crate) package: Option<String>,
    /// Only lines that the work on this branch has changed.
    pub(crate) changed: bool,
    /// Only so many-th part of all, such as `0/4`.
    pub(crate) shard: Option<String>,
}

/// What a run of CI has at the most of what a commit changes, and of the rules of a transfer: of the
/// first mutants each takes ten seconds, of the others three.
const MOST_OF_A_COMMIT: usize = 30;
const MOST_OF_THE_RULES: usize = 12;

/// Mutates; fails if something is missed that is not listed.
pub(crate) fn mutants(wanted: &Wanted) -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("tools", || provide(&place))?;
    let changes = if wanted.changed {
        let base = steps.step("where this branch began", || fork_point(&place))?;
        let Some(changes) = changes(&place, &base)? else {
            say_if_heard!("\n==> nothing has changed");
            return Ok(());
        };
        Some(changes)
    } else {
        None
    };
    let among = match &wanted.package {
        Some(package) => Among { packages: vec![package], changes },
        None => Among { packages: CRATES.to_vec(), changes },
    };
    steps.step("mutants", || look(&place, &among, wanted.shard.as_deref()))?;
    say_if_heard!("\n==> passed");
    steps.summary();
    Ok(())
}

/// What a run of CI mutates: what its commit changes, and a part of the rules that decide about money,
/// another one with each commit. Which of them follows from the commit, so that it can be repeated.
pub(crate) fn of_commit(place: &Place, commit: &str) -> Result<()> {
    provide(place)?;
    let part = u64::from_str_radix(commit.get(24..36).context("a commit has forty digits")?, 16)?;
    if git(place, &["rev-parse", "--verify", "--quiet", "HEAD^"]).is_err() {
        say_if_heard!("    what the commit changes is not known: the one before it is not here");
    } else if let Some(changes) = changes(place, "HEAD^")? {
        let changed = Among { packages: CRATES.to_vec(), changes: Some(changes) };
        look_at_part(place, &changed, MOST_OF_A_COMMIT, part)?;
    }
    let rules = Among { packages: vec!["domain"], changes: None };
    look_at_part(place, &rules, MOST_OF_THE_RULES, part)
}

/// Looks at no more than `most` of them.
fn look_at_part(place: &Place, among: &Among<'_>, most: usize, part: u64) -> Result<()> {
    let all = among.count(place)?;
    let Some(shard) = shard_of(all, most, part) else { return Ok(()) };
    say_if_heard!("    part {shard} of {all} mutants of {}", among.described());
    look(place, among, Some(&shard))
}

/// The shard that `part` chooses of so many mutants, so that there are at most `most` in it; `None` if
/// there are none at all.
fn shard_of(all: usize, most: usize, part: u64) -> Option<String> {
    let parts = u64::try_from(all.div_ceil(most)).ok().filter(|parts| *parts > 0)?;
    Some(format!("{}/{parts}", part % parts))
}

/// Which mutants there are to choose from.
struct Among<'a> {
    packages: Vec<&'a str>,
    /// Only of lines in this file of differences.
    changes: Option<PathBuf>,
}

impl Among<'_> {
    fn arguments(&self) -> Vec<String> {
        let packages = self.packages.iter().map(|name| format!("--package={name}"));
        let changes = self.changes.iter().map(|file| format!("--in-diff={}", file.display()));
        packages.chain(changes).collect()
    }

    fn described(&self) -> String {
        let what = if self.changes.is_some() { "what has changed in " } else { "" };
        format!("{what}{}", self.packages.join(", "))
    }

    fn count(&self, place: &Place) -> Result<usize> {
        let list = output(place.cargo().args(["mutants", "--list"]).args(self.arguments()))?;
        Ok(list.lines().count())
    }
}

fn provide(place: &Place) -> Result<()> {
    tools::provide(&[tools::FOR_CHECK, tools::FOR_TEST])?;
    if tools::find("cargo-mutants").is_none() {
        run(place.cargo().args(INSTALL)).context("cargo-mutants could not be installed")?;
    }
    Ok(())
}

fn folder(place: &Place) -> Result<PathBuf> {
    let folder = place.target.join("mutants");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}

fn git(place: &Place, arguments: &[&str]) -> Result<String> {
    output(Command::new("git").current_dir(&place.root).args(arguments))
}

/// The commit at which this branch left the main one.
fn fork_point(place: &Place) -> Result<String> {
    let base = git(place, &["merge-base", "HEAD", "origin/main"])
        .or_else(|_| git(place, &["merge-base", "HEAD", "main"]))
        .context("where this branch began is not known")?;
    Ok(base.trim().to_owned())
}

/// A file of what differs from a commit, work that is not committed included; `None` if nothing does.
fn changes(place: &Place, base: &str) -> Result<Option<PathBuf>> {
    let diff = git(place, &["diff", base, "--", "crates"])?;
    if diff.trim().is_empty() {
        return Ok(None);
    }
    let file = folder(place)?.join("changes.diff");
    fs::write(&file, diff).with_context(|| format!("{} cannot be made", file.display()))?;
    Ok(Some(file))
}

/// Mutates and looks what was missed. Whatever hangs by a change was noticed by that.
fn look(place: &Place, among: &Among<'_>, shard: Option<&str>) -> Result<()> {
    let folder = folder(place)?;
    let arguments = arguments(among, &folder, shard);
    // What a server's record does wrong only the tests on one notice.
    let database =
        among.packages.contains(&"store").then(|| private_database(place)).transpose()?;
    let mut command = place.cargo();
    command.arg("mutants").args(&arguments);
    if let Some(database) = &database {
        command.env(SERVER_VARIABLE, database.url());
    }
    let ended = command.status()?;
    // The tool ends with 2 if something was missed, and with 3 if something hung, missed or not.
    ensure!(matches!(ended.code(), Some(0 | 2 | 3)), "cargo-mutants ended with {ended}");
    let missed = folder.join("mutants.out/missed.txt");
    let missed = fs::read_to_string(&missed)
        .with_context(|| format!("{} could not be read", missed.display()))?;
    ensure!(missed.trim().is_empty(), "no test of their crates notices:\n{missed}");
    Ok(())
}

fn arguments(among: &Among<'_>, folder: &Path, shard: Option<&str>) -> Vec<String> {
    let mut arguments = vec![
        "--output".to_owned(),
        folder.display().to_string(),
        // One at a time: what the tests measure would be slower beside another.
        "--jobs=1".to_owned(),
        "--sharding=round-robin".to_owned(),
    ];
    arguments.extend(among.arguments());
    if let Some(shard) = shard {
        arguments.push(format!("--shard={shard}"));
    }
    arguments
}

/// `K/N`, of which K counts from 0.
pub(crate) fn shard(text: &str) -> Result<String> {
    let parts = text.split_once('/');
    let numbers = parts.and_then(|(part, of)| Some((part.parse::<u16>().ok()?, of.parse().ok()?)));
    let fits = numbers.is_some_and(|(part, of)| part < of);
    ensure!(fits, "must be K/N with K from 0 to N-1, not {text:?}");
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    /// A file that was renamed is not quietly left alone.
    #[test]
    fn what_is_to_be_mutated_is_there() {
        let root = super::Place::find().expect("a workspace").root;
        let settings = std::fs::read_to_string(root.join(".cargo/mutants.toml")).expect("a text");
        let (_, list) = settings.split_once("examine_globs = [").expect("a list");
        let (list, _) = list.split_once("\n]").expect("its end");
        let mut looked_at = 0;
        for glob in
            list.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
        {
            let names = match glob.split_once('{') {
                Some((head, rest)) => {
                    let (names, tail) = rest.split_once('}').expect("an end");
                    names.split(',').map(|name| format!("{head}{name}{tail}")).collect()
                }
                None => vec![glob.trim_end_matches("/**").to_owned()],
            };
            for name in names {
                assert!(root.join(&name).exists(), "there is no {name}");
                looked_at += 1;
            }
        }
        assert!(looked_at > 20, "{looked_at}");
    }

    use super::*;

    #[test]
    fn a_shard_is_one_of_so_many() {
        for good in ["0/1", "0/4", "3/4"] {
            assert_eq!(shard(good).expect(good), good);
        }
        for bad in ["", "1", "4/4", "-1/4", "a/b", "1/0"] {
            assert!(shard(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_run_looks_at_no_more_than_it_has_time_for() {
        for (all, part, chosen) in [
            (0, 7, None),
            (1, 7, Some("0/1")),
            (30, 7, Some("0/1")),
            (31, 7, Some("1/2")),
            (31, 8, Some("0/2")),
            (681, 22, Some("22/23")),
            (681, 23, Some("0/23")),
        ] {
            assert_eq!(shard_of(all, 30, part).as_deref(), chosen, "{all} by {part}");
        }
    }

    #[test]
    fn the_tool_is_told_what_is_wanted() {
        let everything = Among { packages: CRATES.to_vec(), changes: None };
        let told = arguments(&everything, Path::new("out"), None).join(" ");
        assert!(told.contains("--package=domain") && told.contains("--package=api"), "{told}");
        let part = Among { packages: vec!["store"], changes: Some(PathBuf::from("d.diff")) };
        let told = arguments(&part, Path::new("out"), Some("1/4")).join(" ");
        assert_eq!(
            told,
            "--output out --jobs=1 --sharding=round-robin --package=store --in-diff=d.diff --shard=1/4"
        );
        assert_eq!(part.described(), "what has changed in store");
    }
}
