//! What has changed between two configurations, and what of it a running bridge takes over.

use super::fingerprint::number_of;
use super::mistake::Place;
use super::secret::{
    APP_PUBLIC_KEY, APP_SECRET, COUNTER_KEY, SECOND_COUNTER_KEY, Sources, in_its_folder,
};
use super::tree::{Found, Node, Rows};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Every value of a configuration by its path, as a number that is another where the value is: for
/// comparing what must not be shown. The value of a key that names a file which is taken over is what
/// the file holds, too: a key is renewed under its name.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Settings(BTreeMap<String, u64>);

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Settings").field(&self.0.len()).finish()
    }
}

impl Settings {
    /// The values of `rows`; of files that they name, what was read of them.
    pub(super) fn of(rows: &Rows) -> (Settings, Named) {
        let (mut all, mut named) = (BTreeMap::new(), Named::default());
        for (key, found) in rows {
            enter(key.clone(), found, &mut all, &mut named);
        }
        (Settings(all), named)
    }

    /// The same with what is in the files.
    pub(super) fn with_files(mut self, named: Named, sources: &Sources<'_>) -> Settings {
        let read = sources.read.borrow();
        for (key, place, path) in named.0 {
            let content = read.get(&in_its_folder(&place, &path, sources));
            if let (Some(number), Some(content)) = (self.0.get_mut(&key), content) {
                *number = number_of((*number, content));
            }
        }
        self
    }

    /// The keys whose values differ and that a bridge takes over only when it starts.
    pub(crate) fn that_need_a_start(&self, new: &Settings) -> Vec<String> {
        self.that_differ(new, false)
    }

    /// The keys whose values have been others since `last` was read, and were taken over by a bridge that
    /// was started by these: what a start is needed for is not taken over by being changed once more.
    pub(crate) fn taken_over_since(&self, last: &Settings, new: &Settings) -> Vec<String> {
        let waiting = self.that_need_a_start(new);
        let changed = last.that_differ(new, true).into_iter();
        changed.filter(|key| !waiting.contains(key)).collect()
    }

    fn that_differ(&self, new: &Settings, taken_over: bool) -> Vec<String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(new.0.keys()).collect();
        keys.into_iter()
            .filter(|key| self.0.get(*key) != new.0.get(*key))
            .filter(|key| {
                let is_changed = self.0.contains_key(*key) && new.0.contains_key(*key);
                is_taken_over(key, is_changed) == taken_over
            })
            .cloned()
            .collect()
    }
}

/// Whether a bridge that runs takes the value over when it reads its configuration again; `is_changed`
/// if it was there before and is there now.
fn is_taken_over(key: &str, is_changed: bool) -> bool {
    match key.split('.').collect::<Vec<_>>()[..] {
        ["app", ..] | ["counter", _, "special_days_file"] => true,
        ["counter", _, "service_hours"] => is_changed,
        ["counter", _, name] => [COUNTER_KEY, SECOND_COUNTER_KEY]
            .iter()
            .any(|names| names.file == name || names.variable == Some(name)),
        _ => false,
    }
}

/// Whether the key names a file that is read again with the configuration, and taken over.
fn names_a_file(key: &str) -> bool {
    match key.split('.').collect::<Vec<_>>()[..] {
        ["counter", _, name] => {
            [COUNTER_KEY.file, SECOND_COUNTER_KEY.file, "special_days_file"].contains(&name)
        }
        ["app", _, "key", _, name] => [APP_SECRET.file, APP_PUBLIC_KEY.file].contains(&name),
        _ => false,
    }
}

/// The files that keys name: the key, where it stands, and the path.
#[derive(Debug, Default)]
pub(super) struct Named(Vec<(String, Place, String)>);

fn enter(path: String, found: &Found, all: &mut BTreeMap<String, u64>, named: &mut Named) {
    let number = match &found.node {
        Node::Table(rows) => {
            for (key, found) in rows {
                enter(format!("{path}.{key}"), found, all, named);
            }
            return;
        }
        Node::List(list) => {
            for (index, found) in list.iter().enumerate() {
                enter(format!("{path}.{index}"), found, all, named);
            }
            return;
        }
        Node::Text(text) | Node::Words(text) => {
            if names_a_file(&path) {
                named.0.push((path.clone(), found.place.clone(), text.clone()));
            }
            number_of(text)
        }
        Node::Number(number) => number_of(number),
        Node::Flag(flag) => number_of(flag),
        Node::Other(kind) => number_of(kind),
    };
    all.insert(path, number);
}
