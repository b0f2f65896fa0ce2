//! What waits while the connection is at work, without a database.

use super::*;
use crate::tests::{master, transfer};

type Answers = mpsc::UnboundedReceiver<Vec<Written>>;

/// A queue, who fills it, who is answered, how many wait, and what is told of the database.
struct Stage {
    queue: Queue,
    commands: mpsc::UnboundedSender<Command>,
    done: mpsc::UnboundedSender<Vec<Written>>,
    answers: Answers,
    health: watch::Receiver<JournalHealth>,
}

impl Stage {
    fn new() -> Stage {
        let (to, commands) = mpsc::unbounded_channel();
        let (health, told) = watch::channel(JournalHealth::Ok);
        let (done, answers) = mpsc::unbounded_channel();
        let queue = Queue {
            commands,
            next: VecDeque::new(),
            kept: VecDeque::new(),
            drains: Vec::new(),
            failing: None,
            stopping: false,
            superseded: false,
            waiting: Arc::default(),
            health,
        };
        Stage { queue, commands: to, done, answers, health: told }
    }

    /// What begins something new.
    fn begins(&self, number: u64) -> Pending {
        let accept = Some(transfer(master(number), "shop", "key"));
        self.pending(Write { accept, ..Write::of(WriteId(number), master(number)) })
    }

    /// What was begun, and must be written some time.
    fn goes_on(&self, number: u64) -> Pending {
        self.pending(Write::of(WriteId(number), master(number)))
    }

    fn pending(&self, write: Write) -> Pending {
        self.queue.waiting.fetch_add(1, Ordering::Relaxed);
        Pending::new(write, self.done.clone())
    }

    fn many(&self, count: usize) -> Vec<Pending> {
        (0..count).map(|_| self.goes_on(1)).collect()
    }

    fn submit(&self, writes: Vec<Pending>) {
        self.commands.send(Command::Submit(writes)).unwrap_or_else(|_| panic!("it has ended"));
    }

    /// The numbers of those that have been refused since, and why the last one was.
    fn refused(&mut self) -> (Vec<u64>, String) {
        let (mut numbers, mut last) = (Vec::new(), String::new());
        while let Ok(written) = self.answers.try_recv() {
            for Written { id, result } in written {
                let Err(WriteError::Refused { why }) = result else { panic!("{result:?}") };
                numbers.push(id.0);
                last = why;
            }
        }
        (numbers, last)
    }

    fn kept(&self) -> Vec<u64> {
        self.queue.kept.iter().map(|pending| pending.write.id.0).collect()
    }

    fn waiting(&self) -> usize {
        self.queue.waiting.load(Ordering::Relaxed)
    }
}

/// All that is ready goes into one batch, up to so much, and up to what is no write.
#[test]
fn a_batch_is_what_is_ready_and_no_more_than_a_transaction_takes() {
    for (first, second, taken, left) in [
        (1, 0, 1, 0),
        (1, MOST_IN_BATCH - 1, MOST_IN_BATCH, 0),
        (1, MOST_IN_BATCH + 2, MOST_IN_BATCH, 3),
        (MOST_IN_BATCH, 5, MOST_IN_BATCH, 5),
        (MOST_IN_BATCH + 1, 0, MOST_IN_BATCH, 1),
    ] {
        let mut stage = Stage::new();
        if second > 0 {
            stage.submit(stage.many(second));
        }
        let batch = stage.queue.collect(stage.many(first));
        assert_eq!(batch.len(), taken, "{first} and {second}");
        let rest = stage.queue.next.iter().map(|command| match command {
            Command::Submit(writes) => writes.len(),
            _ => panic!("nothing else was submitted"),
        });
        let rest: Vec<usize> = rest.collect();
        assert!(!rest.contains(&0), "nothing is no batch");
        let ready = stage.queue.commands.len();
        assert_eq!(rest.iter().sum::<usize>() + ready * second, left, "{first} and {second}");
    }

    let mut stage = Stage::new();
    stage.submit(stage.many(2));
    stage.commands.send(Command::Stop).unwrap_or_else(|_| panic!("it has ended"));
    stage.submit(stage.many(4));
    assert_eq!(stage.queue.collect(stage.many(1)).len(), 3);
    assert!(matches!(stage.queue.next.front(), Some(Command::Stop)), "it comes first now");
}

/// While the database fails, what would begin something is turned away and what was begun is kept in its
/// order; it is tried again after pauses that grow up to a bound.
#[tokio::test(start_paused = true)]
async fn a_failure_turns_away_what_is_new_keeps_the_rest_and_is_tried_again() {
    let mut stage = Stage::new();
    stage.queue.next.push_back(Command::Submit(vec![stage.begins(5), stage.goes_on(6)]));
    let batch = vec![stage.goes_on(1), stage.begins(2), stage.goes_on(3)];
    stage.queue.fail(batch, "the disk is full");
    assert_eq!(stage.refused(), (vec![2, 5], "the disk is full".to_owned()));
    assert_eq!((stage.kept(), stage.waiting()), (vec![1, 3, 6], 3));
    let since = match &*stage.health.borrow() {
        JournalHealth::Failing { since, why } => {
            assert_eq!(why, "the disk is full");
            *since
        }
        JournalHealth::Ok => panic!("it fails"),
    };
    let in_2026 = 1_767_225_600_000_000;
    assert!(since > in_2026, "it began at {since} us since 1970");

    for pause_ms in [50, 100, 200, 400, 800, 1_600, 2_000, 2_000] {
        let failing = stage.queue.failing.as_ref().expect("it fails");
        assert_eq!(failing.retry_at, Instant::now() + Duration::from_millis(pause_ms));
        assert_eq!(failing.since, since, "it has failed since then");
        stage.queue.fail(Vec::new(), "the disk is full");
    }
    stage.queue.recovered();
    assert!(stage.queue.failing.is_none());
    assert_eq!(*stage.health.borrow(), JournalHealth::Ok);
}

/// Whoever asks while the failing database is at work is answered meanwhile.
#[tokio::test(start_paused = true)]
async fn callers_are_answered_while_a_failing_database_is_at_work() {
    let mut stage = Stage::new();
    stage.queue.fail(Vec::new(), "locked");
    stage.submit(vec![stage.begins(1)]);
    let Stage { queue, answers, .. } = &mut stage;
    let told = queue.meanwhile(answers.recv());
    let told = tokio::time::timeout(Duration::from_mins(1), told).await.expect("it is answered");
    assert_eq!(told.map(|written| written[0].id), Some(WriteId(1)));
}

/// While nothing comes, what had ended before there was an index is entered soon, and the holder of a
/// server's lease says in time that it is there; and whatever comes in time comes first.
#[tokio::test(start_paused = true)]
async fn what_is_done_while_nothing_comes_is_done_in_time() {
    let (now, soon, later) = (Duration::ZERO, Duration::from_millis(700), Duration::from_mins(1));
    for (earlier_in, holds_lease, expected) in [
        (Some(now), false, Some(REST)),
        (Some(now), true, Some(REST)),
        // What failed is tried again in a while, whether anything comes or not.
        (Some(soon), false, Some(soon)),
        (Some(soon), true, Some(soon)),
        (Some(later), true, Some(BEAT)),
        (None, true, Some(BEAT)),
        (None, false, None),
    ] {
        let time = idle_after(earlier_in, holds_lease);
        assert_eq!(time, expected, "{earlier_in:?} {holds_lease}");
        assert_eq!(within(time, async { 7 }).await, Some(7));
        let begun = Instant::now();
        let waiting = within(time, std::future::pending::<()>());
        let waited = tokio::time::timeout(BEAT * 2, waiting).await.ok().map(|nothing| {
            assert_eq!(nothing, None);
            begun.elapsed()
        });
        assert_eq!(waited, expected, "{earlier_in:?} {holds_lease}");
    }
    assert_eq!(idle_after(Some(later), false), Some(later));
}

/// The last step of what is entered while nothing comes may have looked and found nothing, and said nothing: a whole pause
/// follows, which the lease must outlast.
#[test]
fn the_last_of_what_is_entered_is_followed_by_a_beat() {
    for (unseen_ms, has_earlier, expected) in [
        // Nothing is held at a server.
        (None, true, false),
        (None, false, false),
        (Some(0), false, true),
        (Some(0), true, false),
    ] {
        let unseen = unseen_ms.map(Duration::from_millis);
        assert_eq!(beats_after(unseen, has_earlier), expected, "{unseen_ms:?} {has_earlier}");
    }
    assert!(beats_after(Some(BEAT / 2), true), "it goes on, and has not said so for long");
    assert!(!beats_after(Some((BEAT / 2).saturating_sub(Duration::from_millis(1))), true));
    assert_eq!(idle_after(None, true), Some(BEAT), "the pause that follows");
}

/// What comes as the journal ends is told that it is closed, whatever it is.
#[test]
fn what_comes_too_late_is_turned_away() {
    let mut stage = Stage::new();
    stage.submit(vec![stage.begins(2), stage.goes_on(3)]);
    stage.queue.next.push_back(Command::Submit(vec![stage.goes_on(1)]));
    let (reply, mut drained) = oneshot::channel();
    stage.queue.next.push_back(Command::Drain(reply));
    stage.queue.close();
    assert_eq!(stage.refused(), (vec![1, 2, 3], "the store is closed".to_owned()));
    assert!(drained.try_recv().is_err(), "its channel is dropped");
    assert!(stage.commands.send(Command::Stop).is_err(), "nothing more is taken");
}

#[test]
fn a_small_count_is_its_own_float() {
    assert!((count(1_024) - 1_024.0).abs() < f64::EPSILON);
    assert!(count(usize::MAX) >= f64::from(u32::MAX));
}
