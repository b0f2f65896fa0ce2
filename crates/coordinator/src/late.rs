//! Holds what a counter says too late against how the transfer ended, as the record tells it. Pure.

use crate::shard::intent;
use crate::trail::{self, Folded};
use domain::message::{CounterId, Reply};
use domain::profile::Profile;
use domain::transfer::{
    Evidence, Knowledge, Leg, LegReport, Phase, Question, State, Transfer, attribute,
    contradicts_ending,
};
use store::{FinalState, NewTransfer};

/// What comes of comparing late words with how the transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// It proves what the record says, or nothing.
    Agrees,
    /// It proves something else, or claims a posting that the transfer does not have: why, in words.
    Contradicts(String),
    /// It was not for the one who said it to say: why, in words.
    Foreign(String),
}

/// Compares. `profile` is that of the counter that speaks, and is believed only if a leg of the
/// transfer is booked there.
pub fn compare(ended: &Transfer, speaker: &CounterId, profile: &Profile, reply: Reply) -> Compared {
    let words = match attribute(ended, speaker, reply) {
        Ok(words) => words,
        Err(why) => return Compared::Foreign(why.to_string()),
    };
    let (role, state) = (words.role(), ended.state());
    let mismatch = words.mismatch(ended, profile);
    let told = LegReport::heard(ended, words, profile, Question::Look);
    if let Some(doubt) = told.doubt {
        return Compared::Contradicts(format!(
            "{speaker} speaks of the {role}, but {}; the transfer is {state}",
            doubt.as_str()
        ));
    }
    if let Some(mismatch) = mismatch {
        return Compared::Contradicts(format!(
            "{speaker} claims a posting for the {role} that {mismatch}; the transfer is {state}"
        ));
    }
    let of_another_day = ended.may_be_of_another_day(role, told.evidence);
    if !of_another_day && contradicts_ending(ended, role, &told, profile) {
        Compared::Contradicts(format!(
            "{speaker} says that the {role} is {}, but the transfer is {state}",
            said(told.evidence)
        ))
    } else {
        Compared::Agrees
    }
}

fn said(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Done => "posted",
        Evidence::Refused => "refused",
        Evidence::NotExecuted => "proven never to run",
        Evidence::NotFound | Evidence::Silent | Evidence::NotSent => "not known",
    }
}

/// A final transfer as the record has it: its legs as its trail tells them, or, where that cannot be
/// read, as they follow from its ending.
pub fn ended(new: &NewTransfer, ending: FinalState, trail: &[String]) -> Transfer {
    let mut transfer = Transfer::accepted(intent(new));
    transfer.phase = match ending {
        FinalState::Completed => Phase::Completed,
        FinalState::Refused => Phase::Refused,
        FinalState::Reversed => Phase::Reversed,
    };
    let legs = match trail::fold(trail) {
        Ok(Folded { legs, reason, .. }) => {
            transfer.reason = reason;
            legs
        }
        Err(error) => {
            tracing::error!(master = %new.master, %error, "a trail cannot be read");
            let leg = |knowledge| Leg { knowledge, ..Leg::new() };
            match transfer.state() {
                State::Completed => [Knowledge::Done, Knowledge::Done, Knowledge::NotSent].map(leg),
                State::Reversed => [Knowledge::Done, Knowledge::Unknown, Knowledge::Done].map(leg),
                State::Refused
                | State::Accepted
                | State::Debiting
                | State::Crediting
                | State::Reversing
                | State::NeedsOperator => {
                    [Knowledge::Unknown, Knowledge::NotSent, Knowledge::NotSent].map(leg)
                }
            }
        }
    };
    [transfer.debit, transfer.credit, transfer.reversal] = legs;
    transfer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trail::{Entry, LegEntry, part};
    use domain::message::{
        AccountId, Answer, AnswerCode, Finding, Place, Posted, PostingReply, QueryReply,
    };
    use domain::money::{Amount, Currency};
    use domain::order::Order;
    use domain::serial::{Day, MasterSerial, Role, Sequence};
    use domain::transfer::EndReason;
    use foreign::ForeignText;

    fn day() -> Day {
        Day::new(20_261_121).expect("a day")
    }

    fn new() -> NewTransfer {
        let place = |counter: &str, account: &str| Place {
            counter: CounterId::new(counter).expect("a counter"),
            account: AccountId::new(account).expect("an account"),
        };
        NewTransfer {
            master: MasterSerial { day: day(), sequence: Sequence::new(42).expect("one") },
            app: "app".into(),
            idempotency_key: "key".into(),
            fingerprint: [0; 32],
            order: Order {
                from: place("securities", "6001"),
                to: place("futures", "8001"),
                amount: Amount::new(500).expect("an amount"),
                currency: Currency::CNY,
            },
            debit_day: day(),
            credit_day: day(),
            credit_barrier: false,
            created_at: 0,
            deadline_at: 0,
            mark: None,
        }
    }

    /// A trail of these legs, in the order of [`Role::ALL`], and this reason.
    fn trail(legs: [Knowledge; 3], reason: Option<EndReason>) -> Vec<String> {
        let entry = |(role, knowledge)| Entry {
            dealing: None,
            at: 1,
            event: String::new(),
            phase: Phase::Accepted,
            under: None,
            received: None,
            leg: Some(LegEntry::of(role, &Leg { knowledge, sent: 1, ..Leg::new() })),
            reason,
        };
        vec![part(&Role::ALL.into_iter().zip(legs).map(entry).collect::<Vec<_>>())]
    }

    fn posted(role: Role) -> Posted {
        let account = if role == Role::Credit { "8001" } else { "6001" };
        Posted {
            counter_serial: "C1".into(),
            settle_day: day(),
            account: AccountId::new(account).expect("an account"),
            amount: Amount::new(500).expect("an amount"),
            currency: Currency::CNY,
            original: None,
        }
    }

    fn reply(role: Role, finding: Finding) -> Reply {
        let serial = new().master.leg(role);
        let code = match finding {
            Finding::Refused => AnswerCode::INSUFFICIENT_FUNDS,
            _ => AnswerCode::DONE,
        };
        Reply::Query(QueryReply {
            serial,
            finding,
            answer: Answer { code, text: ForeignText::default() },
            posted: (finding == Finding::Done).then(|| posted(role)),
            mark: None,
        })
    }

    #[track_caller]
    fn check(
        (ending, trail): (FinalState, &[String]),
        (speaker, role, finding): (&str, Role, Finding),
        expected: Option<&str>,
    ) {
        let transfer = ended(&new(), ending, trail);
        let speaker = CounterId::new(speaker).expect("a counter");
        let compared = compare(&transfer, &speaker, &Profile::default(), reply(role, finding));
        match (&compared, expected) {
            (Compared::Agrees, None) => {}
            (Compared::Contradicts(text) | Compared::Foreign(text), Some(words)) => {
                assert!(text.contains(words), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_agrees_is_dropped_and_what_contradicts_is_found_whatever_the_ending() {
        use FinalState::{Completed, Refused, Reversed};
        use Knowledge::{Done, NotExecuted, NotSent};
        let completed = trail([Done, Done, NotSent], None);
        let completed = (Completed, &completed[..]);
        check(completed, ("securities", Role::Debit, Finding::Done), None);
        check(completed, ("futures", Role::Credit, Finding::Done), None);
        check(completed, ("futures", Role::Credit, Finding::NotFound), None);
        let denied = Some("the credit is refused, but the transfer is completed");
        check(completed, ("futures", Role::Credit, Finding::Refused), denied);
        let undone = Some("the reversal is posted, but the transfer is completed");
        check(completed, ("securities", Role::Reversal, Finding::Done), undone);

        let reversed = trail([Done, NotExecuted, Done], Some(EndReason::CreditNotExecuted));
        let reversed = (Reversed, &reversed[..]);
        check(reversed, ("securities", Role::Reversal, Finding::Done), None);
        check(reversed, ("futures", Role::Credit, Finding::Fenced), None);
        let ran = Some("the credit is posted, but the transfer is reversed");
        check(reversed, ("futures", Role::Credit, Finding::Done), ran);
        let stays = Some("the reversal is refused, but the transfer is reversed");
        check(reversed, ("securities", Role::Reversal, Finding::Refused), stays);

        // A debit that was given up is not one that was refused; neither may be posted.
        for (knowledge, reason) in [
            (NotExecuted, EndReason::DebitNotExecuted),
            (Knowledge::Refused, EndReason::DebitRefused),
            (NotSent, EndReason::CounterUnavailable),
        ] {
            let refused = trail([knowledge, NotSent, NotSent], Some(reason));
            let transfer = ended(&new(), Refused, &refused);
            assert_eq!((transfer.debit.knowledge, transfer.reason), (knowledge, Some(reason)));
            let refused = (Refused, &refused[..]);
            check(refused, ("securities", Role::Debit, Finding::Refused), None);
            check(refused, ("securities", Role::Debit, Finding::Fenced), None);
            let ran = Some("the debit is posted, but the transfer is refused");
            check(refused, ("securities", Role::Debit, Finding::Done), ran);
            let loss = Some("the credit is posted, but the transfer is refused");
            check(refused, ("futures", Role::Credit, Finding::Done), loss);
        }
    }

    /// Where a person gave the money back by hand, a reversal that is posted after all gives it back
    /// twice; one that is refused is what the person went by.
    #[test]
    fn what_a_person_decided_is_compared_as_it_was_decided() {
        use Knowledge::{Done, NotSent, Refused, Unknown};
        let by_hand = trail([Done, Refused, Refused], Some(EndReason::Decided));
        let by_hand = (FinalState::Reversed, &by_hand[..]);
        check(by_hand, ("securities", Role::Reversal, Finding::Refused), None);
        let twice = Some("the reversal is posted, but the transfer is reversed");
        check(by_hand, ("securities", Role::Reversal, Finding::Done), twice);
        let completed = trail([Done, Unknown, NotSent], Some(EndReason::Decided));
        let completed = (FinalState::Completed, &completed[..]);
        check(completed, ("futures", Role::Credit, Finding::Done), None);
        let denied = Some("the credit is proven never to run, but the transfer is completed");
        check(completed, ("futures", Role::Credit, Finding::Fenced), denied);
    }

    #[test]
    fn nobody_else_is_heard_about_an_ended_transfer() {
        let trail = trail([Knowledge::Done, Knowledge::Done, Knowledge::NotSent], None);
        let completed = (FinalState::Completed, &trail[..]);
        let foreign = Some("booked at another counter");
        for speaker in ["evil", "securities"] {
            check(completed, (speaker, Role::Credit, Finding::Refused), foreign);
            check(completed, (speaker, Role::Credit, Finding::Done), foreign);
        }
        check(completed, ("futures", Role::Debit, Finding::Refused), foreign);
    }

    /// A trail that cannot be read silences no alarm: what must be so follows from the ending.
    #[test]
    fn a_trail_that_cannot_be_read_silences_no_alarm() {
        use Knowledge::{Done, NotSent, Unknown};
        for (ending, known, role, speaker) in [
            (FinalState::Completed, [Done, Done, NotSent], Role::Reversal, "securities"),
            (FinalState::Refused, [Unknown, NotSent, NotSent], Role::Debit, "securities"),
            (FinalState::Reversed, [Done, Unknown, Done], Role::Credit, "futures"),
        ] {
            let broken = ["{".to_owned()];
            let legs = ended(&new(), ending, &broken).legs().map(|(_, leg)| leg.knowledge);
            assert_eq!(legs, known, "{ending:?}");
            check((ending, &broken), (speaker, role, Finding::Done), Some("is posted, but"));
        }
    }

    /// A posting that is not the transfer's is an alarm, whatever the ending.
    #[test]
    fn a_posting_of_another_amount_is_an_alarm_after_the_end_too() {
        let trail = trail([Knowledge::Done, Knowledge::Done, Knowledge::NotSent], None);
        let transfer = ended(&new(), FinalState::Completed, &trail);
        let other = Posted { amount: Amount::new(501).expect("one"), ..posted(Role::Credit) };
        let said = Reply::Posting(PostingReply {
            serial: new().master.leg(Role::Credit),
            answer: Answer { code: AnswerCode::DONE, text: ForeignText::default() },
            posted: Some(other),
            mark: None,
        });
        let speaker = CounterId::new("futures").expect("a counter");
        let compared = compare(&transfer, &speaker, &Profile::default(), said);
        let Compared::Contradicts(text) = compared else { panic!("{compared:?}") };
        assert!(text.contains("is of another amount"), "{text}");
    }
}
