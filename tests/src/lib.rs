//! Runs the real programs against one another, over real sockets and databases, and judges them by
//! what the counters wrote in their own books.
//!
//! Reading order: [`process`] starts and kills programs; [`counter`], [`database`] and [`bridge`]
//! are what a test is made of; [`books`] and [`audit`] say whether the money is where it should be.

pub mod audit;
pub mod books;
pub mod bridge;
pub mod counter;
pub mod database;
pub mod process;
