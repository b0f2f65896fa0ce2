//! The tasks that hold what counters say too late against the record; it waits for them in `late_queue`.

use crate::accusations::Fault;
use crate::clock::now_micros;
use crate::events::Kind;
use crate::inner::Inner;
use crate::late::{self, Compared};
use crate::late_queue::LATE;
use crate::mail::Mail;
use crate::shard::Input;
use domain::message::{CounterId, Reply};
use domain::serial::{MasterSerial, Sequence};
use port::CounterIndex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::{AlarmAbout, AlarmKind, FinalState, StoreError, Stored};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

impl Inner {
    /// Has what a counter said too late compared with the record. What finds the queue full is
    /// counted, and operators are told how many there were.
    pub(crate) fn compare(&self, speaker: &CounterId, reply: Reply) {
        let Some(at) = self.counters.index_of(speaker) else { return };
        let queue = &self.late[at.0];
        if queue.to.try_send(reply).is_err() {
            queue.lost.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("late_answers_not_compared_total", "counter" => speaker.to_string())
                .increment(1);
        }
    }

    /// Tells how many late words of a counter were not compared, if any were not.
    fn tell_of_lost(&self, counter: CounterIndex) {
        let lost = self.late[counter.0].lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let speaker = self.counters[counter].id();
            let text = format!(
                "{speaker} said more about ended transfers than could be compared with the record: \
                 {lost} of its answers were not compared"
            );
            tracing::error!("{text}");
            let about = AlarmAbout::Counter(speaker.clone());
            self.events.raise(AlarmKind::NotCompared, about, &text);
            self.events.record(now_micros(), Kind::NotCompared, None, text);
        }
    }
}

/// Compares what one counter said too late with how the transfer ended. What agrees is counted and
/// dropped; what contradicts is an alarm (rule 5).
pub(crate) async fn compare_late(
    inner: Arc<Inner>,
    counter: CounterIndex,
    late: Arc<Mutex<mpsc::Receiver<Reply>>>,
) {
    let mut late = late.lock().await;
    let mut telling = Telling::default();
    while let Some(reply) = late.recv().await {
        compare_one(&inner, counter, reply).await;
        if telling.is_due(late.is_empty()) {
            inner.tell_of_lost(counter);
        }
    }
}

/// When it is told how many were not compared: whenever none is left, and of a counter that never stops
/// after each [`LATE`] that were.
#[derive(Default)]
struct Telling {
    since: usize,
}

impl Telling {
    /// One more was compared.
    fn is_due(&mut self, none_is_left: bool) -> bool {
        self.since = (self.since + 1) % LATE;
        none_is_left || self.since == 0
    }
}

async fn compare_one(inner: &Inner, counter: CounterIndex, reply: Reply) {
    let Some(serial) = reply.serial() else { return };
    let counter = &inner.counters[counter];
    let speaker = counter.id();
    let accuse = |fault, about, text: &str| {
        let (wall, now) = (now_micros(), Instant::now());
        inner.accusations.add(speaker, fault, about, text, &inner.events, wall, now);
    };
    let not_compared = |why: String| {
        let labels = [("counter", speaker.to_string())];
        metrics::counter!("late_answers_not_compared_total", &labels).increment(1);
        let text = format!("what {speaker} said of {serial} was not compared: {why}");
        tracing::error!("{text}");
        let about = AlarmAbout::Counter(speaker.clone());
        inner.events.raise(AlarmKind::NotCompared, about, &text);
        inner.events.record(now_micros(), Kind::NotCompared, None, text);
    };
    let (stored, state, trail) = match find(inner, serial.sequence).await {
        Ok(Whereabouts::Ended(stored, state, trail)) => (stored, state, trail),
        Ok(Whereabouts::Running) => {
            // It has just been taken up here.
            let mail = Mail::Input(Input::Unasked { speaker: speaker.clone(), reply });
            let _ = inner.shard_of(serial.sequence).send(mail).await;
            return;
        }
        Ok(Whereabouts::Elsewhere(master)) => {
            let why = format!("transfer {master} is open, and not in this process's hands");
            return not_compared(why);
        }
        Ok(Whereabouts::Nowhere) => {
            let text = format!("{speaker} speaks of {serial}, which was never issued");
            return accuse(Fault::Foreign, None, &text);
        }
        Err(error) => return not_compared(error.to_string()),
    };
    let master = stored.transfer.master;
    let ended = late::ended(&stored.transfer, state, &trail);
    match late::compare(&ended, speaker, counter.profile(), reply) {
        Compared::Agrees => metrics::counter!("late_answers_agreed_total").increment(1),
        Compared::Contradicts(text) => accuse(Fault::Contradiction, Some(master), &text),
        Compared::Foreign(why) => {
            let text = format!("{speaker} speaks of what is not its own: {why}");
            accuse(Fault::Foreign, Some(master), &text);
        }
    }
}

/// Where the transfer is of which something was said.
enum Whereabouts {
    /// Final in this state, with its trail.
    Ended(Box<Stored>, FinalState, Vec<String>),
    /// In the hands of one of this process's shards.
    Running,
    /// Open in the record, and in nobody's hands here.
    Elsewhere(MasterSerial),
    /// Its serial was never given out.
    Nowhere,
}

async fn find(inner: &Inner, sequence: Sequence) -> Result<Whereabouts, StoreError> {
    let Some(mut stored) = inner.store.find_by_sequence(sequence).await? else {
        return Ok(Whereabouts::Nowhere);
    };
    if stored.outcome.is_none() {
        if inner.is_running(&stored.transfer) {
            return Ok(Whereabouts::Running);
        }
        // Its shard may have let go of it between the two.
        if let Some(again) = inner.store.find(stored.transfer.master).await? {
            stored = again;
        }
    }
    let Some(state) = stored.outcome.as_ref().map(|outcome| outcome.state) else {
        return Ok(Whereabouts::Elsewhere(stored.transfer.master));
    };
    let trail = inner.store.trail(stored.transfer.master).await?;
    Ok(Whereabouts::Ended(Box::new(stored), state, trail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Claim;
    use crate::config::Config;
    use crate::coordinator::Coordinator;
    use crate::find::tests::new;
    use crate::inner::Key;
    use crate::persons::PersonError;
    use crate::record::Rendered;
    use bytes::Bytes;
    use domain::serial::Day;
    use domain::transfer::Decision;
    use port::Counters;
    use store::{NewTransfer, OpenState, Outcome, Store, Write, WriteId};
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    #[test]
    fn it_is_told_when_none_is_left_and_now_and_then() {
        let mut telling = Telling::default();
        assert!(telling.is_due(true) && telling.is_due(true));
        let due: Vec<bool> = (2..2 * LATE).map(|_| telling.is_due(false)).collect();
        let told: Vec<usize> =
            due.iter().enumerate().filter_map(|(at, due)| due.then_some(at + 3)).collect();
        assert_eq!(told, [LATE, 2 * LATE]);
    }

    /// A transfer that is open in the record may be in this process's hands or not, and moves on.
    #[tokio::test]
    async fn a_transfer_is_where_its_claim_and_its_record_say() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
        let store = Store::open(&url).await.expect("a record");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (config, said) = (Config::default(), mpsc::channel(1).1);
        let nothing = |_: &crate::View| Rendered { status: 201, body: Bytes::new() };
        let started = Coordinator::start(
            config,
            store.clone(),
            Counters::default(),
            said,
            nothing,
            &tasks,
            stop.clone(),
        );
        let coordinator = started.await.expect("it starts");
        let inner = Arc::clone(&coordinator.inner);
        let (done, mut written) = mpsc::unbounded_channel();
        let mut write = async |write| {
            inner.journal.submit(vec![write], &done);
            let answers = written.recv().await.expect("an answer");
            assert!(answers.iter().all(|answer| answer.result.is_ok()), "{answers:?}");
        };
        let NewTransfer { master, app, idempotency_key, fingerprint, .. } = new(1);
        let (accept, state) = (Some(new(1)), Some(OpenState::Debiting));
        write(Write { accept, state, ..Write::of(WriteId(1), master) }).await;
        let key = Key { app, idempotency_key };
        let whereabouts = async || find(&inner, master.sequence).await.expect("it reads");
        assert!(matches!(whereabouts().await, Whereabouts::Elsewhere(same) if same == master));
        // Nor can anybody decide it before it is taken up.
        let (who, note) = ("ann".into(), "?".into());
        let transfer = domain::transfer::Transfer::accepted(crate::shard::intent(&new(1)));
        let leads_to = domain::transfer::Outlook::Person;
        let seen = (Decision::Refused, crate::Version::of(&transfer), leads_to);
        let proposed = coordinator.propose(master, seen, who, note).await;
        assert!(matches!(proposed, Err(PersonError::Busy)), "{proposed:?}");
        inner.running.insert(key.clone(), Claim { master, fingerprint });
        assert!(matches!(whereabouts().await, Whereabouts::Running));
        // Another order of the same key, which came to nothing.
        let other = MasterSerial { day: Day::new(20_261_122).expect("a day"), ..master };
        inner.running.insert(key, Claim { master: other, fingerprint });
        assert!(matches!(whereabouts().await, Whereabouts::Elsewhere(_)));
        let outcome = Outcome {
            state: FinalState::Refused,
            reason: None,
            finished_at: 9,
            answer_status: 200,
            answer_body: Bytes::new(),
        };
        write(Write { outcome: Some(outcome), ..Write::of(WriteId(2), master) }).await;
        assert!(matches!(
            whereabouts().await,
            Whereabouts::Ended(stored, FinalState::Refused, _) if stored.transfer.master == master
        ));
        let unknown = find(&inner, new(2).master.sequence).await.expect("it reads");
        assert!(matches!(unknown, Whereabouts::Nowhere));
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        drop((inner, coordinator));
        store.close().await;
    }
}
