//! Finds out which process holds a lock on a SQLite file, for the message that a person reads.

use std::path::{Path, PathBuf};

/// `process 4711 (sqlite3)`, or that nobody can be named. Only Linux tells.
pub(crate) fn who_holds(path: &Path) -> String {
    named(path, &["WRITE"])
}

/// The same of whoever has the file open at all: SQLite keeps a lock on its log for that.
pub(crate) fn who_has_open(path: &Path) -> String {
    named(path, &["READ", "WRITE"])
}

fn named(path: &Path, kinds: &[&str]) -> String {
    let mut shared = path.as_os_str().to_owned();
    shared.push("-shm");
    let inodes: Vec<u64> =
        [path.to_owned(), PathBuf::from(shared)].iter().filter_map(|file| inode(file)).collect();
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut holders: Vec<u32> = holders(&locks, &inodes, kinds);
    holders.sort_unstable();
    holders.dedup();
    if holders.is_empty() {
        return "another process".to_owned();
    }
    let names: Vec<String> = holders.into_iter().map(name).collect();
    names.join(" and ")
}

fn name(pid: u32) -> String {
    if pid == std::process::id() {
        return "this very process".to_owned();
    }
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(command) => format!("process {pid} ({})", command.trim_end()),
        Err(_) => format!("process {pid}"),
    }
}

fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|metadata| metadata.ino())
}

/// Processes with a lock of one of these kinds on one of the inodes. A line of `/proc/locks` reads
/// `1: POSIX  ADVISORY  WRITE 4711 08:01:131 120 120`.
fn holders(locks: &str, inodes: &[u64], kinds: &[&str]) -> Vec<u32> {
    locks
        .lines()
        .filter_map(|line| {
            let mut words =
                line.split_whitespace().skip_while(|word| !kinds.contains(word)).skip(1);
            let pid = words.next()?.parse().ok()?;
            let inode = words.next()?.rsplit(':').next()?.parse().ok()?;
            inodes.contains(&inode).then_some(pid)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_holders_of_the_file_are_named() {
        let locks = "1: POSIX  ADVISORY  WRITE 4711 08:01:131 120 120\n\
                     2: POSIX  ADVISORY  READ 4712 08:01:131 123 123\n\
                     3: -> POSIX  ADVISORY  WRITE 4713 08:01:131 120 120\n\
                     4: FLOCK  ADVISORY  WRITE 4714 00:1a:77 0 EOF\n";
        assert_eq!(holders(locks, &[131], &["WRITE"]), [4711, 4713]);
        assert_eq!(holders(locks, &[131], &["READ", "WRITE"]), [4711, 4712, 4713]);
        assert_eq!(holders(locks, &[], &["READ", "WRITE"]), [0_u32; 0]);
    }

    #[test]
    fn who_holds_a_file_is_found_by_the_file_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = ["one", "two"].map(|name| folder.path().join(name));
        let [one, _two] = paths.each_ref().map(|path| std::fs::File::create(path).expect("a file"));
        one.try_lock().expect("free");
        assert_eq!(
            paths.each_ref().map(|path| who_holds(path)),
            ["this very process", "another process"]
        );
    }
}
