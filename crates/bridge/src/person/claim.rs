//! `counter-bridge claim`: says that a person is busy with a transfer that waits for one.

use super::operators::Claiming;
use super::tables::plain;
use super::{Access, Form, serial};
use anyhow::Result;
use clap::Args;
use command_line::Ended;
use supervise::say;

/// `claim`.
#[derive(Debug, Args)]
pub(crate) struct ClaimCommand {
    /// The transfer's master serial
    #[arg(value_name = "SERIAL", value_parser = serial)]
    serial: String,
    /// With what, for the others; not with --release
    #[arg(long, value_name = "TEXT", required_unless_present = "release")]
    note: Option<String>,
    /// It is claimed no longer
    #[arg(long, conflicts_with = "note")]
    release: bool,
}

/// Claims it, or claims it no longer.
pub(crate) async fn run(command: ClaimCommand, access: &Access, form: Form) -> Result<Ended> {
    let ClaimCommand { serial, note, release } = &command;
    let claiming = Claiming { note: note.as_deref().unwrap_or_default(), release: *release };
    let told = access.operators()?.claim(serial, &claiming).await?;
    match (form, &told.claim) {
        (Form::Json, _) => say!("{}", serde_json::to_string(&told)?)?,
        (Form::Tables, Some(claim)) => {
            say!("{serial} is claimed by {} until {}", plain(&claim.who), plain(&claim.until))?;
        }
        (Form::Tables, None) => say!("{serial} is claimed no longer")?,
    }
    Ok(Ended::Well)
}
