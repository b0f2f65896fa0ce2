//! `cargo xtask counts`: how many instructions the pieces of the hot path take, against the numbers
//! that are kept in `docs/counts.json`. Instructions, not times: they are the same on a busy machine.
//!
//! Each piece runs twice under callgrind, the second time doing it once more as often; the
//! difference is free of start-up and of what was prepared. Callgrind shows the program a processor
//! of its own making, so that most differences between processors do not show; it has AVX2 only
//! where the real one has, and signatures take more instructions without. What is counted is built with the features of
//! the whole workspace, so that a production build may differ a little.

use crate::place::Place;
use crate::steps::{Steps, output, run};
use crate::tools;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use supervise::say_if_heard;

/// What is counted.
const PROGRAM: &str = "counts";

/// What is kept.
const KEPT: &str = "docs/counts.json";
/// More than this share above what is kept fails, in percent.
const TOLERANCE: u64 = 10;

/// What is to be done with the pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Count and compare.
    Compare,
    /// Count and keep.
    Accept,
    /// Say how long each takes.
    Time,
}

/// Counts or times all pieces.
pub(crate) fn counts(what: What) -> Result<()> {
    let place = Place::find()?;
    let mut steps = Steps::new();
    match what {
        What::Compare | What::Accept => {
            steps.step("tools", || tools::provide(&[tools::FOR_CHECK, tools::FOR_COUNTS]))?;
            steps.step("instruction counts", || count(&place, what))?;
            say_if_heard!("\n==> passed");
        }
        What::Time => {
            let program = place.optimized(PROGRAM)?;
            run(Command::new(program).arg("time"))?;
        }
    }
    Ok(())
}

/// Counts all pieces and compares them with what is kept.
pub(crate) fn compare(place: &Place) -> Result<()> {
    count(place, What::Compare)
}

fn count(place: &Place, what: What) -> Result<()> {
    let program = place.optimized(PROGRAM)?;
    let folder = place.target.join("tmp");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut counted = BTreeMap::new();
    for line in output(Command::new(&program).arg("list"))?.lines() {
        let mut fields = line.split('\t');
        let (Some(name), Some(iterations)) = (fields.next(), fields.next()) else {
            bail!("`counts list` wrote {line:?}");
        };
        let iterations: u64 = iterations.parse().with_context(|| format!("{line:?}"))?;
        counted.insert(name.to_owned(), piece(&program, &folder, name, iterations)?);
    }
    let file = place.root.join(KEPT);
    if what == What::Accept {
        let text = serde_json::to_string_pretty(&counted)? + "\n";
        fs::write(&file, text).with_context(|| format!("{KEPT} cannot be written"))?;
        say_if_heard!("    {} counts are kept in {KEPT}", counted.len());
        return Ok(());
    }
    let text = fs::read_to_string(&file).with_context(|| format!("{KEPT} cannot be read"))?;
    let kept: BTreeMap<String, u64> =
        serde_json::from_str(&text).with_context(|| format!("{KEPT} is not what was written"))?;
    let verdict = judge(&kept, &counted);
    say_if_heard!("{}", verdict.table.trim_end());
    if verdict.complaints.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\nif that is meant, `cargo xtask counts --accept` keeps the new counts",
        verdict.complaints.join("\n")
    )
}

/// Instructions of one operation. Both runs go side by side.
fn piece(program: &Path, folder: &Path, name: &str, iterations: u64) -> Result<u64> {
    let own = std::process::id();
    let start = |rounds: u32| {
        let file = folder.join(format!("callgrind-{own}-{name}-{rounds}"));
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--quiet", "--tool=callgrind"])
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(program)
            .args(["run", name, &rounds.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        valgrind.spawn().context("valgrind cannot be started").map(|child| (child, file))
    };
    let both = [start(1)?, start(2)?].map(|(mut child, file)| -> Result<u64> {
        let status = child.wait().context("valgrind cannot be waited for")?;
        let text = fs::read_to_string(&file);
        // It may not have been written.
        let _ = fs::remove_file(&file);
        if !status.success() {
            bail!("`counts run {name}` under valgrind ended with {status}");
        }
        total(&text.with_context(|| format!("{} cannot be read", file.display()))?)
            .with_context(|| format!("callgrind did not say what {name} takes"))
    });
    let [once, twice] = both;
    let difference = twice?.checked_sub(once?);
    difference
        .map(|more| more / iterations)
        .with_context(|| format!("{name} takes less if it is done twice"))
}

/// What callgrind's file says of the whole run.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// What became of all counts.
struct Verdict {
    table: String,
    complaints: Vec<String>,
}

fn judge(kept: &BTreeMap<String, u64>, counted: &BTreeMap<String, u64>) -> Verdict {
    let row = |cells: [&str; 4]| {
        let [name, then, now, change] = cells;
        format!("    {name:<26} {then:>12} {now:>12} {change:>9}\n")
    };
    let mut rows = vec![row(["piece", "kept", "now", "change"])];
    let mut complaints = Vec::new();
    for (name, now) in counted {
        let Some(then) = kept.get(name) else {
            rows.push(row([name, "-", &now.to_string(), ""]));
            complaints.push(format!("{name} is not among the counts that are kept"));
            continue;
        };
        let tenths = tenths_of_percent(*then, *now);
        let sign = if now < then { '-' } else { '+' };
        let change = format!("{sign}{}.{} %", tenths / 10, tenths % 10);
        rows.push(row([name, &then.to_string(), &now.to_string(), &change]));
        if *now > *then && tenths > TOLERANCE * 10 {
            complaints.push(format!(
                "{name} takes {now} instructions instead of {then}: {change}, and {TOLERANCE} % are allowed"
            ));
        }
    }
    for name in kept.keys().filter(|name| !counted.contains_key(*name)) {
        complaints.push(format!("{name} is kept but no longer counted"));
    }
    Verdict { table: rows.concat(), complaints }
}

/// How far apart two counts are, in tenths of a percent of the first.
fn tenths_of_percent(then: u64, now: u64) -> u64 {
    now.abs_diff(then) * 1000 / then.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
        rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn the_total_is_found() {
        assert_eq!(total("events: Ir\nfn=(1)\n1 5\n\ntotals: 12345\n"), Some(12345));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn only_more_than_a_tenth_more_fails() {
        let kept = map(&[("a", 1000), ("b", 1000), ("c", 1000)]);
        let verdict = judge(&kept, &map(&[("a", 1100), ("b", 1102), ("c", 10)]));
        assert_eq!(
            verdict.complaints,
            ["b takes 1102 instructions instead of 1000: +10.2 %, and 10 % are allowed"]
        );
        assert!(verdict.table.contains("-99.0 %"), "{}", verdict.table);
    }

    #[test]
    fn what_is_only_on_one_side_is_named() {
        let verdict = judge(&map(&[("gone", 1)]), &map(&[("new", 1)]));
        assert_eq!(
            verdict.complaints,
            ["new is not among the counts that are kept", "gone is kept but no longer counted"]
        );
    }
}
