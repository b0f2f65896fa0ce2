//! Forms that make a secret which is shown once: each that is rendered has a number, which is good for one sending. A
//! browser that sends it again, by a second click or because a page is loaded anew, makes no second secret that nobody
//! ever sees.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many numbers are kept that were sent. Past it whatever was rendered before the first of them is too old.
const MOST_KEPT: usize = 1_024;

/// The numbers of the forms of this process.
#[derive(Debug)]
pub(crate) struct Once {
    /// Tells them from those of another process, of which nobody knows which were sent.
    process: u64,
    next: AtomicU64,
    sent: Mutex<Sent>,
}

#[derive(Debug, Default)]
struct Sent {
    numbers: BTreeSet<u64>,
    /// Those up to here are forgotten, and good for nothing any more.
    forgotten: Option<u64>,
}

impl Default for Once {
    fn default() -> Once {
        let process = RandomState::new().build_hasher().finish();
        Once { process, next: AtomicU64::new(0), sent: Mutex::default() }
    }
}

impl Once {
    /// What a form has with it that is rendered now.
    pub(crate) fn ticket(&self) -> String {
        format!("{:016x}-{}", self.process, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether what a form had with it was not sent before, as far as is known; it is from now on.
    pub(crate) fn is_first(&self, ticket: &str) -> bool {
        let number = ticket.split_once('-').and_then(|(process, number)| {
            let is_ours = process == format!("{:016x}", self.process);
            is_ours.then(|| number.parse::<u64>().ok()).flatten()
        });
        let Some(number) = number.filter(|number| *number < self.next.load(Ordering::Relaxed))
        else {
            return false;
        };
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.forgotten.is_some_and(|last| number <= last) || !sent.numbers.insert(number) {
            return false;
        }
        if sent.numbers.len() > MOST_KEPT {
            sent.forgotten = sent.numbers.pop_first();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_good_for_one_sending_and_for_none_by_another_process() {
        let once = Once::default();
        let [first, second] = [once.ticket(), once.ticket()];
        assert!(once.is_first(&second) && !once.is_first(&second));
        assert!(once.is_first(&first) && !once.is_first(&first));
        assert!(!Once::default().is_first(&once.ticket()));
        let never_rendered = first.replace("-0", "-9");
        for garbage in ["", "-", "0-0", "x", &never_rendered] {
            assert!(!once.is_first(garbage), "{garbage}");
        }
    }

    #[test]
    fn so_many_are_kept_and_what_is_older_is_sent_no_more() {
        let once = Once::default();
        let old = once.ticket();
        let sent: Vec<String> = (0..=MOST_KEPT).map(|_| once.ticket()).collect();
        assert!(sent.iter().all(|ticket| once.is_first(ticket)));
        assert!(sent.iter().all(|ticket| !once.is_first(ticket)));
        assert!(!once.is_first(&old), "it may have been sent");
        assert!(once.is_first(&once.ticket()));
    }
}
