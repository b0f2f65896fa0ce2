//! The whole link over pipes inside this process, on virtual time.

mod attempts;
mod bad_peers;
mod dialled_in;
mod drained;
mod ends;
mod modes;
mod requests;
mod secured;
mod several;
mod stage;

use super::*;
use crate::config::Leave;
use crate::testing::{GoodCounter, KEY, counter, debit, query, reply, their_codec};
use bytes::BytesMut;
use domain::message::Instruction;
use port::status::{Counts, Health, State};
use port::{Delivery, ReplyTo, Ticket, Unclear};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stage::*;
use std::collections::{HashMap, HashSet};
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::time::{timeout, timeout_at};
use wire::codec::Incoming;
use wire::conversation::{RejectReason, Rejected};
use wire::dialect::Dialect;
use wire::message::Message;
use wire::payload::RequestId;
