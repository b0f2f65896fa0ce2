//! Messages as people are shown them.

use domain::message::{Instruction, Reply};

/// Something that is said between the bridge and a counter.
#[derive(Clone, Copy, Debug)]
pub enum Spoken<'a> {
    /// What the counter is asked.
    Asked(&'a Instruction),
    /// What it answered, or said unasked.
    Answered(&'a Reply),
}

/// A message as text, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelled {
    /// The name of the dialect; `None` where the message never was bytes.
    pub dialect: Option<&'static str>,
    /// The message, in lines. It may hold others' words as they came: whoever shows it makes them safe.
    pub text: String,
}

impl Spoken<'_> {
    /// The message by its fields, for a counter that no dialect is spoken with.
    pub fn plainly(self) -> Spelled {
        let text = match self {
            Spoken::Asked(instruction) => format!("{instruction:#?}\n"),
            Spoken::Answered(reply) => format!("{reply:#?}\n"),
        };
        Spelled { dialect: None, text }
    }
}
