//! How fast one operator acts: each act is written to the database, which money waits for too.

use people::OperatorName;
use std::collections::HashMap;
use std::time::Duration;

/// Acts that an operator may do at once, such as a list that a script goes through.
const AT_ONCE: u32 = 200;

/// What one more takes to become free.
const EACH: Duration = Duration::from_millis(50);

/// Of all operators; as many entries as there are operators.
#[derive(Debug, Default)]
pub(super) struct Pace(HashMap<OperatorName, Duration>);

impl Pace {
    /// Whether this operator may act at this time, since the beginning; it counts.
    pub(super) fn may(&mut self, name: &OperatorName, now: Duration) -> bool {
        // When all that was done is paid for: the present if that is past.
        let paid = self.0.get(name).copied().unwrap_or_default().max(now);
        let after = paid + EACH;
        let fits = after.saturating_sub(now) <= EACH * AT_ONCE;
        if fits {
            self.0.insert(name.clone(), after);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_then_twenty_a_second_each_operator_alone() {
        let (mut pace, ann) = (Pace::default(), "ann".parse().expect("a name"));
        let done = |pace: &mut Pace, name: &OperatorName, at: u64| {
            let now = Duration::from_millis(at);
            (0..1_000).take_while(|_| pace.may(name, now)).count()
        };
        assert_eq!(done(&mut pace, &ann, 5_000), 200);
        assert_eq!(done(&mut pace, &ann, 5_049), 0);
        assert_eq!(done(&mut pace, &ann, 5_050), 1);
        assert_eq!(done(&mut pace, &"bob".parse().expect("a name"), 5_050), 200);
        assert_eq!(done(&mut pace, &ann, 60_000), 200);
    }
}
