//! Runs schedules: one seed, a range of them, or as many as fit into a time.

use anyhow::{Context, Result, bail};
use clap::Parser;
use domain::serial::MasterSerial;
use simulation::many::{Seen, run_many};
use simulation::stories::Chapter;
use simulation::{Class, Report, Request, known, run, shrink::shrink};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use supervise::{say_or_leave, tell};

/// A schedule is a great many small allocations: a tenth of it goes with a faster allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "simulate", about = "Runs deterministic schedules of faults", version)]
struct Arguments {
    /// One seed, whose story is told if anything is found
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// A range of seeds, such as `0..1000`; the last is not run
    #[arg(long, value_parser = range)]
    seeds: Option<std::ops::Range<u64>>,
    /// So many seeds that nobody has run, such as 10000000 for a night; says which
    #[arg(long, conflicts_with_all = ["seed", "seeds"])]
    fresh: Option<u64>,
    /// First the schedules that once found something
    #[arg(long)]
    known: bool,
    /// How many transfers are ordered; by default the seed decides
    #[arg(long)]
    transfers: Option<usize>,
    /// Only these classes of faults
    #[arg(long, value_delimiter = ',', value_parser = class)]
    only: Option<Vec<Class>>,
    /// Stops after so many seconds of the machine's time
    #[arg(long)]
    seconds: Option<u64>,
    /// Fewer schedules than this are a failure
    #[arg(long)]
    least: Option<u64>,
    /// On so many threads; by default one for each core
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Then every story of one transfer, completely
    #[arg(long)]
    stories: bool,
    /// Tells the story of the seed even if nothing is found
    #[arg(long)]
    story: bool,
    /// Goes on after a failure, and only counts it
    #[arg(long)]
    keep_going: bool,
    /// Prints a failure's seed and findings, without looking for a shorter story
    #[arg(long)]
    no_shrink: bool,
}

fn range(text: &str) -> Result<std::ops::Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("a range is written 0..1000")?;
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    let (first, end) = (number(first)?, number(end)?);
    if first < end { Ok(first..end) } else { Err(format!("{text} is empty")) }
}

fn class(text: &str) -> Result<Class, String> {
    let names = || Class::ALL.map(Class::as_str).join(", ");
    Class::ALL
        .into_iter()
        .find(|class| class.as_str() == text)
        .ok_or_else(|| format!("{text:?} is none of {}", names()))
}

fn main() -> ExitCode {
    match simulate(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tell!("simulate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was found.
fn simulate(arguments: &Arguments) -> Result<bool> {
    if arguments.transfers.is_some_and(|count| !(1..=10_000).contains(&count)) {
        bail!("--transfers takes 1 to 10000");
    }
    let (seeds, single) = match (arguments.seed, &arguments.seeds) {
        (Some(seed), _) => (seed..seed.checked_add(1).context("that seed is too large")?, true),
        (None, Some(seeds)) => (seeds.clone(), false),
        (None, None) if arguments.fresh.is_some() => {
            let seeds = fresh(arguments.fresh.unwrap_or_default())?;
            say_or_leave!("seeds {}..{}", seeds.start, seeds.end);
            (seeds, false)
        }
        (None, None) if arguments.known || arguments.stories => (0..0, false),
        (None, None) => bail!("say which: --seed N, --seeds A..B, --fresh N, --known or --stories"),
    };
    let begun = Instant::now();
    let mut totals = Totals::default();
    let known = arguments.known.then(known::schedules).into_iter().flatten();
    let asked_for = seeds.map(|seed| Request {
        seed,
        transfers: arguments.transfers,
        classes: arguments.only.clone().unwrap_or_else(|| Class::ALL.to_vec()),
    });
    let mut failed = None;
    if single {
        for request in asked_for {
            let (report, trace) = run(&request, arguments.story);
            for line in trace.of(None) {
                say_or_leave!("{line}");
            }
            say_or_leave!(
                "trace {:016x}: {} events, {:?}",
                report.hash,
                report.events,
                report.ends
            );
            totals.add(&request, &report);
            failed = (!report.findings.is_empty()).then_some((request, report));
        }
    } else {
        let until = arguments.seconds.map(|seconds| begun + Duration::from_secs(seconds));
        let threads = arguments.threads.map_or_else(cores, NonZeroUsize::get);
        run_many(known.chain(asked_for), threads, until, |request, report| {
            totals.add(request, &report);
            if report.findings.is_empty() {
                return Seen::More;
            }
            if arguments.keep_going {
                say_or_leave!("seed {}: {}", request.seed, report.findings[0]);
                return Seen::More;
            }
            failed.get_or_insert_with(|| (request.clone(), report));
            Seen::Enough
        });
    }
    if let Some((request, report)) = &failed {
        fail(request, report, arguments.no_shrink);
    }
    totals.print(begun.elapsed());
    let mut clean = totals.failed.is_empty();
    if let Some(least) = arguments.least
        && clean
        && totals.schedules < least
    {
        say_or_leave!("only {} schedules were run, and {least} were asked for", totals.schedules);
        clean = false;
    }
    if arguments.stories && clean {
        clean = tell_stories(begun, arguments.no_shrink);
    }
    Ok(clean)
}

/// So many seeds from the microsecond of now on.
fn fresh(count: u64) -> Result<std::ops::Range<u64>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let first = u64::try_from(now.as_micros())?;
    Ok(first..first.checked_add(count).context("that is too many")?)
}

/// As many threads as the machine runs at once.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Tells every story of one transfer; whether none of them is wrong. One that is can be shown in full.
fn tell_stories(begun: Instant, briefly: bool) -> bool {
    let mut told = 0;
    for chapter in Chapter::ALL {
        for (budget, count) in chapter.tell() {
            told += count.stories;
            if let Some((choices, text, findings)) = count.failed {
                say_or_leave!("\nFOUND with the story {chapter:?} {budget:?} {choices:?}:");
                if !briefly {
                    for line in &text {
                        say_or_leave!("{line}");
                    }
                }
                for finding in &findings {
                    say_or_leave!("  {finding}");
                }
                return false;
            }
        }
    }
    say_or_leave!(
        "{told} stories of one transfer; {:.1} s altogether",
        begun.elapsed().as_secs_f64()
    );
    true
}

/// Tells a failure: the seed, what was found, and the shortest story that shows it.
fn fail(request: &Request, report: &Report, as_it_is: bool) {
    say_or_leave!("\nFOUND with seed {}:", request.seed);
    for finding in &report.findings {
        say_or_leave!("  {finding}");
    }
    if as_it_is {
        return say_or_leave!("\nagain: {}", again(request));
    }
    let (request, report) = shrink(request, report);
    let known = report.hash;
    let (report, trace) = run(&request, true);
    if report.hash != known {
        say_or_leave!("NOT REPEATABLE: the same schedule had two traces");
    }
    let guilty = report.findings.iter().find_map(|finding| {
        let name = finding.master.as_ref()?;
        // The mark follows where the same serial may stand for two.
        let master: MasterSerial = name.split('/').next()?.parse().ok()?;
        Some(master.sequence.number())
    });
    say_or_leave!("\nThe shortest story found, about transfer {guilty:?}:");
    for line in trace.of(guilty) {
        say_or_leave!("{line}");
    }
    for finding in &report.findings {
        say_or_leave!("  {finding}");
    }
    say_or_leave!("\nagain: {}\ntrace {:016x}", again(&request), report.hash);
}

/// What runs a schedule again.
fn again(request: &Request) -> String {
    let classes: Vec<&str> = request.classes.iter().map(|class| class.as_str()).collect();
    let transfers =
        request.transfers.map_or_else(String::new, |count| format!(" --transfers {count}"));
    let (seed, classes) = (request.seed, classes.join(","));
    format!("cargo xtask simulate --seed {seed}{transfers} --only {classes}")
}

#[derive(Default)]
struct Totals {
    schedules: u64,
    transfers: usize,
    events: u64,
    crashes: u64,
    passed: Duration,
    ends: BTreeMap<String, usize>,
    failed: Vec<u64>,
}

impl Totals {
    fn add(&mut self, request: &Request, report: &Report) {
        self.schedules += 1;
        if !report.findings.is_empty() {
            self.failed.push(request.seed);
        }
        self.transfers += report.transfers;
        self.events += report.events;
        self.crashes += u64::from(report.crashes);
        self.passed += Duration::from_micros(u64::try_from(report.passed).unwrap_or(0));
        for (end, count) in &report.ends {
            *self.ends.entry(end.clone()).or_default() += count;
        }
    }

    fn print(&self, took: Duration) {
        let ratio = self.passed.as_secs_f64() / took.as_secs_f64().max(1e-9);
        say_or_leave!(
            "{} schedules, {} transfers, {} deaths of the bridge, {} events",
            self.schedules,
            self.transfers,
            self.crashes,
            self.events
        );
        say_or_leave!("ends: {:?}", self.ends);
        say_or_leave!(
            "{:.0} s of virtual time in {:.1} s: {ratio:.0} times real time, {:.0} schedules a second",
            self.passed.as_secs_f64(),
            took.as_secs_f64(),
            f64::from(u32::try_from(self.schedules).unwrap_or(u32::MAX))
                / took.as_secs_f64().max(1e-9)
        );
        if !self.failed.is_empty() {
            say_or_leave!("{} failed: {:?}", self.failed.len(), self.failed);
        }
    }
}
