//! `counter-bridge resume-proven`: resumes all that waits for nothing but a person's word.

use super::operators::{Operators, Outlook, Proven, ProvenOne, Resumption};
use super::tables::{or_dash, place, plain, table};
use super::{Access, Form};
use anyhow::Result;
use clap::Args;
use command_line::Ended;
use command_line::number::within;
use domain::shown::money;
use std::fmt::Write;
use supervise::{say, tell};

/// How many are listed, and resumed, by one request: as many as the bridge takes.
const AT_ONCE: u16 = 200;

/// `resume-proven`.
#[derive(Debug, Args)]
pub(crate) struct ResumeProvenCommand {
    /// Say what would be resumed, and do nothing
    #[arg(long, conflicts_with = "note")]
    list: bool,
    /// On what evidence: it is kept with each transfer
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    note: Option<String>,
    /// Resume at most so many, the oldest first
    #[arg(long, value_name = "N", value_parser = within::<u32>(1..=u32::MAX))]
    limit: Option<u32>,
}

/// Lists them, or resumes them and says what became of each.
pub(crate) async fn run(
    command: ResumeProvenCommand,
    access: &Access,
    form: Form,
) -> Result<Ended> {
    let operators = access.operators()?;
    match &command.note {
        Some(note) => resume(&operators, note, command.limit, form).await,
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

/// Asks until nothing is left, or nothing more is taken: what is resumed is not listed again, so that
/// each round is smaller, unless transfers are parked and proven as fast as that.
async fn resume(
    operators: &Operators,
    note: &str,
    limit: Option<u32>,
    form: Form,
) -> Result<Ended> {
    let mut left = limit.unwrap_or(u32::MAX);
    let (mut resumed, mut ended, mut rounds) = (0_u32, Ended::Well, 1);
    loop {
        let resumption = Resumption { note, limit: at_once(Some(left)) };
        let done = operators.resume_proven(&resumption).await?;
        for one in &done.resumed {
            match form {
                Form::Json => say!("{}", serde_json::to_string(one)?)?,
                Form::Tables => say!(
                    "{}: resumed: {}; it is {} now",
                    plain(&one.master_serial),
                    plain(&one.outlook.told()),
                    plain(&one.state)
                )?,
            }
        }
        for kept in &done.kept {
            tell!("counter-bridge: {}: {}", plain(&kept.master_serial), plain(&kept.why));
            ended = Ended::Badly;
        }
        let count = u32::try_from(done.resumed.len()).unwrap_or(u32::MAX);
        resumed = resumed.saturating_add(count);
        left = left.saturating_sub(count);
        if rounds == 1 {
            let remaining = u32::try_from(done.remaining).unwrap_or(u32::MAX);
            rounds = 2 + remaining / u32::from(AT_ONCE);
        }
        rounds -= 1;
        if done.remaining == 0 || count == 0 || left == 0 || rounds == 0 {
            if form == Form::Tables {
                say!("{resumed} resumed, {} more could be", done.remaining)?;
            }
            return Ok(ended);
        }
    }
}

fn at_once(limit: Option<u32>) -> u16 {
    limit.and_then(|limit| u16::try_from(limit).ok()).map_or(AT_ONCE, |limit| limit.min(AT_ONCE))
}

fn shown(proven: &Proven) -> String {
    let Proven { transfers, total } = proven;
    if transfers.is_empty() {
        return "nothing that waits for a person is proven and claimed by nobody".to_owned();
    }
    let mut rows = table(["transfer", "amount", "from, to", "what is known", "resuming it"]);
    for one in transfers {
        let ProvenOne { master_serial, from, to, amount, currency, reason, outlook } = one;
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
    fn a_round_takes_no_more_than_the_bridge_does_and_no_more_than_is_wanted() {
        for (limit, expected) in [(None, 200), (Some(7), 7), (Some(200), 200), (Some(70_000), 200)]
        {
            assert_eq!(at_once(limit), expected, "{limit:?}");
        }
    }
}
