//! A transfer that moves while it is looked for.

use super::*;
use crate::trail::{Entry, LegEntry, part};
use bytes::Bytes;
use domain::message::{AccountId, CounterId, Place};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::serial::{Day, Role, Sequence};
use domain::transfer::{Knowledge, Leg, ParkReason, Phase, Transfer};
use std::cell::{Cell, RefCell};
use store::{FinalState, Outcome, Write, WriteId};

/// A transfer that was begun with this number.
pub(crate) fn new(number: u64) -> NewTransfer {
    let day = Day::new(20_261_121).expect("a day");
    let sequence = Sequence::new(number).expect("a sequence");
    let place = |counter: &str, account: &str| Place {
        counter: CounterId::new(counter).expect("a counter"),
        account: AccountId::new(account).expect("an account"),
    };
    NewTransfer {
        master: MasterSerial { day, sequence },
        app: "shop".into(),
        idempotency_key: number.to_string().into(),
        fingerprint: [0; 32],
        order: Order {
            from: place("securities", "6001"),
            to: place("futures", "8001"),
            amount: Amount::new(1).expect("an amount"),
            currency: Currency::CNY,
        },
        debit_day: day,
        credit_day: day,
        credit_barrier: false,
        created_at: 1,
        deadline_at: 2,
        mark: None,
    }
}

pub(crate) fn view(number: u64) -> View {
    let new = new(number);
    View {
        transfer: Transfer::accepted(crate::shard::intent(&new)),
        app: new.app,
        created_at: 1,
        updated_at: 1,
        deadline_at: 2,
        outlook: None,
        choices: None,
        dealing: crate::Dealing::Nobody,
        is_ending: false,
    }
}

fn entry(phase: Phase, credit: Option<Knowledge>) -> String {
    let leg = credit
        .map(|knowledge| LegEntry::of(Role::Credit, &Leg { knowledge, sent: 1, ..Leg::new() }));
    part(&[Entry {
        at: 5,
        event: "something".to_owned(),
        phase,
        under: None,
        received: None,
        leg,
        reason: None,
        dealing: None,
    }])
}

/// Where the transfer is after so many looks at anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// In the record, and handed to no shard yet.
    Waits,
    Live,
    Ended,
    Nowhere,
}

/// Somewhere first, and somewhere else after some looks, and again.
struct World {
    looks: Cell<usize>,
    course: Vec<(usize, Where)>,
    shown: RefCell<Vec<Where>>,
}

impl World {
    fn look(&self) -> Where {
        let look = self.looks.get();
        self.looks.set(look + 1);
        let now = self.course.iter().rev().find(|(from, _)| *from <= look);
        let now = now.map_or(Where::Nowhere, |(_, now)| *now);
        self.shown.borrow_mut().push(now);
        now
    }
}

impl Memory for World {
    async fn live(&self, _: MasterSerial) -> Option<View> {
        (self.look() == Where::Live).then(|| view(1))
    }
}

impl Record for World {
    async fn stored(&self, _: MasterSerial) -> Result<Option<Stored>, StoreError> {
        let (outcome, open_state) = match self.look() {
            Where::Nowhere => return Ok(None),
            Where::Waits | Where::Live => (None, Some(OpenState::NeedsOperator)),
            Where::Ended => {
                let outcome = Outcome {
                    state: FinalState::Completed,
                    reason: None,
                    finished_at: 9,
                    answer_status: 201,
                    answer_body: Bytes::from_static(b"{}"),
                };
                (Some(outcome), None)
            }
        };
        Ok(Some(Stored { transfer: new(1), outcome, open_state }))
    }

    async fn trail(&self, _: MasterSerial) -> Result<Vec<String>, StoreError> {
        let parked = entry(Phase::Parked(ParkReason::CreditUnresolved), Some(Knowledge::Unknown));
        Ok(match self.look() {
            Where::Nowhere => Vec::new(),
            Where::Waits | Where::Live => vec![parked],
            Where::Ended => vec![parked, entry(Phase::Completed, Some(Knowledge::Done))],
        })
    }
}

async fn look(course: Vec<(usize, Where)>) -> (Option<Found>, Vec<Where>) {
    let world = World { looks: Cell::new(0), course, shown: RefCell::default() };
    let found = find(&world, &world, new(1).master).await.expect("the record answers");
    (found, world.shown.into_inner())
}

#[tokio::test]
async fn whenever_it_moves_it_is_shown_where_it_was_at_some_look() {
    let mut seen = [0; 3];
    for taken_up in 0..9 {
        for ended in taken_up..9 {
            for first in [Where::Waits, Where::Live] {
                let course = vec![(0, first), (taken_up, Where::Live), (ended, Where::Ended)];
                let (found, shown) = look(course).await;
                match found.expect("it was never nowhere") {
                    Found::Ended(stored) => {
                        assert!(stored.outcome.is_some());
                        assert!(shown.contains(&Where::Ended));
                        seen[0] += 1;
                    }
                    Found::Open(view) if view.transfer.phase == Phase::Accepted => {
                        assert!(shown.contains(&Where::Live), "as it is in its shard");
                        seen[1] += 1;
                    }
                    Found::Open(view) => {
                        // By its trail: parked, with its true reason and its true leg.
                        assert_eq!(
                            view.transfer.phase,
                            Phase::Parked(ParkReason::CreditUnresolved)
                        );
                        assert_eq!(view.transfer.credit.knowledge, Knowledge::Unknown);
                        assert_eq!(view.updated_at, 5);
                        // The last look but one is into the shard, after the trail was read.
                        assert_eq!(shown[shown.len() - 2], Where::Waits, "it stood still");
                        seen[2] += 1;
                    }
                }
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 3), "{seen:?}");
}

#[tokio::test]
async fn one_that_nobody_takes_up_is_shown_by_its_trail_and_one_that_is_nowhere_is_not() {
    let (found, _) = look(vec![(0, Where::Waits)]).await;
    let Some(Found::Open(view)) = found else { panic!("{found:?}") };
    assert_eq!(view.transfer.phase, Phase::Parked(ParkReason::CreditUnresolved));
    assert!(look(Vec::new()).await.0.is_none());
}

/// In no memory.
struct Nobody;

impl Memory for Nobody {
    async fn live(&self, _: MasterSerial) -> Option<View> {
        None
    }
}

/// What a record of its own says of one that is open, and was taken up by nobody.
#[tokio::test]
async fn one_at_rest_is_shown_by_the_trail_in_its_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
    let store = Store::open(&url).await.expect("a record");
    let (done, mut written) = tokio::sync::mpsc::unbounded_channel();
    let parked = entry(Phase::Parked(ParkReason::CreditUnresolved), Some(Knowledge::Unknown));
    let accept = Write {
        accept: Some(new(1)),
        state: Some(OpenState::NeedsOperator),
        trail: Some((0, parked)),
        ..Write::of(WriteId(1), new(1).master)
    };
    store.journal().submit(vec![accept], &done);
    let answers = written.recv().await.expect("an answer");
    assert!(answers.iter().all(|answer| answer.result.is_ok()), "{answers:?}");
    let found = find(&Nobody, &store, new(1).master).await.expect("the record answers");
    let Some(Found::Open(view)) = found else { panic!("{found:?}") };
    assert_eq!(view.transfer.phase, Phase::Parked(ParkReason::CreditUnresolved));
    assert_eq!(view.updated_at, 5);
    assert!(find(&Nobody, &store, new(2).master).await.expect("it answers").is_none());
    store.close().await;
}

fn page(numbers: &[u64], looked_to: Option<u64>) -> ShardPage {
    let looked_to = looked_to.map(|number| new(number).master);
    ShardPage { views: numbers.iter().map(|number| view(*number)).collect(), looked_to }
}

#[test]
fn a_page_ends_where_one_shard_has_not_looked_farther() {
    let numbers = |views: &[View]| -> Vec<u64> {
        views.iter().map(|view| view.transfer.intent.master.sequence.number()).collect()
    };
    let next = |next: Option<MasterSerial>| next.map(|master| master.sequence.number());
    let (views, after) = merged(vec![page(&[9, 5], None), page(&[8, 2], None)], 9);
    assert_eq!((numbers(&views), next(after)), (vec![9, 8, 5, 2], None));
    let (views, after) = merged(vec![page(&[9, 5], None), page(&[8, 6], Some(6))], 9);
    assert_eq!((numbers(&views), next(after)), (vec![9, 8, 6], Some(6)));
    let (views, after) = merged(vec![page(&[9, 7], Some(7)), page(&[8, 6], Some(6))], 2);
    assert_eq!((numbers(&views), next(after)), (vec![9, 8], Some(8)));
    // As long as it may be, and nothing is behind it.
    let (views, after) = merged(vec![page(&[9], None), page(&[8], None)], 2);
    assert_eq!((numbers(&views), next(after)), (vec![9, 8], None));
    let (views, after) = merged(vec![page(&[], Some(4)), page(&[3], None)], 2);
    assert_eq!((numbers(&views), next(after)), (vec![], Some(4)));
}

fn found(number: u64, outcome: bool) -> Found {
    if !outcome {
        return Found::Open(Box::new(view(number)));
    }
    let outcome = Outcome {
        state: FinalState::Refused,
        reason: None,
        finished_at: 9,
        answer_status: 200,
        answer_body: Bytes::from_static(b"{}"),
    };
    let (transfer, outcome) = (new(number), Some(outcome));
    Found::Ended(Box::new(Stored { transfer, outcome, open_state: None }))
}

#[test]
fn what_is_open_and_what_has_ended_make_one_page() {
    let page = |numbers: &[u64], ended, next: Option<u64>| Page {
        transfers: numbers.iter().map(|number| found(*number, ended)).collect(),
        next: next.map(|number| new(number).master),
    };
    let check = |open: Page, ended: Page, limit, expected: &str| {
        let Page { transfers, next } = both(open, ended, limit);
        let words: Vec<String> = transfers
            .iter()
            .map(|found| {
                let number = found.master().sequence.number();
                let is_open = matches!(found, Found::Open(_));
                format!("{number}{}", if is_open { " open" } else { "" })
            })
            .collect();
        let next = next.map_or("end".to_owned(), |next| next.sequence.number().to_string());
        assert_eq!(format!("{}; {next}", words.join(", ")), expected);
    };
    let all = || page(&[9, 4, 3], false, None);
    check(all(), page(&[8, 2], true, None), 9, "9 open, 8, 4 open, 3 open, 2; end");
    // One ended between the two looks.
    check(all(), page(&[8, 4, 2], true, None), 9, "9 open, 8, 4, 3 open, 2; end");
    // Neither goes beyond where the other has looked.
    check(all(), page(&[8, 7], true, Some(7)), 9, "9 open, 8, 7; 7");
    check(page(&[9, 5], false, Some(5)), page(&[8, 2], true, None), 9, "9 open, 8, 5 open; 5");
    check(all(), page(&[8, 2], true, None), 2, "9 open, 8; 8");
    check(page(&[9], false, None), page(&[8], true, None), 2, "9 open, 8; end");
    check(page(&[], false, None), page(&[8, 2], true, Some(2)), 2, "8, 2; 2");
    check(page(&[], false, Some(6)), page(&[], true, None), 2, "; 6");
}
