use super::*;
use crate::books::{Fact, Rules};
use crate::faults::{FaultPlan, Rule};
use domain::message::{CounterId, EntryKind, Posting, Query, Reversal};
use domain::money::Currency;
use domain::profile::Profile;
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence};
use proptest::prelude::*;
use std::collections::HashSet;

const ACTIONS: [Action; 15] = [
    Action::Drop,
    Action::NoAnswer,
    Action::LateMs(5),
    Action::Twice,
    Action::ProcessingMs(5),
    Action::OnItsWayMs(5),
    Action::Contradict,
    Action::Garbage,
    Action::HalfWrite,
    Action::CloseBefore,
    Action::CloseAfter,
    Action::FreezeMs(5),
    Action::Refuse(AnswerCode::OVER_LIMIT),
    Action::ForgetSessions,
    Action::RestartMs(5),
];

fn day() -> Day {
    Day::new(20_261_121).expect("a day")
}

fn account() -> AccountId {
    AccountId::new("A").expect("an account")
}

fn counter(action: Action, seed: u64) -> Counter {
    counter_of(Profile::default(), action, 0.5, seed)
}

fn counter_of(profile: Profile, action: Action, probability: f64, seed: u64) -> Counter {
    let rules = Rules {
        counter: CounterId::new("securities").expect("an id"),
        profile,
        currency: Currency::CNY,
        settings: Vec::new(),
        open: true,
        tells_highest_serial: true,
    };
    let mut books = Books::new(rules, day());
    books.open_account(&account(), 1000, 0).expect("opens");
    let rule = Rule {
        on: vec![Occasion::Debit, Occasion::Credit, Occasion::Reversal],
        account: None,
        amount: None,
        skip: 0,
        every: 1,
        probability: Some(probability),
        times: None,
        action,
    };
    let plan = FaultPlan { rules: vec![rule], ..FaultPlan::default() };
    Counter::new(books, Dice::new(plan.checked().expect("a plan").rules, seed), None)
}

fn instruction(sequence: u64, what: u8) -> Instruction {
    let sequence = Sequence::new(sequence).expect("a sequence");
    let master = MasterSerial { day: day(), sequence };
    let amount = Amount::new(100).expect("an amount");
    let posting = |role| Posting {
        serial: master.leg(role),
        master,
        settle_day: day(),
        account: account(),
        amount,
        currency: Currency::CNY,
        mark: Some(Mark(sequence.number())),
    };
    match what {
        0 => Instruction::Debit(posting(Role::Debit)),
        1 => Instruction::Credit(posting(Role::Credit)),
        2 => Instruction::Reverse(Reversal {
            serial: master.leg(Role::Reversal),
            original: master.leg(Role::Debit),
            master,
            settle_day: day(),
            account: account(),
            amount,
            currency: Currency::CNY,
            mark: Some(Mark(sequence.number())),
        }),
        _ => Instruction::Query(Query {
            serial: master.leg(Role::Debit),
            settle_day: day(),
            look: Look::Fence,
            mark: Some(Mark(sequence.number())),
        }),
    }
}

/// Where a counter does not dedupe, a serial that comes again is posted again: once, also if the plan
/// wants it to take its time.
#[test]
fn what_is_decided_at_once_is_not_decided_once_more() {
    let profile = Profile { dedupes: false, ..Profile::default() };
    let mut counter = counter_of(profile, Action::ProcessingMs(5), 1.0, 1);
    let mut postings = Vec::new();
    for id in 1..=2 {
        let mut deeds = Vec::new();
        counter.receive(Visit::Request(RequestId(id), instruction(1, 0)), 0, &mut deeds);
        for deed in std::mem::take(&mut deeds) {
            if let Deed::After(_, chore) = deed {
                counter.attend(chore, 0, &mut deeds);
            }
        }
        postings.push(counter.take_lines().count());
    }
    assert_eq!(postings, [1, 1]);
}

proptest! {
    /// Whatever goes wrong, and in whatever order the deferred comes, the books stay true.
    #[test]
    fn no_fault_posts_a_serial_twice_or_behind_a_fence(
        action in prop::sample::select(ACTIONS.to_vec()),
        seed in any::<u64>(),
        requests in prop::collection::vec((1..5_u64, 0..4_u8, any::<bool>()), 1..60),
    ) {
        let mut counter = counter(action, seed);
        let mut deeds = Vec::new();
        let mut chores = Vec::new();
        for (number, (sequence, what, attend)) in requests.into_iter().enumerate() {
            let id = RequestId(u64::try_from(number).expect("small"));
            let visit = Visit::Request(id, instruction(sequence, what));
            counter.receive(visit, 0, &mut deeds);
            chores.extend(deeds.drain(..).filter_map(|deed| match deed {
                Deed::After(_, chore) => Some(chore),
                Deed::Here(_) | Deed::Everywhere(_) => None,
            }));
            if attend && let Some(chore) = chores.pop() {
                counter.attend(chore, 0, &mut deeds);
            }
        }
        for chore in chores {
            counter.attend(chore, 0, &mut deeds);
        }
        let mut balance = 1000;
        let mut dead = HashSet::new();
        for line in counter.take_lines().collect::<Vec<_>>() {
            match line.fact().expect("a fact") {
                Fact::Posted(order) => {
                    prop_assert!(dead.insert(order.key()), "posted again: {:?}", order);
                    balance += match order.kind {
                        EntryKind::Debit => -100,
                        EntryKind::Credit | EntryKind::Reversal => 100,
                    };
                    prop_assert_eq!(line.balance_after, Some(balance));
                }
                Fact::Fenced { settle_day, serial, mark: _ } => {
                    dead.insert((settle_day, serial));
                }
                Fact::Refused(..) | Fact::CutOver(_) | Fact::Opened { .. } => {}
            }
        }
        prop_assert_eq!(counter.books().balances().map(|(_, minor)| minor).sum::<i64>(), balance);
    }
}
