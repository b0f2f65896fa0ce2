use super::*;
use crate::Outcome;
use crate::state::FinalState;
use crate::tests::{accept, end, master, simple, trail, transfer};

const BEFORE_ALL: i64 = i64::MAX;

fn said(serial: &str) -> String {
    format!(r#"[{{"leg":{{"counter_serial":"{serial}"}}}}]"#)
}

fn ended(sequence: u64, part: u32, serial: &str) -> Write {
    let mut write = end(master(sequence), FinalState::Completed);
    write.trail = Some((part, said(serial)));
    write
}

fn by_serial(serial: &str) -> Sought {
    Sought { kind: Kind::Serials, key: crate::counter_serial::hash(serial), currency: None }
}

fn by_amount(key: i64, currency: Option<&str>) -> Sought {
    Sought { kind: Kind::Amounts, key, currency: currency.map(code) }
}

fn number(sequence: u64) -> i64 {
    master(sequence).number()
}

#[test]
fn what_ends_is_found_by_all_that_its_trail_has_said_wherever_it_is() {
    let fresh = Fresh::default();
    assert_eq!(fresh.look(&by_serial("A"), BEFORE_ALL), Look::default(), "nothing is known");
    fresh.begin([]);
    let mut dear = transfer(master(2), "shop", "dear");
    dear.order.amount = domain::money::Amount::new(777).expect("an amount");
    fresh.add(&[simple(1), accept(&dear), trail(master(1), 0, &said("A"))]);
    assert!(fresh.look(&by_serial("A"), BEFORE_ALL).masters.is_empty(), "it is open");
    // Said again, for the answer was lost, a part is the same.
    fresh.add(&[trail(master(1), 0, &said("X")), ended(1, 1, "B"), ended(2, 0, "B")]);
    let look = |sought: &Sought, before| fresh.look(sought, before).masters;
    let check = || {
        assert_eq!(look(&by_serial("A"), BEFORE_ALL), [number(1)]);
        assert_eq!(look(&by_serial("B"), BEFORE_ALL), [number(2), number(1)]);
        assert_eq!(look(&by_serial("B"), number(2)), [number(1)]);
        assert!(look(&by_serial("X"), BEFORE_ALL).is_empty());
        for (currency, found) in [(None, 1), (Some("CNY"), 1), (Some("USD"), 0)] {
            assert_eq!(look(&by_amount(777, currency), BEFORE_ALL).len(), found);
        }
        assert!(fresh.look(&by_serial("A"), BEFORE_ALL).knows_waiting);
    };
    check();
    fresh.assign(5, &[number(2), number(1)]);
    check();
    assert_eq!(fresh.look(&by_serial("A"), BEFORE_ALL).portions, BTreeSet::from([5]));
    let copied = fresh.copied(&BTreeSet::from([5]));
    assert_eq!((copied.serials.len(), copied.amounts.len()), (3, 2));
    fresh.forget_through(4);
    check();
    fresh.forget_through(5);
    assert!(look(&by_serial("A"), BEFORE_ALL).is_empty());
}

/// What began in an earlier life, or of which a part is missing, is not taken for known before it is read.
#[test]
fn what_is_not_known_whole_is_looked_for_elsewhere_until_it_is_read() {
    let fresh = Fresh::default();
    fresh.begin([number(1)]);
    fresh.add(&[ended(2, 3, "B"), simple(3), ended(3, 1, "C")]);
    let look = || fresh.look(&by_serial("B"), BEFORE_ALL);
    assert!(!look().knows_waiting && look().masters.is_empty());
    assert_eq!(fresh.unread(9), [1, 2, 3].map(number));
    assert_eq!(fresh.unread(2).len(), 2);
    fresh.assign(1, &[number(1), number(2)]);
    assert_eq!(look().portions, BTreeSet::new());
    assert!(!look().knows_waiting, "the third is waiting");
    let terms = || Terms { serials: vec![by_serial("B").key], ..Terms::default() };
    let version = fresh.version();
    for sequence in 1..=3 {
        fresh.learn(number(sequence), terms());
    }
    assert!(fresh.version() > version);
    fresh.learn(number(4), terms());
    let all = [3, 2, 1].map(number).to_vec();
    let known = Look { masters: all, portions: BTreeSet::from([1]), knows_waiting: true };
    assert_eq!(look(), known);
    assert!(fresh.unread(9).is_empty());
}

/// Runs are made of the oldest: where there is no room, those stay, and what was dropped is not taken for known.
#[test]
fn where_there_is_no_room_the_newest_are_dropped_and_known_to_be() {
    let fresh = Fresh::default();
    fresh.begin([]);
    let add = |portion: i64, sequence: u64| {
        fresh.add(&[simple(sequence), ended(sequence, 0, "A")]);
        fresh.assign(portion, &[number(sequence)]);
    };
    for portion in 1..=6 {
        add(portion, portion.cast_unsigned());
    }
    // More comes to one that was dropped, and to the one that is being filled.
    add(5, 7);
    add(6, 8);
    let numbers = fresh.numbers();
    assert_eq!(numbers.whole, BTreeSet::from([1, 2, 3, 6]));
    assert_eq!((&numbers.held, &numbers.dropped), (&numbers.whole, &BTreeSet::from([4, 5])));
    let found = fresh.look(&by_serial("A"), BEFORE_ALL);
    assert_eq!(found.masters, [8, 6, 3, 2, 1].map(number));
    assert_eq!(found.portions, numbers.whole);
    // It is read again.
    fresh.put(4, Portion::default());
    let numbers = fresh.numbers();
    assert_eq!(numbers.held, BTreeSet::from([1, 2, 3, 4]));
    assert_eq!(numbers.dropped, BTreeSet::from([5, 6]));
    fresh.forget_through(5);
    let numbers = fresh.numbers();
    assert_eq!((numbers.held, numbers.dropped), (BTreeSet::new(), BTreeSet::from([6])));
}

/// A commit of the index of accounts was not confirmed: what may be in a portion is read before that counts as known.
#[test]
fn a_portion_that_is_in_doubt_is_not_known_until_it_is_read() {
    let fresh = Fresh::default();
    fresh.begin([]);
    fresh.add(&[simple(1), ended(1, 0, "A"), simple(2), ended(2, 0, "A")]);
    fresh.assign(3, &[number(1)]);
    assert!(!fresh.is_in_doubt());
    let version = fresh.version();
    fresh.doubt(Some(3));
    assert!(fresh.is_in_doubt() && fresh.version() > version);
    let numbers = fresh.numbers();
    assert_eq!((numbers.held, numbers.dropped), (BTreeSet::new(), BTreeSet::from([3])));
    let look = fresh.look(&by_serial("A"), BEFORE_ALL);
    assert_eq!((look.masters, look.portions), (vec![number(2)], BTreeSet::new()));
    fresh.look_anew();
    fresh.doubt(None);
    assert!(fresh.is_in_doubt(), "a new one may have been begun");
    assert_eq!(fresh.numbers().dropped, BTreeSet::from([3]));
}

/// What waits and is not known may be entered, while somebody looks, in the portion that is being filled.
#[test]
fn the_portion_that_is_filled_is_not_taken_for_known_while_something_unknown_waits() {
    let fresh = Fresh::default();
    fresh.begin([]);
    for portion in 1..=2 {
        fresh.add(&[simple(portion), ended(portion, 0, "A")]);
        fresh.assign(portion.cast_signed(), &[number(portion)]);
    }
    let portions = || fresh.look(&by_serial("A"), BEFORE_ALL).portions;
    assert_eq!(portions(), BTreeSet::from([1, 2]));
    fresh.add(&[ended(9, 2, "A")]);
    assert_eq!(portions(), BTreeSet::from([1]));
}

#[test]
fn an_outcome_has_no_word_of_its_own() {
    // What is hashed is what trails say; an answer's body is not looked into.
    let fresh = Fresh::default();
    fresh.begin([]);
    let mut write = ended(1, 0, "A");
    let body = said("B").into();
    write.outcome = write.outcome.map(|outcome| Outcome { answer_body: body, ..outcome });
    fresh.add(&[simple(1), write]);
    assert!(fresh.look(&by_serial("B"), BEFORE_ALL).masters.is_empty());
}
