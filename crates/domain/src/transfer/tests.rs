//! The machine's courses as data, and the properties that no sequence of events may break.

use super::recovery::Remembered;
use super::*;
use crate::message::{AccountId, AnswerCode, CounterId, Posted};
use crate::money::{Amount, Currency};
use crate::order::Order;
use crate::serial::Sequence;
use expect_test::{Expect, expect};
use foreign::ForeignText;
use proptest::prelude::*;

mod balance;
mod booked;
mod courses;
mod days;
mod in_doubt;
mod learned;
mod lost_days;
mod parked;
mod sequences;
mod standing;

pub(super) fn intent() -> Intent {
    let place = |counter: &str, account: &str| Place {
        counter: CounterId::new(counter).expect("a counter"),
        account: AccountId::new(account).expect("an account"),
    };
    Intent {
        master: MasterSerial {
            day: Day::new(20_261_121).expect("a day"),
            sequence: Sequence::new(42).expect("a sequence"),
        },
        order: Order {
            from: place("securities", "6001"),
            to: place("futures", "8001"),
            amount: Amount::new(100_000).expect("an amount"),
            currency: Currency::CNY,
        },
        debit_day: Day::new(20_261_121).expect("a day"),
        credit_day: Day::new(20_261_121).expect("a day"),
        credit_barrier: false,
        mark: Some(Mark(7)),
    }
}

/// Two counters of which neither is held, on the day of the debit.
pub(super) fn ground<'p>(
    debit: &'p Profile,
    credit: &'p Profile,
    patience: u16,
) -> StepContext<'p> {
    StepContext {
        debit,
        credit,
        debit_day: Some(intent().debit_day),
        credit_day: Some(intent().credit_day),
        patience,
        behind: false,
        debit_held: false,
        credit_held: false,
        claimed: false,
    }
}

pub(super) fn told(evidence: Evidence, weight: Weight) -> LegReport {
    let answer = |code| Some(Answer { code, text: ForeignText::default() });
    let posted = Posted {
        counter_serial: "C1".into(),
        settle_day: intent().debit_day,
        account: intent().order.from.account,
        amount: intent().order.amount,
        currency: Currency::CNY,
        original: None,
    };
    match evidence {
        Evidence::Done => {
            let answer = answer(AnswerCode::DONE);
            LegReport { answer, posted: Some(posted), ..LegReport::nothing(evidence, weight) }
        }
        Evidence::Refused => {
            let answer = answer(AnswerCode::INSUFFICIENT_FUNDS);
            LegReport { answer, ..LegReport::nothing(evidence, weight) }
        }
        Evidence::NotExecuted => {
            let answer = answer(AnswerCode::FENCED);
            LegReport { answer, ..LegReport::nothing(evidence, weight) }
        }
        Evidence::NotFound | Evidence::Silent | Evidence::NotSent => {
            LegReport::nothing(evidence, weight)
        }
    }
}

/// Refused, because the counter is closed or the day is over.
pub(super) fn closed(weight: Weight) -> LegReport {
    let answer = Answer { code: AnswerCode::CLOSED, text: ForeignText::default() };
    LegReport { answer: Some(answer), ..told(Evidence::Refused, weight) }
}

/// A counter that promises nothing but to debit and credit.
pub(super) fn weak() -> Profile {
    Profile {
        dedupes: false,
        refusals_stick: false,
        can_fence: false,
        can_reverse: true,
        can_query_reversals: false,
        ..Profile::default()
    }
}

/// Reads `debit done; query credit not_found; fence debit not_executed; wake; expire; cutover;
/// decide refused` and says what followed from each. After `behind` the record is behind until
/// `released`; `restored` is a crash after which it is. It is `claimed` until it is `unclaimed`, and
/// between `hush` and `say` nothing is said of what follows.
fn check(profile: &Profile, story: &str, expected: &Expect) {
    let mut transfer = Transfer::accepted(intent());
    let mut today = intent().debit_day;
    let (mut behind, mut claimed, mut hushed) = (false, false, false);
    let mut lines = String::new();
    for words in story.split(';').map(str::trim) {
        if words == "claimed" || words == "unclaimed" {
            claimed = words == "claimed";
            continue;
        }
        if words == "hush" || words == "say" {
            hushed = words == "hush";
            continue;
        }
        if words == "cutover" {
            today = Day::from_unix_days(today.unix_days() + 1);
            continue;
        }
        if words == "behind" || words == "released" {
            behind = words == "behind";
            continue;
        }
        if words == "crash" || words == "restored" {
            behind |= words == "restored";
            // The trail does not keep which days are still to be asked about.
            let legs = Role::ALL.map(|role| Leg { days_unasked: 0, ..transfer.leg(role).clone() });
            transfer = Transfer::recovered(Remembered {
                intent: Intent { credit_barrier: !profile.dedupes, ..intent() },
                phase: transfer.phase,
                legs,
                reason: transfer.reason,
                doubted: words == "restored",
            });
            continue;
        }
        let mut event = event(words);
        if let Event::Told(role, LegReport { posted: Some(posted), .. }) = &mut event {
            posted.settle_day = transfer.asked_day(*role);
        }
        let ground = StepContext {
            debit_day: Some(today),
            credit_day: Some(today),
            behind,
            claimed,
            ..ground(profile, profile, 3)
        };
        let line = match step(&mut transfer, &event, &ground) {
            Ok(step) => format!(
                "{words} -> {:?}: {:?}{}{}{}",
                transfer.phase,
                step.action,
                day_of(&transfer, step.action),
                if step.barrier { ", durable first" } else { "" },
                match step.verdict {
                    Verdict::Fresh => "",
                    Verdict::Stale => " (stale)",
                    Verdict::Contradiction => " (CONTRADICTION)",
                }
            ),
            Err(illegal) => format!("{words} -> illegal: {illegal}"),
        };
        if !hushed {
            lines.push_str(&line);
            lines.push('\n');
        }
    }
    expected.assert_eq(&lines);
}

/// The day of what is sent or asked, unless it is the first.
fn day_of(transfer: &Transfer, action: Action) -> String {
    let (role, day) = match action {
        Action::Send(role) => (role, transfer.bound_day(role)),
        Action::Ask(role, _) => (role, transfer.asked_day(role)),
        Action::Pause | Action::Stay | Action::Finish => return String::new(),
    };
    let first = transfer.bound_days(role).next() == Some(day);
    if first && transfer.leg(role).rebound.is_empty() {
        String::new()
    } else {
        format!(" of {day}")
    }
}

fn event(words: &str) -> Event {
    let parts: Vec<&str> = words.split(' ').collect();
    let (weight, parts) = match parts[0] {
        "query" => (Weight::Query, &parts[1..]),
        "fence" => (Weight::Truth, &parts[1..]),
        _ => (Weight::Answer, &parts[..]),
    };
    let role = match parts[0] {
        "wake" => return Event::Wake,
        "expire" => return Event::Expire,
        "decide" => {
            let decision = Decision::ALL.into_iter().find(|decision| decision.as_str() == parts[1]);
            return Event::Decide(decision.expect("a decision"));
        }
        role => Role::ALL.into_iter().find(|one| one.as_str() == role).expect("a role"),
    };
    let evidence = match parts[1] {
        "done" => Evidence::Done,
        "refused" => Evidence::Refused,
        "closed" => return Event::Told(role, closed(weight)),
        "not_executed" => Evidence::NotExecuted,
        "not_found" => Evidence::NotFound,
        "silent" => Evidence::Silent,
        "not_sent" => Evidence::NotSent,
        "other_mark" | "known_before" => {
            let doubt =
                if parts[1] == "other_mark" { Doubt::OtherMark } else { Doubt::KnownBefore };
            let told = LegReport { doubt: Some(doubt), ..told(Evidence::Silent, weight) };
            return Event::Told(role, told);
        }
        other => panic!("no evidence is called {other}"),
    };
    Event::Told(role, told(evidence, weight))
}

fn standard(story: &str, expected: &Expect) {
    check(&Profile::default(), story, expected);
}

fn any_told() -> impl Strategy<Value = Event> {
    (
        prop::sample::select(&Role::ALL[..]),
        prop::sample::select(&Evidence::ALL[..]),
        prop::sample::select(&[Weight::Answer, Weight::Query, Weight::Truth][..]),
    )
        .prop_map(|(role, evidence, weight)| Event::Told(role, told(evidence, weight)))
}

fn any_closed() -> impl Strategy<Value = Event> {
    (
        prop::sample::select(&[Role::Debit, Role::Credit][..]),
        prop::sample::select(&[Weight::Answer, Weight::Query, Weight::Truth][..]),
    )
        .prop_map(|(role, weight)| Event::Told(role, closed(weight)))
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Wake),
        1 => Just(Event::Expire),
        8 => any_told(),
        2 => any_closed(),
        1 => prop::sample::select(&Decision::ALL[..]).prop_map(Event::Decide),
    ]
}

fn any_profile() -> impl Strategy<Value = Profile> {
    any::<[bool; 5]>().prop_map(|[dedupes, refusals_stick, can_fence, can_reverse, queries]| {
        Profile {
            dedupes,
            refusals_stick,
            can_fence,
            can_reverse,
            can_query_reversals: queries,
            ..Profile::default()
        }
    })
}
