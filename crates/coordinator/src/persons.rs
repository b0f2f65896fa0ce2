//! What persons say about transfers: they decide those that need it, claim one that they are busy
//! with, and hand back to the rules what is proven.

use crate::claimant::Claimant;
use crate::clock::now_micros;
use crate::coordinator::Coordinator;
use crate::events::Kind;
use crate::mail::Mail;
use crate::shard::{DecideRefused, Input};
use crate::view::View;
use domain::serial::MasterSerial;
use domain::transfer::{Decision, Illegal, Outlook};
use foreign::ForeignText;
use store::StoreError;
use tokio::sync::oneshot;

/// Why what a person said was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
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
    /// Too many are claimed.
    #[error("too many transfers are claimed at once: release some")]
    TooManyClaims,
    /// Not all is proven of it, or the rules lead no further.
    #[error("not all is proven of it, or what is proven leads no further by the rules")]
    NotProven,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bridge is stopping.
    #[error("the bridge is stopping")]
    Stopping,
}

impl Coordinator {
    /// Records and follows an operator's decision. It ends a claim, whosever that is, and says whose it was.
    pub async fn decide(
        &self,
        master: MasterSerial,
        decision: Decision,
        who: ForeignText,
        note: ForeignText,
    ) -> Result<Option<Claimant>, DecideError> {
        let text = format!("{who}: {}", decision.as_str());
        let claimed =
            self.say(master, |done| Input::Decide { master, decision, who, note, done }).await?;
        self.inner.events.record(now_micros(), Kind::Decided, Some(master), text);
        Ok(claimed)
    }

    /// Claims a transfer that waits for a person, for as long as [`CLAIM_LASTS`](crate::CLAIM_LASTS)
    /// from now on.
    pub async fn claim_transfer(
        &self,
        master: MasterSerial,
        who: ForeignText,
        note: ForeignText,
    ) -> Result<Claimant, DecideError> {
        let claimed = self.say(master, |done| Input::Claim { master, who, note, done }).await?;
        let text = format!("{} has claimed it: {}", claimed.who, claimed.note);
        self.inner.events.record(now_micros(), Kind::Claimed, Some(master), text);
        Ok(claimed)
    }

    /// Ends the claim of the one who has it; whether there was one.
    pub async fn unclaim_transfer(
        &self,
        master: MasterSerial,
        who: ForeignText,
    ) -> Result<bool, DecideError> {
        let text = format!("{who} claims it no longer");
        let ended = self.say(master, |done| Input::Unclaim { master, who, done }).await?;
        if ended {
            self.inner.events.record(now_micros(), Kind::Claimed, Some(master), text);
        }
        Ok(ended)
    }

    /// The oldest transfers that wait for nothing but a person's word: everything is proven of them,
    /// and nobody has claimed them. And how many there are.
    pub async fn proven(&self, limit: usize) -> (Vec<View>, usize) {
        let (mut proven, mut total) = (Vec::new(), 0);
        for shard in &self.inner.shards {
            let (to, answer) = oneshot::channel();
            if shard.send(Mail::Proven(limit, to)).await.is_ok()
                && let Ok((views, count)) = answer.await
            {
                proven.extend(views);
                total += count;
            }
        }
        proven.sort_by_key(|view| view.transfer.intent.master);
        proven.truncate(limit);
        (proven, total)
    }

    /// Resumes a transfer if, now, everything is proven of it and nobody has claimed it; says what that
    /// leads to.
    pub async fn resume_proven(
        &self,
        master: MasterSerial,
        who: ForeignText,
        note: ForeignText,
    ) -> Result<Outlook, DecideError> {
        let text = format!("{who}: {}, as all that is proven", Decision::Resume.as_str());
        let outlook =
            self.say(master, |done| Input::ResumeProven { master, who, note, done }).await?;
        self.inner.events.record(now_micros(), Kind::Decided, Some(master), text);
        Ok(outlook)
    }

    /// Tells the owner of a transfer what a person said, and waits for whether it was taken.
    async fn say<T>(
        &self,
        master: MasterSerial,
        said: impl FnOnce(oneshot::Sender<Result<T, DecideRefused>>) -> Input,
    ) -> Result<T, DecideError> {
        let (done, taken) = oneshot::channel();
        let shard = self.inner.shard_of(master.sequence);
        shard.send(Mail::Input(said(done))).await.map_err(|_| DecideError::Stopping)?;
        match taken.await.map_err(|_| DecideError::Stopping)? {
            Ok(taken) => Ok(taken),
            Err(DecideRefused::Illegal(illegal)) => Err(illegal.into()),
            Err(DecideRefused::Busy) => Err(DecideError::Busy),
            Err(DecideRefused::Claimed(claimant)) => Err(DecideError::Claimed(claimant)),
            Err(DecideRefused::TooManyClaims) => Err(DecideError::TooManyClaims),
            Err(DecideRefused::NotProven) => Err(DecideError::NotProven),
            Err(DecideRefused::NotOpen) => match self.stored(master).await? {
                Some(stored) if stored.outcome.is_some() => Err(DecideError::AlreadyFinal(master)),
                // It is being taken up again, or another process drives it.
                Some(_) => Err(DecideError::Busy),
                None => Err(DecideError::NotFound(master)),
            },
        }
    }
}
