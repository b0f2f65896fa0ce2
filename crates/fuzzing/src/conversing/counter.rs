//! What the counter of a conversation is, and what it says.

use domain::message::{
    AccountId, Answer, AnswerCode, BalanceReply, EntriesReply, Finding, Instruction, Posted,
    Posting, PostingReply, QueryReply, Reply, Reversal,
};
use domain::money::{Amount, Currency};
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence};

/// An answer of the right kind; `how` says which.
pub(super) fn reply(instruction: &Instruction, how: u8) -> Reply {
    let code = [
        AnswerCode::DONE,
        AnswerCode::DUPLICATE,
        AnswerCode::INSUFFICIENT_FUNDS,
        AnswerCode::CLOSED,
        AnswerCode::OUTCOME_UNKNOWN,
        AnswerCode::FENCED,
    ][usize::from(how % 6)];
    let answer = Answer { code, text: "说".into() };
    let posted = |account, amount| Posted {
        counter_serial: format!("C{how}").into(),
        settle_day: Day::from_unix_days(day().unix_days() + u32::from(how / 128)),
        account,
        amount,
        currency: Currency::CNY,
        original: None,
    };
    match instruction {
        Instruction::Debit(it) | Instruction::Credit(it) => Reply::Posting(PostingReply {
            serial: it.serial,
            answer,
            posted: (how & 64 == 0).then(|| posted(it.account.clone(), it.amount)),
            mark: it.mark,
        }),
        Instruction::Reverse(it) => Reply::Posting(PostingReply {
            serial: it.serial,
            answer,
            posted: Some(Posted {
                original: Some(it.original),
                ..posted(it.account.clone(), it.amount)
            }),
            mark: it.mark,
        }),
        Instruction::Query(it) => Reply::Query(QueryReply {
            serial: it.serial,
            finding: [Finding::Done, Finding::NotFound, Finding::Fenced, Finding::Unclear]
                [usize::from(how % 4)],
            answer,
            posted: None,
            mark: it.mark,
        }),
        Instruction::Balance(_) => Reply::Balance(BalanceReply { answer, balance: None }),
        Instruction::Entries(_) => {
            Reply::Entries(EntriesReply { answer, entries: Vec::new(), more: false })
        }
    }
}

pub(super) fn set_words(reply: &mut Reply, words: &str) {
    let answer = match reply {
        Reply::Posting(reply) => &mut reply.answer,
        Reply::Query(reply) => &mut reply.answer,
        Reply::Balance(reply) => &mut reply.answer,
        Reply::Entries(reply) => &mut reply.answer,
    };
    answer.text = words.into();
}

pub(super) fn day() -> Day {
    Day::new(20_261_123).expect("a day")
}

pub(super) fn master(number: u64) -> MasterSerial {
    MasterSerial { day: day(), sequence: Sequence::new(number).expect("a sequence") }
}

pub(super) fn posting(number: u64, role: Role) -> Instruction {
    let master = master(number);
    let account: AccountId = "000000000018".parse().expect("an account");
    let amount = Amount::new(100_000).expect("an amount");
    let (settle_day, currency, mark) = (day(), Currency::CNY, Some(Mark(number)));
    let serial = master.leg(role);
    let leg =
        || Posting { serial, master, settle_day, account: account.clone(), amount, currency, mark };
    match role {
        Role::Debit => Instruction::Debit(leg()),
        Role::Credit => Instruction::Credit(leg()),
        Role::Reversal => {
            let original = master.leg(Role::Debit);
            let Posting { serial, account, .. } = leg();
            Instruction::Reverse(Reversal {
                serial,
                original,
                master,
                settle_day,
                account,
                amount,
                currency,
                mark,
            })
        }
    }
}
