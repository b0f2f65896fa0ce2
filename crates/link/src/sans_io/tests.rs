//! A link without I/O, a good counter, and nothing between them but bytes.

use super::*;
use crate::io::connection::FRAMES_PER_TURN;
use crate::testing::{
    GoodCounter, KEY, at, at_ms, counter, day, debit, query, reply, serial, their_codec,
};
use domain::money::Amount;
use port::{Delivery, ReplyTo, Ticket, Unclear};
use tokio::sync::mpsc;
use wire::codec::Incoming;
use wire::conversation::{ChallengeAnswer, Conversation, RejectReason, SignOn};
use wire::dialect::Dialect;
use wire::message::Message;
use wire::payload::{Payload, RequestId};
use wire::proof::{self, Side};

/// The link, the counter, and what was heard of it and became of what was asked.
struct Paper {
    link: SansIoLink,
    counter: GoodCounter,
    heard: Vec<Heard>,
    queue: mpsc::UnboundedSender<Delivery>,
    outcomes: mpsc::UnboundedReceiver<Delivery>,
}

/// Of a link without heartbeats: nothing is due but what a test brings about.
fn config() -> LinkConfig {
    let (name, key) = ("bridge".to_owned(), KEY.to_vec().into());
    let config = LinkConfig::new(counter(), Vec::new(), Dialect::Securities, name, key);
    LinkConfig { timers: crate::timers::Timers { heartbeat_s: 0, ..config.timers }, ..config }
}

fn sans_io(config: LinkConfig, counter: GoodCounter) -> Paper {
    let link = SansIoLink::new(config, 0, Renewal::default(), 1, 1);
    let (queue, outcomes) = mpsc::unbounded_channel();
    Paper { link, counter, heard: Vec::new(), queue, outcomes }
}

/// With a session since the beginning of time.
fn signed_on() -> Paper {
    let mut sans_io = sans_io(config(), GoodCounter::default());
    sans_io.link.connected(at(0));
    sans_io.talk(at(0)).expect("a good counter");
    assert_eq!(std::mem::take(&mut sans_io.heard), [Heard::Opened]);
    assert!(sans_io.link.is_up());
    sans_io
}

fn encoded(message: &Message) -> BytesMut {
    let mut bytes = BytesMut::new();
    their_codec().encode(message, &mut bytes).expect("sayable");
    bytes
}

impl Paper {
    fn turn(&mut self, now: Instant) -> Result<(), Cause> {
        self.link.turn(now, &mut self.heard)
    }

    /// Lets the counter answer until the link has nothing to say.
    fn talk(&mut self, now: Instant) -> Result<(), Cause> {
        loop {
            self.turn(now)?;
            let mut wire = BytesMut::from(self.link.unsent());
            if wire.is_empty() {
                return Ok(());
            }
            self.link.took(now, wire.len());
            while let Some(Incoming::Message(message)) =
                their_codec().decode(&mut wire).expect("frames")
            {
                if let Some(answer) = self.counter.answer(message) {
                    self.link.received(&encoded(&answer));
                }
            }
        }
    }

    fn ask(&mut self, deadline: Instant) {
        let reply_to = ReplyTo::Queue(self.queue.clone());
        self.link.ask(Ask { ticket: Ticket(1), instruction: query(1), deadline, reply_to });
    }

    fn outcome(&mut self) -> Option<RequestOutcome> {
        self.outcomes.try_recv().ok().map(|delivery| delivery.outcome)
    }
}

#[test]
fn it_signs_on_asks_and_tells_what_became_of_it() {
    let mut sans_io = sans_io(config(), GoodCounter::default());
    sans_io.ask(at(5));
    assert_eq!(sans_io.outcome(), Some(RequestOutcome::NotSent(NotSent::Down)));

    sans_io.link.connected(at(0));
    sans_io.talk(at(0)).expect("a good counter");
    assert_eq!(sans_io.heard, [Heard::Opened]);
    assert!(sans_io.link.is_up() && sans_io.link.session_began().is_some());

    sans_io.ask(at(5));
    sans_io.turn(at(1)).expect("open");
    sans_io.link.took(at(1), 1);
    assert!(matches!(sans_io.link.lost(at(1), &Cause::ClosedByPeer), Rest::Wait(_)));
    assert_eq!(
        sans_io.outcome(),
        Some(RequestOutcome::Unknown(Unclear::LinkLost)),
        "a byte had left"
    );
    assert!(!sans_io.link.is_up() && sans_io.link.session_began().is_none());
}

#[test]
fn what_is_known_of_a_counter_is_there_after_the_session_too() {
    let mut good = GoodCounter::default();
    good.state.highest_serial = Some(serial(7));
    let profile = Profile { per_transfer_limit: Amount::new(900).ok(), ..Profile::default() };
    let mut sans_io = sans_io(LinkConfig { profile: profile.clone(), ..config() }, good);
    assert_eq!(**sans_io.link.profile(), profile);
    assert_eq!((sans_io.link.settle_day(), sans_io.link.highest_serial()), (None, None));
    assert_eq!(sans_io.link.newest_began(), None);

    sans_io.link.connected(at(0));
    sans_io.talk(at(0)).expect("a good counter");
    sans_io.link.lost(at(1), &Cause::ClosedByPeer);
    assert_eq!(sans_io.link.settle_day(), Some(day()));
    assert_eq!(sans_io.link.highest_serial(), Some(serial(7)));
    assert!(sans_io.link.newest_began().is_some() && sans_io.link.session_began().is_none());
}

#[test]
fn a_request_ends_when_it_is_due_and_not_before() {
    let mut sans_io = signed_on();
    assert_eq!(sans_io.link.next_timeout(), None);
    sans_io.ask(at(2));
    sans_io.turn(at(0)).expect("open");
    sans_io.link.took(at(0), sans_io.link.unsent().len());
    assert_eq!(sans_io.link.next_timeout(), Some(at(2)));
    sans_io.turn(at_ms(1_999)).expect("open");
    assert_eq!(sans_io.outcome(), None);
    sans_io.turn(at(2)).expect("open");
    assert_eq!(sans_io.outcome(), Some(RequestOutcome::Unknown(Unclear::TimedOut)));
}

#[test]
fn a_turn_hears_everything_that_has_come() {
    let mut sans_io = signed_on();
    let unmatched = reply(&debit(1));
    let count = 2 * FRAMES_PER_TURN + 1;
    for _ in 0..count {
        sans_io.link.received(&encoded(&Message::Payload(Payload::Response(
            RequestId(99),
            unmatched.clone(),
        ))));
    }
    sans_io.turn(at(1)).expect("open");
    assert_eq!(sans_io.heard, vec![Heard::Unmatched(unmatched); count]);
}

#[test]
fn a_session_that_is_wanted_anew_signs_off_at_its_age_and_ends_as_renewed() {
    for acknowledged in [true, false] {
        let mut sans_io = signed_on();
        sans_io.link.renew_sessions(at(1));
        sans_io.turn(at(1)).expect("open");
        assert_eq!(sans_io.link.next_timeout(), Some(at(30)));
        sans_io.turn(at_ms(29_999)).expect("open");
        assert!(sans_io.link.is_up() && sans_io.link.unsent().is_empty());
        assert_eq!(sans_io.link.closed_by_peer(), Cause::ClosedByPeer, "it has said nothing yet");

        sans_io.turn(at(30)).expect("its sign-off is to be written");
        assert!(!sans_io.link.is_up() && !sans_io.link.unsent().is_empty());
        assert_eq!(sans_io.link.closed_by_peer(), Cause::Renewed);
        if acknowledged {
            assert_eq!(sans_io.talk(at(30)), Err(Cause::Renewed));
        } else {
            sans_io.turn(at_ms(31_999)).expect("the acknowledgement is waited for");
            assert_eq!(sans_io.turn(at(32)), Err(Cause::Renewed));
        }
        sans_io.link.lost(at(32), &Cause::Renewed);
        sans_io.link.connected(at(33));
        sans_io.talk(at(33)).expect("a good counter");
        sans_io.turn(at(100)).expect("it is new");
        assert!(sans_io.link.is_up());
    }
}

#[test]
fn one_that_is_held_tries_again_once_it_is_released() {
    let mut sans_io = sans_io(config(), GoodCounter::default());
    let (reason, text) = (RejectReason::UnknownParty, String::new());
    let rejected = Cause::Rejected { reason, text: text.into() };
    let mut rests = |times: usize| -> Vec<bool> {
        let rest = |_| matches!(sans_io.link.lost(at(0), &rejected), Rest::Wait(_));
        (0..times).map(rest).collect()
    };
    assert_eq!(rests(4), [true, true, false, false]);
    sans_io.link.release();
    assert!(matches!(sans_io.link.lost(at(0), &rejected), Rest::Wait(_)));
}

#[test]
fn whom_the_door_lets_in_has_a_session_with_the_next_turn() {
    let ours = [4; 32];
    let mut acceptor = PaperDoor::new(&config());
    let sign_on = SignOn {
        version: SignOn::VERSION,
        dialler: "securities".to_owned(),
        acceptor: "bridge".to_owned(),
        channel: 0,
        nonce: [3; 32],
        heartbeat_s: 0,
    };
    let challenged = acceptor.received(
        &encoded(&Message::Conversation(Conversation::SignOn(sign_on.clone()))),
        ours,
        0,
    );
    assert!(matches!(challenged, Step::Say(_)), "{challenged:?}");
    let mut sans_io = sans_io(config(), GoodCounter::default());
    let proof = proof::prove(&KEY, Side::Dialler, &sign_on, &ours);
    let answer = ChallengeAnswer { proof, counter: Some(sans_io.counter.state.clone()) };
    let Step::In(entrance) =
        acceptor.received(&encoded(&Message::Conversation(Conversation::Answer(answer))), ours, 0)
    else {
        panic!("it has proven who it is")
    };
    sans_io.link.accepted(at(0), entrance);
    sans_io.turn(at(0)).expect("open");
    assert_eq!(sans_io.heard, [Heard::Opened]);
    assert!(sans_io.link.is_up());
    sans_io.ask(at(5));
    sans_io.talk(at(1)).expect("open");
    assert!(matches!(sans_io.outcome(), Some(RequestOutcome::Answered(_))));
}
