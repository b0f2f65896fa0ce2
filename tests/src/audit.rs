//! Whether every unit of money is where it should be: the counters' own books against what the API
//! told of each transfer. It shares nothing with the bridge: no type, no rule, no serial arithmetic.

use crate::books::{Book, Kind, Line};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How a transfer stands, as the API told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Recorded, nothing sent.
    Accepted,
    /// The debit is on its way.
    Debiting,
    /// The credit is on its way.
    Crediting,
    /// The debit is being undone.
    Reversing,
    /// A person must decide.
    NeedsOperator,
    /// Final: the money arrived.
    Completed,
    /// Final: nothing moved.
    Refused,
    /// Final: the money was returned.
    Reversed,
}

impl State {
    /// Whether nothing follows it.
    pub fn is_final(self) -> bool {
        match self {
            State::Completed | State::Refused | State::Reversed => true,
            State::Accepted
            | State::Debiting
            | State::Crediting
            | State::Reversing
            | State::NeedsOperator => false,
        }
    }
}

/// One side of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Place {
    /// The counter's id.
    pub counter: String,
    /// The account there.
    pub account: String,
}

/// One transfer, as the API told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Told {
    /// Nineteen digits.
    pub master_serial: String,
    /// How it stands.
    pub state: State,
    /// Where the money comes from.
    pub from: Place,
    /// Where it goes.
    pub to: Place,
    /// Minor units.
    pub amount: i64,
    /// In what.
    pub currency: String,
}

/// Something that must not be. An audit that finds none is clean.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Finding {
    /// One serial was posted more than once on one settle day at one counter.
    PostedTwice {
        /// The counter.
        counter: String,
        /// The serial.
        serial: String,
    },
    /// A serial was posted although the counter had buried it.
    PostedAfterFence {
        /// The counter.
        counter: String,
        /// The serial.
        serial: String,
    },
    /// The books hold a posting for a transfer that the API never told of.
    Stranger {
        /// The counter.
        counter: String,
        /// The serial.
        serial: String,
    },
    /// A posting's counter, account, amount or currency is not its transfer's.
    NotAsTold {
        /// The transfer.
        master: String,
        /// What is posted, and where.
        posting: String,
    },
    /// A transfer's postings are not those that its state asks for.
    WrongLegs {
        /// The transfer.
        master: String,
        /// Its state.
        state: State,
        /// The number of its debits, credits and reversals.
        posted: Legs,
    },
    /// A reversal names no debit of its transfer at that counter.
    ReversalOfNothing {
        /// The counter.
        counter: String,
        /// The reversal's serial.
        serial: String,
    },
    /// An account's balance is not what its postings make it.
    WrongBalance {
        /// The counter.
        counter: String,
        /// The account.
        account: String,
        /// What the postings add up to, in minor units.
        computed: i128,
        /// What the books say, in minor units.
        written: i64,
    },
    /// What was opened is not what the accounts hold and what is on its way.
    NotConserved {
        /// The currency.
        currency: String,
        /// The sum of all opening amounts, in minor units.
        opened: i128,
        /// The sum of all balances, in minor units.
        held: i128,
        /// Debited and neither credited nor returned, over all transfers that are not final.
        on_its_way: i128,
    },
}

/// How many postings of each kind a transfer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Legs {
    /// Debits.
    pub debits: u32,
    /// Credits.
    pub credits: u32,
    /// Reversals.
    pub reversals: u32,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Compares the books with what was told. `books` are those of all counters, `told` is every
/// transfer that the bridge knows; transfers that are not final may stand at any legal point.
pub fn audit(books: &[Book], told: &[Told]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let transfers: BTreeMap<&str, &Told> =
        told.iter().map(|told| (told.master_serial.as_str(), told)).collect();
    for book in books {
        check_serials(book, &mut findings);
        check_owners(book, &transfers, &mut findings);
        check_reversals(book, &mut findings);
        check_balances(book, &mut findings);
    }
    check_legs(books, told, &mut findings);
    check_conservation(books, &transfers, &mut findings);
    findings
}

/// A serial is posted at most once, and never after it was buried.
fn check_serials(book: &Book, findings: &mut Vec<Finding>) {
    let mut posted = BTreeSet::new();
    let mut fenced = BTreeSet::new();
    for line in &book.lines {
        let Some(serial) = line.serial.clone() else { continue };
        let counter = book.counter.clone();
        let identity = (line.settle_day, serial.clone());
        match line.kind {
            Kind::Debit | Kind::Credit | Kind::Reversal => {
                if fenced.contains(&identity) {
                    findings.push(Finding::PostedAfterFence {
                        counter: counter.clone(),
                        serial: serial.clone(),
                    });
                }
                if !posted.insert(identity) {
                    findings.push(Finding::PostedTwice { counter, serial });
                }
            }
            Kind::Fenced => {
                fenced.insert(identity);
            }
            Kind::Opened | Kind::Refused | Kind::CutOver => {}
        }
    }
}

/// Every posting belongs to a transfer that was told of, and is as that transfer says.
fn check_owners(book: &Book, transfers: &BTreeMap<&str, &Told>, findings: &mut Vec<Finding>) {
    for line in book.postings() {
        let owner = line.master.as_deref().and_then(|master| transfers.get(master));
        let Some(told) = owner else {
            findings.push(Finding::Stranger {
                counter: book.counter.clone(),
                serial: line.serial.clone().unwrap_or_default(),
            });
            continue;
        };
        let place = match line.kind {
            Kind::Debit | Kind::Reversal => &told.from,
            Kind::Credit => &told.to,
            Kind::Opened | Kind::Refused | Kind::Fenced | Kind::CutOver => continue,
        };
        let as_told = place.counter == book.counter
            && line.account.as_deref() == Some(&place.account)
            && line.amount == Some(told.amount)
            && line.currency.as_deref() == Some(&told.currency);
        if !as_told {
            findings.push(Finding::NotAsTold {
                master: told.master_serial.clone(),
                posting: format!("{} {line:?}", book.counter),
            });
        }
    }
}

/// A reversal undoes a debit that stands before it, of the same transfer, account and amount.
fn check_reversals(book: &Book, findings: &mut Vec<Finding>) {
    for (index, line) in book.lines.iter().enumerate() {
        if line.kind != Kind::Reversal {
            continue;
        }
        let undoes = |debit: &Line| {
            debit.kind == Kind::Debit
                && debit.serial.is_some()
                && debit.serial == line.original
                && debit.master == line.master
                && debit.account == line.account
                && debit.amount == line.amount
        };
        if !book.lines[..index].iter().any(undoes) {
            findings.push(Finding::ReversalOfNothing {
                counter: book.counter.clone(),
                serial: line.serial.clone().unwrap_or_default(),
            });
        }
    }
}

/// Each account's balance after each line is what the lines before it make it.
fn check_balances(book: &Book, findings: &mut Vec<Finding>) {
    for (account, lines) in by_account(book) {
        let mut computed = 0;
        for line in lines {
            computed += effect(line);
            let Some(written) = line.balance_after else { continue };
            if i128::from(written) != computed {
                findings.push(Finding::WrongBalance {
                    counter: book.counter.clone(),
                    account: account.to_owned(),
                    computed,
                    written,
                });
                break;
            }
        }
    }
}

fn by_account(book: &Book) -> BTreeMap<&str, Vec<&Line>> {
    let mut accounts: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in &book.lines {
        let moves = line.kind.is_posting() || line.kind == Kind::Opened;
        if let (true, Some(account)) = (moves, line.account.as_deref()) {
            accounts.entry(account).or_default().push(line);
        }
    }
    accounts
}

/// What a line does to its account, in minor units.
fn effect(line: &Line) -> i128 {
    let amount = i128::from(line.amount.unwrap_or(0));
    match line.kind {
        Kind::Opened | Kind::Credit | Kind::Reversal => amount,
        Kind::Debit => -amount,
        Kind::Refused | Kind::Fenced | Kind::CutOver => 0,
    }
}

/// A final state asks for exactly its postings; any other allows every prefix of a legal life.
fn check_legs(books: &[Book], told: &[Told], findings: &mut Vec<Finding>) {
    let posted = legs(books);
    for told in told {
        let legs = posted.get(told.master_serial.as_str()).copied().unwrap_or_default();
        let counts = (legs.debits, legs.credits, legs.reversals);
        let right = match told.state {
            State::Completed => counts == (1, 1, 0),
            // Debited and returned is no loss: a person may have ended it so.
            State::Refused => matches!(counts, (0, 0, 0) | (1, 0, 1)),
            State::Reversed => counts == (1, 0, 1),
            // What is told of an open transfer may be older than its postings.
            State::Accepted
            | State::Debiting
            | State::Crediting
            | State::Reversing
            | State::NeedsOperator => {
                matches!(counts, (0, 0, 0) | (1, 0 | 1, 0) | (1, 0, 1))
            }
        };
        if !right {
            findings.push(Finding::WrongLegs {
                master: told.master_serial.clone(),
                state: told.state,
                posted: legs,
            });
        }
    }
}

fn legs(books: &[Book]) -> BTreeMap<&str, Legs> {
    let mut posted: BTreeMap<&str, Legs> = BTreeMap::new();
    for line in books.iter().flat_map(Book::postings) {
        let Some(master) = line.master.as_deref() else { continue };
        let legs = posted.entry(master).or_default();
        match line.kind {
            Kind::Debit => legs.debits += 1,
            Kind::Credit => legs.credits += 1,
            Kind::Reversal => legs.reversals += 1,
            Kind::Opened | Kind::Refused | Kind::Fenced | Kind::CutOver => {}
        }
    }
    posted
}

/// What was opened = what is held + what open transfers have taken and not yet given.
fn check_conservation(
    books: &[Book],
    transfers: &BTreeMap<&str, &Told>,
    findings: &mut Vec<Finding>,
) {
    let mut opened: BTreeMap<&str, i128> = BTreeMap::new();
    let mut held: BTreeMap<&str, i128> = BTreeMap::new();
    for line in books.iter().flat_map(|book| &book.lines) {
        let currency = line.currency.as_deref().unwrap_or("");
        *held.entry(currency).or_default() += effect(line);
        if line.kind == Kind::Opened {
            *opened.entry(currency).or_default() += effect(line);
        }
    }
    let mut on_its_way: BTreeMap<&str, i128> = BTreeMap::new();
    for (master, legs) in legs(books) {
        let Some(told) = transfers.get(master) else { continue };
        if !told.state.is_final() && legs.debits > 0 && legs.credits == 0 && legs.reversals == 0 {
            *on_its_way.entry(&told.currency).or_default() += i128::from(told.amount);
        }
    }
    for (currency, held) in held {
        let opened = opened.get(currency).copied().unwrap_or(0);
        let on_its_way = on_its_way.get(currency).copied().unwrap_or(0);
        if opened != held + on_its_way {
            let currency = currency.to_owned();
            findings.push(Finding::NotConserved { currency, opened, held, on_its_way });
        }
    }
}

#[cfg(test)]
mod tests;
