//! The newcomer's first command: a small town of two counters and a bridge, in which every ending
//! of a transfer happens once, and the books are shown to balance.

mod books;
mod people;
mod scenes;
mod town;

use anyhow::{Context, Result, bail};
use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use scenes::{Scene, Seen};
use supervise::{say, say_if_heard};
use tokio::signal::unix::{SignalKind, signal};
use town::Town;

/// How the demonstration is run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// End after the scenes; succeed only if every ending was the expected one.
    pub(crate) once: bool,
    /// Another database than an embedded one in the fresh folder.
    pub(crate) database: Option<String>,
}

/// Runs the demonstration.
pub(crate) async fn run(options: Options) -> Result<()> {
    let started = std::time::Instant::now();
    say!("\ncounter-bridge: money between two counters, exactly once\n")?;
    let town = Town::start(&options).await?;
    say!("  folder     {}", town.folder().display())?;
    say!("  database   {}", town.database_name())?;
    for counter in town.counters() {
        say!(
            "  {:<10} a counter of its own: process {}, {}",
            counter.id,
            counter.process_id,
            counter.address
        )?;
    }
    say!("  API        http://{}", town.addresses().api)?;
    say!("  console    http://{}, where these sign in:", town.addresses().operators)?;
    for somebody in town.people() {
        say!("  {:<10} as {}, password {}", somebody.name, somebody.role, somebody.password)?;
    }
    say!("")?;
    town.connected().await?;
    say!("Both counters have proven that they hold the key, and are connected.\n")?;

    let mut seen = Vec::new();
    for scene in Scene::ALL {
        say!("{}. {}", seen.len() + 1, scene.title())?;
        say!("   {}", scene.story())?;
        let done = scene.play(&town, &seen).await?;
        say!("   {} {}\n", if done.as_expected { "✓" } else { "✗" }, done.what)?;
        seen.push(done);
    }

    say!("{}\n", transfers(&seen))?;
    let verdict = books::prove(&town, &seen)?;
    say!("{}\n", verdict.table)?;
    for line in &verdict.lines {
        say!("  {line}")?;
    }
    let expected = seen.iter().all(|seen| seen.as_expected);
    say!(
        "\n{} in {:.1} s",
        if expected && verdict.balanced {
            "Every ending was the expected one, and every fen is accounted for,"
        } else {
            "NOT as expected, see ✗ above,"
        },
        started.elapsed().as_secs_f64()
    )?;
    if options.once {
        let folder = town.folder().to_owned();
        town.stop().await;
        if !(expected && verdict.balanced) {
            bail!("the demonstration did not end as expected; look at {}", folder.display());
        }
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("{} could not be removed", folder.display()))?;
        return Ok(());
    }
    // Before anybody is told: what just dies leaves its counters running.
    let mut terminate = signal(SignalKind::terminate())?;
    say!("\nIt stays up until you press Ctrl-C. Look at http://{}", town.addresses().operators)?;
    say!("or move money yourself:\n")?;
    say!("  {}\n", town.example())?;
    let waits = seen.iter().filter_map(|seen| seen.transfer.as_ref());
    for transfer in waits.filter(|transfer| !transfer.state.is_final()) {
        say!(
            "One transfer waits for two persons. On the console one signs in and proposes how it ends, the other"
        )?;
        say!("approves it; or with commands, of which the first says which PROPOSAL it is:\n")?;
        for command in town.by_two(&transfer.master_serial) {
            say!("  {command}")?;
        }
        say!("")?;
    }
    let failed = tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None)?,
        _ = terminate.recv() => None,
        why = town.failed() => Some(why),
    };
    say_if_heard!("\nstopping");
    town.stop().await;
    failed.map_or(Ok(()), |why| bail!("the bridge could not go on: {why}"))
}

/// Every transfer, its serials, its ending and why.
fn transfers(seen: &[Seen]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["", "master serial", "legs: sub serial, what is known", "ending", "why"]);
    if table.width().is_none() {
        table.set_width(132);
    }
    for (number, seen) in seen.iter().enumerate() {
        let Some(transfer) = &seen.transfer else {
            let nothing = ["none", "nothing was begun, the key is still free", "not let in"];
            table.add_row(
                [format!("{}", number + 1)]
                    .into_iter()
                    .chain(nothing.map(str::to_owned))
                    .chain([seen.why.clone()]),
            );
            continue;
        };
        let legs: Vec<String> = transfer
            .legs
            .iter()
            .map(|leg| {
                format!(
                    "{:<8} {} {}",
                    format!("{:?}", leg.role).to_lowercase(),
                    leg.sub_serial,
                    knowledge(leg.knowledge)
                )
            })
            .collect();
        table.add_row([
            format!("{}", number + 1),
            transfer.master_serial.clone(),
            legs.join("\n"),
            transfer.state.to_string(),
            seen.why.clone(),
        ]);
    }
    table
}

const fn knowledge(knowledge: client::Knowledge) -> &'static str {
    match knowledge {
        client::Knowledge::NotSent => "not sent",
        client::Knowledge::Unknown => "unknown",
        client::Knowledge::Done => "done",
        client::Knowledge::Refused => "refused",
        client::Knowledge::NotExecuted => "never ran",
    }
}

/// `123456` fen as `1,234.56`.
fn money(minor: i64) -> String {
    let digits = (minor / 100).abs().to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{}{grouped}.{:02}", if minor < 0 { "-" } else { "" }, (minor % 100).abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_for_people() {
        assert_eq!(money(0), "0.00");
        assert_eq!(money(123_456_789), "1,234,567.89");
        assert_eq!(money(-100_000), "-1,000.00");
        assert_eq!(money(5), "0.05");
    }
}
