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
use domain::serial::{Day, Mark, SubSerial};
use std::collections::{BTreeMap, HashMap};

/// What the books go by; it is configuration and not recorded.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Id of the counter whose books they are.
    pub counter: CounterId,
    /// What the counter can do; what it says it cannot do, it does not do.
    pub profile: Profile,
    /// ISO 4217 currency of an account for which nothing else is said.
    pub currency: Currency,
    /// What is special about some accounts.
    pub settings: Vec<AccountSetting>,
    /// Whether debits and credits are taken now. Reversals are taken at all hours.
    pub open: bool,
    /// Whether it says at sign-on how far it has seen the bridge's serials.
    pub tells_highest_serial: bool,
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
    /// The rows of one settle day, whatever the account, oldest first.
    days: HashMap<Day, Vec<usize>>,
    /// Taken in, answered with "processing", and not decided yet. Not recorded: a counter that
    /// dies forgets them.
    processing: HashMap<Key, Option<Mark>>,
    /// The highest serial of each settle day: posted, refused or fenced.
    highest: BTreeMap<Day, SubSerial>,
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
    mark: Option<Mark>,
}

#[derive(Clone, Debug)]
enum Fate {
    Posted(usize),
    Refused(Box<(Order, Answer)>),
    Fenced(Option<Mark>),
}

/// An answer, and what must be in the file before it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What is answered.
    pub reply: Reply,
    /// The line that must be in the file first, if anything happened.
    pub line: Option<Line>,
}

/// Lines that cannot have been written by these books.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistent {
    /// A line of another counter's books.
    #[error("the line is of counter {0}")]
    OtherCounter(CounterId),
    /// A line that lacks fields of its kind.
    #[error(transparent)]
    NoFact(#[from] NoFact),
    /// A posting to an account that was never opened.
    #[error("account {0} was never opened")]
    NoAccount(AccountId),
    /// An account that is opened twice, or with a balance that it cannot have, in minor units.
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
            days: HashMap::new(),
            processing: HashMap::new(),
            highest: BTreeMap::new(),
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
            Fate::Fenced(_) => None,
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
            Instruction::Debit(posting) => self.receive(Order::debit(posting), at),
            Instruction::Credit(posting) => self.receive(Order::credit(posting), at),
            Instruction::Reverse(reversal) => self.receive(Order::reversal(reversal), at),
            Instruction::Query(query) => {
                let settled = self.answer_query(query, at);
                self.stamped(settled, (query.settle_day, query.serial), query.mark)
            }
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
            return self.receive(order, at);
        }
        let (key, mark) = (order.key(), self.kept(order.mark));
        self.processing.insert(key, mark);
        let words = answer(AnswerCode::PROCESSING, "being worked on");
        self.stamped(posting_reply(order.serial, words, None), key, mark)
    }

    /// Decides an order that was only taken in. A fence may have come first.
    pub fn finish(&mut self, order: Order, at: i64) -> Settled {
        self.processing.remove(&order.key());
        self.receive(order, at)
    }

    /// Refuses an order whose serial is new, for no reason but the plan's; one whose serial is
    /// known is told what it was told before.
    pub fn refuse(&mut self, order: Order, code: AnswerCode, at: i64) -> Settled {
        if self.fates.contains_key(&order.key()) || self.processing.contains_key(&order.key()) {
            return self.receive(order, at);
        }
        let (key, mark) = (order.key(), self.kept(order.mark));
        let order = Order { mark, ..order };
        let refused = answer(code, "refused by this counter's plan");
        let settled = self.record_refusal(order, refused, at);
        self.stamped(settled, key, mark)
    }

    /// The reply that carries nothing but this answer, and the mark where marks are kept.
    pub fn bare_reply(&self, instruction: &Instruction, answer: Answer) -> Reply {
        let reply = bare_reply(instruction, answer);
        let (settle_day, mark) = match instruction {
            Instruction::Debit(posting) | Instruction::Credit(posting) => {
                (posting.settle_day, posting.mark)
            }
            Instruction::Reverse(reversal) => (reversal.settle_day, reversal.mark),
            Instruction::Query(query) => (query.settle_day, query.mark),
            Instruction::Balance(_) | Instruction::Entries(_) => return reply,
        };
        let Some(serial) = instruction.serial() else { return reply };
        self.stamped(Settled { reply, line: None }, (settle_day, serial), mark).reply
    }

    /// The highest serial that was posted, refused or fenced within the query horizon, from a
    /// counter that says so.
    pub fn highest_serial(&self) -> Option<SubSerial> {
        let horizon = u32::from(self.rules.profile.query_horizon_days);
        let oldest = self.settle_day.unix_days().saturating_sub(horizon);
        let within = self.highest.range(Day::from_unix_days(oldest)..);
        let highest = within.map(|(_, serial)| *serial).max_by_key(|serial| serial.number());
        highest.filter(|_| self.rules.tells_highest_serial)
    }

    /// Executes an order with its mark, where marks are kept, and says the mark that is held.
    fn receive(&mut self, order: Order, at: i64) -> Settled {
        let (key, mark) = (order.key(), self.kept(order.mark));
        let settled = self.post(Order { mark, ..order }, at);
        self.stamped(settled, key, mark)
    }

    /// The mark, if this counter keeps marks.
    fn kept(&self, mark: Option<Mark>) -> Option<Mark> {
        mark.filter(|_| self.rules.profile.echoes_marks)
    }

    /// The answer with the mark that is held with the serial; where nothing is held, with the one
    /// that was asked with.
    fn stamped(&self, mut settled: Settled, key: Key, asked: Option<Mark>) -> Settled {
        let held = match self.fates.get(&key) {
            Some(Fate::Posted(row)) => self.rows[*row].mark,
            Some(Fate::Refused(refused)) => refused.0.mark,
            Some(Fate::Fenced(mark)) => *mark,
            None => self.processing.get(&key).copied().unwrap_or(asked),
        };
        let held = self.kept(held);
        match &mut settled.reply {
            Reply::Posting(reply) => reply.mark = held,
            Reply::Query(reply) => reply.mark = held,
            Reply::Balance(_) | Reply::Entries(_) => {}
        }
        settled
    }

    /// Remembers that a serial was seen.
    fn see(&mut self, (day, serial): Key) {
        let highest = self.highest.entry(day).or_insert(serial);
        if serial.number() > highest.number() {
            *highest = serial;
        }
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
                    mark: self.kept(order.mark),
                });
                self.see(order.key());
                self.fates.insert(order.key(), Fate::Posted(place));
                self.pages.entry((index, order.settle_day)).or_default().push(place);
                self.days.entry(order.settle_day).or_default().push(place);
                if let Some(original) = order.original {
                    self.undone.insert((order.settle_day, original), order.serial);
                }
                came.counter_serial = Some(self.counter_serial(place));
            }
            Fact::Refused(order, answer) => {
                self.see(order.key());
                // A reversal that found no original may find it later: that refusal is not its fate.
                if answer.code != AnswerCode::ORIGINAL_NOT_FOUND {
                    let order = Order { mark: self.kept(order.mark), ..order.clone() };
                    let refused = Box::new((order, answer.clone()));
                    self.fates.insert(refused.0.key(), Fate::Refused(refused));
                }
            }
            Fact::Fenced { settle_day, serial, mark } => {
                self.see((*settle_day, *serial));
                self.processing.remove(&(*settle_day, *serial));
                self.fates.insert((*settle_day, *serial), Fate::Fenced(self.kept(*mark)));
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
            counter_serial: counter_serial.into(),
            settle_day: row.settle_day,
            account: account.id.clone(),
            amount: row.amount,
            currency: account.currency,
            original: row.original,
        }
    }
}

fn bare_reply(instruction: &Instruction, answer: Answer) -> Reply {
    match instruction {
        Instruction::Debit(posting) | Instruction::Credit(posting) => {
            posting_reply(posting.serial, answer, None).reply
        }
        Instruction::Reverse(reversal) => posting_reply(reversal.serial, answer, None).reply,
        Instruction::Query(query) => Reply::Query(QueryReply {
            serial: query.serial,
            finding: Finding::Unclear,
            answer,
            posted: None,
            mark: None,
        }),
        Instruction::Balance(_) => Reply::Balance(BalanceReply { answer, balance: None }),
        Instruction::Entries(_) => {
            Reply::Entries(EntriesReply { answer, entries: Vec::new(), more: false })
        }
    }
}

pub(crate) fn answer(code: AnswerCode, text: &str) -> Answer {
    Answer { code, text: text.into() }
}

fn posting_reply(serial: SubSerial, answer: Answer, posted: Option<Posted>) -> Settled {
    let reply = Reply::Posting(PostingReply { serial, answer, posted, mark: None });
    Settled { reply, line: None }
}
