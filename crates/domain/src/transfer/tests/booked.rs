//! What the legs say of money goes together with what the transfer says, whatever is known of them.

use super::*;

const KNOWLEDGE: [Knowledge; 5] = [
    Knowledge::NotSent,
    Knowledge::Unknown,
    Knowledge::Done,
    Knowledge::Refused,
    Knowledge::NotExecuted,
];

fn phases() -> Vec<Phase> {
    let parked = ParkReason::ALL.into_iter().map(Phase::Parked);
    Phase::MOVING.into_iter().chain(parked).collect()
}

fn known(phase: Phase, legs: [Knowledge; 3]) -> Transfer {
    let mut transfer = Transfer { phase, ..Transfer::accepted(intent()) };
    for (role, knowledge) in Role::ALL.into_iter().zip(legs) {
        transfer.leg_mut(role).knowledge = knowledge;
    }
    transfer
}

/// All that can be known of three legs, in every phase that is not final.
#[test]
fn what_legs_and_transfer_say_of_money_goes_together() {
    let (mut seen, mut moving, mut ahead) = (0, 0, 0);
    for phase in phases() {
        for (debit, credit, reversal) in KNOWLEDGE.into_iter().flat_map(|debit| {
            KNOWLEDGE.into_iter().flat_map(move |credit| {
                KNOWLEDGE.into_iter().map(move |reversal| (debit, credit, reversal))
            })
        }) {
            let transfer = known(phase, [debit, credit, reversal]);
            let proven = |role| match transfer.booked(role) {
                Booked::Proven => transfer.intent.order.amount.minor(),
                Booked::Nothing | Booked::Awaited | Booked::Unknown => 0,
            };
            assert_eq!(
                proven(Role::Debit) - proven(Role::Credit) - proven(Role::Reversal),
                transfer.in_transit() - transfer.paid_ahead(),
                "{phase:?}: {debit:?}, {credit:?}, {reversal:?}"
            );
            seen += 1;
            moving += usize::from(transfer.in_transit() > 0);
            ahead += usize::from(transfer.paid_ahead() > 0);
        }
    }
    // Of 125: debited and neither of the others, 4 × 4; paid ahead with a debit, once, without one, 4 × 9.
    assert_eq!((seen, moving, ahead), (25 * 125, 25 * 16, 25 * 37));
}

#[test]
fn an_answer_is_awaited_only_of_the_leg_that_was_sent() {
    let unknown = [Knowledge::Unknown; 3];
    for phase in phases() {
        let awaited: Vec<Role> = Role::ALL
            .into_iter()
            .filter(|role| known(phase, unknown).booked(*role) == Booked::Awaited)
            .collect();
        let expected: &[Role] = match phase {
            Phase::DebitSent => &[Role::Debit],
            Phase::CreditSent => &[Role::Credit],
            Phase::ReversalSent => &[Role::Reversal],
            _ => &[],
        };
        assert_eq!(awaited, expected, "{phase:?}");
        for knowledge in [Knowledge::NotSent, Knowledge::Refused, Knowledge::NotExecuted] {
            assert_eq!(known(phase, [knowledge; 3]).booked(Role::Debit), Booked::Nothing);
        }
    }
}

#[test]
fn a_contradiction_is_more_paid_out_than_can_have_been_debited_or_a_counter_that_contradicts() {
    use Knowledge::{Done, NotExecuted, NotSent, Unknown};
    for (phase, legs, contradicted) in [
        (Phase::CreditSent, [Done, Unknown, NotSent], false),
        // A former life had made the credit; whether the debit is done is asked.
        (Phase::DebitAsking, [Unknown, Done, NotSent], false),
        (Phase::DebitAsking, [NotExecuted, Done, NotSent], true),
        (Phase::ReversalProving, [Done, Done, Done], true),
        (Phase::Parked(ParkReason::Contradicted), [Done, NotSent, NotSent], true),
        (Phase::Parked(ParkReason::CreditWithoutDebit), [Unknown, Done, NotSent], true),
        (Phase::Parked(ParkReason::CreditUnresolved), [Done, Unknown, NotSent], false),
    ] {
        assert_eq!(known(phase, legs).is_contradicted(), contradicted, "{phase:?} {legs:?}");
    }
}
