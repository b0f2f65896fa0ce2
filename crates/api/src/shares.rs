//! How a number of places is shared among apps: one half belongs to them in equal parts, and nobody
//! else ever has those; the other half is for whoever comes. So one app may be busy with most of what
//! there is, and the next is still let in. Pure.

use std::collections::HashMap;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    capacity: usize,
    /// How many belong to each app.
    own: usize,
    /// How many each app has.
    taken: HashMap<Arc<str>, usize>,
    total: usize,
    /// How many belong to apps that do not have them now.
    kept_free: usize,
}

impl Shares {
    /// So many places for these apps. With fewer than two for each, nobody's are kept free.
    pub(crate) fn new(capacity: usize, apps: impl IntoIterator<Item = Arc<str>>) -> Shares {
        let taken: HashMap<_, _> = apps.into_iter().map(|app| (app, 0)).collect();
        let own = capacity / (2 * taken.len().max(1));
        let kept_free = own * taken.len();
        Shares { capacity, own, taken, total: 0, kept_free }
    }

    /// From here on the places belong to these apps; whoever has one keeps it.
    pub(crate) fn belong_to(&mut self, apps: impl IntoIterator<Item = Arc<str>>) {
        let mut next = Shares::new(self.capacity, apps);
        for (app, taken) in &mut next.taken {
            *taken = self.taken.get(app).copied().unwrap_or(0);
            next.kept_free -= next.own.min(*taken);
        }
        next.total = self.total;
        *self = next;
    }

    /// Takes a place for an app; `false` if there is none for it. An app that is not listed has none
    /// of its own.
    pub(crate) fn take(&mut self, app: &str) -> bool {
        // After a change of the apps there may be less than is kept free.
        if self.total >= self.capacity {
            return false;
        }
        let taken = self.taken.get_mut(app);
        if taken.as_ref().is_some_and(|taken| **taken < self.own) {
            self.kept_free -= 1;
        } else if self.total + self.kept_free >= self.capacity {
            return false;
        }
        self.total += 1;
        if let Some(taken) = taken {
            *taken += 1;
        }
        true
    }

    /// Gives a place back that the app took.
    pub(crate) fn give_back(&mut self, app: &str) {
        self.total = self.total.saturating_sub(1);
        if let Some(taken) = self.taken.get_mut(app).filter(|taken| **taken > 0) {
            *taken -= 1;
            if *taken < self.own {
                self.kept_free += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(capacity: usize, apps: &[&str]) -> Shares {
        Shares::new(capacity, apps.iter().map(|app| Arc::from(*app)))
    }

    fn taken(shares: &mut Shares, app: &str) -> usize {
        (0..1000).take_while(|_| shares.take(app)).count()
    }

    #[test]
    fn places_that_are_taken_stay_taken_when_the_apps_change() {
        let mut shares = shares(8, &["demo", "gone"]);
        assert_eq!((taken(&mut shares, "demo"), taken(&mut shares, "gone")), (6, 2));
        shares.belong_to(["demo", "new"].map(Arc::from));
        assert!(!shares.take("new"), "nothing is left yet");
        for _ in 0..2 {
            shares.give_back("gone");
        }
        assert!(
            !shares.take("demo") && !shares.take("gone"),
            "what is free now belongs to the new one"
        );
        assert_eq!(taken(&mut shares, "new"), 2);
        for _ in 0..6 {
            shares.give_back("demo");
        }
        for _ in 0..2 {
            shares.give_back("new");
        }
        assert_eq!((shares.total, shares.kept_free), (0, 4));
        assert_eq!(taken(&mut shares, "demo"), 6);
    }

    #[test]
    fn one_may_have_most_and_the_others_always_have_their_own() {
        let mut shares = shares(8, &["demo", "other"]);
        assert_eq!(taken(&mut shares, "demo"), 6);
        assert_eq!(taken(&mut shares, "nobody"), 0);
        assert_eq!(taken(&mut shares, "other"), 2);
        assert_eq!(shares.total, 8);
        shares.give_back("demo");
        assert!(shares.take("other") && !shares.take("demo"), "the common half is anybody's");
        for _ in 0..3 {
            shares.give_back("other");
        }
        assert_eq!(taken(&mut shares, "demo"), 1, "two are kept for the other");
    }

    #[test]
    fn too_few_for_all_are_for_whoever_comes() {
        let mut shares = shares(3, &["a", "b"]);
        assert_eq!(taken(&mut shares, "a"), 3);
        assert_eq!(taken(&mut shares, "b"), 0);
        assert_eq!(taken(&mut self::shares(5, &[]), "anybody"), 5);
    }

    proptest! {
        /// Whatever is taken and given back, there are never too many, and whoever has less than its own
        /// part gets more.
        #[test]
        fn nobodys_part_is_ever_somebody_elses(
            capacity in 0..40_usize,
            steps in prop::collection::vec((0..4_usize, any::<bool>()), 0..200),
        ) {
            let apps = ["a", "b", "c", "not listed"];
            let mut shares = shares(capacity, &apps[..3]);
            let mut has = [0_usize; 4];
            for (app, takes) in steps {
                if takes {
                    let got = shares.take(apps[app]);
                    if app < 3 && has[app] < capacity / 6 {
                        prop_assert!(got, "{} has {} of {}", apps[app], has[app], capacity);
                    }
                    has[app] += usize::from(got);
                } else if has[app] > 0 {
                    shares.give_back(apps[app]);
                    has[app] -= 1;
                }
                prop_assert_eq!(shares.total, has.iter().sum::<usize>());
                prop_assert!(shares.total <= capacity);
            }
        }
    }
}
