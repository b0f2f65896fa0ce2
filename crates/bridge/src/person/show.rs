//! `counter-bridge show`: how transfers stand.

use super::{Access, Form, serial, tables};
use anyhow::Result;
use clap::Args;
use command_line::Ended;
use supervise::{say, tell};

/// `show`.
#[derive(Debug, Args)]
pub(crate) struct ShowCommand {
    /// The transfers' master serials
    #[arg(required = true, value_name = "SERIAL", value_parser = serial)]
    serials: Vec<String>,
}

/// Shows each; one that cannot be shown keeps back none of the others.
pub(crate) async fn run(command: ShowCommand, access: &Access, form: Form) -> Result<Ended> {
    let client = access.client()?;
    let mut ended = Ended::Well;
    for serial in &command.serials {
        match (client.show(serial).await, form) {
            (Ok(transfer), Form::Json) => say!("{}", serde_json::to_string(&transfer)?)?,
            (Ok(transfer), Form::Tables) => say!("{}\n", tables::transfer(&transfer))?,
            (Err(error), _) => {
                tell!("counter-bridge: {serial}: {error}");
                ended = Ended::Badly;
            }
        }
    }
    Ok(ended)
}
