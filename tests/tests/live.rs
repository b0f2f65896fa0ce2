//! The script of the operators' pages, held to its rules by a test of its own in Node: when it asks for a page again, what it
//! does when the stream of events breaks or falls behind, and what it leaves to whoever fills in a form.

use anyhow::{Context, Result, ensure};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Set where Node is installed for tests.
const NODE_VARIABLE: &str = "COUNTER_BRIDGE_TEST_NODE";

#[tokio::test]
async fn the_script_of_the_pages_keeps_its_rules() -> Result<()> {
    if std::env::var(NODE_VARIABLE).is_err() {
        println!("left out: {NODE_VARIABLE} is not set; `cargo xtask test` sets it");
        return Ok(());
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/node/live.mjs");
    let trying = Command::new("node")
        .args(["--test", script])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(Duration::from_mins(2), trying).await.context("it ends")??;
    let said = String::from_utf8_lossy(&ended.stdout);
    ensure!(ended.status.success(), "{said}");
    // One that finds no test, or not all, succeeds, too.
    ensure!(said.contains("# pass 14\n"), "{said}");
    Ok(())
}
