//! The properties that no sequence of events may break.

use super::*;

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
                    intent: Intent { credit_barrier: !credit.dedupes, ..intent() },
                    phase: transfer.phase,
                    legs: Role::ALL.map(|role| transfer.leg(role).clone()),
                    reason: transfer.reason,
                    doubted: restored,
                });
                continue;
            }
            let ground = StepContext {
                behind: standing & 1 != 0,
                debit_held: standing & 2 != 0,
                credit_held: standing & 4 != 0,
                ..ground(&debit, &credit, 5)
            };
            let before = transfer.clone();
            let Ok(step) = step(&mut transfer, &event, &ground) else { continue };
            prop_assert_eq!(transfer.imbalance(), None);
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
                    Phase::Parked(ParkReason::DebitUnresolved),
                    Phase::Parked(ParkReason::CreditUnresolved),
                    Phase::Parked(ParkReason::ReversalUnresolved),
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
            let ground = StepContext {
                debit_day: Some(today),
                credit_day: Some(today),
                ..ground(&debit, &credit, 5)
            };
            let before = transfer.clone();
            if fate == 0 && !transfer.state().is_final() {
                transfer = Transfer::recovered(Remembered {
                    intent: Intent { credit_barrier: !credit.dedupes, ..intent() },
                    phase: durable.phase,
                    legs: Role::ALL.map(|role| durable.leg(role).clone()),
                    reason: durable.reason,
                    doubted: false,
                });
                continue;
            }
            let Ok(step) = step(&mut transfer, &event, &ground) else {
                prop_assert_eq!(&before, &transfer, "an illegal event changes nothing");
                continue;
            };
            prop_assert_eq!(transfer.imbalance(), None);
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
                        _ if decided && agrees_with_no_ending(&transfer) => {}
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

/// Money moved by one leg without the other that it depends on: a person puts the books right.
fn agrees_with_no_ending(transfer: &Transfer) -> bool {
    let [debit, credit, reversal] = Role::ALL.map(|role| transfer.leg(role).knowledge);
    let debited = matches!(debit, Knowledge::Done | Knowledge::Unknown);
    let (credited, undone) = (credit == Knowledge::Done, reversal == Knowledge::Done);
    credited && (!debited || undone) || undone && !debited
}
