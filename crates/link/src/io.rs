//! Bytes: on their way, and the sockets under them.

pub(crate) mod connection;
pub(crate) mod dial;
pub(crate) mod outbox;
pub(crate) mod tls;
pub(crate) mod transport;
