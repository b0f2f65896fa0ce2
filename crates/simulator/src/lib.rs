//! A counter to test against: it shares bytes with the bridge, never logic.

pub mod books;
