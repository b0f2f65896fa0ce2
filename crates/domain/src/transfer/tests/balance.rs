//! Whether an ending balances, for every ending and everything that may be known of its legs; and that the machine
//! reaches none that does not.

use super::*;
use std::collections::HashSet;

const KNOWLEDGE: [Knowledge; 5] = [
    Knowledge::NotSent,
    Knowledge::Unknown,
    Knowledge::Done,
    Knowledge::Refused,
    Knowledge::NotExecuted,
];

const ENDINGS: [State; 3] = [State::Completed, State::Refused, State::Reversed];

fn all_legs() -> impl Iterator<Item = [Knowledge; 3]> {
    let credits = |debit| KNOWLEDGE.into_iter().map(move |credit| (debit, credit));
    let pairs = KNOWLEDGE.into_iter().flat_map(credits);
    pairs.flat_map(|(debit, credit)| KNOWLEDGE.map(|reversal| [debit, credit, reversal]))
}

fn at(ending: State, legs: [Knowledge; 3], reason: Option<EndReason>) -> Transfer {
    let phase = match ending {
        State::Completed => Phase::Completed,
        State::Refused => Phase::Refused,
        State::Reversed => Phase::Reversed,
        other => panic!("{other} is no ending"),
    };
    let [debit, credit, reversal] = legs.map(|knowledge| Leg { knowledge, ..Leg::new() });
    Transfer { phase, debit, credit, reversal, reason, ..Transfer::accepted(intent()) }
}

/// Double entry: what came out of one account went into another, or back; and it is known of every leg.
#[test]
fn an_ending_by_proof_balances_if_what_was_debited_was_credited_or_given_back_and_not_otherwise() {
    let mut balanced = 0;
    for legs in all_legs() {
        let moved = legs.map(|knowledge| i64::from(knowledge == Knowledge::Done));
        let [debited, credited, returned] = moved;
        let is_known = !legs.contains(&Knowledge::Unknown);
        let adds_up = is_known && debited == credited + returned;
        for ending in ENDINGS {
            let is_named = match ending {
                State::Completed => credited == 1,
                State::Reversed => returned == 1,
                _ => debited == 0,
            };
            let expected = adds_up && is_named;
            balanced += usize::from(expected);
            assert_eq!(balances(ending, legs, EndedBy::Proof), expected, "{ending} {legs:?}");
            assert_eq!(at(ending, legs, None).imbalance().is_none(), expected);
        }
    }
    // Three ways for a leg not to have happened, of as many legs as did not.
    assert_eq!(balanced, 3 + 27 + 3);
    for open in [State::Accepted, State::Debiting, State::Crediting, State::Reversing] {
        assert!(!balances(open, [Knowledge::NotSent; 3], EndedBy::Proof), "{open} is no ending");
    }
}

/// A person's word counts for what nobody knows, and where no ending agrees with all that is proven (decision 0023); it
/// is said to be a person's then. The machine lets persons end exactly what balances so.
#[test]
fn an_ending_by_hand_balances_if_the_least_is_proven_against_it() {
    let profile = Profile::default();
    let mut by_hand = [0; 2];
    for legs in all_legs() {
        for (ending, decision) in
            ENDINGS.into_iter().zip([Decision::Completed, Decision::Refused, Decision::Reversed])
        {
            let phase = Phase::Parked(ParkReason::Contradicted);
            let mut transfer = Transfer { phase, ..at(ending, legs, None) };
            let event = Event::Decide(decision);
            let is_allowed = step(&mut transfer, &event, &ground(&profile, &profile, 3)).is_ok();
            let ended = at(ending, legs, Some(EndReason::Decided));
            assert_eq!(balances(ending, legs, EndedBy::Person), is_allowed, "{ending} {legs:?}");
            assert_eq!(ended.imbalance().is_none(), is_allowed, "{ending} {legs:?}");
            by_hand[usize::from(is_allowed)] += 1;
            // What balances by proof does so by hand.
            assert!(is_allowed || !balances(ending, legs, EndedBy::Proof), "{ending} {legs:?}");
        }
    }
    assert!(by_hand.iter().all(|count| *count > 50), "{by_hand:?}");
}

/// Each way in which an ending can lose or double money is said in words for whoever reads it at night.
#[test]
fn every_way_in_which_money_would_be_lost_or_doubled_is_recognised() {
    use Knowledge::{Done, NotExecuted, NotSent, Refused, Unknown};
    use State::{Completed, Refused as Nothing, Reversed};
    let decided = Some(EndReason::Decided);
    let mut said = String::new();
    for (what, ending, legs, reason) in [
        ("debited and not credited", Completed, [Done, NotExecuted, NotSent], None),
        ("credited and not debited", Completed, [Refused, Done, NotSent], None),
        ("credited and given back, too", Completed, [Done, Done, Done], None),
        (
            "credited, and it is not known whether the debit was",
            Completed,
            [Unknown, Done, NotSent],
            None,
        ),
        ("debited, and told that nothing was", Nothing, [Done, NotSent, NotSent], None),
        ("perhaps debited, and told that nothing was", Nothing, [Unknown, NotSent, NotSent], None),
        (
            "perhaps credited, and told that nothing was",
            Nothing,
            [NotExecuted, Unknown, NotSent],
            None,
        ),
        (
            "given back without a debit, and told that nothing was",
            Nothing,
            [Refused, NotSent, Done],
            None,
        ),
        ("given back and credited, too", Reversed, [Done, Done, Done], None),
        ("told to be given back, and was not", Reversed, [Done, Refused, Refused], None),
        ("told to be given back, and perhaps was not", Reversed, [Done, Refused, Unknown], None),
        ("given back without a debit", Reversed, [NotExecuted, Refused, Done], None),
        ("given back, and perhaps credited", Reversed, [Done, Unknown, Done], None),
        (
            "completed by hand although all of it is undone",
            Completed,
            [Done, Refused, Done],
            decided,
        ),
        ("refused by hand although all of it is done", Nothing, [Done, Done, NotSent], decided),
    ] {
        let imbalance = at(ending, legs, reason).imbalance();
        let imbalance = imbalance.unwrap_or_else(|| panic!("{what}"));
        said.extend([what, ": ", &imbalance.to_string(), "\n"]);
    }
    expect![[r#"
        debited and not credited: it was to end by itself as completed, and its money does not add up so: the debit is done, the credit is never executed, the reversal is never sent
        credited and not debited: it was to end by itself as completed, and its money does not add up so: the debit is refused, the credit is done, the reversal is never sent
        credited and given back, too: it was to end by itself as completed, and its money does not add up so: the debit is done, the credit is done, the reversal is done
        credited, and it is not known whether the debit was: it was to end by itself as completed, and its money does not add up so: the debit is unknown, the credit is done, the reversal is never sent
        debited, and told that nothing was: it was to end by itself as refused, and its money does not add up so: the debit is done, the credit is never sent, the reversal is never sent
        perhaps debited, and told that nothing was: it was to end by itself as refused, and its money does not add up so: the debit is unknown, the credit is never sent, the reversal is never sent
        perhaps credited, and told that nothing was: it was to end by itself as refused, and its money does not add up so: the debit is never executed, the credit is unknown, the reversal is never sent
        given back without a debit, and told that nothing was: it was to end by itself as refused, and its money does not add up so: the debit is refused, the credit is never sent, the reversal is done
        given back and credited, too: it was to end by itself as reversed, and its money does not add up so: the debit is done, the credit is done, the reversal is done
        told to be given back, and was not: it was to end by itself as reversed, and its money does not add up so: the debit is done, the credit is refused, the reversal is refused
        told to be given back, and perhaps was not: it was to end by itself as reversed, and its money does not add up so: the debit is done, the credit is refused, the reversal is unknown
        given back without a debit: it was to end by itself as reversed, and its money does not add up so: the debit is never executed, the credit is refused, the reversal is done
        given back, and perhaps credited: it was to end by itself as reversed, and its money does not add up so: the debit is done, the credit is unknown, the reversal is done
        completed by hand although all of it is undone: it was to end by a person's decision as completed, and its money does not add up so: the debit is done, the credit is refused, the reversal is done
        refused by hand although all of it is done: it was to end by a person's decision as refused, and its money does not add up so: the debit is done, the credit is done, the reversal is never sent
    "#]].assert_eq(&said);
}

/// All that may happen to a transfer, from each state that it may come to: woken, past its deadline, told anything of any
/// leg, decided in any way, taken up after a crash and after a restored record. Nobody is patient here: a round that
/// brings nothing calls a person, which is how a transfer comes to every state soonest.
#[test]
fn no_ending_that_the_machine_reaches_is_out_of_balance() {
    let mut ended = HashSet::new();
    // Those to which the rules lead on the most different ways; all that may be are tried by chance (`sequences`).
    for bits in 0..8_u8 {
        let has = |bit: u8| bits & (1 << bit) != 0;
        let profile = Profile {
            refusals_stick: has(0),
            can_fence: has(1),
            can_query_reversals: has(2),
            ..Profile::default()
        };
        ended.extend(explore(&profile));
    }
    ended.extend(explore(&weak()));
    ended.extend(explore(&Profile { can_reverse: false, ..Profile::default() }));
    for ending in ENDINGS {
        for by in [EndedBy::Proof, EndedBy::Person] {
            assert!(ended.contains(&(ending, by)), "{ending} {by:?} is never reached");
        }
    }
}

/// Goes to every state that a transfer may come to between two such counters, and gives how it ended.
fn explore(profile: &Profile) -> HashSet<(State, EndedBy)> {
    let (events, ground) = (events(), ground(profile, profile, 0));
    let (mut seen, mut ended) = (HashSet::new(), HashSet::new());
    let first = Transfer::accepted(Intent { credit_barrier: !profile.dedupes, ..intent() });
    // What a restored record doubts of a transfer is doubted by every later life.
    let mut open = vec![(first, false)];
    while let Some((transfer, doubted)) = open.pop() {
        let crashed = [doubted, true].map(|doubted| (crash(&transfer, doubted), doubted));
        let stepped = events.iter().filter_map(|event| {
            let mut next = transfer.clone();
            step(&mut next, event, &ground).ok().map(|step| {
                // Knowledge balances, too, where a debit is made twice and undone once.
                let undone =
                    matches!(next.reversal.knowledge, Knowledge::Unknown | Knowledge::Done);
                let moves = matches!(step.action, Action::Send(Role::Debit | Role::Credit));
                assert!(!(undone && moves), "{event:?} sends {:?} of {transfer:#?}", step.action);
                (next, doubted)
            })
        });
        for (next, doubted) in crashed.into_iter().chain(stepped) {
            if let Some(imbalance) = next.imbalance() {
                panic!("{imbalance}\n{profile:?}\n{transfer:#?}");
            }
            if next.state().is_final() {
                let decided = next.reason == Some(EndReason::Decided);
                let by = if decided { EndedBy::Person } else { EndedBy::Proof };
                ended.insert((next.state(), by));
            } else if seen.insert((key(&next), doubted)) {
                open.push((next, doubted));
            }
        }
    }
    ended
}

/// By what two states of one transfer are told apart, as far as the rules look at it.
fn key(transfer: &Transfer) -> impl Eq + std::hash::Hash + use<> {
    let leg = |role| {
        let leg = transfer.leg(role);
        (leg.knowledge, leg.sent.min(2), leg.doubt.is_some(), leg.sought.is_some())
    };
    (transfer.phase, Role::ALL.map(leg), transfer.expired, transfer.reason)
}

fn crash(transfer: &Transfer, doubted: bool) -> Transfer {
    Transfer::recovered(Remembered {
        intent: transfer.intent.clone(),
        phase: transfer.phase,
        legs: Role::ALL.map(|role| transfer.leg(role).clone()),
        reason: transfer.reason,
        doubted,
    })
}

fn events() -> Vec<Event> {
    let mut events = vec![Event::Wake, Event::Expire];
    events.extend(Decision::ALL.map(Event::Decide));
    for role in Role::ALL {
        for weight in [Weight::Answer, Weight::Query, Weight::Truth] {
            let told = |evidence| Event::Told(role, LegReport::nothing(evidence, weight));
            events.extend(Evidence::ALL.map(told));
        }
    }
    events
}
