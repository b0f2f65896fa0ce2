//! A password, from a terminal that does not show it or from a file.

use crate::config::read_key;
use crate::config::secret::less_one_line_end;
use anyhow::{Context, Result, bail};
use command_line::Usage;
use people::OperatorName;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, SecretString};
use std::io::{IsTerminal, Stdin, stdin};
use std::path::Path;
use supervise::tell;
use tokio::signal::unix::{SignalKind, signal};

/// Reads the password of an operator to be, or to be changed.
pub(super) async fn read(file: Option<&Path>, name: &OperatorName) -> Result<SecretString> {
    match file {
        Some(path) => of_file(path),
        None => asked(name).await,
    }
}

/// What a file holds, less one line end.
fn of_file(path: &Path) -> Result<SecretString> {
    let file = path.display();
    let content =
        read_key(path).with_context(|| format!("the password file {file} cannot be read"))?;
    if content.is_open_to_others {
        tell!("counter-bridge: others on this machine may read {file}: chmod 600 {file}");
    }
    let bytes = less_one_line_end(content.bytes);
    let text = std::str::from_utf8(bytes.expose_secret())
        .map_err(|_| Usage(format!("--password-file: {file} is no text in UTF-8")))?;
    Ok(text.into())
}

/// What somebody types twice.
async fn asked(name: &OperatorName) -> Result<SecretString> {
    if !stdin().is_terminal() {
        let why = "a password is asked for on a terminal only: name its file by --password-file";
        return Err(Usage(why.to_owned()).into());
    }
    let first = typed(&format!(
        "The password for {name}, which is not shown; four or five words that do not belong together are good:"
    ))
    .await?;
    let second = typed("The same again:").await?;
    if first.expose_secret() != second.expose_secret() {
        bail!("these were two passwords: nothing was done");
    }
    Ok(first)
}

/// What somebody types when asked for it; the terminal shows nothing of it. Whoever gives up finds the terminal as it
/// was.
async fn typed(question: &str) -> Result<SecretString> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    // First: whoever has read the question types.
    let hidden = Hidden::begin(stdin())?;
    tell!("{question}");
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        stdin().read_line(&mut line).map(|count| (count, less_one_line_end(line.into_bytes())))
    });
    let read = tokio::select! {
        read = reading => read?,
        _ = interrupted.recv() => bail!("interrupted: nothing was done"),
        _ = terminated.recv() => bail!("ended: nothing was done"),
    };
    drop(hidden);
    let (count, line) = read.context("the terminal cannot be read")?;
    if count == 0 {
        bail!("the terminal has ended: nothing was done");
    }
    Ok(std::str::from_utf8(line.expose_secret()).unwrap_or_default().into())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden {
    terminal: Stdin,
    before: Termios,
}

impl Hidden {
    fn begin(terminal: Stdin) -> Result<Hidden> {
        let before = tcgetattr(&terminal).context("the terminal cannot be asked")?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // What is said next begins a line.
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)
            .context("the terminal cannot be told not to show a password")?;
        Ok(Hidden { terminal, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// For tests: a file that is its owner's alone.
#[cfg(test)]
pub(crate) fn write(file: &Path, content: impl AsRef<[u8]>) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(file);
    opened.and_then(|mut file| file.write_all(content.as_ref())).expect("written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_less_one_line_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        for (content, password) in
            [("a b c\n", "a b c"), ("a b c \r\n", "a b c "), ("a\n\n", "a\n"), ("a", "a")]
        {
            write(&file, content);
            assert_eq!(of_file(&file).expect("read").expose_secret(), password);
        }
        write(&file, b"\xff");
        assert!(of_file(&file).expect_err("no text").is::<Usage>());
        let error = of_file(&folder.path().join("none")).expect_err("no file").to_string();
        assert!(error.contains("none"), "{error}");
    }
}
