//! A counter that is held because what it says is in doubt gets new transfers again when two persons say so: one
//! proposes it about the holds that were seen, another approves it. Written and read on the database each time, for
//! that is what decides.

use crate::clock::now_micros;
use crate::coordinator::Coordinator;
use crate::events::Kind;
use crate::inner::Inner;
use crate::proposal::{PROPOSAL_LASTS, ProposalId, Version};
use crate::reach::are_kept;
use domain::message::CounterId;
use domain::serial::Sequence;
use foreign::ForeignText;
use std::collections::BTreeSet;
use store::{HeldCounter, NotApproved, Readmission, ReadmissionEnd, StoreError};

/// Why a counter was not readmitted, or nothing proposed.
#[derive(Debug, thiserror::Error)]
pub enum ReadmitError {
    /// No such counter is configured.
    #[error("there is no counter {0}")]
    UnknownCounter(CounterId),
    /// The counter gets new transfers already: nothing holds it.
    #[error("{0} is not held: it gets new transfers")]
    NotHeld(CounterId),
    /// It has seen serials beyond the lease, which was not moved past them.
    #[error(
        "{counter} has seen serials up to {seen}, and new transfers would get the same again: have \
         the serials moved past them with it"
    )]
    SerialsBehind {
        /// Id of the counter that was to be readmitted.
        counter: CounterId,
        /// The highest of our sequences that it says it has seen.
        seen: u64,
    },
    /// The record lacks something: what is proposed now would end with its release, and nobody could approve it before.
    #[error(
        "the record is behind, and is released first: nothing that is proposed before can be approved; propose it once \
         the bridge runs on the record that was released"
    )]
    RecordBehind,
    /// It is held for something else than was seen: of what it is held for now.
    #[error("what holds it has changed since it was looked at: look again; it is version {0} now")]
    Moved(Version),
    /// It is proposed already.
    #[error(
        "{who} has proposed it already: approve that, or have it withdrawn first", who = .0.who
    )]
    Proposed(Box<Readmission>),
    /// No such proposal is open.
    #[error(
        "no such proposal is open for it: it was approved, withdrawn or overtaken, its time is over, or it never was"
    )]
    NoSuchProposal,
    /// Nobody approves what is one's own.
    #[error("nobody approves a proposal of one's own: another person has to")]
    Own,
    /// Another proposed it.
    #[error("{who} proposed it: whoever may approve may reject it", who = .0.who)]
    OfAnother(Box<Readmission>),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a counter gets nothing new, as whoever decides about it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldFor {
    /// What holds it, the oldest first.
    pub holds: Vec<HeldCounter>,
    /// Of all of them.
    pub version: Version,
    /// What is proposed, and waits for another person.
    pub proposal: Option<Readmission>,
}

impl HeldFor {
    /// The highest of our sequences that the counter says it has seen.
    fn seen(&self) -> Option<Sequence> {
        self.holds.iter().filter_map(|hold| hold.seen).max()
    }
}

impl Coordinator {
    /// What is proposed about a counter, as it was last known.
    pub fn readmission(&self, counter: &CounterId) -> Option<Readmission> {
        self.inner.readmissions.of(counter, now_micros())
    }

    /// What holds a counter, and what is proposed about it, by the database. An error if nothing does.
    pub async fn held_for(&self, counter: &CounterId) -> Result<HeldFor, ReadmitError> {
        self.inner.held_for(counter, now_micros()).await
    }

    /// Proposes that a counter gets new transfers again, for what was seen to hold it. With `move_serials` the lease is
    /// to be moved past what it has seen, however far that is.
    pub async fn propose_readmission(
        &self,
        counter: &CounterId,
        (version, move_serials): (Version, bool),
        who: ForeignText,
        note: ForeignText,
    ) -> Result<Readmission, ReadmitError> {
        let inner = &self.inner;
        let _turn = inner.readmissions.turn().await?;
        let at = now_micros();
        let now = inner.held_for(counter, at).await?;
        if inner.standing.state().is_behind() {
            return Err(ReadmitError::RecordBehind);
        }
        if now.version != version {
            return Err(ReadmitError::Moved(now.version));
        }
        if let Some(proposal) = now.proposal {
            return Err(ReadmitError::Proposed(Box::new(proposal)));
        }
        // Whoever approves it is not to find out that it does not suffice.
        if !move_serials && let Some(seen) = now.seen() {
            inner.moved_past(counter, seen, false, at).await?;
        }
        let proposal = proposal(counter, (version, move_serials), who, note, at);
        inner.store.propose_readmission(&proposal).await?;
        inner.readmissions.put(proposal.clone());
        let who = &proposal.who;
        tracing::warn!(%counter, %who, move_serials, "it is proposed to readmit the counter");
        let text = format!("{who} proposes to readmit {counter}: another person has to approve it");
        inner.events.record(at, Kind::Proposed, None, text);
        Ok(proposal)
    }

    /// Takes a proposal about a counter back, or rejects another's.
    pub async fn withdraw_readmission(
        &self,
        counter: &CounterId,
        (id, of_others): (ProposalId, bool),
        who: ForeignText,
        note: ForeignText,
    ) -> Result<Readmission, ReadmitError> {
        let inner = &self.inner;
        let _turn = inner.readmissions.turn().await?;
        let at = now_micros();
        let proposal = inner.proposed(counter, id, at).await?;
        if proposal.who != who && !of_others {
            return Err(ReadmitError::OfAnother(Box::new(proposal)));
        }
        let ended =
            inner.store.end_readmission(&proposal.id, ReadmissionEnd::Withdrawn, (&who, &note), at);
        if !ended.await? {
            return Err(ReadmitError::NoSuchProposal);
        }
        inner.readmissions.end(counter);
        tracing::warn!(%counter, %who, "the counter is not readmitted as it was proposed");
        let text = if proposal.who == who {
            format!("{who} withdraws the proposal to readmit {counter}")
        } else {
            format!("{who} rejects what {} proposed, to readmit {counter}", proposal.who)
        };
        inner.events.record(at, Kind::Proposed, None, text);
        Ok(proposal)
    }

    /// Approves what another person proposed: the counter gets new transfers again.
    pub async fn approve_readmission(
        &self,
        counter: &CounterId,
        id: ProposalId,
        who: ForeignText,
        note: ForeignText,
    ) -> Result<Readmission, ReadmitError> {
        let inner = &self.inner;
        let _turn = inner.readmissions.turn().await?;
        let at = now_micros();
        let proposal = inner.proposed(counter, id, at).await?;
        if proposal.who == who {
            return Err(ReadmitError::Own);
        }
        let given = inner.reasons.count(counter);
        let now = inner.held_for(counter, at).await?;
        let anew = async |version: Version| {
            let overtaken = ReadmissionEnd::Overtaken;
            inner.store.end_readmission(&proposal.id, overtaken, (&who, &note), at).await?;
            inner.readmissions.end(counter);
            Err(ReadmitError::Moved(version))
        };
        if now.version.to_string() != proposal.version {
            return anew(now.version).await;
        }
        if let Some(seen) = now.seen() {
            inner.moved_past(counter, seen, proposal.move_serials, at).await?;
        }
        let said = (&who, &note);
        match inner.store.approve_readmission(&proposal, &now.holds, said, at).await? {
            Ok(()) => {}
            Err(NotApproved::Ended) => return Err(ReadmitError::NoSuchProposal),
            Err(NotApproved::HeldAnew) => {
                let version = inner.held_for(counter, at).await?.version;
                return anew(version).await;
            }
        }
        // What came at this moment, and nobody has looked at, holds it.
        let goes = inner.let_go(counter, given);
        inner.readmissions.end(counter);
        tracing::warn!(%counter, proposed_by = %proposal.who, %who, %note, "two persons readmit the counter");
        let text = format!("{} and {who} readmit {counter}: {note}", proposal.who);
        inner.events.record(at, Kind::Decided, None, text);
        if !goes {
            return Err(ReadmitError::Moved(inner.held_for(counter, at).await?.version));
        }
        Ok(proposal)
    }
}

impl Inner {
    async fn held_for(&self, counter: &CounterId, now: i64) -> Result<HeldFor, ReadmitError> {
        if !self.counters.has(counter) {
            return Err(ReadmitError::UnknownCounter(counter.clone()));
        }
        let given = self.reasons.count(counter);
        // A hold that is still being recorded would outlast what is decided here.
        if !are_kept(&self.holds).await {
            let why = format!("that {counter} is held is not recorded yet");
            return Err(StoreError::Unavailable { why }.into());
        }
        let holds = self.store.holds_of(counter).await?;
        if holds.is_empty() {
            // An approval that the database took and did not confirm.
            self.let_go(counter, given);
            return Err(ReadmitError::NotHeld(counter.clone()));
        }
        let version = version(&holds);
        // One that was made of other holds is overtaken, if nobody has said so yet.
        let proposal = self.open(counter, now).await?;
        let proposal = proposal.filter(|proposal| proposal.version == version.to_string());
        Ok(HeldFor { holds, version, proposal })
    }

    /// The open proposal about a counter, if it is this one.
    async fn proposed(
        &self,
        counter: &CounterId,
        id: ProposalId,
        now: i64,
    ) -> Result<Readmission, ReadmitError> {
        if !self.counters.has(counter) {
            return Err(ReadmitError::UnknownCounter(counter.clone()));
        }
        let proposal = self.open(counter, now).await?;
        let proposal = proposal.filter(|proposal| proposal.id == id.to_string());
        proposal.ok_or(ReadmitError::NoSuchProposal)
    }

    /// What is proposed about a counter. In a record that is behind, nothing: it may have been withdrawn since.
    async fn open(&self, counter: &CounterId, now: i64) -> Result<Option<Readmission>, StoreError> {
        let open = self.readmissions.read(&self.store).await?.remove(counter);
        Ok(open.filter(|open| now < open.until && !self.standing.state().is_behind()))
    }

    /// A counter that nothing holds in the database gets new transfers again, unless it has given another reason since
    /// so many; whether so.
    fn let_go(&self, counter: &CounterId, given: u64) -> bool {
        self.reasons.let_go(counter, given, || {
            self.doubts.explained(counter);
            self.standing.release(counter);
        })
    }

    /// Moves serials past what a counter has seen, or says that it takes persons' word.
    async fn moved_past(
        &self,
        counter: &CounterId,
        seen: Sequence,
        wanted: bool,
        now: i64,
    ) -> Result<(), ReadmitError> {
        if self.move_past(counter, seen, wanted, now).await? {
            return Ok(());
        }
        Err(ReadmitError::SerialsBehind { counter: counter.clone(), seen: seen.number() })
    }
}

/// Of all that holds a counter: what it has seen, or else why. That it said the same again does not change it, nor how far
/// the record has come since.
fn version(holds: &[HeldCounter]) -> Version {
    let of = |hold: &HeldCounter| match hold.seen {
        Some(seen) => format!("seen {}", seen.number()),
        None => format!("{}:{}", hold.why.len(), hold.why),
    };
    let distinct: BTreeSet<String> = holds.iter().map(of).collect();
    Version::of_text(&distinct.into_iter().collect::<Vec<_>>().join("\n"))
}

fn proposal(
    counter: &CounterId,
    (version, move_serials): (Version, bool),
    who: ForeignText,
    note: ForeignText,
    at: i64,
) -> Readmission {
    let text = format!(
        "{counter}\n{version}\n{move_serials}\n{at}\n{}:{}\n{}",
        who.as_received().len(),
        who.as_received(),
        note.as_received(),
    );
    let lasts = i64::try_from(PROPOSAL_LASTS.as_micros()).unwrap_or(i64::MAX);
    Readmission {
        id: ProposalId::of_text(&text).to_string(),
        counter: counter.clone(),
        version: version.to_string(),
        move_serials,
        who,
        note,
        at,
        until: at.saturating_add(lasts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &str) -> CounterId {
        CounterId::new(name).expect("a counter")
    }

    fn hold(why: &str, seen: Option<u64>, since: i64) -> HeldCounter {
        let seen = seen.map(|seen| Sequence::new(seen).expect("a sequence"));
        HeldCounter { counter: counter("futures"), why: why.to_owned(), seen, since }
    }

    #[test]
    fn every_hold_and_all_of_it_is_in_the_version() {
        let one = version(&[hold("a mark", None, 7)]);
        for other in [
            vec![],
            vec![hold("a mar", None, 7)],
            vec![hold("a mark", Some(1), 7)],
            vec![hold("a mark", None, 7), hold("another", None, 7)],
            vec![hold("a mark", None, 7), hold("a mark", Some(2), 7)],
        ] {
            assert_ne!(version(&other), one, "{other:?}");
        }
        let again = [hold("a mark", None, 8), hold("a mark", None, 9)];
        assert_eq!(version(&again), one, "it says so at each sign-on");
    }

    #[test]
    fn all_that_is_shown_of_a_proposal_is_in_its_id() {
        let seen = (version(&[hold("a mark", None, 7)]), false);
        let id = |name: &str, seen, who: &str, note: &str, at| {
            proposal(&counter(name), seen, who.into(), note.into(), at).id
        };
        let one = id("futures", seen, "lin", "looked", 7);
        assert_eq!(id("futures", seen, "lin", "looked", 7), one);
        for other in [
            id("securities", seen, "lin", "looked", 7),
            id("futures", (version(&[]), false), "lin", "looked", 7),
            id("futures", (seen.0, true), "lin", "looked", 7),
            id("futures", seen, "li", "looked", 7),
            id("futures", seen, "lin", "looke", 7),
            id("futures", seen, "lin", "looked", 8),
        ] {
            assert_ne!(other, one);
        }
        let lasts = proposal(&counter("futures"), seen, "lin".into(), "looked".into(), 7);
        assert_eq!(lasts.until - lasts.at, 86_400_000_000);
    }
}
