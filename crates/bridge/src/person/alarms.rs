//! Alarms as `counter-bridge status` shows them: how many are open, and of some what they say. Those that nobody has
//! acknowledged come first, and of them the latest.

use super::tables::plain;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Alarms that are shown; the page has all of them.
const MOST_SHOWN: usize = 5;

/// Characters of an alarm's text that are shown.
const MOST_CHARACTERS: usize = 200;

/// `GET /ops/v1/alarms?state=open`, as much of it as is shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Alarms {
    pub(super) alarms: Vec<Alarm>,
    /// Why they are not known: they were not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unknown: Option<String>,
}

/// An alarm that is open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Alarm {
    /// None until the database has taken it.
    pub(super) number: Option<i64>,
    pub(super) kind: String,
    pub(super) text: String,
    /// RFC 3339, UTC.
    pub(super) raised_at: String,
    pub(super) times: u64,
    /// What it said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) latest: Option<String>,
    /// The counter that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) counter: Option<String>,
    /// The transfer that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) transfer: Option<String>,
    pub(super) acknowledged: Option<Seen>,
}

/// Who looks into it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) who: Option<String>,
    pub(super) note: String,
}

impl Alarms {
    /// In words, a line each; nothing where none is open. So many of them are to be looked into, as the bridge counts: an
    /// acknowledgement means what was seen.
    pub(super) fn told(&self, unseen: usize) -> String {
        if let Some(why) = &self.unknown {
            return format!("\nALARMS ARE OPEN, AND CANNOT BE SHOWN: {}", clipped(why));
        }
        // They come the latest first.
        let mut all: Vec<&Alarm> = self.alarms.iter().collect();
        all.sort_by_key(|alarm| alarm.acknowledged.is_some());
        let mut text = match all.len() {
            0 => return String::new(),
            1 => "\n1 ALARM IS OPEN".to_owned(),
            count => format!("\n{count} ALARMS ARE OPEN"),
        };
        match unseen {
            0 => text.push_str(", each acknowledged"),
            count => {
                let _ = write!(text, ", {count} not acknowledged");
            }
        }
        for alarm in all.iter().take(MOST_SHOWN) {
            let _ = write!(text, "\n  {}", alarm.told());
        }
        if all.len() > MOST_SHOWN {
            let _ = write!(text, "\n  {} more: the page Alarms has them", all.len() - MOST_SHOWN);
        }
        text
    }
}

impl Alarm {
    fn told(&self) -> String {
        let Alarm { number, kind, text, latest, raised_at, times, acknowledged, .. } = self;
        let number = number.map_or_else(|| "–".to_owned(), |number| number.to_string());
        let mut told = format!("{number} {} since {}", plain(kind), plain(raised_at));
        if *times > 1 {
            let _ = write!(told, ", said {times} times");
        }
        let _ = write!(told, ": {}", clipped(text));
        if let Some(latest) = latest.as_ref().filter(|latest| *latest != text) {
            let _ = write!(told, " … {}", clipped(latest));
        }
        if let Some(Seen { who, note }) = acknowledged {
            let who = who.as_deref().unwrap_or("somebody");
            let _ = write!(told, " ({} looks into it: {})", plain(who), clipped(note));
        }
        told
    }
}

fn clipped(text: &str) -> String {
    let whole = plain(text);
    let end = whole.char_indices().nth(MOST_CHARACTERS).map(|(end, _)| end);
    match end {
        Some(end) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(number: i64, acknowledged: Option<Seen>) -> Alarm {
        Alarm {
            number: Some(number),
            kind: "defect".to_owned(),
            text: "it failed".to_owned(),
            raised_at: format!("2026-11-21T10:00:{number:02}Z"),
            times: 1,
            latest: None,
            counter: None,
            transfer: None,
            acknowledged,
        }
    }

    #[test]
    fn those_that_nobody_looks_into_come_first_and_the_latest_of_them() {
        let seen = Seen { who: Some("lin\u{1b}".to_owned()), note: "on the telephone".to_owned() };
        let forged = Alarm { times: 3, text: "it\u{1b}[31m lies".to_owned(), ..alarm(3, None) };
        let two = Alarm { latest: Some("it failed".to_owned()), ..alarm(2, None) };
        let alarms = vec![alarm(4, Some(seen)), forged, two];
        let told = Alarms { alarms, unknown: None }.told(2);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[1], "3 ALARMS ARE OPEN, 2 not acknowledged");
        assert!(lines[2].starts_with("  3 defect since 2026-11-21T10:00:03Z, said 3 times: it"));
        assert_eq!(lines[3], "  2 defect since 2026-11-21T10:00:02Z: it failed");
        assert!(
            lines[4].contains("4 defect")
                && lines[4].ends_with(" looks into it: on the telephone)")
        );
        assert!(!told.contains('\u{1b}'), "nobody's words drive the terminal: {told:?}");
    }

    #[test]
    fn however_many_there_are_and_however_long_they_are_a_few_lines_say_so() {
        assert_eq!(Alarms::default().told(0), "");
        let again = Alarm { number: None, latest: Some("and again".to_owned()), ..alarm(1, None) };
        let only = Alarms { alarms: vec![again], unknown: None }.told(1);
        assert!(only.ends_with(": it failed … and again"), "{only}");
        assert!(only.starts_with("\n1 ALARM IS OPEN, 1 not acknowledged\n  – defect since"));
        let long = |number| Alarm { text: "长".repeat(2_000), ..alarm(number, None) };
        let told = Alarms { alarms: (1..=50).map(long).collect(), unknown: None }.told(50);
        assert_eq!(told.lines().count(), 1 + 1 + MOST_SHOWN + 1);
        assert!(told.ends_with("\n  45 more: the page Alarms has them"), "{told}");
        assert!(told.chars().count() < MOST_SHOWN * (MOST_CHARACTERS + 50) + 100, "{told}");
        let unknown = Alarms { alarms: Vec::new(), unknown: Some("no\u{1b} right".to_owned()) };
        assert!(unknown.told(1).starts_with("\nALARMS ARE OPEN, AND CANNOT BE SHOWN: no"));
        assert!(!unknown.told(1).contains('\u{1b}'));
    }
}
