//! What waits for a person is left alone: nothing of it is sent before one has spoken, and while one
//! has claimed it, it does not end either. Some of it is claimed here as soon as it waits.

use crate::bridge::Bridge;
use crate::operators::OPERATOR;
use crate::run::Simulation;
use coordinator::shard::{Input, Said, Waiting};
use domain::serial::MasterSerial;
use domain::transfer::State;
use tokio::sync::oneshot;

/// One in so many is claimed, for as long as nobody decides it: a schedule is over before a claim is.
const CLAIMED_ONE_IN: u64 = 3;

impl Simulation {
    /// A shard's turn, and whether what waited before it was left alone in it. By number, not by
    /// chance, some of what waits from now on is claimed, so that no schedule goes another way for it.
    pub(crate) fn watched_turn(&mut self, bridge: &mut Bridge, shard: usize, input: Option<Input>) {
        let waited = bridge.shards[shard].waiting();
        let decided = match &input {
            Some(Input::Person { master, said: Said::Approve { .. }, .. }) => Some(*master),
            _ => None,
        };
        self.shard_turn(bridge, shard, input);
        let waiting = bridge.shards[shard].waiting();
        for Waiting { master, .. } in waited.iter().filter(|one| Some(one.master) != decided) {
            self.judge_waiting(bridge, shard, *master, &waiting);
        }
        for one in waiting {
            let is_new = !waited.iter().any(|waited| waited.master == one.master);
            if is_new && one.master.sequence.number().is_multiple_of(CLAIMED_ONE_IN) {
                self.claim(bridge, shard, one.master);
            }
        }
    }

    fn judge_waiting(
        &mut self,
        bridge: &Bridge,
        shard: usize,
        master: MasterSerial,
        waiting: &[Waiting],
    ) {
        match waiting.iter().find(|one| one.master == master) {
            Some(Waiting { dealt: true, ends: true, .. }) => {
                let found = "ends by itself although somebody has claimed it";
                self.audit.find(&master.to_string(), found.to_owned());
            }
            Some(_) => {}
            None => {
                let view = bridge.shards[shard].view(master.sequence);
                let state = view.map(|view| view.transfer.state());
                if let Some(state) = state.filter(|state| *state != State::NeedsOperator) {
                    let found = format!("was with a person, and is {state} by itself");
                    self.audit.find(&master.to_string(), found);
                }
            }
        }
    }

    fn claim(&mut self, bridge: &mut Bridge, shard: usize, master: MasterSerial) {
        let (done, _answer) = oneshot::channel();
        let said = Said::Claim { note: "on the telephone".into() };
        let input = Input::Person { master, who: OPERATOR.into(), said, done };
        self.shard_turn(bridge, shard, Some(input));
    }
}
