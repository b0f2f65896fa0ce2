//! Statements of many rows. Their text is written here, without a query builder, because the
//! journal runs several for every batch and the text depends on the number of rows alone.

use crate::fault::Fault;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, Value};

/// Rows in one statement; seventeen columns of this many stay far below the limits on bound values
/// (32,766 on SQLite, 65,535 on MySQL).
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
    let mut chunk = Vec::new();
    while rows.peek().is_some() {
        let mut bytes = 0;
        while chunk.len() < MOST_ROWS
            && let Some(row) =
                rows.next_if(|row| chunk.is_empty() || bytes + size(row) <= MOST_BYTES)
        {
            bytes += size(&row);
            chunk.push(row);
        }
        let mut rest = chunk.as_mut_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut(portion(backend, rest.len()));
            let sql = insert_text(backend, table, columns, now.len());
            let values = now.iter_mut().flat_map(std::mem::take);
            transaction.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
            rest = later;
        }
        chunk.clear();
    }
    Ok(())
}

/// Runs `sql` followed by `IN (…)` over the keys; says how many rows it met.
pub(super) async fn each_of(
    transaction: &DatabaseTransaction,
    sql: &str,
    first: Option<Value>,
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
            first.clone().into_iter().chain(padded.map(Value::from)),
        );
        met += transaction.execute_raw(statement).await?.rows_affected();
    }
    Ok(met)
}

/// How many of `rows` go into the next statement. Each length is prepared once and kept: SQLite's
/// are costly to prepare and free to run, so there are few lengths, of which two are enough for most
/// batches; a server's cost a round trip each.
fn portion(backend: DbBackend, rows: usize) -> usize {
    match backend {
        // The leading three bits: 1 to 8, then 10, 12, 14, 16, 20, 24, 28, 32 and so on.
        DbBackend::Sqlite => {
            let step = rows.ilog2().saturating_sub(2);
            rows >> step << step
        }
        _ => rows,
    }
}

/// On SQLite a row that cannot be inserted fails the statement, and leaves what the statement did
/// to the transaction, which is rolled back on any failure. To undo the statement alone, as it
/// does otherwise, SQLite copies every page before the first row of a statement changes it.
fn insert_text(backend: DbBackend, table: &str, columns: &[&str], rows: usize) -> String {
    let insert = match backend {
        DbBackend::Sqlite => "INSERT OR FAIL INTO",
        _ => "INSERT INTO",
    };
    let row = format!("({})", vec!["?"; columns.len()].join(","));
    format!("{insert} {table} ({}) VALUES {}", columns.join(","), vec![row; rows].join(","))
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

/// Whether a statement failed because a key is taken.
pub(super) fn is_duplicate(error: &DbErr) -> bool {
    Fault::of(error) == Fault::Duplicate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_a_mark_for_each_value() {
        assert_eq!(
            insert_text(DbBackend::MySql, "trail", &["a", "b"], 2),
            "INSERT INTO trail (a,b) VALUES (?,?),(?,?)"
        );
        assert_eq!(
            insert_text(DbBackend::Sqlite, "trail", &["a"], 1),
            "INSERT OR FAIL INTO trail (a) VALUES (?)"
        );
    }

    #[test]
    fn sqlite_has_few_lengths_and_few_statements() {
        let mut lengths = std::collections::BTreeSet::new();
        for rows in 1..=MOST_ROWS {
            let (mut rest, mut statements) = (rows, 0);
            while rest > 0 {
                let now = portion(DbBackend::Sqlite, rest);
                assert!((1..=rest).contains(&now), "{now} of {rest}");
                lengths.insert(now);
                rest -= now;
                statements += 1;
            }
            assert!(statements <= 3, "{rows}: {statements}");
        }
        assert_eq!(lengths.len(), 24);
        assert_eq!(portion(DbBackend::MySql, 100), 100);
    }
}
