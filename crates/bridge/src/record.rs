//! `counter-bridge record`: whether the record is all that was recorded, and the release of one that is
//! not, by two persons who have looked.

use crate::config::{self, Config};
use crate::operator::two::{Two, TwoTokens};
use anyhow::Result;
use clap::{Args, Subcommand};
use command_line::Ended;
use secrecy::ExposeSecret;
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;
use store::people::People;
use store::{RecordStatus, Release};
use supervise::say;

/// `record`.
#[derive(Debug, Args)]
pub(crate) struct RecordCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say whether the record is behind, and what it lacks; a bridge may be running
    Status(StatusCommand),
    /// Let a record that is behind go on, under a new lineage; no bridge may be running on it
    Release(ReleaseCommand),
}

#[derive(Debug, Args)]
struct StatusCommand {
    /// The bridge's configuration: it names the database with the record
    #[arg(long, value_name = "FILE", env = "COUNTER_BRIDGE_CONFIG")]
    config: PathBuf,
    /// Answer in JSON, for machines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ReleaseCommand {
    /// The bridge's configuration: it names the database with the record
    #[arg(long, value_name = "FILE", env = "COUNTER_BRIDGE_CONFIG")]
    config: PathBuf,
    #[command(flatten)]
    tokens: TwoTokens,
    /// Why it may go on: what became of what is missing, and how that is known
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Serials that are never given out: more than all transfers since the copy was made. Needed only
    /// if the position file cannot tell how far it came
    #[arg(long, value_name = "COUNT")]
    skip_serials: Option<u64>,
}

/// Looks or releases.
pub(crate) async fn run(command: RecordCommand) -> Result<Ended> {
    match command.what {
        What::Status(StatusCommand { config, json }) => {
            let config = Config::load_to_check(&config, config::environment())?;
            let status = store::status(config.database.expose_secret(), &config.record).await?;
            let text = if json { machines(&status) } else { people(&status) };
            say!("{text}")?;
            Ok(if status.behind.is_none() { Ended::Well } else { Ended::Badly })
        }
        What::Release(ReleaseCommand { config, tokens, reason, skip_serials }) => {
            let config = Config::load_to_check(&config, config::environment())?;
            let url = config.database.expose_secret();
            // What is not there cannot be released, and is not made by that.
            store::status(url, &config.record).await?;
            let people = People::open(url).await?;
            let two = Two::of(&tokens, &people).await?;
            let said = Release {
                who: two.proposer().to_string(),
                approved_by: two.approver().to_string(),
                reason: reason.clone(),
                skip_serials,
            };
            let release = store::release(url, &config.record, &said);
            let words = ("proposed_release", "released");
            let missing = two.act(&people, words, ("the record", &reason), release).await;
            people.close().await;
            say!("{} and {} released it, although {}", two.proposer(), two.approver(), missing?)?;
            say!(
                "What was open in it is asked about and given up, never credited again; see \
                 `counter-bridge audit` for what only the counters know."
            )?;
            Ok(Ended::Well)
        }
    }
}

fn people(status: &RecordStatus) -> String {
    let known = |number: Option<u64>| number.map_or("not known".to_owned(), |n| n.to_string());
    let mut text = match &status.behind {
        None => "the record is complete, as far as is known".to_owned(),
        Some(why) => format!("the record is BEHIND: {why}"),
    };
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\nrecord            {}\
         \nlast batch        {} recorded, {} told\
         \nnext serial       {} by the record, {} by the position file\
         \nreleases so far   {}",
        status.record,
        known(status.recorded),
        known(status.told),
        status.next_serial,
        known(status.told_next_serial),
        status.releases,
    );
    text
}

fn machines(status: &RecordStatus) -> String {
    json!({
        "record": status.record,
        "behind": status.behind,
        "recorded_batch": status.recorded,
        "told_batch": status.told,
        "next_serial": status.next_serial,
        "told_next_serial": status.told_next_serial,
        "releases": status.releases,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_first() {
        let status = RecordStatus {
            record: "aa".to_owned(),
            behind: Some("3 batches are missing".to_owned()),
            recorded: Some(4),
            told: Some(7),
            next_serial: 10_001,
            told_next_serial: None,
            releases: 0,
        };
        assert_eq!(
            people(&status),
            "the record is BEHIND: 3 batches are missing\n\
             record            aa\n\
             last batch        4 recorded, 7 told\n\
             next serial       10001 by the record, not known by the position file\n\
             releases so far   0"
        );
        assert!(machines(&status).contains(r#""told_batch":7"#));
    }
}
