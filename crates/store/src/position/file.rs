//! The position file: written in place after each commit, flushed once a second by a thread of its
//! own. The process may die at any moment: what it wrote is the system's. Only a loss of power can
//! take the last second of it.

use super::Position;
use super::slots::{self, Found, LENGTH};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How old the file may be on the disk.
const FLUSH: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 1000 });

/// A flush that takes longer is worth a word.
const LATE: Duration = Duration::from_secs(10);

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
    shared: Arc<Shared>,
    written: Mutex<u64>,
    /// Whether the last writing failed: said once, not at every batch.
    failing: AtomicBool,
    flusher: Mutex<Flusher>,
}

/// What the thread that flushes has in hand.
#[derive(Debug)]
struct Shared {
    file: File,
    dirty: AtomicBool,
    /// When the file was last known to be on the disk, in milliseconds since `began`.
    flushed_at: AtomicU64,
    began: Instant,
    /// Makes the thread panic.
    #[cfg(test)]
    panics: AtomicBool,
}

/// The thread that flushes. Whoever writes looks after it: one that has died is started anew.
#[derive(Debug)]
struct Flusher {
    /// Ends the thread when it is dropped.
    ends: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Whether it was said that it is late.
    late: bool,
}

impl Flusher {
    fn start(shared: &Arc<Shared>) -> io::Result<Flusher> {
        let (ends, ended) = mpsc::channel();
        let shared = shared.clone();
        let thread = std::thread::Builder::new().name("position".to_owned()).spawn(move || {
            while ended.recv_timeout(FLUSH) == Err(mpsc::RecvTimeoutError::Timeout) {
                shared.flush();
            }
            shared.flush();
        })?;
        Ok(Flusher { ends: Some(ends), thread: Some(thread), late: false })
    }

    /// Whether the file is as old on the disk as is worth a word, and was not the last time.
    fn turns_late(&mut self, age: Duration) -> bool {
        let was_late = std::mem::replace(&mut self.late, age > LATE);
        self.late && !was_late
    }

    /// Whether the thread has ended, although nobody asked it to.
    fn has_died(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Puts on the disk what was written.
    fn flush(&self) {
        #[cfg(test)]
        assert!(!self.panics.swap(false, Ordering::AcqRel), "as a test wants");
        let at = self.now();
        if self.dirty.swap(false, Ordering::AcqRel)
            && let Err(error) = self.file.sync_data()
        {
            self.dirty.store(true, Ordering::Release);
            metrics::counter!("store_position_failures_total").increment(1);
            tracing::warn!(%error, "the position file is not flushed");
            return;
        }
        self.flushed_at.store(at, Ordering::Release);
    }
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
        let shared = Arc::new(Shared {
            file,
            dirty: AtomicBool::new(false),
            flushed_at: AtomicU64::new(0),
            began: Instant::now(),
            #[cfg(test)]
            panics: AtomicBool::new(false),
        });
        let flusher = Mutex::new(Flusher::start(&shared)?);
        let file = PositionFile {
            path: path.to_owned(),
            shared,
            written: Mutex::new(written),
            failing: AtomicBool::new(false),
            flusher,
        };
        file.put(|| *position)?;
        file.shared.file.sync_all()?;
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
        self.look_after_flusher();
        let written = self.put(position);
        if written.is_err() {
            metrics::counter!("store_position_failures_total").increment(1);
        }
        if self.is_news(written.is_err()) {
            let file = self.path.display();
            match written {
                Ok(()) => tracing::info!(%file, "the position file is written again"),
                Err(error) => tracing::error!(%error, %file, "the position file cannot be written"),
            }
        }
    }

    /// Whether it was otherwise the last time: only then it is worth a line in the log.
    fn is_news(&self, fails: bool) -> bool {
        self.failing.swap(fails, Ordering::Relaxed) != fails
    }

    fn put(&self, position: impl FnOnce() -> Position) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        *written += 1;
        let slot = slots::encode(&position(), *written);
        self.shared.file.write_all_at(&slot, slots::offset(*written))?;
        self.shared.dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Starts the thread anew if it has died, and says once that it is late if its disk hangs: nothing
    /// waits for it, but after a loss of power the file would be as old.
    fn look_after_flusher(&self) {
        let mut flusher = self.flusher.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.path.display();
        if flusher.has_died() {
            metrics::counter!("store_position_failures_total").increment(1);
            match Flusher::start(&self.shared) {
                Ok(another) => {
                    *flusher = another;
                    tracing::error!(%file, "what flushes the position file had died: started anew");
                }
                Err(error) => tracing::error!(%file, %error, "nothing flushes the position file"),
            }
        }
        let age = self.shared.now().saturating_sub(self.shared.flushed_at.load(Ordering::Acquire));
        if flusher.turns_late(Duration::from_millis(age)) {
            metrics::counter!("store_position_failures_total").increment(1);
            tracing::error!(%file, age_ms = age, "the position file is not flushed: its disk hangs");
        }
    }
}

impl Drop for PositionFile {
    fn drop(&mut self) {
        let flusher = self.flusher.get_mut().unwrap_or_else(PoisonError::into_inner);
        flusher.ends = None;
        if let Some(thread) = flusher.thread.take() {
            // It flushes what is left; one that has died is made up for.
            let _ = thread.join().inspect_err(|_| self.shared.flush());
        }
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
        // Should one writing be torn, the other slot holds the one before.
        let content = std::fs::read(&path).expect("a file");
        let torn = [0, 1].map(|slot| {
            let mut content = content.clone();
            let offset = usize::try_from(slots::offset(slot)).expect("small");
            content[offset..offset + 16].fill(7);
            std::fs::write(&path, content).expect("written");
            told(&path)
        });
        assert!(torn == [9, 10] || torn == [10, 9], "{torn:?}");
        std::fs::write(&path, [7; LENGTH]).expect("written");
        assert_eq!(look(&path).expect("a file"), Found::Torn);
        assert!(look(&path.join("in it")).is_err(), "that is not the same as none");
        let since = file.shared.now();
        until(|| file.shared.now() > since + 1);
    }

    /// A disk that takes nothing is a line in the log, and not one for each batch.
    #[test]
    fn that_it_cannot_be_written_is_said_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record.position");
        let file = PositionFile::begin(&path, &position(0)).expect("a file");
        let told = [false, true, true, false, false, true].map(|fails| file.is_news(fails));
        assert_eq!(told, [false, true, false, true, false, true]);
    }

    #[test]
    fn a_disk_that_hangs_is_told_of_once() {
        let mut flusher = Flusher { ends: None, thread: None, late: false };
        let told = [9_999, 10_000, 10_001, 60_000, 10_000, 10_001]
            .map(|age| flusher.turns_late(Duration::from_millis(age)));
        assert_eq!(told, [false, false, true, false, false, true]);
    }

    /// Whoever closes the file leaves it as it is to be found.
    #[test]
    fn what_was_written_is_flushed_before_the_file_is_closed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record.position");
        let file = PositionFile::begin(&path, &position(0)).expect("a file");
        file.write(|| position(1));
        let shared = file.shared.clone();
        drop(file);
        assert!(!shared.dirty.load(Ordering::Acquire));
        assert_eq!(Arc::strong_count(&shared), 1, "its thread has ended");
    }

    /// Waits until so much is so, but not for ever.
    fn until(what: impl Fn() -> bool) {
        let given_up = Instant::now() + Duration::from_secs(30);
        while !what() {
            assert!(Instant::now() < given_up, "in time");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_flusher_that_has_died_is_started_anew_by_whoever_writes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record.position");
        let file = PositionFile::begin(&path, &position(0)).expect("a file");
        let died = || file.flusher.lock().expect("a flusher").has_died();
        until(|| !file.shared.dirty.load(Ordering::Acquire));
        file.shared.panics.store(true, Ordering::Release);
        until(died);
        file.write(|| position(1));
        assert!(!died());
        until(|| !file.shared.dirty.load(Ordering::Acquire));
        assert_eq!(told(&path), 1);
    }
}
