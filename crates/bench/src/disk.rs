//! How long the disk takes to make something durable.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

/// Flushes that are timed: a median of so many is steady, and it takes well under a second on most
/// disks.
const FLUSHES: usize = 101;
/// What is written before each, in bytes: a page.
const PAGE: usize = 4096;

/// The median time of one flush of one page, in milliseconds.
pub(crate) fn flush_ms(folder: &Path) -> std::io::Result<f64> {
    let path = folder.join("flush.probe");
    let mut file = File::create(&path)?;
    file.write_all(&vec![0; PAGE * 16])?;
    file.sync_all()?;
    let mut times = Vec::with_capacity(FLUSHES);
    for flush in 0..FLUSHES {
        let place = u64::try_from(flush % 16 * PAGE).unwrap_or(0);
        file.seek(SeekFrom::Start(place))?;
        file.write_all(&[1; PAGE])?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed());
    }
    std::fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times[FLUSHES / 2].as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_flush_takes_some_time_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(super::flush_ms(folder.path()).expect("a time") > 0.0);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
