//! How much is said of one who repeats himself. Each key may say a few things at once and then one in
//! each interval; what is left out is counted, and told with the next thing that is said, or when the
//! key has fallen silent.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Keys that are remembered at once. Whoever comes beyond them shares one last place.
const MOST_KEYS: usize = 1024;

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Things that may be said at once.
    pub burst: u32,
    /// Then one in each of these.
    pub every: Duration,
}

/// Whether something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is, and so many before it were not.
    Say {
        /// How many were left out since the last that was said.
        left_out: u64,
    },
    /// It is only counted.
    LeaveOut,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    /// Until when the allowance is used up, with the burst taken into account.
    spent_until: Duration,
    left_out: u64,
    last: Duration,
}

/// A limiter for each key. Times are measured from any one moment that stays the same.
#[derive(Clone, Debug)]
pub struct Limiter<K> {
    pace: Pace,
    accounts: HashMap<K, Account>,
    /// Shared by keys for which there is no room.
    others: Account,
}

impl<K: Eq + Hash + Clone> Limiter<K> {
    /// A limiter that nobody has used yet.
    pub fn new(pace: Pace) -> Limiter<K> {
        Limiter { pace, accounts: HashMap::new(), others: Account::new(Duration::ZERO) }
    }

    /// Somebody wants to say something.
    pub fn take(&mut self, key: &K, now: Duration) -> Verdict {
        let pace = self.pace;
        if let Some(account) = self.accounts.get_mut(key) {
            return account.take(pace, now);
        }
        if self.accounts.len() >= MOST_KEYS {
            self.accounts.retain(|_, account| account.left_out > 0 || account.spent_until > now);
        }
        if self.accounts.len() >= MOST_KEYS {
            return self.others.take(pace, now);
        }
        self.accounts.entry(key.clone()).or_insert_with(|| Account::new(now)).take(pace, now)
    }

    /// Keys of which things were left out and that have said nothing more for an interval, and how
    /// many: for whoever tells what is missing when no next thing comes.
    pub fn silent(&mut self, now: Duration) -> Vec<(K, u64)> {
        let every = self.pace.every;
        let silent = self.accounts.iter_mut().filter(|(_, account)| {
            account.left_out > 0 && now.saturating_sub(account.last) >= every
        });
        silent.map(|(key, account)| (key.clone(), std::mem::take(&mut account.left_out))).collect()
    }
}

impl Account {
    fn new(now: Duration) -> Account {
        Account { spent_until: now, left_out: 0, last: now }
    }

    fn take(&mut self, pace: Pace, now: Duration) -> Verdict {
        self.last = now;
        let spent_until = self.spent_until.max(now) + pace.every;
        if spent_until > now + pace.every * pace.burst.max(1) {
            self.left_out = self.left_out.saturating_add(1);
            return Verdict::LeaveOut;
        }
        self.spent_until = spent_until;
        Verdict::Say { left_out: std::mem::take(&mut self.left_out) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { burst: 3, every: Duration::from_secs(1) };

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_few_at_once_and_then_one_in_each_interval_and_none_is_lost_uncounted() {
        let mut limiter = Limiter::new(PACE);
        let (mut said, mut told) = (0_u64, 0);
        for millis in 0..10_000 {
            if let Verdict::Say { left_out } = limiter.take(&"futures", at(millis)) {
                said += 1;
                told += left_out;
            }
        }
        assert_eq!(said, 12, "three at once and one a second");
        assert!(limiter.silent(at(10_500)).is_empty(), "it has spoken just now");
        let silent = limiter.silent(at(11_000));
        assert_eq!(silent.len(), 1);
        assert_eq!(said + told + silent[0].1, 10_000);
        assert!(limiter.silent(at(20_000)).is_empty(), "told once");
    }

    #[test]
    fn one_key_takes_nothing_from_another_and_strangers_share_one_place() {
        let mut limiter = Limiter::new(PACE);
        for number in 0..100_000_u32 {
            limiter.take(&number, at(0));
        }
        assert!(limiter.accounts.len() <= MOST_KEYS);
        assert_eq!(limiter.take(&1, at(0)), Verdict::Say { left_out: 0 });
        // Who has been silent makes room.
        assert_eq!(limiter.take(&200_000, at(60_000)), Verdict::Say { left_out: 0 });
        assert!(limiter.accounts.len() <= MOST_KEYS);
    }
}
