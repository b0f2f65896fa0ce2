//! What a database promises about what it has committed, and what weakens that promise. A bridge
//! tells people what is committed; on a database that may forget it, that would be a guess.

use crate::error::OpenError;
use sea_orm::sqlx::mysql::{MySqlConnection, MySqlRow};
use sea_orm::sqlx::{self, Executor, Row};
use std::collections::BTreeMap;
use std::path::Path;

/// What is expected of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// What is committed outlives a crash and a power cut: whatever weakens that is refused.
    Full,
    /// Somebody has said that what weakens it is meant.
    AsItIs,
}

/// The variables of a server that are looked at.
const ASKED: &str = "SHOW GLOBAL VARIABLES WHERE variable_name IN (\
    'innodb_flush_log_at_trx_commit', 'innodb_flush_method', 'innodb_doublewrite', \
    'innodb_force_recovery', 'log_bin', 'sync_binlog', 'max_allowed_packet', \
    'read_only', 'super_read_only', 'innodb_read_only', 'offline_mode')";

/// Bytes that a server has to take in one packet: a statement of the journal has up to one MiB, and
/// beyond it what its last row adds.
const LEAST_PACKET: u64 = 2 << 20;

/// A server's variables, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Asks for them.
    pub(crate) async fn of(server: &mut MySqlConnection) -> Result<Variables, sqlx::Error> {
        // Some servers tell them as text and some as bytes.
        let word = |row: &MySqlRow, column: usize| {
            row.try_get_unchecked::<Vec<u8>, _>(column)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let rows = server.fetch_all(ASKED).await?;
        let pairs = rows.iter().map(|row| Ok((word(row, 0)?.to_lowercase(), word(row, 1)?)));
        pairs.collect::<Result<_, sqlx::Error>>().map(Variables)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value.to_uppercase().as_str(), "OFF" | "0"))
    }

    /// Why the server takes no writes, if it does not. It may be a primary no longer; an account
    /// with the right to write to it all the same must not.
    pub(crate) fn takes_no_writes(&self) -> Option<String> {
        ["read_only", "super_read_only", "innodb_read_only", "offline_mode"]
            .into_iter()
            .find(|name| self.is_on(name))
            .map(|name| format!("the server takes no writes: {name} is on"))
    }

    /// What may lose or damage what was committed, in words for people; empty if nothing does. A
    /// variable that a server does not have weakens nothing.
    pub(crate) fn weaknesses(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut weak = |name: &str, is_fine: &dyn Fn(&str) -> bool, what: &str| {
            if let Some(value) = self.get(name).filter(|value| !is_fine(value)) {
                found.push(format!("{name} = {value} ({what})"));
            }
        };
        // 3 is MariaDB's, and flushes more often than 1.
        let flushes = |value: &str| matches!(value, "1" | "3");
        weak("innodb_flush_log_at_trx_commit", &flushes, "a crash loses the last commits: set 1");
        if self.is_on("log_bin") {
            // What the log of changes does not hold after a crash is rolled back in the tables.
            let always = |value: &str| value == "1";
            weak("sync_binlog", &always, "a power cut loses the last commits: set 1");
        }
        let doubles = |value: &str| {
            matches!(value.to_uppercase().as_str(), "ON" | "1" | "DETECT_AND_RECOVER")
        };
        weak("innodb_doublewrite", &doubles, "a power cut can tear a page of the tables: set ON");
        let syncs = |value: &str| !matches!(value.to_lowercase().as_str(), "nosync" | "littlesync");
        weak("innodb_flush_method", &syncs, "nothing is flushed to the disk: set O_DIRECT");
        let normal = |value: &str| value == "0";
        weak("innodb_force_recovery", &normal, "for salvaging a broken server: set 0");
        let wide = |value: &str| value.parse::<u64>().is_ok_and(|bytes| bytes >= LEAST_PACKET);
        let what = format!("batches would be refused: set {LEAST_PACKET} or more");
        weak("max_allowed_packet", &wide, &what);
        found
    }
}

/// Refuses a database that may forget, unless that is meant.
pub(crate) fn judge(
    durability: Durability,
    database: &str,
    weaknesses: &[String],
) -> Result<(), OpenError> {
    if weaknesses.is_empty() {
        return Ok(());
    }
    let what = weaknesses.join("; ");
    match durability {
        Durability::Full => Err(OpenError::Weak { database: database.to_owned(), what }),
        Durability::AsItIs => {
            tracing::warn!(database, what, "the database may lose what it has committed, as meant");
            Ok(())
        }
    }
}

/// File systems of other machines. What such a one calls flushed, and whether a lock there holds
/// against another machine, is for somebody else to say.
const NETWORKED: [&str; 17] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
    "smbfs",
    "virtiofs",
];

/// File systems in user space that keep what they are given on a disk of this machine.
const LOCAL_IN_USER_SPACE: [&str; 2] = ["fuse.fuse-overlayfs", "fuse.ntfs-3g"];

/// File systems that are gone with the machine's memory, whatever is flushed to them. Whoever uses one
/// is told, and not turned away: its name is in plain sight, and nothing else gives a small disk to try.
const IN_MEMORY: [&str; 2] = ["ramfs", "tmpfs"];

/// What is mounted where, as far as this machine tells.
pub(crate) fn mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}

/// What weakens a file in `folder`, which is there, by what is mounted; that it is in memory is said in
/// the log.
pub(crate) fn weaknesses_of_folder(mounts: &str, folder: &Path) -> Vec<String> {
    let Ok(folder) = folder.canonicalize() else { return Vec::new() };
    let Some(kind) = file_system(mounts, &folder) else { return Vec::new() };
    if IN_MEMORY.contains(&kind) {
        let folder = folder.display();
        tracing::error!(
            "THE RECORD IS IN MEMORY and gone when this machine restarts, with all that callers were \
             told: {folder} is a {kind}. Move it to a disk before money is moved"
        );
    }
    weakness_of(kind, &folder).into_iter().collect()
}

fn weakness_of(kind: &str, folder: &Path) -> Option<String> {
    let is_foreign = NETWORKED.contains(&kind)
        || (kind == "fuse" || kind.starts_with("fuse.")) && !LOCAL_IN_USER_SPACE.contains(&kind);
    let folder = folder.display();
    is_foreign.then(|| {
        format!("{folder} is on a network file system ({kind}): use a disk of this machine")
    })
}

/// The kind of file system that a path is on, by a `mountinfo` of Linux: a line reads
/// `36 35 98:0 /root /mount\040point rw,noatime master:1 - ext4 /dev/sda1 rw`. The longest mount
/// point that the path is below holds it, and of two mounts on one point the later.
fn file_system<'m>(mounts: &'m str, path: &Path) -> Option<&'m str> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((mount, rest)) = line.split_once(" - ") else { continue };
        let Some(point) = mount.split(' ').nth(4).map(unescaped) else { continue };
        let Some(kind) = rest.split(' ').next() else { continue };
        let length = point.len();
        if path.starts_with(&point) && best.is_none_or(|(longest, _)| length >= longest) {
            best = Some((length, kind));
        }
    }
    best.map(|(_, kind)| kind)
}

/// A mount point as it is: blanks and the like are written as a backslash and three octal digits.
fn unescaped(point: &str) -> String {
    let mut bytes = Vec::with_capacity(point.len());
    let mut rest = point.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let octal = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &after[3..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(changed: &[(&str, &str)]) -> Variables {
        let durable = [
            ("innodb_flush_log_at_trx_commit", "1"),
            ("innodb_flush_method", "O_DIRECT"),
            ("innodb_doublewrite", "ON"),
            ("innodb_force_recovery", "0"),
            ("log_bin", "ON"),
            ("sync_binlog", "1"),
            ("max_allowed_packet", "16777216"),
            ("read_only", "OFF"),
            ("innodb_read_only", "OFF"),
        ];
        let all = durable.iter().chain(changed);
        Variables(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_durable_server_has_no_weakness() {
        for fine in [
            &[][..],
            &[("innodb_flush_log_at_trx_commit", "3")],
            &[("innodb_doublewrite", "DETECT_AND_RECOVER")],
            &[("log_bin", "OFF"), ("sync_binlog", "0")],
            &[("max_allowed_packet", "2097152")],
        ] {
            assert_eq!(variables(fine).weaknesses(), [""; 0], "{fine:?}");
            assert_eq!(variables(fine).takes_no_writes(), None);
        }
        assert_eq!(Variables::default().weaknesses(), [""; 0]);
    }

    #[test]
    fn each_weakness_is_named_with_its_value() {
        for (name, value) in [
            ("innodb_flush_log_at_trx_commit", "0"),
            ("innodb_flush_log_at_trx_commit", "2"),
            ("sync_binlog", "0"),
            ("sync_binlog", "100"),
            ("innodb_doublewrite", "OFF"),
            ("innodb_doublewrite", "DETECT_ONLY"),
            ("innodb_flush_method", "nosync"),
            ("innodb_force_recovery", "3"),
            ("max_allowed_packet", "2097151"),
            ("max_allowed_packet", "1048576"),
        ] {
            let found = variables(&[(name, value)]).weaknesses();
            assert_eq!(found.len(), 1, "{name} = {value}: {found:?}");
            assert!(found[0].starts_with(&format!("{name} = {value} (")), "{found:?}");
        }
        let all = variables(&[("innodb_flush_log_at_trx_commit", "2"), ("sync_binlog", "0")]);
        assert_eq!(all.weaknesses().len(), 2);
    }

    #[test]
    fn a_weak_database_is_refused_unless_that_is_meant() {
        let weaknesses = ["sync_binlog = 0 (…)".to_owned()];
        let refused = judge(Durability::Full, "mysql://me@db/x", &weaknesses);
        let words = refused.expect_err("refused").to_string();
        for word in ["mysql://me@db/x", "sync_binlog = 0", "as_it_is"] {
            assert!(words.contains(word), "{words}");
        }
        assert_eq!(judge(Durability::AsItIs, "", &weaknesses), Ok(()));
        assert_eq!(judge(Durability::Full, "", &[]), Ok(()));
    }

    #[test]
    fn a_server_that_takes_no_writes_says_which_setting_it_is() {
        for name in ["read_only", "super_read_only", "innodb_read_only", "offline_mode"] {
            for value in ["ON", "1", "NO_LOCK_NO_ADMIN"] {
                let why = variables(&[(name, value)]).takes_no_writes().expect("no writes");
                assert!(why.contains(name), "{why}");
            }
        }
        assert_eq!(variables(&[("read_only", "0")]).takes_no_writes(), None);
    }

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw shared:4 - proc proc rw
24 22 0:40 / /srv rw - nfs4 files:/srv rw
25 24 8:2 / /srv/fast\\040disk rw - xfs /dev/sdb1 rw
26 22 0:41 / /mnt/a rw - fuse.sshfs ann@host:/ rw
27 22 0:42 / /mnt/b rw - fuseblk /dev/sdc1 rw
28 22 0:43 / /mnt/c rw - fuse.fuse-overlayfs overlay rw
29 22 8:3 / /mnt/d rw - ext4 /dev/sdd1 rw
30 29 0:44 / /mnt/d rw master:3 - cifs //server/share rw
31 22 0:45 / /dev/shm rw,nosuid - tmpfs tmpfs rw
32 22 0:46 / /mnt/e rw - ramfs ramfs rw
";

    #[test]
    fn a_file_is_on_the_longest_mount_that_holds_it() {
        for (path, kind) in [
            ("/var/lib/bridge", "ext4"),
            ("/srv", "nfs4"),
            ("/srv/x", "nfs4"),
            ("/srvx", "ext4"),
            ("/srv/fast disk/x", "xfs"),
            ("/mnt/d/x", "cifs"),
        ] {
            assert_eq!(file_system(MOUNTS, Path::new(path)), Some(kind), "{path}");
        }
        assert_eq!(file_system("", Path::new("/")), None);
        assert_eq!(file_system("no mounts\n", Path::new("/")), None);
    }

    #[test]
    fn a_file_system_elsewhere_is_a_weakness() {
        for (path, is_weak) in [
            ("/var/lib/bridge", false),
            ("/srv/x", true),
            ("/srv/fast disk", false),
            ("/mnt/a", true),
            ("/mnt/b", false),
            ("/mnt/c", false),
            ("/mnt/d", true),
            ("/dev/shm/bridge", false),
            ("/mnt/e", false),
        ] {
            let kind = file_system(MOUNTS, Path::new(path)).expect("it is mounted");
            let found = weakness_of(kind, Path::new(path));
            assert_eq!(found.is_some(), is_weak, "{path}: {found:?}");
        }
    }
    #[test]
    fn a_folder_is_as_weak_as_what_is_mounted_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path().canonicalize().expect("it is there");
        let mounts = format!("{MOUNTS}33 22 0:47 / {} rw - nfs4 files:/ rw\n", here.display());
        let found = weaknesses_of_folder(&mounts, folder.path());
        assert_eq!(found.len(), 1);
        assert!(found[0].contains(&format!("{} is on a network", here.display())), "{found:?}");
        assert_eq!(weaknesses_of_folder(MOUNTS, folder.path()), [""; 0]);
        assert_eq!(weaknesses_of_folder(&mounts, &here.join("absent")), [""; 0]);
    }

    #[test]
    fn this_machine_tells_what_is_mounted() {
        assert_eq!(file_system(&mounts(), Path::new("/proc")), Some("proc"));
    }
}
