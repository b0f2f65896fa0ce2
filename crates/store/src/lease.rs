//! One bridge at a time on a server's record: a lease with an epoch. Whoever takes it raises the epoch,
//! and every batch changes the lease's row under its own epoch in the same transaction, so that a
//! former holder can write nothing, however long it was paused. Reading the row would not fence: on a
//! cluster, reads are not certified.
//!
//! The lease is kept by shard; today one holder has all there is.

use crate::error::OpenError;
use crate::fault::describe;
use crate::position::rows::{count, one, signed, statement};
use crate::process::Process;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult, Value};
use std::time::{Duration, Instant};

/// The shard of all that is written today.
pub(crate) const SHARD: i32 = 0;

/// How often an idle holder says that it is there.
pub(crate) const BEAT: Duration = Duration::from_secs(1);

/// A holder that says nothing for so long has lost the lease to whoever asks, by their own clock.
pub(crate) const SILENT: Duration = Duration::from_secs(3);

/// A holder that could not say that it is there for so long sends nothing that moves money: before
/// another can hold the lease.
pub(crate) const UNSEEN: Duration = Duration::from_millis(1500);

/// Between two looks at the beat of another.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The lease as it stands.
struct Lease {
    epoch: i64,
    beat: i64,
    holder: Option<Process>,
}

/// What a second look at a lease shows.
#[derive(Debug, PartialEq, Eq)]
enum Sign {
    /// Nothing has changed, or it was given back.
    Nobody,
    /// Another took it in between, and is certainly gone again.
    Another,
    /// Its holder is there; who, in words.
    Alive(String),
}

impl Lease {
    /// Since it stood as `before`.
    fn since(&self, before: &Lease) -> Sign {
        let Some(holder) = &self.holder else { return Sign::Nobody };
        match (self.epoch == before.epoch, self.beat == before.beat) {
            (true, true) => Sign::Nobody,
            (false, _) if holder.is_gone() => Sign::Another,
            (false, _) | (true, false) => Sign::Alive(holder.told()),
        }
    }
}

/// Takes the lease, and says under which epoch. From a holder that is certainly gone it is taken at
/// once, from a silent one after [`SILENT`]; one that is there is named.
pub(crate) async fn take(connection: &DatabaseConnection, shown: &str) -> Result<i64, OpenError> {
    let unreachable =
        |error: DbErr| OpenError::Unreachable { server: shown.to_owned(), why: describe(&error) };
    let mut lease = read(connection).await.map_err(unreachable)?;
    let mut since = Instant::now();
    loop {
        let free = match &lease.holder {
            None => true,
            Some(holder) => holder.is_gone() || since.elapsed() >= SILENT,
        };
        if free && raise(connection, lease.epoch).await.map_err(unreachable)? {
            if let Some(former) = &lease.holder {
                tracing::warn!(former = former.told(), "the record is taken over");
            }
            return Ok(lease.epoch + 1);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        let now = read(connection).await.map_err(unreachable)?;
        match now.since(&lease) {
            Sign::Nobody => {}
            Sign::Another => since = Instant::now(),
            Sign::Alive(by) => return Err(OpenError::Held { database: shown.to_owned(), by }),
        }
        lease = now;
    }
}

/// Who holds the lease now and shows a beat within [`SILENT`].
pub(crate) async fn held_by(connection: &DatabaseConnection) -> Result<Option<String>, DbErr> {
    let first = read(connection).await?;
    let since = Instant::now();
    while since.elapsed() < SILENT {
        let now = read(connection).await?;
        match &now.holder {
            None => return Ok(None),
            Some(holder) if holder.is_gone() => return Ok(None),
            Some(holder) if (now.epoch, now.beat) != (first.epoch, first.beat) => {
                return Ok(Some(holder.told()));
            }
            Some(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
    Ok(None)
}

async fn read(connection: &DatabaseConnection) -> Result<Lease, DbErr> {
    let sql = "SELECT epoch, beat, host, boot, pid, process_started, since FROM shard_lease \
               WHERE shard = ?";
    let row = one(connection, sql, [SHARD.into()]).await?;
    let row =
        row.ok_or_else(|| DbErr::Custom("the row of the record's lease is missing".to_owned()))?;
    Ok(Lease {
        epoch: row.try_get("", "epoch")?,
        beat: row.try_get("", "beat")?,
        holder: holder(&row)?,
    })
}

fn holder(row: &QueryResult) -> Result<Option<Process>, DbErr> {
    let Some(host) = row.try_get::<Option<String>>("", "host")? else { return Ok(None) };
    let number = |name: &str| Ok::<_, DbErr>(row.try_get::<Option<i64>>("", name)?.unwrap_or(0));
    Ok(Some(Process {
        host,
        boot: row.try_get::<Option<String>>("", "boot")?.unwrap_or_default(),
        pid: u32::try_from(number("pid")?).unwrap_or(0),
        started: count(number("process_started")?),
        since: number("since")?,
    }))
}

/// Takes a lease that stands at `epoch`; `false` if another was faster.
async fn raise(connection: &DatabaseConnection, epoch: i64) -> Result<bool, DbErr> {
    let Process { host, boot, pid, started, since } = Process::this();
    let sql = "UPDATE shard_lease SET epoch = epoch + 1, beat = beat + 1, host = ?, boot = ?, \
               pid = ?, process_started = ?, since = ? WHERE shard = ? AND epoch = ?";
    let values: [Value; 7] = [
        host.into(),
        boot.into(),
        i64::from(pid).into(),
        signed(started).into(),
        since.into(),
        SHARD.into(),
        epoch.into(),
    ];
    let done = connection.execute_raw(statement(connection, sql, values)).await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the lease back, so that the next holder need not wait.
pub(crate) async fn give_back(connection: &DatabaseConnection, epoch: i64) -> Result<(), DbErr> {
    let sql = "UPDATE shard_lease SET host = NULL, beat = beat + 1 WHERE shard = ? AND epoch = ?";
    let statement = statement(connection, sql, [SHARD.into(), epoch.into()]);
    connection.execute_raw(statement).await.map(drop)
}

/// Says that the holder is there, and finds out whether it still is the holder: part of every
/// transaction that writes, and on its own while nothing is written.
pub(crate) async fn beat<C: ConnectionTrait>(connection: &C, epoch: i64) -> Result<bool, DbErr> {
    // The beat changes each time: a server may count only rows that did.
    let sql = "UPDATE shard_lease SET beat = beat + 1 WHERE shard = ? AND epoch = ?";
    let done =
        connection.execute_raw(statement(connection, sql, [SHARD.into(), epoch.into()])).await?;
    Ok(done.rows_affected() == 1)
}

/// Who holds the lease now, for whoever lost it.
pub(crate) async fn told<C: ConnectionTrait>(connection: &C) -> String {
    let sql =
        "SELECT epoch, host, boot, pid, process_started, since FROM shard_lease WHERE shard = ?";
    let row = one(connection, sql, [SHARD.into()]).await;
    match row.ok().flatten().map(|row| holder(&row)) {
        Some(Ok(Some(holder))) => format!("the record is held by {} now", holder.told()),
        Some(Ok(None) | Err(_)) | None => "the record is no longer held by this process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One who took the lease in between and has died since is no reason to give up; one who beats is.
    #[test]
    fn a_second_look_shows_who_is_there() {
        let (alive, gone) = (Process::this(), Process { pid: u32::MAX, ..Process::this() });
        let told = |holder: &Process| Sign::Alive(holder.told());
        let stands =
            |epoch, beat, holder: Option<&Process>| Lease { epoch, beat, holder: holder.cloned() };
        let before = stands(3, 7, Some(&alive));
        for (epoch, beat, holder, expected) in [
            (3, 7, Some(&alive), Sign::Nobody),
            (3, 8, None, Sign::Nobody),
            (3, 8, Some(&alive), told(&alive)),
            (3, 8, Some(&gone), told(&gone)),
            (4, 8, Some(&alive), told(&alive)),
            (4, 8, Some(&gone), Sign::Another),
            (4, 7, Some(&gone), Sign::Another),
        ] {
            let now = stands(epoch, beat, holder);
            assert_eq!(now.since(&before), expected, "{epoch} {beat}");
        }
    }
}
