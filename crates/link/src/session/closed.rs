//! Answers "closed" (404) that wait a moment for the counter's day.
//!
//! A counter refuses a posting with 404 outside its hours, or because the day that the posting is
//! bound to is over. Which of the two shows only in the day that the counter is at now, so it is asked
//! at once, by a heartbeat, and the answer is handed out behind what it says: whoever gets it can then
//! bind the posting to the new day. A counter that does not answer holds it up for [`DAY_WITHIN`].

use crate::request::pending_reply::PendingReply;
use domain::message::{AnswerCode, Reply};
use domain::serial::Day;
use port::RequestOutcome;
use std::time::Duration;
use tokio::time::Instant;

/// How long a refusal waits for the counter's day, at most: far below the time in which whoever
/// asked gives up.
const DAY_WITHIN: Duration = Duration::from_secs(2);

/// See the module. What waits here still counts as in flight, so there are never more than fit the
/// window.
#[derive(Debug, Default)]
pub(super) struct Closed {
    waiting: Vec<Waiting>,
    /// What may be handed out once everybody can see the day.
    ready: Vec<(PendingReply, Reply)>,
    /// The number of a heartbeat for the day's sake that has not been written yet: it asks for all.
    unwritten: Option<u64>,
    /// The newest day in any answer by which the counter was asked for its day.
    asked_for: Option<Day>,
}

#[derive(Debug)]
struct Waiting {
    pending_reply: PendingReply,
    reply: Reply,
    /// The heartbeat whose answer it waits for, or that of a later one.
    beat: u64,
    until: Instant,
}

impl Closed {
    /// Whether an answer is one that waits.
    pub(super) fn is_closed(reply: &Reply) -> bool {
        matches!(reply, Reply::Posting(posting) if posting.answer.code == AnswerCode::CLOSED)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The heartbeat that asks for the day, if it is not written yet.
    pub(super) fn unwritten(&self) -> Option<u64> {
        self.unwritten
    }

    /// This heartbeat asks for the day.
    pub(super) fn asks_by(&mut self, beat: u64) {
        self.unwritten = Some(beat);
    }

    /// A heartbeat was written.
    pub(super) fn written(&mut self, beat: u64) {
        if self.unwritten == Some(beat) {
            self.unwritten = None;
        }
    }

    /// An answer waits for that of a heartbeat.
    pub(super) fn wait(
        &mut self,
        pending_reply: PendingReply,
        reply: Reply,
        beat: u64,
        now: Instant,
    ) {
        self.waiting.push(Waiting { pending_reply, reply, beat, until: now + DAY_WITHIN });
    }

    /// Whether an answer is the first that tells of a later day than the counter has said it is at.
    pub(super) fn is_news(&mut self, reply: &Reply, known: Option<Day>) -> bool {
        let told = match reply {
            Reply::Posting(reply) => reply.posted.as_ref(),
            Reply::Query(reply) => reply.posted.as_ref(),
            Reply::Balance(_) | Reply::Entries(_) => None,
        };
        let Some(day) = told.map(|posted| posted.settle_day) else { return false };
        let news = known.is_some_and(|known| day > known) && self.asked_for < Some(day);
        if news {
            self.asked_for = Some(day);
        }
        news
    }

    /// The counter answered a heartbeat: what waited for it may go.
    pub(super) fn answered(&mut self, beat: u64) {
        self.free(|waiting| waiting.beat <= beat);
    }

    /// When [`Closed::on_timeout`] has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    /// What has waited long enough goes as it is.
    pub(super) fn on_timeout(&mut self, now: Instant) {
        self.free(|waiting| waiting.until <= now);
    }

    /// Nothing waits any longer.
    pub(super) fn give_up(&mut self) {
        self.free(|_| true);
    }

    /// Hands out what is ready: after everybody can see what the counter said of its day.
    pub(super) fn hand_out(&mut self) {
        for (pending_reply, reply) in self.ready.drain(..) {
            pending_reply.settle(RequestOutcome::Answered(reply));
        }
    }

    fn free(&mut self, mut goes: impl FnMut(&Waiting) -> bool) {
        if self.waiting.is_empty() {
            return;
        }
        // In the order in which they came.
        let freed = self.waiting.extract_if(.., |waiting| goes(waiting));
        self.ready.extend(freed.map(|Waiting { pending_reply, reply, .. }| (pending_reply, reply)));
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.give_up();
        self.hand_out();
    }
}
