//! What can be wrong with frames and with what is to be written in them.

/// A message that cannot be said in this dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The frame would exceed the limit.
    #[error("frame of {length} bytes would exceed the limit of {limit}")]
    TooLong {
        /// How long the frame's body would be, in bytes.
        length: usize,
        /// The longest body allowed, in bytes.
        limit: usize,
    },
    /// A text does not fit its field or the encoding.
    #[error("{0}")]
    Unsayable(String),
}

/// The framing itself is broken: close the connection, never resynchronize.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length announces more than is allowed.
    #[error("frame of {announced} bytes exceeds the limit of {limit}")]
    TooLong {
        /// The length of the frame's body that was announced, in bytes.
        announced: u64,
        /// The longest body allowed, in bytes.
        limit: usize,
    },
    /// The length is not eight digits.
    #[error("frame length is not 8 ASCII digits")]
    BadLength,
    /// The length is zero.
    #[error("frame is empty")]
    Empty,
}
