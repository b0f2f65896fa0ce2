//! Which settle day a leg is bound to, and under which it is asked about.

use super::*;

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
        "wake; cutover; debit closed; crash; wake; query debit silent; expire; fence debit not_executed; fence debit not_executed; fence credit not_executed",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit closed -> DebitSent: Send(Debit) of 20261122, durable first
            wake -> DebitAsking: Ask(Debit, Only) of 20261121
            query debit silent -> DebitAsking: Pause
            expire -> DebitFencing: Ask(Debit, Fence) of 20261121
            fence debit not_executed -> DebitFencing: Ask(Debit, Fence) of 20261122
            fence debit not_executed -> CreditFencing: Ask(Credit, Fence)
            fence credit not_executed -> Refused: Finish, durable first
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

/// Bound anew while nothing may be sent, a leg waits; that it is bound anew is durable all the same, or
/// the next life would ask about it under the old day alone.
#[test]
fn a_leg_that_is_bound_anew_and_may_not_be_sent_is_durable_first() {
    let profile = Profile::default();
    let today = Some(Day::new(20_261_122).expect("a day"));
    let strong =
        StepContext { debit_day: today, credit_day: today, ..ground(&profile, &profile, 3) };
    let held = StepContext { debit_held: true, credit_held: true, ..strong };
    for (role, phase, waiting) in [
        (Role::Debit, Phase::DebitSent, Phase::DebitWaiting),
        (Role::Credit, Phase::CreditSent, Phase::CreditWaiting),
    ] {
        for ground in [held, StepContext { behind: true, ..strong }] {
            let mut transfer = Transfer::accepted(intent());
            transfer.phase = phase;
            if role == Role::Credit {
                transfer.debit.knowledge = Knowledge::Done;
            }
            (transfer.leg_mut(role).sent, transfer.leg_mut(role).knowledge) =
                (1, Knowledge::Unknown);
            let event = Event::Told(role, closed(Weight::Answer));
            let step = step(&mut transfer, &event, &ground).expect("legal");
            assert_eq!((transfer.phase, step.action), (waiting, Action::Pause), "{role}");
            assert_eq!(Some(transfer.bound_day(role)), today);
            assert!(step.barrier, "{role}: the new day is durable first");
        }
    }
}

/// The trail does not keep which days are still to be asked about: each restart asks about all of them
/// again, also of a credit that the life before only doubted.
#[test]
fn a_second_restart_forgets_no_day_of_a_credit() {
    let profile = Profile { dedupes: false, ..Profile::default() };
    let story = "wake; debit done; cutover; credit closed; crash; crash; wake; query debit done; \
                 query credit not_found; wake; query credit done";
    check(
        &profile,
        story,
        &expect![[r#"
        wake -> DebitSent: Send(Debit)
        debit done -> CreditSent: Send(Credit), durable first
        credit closed -> CreditSent: Send(Credit) of 20261122, durable first
        wake -> CreditAsking: Ask(Credit, Only) of 20261121
        query debit done -> CreditAsking: Stay (stale)
        query credit not_found -> CreditAsking: Ask(Credit, Only) of 20261122
        wake -> CreditAsking: Ask(Credit, Only) of 20261122
        query credit done -> Completed: Finish, durable first
    "#]],
    );
}
