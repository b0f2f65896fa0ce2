//! Tells the service manager how the bridge is, where one listens: `Type=notify` of systemd and its watchdog, by the
//! protocol of `sd_notify(3)`.
//!
//! *Ready* is a bridge that listens and has taken up what is open. Whether it takes transfers is another thing, which
//! its status says: one whose record is behind waits for a person who looks at it, and to start it again and again
//! would help nobody. The watchdog is fed by whoever looks at the tasks, and only while all get on that the bridge can do
//! nothing without ([`supervise::vitals`]): a timer goes on while a shard hangs.

use coordinator::Coordinator;
use coordinator::standing::Record;
use sd_notify::NotifyState;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use store::JournalHealth;
use supervise::vitals::Ailing;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// What waits to be told while the manager does not read. What comes then is dropped: nothing waits for a manager.
const MOST_WAITING: usize = 64;

/// Characters of a status; the words of a database may be long.
const LONGEST_STATUS: usize = 300;

/// A start that waits for its database has so long from each attempt on: the next comes within seconds, and one that
/// hangs is ended.
const NEXT_ATTEMPT: Duration = Duration::from_mins(2);

/// How often it is looked whether the status is another.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_millis(if cfg!(test) { 30_000 } else { 500 });

/// Whoever started this process and wants to know how it is; by default nobody. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceManager {
    telling: Option<SyncSender<Said>>,
    watches: bool,
    /// Whether somebody else has said how the bridge is since whoever follows it has: that may be over by now.
    is_overtaken: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Said {
    /// One message.
    Words(Vec<Word>),
    /// All before has been told.
    Flush(oneshot::Sender<()>),
}

#[derive(Debug)]
enum Word {
    Ready,
    /// With the time on the clock that nobody steps, in microseconds.
    Reloading(Option<i128>),
    Stopping,
    Alive,
    /// What goes on may take so long from now.
    Extend(Duration),
    Status(String),
}

impl Word {
    fn states(&self) -> Vec<NotifyState<'_>> {
        match self {
            Word::Ready => vec![NotifyState::Ready],
            Word::Reloading(at) => {
                let at = at.map(NotifyState::MonotonicUsec);
                [NotifyState::Reloading].into_iter().chain(at).collect()
            }
            Word::Stopping => vec![NotifyState::Stopping],
            Word::Alive => vec![NotifyState::Watchdog],
            Word::Extend(within) => {
                let micros = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
                vec![NotifyState::ExtendTimeoutUsec(micros)]
            }
            Word::Status(status) => vec![NotifyState::Status(status)],
        }
    }
}

/// A status is one line: whatever is quoted in it says nothing of its own.
fn status(words: &str) -> Word {
    let line = foreign::shown(words).to_string();
    Word::Status(line.chars().take(LONGEST_STATUS).collect())
}

impl ServiceManager {
    /// The one that the environment names, if it names one.
    pub(crate) fn of_environment() -> ServiceManager {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return ServiceManager::default();
        }
        ServiceManager::told_by(sd_notify::notify, sd_notify::watchdog_enabled().is_some())
    }

    /// One that is told by `tell`, on a thread of its own: a manager that does not read would hold it up.
    fn told_by(
        tell: impl FnMut(&[NotifyState<'_>]) -> io::Result<()> + Send + 'static,
        watches: bool,
    ) -> ServiceManager {
        let (telling, said) = sync_channel(MOST_WAITING);
        let thread = thread::Builder::new().name("service manager".to_owned());
        match thread.spawn(move || pass_on(&said, tell)) {
            Ok(_) => {
                ServiceManager { telling: Some(telling), watches, is_overtaken: Arc::default() }
            }
            Err(error) => {
                tracing::error!(%error, "the service manager cannot be told how the bridge is");
                ServiceManager::default()
            }
        }
    }

    fn say(&self, words: Vec<Word>) {
        if let Some(telling) = &self.telling {
            // A manager that does not read learns nothing.
            let _ = telling.try_send(Said::Words(words));
        }
    }

    /// It waits for its database, and has just tried to reach it.
    pub(crate) fn waiting(&self, what: &str) {
        let words = status(&format!("waiting for the database: {what}"));
        self.say(vec![words, Word::Extend(NEXT_ATTEMPT)]);
    }

    /// It listens, and what is open is taken up; or its configuration has been read again.
    pub(crate) fn ready(&self, words: &str) {
        self.say(vec![Word::Ready, status(words)]);
    }

    /// It reads its configuration again.
    pub(crate) fn reloading(&self) {
        let now = NotifyState::monotonic_usec_now().ok();
        let now = now.and_then(|now| match now {
            NotifyState::MonotonicUsec(micros) => Some(micros),
            _ => None,
        });
        self.say(vec![Word::Reloading(now), status("reading its configuration again")]);
    }

    /// It stops, which may take so long.
    pub(crate) fn stopping(&self, within: Duration) {
        self.say(vec![Word::Stopping, Word::Extend(within), status("stopping")]);
    }

    /// All that the bridge can do nothing without gets on.
    pub(crate) fn alive(&self) {
        if self.watches {
            self.say(vec![Word::Alive]);
        }
    }

    /// How it is, in words.
    pub(crate) fn status(&self, words: &str) {
        self.say(vec![status(words)]);
    }

    /// Tasks do not get on. Whoever follows how the bridge is may be held up, too; once it is not, it says how the bridge
    /// is then.
    pub(crate) fn stands_still(&self, ailing: &Ailing) {
        self.status(&standstill(ailing));
        self.is_overtaken.store(true, Ordering::Relaxed);
    }

    /// Whether how the bridge is now is to be said: it is another than was said last, or somebody else has said something
    /// since.
    fn is_news(&self, last: &str, now: &str) -> bool {
        self.is_overtaken.swap(false, Ordering::Relaxed) || now != last
    }

    /// Says how the bridge is whenever that is another.
    pub(crate) async fn follow(&self, coordinator: &Coordinator) -> Infallible {
        if self.telling.is_none() {
            return std::future::pending().await;
        }
        let mut last = how(coordinator);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let now = how(coordinator);
            if self.is_news(&last, &now) {
                self.status(&now);
                last = now;
            }
        }
    }

    /// Waits a moment until all that was said has been told.
    pub(crate) async fn told(&self) {
        let Some(telling) = &self.telling else { return };
        let (done, told) = oneshot::channel();
        if telling.try_send(Said::Flush(done)).is_ok() {
            let _ = timeout(LAST_WORDS, told).await;
        }
    }
}

fn pass_on(said: &Receiver<Said>, mut tell: impl FnMut(&[NotifyState<'_>]) -> io::Result<()>) {
    let mut failed = false;
    while let Ok(said) = said.recv() {
        match said {
            Said::Words(words) => {
                let states: Vec<_> = words.iter().flat_map(Word::states).collect();
                let told = tell(&states);
                if let (Err(error), false) = (&told, failed) {
                    tracing::warn!(%error, "the service manager is not told how the bridge is");
                }
                failed = told.is_err();
            }
            // Whoever asked may have gone.
            Said::Flush(done) => drop(done.send(())),
        }
    }
}

/// How a bridge is, in words.
pub(crate) fn how(coordinator: &Coordinator) -> String {
    let counters = coordinator.counters();
    let held = coordinator.standing().state().held.len();
    words(
        &coordinator.vitals().look(Instant::now()),
        &coordinator.journal_health(),
        &coordinator.standing().record(),
        Counters {
            all: counters.iter().count(),
            up: counters.iter().filter(|counter| counter.is_up()).count(),
            held,
        },
    )
}

/// How many counters there are, are connected, and get no new transfers.
#[derive(Clone, Copy)]
struct Counters {
    all: usize,
    up: usize,
    held: usize,
}

fn words(ailing: &Ailing, journal: &JournalHealth, record: &Record, counters: Counters) -> String {
    if !ailing.is_nothing() {
        return standstill(ailing);
    }
    if let Record::Behind { why, .. } = record {
        return format!("takes no transfers: the record is behind: {why}");
    }
    if let JournalHealth::Failing { why, .. } = journal {
        return format!("takes no transfers: the database does not record: {why}");
    }
    let Counters { all, up, held } = counters;
    let held =
        if held == 0 { String::new() } else { format!(", {held} held until a person looks") };
    format!("takes transfers; {up} of {all} counters connected{held}")
}

/// Which tasks do not get on. Not for how long: it would be told anew each second.
fn standstill(ailing: &Ailing) -> String {
    let dead = ailing.dead.iter().map(|(name, _)| format!("{name} has died"));
    let still = ailing.still.iter().map(|(name, _)| format!("{name} stands still"));
    format!("takes no transfers: {}", dead.chain(still).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    /// A manager, and all messages that it was told, as they are on the wire.
    fn manager(watches: bool) -> (ServiceManager, Arc<Mutex<Vec<String>>>) {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&told);
        let tell = move |states: &[NotifyState<'_>]| {
            let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
            kept.lock().expect("no panic").push(lines.join("\n"));
            Ok(())
        };
        (ServiceManager::told_by(tell, watches), told)
    }

    #[tokio::test]
    async fn a_life_is_told_in_order() {
        let (manager, told) = manager(true);
        manager.waiting("it cannot be reached");
        manager.ready("takes transfers");
        manager.alive();
        manager.reloading();
        manager.ready("takes transfers");
        manager.stopping(Duration::from_secs(30));
        manager.told().await;
        let told = told.lock().expect("no panic").clone();
        let (reloading, others) = (&told[3], [&told[..3], &told[4..]].concat());
        assert_eq!(
            others,
            [
                "STATUS=waiting for the database: it cannot be reached\nEXTEND_TIMEOUT_USEC=120000000",
                "READY=1\nSTATUS=takes transfers",
                "WATCHDOG=1",
                "READY=1\nSTATUS=takes transfers",
                "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS=stopping",
            ]
        );
        // systemd takes no reload without the time, which is the machine's own since its start.
        let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("with a time");
        let (at, rest) = at.split_once('\n').expect("and a status");
        assert!(at.parse::<u64>().is_ok_and(|at| at > 0), "{reloading}");
        assert_eq!(rest, "STATUS=reading its configuration again");
    }

    /// A standstill that is over before anybody looks again leaves no status behind that says otherwise.
    #[tokio::test]
    async fn after_a_short_standstill_it_is_said_how_the_bridge_is() {
        let (manager, told) = manager(true);
        let well = "takes transfers; 2 of 2 counters connected";
        assert!(!manager.is_news(well, well));
        let still = vec![("shard 0".to_owned(), Duration::from_secs(12))];
        manager.clone().stands_still(&Ailing { still, essential: 1, ..Ailing::default() });
        manager.told().await;
        assert_eq!(
            *told.lock().expect("no panic"),
            ["STATUS=takes no transfers: shard 0 stands still"]
        );
        assert!(manager.is_news(well, well), "nothing has changed for whoever follows it");
        assert!(!manager.is_news(well, well), "once");
        assert!(manager.is_news(well, "takes no transfers"));
    }

    #[tokio::test]
    async fn a_manager_that_does_not_watch_is_not_told_that_it_lives() {
        let (manager, told) = manager(false);
        manager.alive();
        manager.told().await;
        assert!(told.lock().expect("no panic").is_empty());
        // And nobody is told nothing.
        let nobody = ServiceManager::default();
        nobody.ready("takes transfers");
        nobody.told().await;
    }

    /// A database's words can neither say that the bridge is ready nor fill a datagram.
    #[tokio::test]
    async fn what_is_quoted_is_one_line_and_not_long() {
        let (manager, told) = manager(true);
        manager.status(&format!("x\nREADY=1\n{}", "y".repeat(LONGEST_STATUS)));
        manager.status(&"z".repeat(LONGEST_STATUS));
        manager.told().await;
        let told = told.lock().expect("no panic");
        assert!(
            told[0].starts_with("STATUS=x\\nREADY=1\\nyy") && !told[0].contains('\n'),
            "{told:?}"
        );
        for one in &*told {
            assert_eq!(one.chars().count(), "STATUS=".len() + LONGEST_STATUS);
        }
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up() {
        let (go_on, until) = channel::<()>();
        let (begun, begins) = channel();
        let (counted, count) = channel();
        let tell = move |_: &[NotifyState<'_>]| {
            let _ = (begun.send(()), until.recv(), counted.send(()));
            Ok(())
        };
        let manager = ServiceManager::told_by(tell, true);
        manager.alive();
        begins.recv().expect("the first is being told");
        for _ in 0..=MOST_WAITING {
            manager.alive();
        }
        drop((go_on, manager));
        assert_eq!(count.iter().count(), 1 + MOST_WAITING, "one is dropped");
    }

    #[test]
    fn how_it_is_is_said_in_words() {
        let behind = Record::Behind { since: 7, why: "3 batches are missing".to_owned() };
        let failing = JournalHealth::Failing { since: 5, why: "disk full".to_owned() };
        let ailing = Ailing {
            dead: vec![("link futures".to_owned(), "it ended".to_owned())],
            still: vec![("shard 0".to_owned(), Duration::from_secs(12))],
            essential: 1,
        };
        let (well, current) = (Ailing::default(), Record::Current);
        let some = |up, held| Counters { all: 2, up, held };
        for (said, expected) in [
            (
                words(&well, &JournalHealth::Ok, &current, some(1, 0)),
                "takes transfers; 1 of 2 counters connected",
            ),
            (
                words(&well, &JournalHealth::Ok, &current, some(2, 1)),
                "takes transfers; 2 of 2 counters connected, 1 held until a person looks",
            ),
            (
                words(&well, &failing, &current, some(2, 0)),
                "takes no transfers: the database does not record: disk full",
            ),
            (
                words(&well, &failing, &behind, some(2, 0)),
                "takes no transfers: the record is behind: 3 batches are missing",
            ),
            (
                words(&ailing, &failing, &behind, some(2, 0)),
                "takes no transfers: link futures has died, shard 0 stands still",
            ),
        ] {
            assert_eq!(said, expected);
        }
    }
}
