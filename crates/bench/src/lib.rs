//! `counter-bridge bench`: load against a bridge, and what it costs, measured from outside.
//!
//! It knows a bridge as its callers, its operators and its service manager do: by its addresses, and by the commands
//! of its program, which whoever calls [`run`] names. So nothing of it has to be linked into a bridge that moves money.
//! Three things are not done from outside: a database is filled through `store` before a bridge starts on it, and gets
//! the `looker` whom the operators' side answers; and the floor serves with the API's own server.
//!
//! Reading order: [`BenchCommand`] is what may be asked for; `stage` starts two counters and a
//! bridge as processes of their own, or finds a running bridge; `order` makes signed requests and
//! `connection` carries them; `load` keeps callers busy, by their own pace or by the clock's, and
//! `tally` counts; `process`, `disk` and `gauges` look at what it costs, `course` at where the
//! time of a `sample` goes; `turns` measures, `figures` are what comes of it, and `report` says
//! them; `floor` is what nobody can save. `overload`, `neighbour`, `browsers`, `scale`, `recovery` and `soak`
//! are what is asked beyond speed, some of it after a `prefill`.

mod browsers;
mod connection;
mod course;
mod disk;
mod figures;
mod floor;
mod gauges;
mod load;
mod looker;
mod mix;
mod neighbour;
mod order;
mod overload;
mod prefill;
mod process;
mod recovery;
mod report;
mod sample;
mod scale;
mod setup;
mod soak;
mod stage;
mod tally;
mod turns;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use client::Algorithm;
use command_line::number::within;
use command_line::{Ended, Usage};
use load::{Pace, Plan};
use mix::Mix;
use report::Report;
use stage::{Manners, Stage};
use std::path::{Path, PathBuf};
use std::time::Duration;
use supervise::{say, tell};
use turns::{in_turns, turn};

/// What requests are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Signature {
    /// A shared secret
    HmacSha256,
    /// A private key
    Ed25519,
}

impl Signature {
    fn algorithm(self) -> Algorithm {
        match self {
            Signature::HmacSha256 => Algorithm::HmacSha256,
            Signature::Ed25519 => Algorithm::Ed25519,
        }
    }
}

/// `bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchCommand {
    /// Callers, each with a connection of its own and one transfer at a time [default: 64, or 1024
    /// with --rate]
    #[arg(long, value_name = "N", value_parser = within::<u16>(1..=10_000))]
    callers: Option<u16>,
    /// Begin so many transfers a second, whether or not earlier ones have ended; a latency counts
    /// from when the transfer should have begun. Without it, each caller begins as soon as its
    /// last one has ended
    #[arg(long, value_name = "PER_SECOND", value_parser = within::<u32>(1..=1_000_000))]
    rate: Option<u32>,
    /// How long it is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = within::<u32>(1..=86_400))]
    seconds: u32,
    /// How long it runs before it is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 2,
          value_parser = within::<u32>(0..=3600))]
    warm_up: u32,
    /// Shares of transfers, in percent, that are to end otherwise than completed
    #[arg(long, value_name = "refused=P,reversed=P", default_value = "")]
    mix: Mix,
    /// Accounts at each counter
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = within::<u32>(1..=20_000))]
    accounts: u32,
    /// How unevenly they are used: the n-th in proportion to 1/n^S; 0 for evenly
    #[arg(long, value_name = "S", default_value_t = 0.0, value_parser = skew,
          allow_negative_numbers = true)]
    skew: f64,
    /// All money comes from one account
    #[arg(long)]
    one_account: bool,
    /// What requests are signed with
    #[arg(long, value_enum, default_value_t = Signature::HmacSha256)]
    algorithm: Signature,
    /// Another database than a file in a fresh folder: sqlite://… or mysql://…
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Where the fresh folder is made; the disk under it is the one that is measured [default: the
    /// system's folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Keep the folder, with its logs and the database
    #[arg(long)]
    keep: bool,
    /// Threads that make the load
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = within::<u8>(1..=64))]
    threads: u8,
    /// Measure in turns with the bare floor: the same HTTP server, two round trips to processes that
    /// echo, and two group-committed barriers of small rows, with nothing else
    #[arg(long, conflicts_with = "client")]
    floor: bool,
    /// Ask for three times what 256 callers can make it do, from 4096 callers unless said otherwise:
    /// what is still completed, and how the rest is turned away
    #[arg(long, conflicts_with_all = ["client", "rate", "floor"])]
    overload: bool,
    /// Measure in turns without and with another app, of so many callers, that asks for far more than it
    /// may
    #[arg(long, value_name = "CALLERS", conflicts_with_all = ["client", "floor", "overload", "prefill"],
          value_parser = within::<u16>(1..=10_000))]
    neighbour: Option<u16>,
    /// Measure in turns with nobody looking, with so many browsers that follow live, and with pages of transfers asked for
    /// one after another; with --prefill, beside as many transfers
    #[arg(long, value_name = "N", conflicts_with_all = ["client", "floor", "overload", "neighbour", "recovery"],
          value_parser = within::<u16>(1..=250))]
    browsers: Option<u16>,
    /// Put so many completed transfers into the database first, unless it has some, and measure in
    /// turns with an empty one; with --database the filled one can be used again
    #[arg(long, value_name = "N", conflicts_with_all = ["client", "floor", "overload"],
          value_parser = within::<u64>(1..=1_000_000_000))]
    prefill: Option<u64>,
    /// Open so many transfers at counters that never answer, kill the bridge, and measure how soon a
    /// new one accepts and has ended them all beside counters that do
    #[arg(long, value_name = "N",
          conflicts_with_all =
              ["client", "floor", "overload", "prefill", "rate", "mix", "callers", "neighbour"],
          value_parser = within::<u32>(1..=10_000_000))]
    recovery: Option<u32>,
    /// Load a running bridge: a TOML file with url, operators, `token_file`, `key_id`, `key_file` and
    /// algorithm, as `demo` writes it
    #[arg(long, value_name = "FILE", requires = "from", requires = "to",
          conflicts_with_all = ["database", "folder", "keep", "accounts", "one_account", "mix", "algorithm"])]
    client: Option<PathBuf>,
    /// An account of the running bridge that money comes from; may be repeated
    #[arg(long, value_name = "COUNTER:ACCOUNT", requires = "client", value_parser = place)]
    from: Vec<domain::message::Place>,
    /// An account of the running bridge that money goes to; may be repeated
    #[arg(long, value_name = "COUNTER:ACCOUNT", requires = "client", value_parser = place)]
    to: Vec<domain::message::Place>,
    #[command(flatten)]
    part: floor::PartArgs,
}

fn skew(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(skew) if (0.0..=5.0).contains(&skew) => Ok(skew),
        Ok(_) | Err(_) => Err("must be a number from 0 to 5".to_owned()),
    }
}

fn place(text: &str) -> Result<domain::message::Place, String> {
    let (counter, account) =
        text.split_once(':').ok_or_else(|| "write COUNTER:ACCOUNT".to_owned())?;
    Ok(domain::message::Place {
        counter: counter.parse().map_err(|error| format!("{error}"))?,
        account: account.parse().map_err(|error| format!("{error}"))?,
    })
}

impl BenchCommand {
    fn pace(&self) -> Pace {
        match self.rate {
            Some(per_second) => Pace::Clock { per_second },
            None => Pace::Callers,
        }
    }

    fn plan(&self) -> Plan {
        let usual = match (self.overload, self.rate) {
            (true, _) => overload::CALLERS,
            (false, Some(_)) => 1024,
            (false, None) => 64,
        };
        let callers = self.callers.unwrap_or(usual);
        Plan {
            callers: callers.into(),
            pace: self.pace(),
            threads: u16::from(self.threads).min(callers).into(),
            warm_up: Duration::from_secs(self.warm_up.into()),
            measured: Duration::from_secs(self.seconds.into()),
            signed_before: false,
        }
    }
}

/// Under overload requests are signed before, and a signature is valid for five minutes at most.
const LONGEST_STORM_S: u32 = 240;

/// Runs the load and reports it; [`Ended::Badly`] if anything of it went wrong.
///
/// `program` is what counters, the bridge and the floor are started from: it has the commands `simulate` and `serve`,
/// and `bench` with this very command line. An error is [`Usage`] if the command line cannot be meant.
pub async fn run(command: BenchCommand, program: &Path) -> Result<Ended> {
    if let Some(part) = command.part.part {
        return floor::run(part, &command.part).await.map(|()| Ended::Well);
    }
    if let Some(count) = command.recovery {
        return recover(&command, program, count).await;
    }
    if command.overload && command.warm_up + command.seconds > LONGEST_STORM_S {
        let why = format!("--overload runs {LONGEST_STORM_S} s at most, its warm-up included");
        return Err(Usage(why).into());
    }
    let stage = match &command.client {
        Some(file) => Stage::running(file, &command.from, &command.to, command.skew)?,
        None => Stage::start(&command, program, Manners::Answering).await?,
    };
    let result = report(&command, program, &stage).await;
    let stopped = stage.stop(command.keep || result.is_err()).await;
    let report = result?;
    stopped?;
    report.explain();
    say!("{}", serde_json::to_string(&report)?)?;
    Ok(if report.is_clean() { Ended::Well } else { Ended::Badly })
}

async fn recover(command: &BenchCommand, program: &Path, count: u32) -> Result<Ended> {
    let mut stage = Stage::start(command, program, Manners::Silent).await?;
    let result = recovery::run(&mut stage, count).await;
    let stopped = stage.stop(command.keep || result.is_err()).await;
    let recovery = result?;
    stopped?;
    recovery.explain();
    say!("{}", serde_json::to_string(&recovery)?)?;
    Ok(if recovery.is_clean() { Ended::Well } else { Ended::Badly })
}

async fn report(command: &BenchCommand, program: &Path, stage: &Stage) -> Result<Report> {
    let plan = command.plan();
    let fsync_ms_p50 = match stage.folder() {
        Some(folder) => Some(disk::flush_ms(folder).context("the disk's flush time")?),
        None => None,
    };
    tell!(
        "{} callers, {} s after {} s of warm-up, {}",
        plan.callers,
        plan.measured.as_secs(),
        plan.warm_up.as_secs(),
        stage.database()
    );
    let (mut floor, mut overload, mut scale, mut plan) = (None, None, None, plan);
    let (mut neighbour, mut browsers) = (None, None);
    let seen = if command.floor {
        let bare = Stage::floor(command, program).await?;
        let both = in_turns(&plan, stage, &bare).await;
        bare.stop(false).await?;
        let (seen, bare) = both?;
        floor = Some(bare);
        seen
    } else if command.overload {
        let (storm, seen, found) = overload::run(&plan, stage).await?;
        (plan, overload) = (storm, Some(found));
        seen
    } else if let Some(callers) = command.neighbour {
        let (seen, found) = neighbour::run(&plan, stage, callers).await?;
        neighbour = Some(found);
        seen
    } else if let Some(following) = command.browsers {
        let (seen, found) = browsers::run(&plan, stage, following).await?;
        browsers = Some(found);
        seen
    } else if let Some(filled) = stage.filled() {
        let fresh = BenchCommand { prefill: None, database: None, ..command.clone() };
        let empty = Stage::start(&fresh, program, Manners::Answering).await?;
        let both = in_turns(&plan, stage, &empty).await;
        empty.stop(false).await?;
        let (seen, empty) = both?;
        scale = Some(scale::judge(stage, filled, &seen, &empty).await?);
        seen
    } else {
        turn(&plan, stage).await?
    };
    // What was measured stands, even if this cannot be told.
    let course = course::look(stage, &seen.tally.samples).await.unwrap_or_else(|error| {
        tell!("where the time went is not known: {error:#}");
        None
    });
    let tally = &seen.tally;
    if tally.ended() + tally.turned_away + tally.errors() == 0 {
        bail!("not one request was answered within {} s", command.seconds);
    }
    // Nothing can be said of what one transfer costs.
    if tally.ended() == 0 {
        let turned_away = ("turned away (429 or 503)", tally.turned_away);
        let wrong = tally.wrong.iter().map(|(what, count)| (what.as_str(), *count));
        let most = wrong.chain([turned_away]).max_by_key(|(_, count)| *count);
        let (what, count) = most.unwrap_or(turned_away);
        bail!("not one transfer ended as it was meant to; most often ({count} times): {what}");
    }
    Ok(Report::new(report::Run {
        plan: &plan,
        algorithm: stage.algorithm(),
        database: stage.database(),
        fsync_ms_p50,
        seen: &seen,
        course,
        floor: floor.as_ref(),
        overload,
        scale,
        neighbour,
        browsers,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        command: BenchCommand,
    }

    fn parsed(line: &str) -> Result<BenchCommand, String> {
        let words = std::iter::once("bench").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.command).map_err(|error| error.to_string())
    }

    #[test]
    fn callers_set_the_pace_unless_a_rate_does() {
        let plan = parsed("").expect("a line").plan();
        assert_eq!((plan.callers, plan.pace), (64, Pace::Callers));
        let plan = parsed("--rate 500").expect("a line").plan();
        assert_eq!((plan.callers, plan.pace), (1024, Pace::Clock { per_second: 500 }));
        assert_eq!(parsed("--overload").expect("a line").plan().callers, 4096);
        let plan = parsed("--callers 1 --threads 8").expect("a line").plan();
        assert_eq!((plan.callers, plan.threads), (1, 1), "a thread without callers has no work");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (line, word) in [
            ("--callers 0", "--callers"),
            ("--callers 10001", "--callers"),
            ("--seconds 0", "--seconds"),
            ("--rate 0", "--rate"),
            ("--rate fast", "--rate"),
            ("--mix refused=101", "--mix"),
            ("--mix refused=60,reversed=60", "--mix"),
            ("--mix lost=1", "--mix"),
            ("--accounts 0", "--accounts"),
            ("--skew -1", "--skew"),
            ("--skew NaN", "--skew"),
            ("--algorithm rsa", "--algorithm"),
            ("--client c.toml", "--from"),
            ("--from a:1", "--client"),
            ("--overload --rate 5", "--rate"),
            ("--prefill 0", "--prefill"),
            ("--prefill 5 --floor", "--floor"),
            ("--recovery 5 --rate 5", "--rate"),
            ("--neighbour 5 --floor", "--floor"),
            ("--neighbour 0", "--neighbour"),
            ("--browsers 251", "--browsers"),
            ("--browsers 5 --overload", "--overload"),
            ("--client c.toml --from a --to b:1", "COUNTER:ACCOUNT"),
            ("--client c.toml --from a:1 --to b:1 --database sqlite://x", "--database"),
        ] {
            let error = parsed(line).err().unwrap_or_else(|| panic!("{line} is taken"));
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
