//! How a side is described (`OpenAPI` 3.1) from its handlers themselves: each says what it answers when all is
//! well, the side's [`Rules`] for what it may be refused, and `complete` adds what holds for all. Tests hold
//! every answer that they see against the descriptions.

mod complete;
mod refusals;

pub use complete::{Answers, Known, Rules};
pub(crate) use refusals::of_the_transfer_api;
pub use refusals::{OF_QUESTION, OF_RECORD, OF_SIGNED};

use serde_json::Value;

/// The text of a side's description, of which its handlers have said their part: indented, with a line feed at
/// its end.
pub fn written(mut document: Value, rules: &Rules) -> String {
    complete::complete(&mut document, rules);
    // Plain data; there is nothing in it that JSON cannot say.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}
