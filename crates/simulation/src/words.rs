//! The words of a story.

use coordinator::shard::{Input, Said};
use domain::message::{Instruction, Reply};
use port::RequestOutcome;

use crate::host::COUNT_BITS;
use crate::run::Simulation;

pub(crate) fn brief(reply: &Reply) -> String {
    match reply {
        Reply::Posting(reply) => format!("{} {}", reply.serial, reply.answer.code),
        Reply::Query(reply) => {
            format!("{} {:?} ({})", reply.serial, reply.finding, reply.answer.code)
        }
        Reply::Balance(_) | Reply::Entries(_) => "figures".to_owned(),
    }
}

pub(crate) fn brief_outcome(outcome: &RequestOutcome) -> String {
    match outcome {
        RequestOutcome::Answered(reply) => brief(reply),
        RequestOutcome::NotSent(why) => format!("not sent: {why}"),
        RequestOutcome::Unknown(why) => format!("unknown: {why}"),
    }
}

pub(crate) fn brief_ask(instruction: &Instruction) -> String {
    match instruction {
        Instruction::Debit(posting) => format!("debit {}", posting.serial),
        Instruction::Credit(posting) => format!("credit {}", posting.serial),
        Instruction::Reverse(reversal) => format!("reverse {}", reversal.serial),
        Instruction::Query(query) => format!("query {} {:?}", query.serial, query.look),
        Instruction::Balance(_) | Instruction::Entries(_) => "figures".to_owned(),
    }
}

impl Simulation {
    /// What comes to a shard.
    pub(crate) fn note_input(&mut self, input: &Input) {
        match input {
            Input::Written(written) => self.note(
                Some(written.id.0 >> COUNT_BITS),
                format_args!("durable {:x}: {:?}", written.id.0, written.result),
            ),
            Input::Delivered { ticket, outcome, .. } => self.note(
                Some(ticket.0 >> COUNT_BITS),
                format_args!("outcome of {:x}: {}", ticket.0, brief_outcome(outcome)),
            ),
            Input::Unasked { reply, .. } => self.note(
                reply.serial().map(|serial| serial.sequence.number()),
                format_args!("unasked: {}", brief(reply)),
            ),
            Input::Recovered { new, transfer, .. } => self.note(
                Some(new.master.sequence.number()),
                format_args!("taken up as {:?}", transfer.phase),
            ),
            Input::Begin { new, .. } => self.note(
                Some(new.master.sequence.number()),
                format_args!(
                    "{} begins: {} from {}/{} to {}/{}",
                    new.idempotency_key,
                    new.order.amount,
                    new.order.from.counter,
                    new.order.from.account,
                    new.order.to.counter,
                    new.order.to.account
                ),
            ),
            Input::Person { master, who, said, .. } => {
                let words = match said {
                    Said::Claim { .. } => "claims it".to_owned(),
                    Said::Unclaim => "claims it no longer".to_owned(),
                    Said::Propose { decision, .. } => format!("proposes {}", decision.as_str()),
                    Said::Withdraw { .. } => "withdraws what is proposed".to_owned(),
                    Said::Approve { .. } => "approves what is proposed".to_owned(),
                };
                self.note(Some(master.sequence.number()), format_args!("{who} {words}"));
            }
            Input::SessionBegan(_) => {}
        }
    }
}
