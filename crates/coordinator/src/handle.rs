//! Starts a coordinator and its shards, and shows open transfers. How transfers are begun is
//! [`crate::begin`], what persons say about them [`crate::persons`].

use crate::accusations::{Accusations, Fault};
use crate::actor::Actor;
use crate::alarms;
use crate::allowance::{Allowances, DayLimit};
use crate::begin::BeginError;
use crate::by_hand::ByHand;
use crate::clock::now_micros;
use crate::comparing::compare_late;
use crate::config::Config;
use crate::conserved::{Differences, Transit};
use crate::coordinator::{Coordinator, StartError};
use crate::counting::{self, Asking, COUNTED_WITHIN, Counted, Counts, Uncounted};
use crate::doubts::Doubts;
use crate::draining;
use crate::enduring::Enduring;
use crate::events::Events;
use crate::inner::Inner;
use crate::late_queue::LateQueue;
use crate::mail::Mail;
use crate::on_hold;
use crate::open_readmissions::OpenReadmissions;
use crate::reach;
use crate::reasons::Reasons;
use crate::recovery;
use crate::serials::Serials;
use crate::shard::{Render, Shard};
use crate::standing::Standing;
use crate::summary::Summary;
use crate::transit::Tally;
use crate::view::View;
use crate::watch::{
    look_at_record, route_unmatched, tell_left_out, watch_journal, watch_record, watch_serials,
    watch_sessions,
};
use dashmap::DashMap;
use domain::message::{CounterId, Instruction};
use domain::serial::{Day, MasterSerial, Sequence};
use futures::future::join_all;
use port::CounterIndex;
use port::{Counters, RequestOutcome, Unmatched};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use store::{JournalHealth, Store, StoreError, Stored};
use supervise::task::{Task, watched};
use supervise::vitals::{Vitals, Weight};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Mails that may wait for one shard: about 50 ms of work. More is refused at once.
const MAILBOX: usize = 4096;

/// A shard's task, as others watch it.
fn knocked_by_mail(index: usize, inner: &Inner) -> Arc<Task> {
    let reach = inner.shards[index].downgrade();
    Arc::new(Task::new(format!("shard {index}")).knocked_by(move || {
        if let Some(mailbox) = reach.upgrade() {
            // If there is no room, it has enough to show that it gets on.
            let _ = mailbox.try_send(Mail::Knock);
        }
    }))
}

/// Starts the tasks that watch on behalf of the shards, once what is open has been taken up.
fn watch_all(
    inner: &Arc<Inner>,
    unmatched: mpsc::Receiver<Unmatched>,
    asking: Asking,
    enduring: &Enduring<'_>,
) {
    let (of, asking) = (inner.clone(), Arc::new(Mutex::new(asking)));
    enduring.spawn("counts of open transfers", move || {
        let (of, asking) = (of.clone(), asking.clone());
        async move { counting::answer(&mut *asking.lock().await, || count(&of)).await }
    });
    let (of, unmatched) = (inner.clone(), Arc::new(Mutex::new(unmatched)));
    enduring
        .spawn("what counters say unasked", move || route_unmatched(of.clone(), unmatched.clone()));
    let of = inner.clone();
    enduring.spawn("the journal's health", move || watch_journal(of.clone()));
    let of = inner.clone();
    enduring.spawn("the record's standing", move || watch_record(of.clone()));
    let of = inner.clone();
    enduring.spawn("what operators hold", move || on_hold::follow(of.clone()));
    let of = inner.clone();
    enduring.spawn("drains of counters", move || draining::drain(of.clone()));
    let of = inner.clone();
    enduring.spawn("alarms", move || alarms::keep(of.clone()));
    let events = inner.events.clone();
    enduring.spawn("what is left out", move || tell_left_out(events.clone()));
    for (index, counter) in inner.counters.iter().enumerate() {
        let (of, index) = (inner.clone(), CounterIndex(index));
        let name = format!("sessions of {}", counter.id());
        enduring.spawn(name, move || watch_sessions(of.clone(), index));
        let of = inner.clone();
        let name = format!("serials of {}", counter.id());
        enduring.spawn(name, move || watch_serials(of.clone(), index));
    }
}

impl Coordinator {
    /// Starts the shards and takes up what is open. `unmatched` is what the counters say unasked.
    pub async fn start(
        config: Config,
        store: Store,
        counters: Counters,
        unmatched: mpsc::Receiver<Unmatched>,
        render: Render,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Coordinator, StartError> {
        let count = config.shards.max(1);
        let (shards, mailboxes): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::channel(MAILBOX)).unzip();
        let (holds, kept) = mpsc::unbounded_channel();
        let quoting_apps = store.apps_with_quoted_keys().await?;
        let (queues, late): (Vec<_>, Vec<_>) = counters.iter().map(|_| LateQueue::new()).unzip();
        let compared = counters.iter().map(|_| watch::Sender::new(None)).collect();
        let horizon = counters.iter().map(|counter| counter.profile().query_horizon_days).max();
        let today = Day::from_unix_micros(now_micros());
        let limits = &config.day_limits;
        // Only of those that have a limit: a day is read as a whole.
        let moved = if limits.is_empty() { Vec::new() } else { store.moved_on(today).await? };
        let limits = limits.iter().map(|(app, limit)| (app.clone(), *limit));
        let (counts, asking) = Counts::new();
        let inner = Arc::new(Inner {
            allowances: Allowances::new(limits, today, &moved),
            journal: store.journal(),
            serials: Serials::new(store.clone(), config.serial_block, horizon.unwrap_or(0)),
            store,
            counters,
            shards,
            running: DashMap::new(),
            quoting_apps,
            open: AtomicUsize::new(0),
            unreadable: AtomicUsize::new(0),
            callers: AtomicUsize::new(0),
            vitals: Vitals::default(),
            events: Events::default(),
            standing: Standing::default(),
            doubts: Doubts::default(),
            counts,
            differences: Differences::default(),
            reasons: Reasons::default(),
            readmissions: OpenReadmissions::default(),
            holds,
            by_hand: ByHand::default(),
            accusations: Accusations::default(),
            late: queues,
            compared,
            config: config.clone(),
        });
        // Before anything is said for which there may be one.
        alarms::begin(&inner).await;
        let vitals = &inner.vitals;
        for (index, mail) in mailboxes.into_iter().enumerate() {
            let task = knocked_by_mail(index, &inner);
            vitals.add(Arc::clone(&task), Weight::Essential);
            let actor = Actor {
                shard: Shard::new(config.clone(), render, rand::random()),
                inner: inner.clone(),
                mail,
            };
            tasks.spawn(watched(task, actor.run(stop.clone())));
        }
        vitals.add(Arc::clone(inner.journal.task()), Weight::Essential);
        for task in inner.counters.iter().flat_map(|counter| counter.tasks()) {
            vitals.add(Arc::clone(task), Weight::Replaceable);
        }
        let enduring = Enduring { vitals, tasks, stop: &stop };
        for (index, late) in late.into_iter().enumerate() {
            let (of, late) = (inner.clone(), Arc::new(Mutex::new(late)));
            let counter = CounterIndex(index);
            let name = format!("late answers of {}", of.counters[counter].id());
            enduring.spawn(name, move || compare_late(of.clone(), counter, late.clone()));
        }
        // Before anything is taken up: what a record that is behind may do is little.
        look_at_record(&inner);
        let (of, kept) = (inner.clone(), Arc::new(Mutex::new(kept)));
        enduring.spawn("holds of counters", move || reach::keep_holds(of.clone(), kept.clone()));
        reach::take_up_holds(&inner).await?;
        if let Err(error) = inner.readmissions.read(&inner.store).await {
            tracing::warn!(%error, "what is proposed about counters is not shown yet");
        }
        on_hold::take_up(&inner).await?;
        recovery::take_up(&inner).await?;
        watch_all(&inner, unmatched, asking, &enduring);
        Ok(Coordinator { inner })
    }

    /// An open transfer as it stands; `None` if it is not open here.
    pub async fn view(&self, sequence: Sequence) -> Option<View> {
        let (to, view) = oneshot::channel();
        self.inner.shard_of(sequence).send(Mail::View(sequence, to)).await.ok()?;
        view.await.ok().flatten()
    }

    /// Waits up to `wait` for an open transfer to become final; returns at once if it is not open.
    pub async fn wait(&self, sequence: Sequence, wait: Duration) {
        let (waiter, told) = oneshot::channel();
        if self.inner.shard_of(sequence).send(Mail::Wait(sequence, waiter)).await.is_ok() {
            // Whatever it was, the caller looks at the transfer next.
            let _ = tokio::time::timeout(wait, told).await;
        }
    }

    /// A transfer as the database holds it.
    pub async fn stored(&self, master: MasterSerial) -> Result<Option<Stored>, StoreError> {
        self.inner.store.find(master).await
    }

    /// The trail of a transfer: JSON arrays, in order.
    pub async fn trail(&self, master: MasterSerial) -> Result<Vec<String>, StoreError> {
        self.inner.store.trail(master).await
    }

    /// All open transfers that are durable.
    pub async fn open_views(&self) -> Vec<View> {
        let mut all = Vec::new();
        for shard in &self.inner.shards {
            let (to, views) = oneshot::channel();
            if shard.send(Mail::Views(to)).await.is_ok()
                && let Ok(views) = views.await
            {
                all.extend(views);
            }
        }
        all.sort_by_key(|view| view.transfer.intent.master);
        all
    }

    /// How things stand, counted anew.
    ///
    /// # Errors
    ///
    /// If a shard has not counted within [`COUNTED_WITHIN`].
    pub async fn summary(&self) -> Result<Summary, Uncounted> {
        let ask = |shard: &mpsc::Sender<Mail>| {
            let shard = shard.clone();
            async move {
                let (to, counted) = oneshot::channel();
                shard.send(Mail::Summary(to)).await.ok()?;
                counted.await.ok()
            }
        };
        let counted = join_all(self.inner.shards.iter().map(ask));
        let counted = timeout(COUNTED_WITHIN, counted).await.map_err(|_| Uncounted::Late)?;
        let mut summary = Summary::default();
        counted.into_iter().flatten().for_each(|of_shard| summary.join(of_shard));
        Ok(summary)
    }

    /// How things stand and money in transit, as it was counted at one time over all open transfers, and whether that money
    /// is conserved; that it is not is told as an alarm, once. All who ask within [`COUNT_LASTS`](crate::COUNT_LASTS) of
    /// a count are told that one, and one at most is on its way.
    ///
    /// # Errors
    ///
    /// If the bridge is stopping, or a shard has not counted within [`COUNTED_WITHIN`].
    pub async fn counted(&self) -> Result<Arc<Counted>, Uncounted> {
        self.inner.counts.ask().await
    }

    /// Asks a counter something that moves nothing.
    pub async fn ask(
        &self,
        counter: &CounterId,
        instruction: Instruction,
    ) -> Result<RequestOutcome, BeginError> {
        let asked = self.inner.counters.get(counter);
        let asked = asked.ok_or_else(|| BeginError::UnknownCounter(counter.clone()))?;
        self.inner.ask(&**asked, instruction).await.ok_or(BeginError::Stopping)
    }

    /// The tasks that drive transfers, the journal and the links, and how they are.
    pub fn vitals(&self) -> &Vitals {
        &self.inner.vitals
    }

    /// How often a counter did this wrong since the bridge started.
    pub fn faults(&self, counter: &CounterId, fault: Fault) -> u64 {
        self.inner.accusations.count(counter, fault)
    }

    /// What operators follow.
    pub fn events(&self) -> &Events {
        &self.inner.events
    }

    /// From here on these apps may move no more than this in a day. One that had no limit before begins
    /// nothing until [`Coordinator::count_days`] knows what it has moved today.
    pub fn limit_days(&self, limits: impl IntoIterator<Item = (Arc<str>, DayLimit)>) {
        self.inner.allowances.replace(limits, Day::from_unix_micros(now_micros()));
    }

    /// Whether it is known of every app that has a limit of a day what it has moved today.
    pub fn are_days_counted(&self) -> bool {
        self.inner.allowances.are_counted()
    }

    /// Reads from the record what those apps have moved today that had no limit before: all that has
    /// ended by now, not what is still on its way.
    pub async fn count_days(&self) -> Result<(), StoreError> {
        let today = Day::from_unix_micros(now_micros());
        let moved = self.inner.store.moved_on(today).await?;
        self.inner.allowances.count_before(today, &moved);
        Ok(())
    }

    /// All counters.
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// How the database is doing.
    pub fn journal_health(&self) -> JournalHealth {
        self.inner.journal.health().borrow().clone()
    }

    /// How many writes wait to be durable.
    pub fn writes_waiting(&self) -> usize {
        self.inner.journal.waiting()
    }

    /// How many transfers may be open at once.
    pub fn most_open(&self) -> usize {
        self.inner.config.most_open
    }

    /// Whether the record and the counters are fit to be acted upon.
    pub fn standing(&self) -> &Standing {
        &self.inner.standing
    }

    /// How many transfers are open.
    pub fn open(&self) -> usize {
        self.inner.open.load(Ordering::Relaxed)
    }
}

/// Counts in all shards, and looks whether money in transit is conserved; that it is not is told as an alarm, once.
async fn count(inner: &Inner) -> Result<Arc<Counted>, Uncounted> {
    let at = now_micros();
    let ask = |shard: &mpsc::Sender<Mail>| {
        let shard = shard.clone();
        async move {
            let (to, counted) = oneshot::channel();
            shard.send(Mail::Count(at, to)).await.ok()?;
            counted.await.ok()
        }
    };
    let (mut summary, mut tally) = (Summary::default(), Tally::default());
    for counted in join_all(inner.shards.iter().map(ask)).await {
        let (of_shard, transit) = counted.ok_or(Uncounted::Stopping)?;
        summary.join(of_shard);
        tally.join(transit);
    }
    let names: Vec<CounterId> = inner.counters.iter().map(|counter| counter.id().clone()).collect();
    let transit = Transit::of(tally, at, &names, &inner.standing.state());
    inner.differences.tell(&transit, &inner.events);
    Ok(Arc::new(Counted { summary, transit }))
}
