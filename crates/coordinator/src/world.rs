//! What a shard knows of the counters, refreshed once a turn.

use domain::message::CounterId;
use domain::profile::Profile;
use domain::serial::Day;
use port::{CounterIndex, Sessions};
use std::sync::Arc;

/// What is known of one counter.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The counter's id.
    pub id: CounterId,
    /// What it can do, as configured and confirmed by itself.
    pub profile: Arc<Profile>,
    /// Its accounting day; `None` until it has signed on for the first time.
    pub settle_day: Option<Day>,
    /// When the newest sessions of all channels began, open or not; `None` until each channel has had
    /// one in this life. Nothing is taken in any more, from the youngest of them on, of what left
    /// before the oldest (docs/peers/counter.md, Sign-on).
    pub sessions: Option<Sessions>,
    /// Whether nothing new is sent to it, because what it says is in doubt
    /// ([`Standing`](crate::standing::Standing)).
    pub held: bool,
}

/// What is known of all counters.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// What is known of each counter, in the order of configuration.
    pub counters: Vec<Facts>,
    /// Whether the record is behind what was told, or what counters have seen: then nothing that
    /// moves money is sent to any of them (DOMAIN §3, rule 10).
    pub behind: bool,
}

impl World {
    /// One counter.
    ///
    /// # Panics
    /// If the index is not of this world; indices are only made by [`World::find`].
    pub fn get(&self, index: CounterIndex) -> &Facts {
        &self.counters[index.0]
    }

    /// The counter with this name.
    pub fn find(&self, id: &CounterId) -> Option<CounterIndex> {
        self.counters.iter().position(|facts| facts.id == *id).map(CounterIndex)
    }
}
