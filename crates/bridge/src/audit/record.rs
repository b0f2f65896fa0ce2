//! The record's rows as transfers to be judged.

use domain::transfer::State;
use reconcile::Recorded;
use store::{FinalState, OpenState, Stored};

/// The transfer that a row tells of; `None` if the row says neither open nor ended.
pub(super) fn recorded(stored: &Stored) -> Option<Recorded> {
    let standing = match (&stored.outcome, stored.open_state) {
        (Some(outcome), _) => ended(outcome.state),
        (None, Some(state)) => open(state),
        (None, None) => return None,
    };
    let transfer = &stored.transfer;
    Some(Recorded {
        master: transfer.master,
        order: transfer.order.clone(),
        days: (transfer.debit_day, transfer.credit_day),
        standing,
        created_at: transfer.created_at,
        mark: transfer.mark,
    })
}

const fn ended(state: FinalState) -> State {
    match state {
        FinalState::Completed => State::Completed,
        FinalState::Refused => State::Refused,
        FinalState::Reversed => State::Reversed,
    }
}

const fn open(state: OpenState) -> State {
    match state {
        OpenState::Accepted => State::Accepted,
        OpenState::Debiting => State::Debiting,
        OpenState::Crediting => State::Crediting,
        OpenState::Reversing => State::Reversing,
        OpenState::NeedsOperator => State::NeedsOperator,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_keep_their_words() {
        for state in FinalState::ALL {
            assert_eq!(ended(state).as_str(), state.as_str());
            assert!(ended(state).is_final());
        }
        for state in OpenState::ALL {
            assert_eq!(open(state).as_str(), state.as_str());
            assert!(!open(state).is_final());
        }
    }
}
