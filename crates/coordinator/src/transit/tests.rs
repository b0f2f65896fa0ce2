//! What is counted, held against what is plain.

use super::*;
use domain::message::{AccountId, CounterId, Place};
use domain::money::Amount;
use domain::order::Order;
use domain::serial::{Day, Sequence};
use domain::transfer::{Doubt, Intent, Knowledge, ParkReason, Phase};
use proptest::prelude::*;

const MINUTE: i64 = 60_000_000;
pub(crate) const NOW: i64 = 100 * 24 * 60 * MINUTE;

/// An open transfer of `amount` between two counters, of which the legs are known so.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) transfer: Transfer,
    pub(crate) at: (usize, usize),
    pub(crate) age: i64,
}

impl Open {
    pub(crate) fn new(sequence: u64, at: (usize, usize), legs: [Knowledge; 3]) -> Open {
        let place = |counter: usize| Place {
            counter: CounterId::new(&format!("counter-{counter}")).expect("a counter"),
            account: AccountId::new("6001").expect("an account"),
        };
        let day = Day::new(20_261_121).expect("a day");
        let mut transfer = Transfer::accepted(Intent {
            master: MasterSerial { day, sequence: Sequence::new(sequence).expect("a sequence") },
            order: Order {
                from: place(at.0),
                to: place(at.1),
                amount: Amount::new(100).expect("an amount"),
                currency: Currency::CNY,
            },
            debit_day: day,
            credit_day: day,
            credit_barrier: false,
            mark: None,
        });
        for (role, knowledge) in Role::ALL.into_iter().zip(legs) {
            transfer.leg_mut(role).knowledge = knowledge;
        }
        transfer.phase = Phase::CreditAsking;
        Open { transfer, at, age: 0 }
    }

    pub(crate) fn of(mut self, amount: i64, currency: &str) -> Open {
        self.transfer.intent.order.amount = Amount::new(amount).expect("an amount");
        self.transfer.intent.order.currency = currency.parse().expect("a currency");
        self
    }

    pub(crate) fn at(mut self, phase: Phase, age: i64) -> Open {
        (self.transfer.phase, self.age) = (phase, age);
        self
    }

    pub(crate) fn seen(&self) -> Seen<'_> {
        Seen {
            transfer: &self.transfer,
            debit_at: CounterIndex(self.at.0),
            credit_at: CounterIndex(self.at.1),
            in_transit: self.transfer.in_transit(),
            ahead: self.transfer.paid_ahead(),
            created_at: NOW - self.age,
        }
    }

    fn amount(&self) -> i64 {
        self.transfer.intent.order.amount.minor()
    }

    fn currency(&self) -> Currency {
        self.transfer.intent.order.currency
    }

    /// The counter of a leg, and what is known of it, as a reader of the record says it.
    fn leg(&self, role: Role) -> (usize, Knowledge) {
        let counter = if role == Role::Credit { self.at.1 } else { self.at.0 };
        (counter, self.transfer.leg(role).knowledge)
    }
}

pub(crate) fn counted(all: &[Open]) -> Tally {
    let mut tally = Tally::default();
    for one in all {
        tally.add(&one.seen(), NOW);
    }
    tally
}

use Knowledge::{Done, NotExecuted, NotSent, Refused, Unknown};

#[test]
fn money_is_told_apart_by_pair_currency_and_age_at_each_edge() {
    let moving = [Done, Unknown, NotSent];
    let ages =
        [0, MINUTE - 1, MINUTE, 60 * MINUTE - 1, 60 * MINUTE, 1440 * MINUTE - 1, 1440 * MINUTE];
    let mut all: Vec<Open> = (1..)
        .zip(ages)
        .map(|(number, age)| {
            Open::new(number, (0, 1), moving).of(1 << number, "CNY").at(Phase::CreditAsking, age)
        })
        .collect();
    all.push(Open::new(8, (1, 0), moving).of(7, "CNY"));
    all.push(Open::new(9, (0, 1), moving).of(5, "JPY"));
    all.push(Open::new(10, (0, 1), [Done, Done, NotSent]));
    // The clock of the machine was set back meanwhile.
    all.push(Open::new(11, (0, 1), moving).of(3, "JPY").at(Phase::CreditAsking, -MINUTE));
    let tally = counted(&all);
    let pair = |from, to, currency: &str| {
        let pair = (CounterIndex(from), CounterIndex(to));
        tally.moving[&(Some(pair), currency.parse().expect("a currency"))].clone()
    };
    let there = pair(0, 1, "CNY");
    assert_eq!(there.by_age, [2 + 4, 8 + 16, 32 + 64, 128]);
    assert_eq!((there.transfers, there.in_transit()), (7, 254));
    assert_eq!(there.oldest_at, Some(NOW - 1440 * MINUTE));
    assert_eq!(pair(1, 0, "CNY").by_age, [7, 0, 0, 0]);
    assert_eq!(pair(0, 1, "JPY").by_age, [8, 0, 0, 0]);
    assert_eq!(tally.moving.len(), 3);
    let serials: Vec<u64> = tally.oldest.iter().map(|(_, it)| it.sequence.number()).collect();
    assert_eq!(serials, [7, 6, 5, 4, 3, 2, 1, 8, 9, 11], "the oldest first, none that has arrived");
}

#[test]
fn an_answer_that_has_not_come_for_a_minute_is_an_outcome_that_is_not_known() {
    for (phase, age, awaited) in [
        (Phase::CreditSent, ANSWERED_WITHIN - 1, true),
        (Phase::CreditSent, ANSWERED_WITHIN, false),
        (Phase::CreditAsking, 0, false),
        (Phase::Parked(ParkReason::CreditUnresolved), 0, false),
    ] {
        let open = Open::new(1, (0, 1), [Done, Unknown, NotSent]).at(phase, age);
        let tally = counted(&[open]);
        let sight = tally.sights[&CounterIndex(1)];
        let since = (!awaited).then_some(NOW - age);
        assert_eq!((sight.awaited, sight.unknown), (usize::from(awaited), usize::from(!awaited)));
        assert_eq!(sight.unknown_since, since, "{phase:?}");
        let books = tally.books[&(Some(CounterIndex(1)), Currency::CNY)];
        let expected = if awaited { (100, 0) } else { (0, 100) };
        assert_eq!((books.awaited, books.unknown), expected);
        assert_eq!(tally.sights.get(&CounterIndex(0)), None, "its leg is known");
    }
}

#[test]
fn what_is_doubtful_or_contradicted_is_counted_where_it_is() {
    let mut doubted = Open::new(1, (0, 1), [Done, Unknown, NotSent]);
    doubted.transfer.credit.doubt = Some(Doubt::OtherMark);
    let parked = Phase::Parked(ParkReason::Contradicted);
    let contradicted = Open::new(2, (2, 1), [Done, NotSent, NotSent]).at(parked, 0);
    let tally = counted(&[doubted, contradicted]);
    let sight = |at| {
        let sight = tally.sights.get(&CounterIndex(at)).copied().unwrap_or_default();
        (sight.doubted, sight.contradicted)
    };
    assert_eq!([sight(0), sight(1), sight(2)], [(0, 0), (1, 1), (0, 1)]);
    assert!(tally.differing.is_empty());
}

#[test]
fn a_transfer_that_says_otherwise_than_its_legs_is_named() {
    let (one, other) =
        (Open::new(7, (0, 1), [Done, NotSent, NotSent]), Open::new(3, (0, 1), [Done; 3]));
    let mut tally = Tally::default();
    // The one hides what the other lacks: over all nothing is missing.
    tally.add(&Seen { in_transit: 200, ..one.seen() }, NOW);
    tally.add(&Seen { ahead: 200, ..other.seen() }, NOW);
    let differing = tally.differing[&Currency::CNY];
    assert_eq!((differing.transfers, differing.first), (2, other.transfer.intent.master));
    assert_eq!(tally.sights[&CounterIndex(0)].differing, 2);
    assert_eq!(tally.sights[&CounterIndex(1)].differing, 2);
}

#[test]
fn past_the_bound_pairs_are_added_up_under_others_and_nothing_is_lost() {
    let side = 65;
    assert!(side * side > MOST_CELLS);
    let places = (0..side).flat_map(|from| (0..side).map(move |to| (from, to)));
    let all: Vec<Open> = (1..)
        .zip(places)
        .map(|(number, at)| {
            Open::new(number, at, [Done, NotSent, NotSent]).at(Phase::CreditWaiting, 0)
        })
        .collect();
    let (mut whole, (some, others)) = (counted(&all), all.split_at(all.len() / 2));
    let named = |tally: &Tally| tally.moving.keys().filter(|(pair, _)| pair.is_some()).count();
    assert_eq!(named(&whole), MOST_CELLS);
    let others_of = |tally: &Tally| tally.moving[&(None, Currency::CNY)].transfers;
    assert_eq!(others_of(&whole), side * side - MOST_CELLS);
    assert_eq!(whole.oldest.len(), OLDEST);
    let mut joined = counted(some);
    joined.join(counted(others));
    assert_eq!(joined, whole);
    // A pair that has its cell is found there although there is no room any more.
    let again = Open::new(1, (0, 0), [Done, NotSent, NotSent]);
    whole.add(&again.seen(), NOW);
    assert_eq!(others_of(&whole), side * side - MOST_CELLS);
    let sum: i64 = whole.moving.values().map(Moving::in_transit).sum();
    assert_eq!(sum, i64::try_from(side * side + 1).expect("few") * 100);
}

fn any_open() -> impl Strategy<Value = Open> {
    let knowledge = || prop::sample::select(vec![NotSent, Unknown, Done, Refused, NotExecuted]);
    let phase = prop::sample::select(vec![
        Phase::DebitSent,
        Phase::DebitAsking,
        Phase::CreditSent,
        Phase::CreditFencing,
        Phase::ReversalSent,
        Phase::Parked(ParkReason::Contradicted),
        Phase::Parked(ParkReason::ReversalRefused),
    ]);
    let age = prop::sample::select(vec![0, 30 * 60 * 1_000_000, 5 * 86_400 * 1_000_000]);
    let amount = 1..=999_999_999_999_i64;
    let currency = prop::sample::select(vec!["CNY", "JPY"]);
    let legs = [knowledge(), knowledge(), knowledge()];
    (1..1_000_u64, (0..3_usize, 0..3_usize), legs, phase, age, amount, currency).prop_map(
        |(number, at, legs, phase, age, amount, currency)| {
            Open::new(number, at, legs).of(amount, currency).at(phase, age)
        },
    )
}

proptest! {
    /// Leg by leg and pair by pair, as somebody would count who has all of them before him.
    #[test]
    fn what_is_counted_is_what_is_there(all in prop::collection::vec(any_open(), 0..60), at in 0..60_usize) {
        let tally = counted(&all);
        let (one, other) = all.split_at(at.min(all.len()));
        let mut joined = counted(one);
        joined.join(counted(other));
        prop_assert_eq!(&joined, &tally, "shard by shard it is the same");
        prop_assert!(tally.differing.is_empty(), "{:?}", tally.differing);
        for currency in ["CNY", "JPY"].map(|code| code.parse::<Currency>().expect("a currency")) {
            let mine = || all.iter().filter(|one| one.currency() == currency);
            let sum = |counter: usize, role: Role, wanted: Knowledge| -> i64 {
                let there = mine().filter(|one| one.leg(role) == (counter, wanted));
                there.map(Open::amount).sum()
            };
            let mut over_all = 0;
            for counter in 0..3 {
                let books = tally.books.get(&(Some(CounterIndex(counter)), currency));
                let books = books.copied().unwrap_or_default();
                prop_assert_eq!(books.debited, sum(counter, Role::Debit, Done));
                prop_assert_eq!(books.credited, sum(counter, Role::Credit, Done));
                prop_assert_eq!(books.returned, sum(counter, Role::Reversal, Done));
                let open: i64 = Role::ALL.into_iter().map(|role| sum(counter, role, Unknown)).sum();
                prop_assert_eq!(books.awaited + books.unknown, open);
                over_all += books.in_transit();
                for to in 0..3 {
                    let pair = (CounterIndex(counter), CounterIndex(to));
                    let moving = tally.moving.get(&(Some(pair), currency)).cloned().unwrap_or_default();
                    let there: Vec<&Open> = mine()
                        .filter(|one| one.at == (counter, to) && one.transfer.in_transit() > 0)
                        .collect();
                    prop_assert_eq!(moving.transfers, there.len());
                    prop_assert_eq!(moving.in_transit(), there.iter().map(|one| one.amount()).sum::<i64>());
                    let oldest = there.iter().map(|one| NOW - one.age).min();
                    prop_assert_eq!(moving.oldest_at, oldest);
                }
            }
            let of_currency = tally.moving.iter().filter(|((_, it), _)| *it == currency);
            let by_transfers: i64 = of_currency.map(|(_, it)| it.in_transit() - it.ahead).sum();
            prop_assert_eq!(over_all, by_transfers, "rule 8");
        }
        let unknown = |counter: usize| {
            let legs = all.iter().flat_map(|one| Role::ALL.map(|role| one.leg(role)));
            legs.filter(|leg| *leg == (counter, Unknown)).count()
        };
        for counter in 0..3 {
            let sight = tally.sights.get(&CounterIndex(counter)).copied().unwrap_or_default();
            prop_assert_eq!(sight.awaited + sight.unknown, unknown(counter));
        }
    }
}
