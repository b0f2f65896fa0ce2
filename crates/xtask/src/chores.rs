//! The chores: which steps, in which order. What is quick and fails often comes first.

use crate::mariadb::MariaDb;
use crate::place::Place;
use crate::private_database::{SERVER_VARIABLE, private_database};
use crate::steps::{Steps, output, run, run_tests};
use crate::{bench_link, chaos, counts, monitoring, mutants, node, python, schedules, tools};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use supervise::say_if_heard;

/// Crates without I/O, whose unit tests take seconds.
const PURE_CRATES: &[&str] = &["domain", "wire"];

/// Documents that the program writes: its arguments, and the file that must say the same.
const GENERATED_DOCUMENTS: &[(&[&str], &str)] = &[
    (&["openapi"], "docs/openapi.json"),
    (&["openapi", "--operators"], "docs/openapi-operators.json"),
];

/// With what everything is built and tested: the default, and what is built in on demand. It costs the crates that it is
/// built on once, and no second bridge.
const FEATURES: [&str; 2] = ["--features", "bridge/opentelemetry"];

/// Descriptions of APIs, for the linters.
const DESCRIPTIONS: &[&str] = &["docs/openapi.json", "docs/openapi-operators.json"];

/// XML documents and the schemas that they must fit: the schema, and the folder of documents.
const SCHEMAS: &[(&str, &str)] = &[("proto/futures/v1/futures.xsd", "proto/futures/vectors")];

/// The quick inner loop.
pub(crate) fn check() -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("tools", || tools::provide(&[tools::FOR_CHECK]))?;
    steps.step("format", || format(&place))?;
    steps.step("clippy", || clippy(&place))?;
    steps.step("unit tests of the pure crates", || {
        let pure = PURE_CRATES.iter().flat_map(|name| ["--package", name]);
        run_tests(place.cargo().args(["test", "--lib"]).args(pure))
    })?;
    say_if_heard!("\n==> passed");
    steps.summary();
    Ok(())
}

/// Everything, as CI does.
pub(crate) fn test() -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("tools", || {
        let monitoring = tools::FOR_MONITORING;
        tools::provide(&[tools::FOR_CHECK, tools::FOR_TEST, monitoring, tools::FOR_COUNTS])
    })?;
    steps.step("format", || format(&place))?;
    steps.step("alert rules and dashboard", || monitoring::check(&place))?;
    let python = steps.step("Python environment", || python_environment(&place))?;
    steps.step("XML against its schema", || schemas(&place, &python))?;
    let node = steps.step("Node packages", || node_packages(&place))?;
    steps.step("descriptions of the APIs", || node::lint(&node, &place.root, DESCRIPTIONS))?;
    steps.step("clippy", || clippy(&place))?;
    steps.step("documentation", || documentation(&place))?;
    // With every target, for then the tests are built from the same dependencies.
    steps.step("build", || {
        run(place.cargo().args(["build", "--workspace", "--all-targets"]).args(FEATURES))
    })?;
    steps.step("generated documents", || generated_documents(&place))?;
    let database = steps.step("a private MariaDB", || private_database(&place))?;
    let counted = steps.step("tests", || {
        let mut tests = place.cargo();
        tests.args(["test", "--workspace"]).args(FEATURES);
        run_tests(equip(&mut tests, &place, &python, &database))
    })?;
    drop(database);
    steps.step("schedules of faults", || schedules::of_commit(&place))?;
    steps.step("instruction counts", || counts::compare(&place))?;
    steps.step("figures of links, quick", || bench_link::works(&place))?;
    steps.step("chaos", || chaos::run_cycles(&place, chaos::CYCLES_OF_CI))?;
    steps.step("canary", || schedules::canary(&place))?;
    steps.step("mutants", || mutants::of_commit(&place, &schedules::commit(&place)?))?;
    say_if_heard!("\n==> passed");
    steps.summary();
    say_if_heard!("{} passed, {} failed", counted.passed, counted.failed);
    Ok(())
}

/// A deliberate defect, chosen by the commit, which must be found.
pub(crate) fn canary() -> Result<()> {
    schedules::canary(&Place::find()?)
}

/// One command, with what the tests stand on.
pub(crate) fn with(command: &[OsString]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let place = Place::find()?;
    let mut steps = Steps::new();
    steps.step("tools", || {
        tools::provide(&[tools::FOR_CHECK, tools::FOR_TEST, tools::FOR_MONITORING])
    })?;
    let python = steps.step("Python environment", || python_environment(&place))?;
    steps.step("Node packages", || node_packages(&place))?;
    let database = steps.step("a private MariaDB", || private_database(&place))?;
    steps.step("the command", || {
        run(equip(Command::new(program).args(arguments), &place, &python, &database))
    })
}

fn node_packages(place: &Place) -> Result<PathBuf> {
    node::packages(&place.node(), &place.root.join("tests/node"))
}

fn python_environment(place: &Place) -> Result<PathBuf> {
    let requirements = place.root.join("tests/python/requirements.txt");
    python::environment(&place.target.join("venv"), &requirements)
}

/// Tells a command, by its environment, where the tests find what they stand on.
fn equip<'c>(
    command: &'c mut Command,
    place: &Place,
    python: &Path,
    database: &MariaDb,
) -> &'c mut Command {
    if let Some(browser) = tools::find(tools::BROWSER) {
        command.env("COUNTER_BRIDGE_TEST_BROWSER", browser);
    }
    if let Some(promtool) = tools::find(tools::PROMTOOL) {
        command.env("COUNTER_BRIDGE_TEST_PROMTOOL", promtool);
    }
    command
        .env("COUNTER_BRIDGE_TEST_NODE", place.node())
        .env(SERVER_VARIABLE, database.url())
        .env("COUNTER_BRIDGE_TEST_PYTHON", python)
        .env("COUNTER_BRIDGE_BIN", place.program())
}

fn format(place: &Place) -> Result<()> {
    run(place.cargo().args(["fmt", "--all", "--check"]))
        .context("`cargo fmt --all` would mend the differences above")
}

/// What the documentation names is there.
fn documentation(place: &Place) -> Result<()> {
    let arguments = ["doc", "--no-deps", "--workspace", "--document-private-items"];
    run(place.cargo().env("RUSTDOCFLAGS", "--deny warnings").args(arguments).args(FEATURES))
}

/// Everything, and then the bridge once more as it is built to move money, without the features that it has
/// otherwise. That is asked of the whole workspace, too: dependencies have the same features then, and are not
/// checked a second time.
fn clippy(place: &Place) -> Result<()> {
    for features in [&FEATURES[..], &["--no-default-features"]] {
        let mut clippy = place.cargo();
        clippy.args(["clippy", "--workspace", "--all-targets"]).args(features);
        run(clippy.args(["--", "--deny", "warnings"]))?;
    }
    Ok(())
}

fn schemas(place: &Place, python: &Path) -> Result<()> {
    for (schema, documents) in SCHEMAS {
        run(Command::new(python).current_dir(&place.root).args([
            "tests/python/validate_xsd.py",
            schema,
            documents,
        ]))?;
    }
    Ok(())
}

fn generated_documents(place: &Place) -> Result<()> {
    for (arguments, file) in GENERATED_DOCUMENTS {
        let written = output(Command::new(place.program()).args(*arguments))?;
        let kept = fs::read_to_string(place.root.join(file))
            .with_context(|| format!("{file} could not be read"))?;
        if written != kept {
            let (line, arguments) = (first_difference(&written, &kept), arguments.join(" "));
            bail!(
                "{file} is out of date from line {line} on; \
                 `cargo run -- {arguments} > {file}` brings it up to date"
            );
        }
    }
    Ok(())
}

/// The number of the first line in which two texts differ, from 1.
fn first_difference(one: &str, other: &str) -> usize {
    let same = one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count();
    same + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found() {
        assert_eq!(first_difference("a\nb\nc", "a\nx\nc"), 2);
        assert_eq!(first_difference("a\nb", "a\nb\nc"), 3);
        assert_eq!(first_difference("", "a"), 1);
    }
}
