//! Values that are written as one of a few words.

use domain::message::{EntryKind, Finding, Severity};
use domain::profile::AmountUnit;

/// A closed set of words, each for one value.
pub(crate) trait Word: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// The value's word.
    fn word(self) -> &'static str;

    /// The value of a word.
    fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.word() == word)
    }
}

macro_rules! words {
    ($type:ty { $($value:path => $word:literal),* $(,)? }) => {
        impl Word for $type {
            const ALL: &'static [Self] = &[$($value),*];

            fn word(self) -> &'static str {
                match self { $($value => $word),* }
            }
        }
    };
}

pub(crate) use words;

words!(Finding {
    Finding::Done => "done",
    Finding::Refused => "refused",
    Finding::NotFound => "not-found",
    Finding::Processing => "processing",
    Finding::Fenced => "fenced",
    Finding::Unclear => "unclear",
});

words!(EntryKind {
    EntryKind::Debit => "debit",
    EntryKind::Credit => "credit",
    EntryKind::Reversal => "reversal",
});

words!(Severity {
    Severity::Info => "info",
    Severity::Warning => "warning",
    Severity::Alarm => "alarm",
});

words!(AmountUnit {
    AmountUnit::Minor => "minor",
    AmountUnit::Major => "major",
});

impl Word for bool {
    const ALL: &'static [Self] = &[true, false];

    fn word(self) -> &'static str {
        if self { "yes" } else { "no" }
    }
}
