//! What `/metrics` says of the bridge as a whole: how it stands at the moment of asking. It is written here and not
//! kept by the recorder, so that what is gone (a currency, a state) is gone from the text as well.

use super::Gauges;
use crate::health::is_ready;
use crate::seconds_between;
use coordinator::standing::Record;
use coordinator::{Coordinator, JOURNAL_BEHIND, Summary, Total, Transit};
use domain::transfer::State;
use std::time::Instant;
use store::JournalHealth;
use supervise::vitals::Ailing;

/// How the bridge stands.
pub(super) struct Standing {
    /// What the shards count; `None` if one does not answer.
    pub(super) summary: Option<Summary>,
    /// What they count of money in transit; `None` likewise.
    pub(super) transit: Option<Transit>,
    pub(super) journal: JournalHealth,
    pub(super) record: Record,
    pub(super) ailing: Ailing,
    /// Writes that wait to be durable.
    pub(super) writes_waiting: usize,
    /// Transfers that may be open at once.
    pub(super) most_open: usize,
    /// Each counter, and whether it gets no new transfers.
    pub(super) held: Vec<(String, bool)>,
    pub(super) uptime_s: i64,
    /// Microseconds since 1970 UTC.
    pub(super) now: i64,
}

impl Standing {
    pub(super) async fn of(coordinator: &Coordinator, started_at: i64, now: i64) -> Standing {
        // A shard that stands still is waited for a moment, and takes no other metric with it.
        let counted = coordinator.counted().await.ok();
        let counted = counted.map(|counted| (counted.summary.clone(), counted.transit.clone()));
        let (summary, transit) = counted.unzip();
        let standing = coordinator.standing().state();
        let counters = coordinator.counters().iter();
        let held = counters.map(|it| (it.id().to_string(), standing.held.contains_key(it.id())));
        Standing {
            held: held.collect(),
            summary,
            transit,
            journal: coordinator.journal_health(),
            record: standing.record.clone(),
            ailing: coordinator.vitals().look(Instant::now()),
            writes_waiting: coordinator.writes_waiting(),
            most_open: coordinator.most_open(),
            uptime_s: seconds_between(started_at, now),
            now,
        }
    }

    /// Appends it.
    pub(super) fn write(&self, text: &mut String) {
        let mut gauges = Gauges { text };
        gauges.describe("build_info", "1, and by its label which version this is");
        gauges.value("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        gauges.describe("uptime_seconds", "Seconds since the bridge started");
        gauges.value("uptime_seconds", &[], self.uptime_s);
        gauges
            .describe("ready", "1 while the bridge takes transfers, as /readyz says, otherwise 0");
        let ready = is_ready(&self.journal, &self.record, &self.ailing);
        gauges.value("ready", &[], u8::from(ready));
        gauges.describe(
            "tasks_ailing",
            "Tasks that have died or stand still, as /healthz names them",
        );
        let ailing = self.ailing.dead.len() + self.ailing.still.len();
        gauges.value("tasks_ailing", &[], ailing);
        gauges.describe("record_behind", "1 while the record is behind and waits for a release");
        gauges.value("record_behind", &[], u8::from(self.record != Record::Current));
        gauges.describe("journal_ok", "1 while the database records, otherwise 0");
        gauges.value("journal_ok", &[], u8::from(self.journal == JournalHealth::Ok));
        gauges.describe("journal_writes_waiting", "Writes that wait to be durable");
        gauges.value("journal_writes_waiting", &[], self.writes_waiting);
        gauges.describe(
            "journal_writes_waiting_bound",
            "Writes that may wait before new transfers are turned away",
        );
        gauges.value("journal_writes_waiting_bound", &[], JOURNAL_BEHIND);
        gauges.describe_count(
            "log_lines_dropped_total",
            "Lines of the log that were dropped, for nobody took them",
        );
        gauges.value("log_lines_dropped_total", &[], supervise::lines::dropped());
        gauges.describe(
            "counter_held",
            "1 while a counter gets no new transfers until a person has looked",
        );
        for (counter, held) in &self.held {
            gauges.value("counter_held", &[("counter", counter)], u8::from(*held));
        }
        gauges.describe("transfers_open_bound", "Transfers that may be open at once");
        gauges.value("transfers_open_bound", &[], self.most_open);
        self.transfers(&mut gauges);
        self.money(&mut gauges);
    }

    /// What the shards count of money in transit.
    fn money(&self, gauges: &mut Gauges<'_>) {
        let transit = self.transit.as_ref();
        gauges.describe(
            "in_transit_conserved",
            "1 while what legs and transfers say of money in transit is the same, otherwise 0",
        );
        if let Some(transit) = transit {
            let conserved = transit.totals.values().all(Total::is_conserved);
            gauges.value("in_transit_conserved", &[], u8::from(conserved));
        }
        let counters = || transit.into_iter().flat_map(|transit| &transit.counters);
        gauges.describe(
            "counter_unknown_legs",
            "Legs at a counter that were sent and whose outcome is not known",
        );
        for at in counters() {
            gauges.value(
                "counter_unknown_legs",
                &[("counter", at.counter.as_str())],
                at.sight.unknown,
            );
        }
        gauges.describe(
            "counter_unknown_minor_units",
            "The money of these legs, in minor units of the currency",
        );
        for at in counters() {
            for (currency, books) in at.books.iter().filter(|(_, books)| books.unknown > 0) {
                let labels = [("counter", at.counter.as_str()), ("currency", currency.as_str())];
                gauges.value("counter_unknown_minor_units", &labels, books.unknown);
            }
        }
    }

    /// What the shards count. The families are described in any case: they are there, and nothing is known of them.
    fn transfers(&self, gauges: &mut Gauges<'_>) {
        let summary = self.summary.as_ref();
        gauges.describe("transfers_open", "Transfers that are not final, by state");
        for state in State::ALL.into_iter().filter(|state| !state.is_final()) {
            let Some(summary) = summary else { continue };
            let count = summary.by_state.get(state.as_str()).copied().unwrap_or(0);
            gauges.value("transfers_open", &[("state", state.as_str())], count);
        }
        gauges.describe(
            "in_transit_minor_units",
            "Money debited and neither credited nor returned, in minor units of the currency",
        );
        for (currency, amount) in summary.into_iter().flat_map(|summary| &summary.in_transit) {
            gauges.value("in_transit_minor_units", &[("currency", currency)], amount);
        }
        gauges.describe(
            "in_transit_oldest_age_seconds",
            "Age of the oldest transfer with money in transit; 0 if there is none",
        );
        if let Some(summary) = summary {
            let age = summary.oldest_in_transit_at.map_or(0, |at| seconds_between(at, self.now));
            gauges.value("in_transit_oldest_age_seconds", &[], age);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::values;
    use super::*;
    use coordinator::transit::{Books, Sight};
    use coordinator::{AtCounter, Colour};
    use domain::money::Currency;
    use expect_test::expect;
    use std::time::Duration;

    /// Nothing is wrong, and nothing is going on.
    pub(in super::super) fn well() -> Standing {
        Standing {
            summary: Some(Summary::default()),
            transit: Some(Transit::default()),
            journal: JournalHealth::Ok,
            record: Record::Current,
            ailing: Ailing::default(),
            writes_waiting: 0,
            most_open: 100_000,
            held: vec![("futures".to_owned(), false), ("securities".to_owned(), true)],
            uptime_s: 3600,
            now: 91_000_000,
        }
    }

    /// At one counter, two legs are not known.
    pub(in super::super) fn one_unknown() -> Transit {
        let books = Books { unknown: 700_000, ..Books::default() };
        let futures = AtCounter {
            counter: "futures".parse().expect("an id"),
            colour: Colour::Unknown,
            why: Vec::new(),
            sight: Sight { unknown: 2, ..Sight::default() },
            books: [(Currency::CNY, books)].into(),
        };
        Transit { counters: vec![futures], ..Transit::default() }
    }

    fn written(standing: &Standing) -> String {
        let mut text = String::new();
        standing.write(&mut text);
        text
    }

    #[test]
    fn standing_is_written_as_prometheus_reads_it() {
        let summary = Summary {
            by_state: [("needs_operator", 2), ("crediting", 5)].into(),
            in_transit: [("CNY".to_owned(), 700_000)].into(),
            oldest_in_transit_at: Some(1_000_000),
        };
        let transit = Some(one_unknown());
        let standing = Standing { summary: Some(summary), transit, writes_waiting: 7, ..well() };
        expect![[r#"
            build_info{version="0.1.0"} 1
            uptime_seconds 3600
            ready 1
            tasks_ailing 0
            record_behind 0
            journal_ok 1
            journal_writes_waiting 7
            journal_writes_waiting_bound 4096
            log_lines_dropped_total 0
            counter_held{counter="futures"} 0
            counter_held{counter="securities"} 1
            transfers_open_bound 100000
            transfers_open{state="accepted"} 0
            transfers_open{state="debiting"} 0
            transfers_open{state="crediting"} 5
            transfers_open{state="reversing"} 0
            transfers_open{state="needs_operator"} 2
            in_transit_minor_units{currency="CNY"} 700000
            in_transit_oldest_age_seconds 90
            in_transit_conserved 1
            counter_unknown_legs{counter="futures"} 2
            counter_unknown_minor_units{counter="futures",currency="CNY"} 700000
        "#]]
        .assert_eq(&values(&written(&standing)));
    }

    /// Each of what makes the bridge unready shows by itself, and in `ready`.
    #[test]
    fn what_is_wrong_is_seen_and_what_is_not_known_is_not_made_up() {
        let behind = Record::Behind { since: 7, why: "3 batches are missing".to_owned() };
        let failing = JournalHealth::Failing { since: 5, why: "disk full".to_owned() };
        let still = vec![("shard 0".to_owned(), Duration::from_secs(12))];
        let ailing =
            Ailing { dead: vec![("link".to_owned(), "it ended".to_owned())], still, essential: 1 };
        for (standing, line) in [
            (Standing { record: behind, ..well() }, "\nrecord_behind 1\n"),
            (Standing { journal: failing, ..well() }, "\njournal_ok 0\n"),
            (Standing { ailing, ..well() }, "\ntasks_ailing 2\n"),
        ] {
            let text = written(&standing);
            assert!(text.contains(line) && text.contains("\nready 0\n"), "{text}");
        }
        let text = written(&Standing { summary: None, transit: None, ..well() });
        assert!(!text.contains("\ntransfers_open{") && !text.contains("\nin_transit"), "{text}");
        assert!(
            text.contains("\nready 1\n") && text.contains("# TYPE transfers_open gauge"),
            "{text}"
        );
    }
}
