//! A connection as bytes: what is cut where, and what is true of each request then.

use super::*;
use crate::testing::{Asks, GoodCounter, asks, at, at_ms, debit, query, setup, their_codec};
use bytes::Buf;
use domain::message::{EntriesQuery, Instruction};
use domain::profile::Profile;
use port::status::State;
use port::{NotSent, RequestOutcome, Unclear};
use proptest::prelude::*;
use std::time::Duration;
use wire::codec::{Codec, FrameError, Parties};
use wire::conversation::{Conversation, Heartbeat};
use wire::dialect::{Dialect, Encoding, XmlOptions};
use wire::message::Message;
use wire::payload::{Payload, RequestId};

/// A line, what outlives it, and a counter at the other end.
struct Wired {
    connection: Connection,
    send_queue: SendQueue,
    asks: Asks,
    counter: GoodCounter,
    /// What has left so far, not yet read by the counter.
    left: BytesMut,
}

fn wired() -> Wired {
    wired_by(setup(), GoodCounter::default())
}

fn wired_by(setup: Setup, counter: GoodCounter) -> Wired {
    let connection = Connection::dial(Arc::new(setup), 0, [1; 32], at(0), at(10));
    let (send_queue, asks) = (SendQueue::new(1), asks());
    let mut wired = Wired { connection, send_queue, asks, counter, left: BytesMut::new() };
    for _ in 0..2 {
        wired.fill(at(0));
        wired.take(usize::MAX);
        let answer = wired.counter_reads().pop().and_then(|message| wired.counter.answer(message));
        wired.hear(&encoded(&answer.expect("an answer"))).expect("goes on");
    }
    assert_eq!(wired.connection.session.state(), State::Up);
    wired
}

fn encoded(message: &Message) -> BytesMut {
    let mut bytes = BytesMut::new();
    their_codec().encode(message, &mut bytes).expect("sayable");
    bytes
}

impl Wired {
    fn fill(&mut self, now: Instant) {
        self.connection.fill(now, &mut self.send_queue).expect("goes on");
    }

    /// The transport takes at most so many bytes.
    fn take(&mut self, most: usize) -> usize {
        let count = most.min(self.connection.unsent().len());
        self.left.extend_from_slice(&self.connection.unsent()[..count]);
        self.connection.took(at(0), count, &mut self.send_queue);
        count
    }

    /// Whole messages that the counter can read.
    fn counter_reads(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(incoming) = their_codec().decode(&mut self.left).expect("good framing") {
            match incoming {
                Incoming::Message(message) => messages.push(message),
                Incoming::Malformed(malformed) => panic!("{malformed:?}"),
            }
        }
        messages
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Inbox, Cause> {
        let mut inbox = BytesMut::from(bytes);
        self.connection.received(at(0), &mut inbox, &mut self.send_queue)
    }

    fn outcomes(&mut self) -> Vec<RequestOutcome> {
        let mut outcomes = self.asks.outcomes();
        outcomes.sort_by_key(|(number, _)| *number);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

/// Where each of three requests begins in what is to be written, and how long that is.
fn three_requests(wired: &mut Wired) -> ([usize; 3], usize) {
    let begins = [(); 3].map(|()| {
        let begin = wired.connection.unsent().len();
        wired.send_queue.push(wired.asks.debit(at(9)));
        wired.fill(at(0));
        begin
    });
    (begins, wired.connection.unsent().len())
}

#[test]
fn at_whatever_byte_it_is_cut_only_what_was_begun_is_unknown() {
    let (_, whole) = three_requests(&mut wired());
    for cut in 0..=whole {
        for step in [1, 7, usize::MAX] {
            let mut wired = wired();
            let (begins, _) = three_requests(&mut wired);
            let mut left = cut;
            while left > 0 {
                left -= wired.take(step.min(left));
            }
            wired.connection.session.lose(&mut wired.send_queue);
            let expected = begins.map(|begin| {
                if cut > begin {
                    RequestOutcome::Unknown(Unclear::LinkLost)
                } else {
                    RequestOutcome::NotSent(NotSent::Down)
                }
            });
            assert_eq!(wired.outcomes(), expected, "cut after {cut} of {whole} bytes");
            let begun = begins.iter().filter(|begin| cut > **begin).count();
            assert_eq!(wired.send_queue.counts.sent, begun as u64);
        }
    }
}

#[test]
fn a_line_that_is_dropped_in_a_panic_is_as_truthful() {
    let mut wired = wired();
    let (begins, _) = three_requests(&mut wired);
    wired.take(begins[1] + 1);
    let Wired { connection, mut asks, .. } = wired;
    drop(connection);
    let mut outcomes = asks.outcomes();
    outcomes.sort_by_key(|(number, _)| *number);
    assert_eq!(
        outcomes,
        [
            (1, RequestOutcome::Unknown(Unclear::LinkLost)),
            (2, RequestOutcome::Unknown(Unclear::LinkLost)),
            (3, RequestOutcome::NotSent(NotSent::Down)),
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Requests with short and long deadlines, a stall after so many bytes: what has expired and
    /// was not begun never leaves, everything else leaves whole and in order.
    #[test]
    fn what_expires_unwritten_never_leaves(short in prop::collection::vec(any::<bool>(), 1..12), taken in 0usize..1500) {
        let mut wired = wired();
        let mut begins = Vec::new();
        for short in &short {
            begins.push(wired.connection.unsent().len());
            let deadline = if *short { at(1) } else { at(9) };
            wired.send_queue.push(wired.asks.debit(deadline));
            wired.fill(at(0));
        }
        let taken = wired.take(taken);
        wired.connection.on_timeout(at(1), &mut wired.send_queue).expect("goes on");
        let outcomes = wired.asks.outcomes().into_iter().collect::<std::collections::HashMap<_, _>>();
        wired.take(usize::MAX);
        let left: Vec<u64> = wired
            .counter_reads()
            .iter()
            .map(|message| match message {
                Message::Payload(Payload::Request(_, instruction)) => {
                    instruction.serial().expect("a serial").sequence.number()
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let mut expected = Vec::new();
        for (number, (short, begin)) in (1u64..).zip(short.iter().zip(begins)) {
            let begun = taken > begin;
            if begun || !short {
                expected.push(number);
            }
            let outcome = short.then_some(if begun {
                RequestOutcome::Unknown(Unclear::TimedOut)
            } else {
                RequestOutcome::NotSent(NotSent::Expired)
            });
            prop_assert_eq!(outcomes.get(&number), outcome.as_ref());
        }
        prop_assert_eq!(left, expected);
        prop_assert!(wired.left.is_empty(), "a torn frame");
    }

    #[test]
    fn frames_are_heard_however_they_are_cut(cuts in prop::collection::vec(1usize..40, 1..60)) {
        let mut wired = wired();
        let beat = encoded(&Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 7 })));
        let mut coming = BytesMut::from(beat.repeat(30).as_slice());
        let mut inbox = BytesMut::new();
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let chunk = coming.split_to(cut.min(coming.len()));
            inbox.extend_from_slice(&chunk);
            wired.connection.received(at(0), &mut inbox, &mut wired.send_queue).expect("goes on");
        }
        wired.fill(at(0));
        wired.take(usize::MAX);
        prop_assert_eq!(wired.counter_reads().len(), 30, "one answer each");
    }
}

#[test]
fn a_transport_that_takes_nothing_for_ten_seconds_ends_the_line() {
    let mut wired = wired();
    wired.send_queue.push(wired.asks.debit(at(60)));
    wired.fill(at(0));
    wired.take(1);
    let mut now = at(0);
    let cause = loop {
        // Something is always heard: only the writing stalls.
        wired
            .hear(&encoded(&Message::Conversation(Conversation::Heartbeat(Heartbeat {
                number: 1,
            }))))
            .expect("goes on");
        now += Duration::from_millis(500);
        if let Err(cause) = wired.connection.on_timeout(now, &mut wired.send_queue) {
            break cause;
        }
        assert!(now < at(11));
    };
    assert_eq!(cause, Cause::WriteStalled(Duration::from_secs(10)));
    assert_eq!(now, at(10));
}

#[test]
fn a_stall_is_counted_from_when_there_was_something_to_write() {
    let mut wired = wired();
    wired.send_queue.push(wired.asks.debit(at(60)));
    wired.fill(at_ms(6_000));
    assert!(wired.connection.on_timeout(at(12), &mut wired.send_queue).is_ok());
    assert!(wired.connection.on_timeout(at(16), &mut wired.send_queue).is_err());
}

#[test]
fn a_turn_hears_so_many_frames_and_no_more() {
    let mut wired = wired();
    let beat = encoded(&Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 7 })));
    let mut inbox = BytesMut::from(beat.repeat(FRAMES_PER_TURN + 3).as_slice());
    assert_eq!(
        wired.connection.received(at(0), &mut inbox, &mut wired.send_queue),
        Ok(Inbox::More)
    );
    assert_eq!(inbox.len(), 3 * beat.len());
    assert_eq!(
        wired.connection.received(at(0), &mut inbox, &mut wired.send_queue),
        Ok(Inbox::Starved)
    );
    assert!(!inbox.has_remaining());
}

/// With 64 requests in flight their answers may well arrive together.
#[test]
fn a_turn_that_hears_the_last_frame_leaves_the_inbox_starved() {
    let mut wired = wired();
    let beat = encoded(&Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 7 })));
    let mut inbox = BytesMut::from(beat.repeat(FRAMES_PER_TURN).as_slice());
    assert_eq!(
        wired.connection.received(at(0), &mut inbox, &mut wired.send_queue),
        Ok(Inbox::Starved)
    );
    assert!(!inbox.has_remaining());
}

#[test]
fn nothing_more_is_encoded_once_so_many_bytes_wait() {
    // Eight questions whose accounts have so many digits more than one each, and then debits without
    // end: digit by digit what waits moves past the bound.
    let waiting = |digits: usize| {
        let (mut setup, mut counter) = (setup(), GoodCounter::default());
        let profile = Profile { max_in_flight: 4_000, ..Profile::default() };
        setup.bounds.in_flight = 4_000;
        (setup.profile, counter.state.profile) = (Arc::new(profile.clone()), profile);
        let mut wired = wired_by(setup, counter);
        for question in 0..8 {
            let length = 1 + digits.saturating_sub(24 * question).min(24);
            let asked = Instruction::Entries(EntriesQuery {
                account: Some("9".repeat(length).parse().expect("an account")),
                day: crate::testing::day(),
                offset: 0,
                limit: 1,
            });
            wired.send_queue.push(wired.asks.queue(asked, at(9)));
        }
        for _ in 0..2_000 {
            wired.send_queue.push(wired.asks.debit(at(9)));
        }
        wired.fill(at(0));
        wired.connection.unsent().len()
    };
    let waiting: Vec<usize> = (0..=8 * 24).map(waiting).collect();
    let one_more = OUTBOX_FULL..OUTBOX_FULL + 256;
    assert!(waiting.iter().all(|bytes| one_more.contains(bytes)), "{waiting:?}");
    assert!(waiting.contains(&OUTBOX_FULL), "at the bound itself nothing is added: {waiting:?}");
}

#[test]
fn a_length_beyond_the_limit_ends_the_line_at_once() {
    let cause = wired().hear(&[0xff; 4]).expect_err("too long");
    assert!(matches!(cause, Cause::Frame(FrameError::TooLong { .. })), "{cause:?}");
}

#[test]
fn no_request_is_longer_than_the_queues_bound_in_bytes_assumes() {
    let longest = Instruction::Entries(EntriesQuery {
        account: Some("9".repeat(25).parse().expect("an account")),
        day: crate::testing::day(),
        offset: u32::MAX,
        limit: EntriesQuery::LONGEST_PAGE,
    });
    let parties = || Parties { own: "b".repeat(50), peer: "c".repeat(32) };
    let xml = |encoding| {
        Dialect::Futures(XmlOptions {
            encoding,
            amount_unit: domain::profile::AmountUnit::Major,
            utc_offset_minutes: 480,
        })
    };
    for dialect in [Dialect::Securities, xml(Encoding::Utf8), xml(Encoding::Gb18030)] {
        let codec = Codec::new(dialect, parties());
        for instruction in [debit(99_999_999_999), query(99_999_999_999), longest.clone()] {
            let mut bytes = BytesMut::new();
            let message = Message::Payload(Payload::Request(RequestId(u64::MAX >> 1), instruction));
            codec.encode(&message, &mut bytes).expect("sayable");
            assert!(bytes.len() <= 8 << 10, "{}", bytes.len());
        }
    }
}

#[test]
fn what_is_only_for_people_is_counted_and_the_answer_told() {
    let mut wired = wired();
    wired.send_queue.push(wired.asks.debit(at(10)));
    wired.fill(at(0));
    wired.take(usize::MAX);
    let answer = wired.counter_reads().pop().and_then(|message| wired.counter.answer(message));
    let mut bytes = encoded(&answer.expect("an answer"));
    let words = bytes.windows(4).position(|part| part == b"done").expect("words");
    bytes[words + 3] = 0xff;
    wired.connection.session.events().for_each(drop);
    wired.hear(&bytes).expect("goes on");
    assert!(matches!(wired.outcomes().as_slice(), [RequestOutcome::Answered(_)]));
    assert_eq!(wired.send_queue.counts.unreadable_words, 1);
    assert_eq!(wired.send_queue.counts.malformed, 0);
    let told = wired.connection.session.events().count();
    assert_eq!(told, 1, "operators are told");
}
