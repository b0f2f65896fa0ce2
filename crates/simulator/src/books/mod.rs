//! A counter's own books: accounts, postings, refusals and fences. Pure: no file, no socket, no
//! clock; what happened is a [`Fact`], stated by a [`Line`] for whoever keeps the file.
//!
//! The rules are the counter's own (DOMAIN §3, §5, seen from the other side): one order per
//! (settle day, serial); a repeat is told what the first one was told; a refusal sticks; a fence is
//! final, also if it comes before the order; a debit is undone once, whole, on its settle day.

mod account;
mod inquiry;
mod line;
mod order;
mod posting;
#[cfg(test)]
mod tests;

pub use account::{AccountSetting, CEILING};
pub use line::{Fact, Kind, Line, NoFact, RefusedOrder};
pub use order::{Key, Order};

use account::Account;
use domain::message::{
    AccountId, Answer, AnswerCode, BalanceReply, CounterId, EntriesReply, EntryKind, Finding,
    Instruction, Posted, PostingReply, QueryReply, Reply,
};
use domain::money::{Amount, Currency};
use domain::profile::Profile;
use domain::serial::{Day, SubSerial};
use std::collections::{HashMap, HashSet};

/// What the books go by; it is configuration and not recorded.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whose books.
    pub counter: CounterId,
    /// What the counter can do; what it says it cannot do, it does not do.
    pub profile: Profile,
    /// The currency of an account that says nothing else.
    pub currency: Currency,
    /// Accounts that are special.
    pub settings: Vec<AccountSetting>,
    /// Whether debits and credits are taken. Reversals are taken at all hours.
    pub open: bool,
}

/// The books.
#[derive(Clone, Debug)]
pub struct Books {
    rules: Rules,
    settle_day: Day,
    accounts: Vec<Account>,
    account_index: HashMap<AccountId, usize>,
    /// Every posting; the counter's own number is the place, from 1.
    rows: Vec<Row>,
    fates: HashMap<Key, Fate>,
    /// Which debits were undone, and by which serial.
    undone: HashMap<Key, SubSerial>,
    /// The rows of one account on one settle day, oldest first.
    pages: HashMap<(usize, Day), Vec<usize>>,
    /// Taken in, answered with "processing", and not decided yet. Not recorded: a counter that
    /// dies forgets them.
    processing: HashSet<Key>,
}

#[derive(Clone, Debug)]
struct Row {
    kind: EntryKind,
    serial: SubSerial,
    original: Option<SubSerial>,
    account: usize,
    amount: Amount,
    settle_day: Day,
    at_micros: i64,
}

#[derive(Clone, Debug)]
enum Fate {
    Posted(usize),
    Refused(Box<(Order, Answer)>),
    Fenced,
}

/// An answer, and what must be in the file before it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The answer.
    pub reply: Reply,
    /// The line, if anything happened.
    pub line: Option<Line>,
}

/// Lines that cannot have been written by these books.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistent {
    /// Another counter's.
    #[error("the line is of counter {0}")]
    OtherCounter(CounterId),
    /// A line without its fields.
    #[error(transparent)]
    NoFact(#[from] NoFact),
    /// A posting to an account that was never opened.
    #[error("account {0} was never opened")]
    NoAccount(AccountId),
    /// An account opened twice, or with an impossible balance.
    #[error("account {0} cannot be opened with {1}")]
    BadOpening(AccountId, i64),
    /// A balance outside zero to twelve digits.
    #[error("account {0} would be overdrawn or overflow")]
    BadBalance(AccountId),
    /// What came of the fact is not what the line says.
    #[error("`{0}` of the line does not follow from the lines before it")]
    Differs(&'static str),
}

/// What came of a fact.
struct Consequence {
    counter_serial: Option<String>,
    balance_after: Option<i64>,
}

impl Books {
    /// Empty books on a settle day.
    pub fn new(rules: Rules, settle_day: Day) -> Books {
        Books {
            rules,
            settle_day,
            accounts: Vec::new(),
            account_index: HashMap::new(),
            rows: Vec::new(),
            fates: HashMap::new(),
            undone: HashMap::new(),
            pages: HashMap::new(),
            processing: HashSet::new(),
        }
    }

    /// The counter's accounting day.
    pub fn settle_day(&self) -> Day {
        self.settle_day
    }

    /// Whether debits and credits are taken.
    pub fn open(&self) -> bool {
        self.rules.open
    }

    /// What the books go by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// How many postings there are.
    pub fn postings(&self) -> usize {
        self.rows.len()
    }

    /// The available balances, in the order in which the accounts were opened; minor units.
    pub fn balances(&self) -> impl Iterator<Item = (&AccountId, i64)> {
        self.accounts.iter().map(|account| (&account.id, account.available))
    }

    /// The account and the amount that a serial was about, if the books know it.
    pub fn subject(&self, key: Key) -> Option<(&AccountId, Amount)> {
        match self.fates.get(&key)? {
            Fate::Posted(row) => {
                let row = &self.rows[*row];
                Some((&self.accounts[row.account].id, row.amount))
            }
            Fate::Refused(refused) => Some((&refused.0.account, refused.0.amount)),
            Fate::Fenced => None,
        }
    }

    /// Takes in a line that was written before. Nothing has changed if it is an error.
    pub fn replay(&mut self, line: &Line) -> Result<(), Inconsistent> {
        if line.counter != self.rules.counter {
            return Err(Inconsistent::OtherCounter(line.counter.clone()));
        }
        let came = self.apply(&line.fact()?, line.at)?;
        if came.counter_serial != line.counter_serial {
            return Err(Inconsistent::Differs("counter_serial"));
        }
        if came.balance_after != line.balance_after {
            return Err(Inconsistent::Differs("balance_after"));
        }
        Ok(())
    }

    /// Opens an account with `balance` minor units, unless it is there already: then `None`, and
    /// what the books say stands.
    pub fn open_account(
        &mut self,
        account: &AccountId,
        balance: i64,
        at: i64,
    ) -> Result<Option<Line>, Inconsistent> {
        if self.account_index.contains_key(account) {
            return Ok(None);
        }
        let currency = self.setting(account).and_then(|setting| setting.currency);
        let fact = Fact::Opened {
            account: account.clone(),
            balance,
            currency: currency.unwrap_or(self.rules.currency),
            settle_day: self.settle_day,
        };
        self.state(&fact, at).map(Some)
    }

    /// Ends the settle day and begins the next.
    pub fn cut_over(&mut self, at: i64) -> Result<Line, Inconsistent> {
        self.state(&Fact::CutOver(Day::from_unix_days(self.settle_day.unix_days() + 1)), at)
    }

    /// Does what is asked, or says why not. `at` is microseconds since 1970 UTC.
    pub fn execute(&mut self, instruction: &Instruction, at: i64) -> Settled {
        match instruction {
            Instruction::Debit(posting) => self.post(Order::debit(posting), at),
            Instruction::Credit(posting) => self.post(Order::credit(posting), at),
            Instruction::Reverse(reversal) => self.post(Order::reversal(reversal), at),
            Instruction::Query(query) => self.answer_query(query, at),
            Instruction::Balance(query) => {
                Settled { reply: Reply::Balance(self.balance(query)), line: None }
            }
            Instruction::Entries(query) => {
                Settled { reply: Reply::Entries(self.entries(query)), line: None }
            }
        }
    }

    /// Takes an order in without deciding it: until [`Books::finish`] it is told, and queries are
    /// told, "processing". An order whose serial the books know already is executed instead.
    pub fn begin(&mut self, order: Order, at: i64) -> Settled {
        if self.fates.contains_key(&order.key()) {
            return self.post(order, at);
        }
        self.processing.insert(order.key());
        posting_reply(order.serial, answer(AnswerCode::PROCESSING, "being worked on"), None)
    }

    /// Decides an order that was only taken in. A fence may have come first.
    pub fn finish(&mut self, order: Order, at: i64) -> Settled {
        self.processing.remove(&order.key());
        self.post(order, at)
    }

    /// Refuses an order whose serial is new, for no reason but the plan's; one whose serial is
    /// known is told what it was told before.
    pub fn refuse(&mut self, order: Order, code: AnswerCode, at: i64) -> Settled {
        if self.fates.contains_key(&order.key()) || self.processing.contains(&order.key()) {
            return self.post(order, at);
        }
        self.record_refusal(order, answer(code, "refused by this counter's plan"), at)
    }

    /// Makes the fact true, and writes its line.
    fn state(&mut self, fact: &Fact, at: i64) -> Result<Line, Inconsistent> {
        let came = self.apply(fact, at)?;
        Ok(Line::new(&self.rules.counter, at, fact, came.counter_serial, came.balance_after))
    }

    /// Makes the fact true, whether it happens now or is remembered. Nothing has changed if it is
    /// an error.
    fn apply(&mut self, fact: &Fact, at: i64) -> Result<Consequence, Inconsistent> {
        let mut came = Consequence { counter_serial: None, balance_after: None };
        match fact {
            Fact::Opened { account, balance, currency, settle_day: _ } => {
                if self.account_index.contains_key(account) || !(0..=CEILING).contains(balance) {
                    return Err(Inconsistent::BadOpening(account.clone(), *balance));
                }
                let setting = self.setting(account);
                let opened = Account {
                    id: account.clone(),
                    currency: *currency,
                    available: *balance,
                    held: setting.map_or(0, |setting| setting.held),
                    frozen: setting.is_some_and(|setting| setting.frozen),
                    limit: setting.and_then(|setting| setting.limit),
                };
                self.account_index.insert(account.clone(), self.accounts.len());
                self.accounts.push(opened);
                came.balance_after = Some(*balance);
            }
            Fact::Posted(order) => {
                let index = self
                    .account_index
                    .get(&order.account)
                    .copied()
                    .ok_or_else(|| Inconsistent::NoAccount(order.account.clone()))?;
                let account = &mut self.accounts[index];
                let after = match order.kind {
                    EntryKind::Debit => account.after_debit(order.amount),
                    EntryKind::Credit | EntryKind::Reversal => account.after_credit(order.amount),
                };
                account.available =
                    after.ok_or_else(|| Inconsistent::BadBalance(order.account.clone()))?;
                came.balance_after = after;
                let place = self.rows.len();
                self.rows.push(Row {
                    kind: order.kind,
                    serial: order.serial,
                    original: order.original,
                    account: index,
                    amount: order.amount,
                    settle_day: order.settle_day,
                    at_micros: at,
                });
                self.fates.insert(order.key(), Fate::Posted(place));
                self.pages.entry((index, order.settle_day)).or_default().push(place);
                if let Some(original) = order.original {
                    self.undone.insert((order.settle_day, original), order.serial);
                }
                came.counter_serial = Some(self.counter_serial(place));
            }
            Fact::Refused(order, answer) => {
                // A reversal that found no original may find it later: that refusal is not its fate.
                if answer.code != AnswerCode::ORIGINAL_NOT_FOUND {
                    let refused = Box::new((order.clone(), answer.clone()));
                    self.fates.insert(order.key(), Fate::Refused(refused));
                }
            }
            Fact::Fenced { settle_day, serial } => {
                self.processing.remove(&(*settle_day, *serial));
                self.fates.insert((*settle_day, *serial), Fate::Fenced);
            }
            Fact::CutOver(day) => self.settle_day = self.settle_day.max(*day),
        }
        Ok(came)
    }

    fn account(&self, id: &AccountId) -> Result<&Account, Answer> {
        self.account_index
            .get(id)
            .map(|index| &self.accounts[*index])
            .ok_or_else(|| answer(AnswerCode::NO_SUCH_ACCOUNT, "no such account"))
    }

    fn setting(&self, account: &AccountId) -> Option<&AccountSetting> {
        self.rules.settings.iter().find(|setting| setting.id == *account)
    }

    /// The counter's own number of a posting: its initial and twelve digits.
    fn counter_serial(&self, row: usize) -> String {
        let initial = self.rules.counter.as_str().chars().next().unwrap_or('x');
        format!("{}{:012}", initial.to_ascii_uppercase(), row + 1)
    }

    fn posted(&self, row: usize) -> Posted {
        let counter_serial = self.counter_serial(row);
        let row = &self.rows[row];
        let account = &self.accounts[row.account];
        Posted {
            counter_serial,
            settle_day: row.settle_day,
            account: account.id.clone(),
            amount: row.amount,
            currency: account.currency,
            original: row.original,
        }
    }
}

/// The reply that carries nothing but this answer.
pub fn bare_reply(instruction: &Instruction, answer: Answer) -> Reply {
    match instruction {
        Instruction::Debit(posting) | Instruction::Credit(posting) => {
            Reply::Posting(PostingReply { serial: posting.serial, answer, posted: None })
        }
        Instruction::Reverse(reversal) => {
            Reply::Posting(PostingReply { serial: reversal.serial, answer, posted: None })
        }
        Instruction::Query(query) => Reply::Query(QueryReply {
            serial: query.serial,
            finding: Finding::Unclear,
            answer,
            posted: None,
        }),
        Instruction::Balance(_) => Reply::Balance(BalanceReply { answer, balance: None }),
        Instruction::Entries(_) => {
            Reply::Entries(EntriesReply { answer, entries: Vec::new(), more: false })
        }
    }
}

pub(crate) fn answer(code: AnswerCode, text: &str) -> Answer {
    Answer { code, text: text.to_owned() }
}

fn posting_reply(serial: SubSerial, answer: Answer, posted: Option<Posted>) -> Settled {
    Settled { reply: Reply::Posting(PostingReply { serial, answer, posted }), line: None }
}
