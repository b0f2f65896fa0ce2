//! The messages that an entry of a trail is evidence of, as they are between the bridge and the counter.

use coordinator::evidence::{Asked, Exchange, Field, Heard, Reading, Rule};
use coordinator::received::Came;
use coordinator::trail::Entry;
use domain::serial::Role;
use domain::transfer::Intent;
use port::{Counters, Spelled, Spoken};
use serde::Serialize;
use utoipa::ToSchema;

/// A message, as text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(super) struct MessageJson {
    /// Id of the counter.
    counter: String,
    /// The dialect that the text is in; null where no bytes are sent, or the counter is configured no more: then the text is
    /// the fields of the message as this software has them.
    #[schema(required)]
    dialect: Option<&'static str>,
    /// The message in lines. An ellipsis stands for what is the session's own, a request's number or the time of a label.
    /// It may hold a counter's words as they came.
    text: String,
}

/// How a message came.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Came)]
#[serde(rename_all = "snake_case")]
enum CameJson {
    /// As the outcome of what was asked last.
    Awaited,
    /// As the answer to something that was asked before.
    Late,
    /// Without having been asked, as far as the connection knew.
    Unasked,
}

/// What an answer answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageAnswered)]
pub(super) struct AskedJson {
    #[serde(flatten)]
    message: MessageJson,
    /// Whether an entry before says that it was sent. Of questions that bring nothing 32 in a row are written down; what was
    /// asked after them is made again from the record.
    written: bool,
}

/// A message that a counter said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageReceived)]
pub(super) struct ReceivedJson {
    #[serde(flatten)]
    message: MessageJson,
    /// How it came.
    came: CameJson,
    /// What it answers, as it was handed over to be sent; absent if it came late or unasked, or that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    asked: Option<AskedJson>,
    /// In which fields what it says of the posting is not what was ordered; empty if in none.
    differs: Vec<&'static str>,
}

/// By what a transfer went on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rule)]
pub(super) struct RuleJson {
    /// The number of the rule in docs/DOMAIN.md, §3.
    #[schema(minimum = 1, maximum = 10)]
    number: u8,
    /// The heading in docs/transfer-table.md of the phase that the transfer was in; null where it is not written out there.
    #[schema(required)]
    heading: Option<String>,
    /// The first cell of the line under that heading; null likewise.
    #[schema(required)]
    line: Option<String>,
}

/// What an entry is evidence of.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Exchanged)]
pub(super) struct ExchangedJson {
    /// What was handed over to be sent; absent if nothing was. Whether it left is what the next entries say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sent: Option<MessageJson>,
    /// What was received; absent if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    received: Option<ReceivedJson>,
    /// By what the transfer went on; absent where nothing followed from this alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rule: Option<RuleJson>,
}

/// Reads a trail's entries, in order, and spells their messages.
pub(super) struct Messages<'a> {
    counters: &'a Counters,
    intent: Intent,
    reading: Reading,
}

impl<'a> Messages<'a> {
    /// Of a transfer that wants this.
    pub(super) fn new(counters: &'a Counters, intent: &Intent) -> Messages<'a> {
        let reading = Reading::new(intent.clone());
        Messages { counters, intent: intent.clone(), reading }
    }

    /// What the next entry is evidence of.
    pub(super) fn next(&mut self, entry: &Entry) -> ExchangedJson {
        let Exchange { role: leg, sent, received, rule } = self.reading.next(entry);
        let spell = |message: Spoken<'_>| leg.map(|leg| self.spelled(leg, message));
        ExchangedJson {
            sent: sent.as_ref().and_then(|instruction| spell(Spoken::Asked(instruction))),
            received: received.and_then(|Heard { came, reply, asked, differs }| {
                Some(ReceivedJson {
                    message: spell(Spoken::Answered(&reply))?,
                    came: match came {
                        Came::Awaited => CameJson::Awaited,
                        Came::Late => CameJson::Late,
                        Came::Unasked => CameJson::Unasked,
                    },
                    asked: asked.and_then(|Asked { instruction, is_written: written }| {
                        let message = spell(Spoken::Asked(&instruction))?;
                        Some(AskedJson { message, written })
                    }),
                    differs: differs.into_iter().map(Field::as_str).collect(),
                })
            }),
            rule: rule.map(|Rule { number, line }| {
                let (heading, line) = line.unzip();
                RuleJson { number, heading, line }
            }),
        }
    }

    fn spelled(&self, role: Role, message: Spoken<'_>) -> MessageJson {
        let counter = &self.intent.order.place(role).counter;
        let Spelled { dialect, text } = match self.counters.get(counter) {
            Some(counter) => counter.spelled(message),
            None => message.plainly(),
        };
        MessageJson { counter: counter.to_string(), dialect, text }
    }
}
