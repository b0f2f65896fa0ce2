//! Until when a leg may have left, which decides what a later "not found" proves where the counter
//! cannot fence (DOMAIN §3, decision 0015).

use port::{RequestOutcome, Sessions};
use tokio::time::Instant;

/// Until when the copies of one leg may have left. Nothing is noted of those that an earlier life of
/// the bridge may have sent: they left before any session of this one began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The copy sent last, while the link owes its outcome: its ticket, and when its first byte has
    /// left or never will. Until then it may wait for its turn.
    out: Option<(u64, Instant)>,
    /// The same moment for all copies before it.
    before: Option<Instant>,
    /// From when on none of them is taken in any more, once that is so.
    over: Option<Instant>,
}

impl Sent {
    /// A copy is handed to the link; its first byte leaves by then, or not at all.
    pub(crate) fn copy(&mut self, ticket: u64, by: Instant) {
        self.before = self.by();
        self.out = Some((ticket, by));
        self.over = None;
    }

    /// The link tells what became of a copy: from now on nothing of it begins to leave.
    pub(crate) fn outcome(&mut self, ticket: u64, outcome: &RequestOutcome, now: Instant) {
        let Some((_, by)) = self.out.take_if(|(out, _)| *out == ticket) else { return };
        match outcome {
            RequestOutcome::NotSent(_) => {}
            RequestOutcome::Unknown(_) | RequestOutcome::Answered(_) => {
                self.before = self.before.max(Some(by.min(now)));
            }
        }
    }

    /// When the last byte of any copy can have begun to leave; `None` if this life sent none.
    pub(crate) fn by(&self) -> Option<Instant> {
        self.before.max(self.out.map(|(_, by)| by))
    }

    /// From when on no copy is taken in any more: when the last channel was signed on to after all had
    /// left. `None` while a channel's newest session is older.
    pub(crate) fn over(&mut self, sessions: Option<Sessions>) -> Option<Instant> {
        if self.over.is_none() {
            let by = self.by();
            let all_later = |sessions: &Sessions| by.is_none_or(|by| by < sessions.oldest);
            self.over = sessions.filter(all_later).map(|sessions| sessions.youngest);
        }
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use port::{NotSent, Unclear};
    use std::time::Duration;

    #[test]
    fn what_may_still_leave_is_not_before_a_session() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let from = |sent: &mut Sent, seconds| sent.over(Some(Sessions::at(at(seconds)))).is_some();
        let mut sent = Sent::default();
        assert_eq!(sent.over(None), None, "no session has begun");
        assert!(from(&mut sent, 0), "sent by an earlier life, if at all");
        sent.copy(1, at(10));
        assert!(!from(&mut sent, 10), "it may wait for its turn on that very session");
        // The connection was lost: nothing of it leaves any more.
        sent.outcome(1, &RequestOutcome::Unknown(Unclear::LinkLost), at(3));
        assert!(!from(&mut sent, 3) && from(&mut sent, 4));
        // A second copy that is turned away changes nothing.
        sent.copy(2, at(20));
        assert!(!from(&mut sent, 19));
        sent.outcome(2, &RequestOutcome::NotSent(NotSent::Down), at(12));
        assert_eq!(sent.by(), Some(at(3)));
        // One whose outcome is still owed counts until its end, whatever becomes of the next.
        sent.copy(3, at(30));
        sent.copy(4, at(25));
        sent.outcome(3, &RequestOutcome::Unknown(Unclear::LinkLost), at(13));
        sent.outcome(4, &RequestOutcome::Unknown(Unclear::LinkLost), at(13));
        assert_eq!(sent.by(), Some(at(30)));
    }

    /// It may have gone out on any of them, and been taken from the one that was replaced last.
    #[test]
    fn it_is_over_when_the_last_channel_is_signed_on_to_anew() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut sent = Sent::default();
        sent.copy(1, at(10));
        sent.outcome(1, &RequestOutcome::Unknown(Unclear::TimedOut), at(10));
        let sessions =
            |oldest, youngest| Some(Sessions { oldest: at(oldest), youngest: at(youngest) });
        assert_eq!(sent.over(sessions(9, 50)), None, "one channel is still the old one");
        assert_eq!(sent.over(sessions(50, 70)), Some(at(70)));
        assert_eq!(sent.over(sessions(80, 90)), Some(at(70)), "it has been over since then");
    }
}
