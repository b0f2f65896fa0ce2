//! Links of this process, and the peer that they talk to.

use crate::child::Child;
use crate::peer;
use crate::script::{BRIDGE, CERTIFIED, KEY};
use anyhow::{Context, Result, bail};
use domain::message::CounterId;
use link::{Credentials, Link, LinkConfig, Outages, TlsDial};
use port::history::History;
use port::status::{Health, Snapshot};
use port::{Counter, Unmatched};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::dialect::Dialect;

/// See the module.
pub(crate) struct Fleet {
    pub(crate) peer: Child,
    pub(crate) ports: Vec<SocketAddr>,
    pub(crate) links: Vec<Link>,
    history: History,
    outages: Outages,
    tls: Option<(TlsDial, TempDir)>,
    unmatched: (mpsc::Sender<Unmatched>, mpsc::Receiver<Unmatched>),
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What a fleet's peer is to be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PeerPlan {
    pub(crate) ports: usize,
    pub(crate) connections: u32,
    pub(crate) tls: bool,
    /// Answers so many postings a second.
    pub(crate) rate: Option<u32>,
}

impl Fleet {
    /// Starts the peer; no links yet.
    pub(crate) async fn start(plan: PeerPlan) -> Result<Fleet> {
        let tls = if plan.tls {
            let folder = tempfile::tempdir()?;
            certify(folder.path())?;
            let ours = Credentials::load(peer::files(folder.path(), "bridge"))?;
            let dial = TlsDial::new(ours, CERTIFIED).map_err(anyhow::Error::msg)?;
            Some((dial, folder))
        } else {
            None
        };
        let mut arguments = vec!["peer".to_owned()];
        arguments.extend(["--ports".to_owned(), plan.ports.max(1).to_string()]);
        arguments.extend(["--connections".to_owned(), plan.connections.to_string()]);
        if let Some((_, folder)) = &tls {
            arguments.extend(["--tls".to_owned(), folder.path().display().to_string()]);
        }
        if let Some(rate) = plan.rate {
            arguments.extend(["--rate".to_owned(), rate.to_string()]);
        }
        let mut peer = Child::start(&arguments)?;
        let ready = peer.hear().await?;
        let ports = serde_json::from_value(ready["ports"].clone()).context("the peer's ports")?;
        Ok(Fleet {
            peer,
            ports,
            links: Vec::new(),
            history: History::default(),
            outages: Outages::default(),
            tls,
            unmatched: mpsc::channel(16),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Starts one link more, to this port, with this heartbeat.
    pub(crate) fn link(&mut self, port: usize, heartbeat_s: u16) -> Result<()> {
        self.link_with(port, heartbeat_s, |_| {})
    }

    /// The same, configured otherwise.
    pub(crate) fn link_with(
        &mut self,
        port: usize,
        heartbeat_s: u16,
        change: impl FnOnce(&mut LinkConfig),
    ) -> Result<()> {
        let address = self.ports.get(port).context("no such port")?.to_string();
        let counter = CounterId::new(&format!("counter-{}", self.links.len()))?;
        let key = KEY.to_vec().into();
        let name = BRIDGE.to_owned();
        let mut config = LinkConfig {
            history: self.history.clone(),
            outages: self.outages.clone(),
            tls: self.tls.as_ref().map(|(dial, _)| dial.clone()),
            ..LinkConfig::new(counter, vec![address], Dialect::Securities, name, key)
        };
        config.timers.heartbeat_s = heartbeat_s;
        change(&mut config);
        let (unmatched, stop) = (self.unmatched.0.clone(), self.stop.clone());
        self.links.push(Link::spawn(config, unmatched, &self.tasks, stop));
        Ok(())
    }

    /// Waits until all links are up.
    pub(crate) async fn up(&self, within: Duration) -> Result<()> {
        let all = async {
            for link in &self.links {
                until(link, |now| now.health == Health::Up).await?;
            }
            Ok(())
        };
        match timeout(within, all).await {
            Ok(done) => done,
            Err(_) => bail!("{} in {within:?}", self.standing()),
        }
    }

    /// How many links are up, and why one is not.
    pub(crate) fn standing(&self) -> String {
        let snapshots: Vec<_> = self.links.iter().map(Link::snapshot).collect();
        let up = snapshots.iter().filter(|now| now.health == Health::Up).count();
        let down = snapshots.iter().find(|now| now.health != Health::Up);
        let why = down.and_then(|now| now.connections[0].last_cause.clone()).unwrap_or_default();
        format!("only {up} of {} links are up: {why}", snapshots.len())
    }

    /// Sessions lost until now, by all links.
    pub(crate) fn drops(&self) -> u64 {
        self.links.iter().map(|link| link.snapshot().counts.drops).sum()
    }

    /// Ends all links in order; how long that took until the last was closed. Others may be
    /// started then.
    pub(crate) async fn end(&mut self) -> Result<Duration> {
        let began = Instant::now();
        self.stop.cancel();
        self.tasks.close();
        if timeout(Duration::from_secs(30), self.tasks.wait()).await.is_err() {
            bail!("{} links do not end: {}", self.tasks.len(), self.standing());
        }
        let took = began.elapsed();
        self.links.clear();
        (self.tasks, self.stop) = (TaskTracker::new(), CancellationToken::new());
        Ok(took)
    }
}

/// Waits until the link's snapshot is so.
pub(crate) async fn until(link: &Link, reached: impl Fn(&Snapshot) -> bool) -> Result<()> {
    // Most have reached it; and a link holds memory for those who follow it.
    if !reached(&link.snapshot()) {
        link.follow().wait_for(|now| reached(now)).await.context("the link has ended")?;
    }
    Ok(())
}

/// Certificates of both sides, by an authority that is forgotten at once.
fn certify(folder: &Path) -> Result<()> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);
    for side in ["bridge", "counter"] {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![side.to_owned()])?;
        let certificate = params.signed_by(&key, &issuer)?;
        let files = peer::files(folder, side);
        fs::write(&files.ca, &authority)?;
        fs::write(&files.certificate, certificate.pem())?;
        fs::write(&files.key, key.serialize_pem())?;
    }
    Ok(())
}
