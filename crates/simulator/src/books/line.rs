//! One line of the books file, and the fact that it states.
//!
//! The file is JSON lines, one object a line, always with these keys (`null` where there is
//! nothing to say): `at` (microseconds since 1970 UTC), `counter`, `kind`, `serial`, `master`,
//! `original`, `account`, `amount` and `balance_after` (minor units), `currency`,
//! `counter_serial`, `settle_day` (`YYYYMMDD` as a number). A refusal has `refused` besides:
//! what was refused, the answer's code and its text. What came with a mark has `mark`: sixteen
//! hexadecimal digits.

use super::order::Order;
use domain::message::{AccountId, Answer, AnswerCode, CounterId, EntryKind};
use domain::money::{Amount, Currency};
use domain::serial::{Day, Mark, MasterSerial, SubSerial};
use foreign::ForeignText;
use serde::{Deserialize, Serialize};

/// Something that happened at the counter. The whole state is the sum of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// An account began, with this much in it.
    Opened {
        /// The account that began.
        account: AccountId,
        /// What it began with, in minor units, `0..=999_999_999_999`.
        balance: i64,
        /// ISO 4217 currency that it is kept in.
        currency: Currency,
        /// The counter's accounting day on which it began.
        settle_day: Day,
    },
    /// Money moved.
    Posted(Order),
    /// An order was refused.
    Refused(Order, Answer),
    /// A serial was buried.
    Fenced {
        /// The settle day that the serial was bound to.
        settle_day: Day,
        /// The sub serial that was buried.
        serial: SubSerial,
        /// The mark that the fence bore.
        mark: Option<Mark>,
    },
    /// A new settle day began.
    CutOver(Day),
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An account began: [`Fact::Opened`].
    Opened,
    /// Money left an account.
    Debit,
    /// Money reached an account.
    Credit,
    /// A debit was undone: money came back.
    Reversal,
    /// An order was refused.
    Refused,
    /// A serial was buried.
    Fenced,
    /// A new settle day began.
    CutOver,
}

/// One line of the books file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// When it happened, in microseconds since 1970 UTC.
    pub at: i64,
    /// Id of the counter whose books they are.
    pub counter: CounterId,
    /// What kind of thing happened.
    pub kind: Kind,
    /// The bridge's sub serial that it is about.
    pub serial: Option<SubSerial>,
    /// Master serial of the transfer that the bridge named.
    pub master: Option<MasterSerial>,
    /// For a reversal, the sub serial of the posting that it undoes.
    pub original: Option<SubSerial>,
    /// The account that it is about.
    pub account: Option<AccountId>,
    /// Amount in minor units, `0..=999_999_999_999`; zero only of an account that began with
    /// nothing.
    pub amount: Option<i64>,
    /// ISO 4217 currency of the amount.
    pub currency: Option<Currency>,
    /// The counter's own number of the posting: its place among all, from 1.
    pub counter_serial: Option<String>,
    /// The settle day that the serial was bound to, or the counter's own.
    pub settle_day: Day,
    /// What is available in the account afterwards, in minor units.
    pub balance_after: Option<i64>,
    /// How it was refused, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedOrder>,
    /// The mark that came with the serial, where marks are kept; books of earlier versions have
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// What was refused, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedOrder {
    /// Which kind of order was refused.
    pub of: EntryKind,
    /// The code that it was answered with.
    pub code: AnswerCode,
    /// The words that it was answered with.
    pub text: ForeignText,
}

/// A line that states no fact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is missing or wrong for a line of this kind")]
pub struct NoFact(&'static str);

impl Line {
    /// A line that states the fact. `counter_serial` and `balance_after` are what came of it.
    pub fn new(
        counter: &CounterId,
        at: i64,
        fact: &Fact,
        counter_serial: Option<String>,
        balance_after: Option<i64>,
    ) -> Line {
        let blank = |kind, settle_day| Line {
            at,
            counter: counter.clone(),
            kind,
            serial: None,
            master: None,
            original: None,
            account: None,
            amount: None,
            currency: None,
            counter_serial,
            settle_day,
            balance_after,
            refused: None,
            mark: None,
        };
        let filled = |line: Line, order: &Order| Line {
            serial: Some(order.serial),
            master: Some(order.master),
            original: order.original,
            account: Some(order.account.clone()),
            amount: Some(order.amount.minor()),
            currency: Some(order.currency),
            mark: order.mark,
            ..line
        };
        match fact {
            Fact::Opened { account, balance, currency, settle_day } => Line {
                account: Some(account.clone()),
                amount: Some(*balance),
                currency: Some(*currency),
                ..blank(Kind::Opened, *settle_day)
            },
            Fact::Posted(order) => {
                let kind = match order.kind {
                    EntryKind::Debit => Kind::Debit,
                    EntryKind::Credit => Kind::Credit,
                    EntryKind::Reversal => Kind::Reversal,
                };
                filled(blank(kind, order.settle_day), order)
            }
            Fact::Refused(order, answer) => Line {
                refused: Some(RefusedOrder {
                    of: order.kind,
                    code: answer.code,
                    text: answer.text.clone(),
                }),
                ..filled(blank(Kind::Refused, order.settle_day), order)
            },
            Fact::Fenced { settle_day, serial, mark } => {
                Line { serial: Some(*serial), mark: *mark, ..blank(Kind::Fenced, *settle_day) }
            }
            Fact::CutOver(day) => blank(Kind::CutOver, *day),
        }
    }

    /// The fact that the line states.
    pub fn fact(&self) -> Result<Fact, NoFact> {
        match self.kind {
            Kind::Opened => Ok(Fact::Opened {
                account: self.account.clone().ok_or(NoFact("account"))?,
                balance: self.amount.ok_or(NoFact("amount"))?,
                currency: self.currency.ok_or(NoFact("currency"))?,
                settle_day: self.settle_day,
            }),
            Kind::Debit => Ok(Fact::Posted(self.order(EntryKind::Debit)?)),
            Kind::Credit => Ok(Fact::Posted(self.order(EntryKind::Credit)?)),
            Kind::Reversal => Ok(Fact::Posted(self.order(EntryKind::Reversal)?)),
            Kind::Refused => {
                let refused = self.refused.as_ref().ok_or(NoFact("refused"))?;
                let answer = Answer { code: refused.code, text: refused.text.clone() };
                Ok(Fact::Refused(self.order(refused.of)?, answer))
            }
            Kind::Fenced => Ok(Fact::Fenced {
                settle_day: self.settle_day,
                serial: self.serial.ok_or(NoFact("serial"))?,
                mark: self.mark,
            }),
            Kind::CutOver => Ok(Fact::CutOver(self.settle_day)),
        }
    }

    fn order(&self, kind: EntryKind) -> Result<Order, NoFact> {
        if (kind == EntryKind::Reversal) != self.original.is_some() {
            return Err(NoFact("original"));
        }
        let minor = self.amount.ok_or(NoFact("amount"))?;
        Ok(Order {
            kind,
            serial: self.serial.ok_or(NoFact("serial"))?,
            settle_day: self.settle_day,
            master: self.master.ok_or(NoFact("master"))?,
            original: self.original,
            account: self.account.clone().ok_or(NoFact("account"))?,
            amount: Amount::new(minor).map_err(|_| NoFact("amount"))?,
            currency: self.currency.ok_or(NoFact("currency"))?,
            mark: self.mark,
        })
    }
}
