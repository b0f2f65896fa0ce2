//! What is recorded of a leg by what is told, and how that related to what was known.

use super::*;

/// A transfer in a phase, as its legs are known; what was touched was sent once.
fn standing(phase: Phase, legs: [Knowledge; 3]) -> Transfer {
    let mut transfer = Transfer::accepted(intent());
    transfer.phase = phase;
    for (role, knowledge) in Role::ALL.into_iter().zip(legs) {
        let leg = transfer.leg_mut(role);
        leg.knowledge = knowledge;
        leg.sent = u16::from(knowledge != Knowledge::NotSent);
    }
    transfer
}

fn tell(transfer: &mut Transfer, role: Role, told: LegReport) -> Step {
    let profile = Profile::default();
    step(transfer, &Event::Told(role, told), &ground(&profile, &profile, 3)).expect("legal")
}

#[test]
fn a_posting_is_recorded_with_its_number_and_its_day() {
    for (number, expected) in [("C1", Some("C1")), ("", None)] {
        let mut transfer = standing(
            Phase::DebitSent,
            [Knowledge::Unknown, Knowledge::NotSent, Knowledge::NotSent],
        );
        let mut done = told(Evidence::Done, Weight::Answer);
        if let Some(posted) = &mut done.posted {
            posted.counter_serial = number.into();
        }
        tell(&mut transfer, Role::Debit, done);
        let Leg { counter_serial, posted_day, answer, .. } = &transfer.debit;
        assert_eq!(counter_serial.as_ref().map(ForeignText::as_received), expected);
        assert_eq!(*posted_day, Some(intent().debit_day));
        assert_eq!(answer.as_ref().map(|answer| answer.code), Some(AnswerCode::DONE));
    }
}

/// What nobody sent is not doubted because a counter has no word of it.
#[test]
fn what_was_never_sent_stays_so_and_what_was_sent_is_unknown() {
    let parked = Phase::Parked(ParkReason::DebitUnresolved);
    for (sent, expected) in [(0, Knowledge::NotSent), (1, Knowledge::Unknown)] {
        for evidence in [Evidence::NotFound, Evidence::Silent] {
            let mut transfer =
                standing(parked, [Knowledge::Unknown, Knowledge::NotSent, Knowledge::NotSent]);
            transfer.credit.sent = sent;
            tell(&mut transfer, Role::Credit, told(evidence, Weight::Query));
            assert_eq!(transfer.credit.knowledge, expected, "sent {sent}, {evidence:?}");
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_contradicts_is_said_to_wherever_it_comes() {
    use Knowledge::{Done, NotExecuted, NotSent, Refused, Unknown};
    let undoing = [Done, Refused, Unknown];
    let contradicted = Phase::Parked(ParkReason::Contradicted);
    for (phase, legs, role, evidence, after) in [
        (
            Phase::CreditSent,
            [Done, Unknown, NotSent],
            Role::Debit,
            Evidence::NotExecuted,
            contradicted,
        ),
        (
            Phase::ReversalWaiting,
            [Done, NotSent, NotSent],
            Role::Credit,
            Evidence::Done,
            contradicted,
        ),
        (Phase::ReversalProving, undoing, Role::Credit, Evidence::Done, contradicted),
        (
            Phase::DebitAsking,
            [Unknown, NotSent, NotSent],
            Role::Reversal,
            Evidence::Done,
            contradicted,
        ),
        (
            Phase::Parked(ParkReason::CreditUnresolved),
            [Done, Unknown, NotSent],
            Role::Reversal,
            Evidence::Done,
            contradicted,
        ),
        (
            Phase::Parked(ParkReason::ReversalUnresolved),
            undoing,
            Role::Credit,
            Evidence::Done,
            contradicted,
        ),
        (
            Phase::Parked(ParkReason::SettleDayPassed),
            [Done, NotSent, Unknown],
            Role::Credit,
            Evidence::Done,
            contradicted,
        ),
        (
            Phase::Parked(ParkReason::SettleDayPassed),
            [Done, Refused, NotSent],
            Role::Credit,
            Evidence::Done,
            contradicted,
        ),
        // What says more than that stays.
        (
            Phase::Parked(ParkReason::CreditWithoutDebit),
            [NotExecuted, Done, NotSent],
            Role::Debit,
            Evidence::Done,
            Phase::Parked(ParkReason::CreditWithoutDebit),
        ),
        (
            Phase::Parked(ParkReason::Illegal),
            [Done, Unknown, NotSent],
            Role::Debit,
            Evidence::NotExecuted,
            Phase::Parked(ParkReason::Illegal),
        ),
        (
            Phase::Parked(ParkReason::Panicked),
            [Done, Unknown, NotSent],
            Role::Debit,
            Evidence::NotExecuted,
            Phase::Parked(ParkReason::Panicked),
        ),
    ] {
        let mut transfer = standing(phase, legs);
        let step = tell(&mut transfer, role, told(evidence, Weight::Truth));
        assert_eq!(
            (step.verdict, transfer.phase),
            (Verdict::Contradiction, after),
            "{phase:?} {legs:?} {role} {evidence:?}"
        );
        // What this software failed on is not worked on; everything else is asked about on.
        let expected =
            if phase == Phase::Parked(ParkReason::Panicked) { Action::Stay } else { Action::Pause };
        assert_eq!((step.action, step.barrier), (expected, false), "{phase:?}");
    }
}

/// A refusal that may have been said of an earlier copy stands against nothing, parked or not.
#[test]
fn old_news_changes_nothing() {
    let fickle = Profile { refusals_stick: false, ..Profile::default() };
    let parked = Phase::Parked(ParkReason::CreditUnresolved);
    for (phase, action) in [(parked, Action::Pause), (Phase::CreditSent, Action::Stay)] {
        let mut transfer =
            standing(phase, [Knowledge::Done, Knowledge::Unknown, Knowledge::NotSent]);
        transfer.debit.sent = 2;
        let before = transfer.clone();
        let event = Event::Told(Role::Debit, told(Evidence::Refused, Weight::Query));
        let step = step(&mut transfer, &event, &ground(&fickle, &fickle, 3)).expect("legal");
        let expected = Step { action, barrier: false, verdict: Verdict::Stale };
        assert_eq!((step, transfer), (expected, before), "{phase:?}");
    }
}

/// What may be another transfer's is for a person; what cannot be resumed keeps its reason, and the
/// doubt is told all the same.
#[test]
fn a_doubt_is_told_once_whatever_it_is_parked_for() {
    let doubted = |doubt| LegReport { doubt: Some(doubt), ..told(Evidence::Silent, Weight::Query) };
    for (why, after) in [
        (ParkReason::CreditUnresolved, ParkReason::OtherMark),
        (ParkReason::KnownBefore, ParkReason::OtherMark),
        (ParkReason::Contradicted, ParkReason::Contradicted),
        (ParkReason::CreditWithoutDebit, ParkReason::CreditWithoutDebit),
        (ParkReason::Illegal, ParkReason::Illegal),
        (ParkReason::Panicked, ParkReason::Panicked),
    ] {
        let legs = [Knowledge::Done, Knowledge::Unknown, Knowledge::NotSent];
        let mut transfer = standing(Phase::Parked(why), legs);
        let step = tell(&mut transfer, Role::Credit, doubted(Doubt::OtherMark));
        assert_eq!(step.verdict, Verdict::Contradiction, "{why:?}");
        assert_eq!(transfer.phase, Phase::Parked(after), "{why:?}");
        assert_eq!(transfer.credit.doubt, Some(Doubt::OtherMark));
        let step = tell(&mut transfer, Role::Credit, doubted(Doubt::OtherMark));
        assert_eq!(step.verdict, Verdict::Fresh, "{why:?}: it is no news");
        assert_eq!(transfer.phase, Phase::Parked(after), "{why:?}");
    }
    let mut transfer =
        standing(Phase::CreditSent, [Knowledge::Done, Knowledge::Unknown, Knowledge::NotSent]);
    let step = tell(&mut transfer, Role::Credit, doubted(Doubt::KnownBefore));
    assert_eq!(
        (step.verdict, transfer.phase),
        (Verdict::Fresh, Phase::Parked(ParkReason::KnownBefore))
    );
}

/// While the counter's day is not known, nobody knows that the debit's is over.
#[test]
fn an_undoing_that_is_not_found_is_sent_again_unless_its_day_is_known_to_be_over() {
    let profile = Profile::default();
    let tomorrow = Day::new(20_261_122).ok();
    for (today, after) in [
        (None, Phase::ReversalWaiting),
        (Some(intent().debit_day), Phase::ReversalWaiting),
        (tomorrow, Phase::Parked(ParkReason::SettleDayPassed)),
    ] {
        let legs = [Knowledge::Done, Knowledge::Refused, Knowledge::Unknown];
        let mut transfer = standing(Phase::ReversalProving, legs);
        let ground = StepContext { debit_day: today, ..ground(&profile, &profile, 3) };
        let event = Event::Told(Role::Reversal, told(Evidence::NotFound, Weight::Query));
        step(&mut transfer, &event, &ground).expect("legal");
        assert_eq!(transfer.phase, after, "{today:?}");
    }
}

/// A person may have given the money back by hand: a reversal that is done after all is one too many.
#[test]
fn what_contradicts_a_reversal_follows_from_who_ended_it() {
    use Knowledge::{Done, NotSent, Refused, Unknown};
    for (reason, reversal, evidence, contradicts) in [
        (EndReason::CreditRefused, Done, Evidence::Done, false),
        (EndReason::CreditRefused, Done, Evidence::Refused, true),
        // Where it cannot be asked about, its answer was the proof.
        (EndReason::CreditRefused, Unknown, Evidence::Done, false),
        (EndReason::Decided, Done, Evidence::Done, false),
        (EndReason::Decided, Done, Evidence::Refused, true),
        (EndReason::Decided, Unknown, Evidence::Done, true),
        (EndReason::Decided, NotSent, Evidence::Done, true),
        (EndReason::Decided, Unknown, Evidence::Refused, false),
    ] {
        let mut transfer = standing(Phase::Reversed, [Done, Refused, reversal]);
        transfer.reason = Some(reason);
        let told = told(evidence, Weight::Truth);
        let said = contradicts_ending(&transfer, Role::Reversal, &told, &Profile::default());
        assert_eq!(said, contradicts, "{reason:?}, {reversal:?}, {evidence:?}");
    }
}

/// At a counter that may change its mind, a refusal of one of several copies is no proof: the question
/// that is out goes on, and if the counter says so when it is asked, the reversal is asked for again
/// as long as the debit's day lasts.
#[test]
fn a_refusal_of_one_copy_of_an_undoing_ends_it_only_with_the_day() {
    let profile = Profile { refusals_stick: false, ..Profile::default() };
    let tomorrow = Day::new(20_261_122).ok();
    let (today, refused) = (Some(intent().debit_day), Phase::Parked(ParkReason::ReversalRefused));
    for (sent, weight, today, verdict, after) in [
        (2, Weight::Answer, today, Verdict::Stale, Phase::ReversalProving),
        (1, Weight::Answer, today, Verdict::Fresh, refused),
        (2, Weight::Query, today, Verdict::Fresh, Phase::ReversalWaiting),
        (2, Weight::Query, tomorrow, Verdict::Fresh, refused),
        (1, Weight::Query, today, Verdict::Fresh, refused),
    ] {
        let legs = [Knowledge::Done, Knowledge::Refused, Knowledge::Unknown];
        let mut transfer = standing(Phase::ReversalProving, legs);
        transfer.reversal.sent = sent;
        let ground = StepContext { debit_day: today, ..ground(&profile, &profile, 3) };
        let event = Event::Told(Role::Reversal, told(Evidence::Refused, weight));
        let step = step(&mut transfer, &event, &ground).expect("legal");
        assert_eq!(
            (step.verdict, transfer.phase),
            (verdict, after),
            "{sent}, {weight:?}, {today:?}"
        );
    }
}

/// What a person put right by hand changes nothing of what the counters themselves did: they are not
/// accused for saying so.
#[test]
fn a_decision_by_hand_is_no_contradiction_of_the_counters_own_words() {
    use Knowledge::{Done, NotSent, Refused, Unknown};
    for (phase, debit, evidence, contradicts) in [
        (Phase::Completed, Refused, Evidence::Refused, false),
        (Phase::Completed, Refused, Evidence::Done, true),
        (Phase::Completed, Unknown, Evidence::Refused, true),
        (Phase::Completed, Unknown, Evidence::Done, false),
        (Phase::Refused, Unknown, Evidence::Done, true),
    ] {
        let mut transfer = standing(phase, [debit, Done, NotSent]);
        transfer.reason = Some(EndReason::Decided);
        let told = told(evidence, Weight::Truth);
        let said = contradicts_ending(&transfer, Role::Debit, &told, &Profile::default());
        assert_eq!(said, contradicts, "{phase:?}, {debit:?}, {evidence:?}");
        let credited = LegReport { evidence: Evidence::Done, ..told };
        let said = contradicts_ending(&transfer, Role::Credit, &credited, &Profile::default());
        assert!(!said, "{phase:?}: the credit is known to be done");
    }
}

/// Which endings a person may choose: those that nothing proven stands against; and where money moved
/// against all rules, so that there is none, those that the least stands against.
#[test]
fn the_endings_that_are_open_follow_from_what_is_proven() {
    use Decision::{Completed, Refused as Nothing, Reversed};
    use Knowledge::{Done, NotExecuted, NotSent, Refused, Unknown};
    for (legs, open) in [
        ([Unknown, Unknown, NotSent], vec![Completed, Reversed, Nothing]),
        ([Unknown, NotSent, NotSent], vec![Reversed, Nothing]),
        ([Done, Unknown, NotSent], vec![Completed, Reversed]),
        ([Done, Done, NotSent], vec![Completed]),
        ([Done, NotExecuted, Refused], vec![Reversed]),
        ([Done, Refused, Done], vec![Reversed]),
        ([Refused, NotSent, NotSent], vec![Nothing]),
        ([NotExecuted, Unknown, NotSent], vec![Nothing]),
        // The credit is done without its debit: debited by hand, or taken back by hand.
        ([Refused, Done, NotSent], vec![Completed, Nothing]),
        ([NotSent, Done, NotSent], vec![Completed, Nothing]),
        // Undone, although it never happened; or although the money arrived.
        ([NotExecuted, NotSent, Done], vec![Reversed, Nothing]),
        ([Done, Done, Done], vec![Completed, Reversed]),
    ] {
        let profile = Profile::default();
        let transfer = standing(Phase::Parked(ParkReason::Contradicted), legs);
        let found: Vec<Decision> = Decision::ALL
            .into_iter()
            .filter(|decision| {
                let event = Event::Decide(*decision);
                step(&mut transfer.clone(), &event, &ground(&profile, &profile, 3)).is_ok()
            })
            .collect();
        assert_eq!(found, open, "{legs:?}");
    }
}

/// An undoing that is proven ends a transfer only with a debit that was made and a credit that was not and will not be;
/// and one that was refused is sent again only then. What is not known of them is asked about first.
#[test]
fn an_undoing_counts_with_its_debit_and_without_its_credit() {
    use Knowledge::{Done, NotExecuted, NotSent, Refused, Unknown};
    let asks = |role| Action::Ask(role, Look::Only);
    let contradicted = Phase::Parked(ParkReason::Contradicted);
    for (legs, phase, action) in [
        ([Done, NotExecuted, Done], Phase::Reversed, Action::Finish),
        ([Done, NotSent, Done], Phase::Reversed, Action::Finish),
        ([Refused, Refused, Done], contradicted, Action::Pause),
        ([NotExecuted, Unknown, Done], contradicted, Action::Pause),
        ([Done, Done, Done], contradicted, Action::Pause),
        ([Unknown, NotExecuted, Done], Phase::DebitAsking, asks(Role::Debit)),
        ([Done, Unknown, Done], Phase::CreditAsking, asks(Role::Credit)),
        ([Done, NotExecuted, Unknown], Phase::ReversalProving, asks(Role::Reversal)),
        ([Unknown, NotExecuted, Unknown], Phase::DebitAsking, asks(Role::Debit)),
        ([Done, NotExecuted, Refused], Phase::ReversalSent, Action::Send(Role::Reversal)),
        ([Done, Unknown, Refused], Phase::CreditAsking, asks(Role::Credit)),
        ([Unknown, NotExecuted, Refused], Phase::DebitAsking, asks(Role::Debit)),
        ([Done, Done, Refused], Phase::Completed, Action::Finish),
        ([Refused, NotSent, NotExecuted], Phase::Refused, Action::Finish),
    ] {
        let mut transfer = standing(Phase::Parked(ParkReason::DebitUnresolved), legs);
        let profile = Profile::default();
        let resume = Event::Decide(Decision::Resume);
        let step = step(&mut transfer, &resume, &ground(&profile, &profile, 3)).expect("legal");
        assert_eq!((transfer.phase, step.action), (phase, action), "{legs:?}");
    }
}

/// No credit is sent of what may have been undone: it is buried.
#[test]
fn no_credit_follows_a_debit_that_is_said_to_be_undone() {
    for undone in [Knowledge::Unknown, Knowledge::Done] {
        let legs = [Knowledge::Unknown, Knowledge::NotSent, undone];
        let mut transfer = standing(Phase::DebitAsking, legs);
        let step = tell(&mut transfer, Role::Debit, told(Evidence::Done, Weight::Query));
        let expected = (Phase::CreditFencing, Action::Ask(Role::Credit, Look::Fence));
        assert_eq!((transfer.phase, step.action), expected, "{undone:?}");
    }
}

/// A debit that may have been undone had been made: it is not made again because its counter does not find it.
#[test]
fn no_debit_is_sent_that_is_said_to_be_undone() {
    for undone in [Knowledge::Unknown, Knowledge::Done] {
        let legs = [Knowledge::Unknown, Knowledge::NotExecuted, undone];
        let mut transfer = standing(Phase::DebitAsking, legs);
        let profile = Profile { can_fence: false, ..Profile::default() };
        let event = Event::Told(Role::Debit, told(Evidence::NotFound, Weight::Query));
        let step = step(&mut transfer, &event, &ground(&profile, &profile, 3)).expect("legal");
        let expected = (Phase::DebitAsking, Action::Pause);
        assert_eq!((transfer.phase, step.action), expected, "{undone:?}");
    }
}

/// Once the credit is proven not to be, an undoing that is proven already is not sent again.
#[test]
fn what_is_proven_undone_is_not_undone_again() {
    let legs = [Knowledge::Done, Knowledge::Unknown, Knowledge::Done];
    let mut transfer = standing(Phase::CreditAsking, legs);
    let step = tell(&mut transfer, Role::Credit, told(Evidence::NotExecuted, Weight::Truth));
    assert_eq!((transfer.phase, step.action), (Phase::Reversed, Action::Finish));
}
