//! What the kernel counts: processor time, memory, clocks and files.

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::Duration;

/// Files that a process has open besides its links.
const OTHER_FILES: u64 = 200;

/// User and system time of this process until now.
pub(crate) fn processor_time() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

/// A clock that all processes of the machine share.
pub(crate) fn machine_time() -> Duration {
    clock(ClockId::Monotonic)
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Duration::new(seconds, u32::try_from(nanos).unwrap_or(0))
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").context("/proc/self/smaps_rollup")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).context("no Rss")?;
    let kilobytes: u64 = line.split_whitespace().next().context("no number")?.parse()?;
    Ok(kilobytes * 1024)
}

/// Busy time of all processors, and of all processors together how much there was.
pub(crate) fn machine_busy() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _waiting, hard, soft, ..] = ticks[..] else { return None };
    Some(Duration::from_millis((user + nice + system + hard + soft) * 10))
}

/// Makes sure that so many connections can be open at once.
pub(crate) fn allow_files(connections: u64) -> Result<()> {
    let wanted = connections + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    ensure!(
        raised.is_ok(),
        "{connections} connections need {wanted} open files, and this process may have {} \
         (at most {}): raise it with `ulimit -n {wanted}`, or measure fewer links with --idle and \
         --herd",
        limit.current.unwrap_or(0),
        limit.maximum.unwrap_or(0),
    );
    Ok(())
}
