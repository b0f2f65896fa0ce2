//! Alarms: one row for each that was raised, from the moment it was until it closed and ever after. Whether one is raised
//! is decided elsewhere; here it is kept. What is written is held against what is there: whoever acknowledged or closed
//! one first stays, also where the database took that without saying so.

use crate::checksum::{self, Sum};
use crate::entity::alarm::{ActiveModel, Column, Entity, Model};
use crate::error::StoreError;
use crate::fault::{describe, is_damage};
use crate::query::ask;
use crate::store::Store;
use domain::message::CounterId;
use domain::serial::MasterSerial;
use foreign::ForeignText;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
};

/// Closed alarms on a page.
pub const ALARMS_A_PAGE: u64 = 100;

/// For what an alarm is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmKind {
    /// Transfers need a person.
    NeedsOperator,
    /// A counter gets no new transfers, for what it says is in doubt.
    CounterHeld,
    /// A counter contradicted itself, or the record.
    Contradiction,
    /// A counter spoke of what is not its own.
    Foreign,
    /// What a counter said came faster than it could be compared with the record.
    NotCompared,
    /// A counter said something that a person should see.
    Notice,
    /// The database does not record.
    Database,
    /// The record lacks something that was recorded.
    RecordBehind,
    /// This software failed at something, and went on with the rest.
    Defect,
    /// More alarms are open than are kept.
    TooMany,
}

impl AlarmKind {
    /// All of them.
    pub const ALL: [AlarmKind; 10] = [
        AlarmKind::NeedsOperator,
        AlarmKind::CounterHeld,
        AlarmKind::Contradiction,
        AlarmKind::Foreign,
        AlarmKind::NotCompared,
        AlarmKind::Notice,
        AlarmKind::Database,
        AlarmKind::RecordBehind,
        AlarmKind::Defect,
        AlarmKind::TooMany,
    ];

    /// The word in the database, in answers and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            AlarmKind::NeedsOperator => "needs_operator",
            AlarmKind::CounterHeld => "counter_held",
            AlarmKind::Contradiction => "contradiction",
            AlarmKind::Foreign => "foreign",
            AlarmKind::NotCompared => "not_compared",
            AlarmKind::Notice => "notice",
            AlarmKind::Database => "database",
            AlarmKind::RecordBehind => "record_behind",
            AlarmKind::Defect => "defect",
            AlarmKind::TooMany => "too_many",
        }
    }

    fn of(word: &str) -> Option<AlarmKind> {
        AlarmKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What an alarm is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmAbout {
    /// The bridge itself.
    Bridge,
    /// A part of the bridge, of which something is wrong that has nothing to do with its other parts.
    Part(Part),
    /// A counter.
    Counter(CounterId),
    /// A transfer.
    Transfer(MasterSerial),
}

/// A part of the bridge that may fail alone. There are few, so that alarms about them are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The record of alarms.
    Alarms,
    /// What is counted over all open transfers.
    Money,
    /// What operators have said of counters that get no new transfers.
    Holds,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 3] = [Part::Alarms, Part::Money, Part::Holds];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Part::Alarms => "alarms",
            Part::Money => "money",
            Part::Holds => "holds",
        }
    }
}

/// What stands before a part's word in the database, before a counter's id, and before a transfer's serial.
const PART: &str = "part:";
const COUNTER: &str = "counter:";
const TRANSFER: &str = "transfer:";

impl AlarmAbout {
    fn word(&self) -> String {
        match self {
            AlarmAbout::Bridge => String::new(),
            AlarmAbout::Part(part) => format!("{PART}{}", part.as_str()),
            AlarmAbout::Counter(counter) => format!("{COUNTER}{counter}"),
            AlarmAbout::Transfer(master) => format!("{TRANSFER}{master}"),
        }
    }

    fn of(word: &str) -> Option<AlarmAbout> {
        if word.is_empty() {
            return Some(AlarmAbout::Bridge);
        }
        if let Some(part) = word.strip_prefix(PART) {
            return Part::ALL.into_iter().find(|one| one.as_str() == part).map(AlarmAbout::Part);
        }
        if let Some(counter) = word.strip_prefix(COUNTER) {
            return CounterId::new(counter).ok().map(AlarmAbout::Counter);
        }
        let number = word.strip_prefix(TRANSFER)?.parse().ok()?;
        MasterSerial::from_number(number).ok().map(AlarmAbout::Transfer)
    }
}

/// That a person has seen an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// When, in microseconds since 1970 UTC.
    pub at: i64,
    /// Name of the operator; at most 64 bytes.
    pub who: ForeignText,
    /// What the operator wrote of it.
    pub note: ForeignText,
    /// How often the alarm had been said by then.
    pub times: u64,
}

/// That an alarm is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// When, in microseconds since 1970 UTC.
    pub at: i64,
    /// Name of the operator who closed it; none where it closed by itself, for what it was about was over.
    pub who: Option<ForeignText>,
    /// Why, in the operator's words, or in ours.
    pub note: ForeignText,
}

/// An alarm, from when it was raised until it closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// For what it was raised.
    pub kind: AlarmKind,
    /// What it is about.
    pub about: AlarmAbout,
    /// What was said when it was raised.
    pub text: ForeignText,
    /// What was said last.
    pub latest: ForeignText,
    /// When it was raised, in microseconds since 1970 UTC.
    pub raised_at: i64,
    /// When it was said last, in microseconds since 1970 UTC.
    pub last_at: i64,
    /// How often it was said, `1..`.
    pub times: u64,
    /// Who has seen it, if anybody has said so.
    pub acknowledged: Option<Acknowledged>,
    /// How it closed; none while it is open.
    pub closed: Option<Closed>,
}

/// What was kept of alarms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptAlarms {
    /// How each stands now, in the order in which they were handed in.
    pub alarms: Vec<NumberedAlarm>,
    /// Rows that could not be read, for they were altered: each is written anew, so it is said of it once.
    pub damaged: Vec<StoreError>,
}

/// An alarm that is recorded, with its number: a later one's is higher.
pub type NumberedAlarm = (i64, Alarm);

/// Alarms as they are read: one whose row was altered hides no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    /// Those that could be read.
    pub alarms: Vec<NumberedAlarm>,
    /// Those that could not.
    pub damaged: Vec<StoreError>,
    /// The number before which the next page begins; none at the end.
    pub next: Option<i64>,
}

impl Store {
    /// Keeps alarms, those without a number for the first time; how each stands then, in the same order. Said again, for
    /// the answer was lost, it is the same. Of one that is closed nothing is changed any more; and whoever acknowledged
    /// one first stays. A row that cannot be read keeps none of the others from being written: it is written anew.
    pub async fn keep_alarms(
        &self,
        alarms: &[(Option<i64>, Alarm)],
    ) -> Result<KeptAlarms, StoreError> {
        self.once(async |transaction: &DatabaseTransaction| {
            let mut kept = KeptAlarms::default();
            for (number, alarm) in alarms {
                let one = keep(transaction, *number, alarm, &mut kept.damaged).await?;
                kept.alarms.push(one);
            }
            Ok(kept)
        })
        .await
    }

    /// The alarms that are open, the oldest first.
    pub async fn open_alarms(&self) -> Result<Alarms, StoreError> {
        let open = Entity::find().filter(Column::ClosedAt.is_null()).order_by_asc(Column::Number);
        self.each(open).await
    }

    /// Alarms whose rows cannot be read are open no more, from `at` on, in microseconds since 1970 UTC. Nothing else of
    /// such a row is touched: it is named among those that are closed for as long as it is there.
    pub async fn set_alarms_aside(&self, numbers: &[i64], at: i64) -> Result<(), StoreError> {
        let numbers = numbers.to_vec();
        self.once(async |transaction: &DatabaseTransaction| {
            Entity::update_many()
                .col_expr(Column::ClosedAt, Expr::value(at))
                .filter(Column::Number.is_in(numbers.iter().copied()))
                .filter(Column::ClosedAt.is_null())
                .exec(transaction)
                .await?;
            Ok(())
        })
        .await
    }

    /// A page of those that are closed, the latest first: before the alarm with this number.
    pub async fn closed_alarms(&self, before: Option<i64>) -> Result<Alarms, StoreError> {
        let closed = Entity::find()
            .filter(Column::ClosedAt.is_not_null())
            .filter(Column::Number.lt(before.unwrap_or(i64::MAX)))
            .order_by_desc(Column::Number)
            .limit(ALARMS_A_PAGE);
        let all = self.each(closed).await?;
        let count = all.alarms.len() + all.damaged.len();
        let is_full = u64::try_from(count).is_ok_and(|count| count >= ALARMS_A_PAGE);
        Ok(Alarms { next: all.next.filter(|_| is_full), ..all })
    }

    /// The alarms that a question is about, and the number of the last. Where a row is not even what its columns are for,
    /// they are read one by one, so that it hides no other.
    async fn each(&self, wanted: Select<Entity>) -> Result<Alarms, StoreError> {
        let mut all = Alarms::default();
        match ask(wanted.clone().all(self.readers())).await {
            Ok(rows) => {
                all.next = rows.last().map(|row| row.number);
                for row in &rows {
                    all.add(row.number, read(row));
                }
                return Ok(all);
            }
            Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        let numbers = wanted.select_only().column(Column::Number).into_tuple::<i64>();
        for number in ask(numbers.all(self.readers())).await? {
            all.next = Some(number);
            match ask(Entity::find_by_id(number).one(self.readers())).await {
                Ok(Some(row)) => all.add(number, read(&row)),
                Ok(None) => {}
                Err(StoreError::Damaged { what }) => {
                    all.damaged.push(StoreError::corrupt(number, &what));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// The alarm with this number.
    pub async fn alarm(&self, number: i64) -> Result<Option<Alarm>, StoreError> {
        let row = ask(Entity::find_by_id(number).one(self.readers())).await?;
        row.map(|row| read(&row)).transpose()
    }
}

impl Alarms {
    fn add(&mut self, number: i64, read: Result<Alarm, StoreError>) {
        match read {
            Ok(alarm) => self.alarms.push((number, alarm)),
            Err(damage) => self.damaged.push(damage),
        }
    }
}

async fn keep(
    transaction: &DatabaseTransaction,
    number: Option<i64>,
    alarm: &Alarm,
    damaged: &mut Vec<StoreError>,
) -> Result<NumberedAlarm, DbErr> {
    let Some(number) = number else { return add(transaction, alarm.clone(), damaged).await };
    match Entity::find_by_id(number).one(transaction).await {
        Ok(Some(kept)) => follow(transaction, &kept, alarm, damaged).await,
        // Somebody has taken its row away: what is in force here is kept all the same.
        Ok(None) => insert(transaction, number, alarm.clone()).await,
        Err(error) if is_damage(&error) => {
            damaged.push(StoreError::corrupt(number, &describe(&error)));
            write_anew(transaction, number, alarm.clone()).await
        }
        Err(error) => Err(error),
    }
}

/// Has a row say what has become of its alarm since.
async fn follow(
    transaction: &DatabaseTransaction,
    kept: &Model,
    alarm: &Alarm,
    damaged: &mut Vec<StoreError>,
) -> Result<NumberedAlarm, DbErr> {
    let mut now = alarm.clone();
    match read(kept) {
        Ok(before) if before.closed.is_some() => return Ok((kept.number, before)),
        Ok(before) => now.acknowledged = before.acknowledged.or(now.acknowledged),
        // A row that was altered is written anew: what was read of it is in force here.
        Err(damage) => damaged.push(damage),
    }
    if row(kept.number, &now) == *kept {
        return Ok((kept.number, now));
    }
    write_anew(transaction, kept.number, now).await
}

async fn write_anew(
    transaction: &DatabaseTransaction,
    number: i64,
    alarm: Alarm,
) -> Result<NumberedAlarm, DbErr> {
    Entity::update(active(row(number, &alarm))).exec(transaction).await?;
    Ok((number, alarm))
}

async fn add(
    transaction: &DatabaseTransaction,
    mut alarm: Alarm,
    damaged: &mut Vec<StoreError>,
) -> Result<NumberedAlarm, DbErr> {
    loop {
        let same = Entity::find()
            .select_only()
            .column(Column::Number)
            .filter(Column::Kind.eq(alarm.kind.as_str()))
            .filter(Column::About.eq(alarm.about.word()))
            .filter(Column::RaisedAt.eq(alarm.raised_at))
            .into_tuple::<i64>();
        let Some(number) = same.one(transaction).await? else { break };
        let is_open = Entity::find_by_id(number).filter(Column::ClosedAt.is_null());
        let is_open = is_open.select_only().column(Column::Number).into_tuple::<i64>();
        let is_over = alarm.closed.is_none() && is_open.one(transaction).await?.is_none();
        if !is_over {
            return Box::pin(keep(transaction, Some(number), &alarm, damaged)).await;
        }
        // Another, which was raised at the same moment of a clock that was set back.
        alarm.raised_at = alarm.raised_at.saturating_add(1);
    }
    let last: Option<Option<i64>> = Entity::find()
        .select_only()
        .column_as(Column::Number.max(), "last")
        .into_tuple()
        .one(transaction)
        .await?;
    insert(transaction, last.flatten().unwrap_or(0) + 1, alarm).await
}

async fn insert(
    transaction: &DatabaseTransaction,
    number: i64,
    alarm: Alarm,
) -> Result<NumberedAlarm, DbErr> {
    Entity::insert(active(row(number, &alarm))).exec_without_returning(transaction).await?;
    Ok((number, alarm))
}

fn active(row: Model) -> ActiveModel {
    ActiveModel {
        number: Set(row.number),
        kind: Set(row.kind),
        about: Set(row.about),
        text: Set(row.text),
        latest: Set(row.latest),
        raised_at: Set(row.raised_at),
        last_at: Set(row.last_at),
        times: Set(row.times),
        acknowledged_at: Set(row.acknowledged_at),
        acknowledged_by: Set(row.acknowledged_by),
        acknowledged_note: Set(row.acknowledged_note),
        acknowledged_times: Set(row.acknowledged_times),
        closed_at: Set(row.closed_at),
        closed_by: Set(row.closed_by),
        closed_note: Set(row.closed_note),
        checksum: Set(row.checksum),
    }
}

fn row(number: i64, alarm: &Alarm) -> Model {
    let text = |text: &ForeignText| text.as_received().to_owned();
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let (acknowledged, closed) = (alarm.acknowledged.as_ref(), alarm.closed.as_ref());
    let mut row = Model {
        number,
        kind: alarm.kind.as_str().to_owned(),
        about: alarm.about.word(),
        text: text(&alarm.text),
        latest: text(&alarm.latest),
        raised_at: alarm.raised_at,
        last_at: alarm.last_at,
        times: signed(alarm.times),
        acknowledged_at: acknowledged.map(|by| by.at),
        acknowledged_by: acknowledged.map(|by| text(&by.who)),
        acknowledged_note: acknowledged.map(|by| text(&by.note)),
        acknowledged_times: acknowledged.map(|by| signed(by.times)),
        closed_at: closed.map(|by| by.at),
        closed_by: closed.and_then(|by| by.who.as_ref()).map(text),
        closed_note: closed.map(|by| text(&by.note)),
        checksum: 0,
    };
    row.checksum = sum(&row);
    row
}

fn sum(row: &Model) -> i64 {
    let maybe = |sum: Sum, number: Option<i64>| match number {
        Some(number) => sum.number(1).number(number),
        None => sum.number(0),
    };
    let sum = Sum::of("alarm", row.number).text(&row.kind).text(&row.about);
    let sum = sum.text(&row.text).text(&row.latest);
    let sum = sum.number(row.raised_at).number(row.last_at).number(row.times);
    let sum = maybe(sum, row.acknowledged_at).maybe(row.acknowledged_by.as_deref());
    let sum = maybe(sum.maybe(row.acknowledged_note.as_deref()), row.acknowledged_times);
    let sum = maybe(sum, row.closed_at).maybe(row.closed_by.as_deref());
    sum.maybe(row.closed_note.as_deref()).end()
}

fn read(row: &Model) -> Result<Alarm, StoreError> {
    let corrupt = |what: String| StoreError::corrupt(row.number, &what);
    checksum::check(row.number, "an alarm", Some(row.checksum), || sum(row))?;
    let text = |text: &Option<String>| ForeignText::from(text.clone().unwrap_or_default());
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(Alarm {
        kind: AlarmKind::of(&row.kind)
            .ok_or_else(|| corrupt(format!("{:?} is no kind of alarm", row.kind)))?,
        about: AlarmAbout::of(&row.about)
            .ok_or_else(|| corrupt(format!("an alarm is about {:?}", row.about)))?,
        text: row.text.clone().into(),
        latest: row.latest.clone().into(),
        raised_at: row.raised_at,
        last_at: row.last_at,
        times: count(row.times),
        acknowledged: row.acknowledged_at.map(|at| Acknowledged {
            at,
            who: text(&row.acknowledged_by),
            note: text(&row.acknowledged_note),
            times: count(row.acknowledged_times.unwrap_or(0)),
        }),
        closed: row.closed_at.map(|at| Closed {
            at,
            who: row.closed_by.clone().map(ForeignText::from),
            note: text(&row.closed_note),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_alarm_is_about_and_for_what_is_a_word_each() {
        let counter = CounterId::new("futures").expect("a counter");
        let master = MasterSerial::from_number(2_026_112_100_000_000_001).expect("a serial");
        for (about, word) in [
            (AlarmAbout::Bridge, ""),
            (AlarmAbout::Part(Part::Alarms), "part:alarms"),
            (AlarmAbout::Part(Part::Money), "part:money"),
            (AlarmAbout::Part(Part::Holds), "part:holds"),
            (AlarmAbout::Counter(counter), "counter:futures"),
            (AlarmAbout::Transfer(master), "transfer:2026112100000000001"),
        ] {
            assert_eq!(about.word(), word);
            assert_eq!(AlarmAbout::of(word), Some(about));
        }
        for word in [
            "futures",
            "part:",
            "part:else",
            "counter:",
            "counter:Two Words",
            "transfer:x",
            "transfer:-1",
        ] {
            assert_eq!(AlarmAbout::of(word), None, "{word}");
        }
        for kind in AlarmKind::ALL {
            assert_eq!(AlarmKind::of(kind.as_str()), Some(kind));
            assert!(kind.as_str().len() <= 32);
        }
        assert_eq!(AlarmKind::of("held"), None);
    }
}
