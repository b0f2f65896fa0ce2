//! The XML dialect of `proto/futures/v1/futures.xsd`.

use crate::codec::{EncodeError, End, FuturesOptions, Parties};
use crate::message::Message;
use crate::terms::{Fault, Trace};
use bytes::BytesMut;

/// Where a packet comes from, and when.
pub(crate) struct Origin<'a> {
    pub(crate) parties: &'a Parties,
    pub(crate) end: End,
    pub(crate) now_micros: i64,
}

pub(crate) fn write(
    _: &Message,
    _: &FuturesOptions,
    _: &Origin,
    _: &mut BytesMut,
) -> Result<(), EncodeError> {
    Err(EncodeError::Unsayable("not written yet".to_owned()))
}

pub(crate) fn read(
    _: &[u8],
    _: &FuturesOptions,
    _: &Parties,
    _: &mut Trace,
) -> Result<Message, Fault> {
    Err("not written yet".into())
}
