//! `counter-bridge find`: transfers by whatever number somebody has in hand.

use super::found::{Found, Line};
use super::tables::{plain, table};
use super::{Access, Form};
use anyhow::Result;
use clap::Args;
use command_line::Ended;
use domain::shown::money;
use supervise::say;

/// `find`.
#[derive(Debug, Args)]
pub(crate) struct FindCommand {
    /// A master serial, a sub serial, a running number, an idempotency key, an account, or a counter's own serial
    #[arg(value_name = "TEXT")]
    text: String,
}

/// Finds them; nothing found is an end of its own.
pub(crate) async fn run(command: FindCommand, access: &Access, form: Form) -> Result<Ended> {
    let found = access.operators()?.search(&command.text).await?;
    let is_nothing = found.found.iter().all(|one| one.transfers.is_empty());
    match form {
        Form::Json => say!("{}", serde_json::to_string(&found)?)?,
        Form::Tables if is_nothing => say!("{}", of_nothing(&found))?,
        Form::Tables => {
            let header =
                ["found by", "master serial", "state", "amount", "from", "to", "app", "accepted"];
            let mut rows = table(header);
            for one in &found.found {
                for line in &one.transfers {
                    rows.add_row(row(&one.by, line));
                }
            }
            say!("{rows}")?;
            if found.found.iter().any(|one| one.next.is_some()) {
                say!("there are more: these are the newest")?;
            }
        }
    }
    Ok(if is_nothing { Ended::Badly } else { Ended::Well })
}

/// Why nothing is shown.
fn of_nothing(found: &Found) -> &'static str {
    if found.found.iter().any(|one| one.next.is_some()) {
        "none of those that were looked at; older ones are still being entered in the index: ask again in some minutes"
    } else {
        "no transfer has that number, key or account"
    }
}

fn row(by: &str, line: &Line) -> [String; 8] {
    let place = |place: &client::Account| plain(&format!("{}:{}", place.counter, place.account));
    [
        plain(&by.replace('_', " ")),
        plain(&line.master_serial),
        plain(&line.state),
        money(line.amount, &plain(&line.currency)),
        place(&line.from),
        place(&line.to),
        plain(&line.app),
        plain(&line.created_at),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_finds_nothing_is_told_if_not_all_was_looked_at() {
        let found =
            |found| serde_json::from_value::<Found>(json!({ "found": found })).expect("found");
        assert!(of_nothing(&found(json!([]))).starts_with("no transfer"));
        let next =
            json!([{"by": "counter_serial", "transfers": [], "next": "2026112100000000042"}]);
        assert!(of_nothing(&found(next)).contains("ask again"));
    }

    #[test]
    fn a_line_is_written_for_people() {
        let line: Line = serde_json::from_value(json!({
            "master_serial": "2026112100000000042", "state": "completed",
            "from": {"counter": "securities", "account": "6001"},
            "to": {"counter": "futures", "account": "8001"}, "amount": 123_456, "currency": "CNY",
            "app": "shop\u{1b}[31m", "reason": null, "created_at": "2026-11-21T10:00:00Z",
            "ended_at": null,
        }))
        .expect("a line");
        let row = row("sub_serial", &line);
        assert_eq!((row[0].as_str(), row[2].as_str()), ("sub serial", "completed"));
        assert_eq!(row[3], "1,234.56 CNY");
        assert_eq!((row[4].as_str(), row[5].as_str()), ("securities:6001", "futures:8001"));
        assert!(!row[6].contains('\u{1b}'), "nobody's words drive the terminal");
    }
}
