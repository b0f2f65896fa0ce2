//! Questions to the record. Rows become the domain's words here, and a row that cannot is an error
//! that names it.

use crate::checksum;
use crate::entity::{decision, open_transfer, operator, outcome, serial_lease, trail, transfer};
use crate::error::StoreError;
use crate::fault::{describe, is_damage};
use crate::record::{Decision, NewTransfer, OpenPage, OpenTransfer, Outcome, Place, Stored};
use crate::state::{FinalState, OpenState};
use domain::message::{AccountId, CounterId};
use domain::money::Amount;
use domain::order::Order;
use domain::serial::{Day, Mark, MasterSerial, Sequence};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, JoinType,
    QueryFilter, QueryOrder, QuerySelect, RelationTrait, Select, SelectThree, Statement,
    TopologyStar,
};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Within this, a question is answered or given up.
const DEADLINE: Duration = Duration::from_secs(if cfg!(test) { 4 } else { 10 });

/// Keys in one question.
pub(crate) const CHUNK: usize = 500;

/// The most transfers that recovery takes up at once.
const MOST_OPEN: u64 = 1000;

pub(crate) type Joined = (transfer::Model, Option<outcome::Model>, Option<open_transfer::Model>);

/// Transfers with how they ended and how far they have come: one statement, so that a transfer
/// which ends meanwhile is seen before or after, not in between.
pub(crate) fn joined()
-> SelectThree<transfer::Entity, outcome::Entity, open_transfer::Entity, TopologyStar> {
    transfer::Entity::find()
        .find_also_related(outcome::Entity)
        .find_also_related(open_transfer::Entity)
}

pub(crate) async fn find(
    connection: &DatabaseConnection,
    master: MasterSerial,
) -> Result<Option<Stored>, StoreError> {
    let query = joined().filter(transfer::Column::MasterSerial.eq(master.number()));
    one(ask(query.all(connection)).await?)
}

pub(crate) async fn find_by_key(
    connection: &DatabaseConnection,
    app: &str,
    key: &str,
) -> Result<Option<Stored>, StoreError> {
    let query = joined()
        .filter(transfer::Column::App.eq(app.as_bytes()))
        .filter(transfer::Column::IdempotencyKey.eq(key.as_bytes()));
    one(ask(query.all(connection)).await?)
}

/// A sub serial does not show its day, so the sequence is looked for under every day on which the
/// bridge has accepted anything, the newest first: a few hundred keys a year, found by key.
pub(crate) async fn find_by_sequence(
    connection: &DatabaseConnection,
    sequence: Sequence,
) -> Result<Option<Stored>, StoreError> {
    let (Some(oldest), Some(newest)) = (
        edge(connection, sea_orm::Order::Asc).await?,
        edge(connection, sea_orm::Order::Desc).await?,
    ) else {
        return Ok(None);
    };
    let days: Vec<u32> = (oldest.day.unix_days()..=newest.day.unix_days()).rev().collect();
    for chunk in days.chunks(CHUNK) {
        let keys = chunk
            .iter()
            .map(|days| MasterSerial { day: Day::from_unix_days(*days), sequence }.number());
        let query = joined().filter(transfer::Column::MasterSerial.is_in(keys));
        let found = one(ask(query.all(connection)).await?)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The first master serial in an order.
async fn edge(
    connection: &DatabaseConnection,
    order: sea_orm::Order,
) -> Result<Option<MasterSerial>, StoreError> {
    let query = transfer::Entity::find()
        .select_only()
        .column(transfer::Column::MasterSerial)
        .order_by(transfer::Column::MasterSerial, order)
        .limit(1)
        .into_tuple::<i64>();
    let number = ask(query.one(connection)).await?;
    number.map(master).transpose()
}

/// A page of what has not ended, oldest first. One that cannot be read hides no other.
pub(crate) async fn open_page(
    connection: &DatabaseConnection,
    after: Option<i64>,
    limit: u64,
) -> Result<OpenPage, StoreError> {
    // What is marked as ended and has no ending is as good as open, whoever marked it.
    let ended_nowhere = outcome::Column::MasterSerial.is_null();
    let query = open_transfer::Entity::find()
        .select_only()
        .column(open_transfer::Column::MasterSerial)
        .join(JoinType::LeftJoin, open_transfer::Relation::Outcome.def())
        .filter(
            Condition::any()
                .add(open_transfer::Column::State.ne(open_transfer::ENDED))
                .add(ended_nowhere),
        )
        // No serial is below one.
        .filter(open_transfer::Column::MasterSerial.gt(after.unwrap_or(0)))
        .order_by_asc(open_transfer::Column::MasterSerial)
        .limit(limit.clamp(1, MOST_OPEN));
    let masters: Vec<i64> = ask(query.into_tuple().all(connection)).await?;
    let mut page = OpenPage { next: masters.last().copied(), ..OpenPage::default() };
    let mut trails = trails(connection, &masters).await?;
    let mut rows = each_joined(connection, &masters).await?;
    for master in masters {
        let row = rows.remove(&master).unwrap_or_else(|| {
            Err(StoreError::corrupt(master, "it is open and was never accepted"))
        });
        let trail = trails.remove(&master).unwrap_or_else(|| Ok(Trail::default()));
        match row.and_then(|row| opened(row, trail?)) {
            Ok(open) => page.transfers.push(open),
            Err(error) => page.unreadable.push(error),
        }
    }
    Ok(page)
}

fn still_open() -> Select<open_transfer::Entity> {
    open_transfer::Entity::find().filter(open_transfer::Column::State.ne(open_transfer::ENDED))
}

/// A trail as far as it was read, and what is wrong with it first.
#[derive(Default)]
struct Trail {
    parts: Vec<String>,
    /// The number of the part that comes next.
    next: i64,
    damage: Option<StoreError>,
}

impl Trail {
    fn add(&mut self, row: trail::Model) {
        let found = check_trail(&row).and_then(|()| self.follows(&row));
        self.next = row.part + 1;
        self.parts.push(row.body);
        if let Err(error) = found {
            self.damage.get_or_insert(error);
        }
    }

    /// Parts are numbered from 0 on, and none is left out.
    fn follows(&self, row: &trail::Model) -> Result<(), StoreError> {
        if row.part == self.next { Ok(()) } else { Err(self.lacks_next(row.master_serial)) }
    }

    /// Nor is the last one left out: the row of an open transfer counts them.
    fn check_end(&mut self, open: &open_transfer::Model) {
        let parts = open.parts.map_or(0, i64::from);
        if self.next < parts {
            let lacking = self.lacks_next(open.master_serial);
            self.damage.get_or_insert(lacking);
            self.next = parts;
        }
    }

    fn lacks_next(&self, master: i64) -> StoreError {
        StoreError::corrupt(master, &format!("part {} of its trail is missing", self.next))
    }
}

/// The trails of these transfers. Where one cannot be read, they are read one by one.
async fn trails(
    connection: &DatabaseConnection,
    masters: &[i64],
) -> Result<HashMap<i64, Result<Trail, StoreError>>, StoreError> {
    let mut trails: HashMap<i64, Result<Trail, StoreError>> = HashMap::new();
    let of = |keys: &[i64]| {
        trail::Entity::find()
            .filter(trail::Column::MasterSerial.is_in(keys.iter().copied()))
            .order_by_asc(trail::Column::MasterSerial)
            .order_by_asc(trail::Column::Part)
    };
    let add = |trails: &mut HashMap<i64, Result<Trail, StoreError>>, rows: Vec<trail::Model>| {
        for row in rows {
            let trail = trails.entry(row.master_serial).or_insert_with(|| Ok(Trail::default()));
            if let Ok(trail) = trail {
                trail.add(row);
            }
        }
    };
    for chunk in masters.chunks(CHUNK) {
        match ask(of(chunk).all(connection)).await {
            Ok(rows) => add(&mut trails, rows),
            Err(StoreError::Damaged { .. }) => {
                for master in chunk {
                    match ask(of(&[*master]).all(connection)).await {
                        Ok(rows) => add(&mut trails, rows),
                        Err(StoreError::Damaged { what }) => {
                            trails.insert(*master, Err(StoreError::corrupt(*master, &what)));
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(trails)
}

/// An open transfer by its rows, with what is wrong with one that can be read all the same.
fn opened((row, ending, open): Joined, mut trail: Trail) -> Result<OpenTransfer, StoreError> {
    if let Some(open) = &open {
        trail.check_end(open);
    }
    let master = row.master_serial;
    let said = |error: StoreError| Some(error.to_string());
    let sum = checksum::check(master, "what was asked for", row.checksum, || {
        checksum::of_transfer_row(&row)
    });
    let transfer = read_transfer(row)?;
    let (open_state, odd) = match (open, ending) {
        (Some(open), None) if open.state != open_transfer::ENDED => match read_state(&open) {
            Ok(state) => (state, None),
            Err(error) => (OpenState::NeedsOperator, said(error)),
        },
        (_, None) => {
            return Err(StoreError::corrupt(master, "it is marked as ended, and has no ending"));
        }
        (_, Some(_)) => {
            return Err(StoreError::corrupt(master, "it has ended, and is marked as open"));
        }
    };
    let Trail { parts, next, damage } = trail;
    let damage = damage.and_then(said).or(sum.err().and_then(said)).or(odd);
    let next_part = u32::try_from(next).unwrap_or(u32::MAX);
    Ok(OpenTransfer { transfer, trail: parts, next_part, open_state, damage })
}

/// Transfers with how they ended and how far they have come, by their keys. Where one row of a page
/// cannot be read, they are read one by one, so that it hides no other.
pub(crate) async fn each_joined(
    connection: &DatabaseConnection,
    masters: &[i64],
) -> Result<HashMap<i64, Result<Joined, StoreError>>, StoreError> {
    let mut rows = HashMap::with_capacity(masters.len());
    let of =
        |keys: &[i64]| joined().filter(transfer::Column::MasterSerial.is_in(keys.iter().copied()));
    for chunk in masters.chunks(CHUNK) {
        match ask(of(chunk).all(connection)).await {
            Ok(found) => rows.extend(found.into_iter().map(|row| (row.0.master_serial, Ok(row)))),
            Err(StoreError::Damaged { .. }) => {
                for master in chunk {
                    let found = match ask(of(&[*master]).all(connection)).await {
                        Ok(found) => found.into_iter().next().map(Ok),
                        Err(StoreError::Damaged { what }) => {
                            Some(Err(StoreError::corrupt(*master, &what)))
                        }
                        Err(error) => return Err(error),
                    };
                    rows.extend(found.map(|found| (*master, found)));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(rows)
}

pub(crate) async fn trail(
    connection: &DatabaseConnection,
    master: MasterSerial,
) -> Result<Vec<String>, StoreError> {
    let query = trail::Entity::find()
        .filter(trail::Column::MasterSerial.eq(master.number()))
        .order_by_asc(trail::Column::Part);
    let mut trail = Trail::default();
    // Before the trail: one that goes on meanwhile has no fewer parts than its row says.
    let open = still_open().filter(open_transfer::Column::MasterSerial.eq(master.number()));
    let open = ask(open.one(connection)).await?;
    for row in ask(query.all(connection)).await? {
        trail.add(row);
    }
    if let Some(open) = &open {
        trail.check_end(open);
    }
    if let Some(error) = trail.damage {
        return Err(error);
    }
    let mut bodies = trail.parts;
    let query = outcome::Entity::find_by_id(master.number());
    if let Some(row) = ask(query.one(connection)).await? {
        check_outcome(&row)?;
        bodies.extend(row.trail);
    }
    Ok(bodies)
}

pub(crate) async fn decisions(
    connection: &DatabaseConnection,
    master: MasterSerial,
) -> Result<Vec<Decision>, StoreError> {
    let query = decision::Entity::find()
        .filter(decision::Column::MasterSerial.eq(master.number()))
        .order_by_asc(decision::Column::At)
        .order_by_asc(decision::Column::Who);
    ask(query.all(connection))
        .await?
        .into_iter()
        .map(|row| {
            check_decision(&row)?;
            Ok(Decision {
                at: row.at,
                who: text(row.master_serial, "the operator's name", row.who)?.into(),
                decision: row.decision,
                note: row.note.into(),
            })
        })
        .collect()
}

/// What is wrong with trails and decisions of these transfers.
pub(crate) async fn damages(
    connection: &DatabaseConnection,
    masters: &[MasterSerial],
) -> Result<Vec<StoreError>, StoreError> {
    let mut damages = Vec::new();
    for chunk in masters.chunks(CHUNK) {
        let keys = || chunk.iter().map(|master| master.number());
        let query = trail::Entity::find()
            .filter(trail::Column::MasterSerial.is_in(keys()))
            .order_by_asc(trail::Column::MasterSerial)
            .order_by_asc(trail::Column::Part);
        // Before the trails: one that goes on meanwhile has no fewer parts than its row says.
        let open = ask(still_open()
            .filter(open_transfer::Column::MasterSerial.is_in(keys()))
            .all(connection))
        .await?;
        let mut trails: BTreeMap<i64, Trail> = BTreeMap::new();
        for row in ask(query.all(connection)).await? {
            trails.entry(row.master_serial).or_default().add(row);
        }
        for row in &open {
            trails.entry(row.master_serial).or_default().check_end(row);
        }
        damages.extend(trails.into_values().filter_map(|trail| trail.damage));
        let query = decision::Entity::find().filter(decision::Column::MasterSerial.is_in(keys()));
        let rows = ask(query.all(connection)).await?;
        damages.extend(rows.iter().filter_map(|row| check_decision(row).err()));
    }
    Ok(damages)
}

pub(crate) async fn ping(connection: &DatabaseConnection) -> Result<(), StoreError> {
    ask(connection.ping()).await
}

/// Whether there are people to be asked for: their tables are there.
pub(crate) async fn ping_people(connection: &DatabaseConnection) -> Result<(), StoreError> {
    ask(operator::Entity::find().one(connection)).await.map(drop)
}

/// Whether there is a record to be asked: its tables are there.
pub(crate) async fn ping_record(connection: &DatabaseConnection) -> Result<(), StoreError> {
    let query = transfer::Entity::find()
        .select_only()
        .column(transfer::Column::MasterSerial)
        .limit(1)
        .into_tuple::<i64>();
    match ask(query.one(connection)).await {
        Ok(_) => Ok(()),
        // What cannot be read in it is named when it is looked at, unless nothing can.
        Err(StoreError::Damaged { .. }) => {
            ask(serial_lease::Entity::find().one(connection)).await.map(drop)
        }
        Err(error) => Err(error),
    }
}

/// What SQLite finds wrong with the pages of its file. It is not asked within [`DEADLINE`]: a large
/// file takes longer, and whoever waits wants to know.
pub(crate) async fn damaged_pages(
    connection: &DatabaseConnection,
) -> Result<Vec<String>, StoreError> {
    match checked(connection, "PRAGMA integrity_check(100)").await {
        Err(StoreError::Damaged { what }) => {
            // So damaged that SQLite gives up: then table by table.
            let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
            let Ok(tables) = checked(connection, tables).await else { return Ok(vec![what]) };
            let mut lines = Vec::new();
            for table in tables {
                let asked = format!("PRAGMA integrity_check('{}')", table.replace('\'', "''"));
                match checked(connection, &asked).await {
                    Ok(said) => lines.extend(said),
                    Err(StoreError::Damaged { what }) => {
                        lines.push(format!("table {table}: {what}"));
                    }
                    Err(error) => lines.push(format!("table {table}: {error}")),
                }
            }
            Ok(if lines.is_empty() { vec![what] } else { lines })
        }
        said => said,
    }
}

/// The lines that a question is answered with, but for "ok".
async fn checked(connection: &DatabaseConnection, sql: &str) -> Result<Vec<String>, StoreError> {
    let asking = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(asking).await.map_err(|error| {
        let what = describe(&error);
        if is_damage(&error) {
            StoreError::Damaged { what }
        } else {
            StoreError::Unavailable { why: what }
        }
    })?;
    let mut lines = Vec::new();
    for row in rows {
        let text = row
            .try_get_by_index::<String>(0)
            .map_err(|error| StoreError::Unavailable { why: error.to_string() })?;
        // Several things may be told in one row.
        lines.extend(text.lines().filter(|line| *line != "ok").map(str::to_owned));
    }
    Ok(lines)
}

/// Waits for an answer, but not for ever.
pub(crate) async fn ask<T>(
    question: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(DEADLINE, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if is_damage(&error) => Err(StoreError::Damaged { what: describe(&error) }),
        Ok(Err(error)) => Err(StoreError::Unavailable { why: describe(&error) }),
        Err(_) => Err(StoreError::Unavailable {
            why: format!("no answer within {} s", DEADLINE.as_secs()),
        }),
    }
}

fn one(rows: Vec<Joined>) -> Result<Option<Stored>, StoreError> {
    rows.into_iter().next().map(stored).transpose()
}

pub(crate) fn stored((transfer, outcome, open): Joined) -> Result<Stored, StoreError> {
    let key = transfer.master_serial;
    let open = open.filter(|open| open.state != open_transfer::ENDED);
    if outcome.is_some() == open.is_some() {
        return Err(StoreError::corrupt(key, "it has to be either open or ended"));
    }
    Ok(Stored {
        transfer: new_transfer(transfer)?,
        outcome: outcome.map(ended).transpose()?,
        open_state: open.as_ref().map(read_state).transpose()?,
    })
}

fn ended(row: outcome::Model) -> Result<Outcome, StoreError> {
    let key = row.master_serial;
    check_outcome(&row)?;
    Ok(Outcome {
        state: FinalState::from_number(row.state)
            .ok_or_else(|| StoreError::corrupt(key, &format!("final state {}", row.state)))?,
        reason: row.reason,
        finished_at: row.finished_at,
        answer_status: u16::try_from(row.answer_status)
            .map_err(|error| StoreError::corrupt(key, &error))?,
        answer_body: row.answer_body.into(),
    })
}

fn check_outcome(row: &outcome::Model) -> Result<(), StoreError> {
    checksum::check(row.master_serial, "how it ended", row.checksum, || {
        let answer = (row.answer_status, row.answer_body.as_slice());
        let (reason, trail) = (row.reason.as_deref(), row.trail.as_deref());
        checksum::of_outcome(row.master_serial, row.state, reason, row.finished_at, answer, trail)
    })
}

fn check_decision(row: &decision::Model) -> Result<(), StoreError> {
    checksum::check(row.master_serial, "a decision", row.checksum, || {
        let (word, note) = (&row.decision, &row.note);
        checksum::of_decision(row.master_serial, row.at, &row.who, word, note)
    })
}

fn check_trail(row: &trail::Model) -> Result<(), StoreError> {
    checksum::check(row.master_serial, "a part of its trail", row.checksum, || {
        checksum::of_trail(row.master_serial, row.part, &row.body)
    })
}

fn read_state(row: &open_transfer::Model) -> Result<OpenState, StoreError> {
    OpenState::from_number(row.state)
        .ok_or_else(|| StoreError::corrupt(row.master_serial, &format!("open state {}", row.state)))
}

fn new_transfer(row: transfer::Model) -> Result<NewTransfer, StoreError> {
    let key = row.master_serial;
    checksum::check(key, "what was asked for", row.checksum, || checksum::of_transfer_row(&row))?;
    read_transfer(row)
}

/// What a row says, whether or not it is what was written.
fn read_transfer(row: transfer::Model) -> Result<NewTransfer, StoreError> {
    let key = row.master_serial;
    Ok(NewTransfer {
        master: master(key)?,
        app: text(key, "the app", row.app)?.into(),
        idempotency_key: text(key, "the idempotency key", row.idempotency_key)?.into(),
        fingerprint: row
            .fingerprint
            .try_into()
            .map_err(|_| StoreError::corrupt(key, "the fingerprint is not 32 bytes"))?,
        order: Order {
            from: place(key, &row.from_counter, &row.from_account)?,
            to: place(key, &row.to_counter, &row.to_account)?,
            amount: Amount::new(row.amount).map_err(|error| StoreError::corrupt(key, &error))?,
            currency: row.currency.parse().map_err(|error| StoreError::corrupt(key, &error))?,
        },
        debit_day: day(key, row.debit_day)?,
        credit_day: day(key, row.credit_day)?,
        credit_barrier: row.credit_barrier,
        created_at: row.created_at,
        deadline_at: row.deadline_at,
        mark: row.mark.map(|mark| Mark(mark.cast_unsigned())),
    })
}

pub(crate) fn master(number: i64) -> Result<MasterSerial, StoreError> {
    MasterSerial::from_number(number).map_err(|error| StoreError::corrupt(number, &error))
}

fn place(key: i64, counter: &str, account: &str) -> Result<Place, StoreError> {
    Ok(Place {
        counter: CounterId::new(counter).map_err(|error| StoreError::corrupt(key, &error))?,
        account: AccountId::new(account).map_err(|error| StoreError::corrupt(key, &error))?,
    })
}

fn day(key: i64, number: i32) -> Result<Day, StoreError> {
    let number = u32::try_from(number).map_err(|error| StoreError::corrupt(key, &error))?;
    Day::new(number).map_err(|error| StoreError::corrupt(key, &error))
}

pub(crate) fn text(key: i64, what: &str, bytes: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(bytes).map_err(|_| StoreError::corrupt(key, &format!("{what} is not UTF-8")))
}
