//! How a transport is opened and secured. The rest of the crate takes any stream of bytes, so the same code
//! runs over TCP, over TLS, and over a pipe inside one process.

use crate::io::tls::{TlsDial, Trust};
use crate::io::transport::{Carrier, Secured, Transport};
use crate::request::intern::{Pool, TIMERS};
use crate::timers::Timers;
use port::status::Tls;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Opens transports.
pub trait Dial: Send + 'static {
    /// What it opens. A write that is pending or fails must not have taken a byte: what may have
    /// left is said to be taken.
    type Stream: Carrier + Send + 'static;

    /// Opens one to `address`, `host:port`. The caller limits the time.
    fn dial(&mut self, address: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Whether somebody takes connections at `address`, `host:port`. The caller limits the time.
    fn look(&mut self, address: &str) -> impl Future<Output = io::Result<()>> + Send {
        async { self.dial(address).await.map(drop) }
    }

    /// Whether [`Dial::secure`] does anything.
    fn secures(&self) -> bool {
        false
    }

    /// Secures what was opened, and says how. The caller limits the time.
    fn secure(
        &mut self,
        stream: Self::Stream,
    ) -> impl Future<Output = io::Result<(Self::Stream, Option<Tls>)>> + Send {
        async { Ok((stream, None)) }
    }
}

/// Opens TCP connections. The name is resolved anew each time, and its addresses are tried in the
/// order that the resolver gives.
#[derive(Clone, Debug)]
pub struct TcpDial(Arc<How>);

/// How connections are; shared, because every connection of a link holds it.
#[derive(Clone, Debug, PartialEq)]
struct How {
    timers: Arc<Timers>,
    tls: Option<TlsDial>,
}

static HOWS: Pool<How> = Pool::new();

impl TcpDial {
    /// With these timers' keepalive and user time-out.
    pub fn new(timers: &Timers) -> TcpDial {
        TcpDial(HOWS.one(How { timers: TIMERS.one(timers.clone()), tls: None }))
    }

    /// Under TLS, if so configured.
    #[must_use]
    pub fn secured(self, tls: Option<TlsDial>) -> TcpDial {
        TcpDial(HOWS.one(How { tls, ..How::clone(&self.0) }))
    }

    /// Sets a connection's options, whichever side opened it.
    pub(crate) fn prepare(&self, stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        // Requests are batched into one write already; waiting for more would only delay them.
        socket.set_tcp_nodelay(true)?;
        let timers = &self.0.timers;
        let keepalive = TcpKeepalive::new()
            .with_time(timers.keepalive_idle)
            .with_interval(timers.keepalive_interval)
            .with_retries(timers.keepalive_count);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(timers.tcp_user_timeout))?;
        Ok(())
    }
}

impl Dial for TcpDial {
    type Stream = Transport;

    async fn dial(&mut self, address: &str) -> io::Result<Transport> {
        let stream = TcpStream::connect(address).await?;
        self.prepare(&stream)?;
        Ok(Transport::Plain(stream))
    }

    fn secures(&self) -> bool {
        self.0.tls.is_some()
    }

    async fn secure(&mut self, stream: Transport) -> io::Result<(Transport, Option<Tls>)> {
        let (Some(tls), Transport::Plain(stream)) = (&self.0.tls, stream) else {
            return Err(io::Error::other("nothing to secure it with"));
        };
        let ready = tls.credentials.current();
        let connector = TlsConnector::from(ready.client);
        let stream = connector.connect(tls.server_name.clone(), stream).await?;
        let secured = Secured::new(stream, Trust::of_server(tls));
        let told = secured.told(ready.own_expires_at)?;
        Ok((Transport::Secured(Box::new(secured)), Some(told)))
    }
}

/// An address that is preferred to the one in use.
#[derive(Clone, Debug)]
pub(crate) struct Preferred {
    pub(crate) index: usize,
    pub(crate) address: String,
}

/// Waits until a preferred address answers, and says which.
pub(crate) type Better<'a> = Pin<Box<dyn Future<Output = Preferred> + Send + 'a>>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_connection_has_the_options_of_the_design() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address").to_string();
        let stream = TcpDial::new(&Timers::default()).dial(&address).await.expect("a connection");
        let Transport::Plain(stream) = &stream else { panic!("plain") };
        let socket = SockRef::from(stream);
        assert!(socket.tcp_nodelay().expect("an option"));
        assert!(socket.keepalive().expect("an option"));
        assert_eq!(socket.tcp_keepalive_time().expect("an option"), Duration::from_secs(6));
        assert_eq!(socket.tcp_keepalive_interval().expect("an option"), Duration::from_secs(3));
        assert_eq!(socket.tcp_keepalive_retries().expect("an option"), 3);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().expect("an option"), Some(Duration::from_secs(15)));
    }
}
