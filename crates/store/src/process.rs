//! Which process holds a record: on which machine, since when, and whether it still lives.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::path::Path;
use supervise::clock::now_micros;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where the kernel shows processes: all of them, or to each user only its own.
const PROCESSES: &str = "/proc";

/// A process, so that another can tell whether it is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// The machine's name.
    pub(crate) host: String,
    /// Tells one start of the machine, and one container on it, from all others.
    pub(crate) boot: String,
    pub(crate) pid: u32,
    /// When it was started, in the kernel's ticks: a process of another time may get its number.
    pub(crate) started: u64,
    /// Since when it holds the record, in microseconds since 1970 UTC. For people.
    pub(crate) since: i64,
}

impl Process {
    /// This one, which holds something from now on.
    pub(crate) fn this() -> Process {
        Process {
            host: first_line(Path::new("/proc/sys/kernel/hostname"))
                .or_else(|| first_line(Path::new("/etc/hostname")))
                .unwrap_or_else(|| "this machine".to_owned()),
            boot: boot(),
            pid: std::process::id(),
            started: started(Path::new(PROCESSES), std::process::id()).unwrap_or(0),
            since: now_micros(),
        }
    }

    /// Whether it is certain that it has ended: it was a process of this very machine, since its last
    /// start, and there is none such any more. Of another machine nobody here can tell.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone_by(Path::new(PROCESSES))
    }

    /// The same by the processes that a folder shows.
    fn is_gone_by(&self, processes: &Path) -> bool {
        let here = !self.boot.is_empty() && self.boot == boot();
        here && match started(processes, self.pid) {
            Some(started) => started != self.started,
            // Not to be seen, or not there.
            None => !is_there(processes, self.pid),
        }
    }

    /// In words: `process 4711 (counter-bridge) on db1 since 2026-11-28T05:20:11Z`.
    pub(crate) fn told(&self) -> String {
        let since = OffsetDateTime::from_unix_timestamp(self.since / 1_000_000)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok())
            .unwrap_or_else(|| "an unknown moment".to_owned());
        let Process { host, pid, .. } = self;
        let name = if self.boot == boot() { name(*pid) } else { String::new() };
        format!("process {pid}{name} on {host} since {since}")
    }
}

fn name(pid: u32) -> String {
    let command = first_line(Path::new(&format!("/proc/{pid}/comm")));
    command.map(|command| format!(" ({command})")).unwrap_or_default()
}

/// The start of the machine, and the name space of process numbers: another container's process 17 is
/// not ours. Empty where that is not to be seen: then nothing is known of anybody's process.
fn boot() -> String {
    let boot = first_line(Path::new("/proc/sys/kernel/random/boot_id"));
    let names = fs::read_link("/proc/self/ns/pid").ok();
    match (boot, names) {
        (Some(boot), Some(names)) => format!("{boot} {}", names.display()),
        (None, _) | (_, None) => String::new(),
    }
}

/// Whether there is a process of this number, dead and not yet buried ones left out. The kernel says so
/// of processes, too, that the folder does not show to us.
fn is_there(processes: &Path, pid: u32) -> bool {
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    let is_dead = stat(processes, pid).is_some();
    !is_dead && test_kill_process(number) != Err(Errno::SRCH)
}

fn first_line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(str::to_owned)
}

/// What the kernel shows of a process.
fn stat(processes: &Path, pid: u32) -> Option<String> {
    fs::read_to_string(processes.join(format!("{pid}/stat"))).ok()
}

/// When a process was started, in ticks since the machine was; `None` if there is none. One that is
/// dead and only not yet buried counts as none.
fn started(processes: &Path, pid: u32) -> Option<u64> {
    let text = stat(processes, pid)?;
    // The name is in parentheses and may hold anything; the state is the first word after it.
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    let state = words.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    words.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{WaitId, WaitIdOptions, waitid};

    #[test]
    fn who_lives_is_not_gone_and_who_is_elsewhere_is_not_known_to_be() {
        let this = Process::this();
        assert!(!this.is_gone());
        assert!(
            Process { started: this.started + 1, ..this.clone() }.is_gone(),
            "another's number"
        );
        assert!(Process { pid: u32::MAX, ..this.clone() }.is_gone());
        assert!(!Process { pid: u32::MAX, boot: "another".to_owned(), ..this.clone() }.is_gone());
        assert!(this.told().contains(" since 20"), "{}", this.told());
        let command = fs::read_to_string("/proc/self/comm").expect("it has a name");
        let named = format!("process {} ({}) on ", std::process::id(), command.trim_end());
        assert!(this.told().starts_with(&named), "{}", this.told());
        let elsewhere = Process { boot: "another".to_owned(), ..this.clone() }.told();
        assert!(elsewhere.starts_with(&format!("process {} on ", this.pid)), "{elsewhere}");
    }

    #[test]
    fn this_start_of_the_machine_is_told_from_all_others() {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("it is shown");
        assert!(boot().contains(id.trim_end()), "{}", boot());
    }

    /// The number of one that was buried may be another's by now, which is not the one either.
    #[test]
    fn who_has_ended_is_gone_before_and_after_it_is_buried() {
        let mut child = std::process::Command::new("true").spawn().expect("it starts");
        let ended = Process { pid: child.id(), started: 0, ..Process::this() };
        let unburied = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&child)), unburied).expect("it is watched");
        assert!(ended.is_gone(), "dead");
        child.wait().expect("it is buried");
        assert!(ended.is_gone(), "buried");
    }

    #[test]
    fn only_the_first_line_of_a_file_is_read_and_none_of_what_is_not_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hostname");
        assert_eq!(first_line(&path), None);
        for (text, line) in [("", None), ("db1", Some("db1")), ("db1\ndb2\n", Some("db1"))] {
            fs::write(&path, text).expect("a file");
            assert_eq!(first_line(&path).as_deref(), line, "{text:?}");
        }
    }

    #[test]
    fn who_lives_and_is_not_shown_is_not_gone() {
        let nothing = tempfile::tempdir().expect("a folder");
        let this = Process::this();
        assert!(!this.is_gone_by(nothing.path()));
        assert!(Process { pid: u32::MAX, ..this }.is_gone_by(nothing.path()));
    }
}
