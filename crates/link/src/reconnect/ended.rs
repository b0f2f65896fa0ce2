//! How an attempt to converse with a counter ended.

use crate::inbound::authenticated::AuthenticatedConnection;
use crate::session::cause::Cause;
use std::time::Duration;

/// How an attempt ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) cause: Cause,
    /// Which address is to be tried first, if the session was left for it.
    pub(crate) leave_for: Option<usize>,
    /// Who takes its place.
    pub(crate) next: Option<Box<AuthenticatedConnection>>,
    /// How long its session was open, if it ever was.
    pub(crate) open_for: Option<Duration>,
}

impl Ended {
    /// No session came to be.
    pub(crate) fn before(cause: Cause) -> Ended {
        Ended { cause, leave_for: None, next: None, open_for: None }
    }
}
