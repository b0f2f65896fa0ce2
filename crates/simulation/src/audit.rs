//! Whether what must not be has happened: judged from the counters' books, line by line as they are
//! written, and from what callers were told. It shares nothing with the bridge: no type, no rule,
//! no serial arithmetic; serials and states are texts here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a line of the books says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An account began.
    Opened,
    /// Money left.
    Debit,
    /// Money arrived.
    Credit,
    /// A debit was undone.
    Reversal,
    /// A serial was buried.
    Fenced,
}

/// A line of a counter's books.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whose books.
    pub counter: String,
    /// What happened.
    pub kind: Kind,
    /// Eight digits.
    pub settle_day: String,
    /// Twelve digits; empty for an opening.
    pub serial: String,
    /// What a reversal undoes.
    pub original: Option<String>,
    /// Nineteen digits; empty for an opening and a fence.
    pub master: String,
    /// The account; empty for a fence.
    pub account: String,
    /// Minor units; zero for a fence.
    pub amount: i64,
    /// What the account holds afterwards.
    pub balance_after: Option<i64>,
}

/// What was ordered; amounts are unique, so the books tell which order a posting is for.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// The idempotency key.
    pub key: String,
    /// Counter and account.
    pub from: (String, String),
    /// Counter and account.
    pub to: (String, String),
    /// Minor units.
    pub amount: i64,
}

/// How many postings a transfer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Legs {
    /// Debits.
    pub debits: u32,
    /// Credits.
    pub credits: u32,
    /// Reversals.
    pub reversals: u32,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The transfer, as far as it is known.
    pub master: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.master {
            Some(master) => write!(f, "{master}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// The auditor.
#[derive(Debug, Default)]
pub struct Audit {
    orders: BTreeMap<i64, Ordered>,
    legs: BTreeMap<String, Legs>,
    debits: BTreeMap<(String, String), Entry>,
    posted: BTreeSet<(String, String, String)>,
    fenced: BTreeSet<(String, String, String)>,
    /// Which transfer an order became, by its key, as the books tell; and how much was moved for it.
    masters: BTreeMap<String, String>,
    amounts: BTreeMap<String, i64>,
    /// The keys of transfers, where amounts do not tell them.
    names: BTreeMap<String, String>,
    /// Keys of which the record knows nothing any more.
    lost: BTreeSet<String>,
    /// Transfers in which one that lies takes part: whether their source and their destination are
    /// honest.
    halves: BTreeMap<String, (bool, bool)>,
    /// Of these a copy hides what became of them since it was made: nothing of them can be judged.
    hidden: BTreeSet<String>,
    /// What persons ended without a look at the books.
    decided: BTreeSet<String>,
    balances: BTreeMap<(String, String), i64>,
    opened: i64,
    /// What persons gave back past the books.
    by_hand: i64,
    /// By key: the answer, and the transfer and its state as it says.
    told: BTreeMap<String, (Vec<u8>, String, String)>,
    /// Transfers about which a counter lied.
    lied: BTreeSet<String>,
    findings: Vec<Finding>,
}

impl Audit {
    /// An auditor who knows what was ordered.
    pub fn new(orders: impl IntoIterator<Item = Ordered>) -> Audit {
        let orders = orders.into_iter().map(|order| (order.amount, order)).collect();
        Audit { orders, ..Audit::default() }
    }

    /// A counter has lied about this transfer: its ending cannot be judged any more.
    pub fn lied(&mut self, master: &str) {
        self.lied.insert(master.to_owned());
        self.halves.remove(master);
    }

    /// A person has ended this transfer without a look at the books: what is right cannot be judged
    /// any more. What was told still never changes.
    pub fn decided(&mut self, master: &str) {
        self.lied.insert(master.to_owned());
        self.decided.insert(master.to_owned());
    }

    /// Whether a person has ended it without a look at the books.
    pub fn is_decided(&self, master: &str) -> bool {
        self.decided.contains(master)
    }

    /// One that lies takes part in this transfer: only what happens at the honest side can be judged.
    pub fn takes_part(&mut self, master: &str, source: bool, destination: bool) {
        self.lied.insert(master.to_owned());
        self.halves.insert(master.to_owned(), (source, destination));
    }

    /// A copy hides what became of this transfer since: the bridge cannot know that it is one.
    pub fn hidden(&mut self, master: &str) {
        self.lied.insert(master.to_owned());
        self.hidden.insert(master.to_owned());
    }

    /// Whether a copy hides what became of it.
    pub fn is_hidden(&self, master: &str) -> bool {
        self.hidden.contains(master)
    }

    /// A transfer under this key has begun; needed only where amounts do not tell orders apart.
    pub fn begun(&mut self, master: &str, key: &str) {
        self.names.insert(master.to_owned(), key.to_owned());
    }

    /// The record has lost what it knew of this key: nobody brings its transfer to an end any more.
    pub fn lost(&mut self, key: &str) {
        self.lost.insert(key.to_owned());
    }

    /// A person has given back by hand what was debited for this transfer.
    pub fn given_back(&mut self, master: &str) {
        self.by_hand += self.amounts.get(master).copied().unwrap_or(0);
        self.legs.entry(master.to_owned()).or_default().reversals += 1;
    }

    /// A line was written.
    pub fn line(&mut self, entry: &Entry) {
        let identity = (entry.counter.clone(), entry.settle_day.clone(), entry.serial.clone());
        let effect = match entry.kind {
            Kind::Opened => {
                self.opened += entry.amount;
                entry.amount
            }
            Kind::Fenced => {
                self.fenced.insert(identity);
                return;
            }
            Kind::Debit => {
                self.posting(entry, identity);
                -entry.amount
            }
            Kind::Credit | Kind::Reversal => {
                self.posting(entry, identity);
                entry.amount
            }
        };
        let place = (entry.counter.clone(), entry.account.clone());
        let balance = self.balances.entry(place).or_default();
        *balance += effect;
        let (balance, told) = (*balance, entry.balance_after);
        if told.is_some_and(|told| told != balance) {
            self.find(&entry.master, format!("the balance is {balance}, the books say {told:?}"));
        }
    }

    fn posting(&mut self, entry: &Entry, identity: (String, String, String)) {
        let master = &entry.master;
        if self.fenced.contains(&identity) && !self.hidden.contains(master) {
            self.find(master, format!("serial {} is posted after it was fenced", entry.serial));
        }
        if !self.posted.insert(identity) && !self.hidden.contains(master) {
            self.find(master, format!("serial {} is posted twice", entry.serial));
        }
        let legs = self.legs.entry(master.clone()).or_default();
        match entry.kind {
            Kind::Debit => legs.debits += 1,
            Kind::Credit => legs.credits += 1,
            Kind::Reversal => legs.reversals += 1,
            Kind::Opened | Kind::Fenced => {}
        }
        let legs = *legs;
        // Debit first; then either the credit or the reversal, never both, nothing twice.
        let legal = [(1, 0, 0), (1, 1, 0), (1, 0, 1)].contains(&(
            legs.debits,
            legs.credits,
            legs.reversals,
        ));
        if !legal && !self.lied.contains(master) {
            self.find(master, format!("postings that no transfer may have: {legs:?}"));
        }
        let Some(order) = self.orders.get(&entry.amount).cloned() else {
            return self.find(master, format!("{} was never ordered", entry.amount));
        };
        let place = if entry.kind == Kind::Credit { &order.to } else { &order.from };
        if (&place.0, &place.1) != (&entry.counter, &entry.account) {
            let found = format!("posted to {}/{}, ordered {place:?}", entry.counter, entry.account);
            self.find(master, found);
        }
        let key = self.names.get(master).unwrap_or(&order.key).clone();
        self.amounts.insert(master.clone(), entry.amount);
        let known = self.masters.entry(key).or_insert_with(|| master.clone());
        if known != master {
            let found = format!("{} and {known} are of one idempotency key", entry.master);
            self.find(master, found);
        }
        let debit = (entry.counter.clone(), entry.serial.clone());
        match (entry.kind, &entry.original) {
            (Kind::Debit, _) => {
                self.debits.insert(debit, entry.clone());
            }
            (Kind::Reversal, Some(original)) => {
                let undone = self.debits.get(&(entry.counter.clone(), original.clone()));
                let right = undone.is_some_and(|debit| {
                    (&debit.master, debit.amount, &debit.account)
                        == (master, entry.amount, &entry.account)
                });
                if !right && !self.hidden.contains(master) {
                    self.find(master, format!("a reversal of {original}, which is no such debit"));
                }
            }
            (Kind::Reversal, None) => self.find(master, "a reversal of nothing".to_owned()),
            (Kind::Credit | Kind::Opened | Kind::Fenced, _) => {}
        }
    }

    /// A caller was told that the transfer of this key is final. What it was told must be true now,
    /// and never anything else.
    pub fn told(&mut self, key: &str, answer: &[u8], master: &str, state: &str) {
        let new = (answer.to_vec(), master.to_owned(), state.to_owned());
        match self.told.get(key) {
            // What was told by a life that a copy hides is nowhere to be found: guarantees.md says so.
            Some(before) if *before != new && self.is_hidden(&before.1) => {
                self.told.insert(key.to_owned(), new);
            }
            Some(before) if *before != new => {
                let found = format!("{key} was told {} {}, now {state}", before.1, before.2);
                self.find(master, found);
            }
            Some(_) => {}
            None => {
                self.told.insert(key.to_owned(), new);
            }
        }
        self.true_now(key, master, state);
    }

    fn true_now(&mut self, key: &str, master: &str, state: &str) {
        let Legs { debits, credits, reversals } =
            self.legs.get(master).copied().unwrap_or_default();
        if let (Some((source, destination)), false) =
            (self.halves.get(master), self.decided.contains(master))
        {
            let (left, arrived) = match state {
                "completed" => ((1, 0), 1),
                "reversed" => ((1, 1), 0),
                _ => ((0, 0), 0),
            };
            let wrong =
                *source && left != (debits, reversals) || *destination && arrived != credits;
            if wrong {
                let found = format!(
                    "{key} was told {state}, but the honest books have {debits} debits, {credits} \
                     credits, {reversals} reversals"
                );
                return self.find(master, found);
            }
        }
        if self.lied.contains(master) {
            return;
        }
        let right = match state {
            "completed" => (1, 1, 0),
            "refused" => (0, 0, 0),
            "reversed" => (1, 0, 1),
            other => return self.find(master, format!("{key} was told {other:?} as an end")),
        };
        if right != (debits, credits, reversals) {
            let found = format!(
                "{key} was told {state}, but the books have {debits} debits, {credits} credits, \
                 {reversals} reversals"
            );
            self.find(master, found);
        }
    }

    /// Everything is over. `open` are the transfers that wait for a person, and nothing else may be
    /// on its way: money debited = credited + returned + in transit.
    pub fn end(&mut self, open: &BTreeSet<String>) {
        let told: Vec<(String, String, String)> = self
            .told
            .iter()
            .map(|(key, (_, master, state))| (key.clone(), master.clone(), state.clone()))
            .collect();
        for (key, master, state) in &told {
            self.true_now(key, master, state);
        }
        let mut in_transit = 0;
        for (master, legs) in self.legs.clone() {
            let moving = i64::from(legs.debits) - i64::from(legs.credits + legs.reversals);
            in_transit += moving * self.amounts.get(&master).copied().unwrap_or(0);
            let lost = self.names.get(&master).is_some_and(|key| self.lost.contains(key));
            let closed = !open.contains(&master) && !lost;
            if moving != 0 && closed && !self.lied.contains(&master) {
                self.find(&master, format!("money is on its way in a closed transfer: {legs:?}"));
            }
        }
        let held = self.balances.values().sum::<i64>() + self.by_hand;
        if self.opened != held + in_transit {
            let found = format!("{} opened, {held} held, {in_transit} in transit", self.opened);
            self.findings.push(Finding { master: None, what: found });
        }
    }

    /// The postings of a transfer so far.
    pub fn legs(&self, master: &str) -> Legs {
        self.legs.get(master).copied().unwrap_or_default()
    }

    /// Adds something that somebody else found.
    pub fn find(&mut self, master: &str, what: String) {
        let master = (!master.is_empty()).then(|| master.to_owned());
        self.findings.push(Finding { master, what });
    }

    /// What was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit() -> Audit {
        let place = |counter: &str| (counter.to_owned(), "A".to_owned());
        let mut audit = Audit::new([Ordered {
            key: "k".to_owned(),
            from: place("s"),
            to: place("f"),
            amount: 5,
        }]);
        for counter in ["s", "f"] {
            audit.line(&Entry { amount: 100, ..entry(counter, Kind::Opened, "") });
        }
        audit
    }

    fn entry(counter: &str, kind: Kind, serial: &str) -> Entry {
        Entry {
            counter: counter.to_owned(),
            kind,
            settle_day: "20261121".to_owned(),
            serial: serial.to_owned(),
            original: (kind == Kind::Reversal).then(|| "11".to_owned()),
            master: if kind == Kind::Opened { "" } else { "m" }.to_owned(),
            account: "A".to_owned(),
            amount: 5,
            balance_after: None,
        }
    }

    /// What is found after these lines and this told state.
    fn check(lines: &[(&str, Kind, &str)], state: Option<&str>, expected: &[&str]) {
        let mut audit = audit();
        for (counter, kind, serial) in lines {
            audit.line(&entry(counter, *kind, serial));
        }
        if let Some(state) = state {
            audit.told("k", state.as_bytes(), "m", state);
        } else {
            audit.end(&BTreeSet::new());
        }
        let found: Vec<String> = audit.findings().iter().map(Finding::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found} is not {expected}");
        }
    }

    #[test]
    fn what_must_not_be_is_found() {
        use Kind::{Credit, Debit, Fenced, Reversal};
        let (debit, credit) = (("s", Debit, "11"), ("f", Credit, "12"));
        check(&[debit, credit], Some("completed"), &[]);
        check(&[debit, ("s", Reversal, "13")], Some("reversed"), &[]);
        check(&[], Some("refused"), &[]);
        check(&[debit], Some("completed"), &["told completed"]);
        check(&[debit], Some("refused"), &["told refused"]);
        check(&[debit], Some("debiting"), &["as an end"]);
        check(&[debit], None, &["on its way in a closed transfer"]);
        check(&[debit, credit], None, &[]);
        check(&[debit, debit], Some("refused"), &["posted twice", "no transfer may", "told"]);
        check(&[("s", Fenced, "11"), debit, credit], None, &["after it was fenced"]);
        check(&[credit], Some("refused"), &["no transfer may have", "told refused"]);
        check(&[("s", Credit, "12")], Some("refused"), &["no transfer", "posted to s/A", "told"]);
        check(&[debit, credit, ("s", Reversal, "13")], Some("completed"), &["no transfer", "told"]);
    }

    #[test]
    fn an_answer_never_changes() {
        let mut audit = audit();
        audit.told("k", b"1", "m", "refused");
        audit.told("k", b"1", "m", "refused");
        assert!(audit.findings().is_empty());
        audit.told("k", b"2", "m", "refused");
        assert_eq!(audit.findings().len(), 1);
    }
}
