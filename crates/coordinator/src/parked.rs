//! What is said of a transfer that waits for a person: it follows from what is proven of its legs, not
//! from what was once asked in vain.

use crate::record::View;
use domain::serial::Role;
use domain::transfer::{Knowledge, Outlook, State, Transfer, Why};

/// Why it waits: what is not known, or what is proven.
pub(crate) fn reason(view: &View, why: Why) -> String {
    let transfer = &view.transfer;
    if !why.is_want_of_knowledge() {
        return why.as_str().to_owned();
    }
    let unknown: Vec<Role> = transfer.unknown().collect();
    match &unknown[..] {
        [] => format!("proven: {}", proven(transfer)),
        [role] => format!("the {role}'s outcome could not be established"),
        [first, .., last] => {
            format!("the outcomes of the {first} and the {last} could not be established")
        }
    }
}

/// What is awaited, and what happens then.
pub(crate) fn next(view: &View, why: Why) -> String {
    let awaited = match view.outlook {
        Some(Outlook::Ends(state)) => return ends(view, why, state),
        Some(Outlook::Sends(role)) => return sends(view, why, role),
        Some(Outlook::Unproven(role)) if why.is_want_of_knowledge() => {
            let counter = &view.transfer.place(role).counter;
            format!("{counter} is still asked what became of the {role}")
        }
        Some(Outlook::Unproven(_) | Outlook::Person) | None => {
            return format!("an operator must decide: {}{}", why.as_str(), claimed(view));
        }
    };
    let so_far = match proven(&view.transfer) {
        nothing if nothing.is_empty() => String::new(),
        proven => format!("; proven so far: {proven}"),
    };
    format!("{awaited}{so_far}; an operator may decide without it{}", claimed(view))
}

/// All is proven, and nothing is to be sent.
fn ends(view: &View, why: Why, state: State) -> String {
    let what = match state {
        State::Completed => "both legs are proven done".to_owned(),
        State::Accepted
        | State::Debiting
        | State::Crediting
        | State::Refused
        | State::Reversing
        | State::Reversed
        | State::NeedsOperator => format!("proven: {}", proven(&view.transfer)),
    };
    match &view.claim {
        _ if !why.is_want_of_knowledge() => {
            format!("{what}: resume ends it as {state}{}", claimed(view))
        }
        Some(claimant) => {
            format!("{what}; it ends as {state} when {} claims it no longer", claimant.who)
        }
        None => format!("{what}; it ends by itself"),
    }
}

/// All is proven, and a leg is to be sent: that waits for a person's word.
fn sends(view: &View, why: Why, role: Role) -> String {
    let what = match role {
        Role::Debit => "the debit is to be sent",
        Role::Credit => "the credit is to be sent",
        Role::Reversal => "the debit is to be returned",
    };
    let proven = proven(&view.transfer);
    if why.is_want_of_knowledge() {
        format!("proven: {proven}; {what}: resume{}", claimed(view))
    } else {
        format!(
            "an operator must decide: {}; by what is proven {what}{}",
            why.as_str(),
            claimed(view)
        )
    }
}

fn claimed(view: &View) -> String {
    view.claim
        .as_ref()
        .map_or_else(String::new, |claimant| format!("; {} has claimed it", claimant.who))
}

/// What is known for certain of the legs: `debit done, credit never executed`.
fn proven(transfer: &Transfer) -> String {
    let unknown: Vec<Role> = transfer.unknown().collect();
    let known = Role::ALL.into_iter().filter_map(|role| {
        let words = match transfer.leg(role).knowledge {
            _ if unknown.contains(&role) => return None,
            Knowledge::Done => "done",
            Knowledge::Refused => "refused",
            Knowledge::NotExecuted => "never executed",
            // Nobody asked for the debit to be undone.
            Knowledge::NotSent if role == Role::Reversal => return None,
            Knowledge::NotSent => "never sent",
            Knowledge::Unknown => return None,
        };
        Some(format!("{role} {words}"))
    });
    known.collect::<Vec<_>>().join(", ")
}
