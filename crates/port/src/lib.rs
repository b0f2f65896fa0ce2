//! What anybody needs of any counter, whatever it is: one that is reached over long connections, a bank
//! over HTTP, books in this process. Whoever moves money, looks or tells others knows counters by this
//! crate and by nothing else.
//!
//! Reading order: [`Ask`] and its [`RequestOutcome`]; [`Counter`], what one can be asked and asked to do,
//! and [`Counters`], all of a bridge; [`Sessions`], by which it is proven that what was sent is over;
//! [`Unmatched`], what one says unasked; [`status`], [`history`] and [`strangers`] are for those who watch.
//! [`InProcess`] is a counter without a connection.

mod ask;
mod counter;
pub mod history;
mod in_process;
mod sessions;
pub mod status;
pub mod strangers;
mod unmatched;

pub use ask::{Ask, Delivery, NotSent, ReplyTo, RequestOutcome, Ticket, Unclear};
pub use counter::{Bounds, Counter, CounterIndex, Counters, LastSignOn};
pub use in_process::{Answers, InProcess};
pub use sessions::Sessions;
pub use unmatched::Unmatched;
