//! `counter-bridge resume-proven`: proposes that all is resumed which waits for nothing but the word of two persons, or
//! approves that another has proposed it; each transfer by itself.

use super::operators::{OnProposal, Operators, Outlook, Proposing, Proven, ProvenOne};
use super::resolve::told_of;
use super::tables::{or_dash, place, plain, table};
use super::{Access, Form};
use crate::words::in_one_line;
use anyhow::{Context, Result};
use clap::Args;
use command_line::number::within;
use command_line::{Ended, Usage};
use domain::shown::money;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use supervise::{say, tell};

/// How many are listed by one request: as many as the bridge gives.
const AT_ONCE: u16 = 200;

/// `resume-proven`.
#[derive(Debug, Args)]
pub(crate) struct ResumeProvenCommand {
    /// Say what may be resumed, and do nothing
    #[arg(long, conflicts_with = "note")]
    list: bool,
    /// On what evidence: it is kept with each transfer
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["list", "proposed"])]
    note: Option<String>,
    /// List what others have proposed to resume: a line each, which --approve takes
    #[arg(long, conflicts_with_all = ["note", "list", "approve"])]
    proposed: bool,
    /// Approve the proposals whose lines stand in this file, as --proposed listed them; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    approve: Option<PathBuf>,
    /// At most so many, the oldest first
    #[arg(long, value_name = "N", value_parser = within::<u32>(1..=u32::MAX))]
    limit: Option<u32>,
}

/// Lists them, or proposes each, or approves what others proposed.
pub(crate) async fn run(
    command: ResumeProvenCommand,
    access: &Access,
    form: Form,
) -> Result<Ended> {
    let operators = access.operators()?;
    match &command.note {
        Some(note) => match &command.approve {
            Some(file) => approve(&operators, note, &lines(file)?, form).await,
            None => propose(&operators, note, command.limit, form).await,
        },
        None if command.proposed => list_proposed(&operators, command.limit, form).await,
        None => list(&operators, command.limit, form).await,
    }
}

async fn list(operators: &Operators, limit: Option<u32>, form: Form) -> Result<Ended> {
    let proven = operators.proven(at_once(limit)).await?;
    match form {
        Form::Json => say!("{}", serde_json::to_string(&proven)?)?,
        Form::Tables => say!("{}", shown(&proven))?,
    }
    Ok(Ended::Well)
}

/// What came of many.
struct Done {
    count: u32,
    left: u32,
    ended: Ended,
}

impl Done {
    fn new(limit: Option<u32>) -> Done {
        Done { count: 0, left: limit.unwrap_or(u32::MAX), ended: Ended::Well }
    }

    fn well(&mut self) {
        self.count = self.count.saturating_add(1);
        self.left = self.left.saturating_sub(1);
    }

    fn badly(&mut self, serial: &str, error: &anyhow::Error) {
        tell!("counter-bridge: {}: {}", plain(serial), in_one_line(error));
        self.ended = Ended::Badly;
    }
}

/// Proposes each that is listed, until nothing is left or nothing more is taken: what is proposed is not listed again, so
/// that each round is smaller, unless transfers are parked and proven as fast as that.
async fn propose(
    operators: &Operators,
    note: &str,
    limit: Option<u32>,
    form: Form,
) -> Result<Ended> {
    let mut done = Done::new(limit);
    let mut rounds = None;
    loop {
        let listed = operators.proven(at_once(Some(done.left))).await?;
        let total = u32::try_from(listed.total).unwrap_or(u32::MAX);
        let left = rounds.get_or_insert(1 + total / u32::from(AT_ONCE));
        let before = done.count;
        for one in &listed.transfers {
            let serial = &one.master_serial;
            let leads_to = one.outlook.as_ref().unwrap_or(&Outlook::Person);
            let proposing = Proposing { decision: "resume", version: &one.version, leads_to, note };
            match operators.propose(serial, &proposing).await {
                Ok(proposal) => {
                    done.well();
                    match form {
                        Form::Json => say!("{}", serde_json::to_string(&proposal)?)?,
                        Form::Tables => say!("{}", told_of(&plain(serial), &proposal))?,
                    }
                }
                Err(error) => done.badly(serial, &error),
            }
        }
        *left = left.saturating_sub(1);
        if done.count == before || done.left == 0 || *left == 0 {
            if form == Form::Tables {
                say!(
                    "{} proposed; another person looks at them by `counter-bridge resume-proven --proposed > FILE`, \
                     strikes out what is not to be, and approves the rest by `counter-bridge resume-proven --approve \
                     FILE --note \"…\"`",
                    done.count
                )?;
            }
            return Ok(done.ended);
        }
    }
}

/// A line for each proposal to resume what is proven: what another person looks at, and then hands back.
async fn list_proposed(operators: &Operators, limit: Option<u32>, form: Form) -> Result<Ended> {
    let listed = operators.proposals(at_once(limit)).await?;
    if form == Form::Json {
        say!("{}", serde_json::to_string(&listed)?)?;
        return Ok(Ended::Well);
    }
    for open in &listed.transfers {
        let Some(proposal) = &open.proposal else { continue };
        if proposal.decision != "resume" {
            continue;
        }
        let amount = open.transfer.amount.zip(open.transfer.currency.as_deref());
        say!(
            "{} {}  {}, {}: {} proposes to resume it, which {}: {}",
            plain(&open.transfer.master_serial),
            plain(&proposal.id),
            amount.map_or_else(|| "–".to_owned(), |(minor, of)| plain(&money(minor, of))),
            or_dash(open.transfer.reason.as_deref()),
            plain(&proposal.who),
            plain(&proposal.leads_to.told()),
            plain(&proposal.note)
        )?;
    }
    Ok(Ended::Well)
}

/// The transfers and proposals that stand in a file, one each line: what follows on it is for people.
fn lines(file: &Path) -> Result<Vec<(String, String)>> {
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())?
    } else {
        std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(one_of).collect()
}

fn one_of(line: &str) -> Result<(String, String)> {
    let mut words = line.split_whitespace();
    let serial = words.next().unwrap_or_default();
    let proposal = words.next().unwrap_or_default();
    let is_hex = proposal.len() == 32 && proposal.bytes().all(|byte| byte.is_ascii_hexdigit());
    match super::serial(serial) {
        Ok(serial) if is_hex => Ok((serial, proposal.to_owned())),
        Ok(_) | Err(_) => {
            let why = format!(
                "--approve: {:?} does not begin with a serial and the number of a proposal, as `--proposed` lists them",
                plain(line)
            );
            Err(Usage(why).into())
        }
    }
}

/// Approves each of these; one that is refused, for something else is proposed by now or is one's own, keeps back none
/// of the others.
async fn approve(
    operators: &Operators,
    note: &str,
    proposals: &[(String, String)],
    form: Form,
) -> Result<Ended> {
    let mut done = Done::new(None);
    for (serial, proposal) in proposals {
        match operators.approve(serial, &OnProposal { proposal, note }).await {
            Ok(decided) => {
                done.well();
                match form {
                    Form::Json => say!("{}", serde_json::to_string(&decided)?)?,
                    Form::Tables => say!(
                        "{serial}: {}, as {} proposed, which {}; it is {} now",
                        plain(&decided.proposal.decision),
                        plain(&decided.proposal.who),
                        plain(&decided.proposal.leads_to.told()),
                        plain(&decided.state)
                    )?,
                }
            }
            Err(error) => done.badly(serial, &error),
        }
    }
    if form == Form::Tables {
        say!("{} approved", done.count)?;
    }
    Ok(done.ended)
}

fn at_once(limit: Option<u32>) -> u16 {
    limit.and_then(|limit| u16::try_from(limit).ok()).map_or(AT_ONCE, |limit| limit.min(AT_ONCE))
}

fn shown(proven: &Proven) -> String {
    let Proven { transfers, total } = proven;
    if transfers.is_empty() {
        return "nothing that waits for persons is proven and dealt with by nobody".to_owned();
    }
    let mut rows = table(["transfer", "amount", "from, to", "what is known", "resuming it"]);
    for one in transfers {
        let ProvenOne { master_serial, from, to, amount, currency, reason, outlook, .. } = one;
        rows.add_row([
            plain(master_serial),
            plain(&money(*amount, currency)),
            format!("{}\n{}", place(from), place(to)),
            or_dash(reason.as_deref()),
            plain(&outlook.as_ref().map_or_else(|| "–".to_owned(), Outlook::told)),
        ]);
    }
    let mut text = format!("{rows}");
    if u64::try_from(transfers.len()).is_ok_and(|listed| listed < *total) {
        // Writing to a string does not fail.
        let _ = write!(text, "\n{} of {total}, the oldest first", transfers.len());
    }
    text.push_str("\n  counter-bridge resume-proven --note \"…\"");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_resumed_is_listed_with_what_it_leads_to() {
        let one = |serial: &str, outlook: &str| {
            serde_json::json!({
                "master_serial": serial, "amount": 100_000, "currency": "CNY",
                "from": {"counter": "securities", "account": "6001"},
                "to": {"counter": "futures", "account": "8001"},
                "reason": "proven: debit done, credit refused\u{1b}[31m",
                "outlook": serde_json::from_str::<serde_json::Value>(outlook).expect("JSON"),
                "version": "0123456789abcdef0123456789abcdef",
            })
        };
        let proven: Proven = serde_json::from_value(serde_json::json!({
            "transfers": [
                one("2026112100000000042", r#"{"sends":"reversal"}"#),
                one("2026112100000000043", r#"{"ends":"completed"}"#),
            ],
            "total": 7,
        }))
        .expect("a list");
        let text = shown(&proven);
        for words in [
            "2026112100000000042",
            "1,000.00 CNY",
            "proven: debit done, credit refused",
            "sends the reversal",
            "ends it as completed",
            "2 of 7, the oldest first",
            "counter-bridge resume-proven --note",
        ] {
            assert!(text.contains(words), "{words:?} is not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "nobody's words drive the terminal");
        let nothing = Proven { transfers: Vec::new(), total: 0 };
        assert!(shown(&nothing).starts_with("nothing"));
    }

    #[test]
    fn a_line_is_read_as_it_is_listed_and_no_other() {
        let id = "0123456789abcdef0123456789abcdef";
        let line = format!(" 2026112100000000042 {id}  400.00 CNY, proven: lin proposes");
        let read = one_of(&line).expect("it is a line");
        assert_eq!(read, ("2026112100000000042".to_owned(), id.to_owned()));
        for bad in ["2026112100000000042", "42 0123", &format!("{id} 2026112100000000042"), "a b"] {
            assert!(one_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_round_takes_no_more_than_the_bridge_does_and_no_more_than_is_wanted() {
        for (limit, expected) in [(None, 200), (Some(7), 7), (Some(200), 200), (Some(70_000), 200)]
        {
            assert_eq!(at_once(limit), expected, "{limit:?}");
        }
    }
}
