//! A trail read again as what was said: what each entry's message was, as sent and as received, and by what rule it
//! went on. What is sent is not recorded, for it follows from the record: it is made again here by what makes it to be
//! sent ([`Transfer::posting`], [`Transfer::question`]).

use crate::received::{Came, Received, believed_words, heard_words};
use crate::record::{EXPIRED, asked, sent};
use crate::trail::Entry;
use domain::message::{Instruction, Look, Reply};
use domain::order::Order;
use domain::serial::Role;
use domain::transfer::{Doubt, Evidence, Intent, Knowledge, Phase, Transfer, Weight, line};

/// A message that a counter said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// How it came.
    pub came: Came,
    /// What it said.
    pub reply: Reply,
    /// In which fields that is not the order's: of the posting that it showed, and the mark.
    pub differs: Vec<Field>,
}

/// A field in which what a counter says may differ from what was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The account.
    Account,
    /// The amount.
    Amount,
    /// The currency.
    Currency,
    /// The settle day: one that the leg was never bound to.
    SettleDay,
    /// What it undid.
    Original,
    /// The mark.
    Mark,
}

impl Field {
    /// Its name, as it is in the dialects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Field::Account => "account",
            Field::Amount => "amount",
            Field::Currency => "currency",
            Field::SettleDay => "settle day",
            Field::Original => "original serial",
            Field::Mark => "mark",
        }
    }
}

/// In which fields what a counter says of a leg is not what was ordered.
fn differences(reply: &Reply, role: Role, transfer: &Transfer) -> Vec<Field> {
    let (posted, mark) = match reply {
        Reply::Posting(reply) => (reply.posted.as_ref(), reply.mark),
        Reply::Query(reply) => (reply.posted.as_ref(), reply.mark),
        Reply::Balance(_) | Reply::Entries(_) => return Vec::new(),
    };
    let Order { amount, currency, .. } = transfer.intent.order;
    let undone = (role == Role::Reversal).then(|| transfer.intent.master.leg(Role::Debit));
    let of_posting = posted.map(|posted| {
        [
            (Field::Account, posted.account != transfer.place(role).account),
            (Field::Amount, posted.amount != amount),
            (Field::Currency, posted.currency != currency),
            (Field::SettleDay, transfer.bound_days(role).all(|day| day != posted.settle_day)),
            // Not every counter says what was undone.
            (Field::Original, posted.original.is_some() && posted.original != undone),
        ]
    });
    let of_mark = (Field::Mark, mark.is_some() && mark != transfer.intent.mark);
    let all = of_posting.into_iter().flatten().chain([of_mark]);
    all.filter_map(|(field, differs)| differs.then_some(field)).collect()
}

/// By what it went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The number of the rule in DOMAIN §3.
    pub number: u8,
    /// The line of docs/transfer-table.md: its heading and its first cell. `None` where it is not known or not there.
    pub line: Option<(String, String)>,
}

/// What an entry of a trail is evidence of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The leg whose counter was spoken with.
    pub role: Option<Role>,
    /// What was handed over to be sent. Whether it left is what the next entries say.
    pub sent: Option<Instruction>,
    /// What was received.
    pub received: Option<Heard>,
    /// By what it went on; `None` where nothing followed.
    pub rule: Option<Rule>,
}

/// Reads a trail from its first entry on.
#[derive(Debug)]
pub struct Reading {
    /// As it was known after the last entry.
    transfer: Transfer,
    /// What was said last to the counter of each leg, in the order of [`Role::ALL`]: its posting, or a question.
    last: [Option<Said>; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Posting,
    Question(Look),
}

const LOOKS: [Look; 2] = [Look::Only, Look::Fence];

fn slot(role: Role) -> usize {
    match role {
        Role::Debit => 0,
        Role::Credit => 1,
        Role::Reversal => 2,
    }
}

impl Reading {
    /// From the beginning of a transfer that wants this.
    pub fn new(intent: Intent) -> Reading {
        Reading { transfer: Transfer::accepted(intent), last: [None; 3] }
    }

    /// What the next entry is evidence of.
    pub fn next(&mut self, entry: &Entry) -> Exchange {
        let before = self.transfer.phase;
        self.transfer.phase = entry.phase;
        let about = entry.leg.as_ref().map(|leg| leg.role);
        if let (Some(role), Some(leg)) = (about, entry.leg.clone()) {
            *self.transfer.leg_mut(role) = leg.into_leg();
        }
        if let Some((role, instruction, said)) = self.sent(entry) {
            self.last[slot(role)] = Some(said);
            let by = self.rule(before, Cause::Wake);
            let sent = Some(instruction);
            return Exchange { role: Some(role), sent, received: None, rule: by };
        }
        if entry.event == EXPIRED {
            return Exchange { rule: self.rule(before, Cause::Expire), ..Exchange::default() };
        }
        let Some(role) = about else { return Exchange::default() };
        let received = self.received(role, entry);
        let by = self.told(role, entry).and_then(|told| self.rule(before, told));
        let about = (received.is_some() || by.is_some()).then_some(role);
        Exchange { role: about, sent: None, received, rule: by }
    }

    /// What was sent, if the entry says that something was: by the words that it is written with.
    fn sent(&self, entry: &Entry) -> Option<(Role, Instruction, Said)> {
        if let Some(leg) = &entry.leg {
            let role = leg.role;
            let is_sent = entry.event == sent(role, leg.rebound.last());
            return is_sent.then(|| (role, self.transfer.posting(role), Said::Posting));
        }
        // A person may write anything.
        if entry.dealing.is_some() {
            return None;
        }
        let put = |role| {
            let look = LOOKS.into_iter().find(|look| entry.event == asked(role, *look))?;
            let mut instruction = self.transfer.question(role, look);
            if let (Instruction::Query(query), Some(day)) = (&mut instruction, entry.under) {
                query.settle_day = day;
            }
            Some((role, instruction, Said::Question(look)))
        };
        Role::ALL.into_iter().find_map(put)
    }

    /// What was received, if the entry says that something was.
    fn received(&self, role: Role, entry: &Entry) -> Option<Heard> {
        if let Some(received) = &entry.received {
            let reply = received.reply(role, &self.transfer)?;
            let differs = differences(&reply, role, &self.transfer);
            return Some(Heard { came: received.came, reply, differs });
        }
        // Nothing more was written of the answer to a posting that was done as it was ordered; an earlier version
        // wrote nothing more of any.
        let leg = self.transfer.leg(role);
        let is_plain = leg.knowledge == Knowledge::Done
            && self.last[slot(role)] == Some(Said::Posting)
            && leg.answer.is_some()
            && entry.event
                == heard_words(role, believed_words(Evidence::Done), leg.answer.as_ref());
        let reply = is_plain.then(|| Received::default().reply(role, &self.transfer)).flatten()?;
        let differs = differences(&reply, role, &self.transfer);
        Some(Heard { came: Came::Awaited, reply, differs })
    }

    /// What was told of a leg, as the table has it.
    fn told(&self, role: Role, entry: &Entry) -> Option<Cause> {
        let event = entry.event.as_str();
        let (event, of_a_question) = match event.strip_prefix("question about the ") {
            Some(rest) => (rest, true),
            None => (event, false),
        };
        let words = event.strip_prefix(role.as_str())?.strip_prefix(": ")?;
        let says = |known: &str| {
            words.strip_prefix(known).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(" (") || rest.starts_with(": ")
            })
        };
        let believed = Evidence::ALL.into_iter().find(|evidence| says(believed_words(*evidence)));
        let doubted = self.transfer.leg(role).doubt.is_some();
        let evidence = match believed {
            Some(evidence) => evidence,
            None if says("unknown") || doubted => Evidence::Silent,
            None => return None,
        };
        let asked = match entry.received.as_ref().map(|received| received.question) {
            Some(Some(question)) => Some(question != domain::transfer::Question::Look),
            Some(None) => None,
            None => match self.last[slot(role)] {
                Some(Said::Question(look)) if of_a_question => Some(look == Look::Fence),
                Some(_) | None => None,
            },
        };
        let weight = match asked {
            None if entry.received.as_ref().is_some_and(|it| it.finding.is_some()) => Weight::Query,
            None => Weight::Answer,
            Some(false) => Weight::Query,
            Some(true) => Weight::Truth,
        };
        let is_mismatched = evidence == Evidence::Silent
            && entry
                .received
                .as_ref()
                .is_some_and(|it| matches!(it.posting, crate::received::Showed::Other(_)));
        let doubt = self.transfer.leg(role).doubt.filter(|_| believed.is_none());
        Some(Cause::Told { line: line::told(role, weight, evidence), is_mismatched, doubt })
    }

    /// By what it came from `before` to where it is now.
    fn rule(&self, before: Phase, cause: Cause) -> Option<Rule> {
        let (moved, now) = (before != self.transfer.phase, self.transfer.phase);
        let (number, cell) = match cause {
            // What follows at once from what was told before has that line.
            Cause::Wake if !moved => return None,
            Cause::Wake => (line::rule_into(now), "wake".to_owned()),
            Cause::Expire => (7, "expire".to_owned()),
            Cause::Told { line, doubt: Some(_), .. } => (10, line),
            Cause::Told { line, is_mismatched: true, .. } => (9, line),
            // An end is never left: whatever is written down of it after that contradicts it.
            Cause::Told { line, .. } if before.state().is_final() => (5, line),
            Cause::Told { line, .. } if moved => (line::rule_into(now), line),
            // Unknown stays unknown.
            Cause::Told { line, .. } => (4, line),
        };
        Some(Rule { number, line: line::heading(before).map(|heading| (heading, cell)) })
    }
}

/// What something followed from.
enum Cause {
    Wake,
    Expire,
    Told { line: String, is_mismatched: bool, doubt: Option<Doubt> },
}
