//! How much each app may move in a day: counted when a transfer is begun, given back when it turns out
//! that it moves nothing. The day is that of the master serial (UTC). After a restart the record says how
//! much was moved, and what is open is counted as it is taken up.

use arc_swap::ArcSwap;
use domain::money::{Amount, Currency};
use domain::serial::Day;
use domain::transfer::State;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{MovedOn, NewTransfer};

/// What an app may move in a day; without a limit, anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayLimit {
    /// How many transfers may move money in a day (UTC); `None` for any number.
    pub transfers: Option<u64>,
    /// What their amounts may come to in a day (UTC), in minor units, of each currency by itself;
    /// `None` for any sum.
    pub sum: Option<i64>,
}

/// A transfer would be more than its app may move in a day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverDayLimit {
    /// It would be one transfer more than the app may make in a day.
    #[error("{app} may begin {most} transfers in a day (UTC) and has")]
    Transfers {
        /// Name of the app.
        app: Arc<str>,
        /// How many transfers it may make in a day.
        most: u64,
    },
    /// With its amount the app would move more in a day than it may.
    #[error("{app} may move {most} minor units of {currency} in a day (UTC), and {left} are left")]
    Sum {
        /// Name of the app.
        app: Arc<str>,
        /// The most that it may move in a day, in minor units of the currency.
        most: i64,
        /// ISO 4217 currency of the amount.
        currency: Currency,
        /// How much of that is left for today, in minor units.
        left: i64,
    },
    /// It had no limit before, and what it has moved by now is not read yet.
    #[error("what {app} has moved today is not read from the record yet")]
    NotCounted {
        /// Name of the app.
        app: Arc<str>,
    },
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Allowances {
    // A lock, because transfers are begun by the tasks of their callers and ended by shards; it is held
    // for one look.
    limited: ArcSwap<HashMap<Arc<str>, Arc<Mutex<Account>>>>,
}

/// Of one app.
#[derive(Debug)]
struct Account {
    limit: DayLimit,
    day: Day,
    /// Whether what it moved before it had a limit is known; otherwise it begins nothing.
    is_counted: bool,
    transfers: u64,
    sums: HashMap<Currency, i64>,
    /// Those that are open, by their keys: what they are to move may be given back.
    open: HashMap<Arc<str>, (Amount, Currency)>,
}

impl Allowances {
    /// Of these apps, on this day, which have moved so much already. Others have no limit.
    pub(crate) fn new(
        limits: impl IntoIterator<Item = (Arc<str>, DayLimit)>,
        day: Day,
        moved: &[MovedOn],
    ) -> Allowances {
        let all = Allowances::default();
        all.replace(limits, day);
        all.count_before(day, moved);
        all
    }

    /// Whether there is an app of which it is not known what it moved before it had a limit.
    pub(crate) fn are_counted(&self) -> bool {
        self.limited.load().values().all(|account| lock(account).is_counted)
    }

    /// Says what was moved on a day before there was a limit.
    pub(crate) fn count_before(&self, day: Day, moved: &[MovedOn]) {
        for (app, account) in &**self.limited.load() {
            lock(account).count_before(app, day, moved);
        }
    }

    /// Puts other limits in the place of these, at once. What counted against an app counts on; one that
    /// had no limit before begins nothing until it is known what it has moved
    /// ([`Allowances::count_before`]).
    pub(crate) fn replace(&self, limits: impl IntoIterator<Item = (Arc<str>, DayLimit)>, day: Day) {
        let old = self.limited.load();
        let limited = limits.into_iter().map(|(app, limit)| {
            let account = match old.get(&app) {
                Some(account) => {
                    lock(account).limit = limit;
                    account.clone()
                }
                None => Arc::new(Mutex::new(Account::new(limit, day))),
            };
            (app, account)
        });
        self.limited.store(Arc::new(limited.collect()));
    }

    /// A transfer is to be begun, and is counted, if its app may.
    pub(crate) fn begin(&self, new: &NewTransfer) -> Result<(), OverDayLimit> {
        let Some(account) = self.account(&new.app) else { return Ok(()) };
        let mut account = lock(&account);
        account.turn_to(new.master.day);
        account.check(new)?;
        account.count(new);
        Ok(())
    }

    /// One that was begun before is taken up. It is counted whatever the limit is now, if it was begun on
    /// the same day.
    pub(crate) fn take_up(&self, new: &NewTransfer) {
        if let Some(account) = self.account(&new.app) {
            let mut account = lock(&account);
            if account.day == new.master.day {
                account.count(new);
            }
        }
    }

    /// One is no longer open; `None` if it was never recorded.
    pub(crate) fn close(&self, app: &str, key: &str, ended: Option<State>) {
        if let Some(account) = self.account(app) {
            lock(&account).close(key, ended == Some(State::Completed));
        }
    }

    fn account(&self, app: &str) -> Option<Arc<Mutex<Account>>> {
        self.limited.load().get(app).cloned()
    }
}

/// What a panic leaves behind counts too much, at worst.
fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Account {
    fn new(limit: DayLimit, day: Day) -> Account {
        let (transfers, sums, open) = (0, HashMap::new(), HashMap::new());
        Account { limit, day, is_counted: false, transfers, sums, open }
    }

    fn count_before(&mut self, app: &str, day: Day, moved: &[MovedOn]) {
        // What was moved on an earlier day counts for nothing today.
        self.turn_to(day);
        if self.is_counted || self.day != day {
            return;
        }
        for moved in moved.iter().filter(|moved| *moved.app == *app) {
            self.transfers += moved.transfers;
            let sum = self.sums.entry(moved.currency).or_insert(0);
            *sum = sum.saturating_add(moved.sum);
        }
        self.is_counted = true;
    }

    /// A new day begins with nothing; a clock that is set back does not bring the old one back.
    fn turn_to(&mut self, day: Day) {
        if day > self.day {
            self.day = day;
            self.is_counted = true;
            self.transfers = 0;
            self.sums.clear();
            self.open.clear();
        }
    }

    fn check(&self, new: &NewTransfer) -> Result<(), OverDayLimit> {
        let app = || new.app.clone();
        if !self.is_counted {
            return Err(OverDayLimit::NotCounted { app: app() });
        }
        if let Some(most) = self.limit.transfers
            && self.transfers >= most
        {
            return Err(OverDayLimit::Transfers { app: app(), most });
        }
        let moved = self.sums.get(&new.order.currency).copied().unwrap_or(0);
        match self.limit.sum {
            Some(most) if new.order.amount.minor() > most.saturating_sub(moved) => {
                let left = most.saturating_sub(moved).max(0);
                Err(OverDayLimit::Sum { app: app(), most, currency: new.order.currency, left })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn count(&mut self, new: &NewTransfer) {
        self.transfers += 1;
        let sum = self.sums.entry(new.order.currency).or_insert(0);
        *sum = sum.saturating_add(new.order.amount.minor());
        self.open.insert(new.idempotency_key.clone(), (new.order.amount, new.order.currency));
    }

    fn close(&mut self, key: &str, moved: bool) {
        if let Some((amount, currency)) = self.open.remove(key)
            && !moved
        {
            self.transfers = self.transfers.saturating_sub(1);
            if let Some(sum) = self.sums.get_mut(&currency) {
                *sum = sum.saturating_sub(amount.minor());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::message::Place;
    use domain::order::Order;
    use domain::serial::{MasterSerial, Sequence};

    const TODAY: u32 = 20_261_121;

    fn day(number: u32) -> Day {
        Day::new(number).expect("a day")
    }

    fn order(on: u32, key: &str, amount: i64, currency: &str) -> NewTransfer {
        let place = |counter: &str| Place {
            counter: counter.parse().expect("a counter"),
            account: "6001".parse().expect("an account"),
        };
        NewTransfer {
            master: MasterSerial { day: day(on), sequence: Sequence::new(7).expect("a sequence") },
            app: "shop".into(),
            idempotency_key: key.into(),
            fingerprint: [0; 32],
            order: Order {
                from: place("securities"),
                to: place("futures"),
                amount: Amount::new(amount).expect("an amount"),
                currency: currency.parse().expect("a currency"),
            },
            debit_day: day(on),
            credit_day: day(on),
            credit_barrier: false,
            created_at: 0,
            deadline_at: 0,
            mark: None,
        }
    }

    fn allowances(limit: DayLimit, moved: &[MovedOn]) -> Allowances {
        Allowances::new([("shop".into(), limit)], day(TODAY), moved)
    }

    const SUM: DayLimit = DayLimit { transfers: None, sum: Some(100) };

    /// Whether it may be begun.
    fn begins(all: &Allowances, key: &str, amount: i64) -> bool {
        all.begin(&order(TODAY, key, amount, "CNY")).is_ok()
    }

    #[test]
    fn a_sum_has_an_edge_in_each_currency() {
        let all = allowances(SUM, &[]);
        assert!(begins(&all, "a", 60) && !begins(&all, "b", 41) && begins(&all, "c", 40));
        let over = all.begin(&order(TODAY, "d", 1, "CNY")).expect_err("nothing is left");
        assert_eq!(
            over.to_string(),
            "shop may move 100 minor units of CNY in a day (UTC), and 0 are left"
        );
        assert!(all.begin(&order(TODAY, "e", 100, "USD")).is_ok());
        let other = NewTransfer { app: "bank".into(), ..order(TODAY, "f", 9999, "CNY") };
        assert!(all.begin(&other).is_ok(), "another app has its own limit, or none");
    }

    #[test]
    fn a_number_has_an_edge() {
        let all = allowances(DayLimit { transfers: Some(2), sum: None }, &[]);
        assert!(begins(&all, "a", 1) && begins(&all, "b", 1) && !begins(&all, "c", 1));
    }

    #[test]
    fn what_moves_nothing_is_given_back_and_what_was_moved_is_not() {
        for (ended, given_back) in [
            (None, true),
            (Some(State::Refused), true),
            (Some(State::Reversed), true),
            (Some(State::Completed), false),
        ] {
            let all = allowances(DayLimit { transfers: Some(1), sum: Some(100) }, &[]);
            assert!(begins(&all, "a", 100) && !begins(&all, "b", 1), "{ended:?}");
            all.close("shop", "a", ended);
            all.close("shop", "a", Some(State::Refused));
            all.close("shop", "never begun", Some(State::Refused));
            assert_eq!(begins(&all, "b", 100), given_back, "{ended:?}");
        }
    }

    #[test]
    fn a_new_day_begins_with_nothing_and_an_old_one_does_not_come_back() {
        let all = allowances(SUM, &[]);
        assert!(begins(&all, "a", 100));
        let tomorrow = order(TODAY + 1, "b", 100, "CNY");
        assert!(all.begin(&tomorrow).is_ok());
        all.close("shop", "a", Some(State::Refused));
        assert!(!begins(&all, "c", 1), "by a clock that was set back");
        assert!(all.begin(&order(TODAY + 1, "d", 1, "CNY")).is_err());
        all.close("shop", "b", None);
        assert!(all.begin(&order(TODAY + 1, "d", 100, "CNY")).is_ok());
    }

    #[test]
    fn after_a_restart_what_was_moved_and_what_is_open_counts() {
        let currency = "CNY".parse().expect("a currency");
        let moved = |app: &str, sum| MovedOn { app: app.to_owned(), currency, transfers: 1, sum };
        let all = allowances(SUM, &[moved("shop", 50), moved("bank", 1000)]);
        all.take_up(&order(TODAY, "open", 30, "CNY"));
        all.take_up(&order(TODAY - 1, "of yesterday", 90, "CNY"));
        assert!(!begins(&all, "a", 21) && begins(&all, "b", 20));
        all.close("shop", "open", Some(State::Refused));
        assert!(begins(&all, "c", 30) && !begins(&all, "d", 1));
        let over = allowances(SUM, &[moved("shop", 500)]);
        assert!(!begins(&over, "a", 1), "the limit was lowered meanwhile");
    }

    #[test]
    fn limits_that_are_replaced_go_on_counting() {
        let currency: Currency = "CNY".parse().expect("a currency");
        let all = allowances(SUM, &[]);
        assert!(begins(&all, "a", 60));
        let wider = DayLimit { sum: Some(150), ..SUM };
        let bank = DayLimit { transfers: Some(2), sum: None };
        let moved = MovedOn { app: "bank".to_owned(), currency, transfers: 1, sum: 1_000_000 };
        all.replace([("shop".into(), wider), ("bank".into(), bank)], day(TODAY));
        assert!(!begins(&all, "b", 91) && begins(&all, "c", 90), "60 of before count on");
        let of_bank = |key: &str| NewTransfer { app: "bank".into(), ..order(TODAY, key, 1, "CNY") };
        let not_yet = Err(OverDayLimit::NotCounted { app: "bank".into() });
        assert_eq!((all.begin(&of_bank("a")), all.are_counted()), (not_yet.clone(), false));
        let of_shop = MovedOn { app: "shop".to_owned(), ..moved.clone() };
        all.count_before(day(TODAY - 1), std::slice::from_ref(&moved));
        assert_eq!(all.begin(&of_bank("a")), not_yet, "that was another day");
        for _ in 0..2 {
            all.count_before(day(TODAY), &[moved.clone(), of_shop.clone()]);
            assert!(all.are_counted());
        }
        assert!(all.begin(&of_bank("a")).is_ok(), "one was moved before");
        assert!(all.begin(&of_bank("b")).is_err());
        // What was begun under the former limit is given back under this one.
        all.close("shop", "a", Some(State::Refused));
        assert!(begins(&all, "d", 60) && !begins(&all, "e", 1));
        all.replace([], day(TODAY));
        assert!(begins(&all, "f", 9999), "no limit any more");
        all.replace([("shop".into(), SUM)], day(TODAY));
        assert!(!begins(&all, "g", 1), "what it moved meanwhile is not known");
        let tomorrow = order(TODAY + 1, "h", 100, "CNY");
        assert!(all.begin(&tomorrow).is_ok(), "a new day begins with nothing");
        all.replace([], day(TODAY));
        all.replace([("shop".into(), SUM)], day(TODAY));
        all.count_before(day(TODAY + 1), &[]);
        assert!(all.are_counted(), "midnight came between the limit and the look");
    }
}
