//! What a packet says.

use super::figures::{money, number, time, time_read};
use super::items::Item;
use super::read::{Content, Group, Packet};
use super::words::{AnswerKind, Transaction, Word};
use crate::codec::{FuturesOptions, Parties};
use crate::message::{
    Challenge, ChallengeAnswer, CounterState, Heartbeat, HeartbeatAck, Message, Rejected, SignOff,
    SignOn, WORDS_LONGEST, Welcome,
};
use crate::ornament::Ornament;
use crate::terms::{self, Fault, Trace, clip, short};
use domain::message::{
    Answer, AnswerCode, Balance, BalanceQuery, BalanceReply, EntriesQuery, EntriesReply, Entry,
    Finding, Instruction, Look, Posted, Posting, PostingReply, Query, QueryReply, Reply, Reversal,
};
use domain::message::{Notice, Severity};
use domain::money::{Amount, Currency};
use domain::profile::{CodeTable, Profile};
use domain::serial::{Day, Mark, SubSerial};
use foreign::ForeignText;

type Read<T> = Result<T, Fault>;

/// The message in a packet from `parties.peer`.
pub(super) fn message(
    packet: &Packet,
    options: &FuturesOptions,
    parties: &Parties,
    trace: &Trace,
) -> Read<Message> {
    // For people; nothing is decided by it.
    if time("timestamp", &packet.timestamp, options.utc_offset_minutes).is_err() {
        trace.blemish(Ornament::Label);
    }
    let message = match &packet.content {
        Content::Transaction(transaction) => {
            transaction_message(*transaction, packet, options, trace)?
        }
        Content::Answer(kind, code, text) => {
            answer_message(*kind, *code, text, packet, options, trace)?
        }
    };
    // Whoever signs on or rejects says names in the message itself, and may not know ours.
    let introduces = matches!(message, Message::SignOn(_) | Message::Rejected(_));
    if !introduces && (packet.sender != parties.peer || packet.receiver != parties.own) {
        return Err("the header names other parties than those of this link".into());
    }
    Ok(message)
}

fn transaction_message(
    transaction: Transaction,
    packet: &Packet,
    options: &FuturesOptions,
    trace: &Trace,
) -> Read<Message> {
    let said = Said { group: packet.one_group()?, options, trace };
    let instruction = match transaction {
        Transaction::SignOn => return packet.conversation(Message::SignOn(said.sign_on()?)),
        Transaction::SignOnProof => {
            let answer =
                ChallengeAnswer { proof: said.token(Item::Proof)?, counter: said.counter_state()? };
            return packet.conversation(Message::Answer(answer));
        }
        Transaction::SignOff => {
            return packet.conversation(Message::SignOff(SignOff { text: said.words() }));
        }
        Transaction::Heartbeat => {
            let number = said.number(Item::HeartbeatNumber, 20)?;
            return packet.conversation(Message::Heartbeat(Heartbeat { number }));
        }
        Transaction::Notice => {
            let notice = Notice { severity: said.severity(), text: said.words() };
            return packet.conversation(Message::Notice(notice));
        }
        Transaction::Debit => Instruction::Debit(said.posting()?),
        Transaction::Credit => Instruction::Credit(said.posting()?),
        Transaction::Reverse => Instruction::Reverse(said.reversal()?),
        Transaction::ResultQuery => Instruction::Query(Query {
            serial: said.serial(Item::SubSerial)?,
            settle_day: said.day()?,
            look: if said.word(Item::Fence)? { Look::Fence } else { Look::Only },
            mark: said.mark()?,
        }),
        Transaction::FundBalanceQuery => Instruction::Balance(BalanceQuery {
            account: terms::account(said.group.text(Item::FundAccount)?)?,
            currency: said.currency()?,
        }),
        Transaction::DayDetailQuery => Instruction::Entries(EntriesQuery {
            account: said.group.find(Item::FundAccount).map(terms::account).transpose()?,
            day: said.day()?,
            offset: said.short(Item::Offset, 10)?,
            limit: terms::page(said.number(Item::Limit, 3)?)?,
        }),
    };
    Ok(Message::Request(terms::request_id(packet.request)?, instruction))
}

fn answer_message(
    kind: AnswerKind,
    code: u64,
    text: &str,
    packet: &Packet,
    options: &FuturesOptions,
    trace: &Trace,
) -> Read<Message> {
    let said = || packet.one_group().map(|group| Said { group, options, trace });
    let reply = match kind {
        AnswerKind::Challenge => {
            expect_code(code, 100)?;
            let (nonce, proof) = (said()?.token(Item::Nonce)?, said()?.token(Item::Proof)?);
            return packet.conversation(Message::Challenge(Challenge { nonce, proof }));
        }
        AnswerKind::Welcome => {
            expect_code(code, 200)?;
            let heartbeat_s = said()?.short(Item::HeartbeatInterval, 5)?;
            let counter = said()?.counter_state()?;
            return packet.conversation(Message::Welcome(Welcome { heartbeat_s, counter }));
        }
        AnswerKind::Rejected => {
            // A reason that is not in the protocol is another reason.
            let reason = Word::of(said()?.group.text(Item::RejectReason)?)
                .unwrap_or(crate::message::RejectReason::Other);
            let text = clip(text, WORDS_LONGEST).into();
            return packet.conversation(Message::Rejected(Rejected { reason, text }));
        }
        AnswerKind::SignOffAck => {
            expect_code(code, 200)?;
            return packet.conversation(Message::SignOffAck);
        }
        AnswerKind::HeartbeatAck => {
            expect_code(code, 200)?;
            let ack = HeartbeatAck {
                number: said()?.number(Item::HeartbeatNumber, 20)?,
                counter: said()?.standing()?,
            };
            return packet.conversation(Message::HeartbeatAck(ack));
        }
        AnswerKind::Posting => Reply::Posting(PostingReply {
            serial: said()?.serial(Item::SubSerial)?,
            answer: terms::answer(code, text)?,
            posted: said()?.posted()?,
            mark: said()?.mark()?,
        }),
        AnswerKind::ResultQuery => Reply::Query(QueryReply {
            serial: said()?.serial(Item::SubSerial)?,
            // A finding that is not in the protocol proves nothing.
            finding: Word::of(said()?.group.text(Item::Finding)?).unwrap_or(Finding::Unclear),
            answer: terms::answer(code, text)?,
            posted: said()?.posted()?,
            mark: said()?.mark()?,
        }),
        AnswerKind::FundBalance => Reply::Balance(BalanceReply {
            answer: terms::answer(code, text)?,
            balance: if packet.groups.is_empty() { None } else { Some(said()?.balance()?) },
        }),
        AnswerKind::DayDetail => {
            Reply::Entries(entries_reply(terms::answer(code, text)?, packet, options, trace)?)
        }
    };
    Ok(Message::Response(terms::request_id(packet.request)?, reply))
}

fn entries_reply(
    answer: Answer,
    packet: &Packet,
    options: &FuturesOptions,
    trace: &Trace,
) -> Read<EntriesReply> {
    let Some((first, groups)) = packet.groups.split_first() else {
        if answer.code == AnswerCode::DONE {
            return Err("a data group is missing".into());
        }
        // Whoever has nothing to say of entries need not say that there are no more.
        return Ok(EntriesReply { answer, entries: Vec::new(), more: false });
    };
    let more = Said { group: first, options, trace }.word(Item::More)?;
    let mut entries = Vec::new();
    for group in groups {
        entries.push(Said { group, options, trace }.entry()?);
        terms::check_entries(&entries)?;
    }
    Ok(EntriesReply { answer, entries, more })
}

impl<'a> Packet<'a> {
    fn one_group(&self) -> Read<&Group<'a>> {
        match &self.groups[..] {
            [group] => Ok(group),
            [] => Err("a data group is missing".into()),
            [_, _, ..] => Err("more data groups than one".into()),
        }
    }

    /// A message of the conversation's own carries no request id.
    fn conversation(&self, message: Message) -> Read<Message> {
        if self.request == 0 { Ok(message) } else { Err("request id: must be 0 here".into()) }
    }
}

fn expect_code(code: u64, expected: u64) -> Read<()> {
    if code == expected { Ok(()) } else { Err("the answer's code is not that of its kind".into()) }
}

/// A data group, with what one has to know to read it.
struct Said<'a> {
    group: &'a Group<'a>,
    options: &'a FuturesOptions,
    trace: &'a Trace,
}

impl Said<'_> {
    fn number(&self, item: Item, longest: usize) -> Read<u64> {
        number(item.name(), self.group.text(item)?, longest)
    }

    fn short<T: TryFrom<u64>>(&self, item: Item, longest: usize) -> Read<T> {
        short(item.name(), self.number(item, longest)?)
    }

    fn word<T: Word>(&self, item: Item) -> Read<T> {
        T::of(self.group.text(item)?).ok_or_else(|| Fault::of(item.name(), "is not a known value"))
    }

    /// Words for people; none where there are none.
    fn words(&self) -> ForeignText {
        let words = self.group.find(Item::Text).unwrap_or_else(|| {
            self.trace.blemish(Ornament::Words);
            ""
        });
        clip(words, WORDS_LONGEST).into()
    }

    /// How grave a notice is. Where that cannot be read, whoever reads it decides.
    fn severity(&self) -> Severity {
        self.group.find(Item::Severity).and_then(Word::of).unwrap_or_else(|| {
            self.trace.blemish(Ornament::Label);
            Severity::Warning
        })
    }

    fn serial(&self, item: Item) -> Read<SubSerial> {
        terms::sub_serial(item.name(), self.number(item, 12)?)
    }

    fn mark(&self) -> Read<Option<Mark>> {
        let Some(text) = self.group.find(Item::Mark) else { return Ok(None) };
        text.parse().map(Some).map_err(|why| Fault::of(Item::Mark.name(), why))
    }

    fn day(&self) -> Read<Day> {
        terms::day(Item::SettleDay.name(), self.number(Item::SettleDay, 8)?)
    }

    fn currency(&self) -> Read<Currency> {
        terms::currency(self.group.text(Item::Currency)?)
    }

    fn figure(&self, item: Item) -> Read<i64> {
        money(item.name(), self.group.text(item)?, self.options.amount_unit)
    }

    fn amount(&self, item: Item) -> Read<Amount> {
        terms::amount(item.name(), self.figure(item)?)
    }

    fn token(&self, item: Item) -> Read<[u8; 32]> {
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

    fn posting(&self) -> Read<Posting> {
        Ok(Posting {
            serial: self.serial(Item::SubSerial)?,
            master: terms::master_serial(self.number(Item::MasterSerial, 19)?)?,
            settle_day: self.day()?,
            account: terms::account(self.group.text(Item::FundAccount)?)?,
            amount: self.amount(Item::Amount)?,
            currency: self.currency()?,
            mark: self.mark()?,
        })
    }

    fn reversal(&self) -> Read<Reversal> {
        let posting = self.posting()?;
        Ok(Reversal {
            serial: posting.serial,
            original: self.serial(Item::OriginalSerial)?,
            master: posting.master,
            settle_day: posting.settle_day,
            account: posting.account,
            amount: posting.amount,
            currency: posting.currency,
            mark: posting.mark,
        })
    }

    /// The posting, all of it, if any part of it is there.
    fn posted(&self) -> Read<Option<Posted>> {
        const PARTS: [Item; 5] =
            [Item::CounterSerial, Item::SettleDay, Item::FundAccount, Item::Amount, Item::Currency];
        if PARTS.iter().all(|part| self.group.find(*part).is_none()) {
            return Ok(None);
        }
        Ok(Some(Posted {
            counter_serial: terms::counter_serial_read(
                self.group.text(Item::CounterSerial)?,
                self.trace,
            )?,
            settle_day: self.day()?,
            account: terms::account(self.group.text(Item::FundAccount)?)?,
            amount: self.amount(Item::Amount)?,
            currency: self.currency()?,
            original: match self.group.find(Item::OriginalSerial) {
                None => None,
                Some(_) => Some(self.serial(Item::OriginalSerial)?),
            },
        }))
    }

    fn balance(&self) -> Read<Balance> {
        Ok(Balance {
            account: terms::account(self.group.text(Item::FundAccount)?)?,
            currency: self.currency()?,
            available: self.figure(Item::FundBalance)?,
            withdrawable: self.figure(Item::WithdrawableBalance)?,
        })
    }

    fn entry(&self) -> Read<Entry> {
        Ok(Entry {
            kind: self.word(Item::EntryKind)?,
            serial: self.serial(Item::SubSerial)?,
            posted: self.posted()?.ok_or(Fault::from("an entry without a posting"))?,
            at_micros: self.entry_time(),
            mark: self.mark()?,
        })
    }

    /// When an entry was made; 0 where that cannot be read.
    fn entry_time(&self) -> i64 {
        let at = self.group.find(Item::TransactionTime).unwrap_or_default();
        let offset = self.options.utc_offset_minutes;
        time(Item::TransactionTime.name(), at, offset).unwrap_or_else(|_| {
            self.trace.blemish(Ornament::EntryTime);
            time_read(at, offset).unwrap_or(0)
        })
    }

    fn sign_on(&self) -> Read<SignOn> {
        Ok(SignOn {
            version: self.short(Item::ProtocolVersion, 5)?,
            dialler: terms::name("Dialler", self.group.text(Item::Dialler)?)?,
            acceptor: terms::name("Acceptor", self.group.text(Item::Acceptor)?)?,
            channel: self.short(Item::Channel, 5)?,
            nonce: self.token(Item::Nonce)?,
            heartbeat_s: self.short(Item::HeartbeatInterval, 5)?,
        })
    }

    /// The settle day and whether the counter is open: both, or neither.
    fn standing(&self) -> Read<Option<(Day, bool)>> {
        if self.group.find(Item::SettleDay).is_none() && self.group.find(Item::Open).is_none() {
            return Ok(None);
        }
        Ok(Some((self.day()?, self.word(Item::Open)?)))
    }

    fn counter_state(&self) -> Read<Option<CounterState>> {
        let Some(id) = self.group.find(Item::CounterId) else { return Ok(None) };
        Ok(Some(CounterState {
            id: terms::counter_id(id)?,
            profile: self.profile()?,
            settle_day: self.day()?,
            open: self.word(Item::Open)?,
            highest_serial: match self.group.find(Item::HighestSerial) {
                None => None,
                Some(_) => Some(self.serial(Item::HighestSerial)?),
            },
        }))
    }

    fn profile(&self) -> Read<Profile> {
        Ok(Profile {
            dedupes: self.word(Item::Dedupes)?,
            refusals_stick: self.word(Item::RefusalsStick)?,
            can_fence: self.word(Item::CanFence)?,
            can_reverse: self.word(Item::CanReverse)?,
            can_query_reversals: self.word(Item::CanQueryReversals)?,
            // What is absent is not promised.
            echoes_marks: match self.group.find(Item::EchoesMarks) {
                None => false,
                Some(_) => self.word(Item::EchoesMarks)?,
            },
            query_horizon_days: self.short(Item::QueryHorizonDays, 5)?,
            in_flight_limit_ms: self.number(Item::InFlightLimitMs, 20)?,
            max_in_flight: self.short(Item::MaxInFlight, 5)?,
            cut_over_s: self.short(Item::CutOverSeconds, 10)?,
            amount_unit: self.word(Item::AmountUnit)?,
            per_transfer_limit: match self.group.find(Item::PerTransferLimit) {
                None => None,
                Some(_) => Some(self.amount(Item::PerTransferLimit)?),
            },
            codes: CodeTable::default(),
        })
    }
}
