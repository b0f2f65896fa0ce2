//! `counter-bridge`: the command line, the configuration, and the wiring of everything below.
//!
//! Reading order: `cli` is what may be asked for; `config` what the bridge is told; `serve` wires it together, after
//! `waiting` for the database, and `service_manager` is told how it is, `telemetry` what
//! happens; `check` and `simulate` are commands of their own; `person` are those that talk to a
//! running bridge; `audit` says whether all money is accounted for, `record` whether the record is complete, and `operator`
//! makes the people who sign in at the operators' side. `words` are how errors are told. `demo` shows all of it; it and `simulate`, and the crate `bench`, which measures a bridge, are
//! there only with the feature `demo`.

mod audit;
mod check;
mod cli;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod descriptors;
mod operator;
mod person;
mod record;
mod reload;
mod serve;
mod service_manager;
#[cfg(feature = "demo")]
mod simulate;
#[cfg(feature = "opentelemetry")]
mod telemetry;
mod waiting;
mod words;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use cli::{Cli, Command, ConfigFile, LogFormat, WithAccess};
use command_line::{Ended, Usage};
use config::{Config, Mistakes};
use person::Form;
use person::links::{LinkAct, LinkCommand};
use rustix::fs::Mode;
use std::fs::File;
use std::io::{Write, sink, stderr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use supervise::lines::Lines;
use supervise::output::{self, Unsaid};
use supervise::say;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// A transfer takes some hundred small pieces of memory, most of them freed by another thread than
/// took them: what the system's own allocator is slowest at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // What is made here is its owner's alone, whatever the shell thinks: the record names accounts, and
    // keys are made here too.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    // Wrong command lines end here, with 2.
    let Cli { log, command } = Cli::parse();
    let mut lines = log_to_stderr(log, &command);
    let code = match carry_out(command) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Badly) => ExitCode::from(1),
        Ok(Ended::Unfinished) => ExitCode::from(3),
        Err(error) => {
            let (code, words) = told(&error);
            // Behind what was logged, and by the same way: whoever does not read it holds nobody up.
            for line in words {
                let _ = lines.write_all(line.as_bytes());
            }
            ExitCode::from(code)
        }
    };
    lines.flush(LAST_WORDS);
    code
}

/// How long the last lines of the log may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The exit code of an error, and what is said of it on standard error, line by line.
fn told(error: &anyhow::Error) -> (u8, Vec<String>) {
    if let Some(unsaid) = error.downcast_ref::<Unsaid>() {
        let words = format!("counter-bridge: {unsaid}\n");
        return (unsaid.exit_code(), if unsaid.is_quiet() { Vec::new() } else { vec![words] });
    }
    if let Some(mistakes) = error.downcast_ref::<Mistakes>() {
        // Each line begins with its place already.
        return (2, mistakes.lines().map(|line| format!("{line}\n")).collect());
    }
    let code = if error.downcast_ref::<Usage>().is_some() { 2 } else { 1 };
    (code, vec![format!("counter-bridge: {}\n", words::in_one_line(error))])
}

async fn about_a_link(act: LinkAct, asked: WithAccess<LinkCommand>) -> Result<Ended> {
    let WithAccess { command, access, json } = asked;
    person::links::run(act, command, &access, Form::of(json)).await
}

/// Serves by the configuration in `file`.
async fn serve_by(file: PathBuf) -> Result<()> {
    let read = move || Config::load(&file, config::environment());
    let config = read()?;
    for note in &config.notes {
        tracing::warn!(key = note.key, "{}", note.what);
    }
    #[cfg(feature = "opentelemetry")]
    let exporting = config.opentelemetry.as_ref().map(telemetry::begin).transpose()?;
    let served = serve::run(config, read).await;
    #[cfg(feature = "opentelemetry")]
    if let Some(exporting) = exporting {
        exporting.end().await;
    }
    served
}

fn carry_out(command: Command) -> Result<Ended> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        match command {
            #[cfg(feature = "demo")]
            Command::Demo(cli::DemoCommand { once, database }) => {
                demo::run(demo::Options { once, database }).await.map(|()| Ended::Well)
            }
            Command::Serve(ConfigFile { config: file }) => {
                serve_by(file).await.map(|()| Ended::Well)
            }
            Command::Check(ConfigFile { config: file }) => {
                let config = Config::load_to_check(&file, config::environment())?;
                say!("{}", check::told(&config, &file.display().to_string()))?;
                Ok(Ended::Well)
            }
            #[cfg(feature = "demo")]
            Command::Simulate(command) => simulate::run(*command).await.map(|()| Ended::Well),
            Command::Transfer(WithAccess { command, access, json }) => {
                person::transfer::run(command, &access, Form::of(json)).await
            }
            Command::Show(WithAccess { command, access, json }) => {
                person::show::run(command, &access, Form::of(json)).await
            }
            Command::Find(WithAccess { command, access, json }) => {
                person::find::run(command, &access, Form::of(json)).await
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
            Command::Claim(WithAccess { command, access, json }) => {
                person::claim::run(command, &access, Form::of(json)).await
            }
            Command::ResumeProven(WithAccess { command, access, json }) => {
                person::proven::run(command, &access, Form::of(json)).await
            }
            Command::Hold(asked) => about_a_link(LinkAct::Hold, asked).await,
            Command::Drain(asked) => about_a_link(LinkAct::Drain, asked).await,
            Command::Release(asked) => about_a_link(LinkAct::Release, asked).await,
            Command::NewSession(asked) => about_a_link(LinkAct::NewSession, asked).await,
            Command::Readmit(WithAccess { command, access, json }) => {
                person::readmit::run(command, &access, Form::of(json)).await
            }
            Command::Reconnect(WithAccess { command, access, json }) => {
                person::reconnect::run(command, &access, Form::of(json)).await
            }
            Command::Audit(WithAccess { command, access, json }) => {
                audit::run(command, &access, Form::of(json)).await
            }
            Command::Record(command) => record::run(command).await,
            Command::Operator(command) => Box::pin(operator::run(command)).await,
            #[cfg(feature = "demo")]
            Command::Bench(command) => {
                Box::pin(bench::run(*command, &std::env::current_exe()?)).await
            }
            Command::Completions { shell } => {
                let mut script = Vec::new();
                let mut command = Cli::command();
                clap_complete::generate(shell, &mut command, "counter-bridge", &mut script);
                output::bytes(&script)?;
                Ok(Ended::Well)
            }
            Command::Openapi { operators } => {
                let describe = if operators { ops::openapi_json } else { api::openapi_json };
                output::bytes(describe().as_bytes())?;
                Ok(Ended::Well)
            }
        }
    });
    // Whoever hangs is not waited for: all that was to be put in order has been.
    runtime.shutdown_timeout(LAST_WORDS);
    ended
}

/// The log goes to standard error, by a way on which nobody waits and nothing panics. Without
/// `RUST_LOG`, what runs for long tells what happens, and what answers a person tells only what is
/// wrong.
fn log_to_stderr(format: LogFormat, command: &Command) -> Lines {
    let quiet = match command {
        // How far the tables are is said by the store, in words.
        Command::Serve(_) => "info,sea_orm_migration=warn",
        #[cfg(feature = "demo")]
        Command::Simulate(_) => "info,sea_orm_migration=warn",
        #[cfg(feature = "demo")]
        Command::Demo(_) | Command::Bench(_) => "warn",
        Command::Check(_)
        | Command::Transfer(_)
        | Command::Show(_)
        | Command::Find(_)
        | Command::Balance(_)
        | Command::Status(_)
        | Command::Resolve(_)
        | Command::Claim(_)
        | Command::ResumeProven(_)
        | Command::Readmit(_)
        | Command::Hold(_)
        | Command::Drain(_)
        | Command::Release(_)
        | Command::NewSession(_)
        | Command::Reconnect(_)
        | Command::Audit(_)
        | Command::Record(_)
        | Command::Operator(_)
        | Command::Completions { .. }
        | Command::Openapi { operators: _ } => "warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    // A handle of its own: the process's has a lock, and a reader that has stopped would hold it.
    let lines = match stderr().as_fd().try_clone_to_owned() {
        Ok(handle) => Lines::to(File::from(handle)),
        Err(_) => Lines::to(sink()),
    };
    let writer = lines.clone();
    let log = tracing_subscriber::fmt::layer()
        .with_writer(move || writer.clone())
        // A line that cannot be formatted is not written by another way.
        .log_internal_errors(false);
    let log = match format {
        // Without colours: the escape sequences of ours could not be told from anybody else's.
        // Where in this program a line comes from is for those who change it, who read the other format.
        LogFormat::Human => log.with_ansi(false).with_target(false).boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    };
    let all = tracing_subscriber::registry().with(log.with_filter(filter));
    #[cfg(feature = "opentelemetry")]
    let all = {
        use telemetry::Exporter;
        all.with(Exporter.with_filter(Exporter::filter()))
    };
    all.init();
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        tracing::error!(thread = thread.name(), "a defect of this program: {panic}");
    }));
    lines
}
