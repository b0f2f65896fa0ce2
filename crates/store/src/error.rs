//! Why the database could not do what was asked, split by what the caller does next.

use domain::serial::SerialError;

/// Why a [`Store`](crate::Store) did not open. The messages are for the person who starts the
/// bridge: they name what was wrong and what to do, and never a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The URL cannot be understood.
    #[error("database URL {url:?}: {why}")]
    BadUrl {
        /// The URL without its password.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The folder or the file could not be made.
    #[error("cannot create the database {path}: {why}")]
    CannotCreate {
        /// Path of the file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The file is there and cannot be written to.
    #[error(
        "the database {path} is read-only: give the bridge's user write access to the file and its folder ({why})"
    )]
    ReadOnly {
        /// Path of the file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// Another process holds the file.
    #[error("the database {path} is locked by {by}: stop it, or give the bridge a file of its own")]
    Locked {
        /// Path of the file.
        path: String,
        /// Who holds it, as far as the system tells.
        by: String,
    },
    /// The file is something else.
    #[error("{path} is not a usable SQLite database: {why}")]
    NotADatabase {
        /// Path of the file.
        path: String,
        /// What SQLite said.
        why: String,
    },
    /// There are no tables of a bridge's.
    #[error("{database} holds no record of a bridge: it is empty, or it is another one")]
    NoRecord {
        /// The database, without a password.
        database: String,
    },
    /// A record from before records had a position.
    #[error(
        "{database} is a record of an earlier version, which does not say yet how far it goes: a bridge \
         brings it up to date when it starts on it"
    )]
    EarlierRecord {
        /// The database, without a password.
        database: String,
    },
    /// The server does not let us in.
    #[error("{server} refuses access: {why}")]
    AccessDenied {
        /// The server, without the password.
        server: String,
        /// What the server said.
        why: String,
    },
    /// The server is there and the database is not.
    #[error("{server} has no such database: {why}; create it first")]
    NoSuchDatabase {
        /// The server, without the password.
        server: String,
        /// What the server said.
        why: String,
    },
    /// Nobody answers.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// The server, without the password.
        server: String,
        /// What the system said.
        why: String,
    },
    /// It is there and cannot be used now: read-only after a fail-over, full, or silent.
    #[error("{database} cannot be used now: {why}")]
    Unavailable {
        /// The database, without a password.
        database: String,
        /// What the database said.
        why: String,
    },
    /// It does not prove who it is, or speaks no TLS where that is expected.
    #[error(
        "{server} cannot be trusted: {why}; name the authority that vouches for it (ssl-ca in the \
         URL, or database_ca_file), or say with ssl-mode in the URL that it is meant"
    )]
    Untrusted {
        /// The server, without the password.
        server: String,
        /// What is wrong with its certificate or its TLS, in words.
        why: String,
    },
    /// It may forget what it has committed.
    #[error(
        "{database} may lose what it has committed: {what}; mend that, or say that it is meant: \
         database_durability = \"as_it_is\""
    )]
    Weak {
        /// The database, without a password.
        database: String,
        /// Each weakness, in words, with what to do.
        what: String,
    },
    /// Another bridge holds the record.
    #[error(
        "the record {database} is held by {by}: two bridges on one record would both move its money; \
         stop the other, or give this one a record of its own"
    )]
    Held {
        /// The database, without a password.
        database: String,
        /// Who holds it, as far as is known.
        by: String,
    },
    /// The position file cannot be read or made.
    #[error("the position file {path} cannot be used: {why}")]
    Position {
        /// Path of the file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The tables could not be brought to this version.
    #[error("the tables of {database} could not be brought up to date: {why}")]
    Migration {
        /// The database, without a password.
        database: String,
        /// What the database said.
        why: String,
    },
}

impl OpenError {
    /// Whether it may pass without anybody changing what the bridge is told: whoever can wait
    /// should.
    pub fn may_pass(&self) -> bool {
        match self {
            OpenError::Locked { .. }
            | OpenError::Unreachable { .. }
            | OpenError::Unavailable { .. } => true,
            OpenError::BadUrl { .. }
            | OpenError::CannotCreate { .. }
            | OpenError::ReadOnly { .. }
            | OpenError::NotADatabase { .. }
            | OpenError::NoRecord { .. }
            | OpenError::EarlierRecord { .. }
            | OpenError::AccessDenied { .. }
            | OpenError::NoSuchDatabase { .. }
            | OpenError::Untrusted { .. }
            | OpenError::Weak { .. }
            | OpenError::Held { .. }
            | OpenError::Position { .. }
            | OpenError::Migration { .. } => false,
        }
    }
}

/// Why a question to the database has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database is locked, full, read-only or gone: ask again later.
    #[error("the database is not available: {why}")]
    Unavailable {
        /// What the database said.
        why: String,
    },
    /// All eleven-digit sequences are used up, or none was asked for.
    #[error("no more serials: {0}")]
    Serials(#[from] SerialError),
    /// A row says something that was never written: our bug, or somebody changed it by hand.
    #[error("the record of {key} is damaged: {what}")]
    Corrupt {
        /// The row's key in its table, as the database holds it.
        key: i64,
        /// What is wrong with the row, in words.
        what: String,
    },
    /// The database cannot read what it holds: a page of its file is not what was written.
    #[error(
        "the record's database is damaged ({what}): nothing of the damaged part is served, and \
         `counter-bridge audit` names it"
    )]
    Damaged {
        /// What the database said.
        what: String,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(crate) fn corrupt(key: i64, what: &(impl ToString + ?Sized)) -> StoreError {
        StoreError::Corrupt { key, what: what.to_string() }
    }
}

/// Why something was not changed, or may not have been, split by what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotChanged {
    /// Certainly nothing was changed: the database was not asked to keep anything, or has undone it. It may be said
    /// again.
    #[error("nothing was changed: {0}")]
    Nothing(StoreError),
    /// The database was asked to keep it and did not say whether it has: what is recorded has to be read back.
    #[error("it is not known whether it was recorded: {0}")]
    Unclear(StoreError),
}

impl NotChanged {
    /// What the database said, whatever that means for what was to be changed.
    pub fn into_error(self) -> StoreError {
        match self {
            NotChanged::Nothing(error) | NotChanged::Unclear(error) => error,
        }
    }
}
