//! Every ending and every point before it passes; everything that loses or makes money does not.

use super::*;
use domain::message::{AccountId, CounterId, Place};
use domain::money::Amount;
use domain::order::Order;
use domain::serial::{Day, Mark};

/// The states of a transfer that has not ended.
const OPEN: [State; 5] =
    [State::Accepted, State::Debiting, State::Crediting, State::Reversing, State::NeedsOperator];

fn place(counter: &str, account: &str) -> Place {
    Place {
        counter: CounterId::new(counter).expect("a counter"),
        account: AccountId::new(account).expect("an account"),
    }
}

fn day() -> Day {
    Day::new(20_261_121).expect("a day")
}

fn transfer(standing: State) -> Recorded {
    Recorded {
        master: "2026112100000000007".parse().expect("a serial"),
        order: Order {
            from: place("securities", "6001"),
            to: place("futures", "8001"),
            amount: Amount::new(200).expect("an amount"),
            currency: Currency::CNY,
        },
        days: (day(), day()),
        standing,
        created_at: 0,
        mark: Some(Mark(7)),
    }
}

/// The transfer's leg, as it has to be.
fn leg(role: Role) -> Posting {
    let transfer = transfer(State::Accepted);
    let place = transfer.place(role);
    Posting {
        counter: place.counter.clone(),
        kind: role,
        serial: transfer.master.leg(role),
        original: (role == Role::Reversal).then(|| transfer.master.leg(Role::Debit)),
        account: place.account.clone(),
        amount: 200,
        currency: Currency::CNY,
        settle_day: day(),
        mark: Some(Mark(7)),
    }
}

fn verdict(standing: State, postings: &[Posting], word: Option<Word>) -> Verdict {
    let record = [transfer(standing)];
    let words = word.map(|word| (record[0].master, word)).into_iter().collect();
    judge(Case { record: &record, postings, elsewhere: &BTreeSet::new(), words: &words })
}

fn kinds(standing: State, postings: &[Posting]) -> Vec<&'static str> {
    verdict(standing, postings, None).findings.iter().map(Finding::kind).collect()
}

const COMPLETED: State = State::Completed;
const REFUSED: State = State::Refused;
const REVERSED: State = State::Reversed;

fn debit() -> Posting {
    leg(Role::Debit)
}

fn credit() -> Posting {
    leg(Role::Credit)
}

fn reversal() -> Posting {
    leg(Role::Reversal)
}

#[test]
fn every_ending_and_every_legal_point_before_it_is_clean() {
    for (standing, postings) in [
        (COMPLETED, vec![debit(), credit()]),
        (REFUSED, vec![]),
        (REVERSED, vec![debit(), reversal()]),
    ] {
        assert_eq!(kinds(standing, &postings), [""; 0], "{standing:?}");
    }
    for state in OPEN {
        for postings in [vec![], vec![debit()], vec![debit(), credit()], vec![debit(), reversal()]]
        {
            assert_eq!(kinds(state, &postings), [""; 0], "{state} {postings:?}");
        }
    }
}

#[test]
fn legs_that_a_state_does_not_allow_are_found_and_the_missing_are_named() {
    let open = State::Crediting;
    let cases: &[(State, &[Posting], &[Role])] = &[
        (COMPLETED, &[], &[Role::Debit, Role::Credit]),
        (COMPLETED, &[debit()], &[Role::Credit]),
        (COMPLETED, &[credit()], &[Role::Debit]),
        (COMPLETED, &[debit(), credit(), reversal()], &[]),
        (REFUSED, &[debit()], &[]),
        (REFUSED, &[credit()], &[]),
        (REFUSED, &[debit(), reversal()], &[]),
        (REVERSED, &[debit()], &[Role::Reversal]),
        (REVERSED, &[debit(), credit()], &[Role::Reversal]),
        (REVERSED, &[debit(), credit(), reversal()], &[]),
        (open, &[credit()], &[Role::Debit]),
        (open, &[reversal()], &[Role::Debit]),
        (open, &[debit(), credit(), reversal()], &[]),
    ];
    for (standing, postings, missing) in cases {
        let verdict = verdict(*standing, postings, None);
        let found = |finding: &Finding| matches!(finding, Finding::WrongLegs { .. });
        assert!(verdict.findings.iter().any(found), "{standing:?} {postings:?}");
        let named: Vec<Role> = verdict.missing.iter().map(|(_, role)| *role).collect();
        assert_eq!(named, *missing, "{standing:?} {postings:?}");
    }
}

#[test]
fn a_posting_that_stands_twice_is_found() {
    for twice in [Role::Debit, Role::Credit] {
        let kinds = kinds(COMPLETED, &[debit(), credit(), leg(twice)]);
        assert_eq!(kinds, ["doubled", "wrong_legs", "unbalanced"], "{twice}");
    }
}

#[test]
fn a_posting_that_is_not_its_transfers_leg_is_found() {
    let original = Some(transfer(COMPLETED).master.leg(Role::Credit));
    for (posting, what) in [
        (Posting { amount: 199, ..credit() }, "amount"),
        (Posting { account: place("futures", "8002").account, ..credit() }, "account"),
        (Posting { currency: "USD".parse().expect("a code"), ..credit() }, "currency"),
        (Posting { kind: Role::Debit, ..credit() }, "kind"),
        (Posting { original, ..credit() }, "original"),
    ] {
        let findings = verdict(COMPLETED, &[debit(), posting], None).findings;
        let found = findings.iter().any(
            |finding| matches!(finding, Finding::NotAsRecorded { what: said, .. } if *said == what),
        );
        assert!(found, "{what}: {findings:?}");
    }
}

/// A counter that takes no part, and one that speaks about the other's leg: named, and neither the
/// transfer nor the sums are touched by it.
#[test]
fn what_a_counter_states_of_anothers_leg_is_held_against_it_alone() {
    for (leg, speaker) in [
        (debit(), "wallet"),
        (credit(), "wallet"),
        (debit(), "futures"),
        (credit(), "securities"),
        (reversal(), "futures"),
    ] {
        let lie = Posting { counter: place(speaker, "1").counter, amount: 777, ..leg };
        let honest = verdict(COMPLETED, &[debit(), credit()], None);
        let told = verdict(COMPLETED, &[debit(), lie.clone(), credit(), lie.clone()], None);
        let found: Vec<&str> = told.findings.iter().map(Finding::kind).collect();
        assert_eq!(found, ["foreign_speaker", "foreign_speaker"], "{lie:?}");
        assert_eq!(told.currencies, honest.currencies);
        // Nor does it take the place of a leg that its counter does not state.
        let alone = kinds(COMPLETED, &[debit(), lie]);
        assert!(alone.contains(&"wrong_legs"), "{alone:?}");
    }
}

#[test]
fn a_posting_of_no_transfer_is_found_unless_it_belongs_to_another_time() {
    let stray = judge(Case {
        record: &[],
        postings: &[debit(), credit()],
        elsewhere: &BTreeSet::new(),
        words: &BTreeMap::new(),
    });
    assert_eq!(stray.findings.len(), 2, "{:?}", stray.findings);
    let explained = judge(Case {
        record: &[],
        postings: &[debit(), credit()],
        elsewhere: &BTreeSet::from([debit(), credit()].map(|leg| (leg.counter, leg.serial))),
        words: &BTreeMap::new(),
    });
    assert_eq!(explained, Verdict::default());
}

#[test]
fn sums_say_where_the_money_is() {
    let open = verdict(State::Crediting, &[debit()], None);
    let sums = open.currencies["CNY"];
    assert_eq!((sums.debited, sums.in_transit, sums.unaccounted()), (200, 200, 0));
    assert_eq!(open.open[0].in_transit, 200);
    let lost = verdict(COMPLETED, &[debit()], None);
    assert_eq!(lost.currencies["CNY"].unaccounted(), 200);
    let made = verdict(COMPLETED, &[credit()], None);
    assert_eq!(made.currencies["CNY"].unaccounted(), -200);
}

#[test]
fn a_persons_word_stands_for_a_leg_but_not_against_a_posting() {
    let word = || Some(Word { who: "lin".into(), note: "by hand".into() });
    for standing in [COMPLETED, REVERSED] {
        let said = verdict(standing, &[debit()], word());
        assert_eq!(said.findings, [], "{standing:?}");
        assert_eq!(said.currencies["CNY"].on_a_persons_word, 200);
        assert_eq!(said.by_word.len(), 1);
        assert_ne!(verdict(standing, &[], word()).findings, [], "{standing:?}");
    }
    // Debited, or taken back, by hand: what left for it left by no posting.
    for (standing, posting) in
        [(COMPLETED, credit()), (REFUSED, credit()), (REVERSED, reversal()), (REFUSED, reversal())]
    {
        let said = verdict(standing, &[posting], word());
        assert_eq!(said.findings, [], "{standing:?}");
        assert_eq!(said.currencies["CNY"].on_a_persons_word, -200);
        assert_eq!(said.by_word.len(), 1);
    }
    assert_ne!(verdict(REVERSED, &[credit()], word()).findings, []);
    assert_ne!(verdict(COMPLETED, &[reversal()], word()).findings, []);
    assert_eq!(verdict(REFUSED, &[debit(), reversal()], word()).findings, []);
    assert_ne!(verdict(REFUSED, &[debit()], word()).findings, []);
    assert_ne!(verdict(REVERSED, &[debit(), credit()], word()).findings, []);
}

#[test]
fn findings_are_said_in_words() {
    let verdict = verdict(COMPLETED, &[Posting { amount: 199, ..debit() }], None);
    let said: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "a debit of 1.99 CNY at securities:6001 is not the amount that 2026112100000000007 has: \
             serial 000000000071, settle day 20261121",
            "2026112100000000007 is completed, and its counters state nothing",
            "199 minor units of CNY left and are nowhere",
        ]
    );
}

/// A record that was put back from a copy gives old serials out again: what the counters show under
/// them is named, whatever the transfer that has the serial now is said to be.
#[test]
fn a_posting_with_another_mark_is_of_a_transfer_that_the_record_does_not_know() {
    let of_another = |posting| Posting { mark: Some(Mark(8)), ..posting };
    let lost = [of_another(debit()), of_another(credit())];
    for (standing, others) in
        [(COMPLETED, vec!["wrong_legs"]), (REFUSED, vec![]), (State::NeedsOperator, vec![])]
    {
        let mut expected = vec!["foreign", "foreign"];
        expected.extend(others);
        assert_eq!(kinds(standing, &lost), expected, "{standing:?}");
    }
    // A counter that keeps no marks states its postings without.
    let unmarked = |posting| Posting { mark: None, ..posting };
    assert_eq!(kinds(COMPLETED, &[unmarked(debit()), unmarked(credit())]), [""; 0]);
    // A transfer of an earlier version has no mark, and its postings bear none.
    let found = verdict(COMPLETED, &lost, None).findings;
    assert!(found[0].to_string().contains("another mark"), "{}", found[0]);
}
