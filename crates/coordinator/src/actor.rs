//! The task around a shard: it owns the clock and the channels, and nothing is decided here.

use crate::clock::Now;
use crate::events::{Events, Kind};
use crate::inner::{Inner, Key};
use crate::mail::Mail;
use crate::shard::{Ended, Input, Output, Shard};
use crate::standing::Standing;
use crate::world::{Facts, World};
use port::{Ask, Counters, Delivery, ReplyTo};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{AlarmAbout, AlarmKind, Written};
use supervise::trap::spring;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Mails taken in one turn: enough to fill a batch, few enough to look at the clock in between.
const A_TURN: usize = 1024;

/// What the counters look like now.
pub(crate) fn world(counters: &Counters, standing: &Standing) -> World {
    let state = standing.state();
    World {
        behind: state.is_behind(),
        counters: counters
            .iter()
            .map(|counter| Facts {
                id: counter.id().clone(),
                profile: counter.profile().clone(),
                settle_day: counter.settle_day(),
                sessions: counter.sessions(),
                held: state.held.contains_key(counter.id()),
            })
            .collect(),
    }
}

pub(crate) struct Actor {
    pub(crate) shard: Shard,
    pub(crate) inner: Arc<Inner>,
    pub(crate) mail: mpsc::Receiver<Mail>,
}

impl Actor {
    /// Runs until `stop`; what is open then is taken up again by the next start.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (deliver, mut deliveries) = mpsc::unbounded_channel::<Delivery>();
        let (done, mut written) = mpsc::unbounded_channel::<Vec<Written>>();
        let mut world = world(&self.inner.counters, &self.inner.standing);
        let mut mails = Vec::with_capacity(A_TURN);
        let mut delivered = Vec::with_capacity(A_TURN);
        let mut batches = Vec::with_capacity(A_TURN);
        let mut out = Vec::with_capacity(2 * A_TURN);
        loop {
            let timer = self.shard.next_timer();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = written.recv_many(&mut batches, A_TURN) => {}
                _ = deliveries.recv_many(&mut delivered, A_TURN) => {}
                count = self.mail.recv_many(&mut mails, A_TURN) => if count == 0 { break },
                () = until(timer) => {}
            }
            spring("shard", String::new);
            // Whatever else is ready rides in the same turn, and so in the same batch.
            fill(&mut delivered, || deliveries.try_recv().ok());
            fill(&mut batches, || written.try_recv().ok());
            fill(&mut mails, || self.mail.try_recv().ok());

            let now = Now::read();
            {
                let state = self.inner.standing.state();
                // A holder of the record that could not say so for a while may have lost it to another.
                world.behind = state.is_behind() || self.inner.store.may_be_superseded();
                for (facts, counter) in world.counters.iter_mut().zip(&self.inner.counters) {
                    facts.settle_day = counter.settle_day();
                    facts.sessions = counter.sessions();
                    facts.held = state.held.contains_key(counter.id());
                }
            }
            for written in batches.drain(..).flatten() {
                self.shard.handle(Input::Written(written), now, &world, &mut out);
            }
            for Delivery { counter, ticket, outcome } in delivered.drain(..) {
                let input = Input::Delivered { speaker: counter, ticket, outcome };
                self.shard.handle(input, now, &world, &mut out);
            }
            for mail in mails.drain(..) {
                self.take(mail, now, &world, &mut out);
            }
            self.shard.tick(now, &world, &mut out);
            self.perform(&mut out, now, &done, &deliver);
        }
    }

    fn take(&mut self, mail: Mail, now: Now, world: &World, out: &mut Vec<Output>) {
        match mail {
            Mail::Input(input) => self.shard.handle(input, now, world, out),
            Mail::View(sequence, to) => {
                let _ = to.send(self.shard.view(sequence));
            }
            Mail::Wait(sequence, waiter) => {
                // Dropping the waiter tells that it is not open.
                let _ = self.shard.wait(sequence, waiter);
            }
            Mail::Recorded(sequence, to) => self.shard.when_recorded(sequence, to),
            Mail::Page(wanted, to) => {
                let _ = to.send(self.shard.page(&wanted));
            }
            Mail::Oldest(state, limit, to) => {
                let _ = to.send(self.shard.oldest(state, limit));
            }
            Mail::Proposed(limit, to) => {
                let _ = to.send(self.shard.proposed(limit));
            }
            Mail::Proven(limit, to) => {
                let _ = to.send(self.shard.proven(limit));
            }
            Mail::Views(to) => {
                let _ = to.send(self.shard.views().collect());
            }
            // Whoever asked while it stood still may have gone: nothing is counted for nobody.
            Mail::Summary(to) if !to.is_closed() => {
                let _ = to.send(self.shard.summary());
            }
            Mail::Count(at, to) if !to.is_closed() => {
                let _ = to.send((self.shard.summary(), self.shard.transit(at)));
            }
            Mail::Needing(counter, to) => {
                let _ = to.send(self.shard.needing(counter));
            }
            Mail::Summary(_) | Mail::Count(..) | Mail::Knock => {}
        }
    }

    fn perform(
        &mut self,
        out: &mut Vec<Output>,
        now: Now,
        done: &mpsc::UnboundedSender<Vec<Written>>,
        deliver: &mpsc::UnboundedSender<Delivery>,
    ) {
        let mut writes = Vec::new();
        let mut asks: Vec<Vec<Ask>> = self.inner.counters.iter().map(|_| Vec::new()).collect();
        for output in out.drain(..) {
            match output {
                Output::Write(write) => writes.push(write),
                Output::Ask { counter, ticket, instruction, within } => {
                    asks[counter.0].push(Ask {
                        ticket,
                        instruction,
                        deadline: now.at + within,
                        reply_to: ReplyTo::Queue(deliver.clone()),
                    });
                }
                Output::NewSessions { counter, after } => {
                    self.inner.counters[counter].renew_sessions(after);
                }
                Output::Closed { app, idempotency_key, ended } => {
                    let state = ended.map(|ended| ended.state);
                    self.inner.allowances.close(&app, &idempotency_key, state);
                    self.inner.running.remove(&Key { app, idempotency_key });
                    self.inner.open.fetch_sub(1, Ordering::Relaxed);
                    if let Some(Ended { state, accepted_at }) = ended {
                        metrics::counter!("transfers_total", "state" => state.as_str())
                            .increment(1);
                        metrics::histogram!("transfer_seconds", "state" => state.as_str())
                            .record(between(accepted_at, now.wall));
                    }
                }
                Output::Alarm { kind, master, text } => {
                    alarm(&self.inner.events, now.wall, kind, master, text);
                }
                Output::LeftOut { counter, master, text } => {
                    let id = self.inner.counters[counter].id();
                    metrics::counter!("late_answers_left_out_total", "counter" => id.to_string())
                        .increment(1);
                    if let Some(text) = text {
                        let text = format!("{id}: {text}");
                        let about = AlarmAbout::Counter(id.clone());
                        self.inner.events.raise(AlarmKind::Notice, about, &text);
                        tell(&self.inner.events, now.wall, Kind::Notice, master, text);
                    }
                }
                Output::Doubted { counter, doubt, master, role } => {
                    let counter = self.inner.counters[counter].id();
                    self.inner.doubt(counter, doubt, (master, role), now.wall);
                }
                Output::Accuse { counter, fault, master, text } => {
                    let Inner { accusations, events, .. } = &*self.inner;
                    let about = Some(master);
                    accusations.add(&counter, fault, about, &text, events, now.wall, now.at);
                }
                Output::Compare { speaker, reply } => self.inner.compare(&speaker, reply),
            }
        }
        if !writes.is_empty() {
            self.inner.journal.submit(writes, done);
        }
        for (counter, asks) in self.inner.counters.iter().zip(asks) {
            if !asks.is_empty() {
                counter.ask_all(asks);
            }
        }
    }
}

/// The time between two times of the wall clock, in microseconds; none where that was set back.
fn between(from: i64, to: i64) -> Duration {
    Duration::from_micros(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

/// Raises an alarm where there is one for this, and records what somebody should know.
pub(crate) fn alarm(
    events: &Events,
    now: i64,
    kind: Kind,
    master: domain::serial::MasterSerial,
    text: String,
) {
    let raised = match kind {
        // Which transfers do stands in the record: after an outage there are tens of thousands.
        Kind::NeedsOperator => Some((AlarmKind::NeedsOperator, AlarmAbout::Bridge)),
        Kind::Defect => Some((AlarmKind::Defect, AlarmAbout::Transfer(master))),
        Kind::Database => Some((AlarmKind::Database, AlarmAbout::Bridge)),
        Kind::Contradiction => Some((AlarmKind::Contradiction, AlarmAbout::Transfer(master))),
        Kind::Foreign => Some((AlarmKind::Foreign, AlarmAbout::Transfer(master))),
        Kind::NotCompared => Some((AlarmKind::NotCompared, AlarmAbout::Transfer(master))),
        Kind::Notice => Some((AlarmKind::Notice, AlarmAbout::Transfer(master))),
        Kind::Recovered
        | Kind::Decided
        | Kind::Claimed
        | Kind::Proposed
        | Kind::Resolved
        | Kind::Held
        | Kind::Alarm => None,
    };
    if let Some((kind, about)) = raised {
        events.raise(kind, about, &format!("{master}: {text}"));
    }
    tell(events, now, kind, master, text);
}

/// Records what somebody should know, and logs it; what wakes a person as an error.
fn tell(events: &Events, now: i64, kind: Kind, master: domain::serial::MasterSerial, text: String) {
    if events.admits_alarm(now, kind) {
        if kind.is_alarm() {
            tracing::error!(%master, kind = kind.as_str(), "{text}");
        } else {
            tracing::info!(%master, "{text}");
        }
        events.record(now, kind, Some(master), text);
    }
}

/// Takes what else is ready, as far as one turn goes.
fn fill<T>(turn: &mut Vec<T>, ready: impl FnMut() -> Option<T>) {
    let room = A_TURN.saturating_sub(turn.len());
    turn.extend(std::iter::from_fn(ready).take(room));
}

async fn until(timer: Option<Instant>) {
    match timer {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::serial::MasterSerial;
    use std::collections::BTreeSet;
    use store::Part;

    /// One defect that nobody has closed takes the words of no other: each part that may fail alone, and each transfer,
    /// has an alarm of its own, and they are bounded.
    #[test]
    fn each_defect_is_seen_by_what_it_is_about_however_many_there_are() {
        let events = Events::default();
        let serial = |number: i64| MasterSerial::from_number(2_026_112_100_000_000_000 + number);
        for part in Part::ALL {
            let text = format!("{part:?} is wrong");
            events.raise(AlarmKind::Defect, AlarmAbout::Part(part), &text);
        }
        for number in 1..=1_000 {
            let master = serial(number).expect("a serial");
            for _ in 0..2 {
                let text = "this software failed while it worked on the transfer".to_owned();
                alarm(&events, 1, Kind::Defect, master, text);
            }
        }
        let open = events.desk().book(|book| book.all());
        let said: BTreeSet<String> = open.iter().map(|open| open.alarm.text.to_string()).collect();
        for words in ["Alarms is wrong", "Money is wrong", "Holds is wrong"] {
            assert!(said.contains(words), "{said:?}");
        }
        let first = serial(1).expect("a serial");
        let about = open.iter().find(|open| open.alarm.about == AlarmAbout::Transfer(first));
        assert_eq!(
            about.map(|open| (open.alarm.kind, open.alarm.times)),
            Some((AlarmKind::Defect, 2))
        );
        assert_eq!(open.len(), Part::ALL.len() + crate::alarm_book::MOST_OF_TRANSFERS + 1);
        assert!(open.iter().any(|open| open.alarm.kind == AlarmKind::TooMany));
    }

    #[test]
    fn a_turn_takes_what_is_ready_and_no_more_than_it_has_room_for() {
        let mut turn = vec![0];
        let mut ready = vec![2, 1];
        fill(&mut turn, || ready.pop());
        assert_eq!(turn, [0, 1, 2]);
        let mut endless = 0;
        let mut count = || {
            endless += 1;
            Some(endless)
        };
        fill(&mut turn, &mut count);
        assert_eq!(turn.len(), A_TURN);
        fill(&mut turn, &mut count);
        assert_eq!((turn.len(), endless), (A_TURN, 1021), "what has no place is not taken");
    }
}
