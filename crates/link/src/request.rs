//! Requests, from whoever asks to their outcomes; pure but for the mailbox's waker.

pub(crate) mod affinity;
pub(crate) mod in_flight;
pub(crate) mod intern;
pub(crate) mod mailbox;
pub(crate) mod pending_reply;
pub(crate) mod pool;
pub(crate) mod reception;
pub(crate) mod renewal;
pub(crate) mod send_queue;
pub(crate) mod spare;
