//! What anybody needs of any counter, whatever it is: one that is reached over long connections, a bank
//! over HTTP, books in this process. Whoever moves money, looks or tells others knows counters by this
//! crate and by nothing else.
//!
//! Reading order: [`Ask`] and its [`RequestOutcome`]; [`Counter`], what one can be asked and asked to do,
//! and [`Counters`], all of a bridge; [`Sessions`], by which it is proven that what was sent is over;
//! [`Unmatched`], what one says unasked; [`Spoken`], how people are shown what is said; [`status`], [`history`] and [`strangers`] are for those who watch.
//! [`InProcess`] is a counter without a connection.
//!
//! ```
//! use domain::message::{Answer, AnswerCode, BalanceQuery, BalanceReply, Instruction, Reply};
//! # use domain::{money::Currency, profile::Profile, serial::{Day, SubSerial}};
//! use port::{Answers, Ask, Counter, InProcess, NotSent, ReplyTo, RequestOutcome, Ticket};
//! # use std::time::Duration;
//! # use tokio::{sync::oneshot, time::Instant};
//!
//! /// Keeps no books, and says so.
//! struct Nobody;
//!
//! impl Answers for Nobody {
//!     fn answer(&mut self, _: &Instruction) -> Reply {
//!         let answer = Answer { code: AnswerCode::NO_SUCH_ACCOUNT, text: "who?".into() };
//!         Reply::Balance(BalanceReply { answer, balance: None })
//!     }
//! #     fn settle_day(&self) -> Day {
//! #         Day::new(20_261_121).expect("a day")
//! #     }
//! #     fn highest_serial(&self) -> Option<SubSerial> {
//! #         None
//! #     }
//! }
//!
//! # let stop = tokio_util::sync::CancellationToken::new();
//! # let (profile, history) = (Profile::default(), port::history::History::default());
//! let counter = InProcess::new("ledger".parse()?, profile, history, Nobody, stop.clone());
//! let ask = || {
//! #   let query = BalanceQuery { account: "6001".parse()?, currency: Currency::CNY };
//! #   let instruction = Instruction::Balance(query);
//! #   let deadline = Instant::now() + Duration::from_secs(60);
//!     let (reply_to, mut outcome) = oneshot::channel();
//!     let reply_to = ReplyTo::Once(reply_to);
//!     counter.ask(Ask { ticket: Ticket(1), instruction, deadline, reply_to });
//!     Ok::<_, Box<dyn std::error::Error>>(outcome.try_recv()?)
//! };
//! assert!(matches!(ask()?, RequestOutcome::Answered(Reply::Balance(_))));
//! // Every request has its one outcome: here, that not a byte of it left.
//! stop.cancel();
//! assert_eq!(ask()?, RequestOutcome::NotSent(NotSent::Stopping));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ask;
mod counter;
pub mod history;
mod in_process;
mod sessions;
mod spoken;
pub mod status;
pub mod strangers;
mod unmatched;

pub use ask::{Ask, Delivery, NotSent, ReplyTo, RequestOutcome, Ticket, Unclear};
pub use counter::{Bounds, Counter, CounterIndex, Counters, LastSignOn};
pub use in_process::{Answers, InProcess};
pub use sessions::Sessions;
pub use spoken::{Spelled, Spoken};
pub use unmatched::Unmatched;
