//! Small pieces of the hot path, one at a time: `cargo xtask counts` counts their instructions and
//! compares them with what is kept, `cargo xtask counts --time` says how long they take.
//!
//! Reading order: [`Bench`] is one piece; `sample` is the transfer that all of them are about;
//! `codec`, `signature`, `step` and `journal` are the pieces. Nothing counted here reads a clock to
//! decide anything, and every input is the same in every run.

mod codec;
mod journal;
mod sample;
mod signature;
mod step;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::time::{Duration, Instant};
use supervise::say_or_leave;

/// One operation, ready to be done so many times as was announced.
type Operation = Box<dyn FnMut() -> Result<()>>;

/// A piece of the hot path.
struct Bench {
    name: &'static str,
    /// What one operation is.
    what: &'static str,
    /// How often it is done to be counted; what is done once is lost in it.
    iterations: u32,
    /// Makes everything that so many operations need.
    prepare: fn(u32) -> Result<Operation>,
}

/// All of them.
fn benches() -> Vec<Bench> {
    [codec::benches(), signature::benches(), step::benches(), journal::benches()]
        .into_iter()
        .flatten()
        .collect()
}

#[derive(Parser)]
#[command(name = "counts", about = "Pieces of the hot path, to be counted or timed")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Names every piece, how often it is done to be counted, and what it is; tabs between
    List,
    /// Prepares twice as many operations as `list` says and does `rounds` times as many as it says
    Run {
        /// Which piece
        name: String,
        /// 1 or 2: the difference of both is free of what was prepared
        #[arg(value_parser = clap::value_parser!(u32).range(1..=2))]
        rounds: u32,
    },
    /// Says how long each takes
    Time,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::List => {
            for Bench { name, iterations, what, .. } in benches() {
                say_or_leave!("{name}\t{iterations}\t{what}");
            }
            Ok(())
        }
        Command::Run { name, rounds } => {
            let bench = benches().into_iter().find(|bench| bench.name == name);
            let bench = bench.with_context(|| format!("there is no piece {name:?}"))?;
            let mut operation = (bench.prepare)(2 * bench.iterations)?;
            for _ in 0..rounds * bench.iterations {
                operation()?;
            }
            Ok(())
        }
        Command::Time => time(),
    }
}

/// Rounds that are timed; the quickest tells most where others use the machine too.
const ROUNDS: u32 = 9;
/// What a round should take.
const ROUND: Duration = Duration::from_millis(60);
/// Operations in a round, at most: what each needs is made before.
const MOST: u32 = 50_000;

fn time() -> Result<()> {
    say_or_leave!("{:<26} {:>12} {:>12}   one operation", "piece", "quickest ns", "median ns");
    for bench in benches() {
        let mut trial = (bench.prepare)(2 * bench.iterations)?;
        let begun = Instant::now();
        for _ in 0..bench.iterations {
            trial()?;
        }
        let each = begun.elapsed() / bench.iterations;
        let fitting = ROUND.as_nanos() / each.as_nanos().max(1);
        let count = u32::try_from(fitting).unwrap_or(MOST).clamp(bench.iterations, MOST);
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let mut operation = (bench.prepare)(count)?;
            let begun = Instant::now();
            for _ in 0..count {
                operation()?;
            }
            times.push(begun.elapsed() / count);
        }
        times.sort_unstable();
        let (quickest, median) = (times[0].as_nanos(), times[times.len() / 2].as_nanos());
        say_or_leave!("{:<26} {quickest:>12} {median:>12}   {}", bench.name, bench.what);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_can_be_done_as_often_as_it_is_prepared_for() {
        for bench in benches() {
            let mut operation = (bench.prepare)(2).expect(bench.name);
            for _ in 0..2 {
                operation().unwrap_or_else(|error| panic!("{}: {error:#}", bench.name));
            }
        }
    }

    #[test]
    fn names_tell_them_apart() {
        let mut names: Vec<_> = benches().iter().map(|bench| bench.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
