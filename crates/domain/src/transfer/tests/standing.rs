//! What persons decide about is the same as long as nothing of it has changed, and what a decision would lead to is
//! what it leads to.

use super::*;

/// Waits for a person, with its debit done and the credit in doubt.
fn parked() -> Transfer {
    let mut transfer = Transfer::accepted(intent());
    transfer.phase = Phase::Parked(ParkReason::CreditUnresolved);
    transfer.debit.knowledge = Knowledge::Done;
    transfer.debit.counter_serial = Some("C1".into());
    transfer.debit.posted_day = Some(intent().debit_day);
    transfer.debit.sent = 1;
    transfer.credit.knowledge = Knowledge::Unknown;
    transfer.credit.sent = 1;
    transfer
}

#[test]
fn where_a_transfer_stands_is_said_in_full() {
    expect![[r"
        needs_operator
        the credit's outcome could not be established

        debit on 20261121: done, as 2:C1, posted on 20261121
        credit on 20261121: unknown
        reversal on 20261121: never sent
    "]]
    .assert_eq(&parked().standing());
}

#[test]
fn what_a_decision_rests_on_changes_it_and_nothing_else_does() {
    let standing = parked().standing();
    let day = Day::new(20_261_122).expect("a day");
    let changes: [fn(&mut Transfer, Day); 9] = [
        |it, _| it.phase = Phase::Parked(ParkReason::Contradicted),
        |it, _| it.phase = Phase::ReversalWaiting,
        |it, _| it.credit.knowledge = Knowledge::Refused,
        |it, _| it.debit.counter_serial = Some("C2".into()),
        |it, _| it.debit.counter_serial = None,
        |it, day| it.debit.posted_day = Some(day),
        |it, day| it.credit.rebound.push(day),
        |it, _| it.credit.doubt = Some(Doubt::KnownBefore),
        |it, _| it.reason = Some(EndReason::CreditRefused),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = parked();
        change(&mut other, day);
        assert_ne!(other.standing(), standing, "change {number}");
    }
    let nothing: [fn(&mut Transfer); 5] = [
        |it| it.credit.tries = 9,
        |it| it.credit.sent = 2,
        |it| it.expired = true,
        |it| it.credit.days_unasked = 1,
        |it| {
            let text = ForeignText::from("not found");
            it.credit.answer = Some(Answer { code: AnswerCode::CLOSED, text });
        },
    ];
    for (number, change) in nothing.into_iter().enumerate() {
        let mut same = parked();
        change(&mut same);
        assert_eq!(same.standing(), standing, "no change {number}");
    }
}

/// No number that a counter gives can read as something else that is known.
#[test]
fn a_counters_words_stand_for_themselves_alone() {
    let mut one = parked();
    one.debit.counter_serial = Some("C1, posted on 20261121".into());
    one.debit.posted_day = None;
    assert_ne!(one.standing(), parked().standing());
}

#[test]
fn what_a_decision_would_lead_to_is_what_it_leads_to() {
    let profile = Profile::default();
    let ground = ground(&profile, &profile, 3);
    let mut known = parked();
    known.credit.knowledge = Knowledge::NotExecuted;
    for transfer in [parked(), known] {
        for decision in Decision::ALL {
            let before = transfer.clone();
            let would = transfer.would(decision, &ground);
            assert_eq!(transfer, before, "looking ahead changes nothing");
            let mut taken = transfer.clone();
            let step = step(&mut taken, &Event::Decide(decision), &ground);
            match (would, step) {
                (Ok(Outlook::Ends(state)), Ok(_)) => assert_eq!(state, taken.state()),
                (Ok(Outlook::Sends(role)), Ok(step)) => assert_eq!(step.action, Action::Send(role)),
                (Ok(Outlook::Unproven(role)), Ok(step)) => {
                    assert!(matches!(step.action, Action::Ask(asked, _) if asked == role));
                }
                (Err(would), Err(refused)) => assert_eq!(would, refused),
                other => panic!("{decision:?}: {other:?}"),
            }
        }
    }
    // The debit that is proven done is not called refused, whoever wants it.
    assert!(parked().would(Decision::Refused, &ground).is_err());
    assert_eq!(parked().would(Decision::Resume, &ground), Ok(Outlook::Unproven(Role::Credit)));
}

#[test]
fn only_what_proof_allows_may_be_decided() {
    use Knowledge::{Done, NotSent, Unknown};
    let check = |why, debit, credit, expected: Expect| {
        let mut transfer = parked();
        transfer.phase = Phase::Parked(why);
        (transfer.debit.knowledge, transfer.credit.knowledge) = (debit, credit);
        let profile = Profile::default();
        let ground = ground(&profile, &profile, 3);
        let lines = Decision::ALL.map(|decision| match transfer.would(decision, &ground) {
            Ok(outlook) => format!("{}: {outlook:?}", decision.as_str()),
            Err(illegal) => format!("{}: {illegal}", decision.as_str()),
        });
        expected.assert_eq(&lines.join("\n"));
    };
    check(
        ParkReason::CreditUnresolved,
        Done,
        Unknown,
        expect![[r#"
        completed: Ends(Completed)
        reversed: Ends(Reversed)
        refused: the decision contradicts the proof: the debit is done
        resume: Unproven(Credit)"#]],
    );
    check(
        ParkReason::DebitUnresolved,
        Unknown,
        NotSent,
        expect![[r#"
        completed: the decision contradicts the proof: the credit is never sent
        reversed: Ends(Reversed)
        refused: Ends(Refused)
        resume: Unproven(Debit)"#]],
    );
    check(
        ParkReason::Contradicted,
        Done,
        Done,
        expect![[r#"
        completed: Ends(Completed)
        reversed: the decision contradicts the proof: the credit is done
        refused: the decision contradicts the proof: the debit is done
        resume: the counter contradicted itself: decide the ending, it cannot be resumed"#]],
    );
}

/// They are part of what proposals name: another word would make each that is open void.
#[test]
fn why_it_ended_has_a_word_of_its_own() {
    let all = [
        (EndReason::DebitRefused, "debit_refused"),
        (EndReason::DebitNotExecuted, "debit_not_executed"),
        (EndReason::CounterUnavailable, "counter_unavailable"),
        (EndReason::CreditRefused, "credit_refused"),
        (EndReason::CreditNotExecuted, "credit_not_executed"),
        (EndReason::Decided, "decided"),
    ];
    for (reason, word) in all {
        assert_eq!(reason.as_str(), word);
    }
}
