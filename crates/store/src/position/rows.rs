//! The database's side: which record it is, how far each node has written, and what was released.

use super::Id;
use super::compare::{Kept, Node};
use crate::entity::serial_lease::TRANSFER;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

/// Reads all of it.
pub(crate) async fn kept<C: ConnectionTrait>(connection: &C) -> Result<Kept, DbErr> {
    let damaged =
        |what: &str| DbErr::Custom(format!("the record's own description is damaged: {what}"));
    let record = one(connection, "SELECT id FROM record_identity WHERE name = 'record'", [])
        .await?
        .ok_or_else(|| damaged("it has no identity"))?
        .try_get::<String>("", "id")?;
    let record = Id::from_hex(&record).ok_or_else(|| damaged("its identity is not one"))?;
    let is_empty = one(connection, "SELECT 1 AS there FROM transfer LIMIT 1", []).await?.is_none();
    let lease =
        one(connection, "SELECT next FROM serial_lease WHERE name = ?", [Value::from(TRANSFER)]);
    let next = lease.await?.ok_or_else(|| damaged("it has no lease of serials"))?;
    let sql = "SELECT node, lineage, number, behind FROM node_position ORDER BY node";
    let rows = connection.query_all_raw(statement(connection, sql, [])).await?;
    let nodes = rows.iter().map(|row| {
        Ok(Node {
            id: Id::from_hex(&row.try_get::<String>("", "node")?)
                .ok_or_else(|| damaged("the name of a node is not one"))?,
            lineage: count(row.try_get("", "lineage")?),
            number: count(row.try_get("", "number")?),
            behind: row.try_get("", "behind")?,
        })
    });
    Ok(Kept {
        record,
        is_empty,
        next_serial: count(next.try_get("", "next")?),
        nodes: nodes.collect::<Result<_, DbErr>>()?,
    })
}

/// The last transfer that was in the record when it was released from being behind; 0 if it never was.
pub(crate) async fn doubted_through<C: ConnectionTrait>(connection: &C) -> Result<i64, DbErr> {
    let sql = "SELECT MAX(doubted_through) AS serial FROM record_release";
    let row = one(connection, sql, []).await?;
    Ok(row.map(|row| row.try_get::<Option<i64>>("", "serial")).transpose()?.flatten().unwrap_or(0))
}

/// Adds a node that has written nothing yet under this lineage.
pub(crate) async fn add_node<C: ConnectionTrait>(
    connection: &C,
    node: Id,
    lineage: u64,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO node_position (node, lineage, number) VALUES (?, ?, 0)";
    let values = [node.hex().into(), signed(lineage).into()];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

/// Notes that a node's record is behind, for the next start; what was noted first stays.
pub(crate) async fn note_behind<C: ConnectionTrait>(
    connection: &C,
    node: Id,
    why: &str,
) -> Result<(), DbErr> {
    let sql = "UPDATE node_position SET behind = ? WHERE node = ? AND behind IS NULL";
    let values = [why.into(), node.hex().into()];
    connection.execute_raw(statement(connection, sql, values)).await.map(drop)
}

/// The number of a node's last batch, after whatever is being committed; `None` if the record does not
/// know the node.
pub(crate) async fn settled_number<C: ConnectionTrait>(
    connection: &C,
    node: Id,
) -> Result<Option<u64>, DbErr> {
    // A reader with its lock waits for a commit that is still on its way.
    let sql = "SELECT number FROM node_position WHERE node = ? FOR UPDATE";
    let row = one(connection, sql, [node.hex().into()]).await?;
    row.map(|row| row.try_get::<i64>("", "number").map(count)).transpose()
}

pub(crate) async fn one<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<sea_orm::QueryResult>, DbErr> {
    connection.query_one_raw(statement(connection, sql, values)).await
}

pub(crate) fn statement<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}

/// A count of the database's, which is never negative.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A count as the database keeps it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
