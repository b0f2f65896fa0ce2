//! App backends: who may call the transfer API, and with which keys.

use super::mistake::did_you_mean;
use super::secret::{APP_PUBLIC_KEY, APP_SECRET, Sources};
use super::section::Section;
use api::auth::{Algorithm, Keys, VerificationKey};
use domain::message::CounterId;
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The longest name of an app, in bytes: what the database keeps of it.
const LONGEST_NAME: usize = 64;

/// An app backend.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// Its name, under which its transfers are kept.
    pub(crate) name: Arc<str>,
    /// The only counters that it may move money between; `None`: all.
    pub(crate) counters: Option<BTreeSet<CounterId>>,
}

/// The apps that were read, and all their keys.
#[derive(Debug, Default)]
pub(super) struct Apps {
    pub(super) list: Vec<App>,
    pub(super) keys: Keys,
}

/// Reads `[[app]]`. `counters` are the configured ones.
pub(super) fn read(
    root: &mut Section<'_>,
    sources: &Sources<'_>,
    counters: &BTreeSet<CounterId>,
) -> Apps {
    let mut apps = Apps::default();
    for mut section in root.sections("app") {
        let name = name(&mut section, &apps.list);
        let allowed = allowed(&mut section, counters);
        section.require("key", "without a key the app cannot call; write [[app.key]]");
        for section in section.sections("key") {
            key(section, sources, name.as_ref(), &mut apps.keys);
        }
        section.end();
        if let Some(name) = name {
            apps.list.push(App { name, counters: allowed });
        }
    }
    apps
}

fn name(section: &mut Section<'_>, others: &[App]) -> Option<Arc<str>> {
    let findings = section.findings();
    section.require("name", "what the app is called");
    let name = section.text("name")?;
    let visible = name.value.bytes().all(|byte| byte.is_ascii_graphic());
    if name.value.is_empty() || name.value.len() > LONGEST_NAME || !visible {
        name.wrong(findings, format!("must be 1 to {LONGEST_NAME} visible ASCII characters"));
        return None;
    }
    if others.iter().any(|other| *other.name == *name.value) {
        name.wrong(findings, format!("two apps have the name {:?}", name.value));
        return None;
    }
    Some(name.value.into())
}

fn allowed(
    section: &mut Section<'_>,
    counters: &BTreeSet<CounterId>,
) -> Option<BTreeSet<CounterId>> {
    let findings = section.findings();
    let mut allowed = BTreeSet::new();
    for id in section.texts("counters")? {
        let counter = counters.iter().find(|counter| counter.as_str() == id.value);
        if counter.is_none() {
            let near = did_you_mean(&id.value, counters.iter().map(CounterId::as_str));
            id.wrong(findings, format!("no counter {:?} is configured{near}", id.value));
        }
        allowed.extend(counter.cloned());
    }
    Some(allowed)
}

/// Reads one `[[app.key]]` and registers it.
fn key(mut section: Section<'_>, sources: &Sources<'_>, app: Option<&Arc<str>>, keys: &mut Keys) {
    let findings = section.findings();
    section.require("id", "the key's id, as signatures name it");
    section.require("algorithm", "\"hmac-sha256\" or \"ed25519\"");
    let id = section.text("id");
    let algorithms = [Algorithm::HmacSha256, Algorithm::Ed25519];
    let algorithms = algorithms.map(|algorithm| (algorithm.as_str(), algorithm));
    let Some(algorithm) = section.choice("algorithm", &algorithms) else {
        // Without it nobody knows which of these is right, so none is wrong.
        for names in [APP_SECRET, APP_PUBLIC_KEY] {
            names.read(&mut section, sources);
        }
        section.end();
        return;
    };
    let names = match algorithm.value {
        Algorithm::HmacSha256 => APP_SECRET,
        Algorithm::Ed25519 => APP_PUBLIC_KEY,
    };
    if !names.stand_in(&section) {
        let what = format!("is missing: for {} write {}", algorithm.value, names.told());
        section.absent(names.file).wrong(findings, what);
    }
    let content = names.read(&mut section, sources);
    section.end();
    let verification = content.and_then(|content| {
        VerificationKey::from_file(algorithm.value, content.value.expose_secret())
            .map_err(|error| content.wrong(findings, error))
            .ok()
    });
    if let (Some(id), Some(app), Some(verification)) = (id, app, verification)
        && let Err(error) = keys.insert(&id.value, app, verification)
    {
        id.wrong(findings, error);
    }
}
