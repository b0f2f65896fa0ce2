//! The data items of a group, written into the packet's buffer.

use super::figures::{put_money, put_number, put_padded, put_time, sayable_figure};
use super::items::Item;
use super::words::Word;
use super::xml;
use crate::codec::FuturesOptions;
use crate::message::{CounterState, SignOn};
use crate::terms::{self, Fault};
use bytes::BytesMut;
use domain::message::{Balance, Entry, Look, Posted, Posting, Query, Reversal};
use domain::money::{Amount, Currency};
use domain::profile::{AmountUnit, Profile};
use domain::serial::{Day, Mark, MasterSerial, SubSerial};

/// Whether it could be said.
pub(super) type Written = Result<(), Fault>;

/// A packet that is being written.
pub(super) struct Packet<'a> {
    pub(super) out: &'a mut BytesMut,
    pub(super) options: &'a FuturesOptions,
}

impl Packet<'_> {
    pub(super) fn posting(&mut self, posting: &Posting) {
        self.serial(Item::SubSerial, posting.serial);
        self.master(posting.master);
        self.day(posting.settle_day);
        self.text(Item::FundAccount, posting.account.as_str());
        self.amount(Item::Amount, posting.amount);
        self.currency(posting.currency);
        self.mark(posting.mark);
    }

    pub(super) fn reversal(&mut self, reversal: &Reversal) {
        self.serial(Item::SubSerial, reversal.serial);
        self.serial(Item::OriginalSerial, reversal.original);
        self.master(reversal.master);
        self.day(reversal.settle_day);
        self.text(Item::FundAccount, reversal.account.as_str());
        self.amount(Item::Amount, reversal.amount);
        self.currency(reversal.currency);
        self.mark(reversal.mark);
    }

    pub(super) fn query(&mut self, query: &Query) {
        self.serial(Item::SubSerial, query.serial);
        self.day(query.settle_day);
        let fence = match query.look {
            Look::Only => false,
            Look::Fence => true,
        };
        self.word(Item::Fence, fence);
        self.mark(query.mark);
    }

    pub(super) fn posted(&mut self, posted: &Posted) -> Written {
        let counter_serial = terms::counter_serial(posted.counter_serial.as_received())?;
        if let Some(original) = posted.original {
            self.serial(Item::OriginalSerial, original);
        }
        self.text(Item::CounterSerial, counter_serial);
        self.day(posted.settle_day);
        self.text(Item::FundAccount, posted.account.as_str());
        self.amount(Item::Amount, posted.amount);
        self.currency(posted.currency);
        Ok(())
    }

    pub(super) fn balance(&mut self, balance: &Balance) -> Written {
        self.text(Item::FundAccount, balance.account.as_str());
        self.currency(balance.currency);
        self.money(Item::FundBalance, sayable_figure("available", balance.available)?);
        self.money(
            Item::WithdrawableBalance,
            sayable_figure("withdrawable", balance.withdrawable)?,
        );
        Ok(())
    }

    pub(super) fn entry(&mut self, entry: &Entry) -> Written {
        self.word(Item::EntryKind, entry.kind);
        self.serial(Item::SubSerial, entry.serial);
        self.posted(&entry.posted)?;
        self.put(Item::TransactionTime.head());
        put_time(self.out, entry.at_micros, self.options.utc_offset_minutes)?;
        self.put(TAIL);
        self.mark(entry.mark);
        Ok(())
    }

    pub(super) fn sign_on(&mut self, sign_on: &SignOn) -> Written {
        terms::name("dialler", &sign_on.dialler)?;
        terms::name("acceptor", &sign_on.acceptor)?;
        self.number(Item::ProtocolVersion, sign_on.version);
        self.text(Item::Dialler, &sign_on.dialler);
        self.text(Item::Acceptor, &sign_on.acceptor);
        self.number(Item::Channel, sign_on.channel);
        self.token(Item::Nonce, &sign_on.nonce);
        self.number(Item::HeartbeatInterval, sign_on.heartbeat_s);
        Ok(())
    }

    pub(super) fn counter_state(&mut self, state: Option<&CounterState>) {
        let Some(state) = state else { return };
        self.text(Item::CounterId, state.id.as_str());
        self.day(state.settle_day);
        self.word(Item::Open, state.open);
        self.profile(&state.profile);
        if let Some(highest) = state.highest_serial {
            self.serial(Item::HighestSerial, highest);
        }
    }

    fn profile(&mut self, profile: &Profile) {
        self.word(Item::Dedupes, profile.dedupes);
        self.word(Item::RefusalsStick, profile.refusals_stick);
        self.word(Item::CanFence, profile.can_fence);
        self.word(Item::CanReverse, profile.can_reverse);
        self.word(Item::CanQueryReversals, profile.can_query_reversals);
        self.number(Item::QueryHorizonDays, profile.query_horizon_days);
        self.number(Item::InFlightLimitMs, profile.in_flight_limit_ms);
        self.number(Item::MaxInFlight, profile.max_in_flight);
        self.number(Item::CutOverSeconds, profile.cut_over_s);
        self.word(Item::AmountUnit, profile.amount_unit);
        if let Some(limit) = profile.per_transfer_limit {
            self.amount(Item::PerTransferLimit, limit);
        }
        // Readers of before there were marks pass over what they do not know.
        if profile.echoes_marks {
            self.word(Item::EchoesMarks, true);
        }
    }

    pub(super) fn serial(&mut self, item: Item, serial: SubSerial) {
        self.put(item.head());
        put_padded(self.out, serial.number(), 12);
        self.put(TAIL);
    }

    /// A mark, if there is one.
    pub(super) fn mark(&mut self, mark: Option<Mark>) {
        if let Some(Mark(bits)) = mark {
            self.put(Item::Mark.head());
            self.hexadecimal(&bits.to_be_bytes());
            self.put(TAIL);
        }
    }

    fn master(&mut self, master: MasterSerial) {
        self.put(Item::MasterSerial.head());
        put_padded(self.out, master.number().cast_unsigned(), 19);
        self.put(TAIL);
    }

    pub(super) fn day(&mut self, day: Day) {
        self.put(Item::SettleDay.head());
        put_padded(self.out, day.number().into(), 8);
        self.put(TAIL);
    }

    pub(super) fn currency(&mut self, currency: Currency) {
        self.put(Item::Currency.head());
        self.put(currency.as_str());
        self.put(TAIL);
    }

    fn amount(&mut self, item: Item, amount: Amount) {
        self.money(item, amount.minor().cast_unsigned());
    }

    fn money(&mut self, item: Item, minor: u64) {
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

    pub(super) fn number(&mut self, item: Item, number: impl Into<u64>) {
        self.put(item.head());
        put_number(self.out, number.into());
        self.put(TAIL);
    }

    pub(super) fn word(&mut self, item: Item, word: impl Word) {
        self.put(item.head());
        self.put(word.word());
        self.put(TAIL);
    }

    pub(super) fn token(&mut self, item: Item, token: &[u8; 32]) {
        self.put(item.head());
        self.hexadecimal(token);
        self.put(TAIL);
    }

    fn hexadecimal(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in bytes {
            let digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            self.out.extend_from_slice(&digits);
        }
    }

    pub(super) fn text(&mut self, item: Item, text: &str) {
        self.put(item.head());
        self.escaped(text);
        self.put(TAIL);
    }

    pub(super) fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Text inside an attribute. White space is written as references, or a reader would normalize
    /// it; so are private characters, some of which editions of GB18030 turn into others; a
    /// character that XML does not have becomes U+FFFD.
    pub(super) fn escaped(&mut self, text: &str) {
        // Private characters and the two that XML lacks begin with 0xee or 0xef in UTF-8.
        let plain =
            |byte: u8| !matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'' | 0..=0x1f | 0xee | 0xef);
        if text.bytes().all(plain) {
            return self.put(text);
        }
        for char in text.chars() {
            match char {
                '&' => self.put("&amp;"),
                '<' => self.put("&lt;"),
                '>' => self.put("&gt;"),
                '"' => self.put("&quot;"),
                '\'' => self.put("&apos;"),
                '\t' => self.put("&#9;"),
                '\n' => self.put("&#10;"),
                '\r' => self.put("&#13;"),
                '\u{e000}'..='\u{f8ff}' => {
                    self.put("&#");
                    put_number(self.out, u32::from(char).into());
                    self.put(";");
                }
                char if xml::is_xml(char) => self.put(char.encode_utf8(&mut [0; 4])),
                _ => self.put("\u{fffd}"),
            }
        }
    }
}

/// The end of a data item.
const TAIL: &str = "\"/>";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoding;
    use bytes::BytesMut;

    #[test]
    fn whatever_an_attribute_cannot_hold_is_written_in_other_characters() {
        for (text, written) in [
            ("plain", "plain"),
            ("余额不足", "余额不足"),
            ("&", "&amp;"),
            ("<>\"'", "&lt;&gt;&quot;&apos;"),
            ("\t\n\r", "&#9;&#10;&#13;"),
            ("a&b", "a&amp;b"),
            ("\u{e000}\u{f8ff}", "&#57344;&#63743;"),
            ("\0\u{1f}\u{fffe}\u{ffff}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("\u{f900}\u{fffd}\u{10000}", "\u{f900}\u{fffd}\u{10000}"),
        ] {
            let options = FuturesOptions {
                encoding: Encoding::Utf8,
                amount_unit: AmountUnit::Minor,
                utc_offset_minutes: 480,
            };
            let mut out = BytesMut::new();
            Packet { out: &mut out, options: &options }.escaped(text);
            assert_eq!(out, written.as_bytes(), "{text:?}");
        }
    }
}
