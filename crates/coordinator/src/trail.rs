//! The append-only history of a transfer, as the store keeps it: parts, each a JSON array of
//! entries. An entry says what happened, where the transfer stood after it, and what is known of
//! the leg that it was about. Recovery folds them back.

use crate::dealing::Dealing;
use crate::received::Received;
use domain::message::Answer;
use domain::serial::{Day, Role};
use domain::transfer::{Doubt, EndReason, Knowledge, Leg, Phase};
use foreign::ForeignText;
use serde::{Deserialize, Serialize};
use store::Write;

/// One thing that happened to a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it happened, in microseconds since 1970 UTC.
    pub at: i64,
    /// What happened, in words.
    pub event: String,
    /// What the bridge was at after it.
    pub phase: Phase,
    /// The settle day under which a question was put, or the one that is answered; absent where it is the one that the leg is
    /// bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<Day>,
    /// What a counter said, as far as it is not what the entry implies; absent, too, where none said anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Box<Received>>,
    /// What is known of a leg after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<LegEntry>,
    /// Why it is being undone, or ended as it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
    /// Who deals with it from then on; absent where that did not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dealing: Option<Dealing>,
}

/// What is known of a leg after something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegEntry {
    /// The leg, by what it is in its transfer.
    pub role: Role,
    /// What is known of it, by evidence (DOMAIN §3).
    pub knowledge: Knowledge,
    /// How often it may have left under the day that it is bound to.
    pub sent: u16,
    /// The counter's last code and words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// The counter's own number of the posting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter_serial: Option<ForeignText>,
    /// The counter's accounting day on which it says it posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted_day: Option<Day>,
    /// Why what the counter holds under its serial may be another transfer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// The settle days that it was bound to after its first, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rebound: Vec<Day>,
}

impl LegEntry {
    /// What is known of a leg now.
    pub fn of(role: Role, leg: &Leg) -> LegEntry {
        LegEntry {
            role,
            knowledge: leg.knowledge,
            sent: leg.sent,
            answer: leg.answer.clone(),
            counter_serial: leg.counter_serial.clone(),
            posted_day: leg.posted_day,
            doubt: leg.doubt,
            rebound: leg.rebound.clone(),
        }
    }

    pub(crate) fn into_leg(self) -> Leg {
        Leg {
            knowledge: self.knowledge,
            sent: self.sent,
            tries: 0,
            answer: self.answer,
            counter_serial: self.counter_serial,
            posted_day: self.posted_day,
            doubt: self.doubt,
            rebound: self.rebound,
            days_unasked: 0,
            sought: None,
        }
    }
}

/// What a trail says in the end, all its entries taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// What the bridge was at last.
    pub phase: Phase,
    /// The legs, in the order of [`Role::ALL`].
    pub legs: [Leg; 3],
    /// Why it is being undone, or ended as it did.
    pub reason: Option<EndReason>,
    /// When something happened last, in microseconds since 1970 UTC; `None` if nothing has.
    pub updated_at: Option<i64>,
    /// The number of the next part, from 0.
    pub next_part: u32,
    /// Who deals with it, unless that has ended since.
    pub dealing: Dealing,
}

/// Characters of one entry's words that are kept when it does not fit into a part.
const WORDS_KEPT: usize = 1_000;

/// What has happened as parts that the record can hold, in order; none if nothing has.
pub(crate) fn parts(entries: &[Entry]) -> Vec<String> {
    if entries.is_empty() {
        return Vec::new();
    }
    let whole = part(entries);
    if whole.len() <= Write::LONGEST_TRAIL {
        return vec![whole];
    }
    match entries {
        [one] => vec![part(&[shortened(one)])],
        more => {
            let (first, second) = more.split_at(more.len() / 2);
            let mut parts = parts(first);
            parts.append(&mut self::parts(second));
            parts
        }
    }
}

/// The same with no more words than fit; the evidence is kept whole.
fn shortened(entry: &Entry) -> Entry {
    let event = entry.event.chars().take(WORDS_KEPT).collect();
    let mut short = Entry { event, ..entry.clone() };
    if let Some(Answer { text, .. }) = short.leg.as_mut().and_then(|leg| leg.answer.as_mut()) {
        *text = text.clipped(WORDS_KEPT);
    }
    if let Some(received) = &mut short.received {
        received.shorten(WORDS_KEPT);
    }
    short
}

/// A part of a trail as text.
pub fn part(entries: &[Entry]) -> String {
    // Entries are plain data; there is no key that is not a string and no value that can fail.
    serde_json::to_string(entries).unwrap_or_else(|_| "[]".to_owned())
}

/// Reads a trail back.
pub fn fold(parts: &[String]) -> Result<Folded, serde_json::Error> {
    let mut folded = Folded {
        phase: Phase::Accepted,
        legs: [Leg::new(), Leg::new(), Leg::new()],
        reason: None,
        updated_at: None,
        next_part: u32::try_from(parts.len()).unwrap_or(u32::MAX),
        dealing: Dealing::Nobody,
    };
    for part in parts {
        for entry in serde_json::from_str::<Vec<Entry>>(part)? {
            folded.phase = entry.phase;
            folded.reason = entry.reason.or(folded.reason);
            folded.updated_at = Some(entry.at);
            if let Some(dealing) = entry.dealing {
                folded.dealing = dealing;
            }
            if let Some(leg) = entry.leg {
                let slot = match leg.role {
                    Role::Debit => 0,
                    Role::Credit => 1,
                    Role::Reversal => 2,
                };
                folded.legs[slot] = leg.into_leg();
            }
        }
    }
    Ok(folded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::transfer::ParkReason;

    #[test]
    fn what_was_written_folds_back() {
        let leg = Leg {
            knowledge: Knowledge::Done,
            sent: 2,
            tries: 0,
            answer: None,
            counter_serial: Some("C1".into()),
            posted_day: Day::new(20_261_122).ok(),
            rebound: vec![Day::new(20_261_122).expect("a day")],
            days_unasked: 0,
            sought: None,
            doubt: Some(Doubt::OtherMark),
        };
        let entry = |at, phase, leg| Entry {
            at,
            event: "x".into(),
            phase,
            under: None,
            received: None,
            leg,
            reason: None,
            dealing: None,
        };
        let parts = [
            part(&[entry(1, Phase::DebitSent, None)]),
            part(&[
                entry(2, Phase::CreditSent, Some(LegEntry::of(Role::Debit, &leg))),
                entry(3, Phase::Parked(ParkReason::CreditUnresolved), None),
            ]),
        ];
        let folded = fold(&parts).expect("readable");
        assert_eq!(folded.phase, Phase::Parked(ParkReason::CreditUnresolved));
        assert_eq!(folded.legs[0], leg);
        assert_eq!(folded.legs[1], Leg::new());
        assert_eq!((folded.updated_at, folded.next_part), (Some(3), 2));
        assert!(fold(&["{".to_owned()]).is_err());
        // By which the record makes it be found.
        assert!(store::counter_serials(&parts[0]).is_empty());
        assert_eq!(store::counter_serials(&parts[1]).into_iter().collect::<Vec<_>>(), ["C1"]);
    }

    #[test]
    fn a_long_trail_is_cut_into_parts_that_fit_and_fold_to_the_same() {
        let entry = |at: i64, words: usize| Entry {
            at,
            event: "\u{1}".repeat(words),
            phase: Phase::CreditSent,
            under: None,
            received: None,
            leg: None,
            reason: None,
            dealing: None,
        };
        assert!(parts(&[]).is_empty());
        let short: Vec<Entry> = (1..=5).map(|at| entry(at, 10)).collect();
        assert_eq!(parts(&short), [part(&short)]);
        let long: Vec<Entry> = (1..=500).map(|at| entry(at, 200)).collect();
        let cut = parts(&long);
        assert!(cut.len() > 1 && cut.iter().all(|part| part.len() <= Write::LONGEST_TRAIL));
        let read = |part: &String| serde_json::from_str::<Vec<Entry>>(part).expect("readable");
        assert_eq!(cut.iter().flat_map(read).collect::<Vec<_>>(), long);
        let huge = parts(&[entry(1, 100_000)]);
        assert!(huge.len() == 1 && huge[0].len() <= Write::LONGEST_TRAIL);
        assert_eq!(fold(&huge).expect("readable").updated_at, Some(1));
    }
}
