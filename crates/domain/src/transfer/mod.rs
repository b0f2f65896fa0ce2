//! One transfer: what it wants, what is known of its legs, and where it stands.
//!
//! `event` is what can happen to it and what can follow; [`step()`] decides what does, and is the only place
//! where a transfer's course is decided: DOMAIN §3's rules are enforced here and nowhere else. `rules` and
//! `undoing` are these rules, `learn` records what is told. `days` says which settle day a leg is bound to.
//! [`words`] are what a leg's own counter said, [`evidence`] turns them into what may be `believed`; [`recovery`]
//! says what is still known after a crash. `parked` is what happens to a transfer that waits for a person,
//! [`outlook`] what it waits for, `standing` what persons decide about, `booked` what its legs say of money,
//! `balance` whether its ending conserves it; [`mod@line`] names by what a step was decided.
//!
//! ```
//! use domain::message::Place;
//! use domain::money::{Amount, Currency};
//! use domain::order::Order;
//! use domain::profile::Profile;
//! use domain::serial::{Day, MasterSerial, Role};
//! use domain::transfer::{Action, Event, Intent, StepContext, Transfer, step};
//!
//! let day = Day::new(20_261_121)?;
//! let place = |counter: &str, account: &str| Place {
//!     counter: counter.parse().expect("a name"),
//!     account: account.parse().expect("a number"),
//! };
//! let mut transfer = Transfer::accepted(Intent {
//!     master: MasterSerial::from_number(2_026_112_100_000_000_042)?,
//!     order: Order {
//!         from: place("securities", "6001"),
//!         to: place("futures", "8001"),
//!         amount: Amount::new(100_000)?,
//!         currency: Currency::CNY,
//!     },
//!     debit_day: day,
//!     credit_day: day,
//!     credit_barrier: false,
//!     mark: None,
//! });
//! let profile = Profile::default();
//! let context = StepContext {
//!     debit: &profile,
//!     credit: &profile,
//!     debit_day: Some(day),
//!     credit_day: Some(day),
//!     patience: 10,
//!     behind: false,
//!     debit_held: false,
//!     credit_held: false,
//!     claimed: false,
//! };
//! // It has become durable: the debit leaves.
//! let next = step(&mut transfer, &Event::Wake, &context)?;
//! assert_eq!(next.action, Action::Send(Role::Debit));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod balance;
mod believed;
mod booked;
mod days;
mod event;
pub mod evidence;
mod learn;
pub mod line;
mod marks;
pub mod outlook;
mod parked;
pub mod recovery;
mod rules;
mod standing;
mod step;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
mod undoing;
mod why;
pub mod words;

pub use balance::{EndedBy, Imbalance, balances};
pub use believed::Evidence;
pub use booked::Booked;
pub use days::{MOST_REBOUND, MOST_SOUGHT};
pub use event::{Action, Event, Illegal, Step, Verdict};
pub use evidence::{LegReport, Question, Weight};
pub use marks::Doubt;
pub use outlook::Outlook;
pub use step::{contradicts_ending, step};
pub use why::{EndReason, ParkReason};
pub use words::{Mismatch, Unattributed, Words, attribute};

use crate::message::{Answer, Instruction, Look, Place, Posting, Query, Reversal};
use crate::order::Order;
use crate::profile::Profile;
use crate::serial::{Day, Mark, MasterSerial, Role};
use foreign::ForeignText;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a transfer wants; fixed when it is accepted, durable before its first byte leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Its master serial; the legs' sub serials follow from it (DOMAIN §2).
    pub master: MasterSerial,
    /// What it is to move, from where to where.
    pub order: Order,
    /// The source counter's settle day when the transfer was accepted: the first that the debit is
    /// bound to.
    pub debit_day: Day,
    /// The destination counter's settle day when the transfer was accepted: the first that the
    /// credit is bound to.
    pub credit_day: Day,
    /// Whether the credit's sending is made durable before its first byte: its counter did not dedupe
    /// when the transfer was accepted, so that after a crash only the record tells whether it was sent.
    pub credit_barrier: bool,
    /// Tells its postings from those of another transfer under the same serial; `None` only for
    /// transfers recorded by earlier versions.
    pub mark: Option<Mark>,
}

/// What is known of a leg, by evidence and not by hope (DOMAIN §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Knowledge {
    /// Not one byte of it has left.
    NotSent,
    /// It may or may not have been executed.
    Unknown,
    /// It is posted.
    Done,
    /// It was refused; nothing was posted.
    Refused,
    /// Proven dead: it never ran and never will.
    NotExecuted,
}

impl Knowledge {
    /// In words, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Knowledge::NotSent => "never sent",
            Knowledge::Unknown => "unknown",
            Knowledge::Done => "done",
            Knowledge::Refused => "refused",
            Knowledge::NotExecuted => "never executed",
        }
    }

    /// Whether nothing further can be learned.
    pub fn is_proof(self) -> bool {
        match self {
            Knowledge::Done | Knowledge::Refused | Knowledge::NotExecuted => true,
            Knowledge::NotSent | Knowledge::Unknown => false,
        }
    }

    /// Whether it is proven that it was not posted and will not be.
    pub fn is_dead(self) -> bool {
        match self {
            Knowledge::Refused | Knowledge::NotExecuted => true,
            Knowledge::NotSent | Knowledge::Unknown | Knowledge::Done => false,
        }
    }
}

/// One posting of a transfer, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// What is known of it, by evidence (DOMAIN §3).
    pub knowledge: Knowledge,
    /// How often it may have left under the day that it is bound to; counts as two after a crash,
    /// when nobody remembers.
    pub sent: u16,
    /// Rounds of asking or repeating that brought nothing, since the leg began.
    pub tries: u16,
    /// The counter's last code and words about it.
    pub answer: Option<Answer>,
    /// The counter's own number of the posting, at most 32 characters; `None` until it has said
    /// one.
    pub counter_serial: Option<ForeignText>,
    /// The counter's accounting day on which it says it posted; `None` until it has said one.
    pub posted_day: Option<Day>,
    /// Why what the counter holds under the serial may be another transfer's; it stays.
    pub doubt: Option<Doubt>,
    /// The settle days that it was bound to after its first, oldest first; the last is the one that
    /// it is bound to now. At most [`MOST_REBOUND`].
    pub rebound: Vec<Day>,
    /// Under how many of its former days it has still to be asked about, since a restart.
    pub days_unasked: u8,
    /// The settle day under which it is sought now, its last known one or a later one; `None` where
    /// the record knows every day that it was ever bound to.
    pub sought: Option<Day>,
}

impl Leg {
    /// A leg of which nothing has left.
    pub const fn new() -> Leg {
        Leg {
            knowledge: Knowledge::NotSent,
            sent: 0,
            tries: 0,
            answer: None,
            counter_serial: None,
            posted_day: None,
            doubt: None,
            rebound: Vec::new(),
            days_unasked: 0,
            sought: None,
        }
    }
}

impl Default for Leg {
    fn default() -> Leg {
        Leg::new()
    }
}

/// The state that callers and operators see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Recorded; nothing sent.
    Accepted,
    /// The debit is under way.
    Debiting,
    /// The debit is done and the credit under way; or whether a credit happened is asked about before a
    /// dead debit is told.
    Crediting,
    /// Final: both legs are done.
    Completed,
    /// Final: no money moved.
    Refused,
    /// The credit is not and will not be done; the debit is being undone.
    Reversing,
    /// Final: the debit was undone.
    Reversed,
    /// Only a person may decide.
    NeedsOperator,
}

impl State {
    /// All states, in the order of a transfer's life.
    pub const ALL: [State; 8] = [
        State::Accepted,
        State::Debiting,
        State::Crediting,
        State::Completed,
        State::Refused,
        State::Reversing,
        State::Reversed,
        State::NeedsOperator,
    ];

    /// The word used on every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Accepted => "accepted",
            State::Debiting => "debiting",
            State::Crediting => "crediting",
            State::Completed => "completed",
            State::Refused => "refused",
            State::Reversing => "reversing",
            State::Reversed => "reversed",
            State::NeedsOperator => "needs_operator",
        }
    }

    /// Whether it is never left.
    pub const fn is_final(self) -> bool {
        match self {
            State::Completed | State::Refused | State::Reversed => true,
            State::Accepted
            | State::Debiting
            | State::Crediting
            | State::Reversing
            | State::NeedsOperator => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What exactly the bridge is at; each phase belongs to one [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Durable; the debit is to be sent.
    Accepted,
    /// The debit could not be sent; it will be tried again.
    DebitWaiting,
    /// The debit was sent; its answer is awaited.
    DebitSent,
    /// The debit's outcome is unknown; the counter is asked.
    DebitAsking,
    /// The debit is given up; the counter is asked to bury it.
    DebitFencing,
    /// The credit could not be sent; it will be tried again.
    CreditWaiting,
    /// The credit was sent; its answer is awaited.
    CreditSent,
    /// The credit's outcome is unknown; the counter is asked.
    CreditAsking,
    /// The credit is given up; the counter is asked to bury it.
    CreditFencing,
    /// The reversal is to be sent, again or for the first time.
    ReversalWaiting,
    /// The reversal was sent; its answer is awaited.
    ReversalSent,
    /// The reversal was answered, or may have been sent; the counter is asked for proof.
    ReversalProving,
    /// Only a person may decide.
    Parked(ParkReason),
    /// Final: both legs are done.
    Completed,
    /// Final: no money moved.
    Refused,
    /// Final: the debit was undone.
    Reversed,
}

impl Phase {
    /// Those in which it goes on by itself, in the order in which a transfer may come through them.
    pub const MOVING: [Phase; 12] = [
        Phase::Accepted,
        Phase::DebitWaiting,
        Phase::DebitSent,
        Phase::DebitAsking,
        Phase::DebitFencing,
        Phase::CreditWaiting,
        Phase::CreditSent,
        Phase::CreditAsking,
        Phase::CreditFencing,
        Phase::ReversalWaiting,
        Phase::ReversalSent,
        Phase::ReversalProving,
    ];

    /// Why a person must decide; `None` where none must.
    pub const fn parked(self) -> Option<ParkReason> {
        match self {
            Phase::Parked(why) => Some(why),
            Phase::Accepted
            | Phase::DebitWaiting
            | Phase::DebitSent
            | Phase::DebitAsking
            | Phase::DebitFencing
            | Phase::CreditWaiting
            | Phase::CreditSent
            | Phase::CreditAsking
            | Phase::CreditFencing
            | Phase::ReversalWaiting
            | Phase::ReversalSent
            | Phase::ReversalProving
            | Phase::Completed
            | Phase::Refused
            | Phase::Reversed => None,
        }
    }

    /// The state that callers see.
    pub const fn state(self) -> State {
        match self {
            Phase::Accepted => State::Accepted,
            Phase::DebitWaiting | Phase::DebitSent | Phase::DebitAsking | Phase::DebitFencing => {
                State::Debiting
            }
            Phase::CreditWaiting
            | Phase::CreditSent
            | Phase::CreditAsking
            | Phase::CreditFencing => State::Crediting,
            Phase::ReversalWaiting | Phase::ReversalSent | Phase::ReversalProving => {
                State::Reversing
            }
            Phase::Parked(_) => State::NeedsOperator,
            Phase::Completed => State::Completed,
            Phase::Refused => State::Refused,
            Phase::Reversed => State::Reversed,
        }
    }
}

/// A transfer in the bridge's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// What was asked for; fixed when it was accepted.
    pub intent: Intent,
    /// What exactly the bridge is at with it.
    pub phase: Phase,
    /// The source counter's posting.
    pub debit: Leg,
    /// The destination counter's posting.
    pub credit: Leg,
    /// The source counter's undoing of the debit.
    pub reversal: Leg,
    /// Its deadline, or the cut-over, has passed: nothing new is begun.
    pub expired: bool,
    /// Why it is being undone, or ended as it did; `None` where all goes well.
    pub reason: Option<EndReason>,
}

impl Transfer {
    /// A transfer that has just been made durable.
    pub fn accepted(intent: Intent) -> Transfer {
        Transfer {
            intent,
            phase: Phase::Accepted,
            debit: Leg::new(),
            credit: Leg::new(),
            reversal: Leg::new(),
            expired: false,
            reason: None,
        }
    }

    /// The state that callers see.
    pub fn state(&self) -> State {
        self.phase.state()
    }

    /// One of its legs.
    pub fn leg(&self, role: Role) -> &Leg {
        match role {
            Role::Debit => &self.debit,
            Role::Credit => &self.credit,
            Role::Reversal => &self.reversal,
        }
    }

    /// One of its legs, to be changed.
    pub fn leg_mut(&mut self, role: Role) -> &mut Leg {
        match role {
            Role::Debit => &mut self.debit,
            Role::Credit => &mut self.credit,
            Role::Reversal => &mut self.reversal,
        }
    }

    /// The account that a leg posts to.
    pub fn place(&self, role: Role) -> &Place {
        self.intent.order.place(role)
    }

    /// Money that has left the source and has neither arrived nor returned, as far as is proven
    /// (rule 8); in minor units.
    pub fn in_transit(&self) -> i64 {
        self.in_transit_at(self.phase)
    }

    /// The same for a transfer whose phase is shown as `phase`, for its own is not durable yet.
    pub fn in_transit_at(&self, phase: Phase) -> i64 {
        let debited = self.debit.knowledge == Knowledge::Done;
        let settled =
            self.credit.knowledge == Knowledge::Done || self.reversal.knowledge == Knowledge::Done;
        if debited && !settled && !phase.state().is_final() {
            self.intent.order.amount.minor()
        } else {
            0
        }
    }

    /// What to say to the counter to have a leg posted; the same every time while it is bound to one
    /// day.
    pub fn posting(&self, role: Role) -> Instruction {
        let Intent { master, order: Order { amount, currency, .. }, mark, .. } = self.intent;
        let account = self.place(role).account.clone();
        let (serial, settle_day) = (master.leg(role), self.bound_day(role));
        match role {
            Role::Debit => Instruction::Debit(Posting {
                serial,
                master,
                settle_day,
                account,
                amount,
                currency,
                mark,
            }),
            Role::Credit => Instruction::Credit(Posting {
                serial,
                master,
                settle_day,
                account,
                amount,
                currency,
                mark,
            }),
            Role::Reversal => Instruction::Reverse(Reversal {
                serial,
                original: master.leg(Role::Debit),
                master,
                settle_day,
                account,
                amount,
                currency,
                mark,
            }),
        }
    }

    /// What to say to the counter to learn what became of a leg.
    pub fn question(&self, role: Role, look: Look) -> Instruction {
        Instruction::Query(Query {
            serial: self.intent.master.leg(role),
            settle_day: self.asked_day(role),
            look,
            mark: self.intent.mark,
        })
    }
}

/// What [`step()`] may rely on: the two counters' capabilities and days, and how long
/// to be patient.
#[derive(Clone, Copy, Debug)]
pub struct StepContext<'a> {
    /// Capabilities of the source counter.
    pub debit: &'a Profile,
    /// Capabilities of the destination counter.
    pub credit: &'a Profile,
    /// The source counter's settle day now; `None` if it has not been heard of since the start.
    pub debit_day: Option<Day>,
    /// The destination counter's settle day now; `None` likewise.
    pub credit_day: Option<Day>,
    /// How many fruitless rounds of asking or repeating before a person is called.
    pub patience: u16,
    /// Whether the record is behind what was told, or what counters have seen: nothing that moves
    /// money is sent, and nothing is buried; counters are only asked (rule 10).
    pub behind: bool,
    /// Whether nothing new is sent to the source counter, because what it says is in doubt.
    pub debit_held: bool,
    /// Whether nothing new is sent to the destination counter, because what it says is in doubt.
    pub credit_held: bool,
    /// Whether a person deals with the transfer, by a claim or a proposal: then it does not end by itself.
    pub claimed: bool,
}

impl<'a> StepContext<'a> {
    /// What the counter of a leg can do.
    pub fn profile(&self, role: Role) -> &'a Profile {
        match role {
            Role::Debit | Role::Reversal => self.debit,
            Role::Credit => self.credit,
        }
    }
}

/// What a person decided about a transfer that needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Both legs are done, one of them perhaps by hand.
    Completed,
    /// The debit was undone, or its money was given back by hand.
    Reversed,
    /// No money moved, or what did was taken back by hand.
    Refused,
    /// Go on by the rules, from what is known now, with fresh patience.
    Resume,
}

impl Decision {
    /// All decisions.
    pub const ALL: [Decision; 4] =
        [Decision::Completed, Decision::Reversed, Decision::Refused, Decision::Resume];

    /// Those that end a transfer.
    pub const ENDINGS: [Decision; 3] = [Decision::Completed, Decision::Reversed, Decision::Refused];

    /// The word used on every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Decision::Completed => "completed",
            Decision::Reversed => "reversed",
            Decision::Refused => "refused",
            Decision::Resume => "resume",
        }
    }
}
