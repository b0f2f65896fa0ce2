//! `counter-bridge`: the command line, the configuration, and the wiring of everything below.
//!
//! Reading order: `cli` is what may be asked for; `config` what the bridge is told; `serve` wires
//! it together, after `waiting` for the database; `check` and `simulate` are commands of their own; `person` are those that talk to a
//! running bridge; `audit` says whether all money is accounted for; `demo` shows all of it, and
//! `bench` measures it.

mod audit;
mod bench;
mod check;
mod cli;
mod config;
mod demo;
mod descriptors;
mod person;
mod serve;
mod simulate;
mod waiting;

use anyhow::Result;
use clap::Parser;
use cli::{Cli, Command, ConfigFile, LogFormat, WithAccess};
use config::{Config, Mistakes};
use person::Form;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// A transfer takes some hundred small pieces of memory, most of them freed by another thread than
/// took them: what the system's own allocator is slowest at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command ended that could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As asked.
    Well,
    /// With a refusal, which has been said.
    Badly,
    /// A transfer goes on.
    Unfinished,
}

/// The command line is wrong, in a way that only shows when it is carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

fn main() -> ExitCode {
    // Wrong command lines end here, with 2.
    let Cli { log, command } = Cli::parse();
    log_to_stderr(log, &command);
    match carry_out(command) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Badly) => ExitCode::from(1),
        Ok(Ended::Unfinished) => ExitCode::from(3),
        Err(error) => {
            let configured = error.downcast_ref::<Mistakes>();
            match configured {
                // Each line begins with its place already.
                Some(mistakes) => eprintln!("{mistakes}"),
                None => eprintln!("counter-bridge: {error:#}"),
            }
            let usage = configured.is_some() || error.downcast_ref::<Usage>().is_some();
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn carry_out(command: Command) -> Result<Ended> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Demo(cli::DemoCommand { once, database }) => {
                demo::run(demo::Options { once, database }).await.map(|()| Ended::Well)
            }
            Command::Serve(ConfigFile { config }) => {
                let config = Config::load(&config, config::environment())?;
                for note in &config.notes {
                    tracing::warn!(key = note.key, "{}", note.what);
                }
                serve::run(config).await.map(|()| Ended::Well)
            }
            Command::Check(ConfigFile { config: file }) => {
                let config = Config::load_to_check(&file, config::environment())?;
                println!("{}", check::told(&config, &file.display().to_string()));
                Ok(Ended::Well)
            }
            Command::Simulate(command) => simulate::run(*command).await.map(|()| Ended::Well),
            Command::Transfer(WithAccess { command, access, json }) => {
                person::transfer::run(command, &access, Form::of(json)).await
            }
            Command::Show(WithAccess { command, access, json }) => {
                person::show::run(command, &access, Form::of(json)).await
            }
            Command::Balance(WithAccess { command, access, json }) => {
                person::balance::run(command, &access, Form::of(json)).await
            }
            Command::Status(WithAccess { command, access, json }) => {
                person::status::run(command, &access, Form::of(json)).await
            }
            Command::Resolve(WithAccess { command, access, json }) => {
                person::resolve::run(command, &access, Form::of(json)).await
            }
            Command::Audit(WithAccess { command, access, json }) => {
                audit::run(command, &access, Form::of(json)).await
            }
            Command::Bench(command) => bench::run(*command).await,
            Command::Openapi => {
                stdout().lock().write_all(api::openapi_json().as_bytes())?;
                Ok(Ended::Well)
            }
        }
    })
}

/// The log goes to standard error. Without `RUST_LOG`, what runs for long tells what happens, and
/// what answers a person tells only what is wrong.
fn log_to_stderr(format: LogFormat, command: &Command) {
    let quiet = match command {
        Command::Serve(_) | Command::Simulate(_) => "info",
        Command::Demo(_)
        | Command::Check(_)
        | Command::Transfer(_)
        | Command::Show(_)
        | Command::Balance(_)
        | Command::Status(_)
        | Command::Resolve(_)
        | Command::Audit(_)
        | Command::Bench(_)
        | Command::Openapi => "warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Human => log.with_ansi(stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
