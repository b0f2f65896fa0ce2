//! What a counter does with what arrives: the books' answer, unless the plan has something else in
//! mind. Pure; whatever takes time or a socket is a [`Deed`] for somebody else.

use crate::books::{Books, Line, Order, Settled, answer};
use crate::faults::{Action, Dice, Occasion};
use domain::message::{AccountId, AnswerCode, Instruction, Look};
use domain::money::Amount;
use std::time::Duration;
use wire::conversation::{
    ChallengeAnswer, Conversation, CounterState, HeartbeatAck, Proof, RejectReason, Rejected,
    Welcome,
};
use wire::message::Message;
use wire::payload::{Payload, RequestId};

/// Something that arrived on a connection, or is about to be said on one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visit {
    /// A sign-on that is fit to be answered by this challenge.
    SignOn(Message),
    /// A proof that was right: the session is open, with this heartbeat in seconds.
    SignedOn(u16),
    /// A challenge was answered by this proof: we dialled.
    Prove(Proof),
    /// A heartbeat with its number.
    Heartbeat(u64),
    /// A request.
    Request(RequestId, Instruction),
    /// A sign-off, to be answered behind all that came before it.
    SignOff,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// At the visit's connection, in this order.
    Here(Act),
    /// Later, whether or not the connection is still there.
    After(Duration, Chore),
    /// To the counter as a whole.
    Everywhere(Upheaval),
}

/// What is done at one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Write a message.
    Write(Message),
    /// Write a well-framed body of nonsense.
    WriteGarbage,
    /// Write the first half of a message's frame, and close.
    WriteHalf(Message),
    /// Neither read nor write for so long.
    Freeze(Duration),
    /// Write what is waiting to be written, and close.
    Close,
}

/// What is done to the counter as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upheaval {
    /// Forget all sessions; their connections stay.
    ForgetSessions,
    /// Close all connections and do not listen for so long.
    Restart(Duration),
}

/// What is left to do later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chore {
    /// Write a message at the visit's connection.
    Write(Message),
    /// A request arrives at last.
    Arrive(RequestId, Instruction),
    /// An order that was "processing" is decided; nobody is told.
    Finish(Order),
}

/// Where a plan's action interferes.
enum Course {
    /// Nothing is done, except perhaps this.
    Nothing(Option<Deed>),
    /// The right thing is done, and told in this way.
    Done(Telling),
    /// An order is taken in, and decided later.
    Processing(Duration),
    /// It arrives later.
    OnItsWay(Duration),
    /// The right thing is done, and denied.
    Contradict,
    /// It is refused.
    Refuse(AnswerCode),
}

/// How an answer is told.
#[derive(Clone, Copy)]
enum Telling {
    Plain,
    Never,
    Late(Duration),
    Twice,
    Garbage,
    Half,
    Close,
    AfterFreeze(Duration),
}

impl Course {
    fn of(action: Option<Action>) -> Course {
        let Some(action) = action else { return Course::Done(Telling::Plain) };
        let ms = Duration::from_millis;
        match action {
            Action::Drop => Course::Nothing(None),
            Action::CloseBefore => Course::Nothing(Some(Deed::Here(Act::Close))),
            Action::ForgetSessions => {
                Course::Nothing(Some(Deed::Everywhere(Upheaval::ForgetSessions)))
            }
            Action::RestartMs(down_ms) => {
                Course::Nothing(Some(Deed::Everywhere(Upheaval::Restart(ms(down_ms)))))
            }
            Action::NoAnswer => Course::Done(Telling::Never),
            Action::LateMs(late_ms) => Course::Done(Telling::Late(ms(late_ms))),
            Action::Twice => Course::Done(Telling::Twice),
            Action::Garbage => Course::Done(Telling::Garbage),
            Action::HalfWrite => Course::Done(Telling::Half),
            Action::CloseAfter => Course::Done(Telling::Close),
            Action::FreezeMs(freeze_ms) => Course::Done(Telling::AfterFreeze(ms(freeze_ms))),
            Action::ProcessingMs(processing_ms) => Course::Processing(ms(processing_ms)),
            Action::OnItsWayMs(way_ms) => Course::OnItsWay(ms(way_ms)),
            Action::Contradict => Course::Contradict,
            Action::Refuse(code) => Course::Refuse(code),
        }
    }
}

/// The counter.
#[derive(Debug)]
pub struct Counter {
    books: Books,
    dice: Dice,
    cut_over_after: Option<u64>,
    postings: u64,
    /// What must be in the file before any deed since the last [`Counter::take_lines`] is done.
    lines: Vec<Line>,
}

impl Counter {
    /// A counter with these books. `cut_over_after` counts postings from here on.
    pub fn new(books: Books, dice: Dice, cut_over_after: Option<u64>) -> Counter {
        Counter { books, dice, cut_over_after, postings: 0, lines: Vec::new() }
    }

    /// From here on these dice decide what goes wrong; empty ones heal it.
    pub fn set_dice(&mut self, dice: Dice) {
        self.dice = dice;
    }

    /// The books.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// The lines of all that happened since the last call, in order.
    pub fn take_lines(&mut self) -> impl Iterator<Item = Line> + '_ {
        self.lines.drain(..)
    }

    /// Receives a visit at `at`, microseconds since 1970 UTC, and adds what is to be done.
    pub fn receive(&mut self, visit: Visit, at: i64, deeds: &mut Vec<Deed>) {
        match visit {
            Visit::SignOn(challenge) => {
                let action = self.dice.throw(Occasion::SignOn, None, None);
                if let Some(Action::Refuse(code)) = action {
                    deeds.push(write(Message::Conversation(Conversation::Rejected(rejection(
                        code,
                    )))));
                    deeds.push(Deed::Here(Act::Close));
                } else {
                    answer_session(action, challenge, deeds);
                }
            }
            Visit::SignedOn(heartbeat_s) => {
                let counter = Some(self.state());
                let welcome =
                    Message::Conversation(Conversation::Welcome(Welcome { heartbeat_s, counter }));
                deeds.push(write(welcome));
            }
            Visit::Prove(proof) => {
                let counter = Some(self.state());
                deeds.push(write(Message::Conversation(Conversation::Answer(ChallengeAnswer {
                    proof,
                    counter,
                }))));
            }
            Visit::Heartbeat(number) => {
                let action = self.dice.throw(Occasion::Heartbeat, None, None);
                let counter = Some((self.books.settle_day(), self.books.open()));
                let ack = Message::Conversation(Conversation::HeartbeatAck(HeartbeatAck {
                    number,
                    counter,
                }));
                answer_session(action, ack, deeds);
            }
            Visit::Request(id, instruction) => {
                let action = self.throw(&instruction);
                self.request(action, id, instruction, at, deeds);
            }
            Visit::SignOff => {
                deeds.push(write(Message::Conversation(Conversation::SignOffAck)));
                deeds.push(Deed::Here(Act::Close));
            }
        }
    }

    /// Does what was left for later, and adds what is to be done then.
    pub fn attend(&mut self, chore: Chore, at: i64, deeds: &mut Vec<Deed>) {
        match chore {
            Chore::Write(message) => deeds.push(Deed::Here(Act::Write(message))),
            Chore::Arrive(id, instruction) => {
                let message = self.execute(id, &instruction, at);
                deeds.push(write(message));
            }
            Chore::Finish(order) => {
                let settled = self.books.finish(order, at);
                self.keep(settled, at);
            }
        }
    }

    fn request(
        &mut self,
        action: Option<Action>,
        id: RequestId,
        instruction: Instruction,
        at: i64,
        deeds: &mut Vec<Deed>,
    ) {
        match Course::of(action) {
            Course::Nothing(deed) => deeds.extend(deed),
            Course::Done(telling) => tell(telling, self.execute(id, &instruction, at), deeds),
            Course::OnItsWay(delay) => {
                deeds.push(Deed::After(delay, Chore::Arrive(id, instruction)));
            }
            Course::Processing(delay) => match order_of(&instruction) {
                Some(order) => {
                    let settled = self.books.begin(order.clone(), at);
                    // One whose serial is known is decided at once, and then not once more.
                    let is_decided = settled.line.is_some();
                    let reply = self.keep(settled, at);
                    deeds.push(write(Message::Payload(Payload::Response(id, reply))));
                    if !is_decided {
                        deeds.push(Deed::After(delay, Chore::Finish(order)));
                    }
                }
                None => deeds.push(write(self.execute(id, &instruction, at))),
            },
            Course::Refuse(code) => {
                let reply = match order_of(&instruction) {
                    Some(order) => {
                        let settled = self.books.refuse(order, code, at);
                        self.keep(settled, at)
                    }
                    None => self.books.bare_reply(&instruction, answer(code, "refused by plan")),
                };
                deeds.push(write(Message::Payload(Payload::Response(id, reply))));
            }
            Course::Contradict => {
                self.execute(id, &instruction, at);
                let words = answer(AnswerCode::INSUFFICIENT_FUNDS, "insufficient funds");
                deeds.push(write(Message::Payload(Payload::Response(
                    id,
                    self.books.bare_reply(&instruction, words),
                ))));
            }
        }
    }

    fn execute(&mut self, id: RequestId, instruction: &Instruction, at: i64) -> Message {
        let settled = self.books.execute(instruction, at);
        Message::Payload(Payload::Response(id, self.keep(settled, at)))
    }

    /// Keeps the line for the file, and cuts over when enough was posted.
    fn keep(&mut self, settled: Settled, at: i64) -> domain::message::Reply {
        let Some(line) = settled.line else { return settled.reply };
        let posted = line.counter_serial.is_some();
        self.lines.push(line);
        if posted {
            self.postings += 1;
            if self.cut_over_after.is_some_and(|after| self.postings.is_multiple_of(after)) {
                match self.books.cut_over(at) {
                    Ok(line) => self.lines.push(line),
                    Err(error) => tracing::error!(%error, "no cut-over"),
                }
            }
        }
        settled.reply
    }

    fn throw(&mut self, instruction: &Instruction) -> Option<Action> {
        if self.dice.is_idle() {
            return None;
        }
        let (occasion, account, amount) = self.subject(instruction);
        let account = account.cloned();
        self.dice.throw(occasion, account.as_ref(), amount)
    }

    fn subject<'a>(
        &'a self,
        instruction: &'a Instruction,
    ) -> (Occasion, Option<&'a AccountId>, Option<Amount>) {
        match instruction {
            Instruction::Debit(posting) => {
                (Occasion::Debit, Some(&posting.account), Some(posting.amount))
            }
            Instruction::Credit(posting) => {
                (Occasion::Credit, Some(&posting.account), Some(posting.amount))
            }
            Instruction::Reverse(reversal) => {
                (Occasion::Reversal, Some(&reversal.account), Some(reversal.amount))
            }
            Instruction::Query(query) => {
                let occasion = match query.look {
                    Look::Only => Occasion::Query,
                    Look::Fence => Occasion::Fence,
                };
                match self.books.subject((query.settle_day, query.serial)) {
                    Some((account, amount)) => (occasion, Some(account), Some(amount)),
                    None => (occasion, None, None),
                }
            }
            Instruction::Balance(query) => (Occasion::Balance, Some(&query.account), None),
            Instruction::Entries(query) => (Occasion::Entries, query.account.as_ref(), None),
        }
    }

    fn state(&self) -> CounterState {
        CounterState {
            id: self.books.rules().counter.clone(),
            profile: self.books.rules().profile.clone(),
            settle_day: self.books.settle_day(),
            open: self.books.open(),
            highest_serial: self.books.highest_serial(),
        }
    }
}

fn write(message: Message) -> Deed {
    Deed::Here(Act::Write(message))
}

/// Answers a message of the conversation itself.
fn answer_session(action: Option<Action>, message: Message, deeds: &mut Vec<Deed>) {
    match Course::of(action) {
        Course::Nothing(deed) => deeds.extend(deed),
        Course::Done(telling) => tell(telling, message, deeds),
        // A checked plan has these for requests only.
        Course::Processing(_) | Course::OnItsWay(_) | Course::Contradict | Course::Refuse(_) => {
            deeds.push(write(message));
        }
    }
}

fn tell(telling: Telling, message: Message, deeds: &mut Vec<Deed>) {
    match telling {
        Telling::Plain => deeds.push(write(message)),
        Telling::Never => {}
        Telling::Late(delay) => deeds.push(Deed::After(delay, Chore::Write(message))),
        Telling::Twice => deeds.extend([write(message.clone()), write(message)]),
        Telling::Garbage => deeds.push(Deed::Here(Act::WriteGarbage)),
        Telling::Half => deeds.push(Deed::Here(Act::WriteHalf(message))),
        Telling::Close => deeds.push(Deed::Here(Act::Close)),
        Telling::AfterFreeze(freeze) => {
            deeds.extend([Deed::Here(Act::Freeze(freeze)), write(message)]);
        }
    }
}

fn order_of(instruction: &Instruction) -> Option<Order> {
    match instruction {
        Instruction::Debit(posting) => Some(Order::debit(posting)),
        Instruction::Credit(posting) => Some(Order::credit(posting)),
        Instruction::Reverse(reversal) => Some(Order::reversal(reversal)),
        Instruction::Query(_) | Instruction::Balance(_) | Instruction::Entries(_) => None,
    }
}

fn rejection(code: AnswerCode) -> Rejected {
    let reason = match code {
        AnswerCode::NO_SUCH_ACCOUNT => RejectReason::UnknownParty,
        AnswerCode::BAD_FORMAT => RejectReason::Version,
        AnswerCode::NOT_AUTHORIZED => RejectReason::BadProof,
        AnswerCode::CLOSED => RejectReason::NotNow,
        AnswerCode::SERIAL_CONFLICT => RejectReason::AlreadySignedOn,
        _ => RejectReason::Other,
    };
    Rejected { reason, text: format!("rejected by this counter's plan ({code})").into() }
}

#[cfg(test)]
mod tests;
