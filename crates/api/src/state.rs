//! What the handlers of the transfer API share.

use crate::apps::Apps;
use crate::auth::Authenticator;
use coordinator::Coordinator;

/// The longest body that is taken unless configured otherwise, in bytes; a transfer is a tenth.
pub const LONGEST_BODY: usize = 16 * 1024;

/// What the handlers share.
#[derive(Debug)]
pub struct ApiState {
    /// Drives the transfers, and knows the counters.
    pub coordinator: Coordinator,
    /// Tells which app has signed a request.
    pub authenticator: Authenticator,
    /// The longest body that is taken, in bytes.
    pub longest_body: usize,
    /// What each app may do, and how much at once.
    pub apps: Apps,
}
