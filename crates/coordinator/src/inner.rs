//! What all tasks of a coordinator share.

use crate::actor::Mail;
use crate::claim::Claim;
use crate::config::Config;
use crate::events::Events;
use crate::serials::Serials;
use crate::standing::Standing;
use dashmap::DashMap;
use domain::message::CounterId;
use domain::serial::Sequence;
use link::Link;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use store::{Journal, Store};
use tokio::sync::mpsc;

/// An app and its idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) app: Arc<str>,
    pub(crate) idempotency_key: Arc<str>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) journal: Journal,
    pub(crate) links: Vec<Link>,
    pub(crate) shards: Vec<mpsc::Sender<Mail>>,
    /// The keys of open transfers, and of those that are just being begun: written by every API
    /// task, and by the shards when they close. It says whom to ask, and is nothing to be told.
    pub(crate) running: DashMap<Key, Claim>,
    /// Apps of which earlier versions recorded keys with their quotation marks.
    pub(crate) quoting_apps: HashSet<String>,
    pub(crate) open: AtomicUsize,
    /// Callers that wait for the end of a transfer.
    pub(crate) callers: AtomicUsize,
    pub(crate) serials: Serials,
    pub(crate) standing: Standing,
    pub(crate) events: Events,
}

impl Inner {
    pub(crate) fn shard_of(&self, sequence: Sequence) -> &mpsc::Sender<Mail> {
        let index = usize::try_from(sequence.number()).unwrap_or(0) % self.shards.len();
        &self.shards[index]
    }

    pub(crate) fn link(&self, counter: &CounterId) -> Option<&Link> {
        self.links.iter().find(|link| link.counter() == counter)
    }
}
