//! What the program's commands have in common, whichever crate brings one: how it ended ([`Ended`]), a line that
//! turns out to be wrong when it is carried out ([`Usage`]), numbers on it ([`number`]), and how far something is
//! that takes long ([`doing`](mod@doing)).
//!
//! ```
//! use command_line::number::within;
//!
//! let callers = within::<u16>(1..=10_000);
//! assert_eq!(callers("64"), Ok(64));
//! assert_eq!(callers("0").unwrap_err(), "write a number from 1 to 10000");
//! ```

pub mod doing;
pub mod number;

/// How a command ended that could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As asked.
    Well,
    /// With a refusal, which has been said.
    Badly,
    /// A transfer goes on.
    Unfinished,
}

/// The command line is wrong, in a way that only shows when it is carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);
