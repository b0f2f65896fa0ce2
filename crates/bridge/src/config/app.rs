//! App backends: who may call the transfer API, and with which keys.

use super::keyring::Reach;
use super::mistake::did_you_mean;
use super::secret::{APP_PUBLIC_KEY, APP_SECRET, Sources};
use super::section::{Findings, Located, Section};
use api::apps::{AccountPattern, Direction, NotARight, Rights};
use api::auth::{Algorithm, Keys, VerificationKey};
use coordinator::DayLimit;
use domain::message::CounterId;
use domain::money::Amount;
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

/// The longest name of an app, in bytes: what the database keeps of it.
const LONGEST_NAME: usize = 64;

/// An app backend.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// Its name, under which its transfers are kept.
    pub(crate) name: Arc<str>,
    /// What it may do.
    pub(crate) rights: Rights,
    /// How much of it in a day.
    pub(crate) day_limit: DayLimit,
}

/// The apps that were read, and all their keys.
#[derive(Debug, Default)]
pub(super) struct Apps {
    pub(super) list: Vec<App>,
    pub(super) keys: Keys,
}

impl Apps {
    /// How much those may move in a day that have a limit.
    pub(super) fn day_limits(&self) -> BTreeMap<Arc<str>, DayLimit> {
        let limited = self.list.iter().filter(|app| app.day_limit != DayLimit::default());
        limited.map(|app| (app.name.clone(), app.day_limit)).collect()
    }
}

/// Reads `[[app]]`. `counters` are the configured ones.
pub(super) fn read(
    root: &mut Section<'_>,
    sources: &Sources<'_>,
    counters: &BTreeSet<CounterId>,
    reach: Reach,
) -> Apps {
    let mut apps = Apps::default();
    for mut section in root.sections("app") {
        let name = name(&mut section, &apps.list);
        let rights = rights(&mut section, counters);
        let day_limit = DayLimit {
            transfers: section.number("transfers_a_day", 1..=1_000_000_000).map(|most| most.value),
            sum: section.number("sum_a_day", 1..=i64::MAX).map(|most| most.value),
        };
        section.require("key", "without a key the app cannot call; write [[app.key]]");
        for section in section.sections("key") {
            key(section, sources, (name.as_ref(), reach), &mut apps.keys);
        }
        section.end();
        if let Some(name) = name {
            apps.list.push(App { name, rights, day_limit });
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

fn rights(section: &mut Section<'_>, counters: &BTreeSet<CounterId>) -> Rights {
    let findings = section.findings();
    // Whatever is wrong with a right, it is one: nothing is allowed for a mistake in it.
    let known = |at: &Located<String>, id: &str| {
        let counter = counters.iter().find(|counter| counter.as_str() == id);
        if counter.is_none() {
            let near = did_you_mean(id, counters.iter().map(CounterId::as_str));
            at.wrong(findings, format!("no counter {id:?} is configured{near}"));
        }
        counter.cloned()
    };
    let named = section.texts("counters");
    let patterns = section.texts("accounts");
    let directions = section.texts("directions");
    let largest = section.number("largest_transfer", 1..=Amount::MAX.minor());
    let requests_per_s = section.number("requests_per_s", 1..=1_000_000);
    Rights {
        counters: named.map(|all| all.iter().filter_map(|id| known(id, &id.value)).collect()),
        accounts: patterns.map(|all| {
            let read = all.iter().filter_map(|text| {
                let pattern: AccountPattern = right(text, findings)?;
                known(text, pattern.counter().as_str()).map(|_| pattern)
            });
            read.collect()
        }),
        directions: directions.map(|all| {
            let read = all.iter().filter_map(|text| {
                let direction: Direction = right(text, findings)?;
                let both = [&direction.from, &direction.to].map(|id| known(text, id.as_str()));
                both.into_iter().all(|known| known.is_some()).then_some(direction)
            });
            read.collect()
        }),
        largest_transfer: largest.and_then(|largest| Amount::new(largest.value).ok()),
        requests_per_s: requests_per_s.map(|most| most.value),
    }
}

/// Reads a text as a right.
fn right<T: FromStr<Err = NotARight>>(text: &Located<String>, findings: &Findings) -> Option<T> {
    text.value
        .parse()
        .map_err(|error| text.wrong(findings, format!("{:?}: {error}", text.value)))
        .ok()
}

/// Reads one `[[app.key]]` and registers it.
fn key(
    mut section: Section<'_>,
    sources: &Sources<'_>,
    (app, reach): (Option<&Arc<str>>, Reach),
    keys: &mut Keys,
) {
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
        let holder = format!("the app {:?}", app.map_or("", AsRef::as_ref));
        if !sources.keyring.take_in(&content, &holder, reach, findings) {
            return None;
        }
        VerificationKey::read(algorithm.value, content.value.expose_secret())
            .map_err(|error| content.wrong(findings, error))
            .ok()
    });
    if let (Some(id), Some(app), Some(verification)) = (id, app, verification)
        && let Err(error) = keys.insert(&id.value, app, verification)
    {
        id.wrong(findings, error);
    }
}
