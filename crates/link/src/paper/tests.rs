//! A link on paper, a good counter, and nothing between them but bytes.

use super::*;
use crate::line::FRAMES_PER_TURN;
use crate::testing::{
    GoodCounter, KEY, at, at_ms, counter, day, debit, query, reply, serial, their_codec,
};
use domain::money::Amount;
use port::{Delivery, ReplyTo, Ticket, Unclear};
use tokio::sync::mpsc;
use wire::codec::{Dialect, Incoming};
use wire::message::{ChallengeAnswer, Message, RejectReason, RequestId, SignOn};
use wire::proof::{self, Side};

/// The link, the counter, and what was heard of it and became of what was asked.
struct Paper {
    link: PaperLink,
    counter: GoodCounter,
    heard: Vec<Heard>,
    queue: mpsc::UnboundedSender<Delivery>,
    outcomes: mpsc::UnboundedReceiver<Delivery>,
}

/// Of a link without heartbeats: nothing is due but what a test brings about.
fn config() -> LinkConfig {
    let (name, key) = ("bridge".to_owned(), KEY.to_vec().into());
    let config = LinkConfig::new(counter(), Vec::new(), Dialect::Securities, name, key);
    LinkConfig { timers: crate::config::Timers { heartbeat_s: 0, ..config.timers }, ..config }
}

fn paper(config: LinkConfig, counter: GoodCounter) -> Paper {
    let link = PaperLink::new(config, 0, Renewal::default(), 1, 1);
    let (queue, outcomes) = mpsc::unbounded_channel();
    Paper { link, counter, heard: Vec::new(), queue, outcomes }
}

/// With a session since the beginning of time.
fn signed_on() -> Paper {
    let mut paper = paper(config(), GoodCounter::default());
    paper.link.connected(at(0));
    paper.talk(at(0)).expect("a good counter");
    assert_eq!(std::mem::take(&mut paper.heard), [Heard::Opened]);
    assert!(paper.link.is_up());
    paper
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
    let mut paper = paper(config(), GoodCounter::default());
    paper.ask(at(5));
    assert_eq!(paper.outcome(), Some(RequestOutcome::NotSent(NotSent::Down)));

    paper.link.connected(at(0));
    paper.talk(at(0)).expect("a good counter");
    assert_eq!(paper.heard, [Heard::Opened]);
    assert!(paper.link.is_up() && paper.link.session_began().is_some());

    paper.ask(at(5));
    paper.turn(at(1)).expect("open");
    paper.link.took(at(1), 1);
    assert!(matches!(paper.link.lost(at(1), &Cause::ClosedByPeer), Rest::Wait(_)));
    assert_eq!(
        paper.outcome(),
        Some(RequestOutcome::Unknown(Unclear::LinkLost)),
        "a byte had left"
    );
    assert!(!paper.link.is_up() && paper.link.session_began().is_none());
}

#[test]
fn what_is_known_of_a_counter_is_there_after_the_session_too() {
    let mut good = GoodCounter::default();
    good.state.highest_serial = Some(serial(7));
    let profile = Profile { per_transfer_limit: Amount::new(900).ok(), ..Profile::default() };
    let mut paper = paper(LinkConfig { profile: profile.clone(), ..config() }, good);
    assert_eq!(**paper.link.profile(), profile);
    assert_eq!((paper.link.settle_day(), paper.link.highest_serial()), (None, None));
    assert_eq!(paper.link.newest_began(), None);

    paper.link.connected(at(0));
    paper.talk(at(0)).expect("a good counter");
    paper.link.lost(at(1), &Cause::ClosedByPeer);
    assert_eq!(paper.link.settle_day(), Some(day()));
    assert_eq!(paper.link.highest_serial(), Some(serial(7)));
    assert!(paper.link.newest_began().is_some() && paper.link.session_began().is_none());
}

#[test]
fn a_request_ends_when_it_is_due_and_not_before() {
    let mut paper = signed_on();
    assert_eq!(paper.link.next_timeout(), None);
    paper.ask(at(2));
    paper.turn(at(0)).expect("open");
    paper.link.took(at(0), paper.link.unsent().len());
    assert_eq!(paper.link.next_timeout(), Some(at(2)));
    paper.turn(at_ms(1_999)).expect("open");
    assert_eq!(paper.outcome(), None);
    paper.turn(at(2)).expect("open");
    assert_eq!(paper.outcome(), Some(RequestOutcome::Unknown(Unclear::TimedOut)));
}

#[test]
fn a_turn_hears_everything_that_has_come() {
    let mut paper = signed_on();
    let unmatched = reply(&debit(1));
    let count = 2 * FRAMES_PER_TURN + 1;
    for _ in 0..count {
        paper.link.received(&encoded(&Message::Response(RequestId(99), unmatched.clone())));
    }
    paper.turn(at(1)).expect("open");
    assert_eq!(paper.heard, vec![Heard::Unmatched(unmatched); count]);
}

#[test]
fn a_session_that_is_wanted_anew_signs_off_at_its_age_and_ends_as_renewed() {
    for acknowledged in [true, false] {
        let mut paper = signed_on();
        paper.link.renew_sessions(at(1));
        paper.turn(at(1)).expect("open");
        assert_eq!(paper.link.next_timeout(), Some(at(30)));
        paper.turn(at_ms(29_999)).expect("open");
        assert!(paper.link.is_up() && paper.link.unsent().is_empty());
        assert_eq!(paper.link.closed_by_peer(), Cause::ClosedByPeer, "it has said nothing yet");

        paper.turn(at(30)).expect("its sign-off is to be written");
        assert!(!paper.link.is_up() && !paper.link.unsent().is_empty());
        assert_eq!(paper.link.closed_by_peer(), Cause::Renewed);
        if acknowledged {
            assert_eq!(paper.talk(at(30)), Err(Cause::Renewed));
        } else {
            paper.turn(at_ms(31_999)).expect("the acknowledgement is waited for");
            assert_eq!(paper.turn(at(32)), Err(Cause::Renewed));
        }
        paper.link.lost(at(32), &Cause::Renewed);
        paper.link.connected(at(33));
        paper.talk(at(33)).expect("a good counter");
        paper.turn(at(100)).expect("it is new");
        assert!(paper.link.is_up());
    }
}

#[test]
fn one_that_is_held_tries_again_once_it_is_released() {
    let mut paper = paper(config(), GoodCounter::default());
    let (reason, text) = (RejectReason::UnknownParty, String::new());
    let rejected = Cause::Rejected { reason, text: text.into() };
    let mut rests = |times: usize| -> Vec<bool> {
        let rest = |_| matches!(paper.link.lost(at(0), &rejected), Rest::Wait(_));
        (0..times).map(rest).collect()
    };
    assert_eq!(rests(4), [true, true, false, false]);
    paper.link.release();
    assert!(matches!(paper.link.lost(at(0), &rejected), Rest::Wait(_)));
}

#[test]
fn whom_the_door_lets_in_has_a_session_with_the_next_turn() {
    let ours = [4; 32];
    let mut door = PaperDoor::new(&config());
    let sign_on = SignOn {
        version: SignOn::VERSION,
        dialler: "securities".to_owned(),
        acceptor: "bridge".to_owned(),
        channel: 0,
        nonce: [3; 32],
        heartbeat_s: 0,
    };
    let challenged = door.received(&encoded(&Message::SignOn(sign_on.clone())), ours, 0);
    assert!(matches!(challenged, Step::Say(_)), "{challenged:?}");
    let mut paper = paper(config(), GoodCounter::default());
    let proof = proof::prove(&KEY, Side::Dialler, &sign_on, &ours);
    let answer = ChallengeAnswer { proof, counter: Some(paper.counter.state.clone()) };
    let Step::In(entrance) = door.received(&encoded(&Message::Answer(answer)), ours, 0) else {
        panic!("it has proven who it is")
    };
    paper.link.accepted(at(0), entrance);
    paper.turn(at(0)).expect("open");
    assert_eq!(paper.heard, [Heard::Opened]);
    assert!(paper.link.is_up());
    paper.ask(at(5));
    paper.talk(at(1)).expect("open");
    assert!(matches!(paper.outcome(), Some(RequestOutcome::Answered(_))));
}
