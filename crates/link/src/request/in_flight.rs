//! Requests of one connection that wait for their answers.

use crate::request::pending_reply::PendingReply;
use crate::request::pending_reply::Queued;
use crate::request::send_queue::SendQueue;
use domain::message::{AccountId, Instruction, Reply};
use domain::money::Currency;
use domain::serial::SubSerial;
use port::{NotSent, RequestOutcome, Unclear};
use std::collections::BTreeMap;
use tokio::time::Instant;
use wire::message::Message;
use wire::payload::{Payload, RequestId};

/// The table. Dropped with requests in it, it delivers what is true of each: unknown if a byte of
/// it was handed to the transport, not sent otherwise.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    /// In the order of their ids, so that what ends together is told in the order it was asked in.
    pending: BTreeMap<RequestId, Waiting>,
    /// Requests are handed to the transport in the order of their ids: up to this one.
    handed: Option<RequestId>,
    /// How many of them move no money.
    urgent: usize,
    /// Not later than the earliest deadline.
    earliest: Option<Instant>,
    /// Not later than when the oldest was submitted.
    oldest: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    pending_reply: PendingReply,
    expects: Expects,
    deadline: Instant,
    since: Instant,
    moves_money: bool,
}

/// What an answer must be about to be this request's answer.
#[derive(Debug)]
enum Expects {
    Posting(SubSerial),
    Query(SubSerial),
    Balance(AccountId, Currency),
    Entries,
}

/// What an answer was.
#[derive(Debug)]
pub(crate) enum Answered {
    /// That of a request, whose asker is owed it.
    Matched(PendingReply, Reply),
    /// Not that of any request in flight; or it names one but is about something else, and then
    /// the request has ended unknown.
    Unmatched { reply: Reply, late: bool },
}

impl InFlight {
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether something that moves money waits for its answer.
    pub(crate) fn moves_money(&self) -> bool {
        self.pending.len() > self.urgent
    }

    /// Whether a query waits for its answer.
    pub(crate) fn has_urgent(&self) -> bool {
        self.urgent > 0
    }

    /// Takes a request in, and gives the message that is to be written for it.
    pub(crate) fn submit(&mut self, id: RequestId, queued: Queued, now: Instant) -> Message {
        let Queued { mut pending_reply, instruction, deadline } = queued;
        pending_reply.encoded();
        let moves_money = instruction.moves_money();
        let expects = Expects::of(&instruction);
        self.urgent += usize::from(!moves_money);
        self.earliest = Some(self.earliest.map_or(deadline, |at| at.min(deadline)));
        self.oldest.get_or_insert(now);
        self.pending
            .insert(id, Waiting { pending_reply, expects, deadline, since: now, moves_money });
        Message::Payload(Payload::Request(id, instruction))
    }

    /// It could not be encoded after all.
    pub(crate) fn unsayable(&mut self, id: RequestId) {
        if let Some(pending) = self.remove(id) {
            pending.pending_reply.settle(RequestOutcome::NotSent(NotSent::Unsayable));
        }
    }

    /// A byte of this request, and so of all before it, has been handed to the transport.
    pub(crate) fn handed(&mut self, id: RequestId) {
        self.handed = self.handed.max(Some(id));
    }

    /// Takes an answer to what it answers, if it is one.
    pub(crate) fn answer(
        &mut self,
        id: RequestId,
        reply: Reply,
        send_queue: &mut SendQueue,
    ) -> Answered {
        let Some(pending) = self.remove(id) else {
            return Answered::Unmatched { reply, late: send_queue.is_late(id) };
        };
        // An answer to what was never written answers something else, whatever it says.
        let written = self.handed >= Some(id);
        if written && pending.expects.is_met_by(&reply) {
            send_queue.counts.answered += 1;
            return Answered::Matched(pending.pending_reply, reply);
        }
        send_queue.counts.unmatched += 1;
        send_queue.remember(id);
        pending.pending_reply.settle(RequestOutcome::Unknown(Unclear::BadAnswer));
        Answered::Unmatched { reply, late: false }
    }

    /// An answer could not be read: the request that it names, or else those about the serial that
    /// it names, end unknown.
    pub(crate) fn garbled(
        &mut self,
        id: Option<RequestId>,
        serial: Option<SubSerial>,
        send_queue: &mut SendQueue,
    ) {
        let named: Vec<RequestId> = match (id, serial) {
            (Some(id), _) => vec![id],
            (None, Some(serial)) => self
                .pending
                .iter()
                .filter(|(_, pending)| pending.expects.serial() == Some(serial))
                .map(|(id, _)| *id)
                .collect(),
            (None, None) => Vec::new(),
        };
        for id in named {
            if let Some(pending) = self.remove(id) {
                send_queue.remember(id);
                pending.pending_reply.settle(RequestOutcome::Unknown(Unclear::BadAnswer));
            }
        }
    }

    /// Not later than the earliest deadline.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.earliest
    }

    /// Since when the oldest has waited, or earlier.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.oldest
    }

    /// The same, exactly.
    pub(crate) fn find_oldest(&mut self) -> Option<Instant> {
        self.oldest = self.pending.values().map(|pending| pending.since).min();
        self.oldest
    }

    /// Ends what has waited past its deadline. Those of which no byte has been handed over are
    /// told in `unwritten`: they must not be written any more.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        send_queue: &mut SendQueue,
        unwritten: &mut Vec<RequestId>,
    ) {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return;
        }
        let handed = self.handed;
        let expired: Vec<(RequestId, Waiting)> =
            self.pending.extract_if(.., |_, pending| pending.deadline <= now).collect();
        for (id, pending) in expired {
            self.urgent -= usize::from(!pending.moves_money);
            if handed >= Some(id) {
                send_queue.counts.timed_out += 1;
                send_queue.remember(id);
                pending.pending_reply.settle(RequestOutcome::Unknown(Unclear::TimedOut));
            } else {
                unwritten.push(id);
                pending.pending_reply.settle(RequestOutcome::NotSent(NotSent::Expired));
            }
        }
        self.earliest = self.pending.values().map(|pending| pending.deadline).min();
        self.find_oldest();
    }

    /// The connection is lost: ends everything, truthfully.
    pub(crate) fn lose(&mut self, send_queue: &mut SendQueue) {
        for (id, pending) in &self.pending {
            if self.handed >= Some(*id) {
                send_queue.remember(*id);
                send_queue.left_unknown |= pending.moves_money;
            }
        }
        self.settle_all();
    }

    fn remove(&mut self, id: RequestId) -> Option<Waiting> {
        let pending = self.pending.remove(&id)?;
        self.urgent -= usize::from(!pending.moves_money);
        if self.pending.is_empty() {
            self.earliest = None;
            self.oldest = None;
        }
        Some(pending)
    }

    fn settle_all(&mut self) {
        let handed = self.handed;
        for (id, pending) in std::mem::take(&mut self.pending) {
            pending.pending_reply.settle(if handed >= Some(id) {
                RequestOutcome::Unknown(Unclear::LinkLost)
            } else {
                RequestOutcome::NotSent(NotSent::Down)
            });
        }
        self.urgent = 0;
        self.earliest = None;
        self.oldest = None;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.settle_all();
    }
}

impl Expects {
    fn of(instruction: &Instruction) -> Expects {
        match instruction {
            Instruction::Debit(posting) | Instruction::Credit(posting) => {
                Expects::Posting(posting.serial)
            }
            Instruction::Reverse(reversal) => Expects::Posting(reversal.serial),
            Instruction::Query(query) => Expects::Query(query.serial),
            Instruction::Balance(query) => Expects::Balance(query.account.clone(), query.currency),
            Instruction::Entries(_) => Expects::Entries,
        }
    }

    fn serial(&self) -> Option<SubSerial> {
        match self {
            Expects::Posting(serial) | Expects::Query(serial) => Some(*serial),
            Expects::Balance(..) | Expects::Entries => None,
        }
    }

    fn is_met_by(&self, reply: &Reply) -> bool {
        match (self, reply) {
            (Expects::Posting(serial), Reply::Posting(reply)) => reply.serial == *serial,
            (Expects::Query(serial), Reply::Query(reply)) => reply.serial == *serial,
            (Expects::Balance(account, currency), Reply::Balance(reply)) => reply
                .balance
                .as_ref()
                .is_none_or(|told| told.account == *account && told.currency == *currency),
            (Expects::Entries, Reply::Entries(_)) => true,
            (
                Expects::Posting(_) | Expects::Query(_) | Expects::Balance(..) | Expects::Entries,
                Reply::Posting(_) | Reply::Query(_) | Reply::Balance(_) | Reply::Entries(_),
            ) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asks, at, debit, reply};

    #[test]
    fn what_cannot_be_said_is_not_sent_and_not_waited_for() {
        let (mut in_flight, mut asks) = (InFlight::default(), asks());
        in_flight.submit(RequestId(1), asks.debit(at(5)), at(0));
        in_flight.unsayable(RequestId(1));
        assert_eq!(asks.outcomes(), [(1, RequestOutcome::NotSent(NotSent::Unsayable))]);
        assert!(in_flight.is_empty());
    }

    #[test]
    fn it_knows_its_earliest_deadline_and_since_when_the_oldest_has_waited() {
        let (mut in_flight, mut asks) = (InFlight::default(), asks());
        let times = |in_flight: &InFlight| (in_flight.next_timeout(), in_flight.oldest());
        assert_eq!(times(&in_flight), (None, None));
        in_flight.submit(RequestId(1), asks.debit(at(5)), at(1));
        in_flight.submit(RequestId(2), asks.debit(at(4)), at(2));
        in_flight.submit(RequestId(3), asks.debit(at(9)), at(3));
        assert_eq!(times(&in_flight), (Some(at(4)), Some(at(1))));
        in_flight.expire(at(5), &mut SendQueue::new(1), &mut Vec::new());
        assert_eq!(times(&in_flight), (Some(at(9)), Some(at(3))));
        in_flight.unsayable(RequestId(3));
        assert_eq!(times(&in_flight), (None, None));
    }

    #[test]
    fn a_question_whose_time_is_over_is_waited_for_no_longer() {
        let (mut in_flight, mut asks) = (InFlight::default(), asks());
        in_flight.submit(RequestId(1), asks.query(at(1)), at(0));
        in_flight.submit(RequestId(2), asks.debit(at(9)), at(0));
        assert!(in_flight.has_urgent() && in_flight.moves_money());
        let mut unwritten = Vec::new();
        in_flight.expire(at(1), &mut SendQueue::new(1), &mut unwritten);
        assert_eq!(unwritten, [RequestId(1)], "no byte of it was handed over");
        assert!(!in_flight.has_urgent() && in_flight.moves_money());
    }

    #[test]
    fn an_answer_about_something_else_ends_the_request_it_names_and_is_counted() {
        let (mut in_flight, mut asks) = (InFlight::default(), asks());
        let mut send_queue = SendQueue::new(1);
        for (id, unmatched) in [(RequestId(1), 1), (RequestId(2), 2)] {
            in_flight.submit(id, asks.debit(at(5)), at(0));
            in_flight.handed(id);
            let answered = in_flight.answer(id, reply(&debit(7)), &mut send_queue);
            assert!(matches!(answered, Answered::Unmatched { late: false, .. }));
            assert_eq!((send_queue.counts.unmatched, send_queue.counts.answered), (unmatched, 0));
        }
        let bad = RequestOutcome::Unknown(Unclear::BadAnswer);
        assert_eq!(asks.outcomes(), [(1, bad.clone()), (2, bad)]);
    }
}
