//! Days and serial numbers.
//!
//! A master serial is a day and an 11-digit sequence; a sub serial is that sequence and one digit
//! for the leg. So a sub serial fits the twelve digits of the XML dialect, an operator sees which
//! transfer it belongs to, and every serial of a transfer is known before its first byte leaves.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A calendar day, `YYYYMMDD`: our own for master serials, or a counter's settle day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Day(u32);

impl Day {
    /// A day from its `YYYYMMDD` number; refused unless it exists, in the years
    /// 1970 to 9199: a master serial of a later day would not fit a signed 64-bit number.
    pub fn new(yyyymmdd: u32) -> Result<Day, SerialError> {
        let (year, month, day) = (yyyymmdd / 10_000, yyyymmdd / 100 % 100, yyyymmdd % 100);
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        if (1970..=9199).contains(&year) && (1..=days).contains(&day) {
            Ok(Day(yyyymmdd))
        } else {
            Err(SerialError::NotADay(u64::from(yyyymmdd)))
        }
    }

    /// The day that is `days` after 1970-01-01.
    pub fn from_unix_days(days: u32) -> Day {
        // Howard Hinnant's `civil_from_days`, for days after the epoch.
        let z = days.min(2_640_702) + 719_468;
        let era = z / 146_097;
        let day_of_era = z % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u32::from(month <= 2);
        Day(year * 10_000 + month * 100 + day)
    }

    /// The UTC day of a time in microseconds since 1970; times before 1970 count as its first day.
    pub fn from_unix_micros(micros: i64) -> Day {
        Day::from_unix_days(u32::try_from(micros / 86_400_000_000).unwrap_or(0))
    }

    /// The `YYYYMMDD` number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Days since 1970-01-01.
    pub fn unix_days(self) -> u32 {
        let (year, month, day) = (self.0 / 10_000, self.0 / 100 % 100, self.0 % 100);
        let year = if month <= 2 { year - 1 } else { year };
        let era = year / 400;
        let year_of_era = year % 400;
        let shifted_month = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }
}

impl TryFrom<u32> for Day {
    type Error = SerialError;
    fn try_from(number: u32) -> Result<Self, SerialError> {
        Day::new(number)
    }
}

impl From<Day> for u32 {
    fn from(day: Day) -> u32 {
        day.0
    }
}

impl FromStr for Day {
    type Err = SerialError;
    fn from_str(text: &str) -> Result<Self, SerialError> {
        digits(text, 8).and_then(|number| {
            Day::new(u32::try_from(number).map_err(|_| SerialError::NotADay(number))?)
        })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}", self.0)
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The running number of a transfer, `1..=99_999_999_999`; it runs on over midnight, and after the last
/// begins again at 1. What counts on for ever is the *ordinal*: which number this is of all that were
/// ever given out, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

impl Sequence {
    /// The last number that eleven digits can say.
    pub const MAX: u64 = 99_999_999_999;

    /// Checks the range.
    pub fn new(number: u64) -> Result<Sequence, SerialError> {
        if (1..=Self::MAX).contains(&number) {
            Ok(Sequence(number))
        } else {
            Err(SerialError::SequenceOutOfRange(number))
        }
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The number that is given out as the `ordinal`-th of all, counted from 1.
    pub const fn of_ordinal(ordinal: u64) -> Sequence {
        Sequence(ordinal.saturating_sub(1) % Self::MAX + 1)
    }

    /// The ordinal of this number that is nearest to another one: whoever names a number means the one
    /// that was given out last, or is about to be.
    pub fn ordinal_near(self, other: u64) -> u64 {
        let lap = other.saturating_sub(1) / Self::MAX;
        // No two are equally near: the number of numbers is odd.
        (lap.saturating_sub(1)..=lap + 1)
            .map(|lap| lap * Self::MAX + self.0)
            .min_by_key(|ordinal| ordinal.abs_diff(other))
            .unwrap_or(self.0)
    }
}

/// Identifies one transfer at the bridge, for ever: nineteen digits, `YYYYMMDD` and the sequence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MasterSerial {
    /// The bridge's day (UTC) on which the transfer was accepted.
    pub day: Day,
    /// The running number, `1..=99_999_999_999`.
    pub sequence: Sequence,
}

impl MasterSerial {
    /// The serial of one leg.
    pub const fn leg(self, role: Role) -> SubSerial {
        SubSerial { sequence: self.sequence, role }
    }

    /// The nineteen digits as a number, for a database key.
    pub fn number(self) -> i64 {
        // `Day` ends with the year 9199, so the largest is 9_199_123_199_999_999_999 < i64::MAX.
        i64::try_from(u64::from(self.day.number()) * 100_000_000_000 + self.sequence.number())
            .unwrap_or(i64::MAX)
    }

    /// The serial behind a database key.
    pub fn from_number(number: i64) -> Result<MasterSerial, SerialError> {
        let number = u64::try_from(number).map_err(|_| SerialError::SequenceOutOfRange(0))?;
        let day = number / 100_000_000_000;
        Ok(MasterSerial {
            day: Day::new(u32::try_from(day).map_err(|_| SerialError::NotADay(day))?)?,
            sequence: Sequence::new(number % 100_000_000_000)?,
        })
    }
}

impl FromStr for MasterSerial {
    type Err = SerialError;
    fn from_str(text: &str) -> Result<Self, SerialError> {
        digits(text, 19)?;
        Ok(MasterSerial {
            day: text[..8]
                .parse()
                .map_err(|_| SerialError::BeginsWithNoDay(text[..8].to_owned()))?,
            sequence: Sequence::new(digits(&text[8..], 11)?)?,
        })
    }
}

impl TryFrom<String> for MasterSerial {
    type Error = SerialError;
    fn try_from(text: String) -> Result<Self, SerialError> {
        text.parse()
    }
}

impl From<MasterSerial> for String {
    fn from(serial: MasterSerial) -> String {
        serial.to_string()
    }
}

impl fmt::Display for MasterSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:011}", self.day, self.sequence.0)
    }
}

impl fmt::Debug for MasterSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which of a transfer's postings a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Money leaves the source account.
    Debit,
    /// Money reaches the destination account.
    Credit,
    /// The debit is undone.
    Reversal,
}

impl Role {
    /// All roles, in the order of their digits.
    pub const ALL: [Role; 3] = [Role::Debit, Role::Credit, Role::Reversal];

    /// The last digit of the leg's sub serial.
    pub const fn digit(self) -> u64 {
        match self {
            Role::Debit => 1,
            Role::Credit => 2,
            Role::Reversal => 3,
        }
    }

    /// The word used on every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Debit => "debit",
            Role::Credit => "credit",
            Role::Reversal => "reversal",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Identifies one leg at one counter; what the counter dedupes by. Twelve digits: the transfer's
/// sequence and the role's digit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubSerial {
    /// The transfer's sequence, `1..=99_999_999_999`: by it a leg shows its transfer.
    pub sequence: Sequence,
    /// Which of the transfer's postings the leg is: the last of the twelve digits.
    pub role: Role,
}

impl SubSerial {
    /// The twelve digits as a number.
    pub const fn number(self) -> u64 {
        self.sequence.0 * 10 + self.role.digit()
    }

    /// The serial behind a number.
    pub fn from_number(number: u64) -> Result<SubSerial, SerialError> {
        let role = match number % 10 {
            1 => Role::Debit,
            2 => Role::Credit,
            3 => Role::Reversal,
            digit => return Err(SerialError::NotALeg(digit)),
        };
        Ok(SubSerial { sequence: Sequence::new(number / 10)?, role })
    }
}

impl FromStr for SubSerial {
    type Err = SerialError;
    fn from_str(text: &str) -> Result<Self, SerialError> {
        SubSerial::from_number(digits(text, 12)?)
    }
}

impl TryFrom<String> for SubSerial {
    type Error = SerialError;
    fn try_from(text: String) -> Result<Self, SerialError> {
        text.parse()
    }
}

impl From<SubSerial> for String {
    fn from(serial: SubSerial) -> String {
        serial.to_string()
    }
}

impl fmt::Display for SubSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.number())
    }
}

impl fmt::Debug for SubSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// 64 random bits that every transfer carries, so that a serial which was given out twice shows
/// (DOMAIN §2): written as sixteen lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mark(pub u64);

impl FromStr for Mark {
    type Err = SerialError;

    /// Sixteen hexadecimal digits, of either case.
    fn from_str(text: &str) -> Result<Self, SerialError> {
        if text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            u64::from_str_radix(text, 16).map(Mark).map_err(|_| SerialError::NotAMark)
        } else {
            Err(SerialError::NotAMark)
        }
    }
}

impl TryFrom<String> for Mark {
    type Error = SerialError;
    fn try_from(text: String) -> Result<Self, SerialError> {
        text.parse()
    }
}

impl From<Mark> for String {
    fn from(mark: Mark) -> String {
        mark.to_string()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Exactly `count` ASCII digits as a number; `count` is at most 19.
fn digits(text: &str, count: usize) -> Result<u64, SerialError> {
    if text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| SerialError::NotDigits { count })
    } else {
        Err(SerialError::NotDigits { count })
    }
}

/// Why a text or a number is not a serial or a day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SerialError {
    /// Wrong length, or something other than a digit.
    #[error("must be exactly {count} digits")]
    NotDigits {
        /// How many digits there must be.
        count: usize,
    },
    /// A number that is no calendar day `YYYYMMDD` in the years 1970 to 9199.
    #[error("{0} is not a day (YYYYMMDD, 1970 to 9199)")]
    NotADay(u64),
    /// A master serial that does not begin with a day.
    #[error("its first eight digits, {0}, are not a day (YYYYMMDD, 1970 to 9199)")]
    BeginsWithNoDay(String),
    /// A sequence of zero, or of more than eleven digits.
    #[error("a sequence is 1 to 99999999999, not {0}")]
    SequenceOutOfRange(u64),
    /// A sub serial whose last digit names no leg.
    #[error("a sub serial ends in 1 (debit), 2 (credit) or 3 (reversal), not {0}")]
    NotALeg(u64),
    /// A mark that is not sixteen hexadecimal digits.
    #[error("a mark is sixteen hexadecimal digits")]
    NotAMark,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(text: &str) -> MasterSerial {
        text.parse().expect("a master serial")
    }

    #[test]
    fn a_sub_serial_shows_its_transfer() {
        let serial = master("2026112100000000042");
        assert_eq!(serial.leg(Role::Debit).to_string(), "000000000421");
        assert_eq!(serial.leg(Role::Reversal).to_string(), "000000000423");
        assert_eq!(MasterSerial::from_number(serial.number()), Ok(serial));
        assert_eq!("000000000422".parse(), Ok(serial.leg(Role::Credit)));
    }

    #[test]
    fn the_last_sequence_still_fits_twelve_digits() {
        let last = master("2026112199999999999");
        assert_eq!(last.leg(Role::Reversal).to_string(), "999999999993");
        assert!(Sequence::new(Sequence::MAX + 1).is_err());
        assert!(Sequence::new(0).is_err());
    }

    #[test]
    fn after_the_last_number_comes_the_first_again() {
        const MAX: u64 = Sequence::MAX;
        for (ordinal, number) in
            [(1, 1), (MAX - 1, MAX - 1), (MAX, MAX), (MAX + 1, 1), (2 * MAX, MAX), (2 * MAX + 7, 7)]
        {
            assert_eq!(Sequence::of_ordinal(ordinal).number(), number, "{ordinal}");
            assert_eq!(Sequence::of_ordinal(ordinal).ordinal_near(ordinal), ordinal);
        }
        let near = |number, other| Sequence::new(number).expect("a number").ordinal_near(other);
        for (number, other, ordinal) in [
            (1, 1, 1),
            (5, 1, 5),
            (MAX, 1, MAX),
            // Around the edge: what was given out before it, and what is about to be after it.
            (3, MAX - 10, MAX + 3),
            (MAX - 3, MAX + 10, MAX - 3),
            (MAX, MAX, MAX),
            (MAX, MAX + 1, MAX),
            (1, MAX, MAX + 1),
            (MAX - 1, 2 * MAX + 1, 2 * MAX - 1),
            // Half a lap away, just within and just beyond.
            (MAX / 2 + 1, MAX + 1, MAX + MAX / 2 + 1),
            (MAX / 2 + 2, MAX + 1, MAX / 2 + 2),
            // Nothing was given out before the first.
            (MAX - 1, 2, MAX - 1),
        ] {
            assert_eq!(near(number, other), ordinal, "{number} near {other}");
        }
    }

    #[test]
    fn what_is_not_a_serial_is_an_error() {
        for bad in [
            "",
            "1",
            "20261121000000000421",
            "2026112100000000000",
            "2026113200000000001",
            "２０２６112100000001",
        ] {
            assert!(bad.parse::<MasterSerial>().is_err(), "{bad:?}");
        }
        for bad in ["000000000420", "000000000001", "00000000042", "-00000000421", "+00000000421"] {
            assert!(bad.parse::<SubSerial>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_mark_is_sixteen_hexadecimal_digits() {
        for (mark, text) in [(0, "0000000000000000"), (0xab_cdef, "0000000000abcdef")] {
            assert_eq!(Mark(mark).to_string(), text);
            assert_eq!(text.parse(), Ok(Mark(mark)));
        }
        assert_eq!("FFFFFFFFFFFFFFFF".parse(), Ok(Mark(u64::MAX)));
        for bad in ["", "0", "00000000000000000", "+000000000000000", "00000000000000g0"] {
            assert_eq!(bad.parse::<Mark>(), Err(SerialError::NotAMark), "{bad:?}");
        }
    }

    #[test]
    fn days_count_from_the_epoch() {
        assert_eq!(Day::from_unix_days(0).number(), 19_700_101);
        assert_eq!(Day::from_unix_micros(-5).number(), 19_700_101);
        for (number, days) in [(20_000_229, 11_016), (20_261_121, 20_778), (91_991_231, 2_640_702)]
        {
            let day = Day::new(number).expect("a day");
            assert_eq!(day.unix_days(), days);
            assert_eq!(Day::from_unix_days(days), day);
        }
        for bad in [20_230_229, 19_691_231, 92_000_101, 20_261_301, 20_260_431, 0] {
            assert!(Day::new(bad).is_err(), "{bad}");
        }
    }
}
