//! `counter-bridge readmit`: lets a counter get new transfers again that got none because what it said
//! was in doubt.

use super::operators::Readmission;
use super::{Access, Form};
use anyhow::Result;
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
    /// Move the bridge's serials past the highest that the counter has seen, however far that is
    #[arg(long)]
    move_serials: bool,
}

/// Readmits it, or says why not.
pub(crate) async fn run(command: ReadmitCommand, access: &Access, form: Form) -> Result<Ended> {
    let ReadmitCommand { counter, note, move_serials } = &command;
    let readmission = Readmission { note, move_serials: *move_serials };
    let told = access.operators()?.readmit(counter.as_str(), &readmission).await?;
    match form {
        Form::Json => say!("{told}")?,
        Form::Tables => say!("{counter} gets new transfers again")?,
    }
    Ok(Ended::Well)
}
