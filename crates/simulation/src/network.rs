//! Connections between the bridge and the counters, as TCP has them: bytes in order or not at all,
//! split anywhere, held up, cut at any byte, with ends that learn of it late or never.

use crate::clock::{MS, Micros};
use crate::random::Random;
use rand::RngExt;
use std::collections::{BTreeMap, VecDeque};

/// Names a connection; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conn(pub u64);

/// Where bytes are going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// From counter to bridge.
    Bridge,
    /// From bridge to counter.
    Counter,
}

impl Towards {
    fn back(self) -> Towards {
        match self {
            Towards::Bridge => Towards::Counter,
            Towards::Counter => Towards::Bridge,
        }
    }
}

/// What an end is to look at, and when.
pub type Notice = (Micros, Conn, Towards);

/// What has arrived at an end.
#[derive(Debug, Default)]
pub struct Arrived {
    /// Bytes.
    pub bytes: Vec<u8>,
    /// Nothing comes after them.
    pub closed: bool,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Network {
    lines: BTreeMap<Conn, Line>,
    next: u64,
    latency: Micros,
    /// Until when each counter's directions hold bytes up.
    held: BTreeMap<(usize, bool), Micros>,
}

#[derive(Debug)]
struct Line {
    counter: usize,
    bridge: Way,
    towards_counter: Way,
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    parts: VecDeque<(Micros, Vec<u8>)>,
    last: Micros,
    /// So many of the bytes on their way still arrive.
    allowed: Option<usize>,
    closes_at: Option<Micros>,
    /// The receiver has closed its end.
    deaf: bool,
    /// The sender has closed its end, or the line is cut.
    over: bool,
}

impl Network {
    /// No connections; bytes take up to `latency`.
    pub fn new(latency: Micros) -> Network {
        Network { latency: latency.max(2), ..Network::default() }
    }

    /// A connection to a counter.
    pub fn open(&mut self, counter: usize) -> Conn {
        self.next += 1;
        let line = Line { counter, bridge: Way::default(), towards_counter: Way::default() };
        self.lines.insert(Conn(self.next), line);
        Conn(self.next)
    }

    /// How long a packet takes.
    pub fn delay(&self, random: &mut Random) -> Micros {
        random.random_range(self.latency / 2..=self.latency)
    }

    /// Takes bytes. They arrive in one or two parts, in order.
    pub fn send(
        &mut self,
        conn: Conn,
        towards: Towards,
        bytes: &[u8],
        now: Micros,
        random: &mut Random,
        notices: &mut Vec<Notice>,
    ) {
        let delay = self.delay(random);
        let Some(line) = self.lines.get_mut(&conn) else { return };
        let held = self.held.get(&(line.counter, towards == Towards::Bridge)).copied();
        let way = line.way(towards);
        if way.over || bytes.is_empty() {
            return;
        }
        let (first, second) = if random.random_bool(0.1) {
            bytes.split_at(random.random_range(0..=bytes.len()))
        } else {
            (bytes, &[][..])
        };
        for part in [first, second] {
            if part.is_empty() {
                continue;
            }
            way.last = way.last.max(now + delay).max(held.unwrap_or(0));
            way.parts.push_back((way.last, part.to_vec()));
            notices.push((way.last, conn, towards));
            way.last += random.random_range(0..=delay);
        }
    }

    /// What has arrived at one end by now.
    pub fn take(&mut self, conn: Conn, towards: Towards, now: Micros) -> Arrived {
        let mut arrived = Arrived::default();
        let Some(line) = self.lines.get_mut(&conn) else { return arrived };
        let way = line.way(towards);
        while let Some((at, _)) = way.parts.front()
            && *at <= now
            && let Some((_, mut bytes)) = way.parts.pop_front()
        {
            if let Some(allowed) = &mut way.allowed {
                bytes.truncate(*allowed);
                *allowed -= bytes.len();
            }
            if !way.deaf {
                arrived.bytes.extend_from_slice(&bytes);
            }
        }
        arrived.closed = !way.deaf && way.closes_at.is_some_and(|at| at <= now);
        if arrived.closed {
            way.deaf = true;
        }
        arrived
    }

    /// One end closes: what it has sent still arrives, then its end.
    pub fn close(
        &mut self,
        conn: Conn,
        towards: Towards,
        now: Micros,
        random: &mut Random,
        notices: &mut Vec<Notice>,
    ) {
        let delay = self.delay(random);
        let Some(line) = self.lines.get_mut(&conn) else { return };
        line.way(towards.back()).deaf = true;
        let way = line.way(towards);
        if !way.over {
            way.over = true;
            way.closes_at = Some(way.last.max(now + delay));
            notices.extend(way.closes_at.map(|at| (at, conn, towards)));
        }
    }

    /// The connection is cut: of what is on its way, each end still gets a part that may end in the
    /// middle of a frame. An end that is not to learn of it hears nothing more.
    pub fn cut(
        &mut self,
        conn: Conn,
        bridge_learns: bool,
        now: Micros,
        random: &mut Random,
        notices: &mut Vec<Notice>,
    ) {
        let Some(line) = self.lines.get_mut(&conn) else { return };
        for towards in [Towards::Bridge, Towards::Counter] {
            let way = line.way(towards);
            if way.allowed.is_some() {
                continue;
            }
            let waiting: usize = way.parts.iter().map(|(_, bytes)| bytes.len()).sum();
            way.allowed = Some(random.random_range(0..=waiting));
            way.over = true;
            if towards == Towards::Counter || bridge_learns {
                let at = way.last.max(now) + random.random_range(0..=50 * MS);
                way.closes_at = Some(at);
                notices.push((at, conn, towards));
            }
        }
    }

    /// Everything that is sent in this direction is held up until then.
    pub fn hold(&mut self, counter: usize, towards: Towards, until: Micros) {
        let held = self.held.entry((counter, towards == Towards::Bridge)).or_default();
        *held = (*held).max(until);
    }

    /// Nothing is held up any more, from here on.
    pub fn heal(&mut self) {
        self.held.clear();
    }

    /// The connections to a counter.
    pub fn of(&self, counter: usize) -> Vec<Conn> {
        self.lines.iter().filter(|(_, line)| line.counter == counter).map(|(id, _)| *id).collect()
    }

    /// The counter that a connection leads to.
    pub fn counter(&self, conn: Conn) -> Option<usize> {
        self.lines.get(&conn).map(|line| line.counter)
    }

    /// Forgets connections on which nothing can happen any more.
    pub fn sweep(&mut self) {
        self.lines.retain(|_, line| {
            let done = |way: &Way| way.deaf && way.parts.is_empty();
            !(done(&line.bridge) && done(&line.towards_counter))
        });
    }
}

impl Line {
    fn way(&mut self, towards: Towards) -> &mut Way {
        match towards {
            Towards::Bridge => &mut self.bridge,
            Towards::Counter => &mut self.towards_counter,
        }
    }
}
