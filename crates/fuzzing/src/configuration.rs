//! The configuration.

use crate::config::Config;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const SECRET: &str = "c0ffee-never-shown-c0ffee-never-shown-c0ffee";

/// A TOML file; behind a NUL, variables as lines NAME=VALUE. Secret files hold what no message may
/// show.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (text, variables) = text.split_once('\0').unwrap_or((text, ""));
    if text.contains("c0ffee") || variables.contains("c0ffee") {
        return;
    }
    let variables = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let read_file = |path: &Path| match path.extension() {
        // Each file has its own: no two parties may have one key.
        Some(_) => Ok([SECRET.as_bytes(), path.as_os_str().as_bytes()].concat().into()),
        None => Err(std::io::ErrorKind::NotFound.into()),
    };
    match Config::from_text(text, Path::new("folder"), variables, &read_file) {
        Ok(config) => {
            let shown = format!("{config:?} {}", config.database_shown());
            assert!(!shown.contains("c0ffee"), "a secret is shown: {shown}");
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a reason");
            for mistake in &mistakes {
                let shown = mistake.shown("bridge.toml");
                assert!(!shown.contains("c0ffee"), "a secret is shown: {shown}");
            }
        }
    }
}
