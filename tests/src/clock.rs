//! The clock of the bridge's machine, as far as its process can see it: it can be stepped, ahead and
//! back. The machine's own clock stays as it is; Debian's `libfaketime` stands between. The clock that
//! only goes forward is not touched.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where Debian keeps libraries; below it, those of each architecture.
const LIBRARIES: &str = "/usr/lib";

/// The library, below one of those.
const LIBRARY: &str = "faketime/libfaketime.so.1";

/// Where the library leaves two files for each process, named by its number.
const SHARED: &str = "/dev/shm";

/// A clock that can be stepped.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
    ahead_s: AtomicI64,
}

impl Clock {
    /// A clock that is right as yet; what it says lies in `folder`.
    pub fn new(folder: &Path) -> Result<Clock> {
        let library = library().with_context(|| {
            format!(
                "no clock can be stepped: {LIBRARY} is not below {LIBRARIES}; on Debian, as root: \
                 apt-get install libfaketime"
            )
        })?;
        let clock = Clock { library, file: folder.join("clock"), ahead_s: AtomicI64::new(0) };
        clock.step_to(0)?;
        Ok(clock)
    }

    /// From now on it is so many seconds ahead of the right time, or behind it if negative.
    pub fn step_to(&self, ahead_s: i64) -> Result<()> {
        // Whole at every moment: who reads it, reads one or the other.
        let next = self.file.with_extension("next");
        fs::write(&next, format!("{ahead_s:+}\n")).context("the clock could not be set")?;
        fs::rename(&next, &self.file).context("the clock could not be set")?;
        self.ahead_s.store(ahead_s, Ordering::SeqCst);
        Ok(())
    }

    /// By how much it is ahead now, in seconds.
    pub fn ahead_s(&self) -> i64 {
        self.ahead_s.load(Ordering::SeqCst)
    }

    /// What a program's environment must hold to go by it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone().into()),
            // A step is seen at the very next look.
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("DONT_FAKE_MONOTONIC", "1".into()),
            ("NO_FAKE_STAT", "1".into()),
        ]
    }

    /// Removes what the library leaves behind for each process, and no longer needs once the process
    /// is ready.
    pub(crate) fn tidy(process: u32) {
        for name in [format!("faketime_shm_{process}"), format!("sem.faketime_sem_{process}")] {
            // One that is not there need not be removed.
            let _ = fs::remove_file(Path::new(SHARED).join(name));
        }
    }
}

/// Seconds since 1970 UTC, by the right clock.
pub(crate) fn right_time_s() -> Result<i64> {
    let since: Duration = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_secs())?)
}

fn library() -> Option<PathBuf> {
    let architectures = fs::read_dir(LIBRARIES).ok()?.flatten().map(|entry| entry.path());
    std::iter::once(PathBuf::from(LIBRARIES))
        .chain(architectures)
        .map(|folder| folder.join(LIBRARY))
        .find(|library| library.is_file())
}
