//! When a counter is talked to at all: windows of the week, and days that are otherwise. Pure: the time
//! goes in, what it means comes out.

use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use time::{Date, Month, Weekday};

const DAY_S: i64 = 24 * 3600;

/// How far ahead is looked, in days: a year, and the days off around its end.
const LOOK_AHEAD: i64 = 400;

/// The names of the days, as they are written.
const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// The hours in which a counter is talked to, in its own zone. Cheap to clone; all clones are the same
/// hours, and what takes their place holds for whoever looks next.
#[derive(Clone)]
pub struct ServiceHours(Arc<ArcSwap<Schedule>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Schedule {
    utc_offset_minutes: i16,
    weekly: Vec<Weekly>,
    /// Days that are not like their weekday, by their number since 1970; a day without windows is off.
    special: BTreeMap<i64, Vec<Window>>,
}

/// A window of some weekdays.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Weekly {
    /// From Monday on.
    days: [bool; 7],
    window: Window,
}

/// From an hour of the day on, perhaps into the next day. It belongs to the day on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    opens_s: i64,
    lasts_s: i64,
}

/// What hours mean at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Now {
    /// Open for so long.
    Open(Duration),
    /// Closed for so long.
    Closed(Duration),
}

impl ServiceHours {
    /// Every day from `opens_s` to `closes_s`, in seconds after midnight, in a zone so many minutes east
    /// of UTC. `None` if they are the same, or not within a day.
    pub fn new(opens_s: u32, closes_s: u32, utc_offset_minutes: i16) -> Option<ServiceHours> {
        let window = Window::new(i64::from(opens_s), i64::from(closes_s))?;
        let weekly = vec![Weekly { days: [true; 7], window }];
        Some(ServiceHours::of(Schedule { utc_offset_minutes, weekly, special: BTreeMap::new() }))
    }

    fn of(schedule: Schedule) -> ServiceHours {
        ServiceHours(Arc::new(ArcSwap::from_pointee(schedule)))
    }

    /// The same, but for the days that `text` names, each in a line: `2026-10-01` is off, and on
    /// `2026-09-30 09:00-11:30 13:30-15:00` these windows take the place of the weekday's. What stands
    /// behind a `#` is for people.
    pub fn with_special_days(&self, text: &str) -> Result<ServiceHours, NotADay> {
        let mut schedule = Schedule::clone(&self.0.load());
        for (index, line) in text.lines().enumerate() {
            let wrong = || NotADay { line: index + 1 };
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(day) = words.next() else { continue };
            let day = day_number(day).ok_or_else(wrong)?;
            let windows: Option<Vec<Window>> = words.map(window).collect();
            if schedule.special.insert(day, windows.ok_or_else(wrong)?).is_some() {
                return Err(wrong());
            }
        }
        Ok(ServiceHours::of(schedule))
    }

    /// Puts other hours in the place of these. A session that is open ends when it would have.
    pub fn replace(&self, with: &ServiceHours) {
        self.0.store(with.0.load_full());
    }

    /// At a time in microseconds since 1970 UTC.
    pub(crate) fn at(&self, unix_micros: i64) -> Now {
        self.0.load().at(unix_micros)
    }
}

impl Schedule {
    fn at(&self, unix_micros: i64) -> Now {
        let micros = unix_micros + i64::from(self.utc_offset_minutes) * 60_000_000;
        let (now, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        let today = now.div_euclid(DAY_S);
        // At the stroke of opening it is open, at that of closing it is not.
        let until = |end: i64| {
            let micros = (end - now) * 1_000_000 - rest;
            Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        };
        let mut end = now;
        for day in today - 1..=today + LOOK_AHEAD {
            for (opens, closes) in self.of_day(day) {
                if opens <= end && end < closes {
                    end = closes;
                } else if opens > end {
                    // Those of a day are in order, and no earlier one is later.
                    return if end > now {
                        Now::Open(until(end))
                    } else {
                        Now::Closed(until(opens))
                    };
                }
            }
        }
        if end > now { Now::Open(until(end)) } else { Now::Closed(until(now + DAY_S)) }
    }

    /// The windows that begin on a day, in order, in seconds since 1970 of the zone.
    fn of_day(&self, day: i64) -> impl Iterator<Item = (i64, i64)> + use<> {
        let of_week = || {
            // The first of 1970 was a Thursday.
            let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default();
            let these = self.weekly.iter().filter(|weekly| weekly.days[weekday]);
            these.map(|weekly| weekly.window).collect()
        };
        let mut windows: Vec<Window> = self.special.get(&day).cloned().unwrap_or_else(of_week);
        windows.sort_by_key(|window| (window.opens_s, window.lasts_s));
        windows.into_iter().map(move |window| {
            let opens = day * DAY_S + window.opens_s;
            (opens, opens + window.lasts_s)
        })
    }
}

impl Window {
    /// `None` if both are the same, or not within a day. One that closes before it opens goes over
    /// midnight.
    fn new(opens_s: i64, closes_s: i64) -> Option<Window> {
        let good = (0..DAY_S).contains(&opens_s) && (0..=DAY_S).contains(&closes_s);
        let lasts_s =
            if closes_s > opens_s { closes_s - opens_s } else { closes_s + DAY_S - opens_s };
        (good && closes_s != opens_s).then_some(Window { opens_s, lasts_s })
    }
}

impl PartialEq for ServiceHours {
    fn eq(&self, other: &ServiceHours) -> bool {
        **self.0.load() == **other.0.load()
    }
}

impl fmt::Debug for ServiceHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.load().fmt(f)
    }
}

/// Not hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "hours are written like \"09:00-15:30 +08:00\" or \"Mon-Fri 09:00-11:30 13:30-15:00, Mon-Thu \
     21:00-02:30 +08:00\""
)]
pub struct NotHours;

/// Not a day that is otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: a day is written once, like \"2026-10-01\" (off) or \"2026-09-30 09:00-11:30 \
     13:30-15:00\" (these hours alone)"
)]
pub struct NotADay {
    /// Which line, from 1.
    line: usize,
}

impl FromStr for ServiceHours {
    type Err = NotHours;

    /// `Mon-Fri 09:00-11:30 13:30-15:00, Mon-Thu 21:00-02:30 +08:00`: days (all, if none are named) with
    /// their windows, more of them behind commas, and the zone.
    fn from_str(text: &str) -> Result<ServiceHours, NotHours> {
        let (groups, zone) = text.rsplit_once(' ').ok_or(NotHours)?;
        let mut weekly = Vec::new();
        for group in groups.split(',') {
            let mut words = group.split_whitespace().peekable();
            let days = words.peek().copied().and_then(days);
            if days.is_some() {
                words.next();
            }
            let before = weekly.len();
            for word in words {
                let window = window(word).ok_or(NotHours)?;
                weekly.push(Weekly { days: days.unwrap_or([true; 7]), window });
            }
            if weekly.len() == before {
                return Err(NotHours);
            }
        }
        let utc_offset_minutes = offset(zone).ok_or(NotHours)?;
        Ok(ServiceHours::of(Schedule { utc_offset_minutes, weekly, special: BTreeMap::new() }))
    }
}

/// `Mon`, or `Mon-Fri`, also over the end of the week.
fn days(text: &str) -> Option<[bool; 7]> {
    let of = |name: &str| DAYS.iter().position(|(short, _)| *short == name);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (of(first)?, of(last)?);
    let count = (last + 7 - first) % 7;
    let mut days = [false; 7];
    for day in first..=first + count {
        days[day % 7] = true;
    }
    Some(days)
}

/// `09:00-15:30`.
fn window(text: &str) -> Option<Window> {
    let (opens, closes) = text.split_once('-')?;
    Window::new(minutes(opens)? * 60, minutes(closes)? * 60)
}

/// `+08:00` as minutes east of UTC.
fn offset(zone: &str) -> Option<i16> {
    let (sign, apart) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(east), _) => (1, east),
        (None, Some(west)) => (-1, west),
        (None, None) => return None,
    };
    let offset = i16::try_from(sign * minutes(apart)?).ok()?;
    (-12 * 60..=14 * 60).contains(&offset).then_some(offset)
}

/// `HH:MM` as minutes; `24:00` is the end of the day.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, most: i64| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| digits && *number <= most)
    };
    let minutes = number(hours, 24)? * 60 + number(minutes, 59)?;
    (minutes <= 24 * 60).then_some(minutes)
}

/// `2026-10-01` as a number of days since 1970.
fn day_number(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let mut number = |length: usize| {
        let part = parts.next()?;
        let digits = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()?;
    Some((date - Date::from_calendar_date(1970, Month::January, 1).ok()?).whole_days())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(hours: &ServiceHours, hour: i64) -> (bool, u64) {
        match hours.at(hour * 3_600_000_000) {
            Now::Open(rest) => (true, rest.as_secs() / 3600),
            Now::Closed(rest) => (false, rest.as_secs() / 3600),
        }
    }

    #[test]
    fn it_is_open_from_its_opening_up_to_its_closing() {
        let day = ServiceHours::new(9 * 3600, 15 * 3600, 0).expect("hours");
        assert_eq!(at(&day, 8), (false, 1));
        assert_eq!(at(&day, 9), (true, 6));
        assert_eq!(at(&day, 14), (true, 1));
        assert_eq!(at(&day, 15), (false, 18));
        assert_eq!(at(&day, 24 + 10), (true, 5));
        let micro = Duration::from_micros(1);
        let nine = 9 * 3_600_000_000;
        assert_eq!(day.at(nine - 1), Now::Closed(micro));
        assert_eq!(day.at(nine), Now::Open(Duration::from_hours(6)));
        assert_eq!(day.at(nine + 6 * 3_600_000_000 - 1), Now::Open(micro));
    }

    #[test]
    fn over_midnight_and_in_another_zone() {
        let night = ServiceHours::new(22 * 3600, 2 * 3600, 8 * 60).expect("hours");
        assert_eq!(at(&night, 13), (false, 1), "21:00 there");
        assert_eq!(at(&night, 15), (true, 3), "23:00 there");
        assert_eq!(at(&night, 17), (true, 1), "01:00 there");
        assert_eq!(at(&night, 18), (false, 20), "02:00 there");
        assert_eq!(ServiceHours::new(1, 1, 0), None);
        assert_eq!(ServiceHours::new(86_400, 1, 0), None);
        assert_eq!(ServiceHours::new(1, 86_401, 0), None);
    }

    /// A futures counter: three windows a day, and a night session that begins on the evenings before
    /// trading days.
    const FUTURES: &str =
        "Mon-Fri 09:00-10:15 10:30-11:30 13:30-15:00, Mon-Thu 21:00-02:30, Sun 21:00-02:30 +08:00";

    /// Whether it is open at a moment of the zone, and when that changes.
    fn looked_up(hours: &ServiceHours, date: &str, time: &str) -> (bool, String) {
        let second = |date: &str, time: &str| {
            day_number(date).expect("a day") * DAY_S + minutes(time).expect("a time") * 60
        };
        let now = second(date, time) - 8 * 3600;
        let (open, rest) = match hours.at(now * 1_000_000) {
            Now::Open(rest) => (true, rest),
            Now::Closed(rest) => (false, rest),
        };
        let then = now + 8 * 3600 + i64::try_from(rest.as_secs()).expect("seconds");
        let date = Date::from_calendar_date(1970, Month::January, 1).expect("a day")
            + time::Duration::days(then.div_euclid(DAY_S));
        let minute = then.rem_euclid(DAY_S) / 60;
        (open, format!("{date} {:02}:{:02}", minute / 60, minute % 60))
    }

    #[test]
    fn windows_of_a_week_and_days_that_are_otherwise() {
        let hours: ServiceHours = FUTURES.parse().expect("hours");
        // 2026-09-28 is a Monday.
        for (date, time, open, then) in [
            ("2026-09-28", "08:59", false, "2026-09-28 09:00"),
            ("2026-09-28", "09:00", true, "2026-09-28 10:15"),
            ("2026-09-28", "10:15", false, "2026-09-28 10:30"),
            ("2026-09-28", "11:30", false, "2026-09-28 13:30"),
            ("2026-09-28", "15:00", false, "2026-09-28 21:00"),
            ("2026-09-28", "23:00", true, "2026-09-29 02:30"),
            ("2026-09-29", "02:29", true, "2026-09-29 02:30"),
            ("2026-10-02", "15:00", false, "2026-10-04 21:00"),
            ("2026-10-05", "01:00", true, "2026-10-05 02:30"),
        ] {
            assert_eq!(looked_up(&hours, date, time), (open, then.to_owned()), "{date} {time}");
        }
        let holidays = "# the National Day\n2026-09-30 09:00-10:15 10:30-11:30 13:30-15:00 # no night\n\
                        2026-10-01\n2026-10-02\n\n2026-10-04\n2026-10-05\n2026-10-06\n2026-10-07\n";
        let hours = hours.with_special_days(holidays).expect("days");
        for (date, time, open, then) in [
            ("2026-09-29", "22:00", true, "2026-09-30 02:30"),
            ("2026-09-30", "14:00", true, "2026-09-30 15:00"),
            ("2026-09-30", "15:00", false, "2026-10-08 09:00"),
            ("2026-10-01", "10:00", false, "2026-10-08 09:00"),
            ("2026-10-08", "09:00", true, "2026-10-08 10:15"),
        ] {
            assert_eq!(looked_up(&hours, date, time), (open, then.to_owned()), "{date} {time}");
        }
        // All clones change together.
        let link = hours.clone();
        hours.replace(&"Mon-Sun 00:00-24:00 +08:00".parse().expect("hours"));
        assert!(looked_up(&link, "2026-10-01", "10:00").0);
    }

    #[test]
    fn windows_that_touch_are_one_and_what_never_opens_is_looked_at_again() {
        let hours: ServiceHours =
            "Mon-Tue 00:00-24:00, Wed 00:00-12:00 11:00-13:00 +08:00".parse().expect("hours");
        assert_eq!(looked_up(&hours, "2026-09-28", "00:00"), (true, "2026-09-30 13:00".to_owned()));
        let always: ServiceHours = "00:00-24:00 +08:00".parse().expect("hours");
        assert!(matches!(always.at(0), Now::Open(rest) if rest > Duration::from_hours(24 * 365)));
        let never = (0..800).map(|day| {
            let date = Date::from_calendar_date(2026, Month::January, 1).expect("a day");
            format!("{}\n", date + time::Duration::days(day))
        });
        let never = always.with_special_days(&never.collect::<String>()).expect("days");
        assert_eq!(
            looked_up(&never, "2026-01-02", "00:00"),
            (false, "2026-01-03 00:00".to_owned())
        );
    }

    #[test]
    fn hours_are_read_from_text() {
        let hours: ServiceHours = "09:00-15:30 +08:00".parse().expect("hours");
        assert_eq!(Some(hours), ServiceHours::new(9 * 3600, 15 * 3600 + 1800, 480));
        let hours: ServiceHours = "22:15-02:00 -03:30".parse().expect("hours");
        assert_eq!(Some(hours), ServiceHours::new(22 * 3600 + 900, 2 * 3600, -210));
        let whole: ServiceHours = "Mon-Sun 09:00-24:00 +00:00".parse().expect("hours");
        assert_eq!(Some(whole), ServiceHours::new(9 * 3600, 86_400, 0));
        let weekend: ServiceHours = "Sat-Sun 09:00-10:00 +00:00".parse().expect("hours");
        assert_eq!(
            "Sat 09:00-10:00, Sun 09:00-10:00 +00:00"
                .parse::<ServiceHours>()
                .map(|hours| at(&hours, 0)),
            Ok(at(&weekend, 0))
        );
        for (zone, good) in
            [("+14:00", true), ("+14:01", false), ("-12:00", true), ("-12:01", false)]
        {
            let hours = format!("09:00-10:00 {zone}").parse::<ServiceHours>();
            assert_eq!(hours.is_ok(), good, "{zone}");
        }
        for wrong in [
            "",
            "+08:00",
            "Mon-Fri +08:00",
            "9:00-15:00 +08:00",
            "09:00-15:00",
            "24:00-09:00 +00:00",
            "09:00-24:01 +00:00",
            "a-b +c",
            "09:00-09:00 +08:00",
            "09:00-15:60 +08:00",
            "09:00-15:00 +15:00",
            "09:00-15:00 08:00",
            "Mon-Fri 09:00-15:00, +08:00",
            "09:00-15:00 Mon +08:00",
            "mon 09:00-15:00 +08:00",
            "Mon-Fri-Sat 09:00-15:00 +08:00",
        ] {
            assert!(wrong.parse::<ServiceHours>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_that_is_none_is_told_with_its_line() {
        let hours = ServiceHours::new(1, 2, 0).expect("hours");
        for (text, line) in [
            ("2026-02-29", 1),
            ("2026-10-01\n2026-13-01", 2),
            ("\n\n26-10-01", 3),
            ("2026-10-01 09:00", 1),
            ("2026-10-01 09:00-09:00", 1),
            ("2026-10-01\n2026-10-01", 2),
            ("2026-10-01-1", 1),
            ("holiday", 1),
        ] {
            assert_eq!(hours.with_special_days(text).err(), Some(NotADay { line }), "{text}");
        }
        assert!(hours.with_special_days("").is_ok());
    }

    proptest! {
        /// Whatever the schedule: what holds now holds until the moment that is told, and no longer.
        #[test]
        fn what_is_told_is_when_it_changes(
            windows in proptest::collection::vec(
                (proptest::array::uniform7(any::<bool>()), 0..1440_i64, 1..1440_i64), 1..5),
            special in proptest::collection::btree_map(-3..10_i64, proptest::collection::vec((0..1440_i64, 1..1440_i64), 0..3), 0..4),
            minute in 0..10_000_i64,
        ) {
            let window = |(opens, lasts): (i64, i64)| Window { opens_s: opens * 60, lasts_s: lasts * 60 };
            let schedule = Schedule {
                utc_offset_minutes: 0,
                weekly: windows.into_iter().map(|(days, opens, lasts)| Weekly { days, window: window((opens, lasts)) }).collect(),
                special: special.into_iter().map(|(day, all)| (day, all.into_iter().map(window).collect())).collect(),
            };
            // Minute by minute, as plainly as it can be said.
            let is_open = |minute: i64| {
                let second = minute * 60;
                let day = second.div_euclid(DAY_S);
                (day - 1..=day).any(|day| schedule.of_day(day).any(|(opens, closes)| opens <= second && second < closes))
            };
            let (open, rest) = match schedule.at(minute * 60_000_000) {
                Now::Open(rest) => (true, rest),
                Now::Closed(rest) => (false, rest),
            };
            prop_assert_eq!(open, is_open(minute));
            let rest = i64::try_from(rest.as_secs() / 60).expect("minutes");
            for later in 1..rest.min(20_000) {
                prop_assert_eq!(is_open(minute + later), open, "{} later", later);
            }
            if (open || rest != 24 * 60) && rest < 20_000 {
                prop_assert_eq!(is_open(minute + rest), !open);
            }
        }
    }
}
