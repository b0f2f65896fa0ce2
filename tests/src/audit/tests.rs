//! Hand-written books: those that must pass, and every kind that must not.

use super::*;

const MASTER: &str = "2026010100000000001";
const DEBIT: &str = "000000000011";
const CREDIT: &str = "000000000012";
const REVERSAL: &str = "000000000013";

/// An account of the securities counter, opened with 500, and its lines as `kind amount balance`.
fn line(kind: Kind, serial: &str, account: &str, amount: i64, balance_after: i64) -> Line {
    Line {
        kind,
        serial: (!serial.is_empty()).then(|| serial.to_owned()),
        master: (kind != Kind::Opened).then(|| MASTER.to_owned()),
        original: (kind == Kind::Reversal).then(|| DEBIT.to_owned()),
        account: Some(account.to_owned()),
        amount: Some(amount),
        currency: Some("CNY".to_owned()),
        settle_day: Some(20_260_101),
        balance_after: Some(balance_after),
    }
}

fn securities(lines: &[Line]) -> Book {
    let mut all = vec![line(Kind::Opened, "", "6001", 500, 500)];
    all.extend_from_slice(lines);
    Book { counter: "securities".into(), lines: all }
}

fn futures(lines: &[Line]) -> Book {
    let mut all = vec![line(Kind::Opened, "", "8001", 0, 0)];
    all.extend_from_slice(lines);
    Book { counter: "futures".into(), lines: all }
}

fn debit() -> Line {
    line(Kind::Debit, DEBIT, "6001", 200, 300)
}

fn credit() -> Line {
    line(Kind::Credit, CREDIT, "8001", 200, 200)
}

fn reversal() -> Line {
    line(Kind::Reversal, REVERSAL, "6001", 200, 500)
}

fn told(state: State) -> Told {
    Told {
        master_serial: MASTER.into(),
        state,
        from: Place { counter: "securities".into(), account: "6001".into() },
        to: Place { counter: "futures".into(), account: "8001".into() },
        amount: 200,
        currency: "CNY".into(),
    }
}

fn found(state: State, source: &[Line], destination: &[Line]) -> Vec<Finding> {
    audit(&[securities(source), futures(destination)], &[told(state)])
}

#[test]
fn every_ending_and_every_legal_point_before_it_is_clean() {
    let refused = || line(Kind::Refused, CREDIT, "8001", 200, 0);
    let fenced = line(Kind::Fenced, CREDIT, "8001", 200, 0);
    let lives: &[(State, &[Line], &[Line])] = &[
        (State::Accepted, &[], &[]),
        (State::Debiting, &[debit()], &[]),
        (State::Crediting, &[debit()], &[]),
        (State::Crediting, &[debit()], &[credit()]),
        (State::Reversing, &[debit()], &[refused()]),
        (State::Reversing, &[debit(), reversal()], &[]),
        (State::NeedsOperator, &[debit()], &[]),
        (State::Completed, &[debit()], &[credit()]),
        (State::Refused, &[line(Kind::Refused, DEBIT, "6001", 200, 500)], &[]),
        (State::Refused, &[line(Kind::Fenced, DEBIT, "6001", 200, 500)], &[]),
        (State::Reversed, &[debit(), reversal()], &[refused()]),
        (State::Reversed, &[debit(), reversal()], &[fenced]),
    ];
    for (state, source, destination) in lives {
        assert_eq!(found(*state, source, destination), [], "{state:?}");
    }
}

#[test]
fn a_serial_posted_twice_is_found() {
    let again = line(Kind::Credit, CREDIT, "8001", 200, 400);
    let findings = found(State::Completed, &[debit()], &[credit(), again]);
    assert!(
        findings
            .contains(&Finding::PostedTwice { counter: "futures".into(), serial: CREDIT.into() })
    );
    assert!(findings.iter().any(|finding| matches!(finding, Finding::NotConserved { .. })));
}

#[test]
fn a_serial_may_come_again_on_another_settle_day_but_the_legs_still_count() {
    let mut again = line(Kind::Credit, CREDIT, "8001", 200, 400);
    again.settle_day = Some(20_260_102);
    let findings = found(State::Completed, &[debit()], &[credit(), again]);
    assert!(!findings.iter().any(|finding| matches!(finding, Finding::PostedTwice { .. })));
    assert!(findings.iter().any(|finding| matches!(finding, Finding::WrongLegs { .. })));
}

#[test]
fn a_posting_after_its_fence_is_found() {
    let fenced = line(Kind::Fenced, CREDIT, "8001", 200, 0);
    assert_eq!(
        found(State::Completed, &[debit()], &[fenced, credit()]),
        [Finding::PostedAfterFence { counter: "futures".into(), serial: CREDIT.into() }]
    );
}

#[test]
fn a_fence_after_the_posting_changes_nothing() {
    let fenced = line(Kind::Fenced, CREDIT, "8001", 200, 200);
    assert_eq!(found(State::Completed, &[debit()], &[credit(), fenced]), []);
}

#[test]
fn final_states_without_their_postings_or_with_others_are_found() {
    let wrong: &[(State, &[Line], &[Line])] = &[
        (State::Completed, &[], &[]),
        (State::Completed, &[debit()], &[]),
        (State::Completed, &[], &[credit()]),
        (State::Completed, &[debit(), reversal()], &[credit()]),
        (State::Refused, &[debit()], &[]),
        (State::Refused, &[], &[credit()]),
        (State::Refused, &[debit()], &[credit()]),
        (State::Reversed, &[], &[]),
        (State::Reversed, &[debit()], &[]),
        (State::Reversed, &[debit()], &[credit()]),
        (State::Reversed, &[debit(), reversal()], &[credit()]),
        (State::Accepted, &[], &[credit()]),
        (State::Crediting, &[], &[credit()]),
        (State::Reversing, &[reversal()], &[]),
        (State::NeedsOperator, &[debit(), reversal()], &[credit()]),
    ];
    for (state, source, destination) in wrong {
        let findings = found(*state, source, destination);
        assert!(
            findings.iter().any(|finding| matches!(finding, Finding::WrongLegs { .. })),
            "{state:?} {findings:?}"
        );
    }
}

#[test]
fn a_posting_that_nobody_was_told_of_is_found() {
    let books = [securities(&[debit()]), futures(&[credit()])];
    assert_eq!(
        audit(&books, &[]),
        [
            Finding::Stranger { counter: "securities".into(), serial: DEBIT.into() },
            Finding::Stranger { counter: "futures".into(), serial: CREDIT.into() },
        ]
    );
}

#[test]
fn a_posting_with_another_account_amount_currency_or_place_is_found() {
    let less = line(Kind::Credit, CREDIT, "8001", 199, 199);
    let elsewhere = line(Kind::Credit, CREDIT, "8002", 200, 200);
    let mut foreign = credit();
    foreign.currency = Some("USD".into());
    for credit in [less, elsewhere, foreign] {
        let findings = found(State::Completed, &[debit()], &[credit]);
        assert!(
            findings.iter().any(|finding| matches!(finding, Finding::NotAsTold { .. })),
            "{findings:?}"
        );
    }
    let swapped = [futures(&[debit()]), securities(&[credit()])];
    let findings = audit(&swapped, &[told(State::Completed)]);
    assert!(findings.iter().any(|finding| matches!(finding, Finding::NotAsTold { .. })));
}

#[test]
fn a_reversal_must_name_its_debit() {
    let mut astray = reversal();
    astray.original = Some("000000000021".into());
    let mut short = line(Kind::Reversal, REVERSAL, "6001", 100, 400);
    short.original = Some(DEBIT.into());
    for reversal in [astray, short] {
        let findings = found(State::Reversed, &[debit(), reversal], &[]);
        assert!(
            findings.contains(&Finding::ReversalOfNothing {
                counter: "securities".into(),
                serial: REVERSAL.into()
            }),
            "{findings:?}"
        );
    }
    let findings = found(State::Reversed, &[reversal(), debit()], &[]);
    assert!(findings.iter().any(|finding| matches!(finding, Finding::ReversalOfNothing { .. })));
}

#[test]
fn a_balance_that_its_postings_do_not_make_is_found() {
    let wrong = line(Kind::Debit, DEBIT, "6001", 200, 301);
    assert_eq!(
        found(State::Debiting, &[wrong], &[]),
        [Finding::WrongBalance {
            counter: "securities".into(),
            account: "6001".into(),
            computed: 300,
            written: 301
        }]
    );
}

#[test]
fn money_taken_by_a_transfer_that_says_it_is_final_is_missed() {
    let findings = found(State::Completed, &[debit()], &[]);
    assert!(findings.contains(&Finding::NotConserved {
        currency: "CNY".into(),
        opened: 500,
        held: 300,
        on_its_way: 0
    }));
}
