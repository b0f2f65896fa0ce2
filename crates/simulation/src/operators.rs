//! Persons, for what waits for one: they hand it back to the rules, end it by what the books say, or
//! end it by chance.

use crate::bridge::{Bridge, Queue};
use crate::run::Simulation;
use coordinator::Claimant;
use coordinator::shard::{DecideRefused, Input};
use domain::serial::MasterSerial;
use domain::transfer::{Decision, ParkReason, Phase};
use rand::RngExt;
use tokio::sync::oneshot;

/// A decision whose acceptance is awaited.
#[derive(Debug)]
pub(crate) struct Decided {
    master: MasterSerial,
    decision: Decision,
    /// What a person gave back by hand for it.
    by_hand: bool,
    /// Whether it was made without a look at the books: then nobody can say what is right.
    by_chance: bool,
    answer: oneshot::Receiver<Result<Option<Claimant>, DecideRefused>>,
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
        let shard = bridge.shard_of(master.sequence.number());
        let (done, answer) = oneshot::channel();
        let (who, note) = ("operator".to_owned(), String::new());
        self.decisions.push(Decided { master, decision, by_hand, by_chance, answer });
        let input = Input::Decide { master, decision, who: who.into(), note: note.into(), done };
        self.put(bridge, shard, Queue::Mail, input);
    }

    /// What became of decisions. The auditor learns of those that count before anybody is told an
    /// end by them.
    pub(crate) fn hear_decisions(&mut self) {
        let waiting = std::mem::take(&mut self.decisions);
        for mut decided in waiting {
            match decided.answer.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => self.decisions.push(decided),
                // The bridge died before it came to it, or refused it.
                Err(oneshot::error::TryRecvError::Closed) | Ok(Err(_)) => {}
                Ok(Ok(_)) => {
                    let master = decided.master.to_string();
                    let sequence = decided.master.sequence.number();
                    let word = decided.decision.as_str();
                    self.note(Some(sequence), format_args!("a person decided {word}"));
                    if decided.by_hand {
                        self.audit.given_back(&master);
                    }
                    if decided.by_chance && decided.decision != Decision::Resume {
                        self.audit.decided(&master);
                    }
                }
            }
        }
    }
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
