//! A counter that is no link: its books are in this process, and outlive a coordinator that stops.

use crate::stage::{Counter, LIMIT, Stage, account, config, counter_id, order, text};
use crate::{CREDIT_REFUSED, NO_CREDIT, folder};
use coordinator::events::Kind;
use coordinator::{Begin, BeginError, Begun, Config, NewSessionError};
use domain::message::{AccountId, CounterId, Instruction, Reply};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::profile::Profile;
use domain::serial::{Day, Role, SubSerial};
use port::history::History;
use port::status::{Snapshot, State as LinkState};
use port::{
    Answers, Ask, Bounds, Counter as Port, InProcess, LastSignOn, NotSent, RequestOutcome, Sessions,
};
use simulator::books::{Books, Rules};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::HoldKind;
use supervise::task::Task;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The counter's books; clones are the same.
#[derive(Clone)]
struct Ledger(Arc<Mutex<Books>>);

impl Ledger {
    /// With an account 6001 that has 10,000 yuan; it says how far it has seen our serials.
    fn new() -> Ledger {
        Ledger::that_tells(true)
    }

    fn that_tells(tells_highest_serial: bool) -> Ledger {
        let rules = Rules {
            counter: counter_id("ledger"),
            profile: profile(),
            currency: Currency::CNY,
            settings: Vec::new(),
            open: true,
            tells_highest_serial,
        };
        let mut books = Books::new(rules, Day::new(20_261_121).expect("a day"));
        books.open_account(&account("6001"), 1_000_000, 1).expect("it is opened");
        Ledger(Arc::new(Mutex::new(books)))
    }

    fn holds(&self) -> i64 {
        let books = self.0.lock().expect("nobody panicked");
        let own: AccountId = account("6001");
        books.balances().find(|(id, _)| **id == own).expect("it is open").1
    }

    /// As a counter of a bridge.
    fn counter(&self, stop: &CancellationToken) -> InProcess {
        let (id, history) = (counter_id("ledger"), History::default());
        InProcess::new(id, profile(), history, self.clone(), stop.clone())
    }
}

fn profile() -> Profile {
    Profile { echoes_marks: true, ..Profile::default() }
}

impl Answers for Ledger {
    fn answer(&mut self, instruction: &Instruction) -> Reply {
        self.0.lock().expect("nobody panicked").execute(instruction, 1).reply
    }

    fn settle_day(&self) -> Day {
        self.0.lock().expect("nobody panicked").settle_day()
    }

    fn highest_serial(&self) -> Option<SubSerial> {
        self.0.lock().expect("nobody panicked").highest_serial()
    }
}

async fn stage(folder: &tempfile::TempDir, futures: &Counter, ledger: &Ledger) -> Stage {
    let others = |stop: &CancellationToken| vec![Arc::new(ledger.counter(stop)) as Arc<dyn Port>];
    Stage::beside(folder.path(), &[futures], config(), |_| (), others).await
}

/// A counter whose session is open, and which takes no question yet when it is asked for the first time.
#[derive(Debug)]
struct NotYet {
    counter: InProcess,
    was_asked: AtomicBool,
}

impl NotYet {
    fn new(counter: InProcess) -> NotYet {
        NotYet { counter, was_asked: AtomicBool::new(false) }
    }
}

impl Port for NotYet {
    fn ask_all(&self, asks: Vec<Ask>) {
        if self.was_asked.swap(true, Ordering::Relaxed) {
            return self.counter.ask_all(asks);
        }
        for Ask { ticket, reply_to, .. } in asks {
            reply_to.deliver(self.id(), ticket, RequestOutcome::NotSent(NotSent::Down));
        }
    }

    fn id(&self) -> &CounterId {
        self.counter.id()
    }

    fn profile(&self) -> &Arc<Profile> {
        self.counter.profile()
    }

    fn bounds(&self) -> &Bounds {
        self.counter.bounds()
    }

    fn settle_day(&self) -> Option<Day> {
        self.counter.settle_day()
    }

    fn per_transfer_limit(&self) -> Option<Amount> {
        self.counter.per_transfer_limit()
    }

    fn highest_serial(&self) -> Option<SubSerial> {
        self.counter.highest_serial()
    }

    fn session_began(&self) -> Option<Instant> {
        self.counter.session_began()
    }

    fn sessions(&self) -> Option<Sessions> {
        self.counter.sessions()
    }

    fn renew_sessions(&self, after: Instant) {
        self.counter.renew_sessions(after);
    }

    fn sign_on_changes(
        &self,
        known: LastSignOn,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        self.counter.sign_on_changes(known)
    }

    fn is_up(&self) -> bool {
        self.counter.is_up()
    }

    fn is_crowded(&self) -> bool {
        self.counter.is_crowded()
    }

    fn snapshot(&self) -> Snapshot {
        self.counter.snapshot()
    }

    fn follow(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.counter.follow()
    }

    fn history(&self) -> &History {
        self.counter.history()
    }

    fn tasks(&self) -> &[Arc<Task>] {
        self.counter.tasks()
    }

    fn reconnect_now(&self) {
        self.counter.reconnect_now();
    }

    fn release(&self) {
        self.counter.release();
    }

    fn recheck(&self) {
        self.counter.recheck();
    }

    fn leave(&self) {
        self.counter.leave();
    }

    fn come_back(&self) {
        self.counter.come_back();
    }

    fn spelled(&self, message: port::Spoken<'_>) -> port::Spelled {
        message.plainly()
    }
}

fn out_of(key: &str) -> Begin {
    let mut begin = order(key);
    begin.order.from.counter = counter_id("ledger");
    begin
}

fn into(key: &str) -> Begin {
    let mut begin = out_of(key);
    let Order { from, to, .. } = &mut begin.order;
    std::mem::swap(from, to);
    begin
}

async fn ends(stage: &Stage, order: Begin) -> String {
    match stage.coordinator.begin(order, LIMIT).await.expect("it is begun") {
        Begun::Final { answer, .. } => text(&answer),
        Begun::Running(view) => panic!("{view:?}"),
    }
}

/// Nothing is to be signed off and no session to be followed by another; new transfers are kept from it as from any.
#[tokio::test]
async fn it_is_held_and_drained_like_any_other_and_needs_no_session() {
    let (folder, ledger) = (folder(), Ledger::new());
    let futures = Counter::start("futures", "").await;
    let others = |stop: &CancellationToken| {
        let (id, history) = (counter_id("ledger"), History::default());
        let cannot_fence = Profile { can_fence: false, ..profile() };
        let counter = InProcess::new(id, cannot_fence, history, ledger.clone(), stop.clone());
        vec![Arc::new(counter) as Arc<dyn Port>]
    };
    let stage = Stage::beside(folder.path(), &[&futures], config(), |_| (), others).await;
    let (coordinator, id, wang) = (&stage.coordinator, counter_id("ledger"), "wang".into());
    let drained = coordinator.hold(&id, HoldKind::Drain, &wang, &"it is copied".into()).await;
    let drained = drained.expect("it is drained");
    stage.event(Kind::Held, "ledger is drained: nothing needs it").await;
    let refused = coordinator.begin(out_of("held"), LIMIT).await;
    assert!(
        matches!(&refused, Err(BeginError::CounterHeld(counter)) if *counter == id),
        "{refused:?}"
    );
    let renewed = coordinator.new_session(&id, &wang);
    assert_eq!(renewed, Err(NewSessionError::NoConnection(id.clone())));
    let released = coordinator.release(&id, None, &wang, &"it is done".into()).await;
    assert_eq!(released.expect("it is released"), drained);
    assert!(ends(&stage, out_of("held")).await.ends_with(" completed"));
    stage.stop().await;
    futures.stop().await;
}

/// A part of the bridge that hangs keeps no counter away that is released, and none is signed off of which it is not
/// known whether it is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shard_that_hangs_keeps_no_counter_drained() {
    let (folder, ledger) = (folder(), Ledger::new());
    let [futures, securities] =
        [Counter::start("futures", "").await, Counter::start("securities", "").await];
    let others = |stop: &CancellationToken| vec![Arc::new(ledger.counter(stop)) as Arc<dyn Port>];
    let linked = [&futures, &securities];
    let stage = Stage::beside(folder.path(), &linked, config(), |_| (), others).await;
    let (coordinator, wang) = (stage.coordinator.clone(), "wang".into());
    let drain = async |name: &str| {
        let note = "the line is moved".into();
        coordinator.hold(&counter_id(name), HoldKind::Drain, &wang, &note).await
    };
    let until = async |name: &str, wanted: LinkState| {
        let mut shown = coordinator.counters().get(&counter_id(name)).expect("there").follow();
        let reached = shown.wait_for(|now| now.connections[0].state == wanted);
        tokio::time::timeout(LIMIT, reached).await.expect("in time").expect("it is there");
    };
    drain("futures").await.expect("it is drained");
    until("futures", LinkState::Drained).await;
    // A shard waits for the ledger's books, which somebody else has.
    let ((has, had), (give, given)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let books = Arc::clone(&ledger.0);
    let other = std::thread::spawn(move || {
        let _books = books.lock().expect("nobody panicked");
        has.send(()).expect("it is awaited");
        let _: Result<(), _> = given.recv();
    });
    had.recv().expect("it has them");
    let mut slow = out_of("slow");
    slow.order.to.counter = counter_id("securities");
    let beginning = {
        let (coordinator, slow) = (coordinator.clone(), slow.clone());
        tokio::spawn(async move { coordinator.begin(slow, LIMIT).await })
    };
    stage.event(Kind::Held, "not known whether futures, which is drained, is needed").await;
    drain("securities").await.expect("it is drained");
    stage.event(Kind::Held, "not known whether securities, which is drained, is needed").await;
    let link = coordinator.counters().get(&counter_id("securities")).expect("there");
    assert!(link.is_up(), "something may need it");
    coordinator
        .release(&counter_id("futures"), None, &wang, &"it is moved".into())
        .await
        .expect("it is released");
    until("futures", LinkState::Up).await;
    give.send(()).expect("it waits");
    other.join().expect("no panic");
    let begun = beginning.await.expect("no panic").expect("it is begun");
    assert!(matches!(begun, Begun::Final { .. }), "{begun:?}");
    until("securities", LinkState::Drained).await;
    stage.stop().await;
    futures.stop().await;
    securities.stop().await;
}

#[tokio::test]
async fn money_moves_out_of_it_and_into_it() {
    let (folder, ledger) = (folder(), Ledger::new());
    let futures = Counter::start("futures", "").await;
    let stage = stage(&folder, &futures, &ledger).await;
    assert!(ends(&stage, out_of("out")).await.ends_with(" completed"));
    assert_eq!(ledger.holds(), 999_900);
    assert!(ends(&stage, into("in")).await.ends_with(" completed"));
    assert_eq!(ledger.holds(), 1_000_000);
    let mut too_much = out_of("too much");
    too_much.order.amount = Amount::new(1_000_001).expect("an amount");
    assert!(ends(&stage, too_much).await.ends_with(" refused"));
    assert_eq!(ledger.holds(), 1_000_000);
    stage.stop().await;
    futures.stop().await;
}

#[tokio::test]
async fn what_the_other_refuses_is_given_back_to_it() {
    let (folder, ledger) = (folder(), Ledger::new());
    let futures = Counter::start("futures", CREDIT_REFUSED).await;
    let stage = stage(&folder, &futures, &ledger).await;
    assert!(ends(&stage, out_of("out")).await.ends_with(" reversed"));
    assert_eq!(ledger.holds(), 1_000_000);
    stage.stop().await;
    futures.stop().await;
}

/// The bridge dies between the legs; the next asks both, and neither of them moves anything twice.
#[tokio::test]
async fn the_next_life_goes_on_with_what_its_books_hold() {
    let (folder, ledger) = (folder(), Ledger::new());
    let futures = Counter::start("futures", NO_CREDIT).await;
    let first = stage(&folder, &futures, &ledger).await;
    let begun = first.coordinator.begin(out_of("out"), Duration::ZERO).await.expect("it is begun");
    let Begun::Running(view) = begun else { panic!("{begun:?}") };
    first.crediting(1).await;
    first.stop().await;
    let futures = futures.comes_back("").await;
    let next = stage(&folder, &futures, &ledger).await;
    next.coordinator.wait(view.transfer.intent.master.sequence, LIMIT).await;
    assert!(ends(&next, out_of("out")).await.ends_with(" completed"), "by its key");
    assert!(ends(&next, out_of("another")).await.ends_with(" completed"));
    assert_eq!(ledger.holds(), 999_800);
    next.stop().await;
    futures.stop().await;
}

/// A counter that says no highest serial is asked what it posted. One that could not be asked at once is asked
/// again in the same session: it has seen a serial that the record never gave out.
#[tokio::test]
async fn one_that_could_not_be_asked_what_it_has_seen_is_asked_again() {
    let (first, ledger) = (folder(), Ledger::that_tells(false));
    let futures = Counter::start("futures", "").await;
    let before = stage(&first, &futures, &ledger).await;
    let begun = before.coordinator.begin(into("in"), LIMIT).await.expect("it is begun");
    let Begun::Final { master, .. } = begun else { panic!("{begun:?}") };
    before.stop().await;
    futures.stop().await;

    let (second, futures) = (folder(), Counter::start("futures", "").await);
    let config = Config { states_all_accounts: [counter_id("ledger")].into(), ..config() };
    let others = |stop: &CancellationToken| {
        vec![Arc::new(NotYet::new(ledger.counter(stop))) as Arc<dyn Port>]
    };
    let stage = Stage::beside(second.path(), &[&futures], config, |_| (), others).await;
    let words = format!(
        "ledger gets no new transfers: it says that it has seen the sub serial {}",
        master.leg(Role::Credit)
    );
    stage.event(Kind::Contradiction, &words).await;
    stage.stop().await;
    futures.stop().await;
}
