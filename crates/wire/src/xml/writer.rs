//! Writes data items straight into a packet's buffer.

use super::figures::{put_money, put_number, put_padded, put_time};
use super::items::Item;
use super::text::{put, put_escaped};
use super::word::Word;
use crate::terms::Fault;
use crate::xml::options::XmlOptions;
use bytes::BytesMut;
use domain::money::{Amount, Currency};
use domain::profile::AmountUnit;
use domain::serial::{Day, Mark, MasterSerial, SubSerial};

/// Whether it could be said.
pub(crate) type Written = Result<(), Fault>;

/// A packet that is being written.
pub(crate) struct Writer<'a> {
    pub(crate) out: &'a mut BytesMut,
    pub(crate) options: &'a XmlOptions,
}

/// The end of a data item.
const TAIL: &str = "\"/>";

impl Writer<'_> {
    /// A group of data items.
    pub(crate) fn group(&mut self, items: impl FnOnce(&mut Writer) -> Written) -> Written {
        self.put("<DataGroup>");
        items(self)?;
        self.put("</DataGroup>");
        Ok(())
    }

    /// A text as it stands.
    pub(crate) fn put(&mut self, text: &str) {
        put(self.out, text);
    }

    /// A leg's serial.
    pub(crate) fn serial(&mut self, item: impl Item, serial: SubSerial) {
        self.put(item.head());
        put_padded(self.out, serial.number(), 12);
        self.put(TAIL);
    }

    /// A mark, if there is one.
    pub(crate) fn mark(&mut self, item: impl Item, mark: Option<Mark>) {
        if let Some(Mark(bits)) = mark {
            self.put(item.head());
            self.hexadecimal(&bits.to_be_bytes());
            self.put(TAIL);
        }
    }

    /// A transfer's serial.
    pub(crate) fn master(&mut self, item: impl Item, master: MasterSerial) {
        self.put(item.head());
        put_padded(self.out, master.number().cast_unsigned(), 19);
        self.put(TAIL);
    }

    /// A day.
    pub(crate) fn day(&mut self, item: impl Item, day: Day) {
        self.put(item.head());
        put_padded(self.out, day.number().into(), 8);
        self.put(TAIL);
    }

    /// A currency.
    pub(crate) fn currency(&mut self, item: impl Item, currency: Currency) {
        self.put(item.head());
        self.put(currency.as_str());
        self.put(TAIL);
    }

    /// An amount.
    pub(crate) fn amount(&mut self, item: impl Item, amount: Amount) {
        self.money(item, amount.minor().cast_unsigned());
    }

    /// Minor units, at most twelve digits of them, in the counter's unit.
    pub(crate) fn money(&mut self, item: impl Item, minor: u64) {
        match self.options.amount_unit {
            AmountUnit::Minor => self.put(item.head()),
            AmountUnit::Major => {
                self.put("<DataItem name=\"");
                self.put(item.name());
                self.put("\" type=\"n\" length=\"13\" fixed=\"no\" content=\"");
            }
        }
        put_money(self.out, minor, self.options.amount_unit);
        self.put(TAIL);
    }

    /// A time in the counter's zone.
    pub(crate) fn time(&mut self, item: impl Item, micros: i64) -> Written {
        self.put(item.head());
        put_time(self.out, micros, self.options.utc_offset_minutes)?;
        self.put(TAIL);
        Ok(())
    }

    /// A number without leading zeros.
    pub(crate) fn number(&mut self, item: impl Item, number: impl Into<u64>) {
        self.put(item.head());
        put_number(self.out, number.into());
        self.put(TAIL);
    }

    /// One of a few words.
    pub(crate) fn word(&mut self, item: impl Item, word: impl Word) {
        self.put(item.head());
        self.put(word.word());
        self.put(TAIL);
    }

    /// 32 bytes in hexadecimal.
    pub(crate) fn token(&mut self, item: impl Item, token: &[u8; 32]) {
        self.put(item.head());
        self.hexadecimal(token);
        self.put(TAIL);
    }

    fn hexadecimal<const BYTES: usize>(&mut self, bytes: &[u8; BYTES]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let spelled =
            bytes.map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        self.out.extend_from_slice(spelled.as_flattened());
    }

    /// A text.
    pub(crate) fn text(&mut self, item: impl Item, text: &str) {
        self.put(item.head());
        put_escaped(self.out, text);
        self.put(TAIL);
    }
}
