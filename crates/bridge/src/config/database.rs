//! Where the record is kept.

use super::mistake::Place;
use super::secret::{DATABASE_PASSWORD, Sources};
use super::section::{Located, Section};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use std::fmt::Write;

/// The default: a file beside whatever the program is started in.
pub(crate) const DEFAULT: &str = "sqlite://data/counter-bridge.sqlite";

/// Reads `database` and the password that belongs into it.
pub(super) fn read(root: &mut Section<'_>, sources: &Sources<'_>) -> SecretString {
    let findings = root.findings();
    let url = root.text("database").unwrap_or_else(|| Located {
        value: DEFAULT.to_owned(),
        place: Place::Whole,
        key: "database".to_owned(),
    });
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
    if let Err(error) = store::Store::check_url(&url.value) {
        url.wrong(findings, error);
        return url.value.into();
    }
    let Some(password) = password else { return url.value.into() };
    with_password(&url.value, &password.value).unwrap_or_else(|| {
        password.wrong(findings, "the database's URL names no user to log in with it");
        url.value.into()
    })
}

/// The URL as it may be shown.
pub(super) fn without_password(url: &str) -> String {
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
    for byte in password.expose_secret() {
        if byte.is_ascii_alphanumeric() {
            whole.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(whole, "%{byte:02X}");
        }
    }
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
    fn a_password_in_a_url_is_seen() {
        assert!(holds_password("mysql://me:secret@db/x"));
        assert_eq!(without_password("mysql://me:secret@db/x"), "mysql://me@db/x");
        assert_eq!(without_password("mysql://me@db/x"), "mysql://me@db/x");
        assert_eq!(without_password("sqlite://data/x"), "sqlite://data/x");
        assert!(holds_password("mysql://me:@db/x"));
        assert!(!holds_password("mysql://me@db:3306/x"));
        assert!(!holds_password("sqlite://data:x.sqlite"));
    }
}
