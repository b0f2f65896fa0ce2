//! Reads data items of a group as the values that they are.

use super::figures::{money, number, time, time_read};
use super::items::{Group, Item};
use super::word::Word;
use crate::ornament::Ornament;
use crate::terms::{self, Fault, Trace, short};
use crate::xml::options::XmlOptions;
use domain::money::{Amount, Currency};
use domain::serial::{Day, Mark, SubSerial};

/// What was read, or what is wrong with it.
pub(crate) type Read<T> = Result<T, Fault>;

/// A data group, with what one has to know to read it.
pub(crate) struct Reader<'a, I> {
    pub(crate) group: &'a Group<'a, I>,
    pub(crate) options: &'a XmlOptions,
    pub(crate) trace: &'a Trace,
}

impl<I: Item> Reader<'_, I> {
    /// An item's content, if the item is there.
    pub(crate) fn find(&self, item: I) -> Option<&str> {
        self.group.find(item)
    }

    /// An item's content.
    pub(crate) fn text(&self, item: I) -> Read<&str> {
        self.group.text(item)
    }

    /// One to `longest` digits.
    pub(crate) fn number(&self, item: I, longest: usize) -> Read<u64> {
        number(item.name(), self.group.text(item)?, longest)
    }

    /// The same in its own width.
    pub(crate) fn short<T: TryFrom<u64>>(&self, item: I, longest: usize) -> Read<T> {
        short(item.name(), self.number(item, longest)?)
    }

    /// One of a few words.
    pub(crate) fn word<T: Word>(&self, item: I) -> Read<T> {
        T::of(self.group.text(item)?).ok_or_else(|| Fault::of(item.name(), "is not a known value"))
    }

    /// A leg's serial.
    pub(crate) fn serial(&self, item: I) -> Read<SubSerial> {
        terms::sub_serial(item.name(), self.number(item, 12)?)
    }

    /// A mark, if there is one.
    pub(crate) fn mark(&self, item: I) -> Read<Option<Mark>> {
        let Some(text) = self.group.find(item) else { return Ok(None) };
        text.parse().map(Some).map_err(|why| Fault::of(item.name(), why))
    }

    /// A day.
    pub(crate) fn day(&self, item: I) -> Read<Day> {
        terms::day(item.name(), self.number(item, 8)?)
    }

    /// A currency.
    pub(crate) fn currency(&self, item: I) -> Read<Currency> {
        terms::currency(self.group.text(item)?)
    }

    /// Minor units, at most twelve digits of them, in the counter's unit.
    pub(crate) fn figure(&self, item: I) -> Read<i64> {
        money(item.name(), self.group.text(item)?, self.options.amount_unit)
    }

    /// An amount.
    pub(crate) fn amount(&self, item: I) -> Read<Amount> {
        terms::amount(item.name(), self.figure(item)?)
    }

    /// 32 bytes in hexadecimal.
    pub(crate) fn token(&self, item: I) -> Read<[u8; 32]> {
        let text = self.group.text(item)?;
        let mut token = [0; 32];
        let digits = text.as_bytes().as_chunks::<2>().0;
        if text.len() != 64 {
            return Err(Fault::of(item.name(), "is not 64 hexadecimal digits"));
        }
        for (byte, [high, low]) in token.iter_mut().zip(digits) {
            match (char::from(*high).to_digit(16), char::from(*low).to_digit(16)) {
                (Some(high), Some(low)) => *byte = (high * 16 + low).to_le_bytes()[0],
                _ => return Err(Fault::of(item.name(), "is not 64 hexadecimal digits")),
            }
        }
        Ok(token)
    }

    /// A time in the counter's zone that is only for people: 0 where it cannot be read.
    pub(crate) fn time_for_people(&self, item: I) -> i64 {
        let at = self.group.find(item).unwrap_or_default();
        let offset = self.options.utc_offset_minutes;
        time(item.name(), at, offset).unwrap_or_else(|_| {
            self.trace.blemish(Ornament::EntryTime);
            time_read(at, offset).unwrap_or(0)
        })
    }
}
