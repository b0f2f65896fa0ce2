//! What is logged of those who are not let in: a line once in a while for each address, with the key
//! that was named, the cause and how many went before; all of them are counted.

use super::error::AuthError;
use super::way::Way;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use supervise::limit::{Limiter, Pace, Verdict};

/// A few lines show what is wrong, and a mistake that goes on is seen again within a minute.
const PACE: Pace = Pace { burst: 3, every: Duration::from_secs(20) };

#[derive(Debug)]
pub(super) struct Refusals {
    said: Mutex<Limiter<Option<IpAddr>>>,
    since: Instant,
}

impl Default for Refusals {
    fn default() -> Refusals {
        Refusals { said: Mutex::new(Limiter::new(PACE)), since: Instant::now() }
    }
}

impl Refusals {
    /// Somebody was not let in. `named` is the key that the request names and whether it is known here;
    /// it is only worked out for a line that is written.
    pub(super) fn refused(
        &self,
        way: Option<Way>,
        error: &AuthError,
        named: impl FnOnce() -> Option<(String, bool)>,
    ) {
        let from = way.map(|way| way.from.ip().to_canonical());
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = said.take(&from, self.since.elapsed());
        drop(said);
        let Verdict::Say { left_out } = verdict else { return };
        let (key, known) = named().unzip();
        // What the caller is not told, whoever runs the bridge is.
        let cause = match (error, known) {
            (AuthError::BadSignature { .. }, Some(false)) => "no such key is known here".to_owned(),
            _ => error.to_string(),
        };
        let from = from.map(tracing::field::display);
        let key = key.as_deref();
        tracing::warn!(from, key, cause, left_out, "a request was not let in");
    }
}
