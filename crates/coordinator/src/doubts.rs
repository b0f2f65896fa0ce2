//! From what counters hold under serials that may not be ours to whether they get new transfers
//! (DOMAIN §3 rule 10). Pure: the time comes in, a reason to hold a counter comes out.

use domain::message::CounterId;
use domain::serial::{MasterSerial, Role};
use domain::transfer::Doubt;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// In this time, in microseconds, a counter that does not say its marks may know so many serials
/// before they are sent: a network that delivers twice looks the same.
const WINDOW: i64 = 3_600_000_000;
const MOST: usize = 3;

/// What was doubtful of late; it grows with the number of counters only.
#[derive(Debug, Default)]
pub struct Doubts {
    /// When each counter knew a serial before it was sent; at most [`MOST`] each.
    known_before: Mutex<HashMap<CounterId, VecDeque<i64>>>,
    /// Which have seen serials that the record never gave out, and were not readmitted since.
    beyond: Mutex<BTreeSet<CounterId>>,
}

impl Doubts {
    /// A counter has seen serials that the record never gave out. All that have, if they are two or
    /// more: then it is the record that lacks something.
    pub fn beyond(&self, counter: &CounterId) -> Option<Vec<CounterId>> {
        let mut beyond = self.beyond.lock().unwrap_or_else(PoisonError::into_inner);
        beyond.insert(counter.clone());
        (beyond.len() >= 2).then(|| beyond.iter().cloned().collect())
    }

    /// An operator has looked at it.
    pub fn explained(&self, counter: &CounterId) {
        self.beyond.lock().unwrap_or_else(PoisonError::into_inner).remove(counter);
    }

    /// Takes in one doubt at `now`, in microseconds since 1970 UTC; the words to hold the counter
    /// with, if it is to be held.
    pub fn reason_to_hold(
        &self,
        counter: &CounterId,
        doubt: Doubt,
        about: (MasterSerial, Role),
        behind: bool,
        now: i64,
    ) -> Option<String> {
        let (master, role) = about;
        let about = format!("the {role} {} of transfer {master}", master.leg(role));
        match doubt {
            Doubt::OtherMark => Some(format!("{about}: {}", doubt.as_str())),
            Doubt::KnownBefore if behind => {
                Some(format!("{about}: {}; and the record is behind", doubt.as_str()))
            }
            Doubt::KnownBefore => {
                let mut known = self.known_before.lock().unwrap_or_else(PoisonError::into_inner);
                let times = known.entry(counter.clone()).or_default();
                times.retain(|at| now.saturating_sub(*at) < WINDOW);
                times.push_back(now);
                if times.len() < MOST {
                    return None;
                }
                times.clear();
                Some(format!(
                    "{about}, the third such within an hour: {}",
                    Doubt::KnownBefore.as_str()
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    /// Whether a doubt at each of these minutes holds the counter.
    fn held(doubt: Doubt, behind: bool, minutes: &[i64]) -> Vec<bool> {
        let doubts = Doubts::default();
        let counter = CounterId::new("futures").expect("a counter");
        let master = "2026112100000000042".parse().expect("a master serial");
        let about = (master, Role::Debit);
        let hold = |at| doubts.reason_to_hold(&counter, doubt, about, behind, at * MINUTE);
        minutes.iter().map(|at| hold(*at).is_some()).collect()
    }

    #[test]
    fn two_counters_that_agree_speak_of_the_record() {
        let doubts = Doubts::default();
        let [one, two] = ["futures", "securities"].map(|id| CounterId::new(id).expect("an id"));
        assert_eq!((doubts.beyond(&one), doubts.beyond(&one)), (None, None));
        doubts.explained(&one);
        assert_eq!(doubts.beyond(&two), None);
        assert_eq!(doubts.beyond(&one), Some(vec![one, two]));
    }

    #[test]
    fn another_mark_holds_at_once_and_a_known_serial_at_the_third_within_an_hour() {
        assert_eq!(held(Doubt::OtherMark, false, &[0]), [true]);
        assert_eq!(held(Doubt::KnownBefore, true, &[0]), [true]);
        assert_eq!(held(Doubt::KnownBefore, false, &[0, 30, 59]), [false, false, true]);
        assert_eq!(held(Doubt::KnownBefore, false, &[0, 30, 60, 89]), [false, false, false, true]);
        assert_eq!(held(Doubt::KnownBefore, false, &[0, 61, 122, 183]), [false; 4]);
    }
}
