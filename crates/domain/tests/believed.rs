//! What may be believed of a counter's words, as tables: every code, every finding, and every field
//! of a posting that is claimed.

use domain::message::{
    AccountId, Answer, AnswerCode, CounterId, Finding, Instruction, Look, Place, Posted,
    PostingReply, QueryReply, Reply,
};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::profile::{CodeTable, Meaning, Profile};
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence};
use domain::transfer::{
    Evidence, Intent, Knowledge, LegReport, ParkReason, Phase, Question, State, Transfer, Weight,
    attribute,
};

fn day(number: u32) -> Day {
    Day::new(number).expect("a day")
}

fn account(text: &str) -> AccountId {
    AccountId::new(text).expect("an account")
}

fn amount(minor: i64) -> Amount {
    Amount::new(minor).expect("an amount")
}

/// Both sides differ in everything.
fn transfer() -> Transfer {
    let place = |counter: &str, text: &str| Place {
        counter: CounterId::new(counter).expect("a counter"),
        account: account(text),
    };
    let mut transfer = Transfer::accepted(Intent {
        master: MasterSerial {
            day: day(20_261_121),
            sequence: Sequence::new(42).expect("a sequence"),
        },
        order: Order {
            from: place("securities", "6001"),
            to: place("futures", "8001"),
            amount: amount(100_000),
            currency: Currency::CNY,
        },
        debit_day: day(20_261_123),
        credit_day: day(20_261_124),
        credit_barrier: false,
        mark: Some(Mark(0x5eed)),
    });
    for role in Role::ALL {
        transfer.leg_mut(role).sent = 1;
    }
    transfer
}

/// The posting that a leg asks for.
fn posted(transfer: &Transfer, role: Role) -> Posted {
    Posted {
        counter_serial: "C1".into(),
        settle_day: transfer.bound_day(role),
        account: transfer.place(role).account.clone(),
        amount: transfer.intent.order.amount,
        currency: transfer.intent.order.currency,
        original: (role == Role::Reversal).then(|| transfer.intent.master.leg(Role::Debit)),
    }
}

fn answer(code: u16) -> Answer {
    Answer { code: AnswerCode::new(code).expect("a code"), text: "as the counter put it".into() }
}

/// What the leg's own counter said.
fn heard(
    transfer: &Transfer,
    role: Role,
    profile: &Profile,
    said: Reply,
    question: Question,
) -> LegReport {
    let speaker = &transfer.place(role).counter;
    let words = attribute(transfer, speaker, said).expect("its own leg");
    LegReport::heard(transfer, words, profile, question)
}

fn by_posting(transfer: &Transfer, role: Role, code: u16, posted: Option<Posted>) -> LegReport {
    let serial = transfer.intent.master.leg(role);
    let reply = PostingReply { serial, answer: answer(code), posted, mark: transfer.intent.mark };
    let said = Reply::Posting(reply);
    heard(transfer, role, &Profile::default(), said, Question::Look)
}

fn by_query(
    transfer: &Transfer,
    role: Role,
    (finding, code): (Finding, u16),
    posted: Option<Posted>,
    question: Question,
) -> LegReport {
    let serial = transfer.intent.master.leg(role);
    let reply =
        QueryReply { serial, finding, answer: answer(code), posted, mark: transfer.intent.mark };
    heard(transfer, role, &Profile::default(), Reply::Query(reply), question)
}

/// Ways in which a posting is not the one that was asked for.
fn others(transfer: &Transfer, role: Role) -> Vec<(&'static str, Posted)> {
    let right = || posted(transfer, role);
    let other_side = match role {
        Role::Debit | Role::Reversal => &transfer.intent.order.to,
        Role::Credit => &transfer.intent.order.from,
    };
    vec![
        ("the other side's account", Posted { account: other_side.account.clone(), ..right() }),
        ("an account that begins alike", Posted { account: account("60011"), ..right() }),
        ("a unit more", Posted { amount: amount(100_001), ..right() }),
        ("a unit less", Posted { amount: amount(99_999), ..right() }),
        ("another currency", Posted { currency: "USD".parse().expect("a currency"), ..right() }),
    ]
}

const QUESTIONS: [Question; 3] = [Question::Look, Question::Fence, Question::Settled];

#[test]
fn a_posting_is_believed_only_if_it_is_the_one_that_was_asked_for() {
    let transfer = transfer();
    for role in Role::ALL {
        for code in [200, 201, 601] {
            let told = by_posting(&transfer, role, code, Some(posted(&transfer, role)));
            assert_eq!(told.evidence, Evidence::Done, "{role} {code}");
            assert_eq!(told.posted, Some(posted(&transfer, role)), "{role} {code}");
            assert_eq!(told.weight, Weight::Answer);
            for (what, posted) in others(&transfer, role) {
                let told = by_posting(&transfer, role, code, Some(posted));
                assert_eq!(told.evidence, Evidence::Silent, "{role} {code}: {what}");
                assert_eq!(told.posted, None, "{role} {code}: {what}");
            }
            let told = by_posting(&transfer, role, code, None);
            assert_eq!(told.evidence, Evidence::Silent, "{role} {code}: no posting");
        }
        for question in QUESTIONS {
            let done = (Finding::Done, 200);
            let right = posted(&transfer, role);
            let told = by_query(&transfer, role, done, Some(right.clone()), question);
            assert_eq!(told.evidence, Evidence::Done, "{role} {question:?}");
            assert_eq!(told.posted, Some(right));
            for (what, posted) in others(&transfer, role) {
                let told = by_query(&transfer, role, done, Some(posted), question);
                assert_eq!(told.evidence, Evidence::Silent, "{role} {question:?}: {what}");
                assert_eq!(told.posted, None);
            }
            let told = by_query(&transfer, role, done, None, question);
            assert_eq!(told.evidence, Evidence::Silent, "{role} {question:?}: no posting");
        }
    }
}

#[test]
fn every_code_proves_what_the_standard_table_says_and_no_more() {
    let transfer = transfer();
    for code in 100..=999 {
        let expected = match code {
            200 | 201 | 601 => Evidence::Done,
            301 | 302 | 400..=405 | 602 | 603 => Evidence::Refused,
            501 => Evidence::NotExecuted,
            _ => Evidence::Silent,
        };
        let told = by_posting(&transfer, Role::Debit, code, Some(posted(&transfer, Role::Debit)));
        assert_eq!(told.evidence, expected, "{code}");
        assert_eq!(told.answer, Some(answer(code)));
        assert_eq!(told.posted.is_some(), expected == Evidence::Done, "{code}");
    }
}

#[test]
fn every_finding_proves_what_the_question_lets_it() {
    let transfer = transfer();
    for question in QUESTIONS {
        let weight = if question == Question::Look { Weight::Query } else { Weight::Truth };
        let unseen =
            if question == Question::Settled { Evidence::NotExecuted } else { Evidence::NotFound };
        for (finding, code, expected) in [
            (Finding::Done, 200, Evidence::Done),
            (Finding::Processing, 100, Evidence::Silent),
            (Finding::Processing, 200, Evidence::Silent),
            (Finding::Unclear, 200, Evidence::Silent),
            (Finding::Unclear, 402, Evidence::Silent),
            (Finding::Fenced, 501, Evidence::NotExecuted),
            (Finding::NotFound, 200, unseen),
            (Finding::Refused, 402, Evidence::Refused),
            (Finding::Refused, 501, Evidence::NotExecuted),
            // A refusal by a code that is not one proves nothing.
            (Finding::Refused, 200, Evidence::Silent),
            (Finding::Refused, 201, Evidence::Silent),
            (Finding::Refused, 299, Evidence::Silent),
        ] {
            let right = Some(posted(&transfer, Role::Credit));
            let told = by_query(&transfer, Role::Credit, (finding, code), right, question);
            assert_eq!(told.evidence, expected, "{finding:?} {code} {question:?}");
            assert_eq!(told.weight, weight, "{question:?}");
            assert_eq!(told.posted.is_some(), expected == Evidence::Done, "{finding:?}");
            assert_eq!(told.answer, Some(answer(code)));
        }
    }
}

/// A counter's own table, not the standard one, says what its codes mean.
#[test]
fn the_counters_own_table_is_asked() {
    let transfer = transfer();
    let codes = [(700, Meaning::Refused), (701, Meaning::Done)]
        .map(|(code, meaning)| (AnswerCode::new(code).expect("a code"), meaning));
    let profile = Profile { codes: CodeTable::new(codes), ..Profile::default() };
    for (code, expected) in
        [(700, Evidence::Refused), (701, Evidence::Done), (402, Evidence::Silent)]
    {
        let reply = PostingReply {
            serial: transfer.intent.master.leg(Role::Debit),
            answer: answer(code),
            posted: Some(posted(&transfer, Role::Debit)),
            mark: transfer.intent.mark,
        };
        let said = Reply::Posting(reply);
        let told = heard(&transfer, Role::Debit, &profile, said, Question::Look);
        assert_eq!(told.evidence, expected, "{code}");
    }
}

#[test]
fn proof_is_what_holds_whenever_it_comes() {
    for evidence in Evidence::ALL {
        let expected = [Evidence::Done, Evidence::Refused, Evidence::NotExecuted];
        assert_eq!(evidence.is_proof(), expected.contains(&evidence), "{evidence:?}");
    }
    for (knowledge, expected) in [
        (Knowledge::NotSent, false),
        (Knowledge::Unknown, false),
        (Knowledge::Done, true),
        (Knowledge::Refused, true),
        (Knowledge::NotExecuted, true),
    ] {
        assert_eq!(knowledge.is_proof(), expected, "{knowledge:?}");
    }
    let nothing = LegReport::nothing(Evidence::NotSent, Weight::Query);
    assert_eq!((nothing.evidence, nothing.weight), (Evidence::NotSent, Weight::Query));
    assert!(nothing.answer.is_none() && nothing.posted.is_none());
}

/// Rule 8: debited, and neither credited nor returned, and not ended.
#[test]
fn money_is_in_transit_from_the_debit_until_it_has_arrived_or_returned() {
    use Knowledge::{Done, NotExecuted, NotSent, Refused, Unknown};
    let all = [NotSent, Unknown, Done, Refused, NotExecuted];
    for phase in [Phase::CreditSent, Phase::ReversalSent, Phase::Parked(ParkReason::Contradicted)] {
        for debit in all {
            for credit in all {
                for reversal in all {
                    let mut transfer = transfer();
                    transfer.phase = phase;
                    transfer.debit.knowledge = debit;
                    transfer.credit.knowledge = credit;
                    transfer.reversal.knowledge = reversal;
                    let is_out = debit == Done && credit != Done && reversal != Done;
                    let expected = if is_out { 100_000 } else { 0 };
                    let what = format!("{debit:?} {credit:?} {reversal:?}");
                    assert_eq!(transfer.in_transit(), expected, "{what}");
                    for end in [Phase::Completed, Phase::Refused, Phase::Reversed] {
                        transfer.phase = end;
                        assert_eq!(transfer.in_transit(), 0, "{what} {end:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_leg_is_posted_where_it_belongs() {
    let transfer = transfer();
    let master = transfer.intent.master;
    for (role, counter, text, settle_day) in [
        (Role::Debit, "securities", "6001", 20_261_123),
        (Role::Credit, "futures", "8001", 20_261_124),
        (Role::Reversal, "securities", "6001", 20_261_123),
    ] {
        assert_eq!(transfer.place(role).counter.as_str(), counter, "{role}");
        assert_eq!(transfer.bound_day(role), day(settle_day), "{role}");
        let (said, is_right) = match transfer.posting(role) {
            Instruction::Debit(posting) => {
                (posting.clone(), role == Role::Debit && posting.serial == master.leg(role))
            }
            Instruction::Credit(posting) => {
                (posting.clone(), role == Role::Credit && posting.serial == master.leg(role))
            }
            Instruction::Reverse(reversal) => {
                assert_eq!(reversal.original, master.leg(Role::Debit));
                assert_eq!(
                    (reversal.account.as_str(), reversal.settle_day),
                    (text, day(settle_day))
                );
                assert_eq!(
                    (reversal.amount, reversal.currency, reversal.mark, reversal.master),
                    (amount(100_000), Currency::CNY, Some(Mark(0x5eed)), master)
                );
                assert!(role == Role::Reversal && reversal.serial == master.leg(role));
                continue;
            }
            other => panic!("{other:?} posts nothing"),
        };
        assert!(is_right, "{role}: {said:?}");
        assert_eq!((said.account.as_str(), said.settle_day), (text, day(settle_day)));
        assert_eq!(
            (said.amount, said.currency, said.mark, said.master),
            (amount(100_000), Currency::CNY, Some(Mark(0x5eed)), master)
        );
    }
    for (role, look) in [(Role::Credit, Look::Fence), (Role::Reversal, Look::Only)] {
        let Instruction::Query(query) = transfer.question(role, look) else { panic!("{role}") };
        assert_eq!((query.serial, query.look), (master.leg(role), look));
        assert_eq!((query.settle_day, query.mark), (transfer.bound_day(role), Some(Mark(0x5eed))));
    }
}

#[test]
fn what_ends_is_final_and_nothing_else() {
    for state in State::ALL {
        let expected = [State::Completed, State::Refused, State::Reversed];
        assert_eq!(state.is_final(), expected.contains(&state), "{state}");
    }
}

/// Whoever is called by one of them has to tell it from the others.
#[test]
fn every_word_for_people_is_there_once() {
    let mut words: Vec<&str> = ParkReason::ALL.iter().map(|why| why.as_str()).collect();
    words.extend(State::ALL.iter().map(|state| state.as_str()));
    assert!(words.iter().all(|word| word.len() > 5), "{words:?}");
    let count = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), count, "{words:?}");
}
