//! Steps that are announced and timed, and commands that say what they were when they fail.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use supervise::say_if_heard;

/// The steps of one chore.
pub(crate) struct Steps {
    started: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// Starts the clock.
    pub(crate) fn new() -> Steps {
        Steps { started: Instant::now(), done: Vec::new() }
    }

    /// Announces a step, does it, and says how long it took. After a failure it says what had
    /// passed before.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        say_if_heard!("\n==> {name}");
        let begun = Instant::now();
        let result = act();
        let took = begun.elapsed();
        if result.is_ok() {
            say_if_heard!("    {name}: ok, {}", seconds(took));
            self.done.push((name, took));
        } else {
            say_if_heard!("\n==> FAILED at `{name}` after {}", seconds(took));
            self.summary();
        }
        result.with_context(|| format!("step `{name}` failed"))
    }

    /// Lists what was done, and the time of each.
    pub(crate) fn summary(&self) {
        for (name, took) in &self.done {
            say_if_heard!("    ok {:>8}  {name}", seconds(*took));
        }
        say_if_heard!("    in {:>8}  altogether", seconds(self.started.elapsed()));
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

/// Runs a command whose output goes where ours goes; an error unless it ends with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status =
        command.status().with_context(|| format!("`{}` could not be started", shown(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and gives its standard output; an error unless it ends with 0.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{}` could not be started", shown(command)))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", shown(command), output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` wrote something that is not UTF-8", shown(command)))
}

/// How many tests ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
}

impl Counted {
    /// Adds what a line of a test runner's output tells, if it is its closing line.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        // `ok. 3 passed; 0 failed; 0 ignored; …`
        for part in counts.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                _ => {}
            }
        }
    }
}

/// Runs `cargo test`, passes its output on as it comes, and adds up the tests that it ran. An error
/// unless it ends with 0; the sum is printed either way.
pub(crate) fn run_tests(command: &mut Command) -> Result<Counted> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{}` could not be started", shown(command)))?;
    let mut counted = Counted::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.context("the tests' output could not be read")?;
            let line = String::from_utf8_lossy(&line);
            say_if_heard!("{line}");
            counted.add(&line);
        }
    }
    let status = child.wait().context("the tests could not be waited for")?;
    if !status.success() {
        say_if_heard!("{} passed, {} failed", counted.passed, counted.failed);
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(counted)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up() {
        let mut counted = Counted::default();
        for line in [
            "running 3 tests",
            "test money::tests::test_result ... ok",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; finished in 0.10s",
            "test result: FAILED. 4 passed; 2 failed; 1 ignored; 0 measured; finished in 0.10s",
        ] {
            counted.add(line);
        }
        assert_eq!(counted, Counted { passed: 7, failed: 2 });
    }

    #[test]
    fn a_failing_step_says_which_it_was() {
        let mut steps = Steps::new();
        assert!(steps.step("first", || Ok(1)).is_ok());
        let error = steps.step("second", || -> Result<()> { bail!("no") }).expect_err("it fails");
        assert_eq!(format!("{error:#}"), "step `second` failed: no");
        assert_eq!(steps.done.len(), 1);
    }

    #[test]
    fn a_failing_command_is_shown_whole() {
        let error = run(Command::new("false").arg("--now")).expect_err("false fails");
        assert!(format!("{error}").starts_with("`false --now` ended with"), "{error}");
        let error = run(&mut Command::new("no-such-program")).expect_err("it does not exist");
        assert!(format!("{error:#}").contains("could not be started"), "{error:#}");
    }
}
