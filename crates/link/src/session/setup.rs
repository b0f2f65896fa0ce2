//! What a session is begun with, and what it writes.

use super::keys::LinkKeys;
use crate::timers::Timers;
use domain::message::CounterId;
use domain::profile::Profile;
use port::Bounds;
use std::sync::Arc;
use wire::codec::Codec;
use wire::message::Message;
use wire::payload::RequestId;

/// What all sessions of one link have in common.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) counter: CounterId,
    pub(crate) own_name: Arc<String>,
    pub(crate) codec: Codec,
    pub(crate) keys: LinkKeys,
    pub(crate) profile: Arc<Profile>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) bounds: Bounds,
}

/// A message to write, and of which request it is.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: Message,
    pub(crate) request: Option<RequestId>,
}
