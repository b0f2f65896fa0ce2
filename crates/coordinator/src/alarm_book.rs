//! Which alarms are open, as data: each is raised once, and what is said again while it is open only counts. One for each
//! kind and each thing that it may be about, so however often somebody repeats himself, there is one.
//!
//! raised → acknowledged (who, when, why) → closed (by whom or by itself, when, why). Said again after that, it is another.

use crate::alarm_ends::{Ends, ends};
use crate::clock::Now;
use foreign::ForeignText;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use store::{Alarm, AlarmAbout, AlarmKind, Closed, NumberedAlarm};
use tokio::time::Instant;

/// Alarms about single transfers that may be open at once: what stands in a list that a person can work off. All others
/// are one for each kind, or for each kind and counter, so those are few whatever happens.
pub const MOST_OF_TRANSFERS: usize = 100;

/// For how long what an alarm is about has to be over until it closes by itself. What comes and goes is one alarm, and a
/// peer that drives it makes at most one in so long.
pub const OVER_FOR: Duration = Duration::from_secs(10);

/// Alarms that closed while the database was away, until it has taken them.
const MOST_ENDED: usize = 200;

/// Alarms that are written at once.
const A_BATCH: usize = 100;

/// The longest text of an alarm, in bytes: others' words are in it.
const LONGEST: usize = 2_000;

/// An alarm that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAlarm {
    /// Its number; none until it is recorded.
    pub number: Option<i64>,
    /// How it stands.
    pub alarm: Alarm,
    /// Whether what it is about is over, and it closes by itself shortly.
    pub is_over: bool,
}

/// What has become of alarms, once it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// One was raised.
    Raised(NumberedAlarm),
    /// Somebody has acknowledged one.
    Seen(NumberedAlarm),
    /// One has closed.
    Closed(NumberedAlarm),
}

type Key = (AlarmKind, AlarmAbout);

/// What is written, and how it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Writing {
    pub(crate) number: Option<i64>,
    pub(crate) alarm: Alarm,
}

#[derive(Clone, Debug)]
struct Open {
    number: Option<i64>,
    alarm: Alarm,
    /// Whether the record lacks more of it than how often it was said.
    is_new: bool,
    /// Whether it was said again since it was written.
    is_retold: bool,
    /// When it was written, by the count of what was: whichever was not for longest comes first.
    turn: u64,
    over_since: Option<Instant>,
}

/// The alarms that are open, and those that closed and are not recorded yet.
#[derive(Debug, Default)]
pub(crate) struct Book {
    open: BTreeMap<Key, Open>,
    ended: VecDeque<Writing>,
    /// Those for which there was no room, since the start.
    left_out: u64,
    /// How much was written.
    turns: u64,
    is_taken_up: bool,
    /// Numbers of those that were open when the bridge last stopped, and cannot be read.
    damaged: Vec<i64>,
}

impl Book {
    /// What was open when the bridge last stopped, and the numbers of those that cannot be read. What was said before this
    /// was known of one that was open is said of it again, and no other.
    pub(crate) fn take_up(&mut self, wall: i64, alarms: Vec<NumberedAlarm>, damaged: Vec<i64>) {
        (self.is_taken_up, self.damaged) = (true, damaged);
        for (number, alarm) in alarms {
            let key = (alarm.kind, alarm.about.clone());
            let number = Some(number);
            let mut open =
                Open { number, alarm, is_new: false, is_retold: false, turn: 0, over_since: None };
            match self.open.remove(&key) {
                None => {}
                Some(Open { number: Some(number), mut alarm, .. }) => {
                    let note = "another of the same is open".into();
                    alarm.closed = Some(Closed { at: wall, who: None, note });
                    self.end(Writing { number: Some(number), alarm });
                }
                Some(Open { number: None, alarm: said, over_since, .. }) => {
                    open.alarm.times = open.alarm.times.saturating_add(said.times);
                    (open.alarm.last_at, open.alarm.latest) = (said.last_at, said.latest);
                    (open.is_retold, open.over_since) = (true, over_since);
                }
            }
            self.open.insert(key, open);
        }
    }

    /// Whether what was open when the bridge last stopped is known.
    pub(crate) fn is_taken_up(&self) -> bool {
        self.is_taken_up
    }

    /// The numbers of those that were open when the bridge last stopped and cannot be read, until they are set aside.
    pub(crate) fn damaged(&self) -> &[i64] {
        &self.damaged
    }

    /// These are not open any more.
    pub(crate) fn set_aside(&mut self, numbers: &[i64]) {
        self.damaged.retain(|number| !numbers.contains(number));
    }

    /// Something is said for which there is an alarm. Whether one is raised by it.
    pub(crate) fn say(&mut self, now: Now, kind: AlarmKind, about: AlarmAbout, text: &str) -> bool {
        let said = ForeignText::from(clipped(text));
        if let Some(open) = self.open.get_mut(&(kind, about.clone())) {
            open.alarm.times = open.alarm.times.saturating_add(1);
            (open.alarm.last_at, open.alarm.latest) = (now.wall, said);
            (open.is_retold, open.over_since) = (true, None);
            return false;
        }
        if let AlarmAbout::Transfer(_) = about
            && self.of_transfers() >= MOST_OF_TRANSFERS
        {
            self.left_out = self.left_out.saturating_add(1);
            let text = format!(
                "more than {MOST_OF_TRANSFERS} alarms about single transfers are open; not kept: {text}"
            );
            return self.say(now, AlarmKind::TooMany, AlarmAbout::Bridge, &text);
        }
        let (raised_at, last_at, latest) = (now.wall, now.wall, said.clone());
        let (times, acknowledged, closed) = (1, None, None);
        let alarm = Alarm {
            kind,
            about: about.clone(),
            text: said,
            latest,
            raised_at,
            last_at,
            times,
            acknowledged,
            closed,
        };
        let open =
            Open { number: None, alarm, is_new: true, is_retold: false, turn: 0, over_since: None };
        self.open.insert((kind, about), open);
        true
    }

    /// How something stands that an alarm closes by itself after: with words while it lasts, which raise one if none is
    /// open. Whether one is raised by it.
    pub(crate) fn stands(
        &mut self,
        now: Now,
        kind: AlarmKind,
        about: AlarmAbout,
        lasts: Option<&str>,
    ) -> bool {
        match (self.open.get_mut(&(kind, about.clone())), lasts) {
            // Anew, and for another reason, before the first one had closed.
            (Some(open), Some(text)) if open.over_since.is_some() && !text.is_empty() => {
                self.say(now, kind, about, text)
            }
            (Some(open), Some(_)) => {
                open.over_since = None;
                false
            }
            (Some(open), None) => {
                open.over_since.get_or_insert(now.at);
                false
            }
            (None, Some(text)) => self.say(now, kind, about, text),
            (None, None) => false,
        }
    }

    /// Closes what has been over for long enough.
    pub(crate) fn close_what_is_over(&mut self, now: Now) {
        if self.is_open(AlarmKind::TooMany, &AlarmAbout::Bridge) {
            let is_full = self.of_transfers() >= MOST_OF_TRANSFERS;
            self.stands(now, AlarmKind::TooMany, AlarmAbout::Bridge, is_full.then_some("full"));
        }
        let is_over = |open: &Open| {
            open.over_since.is_some_and(|since| now.at.saturating_duration_since(since) >= OVER_FOR)
        };
        let over = self.open.iter().filter(|(_, open)| is_over(open));
        let over: Vec<Key> = over.map(|(key, _)| key.clone()).collect();
        for key in over {
            let Some(mut open) = self.open.remove(&key) else { continue };
            let note = match ends(key.0) {
                Ends::ByItself(when) => format!("it is over: {when}"),
                Ends::ByPerson(_) => "it is over".to_owned(),
            };
            open.alarm.closed = Some(Closed { at: now.wall, who: None, note: note.into() });
            self.end(Writing { number: open.number, alarm: open.alarm });
        }
    }

    /// One has closed, and that is to be recorded.
    fn end(&mut self, ended: Writing) {
        if self.ended.len() == MOST_ENDED {
            // The log has it. Where it is recorded as open it closes after the next start.
            self.ended.pop_front();
            self.left_out = self.left_out.saturating_add(1);
        }
        self.ended.push_back(ended);
    }

    /// The counters about which an alarm of this kind is open.
    pub(crate) fn counters(&self, kind: AlarmKind) -> Vec<AlarmAbout> {
        let of_kind = self.open.keys().filter(|key| key.0 == kind);
        let abouts = of_kind.map(|key| key.1.clone());
        abouts.filter(|about| matches!(about, AlarmAbout::Counter(_))).collect()
    }

    /// Whether one is open.
    pub(crate) fn is_open(&self, kind: AlarmKind, about: &AlarmAbout) -> bool {
        self.open.contains_key(&(kind, about.clone()))
    }

    /// What the record lacks, not too much at once; how often something was said with it only if that is due.
    pub(crate) fn to_write(&self, is_due: bool) -> Vec<Writing> {
        let lacks = |open: &&Open| open.is_new || (is_due && open.is_retold);
        let mut open: Vec<&Open> = self.open.values().filter(lacks).collect();
        open.sort_by_key(|open| (!open.is_new, open.turn));
        let open = open.into_iter();
        let open = open.map(|open| Writing { number: open.number, alarm: open.alarm.clone() });
        self.ended.iter().cloned().chain(open).take(A_BATCH).collect()
    }

    /// What was written is durable, and stands so in the record.
    pub(crate) fn written(
        &mut self,
        now: Now,
        written: Vec<Writing>,
        kept: Vec<NumberedAlarm>,
    ) -> Vec<Told> {
        let mut told = Vec::new();
        for (sent, (number, kept)) in written.into_iter().zip(kept) {
            if sent.number.is_none() {
                told.push(Told::Raised((number, kept.clone())));
            }
            if sent.alarm.closed.is_some() && !self.is_it(&sent) {
                self.ended.retain(|ended| !is_same(&ended.alarm, &sent.alarm));
                told.push(Told::Closed((number, kept)));
                continue;
            }
            told.extend(self.follow(now, &sent, number, kept));
        }
        told
    }

    /// Whether the alarm that was sent is open here.
    fn is_it(&self, sent: &Writing) -> bool {
        let open = self.open.get(&(sent.alarm.kind, sent.alarm.about.clone()));
        open.is_some_and(|open| is_same(&open.alarm, &sent.alarm))
    }

    /// An open alarm stands in the record as it was kept.
    fn follow(&mut self, now: Now, sent: &Writing, number: i64, kept: Alarm) -> Option<Told> {
        let key = (sent.alarm.kind, sent.alarm.about.clone());
        let open = self.open.get_mut(&key)?;
        if !is_same(&open.alarm, &sent.alarm) {
            return None;
        }
        let said_since = open.alarm.times.saturating_sub(sent.alarm.times);
        if kept.closed.is_none() {
            let is_seen = open.alarm.acknowledged.is_none() && kept.acknowledged.is_some();
            self.turns += 1;
            (open.number, open.turn) = (Some(number), self.turns);
            (open.is_new, open.is_retold) = (false, said_since > 0);
            open.alarm.raised_at = kept.raised_at;
            open.alarm.acknowledged.clone_from(&kept.acknowledged);
            return is_seen.then_some(Told::Seen((number, kept)));
        }
        let latest = open.alarm.latest.clone();
        self.open.remove(&key);
        if said_since > 0 {
            // Said while it was being closed: whoever closed it has not seen that.
            self.say(now, key.0, key.1.clone(), latest.as_received());
            if let Some(open) = self.open.get_mut(&key) {
                open.alarm.times = said_since;
            }
        }
        Some(Told::Closed((number, kept)))
    }

    /// The open alarm with this number.
    pub(crate) fn find(&self, number: i64) -> Option<OpenAlarm> {
        let found = self.open.values().find(|open| open.number == Some(number));
        found.map(shown)
    }

    /// It is not known how the record has it: it is written once more, and read by that.
    pub(crate) fn doubt(&mut self, number: i64) {
        let found = self.open.values_mut().find(|open| open.number == Some(number));
        if let Some(open) = found {
            open.is_new = true;
        }
    }

    /// All that are open: those that nobody has acknowledged first, and of them the latest.
    pub(crate) fn all(&self) -> Vec<OpenAlarm> {
        let mut all: Vec<OpenAlarm> = self.open.values().map(shown).collect();
        all.sort_by_key(|open| {
            (open.alarm.acknowledged.is_some(), std::cmp::Reverse(open.alarm.raised_at))
        });
        all
    }

    /// How many alarms there was no room for, since the start.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    fn of_transfers(&self) -> usize {
        let is_of_one = |key: &&Key| matches!(key.1, AlarmAbout::Transfer(_));
        self.open.keys().filter(is_of_one).count()
    }
}

fn shown(open: &Open) -> OpenAlarm {
    let Open { number, alarm, over_since, .. } = open;
    OpenAlarm { number: *number, alarm: alarm.clone(), is_over: over_since.is_some() }
}

/// Whether two are one alarm, however each stands.
fn is_same(one: &Alarm, other: &Alarm) -> bool {
    (one.kind, &one.about, one.raised_at) == (other.kind, &other.about, other.raised_at)
}

/// As much of a text as is kept.
fn clipped(text: &str) -> &str {
    let end = (0..=LONGEST.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests;
