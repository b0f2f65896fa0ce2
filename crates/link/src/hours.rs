//! When a counter is talked to at all. Pure: the time goes in, what it means comes out.

use std::str::FromStr;
use std::time::Duration;

const DAY_S: u32 = 24 * 3600;

/// The hours of every day in which a counter is talked to, in its own zone. They may go over
/// midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceHours {
    opens_s: u32,
    closes_s: u32,
    utc_offset_minutes: i16,
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
    /// From `opens_s` to `closes_s`, in seconds after midnight, in a zone so many minutes east of
    /// UTC. `None` if they are the same, or not within a day.
    pub fn new(opens_s: u32, closes_s: u32, utc_offset_minutes: i16) -> Option<ServiceHours> {
        let good = opens_s < DAY_S && closes_s < DAY_S && opens_s != closes_s;
        good.then_some(ServiceHours { opens_s, closes_s, utc_offset_minutes })
    }

    /// At a time in microseconds since 1970 UTC.
    pub(crate) fn at(&self, unix_micros: i64) -> Now {
        let micros = |seconds: u32| i64::from(seconds) * 1_000_000;
        let (day, opens, closes) = (micros(DAY_S), micros(self.opens_s), micros(self.closes_s));
        let now = unix_micros + i64::from(self.utc_offset_minutes) * 60_000_000;
        // Both from the opening on, over midnight if need be.
        let (is, lasts) = ((now - opens).rem_euclid(day), (closes - opens).rem_euclid(day));
        let until = |end: i64| Duration::from_micros(u64::try_from(end - is).unwrap_or(0));
        // At the stroke of opening it is open, at that of closing it is not.
        if is < lasts { Now::Open(until(lasts)) } else { Now::Closed(until(day)) }
    }
}

/// Not hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hours are written like 09:00-15:30 +08:00")]
pub struct NotHours;

impl FromStr for ServiceHours {
    type Err = NotHours;

    /// `09:00-15:30 +08:00`: opening, closing, and the zone.
    fn from_str(text: &str) -> Result<ServiceHours, NotHours> {
        let (hours, zone) = text.split_once(' ').ok_or(NotHours)?;
        let (opens, closes) = hours.split_once('-').ok_or(NotHours)?;
        let apart = |zone| i16::try_from(minutes(zone)?).map_err(|_| NotHours);
        let offset = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
            (Some(east), _) => apart(east)?,
            (None, Some(west)) => -apart(west)?,
            (None, None) => return Err(NotHours),
        };
        if !(-12 * 60..=14 * 60).contains(&offset) {
            return Err(NotHours);
        }
        ServiceHours::new(minutes(opens)? * 60, minutes(closes)? * 60, offset).ok_or(NotHours)
    }
}

/// `HH:MM` as minutes.
fn minutes(text: &str) -> Result<u32, NotHours> {
    let (hours, minutes) = text.split_once(':').ok_or(NotHours)?;
    let number = |text: &str, below: u32| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|number| digits && *number < below);
        number.ok_or(NotHours)
    };
    Ok(number(hours, 24)? * 60 + number(minutes, 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn over_midnight_and_in_another_zone() {
        let night = ServiceHours::new(22 * 3600, 2 * 3600, 8 * 60).expect("hours");
        assert_eq!(at(&night, 13), (false, 1), "21:00 there");
        assert_eq!(at(&night, 15), (true, 3), "23:00 there");
        assert_eq!(at(&night, 17), (true, 1), "01:00 there");
        assert_eq!(at(&night, 18), (false, 20), "02:00 there");
        assert_eq!(ServiceHours::new(1, 1, 0), None);
        assert_eq!(ServiceHours::new(0, DAY_S, 0), None);
    }

    #[test]
    fn hours_are_read_from_text() {
        let hours: ServiceHours = "09:00-15:30 +08:00".parse().expect("hours");
        assert_eq!(Some(hours), ServiceHours::new(9 * 3600, 15 * 3600 + 1800, 480));
        let hours: ServiceHours = "22:15-02:00 -03:30".parse().expect("hours");
        assert_eq!(Some(hours), ServiceHours::new(22 * 3600 + 900, 2 * 3600, -210));
        for wrong in [
            "",
            "9:00-15:00 +08:00",
            "09:00-15:00",
            "09:00-24:00 +00:00",
            "a-b +c",
            "09:00-09:00 +08:00",
            "09:00-15:60 +08:00",
            "09:00-15:00 +15:00",
            "09:00-15:00 08:00",
        ] {
            assert!(wrong.parse::<ServiceHours>().is_err(), "{wrong}");
        }
    }
}
