//! Where a counter stands as a whole: what the boards of its connections tell, put together into
//! one snapshot for whoever looks. Nobody looks at most links most of the time, so it is put
//! together when somebody does.

use crate::request::pending_reply::ConnectionHandle;
use domain::serial::Day;
use port::status::{Connection, Counts, Health, Snapshot, State};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, futures::Notified, watch};

/// See the module.
#[derive(Debug)]
pub(crate) struct StatusAggregate {
    shared: Arc<ConnectionHandle>,
    // A lock, because each connection's task puts its own part; it is held for one change, four
    // times a second and whenever a state changes, and while the parts are put together for those
    // who follow.
    inside: Mutex<Inside>,
    /// A session began or ended, or the link has.
    sessions: Notify,
}

#[derive(Debug)]
struct Inside {
    /// One for each connection.
    parts: Box<[Part]>,
    /// Made for the first who follows, gone with the last.
    followers: Option<watch::Sender<Arc<Snapshot>>>,
    /// How many connections still have a task.
    living: u16,
}

/// What is known of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) connection: Connection,
    /// The settle day, and whether the counter is open, as last heard on it.
    pub(crate) standing: Option<(Day, bool)>,
    pub(crate) counts: Counts,
}

impl StatusAggregate {
    /// Of a counter with so many connections; `shared` is that of any of them.
    pub(crate) fn new(
        shared: Arc<ConnectionHandle>,
        connections: u16,
        since: i64,
    ) -> StatusAggregate {
        let parts = (0..connections)
            .map(|channel| Part {
                connection: Connection { since, ..Connection::new(channel) },
                standing: None,
                counts: Counts::default(),
            })
            .collect();
        let inside = Inside { parts, followers: None, living: connections };
        StatusAggregate { shared, inside: Mutex::new(inside), sessions: Notify::new() }
    }

    /// How it stands now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        together(&self.shared, &self.inside().parts)
    }

    /// The same, and whatever comes. It ends with the last connection's task.
    pub(crate) fn follow(&self) -> watch::Receiver<Arc<Snapshot>> {
        let mut inside = self.inside();
        if let Some(followers) = &inside.followers {
            return followers.subscribe();
        }
        let followers = watch::Sender::new(Arc::new(together(&self.shared, &inside.parts)));
        let follower = followers.subscribe();
        if inside.living > 0 {
            inside.followers = Some(followers);
        }
        follower
    }

    /// The address in use on a connection.
    pub(crate) fn address(&self, channel: u16) -> String {
        self.inside().parts[usize::from(channel)].connection.address.clone()
    }

    /// A connection has changed.
    pub(crate) fn put(&self, channel: u16, change: impl FnOnce(&mut Part)) {
        let mut inside = self.inside();
        change(&mut inside.parts[usize::from(channel)]);
        let Some(followers) = &inside.followers else { return };
        if followers.receiver_count() == 0 {
            inside.followers = None;
            return;
        }
        // Under the lock, so that no older truth overtakes a newer one.
        followers.send_replace(Arc::new(together(&self.shared, &inside.parts)));
    }

    /// A session began or ended.
    pub(crate) fn session_changed(&self) {
        self.sessions.notify_waiters();
    }

    /// Ready when a session begins or ends from now on, or the last connection's task does.
    pub(crate) fn session_change(&self) -> Notified<'_> {
        self.sessions.notified()
    }

    /// A connection's task is gone.
    pub(crate) fn left(&self) {
        let mut inside = self.inside();
        inside.living = inside.living.saturating_sub(1);
        if inside.living == 0 {
            inside.followers = None;
            drop(inside);
            self.sessions.notify_waiters();
        }
    }

    /// Whether no connection has a task any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.inside().living == 0
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn together(shared: &ConnectionHandle, parts: &[Part]) -> Snapshot {
    let mut counts = Counts { busy: shared.busy.load(Ordering::Relaxed), ..Counts::default() };
    for part in parts {
        counts += part.counts;
    }
    // The newest day is right: days go forward, and one connection hears of it first. A connection
    // that hears nothing now tells an old story.
    let hears = |state: State| health([state].into_iter()) != Health::Down;
    let now = parts.iter().filter(|part| hears(part.connection.state));
    let newest = now.filter_map(|part| part.standing).max();
    let standing = newest.or_else(|| parts.iter().filter_map(|part| part.standing).max());
    let connections: Vec<Connection> = parts.iter().map(|part| part.connection.clone()).collect();
    Snapshot {
        counter: shared.counter.clone(),
        health: health(connections.iter().map(|connection| connection.state)),
        settle_day: standing.map(|(day, _)| day),
        open: standing.is_some_and(|(_, open)| open),
        queued: shared.queued.load(Ordering::Relaxed),
        in_flight: connections.iter().map(|connection| connection.in_flight).sum(),
        connections,
        counts,
    }
}

/// Up if all are, down if none is even half a session, degraded between.
fn health(states: impl Iterator<Item = State>) -> Health {
    let mut healths = states.map(|state| match state {
        State::Up => Health::Up,
        // A session that does not take new work is half a session.
        State::Syncing | State::Suspect => Health::Degraded,
        State::Stopped
        | State::Connecting
        | State::TlsHandshake
        | State::SigningOn
        | State::Draining
        | State::SigningOff
        | State::Closed
        | State::BackingOff
        | State::Held
        | State::OutOfHours
        | State::Drained => Health::Down,
    });
    let Some(first) = healths.next() else { return Health::Down };
    if healths.all(|health| health == first) { first } else { Health::Degraded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{counter, day};

    #[test]
    fn a_counter_is_up_if_all_its_connections_are_and_down_if_none_is() {
        let of = |states: &[State]| health(states.iter().copied());
        assert_eq!(of(&[State::Up, State::Up]), Health::Up);
        assert_eq!(of(&[State::Up, State::BackingOff]), Health::Degraded);
        assert_eq!(of(&[State::BackingOff, State::Syncing]), Health::Degraded);
        assert_eq!(of(&[State::Held, State::BackingOff]), Health::Down);
    }

    #[test]
    fn the_snapshot_is_all_connections_together() {
        let shared = Arc::new(ConnectionHandle::new(counter()));
        shared.busy.store(3, Ordering::Relaxed);
        let status_aggregate = StatusAggregate::new(shared, 2, 0);
        for channel in [1, 0] {
            status_aggregate.put(channel, |part| {
                part.standing = Some((day(), channel == 0));
                part.counts.answered = 5;
                part.connection.state = State::Up;
                part.connection.in_flight = 2;
            });
        }
        let snapshot = status_aggregate.snapshot();
        assert_eq!((snapshot.health, snapshot.in_flight), (Health::Up, 4));
        assert_eq!((snapshot.counts.answered, snapshot.counts.busy), (10, 3));
        assert_eq!((snapshot.settle_day, snapshot.open), (Some(day()), true));
        assert_eq!(snapshot.connections[1].channel, 1);
    }

    #[test]
    fn only_those_who_follow_are_told_and_nothing_is_kept_for_nobody() {
        let status_aggregate =
            StatusAggregate::new(Arc::new(ConnectionHandle::new(counter())), 2, 0);
        let kept = || status_aggregate.inside().followers.is_some();
        status_aggregate.put(0, |part| part.connection.epoch = 1);
        assert!(!kept());
        let [mut one, other] = [status_aggregate.follow(), status_aggregate.follow()];
        assert_eq!(one.borrow().connections[0].epoch, 1, "what was before");
        assert!(!one.has_changed().expect("the link lives"));
        drop(other);
        status_aggregate.put(0, |part| part.connection.epoch = 2);
        assert_eq!(one.borrow_and_update().connections[0].epoch, 2);
        assert!(kept());
        drop(one);
        status_aggregate.put(0, |part| part.connection.epoch = 3);
        assert!(!kept());
    }

    #[tokio::test]
    async fn the_end_of_the_last_connection_is_the_end_for_those_who_follow() {
        let status_aggregate =
            StatusAggregate::new(Arc::new(ConnectionHandle::new(counter())), 2, 0);
        let mut follower = status_aggregate.follow();
        let changed = status_aggregate.session_change();
        status_aggregate.left();
        assert!(!status_aggregate.has_ended() && follower.has_changed().is_ok());
        status_aggregate.put(1, |part| part.connection.state = State::Stopped);
        status_aggregate.left();
        assert!(status_aggregate.has_ended());
        changed.await;
        assert_eq!(follower.borrow_and_update().connections[1].state, State::Stopped);
        assert!(follower.changed().await.is_err());
        let late = status_aggregate.follow();
        assert!(late.has_changed().is_err());
        assert_eq!(late.borrow().connections[1].state, State::Stopped);
    }

    #[test]
    fn a_connection_that_hears_nothing_tells_an_old_story() {
        let status_aggregate =
            StatusAggregate::new(Arc::new(ConnectionHandle::new(counter())), 2, 0);
        let tomorrow = Day::from_unix_days(day().unix_days() + 1);
        let put = |channel, state, standing| {
            status_aggregate.put(channel, |part| {
                part.connection.state = state;
                part.standing = Some(standing);
            });
        };
        let told = || (status_aggregate.snapshot().settle_day, status_aggregate.snapshot().open);
        put(0, State::BackingOff, (tomorrow, true));
        put(1, State::Up, (day(), false));
        assert_eq!(told(), (Some(day()), false));
        put(1, State::BackingOff, (day(), false));
        assert_eq!(told(), (Some(tomorrow), true), "where none hears anything, the newest");
    }
}
