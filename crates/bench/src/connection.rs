//! One kept-alive HTTP/1.1 connection: a request's bytes out, an answer's status and body back.

use anyhow::{Result, bail, ensure};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer of this API has about a kilobyte.
const ROOM: usize = 4096;
/// What is longer is no answer of this API.
const LONGEST: usize = 1 << 20;
/// A bridge that keeps a caller waiting answers within 30 s.
const PATIENCE: Duration = Duration::from_secs(40);

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    inbox: Vec<u8>,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// Whether it says when to come again.
    pub(crate) retry_after: bool,
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, inbox: Vec::with_capacity(ROOM) })
    }

    /// Sends one request and waits for its answer. After an error the connection is of no use.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.inbox.clear();
        let head = loop {
            match head(&self.inbox)? {
                Some(head) if self.inbox.len() >= head.length + head.body => break head,
                Some(head) if head.length + head.body > LONGEST => bail!("an endless answer"),
                Some(_) | None => {}
            }
            ensure!(self.inbox.len() < LONGEST, "an endless answer");
            if self.inbox.capacity() == self.inbox.len() {
                self.inbox.reserve(ROOM);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.inbox)).await;
            match read {
                Ok(read) => ensure!(read? > 0, "the bridge closed the connection"),
                Err(_) => bail!("no answer within {} s", PATIENCE.as_secs()),
            }
        };
        let body = &self.inbox[head.length..head.length + head.body];
        Ok(Answer { status: head.status, retry_after: head.retry_after, body })
    }
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    retry_after: bool,
    length: usize,
    body: usize,
}

/// Reads a head, if it is all there.
fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end])?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let Some(status) = status else { bail!("{first:?} does not begin an HTTP/1.1 answer") };
    let (mut body, mut retry_after) = (None, false);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            body = Some(value.trim().parse()?);
        }
        retry_after |= name.eq_ignore_ascii_case("retry-after");
    }
    match body {
        Some(body) => Ok(Some(Head { status, retry_after, length: end + 4, body })),
        None => bail!("the answer does not say how long it is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let answer = b"HTTP/1.1 201 Created\r\nX: y\r\nContent-Length: 2\r\n\r\n{}";
        for cut in 0..answer.len() - 2 {
            assert_eq!(head(&answer[..cut]).expect("nothing wrong so far"), None);
        }
        let read = head(answer).expect("right").expect("whole");
        let expected = Head { status: 201, retry_after: false, length: answer.len() - 2, body: 2 };
        assert_eq!(read, expected);
        let later = b"HTTP/1.1 503 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
        assert!(head(later).expect("right").expect("whole").retry_after);
    }

    #[test]
    fn other_answers_are_refused() {
        for bad in [
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert!(head(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
