//! An open transfer as it may be shown, and what is said of it.

mod parked;
#[cfg(test)]
mod sentences;

use crate::claimant::Claimant;
use crate::dealing::Dealing;
use crate::proposal::{Proposal, Version};
use domain::message::Answer;
use domain::serial::Role;
use domain::transfer::{Illegal, Knowledge, Outlook, Phase, Transfer};
use std::sync::Arc;

/// A transfer as it may be shown: complete, at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The transfer and its legs.
    pub transfer: Transfer,
    /// Name of the app that ordered it.
    pub app: Arc<str>,
    /// When it was accepted, in microseconds since 1970 UTC.
    pub created_at: i64,
    /// When something last happened, in microseconds since 1970 UTC.
    pub updated_at: i64,
    /// From when on nothing new is begun for it, in microseconds since 1970 UTC.
    pub deadline_at: i64,
    /// What a parked one leads to by what is proven, where that was looked at.
    pub outlook: Option<Outlook>,
    /// What each decision about a parked one would lead to, in the order of [`Decision::ALL`](domain::transfer::Decision::ALL), or why it may not be
    /// taken; where that was looked at.
    pub choices: Option<[Result<Outlook, Illegal>; 4]>,
    /// Who deals with a parked one.
    pub dealing: Dealing,
    /// Its end is decided and being recorded; until that is durable it is not shown.
    pub is_ending: bool,
}

impl View {
    /// Who has claimed a parked one; `None` if nobody has.
    pub fn claim(&self) -> Option<&Claimant> {
        self.dealing.claim()
    }

    /// What is proposed for a parked one, and waits for another person.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.dealing.proposal()
    }

    /// What a proposal names as what was seen.
    pub fn version(&self) -> Version {
        Version::of(&self.transfer)
    }

    /// What is being done, in a sentence; `None` for a final transfer.
    pub fn next(&self) -> Option<String> {
        let Transfer { intent, phase, expired, .. } = &self.transfer;
        let (from, to) = (&intent.order.from.counter, &intent.order.to.counter);
        Some(match phase {
            Phase::Completed | Phase::Refused | Phase::Reversed => return None,
            Phase::Parked(why) => parked::next(self, *why),
            _ if self.is_ending => "its end is being recorded".to_owned(),
            Phase::Accepted => format!("the debit is about to be sent to {from}"),
            Phase::DebitWaiting => {
                format!("{from} cannot be reached; the debit is sent as soon as it can be")
            }
            Phase::DebitSent => format!("{from}'s answer to the debit is awaited"),
            Phase::DebitAsking if *expired => {
                format!("{from} is asked until it is certain that the debit can no longer happen")
            }
            Phase::DebitAsking => format!("{from} is asked what became of the debit"),
            Phase::DebitFencing => format!("{from} is asked to bury the debit if it has not run"),
            Phase::CreditWaiting => {
                format!("{to} cannot be reached; the credit is sent as soon as it can be")
            }
            Phase::CreditSent => format!("{to}'s answer to the credit is awaited"),
            Phase::CreditAsking | Phase::CreditFencing
                if self.transfer.debit.knowledge.is_dead() =>
            {
                format!(
                    "the debit did not happen; before that is told, {to} is asked to confirm that no \
                     credit happened either"
                )
            }
            Phase::CreditAsking if *expired => {
                format!("{to} is asked until it is certain that the credit can no longer happen")
            }
            Phase::CreditAsking => format!("{to} is asked what became of the credit"),
            Phase::CreditFencing => format!("{to} is asked to bury the credit if it has not run"),
            Phase::ReversalWaiting => format!("the debit will be undone at {from}"),
            Phase::ReversalSent => format!("{from}'s answer to the reversal is awaited"),
            Phase::ReversalProving => format!("{from} is asked to prove the reversal"),
        })
    }

    /// Why it ended as it did, or stands where it stands; `None` while all goes well.
    pub fn reason(&self) -> Option<String> {
        use domain::transfer::EndReason;
        let Transfer { intent, reason, phase, .. } = &self.transfer;
        let (from, to) = (&intent.order.from.counter, &intent.order.to.counter);
        let said = |role| match &self.transfer.leg(role).answer {
            Some(Answer { code, text }) if text.is_empty() => format!(": {code}"),
            Some(Answer { code, text }) => format!(": {code} {text}"),
            None => String::new(),
        };
        if let Phase::Parked(why) = phase {
            return Some(parked::reason(self, *why));
        }
        Some(match (*reason)? {
            EndReason::DebitRefused => format!("{from} refused the debit{}", said(Role::Debit)),
            EndReason::DebitNotExecuted => {
                format!(
                    "not executed: the debit was given up, and {from} confirmed that it never ran"
                )
            }
            EndReason::CounterUnavailable => {
                format!(
                    "counter unavailable: {from} could not be reached in time; nothing was sent"
                )
            }
            EndReason::CreditRefused => format!("{to} refused the credit{}", said(Role::Credit)),
            EndReason::CreditNotExecuted => match self.transfer.credit.knowledge {
                Knowledge::NotSent => format!("the credit was given up before it was sent to {to}"),
                Knowledge::Unknown
                | Knowledge::Done
                | Knowledge::Refused
                | Knowledge::NotExecuted => {
                    format!("the credit was given up, and {to} confirmed that it never ran")
                }
            },
            EndReason::Decided => "an operator decided".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find::tests;
    use domain::message::AnswerCode;
    use domain::transfer::EndReason;

    /// What is said to be next in this phase, before its deadline and after it.
    fn next(phase: Phase) -> [Option<String>; 2] {
        [false, true].map(|expired| {
            let mut view = tests::view(1);
            (view.transfer.phase, view.transfer.expired) = (phase, expired);
            view.transfer.debit.knowledge = Knowledge::Done;
            view.next()
        })
    }

    #[test]
    fn what_is_being_done_is_said_for_every_phase() {
        for (phase, early, late) in [
            (Phase::Accepted, "the debit is about to be sent to securities", None),
            (
                Phase::DebitWaiting,
                "securities cannot be reached; the debit is sent as soon as it can be",
                None,
            ),
            (Phase::DebitSent, "securities's answer to the debit is awaited", None),
            (
                Phase::DebitAsking,
                "securities is asked what became of the debit",
                Some("securities is asked until it is certain that the debit can no longer happen"),
            ),
            (Phase::DebitFencing, "securities is asked to bury the debit if it has not run", None),
            (
                Phase::CreditWaiting,
                "futures cannot be reached; the credit is sent as soon as it can be",
                None,
            ),
            (Phase::CreditSent, "futures's answer to the credit is awaited", None),
            (
                Phase::CreditAsking,
                "futures is asked what became of the credit",
                Some("futures is asked until it is certain that the credit can no longer happen"),
            ),
            (Phase::CreditFencing, "futures is asked to bury the credit if it has not run", None),
            (Phase::ReversalWaiting, "the debit will be undone at securities", None),
            (Phase::ReversalSent, "securities's answer to the reversal is awaited", None),
            (Phase::ReversalProving, "securities is asked to prove the reversal", None),
        ] {
            let late = late.unwrap_or(early);
            assert_eq!(next(phase), [early, late].map(|words| Some(words.to_owned())), "{phase:?}");
        }
        for phase in [Phase::Completed, Phase::Refused, Phase::Reversed] {
            assert_eq!(next(phase), [None, None]);
        }
        // A dead debit is told only when no credit has followed it.
        for phase in [Phase::CreditAsking, Phase::CreditFencing] {
            let mut view = tests::view(1);
            view.transfer.phase = phase;
            view.transfer.debit.knowledge = Knowledge::Refused;
            let said = "the debit did not happen; before that is told, futures is asked to confirm \
                        that no credit happened either";
            assert_eq!(view.next().as_deref(), Some(said));
            view.is_ending = true;
            assert_eq!(view.next().as_deref(), Some("its end is being recorded"));
        }
    }

    #[test]
    fn why_it_ended_so_is_said_in_the_counters_words_where_there_are_any() {
        let mut view = tests::view(1);
        view.transfer.phase = Phase::Refused;
        assert_eq!(view.reason(), None);
        let answer =
            |text: &str| Some(Answer { code: AnswerCode::INSUFFICIENT_FUNDS, text: text.into() });
        let code = AnswerCode::INSUFFICIENT_FUNDS;
        for (text, expected) in [
            (None, "securities refused the debit".to_owned()),
            (Some(""), format!("securities refused the debit: {code}")),
            (Some("no money"), format!("securities refused the debit: {code} no money")),
        ] {
            view.transfer.reason = Some(EndReason::DebitRefused);
            view.transfer.debit.answer = text.and_then(answer);
            assert_eq!(view.reason(), Some(expected));
        }
        let given_up =
            "not executed: the debit was given up, and securities confirmed that it never ran";
        let buried = "the credit was given up, and futures confirmed that it never ran";
        let unsent = "the credit was given up before it was sent to futures";
        let away = "counter unavailable: securities could not be reached in time; nothing was sent";
        for (reason, credit, expected) in [
            (EndReason::DebitNotExecuted, Knowledge::NotSent, given_up),
            (EndReason::CounterUnavailable, Knowledge::NotSent, away),
            (EndReason::CreditRefused, Knowledge::Refused, "futures refused the credit"),
            (EndReason::CreditNotExecuted, Knowledge::NotSent, unsent),
            (EndReason::CreditNotExecuted, Knowledge::NotExecuted, buried),
            (EndReason::Decided, Knowledge::Done, "an operator decided"),
        ] {
            view.transfer.reason = Some(reason);
            view.transfer.credit.knowledge = credit;
            assert_eq!(view.reason().as_deref(), Some(expected), "{reason:?}");
        }
    }
}
