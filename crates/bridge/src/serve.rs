//! The running bridge: everything wired together, and taken down in order.

use crate::config::{Config, Counter, Mistakes};
use crate::descriptors::{self, Wants};
use crate::reload::{self, Running};
use crate::service_manager::{ServiceManager, how};
use crate::waiting;
use anyhow::{Context, Result, anyhow};
use api::apps::Apps;
use api::auth::Authenticator;
use api::server::{Limits, Server, Stop, Trust};
use api::state::ApiState;
use console::pages;
use coordinator::Coordinator;
use link::{Acceptor, AcceptorConfig, AcceptorLimits, InboundPeer, Leave, Link};
use metrics_exporter_prometheus::PrometheusHandle;
use ops::OpsState;
use port::Unmatched;
use port::history::History;
use secrecy::ExposeSecret;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use store::{HoldKind, OnHold, Store};
use supervise::clock::now_micros;
use supervise::say_if_heard;
use supervise::task::{End, Task, watched};
use supervise::vitals::{Ailing, Vitals, Weight};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What counters say unasked and what waits to be looked at: a burst of late answers after an
/// outage is at most all windows of a few counters.
const UNMATCHED: usize = 4096;

/// How much of the budget for stopping is kept for the links, so that those that are connected sign
/// off in order, whatever else takes long.
const FOR_LINKS: Duration = Duration::from_secs(4);

/// How long a caller who has been answered is given to read it, once nothing moves any more. Nobody
/// else has a claim on the time in which a bridge stops.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// How long a stop may take beyond its budget: shards that end, a database that takes the last writes, and room.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// Where a running bridge is found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) api: SocketAddr,
    pub(crate) operators: SocketAddr,
    /// Where counters dial in, if any may.
    pub(crate) accept: Option<SocketAddr>,
}

/// A running bridge.
pub(crate) struct Bridge {
    pub(crate) addresses: Addresses,
    pub(crate) coordinator: Coordinator,
    store: Store,
    servers: Vec<JoinHandle<End>>,
    links: (TaskTracker, CancellationToken),
    shards: (TaskTracker, CancellationToken),
    serving: Stop,
    drain_budget: Duration,
    running: Running,
}

/// The task tracker of a group of tasks and what stops them.
type Group = (TaskTracker, CancellationToken);

/// How many connections of each kind there may be at once.
fn wants(config: &Config) -> Wants {
    let channels = |counter: &Counter| usize::from(counter.connections);
    let guests = config.counters.iter().filter(|counter| counter.dials_in).map(channels).sum();
    let accept = config.accept.as_ref();
    Wants {
        guests: accept.map_or(0, |accept| accept.limits.apart(guests)),
        links: config.counters.iter().map(channels).sum(),
        door: accept.map_or(0, |accept| accept.limits.unauthenticated),
        api: config.api.limits.connections,
        operators: config.operators.limits.connections,
    }
}

/// Starts a link to every counter; with those that dial in, what lets them in.
async fn spawn_links(
    config: &Config,
    history: &History,
    store: &Store,
    unmatched: &mpsc::Sender<Unmatched>,
    (tasks, stop): &Group,
) -> Result<(Vec<Link>, Vec<InboundPeer>)> {
    let on_hold = store.on_hold().await?.holds;
    let (mut handles, mut guests) = (Vec::with_capacity(config.counters.len()), Vec::new());
    for (counter, mut link) in config.counters.iter().zip(config.links(history)) {
        // What was stopped for a while may have lost the record, and does not know it yet.
        let held = store.clone();
        link.leave = Leave::of(move || !held.may_be_superseded());
        // It is not signed on to before it is known whether something needs it.
        let is_drained =
            |hold: &OnHold| hold.counter == link.counter && hold.kind == HoldKind::Drain;
        link.away.set(on_hold.iter().any(is_drained));
        let (unmatched, stop) = (unmatched.clone(), stop.clone());
        if counter.dials_in {
            let (link, guest) = Link::spawn_accepting(link, unmatched, tasks, stop);
            handles.push(link);
            guests.push(guest);
        } else {
            handles.push(Link::spawn(link, unmatched, tasks, stop));
        }
    }
    Ok((handles, guests))
}

/// Listens for counters that dial in, if any may; so many strangers are let stand at the door.
fn open_acceptor(
    config: &Config,
    guests: Vec<InboundPeer>,
    history: History,
    unauthenticated: usize,
) -> Result<Option<Acceptor>> {
    let Some(accept) = &config.accept else { return Ok(None) };
    let own = config.counters.iter().flat_map(|counter| &counter.dials_from);
    let settings = AcceptorConfig {
        own_addresses: own.copied().collect(),
        listen: accept.listen,
        own_name: config.name.clone(),
        tls: accept.tls.clone(),
        limits: AcceptorLimits { unauthenticated, ..accept.limits.clone() },
        history,
    };
    let listens = Acceptor::open(settings, guests);
    listens
        .with_context(|| format!("the door for counters cannot listen on {}", accept.listen))
        .map(Some)
}

fn tell_what_ails(ailing: &Ailing, manager: &ServiceManager) {
    if ailing.is_nothing() {
        tracing::info!("every task gets on again");
    } else {
        tracing::error!("{ailing}");
        // Whoever says so otherwise may be held up, too.
        manager.stands_still(ailing);
    }
}

/// Looks after all tasks, and feeds the manager's watchdog while those get on that the bridge can do nothing without.
/// Whatever else ails is begun anew, or held: to end the process would help nobody.
fn watch(vitals: &Vitals, manager: &ServiceManager) -> Result<()> {
    let (told, fed) = (manager.clone(), manager.clone());
    let watched = vitals.watch(
        move |ailing| tell_what_ails(ailing, &told),
        move |ailing| {
            if ailing.essential == 0 {
                fed.alive();
            }
        },
    );
    // Nobody would feed the manager's watchdog, which would end the process later without saying why.
    watched.context("the thread that looks after all tasks cannot be begun")
}

impl Bridge {
    /// Starts all of it; returns once requests are taken.
    pub(crate) async fn start(config: Config, manager: &ServiceManager) -> Result<Bridge> {
        let metrics = recorder()?;
        let allotted = descriptors::reserve(wants(&config))?;
        let database = config.database.expose_secret();
        let api = listen(config.api.listen, "the transfer API", database).await?;
        let operators = listen(config.operators.listen, "the operators' side", database).await?;
        let named = (&operators, &config.operators.names);
        let store = waiting::for_database(database, &config.record, &api, named, manager).await?;
        let (unmatched, unmatched_said) = mpsc::channel(UNMATCHED);
        let (links, shards) = (Group::default(), Group::default());
        let history = History::default();
        let (handles, guests) = spawn_links(&config, &history, &store, &unmatched, &links).await?;
        let (mut door_task, mut accept) = (None, None);
        if let Some(acceptor) = open_acceptor(&config, guests, history, allotted.door)? {
            accept = Some(acceptor.address()?);
            door_task = Some(acceptor.spawn(&links.0, links.1.clone()));
        }
        let addresses =
            Addresses { api: api.local_addr()?, operators: operators.local_addr()?, accept };
        let most_callers = config.coordinator.most_callers;
        let coordinator = Coordinator::start(
            config.coordinator,
            store.clone(),
            handles.into_iter().collect(),
            unmatched_said,
            api::json::render,
            &shards.0,
            shards.1.clone(),
        )
        .await?;

        let serving = Stop::default();
        let rights = config.apps.into_iter().map(|app| (app.name, app.rights));
        let state = Arc::new(ApiState {
            coordinator: coordinator.clone(),
            authenticator: Authenticator::new(config.keys, config.api.policy, config.api.nonces),
            longest_body: config.api.longest_body,
            apps: Apps::new(rights, most_callers),
        });
        let ops = OpsState {
            coordinator: coordinator.clone(),
            metrics,
            started_at: now_micros(),
            stop: serving.soft.clone(),
            feeds_per_address: config.operators.feeds_per_address,
            names: config.operators.names,
            people: store.people(),
            approval: config.operators.approval,
            metrics_for: config.operators.metrics_for,
        };
        let running = Running::new(state.clone(), &config.counters, config.settings);
        let limits = Limits { connections: allotted.api, ..config.api.limits };
        let api = Server::new(api, "api", limits, Trust::Shown);
        let limits = Limits { connections: allotted.operators, ..config.operators.limits };
        let operators = Server::new(operators, "operators", limits, Trust::Shown);
        let vitals = coordinator.vitals();
        if let Some(door) = door_task {
            vitals.add(door, Weight::Essential);
        }
        watch(vitals, manager)?;
        let servers = [
            ("the transfer API", api.serve(api::router(state), serving.clone())),
            ("the operators' side", operators.serve(ops::router(ops, pages), serving.clone())),
        ];
        let servers = servers.map(|(name, work)| {
            let task = Arc::new(Task::new(name));
            vitals.add(Arc::clone(&task), Weight::Essential);
            tokio::spawn(watched(task, work))
        });
        Ok(Bridge {
            addresses,
            coordinator,
            store,
            servers: servers.into(),
            links,
            shards,
            serving,
            drain_budget: config.drain_budget,
            running,
        })
    }

    /// The people of the operators' side.
    #[cfg(feature = "demo")]
    pub(crate) fn people(&self) -> store::people::People {
        self.store.people()
    }

    /// Waits until something has died that the bridge cannot do without, or another bridge holds the
    /// record; what, and how.
    pub(crate) async fn failed(&self) -> String {
        let mut superseded = self.store.superseded();
        tokio::select! {
            why = self.coordinator.vitals().failed() => why,
            why = async { superseded.wait_for(Option::is_some).await.ok()?.clone() } => {
                let why = why.unwrap_or_default();
                format!("the record is lost to another bridge: {why}")
            }
        }
    }

    /// Stops in order, within the budget: no new requests; what is on its way ends or is taken up
    /// again by the next start; sessions are signed off; the record is complete. Strangers who hold
    /// a connection, on whichever side, are not waited for.
    pub(crate) async fn stop(self) {
        self.stop_by(true).await;
    }

    /// The same after something has died: nothing is waited for that may never come.
    pub(crate) async fn stop_broken(self) {
        self.stop_by(false).await;
    }

    async fn stop_by(self, whole: bool) {
        let deadline = Instant::now() + self.drain_budget;
        let vitals = self.coordinator.vitals();
        // What stands still would be waited for in vain.
        let whole = whole && vitals.look(std::time::Instant::now()).is_nothing();
        vitals.dismiss();
        self.serving.soft.cancel();
        let for_transfers = deadline - FOR_LINKS.min(self.drain_budget / 2);
        if whole && timeout_at(for_transfers, self.settled()).await.is_err() {
            tracing::info!("transfers that are still on their way are taken up by the next start");
        }
        let by = deadline.min(Instant::now() + LAST_ANSWERS);
        let last_answers = async {
            for mut server in self.servers {
                if timeout_at(by, &mut server).await.is_err() {
                    self.serving.hard.cancel();
                    // It drops what is left at once.
                    let _ = server.await;
                }
            }
        };
        let links = async {
            let (tasks, stop) = self.links;
            stop.cancel();
            tasks.close();
            if timeout_at(deadline, tasks.wait()).await.is_err() {
                tracing::warn!("a link did not end in time");
            }
        };
        tokio::join!(last_answers, links);
        let (tasks, stop) = self.shards;
        stop.cancel();
        tasks.close();
        if timeout(Duration::from_secs(1), tasks.wait()).await.is_err() {
            tracing::warn!("a shard did not end in time");
        }
        if timeout(Duration::from_secs(5), self.store.close()).await.is_err() {
            tracing::error!("the database did not take the last writes; recovery will ask");
        }
    }

    /// Waits until no transfer is on its way to an end by itself, or none can be.
    async fn settled(&self) {
        while self.coordinator.open() > 0
            && self.coordinator.counters().iter().any(|counter| counter.is_up())
            && !self.coordinator.summary().await.is_ok_and(|summary| summary.moving() == 0)
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Listens. Where somebody else does already, it may be a bridge on the same record: then that is what
/// has to be known, and not which port it has.
async fn listen(address: SocketAddr, what: &str, database: &str) -> Result<TcpListener> {
    let taken = match TcpListener::bind(address).await {
        Ok(listener) => return Ok(listener),
        Err(error) => anyhow!(error).context(format!("{what} cannot listen on {address}")),
    };
    match store::held_by(database).await {
        Ok(Some(by)) => Err(taken.context(format!(
            "the record is held by {by}: two bridges on one record would both move its money; stop \
             the other, or give this one a record and addresses of its own"
        ))),
        Ok(None) | Err(_) => Err(taken),
    }
}

/// How often it is looked whether transfers are still on their way.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The process has one recorder; a second bridge in it shares it.
fn recorder() -> Result<PrometheusHandle> {
    static RECORDER: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let handle = ops::recorder()?.install_recorder().context("metrics")?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            if catch_unwind(AssertUnwindSafe(|| upkeep.run_upkeep())).is_err() {
                tracing::error!("the metrics could not be kept small");
            }
        }
    });
    Ok(RECORDER.get_or_init(|| handle).clone())
}

/// `counter-bridge serve`: runs until SIGTERM or SIGINT; a second one stops at once, which is as
/// safe: what was promised is durable.
///
/// SIGHUP reads the configuration again, by `read`. If anything is wrong with it, all stays as it is.
pub(crate) async fn run<R>(config: Config, read: R) -> Result<()>
where
    R: Fn() -> Result<Config, Mistakes> + Clone + Send + 'static,
{
    use tokio::signal::unix::{SignalKind, signal};
    // From the first moment on: it would end the process.
    let hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let manager = ServiceManager::of_environment();
    let started = tokio::select! {
        bridge = Bridge::start(config, &manager) => Some(bridge?),
        // It may be waiting for its database; nothing is begun.
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    let Some(bridge) = started else {
        tracing::info!("stopped before the bridge was up");
        manager.stopping(Duration::ZERO);
        manager.told().await;
        return Ok(());
    };
    let Addresses { api, operators, accept } = bridge.addresses;
    match accept {
        Some(accept) => {
            say_if_heard!(r#"{{"api":"{api}","operators":"{operators}","accept":"{accept}"}}"#);
        }
        None => say_if_heard!(r#"{{"api":"{api}","operators":"{operators}"}}"#),
    }
    let accept = accept.map(|address| address.to_string());
    tracing::info!(%api, %operators, accept, "the bridge is up");
    manager.ready(&how(&bridge.coordinator));
    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        why = bridge.failed() => Some(why),
        // Beside the others, so that they are heard whatever a file's disk or the database does.
        never = reload::at_each(hangup, read, &bridge.running, &manager) => match never {},
        never = manager.follow(&bridge.coordinator) => match never {},
    };
    manager.stopping(bridge.drain_budget + LAST_WRITES);
    if let Some(why) = &failed {
        tracing::error!("the bridge cannot go on and stops: {why}");
    } else {
        tracing::info!("stopping");
    }
    let stopping = async {
        match &failed {
            Some(_) => bridge.stop_broken().await,
            None => bridge.stop().await,
        }
    };
    tokio::select! {
        () = stopping => tracing::info!("stopped"),
        _ = terminate.recv() => tracing::warn!("stopped at once"),
        _ = interrupt.recv() => tracing::warn!("stopped at once"),
    }
    manager.told().await;
    match failed {
        Some(why) => Err(anyhow!("the bridge could not go on: {why}")),
        None => Ok(()),
    }
}
