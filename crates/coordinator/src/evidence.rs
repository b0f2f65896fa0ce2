//! A trail read again as what was said: what each entry's message was, as sent and as received, and by what rule it
//! went on. What is sent is not recorded, for it follows from the record: it is made again here by what makes it to be
//! sent ([`Transfer::posting`], [`Transfer::question`]).

use crate::received::{Came, LATE, Received, believed_words, heard_words};
use crate::record::{EXPIRED, asked, sent};
use crate::trail::Entry;
use domain::message::{Instruction, Look, Reply};
use domain::order::Order;
use domain::serial::{Day, Role};
use domain::transfer::{
    Doubt, Evidence, Intent, Knowledge, Phase, Question, Transfer, Weight, line,
};

/// A message that a counter said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// How it came.
    pub came: Came,
    /// What it said.
    pub reply: Reply,
    /// What it answers; `None` if it did not come as the outcome of what was asked last, or that is not known.
    pub asked: Option<Asked>,
    /// In which fields that is not the order's: of the posting that it showed, and the mark.
    pub differs: Vec<Field>,
}

/// What an answer answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What was handed over to be sent.
    pub instruction: Instruction,
    /// Whether an entry before says that it was. Of questions that bring nothing only so many in a row are written down; what
    /// was asked after them is made again from the answer's own entry.
    pub is_written: bool,
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
    /// What was said last to the counter of each leg, in the order of [`Role::ALL`].
    last: [Option<Last>; 3],
}

/// What was said last about a leg.
#[derive(Debug)]
struct Last {
    said: Said,
    instruction: Instruction,
    /// Whether an entry since then says what came of it.
    is_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Posting,
    Question(Look),
}

const LOOKS: [Look; 2] = [Look::Only, Look::Fence];

/// How a question is put to a counter.
fn look_of(question: Question) -> Look {
    match question {
        Question::Fence => Look::Fence,
        Question::Look | Question::Settled => Look::Only,
    }
}

fn slot(role: Role) -> usize {
    match role {
        Role::Debit => 0,
        Role::Credit => 1,
        Role::Reversal => 2,
    }
}

/// Whether an entry about a leg says what came of what was said last about it.
fn is_outcome(role: Role, entry: &Entry) -> bool {
    if let Some(received) = &entry.received {
        return received.came == Came::Awaited;
    }
    let event = entry.event.as_str();
    let event = event.strip_prefix("question about the ").unwrap_or(event);
    let words = event.strip_prefix(role.as_str()).and_then(|rest| rest.strip_prefix(": "));
    words.is_some_and(|words| !words.ends_with(LATE))
}

impl Reading {
    /// From the beginning of a transfer that wants this.
    pub fn new(intent: Intent) -> Reading {
        Reading { transfer: Transfer::accepted(intent), last: [None, None, None] }
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
            let by = self.rule(before, Cause::Wake);
            let sent = Some(instruction.clone());
            self.last[slot(role)] = Some(Last { said, instruction, is_over: false });
            return Exchange { role: Some(role), sent, received: None, rule: by };
        }
        if entry.event == EXPIRED {
            return Exchange { rule: self.rule(before, Cause::Expire), ..Exchange::default() };
        }
        let Some(role) = about else { return Exchange::default() };
        let received = self.received(role, entry);
        let by = self.told(role, entry).and_then(|told| self.rule(before, told));
        if let Some(last) = &mut self.last[slot(role)]
            && is_outcome(role, entry)
        {
            last.is_over = true;
        }
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
            Some((role, self.question(role, look, entry.under), Said::Question(look)))
        };
        Role::ALL.into_iter().find_map(put)
    }

    /// What was received, if the entry says that something was.
    fn received(&self, role: Role, entry: &Entry) -> Option<Heard> {
        if let Some(received) = &entry.received {
            let reply = received.reply(role, &self.transfer)?;
            let differs = differences(&reply, role, &self.transfer);
            let asked = self.asked(role, entry, received);
            return Some(Heard { came: received.came, reply, asked, differs });
        }
        // Nothing more was written of the answer to a posting that was done as it was ordered; an earlier version
        // wrote nothing more of any.
        let leg = self.transfer.leg(role);
        let is_plain = leg.knowledge == Knowledge::Done
            && self.said(role) == Some(Said::Posting)
            && leg.answer.is_some()
            && entry.event
                == heard_words(role, believed_words(Evidence::Done), leg.answer.as_ref());
        let reply = is_plain.then(|| Received::default().reply(role, &self.transfer)).flatten()?;
        let differs = differences(&reply, role, &self.transfer);
        let asked = self.asked(role, entry, &Received::default());
        Some(Heard { came: Came::Awaited, reply, asked, differs })
    }

    /// What the entry's answer answers. An entry before says it, if none since then says what came of that; if no entry does,
    /// it was a question that was not written down any more, and it is made again as it was put.
    fn asked(&self, role: Role, entry: &Entry, received: &Received) -> Option<Asked> {
        if received.came != Came::Awaited {
            return None;
        }
        let said = received.question.map_or(Said::Posting, |it| Said::Question(look_of(it)));
        let last = self.last[slot(role)].as_ref();
        match last.filter(|last| !last.is_over && last.said == said) {
            Some(last) => Some(Asked { instruction: last.instruction.clone(), is_written: true }),
            None => received.question.map(|question| Asked {
                instruction: self.question(role, look_of(question), entry.under),
                is_written: false,
            }),
        }
    }

    /// A question, under another day than the one that the leg is bound to if there is one.
    fn question(&self, role: Role, look: Look, under: Option<Day>) -> Instruction {
        let mut instruction = self.transfer.question(role, look);
        if let (Instruction::Query(query), Some(day)) = (&mut instruction, under) {
            query.settle_day = day;
        }
        instruction
    }

    /// What was said last to the counter of a leg: its posting, or a question.
    fn said(&self, role: Role) -> Option<Said> {
        self.last[slot(role)].as_ref().map(|last| last.said)
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
            Some(Some(question)) => Some(question != Question::Look),
            Some(None) => None,
            None => match self.said(role) {
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
