use super::*;

fn known_to_be_left(portions: &[i64]) -> Terms {
    let mut terms = Terms::new(Arc::default());
    terms.has_all_earlier = true;
    terms.left = Some(Left { through: 0, portions: portions.iter().copied().collect() });
    terms
}

fn read_one(terms: &Terms, number: i64) {
    terms.recent.terms.put(number, Portion::default());
}

#[test]
fn after_a_failure_it_rests_and_begins_with_what_is_durable() {
    let mut terms = Terms::new(Arc::default());
    assert!(terms.is_due(None), "it has not looked yet");
    terms = known_to_be_left(&[]);
    assert!(!terms.is_due(Some(3)));
    assert_eq!(terms.due_in(Some(3)), None);
    terms.rest();
    assert!(!terms.is_due(Some(4)) && !terms.is_due_among_others(Some(4)));
    assert!(terms.due_in(Some(4)).is_some_and(|wait| wait <= REST && REST / 2 < wait));
    terms.not_before = Some(Instant::now());
    assert!(terms.is_due(Some(3)) && terms.is_due_among_others(Some(3)));
}

#[test]
fn each_failure_halves_the_step_and_lets_the_other_kind_go_first() {
    let mut terms = Terms::new(Arc::default());
    let mut steps = Vec::new();
    for failures in 1..=4 {
        terms.rest();
        assert_eq!(terms.earlier_first, failures % 2 == 1);
        steps.push(terms.step);
    }
    assert_eq!((A_STEP, steps), (7, vec![3, 1, 1, 1]));
}

/// What was read stays known, and what is written is begun anew: the next tries go on, however slow a disk is.
#[test]
fn a_failure_loses_nothing_of_what_was_read() {
    let mut terms = known_to_be_left(&[1]);
    terms.reading = Some(Reading { number: 1, left: vec![7], portion: Portion::default() });
    terms.gathering = Some(Gathering { transfers: 3, oldest: Some(4), ..Gathering::default() });
    let mut gathered = Portion::default();
    for one in 0..12 {
        gathered.add(one, &Known { amount: one, ..Known::default() });
    }
    let mut writing = Writing::of(None, gathered, Then::Oldest(4));
    (writing.number, writing.left) = (Some(-3), 1);
    terms.writing = Some(writing);
    terms.rest();
    assert!(terms.left.is_none(), "it is asked anew");
    assert_eq!(terms.reading.as_ref().map(|reading| reading.left.len()), Some(1));
    assert_eq!(terms.gathering.as_ref().map(|gathering| gathering.transfers), Some(3));
    let writing = terms.writing.as_ref().expect("it is written anew");
    assert_eq!((writing.number, writing.left, writing.rows.len()), (None, 3, 3));
    // Of portions of accounts memory has all until a run is known to be written.
    terms.writing = Some(Writing::of(Some(1), Portion::default(), Then::Through(2)));
    terms.rest();
    assert!(terms.writing.is_none());
}

/// What is complete and unknown is read, the oldest first; a run is made once all of it is known and complete.
#[test]
fn a_run_is_ready_once_all_its_portions_are_complete_and_known() {
    let terms = known_to_be_left(&[1, 2, 3]);
    let looks = |open| {
        let left = terms.left.as_ref().expect("it has looked");
        (terms.to_read(left, open), terms.ready(left, open).map(|(number, _)| number))
    };
    assert_eq!(looks(Some(3)), (Some(1), None));
    read_one(&terms, 1);
    assert_eq!(looks(Some(3)), (Some(2), None));
    assert_eq!(looks(Some(2)), (Some(3), None), "the second is being filled");
    read_one(&terms, 2);
    assert_eq!(looks(Some(2)), (Some(3), None), "more comes to the second");
    assert_eq!(looks(Some(3)), (None, Some(1)));
    assert_eq!(looks(None), (Some(3), Some(1)), "nothing is being filled yet");
    terms.recent.terms.forget_through(2);
    read_one(&terms, 3);
    let later = known_to_be_left(&[3]);
    read_one(&later, 3);
    let left = later.left.as_ref().expect("it has looked");
    assert_eq!(later.ready(left, None), None, "the fourth is missing");
}

/// Whether there is something is asked after each batch, and found out anew only when something has changed.
#[test]
fn that_there_is_nothing_is_remembered_until_something_changes() {
    let terms = known_to_be_left(&[]);
    assert_eq!(terms.due_in(Some(1)), None);
    let remembered = terms.has_nothing_at.get().expect("remembered");
    assert_eq!(remembered, (terms.recent.terms.version(), Some(1)));
    terms.recent.terms.assign(1, &[7]);
    assert!(terms.is_due(Some(1)), "nothing is known of what was assigned");
    terms.recent.terms.learn(7, Known::default());
    assert_eq!(terms.due_in(Some(1)), None);
    assert_eq!(terms.due_in(Some(2)), None, "the second is missing");
    terms.recent.terms.assign(2, &[]);
    assert_eq!(terms.due_in(Some(2)), None, "more comes to it");
    assert!(terms.is_due(Some(3)));
}
