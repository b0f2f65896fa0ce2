//! A wire between the store and a MySQL server that can be cut at the moments that matter. It
//! reads packets just well enough to see a COMMIT pass.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// What the wire does. The cuts at a COMMIT happen once; then the wire is whole again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// Everything passes.
    Whole,
    /// Nothing passes and nobody gets in.
    Cut,
    /// What is sent is swallowed; connections stay.
    Silent,
    /// After so many more packets, the connection of the next one is silent for good; then the wire
    /// is whole again, for other connections.
    SilentAfter(u32),
    /// The next COMMIT is lost with its connection.
    CutBeforeCommit,
    /// The next COMMIT arrives; its answer is lost with the connection.
    CutAfterCommit,
    /// The next COMMIT fails by a deadlock, as the certification of a cluster lets it.
    FailCommit,
    /// The next COMMIT is held up while its connection is lost, and arrives when released.
    HoldCommit,
}

#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    wire: Arc<watch::Sender<Wire>>,
    release: Arc<Notify>,
    _accepting: Arc<JoinSet<()>>,
}

impl Proxy {
    pub(super) async fn to(server: String) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let wire = Arc::new(watch::Sender::new(Wire::Whole));
        let release = Arc::new(Notify::new());
        let mut accepting = JoinSet::new();
        let (shared, released) = (Arc::clone(&wire), Arc::clone(&release));
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                if *shared.borrow() != Wire::Cut {
                    let server = TcpStream::connect(&server).await.expect("a server");
                    let (wire, release) = (Arc::clone(&shared), Arc::clone(&released));
                    connections.spawn(pass(client, server, wire, release));
                }
            }
        });
        Proxy { address, wire, release, _accepting: Arc::new(accepting) }
    }

    pub(super) fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }

    /// Waits until a cut at a COMMIT has happened.
    pub(super) async fn happened(&self) {
        self.wire.subscribe().wait_for(|wire| *wire == Wire::Whole).await.expect("a wire");
    }

    /// Lets a COMMIT go that is held.
    pub(super) fn release(&self) {
        self.release.notify_one();
    }
}

async fn pass(
    client: TcpStream,
    server: TcpStream,
    wire: Arc<watch::Sender<Wire>>,
    release: Arc<Notify>,
) {
    let (from_client, to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let mut cut = wire.subscribe();
    let mut down = Box::pin(downwards(&mut from_server, to_client));
    let (mut to_server, packet) = tokio::select! {
        held = upwards(from_client, to_server, &wire) => match held {
            Some(held) => held,
            None => return,
        },
        () = &mut down => return,
        _ = cut.wait_for(|wire| *wire == Wire::Cut) => return,
    };
    // A COMMIT came, and the wire is to be cut at it: the client's half goes with `down`.
    drop(down);
    match wire.send_replace(Wire::Whole) {
        Wire::CutAfterCommit => {}
        Wire::HoldCommit => release.notified().await,
        Wire::CutBeforeCommit
        | Wire::Whole
        | Wire::Cut
        | Wire::Silent
        | Wire::SilentAfter(_)
        | Wire::FailCommit => return,
    }
    to_server.write_all(&packet).await.expect("a server");
    to_server.shutdown().await.expect("a server");
    // The server answers into the void and closes when it is through.
    let mut void = Vec::new();
    let _ = from_server.read_to_end(&mut void).await;
}

/// Passes packets to the server, up to a COMMIT at which the wire is to be cut.
async fn upwards(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &watch::Sender<Wire>,
) -> Option<(OwnedWriteHalf, Vec<u8>)> {
    loop {
        let mut packet = vec![0; 4];
        from.read_exact(&mut packet).await.ok()?;
        let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]);
        packet.resize(4 + usize::try_from(length).ok()?, 0);
        from.read_exact(&mut packet[4..]).await.ok()?;
        let wire = *shared.borrow();
        match wire {
            Wire::Silent => continue,
            Wire::SilentAfter(0) => {
                shared.send_replace(Wire::Whole);
                // What comes from now on is read and goes nowhere.
                let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
                return None;
            }
            Wire::SilentAfter(more) => {
                shared.send_replace(Wire::SilentAfter(more - 1));
            }
            Wire::CutBeforeCommit | Wire::CutAfterCommit | Wire::HoldCommit
                if is_commit(&packet) =>
            {
                return Some((to, packet));
            }
            Wire::FailCommit if is_commit(&packet) => {
                packet = failing();
                shared.send_replace(Wire::Whole);
            }
            Wire::Whole
            | Wire::Cut
            | Wire::CutBeforeCommit
            | Wire::CutAfterCommit
            | Wire::FailCommit
            | Wire::HoldCommit => {}
        }
        to.write_all(&packet).await.ok()?;
    }
}

fn is_commit(packet: &[u8]) -> bool {
    packet[4..].eq_ignore_ascii_case(b"\x03COMMIT")
}

/// A packet with a statement that fails as a COMMIT does that lost against another node's.
fn failing() -> Vec<u8> {
    let statement = b"\x03SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213";
    let length = u8::try_from(statement.len()).expect("short");
    [&[length, 0, 0, 0], statement.as_slice()].concat()
}

async fn downwards(from: &mut OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
