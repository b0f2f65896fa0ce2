//! How long a connection may stay as it is. What happens on it is noted as it happens; a clock of
//! its own looks now and then, so that a request arms no timer.

use super::Limits;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The rest of a head; or its first byte, on a new connection.
    Head,
    /// The rest of a body.
    Body,
    /// Our own answer.
    Answer,
    /// The next request.
    Idle,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    Head,
    Body,
    Idle,
    /// What was answered is not read.
    Unread,
}

impl Overdue {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Overdue::Head => "slow_head",
            Overdue::Body => "slow_body",
            Overdue::Idle => "idle",
            Overdue::Unread => "slow_reader",
        }
    }
}

/// See the module. Its numbers are written by one task and read by it and the acceptor.
#[derive(Debug)]
pub(super) struct Watch {
    began: Instant,
    /// The phase in the lowest two bits, above them since when: milliseconds from the beginning.
    phase: AtomicU64,
    /// Since when a part of an answer could not be written: milliseconds and one; 0 if all could.
    blocked: AtomicU64,
}

impl Watch {
    pub(super) fn new() -> Watch {
        let (phase, blocked) = (AtomicU64::new(code(Phase::Head)), AtomicU64::new(0));
        Watch { began: Instant::now(), phase, blocked }
    }

    /// A byte came.
    pub(super) fn heard(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// A head is complete.
    pub(super) fn head_ended(&self, has_body: bool) {
        self.enter(if has_body { Phase::Body } else { Phase::Answer });
    }

    /// The body is complete, or nobody wants to read the rest.
    pub(super) fn body_ended(&self) {
        if self.phase() == Phase::Body {
            self.enter(Phase::Answer);
        }
    }

    /// The answer is complete.
    pub(super) fn answered(&self) {
        self.enter(Phase::Idle);
    }

    /// Something could not be written at once.
    pub(super) fn is_blocked(&self) {
        if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked.store(self.passed_ms() + 1, Ordering::Relaxed);
        }
    }

    /// Everything is written.
    pub(super) fn is_flushed(&self) {
        if self.blocked.load(Ordering::Relaxed) != 0 {
            self.blocked.store(0, Ordering::Relaxed);
        }
    }

    /// Whether no request is in progress.
    pub(super) fn rests(&self) -> bool {
        let unread = self.blocked.load(Ordering::Relaxed) != 0;
        match self.phase() {
            Phase::Head | Phase::Idle => !unread,
            Phase::Body | Phase::Answer => false,
        }
    }

    /// When to look next: by then nothing can be overdue that is not now. Or what is overdue.
    pub(super) fn look(&self, limits: &Limits) -> Result<Instant, Overdue> {
        let now = Instant::now();
        let word = self.phase.load(Ordering::Relaxed);
        let since = self.began + Duration::from_millis(word >> 2);
        let mut next = now + limits.head.min(limits.body).min(limits.idle).min(limits.write);
        let blocked = self.blocked.load(Ordering::Relaxed);
        let unread = (blocked != 0).then(|| {
            (self.began + Duration::from_millis(blocked - 1) + limits.write, Overdue::Unread)
        });
        let waiting = match phase(word) {
            Phase::Head => Some((since + limits.head, Overdue::Head)),
            Phase::Body => Some((since + limits.body, Overdue::Body)),
            // What is not read yet is looked at by another limit.
            Phase::Idle if blocked == 0 => Some((since + limits.idle, Overdue::Idle)),
            Phase::Idle | Phase::Answer => None,
        };
        for (due, overdue) in waiting.into_iter().chain(unread) {
            if due <= now {
                return Err(overdue);
            }
            next = next.min(due);
        }
        Ok(next)
    }

    fn phase(&self) -> Phase {
        phase(self.phase.load(Ordering::Relaxed))
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(self.passed_ms() << 2 | code(phase), Ordering::Relaxed);
    }

    fn passed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX >> 2)
    }
}

const fn code(phase: Phase) -> u64 {
    match phase {
        Phase::Head => 0,
        Phase::Body => 1,
        Phase::Answer => 2,
        Phase::Idle => 3,
    }
}

const fn phase(word: u64) -> Phase {
    match word & 3 {
        0 => Phase::Head,
        1 => Phase::Body,
        2 => Phase::Answer,
        _ => Phase::Idle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn limits() -> Limits {
        let seconds = Duration::from_secs;
        let (head, body, idle, write) = (seconds(10), seconds(20), seconds(75), seconds(30));
        Limits { head, body, idle, write, ..Limits::default() }
    }

    /// Looks whenever it wants to be looked at, for so long; says what was overdue, and when.
    async fn overdue(watch: &Watch, within_s: u64) -> Option<(u64, Overdue)> {
        let began = Instant::now();
        loop {
            match watch.look(&limits()) {
                Err(overdue) => return Some((began.elapsed().as_secs(), overdue)),
                Ok(next) if next.duration_since(began).as_secs() > within_s => return None,
                Ok(next) => advance(next.duration_since(Instant::now())).await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_phase_has_its_own_time() {
        let watch = Watch::new();
        advance(Duration::from_secs(4)).await;
        watch.heard();
        assert_eq!(overdue(&watch, 99).await, Some((6, Overdue::Head)), "from the connection on");
        watch.head_ended(true);
        assert!(!watch.rests());
        assert_eq!(overdue(&watch, 99).await, Some((20, Overdue::Body)));
        watch.body_ended();
        assert_eq!(overdue(&watch, 9999).await, None, "our own answer takes its time");
        assert!(!watch.rests());
        watch.answered();
        assert!(watch.rests());
        assert_eq!(overdue(&watch, 99).await, Some((75, Overdue::Idle)));
        watch.heard();
        advance(Duration::from_secs(3)).await;
        watch.heard();
        assert_eq!(overdue(&watch, 99).await, Some((7, Overdue::Head)), "from its first byte on");
        watch.head_ended(false);
        watch.body_ended();
        assert_eq!(overdue(&watch, 99).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_read_is_not_waited_for() {
        let watch = Watch::new();
        watch.head_ended(false);
        watch.is_blocked();
        advance(Duration::from_secs(20)).await;
        // A little was read; that does not begin it anew.
        watch.is_blocked();
        watch.answered();
        assert!(!watch.rests());
        assert_eq!(overdue(&watch, 99).await, Some((10, Overdue::Unread)));
        watch.is_flushed();
        assert!(watch.rests());
        assert!(watch.look(&limits()).is_ok());
    }
}
