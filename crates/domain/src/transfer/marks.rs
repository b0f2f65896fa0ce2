//! Whether a counter's words are about this transfer, or about another one under the same serial: from
//! a life of the bridge that its record does not know (DOMAIN §2 mark, §3 rule 10).

use super::Transfer;
use super::believed::Evidence;
use crate::message::{Answer, AnswerCode};
use crate::profile::{Meaning, Profile};
use crate::serial::{Mark, Role};
use serde::{Deserialize, Serialize};

/// Why it is doubtful whether what a counter holds under a leg's serial is the leg's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// The counter holds the serial under another mark: it is somebody else's.
    OtherMark,
    /// The counter knew the serial when it was sent for the first time, and does not say under
    /// which mark.
    KnownBefore,
}

impl Doubt {
    /// In words, for operators; the counter is named beside it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Doubt::OtherMark => {
                "the counter holds this serial under another mark: its posting belongs to another \
                 transfer, which this record does not know"
            }
            Doubt::KnownBefore => {
                "the counter knew this serial when it was sent for the first time: its posting may \
                 belong to another transfer, which this record does not know"
            }
        }
    }
}

/// What an answer's mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Echo {
    /// It is the transfer's.
    Ours,
    /// It is another one.
    Other,
    /// There is none, and the transfer has one.
    Absent,
}

fn echo(ours: Option<Mark>, told: Option<Mark>) -> Echo {
    // A transfer that an earlier version recorded has none, and is compared without, as ever.
    if ours == told {
        Echo::Ours
    } else if told.is_some() {
        Echo::Other
    } else {
        Echo::Absent
    }
}

/// Whether an answer to a posting says that its serial was here before: as the same posting, or as
/// another.
pub(super) fn says_known(answer: &Answer, profile: &Profile) -> bool {
    answer.code == AnswerCode::ALREADY_REVERSED
        || answer.code == AnswerCode::SERIAL_CONFLICT
        || profile.codes.meaning(answer.code) == Meaning::Duplicate
}

/// What is left of the evidence once the mark that came with it has been looked at. `known` is
/// whether the answer says that the serial was here before.
pub(super) fn weigh(
    transfer: &Transfer,
    role: Role,
    profile: &Profile,
    told: Option<Mark>,
    known: bool,
    evidence: Evidence,
) -> (Evidence, Option<Doubt>) {
    let leg = transfer.leg(role);
    match echo(transfer.intent.mark, told) {
        Echo::Ours => (evidence, None),
        Echo::Other => (Evidence::Silent, Some(Doubt::OtherMark)),
        Echo::Absent => {
            // Sent once, and never by an earlier life: nothing of ours can have been here.
            let known_before = (known && leg.sent <= 1).then_some(Doubt::KnownBefore);
            let doubt = leg.doubt.or(known_before);
            // A counter that promises to repeat the mark and does not has not answered.
            let answered = doubt.is_none() && !profile.echoes_marks;
            (if answered { evidence } else { Evidence::Silent }, doubt)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::intent;
    use super::*;
    use foreign::ForeignText;

    const OURS: Option<Mark> = Some(Mark(7));
    const OTHER: Option<Mark> = Some(Mark(8));

    /// What is left of proof, by the mark of the transfer, that of the answer, how often the leg was
    /// sent, and whether the counter says that it knew the serial.
    #[test]
    fn the_same_mark_proves_another_never_and_none_by_what_the_counter_promises() {
        use Doubt::{KnownBefore, OtherMark};
        let cases = [
            (OURS, OURS, 1, true, None, true),
            (OURS, OURS, 1, false, None, true),
            (OURS, OTHER, 1, false, Some(OtherMark), false),
            (OURS, OTHER, 9, true, Some(OtherMark), false),
            (None, OTHER, 9, false, Some(OtherMark), false),
            (None, None, 1, true, None, true),
            (OURS, None, 0, true, Some(KnownBefore), false),
            (OURS, None, 1, true, Some(KnownBefore), false),
            (OURS, None, 2, true, None, true),
            (OURS, None, 1, false, None, true),
        ];
        for echoes_marks in [false, true] {
            let profile = Profile { echoes_marks, ..Profile::default() };
            for (ours, told, sent, known, doubt, proves) in cases {
                let mut transfer = Transfer::accepted(intent());
                transfer.intent.mark = ours;
                for role in Role::ALL {
                    transfer.leg_mut(role).sent = sent;
                    for proof in [Evidence::Done, Evidence::Refused, Evidence::NotExecuted] {
                        let unkept = echoes_marks && ours.is_some() && told.is_none();
                        let left = if proves && !unkept { proof } else { Evidence::Silent };
                        let weighed = weigh(&transfer, role, &profile, told, known, proof);
                        assert_eq!(weighed, (left, doubt), "{ours:?} {told:?} {sent} {known}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_doubt_stays_until_the_mark_is_said() {
        let mut transfer = Transfer::accepted(intent());
        transfer.debit.doubt = Some(Doubt::KnownBefore);
        transfer.debit.sent = 2;
        let weigh =
            |told| weigh(&transfer, Role::Debit, &Profile::default(), told, false, Evidence::Done);
        assert_eq!(weigh(None), (Evidence::Silent, Some(Doubt::KnownBefore)));
        assert_eq!(weigh(OURS), (Evidence::Done, None));
        assert_eq!(weigh(OTHER), (Evidence::Silent, Some(Doubt::OtherMark)));
    }

    #[test]
    fn the_codes_that_say_known_are_those_of_the_profile_and_two_more() {
        let profile = Profile::default();
        let says = |code| {
            let code = AnswerCode::new(code).expect("three digits");
            says_known(&Answer { code, text: ForeignText::default() }, &profile)
        };
        assert!([201, 409, 601].into_iter().all(says));
        assert!(![100, 200, 402, 404, 501, 550, 602, 603].into_iter().any(says));
    }
}
