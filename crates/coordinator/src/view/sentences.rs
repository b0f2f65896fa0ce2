//! Every sentence that is said of a transfer, written down: whoever shows them in another language holds its catalogue
//! against the same list.

use crate::claimant::Claimant;
use crate::dealing::Dealing;
use crate::find::tests;
use domain::message::{Answer, AnswerCode};
use domain::serial::Role;
use domain::transfer::{Decision, EndReason, Knowledge, Outlook, ParkReason, Phase, State};
use expect_test::expect_file;
use foreign::ForeignText;
use std::collections::BTreeSet;

const KNOWLEDGE: [Knowledge; 5] = [
    Knowledge::NotSent,
    Knowledge::Unknown,
    Knowledge::Done,
    Knowledge::Refused,
    Knowledge::NotExecuted,
];

const REASONS: [EndReason; 6] = [
    EndReason::DebitRefused,
    EndReason::DebitNotExecuted,
    EndReason::CounterUnavailable,
    EndReason::CreditRefused,
    EndReason::CreditNotExecuted,
    EndReason::Decided,
];

fn outlooks() -> Vec<Outlook> {
    let ends = [State::Completed, State::Refused, State::Reversed].map(Outlook::Ends);
    let roles = Role::ALL.into_iter();
    let roles = roles.flat_map(|role| [Outlook::Unproven(role), Outlook::Sends(role)]);
    ends.into_iter().chain(roles).chain([Outlook::Person]).collect()
}

fn dealings() -> [Dealing; 2] {
    let claimant =
        Claimant { who: "wang".into(), note: ForeignText::default(), since: 1, until: 2 };
    [Dealing::Nobody, Dealing::Claim(claimant)]
}

#[test]
fn every_sentence_is_written_down() {
    let mut said = BTreeSet::new();
    let mut view = tests::view(1);
    for (phase, expired, is_ending) in Phase::MOVING
        .into_iter()
        .flat_map(|phase| [(phase, false, false), (phase, true, false), (phase, true, true)])
    {
        for debit in [Knowledge::Done, Knowledge::Refused] {
            (view.transfer.phase, view.transfer.expired) = (phase, expired);
            (view.transfer.debit.knowledge, view.is_ending) = (debit, is_ending);
            said.extend(view.next());
        }
    }
    view.is_ending = false;
    view.transfer.phase = Phase::Reversed;
    for (reason, knowledge) in
        REASONS.into_iter().flat_map(|reason| KNOWLEDGE.map(|one| (reason, one)))
    {
        view.transfer.reason = Some(reason);
        view.transfer.credit.knowledge = knowledge;
        for text in [None, Some(""), Some("poor")] {
            let code = AnswerCode::INSUFFICIENT_FUNDS;
            let answer = text.map(|text| Answer { code, text: text.into() });
            (view.transfer.debit.answer, view.transfer.credit.answer) = (answer.clone(), answer);
            said.extend(view.reason());
        }
    }
    view.transfer.reason = None;
    for (why, outlook) in ParkReason::ALL
        .into_iter()
        .flat_map(|why| outlooks().into_iter().map(move |outlook| (why, outlook)))
    {
        for dealing in dealings() {
            (view.transfer.phase, view.outlook) = (Phase::Parked(why), Some(outlook));
            view.dealing = dealing;
            for (debit, credit, reversal) in KNOWLEDGE.into_iter().flat_map(|debit| {
                KNOWLEDGE
                    .into_iter()
                    .flat_map(move |credit| KNOWLEDGE.map(|reversal| (debit, credit, reversal)))
            }) {
                view.transfer.debit.knowledge = debit;
                view.transfer.credit.knowledge = credit;
                view.transfer.reversal.knowledge = reversal;
                said.extend(view.reason());
                said.extend(view.next());
            }
        }
    }
    said.extend(Decision::ALL.into_iter().map(|decision| {
        format!("wang proposes {}, and another person has to approve it", decision.as_str())
    }));
    // Clause by clause, as they are translated: what is proven is one of very many.
    let clauses: BTreeSet<&str> = said.iter().flat_map(|sentence| sentence.split("; ")).collect();
    let whole: BTreeSet<&str> = said
        .iter()
        .map(String::as_str)
        .filter(|one| one.matches("; ").count() == 1 && one.contains("cannot be reached"))
        .collect();
    // Legs that nobody could know so are put together here, too: of them nothing would be said to be proven.
    let all = clauses
        .union(&whole)
        .copied()
        .filter(|one| !one.contains("proven: :") && !one.ends_with("proven: "));
    let all: Vec<&str> = all.collect();
    expect_file!["sentences.txt"].assert_eq(&(all.join("\n") + "\n"));
}
