//! The bare client that the link is measured beside: the same requests as bytes, the same peer, and
//! nothing kept but a count.

use crate::meter;
use crate::script::{self, BRIDGE, CERTIFIED, KEY};
use anyhow::{Result, bail, ensure};
use bytes::{Buf, BytesMut};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use wire::codec::{Codec, Incoming, Parties};
use wire::conversation::{ChallengeAnswer, Conversation, SignOn};
use wire::dialect::Dialect;
use wire::message::Message;
use wire::payload::{Payload, RequestId};
use wire::proof::{self, Side};

/// What a link reads at once, in bytes.
const CHUNK: usize = 64 << 10;

/// So many pairs of request and answer in so much time and processor time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    pub(crate) pairs: u64,
    pub(crate) took: Duration,
    pub(crate) processor: Duration,
}

/// The client, signed on.
#[derive(Debug)]
pub(crate) struct Raw {
    stream: TcpStream,
    inbox: BytesMut,
    /// One request as bytes.
    request: BytesMut,
}

impl Raw {
    /// Signs on as a bridge would.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Raw> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let parties = Parties { own: BRIDGE.to_owned(), peer: CERTIFIED.to_owned() };
        let codec = Codec::new(Dialect::Securities, parties);
        let mut request = BytesMut::new();
        let debit = script::debit(1, &script::account());
        // As long as a link's.
        codec.encode(
            &Message::Payload(Payload::Request(RequestId(1_763_700_000_000_000), debit)),
            &mut request,
        )?;
        let mut raw = Raw { stream, inbox: BytesMut::with_capacity(CHUNK), request };
        let sign_on = SignOn {
            version: SignOn::VERSION,
            dialler: BRIDGE.to_owned(),
            acceptor: CERTIFIED.to_owned(),
            channel: 0,
            nonce: [3; 32],
            heartbeat_s: 0,
        };
        raw.say(&codec, &Message::Conversation(Conversation::SignOn(sign_on.clone()))).await?;
        let Message::Conversation(Conversation::Challenge(challenge)) = raw.hear(&codec).await?
        else {
            bail!("no challenge")
        };
        let proof = proof::prove(&KEY, Side::Dialler, &sign_on, &challenge.nonce);
        raw.say(
            &codec,
            &Message::Conversation(Conversation::Answer(ChallengeAnswer { proof, counter: None })),
        )
        .await?;
        let Message::Conversation(Conversation::Welcome(_)) = raw.hear(&codec).await? else {
            bail!("no welcome")
        };
        Ok(raw)
    }

    async fn say(&mut self, codec: &Codec, message: &Message) -> Result<()> {
        let mut bytes = BytesMut::new();
        codec.encode(message, &mut bytes)?;
        Ok(self.stream.write_all(&bytes).await?)
    }

    async fn hear(&mut self, codec: &Codec) -> Result<Message> {
        loop {
            match codec.decode(&mut self.inbox)? {
                Some(Incoming::Message(message)) => return Ok(message),
                Some(Incoming::Malformed(wrong)) => bail!("{}", wrong.error),
                None => ensure!(self.stream.read_buf(&mut self.inbox).await? > 0, "closed"),
            }
        }
    }

    /// Keeps so many requests in flight for so long.
    pub(crate) async fn run(&mut self, in_flight: usize, duration: Duration) -> Result<Pace> {
        let window: Vec<u8> = self.request.repeat(in_flight);
        let began = (Instant::now(), meter::processor_time());
        let end = began.0 + duration;
        let (mut pairs, mut out) = (0, in_flight);
        self.stream.write_all(&window).await?;
        while out > 0 {
            ensure!(self.stream.read_buf(&mut self.inbox).await? > 0, "closed");
            let mut answered = 0;
            while let Some(length) = self.inbox.first_chunk::<4>() {
                let whole = 4 + usize::try_from(u32::from_be_bytes(*length))?;
                if self.inbox.len() < whole {
                    break;
                }
                self.inbox.advance(whole);
                answered += 1;
            }
            self.inbox.reserve(CHUNK);
            pairs += u64::try_from(answered)?;
            if Instant::now() < end {
                self.stream.write_all(&window[..answered * self.request.len()]).await?;
            } else {
                out -= answered;
            }
        }
        let processor = meter::processor_time().saturating_sub(began.1);
        let took = began.0.elapsed();
        Ok(Pace { pairs, took, processor })
    }
}
