//! A time that only passes. Waits are measured by it, so that a clock that is set back makes nobody wait until it has
//! caught up: no time passes at that moment, and then it goes on as it should.

/// By how much two readings of one clock may be out of order because their readers were: nothing was set.
const OUT_OF_ORDER: i64 = 1_000_000;

/// Microseconds that have passed since the first reading.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passing {
    read: Option<i64>,
    passed: i64,
}

impl Passing {
    /// What has passed by the time at which the clock shows `now`.
    pub(super) fn at(&mut self, now: i64) -> i64 {
        let read = *self.read.get_or_insert(now);
        let since = now.saturating_sub(read);
        if !(-OUT_OF_ORDER..=0).contains(&since) {
            self.read = Some(now);
        }
        self.passed = self.passed.saturating_add(since.max(0));
        self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_passes_as_the_clock_does() {
        let mut time = Passing::default();
        assert_eq!([500, 500, 501, 1_500].map(|now| time.at(now)), [0, 0, 1, 1_000]);
    }

    #[test]
    fn readings_that_come_out_of_order_add_nothing() {
        let mut time = Passing::default();
        let begin = 10 * OUT_OF_ORDER;
        let shown = [begin, begin - 5, begin + 5, begin + 5 - OUT_OF_ORDER, begin + 10];
        assert_eq!(shown.map(|now| time.at(now)), [0, 0, 5, 5, 10]);
        assert_eq!(time.at(begin + 10 - OUT_OF_ORDER), 10);
        assert_eq!(time.at(begin + 11), 11);
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on_from_there() {
        let mut time = Passing::default();
        let day = 86_400 * OUT_OF_ORDER;
        assert_eq!([day, day + 7, 0, 0, 3, 10].map(|now| time.at(now)), [0, 7, 7, 7, 10, 17]);
        let mut time = Passing::default();
        assert_eq!([0, -OUT_OF_ORDER - 1, 0].map(|now| time.at(now)), [0, 0, OUT_OF_ORDER + 1]);
    }

    proptest! {
        #[test]
        fn it_never_goes_back(shown in proptest::collection::vec(any::<i64>(), 1..20)) {
            let mut time = Passing::default();
            let passed: Vec<i64> = shown.iter().map(|now| time.at(*now)).collect();
            prop_assert!(passed.is_sorted());
        }
    }
}
