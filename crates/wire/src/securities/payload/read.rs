//! Bytes → instructions and replies. A field's range is checked where the value is made, and unknown fields
//! are skipped.

use super::super::body;
use super::super::bytes::{FieldSet, Read, Value, each};
use crate::payload::Payload;
use crate::terms::{self, Fault, Trace, short};
use domain::message::{
    Balance, BalanceQuery, BalanceReply, EntriesQuery, EntriesReply, Entry, EntryKind, Finding,
    Instruction, Look, Posted, Posting, PostingReply, Query, QueryReply, Reply, Reversal,
};
use domain::serial::SubSerial;
use encoding_rs::UTF_8;
use std::borrow::Cow;

/// Reads the body of field `number`, whose frame named this request.
pub(in crate::securities) fn read(
    number: u32,
    id: u64,
    bytes: &[u8],
    trace: &mut Trace,
) -> Read<Payload> {
    let content = content(number, bytes, trace)?;
    let id = terms::request_id(id)?;
    Ok(match content {
        Content::Request(instruction) => Payload::Request(id, instruction),
        Content::Response(reply) => Payload::Response(id, reply),
    })
}

/// What a request id stands before.
enum Content {
    Request(Instruction),
    Response(Reply),
}

fn content(number: u32, bytes: &[u8], trace: &mut Trace) -> Read<Content> {
    Ok(match number {
        body::DEBIT => Content::Request(Instruction::Debit(posting(bytes, trace)?)),
        body::CREDIT => Content::Request(Instruction::Credit(posting(bytes, trace)?)),
        body::REVERSE => Content::Request(Instruction::Reverse(reversal(bytes, trace)?)),
        body::QUERY => Content::Request(Instruction::Query(query(bytes, trace)?)),
        body::BALANCE_QUERY => Content::Request(Instruction::Balance(balance_query(bytes)?)),
        body::ENTRIES_QUERY => Content::Request(Instruction::Entries(entries_query(bytes)?)),
        body::POSTING_REPLY => Content::Response(Reply::Posting(posting_reply(bytes, trace)?)),
        body::QUERY_REPLY => Content::Response(Reply::Query(query_reply(bytes, trace)?)),
        body::BALANCE_REPLY => Content::Response(Reply::Balance(balance_reply(bytes, trace)?)),
        body::ENTRIES_REPLY => Content::Response(Reply::Entries(entries_reply(bytes, trace)?)),
        _ => return Err("the frame's body is unknown".into()),
    })
}

/// A serial's number, noted in the trace if it is one.
fn traced(value: Value, trace: &mut Trace) -> Read<u64> {
    let number = value.number("serial")?;
    trace.serial = terms::sub_serial("serial", number).ok();
    Ok(number)
}

fn posting(bytes: &[u8], trace: &mut Trace) -> Read<Posting> {
    let (mut serial, mut master, mut day, mut amount) = (0, 0, 0, 0);
    let (mut account, mut currency, mut mark) = ("", "", None);
    each(bytes, FieldSet::up_to(7), |number, value| {
        match number {
            1 => serial = traced(value, trace)?,
            2 => master = value.number("master serial")?,
            3 => day = value.number("settle day")?,
            4 => account = value.text("account")?,
            5 => amount = value.signed("amount")?,
            6 => currency = value.text("currency")?,
            7 => mark = Some(value.mark()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(Posting {
        serial: terms::sub_serial("serial", serial)?,
        master: terms::master_serial(master)?,
        settle_day: terms::day("settle day", day)?,
        account: terms::account(account)?,
        amount: terms::amount("amount", amount)?,
        currency: terms::currency(currency)?,
        mark,
    })
}

fn reversal(bytes: &[u8], trace: &mut Trace) -> Read<Reversal> {
    let (mut serial, mut original, mut master, mut day, mut amount) = (0, 0, 0, 0, 0);
    let (mut account, mut currency, mut mark) = ("", "", None);
    each(bytes, FieldSet::up_to(8), |number, value| {
        match number {
            1 => serial = traced(value, trace)?,
            2 => original = value.number("original serial")?,
            3 => master = value.number("master serial")?,
            4 => day = value.number("settle day")?,
            5 => account = value.text("account")?,
            6 => amount = value.signed("amount")?,
            7 => currency = value.text("currency")?,
            8 => mark = Some(value.mark()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(Reversal {
        serial: terms::sub_serial("serial", serial)?,
        original: terms::sub_serial("original serial", original)?,
        master: terms::master_serial(master)?,
        settle_day: terms::day("settle day", day)?,
        account: terms::account(account)?,
        amount: terms::amount("amount", amount)?,
        currency: terms::currency(currency)?,
        mark,
    })
}

fn query(bytes: &[u8], trace: &mut Trace) -> Read<Query> {
    let (mut serial, mut day, mut look, mut mark) = (0, 0, 0, None);
    each(bytes, FieldSet::up_to(4), |number, value| {
        match number {
            1 => serial = traced(value, trace)?,
            2 => day = value.number("settle day")?,
            3 => look = value.number("look")?,
            4 => mark = Some(value.mark()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(Query {
        serial: terms::sub_serial("serial", serial)?,
        settle_day: terms::day("settle day", day)?,
        look: match look {
            1 => Look::Only,
            2 => Look::Fence,
            _ => return Err("look: is not a known value".into()),
        },
        mark,
    })
}

fn balance_query(bytes: &[u8]) -> Read<BalanceQuery> {
    let (mut account, mut currency) = ("", "");
    each(bytes, FieldSet::up_to(2), |number, value| {
        match number {
            1 => account = value.text("account")?,
            2 => currency = value.text("currency")?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(BalanceQuery { account: terms::account(account)?, currency: terms::currency(currency)? })
}

fn entries_query(bytes: &[u8]) -> Read<EntriesQuery> {
    let (mut account, mut day, mut offset, mut limit) = ("", 0, 0, 0);
    each(bytes, FieldSet::up_to(4), |number, value| {
        match number {
            1 => account = value.text("account")?,
            2 => day = value.number("day")?,
            3 => offset = value.number("offset")?,
            4 => limit = value.number("limit")?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(EntriesQuery {
        account: if account.is_empty() { None } else { Some(terms::account(account)?) },
        day: terms::day("day", day)?,
        offset: short("offset", offset)?,
        limit: terms::page(limit)?,
    })
}

fn posting_reply(bytes: &[u8], trace: &mut Trace) -> Read<PostingReply> {
    let (mut serial, mut code, mut held, mut mark) = (0, 0, None, None);
    let mut text = Cow::default();
    each(bytes, FieldSet::up_to(5), |number, value| {
        match number {
            1 => serial = traced(value, trace)?,
            2 => code = value.number("answer code")?,
            3 => text = value.words("text", trace)?,
            4 => held = Some(value.bytes("posted")?),
            5 => mark = Some(value.mark()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(PostingReply {
        serial: terms::sub_serial("serial", serial)?,
        answer: terms::answer(code, &text)?,
        posted: held.map(|bytes| posted(bytes, trace)).transpose()?,
        mark,
    })
}

fn query_reply(bytes: &[u8], trace: &mut Trace) -> Read<QueryReply> {
    let (mut serial, mut finding, mut code, mut text) = (0, 0, 0, Cow::default());
    let (mut held, mut mark) = (None, None);
    each(bytes, FieldSet::up_to(6), |number, value| {
        match number {
            1 => serial = traced(value, trace)?,
            2 => finding = value.number("finding")?,
            3 => code = value.number("answer code")?,
            4 => text = value.words("text", trace)?,
            5 => held = Some(value.bytes("posted")?),
            6 => mark = Some(value.mark()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(QueryReply {
        serial: terms::sub_serial("serial", serial)?,
        finding: match finding {
            1 => Finding::Done,
            2 => Finding::Refused,
            3 => Finding::NotFound,
            4 => Finding::Processing,
            5 => Finding::Fenced,
            // A finding that is not in the protocol proves nothing.
            _ => Finding::Unclear,
        },
        answer: terms::answer(code, &text)?,
        posted: held.map(|bytes| posted(bytes, trace)).transpose()?,
        mark,
    })
}

fn posted(bytes: &[u8], trace: &Trace) -> Read<Posted> {
    let (mut account, mut currency) = ("", "");
    let mut counter_serial = Cow::default();
    let (mut day, mut amount, mut original) = (0, 0, 0);
    each(bytes, FieldSet::up_to(6), |number, value| {
        match number {
            1 => {
                let bytes = value.bytes("counter serial")?;
                (counter_serial, _) = UTF_8.decode_without_bom_handling(bytes);
            }
            2 => day = value.number("settle day")?,
            3 => account = value.text("account")?,
            4 => amount = value.signed("amount")?,
            5 => currency = value.text("currency")?,
            6 => original = value.number("original serial")?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(Posted {
        counter_serial: terms::counter_serial_read(&counter_serial, trace)?,
        settle_day: terms::day("settle day", day)?,
        account: terms::account(account)?,
        amount: terms::amount("amount", amount)?,
        currency: terms::currency(currency)?,
        original: original_serial(original)?,
    })
}

/// The serial of what a reversal undid; zero where it is not said.
fn original_serial(number: u64) -> Read<Option<SubSerial>> {
    match number {
        0 => Ok(None),
        number => terms::sub_serial("original serial", number).map(Some),
    }
}

fn balance_reply(bytes: &[u8], trace: &Trace) -> Read<BalanceReply> {
    let (mut code, mut text, mut figures) = (0, Cow::default(), None);
    each(bytes, FieldSet::up_to(3), |number, value| {
        match number {
            1 => code = value.number("answer code")?,
            2 => text = value.words("text", trace)?,
            3 => figures = Some(value.bytes("balance")?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(BalanceReply {
        answer: terms::answer(code, &text)?,
        balance: figures.map(balance).transpose()?,
    })
}

fn balance(bytes: &[u8]) -> Read<Balance> {
    let (mut account, mut currency, mut available, mut withdrawable) = ("", "", 0, 0);
    each(bytes, FieldSet::up_to(4), |number, value| {
        match number {
            1 => account = value.text("account")?,
            2 => currency = value.text("currency")?,
            3 => available = value.signed("available")?,
            4 => withdrawable = value.signed("withdrawable")?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(Balance {
        account: terms::account(account)?,
        currency: terms::currency(currency)?,
        available: terms::figure("available", available)?,
        withdrawable: terms::figure("withdrawable", withdrawable)?,
    })
}

fn entries_reply(bytes: &[u8], trace: &Trace) -> Read<EntriesReply> {
    let (mut code, mut text, mut more) = (0, Cow::default(), false);
    let mut entries = Vec::new();
    each(bytes, FieldSet::up_to(4).without(3), |number, value| {
        match number {
            1 => code = value.number("answer code")?,
            2 => text = value.words("text", trace)?,
            3 => {
                entries.push(entry(value.bytes("entry")?, trace)?);
                terms::check_entries(&entries)?;
            }
            4 => more = value.truth("more")?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(EntriesReply { answer: terms::answer(code, &text)?, entries, more })
}

fn entry(bytes: &[u8], trace: &Trace) -> Read<Entry> {
    let (mut kind, mut serial, mut original, mut at_micros) = (0, 0, 0, 0);
    let (mut held, mut mark) = (None, None);
    each(bytes, FieldSet::up_to(6), |number, value| {
        match number {
            1 => kind = value.number("entry kind")?,
            2 => serial = value.number("serial")?,
            3 => original = value.number("original serial")?,
            4 => held = Some(value.bytes("posted")?),
            5 => at_micros = value.signed("entry time")?,
            6 => mark = Some(value.mark()?),
            _ => {}
        }
        Ok(())
    })?;
    let mut held = posted(held.ok_or(Fault::from("posted: missing"))?, trace)?;
    match (original_serial(original)?, held.original) {
        (Some(said), Some(other)) if said != other => {
            return Err("original serial: said twice, differently".into());
        }
        (Some(said), _) => held.original = Some(said),
        (None, _) => {}
    }
    Ok(Entry {
        kind: match kind {
            1 => EntryKind::Debit,
            2 => EntryKind::Credit,
            3 => EntryKind::Reversal,
            _ => return Err("entry kind: is not a known value".into()),
        },
        serial: terms::sub_serial("serial", serial)?,
        posted: held,
        at_micros: terms::entry_time_read(at_micros, trace),
        mark,
    })
}
