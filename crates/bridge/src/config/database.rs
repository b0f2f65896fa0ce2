//! Where the record is kept.

use super::mistake::Place;
use super::secret::{DATABASE_PASSWORD, Sources, resolved};
use super::section::{Findings, Located, Section};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use std::fmt::Write;

/// Where the position of a server's record is kept, in the configuration's folder.
const POSITION: &str = "counter-bridge.position";

/// The default: a file beside whatever the program is started in.
pub(crate) const DEFAULT: &str = "sqlite://data/counter-bridge.sqlite";

/// Reads `database`, what belongs into its URL (the password, and what is expected of it), and where
/// the record's position is kept.
pub(super) fn read(
    root: &mut Section<'_>,
    sources: &Sources<'_>,
) -> (SecretString, store::Options) {
    let position = root.text("position_file").map(|path| sources.folder.join(path.value));
    let url = read_url(root, sources);
    // A record in a file has its position beside it; that of a server is kept beside the configuration.
    let at_server = !url.expose_secret().starts_with("sqlite:");
    let default = || at_server.then(|| sources.folder.join(POSITION));
    (url, store::Options { position: position.or_else(default) })
}

fn read_url(root: &mut Section<'_>, sources: &Sources<'_>) -> SecretString {
    let findings = root.findings();
    let url = root.text("database").unwrap_or_else(|| Located {
        value: DEFAULT.to_owned(),
        place: Place::Whole,
        key: "database".to_owned(),
    });
    let durability =
        root.choice("database_durability", &[("full", None), ("as_it_is", Some("as_it_is"))]);
    let authority = root.text("database_ca_file");
    let password_is_given = DATABASE_PASSWORD.stand_in(root);
    let password = DATABASE_PASSWORD.read(root, sources);
    if holds_password(&url.value) {
        if matches!(url.place, Place::Line(_)) {
            let keys = DATABASE_PASSWORD.told();
            url.wrong(findings, format!("a password must not stand here: write {keys} beside it"));
        } else if password_is_given {
            url.wrong(findings, "holds a password, and another one is configured");
        }
    }
    let mut whole = url.value.clone();
    if let Some(word) = durability.as_ref().and_then(|durability| durability.value) {
        whole = with_parameter(&whole, "durability", word);
    }
    if let Some(authority) = authority {
        if whole.starts_with("sqlite:") {
            authority.wrong(findings, "a file is not spoken to over TLS");
        } else if let Some(path) = readable_authority(&authority, sources, findings) {
            whole = with_parameter(&whole, "ssl-ca", &path);
        }
    }
    if let Err(error) = store::Store::check_url(&whole) {
        url.wrong(findings, error);
        return whole.into();
    }
    for note in store::Store::notes_on_url(&whole) {
        url.note(findings, note);
    }
    let Some(password) = password else { return whole.into() };
    with_password(&whole, &password.value).unwrap_or_else(|| {
        password.wrong(findings, "the database's URL names no user to log in with it");
        whole.into()
    })
}

/// The path of a file with certificates, if it is one.
fn readable_authority(
    path: &Located<String>,
    sources: &Sources<'_>,
    findings: &Findings,
) -> Option<String> {
    let file = resolved(path, sources);
    let what = match (sources.read_file)(&file) {
        Ok(content) => {
            let mark = b"-----BEGIN CERTIFICATE-----";
            let holds_one = content.bytes.windows(mark.len()).any(|bytes| bytes == mark);
            (!holds_one).then(|| format!("{} holds no certificate in PEM", file.display()))
        }
        Err(error) => Some(format!("{} cannot be read: {error}", file.display())),
    };
    let shown = file.to_str().map(str::to_owned);
    match what.or_else(|| shown.is_none().then(|| "the path must be UTF-8".to_owned())) {
        Some(what) => {
            path.wrong(findings, what);
            None
        }
        None => shown,
    }
}

/// The URL with one more parameter.
fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{name}={}", escaped(value.as_bytes()))
}

/// Bytes so that none of them ends what they stand in.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || *byte == b'_' {
            text.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The URL as it is shown to a person: without its password, and without what another key of the
/// configuration put there.
pub(super) fn for_people(url: &str) -> String {
    let shown = without_password(url);
    let Some((address, parameters)) = shown.split_once('?') else { return shown };
    let kept: Vec<&str> =
        parameters.split('&').filter(|one| !one.starts_with("durability=")).collect();
    if kept.is_empty() { address.to_owned() } else { format!("{address}?{}", kept.join("&")) }
}

fn without_password(url: &str) -> String {
    match user(url) {
        Some((user, end)) => {
            let name = user.split(':').next().unwrap_or_default();
            format!("{}{name}{}", &url[..end - user.len()], &url[end..])
        }
        None => url.to_owned(),
    }
}

/// The user's part of a URL, and where it ends.
fn user(url: &str) -> Option<(&str, usize)> {
    let start = url.find("://")? + 3;
    let end = url.rfind('@').filter(|end| *end >= start)?;
    Some((&url[start..end], end))
}

fn holds_password(url: &str) -> bool {
    user(url).is_some_and(|(user, _)| user.contains(':'))
}

/// The URL with the password behind the user's name; `None` if there is no user.
fn with_password(url: &str, password: &SecretSlice<u8>) -> Option<SecretString> {
    let (user, end) = user(url)?;
    if user.is_empty() {
        return None;
    }
    let mut whole = url[..end].to_owned();
    whole.push(':');
    whole.push_str(&escaped(password.expose_secret()));
    whole.push_str(&url[end..]);
    Some(whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(url: &str, password: &str) -> Option<String> {
        let password = SecretSlice::from(password.as_bytes().to_vec());
        with_password(url, &password).map(|url| url.expose_secret().to_owned())
    }

    #[test]
    fn a_password_is_written_so_that_no_character_of_it_ends_it() {
        assert_eq!(
            joined("mysql://me@db:3306/x", "p@ss/ :w%").as_deref(),
            Some("mysql://me:p%40ss%2F%20%3Aw%25@db:3306/x")
        );
        assert_eq!(joined("mysql://db:3306/x", "p"), None);
        assert_eq!(joined("sqlite://x.sqlite", "p"), None);
    }

    #[test]
    fn a_parameter_is_written_so_that_no_character_of_it_ends_it() {
        assert_eq!(
            with_parameter("mysql://me@db/x", "ssl-ca", "/etc/a&b/#ca.pem"),
            "mysql://me@db/x?ssl-ca=%2Fetc%2Fa%26b%2F%23ca%2Epem"
        );
        assert_eq!(with_parameter("sqlite://x?mode=rw", "a", "b_c"), "sqlite://x?mode=rw&a=b_c");
    }

    #[test]
    fn a_password_in_a_url_is_seen() {
        assert!(holds_password("mysql://me:secret@db/x"));
        assert_eq!(without_password("mysql://me:secret@db/x"), "mysql://me@db/x");
        assert_eq!(without_password("mysql://me@db/x"), "mysql://me@db/x");
        assert_eq!(without_password("sqlite://data/x"), "sqlite://data/x");
        for (url, shown) in [
            ("mysql://me:secret@db/x?durability=as_it_is", "mysql://me@db/x"),
            ("sqlite://x?mode=rw&durability=as_it_is", "sqlite://x?mode=rw"),
            ("sqlite://x", "sqlite://x"),
        ] {
            assert_eq!(for_people(url), shown);
        }
        assert!(holds_password("mysql://me:@db/x"));
        assert!(!holds_password("mysql://me@db:3306/x"));
        assert!(!holds_password("sqlite://data:x.sqlite"));
    }
}
