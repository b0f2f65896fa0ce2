//! What a lying counter says: anything, about anybody's serials, at any time. It knows everything of
//! every transfer, its mark too, so that its lies are as good as lies can be.

use crate::clock::{MS, Micros, SECOND};
use crate::random::Random;
use domain::message::{
    AccountId, Answer, AnswerCode, Finding, Posted, PostingReply, QueryReply, Reply,
};
use domain::money::Amount;
use domain::serial::{Day, Mark, Role, Sequence, SubSerial};
use rand::RngExt;
use std::collections::BTreeSet;
use store::NewTransfer;
use wire::conversation::{Conversation, CounterState, HeartbeatAck};
use wire::message::Message;
use wire::payload::{Payload, RequestId};

/// How it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lying {
    /// The share of what it is to say that it replaces by a lie.
    pub share: f64,
    /// At the longest so much time passes between two things that it says unasked.
    pub pause: Micros,
    /// The share of lies that are about legs of its own transfers, where it has any.
    pub own: f64,
}

impl Lying {
    pub(crate) fn draw(random: &mut Random) -> Lying {
        Lying {
            share: random.random_range(0.0..0.6),
            pause: random.random_range(200 * MS..6 * SECOND),
            own: random.random_range(0.0..0.8),
        }
    }
}

/// A lie about a leg of a transfer.
pub(crate) fn lie(random: &mut Random, new: &NewTransfer, role: Role) -> Reply {
    let serial = new.master.leg(role);
    let mark = match random.random_range(0..12) {
        0 => None,
        1 => Some(Mark(random.random())),
        _ => new.mark,
    };
    // It knows each code, and whatever else three digits say.
    let codes = [
        AnswerCode::DONE,
        AnswerCode::DONE,
        AnswerCode::DONE,
        AnswerCode::DUPLICATE,
        AnswerCode::INSUFFICIENT_FUNDS,
        AnswerCode::INSUFFICIENT_FUNDS,
        AnswerCode::CLOSED,
        AnswerCode::FENCED,
        AnswerCode::PROCESSING,
        AnswerCode::SERIAL_CONFLICT,
        AnswerCode::ALREADY_REVERSED,
        AnswerCode::REVERSAL_REFUSED,
        AnswerCode::ORIGINAL_NOT_FOUND,
        AnswerCode::OUTCOME_UNKNOWN,
    ];
    let findings = [
        Finding::Done,
        Finding::Done,
        Finding::Refused,
        Finding::NotFound,
        Finding::Processing,
        Finding::Fenced,
        Finding::Unclear,
    ];
    let code = codes[random.random_range(0..codes.len())];
    let answer = Answer { code, text: "take my word for it".into() };
    let posted = random.random_bool(0.9).then(|| posting(random, new, role));
    if random.random_bool(0.6) {
        return Reply::Posting(PostingReply { serial, answer, posted, mark });
    }
    let finding = findings[random.random_range(0..findings.len())];
    let posted = posted.filter(|_| finding == Finding::Done);
    Reply::Query(QueryReply { serial, finding, answer, posted, mark })
}

/// A posting as it should be for the leg, or wrong in one field.
fn posting(random: &mut Random, new: &NewTransfer, role: Role) -> Posted {
    let place = new.order.place(role);
    let day = match role {
        Role::Debit | Role::Reversal => new.debit_day,
        Role::Credit => new.credit_day,
    };
    let debit = new.master.leg(Role::Debit);
    let mut posted = Posted {
        counter_serial: "L1".into(),
        settle_day: day,
        account: place.account.clone(),
        amount: new.order.amount,
        currency: new.order.currency,
        original: (role == Role::Reversal).then_some(debit),
    };
    match random.random_range(0..12) {
        0 => posted.account = AccountId::new("6009").unwrap_or(posted.account),
        1 => posted.amount = Amount::new(posted.amount.minor() + 1).unwrap_or(posted.amount),
        2 => posted.currency = "USD".parse().unwrap_or(posted.currency),
        3 => {
            let days = day.unix_days();
            let other = if random.random_bool(0.5) { days + 1 } else { days.saturating_sub(1) };
            posted.settle_day = Day::from_unix_days(other);
        }
        4 => {
            let other = if role == Role::Reversal { Role::Credit } else { Role::Debit };
            posted.original = Some(new.master.leg(other));
        }
        _ => {}
    }
    posted
}

/// Whether what a counter says claims, in all that it says, that a leg is posted as it should be.
/// `days` are those that the bridge ever named for the leg.
pub(crate) fn claims_rightly(
    reply: &Reply,
    new: &NewTransfer,
    days: &BTreeSet<Day>,
    echoes_marks: bool,
) -> bool {
    let (serial, posted, mark, claims) = match reply {
        Reply::Posting(reply) => {
            let done = [AnswerCode::DONE, AnswerCode::DUPLICATE, AnswerCode::ALREADY_REVERSED];
            (reply.serial, &reply.posted, reply.mark, done.contains(&reply.answer.code))
        }
        Reply::Query(reply) => {
            (reply.serial, &reply.posted, reply.mark, reply.finding == Finding::Done)
        }
        Reply::Balance(_) | Reply::Entries(_) => return false,
    };
    let Some(posted) = posted else { return false };
    let role = serial.role;
    let place = new.order.place(role);
    let original = match role {
        Role::Debit | Role::Credit => posted.original.is_none(),
        Role::Reversal => {
            posted.original.is_none_or(|original| original == new.master.leg(Role::Debit))
        }
    };
    claims
        && serial == new.master.leg(role)
        && (mark == new.mark || mark.is_none() && !echoes_marks)
        && posted.account == place.account
        && posted.amount == new.order.amount
        && posted.currency == new.order.currency
        && days.contains(&posted.settle_day)
        && original
}

/// Replaces what the counter was to say by something else.
pub(crate) fn distort(random: &mut Random, message: &mut Message, known: &Known, own: f64) {
    match message {
        Message::Payload(Payload::Response(_, reply)) => {
            let about = reply.serial().filter(|_| random.random_bool(0.7));
            let about = about.and_then(|serial| known.of(serial).map(|new| (new, serial.role)));
            let about = about.or_else(|| known.draw(random, own));
            if let Some((new, role)) = about {
                *reply = lie(random, new, role);
            }
        }
        Message::Conversation(Conversation::Welcome(welcome)) => {
            if let Some(state) = &mut welcome.counter {
                boast(random, state);
            }
        }
        Message::Conversation(Conversation::HeartbeatAck(HeartbeatAck {
            counter: Some((day, open)),
            ..
        })) => {
            *day = another_day(random, *day);
            *open = random.random_bool(0.7);
        }
        _ => {}
    }
}

/// Claims about itself and about our serials, when it signs on.
fn boast(random: &mut Random, state: &mut CounterState) {
    let beyond = match random.random_range(0..4) {
        0 => random.random_range(1..50),
        1 => random.random_range(1..9_000_000),
        2 => random.random_range(1..60_000_000_000),
        _ => 0,
    };
    let sequence = state.highest_serial.map_or(0, |serial| serial.sequence.number()) + beyond;
    if beyond > 0
        && let Ok(sequence) = Sequence::new(sequence)
    {
        state.highest_serial = Some(SubSerial { sequence, role: Role::Debit });
    }
    if random.random_bool(0.3) {
        state.settle_day = another_day(random, state.settle_day);
    }
    if random.random_bool(0.3) {
        state.open = false;
    }
}

fn another_day(random: &mut Random, day: Day) -> Day {
    Day::from_unix_days(day.unix_days() + random.random_range(0..3))
}

/// What it knows of transfers, in the order of their beginning.
#[derive(Debug, Default)]
pub(crate) struct Known {
    all: Vec<NewTransfer>,
    /// Those in which it takes part.
    own: Vec<usize>,
    /// Numbers of what it was asked.
    asked: Vec<RequestId>,
}

impl Known {
    pub(crate) fn learn(&mut self, new: NewTransfer, takes_part: bool) {
        if takes_part {
            self.own.push(self.all.len());
        }
        self.all.push(new);
    }

    pub(crate) fn was_asked(&mut self, id: RequestId) {
        self.asked.push(id);
    }

    /// The number of a request that it was asked, or of one that nobody ever asked.
    pub(crate) fn request(&self, random: &mut Random) -> RequestId {
        if self.asked.is_empty() || random.random_bool(0.3) {
            return RequestId(random.random());
        }
        self.asked[random.random_range(0..self.asked.len())]
    }

    fn of(&self, serial: SubSerial) -> Option<&NewTransfer> {
        self.all.iter().rev().find(|new| new.master.sequence == serial.sequence)
    }

    /// A leg to lie about: often a young one, for those are on their way.
    pub(crate) fn draw(&self, random: &mut Random, own: f64) -> Option<(&NewTransfer, Role)> {
        let index = if !self.own.is_empty() && random.random_bool(own) {
            self.own[late(random, self.own.len())]
        } else if self.all.is_empty() {
            return None;
        } else {
            late(random, self.all.len())
        };
        let role = Role::ALL[random.random_range(0..Role::ALL.len())];
        Some((&self.all[index], role))
    }
}

/// An index, the last with the best chance.
fn late(random: &mut Random, among: usize) -> usize {
    let from_the_end = random.random_range(0..among).min(random.random_range(0..among));
    among - 1 - from_the_end
}
