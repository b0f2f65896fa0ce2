//! What persons say about transfers: they claim one that they are busy with, propose a decision, and approve what
//! another proposed. Each is answered once it is durable.

use crate::claimant::Claimant;
use crate::clock::now_micros;
use crate::coordinator::Coordinator;
use crate::events::Kind;
use crate::mail::Mail;
use crate::proposal::{Proposal, ProposalId, Version};
use crate::shard::{Input, PersonRefused, Said, Taken};
use crate::view::View;
use domain::serial::MasterSerial;
use domain::transfer::{Decision, Illegal, Outlook};
use foreign::ForeignText;
use store::StoreError;
use tokio::sync::oneshot;

/// Why what a person said was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// There is no such transfer.
    #[error("there is no transfer {0}")]
    NotFound(MasterSerial),
    /// It is final already.
    #[error("transfer {0} is final already")]
    AlreadyFinal(MasterSerial),
    /// The machine does not allow it.
    #[error("{0}")]
    Illegal(#[from] Illegal),
    /// Something else is being recorded.
    #[error("something else is being recorded for it: ask again")]
    Busy,
    /// Another has claimed it.
    #[error("{who} has claimed it: {note}", who = .0.who, note = .0.note)]
    Claimed(Claimant),
    /// Something is proposed for it already.
    #[error(
        "{who} has proposed {word} already: approve it, or have it withdrawn first",
        who = .0.who, word = .0.decision.as_str()
    )]
    Proposed(Box<Proposal>),
    /// It stands otherwise than it was seen: where it stands now.
    #[error(
        "more has become known of it since it was looked at: look again; it is version {0} now"
    )]
    Moved(Version),
    /// The decision would lead to something else by now.
    #[error("by now it would lead to something else: look again, and propose anew")]
    LeadsElsewhere(Outlook),
    /// No such proposal is open.
    #[error(
        "no such proposal is open for it: it was approved, withdrawn or overtaken by what became known, its time is \
         over, or it never was"
    )]
    NoSuchProposal,
    /// Nobody approves what is one's own.
    #[error("nobody approves a proposal of one's own: another person has to")]
    Own,
    /// Another proposed it.
    #[error("{who} proposed it: whoever may approve may reject it", who = .0.who)]
    OfAnother(Box<Proposal>),
    /// Too many are claimed.
    #[error("too many transfers are claimed at once: release some")]
    TooManyClaims,
    /// Too many are proposed.
    #[error("too many proposals wait at once: have some approved or withdrawn")]
    TooManyProposals,
    /// Too much was said about it.
    #[error(
        "it was claimed, and something proposed for it, so often that more is taken once a minute"
    )]
    TooManyWords,
    /// This software fails on the transfer, and leaves it as it is.
    #[error(
        "this software cannot read it and leaves it as it is, for a later version: it can be decided how it ends, and \
         nothing else"
    )]
    LeftAlone,
    /// This software failed at it.
    #[error("this software failed at it: look at the transfer, it says what came of it")]
    Failed,
    /// The database did not answer, or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bridge is stopping.
    #[error("the bridge is stopping")]
    Stopping,
}

/// The oldest of some open transfers, and how many there are.
type Found = (Vec<View>, usize);

impl Coordinator {
    /// Claims a transfer that waits for a person, for as long as [`CLAIM_LASTS`](crate::CLAIM_LASTS)
    /// from now on.
    pub async fn claim_transfer(
        &self,
        master: MasterSerial,
        who: ForeignText,
        note: ForeignText,
    ) -> Result<Claimant, PersonError> {
        let taken = self.say(master, &who, Said::Claim { note }).await?;
        let Taken::Claimed(claimed) = taken else { return Err(PersonError::Stopping) };
        let text = format!("{} has claimed it: {}", claimed.who, claimed.note);
        self.inner.events.record(now_micros(), Kind::Claimed, Some(master), text);
        Ok(claimed)
    }

    /// Ends the claim of the one who has it; whether there was one.
    pub async fn unclaim_transfer(
        &self,
        master: MasterSerial,
        who: ForeignText,
    ) -> Result<bool, PersonError> {
        let taken = self.say(master, &who, Said::Unclaim).await?;
        let Taken::Unclaimed(ended) = taken else { return Err(PersonError::Stopping) };
        if ended {
            let text = format!("{who} claims it no longer");
            self.inner.events.record(now_micros(), Kind::Claimed, Some(master), text);
        }
        Ok(ended)
    }

    /// Proposes a decision about a transfer as it was seen. Nothing happens before another person has approved it.
    pub async fn propose(
        &self,
        master: MasterSerial,
        (decision, version, leads_to): (Decision, Version, Outlook),
        who: ForeignText,
        note: ForeignText,
    ) -> Result<Proposal, PersonError> {
        let taken =
            self.say(master, &who, Said::Propose { decision, version, leads_to, note }).await?;
        let Taken::Proposed(proposal) = taken else { return Err(PersonError::Stopping) };
        let text = format!(
            "{} proposes {}: another person has to approve it",
            proposal.who,
            decision.as_str()
        );
        self.inner.events.record(now_micros(), Kind::Proposed, Some(master), text);
        Ok(*proposal)
    }

    /// Takes a proposal back, or rejects another's.
    pub async fn withdraw(
        &self,
        master: MasterSerial,
        (id, of_others): (ProposalId, bool),
        who: ForeignText,
        note: ForeignText,
    ) -> Result<Proposal, PersonError> {
        let taken = self.say(master, &who, Said::Withdraw { id, note, of_others }).await?;
        let Taken::Withdrawn(proposal) = taken else { return Err(PersonError::Stopping) };
        let word = proposal.decision.as_str();
        let text = if proposal.who == who {
            format!("{who} withdraws what was proposed, {word}")
        } else {
            format!("{who} rejects what {} proposed, {word}", proposal.who)
        };
        self.inner.events.record(now_micros(), Kind::Proposed, Some(master), text);
        Ok(*proposal)
    }

    /// Approves what another person proposed; it is decided and followed with that.
    pub async fn approve(
        &self,
        master: MasterSerial,
        id: ProposalId,
        who: ForeignText,
        note: ForeignText,
    ) -> Result<Proposal, PersonError> {
        let taken = self.say(master, &who, Said::Approve { id, note }).await?;
        let Taken::Decided(proposal) = taken else { return Err(PersonError::Stopping) };
        let text = format!("{} and {who}: {}", proposal.who, proposal.decision.as_str());
        self.inner.events.record(now_micros(), Kind::Decided, Some(master), text);
        Ok(*proposal)
    }

    /// The oldest transfers that wait for nothing but persons' word: everything is proven of them,
    /// and nobody deals with them. And how many there are.
    pub async fn proven(&self, limit: usize) -> (Vec<View>, usize) {
        self.oldest_of(limit, Mail::Proven).await
    }

    /// The oldest transfers for which something is proposed that waits for another person, and how many there are.
    pub async fn proposed(&self, limit: usize) -> (Vec<View>, usize) {
        self.oldest_of(limit, Mail::Proposed).await
    }

    async fn oldest_of(
        &self,
        limit: usize,
        mail: fn(usize, oneshot::Sender<Found>) -> Mail,
    ) -> (Vec<View>, usize) {
        let (mut found, mut total) = (Vec::new(), 0);
        for shard in &self.inner.shards {
            let (to, answer) = oneshot::channel();
            if shard.send(mail(limit, to)).await.is_ok()
                && let Ok((views, count)) = answer.await
            {
                found.extend(views);
                total += count;
            }
        }
        found.sort_by_key(|view| view.transfer.intent.master);
        found.truncate(limit);
        (found, total)
    }

    /// Tells the owner of a transfer what a person said, and waits for what came of it.
    async fn say(
        &self,
        master: MasterSerial,
        who: &ForeignText,
        said: Said,
    ) -> Result<Taken, PersonError> {
        let (done, taken) = oneshot::channel();
        let shard = self.inner.shard_of(master.sequence);
        let input = Input::Person { master, who: who.clone(), said, done };
        shard.send(Mail::Input(input)).await.map_err(|_| PersonError::Stopping)?;
        let refused = match taken.await.map_err(|_| PersonError::Stopping)? {
            Ok(taken) => return Ok(taken),
            Err(refused) => refused,
        };
        Err(match refused {
            PersonRefused::Illegal(illegal) => illegal.into(),
            PersonRefused::Busy => PersonError::Busy,
            PersonRefused::Claimed(claimant) => PersonError::Claimed(claimant),
            PersonRefused::Proposed(proposal) => PersonError::Proposed(proposal),
            PersonRefused::Moved(version) => PersonError::Moved(version),
            PersonRefused::LeadsElsewhere(outlook) => PersonError::LeadsElsewhere(outlook),
            PersonRefused::NoSuchProposal => PersonError::NoSuchProposal,
            PersonRefused::Own => PersonError::Own,
            PersonRefused::OfAnother(proposal) => PersonError::OfAnother(proposal),
            PersonRefused::TooManyClaims => PersonError::TooManyClaims,
            PersonRefused::TooManyProposals => PersonError::TooManyProposals,
            PersonRefused::TooManyWords => PersonError::TooManyWords,
            PersonRefused::LeftAlone => PersonError::LeftAlone,
            PersonRefused::Failed => PersonError::Failed,
            PersonRefused::NotRecorded(why) => StoreError::Unavailable { why }.into(),
            PersonRefused::NotOpen => match self.stored(master).await? {
                Some(stored) if stored.outcome.is_some() => PersonError::AlreadyFinal(master),
                // It is being taken up again, or another process drives it.
                Some(_) => PersonError::Busy,
                None => PersonError::NotFound(master),
            },
        })
    }
}
