//! Whether every unit of money is accounted for: a record of transfers held against what counters state that
//! they posted. Pure: no I/O, no clock, and nothing of where either came from.
//!
//! Reading order: [`evidence`] is what is compared, [`judge`](mod@judge) compares it, [`finding`] is what must
//! not be.

pub mod evidence;
pub mod finding;
pub mod judge;

pub use evidence::{Posting, Recorded, Word};
pub use finding::{Finding, Legs};
pub use judge::{Case, Open, Sums, Verdict, difference, judge};
