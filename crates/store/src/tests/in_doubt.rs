//! Counters in doubt, and the lease that is moved past what they have seen.

use super::*;
use crate::{Allowance, HeldCounter, MOST_LIFTED_A_DAY, Reach};

on_each_database!(
    a_hold_outlives_the_process_until_somebody_readmits_the_counter,
    what_was_never_given_out_is_beyond_and_the_lease_is_moved_past_it,
    the_lease_is_moved_so_far_a_day_and_further_only_for_an_operator,
    the_lease_is_moved_by_half_of_all_numbers_at_most_wherever_it_stands,
);

fn counter(name: &str) -> CounterId {
    CounterId::new(name).expect("a counter")
}

fn seen(number: u64) -> Sequence {
    Sequence::new(number).expect("a sequence")
}

fn day(number: u32) -> Day {
    Day::new(number).expect("a day")
}

fn held(name: &str, why: &str, seen: Option<Sequence>, since: i64) -> HeldCounter {
    HeldCounter { counter: counter(name), why: why.to_owned(), seen, since }
}

async fn a_hold_outlives_the_process_until_somebody_readmits_the_counter(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let first = held("futures", "a posting under another mark", None, 7);
    for hold in [&first, &first, &held("futures", "again", Some(seen(9)), 8)] {
        store.hold_counter(hold).await.expect("held");
    }
    store.hold_counter(&held("securities", "another reason", None, 9)).await.expect("held");
    store.close().await;
    let store = Store::open(&url).await.expect("opens");
    let both = store.held_counters().await.expect("asks");
    let merged = HeldCounter { seen: Some(seen(9)), ..first };
    assert_eq!(both, [merged, held("securities", "another reason", None, 9)]);
    let futures = counter("futures");
    assert_eq!(store.readmit_counter(&futures, "ann", "looked", 10).await, Ok(true));
    assert_eq!(store.readmit_counter(&futures, "ann", "looked", 11).await, Ok(false));
    let left: Vec<CounterId> =
        store.held_counters().await.expect("asks").into_iter().map(|it| it.counter).collect();
    assert_eq!(left, [counter("securities")]);
    store.close().await;
}

async fn what_was_never_given_out_is_beyond_and_the_lease_is_moved_past_it(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let first = store.lease_serials(100).await.expect("leases");
    let (futures, securities) = (counter("futures"), counter("securities"));
    let next = first.end;
    assert_eq!(store.reach(&futures, seen(next - 1)).await, Ok(Reach::Known));
    let beyond = Ok(Reach::Beyond { next });
    assert_eq!(store.reach(&futures, seen(next)).await, beyond);
    assert_eq!(store.reach(&futures, seen(next + 50)).await, beyond);
    let allowance = Allowance::Day(day(20_261_121));
    let lifted = store.lift_serials(&futures, seen(next + 50), allowance, 5).await;
    assert_eq!(lifted, Ok(true));
    assert_eq!(store.lease_serials(1).await.expect("leases").start, next + 51);
    // What was skipped was given out by nobody, whoever says now that it has seen it.
    assert_eq!(store.reach(&securities, seen(next + 50)).await, beyond);
    assert_eq!(store.reach(&securities, seen(next + 51)).await, Ok(Reach::Known));
    // What an operator has looked at is explained for that counter, and for no other.
    store.hold_counter(&held("futures", "beyond", Some(seen(next + 50)), 6)).await.expect("held");
    assert_eq!(store.reach(&futures, seen(next + 50)).await, beyond);
    store.readmit_counter(&futures, "ann", "a restored record", 7).await.expect("readmits");
    assert_eq!(store.reach(&futures, seen(next + 50)).await, Ok(Reach::Known));
    assert_eq!(store.reach(&securities, seen(next + 50)).await, beyond);
    store.close().await;
}

async fn the_lease_is_moved_so_far_a_day_and_further_only_for_an_operator(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let next = store.lease_serials(1).await.expect("leases").end;
    let (liar, today, tomorrow) = (counter("liar"), day(20_261_121), day(20_261_122));
    let lift = async |number, allowance| {
        store.lift_serials(&liar, seen(number), allowance, 5).await.expect("asks")
    };
    assert!(!lift(next + MOST_LIFTED_A_DAY, Allowance::Day(today)).await);
    assert!(lift(next + 9, Allowance::Day(today)).await);
    assert!(!lift(next + MOST_LIFTED_A_DAY, Allowance::Day(today)).await);
    assert!(lift(next + MOST_LIFTED_A_DAY - 1, Allowance::Day(today)).await);
    assert!(!lift(next + MOST_LIFTED_A_DAY, Allowance::Day(today)).await);
    assert!(lift(next + MOST_LIFTED_A_DAY, Allowance::Day(tomorrow)).await);
    assert!(lift(next + 5 * MOST_LIFTED_A_DAY, Allowance::Wanted(tomorrow)).await);
    assert!(!lift(Sequence::MAX, Allowance::Wanted(tomorrow)).await, "half of all numbers ahead");
    let leased = store.lease_serials(1).await.expect("leases");
    assert_eq!(leased.start, next + 5 * MOST_LIFTED_A_DAY + 1);
    store.close().await;
}

async fn the_lease_is_moved_by_half_of_all_numbers_at_most_wherever_it_stands(url: String) {
    const HALF: u64 = Sequence::MAX / 2;
    let store = Store::open(&url).await.expect("opens");
    let liar = counter("liar");
    let lift = async |number| {
        let wanted = Allowance::Wanted(day(20_261_121));
        store.lift_serials(&liar, seen(number), wanted, 5).await.expect("asks")
    };
    // The next number is the first that there is.
    assert!(!lift(HALF + 1).await);
    assert!(lift(HALF).await);
    assert_eq!(store.lease_serials(1).await.expect("leases").start, HALF + 1);
    // What counts is how far it is moved, and not where to.
    assert!(lift(HALF + 11).await);
    assert_eq!(store.lease_serials(1).await.expect("leases").start, HALF + 12);
    store.close().await;
}
