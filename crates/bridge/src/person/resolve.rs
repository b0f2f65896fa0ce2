//! `counter-bridge resolve`: records what a person decided about transfers that need one. Who that is, the bridge knows
//! by the token.

use super::operators::Decided;
use super::tables::plain;
use super::{Access, Form, serial};
use crate::words::in_one_line;
use anyhow::Result;
use clap::{Args, ValueEnum};
use command_line::Ended;
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
    /// What was decided
    #[arg(value_enum, value_name = "DECISION")]
    decision: Decision,
    /// On what evidence: it is kept with the transfer
    #[arg(long, value_name = "TEXT")]
    note: String,
}

/// Records it for each; one that is refused keeps back none of the others.
pub(crate) async fn run(command: ResolveCommand, access: &Access, form: Form) -> Result<Ended> {
    let operators = access.operators()?;
    let ResolveCommand { serials, decision, note } = &command;
    let (decision, reminder) = (decision.as_str(), decision.reminder());
    let mut ended = Ended::Well;
    for serial in serials {
        let decided = Decided { master_serial: serial, decision, note };
        match (operators.decide(&decided).await, form) {
            (Ok(taken), Form::Json) => say!("{}", serde_json::to_string(&taken)?)?,
            (Ok(taken), Form::Tables) => {
                say!("{serial}: {decision} is recorded; it is {} now{reminder}", taken.state)?;
                if let Some(other) = &taken.claimed_by {
                    say!("{serial}: {} had claimed it: tell them", plain(other))?;
                }
            }
            (Err(error), _) => {
                tell!("counter-bridge: {serial}: {}", in_one_line(&error));
                ended = Ended::Badly;
            }
        }
    }
    Ok(ended)
}
