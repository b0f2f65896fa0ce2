//! What may become of a message, and what comes late of it.

use crate::clock::Micros;
use domain::message::{Instruction, Reply};
use simulator::books::Order;

/// Something that happens later than it should.
#[derive(Clone, Debug)]
pub(super) enum Late {
    /// A request arrives.
    Arrives(usize, Instruction),
    /// An order that was "processing" is decided.
    Finishes(usize, Order),
    /// An answer comes that nobody waits for.
    Answer(usize, Reply),
}

/// It, since when it is late, and how many moments it was let pass.
#[derive(Clone, Debug)]
pub(super) struct Belated {
    pub(super) since: Micros,
    pub(super) passed: u32,
    pub(super) late: Late,
}

/// A late thing may come at any of so many moments, one message apart; after them it comes last,
/// when all else waits or the counter's in-flight limit is over. What lies between changes nothing:
/// the same questions are asked again.
pub(super) const MOMENTS: u32 = 3;

/// What may become of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    LostBefore,
    LostAfter,
    Duplicated,
    Late,
    AnswerLate,
    Refused,
    NotSent,
    Processing,
    AfterCutOver,
}

impl Fate {
    pub(super) const ALL: [Fate; 10] = [
        Fate::Delivered,
        Fate::LostBefore,
        Fate::LostAfter,
        Fate::Duplicated,
        Fate::Late,
        Fate::AnswerLate,
        Fate::Refused,
        Fate::NotSent,
        Fate::Processing,
        Fate::AfterCutOver,
    ];

    /// Those that differ for a question.
    pub(super) const OF_QUESTIONS: [Fate; 6] = [
        Fate::Delivered,
        Fate::LostBefore,
        Fate::LostAfter,
        Fate::Duplicated,
        Fate::AnswerLate,
        Fate::NotSent,
    ];
}

/// What a posting orders at a counter's books.
pub(super) fn order_of(instruction: &Instruction) -> Option<Order> {
    match instruction {
        Instruction::Debit(posting) => Some(Order::debit(posting)),
        Instruction::Credit(posting) => Some(Order::credit(posting)),
        Instruction::Reverse(reversal) => Some(Order::reversal(reversal)),
        Instruction::Query(_) | Instruction::Balance(_) | Instruction::Entries(_) => None,
    }
}
