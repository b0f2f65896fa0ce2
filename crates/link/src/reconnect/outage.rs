//! Addresses that do not answer, and who looks whether they answer again: of all links to the same
//! addresses one looks, often and cheaply, and its success wakes the others, spread so that they do
//! not come in a herd.

use crate::io::dial::Dial;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

/// Between two looks, at least and at most: a look that is refused costs a packet each way, and a
/// counter that is back is to be found within 300 ms.
const PAUSE: (Duration, Duration) = (Duration::from_millis(75), Duration::from_millis(150));

/// How long a look waits for its answer: a packet that was swallowed is sent again by the next look
/// sooner than by the kernel.
const LOOK: Duration = Duration::from_millis(500);

/// How long an answer counts for a suspicion that comes after it.
const FRESH: Duration = Duration::from_secs(1);

/// How long everybody's attempts are spread over after a return, for each link that waits and at
/// most: 2,500 a second is what one process signs on without being late for anything else.
const SPREAD_EACH: Duration = Duration::from_micros(400);
const SPREAD_MOST: Duration = Duration::from_secs(2);

/// What is known of addresses that do not answer. Clones are the same; give all links of a bridge
/// the same one.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    // A lock, because links come and go anywhere; it is held for one look at a table with an entry
    // for every list of addresses that is out.
    by_addresses: Arc<Mutex<HashMap<String, Weak<Outage>>>>,
}

/// One outage, or the suspicion of one.
#[derive(Debug)]
pub(crate) struct Outage {
    /// Held by the link that looks.
    looking: Semaphore,
    /// The last answer that it found, and when.
    found: watch::Sender<Option<(Instant, Found)>>,
    waiting: AtomicU32,
}

/// What a look found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Somebody answers who did not.
    Returned,
    /// Somebody answers, and did at the first look.
    NeverAway,
}

impl Outages {
    /// What is known of these addresses, together with all others who ask now.
    pub(crate) fn of<'a>(&self, addresses: impl Iterator<Item = &'a str>) -> Arc<Outage> {
        let key = addresses.collect::<Vec<_>>().join(",");
        let mut table = self.by_addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        table.retain(|_, outage| outage.strong_count() > 0);
        let outage = Arc::new(Outage {
            looking: Semaphore::new(1),
            found: watch::Sender::new(None),
            waiting: AtomicU32::new(0),
        });
        table.insert(key, Arc::downgrade(&outage));
        outage
    }
}

impl Outage {
    /// Waits until the addresses answer; one of all who wait looks, the first time at once if it is
    /// only a suspicion. After a return it also waits for its turn.
    pub(crate) async fn over<D: Dial>(
        &self,
        dialler: &mut D,
        addresses: &[String],
        suspicion: bool,
    ) -> Found {
        let mut found = self.found.subscribe();
        // Many sessions that were lost together are one suspicion.
        if suspicion && found.borrow().is_some_and(|(then, _)| then.elapsed() < FRESH) {
            return Found::NeverAway;
        }
        let _waits = Waits::among(&self.waiting);
        let answer = tokio::select! {
            biased;
            // Its sender is ours: it lives.
            _ = found.changed() => found.borrow().map_or(Found::NeverAway, |(_, answer)| answer),
            _looking = self.looking.acquire() => {
                let answer = look(dialler, addresses, suspicion).await;
                self.found.send_replace(Some((Instant::now(), answer)));
                answer
            }
        };
        if answer == Found::Returned {
            let all = (SPREAD_EACH * self.waiting.load(Ordering::Relaxed)).min(SPREAD_MOST);
            sleep(all.mul_f64(rand::random())).await;
        }
        answer
    }
}

async fn look<D: Dial>(dialler: &mut D, addresses: &[String], suspicion: bool) -> Found {
    if suspicion && answers(dialler, addresses).await {
        return Found::NeverAway;
    }
    loop {
        sleep(rand::random_range(PAUSE.0..=PAUSE.1)).await;
        if answers(dialler, addresses).await {
            return Found::Returned;
        }
    }
}

/// Whether one of the addresses takes a connection, which is closed again.
async fn answers<D: Dial>(dialler: &mut D, addresses: &[String]) -> bool {
    for address in addresses {
        if let Ok(Ok(())) = timeout(LOOK, dialler.look(address)).await {
            return true;
        }
    }
    false
}

/// Counts who waits for as long as it lives.
struct Waits<'a>(&'a AtomicU32);

impl Waits<'_> {
    fn among(all: &AtomicU32) -> Waits<'_> {
        all.fetch_add(1, Ordering::Relaxed);
        Waits(all)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicUsize};
    use tokio::io::DuplexStream;
    use tokio::task::JoinSet;
    use tokio::time::Instant;

    /// Counts looks, and answers once it is told to.
    #[derive(Clone, Default)]
    struct Counted {
        looks: Arc<AtomicUsize>,
        back: Arc<AtomicBool>,
    }

    impl Dial for Counted {
        type Stream = DuplexStream;

        async fn dial(&mut self, _: &str) -> io::Result<DuplexStream> {
            self.looks.fetch_add(1, Ordering::Relaxed);
            if self.back.load(Ordering::Relaxed) {
                return Ok(tokio::io::duplex(1).0);
            }
            Err(io::ErrorKind::ConnectionRefused.into())
        }
    }

    fn wait(
        all: &mut JoinSet<(Found, Instant)>,
        outages: &Outages,
        dialler: &Counted,
        suspicion: bool,
    ) {
        let outage = outages.of(["a:1", "b:1"].into_iter());
        let mut dialler = dialler.clone();
        let addresses = ["a:1", "b:1"].map(str::to_owned);
        all.spawn(async move {
            (outage.over(&mut dialler, &addresses, suspicion).await, Instant::now())
        });
    }

    #[tokio::test(start_paused = true)]
    async fn one_looks_for_all_and_all_return_spread() {
        let (outages, dialler) = (Outages::default(), Counted::default());
        let mut all = JoinSet::new();
        (0..5000).for_each(|link| wait(&mut all, &outages, &dialler, link % 2 == 0));
        sleep(Duration::from_mins(1)).await;
        let looks = dialler.looks.load(Ordering::Relaxed);
        assert!((2 * 399..=2 * 802).contains(&looks), "{looks} in a minute");
        dialler.back.store(true, Ordering::Relaxed);
        let back = Instant::now();
        let mut buckets = vec![0; 30];
        while let Some(found) = all.join_next().await {
            let (found, at) = found.expect("no panic");
            assert_eq!(found, Found::Returned);
            let bucket = usize::try_from((at - back).as_millis() / 100).expect("soon");
            buckets[bucket] += 1;
        }
        assert!(dialler.looks.load(Ordering::Relaxed) <= looks + 2);
        let busiest = buckets.iter().max().expect("some");
        assert!(*busiest <= 3 * 5000 / 20, "{buckets:?}");
        assert!(buckets[22..].iter().all(|returned| *returned == 0), "{buckets:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_link_alone_is_back_within_a_look() {
        let (outages, dialler) = (Outages::default(), Counted::default());
        let mut all = JoinSet::new();
        wait(&mut all, &outages, &dialler, true);
        sleep(Duration::from_mins(10)).await;
        dialler.back.store(true, Ordering::Relaxed);
        let back = Instant::now();
        let (found, at) = all.join_next().await.expect("one").expect("no panic");
        assert_eq!(found, Found::Returned);
        assert!(at - back <= Duration::from_millis(152), "{:?}", at - back);
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspicion_that_is_wrong_is_told_to_all_and_costs_one_look() {
        let (outages, dialler) = (Outages::default(), Counted::default());
        dialler.back.store(true, Ordering::Relaxed);
        let mut all = JoinSet::new();
        (0..50).for_each(|_| wait(&mut all, &outages, &dialler, true));
        while let Some(found) = all.join_next().await {
            assert_eq!(found.expect("no panic").0, Found::NeverAway);
        }
        assert_eq!(dialler.looks.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn if_the_one_who_looks_goes_another_does() {
        let (outages, dialler) = (Outages::default(), Counted::default());
        let mut looking = JoinSet::new();
        wait(&mut looking, &outages, &dialler, false);
        sleep(Duration::from_secs(1)).await;
        let mut other = JoinSet::new();
        wait(&mut other, &outages, &dialler, false);
        sleep(Duration::from_secs(1)).await;
        looking.shutdown().await;
        dialler.back.store(true, Ordering::Relaxed);
        assert_eq!(other.join_next().await.expect("one").expect("no panic").0, Found::Returned);
    }
}
