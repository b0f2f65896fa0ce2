//! `counter-bridge check`: everything that is wrong with a configuration, and nothing started.

use crate::config::Config;
use std::fmt::Write;

/// What a configuration without mistakes amounts to: a line, and one for each thing that should be
/// known although it is allowed. `file` is the configuration's name.
pub(crate) fn told(config: &Config, file: &str) -> String {
    let counters = counted(config.counters.len(), "counter", "counters");
    let apps = counted(config.apps.len(), "app", "apps");
    let keys = counted(config.keys.len(), "key", "keys");
    let mut told = format!(
        "ok: {counters}, {apps} with {keys}; API on {}, operators on {}, record in {}",
        config.api.listen,
        config.operators.listen,
        config.database_shown(),
    );
    // Writing to a string does not fail.
    for note in &config.notes {
        let _ = write!(told, "\nnote: {}", note.shown(file));
    }
    if config.counters.len() < 2 {
        let _ = write!(told, "\nnote: a transfer needs two counters, and this is {counters}");
    }
    if config.apps.is_empty() {
        told.push_str("\nnote: without an app nobody may call the transfer API");
    }
    told
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
