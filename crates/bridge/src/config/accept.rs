//! Where counters dial in, and what is allowed to those who have not proven who they are.

use super::secret::Sources;
use super::section::Section;
use super::service::{milliseconds, value_or};
use super::tls;
use link::{AcceptorLimits, Credentials};
use std::net::SocketAddr;

/// The acceptor.
#[derive(Clone, Debug)]
pub(crate) struct Accept {
    /// Where it is; port 0 for any free one.
    pub(crate) listen: SocketAddr,
    /// How connections are secured; `None` for plain TCP.
    pub(crate) tls: Option<Credentials>,
    /// What is allowed to those who have not proven who they are.
    pub(crate) limits: AcceptorLimits,
}

/// Reads `[accept]`; `None` if there is none, or no address in it.
pub(super) fn read(root: &mut Section<'_>, sources: &Sources<'_>) -> Option<Accept> {
    let configured = root.has("accept");
    let mut section = root.section("accept");
    if configured {
        section.require("listen", "where counters dial in, such as \"0.0.0.0:9100\"");
    }
    let listen =
        section.parsed::<SocketAddr>("listen", "an IP address and a port, such as 0.0.0.0:9100");
    let tls = tls::accepted(&mut section, sources, listen.as_ref().map(|listen| listen.value.ip()));
    let default = AcceptorLimits::default();
    let limits = AcceptorLimits {
        unauthenticated: value_or(
            section.number("unauthenticated", 1..=65_536),
            default.unauthenticated,
        ),
        per_address: value_or(section.number("per_address", 1..=65_536), default.per_address),
        tls: value_or(milliseconds(&mut section, "tls_ms", 1..=600_000), default.tls),
        first_frame: value_or(
            milliseconds(&mut section, "first_frame_ms", 1..=600_000),
            default.first_frame,
        ),
        sign_on: value_or(milliseconds(&mut section, "sign_on_ms", 1..=600_000), default.sign_on),
    };
    section.end();
    Some(Accept { listen: listen?.value, tls, limits })
}
