//! The transfer that everything here is about: 1,234.56 yuan from a broker to a futures company.

use anyhow::Result;
use domain::message::{
    AccountId, Answer, AnswerCode, CounterId, Instruction, Place, Posted, PostingReply, Reply,
};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence};
use domain::transfer::{Intent, Transfer};

/// The day on which everything happens.
pub(crate) fn day() -> Result<Day> {
    Ok(Day::new(20_261_121)?)
}

/// The n-th transfer, from 1.
pub(crate) fn intent(number: u64) -> Result<Intent> {
    let place = |counter: &str, account: &str| -> Result<Place> {
        Ok(Place { counter: CounterId::new(counter)?, account: AccountId::new(account)? })
    };
    Ok(Intent {
        master: MasterSerial { day: day()?, sequence: Sequence::new(number)? },
        order: Order {
            from: place("securities", "60000123")?,
            to: place("futures", "80000456")?,
            amount: Amount::new(123_456)?,
            currency: Currency::CNY,
        },
        debit_day: day()?,
        credit_day: day()?,
        credit_barrier: false,
        mark: Some(Mark(0x0123_4567_89ab_cdef)),
    })
}

/// What a counter is asked for one leg.
pub(crate) fn instruction(role: Role) -> Result<Instruction> {
    Ok(Transfer::accepted(intent(4_711)?).posting(role))
}

/// A counter's answer that it has posted one leg.
pub(crate) fn posted(transfer: &Transfer, role: Role) -> PostingReply {
    let Intent { master, order: Order { amount, currency, .. }, mark, .. } = transfer.intent;
    PostingReply {
        serial: master.leg(role),
        answer: Answer { code: AnswerCode::DONE, text: "done".into() },
        posted: Some(Posted {
            counter_serial: "202611210000004711".into(),
            settle_day: transfer.bound_day(role),
            account: transfer.place(role).account.clone(),
            amount,
            currency,
            original: None,
        }),
        mark,
    }
}

/// The same as a reply on a link.
pub(crate) fn reply(role: Role) -> Result<Reply> {
    Ok(Reply::Posting(posted(&Transfer::accepted(intent(4_711)?), role)))
}
