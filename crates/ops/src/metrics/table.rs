//! Writes `docs/metrics.md` from the code, fails when it is stale, and holds every name to Prometheus's conventions
//! (<https://prometheus.io/docs/practices/naming/>); whoever names a metric elsewhere, in a document, a rule or a
//! dashboard, finds it there.

use super::counted::{self, Described};
use super::standing::tests::{one_unknown, well};
use super::{PREFIX, alarms, holds, links};
use crate::counters::tests::waiting;
use domain::message::CounterId;
use port::status::{Connection, Tls};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every label, and why it has only so many values.
const LABELS: [(&str, &str); 15] = [
    ("acknowledged", "`true` or `false`"),
    ("channel", "a connection of a counter, from 0: 64 at most"),
    ("counter", "a configured counter"),
    (
        "currency",
        "an ISO 4217 code that is in transit, or not known, at this moment: gone with the money",
    ),
    ("fault", "a word of the bridge's own"),
    ("kind", "a word of the bridge's own"),
    ("listener", "`api` or `operators`"),
    ("of", "a configured counter, or a word of the bridge's own"),
    ("operation", "an operation of the transfer API, or `other`"),
    ("side", "`own` or `peer`"),
    ("state", "a word of the bridge's own"),
    ("status", "an HTTP status that the description knows, or `other`"),
    ("version", "of the program that runs"),
    ("why", "a word of the bridge's own"),
    ("le", "the upper bound of a bucket"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A counter of which everything is known.
fn counter() -> Arc<port::status::Snapshot> {
    let mut counter = waiting("securities");
    let tls = Tls {
        version: "1.3".to_owned(),
        peer: "securities".to_owned(),
        peer_expires_at: 1_795_000_000_000_000,
        own_expires_at: 1_796_000_000_000_000,
    };
    counter.connections.push(Connection { tls: Some(Box::new(tls)), ..Connection::new(1) });
    Arc::new(counter)
}

/// What is written at the moment of asking, as it says itself.
fn told_when_asked() -> Vec<Described> {
    let mut text = String::new();
    let mut standing = well();
    let summary = standing.summary.as_mut().expect("it is counted");
    summary.in_transit.insert("CNY".to_owned(), 1);
    standing.transit = Some(one_unknown());
    standing.write(&mut text);
    links::standing(&mut text, &[counter()], &[links::Bounds { in_flight: 1, queued: 1 }]);
    let id = CounterId::new("securities").expect("an id");
    holds::standing(&mut text, &[&id], &coordinator::standing::State::default(), |_| None);
    alarms::standing(&mut text, &[], 0);
    let mut told: Vec<Described> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, about) = rest.split_once(' ').expect("a name and what it is");
            let (name, about) = (name.to_owned(), about.to_owned());
            told.push(Described { name, kind: "", labels: Vec::new(), about });
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let last = told.last_mut().expect("it was named");
            let kind = rest.strip_prefix(&format!("{} ", last.name)).expect("its own type");
            let kinds = ["counter", "gauge"];
            last.kind = kinds.into_iter().find(|known| *known == kind).expect("a type");
        } else {
            let last = told.last_mut().expect("it was named");
            let rest = line.strip_prefix(&last.name).expect("its own value");
            // `{a="b",c="d"} 1`: every second piece between quotation marks is a value.
            let names = rest.split('"').step_by(2).filter(|piece| piece.contains('='));
            let names = names.map(|piece| piece.trim_matches(['{', ',', '=']).to_owned());
            last.labels = names.collect();
        }
    }
    told
}

/// All, in the order of their names.
fn all() -> BTreeMap<String, Described> {
    let each = counted::described().into_iter().chain(told_when_asked());
    let mut all = BTreeMap::new();
    for described in each {
        let name = described.name.clone();
        assert!(all.insert(name.clone(), described).is_none(), "{name}: told twice");
    }
    all
}

fn document() -> String {
    let mut text = "\
# Metrics

Written by a test from the code; do not edit. After a change: `UPDATE_METRICS=1 cargo test -p ops --lib metrics`.

`/metrics` of the operators' side has these, for Prometheus ([operating](operating.md#prometheus)). Durations are in
seconds, times in seconds since 1970 UTC, money in minor units. Counters begin with 0 at each start, gauges are true at
the moment of asking. What the shards count (`transfers_open`, `in_transit_…`, `counter_unknown_…`) is left out while one does not answer
within two seconds. Histograms have `_bucket`, `_sum` and `_count` behind their name.

| metric | type | labels | what it is |
|---|---|---|---|
"
    .to_owned();
    for (name, described) in all() {
        let labels: Vec<String> = described.labels.iter().map(|it| format!("`{it}`")).collect();
        let (kind, labels) = (described.kind, labels.join(", "));
        // Writing to a string does not fail.
        let _ = writeln!(text, "| `{PREFIX}{name}` | {kind} | {labels} | {} |", described.about);
    }
    text.push_str("\nNo label has values without a bound:\n\n| label | its values |\n|---|---|\n");
    for (label, why) in LABELS {
        let _ = writeln!(text, "| `{label}` | {why} |");
    }
    text
}

#[test]
fn the_table_of_metrics_is_true() {
    let path = root().join("docs/metrics.md");
    if std::env::var_os("UPDATE_METRICS").is_some() {
        std::fs::write(&path, document()).expect("docs/ is writable");
    }
    let then = std::fs::read_to_string(path).unwrap_or_default();
    let stale = "docs/metrics.md is stale: UPDATE_METRICS=1 cargo test -p ops --lib metrics";
    assert!(then == document(), "{stale}");
}

#[test]
fn names_types_and_labels_are_as_prometheus_has_them() {
    let all = all();
    assert!(all.len() > 60, "{}", all.len());
    for (name, Described { kind, labels, about, .. }) in &all {
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(plain && !name.contains("__") && !name.starts_with('_'), "{name}");
        assert!(!name.starts_with(PREFIX), "{name}: it is prefixed as a whole");
        let words: Vec<&str> = name.split('_').collect();
        assert_eq!(*kind == "counter", words.last() == Some(&"total"), "{name} is a {kind}");
        let ours = ["bucket", "sum", "count", "info"];
        let last = words.last().copied().unwrap_or_default();
        assert!(!ours.contains(&last) || name == "build_info", "{name}: what a histogram adds");
        // Base units alone, written out; a duration, an age or a time is in seconds and says so.
        let others =
            ["ms", "us", "ns", "millis", "micros", "milliseconds", "minutes", "hours", "days"];
        assert!(!words.iter().any(|word| others.contains(word)), "{name}: base units");
        let times = ["age", "uptime", "commit", "round", "timestamp", "duration"];
        if words.iter().any(|word| times.contains(word)) {
            assert_eq!(last, "seconds", "{name}: with its unit");
        }
        assert_eq!(words.contains(&"expiry"), words.contains(&"timestamp"), "{name}");
        if *kind == "histogram" {
            assert!(["seconds", "writes"].contains(&last), "{name}: it has no buckets");
        }
        for label in labels {
            assert!(LABELS.iter().any(|(known, _)| known == label), "{name}: {label} has no bound");
            assert!(label != "le" && label != "instance" && label != "job", "{name}: {label}");
        }
        let begins = about.starts_with(|c: char| c.is_ascii_uppercase() || c == '1');
        assert!(begins && !about.ends_with('.'), "{name}: {about}");
        assert!(!about.contains(['|', '\\', '\n']), "{name}: what no table and no text holds");
    }
    let used: BTreeSet<&String> = all.values().flat_map(|described| &described.labels).collect();
    for (label, _) in LABELS {
        assert!(label == "le" || used.contains(&label.to_owned()), "{label} is on nothing");
    }
}

/// Texts that name metrics: documents, rules, dashboards.
fn texts() -> Vec<(PathBuf, String)> {
    let folders = ["docs", "deploy", "deploy/prometheus", "deploy/grafana"];
    let mut texts = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(root().join(folder)).expect(folder) {
            let path = entry.expect("an entry").path();
            let endings = ["md", "yml", "json", "toml"];
            if path.extension().is_some_and(|it| endings.iter().any(|end| it == *end)) {
                let text = std::fs::read_to_string(&path).expect("a text");
                texts.push((path, text));
            }
        }
    }
    texts
}

/// The names behind the prefix in a text.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(PREFIX).filter_map(|(at, _)| {
        let rest = &text[at + PREFIX.len()..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
        let name = &rest[..end.unwrap_or(rest.len())];
        (!name.is_empty()).then_some(name)
    })
}

/// The metric behind a name as it is asked for: a histogram's parts have names of their own, and no other has.
fn metric<'a>(all: &'a BTreeMap<String, Described>, name: &str) -> Option<&'a Described> {
    let part = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
    match part.and_then(|whole| all.get(whole)) {
        Some(whole) => (whole.kind == "histogram").then_some(whole),
        None => all.get(name),
    }
}

/// Whoever reads of a metric finds it. What asks a database of metrics names what is in there: of a histogram one of
/// its parts.
#[test]
fn every_metric_that_is_named_anywhere_is_there() {
    let all = all();
    let mut seen = BTreeMap::new();
    for (path, text) in texts() {
        let asks = path.extension().is_some_and(|it| it == "yml" || it == "json");
        for name in named(&text) {
            let found = metric(&all, name);
            let found = found.unwrap_or_else(|| panic!("{}: {name}", path.display()));
            let whole = found.kind == "histogram" && found.name == name;
            assert!(!(asks && whole), "{}: {name} is only there in parts", path.display());
            *seen.entry(path.clone()).or_insert(0) += 1;
        }
    }
    for (file, least) in [
        ("docs/operating.md", 10),
        ("docs/limits.md", 10),
        ("deploy/prometheus/alerts.yml", 15),
        ("deploy/grafana/counter-bridge.json", 15),
    ] {
        let count = seen.get(&root().join(file)).copied().unwrap_or(0);
        assert!(count >= least, "{file}: {count}");
    }
}

#[test]
fn a_name_that_is_no_metric_is_noticed() {
    let all = all();
    for name in ["transfer_seconds_count", "transfer_seconds_bucket", "link_up", "alarms_total"] {
        assert!(metric(&all, name).is_some(), "{name}");
    }
    for name in ["link_up_count", "transfer_seconds_max", "alarm_total", "link"] {
        assert!(metric(&all, name).is_none(), "{name}");
    }
    let text =
        "sum(counter_bridge_link_up{counter=\"a\"}) / counter_bridge_ and counter_bridge_ready";
    assert_eq!(named(text).collect::<Vec<_>>(), ["link_up", "ready"]);
}
