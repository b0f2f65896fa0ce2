//! What a link is for: instructions to a counter and what it replies, whatever the dialect.

use domain::message::{Instruction, Reply};

/// Identifies one request over all connections between two parties, from 1; the answer repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// The longest text of an answer, in characters; what is longer is cut, written or read.
pub const ANSWER_TEXT_LONGEST: usize = 200;

/// An instruction or a reply, with the request that it is or answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// An instruction of the bridge to the counter.
    Request(RequestId, Instruction),
    /// The counter's reply to the bridge.
    Response(RequestId, Reply),
}
