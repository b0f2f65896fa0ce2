//! What operators do about a counter without deciding anything about money: they keep it from new transfers,
//! have it drained, let it go on, and have it sign on anew. Whatever keeps it is durable before it is told; where the
//! database does not say whether it took something, that is read back, and what is recorded is in force.

use crate::by_hand::Waits;
use crate::clock::now_micros;
use crate::coordinator::Coordinator;
use crate::events::Kind;
use crate::inner::Inner;
use crate::reach::AGAIN;
use crate::standing::Alone;
use domain::message::CounterId;
use foreign::ForeignText;
use port::Counter;
use std::sync::Arc;
use std::time::Duration;
use store::{
    AlarmAbout, AlarmKind, DamagedHold, HoldKind, InForce, NotChanged, NotTakenOff, OnHold, Part,
    StoreError,
};
use tokio::time::Instant;

/// Why a counter was not held, or not released.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// No such counter is configured.
    #[error("there is no counter {0}")]
    UnknownCounter(CounterId),
    /// No operator keeps it from new transfers.
    #[error("{0} is not on hold: no operator keeps it from new transfers")]
    NotOnHold(CounterId),
    /// Another hold is in force than the one that was to be released.
    #[error(
        "another hold is in force by now, and was not released: {who} {does} {counter}: look again",
        who = .0.who, does = does(.0.kind), counter = .0.counter
    )]
    Another(Box<OnHold>),
    /// What is in force was changed too often just now. To hold or drain a counter that gets new transfers goes always.
    #[error(
        "what is in force of {counter} was changed often just now: it may be changed again in {} s", wait.as_secs() + 1
    )]
    TooSoon {
        /// Id of the counter.
        counter: CounterId,
        /// How long it takes until it may be changed again.
        wait: Duration,
    },
    /// The database did not answer: what was said may be recorded or not. It is read back, and what is recorded is put
    /// in force.
    #[error(
        "the database does not say whether it was recorded ({0}): what is recorded is in force as soon as it answers; \
         look at the counter then, and say it again where it was not"
    )]
    Unclear(StoreError),
    /// Certainly nothing was changed: it was nobody's turn, or the database did not come to keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NotChanged> for HoldError {
    fn from(not: NotChanged) -> HoldError {
        match not {
            NotChanged::Nothing(error) => HoldError::Store(error),
            NotChanged::Unclear(error) => HoldError::Unclear(error),
        }
    }
}

/// Why a counter does not sign on anew.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewSessionError {
    /// No such counter is configured.
    #[error("there is no counter {0}")]
    UnknownCounter(CounterId),
    /// It can fence: a session proves nothing there that a fence does not.
    #[error(
        "{0} can fence: what became of a request is proven by a fence, and a new session proves nothing more"
    )]
    CanFence(CounterId),
    /// It has no connection.
    #[error("{0} has no connection: nothing is on its way to it that a new session would prove")]
    NoConnection(CounterId),
    /// It is not signed on.
    #[error(
        "{0} is not connected: it signs on anew by itself, and `reconnect` has it tried at once"
    )]
    NotConnected(CounterId),
    /// It was asked for a moment ago.
    #[error("{counter} was asked to sign on anew a moment ago: it may be asked again in {} s", wait.as_secs() + 1)]
    TooSoon {
        /// Id of the counter.
        counter: CounterId,
        /// How long it takes until it may be asked for again.
        wait: Duration,
    },
}

/// What begins when a counter signs on anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewing {
    /// How many connections it has.
    pub connections: usize,
    /// How many of them are signed on now.
    pub signed_on: usize,
}

/// Keeps from new transfers what operators kept from them when the bridge last stopped.
pub(crate) async fn take_up(inner: &Inner) -> Result<(), StoreError> {
    let InForce { holds, damaged } = inner.store.on_hold().await?;
    for DamagedHold { counter, error } in damaged {
        // Nobody knows whom new transfers would have to be kept from.
        if counter.is_none() {
            return Err(error);
        }
        tell_damaged(inner, counter.as_ref(), &error);
    }
    for hold in holds {
        let OnHold { counter, kind, who, note, .. } = &hold;
        let kind = kind.as_str();
        tracing::warn!(%counter, kind, %who, %note, "the counter gets no new transfers until it is released");
        // Until it is known whether what is open needs it.
        if let (HoldKind::Drain, Some(counter)) = (hold.kind, inner.counters.get(counter)) {
            counter.leave();
        }
        inner.standing.put_on_hold(hold);
    }
    Ok(())
}

/// Says, once for each time that it is read, that a row of a hold cannot be.
fn tell_damaged(inner: &Inner, counter: Option<&CounterId>, error: &StoreError) {
    let text = match counter {
        Some(counter) => format!(
            "what is recorded of {counter}'s hold cannot be read ({error}): it gets no new transfers until somebody \
             holds, drains or releases it, which mends that; if it was drained, it signs on until then"
        ),
        None => format!(
            "it cannot be read which counter a recorded hold is of ({error}): no counter that an operator keeps from new \
             transfers is let go on by itself, and the bridge does not start again before the row of table \
             operator_hold is mended"
        ),
    };
    tracing::error!("{text}");
    let part = AlarmAbout::Part(Part::Holds);
    let about = counter.map_or(part, |counter| AlarmAbout::Counter(counter.clone()));
    inner.events.raise(AlarmKind::Defect, about, &text);
    inner.events.record(now_micros(), Kind::Held, None, text);
}

/// What somebody does who keeps a counter from new transfers.
const fn does(kind: HoldKind) -> &'static str {
    match kind {
        HoldKind::Hold => "holds",
        HoldKind::Drain => "drains",
    }
}

/// Has in force what the database has recorded, whenever it may have taken something and not said so.
pub(crate) async fn follow(inner: Arc<Inner>) {
    let mut unclear = inner.by_hand.unclear();
    // Nobody drops the sender while this runs.
    while unclear.wait_for(|unclear| !unclear.is_empty()).await.is_ok() {
        let text = "the database has not said whether it took what was said last of a counter that operators hold or \
                    release: what it has recorded is in force as soon as it answers";
        tracing::warn!("{text}");
        inner.events.record(now_micros(), Kind::Held, None, text.to_owned());
        while let Err(error) = read_back(&inner).await {
            tracing::warn!(%error, "what operators said of counters is not known yet");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn read_back(inner: &Inner) -> Result<(), StoreError> {
    let _turn = inner.by_hand.turn().await?;
    let found = inner.store.on_hold_for_certain().await?;
    let alone = if found.lacks_a_counter() { Alone::BesideOthers } else { Alone::Alone };
    let InForce { mut holds, damaged } = found;
    for DamagedHold { counter, error } in &damaged {
        tell_damaged(inner, counter.as_ref(), error);
        if counter.is_none() {
            // It may be the one that was said of any of these, and not confirmed.
            for unclear in inner.by_hand.unclear().borrow().iter() {
                let is_known = holds.iter().any(|hold| hold.counter == *unclear)
                    || inner.standing.on_hold(unclear).is_some();
                if !is_known {
                    holds.push(OnHold::unread(unclear.clone(), now_micros(), error));
                }
            }
        }
    }
    let changed = inner.standing.put_all_on_hold(holds, alone);
    inner.by_hand.clear();
    let mut told: Vec<String> = Vec::new();
    for (counter, hold) in changed {
        told.push(match hold {
            Some(OnHold { kind, who, note, .. }) => {
                format!("{who} {} {counter}, which gets no new transfers: {note}", does(kind))
            }
            None => format!("no operator keeps {counter} from new transfers any more"),
        });
    }
    if told.is_empty() {
        told.push("nothing has changed".to_owned());
    }
    for text in told {
        let text = format!("the database has answered what it took of holds: {text}");
        tracing::warn!("{text}");
        inner.events.record(now_micros(), Kind::Held, None, text);
    }
    Ok(())
}

impl Inner {
    fn known(&self, counter: &CounterId) -> Result<&Arc<dyn Counter>, CounterId> {
        self.counters.get(counter).ok_or_else(|| counter.clone())
    }

    /// Whether a counter's hold may be changed now, if what is wanted changes the one that is in force.
    fn may_change(
        &self,
        counter: &CounterId,
        changes: impl FnOnce(&OnHold) -> bool,
    ) -> Result<(), HoldError> {
        if !self.standing.on_hold(counter).is_some_and(|hold| changes(&hold)) {
            return Ok(());
        }
        let may = self.by_hand.may_change(counter, Instant::now());
        may.map_err(|wait| HoldError::TooSoon { counter: counter.clone(), wait })
    }
}

impl Coordinator {
    /// An operator keeps a counter from new transfers; what is begun there goes on to its end. Whoever drains it
    /// has its connections signed off, too, as soon as nothing needs them. It is durable when this returns, and
    /// says what is in force then: said again it is the same, and the first who said it stays.
    pub async fn hold(
        &self,
        counter: &CounterId,
        kind: HoldKind,
        who: &ForeignText,
        note: &ForeignText,
    ) -> Result<OnHold, HoldError> {
        let inner = &self.inner;
        inner.known(counter).map_err(HoldError::UnknownCounter)?;
        let _turn = inner.by_hand.turn().await?;
        inner.may_change(counter, |hold| hold.kind != kind)?;
        let now = now_micros();
        let (who, note) = (who.clone(), note.clone());
        let wanted = OnHold { counter: counter.clone(), kind, who, note, since: now };
        let mut writing = inner.by_hand.writing(counter);
        let hold = writing.what_came_of(inner.store.put_on_hold(&wanted).await)?;
        let is_new = inner.standing.on_hold(counter).as_ref() != Some(&hold);
        inner.standing.put_on_hold(hold.clone());
        writing.ends_well();
        if is_new {
            let OnHold { who, note, .. } = &hold;
            tracing::warn!(%counter, kind = kind.as_str(), %who, %note, "an operator keeps a counter from new transfers");
            let text = match kind {
                HoldKind::Hold => {
                    format!("{who} holds {counter}, which gets no new transfers: {note}")
                }
                HoldKind::Drain => format!(
                    "{who} drains {counter}, which gets no new transfers and is signed off when nothing needs it: {note}"
                ),
            };
            inner.events.record(now, Kind::Held, None, text);
        }
        Ok(hold)
    }

    /// An operator lets a counter go on that one has held or drained; what was in force until now. It is durable
    /// when this returns. With a `meant`, the `since` of a hold, no other hold is released: so a request that is repeated
    /// late does not lift what somebody has said meanwhile.
    pub async fn release(
        &self,
        counter: &CounterId,
        meant: Option<i64>,
        who: &ForeignText,
        note: &ForeignText,
    ) -> Result<OnHold, HoldError> {
        let inner = &self.inner;
        inner.known(counter).map_err(HoldError::UnknownCounter)?;
        let _turn = inner.by_hand.turn().await?;
        inner.may_change(counter, |hold| meant.is_none_or(|meant| meant == hold.since))?;
        let now = now_micros();
        let mut writing = inner.by_hand.writing(counter);
        let taken = inner.store.take_off_hold(counter, meant, (who, note), now);
        let taken = writing.what_came_of(taken.await)?;
        match &taken {
            Ok(_) | Err(NotTakenOff::NotOnHold) => inner.standing.take_off_hold(counter),
            Err(NotTakenOff::Another(hold)) => inner.standing.put_on_hold(hold.clone()),
        }
        writing.ends_well();
        let former = taken.map_err(|not| match not {
            NotTakenOff::NotOnHold => HoldError::NotOnHold(counter.clone()),
            NotTakenOff::Another(hold) => HoldError::Another(Box::new(hold)),
        })?;
        tracing::warn!(%counter, %who, %note, "an operator lets a counter go on");
        let text = format!("{who} has released {counter}: {note}");
        inner.events.record(now, Kind::Held, None, text);
        Ok(former)
    }

    /// Whether what operators said of a counter is in force as it is recorded, as far as is known. Where the database has
    /// not said whether it took the last word, it is read back.
    pub fn is_hold_known(&self, counter: &CounterId) -> bool {
        !self.inner.by_hand.unclear().borrow().contains(counter)
    }

    /// What the drain of a counter waits for, as of the last look; `None` if it is not drained, or was not looked
    /// at yet.
    pub fn drain_waits(&self, counter: &CounterId) -> Option<Waits> {
        self.inner.by_hand.waits().get(counter).copied()
    }

    /// An operator has a counter that cannot fence sign on anew, one connection after another: what was sent before
    /// and is not found afterwards was never executed (DOMAIN §3). What it waits for, and how it goes on, the
    /// counter's connections show.
    pub fn new_session(
        &self,
        counter: &CounterId,
        who: &ForeignText,
    ) -> Result<Renewing, NewSessionError> {
        let inner = &self.inner;
        let found = inner.known(counter).map_err(NewSessionError::UnknownCounter)?;
        if found.profile().can_fence {
            return Err(NewSessionError::CanFence(counter.clone()));
        }
        let connections = found.snapshot().connections;
        if connections.is_empty() {
            return Err(NewSessionError::NoConnection(counter.clone()));
        }
        if found.session_began().is_none() {
            return Err(NewSessionError::NotConnected(counter.clone()));
        }
        let now = Instant::now();
        inner
            .by_hand
            .may_renew(counter, now)
            .map_err(|wait| NewSessionError::TooSoon { counter: counter.clone(), wait })?;
        found.renew_sessions(now);
        let signed_on = connections.iter().filter(|connection| connection.state.is_signed_on());
        let renewing = Renewing { connections: connections.len(), signed_on: signed_on.count() };
        tracing::info!(%counter, %who, "an operator has a counter sign on anew");
        let text = format!("{who} has {counter} sign on anew on every connection");
        inner.events.record(now_micros(), Kind::Held, None, text);
        Ok(renewing)
    }
}
