//! Persons, for what waits for one: they hand it back to the rules, end it by what the books say, or
//! end it by chance.

use crate::bridge::{Bridge, Queue};
use crate::run::Simulation;
use coordinator::ProposalId;
use coordinator::shard::{Input, PersonRefused, Said, Taken};
use domain::serial::MasterSerial;
use domain::transfer::{Decision, Outlook, ParkReason, Phase};
use rand::RngExt;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Who claims and proposes.
pub(crate) const OPERATOR: &str = "operator";

/// Who approves.
const ANOTHER: &str = "another";

/// One proposer in so many tries to approve what is his own.
const ALONE_ONE_IN: u64 = 4;

/// What persons are about to decide, and what of it is told.
#[derive(Debug, Default)]
pub(crate) struct Persons {
    /// What is waited for, of each.
    waiting: Vec<(Intention, Step)>,
    /// What was sent to be approved, until it is recorded or refused. It may be recorded though nobody hears of it.
    approving: BTreeMap<MasterSerial, Intention>,
    /// So many decisions of the record have been looked at.
    seen: usize,
}

/// How a transfer is to be decided.
#[derive(Clone, Copy, Debug)]
struct Intention {
    master: MasterSerial,
    decision: Decision,
    /// What a person gives back by hand for it.
    by_hand: bool,
    /// Whether it is made without a look at the books: then nobody can say what is right.
    by_chance: bool,
}

type Answer = oneshot::Receiver<Result<Taken, PersonRefused>>;

/// How far two persons are with it.
#[derive(Debug)]
enum Step {
    Withdrawing(Answer),
    Proposing(Answer),
    /// By the proposer himself.
    Alone(ProposalId, Answer),
    Approving(Answer),
}

impl Simulation {
    /// A person hands back to the rules what waits for one, where that is allowed.
    pub(crate) fn resume(&mut self) {
        self.in_bridge(|simulation, bridge| {
            for (master, why) in parked(bridge) {
                if matches!(
                    why,
                    ParkReason::Contradicted | ParkReason::CreditWithoutDebit | ParkReason::Illegal
                ) {
                    continue;
                }
                simulation.decide(bridge, master, Decision::Resume, false, false);
            }
        });
    }

    /// A person ends some of what waits for one, any way.
    pub(crate) fn decide_by_chance(&mut self) {
        self.in_bridge(|simulation, bridge| {
            for (master, _) in parked(bridge) {
                let among = Decision::ALL.len();
                let decision = Decision::ALL[simulation.random.random_range(0..among)];
                if simulation.random.random_bool(0.5) {
                    simulation.decide(bridge, master, decision, false, true);
                }
            }
        });
    }

    /// When nothing is on its way any more, a person ends what is left as the books tell. A debit
    /// with neither credit nor reversal is given back by hand.
    pub(crate) fn decide_by_books(&mut self) {
        self.in_bridge(|simulation, bridge| {
            for (master, _) in parked(bridge) {
                let legs = simulation.audit.legs(&master.to_string());
                let (decision, by_hand) = match (legs.debits, legs.credits, legs.reversals) {
                    (1, 1, 0) => (Decision::Completed, false),
                    (0, 0, 0) => (Decision::Refused, false),
                    (1, 0, 1) => (Decision::Reversed, false),
                    (1, 0, 0) => (Decision::Reversed, true),
                    // What no transfer may have was found already.
                    _ => continue,
                };
                // Books of one that lies tell nothing.
                let by_chance = simulation.is_of_liar(bridge, master);
                simulation.decide(bridge, master, decision, by_hand, by_chance);
            }
        });
    }

    fn is_of_liar(&self, bridge: &Bridge, master: MasterSerial) -> bool {
        let Some(liar) = self.plan.liar else { return false };
        let liar = self.counter_id(liar);
        let shard = &bridge.shards[bridge.shard_of(master.sequence.number())];
        shard.view(master.sequence).is_some_and(|view| {
            let intent = &view.transfer.intent;
            [&intent.order.from, &intent.order.to].into_iter().any(|place| place.counter == *liar)
        })
    }

    fn decide(
        &mut self,
        bridge: &mut Bridge,
        master: MasterSerial,
        decision: Decision,
        by_hand: bool,
        by_chance: bool,
    ) {
        self.propose(bridge, Intention { master, decision, by_hand, by_chance });
    }

    /// One proposes it, as it is shown now.
    fn propose(&mut self, bridge: &mut Bridge, intention: Intention) {
        let Intention { master, decision, .. } = intention;
        let shard = bridge.shard_of(master.sequence.number());
        let Some(view) = bridge.shards[shard].view(master.sequence) else { return };
        let each = Decision::ALL.into_iter().zip(view.choices.iter().flatten());
        // One that is not shown to be possible is proposed all the same, and refused.
        let leads_to = each.filter(|(it, _)| *it == decision).find_map(|(_, leads)| leads.ok());
        let leads_to = leads_to.unwrap_or(Outlook::Person);
        let note = String::new().into();
        let said = Said::Propose { decision, version: view.version(), leads_to, note };
        let answer = self.say(bridge, master, OPERATOR, said);
        self.persons.waiting.push((intention, Step::Proposing(answer)));
    }

    fn approve(&mut self, bridge: &mut Bridge, intention: Intention, id: ProposalId) {
        let said = Said::Approve { id, note: String::new().into() };
        let answer = self.say(bridge, intention.master, ANOTHER, said);
        self.persons.approving.insert(intention.master, intention);
        self.persons.waiting.push((intention, Step::Approving(answer)));
    }

    fn say(&mut self, bridge: &mut Bridge, master: MasterSerial, who: &str, said: Said) -> Answer {
        let shard = bridge.shard_of(master.sequence.number());
        let (done, answer) = oneshot::channel();
        let input = Input::Person { master, who: who.into(), said, done };
        self.put(bridge, shard, Queue::Mail, input);
        answer
    }

    /// What came of what persons said, and what they say then. The auditor learns of decisions that are recorded before
    /// anybody is told an end by them, whether or not the bridge lived to say so.
    pub(crate) fn hear_decisions(&mut self, bridge: &mut Bridge) {
        self.learn_decisions();
        let waiting = std::mem::take(&mut self.persons.waiting);
        for (intention, step) in waiting {
            self.go_on_deciding(bridge, intention, step);
        }
    }

    fn go_on_deciding(&mut self, bridge: &mut Bridge, intention: Intention, mut step: Step) {
        let master = intention.master;
        let (Step::Withdrawing(answer)
        | Step::Proposing(answer)
        | Step::Alone(_, answer)
        | Step::Approving(answer)) = &mut step;
        let answer = match answer.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => {
                return self.persons.waiting.push((intention, step));
            }
            // The bridge died before it came to it, or before it could say so.
            Err(oneshot::error::TryRecvError::Closed) => return,
            Ok(answer) => answer,
        };
        match (step, answer) {
            (Step::Proposing(_), Ok(Taken::Proposed(proposal))) => {
                if master.sequence.number().is_multiple_of(ALONE_ONE_IN) {
                    let said = Said::Approve { id: proposal.id, note: String::new().into() };
                    let answer = self.say(bridge, master, OPERATOR, said);
                    let step = Step::Alone(proposal.id, answer);
                    self.persons.waiting.push((intention, step));
                } else {
                    self.approve(bridge, intention, proposal.id);
                }
            }
            // Of an earlier life, or of chance.
            (Step::Proposing(_), Err(PersonRefused::Proposed(other))) => {
                let said =
                    Said::Withdraw { id: other.id, note: String::new().into(), of_others: true };
                let answer = self.say(bridge, master, ANOTHER, said);
                self.persons.waiting.push((intention, Step::Withdrawing(answer)));
            }
            (Step::Withdrawing(_), Ok(_)) => self.propose(bridge, intention),
            (Step::Alone(id, _), answer) => {
                if answer.is_ok() {
                    let found = "one person alone decided it".to_owned();
                    self.audit.find(&master.to_string(), found);
                }
                self.approve(bridge, intention, id);
            }
            (Step::Approving(_), Ok(_)) => {
                let word = intention.decision.as_str();
                let sequence = master.sequence.number();
                self.note(Some(sequence), format_args!("two persons decided {word}"));
            }
            (Step::Approving(_), Err(_)) => {
                self.persons.approving.remove(&master);
            }
            (Step::Proposing(_) | Step::Withdrawing(_), _) => {}
        }
    }

    /// Decisions that the record has now, and had not before.
    pub(crate) fn learn_decisions(&mut self) {
        let all = self.database.tables().decisions();
        if all.len() == self.persons.seen {
            return;
        }
        // A copy that was put back has fewer.
        let from = self.persons.seen.min(all.len());
        let decided: Vec<MasterSerial> = all[from..]
            .iter()
            .filter(|(_, decision)| decision.who == ANOTHER && !is_withdrawn(&decision.decision))
            .map(|(master, _)| *master)
            .collect();
        self.persons.seen = all.len();
        for master in decided {
            let Some(intention) = self.persons.approving.remove(&master) else { continue };
            if intention.by_hand {
                self.audit.given_back(&master.to_string());
            }
            if intention.by_chance && intention.decision != Decision::Resume {
                self.audit.decided(&master.to_string());
            }
        }
    }
}

fn is_withdrawn(word: &str) -> bool {
    word.starts_with("withdrew ")
}

/// What waits for a person, in the order of serials.
fn parked(bridge: &Bridge) -> Vec<(MasterSerial, ParkReason)> {
    let views = bridge.views();
    let parked = views.iter().filter_map(|view| {
        let Phase::Parked(why) = view.transfer.phase else { return None };
        Some((view.transfer.intent.master, why))
    });
    parked.collect()
}
