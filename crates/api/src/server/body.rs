//! Bodies that tell their connection's watch when they are over.

use super::watch::Watch;
use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Whose body it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// What a request brings: over with its last byte, or when it is dropped, for whoever drops it wants
    /// no more of it.
    Request,
    /// What is answered: over when the connection drops it, for it has all of it then.
    Answer,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Told<B> {
    body: B,
    whose: Whose,
    watch: Arc<Watch>,
}

impl<B> Told<B> {
    pub(super) fn new(body: B, whose: Whose, watch: Arc<Watch>) -> Told<B> {
        Told { body, whose, watch }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Told<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if self.whose == Whose::Request && (frame.is_none() || self.body.is_end_stream()) {
            self.watch.body_ended();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Told<B> {
    fn drop(&mut self) {
        match self.whose {
            Whose::Request => self.watch.body_ended(),
            Whose::Answer => self.watch.answered(),
        }
    }
}
