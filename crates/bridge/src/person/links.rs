//! `counter-bridge hold`, `drain`, `release` and `new-session`: what an operator does about a counter without
//! deciding anything about money.

use super::operators::Counter;
use super::tables::plain;
use super::{Access, Form};
use anyhow::{Result, bail};
use clap::Args;
use command_line::Ended;
use domain::message::CounterId;
use serde_json::{Value, json};
use supervise::say;

/// `hold`, `drain`, `release` and `new-session`.
#[derive(Debug, Args)]
pub(crate) struct LinkCommand {
    /// Which counter
    #[arg(value_name = "COUNTER")]
    counter: CounterId,
    /// Why: it is kept
    #[arg(long, value_name = "TEXT")]
    note: String,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkAct {
    /// It gets no new transfers.
    Hold,
    /// The same, and it is signed off when nothing needs it.
    Drain,
    /// It goes on.
    Release,
    /// It signs on anew.
    NewSession,
}

impl LinkAct {
    /// The last part of its path.
    const fn path(self) -> &'static str {
        match self {
            LinkAct::Hold => "hold",
            LinkAct::Drain => "drain",
            LinkAct::Release => "release",
            LinkAct::NewSession => "new-session",
        }
    }
}

/// Does it, or says why not.
pub(crate) async fn run(
    act: LinkAct,
    command: LinkCommand,
    access: &Access,
    form: Form,
) -> Result<Ended> {
    let LinkCommand { counter, note } = &command;
    let (id, operators) = (counter.as_str(), access.operators()?);
    let body = match act {
        LinkAct::Release => releasing(id, note, &operators.counters().await?)?,
        LinkAct::Hold | LinkAct::Drain | LinkAct::NewSession => json!({ "note": note }),
    };
    let told = operators.act_on(id, act.path(), &body).await?;
    match form {
        Form::Json => say!("{told}")?,
        Form::Tables => say!("{}", what_follows(act, id, &told))?,
    }
    Ok(Ended::Well)
}

/// What is sent to release a counter: that the hold is meant which is in force now, however late the request arrives, and
/// nothing that somebody says meanwhile.
fn releasing(id: &str, note: &str, counters: &[Counter]) -> Result<Value> {
    let Some(counter) = counters.iter().find(|counter| counter.id == id) else {
        // The bridge says which counters there are.
        return Ok(json!({ "note": note }));
    };
    match &counter.on_hold {
        Some(hold) => Ok(json!({ "note": note, "since": hold.since })),
        // It may be on hold without the bridge knowing since when: whatever holds it is meant.
        None if counter.on_hold_uncertain.is_some() => Ok(json!({ "note": note })),
        None => bail!("{id} is not on hold: no operator keeps it from new transfers"),
    }
}

/// What was done, in words; what the bridge says of it is shown as it says it.
fn what_follows(act: LinkAct, id: &str, told: &Value) -> String {
    let word = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).map(plain);
    match act {
        LinkAct::Hold | LinkAct::Drain => {
            let kind = if word("/on_hold/kind").as_deref() == Some("drain") {
                "drained"
            } else {
                "on hold"
            };
            let who = word("/on_hold/who").unwrap_or_default();
            let text = word("/on_hold/text").unwrap_or_default();
            format!("{id} is {kind}, by {who}: {text}")
        }
        LinkAct::Release => match word("/still_held") {
            None => format!("{id} is released: it gets new transfers again"),
            Some(why) => format!(
                "{id} is released, but gets no new transfers all the same, for what it says is in doubt: {why}"
            ),
        },
        LinkAct::NewSession => {
            let text = word("/text").unwrap_or_default();
            format!("{text}; `counter-bridge status` shows what comes of it")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_releases_a_counter_means_the_hold_that_is_in_force() {
        let counter = |id: &str, on_hold: Value, uncertain: Option<&str>| {
            let shown = json!({
                "counter": id, "health": "up", "health_text": "", "settle_day": null, "open": true,
                "connections": [], "queued": 0, "in_flight": 0, "on_hold": on_hold,
                "on_hold_uncertain": uncertain,
            });
            serde_json::from_value::<Counter>(shown).expect("a counter")
        };
        let hold =
            json!({"kind": "hold", "who": "lin", "note": "?", "since": 42, "text": "No new."});
        let counters = [
            counter("futures", hold, None),
            counter("securities", Value::Null, None),
            counter("bank", Value::Null, Some("not certain")),
        ];
        let sent = |id| releasing(id, "done", &counters);
        assert_eq!(sent("futures").expect("it is held"), json!({"note": "done", "since": 42}));
        let free = sent("securities").expect_err("nobody holds it").to_string();
        assert!(free.contains("securities is not on hold"), "{free}");
        assert_eq!(sent("bank").expect("the bridge is asked"), json!({"note": "done"}));
        assert_eq!(sent("elsewhere").expect("the bridge refuses it"), json!({"note": "done"}));
    }

    #[test]
    fn what_was_done_is_said_in_words_and_no_words_drive_the_terminal() {
        let hold =
            |kind| json!({"on_hold": {"kind": kind, "who": "wang\u{1b}", "text": "No new."}});
        for (act, told, words) in [
            (LinkAct::Hold, hold("hold"), "futures is on hold, by wang"),
            (LinkAct::Drain, hold("drain"), "futures is drained, by wang"),
            (LinkAct::Release, json!({"still_held": null}), "it gets new transfers again"),
            (
                LinkAct::Release,
                json!({"still_held": "a mark"}),
                "all the same, for what it says is in doubt: a mark",
            ),
            (
                LinkAct::NewSession,
                json!({"text": "it begins"}),
                "it begins; `counter-bridge status`",
            ),
        ] {
            let said = what_follows(act, "futures", &told);
            assert!(said.contains(words) && !said.contains('\u{1b}'), "{said}");
        }
    }
}
