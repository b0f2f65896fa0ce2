//! A counter's own statement, asked of the counter through the running bridge: page by page, for
//! each account and settle day.

use super::evidence::Posting;
use anyhow::{Context, Result, anyhow};
use client::{CallError, Client, Entry, EntryFilter, Role as Said};
use domain::message::{AccountId, CounterId, EntriesQuery};
use domain::serial::{Day, Role};

/// Which part of a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Page {
    pub(super) counter: CounterId,
    pub(super) account: AccountId,
    pub(super) day: Day,
}

/// The postings of an account on a day. An account that the counter does not know has none.
pub(super) async fn ask(client: &Client, page: &Page) -> Result<Vec<Posting>> {
    let Page { counter, account, day } = page;
    let mut postings = Vec::new();
    loop {
        let filter = EntryFilter {
            date: Some(day.to_string()),
            offset: Some(u32::try_from(postings.len()).context("a day too long to be read")?),
            limit: Some(EntriesQuery::LONGEST_PAGE),
        };
        let said = match client.entries(counter.as_str(), account.as_str(), &filter).await {
            Ok(said) => said,
            Err(CallError::Refused(problem)) if problem.slug() == "no_such_account" => {
                return Ok(postings);
            }
            Err(error) => {
                return Err(anyhow!(
                    "{counter} does not state its entries of {account} on {day}: {error}\n\
                     Where it cannot be asked, name its books: --books {counter}=FILE"
                ));
            }
        };
        let more = said.more && !said.entries.is_empty();
        for entry in &said.entries {
            let read = posting(counter, entry);
            postings.push(read.with_context(|| {
                format!("{counter} stated an entry of {account} on {day} that cannot be read")
            })?);
        }
        if !more {
            return Ok(postings);
        }
    }
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
