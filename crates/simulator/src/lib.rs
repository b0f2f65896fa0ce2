//! A counter to test against: accounts, books, its own dedupe and fence, and faults by plan and by
//! seed. It shares bytes with the bridge, never logic: of the bridge it knows the messages alone,
//! so a mistake in the bridge's rules cannot hide in its counterpart.
//!
//! Reading order: [`options`] is how a counter is to be; [`books`] is what it does with an order; [`books_file`] is how it
//! remembers; [`faults`] is what goes wrong on purpose, and how a plan says so; [`counter`] puts the
//! three together; [`session`] is the conversation on one connection; `desk` is the task that owns
//! the counter, `connection` the task that owns a socket, `way` how that comes to be, [`server`] the
//! process around them.
//!
//! ```
//! use domain::message::{AnswerCode, Instruction, Posting, Reply};
//! # use domain::{money::{Amount, Currency}, profile::Profile, serial::{Day, MasterSerial, Role}};
//! use simulator::books::{Books, Rules};
//!
//! let (day, account) = (Day::new(20_261_121)?, "6001".parse()?);
//! # let rules = Rules {
//! #     counter: "securities".parse()?,
//! #     profile: Profile::default(),
//! #     currency: Currency::CNY,
//! #     settings: Vec::new(),
//! #     open: true,
//! #     tells_highest_serial: true,
//! # };
//! let mut books = Books::new(rules, day);
//! books.open_account(&account, 1_000_000, 1)?;
//! let master = MasterSerial::from_number(2_026_112_100_000_000_042)?;
//! let debit = Instruction::Debit(Posting {
//!     serial: master.leg(Role::Debit),
//!     master,
//!     settle_day: day,
//!     account,
//!     amount: Amount::new(100_000)?,
//!     currency: Currency::CNY,
//!     mark: None,
//! });
//! // The same serial twice: it is posted once, and the repeat is told so.
//! for code in [AnswerCode::DONE, AnswerCode::DUPLICATE] {
//!     let Reply::Posting(reply) = books.execute(&debit, 2).reply else { panic!("of a posting") };
//!     assert_eq!(reply.answer.code, code);
//! }
//! assert_eq!(books.balances().map(|(_, minor)| minor).collect::<Vec<_>>(), [900_000]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod books;
pub mod books_file;
mod connection;
pub mod counter;
mod desk;
pub mod faults;
pub mod options;
pub mod server;
pub mod session;
mod tls;
mod way;

pub use books_file::Durability;
pub use faults::FaultPlan;
pub use options::{Error, Options, parse_account};
pub use server::{run, run_as_process};
pub use tls::{TlsError, TlsFiles};
