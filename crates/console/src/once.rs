//! Forms that make a secret which is shown once: each that is rendered has a number, which is good for one sending. A
//! browser that sends it again, by a second click or because a page is loaded anew, makes no second secret that nobody
//! ever sees. With the number goes what nobody else can work out, so that nobody uses up the number of another's form.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many numbers are kept that were sent. Past it whatever was rendered before the first of them is too old.
const MOST_KEPT: usize = 1_024;

/// The numbers of the forms of this process.
#[derive(Debug)]
pub(crate) struct Once {
    /// By what a number is known as one that was rendered here: of another process nobody knows which were sent.
    keys: RandomState,
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
        Once { keys: RandomState::new(), next: AtomicU64::new(0), sent: Mutex::default() }
    }
}

impl Once {
    /// What a form has with it that is rendered now.
    pub(crate) fn ticket(&self) -> String {
        self.written(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn written(&self, number: u64) -> String {
        format!("{number}-{:016x}", self.keys.hash_one(number))
    }

    /// Whether what a form had with it was not sent before, as far as is known; it is from now on.
    pub(crate) fn is_first(&self, ticket: &str) -> bool {
        let number = ticket.split_once('-').and_then(|(number, _)| number.parse::<u64>().ok());
        let Some(number) = number.filter(|number| {
            *number < self.next.load(Ordering::Relaxed) && self.written(*number) == ticket
        }) else {
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
        // Of a third form, its number alone, or what goes with another's.
        let third = once.ticket();
        let (_, of_second) = second.split_once('-').expect("two parts");
        let [bare, mixed] = ["2-0000000000000000".to_owned(), format!("2-{of_second}")];
        for garbage in ["", "-", "0-0", "x", "2", &bare, &mixed, &once.written(9)] {
            assert!(!once.is_first(garbage), "{garbage}");
        }
        assert!(once.is_first(&third), "nobody has used it up");
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
