//! Whether every unit of money is accounted for: a record of transfers held against what counters state that
//! they posted. Pure: no I/O, no clock, and nothing of how either was read; what it finds, it says to whoever runs an
//! audit.
//!
//! Reading order: [`evidence`] is what is compared, [`judge`](mod@judge) compares it, [`finding`] is what must
//! not be.
//!
//! ```
//! # use domain::{message::Place, money::{Amount, Currency}, order::Order, serial::{Day, MasterSerial}};
//! use domain::{serial::Role, transfer::State};
//! use reconcile::{Case, Finding, Posting, Recorded, judge};
//! # use std::collections::{BTreeMap, BTreeSet};
//! # let day = Day::new(20_261_121)?;
//!
//! let transfer = Recorded {
//!     master: MasterSerial::from_number(2_026_112_100_000_000_042)?,
//!     order: Order {
//!         from: Place { counter: "securities".parse()?, account: "6001".parse()? },
//!         to: Place { counter: "futures".parse()?, account: "8001".parse()? },
//!         amount: Amount::new(100_000)?,
//!         currency: Currency::CNY,
//!     },
//!     days: (day, day),
//!     standing: State::Completed,
//!     created_at: 1_795_219_200_000_000,
//!     mark: None,
//! };
//! # let posted = |kind: Role| Posting {
//! #     counter: transfer.place(kind).counter.clone(),
//! #     kind,
//! #     serial: transfer.master.leg(kind),
//! #     original: None,
//! #     account: transfer.place(kind).account.clone(),
//! #     amount: transfer.order.amount.minor(),
//! #     currency: transfer.order.currency,
//! #     settle_day: day,
//! #     mark: None,
//! # };
//! let audit = |postings: &[Posting]| {
//!     let (elsewhere, words) = (&BTreeSet::new(), &BTreeMap::new());
//!     judge(Case { record: std::slice::from_ref(&transfer), postings, elsewhere, words })
//! };
//! let good = audit(&[posted(Role::Debit), posted(Role::Credit)]);
//! assert!(good.findings.is_empty(), "every unit is accounted for");
//! // The second counter gave the money twice: 1,000.00 are there that nobody lost.
//! let bad = audit(&[posted(Role::Debit), posted(Role::Credit), posted(Role::Credit)]);
//! assert!(matches!(bad.findings[0], Finding::Doubled { times: 2, .. }));
//! assert_eq!(bad.currencies["CNY"].unaccounted(), -100_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod evidence;
pub mod finding;
pub mod judge;

pub use evidence::{Posting, Recorded, Word};
pub use finding::{Finding, Legs};
pub use judge::{Case, Open, Sums, Verdict, difference, judge};
