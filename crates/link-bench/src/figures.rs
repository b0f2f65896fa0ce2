//! Which figures there are, and how they become one document.

mod busy;
mod heartbeat;
mod idle;
mod loss;
mod overload;
mod pace;
mod recovery;
mod stop;

use crate::Options;
use crate::child::Child;
use crate::meter;
use crate::report::{Figure, number, rounded};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};
use supervise::{say, tell};
use tokio::time::Instant;

/// What can be measured on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// One connection at 64 in flight, beside a bare client
    Pace,
    /// Memory of idle links, plain
    IdlePlain,
    /// Memory of idle links under TLS
    IdleTls,
    /// Heartbeats under saturation
    Heartbeat,
    /// Ten times more than the counter can do
    Overload,
    /// From a listener's return to a session
    Return,
    /// Many links that come back at once
    Herd,
    /// How soon idle links have stopped
    Stop,
    /// How soon an end is seen
    Ends,
    /// How soon a process that stands still is seen
    Frozen,
    /// Nobody is taken for dead while all processors are busy
    Busy,
}

impl Part {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Takes one figure in this process, and prints it.
pub(crate) fn one(part: Part, options: &Options) -> Result<()> {
    let runtime = match part {
        // One thread, so that what the process takes is what the work takes.
        Part::Pace => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        _ => tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?,
    };
    let quick = options.quick;
    let figures = runtime.block_on(async {
        match part {
            Part::Pace => pace::take(quick).await,
            Part::IdlePlain => idle::take(quick, options.idle, false).await,
            Part::IdleTls => idle::take(quick, options.idle, true).await,
            Part::Heartbeat => heartbeat::take(quick).await,
            Part::Overload => overload::take(quick).await,
            Part::Return => recovery::one_by_one(quick).await,
            Part::Herd => recovery::all_at_once(quick, options.herd).await,
            Part::Stop => stop::take(quick).await,
            Part::Ends => loss::ends(quick).await,
            Part::Frozen => loss::frozen().await,
            Part::Busy => busy::take(quick, options.busy).await,
        }
    })?;
    say!("{}", json!({ "figures": figures }))?;
    runtime.shutdown_background();
    Ok(())
}

/// Takes all figures, each in a process of its own, and prints the document.
pub(crate) fn all(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let document = runtime.block_on(document(options))?;
    say!("{}", serde_json::to_string_pretty(&document)?)?;
    let errors = document["errors"].as_array().map_or(0, Vec::len);
    if errors > 0 {
        bail!("{errors} of the figures could not be taken");
    }
    Ok(())
}

async fn document(options: &Options) -> Result<Value> {
    let began = (Instant::now(), meter::machine_busy());
    let (mut figures, mut errors) = (Vec::new(), Vec::new());
    for part in Part::value_variants() {
        if !options.only.is_empty() && !options.only.contains(part) {
            continue;
        }
        let name = part.name();
        tell!("link-bench: {name}");
        match taken(&name, options).await {
            Ok(mut taken) => figures.append(&mut taken),
            Err(error) => errors.push(json!({ "figure": name, "error": format!("{error:#}") })),
        }
    }
    let missed: Vec<&str> = figures
        .iter()
        .filter(|figure| figure.met == Some(false))
        .map(|figure| figure.name.as_str())
        .collect();
    let took = began.0.elapsed();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let busy = began.1.zip(meter::machine_busy()).map(|(then, now)| {
        rounded((now.saturating_sub(then)).as_secs_f64() / took.as_secs_f64() / number(cores))
    });
    Ok(json!({
        "quick": options.quick,
        "optimized": !cfg!(debug_assertions),
        "took_s": rounded(took.as_secs_f64()),
        "processors": cores,
        "processors_busy": busy,
        "figures": figures,
        "missed": missed,
        "errors": errors,
    }))
}

async fn taken(name: &str, options: &Options) -> Result<Vec<Figure>> {
    let mut arguments = vec!["figure".to_owned(), name.to_owned()];
    if options.quick {
        arguments.push("--quick".to_owned());
    }
    let numbers = [
        ("--idle", options.idle.map(u64::from)),
        ("--herd", options.herd.map(u64::from)),
        ("--busy", options.busy),
    ];
    for (option, value) in numbers {
        if let Some(value) = value {
            arguments.extend([option.to_owned(), value.to_string()]);
        }
    }
    let mut child = Child::start(&arguments)?;
    let said = child.hear_at_last().await?;
    serde_json::from_value(said["figures"].clone()).context("no figures")
}
