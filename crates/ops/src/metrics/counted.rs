//! What is counted where it happens: what each is, and the words of its labels, so that each stands in the
//! text from the start with 0. A rate of what has never happened is then 0, and not nothing.

use api::problem::kind;
use coordinator::accusations::Fault;
use coordinator::events::Kind;
use domain::message::CounterId;
use metrics::{
    Label, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use store::FinalState;

/// How it goes.
#[derive(Clone, Copy)]
enum Goes {
    /// Only up.
    Up,
    /// Up and down.
    UpAndDown,
    /// It is a distribution.
    Spread,
}

/// The words of a label.
enum Words {
    /// These.
    Of(Vec<&'static str>),
    /// These, and the configured counters.
    OfAndCounters(Vec<&'static str>),
    /// The configured counters.
    Counters,
    /// Those that are said elsewhere.
    Elsewhere,
}

/// One of what is counted.
struct Counted {
    name: &'static str,
    goes: Goes,
    about: &'static str,
    /// Each label with its words.
    labels: Vec<(&'static str, Words)>,
}

fn plain(name: &'static str, goes: Goes, about: &'static str) -> Counted {
    Counted { name, goes, about, labels: Vec::new() }
}

impl Counted {
    fn by(mut self, label: &'static str, words: &[&'static str]) -> Counted {
        self.labels.push((label, Words::Of(words.to_vec())));
        self
    }

    fn by_counter_and(mut self, label: &'static str, words: &[&'static str]) -> Counted {
        self.labels.push((label, Words::OfAndCounters(words.to_vec())));
        self
    }

    /// By labels of which it is said elsewhere in which combinations they begin.
    fn by_elsewhere(mut self, labels: &[&'static str]) -> Counted {
        self.labels.extend(labels.iter().map(|label| (*label, Words::Elsewhere)));
        self
    }

    fn by_counter(mut self) -> Counted {
        self.labels.push(("counter", Words::Counters));
        self
    }

    /// Every combination of its labels' words.
    fn combinations(&self, counters: &[&CounterId]) -> Vec<Vec<Label>> {
        let mut all = vec![Vec::new()];
        for (label, words) in &self.labels {
            let words: Vec<String> = match words {
                Words::Of(words) => words.iter().map(|word| (*word).to_owned()).collect(),
                Words::OfAndCounters(words) => {
                    let words = words.iter().map(|word| (*word).to_owned());
                    words.chain(counters.iter().map(ToString::to_string)).collect()
                }
                Words::Counters => counters.iter().map(ToString::to_string).collect(),
                Words::Elsewhere => Vec::new(),
            };
            all = all
                .into_iter()
                .flat_map(|labels: Vec<Label>| {
                    words.iter().map(move |word| {
                        let label = Label::new(*label, word.clone());
                        labels.iter().cloned().chain([label]).collect()
                    })
                })
                .collect();
        }
        all
    }
}

const LISTENERS: &[&str] = &["api", "operators"];

/// Why somebody at the acceptor was not let in.
const NOT_LET_IN: &[&str] = &[
    "already_signed_on",
    "bad_proof",
    "busy",
    "closed",
    "displaced",
    "frame",
    "io",
    "malformed",
    "not_now",
    "other",
    "silent",
    "tls",
    "too_many",
    "unknown_party",
    "unsayable",
    "version",
];

#[expect(clippy::too_many_lines, reason = "a table")]
fn all() -> Vec<Counted> {
    use Goes::{Spread, Up, UpAndDown};
    let mut not_admitted: Vec<&str> =
        api::openapi::OF_SIGNED.iter().map(|kind| kind.slug).collect();
    not_admitted.extend([kind::OVERLOADED.slug, kind::MISSING_IDEMPOTENCY_KEY.slug]);
    let ends = [FinalState::Completed, FinalState::Refused, FinalState::Reversed];
    let ends = ends.map(FinalState::as_str);
    let faults = [Fault::Foreign, Fault::Contradiction].map(Fault::as_str);
    let alarms: Vec<&str> =
        Kind::ALL.into_iter().filter(|kind| kind.is_alarm()).map(Kind::as_str).collect();
    vec![
        plain("transfers_total", Up, "Transfers that became final, by their final state")
            .by("state", &ends),
        plain(
            "transfer_seconds",
            Spread,
            "From the acceptance of a transfer until its end was durable, by its final state",
        )
        .by("state", &ends),
        plain("api_requests_total", Up, "Requests to the transfer API, by operation and status")
            .by_elsewhere(&["operation", "status"]),
        plain(
            "api_request_seconds",
            Spread,
            "From a request's head until its answer, waiting for the end included, by operation",
        )
        .by("operation", api::requests::OPERATIONS),
        plain("alarms_total", Up, "Alarms raised for a person, by kind").by("kind", &alarms),
        plain("late_answers_agreed_total", Up, "Late answers that agree with the record"),
        plain(
            "counter_faults_total",
            Up,
            "What a counter did wrong: foreign = it spoke of what is not its own, contradiction = it contradicted what it had proven",
        )
        .by_counter()
        .by("fault", &faults),
        plain("counter_holds_total", Up, "Times that a counter was to get no new transfers")
            .by_counter(),
        plain(
            "open_transfers_unreadable",
            UpAndDown,
            "Open transfers whose rows cannot be read: in nobody's hands, a person has to settle them",
        ),
        plain(
            "late_answers_not_compared_total",
            Up,
            "Late answers that were not compared with the record, for there were too many",
        )
        .by_counter(),
        plain(
            "late_answers_left_out_total",
            Up,
            "Late answers that only repeat, by the counter that repeats itself",
        )
        .by_counter(),
        plain(
            "events_left_out_total",
            Up,
            "Events and log lines that were left out, for there were too many, by whom they are about",
        )
        .by_counter_and("of", &["alarms"]),
        plain(
            "export_dropped_total",
            Up,
            "Spans and lines that no collector of OpenTelemetry's has: there was no room, or it did not take them",
        )
        .by("kind", &["lines", "spans"]),
        plain("tasks_failed_total", Up, "Tasks that failed and were begun anew"),
        plain(
            "sign_ins_refused_total",
            Up,
            "Sign-ins of operators that were refused: a wrong name, password or code",
        ),
        plain(
            "requests_not_admitted_total",
            Up,
            "Requests that were turned away before they were looked at, by why",
        )
        .by("why", &not_admitted),
        plain("http_connections", UpAndDown, "Connections that have a place, by listener")
            .by("listener", LISTENERS),
        plain(
            "http_refused_connections_total",
            Up,
            "Connections that were not taken, by listener and why",
        )
        .by("listener", LISTENERS)
        .by("why", &["address_full", "full"]),
        plain(
            "http_closed_connections_total",
            Up,
            "Connections that the bridge closed, by listener and why",
        )
        .by("listener", LISTENERS)
        .by("why", &["displaced", "idle", "panic", "slow_body", "slow_head", "slow_reader"]),
        plain("http_accept_errors_total", Up, "Failures to accept a connection, by listener")
            .by("listener", LISTENERS),
        plain("link_door_waiting", UpAndDown, "Who dialled in and has not proven who it is"),
        plain("link_door_bound", UpAndDown, "How many may have dialled in and not proven who they are"),
        plain(
            "link_door_address_bound",
            UpAndDown,
            "How many of these there may be from one address",
        ),
        plain(
            "link_refused_connections_total",
            Up,
            "Who dialled in and was not let in, by why",
        )
        .by("why", NOT_LET_IN),
        plain("store_journal_batches_total", Up, "Database transactions of the journal"),
        plain("store_journal_failures_total", Up, "Database transactions that failed"),
        plain("store_journal_batch_writes", Spread, "Writes in one database transaction"),
        plain("store_journal_commit_seconds", Spread, "Duration of one commit"),
        plain(
            "store_account_entries_failures_total",
            Up,
            "Times that the index of accounts could not be filled further",
        ),
        plain(
            "store_position_failures_total",
            Up,
            "Times that the position file could not be written or flushed",
        ),
    ]
}

/// What is told of a metric. Its name is without the prefix.
#[cfg(test)]
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) labels: Vec<String>,
    pub(super) about: String,
}

/// Of each its name, type and labels, and what it is.
#[cfg(test)]
pub(super) fn described() -> Vec<Described> {
    let described = |counted: Counted| Described {
        name: counted.name.to_owned(),
        kind: match counted.goes {
            Goes::Up => "counter",
            Goes::UpAndDown => "gauge",
            Goes::Spread => "histogram",
        },
        labels: counted.labels.iter().map(|(label, _)| (*label).to_owned()).collect(),
        about: counted.about.to_owned(),
    };
    all().into_iter().map(described).collect()
}

/// Says what each is, and lets each begin with 0. The recorder is to be installed before.
pub(crate) fn begin(counters: &[&CounterId]) {
    for counted in all() {
        match counted.goes {
            Goes::Up => describe_counter!(counted.name, counted.about),
            Goes::UpAndDown => describe_gauge!(counted.name, counted.about),
            Goes::Spread => describe_histogram!(counted.name, counted.about),
        }
        for labels in counted.combinations(counters) {
            match counted.goes {
                Goes::Up => counter!(counted.name, labels).increment(0),
                Goes::UpAndDown => gauge!(counted.name, labels).increment(0.0),
                // It is there, and holds nothing.
                Goes::Spread => drop(histogram!(counted.name, labels)),
            }
        }
    }
    api::requests::begin();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if !["tests", "target"].iter().any(|other| path.ends_with(other)) {
                    sources(&path, into);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }

    /// The names that are counted in all the code.
    fn names() -> BTreeSet<String> {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files);
        let mut names = BTreeSet::new();
        // This file names them in its table.
        files.retain(|file| !file.ends_with("counted.rs"));
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a source file");
            for word in ["counter!(", "gauge!(", "histogram!("] {
                for (at, _) in text.match_indices(word) {
                    let rest = text[at + word.len()..].trim_start();
                    if let Some((name, _)) =
                        rest.strip_prefix('"').and_then(|it| it.split_once('"'))
                    {
                        names.insert(name.to_owned());
                    }
                }
            }
        }
        names
    }

    #[test]
    fn all_that_is_counted_is_described_and_nothing_else() {
        let described: BTreeSet<String> =
            all().iter().map(|counted| counted.name.to_owned()).collect();
        assert_eq!(described.len(), all().len(), "each once");
        assert_eq!(described, names());
    }

    #[test]
    fn every_combination_of_labels_begins() {
        let counters = ["futures", "securities"].map(|id| CounterId::new(id).expect("an id"));
        let counters: Vec<&CounterId> = counters.iter().collect();
        let said = |name: &str| -> Vec<String> {
            let all = all();
            let counted = all.iter().find(|counted| counted.name == name).expect("it is counted");
            let combinations = counted.combinations(&counters);
            let words = |labels: &Vec<Label>| {
                labels.iter().map(|label| label.value().to_owned()).collect::<Vec<_>>().join(" ")
            };
            combinations.iter().map(words).collect()
        };
        assert_eq!(said("tasks_failed_total"), [""]);
        assert_eq!(said("events_left_out_total"), ["alarms", "futures", "securities"]);
        assert!(said("api_requests_total").is_empty(), "never without its labels");
        assert_eq!(said("transfers_total"), ["completed", "refused", "reversed"]);
        assert_eq!(
            said("counter_faults_total"),
            [
                "futures foreign",
                "futures contradiction",
                "securities foreign",
                "securities contradiction"
            ]
        );
        assert!(said("alarms_total").contains(&"needs_operator".to_owned()));
        assert!(said("requests_not_admitted_total").contains(&"replayed_nonce".to_owned()));
    }
}
