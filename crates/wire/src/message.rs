//! What can be said on a link, whatever the dialect.

use crate::conversation::Conversation;
use crate::payload::Payload;

/// One message in one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// For the connection's own sake.
    Conversation(Conversation),
    /// What the connection is for.
    Payload(Payload),
}

impl From<Conversation> for Message {
    fn from(conversation: Conversation) -> Message {
        Message::Conversation(conversation)
    }
}

impl From<Payload> for Message {
    fn from(payload: Payload) -> Message {
        Message::Payload(payload)
    }
}
