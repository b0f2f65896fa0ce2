//! The machine's courses as data, and the properties that no sequence of events may break.

use super::recovery::Remembered;
use super::*;
use crate::message::{AccountId, AnswerCode, CounterId, Posted};
use crate::serial::Sequence;
use expect_test::{Expect, expect};
use proptest::prelude::*;

mod lost_days;
mod parked;

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
        from: place("securities", "6001"),
        to: place("futures", "8001"),
        amount: Amount::new(100_000).expect("an amount"),
        currency: Currency::CNY,
        debit_day: Day::new(20_261_121).expect("a day"),
        credit_day: Day::new(20_261_121).expect("a day"),
        mark: Some(Mark(7)),
    }
}

/// Two counters of which neither is held, on the day of the debit.
pub(super) fn ground<'p>(debit: &'p Profile, credit: &'p Profile, patience: u16) -> Ground<'p> {
    Ground {
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

pub(super) fn told(evidence: Evidence, weight: Weight) -> Told {
    let answer = |code| Some(Answer { code, text: String::new() });
    let posted = Posted {
        counter_serial: "C1".to_owned(),
        settle_day: intent().debit_day,
        account: intent().from.account,
        amount: intent().amount,
        currency: Currency::CNY,
        original: None,
    };
    match evidence {
        Evidence::Done => {
            let answer = answer(AnswerCode::DONE);
            Told { evidence, weight, answer, posted: Some(posted), doubt: None }
        }
        Evidence::Refused => {
            let answer = answer(AnswerCode::INSUFFICIENT_FUNDS);
            Told { evidence, weight, answer, posted: None, doubt: None }
        }
        Evidence::NotExecuted => {
            let answer = answer(AnswerCode::FENCED);
            Told { evidence, weight, answer, posted: None, doubt: None }
        }
        Evidence::NotFound | Evidence::Silent | Evidence::NotSent => {
            Told::nothing(evidence, weight)
        }
    }
}

/// Refused, because the counter is closed or the day is over.
pub(super) fn closed(weight: Weight) -> Told {
    let answer = Answer { code: AnswerCode::CLOSED, text: String::new() };
    Told { answer: Some(answer), ..told(Evidence::Refused, weight) }
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
            let legs = Role::ALL.map(|role| transfer.leg(role).clone());
            transfer = Transfer::recovered(Remembered {
                intent: intent(),
                phase: transfer.phase,
                legs,
                credit_barrier: !profile.dedupes,
                reason: transfer.reason,
                doubted: words == "restored",
            });
            continue;
        }
        let mut event = event(words);
        if let Event::Told(role, Told { posted: Some(posted), .. }) = &mut event {
            posted.settle_day = transfer.asked_day(*role);
        }
        let ground = Ground {
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
            let told = Told { doubt: Some(doubt), ..told(Evidence::Silent, weight) };
            return Event::Told(role, told);
        }
        other => panic!("no evidence is called {other}"),
    };
    Event::Told(role, told(evidence, weight))
}

fn standard(story: &str, expected: &Expect) {
    check(&Profile::default(), story, expected);
}

/// Nothing is concluded from what may be another transfer's: it waits for a person, whatever it was
/// at, and asks on without being moved by the answers.
#[test]
fn what_may_be_anothers_posting_is_concluded_from_by_nobody() {
    standard(
        "wake; debit other_mark; wake; query debit other_mark; crash; wake; \
         query debit other_mark; decide resume; query debit other_mark; decide refused; \
         query debit other_mark",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit other_mark -> Parked(OtherMark): Pause (CONTRADICTION)
            wake -> Parked(OtherMark): Ask(Debit, Only)
            query debit other_mark -> Parked(OtherMark): Pause
            wake -> Parked(OtherMark): Ask(Debit, Only)
            query debit other_mark -> Parked(OtherMark): Pause
            decide resume -> DebitAsking: Ask(Debit, Only), durable first
            query debit other_mark -> Parked(OtherMark): Pause (CONTRADICTION)
            decide refused -> Refused: Finish, durable first
            query debit other_mark -> Refused: Stay (CONTRADICTION)
        "#]],
    );
    standard(
        "wake; debit done; credit known_before; wake; query credit known_before; expire; wake; \
         fence credit other_mark; decide completed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit known_before -> Parked(KnownBefore): Pause
            wake -> Parked(KnownBefore): Ask(Credit, Only)
            query credit known_before -> Parked(KnownBefore): Pause
            expire -> Parked(KnownBefore): Stay
            wake -> Parked(KnownBefore): Ask(Credit, Fence)
            fence credit other_mark -> Parked(OtherMark): Pause (CONTRADICTION)
            decide completed -> Completed: Finish, durable first
        "#]],
    );
    standard(
        "wake; debit done; credit refused; reversal known_before; wake; query reversal done; \
         decide reversed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit refused -> ReversalSent: Send(Reversal), durable first
            reversal known_before -> Parked(KnownBefore): Pause
            wake -> Parked(KnownBefore): Ask(Reversal, Only)
            query reversal done -> Parked(KnownBefore): Pause
            decide reversed -> Reversed: Finish, durable first
        "#]],
    );
    standard(
        "wake; debit done; debit other_mark; credit done",
        &expect![[r#"
        wake -> DebitSent: Send(Debit)
        debit done -> CreditSent: Send(Credit)
        debit other_mark -> CreditSent: Stay (CONTRADICTION)
        credit done -> Completed: Finish, durable first
    "#]],
    );
}

#[test]
fn a_record_that_is_behind_only_asks() {
    check(
        &Profile::default(),
        "behind; wake; wake; released; wake; behind; debit silent; query debit not_found; wake; \
         query debit done; wake; released; wake",
        &expect![[r#"
            wake -> DebitWaiting: Pause
            wake -> DebitWaiting: Pause
            wake -> DebitSent: Send(Debit)
            debit silent -> DebitAsking: Ask(Debit, Only)
            query debit not_found -> DebitAsking: Pause
            wake -> DebitAsking: Ask(Debit, Only)
            query debit done -> CreditWaiting: Pause
            wake -> CreditWaiting: Pause
            wake -> CreditSent: Send(Credit)
        "#]],
    );
    check(
        &Profile::default(),
        "wake; debit done; behind; credit silent; query credit not_found; expire; wake; \
         query credit not_found; released; wake; fence credit not_executed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit silent -> CreditAsking: Ask(Credit, Only)
            query credit not_found -> CreditAsking: Pause
            expire -> CreditAsking: Ask(Credit, Only)
            wake -> CreditAsking: Ask(Credit, Only)
            query credit not_found -> CreditAsking: Pause
            wake -> CreditFencing: Ask(Credit, Fence)
            fence credit not_executed -> ReversalSent: Send(Reversal), durable first
        "#]],
    );
    check(
        &Profile::default(),
        "wake; debit done; behind; credit refused; wake; query reversal not_found; wake; released; \
         wake; query reversal not_found; wake",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit refused -> ReversalWaiting: Pause, durable first
            wake -> ReversalProving: Ask(Reversal, Only)
            query reversal not_found -> ReversalWaiting: Pause
            wake -> ReversalProving: Ask(Reversal, Only)
            wake -> ReversalProving: Ask(Reversal, Only)
            query reversal not_found -> ReversalWaiting: Pause
            wake -> ReversalSent: Send(Reversal), durable first
        "#]],
    );
}

#[test]
fn a_credit_of_a_transfer_from_a_restored_record_is_never_sent() {
    check(
        &Profile::default(),
        "wake; restored; wake; query debit done; query credit not_found; wake; released; wake; \
         fence credit not_executed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            wake -> DebitAsking: Ask(Debit, Only)
            query debit done -> CreditAsking: Ask(Credit, Only)
            query credit not_found -> CreditAsking: Pause
            wake -> CreditAsking: Ask(Credit, Only)
            wake -> CreditFencing: Ask(Credit, Fence)
            fence credit not_executed -> ReversalSent: Send(Reversal), durable first
        "#]],
    );
    // The counter does not dedupe, and the record says that the credit was not sent: a lost tail
    // knew better.
    check(
        &weak(),
        "wake; restored; wake; query debit done; released; query credit done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            wake -> DebitAsking: Ask(Debit, Only)
            query debit done -> CreditAsking: Ask(Credit, Only)
            query credit done -> Completed: Finish, durable first
        "#]],
    );
}

#[test]
fn completed() {
    standard(
        "wake; debit done; credit done",
        &expect![[r#"
        wake -> DebitSent: Send(Debit)
        debit done -> CreditSent: Send(Credit)
        credit done -> Completed: Finish, durable first
    "#]],
    );
}

#[test]
fn refused() {
    standard(
        "wake; debit refused",
        &expect![[r#"
        wake -> DebitSent: Send(Debit)
        debit refused -> Refused: Finish, durable first
    "#]],
    );
}

#[test]
fn reversed_and_proven() {
    standard(
        "wake; debit done; credit refused; reversal done; query reversal done",
        &expect![[r#"
        wake -> DebitSent: Send(Debit)
        debit done -> CreditSent: Send(Credit)
        credit refused -> ReversalSent: Send(Reversal), durable first
        reversal done -> ReversalProving: Ask(Reversal, Only)
        query reversal done -> Reversed: Finish, durable first
    "#]],
    );
}

#[test]
fn a_lost_debit_is_asked_about_and_sent_again() {
    standard(
        "wake; debit silent; query debit not_found; debit done; credit done",
        &expect![[r#"
        wake -> DebitSent: Send(Debit)
        debit silent -> DebitAsking: Ask(Debit, Only)
        query debit not_found -> DebitSent: Send(Debit)
        debit done -> CreditSent: Send(Credit)
        credit done -> Completed: Finish, durable first
    "#]],
    );
}

#[test]
fn an_expired_debit_is_fenced_and_the_fence_decides() {
    standard(
        "wake; debit silent; expire; fence debit not_executed",
        &expect![[r#"
        wake -> DebitSent: Send(Debit)
        debit silent -> DebitAsking: Ask(Debit, Only)
        expire -> DebitFencing: Ask(Debit, Fence)
        fence debit not_executed -> Refused: Finish, durable first
    "#]],
    );
    standard(
        "wake; debit silent; expire; fence debit done; fence credit not_executed; reversal done; query reversal done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit silent -> DebitAsking: Ask(Debit, Only)
            expire -> DebitFencing: Ask(Debit, Fence)
            fence debit done -> CreditFencing: Ask(Credit, Fence)
            fence credit not_executed -> ReversalSent: Send(Reversal), durable first
            reversal done -> ReversalProving: Ask(Reversal, Only)
            query reversal done -> Reversed: Finish, durable first
        "#]],
    );
}

#[test]
fn an_expired_credit_is_fenced_before_the_debit_is_undone() {
    standard(
        "wake; debit done; credit silent; query credit silent; expire; fence credit done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit silent -> CreditAsking: Ask(Credit, Only)
            query credit silent -> CreditAsking: Pause
            expire -> CreditFencing: Ask(Credit, Fence)
            fence credit done -> Completed: Finish, durable first
        "#]],
    );
    standard(
        "wake; debit done; credit not_sent; expire; fence credit not_sent; wake; fence credit not_executed; reversal silent; wake; reversal done; query reversal done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit not_sent -> CreditWaiting: Pause
            expire -> CreditFencing: Ask(Credit, Fence)
            fence credit not_sent -> CreditFencing: Pause
            wake -> CreditFencing: Ask(Credit, Fence)
            fence credit not_executed -> ReversalSent: Send(Reversal), durable first
            reversal silent -> ReversalWaiting: Pause
            wake -> ReversalSent: Send(Reversal), durable first
            reversal done -> ReversalProving: Ask(Reversal, Only)
            query reversal done -> Reversed: Finish, durable first
        "#]],
    );
}

#[test]
fn patience_ends_with_a_person_and_asking_goes_on() {
    standard(
        "wake; debit silent; query debit silent; wake; query debit silent; wake; query debit silent; wake; query debit silent; wake; query debit done; decide refused; decide resume; credit done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit silent -> DebitAsking: Ask(Debit, Only)
            query debit silent -> DebitAsking: Pause
            wake -> DebitAsking: Ask(Debit, Only)
            query debit silent -> DebitAsking: Pause
            wake -> DebitAsking: Ask(Debit, Only)
            query debit silent -> DebitAsking: Pause
            wake -> DebitAsking: Ask(Debit, Only)
            query debit silent -> Parked(DebitUnresolved): Pause
            wake -> Parked(DebitUnresolved): Ask(Debit, Only)
            query debit done -> Parked(DebitUnresolved): Pause
            decide refused -> illegal: the decision contradicts the proof: the debit is Done
            decide resume -> CreditSent: Send(Credit), durable first
            credit done -> Completed: Finish, durable first
        "#]],
    );
}

#[test]
fn never_across_the_settle_day() {
    standard(
        "wake; debit done; credit silent; cutover; query credit refused",
        &expect![[r#"
        wake -> DebitSent: Send(Debit)
        debit done -> CreditSent: Send(Credit)
        credit silent -> CreditAsking: Ask(Credit, Only)
        query credit refused -> Parked(SettleDayPassed): Pause
    "#]],
    );
    standard(
        "wake; debit done; credit refused; reversal silent; cutover; wake; query reversal done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit refused -> ReversalSent: Send(Reversal), durable first
            reversal silent -> ReversalWaiting: Pause
            wake -> ReversalProving: Ask(Reversal, Only)
            query reversal done -> Reversed: Finish, durable first
        "#]],
    );
}

#[test]
fn a_final_state_is_never_left() {
    standard(
        "wake; debit done; credit done; debit done; credit refused; expire; wake; decide refused",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit done -> Completed: Finish, durable first
            debit done -> Completed: Stay (stale)
            credit refused -> Completed: Stay (CONTRADICTION)
            expire -> Completed: Stay (stale)
            wake -> Completed: Stay (stale)
            decide refused -> illegal: only a transfer that needs an operator can be decided
        "#]],
    );
}

#[test]
fn contradiction_on_the_way_needs_a_person() {
    standard(
        "wake; debit done; debit refused; credit done; decide resume; decide completed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            debit refused -> Parked(Contradicted): Pause (CONTRADICTION)
            credit done -> Parked(Contradicted): Pause
            decide resume -> illegal: the counter contradicted itself: decide the ending, it cannot be resumed
            decide completed -> Completed: Finish, durable first
        "#]],
    );
}

#[test]
fn a_weak_counter_is_never_sent_anything_twice() {
    check(
        &weak(),
        "wake; debit silent; query debit not_found; wake; fence debit not_executed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit silent -> DebitAsking: Ask(Debit, Only)
            query debit not_found -> DebitAsking: Pause
            wake -> DebitAsking: Ask(Debit, Only)
            fence debit not_executed -> Refused: Finish, durable first
        "#]],
    );
    check(
        &weak(),
        "wake; debit done; credit silent; query credit not_found; expire; wake; fence credit not_executed; reversal done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit), durable first
            credit silent -> CreditAsking: Ask(Credit, Only)
            query credit not_found -> CreditAsking: Pause
            expire -> CreditAsking: Pause
            wake -> CreditAsking: Ask(Credit, Only)
            fence credit not_executed -> ReversalSent: Send(Reversal), durable first
            reversal done -> Reversed: Finish, durable first
        "#]],
    );
}

#[test]
fn after_a_crash_everything_is_asked_before_anything_is_sent() {
    standard(
        "wake; crash; wake; query debit not_found; debit done; query credit not_found; credit done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            wake -> DebitAsking: Ask(Debit, Only)
            query debit not_found -> DebitSent: Send(Debit)
            debit done -> CreditAsking: Ask(Credit, Only)
            query credit not_found -> CreditSent: Send(Credit)
            credit done -> Completed: Finish, durable first
        "#]],
    );
    standard(
        "wake; debit done; credit refused; crash; wake; query reversal not_found; wake; reversal done; query reversal done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit refused -> ReversalSent: Send(Reversal), durable first
            wake -> ReversalProving: Ask(Reversal, Only)
            query reversal not_found -> ReversalWaiting: Pause
            wake -> ReversalSent: Send(Reversal), durable first
            reversal done -> ReversalProving: Ask(Reversal, Only)
            query reversal done -> Reversed: Finish, durable first
        "#]],
    );
    check(
        &weak(),
        "wake; crash; wake; query debit done; credit done",
        &expect![[r#"
        wake -> DebitSent: Send(Debit)
        wake -> DebitAsking: Ask(Debit, Only)
        query debit done -> CreditSent: Send(Credit), durable first
        credit done -> Completed: Finish, durable first
    "#]],
    );
}

/// DOMAIN §3 rule 6: refused by its own answer because its day is over, or never sent.
#[test]
fn a_leg_whose_day_is_over_goes_out_under_the_new_one() {
    standard(
        "wake; cutover; debit closed; debit done; credit done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit closed -> DebitSent: Send(Debit) of 20261122, durable first
            debit done -> CreditSent: Send(Credit) of 20261122, durable first
            credit done -> Completed: Finish, durable first
        "#]],
    );
    standard(
        "wake; debit done; cutover; credit closed; credit not_sent; cutover; wake; credit done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit closed -> CreditSent: Send(Credit) of 20261122, durable first
            credit not_sent -> CreditWaiting: Pause
            wake -> CreditSent: Send(Credit) of 20261123, durable first
            credit done -> Completed: Finish, durable first
        "#]],
    );
    standard(
        "wake; debit not_sent; cutover; wake; debit done; credit done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit not_sent -> DebitWaiting: Pause
            wake -> DebitSent: Send(Debit) of 20261122, durable first
            debit done -> CreditSent: Send(Credit) of 20261122, durable first
            credit done -> Completed: Finish, durable first
        "#]],
    );
}

#[test]
fn a_leg_is_bound_anew_only_by_its_own_answer_and_not_for_ever() {
    // The day is not over: the counter is closed.
    standard(
        "wake; debit closed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit closed -> Refused: Finish, durable first
        "#]],
    );
    // Its own answer was lost, and a question does not take its place.
    standard(
        "wake; cutover; debit silent; query debit closed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit silent -> DebitAsking: Ask(Debit, Only)
            query debit closed -> Refused: Finish, durable first
        "#]],
    );
    // It was sent twice.
    standard(
        "wake; debit silent; query debit not_found; cutover; debit closed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit silent -> DebitAsking: Ask(Debit, Only)
            query debit not_found -> DebitSent: Send(Debit)
            debit closed -> Refused: Finish, durable first
        "#]],
    );
    // Past the deadline nothing new is begun.
    standard(
        "wake; expire; cutover; debit closed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            expire -> DebitSent: Stay
            debit closed -> Refused: Finish, durable first
        "#]],
    );
    standard(
        "wake; cutover; debit closed; cutover; debit closed; cutover; debit closed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit closed -> DebitSent: Send(Debit) of 20261122, durable first
            debit closed -> DebitSent: Send(Debit) of 20261123, durable first
            debit closed -> Refused: Finish, durable first
        "#]],
    );
    // Refused for another reason under the new day: the debit is undone on the day on which it was
    // posted.
    standard(
        "wake; debit done; cutover; credit closed; credit refused",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit closed -> CreditSent: Send(Credit) of 20261122, durable first
            credit refused -> Parked(SettleDayPassed): Pause
        "#]],
    );
}

#[test]
fn after_a_restart_a_leg_is_asked_about_under_every_day_that_it_was_ever_bound_to() {
    standard(
        "wake; cutover; debit closed; crash; wake; query debit refused; query debit not_found; debit done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit closed -> DebitSent: Send(Debit) of 20261122, durable first
            wake -> DebitAsking: Ask(Debit, Only) of 20261121
            query debit refused -> DebitAsking: Ask(Debit, Only) of 20261122
            query debit not_found -> DebitSent: Send(Debit) of 20261122
            debit done -> CreditAsking: Ask(Credit, Only)
        "#]],
    );
    standard(
        "wake; cutover; debit closed; crash; wake; query debit silent; expire; fence debit not_executed; fence debit not_executed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit closed -> DebitSent: Send(Debit) of 20261122, durable first
            wake -> DebitAsking: Ask(Debit, Only) of 20261121
            query debit silent -> DebitAsking: Pause
            expire -> DebitFencing: Ask(Debit, Fence) of 20261121
            fence debit not_executed -> DebitFencing: Ask(Debit, Fence) of 20261122
            fence debit not_executed -> Refused: Finish, durable first
        "#]],
    );
    // It was refused under that day, and now it is said to be done: a person looks.
    standard(
        "wake; debit done; cutover; credit closed; crash; wake; query debit done; query credit done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit closed -> CreditSent: Send(Credit) of 20261122, durable first
            wake -> CreditAsking: Ask(Credit, Only) of 20261121
            query debit done -> CreditAsking: Stay (stale)
            query credit done -> Parked(Contradicted): Pause (CONTRADICTION)
        "#]],
    );
}

#[test]
fn a_cut_over_gives_up_only_what_was_sent_and_lost() {
    let today = Some(Day::new(20_261_122).expect("a day"));
    let mut transfer = Transfer::accepted(intent());
    assert!(!transfer.is_overtaken(Role::Debit, today), "never sent");
    (transfer.phase, transfer.debit.sent) = (Phase::DebitSent, 1);
    transfer.debit.knowledge = Knowledge::Unknown;
    assert!(!transfer.is_overtaken(Role::Debit, today), "its answer may still come");
    transfer.phase = Phase::DebitAsking;
    assert!(transfer.is_overtaken(Role::Debit, today));
    assert!(!transfer.is_overtaken(Role::Debit, Some(intent().debit_day)));
    assert!(!transfer.is_overtaken(Role::Debit, None));
    transfer.debit.rebound = vec![Day::new(20_261_122).expect("a day")];
    assert!(!transfer.is_overtaken(Role::Debit, today), "bound to it");
    transfer.debit.rebound.clear();
    transfer.debit.knowledge = Knowledge::Done;
    transfer.phase = Phase::CreditWaiting;
    assert!(
        !transfer.is_overtaken(Role::Debit, today) && !transfer.is_overtaken(Role::Credit, today)
    );
    assert!(!transfer.may_be_of_another_day(Role::Credit, Evidence::Refused));
    transfer.credit.rebound = vec![Day::new(20_261_122).expect("a day")];
    assert!(transfer.may_be_of_another_day(Role::Credit, Evidence::Refused));
    assert!(transfer.may_be_of_another_day(Role::Credit, Evidence::NotExecuted));
    assert!(!transfer.may_be_of_another_day(Role::Credit, Evidence::Done));
}

/// Found by chance: an answer about a reversal that was never asked for was believed while the transfer
/// was parked, and whoever resumed undid a debit of which nothing was proven.
#[test]
fn what_is_said_of_a_reversal_that_was_never_asked_for_is_not_believed() {
    standard(
        "wake; debit silent; query debit silent; wake; query debit silent; wake; query debit silent; wake; query debit silent; reversal refused; fence reversal not_executed; decide resume",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit silent -> DebitAsking: Ask(Debit, Only)
            query debit silent -> DebitAsking: Pause
            wake -> DebitAsking: Ask(Debit, Only)
            query debit silent -> DebitAsking: Pause
            wake -> DebitAsking: Ask(Debit, Only)
            query debit silent -> DebitAsking: Pause
            wake -> DebitAsking: Ask(Debit, Only)
            query debit silent -> Parked(DebitUnresolved): Pause
            reversal refused -> Parked(DebitUnresolved): Stay (stale)
            fence reversal not_executed -> Parked(DebitUnresolved): Stay (stale)
            decide resume -> DebitAsking: Ask(Debit, Only), durable first
        "#]],
    );
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever arrives, in whatever order, at whatever counters, and however often it crashes.
    #[test]
    fn nothing_that_moves_money_is_sent_by_a_record_that_is_behind_or_to_a_counter_that_is_held(
        debit in any_profile(),
        credit in any_profile(),
        doubted in any::<bool>(),
        events in prop::collection::vec((any_event(), 0..20u8, 0..8u8), 0..60),
    ) {
        let mut transfer = Transfer::accepted(intent());
        let mut restored = false;
        for (event, fate, standing) in events {
            if fate == 0 && !transfer.state().is_final() {
                restored |= doubted;
                transfer = Transfer::recovered(Remembered {
                    intent: intent(),
                    phase: transfer.phase,
                    legs: Role::ALL.map(|role| transfer.leg(role).clone()),
                    credit_barrier: !credit.dedupes,
                    reason: transfer.reason,
                    doubted: restored,
                });
                continue;
            }
            let ground = Ground {
                behind: standing & 1 != 0,
                debit_held: standing & 2 != 0,
                credit_held: standing & 4 != 0,
                ..ground(&debit, &credit, 5)
            };
            let before = transfer.clone();
            let Ok(step) = step(&mut transfer, &event, &ground) else { continue };
            match step.action {
                Action::Send(role) => {
                    prop_assert!(!ground.behind, "{role} sent by a record that is behind");
                    let held = if role == Role::Credit { ground.credit_held } else { ground.debit_held };
                    prop_assert!(!held, "{role} sent to a counter that is held");
                    prop_assert!(!restored || role != Role::Credit, "a credit sent again");
                }
                Action::Ask(role, Look::Fence) => {
                    prop_assert!(!ground.behind, "{role} fenced by a record that is behind");
                }
                Action::Ask(_, Look::Only) | Action::Pause | Action::Stay | Action::Finish => {}
            }
            if ground.behind && !before.state().is_final() && !matches!(event, Event::Decide(_)) {
                let unresolved = [
                    Phase::Parked(Why::DebitUnresolved),
                    Phase::Parked(Why::CreditUnresolved),
                    Phase::Parked(Why::ReversalUnresolved),
                ];
                prop_assert!(
                    !unresolved.contains(&transfer.phase) || before.phase == transfer.phase,
                    "parked for want of patience while nothing may be done"
                );
            }
        }
    }

    #[test]
    fn no_sequence_of_events_breaks_a_rule(
        debit in any_profile(),
        credit in any_profile(),
        events in prop::collection::vec((any_event(), 0..20u8), 0..40),
    ) {
        let mut transfer = Transfer::accepted(intent());
        let mut durable = transfer.clone();
        let mut today = intent().debit_day;
        let mut debit_sent = 0;
        for (event, fate) in events {
            if fate == 1 {
                today = Day::from_unix_days(today.unix_days() + 1);
            }
            let ground = Ground {
                debit_day: Some(today),
                credit_day: Some(today),
                ..ground(&debit, &credit, 5)
            };
            let before = transfer.clone();
            if fate == 0 && !transfer.state().is_final() {
                transfer = Transfer::recovered(Remembered {
                    intent: intent(),
                    phase: durable.phase,
                    legs: Role::ALL.map(|role| durable.leg(role).clone()),
                    credit_barrier: !credit.dedupes,
                    reason: durable.reason,
                    doubted: false,
                });
                continue;
            }
            let Ok(step) = step(&mut transfer, &event, &ground) else {
                prop_assert_eq!(&before, &transfer, "an illegal event changes nothing");
                continue;
            };
            if step.barrier {
                durable = transfer.clone();
            }
            if before.state().is_final() {
                prop_assert_eq!(before.phase, transfer.phase, "a final state is never left");
                prop_assert_eq!(step.action, Action::Stay);
            }
            let rebound = |role| transfer.bound_day(role) != before.bound_day(role);
            for role in [Role::Debit, Role::Credit] {
                if !rebound(role) {
                    continue;
                }
                let own = matches!(&event, Event::Told(of, told) if *of == role
                    && told.weight == Weight::Answer && told.evidence == Evidence::Refused
                    && told.answer.as_ref().is_some_and(|answer| answer.code == AnswerCode::CLOSED));
                let sent = before.leg(role).sent;
                prop_assert!(sent == 0 || (sent == 1 && own), "rule 6: {sent} sent, {event:?}");
                prop_assert!(step.barrier, "the new day is durable first");
                prop_assert_eq!(step.action, Action::Send(role));
                prop_assert!(!before.leg(role).knowledge.is_proof());
                prop_assert!(transfer.leg(role).rebound.len() <= MOST_REBOUND);
            }
            match step.action {
                Action::Send(Role::Debit) => {
                    debit_sent += 1;
                    prop_assert!(!transfer.expired, "nothing new past the deadline");
                    prop_assert!(debit_sent == 1 || debit.dedupes || rebound(Role::Debit) || before.debit.knowledge == Knowledge::NotSent);
                    prop_assert!(before.debit.knowledge != Knowledge::NotExecuted, "a fenced serial is never sent");
                }
                Action::Send(Role::Credit) => {
                    prop_assert_eq!(transfer.debit.knowledge, Knowledge::Done, "rule 1");
                    prop_assert!(!transfer.expired, "nothing new past the deadline");
                    prop_assert!(credit.dedupes || rebound(Role::Credit) || before.credit.knowledge == Knowledge::NotSent);
                    prop_assert!(before.credit.knowledge != Knowledge::NotExecuted);
                    prop_assert_eq!(transfer.reversal.knowledge, Knowledge::NotSent, "no credit of what is being undone");
                }
                Action::Send(Role::Reversal) => {
                    prop_assert_eq!(transfer.debit.knowledge, Knowledge::Done);
                    prop_assert!(
                        matches!(transfer.credit.knowledge, Knowledge::Refused | Knowledge::NotExecuted | Knowledge::NotSent),
                        "rule 2: {:?}", transfer.credit.knowledge
                    );
                    prop_assert!(step.barrier, "the intent to undo is durable first");
                }
                Action::Finish => {
                    prop_assert!(step.barrier, "a final state is durable first");
                    let decided = matches!(event, Event::Decide(_));
                    match transfer.state() {
                        State::Completed => prop_assert!(
                            transfer.credit.knowledge == Knowledge::Done && transfer.debit.knowledge == Knowledge::Done || decided),
                        State::Refused => prop_assert!(
                            transfer.debit.knowledge != Knowledge::Done && transfer.credit.knowledge != Knowledge::Done
                            && (transfer.debit.knowledge != Knowledge::Unknown || decided), "rules 1 and 4"),
                        State::Reversed => prop_assert!(
                            (transfer.credit.knowledge.is_proof() || transfer.credit.knowledge == Knowledge::NotSent || decided)
                            && transfer.credit.knowledge != Knowledge::Done && (transfer.reversal.knowledge == Knowledge::Done || decided)),
                        other => prop_assert!(false, "{other} is not final"),
                    }
                }
                Action::Ask(..) | Action::Pause | Action::Stay => {}
            }
        }
    }
}
