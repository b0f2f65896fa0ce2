//! A shard on paper: no clock, no database, no counter.

use super::*;
use crate::claimant::Claimant;
use crate::dealing::Dealing;
use crate::proposal::{Proposal, ProposalId, Version};
use crate::recovery::Tail;
use crate::world::Facts;
use domain::message::{
    AccountId, Answer, AnswerCode, CounterId, Finding, Instruction, Look, Place, Posted, Posting,
    PostingReply, Query, QueryReply,
};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::profile::Profile;
use domain::serial::{Day, Mark, MasterSerial};
use domain::transfer::{Decision, Illegal, Outlook};
use foreign::ForeignText;
use port::{NotSent, Sessions, Unclear};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

mod balance;
mod bounds;
mod broken;
mod claims;
mod clocks;
mod courses;
mod days;
mod evidence;
mod marks;
mod parked;
mod persons;
mod proofs;
mod speakers;
mod turns;

const SECOND: i64 = 1_000_000;

fn day(number: u32) -> Day {
    Day::new(number).expect("a day")
}

fn place(counter: &str, account: &str) -> Place {
    Place {
        counter: CounterId::new(counter).expect("a counter"),
        account: AccountId::new(account).expect("an account"),
    }
}

fn counter(name: &str) -> CounterId {
    CounterId::new(name).expect("a counter")
}

fn master(sequence: u64) -> MasterSerial {
    MasterSerial { day: day(20_261_121), sequence: Sequence::new(sequence).expect("a sequence") }
}

/// A shard between two counters, with what it wants done and has not got yet.
struct Stage {
    shard: Shard,
    world: World,
    now: Now,
    out: Vec<Output>,
    /// Who was asked, by ticket.
    asked_of: HashMap<Ticket, CounterId>,
}

impl Stage {
    fn new(profile: Profile) -> Stage {
        let profile = Arc::new(profile);
        let facts = |id: &str| Facts {
            id: CounterId::new(id).expect("a counter"),
            profile: profile.clone(),
            settle_day: Some(day(20_261_121)),
            sessions: Some(Sessions::at(Instant::now())),
            held: false,
        };
        let render: Render = |view| Rendered {
            status: 201,
            body: view.transfer.state().as_str().as_bytes().to_vec().into(),
        };
        Stage {
            shard: Shard::new(Config { patience: 3, ..Config::default() }, render, 7),
            world: World { counters: vec![facts("securities"), facts("futures")], behind: false },
            now: Now { wall: 1_000 * SECOND, at: Instant::now() + Duration::from_secs(1_000) },
            out: Vec::new(),
            asked_of: HashMap::new(),
        }
    }

    fn handle(&mut self, input: Input) {
        let before = self.out.len();
        self.shard.handle(input, self.now, &self.world, &mut self.out);
        self.see_who_is_asked(before);
    }

    fn see_who_is_asked(&mut self, before: usize) {
        for output in &self.out[before..] {
            if let Output::Ask { counter, ticket, .. } = output {
                self.asked_of.insert(*ticket, self.world.get(*counter).id.clone());
            }
        }
    }

    fn begin(&mut self, sequence: u64) -> oneshot::Receiver<WaiterReply> {
        let (waiter, told) = oneshot::channel();
        let new = self.new_transfer(sequence);
        self.handle(Input::Begin { new, waiter });
        told
    }

    fn new_transfer(&self, sequence: u64) -> NewTransfer {
        NewTransfer {
            master: master(sequence),
            app: "app".into(),
            idempotency_key: format!("key {sequence}").into(),
            fingerprint: [0; 32],
            order: Order {
                from: place("securities", "6001"),
                to: place("futures", "8001"),
                amount: Amount::new(500).expect("an amount"),
                currency: Currency::CNY,
            },
            debit_day: day(20_261_121),
            credit_day: day(20_261_121),
            credit_barrier: !self.world.counters[1].profile.dedupes,
            created_at: self.now.wall,
            deadline_at: self.now.wall + 60 * SECOND,
            mark: MARK,
        }
    }

    /// The only write that is wanted now.
    fn write(&mut self) -> Write {
        let at = self.out.iter().position(|output| matches!(output, Output::Write(_)));
        match self.out.remove(at.expect("a write is wanted")) {
            Output::Write(write) => write,
            other => panic!("{other:?}"),
        }
    }

    fn written(&mut self, write: &Write, result: Result<(), WriteError>) {
        self.handle(Input::Written(Written { id: write.id, result }));
    }

    fn durable(&mut self) -> Write {
        let write = self.write();
        self.written(&write, Ok(()));
        write
    }

    /// A person says something; what came of it is answered once it is durable.
    fn says(
        &mut self,
        sequence: u64,
        who: &str,
        said: Said,
    ) -> oneshot::Receiver<Result<Taken, PersonRefused>> {
        let (done, answer) = oneshot::channel();
        self.handle(Input::Person { master: master(sequence), who: who.into(), said, done });
        answer
    }

    /// The same, with what came of it, which is made durable.
    fn hears(&mut self, sequence: u64, who: &str, said: Said) -> Result<Taken, PersonRefused> {
        let mut answer = self.says(sequence, who, said);
        loop {
            match answer.try_recv() {
                Ok(answer) => return answer,
                Err(_) => drop(self.durable()),
            }
        }
    }

    /// What is seen of a transfer now.
    fn version(&self, sequence: u64) -> Version {
        self.shard.view(master(sequence).sequence).expect("it is open").version()
    }

    fn propose(&mut self, sequence: u64, decision: Decision) -> Result<Proposal, PersonRefused> {
        let version = match self.shard.open.get(&sequence) {
            Some(record) => record.view().version(),
            None => Version::of(&Transfer::accepted(intent(&self.new_transfer(sequence)))),
        };
        let would = self.shard.open.get(&sequence).and_then(|record| {
            record.transfer.would(decision, &record.ground(&self.world, 3)).ok()
        });
        let leads_to = would.unwrap_or(Outlook::Person);
        let said = Said::Propose { decision, version, leads_to, note: "seen".into() };
        match self.hears(sequence, "lin", said)? {
            Taken::Proposed(proposal) => Ok(*proposal),
            other => panic!("{other:?}"),
        }
    }

    /// Lin proposes it, and wang approves; that is not durable yet.
    fn decide(&mut self, sequence: u64, decision: Decision) -> Result<(), PersonRefused> {
        let proposal = self.propose(sequence, decision)?;
        let said = Said::Approve { id: proposal.id, note: "seen, too".into() };
        match self.says(sequence, "wang", said).try_recv() {
            Ok(Err(refused)) => Err(refused),
            Ok(Ok(taken)) => panic!("it is told before it is durable: {taken:?}"),
            Err(_) => Ok(()),
        }
    }

    /// What is asked now; everything else that is wanted stays.
    fn ask(&mut self) -> Option<(Ticket, Instruction)> {
        let at = self.out.iter().position(|output| matches!(output, Output::Ask { .. }))?;
        match self.out.remove(at) {
            Output::Ask { counter, ticket, instruction, .. } => {
                self.asked_of.insert(ticket, self.world.get(counter).id.clone());
                Some((ticket, instruction))
            }
            other => panic!("{other:?}"),
        }
    }

    fn asked(&mut self) -> (Ticket, Instruction) {
        self.ask().expect("something is asked")
    }

    fn deliver(&mut self, ticket: Ticket, outcome: RequestOutcome) {
        let speaker = self.asked_of.get(&ticket).expect("it was asked").clone();
        self.handle(Input::Delivered { speaker, ticket, outcome });
    }

    /// Lets time pass and runs the timers.
    fn pass(&mut self, seconds: u32) {
        self.now.wall += i64::from(seconds) * SECOND;
        self.now.at += Duration::from_secs(seconds.into());
        let before = self.out.len();
        self.shard.tick(self.now, &self.world, &mut self.out);
        self.see_who_is_asked(before);
    }
}

/// The mark of every transfer here.
const MARK: Option<Mark> = Some(Mark(7));

fn answer(instruction: &Instruction, code: AnswerCode) -> RequestOutcome {
    let (serial, account, amount) = match instruction {
        Instruction::Debit(posting) | Instruction::Credit(posting) => {
            (posting.serial, posting.account.clone(), posting.amount)
        }
        Instruction::Reverse(reversal) => {
            (reversal.serial, reversal.account.clone(), reversal.amount)
        }
        other => panic!("{other:?} posts nothing"),
    };
    let posted = (code == AnswerCode::DONE).then(|| Posted {
        counter_serial: format!("C{serial}").into(),
        settle_day: day(20_261_121),
        account,
        amount,
        currency: Currency::CNY,
        original: None,
    });
    RequestOutcome::Answered(Reply::Posting(PostingReply {
        serial,
        answer: Answer { code, text: ForeignText::default() },
        posted,
        mark: MARK,
    }))
}

fn found(instruction: &Instruction, finding: Finding) -> RequestOutcome {
    let Instruction::Query(Query { serial, .. }) = *instruction else {
        panic!("{instruction:?} is no question")
    };
    let account = if serial.role == Role::Credit { "8001" } else { "6001" };
    let posted = (finding == Finding::Done).then(|| Posted {
        counter_serial: format!("C{serial}").into(),
        settle_day: day(20_261_121),
        account: AccountId::new(account).expect("an account"),
        amount: Amount::new(500).expect("an amount"),
        currency: Currency::CNY,
        original: None,
    });
    let code = match finding {
        Finding::Refused => AnswerCode::INSUFFICIENT_FUNDS,
        Finding::Done
        | Finding::NotFound
        | Finding::Processing
        | Finding::Fenced
        | Finding::Unclear => AnswerCode::DONE,
    };
    RequestOutcome::Answered(Reply::Query(QueryReply {
        serial,
        finding,
        answer: Answer { code, text: ForeignText::default() },
        posted,
        mark: MARK,
    }))
}
