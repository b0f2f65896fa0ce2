//! The token by which the operators' side knows who asks.

use crate::config::read_key;
use crate::config::secret::less_one_line_end;
use anyhow::{Context, Result};
use command_line::Usage;
use people::TokenSecret;
use secrecy::ExposeSecret;
use std::path::Path;
use supervise::tell;

/// Reads the token in a file, less one line end. Whether others may read it too is told: whoever has it acts in its
/// operator's name.
pub(crate) fn read(path: &Path) -> Result<TokenSecret> {
    let file = path.display();
    let content =
        read_key(path).with_context(|| format!("the token file {file} cannot be read"))?;
    if content.is_open_to_others {
        tell!("counter-bridge: others on this machine may read {file}: chmod 600 {file}");
    }
    let bytes = less_one_line_end(content.bytes);
    let text = std::str::from_utf8(bytes.expose_secret()).unwrap_or_default();
    // What stands there instead is not repeated: it may be another secret.
    let token = text.parse().map_err(|error| Usage(format!("--token-file: {file}: {error}")))?;
    Ok(token)
}
