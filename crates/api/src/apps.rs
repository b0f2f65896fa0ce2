//! What each app may do, and how much of the bridge it may take up. Who an app is, `auth` says.

use crate::problem::{Problem, kind};
use crate::shares::Shares;
use arc_swap::ArcSwap;
use domain::message::{CounterId, Place};
use domain::money::Amount;
use domain::order::Order;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use supervise::limit::{Limiter, Pace, Verdict};

/// What one app may do; by default everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The only counters that it may name; `None` for any.
    pub counters: Option<BTreeSet<CounterId>>,
    /// The only accounts that it may name; `None` for any.
    pub accounts: Option<Vec<AccountPattern>>,
    /// The only ways that it may move money, from which counter to which; `None` for any.
    pub directions: Option<BTreeSet<Direction>>,
    /// The most that it may move in one transfer, in minor units; `None` for any amount.
    pub largest_transfer: Option<Amount>,
    /// How many requests it may send in a second, and at once; `None` for any number.
    pub requests_per_s: Option<u32>,
}

impl Rights {
    /// Those of an app that is one no more.
    fn none() -> Rights {
        Rights { counters: Some(BTreeSet::new()), ..Rights::default() }
    }
}

/// Accounts of a counter: `securities:6*`, where a `*` stands for any characters, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPattern {
    counter: CounterId,
    account: String,
}

/// From one counter to another: `securities->futures`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Direction {
    /// The counter at which the money is debited.
    pub from: CounterId,
    /// The counter at which the money is credited.
    pub to: CounterId,
}

/// The text is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARight {
    /// A text that is no [`AccountPattern`].
    #[error("it is not a counter, a colon and an account, in which * stands for any characters")]
    Pattern,
    /// A text that is no [`Direction`].
    #[error("it is not two counters with -> between them")]
    Direction,
}

impl AccountPattern {
    /// Whose accounts they are.
    pub const fn counter(&self) -> &CounterId {
        &self.counter
    }

    /// Whether the account is one of them.
    pub fn matches(&self, place: &Place) -> bool {
        self.counter == place.counter && fits(&self.account, place.account.as_str())
    }
}

/// Whether a text fits a pattern. Of what a star stands for, the shortest is tried first, and only the
/// last star is ever tried again: no pattern takes longer than its length times the text's.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut begun) = (0, 0);
    // Behind the last star, and what it stands for up to now.
    let mut star: Option<(usize, usize)> = None;
    while begun < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                star = Some((at, begun));
            }
            Some(byte) if *byte == text[begun] => {
                at += 1;
                begun += 1;
            }
            _ => {
                let Some((behind, until)) = star else { return false };
                star = Some((behind, until + 1));
                (at, begun) = (behind, until + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

impl FromStr for AccountPattern {
    type Err = NotARight;
    fn from_str(text: &str) -> Result<AccountPattern, NotARight> {
        let (counter, account) = text.split_once(':').ok_or(NotARight::Pattern)?;
        let counter = counter.parse().map_err(|_| NotARight::Pattern)?;
        if account.is_empty() || !account.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotARight::Pattern);
        }
        Ok(AccountPattern { counter, account: account.to_owned() })
    }
}

impl fmt::Display for AccountPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.counter, self.account)
    }
}

impl FromStr for Direction {
    type Err = NotARight;
    fn from_str(text: &str) -> Result<Direction, NotARight> {
        let (from, to) = text.split_once("->").ok_or(NotARight::Direction)?;
        let counter = |text: &str| text.trim().parse().map_err(|_| NotARight::Direction);
        Ok(Direction { from: counter(from)?, to: counter(to)? })
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}->{}", self.from, self.to)
    }
}

/// All apps. One that is not among them may do everything, as far as there is room.
#[derive(Debug)]
pub struct Apps {
    all: ArcSwap<HashMap<Arc<str>, Arc<App>>>,
    // A lock, because every request takes a place and gives it back; it is held for one look.
    callers: Mutex<Shares>,
    since: Instant,
}

#[derive(Debug)]
struct App {
    rights: Rights,
    pace: Option<Mutex<Limiter<()>>>,
}

impl App {
    fn new(rights: Rights) -> App {
        let pace = rights.requests_per_s.map(|per_s| {
            let every = Duration::from_secs(1) / per_s.max(1);
            Mutex::new(Limiter::new(Pace { burst: per_s.max(1), every }))
        });
        App { rights, pace }
    }
}

impl Apps {
    /// These, of whose callers so many may wait at once, all together.
    pub fn new(apps: impl IntoIterator<Item = (Arc<str>, Rights)>, most_callers: usize) -> Apps {
        let all: HashMap<_, _> =
            apps.into_iter().map(|(name, rights)| (name, Arc::new(App::new(rights)))).collect();
        let callers = Mutex::new(Shares::new(most_callers, all.keys().cloned()));
        Apps { all: ArcSwap::from_pointee(all), callers, since: Instant::now() }
    }

    /// Puts others in their place, from the next request on. One that is no longer among them may do
    /// nothing: it may be asking for something at this moment.
    pub fn replace(&self, apps: impl IntoIterator<Item = (Arc<str>, Rights)>) {
        let old = self.all.load();
        let app = |name: &Arc<str>, rights: Rights| match old.get(name) {
            // What it has used of its requests in a second stays used.
            Some(app) if app.rights == rights => app.clone(),
            Some(_) | None => Arc::new(App::new(rights)),
        };
        let mut all: HashMap<_, _> = apps
            .into_iter()
            .map(|(name, rights)| {
                let app = app(&name, rights);
                (name, app)
            })
            .collect();
        lock(&self.callers).belong_to(all.keys().cloned());
        for name in old.keys() {
            all.entry(name.clone()).or_insert_with(|| Arc::new(App::new(Rights::none())));
        }
        self.all.store(Arc::new(all));
    }

    /// Whether the app may look at an account, and name it in an order.
    pub(crate) fn may_use(&self, app: &str, place: &Place) -> Result<(), Problem> {
        let all = self.all.load();
        let Some(App { rights, .. }) = all.get(app).map(|app| &**app) else { return Ok(()) };
        let forbidden = |detail| Err(Problem::new(kind::FOREIGN_ACCOUNT).detail(detail));
        if rights.counters.as_ref().is_some_and(|counters| !counters.contains(&place.counter)) {
            return forbidden(format!("{app} may not use {}", place.counter));
        }
        let all = rights.accounts.as_ref();
        if all.is_some_and(|patterns| !patterns.iter().any(|pattern| pattern.matches(place))) {
            let Place { counter, account } = place;
            return forbidden(format!("{app} may not use the account {account} of {counter}"));
        }
        Ok(())
    }

    /// Whether the app may give such an order.
    pub(crate) fn may_order(
        &self,
        app: &str,
        Order { from, to, amount, .. }: &Order,
    ) -> Result<(), Problem> {
        self.may_use(app, from)?;
        self.may_use(app, to)?;
        let all = self.all.load();
        let Some(App { rights, .. }) = all.get(app).map(|app| &**app) else { return Ok(()) };
        let direction = Direction { from: from.counter.clone(), to: to.counter.clone() };
        if rights.directions.as_ref().is_some_and(|all| !all.contains(&direction)) {
            return Err(Problem::new(kind::FOREIGN_DIRECTION).detail(format!(
                "{app} may not move money from {} to {}",
                from.counter, to.counter
            )));
        }
        match rights.largest_transfer {
            Some(largest) if *amount > largest => Err(crate::refused::rule(
                "amount",
                format!("{app} may move at most {largest} minor units in one transfer"),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the app may send one more request now.
    pub(crate) fn take_turn(&self, app: &str) -> Result<(), Problem> {
        let all = self.all.load();
        let Some(App { rights, pace: Some(pace) }) = all.get(app).map(|app| &**app) else {
            return Ok(());
        };
        match lock(pace).take(&(), self.since.elapsed()) {
            Verdict::Say { .. } => Ok(()),
            Verdict::LeaveOut => Err(Problem::new(kind::TOO_MANY_REQUESTS)
                .detail(format!(
                    "{app} may send {} requests in a second",
                    rights.requests_per_s.unwrap_or_default()
                ))
                .retry_after(1)),
        }
    }

    /// A place for a caller that waits for a transfer; `None` if there is none for this app.
    pub(crate) fn seat(&self, app: &Arc<str>) -> Option<Seat<'_>> {
        let taken = lock(&self.callers).take(app);
        taken.then(|| Seat { app: app.clone(), callers: &self.callers })
    }
}

/// A caller's place; free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    app: Arc<str>,
    callers: &'a Mutex<Shares>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        lock(self.callers).give_back(&self.app);
    }
}

/// What a panic leaves behind is a number that is one too high, at worst.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::money::Currency;
    use proptest::prelude::*;

    fn place(counter: &str, account: &str) -> Place {
        Place {
            counter: counter.parse().expect("a counter"),
            account: account.parse().expect("an account"),
        }
    }

    fn apps(rights: Rights) -> Apps {
        Apps::new([("shop".into(), rights)], 4)
    }

    #[test]
    fn patterns_stand_for_accounts_of_one_counter() {
        for (pattern, account, expected) in [
            ("securities:6001", "6001", true),
            ("securities:6001", "60011", false),
            ("securities:6001", "600", false),
            ("futures:6001", "6001", false),
            ("securities:*", "6001", true),
            ("securities:6*", "6", true),
            ("securities:6*", "7001", false),
            ("securities:*1", "6001", true),
            ("securities:*1", "6012", false),
            ("securities:6*0*1", "60001", true),
            ("securities:6*0*1", "60002", false),
            ("securities:**6001**", "6001", true),
            ("securities:a:b", "6001", false),
        ] {
            let pattern: AccountPattern = pattern.parse().expect(pattern);
            assert_eq!(pattern.matches(&place("securities", account)), expected, "{pattern}");
        }
        for bad in ["", "securities", "securities:", ":6001", "securities:6 1", "a b:6", "x:\u{e9}"]
        {
            assert_eq!(bad.parse::<AccountPattern>(), Err(NotARight::Pattern), "{bad}");
        }
        for bad in ["", "a", "a-b", "->", "a->", "->b", "a->b->c", "a b->c"] {
            assert_eq!(bad.parse::<Direction>(), Err(NotARight::Direction), "{bad}");
        }
        let direction: Direction = "securities -> futures".parse().expect("a direction");
        assert_eq!(direction.to_string(), "securities->futures");
    }

    proptest! {
        /// Against the plain way of saying it.
        #[test]
        fn a_pattern_fits_what_its_pieces_make(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            fn plainly(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => {
                        (0..=text.len()).any(|length| plainly(rest, &text[length..]))
                    }
                    Some((byte, rest)) => {
                        text.first() == Some(byte) && plainly(rest, &text[1..])
                    }
                }
            }
            prop_assert_eq!(fits(&pattern, &text), plainly(pattern.as_bytes(), text.as_bytes()));
        }
    }

    /// The slug of a refusal, or nothing.
    fn told(result: Result<(), Problem>) -> &'static str {
        result.map_or_else(|problem| problem.slug(), |()| "")
    }

    fn order(from: (&str, &str), to: (&str, &str), amount: i64) -> Order {
        Order {
            from: place(from.0, from.1),
            to: place(to.0, to.1),
            amount: Amount::new(amount).expect("an amount"),
            currency: Currency::CNY,
        }
    }

    #[test]
    fn an_order_is_refused_for_the_first_right_that_it_lacks() {
        let pattern = |text: &str| text.parse().expect("a pattern");
        let apps = apps(Rights {
            accounts: Some(vec![pattern("securities:6*"), pattern("futures:8001")]),
            directions: Some(BTreeSet::from(["securities->futures".parse().expect("one")])),
            largest_transfer: Amount::new(500).ok(),
            ..Rights::default()
        });
        let ordered = |from: (&str, &str), to: (&str, &str), amount: i64| {
            told(apps.may_order("shop", &order(from, to, amount)))
        };
        let (own, others) = (("securities", "6001"), ("securities", "7001"));
        assert_eq!(ordered(own, ("futures", "8001"), 500), "");
        assert_eq!(ordered(own, ("futures", "8001"), 501), "rule_broken");
        assert_eq!(ordered(others, ("futures", "8001"), 1), "foreign_account");
        assert_eq!(ordered(own, ("futures", "8002"), 1), "foreign_account");
        assert_eq!(ordered(("futures", "8001"), own, 1), "foreign_direction");
        assert_eq!(ordered(own, ("securities", "6002"), 1), "foreign_direction");
        let other = apps.may_order("bank", &order(("bank", "1"), ("bank", "2"), 1_000_000));
        assert_eq!(told(other), "", "another app has its own rights");
    }

    #[test]
    fn so_many_requests_a_second_and_no_more() {
        let few = apps(Rights { requests_per_s: Some(2), ..Rights::default() });
        let turns = (0..50).filter(|_| few.take_turn("shop").is_ok()).count();
        assert_eq!(turns, 2);
        assert!((0..50).all(|_| few.take_turn("bank").is_ok()), "another's are not counted");
        let any = apps(Rights::default());
        assert!((0..50).all(|_| any.take_turn("shop").is_ok()));
    }

    #[test]
    fn a_place_is_free_again_when_its_caller_has_gone() {
        let apps = apps(Rights::default());
        let shop: Arc<str> = "shop".into();
        let seats: Vec<_> = (0..4).map(|_| apps.seat(&shop).expect("a place")).collect();
        assert!(apps.seat(&shop).is_none());
        drop(seats);
        assert!(apps.seat(&shop).is_some());
    }

    #[test]
    fn apps_that_are_replaced_keep_what_they_have_used_and_those_that_are_gone_may_do_nothing() {
        let few = Rights { requests_per_s: Some(2), ..Rights::default() };
        let all = Apps::new([("shop".into(), few.clone()), ("bank".into(), Rights::default())], 8);
        let place = place("securities", "6001");
        assert!(all.take_turn("shop").is_ok() && all.take_turn("shop").is_ok());
        let seats: Vec<_> = (0..2).map(|_| all.seat(&"bank".into()).expect("a place")).collect();
        all.replace([("shop".into(), few), ("new".into(), Rights::default())]);
        assert!(all.take_turn("shop").is_err(), "its two of this second are used");
        assert!(all.may_use("new", &place).is_ok());
        assert!(all.may_use("bank", &place).is_err(), "it may be asking at this moment");
        all.replace([("shop".into(), Rights { requests_per_s: Some(3), ..Rights::default() })]);
        assert!(all.take_turn("shop").is_ok(), "another right is another count");
        assert!(["new", "bank"].iter().all(|app| all.may_use(app, &place).is_err()));
        drop(seats);
        all.replace([("bank".into(), Rights::default())]);
        assert!(all.may_use("bank", &place).is_ok(), "it may come back");
        assert_eq!((0..9).map_while(|_| all.seat(&"bank".into()).map(std::mem::forget)).count(), 8);
    }
}
