//! A short run of every fuzz target, with every change: the corpus, then mutations of it under a
//! fresh seed.

use fuzzing::mutation::Mutator;
use fuzzing::{TARGETS, Target};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The inputs that are kept for a target, in the order of their names.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target.name);
    let mut files: Vec<_> = std::fs::read_dir(&root)
        .expect("a corpus")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("an input")).collect()
}

fn hold(target: &Target, input: &[u8], from: &str) {
    if catch_unwind(|| (target.check)(input)).is_err() {
        let mut hex = String::new();
        for byte in input {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        panic!("{} does not hold for {from}, in hexadecimal:\n{hex}", target.name);
    }
}

fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "the corpus of {name} is empty");
    let begun = Instant::now();
    for input in &corpus {
        hold(target, input, "its corpus");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    let seed = now.as_secs();
    let mut mutator = Mutator::new(*target, &corpus, seed);
    for number in 0..target.executions {
        hold(target, &mutator.input(), &format!("mutation {number} of seed {seed}"));
    }
    // Past the test runner, which shows what is printed only of tests that fail.
    let _ = writeln!(
        io::stdout(),
        "{name}: {} inputs of the corpus and {} mutations of seed {seed} in {:.1?}",
        corpus.len(),
        target.executions,
        begun.elapsed()
    );
}

#[test]
fn securities() {
    run("securities");
}

#[test]
fn futures() {
    run("futures");
}

#[test]
fn conversing_securities() {
    run("conversing_securities");
}

#[test]
fn conversing_futures() {
    run("conversing_futures");
}

#[test]
fn accepting_securities() {
    run("accepting_securities");
}

#[test]
fn accepting_futures() {
    run("accepting_futures");
}

#[test]
fn signature() {
    run("signature");
}

#[test]
fn configuration() {
    run("configuration");
}
