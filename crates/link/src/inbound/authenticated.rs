//! A connection whose counter has proven who it is, on its way from the acceptor to its actor.

use crate::io::transport::Transport;
use crate::session::Opened;
use bytes::BytesMut;
use port::status::Tls;
use std::net::SocketAddr;
use tokio::sync::oneshot;

/// See the module. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct AuthenticatedConnection {
    stream: Transport,
    /// What was read behind the sign-on.
    inbox: BytesMut,
    pub(crate) from: SocketAddr,
    tls: Option<Tls>,
    opened: Opened,
    refuse: oneshot::Sender<Refused>,
}

/// One that was let in.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) stream: Transport,
    pub(crate) inbox: BytesMut,
    pub(crate) from: SocketAddr,
    pub(crate) tls: Option<Tls>,
    pub(crate) opened: Opened,
}

/// Not taken: whoever greeted it says so.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) stream: Transport,
    pub(crate) text: String,
}

impl AuthenticatedConnection {
    pub(crate) fn new(
        stream: Transport,
        inbox: BytesMut,
        from: SocketAddr,
        tls: Option<Tls>,
        opened: Opened,
    ) -> (AuthenticatedConnection, oneshot::Receiver<Refused>) {
        let (refuse, refused) = oneshot::channel();
        (AuthenticatedConnection { stream, inbox, from, tls, opened, refuse }, refused)
    }

    /// Lets it in: its greeter is done.
    pub(crate) fn take(self) -> Taken {
        let AuthenticatedConnection { stream, inbox, from, tls, opened, refuse: _ } = self;
        Taken { stream, inbox, from, tls, opened }
    }

    pub(crate) fn refuse(self, text: String) {
        // A greeter that has gone has closed the connection.
        let _ = self.refuse.send(Refused { stream: self.stream, text });
    }
}
