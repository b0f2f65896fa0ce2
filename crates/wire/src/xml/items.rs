//! Data items: name, type, length, whether the length is fixed, content (source 001). Which there are is a
//! dialect's; how they are written, read and kept in a group is the same in each.

use super::attributes::trimmed;
use super::nodes::{Node, Nodes};
use super::text::{readable, unescaped};
use crate::ornament::Ornament;
use crate::terms::{Fault, Trace};
use std::borrow::Cow;

/// One data item of a dialect: one of at most 64.
pub(crate) trait Item: Copy + PartialEq + 'static {
    /// Its name.
    fn name(self) -> &'static str;

    /// The item of a name.
    fn named(name: &str) -> Option<Self>;

    /// All of its element up to its content.
    fn head(self) -> &'static str;

    /// What it is to people, if nothing is decided by it. All others must be readable.
    fn ornament(self) -> Option<Ornament>;

    /// The item's bit in a set of items.
    fn bit(self) -> u64;

    /// The item that a text begins with, its content as it is escaped, and what comes after its element, if that is
    /// spelled as ours are to the last byte. Others are right too, but have to be taken apart.
    fn spelled(text: &str) -> Option<(Self, &str, &str)> {
        let (name, _) = text.strip_prefix("<DataItem name=\"")?.split_once('"')?;
        let item = Self::named(name)?;
        let (content, rest) = text.strip_prefix(item.head())?.split_once('"')?;
        rest.strip_prefix("/>").map(|rest| (item, content, rest))
    }
}

/// Makes a dialect's items: for each its documentation, name, type, length and whether that is fixed, and what
/// it is to people if it is only for them. A type is `n` (digits), `an` (any characters) or `ns` (digits and
/// symbols); a length counts characters.
macro_rules! items {
    ($(#[$of_all:meta])* $type:ident {
        $($(#[$doc:meta])* $item:ident $kind:ident $length:literal $fixed:literal $($ornament:ident)?),* $(,)?
    }) => {
        $(#[$of_all])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $type {
            $($(#[$doc])* $item),*
        }

        impl $type {
            /// Every item.
            pub(super) const ALL: &'static [$type] = &[$($type::$item),*];
        }

        impl $crate::xml::items::Item for $type {
            fn name(self) -> &'static str {
                match self { $($type::$item => stringify!($item)),* }
            }

            fn named(name: &str) -> Option<$type> {
                match name {
                    $(stringify!($item) => Some($type::$item),)*
                    _ => None,
                }
            }

            fn head(self) -> &'static str {
                match self {
                    $($type::$item => concat!(
                        "<DataItem name=\"", stringify!($item), "\" type=\"", stringify!($kind),
                        "\" length=\"", $length, "\" fixed=\"", $fixed, "\" content=\""
                    )),*
                }
            }

            fn ornament(self) -> Option<$crate::ornament::Ornament> {
                match self {
                    $($($type::$item => Some($crate::ornament::Ornament::$ornament),)?)*
                    _ => None,
                }
            }

            fn bit(self) -> u64 {
                1 << self as u32
            }
        }

        const _: () = assert!($type::ALL.len() <= 64, "a set of items is a u64");
    };
}

pub(crate) use items;

/// The data items of one group, each at most once.
#[derive(Debug)]
pub(crate) struct Group<'a, I> {
    seen: u64,
    items: Vec<(I, Cow<'a, str>)>,
}

impl<'a, I: Item> Group<'a, I> {
    /// Reads the items up to the end of the element around them, and hands each to `seen`.
    pub(crate) fn read(
        nodes: &mut Nodes<'a>,
        trace: &mut Trace,
        mut seen: impl FnMut(&mut Trace, I, &str),
    ) -> Result<Group<'a, I>, Fault> {
        // A leg's instruction has six items, its answer as many.
        let mut group = Group { seen: 0, items: Vec::with_capacity(8) };
        loop {
            let ahead = nodes.ahead();
            let (item, raw) = if let Some((item, raw, rest)) = I::spelled(trimmed(ahead)) {
                nodes.pass(ahead.len() - rest.len())?;
                (item, Some(raw))
            } else {
                let tag = match nodes.next()? {
                    Node::Start(tag) if tag.name == "DataItem" => tag,
                    Node::Start(_) => return Err("an element that is not a DataItem".into()),
                    Node::End => return Ok(group),
                    Node::Eof => return Err("the document ends early".into()),
                };
                nodes.end()?;
                let [name, content, ..] =
                    tag.attributes(["name", "content", "type", "length", "fixed"])?;
                // An item that this version does not know is passed over.
                let Some(item) = I::named(&required("name", name)?) else { continue };
                (item, content)
            };
            let content = match item.ornament() {
                Some(ornament) => Some(readable(raw.unwrap_or_default(), ornament, trace)),
                None => raw.map(unescaped).transpose()?,
            };
            if group.seen & item.bit() != 0 {
                return Err(Fault::of(item.name(), "comes twice"));
            }
            let content = content.ok_or_else(|| Fault::of(item.name(), "has no content"))?;
            seen(trace, item, &content);
            group.seen |= item.bit();
            group.items.push((item, content));
        }
    }

    /// An item's content, if the item is there.
    pub(crate) fn find(&self, item: I) -> Option<&str> {
        if self.seen & item.bit() == 0 {
            return None;
        }
        self.items.iter().find(|(name, _)| *name == item).map(|(_, content)| &**content)
    }

    /// An item's content.
    pub(crate) fn text(&self, item: I) -> Result<&str, Fault> {
        self.find(item).ok_or_else(|| Fault::of(item.name(), "missing"))
    }
}

/// The value of an attribute that must be there.
pub(crate) fn required<'a>(
    attribute: &'static str,
    value: Option<&'a str>,
) -> Result<Cow<'a, str>, Fault> {
    unescaped(value.ok_or_else(|| Fault::of(attribute, "missing"))?)
}
