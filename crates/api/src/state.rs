//! What the handlers of the transfer API share.

use crate::apps::Apps;
use crate::auth::Authenticator;
use coordinator::Coordinator;

/// The longest body that is taken unless configured otherwise, in bytes; a transfer is a tenth.
pub const LONGEST_BODY: usize = 16 * 1024;

/// What the handlers share.
#[derive(Debug)]
pub struct ApiState {
    /// Who drives the transfers.
    pub coordinator: Coordinator,
    /// Who tells who calls.
    pub authenticator: Authenticator,
    /// The longest body that is taken, in bytes.
    pub longest_body: usize,
    /// What each app may do.
    pub apps: Apps,
}
