//! `counter-bridge reconnect`: has a counter tried again at once, also one whose connection is held because
//! it was rejected.

use super::{Access, Form};
use crate::Ended;
use anyhow::{Context, Result};
use clap::Args;
use domain::message::CounterId;
use supervise::say;

/// The state of a connection that nobody tries any more until a person says so.
const HELD: &str = "held";

/// `reconnect`.
#[derive(Debug, Args)]
pub(crate) struct ReconnectCommand {
    /// Which counter
    #[arg(value_name = "COUNTER")]
    counter: CounterId,
}

/// Asks for it, or says why not.
pub(crate) async fn run(command: ReconnectCommand, access: &Access, form: Form) -> Result<Ended> {
    let operators = access.operators()?;
    let id = command.counter.as_str();
    let counters = operators.counters().await?;
    let counter = counters.iter().find(|counter| counter.id == id);
    let counter = counter.with_context(|| format!("there is no counter {id}"))?;
    let is_held = counter.connections.iter().any(|connection| connection.state == HELD);
    let told = operators.act_on(id, if is_held { "release" } else { "reconnect" }).await?;
    match form {
        Form::Json => say!("{told}")?,
        Form::Tables => {
            say!("{id} is tried again; `counter-bridge status` shows what comes of it")?;
        }
    }
    Ok(Ended::Well)
}
