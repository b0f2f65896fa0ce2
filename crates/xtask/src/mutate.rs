//! Deliberate defects, one at a time, in a copy of the repository: whether the simulation finds
//! them, first by the schedules that once found something, then by new ones and by every story of one
//! transfer at once. The list is `crates/simulation/mutations.json`: a name, a file, and a text of it that is
//! replaced by another; under `also`, more such replacements that the defect takes; `canary` is false
//! for those that no commit is tried with, and `why` says why. That each text is
//! there exactly once is a test of every change. Nothing of it is ever in a shipped binary.

use crate::copy::copy_to;
use crate::place::{BUILD_OPTIMIZED, PROFILE, Place, SIMULATE, cargo};
use crate::steps::run;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use supervise::say_if_heard;

/// The list.
const LIST: &str = "crates/simulation/mutations.json";

/// The share of the list that must be caught, in percent.
const MUST_CATCH: usize = 95;

/// How often it is looked whether anything has found the defect.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What has neither found anything nor ended after so much of a processor's time beyond its own never
/// will: one schedule, or one story, goes on for ever. Unbroken, what is known takes a second of it, and
/// all stories take half a minute.
const HANGS_AFTER: Duration = Duration::from_secs(20);
const STORIES_HANG_AFTER: Duration = Duration::from_mins(5);

/// What needs more memory than this never ends either, in KiB.
const MOST_MEMORY_KIB: u64 = 4 << 20;

/// How long new schedules look for the canary, in seconds. Each that may be one was found within 1,300
/// of them, of which a busy core runs eighty a second.
const CANARY_SECONDS: u64 = 60;

/// One defect.
pub(crate) struct Mutation {
    name: String,
    edits: Vec<Edit>,
    canary: bool,
    /// Why it is no canary, if it is none.
    why: Option<String>,
}

/// A text that is replaced by another.
struct Edit {
    file: String,
    from: String,
    to: String,
}

/// Which schedules look for a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedules {
    /// Those that once found something, then new ones.
    KnownFirst,
    /// New ones only.
    New,
}

/// Applies each mutation to a copy and runs the simulation on it: new schedules for so many seconds.
pub(crate) fn mutate(only: Option<&str>, seconds: u64, schedules: Schedules) -> Result<()> {
    let place = Place::find()?;
    let mut mutations = list(&place)?;
    mutations.retain(|mutation| only.is_none_or(|only| mutation.name.contains(only)));
    ensure!(!mutations.is_empty(), "no mutation has that in its name");
    say_if_heard!("==> the copy, unbroken");
    let copy = Copy::of(&place, schedules, seconds)?;
    copy.make()?;
    if let Some(by) = copy.caught_by()? {
        bail!("the unbroken copy fails already, by {by}");
    }
    let started = Instant::now();
    let mut missed = Vec::new();
    for mutation in &mutations {
        let begun = Instant::now();
        let caught = copy.caught(mutation)?;
        let took = begun.elapsed().as_secs();
        if let Some(by) = caught {
            say_if_heard!("caught in {took:>3} s by {by:<28} {}", mutation.name);
        } else {
            let why = mutation.why_not().unwrap_or("it ought to be found");
            say_if_heard!("MISSED after {took} s: {} ({why})", mutation.name);
            missed.push(&mutation.name);
        }
    }
    let caught = mutations.len() - missed.len();
    let (of, took) = (mutations.len(), started.elapsed().as_secs());
    say_if_heard!("{caught} of {of} caught in {took} s; missed: {missed:?}");
    ensure!(caught * 100 >= mutations.len() * MUST_CATCH, "fewer than {MUST_CATCH} % were caught");
    Ok(())
}

/// All defects.
pub(crate) fn list(place: &Place) -> Result<Vec<Mutation>> {
    read(&place.root.join(LIST))
}

/// Builds one defect into a copy; what finds it, if anything does.
pub(crate) fn look_for(place: &Place, mutation: &Mutation) -> Result<Option<String>> {
    Copy::of(place, Schedules::KnownFirst, CANARY_SECONDS)?.caught(mutation)
}

impl Mutation {
    /// What is wrong then.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may be the defect of a commit: all but those that the list excepts because only long
    /// runs, or other tests, find them.
    pub(crate) fn is_canary(&self) -> bool {
        self.canary
    }

    /// Why it may not.
    pub(crate) fn why_not(&self) -> Option<&str> {
        self.why.as_deref()
    }

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

/// The copy, and how defects are looked for in it.
struct Copy {
    tree: PathBuf,
    build: PathBuf,
    schedules: Schedules,
    seconds: u64,
}

impl Copy {
    /// A copy of the files as they are now, and of what is built of them: only the crates that a defect
    /// is in, and those above them, are built anew. Nothing of it is built where the files themselves
    /// are: cargo tells neither packages nor what is built of them apart by the folder that the
    /// workspace lies in, and would take what is broken for what it last built there.
    fn of(place: &Place, schedules: Schedules, seconds: u64) -> Result<Copy> {
        let (tree, build) = (place.target.join("mutate/tree"), place.target.join("mutate/target"));
        copy_to(&place.root, &tree)?;
        if build.exists() {
            fs::remove_dir_all(&build)?;
        }
        fs::create_dir_all(&build)?;
        let whole = place.target.join(PROFILE);
        if whole.exists() {
            run(Command::new("cp").arg("--archive").args([&whole, &build]))?;
        }
        Ok(Copy { tree, build, schedules, seconds })
    }

    /// Makes a defect, looks for it, and mends it; what found it, if anything did.
    fn caught(&self, mutation: &Mutation) -> Result<Option<String>> {
        let whole = mutation.apply(&self.tree)?;
        let caught = self.make().and_then(|()| self.caught_by());
        for (file, text) in whole {
            fs::write(self.tree.join(file), text)?;
        }
        caught.with_context(|| format!("`{}`", mutation.name))
    }

    /// Builds what runs schedules.
    fn make(&self) -> Result<()> {
        run(self.cargo().args(BUILD_OPTIMIZED).arg(SIMULATE))?;
        // What the chores build has the same name.
        fs::copy(self.build.join(PROFILE).join(SIMULATE), self.program())?;
        Ok(())
    }

    fn program(&self) -> PathBuf {
        self.tree.with_file_name(SIMULATE)
    }

    /// What finds the defect in the copy, if anything does.
    fn caught_by(&self) -> Result<Option<String>> {
        let known = match self.schedules {
            Schedules::KnownFirst => self.caught_by_known()?,
            Schedules::New => None,
        };
        if known.is_some() { Ok(known) } else { self.caught_by_new() }
    }

    /// Schedules that once found something take seconds, and what else is needed need not be built.
    fn caught_by_known(&self) -> Result<Option<String>> {
        let mut known = self.simulate(&["--known", "--threads", "1"], HANGS_AFTER)?;
        let status = known.wait()?;
        let caught = (!status.success()).then(|| what_failed(&mut known)).transpose()?;
        Ok(caught.map(|by| format!("known {by}")))
    }

    /// New schedules and all stories of one transfer are tried at once, and whichever finds it first
    /// ends the other.
    fn caught_by_new(&self) -> Result<Option<String>> {
        let seconds = self.seconds.to_string();
        let mut schedules = self.simulate(
            &["--seeds", "0..10000000", "--seconds", &seconds, "--threads", "1"],
            Duration::from_secs(self.seconds) + HANGS_AFTER,
        )?;
        let mut stories = self.simulate(&["--stories"], STORIES_HANG_AFTER)?;
        loop {
            let (of_schedules, of_stories) = (schedules.try_wait()?, stories.try_wait()?);
            if of_schedules.is_some_and(|status| !status.success()) {
                end(&mut stories)?;
                return what_failed(&mut schedules).map(Some);
            }
            if of_stories.is_some_and(|status| !status.success()) {
                end(&mut schedules)?;
                return what_failed(&mut stories).map(Some);
            }
            if of_schedules.is_some() && of_stories.is_some() {
                return Ok(None);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn simulate(&self, arguments: &[&str], within: Duration) -> Result<Child> {
        self.within(within, &Command::new(self.program()))
            .args(arguments)
            .arg("--no-shrink")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("`simulate` could not be started")
    }

    /// The same program, at the copy, that ends when it has used up so much of a processor's time, or
    /// more memory than there is for it.
    fn within(&self, time: Duration, program: &Command) -> Command {
        let seconds = time.as_secs();
        let limits =
            format!("ulimit -v {MOST_MEMORY_KIB}; ulimit -t {seconds}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limits]).arg(program.get_program());
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.build);
        command
    }

    fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.build);
        command
    }
}

/// The seed with which schedules that have ended found something.
fn what_failed(schedules: &mut Child) -> Result<String> {
    let mut text = String::new();
    if let Some(mut stdout) = schedules.stdout.take() {
        stdout.read_to_string(&mut text)?;
    }
    let seed = text.lines().find_map(|line| line.strip_prefix("FOUND with "));
    Ok(seed.unwrap_or("a panic, or no end").trim_end_matches(':').to_owned())
}

fn end(child: &mut Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
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
    let canary = value["canary"].as_bool().unwrap_or(true);
    let why = value["why"].as_str().map(str::to_owned);
    Ok(Mutation { name: text(value, "name")?, edits, canary, why })
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
        for Mutation { name, edits, canary, why } in &mutations {
            assert_ne!(*canary, why.is_some(), "{name}: what is no canary says why");
            assert!(names.insert(name), "{name} stands there twice");
            for Edit { file, from, to } in edits {
                let text = fs::read_to_string(root.join(file)).expect(file);
                assert_eq!(text.matches(from.as_str()).count(), 1, "{name}: {from:?} in {file}");
                assert_ne!(from, to, "{name} changes nothing");
            }
        }
    }
}
