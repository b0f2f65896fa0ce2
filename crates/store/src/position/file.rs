//! The position file: written in place after each commit, flushed once a second by a thread of its
//! own. The process may die at any moment: what it wrote is the system's. Only a loss of power can
//! take the last second of it.

use super::Position;
use super::slots::{self, Found, LENGTH};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// How old the file may be on the disk.
const FLUSH: Duration = Duration::from_secs(1);

/// What the file at `path` tells. An error is a file that is there and cannot be read.
pub(crate) fn look(path: &Path) -> io::Result<Found> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Missing),
        Err(error) => return Err(error),
    };
    let mut content = Vec::with_capacity(LENGTH);
    Read::by_ref(&mut file).take(LENGTH as u64).read_to_end(&mut content)?;
    Ok(slots::read(&content))
}

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct PositionFile {
    path: PathBuf,
    file: Arc<File>,
    written: Mutex<u64>,
    dirty: Arc<AtomicBool>,
    /// Whether the last writing failed: said once, not at every batch.
    failing: AtomicBool,
    /// Ends the thread when it is dropped.
    ends: Option<mpsc::Sender<()>>,
    flusher: Option<JoinHandle<()>>,
}

impl PositionFile {
    /// Opens the file, makes it if need be, and writes where the record stands: on the disk when this
    /// returns.
    pub(crate) fn begin(path: &Path, position: &Position) -> io::Result<PositionFile> {
        let written = match look(path)? {
            Found::Whole { written, .. } => written,
            Found::Missing | Found::Torn => 0,
        };
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(LENGTH as u64)?;
        let file = Arc::new(file);
        let dirty = Arc::new(AtomicBool::new(false));
        let (ends, ended) = mpsc::channel();
        let flusher = std::thread::Builder::new().name("position".to_owned()).spawn({
            let (file, dirty) = (file.clone(), dirty.clone());
            move || {
                while ended.recv_timeout(FLUSH) == Err(mpsc::RecvTimeoutError::Timeout) {
                    flush(&file, &dirty);
                }
                flush(&file, &dirty);
            }
        })?;
        let file = PositionFile {
            path: path.to_owned(),
            file,
            written: Mutex::new(written),
            dirty,
            failing: AtomicBool::new(false),
            ends: Some(ends),
            flusher: Some(flusher),
        };
        file.put(|| *position)?;
        file.file.sync_all()?;
        // The name is as durable as the content, or a loss of power takes both.
        if let Some(folder) = path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()?;
        }
        Ok(file)
    }

    /// Writes where the record stands. If it cannot be written the record is complete all the same,
    /// only a later loss would not be noticed: that is said, and nothing stops.
    ///
    /// `position` is asked while no other writes, so that what is newer is never overwritten.
    pub(crate) fn write(&self, position: impl FnOnce() -> Position) {
        match self.put(position) {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(file = %self.path.display(), "the position file is written again");
                }
            }
            Err(error) => {
                metrics::counter!("store_position_failures_total").increment(1);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    let file = self.path.display();
                    tracing::error!(%error, %file, "the position file cannot be written");
                }
            }
        }
    }

    fn put(&self, position: impl FnOnce() -> Position) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        *written += 1;
        self.file.write_all_at(&slots::encode(&position(), *written), slots::offset(*written))?;
        self.dirty.store(true, Ordering::Release);
        Ok(())
    }
}

impl Drop for PositionFile {
    fn drop(&mut self) {
        self.ends = None;
        if let Some(flusher) = self.flusher.take() {
            // It flushes what is left, and has nothing to panic about.
            let _ = flusher.join();
        }
    }
}

fn flush(file: &File, dirty: &AtomicBool) {
    if dirty.swap(false, Ordering::AcqRel)
        && let Err(error) = file.sync_data()
    {
        dirty.store(true, Ordering::Release);
        metrics::counter!("store_position_failures_total").increment(1);
        tracing::warn!(%error, "the position file is not flushed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Id;

    fn position(number: u64) -> Position {
        Position { record: Id([1; 16]), node: Id([2; 16]), lineage: 1, number, next_serial: 1 }
    }

    fn told(path: &Path) -> u64 {
        match look(path).expect("a file") {
            Found::Whole { position, .. } => position.number,
            found => panic!("{found:?}"),
        }
    }

    #[test]
    fn what_was_written_last_is_what_the_file_tells() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record.position");
        assert_eq!(look(&path).expect("nothing"), Found::Missing);
        let file = PositionFile::begin(&path, &position(0)).expect("a file");
        for number in 1..10 {
            file.write(|| position(number));
            assert_eq!(told(&path), number);
        }
        drop(file);
        let file = PositionFile::begin(&path, &position(9)).expect("a file");
        file.write(|| position(10));
        assert_eq!(told(&path), 10, "the count of writings goes on");
        std::fs::write(&path, [7; LENGTH]).expect("written");
        assert_eq!(look(&path).expect("a file"), Found::Torn);
    }
}
