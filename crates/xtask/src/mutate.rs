//! Deliberate defects, one at a time, in a copy of the repository: whether the simulation finds
//! them. The list is `crates/simulation/mutations.json`: a name, a file, and a text of it that is
//! replaced by another; under `also`, more such replacements that the defect takes. That each text is
//! there exactly once is a test of every change. Nothing of it is ever in a shipped binary.

use crate::chores::{Place, cargo};
use crate::steps::{output, run};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The list.
const LIST: &str = "crates/simulation/mutations.json";

/// The share of the list that must be caught, in percent.
const MUST_CATCH: usize = 95;

/// How often it is looked whether anything has found the defect.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What has neither found anything nor ended so long after its time never will: one schedule, or
/// one story, goes on for ever. Unbroken, all stories take a minute on two busy cores.
const HANGS_AFTER: Duration = Duration::from_mins(10);

/// One defect.
struct Mutation {
    name: String,
    edits: Vec<Edit>,
}

/// A text that is replaced by another.
struct Edit {
    file: String,
    from: String,
    to: String,
}

/// Applies each mutation to a copy and runs the simulation on it.
pub(crate) fn mutate(only: Option<&str>, seconds: u64) -> Result<()> {
    let place = Place::find()?;
    let mut mutations = read(&place.root.join(LIST))?;
    mutations.retain(|mutation| only.is_none_or(|only| mutation.name.contains(only)));
    ensure!(!mutations.is_empty(), "no mutation has that in its name");
    let (tree, build) = (place.target.join("mutate/tree"), place.target.join("mutate/build"));
    copy(&place.root, &tree)?;
    println!("==> the copy, unbroken");
    run(at(&tree, &build).args(["build", "--quiet", "--package", "simulation"]))?;
    if let Some(seed) = caught_by(&tree, &build, seconds)? {
        bail!("the unbroken copy fails already, with {seed}");
    }
    let mut missed = Vec::new();
    for mutation in &mutations {
        let begun = Instant::now();
        let whole = mutation.apply(&tree)?;
        let made = run(at(&tree, &build).args(["build", "--quiet", "--package", "simulation"]));
        let caught = made.and_then(|()| caught_by(&tree, &build, seconds));
        for (file, text) in whole {
            fs::write(tree.join(file), text)?;
        }
        let caught = caught.with_context(|| format!("`{}`", mutation.name))?;
        let took = begun.elapsed().as_secs();
        if let Some(by) = caught {
            println!("caught in {took:>3} s by {by:<22} {}", mutation.name);
        } else {
            println!("MISSED after {took} s: {}", mutation.name);
            missed.push(&mutation.name);
        }
    }
    let caught = mutations.len() - missed.len();
    println!("{caught} of {} caught; missed: {missed:?}", mutations.len());
    ensure!(caught * 100 >= mutations.len() * MUST_CATCH, "fewer than {MUST_CATCH} % were caught");
    Ok(())
}

impl Mutation {
    /// Changes the files of the copy; says what they were.
    fn apply(&self, tree: &Path) -> Result<BTreeMap<String, String>> {
        let read =
            |file: &str| fs::read_to_string(tree.join(file)).with_context(|| file.to_owned());
        let mut before = BTreeMap::new();
        for Edit { file, from, to } in &self.edits {
            let text = read(file)?;
            let found = text.matches(from).count();
            ensure!(found == 1, "`{}` is out of date: {found} places in {file}", self.name);
            fs::write(tree.join(file), text.replacen(from, to, 1))?;
            before.entry(file.clone()).or_insert(text);
        }
        Ok(before)
    }
}

/// What finds the defect in the copy, if anything does: schedules and all stories of one transfer
/// are tried at once, and whichever finds it first ends the other.
fn caught_by(tree: &Path, build: &Path, seconds: u64) -> Result<Option<String>> {
    let mut simulate = Command::new(build.join("debug/simulate"))
        .args(["--seeds", "0..1000000", "--no-shrink", "--seconds", &seconds.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("`simulate` could not be started")?;
    let mut stories = at(tree, build)
        .args(["test", "--quiet", "--package", "simulation", "--test", "exhaustive"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("`cargo test` could not be started")?;
    let begun = Instant::now();
    loop {
        let (schedules, all_told) = (simulate.try_wait()?, stories.try_wait()?);
        if schedules.is_some_and(|status| !status.success()) {
            end_group(&mut stories)?;
            let mut text = String::new();
            if let Some(mut stdout) = simulate.stdout.take() {
                stdout.read_to_string(&mut text)?;
            }
            let seed = text.lines().find_map(|line| line.strip_prefix("FOUND with "));
            return Ok(Some(seed.unwrap_or("a panic").trim_end_matches(':').to_owned()));
        }
        if all_told.is_some_and(|status| !status.success()) {
            simulate.kill()?;
            simulate.wait()?;
            return Ok(Some("every story".to_owned()));
        }
        if schedules.is_some() && all_told.is_some() {
            return Ok(None);
        }
        if begun.elapsed() > Duration::from_secs(seconds) + HANGS_AFTER {
            simulate.kill()?;
            simulate.wait()?;
            end_group(&mut stories)?;
            return Ok(Some("never ending".to_owned()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Ends a command and all that it has started, which a kill of itself would not.
fn end_group(child: &mut Child) -> Result<()> {
    // Nothing to end is no error: it has just ended by itself.
    let _ = Command::new("sh").args(["-c", &format!("kill -KILL -{}", child.id())]).status();
    child.wait()?;
    Ok(())
}

fn at(tree: &Path, build: &Path) -> Command {
    let mut command = cargo();
    command.current_dir(tree).env("CARGO_TARGET_DIR", build);
    command
}

/// The files that Git knows of, as they are now, and no others.
fn copy(root: &Path, tree: &Path) -> Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree)?;
    }
    let files = output(Command::new("git").current_dir(root).args(["ls-files"]))?;
    for file in files.lines().filter(|file| root.join(file).is_file()) {
        let to = tree.join(file);
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::copy(root.join(file), to).with_context(|| file.to_owned())?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Mutation>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let list: Vec<serde_json::Value> = serde_json::from_str(&text)?;
    list.iter().map(mutation).collect()
}

fn mutation(value: &serde_json::Value) -> Result<Mutation> {
    let text = |value: &serde_json::Value, key: &str| {
        value[key].as_str().map(str::to_owned).with_context(|| format!("no `{key}` in {value}"))
    };
    let edit = |value: &serde_json::Value| -> Result<Edit> {
        let (file, from, to) = (text(value, "file")?, text(value, "from")?, text(value, "to")?);
        Ok(Edit { file, from, to })
    };
    let others = value["also"].as_array().map(Vec::as_slice).unwrap_or_default();
    let edits = std::iter::once(value).chain(others).map(edit).collect::<Result<_>>()?;
    Ok(Mutation { name: text(value, "name")?, edits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_deliberate_defect_can_be_made_in_the_code_as_it_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a workspace");
        let mutations = read(&root.join(LIST)).expect("a list");
        assert!(mutations.len() >= 25, "{} are too few", mutations.len());
        let mut names = BTreeSet::new();
        for Mutation { name, edits } in &mutations {
            assert!(names.insert(name), "{name} stands there twice");
            for Edit { file, from, to } in edits {
                let text = fs::read_to_string(root.join(file)).expect(file);
                assert_eq!(text.matches(from.as_str()).count(), 1, "{name}: {from:?} in {file}");
                assert_ne!(from, to, "{name} changes nothing");
            }
        }
    }
}
