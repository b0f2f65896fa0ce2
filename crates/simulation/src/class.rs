//! The classes of faults that a schedule may have.

use std::fmt;

/// A kind of fault that a schedule may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The bridge dies, at any journal boundary.
    Crash,
    /// Connections are cut at any byte, go silent one way, or cannot be made.
    Network,
    /// Counters answer late, twice, never, half, or with nonsense.
    Answers,
    /// Counters say "processing", or let a request lie around.
    Slowness,
    /// Counters refuse.
    Refusals,
    /// Counters say that they refused what they did.
    Lies,
    /// Counters restart, freeze, or forget their sessions.
    Restarts,
    /// The database is slow, fails, or loses its answers.
    Database,
    /// The settle day changes.
    CutOver,
    /// Counters that can do less.
    WeakProfiles,
    /// The wall clock of the bridge's machine is stepped, ahead or back, by seconds or by hours.
    Clocks,
    /// The bridge's whole process stands still for a while.
    Freezes,
    /// Several connections to one counter: what goes out on one may overtake another's.
    Connections,
    /// Answer codes that the profile does not list, for what was posted and for what was refused.
    OddCodes,
    /// Persons decide how transfers end, some of them by chance and while copies are on their way.
    Decisions,
    /// The in-flight limit that a counter states is no longer than a request may really lie there:
    /// what holds it up on the way to the counter is not part of it. Most of them cannot fence.
    TightLimits,
    /// The bridge's socket to a counter takes no byte, again and again.
    Stalls,
    /// A leg and the question about it are held up together, on the connection that both went out
    /// on, for longer than the counter's in-flight limit: the question arrives right behind the leg,
    /// which then lies at the counter for as long as the limit allows. Counters that cannot fence.
    Queues,
    /// Copies of a leg overtake one another at counters whose refusals do not stick: the first lies
    /// at the counter, the next is refused.
    Copies,
    /// One more counter says anything, about anybody's serials, at any time; sometimes it takes part in
    /// transfers. It harms nobody but itself.
    Liar,
    /// What comes back after a crash is an older copy of the record, or nothing; with the position
    /// file that tells it, or with one as old as the copy. Persons release it later.
    Restored,
    /// One more counter has no connection: its books are kept in the bridge's own process, which asks and is
    /// answered at once, and they outlive it. It takes part in transfers.
    InProcess,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 22] = [
        Class::Crash,
        Class::Network,
        Class::Answers,
        Class::Slowness,
        Class::Refusals,
        Class::Lies,
        Class::Restarts,
        Class::Database,
        Class::CutOver,
        Class::WeakProfiles,
        Class::Clocks,
        Class::Freezes,
        Class::Connections,
        Class::OddCodes,
        Class::Decisions,
        Class::TightLimits,
        Class::Stalls,
        Class::Queues,
        Class::Copies,
        Class::Liar,
        Class::Restored,
        Class::InProcess,
    ];

    /// Those that are drawn from the seed itself. The others are drawn from numbers of their own, so
    /// that without them a seed is the schedule that it was before there were any.
    pub(crate) const FIRST: usize = 10;

    /// Up to here they are drawn from the second numbers.
    pub(crate) const SECOND: usize = 17;

    /// Up to here from the third.
    pub(crate) const THIRD: usize = 19;

    /// Up to here from the fourth, behind it from the fifth.
    pub(crate) const FOURTH: usize = 21;

    /// The word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Crash => "crash",
            Class::Network => "network",
            Class::Answers => "answers",
            Class::Slowness => "slowness",
            Class::Refusals => "refusals",
            Class::Lies => "lies",
            Class::Restarts => "restarts",
            Class::Database => "database",
            Class::CutOver => "cut-over",
            Class::WeakProfiles => "weak-profiles",
            Class::Clocks => "clocks",
            Class::Freezes => "freezes",
            Class::Connections => "connections",
            Class::OddCodes => "odd-codes",
            Class::Decisions => "decisions",
            Class::TightLimits => "tight-limits",
            Class::Stalls => "stalls",
            Class::Queues => "queues",
            Class::Copies => "copies",
            Class::Liar => "liar",
            Class::Restored => "restored",
            Class::InProcess => "in-process",
        }
    }

    /// In how many schedules it may occur.
    pub(crate) const fn share(self) -> f64 {
        match self {
            Class::Lies => 0.12,
            Class::WeakProfiles | Class::CutOver | Class::OddCodes | Class::Decisions => 0.3,
            Class::Queues | Class::Copies | Class::Liar | Class::Restored | Class::InProcess => {
                0.25
            }
            Class::Crash
            | Class::Network
            | Class::Answers
            | Class::Slowness
            | Class::Refusals
            | Class::Restarts
            | Class::Database => 0.6,
            Class::Clocks
            | Class::Freezes
            | Class::Connections
            | Class::TightLimits
            | Class::Stalls => 0.4,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
