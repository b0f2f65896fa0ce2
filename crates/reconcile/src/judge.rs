//! Whether every unit of money is accounted for: the record held against the counters' statements.
//! No I/O and no clock.

use crate::evidence::{Posting, Recorded, Word};
use crate::finding::{Finding, Legs};
use domain::message::CounterId;
use domain::money::Currency;
use domain::serial::{MasterSerial, Role, Sequence, SubSerial};
use domain::transfer::State;
use std::collections::{BTreeMap, BTreeSet};

/// Where the money of one currency is, in minor units, by the counters' statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// What left source accounts.
    pub debited: i128,
    /// What reached destination accounts.
    pub credited: i128,
    /// What was given back to source accounts.
    pub returned: i128,
    /// What left by open transfers, and has neither arrived nor been given back yet.
    pub in_transit: i128,
    /// What left, and by no posting but by a person's recorded decision arrived or was given back;
    /// less what so left without a posting.
    pub on_a_persons_word: i128,
}

impl Sums {
    /// What is missing (above zero) or too much (below); zero where all is accounted for.
    pub const fn unaccounted(&self) -> i128 {
        self.debited - self.credited - self.returned - self.in_transit - self.on_a_persons_word
    }
}

/// An open transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The transfer as it is recorded.
    pub transfer: Recorded,
    /// Minor units of its currency that left and have neither arrived nor come back.
    pub in_transit: i64,
}

/// What an audit found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Where the money of each currency is, by its ISO 4217 code.
    pub currencies: BTreeMap<String, Sums>,
    /// The transfers that have not ended.
    pub open: Vec<Open>,
    /// The transfers that a person ended where no posting shows it, and what the person said.
    pub by_word: Vec<(Recorded, Word)>,
    /// None of these, and every unit is accounted for.
    pub findings: Vec<Finding>,
    /// The legs that are missing, for someone who may look on another day.
    pub missing: Vec<(MasterSerial, Role)>,
}

/// What is judged: a record of transfers, and what counters state that they posted.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Every transfer of the time that is audited.
    pub record: &'a [Recorded],
    /// Every posting that the counters state, once each for each time they state it.
    pub postings: &'a [Posting],
    /// Legs of transfers outside that time: their postings are none of this audit's business.
    pub elsewhere: &'a BTreeSet<(CounterId, SubSerial)>,
    /// What persons decided about transfers that they ended, by master serial.
    pub words: &'a BTreeMap<MasterSerial, Word>,
}

/// Judges.
pub fn judge(case: Case<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let known: BTreeMap<Sequence, &Recorded> =
        case.record.iter().map(|transfer| (transfer.master.sequence, transfer)).collect();
    let (concerned, foreign): (Vec<&Posting>, Vec<&Posting>) = case
        .postings
        .iter()
        .filter(|posting| !case.elsewhere.contains(&(posting.counter.clone(), posting.serial)))
        .partition(|posting| {
            known.get(&posting.serial.sequence).is_none_or(|transfer| speaks(posting, transfer))
        });
    // Only the counter of a leg speaks about it: what another states touches neither the transfer
    // nor the sums.
    for posting in foreign {
        if let Some(transfer) = known.get(&posting.serial.sequence) {
            let (master, posting) = (transfer.master, posting.clone());
            verdict.findings.push(Finding::ForeignSpeaker { master, posting });
        }
    }
    sum_postings(&concerned, &mut verdict);
    find_doubles(&concerned, &mut verdict);
    let mut legs: BTreeMap<Sequence, Legs> = BTreeMap::new();
    for posting in concerned {
        let Some(transfer) = known.get(&posting.serial.sequence) else {
            verdict.findings.push(Finding::Unexplained { posting: posting.clone() });
            continue;
        };
        if posting.is_foreign_to(transfer.mark) {
            let (master, posting) = (transfer.master, posting.clone());
            verdict.findings.push(Finding::Foreign { master, posting });
            continue;
        }
        match difference(transfer, posting) {
            Some(what) => verdict.findings.push(Finding::NotAsRecorded {
                master: transfer.master,
                posting: posting.clone(),
                what,
            }),
            None => legs.entry(posting.serial.sequence).or_default().count(posting.kind),
        }
    }
    for transfer in case.record {
        let legs = legs.get(&transfer.master.sequence).copied().unwrap_or_default();
        judge_transfer(transfer, legs, case.words.get(&transfer.master), &mut verdict);
    }
    for (currency, sums) in &verdict.currencies {
        if sums.unaccounted() != 0 {
            verdict.findings.push(Finding::Unbalanced {
                currency: currency.clone(),
                unaccounted: sums.unaccounted(),
            });
        }
    }
    verdict
}

fn sums(verdict: &mut Verdict, currency: Currency) -> &mut Sums {
    verdict.currencies.entry(currency.to_string()).or_default()
}

fn sum_postings(postings: &[&Posting], verdict: &mut Verdict) {
    for posting in postings {
        let amount = i128::from(posting.amount);
        let sums = sums(verdict, posting.currency);
        match posting.kind {
            Role::Debit => sums.debited += amount,
            Role::Credit => sums.credited += amount,
            Role::Reversal => sums.returned += amount,
        }
    }
}

/// A serial is posted once at its counter, whatever the day.
fn find_doubles(postings: &[&Posting], verdict: &mut Verdict) {
    let mut times: BTreeMap<(&str, u64), (SubSerial, u32)> = BTreeMap::new();
    for posting in postings {
        let key = (posting.counter.as_str(), posting.serial.number());
        times.entry(key).or_insert((posting.serial, 0)).1 += 1;
    }
    for ((counter, _), (serial, times)) in times {
        if times > 1 {
            let counter = counter.to_owned();
            verdict.findings.push(Finding::Doubled { counter, serial, times });
        }
    }
}

/// Whether a posting is stated by the counter at which the leg with its serial is booked.
fn speaks(posting: &Posting, transfer: &Recorded) -> bool {
    posting.counter == transfer.place(posting.serial.role).counter
}

/// In what a posting is not its transfer's leg; `None` where it is.
pub fn difference(transfer: &Recorded, posting: &Posting) -> Option<&'static str> {
    let place = transfer.place(posting.serial.role);
    let undoes = match posting.kind {
        Role::Reversal => Some(transfer.master.leg(Role::Debit)),
        Role::Debit | Role::Credit => None,
    };
    if !speaks(posting, transfer) {
        Some("counter")
    } else if posting.kind != posting.serial.role {
        Some("kind")
    } else if posting.account != place.account {
        Some("account")
    } else if posting.amount != transfer.order.amount.minor() {
        Some("amount")
    } else if posting.currency != transfer.order.currency {
        Some("currency")
    } else if posting.original != undoes {
        Some("original")
    } else {
        None
    }
}

/// A final state asks for exactly its legs; an open one allows every point of a legal life, for
/// what is recorded of it may be older than its postings.
fn judge_transfer(transfer: &Recorded, legs: Legs, word: Option<&Word>, verdict: &mut Verdict) {
    let Legs { debits, credits, reversals } = legs;
    let posted = (debits, credits, reversals);
    let right = match transfer.standing {
        State::Accepted
        | State::Debiting
        | State::Crediting
        | State::Reversing
        | State::NeedsOperator => {
            let in_transit = if posted == (1, 0, 0) { transfer.order.amount.minor() } else { 0 };
            sums(verdict, transfer.order.currency).in_transit += i128::from(in_transit);
            verdict.open.push(Open { transfer: transfer.clone(), in_transit });
            matches!(posted, (0, 0, 0) | (1, 0 | 1, 0) | (1, 0, 1))
        }
        // A leg that is missing, or one too many, may have been put right by hand.
        State::Completed => {
            posted == (1, 1, 0)
                || matches!(posted, (1, 0, 0) | (0, 1, 0)) && on_word(transfer, legs, word, verdict)
        }
        State::Reversed => {
            posted == (1, 0, 1)
                || matches!(posted, (1, 0, 0) | (0, 0, 1)) && on_word(transfer, legs, word, verdict)
        }
        // Debited and returned is no loss: a person may have ended it so.
        State::Refused => {
            posted == (0, 0, 0)
                || matches!(posted, (0, 1, 0) | (0, 0, 1)) && on_word(transfer, legs, word, verdict)
                || (posted == (1, 0, 1) && word.is_some())
        }
    };
    if !right {
        for (role, posted, wanted) in expected(transfer.standing, legs) {
            if posted < wanted {
                verdict.missing.push((transfer.master, role));
            }
        }
        let (master, standing) = (transfer.master, transfer.standing);
        verdict.findings.push(Finding::WrongLegs { master, standing, posted: legs });
    }
}

/// Whether a person's decision stands for what no counter shows; the money is counted so.
fn on_word(transfer: &Recorded, legs: Legs, word: Option<&Word>, verdict: &mut Verdict) -> bool {
    let Some(word) = word else { return false };
    let Legs { debits, credits, reversals } = legs;
    let left = i128::from(debits) - i128::from(credits) - i128::from(reversals);
    sums(verdict, transfer.order.currency).on_a_persons_word +=
        left * i128::from(transfer.order.amount.minor());
    verdict.by_word.push((transfer.clone(), word.clone()));
    true
}

/// Each leg: how often it is posted, and how often it has to be.
fn expected(standing: State, legs: Legs) -> [(Role, u32, u32); 3] {
    let (debit, credit, reversal) = match standing {
        State::Completed => (1, 1, 0),
        State::Reversed => (1, 0, 1),
        State::Refused => (0, 0, 0),
        // Where a later leg is posted, the debit is before it.
        State::Accepted
        | State::Debiting
        | State::Crediting
        | State::Reversing
        | State::NeedsOperator => (u32::from(legs.credits + legs.reversals > 0), 0, 0),
    };
    [
        (Role::Debit, legs.debits, debit),
        (Role::Credit, legs.credits, credit),
        (Role::Reversal, legs.reversals, reversal),
    ]
}

#[cfg(test)]
mod tests;
