//! The command line: every command, and what it takes.

use crate::audit::AuditCommand;
use crate::operator::OperatorCommand;
use crate::person::Access;
use crate::person::balance::BalanceCommand;
use crate::person::claim::ClaimCommand;
use crate::person::find::FindCommand;
use crate::person::links::LinkCommand;
use crate::person::proven::ResumeProvenCommand;
use crate::person::readmit::ReadmitCommand;
use crate::person::reconnect::ReconnectCommand;
use crate::person::resolve::ResolveCommand;
use crate::person::show::ShowCommand;
use crate::person::status::StatusCommand;
use crate::person::transfer::TransferCommand;
use crate::record::RecordCommand;
#[cfg(feature = "demo")]
use crate::simulate::SimulateCommand;
#[cfg(feature = "demo")]
use bench::BenchCommand;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Printed under every `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0  it was done
  1  it failed, or was refused; standard error says what, where, and what to do
  2  the command line or the configuration is wrong; nothing was begun
  3  a transfer was accepted and is not final yet: it goes on by itself, or waits for a person";

/// Moves money between counters, exactly once.
#[derive(Debug, Parser)]
#[command(name = "counter-bridge", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// How the log is written, to standard error; `RUST_LOG` says how much of it
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Human, value_name = "FORMAT", help_heading = "Log")]
    pub(crate) log: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Human,
    /// One JSON object a line
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show it all: two simulated counters, a bridge, and a transfer for every ending
    #[cfg(feature = "demo")]
    #[command(after_help = EXIT_CODES)]
    Demo(DemoCommand),
    /// Run the bridge
    #[command(after_help = EXIT_CODES)]
    Serve(ConfigFile),
    /// Say everything that is wrong with a configuration, and start nothing
    #[command(after_help = EXIT_CODES)]
    Check(ConfigFile),
    /// Run one simulated counter
    #[cfg(feature = "demo")]
    #[command(after_help = EXIT_CODES)]
    Simulate(Box<SimulateCommand>),
    /// Order a transfer, signed like an app backend's
    #[command(after_help = EXIT_CODES)]
    Transfer(WithAccess<TransferCommand>),
    /// Show transfers of the app
    #[command(after_help = EXIT_CODES)]
    Show(WithAccess<ShowCommand>),
    /// Find transfers of any time, as operators see them, by whatever number is in hand
    #[command(after_help = EXIT_CODES)]
    Find(WithAccess<FindCommand>),
    /// Ask counters what accounts hold
    #[command(after_help = EXIT_CODES)]
    Balance(WithAccess<BalanceCommand>),
    /// Show connections and open transfers, as operators see them
    #[command(after_help = EXIT_CODES)]
    Status(WithAccess<StatusCommand>),
    /// Propose how transfers are decided that need persons, or approve what another has proposed
    #[command(after_help = EXIT_CODES)]
    Resolve(WithAccess<ResolveCommand>),
    /// Say that a person is busy with a transfer that needs one: until then it does not end by itself
    #[command(after_help = EXIT_CODES)]
    Claim(WithAccess<ClaimCommand>),
    /// Propose to resume all that waits for nothing but persons' word, for everything about it is proven; or approve it
    #[command(after_help = EXIT_CODES)]
    ResumeProven(WithAccess<ResumeProvenCommand>),
    /// Let a counter get new transfers again that got none because what it said was in doubt
    #[command(after_help = EXIT_CODES)]
    Readmit(WithAccess<ReadmitCommand>),
    /// Try a counter again at once, also one whose connection is held because it was rejected
    #[command(after_help = EXIT_CODES)]
    Reconnect(WithAccess<ReconnectCommand>),
    /// Keep a counter from new transfers until it is released; what is begun there goes on to its end
    #[command(after_help = EXIT_CODES)]
    Hold(WithAccess<LinkCommand>),
    /// Keep a counter from new transfers, and sign off from it once nothing that is begun needs it
    #[command(after_help = EXIT_CODES)]
    Drain(WithAccess<LinkCommand>),
    /// Let a counter go on that an operator holds or drains
    #[command(after_help = EXIT_CODES)]
    Release(WithAccess<LinkCommand>),
    /// Have a counter that cannot fence sign on anew: what is not found afterwards was never executed
    #[command(after_help = EXIT_CODES)]
    NewSession(WithAccess<LinkCommand>),
    /// Say whether every unit of money is accounted for, by the record and the counters' statements
    #[command(after_help = EXIT_CODES)]
    Audit(WithAccess<AuditCommand>),
    /// Show whether the record is behind, or release one that is
    #[command(after_help = EXIT_CODES)]
    Record(RecordCommand),
    /// Say who may use the operators' side: make, change and disable operators, and their programs' tokens
    #[command(after_help = EXIT_CODES)]
    Operator(OperatorCommand),
    /// Put load on a bridge, and measure what it does and costs
    #[cfg(feature = "demo")]
    #[command(after_help = EXIT_CODES)]
    Bench(Box<BenchCommand>),
    /// Print the description of the transfer API for machines (openapi.json)
    #[command(after_help = EXIT_CODES)]
    Openapi {
        /// Of the operators' side instead
        #[arg(long)]
        operators: bool,
    },
    /// Print a script that completes the command line in a shell, such as
    /// `counter-bridge completions bash > /etc/bash_completion.d/counter-bridge`
    #[command(after_help = EXIT_CODES)]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// `demo`.
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub(crate) struct DemoCommand {
    /// End after the transfers; exit 0 only if every ending was the expected one
    #[arg(long)]
    pub(crate) once: bool,
    /// Another database than a file in a fresh folder: sqlite://… or mysql://…
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,
}

/// `serve` and `check`.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration, a TOML file; variables such as
    /// `COUNTER_BRIDGE__API__LISTEN` go before it
    #[arg(long, value_name = "FILE", env = "COUNTER_BRIDGE_CONFIG")]
    pub(crate) config: PathBuf,
}

/// A person's command, and how it reaches the bridge.
#[derive(Debug, Args)]
pub(crate) struct WithAccess<C: Args> {
    /// What to do.
    #[command(flatten)]
    pub(crate) command: C,
    /// Where the bridge is and who asks.
    #[command(flatten)]
    pub(crate) access: Access,
    /// Answer in JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    fn parsed(line: &str) -> Result<Cli, String> {
        let words = std::iter::once("counter-bridge").chain(line.split_whitespace());
        Cli::try_parse_from(words).map_err(|error| error.to_string())
    }

    fn all_are_taken(lines: &[&str]) {
        for line in lines {
            parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    fn all_are_refused(lines: &[(&str, &str)]) {
        for (line, word) in lines {
            let error = parsed(line).err().unwrap_or_else(|| panic!("{line} is taken"));
            assert!(error.contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn every_command_of_the_contract_is_taken() {
        all_are_taken(&[
            "serve --config b.toml",
            "check --config b.toml",
            "transfer --from securities:6001 --to futures:8001 --amount 100 --client c.toml",
            "show 2026112100000000001 --json",
            "balance securities:6001 futures:8001",
            "status",
            "status --watch --json",
            "resolve 2026112100000000001 completed --note seen",
            "resolve 2026112100000000001 completed --seen 00 --note seen",
            "resolve 2026112100000000001 completed --approve 00 --note seen",
            "resolve 2026112100000000001 completed --withdraw 00 --note seen",
            "resolve 2026112100000000001 2026112100000000002 resume --note seen --token-file t",
            "claim 2026112100000000001 --note telephone",
            "claim 2026112100000000001 --release --json",
            "resume-proven --list",
            "resume-proven --approve file --note seen",
            "resume-proven --proposed",
            "resume-proven --note seen --limit 5 --json",
            "find 000000000421",
            "readmit futures --note seen --move-serials",
            "hold futures --note release --json",
            "drain futures --note release",
            "release futures --note done --token-file t",
            "new-session futures --note unclear",
            "openapi",
            "record status --config b.toml --json",
            "readmit futures --note seen --approve 0",
            "record release --config b.toml --token-file l --approver-token-file w --reason seen --skip-serials 1000000",
            "audit --config b.toml",
            "audit --config b.toml --books securities=s.jsonl --books futures=f.jsonl \
             --since 20261121 --client c.toml --json",
            "serve --config b.toml --log json",
        ]);
    }

    #[cfg(feature = "demo")]
    #[test]
    fn every_command_of_the_demonstration_is_taken() {
        all_are_taken(&[
            "demo",
            "demo --once --database sqlite://x.sqlite",
            "simulate securities --listen 127.0.0.1:0 --key-file k",
            "simulate futures --listen 127.0.0.1:0 --id futures --bridge bridge --key-file k \
             --account 6001=1000000 --account 6002=0 --books b --faults f --seed 7",
            "simulate futures --listen 127.0.0.1:0 --key-file k --no-dedupe --no-fence \
             --no-sticky-refusals --no-reversal-queries --settle-day 20261121",
            "bench",
            "bench --rate 5000 --seconds 3 --mix refused=5,reversed=5 --one-account",
            "bench --client c.toml --from securities:6001 --to futures:8001",
        ]);
    }

    #[test]
    fn every_command_about_operators_is_taken() {
        all_are_taken(&[
            "operator add lin --role admin --config b.toml",
            "operator add lin --role viewer --password-file p --without-second-factor \
             --change-at-sign-in --reason new --database sqlite://b.sqlite",
            "operator list --config b.toml --json",
            "operator disable lin --config b.toml --reason left",
            "operator enable lin --config b.toml",
            "operator role lin approver --config b.toml",
            "operator reset lin --password-file p --config b.toml",
            "operator token lin --label nightly --role viewer --days 366 --config b.toml",
            "operator tokens lin --json --config b.toml",
            "operator end-token lin nightly --config b.toml",
        ]);
    }

    #[test]
    fn what_cannot_be_meant_about_operators_is_refused() {
        all_are_refused(&[
            ("operator", "Usage"),
            ("operator list", "--config"),
            ("operator add lin --config b.toml", "--role"),
            ("operator add Lin --role admin --config b.toml", "begins with a letter"),
            ("operator add lin --role root --config b.toml", "viewer, operator, approver or admin"),
            ("operator role lin --config b.toml", "ROLE"),
            ("operator token lin --config b.toml", "--label"),
            ("operator token lin --label x --days 0 --config b.toml", "from 1 to 366"),
            ("operator token lin --label x --days 367 --config b.toml", "from 1 to 366"),
            ("operator end-token lin --config b.toml", "LABEL"),
        ]);
        let long = format!("operator token lin --label {} --config b.toml", "x".repeat(65));
        all_are_refused(&[(&long, "at most 64 bytes")]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        all_are_refused(&[
            ("", "Usage"),
            ("serve", "--config"),
            ("transfer --from securities --to futures:8001 --amount 100", "COUNTER:ACCOUNT"),
            ("transfer --from s:1 --to f:1 --amount 0", "at least 1"),
            ("transfer --from s:1 --to f:1 --amount 1000000000000", "at most"),
            ("transfer --from s:1 --to f:1 --amount 1 --currency yuan", "three upper-case"),
            ("resolve 2026112100000000001 --note seen", "DECISION"),
            ("resolve 2026112100000000001 complete --note seen", "completed"),
            ("resolve 17 completed --note seen", "17"),
            ("resolve 2026112100000000001 completed", "--note"),
            // Who decides is known by the token.
            ("resolve 2026112100000000001 completed --who ann --note seen", "--who"),
            ("claim 2026112100000000001", "--note"),
            ("claim 2026112100000000001 --release --note seen", "--note"),
            ("resume-proven", "--note"),
            ("resume-proven --list --note seen", "--list"),
            ("resume-proven --list --approve f", "--list"),
            ("resume-proven --proposed --note seen", "--proposed"),
            ("resume-proven --approve f", "--note"),
            (
                "resolve 2026112100000000001 completed --approve 0 --withdraw 0 --note x",
                "--withdraw",
            ),
            ("resume-proven --note seen --limit 0", "0"),
            ("readmit futures --who ann --note seen", "--who"),
            ("hold futures", "--note"),
            ("drain --note seen", "COUNTER"),
            ("release futures --who ann --note seen", "--who"),
            ("new-session Futures --note seen", "Futures"),
            ("audit", "--config"),
            ("record", "Usage"),
            ("readmit futures --note seen --approve 0 --move-serials", "--move-serials"),
            ("readmit futures --note seen --approve 0 --withdraw 0", "--withdraw"),
            (
                "record release --config b.toml --token-file l --reason seen",
                "--approver-token-file",
            ),
            ("record release --config b.toml --token-file l --approver-token-file w", "--reason"),
            ("audit --config b.toml --books securities", "COUNTER=FILE"),
            ("audit --config b.toml --since 20260230", "20260230"),
            ("audit --config b.toml --days 3661", "from 0 to 3660"),
            ("find", "TEXT"),
            ("show", "SERIAL"),
            ("show 17", "17"),
        ]);
    }

    #[cfg(feature = "demo")]
    #[test]
    fn what_cannot_be_meant_of_the_demonstration_is_refused() {
        all_are_refused(&[
            ("simulate bank --listen 127.0.0.1:0", "bank"),
            ("simulate futures --listen 127.0.0.1:0", "--key-file"),
            ("simulate futures --listen here --key-file k", "here"),
            ("simulate futures --listen 127.0.0.1:0 --key-file k --account 6001", "ID=MINOR"),
            (
                "simulate futures --listen 127.0.0.1:0 --key-file k --settle-day 20260230",
                "20260230",
            ),
            ("bench --seconds 0", "from 1 to 86400"),
            ("bench --seconds x", "write a number"),
        ]);
    }

    #[test]
    fn exit_codes_are_documented_everywhere() {
        for command in Cli::command().get_subcommands() {
            let help = command.clone().render_help().to_string();
            assert!(help.contains("Exit codes:"), "{help}");
        }
    }
}
