//! A database server for one run of the tests.

use crate::mariadb::MariaDb;
use crate::place::Place;
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// A private database's folder; the process id of the chore that it belongs to follows, and which of
/// its databases it is.
const DATABASE_FOLDER: &str = "mariadb-";

/// Where the tests find the server on which they may make databases.
pub(crate) const SERVER_VARIABLE: &str = "COUNTER_BRIDGE_TEST_MYSQL";

pub(crate) fn private_database(place: &Place) -> Result<MariaDb> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = place.target.join("tmp");
    remove_what_the_killed_left(&folder);
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    MariaDb::start(&folder.join(format!("{DATABASE_FOLDER}{process}-{count}")))
}

/// A chore that was killed could not remove its database's folder; the server itself is gone. What
/// cannot be removed is left: it takes room and does no other harm.
fn remove_what_the_killed_left(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let own = name.to_str().and_then(|name| name.strip_prefix(DATABASE_FOLDER));
        let owner = own.and_then(|own| own.split('-').next());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
