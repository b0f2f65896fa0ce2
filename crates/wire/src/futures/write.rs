//! Messages → packets, written straight into the buffer.

use super::figures::{put_money, put_number, put_padded, put_time, sayable_figure};
use super::items::Item;
use super::words::{AnswerKind, Transaction, Word};
use super::{Origin, encoding_name, xml};
use crate::codec::{EncodeError, Encoding, End, FuturesOptions};
use crate::message::{ANSWER_TEXT_LONGEST, CounterState, Message, SignOn, WORDS_LONGEST};
use crate::terms::{self, Fault, clip, sayable};
use bytes::BytesMut;
use domain::message::{
    Answer, Balance, Entry, Instruction, Look, Posted, Posting, Query, Reply, Reversal,
};
use domain::money::{Amount, Currency};
use domain::profile::{AmountUnit, Profile};
use domain::serial::{Day, MasterSerial, SubSerial};
use encoding_rs::GB18030;

type Written = Result<(), Fault>;

/// Appends the message's body.
pub(crate) fn write(
    message: &Message,
    options: &FuturesOptions,
    from: &Origin,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let start = out.len();
    let mut packet = Packet { out, options };
    sayable(packet.document(message, from))?;
    match options.encoding {
        Encoding::Utf8 => Ok(()),
        // GB18030 says ASCII as ASCII does.
        Encoding::Gb18030 if out[start..].is_ascii() => Ok(()),
        Encoding::Gb18030 => {
            let text = std::str::from_utf8(&out[start..])
                .map_err(|_| EncodeError::Unsayable("the packet is not text".to_owned()))?;
            // Whatever GB18030 lacked would become a character reference.
            let (bytes, ..) = GB18030.encode(text);
            let bytes = bytes.into_owned();
            out.truncate(start);
            out.extend_from_slice(&bytes);
            Ok(())
        }
    }
}

struct Packet<'a> {
    out: &'a mut BytesMut,
    options: &'a FuturesOptions,
}

impl Packet<'_> {
    fn document(&mut self, message: &Message, from: &Origin) -> Written {
        self.put("<?xml version=\"1.0\" encoding=\"");
        self.put(encoding_name(self.options.encoding));
        self.put("\"?><Payload version=\"1.0\" timestamp=\"");
        put_time(self.out, from.now_micros, self.options.utc_offset_minutes)?;
        self.put("\"><Header>");
        let (own_role, peer_role) = match from.end {
            End::Bridge => ("bridge", "counter"),
            End::Counter => ("counter", "bridge"),
        };
        self.party("<Sender name=\"", &from.parties.own, own_role)?;
        self.party("<Receiver name=\"", &from.parties.peer, peer_role)?;
        self.put("</Header>");
        self.content(message)?;
        self.put("</Payload>");
        Ok(())
    }

    fn party(&mut self, head: &str, name: &str, role: &str) -> Written {
        terms::name("party", name)?;
        self.put(head);
        self.escaped(name);
        self.put("\" id=\"");
        self.escaped(name);
        self.put("\" role=\"");
        self.put(role);
        self.put("\"/>");
        Ok(())
    }

    fn content(&mut self, message: &Message) -> Written {
        match message {
            Message::Request(id, instruction) => {
                self.instruction(terms::request_id(id.0)?.0, instruction)
            }
            Message::Response(id, reply) => self.reply(terms::request_id(id.0)?.0, reply),
            Message::Heartbeat(heartbeat) => self.request(0, Transaction::Heartbeat, |group| {
                group.number(Item::HeartbeatNumber, heartbeat.number);
                Ok(())
            }),
            Message::HeartbeatAck(ack) => self.ok(AnswerKind::HeartbeatAck, 200, |group| {
                group.number(Item::HeartbeatNumber, ack.number);
                if let Some((settle_day, open)) = ack.counter {
                    group.day(settle_day);
                    group.word(Item::Open, open);
                }
                Ok(())
            }),
            Message::SignOn(it) => self.request(0, Transaction::SignOn, |group| group.sign_on(it)),
            Message::Challenge(challenge) => self.ok(AnswerKind::Challenge, 100, |group| {
                group.token(Item::Nonce, &challenge.nonce);
                group.token(Item::Proof, &challenge.proof);
                Ok(())
            }),
            Message::Answer(answer) => self.request(0, Transaction::SignOnProof, |group| {
                group.token(Item::Proof, &answer.proof);
                group.counter_state(answer.counter.as_ref());
                Ok(())
            }),
            Message::Welcome(welcome) => self.ok(AnswerKind::Welcome, 200, |group| {
                group.number(Item::HeartbeatInterval, welcome.heartbeat_s);
                group.counter_state(welcome.counter.as_ref());
                Ok(())
            }),
            Message::Rejected(rejected) => {
                let text = clip(&rejected.text, WORDS_LONGEST);
                self.response(0, AnswerKind::Rejected, 401, text, |packet| {
                    packet.group(|group| {
                        group.word(Item::RejectReason, rejected.reason);
                        Ok(())
                    })
                })
            }
            Message::SignOff(sign_off) => self.request(0, Transaction::SignOff, |group| {
                group.text(Item::Text, clip(&sign_off.text, WORDS_LONGEST));
                Ok(())
            }),
            Message::SignOffAck => self.response(0, AnswerKind::SignOffAck, 200, "", |_| Ok(())),
            Message::Notice(notice) => self.request(0, Transaction::Notice, |group| {
                group.word(Item::Severity, notice.severity);
                group.text(Item::Text, clip(&notice.text, WORDS_LONGEST));
                Ok(())
            }),
        }
    }

    fn instruction(&mut self, id: u64, instruction: &Instruction) -> Written {
        match instruction {
            Instruction::Debit(it) => self.request(id, Transaction::Debit, |group| {
                group.posting(it);
                Ok(())
            }),
            Instruction::Credit(it) => self.request(id, Transaction::Credit, |group| {
                group.posting(it);
                Ok(())
            }),
            Instruction::Reverse(it) => self.request(id, Transaction::Reverse, |group| {
                group.reversal(it);
                Ok(())
            }),
            Instruction::Query(it) => self.request(id, Transaction::ResultQuery, |group| {
                group.query(it);
                Ok(())
            }),
            Instruction::Balance(query) => {
                self.request(id, Transaction::FundBalanceQuery, |group| {
                    group.text(Item::FundAccount, query.account.as_str());
                    group.currency(query.currency);
                    Ok(())
                })
            }
            Instruction::Entries(query) => self.request(id, Transaction::DayDetailQuery, |group| {
                group.text(Item::FundAccount, query.account.as_str());
                group.day(query.day);
                group.number(Item::Offset, query.offset);
                group.number(Item::Limit, terms::page(query.limit.into())?);
                Ok(())
            }),
        }
    }

    fn reply(&mut self, id: u64, reply: &Reply) -> Written {
        match reply {
            Reply::Posting(reply) => {
                self.answer(id, AnswerKind::Posting, &reply.answer, |packet| {
                    packet.group(|group| {
                        group.serial(Item::SubSerial, reply.serial);
                        reply.posted.as_ref().map_or(Ok(()), |posted| group.posted(posted))
                    })
                })
            }
            Reply::Query(reply) => {
                self.answer(id, AnswerKind::ResultQuery, &reply.answer, |packet| {
                    packet.group(|group| {
                        group.serial(Item::SubSerial, reply.serial);
                        group.word(Item::Finding, reply.finding);
                        reply.posted.as_ref().map_or(Ok(()), |posted| group.posted(posted))
                    })
                })
            }
            Reply::Balance(reply) => {
                self.answer(id, AnswerKind::FundBalance, &reply.answer, |packet| {
                    let Some(balance) = &reply.balance else { return Ok(()) };
                    packet.group(|group| group.balance(balance))
                })
            }
            Reply::Entries(reply) => {
                terms::check_entries(&reply.entries)?;
                self.answer(id, AnswerKind::DayDetail, &reply.answer, |packet| {
                    packet.group(|group| {
                        group.word(Item::More, reply.more);
                        Ok(())
                    })?;
                    reply.entries.iter().try_for_each(|entry| packet.group(|it| it.entry(entry)))
                })
            }
        }
    }

    fn request(
        &mut self,
        id: u64,
        transaction: Transaction,
        items: impl FnOnce(&mut Packet) -> Written,
    ) -> Written {
        self.put("<Request id=\"");
        put_number(self.out, id);
        self.put("\"><");
        self.put(transaction.name());
        self.put(" id=\"1\" code=\"");
        self.put(transaction.code());
        self.put("\" initiator=\"");
        self.put(transaction.initiator());
        self.put("\">");
        self.group(items)?;
        self.put("</");
        self.put(transaction.name());
        self.put("></Request>");
        Ok(())
    }

    /// An answer of the conversation's own, without words.
    fn ok(
        &mut self,
        kind: AnswerKind,
        code: u16,
        items: impl FnOnce(&mut Packet) -> Written,
    ) -> Written {
        self.response(0, kind, code, "", |packet| packet.group(items))
    }

    fn answer(
        &mut self,
        id: u64,
        kind: AnswerKind,
        answer: &Answer,
        groups: impl FnOnce(&mut Packet) -> Written,
    ) -> Written {
        let text = clip(&answer.text, ANSWER_TEXT_LONGEST);
        self.response(id, kind, answer.code.number(), text, groups)
    }

    fn response(
        &mut self,
        id: u64,
        kind: AnswerKind,
        code: u16,
        text: &str,
        groups: impl FnOnce(&mut Packet) -> Written,
    ) -> Written {
        self.put("<Response id=\"");
        put_number(self.out, id);
        self.put("\"><Answer kind=\"");
        self.put(kind.word());
        self.put("\" code=\"");
        put_padded(self.out, code.into(), 3);
        self.put("\" description=\"");
        self.escaped(text);
        self.put("\" requestId=\"");
        put_number(self.out, id);
        self.put("\" messageId=\"1\">");
        groups(self)?;
        self.put("</Answer></Response>");
        Ok(())
    }

    fn group(&mut self, items: impl FnOnce(&mut Packet) -> Written) -> Written {
        self.put("<DataGroup>");
        items(self)?;
        self.put("</DataGroup>");
        Ok(())
    }
}

/// Data items.
impl Packet<'_> {
    fn posting(&mut self, posting: &Posting) {
        self.serial(Item::SubSerial, posting.serial);
        self.master(posting.master);
        self.day(posting.settle_day);
        self.text(Item::FundAccount, posting.account.as_str());
        self.amount(Item::Amount, posting.amount);
        self.currency(posting.currency);
    }

    fn reversal(&mut self, reversal: &Reversal) {
        self.serial(Item::SubSerial, reversal.serial);
        self.serial(Item::OriginalSerial, reversal.original);
        self.master(reversal.master);
        self.day(reversal.settle_day);
        self.text(Item::FundAccount, reversal.account.as_str());
        self.amount(Item::Amount, reversal.amount);
        self.currency(reversal.currency);
    }

    fn query(&mut self, query: &Query) {
        self.serial(Item::SubSerial, query.serial);
        self.day(query.settle_day);
        let fence = match query.look {
            Look::Only => false,
            Look::Fence => true,
        };
        self.word(Item::Fence, fence);
    }

    fn posted(&mut self, posted: &Posted) -> Written {
        terms::counter_serial(&posted.counter_serial)?;
        self.text(Item::CounterSerial, &posted.counter_serial);
        self.day(posted.settle_day);
        self.text(Item::FundAccount, posted.account.as_str());
        self.amount(Item::Amount, posted.amount);
        self.currency(posted.currency);
        Ok(())
    }

    fn balance(&mut self, balance: &Balance) -> Written {
        self.text(Item::FundAccount, balance.account.as_str());
        self.currency(balance.currency);
        self.money(Item::FundBalance, sayable_figure("available", balance.available)?);
        self.money(
            Item::WithdrawableBalance,
            sayable_figure("withdrawable", balance.withdrawable)?,
        );
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Written {
        self.word(Item::EntryKind, entry.kind);
        self.serial(Item::SubSerial, entry.serial);
        if let Some(original) = entry.original {
            self.serial(Item::OriginalSerial, original);
        }
        self.posted(&entry.posted)?;
        self.put(Item::TransactionTime.head());
        put_time(self.out, entry.at_micros, self.options.utc_offset_minutes)?;
        self.put(TAIL);
        Ok(())
    }

    fn sign_on(&mut self, sign_on: &SignOn) -> Written {
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

    fn counter_state(&mut self, state: Option<&CounterState>) {
        let Some(state) = state else { return };
        self.text(Item::CounterId, state.id.as_str());
        self.day(state.settle_day);
        self.word(Item::Open, state.open);
        self.profile(&state.profile);
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
    }

    fn serial(&mut self, item: Item, serial: SubSerial) {
        self.put(item.head());
        put_padded(self.out, serial.number(), 12);
        self.put(TAIL);
    }

    fn master(&mut self, master: MasterSerial) {
        self.put(Item::MasterSerial.head());
        put_padded(self.out, master.number().cast_unsigned(), 19);
        self.put(TAIL);
    }

    fn day(&mut self, day: Day) {
        self.put(Item::SettleDay.head());
        put_padded(self.out, day.number().into(), 8);
        self.put(TAIL);
    }

    fn currency(&mut self, currency: Currency) {
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

    fn number(&mut self, item: Item, number: impl Into<u64>) {
        self.put(item.head());
        put_number(self.out, number.into());
        self.put(TAIL);
    }

    fn word(&mut self, item: Item, word: impl Word) {
        self.put(item.head());
        self.put(word.word());
        self.put(TAIL);
    }

    fn token(&mut self, item: Item, token: &[u8; 32]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.put(item.head());
        for byte in token {
            let digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            self.out.extend_from_slice(&digits);
        }
        self.put(TAIL);
    }

    fn text(&mut self, item: Item, text: &str) {
        self.put(item.head());
        self.escaped(text);
        self.put(TAIL);
    }

    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Text inside an attribute. White space is written as references, or a reader would normalize
    /// it; so are private characters, some of which editions of GB18030 turn into others; a
    /// character that XML does not have becomes U+FFFD.
    fn escaped(&mut self, text: &str) {
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
