//! Chores of this repository, run as `cargo xtask CHORE`. A chore is a list of announced steps;
//! the first that fails ends it, and everything that was started is ended with it.
//!
//! Reading order: [`chores`], [`chaos`], [`schedules`], [`counts`], [`fuzz`] and [`bench_link`] say what is
//! done; [`steps`] announces and times it; [`place`] is where everything is, [`tools`] the list of what must be
//! installed; [`mutate`] breaks the rules on purpose, [`mutants`] all of the code; [`mariadb`],
//! [`private_database`], [`node`] and [`python`] are what the tests stand on; [`monitoring`] tries the alert rules and the
//! dashboard, [`release`] builds what is handed out,
//! [`copy`] is where [`mutate`] builds; [`layers`], [`circles`], [`parts`] and [`tidy`] hold the repository to what is
//! said of it.

mod bench_link;
mod chaos;
mod chores;
mod circles;
mod copy;
mod counts;
mod fuzz;
mod layers;
mod mariadb;
mod monitoring;
mod mutants;
mod mutate;
mod node;
mod parts;
mod place;
mod private_database;
mod python;
mod release;
mod schedules;
mod steps;
mod tidy;
mod tools;

use clap::{Parser, Subcommand};
use counts::What;
use mutate::Schedules;
use std::ffi::OsString;
use std::process::ExitCode;
use supervise::tell;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// The quick inner loop: format, clippy, unit tests of the pure crates; needs only Rust
    Check,
    /// Everything, as CI does; installs what it needs where it may (Debian, root)
    Test,
    /// Runs deterministic schedules of faults: `--seed N [--transfers M]` or `--seeds A..B`
    Simulate {
        /// What `simulate --help` lists
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Builds one deliberate defect, chosen by the commit, and fails unless it is found
    Canary,
    /// Breaks the rules on purpose, one after another, and says which of it the simulation catches
    Mutate {
        /// Only mutations whose name has this in it
        only: Option<String>,
        /// Seconds of new schedules for each; every story of one transfer is told meanwhile
        #[arg(long, default_value_t = 120)]
        seconds: u64,
        /// Leave out the schedules that once found something
        #[arg(long)]
        new: bool,
    },
    /// Changes the code in small ways, one after another, and says which of it the tests do not notice;
    /// installs cargo-mutants if it is not there
    Mutants {
        /// Only lines that differ from the main branch
        #[arg(long)]
        changed: bool,
        /// Only the K-th of N parts, K from 0
        #[arg(long, value_name = "K/N", value_parser = mutants::shard)]
        shard: Option<String>,
        /// Only this crate
        #[arg(short, long)]
        package: Option<String>,
    },
    /// Kills bridge, counters and database under load, in random order, and counts the money
    Chaos {
        /// What `cargo run -p system-tests --bin chaos -- --help` names, such as --cycles 1000
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Fuzzes both decoders, the signature and the configuration; installs cargo-fuzz if it is not
    /// there
    Fuzz {
        /// How long each target runs
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=604_800))]
        seconds: u32,
        /// Only this target
        #[arg(long)]
        target: Option<String>,
    },
    /// Counts the instructions of the hot path's pieces; more than a tenth above what is kept fails
    Counts {
        /// Keep the new counts
        #[arg(long, conflicts_with = "time")]
        accept: bool,
        /// Say how long each piece takes instead, without judging
        #[arg(long)]
        time: bool,
    },
    /// Measures long connections, and prints one JSON document: every figure, its target, and whether
    /// it was met
    BenchLink {
        /// What `cargo run -p link-bench -- --help` names, such as --quick
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Tries the alert rules, the example of a scrape and the dashboard of `deploy` by Prometheus's own tool; installs
    /// it where it may (Debian, root)
    Monitoring,
    /// Builds the program that is handed out, twice, and fails unless both are the same bytes; beside it a
    /// bill of materials, licenses and checksums. Installs cargo-auditable and cargo-cyclonedx below `target`
    Release,
    /// Runs one command with what the tests stand on (a private `MariaDB`, Python) in its
    /// environment, such as `cargo xtask with cargo test -p store`
    With {
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let chore = Arguments::parse().chore;
    let done = match chore {
        Chore::Check => chores::check(),
        Chore::Test => chores::test(),
        Chore::Simulate { arguments } => schedules::simulate(&arguments),
        Chore::Canary => chores::canary(),
        Chore::Mutate { only, seconds, new } => {
            let schedules = if new { Schedules::New } else { Schedules::KnownFirst };
            mutate::mutate(only.as_deref(), seconds, schedules)
        }
        Chore::Mutants { changed, shard, package } => {
            mutants::mutants(&mutants::Wanted { package, changed, shard })
        }
        Chore::Chaos { arguments } => chaos::chaos(&arguments),
        Chore::Fuzz { seconds, target } => fuzz::fuzz(seconds, target.as_deref()),
        Chore::Counts { accept, time } => counts::counts(match (accept, time) {
            (true, _) => What::Accept,
            (false, true) => What::Time,
            (false, false) => What::Compare,
        }),
        Chore::BenchLink { arguments } => bench_link::bench_link(&arguments),
        Chore::Monitoring => monitoring::monitoring(),
        Chore::Release => release::release(),
        Chore::With { command } => chores::with(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
