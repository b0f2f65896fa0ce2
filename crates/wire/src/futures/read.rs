//! The grammar of a packet: which elements and attributes it has, and nothing of what they mean.

use super::figures::number;
use super::items::Item;
use super::words::{AnswerKind, INITIATORS, Transaction, Word};
use super::xml::{Node, Nodes, Tag, readable, unescaped};
use crate::codec::Encoding;
use crate::message::RequestId;
use crate::ornament::Ornament;
use crate::terms::{self, Fault, Trace};
use std::borrow::Cow;

/// A packet as it came.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    /// The time label, not yet read.
    pub(super) timestamp: Cow<'a, str>,
    /// The id of who sent it.
    pub(super) sender: Cow<'a, str>,
    /// The id of who is meant to read it.
    pub(super) receiver: Cow<'a, str>,
    /// The request that it is or answers; 0 for the conversation's own messages.
    pub(super) request: u64,
    /// What it says.
    pub(super) content: Content<'a>,
    /// Its data groups, in order.
    pub(super) groups: Vec<Group<'a>>,
}

/// A request's transaction or a response's answer.
#[derive(Debug)]
pub(super) enum Content<'a> {
    /// Something is asked.
    Transaction(Transaction),
    /// Something is answered: of what kind, with which code and words.
    Answer(AnswerKind, u64, Cow<'a, str>),
}

/// The data items of one group, each at most once.
#[derive(Debug)]
pub(super) struct Group<'a> {
    seen: u64,
    items: Vec<(Item, Cow<'a, str>)>,
}

impl Group<'_> {
    /// An item's content, if the item is there.
    pub(super) fn find(&self, item: Item) -> Option<&str> {
        if self.seen & item.bit() == 0 {
            return None;
        }
        self.items.iter().find(|(name, _)| *name == item).map(|(_, content)| &**content)
    }

    /// An item's content.
    pub(super) fn text(&self, item: Item) -> Result<&str, Fault> {
        self.find(item).ok_or_else(|| Fault::of(item.name(), "missing"))
    }
}

/// The roles of parties.
pub(super) const ROLES: [&str; 2] = ["bridge", "counter"];

/// Reads a packet, noting in `trace` what it is about as soon as that shows.
pub(super) fn packet<'a>(
    text: &'a str,
    encoding: Encoding,
    trace: &mut Trace,
) -> Result<Packet<'a>, Fault> {
    let mut reading = Reading { nodes: Nodes::new(text, encoding), trace };
    let payload = reading.start("Payload")?;
    let [version, timestamp] = payload.attributes(["version", "timestamp"])?;
    if required("version", version)? != "1.0" {
        return Err("the payload's version is not 1.0".into());
    }
    // Without one it is as one that cannot be read.
    let timestamp = readable(timestamp.unwrap_or_default(), Ornament::Label, reading.trace);
    reading.start("Header")?;
    let sender = reading.party("Sender")?;
    let receiver = reading.party("Receiver")?;
    reading.end()?;
    let outer = reading.any()?;
    let (request, content, groups) = match outer.name {
        "Request" => reading.request(&outer)?,
        "Response" => reading.response(&outer)?,
        _ => return Err("neither Request nor Response after the Header".into()),
    };
    reading.end()?;
    match reading.nodes.next()? {
        Node::Eof => Ok(Packet { timestamp, sender, receiver, request, content, groups }),
        Node::Start(_) | Node::End => Err("more after the Payload".into()),
    }
}

struct Reading<'a, 't> {
    nodes: Nodes<'a>,
    trace: &'t mut Trace,
}

type Said<'a> = (u64, Content<'a>, Vec<Group<'a>>);

impl<'a> Reading<'a, '_> {
    fn any(&mut self) -> Result<Tag<'a>, Fault> {
        match self.nodes.next()? {
            Node::Start(tag) => Ok(tag),
            Node::End | Node::Eof => Err("an element is missing".into()),
        }
    }

    fn start(&mut self, name: &'static str) -> Result<Tag<'a>, Fault> {
        let tag = self.any()?;
        if tag.name == name {
            Ok(tag)
        } else {
            Err(Fault::of(name, "is expected, not another element"))
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.nodes.next()? {
            Node::End => Ok(()),
            Node::Start(_) => Err("an element too many".into()),
            Node::Eof => Err("the document ends early".into()),
        }
    }

    fn party(&mut self, element: &'static str) -> Result<Cow<'a, str>, Fault> {
        let [_name, id, role] = self.start(element)?.attributes(["name", "id", "role"])?;
        self.label(role.is_some_and(|role| ROLES.contains(&role)));
        self.end()?;
        required("id", id)
    }

    fn request(&mut self, outer: &Tag<'a>) -> Result<Said<'a>, Fault> {
        let [id] = outer.attributes(["id"])?;
        let request = self.traced(required("request id", id)?.as_ref())?;
        let tag = self.any()?;
        let transaction =
            Transaction::named(tag.name).ok_or(Fault::from("an unknown transaction"))?;
        let [id, code, initiator] = tag.attributes(["id", "code", "initiator"])?;
        only_transaction(&required("transaction id", id)?)?;
        let groups = self.groups()?;
        // The element and the code say the same thing; if they do not, neither is believed.
        if required("transaction code", code)? != transaction.code() {
            return Err("the transaction's code is not that of its element".into());
        }
        self.label(initiator.is_some_and(|initiator| INITIATORS.contains(&initiator)));
        Ok((request, Content::Transaction(transaction), groups))
    }

    fn response(&mut self, outer: &Tag<'a>) -> Result<Said<'a>, Fault> {
        let [id] = outer.attributes(["id"])?;
        self.label(id.is_some_and(|id| number("response id", id, 20).is_ok()));
        let tag = self.start("Answer")?;
        let [kind, code, description, request, message] =
            tag.attributes(["kind", "code", "description", "requestId", "messageId"])?;
        let request = self.traced(required("request id", request)?.as_ref())?;
        let groups = self.groups()?;
        if let Some(message) = message {
            only_transaction(&unescaped(message)?)?;
        }
        let kind = AnswerKind::of(&required("kind", kind)?)
            .ok_or(Fault::from("an unknown kind of answer"))?;
        let code = number("answer code", &required("answer code", code)?, 3)?;
        let words = readable(description.unwrap_or_default(), Ornament::Words, self.trace);
        Ok((request, Content::Answer(kind, code, words), groups))
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
    fn groups(&mut self) -> Result<Vec<Group<'a>>, Fault> {
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

    fn group(&mut self, first: bool) -> Result<Group<'a>, Fault> {
        // A leg's instruction has six items, its answer as many.
        let mut group = Group { seen: 0, items: Vec::with_capacity(8) };
        loop {
            let tag = match self.nodes.next()? {
                Node::Start(tag) if tag.name == "DataItem" => tag,
                Node::Start(_) => return Err("an element that is not a DataItem".into()),
                Node::End => return Ok(group),
                Node::Eof => return Err("the document ends early".into()),
            };
            self.end()?;
            // An item that this version does not know is passed over.
            let (Some(item), content) = item(&tag, self.trace)? else { continue };
            if group.seen & item.bit() != 0 {
                return Err(Fault::of(item.name(), "comes twice"));
            }
            let content = content.ok_or_else(|| Fault::of(item.name(), "has no content"))?;
            if first && item == Item::SubSerial {
                self.trace.serial = number(item.name(), &content, 12)
                    .and_then(|number| terms::sub_serial(item.name(), number))
                    .ok();
            }
            group.seen |= item.bit();
            group.items.push((item, content));
        }
    }
}

/// What a data item is, unless it is of another version, and its content, if it has any.
fn item<'a>(tag: &Tag<'a>, trace: &Trace) -> Result<(Option<Item>, Option<Cow<'a, str>>), Fault> {
    let (item, raw) = if let Some((item, raw)) = Item::spelled(tag.inner) {
        (item, Some(raw))
    } else {
        let [name, content, ..] = tag.attributes(["name", "content", "type", "length", "fixed"])?;
        match Item::named(&required("name", name)?) {
            Some(item) => (item, content),
            None => return Ok((None, None)),
        }
    };
    let content = match item.ornament() {
        Some(ornament) => Some(readable(raw.unwrap_or_default(), ornament, trace)),
        None => raw.map(unescaped).transpose()?,
    };
    Ok((Some(item), content))
}

fn required<'a>(attribute: &'static str, value: Option<&'a str>) -> Result<Cow<'a, str>, Fault> {
    unescaped(value.ok_or_else(|| Fault::of(attribute, "missing"))?)
}

/// A packet carries one transaction, and its id in the packet is 1.
fn only_transaction(id: &str) -> Result<(), Fault> {
    if number("transaction id", id, 20)? == 1 {
        Ok(())
    } else {
        Err("transaction id: must be 1, for a packet carries one transaction".into())
    }
}
