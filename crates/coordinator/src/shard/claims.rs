//! Transfers that wait for a person, and the persons: who has claimed which, until when, and which of
//! the others are proven and may be resumed together.

use super::broken::About;
use super::{DecideRefused, Output, Shard};
use crate::claimant::{CLAIM_LASTS, Claim, Claimant, MOST_CLAIMS};
use crate::clock::Now;
use crate::happening::Happening;
use crate::record::{Awaited, Record};
use crate::view::View;
use crate::world::World;
use domain::serial::MasterSerial;
use domain::transfer::{Decision, Event, Illegal, Outlook, Phase};
use foreign::ForeignText;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// A transfer that waits for a person, for whoever watches how it is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The transfer's master serial.
    pub master: MasterSerial,
    /// Whether somebody has claimed it.
    pub claimed: bool,
    /// Whether its end is being recorded.
    pub ends: bool,
}

/// The claims in force, in the order in which they end.
#[derive(Debug, Default)]
pub(super) struct Claims {
    ends: BTreeSet<(Instant, u64)>,
}

impl Claims {
    /// When the first of them ends.
    pub(super) fn next(&self) -> Option<Instant> {
        self.ends.first().map(|(ends, _)| *ends)
    }

    fn insert(&mut self, ends: Instant, sequence: u64) {
        self.ends.insert((ends, sequence));
    }

    /// Ends the claim of a transfer. Whose it was, if there was one.
    pub(super) fn take(&mut self, sequence: u64, record: &mut Record) -> Option<Claimant> {
        let Claim { claimant, ends } = record.claim.take()?;
        self.ends.remove(&(ends, sequence));
        Some(claimant)
    }

    fn over(&self, now: Instant) -> Option<u64> {
        self.ends.first().filter(|(ends, _)| *ends <= now).map(|(_, sequence)| *sequence)
    }
}

impl Shard {
    /// Somebody claims a transfer that waits for a person, or says again that it is claimed.
    pub(super) fn claim(
        &mut self,
        master: MasterSerial,
        who: ForeignText,
        note: ForeignText,
        now: Now,
    ) -> Result<Claimant, DecideRefused> {
        let sequence = master.sequence.number();
        let record = self.open.waiting(master)?;
        let since = match &record.claim {
            Some(Claim { claimant, .. }) if claimant.who != who => {
                return Err(DecideRefused::Claimed(claimant.clone()));
            }
            Some(Claim { claimant, .. }) => claimant.since,
            None if self.claims.ends.len() >= MOST_CLAIMS => {
                return Err(DecideRefused::TooManyClaims);
            }
            None => now.wall,
        };
        self.claims.take(sequence, record);
        let lasts = i64::try_from(CLAIM_LASTS.as_micros()).unwrap_or(i64::MAX);
        let claimant = Claimant { who, note, since, until: now.wall.saturating_add(lasts) };
        let ends = now.at + CLAIM_LASTS;
        self.claims.insert(ends, sequence);
        record.claim = Some(Claim { claimant: claimant.clone(), ends });
        Ok(claimant)
    }

    /// Whoever has claimed a transfer claims it no longer; whether anybody had. What waited for that
    /// goes on.
    pub(super) fn unclaim(
        &mut self,
        master: MasterSerial,
        who: &ForeignText,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) -> Result<bool, DecideRefused> {
        let sequence = master.sequence.number();
        let record = self.open.waiting(master)?;
        match &record.claim {
            Some(Claim { claimant, .. }) if claimant.who != *who => {
                return Err(DecideRefused::Claimed(claimant.clone()));
            }
            Some(_) => {}
            None => return Ok(false),
        }
        self.claims.take(sequence, record);
        self.freed(sequence, now, world, out);
        Ok(true)
    }

    /// Claims that are over.
    pub(super) fn end_claims(&mut self, now: Now, world: &World, out: &mut Vec<Output>) {
        while let Some(sequence) = self.claims.over(now.at) {
            match self.open.get_mut(&sequence) {
                Some(record) => drop(self.claims.take(sequence, record)),
                None => drop(self.claims.ends.pop_first()),
            }
            self.guarded(&About::transfer(sequence), now, out, |shard, out| {
                shard.freed(sequence, now, world, out);
            });
        }
    }

    /// Nobody claims it any more. One that is being asked about hears of it with the answer.
    fn freed(&mut self, sequence: u64, now: Now, world: &World, out: &mut Vec<Output>) {
        let waits = self.open.get(&sequence).is_some_and(|record| {
            matches!(record.transfer.phase, Phase::Parked(why) if why.is_want_of_knowledge())
                && !matches!(record.awaited, Awaited::Outcome { .. })
        });
        if waits {
            self.happen(sequence, Happening::Event(Event::Wake), now, world, out);
        }
    }

    /// Hands back to the rules what waits for nothing but a person's word: all of it is proven, and
    /// nobody has claimed it. Says what it leads to.
    pub(super) fn resume_proven(
        &mut self,
        master: MasterSerial,
        who: ForeignText,
        note: ForeignText,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) -> Result<Outlook, DecideRefused> {
        let patience = self.config.patience;
        let record = self.open.waiting(master)?;
        if let Some(Claim { claimant, .. }) = &record.claim {
            return Err(DecideRefused::Claimed(claimant.clone()));
        }
        record.look_at_deadline(world, now, patience).map_err(DecideRefused::Illegal)?;
        // As it stands now, not as it was listed.
        record.look_ahead(world, patience);
        let outlook = record.proven().ok_or(DecideRefused::NotProven)?;
        self.decide(master, Decision::Resume, who, note, now, world, out)?;
        Ok(outlook)
    }

    /// What waits for a person, the oldest first.
    pub fn waiting(&self) -> Vec<Waiting> {
        let parked = self.open.parked().map(|record| Waiting {
            master: record.master(),
            claimed: record.claim.is_some(),
            ends: record.transfer.state().is_final(),
        });
        parked.collect()
    }

    /// What may be resumed together: the oldest of it, and how much there is.
    pub fn proven(&self, limit: usize) -> (Vec<View>, usize) {
        self.open.oldest_parked(limit, |record| {
            record.barrier.is_none() && record.claim.is_none() && record.proven().is_some()
        })
    }
}

impl super::Open {
    /// A transfer that waits for a person and of which nothing is being recorded.
    pub(super) fn waiting(&mut self, master: MasterSerial) -> Result<&mut Record, DecideRefused> {
        let record = self.get_mut(&master.sequence.number()).ok_or(DecideRefused::NotOpen)?;
        if record.master() != master {
            return Err(DecideRefused::NotOpen);
        }
        if record.barrier.is_some() {
            return Err(DecideRefused::Busy);
        }
        if record.transfer.phase.parked().is_none() {
            return Err(DecideRefused::Illegal(Illegal::NotParked));
        }
        Ok(record)
    }
}
