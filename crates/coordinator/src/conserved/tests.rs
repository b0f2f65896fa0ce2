//! What follows from what was counted.

use super::*;
use crate::standing::{Hold, Record};
use crate::transit::Seen;
use crate::transit::tests::{NOW, Open, counted};
use domain::transfer::Knowledge::{Done, NotSent, Unknown};
use domain::transfer::{Doubt, ParkReason, Phase};

fn names() -> Vec<CounterId> {
    ["securities", "futures", "bank"].map(|id| CounterId::new(id).expect("an id")).to_vec()
}

fn of(tally: Tally, standing: &State) -> Transit {
    Transit::of(tally, NOW, &names(), standing)
}

fn colours(transit: &Transit) -> [Colour; 3] {
    [0, 1, 2].map(|at| transit.counters[at].colour)
}

use Colour::{Green, Red, Unknown as NotKnown};

#[test]
fn a_colour_is_the_worst_of_what_is_so_and_says_why() {
    let well = State::default();
    let nothing = of(Tally::default(), &well);
    assert_eq!(colours(&nothing), [Green; 3]);
    assert!(nothing.totals.is_empty() && nothing.oldest.is_empty());
    // On its way, and all of it known: green, at both.
    let calm = Open::new(1, (0, 1), [Done, NotSent, NotSent]).at(Phase::CreditWaiting, 0);
    let sent = Open::new(2, (0, 1), [Done, Unknown, NotSent]).at(Phase::CreditSent, 0);
    let transit = of(counted(&[calm, sent]), &well);
    assert_eq!(colours(&transit), [Green; 3]);
    assert_eq!(
        transit.counters[1].why,
        [
            "every leg is known, or its answer has only begun to be awaited",
            "answers that are awaited: 1"
        ]
    );
    // Asked about: not known, and where.
    let asked = Open::new(3, (0, 1), [Done, Unknown, NotSent]);
    let transit = of(counted(std::slice::from_ref(&asked)), &well);
    assert_eq!(colours(&transit), [Green, NotKnown, Green]);
    assert_eq!(transit.counters[1].why, ["legs whose outcome is not known: 1"]);
    // Doubted as well: the worst counts, and nothing of it is left out.
    let mut doubted = asked;
    doubted.transfer.credit.doubt = Some(Doubt::KnownBefore);
    let transit = of(counted(&[doubted]), &well);
    assert_eq!(colours(&transit), [Green, Red, Green]);
    let why = ["legs that may be another transfer's: 1", "legs whose outcome is not known: 1"];
    assert_eq!(transit.counters[1].why, why);
    let parked = Phase::Parked(ParkReason::Contradicted);
    let contradicted = Open::new(4, (2, 1), [Done, NotSent, NotSent]).at(parked, 0);
    let transit = of(counted(&[contradicted]), &well);
    assert_eq!(colours(&transit), [Green, Red, Red]);
    assert_eq!(transit.counters[2].why, ["transfers that contradict themselves: 1"]);
}

#[test]
fn a_counter_that_is_held_is_red_and_of_a_record_that_is_behind_nothing_is_green() {
    let mut standing = State::default();
    standing.held.insert(names()[1].clone(), Hold { why: "a foreign mark".to_owned(), since: 5 });
    let transit = of(Tally::default(), &standing);
    assert_eq!(colours(&transit), [Green, Red, Green]);
    assert_eq!(transit.counters[1].why, ["it gets no new transfers, for what it says is in doubt"]);
    standing.record = Record::Behind { why: "3 batches are missing".to_owned(), since: 5 };
    let transit = of(Tally::default(), &standing);
    assert_eq!(colours(&transit), [NotKnown, Red, NotKnown]);
    let why = ["the record is behind: what it lacks is not counted"];
    assert_eq!(transit.counters[0].why, why);
}

/// A transfer that says otherwise than its legs.
fn differing(tally: &mut Tally, sequence: u64, in_transit: i64) {
    let open = Open::new(sequence, (0, 1), [Done, NotSent, NotSent]);
    tally.add(&Seen { in_transit, ..open.seen() }, NOW);
}

#[test]
fn money_that_does_not_add_up_is_red_where_it_is_and_told_once() {
    let (differences, events) = (Differences::default(), Events::default());
    let told = || events.follow().0;
    let look = |tally: Tally| {
        let transit = of(tally, &State::default());
        differences.tell(&transit, &events);
        transit
    };
    let sound = look(counted(&[Open::new(1, (0, 1), [Done, Unknown, NotSent])]));
    assert!(sound.totals[&Currency::CNY].is_conserved() && told().is_empty());
    let mut tally = Tally::default();
    differing(&mut tally, 7, 0);
    for _ in 0..3 {
        let transit = look(tally.clone());
        let total = &transit.totals[&Currency::CNY];
        assert_eq!((total.difference(), total.differing), (100, 1));
        assert_eq!(colours(&transit), [Red, Red, Green]);
        let why = "what legs and transfers say of money differs: an error of this software";
        assert_eq!(transit.counters[0].why, [why]);
        assert_eq!(told().len(), 1, "once, however often it is looked at");
    }
    let event = &told()[0];
    assert_eq!(event.kind, Kind::Defect);
    assert_eq!(event.transfer, Some(Open::new(7, (0, 1), [Done; 3]).transfer.intent.master));
    assert!(
        event.text.contains("does not add up in CNY: 0 minor units by transfers"),
        "{}",
        event.text
    );
    // It holds again, and then no more: that is another time.
    look(Tally::default());
    look(tally);
    assert_eq!(told().len(), 2);
}

#[test]
fn differences_that_cancel_each_other_are_found() {
    let mut tally = Tally::default();
    differing(&mut tally, 1, 0);
    differing(&mut tally, 2, 200);
    let transit = of(tally, &State::default());
    let total = &transit.totals[&Currency::CNY];
    assert_eq!((total.difference(), total.differing, total.is_conserved()), (0, 2, false));
    assert_eq!(colours(&transit), [Red, Red, Green]);
}

/// What gets lost on the way from the shards shows in the sums, though each transfer is sound.
#[test]
fn what_is_lost_between_shards_is_found() {
    let mut tally = counted(&[Open::new(1, (0, 1), [Done, NotSent, NotSent])]);
    tally.moving.clear();
    let transit = of(tally, &State::default());
    assert_eq!(transit.totals[&Currency::CNY].difference(), 100);
    assert_eq!(colours(&transit), [Red, Green, Green], "where the money is booked");
}

#[test]
fn pairs_counters_and_totals_have_their_names() {
    let all = [
        Open::new(1, (0, 1), [Done, NotSent, NotSent]).of(5, "JPY"),
        Open::new(2, (1, 2), [Done, Unknown, NotSent]),
        Open::new(3, (0, 1), [Unknown, Done, NotSent]),
    ];
    let transit = of(counted(&all), &State::default());
    let [securities, futures, bank] = [0, 1, 2].map(|at| names()[at].clone());
    let (cny, jpy) = (Currency::CNY, "JPY".parse().expect("a currency"));
    let at = |from: &CounterId, to: &CounterId, currency| {
        transit.pairs[&(from.clone(), to.clone(), currency)].in_transit()
    };
    assert_eq!((at(&securities, &futures, jpy), at(&futures, &bank, cny)), (5, 100));
    assert_eq!(transit.pairs[&(securities, futures, cny)].ahead, 100);
    assert!(transit.others.is_empty());
    let total = &transit.totals[&cny];
    assert!(total.is_conserved(), "{total:?}");
    assert_eq!(
        (total.books.in_transit(), total.moving.in_transit(), total.moving.ahead),
        (0, 100, 100)
    );
    assert_eq!(
        transit.counters[1].books[&cny],
        Books { debited: 100, credited: 100, ..Books::default() }
    );
    assert_eq!(transit.oldest.len(), 2);
}
