//! What must not be, in words for people and in fields for machines.

use crate::evidence::Posting;
use domain::serial::{MasterSerial, Role, SubSerial};
use domain::shown::money;
use domain::transfer::State;
use std::fmt;

/// How many postings of each kind a transfer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Legs {
    /// How many postings take its money.
    pub debits: u32,
    /// How many postings bring it.
    pub credits: u32,
    /// How many postings give it back.
    pub reversals: u32,
}

impl Legs {
    /// One more of a kind.
    pub fn count(&mut self, kind: Role) {
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
pub enum Finding {
    /// A serial stands more than once in a counter's statement.
    Doubled {
        /// The counter's name.
        counter: String,
        /// The sub serial that stands there more than once.
        serial: SubSerial,
        /// How often it stands there.
        times: u32,
    },
    /// A posting under a serial of a transfer that is not that transfer's leg.
    NotAsRecorded {
        /// Master serial of the transfer.
        master: MasterSerial,
        /// What the counter states.
        posting: Posting,
        /// In what it differs from the leg, in a word: `counter`, `kind`, `account`, `amount`,
        /// `currency` or `original`.
        what: &'static str,
    },
    /// A posting that no transfer explains.
    Unexplained {
        /// What the counter states.
        posting: Posting,
    },
    /// A posting under a serial of a transfer, and of another transfer by its mark: one that the
    /// record does not know.
    Foreign {
        /// Master serial of the transfer whose serial it bears.
        master: MasterSerial,
        /// What the counter states.
        posting: Posting,
    },
    /// A posting that is stated by a counter at which that leg is not booked.
    ForeignSpeaker {
        /// Master serial of the transfer.
        master: MasterSerial,
        /// What the counter states.
        posting: Posting,
    },
    /// A posting that was stated where it was not asked for: of another account, or another day.
    NotAskedFor {
        /// What the counter states.
        posting: Posting,
    },
    /// Nobody has told what this counter has posted; why not.
    NotTold {
        /// The counter's name.
        counter: String,
        /// Why nobody has told, in words.
        why: String,
    },
    /// A transfer's legs are not those that its state asks for.
    WrongLegs {
        /// Master serial of the transfer.
        master: MasterSerial,
        /// Where the transfer stands by the record.
        standing: State,
        /// How many postings of each kind the counters state of it.
        posted: Legs,
    },
    /// A row of the record is not what was written.
    Damaged {
        /// Master serial of the transfer whose row it is.
        master: MasterSerial,
        /// What is wrong with the row, in words.
        what: String,
    },
    /// A page of the record's file is not what was written; in the database's words.
    DamagedPage {
        /// What the database says of the page.
        what: String,
    },
    /// Money that left is not all somewhere; `unaccounted` is in minor units.
    Unbalanced {
        /// ISO 4217 code of the currency.
        currency: String,
        /// Minor units of the currency: above zero is missing, below is too much.
        unaccounted: i128,
    },
}

impl Finding {
    /// The kind's name for machines.
    pub const fn kind(&self) -> &'static str {
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
    pub fn master(&self) -> Option<MasterSerial> {
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
    let amount = money(*amount, currency.as_str());
    format!("a {kind} of {amount} at {counter}:{account}")
}

fn day(posting: &Posting) -> String {
    format!("settle day {}", posting.settle_day)
}
