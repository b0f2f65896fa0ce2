//! How many live feeds there are, in all and for one address.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use supervise::places::{Full, Places, Ticket};

/// Live feeds open at once: every operator with a few windows, and a bound for what one forgets.
pub(super) const MOST_FEEDS: usize = 256;

/// See the module.
// A lock, because whoever begins to follow and whoever ends meet here; it is held for one look.
#[derive(Clone, Debug)]
pub(super) struct Feeds(Arc<Mutex<Places<()>>>);

/// One feed's place, as long as it is followed.
#[derive(Debug)]
pub(super) struct Place {
    feeds: Feeds,
    ticket: Ticket,
}

impl Feeds {
    pub(super) fn new(per_address: usize) -> Feeds {
        Feeds(Arc::new(Mutex::new(Places::new(MOST_FEEDS, per_address))))
    }

    /// A place for somebody at this address. Nobody loses his own for it.
    pub(super) fn enter(&self, address: IpAddr) -> Result<Place, Full> {
        let mut places = self.places();
        let (ticket, _) = places.enter(address, (), |()| false)?;
        places.settle(ticket);
        Ok(Place { feeds: self.clone(), ticket })
    }

    fn places(&self) -> MutexGuard<'_, Places<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.feeds.places().leave(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_the_feeds_of_all() {
        let feeds = Feeds::new(16);
        let from = |last: u8| IpAddr::from([10, 0, 0, last]);
        let mut open: Vec<Place> =
            (0..16).map(|_| feeds.enter(from(1)).expect("a place")).collect();
        assert_eq!(feeds.enter(from(1)).err(), Some(Full::Neighbourhood));
        for last in 2..=16 {
            open.extend((0..16).map(|_| feeds.enter(from(last)).expect("a place")));
        }
        assert_eq!(open.len(), MOST_FEEDS);
        assert_eq!(feeds.enter(from(17)).err(), Some(Full::Everywhere));
        open.pop();
        assert!(feeds.enter(from(17)).is_ok());
    }
}
