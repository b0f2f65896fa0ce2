//! How a counter is to be, and why it cannot be so.

use crate::books::Inconsistent;
use crate::books_file::{BooksFileError, Durability};
use crate::faults::{FaultPlan, PlanError};
use crate::tls::{TlsError, TlsFiles};
use domain::message::{AccountId, CounterId};
use domain::money::Currency;
use domain::profile::Profile;
use domain::serial::Day;
use secrecy::SecretSlice;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use wire::dialect::Dialect;

/// How a counter is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bytes that it speaks.
    pub dialect: Dialect,
    /// The address at which it listens; port 0 for any free one.
    pub listen: SocketAddr,
    /// The address that it dials instead; `None` if it listens.
    pub connect: Option<SocketAddr>,
    /// How many connections it keeps where it dials in; at least 1.
    pub channels: u16,
    /// How connections are secured; `None` for plain TCP.
    pub tls: Option<TlsFiles>,
    /// Its id, as the bridge's configuration names it.
    pub id: CounterId,
    /// The name of the bridge that it lets in.
    pub bridge: String,
    /// The key that it shares with the bridge; at least 32 bytes are wanted.
    pub key: SecretSlice<u8>,
    /// Accounts to open with so many minor units, unless the books file has them already.
    pub accounts: Vec<(AccountId, i64)>,
    /// ISO 4217 currency of the accounts.
    pub currency: Currency,
    /// Path of the file to which its postings are appended; `None` forgets them with the process.
    pub books: Option<PathBuf>,
    /// What a line of the books survives before its answer is sent.
    pub durability: Durability,
    /// What goes wrong on purpose.
    pub faults: FaultPlan,
    /// What the plan's chances are drawn from.
    pub seed: u64,
    /// What it can do, and says that it can. The code table stays at home.
    pub profile: Profile,
    /// Whether it says at sign-on how far it has seen the bridge's serials.
    pub tells_highest_serial: bool,
    /// Its accounting day at the start; `None` for today (UTC). Books that have cut over to a
    /// later day stay there.
    pub settle_day: Option<Day>,
    /// The wanted heartbeat interval in seconds, 0 to 120; 0 = none.
    pub heartbeat_s: u16,
}

impl Options {
    /// A well-behaved counter on any free port of the loopback address, that keeps no file.
    pub fn new(dialect: Dialect, id: CounterId, bridge: String, key: SecretSlice<u8>) -> Options {
        let amount_unit = dialect.amount_unit();
        Options {
            dialect,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            connect: None,
            channels: 1,
            tls: None,
            id,
            bridge,
            key,
            accounts: Vec::new(),
            currency: Currency::CNY,
            books: None,
            durability: Durability::default(),
            faults: FaultPlan::default(),
            seed: 0,
            profile: Profile { amount_unit, echoes_marks: true, ..Profile::default() },
            tells_highest_serial: true,
            settle_day: None,
            heartbeat_s: 10,
        }
    }
}

/// Why a counter cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option that cannot be meant, and why.
    #[error("{0}")]
    Option(String),
    /// The fault plan cannot be used.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The books file cannot be used.
    #[error(transparent)]
    BooksFile(#[from] BooksFileError),
    /// The certificates or the key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An account that cannot be opened.
    #[error(transparent)]
    Account(#[from] Inconsistent),
    /// It cannot listen.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address at which it was to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system's signals cannot be heard.
    #[error("cannot hear signals: {0}")]
    Signals(io::Error),
    /// A defect of the simulator: its owner of the books panicked.
    #[error("the owner of the books ended: {0}")]
    Desk(tokio::task::JoinError),
}

/// Reads `ID=MINOR`, an account and its opening balance in minor units.
pub fn parse_account(text: &str) -> Result<(AccountId, i64), Error> {
    let wrong = |problem: String| Error::Option(format!("account {text:?}: {problem}"));
    let (id, minor) = text.split_once('=').ok_or_else(|| wrong("write ID=MINOR".to_owned()))?;
    let id = id.parse().map_err(|error| wrong(format!("{error}")))?;
    let minor = minor.parse().map_err(|_| wrong("the balance is a whole number".to_owned()))?;
    Ok((id, minor))
}
