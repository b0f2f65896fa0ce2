//! Counters that dial in.

pub(crate) mod acceptor;
pub(crate) mod authenticated;
pub(crate) mod gate;
