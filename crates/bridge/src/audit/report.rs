//! An audit's result, as tables for people and as JSON for machines.

use crate::person::tables;
use domain::shown::money;
use reconcile::Verdict;
use serde_json::{Value, json};
use std::fmt::Write;

/// What was audited, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// The database, without its password.
    pub(super) database: String,
    /// Whose statement was read, and where from.
    pub(super) statements: Vec<(String, String)>,
    /// How many transfers the record holds.
    pub(super) transfers: usize,
    /// How many postings the counters state.
    pub(super) postings: usize,
    pub(super) verdict: Verdict,
    /// When, in microseconds since 1970 UTC.
    pub(super) now: i64,
}

impl Report {
    /// Whether every unit is accounted for.
    pub(super) fn is_clean(&self) -> bool {
        self.verdict.findings.is_empty()
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} in {}, held against {}",
            counted(self.transfers, "transfer"),
            tables::plain(&self.database),
            counted(self.postings, "posting"),
        );
        for (counter, source) in &self.statements {
            let _ = writeln!(text, "  {counter}: {}", tables::plain(source));
        }
        self.sums(&mut text);
        self.open(&mut text);
        self.by_word(&mut text);
        if self.is_clean() {
            text.push_str("\nEvery unit of money is accounted for.");
        } else {
            let found = counted(self.verdict.findings.len(), "finding");
            let _ = writeln!(text, "\nNOT every unit of money is accounted for: {found}.");
            for finding in &self.verdict.findings {
                let _ = writeln!(text, "  - {}", tables::plain(&finding.to_string()));
            }
            text.push_str(
                "Look at each transfer on the operators' page, or at \
                 /ops/v1/transfers/SERIAL there, and ask the counter's people about what no \
                 transfer explains.",
            );
        }
        text
    }

    fn sums(&self, text: &mut String) {
        let header = [
            "currency",
            "debited",
            "credited",
            "returned",
            "in transit",
            "on a person's word",
            "unaccounted",
        ];
        let mut sums = tables::table(header);
        for (currency, of) in &self.verdict.currencies {
            let shown = |minor: i128| match i64::try_from(minor) {
                Ok(minor) => money(minor, currency),
                Err(_) => format!("{minor} minor units"),
            };
            sums.add_row([
                currency.clone(),
                shown(of.debited),
                shown(of.credited),
                shown(of.returned),
                shown(of.in_transit),
                shown(of.on_a_persons_word),
                // What is wrong need not show in a sum: that it is zero would say too much.
                match of.unaccounted() {
                    0 if !self.verdict.findings.is_empty() => "see below".to_owned(),
                    minor => shown(minor),
                },
            ]);
        }
        if !sums.is_empty() {
            let _ = writeln!(text, "{sums}");
        }
    }

    fn open(&self, text: &mut String) {
        if self.verdict.open.is_empty() {
            return;
        }
        let _ = writeln!(text, "\nOpen: {}", counted(self.verdict.open.len(), "transfer"));
        let mut table = tables::table(["transfer", "state", "age", "in transit"]);
        for open in &self.verdict.open {
            let currency = open.transfer.order.currency.to_string();
            table.add_row([
                open.transfer.master.to_string(),
                open.transfer.standing.as_str().to_owned(),
                tables::lasting(self.age_s(open.transfer.created_at)),
                money(open.in_transit, &currency),
            ]);
        }
        let _ = writeln!(text, "{table}");
    }

    fn by_word(&self, text: &mut String) {
        if self.verdict.by_word.is_empty() {
            return;
        }
        let _ = writeln!(
            text,
            "\nEnded by a person, without a posting that shows it: {}",
            counted(self.verdict.by_word.len(), "transfer")
        );
        let mut table = tables::table(["transfer", "state", "amount", "who", "why"]);
        for (transfer, word) in &self.verdict.by_word {
            table.add_row([
                transfer.master.to_string(),
                transfer.standing.as_str().to_owned(),
                money(transfer.order.amount.minor(), &transfer.order.currency.to_string()),
                word.who.to_string(),
                word.note.to_string(),
            ]);
        }
        let _ = writeln!(text, "{table}");
    }

    /// For machines. Sums beyond 64 bits are `null`.
    pub(super) fn json(&self) -> Value {
        let minor = |sum: i128| json!(i64::try_from(sum).ok());
        let currencies = self.verdict.currencies.iter().map(|(currency, of)| {
            json!({
                "currency": currency,
                "debited": minor(of.debited),
                "credited": minor(of.credited),
                "returned": minor(of.returned),
                "in_transit": minor(of.in_transit),
                "on_a_persons_word": minor(of.on_a_persons_word),
                "unaccounted": minor(of.unaccounted()),
            })
        });
        let open = self.verdict.open.iter().map(|open| {
            json!({
                "master_serial": open.transfer.master,
                "state": open.transfer.standing.as_str(),
                "age_s": self.age_s(open.transfer.created_at),
                "in_transit": open.in_transit,
                "currency": open.transfer.order.currency,
            })
        });
        let by_word = self.verdict.by_word.iter().map(|(transfer, word)| {
            json!({
                "master_serial": transfer.master,
                "state": transfer.standing.as_str(),
                "amount": transfer.order.amount.minor(),
                "currency": transfer.order.currency,
                "who": word.who,
                "note": word.note,
            })
        });
        json!({
            "accounted": self.is_clean(),
            "database": self.database,
            "transfers": self.transfers,
            "postings": self.postings,
            "currencies": currencies.collect::<Vec<_>>(),
            "open": open.collect::<Vec<_>>(),
            "on_a_persons_word": by_word.collect::<Vec<_>>(),
            "findings": self.verdict.findings.iter().map(super::json::finding)
                .collect::<Vec<_>>(),
        })
    }

    fn age_s(&self, since: i64) -> i64 {
        self.now.saturating_sub(since).max(0) / 1_000_000
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
