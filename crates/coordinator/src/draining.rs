//! Counters that operators drain: the connections are signed off in order while no open transfer needs them, and
//! come back for as long as one does. One that waits for a person needs none: it may wait for days, nothing is sent
//! for it before two have decided, and what they decide brings the connections back.

use crate::by_hand::Waits;
use crate::clock::now_micros;
use crate::events::Kind;
use crate::inner::Inner;
use crate::mail::Mail;
use domain::message::CounterId;
use port::CounterIndex;
use std::sync::Arc;
use std::time::Duration;
use store::HoldKind;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Between two looks at what a drain waits for. So long may a decision wait for the connections to be begun again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Signs off what is drained and not needed, and has it back when it is needed or released.
pub(crate) async fn drain(inner: Arc<Inner>) {
    let mut standing = inner.standing.follow();
    loop {
        let mut drains = false;
        standing.mark_unchanged();
        for index in (0..inner.counters.len()).map(CounterIndex) {
            let counter = inner.counters[index].id();
            let hold = inner.standing.on_hold(counter);
            if hold.is_some_and(|hold| hold.kind == HoldKind::Drain) {
                drains = true;
                look(&inner, index).await;
            } else {
                inner.by_hand.waits().remove(counter);
                inner.counters[index].come_back();
            }
        }
        // Nobody changes it any more: the bridge is stopping.
        let changed = if drains {
            timeout(LOOK_EVERY, standing.changed()).await.unwrap_or(Ok(()))
        } else {
            standing.changed().await
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Whether the connections of one that is drained are needed.
async fn look(inner: &Inner, index: CounterIndex) {
    let Some(waits) = waits(inner, index).await else { return };
    let counter = &inner.counters[index];
    let id = counter.id();
    let former = inner.by_hand.waits().insert(id.clone(), waits);
    if waits.moving == 0 {
        counter.leave();
    } else {
        counter.come_back();
    }
    if let Some(text) = told(id, former, waits) {
        tracing::info!("{text}");
        inner.events.record(now_micros(), Kind::Held, None, text);
    }
}

/// What is told of it, where that is news.
fn told(counter: &CounterId, former: Option<Waits>, waits: Waits) -> Option<String> {
    let needed = |waits: Waits| waits.moving > 0;
    match former {
        Some(former) if needed(former) == needed(waits) => None,
        None if needed(waits) => Some(format!(
            "{counter} is drained and stays connected until {} open transfers have ended",
            waits.moving
        )),
        Some(_) if needed(waits) => Some(format!(
            "{counter} is drained and comes back for what was decided: {} open transfers need it",
            waits.moving
        )),
        _ => Some(format!(
            "{counter} is drained: nothing needs it, and its connections are signed off"
        )),
    }
}

/// What needs a counter; `None` if the bridge is stopping.
async fn waits(inner: &Inner, counter: CounterIndex) -> Option<Waits> {
    let mut all = Waits::default();
    for shard in &inner.shards {
        let (to, waits) = oneshot::channel();
        shard.send(Mail::Needing(counter, to)).await.ok()?;
        all = all.join(waits.await.ok()?);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_when_it_is_signed_off_and_when_it_comes_back() {
        let counter = CounterId::new("futures").expect("an id");
        let of = |moving, parked| Waits { moving, parked };
        for (former, now, words) in [
            (None, of(3, 1), Some("until 3 open transfers have ended")),
            (Some(of(3, 1)), of(2, 1), None),
            (Some(of(1, 1)), of(0, 2), Some("nothing needs it")),
            (Some(of(0, 2)), of(0, 1), None),
            (Some(of(0, 2)), of(1, 1), Some("1 open transfers need it")),
            (None, of(0, 5), Some("signed off")),
        ] {
            let told = told(&counter, former, now);
            assert_eq!(told.is_some(), words.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().contains(words.unwrap_or_default()), "{words:?}");
        }
    }
}
