//! Courses of a transfer, from its beginning to its end.

use super::*;

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
            decide refused -> illegal: the decision contradicts the proof: the debit is done
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
