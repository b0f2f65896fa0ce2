//! The task that owns the writing connection: collects what is ready, has it written, answers, and
//! keeps what must not be lost while the database fails.

use super::JournalHealth;
use super::batch::{Attempt, Engine};
use crate::error::StoreError;
use crate::fault::Fault;
use crate::idempotency::refused;
use crate::lease::BEAT;
use crate::write::{Write, WriteError, WriteId, Written};
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use supervise::clock::now_micros;
use supervise::trap::spring;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Writes in one database transaction. Everyone in a batch waits for all of it, so it is bounded;
/// the number is a choice, other sizes were not compared.
const MOST_IN_BATCH: usize = 1024;

/// Pauses between attempts while the database fails: doubled from the first up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long nothing comes before some of what had ended before there was an index is entered: callers
/// come first.
const REST: Duration = Duration::from_millis(5);

/// What the writer is told.
pub(super) enum Command {
    Submit(Vec<Pending>),
    Lease(u64, oneshot::Sender<Result<Range<u64>, StoreError>>),
    Drain(oneshot::Sender<()>),
    /// The record was found to be behind: the database remembers it.
    Note,
    Stop,
    #[cfg(test)]
    Execute(&'static str, oneshot::Sender<Result<(), String>>),
}

/// A write that is not answered yet.
pub(super) struct Pending {
    pub(super) write: Arc<Write>,
    done: mpsc::UnboundedSender<Vec<Written>>,
    /// Its acceptance was sent to be committed, and what became of that is not known.
    unclear: bool,
}

impl Pending {
    pub(super) fn new(write: Write, done: mpsc::UnboundedSender<Vec<Written>>) -> Pending {
        Pending { write: Arc::new(write), done, unclear: false }
    }

    /// It was sent to be committed and the answer is missing.
    fn made_unclear(mut self) -> Pending {
        self.unclear = self.write.accept.is_some();
        self
    }

    /// Whether it can be turned away: nothing of it is begun, and its caller is there to be told.
    fn may_be_refused(&self) -> bool {
        self.write.accept.is_some() && !self.unclear
    }
}

/// Answers on their way, gathered for each receiver so that one message carries many.
#[derive(Default)]
pub(super) struct Answers {
    // A handful of receivers: a list is the fastest map.
    lists: Vec<(mpsc::UnboundedSender<Vec<Written>>, Vec<Written>)>,
}

impl Answers {
    pub(super) fn add(
        &mut self,
        done: &mpsc::UnboundedSender<Vec<Written>>,
        id: WriteId,
        result: Result<(), WriteError>,
    ) {
        let written = Written { id, result };
        match self.lists.iter_mut().rfind(|(to, _)| to.same_channel(done)) {
            Some((_, list)) => list.push(written),
            None => self.lists.push((done.clone(), vec![written])),
        }
    }

    pub(super) fn send(self) {
        for (to, list) in self.lists {
            // A receiver that is gone has no use for its answers.
            let _ = to.send(list);
        }
    }
}

/// How long nothing may come before something else is done: some of what had ended before there was an
/// index is entered, once it may be, or the holder of a server's lease says that it is there. `None`: there is nothing else.
fn idle_after(earlier_in: Option<Duration>, holds_lease: bool) -> Option<Duration> {
    let earlier = earlier_in.map(|wait| wait.max(REST));
    let beat = holds_lease.then_some(BEAT);
    earlier.into_iter().chain(beat).min()
}

/// Whether the holder of a server's lease, unseen for so long, says that it is there once something was entered. What was
/// entered has said so already, some hundred times a second; the last of it is followed by a whole pause.
fn beats_after(unseen_for: Option<Duration>, has_earlier: bool) -> bool {
    unseen_for.is_some_and(|unseen| !has_earlier || unseen >= BEAT / 2)
}

/// What comes in time; `None` if nothing does.
async fn within<T>(time: Option<Duration>, coming: impl Future<Output = T>) -> Option<T> {
    match time {
        Some(time) => tokio::time::timeout(time, coming).await.ok(),
        None => Some(coming.await),
    }
}

/// How far the database is from working.
struct Failing {
    since: i64,
    pause: Duration,
    retry_at: Instant,
}

/// What waits, apart from the connection: it goes on being filled while the connection is at work.
struct Queue {
    commands: mpsc::UnboundedReceiver<Command>,
    /// Taken from `commands` while a batch was being collected or written, in order.
    next: VecDeque<Command>,
    /// Kept through a failure, in order. Empty while the database works.
    kept: VecDeque<Pending>,
    /// Told when `kept` is empty again.
    drains: Vec<oneshot::Sender<()>>,
    failing: Option<Failing>,
    stopping: bool,
    /// Another holds the record: nothing is written any more.
    superseded: bool,
    waiting: Arc<AtomicUsize>,
    health: watch::Sender<JournalHealth>,
}

/// The writer.
pub(super) struct Writer {
    engine: Engine,
    queue: Queue,
}

impl Writer {
    pub(super) fn new(
        engine: Engine,
        commands: mpsc::UnboundedReceiver<Command>,
        waiting: Arc<AtomicUsize>,
        health: watch::Sender<JournalHealth>,
    ) -> Writer {
        let queue = Queue {
            commands,
            next: VecDeque::new(),
            kept: VecDeque::new(),
            drains: Vec::new(),
            failing: None,
            stopping: false,
            superseded: false,
            waiting,
            health,
        };
        Writer { engine, queue }
    }

    /// Runs until it is stopped or its last handle is gone.
    pub(super) async fn run(mut self) {
        while !self.queue.stopping {
            spring("journal", String::new);
            if self.queue.superseded {
                let command = self.queue.commands.recv().await;
                self.queue.while_failing(command);
            } else if let Some(failing) = &self.queue.failing {
                let retry_at = failing.retry_at;
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(retry_at) => self.retry().await,
                    command = self.queue.commands.recv() => self.queue.while_failing(command),
                }
            } else {
                self.work().await;
            }
        }
        if self.queue.failing.is_some() {
            self.retry().await;
        }
        if let Some(writes) = NonZeroUsize::new(self.queue.kept.len()) {
            tracing::error!(
                writes,
                "the journal ends while the database fails; what it kept is asked of the counters \
                 again after the next start"
            );
        }
        self.queue.close();
        self.engine.close().await;
    }

    /// One turn while the database works.
    async fn work(&mut self) {
        let time = idle_after(self.engine.earlier_in(), self.engine.ledger().epoch().is_some());
        let command = match self.queue.next.pop_front() {
            Some(command) => Some(command),
            None => match within(time, self.queue.commands.recv()).await {
                Some(command) => command,
                None => return self.while_idle().await,
            },
        };
        match command {
            Some(Command::Submit(writes)) => {
                let batch = self.queue.collect(writes);
                // Whether it worked shows in the queue.
                let written = batch.len();
                let _ = self.write(batch).await;
                self.engine.look_after(written).await;
                self.engine.enter_terms_of_late().await;
            }
            Some(Command::Lease(count, reply)) => {
                let leased = self.engine.lease(count).await.unwrap_or_else(|why| {
                    self.queue.fail(Vec::new(), &why);
                    Err(StoreError::Unavailable { why })
                });
                // Numbers for one who has gone are a gap.
                let _ = reply.send(leased);
            }
            Some(Command::Drain(reply)) => {
                let _ = reply.send(());
            }
            Some(Command::Note) => self.engine.note().await,
            Some(Command::Stop) | None => self.queue.stopping = true,
            #[cfg(test)]
            Some(Command::Execute(sql, reply)) => {
                let _ = reply.send(self.engine.execute(sql).await);
            }
        }
    }

    /// Writes a batch, answers it, and keeps of it what must not be lost. `false`: the database
    /// fails.
    ///
    /// If a row spoils the batch, each write gets a transaction of its own, and the one that
    /// cannot be stored is refused alone.
    async fn write(&mut self, batch: Vec<Pending>) -> bool {
        let mut parts = VecDeque::from([batch]);
        while let Some(part) = parts.pop_front() {
            let (part, fault, why) = match self.attempt(&part).await {
                Attempt::Committed(answers) => {
                    self.queue.answer(part, answers);
                    continue;
                }
                Attempt::Failed { fault: Fault::Row | Fault::Duplicate, why } => {
                    if part.len() == 1 {
                        self.queue.answer(part, vec![Err(refused(why))]);
                    } else {
                        tracing::warn!(why, writes = part.len(), "a row cannot be stored");
                        parts = part.into_iter().map(|pending| vec![pending]).collect();
                    }
                    continue;
                }
                Attempt::Failed {
                    fault:
                        fault @ (Fault::Contention | Fault::Lost | Fault::Down | Fault::Superseded),
                    why,
                } => (part, fault, why),
                Attempt::Unclear { why } => {
                    (part.into_iter().map(Pending::made_unclear).collect(), Fault::Lost, why)
                }
            };
            self.note_fault(fault, &why);
            self.queue.fail(part.into_iter().chain(parts.into_iter().flatten()).collect(), &why);
            return false;
        }
        true
    }

    /// While nothing is written, enters some of what had ended before there was an index, and says that
    /// this holder is there.
    async fn while_idle(&mut self) {
        self.engine.while_idle().await;
        if beats_after(self.engine.ledger().unseen_for(), self.engine.has_earlier()) {
            self.beat().await;
        }
    }

    /// While nothing is written, says that this holder is there.
    async fn beat(&mut self) {
        if let Err((fault, why)) = self.engine.beat().await {
            self.note_fault(fault, &why);
            self.queue.fail(Vec::new(), &why);
        }
    }

    /// Once another holds the record, nothing is tried any more: whoever started this process ends it.
    fn note_fault(&mut self, fault: Fault, why: &str) {
        if fault == Fault::Superseded && !self.queue.superseded {
            tracing::error!(why, "the record is lost to another bridge: nothing more is written");
            self.queue.superseded = true;
            self.engine.ledger().lose(why.to_owned());
        }
    }

    /// Has the engine write a batch while the queue goes on taking commands.
    async fn attempt(&mut self, batch: &[Pending]) -> Attempt {
        let writes: Vec<Arc<Write>> = batch.iter().map(|pending| pending.write.clone()).collect();
        metrics::counter!("store_journal_batches_total").increment(1);
        metrics::histogram!("store_journal_batch_writes").record(count(writes.len()));
        let attempt = self.queue.meanwhile(self.engine.write(&writes)).await;
        if let Attempt::Failed { .. } | Attempt::Unclear { .. } = &attempt {
            metrics::counter!("store_journal_failures_total").increment(1);
        }
        attempt
    }

    /// One attempt to get the database to work again, with what was kept or, if there is nothing,
    /// with a row of no meaning. None, if another holds the record.
    async fn retry(&mut self) {
        if self.queue.superseded {
            return;
        }
        #[cfg(test)]
        while let Some(Command::Execute(sql, reply)) = self.queue.next.pop_front() {
            let _ = reply.send(self.engine.execute(sql).await);
        }
        if self.queue.kept.is_empty() {
            match self.queue.meanwhile(self.engine.try_out()).await {
                Ok(()) => {}
                Err((fault, why)) => {
                    self.note_fault(fault, &why);
                    return self.queue.fail(Vec::new(), &why);
                }
            }
        }
        while !self.queue.kept.is_empty() {
            let length = self.queue.kept.len().min(MOST_IN_BATCH);
            let mut batch: Vec<Pending> = self.queue.kept.drain(..length).collect();
            if let Err(why) = self.resolve(&mut batch).await {
                return self.queue.fail(batch, &why);
            }
            if !self.write(batch).await {
                return;
            }
        }
        self.queue.recovered();
    }

    /// Learns which of the unclear acceptances are recorded. Those that are need not be written
    /// again; those that are not are as if they had never been sent.
    async fn resolve(&mut self, batch: &mut [Pending]) -> Result<(), String> {
        let unclear: Vec<&mut Pending> =
            batch.iter_mut().filter(|pending| pending.unclear).collect();
        if unclear.is_empty() {
            return Ok(());
        }
        let transfers: Vec<_> =
            unclear.iter().filter_map(|pending| pending.write.accept.as_ref()).collect();
        let recorded = self.queue.meanwhile(self.engine.recorded(&transfers)).await?;
        for (pending, recorded) in unclear.into_iter().zip(recorded) {
            pending.unclear = false;
            if recorded {
                Arc::make_mut(&mut pending.write).accept = None;
            }
        }
        Ok(())
    }
}

impl Queue {
    /// A batch: these writes and all that are ready behind them, up to a command of another kind.
    fn collect(&mut self, writes: Vec<Pending>) -> Vec<Pending> {
        let mut batch = writes;
        while batch.len() < MOST_IN_BATCH {
            let command = match self.next.pop_front() {
                Some(command) => command,
                None => match self.commands.try_recv() {
                    Ok(command) => command,
                    Err(_) => break,
                },
            };
            match command {
                Command::Submit(writes) => batch.extend(writes),
                other => {
                    self.next.push_front(other);
                    break;
                }
            }
        }
        if batch.len() > MOST_IN_BATCH {
            let rest = batch.split_off(MOST_IN_BATCH);
            self.next.push_front(Command::Submit(rest));
        }
        batch
    }

    /// Waits for the engine. While the database fails, callers are answered meanwhile.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        while self.failing.is_some() && !self.stopping {
            tokio::select! {
                biased;
                done = &mut work => return done,
                command = self.commands.recv() => self.while_failing(command),
            }
        }
        work.await
    }

    /// Takes a command while the database fails.
    fn while_failing(&mut self, command: Option<Command>) {
        let why = || match &*self.health.borrow() {
            JournalHealth::Failing { why, .. } => why.clone(),
            JournalHealth::Ok => String::new(),
        };
        match command {
            Some(Command::Submit(writes)) => {
                let why = why();
                let mut answers = Answers::default();
                for pending in writes {
                    if pending.may_be_refused() {
                        self.waiting.fetch_sub(1, Ordering::Relaxed);
                        answers.add(&pending.done, pending.write.id, Err(refused(why.clone())));
                    } else {
                        self.kept.push_back(pending);
                    }
                }
                answers.send();
            }
            Some(Command::Lease(_, reply)) => {
                let _ = reply.send(Err(StoreError::Unavailable { why: why() }));
            }
            Some(Command::Drain(reply)) => self.drains.push(reply),
            // Noted after the next batch.
            Some(Command::Note) => {}
            Some(Command::Stop) | None => self.stopping = true,
            #[cfg(test)]
            Some(execute @ Command::Execute(..)) => self.next.push_back(execute),
        }
    }

    /// Answers a batch.
    fn answer(&self, batch: Vec<Pending>, results: Vec<Result<(), WriteError>>) {
        self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        let mut answers = Answers::default();
        for (pending, result) in batch.into_iter().zip(results) {
            if let Err(WriteError::Refused { why }) = &result
                && pending.write.accept.is_none()
            {
                tracing::error!(
                    master = %pending.write.master,
                    why,
                    "a write contradicts the record and is not made"
                );
            }
            answers.add(&pending.done, pending.write.id, result);
        }
        answers.send();
    }

    /// Nothing of this batch is recorded, as far as is known: turns away what may be turned away,
    /// keeps the rest in front of what is kept already, and plans the next attempt.
    fn fail(&mut self, batch: Vec<Pending>, why: &str) {
        let mut answers = Answers::default();
        for pending in batch.into_iter().rev() {
            if pending.may_be_refused() {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                answers.add(&pending.done, pending.write.id, Err(refused(why.to_owned())));
            } else {
                self.kept.push_front(pending);
            }
        }
        let (since, pause) = if let Some(failing) = &self.failing {
            (failing.since, (failing.pause * 2).min(LONGEST_PAUSE))
        } else {
            tracing::error!(why, "the database fails: new transfers are refused");
            (now_micros(), FIRST_PAUSE)
        };
        self.failing = Some(Failing { since, pause, retry_at: Instant::now() + pause });
        self.health.send_replace(JournalHealth::Failing { since, why: why.to_owned() });
        // After the health, so that who is refused can see why.
        answers.send();
        // What was collected before the failure was known is treated like what comes after.
        for command in std::mem::take(&mut self.next) {
            self.while_failing(Some(command));
        }
    }

    /// Turns away what came too late.
    fn close(&mut self) {
        self.commands.close();
        let mut late = std::mem::take(&mut self.next);
        while let Ok(command) = self.commands.try_recv() {
            late.push_back(command);
        }
        let mut answers = Answers::default();
        for command in late {
            // Who waits for a lease or a drain learns it from the dropped channel.
            if let Command::Submit(writes) = command {
                for pending in writes {
                    let why = "the store is closed".to_owned();
                    answers.add(&pending.done, pending.write.id, Err(refused(why)));
                }
            }
        }
        answers.send();
    }

    /// The database works.
    fn recovered(&mut self) {
        if let Some(failing) = self.failing.take() {
            let seconds = (now_micros() - failing.since) / 1_000_000;
            tracing::info!(seconds, "the database works again");
            self.health.send_replace(JournalHealth::Ok);
        }
        for drained in self.drains.drain(..) {
            let _ = drained.send(());
        }
    }
}

/// A small count as a metric's float.
fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
