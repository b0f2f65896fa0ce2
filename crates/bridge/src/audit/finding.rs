//! What must not be, in words for people and in fields for machines.

use super::evidence::{Posting, Standing};
use crate::person::amount;
use domain::serial::{MasterSerial, Role, SubSerial};
use serde_json::{Value, json};
use std::fmt;

/// How many postings of each kind a transfer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Legs {
    pub(super) debits: u32,
    pub(super) credits: u32,
    pub(super) reversals: u32,
}

impl Legs {
    /// One more of a kind.
    pub(super) fn count(&mut self, kind: Role) {
        match kind {
            Role::Debit => self.debits += 1,
            Role::Credit => self.credits += 1,
            Role::Reversal => self.reversals += 1,
        }
    }
}

impl fmt::Display for Legs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = [
            (self.debits, "debit", "debits"),
            (self.credits, "credit", "credits"),
            (self.reversals, "reversal", "reversals"),
        ];
        let mut said = false;
        for (count, one, many) in counted {
            if count > 0 {
                let comma = if said { ", " } else { "" };
                write!(f, "{comma}{count} {}", if count == 1 { one } else { many })?;
                said = true;
            }
        }
        if said { Ok(()) } else { f.write_str("nothing") }
    }
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// A serial stands more than once in a counter's statement.
    Doubled { counter: String, serial: SubSerial, times: u32 },
    /// A posting under a serial of a transfer that is not that transfer's leg.
    NotAsRecorded { master: MasterSerial, posting: Posting, what: &'static str },
    /// A posting that no transfer explains.
    Unexplained { posting: Posting },
    /// A posting under a serial of a transfer, and of another transfer by its mark: one that the
    /// record does not know.
    Foreign { master: MasterSerial, posting: Posting },
    /// A posting that is stated by a counter at which that leg is not booked.
    ForeignSpeaker { master: MasterSerial, posting: Posting },
    /// A posting that was stated where it was not asked for: of another account, or another day.
    NotAskedFor { posting: Posting },
    /// Nobody has told what this counter has posted; why not.
    NotTold { counter: String, why: String },
    /// A transfer's legs are not those that its state asks for.
    WrongLegs { master: MasterSerial, standing: Standing, posted: Legs },
    /// A row of the record is not what was written.
    Damaged { master: MasterSerial, what: String },
    /// A page of the record's file is not what was written; in the database's words.
    DamagedPage { what: String },
    /// Money that left is not all somewhere; `unaccounted` is in minor units.
    Unbalanced { currency: String, unaccounted: i128 },
}

impl Finding {
    /// The kind's name for machines.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Finding::Doubled { .. } => "doubled",
            Finding::NotAsRecorded { .. } => "not_as_recorded",
            Finding::Unexplained { .. } => "unexplained",
            Finding::Foreign { .. } => "foreign",
            Finding::ForeignSpeaker { .. } => "foreign_speaker",
            Finding::NotAskedFor { .. } => "not_asked_for",
            Finding::NotTold { .. } => "not_told",
            Finding::WrongLegs { .. } => "wrong_legs",
            Finding::Damaged { .. } => "damaged",
            Finding::DamagedPage { .. } => "damaged_page",
            Finding::Unbalanced { .. } => "unbalanced",
        }
    }

    /// Which transfer, where there is one.
    pub(super) fn master(&self) -> Option<MasterSerial> {
        match self {
            Finding::NotAsRecorded { master, .. }
            | Finding::Foreign { master, .. }
            | Finding::ForeignSpeaker { master, .. }
            | Finding::WrongLegs { master, .. }
            | Finding::Damaged { master, .. } => Some(*master),
            Finding::Doubled { .. }
            | Finding::Unexplained { .. }
            | Finding::DamagedPage { .. }
            | Finding::NotAskedFor { .. }
            | Finding::NotTold { .. }
            | Finding::Unbalanced { .. } => None,
        }
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let mut said = json!({ "kind": self.kind(), "text": self.to_string() });
        if let Some(master) = self.master() {
            said["master_serial"] = json!(master);
        }
        match self {
            Finding::Doubled { counter, serial, times } => {
                said["counter"] = json!(counter);
                said["sub_serial"] = json!(serial);
                said["times"] = json!(times);
            }
            Finding::NotAsRecorded { posting, what, .. } => {
                said["differs_in"] = json!(what);
                said["posting"] = posting_json(posting);
            }
            Finding::Damaged { what, .. } | Finding::DamagedPage { what } => {
                said["damage"] = json!(what);
            }
            Finding::NotTold { counter, why } => {
                said["counter"] = json!(counter);
                said["why"] = json!(why);
            }
            Finding::Unexplained { posting }
            | Finding::Foreign { posting, .. }
            | Finding::ForeignSpeaker { posting, .. }
            | Finding::NotAskedFor { posting } => {
                said["posting"] = posting_json(posting);
            }
            Finding::WrongLegs { standing, posted, .. } => {
                said["state"] = json!(standing.as_str());
                said["posted"] = json!({
                    "debits": posted.debits,
                    "credits": posted.credits,
                    "reversals": posted.reversals,
                });
            }
            Finding::Unbalanced { currency, unaccounted } => {
                said["currency"] = json!(currency);
                said["unaccounted"] = json!(i64::try_from(*unaccounted).ok());
            }
        }
        said
    }
}

fn posting_json(posting: &Posting) -> Value {
    json!({
        "counter": posting.counter,
        "kind": posting.kind,
        "sub_serial": posting.serial,
        "original": posting.original,
        "account": posting.account,
        "amount": posting.amount,
        "currency": posting.currency,
        "settle_day": posting.settle_day.to_string(),
        "mark": posting.mark,
    })
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Damaged { what, .. } => f.write_str(what),
            Finding::DamagedPage { what } => {
                write!(
                    f,
                    "the record's file is damaged: {what}; put back a copy (docs/operating.md)"
                )
            }
            Finding::Doubled { counter, serial, times } => {
                write!(f, "{counter} states serial {serial} {times} times")
            }
            Finding::NotAsRecorded { master, posting, what } => {
                write!(f, "{} is not the {what} that {master} has: ", stated(posting))?;
                write!(f, "serial {}, {}", posting.serial, day(posting))
            }
            Finding::Unexplained { posting } => write!(
                f,
                "{} is explained by no transfer: serial {}, {}",
                stated(posting),
                posting.serial,
                day(posting)
            ),
            Finding::Foreign { master, posting } => {
                write!(f, "{} bears a serial of {master} and ", stated(posting))?;
                write!(f, "another mark: it belongs to a transfer that the record does not ")?;
                write!(f, "know; serial {}, {}", posting.serial, day(posting))
            }
            Finding::ForeignSpeaker { master, posting } => {
                write!(f, "{} states ", posting.counter)?;
                write!(f, "{} under serial {} of {master}, ", stated(posting), posting.serial)?;
                write!(
                    f,
                    "a leg that is booked elsewhere: ask the counter's people, {}",
                    day(posting)
                )
            }
            Finding::NotAskedFor { posting } => {
                write!(f, "{} states {} ", posting.counter, stated(posting))?;
                write!(
                    f,
                    "where another account or day was asked for: serial {}, ",
                    posting.serial
                )?;
                f.write_str(&day(posting))
            }
            Finding::NotTold { counter, why } => {
                write!(f, "what {counter} has posted is not known: {why}; name accounts of it ")?;
                write!(f, "(--account {counter}:ACCOUNT) or its books (--books {counter}=FILE)")
            }
            Finding::WrongLegs { master, standing, posted } => {
                write!(f, "{master} is {}, and its counters state {posted}", standing.as_str())
            }
            Finding::Unbalanced { currency, unaccounted } if *unaccounted > 0 => {
                write!(f, "{unaccounted} minor units of {currency} left and are nowhere")
            }
            Finding::Unbalanced { currency, unaccounted } => write!(
                f,
                "{} minor units of {currency} arrived or came back and never left",
                unaccounted.unsigned_abs()
            ),
        }
    }
}

fn stated(posting: &Posting) -> String {
    let Posting { counter, kind, account, amount, currency, .. } = posting;
    let amount = amount::shown(*amount, currency.as_str());
    format!("a {kind} of {amount} at {counter}:{account}")
}

fn day(posting: &Posting) -> String {
    format!("settle day {}", posting.settle_day)
}
