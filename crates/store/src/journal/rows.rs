//! Statements of many rows, for servers, to which each statement is a round trip. Their text is
//! written here, without a query builder, because the journal runs several for every batch and the
//! text depends on the number of rows alone.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, Value};
use std::iter::Peekable;

/// Rows in one statement; eighteen columns of this many stay far below the limit on bound values
/// (65,535 on MySQL).
const MOST_ROWS: usize = 128;

/// Bytes in one statement; servers refuse packets above 16 MiB, some above 4.
const MOST_BYTES: usize = 1 << 20;

/// Inserts rows of `columns` into `table`, in their order.
pub(super) async fn insert(
    transaction: &DatabaseTransaction,
    table: &str,
    columns: &[&str],
    rows: Vec<Vec<Value>>,
) -> Result<(), DbErr> {
    let backend = transaction.get_database_backend();
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let chunk = next_chunk(&mut rows);
        let sql = insert_text(table, columns, chunk.len());
        let values = chunk.into_iter().flatten();
        transaction.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    }
    Ok(())
}

/// Leaves out rows that are there.
pub(super) fn insert_verb(connection: &impl ConnectionTrait) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::Sqlite => "INSERT OR IGNORE INTO",
        _ => "INSERT IGNORE INTO",
    }
}

/// As many rows as one statement takes: one at least, however large it is.
fn next_chunk(rows: &mut Peekable<impl Iterator<Item = Vec<Value>>>) -> Vec<Vec<Value>> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while chunk.len() < MOST_ROWS
        && let Some(row) = rows.next_if(|row| chunk.is_empty() || bytes + size(row) <= MOST_BYTES)
    {
        bytes += size(&row);
        chunk.push(row);
    }
    chunk
}

/// Runs `sql`, with these values, followed by `IN (…)` over the keys; says how many rows it met.
pub(super) async fn each_of(
    transaction: &DatabaseTransaction,
    sql: &str,
    values: &[Value],
    keys: &[i64],
) -> Result<u64, DbErr> {
    let backend = transaction.get_database_backend();
    let mut met = 0;
    for chunk in keys.chunks(MOST_ROWS) {
        // Padded with the last key, which changes nothing, to a length that is prepared already.
        let length = chunk.len().next_power_of_two();
        let last = chunk.last().copied();
        let padded = chunk.iter().copied().chain(last.into_iter().cycle()).take(length);
        let marks = vec!["?"; length].join(",");
        let statement = Statement::from_sql_and_values(
            backend,
            format!("{sql} IN ({marks})"),
            values.iter().cloned().chain(padded.map(Value::from)),
        );
        met += transaction.execute_raw(statement).await?.rows_affected();
    }
    Ok(met)
}

fn insert_text(table: &str, columns: &[&str], rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns.len()].join(","));
    format!("INSERT INTO {table} ({}) VALUES {}", columns.join(","), vec![row; rows].join(","))
}

/// What a row weighs in a packet, near enough.
fn size(row: &[Value]) -> usize {
    row.iter()
        .map(|value| match value {
            Value::String(Some(text)) => text.len() + 9,
            Value::Bytes(Some(bytes)) => bytes.len() + 9,
            _ => 9,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_a_mark_for_each_value() {
        assert_eq!(
            insert_text("trail", &["a", "b"], 2),
            "INSERT INTO trail (a,b) VALUES (?,?),(?,?)"
        );
        assert_eq!(insert_text("trail", &["a"], 1), "INSERT INTO trail (a) VALUES (?)");
    }

    #[test]
    fn a_statement_has_so_many_rows_and_so_many_bytes_and_one_row_however_large_it_is() {
        let row = |bytes: usize| vec![Value::from("x".repeat(bytes - 9))];
        assert_eq!(
            size(&[Value::from("abc"), Value::from(vec![1_u8; 4]), 7_i64.into()]),
            12 + 13 + 9
        );
        for (rows, chunks) in [
            (vec![row(10); 128], vec![128]),
            (vec![row(10); 257], vec![128, 128, 1]),
            (vec![row(MOST_BYTES / 2); 3], vec![2, 1]),
            (vec![row(MOST_BYTES / 2), row(MOST_BYTES / 2 + 1)], vec![1, 1]),
            (vec![row(10), row(2 * MOST_BYTES), row(10)], vec![1, 1, 1]),
        ] {
            let mut rows = rows.into_iter().peekable();
            let mut found = Vec::new();
            while rows.peek().is_some() {
                found.push(next_chunk(&mut rows).len());
            }
            assert_eq!(found, chunks);
        }
    }
}
