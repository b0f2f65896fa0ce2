//! Ends that a record counts as behind: two persons have looked, and say why it may go on. The record
//! begins a new lineage; what is open in it stays in doubt.

use super::compare::{Kept, Verdict, compare, is_later};
use super::file::{self, PositionFile};
use super::rows::{self, one, signed, statement};
use super::slots::Found;
use super::{Id, Position};
use crate::address::Address;
use crate::entity::serial_lease::TRANSFER;
use crate::error::OpenError;
use crate::fault::{describe, lacks_column, lacks_table};
use crate::hold::Hold;
use crate::options::Options;
use crate::{connect, migration};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, TransactionTrait};
use supervise::clock::now_micros;

/// How a record stands, as `counter-bridge record status` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordStatus {
    /// 32 hexadecimal digits that tell the record from others.
    pub record: String,
    /// What it lacks, in words; `None` if nothing is known to be missing.
    pub behind: Option<String>,
    /// The number of the last batch in the record, of the node that the position file names.
    pub recorded: Option<u64>,
    /// The number of the last batch by the position file.
    pub told: Option<u64>,
    /// The first sequence that was never given out, by the record.
    pub next_serial: u64,
    /// The same by the position file; `None` if that does not tell it.
    pub told_next_serial: Option<u64>,
    /// How often the record was released before.
    pub releases: u64,
}

/// What two persons say to release a record.
#[derive(Clone, Debug)]
pub struct Release {
    /// Name of the operator who proposes it; at most 32 bytes.
    pub who: String,
    /// Name of the operator who approves it; at most 32 bytes.
    pub approved_by: String,
    /// Why the record may go on, in their own words.
    pub reason: String,
    /// Serials that are never given out, because the life that the record does not know may have:
    /// needed where the position file does not tell how far it came.
    pub skip_serials: Option<u64>,
}

/// Why a record was not released.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// It could not be opened, or another holds it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is not behind.
    #[error("the record is not behind: there is nothing to release")]
    NotBehind,
    /// How far serials were given out cannot be known.
    #[error(
        "how far serials were given out is not known, because {0}: say with --skip-serials how many \
         are to be left out; more than all transfers since the copy was made"
    )]
    SerialsUnknown(String),
    /// There is no room for so many more serials.
    #[error("there are no {0} more serials")]
    NoSerials(u64),
    /// The database did not do it; what it said.
    #[error("the database did not record the release: {0}")]
    Database(String),
    /// The position file could not be written.
    #[error("the position file {path} cannot be written: {error}")]
    File {
        /// Path of the position file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
}

/// How the record behind `url` stands. Nothing is changed, and a bridge may be running.
pub async fn status(url: &str, options: &Options) -> Result<RecordStatus, OpenError> {
    let address = Address::parse(url)?;
    if let Address::Sqlite { path, .. } = &address
        && !path.is_file()
    {
        return Err(OpenError::NotADatabase {
            path: path.display().to_string(),
            why: "there is no such file".to_owned(),
        });
    }
    if let Address::Mysql { .. } = &address {
        // Why a server cannot be reached is said better than by the pool that waits for it.
        drop(connect::greet(&address).await?);
    }
    let connection = connect::readers(&address);
    let failed = |error: &DbErr| {
        let (shown, why) = (address.to_string(), connect::explain(&address, error));
        match &address {
            Address::Sqlite { .. } if why.contains("not a database") => {
                OpenError::NotADatabase { path: shown, why }
            }
            Address::Sqlite { .. } | Address::Mysql { .. } => {
                OpenError::Unavailable { database: shown, why }
            }
        }
    };
    let kept = match rows::kept(&connection).await {
        Ok(kept) => kept,
        Err(error) if lacks_table(&error) => {
            let database = address.to_string();
            // A column that no table of another program has.
            let sql = "SELECT credit_barrier FROM transfer LIMIT 1";
            return Err(match one(&connection, sql, []).await {
                Ok(_) => OpenError::EarlierRecord { database },
                Err(error) if lacks_table(&error) || lacks_column(&error) => {
                    OpenError::NoRecord { database }
                }
                Err(error) => failed(&error),
            });
        }
        Err(error) => return Err(failed(&error)),
    };
    let sql = "SELECT COUNT(*) AS releases FROM record_release";
    let releases = one(&connection, sql, []).await.map_err(|error| failed(&error))?;
    let found = look(&address, options)?;
    let position = match found {
        Found::Whole { position, .. } => Some(position),
        Found::Missing | Found::Torn => None,
    };
    let _ = connection.close().await;
    Ok(RecordStatus {
        record: kept.record.hex(),
        behind: match compare(found, &kept) {
            Verdict::First | Verdict::Current(_) => None,
            Verdict::Behind { why, .. } => Some(why),
        },
        recorded: position
            .and_then(|position| kept.nodes.iter().find(|node| node.id == position.node))
            .map(|node| node.number),
        told: position.map(|position| position.number),
        next_serial: kept.next_serial,
        told_next_serial: position.map(|position| position.next_serial),
        releases: releases
            .and_then(|row| row.try_get::<i64>("", "releases").ok())
            .map_or(0, rows::count),
    })
}

/// Releases the record behind `url`, while no bridge runs on it. Says what was missing.
pub async fn release(
    url: &str,
    options: &Options,
    release: &Release,
) -> Result<String, ReleaseError> {
    let address = Address::parse(url)?;
    let locked = Hold::of_file(&address).await?;
    connect::probe(&address).await?;
    let connection = connect::writer(&address);
    migration::run(&address, &connection).await?;
    let hold = locked.of_server(&address, &connection).await?;
    let done = released(&address, &connection, options, release).await;
    hold.give_back(&connection).await;
    let _ = connection.close().await;
    done
}

async fn released(
    address: &Address,
    connection: &DatabaseConnection,
    options: &Options,
    release: &Release,
) -> Result<String, ReleaseError> {
    let database = |error: DbErr| ReleaseError::Database(describe(&error));
    let kept = rows::kept(connection).await.map_err(database)?;
    let found = look(address, options)?;
    let Verdict::Behind { why, node } = compare(found, &kept) else {
        return Err(ReleaseError::NotBehind);
    };
    let next_serial = next_serial(found, &kept, release, &why)?;
    let position = Position {
        record: kept.record,
        node: node.unwrap_or_else(Id::random),
        lineage: lineage(found, &kept) + 1,
        number: 0,
        next_serial,
    };
    record(connection, &position, release, &why).await.map_err(database)?;
    if let Some(path) = options.position_of(address) {
        // A crash in between leaves a record that is released and a file that does not know it: it
        // counts as behind, and is released again.
        PositionFile::begin(&path, &position)
            .map(drop)
            .map_err(|error| ReleaseError::File { path: path.display().to_string(), error })?;
    }
    Ok(why)
}

/// One more than any that either side knows.
fn lineage(found: Found, kept: &Kept) -> u64 {
    let told = match found {
        Found::Whole { position, .. } => position.lineage,
        Found::Missing | Found::Torn => 0,
    };
    kept.nodes.iter().map(|node| node.lineage).chain([told]).max().unwrap_or(0)
}

/// Where serials go on: after all that were given out, as far as that is known, and after those that
/// are skipped.
fn next_serial(
    found: Found,
    kept: &Kept,
    release: &Release,
    why: &str,
) -> Result<u64, ReleaseError> {
    let told = match found {
        Found::Whole { position, .. } if position.record == kept.record => {
            Some(position.next_serial)
        }
        Found::Whole { .. } | Found::Missing | Found::Torn => None,
    };
    let known = match told {
        Some(told) if is_later(told, kept.next_serial) => told,
        Some(_) | None => kept.next_serial,
    };
    if told.is_none() && release.skip_serials.is_none() {
        return Err(ReleaseError::SerialsUnknown(why.to_owned()));
    }
    let skipped = release.skip_serials.unwrap_or(0);
    // More than there are would come round to where it began.
    let next = known.checked_add(skipped).filter(|_| skipped < domain::serial::Sequence::MAX);
    next.ok_or(ReleaseError::NoSerials(skipped))
}

async fn record(
    connection: &DatabaseConnection,
    position: &Position,
    release: &Release,
    missing: &str,
) -> Result<(), DbErr> {
    let transaction = connection.begin().await?;
    let sql = "SELECT MAX(master_serial) AS last FROM transfer";
    let last = one(&transaction, sql, []).await?;
    let last = last.and_then(|row| row.try_get::<Option<i64>>("", "last").ok().flatten());
    let at = now_micros();
    let (node, lineage) = (position.node.hex(), signed(position.lineage));
    for (sql, values) in [
        ("DELETE FROM node_position WHERE node = ?", vec![node.clone().into()]),
        (
            "INSERT INTO node_position (node, lineage, number) VALUES (?, ?, 0)",
            vec![node.clone().into(), lineage.into()],
        ),
        (
            "UPDATE serial_lease SET next = ? WHERE name = ?",
            vec![signed(position.next_serial).into(), TRANSFER.into()],
        ),
        (
            "INSERT INTO record_release (node, lineage, at, who, reason, missing, doubted_through) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            vec![
                node.into(),
                lineage.into(),
                at.into(),
                format!("{} and {}", release.who, release.approved_by).into(),
                release.reason.clone().into(),
                missing.into(),
                last.unwrap_or(0).into(),
            ],
        ),
        // What counters have seen and this record had not given out is explained by what it lacked,
        // as far as serials go on after it.
        (
            "UPDATE counter_hold SET readmitted_at = ?, who = ?, note = ? \
             WHERE readmitted_at IS NULL AND seen < ?",
            vec![
                at.into(),
                release.approved_by.clone().into(),
                release.reason.clone().into(),
                signed(position.next_serial).into(),
            ],
        ),
        // What was proposed in a copy may have been withdrawn since.
        (
            "UPDATE readmission SET ended_at = ?, ended = 'overtaken', ended_by = ?, ended_note = ? \
             WHERE ended_at IS NULL",
            vec![at.into(), release.approved_by.clone().into(), release.reason.clone().into()],
        ),
        ("DELETE FROM serial_lift WHERE to_next <= ?", vec![signed(position.next_serial).into()]),
    ] {
        transaction.execute_raw(statement(&transaction, sql, values)).await?;
    }
    transaction.commit().await
}

/// What the position file tells.
pub(crate) fn look(address: &Address, options: &Options) -> Result<Found, OpenError> {
    let Some(path) = options.position_of(address) else { return Ok(Found::Missing) };
    file::look(&path).map_err(|error| OpenError::Position {
        path: path.display().to_string(),
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::serial::Sequence;

    const OURS: Id = Id([1; 16]);

    /// Where serials go on in a record that would give out `kept` next, beside a position file that tells
    /// of a record that it gave out all before `told`.
    fn goes_on(kept: u64, told: Option<(Id, u64)>, skip: Option<u64>) -> Result<u64, ReleaseError> {
        let kept = Kept { record: OURS, is_empty: false, next_serial: kept, nodes: Vec::new() };
        let found = told.map_or(Found::Missing, |(record, next_serial)| Found::Whole {
            position: Position { record, node: Id([2; 16]), lineage: 1, number: 1, next_serial },
            written: 1,
        });
        let release = Release {
            who: "lin".to_owned(),
            approved_by: "wang".to_owned(),
            reason: "counters were asked".to_owned(),
            skip_serials: skip,
        };
        next_serial(found, &kept, &release, "it is so")
    }

    #[test]
    fn serials_go_on_after_all_that_either_side_knows() {
        let (ours, another) = (|next| Some((OURS, next)), Some((Id([3; 16]), 900)));
        for (kept, told, skip, expected) in [
            (500, ours(100), None, 500),
            (100, ours(500), None, 500),
            (100, ours(500), Some(7), 507),
            (100, another, Some(7), 107),
            (100, None, Some(0), 100),
            (100, None, Some(Sequence::MAX - 1), 99 + Sequence::MAX),
        ] {
            let found = goes_on(kept, told, skip).expect("it goes on");
            assert_eq!(found, expected, "{kept} {told:?} {skip:?}");
        }
        for told in [another, None] {
            let refused = goes_on(100, told, None);
            assert!(matches!(refused, Err(ReleaseError::SerialsUnknown(_))), "{refused:?}");
        }
        let refused = goes_on(100, None, Some(Sequence::MAX));
        assert!(matches!(refused, Err(ReleaseError::NoSerials(_))), "{refused:?}");
    }
}
