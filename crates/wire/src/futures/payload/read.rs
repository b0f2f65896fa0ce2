//! Packets → instructions and replies.

use super::super::items::Item;
use super::super::packet::Packet;
use super::super::words::{Instructed, Replied};
use crate::payload::Payload;
use crate::terms::{self, Fault, Trace};
use crate::xml::options::XmlOptions;
use crate::xml::reader::{Read, Reader};
use crate::xml::word::Word;
use domain::message::{
    Answer, AnswerCode, Balance, BalanceQuery, BalanceReply, EntriesQuery, EntriesReply, Entry,
    Finding, Instruction, Look, Posted, Posting, PostingReply, Query, QueryReply, Reply, Reversal,
};

type Said<'a> = Reader<'a, Item>;

/// The instruction of a packet with this transaction.
pub(in crate::futures) fn instruction(
    transaction: Instructed,
    packet: &Packet,
    options: &XmlOptions,
    trace: &Trace,
) -> Read<Payload> {
    let said = &Said { group: packet.one_group()?, options, trace };
    let instruction = match transaction {
        Instructed::Debit => Instruction::Debit(posting(said)?),
        Instructed::Credit => Instruction::Credit(posting(said)?),
        Instructed::Reverse => Instruction::Reverse(reversal(said)?),
        Instructed::ResultQuery => Instruction::Query(Query {
            serial: said.serial(Item::SubSerial)?,
            settle_day: said.day(Item::SettleDay)?,
            look: if said.word(Item::Fence)? { Look::Fence } else { Look::Only },
            mark: said.mark(Item::Mark)?,
        }),
        Instructed::FundBalanceQuery => Instruction::Balance(BalanceQuery {
            account: terms::account(said.text(Item::FundAccount)?)?,
            currency: said.currency(Item::Currency)?,
        }),
        Instructed::DayDetailQuery => Instruction::Entries(EntriesQuery {
            account: said.find(Item::FundAccount).map(terms::account).transpose()?,
            day: said.day(Item::SettleDay)?,
            offset: said.short(Item::Offset, 10)?,
            limit: terms::page(said.number(Item::Limit, 3)?)?,
        }),
    };
    Ok(Payload::Request(terms::request_id(packet.request)?, instruction))
}

/// The reply of a packet with this answer, its code and words.
pub(in crate::futures) fn reply(
    (kind, code, text): (Replied, u64, &str),
    packet: &Packet,
    options: &XmlOptions,
    trace: &Trace,
) -> Read<Payload> {
    let said = || packet.one_group().map(|group| Said { group, options, trace });
    let reply = match kind {
        Replied::Posting => Reply::Posting(PostingReply {
            serial: said()?.serial(Item::SubSerial)?,
            answer: terms::answer(code, text)?,
            posted: posted(&said()?)?,
            mark: said()?.mark(Item::Mark)?,
        }),
        Replied::ResultQuery => Reply::Query(QueryReply {
            serial: said()?.serial(Item::SubSerial)?,
            // A finding that is not in the protocol proves nothing.
            finding: Word::of(said()?.text(Item::Finding)?).unwrap_or(Finding::Unclear),
            answer: terms::answer(code, text)?,
            posted: posted(&said()?)?,
            mark: said()?.mark(Item::Mark)?,
        }),
        Replied::FundBalance => Reply::Balance(BalanceReply {
            answer: terms::answer(code, text)?,
            balance: if packet.groups.is_empty() { None } else { Some(balance(&said()?)?) },
        }),
        Replied::DayDetail => {
            Reply::Entries(entries_reply(terms::answer(code, text)?, packet, options, trace)?)
        }
    };
    Ok(Payload::Response(terms::request_id(packet.request)?, reply))
}

fn entries_reply(
    answer: Answer,
    packet: &Packet,
    options: &XmlOptions,
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
        entries.push(entry(&Said { group, options, trace })?);
        terms::check_entries(&entries)?;
    }
    Ok(EntriesReply { answer, entries, more })
}

fn posting(said: &Said) -> Read<Posting> {
    Ok(Posting {
        serial: said.serial(Item::SubSerial)?,
        master: terms::master_serial(said.number(Item::MasterSerial, 19)?)?,
        settle_day: said.day(Item::SettleDay)?,
        account: terms::account(said.text(Item::FundAccount)?)?,
        amount: said.amount(Item::Amount)?,
        currency: said.currency(Item::Currency)?,
        mark: said.mark(Item::Mark)?,
    })
}

fn reversal(said: &Said) -> Read<Reversal> {
    let posting = posting(said)?;
    Ok(Reversal {
        serial: posting.serial,
        original: said.serial(Item::OriginalSerial)?,
        master: posting.master,
        settle_day: posting.settle_day,
        account: posting.account,
        amount: posting.amount,
        currency: posting.currency,
        mark: posting.mark,
    })
}

/// The posting, all of it, if any part of it is there.
fn posted(said: &Said) -> Read<Option<Posted>> {
    const PARTS: [Item; 5] =
        [Item::CounterSerial, Item::SettleDay, Item::FundAccount, Item::Amount, Item::Currency];
    if PARTS.iter().all(|part| said.find(*part).is_none()) {
        return Ok(None);
    }
    Ok(Some(Posted {
        counter_serial: terms::counter_serial_read(said.text(Item::CounterSerial)?, said.trace)?,
        settle_day: said.day(Item::SettleDay)?,
        account: terms::account(said.text(Item::FundAccount)?)?,
        amount: said.amount(Item::Amount)?,
        currency: said.currency(Item::Currency)?,
        original: match said.find(Item::OriginalSerial) {
            None => None,
            Some(_) => Some(said.serial(Item::OriginalSerial)?),
        },
    }))
}

fn balance(said: &Said) -> Read<Balance> {
    Ok(Balance {
        account: terms::account(said.text(Item::FundAccount)?)?,
        currency: said.currency(Item::Currency)?,
        available: said.figure(Item::FundBalance)?,
        withdrawable: said.figure(Item::WithdrawableBalance)?,
    })
}

fn entry(said: &Said) -> Read<Entry> {
    Ok(Entry {
        kind: said.word(Item::EntryKind)?,
        serial: said.serial(Item::SubSerial)?,
        posted: posted(said)?.ok_or(Fault::from("an entry without a posting"))?,
        at_micros: said.time_for_people(Item::TransactionTime),
        mark: said.mark(Item::Mark)?,
    })
}
