//! Counters that operators drain: the connections are signed off in order while no open transfer needs them, and
//! come back for as long as one does. One that waits for a person needs none: it may wait for days, nothing is sent
//! for it before two have decided, and what they decide brings the connections back.

use crate::by_hand::Waits;
use crate::clock::now_micros;
use crate::events::Kind;
use crate::inner::Inner;
use crate::mail::Mail;
use domain::message::CounterId;
use futures::future::join_all;
use port::CounterIndex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::HoldKind;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

/// Between two looks at what a drain waits for. So long may a decision wait for the connections to be begun again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long shards get to say what is open at counters that are drained. What one does not say is not known, and the
/// connections stay as they are.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// So many looks in a row may leave open whether a counter is needed before that is said: one shard that has much to do
/// for a moment is no news.
const LOOKS_UNTIL_SAID: u32 = 3;

/// Signs off what is drained and not needed, and has it back when it is needed or released.
pub(crate) async fn drain(inner: Arc<Inner>) {
    let mut standing = inner.standing.follow();
    let mut unknown = BTreeMap::new();
    loop {
        standing.mark_unchanged();
        let all = (0..inner.counters.len()).map(CounterIndex);
        let (drained, others): (Vec<CounterIndex>, Vec<CounterIndex>) =
            all.partition(|index| is_drained(&inner, *index));
        // First, for nobody is asked about them.
        for index in others {
            let counter = &inner.counters[index];
            inner.by_hand.waits().remove(counter.id());
            unknown.remove(counter.id());
            counter.come_back();
        }
        let heard = join_all(drained.iter().map(|index| hear(&inner.shards, *index))).await;
        for (index, heard) in drained.iter().zip(heard) {
            // It may have been released meanwhile.
            if is_drained(&inner, *index) {
                look(&inner, *index, heard, &mut unknown);
            }
        }
        // Nobody changes it any more: the bridge is stopping.
        let changed = if drained.is_empty() {
            standing.changed().await
        } else {
            timeout(LOOK_EVERY, standing.changed()).await.unwrap_or(Ok(()))
        };
        if changed.is_err() {
            return;
        }
    }
}

fn is_drained(inner: &Inner, index: CounterIndex) -> bool {
    let hold = inner.standing.on_hold(inner.counters[index].id());
    hold.is_some_and(|hold| hold.kind == HoldKind::Drain)
}

/// Whether the connections of one that is drained are needed.
fn look(inner: &Inner, index: CounterIndex, heard: Heard, unknown: &mut BTreeMap<CounterId, u32>) {
    let counter = &inner.counters[index];
    let id = counter.id();
    let Heard { waits, is_whole } = heard;
    if waits.moving == 0 && !is_whole {
        // What was known last stays shown, and what comes next is held against it.
        let looks = unknown.entry(id.clone()).or_insert(0);
        *looks = looks.saturating_add(1);
        if *looks == LOOKS_UNTIL_SAID {
            let text = format!(
                "it is not known whether {id}, which is drained, is needed: a part of the bridge does not answer; its \
                 connections stay as they are"
            );
            tracing::warn!("{text}");
            inner.events.record(now_micros(), Kind::Held, None, text);
        }
        return;
    }
    unknown.remove(id);
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

/// What shards said of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Heard {
    waits: Waits,
    /// Whether all of them have said it.
    is_whole: bool,
}

/// What needs a counter, as far as shards say so in time.
async fn hear(shards: &[mpsc::Sender<Mail>], counter: CounterIndex) -> Heard {
    let until = Instant::now() + ANSWERED_WITHIN;
    let ask = |shard: &mpsc::Sender<Mail>| {
        let shard = shard.clone();
        async move {
            let (to, waits) = oneshot::channel();
            // A mailbox that is full for a moment is no reason not to know; one that stays full is.
            shard.send(Mail::Needing(counter, to)).await.ok()?;
            waits.await.ok()
        }
    };
    let mut heard = Heard { is_whole: true, ..Heard::default() };
    for said in join_all(shards.iter().map(|shard| timeout_at(until, ask(shard)))).await {
        match said.ok().flatten() {
            Some(waits) => heard.waits = heard.waits.join(waits),
            None => heard.is_whole = false,
        }
    }
    heard
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

    /// A mailbox that is full just now is asked as soon as it has room.
    #[tokio::test(start_paused = true)]
    async fn a_mailbox_that_is_full_for_a_moment_is_waited_for() {
        let (busy, mut mail) = mpsc::channel(1);
        busy.try_send(Mail::Knock).expect("there is room");
        let waits = Waits { moving: 2, parked: 1 };
        let answering = async {
            while let Some(mail) = mail.recv().await {
                if let Mail::Needing(_, to) = mail {
                    let _ = to.send(waits);
                }
            }
        };
        let busy = [busy];
        let heard = tokio::select! {
            biased;
            heard = hear(&busy, CounterIndex(0)) => heard,
            () = answering => panic!("it is asked"),
        };
        assert_eq!(heard, Heard { waits, is_whole: true });
    }

    /// A shard that says nothing holds up what the others say for so long and no longer.
    #[tokio::test(start_paused = true)]
    async fn what_a_shard_does_not_say_in_time_is_not_known() {
        let (answers, mut mail) = mpsc::channel(8);
        let (silent, _kept) = mpsc::channel(8);
        let (full, _never) = mpsc::channel(1);
        full.try_send(Mail::Knock).expect("there is room");
        let waits = Waits { moving: 2, parked: 1 };
        let answering = async {
            while let Some(Mail::Needing(_, to)) = mail.recv().await {
                let _ = to.send(waits);
            }
        };
        let asking = async {
            let heard = hear(&[answers.clone(), answers.clone()], CounterIndex(0)).await;
            let both = Waits { moving: 4, parked: 2 };
            assert_eq!(heard, Heard { waits: both, is_whole: true });
            for other in [silent, full] {
                let began = Instant::now();
                let heard = hear(&[other, answers.clone()], CounterIndex(0)).await;
                assert_eq!(heard, Heard { waits, is_whole: false });
                assert!(began.elapsed() <= ANSWERED_WITHIN);
            }
        };
        tokio::select! {
            () = asking => {}
            () = answering => panic!("it is asked"),
        }
    }
}
