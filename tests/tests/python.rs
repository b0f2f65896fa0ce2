//! An app backend in another language, with another implementation of RFC 9421.

use std::process::Stdio;
use system_tests::database::Kind;
use system_tests::town::{Faults, OPEN, RICH, Town};
use tokio::process::Command;

/// Names a Python with the packages of `tests/python/requirements.txt`.
const PYTHON_VARIABLE: &str = "COUNTER_BRIDGE_TEST_PYTHON";

#[tokio::test]
async fn an_independent_client_is_served_and_its_forgeries_are_refused() {
    let Some(python) = std::env::var_os(PYTHON_VARIABLE) else {
        println!("left out: {PYTHON_VARIABLE} is not set; `cargo xtask test` sets it");
        return;
    };
    let town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/signed_client.py");
    let ended = Command::new(python)
        .arg(script)
        .args(["--url", &town.bridge.api(), "--alg", "hmac-sha256"])
        .args(["--keyid", town.app.key_id, "--key-file"])
        .arg(&town.app.secret_file)
        .args(["--other-keyid", town.other_app.key_id, "--other-key-file"])
        .arg(&town.other_app.secret_file)
        .args(["--from", &format!("securities:{RICH}"), "--to", &format!("futures:{OPEN}")])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("Python starts");
    let said = String::from_utf8_lossy(&ended.stdout);
    let complained = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}\n{complained}\n{}", town.bridge.log());
    assert_eq!(town.audit().await.expect("an audit"), []);
}
