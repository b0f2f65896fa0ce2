//! The pages.

pub(crate) mod alarms;
pub(crate) mod connections;
pub(crate) mod overview;
pub(crate) mod people;
pub(crate) mod transfers;
pub(crate) mod transit;

use axum::http::Uri;

/// What is said of what was done, by the word that a page is told.
pub(crate) const DONE: [(&str, &str); 20] = [
    ("proposed", "Proposed. Another person has to approve it."),
    ("approved", "Approved: it is decided."),
    ("withdrawn", "It is proposed no longer."),
    ("claimed", "Claimed: it does not end by itself meanwhile."),
    ("unclaimed", "Nobody claims it any more."),
    ("hold", "It gets no new transfers."),
    ("drain", "It gets no new transfers, and is signed off once nothing needs it."),
    ("release", "Released: no operator keeps it from new transfers."),
    ("reconnect", "Asked: what comes of it, the connections show."),
    ("new-session", "Asked for a new session: what comes of it, the connections show."),
    ("readmitted", "Approved: what it says is in doubt no longer."),
    ("acknowledgement", "Acknowledged: others see who looks into it."),
    ("closing", "The alarm is closed."),
    ("role", "The role is changed."),
    ("disabled", "Disabled: every session and token has ended."),
    ("enabled", "May sign in again."),
    ("session", "The session has ended."),
    ("token", "The token has ended."),
    ("view-saved", "Saved: it stands among the saved views."),
    ("view-deleted", "The saved view is deleted."),
];

/// One part of an address.
pub(crate) fn query(uri: &Uri, name: &str) -> Option<String> {
    let pairs: axum::extract::Query<Vec<(String, String)>> =
        axum::extract::Query::try_from_uri(uri).ok()?;
    pairs.0.into_iter().find_map(|(known, value)| (known == name).then_some(value))
}

/// An address of ours with these parts, without those that are empty.
pub(crate) fn address(path: &str, parts: &[(&str, &str)]) -> String {
    let mut text = path.to_owned();
    let mut mark = '?';
    for (name, value) in parts.iter().filter(|(_, value)| !value.is_empty()) {
        text.push(mark);
        text.push_str(name);
        text.push('=');
        text.push_str(&escaped(value));
        mark = '&';
    }
    text
}

/// A text as part of an address (RFC 3986, 2.3).
pub(crate) fn escaped(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut whole, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            whole.push(char::from(byte));
        } else {
            let _ = write!(whole, "%{byte:02X}");
        }
        whole
    })
}
