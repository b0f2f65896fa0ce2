//! `counter-bridge status`: connections, and the transfers that are open.

use super::alarms::Alarms;
use super::operators::{Connection, Counter, OpenTransfer, OpenTransfers, Operators};
use super::screen::{Size, fitted};
use super::summary::Summary;
use super::tables::{lasting, or_dash, place, plain, table};
use super::{Access, Form};
use crate::words::in_one_line;
use anyhow::Result;
use api::json::timestamp;
use clap::Args;
use client::State;
use command_line::Ended;
use command_line::number::within;
use domain::shown::money;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};
use std::time::Duration;
use supervise::{output, say};

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusCommand {
    /// Look again and again, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// How often to look, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, requires = "watch",
          value_parser = within::<u64>(1..=3600))]
    every: u64,
    /// Only transfers that need a person
    #[arg(long)]
    needs_operator: bool,
    /// Show at most so many transfers, the oldest first
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = within::<u16>(1..=200))]
    limit: u16,
}

/// Everything that is looked at.
#[derive(Clone, Debug, Serialize)]
struct Status {
    summary: Summary,
    alarms: Alarms,
    counters: Vec<Counter>,
    open: OpenTransfers,
}

/// Looks once, or until Ctrl-C.
pub(crate) async fn run(command: StatusCommand, access: &Access, form: Form) -> Result<Ended> {
    let operators = access.operators()?;
    if !command.watch {
        say!("{}", look(&operators, &command).await?.told(form, &access.again())?)?;
        return Ok(Ended::Well);
    }
    let mut again = tokio::time::interval(Duration::from_secs(command.every));
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            _ = again.tick() => {}
            heard = &mut interrupted => {
                heard?;
                return Ok(Ended::Well);
            }
        }
        // A bridge that is being restarted is watched on.
        let told = match look(&operators, &command).await {
            Ok(status) => status.told(form, &access.again())?,
            Err(error) => match form {
                Form::Tables => in_one_line(&error),
                Form::Json => serde_json::json!({ "error": in_one_line(&error) }).to_string(),
            },
        };
        if form == Form::Tables && stdout().is_terminal() {
            let told = Size::of(&stdout()).map_or_else(|| told.clone(), |size| fitted(&told, size));
            output::screen(format_args!("{told}"))?;
        } else {
            say!("{told}")?;
        }
    }
}

async fn look(operators: &Operators, command: &StatusCommand) -> Result<Status> {
    let state = command.needs_operator.then_some(State::NeedsOperator);
    let summary = operators.summary().await?;
    let alarms = match summary.alarms_open {
        0 => Alarms::default(),
        // What else there is to be seen does not wait for them.
        _ => operators.alarms().await.unwrap_or_else(|error| Alarms {
            unknown: Some(in_one_line(&error)),
            ..Alarms::default()
        }),
    };
    Ok(Status {
        summary,
        alarms,
        counters: operators.counters().await?,
        open: operators.transfers(state, command.limit).await?,
    })
}

impl Status {
    fn told(&self, form: Form, again: &str) -> Result<String> {
        match form {
            Form::Json => Ok(serde_json::to_string(self)?),
            Form::Tables => Ok(self.tables(again)),
        }
    }

    fn tables(&self, again: &str) -> String {
        // Writing to a string does not fail.
        let mut text = headline(&self.summary);
        text.push_str(&self.alarms.told(self.summary.alarms_unacknowledged));
        let mut counters = table([
            "counter",
            "is",
            "address",
            "settle day",
            "round trip",
            "in flight",
            "queued",
            "last trouble",
        ]);
        for counter in &self.counters {
            counters.add_row(counter_row(counter));
        }
        if self.counters.is_empty() {
            text.push_str("\nno counter is configured");
        } else {
            let _ = write!(text, "\n{counters}");
        }
        for counter in &self.counters {
            if let Some(held) = &counter.held {
                let (id, why) = (plain(&counter.id), plain(&held.why));
                let _ = write!(text, "\n{id} GETS NO NEW TRANSFERS: {why}");
                if let Some(to_do) = &held.to_do {
                    let _ = write!(text, "\n  {}", plain(to_do));
                }
            }
            if let Some(hold) = &counter.on_hold {
                let (id, who, note) = (plain(&counter.id), plain(&hold.who), plain(&hold.note));
                let does = if hold.kind == "drain" { "DRAINS" } else { "HOLDS" };
                let since = plain(&timestamp(hold.since));
                let _ = write!(text, "\n{who} {does} {id} since {since}: {note}");
                let _ = write!(text, "\n  {}", plain(&hold.text));
            }
            if let Some(uncertain) = &counter.on_hold_uncertain {
                let _ = write!(text, "\n{}: {}", plain(&counter.id), plain(uncertain));
            }
            if let Some(said) = counter.faults.as_ref().and_then(|faults| faults.text.as_ref()) {
                let _ = write!(text, "\n{}", plain(said));
            }
        }
        let OpenTransfers { transfers, total } = &self.open;
        if transfers.is_empty() {
            text.push_str("\nno open transfers");
            return text;
        }
        let mut open =
            table(["open transfer", "state", "age", "amount", "from, to", "what is next"]);
        for transfer in transfers {
            open.add_row(transfer_row(transfer));
        }
        let _ = write!(text, "\n{open}");
        if u64::try_from(transfers.len()).is_ok_and(|listed| listed < *total) {
            let _ = write!(text, "\n{} of {total}, the oldest first", transfers.len());
        }
        for transfer in transfers.iter().filter(|open| !open.decisions.is_empty()) {
            let _ = write!(text, "\n{}", decisions(transfer, again));
        }
        text
    }
}

fn headline(summary: &Summary) -> String {
    let mut text = format!("up for {}; {} open", lasting(summary.uptime_s), summary.open);
    for (state, count) in &summary.by_state {
        let _ = write!(text, ", {count} {}", plain(state));
    }
    for (currency, minor) in summary.in_transit.iter().filter(|(_, minor)| **minor != 0) {
        let _ = write!(text, "; {} in transit", plain(&money(*minor, currency)));
    }
    if let Some(age) = summary.oldest_in_transit_age_s {
        let _ = write!(text, " for up to {}", lasting(age));
    }
    if summary.journal.health != "ok" {
        let why = or_dash(summary.journal.why.as_deref());
        let _ = write!(text, "\nTHE DATABASE DOES NOT RECORD: {why}");
    }
    if let Some(record) = summary.record.as_ref().filter(|record| record.standing != "current") {
        let why = or_dash(record.why.as_deref());
        let _ = write!(text, "\nTHE RECORD IS BEHIND: {why}; nothing that moves money is sent");
    }
    text
}

fn counter_row(counter: &Counter) -> [String; 8] {
    let each = |told: &dyn Fn(&Connection) -> String| {
        counter.connections.iter().map(told).collect::<Vec<_>>().join("\n")
    };
    let closed = if counter.open || counter.health == "down" { "" } else { ", closed" };
    [
        plain(&counter.id),
        format!(
            "{}{closed}\n{}",
            plain(&counter.health_text),
            each(&|connection| plain(&connection.state_text))
        ),
        each(&|connection| plain(&connection.address)),
        counter.settle_day.map_or_else(|| "–".to_owned(), |day| day.to_string()),
        each(&|connection| {
            connection.round_trip_us.map_or_else(
                || "–".to_owned(),
                |micros| format!("{}.{:03} ms", micros / 1000, micros % 1000),
            )
        }),
        counter.in_flight.to_string(),
        counter.queued.to_string(),
        each(&|connection| or_dash(connection.last_cause.as_deref())),
    ]
}

fn transfer_row(open: &OpenTransfer) -> [String; 6] {
    let transfer = &open.transfer;
    let amount = transfer.amount.zip(transfer.currency.as_deref());
    [
        plain(&transfer.master_serial),
        transfer.state.to_string(),
        lasting(open.age_s),
        amount.map_or_else(|| "–".to_owned(), |(minor, currency)| plain(&money(minor, currency))),
        open.ends()
            .map_or_else(|| "–".to_owned(), |(from, to)| format!("{}\n{}", place(from), place(to))),
        or_dash(transfer.next.as_deref().or(transfer.reason.as_deref())),
    ]
}

/// How persons decide on a transfer that needs them.
fn decisions(open: &OpenTransfer, again: &str) -> String {
    let serial = plain(&open.transfer.master_serial);
    let mut text = format!("{serial} needs two persons, one to propose and one to approve:");
    if let Some(claim) = &open.claim {
        let (who, until, note) = (plain(&claim.who), plain(&claim.until), plain(&claim.note));
        let _ = write!(text, "\n  {who} has claimed it until {until}: {note}");
    }
    if let Some(proposal) = &open.proposal {
        let (who, until, note) =
            (plain(&proposal.who), plain(&proposal.until), plain(&proposal.note));
        let (decision, leads_to) = (plain(&proposal.decision), plain(&proposal.leads_to.told()));
        let id = plain(&proposal.id);
        let _ = write!(
            text,
            "\n  {who} has proposed {decision}, which {leads_to}, until {until}: {note}\n  another person: \
             counter-bridge resolve {serial} {decision} --approve {id} --note \"…\"{again}\n  or it is taken back: \
             counter-bridge resolve {serial} {decision} --withdraw {id} --note \"…\"{again}"
        );
        return text;
    }
    let seen = open.version.as_ref();
    let seen = seen.map_or_else(String::new, |version| format!(" --seen {}", plain(version)));
    for choice in &open.decisions {
        let decision = plain(&choice.decision);
        if choice.allowed {
            let leads_to = choice.leads_to.as_ref();
            let leads_to =
                leads_to.map_or_else(String::new, |it| format!("  # {}", plain(&it.told())));
            let _ = write!(
                text,
                "\n  counter-bridge resolve {serial} {decision}{seen} --note \"…\"{again}{leads_to}"
            );
        } else {
            let why = or_dash(choice.why_not.as_deref());
            let _ = write!(text, "\n  {decision} is not possible: {why}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the operators' side says, as its own code writes it.
    fn status() -> Status {
        Status {
            summary: serde_json::from_value(serde_json::json!({
                "version": "0.1.0", "now": 1, "started_at": 0, "uptime_s": 125,
                "journal": {"health": "failing", "since": 5, "why": "disk full"},
                "record": {"standing": "behind", "since": 6, "why": "4 batches are missing"},
                "open": 3, "by_state": {"crediting": 2, "needs_operator": 1},
                "in_transit": {"CNY": 100_000, "USD": 0},
                "oldest_in_transit_at": 0, "oldest_in_transit_age_s": 61,
                "alarms_open": 1, "alarms_unacknowledged": 1,
            }))
            .expect("a summary"),
            alarms: serde_json::from_value(serde_json::json!({
                "damaged": [], "left_out": 0, "next": null,
                "alarms": [{
                    "number": 7, "kind": "defect", "counter": null, "transfer": "2026112100000000042",
                    "text": "it failed", "latest": "it failed", "raised_at": "2026-11-21T10:00:00Z",
                    "last_at": "2026-11-21T10:00:00Z", "times": 1, "unseen": 1, "acknowledged": null,
                    "closed": null, "closes_by_itself": false, "is_over": false, "to_do": "report it",
                }],
            }))
            .expect("alarms"),
            counters: serde_json::from_value(serde_json::json!([{
                "counter": "futures", "health": "down", "health_text": "not connected",
                "settle_day": 20_261_121, "open": false, "queued": 2, "in_flight": 1, "counts": {},
                "held": {"why": "it has seen more", "since": 1, "to_do": "readmit it\u{1b}[31m"},
                "faults": {"foreign": 3, "contradiction": 0, "text": "it spoke 3 times"},
                "connections": [{
                    "channel": 0, "state": "backing_off", "state_text": "waiting to try again",
                    "since": 1, "epoch": 4, "address": "127.0.0.1:9002", "next_attempt_at": 9,
                    "attempt": 3, "last_cause": "refused\u{1b}[31m", "heard_at": null,
                    "round_trip_us": 1234,
                }],
            }]))
            .expect("counters"),
            open: serde_json::from_value(serde_json::json!({
                "total": 3,
                "transfers": [{
                    "master_serial": "2026112100000000042", "state": "needs_operator",
                    "from": {"counter": "securities", "account": "6001"},
                    "to": {"counter": "futures", "account": "8001"},
                    "amount": 100_000, "currency": "CNY", "legs": [], "reason": null,
                    "next": "a person decides", "created_at": "2026-11-21T10:00:00Z",
                    "updated_at": "2026-11-21T10:00:00Z", "deadline_at": "2026-11-21T10:01:00Z",
                    "app": "demo", "age_s": 61, "in_transit": 100_000,
                    "outlook": {"unproven": "credit"}, "version": "00112233445566778899aabbccddeeff",
                    "claim": {"who": "lin", "note": "on the telephone\u{1b}[31m",
                              "since": "2026-11-21T10:00:30Z", "until": "2026-11-21T11:00:30Z"},
                    "decisions": [
                        {"decision": "completed", "allowed": true, "why_not": null,
                         "leads_to": {"ends": "completed"}},
                        {"decision": "refused", "allowed": false, "why_not": "the debit is done"},
                    ],
                }],
            }))
            .expect("transfers"),
        }
    }

    #[test]
    fn tables_show_what_an_operator_acts_on() {
        let shown = status().tables(" --client c.toml");
        for words in [
            "up for 2 min 5 s; 3 open, 2 crediting, 1 needs_operator; 1,000.00 CNY in transit for up \
             to 1 min 1 s",
            "THE DATABASE DOES NOT RECORD: disk full",
            "THE RECORD IS BEHIND: 4 batches are missing; nothing that moves money is sent",
            "1 ALARM IS OPEN, 1 not acknowledged\n  7 defect since 2026-11-21T10:00:00Z: it failed",
            "futures",
            "127.0.0.1:9002",
            "1.234 ms",
            "futures GETS NO NEW TRANSFERS: it has seen more",
            "  readmit it",
            "it spoke 3 times",
            "20261121",
            "2026112100000000042",
            "1 of 3, the oldest first",
            "counter-bridge resolve 2026112100000000042 completed --seen 00112233445566778899aabbccddeeff --note \"…\" --client c.toml  # ends it as completed",
            "refused is not possible: the debit is done",
            "lin has claimed it until 2026-11-21T11:00:30Z: on the telephone",
        ] {
            assert!(shown.contains(words), "{words:?} is not in\n{shown}");
        }
        assert!(!shown.contains("USD"), "nothing of it is in transit\n{shown}");
        assert!(!shown.contains('\u{1b}'), "a counter's words drive no terminal");
    }

    #[test]
    fn what_an_operator_holds_is_shown_with_who_and_why() {
        let mut status = status();
        let shown = |status: &Status| status.tables("");
        assert!(!shown(&status).contains("HOLDS"));
        for (kind, words) in [
            (
                "hold",
                "lin HOLDS futures since 2026-11-21T10:00:00Z: their release\n  It gets none.",
            ),
            ("drain", "lin DRAINS futures since 2026-11-21T10:00:00Z: their release"),
        ] {
            status.counters[0].on_hold = serde_json::from_value(serde_json::json!({
                "kind": kind, "who": "lin", "note": "their release", "since": 1_795_255_200_000_000_i64,
                "waits_for": null, "parked": null, "text": "It gets none.",
            }))
            .expect("a hold");
            assert!(shown(&status).contains(words), "{words}: {}", shown(&status));
        }
        status.counters[0].on_hold = None;
        status.counters[0].on_hold_uncertain = Some("It is not certain.".to_owned());
        assert!(shown(&status).contains("\nfutures: It is not certain."), "{}", shown(&status));
    }

    #[test]
    fn what_is_proposed_is_shown_with_what_another_may_do() {
        let mut status = status();
        status.open.transfers[0].proposal = serde_json::from_value(serde_json::json!({
            "id": "0123456789abcdef0123456789abcdef", "decision": "completed",
            "leads_to": {"ends": "completed"}, "who": "lin\u{1b}", "note": "seen",
            "until": "2026-11-22T10:00:00Z",
        }))
        .expect("a proposal");
        let shown = status.tables("");
        for words in [
            "has proposed completed, which ends it as completed, until 2026-11-22T10:00:00Z: seen",
            "counter-bridge resolve 2026112100000000042 completed --approve 0123456789abcdef0123456789abcdef --note",
            "counter-bridge resolve 2026112100000000042 completed --withdraw 0123456789abcdef0123456789abcdef --note",
        ] {
            assert!(shown.contains(words), "{words:?} is not in\n{shown}");
        }
        assert!(!shown.contains("refused is not possible"), "one thing at a time\n{shown}");
        assert!(!shown.contains('\u{1b}'), "nobody's words drive the terminal");
    }

    #[test]
    fn machines_get_one_object_in_one_line() {
        let told = status().told(Form::Json, "").expect("JSON");
        assert!(!told.contains('\n'));
        let read: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(read["counters"][0]["health"], "down");
        assert_eq!(read["open"]["transfers"][0]["master_serial"], "2026112100000000042");
        assert_eq!(read["summary"]["in_transit"]["CNY"], 100_000);
    }

    #[test]
    fn nothing_open_and_nothing_configured_are_said() {
        let mut status = status();
        status.summary.journal.health = "ok".to_owned();
        status.summary.record = None;
        status.counters.clear();
        status.alarms = Alarms::default();
        status.open = OpenTransfers { transfers: Vec::new(), total: 0 };
        let shown = status.tables("");
        assert!(shown.contains("no counter is configured") && shown.contains("no open transfers"));
        assert!(!shown.contains("DATABASE") && !shown.contains("ALARM"));
    }
}
