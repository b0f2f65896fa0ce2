//! What a frame says for people alone: time labels, words, and the like. It is read leniently: what
//! cannot be read is replaced or kept as it stands and noted here, and never keeps anybody from
//! reading the amount, account, serial, code and day beside it.

use std::fmt;

/// Something in a frame that is only for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ornament {
    /// A packet's time label, a party's role, a response's id, who initiated, how grave a notice is.
    Label,
    /// Words: of an answer, a rejection, a sign-off or a notice.
    Words,
    /// The counter's own number of a posting. The posting beside it is proof all the same: it is
    /// ours by our serial, account, amount, currency and day. Only its number is not known.
    CounterSerial,
    /// When an entry was made.
    EntryTime,
}

impl Ornament {
    /// All of them.
    pub const ALL: [Ornament; 4] =
        [Ornament::Label, Ornament::Words, Ornament::CounterSerial, Ornament::EntryTime];

    /// The word used on every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Ornament::Label => "label",
            Ornament::Words => "words",
            Ornament::CounterSerial => "counter_serial",
            Ornament::EntryTime => "entry_time",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Ornament {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which ornaments of a frame could not be read as the protocol writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blemishes(u8);

impl Blemishes {
    /// Notes one.
    pub fn note(&mut self, ornament: Ornament) {
        self.0 |= ornament.bit();
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it is among them.
    pub fn has(self, ornament: Ornament) -> bool {
        self.0 & ornament.bit() != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Ornament> {
        Ornament::ALL.into_iter().filter(move |ornament| self.has(*ornament))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_told_once() {
        let mut blemishes = Blemishes::default();
        assert!(blemishes.is_empty());
        for ornament in [Ornament::EntryTime, Ornament::Words, Ornament::Words] {
            blemishes.note(ornament);
        }
        let told: Vec<String> = blemishes.iter().map(|ornament| ornament.to_string()).collect();
        assert_eq!(told, ["words", "entry_time"]);
        assert!(blemishes.has(Ornament::Words) && !blemishes.has(Ornament::Label));
    }
}
