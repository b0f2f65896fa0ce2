//! What one person proposes for what waits for one, and another approves.

use super::parked::ended;
use super::*;
use crate::dealing::MOST_WORDS;
use crate::proposal::{MOST_PROPOSALS, PROPOSAL_LASTS};
use crate::recovery;

impl Stage {
    fn approve(&mut self, who: &str, id: ProposalId) -> Result<Taken, PersonRefused> {
        self.hears(1, who, Said::Approve { id, note: "seen, too".into() })
    }

    fn withdraw(
        &mut self,
        who: &str,
        id: ProposalId,
        of_others: bool,
    ) -> Result<Taken, PersonRefused> {
        self.hears(1, who, Said::Withdraw { id, note: "no".into(), of_others })
    }
}

#[test]
fn proposals_are_bounded_and_the_end_of_one_makes_room() {
    let mut stage = Stage::new(Profile::default());
    let _told = [stage.park(1, Role::Credit), stage.park(2, Role::Credit)];
    // As many as there may be wait elsewhere: counting them does not need them.
    stage.shard.dealings.proposals = MOST_PROPOSALS - 1;
    let proposal = stage.propose(1, Decision::Completed).expect("it is the last");
    assert_eq!(stage.propose(2, Decision::Completed), Err(PersonRefused::TooManyProposals));
    assert!(stage.withdraw("lin", proposal.id, false).is_ok());
    assert!(stage.propose(2, Decision::Completed).is_ok());
}

#[test]
fn all_that_is_proven_is_resumed_and_nothing_else() {
    let mut stage = Stage::new(Profile::default());
    // 1: the credit is dead. 2: the same, and claimed. 3: nothing is known. 4: contradicted.
    for sequence in 1..=4 {
        let _told = stage.park(sequence, Role::Credit);
        match sequence {
            1 | 2 | 4 => stage.answer_slowly(sequence, Finding::Fenced),
            _ => {}
        }
        if sequence == 4 {
            let RequestOutcome::Answered(reply) =
                answer(&stage.shard.open[&4].transfer.posting(Role::Credit), AnswerCode::DONE)
            else {
                panic!()
            };
            stage.handle(Input::Unasked { speaker: counter("futures"), reply });
            assert_eq!(stage.phase_of(4), Phase::Parked(ParkReason::Contradicted));
        }
        stage.persist();
        stage.out.clear();
    }
    assert!(stage.claim(2, "wang").is_ok());
    let numbers = |views: &[View]| -> Vec<u64> {
        views.iter().map(|view| view.transfer.intent.master.sequence.number()).collect()
    };
    let (views, total) = stage.shard.proven(9);
    assert_eq!((numbers(&views), total), (vec![1], 1));
    assert_eq!(stage.decide(1, Decision::Resume), Ok(()));
    assert!(stage.ask().is_none(), "the intent is durable first");
    let decisions: Vec<_> =
        stage.persist().into_iter().filter_map(|write| write.decision).collect();
    assert_eq!((decisions.len(), decisions[0].decision.as_str()), (1, "resume"));
    assert!(matches!(stage.asked().1, Instruction::Reverse(_)));
    assert_eq!(stage.unclaim(2, "wang"), Ok(true));
    assert_eq!(numbers(&stage.shard.proven(9).0), [2]);
    assert_eq!((stage.shard.proven(0).0.len(), stage.shard.proven(0).1), (0, 1));
}

/// The deadline passed while nothing happened to it: whoever resumes sends nothing that is too late.
#[test]
fn a_decision_past_the_deadline_begins_nothing_new() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Debit);
    let (ticket, question) = loop {
        match stage.ask() {
            Some(asked) => break asked,
            None => stage.pass(1),
        }
    };
    stage.deliver(ticket, found(&question, Finding::Done));
    stage.persist();
    stage.now.wall += 120 * SECOND;
    stage.now.at += Duration::from_mins(2);
    // What was seen was seen before it had passed.
    let elsewhere = PersonRefused::LeadsElsewhere(Outlook::Unproven(Role::Credit));
    assert_eq!(stage.decide(1, Decision::Resume), Err(elsewhere));
    assert_eq!(stage.decide(1, Decision::Resume), Ok(()));
    stage.persist();
    match stage.asked().1 {
        Instruction::Query(query) => {
            assert_eq!((query.serial.role, query.look), (Role::Credit, Look::Fence));
        }
        other => panic!("{other:?}"),
    }
}

/// Found by seed 700037075: what followed from its deadline was lost to a decision that nobody may make
/// of a transfer that needs no person, and it stood for ever.
#[test]
fn a_decision_about_what_needs_no_person_changes_nothing_at_its_deadline_either() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    stage.persist();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let (ticket, _credit) = stage.asked();
    stage.deliver(ticket, RequestOutcome::NotSent(NotSent::Down));
    stage.persist();
    let before = stage.shown(1);
    // The time of its deadline has come, and its own timer has not run out yet.
    stage.now.at += Duration::from_hours(1);
    for decision in Decision::ALL {
        let refused = stage.decide(1, decision);
        assert!(matches!(refused, Err(PersonRefused::Illegal(Illegal::NotParked))), "{refused:?}");
        assert_eq!(stage.shown(1).transfer, before.transfer);
    }
    stage.pass(1);
    let (_, question) = stage.asked();
    assert!(
        matches!(question, Instruction::Query(Query { look: Look::Fence, .. })),
        "{question:?}"
    );
}

#[test]
fn what_one_proposes_happens_when_another_approves_it_and_not_before() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.park(1, Role::Credit);
    let mut proposed = stage.says(
        1,
        "lin",
        Said::Propose {
            decision: Decision::Completed,
            version: stage.version(1),
            leads_to: Outlook::Ends(State::Completed),
            note: "credit 77 seen".into(),
        },
    );
    assert!(proposed.try_recv().is_err(), "it is not durable yet");
    let write = stage.durable();
    let words = write.decision.expect("it is kept");
    assert_eq!((words.who, &words.decision[..]), ("lin".into(), "proposed completed"));
    let Ok(Ok(Taken::Proposed(proposal))) = proposed.try_recv() else { panic!("it is durable") };
    assert_eq!(proposal.leads_to, Outlook::Ends(State::Completed));
    assert_eq!(stage.shown(1).proposal(), Some(&*proposal));
    assert!(
        stage.words(1)[1].ends_with("lin proposes completed, and another person has to approve it")
    );
    assert_eq!(stage.approve("lin", proposal.id), Err(PersonRefused::Own));
    assert_eq!(stage.phase_of(1), Phase::Parked(ParkReason::CreditUnresolved), "nothing happened");

    let mut approved =
        stage.says(1, "wang", Said::Approve { id: proposal.id, note: "seen, too".into() });
    assert!(approved.try_recv().is_err() && told.try_recv().is_err(), "it is not durable yet");
    let write = stage.durable();
    let words = write.decision.expect("it is kept");
    assert_eq!((words.who, &words.decision[..]), ("wang".into(), "completed"));
    assert!(write.outcome.is_some(), "the step that it allows is in the same write");
    let trail = write.trail.expect("a trail").1;
    assert!(trail.contains("wang approves what lin proposed, completed: seen, too"), "{trail}");
    assert_eq!(approved.try_recv(), Ok(Ok(Taken::Decided(proposal))));
    assert!(matches!(told.try_recv(), Ok(WaiterReply::Final(_))));
    assert_eq!((stage.shard.len(), stage.shard.dealings.next()), (0, None));
}

#[test]
fn what_is_proposed_is_of_what_was_seen_and_is_void_once_more_is_known() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    let before = stage.version(1);
    // A question that brings nothing changes nothing of it.
    let (ticket, _) = stage.question(1);
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    stage.persist();
    assert_eq!(stage.version(1), before);
    let proposal = stage.propose(1, Decision::Reversed).expect("it is proposed");
    let (ticket, _) = stage.question(1);
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    stage.persist();
    assert!(stage.shown(1).proposal().is_some());

    stage.answer_slowly(1, Finding::Done);
    assert_eq!(stage.alarms_of(Kind::Proposed), 1, "whoever waits for it is told");
    let refused = stage.approve("wang", proposal.id);
    assert!(matches!(refused, Err(PersonRefused::Busy | PersonRefused::NoSuchProposal)));
    let writes = stage.persist();
    assert_eq!(ended(&writes).map(|end| end.state), Some(store::FinalState::Completed));
}

#[test]
fn whoever_saw_something_else_proposes_nothing() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    let before = stage.version(1);
    let claimed = stage.claim(1, "lin").expect("claimed");
    stage.answer_slowly(1, Finding::Done);
    stage.persist();
    let said = |version| Said::Propose {
        decision: Decision::Resume,
        version,
        leads_to: Outlook::Ends(State::Completed),
        note: "?".into(),
    };
    let now = stage.version(1);
    assert_ne!(now, before);
    assert_eq!(stage.hears(1, "lin", said(before)), Err(PersonRefused::Moved(now)));
    assert_eq!(stage.hears(1, "wang", said(now)), Err(PersonRefused::Claimed(claimed)));
    assert!(stage.hears(1, "lin", said(now)).is_ok(), "it is lin who has claimed it");
    assert!(stage.shown(1).claim().is_none(), "the proposal is in the place of the claim");
    assert!(ended(&stage.persist()).is_none(), "it waits for another person");
}

/// What would happen has changed meanwhile, though nothing more is known.
#[test]
fn what_would_lead_elsewhere_by_now_is_not_approved() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Debit);
    let (ticket, question) = loop {
        match stage.ask() {
            Some(asked) => break asked,
            None => stage.pass(1),
        }
    };
    stage.deliver(ticket, found(&question, Finding::Done));
    stage.persist();
    let proposal = stage.propose(1, Decision::Resume).expect("it is proposed");
    assert_eq!(proposal.leads_to, Outlook::Sends(Role::Credit));
    stage.now.wall += 120 * SECOND;
    stage.now.at += Duration::from_mins(2);
    let elsewhere = PersonRefused::LeadsElsewhere(Outlook::Unproven(Role::Credit));
    assert_eq!(stage.approve("wang", proposal.id), Err(elsewhere));
    assert!(stage.ask().is_none(), "nothing was sent");
    stage.persist();
    assert_eq!(stage.shown(1).dealing, Dealing::Nobody, "it is void");
    let old = Said::Propose {
        decision: Decision::Resume,
        version: stage.version(1),
        leads_to: Outlook::Sends(Role::Credit),
        note: "as I saw it".into(),
    };
    let elsewhere = PersonRefused::LeadsElsewhere(Outlook::Unproven(Role::Credit));
    assert_eq!(stage.hears(1, "lin", old), Err(elsewhere), "nor proposed");
    assert_eq!(stage.decide(1, Decision::Resume), Ok(()), "seen anew");
}

/// However it came about that more is known than what was proposed about: what another approves is what was seen.
#[test]
fn what_was_proposed_of_something_else_than_is_known_now_is_not_approved() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    let proposal = stage.propose(1, Decision::Reversed).expect("it is proposed");
    let record = stage.shard.open.get_mut(&1).expect("it is open");
    record.transfer.credit.knowledge = Knowledge::NotExecuted;
    let now = stage.version(1);
    assert_ne!(now, proposal.version);
    assert_eq!(stage.approve("wang", proposal.id), Err(PersonRefused::Moved(now)));
    assert_eq!(stage.alarms_of(Kind::Proposed), 1, "whoever waits for it is told");
    assert!(stage.ask().is_none(), "nothing was sent");
    let writes = stage.persist();
    assert!(ended(&writes).is_none() && writes.iter().all(|write| write.decision.is_none()));
    assert_eq!(stage.shown(1).dealing, Dealing::Nobody, "it is void");
    assert_eq!(stage.approve("wang", proposal.id), Err(PersonRefused::NoSuchProposal));
}

#[test]
fn only_one_thing_is_proposed_at_a_time_and_whoever_proposed_it_withdraws_it() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    let proposal = stage.propose(1, Decision::Completed).expect("it is proposed");
    let twice = stage.propose(1, Decision::Reversed);
    assert_eq!(twice, Err(PersonRefused::Proposed(Box::new(proposal.clone()))));
    let claimed = stage.claim(1, "wang");
    assert_eq!(claimed, Err(PersonRefused::Proposed(Box::new(proposal.clone()))));
    assert_eq!(stage.unclaim(1, "lin"), Ok(false), "it is no claim");
    let refused = stage.withdraw("wang", proposal.id, false);
    assert_eq!(refused, Err(PersonRefused::OfAnother(Box::new(proposal.clone()))));
    assert!(stage.withdraw("lin", proposal.id, false).is_ok());
    assert_eq!(stage.approve("wang", proposal.id), Err(PersonRefused::NoSuchProposal));
    assert_eq!(stage.withdraw("lin", proposal.id, false), Err(PersonRefused::NoSuchProposal));
    let again = stage.propose(1, Decision::Completed).expect("it is proposed");
    assert_ne!(again.id, proposal.id, "another moment, another proposal");
    assert!(stage.withdraw("wang", again.id, true).is_ok(), "whoever may approve may reject");
    assert_eq!(stage.shown(1).dealing, Dealing::Nobody);
}

#[test]
fn a_proposal_waits_for_a_day_and_what_is_proven_ends_then() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    stage.answer_slowly(1, Finding::Fenced);
    stage.persist();
    let proposal = stage.propose(1, Decision::Resume).expect("it is proposed");
    assert!(stage.shard.proven(9).0.is_empty(), "somebody deals with it");
    assert_eq!(stage.shard.proposed(9).1, 1);
    stage.pass(u32::try_from(PROPOSAL_LASTS.as_secs()).expect("a day") - 1);
    assert!(stage.shown(1).proposal().is_some());
    let due = stage.shard.next_timer().expect("a timer");
    assert!(due <= stage.now.at + Duration::from_secs(1), "nothing else need happen");
    stage.pass(1);
    assert_eq!(stage.shown(1).dealing, Dealing::Nobody);
    assert_eq!(stage.approve("wang", proposal.id), Err(PersonRefused::NoSuchProposal));
    assert_eq!((stage.shard.proven(9).1, stage.shard.proposed(9).1), (1, 0));
    assert_eq!(stage.alarms_of(Kind::Proposed), 1);
}

#[test]
fn what_is_proposed_stands_after_a_restart_and_may_be_approved() {
    let (mut stage, mut memory) =
        (Stage::new(Profile::default()), store::memory::Memory::default());
    let new = stage.new_transfer(1);
    let _told = parked_in_record(&mut stage, &mut memory);
    stage.answer_slowly(1, Finding::Fenced);
    stage.record(&mut memory);
    let said = Said::Propose {
        decision: Decision::Resume,
        version: stage.version(1),
        leads_to: Outlook::Sends(Role::Reversal),
        note: "futures is back".into(),
    };
    let mut proposed = stage.says(1, "lin", said);
    stage.record(&mut memory);
    let Ok(Ok(Taken::Proposed(proposal))) = proposed.try_recv() else { panic!("it is durable") };

    let mut next = Stage::new(Profile::default());
    next.now = stage.now;
    next.handle(recovery::taken_up(new.clone(), &memory.trail(master(1)), Tail::Whole));
    next.pass(60);
    next.record(&mut memory);
    assert_eq!(next.shown(1).proposal(), Some(&*proposal));
    assert_eq!(next.version(1), proposal.version, "a restart changes nothing of what was seen");
    assert_eq!(next.approve("lin", proposal.id), Err(PersonRefused::Own));
    let mut approved =
        next.says(1, "wang", Said::Approve { id: proposal.id, note: "seen, too".into() });
    next.record(&mut memory);
    assert_eq!(approved.try_recv(), Ok(Ok(Taken::Decided(proposal.clone()))));
    assert!(matches!(next.asked().1, Instruction::Reverse(_)));

    // What was approved is not approved again, whatever happened in between.
    let mut last = Stage::new(Profile::default());
    last.now = next.now;
    last.handle(recovery::taken_up(new, &memory.trail(master(1)), Tail::Whole));
    let again = last.says(1, "wang", Said::Approve { id: proposal.id, note: "again".into() });
    let refused = last.persist();
    assert!(refused.iter().all(|write| write.decision.is_none()));
    drop(again);
}

#[test]
fn so_many_words_are_taken_and_then_one_a_minute() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    for _ in 0..MOST_WORDS {
        assert!(stage.claim(1, "lin").is_ok());
        assert_eq!(stage.unclaim(1, "lin"), Ok(true), "who holds it may always let go");
    }
    assert_eq!(stage.claim(1, "lin"), Err(PersonRefused::TooManyWords));
    assert_eq!(stage.propose(1, Decision::Completed), Err(PersonRefused::TooManyWords));
    stage.pass(60);
    let proposal = stage.propose(1, Decision::Completed).expect("it may be decided all the same");
    assert!(stage.withdraw("wang", proposal.id, true).is_ok(), "nobody is kept from saying no");
    assert_eq!(stage.claim(1, "lin"), Err(PersonRefused::TooManyWords));
    stage.pass(60);
    let proposal = stage.propose(1, Decision::Completed).expect("it is proposed");
    assert!(stage.approve("wang", proposal.id).is_ok(), "or yes");
}

/// Whoever has claimed it and has his proposal withdrawn, or made void, has it claimed again.
#[test]
fn what_was_claimed_before_it_was_proposed_is_claimed_afterwards() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    let claimed = stage.claim(1, "lin").expect("claimed");
    let proposal = stage.propose(1, Decision::Reversed).expect("it is proposed");
    assert!(stage.withdraw("lin", proposal.id, false).is_ok());
    assert_eq!(stage.shown(1).claim(), Some(&claimed));
    let _proposal = stage.propose(1, Decision::Reversed).expect("it is proposed");
    stage.answer_slowly(1, Finding::Done);
    assert!(ended(&stage.persist()).is_none(), "lin is still busy with it");
    assert_eq!(stage.shown(1).claim(), Some(&claimed));
    stage.pass(3_600);
    assert!(ended(&stage.persist()).is_some());
}

/// What is awaited comes once: a person's word that is being written must not swallow it.
#[test]
fn an_answer_that_comes_while_a_persons_word_is_written_is_heard_afterwards() {
    for answered in [false, true] {
        let mut stage = Stage::new(Profile::default());
        let _told = stage.park(1, Role::Credit);
        let (ticket, question) = stage.question(1);
        let _claimed = stage.says(1, "lin", Said::Claim { note: "on the telephone".into() });
        let outcome = if answered {
            found(&question, Finding::NotFound)
        } else {
            RequestOutcome::Unknown(Unclear::TimedOut)
        };
        stage.deliver(ticket, outcome);
        stage.persist();
        assert!(stage.shard.next_timer().is_some());
        let (again, _) = stage.question(1);
        assert_ne!(again, ticket, "it is asked about on");
    }
}

/// A wall clock that stands wrong, or is set, holds up nobody for longer and lets nobody in longer.
#[test]
fn a_clock_that_is_set_makes_nothing_last_longer() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    assert!(stage.claim(1, "lin").is_ok());
    stage.pass(3_000);
    stage.now.wall -= 10_800 * SECOND;
    // Less than half of it is left, whatever the clock on the wall says: it is said anew.
    let mut again = stage.says(1, "lin", Said::Claim { note: "on the telephone".into() });
    assert!(again.try_recv().is_err(), "it is written down");
    stage.persist();
    stage.pass(3_599);
    assert!(stage.shown(1).claim().is_some());
    stage.pass(1);
    assert!(stage.shown(1).claim().is_none());
    let proposal = stage.propose(1, Decision::Completed).expect("it is proposed");
    stage.now.wall += 100 * 86_400 * SECOND;
    assert!(stage.approve("wang", proposal.id).is_ok(), "a day has not passed");
}

/// What a restored record says was proposed may have been rejected, or approved, by a life that it lost.
#[test]
fn a_record_that_lost_a_life_revives_no_proposal() {
    let (mut stage, mut memory) =
        (Stage::new(Profile::default()), store::memory::Memory::default());
    let new = stage.new_transfer(1);
    let _told = parked_in_record(&mut stage, &mut memory);
    let said = Said::Propose {
        decision: Decision::Completed,
        version: stage.version(1),
        leads_to: Outlook::Ends(State::Completed),
        note: "seen".into(),
    };
    let _proposed = stage.says(1, "lin", said);
    stage.record(&mut memory);
    for (tail, stands) in [(Tail::Whole, true), (Tail::Lost, false)] {
        let mut next = Stage::new(Profile::default());
        next.now = stage.now;
        next.handle(recovery::taken_up(new.clone(), &memory.trail(master(1)), tail));
        assert_eq!(next.shown(1).proposal().is_some(), stands, "{tail:?}");
    }
}

#[test]
fn what_the_record_refuses_is_not_told_as_taken() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    let mut claimed = stage.says(1, "lin", Said::Claim { note: "on the telephone".into() });
    let write = stage.write();
    stage.written(&write, Err(store::WriteError::Refused { why: "no".to_owned() }));
    assert!(matches!(claimed.try_recv(), Ok(Err(PersonRefused::NotRecorded(_)))));
}

/// Begins a transfer that is parked with its credit in doubt, all of it recorded.
pub(super) fn parked_in_record(
    stage: &mut Stage,
    memory: &mut store::memory::Memory,
) -> oneshot::Receiver<WaiterReply> {
    let new = stage.new_transfer(1);
    let (waiter, told) = oneshot::channel();
    stage.handle(Input::Begin { new, waiter });
    stage.record(memory);
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let (ticket, _credit) = stage.asked();
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    while !matches!(stage.phase_of(1), Phase::Parked(_)) {
        match stage.ask() {
            Some((ticket, _)) => stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut)),
            None => stage.pass(1),
        }
    }
    stage.record(memory);
    told
}
