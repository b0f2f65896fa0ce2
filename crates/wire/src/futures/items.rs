//! The dialect's data items: name, type, length, whether that is fixed, and what those are that are only for
//! people.

use crate::xml::items::items;

items! {
    /// One data item.
    Item {
    /// The leg.
    SubSerial n 12 "yes",
    /// The posting to undo, or that was undone.
    OriginalSerial n 12 "yes",
    /// The transfer.
    MasterSerial n 19 "yes",
    /// An accounting day, `YYYYMMDD`.
    SettleDay n 8 "yes",
    /// A fund account.
    FundAccount an 25 "no",
    /// Twelve digits of minor units, or major units with two decimals.
    Amount n 12 "yes",
    /// ISO 4217.
    Currency an 3 "yes",
    /// The counter's own number.
    CounterSerial an 32 "no" CounterSerial,
    /// Whether a query also forbids.
    Fence an 3 "no",
    /// What is known of a serial.
    Finding an 10 "no",
    /// What may be traded with, as an amount; zero is allowed.
    FundBalance n 12 "yes",
    /// What may be moved out, as an amount; zero is allowed.
    WithdrawableBalance n 12 "yes",
    /// Entries to skip.
    Offset n 10 "no",
    /// Entries wanted.
    Limit n 3 "no",
    /// Whether there are more entries.
    More an 3 "no",
    /// What an entry did.
    EntryKind an 8 "no",
    /// When an entry was made, in the counter's zone.
    TransactionTime ns 19 "yes" EntryTime,
    /// The number of a heartbeat.
    HeartbeatNumber n 20 "no",
    /// Whether the counter is open for postings.
    Open an 3 "no",
    /// For people.
    Text an 500 "no" Words,
    /// How grave a notice is.
    Severity an 7 "no",
    /// Why there is no session.
    RejectReason an 17 "no",
    /// The protocol's version.
    ProtocolVersion n 5 "no",
    /// Who signs on.
    Dialler an 64 "no",
    /// Who is meant to answer.
    Acceptor an 64 "no",
    /// Which of the dialler's connections.
    Channel n 5 "no",
    /// 32 bytes in hexadecimal.
    Nonce an 64 "yes",
    /// 32 bytes in hexadecimal.
    Proof an 64 "yes",
    /// Seconds.
    HeartbeatInterval n 5 "no",
    /// The counter's id.
    CounterId an 32 "no",
    /// Executes one serial at most once.
    Dedupes an 3 "no",
    /// A serial once refused is refused for ever.
    RefusalsStick an 3 "no",
    /// Answers a query with a fence.
    CanFence an 3 "no",
    /// Undoes a debit of the same settle day.
    CanReverse an 3 "no",
    /// Answers a query about a reversal's serial.
    CanQueryReversals an 3 "no",
    /// Settle days back.
    QueryHorizonDays n 5 "no",
    /// Milliseconds.
    InFlightLimitMs n 20 "no",
    /// Requests on one connection.
    MaxInFlight n 5 "no",
    /// Seconds after the counter's midnight.
    CutOverSeconds n 10 "no",
    /// How amounts are written.
    AmountUnit an 5 "yes",
    /// Largest single posting, as an amount.
    PerTransferLimit n 12 "yes",
    /// Sixteen hexadecimal digits that tell the transfer from another under the same serial.
    Mark an 16 "yes",
    /// Keeps marks, and repeats them in every answer.
    EchoesMarks an 3 "no",
    /// The highest sub serial that the counter has seen within its query horizon.
    HighestSerial n 12 "yes",
} }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Trace;
    use crate::xml::items::{Group, Item as _};
    use crate::xml::nodes::{Node, Nodes};
    use crate::xml::options::Encoding;

    #[test]
    fn only_what_is_spelled_as_ours_is_known_by_its_spelling() {
        let ours = &format!("{}1.00\"/><DataItem", Item::Amount.head());
        assert_eq!(Item::spelled(ours), Some((Item::Amount, "1.00", "<DataItem")));
        let empty = &format!("{}\"/>", Item::Text.head());
        assert_eq!(Item::spelled(empty), Some((Item::Text, "", "")));
        for other in [
            "",
            "<DataItem",
            "<DataItem name=\"Amount\"/>",
            "<DataItem name='Amount' type=\"n\" length=\"12\" fixed=\"yes\" content=\"1\"/>",
            "<DataItem name=\"Other\" type=\"n\" length=\"12\" fixed=\"yes\" content=\"1\"/>",
            "<DataItem name=\"Amount\" type=\"n\" length=\"12\" fixed=\"yes\" content=\"1\" />",
            "<DataItem name=\"Amount\" type=\"n\" length=\"12\" fixed=\"yes\" content=\"1\"></DataItem>",
            "<DataItem name=\"Amount\" type=\"n\" length=\"12\" fixed=\"yes\" content=\"1\" content=\"2\"/>",
            "<DataItem name=\"Amount\" type=\"n\" length=\"12\" fixed=\"yes\" content=\"",
            "<DataItem name=\"Amount\" type=\"n\" length=\"12\" fixed=\"yes\" content=\"1\"/",
            "<DataItem name=\"Amount\" content=\"1\" type=\"n\" length=\"12\" fixed=\"yes\"/>",
            " <DataItem name=\"Amount\" type=\"n\" length=\"12\" fixed=\"yes\" content=\"1\"/>",
        ] {
            assert_eq!(Item::spelled(other), None, "{other}");
        }
    }

    /// However the items of a group are spelled, and in whatever mixture, they say the same.
    #[test]
    fn a_group_reads_the_same_however_it_is_spelled() {
        let ours = format!(
            "{}12.00\"/>{}a&amp;b\"/>{}CNY\"/>",
            Item::Amount.head(),
            Item::Text.head(),
            Item::Currency.head(),
        );
        let apart = ours.replace("/>", " />");
        let open = ours.replace("/>", "></DataItem>");
        let lines = ours.replace("<Data", "\n\t<Data");
        let mixed = ours.replacen("name=\"Text\"", "name='Text'", 1);
        let newer = ours.replacen("<Data", "<DataItem name=\"Newer\" content=\"1\"/><Data", 1);
        for items in [&ours, &apart, &open, &lines, &mixed, &newer] {
            let packet = format!("<g>{items}\n<!-- a comment --></g>");
            let mut nodes = Nodes::new(&packet, Encoding::Utf8);
            nodes.start("g").expect("a group");
            let mut seen = Vec::new();
            let group = Group::read(&mut nodes, &mut Trace::default(), |_, item: Item, content| {
                seen.push((item, content.to_owned()));
            });
            let group = group.unwrap_or_else(|fault| panic!("{fault:?}: {packet}"));
            let expected = [(Item::Amount, "12.00"), (Item::Text, "a&b"), (Item::Currency, "CNY")];
            assert_eq!(seen.len(), expected.len(), "{packet}");
            for ((item, content), seen) in expected.into_iter().zip(&seen) {
                assert_eq!((item, content), (seen.0, seen.1.as_str()), "{packet}");
                assert_eq!(group.find(item), Some(content), "{packet}");
            }
            assert!(matches!(nodes.next(), Ok(Node::Eof)), "{packet}");
        }
    }

    /// An empty group has no items, however those are spelled that stand behind it.
    #[test]
    fn an_empty_group_takes_no_items_from_what_comes_after_it() {
        let packet = format!("<r><g/>{}12.00\"/></r>", Item::Amount.head());
        let mut nodes = Nodes::new(&packet, Encoding::Utf8);
        nodes.start("r").expect("a root");
        nodes.start("g").expect("a group");
        let group = Group::<Item>::read(&mut nodes, &mut Trace::default(), |_, _, _| {});
        assert_eq!(group.expect("a group").find(Item::Amount), None);
        assert_eq!(nodes.any().expect("what comes after it").name, "DataItem");
    }

    /// What is wrong with an item that is spelled as ours is wrong all the same.
    #[test]
    fn what_is_spelled_as_ours_is_checked_like_any_other() {
        let amount = |content: &str| format!("{}{content}\"/>", Item::Amount.head());
        for items in [
            amount("1").repeat(2),
            amount("<"),
            amount("&nbsp;"),
            amount("\u{1}"),
            format!("{}text", amount("1")),
            format!("text{}", amount("1")),
            format!("{}<Other/>", amount("1")),
        ] {
            let packet = format!("<g>{items}</g>");
            let mut nodes = Nodes::new(&packet, Encoding::Utf8);
            nodes.start("g").expect("a group");
            let read = Group::<Item>::read(&mut nodes, &mut Trace::default(), |_, _, _| {});
            assert!(read.is_err(), "{packet}");
        }
    }

    #[test]
    fn the_document_and_the_schema_know_every_item() {
        let document = include_str!("../../../../docs/peers/futures.md");
        let schema = include_str!("../../../../proto/futures/v1/futures.xsd");
        for item in Item::ALL {
            let quoted: Vec<&str> = item.head().split('"').collect();
            let [_, name, _, kind, _, length, _, fixed, _, ""] = quoted[..] else {
                panic!("{}", item.head())
            };
            let row = format!("| `{name}` | {kind} | {length} | {fixed} | ");
            assert!(document.contains(&row), "docs/peers/futures.md lacks {row}");
            let value = format!("<xs:enumeration value=\"{name}\"/>");
            assert!(schema.contains(&value), "futures.xsd lacks {value}");
            assert_eq!(Item::named(name), Some(*item));
        }
    }
}
