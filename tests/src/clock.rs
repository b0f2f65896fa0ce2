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
        Clock::with_library_below(Path::new(LIBRARIES), folder)
    }

    fn with_library_below(libraries: &Path, folder: &Path) -> Result<Clock> {
        let library = library(libraries).with_context(|| {
            format!(
                "no clock can be stepped: {LIBRARY} is not below {}; on Debian, as root: apt-get \
                 install libfaketime",
                libraries.display()
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

fn library(libraries: &Path) -> Option<PathBuf> {
    let architectures = fs::read_dir(libraries).ok()?.flatten().map(|entry| entry.path());
    std::iter::once(libraries.to_owned())
        .chain(architectures)
        .map(|folder| folder.join(LIBRARY))
        .find(|library| library.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// What a program that goes by the clock takes the time for, in seconds.
    fn shown(clock: &Clock) -> i64 {
        let output = Command::new("date").arg("+%s").envs(clock.environment()).output();
        let output = output.expect("there is `date`").stdout;
        String::from_utf8_lossy(&output).trim().parse().expect("seconds")
    }

    #[test]
    fn a_program_sees_the_time_that_is_set_and_others_do_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::new(folder.path()).expect("libfaketime is installed");
        for ahead_s in [0, 5 * 86_400, -90, 0] {
            clock.step_to(ahead_s).expect("it can be set");
            let off_by = shown(&clock) - right_time_s().expect("a time") - ahead_s;
            assert!(off_by.abs() < 60, "{off_by} s");
        }
    }

    #[test]
    fn without_the_library_it_is_said_where_it_comes_from() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Clock::with_library_below(folder.path(), folder.path()).expect_err("nothing");
        assert!(format!("{error:#}").contains("apt-get install libfaketime"), "{error:#}");
    }
}
