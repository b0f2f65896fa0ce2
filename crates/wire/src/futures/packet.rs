//! A packet: payload, header, one request or response of one transaction or answer, data groups. What it
//! says is looked at elsewhere.

mod read;
mod write;

pub(super) use read::{Content, Packet, packet as read};
pub(super) use write::{packet as write, request, response};
