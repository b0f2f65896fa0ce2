//! Finds a transfer wherever it is: in its shard, ended in the record, or open there and in no shard
//! yet. Whoever shows transfers, one or many, asks here, so that none is shown as it never was.

use crate::coordinator::Coordinator;
use crate::mail::Mail;
use crate::recovery::{Remembrance, Tail, remembered};
use crate::shard::{Page as ShardPage, Wanted};
use crate::trail;
use crate::view::View;
use domain::serial::MasterSerial;
use domain::transfer::State;
use std::cmp::Reverse;
use std::collections::HashSet;
use store::{ListFilter, Listed, NewTransfer, OpenState, StateFilter, Store, StoreError, Stored};
use tokio::sync::oneshot;

/// How often a transfer is looked for again that moved while it was looked for: it moves once to its
/// shard, and once to its end.
const LOOKS: usize = 4;

/// How often all shards are asked for one page that is narrowed to few of many.
const ROUNDS: usize = 8;

/// The same for a counter's serial, of which few have any: more than can be open are looked at.
const ROUNDS_OF_ALL: usize = 64;

/// A transfer, as it stood at one moment.
#[derive(Clone, Debug)]
pub enum Found {
    /// It is open; how it stands.
    Open(Box<View>),
    /// It has ended; its outcome is there.
    Ended(Box<Stored>),
}

impl Found {
    /// Its serial.
    pub fn master(&self) -> MasterSerial {
        match self {
            Found::Open(view) => view.transfer.intent.master,
            Found::Ended(stored) => stored.transfer.master,
        }
    }

    /// Name of the app that ordered it.
    pub fn app(&self) -> &str {
        match self {
            Found::Open(view) => &view.app,
            Found::Ended(stored) => &stored.transfer.app,
        }
    }
}

/// Some transfers, the newest first.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The transfers, each as it stood at one moment.
    pub transfers: Vec<Found>,
    /// The serial before which the next page begins; `None` if there is certainly none.
    pub next: Option<MasterSerial>,
}

/// Where transfers are that are open.
trait Memory {
    /// The open transfer with this serial, if it is here and durable.
    async fn live(&self, master: MasterSerial) -> Option<View>;
}

/// Where all transfers are.
trait Record {
    async fn stored(&self, master: MasterSerial) -> Result<Option<Stored>, StoreError>;
    async fn trail(&self, master: MasterSerial) -> Result<Vec<String>, StoreError>;
}

impl Memory for Coordinator {
    async fn live(&self, master: MasterSerial) -> Option<View> {
        self.view(master.sequence).await.filter(|view| view.transfer.intent.master == master)
    }
}

impl Record for Store {
    async fn stored(&self, master: MasterSerial) -> Result<Option<Stored>, StoreError> {
        self.find(master).await
    }

    async fn trail(&self, master: MasterSerial) -> Result<Vec<String>, StoreError> {
        Store::trail(self, master).await
    }
}

/// First in memory, then in the record: it ends from there to here. What is open in the record and
/// not in memory is about to be taken up, or has just moved: it is looked for again, and shown by its
/// trail only if it stood still while that was read.
async fn find(
    memory: &impl Memory,
    record: &impl Record,
    master: MasterSerial,
) -> Result<Option<Found>, StoreError> {
    let mut at_rest: Option<(NewTransfer, Vec<String>)> = None;
    for _ in 0..LOOKS {
        if let Some(view) = memory.live(master).await {
            return Ok(Some(Found::Open(Box::new(view))));
        }
        let Some(stored) = record.stored(master).await? else { return Ok(None) };
        if stored.outcome.is_some() {
            return Ok(Some(Found::Ended(Box::new(stored))));
        }
        if let Some((new, trail)) = &at_rest {
            return Ok(Some(Found::Open(Box::new(view_at_rest(new, trail)))));
        }
        let trail = record.trail(master).await?;
        // One that has ended since is in the record now.
        if trail::fold(&trail).is_ok_and(|folded| folded.phase.state().is_final()) {
            continue;
        }
        at_rest = Some((stored.transfer, trail));
    }
    Err(StoreError::Unavailable { why: format!("transfer {master} is in two places at once") })
}

/// What the record says of a transfer that is open and not in memory: as it would be taken up.
fn view_at_rest(new: &NewTransfer, trail: &[String]) -> View {
    let Remembrance { transfer, updated_at, dealing, .. } = remembered(new, trail, Tail::Whole);
    View {
        transfer,
        app: new.app.clone(),
        created_at: new.created_at,
        updated_at,
        deadline_at: new.deadline_at,
        outlook: None,
        choices: None,
        dealing,
        is_ending: false,
    }
}

impl Coordinator {
    /// A transfer, wherever it is; `None` if there is none with this serial.
    pub async fn find(&self, master: MasterSerial) -> Result<Option<Found>, StoreError> {
        find(self, &self.inner.store, master).await
    }

    /// An open transfer as it stands in memory; `None` if it is not open here.
    pub async fn live(&self, master: MasterSerial) -> Option<View> {
        Memory::live(self, master).await
    }

    /// A page of transfers, newest first. What is open of an app's, and what counters have answered of it, comes from
    /// memory, where alone it is known, unless an account or a counter is asked for in any state; all else from the record. A page
    /// may be shorter than its limit, even empty, and have a next one.
    pub async fn list(&self, filter: &ListFilter) -> Result<Page, StoreError> {
        if filter.app.is_some() || filter.counter_serial.is_some() {
            let open = |state| Wanted::of(filter, state, length(filter));
            match filter.state {
                Some(StateFilter::Open(state)) => {
                    return Ok(self.list_open(open(Some(life(state)))).await);
                }
                None if filter.counter_serial.is_some()
                    || filter.account.is_none() && filter.counter.is_none() =>
                {
                    // What is open first: it ends from there into the record.
                    let open = self.list_open(open(None)).await;
                    let mut ended = filter.clone();
                    ended.state = Some(StateFilter::AnyEnded);
                    let ended = self.list_recorded(&ended).await?;
                    return Ok(both(open, ended, length(filter)));
                }
                None | Some(StateFilter::Ended(_) | StateFilter::AnyEnded) => {}
            }
        }
        self.list_recorded(filter).await
    }

    /// A page from the record.
    async fn list_recorded(&self, filter: &ListFilter) -> Result<Page, StoreError> {
        let Listed { transfers: rows, next } = self.inner.store.list(filter).await?;
        let mut transfers = Vec::with_capacity(rows.len());
        for stored in rows {
            if stored.outcome.is_some() {
                transfers.push(Found::Ended(Box::new(stored)));
            } else {
                transfers.extend(self.find(stored.transfer.master).await?);
            }
        }
        Ok(Page { transfers, next })
    }

    async fn list_open(&self, mut wanted: Wanted) -> Page {
        let mut page = Page::default();
        let most = wanted.limit;
        let rounds = if wanted.counter_serial.is_some() { ROUNDS_OF_ALL } else { ROUNDS };
        for _ in 0..rounds {
            let mut pages = Vec::with_capacity(self.inner.shards.len());
            for shard in &self.inner.shards {
                let (to, answer) = oneshot::channel();
                if shard.send(Mail::Page(wanted.clone(), to)).await.is_ok() {
                    pages.extend(answer.await.ok());
                }
            }
            let (views, next) = merged(pages, wanted.limit);
            page.transfers.extend(views.into_iter().map(|view| Found::Open(Box::new(view))));
            page.next = next;
            wanted.limit = most - page.transfers.len();
            wanted.before = next;
            if next.is_none() || wanted.limit == 0 {
                break;
            }
        }
        page
    }

    /// The oldest open transfers, of those in a state if one is given, and how many there are.
    pub async fn oldest(&self, state: Option<State>, limit: usize) -> (Vec<View>, usize) {
        let (mut oldest, mut total) = (Vec::new(), 0);
        for shard in &self.inner.shards {
            let (to, answer) = oneshot::channel();
            if shard.send(Mail::Oldest(state, limit, to)).await.is_ok()
                && let Ok((views, count)) = answer.await
            {
                oldest.extend(views);
                total += count;
            }
        }
        oldest.sort_by_key(|view| view.transfer.intent.master);
        oldest.truncate(limit);
        (oldest, total)
    }
}

/// How long a page may be.
fn length(filter: &ListFilter) -> usize {
    usize::from(filter.limit.clamp(1, ListFilter::LONGEST_PAGE))
}

/// One page of what is open and of what has ended, nothing older than what one of them has not looked
/// at yet. What ended between the two looks is shown as it ended.
fn both(open: Page, ended: Page, limit: usize) -> Page {
    let horizon = open.next.max(ended.next);
    let mut transfers = ended.transfers;
    let found: HashSet<MasterSerial> = transfers.iter().map(Found::master).collect();
    transfers.extend(open.transfers.into_iter().filter(|open| !found.contains(&open.master())));
    transfers.retain(|found| horizon.is_none_or(|horizon| found.master() >= horizon));
    transfers.sort_by_key(|found| Reverse(found.master()));
    if transfers.len() > limit {
        transfers.truncate(limit);
        let next = transfers.last().map(Found::master);
        return Page { transfers, next };
    }
    Page { transfers, next: horizon }
}

/// One page of what several shards found: nothing older than what one of them has not looked at yet.
fn merged(pages: Vec<ShardPage>, limit: usize) -> (Vec<View>, Option<MasterSerial>) {
    let looked_to = pages.iter().filter_map(|page| page.looked_to).max();
    let mut views: Vec<View> = pages.into_iter().flat_map(|page| page.views).collect();
    let master = |view: &View| view.transfer.intent.master;
    views.retain(|view| looked_to.is_none_or(|horizon| master(view) >= horizon));
    views.sort_by_key(|view| std::cmp::Reverse(master(view)));
    if views.len() > limit {
        views.truncate(limit);
        let last = views.last().map(master);
        return (views, last);
    }
    (views, looked_to)
}

fn life(state: OpenState) -> State {
    match state {
        OpenState::Accepted => State::Accepted,
        OpenState::Debiting => State::Debiting,
        OpenState::Crediting => State::Crediting,
        OpenState::Reversing => State::Reversing,
        OpenState::NeedsOperator => State::NeedsOperator,
    }
}

#[cfg(test)]
pub(crate) mod tests;
