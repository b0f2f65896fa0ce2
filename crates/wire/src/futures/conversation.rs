//! The conversation's own messages.

mod read;
mod write;

pub(super) use read::{answered, said};
pub(super) use write::write;
