//! What a counter says without having been asked, or too late.

use domain::message::{Answer, CounterId, Finding, Notice, Posted, Reply};
use domain::serial::{Mark, SubSerial};
use std::fmt;

/// Something from a counter that no asker waits for. It may still decide a leg: it is looked at,
/// never dropped in silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// An answer.
    Reply {
        /// The counter that said it.
        counter: CounterId,
        /// What it answered.
        reply: Reply,
        /// Whether its request is known and had ended unknown, by its deadline or a lost
        /// connection. Otherwise it answers nothing that is known: a duplicate, or worse.
        late: bool,
    },
    /// Something that a person should see.
    Notice {
        /// The counter that said it.
        counter: CounterId,
        /// What it says for people.
        notice: Notice,
    },
    /// A frame whose body could not be read.
    Malformed {
        /// The counter that sent it.
        counter: CounterId,
        /// Sub serial of the leg that it was about, if that much could be read.
        serial: Option<SubSerial>,
        /// What is wrong with it, for people.
        error: String,
    },
}

/// What was said, whole, for people: where nobody takes it, the log is its last trace.
impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unmatched::Reply { counter: _, reply, late } => {
                f.write_str(if *late { "too late: " } else { "unasked: " })?;
                write_reply(f, reply)
            }
            Unmatched::Notice { counter: _, notice } => {
                write!(f, "{}: {}", notice.severity.as_str(), notice.text)
            }
            Unmatched::Malformed { counter: _, serial: Some(serial), error } => {
                write!(f, "something about {serial} that cannot be read: {error}")
            }
            Unmatched::Malformed { counter: _, serial: None, error } => {
                write!(f, "something that cannot be read: {error}")
            }
        }
    }
}

fn write_reply(f: &mut fmt::Formatter<'_>, reply: &Reply) -> fmt::Result {
    match reply {
        Reply::Posting(reply) => {
            write!(f, "{} was answered ", reply.serial)?;
            write_answer(f, &reply.answer, reply.posted.as_ref(), reply.mark)
        }
        Reply::Query(reply) => {
            let finding = match reply.finding {
                Finding::Done => "done",
                Finding::Refused => "refused",
                Finding::NotFound => "not found",
                Finding::Processing => "being worked on",
                Finding::Fenced => "buried",
                Finding::Unclear => "unclear",
            };
            write!(f, "{} is {finding}: ", reply.serial)?;
            write_answer(f, &reply.answer, reply.posted.as_ref(), reply.mark)
        }
        Reply::Balance(reply) => {
            f.write_str("a balance: ")?;
            write_answer(f, &reply.answer, None, None)
        }
        Reply::Entries(reply) => {
            write!(f, "{} entries: ", reply.entries.len())?;
            write_answer(f, &reply.answer, None, None)
        }
    }
}

fn write_answer(
    f: &mut fmt::Formatter<'_>,
    answer: &Answer,
    posted: Option<&Posted>,
    mark: Option<Mark>,
) -> fmt::Result {
    write!(f, "{} {}", answer.code, answer.text)?;
    if let Some(posted) = posted {
        let Posted { counter_serial, settle_day, account, amount, currency, original } = posted;
        let amount = amount.minor();
        write!(f, "; posting {counter_serial} of {settle_day}: {amount} minor units {currency}, ")?;
        write!(f, "account {account}")?;
        if let Some(original) = original {
            write!(f, ", undoing {original}")?;
        }
    }
    match mark {
        Some(mark) => write!(f, "; mark {mark}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::message::{
        AccountId, AnswerCode, EntriesReply, PostingReply, QueryReply, Severity,
    };
    use domain::money::{Amount, Currency};
    use domain::serial::Day;
    use expect_test::{Expect, expect};
    use foreign::ForeignText;

    #[expect(clippy::needless_pass_by_value, reason = "as `expect!` makes it")]
    fn check(said: Unmatched, expected: Expect) {
        expected.assert_eq(&said.to_string());
    }

    #[test]
    fn what_was_said_is_told_whole_and_in_words() {
        let counter = || CounterId::new("futures").expect("an id");
        let serial: SubSerial = "000000000421".parse().expect("a serial");
        let answer =
            || Answer { code: AnswerCode::DONE, text: ForeignText::from("posted\u{1b}[2J") };
        let posted = |original| Posted {
            counter_serial: ForeignText::from("F7"),
            settle_day: Day::new(20_261_121).expect("a day"),
            account: AccountId::new("8001").expect("an account"),
            amount: Amount::new(700).expect("an amount"),
            currency: Currency::CNY,
            original,
        };
        let reply = |reply, late| Unmatched::Reply { counter: counter(), reply, late };
        let posting = PostingReply {
            serial,
            answer: answer(),
            posted: Some(posted(Some(serial))),
            mark: Some(Mark(7)),
        };
        check(
            reply(Reply::Posting(posting), true),
            expect![[
                r#"too late: 000000000421 was answered 200 posted\u001b[2J; posting F7 of 20261121: 700 minor units CNY, account 8001, undoing 000000000421; mark 0000000000000007"#
            ]],
        );
        let query = QueryReply {
            serial,
            finding: Finding::NotFound,
            answer: answer(),
            posted: None,
            mark: None,
        };
        check(
            reply(Reply::Query(query), false),
            expect![[r#"unasked: 000000000421 is not found: 200 posted\u001b[2J"#]],
        );
        let entries = EntriesReply { answer: answer(), entries: Vec::new(), more: false };
        check(
            reply(Reply::Entries(entries), false),
            expect![[r#"unasked: 0 entries: 200 posted\u001b[2J"#]],
        );
        let notice =
            Notice { severity: Severity::Alarm, text: ForeignText::from("the vault is open") };
        check(
            Unmatched::Notice { counter: counter(), notice },
            expect!["alarm: the vault is open"],
        );
        let malformed = |serial| Unmatched::Malformed {
            counter: counter(),
            serial,
            error: "no amount".to_owned(),
        };
        check(
            malformed(Some(serial)),
            expect!["something about 000000000421 that cannot be read: no amount"],
        );
        check(malformed(None), expect!["something that cannot be read: no amount"]);
    }
}
