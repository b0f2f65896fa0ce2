//! How long things may take. Every number is a default and may be set per counter.

use std::time::Duration;

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timers {
    /// One TCP connection, name resolution included.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// From the secured transport to the open session.
    pub sign_on: Duration,
    /// One attempt as a whole: every address tried, and the sign-on.
    pub attempt: Duration,
    /// Wanted heartbeat interval in seconds, 1 to 120; 0 = none.
    pub heartbeat_s: u16,
    /// Age of the oldest request in flight at which a silent counter is probed early.
    pub early_probe: Duration,
    /// How long the transport may accept no byte while some wait.
    pub write_progress: Duration,
    /// How long a new session may ask about what the last one left unknown before it takes new
    /// work.
    pub sync: Duration,
    /// How long requests in flight are waited for when stopping.
    pub drain: Duration,
    /// How long the acknowledgement of a sign-off is waited for.
    pub sign_off: Duration,
    /// How long the last bytes and the transport's own farewell may take.
    pub close: Duration,
    /// How often a connection to another address than the preferred one looks whether that one
    /// answers again.
    pub fail_back: Duration,
    /// How old a session is at least when it is ended so that a new one can prove what became of a
    /// request.
    pub renewal: Duration,
    /// Silence after which the kernel probes the peer.
    pub keepalive_idle: Duration,
    /// Between two such probes.
    pub keepalive_interval: Duration,
    /// After how many unanswered ones the kernel gives up.
    pub keepalive_count: u32,
    /// How long the kernel keeps unacknowledged bytes before it gives up.
    pub tcp_user_timeout: Duration,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            connect: Duration::from_secs(3),
            tls: Duration::from_secs(5),
            sign_on: Duration::from_secs(10),
            attempt: Duration::from_secs(15),
            heartbeat_s: 10,
            early_probe: Duration::from_secs(3),
            write_progress: Duration::from_secs(10),
            sync: Duration::from_secs(5),
            drain: Duration::from_secs(15),
            sign_off: Duration::from_secs(2),
            close: Duration::from_millis(500),
            fail_back: Duration::from_mins(1),
            renewal: Duration::from_secs(30),
            keepalive_idle: Duration::from_secs(6),
            keepalive_interval: Duration::from_secs(3),
            keepalive_count: 3,
            tcp_user_timeout: Duration::from_secs(15),
        }
    }
}
