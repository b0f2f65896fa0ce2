//! What becomes of a transfer that waits for a person, before one has come.

use super::*;

/// The story of a transfer that is parked because of a leg whose counter says nothing.
fn parked_by_the(role: Role, then: &str, expected: &Expect) {
    let silences = format!("query {role} silent; wake; ").repeat(3);
    let before = match role {
        Role::Debit => "wake; debit silent; ",
        Role::Credit => "wake; debit done; credit silent; ",
        Role::Reversal => {
            "wake; debit done; credit refused; reversal silent; wake; reversal done; "
        }
    };
    let story = format!("hush; {before}{silences}query {role} silent; say; {then}");
    standard(&story, expected);
}

#[test]
fn what_is_proven_ends_it_if_nothing_is_to_be_sent() {
    parked_by_the(
        Role::Credit,
        "wake; query credit silent; wake; query credit done",
        &expect![[r#"
            wake -> Parked(CreditUnresolved): Ask(Credit, Only)
            query credit silent -> Parked(CreditUnresolved): Pause
            wake -> Parked(CreditUnresolved): Ask(Credit, Only)
            query credit done -> Completed: Finish, durable first
        "#]],
    );
    parked_by_the(
        Role::Credit,
        "credit done",
        &expect![[r#"
            credit done -> Completed: Finish, durable first
        "#]],
    );
    parked_by_the(
        Role::Debit,
        "expire; wake; fence debit not_executed",
        &expect![[r#"
            expire -> Parked(DebitUnresolved): Stay
            wake -> Parked(DebitUnresolved): Ask(Debit, Fence)
            fence debit not_executed -> Refused: Finish, durable first
        "#]],
    );
    parked_by_the(
        Role::Debit,
        "query debit refused",
        &expect![[r#"
            query debit refused -> Refused: Finish, durable first
        "#]],
    );
    parked_by_the(
        Role::Reversal,
        "wake; query reversal done",
        &expect![[r#"
            wake -> Parked(ReversalUnresolved): Ask(Reversal, Only)
            query reversal done -> Reversed: Finish, durable first
        "#]],
    );
}

#[test]
fn what_would_send_waits_for_a_person() {
    parked_by_the(
        Role::Credit,
        "query credit refused; wake; wake; decide resume",
        &expect![[r#"
            query credit refused -> Parked(CreditUnresolved): Pause
            wake -> Parked(CreditUnresolved): Pause
            wake -> Parked(CreditUnresolved): Pause
            decide resume -> ReversalSent: Send(Reversal), durable first
        "#]],
    );
    parked_by_the(
        Role::Debit,
        "query debit done; wake; decide resume; credit done",
        &expect![[r#"
            query debit done -> Parked(DebitUnresolved): Pause
            wake -> Parked(DebitUnresolved): Pause
            decide resume -> CreditSent: Send(Credit), durable first
            credit done -> Completed: Finish, durable first
        "#]],
    );
}

#[test]
fn what_somebody_has_claimed_ends_only_once_the_claim_is_over() {
    parked_by_the(
        Role::Credit,
        "claimed; query credit done; wake; unclaimed; wake",
        &expect![[r#"
            query credit done -> Parked(CreditUnresolved): Pause
            wake -> Parked(CreditUnresolved): Pause
            wake -> Completed: Finish, durable first
        "#]],
    );
    parked_by_the(
        Role::Credit,
        "claimed; query credit done; decide resume",
        &expect![[r#"
            query credit done -> Parked(CreditUnresolved): Pause
            decide resume -> Completed: Finish, durable first
        "#]],
    );
}

/// A restart takes a parked transfer up as it was recorded.
#[test]
fn what_was_proven_before_a_restart_ends_it_after() {
    parked_by_the(
        Role::Credit,
        "claimed; query credit done; crash; unclaimed; wake",
        &expect![[r#"
            query credit done -> Parked(CreditUnresolved): Pause
            wake -> Completed: Finish, durable first
        "#]],
    );
}

/// Rule 3: the counter's plain answer that the debit is undone is proven by a query, whenever it
/// comes.
#[test]
fn a_reversal_is_proven_by_a_query_while_it_is_parked_too() {
    parked_by_the(
        Role::Reversal,
        "reversal done; wake; query reversal not_found; wake; query reversal done",
        &expect![[r#"
            reversal done -> Parked(ReversalUnresolved): Pause
            wake -> Parked(ReversalUnresolved): Ask(Reversal, Only)
            query reversal not_found -> Parked(ReversalUnresolved): Pause
            wake -> Parked(ReversalUnresolved): Ask(Reversal, Only)
            query reversal done -> Reversed: Finish, durable first
        "#]],
    );
    // What was proven stays so, whatever is answered again.
    parked_by_the(
        Role::Reversal,
        "claimed; query reversal done; reversal done; unclaimed; wake",
        &expect![[r#"
            query reversal done -> Parked(ReversalUnresolved): Pause
            reversal done -> Parked(ReversalUnresolved): Pause
            wake -> Reversed: Finish, durable first
        "#]],
    );
}

/// Why it waits follows the evidence.
#[test]
fn what_is_proven_says_better_why_it_waits() {
    let never_undoes = Profile { can_reverse: false, ..Profile::default() };
    check(
        &never_undoes,
        "hush; wake; debit done; credit silent; query credit silent; wake; query credit silent; wake; \
         query credit silent; wake; query credit silent; say; query credit refused; wake",
        &expect![[r#"
            query credit refused -> Parked(CannotReverse): Pause
            wake -> Parked(CannotReverse): Stay
        "#]],
    );
    parked_by_the(
        Role::Credit,
        "cutover; query credit refused",
        &expect![[r#"
            query credit refused -> Parked(SettleDayPassed): Pause
        "#]],
    );
    parked_by_the(
        Role::Reversal,
        "query reversal refused; decide resume",
        &expect![[r#"
            query reversal refused -> Parked(ReversalRefused): Pause
            decide resume -> ReversalSent: Send(Reversal), durable first
        "#]],
    );
    // After a crash the credit may have been sent, against all rules.
    check(
        &Profile::default(),
        "hush; wake; crash; wake; query debit silent; wake; query debit silent; wake; \
         query debit silent; wake; query debit silent; say; query debit refused; wake; \
         query credit done; decide resume",
        &expect![[r#"
            query debit refused -> Parked(DebitUnresolved): Pause
            wake -> Parked(DebitUnresolved): Ask(Credit, Only)
            query credit done -> Parked(CreditWithoutDebit): Pause
            decide resume -> illegal: the counter contradicted itself: decide the ending, it cannot be resumed
        "#]],
    );
    check(
        &Profile::default(),
        "hush; wake; crash; wake; query debit silent; wake; query debit silent; wake; \
         query debit silent; wake; query debit silent; say; query debit refused; wake; \
         query credit refused",
        &expect![[r#"
            query debit refused -> Parked(DebitUnresolved): Pause
            wake -> Parked(DebitUnresolved): Ask(Credit, Only)
            query credit refused -> Refused: Finish, durable first
        "#]],
    );
}

/// A counter that contradicts itself while it is asked has ended nothing, and is asked on.
#[test]
fn a_contradiction_is_for_a_person_and_the_other_leg_is_asked_about_on() {
    parked_by_the(
        Role::Credit,
        "fence debit not_executed; wake; query credit done; wake; decide resume; decide completed",
        &expect![[r#"
            fence debit not_executed -> Parked(Contradicted): Pause (CONTRADICTION)
            wake -> Parked(Contradicted): Ask(Credit, Only)
            query credit done -> Parked(Contradicted): Pause
            wake -> Parked(Contradicted): Stay
            decide resume -> illegal: the counter contradicted itself: decide the ending, it cannot be resumed
            decide completed -> Completed: Finish, durable first
        "#]],
    );
    parked_by_the(
        Role::Credit,
        "claimed; query credit done; query credit refused; unclaimed; wake",
        &expect![[r#"
            query credit done -> Parked(CreditUnresolved): Pause
            query credit refused -> Parked(Contradicted): Pause (CONTRADICTION)
            wake -> Parked(Contradicted): Stay
        "#]],
    );
}

/// Found by chance: an answer about a reversal that was never asked for was believed while the transfer
/// was parked, and whoever resumed undid a debit of which nothing was proven.
#[test]
fn what_is_said_of_a_reversal_that_was_never_asked_for_is_not_believed() {
    standard(
        "wake; debit silent; query debit silent; wake; query debit silent; wake; query debit silent; wake; query debit silent; reversal refused; fence reversal not_executed; decide resume",
        &expect![[r#"
            wake -> DebitSent: Send(Debit)
            debit silent -> DebitAsking: Ask(Debit, Only)
            query debit silent -> DebitAsking: Pause
            wake -> DebitAsking: Ask(Debit, Only)
            query debit silent -> DebitAsking: Pause
            wake -> DebitAsking: Ask(Debit, Only)
            query debit silent -> DebitAsking: Pause
            wake -> DebitAsking: Ask(Debit, Only)
            query debit silent -> Parked(DebitUnresolved): Pause
            reversal refused -> Parked(DebitUnresolved): Stay (stale)
            fence reversal not_executed -> Parked(DebitUnresolved): Stay (stale)
            decide resume -> DebitAsking: Ask(Debit, Only), durable first
        "#]],
    );
}

/// Parked for a reason, as its legs are known.
fn parked(why: ParkReason, legs: [Knowledge; 3]) -> Transfer {
    let mut transfer = Transfer::accepted(intent());
    transfer.phase = Phase::Parked(why);
    for (role, knowledge) in Role::ALL.into_iter().zip(legs) {
        let leg = transfer.leg_mut(role);
        leg.knowledge = knowledge;
        leg.sent = u16::from(knowledge != Knowledge::NotSent);
    }
    transfer
}

/// What a parked transfer leads to, whatever its legs are known to be.
/// What is awaited is asked about, also of a leg that never left: a credit that was given up is buried
/// before its debit may be undone, which then waits for a person.
#[test]
fn a_credit_that_never_left_is_buried_while_a_person_is_awaited() {
    standard(
        "hush; wake; debit done; credit not_sent; expire; credit not_sent; wake; credit not_sent; wake; \
         credit not_sent; wake; credit not_sent; say; wake; credit not_sent; wake; \
         fence credit not_executed; wake; decide resume",
        &expect![[r#"
            wake -> Parked(CreditUnresolved): Ask(Credit, Fence)
            credit not_sent -> Parked(CreditUnresolved): Pause
            wake -> Parked(CreditUnresolved): Ask(Credit, Fence)
            fence credit not_executed -> Parked(CreditUnresolved): Pause
            wake -> Parked(CreditUnresolved): Pause
            decide resume -> ReversalSent: Send(Reversal), durable first
        "#]],
    );
    standard(
        "hush; wake; debit silent; query debit silent; wake; query debit silent; wake; \
         query debit silent; wake; query debit silent; expire; wake; say; fence debit done; wake; \
         fence credit not_executed; wake; decide resume",
        &expect![[r#"
            fence debit done -> Parked(DebitUnresolved): Pause
            wake -> Parked(DebitUnresolved): Ask(Credit, Fence)
            fence credit not_executed -> Parked(DebitUnresolved): Pause
            wake -> Parked(DebitUnresolved): Pause
            decide resume -> ReversalSent: Send(Reversal), durable first
        "#]],
    );
}

/// A record that lost its tail while a debit was being undone: nothing of the credit is sought, for none
/// was sent, and what is proven ends it.
#[test]
fn an_undoing_of_a_lost_life_ends_by_its_proof_alone() {
    let profile = Profile { can_fence: false, ..Profile::default() };
    let story = "hush; wake; debit done; credit not_sent; expire; restored; released; wake; \
                 query reversal silent; wake; query reversal silent; wake; query reversal silent; wake; \
                 query reversal silent; wake; say; query reversal done; wake";
    check(
        &profile,
        story,
        &expect![[r#"
        query reversal done -> Reversed: Finish, durable first
        wake -> Reversed: Stay (stale)
    "#]],
    );
}

#[test]
fn the_outlook_follows_from_what_is_proven() {
    use Knowledge::{Done, NotExecuted, NotSent, Refused, Unknown};
    let (fences, cannot_undo) =
        (Profile::default(), Profile { can_reverse: false, ..Profile::default() });
    let strong = ground(&fences, &fences, 3);
    for (why, legs, expected) in [
        (ParkReason::DebitUnresolved, [Unknown, NotSent, NotSent], Outlook::Unproven(Role::Debit)),
        (ParkReason::DebitUnresolved, [Refused, Unknown, NotSent], Outlook::Unproven(Role::Credit)),
        (ParkReason::DebitUnresolved, [Done, NotSent, NotSent], Outlook::Sends(Role::Credit)),
        (ParkReason::DebitUnresolved, [NotSent, NotSent, NotSent], Outlook::Sends(Role::Debit)),
        (
            ParkReason::DebitUnresolved,
            [NotExecuted, NotSent, NotSent],
            Outlook::Ends(State::Refused),
        ),
        (ParkReason::CreditUnresolved, [Done, Done, NotSent], Outlook::Ends(State::Completed)),
        (ParkReason::CreditUnresolved, [Done, Refused, NotSent], Outlook::Sends(Role::Reversal)),
        (
            ParkReason::CreditUnresolved,
            [Done, NotExecuted, Unknown],
            Outlook::Unproven(Role::Reversal),
        ),
        (ParkReason::ReversalUnresolved, [Done, Refused, Done], Outlook::Ends(State::Reversed)),
        (ParkReason::ReversalRefused, [Done, Refused, Refused], Outlook::Sends(Role::Reversal)),
        (ParkReason::CreditWithoutDebit, [Refused, Done, NotSent], Outlook::Person),
        (ParkReason::DebitUnresolved, [Refused, Done, NotSent], Outlook::Person),
        (ParkReason::Contradicted, [Done, Done, NotSent], Outlook::Person),
        (ParkReason::Illegal, [Unknown, Unknown, NotSent], Outlook::Person),
    ] {
        let transfer = parked(why, legs);
        assert_eq!(transfer.outlook(&strong), Some(expected), "{why:?} {legs:?}");
        assert_eq!(
            expected.is_proven(),
            matches!(expected, Outlook::Ends(_) | Outlook::Sends(_)),
            "{expected:?}"
        );
    }
    let undone = parked(ParkReason::CreditUnresolved, [Done, Refused, NotSent]);
    let cannot = ground(&cannot_undo, &fences, 3);
    assert_eq!(undone.outlook(&cannot), Some(Outlook::Person));
    // What may not be sent now is sent as soon as it may.
    for still in [
        StepContext { behind: true, ..strong },
        StepContext { debit_held: true, ..strong },
        StepContext { debit_day: None, ..strong },
    ] {
        assert_eq!(undone.outlook(&still), Some(Outlook::Sends(Role::Reversal)));
    }
    let debited = parked(ParkReason::DebitUnresolved, [Done, NotSent, NotSent]);
    let held = StepContext { credit_held: true, ..strong };
    assert_eq!(debited.outlook(&held), Some(Outlook::Sends(Role::Credit)));
    // Past its deadline a credit that never left is buried, where that is possible.
    let late = Transfer { expired: true, ..debited.clone() };
    assert_eq!(late.outlook(&strong), Some(Outlook::Unproven(Role::Credit)));
    let unsent = parked(ParkReason::DebitUnresolved, [NotSent, NotSent, NotSent]);
    let late = Transfer { expired: true, ..unsent };
    assert_eq!(late.outlook(&strong), Some(Outlook::Ends(State::Refused)));
    // One that never left is known only when it has been asked about under all of its days.
    let mut former = debited;
    former.credit.days_unasked = 1;
    assert_eq!(former.outlook(&strong), Some(Outlook::Unproven(Role::Credit)));
    (former.credit.days_unasked, former.credit.sought) = (0, Some(intent().credit_day));
    assert_eq!(former.outlook(&strong), Some(Outlook::Unproven(Role::Credit)));
    assert_eq!(Transfer::accepted(intent()).outlook(&strong), None, "it waits for nobody");
}

/// What is asked of what waits for a person, and how: what is given up is buried where that is possible,
/// an undoing never; and nobody is asked what it cannot say.
#[test]
fn what_is_asked_while_it_is_parked_follows_from_what_the_counter_can_do() {
    use Knowledge::{Done, NotSent, Refused, Unknown};
    let (says, weak) = (Profile::default(), weak());
    let strong = ground(&says, &says, 3);
    let credit = [Done, Unknown, NotSent];
    let reversal = [Done, Refused, Unknown];
    for (legs, expired, ground, expected) in [
        (credit, false, strong, Action::Ask(Role::Credit, Look::Only)),
        (credit, true, strong, Action::Ask(Role::Credit, Look::Fence)),
        (
            credit,
            true,
            StepContext { behind: true, ..strong },
            Action::Ask(Role::Credit, Look::Only),
        ),
        (
            credit,
            true,
            StepContext { credit: &weak, ..strong },
            Action::Ask(Role::Credit, Look::Only),
        ),
        (reversal, true, strong, Action::Ask(Role::Reversal, Look::Only)),
        (reversal, true, StepContext { debit: &weak, ..strong }, Action::Pause),
    ] {
        let mut transfer = parked(ParkReason::ReversalUnresolved, legs);
        transfer.expired = expired;
        let step = step(&mut transfer, &Event::Wake, &ground).expect("legal");
        assert_eq!(step.action, expected, "{legs:?} expired {expired}");
    }
}

/// Where nobody can say what became of an undoing, the counter's plain answer is all the proof that
/// there is.
#[test]
fn a_plain_answer_proves_a_reversal_where_no_query_can() {
    let (says, silent) =
        (Profile::default(), Profile { can_query_reversals: false, ..Profile::default() });
    for (source, after) in
        [(&silent, Phase::Reversed), (&says, Phase::Parked(ParkReason::ReversalUnresolved))]
    {
        let legs = [Knowledge::Done, Knowledge::Refused, Knowledge::Unknown];
        let mut transfer = parked(ParkReason::ReversalUnresolved, legs);
        let event = Event::Told(Role::Reversal, told(Evidence::Done, Weight::Answer));
        step(&mut transfer, &event, &ground(source, &says, 3)).expect("legal");
        assert_eq!(transfer.phase, after);
    }
}

/// What this software failed on is not asked about before a person has looked, whatever is said of it.
#[test]
fn what_this_software_failed_on_is_not_worked_on() {
    let legs = [Knowledge::Done, Knowledge::Unknown, Knowledge::NotSent];
    let profile = Profile::default();
    for (role, told) in [
        (Role::Credit, told(Evidence::Done, Weight::Answer)),
        (Role::Credit, told(Evidence::NotFound, Weight::Query)),
        (Role::Debit, told(Evidence::Refused, Weight::Answer)),
        (
            Role::Credit,
            LegReport { doubt: Some(Doubt::OtherMark), ..told(Evidence::Silent, Weight::Query) },
        ),
    ] {
        let mut transfer = parked(ParkReason::Panicked, legs);
        let event = Event::Told(role, told);
        let step = step(&mut transfer, &event, &ground(&profile, &profile, 3)).expect("legal");
        assert_eq!(
            (step.action, transfer.phase),
            (Action::Stay, Phase::Parked(ParkReason::Panicked))
        );
    }
}

/// How things stand when something happens: the record, the counters, the claim, the day.
#[derive(Clone, Copy, Debug)]
struct Standing {
    behind: bool,
    held: [bool; 2],
    claimed: bool,
    cut_over: bool,
}

fn any_standing() -> impl Strategy<Value = Standing> {
    let rarely = || prop::bool::weighted(0.1);
    (rarely(), rarely(), rarely(), prop::bool::weighted(0.3), prop::bool::weighted(0.03)).prop_map(
        |(behind, debit, credit, claimed, cut_over)| Standing {
            behind,
            held: [debit, credit],
            claimed,
            cut_over,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever arrives, in whatever order, and however often it crashes.
    #[test]
    fn a_parked_transfer_sends_nothing_by_itself_and_ends_exactly_if_that_is_proven_and_not_claimed(
        debit in any_profile(),
        credit in any_profile(),
        events in prop::collection::vec((any_event(), any_standing(), 0..20u8), 0..60),
    ) {
        let mut transfer = Transfer::accepted(intent());
        let mut today = intent().debit_day;
        for (event, standing, fate) in events {
            if fate == 0 && !transfer.state().is_final() {
                transfer = Transfer::recovered(Remembered {
                    intent: Intent { credit_barrier: !credit.dedupes, ..intent() },
                    phase: transfer.phase,
                    legs: Role::ALL.map(|role| transfer.leg(role).clone()),
                    reason: transfer.reason,
                    doubted: false,
                });
                continue;
            }
            if standing.cut_over {
                today = Day::from_unix_days(today.unix_days() + 1);
            }
            let ground = StepContext {
                debit_day: Some(today),
                credit_day: Some(today),
                behind: standing.behind,
                debit_held: standing.held[0],
                credit_held: standing.held[1],
                claimed: standing.claimed,
                // Little, so that much is parked.
                ..ground(&debit, &credit, 1)
            };
            let before = transfer.clone();
            let Ok(step) = step(&mut transfer, &event, &ground) else { continue };
            let Phase::Parked(why) = before.phase else { continue };
            if matches!(event, Event::Decide(_)) {
                continue;
            }
            prop_assert!(!matches!(step.action, Action::Send(_)), "sent by itself: {step:?}");
            if let Phase::Parked(now) = transfer.phase {
                let of_former_day = matches!(&event, Event::Told(role, told)
                    if before.may_be_told_of_former_day(*role, told));
                let looked_at = match event {
                    Event::Wake => true,
                    Event::Told(..) => step.verdict == Verdict::Fresh && !of_former_day,
                    Event::Expire | Event::Decide(_) => false,
                };
                let ends = matches!(transfer.outlook(&ground), Some(Outlook::Ends(_)));
                prop_assert!(
                    !looked_at || !now.is_want_of_knowledge() || !ends || standing.claimed,
                    "it could end and has not: {transfer:?}"
                );
                prop_assert!(
                    !step.barrier && matches!(step.action, Action::Pause | Action::Stay | Action::Ask(..))
                );
            } else {
                prop_assert!(transfer.state().is_final(), "{:?}", transfer.phase);
                prop_assert!(why.is_want_of_knowledge() && !standing.claimed, "{why:?}");
                prop_assert_eq!(step.action, Action::Finish);
                prop_assert!(step.barrier, "the end is durable before anybody hears of it");
                prop_assert_eq!(transfer.unknown().count(), 0, "not everything is proven");
                let [debited, credited, undone] =
                    Role::ALL.map(|role| transfer.leg(role).knowledge == Knowledge::Done);
                let expected = match (debited, credited, undone) {
                    (true, true, false) => State::Completed,
                    (true, false, true) => State::Reversed,
                    (false, false, false) => State::Refused,
                    other => return Err(TestCaseError::fail(format!("{other:?} is no end"))),
                };
                prop_assert_eq!(transfer.state(), expected);
            }
        }
    }
}
