//! How far counters have seen our serials, against what the record has given out; and what holds a
//! counter, over restarts (DOMAIN §3 rule 10).

use crate::clock::now_micros;
use crate::handle::Coordinator;
use crate::inner::Inner;
use crate::standing::Hold;
use crate::tail::Search;
use domain::message::{AccountId, Answer, AnswerCode, CounterId, EntriesQuery, Instruction, Reply};
use domain::serial::{Day, Sequence, SubSerial};
use link::{Link, Outcome};
use std::sync::Arc;
use std::time::Duration;
use store::{Allowance, HeldCounter, ListFilter, Reach, StoreError};
use tokio::sync::{Mutex, mpsc};

/// Between two tries to ask a database that does not answer, or to write to it.
const AGAIN: Duration = Duration::from_secs(1);

/// Why a counter was not readmitted.
#[derive(Debug, thiserror::Error)]
pub enum ReadmitError {
    /// No such counter is configured.
    #[error("there is no counter {0}")]
    UnknownCounter(CounterId),
    /// Nothing holds it.
    #[error("{0} is not held: it gets new transfers")]
    NotHeld(CounterId),
    /// It has seen serials beyond the lease, which was not moved past them.
    #[error(
        "{counter} has seen serials up to {seen}, and new transfers would get the same again: have \
         the serials moved past them with it"
    )]
    SerialsBehind {
        /// Which counter.
        counter: CounterId,
        /// How far it has seen.
        seen: u64,
    },
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Holds what was held when the bridge last stopped.
pub(crate) async fn take_up_holds(inner: &Inner) -> Result<(), StoreError> {
    for HeldCounter { counter, why, seen, since } in inner.store.held_counters().await? {
        tracing::warn!(%counter, why, "the counter gets no new transfers until it is readmitted");
        inner.standing.hold(&counter, Hold { why, since });
        if seen.is_some() {
            agree(inner, &counter);
        }
    }
    Ok(())
}

/// Keeps holds in the database; one that it does not take is tried again until it does.
pub(crate) async fn keep_holds(
    inner: Arc<Inner>,
    holds: Arc<Mutex<mpsc::UnboundedReceiver<HeldCounter>>>,
) {
    let mut holds = holds.lock().await;
    while let Some(held) = holds.recv().await {
        while let Err(error) = inner.store.hold_counter(&held).await {
            tracing::warn!(%error, counter = %held.counter, "that it is held is not recorded yet");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Holds what a counter said at sign-on against the lease as it is recorded now.
pub(crate) async fn look(inner: &Inner, counter: &CounterId, told: SubSerial) {
    let reach = loop {
        match inner.store.reach(counter, told.sequence).await {
            Ok(reach) => break reach,
            Err(error) => {
                tracing::warn!(%error, %counter, "how far it has seen is not compared yet");
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    let next = match reach {
        Reach::Beyond { next } => Sequence::of_ordinal(next),
        // Leased by this life, which has not given it to anybody yet.
        Reach::Known if inner.serials.holds(told.sequence).await => told.sequence,
        Reach::Known => return,
    };
    let (now, seen) = (now_micros(), told.sequence);
    let why = format!(
        "it says that it has seen the serial {told}, and this record has given out none \
         from {:011} on: the record lacks something, or the counter is mistaken",
        next.number()
    );
    let is_new = inner.standing.held(counter).is_none();
    // Held first: what follows takes its time.
    inner.hold_beyond(counter, &why, seen, now);
    agree(inner, counter);
    if reach == Reach::Known && !is_new {
        // It gets nothing new: the block in hand need not be left out once more at its word.
        return;
    }
    let allowance = Allowance::Day(Day::from_unix_micros(now));
    match inner.store.lift_serials(counter, seen, allowance, now).await {
        Ok(true) => {
            inner.serials.discard();
            tracing::warn!(%counter, "serials go on after {:011}", seen.number());
        }
        Ok(false) => {
            tracing::error!(%counter, "serials were not moved past {:011}", seen.number());
        }
        Err(error) => {
            tracing::error!(%error, %counter, "serials were not moved past {:011}", seen.number());
        }
    }
}

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

/// Asks a counter that does not say how far it has seen our serials for what it posted last: of all
/// accounts where it is known to state that, otherwise of those of the last transfers in the record.
pub(crate) async fn last_posted(inner: &Inner, link: &Link) -> Posted {
    let all = if inner.config.states_all_accounts.contains(link.counter()) {
        last_posted_to(inner, link, None).await
    } else {
        Posted::Unsaid("it is not known to state the entries of all accounts".to_owned())
    };
    let Posted::Unsaid(why) = all else { return all };
    let filter = ListFilter {
        limit: ListFilter::LONGEST_PAGE,
        counter: Some(link.counter().clone()),
        ..ListFilter::default()
    };
    let known = match inner.store.list(&filter).await {
        Ok(listed) => listed.transfers,
        Err(error) => return Posted::Unsaid(format!("{why}; and the record: {error}")),
    };
    let mut accounts: Vec<AccountId> = Vec::new();
    for place in known.iter().flat_map(|stored| [&stored.transfer.from, &stored.transfer.to]) {
        if place.counter == *link.counter() && !accounts.contains(&place.account) {
            accounts.push(place.account.clone());
        }
    }
    let (mut highest, mut said) = (None, false);
    for account in accounts.into_iter().take(ACCOUNTS) {
        match last_posted_to(inner, link, Some(account)).await {
            Posted::Last(serial) => {
                highest = highest.max(Some(serial.number()));
                said = true;
            }
            Posted::Nothing => said = true,
            Posted::Unsaid(_) => {}
            Posted::Gone => return Posted::Gone,
        }
    }
    match highest.map(SubSerial::from_number) {
        Some(Ok(serial)) => Posted::Last(serial),
        Some(Err(_)) | None if said => Posted::Nothing,
        Some(Err(_)) | None => Posted::Unsaid(why),
    }
}

/// The same of one account, or of all.
async fn last_posted_to(inner: &Inner, link: &Link, account: Option<AccountId>) -> Posted {
    let Some(today) = link.settle_day() else { return Posted::Gone };
    for back in 0..DAYS {
        let day = Day::from_unix_days(today.unix_days().saturating_sub(back));
        match last_of_day(inner, link, account.as_ref(), day).await {
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
    inner: &Inner,
    link: &Link,
    account: Option<&AccountId>,
    day: Day,
) -> Result<Option<SubSerial>, Posted> {
    let ask = async |offset, limit| {
        let query = EntriesQuery { account: account.cloned(), day, offset, limit };
        match inner.ask(link, Instruction::Entries(query)).await {
            Some(Outcome::Answered(Reply::Entries(reply))) => {
                if reply.answer.code == AnswerCode::DONE {
                    Ok(reply)
                } else {
                    let Answer { code, text } = &reply.answer;
                    Err(Posted::Unsaid(format!("it answers {code} {text}")))
                }
            }
            Some(Outcome::Answered(_)) => {
                Err(Posted::Unsaid("it answers something else".to_owned()))
            }
            Some(Outcome::Unknown(why)) if link.is_up() => Err(Posted::Unsaid(why.to_string())),
            Some(Outcome::Unknown(_) | Outcome::NotSent(_)) | None => Err(Posted::Gone),
        }
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

/// Two counters that have seen more than the record gave out speak of the record.
fn agree(inner: &Inner, counter: &CounterId) {
    if let Some(agreed) = inner.doubts.beyond(counter) {
        let names: Vec<&str> = agreed.iter().map(CounterId::as_str).collect();
        inner.standing.fall_behind(format!(
            "{} have all seen serials that this record never gave out",
            names.join(" and ")
        ));
    }
}

impl Coordinator {
    /// An operator has looked at a counter that is held: it gets new transfers again. With
    /// `move_serials` the lease is moved past what it has seen, however far that is.
    pub async fn readmit(
        &self,
        counter: &CounterId,
        who: &str,
        note: &str,
        move_serials: bool,
    ) -> Result<(), ReadmitError> {
        let inner = &self.inner;
        if inner.link(counter).is_none() {
            return Err(ReadmitError::UnknownCounter(counter.clone()));
        }
        let now = now_micros();
        let held = inner.store.held_counters().await?;
        let held = held.into_iter().find(|held| held.counter == *counter);
        if held.is_none() && inner.standing.held(counter).is_none() {
            return Err(ReadmitError::NotHeld(counter.clone()));
        }
        if let Some(seen) = held.and_then(|held| held.seen) {
            self.move_past(counter, seen, move_serials, now).await?;
        }
        inner.store.readmit_counter(counter, who, note, now).await?;
        inner.doubts.explained(counter);
        inner.standing.release(counter);
        tracing::warn!(%counter, who, note, "the counter is readmitted");
        let text = format!("{who} readmitted {counter}: {note}");
        inner.events.record(now, crate::events::Kind::Notice, None, text);
        Ok(())
    }

    async fn move_past(
        &self,
        counter: &CounterId,
        seen: Sequence,
        wanted: bool,
        now: i64,
    ) -> Result<(), ReadmitError> {
        let day = Day::from_unix_micros(now);
        let allowance = if wanted { Allowance::Wanted(day) } else { Allowance::Day(day) };
        if !self.inner.store.lift_serials(counter, seen, allowance, now).await? {
            let (counter, seen) = (counter.clone(), seen.number());
            return Err(ReadmitError::SerialsBehind { counter, seen });
        }
        self.inner.serials.discard();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::record::{Rendered, View};
    use domain::serial::Role;
    use store::Store;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    fn render(_: &View) -> Rendered {
        Rendered { status: 201, body: bytes::Bytes::new() }
    }

    fn counter(id: &str) -> CounterId {
        CounterId::new(id).expect("an id")
    }

    fn serial(number: u64) -> SubSerial {
        SubSerial { sequence: Sequence::new(number).expect("a sequence"), role: Role::Credit }
    }

    /// A coordinator on a record in this folder, and how to stop it.
    async fn started(folder: &tempfile::TempDir) -> (Coordinator, TaskTracker, CancellationToken) {
        let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
        let store = Store::open(&url).await.expect("it opens");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (_unmatched, unasked) = mpsc::channel(1);
        let config = Config::default();
        let coordinator =
            Coordinator::start(config, store, Vec::new(), unasked, render, &tasks, stop.clone());
        (coordinator.await.expect("it starts"), tasks, stop)
    }

    async fn stopped(stage: (Coordinator, TaskTracker, CancellationToken)) {
        let (coordinator, tasks, stop) = stage;
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        coordinator.inner.store.clone().close().await;
    }

    /// Waits until so many holds are recorded, but not for ever.
    async fn recorded(coordinator: &Coordinator, holds: usize) {
        let all = async {
            while coordinator.inner.store.held_counters().await.expect("asks").len() < holds {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.expect("they are recorded");
    }

    #[tokio::test]
    async fn one_counter_that_has_seen_more_is_held_two_speak_of_the_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let stage = started(&folder).await;
        let inner = &stage.0.inner;
        let next = inner.store.lease_serials(100).await.expect("leases").end;
        let in_hand = inner.serials.next().await.expect("a serial").number();
        assert_eq!(in_hand, next);
        let next = inner.store.lease_serials(1).await.expect("leases").end;
        let (futures, securities) = (counter("futures"), counter("securities"));
        look(inner, &futures, serial(next - 1)).await;
        assert_eq!(inner.standing.held(&futures), None, "it is ours");
        look(inner, &futures, serial(next + 20)).await;
        let held = inner.standing.held(&futures).expect("it is held");
        assert!(held.why.contains(&serial(next + 20).to_string()), "{}", held.why);
        assert_eq!(inner.standing.behind(), None, "one counter does not stop the bridge");
        let after = inner.serials.next().await.expect("a serial").number();
        assert_eq!(after, next + 21, "nobody gets a number that it knows");
        look(inner, &futures, serial(next + 20)).await;
        assert_eq!(inner.standing.behind(), None, "nor does one that says it twice");
        let other = counter("other");
        look(inner, &other, serial(after)).await;
        assert_eq!(inner.standing.held(&other), None, "it was given out");
        look(inner, &securities, serial(next + 5)).await;
        let why = inner.standing.behind().expect("two agree");
        assert!(why.contains("futures and securities"), "{why}");
        recorded(&stage.0, 2).await;
        stopped(stage).await;

        // Both are held again, and agree again, until an operator has looked.
        let stage = started(&folder).await;
        assert!(stage.0.inner.standing.held(&futures).is_some());
        assert!(stage.0.inner.standing.behind().is_some());
        stopped(stage).await;
    }

    /// The first order of a life leases a block before a counter has said anything: what is in hand is
    /// not what was given out.
    #[tokio::test]
    async fn what_is_leased_and_in_hand_cannot_have_been_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let stage = started(&folder).await;
        let inner = &stage.0.inner;
        let given = inner.serials.next().await.expect("a serial").number();
        let futures = counter("futures");
        look(inner, &futures, serial(given)).await;
        assert_eq!(inner.standing.held(&futures), None);
        look(inner, &futures, serial(given + 1)).await;
        assert!(inner.standing.held(&futures).is_some());
        let after = inner.serials.next().await.expect("a serial").number();
        assert!(after > given + 1, "nobody gets what it knows: {after}");
        // Said again, it costs no more of them.
        look(inner, &futures, serial(after + 5)).await;
        assert_eq!(inner.serials.next().await.expect("a serial").number(), after + 1);
        stopped(stage).await;
    }
}
