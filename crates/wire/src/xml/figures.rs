//! How amounts and times are spelled.

use crate::terms::{self, Fault};
use bytes::BytesMut;
use domain::money::Amount;
use domain::profile::AmountUnit;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// Appends a number without leading zeros.
pub(crate) fn put_number(out: &mut BytesMut, number: u64) {
    let mut width = 1;
    let mut rest = number / 10;
    while rest > 0 {
        width += 1;
        rest /= 10;
    }
    put_padded(out, number, width);
}

/// Appends the last `width` digits of a number, at most 20, with leading zeros.
pub(crate) fn put_padded(out: &mut BytesMut, number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    for digit in digits.iter_mut().rev().take(width) {
        *digit = b'0' + (rest % 10).to_le_bytes()[0];
        rest /= 10;
    }
    out.extend_from_slice(&digits[20 - width..]);
}

/// One to `longest` digits as a number.
pub(crate) fn number(field: &'static str, text: &str, longest: usize) -> Result<u64, Fault> {
    if (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| Fault::of(field, "out of range"))
    } else {
        Err(Fault::of(field, format_args!("must be 1 to {longest} digits")))
    }
}

/// Appends minor units, at most twelve digits of them, in the counter's unit.
pub(crate) fn put_money(out: &mut BytesMut, minor: u64, unit: AmountUnit) {
    match unit {
        AmountUnit::Minor => put_padded(out, minor, 12),
        AmountUnit::Major => {
            put_number(out, minor / 100);
            out.extend_from_slice(b".");
            put_padded(out, minor, 2);
        }
    }
}

/// Minor units, at most twelve digits of them. A counter that writes minor units writes no point, one
/// that writes major units writes exactly two decimals: the one is never taken for the other.
pub(crate) fn money(field: &'static str, text: &str, unit: AmountUnit) -> Result<i64, Fault> {
    let minor = match unit {
        AmountUnit::Minor => number(field, text, 12)?,
        AmountUnit::Major => {
            let (major, cents) = text
                .split_once('.')
                .filter(|(_, cents)| cents.len() == 2)
                .ok_or_else(|| Fault::of(field, "must be major units with exactly two decimals"))?;
            number(field, major, 10)? * 100 + number(field, cents, 2)?
        }
    };
    i64::try_from(minor).map_err(|_| Fault::of(field, "out of range"))
}

/// A balance's figure that twelve digits can say.
pub(crate) fn sayable_figure(field: &'static str, minor: i64) -> Result<u64, Fault> {
    if minor > Amount::MAX.minor() {
        return Err(Fault::of(field, "has more than twelve digits"));
    }
    terms::figure(field, minor).map(i64::cast_unsigned)
}

/// Appends `YYYY-MM-DDTHH:MM:SS` in the counter's zone; parts of a second are cut off.
pub(crate) fn put_time(out: &mut BytesMut, micros: i64, offset_minutes: i16) -> Result<(), Fault> {
    let local = terms::entry_time(micros)?.div_euclid(1_000_000) + i64::from(offset_minutes) * 60;
    let local = OffsetDateTime::from_unix_timestamp(local)
        .map_err(|_| Fault::from("time: out of range"))?;
    // Four digits: what is written is before the year 9200.
    let year = u16::try_from(local.year()).map_err(|_| Fault::from("time: out of range"))?;
    let [century, year] = [year / 100, year % 100].map(|digits| digits.to_le_bytes()[0]);
    let mut spelled = *b"0000-00-00T00:00:00";
    for (at, part) in [
        (0, century),
        (2, year),
        (5, u8::from(local.month())),
        (8, local.day()),
        (11, local.hour()),
        (14, local.minute()),
        (17, local.second()),
    ] {
        spelled[at] = b'0' + part / 10;
        spelled[at + 1] = b'0' + part % 10;
    }
    out.extend_from_slice(&spelled);
    Ok(())
}

/// Microseconds since 1970 UTC of a time in the counter's zone: `2000-01-01T02:02:23`, or
/// `2000:03:01T10:22:33` as the source's prose has it.
pub(crate) fn time(field: &'static str, text: &str, offset_minutes: i16) -> Result<i64, Fault> {
    let local = local_time(text)
        .ok_or_else(|| Fault::of(field, "must be a time such as 2000-01-01T02:02:23"))?;
    let seconds = local.assume_utc().unix_timestamp() - i64::from(offset_minutes) * 60;
    terms::entry_time(seconds.saturating_mul(1_000_000))
}

/// The same as it is read where it is only for people: with a blank for the `T`, parts of a second,
/// a zone of its own, or a leap second, which is taken for the second after it.
pub(crate) fn time_read(text: &str, offset_minutes: i16) -> Option<i64> {
    let (head, rest) = text.split_at_checked(19)?;
    let mut spelled = head.to_owned();
    if head.as_bytes()[10] == b' ' {
        spelled.replace_range(10..11, "T");
    }
    let leap = spelled.ends_with(":60");
    if leap {
        spelled.replace_range(17.., "59");
    }
    let zone = match rest.strip_prefix(['.', ',']) {
        Some(parts) => parts.trim_start_matches(|char: char| char.is_ascii_digit()),
        None => rest,
    };
    let offset = match zone.trim() {
        "" => offset_minutes,
        "Z" | "z" => 0,
        zone => zone_minutes(zone)?,
    };
    let micros = time("time", &spelled, offset).ok()?;
    terms::entry_time(micros + if leap { 1_000_000 } else { 0 }).ok()
}

/// `+08:00`, `+0800` or `-05`.
fn zone_minutes(zone: &str) -> Option<i16> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let part = |text: &str, most: i16| -> Option<i16> {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok())?.filter(|part| *part <= most)
    };
    let minutes = if minutes.is_empty() { 0 } else { part(minutes, 59)? };
    Some(sign * (part(hours, 23)? * 60 + minutes))
}

fn local_time(text: &str) -> Option<PrimitiveDateTime> {
    let bytes: &[u8; 19] = text.as_bytes().try_into().ok()?;
    let [.., dash, _, _, dash_again, _, _, t, _, _, colon, _, _, colon_again, _, _] = bytes;
    let dashes = matches!((dash, dash_again), (b'-', b'-') | (b':', b':'));
    if !dashes || !matches!(t, b'T' | b't') || *colon != b':' || *colon_again != b':' {
        return None;
    }
    let two = |start: usize| -> Option<u8> {
        let digits = text.get(start..start + 2)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let year = i32::from(two(0)?) * 100 + i32::from(two(2)?);
    let date = Date::from_calendar_date(year, Month::try_from(two(5)?).ok()?, two(8)?).ok()?;
    let time = Time::from_hms(two(11)?, two(14)?, two(17)?).ok()?;
    Some(PrimitiveDateTime::new(date, time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(put: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        put(&mut out);
        String::from_utf8(out.to_vec()).expect("ASCII")
    }

    #[test]
    fn numbers_are_digits() {
        for (value, text) in [(0, "0"), (9, "9"), (10, "10"), (u64::MAX, "18446744073709551615")] {
            assert_eq!(said(|out| put_number(out, value)), text);
            assert_eq!(number("n", text, 20).expect("a number"), value);
        }
        assert_eq!(said(|out| put_padded(out, 421, 12)), "000000000421");
        assert_eq!(number("n", "0042", 4).expect("zeros are harmless"), 42);
        for bad in ["", "+1", "-1", " 1", "1 ", "1.0", "１", "0x1", "123456789012345678901"] {
            assert!(number("n", bad, 20).is_err(), "{bad:?}");
        }
        assert!(number("n", "18446744073709551616", 20).is_err());
        assert!(number("n", "12345", 4).is_err());
    }

    #[test]
    fn units_are_never_taken_for_each_other() {
        use AmountUnit::{Major, Minor};
        for (minor, unit, text) in [
            (100_000, Minor, "000000100000"),
            (999_999_999_999, Minor, "999999999999"),
            (1, Major, "0.01"),
            (100_000, Major, "1000.00"),
            (999_999_999_999, Major, "9999999999.99"),
        ] {
            assert_eq!(said(|out| put_money(out, minor, unit)), text);
            assert_eq!(money("m", text, unit).expect("money"), minor.cast_signed());
        }
        assert_eq!(money("m", "1", Minor).expect("unpadded"), 1);
        assert_eq!(money("m", "0001.00", Major).expect("padded"), 100);
        for bad in ["", "1.00", "-1", "1000000000000", "1e3", "1,000"] {
            assert!(money("m", bad, Minor).is_err(), "{bad:?}");
        }
        for bad in
            ["", "1", "1.", "1.0", "1.000", ".00", "-1.00", "1.-1", "10000000000.00", "1.0.0"]
        {
            assert!(money("m", bad, Major).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_time_for_people_is_read_in_whatever_spelling_can_be_understood() {
        let plain = time("t", "2026-12-31T23:59:59", 480).expect("a time");
        for (text, expected) in [
            ("2026-12-31T23:59:59", Some(plain)),
            ("2026-12-31 23:59:59", Some(plain)),
            ("2026-12-31T23:59:60", Some(plain + 1_000_000)),
            ("2026-12-31T23:59:59.123", Some(plain)),
            ("2026-12-31T23:59:59,5+08:00", Some(plain)),
            ("2026-12-31T23:59:59+0800", Some(plain)),
            ("2026-12-31T15:59:59Z", Some(plain)),
            ("2026-12-31T10:59:59.000000-05", Some(plain)),
            ("2026-12-31T21:29:59+05:30", Some(plain)),
            ("2026-12-31T21:29:59+05:3", None),
            ("2026-12-31T23:59:59++8", None),
            ("0000-00-00T00:00:00", None),
            ("2026-12-31T23:59:61", None),
            ("2026-12-31T23:59:59 noon", None),
            ("2026-12-31T23:59:59+24:00", None),
            ("2026-12-31T23:59:59+8", None),
            ("yesterday", None),
            ("", None),
            ("2026-12-31T23:59:5年", None),
        ] {
            assert_eq!(time_read(text, 480), expected, "{text:?}");
        }
    }

    #[test]
    fn times_are_read_in_both_spellings_and_written_in_one() {
        let beijing = 480;
        let micros = time("t", "2000:03:01T10:22:33", beijing).expect("a time");
        assert_eq!(micros, 951_877_353_000_000);
        assert_eq!(time("t", "2000-03-01t10:22:33", beijing).expect("a time"), micros);
        let written = said(|out| put_time(out, micros + 999_999, beijing).expect("sayable"));
        assert_eq!(written, "2000-03-01T10:22:33");
        assert_eq!(said(|out| put_time(out, 0, -60).expect("sayable")), "1969-12-31T23:00:00");
        assert_eq!(time("t", "1969-12-31T23:00:00", -60).expect("a time"), 0);
        for bad in [
            "",
            "2000-03-01T10:22:3",
            "2000-03:01T10:22:33",
            "2000-03-01 10:22:33",
            "2000-03-01T10-22:33",
            "2000-03-01T10:22-33",
            "2000-02-30T10:22:33",
            "2000-03-01T24:00:00",
            "2000-03-01T10:22:60",
            "+200-03-01T10:22:33",
            "1969-12-31T23:59:59",
            "9999-12-31T23:59:59",
            "年00-03-01T10:22:33",
        ] {
            assert!(time("t", bad, 0).is_err(), "{bad:?}");
        }
    }
}
