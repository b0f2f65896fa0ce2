//! What a record is opened with, besides its address.

use crate::address::Address;
use std::path::PathBuf;

/// What a record is opened with, besides its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The position file. Without one, that of a SQLite file lies beside it, under its name and
    /// `.position`; of a server's record none is kept, and a lost tail of it goes unnoticed.
    pub position: Option<PathBuf>,
}

impl Options {
    /// Where the position file of a record is, if one is kept.
    pub(crate) fn position_of(&self, address: &Address) -> Option<PathBuf> {
        if let Some(path) = &self.position {
            return Some(path.clone());
        }
        match address {
            Address::Sqlite { path, .. } => {
                let mut name = path.as_os_str().to_owned();
                name.push(".position");
                Some(name.into())
            }
            Address::Mysql { .. } => None,
        }
    }
}
