//! The packet around what is said: payload, header, one request or response.

use super::super::words::Transaction;
use crate::format::{End, Occasion, Parties};
use crate::terms;
use crate::xml::encoding::encoding_name;
use crate::xml::figures::{put_number, put_padded, put_time};
use crate::xml::options::XmlOptions;
use crate::xml::text::put_escaped;
use crate::xml::word::Word;
use crate::xml::writer::{Writer, Written};
use bytes::BytesMut;

/// Appends a packet from `parties.own` around what `content` appends.
pub(in crate::futures) fn packet(
    out: &mut BytesMut,
    options: &XmlOptions,
    parties: &Parties,
    on: Occasion,
    content: impl FnOnce(&mut Writer) -> Written,
) -> Written {
    let packet = &mut Writer { out, options };
    packet.put("<?xml version=\"1.0\" encoding=\"");
    packet.put(encoding_name(options.encoding));
    packet.put("\"?><Payload version=\"1.0\" timestamp=\"");
    put_time(packet.out, on.now_micros, options.utc_offset_minutes)?;
    packet.put("\"><Header>");
    let (own_role, peer_role) = match on.end {
        End::Bridge => ("bridge", "counter"),
        End::Counter => ("counter", "bridge"),
    };
    party(packet, "<Sender name=\"", &parties.own, own_role)?;
    party(packet, "<Receiver name=\"", &parties.peer, peer_role)?;
    packet.put("</Header>");
    content(packet)?;
    packet.put("</Payload>");
    Ok(())
}

fn party(packet: &mut Writer, head: &str, name: &str, role: &str) -> Written {
    terms::name("party", name)?;
    packet.put(head);
    put_escaped(packet.out, name);
    packet.put("\" id=\"");
    put_escaped(packet.out, name);
    packet.put("\" role=\"");
    packet.put(role);
    packet.put("\"/>");
    Ok(())
}

/// A request of one transaction with one group.
pub(in crate::futures) fn request(
    packet: &mut Writer,
    id: u64,
    transaction: impl Transaction,
    items: impl FnOnce(&mut Writer) -> Written,
) -> Written {
    packet.put("<Request id=\"");
    put_number(packet.out, id);
    packet.put("\"><");
    packet.put(transaction.name());
    packet.put(" id=\"1\" code=\"");
    packet.put(transaction.code());
    packet.put("\" initiator=\"");
    packet.put(transaction.initiator());
    packet.put("\">");
    packet.group(items)?;
    packet.put("</");
    packet.put(transaction.name());
    packet.put("></Request>");
    Ok(())
}

/// A response of one answer with these groups.
pub(in crate::futures) fn response(
    packet: &mut Writer,
    id: u64,
    (kind, code, text): (impl Word, u16, &str),
    groups: impl FnOnce(&mut Writer) -> Written,
) -> Written {
    packet.put("<Response id=\"");
    put_number(packet.out, id);
    packet.put("\"><Answer kind=\"");
    packet.put(kind.word());
    packet.put("\" code=\"");
    put_padded(packet.out, code.into(), 3);
    packet.put("\" description=\"");
    put_escaped(packet.out, text);
    packet.put("\" requestId=\"");
    put_number(packet.out, id);
    packet.put("\" messageId=\"1\">");
    groups(packet)?;
    packet.put("</Answer></Response>");
    Ok(())
}
