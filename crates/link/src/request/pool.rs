//! Which of a counter's connections a request goes to: where requests may be written, the one that
//! owes least, or the first if the others stand by; and where its account already is, while something of
//! that account is on its way.

use crate::request::affinity::{AccountAffinity, Stays};
use crate::request::pending_reply::{ConnectionHandle, Queued};
use domain::message::{AccountId, Instruction};
use port::{NotSent, RequestOutcome};
use std::sync::{Arc, OnceLock, Weak};

/// The ways to all connections of one counter.
#[derive(Debug)]
pub(crate) struct ConnectionPool {
    all: Vec<PooledConnection>,
    /// Whether one carries everything while the others stand by.
    standby: bool,
    /// Not used where there is nothing to choose.
    stays: OnceLock<Arc<Stays>>,
}

/// The way to one connection's actor.
#[derive(Debug)]
pub(crate) struct PooledConnection {
    pub(crate) shared: Arc<ConnectionHandle>,
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        self.shared.mailbox.abandon();
    }
}

impl ConnectionPool {
    pub(crate) fn new(all: Vec<PooledConnection>, standby: bool) -> ConnectionPool {
        ConnectionPool { all, standby, stays: OnceLock::new() }
    }

    /// The first of them; there always is one.
    pub(crate) fn first(&self) -> &PooledConnection {
        &self.all[0]
    }

    pub(crate) fn get(&self, index: usize) -> &PooledConnection {
        &self.all[index]
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn shared(&self) -> impl Iterator<Item = &Arc<ConnectionHandle>> {
        self.all.iter().map(|pooled| &pooled.shared)
    }

    /// Whether requests may be written on another connection than this one.
    pub(crate) fn others_take_requests(&self, but: usize) -> bool {
        self.shared().enumerate().any(|(index, shared)| index != but && shared.is_up())
    }

    /// Where a request is to go, and what keeps its account there.
    pub(crate) fn choose(&self, instruction: &Instruction) -> (usize, Option<AccountAffinity>) {
        match self.all.len() {
            1 => (0, None),
            _ => self.choose_but(None, instruction),
        }
    }

    fn choose_but(
        &self,
        but: Option<usize>,
        instruction: &Instruction,
    ) -> (usize, Option<AccountAffinity>) {
        let allowed = |index: usize| Some(index) != but;
        let best = || {
            let ranked = self.shared().enumerate().filter(|(index, _)| allowed(*index));
            // Of equals the first: where others stand by, that is the one in use.
            let owes = |shared: &ConnectionHandle| if self.standby { 0 } else { shared.load() };
            let best = ranked.min_by_key(|(_, shared)| (rank(shared), owes(shared)));
            best.map_or(0, |(index, _)| index)
        };
        let Some(account) = account(instruction) else { return (best(), None) };
        let stays = self.stays.get_or_init(Arc::default);
        let mut table = stays.table();
        let (pooled, count) = table.entry(account.clone()).or_insert((usize::MAX, 0));
        let affinity = *count > 0 && allowed(*pooled) && rank(&self.all[*pooled].shared) < NOWHERE;
        if !affinity {
            *pooled = best();
        }
        *count += 1;
        let affinity = AccountAffinity { stays: Arc::clone(stays), account: account.clone() };
        (*pooled, Some(affinity))
    }

    /// Gives a request that could not be sent on connection `from` to another one, or ends it.
    fn elsewhere(&self, from: usize, mut queued: Queued) {
        let mut moved = None;
        if queued.pending_reply.moves() < self.all.len() {
            let (index, affinity) = self.choose_but(Some(from), &queued.instruction);
            let pooled = &self.all[index];
            if rank(&pooled.shared) < NOWHERE {
                queued.pending_reply.moved(&pooled.shared, affinity);
                moved = Some(pooled);
            }
        }
        match moved {
            Some(pooled) => pooled.shared.mailbox.post(queued),
            None => queued.pending_reply.settle(RequestOutcome::NotSent(NotSent::Down)),
        }
    }
}

const NOWHERE: u8 = 2;

fn rank(shared: &ConnectionHandle) -> u8 {
    match (shared.is_up(), shared.takes_requests()) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => NOWHERE,
    }
}

/// Whose order matters. Questions are put about serials, and may be asked anywhere.
fn account(instruction: &Instruction) -> Option<&AccountId> {
    match instruction {
        Instruction::Debit(posting) | Instruction::Credit(posting) => Some(&posting.account),
        Instruction::Reverse(reversal) => Some(&reversal.account),
        Instruction::Query(_) | Instruction::Balance(_) | Instruction::Entries(_) => None,
    }
}

/// How one connection's actor gives away what it cannot send. It keeps no
/// connection alive: with the last handle gone, all end.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) pool: Weak<ConnectionPool>,
    pub(crate) from: usize,
}

impl Exit {
    /// Not sent here; perhaps elsewhere.
    pub(crate) fn leave(&self, queued: Queued) {
        match self.pool.upgrade() {
            Some(pool) if pool.len() > 1 => pool.elsewhere(self.from, queued),
            Some(_) | None => queued.pending_reply.settle(RequestOutcome::NotSent(NotSent::Down)),
        }
    }

    /// How many connections there are, this one included.
    pub(crate) fn count(&self) -> u16 {
        self.pool.upgrade().map_or(1, |pool| u16::try_from(pool.len()).unwrap_or(u16::MAX))
    }

    /// Lets the other connections look again at what they have put off because of this one.
    pub(crate) fn wake_others(&self) {
        let Some(pool) = self.pool.upgrade() else { return };
        let others = pool.shared().enumerate().filter(|(index, _)| *index != self.from);
        others.for_each(|(_, shared)| shared.mailbox.ring());
    }

    /// Whether another connection takes requests.
    pub(crate) fn exists(&self) -> bool {
        self.pool.upgrade().is_some_and(|pool| pool.others_take_requests(self.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::mailbox::Post;
    use crate::testing::{asks, at, counter, debit, query};
    use std::task::{Context, Poll, Waker};

    fn pool(count: usize) -> ConnectionPool {
        let first = ConnectionHandle::new(counter());
        let all = (0..count).map(|_| {
            let shared = Arc::new(first.sibling());
            shared.set_up(true);
            PooledConnection { shared }
        });
        ConnectionPool::new(all.collect(), false)
    }

    /// How a connection gives away what it cannot send.
    fn exit(pool: &Arc<ConnectionPool>, from: usize) -> Exit {
        Exit { pool: Arc::downgrade(pool), from }
    }

    /// The one request that was left for a connection.
    fn left(pool: &ConnectionPool, index: usize) -> Option<Queued> {
        let mut left = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        let _ = pool.get(index).shared.mailbox.poll(&mut context, &mut left, true);
        left.pop()
    }

    #[test]
    fn an_account_stays_where_it_is_while_something_of_it_is_on_its_way() {
        let pool = pool(2);
        let (first, affinity) = pool.choose(&debit(1));
        assert_eq!(first, 0);
        let mut asks = asks();
        asks.shared = Arc::clone(&pool.get(0).shared);
        let pending_reply = asks.debit(at(1)).pending_reply.staying(affinity);
        assert_eq!(pool.choose(&query(1)).0, 1, "least owed");
        let (second, kept) = pool.choose(&debit(2));
        assert_eq!(second, 0, "the same account");
        drop((pending_reply, kept));
        let stays = pool.stays.get().expect("used");
        assert!(stays.table().is_empty(), "nothing is kept of what has ended");
    }

    #[test]
    fn a_connection_that_is_down_is_chosen_last() {
        let pool = pool(3);
        pool.get(0).shared.set_up(false);
        let (first, affinity) = pool.choose(&debit(1));
        assert_eq!(first, 1);
        pool.get(1).shared.set_up(false);
        assert_eq!(pool.choose(&debit(1)).0, 2, "even for an account that was elsewhere");
        drop(affinity);
        pool.get(2).shared.set_up(false);
        pool.get(2).shared.set_takes_requests(true);
        assert_eq!(pool.choose(&query(1)).0, 2, "half a session before none");
    }

    #[test]
    fn those_that_stand_by_carry_nothing_until_the_one_in_use_is_down() {
        let mut pool = pool(3);
        pool.standby = true;
        let stays: Vec<_> = (1..9).map(|number| pool.choose(&query(number))).collect();
        assert!(stays.iter().all(|(pooled, _)| *pooled == 0));
        pool.get(0).shared.set_up(false);
        assert_eq!(pool.choose(&query(9)).0, 1);
        let (pooled, affinity) = pool.choose(&debit(1));
        assert_eq!(pooled, 1);
        pool.get(0).shared.set_up(true);
        assert_eq!(pool.choose(&query(10)).0, 0, "back where it belongs");
        assert_eq!(pool.choose(&debit(2)).0, 1, "an account goes back when nothing of it is out");
        drop(affinity);
    }

    #[test]
    fn what_could_not_be_sent_moves_once_round_and_then_ends() {
        let pool = pool(2);
        let mut asks = asks();
        asks.shared = Arc::clone(&pool.get(0).shared);
        pool.elsewhere(0, asks.debit(at(1)));
        let queued = left(&pool, 1).expect("it moves");
        pool.elsewhere(1, queued);
        let queued = left(&pool, 0).expect("and back");
        pool.elsewhere(0, queued);
        assert_eq!(asks.outcomes(), [(1, RequestOutcome::NotSent(NotSent::Down))]);
        assert_eq!((pool.get(0).shared.load(), pool.get(1).shared.load()), (0, 0));
        pool.get(1).shared.set_up(false);
        pool.elsewhere(0, asks.debit(at(1)));
        assert_eq!(asks.outcomes(), [(2, RequestOutcome::NotSent(NotSent::Down))], "nowhere to go");
    }

    #[test]
    fn the_only_connection_keeps_nothing_of_an_account_and_gives_nothing_away() {
        let pool = Arc::new(pool(1));
        let (pooled, affinity) = pool.choose(&debit(1));
        assert_eq!((pooled, affinity.is_some()), (0, false));
        let mut asks = asks();
        asks.shared = Arc::clone(&pool.get(0).shared);
        exit(&pool, 0).leave(asks.debit(at(1)));
        assert_eq!(asks.outcomes(), [(1, RequestOutcome::NotSent(NotSent::Down))]);
        assert!(!exit(&pool, 0).exists());
    }

    #[test]
    fn there_is_another_way_while_another_connection_is_up() {
        let pool = Arc::new(pool(2));
        let exits = [0, 1].map(|from| exit(&pool, from));
        let exist = || exits.each_ref().map(Exit::exists);
        assert_eq!(exist(), [true, true]);
        pool.get(1).shared.set_up(false);
        assert_eq!(exist(), [false, true]);
        pool.get(0).shared.set_up(false);
        assert_eq!(exist(), [false, false]);
        assert_eq!(exits.each_ref().map(Exit::count), [2, 2]);
    }

    #[test]
    fn the_others_are_woken_and_not_the_one_that_wakes_them() {
        let pool = Arc::new(pool(3));
        exit(&pool, 1).wake_others();
        let mut context = Context::from_waker(Waker::noop());
        let rung = [0, 1, 2].map(|index| {
            let mailbox = &pool.get(index).shared.mailbox;
            let news = mailbox.poll(&mut context, &mut Vec::new(), true);
            matches!(news, Poll::Ready(Post { rung: true, .. }))
        });
        assert_eq!(rung, [true, false, true]);
    }
}
