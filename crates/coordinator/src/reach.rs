//! How far counters have seen our serials, against what the record has given out; and what holds a
//! counter, over restarts (DOMAIN §3 rule 10).

use crate::clock::now_micros;
use crate::inner::Inner;
use crate::standing::{Hold, ToKeep};
use domain::message::CounterId;
use domain::serial::{Day, Sequence, SubSerial};
use std::sync::Arc;
use std::time::Duration;
use store::{Allowance, HeldCounter, Reach, StoreError};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

/// Between two tries to ask a database that does not answer, or to write to it.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);

/// How long an operator waits for a database to have taken what it is to keep of holds.
const KEPT_WITHIN: Duration = Duration::from_secs(5);

/// Holds what was held when the bridge last stopped.
pub(crate) async fn take_up_holds(inner: &Inner) -> Result<(), StoreError> {
    for HeldCounter { counter, why, seen, since } in inner.store.held_counters().await? {
        tracing::warn!(%counter, why, "the counter gets no new transfers until it is readmitted");
        inner.standing.hold(&counter, Hold { why, since });
        if seen.is_some() {
            agree(inner, &counter);
        }
    }
    Ok(())
}

/// Keeps holds in the database; one that it does not take is tried again until it does.
pub(crate) async fn keep_holds(
    inner: Arc<Inner>,
    holds: Arc<Mutex<mpsc::UnboundedReceiver<ToKeep>>>,
) {
    let mut holds = holds.lock().await;
    while let Some(keep) = holds.recv().await {
        let held = match keep {
            ToKeep::Hold(held) => held,
            ToKeep::Told(kept) => {
                // Whoever waited may have left.
                let _ = kept.send(());
                continue;
            }
        };
        while let Err(error) = inner.store.hold_counter(&held).await {
            tracing::warn!(%error, counter = %held.counter, "that it is held is not recorded yet");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Whether the database has taken all that it is to keep of holds by now; it gets [`KEPT_WITHIN`] to.
pub(crate) async fn are_kept(holds: &mpsc::UnboundedSender<ToKeep>) -> bool {
    let (kept, all_kept) = oneshot::channel();
    holds.send(ToKeep::Told(kept)).is_ok()
        && matches!(timeout(KEPT_WITHIN, all_kept).await, Ok(Ok(())))
}

/// Holds what a counter said at sign-on against the lease as it is recorded now.
pub(crate) async fn look(inner: &Inner, counter: &CounterId, told: SubSerial) {
    let reach = loop {
        match inner.store.reach(counter, told.sequence).await {
            Ok(reach) => break reach,
            Err(error) => {
                tracing::warn!(%error, %counter, "how far it has seen is not compared yet");
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    let next = match reach {
        Reach::Beyond { next } => Sequence::of_ordinal(next),
        // Leased by this life, which has not given it to anybody yet.
        Reach::Known if inner.serials.holds(told.sequence).await => told.sequence,
        Reach::Known => return,
    };
    let (now, seen) = (now_micros(), told.sequence);
    let why = format!(
        "it says that it has seen the sub serial {told}, of the transfer with the sequence {:011}, and this \
         record has given out none from {:011} on: the record lacks something, or the counter is mistaken",
        seen.number(),
        next.number()
    );
    let is_new = inner.standing.held(counter).is_none();
    // Held first: what follows takes its time.
    inner.hold_beyond(counter, &why, seen, now);
    agree(inner, counter);
    if reach == Reach::Known && !is_new {
        // It gets nothing new: the block in hand need not be left out once more at its word.
        return;
    }
    let allowance = Allowance::Day(Day::from_unix_micros(now));
    match inner.store.lift_serials(counter, seen, allowance, now).await {
        Ok(true) => {
            inner.serials.discard().await;
            tracing::warn!(%counter, "serials go on after {:011}", seen.number());
        }
        Ok(false) => {
            tracing::error!(%counter, "serials were not moved past {:011}", seen.number());
        }
        Err(error) => {
            tracing::error!(%error, %counter, "serials were not moved past {:011}", seen.number());
        }
    }
}

/// Two counters that have seen more than the record gave out speak of the record.
fn agree(inner: &Inner, counter: &CounterId) {
    if let Some(agreed) = inner.doubts.beyond(counter) {
        let names: Vec<&str> = agreed.iter().map(CounterId::as_str).collect();
        inner.standing.fall_behind(format!(
            "{} have all seen serials that this record never gave out",
            names.join(" and ")
        ));
    }
}

impl Inner {
    /// Moves the lease past what a counter has seen: on persons' word as far as it takes, otherwise as far as a
    /// counter's own word moves it in a day. Whether it is past it now.
    pub(crate) async fn move_past(
        &self,
        counter: &CounterId,
        seen: Sequence,
        wanted: bool,
        now: i64,
    ) -> Result<bool, StoreError> {
        let day = Day::from_unix_micros(now);
        let allowance = if wanted { Allowance::Wanted(day) } else { Allowance::Day(day) };
        let moved = self.store.lift_serials(counter, seen, allowance, now).await?;
        if moved {
            self.serials.discard().await;
        }
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::coordinator::Coordinator;
    use crate::record::Rendered;
    use crate::view::View;
    use domain::serial::{MasterSerial, Role};
    use domain::transfer::Doubt;
    use port::Counters;
    use store::Store;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    fn render(_: &View) -> Rendered {
        Rendered { status: 201, body: bytes::Bytes::new() }
    }

    fn counter(id: &str) -> CounterId {
        CounterId::new(id).expect("an id")
    }

    fn serial(number: u64) -> SubSerial {
        SubSerial { sequence: Sequence::new(number).expect("a sequence"), role: Role::Credit }
    }

    /// A coordinator on a record in this folder, and how to stop it.
    async fn started(folder: &tempfile::TempDir) -> (Coordinator, TaskTracker, CancellationToken) {
        let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
        let store = Store::open(&url).await.expect("it opens");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (_unmatched, unasked) = mpsc::channel(1);
        let config = Config::default();
        let coordinator = Coordinator::start(
            config,
            store,
            Counters::default(),
            unasked,
            render,
            &tasks,
            stop.clone(),
        );
        (coordinator.await.expect("it starts"), tasks, stop)
    }

    async fn stopped(stage: (Coordinator, TaskTracker, CancellationToken)) {
        let (coordinator, tasks, stop) = stage;
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        coordinator.inner.store.clone().close().await;
    }

    /// Waits until so many holds are recorded, but not for ever.
    async fn recorded(coordinator: &Coordinator, holds: usize) {
        let all = async {
            while coordinator.inner.store.held_counters().await.expect("asks").len() < holds {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.expect("they are recorded");
    }

    #[tokio::test]
    async fn one_counter_that_has_seen_more_is_held_two_speak_of_the_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let stage = started(&folder).await;
        let inner = &stage.0.inner;
        let next = inner.store.lease_serials(100).await.expect("leases").end;
        let in_hand = inner.serials.next().await.expect("a serial").number();
        assert_eq!(in_hand, next);
        let next = inner.store.lease_serials(1).await.expect("leases").end;
        let (futures, securities) = (counter("futures"), counter("securities"));
        look(inner, &futures, serial(next - 1)).await;
        assert_eq!(inner.standing.held(&futures), None, "it is ours");
        look(inner, &futures, serial(next + 20)).await;
        let held = inner.standing.held(&futures).expect("it is held");
        assert!(held.why.contains(&serial(next + 20).to_string()), "{}", held.why);
        assert_eq!(inner.standing.behind(), None, "one counter does not stop the bridge");
        let after = inner.serials.next().await.expect("a serial").number();
        assert_eq!(after, next + 21, "nobody gets a number that it knows");
        look(inner, &futures, serial(next + 20)).await;
        assert_eq!(inner.standing.behind(), None, "nor does one that says it twice");
        let other = counter("other");
        look(inner, &other, serial(after)).await;
        assert_eq!(inner.standing.held(&other), None, "it was given out");
        look(inner, &securities, serial(next + 5)).await;
        let why = inner.standing.behind().expect("two agree");
        assert!(why.contains("futures and securities"), "{why}");
        recorded(&stage.0, 2).await;
        stopped(stage).await;

        // Both are held again, and agree again, until an operator has looked.
        let stage = started(&folder).await;
        assert!(stage.0.inner.standing.held(&futures).is_some());
        assert!(stage.0.inner.standing.behind().is_some());
        stopped(stage).await;
    }

    /// Whoever lets a counter go on has seen all for which it is held.
    #[tokio::test]
    async fn each_reason_of_a_counter_that_is_held_is_recorded_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let stage = started(&folder).await;
        let inner = &stage.0.inner;
        let futures = counter("futures");
        for number in [42, 43, 42, 43] {
            let master = MasterSerial::from_number(2_026_112_100_000_000_000 + number);
            let about = (master.expect("a serial"), Role::Credit);
            inner.doubt(&futures, Doubt::OtherMark, about, 7);
        }
        // Further than a counter's word moves the lease: the words say each time how far the record is.
        let far = inner.store.lease_serials(100).await.expect("leases").end + 20_000_000;
        for _ in 0..2 {
            look(inner, &futures, serial(far)).await;
            inner.store.lease_serials(100).await.expect("leases");
        }
        assert!(are_kept(&inner.holds).await);
        let holds = inner.store.holds_of(&futures).await.expect("asks");
        let seen: Vec<_> = holds.iter().map(|hold| hold.seen.map(Sequence::number)).collect();
        assert_eq!(seen, [None, None, Some(far)], "{holds:?}");
        assert!(holds[0].why.contains("000042") && holds[1].why.contains("000043"), "{holds:?}");
        stopped(stage).await;
    }

    /// The first order of a life leases a block before a counter has said anything: what is in hand is
    /// not what was given out.
    #[tokio::test]
    async fn what_is_leased_and_in_hand_cannot_have_been_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let stage = started(&folder).await;
        let inner = &stage.0.inner;
        let given = inner.serials.next().await.expect("a serial").number();
        let futures = counter("futures");
        look(inner, &futures, serial(given)).await;
        assert_eq!(inner.standing.held(&futures), None);
        look(inner, &futures, serial(given + 1)).await;
        assert!(inner.standing.held(&futures).is_some());
        let after = inner.serials.next().await.expect("a serial").number();
        assert!(after > given + 1, "nobody gets what it knows: {after}");
        // Said again, it costs no more of them.
        look(inner, &futures, serial(after + 5)).await;
        assert_eq!(inner.serials.next().await.expect("a serial").number(), after + 1);
        stopped(stage).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_operator_waits_five_seconds_for_holds_to_be_kept() {
        let (holds, mut kept) = mpsc::unbounded_channel();
        let answered = async {
            let Some(ToKeep::Told(told)) = kept.recv().await else { panic!("nothing is held") };
            tokio::time::sleep(KEPT_WITHIN.saturating_sub(Duration::from_millis(1))).await;
            let _ = told.send(());
        };
        let (in_time, ()) = tokio::join!(are_kept(&holds), answered);
        assert!(in_time);
        let began = tokio::time::Instant::now();
        assert!(!are_kept(&holds).await, "nobody keeps them");
        assert_eq!(began.elapsed(), KEPT_WITHIN);
        drop(kept);
        assert!(!are_kept(&holds).await, "nobody ever will");
        assert_eq!(began.elapsed(), KEPT_WITHIN);
    }
}
