//! A counter's process: the simulator's own counter, sessions and books, around which only the
//! sockets and the clock are played.

use crate::audit;
use crate::clock::{Clock, Micros};
use crate::faults::odd_code;
use crate::liar::{Known, distort, lie};
use crate::network::Conn;
use crate::parts::CounterPlan;
use crate::random::Random;
use bytes::BytesMut;
use domain::message::{AnswerCode, Instruction, Notice, Reply, Severity};
use domain::profile::Meaning;
use domain::serial::{Day, Mark, MasterSerial, SubSerial};
use port::Ticket;
use rand::{RngExt, SeedableRng};
use secrecy::SecretSlice;
use simulator::books::{Books, Kind, Line};
use simulator::counter::{Act, Chore, Counter, Deed, Upheaval, Visit};
use simulator::faults::Dice;
use simulator::session::{Identity, Next, Session};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use wire::codec::{Codec, Incoming, Parties};
use wire::conversation::{Conversation, Nonce, RejectReason, Rejected};
use wire::message::Message;
use wire::payload::{Payload, RequestId};

/// The key of every link.
pub const KEY: [u8; 32] = [7; 32];
/// The bridge's name.
pub const BRIDGE: &str = "bridge";
/// The first settle day.
pub const FIRST_DAY: u32 = 20_261_121;
/// Unreadable bodies with which a connection ends.
const MALFORMED_LIMIT: u32 = 5;

/// The process.
#[derive(Debug)]
pub struct Peer {
    plan: CounterPlan,
    identity: Identity,
    codec: Codec,
    counter: Counter,
    /// The books file.
    lines: Vec<Line>,
    /// The mark of the request that each line came of, whether or not the books keep marks.
    marks: Vec<Option<Mark>>,
    read: usize,
    talks: BTreeMap<Conn, Talk>,
    sessions: u64,
    /// Counts restarts: what a dead process left for later is not done.
    pub life: u32,
    /// Whether it runs.
    pub up: bool,
    /// Until when it stands still.
    pub frozen_until: Micros,
    /// Postings that were denied: what the counter lied about.
    lies: BTreeSet<SubSerial>,
    new_lies: Vec<(MasterSerial, Option<Mark>)>,
    /// Denied without a refusal in the books: a lie, if it is posted after all.
    denied: BTreeSet<SubSerial>,
    posted: BTreeMap<SubSerial, (MasterSerial, Option<Mark>)>,
    refused: BTreeMap<SubSerial, BTreeSet<AnswerCode>>,
    /// What it knows to lie about.
    known: Known,
    /// What it said since the last look, if it is one that lies.
    said: Vec<Reply>,
    clock: Clock,
    random: Random,
}

#[derive(Debug)]
struct Talk {
    session: Session,
    epoch: u64,
    inbound: BytesMut,
    malformed: u32,
    frozen_until: Micros,
    /// What is to be done once it is thawed.
    waiting: VecDeque<Act>,
}

/// What the process wants of its surroundings.
#[derive(Debug)]
pub enum Wish {
    /// Send bytes.
    Send(Conn, BytesMut),
    /// Close a connection.
    Close(Conn, &'static str),
    /// Do this later, if the process still lives.
    Later(Micros, Conn, Chore),
    /// Look at a frozen connection again.
    Thaw(Micros, Conn),
    /// Die, and come back after this.
    Restart(Duration),
}

impl Peer {
    /// A counter with its accounts open.
    pub fn new(plan: CounterPlan, seed: u64, clock: Clock, at: Micros) -> Peer {
        let name = plan.rules.counter.clone();
        let identity = Identity {
            counter: name.clone(),
            bridge: BRIDGE.to_owned(),
            key: Arc::new(SecretSlice::from(KEY.to_vec())),
            heartbeat_s: 10,
        };
        let parties = Parties { own: name.as_str().to_owned(), peer: BRIDGE.to_owned() };
        let mut books = Books::new(plan.rules.clone(), first_day());
        let lines: Vec<Line> = plan
            .accounts
            .iter()
            .filter_map(|(account, balance)| {
                books.open_account(account, *balance, at).ok().flatten()
            })
            .collect();
        let dice = Dice::new(plan.faults.clone(), seed);
        Peer {
            codec: Codec::new(plan.dialect.clone(), parties).at_counter(),
            counter: Counter::new(books, dice, plan.cut_over_after),
            plan,
            identity,
            marks: vec![None; lines.len()],
            lines,
            read: 0,
            talks: BTreeMap::new(),
            sessions: 0,
            life: 0,
            up: true,
            frozen_until: 0,
            lies: BTreeSet::new(),
            new_lies: Vec::new(),
            denied: BTreeSet::new(),
            posted: BTreeMap::new(),
            refused: BTreeMap::new(),
            known: Known::default(),
            said: Vec::new(),
            clock,
            random: Random::seed_from_u64(seed ^ 0x0dd),
        }
    }

    /// Its answers are right and prompt from here on.
    pub fn heal(&mut self) {
        self.plan.faults.clear();
        self.plan.odd_codes = 0.0;
        self.counter.set_dice(Dice::new(Vec::new(), 0));
        self.frozen_until = 0;
    }

    /// A connection was opened to it.
    pub fn accept(&mut self, conn: Conn, nonce: Nonce, now: Micros) {
        let session = Session::new(self.identity.clone(), nonce, self.clock.instant(now));
        let talk = Talk {
            session,
            epoch: self.sessions,
            inbound: BytesMut::new(),
            malformed: 0,
            frozen_until: 0,
            waiting: VecDeque::new(),
        };
        self.talks.insert(conn, talk);
    }

    /// Whether it takes this connection's bytes now; otherwise when it will.
    pub fn hears(&self, conn: Conn, now: Micros) -> Result<(), Micros> {
        let talk = self.talks.get(&conn).map_or(0, |talk| talk.frozen_until);
        let until = self.frozen_until.max(talk);
        if until > now { Err(until) } else { Ok(()) }
    }

    /// Bytes arrived.
    pub fn receive(&mut self, conn: Conn, bytes: &[u8], now: Micros, wishes: &mut Vec<Wish>) {
        let Some(talk) = self.talks.get_mut(&conn) else { return };
        if talk.epoch != self.sessions {
            let text = "no session here; sign on again".into();
            let rejected = Conversation::Rejected(Rejected { reason: RejectReason::Other, text });
            let rejected = Some(Message::from(rejected));
            return self.end(conn, rejected.as_ref(), "its session was forgotten", wishes);
        }
        talk.inbound.extend_from_slice(bytes);
        let mut visits = Vec::new();
        loop {
            let Some(talk) = self.talks.get_mut(&conn) else { return };
            let was_open = talk.session.is_open();
            let next = match self.codec.decode(&mut talk.inbound) {
                Ok(None) => break,
                Ok(Some(Incoming::Message(message))) => {
                    talk.session.heard(self.clock.instant(now));
                    talk.session.receive(message)
                }
                Ok(Some(Incoming::Malformed(malformed))) => {
                    talk.malformed += 1;
                    if !talk.session.is_open() || talk.malformed >= MALFORMED_LIMIT {
                        Next::Close(None, "bodies that are no messages")
                    } else {
                        let text = format!("not understood: {}", malformed.error).into();
                        let notice = Notice { severity: Severity::Warning, text };
                        Next::Write(Conversation::Notice(notice).into())
                    }
                }
                Err(_) => Next::Close(None, "broken framing"),
            };
            let opened = !was_open && self.talks.get(&conn).is_some_and(|t| t.session.is_open());
            match next {
                Next::Nothing => {}
                Next::Visit(visit) => visits.push(visit),
                Next::Write(message) => self.write(conn, &message, now, wishes),
                Next::Close(message, why) => return self.end(conn, message.as_ref(), why, wishes),
            }
            if opened {
                self.supersede(conn, wishes);
            }
        }
        self.visit(conn, visits, now, wishes);
    }

    /// A session has opened: nothing more is taken from older connections of its channel.
    fn supersede(&mut self, conn: Conn, wishes: &mut Vec<Wish>) {
        let channel = self.talks.get(&conn).and_then(|talk| talk.session.channel());
        let older = self.talks.iter().filter(|(other, talk)| {
            **other != conn && talk.session.is_open() && talk.session.channel() == channel
        });
        for other in older.map(|(other, _)| *other).collect::<Vec<_>>() {
            self.end(other, None, "another session of its channel has begun", wishes);
        }
    }

    fn visit(&mut self, conn: Conn, visits: Vec<Visit>, now: Micros, wishes: &mut Vec<Wish>) {
        let mut deeds = Vec::new();
        for visit in visits {
            if let (Visit::Request(id, _), true) = (&visit, self.plan.lying.is_some()) {
                self.known.was_asked(*id);
            }
            let mark = mark_of(&visit);
            self.counter.receive(visit, now, &mut deeds);
            self.keep_lines(mark);
        }
        self.follow(conn, deeds, now, wishes);
    }

    /// What one without a connection answers to what it is asked in the bridge's process.
    pub fn answer(&mut self, ticket: Ticket, instruction: Instruction, now: Micros) -> Reply {
        let mark = asked_mark(&instruction);
        let mut deeds = Vec::new();
        self.counter.receive(Visit::Request(RequestId(ticket.0), instruction), now, &mut deeds);
        self.keep_lines(mark);
        match deeds.pop() {
            Some(Deed::Here(Act::Write(Message::Payload(Payload::Response(_, reply)))))
                if deeds.is_empty() =>
            {
                reply
            }
            other => unreachable!("one without faults answers once, and not {other:?}"),
        }
    }

    /// The highest of the bridge's serials that its books hold.
    pub fn highest_serial(&self) -> Option<SubSerial> {
        self.counter.books().highest_serial()
    }

    /// Something that was left for later is due.
    pub fn attend(&mut self, conn: Conn, chore: Chore, now: Micros, wishes: &mut Vec<Wish>) {
        let mut deeds = Vec::new();
        let mark = match &chore {
            Chore::Write(_) => None,
            Chore::Arrive(_, instruction) => asked_mark(instruction),
            Chore::Finish(order) => order.mark,
        };
        self.counter.attend(chore, now, &mut deeds);
        self.keep_lines(mark);
        self.follow(conn, deeds, now, wishes);
    }

    /// The file comes first, then the answers. `mark` is that of what was asked.
    fn keep_lines(&mut self, mark: Option<Mark>) {
        let lines: Vec<Line> = self.counter.take_lines().collect();
        for line in lines {
            self.keep(line, mark);
            self.marks.push(mark);
        }
    }

    fn follow(&mut self, conn: Conn, deeds: Vec<Deed>, now: Micros, wishes: &mut Vec<Wish>) {
        for deed in deeds {
            match deed {
                Deed::Here(act) => {
                    self.watch_for_lies(&act);
                    match self.talks.get_mut(&conn) {
                        Some(talk) => talk.waiting.push_back(act),
                        None => continue,
                    }
                    self.thaw(conn, now, wishes);
                }
                Deed::After(delay, chore) => {
                    let delay = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
                    wishes.push(Wish::Later(now + delay, conn, chore));
                }
                Deed::Everywhere(Upheaval::ForgetSessions) => self.forget_sessions(),
                Deed::Everywhere(Upheaval::Restart(down)) => wishes.push(Wish::Restart(down)),
            }
        }
    }

    fn keep(&mut self, line: Line, mark: Option<Mark>) {
        if let Some(serial) = line.serial {
            match line.kind {
                Kind::Debit | Kind::Credit | Kind::Reversal => {
                    self.posted.extend(line.master.map(|master| (serial, (master, mark))));
                    if self.denied.remove(&serial) && self.lies.insert(serial) {
                        self.new_lies.extend(line.master.map(|master| (master, mark)));
                    }
                }
                Kind::Refused => {
                    let codes = self.refused.entry(serial).or_default();
                    codes.extend(line.refused.as_ref().map(|refused| refused.code));
                }
                Kind::Opened | Kind::Fenced | Kind::CutOver => {}
            }
        }
        self.lines.push(line);
    }

    fn watch_for_lies(&mut self, act: &Act) {
        let (Act::Write(message) | Act::WriteHalf(message)) = act else { return };
        if let Message::Payload(Payload::Response(_, Reply::Posting(reply))) = message
            && self.plan.rules.profile.codes.meaning(reply.answer.code) == Meaning::Refused
        {
            if let Some(master) = self.posted.get(&reply.serial) {
                if self.lies.insert(reply.serial) {
                    self.new_lies.push(*master);
                }
            } else if !self.refused.contains_key(&reply.serial) {
                self.denied.insert(reply.serial);
            }
        }
    }

    /// Does what waited for a connection to be thawed.
    pub fn thaw(&mut self, conn: Conn, now: Micros, wishes: &mut Vec<Wish>) {
        while let Some(talk) = self.talks.get_mut(&conn) {
            if talk.frozen_until > now {
                wishes.push(Wish::Thaw(talk.frozen_until, conn));
                return;
            }
            let Some(act) = talk.waiting.pop_front() else { return };
            match act {
                Act::Write(mut message) => {
                    self.make_odd(&mut message);
                    self.lie(&mut message);
                    self.write(conn, &message, now, wishes);
                }
                Act::WriteGarbage => {
                    let bytes = self.garbage();
                    wishes.push(Wish::Send(conn, bytes));
                }
                Act::WriteHalf(message) => {
                    let mut bytes = BytesMut::new();
                    if self.codec.encode(&message, &mut bytes).is_ok() {
                        bytes.truncate(bytes.len() / 2);
                        wishes.push(Wish::Send(conn, bytes));
                    }
                    self.end(conn, None, "half a frame, as planned", wishes);
                }
                Act::Freeze(freeze) => {
                    let freeze = i64::try_from(freeze.as_micros()).unwrap_or(i64::MAX);
                    talk.frozen_until = now + freeze;
                    talk.session.heard(self.clock.instant(now + freeze));
                }
                Act::Close => self.end(conn, None, "closed, as planned", wishes),
            }
        }
    }

    fn write(&mut self, conn: Conn, message: &Message, now: Micros, wishes: &mut Vec<Wish>) {
        let Some(talk) = self.talks.get_mut(&conn) else { return };
        let mut bytes = BytesMut::new();
        if self.codec.encode(message, &mut bytes).is_ok() {
            talk.session.sent(self.clock.instant(now));
            wishes.push(Wish::Send(conn, bytes));
        }
    }

    /// Says what it did with a code that nobody has agreed on.
    fn make_odd(&mut self, message: &mut Message) {
        if let Message::Payload(Payload::Response(_, Reply::Posting(reply))) = message
            && self.plan.odd_codes > 0.0
            && self.random.random_bool(self.plan.odd_codes)
        {
            reply.answer.code = odd_code(&mut self.random);
        }
    }

    /// Says something else than it was to say, perhaps.
    fn lie(&mut self, message: &mut Message) {
        let Some(lying) = self.plan.lying else { return };
        if self.random.random_bool(lying.share) {
            distort(&mut self.random, message, &self.known, lying.own);
        }
        if let Message::Payload(Payload::Response(_, reply)) = message {
            self.said.push(reply.clone());
        }
    }

    /// Says something that nobody asked, over any session that it has.
    pub fn say_something(&mut self, now: Micros, wishes: &mut Vec<Wish>) {
        let Some(lying) = self.plan.lying else { return };
        let open = |(_, talk): &(&Conn, &Talk)| talk.session.is_open() && talk.waiting.is_empty();
        let open: Vec<Conn> = self.talks.iter().filter(open).map(|(conn, _)| *conn).collect();
        if open.is_empty() {
            return;
        }
        let conn = open[self.random.random_range(0..open.len())];
        let id = self.known.request(&mut self.random);
        let Some((new, role)) = self.known.draw(&mut self.random, lying.own) else { return };
        let reply = lie(&mut self.random, new, role);
        for _ in 0..if self.random.random_bool(0.02) { 40 } else { 1 } {
            self.said.push(reply.clone());
            self.write(conn, &Message::Payload(Payload::Response(id, reply.clone())), now, wishes);
        }
    }

    /// A transfer has begun: one that lies knows of it.
    pub fn learn(&mut self, new: store::NewTransfer) {
        let own = &self.plan.rules.counter;
        let takes_part = new.order.from.counter == *own || new.order.to.counter == *own;
        self.known.learn(new, takes_part);
    }

    /// What one that lies has said since the last call.
    pub fn new_words(&mut self) -> Vec<Reply> {
        std::mem::take(&mut self.said)
    }

    fn garbage(&self) -> BytesMut {
        const BODY: &[u8] = b"\xff\xfe nonsense \xff";
        let mut bytes = BytesMut::new();
        self.codec.frame(BODY, &mut bytes).expect("a few bytes");
        bytes
    }

    fn end(
        &mut self,
        conn: Conn,
        last: Option<&Message>,
        why: &'static str,
        wishes: &mut Vec<Wish>,
    ) {
        if self.talks.remove(&conn).is_none() {
            return;
        }
        let mut bytes = BytesMut::new();
        if let Some(last) = last
            && self.codec.encode(last, &mut bytes).is_ok()
        {
            wishes.push(Wish::Send(conn, bytes));
        }
        wishes.push(Wish::Close(conn, why));
    }

    /// The other side has closed a connection.
    pub fn closed(&mut self, conn: Conn, wishes: &mut Vec<Wish>) {
        self.end(conn, None, "closed by the bridge", wishes);
    }

    /// When a connection's timer is due.
    pub fn next_timeout(&self, conn: Conn) -> Option<Micros> {
        let talk = self.talks.get(&conn)?;
        talk.session.timeout().map(|due| self.clock.micros(due))
    }

    /// A connection's timer may be due.
    pub fn on_timeout(&mut self, conn: Conn, now: Micros, wishes: &mut Vec<Wish>) {
        let Some(talk) = self.talks.get_mut(&conn) else { return };
        match talk.session.on_timeout(self.clock.instant(now)) {
            Next::Nothing | Next::Visit(_) => {}
            Next::Write(message) => self.write(conn, &message, now, wishes),
            Next::Close(message, why) => self.end(conn, message.as_ref(), why, wishes),
        }
    }

    /// Forgets all sessions; their connections stay until they are heard of.
    pub fn forget_sessions(&mut self) {
        self.sessions += 1;
    }

    /// The process dies; says which connections die with it.
    pub fn die(&mut self) -> Vec<Conn> {
        self.up = false;
        self.life += 1;
        self.frozen_until = 0;
        std::mem::take(&mut self.talks).into_keys().collect()
    }

    /// It comes back with its books, as its file tells them. An error is its own defect.
    pub fn revive(&mut self, seed: u64) -> Result<(), String> {
        let mut books = Books::new(self.plan.rules.clone(), first_day());
        for line in &self.lines {
            books.replay(line).map_err(|error| error.to_string())?;
        }
        let dice = Dice::new(self.plan.faults.clone(), seed);
        self.counter = Counter::new(books, dice, self.plan.cut_over_after);
        self.up = true;
        Ok(())
    }

    /// Lines of the books since the last call, for the auditor, with the marks of what was asked.
    pub fn news(&mut self) -> Vec<(Line, Option<Mark>)> {
        let from = std::mem::replace(&mut self.read, self.lines.len());
        self.lines[from..].iter().cloned().zip(self.marks[from..].iter().copied()).collect()
    }

    /// The transfers that it has begun to lie about since the last call, with their marks.
    pub fn new_lies(&mut self) -> Vec<(MasterSerial, Option<Mark>)> {
        std::mem::take(&mut self.new_lies)
    }

    /// Whether it denied a posting that it had made.
    pub fn lied_about(&self, serial: SubSerial) -> bool {
        self.lies.contains(&serial)
    }

    /// Whether it ever refused this serial, and with which codes.
    pub fn refusals_of(&self, serial: SubSerial) -> impl Iterator<Item = AnswerCode> + '_ {
        self.refused.get(&serial).into_iter().flatten().copied()
    }

    /// Its accounting day.
    pub fn settle_day(&self) -> Day {
        self.counter.books().settle_day()
    }

    /// What it is.
    pub fn plan(&self) -> &CounterPlan {
        &self.plan
    }
}

/// The mark of what a visit asks for.
fn mark_of(visit: &Visit) -> Option<Mark> {
    match visit {
        Visit::Request(_, instruction) => asked_mark(instruction),
        Visit::SignOn(_)
        | Visit::SignedOn(_)
        | Visit::Prove(_)
        | Visit::Heartbeat(_)
        | Visit::SignOff => None,
    }
}

fn asked_mark(instruction: &Instruction) -> Option<Mark> {
    match instruction {
        Instruction::Debit(posting) | Instruction::Credit(posting) => posting.mark,
        Instruction::Reverse(reversal) => reversal.mark,
        Instruction::Query(query) => query.mark,
        Instruction::Balance(_) | Instruction::Entries(_) => None,
    }
}

/// The first settle day of every counter.
pub fn first_day() -> Day {
    Day::new(FIRST_DAY).unwrap_or_else(|error| unreachable!("{error}"))
}

/// A line in the auditor's words; `None` for one that moves nothing.
pub fn entry(line: &Line) -> Option<audit::Entry> {
    let kind = match line.kind {
        Kind::Opened => audit::Kind::Opened,
        Kind::Debit => audit::Kind::Debit,
        Kind::Credit => audit::Kind::Credit,
        Kind::Reversal => audit::Kind::Reversal,
        Kind::Fenced => audit::Kind::Fenced,
        Kind::Refused | Kind::CutOver => return None,
    };
    let text = |text: Option<String>| text.unwrap_or_default();
    Some(audit::Entry {
        counter: line.counter.to_string(),
        kind,
        settle_day: line.settle_day.to_string(),
        serial: text(line.serial.map(|serial| serial.to_string())),
        original: line.original.map(|serial| serial.to_string()),
        master: text(line.master.map(|master| master.to_string())),
        account: text(line.account.as_ref().map(ToString::to_string)),
        amount: line.amount.unwrap_or(0),
        balance_after: line.balance_after,
    })
}
