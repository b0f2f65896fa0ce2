//! What carries the bytes: TCP, plain or under TLS.
//!
//! A write under TLS that fails may have sent some of its bytes before it failed, and does not say
//! how many. [`Secured`] then says that it took them all, and fails the next time: what may have
//! left is never told to be unsent.

use crate::io::tls::{self, Trust};
use port::status::Tls;
use rustls::ProtocolVersion;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// How much is offered to TLS at once, in bytes: one record. So much of what is queued is taken
/// for sent when a write fails, and no more.
const RECORD: usize = 16 << 10;

/// What carries a conversation.
pub trait Carrier: AsyncRead + AsyncWrite + Unpin {
    /// Why the other side's certificate is not believed any more, if it is not; for people.
    fn distrusted(&self) -> Option<String> {
        None
    }
}

impl Carrier for DuplexStream {}

impl<S: AsyncRead + AsyncWrite + Unpin> Carrier for Transport<S> {
    fn distrusted(&self) -> Option<String> {
        match self {
            Transport::Plain(_) => None,
            Transport::Secured(secured) => secured.distrusted(),
        }
    }
}

/// TCP, plain or under TLS; or another stream of bytes in its place.
#[derive(Debug)]
pub enum Transport<S = TcpStream> {
    /// In the clear.
    Plain(S),
    /// Under TLS.
    Secured(Box<Secured<S>>),
}

/// A stream under TLS; see the module.
#[derive(Debug)]
pub struct Secured<S> {
    stream: TlsStream<S>,
    failed: Option<io::Error>,
    /// Whom we believe, and as whom.
    trust: Trust,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Secured<S> {
    /// After the handshake.
    pub fn new(stream: impl Into<TlsStream<S>>, trust: Trust) -> Secured<S> {
        Secured { stream: stream.into(), failed: None, trust }
    }

    fn distrusted(&self) -> Option<String> {
        let chain = self.stream.get_ref().1.peer_certificates().unwrap_or_default();
        self.trust.still(chain).err()
    }

    /// Whom the other side's certificate names. An error is for people.
    pub(crate) fn names(&self) -> Result<Vec<String>, String> {
        let chain = self.stream.get_ref().1.peer_certificates().unwrap_or_default();
        let first = chain.first().ok_or_else(|| "no certificate".to_owned())?;
        tls::read(first).map(|certificate| certificate.names)
    }

    /// How it is secured. An error is for people: a certificate that cannot be read.
    pub fn told(&self, own_expires_at: i64) -> io::Result<Tls> {
        let (_, connection) = self.stream.get_ref();
        let chain = connection.peer_certificates().unwrap_or_default();
        let first = chain.first().ok_or_else(|| io::Error::other("no certificate"))?;
        let peer = tls::read(first).map_err(io::Error::other)?;
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3".to_owned(),
            Some(ProtocolVersion::TLSv1_2) => "1.2".to_owned(),
            Some(other) => format!("{other:?}"),
            None => String::new(),
        };
        Ok(Tls {
            version,
            peer: peer.names.join(", "),
            peer_expires_at: peer.expires_at,
            own_expires_at,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            // Closed without TLS's own farewell, as by a process that died. Our frames have
            // lengths: what was cut off is seen to be.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(()))
            }
            read => read,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let record = &bytes[..bytes.len().min(RECORD)];
        match Pin::new(&mut self.stream).poll_write(context, record) {
            Poll::Ready(Err(error)) if !record.is_empty() => {
                self.failed = Some(error);
                Poll::Ready(Ok(record.len()))
            }
            written => written,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Secured(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Secured(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Secured(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Secured(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
