//! Whether the other side lives: heartbeats, probes and the verdict. Any valid frame proves life.

use std::time::Duration;
use tokio::time::Instant;
use wire::conversation::{Heartbeat, HeartbeatAck};

/// A heartbeat goes out after this share of the interval without a byte sent, in percent.
const SEND_AFTER: u32 = 80;
/// A probe goes out after this share of the interval without a frame heard, in percent.
const PROBE_AFTER: u32 = 120;
/// The other side is dead this share of the interval after an unanswered probe, in percent.
const DEAD_AFTER: u32 = 50;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// 0: no heartbeats, and no verdict.
    interval_s: u16,
    early_probe_ms: u32,
    sent: Instant,
    heard: Instant,
    /// Number and time of our last heartbeat.
    beat: (u64, Instant),
    /// When a probe went out, while nothing has been heard since.
    probe: Option<Instant>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Nothing.
    Rest,
    /// Send this.
    Send(Heartbeat),
    /// Close: nothing was heard for so long.
    Dead(Duration),
}

impl Pulse {
    /// `interval_s` as agreed at sign-on; 0 = none.
    pub(crate) fn new(interval_s: u16, early_probe: Duration, now: Instant) -> Pulse {
        Pulse {
            interval_s,
            early_probe_ms: u32::try_from(early_probe.as_millis()).unwrap_or(u32::MAX),
            sent: now,
            heard: now,
            beat: (0, now),
            probe: None,
        }
    }

    /// A frame was sent.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// A valid frame was heard.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.probe = None;
    }

    /// The round trip of the last heartbeat, if this answers it.
    pub(crate) fn round_trip(&self, ack: HeartbeatAck, now: Instant) -> Option<Duration> {
        (ack.number == self.beat.0).then(|| now - self.beat.1)
    }

    /// Whether a probe is out.
    pub(crate) fn is_suspect(&self) -> bool {
        self.probe.is_some()
    }

    /// A heartbeat out of turn, because somebody wants to know now.
    pub(crate) fn probe(&mut self, now: Instant) -> Heartbeat {
        self.beat = (self.beat.0 + 1, now);
        self.sent = now;
        Heartbeat { number: self.beat.0 }
    }

    /// When [`Pulse::on_timeout`] has something to do. `oldest`: since when the oldest request in
    /// flight has waited.
    pub(crate) fn next_timeout(&self, oldest: Option<Instant>) -> Option<Instant> {
        let interval = self.interval()?;
        let verdict = match self.probe {
            Some(probe) => probe + share(interval, DEAD_AFTER),
            None => self.probe_at(interval, oldest),
        };
        Some(verdict.min(self.beat_at(interval)))
    }

    /// To be asked again until it is [`Beat::Rest`].
    pub(crate) fn on_timeout(&mut self, now: Instant, oldest: Option<Instant>) -> Beat {
        let Some(interval) = self.interval() else { return Beat::Rest };
        match self.probe {
            // Counted from the probe, not from the silence: if it was this process that stood
            // still, the other side still gets its chance to answer.
            Some(probe) if now >= probe + share(interval, DEAD_AFTER) => {
                Beat::Dead(now - self.heard)
            }
            None if now >= self.probe_at(interval, oldest) => {
                self.probe = Some(now);
                self.beat(now)
            }
            Some(_) | None if now >= self.beat_at(interval) => self.beat(now),
            Some(_) | None => Beat::Rest,
        }
    }

    /// After silence of ours; and at least once an interval however busy we are, because the
    /// answer carries the counter's settle day.
    fn beat_at(&self, interval: Duration) -> Instant {
        (self.sent + share(interval, SEND_AFTER)).min(self.beat.1 + interval)
    }

    fn interval(&self) -> Option<Duration> {
        (self.interval_s > 0).then(|| Duration::from_secs(self.interval_s.into()))
    }

    fn probe_at(&self, interval: Duration, oldest: Option<Instant>) -> Instant {
        let silence = self.heard + share(interval, PROBE_AFTER);
        let early = Duration::from_millis(self.early_probe_ms.into());
        oldest.map_or(silence, |oldest| silence.min(oldest.max(self.heard) + early))
    }

    fn beat(&mut self, now: Instant) -> Beat {
        Beat::Send(self.probe(now))
    }
}

fn share(interval: Duration, percent: u32) -> Duration {
    interval * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    fn pulse() -> Pulse {
        Pulse::new(10, Duration::from_secs(3), at(0))
    }

    /// Runs the timers until `until` or death; what happened, with seconds.
    fn run(pulse: &mut Pulse, oldest: Option<Instant>, until: u64) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(due) = pulse.next_timeout(oldest).filter(|due| *due <= at(until)) {
            let seconds = (due - at(0)).as_secs_f64();
            match pulse.on_timeout(due, oldest) {
                Beat::Rest => panic!("a timer for nothing at {seconds}"),
                Beat::Send(beat) => told.push(format!("{seconds}: {}", beat.number)),
                Beat::Dead(silent) => {
                    told.push(format!("{seconds}: dead after {}", silent.as_secs_f64()));
                    return told;
                }
            }
        }
        told
    }

    #[test]
    fn silence_is_death_after_17_seconds_at_10() {
        let told = run(&mut pulse(), None, 100);
        assert_eq!(told, ["8: 1", "12: 2", "17: dead after 17"]);
    }

    #[test]
    fn a_request_without_an_answer_is_probed_for_early() {
        let told = run(&mut pulse(), Some(at(1)), 100);
        assert_eq!(told, ["4: 1", "9: dead after 9"]);
    }

    #[test]
    fn any_frame_takes_the_suspicion_away() {
        let mut pulse = pulse();
        run(&mut pulse, None, 16);
        assert!(pulse.is_suspect());
        pulse.heard(at(16));
        assert!(!pulse.is_suspect());
        let told = run(&mut pulse, None, 100);
        assert_eq!(told, ["20: 3", "28: 4", "33: dead after 17"]);
    }

    #[test]
    fn a_slow_counter_that_answers_probes_lives_on() {
        let mut pulse = pulse();
        let oldest = Some(at(0));
        for second in 0..600 {
            match pulse.on_timeout(at(second), oldest) {
                Beat::Rest => {}
                Beat::Send(_) => pulse.heard(at(second)),
                Beat::Dead(silent) => panic!("killed after {silent:?}"),
            }
        }
    }

    #[test]
    fn a_busy_writer_still_sends_a_heartbeat_once_an_interval() {
        let mut pulse = pulse();
        let mut beats = 0;
        for second in 0..=100 {
            pulse.heard(at(second));
            pulse.sent(at(second));
            beats += u32::from(pulse.on_timeout(at(second), None) != Beat::Rest);
        }
        assert_eq!(beats, 10);
    }

    #[test]
    fn if_we_stood_still_ourselves_the_other_side_is_asked_first() {
        let mut pulse = pulse();
        assert!(matches!(pulse.on_timeout(at(60), None), Beat::Send(_)));
        assert_eq!(pulse.on_timeout(at(64), None), Beat::Rest);
        assert_eq!(pulse.on_timeout(at(65), None), Beat::Dead(Duration::from_secs(65)));
    }

    #[test]
    fn without_heartbeats_there_is_no_verdict() {
        let mut pulse = Pulse::new(0, Duration::from_secs(3), at(0));
        assert_eq!(pulse.next_timeout(Some(at(0))), None);
        assert_eq!(pulse.on_timeout(at(1000), Some(at(0))), Beat::Rest);
    }

    #[test]
    fn only_the_last_heartbeat_measures_the_round_trip() {
        let mut pulse = pulse();
        run(&mut pulse, None, 8);
        let ack = |number| HeartbeatAck { number, counter: None };
        assert_eq!(pulse.round_trip(ack(1), at(9)), Some(Duration::from_secs(1)));
        assert_eq!(pulse.round_trip(ack(7), at(9)), None);
    }
}
