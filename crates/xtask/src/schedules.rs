//! The simulation, built optimized: as many schedules as a run of CI has, their seeds derived from the
//! commit so that a run can be repeated; every story of one transfer; and the canary, a deliberate
//! defect chosen by the commit, which must be found.

use crate::mutate::{self, Mutation};
use crate::place::{Place, SIMULATE};
use crate::steps::{output, run};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::process::Command;
use supervise::say_if_heard;

/// So many schedules each run has, or it fails.
pub(crate) const OF_CI: u64 = 200_000;

/// And so many seconds at the most: on two idle cores they take four minutes to a quarter of an hour, on busy ones longer.
const SECONDS: u64 = 1800;

/// Runs what `arguments` say; `cargo xtask simulate --fresh N` is N schedules that nobody has seen.
pub(crate) fn simulate(arguments: &[OsString]) -> Result<()> {
    let place = Place::find()?;
    run(Command::new(place.optimized(SIMULATE)?).args(arguments))
}

/// The schedules and the stories of a run of CI.
pub(crate) fn of_commit(place: &Place) -> Result<()> {
    let commit = commit(place)?;
    let first = first_seed(&commit)?;
    let seeds = format!("{first}..{}", first + OF_CI);
    say_if_heard!("    commit {commit}: `cargo xtask simulate --seeds {seeds}` repeats it");
    let (seconds, least) = (SECONDS.to_string(), OF_CI.to_string());
    let program = place.optimized(SIMULATE)?;
    run(Command::new(program).args(["--known", "--stories", "--seeds", &seeds]).args([
        "--seconds",
        &seconds,
        "--least",
        &least,
    ]))
}

/// Builds the commit's defect into a copy, and looks for it there.
pub(crate) fn canary(place: &Place) -> Result<()> {
    let commit = commit(place)?;
    let list = mutate::list(place)?;
    let mutation = chosen(&commit, &list)?;
    say_if_heard!("    commit {commit} has the defect `{}`", mutation.name());
    match mutate::look_for(place, mutation)? {
        Some(by) => {
            say_if_heard!("    found by {by}");
            Ok(())
        }
        None => bail!("nothing has found the defect `{}`", mutation.name()),
    }
}

/// The commit that is looked at.
pub(crate) fn commit(place: &Place) -> Result<String> {
    let commit = output(Command::new("git").current_dir(&place.root).args(["rev-parse", "HEAD"]))?;
    Ok(commit.trim().to_owned())
}

/// Twelve of its digits, so that the seeds of two commits are hardly ever the same and can be typed.
fn first_seed(commit: &str) -> Result<u64> {
    number(commit, 0)
}

/// Other digits than those that decide the seeds.
fn chosen<'m>(commit: &str, list: &'m [Mutation]) -> Result<&'m Mutation> {
    let canaries: Vec<&Mutation> = list.iter().filter(|mutation| mutation.is_canary()).collect();
    ensure!(!canaries.is_empty(), "no defect of the list is a canary");
    let among = u64::try_from(canaries.len())?;
    let index = usize::try_from(number(commit, 12)? % among)?;
    Ok(canaries[index])
}

fn number(commit: &str, from: usize) -> Result<u64> {
    let digits = commit.get(from..from + 12).context("a commit has forty digits")?;
    u64::from_str_radix(digits, 16).with_context(|| format!("{commit:?} is no commit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_always_the_same_seeds_and_the_same_defect() {
        let place = Place::find().expect("a workspace");
        let list = mutate::list(&place).expect("a list");
        let [one, other] = ["0123456789abcdef0123456789abcdef01234567", "00000000000000000001"];
        assert_eq!(first_seed(one).expect("digits"), 0x0123_4567_89ab);
        assert!(first_seed(one).expect("digits").checked_add(OF_CI).is_some());
        let name = |commit| chosen(commit, &list).expect("one").name().to_owned();
        assert_eq!(name(one), name(one));
        assert!(chosen(other, &list).is_err(), "too short for a commit");
        assert!(first_seed("not a commit").is_err());
    }
}
