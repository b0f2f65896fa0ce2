//! What may be another transfer's, and a record that is behind: nothing is concluded, and counters are
//! only asked.

use super::*;

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

/// A counter says that the debit is done, and after a crash that it is refused: the credit may have
/// followed, so that nobody is told that no money moved before that is known not to have.
#[test]
fn a_debit_that_is_dead_after_a_crash_ends_nothing_before_the_credit_is_asked_about() {
    standard(
        "wake; crash; wake; query debit refused; query credit not_found; fence credit not_executed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            wake -> DebitAsking: Ask(Debit, Only)
            query debit refused -> CreditFencing: Ask(Credit, Fence)
            query credit not_found -> CreditFencing: Pause
            fence credit not_executed -> Refused: Finish, durable first
        "#]],
    );
    standard(
        "wake; crash; wake; query debit refused; query credit done",
        &expect![[r#"
        wake -> DebitSent: Send(Debit)
        wake -> DebitAsking: Ask(Debit, Only)
        query debit refused -> CreditFencing: Ask(Credit, Fence)
        query credit done -> Parked(CreditWithoutDebit): Pause
    "#]],
    );
    // By the fence's answer, and by a death of the bridge in between.
    standard(
        "wake; crash; wake; expire; fence debit not_executed; crash; wake; fence credit refused",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            wake -> DebitAsking: Ask(Debit, Only)
            expire -> DebitFencing: Ask(Debit, Fence)
            fence debit not_executed -> CreditFencing: Ask(Credit, Fence)
            wake -> CreditFencing: Ask(Credit, Fence)
            fence credit refused -> Refused: Finish, durable first
        "#]],
    );
    // Where the counter cannot fence, only proof ends it.
    check(
        &Profile { can_fence: false, ..Profile::default() },
        "wake; crash; wake; query debit refused; query credit not_found; wake; \
         query credit not_executed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            wake -> DebitAsking: Ask(Debit, Only)
            query debit refused -> CreditAsking: Ask(Credit, Only)
            query credit not_found -> CreditAsking: Pause
            wake -> CreditAsking: Ask(Credit, Only)
            query credit not_executed -> Refused: Finish, durable first
        "#]],
    );
}

/// A counter has learnt to dedupe since the transfer was accepted. Recovery goes by what was so then, so
/// that the credit's sending is still durable first: otherwise it would be taken for one that never left.
#[test]
fn a_credit_that_was_to_be_durable_first_is_so_whatever_its_counter_has_learnt() {
    let profile = Profile::default();
    for (credit_barrier, dedupes, barrier) in
        [(true, true, true), (true, false, true), (false, false, true), (false, true, false)]
    {
        let credit = Profile { dedupes, ..Profile::default() };
        let ground = ground(&profile, &credit, 3);
        let mut transfer = Transfer::accepted(Intent { credit_barrier, ..intent() });
        step(&mut transfer, &Event::Wake, &ground).expect("legal");
        let done = Event::Told(Role::Debit, told(Evidence::Done, Weight::Answer));
        let sent = step(&mut transfer, &done, &ground).expect("legal");
        assert_eq!((sent.action, sent.barrier), (Action::Send(Role::Credit), barrier));
    }
}

/// After a restore, words about an undoing that only a lost life can have asked for are true ones perhaps:
/// they are kept, and proven when the other legs agree.
#[test]
fn an_undoing_of_a_lost_life_is_kept_and_proven_when_the_rules_have_come_so_far() {
    standard(
        "wake; restored; released; wake; reversal done; reversal refused; query debit done; \
         fence credit not_executed; reversal done; query reversal done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            wake -> DebitFencing: Ask(Debit, Fence)
            reversal done -> DebitFencing: Stay
            reversal refused -> DebitFencing: Stay (stale)
            query debit done -> CreditFencing: Ask(Credit, Fence)
            fence credit not_executed -> ReversalSent: Send(Reversal), durable first
            reversal done -> ReversalProving: Ask(Reversal, Only)
            query reversal done -> Reversed: Finish, durable first
        "#]],
    );
    // What the other legs are found to be stands against it.
    standard(
        "hush; wake; restored; released; wake; query reversal done; query debit done; say; \
         fence credit done; decide refused; decide completed",
        &expect![[r#"
            fence credit done -> Parked(Contradicted): Pause (CONTRADICTION)
            decide refused -> illegal: the decision contradicts the proof: the debit is done
            decide completed -> Completed: Finish, durable first
        "#]],
    );
    standard(
        "hush; wake; restored; released; wake; query reversal done; say; fence debit not_executed; \
         fence credit not_executed; decide reversed",
        &expect![[r#"
            fence debit not_executed -> CreditFencing: Ask(Credit, Fence)
            fence credit not_executed -> Parked(Contradicted): Pause (CONTRADICTION)
            decide reversed -> illegal: the decision contradicts the proof: the debit is never executed
        "#]],
    );
    // While it waits for a person, the same; and resuming it does not go past the credit.
    standard(
        "hush; wake; restored; released; wake; query debit silent; wake; query debit silent; wake; \
         query debit silent; wake; query debit silent; say; reversal not_executed; reversal done; wake; \
         query debit done; decide resume; fence credit not_executed; reversal done; query reversal done",
        &expect![[r#"
            reversal not_executed -> Parked(DebitUnresolved): Stay (stale)
            reversal done -> Parked(DebitUnresolved): Pause
            wake -> Parked(DebitUnresolved): Ask(Debit, Fence)
            query debit done -> Parked(DebitUnresolved): Pause
            decide resume -> CreditFencing: Ask(Credit, Fence), durable first
            fence credit not_executed -> ReversalSent: Send(Reversal), durable first
            reversal done -> ReversalProving: Ask(Reversal, Only)
            query reversal done -> Reversed: Finish, durable first
        "#]],
    );
}

/// A counter takes back that it undid the debit: then that says nothing any more, and where no debit
/// happened either nobody has to undo it.
#[test]
fn an_undoing_that_is_taken_back_stands_in_nobodys_way() {
    standard(
        "hush; wake; restored; released; wake; query debit silent; wake; query debit silent; wake; \
         query debit silent; wake; query debit silent; reversal done; say; fence reversal not_executed; \
         fence debit not_executed; fence credit not_executed",
        &expect![[r#"
            fence reversal not_executed -> Parked(DebitUnresolved): Pause
            fence debit not_executed -> Parked(DebitUnresolved): Pause
            fence credit not_executed -> Refused: Finish, durable first
        "#]],
    );
}

/// Whether a lost life has undone the debit is asked once the day is over on which it might be undone.
#[test]
fn an_undoing_of_a_lost_life_is_asked_about_after_its_day() {
    for (found, expected) in [
        (
            "done",
            expect![[r#"
            wake -> Parked(DebitUnresolved): Ask(Reversal, Only)
            query reversal done -> Reversed: Finish, durable first
            wake -> Reversed: Stay (stale)
        "#]],
        ),
        (
            "not_found",
            expect![[r#"
            wake -> Parked(DebitUnresolved): Ask(Reversal, Only)
            query reversal not_found -> Parked(DebitUnresolved): Pause
            wake -> Parked(DebitUnresolved): Ask(Reversal, Only)
        "#]],
        ),
        (
            "not_executed",
            expect![[r#"
            wake -> Parked(DebitUnresolved): Ask(Reversal, Only)
            query reversal not_executed -> Parked(ReversalRefused): Pause
            wake -> Parked(ReversalRefused): Stay
        "#]],
        ),
    ] {
        let story = format!(
            "hush; wake; restored; released; cutover; wake; query debit silent; wake; \
             query debit silent; wake; query debit silent; wake; query debit silent; \
             query debit done; fence credit not_executed; wake; fence credit not_executed; say; \
             wake; query reversal {found}; wake"
        );
        standard(&story, &expected);
    }
}
