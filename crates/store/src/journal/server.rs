//! Writes a batch to a server: each table's rows in one statement, because each statement is a round
//! trip.

use super::attempt::{Tried, begin, large_body, limited};
use super::fence::{Fenced, fence, superseded};
use super::rows::{each_of, insert};
use crate::address::Address;
use crate::checksum;
use crate::connect;
use crate::entity::open_transfer;
use crate::fault::Fault;
use crate::idempotency::{End, Known, Plan, Progress};
use crate::position::ledger::Ledger;
use crate::record::NewTransfer;
use crate::state::OpenState;
use crate::write::Write;
use domain::serial::Role;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, Statement, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Writes a batch; with what is `known`, if something was in the way before.
pub(super) async fn write(
    connection: &DatabaseConnection,
    address: &Address,
    batch: &[Arc<Write>],
    known: Option<&Known>,
    ledger: &Ledger,
    knows_place: bool,
) -> Tried {
    let plan = Plan::of(batch.iter().map(AsRef::as_ref), known);
    if plan.is_empty() {
        return Tried::committed(plan);
    }
    let failed = |error: &DbErr| Tried::Failed {
        fault: Fault::of(error),
        why: connect::explain(address, error),
    };
    let began = limited(async {
        let transaction = begin(connection).await?;
        let numbering = match fence(&transaction, ledger, knows_place).await? {
            Fenced::Held(numbering) => numbering,
            Fenced::Elsewhere => {
                transaction.rollback().await?;
                let why = "the record does not end where it was left".to_owned();
                return Ok(Err(Tried::Failed { fault: Fault::Contention, why }));
            }
            Fenced::Superseded(why) => {
                transaction.rollback().await?;
                return Ok(Err(Tried::Failed { fault: Fault::Superseded, why }));
            }
        };
        let conflict = match run(&transaction, &plan).await {
            Ok(all_were_open) => !all_were_open,
            Err(error) if Fault::of(&error) == Fault::Duplicate => true,
            Err(error) => return Err(error),
        };
        if conflict {
            transaction.rollback().await?;
            return Ok(Err(Tried::Conflict));
        }
        Ok(Ok((transaction, numbering)))
    });
    let asked = Instant::now();
    let (transaction, numbering) = match began.await {
        Ok(Ok(ready)) => ready,
        Ok(Err(tried)) => return tried,
        Err(error) => return failed(&error),
    };
    let committing = Instant::now();
    match limited(transaction.commit()).await {
        Ok(()) => {
            metrics::histogram!("store_journal_commit_seconds").record(committing.elapsed());
            ledger.held(asked);
            if let Some(numbering) = numbering {
                ledger.committed(&numbering);
            }
            Tried::committed(plan)
        }
        Err(error) if Fault::commit_was_undone(&error) => failed(&error),
        Err(error) => Tried::Unclear { why: connect::explain(address, &error) },
    }
}

/// The statements of a plan, in the order that the tables depend on each other. `false`: an
/// outcome was inserted for a transfer that is not open.
async fn run(transaction: &DatabaseTransaction, plan: &Plan<'_>) -> Result<bool, DbErr> {
    let transfers = plan.transfers.values().map(|transfer| transfer_row(transfer)).collect();
    insert(transaction, "transfer", &TRANSFER, transfers).await?;
    let opened = plan.opened.iter().map(|(master, state)| {
        let state = state.map_or(open_transfer::ENDED, OpenState::number);
        vec![Value::from(*master), state.into(), plan.parts_of(*master).into()]
    });
    insert(transaction, "open_transfer", &OPEN, opened.collect()).await?;
    let trail = plan
        .trail
        .iter()
        .map(|((master, part), body)| {
            let sum = checksum::of_trail(*master, i64::from(*part), body);
            vec![Value::from(*master), i64::from(*part).into(), (*body).into(), sum.into()]
        })
        .collect();
    insert(transaction, "trail", &TRAIL, trail).await?;
    // Few that differ, of many transfers.
    let mut alike: BTreeMap<Progress, Vec<i64>> = BTreeMap::new();
    for (master, progress) in plan.progress() {
        alike.entry(progress).or_default().push(master);
    }
    for (Progress { state, parts }, masters) in alike {
        let values = [state.map(OpenState::number).into(), parts.into()];
        each_of(transaction, UPDATE, &values, &masters).await?;
    }
    let decisions = plan
        .decisions
        .iter()
        .map(|((master, at, who), decision)| {
            vec![
                Value::from(*master),
                (*at).into(),
                who.as_bytes().to_vec().into(),
                decision.decision.as_str().into(),
                decision.note.as_received().into(),
                checksum::of_decision(
                    *master,
                    *at,
                    who.as_bytes(),
                    &decision.decision,
                    decision.note.as_received(),
                )
                .into(),
            ]
        })
        .collect();
    insert(transaction, "decision", &DECISION, decisions).await?;
    let outcomes = plan.outcomes.iter().map(|(master, end)| outcome_row(*master, end)).collect();
    insert(transaction, "outcome", &OUTCOME, outcomes).await?;
    let ended = [Value::from(open_transfer::ENDED), 0_u32.into()];
    let closed = each_of(transaction, UPDATE, &ended, &plan.closed).await?;
    Ok(usize::try_from(closed) == Ok(plan.closed.len()))
}

/// What has ended stays so: 0 is [`open_transfer::ENDED`].
const UPDATE: &str = "UPDATE open_transfer SET state = COALESCE(?, state), parts = parts + ? \
                      WHERE state <> 0 AND master_serial";
const OPEN: [&str; 3] = ["master_serial", "state", "parts"];
const TRANSFER: [&str; 19] = [
    "master_serial",
    "app",
    "idempotency_key",
    "fingerprint",
    "debit_serial",
    "credit_serial",
    "from_counter",
    "from_account",
    "to_counter",
    "to_account",
    "amount",
    "currency",
    "debit_day",
    "credit_day",
    "credit_barrier",
    "created_at",
    "deadline_at",
    "mark",
    "checksum",
];
const TRAIL: [&str; 4] = ["master_serial", "part", "body", "checksum"];
const DECISION: [&str; 6] = ["master_serial", "at", "who", "decision", "note", "checksum"];
const OUTCOME: [&str; 8] = [
    "master_serial",
    "state",
    "reason",
    "finished_at",
    "answer_status",
    "answer_body",
    "trail",
    "checksum",
];

/// Days are eight digits and sub serials twelve: neither conversion can fail.
fn transfer_row(transfer: &NewTransfer) -> Vec<Value> {
    let leg = |role| i64::try_from(transfer.master.leg(role).number()).unwrap_or(i64::MAX);
    let day = |day: domain::serial::Day| i32::try_from(day.number()).unwrap_or(i32::MAX);
    vec![
        transfer.master.number().into(),
        transfer.app.as_bytes().to_vec().into(),
        transfer.idempotency_key.as_bytes().to_vec().into(),
        transfer.fingerprint.to_vec().into(),
        leg(Role::Debit).into(),
        leg(Role::Credit).into(),
        transfer.order.from.counter.as_str().into(),
        transfer.order.from.account.as_str().into(),
        transfer.order.to.counter.as_str().into(),
        transfer.order.to.account.as_str().into(),
        transfer.order.amount.minor().into(),
        transfer.order.currency.as_str().into(),
        day(transfer.debit_day).into(),
        day(transfer.credit_day).into(),
        transfer.credit_barrier.into(),
        transfer.created_at.into(),
        transfer.deadline_at.into(),
        transfer.mark.map(|mark| mark.0.cast_signed()).into(),
        checksum::of_transfer(transfer).into(),
    ]
}

/// The status was checked to have three digits.
fn outcome_row(master: i64, end: &End<'_>) -> Vec<Value> {
    let End { outcome, trail } = end;
    let (state, reason) = (outcome.state.number(), outcome.reason.as_deref());
    let status = i16::try_from(outcome.answer_status).unwrap_or(i16::MAX);
    let answer = (status, outcome.answer_body.as_ref());
    let sum = checksum::of_outcome(master, state, reason, outcome.finished_at, answer, *trail);
    vec![
        master.into(),
        state.into(),
        outcome.reason.clone().into(),
        outcome.finished_at.into(),
        status.into(),
        outcome.answer_body.to_vec().into(),
        (*trail).map(str::to_owned).into(),
        sum.into(),
    ]
}

/// Under master serial 0, which nobody has. Says who holds the record, if another does.
pub(super) async fn try_out(
    connection: &DatabaseConnection,
    ledger: &Ledger,
) -> Result<Option<String>, DbErr> {
    let asked = Instant::now();
    let transaction = begin(connection).await?;
    if let Some(lost) = superseded(&transaction, ledger).await? {
        transaction.rollback().await?;
        return Ok(Some(lost));
    }
    let part = i64::from(std::process::id());
    let row = vec![Value::from(0_i64), part.into(), large_body().into()];
    insert(&transaction, "trail", &["master_serial", "part", "body"], vec![row]).await?;
    let sql = "DELETE FROM trail WHERE master_serial = 0 AND part = ?";
    let backend = transaction.get_database_backend();
    let clear = Statement::from_sql_and_values(backend, sql, [Value::from(part)]);
    transaction.execute_raw(clear).await?;
    transaction.commit().await?;
    ledger.held(asked);
    Ok(None)
}
