//! What is said of a transfer that waits for a person: it follows from what is proven of its legs, not
//! from what was once asked in vain.

use crate::dealing::Dealing;
use crate::view::View;
use domain::serial::Role;
use domain::transfer::{Knowledge, Outlook, ParkReason, State, Transfer};

/// Why it waits: what is not known, or what is proven.
pub(crate) fn reason(view: &View, why: ParkReason) -> String {
    let transfer = &view.transfer;
    if !why.is_want_of_knowledge() {
        return why.as_str().to_owned();
    }
    let unknown: Vec<Role> = transfer.unknown().collect();
    match &unknown[..] {
        [] => format!("proven: {}", proven(transfer)),
        [role] => format!("the {role}'s outcome could not be established"),
        [others @ .., last] => {
            let others: Vec<String> = others.iter().map(|role| format!("the {role}")).collect();
            let others = others.join(", ");
            format!("the outcomes of {others} and the {last} could not be established")
        }
    }
}

/// What is awaited, and what happens then.
pub(crate) fn next(view: &View, why: ParkReason) -> String {
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
fn ends(view: &View, why: ParkReason, state: State) -> String {
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
    match &view.dealing {
        _ if !why.is_want_of_knowledge() => {
            format!("{what}: resume ends it as {state}{}", claimed(view))
        }
        Dealing::Claim(claimant) => {
            format!("{what}; it ends as {state} when {} claims it no longer", claimant.who)
        }
        Dealing::Proposal(_) => format!("{what}{}", claimed(view)),
        Dealing::Nobody => format!("{what}; it ends by itself"),
    }
}

/// All is proven, and a leg is to be sent: that waits for a person's word.
fn sends(view: &View, why: ParkReason, role: Role) -> String {
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
    match &view.dealing {
        Dealing::Nobody => String::new(),
        Dealing::Claim(claimant) => format!("; {} has claimed it", claimant.who),
        Dealing::Proposal(proposal) => format!(
            "; {} proposes {}, and another person has to approve it",
            proposal.who,
            proposal.decision.as_str()
        ),
    }
}

/// What is known for certain of the legs: `debit done, credit never executed`.
fn proven(transfer: &Transfer) -> String {
    let unknown: Vec<Role> = transfer.unknown().collect();
    let known = Role::ALL.into_iter().filter_map(|role| {
        let knowledge = transfer.leg(role).knowledge;
        match knowledge {
            _ if unknown.contains(&role) => return None,
            // Nobody asked for the debit to be undone.
            Knowledge::NotSent if role == Role::Reversal => return None,
            Knowledge::Unknown => return None,
            Knowledge::NotSent | Knowledge::Done | Knowledge::Refused | Knowledge::NotExecuted => {}
        }
        Some(format!("{role} {}", knowledge.words()))
    });
    known.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claimant::Claimant;
    use crate::find::tests;
    use domain::transfer::{Leg, Phase};
    use foreign::ForeignText;

    /// What is said of a transfer that waits for this reason, with these legs, and leads to this.
    fn said(why: ParkReason, legs: [Knowledge; 3], outlook: Outlook) -> String {
        let mut view = tests::view(1);
        let legs = legs.map(|knowledge| Leg { knowledge, ..Leg::new() });
        [view.transfer.debit, view.transfer.credit, view.transfer.reversal] = legs;
        (view.transfer.phase, view.outlook) = (Phase::Parked(why), Some(outlook));
        let unclaimed = next(&view, why);
        let claimant =
            Claimant { who: "wang".into(), note: ForeignText::default(), since: 1, until: 2 };
        view.dealing = Dealing::Claim(claimant);
        let claimed = next(&view, why);
        assert!(claimed.contains("wang") && !unclaimed.contains("wang"), "{claimed}");
        unclaimed
    }

    #[test]
    fn what_is_awaited_is_said_whatever_the_reason() {
        use Knowledge::{Done, NotExecuted, NotSent, Refused, Unknown};
        for (why, legs, outlook, expected) in [
            (
                ParkReason::CreditUnresolved,
                [Done, Unknown, NotSent],
                Outlook::Unproven(Role::Credit),
                "futures is still asked what became of the credit; proven so far: debit done; an \
                 operator may decide without it",
            ),
            (
                ParkReason::DebitUnresolved,
                [Unknown, Unknown, Unknown],
                Outlook::Unproven(Role::Debit),
                "securities is still asked what became of the debit; an operator may decide without it",
            ),
            // It would not be settled by an answer alone.
            (
                ParkReason::CannotReverse,
                [Done, Unknown, NotSent],
                Outlook::Unproven(Role::Credit),
                "an operator must decide: the counter cannot reverse a debit",
            ),
            (
                ParkReason::Contradicted,
                [Done, Done, NotSent],
                Outlook::Person,
                "an operator must decide: the counter contradicted an earlier answer",
            ),
            (
                ParkReason::CreditUnresolved,
                [Done, Done, NotSent],
                Outlook::Ends(State::Completed),
                "both legs are proven done; it ends by itself",
            ),
            (
                ParkReason::DebitUnresolved,
                [NotExecuted, NotSent, NotSent],
                Outlook::Ends(State::Refused),
                "proven: debit never executed, credit never sent; it ends by itself",
            ),
            (
                ParkReason::OtherMark,
                [Done, Done, NotSent],
                Outlook::Ends(State::Completed),
                "both legs are proven done: resume ends it as completed",
            ),
            (
                ParkReason::CreditUnresolved,
                [Done, Refused, NotSent],
                Outlook::Sends(Role::Reversal),
                "proven: debit done, credit refused; the debit is to be returned: resume",
            ),
            (
                ParkReason::DebitUnresolved,
                [Done, NotSent, NotSent],
                Outlook::Sends(Role::Credit),
                "proven: debit done, credit never sent; the credit is to be sent: resume",
            ),
            (
                ParkReason::ReversalRefused,
                [Done, Refused, Refused],
                Outlook::Sends(Role::Reversal),
                "an operator must decide: the counter refused to reverse the debit; by what is \
                 proven the debit is to be returned",
            ),
        ] {
            assert_eq!(said(why, legs, outlook), expected);
        }
    }

    /// One that never left under its present day may have left under a former one.
    #[test]
    fn what_has_still_to_be_asked_about_is_not_said_to_be_proven() {
        let mut view = tests::view(1);
        view.transfer.debit.knowledge = Knowledge::Done;
        let why = ParkReason::CreditUnresolved;
        (view.transfer.phase, view.outlook) =
            (Phase::Parked(why), Some(Outlook::Unproven(Role::Credit)));
        view.transfer.credit.days_unasked = 1;
        assert_eq!(reason(&view, why), "the credit's outcome could not be established");
        let asked = "futures is still asked what became of the credit; proven so far: debit done; an \
                     operator may decide without it";
        assert_eq!(next(&view, why), asked);
        view.transfer.reversal.knowledge = Knowledge::Unknown;
        let both = "the outcomes of the credit and the reversal could not be established";
        assert_eq!(reason(&view, why), both);
        view.transfer.debit.knowledge = Knowledge::Unknown;
        let all = "the outcomes of the debit, the credit and the reversal could not be established";
        assert_eq!(reason(&view, why), all);
    }
}
