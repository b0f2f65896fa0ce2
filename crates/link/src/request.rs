//! Requests, from whoever asks to their outcomes. They wait in a `mailbox`, which `reception` empties; `pool` says
//! over which connection one goes, where its account stays (`affinity`). `pending_reply` is the outcome that is owed,
//! `send_queue` and `in_flight` what has not and what has been written; `renewal` asks for a new session, `away` for none. `spare` and
//! `intern` keep memory small where there are many links.

pub(crate) mod affinity;
pub(crate) mod away;
pub(crate) mod in_flight;
pub(crate) mod intern;
pub(crate) mod mailbox;
pub(crate) mod pending_reply;
pub(crate) mod pool;
pub(crate) mod reception;
pub(crate) mod renewal;
pub(crate) mod send_queue;
pub(crate) mod spare;
