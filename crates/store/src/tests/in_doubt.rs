//! Counters in doubt, and the lease that is moved past what they have seen.

use super::*;
use crate::{
    Allowance, HeldCounter, MOST_LIFTED_A_DAY, NotApproved, Reach, Readmission, ReadmissionEnd,
};

on_each_database!(
    a_hold_outlives_the_process_until_two_readmit_the_counter,
    a_readmission_is_bound_to_the_holds_that_were_seen_and_ends_once,
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

fn proposed(name: &str, id: &str, at: i64) -> Readmission {
    Readmission {
        id: id.repeat(32),
        counter: counter(name),
        version: "f".repeat(32),
        move_serials: true,
        who: "lin".into(),
        note: "a restored record".into(),
        at,
        until: at + 1,
    }
}

/// Two persons let the counter get new transfers again, whatever holds it.
async fn readmitted(store: &Store, name: &str, at: i64) {
    let proposal = proposed(name, "a", at);
    store.propose_readmission(&proposal).await.expect("it is kept");
    let holds = store.holds_of(&proposal.counter).await.expect("asks");
    let said = (&"wang".into(), &"looked".into());
    assert_eq!(store.approve_readmission(&proposal, &holds, said, at).await, Ok(Ok(())));
}

async fn a_readmission_is_bound_to_the_holds_that_were_seen_and_ends_once(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let (first, second) = (held("futures", "first", None, 7), held("futures", "second", None, 8));
    let other = held("securities", "first", None, 7);
    for hold in [&first, &other] {
        store.hold_counter(hold).await.expect("held");
    }
    let (old, new) = (proposed("futures", "a", 10), proposed("futures", "b", 11));
    let of_other = proposed("securities", "c", 12);
    for proposal in [&old, &new, &of_other] {
        store.propose_readmission(proposal).await.expect("it is kept");
    }
    // The older one is overtaken, and another counter's is not.
    assert_eq!(store.readmissions().await, Ok(vec![new.clone(), of_other.clone()]));
    let said = (&"wang".into(), &"looked".into());
    let seen = [first.clone()];
    let approve = async |proposal, holds: &[HeldCounter]| {
        store.approve_readmission(proposal, holds, said, 20).await.expect("asks")
    };
    assert_eq!(approve(&old, &seen).await, Err(NotApproved::Ended));
    // It is held for something else as well that nobody has seen; then it is not what was seen.
    store.hold_counter(&second).await.expect("held");
    // The same once more is no more than was seen.
    let again = HeldCounter { since: 9, ..second.clone() };
    store.hold_counter(&again).await.expect("held");
    for holds in [&seen[..], &[], &[first.clone(), held("futures", "third", None, 8)]] {
        assert_eq!(approve(&new, holds).await, Err(NotApproved::HeldAnew), "{holds:?}");
    }
    assert_eq!(
        store.readmissions().await,
        Ok(vec![new.clone(), of_other.clone()]),
        "nothing changed"
    );
    let both = [first, second];
    assert_eq!(store.holds_of(&new.counter).await, Ok(both.to_vec()));
    assert_eq!(approve(&new, &both).await, Ok(()));
    assert_eq!(approve(&new, &both).await, Err(NotApproved::Ended));
    // What holds another counter is not touched by it, and what is withdrawn is over.
    assert_eq!(store.held_counters().await, Ok(vec![other.clone()]));
    let withdraw = async || {
        store
            .end_readmission(&of_other.id, ReadmissionEnd::Withdrawn, said, 30)
            .await
            .expect("asks")
    };
    assert_eq!((withdraw().await, withdraw().await), (true, false));
    assert_eq!(approve(&of_other, &[other]).await, Err(NotApproved::Ended));
    assert_eq!(store.readmissions().await, Ok(Vec::new()));
    store.close().await;
}

/// A database that was made for fewer letters keeps what persons say in any.
#[tokio::test]
async fn a_readmission_is_kept_in_whatever_script_it_is_written() {
    on_mysql(|url| async move {
        let alter = "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_swedish_ci";
        mysql_connection(&url).await.execute(alter).await.expect("it is altered");
        let store = Store::open(&url).await.expect("opens");
        let hold = held("futures", "对方持有别人的标记", None, 7);
        store.hold_counter(&hold).await.expect("held");
        let proposal =
            Readmission { note: "已与对方核对".into(), ..proposed("futures", "a", 8) };
        store.propose_readmission(&proposal).await.expect("it is kept");
        assert_eq!(store.readmissions().await, Ok(vec![proposal.clone()]));
        let said = (&"wang".into(), &"看过了".into());
        let holds = store.holds_of(&proposal.counter).await.expect("asks");
        assert_eq!(holds, [hold]);
        assert_eq!(store.approve_readmission(&proposal, &holds, said, 9).await, Ok(Ok(())));
        store.close().await;
    })
    .await;
}

async fn a_hold_outlives_the_process_until_two_readmit_the_counter(url: String) {
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
    readmitted(&store, "futures", 10).await;
    assert_eq!(store.holds_of(&futures).await, Ok(Vec::new()));
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
    readmitted(&store, "futures", 7).await;
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
