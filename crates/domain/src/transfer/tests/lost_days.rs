//! A record that lost its tail does not know every settle day that a leg was bound to.

use super::*;

#[test]
fn a_leg_that_a_lost_life_may_have_bound_anew_is_dead_only_under_every_day() {
    standard(
        "wake; restored; cutover; cutover; wake; query debit not_found; released; fence debit not_executed; \
         fence debit not_executed; fence debit not_executed; fence credit not_executed; \
         fence credit not_executed; fence credit not_executed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            wake -> DebitAsking: Ask(Debit, Only)
            query debit not_found -> DebitAsking: Pause
            fence debit not_executed -> DebitFencing: Ask(Debit, Fence) of 20261122
            fence debit not_executed -> DebitFencing: Ask(Debit, Fence) of 20261123
            fence debit not_executed -> CreditFencing: Ask(Credit, Fence)
            fence credit not_executed -> CreditFencing: Ask(Credit, Fence) of 20261122
            fence credit not_executed -> CreditFencing: Ask(Credit, Fence) of 20261123
            fence credit not_executed -> Refused: Finish, durable first
        "#]],
    );
}

#[test]
fn what_a_lost_life_posted_under_a_later_day_is_found_and_undone_under_that_day() {
    standard(
        "wake; restored; cutover; wake; released; fence debit not_executed; fence debit done; \
         fence credit not_executed; fence credit not_executed; reversal done; query reversal done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            wake -> DebitAsking: Ask(Debit, Only)
            fence debit not_executed -> DebitFencing: Ask(Debit, Fence) of 20261122
            fence debit done -> CreditFencing: Ask(Credit, Fence)
            fence credit not_executed -> CreditFencing: Ask(Credit, Fence) of 20261122
            fence credit not_executed -> ReversalSent: Send(Reversal) of 20261122, durable first
            reversal done -> ReversalProving: Ask(Reversal, Only) of 20261122
            query reversal done -> Reversed: Finish, durable first
        "#]],
    );
    standard(
        "wake; debit done; restored; cutover; wake; released; fence debit done; \
         fence credit not_executed; fence credit done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            wake -> CreditAsking: Ask(Credit, Only)
            fence debit done -> CreditAsking: Stay (stale)
            fence credit not_executed -> CreditFencing: Ask(Credit, Fence) of 20261122
            fence credit done -> Completed: Finish, durable first
        "#]],
    );
}

#[test]
fn a_refusal_under_one_day_is_none_under_a_later_one() {
    standard(
        "wake; restored; cutover; wake; query debit closed; query debit done",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            wake -> DebitAsking: Ask(Debit, Only)
            query debit closed -> DebitAsking: Ask(Debit, Only) of 20261122
            query debit done -> CreditAsking: Ask(Credit, Only)
        "#]],
    );
}

/// While a person is awaited it is sought on, too; what is resumed is not taken for dead.
#[test]
fn a_parked_leg_is_sought_under_every_day_too() {
    standard(
        "wake; debit silent; query debit silent; wake; query debit silent; wake; query debit silent; \
         wake; query debit silent; restored; released; cutover; wake; fence debit not_executed; \
         wake; decide resume; fence debit done",
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
            wake -> Parked(DebitUnresolved): Ask(Debit, Fence)
            fence debit not_executed -> Parked(DebitUnresolved): Pause
            wake -> Parked(DebitUnresolved): Ask(Debit, Fence) of 20261122
            decide resume -> DebitFencing: Ask(Debit, Fence) of 20261122, durable first
            fence debit done -> CreditFencing: Ask(Credit, Fence)
        "#]],
    );
}

/// A lost life may have undone the debit: a counter that keeps no marks knows the serial then, and it
/// is ours.
#[test]
fn an_undoing_that_a_lost_life_may_have_sent_is_not_new_to_its_counter() {
    for (doubted, sent) in [(false, 0), (true, 2)] {
        let transfer = Transfer::recovered(Remembered {
            intent: intent(),
            phase: Phase::CreditSent,
            legs: [Leg::new(), Leg::new(), Leg::new()],
            reason: None,
            doubted,
        });
        assert_eq!(transfer.reversal.sent, sent);
        assert_eq!(transfer.reversal.knowledge, Knowledge::NotSent, "it was not asked for here");
    }
}

#[test]
fn a_record_that_is_too_old_is_for_a_person() {
    let mut days = Vec::new();
    for passed in [MOST_SOUGHT, MOST_SOUGHT + 1] {
        let profile = Profile::default();
        let mut transfer = Transfer::recovered(Remembered {
            intent: intent(),
            phase: Phase::DebitSent,
            legs: [Leg::new(), Leg::new(), Leg::new()],
            reason: None,
            doubted: true,
        });
        let today = Day::from_unix_days(intent().debit_day.unix_days() + passed);
        let mut ground = StepContext { debit_day: None, ..ground(&profile, &profile, 3) };
        let dead = Event::Told(Role::Debit, told(Evidence::NotExecuted, Weight::Truth));
        step(&mut transfer, &Event::Wake, &ground).expect("it is asked about");
        let unknown = step(&mut transfer, &dead, &ground).expect("a step");
        assert_eq!((unknown.action, transfer.phase), (Action::Pause, Phase::DebitFencing));
        ground.debit_day = Some(today);
        let mut asked = 0;
        while transfer.phase == Phase::DebitFencing {
            step(&mut transfer, &dead, &ground).expect("a step");
            asked += 1;
        }
        // Nor is it known whether the credit followed under the credit's only day.
        let dead_credit = Event::Told(Role::Credit, told(Evidence::NotExecuted, Weight::Truth));
        if transfer.phase == Phase::CreditFencing {
            step(&mut transfer, &dead_credit, &ground).expect("a step");
        }
        if let Phase::Parked(_) = transfer.phase {
            step(&mut transfer, &dead, &ground).expect("a step");
            assert_eq!(transfer.debit.knowledge, Knowledge::Unknown, "nor is it dead while parked");
        }
        days.push((asked, transfer.phase));
    }
    assert_eq!(days[0], (MOST_SOUGHT + 1, Phase::Refused));
    assert_eq!(days[1], (1, Phase::Parked(ParkReason::DebitUnresolved)));
}

/// A person may have had a refused undoing tried again in a life that is lost: that it is done now
/// contradicts nothing.
#[test]
fn an_undoing_that_was_refused_may_have_been_done_by_a_lost_life() {
    standard(
        "wake; debit done; credit refused; reversal refused; restored; wake; query reversal done; \
         released; decide resume",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit done -> CreditSent: Send(Credit)
            credit refused -> ReversalSent: Send(Reversal), durable first
            reversal refused -> Parked(ReversalRefused): Pause
            wake -> Parked(ReversalRefused): Ask(Reversal, Only)
            query reversal done -> Parked(ReversalRefused): Pause
            decide resume -> Reversed: Finish, durable first
        "#]],
    );
}

#[test]
fn only_a_later_day_of_a_leg_that_is_sought_is_new_to_the_record() {
    let bound = intent().debit_day;
    let [before, later] = [20_261_120, 20_261_122].map(|number| Day::new(number).expect("a day"));
    for (sought, found, rebound) in [
        (Some(bound), bound, vec![]),
        (Some(bound), before, vec![]),
        (Some(later), later, vec![later]),
        (None, later, vec![]),
    ] {
        let mut transfer = Transfer::accepted(intent());
        transfer.debit.sought = sought;
        transfer.found_under(Role::Debit, found);
        assert_eq!(transfer.debit.rebound, rebound, "{sought:?}, found {found}");
        assert_eq!(transfer.debit.sought, None, "it is found");
    }
}
