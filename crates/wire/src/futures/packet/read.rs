//! The grammar of a packet: which elements and attributes it has, and nothing of what they mean.

use super::super::items::Item;
use super::super::words::{Answer, Answered, INITIATORS, Instructed, Replied, Said, Transaction};
use crate::ornament::Ornament;
use crate::payload::RequestId;
use crate::terms::{self, Fault, Trace};
use crate::xml::figures::number;
use crate::xml::items::{Group, Item as _, required};
use crate::xml::nodes::{Node, Nodes, Tag};
use crate::xml::options::Encoding;
use crate::xml::text::{readable, unescaped};
use std::borrow::Cow;

/// A packet as it came.
#[derive(Debug)]
pub(in crate::futures) struct Packet<'a> {
    /// The time label, not yet read.
    pub(in crate::futures) timestamp: Cow<'a, str>,
    /// The id of who sent it.
    pub(in crate::futures) sender: Cow<'a, str>,
    /// The id of who is meant to read it.
    pub(in crate::futures) receiver: Cow<'a, str>,
    /// The request that it is or answers; 0 for the conversation's own messages.
    pub(in crate::futures) request: u64,
    /// What it says.
    pub(in crate::futures) content: Content<'a>,
    /// Its data groups, in order.
    pub(in crate::futures) groups: Vec<Group<'a, Item>>,
}

impl<'a> Packet<'a> {
    /// Its one data group.
    pub(in crate::futures) fn one_group(&self) -> Result<&Group<'a, Item>, Fault> {
        match &self.groups[..] {
            [group] => Ok(group),
            [] => Err("a data group is missing".into()),
            [_, _, ..] => Err("more data groups than one".into()),
        }
    }
}

/// A request's transaction or a response's answer.
#[derive(Debug)]
pub(in crate::futures) enum Content<'a> {
    /// A counter is to do or to say something.
    Instructed(Instructed),
    /// What it replies, with which code and words.
    Replied(Replied, u64, Cow<'a, str>),
    /// Something is said for the connection's own sake.
    Said(Said),
    /// Something is answered for the connection's own sake, with which code and words.
    Answered(Answered, u64, Cow<'a, str>),
}

/// The roles of parties.
pub(in crate::futures) const ROLES: [&str; 2] = ["bridge", "counter"];

/// Reads a packet, noting in `trace` what it is about as soon as that shows.
pub(in crate::futures) fn packet<'a>(
    text: &'a str,
    encoding: Encoding,
    trace: &mut Trace,
) -> Result<Packet<'a>, Fault> {
    let mut reading = Reading { nodes: Nodes::new(text, encoding), trace };
    let payload = reading.nodes.start("Payload")?;
    let [version, timestamp] = payload.attributes(["version", "timestamp"])?;
    if required("version", version)? != "1.0" {
        return Err("the payload's version is not 1.0".into());
    }
    // Without one it is as one that cannot be read.
    let timestamp = readable(timestamp.unwrap_or_default(), Ornament::Label, reading.trace);
    reading.nodes.start("Header")?;
    let sender = reading.party("Sender")?;
    let receiver = reading.party("Receiver")?;
    reading.nodes.end()?;
    let outer = reading.nodes.any()?;
    let (request, content, groups) = match outer.name {
        "Request" => reading.request(&outer)?,
        "Response" => reading.response(&outer)?,
        _ => return Err("neither Request nor Response after the Header".into()),
    };
    reading.nodes.end()?;
    match reading.nodes.next()? {
        Node::Eof => Ok(Packet { timestamp, sender, receiver, request, content, groups }),
        Node::Start(_) | Node::End => Err("more after the Payload".into()),
    }
}

struct Reading<'a, 't> {
    nodes: Nodes<'a>,
    trace: &'t mut Trace,
}

type Outer<'a> = (u64, Content<'a>, Vec<Group<'a, Item>>);

impl<'a> Reading<'a, '_> {
    fn party(&mut self, element: &'static str) -> Result<Cow<'a, str>, Fault> {
        let [_name, id, role] = self.nodes.start(element)?.attributes(["name", "id", "role"])?;
        self.label(role.is_some_and(|role| ROLES.contains(&role)));
        self.nodes.end()?;
        required("id", id)
    }

    fn request(&mut self, outer: &Tag<'a>) -> Result<Outer<'a>, Fault> {
        let [id] = outer.attributes(["id"])?;
        let request = self.traced(required("request id", id)?.as_ref())?;
        let tag = self.nodes.any()?;
        let (content, written) = if let Some(instructed) = Instructed::named(tag.name) {
            (Content::Instructed(instructed), instructed.code())
        } else if let Some(said) = Said::named(tag.name) {
            (Content::Said(said), said.code())
        } else {
            return Err("an unknown transaction".into());
        };
        let [id, code, initiator] = tag.attributes(["id", "code", "initiator"])?;
        only_transaction(&required("transaction id", id)?)?;
        let groups = self.groups()?;
        // The element and the code say the same thing; if they do not, neither is believed.
        if required("transaction code", code)? != written {
            return Err("the transaction's code is not that of its element".into());
        }
        self.label(initiator.is_some_and(|initiator| INITIATORS.contains(&initiator)));
        Ok((request, content, groups))
    }

    fn response(&mut self, outer: &Tag<'a>) -> Result<Outer<'a>, Fault> {
        let [id] = outer.attributes(["id"])?;
        self.label(id.is_some_and(|id| number("response id", id, 20).is_ok()));
        let tag = self.nodes.start("Answer")?;
        let [kind, code, description, request, message] =
            tag.attributes(["kind", "code", "description", "requestId", "messageId"])?;
        let request = self.traced(required("request id", request)?.as_ref())?;
        let groups = self.groups()?;
        if let Some(message) = message {
            only_transaction(&unescaped(message)?)?;
        }
        let kind = required("kind", kind)?;
        let kind = Answer::of(&kind).ok_or(Fault::from("an unknown kind of answer"))?;
        let code = number("answer code", &required("answer code", code)?, 3)?;
        let words = readable(description.unwrap_or_default(), Ornament::Words, self.trace);
        let content = match kind {
            Answer::Replied(replied) => Content::Replied(replied, code, words),
            Answer::Answered(answered) => Content::Answered(answered, code, words),
        };
        Ok((request, content, groups))
    }

    /// A label by which nothing is decided: if it is not as it should be, that is noted.
    fn label(&self, is_good: bool) {
        if !is_good {
            self.trace.blemish(Ornament::Label);
        }
    }

    fn traced(&mut self, id: &str) -> Result<u64, Fault> {
        let id = number("request id", id, 20)?;
        self.trace.request = (id != 0).then_some(RequestId(id));
        Ok(id)
    }

    /// Data groups up to the end of the element around them, and that the element around is alone.
    fn groups(&mut self) -> Result<Vec<Group<'a, Item>>, Fault> {
        let mut groups = Vec::new();
        loop {
            match self.nodes.next()? {
                Node::Start(tag) if tag.name == "DataGroup" => {
                    let group = self.group(groups.is_empty())?;
                    groups.push(group);
                }
                Node::Start(_) => return Err("an element that is not a DataGroup".into()),
                Node::End => break,
                Node::Eof => return Err("the document ends early".into()),
            }
        }
        match self.nodes.next()? {
            Node::End => Ok(groups),
            Node::Start(_) => Err("more than one transaction or answer in a packet".into()),
            Node::Eof => Err("the document ends early".into()),
        }
    }

    fn group(&mut self, first: bool) -> Result<Group<'a, Item>, Fault> {
        Group::read(&mut self.nodes, self.trace, |trace, item: Item, content| {
            if first && item == Item::SubSerial {
                trace.serial = number(item.name(), content, 12)
                    .and_then(|number| terms::sub_serial(item.name(), number))
                    .ok();
            }
        })
    }
}

/// A packet carries one transaction, and its id in the packet is 1.
fn only_transaction(id: &str) -> Result<(), Fault> {
    if number("transaction id", id, 20)? == 1 {
        Ok(())
    } else {
        Err("transaction id: must be 1, for a packet carries one transaction".into())
    }
}
