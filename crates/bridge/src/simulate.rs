//! `counter-bridge simulate`: one counter as a process of its own, to test against.

use crate::config::LONGEST_KEY;
use crate::config::secret::less_one_line_end;
use anyhow::{Context, Result};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use command_line::Usage;
use command_line::number::within;
use domain::message::{AccountId, CounterId};
use domain::money::Currency;
use domain::profile::{AmountUnit, Profile};
use domain::serial::Day;
use secrecy::{ExposeSecret, SecretSlice};
use simulator::{Durability, FaultPlan, Options, TlsFiles};
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use wire::dialect::{Detail, Details, Dialect, Encoding, Speech};

/// What a counter speaks, as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spoken(Speech);

impl ValueEnum for Spoken {
    fn value_variants<'a>() -> &'a [Spoken] {
        const ALL: [Spoken; Speech::ALL.len()] = {
            let mut all = [Spoken(Speech::ALL[0]); Speech::ALL.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = Spoken(Speech::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()).help(self.0.about()))
    }
}

/// How XML is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextEncoding {
    /// UTF-8
    #[value(name = "utf-8")]
    Utf8,
    /// GB18030, the Chinese national standard
    Gb18030,
}

/// How amounts are written in XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unit {
    /// Fen
    Minor,
    /// Yuan with two decimals
    Major,
}

/// What a line of the books survives before its answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Survives {
    /// The end of the process
    Process,
    /// The end of the machine's power, at the cost of speed
    Disk,
}

/// `simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateCommand {
    /// What it speaks
    #[arg(value_enum, value_name = "DIALECT")]
    speech: Spoken,
    /// Where it listens; port 0 for any free one. The first line of standard output says where
    #[arg(long, value_name = "ADDRESS:PORT", required_unless_present = "connect")]
    listen: Option<SocketAddr>,
    /// Where it dials the bridge instead, where the bridge accepts counters
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "listen")]
    connect: Option<SocketAddr>,
    /// How many connections it keeps where it dials in
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "listen",
          value_parser = within::<u16>(1..=64))]
    channels: u16,
    /// TLS: the authorities whose certificates are believed, in PEM
    #[arg(long, value_name = "FILE", requires_all = ["tls_cert", "tls_key"])]
    tls_ca: Option<PathBuf>,
    /// TLS: its certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    tls_cert: Option<PathBuf>,
    /// TLS: the key of its certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    tls_key: Option<PathBuf>,
    /// TLS: whom the bridge's certificate must name where it dials in; the bridge's name if absent
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_bridge_name: Option<String>,
    /// Its id; the dialect's name if absent
    #[arg(long)]
    id: Option<CounterId>,
    /// The name of the bridge that it lets in
    #[arg(long, value_name = "NAME", default_value = "bridge")]
    bridge: String,
    /// The key that it shares with the bridge: at least 32 bytes
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// An account and what it holds at first in minor units; may be repeated
    #[arg(long = "account", value_name = "ID=MINOR", value_parser = account)]
    accounts: Vec<(AccountId, i64)>,
    /// The currency of its accounts
    #[arg(long, value_name = "CODE", default_value = "CNY")]
    currency: Currency,
    /// Where its postings are appended, one JSON object a line; read again at the next start
    #[arg(long, value_name = "FILE")]
    books: Option<PathBuf>,
    /// What a line of the books survives before its answer is sent
    #[arg(long, value_enum, default_value_t = Survives::Process)]
    durability: Survives,
    /// What goes wrong: a fault plan in TOML, or in JSON if its name ends in .json; crates/simulator/FAULTS.md
    /// says what stands in it
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// What the plan's chances are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Its accounting day, YYYYMMDD; today if absent
    #[arg(long, value_name = "DAY")]
    settle_day: Option<Day>,
    /// The heartbeat that it wishes for, in seconds; 0 for none
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = within::<u16>(0..=120))]
    heartbeat_s: u16,
    /// How its XML is encoded (futures) [default: utf-8]
    #[arg(long, value_enum)]
    encoding: Option<TextEncoding>,
    /// How it writes amounts (futures) [default: minor]
    #[arg(long, value_enum)]
    amount_unit: Option<Unit>,
    /// Its zone, in minutes east of UTC (futures) [default: 480]
    #[arg(long, value_name = "MINUTES", allow_negative_numbers = true,
          value_parser = within::<i16>(-720..=840))]
    utc_offset_minutes: Option<i16>,
    /// The same serial may be posted twice
    #[arg(long)]
    no_dedupe: bool,
    /// It knows no fences
    #[arg(long)]
    no_fence: bool,
    /// The longest time that a request may stay on its way inside it, in milliseconds
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 60_000,
        value_parser = within::<u64>(0..=86_400_000)
    )]
    in_flight_limit_ms: u64,
    /// A serial once refused may be posted later
    #[arg(long)]
    no_sticky_refusals: bool,
    /// It reverses nothing
    #[arg(long)]
    no_reversals: bool,
    /// It answers no queries about reversals
    #[arg(long)]
    no_reversal_queries: bool,
    /// It keeps no marks and repeats none
    #[arg(long)]
    no_marks: bool,
    /// It does not say at sign-on how far it has seen the bridge's serials
    #[arg(long)]
    no_highest_serial: bool,
}

/// Runs the counter until SIGTERM or SIGINT.
pub(crate) async fn run(command: SimulateCommand) -> Result<()> {
    simulator::run_as_process(command.options()?).await?;
    Ok(())
}

impl SimulateCommand {
    /// What the simulator is told.
    fn options(self) -> Result<Options> {
        let dialect = self.dialect()?;
        let id = self.id.map_or_else(|| CounterId::new(self.speech.0.as_str()), Ok)?;
        let key = key(&self.key_file)?;
        let faults = match &self.faults {
            Some(file) => FaultPlan::read(file).map_err(|error| Usage(error.to_string()))?,
            None => FaultPlan::default(),
        };
        let tls = match (self.tls_ca, self.tls_cert, self.tls_key) {
            (Some(ca), Some(certificate), Some(key)) => {
                let bridge_name = self.tls_bridge_name.unwrap_or_else(|| self.bridge.clone());
                Some(TlsFiles { ca, certificate, key, bridge_name })
            }
            // The command line knows that they come together.
            _ => None,
        };
        let defaults = Options::new(dialect, id, self.bridge, key);
        Ok(Options {
            listen: self.listen.unwrap_or(defaults.listen),
            connect: self.connect,
            channels: self.channels,
            tls,
            accounts: self.accounts,
            currency: self.currency,
            books: self.books,
            durability: match self.durability {
                Survives::Process => Durability::Process,
                Survives::Disk => Durability::Disk,
            },
            faults,
            seed: self.seed,
            settle_day: self.settle_day,
            heartbeat_s: self.heartbeat_s,
            profile: Profile {
                dedupes: !self.no_dedupe,
                can_fence: !self.no_fence,
                refusals_stick: !self.no_sticky_refusals,
                can_reverse: !self.no_reversals,
                can_query_reversals: !self.no_reversal_queries,
                echoes_marks: !self.no_marks,
                in_flight_limit_ms: self.in_flight_limit_ms,
                ..defaults.profile.clone()
            },
            tells_highest_serial: !self.no_highest_serial,
            ..defaults
        })
    }

    fn dialect(&self) -> Result<Dialect, Usage> {
        let Spoken(speech) = self.speech;
        for (option, detail, is_given) in [
            ("--encoding", Detail::Encoding, self.encoding.is_some()),
            ("--amount-unit", Detail::AmountUnit, self.amount_unit.is_some()),
            ("--utc-offset-minutes", Detail::UtcOffsetMinutes, self.utc_offset_minutes.is_some()),
        ] {
            if is_given && !speech.details().contains(&detail) {
                let others = Speech::having(detail);
                return Err(Usage(format!("{option} is for {others} only")));
            }
        }
        Ok(speech.with(Details {
            encoding: self.encoding.map(|encoding| match encoding {
                TextEncoding::Utf8 => Encoding::Utf8,
                TextEncoding::Gb18030 => Encoding::Gb18030,
            }),
            amount_unit: self.amount_unit.map(|unit| match unit {
                Unit::Minor => AmountUnit::Minor,
                Unit::Major => AmountUnit::Major,
            }),
            utc_offset_minutes: self.utc_offset_minutes,
        }))
    }
}

fn account(text: &str) -> Result<(AccountId, i64), simulator::Error> {
    simulator::parse_account(text)
}

/// A key without the line end that editors leave behind.
fn key(path: &Path) -> Result<SecretSlice<u8>> {
    let mut key = Vec::new();
    let limit = u64::try_from(LONGEST_KEY).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut key))
        .with_context(|| format!("the key file {} cannot be read", path.display()))?;
    let key = less_one_line_end(key);
    let length = key.expose_secret().len();
    if length < 32 {
        let what = format!("{}: a key must have at least 32 bytes, not {length}", path.display());
        return Err(Usage(what).into());
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use std::fs;

    /// The options of a command line; `{key}` in it is a file with a good key.
    fn options(line: &str) -> Result<Options> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("k");
        fs::write(&file, [&[b'k'; 32][..], b"\n"].concat())?;
        let line = format!("counter-bridge simulate {line}");
        let line = line.replace("{key}", &file.display().to_string());
        match Cli::try_parse_from(line.split_whitespace())?.command {
            Command::Simulate(command) => command.options(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_option_reaches_the_counter() {
        let options = options(
            "futures --listen 127.0.0.1:0 --id shfe --bridge b --key-file {key} \
             --account 6001=1000000 --account 6002=0 --currency USD --books b.jsonl --seed 7 \
             --durability disk --settle-day 20261121 --heartbeat-s 1 --encoding gb18030 \
             --amount-unit major --utc-offset-minutes -60 --no-dedupe --no-fence \
             --no-sticky-refusals --no-reversals --no-reversal-queries --no-marks \
             --no-highest-serial",
        )
        .expect("options");
        assert_eq!(options.id.as_str(), "shfe");
        assert_eq!(options.bridge, "b");
        assert_eq!(options.key.expose_secret(), [b'k'; 32]);
        assert_eq!(options.accounts.len(), 2);
        assert_eq!(options.accounts[0].1, 1_000_000);
        assert_eq!(options.currency.as_str(), "USD");
        assert_eq!(options.books.as_deref(), Some(Path::new("b.jsonl")));
        assert_eq!(options.durability, Durability::Disk);
        assert_eq!(options.seed, 7);
        assert_eq!(options.settle_day.map(Day::number), Some(20_261_121));
        assert_eq!(options.heartbeat_s, 1);
        let Dialect::Futures(speech) = &options.dialect else { panic!("futures") };
        assert_eq!(speech.encoding, Encoding::Gb18030);
        assert_eq!((speech.amount_unit, speech.utc_offset_minutes), (AmountUnit::Major, -60));
        let able = &options.profile;
        assert_eq!(able.amount_unit, AmountUnit::Major);
        assert!(!able.dedupes && !able.can_fence && !able.refusals_stick);
        assert!(!able.can_reverse && !able.can_query_reversals && !able.echoes_marks);
        assert!(!options.tells_highest_serial);
    }

    #[test]
    fn tls_needs_all_its_files_and_channels_need_a_bridge_to_dial() {
        let dialled = options(
            "securities --connect 127.0.0.1:1 --key-file {key} --channels 3 --tls-ca a.pem \
             --tls-cert c.pem --tls-key k.pem",
        )
        .expect("options");
        assert_eq!(dialled.channels, 3);
        let tls = dialled.tls.expect("secured");
        assert_eq!(tls.certificate, Path::new("c.pem"));
        assert_eq!(tls.bridge_name, "bridge");
        for (line, word) in [
            ("securities --listen 127.0.0.1:0 --key-file {key} --channels 2", "--listen"),
            ("securities --listen 127.0.0.1:0 --key-file {key} --tls-ca a.pem", "--tls-cert"),
            ("securities --listen 127.0.0.1:0 --key-file {key} --tls-cert c.pem", "--tls-ca"),
        ] {
            let error = format!("{:#}", options(line).expect_err(line));
            assert!(error.contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn a_counter_is_well_behaved_unless_told_otherwise() {
        let options = options("securities --listen 127.0.0.1:0 --key-file {key}").expect("options");
        assert_eq!(options.id.as_str(), "securities");
        assert_eq!(options.dialect, Dialect::Securities);
        assert_eq!(options.profile, Profile { echoes_marks: true, ..Profile::default() });
        assert!(options.tells_highest_serial);
        assert_eq!(options.faults, FaultPlan::default());
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for (line, word) in [
            ("securities --listen 127.0.0.1:0 --key-file {key} --encoding utf-8", "--encoding"),
            ("securities --listen 127.0.0.1:0 --key-file nowhere/k", "nowhere/k"),
            ("securities --listen 127.0.0.1:0 --key-file {key} --faults nowhere/f", "nowhere/f"),
        ] {
            let error = format!("{:#}", options(line).expect_err(line));
            assert!(error.contains(word), "{line}: {error}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("k");
        fs::write(&file, [b'k'; 31]).expect("a file");
        assert!(key(&file).expect_err("short").to_string().contains("32 bytes, not 31"));
    }
}
