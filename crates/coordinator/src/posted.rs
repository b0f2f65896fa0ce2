//! What a counter posted last, asked of one that does not say at its sign-on how far it has seen our
//! serials.

use crate::inner::Inner;
use crate::tail::Search;
use domain::message::{
    AccountId, Answer, AnswerCode, CounterId, EntriesQuery, EntriesReply, Instruction, Reply,
};
use domain::serial::{Day, SubSerial};
use port::{Counter, RequestOutcome};
use store::{ListFilter, Store, StoreError, Stored};

/// What a counter posted last, as far as it can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// The highest serial among its last postings.
    Last(SubSerial),
    /// It posted nothing lately.
    Nothing,
    /// It cannot say; why.
    Unsaid(String),
    /// There is no session any more.
    Gone,
}

/// How many of its last settle days a counter is asked about.
const DAYS: u32 = 3;

/// How many accounts a counter is asked about that cannot be asked about all of them: those of the
/// last transfers in the record.
const ACCOUNTS: usize = 8;

/// A counter, as far as it can be asked.
trait Asked {
    /// Its settle day; `None` without a session.
    fn settle_day(&self) -> Option<Day>;
    /// A page of its entries.
    async fn entries(&self, query: EntriesQuery) -> Result<EntriesReply, Posted>;
}

struct Whole<'a> {
    inner: &'a Inner,
    counter: &'a dyn Counter,
}

impl Asked for Whole<'_> {
    fn settle_day(&self) -> Option<Day> {
        self.counter.settle_day()
    }

    async fn entries(&self, query: EntriesQuery) -> Result<EntriesReply, Posted> {
        let outcome = self.inner.ask(self.counter, Instruction::Entries(query)).await;
        page_of(outcome, self.counter.is_up())
    }
}

/// What a counter answered, or why it did not; `is_up` while there is a session all the same.
fn page_of(outcome: Option<RequestOutcome>, is_up: bool) -> Result<EntriesReply, Posted> {
    match outcome {
        Some(RequestOutcome::Answered(Reply::Entries(reply)))
            if reply.answer.code == AnswerCode::DONE =>
        {
            Ok(reply)
        }
        Some(RequestOutcome::Answered(Reply::Entries(reply))) => {
            let Answer { code, text } = &reply.answer;
            Err(Posted::Unsaid(format!("it answers {code} {text}")))
        }
        Some(RequestOutcome::Answered(_)) => {
            Err(Posted::Unsaid("it answers something else".to_owned()))
        }
        Some(RequestOutcome::Unknown(why)) if is_up => Err(Posted::Unsaid(why.to_string())),
        Some(RequestOutcome::Unknown(_) | RequestOutcome::NotSent(_)) | None => Err(Posted::Gone),
    }
}

/// Asks a counter that does not say how far it has seen our serials for what it posted last: of all
/// accounts where it is known to state that, otherwise of those of the last transfers in the record.
pub(crate) async fn last_posted(inner: &Inner, counter: &dyn Counter) -> Posted {
    let asked = Whole { inner, counter };
    let why = if inner.config.states_all_accounts.contains(counter.id()) {
        match last_posted_to(&asked, None).await {
            Posted::Unsaid(why) => why,
            said @ (Posted::Last(_) | Posted::Nothing | Posted::Gone) => return said,
        }
    } else {
        "it is not known to state the entries of all accounts".to_owned()
    };
    match last_accounts(&inner.store, counter.id()).await {
        Ok(accounts) => last_posted_to_any(&asked, accounts, why).await,
        Err(error) => Posted::Unsaid(format!("{why}; and the record: {error}")),
    }
}

/// The accounts at a counter of the last transfers in the record, the latest first.
async fn last_accounts(store: &Store, counter: &CounterId) -> Result<Vec<AccountId>, StoreError> {
    let filter = ListFilter {
        limit: ListFilter::LONGEST_PAGE,
        counter: Some(counter.clone()),
        ..ListFilter::default()
    };
    let mut accounts: Vec<AccountId> = Vec::new();
    for Stored { transfer, .. } in store.list(&filter).await?.transfers {
        for place in [transfer.order.from, transfer.order.to] {
            if place.counter == *counter && !accounts.contains(&place.account) {
                accounts.push(place.account);
            }
        }
    }
    accounts.truncate(ACCOUNTS);
    Ok(accounts)
}

/// The last of what it posted to these accounts; `why` it did not say it of all.
async fn last_posted_to_any(asked: &impl Asked, accounts: Vec<AccountId>, why: String) -> Posted {
    let (mut last, mut said) = (None, false);
    for account in accounts {
        match last_posted_to(asked, Some(account)).await {
            Posted::Last(serial) => last = highest(last, Some(serial)),
            Posted::Nothing => said = true,
            Posted::Unsaid(_) => {}
            Posted::Gone => return Posted::Gone,
        }
    }
    match last {
        Some(serial) => Posted::Last(serial),
        None if said => Posted::Nothing,
        None => Posted::Unsaid(why),
    }
}

fn highest(one: Option<SubSerial>, other: Option<SubSerial>) -> Option<SubSerial> {
    one.into_iter().chain(other).max_by_key(|serial| serial.number())
}

/// The same of one account, or of all.
async fn last_posted_to(asked: &impl Asked, account: Option<AccountId>) -> Posted {
    let Some(today) = asked.settle_day() else { return Posted::Gone };
    for back in 0..DAYS {
        let day = Day::from_unix_days(today.unix_days().saturating_sub(back));
        match last_of_day(asked, account.as_ref(), day).await {
            Ok(Some(serial)) => return Posted::Last(serial),
            Ok(None) => {}
            // Of a day that has ended it may know nothing any more.
            Err(Posted::Unsaid(_)) if back > 0 => break,
            Err(posted) => return posted,
        }
    }
    Posted::Nothing
}

/// The highest serial on the last page of a day. By entries that are there and entries that are not
/// the end of the day is found ([`Search`]).
async fn last_of_day(
    asked: &impl Asked,
    account: Option<&AccountId>,
    day: Day,
) -> Result<Option<SubSerial>, Posted> {
    let ask = async |offset, limit| {
        asked.entries(EntriesQuery { account: account.cloned(), day, offset, limit }).await
    };
    let first = ask(0, EntriesQuery::LONGEST_PAGE).await?;
    let is_all = !first.more || first.entries.len() < usize::from(EntriesQuery::LONGEST_PAGE);
    let page = if is_all {
        first
    } else {
        let mut search = Search::behind_a_page();
        while let Some(offset) = search.next() {
            let is_there = !ask(offset, 1).await?.entries.is_empty();
            search.said(offset, is_there);
        }
        ask(search.last_page(), EntriesQuery::LONGEST_PAGE).await?
    };
    Ok(page.entries.iter().map(|entry| entry.serial).max_by_key(|serial| serial.number()))
}

#[cfg(test)]
mod tests;
