//! What both dialects demand of the values they carry. Reading and writing apply the same rules, so
//! that whatever is written can be read.

use crate::conversation::NAME_LONGEST;
use crate::error::EncodeError;
use crate::ornament::{Blemishes, Ornament};
use crate::payload::{ANSWER_TEXT_LONGEST, RequestId};
use domain::message::{
    AccountId, Answer, AnswerCode, CounterId, EntriesQuery, Entry, IdentifierError, NotACode,
};
use domain::money::{Amount, Currency, MoneyError};
use domain::serial::{Day, MasterSerial, SerialError, SubSerial};
use foreign::ForeignText;
use std::{borrow::Cow, cell::Cell, fmt};

/// Why a body is not a message: which field, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) Cow<'static, str>);

impl Fault {
    /// A fault of one field.
    pub(crate) fn of(field: &'static str, why: impl fmt::Display) -> Fault {
        Fault(Cow::Owned(format!("{field}: {why}")))
    }
}

impl From<&'static str> for Fault {
    fn from(why: &'static str) -> Fault {
        Fault(Cow::Borrowed(why))
    }
}

/// What could be read of a body before it turned out not to be a message.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// The request that it belongs to.
    pub(crate) request: Option<RequestId>,
    /// The serial that it is about.
    pub(crate) serial: Option<SubSerial>,
    /// What of it is only for people and could not be read.
    pub(crate) blemishes: Cell<Blemishes>,
}

impl Trace {
    /// Something that is only for people cannot be read: it is noted, and the body read on.
    pub(crate) fn blemish(&self, ornament: Ornament) {
        let mut blemishes = self.blemishes.get();
        blemishes.note(ornament);
        self.blemishes.set(blemishes);
    }
}

/// Field-naming errors for the values of `domain`.
pub(crate) trait Named<T> {
    /// Names the field in the error.
    fn named(self, field: &'static str) -> Result<T, Fault>;
}

macro_rules! named {
    ($($error:ty),*) => {$(
        impl<T> Named<T> for Result<T, $error> {
            fn named(self, field: &'static str) -> Result<T, Fault> {
                self.map_err(|error| Fault::of(field, error))
            }
        }
    )*};
}

named!(SerialError, MoneyError, IdentifierError, NotACode);

/// A sub serial from its number.
pub(crate) fn sub_serial(field: &'static str, number: u64) -> Result<SubSerial, Fault> {
    SubSerial::from_number(number).named(field)
}

/// A master serial from its number.
pub(crate) fn master_serial(number: u64) -> Result<MasterSerial, Fault> {
    let number = i64::try_from(number).map_err(|_| Fault::from("master serial: too long"))?;
    MasterSerial::from_number(number).named("master serial")
}

/// A day from its number.
pub(crate) fn day(field: &'static str, number: u64) -> Result<Day, Fault> {
    let short = u32::try_from(number).map_err(|_| SerialError::NotADay(number)).named(field)?;
    Day::new(short).named(field)
}

/// An account.
pub(crate) fn account(text: &str) -> Result<AccountId, Fault> {
    AccountId::new(text).named("account")
}

/// A counter's id.
pub(crate) fn counter_id(text: &str) -> Result<CounterId, Fault> {
    CounterId::new(text).named("counter id")
}

/// A currency.
pub(crate) fn currency(text: &str) -> Result<Currency, Fault> {
    text.parse::<Currency>().named("currency")
}

/// An amount from its minor units.
pub(crate) fn amount(field: &'static str, minor: i64) -> Result<Amount, Fault> {
    Amount::new(minor).named(field)
}

/// A balance's figure: minor units, never negative.
pub(crate) fn figure(field: &'static str, minor: i64) -> Result<i64, Fault> {
    if minor < 0 { Err(Fault::of(field, "must not be negative")) } else { Ok(minor) }
}

/// An answer from its code and words; the words are cut to the length that is kept.
pub(crate) fn answer(code: u64, text: &str) -> Result<Answer, Fault> {
    let code = u16::try_from(code).map_err(|_| Fault::from("answer code: not three digits"))?;
    let code = AnswerCode::new(code).named("answer code")?;
    Ok(Answer { code, text: clip(text, ANSWER_TEXT_LONGEST).into() })
}

/// Request ids start at 1; zero is what a missing one looks like.
pub(crate) fn request_id(number: u64) -> Result<RequestId, Fault> {
    if number == 0 { Err("request id: missing or zero".into()) } else { Ok(RequestId(number)) }
}

/// The name of a party at sign-on.
pub(crate) fn name(field: &'static str, text: &str) -> Result<String, Fault> {
    if is_line(text, NAME_LONGEST) {
        Ok(text.to_owned())
    } else {
        Err(Fault::of(field, "must be 1 to 64 characters without control characters"))
    }
}

/// The counter's own number of a posting.
pub(crate) fn counter_serial(text: &str) -> Result<&str, Fault> {
    if is_line(text, COUNTER_SERIAL_LONGEST) {
        Ok(text)
    } else {
        Err("counter serial: must be 1 to 32 characters without control characters".into())
    }
}

/// The same as it is read: there must be one, but what it says may cost no more than itself. Empty
/// if it cannot be read.
pub(crate) fn counter_serial_read(text: &str, trace: &Trace) -> Result<ForeignText, Fault> {
    match counter_serial(text) {
        Ok(serial) if !serial.contains(char::REPLACEMENT_CHARACTER) => Ok(serial.into()),
        Err(fault) if text.is_empty() => Err(fault),
        Ok(_) | Err(_) => {
            trace.blemish(Ornament::CounterSerial);
            Ok(ForeignText::default())
        }
    }
}

/// The time of an entry: microseconds since 1970 UTC, to the end of the year 9199.
pub(crate) fn entry_time(micros: i64) -> Result<i64, Fault> {
    if (0..LATEST_MICROS).contains(&micros) {
        Ok(micros)
    } else {
        Err("entry time: must be in the years 1970 to 9199".into())
    }
}

/// The same as it is read: 0 if it cannot be.
pub(crate) fn entry_time_read(micros: i64, trace: &Trace) -> i64 {
    entry_time(micros).unwrap_or_else(|_| {
        trace.blemish(Ornament::EntryTime);
        0
    })
}

/// The length of a page.
pub(crate) fn page(limit: u64) -> Result<u16, Fault> {
    match u16::try_from(limit) {
        Ok(limit @ 1..=EntriesQuery::LONGEST_PAGE) => Ok(limit),
        _ => Err("limit: must be 1 to 500".into()),
    }
}

/// A number in its own width.
pub(crate) fn short<T: TryFrom<u64>>(field: &'static str, number: u64) -> Result<T, Fault> {
    T::try_from(number).map_err(|_| Fault::of(field, "out of range"))
}

/// At most this many characters of a text.
pub(crate) fn clip(text: &str, longest: usize) -> &str {
    // No text of so few bytes has more characters.
    if text.len() <= longest {
        return text;
    }
    text.char_indices().nth(longest).map_or(text, |(end, _)| &text[..end])
}

/// What must hold of a message's own values before it is written, beyond what their types ensure.
pub(crate) fn sayable<T>(checked: Result<T, Fault>) -> Result<T, EncodeError> {
    checked.map_err(|Fault(why)| EncodeError::Unsayable(why.into_owned()))
}

/// Whether a page of entries may be said.
pub(crate) fn check_entries(entries: &[Entry]) -> Result<(), Fault> {
    if entries.len() > usize::from(EntriesQuery::LONGEST_PAGE) {
        return Err("entries: more than 500".into());
    }
    Ok(())
}

/// The longest counter serial, in characters.
const COUNTER_SERIAL_LONGEST: usize = 32;

/// The end of the year 9199, where `domain`'s days end too.
const LATEST_MICROS: i64 = 2_640_703 * 86_400 * 1_000_000;

fn is_line(text: &str, longest: usize) -> bool {
    let all_can_be_said = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        || !text.chars().any(|char| char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}'));
    !text.is_empty() && clip(text, longest).len() == text.len() && all_can_be_said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(clip("余额不足", 2), "余额");
        assert_eq!(clip("余额不足", 4), "余额不足");
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("abcd", 3), "abc");
        assert_eq!(clip("", 0), "");
    }

    #[test]
    fn names_and_counter_serials_have_edges() {
        assert!(name("dialler", &"桥".repeat(64)).is_ok());
        assert!(name("dialler", &"桥".repeat(65)).is_err());
        assert!(counter_serial(&"9".repeat(32)).is_ok());
        for bad in ["", "a\0b", "a\u{85}", "\u{ffff}", &"9".repeat(33)] {
            assert!(counter_serial(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn entry_times_end_with_the_days() {
        assert!(entry_time(-1).is_err());
        assert!(entry_time(0).is_ok());
        assert_eq!(Day::from_unix_micros(LATEST_MICROS - 1).number(), 91_991_231);
        assert!(entry_time(LATEST_MICROS - 1).is_ok());
        assert!(entry_time(LATEST_MICROS).is_err());
    }
}
