//! What two parties say on a long connection for its own sake, whatever the dialect: who they are, that they are
//! still there, that they go. A counter that is asked over HTTP has none of it.

use domain::message::{CounterId, Notice};
use domain::profile::Profile;
use domain::serial::{Day, SubSerial};
use foreign::ForeignText;

/// 32 random bytes that one side contributes to a sign-on.
pub type Nonce = [u8; 32];

/// HMAC-SHA256 over a sign-on's nonces and names; see [`crate::proof`].
pub type Proof = [u8; 32];

/// The longest name of a party at sign-on, in characters.
pub const NAME_LONGEST: usize = 64;

/// The longest text of a rejection, a sign-off or a notice, in characters; what is longer is cut,
/// written or read.
pub const WORDS_LONGEST: usize = 500;

/// One message of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// 1 of 4 of a sign-on, dialler → acceptor.
    SignOn(SignOn),
    /// 2 of 4, acceptor → dialler.
    Challenge(Challenge),
    /// 3 of 4, dialler → acceptor.
    Answer(ChallengeAnswer),
    /// 4 of 4, acceptor → dialler: the session is open.
    Welcome(Welcome),
    /// Instead of 2 or 4: no session.
    Rejected(Rejected),
    /// Either side: no new requests; close after the acknowledgement.
    SignOff(SignOff),
    /// Answers [`Conversation::SignOff`].
    SignOffAck,
    /// Either side: are you there?
    Heartbeat(Heartbeat),
    /// Answers [`Conversation::Heartbeat`].
    HeartbeatAck(HeartbeatAck),
    /// Either side: something that a person should see.
    Notice(Notice),
}

/// Opens a sign-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOn {
    /// The protocol's version; this is [`SignOn::VERSION`].
    pub version: u16,
    /// Name of whoever signs on, at most [`NAME_LONGEST`] characters: the bridge's name, or the
    /// counter's id where the counter dials.
    pub dialler: String,
    /// Name of whoever is meant to answer, at most [`NAME_LONGEST`] characters.
    pub acceptor: String,
    /// Number of the connection among the dialler's, from 0.
    pub channel: u16,
    /// The dialler's random bytes, fresh for every sign-on.
    pub nonce: Nonce,
    /// Wanted heartbeat interval in seconds, 1 to 120; 0 = none.
    pub heartbeat_s: u16,
}

impl SignOn {
    /// The version that this code speaks.
    pub const VERSION: u16 = 1;
}

/// The acceptor proves that it holds the key, and asks the same of the dialler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The acceptor's random bytes, fresh for every sign-on.
    pub nonce: Nonce,
    /// The acceptor's proof over both nonces.
    pub proof: Proof,
}

/// The dialler's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeAnswer {
    /// The dialler's proof over both nonces.
    pub proof: Proof,
    /// What the counter can do and where it stands, if it is the counter that dials.
    pub counter: Option<CounterState>,
}

/// The session is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The agreed heartbeat interval in seconds: the smaller of both wishes; 0 = none.
    pub heartbeat_s: u16,
    /// What the counter can do and where it stands, if it is the counter that accepts.
    pub counter: Option<CounterState>,
}

/// What a counter says of itself when a session opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterState {
    /// The counter's id, as the bridge knows it.
    pub id: CounterId,
    /// What it can do. Its code table stays at the bridge: the default table here.
    pub profile: Profile,
    /// Its accounting day now.
    pub settle_day: Day,
    /// Whether it is open for postings now.
    pub open: bool,
    /// The highest sub serial that it has seen from this bridge within its query horizon, on
    /// whatever day; `None` if it cannot say, or has seen none.
    pub highest_serial: Option<SubSerial>,
}

/// Why there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// The version is not spoken here.
    Version,
    /// The names are not known here.
    UnknownParty,
    /// The proof is wrong.
    BadProof,
    /// This channel is signed on already.
    AlreadySignedOn,
    /// Not now: overloaded, or outside service hours.
    NotNow,
    /// A reason that this code does not know.
    Other,
}

impl RejectReason {
    /// In words, for people.
    pub const fn words(self) -> &'static str {
        match self {
            RejectReason::Version => "another version",
            RejectReason::UnknownParty => "unknown party",
            RejectReason::BadProof => "bad proof",
            RejectReason::AlreadySignedOn => "already signed on",
            RejectReason::NotNow => "not now",
            RejectReason::Other => "another reason",
        }
    }
}

/// No session; the connection is closed after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Why there is no session, for the machine.
    pub reason: RejectReason,
    /// Why there is no session, in words for people.
    pub text: ForeignText,
}

/// The session ends: no new requests from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOff {
    /// Why the session ends, in words for people.
    pub text: ForeignText,
}

/// Asks whether the other side is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Counts up from 1 on each connection.
    pub number: u64,
}

/// Says that this side is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatAck {
    /// The number of the heartbeat that this answers.
    pub number: u64,
    /// The counter's accounting day and whether it is open, if a counter answers.
    pub counter: Option<(Day, bool)>,
}
