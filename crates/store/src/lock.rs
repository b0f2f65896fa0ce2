//! One bridge at a time on a SQLite file: a lock on a file beside it, which the kernel drops with the
//! process however that ends.

use crate::process::Process;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two looks at a lock.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct RecordLock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug)]
pub(crate) enum NotLocked {
    /// Another holds it: who, in words.
    Held(String),
    /// The file beside the record cannot be used.
    Io(io::Error),
}

/// Takes the lock beside the record at `path`; one that is about to be dropped is waited for.
pub(crate) async fn take(path: &Path, patience: Duration) -> Result<RecordLock, NotLocked> {
    let file = beside(path);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(file)
        .map_err(NotLocked::Io)?;
    let given_up = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < given_up => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(TryLockError::WouldBlock) => return Err(NotLocked::Held(written(&mut file))),
            Err(TryLockError::Error(error)) => return Err(NotLocked::Io(error)),
        }
    }
    // What it says is for people alone: without it the lock is as good.
    let _ = sign(&mut file);
    Ok(RecordLock { _file: file })
}

/// Who holds the lock beside the record at `path`, if anybody does.
pub(crate) fn held_by(path: &Path) -> Option<String> {
    let mut file = OpenOptions::new().read(true).write(true).open(beside(path)).ok()?;
    match file.try_lock() {
        // It goes again with the file.
        Ok(()) | Err(TryLockError::Error(_)) => None,
        Err(TryLockError::WouldBlock) => Some(written(&mut file)),
    }
}

/// The lock's file: beside the record, under its name.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", Process::this().told())
}

/// Who holds it, by what they wrote.
fn written(file: &mut File) -> String {
    let mut text = String::new();
    let read =
        file.seek(SeekFrom::Start(0)).and_then(|_| file.take(1024).read_to_string(&mut text));
    let text = text.trim();
    if read.is_err() || text.is_empty() { "another bridge".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holds_it_and_the_next_is_told_who() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record.sqlite");
        let first = take(&path, Duration::ZERO).await.expect("free");
        match take(&path, Duration::ZERO).await {
            Err(NotLocked::Held(by)) => {
                assert!(by.contains(&format!("process {} ", std::process::id())), "{by}");
                assert!(by.contains(" since "), "{by}");
            }
            other => panic!("{other:?}"),
        }
        assert!(held_by(&path).is_some_and(|by| by.contains(" since ")));
        drop(first);
        assert_eq!(held_by(&path), None);
        assert_eq!(held_by(&folder.path().join("nothing")), None);
        take(&path, Duration::ZERO).await.expect("free again");
    }

    #[test]
    fn one_that_did_not_say_who_it_is_is_another_bridge() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record.sqlite");
        for words in [&b""[..], b" \n", b"\xff\xfe"] {
            std::fs::write(beside(&path), words).expect("a file");
            let file = File::open(beside(&path)).expect("it is there");
            file.try_lock().expect("free");
            assert_eq!(held_by(&path).as_deref(), Some("another bridge"), "{words:?}");
        }
    }
}
