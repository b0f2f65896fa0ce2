//! What goes wrong on purpose: [`plan`] says what, [`dice`] decides when.

pub mod dice;
pub mod plan;

pub use dice::Dice;
pub use plan::{Action, FaultPlan, Occasion, PlanError, Rule};
