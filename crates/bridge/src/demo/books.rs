//! Whether the counters' own books account for every fen, judged from their files alone.

use super::money;
use super::scenes::Seen;
use super::town::Town;
use anyhow::{Context, Result};
use client::{Role, State};
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One line of a counter's books.
#[derive(Debug, Deserialize)]
struct Line {
    kind: String,
    #[serde(default)]
    serial: Option<String>,
    #[serde(default)]
    amount: Option<i64>,
}

/// What the books say.
pub(crate) struct Verdict {
    pub(crate) table: Table,
    pub(crate) lines: Vec<String>,
    pub(crate) balanced: bool,
}

/// Sums of one counter's books, in minor units.
#[derive(Default)]
struct Sums {
    opened: i64,
    debited: i64,
    credited: i64,
    returned: i64,
    postings: BTreeMap<String, usize>,
}

impl Sums {
    fn holds(&self) -> i64 {
        self.opened - self.debited + self.credited + self.returned
    }
}

/// Compares the books with each other and with what the API told.
pub(crate) fn prove(town: &Town, seen: &[Seen]) -> Result<Verdict> {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
        "counter's own books",
        "held at first",
        "debited",
        "returned",
        "credited",
        "holds now",
    ]);
    let mut all = Sums::default();
    for counter in town.counters() {
        let sums = read(&counter.books)
            .with_context(|| format!("the books of {} cannot be read", counter.id))?;
        table.add_row([
            counter.id.to_owned(),
            money(sums.opened),
            money(sums.debited),
            money(sums.returned),
            money(sums.credited),
            money(sums.holds()),
        ]);
        all.opened += sums.opened;
        all.debited += sums.debited;
        all.credited += sums.credited;
        all.returned += sums.returned;
        for (serial, count) in sums.postings {
            *all.postings.entry(serial).or_default() += count;
        }
    }
    table.add_row([
        "together".to_owned(),
        money(all.opened),
        money(all.debited),
        money(all.returned),
        money(all.credited),
        money(all.holds()),
    ]);
    for column in 1..=5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }

    // What waits for persons was taken, and has arrived nowhere.
    let waits = seen.iter().filter_map(|seen| seen.transfer.as_ref());
    let waits = waits.filter(|transfer| transfer.state == State::NeedsOperator);
    let in_transit: i64 = waits.filter_map(|transfer| transfer.amount).sum();
    let conserved = all.debited == all.credited + all.returned + in_transit;
    let once = all.postings.values().all(|count| *count == 1);
    let agreed = seen.iter().all(|seen| agrees(seen, &all.postings));
    let mark = |good: bool| if good { "✓" } else { "✗" };
    let lines = vec![
        format!(
            "{} debited {} = credited {} + returned {} + {} in transit, for which two persons are asked",
            mark(conserved),
            money(all.debited),
            money(all.credited),
            money(all.returned),
            money(in_transit)
        ),
        format!("{} {} postings, no sub serial posted twice", mark(once), all.postings.len()),
        format!("{} the books hold exactly the legs that the API told of", mark(agreed)),
    ];
    Ok(Verdict { table, lines, balanced: conserved && once && agreed })
}

fn read(path: &std::path::Path) -> Result<Sums> {
    let mut sums = Sums::default();
    for line in std::fs::read_to_string(path)?.lines() {
        let line: Line = serde_json::from_str(line)?;
        let amount = line.amount.unwrap_or(0);
        match line.kind.as_str() {
            "opened" => sums.opened += amount,
            "debit" => sums.debited += amount,
            "credit" => sums.credited += amount,
            "reversal" => sums.returned += amount,
            _ => continue,
        }
        if line.kind != "opened"
            && let Some(serial) = line.serial
        {
            *sums.postings.entry(serial).or_default() += 1;
        }
    }
    Ok(sums)
}

fn agrees(seen: &Seen, postings: &BTreeMap<String, usize>) -> bool {
    let Some(transfer) = &seen.transfer else { return true };
    let posted = |role: Role| {
        transfer.legs.iter().any(|leg| leg.role == role && postings.contains_key(&leg.sub_serial))
    };
    let found = (posted(Role::Debit), posted(Role::Credit), posted(Role::Reversal));
    match transfer.state {
        State::Completed => found == (true, true, false),
        State::Refused => found == (false, false, false),
        State::Reversed => found == (true, false, true),
        State::NeedsOperator => found == (true, false, false),
        _ => false,
    }
}
