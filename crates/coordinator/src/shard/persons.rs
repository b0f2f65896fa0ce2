//! Transfers that wait for a person, and the persons: who has claimed which, until when, what is proposed for it and
//! approved by another, and which of them are proven as far as can be. What a person said is answered once it is
//! durable, and an approval is one write with what it decides.

use super::broken::About;
use super::{Output, PersonRefused, Said, Shard, Taken};
use crate::claimant::{CLAIM_LASTS, Claimant, MOST_CLAIMS};
use crate::clock::Now;
use crate::dealing::{Dealing, MOST_WORDS, WORDS_EVERY};
use crate::events::Kind;
use crate::happening::Happening;
use crate::proposal::{MOST_PROPOSALS, PROPOSAL_LASTS, Proposal, ProposalId, Seen, Version};
use crate::record::{Afterwards, Awaited, Record};
use crate::view::View;
use crate::world::World;
use domain::serial::MasterSerial;
use domain::transfer::{Decision, Event, Illegal, Phase, step};
use foreign::ForeignText;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A transfer that waits for a person, for whoever watches how it is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The transfer's master serial.
    pub master: MasterSerial,
    /// Whether somebody deals with it, by a claim or a proposal.
    pub dealt: bool,
    /// Whether its end is being recorded.
    pub ends: bool,
}

/// What persons deal with, in the order in which that ends by itself.
#[derive(Debug, Default)]
pub(super) struct Dealings {
    ends: BTreeSet<(Instant, u64)>,
    claims: usize,
    pub(super) proposals: usize,
}

impl Dealings {
    /// When the first of them ends.
    pub(super) fn next(&self) -> Option<Instant> {
        self.ends.first().map(|(ends, _)| *ends)
    }

    /// Somebody deals with a transfer from now on, in the place of whoever did; or nobody.
    fn put(&mut self, record: &mut Record, dealing: Dealing, now: Now) -> Dealing {
        let sequence = record.master().sequence.number();
        if let Some(ends) = record.deals_until.take() {
            self.ends.remove(&(ends, sequence));
        }
        self.count(&record.dealing, usize::wrapping_sub);
        self.count(&dealing, usize::wrapping_add);
        if let Some(until) = dealing.until() {
            let left = u64::try_from(until.saturating_sub(now.wall)).unwrap_or(0);
            // A clock that was set back holds up nothing for longer than it lasts.
            let ends = now.at + Duration::from_micros(left).min(dealing.lasts());
            self.ends.insert((ends, sequence));
            record.deals_until = Some(ends);
        }
        std::mem::replace(&mut record.dealing, dealing)
    }

    fn count(&mut self, dealing: &Dealing, by: fn(usize, usize) -> usize) {
        match dealing {
            Dealing::Nobody => {}
            Dealing::Claim(_) => self.claims = by(self.claims, 1),
            Dealing::Proposal(_) => self.proposals = by(self.proposals, 1),
        }
    }

    /// A transfer is not open any more.
    pub(super) fn forget(&mut self, record: &mut Record, now: Now) {
        self.put(record, Dealing::Nobody, now);
    }

    fn over(&self, now: Instant) -> Option<(Instant, u64)> {
        self.ends.first().filter(|(ends, _)| *ends <= now).copied()
    }
}

/// What a person said has been taken.
enum Heard {
    /// There is nothing to be written for it.
    AsItIs(Taken),
    /// It is told once that is durable.
    OnceDurable(Taken),
}

/// What a person says about one transfer.
pub(super) struct Word {
    pub(super) master: MasterSerial,
    pub(super) who: ForeignText,
    pub(super) said: Said,
}

impl Shard {
    /// A person says something, and is told what came of it: once it is durable, or at once if it was not taken.
    pub(super) fn hear_person(
        &mut self,
        spoken: Word,
        done: oneshot::Sender<Result<Taken, PersonRefused>>,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) {
        let Word { master, who, said } = spoken;
        let heard = match said {
            Said::Claim { note } => self.claim(master, who, note, now, out),
            Said::Unclaim => self.unclaim(master, &who, now, out),
            Said::Propose { decision, version, leads_to, note } => {
                let wanted = Seen { decision, version, leads_to };
                self.propose(master, wanted, who, note, now, world, out)
            }
            Said::Withdraw { id, note, of_others } => {
                self.withdraw(master, (id, of_others), who, note, now, out)
            }
            Said::Approve { id, note } => self.approve(master, id, who, note, now, world, out),
        };
        // Somebody who has gone sees in the record what came of it.
        match heard {
            Ok(Heard::OnceDurable(taken)) => match self.open.get_mut(&master.sequence.number()) {
                Some(record) => record.said.push((done, taken)),
                None => drop(done),
            },
            Ok(Heard::AsItIs(taken)) => drop(done.send(Ok(taken))),
            Err(refused) => drop(done.send(Err(refused))),
        }
    }

    /// Somebody claims a transfer that waits for a person, or says again that it is claimed.
    fn claim(
        &mut self,
        master: MasterSerial,
        who: ForeignText,
        note: ForeignText,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<Heard, PersonRefused> {
        let record = self.open.waiting(master)?;
        if record.left_alone {
            return Err(PersonRefused::LeftAlone);
        }
        let since = match &record.dealing {
            Dealing::Proposal(proposal) => {
                return Err(PersonRefused::Proposed(Box::new(proposal.clone())));
            }
            Dealing::Claim(claimant) if claimant.who != who => {
                return Err(PersonRefused::Claimed(claimant.clone()));
            }
            // Half of it is left: it need not be written down anew.
            Dealing::Claim(claimant)
                if claimant.note == note && record.dealt_for(now) > CLAIM_LASTS / 2 =>
            {
                return Ok(Heard::AsItIs(Taken::Claimed(claimant.clone())));
            }
            Dealing::Claim(claimant) => claimant.since,
            Dealing::Nobody if self.dealings.claims >= MOST_CLAIMS => {
                return Err(PersonRefused::TooManyClaims);
            }
            Dealing::Nobody => now.wall,
        };
        record.take_word(now)?;
        let text = format!("{who} has claimed it: {note}");
        let until = now.wall.saturating_add(micros(CLAIM_LASTS));
        let claimant = Claimant { who, note, since, until };
        self.deal(master, Dealing::Claim(claimant.clone()), text, now);
        self.keep(master, None, Afterwards::Nothing, now, out);
        Ok(Heard::OnceDurable(Taken::Claimed(claimant)))
    }

    /// Whoever has claimed a transfer claims it no longer; whether anybody had. What waited for that
    /// goes on, once it is durable.
    fn unclaim(
        &mut self,
        master: MasterSerial,
        who: &ForeignText,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<Heard, PersonRefused> {
        let record = self.open.waiting(master)?;
        match &record.dealing {
            Dealing::Claim(claimant) if claimant.who != *who => {
                return Err(PersonRefused::Claimed(claimant.clone()));
            }
            Dealing::Claim(_) => {}
            Dealing::Nobody | Dealing::Proposal(_) => {
                return Ok(Heard::AsItIs(Taken::Unclaimed(false)));
            }
        }
        self.deal(master, Dealing::Nobody, format!("{who} claims it no longer"), now);
        self.keep(master, None, Afterwards::Freed, now, out);
        Ok(Heard::OnceDurable(Taken::Unclaimed(true)))
    }

    /// Somebody proposes a decision about what was seen. It waits for another person, and takes the place of the
    /// proposer's own claim.
    #[allow(clippy::too_many_arguments)]
    fn propose(
        &mut self,
        master: MasterSerial,
        wanted: Seen,
        who: ForeignText,
        note: ForeignText,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) -> Result<Heard, PersonRefused> {
        let patience = self.config.patience;
        let record = self.open.waiting(master)?;
        match &record.dealing {
            Dealing::Proposal(proposal) => {
                return Err(PersonRefused::Proposed(Box::new(proposal.clone())));
            }
            Dealing::Claim(claimant) if claimant.who != who => {
                return Err(PersonRefused::Claimed(claimant.clone()));
            }
            Dealing::Claim(_) | Dealing::Nobody => {}
        }
        let claim = record.dealing.claim().cloned();
        if self.dealings.proposals >= MOST_PROPOSALS {
            return Err(PersonRefused::TooManyProposals);
        }
        let seen = record.would(wanted.decision, world, now, patience)?;
        if seen.version != wanted.version {
            return Err(PersonRefused::Moved(seen.version));
        }
        if seen.leads_to != wanted.leads_to {
            return Err(PersonRefused::LeadsElsewhere(seen.leads_to));
        }
        record.take_word(now)?;
        let decision = seen.decision;
        let words = store::Decision {
            at: record.moment(now).wall,
            who: who.clone(),
            decision: format!("proposed {}", decision.as_str()),
            note: note.clone(),
        };
        let text = format!("{who} proposes {}: {note}", decision.as_str());
        // Its time runs by the clock as it is, whatever moment tells it from others.
        let until = now.wall.saturating_add(micros(PROPOSAL_LASTS));
        let proposal =
            Proposal { until, claim, ..Proposal::new(master, seen, who, note, words.at) };
        self.deal(master, Dealing::Proposal(proposal.clone()), text, now);
        self.keep(master, Some(words), Afterwards::Nothing, now, out);
        Ok(Heard::OnceDurable(Taken::Proposed(Box::new(proposal))))
    }

    /// Whoever proposed something takes it back; or another, who may approve, will not.
    fn withdraw(
        &mut self,
        master: MasterSerial,
        (id, of_others): (ProposalId, bool),
        who: ForeignText,
        note: ForeignText,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<Heard, PersonRefused> {
        let record = self.open.waiting(master)?;
        let proposal = record.proposed(id)?;
        if proposal.who != who && !of_others {
            return Err(PersonRefused::OfAnother(Box::new(proposal)));
        }
        let word = proposal.decision.as_str();
        let text = if proposal.who == who {
            format!("{who} withdraws what was proposed, {word}: {note}")
        } else {
            format!("{who} rejects what {} proposed, {word}: {note}", proposal.who)
        };
        let at = record.moment(now).wall;
        let words = store::Decision { at, who, decision: format!("withdrew {word}"), note };
        self.deal(master, behind(&proposal, now), text, now);
        self.keep(master, Some(words), Afterwards::Freed, now, out);
        Ok(Heard::OnceDurable(Taken::Withdrawn(Box::new(proposal))))
    }

    /// Another person approves what was proposed: of the same that was seen, and leading to the same. It is decided with
    /// that, in one write.
    #[allow(clippy::too_many_arguments)]
    fn approve(
        &mut self,
        master: MasterSerial,
        id: ProposalId,
        who: ForeignText,
        note: ForeignText,
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) -> Result<Heard, PersonRefused> {
        let patience = self.config.patience;
        let record = self.open.waiting(master)?;
        let proposal = record.proposed(id)?;
        if record.dealt_for(now).is_zero() {
            return Err(PersonRefused::NoSuchProposal);
        }
        if proposal.who == who {
            return Err(PersonRefused::Own);
        }
        let seen = record.would(proposal.decision, world, now, patience)?;
        let stands = seen.version == proposal.version;
        if !stands || seen.leads_to != proposal.leads_to {
            // Nobody can approve it any more: whoever proposes anew has to look anew.
            let (by, decided) = (&proposal.who, proposal.decision.as_str());
            let (why, refused) = if stands {
                let elsewhere = PersonRefused::LeadsElsewhere(seen.leads_to);
                ("it would lead to something else by now", elsewhere)
            } else {
                ("more is known now", PersonRefused::Moved(seen.version))
            };
            let text = format!("{why}: what {by} proposed, {decided}, is void");
            out.push(Output::Alarm { kind: Kind::Proposed, master, text: text.clone() });
            self.deal(master, behind(&proposal, now), text, now);
            self.keep(master, None, Afterwards::Freed, now, out);
            return Err(refused);
        }
        let text = format!(
            "{who} approves what {} proposed, {}: {note}",
            proposal.who,
            proposal.decision.as_str()
        );
        let words = store::Decision {
            at: record.moment(now).wall,
            who,
            decision: proposal.decision.as_str().to_owned(),
            note,
        };
        self.decide(master, proposal.decision, (words, text), now, world, out)?;
        Ok(Heard::OnceDurable(Taken::Decided(Box::new(proposal))))
    }

    /// Takes the step that two persons have decided.
    fn decide(
        &mut self,
        master: MasterSerial,
        decision: Decision,
        (words, text): (store::Decision, String),
        now: Now,
        world: &World,
        out: &mut Vec<Output>,
    ) -> Result<(), PersonRefused> {
        let sequence = master.sequence.number();
        let patience = self.config.patience;
        let record = self.open.waiting(master)?;
        let before = record.transfer.phase;
        let ground = record.ground(world, patience);
        let step = step(&mut record.transfer, &Event::Decide(decision), &ground)
            .map_err(PersonRefused::Illegal)?;
        self.deal(master, Dealing::Nobody, text, now);
        let Some(record) = self.open.get_mut(&sequence) else { return Ok(()) };
        record.awaited = Awaited::Nothing;
        record.pauses = 0;
        (record.late, record.fruitless) = ([0; 3], 0);
        self.follow(sequence, step, Some(words), now, world, out);
        self.show_as_before(sequence, before, None, world);
        Ok(())
    }

    /// Somebody deals with it from now on, or nobody; the trail says so.
    fn deal(&mut self, master: MasterSerial, dealing: Dealing, text: String, now: Now) {
        let Some(record) = self.open.get_mut(&master.sequence.number()) else { return };
        self.dealings.put(record, dealing.clone(), now);
        record.note_dealing(record.moment(now), text, dealing);
    }

    /// Makes durable what a person said, before anything else happens to the transfer.
    fn keep(
        &mut self,
        master: MasterSerial,
        words: Option<store::Decision>,
        afterwards: Afterwards,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let sequence = master.sequence.number();
        let id = self.write(sequence, words, now, out);
        if let Some(record) = self.open.get_mut(&sequence) {
            record.barrier = Some((id, afterwards));
        }
    }

    /// Somebody dealt with it when the bridge last stopped, and goes on unless that is over.
    pub(super) fn deal_on(&mut self, sequence: u64, dealing: Dealing, now: Now) {
        let Some(record) = self.open.get_mut(&sequence) else { return };
        let parked = record.transfer.phase.parked().is_some();
        if parked && dealing.until().is_some_and(|until| until > now.wall) {
            self.dealings.put(record, dealing, now);
        }
    }

    /// Claims and proposals that are over.
    pub(super) fn end_dealings(&mut self, now: Now, world: &World, out: &mut Vec<Output>) {
        while let Some((ends, sequence)) = self.dealings.over(now.at) {
            let Some(record) = self.open.get_mut(&sequence) else {
                self.dealings.ends.remove(&(ends, sequence));
                continue;
            };
            let master = record.master();
            let text = match &record.dealing {
                Dealing::Proposal(proposal) => format!(
                    "nobody has approved in time what {} proposed, {}",
                    proposal.who,
                    proposal.decision.as_str()
                ),
                Dealing::Claim(claimant) => format!("the claim of {} is over", claimant.who),
                Dealing::Nobody => String::new(),
            };
            let then = match &record.dealing {
                Dealing::Proposal(proposal) => behind(proposal, now),
                Dealing::Claim(_) | Dealing::Nobody => Dealing::Nobody,
            };
            if record.dealing.proposal().is_some() {
                out.push(Output::Alarm { kind: Kind::Proposed, master, text: text.clone() });
            }
            self.deal(master, then, text, now);
            self.guarded(&About::transfer(sequence), now, out, |shard, out| {
                shard.freed(sequence, now, world, out);
            });
        }
    }

    /// What a proposal was made of has changed: it is void, and whoever proposes anew has to look anew. Whether one was.
    pub(super) fn overtake(&mut self, sequence: u64, now: Now, out: &mut Vec<Output>) -> bool {
        let Some(record) = self.open.get_mut(&sequence) else { return false };
        let Some(proposal) = record.dealing.proposal() else { return false };
        if Version::of(&record.transfer) == proposal.version {
            return false;
        }
        let (who, word) = (&proposal.who, proposal.decision.as_str());
        let text = format!("more is known now: what {who} proposed, {word}, is void");
        let (master, then) = (record.master(), behind(proposal, now));
        out.push(Output::Alarm { kind: Kind::Proposed, master, text: text.clone() });
        self.deal(master, then, text, now);
        true
    }

    /// Nobody deals with it any more. One that is being asked about hears of it with the answer.
    pub(super) fn freed(&mut self, sequence: u64, now: Now, world: &World, out: &mut Vec<Output>) {
        let waits = self.open.get(&sequence).is_some_and(|record| {
            matches!(record.transfer.phase, Phase::Parked(why) if why.is_want_of_knowledge())
                && !matches!(record.awaited, Awaited::Outcome { .. })
        });
        if waits {
            self.happen(sequence, Happening::Event(Event::Wake), now, world, out);
        }
    }

    /// What waits for a person, the oldest first.
    pub fn waiting(&self) -> Vec<Waiting> {
        let parked = self.open.parked().map(|record| Waiting {
            master: record.master(),
            dealt: record.dealing.is_somebody(),
            ends: record.transfer.state().is_final(),
        });
        parked.collect()
    }

    /// What may be resumed together: the oldest of it, and how much there is.
    pub fn proven(&self, limit: usize) -> (Vec<View>, usize) {
        self.open.oldest_parked(limit, |record| {
            record.barrier.is_none() && !record.dealing.is_somebody() && record.proven().is_some()
        })
    }

    /// What is proposed and waits for another person: the oldest transfers, and how many there are.
    pub fn proposed(&self, limit: usize) -> (Vec<View>, usize) {
        self.open.oldest_parked(limit, |record| record.dealing.proposal().is_some())
    }
}

impl super::Open {
    /// A transfer that waits for a person and of which nothing is being recorded.
    fn waiting(&mut self, master: MasterSerial) -> Result<&mut Record, PersonRefused> {
        let record = self.get_mut(&master.sequence.number()).ok_or(PersonRefused::NotOpen)?;
        if record.master() != master {
            return Err(PersonRefused::NotOpen);
        }
        if record.barrier.is_some() {
            return Err(PersonRefused::Busy);
        }
        if record.transfer.phase.parked().is_none() {
            return Err(PersonRefused::Illegal(Illegal::NotParked));
        }
        Ok(record)
    }
}

impl Record {
    /// The open proposal, if it is this one.
    fn proposed(&self, id: ProposalId) -> Result<Proposal, PersonRefused> {
        let proposal = self.dealing.proposal().filter(|proposal| proposal.id == id);
        proposal.cloned().ok_or(PersonRefused::NoSuchProposal)
    }

    /// For how long somebody still deals with it.
    fn dealt_for(&self, now: Now) -> Duration {
        let ends = self.deals_until.unwrap_or(now.at);
        ends.saturating_duration_since(now.at)
    }

    /// One more word of a person's that begins something. After so many they are taken more slowly.
    fn take_word(&mut self, now: Now) -> Result<(), PersonRefused> {
        let lasts = self.words_until.is_some_and(|until| until > now.at);
        if self.words >= MOST_WORDS && lasts {
            return Err(PersonRefused::TooManyWords);
        }
        self.words = self.words.saturating_add(1);
        self.words_until = Some(now.at + WORDS_EVERY);
        Ok(())
    }

    /// What a decision is about now, and what it would lead to. Time is looked at before: past its deadline nothing new is
    /// begun, whoever decides.
    fn would(
        &mut self,
        decision: Decision,
        world: &World,
        now: Now,
        patience: u16,
    ) -> Result<Seen, PersonRefused> {
        self.look_at_deadline(world, now, patience).map_err(PersonRefused::Illegal)?;
        self.look_ahead(world, patience);
        let leads_to = self.transfer.would(decision, &self.ground(world, patience));
        let leads_to = leads_to.map_err(PersonRefused::Illegal)?;
        Ok(Seen { decision, version: Version::of(&self.transfer), leads_to })
    }
}

/// Who deals with it if nothing comes of a proposal: whoever had claimed it before, while that lasts.
fn behind(proposal: &Proposal, now: Now) -> Dealing {
    match &proposal.claim {
        Some(claimant) if claimant.until > now.wall => Dealing::Claim(claimant.clone()),
        Some(_) | None => Dealing::Nobody,
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
