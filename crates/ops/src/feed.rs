//! What one reader follows: events of links, events of transfers, and the connections as a whole
//! whenever they change. A reader that falls behind is told so.

use coordinator::events::{Event as TransferEvent, Events};
use futures::StreamExt;
use futures::stream::SelectAll;
use port::history::{Event as LinkEvent, Followed, Follower, History};
use port::status::Snapshot;
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;

/// Between two snapshots of the connections: fresh for an eye.
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(250);

/// The same where only what is counted and measured has changed, which it does with every message.
const NUMBERS_PAUSE: Duration = Duration::from_secs(1);

/// How far a reader has come; the id of an event. Numbers begin anew with every start of the
/// bridge, so the start belongs to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// When the bridge started, in microseconds since 1970 UTC.
    pub(super) started_at: i64,
    /// The last event of a link.
    pub(super) link: u64,
    /// The last event of a transfer.
    pub(super) transfer: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.started_at, self.link, self.transfer)
    }
}

/// A text that is no position.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;
    fn from_str(text: &str) -> Result<Position, NotAPosition> {
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next().ok_or(NotAPosition);
        let (started_at, link, transfer) = (next()?, next()?, next()?);
        Ok(Position {
            started_at: started_at.parse().map_err(|_| NotAPosition)?,
            link: link.parse().map_err(|_| NotAPosition)?,
            transfer: transfer.parse().map_err(|_| NotAPosition)?,
        })
    }
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// With all that is kept.
    Kept,
    /// After this.
    After(Position),
    /// With all that is kept; what the reader had seen before is of another start.
    Elsewhere,
}

impl From {
    /// By the `Last-Event-ID` of a reader who comes back.
    pub(super) fn last_event_id(id: Option<&str>, started_at: i64) -> From {
        match id.map(Position::from_str) {
            None => From::Kept,
            Some(Ok(position)) if position.started_at == started_at => From::After(position),
            Some(Ok(_) | Err(NotAPosition)) => From::Elsewhere,
        }
    }
}

/// Of which events some were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Events of links.
    Links,
    /// Events of transfers.
    Transfers,
    /// All: the bridge has started anew since.
    Bridge,
}

/// What a reader is told.
#[derive(Clone, Debug)]
pub(super) enum FeedItem {
    /// Something happened to a link.
    Link(LinkEvent),
    /// Something happened to a transfer.
    Transfer(TransferEvent),
    /// How the connections stand now.
    Counters(Vec<Arc<Snapshot>>),
    /// So many events were missed, where that is known: look at everything anew.
    Lagged(Source, Option<u64>),
}

/// One reader's feed.
pub(super) struct Feed {
    position: Position,
    restarted: bool,
    links: Option<Follower>,
    /// Of transfers: missed before the first kept, kept, and coming.
    missed: u64,
    kept: VecDeque<TransferEvent>,
    coming: broadcast::Receiver<TransferEvent>,
    statuses: Vec<watch::Receiver<Arc<Snapshot>>>,
    changes: SelectAll<WatchStream<Arc<Snapshot>>>,
    /// Whether the connections may have changed since they were last told.
    changed: bool,
    told: Option<Vec<Arc<Snapshot>>>,
    next_snapshot: Instant,
    next_numbers: Instant,
    stop: CancellationToken,
}

impl Feed {
    /// Begins to follow.
    pub(super) fn open(
        started_at: i64,
        from: From,
        history: Option<&History>,
        events: &Events,
        statuses: Vec<watch::Receiver<Arc<Snapshot>>>,
        stop: CancellationToken,
    ) -> Feed {
        let (mut kept, coming) = events.follow();
        let first_kept = kept.first().map(|event| event.number);
        let before = |first: Option<u64>| first.map_or(0, |number| number.saturating_sub(1));
        let first_link =
            || history.and_then(|history| history.since(0).first().map(|event| event.number));
        let position = match from {
            From::After(position) => position,
            From::Kept | From::Elsewhere => {
                Position { started_at, link: before(first_link()), transfer: before(first_kept) }
            }
        };
        kept.retain(|event| event.number > position.transfer);
        let missed = before(kept.first().map(|event| event.number));
        Feed {
            restarted: from == From::Elsewhere,
            links: history.map(|history| history.follow(position.link)),
            missed: missed.saturating_sub(position.transfer),
            kept: kept.into(),
            coming,
            changes: statuses.iter().cloned().map(WatchStream::from_changes).collect(),
            statuses,
            changed: true,
            told: None,
            next_snapshot: Instant::now(),
            next_numbers: Instant::now(),
            stop,
            position,
        }
    }

    /// How far the reader has come with what it was told last.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// What comes next; `None` once the bridge stops. Dropping it loses nothing.
    pub(super) async fn next(&mut self) -> Option<FeedItem> {
        if self.restarted && !self.stop.is_cancelled() {
            self.restarted = false;
            return Some(FeedItem::Lagged(Source::Bridge, None));
        }
        loop {
            // Before the timer is asked, which is never ready at once.
            if self.changed
                && Instant::now() >= self.next_snapshot
                && !self.stop.is_cancelled()
                && let Some(now) = self.snapshot()
            {
                return Some(FeedItem::Counters(now));
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.next_snapshot), if self.changed => {}
                // Ends when the last link does; then nothing changes any more. Nobody is woken by each message of a
                // busy link: that something has changed is known already.
                Some(_) = self.changes.next(), if !self.changed && !self.changes.is_empty() => {
                    self.changed = true;
                }
                told = transfer(&mut self.missed, &mut self.kept, &mut self.coming) => {
                    if let Some(FeedItem::Transfer(event)) = &told {
                        self.position.transfer = event.number;
                    }
                    return told;
                }
                Some(followed) = link(self.links.as_mut()), if self.links.is_some() => {
                    return Some(match followed {
                        Followed::Event(event) => {
                            self.position.link = event.number;
                            FeedItem::Link(event)
                        }
                        Followed::Lagged(count) => FeedItem::Lagged(Source::Links, Some(count)),
                    });
                }
            }
        }
    }
}

impl Feed {
    /// How the connections stand, if it is time to tell it; it is looked at again after a pause.
    fn snapshot(&mut self) -> Option<Vec<Arc<Snapshot>>> {
        self.next_snapshot = Instant::now() + SNAPSHOT_PAUSE;
        let now: Vec<_> = self.statuses.iter().map(|status| status.borrow().clone()).collect();
        if let Some(told) = &self.told {
            let mut pairs = told.iter().zip(&now);
            if pairs.clone().all(|(told, now)| Arc::ptr_eq(told, now)) {
                self.changed = false;
                return None;
            }
            let stands = pairs.all(|(told, now)| told.stands_as(now));
            if stands && Instant::now() < self.next_numbers {
                return None;
            }
        }
        self.changed = false;
        self.next_numbers = Instant::now() + NUMBERS_PAUSE;
        self.told = Some(now.clone());
        Some(now)
    }
}

async fn link(links: Option<&mut Follower>) -> Option<Followed> {
    match links {
        Some(links) => links.next().await,
        None => None,
    }
}

async fn transfer(
    missed: &mut u64,
    kept: &mut VecDeque<TransferEvent>,
    coming: &mut broadcast::Receiver<TransferEvent>,
) -> Option<FeedItem> {
    if *missed > 0 {
        return Some(FeedItem::Lagged(Source::Transfers, Some(std::mem::take(missed))));
    }
    if let Some(event) = kept.pop_front() {
        return Some(FeedItem::Transfer(event));
    }
    match coming.recv().await {
        Ok(event) => Some(FeedItem::Transfer(event)),
        Err(RecvError::Lagged(count)) => Some(FeedItem::Lagged(Source::Transfers, Some(count))),
        Err(RecvError::Closed) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::counters::tests::waiting;
    use super::*;
    use coordinator::events::Kind;

    const STARTED: i64 = 77;

    fn record(events: &Events, count: usize) {
        for _ in 0..count {
            events.record(1, Kind::Notice, None, "something".to_owned());
        }
    }

    fn open(from: From, events: &Events) -> Feed {
        Feed::open(STARTED, from, None, events, Vec::new(), CancellationToken::new())
    }

    /// Reads up to the next event of a transfer, and says what came before it.
    async fn number(feed: &mut Feed) -> (u64, Vec<Source>) {
        let mut lagged = Vec::new();
        loop {
            match feed.next().await.expect("it goes on") {
                FeedItem::Transfer(event) => return (event.number, lagged),
                FeedItem::Lagged(source, _) => lagged.push(source),
                FeedItem::Link(_) | FeedItem::Counters(_) => {}
            }
        }
    }

    #[test]
    fn a_position_comes_back_as_it_was() {
        let position = Position { started_at: STARTED, link: 12, transfer: 345 };
        assert_eq!(position.to_string(), "77.12.345");
        assert_eq!("77.12.345".parse(), Ok(position));
        for bad in ["", "77.12", "77.12.345.6", "a.b.c", "77.-1.0", "77..1"] {
            assert_eq!(bad.parse::<Position>(), Err(NotAPosition), "{bad:?}");
        }
        assert_eq!(From::last_event_id(None, STARTED), From::Kept);
        assert_eq!(From::last_event_id(Some("77.12.345"), STARTED), From::After(position));
        assert_eq!(From::last_event_id(Some("76.12.345"), STARTED), From::Elsewhere);
        assert_eq!(From::last_event_id(Some("junk"), STARTED), From::Elsewhere);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_reader_gets_all_that_is_kept_and_then_what_comes() {
        let events = Events::default();
        record(&events, 600);
        let mut feed = open(From::Kept, &events);
        assert!(matches!(feed.next().await, Some(FeedItem::Counters(all)) if all.is_empty()));
        for expected in 89..=600 {
            assert_eq!(number(&mut feed).await, (expected, Vec::new()));
        }
        record(&events, 1);
        assert_eq!(number(&mut feed).await, (601, Vec::new()));
        assert_eq!(feed.position().to_string(), "77.0.601");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_comes_back_goes_on_where_it_was() {
        let events = Events::default();
        record(&events, 600);
        let after = |transfer| From::After(Position { started_at: STARTED, link: 0, transfer });
        assert_eq!(number(&mut open(after(598), &events)).await, (599, Vec::new()));
        // 89 is the oldest that is kept.
        assert_eq!(number(&mut open(after(88), &events)).await, (89, Vec::new()));
        assert_eq!(number(&mut open(after(40), &events)).await, (89, vec![Source::Transfers]));
        let mut feed = open(after(600), &events);
        record(&events, 1);
        assert_eq!(number(&mut feed).await, (601, Vec::new()));
        let mut feed = open(From::Elsewhere, &events);
        assert_eq!(number(&mut feed).await, (90, vec![Source::Bridge]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_told_that_it_fell_behind() {
        let events = Events::default();
        let mut feed = open(From::Kept, &events);
        assert!(matches!(feed.next().await, Some(FeedItem::Counters(_))));
        record(&events, 5000);
        let (number, lagged) = number(&mut feed).await;
        assert_eq!(lagged, [Source::Transfers]);
        assert!(number > 1, "{number}");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_told_whole_at_most_four_times_a_second_and_numbers_once() {
        let events = Events::default();
        let (one, first) = watch::channel(Arc::new(waiting("securities")));
        let (_two, second) = watch::channel(Arc::new(waiting("futures")));
        let statuses = vec![first, second];
        let stop = CancellationToken::new();
        let mut feed = Feed::open(STARTED, From::Kept, None, &events, statuses, stop.clone());
        let began = Instant::now();
        let mut at = Duration::ZERO;
        for turn in 0..8_u32 {
            let Some(FeedItem::Counters(all)) = feed.next().await else { panic!("a snapshot") };
            assert_eq!(all.len(), 2);
            assert_eq!(all[0].queued, if turn == 0 { 1 } else { 100 + turn as usize - 1 });
            assert_eq!(began.elapsed(), at, "{turn}");
            let stands_otherwise = turn % 2 == 0;
            // Many changes are one.
            for _ in 0..3 {
                let mut snapshot = waiting("securities");
                snapshot.queued = 100 + turn as usize;
                snapshot.open = (turn / 2).is_multiple_of(2);
                one.send_replace(Arc::new(snapshot));
            }
            at += if stands_otherwise { SNAPSHOT_PAUSE } else { NUMBERS_PAUSE };
        }
        let Some(FeedItem::Counters(_)) = feed.next().await else { panic!("a snapshot") };
        let silent = tokio::time::timeout(Duration::from_mins(1), feed.next()).await;
        assert!(silent.is_err(), "nothing has changed");
        drop(one);
        stop.cancel();
        assert!(feed.next().await.is_none());
    }
}
