//! What can be wrong with frames and with what is to be written in them.

/// A message that cannot be said in this dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The frame would exceed the limit.
    #[error("frame of {length} bytes would exceed the limit of {limit}")]
    TooLong {
        /// How long it would be.
        length: usize,
        /// What is allowed.
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
        /// What the length says.
        announced: u64,
        /// What is allowed.
        limit: usize,
    },
    /// The length is not eight digits.
    #[error("frame length is not 8 ASCII digits")]
    BadLength,
    /// The length is zero.
    #[error("frame is empty")]
    Empty,
}
