//! A counter's own statement, asked of the counter through the running bridge: page by page, for each
//! account and settle day, and for all accounts of a day where the counter can say that.

use crate::person::Operators;
use anyhow::{Context, Result, anyhow, bail};
use client::{CallError, Client, Entries, Entry, EntryFilter, Role as Said};
use domain::message::{AccountId, CounterId, EntriesQuery};
use domain::serial::{Day, Role};
use reconcile::Posting;

/// Which part of a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Page {
    pub(super) counter: CounterId,
    pub(super) account: AccountId,
    pub(super) day: Day,
}

/// What a counter stated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stated {
    /// What it was asked for.
    pub(super) postings: Vec<Posting>,
    /// Postings of another account, or another day: nobody asked for them.
    pub(super) strays: Vec<Posting>,
}

impl Stated {
    /// Takes in what was stated of a day, and of an account if it was asked for one.
    fn add(&mut self, read: Posting, account: Option<&AccountId>, day: Day) {
        let asked_for =
            read.settle_day == day && account.is_none_or(|account| read.account == *account);
        if asked_for { self.postings.push(read) } else { self.strays.push(read) }
    }

    fn len(&self) -> usize {
        self.postings.len() + self.strays.len()
    }
}

/// The most that one counter may state of one day: a counter that always has more never ends.
const LONGEST_DAY: usize = if cfg!(test) { 3 } else { 10_000_000 };

/// The postings of an account on a day. An account that the counter does not know has none.
pub(super) async fn ask(client: &Client, page: &Page) -> Result<Stated> {
    let Page { counter, account, day } = page;
    let mut stated = Stated::default();
    loop {
        let filter = EntryFilter {
            date: Some(day.to_string()),
            offset: Some(offset(counter, &stated)?),
            limit: Some(EntriesQuery::LONGEST_PAGE),
        };
        let said = match client.entries(counter.as_str(), account.as_str(), &filter).await {
            Ok(said) => said,
            Err(CallError::Refused(problem)) if problem.slug() == "no_such_account" => {
                return Ok(stated);
            }
            Err(error) => {
                return Err(anyhow!(
                    "{counter} does not state its entries of {account} on {day}: {error}. \
                     Where it cannot be asked, name its books: --books {counter}=FILE"
                ));
            }
        };
        if !take(&mut stated, counter, Some(account), *day, &said)? {
            return Ok(stated);
        }
    }
}

/// The postings of all accounts on a day. An error is a counter that cannot state them, or cannot be
/// asked.
pub(super) async fn ask_all(
    operators: &Operators,
    counter: &CounterId,
    day: Day,
) -> Result<Stated> {
    let mut stated = Stated::default();
    let date = day.to_string();
    loop {
        let offset = offset(counter, &stated)?;
        let limit = EntriesQuery::LONGEST_PAGE;
        let said = operators.entries(counter.as_str(), &date, offset, limit).await?;
        if !take(&mut stated, counter, None, day, &said)? {
            return Ok(stated);
        }
    }
}

fn offset(counter: &CounterId, stated: &Stated) -> Result<u32> {
    if stated.len() > LONGEST_DAY {
        bail!("{counter} states more than {LONGEST_DAY} postings of one day");
    }
    u32::try_from(stated.len()).context("a day too long to be read")
}

/// Takes in a page; whether there is another.
fn take(
    stated: &mut Stated,
    counter: &CounterId,
    account: Option<&AccountId>,
    day: Day,
    said: &Entries,
) -> Result<bool> {
    for entry in &said.entries {
        let read = posting(counter, entry).with_context(|| {
            let of = account.map_or("all accounts".to_owned(), ToString::to_string);
            format!("{counter} stated an entry of {of} on {day} that cannot be read")
        })?;
        stated.add(read, account, day);
    }
    Ok(said.more && !said.entries.is_empty())
}

fn posting(counter: &CounterId, entry: &Entry) -> Result<Posting> {
    Ok(Posting {
        counter: counter.clone(),
        kind: match entry.kind {
            Said::Debit => Role::Debit,
            Said::Credit => Role::Credit,
            Said::Reversal => Role::Reversal,
        },
        serial: entry.sub_serial.parse()?,
        original: entry.original.as_deref().map(str::parse).transpose()?,
        account: entry.account.parse()?,
        amount: entry.amount,
        currency: entry.currency.parse()?,
        settle_day: entry.settle_day.parse()?,
        mark: entry.mark.as_deref().map(str::parse).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(account: &str, day: &str) -> Entry {
        let entry = format!(
            r#"{{"kind":"debit","sub_serial":"000000000011","original":null,"counter_serial":"S1",
                "settle_day":"{day}","account":"{account}","amount":5,"currency":"CNY",
                "at":"2026-11-21T00:00:00Z","mark":null}}"#
        );
        serde_json::from_str(&entry).expect("an entry")
    }

    #[test]
    fn what_was_not_asked_for_is_no_part_of_the_statement() {
        let counter = CounterId::new("s").expect("an id");
        let account: AccountId = "6001".parse().expect("an account");
        let day = Day::new(20_261_121).expect("a day");
        let entries = [("6001", "20261121"), ("6002", "20261121"), ("6001", "20261120")]
            .map(|(a, d)| entry(a, d));
        let said = Entries { entries: entries.to_vec(), more: true };
        for (asked, expected) in [(Some(&account), (1, 2)), (None, (2, 1))] {
            let mut stated = Stated::default();
            assert!(take(&mut stated, &counter, asked, day, &said).expect("readable"));
            assert_eq!((stated.postings.len(), stated.strays.len()), expected, "{asked:?}");
        }
        let nothing = Entries { entries: Vec::new(), more: true };
        let mut stated = Stated::default();
        assert!(!take(&mut stated, &counter, None, day, &nothing).expect("readable"), "for ever");
    }

    #[test]
    fn a_counter_that_always_has_more_is_read_no_further() {
        let counter = CounterId::new("s").expect("an id");
        let day = Day::new(20_261_121).expect("a day");
        let said = Entries { entries: vec![entry("6001", "20261121"); 2], more: true };
        let mut stated = Stated::default();
        let mut pages = 0;
        while offset(&counter, &stated).is_ok() {
            assert!(take(&mut stated, &counter, None, day, &said).expect("readable"));
            pages += 1;
        }
        assert_eq!(pages, 2);
    }
}
