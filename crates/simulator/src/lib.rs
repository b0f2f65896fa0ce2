//! A counter to test against: it shares bytes with the bridge, never logic.

pub mod books;
pub mod books_file;
pub mod counter;
pub mod faults;
pub mod session;
