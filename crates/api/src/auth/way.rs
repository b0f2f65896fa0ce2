//! Between whom a request travels.

use std::net::SocketAddr;

/// Between which addresses a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The address that it comes from.
    pub from: SocketAddr,
    /// At which address of this bridge it arrived.
    pub to: SocketAddr,
}
