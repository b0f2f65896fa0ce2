//! Secrets: from a file or a variable that the configuration names, never from its own text.

use super::fingerprint::number_of;
use super::keyring::Keyring;
use super::mistake::Place;
use super::section::{Findings, Located, Section};
use secrecy::SecretSlice;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The longest file or variable that is read as a key, in bytes: PEM files have some hundred.
pub(crate) const LONGEST_KEY: usize = 64 * 1024;

/// Reads a file as a whole, or its first bytes if it is longer than [`LONGEST_KEY`].
pub(super) type ReadFile<'s> = dyn Fn(&Path) -> io::Result<Content> + 's;

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    /// Whether others on this machine than its owner may read or write it.
    pub(crate) is_open_to_others: bool,
}

impl From<Vec<u8>> for Content {
    /// A file that is its owner's alone.
    fn from(bytes: Vec<u8>) -> Content {
        Content { bytes, is_open_to_others: false }
    }
}

/// What secrets are read from.
pub(super) struct Sources<'s> {
    /// The folder of the configuration file: relative paths in it start here. Those in variables
    /// start where the program was started.
    pub(super) folder: &'s Path,
    /// The environment.
    pub(super) variables: &'s BTreeMap<String, String>,
    /// Reads a file.
    pub(super) read_file: &'s ReadFile<'s>,
    /// What a variable is that is named and not set.
    pub(super) unset: Unset,
    /// Whose each key is.
    pub(super) keyring: Keyring,
    /// A number for the content of each file that was read: each is read once, for some can be read once only.
    pub(super) read: RefCell<BTreeMap<PathBuf, u64>>,
}

impl Sources<'_> {
    /// Reads a file that is taken over when it changes. How its last line ends makes no other content of it.
    pub(super) fn read(&self, file: &Path) -> io::Result<Content> {
        let content = (self.read_file)(file)?;
        let bytes = content.bytes.strip_suffix(b"\n").unwrap_or(&content.bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        self.read.borrow_mut().insert(file.to_owned(), number_of(bytes));
        Ok(content)
    }
}

/// What to make of a variable that is named and not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unset {
    /// A mistake: nothing can be started without it.
    IsAMistake,
    /// To be noted: it need not be set where a configuration is only looked at. What it holds is
    /// taken for good.
    IsNoted,
}

/// The keys that a secret is configured by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    /// Names a file.
    pub(super) file: &'static str,
    /// Names a variable, if it may come from one.
    pub(super) variable: Option<&'static str>,
    /// What somebody might write who puts the secret itself into the file.
    pub(super) literal: Option<&'static str>,
    /// Whether nobody else may know it.
    pub(super) is_secret: bool,
}

/// A counter's key at sign-on.
pub(super) const COUNTER_KEY: Names =
    Names { file: "key_file", variable: Some("key_env"), literal: Some("key"), is_secret: true };

/// A counter's other key at sign-on, while one replaces the other.
pub(super) const SECOND_COUNTER_KEY: Names = Names {
    file: "second_key_file",
    variable: Some("second_key_env"),
    literal: Some("second_key"),
    is_secret: true,
};

/// An app's shared secret.
pub(super) const APP_SECRET: Names = Names {
    file: "secret_file",
    variable: Some("secret_env"),
    literal: Some("secret"),
    is_secret: true,
};

/// An app's public key: not a secret, but read like one.
pub(super) const APP_PUBLIC_KEY: Names =
    Names { file: "public_key_file", variable: None, literal: None, is_secret: false };

/// The database's password.
pub(super) const DATABASE_PASSWORD: Names = Names {
    file: "database_password_file",
    variable: Some("database_password_env"),
    literal: Some("database_password"),
    is_secret: true,
};

impl Names {
    /// Whether anything is configured, rightly or wrongly.
    pub(super) fn stand_in(self, section: &Section<'_>) -> bool {
        section.has(self.file)
            || self.variable.is_some_and(|key| section.has(key))
            || self.literal.is_some_and(|key| section.has(key))
    }

    /// What to write, for people.
    pub(super) fn told(self) -> String {
        match self.variable {
            Some(variable) => format!("{} or {variable}", self.file),
            None => self.file.to_owned(),
        }
    }

    /// Reads the secret, without the line end that editors leave behind. `None` if nothing is
    /// configured, or if something is wrong, which is then noted. Its place is that of the key that
    /// names it.
    pub(super) fn read(
        self,
        section: &mut Section<'_>,
        sources: &Sources<'_>,
    ) -> Option<Located<SecretSlice<u8>>> {
        let findings = section.findings();
        if let Some(literal) = self.literal.and_then(|key| section.catch(key)) {
            let what = format!("a secret must not stand here: write {} instead", self.told());
            literal.wrong(findings, what);
        }
        let file = section.text(self.file);
        let variable = self.variable.and_then(|key| section.text(key));
        match (file, variable) {
            (None, None) => None,
            (Some(file), None) => self.read_file(file, sources, findings),
            (None, Some(variable)) => from_variable(variable, sources, findings),
            // What the environment says replaces what the file says.
            (Some(file), Some(variable)) => match (&file.place, &variable.place) {
                (Place::Variable(_), Place::Line(_)) => self.read_file(file, sources, findings),
                (Place::Line(_), Place::Variable(_)) => from_variable(variable, sources, findings),
                (Place::Line(_) | Place::Variable(_) | Place::Whole, _) => {
                    variable.wrong(findings, format!("write {}, not both", self.told()));
                    None
                }
            },
        }
    }

    fn read_file(
        self,
        path: Located<String>,
        sources: &Sources<'_>,
        findings: &Findings,
    ) -> Option<Located<SecretSlice<u8>>> {
        let file = resolved(&path, sources);
        match sources.read(&file) {
            Ok(content) if content.bytes.len() > LONGEST_KEY => {
                path.wrong(findings, format!("{} is too long for a key", file.display()));
                None
            }
            Ok(content) => {
                if self.is_secret && content.is_open_to_others {
                    note_that_others_read(&path, &file, findings);
                }
                Some(path.map(|_| less_one_line_end(content.bytes)))
            }
            Err(error) => {
                path.wrong(findings, format!("{} cannot be read: {error}", file.display()));
                None
            }
        }
    }
}

/// Where a file is that the configuration names.
pub(super) fn resolved(path: &Located<String>, sources: &Sources<'_>) -> PathBuf {
    in_its_folder(&path.place, &path.value, sources)
}

/// The file that stands for `path` at this place of the configuration.
pub(super) fn in_its_folder(place: &Place, path: &str, sources: &Sources<'_>) -> PathBuf {
    match place {
        Place::Line(_) | Place::Whole => sources.folder.join(path),
        Place::Variable(_) => PathBuf::from(path),
    }
}

/// Notes that others on this machine can read the file of a secret.
pub(super) fn note_that_others_read(path: &Located<impl Sized>, file: &Path, findings: &Findings) {
    let file = file.display();
    path.note(findings, format!("others on this machine may read {file}: chmod 600 {file}"));
}

fn from_variable(
    name: Located<String>,
    sources: &Sources<'_>,
    findings: &Findings,
) -> Option<Located<SecretSlice<u8>>> {
    let value = sources.variables.get(&name.value);
    if value.is_none() && sources.unset == Unset::IsNoted && is_a_name(&name.value) {
        name.note(
            findings,
            format!("the environment variable {} is not set here; `serve` needs it", name.value),
        );
        // Long enough for every use, nobody else's, and never used.
        let stand_in: Vec<u8> = format!("{} is not set. ", name.value).repeat(8).into();
        return Some(name.map(|_| stand_in.into()));
    }
    if value.is_none() {
        let what = if is_a_name(&name.value) {
            format!("the environment variable {} is not set", name.value)
        } else {
            // It may be the secret itself, so it is not repeated.
            "must be the name of an environment variable: A-Z, 0-9 and _".to_owned()
        };
        name.wrong(findings, what);
    }
    let value = value?.clone().into_bytes();
    Some(name.map(|_| less_one_line_end(value)))
}

fn is_a_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Without the one line end that editors leave behind; all else is the key, whatever it looks like.
pub(crate) fn less_one_line_end(mut content: Vec<u8>) -> SecretSlice<u8> {
    if content.last() == Some(&b'\n') {
        content.pop();
        if content.last() == Some(&b'\r') {
            content.pop();
        }
    }
    content.into()
}
