//! What a frame with a request id holds: an instruction or a reply.

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::write;
