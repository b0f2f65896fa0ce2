//! What a counter said, as the record keeps it: only what of it the rest does not imply. The answer to a posting that
//! was done as it was ordered says nothing else than the order, its own code and words, the counter's number and day,
//! all of which the leg has; of it nothing more is written. Of whatever else a counter says, everything is, in the
//! fields of the message as it was read.

use domain::message::{AccountId, Answer, Finding, Posted, PostingReply, QueryReply, Reply};
use domain::money::{Amount, Currency};
use domain::serial::{Day, Mark, Role, SubSerial};
use domain::transfer::{Doubt, Evidence, Knowledge, LegReport, Question, Transfer};
use foreign::ForeignText;
use serde::{Deserialize, Serialize};

/// How a counter came to say something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// As the outcome of what was asked last.
    #[default]
    Awaited,
    /// As the answer to something that was asked before.
    Late,
    /// Without having been asked, as far as the connection knew.
    Unasked,
}

impl Came {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
    fn is_awaited(&self) -> bool {
        *self == Came::Awaited
    }
}

/// How something was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) came: Came,
    /// How the question was put that it answers, if it answers one.
    pub(crate) question: Option<Question>,
    /// The settle day under which that was put; `None` where it is the one that the leg is bound to.
    pub(crate) under: Option<Day>,
}

/// The posting that a counter showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Showed {
    /// The leg's own, where that is known to be done; none where it is not.
    #[default]
    AsKnown,
    /// None.
    Nothing,
    /// This one.
    Other(Box<Shown>),
}

/// A posting as a counter showed it, field by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The counter's own number; empty if there was one and it could not be read.
    pub counter_serial: ForeignText,
    /// The accounting day.
    pub settle_day: Day,
    /// The account.
    pub account: AccountId,
    /// The amount in minor units.
    pub amount: Amount,
    /// ISO 4217 currency of the amount.
    pub currency: Currency,
    /// What it undid; `None` where that was not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<SubSerial>,
}

/// The mark that came with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marked {
    /// The transfer's.
    #[default]
    Ours,
    /// None.
    Nothing,
    /// This one.
    Other(Mark),
}

/// What a counter said, as far as it is not what the entry implies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// How it came.
    #[serde(default, skip_serializing_if = "Came::is_awaited")]
    pub came: Came,
    /// How the question was put that it answered; `None` if it answered a posting, or came late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// What the counter said it knows of the serial; `None` if it was no answer to a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// Code and words, where they are not those that the leg has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// The posting that it showed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub posting: Showed,
    /// The mark that it showed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mark: Marked,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Whether a leg is known as it is done by its answer, so that the answer is known by it.
fn is_known(transfer: &Transfer, role: Role) -> bool {
    let leg = transfer.leg(role);
    leg.knowledge == Knowledge::Done && leg.posted_day.is_some()
}

/// What a reversal undoes.
fn undone(transfer: &Transfer, role: Role) -> Option<SubSerial> {
    (role == Role::Reversal).then(|| transfer.intent.master.leg(Role::Debit))
}

/// Whether it is, in every field, what is known of a leg.
fn is_as_known(posted: &Posted, transfer: &Transfer, role: Role) -> bool {
    let leg = transfer.leg(role);
    let known = leg.counter_serial.as_ref().map_or("", ForeignText::as_received);
    is_known(transfer, role)
        && posted.counter_serial == *known
        && leg.posted_day == Some(posted.settle_day)
        && posted.account == transfer.place(role).account
        && posted.amount == transfer.intent.order.amount
        && posted.currency == transfer.intent.order.currency
        && posted.original == undone(transfer, role)
}

impl Received {
    /// What of what was told of a leg is not what the transfer knows of it now; `None` if it was the answer to a
    /// posting that was done as it was ordered, or nothing was said.
    pub(crate) fn beside(
        told: &LegReport,
        heard: Heard,
        role: Role,
        transfer: &Transfer,
    ) -> Option<Box<Received>> {
        let answer = told.answer.as_ref()?;
        let leg = transfer.leg(role);
        let posting = match told.posted.as_ref().or(told.unbelieved.as_deref()) {
            Some(posted) if is_as_known(posted, transfer, role) => Showed::AsKnown,
            Some(posted) => Showed::Other(Box::new(Shown::of(posted))),
            None if is_known(transfer, role) => Showed::Nothing,
            None => Showed::AsKnown,
        };
        let mark = match told.mark {
            mark if mark == transfer.intent.mark => Marked::Ours,
            None => Marked::Nothing,
            Some(mark) => Marked::Other(mark),
        };
        let is_leg_answer = leg.answer.as_ref() == Some(answer);
        let received = Received {
            came: heard.came,
            question: heard.question,
            finding: told.finding,
            answer: if is_leg_answer { None } else { Some(answer.clone()) },
            posting,
            mark,
        };
        let is_implied = is_known(transfer, role) && received == Received::default();
        (!is_implied).then(|| Box::new(received))
    }

    /// The message as it was read, where the transfer is known as the entry says. `None` if the leg has no answer
    /// where that was to be the one.
    pub fn reply(&self, role: Role, transfer: &Transfer) -> Option<Reply> {
        let leg = transfer.leg(role);
        let serial = transfer.intent.master.leg(role);
        let answer = self.answer.clone().or_else(|| leg.answer.clone())?;
        let posted = match &self.posting {
            Showed::Nothing => None,
            Showed::Other(shown) => Some(shown.posted()),
            Showed::AsKnown => leg.posted_day.filter(|_| is_known(transfer, role)).map(|day| {
                let order = &transfer.intent.order;
                Posted {
                    counter_serial: leg.counter_serial.clone().unwrap_or_default(),
                    settle_day: day,
                    account: transfer.place(role).account.clone(),
                    amount: order.amount,
                    currency: order.currency,
                    original: undone(transfer, role),
                }
            }),
        };
        let mark = match self.mark {
            Marked::Ours => transfer.intent.mark,
            Marked::Nothing => None,
            Marked::Other(mark) => Some(mark),
        };
        Some(match self.finding {
            None => Reply::Posting(PostingReply { serial, answer, posted, mark }),
            Some(finding) => Reply::Query(QueryReply { serial, finding, answer, posted, mark }),
        })
    }

    /// Keeps no more than so many characters of each text.
    pub(crate) fn shorten(&mut self, most: usize) {
        if let Some(Answer { text, .. }) = &mut self.answer {
            *text = text.clipped(most);
        }
        if let Showed::Other(shown) = &mut self.posting {
            shown.counter_serial = shown.counter_serial.clipped(most);
        }
    }
}

impl Shown {
    fn of(posted: &Posted) -> Shown {
        let Posted { counter_serial, settle_day, account, amount, currency, original } =
            posted.clone();
        Shown { counter_serial, settle_day, account, amount, currency, original }
    }

    fn posted(&self) -> Posted {
        let Shown { counter_serial, settle_day, account, amount, currency, original } =
            self.clone();
        Posted { counter_serial, settle_day, account, amount, currency, original }
    }
}

/// What may be believed of what was told, in words.
pub(crate) fn evidence_words(told: &LegReport) -> &'static str {
    match (told.doubt, told.evidence) {
        (Some(Doubt::OtherMark), _) => "held under another mark",
        (Some(Doubt::KnownBefore), _) => "known before it was first sent",
        (None, evidence) => believed_words(evidence),
    }
}

/// What is believed, in words.
pub(crate) fn believed_words(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Done => "done",
        Evidence::Refused => "refused",
        Evidence::NotExecuted => "proven never executed",
        Evidence::NotFound => "not found",
        Evidence::Silent => "still unknown",
        Evidence::NotSent => "not sent",
    }
}

/// What its words end with, for the trail, if nobody waited for it.
pub(crate) const LATE: &str = " (late or unasked)";

/// The words of what was heard of a leg, for the trail.
pub(crate) fn heard_words(role: Role, evidence: &str, answer: Option<&Answer>) -> String {
    match answer {
        Some(answer) if answer.text.is_empty() => format!("{role}: {evidence} ({})", answer.code),
        Some(answer) => format!("{role}: {evidence} ({} {})", answer.code, answer.text),
        None => format!("{role}: {evidence}"),
    }
}
