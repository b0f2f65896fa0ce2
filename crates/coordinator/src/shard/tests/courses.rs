//! The course of a transfer: what is durable before what, what is asked, and how it ends.

use super::*;

#[test]
fn nothing_leaves_before_it_is_durable_and_nothing_is_told_before_it_is_durable() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.begin(1);
    assert!(stage.ask().is_none(), "the record comes first");
    assert!(stage.shard.view(master(1).sequence).is_none(), "nobody sees what is not durable");
    let accept = stage.durable();
    assert!(accept.accept.is_some());
    let summary = stage.shard.summary();
    assert_eq!((summary.moving(), summary.in_transit.len()), (1, 0), "nothing is debited");
    assert_eq!(summary.oldest_in_transit_at, None);

    let (ticket, debit) = stage.asked();
    assert!(matches!(debit, Instruction::Debit(_)));
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let (ticket, credit) = stage.asked();
    assert!(matches!(credit, Instruction::Credit(_)), "no barrier between the legs");
    stage.deliver(ticket, answer(&credit, AnswerCode::DONE));

    let ending = stage.write();
    let outcome = ending.outcome.as_ref().expect("an outcome");
    assert_eq!(
        (outcome.state, &outcome.answer_body[..]),
        (store::FinalState::Completed, &b"completed"[..])
    );
    assert!(
        ending
            .trail
            .as_ref()
            .is_some_and(|(part, text)| *part == 0 && text.contains("credit: done"))
    );
    assert!(told.try_recv().is_err(), "not durable yet");
    let view = stage.shard.view(master(1).sequence).expect("it is open");
    assert_eq!(view.transfer.state(), State::Crediting, "not durable yet");
    assert_eq!(view.next().as_deref(), Some("its end is being recorded"));
    assert!(!stage.shard.is_empty());

    stage.written(&ending, Ok(()));
    assert!(
        matches!(told.try_recv(), Ok(WaiterReply::Final(rendered)) if rendered.body == "completed")
    );
    assert!(stage.shard.is_empty());
    assert!(matches!(
        stage.out[..],
        [Output::Closed { ended: Some(Ended { state: State::Completed, .. }), .. }]
    ));
}

#[test]
fn a_taken_key_and_a_failing_database_begin_nothing() {
    for (error, duplicate) in
        [(WriteError::DuplicateKey, true), (WriteError::Refused { why: "disk full".into() }, false)]
    {
        let mut stage = Stage::new(Profile::default());
        let mut told = stage.begin(1);
        let accept = stage.write();
        stage.written(&accept, Err(error));
        assert!(stage.ask().is_none());
        match told.try_recv().expect("told") {
            WaiterReply::DuplicateKey => assert!(duplicate),
            WaiterReply::NotRecorded(why) => assert!(!duplicate && why == "disk full"),
            WaiterReply::Final(rendered) => panic!("{rendered:?}"),
        }
        assert!(stage.shard.is_empty());
    }
}

#[test]
fn the_debit_is_undone_only_after_the_intent_is_durable_and_proven() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let (ticket, credit) = stage.asked();
    stage.deliver(ticket, answer(&credit, AnswerCode::NO_SUCH_ACCOUNT));
    assert!(stage.ask().is_none(), "the intent comes first");
    let intent = stage.durable();
    assert_eq!(intent.state, Some(store::OpenState::Reversing));
    let (ticket, reversal) = stage.asked();
    assert!(matches!(reversal, Instruction::Reverse(_)));
    stage.deliver(ticket, answer(&reversal, AnswerCode::DONE));
    let (ticket, question) = stage.asked();
    stage.deliver(ticket, found(&question, Finding::Done));
    let mut outcomes = 0;
    while stage.out.iter().any(|output| matches!(output, Output::Write(_))) {
        outcomes += usize::from(stage.durable().outcome.is_some());
    }
    assert_eq!(outcomes, 1);
    assert!(
        matches!(told.try_recv(), Ok(WaiterReply::Final(rendered)) if rendered.body == "reversed")
    );
}

#[test]
fn a_counter_that_does_not_dedupe_gets_a_barrier_before_the_credit() {
    let mut stage = Stage::new(Profile { dedupes: false, ..Profile::default() });
    stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    assert!(stage.ask().is_none(), "that it is being sent must be known after a crash");
    stage.durable();
    assert!(matches!(stage.asked().1, Instruction::Credit(_)));
}

/// What waited for the record is not sent if the record fell behind meanwhile, or the counter was held
/// (DOMAIN §3 rule 10): it waits until it may be.
#[test]
fn what_waited_for_the_record_is_sent_only_if_it_may_be_by_then() {
    for (behind, held, sent) in [
        (false, [false, false], true),
        (true, [false, false], false),
        (false, [false, true], false),
        (false, [true, false], true),
    ] {
        let mut stage = Stage::new(Profile { dedupes: false, ..Profile::default() });
        stage.begin(1);
        stage.durable();
        let (ticket, debit) = stage.asked();
        stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
        stage.world.behind = behind;
        for (facts, held) in stage.world.counters.iter_mut().zip(held) {
            facts.held = held;
        }
        stage.durable();
        let asked = stage.ask().map(|(_, instruction)| instruction);
        assert_eq!(
            matches!(asked, Some(Instruction::Credit(_))),
            sent,
            "behind {behind}, held {held:?}: {asked:?}"
        );
        let view = stage.shard.view(master(1).sequence).expect("it is open");
        assert_eq!(view.transfer.credit.knowledge == Knowledge::NotSent, !sent);
    }
}

#[test]
fn one_stuck_transfer_holds_up_no_other() {
    let mut stage = Stage::new(Profile::default());
    stage.begin(1);
    stage.durable();
    let _never_answered = stage.asked();
    let mut told = stage.begin(2);
    stage.durable();
    for _ in 0..2 {
        let (ticket, instruction) = stage.asked();
        stage.deliver(ticket, answer(&instruction, AnswerCode::DONE));
    }
    stage.durable();
    assert!(matches!(told.try_recv(), Ok(WaiterReply::Final(_))));
    assert_eq!(stage.shard.len(), 1);
}

#[test]
fn what_is_unknown_is_asked_about_and_past_the_deadline_it_is_fenced() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.begin(1);
    stage.durable();
    let (first, _) = stage.asked();
    stage.deliver(first, RequestOutcome::Unknown(Unclear::TimedOut));
    let (ticket, question) = stage.asked();
    assert!(matches!(question, Instruction::Query(Query { look: Look::Only, .. })));
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    assert!(stage.ask().is_none(), "it pauses");
    stage.pass(61);
    let (ticket, fence) = stage.asked();
    assert!(matches!(fence, Instruction::Query(Query { look: Look::Fence, .. })));
    stage.deliver(ticket, found(&fence, Finding::Fenced));
    while stage.out.iter().any(|output| matches!(output, Output::Write(_))) {
        stage.durable();
    }
    assert!(
        matches!(told.try_recv(), Ok(WaiterReply::Final(rendered)) if rendered.body == "refused")
    );
}

#[test]
fn what_could_not_be_sent_is_sent_when_the_counter_is_back() {
    let mut stage = Stage::new(Profile::default());
    stage.begin(1);
    stage.durable();
    let (ticket, _) = stage.asked();
    stage.deliver(ticket, RequestOutcome::NotSent(NotSent::Down));
    let view = stage.shard.view(master(1).sequence).expect("it is open");
    assert_eq!(view.transfer.debit.knowledge, Knowledge::NotSent);
    assert!(stage.ask().is_none());
    stage.handle(Input::SessionBegan(CounterIndex(9)));
    assert!(stage.ask().is_none(), "another counter is no concern of it");
    stage.handle(Input::SessionBegan(CounterIndex(1)));
    assert!(matches!(stage.asked().1, Instruction::Debit(_)), "whatever waits for either counter");
}

#[test]
fn a_debit_that_never_left_is_refused_at_its_deadline() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.begin(1);
    stage.durable();
    let (ticket, _) = stage.asked();
    stage.deliver(ticket, RequestOutcome::NotSent(NotSent::Down));
    stage.pass(60);
    assert!(stage.ask().is_none(), "nothing new past the deadline");
    while stage.out.iter().any(|output| matches!(output, Output::Write(_))) {
        stage.durable();
    }
    assert!(
        matches!(told.try_recv(), Ok(WaiterReply::Final(rendered)) if rendered.body == "refused")
    );
}

#[test]
fn an_answer_that_comes_after_the_question_still_counts() {
    let mut stage = Stage::new(Profile::default());
    stage.begin(1);
    stage.durable();
    let (first, debit) = stage.asked();
    stage.deliver(first, RequestOutcome::Unknown(Unclear::TimedOut));
    let (question, _) = stage.asked();
    let RequestOutcome::Answered(late) = answer(&debit, AnswerCode::DONE) else { unreachable!() };
    stage.handle(Input::Unasked { speaker: counter("securities"), reply: late });
    let (_, credit) = stage.asked();
    assert!(matches!(credit, Instruction::Credit(_)));
    // The question is answered "not found" by a counter that looked before the debit arrived: it
    // is no longer awaited, and no proof.
    let (_, question_again) = (
        question,
        Instruction::Query(Query {
            serial: master(1).leg(Role::Debit),
            settle_day: day(20_261_121),
            look: Look::Only,
            mark: MARK,
        }),
    );
    stage.deliver(question, found(&question_again, Finding::NotFound));
    assert!(stage.ask().is_none());
    let view = stage.shard.view(master(1).sequence).expect("it is open");
    assert_eq!(view.transfer.debit.knowledge, Knowledge::Done);
}

/// What becomes of one copy is told once; said again, it is not taken for the answer to what was asked
/// since.
#[test]
fn what_is_told_of_an_earlier_request_answers_no_later_one() {
    let mut stage = Stage::new(Profile::default());
    stage.begin(1);
    stage.durable();
    let (first, _) = stage.asked();
    stage.deliver(first, RequestOutcome::Unknown(Unclear::TimedOut));
    let (question, _) = stage.asked();
    stage.deliver(first, RequestOutcome::Unknown(Unclear::LinkLost));
    let awaited = &stage.shard.open[&1].awaited;
    assert!(
        matches!(awaited, Awaited::Outcome { ticket, .. } if Ticket(*ticket) == question),
        "{awaited:?}"
    );
}

#[test]
fn what_a_counter_answers_is_written_with_its_code_and_its_words() {
    for (text, written) in
        [("", "debit: refused (302)"), ("no cover", "debit: refused (302 no cover)")]
    {
        let mut stage = Stage::new(Profile::default());
        stage.begin(1);
        stage.durable();
        let (ticket, debit) = stage.asked();
        let code = AnswerCode::new(302).expect("a code");
        let RequestOutcome::Answered(Reply::Posting(mut reply)) = answer(&debit, code) else {
            unreachable!()
        };
        reply.answer.text = text.into();
        stage.deliver(ticket, RequestOutcome::Answered(Reply::Posting(reply)));
        let (_, trail) = stage.write().trail.expect("a trail");
        assert!(trail.contains(&format!("\"{written}\"")), "{trail}");
    }
}

#[test]
fn proof_that_comes_while_the_end_is_written_is_compared_with_the_record() {
    let mut stage = Stage::new(Profile::default());
    stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::INSUFFICIENT_FUNDS));
    let RequestOutcome::Answered(late) = answer(&debit, AnswerCode::DONE) else { unreachable!() };
    stage.handle(Input::Unasked { speaker: counter("securities"), reply: late.clone() });
    stage.durable();
    assert!(
        stage
            .out
            .iter()
            .any(|output| matches!(output, Output::Compare { reply, .. } if *reply == late)),
        "{:?}",
        stage.out
    );
}

#[test]
fn an_amount_that_differs_proves_nothing_and_raises_an_alarm() {
    let mut stage = Stage::new(Profile::default());
    stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    let RequestOutcome::Answered(Reply::Posting(mut reply)) = answer(&debit, AnswerCode::DONE)
    else {
        unreachable!()
    };
    reply.posted.as_mut().expect("posted").amount = Amount::new(501).expect("an amount");
    stage.deliver(ticket, RequestOutcome::Answered(Reply::Posting(reply)));
    assert!(matches!(stage.asked().1, Instruction::Query(_)), "it is asked about");
    assert!(stage.out.iter().any(|output| matches!(output, Output::Accuse { .. })));
}

#[test]
fn a_person_is_called_and_decides() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.begin(1);
    stage.durable();
    let (mut ticket, _) = stage.asked();
    for _ in 0..5 {
        stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
        if stage.out.iter().any(|output| matches!(output, Output::Alarm { .. })) {
            break;
        }
        if stage.out.iter().all(|output| !matches!(output, Output::Ask { .. })) {
            stage.pass(5);
        }
        ticket = stage.asked().0;
    }
    let view = stage.shard.view(master(1).sequence).expect("it is open");
    assert_eq!(view.transfer.state(), State::NeedsOperator);
    stage.out.clear();

    assert_eq!(stage.decide(1, Decision::Refused), Ok(()));
    let write = stage.durable();
    assert_eq!(write.decision.expect("recorded").who, "wang");
    assert!(write.outcome.is_some(), "in the same write");
    assert!(
        matches!(told.try_recv(), Ok(WaiterReply::Final(rendered)) if rendered.body == "refused")
    );
}

/// A refusal that proves nothing yet once reset the pause, and a counter that cannot fence was
/// asked several times a second until a person was called, seconds after the send.
#[test]
fn a_refusal_that_ends_nothing_does_not_hurry_the_next_question() {
    let mut stage =
        Stage::new(Profile { can_fence: false, refusals_stick: false, ..Profile::default() });
    stage.begin(1);
    stage.durable();
    let lost = RequestOutcome::Unknown(Unclear::TimedOut);
    let (ticket, _) = stage.asked();
    stage.deliver(ticket, lost.clone());
    let (ticket, question) = stage.asked();
    stage.deliver(ticket, found(&question, Finding::NotFound));
    let (ticket, again) = stage.asked();
    assert!(matches!(again, Instruction::Debit(_)), "a second copy");
    stage.deliver(ticket, lost);
    for least in [Duration::from_millis(100), Duration::from_millis(200)] {
        let (ticket, question) = stage.asked();
        stage.deliver(ticket, found(&question, Finding::Refused));
        let due = stage.shard.next_timer().expect("a pause");
        assert!(due - stage.now.at >= least, "after {:?}", due - stage.now.at);
        stage.now.at = due;
        stage.shard.tick(stage.now, &stage.world, &mut stage.out);
    }
}

/// Found by simulation (seed 10926): a credit was sent, and the bridge died before that was
/// recorded. The next life doubted it, lost patience with the debit and parked the transfer; the
/// life after that believed the record, in which the credit had never been sent, and undid the
/// debit of a transfer whose credit was posted.
#[test]
fn a_doubt_outlives_the_life_that_had_it() {
    let mut stage = Stage::new(Profile { can_fence: false, ..Profile::default() });
    stage.begin(1);
    let new = stage.durable().accept.expect("an acceptance");
    let (deliver, mut parts) = (RequestOutcome::NotSent(NotSent::Down), Vec::new());

    let mut stage = Stage::new(Profile { can_fence: false, ..Profile::default() });
    stage.handle(crate::taken_up(new.clone(), &[], Tail::Whole));
    let mut parked = false;
    while !parked {
        parked = stage.shard.views().all(|view| view.transfer.state() == State::NeedsOperator);
        for output in std::mem::take(&mut stage.out) {
            match output {
                Output::Write(write) => parts.extend(write.trail.map(|(_, part)| part)),
                Output::Ask { ticket, .. } => stage.deliver(ticket, deliver.clone()),
                Output::NewSessions { .. }
                | Output::Closed { .. }
                | Output::Alarm { .. }
                | Output::LeftOut { .. }
                | Output::Doubted { .. }
                | Output::Accuse { .. }
                | Output::Compare { .. } => {}
            }
        }
        stage.pass(1);
    }
    match crate::taken_up(new, &parts, Tail::Whole) {
        Input::Recovered { transfer, .. } => {
            assert_eq!(transfer.state(), State::NeedsOperator);
            assert_eq!(transfer.credit.knowledge, Knowledge::Unknown);
        }
        other => panic!("{other:?}"),
    }
}

/// Such a record is at odds with itself: the shard once turned for ever on it, and a person has to see
/// it.
#[test]
fn an_open_transfer_whose_trail_has_ended_is_for_a_person() {
    let mut stage = Stage::new(Profile::default());
    stage.begin(1);
    let new = stage.durable().accept.expect("an acceptance");
    for phase in ["completed", "refused", "reversed"] {
        let ended = format!(r#"[{{"at":1,"event":"final","phase":"{phase}"}}]"#);
        let mut stage = Stage::new(Profile::default());
        stage.handle(crate::taken_up(new.clone(), &[ended], Tail::Whole));
        stage.pass(1);
        let states: Vec<_> = stage.shard.views().map(|view| view.transfer.state()).collect();
        assert_eq!(states, [State::NeedsOperator], "{phase}");
        assert_eq!(stage.ask(), None, "nothing is asked or sent on a guess");
    }
}

/// Money in transit as the shard counts it, at each stage of a transfer: what is not durable counts as it is shown.
#[test]
fn money_is_counted_where_it_is_until_the_end_is_durable() {
    let mut stage = Stage::new(Profile::default());
    drop(stage.begin(1));
    let count = |stage: &Stage| {
        let tally = stage.shard.transit(stage.now.wall);
        let unknown =
            tally.sights.values().map(|sight| sight.awaited + sight.unknown).sum::<usize>();
        let moving = tally.moving.values().map(crate::transit::Moving::in_transit).sum::<i64>();
        assert!(tally.differing.is_empty(), "{tally:?}");
        (moving, unknown)
    };
    assert_eq!(stage.shard.transit(0), Tally::default(), "nobody sees what is not durable");
    stage.durable();
    assert_eq!(count(&stage), (0, 1), "the debit is out");
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    assert_eq!(count(&stage), (500, 1), "the credit is out");
    let (ticket, credit) = stage.asked();
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    assert_eq!(count(&stage), (500, 1), "its outcome is not known");
    stage.pass(1);
    let (ticket, question) = stage.asked();
    stage.deliver(ticket, found(&question, Finding::Done));
    assert_eq!(count(&stage), (0, 0), "it has arrived, and the end is not durable");
    assert!(matches!(credit, Instruction::Credit(_)));
    while !stage.shard.is_empty() {
        stage.durable();
    }
    assert_eq!(stage.shard.transit(stage.now.wall), Tally::default());
}
