//! `cargo xtask chaos`: kills every program under load, in random order, as often as one likes.

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use std::process::ExitCode;
use std::time::Instant;
use supervise::{say_if_heard, tell};
use system_tests::chaos::{self, Options, Record};
use system_tests::mariadb::MariaDb;

/// Kills bridge, counters and database under load, in random order, and counts the money
#[derive(Parser)]
#[command(name = "chaos", disable_version_flag = true)]
struct Arguments {
    /// How many cycles, shared by the databases: in each, one program or two are killed (or, one
    /// time in eight, stopped for a while) at a random moment, and started again; one time in sixteen
    /// the link to a counter is cut instead, one way or both (as root); one time in eight the
    /// bridge's clock is stepped by seconds to days, and stays so over the next cycles
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    cycles: u32,
    /// What everything is drawn from; a random one unless given
    #[arg(long)]
    seed: Option<u64>,
    /// Where the record is
    #[arg(long, value_enum, default_value_t = Databases::Both)]
    database: Databases,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Databases {
    Sqlite,
    Mariadb,
    Both,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Arguments { cycles, seed, database }: Arguments) -> Result<()> {
    let seed = seed.unwrap_or_else(rand::random);
    let shares = match database {
        Databases::Sqlite => vec![(Record::Sqlite, cycles)],
        Databases::Mariadb => vec![(Record::MariaDb, cycles)],
        Databases::Both => {
            vec![(Record::Sqlite, cycles.div_ceil(2)), (Record::MariaDb, cycles / 2)]
        }
    };
    if shares.iter().any(|(record, _)| *record == Record::MariaDb) && !MariaDb::is_installed() {
        bail!(
            "MariaDB is not installed; `cargo xtask chaos` installs it, or write --database sqlite"
        );
    }
    say_if_heard!("seed {seed}");
    for (record, cycles) in shares {
        let begun = Instant::now();
        let tally = chaos::run(Options { record, cycles, seed }).await?;
        let took = begun.elapsed().as_secs_f64();
        say_if_heard!("{record:?}: {cycles} cycles in {took:.0} s; {tally}");
    }
    Ok(())
}
