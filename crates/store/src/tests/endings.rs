//! The life of transfers in the record, and that an end is the only one.

use super::*;

on_each_database!(
    everything_comes_back_as_it_was,
    one_write_can_hold_a_whole_life,
    an_end_is_never_overwritten,
    saying_the_same_again_changes_nothing,
    what_was_never_accepted_cannot_end,
    a_contradiction_spoils_nobody_elses_write,
    recovery_sees_what_is_open_oldest_first,
    however_many_are_open_recovery_sees_all_of_them,
    large_batches_are_cut,
    what_does_not_fit_is_refused,
    a_closed_store_answers,
    what_waits_is_bounded_and_can_be_waited_for,
);

async fn everything_comes_back_as_it_was(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let m = master(7);
    let asked = transfer(m, "shop", "k 7 ");
    desk.record(vec![accept(&asked)]).await;
    let found = store.find(m).await.expect("asks").expect("is there");
    assert_eq!(found.transfer, asked);
    assert_eq!((found.outcome, found.open_state), (None, Some(OpenState::Accepted)));

    desk.record(vec![
        Write { state: Some(OpenState::Debiting), ..trail(m, 0, "{\"sent\":\"借\"}") },
        trail(m, 1, "{}"),
        state(m, OpenState::NeedsOperator),
        decision(m, 5, "李雷", "complete"),
        decision(m, 4, "韩梅梅", "look"),
    ])
    .await;
    let found = store.find(m).await.expect("asks").expect("is there");
    assert_eq!(found.open_state, Some(OpenState::NeedsOperator));
    let who: Vec<_> =
        store.decisions(m).await.expect("asks").into_iter().map(|decision| decision.who).collect();
    assert_eq!(who, ["韩梅梅", "李雷"]);

    desk.record(vec![end(m, FinalState::Reversed)]).await;
    let found = store.find(m).await.expect("asks").expect("is there");
    assert_eq!(found.transfer, asked);
    assert_eq!((found.outcome, found.open_state), (Some(outcome(FinalState::Reversed)), None));
    assert_eq!(store.trail(m).await.expect("asks"), ["{\"sent\":\"借\"}", "{}"]);
    assert_eq!(
        store.find_by_key("shop", "k 7 ").await.expect("asks").expect("there").transfer,
        asked
    );
    assert_eq!(store.find(master(8)).await.expect("asks"), None);
    store.ping().await.expect("answers");

    // Opening again finds it all, and makes nothing twice.
    store.close().await;
    let store = Store::open(&url).await.expect("opens again");
    assert_eq!(store.find(m).await.expect("asks").expect("is there").transfer, asked);
    store.close().await;
}

async fn one_write_can_hold_a_whole_life(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let m = master(1);
    let whole = Write {
        trail: Some((0, "refused at once".to_owned())),
        state: Some(OpenState::Debiting),
        outcome: Some(outcome(FinalState::Refused)),
        ..simple(1)
    };
    Desk::of(&store).record(vec![whole]).await;
    let found = store.find(m).await.expect("asks").expect("is there");
    assert_eq!((found.outcome, found.open_state), (Some(outcome(FinalState::Refused)), None));
    assert_eq!(store.open_transfers(None, 10).await.expect("asks"), []);
    store.close().await;
}

async fn an_end_is_never_overwritten(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let m = master(1);
    desk.record(vec![simple(1), end(m, FinalState::Completed)]).await;
    for other in [FinalState::Refused, FinalState::Reversed] {
        assert!(is_refused(&desk.write(vec![end(m, other)]).await[0]));
    }
    // Nor within one batch, nor by a state that comes late.
    let answers = desk
        .write(vec![
            simple(2),
            end(master(2), FinalState::Reversed),
            end(master(2), FinalState::Completed),
            state(master(2), OpenState::Crediting),
            state(m, OpenState::Crediting),
        ])
        .await;
    assert!(is_refused(&answers[2]));
    assert_eq!(answers[..2], [Ok(()), Ok(())]);
    let found = store.find(m).await.expect("asks").expect("is there");
    assert_eq!((found.outcome, found.open_state), (Some(outcome(FinalState::Completed)), None));
    let found = store.find(master(2)).await.expect("asks").expect("is there");
    assert_eq!(found.outcome, Some(outcome(FinalState::Reversed)));
    store.close().await;
}

async fn saying_the_same_again_changes_nothing(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let m = master(1);
    let told = || {
        vec![
            trail(m, 0, "one"),
            trail(m, 1, "two"),
            decision(m, 9, "ann", "complete"),
            end(m, FinalState::Completed),
        ]
    };
    desk.record(vec![simple(1)]).await;
    desk.record(told()).await;
    desk.record(told()).await;
    // Half of it old, half of it new.
    desk.record(vec![trail(m, 1, "two"), trail(m, 2, "three"), simple(2)]).await;
    assert_eq!(store.trail(m).await.expect("asks"), ["one", "two", "three"]);
    assert_eq!(store.decisions(m).await.expect("asks").len(), 1);
    store.close().await;
}

async fn what_was_never_accepted_cannot_end(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record(vec![simple(1)]).await;
    let answers = desk
        .write(vec![
            trail(master(1), 0, "a"),
            end(master(2), FinalState::Completed),
            end(master(1), FinalState::Completed),
        ])
        .await;
    assert_eq!(answers[0], Ok(()));
    assert!(is_refused(&answers[1]));
    assert_eq!(answers[2], Ok(()));
    assert_eq!(store.find(master(2)).await.expect("asks"), None);
    store.close().await;
}

async fn a_contradiction_spoils_nobody_elses_write(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record(vec![
        simple(1),
        trail(master(1), 0, "true"),
        decision(master(1), 1, "ann", "wait"),
    ])
    .await;
    let answers = desk
        .write(vec![
            simple(2),
            trail(master(1), 0, "false"),
            decision(master(1), 1, "ann", "complete"),
            Write { outcome: Some(outcome(FinalState::Completed)), ..trail(master(1), 0, "false") },
            trail(master(2), 0, "fine"),
            trail(master(2), 0, "not fine"),
            decision(master(2), 1, "ann", "wait"),
            decision(master(2), 1, "ann", "complete"),
            decision(master(2), 1, "ann", "wait"),
        ])
        .await;
    let refused: Vec<bool> = answers.iter().map(is_refused).collect();
    assert_eq!(refused, [false, true, true, true, false, true, false, true, false]);
    assert_eq!(store.trail(master(1)).await.expect("asks"), ["true"]);
    assert_eq!(store.trail(master(2)).await.expect("asks"), ["fine"]);
    // A write that was refused in part was refused whole.
    let found = store.find(master(1)).await.expect("asks").expect("is there");
    assert_eq!(found.outcome, None);
    store.close().await;
}

async fn recovery_sees_what_is_open_oldest_first(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let mut writes: Vec<Write> = [5, 3, 9, 1, 7].into_iter().map(simple).collect();
    for sequence in [3, 7] {
        // In the order of their numbers, not in that of their writing, nor of their digits.
        writes.extend((0..=10).rev().map(|part| trail(master(sequence), part, &part.to_string())));
    }
    writes.push(state(master(7), OpenState::Crediting));
    writes.push(end(master(5), FinalState::Completed));
    desk.record(writes).await;
    store.close().await;

    let store = Store::open(&url).await.expect("opens");
    let first = store.open_transfers(None, 3).await.expect("asks");
    let serials: Vec<_> = first.iter().map(|open| open.transfer.master).collect();
    assert_eq!(serials, [master(1), master(3), master(7)]);
    assert_eq!(first[0].trail, [""; 0]);
    assert_eq!(first[1].trail, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
    assert_eq!((first[0].next_part, first[1].next_part), (0, 11));
    assert_eq!(first[2].open_state, OpenState::Crediting);
    let rest = store.open_transfers(Some(master(7)), 3).await.expect("asks");
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].transfer, transfer(master(9), "shop", "key-9"));
    assert_eq!(store.open_transfers(Some(master(9)), 3).await.expect("asks"), []);
    store.close().await;
}

/// More rows than a batch, a statement or a packet takes; each transfer's writes stay in order.
/// More than two of the longest pages, with trails, and none of what has ended among them.
async fn however_many_are_open_recovery_sees_all_of_them(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let many = 2_345;
    desk.record((1..=many).map(simple).collect()).await;
    let ended = (1..=many).filter(|sequence| sequence.is_multiple_of(100));
    desk.record(ended.map(|sequence| end(master(sequence), FinalState::Refused)).collect()).await;
    let told = (1..=many).filter(|sequence| sequence % 100 == 1);
    desk.record(told.map(|sequence| trail(master(sequence), 0, "debited")).collect()).await;
    let expected: Vec<u64> = (1..=many).filter(|sequence| sequence % 100 != 0).collect();
    for (limit, longest) in [(1000, 1000), (u64::MAX, 1000), (700, 700)] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.open_transfers(after, limit).await.expect("asks");
            assert!(page.len() <= longest);
            let Some(last) = page.last() else { break };
            after = Some(last.transfer.master);
            for open in &page {
                let sequence = open.transfer.master.sequence.number();
                assert_eq!(open.trail.len(), usize::from(sequence % 100 == 1), "{sequence}");
                seen.push(sequence);
            }
        }
        assert_eq!(seen, expected, "{limit}");
    }
    assert_eq!(store.open_transfers(None, 0).await.expect("asks").len(), 1);
    store.close().await;
}

async fn large_batches_are_cut(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let body = "x".repeat(60_000);
    let mut writes: Vec<Write> = (1..=2500).map(simple).collect();
    writes.extend((1..=2500).map(|sequence| {
        let body = if sequence % 25 == 0 { &body } else { "{}" };
        trail(master(sequence), 0, body)
    }));
    writes.extend((1..=2499).map(|sequence| end(master(sequence), FinalState::Completed)));
    desk.record(writes).await;
    let open = store.open_transfers(None, 10).await.expect("asks");
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].trail, [body]);
    store.close().await;
}

/// An end with an answer of so many bytes.
fn answered(sequence: u64, bytes: usize) -> Write {
    let answer_body = vec![b'x'; bytes].into();
    let outcome = Outcome { answer_body, ..outcome(FinalState::Completed) };
    Write { outcome: Some(outcome), ..Write::of(WriteId(0), master(sequence)) }
}

async fn what_does_not_fit_is_refused(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let long = "键".repeat(100);
    let m = master(1);
    let answers = desk
        .write(vec![
            accept(&transfer(master(1), "shop", &long)),
            accept(&transfer(master(2), "", "key")),
            accept(&transfer(master(3), &long, "key")),
            Write { master: master(5), ..simple(4) },
            trail(m, 0, &"x".repeat(65_536)),
            decision(m, 1, "", "complete"),
            Write {
                outcome: Some(Outcome { answer_status: 99, ..outcome(FinalState::Refused) }),
                ..Write::of(WriteId(0), m)
            },
            accept(&transfer(master(6), "shop", &"k".repeat(255))),
            trail(master(6), 0, &"x".repeat(65_535)),
            accept(&transfer(master(7), "shop", "key")),
            answered(7, 65_537),
            answered(7, 65_536),
            answered(7, 65_535),
        ])
        .await;
    let refused: Vec<bool> = answers.iter().map(is_refused).collect();
    let first = [true, true, true, true, true, true, true, false, false];
    assert_eq!(refused[..9], first);
    assert_eq!(refused[9..], [false, true, true, false]);
    let found = store.find(master(7)).await.expect("asks").expect("is there");
    assert_eq!(found.outcome.map(|outcome| outcome.answer_body.len()), Some(65_535));
    store.close().await;
}

async fn a_closed_store_answers(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let other = store.clone();
    let early = desk.submit(vec![simple(1)]);
    store.close().await;
    assert_eq!(desk.answers(&early).await, [Ok(())]);
    assert!(is_refused(&desk.write(vec![simple(2)]).await[0]));
    assert_eq!(other.lease_serials(1).await, Err(crate::StoreError::Closed));
    patiently(other.journal().drain()).await;
    assert!(other.find(master(1)).await.is_err());
}

/// Returns when all is answered, and what begins something new is not taken while too much waits.
async fn what_waits_is_bounded_and_can_be_waited_for(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let journal = store.journal();
    let submitted = desk.submit((1..=500).map(simple).collect());
    patiently(journal.drain()).await;
    assert_eq!(journal.waiting(), 0);
    assert!(desk.answers(&submitted).await.iter().all(Result::is_ok));

    let room = journal.fill_up_to(1);
    assert_eq!(desk.write(vec![simple(501)]).await, [Ok(())]);
    assert_eq!(journal.waiting(), room);
    journal.fill_up_to(0);
    let answers = desk.write(vec![simple(502), trail(master(501), 0, "debited")]).await;
    assert!(is_refused(&answers[0]) && answers[1].is_ok(), "{answers:?}");
    store.close().await;
}
