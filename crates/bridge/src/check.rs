//! `counter-bridge check`: everything that is wrong with a configuration, and nothing started.

use crate::config::App;
use crate::config::{Config, OpenTelemetry};
use api::apps::Rights;
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
    if let Some(OpenTelemetry { endpoint, service_name }) = &config.opentelemetry {
        let _ = write!(told, ", exported to {endpoint} as {service_name}");
    }
    for app in &config.apps {
        let _ = write!(told, "\n{}: {}", app.name, may(app));
    }
    for note in &config.notes {
        let _ = write!(told, "\nnote: {}", note.shown(file));
    }
    if config.counters.len() < 2 {
        let _ = write!(told, "\nnote: a transfer needs two counters; here are {counters}");
    }
    if config.apps.is_empty() {
        told.push_str("\nnote: without an app nobody may call the transfer API");
    }
    told
}

/// What an app may do, in words.
fn may(App { rights, day_limit, .. }: &App) -> String {
    fn list<T: ToString>(what: &str, all: Option<impl IntoIterator<Item = T>>) -> Option<String> {
        let all: Vec<String> = all?.into_iter().map(|one| one.to_string()).collect();
        Some(if all.is_empty() {
            format!("no {what}")
        } else {
            format!("{what} {}", all.join(", "))
        })
    }
    let Rights { counters, accounts, directions, largest_transfer, requests_per_s } = rights;
    let words = [
        list("counters", counters.as_ref()),
        list("accounts", accounts.as_ref()),
        list("directions", directions.as_ref()),
        largest_transfer.map(|most| format!("at most {most} minor units in one transfer")),
        day_limit.transfers.map(|most| format!("at most {most} transfers in a day")),
        day_limit.sum.map(|most| format!("at most {most} minor units of a currency in a day")),
        requests_per_s.map(|most| format!("at most {most} requests in a second")),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    if words.is_empty() {
        "may do everything".to_owned()
    } else {
        format!("only {}", words.join("; "))
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_is_allowed_and_odd_is_noted() {
        let text = "[operators]\nlisten = '0.0.0.0:8081'\nmetrics = 'viewer'\n";
        let nothing = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let config = Config::from_text(text, Path::new(""), [], &nothing).expect("allowed");
        let told = told(&config, "b.toml");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        assert!(lines[0].starts_with("ok: 0 counters, 0 apps with 0 keys; "), "{told}");
        assert!(lines[1].starts_with("note: b.toml:2: operators.listen: "), "{told}");
        assert!(lines[2].starts_with("note: a transfer needs two counters"), "{told}");
        assert!(lines[3].starts_with("note: without an app"), "{told}");
    }
}
