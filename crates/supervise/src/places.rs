//! Who may stay where places are few: so many in all, and so many from one neighbourhood. Whoever
//! comes when all are taken gets the place of a stranger from the most crowded neighbourhood, so
//! that those who only stand there shut nobody out. Pure.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};

/// What counts as one: an IPv4 address, or the 64 bits of an IPv6 address that one customer of a
/// network has to himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Neighbourhood(IpAddr);

impl From<IpAddr> for Neighbourhood {
    fn from(address: IpAddr) -> Neighbourhood {
        Neighbourhood(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            IpAddr::V4(address) => address.into(),
        })
    }
}

/// A place, until it is left or given to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The neighbourhood has all that it may have.
    Neighbourhood,
    /// All places are taken, and nobody has to go.
    Everywhere,
}

impl Full {
    /// In a word, for counts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Full::Neighbourhood => "address_full",
            Full::Everywhere => "full",
        }
    }
}

/// See the module. `T` is what is needed to send somebody away.
#[derive(Debug)]
pub struct Places<T> {
    most: usize,
    most_here: usize,
    /// Who comes from a full neighbourhood takes a stranger's place there.
    neighbours_yield: bool,
    next: u64,
    held: HashMap<Ticket, (Neighbourhood, T)>,
    here: HashMap<Neighbourhood, Here>,
}

#[derive(Debug, Default)]
struct Here {
    strangers: BTreeSet<Ticket>,
    settled: BTreeSet<Ticket>,
}

impl Here {
    fn count(&self) -> usize {
        self.strangers.len() + self.settled.len()
    }
}

impl<T> Places<T> {
    /// So many places, of which one neighbourhood has at most `most_here`.
    pub fn new(most: usize, most_here: usize) -> Places<T> {
        Places {
            most,
            most_here,
            neighbours_yield: false,
            next: 0,
            held: HashMap::new(),
            here: HashMap::new(),
        }
    }

    /// The same, and whoever comes takes, where nobody elsewhere has to go for him, the place of one
    /// from his own neighbourhood, if that has all that it may have or all places are taken: of the
    /// stranger who has been there longest, or else of one who rests. Those who only stand there do not
    /// shut out who shares their address and has something to say.
    #[must_use]
    pub fn where_neighbours_yield(self) -> Places<T> {
        Places { neighbours_yield: true, ..self }
    }

    /// How many are taken.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes a place; `who` is given back when somebody else takes it. If all are taken, whoever is
    /// to go for this one comes with it: a stranger from where most strangers are, the one who has
    /// been there longest; or else one of whom `rests` says that he does nothing, from where more
    /// are than where this one comes from.
    pub fn enter(
        &mut self,
        address: IpAddr,
        who: T,
        rests: impl Fn(&T) -> bool,
    ) -> Result<(Ticket, Option<T>), Full> {
        let neighbourhood = Neighbourhood::from(address);
        let here = self.here.get(&neighbourhood).map_or(0, Here::count);
        let leaves = if here >= self.most_here {
            Some(self.neighbour(neighbourhood, &rests).ok_or(Full::Neighbourhood)?)
        } else if self.held.len() >= self.most {
            let leaves = self.stranger().or_else(|| self.resting(here, &rests));
            let leaves = leaves.or_else(|| self.neighbour(neighbourhood, &rests));
            Some(leaves.ok_or(Full::Everywhere)?)
        } else {
            None
        };
        let gone = leaves.and_then(|leaves| self.take_out(leaves));
        let ticket = Ticket(self.next);
        self.next += 1;
        self.held.insert(ticket, (neighbourhood, who));
        self.here.entry(neighbourhood).or_default().strangers.insert(ticket);
        Ok((ticket, gone))
    }

    /// Whoever has this place has shown that he belongs here, and does not go for a stranger.
    pub fn settle(&mut self, ticket: Ticket) {
        if let Some((neighbourhood, _)) = self.held.get(&ticket)
            && let Some(here) = self.here.get_mut(neighbourhood)
            && here.strangers.remove(&ticket)
        {
            here.settled.insert(ticket);
        }
    }

    /// Leaves a place, if it has not been given to somebody else.
    pub fn leave(&mut self, ticket: Ticket) {
        self.take_out(ticket);
    }

    fn take_out(&mut self, ticket: Ticket) -> Option<T> {
        let (neighbourhood, who) = self.held.remove(&ticket)?;
        if let Some(here) = self.here.get_mut(&neighbourhood) {
            here.strangers.remove(&ticket);
            here.settled.remove(&ticket);
            if here.count() == 0 {
                self.here.remove(&neighbourhood);
            }
        }
        Some(who)
    }

    fn stranger(&self) -> Option<Ticket> {
        let oldest = |here: &Here| {
            let first = *here.strangers.first()?;
            Some((here.strangers.len(), std::cmp::Reverse(first)))
        };
        self.here.values().filter_map(oldest).max().map(|(_, first)| first.0)
    }

    fn neighbour(&self, at: Neighbourhood, rests: &impl Fn(&T) -> bool) -> Option<Ticket> {
        let here = self.here.get(&at).filter(|_| self.neighbours_yield)?;
        let rests = |ticket: &&Ticket| self.held.get(ticket).is_some_and(|(_, who)| rests(who));
        here.strangers.first().or_else(|| here.settled.iter().find(rests)).copied()
    }

    fn resting(&self, than: usize, rests: &impl Fn(&T) -> bool) -> Option<Ticket> {
        let rests = |ticket: &&Ticket| self.held.get(ticket).is_some_and(|(_, who)| rests(who));
        let crowded = self.here.values().filter(|here| here.count() > than);
        let oldest = |here: &Here| {
            let first = *here.settled.iter().find(rests)?;
            Some((here.count(), std::cmp::Reverse(first)))
        };
        crowded.filter_map(oldest).max().map(|(_, first)| first.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_a_mapped_address_as_what_it_is() {
        let of = |text: &str| Neighbourhood::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        let mut places = Places::new(100, 2);
        for host in 0..2_u16 {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, host);
            places.enter(address.into(), 0, |_| false).expect("a place");
        }
        let third = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 9, 9, 9, 9).into();
        assert_eq!(places.enter(third, 0, |_| false), Err(Full::Neighbourhood));
        assert!(places.enter(v4(1), 0, |_| false).is_ok());
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_oldest_stranger_where_most_are() {
        let mut places = Places::new(5, 4);
        for (who, address) in [(0, 1), (1, 2), (2, 2), (3, 1), (4, 2)] {
            let (_, gone) = places.enter(v4(address), who, |_| false).expect("a place");
            assert_eq!(gone, None);
        }
        let (_, gone) = places.enter(v4(9), 5, |_| false).expect("a place");
        assert_eq!(gone, Some(1), "three are from there");
        let (_, gone) = places.enter(v4(9), 6, |_| false).expect("a place");
        assert_eq!(gone, Some(0), "of two each, the oldest");
        assert_eq!(places.len(), 5);
    }

    #[test]
    fn where_neighbours_yield_the_oldest_of_them_goes_and_nobody_elsewhere() {
        let mut places = Places::new(5, 2).where_neighbours_yield();
        for (who, address) in [(0, 1), (1, 2), (2, 2)] {
            let (_, gone) = places.enter(v4(address), who, |_| false).expect("a place");
            assert_eq!(gone, None);
        }
        for (who, goes) in [(3, 1), (4, 2), (5, 3)] {
            let (_, gone) = places.enter(v4(2), who, |_| false).expect("a place");
            assert_eq!(gone, Some(goes));
        }
        assert_eq!(places.len(), 3);
        // Those who belong there go only if they rest, whether the address is full or the house.
        for (most, full) in [(5, Full::Neighbourhood), (2, Full::Everywhere)] {
            let mut places = Places::new(most, if most == 5 { 2 } else { 5 });
            places = places.where_neighbours_yield();
            for who in 0..2 {
                let (ticket, _) = places.enter(v4(1), who, |_| false).expect("a place");
                places.settle(ticket);
            }
            assert_eq!(places.enter(v4(1), 2, |_| false), Err(full));
            let (_, gone) = places.enter(v4(1), 3, |who| *who == 1).expect("a place");
            assert_eq!(gone, Some(1));
        }
    }

    #[test]
    fn whoever_has_settled_goes_only_if_he_rests_and_comes_from_where_more_are() {
        let mut places = Places::new(3, 3);
        for who in 0..3 {
            let (ticket, _) = places.enter(v4(1), who, |_| false).expect("a place");
            places.settle(ticket);
        }
        assert_eq!(places.enter(v4(2), 3, |_| false), Err(Full::Everywhere));
        let (ticket, gone) = places.enter(v4(2), 4, |who| *who == 1).expect("a place");
        assert_eq!(gone, Some(1));
        places.leave(ticket);
        places.leave(ticket);
        assert_eq!(places.len(), 2);
        let (_, gone) = places.enter(v4(3), 5, |_| false).expect("a place");
        assert_eq!(gone, None);
        let (_, gone) = places.enter(v4(4), 6, |_| true).expect("a place");
        assert_eq!(gone, Some(5), "a stranger goes first");
    }

    #[test]
    fn seventeen_silent_addresses_shut_nobody_out() {
        let mut places = Places::new(256, 16);
        for round in 0..4_u32 {
            for address in 10..27 {
                for _ in 0..16 {
                    let _ = places.enter(v4(address), round, |_| false);
                }
            }
            let (ticket, _) = places.enter(v4(3), 99, |_| false).expect("a place");
            // However many come afterwards, one who is alone is not the one to go.
            for address in 10..27 {
                for _ in 0..16 {
                    if let Ok((_, Some(gone))) = places.enter(v4(address), round, |_| false) {
                        assert_ne!(gone, 99);
                    }
                }
            }
            places.leave(ticket);
        }
        assert!(places.len() <= 256);
    }

    #[test]
    fn whoever_rests_keeps_his_place_from_one_who_comes_from_where_as_many_are() {
        let mut places = Places::new(2, 2);
        assert!(places.is_empty());
        for address in [1, 2] {
            let (ticket, _) = places.enter(v4(address), address, |_| false).expect("a place");
            places.settle(ticket);
        }
        assert!(!places.is_empty());
        assert_eq!(places.enter(v4(1), 3, |_| true), Err(Full::Everywhere));
    }
}
