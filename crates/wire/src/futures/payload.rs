//! Instructions and replies.

mod read;
mod write;

pub(super) use read::{instruction, reply};
pub(super) use write::write;
