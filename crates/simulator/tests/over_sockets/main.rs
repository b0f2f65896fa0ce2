//! The counter over real sockets, seen from the bridge's end.

mod conversation;
mod faults;
mod peer;
mod process;
