//! Deliberate defects, one at a time, in a copy of the repository: whether the simulation finds
//! them. The list is `crates/simulation/mutations.json`: a name, a file, and a text of it that is
//! replaced by another. Nothing of it is ever in a shipped binary.

use crate::chores::{Place, cargo};
use crate::steps::{output, run};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The share of the list that must be caught, in percent.
const MUST_CATCH: usize = 95;

/// One defect.
struct Mutation {
    name: String,
    file: String,
    from: String,
    to: String,
}

/// Applies each mutation to a copy and runs the simulation on it.
pub(crate) fn mutate(only: Option<&str>, seconds: u64) -> Result<()> {
    let place = Place::find()?;
    let mut mutations = read(&place.root.join("crates/simulation/mutations.json"))?;
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
        let file = tree.join(&mutation.file);
        let whole = fs::read_to_string(&file).with_context(|| mutation.file.clone())?;
        let found = whole.matches(&mutation.from).count();
        ensure!(found == 1, "`{}` is out of date: {found} places in its file", mutation.name);
        fs::write(&file, whole.replace(&mutation.from, &mutation.to))?;
        let made = run(at(&tree, &build).args(["build", "--quiet", "--package", "simulation"]));
        let caught = made.and_then(|()| caught_by(&tree, &build, seconds));
        fs::write(&file, whole)?;
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

/// What finds the defect in the copy, if anything does.
fn caught_by(tree: &Path, build: &Path, seconds: u64) -> Result<Option<String>> {
    let simulate = Command::new(build.join("debug/simulate"))
        .args(["--seeds", "0..1000000", "--no-shrink", "--seconds", &seconds.to_string()])
        .output()
        .context("`simulate` could not be started")?;
    if !simulate.status.success() {
        let text = String::from_utf8_lossy(&simulate.stdout);
        let seed = text.lines().find_map(|line| line.strip_prefix("FOUND with "));
        let seed = seed.unwrap_or("a panic").trim_end_matches(':');
        return Ok(Some(seed.to_owned()));
    }
    let stories = at(tree, build)
        .args(["test", "--quiet", "--package", "simulation", "--test", "exhaustive"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("`cargo test` could not be started")?;
    Ok((!stories.success()).then(|| "every story".to_owned()))
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
    let mutation = |value: &serde_json::Value| {
        let text = |key: &str| value[key].as_str().map(str::to_owned).context(key.to_owned());
        Ok(Mutation {
            name: text("name")?,
            file: text("file")?,
            from: text("from")?,
            to: text("to")?,
        })
    };
    list.iter().map(mutation).collect()
}
