//! `counter-bridge readmit`: two persons let a counter get new transfers again that got none because what it said was in
//! doubt. One proposes it for what holds the counter, another approves it.

use super::held_for::{HeldFor, ProposingReadmission, Readmission};
use super::operators::{OnProposal, Operators};
use super::tables::plain;
use super::{Access, Form};
use anyhow::{Result, bail};
use clap::Args;
use command_line::Ended;
use domain::message::CounterId;
use supervise::say;

/// `readmit`.
#[derive(Debug, Args)]
pub(crate) struct ReadmitCommand {
    /// Which counter
    #[arg(value_name = "COUNTER")]
    counter: CounterId,
    /// On what evidence: it is kept
    #[arg(long, value_name = "TEXT")]
    note: String,
    /// Propose to move the bridge's serials past the highest that the counter has seen, however far that is
    #[arg(long, conflicts_with_all = ["approve", "withdraw"])]
    move_serials: bool,
    /// As what was seen of what holds it, by its version; unless named, as it stands now
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["approve", "withdraw"])]
    seen: Option<String>,
    /// Approve what another person has proposed, by the number that `status` shows; with that it is readmitted
    #[arg(long, value_name = "PROPOSAL", conflicts_with = "withdraw")]
    approve: Option<String>,
    /// Withdraw what one has proposed, or reject what another has, by its number
    #[arg(long, value_name = "PROPOSAL")]
    withdraw: Option<String>,
}

/// Says it, or why not.
pub(crate) async fn run(command: ReadmitCommand, access: &Access, form: Form) -> Result<Ended> {
    let operators = access.operators()?;
    let counter = command.counter.as_str();
    match (&command.approve, &command.withdraw) {
        (Some(id), _) => say_to(&operators, &command, ("approval", id), form).await?,
        (None, Some(id)) => say_to(&operators, &command, ("withdrawal", id), form).await?,
        (None, None) => {
            let held = operators.held_for(counter).await?;
            let version = command.seen.as_deref().unwrap_or(&held.version);
            let ReadmitCommand { note, move_serials, .. } = &command;
            let proposing = ProposingReadmission { version, note, move_serials: *move_serials };
            let proposal = operators.propose_readmission(counter, &proposing).await?;
            match form {
                Form::Json => say!("{}", serde_json::to_string(&proposal)?)?,
                Form::Tables => say!("{}", told_of(counter, &held, &proposal))?,
            }
        }
    }
    Ok(Ended::Well)
}

async fn say_to(
    operators: &Operators,
    command: &ReadmitCommand,
    (what, id): (&str, &str),
    form: Form,
) -> Result<()> {
    let counter = command.counter.as_str();
    let held = operators.held_for(counter).await?;
    let proposal = open(&held, id)?;
    if form == Form::Tables {
        say!("{}", holds_of(counter, &held))?;
    }
    let on = OnProposal { proposal: &proposal.id, note: &command.note };
    let told = operators.say_to_readmission((counter, what), &on).await?;
    match form {
        Form::Json => say!("{told}")?,
        Form::Tables if what == "approval" => say!(
            "{counter} gets new transfers again, as {} proposed ({})",
            plain(&proposal.who),
            plain(&proposal.note)
        )?,
        Form::Tables => say!("it is proposed no longer to readmit {counter}")?,
    }
    Ok(())
}

/// All for which a counter gets nothing new.
fn holds_of(counter: &str, held: &HeldFor) -> String {
    let mut lines = vec![format!("{counter} gets no new transfers because")];
    for hold in &held.holds {
        lines.push(format!("  - {} (since {})", plain(&hold.why), plain(&hold.since)));
    }
    lines.join("\n")
}

/// What is told of a proposal that waits for another person.
fn told_of(counter: &str, held: &HeldFor, proposal: &Readmission) -> String {
    let mut lines = vec![holds_of(counter, held)];
    let moving =
        if proposal.move_serials { " and to move serials past what it has seen" } else { "" };
    lines.push(format!(
        "It is proposed to readmit it{moving}; another person has to approve that until {}:\n  \
         counter-bridge readmit {counter} --approve {} --note \"…\"",
        plain(&proposal.until),
        plain(&proposal.id)
    ));
    lines.join("\n")
}

/// The open proposal, if it is the one that was seen.
fn open<'a>(held: &'a HeldFor, id: &str) -> Result<&'a Readmission> {
    match &held.proposal {
        Some(proposal) if proposal.id == id => Ok(proposal),
        Some(proposal) => bail!(
            "what is proposed now is another: {} proposes it as {}: {}",
            plain(&proposal.who),
            plain(&proposal.id),
            plain(&proposal.note)
        ),
        None => bail!("nothing is proposed now: look again with `counter-bridge status`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nobody_approves_another_proposal_than_the_one_that_was_typed() {
        let mut held: HeldFor = serde_json::from_value(json!({
            "counter": "futures",
            "holds": [{"why": "it has seen more\u{1b}", "seen": 7, "since": "2026-11-21T10:00:00Z"}],
            "version": "f".repeat(32),
            "proposal": {
                "id": "a".repeat(32), "version": "f".repeat(32), "move_serials": true, "who": "lin",
                "note": "a restored record", "at": "2026-11-21T10:00:00Z",
                "until": "2026-11-22T10:00:00Z",
            },
        }))
        .expect("it is one");
        let id = "a".repeat(32);
        let proposal = open(&held, &id).expect("it is");
        let told = told_of("futures", &held, proposal);
        for words in ["- it has seen more", "move serials", "until 2026-11-22", &id] {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert!(!told.contains('\u{1b}'), "nobody's words drive the terminal");
        let other = open(&held, &"b".repeat(32)).expect_err("another").to_string();
        assert!(other.contains("lin proposes it as aaaa"), "{other}");
        held.proposal = None;
        let none = open(&held, &id).expect_err("there is none").to_string();
        assert!(none.contains("nothing is proposed"), "{none}");
    }
}
