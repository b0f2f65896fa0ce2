//! By what a step was decided, for people: the line of docs/transfer-table.md, and the rule of DOMAIN §3 that it comes
//! from. Nothing is decided here.

use super::evidence::Weight;
use super::{Event, Evidence, ParkReason, Phase};
use crate::serial::Role;

/// The heading in docs/transfer-table.md under which stands what follows in this phase; `None` of one that is not
/// written out there, for it is like those that are.
pub fn heading(phase: Phase) -> Option<String> {
    let is_there = match phase {
        Phase::Parked(why) => match why {
            ParkReason::DebitUnresolved
            | ParkReason::CreditUnresolved
            | ParkReason::ReversalUnresolved
            | ParkReason::Contradicted => true,
            ParkReason::ReversalRefused
            | ParkReason::CannotReverse
            | ParkReason::SettleDayPassed
            | ParkReason::OtherMark
            | ParkReason::KnownBefore
            | ParkReason::CreditWithoutDebit
            | ParkReason::Illegal
            | ParkReason::Panicked
            | ParkReason::Unbalanced => false,
        },
        Phase::Accepted
        | Phase::DebitWaiting
        | Phase::DebitSent
        | Phase::DebitAsking
        | Phase::DebitFencing
        | Phase::CreditWaiting
        | Phase::CreditSent
        | Phase::CreditAsking
        | Phase::CreditFencing
        | Phase::ReversalWaiting
        | Phase::ReversalSent
        | Phase::ReversalProving
        | Phase::Completed
        | Phase::Refused
        | Phase::Reversed => true,
    };
    is_there.then(|| format!("{phase:?} ({})", phase.state()))
}

/// The first cell of the line that tells what follows from what a counter told.
pub fn told(role: Role, weight: Weight, evidence: Evidence) -> String {
    let word = match weight {
        Weight::Answer => "answer",
        Weight::Query => "query",
        Weight::Truth => "fence",
    };
    format!("{role}: {word} {evidence:?}")
}

impl Event {
    /// The first cell of the line that tells what follows from it.
    pub fn line(&self) -> String {
        match self {
            Event::Wake => "wake".to_owned(),
            Event::Expire => "expire".to_owned(),
            Event::Told(role, report) => told(*role, report.weight, report.evidence),
            Event::Decide(decision) => format!("decide {}", decision.as_str()),
        }
    }
}

/// The number of the rule of DOMAIN §3 by which a transfer comes into a phase.
pub const fn rule_into(phase: Phase) -> u8 {
    match phase {
        // What is meant is durable before it leaves, and an end before anybody hears of it.
        Phase::Accepted | Phase::DebitWaiting | Phase::DebitSent | Phase::Completed => 7,
        // A debit that is unknown is asked about; giving up on it means fencing it; the credit follows it.
        Phase::DebitAsking
        | Phase::DebitFencing
        | Phase::CreditWaiting
        | Phase::CreditSent
        | Phase::Refused => 1,
        // A debit is never undone before its credit is proven dead.
        Phase::CreditAsking
        | Phase::CreditFencing
        | Phase::ReversalWaiting
        | Phase::ReversalSent => 2,
        Phase::ReversalProving | Phase::Reversed => 3,
        Phase::Parked(why) => match why {
            ParkReason::DebitUnresolved
            | ParkReason::CreditUnresolved
            | ParkReason::ReversalUnresolved => 4,
            ParkReason::ReversalRefused | ParkReason::CannotReverse => 3,
            ParkReason::SettleDayPassed => 6,
            ParkReason::Contradicted => 5,
            ParkReason::OtherMark | ParkReason::KnownBefore => 10,
            ParkReason::CreditWithoutDebit => 1,
            // Whatever this software did not expect is treated as unknown, as after a kill.
            ParkReason::Illegal | ParkReason::Panicked | ParkReason::Unbalanced => 7,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_stands_in_the_document_and_none_of_another_number() {
        let document = include_str!("../../../../docs/DOMAIN.md");
        let why = ParkReason::ALL.map(Phase::Parked);
        for phase in why.into_iter().chain([Phase::Accepted, Phase::Completed, Phase::Reversed]) {
            let rule = format!("\n{}. **", rule_into(phase));
            assert!(document.contains(&rule), "{phase:?}: {rule}");
        }
    }

    #[test]
    fn every_heading_stands_in_the_table_and_only_those() {
        let table = include_str!("../../../../docs/transfer-table.md");
        for phase in ParkReason::ALL.map(Phase::Parked) {
            let stands = table.contains(&format!("\n## {phase:?} ("));
            assert_eq!(heading(phase).is_some(), stands, "{phase:?}");
        }
        for phase in [Phase::Accepted, Phase::CreditFencing, Phase::ReversalProving] {
            let heading = heading(phase).expect("a heading");
            assert!(table.contains(&format!("\n## {heading}\n")), "{heading}");
        }
    }
}
