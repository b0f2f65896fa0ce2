//! Who stands at the acceptor. Strangers have so many places, and make room for one another; where
//! counters are known to come from, by configuration or because one has proven who it is, there are
//! places apart that no stranger elsewhere can take. Pure.

use super::AcceptorLimits;
use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use supervise::places::{self, Neighbourhood, Places};
use tokio_util::sync::CancellationToken;

/// From how many addresses counters have signed on that are remembered: every counter's few, over
/// some changes.
const REMEMBERED: usize = 256;

/// A place, and in which of the two parts of the queue.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ticket {
    Stranger(places::Ticket),
    Known(places::Ticket),
}

/// Places where counters are known to come from: all of them may come again at once, each while its
/// former connection is still there.
pub(super) const fn apart(channels: usize) -> usize {
    if channels == 0 { 1 } else { 2 * channels }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    strangers: Places<CancellationToken>,
    known: Places<CancellationToken>,
    configured: HashSet<Neighbourhood>,
    /// Who signed on last stands last.
    learnt: VecDeque<Neighbourhood>,
}

impl Queue {
    /// A queue before a house with so many channels.
    pub(super) fn new(limits: &AcceptorLimits, own: &[IpAddr], channels: usize) -> Queue {
        let apart = apart(channels);
        Queue {
            strangers: Places::new(limits.unauthenticated, limits.per_address)
                .where_neighbours_yield(),
            known: Places::new(apart, apart).where_neighbours_yield(),
            configured: own.iter().copied().map(Neighbourhood::from).collect(),
            learnt: VecDeque::new(),
        }
    }

    /// A place for somebody, and whoever is to be sent away for it; `None` if there is none.
    pub(super) fn enter(
        &mut self,
        address: IpAddr,
        leave: CancellationToken,
    ) -> Option<(Ticket, Option<CancellationToken>)> {
        let never = |_: &CancellationToken| false;
        let from = Neighbourhood::from(address);
        if (self.configured.contains(&from) || self.learnt.contains(&from))
            && let Ok((ticket, gone)) = self.known.enter(address, leave.clone(), never)
        {
            return Some((Ticket::Known(ticket), gone));
        }
        let (ticket, gone) = self.strangers.enter(address, leave, never).ok()?;
        Some((Ticket::Stranger(ticket), gone))
    }

    /// Leaves a place, if it has not been given to somebody else.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        match ticket {
            Ticket::Stranger(ticket) => self.strangers.leave(ticket),
            Ticket::Known(ticket) => self.known.leave(ticket),
        }
    }

    /// A counter has proven who it is, and came from there.
    pub(super) fn learn(&mut self, address: IpAddr) {
        let from = Neighbourhood::from(address);
        self.learnt.retain(|known| *known != from);
        if self.learnt.len() == REMEMBERED {
            self.learnt.pop_front();
        }
        self.learnt.push_back(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(own: &[IpAddr]) -> Queue {
        Queue::new(&AcceptorLimits::default(), own, 2)
    }

    fn from(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    /// Everybody whom the queue holds, and who was sent away.
    fn crowd(queue: &mut Queue, addresses: std::ops::Range<u8>) -> Vec<CancellationToken> {
        let mut all = Vec::new();
        for address in addresses {
            for _ in 0..16 {
                let leave = CancellationToken::new();
                if let Some((_, gone)) = queue.enter(from(address), leave.clone()) {
                    gone.iter().for_each(CancellationToken::cancel);
                    all.push(leave);
                }
            }
        }
        all
    }

    #[test]
    fn a_counter_from_anywhere_gets_a_place_however_many_stand_there_silent() {
        let mut queue = queue(&[]);
        let silent = crowd(&mut queue, 10..27);
        assert_eq!(silent.iter().filter(|leave| !leave.is_cancelled()).count(), 256);
        let counter = CancellationToken::new();
        let (ticket, gone) = queue.enter(from(3), counter.clone()).expect("a place");
        assert!(gone.is_some());
        crowd(&mut queue, 10..27);
        assert!(!counter.is_cancelled());
        queue.leave(ticket);
    }

    #[test]
    fn a_counter_gets_a_place_beside_strangers_at_its_own_address() {
        let mut queue = queue(&[]);
        let silent = crowd(&mut queue, 3..4);
        assert_eq!(silent.len(), 16);
        let counter = CancellationToken::new();
        let (_, gone) = queue.enter(from(3), counter.clone()).expect("a place");
        assert!(gone.is_some(), "one of them goes for it");
        // It has the time in which as many come once more.
        for number in 1..=16 {
            let (_, gone) = queue.enter(from(3), CancellationToken::new()).expect("a place");
            gone.iter().for_each(CancellationToken::cancel);
            assert_eq!(counter.is_cancelled(), number == 16, "{number}");
        }
        assert_eq!(queue.strangers.len(), 16);
    }

    #[test]
    fn where_counters_come_from_nobody_elsewhere_takes_a_place() {
        // So many addresses that one who is alone is as good as any other.
        for mut queue in [queue(&[from(3)]), {
            let mut queue = queue(&[]);
            queue.learn(from(3));
            queue
        }] {
            let counter = CancellationToken::new();
            let (_, gone) = queue.enter(from(3), counter.clone()).expect("a place");
            assert!(gone.is_none());
            crowd(&mut queue, 10..255);
            crowd(&mut queue, 10..255);
            assert!(!counter.is_cancelled());
            // Even those who share its address leave a way in: among themselves the oldest goes.
            let all = crowd(&mut queue, 3..4);
            assert!(all.len() >= 16, "{}", all.len());
            assert!(queue.enter(from(3), CancellationToken::new()).is_some());
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes() {
        let mut queue = queue(&[]);
        for number in 0..1000_u32 {
            queue.learn(IpAddr::from(number.to_be_bytes()));
        }
        queue.learn(IpAddr::from(800_u32.to_be_bytes()));
        assert_eq!(queue.learnt.len(), REMEMBERED);
        assert_eq!(queue.learnt.back(), Some(&IpAddr::from(800_u32.to_be_bytes()).into()));
        assert_eq!(queue.learnt.front(), Some(&IpAddr::from(744_u32.to_be_bytes()).into()));
    }
}
