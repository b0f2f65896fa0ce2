//! Keeps callers busy: by their own pace (closed loop), or by the clock's (open loop), in which a
//! transfer that begins late is late from the moment in which it should have begun.

use crate::connection::{Answer, Connection};
use crate::mix::Ending;
use crate::order::{Clerk, Orders};
use crate::sample::{self, Sample};
use crate::tally::{Became, Tally, Timing, Window};
use anyhow::{Context, Result, anyhow};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use supervise::clock::now_micros;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

/// The clock releases what is due this often: finer costs the machine more than it tells.
const TICK: Duration = Duration::from_micros(200);

/// After something went wrong a caller waits, so that a bridge that is down is not hammered.
const AFTER_AN_ERROR: Duration = Duration::from_millis(20);

/// Who decides when a transfer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A caller begins one as soon as its last has ended.
    Callers,
    /// The clock, at a constant rate.
    Clock { per_second: u32 },
}

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) callers: usize,
    pub(crate) pace: Pace,
    pub(crate) threads: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// Whether requests are signed before the load begins, so that those that are turned away cost
    /// the generator little: what it uses is missing elsewhere on the same machine.
    pub(crate) signed_before: bool,
}

/// A load that is running.
pub(crate) struct Load {
    threads: Vec<JoinHandle<Result<Tally>>>,
    clock: Option<(Arc<Slots>, JoinHandle<()>)>,
}

/// Slots of time in which a transfer begins.
struct Slots {
    /// Slots that are due and that nobody has taken.
    due: Semaphore,
    taken: AtomicU64,
    start: Instant,
    per_second: u32,
}

impl Slots {
    fn time_of(&self, slot: u64) -> Instant {
        let (seconds, rest) =
            (slot / u64::from(self.per_second), slot % u64::from(self.per_second));
        self.start
            + Duration::from_secs(seconds)
            + Duration::from_nanos(rest * 1_000_000_000 / u64::from(self.per_second))
    }

    /// The next slot's time, once it has come.
    async fn next(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        Some(self.time_of(self.taken.fetch_add(1, Ordering::Relaxed)))
    }

    /// Releases slots as their time comes, until `end`.
    fn run(&self, end: Instant) {
        let mut released = 0_u64;
        loop {
            let now = Instant::now();
            if now >= end {
                self.due.close();
                return;
            }
            let mut ready = 0;
            while self.time_of(released) <= now {
                released += 1;
                ready += 1;
            }
            self.due.add_permits(ready);
            std::thread::sleep(TICK.max(self.time_of(released).saturating_duration_since(now)));
        }
    }
}

/// Starts it; says when it is measured.
pub(crate) fn start(plan: &Plan, orders: &Orders) -> Result<(Load, Window)> {
    let address = orders
        .authority
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .with_context(|| format!("{} is no address", orders.authority))?;
    let mut clerks: Vec<Clerk> = (0..plan.callers)
        .map(|_| Clerk::new(orders.clone(), SmallRng::from_seed(rand::random())))
        .collect();
    if let (true, Pace::Clock { per_second }) = (plan.signed_before, plan.pace) {
        let seconds = (plan.warm_up + plan.measured).as_secs() + 1;
        let all = usize::try_from(u64::from(per_second) * seconds).unwrap_or(usize::MAX);
        for clerk in &mut clerks {
            clerk.stock_up(all.div_ceil(plan.callers));
        }
    }
    let begin = Instant::now();
    let start = begin + plan.warm_up;
    let window = Window { start, end: start + plan.measured };
    let slots = match plan.pace {
        Pace::Callers => None,
        Pace::Clock { per_second } => Some(Arc::new(Slots {
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
            start: begin,
            per_second,
        })),
    };
    let mut threads = Vec::new();
    for thread in 0..plan.threads {
        let callers =
            plan.callers / plan.threads + usize::from(thread < plan.callers % plan.threads);
        let clerks = clerks.split_off(clerks.len() - callers);
        let slots = slots.clone();
        threads.push(
            std::thread::Builder::new()
                .name(format!("load-{thread}"))
                .spawn(move || make(clerks, address, slots.as_ref(), window))?,
        );
    }
    let clock = slots.map(|slots| {
        let run = Arc::clone(&slots);
        (slots, std::thread::spawn(move || run.run(window.end)))
    });
    Ok((Load { threads, clock }, window))
}

impl Load {
    /// Waits for its end; blocks.
    pub(crate) fn join(self) -> Result<Tally> {
        let mut tally = Tally::new()?;
        for thread in self.threads {
            tally.merge(thread.join().map_err(|_| anyhow!("a thread of the load panicked"))??)?;
        }
        if let Some((slots, clock)) = self.clock {
            tally.unsent = u64::try_from(slots.due.available_permits()).unwrap_or(u64::MAX);
            clock.join().map_err(|_| anyhow!("the clock of the load panicked"))?;
        }
        Ok(tally)
    }
}

/// One thread of load.
fn make(
    clerks: Vec<Clerk>,
    address: SocketAddr,
    slots: Option<&Arc<Slots>>,
    window: Window,
) -> Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tally = Arc::new(std::sync::Mutex::new(Tally::new()?));
    let local = LocalSet::new();
    for clerk in clerks {
        let (slots, tally) = (slots.cloned(), Arc::clone(&tally));
        local.spawn_local(call(clerk, address, slots, window, tally));
    }
    runtime.block_on(local);
    let tally = Arc::into_inner(tally).context("a caller still counts")?;
    Ok(tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// One caller. The mutex is never contended: all callers of a tally share one thread.
async fn call(
    mut clerk: Clerk,
    address: SocketAddr,
    slots: Option<Arc<Slots>>,
    window: Window,
    tally: Arc<std::sync::Mutex<Tally>>,
) {
    let (mut connection, mut exchanged) = (None, 0_u64);
    loop {
        let intended = match &slots {
            None => Instant::now(),
            Some(slots) => match slots.next().await {
                Some(intended) => intended,
                None => return,
            },
        };
        if intended >= window.end || Instant::now() >= window.end {
            return;
        }
        let signing = Instant::now();
        let (request, meant) = clerk.next();
        let sent = Instant::now();
        let signed = sent - signing;
        let sent_us = now_micros();
        let (became, sample) = match exchange(&mut connection, address, request).await {
            Ok(answer) => {
                let became = Became::of(answer, meant);
                exchanged += 1;
                let looked_at =
                    exchanged % sample::ONE_IN == 0 && became == Became::Ended(Ending::Completed);
                let sample = looked_at.then(|| Sample::of(answer.body, sent_us, now_micros()));
                (became, sample.flatten())
            }
            Err(error) => {
                connection = None;
                (Became::Wrong(format!("{error:#}")), None)
            }
        };
        let pause = matches!(became, Became::Wrong(_) | Became::TurnedAway(_)) && slots.is_none();
        let now = Instant::now();
        if (window.start..window.end).contains(&now) {
            let mut tally = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            tally.signing += signed;
            if let Some(sample) = sample {
                tally.keep(sample);
            }
            tally.add(
                became,
                Timing {
                    since_due: now - intended,
                    since_sent: now - sent,
                    into_window: now - window.start,
                },
            );
        }
        if pause {
            tokio::time::sleep(AFTER_AN_ERROR).await;
        }
    }
}

async fn exchange<'a>(
    connection: &'a mut Option<Connection>,
    address: SocketAddr,
    request: &str,
) -> Result<Answer<'a>> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(Connection::open(address).await?),
    };
    open.exchange(request.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_evenly_spaced_and_do_not_drift() {
        let start = Instant::now();
        let slots =
            Slots { due: Semaphore::new(0), taken: AtomicU64::new(0), start, per_second: 3 };
        assert_eq!(slots.time_of(0), start);
        assert_eq!(slots.time_of(1), start + Duration::from_nanos(333_333_333));
        assert_eq!(slots.time_of(3_000_000), start + Duration::from_secs(1_000_000));
    }

    #[test]
    fn a_clock_whose_time_is_over_ends_the_callers() {
        let start = Instant::now();
        let slots =
            Slots { due: Semaphore::new(0), taken: AtomicU64::new(0), start, per_second: 1 };
        slots.run(start);
        assert!(slots.due.is_closed());
    }
}
