//! A leg's instruction and its answer, in either dialect, to bytes and back.

use crate::{Bench, Operation, sample};
use anyhow::{Result, ensure};
use bytes::BytesMut;
use domain::profile::AmountUnit;
use domain::serial::Role;
use std::hint::black_box;
use wire::codec::{Codec, Incoming, Parties};
use wire::dialect::{Dialect, Encoding, XmlOptions};
use wire::message::Message;
use wire::payload::{Payload, RequestId};

/// The packet's time, in microseconds since 1970: an input, so that no clock is read.
const NOW: i64 = 1_795_224_600_000_000;

pub(crate) fn benches() -> Vec<Bench> {
    let bench = |name, what, prepare| Bench { name, what, iterations: 400, prepare };
    vec![
        bench("protobuf.encode.request", "a debit to bytes", |_| {
            Ok(encode(Dialect::Securities, End::Bridge, request()?))
        }),
        bench("protobuf.decode.request", "a debit from bytes", |_| {
            decode(Dialect::Securities, End::Bridge, &request()?)
        }),
        bench("protobuf.encode.reply", "an answer to bytes", |_| {
            Ok(encode(Dialect::Securities, End::Counter, reply()?))
        }),
        bench("protobuf.decode.reply", "an answer from bytes", |_| {
            decode(Dialect::Securities, End::Counter, &reply()?)
        }),
        bench("xml.encode.request", "a debit to bytes", |_| {
            Ok(encode(futures(), End::Bridge, request()?))
        }),
        bench("xml.decode.request", "a debit from bytes", |_| {
            decode(futures(), End::Bridge, &request()?)
        }),
        bench("xml.encode.reply", "an answer to bytes", |_| {
            Ok(encode(futures(), End::Counter, reply()?))
        }),
        bench("xml.decode.reply", "an answer from bytes", |_| {
            decode(futures(), End::Counter, &reply()?)
        }),
    ]
}

/// Which end writes.
#[derive(Clone, Copy)]
enum End {
    Bridge,
    Counter,
}

fn codec(dialect: Dialect, end: End) -> Codec {
    let (bridge, counter) = ("bridge".to_owned(), "counter".to_owned());
    match end {
        End::Bridge => Codec::new(dialect, Parties { own: bridge, peer: counter }),
        End::Counter => Codec::new(dialect, Parties { own: counter, peer: bridge }).at_counter(),
    }
}

fn futures() -> Dialect {
    Dialect::Futures(XmlOptions {
        encoding: Encoding::Utf8,
        amount_unit: AmountUnit::Minor,
        utc_offset_minutes: 480,
    })
}

fn request() -> Result<Message> {
    Ok(Message::Payload(Payload::Request(RequestId(12_345), sample::instruction(Role::Debit)?)))
}

fn reply() -> Result<Message> {
    Ok(Message::Payload(Payload::Response(RequestId(12_345), sample::reply(Role::Debit)?)))
}

fn encode(dialect: Dialect, from: End, message: Message) -> Operation {
    let codec = codec(dialect, from);
    let mut out = BytesMut::with_capacity(1 << 16);
    Box::new(move || {
        out.clear();
        codec.encode_at(black_box(&message), NOW, &mut out)?;
        black_box(&out);
        Ok(())
    })
}

fn decode(dialect: Dialect, from: End, message: &Message) -> Result<Operation> {
    let mut bytes = BytesMut::new();
    codec(dialect.clone(), from).encode_at(message, NOW, &mut bytes)?;
    let to = match from {
        End::Bridge => End::Counter,
        End::Counter => End::Bridge,
    };
    let codec = codec(dialect, to);
    let mut inbox = BytesMut::with_capacity(1 << 16);
    Ok(Box::new(move || {
        inbox.clear();
        inbox.extend_from_slice(&bytes);
        let read = codec.decode(black_box(&mut inbox))?;
        ensure!(matches!(read, Some(Incoming::Message(_))), "not read: {read:?}");
        black_box(&read);
        Ok(())
    }))
}
