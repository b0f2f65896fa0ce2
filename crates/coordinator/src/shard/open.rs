//! The transfers of a shard that are open: by their sequence; for each app in the order of their
//! serials, so that a page of one app's reads none of another's; and for each state likewise, so that
//! the oldest and how many there are is known without looking through all.

use crate::record::Record;
use crate::view::View;
use domain::message::{AccountId, CounterId};
use domain::serial::{MasterSerial, Role};
use domain::transfer::State;
use std::collections::{BTreeSet, HashMap};
use std::ops::{Bound, Deref};
use std::sync::Arc;
use store::{AmountFilter, ListFilter};

/// How many transfers are looked at for one page, in one turn of the shard: less than a millisecond.
const LOOKED_AT: usize = 2048;

/// See the module. Whoever adds or removes one does it here.
#[derive(Debug, Default)]
pub(crate) struct Open {
    records: HashMap<u64, Record>,
    by_app: HashMap<Arc<str>, BTreeSet<MasterSerial>>,
    by_state: [BTreeSet<MasterSerial>; State::ALL.len()],
}

/// Which open transfers are wanted, the newest first.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Only this app's, if there is one.
    pub(crate) app: Option<Arc<str>>,
    /// Only those in this state, if there is one.
    pub(crate) state: Option<State>,
    pub(crate) counter: Option<CounterId>,
    /// Together with a counter, on the same side as it.
    pub(crate) account: Option<AccountId>,
    pub(crate) amount: Option<AmountFilter>,
    /// Only those of which a counter has answered this as its own serial.
    pub(crate) counter_serial: Option<Arc<str>>,
    /// Only older ones.
    pub(crate) before: Option<MasterSerial>,
    pub(crate) limit: usize,
}

impl Wanted {
    /// Those of a list that are open, in this state or in any.
    pub(crate) fn of(filter: &ListFilter, state: Option<State>, limit: usize) -> Wanted {
        Wanted {
            app: filter.app.as_deref().map(Arc::from),
            state,
            counter: filter.counter.clone(),
            account: filter.account.clone(),
            amount: filter.amount,
            counter_serial: filter.counter_serial.as_deref().map(Arc::from),
            before: filter.before,
            limit,
        }
    }
}

/// What was found of them.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The newest first.
    pub(crate) views: Vec<View>,
    /// The last one that was looked at, if there are more behind it.
    pub(crate) looked_to: Option<MasterSerial>,
}

impl Deref for Open {
    type Target = HashMap<u64, Record>;
    fn deref(&self) -> &HashMap<u64, Record> {
        &self.records
    }
}

impl Open {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as a map has it")]
    pub(crate) fn get_mut(&mut self, sequence: &u64) -> Option<&mut Record> {
        self.records.get_mut(sequence)
    }

    pub(crate) fn insert(&mut self, sequence: u64, record: Record) {
        let (app, master) = (record.app.clone(), record.master());
        if let Some(former) = self.records.insert(sequence, record) {
            self.forget(&former);
        }
        self.by_app.entry(app).or_default().insert(master);
        self.settle(sequence);
    }

    /// Lists a transfer under the state that it is shown in now. Whoever may have changed that says so
    /// here, once it is done.
    pub(crate) fn settle(&mut self, sequence: u64) {
        let Some(record) = self.records.get_mut(&sequence) else { return };
        let shown = record.is_durable().then(|| record.shown_state());
        if record.listed == shown {
            return;
        }
        let master = record.master();
        if let Some(former) = std::mem::replace(&mut record.listed, shown) {
            self.by_state[place(former)].remove(&master);
        }
        if let Some(state) = shown {
            self.by_state[place(state)].insert(master);
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as a map has it")]
    pub(crate) fn remove(&mut self, sequence: &u64) -> Option<Record> {
        let record = self.records.remove(sequence)?;
        self.forget(&record);
        Some(record)
    }

    fn forget(&mut self, record: &Record) {
        if let Some(masters) = self.by_app.get_mut(&record.app) {
            masters.remove(&record.master());
            if masters.is_empty() {
                self.by_app.remove(&record.app);
            }
        }
        if let Some(state) = record.listed {
            self.by_state[place(state)].remove(&record.master());
        }
    }

    /// A page of an app's or of anybody's, as they stand. However many there are, so many are looked at.
    pub(crate) fn page(&self, wanted: &Wanted) -> Page {
        let older = (Bound::Unbounded, wanted.before.map_or(Bound::Unbounded, Bound::Excluded));
        let Some(app) = &wanted.app else {
            let listed = self.by_state.iter().map(|masters| masters.range(older).rev().copied());
            return self.page_of(wanted, newest_first(listed.collect()));
        };
        let Some(masters) = self.by_app.get(app) else { return Page::default() };
        self.page_of(wanted, masters.range(older).rev().copied())
    }

    fn page_of(&self, wanted: &Wanted, mut rest: impl Iterator<Item = MasterSerial>) -> Page {
        let mut page = Page::default();
        for master in rest.by_ref().take(LOOKED_AT) {
            let record = self.records.get(&master.sequence.number());
            let Some(record) = record.filter(|record| record.is_durable()) else { continue };
            let state = record.shown_state();
            if wanted.state.is_none_or(|wanted| wanted == state) && is_wanted(record, wanted) {
                page.views.push(record.view());
            }
            page.looked_to = Some(master);
            if page.views.len() == wanted.limit {
                break;
            }
        }
        if rest.next().is_none() {
            page.looked_to = None;
        }
        page
    }

    /// The oldest that are durable, of those in a state if one is given, in no order, and how many there
    /// are. However many that is, so many are looked at as are wanted, in each state.
    pub(crate) fn oldest(&self, state: Option<State>, limit: usize) -> (Vec<View>, usize) {
        let states =
            || State::ALL.into_iter().filter(|one| state.is_none_or(|state| state == *one));
        let listed = || states().map(|state| &self.by_state[place(state)]);
        let mut oldest: Vec<MasterSerial> =
            listed().flat_map(|masters| masters.iter().take(limit)).copied().collect();
        oldest.sort_unstable();
        oldest.truncate(limit);
        let record = |master: MasterSerial| self.records.get(&master.sequence.number());
        let views = oldest.into_iter().filter_map(record).map(Record::view).collect();
        (views, listed().map(BTreeSet::len).sum())
    }

    /// Those that wait for a person, the oldest first.
    pub(crate) fn parked(&self) -> impl Iterator<Item = &Record> {
        let masters = self.by_state[place(State::NeedsOperator)].iter();
        masters.filter_map(|master| self.records.get(&master.sequence.number()))
    }

    /// The oldest that are wanted of those that wait for a person, and how many there are.
    pub(crate) fn oldest_parked(
        &self,
        limit: usize,
        wanted: impl Fn(&Record) -> bool,
    ) -> (Vec<View>, usize) {
        let (mut views, mut total) = (Vec::new(), 0);
        for record in self.parked().filter(|record| wanted(record)) {
            total += 1;
            if views.len() < limit {
                views.push(record.view());
            }
        }
        (views, total)
    }

    /// That each is listed as it is shown, for tests.
    #[cfg(test)]
    pub(crate) fn assert_listed(&self) {
        // Looking at all of them after each step is for few.
        if self.len() > 64 {
            return;
        }
        for record in self.records.values() {
            let shown = record.is_durable().then(|| record.shown_state());
            for state in State::ALL {
                let is_listed = self.by_state[place(state)].contains(&record.master());
                assert_eq!(is_listed, shown == Some(state), "{} in {state}", record.master());
            }
        }
        let listed: usize = self.by_state.iter().map(BTreeSet::len).sum();
        let durable = self.records.values().filter(|record| record.is_durable()).count();
        assert_eq!(listed, durable);
    }
}

/// Where the transfers in a state are listed.
const fn place(state: State) -> usize {
    match state {
        State::Accepted => 0,
        State::Debiting => 1,
        State::Crediting => 2,
        State::Reversing => 3,
        State::NeedsOperator => 4,
        State::Completed => 5,
        State::Refused => 6,
        State::Reversed => 7,
    }
}

/// Several lists, each the newest first, as one.
fn newest_first<I>(lists: Vec<I>) -> impl Iterator<Item = MasterSerial>
where
    I: Iterator<Item = MasterSerial>,
{
    let mut lists: Vec<_> = lists.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let heads = lists.iter_mut().enumerate();
        let heads = heads.filter_map(|(at, list)| list.peek().map(|head| (*head, at)));
        let (_, at) = heads.max()?;
        lists[at].next()
    })
}

fn is_wanted(record: &Record, wanted: &Wanted) -> bool {
    is_on_a_side(record, wanted) && is_of_amount(record, wanted) && is_answered(record, wanted)
}

fn is_of_amount(record: &Record, wanted: &Wanted) -> bool {
    let order = &record.transfer.intent.order;
    wanted.amount.is_none_or(|AmountFilter { amount, currency }| {
        order.amount == amount && currency.is_none_or(|currency| order.currency == currency)
    })
}

fn is_answered(record: &Record, wanted: &Wanted) -> bool {
    let Some(serial) = &wanted.counter_serial else { return true };
    Role::ALL.into_iter().any(|role| {
        let said = record.transfer.leg(role).counter_serial.as_ref();
        said.is_some_and(|said| said.as_received() == &**serial)
    })
}

fn is_on_a_side(record: &Record, wanted: &Wanted) -> bool {
    let intent = &record.transfer.intent;
    [&intent.order.from, &intent.order.to].into_iter().any(|place| {
        wanted.counter.as_ref().is_none_or(|counter| *counter == place.counter)
            && wanted.account.as_ref().is_none_or(|account| *account == place.account)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;
    use crate::record::Afterwards;
    use domain::message::Place;
    use domain::money::{Amount, Currency};
    use domain::order::Order;
    use domain::serial::{Day, Sequence};
    use domain::transfer::{ParkReason, Phase, Transfer};
    use port::CounterIndex;
    use store::NewTransfer;

    fn place(counter: &str, account: &str) -> Place {
        Place {
            counter: CounterId::new(counter).expect("a counter"),
            account: AccountId::new(account).expect("an account"),
        }
    }

    fn record(number: u64, app: &str, account: &str) -> Record {
        let day = Day::new(20_261_121).expect("a day");
        let sequence = Sequence::new(number).expect("a sequence");
        let new = NewTransfer {
            master: MasterSerial { day, sequence },
            app: app.into(),
            idempotency_key: number.to_string().into(),
            fingerprint: [0; 32],
            order: Order {
                from: place("securities", account),
                to: place("futures", "8001"),
                amount: Amount::new(1).expect("an amount"),
                currency: Currency::CNY,
            },
            debit_day: day,
            credit_day: day,
            credit_barrier: false,
            created_at: 0,
            deadline_at: 0,
            mark: None,
        };
        let transfer = Transfer::accepted(crate::shard::intent(&new));
        Record::new(&new, transfer, CounterIndex(0), CounterIndex(1), Now::read())
    }

    fn wanted(app: &str, state: State, limit: usize) -> Wanted {
        let filter = ListFilter { app: Some(app.to_owned()), ..ListFilter::default() };
        Wanted::of(&filter, Some(state), limit)
    }

    fn numbers(page: &Page) -> Vec<u64> {
        page.views.iter().map(|view| view.transfer.intent.master.sequence.number()).collect()
    }

    #[test]
    fn a_page_is_of_one_app_and_one_state_as_it_stands_and_the_newest_first() {
        let mut open = Open::default();
        for number in 1..=9 {
            let mut record = record(number, if number % 3 == 0 { "bank" } else { "shop" }, "6001");
            if number == 4 {
                record.transfer.phase = Phase::Parked(ParkReason::CreditUnresolved);
            }
            if number == 7 {
                // It ended, and that is not durable yet.
                record.transfer.phase = Phase::Completed;
                record.shown = Some(Phase::CreditSent);
            }
            if number == 8 {
                record.barrier = Some((1, Afterwards::Wake));
            }
            open.insert(number, record);
        }
        let page = open.page(&wanted("shop", State::Accepted, 9));
        assert_eq!((numbers(&page), page.looked_to), (vec![5, 2, 1], None));
        assert_eq!(numbers(&open.page(&wanted("shop", State::NeedsOperator, 9))), [4]);
        assert_eq!(numbers(&open.page(&wanted("shop", State::Crediting, 9))), [7]);
        assert_eq!(numbers(&open.page(&wanted("bank", State::Accepted, 9))), [9, 6, 3]);
        assert!(open.page(&wanted("nobody", State::Accepted, 9)).views.is_empty());
        open.remove(&9);
        open.assert_listed();
        let page = open.page(&wanted("bank", State::Accepted, 1));
        assert_eq!(numbers(&page), [6]);
        let rest = Wanted { before: page.looked_to, ..wanted("bank", State::Accepted, 1) };
        let page = open.page(&rest);
        assert_eq!((numbers(&page), page.looked_to), (vec![3], None));
        assert_eq!(open.oldest(None, 3).0.len(), 3);
        // One that moves on is counted where it is.
        open.get_mut(&1).expect("open").transfer.phase = Phase::DebitSent;
        open.settle(1);
        open.assert_listed();
        assert_eq!(open.oldest(None, 9).1, 7);
        let (views, total) = open.oldest(Some(State::Accepted), 2);
        let oldest: BTreeSet<u64> =
            views.iter().map(|view| view.transfer.intent.master.sequence.number()).collect();
        assert_eq!((oldest, total), (BTreeSet::from([2, 3]), 4));
        assert_eq!(open.oldest(Some(State::Debiting), 0).1, 1);
    }

    #[test]
    fn counter_and_account_are_meant_on_one_side() {
        let mut open = Open::default();
        open.insert(1, record(1, "shop", "6001"));
        open.insert(2, record(2, "shop", "6002"));
        let find = |counter: &str, account: &str| {
            let Place { counter, account } = place(counter, account);
            let wanted = wanted("shop", State::Accepted, 9);
            numbers(&open.page(&Wanted {
                counter: Some(counter),
                account: Some(account),
                ..wanted
            }))
        };
        assert_eq!(find("securities", "6001"), [1]);
        assert_eq!(find("futures", "8001"), [2, 1]);
        assert!(find("futures", "6001").is_empty());
    }

    #[test]
    fn what_a_counter_has_answered_is_found_whoever_ordered_it_and_whatever_its_state() {
        let mut open = Open::default();
        for number in 1..=9 {
            let mut record = record(number, if number % 3 == 0 { "bank" } else { "shop" }, "6001");
            if number % 2 == 0 {
                record.transfer.phase = Phase::Parked(ParkReason::CreditUnresolved);
            }
            if number > 5 {
                record.transfer.debit.counter_serial = Some("F1".into());
            }
            if number == 1 {
                record.transfer.credit.counter_serial = Some("F1".into());
                record.transfer.intent.order.amount = Amount::new(2).expect("an amount");
            }
            open.insert(number, record);
        }
        let find = |serial: &str, filter: ListFilter| {
            let counter_serial = Some(serial.to_owned());
            numbers(&open.page(&Wanted::of(&ListFilter { counter_serial, ..filter }, None, 9)))
        };
        assert_eq!(find("F1", ListFilter::default()), [9, 8, 7, 6, 1]);
        assert_eq!(find("f1", ListFilter::default()), [0; 0]);
        let bank = ListFilter { app: Some("bank".to_owned()), ..ListFilter::default() };
        assert_eq!(find("F1", bank.clone()), [9, 6]);
        let of = |minor, currency: &str| {
            let amount = Amount::new(minor).expect("an amount");
            let currency = Some(currency.parse().expect("a currency"));
            ListFilter { amount: Some(AmountFilter { amount, currency }), ..ListFilter::default() }
        };
        assert_eq!(find("F1", of(2, "CNY")), [1]);
        assert_eq!(find("F1", of(2, "USD")), [0; 0]);
        let by_amount = ListFilter { amount: of(1, "CNY").amount, ..bank };
        assert_eq!(numbers(&open.page(&Wanted::of(&by_amount, None, 9))), [9, 6, 3]);
        let all = Wanted::of(&ListFilter::default(), None, 9);
        assert_eq!(numbers(&open.page(&all)), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
        let parked = Wanted { state: Some(State::NeedsOperator), limit: 2, ..all };
        let page = open.page(&parked);
        assert_eq!(numbers(&page), [8, 6]);
        assert_eq!(numbers(&open.page(&Wanted { before: page.looked_to, ..parked })), [4, 2]);
    }

    #[test]
    fn one_look_is_bounded_and_says_how_far_it_came() {
        let mut open = Open::default();
        let count = u64::try_from(LOOKED_AT).expect("small") + 5;
        for number in 1..=count {
            open.insert(number, record(number, "shop", "6001"));
        }
        let mut wanted = wanted("shop", State::NeedsOperator, 50);
        let page = open.page(&wanted);
        assert!(page.views.is_empty());
        assert_eq!(page.looked_to.map(|master| master.sequence.number()), Some(6));
        wanted.before = page.looked_to;
        assert_eq!(open.page(&wanted).looked_to, None);
    }
}
