//! How each alarm ends, and what whoever reads it at night is told about that.

use store::AlarmKind;

/// How an alarm ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// By itself, when what it is about is over; when that is, in words. Nobody closes it before.
    ByItself(&'static str),
    /// When a person has looked into it, and says so; what there is to do, in words.
    ByPerson(&'static str),
}

/// How alarms of this kind end. What lasts ends by itself, for the bridge sees when it is over; what was said or done
/// once stays said, and somebody has to look into it.
pub const fn ends(kind: AlarmKind) -> Ends {
    match kind {
        AlarmKind::NeedsOperator => Ends::ByItself("no transfer needs a person"),
        AlarmKind::CounterHeld => Ends::ByItself("the counter is held no longer"),
        AlarmKind::Database => Ends::ByItself("the database records"),
        AlarmKind::RecordBehind => Ends::ByItself("the record is behind no longer"),
        AlarmKind::TooMany => Ends::ByItself("there is room for alarms about transfers"),
        AlarmKind::Contradiction => {
            Ends::ByPerson("ask the counter's people which of its answers is true")
        }
        AlarmKind::Foreign => {
            Ends::ByPerson("ask the counter's people why it speaks of what is not its own")
        }
        AlarmKind::NotCompared => {
            Ends::ByPerson("compare with the counter's books what it said meanwhile")
        }
        AlarmKind::Notice => Ends::ByPerson("read what the counter says, and ask its people"),
        AlarmKind::Defect => {
            Ends::ByPerson("keep the log, report the defect, and look at the transfer")
        }
    }
}

impl Ends {
    /// Whether it ends by itself.
    pub const fn is_by_itself(self) -> bool {
        match self {
            Ends::ByItself(_) => true,
            Ends::ByPerson(_) => false,
        }
    }
}
