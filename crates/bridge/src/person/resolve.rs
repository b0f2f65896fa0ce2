//! `counter-bridge resolve`: one person proposes how transfers are decided that need it, and another approves it. Who
//! that is, the bridge knows by the token.

use super::operators::{OnProposal, OpenTransfer, Operators, Outlook, Proposal, Proposing};
use super::tables::plain;
use super::{Access, Form, serial};
use crate::words::in_one_line;
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use command_line::{Ended, Usage};
use supervise::{say, tell};

/// What may be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Decision {
    /// The money has arrived; nothing is sent for it
    Completed,
    /// The money was given back, by hand or as the books show; nothing is sent for it
    Reversed,
    /// No money moved; nothing is sent for it
    Refused,
    /// The bridge goes on by its rules, and sends what they say
    Resume,
}

impl Decision {
    /// What a person has to know who took it for an order.
    const fn reminder(self) -> &'static str {
        match self {
            Decision::Completed | Decision::Reversed | Decision::Refused => {
                "; nothing was sent for it: what you found is what counts"
            }
            Decision::Resume => "",
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Decision::Completed => "completed",
            Decision::Reversed => "reversed",
            Decision::Refused => "refused",
            Decision::Resume => "resume",
        }
    }
}

/// `resolve`.
#[derive(Debug, Args)]
pub(crate) struct ResolveCommand {
    /// The transfers' master serials
    #[arg(required = true, value_name = "SERIAL", value_parser = serial)]
    serials: Vec<String>,
    /// What is to be decided
    #[arg(value_enum, value_name = "DECISION")]
    decision: Decision,
    /// On what evidence: it is kept with the transfer
    #[arg(long, value_name = "TEXT")]
    note: String,
    /// As what the transfer was seen, by the version that `status` shows; unless named, as it stands now
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["approve", "withdraw"])]
    seen: Option<String>,
    /// Approve what another person has proposed, by the number that `status` shows; with that it is decided
    #[arg(long, value_name = "PROPOSAL", conflicts_with = "withdraw")]
    approve: Option<String>,
    /// Withdraw what one has proposed, or reject what another has, by its number
    #[arg(long, value_name = "PROPOSAL")]
    withdraw: Option<String>,
}

/// Says it of each; one that is refused keeps back none of the others.
pub(crate) async fn run(command: ResolveCommand, access: &Access, form: Form) -> Result<Ended> {
    let operators = access.operators()?;
    let ResolveCommand { serials, decision, note, seen, approve, withdraw } = &command;
    let names_one = seen.is_some() || approve.is_some() || withdraw.is_some();
    if names_one && serials.len() > 1 {
        let why = "--seen, --approve and --withdraw name what is seen of one transfer, or proposed for it: name one";
        return Err(Usage(why.to_owned()).into());
    }
    let mut ended = Ended::Well;
    for serial in serials {
        let said = match (approve, withdraw) {
            (Some(id), _) => approved(&operators, serial, (*decision, id), note, form).await,
            (None, Some(id)) => withdrawn(&operators, serial, (*decision, id), note, form).await,
            (None, None) => {
                proposed(&operators, serial, (*decision, seen.as_deref()), note, form).await
            }
        };
        if let Err(error) = said {
            tell!("counter-bridge: {serial}: {}", in_one_line(&error));
            ended = Ended::Badly;
        }
    }
    Ok(ended)
}

async fn proposed(
    operators: &Operators,
    serial: &str,
    (decision, seen): (Decision, Option<&str>),
    note: &str,
    form: Form,
) -> Result<()> {
    let now = operators.transfer(serial).await?;
    let Some(version) = seen.or(now.version.as_deref()) else {
        bail!("the bridge does not say what is seen of it")
    };
    let decision = decision.as_str();
    let choice = now.decisions.iter().find(|choice| choice.decision == decision);
    // What may not be decided is proposed all the same, and refused in the bridge's words.
    let leads_to = choice.and_then(|choice| choice.leads_to.as_ref()).unwrap_or(&Outlook::Person);
    let proposing = Proposing { decision, version, leads_to, note };
    let proposal = operators.propose(serial, &proposing).await?;
    match form {
        Form::Json => say!("{}", serde_json::to_string(&proposal)?)?,
        Form::Tables => say!("{}", told_of(serial, &proposal))?,
    }
    Ok(())
}

/// What is told of a proposal that waits for another person.
pub(super) fn told_of(serial: &str, proposal: &Proposal) -> String {
    format!(
        "{serial}: {} is proposed, which {}; another person has to approve it until {}:\n  counter-bridge resolve \
         {serial} {} --approve {} --note \"…\"",
        plain(&proposal.decision),
        plain(&proposal.leads_to.told()),
        plain(&proposal.until),
        plain(&proposal.decision),
        plain(&proposal.id),
    )
}

async fn approved(
    operators: &Operators,
    serial: &str,
    (decision, id): (Decision, &str),
    note: &str,
    form: Form,
) -> Result<()> {
    let seen = operators.transfer(serial).await?;
    let proposal = open(&seen, decision, id)?;
    let decided = operators.approve(serial, &OnProposal { proposal: &proposal.id, note }).await?;
    match form {
        Form::Json => say!("{}", serde_json::to_string(&decided)?)?,
        Form::Tables => say!(
            "{serial}: {} is decided, as {} proposed ({}); it is {} now{}",
            decision.as_str(),
            plain(&proposal.who),
            plain(&proposal.note),
            plain(&decided.state),
            decision.reminder()
        )?,
    }
    Ok(())
}

async fn withdrawn(
    operators: &Operators,
    serial: &str,
    (decision, id): (Decision, &str),
    note: &str,
    form: Form,
) -> Result<()> {
    let seen = operators.transfer(serial).await?;
    let proposal = open(&seen, decision, id)?;
    let ended = operators.withdraw(serial, &OnProposal { proposal: &proposal.id, note }).await?;
    match form {
        Form::Json => say!("{}", serde_json::to_string(&ended)?)?,
        Form::Tables => say!("{serial}: {} is proposed no longer", decision.as_str())?,
    }
    Ok(())
}

/// The open proposal, if it is the one that was seen, and to decide that: nobody approves another than was typed.
fn open<'a>(seen: &'a OpenTransfer, decision: Decision, id: &str) -> Result<&'a Proposal> {
    let Some(proposal) = &seen.proposal else {
        bail!("nothing is proposed for it now: look at it again with `counter-bridge status`");
    };
    if proposal.id != id || proposal.decision != decision.as_str() {
        bail!(
            "what is proposed for it now is another: {} proposes {}, which {}, as {}: {}",
            plain(&proposal.who),
            plain(&proposal.decision),
            plain(&proposal.leads_to.told()),
            plain(&proposal.id),
            plain(&proposal.note)
        );
    }
    Ok(proposal)
}

impl Outlook {
    /// In words.
    pub(super) fn told(&self) -> String {
        match self {
            Outlook::Unproven(role) => {
                format!("asks about the {role}, and goes on by what is answered")
            }
            Outlook::Ends(state) => format!("ends it as {state}"),
            Outlook::Sends(role) => format!("sends the {role}"),
            Outlook::Person => "needs persons again".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nobody_approves_another_decision_than_the_one_that_was_typed() {
        let mut seen: OpenTransfer = serde_json::from_value(json!({
            "master_serial": "2026112100000000042", "state": "needs_operator", "legs": [],
            "amount": 1, "currency": "CNY", "reason": null, "next": null,
            "created_at": "2026-11-21T10:00:00Z", "updated_at": "2026-11-21T10:00:00Z",
            "app": "demo", "age_s": 61, "in_transit": 0, "decisions": [],
            "proposal": {
                "id": "0123456789abcdef0123456789abcdef", "decision": "resume",
                "leads_to": {"sends": "credit"}, "who": "lin\u{1b}", "note": "seen",
                "until": "2026-11-22T10:00:00Z",
            },
        }))
        .expect("a transfer");
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(open(&seen, Decision::Resume, id).expect("it is").decision, "resume");
        for (decision, id) in [(Decision::Completed, id), (Decision::Resume, "0")] {
            let other = open(&seen, decision, id).expect_err("it is another").to_string();
            assert!(other.contains("proposes resume, which sends the credit"), "{other}");
            assert!(!other.contains('\u{1b}'), "nobody's words drive the terminal");
        }
        seen.proposal = None;
        let none = open(&seen, Decision::Resume, id).expect_err("there is none").to_string();
        assert!(none.contains("nothing is proposed"), "{none}");
    }
}
