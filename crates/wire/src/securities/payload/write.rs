//! Instructions and replies → bytes. Field numbers and order are those of the schema.

use super::super::body;
use super::super::bytes::{Writer, Written};
use crate::payload::{ANSWER_TEXT_LONGEST, Payload, RequestId};
use crate::terms::{self, clip, sayable};
use domain::message::{
    Answer, Balance, Entry, EntryKind, Finding, Instruction, Look, Posted, Posting, Query, Reply,
    Reversal,
};
use domain::serial::SubSerial;

/// Writes the fields of a frame around it.
pub(in crate::securities) fn write(frame: &mut Writer, payload: &Payload) -> Written {
    match payload {
        Payload::Request(id, instruction) => request(frame, *id, instruction),
        Payload::Response(id, reply) => response(frame, *id, reply),
    }
}

fn request(frame: &mut Writer, id: RequestId, instruction: &Instruction) -> Written {
    frame.uint(body::REQUEST_ID, sayable(terms::request_id(id.0))?.0);
    match instruction {
        Instruction::Debit(it) => frame.message(body::DEBIT, |fields| {
            posting(fields, it);
            Ok(())
        }),
        Instruction::Credit(it) => frame.message(body::CREDIT, |fields| {
            posting(fields, it);
            Ok(())
        }),
        Instruction::Reverse(it) => frame.message(body::REVERSE, |fields| {
            reversal(fields, it);
            Ok(())
        }),
        Instruction::Query(it) => frame.message(body::QUERY, |fields| {
            query(fields, it);
            Ok(())
        }),
        Instruction::Balance(query) => frame.message(body::BALANCE_QUERY, |fields| {
            fields.text(1, query.account.as_str());
            fields.text(2, query.currency.as_str());
            Ok(())
        }),
        Instruction::Entries(query) => frame.message(body::ENTRIES_QUERY, |fields| {
            if let Some(account) = &query.account {
                fields.text(1, account.as_str());
            }
            fields.uint(2, query.day.number());
            fields.uint(3, query.offset);
            fields.uint(4, sayable(terms::page(query.limit.into()))?);
            Ok(())
        }),
    }
}

fn response(frame: &mut Writer, id: RequestId, reply: &Reply) -> Written {
    frame.uint(body::REQUEST_ID, sayable(terms::request_id(id.0))?.0);
    match reply {
        Reply::Posting(reply) => frame.message(body::POSTING_REPLY, |fields| {
            fields.uint(1, reply.serial.number());
            answer(fields, 2, &reply.answer);
            posted(fields, 4, reply.posted.as_ref())?;
            fields.mark(5, reply.mark);
            Ok(())
        }),
        Reply::Query(reply) => frame.message(body::QUERY_REPLY, |fields| {
            fields.uint(1, reply.serial.number());
            fields.uint(2, finding(reply.finding));
            answer(fields, 3, &reply.answer);
            posted(fields, 5, reply.posted.as_ref())?;
            fields.mark(6, reply.mark);
            Ok(())
        }),
        Reply::Balance(reply) => frame.message(body::BALANCE_REPLY, |fields| {
            answer(fields, 1, &reply.answer);
            let Some(figures) = &reply.balance else { return Ok(()) };
            fields.message(3, |fields| balance(fields, figures))
        }),
        Reply::Entries(reply) => frame.message(body::ENTRIES_REPLY, |fields| {
            sayable(terms::check_entries(&reply.entries))?;
            answer(fields, 1, &reply.answer);
            for one in &reply.entries {
                fields.message(3, |fields| entry(fields, one))?;
            }
            fields.uint(4, reply.more);
            Ok(())
        }),
    }
}

fn posting(fields: &mut Writer, posting: &Posting) {
    fields.uint(1, posting.serial.number());
    fields.minor(2, posting.master.number());
    fields.uint(3, posting.settle_day.number());
    fields.text(4, posting.account.as_str());
    fields.minor(5, posting.amount.minor());
    fields.text(6, posting.currency.as_str());
    fields.mark(7, posting.mark);
}

fn reversal(fields: &mut Writer, reversal: &Reversal) {
    fields.uint(1, reversal.serial.number());
    fields.uint(2, reversal.original.number());
    fields.minor(3, reversal.master.number());
    fields.uint(4, reversal.settle_day.number());
    fields.text(5, reversal.account.as_str());
    fields.minor(6, reversal.amount.minor());
    fields.text(7, reversal.currency.as_str());
    fields.mark(8, reversal.mark);
}

fn query(fields: &mut Writer, query: &Query) {
    let look: u32 = match query.look {
        Look::Only => 1,
        Look::Fence => 2,
    };
    fields.uint(1, query.serial.number());
    fields.uint(2, query.settle_day.number());
    fields.uint(3, look);
    fields.mark(4, query.mark);
}

/// The code in one field and the words in the next.
fn answer(fields: &mut Writer, code_field: u32, answer: &Answer) {
    fields.uint(code_field, answer.code.number());
    fields.text(code_field + 1, clip(answer.text.as_received(), ANSWER_TEXT_LONGEST));
}

fn finding(finding: Finding) -> u32 {
    match finding {
        Finding::Done => 1,
        Finding::Refused => 2,
        Finding::NotFound => 3,
        Finding::Processing => 4,
        Finding::Fenced => 5,
        Finding::Unclear => 6,
    }
}

fn posted(fields: &mut Writer, field: u32, posted: Option<&Posted>) -> Written {
    let Some(posted) = posted else { return Ok(()) };
    posted_undoing(fields, field, posted, posted.original)
}

fn posted_undoing(
    fields: &mut Writer,
    field: u32,
    posted: &Posted,
    original: Option<SubSerial>,
) -> Written {
    fields.message(field, |fields| {
        let counter_serial = sayable(terms::counter_serial(posted.counter_serial.as_received()))?;
        fields.text(1, counter_serial);
        fields.uint(2, posted.settle_day.number());
        fields.text(3, posted.account.as_str());
        fields.minor(4, posted.amount.minor());
        fields.text(5, posted.currency.as_str());
        if let Some(original) = original {
            fields.uint(6, original.number());
        }
        Ok(())
    })
}

fn balance(fields: &mut Writer, balance: &Balance) -> Written {
    fields.text(1, balance.account.as_str());
    fields.text(2, balance.currency.as_str());
    fields.minor(3, sayable(terms::figure("available", balance.available))?);
    fields.minor(4, sayable(terms::figure("withdrawable", balance.withdrawable))?);
    Ok(())
}

fn entry(fields: &mut Writer, entry: &Entry) -> Written {
    let kind: u32 = match entry.kind {
        EntryKind::Debit => 1,
        EntryKind::Credit => 2,
        EntryKind::Reversal => 3,
    };
    fields.uint(1, kind);
    fields.uint(2, entry.serial.number());
    if let Some(original) = entry.posted.original {
        fields.uint(3, original.number());
    }
    // An entry has said it already.
    posted_undoing(fields, 4, &entry.posted, None)?;
    fields.minor(5, sayable(terms::entry_time(entry.at_micros))?);
    fields.mark(6, entry.mark);
    Ok(())
}
