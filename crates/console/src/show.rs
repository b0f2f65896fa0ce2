//! Numbers and times as people read them.

use crate::words::Words;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// 100000 fen as `1,000.00 CNY`.
pub(crate) fn money(minor: i64, currency: &str) -> String {
    // ISO 4217: those without a smaller unit, and those with thousandths.
    let decimals = match currency {
        "JPY" | "KRW" | "VND" | "CLP" | "ISK" | "PYG" | "UGX" | "XAF" | "XOF" | "XPF" | "RWF"
        | "KMF" | "GNF" | "DJF" | "BIF" | "VUV" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let mut text = if minor < 0 { "-".to_owned() } else { String::new() };
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if decimals > 0 {
        text.push('.');
        text.push_str(part);
    }
    format!("{text} {currency}")
}

/// 3725 s as `1 h 2 min`.
pub(crate) fn duration(seconds: i64, words: Words) -> String {
    let s = seconds.max(0);
    let unit = |unit| words.text(unit);
    match s {
        ..60 => format!("{s} {}", unit("s")),
        60..3_600 => format!("{} {} {} {}", s / 60, unit("min"), s % 60, unit("s")),
        3_600..86_400 => format!("{} {} {} {}", s / 3_600, unit("h"), s % 3_600 / 60, unit("min")),
        86_400.. => format!("{} {} {} {}", s / 86_400, unit("d"), s % 86_400 / 3_600, unit("h")),
    }
}

/// Microseconds since 1970 as RFC 3339.
pub(crate) fn rfc3339(micros: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

/// Microseconds since 1970 of RFC 3339.
pub(crate) fn micros(rfc3339: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(rfc3339, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000).ok()
}

/// A time for people, in UTC; a browser shows its own.
pub(crate) fn clock(rfc3339: &str) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    let at = OffsetDateTime::parse(rfc3339, &Rfc3339).ok();
    at.and_then(|at| at.format(format).ok()).unwrap_or_else(|| rfc3339.to_owned())
}

/// 20261121 as `2026-11-21`.
pub(crate) fn day(number: &str) -> String {
    match (number.len(), number.is_ascii()) {
        (8, true) => format!("{}-{}-{}", &number[..4], &number[4..6], &number[6..]),
        _ => number.to_owned(),
    }
}

/// 1234 microseconds as `1.2 ms`.
pub(crate) fn round_trip(micros: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", micros / unit, micros % unit * 10 / unit);
    match micros {
        ..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", tenths(1_000)),
        1_000_000.. => format!("{} s", tenths(1_000_000)),
    }
}

/// A code, `needs_operator`, as words, `needs operator`; whatever is none, as it is.
pub(crate) fn plain_if_code(text: &str) -> String {
    let is_code = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code { text.replace('_', " ") } else { text.to_owned() }
}

/// Round trips as the points of a line, the newest at the right; the highest is as high as there is room.
pub(crate) fn line(micros: &[u64]) -> String {
    let most = micros.iter().max().copied().unwrap_or(1).max(1);
    let first = 60_usize.saturating_sub(micros.len());
    let points = micros.iter().enumerate().map(|(at, one)| {
        let height = 1_500 - one.saturating_mul(1_400) / most;
        format!("{}.5,{}.{:02}", first + at, height / 100, height % 100)
    });
    points.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_as_many_decimals_as_its_currency() {
        for (minor, currency, shown) in [
            (100_000, "CNY", "1,000.00 CNY"),
            (5, "CNY", "0.05 CNY"),
            (-1_234_567, "USD", "-12,345.67 USD"),
            (1_234, "JPY", "1,234 JPY"),
            (1_234, "KWD", "1.234 KWD"),
            (999_999_999_999, "CNY", "9,999,999,999.99 CNY"),
            (i64::MIN, "CNY", "-92,233,720,368,547,758.08 CNY"),
        ] {
            assert_eq!(money(minor, currency), shown);
        }
    }

    #[test]
    fn times_are_said_to_the_next_smaller_unit() {
        for (seconds, english, chinese) in [
            (-5, "0 s", "0 秒"),
            (59, "59 s", "59 秒"),
            (60, "1 min 0 s", "1 分 0 秒"),
            (3_725, "1 h 2 min", "1 小时 2 分"),
            (90_000, "1 d 1 h", "1 天 1 小时"),
        ] {
            assert_eq!(duration(seconds, Words::En), english);
            assert_eq!(duration(seconds, Words::Zh), chinese);
        }
        assert_eq!(micros(&rfc3339(1_700_000_000_123_456)), Some(1_700_000_000_123_456));
        assert_eq!(clock("2026-11-30T12:00:01.5Z"), "2026-11-30 12:00:01 UTC");
        assert_eq!((clock("soon").as_str(), clock("").as_str()), ("soon", ""));
        assert_eq!((day("20261130").as_str(), day("2026").as_str()), ("2026-11-30", "2026"));
    }

    #[test]
    fn round_trips_are_a_line_within_its_frame() {
        assert_eq!(round_trip(999), "999 µs");
        assert_eq!(round_trip(1_234), "1.2 ms");
        assert_eq!(round_trip(1_250_000), "1.2 s");
        assert_eq!(line(&[5, 10]), "58.5,8.00 59.5,1.00");
        assert_eq!(line(&[0]), "59.5,15.00");
        assert_eq!(line(&[]), "");
        assert!(line(&[u64::MAX, 1]).starts_with("58.5,"));
    }
}
