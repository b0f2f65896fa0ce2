//! Makes the runs of the indexes by counters' own serials and by amount. The terms of what ends in this life are known in
//! memory ([`crate::fresh`]); those of what an earlier life left are read from trails. Once all of so many portions of
//! accounts are known they are written as one run, sorted: so little for each transfer that it is done beside others'
//! writes. What had ended before there were such indexes is gathered the newest first, while nobody else waits.
//!
//! `term_reach` says how far it is: portions of accounts from the first to `through` are in runs, and of what had ended
//! before, all from `oldest` on. A run is looked into once `term_portion` has it, which is written with its last row.

use super::attempt::begin_under;
use super::reach::until;
use super::rows::insert;
use crate::counter_serial::{each_part, hashes};
use crate::fresh::{Numbers, Portion, Terms as Known, code};
use crate::recent::Recent;
use crate::run::{self, Kind, Row};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, Statement, Value};
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Transfers whose trails are read in a step: some milliseconds in which nothing is written.
const A_STEP: usize = if cfg!(test) { 7 } else { 128 };

/// Rows of a run written in one transaction: a quarter of a megabyte.
const ROWS_A_STEP: usize = if cfg!(test) { 9 } else { 64 };

/// Portions of accounts in a run: a serial that one transfer has is sought in each run.
const OF_ACCOUNTS: i64 = if cfg!(test) { 2 } else { 16 };

/// Transfers in a run of what had ended before there was an index.
const A_RUN: usize = if cfg!(test) { 20 } else { 65_536 };

/// How long a step may take, during which nothing else is written; then the next ones are half as large.
pub(super) const TIME: Duration = Duration::from_millis(500);

/// How long nothing is tried after a failure.
const REST: Duration = Duration::from_mins(1);

/// Between two steps while others write, at least, and ten times as long as the last one took: they have nearly all of
/// the time.
const PACE: Duration = Duration::from_millis(50);

/// A step that takes longer is followed by a smaller one.
const SLOW: Duration = Duration::from_millis(50);

/// How far the indexes reach: what had ended earlier is in them from the first on, 0 if all is; and portions of accounts
/// up to the second.
pub(crate) const REACH: &str = "SELECT oldest, through FROM term_reach WHERE name = 'terms'";

/// Whether others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing else is to be written.
    Alone,
    /// Others write, too.
    AmongOthers,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    Read,
    Written,
}

/// A portion of accounts that an earlier life left, and of which not all is read.
struct Reading {
    number: i64,
    left: Vec<i64>,
    portion: Portion,
}

/// What had ended before there was an index, as far as it is gathered.
#[derive(Default)]
struct Gathering {
    transfers: usize,
    /// The last that was looked at; the next ones are older.
    oldest: Option<i64>,
    terms: Portion,
}

/// A run that is being written.
struct Writing {
    /// None of an earlier one until it is written.
    number: Option<i64>,
    rows: Vec<Row>,
    /// Its rows are written from the last to the first; so many are left.
    left: usize,
    /// Between which serials it has any; none if it has none.
    span: Option<(i64, i64)>,
    then: Then,
}

/// How far the index reaches with a run.
#[derive(Clone, Copy)]
enum Then {
    Through(i64),
    Oldest(i64),
}

/// Portions of accounts in no run, as the database has them.
struct Left {
    through: i64,
    portions: BTreeSet<i64>,
}

/// How far it has come.
pub(crate) struct Terms {
    recent: Arc<Recent>,
    left: Option<Left>,
    reading: Option<Reading>,
    gathering: Option<Gathering>,
    writing: Option<Writing>,
    has_all_earlier: bool,
    not_before: Option<Instant>,
    among_others_from: Option<Instant>,
    /// How it stood when there was nothing to be read or written of portions of accounts.
    has_nothing_at: Cell<Option<(u64, Option<i64>)>>,
    /// Transfers read in the next step.
    step: usize,
    /// Of the two kinds, the one that is older goes first: the other has failed, and must not keep it back.
    earlier_first: bool,
}

impl Terms {
    pub(crate) fn new(recent: Arc<Recent>) -> Terms {
        Terms {
            recent,
            left: None,
            reading: None,
            gathering: None,
            writing: None,
            has_all_earlier: false,
            not_before: None,
            among_others_from: None,
            has_nothing_at: Cell::new(None),
            step: A_STEP,
            earlier_first: false,
        }
    }

    /// In how long there is something to do; `None` if there is nothing. `open` is the portion of accounts that is being
    /// filled.
    pub(crate) fn due_in(&self, open: Option<i64>) -> Option<Duration> {
        let is_done = self.has_all_earlier && self.writing.is_none() && !self.has_late(open);
        (!is_done).then(|| until(self.not_before))
    }

    /// Whether there may be something to do, and it is time to.
    pub(crate) fn is_due(&self, open: Option<i64>) -> bool {
        self.due_in(open) == Some(Duration::ZERO)
    }

    /// The same beside others who write: for what ends, and for what an earlier life left.
    pub(crate) fn is_due_among_others(&self, open: Option<i64>) -> bool {
        until(self.not_before).is_zero()
            && until(self.among_others_from).is_zero()
            && (self.writing.is_some() || self.has_late(open))
    }

    /// Whether anything of portions of accounts, or of what waits for one, is to be read or written. It is asked after each
    /// batch, so that there is nothing is remembered.
    fn has_late(&self, open: Option<i64>) -> bool {
        let Some(left) = &self.left else { return true };
        let now = (self.recent.terms.version(), open);
        if self.has_nothing_at.get() == Some(now) {
            return false;
        }
        let has_late = self.recent.terms.is_in_doubt()
            || !self.recent.terms.unread(1).is_empty()
            || self.to_read(left, open).is_some()
            || self.ready(left, open).is_some();
        if !has_late {
            self.has_nothing_at.set(Some(now));
        }
        has_late
    }

    /// It failed, or took too long; it is tried again after a while, with less in a step and with the other kind first. What
    /// was read stays known, for it has ended; what was being written is written anew.
    pub(crate) fn rest(&mut self) {
        self.left = None;
        self.writing = self.writing.take().and_then(Writing::again);
        self.not_before = Some(Instant::now() + REST);
        self.step = (self.step / 2).max(1);
        self.earlier_first = !self.earlier_first;
    }

    /// Does one step. At a server what is written is written under the lease of `epoch`, as all.
    pub(crate) async fn go_on(
        &mut self,
        connection: &DatabaseConnection,
        epoch: Option<i64>,
        open: Option<i64>,
        turn: Turn,
    ) -> Result<Step, DbErr> {
        let began = Instant::now();
        let is_alone = turn == Turn::Alone;
        let step = match self.write(connection, epoch).await? {
            Step::Nothing if is_alone && self.earlier_first => self.gather(connection).await?,
            step => step,
        };
        let step = match step {
            Step::Nothing => self.of_late(connection, open).await?,
            step => step,
        };
        let step = match step {
            Step::Nothing if is_alone => self.gather(connection).await?,
            step => step,
        };
        let took = began.elapsed();
        self.among_others_from = Some(Instant::now() + PACE.max(10 * took));
        self.step = if took > SLOW {
            (self.step / 2).max(1)
        } else {
            (self.step + self.step / 8 + 1).min(A_STEP)
        };
        Ok(step)
    }

    /// Goes on with portions of accounts: a run of those that are known, or more of what is not.
    async fn of_late(
        &mut self,
        connection: &DatabaseConnection,
        open: Option<i64>,
    ) -> Result<Step, DbErr> {
        let Some(left) = self.left.as_ref().filter(|_| !self.recent.terms.is_in_doubt()) else {
            self.recent.terms.look_anew();
            self.left = None;
            let left = left(connection).await?;
            self.recent.terms.forget_through(left.through);
            self.left = Some(left);
            return Ok(Step::Read);
        };
        if let Some((number, portions)) = self.ready(left, open) {
            // All of its numbers, also one that was begun and never heard of: what is in it is entered again.
            let through = number * OF_ACCOUNTS;
            let terms = self.recent.terms.copied(&portions);
            self.writing = Some(Writing::of(Some(number), terms, Then::Through(through)));
            return Ok(Step::Read);
        }
        let unread = self.recent.terms.unread(self.step);
        if !unread.is_empty() {
            let mut known = read(connection, &unread).await?;
            for master in unread {
                // Of one that has lost its row there is nothing to be known.
                self.recent.terms.learn(master, known.remove(&master).unwrap_or_default());
            }
            return Ok(Step::Read);
        }
        if self.reading.is_none() {
            let Some(number) = self.to_read(left, open) else { return Ok(Step::Nothing) };
            self.reading = Some(begin_reading(connection, number).await?);
        }
        let Some(reading) = &mut self.reading else { return Ok(Step::Nothing) };
        let from = reading.left.len().saturating_sub(self.step);
        for (master, terms) in read(connection, &reading.left[from..]).await? {
            reading.portion.add(master, &terms);
        }
        reading.left.truncate(from);
        if let Some(Reading { number, portion, .. }) = self.reading.take_if(|it| it.left.is_empty())
        {
            self.recent.terms.put(number, portion);
        }
        Ok(Step::Read)
    }

    /// The oldest portion of accounts that is complete, and of which nothing is known.
    fn to_read(&self, left: &Left, open: Option<i64>) -> Option<i64> {
        if let Some(reading) = &self.reading {
            return Some(reading.number);
        }
        let Numbers { held, dropped, .. } = self.recent.terms.numbers();
        let all: BTreeSet<i64> = left.portions.union(&dropped).copied().collect();
        all.difference(&held)
            .copied()
            .find(|number| *number > left.through && open != Some(*number))
    }

    /// The number of a run of which all is known, and its portions of accounts.
    fn ready(&self, left: &Left, open: Option<i64>) -> Option<(i64, BTreeSet<i64>)> {
        let Numbers { whole, held, dropped } = self.recent.terms.numbers();
        let all = left.portions.iter().chain(&held).chain(&dropped);
        let all: BTreeSet<i64> = all.copied().filter(|number| *number > left.through).collect();
        let number = (all.first()? - 1).div_euclid(OF_ACCOUNTS) + 1;
        let last = number * OF_ACCOUNTS;
        let end = open.unwrap_or_else(|| all.last().map_or(0, |last| last + 1));
        let portions: BTreeSet<i64> = all.range(..=last).copied().collect();
        (last < end && portions.is_subset(&whole)).then_some((number, portions))
    }

    /// Goes on with what had ended before there was an index.
    async fn gather(&mut self, connection: &DatabaseConnection) -> Result<Step, DbErr> {
        if self.has_all_earlier {
            return Ok(Step::Nothing);
        }
        let gathering = self.gathering.get_or_insert_default();
        let oldest = match gathering.oldest {
            Some(oldest) => oldest,
            None => first::<i64>(connection, REACH, Vec::new()).await?.unwrap_or(0),
        };
        if oldest == 0 {
            self.has_all_earlier = true;
            return Ok(Step::Read);
        }
        let sql = "SELECT master_serial FROM outcome WHERE master_serial < ? \
                   ORDER BY master_serial DESC LIMIT ?";
        let limit = i64::try_from(self.step).unwrap_or(i64::MAX);
        let values = vec![oldest.into(), limit.into()];
        let these = numbers(&connection.query_all_raw(asked(connection, sql, values)).await?)?;
        for (master, terms) in read(connection, &these).await? {
            gathering.terms.add(master, &terms);
        }
        gathering.transfers += these.len();
        gathering.oldest = these.last().copied().or(gathering.oldest);
        let is_all = these.len() < self.step;
        let is_full = is_all || gathering.transfers >= A_RUN;
        if let Some(gathered) = self.gathering.take_if(|_| is_full) {
            let reaches = if is_all { 0 } else { gathered.oldest.unwrap_or(0) };
            self.writing = Some(Writing::of(None, gathered.terms, Then::Oldest(reaches)));
        }
        Ok(Step::Read)
    }

    /// Writes some of a run, if there is one to be written.
    async fn write(
        &mut self,
        connection: &DatabaseConnection,
        epoch: Option<i64>,
    ) -> Result<Step, DbErr> {
        let Some(writing) = &mut self.writing else { return Ok(Step::Nothing) };
        let transaction = begin_under(connection, epoch).await?;
        let number = match writing.number {
            Some(number) => number,
            None => first_number(&transaction).await? - 1,
        };
        if writing.left == writing.rows.len() {
            // What a life has left that ended within it.
            let sql = "DELETE FROM term_run WHERE portion_number = ?";
            let delete = asked(&transaction, sql, vec![number.into()]);
            transaction.execute_raw(delete).await?;
        }
        let from = writing.left.saturating_sub(ROWS_A_STEP);
        let these = writing.rows[from..writing.left].iter().map(|row| values(number, row));
        insert(&transaction, "term_run", &COLUMNS, these.collect()).await?;
        if from == 0 {
            writing.show(&transaction, number).await?;
        }
        transaction.commit().await?;
        (writing.number, writing.left) = (Some(number), from);
        let Some(written) = self.writing.take_if(|it| it.left == 0) else {
            return Ok(Step::Written);
        };
        match written.then {
            Then::Through(through) => {
                self.recent.terms.forget_through(through);
                if let Some(left) = &mut self.left {
                    left.through = through;
                    left.portions.retain(|portion| *portion > through);
                }
            }
            Then::Oldest(oldest) => self.has_all_earlier = oldest == 0,
        }
        Ok(Step::Written)
    }
}

impl Writing {
    fn of(number: Option<i64>, terms: Portion, then: Then) -> Writing {
        let masters = || terms.amounts.iter().map(|entry| entry.master);
        let span = masters().min().zip(masters().max());
        let Portion { serials, amounts, .. } = terms;
        let mut rows = run::rows(Kind::Serials, serials);
        rows.extend(run::rows(Kind::Amounts, amounts));
        Writing { number, left: rows.len(), rows, span, then }
    }

    /// From its first row on, for it is not known how much of it is durable. One of portions of accounts is made anew from
    /// memory, once it is known how far the index reaches; one of what had ended before gets another number if it is there.
    fn again(self) -> Option<Writing> {
        match self.then {
            Then::Through(_) => None,
            Then::Oldest(_) => Some(Writing { number: None, left: self.rows.len(), ..self }),
        }
    }

    /// From now on it is looked into.
    async fn show(&self, transaction: &DatabaseTransaction, number: i64) -> Result<(), DbErr> {
        if let Some((oldest, newest)) = self.span {
            let row = vec![number.into(), oldest.into(), newest.into()];
            let columns = ["portion_number", "oldest", "newest"];
            insert(transaction, "term_portion", &columns, vec![row]).await?;
        }
        let (sql, value) = match self.then {
            Then::Through(through) => {
                ("UPDATE term_reach SET through = ? WHERE name = 'terms'", through)
            }
            Then::Oldest(oldest) => {
                ("UPDATE term_reach SET oldest = ? WHERE name = 'terms'", oldest)
            }
        };
        transaction.execute_raw(asked(transaction, sql, vec![value.into()])).await.map(drop)
    }
}

const COLUMNS: [&str; 6] = ["portion_number", "kind", "first_key", "part", "body", "checksum"];

fn values(portion: i64, row: &Row) -> Vec<Value> {
    let Row { kind, first_key, number, body } = row;
    let kind = kind.number();
    let sum = run::sum(portion, kind.into(), *first_key, *number, body);
    vec![
        portion.into(),
        kind.into(),
        (*first_key).into(),
        (*number).into(),
        body.clone().into(),
        sum.into(),
    ]
}

/// The portions of accounts in no run.
async fn left(connection: &DatabaseConnection) -> Result<Left, DbErr> {
    let sql = "SELECT through FROM term_reach WHERE name = 'terms'";
    let through = first::<i64>(connection, sql, Vec::new()).await?.unwrap_or(0);
    let sql = "SELECT portion_number FROM account_portion WHERE portion_number > ?";
    let rows = connection.query_all_raw(asked(connection, sql, vec![through.into()])).await?;
    Ok(Left { through, portions: numbers(&rows)?.into_iter().collect() })
}

async fn begin_reading(connection: &DatabaseConnection, number: i64) -> Result<Reading, DbErr> {
    let sql = "SELECT DISTINCT master_serial FROM account_entry WHERE portion_number = ?";
    let rows = connection.query_all_raw(asked(connection, sql, vec![number.into()])).await?;
    Ok(Reading { number, left: numbers(&rows)?, portion: Portion::default() })
}

/// The last number that was given to a run of what had ended before: they go down from 0, those of accounts up.
async fn first_number(transaction: &DatabaseTransaction) -> Result<i64, DbErr> {
    let sql = "SELECT MIN(portion_number) FROM term_portion WHERE portion_number < 0";
    Ok(first::<Option<i64>>(transaction, sql, Vec::new()).await?.flatten().unwrap_or(0))
}

/// The terms of these transfers, which have ended and say nothing more.
async fn read(
    connection: &DatabaseConnection,
    masters: &[i64],
) -> Result<HashMap<i64, Known>, DbErr> {
    let mut known = HashMap::with_capacity(masters.len());
    if masters.is_empty() {
        return Ok(known);
    }
    let marks = vec!["?"; masters.len()].join(",");
    let sql = format!(
        "SELECT master_serial, amount, currency FROM transfer WHERE master_serial IN ({marks})"
    );
    let values = masters.iter().copied().map(Value::from).collect();
    for row in connection.query_all_raw(asked(connection, &sql, values)).await? {
        let (master, amount) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let currency: String = row.try_get_by_index(2)?;
        known.insert(master, Known { amount, currency: code(&currency), ..Known::default() });
    }
    let mut unreadable = BTreeSet::new();
    each_part(connection, masters, |master, part| match (part, known.get_mut(&master)) {
        (Some(part), Some(terms)) => terms.serials.extend(hashes(part)),
        (None, _) => drop(unreadable.insert(master)),
        (Some(_), None) => {}
    })
    .await?;
    if !unreadable.is_empty() {
        tracing::error!(
            transfers = ?unreadable,
            "trails that cannot be read are found by no counter's serial; `counter-bridge audit` names the damage"
        );
    }
    Ok(known)
}

fn asked(connection: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}

async fn first<T: sea_orm::TryGetable>(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: Vec<Value>,
) -> Result<Option<T>, DbErr> {
    let row = connection.query_one_raw(asked(connection, sql, values)).await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

fn numbers(rows: &[sea_orm::QueryResult]) -> Result<Vec<i64>, DbErr> {
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

#[cfg(test)]
mod tests;
