//! Instructions and replies → packets.

use super::super::items::Item;
use super::super::packet::{request, response};
use super::super::words::{Instructed, Replied};
use crate::payload::{ANSWER_TEXT_LONGEST, Payload};
use crate::terms::{self, clip};
use crate::xml::figures::sayable_figure;
use crate::xml::writer::{Writer, Written};
use domain::message::{
    Answer, Balance, Entry, Instruction, Look, Posted, Posting, Query, Reply, Reversal,
};

/// Writes the request or response of a packet.
pub(in crate::futures) fn write(packet: &mut Writer, payload: &Payload) -> Written {
    match payload {
        Payload::Request(id, it) => instruction(packet, terms::request_id(id.0)?.0, it),
        Payload::Response(id, reply) => replied(packet, terms::request_id(id.0)?.0, reply),
    }
}

fn instruction(packet: &mut Writer, id: u64, instruction: &Instruction) -> Written {
    match instruction {
        Instruction::Debit(it) => request(packet, id, Instructed::Debit, |group| {
            posting(group, it);
            Ok(())
        }),
        Instruction::Credit(it) => request(packet, id, Instructed::Credit, |group| {
            posting(group, it);
            Ok(())
        }),
        Instruction::Reverse(it) => request(packet, id, Instructed::Reverse, |group| {
            reversal(group, it);
            Ok(())
        }),
        Instruction::Query(it) => request(packet, id, Instructed::ResultQuery, |group| {
            query(group, it);
            Ok(())
        }),
        Instruction::Balance(query) => request(packet, id, Instructed::FundBalanceQuery, |group| {
            group.text(Item::FundAccount, query.account.as_str());
            group.currency(Item::Currency, query.currency);
            Ok(())
        }),
        Instruction::Entries(query) => request(packet, id, Instructed::DayDetailQuery, |group| {
            if let Some(account) = &query.account {
                group.text(Item::FundAccount, account.as_str());
            }
            group.day(Item::SettleDay, query.day);
            group.number(Item::Offset, query.offset);
            group.number(Item::Limit, terms::page(query.limit.into())?);
            Ok(())
        }),
    }
}

fn replied(packet: &mut Writer, id: u64, reply: &Reply) -> Written {
    match reply {
        Reply::Posting(reply) => answer(packet, id, Replied::Posting, &reply.answer, |packet| {
            packet.group(|group| {
                group.serial(Item::SubSerial, reply.serial);
                reply.posted.as_ref().map_or(Ok(()), |it| posted(group, it))?;
                group.mark(Item::Mark, reply.mark);
                Ok(())
            })
        }),
        Reply::Query(reply) => answer(packet, id, Replied::ResultQuery, &reply.answer, |packet| {
            packet.group(|group| {
                group.serial(Item::SubSerial, reply.serial);
                group.word(Item::Finding, reply.finding);
                reply.posted.as_ref().map_or(Ok(()), |it| posted(group, it))?;
                group.mark(Item::Mark, reply.mark);
                Ok(())
            })
        }),
        Reply::Balance(reply) => {
            answer(packet, id, Replied::FundBalance, &reply.answer, |packet| {
                let Some(figures) = &reply.balance else { return Ok(()) };
                packet.group(|group| balance(group, figures))
            })
        }
        Reply::Entries(reply) => {
            terms::check_entries(&reply.entries)?;
            answer(packet, id, Replied::DayDetail, &reply.answer, |packet| {
                packet.group(|group| {
                    group.word(Item::More, reply.more);
                    Ok(())
                })?;
                reply.entries.iter().try_for_each(|one| packet.group(|group| entry(group, one)))
            })
        }
    }
}

fn answer(
    packet: &mut Writer,
    id: u64,
    kind: Replied,
    answer: &Answer,
    groups: impl FnOnce(&mut Writer) -> Written,
) -> Written {
    let text = clip(answer.text.as_received(), ANSWER_TEXT_LONGEST);
    response(packet, id, (kind, answer.code.number(), text), groups)
}

fn posting(group: &mut Writer, posting: &Posting) {
    group.serial(Item::SubSerial, posting.serial);
    group.master(Item::MasterSerial, posting.master);
    group.day(Item::SettleDay, posting.settle_day);
    group.text(Item::FundAccount, posting.account.as_str());
    group.amount(Item::Amount, posting.amount);
    group.currency(Item::Currency, posting.currency);
    group.mark(Item::Mark, posting.mark);
}

fn reversal(group: &mut Writer, reversal: &Reversal) {
    group.serial(Item::SubSerial, reversal.serial);
    group.serial(Item::OriginalSerial, reversal.original);
    group.master(Item::MasterSerial, reversal.master);
    group.day(Item::SettleDay, reversal.settle_day);
    group.text(Item::FundAccount, reversal.account.as_str());
    group.amount(Item::Amount, reversal.amount);
    group.currency(Item::Currency, reversal.currency);
    group.mark(Item::Mark, reversal.mark);
}

fn query(group: &mut Writer, query: &Query) {
    group.serial(Item::SubSerial, query.serial);
    group.day(Item::SettleDay, query.settle_day);
    let fence = match query.look {
        Look::Only => false,
        Look::Fence => true,
    };
    group.word(Item::Fence, fence);
    group.mark(Item::Mark, query.mark);
}

fn posted(group: &mut Writer, posted: &Posted) -> Written {
    let counter_serial = terms::counter_serial(posted.counter_serial.as_received())?;
    if let Some(original) = posted.original {
        group.serial(Item::OriginalSerial, original);
    }
    group.text(Item::CounterSerial, counter_serial);
    group.day(Item::SettleDay, posted.settle_day);
    group.text(Item::FundAccount, posted.account.as_str());
    group.amount(Item::Amount, posted.amount);
    group.currency(Item::Currency, posted.currency);
    Ok(())
}

fn balance(group: &mut Writer, balance: &Balance) -> Written {
    group.text(Item::FundAccount, balance.account.as_str());
    group.currency(Item::Currency, balance.currency);
    group.money(Item::FundBalance, sayable_figure("available", balance.available)?);
    group.money(Item::WithdrawableBalance, sayable_figure("withdrawable", balance.withdrawable)?);
    Ok(())
}

fn entry(group: &mut Writer, entry: &Entry) -> Written {
    group.word(Item::EntryKind, entry.kind);
    group.serial(Item::SubSerial, entry.serial);
    posted(group, &entry.posted)?;
    group.time(Item::TransactionTime, entry.at_micros)?;
    group.mark(Item::Mark, entry.mark);
    Ok(())
}
