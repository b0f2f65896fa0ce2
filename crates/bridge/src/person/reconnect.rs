//! `counter-bridge reconnect`: has a counter tried again at once, also one whose connection is held because
//! it was rejected.

use super::operators::Connection;
use super::{Access, Form};
use anyhow::{Context, Result};
use clap::Args;
use command_line::Ended;
use domain::message::CounterId;
use std::collections::BTreeSet;
use supervise::say;

/// The state of a connection that nobody tries any more until a person says so.
const HELD: &str = "held";
/// States of a connection that is tried by itself later; out of hours it is tried once, and then left again.
const WAITS: [&str; 2] = ["backing_off", "out_of_hours"];

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
    let told = operators.act_on(id, "reconnect", &serde_json::json!({})).await?;
    match form {
        Form::Json => say!("{told}")?,
        Form::Tables => say!("{}", what_follows(id, &counter.connections))?,
    }
    Ok(Ended::Well)
}

/// What the bridge does about it, by where the connections stood before it was asked.
fn what_follows(id: &str, connections: &[Connection]) -> String {
    let tried = |connection: &&Connection| {
        connection.state == HELD || WAITS.contains(&connection.state.as_str())
    };
    match connections.iter().filter(tried).count() {
        0 => {
            let states: BTreeSet<&str> =
                connections.iter().map(|connection| connection.state_text.as_str()).collect();
            let states = states.into_iter().collect::<Vec<_>>().join(", ");
            format!("{id}: nothing waits to be tried again, so nothing is done ({states})")
        }
        tried if tried == connections.len() => {
            format!("{id} is tried again; `counter-bridge status` shows what comes of it")
        }
        tried => format!(
            "{id}: {tried} of {} connections are tried again; `counter-bridge status` shows what comes of it",
            connections.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_said_of_what_waits_alone() {
        let connection = |state: &str| Connection {
            state: state.to_owned(),
            state_text: format!("is {state}"),
            address: "127.0.0.1:1".to_owned(),
            attempt: 1,
            last_cause: None,
            next_attempt_at: None,
            round_trip_us: None,
        };
        let [up, held, waits] = ["up", HELD, "backing_off"].map(connection);
        // One that dials in is waited for.
        let dials_in = connection("connecting");
        for (connections, told) in [
            (vec![held.clone()], "futures is tried again; `counter"),
            (vec![waits.clone()], "futures is tried again; `counter"),
            (vec![connection("out_of_hours")], "futures is tried again; `counter"),
            (vec![up.clone(), waits, held], "2 of 3 connections are tried again"),
            (vec![up.clone(), dials_in.clone(), up], "is done (is connecting, is up)"),
            (vec![dials_in], "so nothing is done (is connecting)"),
        ] {
            let said = what_follows("futures", &connections);
            assert!(said.contains(told), "{said}");
        }
    }
}
