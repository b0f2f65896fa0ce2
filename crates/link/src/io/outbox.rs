//! Frames on their way to the transport, and exactly how far they have got.

use crate::request::spare;
use bytes::{Buf, BytesMut};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;
use wire::codec::{Codec, EncodeError};
use wire::message::Message;
use wire::payload::RequestId;

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    unsent: BytesMut,
    frames: VecDeque<Frame>,
    /// Bytes of the first frame that the transport has taken.
    taken_of_first: usize,
    /// When the transport last took a byte, or when there last was nothing for it to take.
    progress: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    length: usize,
    request: Option<RequestId>,
}

/// The requests whose first byte the transport has just taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) requests: u64,
    pub(crate) last: Option<RequestId>,
}

impl Outbox {
    pub(crate) fn new(now: Instant) -> Outbox {
        Outbox {
            unsent: BytesMut::new(),
            frames: VecDeque::new(),
            taken_of_first: 0,
            progress: now,
        }
    }

    /// Appends a message as a frame; of what request, if of one.
    pub(crate) fn push(
        &mut self,
        codec: &Codec,
        message: &Message,
        request: Option<RequestId>,
        now: Instant,
    ) -> Result<(), EncodeError> {
        if self.unsent.capacity() == 0 {
            self.unsent = spare::take();
        }
        let before = self.unsent.len();
        codec.encode(message, &mut self.unsent)?;
        if before == 0 {
            self.progress = now;
        }
        self.frames.push_back(Frame { length: self.unsent.len() - before, request });
        Ok(())
    }

    /// What the transport should take next.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// The transport has taken so many bytes of [`Outbox::unsent`].
    pub(crate) fn took(&mut self, count: usize, now: Instant) -> Begun {
        self.unsent.advance(count);
        self.progress = now;
        let mut begun = Begun::default();
        let mut left = count;
        while left > 0
            && let Some(first) = self.frames.front().copied()
        {
            if self.taken_of_first == 0 && first.request.is_some() {
                begun.requests += 1;
                begun.last = first.request;
            }
            let rest = first.length - self.taken_of_first;
            if left < rest {
                self.taken_of_first += left;
                break;
            }
            left -= rest;
            self.taken_of_first = 0;
            self.frames.pop_front();
        }
        spare::give_back(&mut self.unsent);
        begun
    }

    /// Gives memory back that only a busy connection needs.
    pub(crate) fn shrink(&mut self) {
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
    }

    /// Takes frames out again of which the transport has not taken a byte.
    pub(crate) fn withdraw(&mut self, requests: &[RequestId]) {
        if requests.is_empty() {
            return;
        }
        let mut rest = std::mem::take(&mut self.unsent);
        // What was begun is not taken out, and stays the first.
        let mut taken = self.taken_of_first;
        for frame in std::mem::take(&mut self.frames) {
            let bytes = rest.split_to(frame.length - taken);
            if taken == 0 && frame.request.is_some_and(|request| requests.contains(&request)) {
                continue;
            }
            taken = 0;
            self.unsent.extend_from_slice(&bytes);
            self.frames.push_back(frame);
        }
    }

    /// When the transport will have taken no byte for `limit`.
    pub(crate) fn stalls_at(&self, limit: Duration) -> Option<Instant> {
        (!self.unsent.is_empty()).then(|| self.progress + limit)
    }

    /// For how long it has taken none.
    pub(crate) fn stalled_for(&self, now: Instant) -> Duration {
        now - self.progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, debit, our_codec};
    use wire::payload::Payload;

    /// With so many requests in it, numbered from 1, and where each of them ends.
    fn outbox_of(requests: u64) -> (Outbox, Vec<usize>) {
        let mut outbox = Outbox::new(at(0));
        let push = |number| {
            let (id, codec) = (RequestId(number), our_codec());
            let message = Message::Payload(Payload::Request(id, debit(number)));
            outbox.push(&codec, &message, Some(id), at(0)).expect("sayable");
            outbox.unsent().len()
        };
        let ends = (1..=requests).map(push).collect();
        (outbox, ends)
    }

    #[test]
    fn what_is_taken_out_does_not_move_where_the_others_begin() {
        let (_, ends) = outbox_of(4);
        let begun = |number| Begun { requests: 1, last: Some(RequestId(number)) };
        for taken in [1, ends[0] - 1] {
            let (mut outbox, _) = outbox_of(4);
            assert_eq!(outbox.took(taken, at(0)), begun(1));
            outbox.withdraw(&[RequestId(1), RequestId(3)]);
            assert_eq!(outbox.took(ends[0] - taken, at(0)), Begun::default(), "the first goes on");
            assert_eq!(outbox.took(1, at(0)), begun(2));
            assert_eq!(outbox.took(outbox.unsent().len(), at(0)), begun(4));
        }
        let (mut outbox, _) = outbox_of(4);
        outbox.withdraw(&[RequestId(1), RequestId(3)]);
        assert_eq!(outbox.took(1, at(0)), begun(2));
        assert_eq!(outbox.took(outbox.unsent().len(), at(0)), begun(4));
    }

    #[test]
    fn what_has_left_is_not_kept_and_where_all_has_left_no_memory_is() {
        let (mut outbox, ends) = outbox_of(3);
        outbox.took(ends[1], at(0));
        outbox.shrink();
        assert_eq!(outbox.frames.len(), 1);
        outbox.took(outbox.unsent().len(), at(0));
        outbox.shrink();
        assert_eq!((outbox.frames.capacity(), outbox.unsent.capacity()), (0, 0));
    }
}
