//! The configuration: one TOML file, the environment over it, and the secrets that both name. What
//! comes out of it is complete: everything that could be checked has been, and what remains are
//! sockets and a database.
//!
//! Reading order: [`Config`] is what comes out, [`Mistakes`] what comes instead; `tree` reads the
//! file and lays the environment over it; `section` takes values out and notes what is wrong;
//! `secret` reads keys; `service`, `database`, `app`, `counter`, `accept`, `tls`, `profile` and
//! `telemetry` know the keys.
//!
//! Every key can be set by a variable: `COUNTER_BRIDGE__API__LISTEN` is `listen` of `[api]`,
//! `COUNTER_BRIDGE__COUNTER__0__ADDRESSES` is `addresses` of the first `[[counter]]`, with commas
//! between its elements. The number after the last one adds an element.

mod accept;
mod app;
mod counter;
mod database;
mod fingerprint;
mod keyring;
mod mistake;
mod profile;
pub(crate) mod secret;
mod section;
mod service;
mod settings;
mod telemetry;
#[cfg(all(test, not(fuzzing)))]
mod tests;
mod tls;
mod tree;

pub(crate) use app::App;
pub(crate) use counter::Counter;
pub(crate) use mistake::{Mistake, Mistakes, Place};
pub(crate) use secret::{Content, LONGEST_KEY};
pub(crate) use service::{Api, Operators};
pub(crate) use settings::Settings;
pub(crate) use telemetry::OpenTelemetry;

use api::auth::Keys;
use keyring::{Keyring, Reach};
use link::{LinkConfig, Outages};
use port::history::History;
use secrecy::{ExposeSecret, SecretString};
#[cfg(any(test, fuzzing))]
use secret::ReadFile;
use secret::{Sources, Unset};
use section::{Findings, Section};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// The longest configuration that is read, in bytes.
const LONGEST_FILE: u64 = 4 * 1024 * 1024;

/// Everything that the bridge is told. Shows no secret.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// How the bridge signs on at counters.
    pub(crate) name: String,
    /// The database's URL, with its password.
    pub(crate) database: SecretString,
    /// The transfer API.
    pub(crate) api: Api,
    /// The operators' listener.
    pub(crate) operators: Operators,
    /// What the record is opened with.
    pub(crate) record: store::Options,
    /// How patient the coordinator is.
    pub(crate) coordinator: coordinator::Config,
    /// How long everything may take to end in order.
    pub(crate) drain_budget: Duration,
    /// Who may call.
    pub(crate) apps: Vec<App>,
    /// The keys of all apps.
    pub(crate) keys: Keys,
    /// Whom money is moved between.
    pub(crate) counters: Vec<Counter>,
    /// Where counters dial in.
    pub(crate) accept: Option<accept::Accept>,
    /// Where what happens is exported to, if anywhere.
    pub(crate) opentelemetry: Option<OpenTelemetry>,
    /// Every value of the file and the environment, to see what has changed.
    pub(crate) settings: Settings,
    /// What is allowed, but should be known; for people.
    pub(crate) notes: Vec<Mistake>,
}

impl Config {
    /// Reads the file at `path`, the environment over it, and the secrets that they name.
    pub(crate) fn load(
        path: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, Mistakes> {
        Config::load_with(path, variables, Unset::IsAMistake)
    }

    /// The same, to be looked at and not started: a secret's variable need not be set here.
    pub(crate) fn load_to_check(
        path: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, Mistakes> {
        Config::load_with(path, variables, Unset::IsNoted)
    }

    fn load_with(
        path: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
        unset: Unset,
    ) -> Result<Config, Mistakes> {
        let file = path.display().to_string();
        let text = read_text(path).map_err(|error| Mistakes {
            file: file.clone(),
            list: vec![Mistake {
                place: Place::Whole,
                key: String::new(),
                what: format!("cannot be read: {error}"),
            }],
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let variables: BTreeMap<String, String> = variables.into_iter().collect();
        let keyring = Keyring::default();
        let sources = Sources {
            folder,
            variables: &variables,
            read_file: &read_key,
            unset,
            keyring,
            read: RefCell::default(),
        };
        Config::read(&text, &sources).map_err(|list| Mistakes { file, list })
    }

    /// The same from the file's text. Relative paths of key files start in `folder`; `read_file`
    /// reads them. The mistakes are in the order of their lines and never none.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_text(
        text: &str,
        folder: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
        read_file: &ReadFile<'_>,
    ) -> Result<Config, Vec<Mistake>> {
        let variables: BTreeMap<String, String> = variables.into_iter().collect();
        let (unset, keyring) = (Unset::IsAMistake, Keyring::default());
        Config::read(
            text,
            &Sources {
                folder,
                variables: &variables,
                read_file,
                unset,
                keyring,
                read: RefCell::default(),
            },
        )
    }

    fn read(text: &str, sources: &Sources<'_>) -> Result<Config, Vec<Mistake>> {
        let mut rows = tree::parse(text)?;
        let findings = Findings::default();
        for mistake in tree::overlay(&mut rows, sources.variables) {
            findings.mistake(mistake);
        }
        let (settings, named) = Settings::of(&rows);
        let mut root = Section::root(rows, &findings);
        let (database, record) = database::read(&mut root, sources);
        let name = own_name(&mut root);
        let api = service::api(&mut root).value;
        let operators = service::operators(&mut root, api.listen);
        let mut coordinator = service::coordinator(&mut root);
        let drain_budget = service::drain_budget(&mut root);
        let opentelemetry = telemetry::read(&mut root);
        let accept = accept::read(&mut root, sources);
        let door = accept.as_ref().map_or(counter::Acceptor::Missing, |accept| {
            counter::Acceptor::Open(Reach::of(accept.listen.ip()))
        });
        let counters = counter::read(&mut root, sources, door);
        coordinator.states_all_accounts = counters.that_state_all_accounts();
        let apps = app::read(&mut root, sources, &counters.ids, Reach::of(api.listen.ip()));
        coordinator.day_limits = apps.day_limits();
        root.end();
        let (mistakes, notes) = findings.take();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Config {
            name,
            database,
            record,
            api,
            operators,
            coordinator,
            drain_budget,
            apps: apps.list,
            keys: apps.keys,
            counters: counters.list,
            accept,
            opentelemetry,
            settings: settings.with_files(named, sources),
            notes,
        })
    }

    /// The database, without its password.
    pub(crate) fn database_shown(&self) -> String {
        database::for_people(self.database.expose_secret())
    }

    /// What the links to all counters are started with; all record into `history`.
    pub(crate) fn links(&self, history: &History) -> Vec<LinkConfig> {
        let outages = Outages::default();
        self.counters.iter().map(|counter| counter.link(&self.name, history, &outages)).collect()
    }
}

/// The variables of this process, those that are text.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn own_name(root: &mut Section<'_>) -> String {
    let findings = root.findings();
    let Some(name) = root.text("name") else { return "bridge".to_owned() };
    let longest = wire::conversation::NAME_LONGEST;
    let visible = name.value.bytes().all(|byte| byte.is_ascii_graphic());
    if name.value.is_empty() || name.value.len() > longest || !visible {
        name.wrong(findings, format!("must be 1 to {longest} visible ASCII characters"));
    }
    name.value
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LONGEST_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST_FILE {
        return Err(io::Error::other("too long for a configuration"));
    }
    Ok(text)
}

/// Reads a file with a secret in it, as a whole, or its first bytes if it is longer than [`LONGEST_KEY`].
pub(crate) fn read_key(path: &Path) -> io::Result<Content> {
    let file = File::open(path)?;
    let is_open_to_others = is_open_to_others(&file.metadata()?);
    let mut bytes = Vec::new();
    file.take(LONGEST_KEY as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Content { bytes, is_open_to_others })
}

/// Whether others than a file's owner may read or write it.
fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o066 != 0
}
