//! A coordinator over a real record and real links, to simulated counters over sockets.

use coordinator::events::{Event, Kind};
use coordinator::{Begin, BeginError, Begun, Config, Coordinator, Rendered, Summary, View};
use domain::message::{AccountId, BalanceQuery, CounterId, Instruction, Place, Reply};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::serial::{Day, MasterSerial, Sequence};
use link::{Link, LinkConfig};
use port::{Counter as AnyCounter, RequestOutcome, Unmatched};
use simulator::{FaultPlan, Options};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::{Allowance, HeldCounter, RecordStanding, Store};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::dialect::Dialect;

/// Nothing here takes so long, unless it never comes.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

pub(crate) fn counter_id(name: &str) -> CounterId {
    CounterId::new(name).expect("a counter")
}

pub(crate) fn account(name: &str) -> AccountId {
    AccountId::new(name).expect("an account")
}

/// A simulated counter.
pub(crate) struct Counter {
    id: CounterId,
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), simulator::Error>>,
}

impl Counter {
    /// With an account 6001 that has 10,000 yuan, and what goes wrong as a plan says it in TOML.
    pub(crate) async fn start(name: &str, plan: &str) -> Counter {
        Counter::with(name, plan, |_| ()).await
    }

    /// Comes back where it was, and remembers nothing.
    pub(crate) async fn comes_back(self, plan: &str) -> Counter {
        let (name, address) = (self.id.to_string(), self.address);
        self.stop().await;
        Counter::with(&name, plan, |options| options.listen = address).await
    }

    /// With something else said of it.
    pub(crate) async fn with(name: &str, plan: &str, change: impl FnOnce(&mut Options)) -> Counter {
        let id = counter_id(name);
        let key = KEY.to_vec().into();
        let mut options = Options::new(Dialect::Securities, id.clone(), "bridge".to_owned(), key);
        options.accounts = vec![(account("6001"), 1_000_000)];
        options.faults = FaultPlan::from_toml(plan).expect("a plan");
        change(&mut options);
        let stop = CancellationToken::new();
        let (ready, address) = oneshot::channel();
        let announce = |address| {
            let _ = ready.send(address);
        };
        let task = tokio::spawn(simulator::run(options, announce, stop.clone()));
        let address = address.await.expect("it listens");
        Counter { id, address, stop, task }
    }

    /// It leaves, and forgets all.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("in order");
    }
}

/// The coordinator, and what it stands on.
pub(crate) struct Stage {
    pub(crate) coordinator: Coordinator,
    /// What counters say unasked, as if their links had heard it.
    pub(crate) unasked: mpsc::Sender<Unmatched>,
    store: Store,
    shards: (TaskTracker, CancellationToken),
    links: (TaskTracker, CancellationToken),
}

/// What is told of a transfer: its serial, its state, and why.
fn render(view: &View) -> Rendered {
    let transfer = &view.transfer;
    let body = format!("{} {}", transfer.intent.master, transfer.state());
    Rendered { status: 201, body: body.into_bytes().into() }
}

/// Short, where only a loss is waited for.
pub(crate) fn config() -> Config {
    Config {
        posting_deadline: Duration::from_millis(300),
        query_deadline: Duration::from_secs(2),
        first_pause: Duration::from_millis(5),
        parked_pause: Duration::from_millis(20),
        ..Config::default()
    }
}

impl Stage {
    /// On the record in a folder; returns once every counter's session is open.
    pub(crate) async fn start(folder: &Path, counters: &[&Counter], config: Config) -> Stage {
        Stage::with_links(folder, counters, config, |_| ()).await
    }

    /// With something else said of each link.
    pub(crate) async fn with_links(
        folder: &Path,
        counters: &[&Counter],
        config: Config,
        change: impl Fn(&mut LinkConfig),
    ) -> Stage {
        Stage::beside(folder, counters, config, change, |_| Vec::new()).await
    }

    /// Beside counters that are no links; they can be asked until what they are made with is cancelled.
    pub(crate) async fn beside(
        folder: &Path,
        counters: &[&Counter],
        config: Config,
        change: impl Fn(&mut LinkConfig),
        others: impl FnOnce(&CancellationToken) -> Vec<Arc<dyn AnyCounter>>,
    ) -> Stage {
        Stage::spawned(folder, counters, config, change, others).await.once_up().await
    }

    async fn spawned(
        folder: &Path,
        counters: &[&Counter],
        config: Config,
        change: impl Fn(&mut LinkConfig),
        others: impl FnOnce(&CancellationToken) -> Vec<Arc<dyn AnyCounter>>,
    ) -> Stage {
        let url = format!("sqlite://{}", folder.join("record.sqlite").display());
        let store = Store::open(&url).await.expect("a record");
        let (unmatched, said) = mpsc::channel(64);
        let links = (TaskTracker::new(), CancellationToken::new());
        let spawned = counters.iter().map(|counter| {
            let addresses = vec![counter.address.to_string()];
            let (own, key) = ("bridge".to_owned(), KEY.to_vec().into());
            let id = counter.id.clone();
            let mut link = LinkConfig::new(id, addresses, Dialect::Securities, own, key);
            link.profile.echoes_marks = true;
            change(&mut link);
            Link::spawn(link, unmatched.clone(), &links.0, links.1.clone())
        });
        let spawned = spawned.map(|link| Arc::new(link) as Arc<dyn AnyCounter>);
        let spawned = spawned.chain(others(&links.1));
        let spawned = spawned.collect();
        let shards = (TaskTracker::new(), CancellationToken::new());
        let coordinator = Coordinator::start(
            config,
            store.clone(),
            spawned,
            said,
            render,
            &shards.0,
            shards.1.clone(),
        );
        let coordinator = coordinator.await.expect("it starts");
        Stage { coordinator, unasked: unmatched, store, shards, links }
    }

    /// The same whether or not any counter's session opens.
    pub(crate) async fn without_waiting(
        folder: &Path,
        counters: &[&Counter],
        config: Config,
    ) -> Stage {
        Stage::spawned(folder, counters, config, |_| (), |_| Vec::new()).await
    }

    /// Returns once every counter's session is open.
    async fn once_up(self) -> Stage {
        let up = async {
            while !self.coordinator.counters().iter().all(|counter| counter.is_up()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, up).await.expect("all counters are signed on to");
        self
    }

    /// A counter says something unasked.
    pub(crate) async fn say(&self, counter: &str, reply: Reply) {
        let said = Unmatched::Reply { counter: counter_id(counter), reply, late: false };
        self.unasked.send(said).await.expect("it is heard");
    }

    /// The record gives out serials after this one from now on.
    pub(crate) async fn go_on_after(&self, sequence: Sequence) {
        let day = Day::new(20_261_121).expect("a day");
        let (counter, allowance) = (counter_id("futures"), Allowance::Wanted(day));
        let lifted = self.store.lift_serials(&counter, sequence, allowance, 1);
        assert!(lifted.await.expect("it writes"));
    }

    /// Has a counter that goes by [`DROPS_WHO_ASKS_FOR_A_BALANCE`](crate::DROPS_WHO_ASKS_FOR_A_BALANCE)
    /// drop its session, and waits for the next.
    pub(crate) async fn sign_on_again(&self, counter: &str) {
        let query = BalanceQuery { account: account("6001"), currency: Currency::CNY };
        let link = self.coordinator.counters().get(&counter_id(counter)).expect("a counter");
        let former = link.session_began();
        let asked = self.coordinator.ask(link.id(), Instruction::Balance(query)).await;
        assert!(matches!(asked, Ok(RequestOutcome::Unknown(_))), "{asked:?}");
        let renewed = async {
            while !link.is_up() || link.session_began() == former {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, renewed).await.expect("it signs on again");
    }

    /// Waits until the record itself counts as behind, for the next start to know it.
    pub(crate) async fn record_is_behind(&self) {
        let mut standing = self.store.standing();
        let behind =
            standing.wait_for(|standing| matches!(standing, RecordStanding::Behind { .. }));
        drop(tokio::time::timeout(LIMIT, behind).await.expect("in time").expect("it is told"));
    }

    /// Waits until a counter is held in the record, for the next start to know it.
    pub(crate) async fn is_held(&self, counter: &str) -> HeldCounter {
        let held = async {
            loop {
                let held = self.store.held_counters().await.expect("it reads");
                if let Some(one) = held.into_iter().find(|one| one.counter == counter_id(counter)) {
                    return one;
                }
            }
        };
        tokio::time::timeout(LIMIT, held).await.expect("it is held")
    }

    /// In order: what is open is taken up again by the next.
    pub(crate) async fn stop(self) {
        for (tasks, stop) in [self.shards, self.links] {
            stop.cancel();
            tasks.close();
            tokio::time::timeout(LIMIT, tasks.wait()).await.expect("all its tasks end");
        }
        drop(self.coordinator);
        self.store.close().await;
    }

    /// Begins a transfer, and waits for its end for as long as a caller does.
    pub(crate) async fn begin(&self, key: &str, wait: Duration) -> Result<Begun, BeginError> {
        self.coordinator.begin(order(key), wait).await
    }

    /// Begins one that ends at once.
    pub(crate) async fn ends(&self, key: &str) -> (MasterSerial, String) {
        match self.begin(key, LIMIT).await.expect("it is begun") {
            Begun::Final { master, answer, replayed: false } => (master, text(&answer)),
            other => panic!("{other:?}"),
        }
    }

    /// Begins one that goes on when its caller has left.
    pub(crate) async fn goes_on(&self, key: &str) -> MasterSerial {
        match self.begin(key, Duration::ZERO).await.expect("it is begun") {
            Begun::Running(view) => view.transfer.intent.master,
            ended @ Begun::Final { .. } => panic!("{ended:?}"),
        }
    }

    /// Waits until so many are debited, and their credits on their way.
    pub(crate) async fn crediting(&self, count: usize) -> Summary {
        let crediting = async {
            loop {
                let summary = self.coordinator.summary().await.expect("counted");
                if summary.by_state.get("crediting") == Some(&count) {
                    return summary;
                }
            }
        };
        tokio::time::timeout(LIMIT, crediting).await.expect("they are debited")
    }

    /// Waits for an event of a kind with these words in it, also for one that has been.
    pub(crate) async fn event(&self, kind: Kind, words: &str) -> Event {
        let is_it = |event: &Event| event.kind == kind && event.text.contains(words);
        let (past, mut feed) = self.coordinator.events().follow();
        if let Some(event) = past.into_iter().find(is_it) {
            return event;
        }
        let coming = async {
            loop {
                let event = feed.recv().await.expect("the feed goes on");
                if is_it(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(LIMIT, coming)
            .await
            .unwrap_or_else(|_| panic!("no {kind:?} of {words:?}"))
    }
}

/// An order of one yuan from the securities counter to the futures counter.
pub(crate) fn order(key: &str) -> Begin {
    let place = |counter| Place { counter: counter_id(counter), account: account("6001") };
    Begin {
        app: "app".into(),
        idempotency_key: key.into(),
        former_key: None,
        fingerprint: [7; 32],
        order: Order {
            from: place("securities"),
            to: place("futures"),
            amount: Amount::new(100).expect("an amount"),
            currency: Currency::CNY,
        },
    }
}

pub(crate) fn text(answer: &Rendered) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}
