//! Writes `docs/transfer-table.md` from the machine itself, and fails when the document is stale.

use super::tests::{ground, intent, told, weak};
use super::*;
use std::fmt::Write;

fn phases() -> Vec<Phase> {
    let parked = [
        ParkReason::DebitUnresolved,
        ParkReason::CreditUnresolved,
        ParkReason::ReversalUnresolved,
        ParkReason::Contradicted,
    ];
    let ended = [Phase::Completed, Phase::Refused, Phase::Reversed];
    Phase::MOVING.into_iter().chain(parked.map(Phase::Parked)).chain(ended).collect()
}

/// A transfer as it typically stands in a phase.
fn typical(phase: Phase) -> Transfer {
    let mut transfer = Transfer::accepted(intent());
    transfer.phase = phase;
    let leg = |knowledge, sent| Leg { knowledge, sent, ..Leg::new() };
    let (debit, credit, reversal) = match phase {
        Phase::Accepted | Phase::DebitWaiting => {
            (Knowledge::NotSent, Knowledge::NotSent, Knowledge::NotSent)
        }
        Phase::DebitSent
        | Phase::DebitAsking
        | Phase::DebitFencing
        | Phase::Parked(ParkReason::DebitUnresolved) => {
            (Knowledge::Unknown, Knowledge::NotSent, Knowledge::NotSent)
        }
        Phase::CreditWaiting => (Knowledge::Done, Knowledge::NotSent, Knowledge::NotSent),
        Phase::ReversalWaiting => (Knowledge::Done, Knowledge::Refused, Knowledge::NotSent),
        Phase::ReversalSent
        | Phase::ReversalProving
        | Phase::Parked(ParkReason::ReversalUnresolved) => {
            (Knowledge::Done, Knowledge::Refused, Knowledge::Unknown)
        }
        Phase::CreditSent | Phase::CreditAsking | Phase::CreditFencing | Phase::Parked(_) => {
            (Knowledge::Done, Knowledge::Unknown, Knowledge::NotSent)
        }
        Phase::Completed => (Knowledge::Done, Knowledge::Done, Knowledge::NotSent),
        Phase::Refused => (Knowledge::Refused, Knowledge::NotSent, Knowledge::NotSent),
        Phase::Reversed => (Knowledge::Done, Knowledge::Refused, Knowledge::Done),
    };
    let sent = |knowledge| u16::from(knowledge != Knowledge::NotSent);
    transfer.debit = leg(debit, sent(debit));
    transfer.credit = leg(credit, sent(credit));
    transfer.reversal = leg(reversal, sent(reversal));
    transfer
}

fn events() -> Vec<(String, Event)> {
    let mut events = vec![Event::Wake, Event::Expire];
    for role in Role::ALL {
        for evidence in Evidence::ALL {
            for weight in [Weight::Answer, Weight::Query, Weight::Truth] {
                events.push(Event::Told(role, told(evidence, weight)));
            }
        }
    }
    events.extend(Decision::ALL.map(Event::Decide));
    events.into_iter().map(|event| (event.line(), event)).collect()
}

fn outcome(phase: Phase, event: &Event, profile: &Profile, expired: bool) -> String {
    let mut transfer = typical(phase);
    transfer.expired = expired;
    let ground = ground(profile, profile, 3);
    match step(&mut transfer, event, &ground) {
        Err(illegal) => format!("illegal: {illegal}"),
        Ok(Step { verdict: Verdict::Stale, .. }) => "dropped".to_owned(),
        Ok(Step { action, barrier, verdict }) => {
            let action = match action {
                Action::Send(role) => format!("send {role}"),
                Action::Ask(role, Look::Only) => format!("query {role}"),
                Action::Ask(role, Look::Fence) => format!("fence {role}"),
                Action::Pause => "pause".to_owned(),
                Action::Stay => "wait".to_owned(),
                Action::Finish => "finish".to_owned(),
            };
            let alarm = if verdict == Verdict::Contradiction { "**alarm**, " } else { "" };
            let barrier = if barrier { " (durable first)" } else { "" };
            if transfer.phase == phase {
                format!("{alarm}{action}{barrier}")
            } else {
                format!("{alarm}{action} → {:?}{barrier}", transfer.phase)
            }
        }
    }
}

fn document() -> String {
    let mut text = String::from(
        "# The transfer machine, every pair\n\n\
         Written by the test `transfer::table` from `domain::transfer::step`; do not edit. After a \
         change of the machine: `UPDATE_TABLE=1 cargo test -p domain table`.\n\n\
         *Strong* is a counter that dedupes, sticks to refusals, fences, reverses and answers for \
         all of it; *weak* promises only to debit, credit and reverse. *Expired* is past the \
         transfer's deadline or the cut-over. Each leg was sent once. Evidence that the \
         phase is not waiting for reaches the machine only if it is proof. Rows in which nothing \
         happens in any column are counted, not shown.\n",
    );
    for phase in phases() {
        let heading = line::heading(phase).expect("it is written out here");
        let _ = write!(text, "\n## {heading}\n\n");
        text.push_str(
            "| event | strong | strong, expired | weak | weak, expired |\n|---|---|---|---|---|\n",
        );
        let mut dropped = 0;
        for (name, event) in events() {
            let cells = [
                outcome(phase, &event, &Profile::default(), false),
                outcome(phase, &event, &Profile::default(), true),
                outcome(phase, &event, &weak(), false),
                outcome(phase, &event, &weak(), true),
            ];
            if cells.iter().all(|cell| cell == "dropped")
                || cells.iter().all(|cell| cell.starts_with("illegal: only"))
            {
                dropped += 1;
                continue;
            }
            let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
        }
        let _ = write!(text, "\n{dropped} further events are dropped or refused.\n");
    }
    text
}

#[test]
fn the_table_in_the_documents_is_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/transfer-table.md");
    let now = document();
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(path, &now).expect("docs/ is writable");
    }
    let then = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        then == now,
        "docs/transfer-table.md is stale: UPDATE_TABLE=1 cargo test -p domain table"
    );
}
