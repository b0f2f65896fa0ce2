//! What persons see and decide about: where a transfer stands, by what is known of it, and what each decision would lead
//! to. Nothing is judged a second time: a copy takes the very step that the transfer would.

use super::event::{Event, Illegal};
use super::outlook::Outlook;
use super::{Decision, Leg, StepContext, Transfer, step};
use crate::serial::Role;
use std::fmt::Write;

impl Transfer {
    /// What a decision would lead to now, or why it may not be taken.
    pub fn would(&self, decision: Decision, ground: &StepContext<'_>) -> Result<Outlook, Illegal> {
        let mut copy = self.clone();
        let step = step(&mut copy, &Event::Decide(decision), ground)?;
        Ok(Outlook::of(&copy, step))
    }

    /// Everything on which a decision rests, as text: phase, knowledge, postings and reason. Two transfers of which it is
    /// the same stand the same. Rounds of asking that brought nothing do not change it, nor does a restart.
    pub fn standing(&self) -> String {
        let reason = self.phase.parked().map_or("", super::ParkReason::as_str);
        let ending = self.reason.map_or("", super::EndReason::as_str);
        let mut text = format!("{}\n{reason}\n{ending}\n", self.state());
        for role in Role::ALL {
            // Into a text nothing fails.
            let _ = line(&mut text, self.leg(role), role, self.bound_day(role).number());
        }
        text
    }
}

/// One leg. What a counter said is preceded by its length, so that no words of its can stand for anything else.
fn line(text: &mut String, leg: &Leg, role: Role, day: u32) -> std::fmt::Result {
    write!(text, "{role} on {day}: {}", leg.knowledge.words())?;
    if let Some(serial) = &leg.counter_serial {
        write!(text, ", as {}:{}", serial.as_received().len(), serial.as_received())?;
    }
    if let Some(day) = leg.posted_day {
        write!(text, ", posted on {day}")?;
    }
    if let Some(doubt) = leg.doubt {
        write!(text, ", but {}", doubt.as_str())?;
    }
    text.write_char('\n')
}
