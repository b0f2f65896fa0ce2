//! Frames on their way to the transport, and exactly how far they have got.

use crate::spare;
use bytes::{Buf, BytesMut};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;
use wire::codec::{Codec, EncodeError};
use wire::message::{Message, RequestId};

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
        let mut taken = std::mem::take(&mut self.taken_of_first);
        for frame in std::mem::take(&mut self.frames) {
            let bytes = rest.split_to(frame.length - taken);
            if taken == 0 && frame.request.is_some_and(|request| requests.contains(&request)) {
                continue;
            }
            if taken > 0 {
                self.taken_of_first = taken;
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
