//! Callers: each orders one transfer under its key and asks again, with the same key, until it is
//! told an end; some ask twice at once, some ask again long after. And the judgement of how all
//! ended.

use crate::agenda::Event;
use crate::bridge::{Bridge, Queue};
use crate::class::Class;
use crate::clock::{MS, Micros, SECOND};
use crate::peer::Peer;
use crate::run::Simulation;
use crate::trouble::QUIET_AFTER;
use coordinator::View;
use coordinator::record::WaiterReply;
use coordinator::shard::Input;
use domain::message::{CounterId, Place};
use domain::money::Currency;
use domain::order::Order;
use domain::profile::Meaning;
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence};
use domain::transfer::{ParkReason, Phase, Transfer};
use rand::RngExt;
use std::collections::{BTreeMap, BTreeSet};
use store::{NewTransfer, Stored};
use tokio::sync::oneshot;

/// After healing a person tries so often.
const RESUMES: u32 = 12;
/// So long after healing everything must have ended.
const PATIENCE: Micros = 7_200 * SECOND;

/// A caller.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    /// What it was told in the end.
    answer: Option<Vec<u8>>,
    /// How often it has asked again since.
    replays: u32,
    /// It was told not to ask again: what it ordered may have been carried out, and is not recorded.
    pub(crate) has_stopped: bool,
}

impl Simulation {
    /// The order's caller asks.
    pub(crate) fn call(&mut self, order: usize) {
        if self.callers[order].has_stopped {
            return;
        }
        let again = self.now + self.random.random_range(300 * MS..=5 * SECOND);
        if self.callers[order].answer.is_some() {
            self.callers[order].replays += 1;
            if self.callers[order].replays > 2 {
                return;
            }
        }
        self.at(again, Event::Call(order));
        self.in_bridge(|simulation, bridge| {
            simulation.begin(bridge, order);
            if simulation.random.random_bool(0.1) {
                simulation.begin(bridge, order);
            }
            simulation.hear_answers(bridge);
        });
    }

    /// What the coordinator's handle does with a request.
    fn begin(&mut self, bridge: &mut Bridge, order: usize) {
        let wanted = self.plan.orders[order].clone();
        let (from, to) = (bridge.facts(wanted.from.0), bridge.facts(wanted.to.0));
        let days = (from.settle_day, to.settle_day);
        let up = bridge.is_up(wanted.from.0) && bridge.is_up(wanted.to.0);
        let credit_barrier = !to.profile.dedupes;
        if bridge.running.contains_key(&wanted.key) {
            return;
        }
        let fit = !bridge.standing.behind && !from.held && !to.held;
        let (true, (Some(debit_day), Some(credit_day))) = (up && fit, days) else {
            return self.replay(order);
        };
        if bridge.serials.is_empty() {
            if self.now < self.database.down_until {
                return;
            }
            bridge.serials = self.database.shelf.lease(self.plan.config.serial_block);
        }
        let Some(Ok(sequence)) = bridge.serials.next().map(Sequence::new) else { return };
        let wall = self.present().wall;
        let master = MasterSerial { day: Day::from_unix_micros(wall), sequence };
        bridge.running.insert(wanted.key.clone(), master);
        let deadline =
            i64::try_from(self.plan.config.transfer_deadline.as_micros()).unwrap_or(i64::MAX);
        let place = |(counter, account): &(usize, _)| Place {
            counter: self.plan.counters[*counter].rules.counter.clone(),
            account: Clone::clone(account),
        };
        let new = NewTransfer {
            master,
            app: "app".into(),
            idempotency_key: wanted.key.as_str().into(),
            fingerprint: [0; 32],
            order: Order {
                from: place(&wanted.from),
                to: place(&wanted.to),
                amount: wanted.amount,
                currency: Currency::CNY,
            },
            debit_day,
            credit_day,
            credit_barrier,
            created_at: wall,
            deadline_at: wall + deadline,
            mark: Some(Mark(mark_of(sequence, wall))),
        };
        self.watch_beginning(&new, order);
        let (waiter, told) = oneshot::channel();
        bridge.waiters.push((order, told));
        let shard = bridge.shard_of(sequence.number());
        self.put(bridge, shard, Queue::Mail, Input::Begin { new, waiter });
    }

    /// Whether anybody who waits has been told.
    pub(crate) fn hear_answers(&mut self, bridge: &mut Bridge) {
        let waiters = std::mem::take(&mut bridge.waiters);
        for (order, mut waiter) in waiters {
            match waiter.try_recv() {
                Ok(WaiterReply::Final(rendered)) => self.told(order, &rendered.body),
                Ok(WaiterReply::DuplicateKey) => self.replay(order),
                // It asks again.
                Ok(WaiterReply::NotRecorded(_)) | Err(oneshot::error::TryRecvError::Closed) => {}
                Err(oneshot::error::TryRecvError::Empty) => bridge.waiters.push((order, waiter)),
            }
        }
    }

    /// What the record says of a key.
    fn replay(&mut self, order: usize) {
        let found = self.database.tables().find_by_key("app", &self.plan.orders[order].key);
        if let Some(Stored { outcome: Some(outcome), .. }) = found {
            self.told(order, &outcome.answer_body);
        }
    }

    fn told(&mut self, order: usize, answer: &[u8]) {
        let key = self.plan.orders[order].key.clone();
        let text = String::from_utf8_lossy(answer).into_owned();
        let (master, state) = text.split_once(' ').unwrap_or(("", &text));
        let sequence = master.parse::<MasterSerial>().ok().map(|serial| serial.sequence.number());
        self.note(sequence, format_args!("{key} is told {text}"));
        let Some(stored) = self.database.tables().find_by_key("app", &key) else {
            return self.audit.find(master, format!("{key} was told what is not in the record"));
        };
        let recorded = stored.outcome.as_ref();
        if recorded.is_none_or(|outcome| outcome.answer_body != *answer) {
            self.audit.find(master, format!("{key} was told what is not in the record: {text}"));
        }
        let name = self.name_of(stored.transfer.master, stored.transfer.mark);
        self.judge_told(&stored, state);
        self.audit.told(&key, answer, &name, state);
        self.callers[order].answer.get_or_insert_with(|| answer.to_vec());
    }

    /// After healing: whether everything has ended, and if not, a person helps.
    pub(crate) fn check(&mut self) {
        if self.needs_release() {
            self.readmit_and_release();
        }
        let healed_for = self.now - self.plan.heals_at.max(self.helped_at);
        let views = self.bridge.as_deref().map_or_else(Vec::new, Bridge::views);
        if !self.has_settled(healed_for, &views) {
            let at = self.now + 20 * SECOND;
            return self.at(at, Event::Check);
        }
        let stuck = |view: &View| {
            matches!(view.transfer.phase, Phase::Parked(_))
                && (self.justified(&view.transfer) && self.resumed >= 2 || self.resumed >= RESUMES)
        };
        let open: BTreeSet<MasterSerial> =
            views.iter().map(|view| view.transfer.intent.master).collect();
        let all_told = self.callers.iter().enumerate().all(|(order, caller)| {
            let stored = || self.database.tables().find_by_key("app", &self.plan.orders[order].key);
            caller.answer.is_some()
                || caller.has_stopped
                // One that lies may keep from beginning what it takes part in.
                || stored().map_or(self.is_party(order), |stored| {
                    open.contains(&stored.transfer.master)
                })
        });
        let over = self.is_taken_up(&views) && all_told && views.iter().all(stuck);
        if over && !views.is_empty() && self.plan.has(Class::Decisions) && !self.settled_by_hand {
            self.settled_by_hand = true;
            self.decide_by_books();
        } else if over || healed_for > PATIENCE {
            self.done = true;
            return;
        }
        let parked = views.iter().any(|view| matches!(view.transfer.phase, Phase::Parked(_)));
        let after = QUIET_AFTER + 10 * SECOND;
        if parked && healed_for > after && self.resumed < RESUMES {
            self.resumed += 1;
            self.resume();
        }
        let at = self.now + 20 * SECOND;
        self.at(at, Event::Check);
    }

    /// Liveness: by itself, within the time that its configuration and its counters' promises allow,
    /// everything ends or is with a person. Nobody helps until then. Whether that has come.
    fn has_settled(&mut self, healed_for: Micros, views: &[View]) -> bool {
        let going: Vec<&View> =
            views.iter().filter(|view| !matches!(view.transfer.phase, Phase::Parked(_))).collect();
        self.settled |= going.is_empty() && self.is_taken_up(views);
        if !self.settled && healed_for > self.plan.time_to_end() {
            for view in going {
                let Transfer { intent, phase, .. } = &view.transfer;
                let found =
                    format!("is still {phase:?}, {} s after all healed", healed_for / SECOND);
                self.audit.find(&intent.master.to_string(), found);
            }
            self.done = true;
        }
        self.settled
    }

    /// Whether the bridge has all in hand that is open in the record. One that stood still when it was
    /// started takes it up later, and nobody asks for what was told by a life that the record lost.
    fn is_taken_up(&self, views: &[View]) -> bool {
        self.bridge.is_some() && self.database.tables().open_transfers().len() == views.len()
    }

    fn peer(&self, counter: &CounterId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.plan().rules.counter == *counter)
    }

    /// Whether what went wrong is a reason for a person to be needed.
    fn justified(&self, transfer: &Transfer) -> bool {
        let Phase::Parked(why) = transfer.phase else { return false };
        let master = transfer.intent.master;
        let (Some(source), Some(destination)) = (
            self.peer(&transfer.intent.order.from.counter),
            self.peer(&transfer.intent.order.to.counter),
        ) else {
            return false;
        };
        let lied = Role::ALL.into_iter().any(|role| {
            let peer = if role == Role::Credit { destination } else { source };
            peer.lied_about(master.leg(role))
        });
        let odd = |peer: &Peer, role| {
            let codes = &peer.plan().rules.profile.codes;
            let refused = Meaning::Refused;
            peer.refusals_of(master.leg(role)).any(|code| codes.meaning(code) != refused)
        };
        let party = [source, destination].iter().any(|peer| peer.plan().lying.is_some());
        let name = self.name_of(master, transfer.intent.mark);
        // Whatever a counter says, money adds up where a transfer ends.
        let is_balanced = why != ParkReason::Unbalanced;
        is_balanced && (lied || party || self.is_hidden(master))
            || match why {
                ParkReason::CannotReverse => !source.plan().rules.profile.can_reverse,
                ParkReason::SettleDayPassed => source.settle_day() != transfer.intent.debit_day,
                // What was refused and ran later needs nobody.
                ParkReason::ReversalRefused => {
                    source.refusals_of(master.leg(Role::Reversal)).next().is_some()
                        && self.audit.legs(&name).reversals == 0
                }
                // A refusal in words that nobody has agreed on.
                ParkReason::DebitUnresolved => odd(source, Role::Debit),
                ParkReason::CreditUnresolved => odd(destination, Role::Credit),
                ParkReason::ReversalUnresolved
                | ParkReason::Contradicted
                | ParkReason::OtherMark
                | ParkReason::KnownBefore
                | ParkReason::CreditWithoutDebit
                | ParkReason::Illegal
                | ParkReason::Panicked
                | ParkReason::Unbalanced => false,
            }
    }

    /// The judgement of the end: what is not final needs a person, for a reason.
    pub(crate) fn judge(&mut self) -> BTreeMap<String, usize> {
        let mut ends = BTreeMap::new();
        let views: BTreeMap<MasterSerial, View> = self
            .bridge
            .as_deref()
            .map_or_else(Vec::new, Bridge::views)
            .into_iter()
            .map(|view| (view.transfer.intent.master, view))
            .collect();
        let all: Vec<Stored> = self.database.tables().all().collect();
        let mut open = BTreeSet::new();
        for Stored { transfer, outcome, .. } in &all {
            let master = self.name_of(transfer.master, transfer.mark);
            let end = match (outcome, views.get(&transfer.master)) {
                (Some(outcome), None) => outcome.state.as_str().to_owned(),
                (Some(_), Some(view)) => {
                    let phase = view.transfer.phase;
                    self.audit.find(&master, format!("is final in the record, but {phase:?}"));
                    "both".to_owned()
                }
                (None, Some(view)) => {
                    open.insert(master.clone());
                    let phase = view.transfer.phase;
                    match phase {
                        Phase::Parked(_) if self.justified(&view.transfer) => {}
                        Phase::Parked(why) => self.audit.find(
                            &master,
                            format!("needs an operator, and nothing justifies it: {why:?}"),
                        ),
                        _ => self.audit.find(&master, format!("never ended: {phase:?}")),
                    }
                    format!("{phase:?}")
                }
                (None, None) => {
                    self.audit
                        .find(&master, "is open in the record, and nobody owns it".to_owned());
                    "orphan".to_owned()
                }
            };
            *ends.entry(end).or_default() += 1;
        }
        for (order, wanted) in self.plan.orders.iter().enumerate() {
            let records = all.iter().filter(|s| *s.transfer.idempotency_key == *wanted.key);
            let records: Vec<&Stored> = records.collect();
            match records.as_slice() {
                [] if self.is_party(order) || self.callers[order].has_stopped => {}
                [] => self.audit.find("", format!("{} was never recorded", wanted.key)),
                [one] => {
                    let caller = &self.callers[order];
                    let told = caller.answer.is_some() || caller.has_stopped;
                    if one.outcome.is_some() && !told {
                        let master = one.transfer.master.to_string();
                        self.audit.find(&master, "its caller was never told".to_owned());
                    }
                }
                many => {
                    let found = format!("{} transfers for {}", many.len(), wanted.key);
                    self.audit.find("", found);
                }
            }
        }
        self.audit.end(&open);
        ends
    }
}

/// A mark that no other transfer has, also one of another life with the same sequence. It is not
/// drawn, so that a seed stands for the same run as ever.
fn mark_of(sequence: Sequence, wall: i64) -> u64 {
    sequence.number().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ wall.cast_unsigned()
}
