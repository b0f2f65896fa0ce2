//! What long connections cost and how they behave when something goes wrong, as figures: one JSON
//! document with each figure, its target and whether it was met. `cargo xtask bench-link` runs it.
//!
//! Every figure is taken by a process of its own (`figures`), which holds the links; counters are
//! played by another one (`peer`), so that neither its memory nor its processor time counts. Beside
//! the link, and in turns with it, a bare client (`raw`) sends the same bytes to the same peer.
//!
//! Reading order: [`report`] is what is printed, [`figures`] how each figure is taken, [`fleet`] the
//! links, [`peer`] and [`script`] the other end, [`child`] how processes talk, [`meter`] what the
//! kernel counts.

mod child;
mod figures;
mod fleet;
mod meter;
mod peer;
mod raw;
mod report;
mod script;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use figures::Part;
use std::process::ExitCode;
use supervise::output::{READER_GONE, Unsaid};
use supervise::{say, tell};

/// What the bridge uses too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures long connections, and prints one JSON document.
#[derive(Debug, Parser)]
#[command(name = "link-bench", disable_version_flag = true, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    role: Option<Role>,
}

/// How it is measured.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Everything small, in less than 90 seconds: shows that it works, not how well
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these figures; may be repeated
    #[arg(long, value_name = "FIGURE")]
    pub(crate) only: Vec<Part>,
    /// How many links are idle at once [default: 10000; quick: 1000 plain, 200 under TLS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) idle: Option<u32>,
    /// How many links come back at once [default: 5000; quick: 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=20_000))]
    pub(crate) herd: Option<u32>,
    /// How long all processors are kept busy, in seconds [default: 600; quick: 8]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) busy: Option<u64>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Takes one figure
    #[command(hide = true)]
    Figure {
        part: Part,
        #[command(flatten)]
        options: Options,
    },
    /// Plays counters
    #[command(hide = true)]
    Peer(peer::PeerOptions),
    /// Keeps all processors busy
    #[command(hide = true)]
    Burn,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Whoever started it reads its standard output, and passes on what is wrong.
    let is_part = matches!(cli.role, Some(Role::Figure { .. } | Role::Peer(_)));
    let done = match cli.role {
        None => figures::all(&cli.options),
        Some(Role::Figure { part, options }) => figures::one(part, &options),
        Some(Role::Peer(options)) => peer::run(options),
        Some(Role::Burn) => burn(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.downcast_ref::<Unsaid>().is_some_and(Unsaid::is_quiet) => {
            ExitCode::from(READER_GONE)
        }
        Err(error) if is_part => {
            // Without a reader there is nobody to be told of it either.
            let _ = say!("{}", serde_json::json!({ "error": format!("{error:#}") }));
            ExitCode::FAILURE
        }
        Err(error) => {
            tell!("link-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Two threads for every processor, until nobody holds our input any more.
fn burn() -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get) * 2;
    for seed in 0..threads {
        std::thread::spawn(move || {
            let mut number = seed;
            loop {
                number = std::hint::black_box(number.wrapping_mul(31).wrapping_add(1));
            }
        });
    }
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
