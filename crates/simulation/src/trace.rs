//! What happened in a schedule: a hash of when it was and what it was about always, its text on
//! demand.

use crate::clock::{BEGINNING, Micros};
use std::fmt;

/// The story of one schedule.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    count: u64,
    keep: bool,
    lines: Vec<Line>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Line {
    /// When.
    pub at: Micros,
    /// The sequence of the transfer that it is about; `None` for what is about all.
    pub about: Option<u64>,
    /// What.
    pub text: String,
}

impl Trace {
    /// An empty story. Its lines are kept only if somebody wants to read them.
    pub fn new(keep: bool) -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, count: 0, keep, lines: Vec::new() }
    }

    /// Adds a line.
    pub fn note(&mut self, at: Micros, about: Option<u64>, what: fmt::Arguments<'_>) {
        self.count += 1;
        // FNV-1a, a word at a time. The words of what happened are not in it: nearly nobody reads
        // them, and schedules that part differ in when something happens next.
        for word in [at.cast_unsigned(), about.unwrap_or(u64::MAX)] {
            self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17);
        }
        if self.keep {
            self.lines.push(Line { at, about, text: what.to_string() });
        }
    }

    /// The same for the same story, and different for nearly every other.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there were.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The lines that matter to one transfer: its own, and those about all.
    pub fn of(&self, sequence: Option<u64>) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| {
            sequence.is_none() || line.about.is_none() || line.about == sequence
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.at - BEGINNING;
        write!(f, "{:>6}.{:06} s  {}", since / 1_000_000, since % 1_000_000, self.text)
    }
}
