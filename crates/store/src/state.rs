//! Where a transfer stands, as far as the database tells: open in one of five ways, or ended in
//! one of three. The numbers are what the tables hold; they are never reused.

use std::fmt;

/// How a transfer ended. A final state is never left (DOMAIN §3, rule 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FinalState {
    /// Both legs are posted.
    Completed,
    /// No money moved.
    Refused,
    /// The debit was posted and undone.
    Reversed,
}

impl FinalState {
    /// All of them.
    pub const ALL: [FinalState; 3] =
        [FinalState::Completed, FinalState::Refused, FinalState::Reversed];

    /// The number in the `outcome` table.
    pub const fn number(self) -> i16 {
        match self {
            FinalState::Completed => 1,
            FinalState::Refused => 2,
            FinalState::Reversed => 3,
        }
    }

    /// The state behind a number; `None` for one that was never written.
    pub fn from_number(number: i16) -> Option<FinalState> {
        FinalState::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The word used on every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            FinalState::Completed => "completed",
            FinalState::Refused => "refused",
            FinalState::Reversed => "reversed",
        }
    }
}

impl fmt::Display for FinalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a transfer that has not ended is known to have come. It is for lists and people;
/// recovery decides by the trail and by what the counters answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpenState {
    /// Durable, nothing sent.
    #[default]
    Accepted,
    /// The debit is being made.
    Debiting,
    /// The credit is being made.
    Crediting,
    /// The debit is being undone.
    Reversing,
    /// A person has to decide.
    NeedsOperator,
}

impl OpenState {
    /// All of them.
    pub const ALL: [OpenState; 5] = [
        OpenState::Accepted,
        OpenState::Debiting,
        OpenState::Crediting,
        OpenState::Reversing,
        OpenState::NeedsOperator,
    ];

    /// The number in the `open_transfer` table.
    pub const fn number(self) -> i16 {
        match self {
            OpenState::Accepted => 1,
            OpenState::Debiting => 2,
            OpenState::Crediting => 3,
            OpenState::Reversing => 4,
            OpenState::NeedsOperator => 5,
        }
    }

    /// The state behind a number; `None` for one that was never written.
    pub fn from_number(number: i16) -> Option<OpenState> {
        OpenState::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The word used on every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            OpenState::Accepted => "accepted",
            OpenState::Debiting => "debiting",
            OpenState::Crediting => "crediting",
            OpenState::Reversing => "reversing",
            OpenState::NeedsOperator => "needs_operator",
        }
    }
}

impl fmt::Display for OpenState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which transfers a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateFilter {
    /// Those open in this state.
    Open(OpenState),
    /// Those that ended in this state.
    Ended(FinalState),
    /// Those that have ended, in whatever state.
    AnyEnded,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Databases hold the numbers, and everybody knows the words.
    #[test]
    fn states_keep_their_numbers_and_their_words() {
        let told = FinalState::ALL.map(|state| (state.number(), state.as_str()));
        assert_eq!(told, [(1, "completed"), (2, "refused"), (3, "reversed")]);
        let told = OpenState::ALL.map(|state| (state.number(), state.as_str()));
        let expected = [
            (1, "accepted"),
            (2, "debiting"),
            (3, "crediting"),
            (4, "reversing"),
            (5, "needs_operator"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn numbers_come_back_as_the_state_they_were() {
        for state in FinalState::ALL {
            assert_eq!(FinalState::from_number(state.number()), Some(state));
            assert_eq!(state.to_string(), state.as_str());
        }
        for state in OpenState::ALL {
            assert_eq!(OpenState::from_number(state.number()), Some(state));
            assert_eq!(state.to_string(), state.as_str());
        }
        assert_eq!(FinalState::from_number(0), None);
        assert_eq!(OpenState::from_number(6), None);
    }
}
