//! Alarms that outlive the process: said from wherever something is found, recorded by a task of its own. Whoever says one
//! takes a lock for as long as it is noted, and waits for no database; where that is away, what is to be recorded waits in
//! memory. What persons say of alarms is durable before it is told.

use crate::alarm_book::{OpenAlarm, Told, Writing};
use crate::alarm_ends::{Ends, ends};
use crate::clock::{Now, now_micros};
use crate::coordinator::Coordinator;
use crate::events::Kind;
use crate::inner::Inner;
use crate::mail::Mail;
use crate::summary::Summary;
use domain::serial::MasterSerial;
use foreign::ForeignText;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{
    Acknowledged, Alarm, AlarmAbout, AlarmKind, Alarms, Closed, JournalHealth, KeptAlarms, Part,
    StoreError,
};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often it is looked whether what alarms are about is over.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often it is recorded that an alarm was said again: a million times cost one row a change in so long.
const RETOLD_EVERY: Duration = Duration::from_secs(10);

/// How often what was open before cannot be read until there is an alarm of that: what passes is none.
const UNREAD_UNTIL_TOLD: u32 = 3;

/// Why an alarm was not acknowledged or closed.
#[derive(Debug, thiserror::Error)]
pub enum AlarmError {
    /// There is none with this number.
    #[error("there is no alarm {0}")]
    NoSuch(i64),
    /// It is closed.
    #[error("alarm {number} is closed already, by {who}: look at how it stands now")]
    Closed {
        /// Its number.
        number: i64,
        /// Who closed it, or that it closed by itself.
        who: ForeignText,
    },
    /// What it is about goes on.
    #[error(
        "alarm {number} closes by itself when {until}, and that is not so yet: acknowledge it meanwhile"
    )]
    Lasts {
        /// Its number.
        number: i64,
        /// When it closes, in words.
        until: &'static str,
    },
    /// The database did not answer: what was said may be recorded or not. What is recorded is shown as soon as it answers.
    #[error(
        "the database does not say whether it was recorded ({0}): look at the alarm as soon as it answers"
    )]
    Unclear(StoreError),
    /// The database did not answer, and nothing was said to it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// At the start: what was open when the bridge last stopped. Money does not wait for notes of what went wrong, so where
/// they cannot be read it is tried again, and until then nothing is written over what is not known.
pub(crate) async fn begin(inner: &Inner) {
    let Ok(_turn) = inner.events.desk().turn().await else { return };
    if let Err(error) = take_up(inner).await {
        tracing::warn!(%error, "what alarms were open is not known yet: they are read as soon as it can be done");
    }
}

/// Takes up what was open when the bridge last stopped, unless that is done. By whoever's turn it is to write.
async fn take_up(inner: &Inner) -> Result<(), StoreError> {
    let desk = inner.events.desk();
    if desk.book(|book| book.is_taken_up()) {
        return Ok(());
    }
    let Alarms { alarms, damaged, .. } = inner.store.open_alarms().await?;
    tell_damaged(inner, &damaged);
    if !alarms.is_empty() {
        tracing::warn!(count = alarms.len(), "alarms are open since before this start");
    }
    let damaged = damaged.iter().filter_map(|damage| match damage {
        StoreError::Corrupt { key, .. } => Some(*key),
        StoreError::Unavailable { .. }
        | StoreError::Serials(_)
        | StoreError::Damaged { .. }
        | StoreError::Closed => None,
    });
    desk.book(|book| book.take_up(Now::read().wall, alarms, damaged.collect()));
    Ok(())
}

/// Says which rows of alarms were altered.
fn tell_damaged(inner: &Inner, damaged: &[StoreError]) {
    for damage in damaged {
        let text = format!("an alarm's row was altered, and cannot be read: {damage}");
        tracing::error!("{text}");
        inner.events.raise(AlarmKind::Defect, AlarmAbout::Part(Part::Alarms), &text);
    }
}

/// Keeps the record of alarms, and closes those of which the cause is over.
pub(crate) async fn keep(inner: Arc<Inner>) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut keeping =
        Keeping { is_first: true, retold: Instant::now(), has_failed: false, unread: 0 };
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = inner.events.desk().woken() => {}
        }
        keeping.look(&inner).await;
        keeping.write(&inner).await;
    }
}

/// What the task that keeps them knows.
struct Keeping {
    /// What earlier versions left knows no alarm yet.
    is_first: bool,
    /// When it was last recorded how often something was said.
    retold: Instant,
    has_failed: bool,
    /// How often what was open before could not be read.
    unread: u32,
}

impl Keeping {
    /// Looks at what lasts.
    async fn look(&mut self, inner: &Inner) {
        let desk = inner.events.desk();
        let bridge = AlarmAbout::Bridge;
        let has_waiting = desk.book(|book| book.is_open(AlarmKind::NeedsOperator, &bridge));
        let waiting = if self.is_first || has_waiting { Some(waiting(inner).await) } else { None };
        self.is_first = false;
        let failing = match &*inner.journal.health().borrow() {
            JournalHealth::Ok => None,
            JournalHealth::Failing { why, .. } => {
                Some(format!("the database does not record: {why}"))
            }
        };
        let behind = inner.standing.behind();
        let held = inner.standing.state().held.clone();
        let now = Now::read();
        desk.book(|book| {
            book.stands(now, AlarmKind::Database, AlarmAbout::Bridge, failing.as_deref());
            book.stands(now, AlarmKind::RecordBehind, AlarmAbout::Bridge, behind.as_deref());
            if let Some(waiting) = waiting {
                let text = format!("{waiting} transfers need a person");
                let lasts = (waiting > 0).then_some(text.as_str());
                book.stands(now, AlarmKind::NeedsOperator, AlarmAbout::Bridge, lasts);
            }
            for about in book.counters(AlarmKind::CounterHeld) {
                let is_held = match &about {
                    AlarmAbout::Counter(counter) => held.contains_key(counter),
                    AlarmAbout::Bridge | AlarmAbout::Part(_) | AlarmAbout::Transfer(_) => false,
                };
                if !is_held {
                    book.stands(now, AlarmKind::CounterHeld, about, None);
                }
            }
            for (counter, hold) in &held {
                let about = AlarmAbout::Counter(counter.clone());
                book.stands(now, AlarmKind::CounterHeld, about, Some(&hold.why));
            }
            book.close_what_is_over(now);
        });
    }

    /// Writes what the record lacks.
    async fn write(&mut self, inner: &Inner) {
        let desk = inner.events.desk();
        let Ok(_turn) = desk.turn().await else { return };
        if let Err(error) = take_up(inner).await {
            self.unread += 1;
            if self.unread == UNREAD_UNTIL_TOLD {
                let text = format!(
                    "what alarms were open cannot be read ({error}): the bridge goes on without them, and those that \
                     are raised from now on are shown without a number; it reads them as soon as that can be done: \
                     look at the database, and at its table alarm"
                );
                tracing::error!("{text}");
                inner.events.raise(AlarmKind::Defect, AlarmAbout::Part(Part::Alarms), &text);
            }
            return;
        }
        let has_damaged = desk.book(|book| !book.damaged().is_empty());
        let mut is_due = has_damaged || self.retold.elapsed() >= RETOLD_EVERY;
        loop {
            let writing = desk.book(|book| book.to_write(is_due));
            if writing.is_empty() {
                break;
            }
            match record(inner, writing).await {
                Ok(()) => {
                    self.has_failed = false;
                    if is_due {
                        // What is said again meanwhile waits until that is due once more.
                        (is_due, self.retold) = (false, Instant::now());
                    }
                }
                Err(error) => return self.waits(&error),
            }
        }
        if has_damaged && let Err(error) = set_aside(inner).await {
            self.waits(&error);
        }
    }

    /// The database did not take it. That is said once.
    fn waits(&mut self, error: &StoreError) {
        if !self.has_failed {
            tracing::warn!(%error, "alarms wait in memory until the database takes them");
        }
        self.has_failed = true;
    }
}

/// What was open and cannot be read is open no more, as soon as an alarm that names it is recorded: nobody could close it,
/// and it would be told anew at every start.
async fn set_aside(inner: &Inner) -> Result<(), StoreError> {
    let desk = inner.events.desk();
    let damaged = desk.book(|book| book.damaged().to_vec());
    inner.store.set_alarms_aside(&damaged, now_micros()).await?;
    desk.book(|book| book.set_aside(&damaged));
    Ok(())
}

/// How many transfers need a person; those that cannot be read are among them.
async fn waiting(inner: &Inner) -> usize {
    let mut summary = Summary::default();
    for shard in &inner.shards {
        let (to, counted) = oneshot::channel();
        if shard.send(Mail::Summary(to)).await.is_ok()
            && let Ok(counted) = counted.await
        {
            summary.join(counted);
        }
    }
    summary.waiting() + inner.unreadable.load(Ordering::Relaxed)
}

/// Has the record say what is in force here, and tells what is new by that.
async fn record(inner: &Inner, writing: Vec<Writing>) -> Result<(), StoreError> {
    let rows: Vec<_> = writing.iter().map(|one| (one.number, one.alarm.clone())).collect();
    let KeptAlarms { alarms, damaged } = inner.store.keep_alarms(&rows).await?;
    let now = Now::read();
    let told = inner.events.desk().book(|book| book.written(now, writing, alarms));
    // They are written anew by now, as they are in force here.
    tell_damaged(inner, &damaged);
    for told in told {
        let master = match &told {
            Told::Raised((_, alarm)) | Told::Seen((_, alarm)) | Told::Closed((_, alarm)) => {
                named(alarm)
            }
        };
        let text = match told {
            Told::Raised((number, alarm)) => {
                format!("alarm {number} is raised: {}: {}", words(&alarm), alarm.text)
            }
            Told::Seen((number, alarm)) => {
                let (who, note) =
                    alarm.acknowledged.map_or_else(Default::default, |seen| (seen.who, seen.note));
                format!("{who} has acknowledged alarm {number}: {note}")
            }
            Told::Closed((number, alarm)) => {
                let (who, note) =
                    alarm.closed.map_or_else(Default::default, |closed| (closed.who, closed.note));
                match who {
                    Some(who) => format!("{who} has closed alarm {number}: {note}"),
                    None => format!("alarm {number} has closed by itself: {note}"),
                }
            }
        };
        tracing::info!(master = master.map(|it| it.to_string()), "{text}");
        inner.events.record(now.wall, Kind::Alarm, master, text);
    }
    Ok(())
}

/// The transfer that an alarm is about, or that it was raised for: its words begin with its serial then.
fn named(alarm: &Alarm) -> Option<MasterSerial> {
    if let AlarmAbout::Transfer(master) = alarm.about {
        return Some(master);
    }
    let (serial, _) = alarm.text.as_received().split_once(": ")?;
    serial.parse().ok()
}

/// For what an alarm was raised, and about what.
fn words(alarm: &Alarm) -> String {
    let kind = alarm.kind.as_str();
    match &alarm.about {
        AlarmAbout::Bridge | AlarmAbout::Part(_) => kind.to_owned(),
        AlarmAbout::Counter(counter) => format!("{kind} of {counter}"),
        AlarmAbout::Transfer(master) => format!("{kind} of {master}"),
    }
}

/// What a person says of an alarm.
enum Word {
    Seen,
    Over,
}

impl Coordinator {
    /// The alarms that are open: those first that nobody has acknowledged.
    pub fn open_alarms(&self) -> Vec<OpenAlarm> {
        self.inner.events.desk().book(|book| book.all())
    }

    /// How many alarms were not kept since the start, for too many were open.
    pub fn alarms_left_out(&self) -> u64 {
        self.inner.events.desk().book(|book| book.left_out())
    }

    /// A page of those that are closed, the latest first: before the alarm with this number.
    pub async fn closed_alarms(&self, before: Option<i64>) -> Result<Alarms, StoreError> {
        self.inner.store.closed_alarms(before).await
    }

    /// A person says that he has seen an alarm and looks into it. It is durable when this returns, and says how the
    /// alarm stands then: said again it is the same, and the first who said it stays.
    pub async fn acknowledge_alarm(
        &self,
        number: i64,
        who: &ForeignText,
        note: &ForeignText,
        seen: Option<u64>,
    ) -> Result<OpenAlarm, AlarmError> {
        let now = now_micros();
        let word = Word::Seen;
        let (alarm, is_over) = say(&self.inner, number, (&word, seen), (who, note), now).await?;
        let is_new = alarm.acknowledged.as_ref().is_some_and(|seen| seen.at == now);
        if is_new {
            let text = format!("{who} has acknowledged alarm {number}: {note}");
            tracing::info!("{text}");
            self.inner.events.record(now, Kind::Alarm, None, text);
        }
        Ok(OpenAlarm { number: Some(number), alarm, is_over })
    }

    /// A person says that an alarm is over. It is durable when this returns. One that closes by itself closes when what
    /// it is about is over, whoever would have it otherwise. `seen`: how often it had been said as far as the person saw; what
    /// was said since is another alarm then.
    pub async fn close_alarm(
        &self,
        number: i64,
        who: &ForeignText,
        note: &ForeignText,
        seen: Option<u64>,
    ) -> Result<Alarm, AlarmError> {
        let now = now_micros();
        let word = Word::Over;
        let (alarm, _) = say(&self.inner, number, (&word, seen), (who, note), now).await?;
        let text = format!("{who} has closed alarm {number}: {note}");
        tracing::info!("{text}");
        self.inner.events.record(now, Kind::Alarm, None, text);
        Ok(alarm)
    }
}

/// Records what a person says of an alarm; how it stands then, and whether what it is about is over. The person has seen
/// it said so often; all of it unless that is known.
async fn say(
    inner: &Inner,
    number: i64,
    (word, seen): (&Word, Option<u64>),
    (who, note): (&ForeignText, &ForeignText),
    at: i64,
) -> Result<(Alarm, bool), AlarmError> {
    let desk = inner.events.desk();
    let _turn = desk.turn().await?;
    // One that was not read yet would be taken for closed.
    take_up(inner).await?;
    let Some(open) = desk.book(|book| book.find(number)) else {
        let alarm = inner.store.alarm(number).await?.ok_or(AlarmError::NoSuch(number))?;
        return Err(closed(number, &alarm));
    };
    let mut alarm = open.alarm;
    match word {
        Word::Seen if alarm.acknowledged.is_some() => return Ok((alarm, open.is_over)),
        Word::Seen => {
            let (who, note) = (who.clone(), note.clone());
            let times = seen.map_or(alarm.times, |seen| seen.min(alarm.times));
            alarm.acknowledged = Some(Acknowledged { at, who, note, times });
        }
        Word::Over => {
            if let Ends::ByItself(until) = ends(alarm.kind)
                && !open.is_over
            {
                return Err(AlarmError::Lasts { number, until });
            }
            let (who, note) = (Some(who.clone()), note.clone());
            alarm.closed = Some(Closed { at, who, note });
        }
    }
    let kept = inner.store.keep_alarms(&[(Some(number), alarm.clone())]).await;
    let kept = match kept {
        Ok(KeptAlarms { alarms, damaged }) => {
            tell_damaged(inner, &damaged);
            alarms
        }
        Err(error) => {
            desk.book(|book| book.doubt(number));
            desk.wake();
            return Err(AlarmError::Unclear(error));
        }
    };
    let Some((_, stands)) = kept.first().cloned() else { return Err(AlarmError::NoSuch(number)) };
    let writing = Writing { number: Some(number), alarm: alarm.clone() };
    let now = Now::read();
    desk.book(|book| book.written(now, vec![writing], kept));
    if seen.is_some_and(|seen| seen < alarm.times) && alarm.closed.is_some() {
        // What was said since nobody has looked into: it is another alarm.
        desk.say(alarm.kind, alarm.about.clone(), alarm.latest.as_received());
    }
    if stands.closed != alarm.closed {
        return Err(closed(number, &stands));
    }
    Ok((stands, open.is_over))
}

fn closed(number: i64, alarm: &Alarm) -> AlarmError {
    let by = alarm.closed.as_ref().and_then(|closed| closed.who.clone());
    let who = by.unwrap_or_else(|| "itself, for what it was about is over".into());
    AlarmError::Closed { number, who }
}
