//! Drives transfers: turns events into durable steps and performs their effects. Persist first,
//! then expose.
//!
//! Reading order: [`clock`] tells the time twice; [`world`] is what a shard knows of the counters,
//! [`standing`] whether record and counters are fit to be acted upon;
//! [`record`] is one transfer with what surrounds it, [`view`] what of it is shown and said, [`trail`] its
//! append-only history, `happening` what can happen to it, `sent` until when a leg may have left; [`shard`] is
//! the single owner of its transfers and pure: inputs and time in, outputs out. `actor` is the task
//! around it, `mail` what travels there; [`Coordinator`] is what the API holds, `handle` starts it, `begin` is how
//! it begins transfers, `claim` who of several does, `find` how it finds them wherever they are; `persons` is what
//! people say about them, [`dealing`] who deals with one, [`proposal`] what one proposes and another approves; `recovery` takes up what a crash left open,
//! `watch` passes on what is said unasked, [`late`] and `comparing` hold what comes after the end
//! against the record, [`accusations`] are what is counted against counters, [`doubts`] what holds one,
//! `reach` how far counters have seen our serials, `on_hold` what operators do about their links (`by_hand` how often), `draining` when one
//! is signed off; `enduring` begins anew what fails beside the shards,
//! `summary` counts, [`transit`] the money that is on its way, `conserved` whether all of it is there, `counting` once for
//! all who ask; [`events`] is what operators follow, `alarm_book` which alarms are open, `alarm_ends` how each ends, `alarm_desk` where they are said,
//! `alarms` how they are recorded.
//!
//! ```
//! # use coordinator::{Begin, Begun, Config, Coordinator, Rendered, View};
//! # use domain::message::{CounterId, Instruction, Place, Reply};
//! # use domain::{money::{Amount, Currency}, order::Order, profile::Profile, serial::{Day, SubSerial}};
//! # use port::{Answers, InProcess};
//! # use simulator::books::{Books, Rules};
//! # use std::{error::Error, time::Duration};
//! # use store::Store;
//! # use tokio::sync::mpsc;
//! # use tokio_util::{sync::CancellationToken, task::TaskTracker};
//! # struct Ledger(Books);
//! # impl Answers for Ledger {
//! #     fn answer(&mut self, asked: &Instruction) -> Reply {
//! #         self.0.execute(asked, 1).reply
//! #     }
//! #     fn settle_day(&self) -> Day {
//! #         self.0.settle_day()
//! #     }
//! #     fn highest_serial(&self) -> Option<SubSerial> {
//! #         self.0.highest_serial()
//! #     }
//! # }
//! # fn counter(name: &str, stop: &CancellationToken) -> Result<InProcess, Box<dyn Error>> {
//! #     let (id, profile): (CounterId, _) = (name.parse()?, Profile::default());
//! #     let rules = Rules {
//! #         counter: id.clone(),
//! #         profile: profile.clone(),
//! #         currency: Currency::CNY,
//! #         settings: Vec::new(),
//! #         open: true,
//! #         tells_highest_serial: true,
//! #     };
//! #     let mut books = Books::new(rules, Day::new(20_261_121)?);
//! #     books.open_account(&"6001".parse()?, 1_000_000, 1)?;
//! #     Ok(InProcess::new(id, profile, port::history::History::default(), Ledger(books), stop.clone()))
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
//! # let store = Store::open(&url).await?;
//! # let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
//! # let (_unasked, said) = mpsc::channel(1);
//! // Two counters whose books are in this process.
//! let counters = [counter("securities", &stop)?, counter("futures", &stop)?].into_iter().collect();
//! let answer = |view: &View| {
//!     let state = view.transfer.state().to_string();
//!     Rendered { status: 201, body: state.into() }
//! };
//! # let (config, record) = (Config::default(), store.clone());
//! let coordinator =
//!     Coordinator::start(config, record, counters, said, answer, &tasks, stop.clone()).await?;
//! let order = Begin {
//!     app: "shop".into(),
//!     idempotency_key: "order-7".into(),
//!     former_key: None,
//!     fingerprint: [7; 32],
//!     order: Order {
//!         from: Place { counter: "securities".parse()?, account: "6001".parse()? },
//!         to: Place { counter: "futures".parse()?, account: "6001".parse()? },
//!         amount: Amount::new(100_000)?,
//!         currency: Currency::CNY,
//!     },
//! };
//! # let wait = Duration::from_secs(30);
//! // However often it is sent, it is carried out once, and told how it ended.
//! for again in [false, true] {
//!     let begun = coordinator.begin(order.clone(), wait).await?;
//!     let Begun::Final { answer, replayed, .. } = begun else { panic!("{begun:?}") };
//!     assert_eq!((&answer.body[..], replayed), (&b"completed"[..], again));
//! }
//! # stop.cancel();
//! # tasks.close();
//! # tasks.wait().await;
//! # drop(coordinator);
//! # store.close().await;
//! # Ok(())
//! # }
//! ```

pub mod accusations;
mod actor;
mod alarm_book;
mod alarm_desk;
mod alarm_ends;
mod alarms;
mod allowance;
mod begin;
mod by_hand;
mod claim;
mod claimant;
pub mod clock;
mod comparing;
mod config;
mod conserved;
mod coordinator;
mod counting;
pub mod dealing;
pub mod doubts;
mod draining;
mod ended;
mod enduring;
pub mod events;
pub mod evidence;
mod find;
mod handle;
mod happening;
mod inner;
pub mod late;
mod late_queue;
mod mail;
mod on_hold;
mod open_readmissions;
mod persons;
mod posted;
pub mod proposal;
mod reach;
mod readmission;
mod reasons;
pub mod received;
pub mod record;
mod recovery;
mod said;
mod search;
mod sent;
mod serials;
pub mod shard;
pub mod standing;
mod summary;
mod tail;
pub mod trail;
pub mod transit;
pub mod view;
mod watch;
pub mod world;

pub use alarm_book::{MOST_OF_TRANSFERS, OVER_FOR, OpenAlarm};
pub use alarm_ends::{Ends, ends};
pub use alarms::AlarmError;
pub use allowance::{DayLimit, OverDayLimit};
pub use begin::{Begin, BeginError, Begun, JOURNAL_BEHIND};
pub use by_hand::{CHANGE_EVERY, CHANGES_AT_ONCE, NEW_SESSION_EVERY, Waits};
pub use claimant::{CLAIM_LASTS, Claimant};
pub use config::Config;
pub use conserved::{AtCounter, Colour, Total, Transit};
pub use coordinator::{Coordinator, StartError};
pub use counting::{COUNT_LASTS, COUNTED_WITHIN, Counted, Uncounted};
pub use dealing::Dealing;
pub use ended::ENDED;
pub use find::{Found, Page};
pub use on_hold::{HoldError, NewSessionError, Renewing};
pub use persons::PersonError;
pub use proposal::{Proposal, ProposalId, Version};
pub use readmission::{HeldFor, ReadmitError};
pub use record::Rendered;
pub use recovery::{Tail, taken_up};
pub use search::Named;
pub use summary::Summary;
pub use view::View;
