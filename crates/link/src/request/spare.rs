//! Memory for bytes on their way, lent to whichever connection has some: a connection that is idle
//! holds none, and one that is busy allocates none.

use bytes::BytesMut;
use std::cell::RefCell;

/// How much is read at once, in bytes: a window's worth of answers in one system call.
pub(crate) const CHUNK: usize = 64 << 10;

/// What is larger was grown for something unusual, and is given back to the allocator.
const LARGEST: usize = 256 << 10;

/// A turn needs one for reading and one for writing.
const KEPT: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for [`CHUNK`] bytes.
pub(crate) fn take() -> BytesMut {
    let mut buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    buffer.reserve(CHUNK);
    buffer
}

/// Gives back what `buffer` holds, if that is empty.
pub(crate) fn give_back(buffer: &mut BytesMut) {
    if !buffer.is_empty() || buffer.capacity() == 0 {
        return;
    }
    let buffer = std::mem::take(buffer);
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < KEPT && buffer.capacity() <= LARGEST {
            spare.push(buffer);
        }
    });
}

/// What is left of a frame that is shorter than this is copied, not kept where it was read to, in
/// bytes: most frames are.
const SCRAP: usize = 4 << 10;

/// Room in an inbox for what may come. A connection that hears nothing holds no memory for it.
pub(crate) fn make_room(inbox: &mut BytesMut) {
    if inbox.capacity() - inbox.len() >= CHUNK / 8 {
        return;
    }
    if inbox.len() < SCRAP {
        let mut room = take();
        room.extend_from_slice(inbox);
        *inbox = room;
    } else {
        inbox.reserve(CHUNK);
    }
}

/// Gives back what an inbox does not need while it waits for the rest of a frame, if it is starved of it, or for
/// the next.
pub(crate) fn give_room_back(inbox: &mut BytesMut, is_starved: bool) {
    if inbox.is_empty() {
        give_back(inbox);
    } else if is_starved && inbox.len() < SCRAP {
        let scrap = BytesMut::from(&inbox[..]);
        inbox.clear();
        give_back(inbox);
        *inbox = scrap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_lent_again() {
        let mut buffer = take();
        assert!(buffer.capacity() >= CHUNK);
        buffer.extend_from_slice(b"something");
        give_back(&mut buffer);
        assert_eq!(&buffer[..], b"something", "what holds something is kept");
        buffer.clear();
        let lent = buffer.as_ptr();
        give_back(&mut buffer);
        assert_eq!(buffer.capacity(), 0);
        assert_eq!(take().as_ptr(), lent);
    }
}
