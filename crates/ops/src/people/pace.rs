//! How fast one operator acts: each act is written to the database, which money waits for too.

use people::OperatorName;
use std::collections::HashMap;
use std::time::Duration;

/// Of all operators; as many entries as there are operators.
#[derive(Debug)]
pub(super) struct Pace {
    /// How many one may do at once.
    at_once: u32,
    /// What one more takes to become free.
    each: Duration,
    paid: HashMap<OperatorName, Duration>,
}

impl Pace {
    /// That of all acts: a list that a script goes through, and then twenty a second.
    pub(super) fn of_acts() -> Pace {
        Pace { at_once: 200, each: Duration::from_millis(50), paid: HashMap::new() }
    }

    /// That of what operators keep for themselves, which those may do, too, who may do nothing else: each is in the record
    /// of acts for ever.
    pub(super) fn of_keeping() -> Pace {
        Pace { at_once: 100, each: Duration::from_mins(1), paid: HashMap::new() }
    }

    /// Whether this operator may act at this time, since the beginning; it counts.
    pub(super) fn may(&mut self, name: &OperatorName, now: Duration) -> bool {
        // When all that was done is paid for: the present if that is past.
        let paid = self.paid.get(name).copied().unwrap_or_default().max(now);
        let after = paid + self.each;
        let fits = after.saturating_sub(now) <= self.each * self.at_once;
        if fits {
            self.paid.insert(name.clone(), after);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_then_twenty_a_second_each_operator_alone() {
        let (mut pace, ann) = (Pace::of_acts(), "ann".parse().expect("a name"));
        let done = |pace: &mut Pace, name: &OperatorName, at: u64| {
            let now = Duration::from_millis(at);
            (0..1_000).take_while(|_| pace.may(name, now)).count()
        };
        assert_eq!(done(&mut pace, &ann, 5_000), 200);
        assert_eq!(done(&mut pace, &ann, 5_049), 0);
        assert_eq!(done(&mut pace, &ann, 5_050), 1);
        assert_eq!(done(&mut pace, &"bob".parse().expect("a name"), 5_050), 200);
        assert_eq!(done(&mut pace, &ann, 60_000), 200);
        let mut keeping = Pace::of_keeping();
        assert_eq!(done(&mut keeping, &ann, 0), 100);
        assert_eq!(done(&mut keeping, &ann, 59_999), 0);
        assert_eq!(done(&mut keeping, &ann, 60_000), 1);
    }
}
