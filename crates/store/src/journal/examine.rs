//! Looks up what the database holds under the keys of a batch; only needed when something was in
//! the way.

use super::attempt;
use crate::entity::{decision, open_transfer, outcome, trail, transfer};
use crate::idempotency::Known;
use crate::record::NewTransfer;
use crate::write::Write;
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Keys in one question: SQLite nests conditions at most 1,000 deep.
const CHUNK: usize = 200;

/// What is recorded under the keys of a batch.
pub(super) async fn look_up(
    connection: &DatabaseConnection,
    batch: &[Arc<Write>],
) -> Result<Known, DbErr> {
    let mut known = Known::default();
    let masters: Vec<i64> = batch
        .iter()
        .map(|write| write.master.number())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    for chunk in masters.chunks(CHUNK) {
        let rows: Vec<i64> = transfer::Entity::find()
            .select_only()
            .column(transfer::Column::MasterSerial)
            .filter(transfer::Column::MasterSerial.is_in(chunk.iter().copied()))
            .into_tuple()
            .all(connection)
            .await?;
        known.transfers.extend(rows);
        let rows = open_transfer::Entity::find()
            .filter(open_transfer::Column::MasterSerial.is_in(chunk.iter().copied()))
            .filter(open_transfer::Column::State.ne(open_transfer::ENDED))
            .all(connection)
            .await?;
        known.open.extend(rows.into_iter().map(|row| row.master_serial));
        let rows: Vec<(i64, i16)> = outcome::Entity::find()
            .select_only()
            .column(outcome::Column::MasterSerial)
            .column(outcome::Column::State)
            .filter(outcome::Column::MasterSerial.is_in(chunk.iter().copied()))
            .into_tuple()
            .all(connection)
            .await?;
        known.outcomes.extend(rows);
    }
    look_up_keys(connection, batch, &mut known).await?;
    look_up_trail(connection, batch, &mut known).await?;
    look_up_decisions(connection, batch, &mut known).await?;
    Ok(known)
}

async fn look_up_keys(
    connection: &DatabaseConnection,
    batch: &[Arc<Write>],
    known: &mut Known,
) -> Result<(), DbErr> {
    let accepts: Vec<&NewTransfer> =
        batch.iter().filter_map(|write| write.accept.as_ref()).collect();
    for chunk in accepts.chunks(CHUNK) {
        let mut any = Condition::any();
        for transfer in chunk {
            any = any.add(
                Condition::all()
                    .add(transfer::Column::App.eq(transfer.app.as_bytes()))
                    .add(transfer::Column::IdempotencyKey.eq(transfer.idempotency_key.as_bytes())),
            );
        }
        let rows: Vec<(Vec<u8>, Vec<u8>)> = transfer::Entity::find()
            .select_only()
            .column(transfer::Column::App)
            .column(transfer::Column::IdempotencyKey)
            .filter(any)
            .into_tuple()
            .all(connection)
            .await?;
        known.keys.extend(rows);
    }
    Ok(())
}

async fn look_up_trail(
    connection: &DatabaseConnection,
    batch: &[Arc<Write>],
    known: &mut Known,
) -> Result<(), DbErr> {
    let parts: Vec<(i64, u32)> = batch
        .iter()
        .filter_map(|write| Some((write.master.number(), write.trail.as_ref()?.0)))
        .collect();
    for chunk in parts.chunks(CHUNK) {
        let mut any = Condition::any();
        for (master, part) in chunk {
            any = any.add(
                Condition::all()
                    .add(trail::Column::MasterSerial.eq(*master))
                    .add(trail::Column::Part.eq(i64::from(*part))),
            );
        }
        for row in trail::Entity::find().filter(any).all(connection).await? {
            let part = u32::try_from(row.part).unwrap_or(u32::MAX);
            known.trail.insert((row.master_serial, part), row.body);
        }
    }
    Ok(())
}

async fn look_up_decisions(
    connection: &DatabaseConnection,
    batch: &[Arc<Write>],
    known: &mut Known,
) -> Result<(), DbErr> {
    let masters: Vec<i64> = batch
        .iter()
        .filter(|write| write.decision.is_some())
        .map(|write| write.master.number())
        .collect();
    for chunk in masters.chunks(CHUNK) {
        let rows = decision::Entity::find()
            .filter(decision::Column::MasterSerial.is_in(chunk.iter().copied()))
            .all(connection)
            .await?;
        for row in rows {
            let key = (row.master_serial, row.at, row.who);
            known.decisions.insert(key, (row.decision, row.note));
        }
    }
    Ok(())
}

/// For each transfer, whether exactly it is recorded. The rows are asked for with a lock, which
/// waits until a server has finished with the commit that went unanswered.
pub(crate) async fn recorded(
    connection: &DatabaseConnection,
    transfers: &[&NewTransfer],
) -> Result<Vec<bool>, DbErr> {
    let mut found: BTreeMap<i64, transfer::Model> = BTreeMap::new();
    let transaction = attempt::begin(connection).await?;
    let masters: Vec<i64> = transfers.iter().map(|transfer| transfer.master.number()).collect();
    for chunk in masters.chunks(CHUNK) {
        let rows = transfer::Entity::find()
            .filter(transfer::Column::MasterSerial.is_in(chunk.iter().copied()))
            .lock_exclusive()
            .all(&transaction)
            .await?;
        found.extend(rows.into_iter().map(|row| (row.master_serial, row)));
    }
    transaction.rollback().await?;
    let same = |transfer: &&NewTransfer| {
        found.get(&transfer.master.number()).is_some_and(|row| {
            row.app == transfer.app.as_bytes()
                && row.idempotency_key == transfer.idempotency_key.as_bytes()
                && row.fingerprint == transfer.fingerprint
        })
    };
    Ok(transfers.iter().map(same).collect())
}
