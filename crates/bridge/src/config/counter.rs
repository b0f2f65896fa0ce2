//! Counters: what they speak, where they are, what they can do, how patient their links are.

use super::keyring::Reach;
use super::profile;
use super::secret::{COUNTER_KEY, LONGEST_KEY, Names, SECOND_COUNTER_KEY, Sources, resolved};
use super::section::{Located, Section};
use super::service::{milliseconds, seconds, value_or};
use super::tls;
use domain::message::CounterId;
use domain::profile::{AmountUnit, Profile};
use link::{LinkConfig, LinkKeys, Outages, ServiceHours, Timers, TlsDial};
use port::Bounds;
use port::history::History;
use secrecy::{ExposeSecret, SecretSlice};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use wire::dialect::{Detail, Details, Dialect, Encoding, Speech};

/// The shortest key of a counter, in bytes: what the proof's hash gives back is no longer.
const SHORTEST_KEY: usize = 32;

/// More addresses than this are a list of something else.
const MOST_ADDRESSES: usize = 16;

/// More connections than this carry no more; the counter's own speed is the bound long before.
const MOST_CONNECTIONS: u16 = 64;

/// A counter and everything about its link.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    /// How transfers name it, and how it is addressed at sign-on.
    pub(crate) id: CounterId,
    /// `host:port`, the preferred one first.
    pub(crate) addresses: Vec<String>,
    /// Whether it dials in, and is not dialled.
    pub(crate) dials_in: bool,
    /// The addresses that it dials in from, as far as they are known.
    pub(crate) dials_from: Vec<IpAddr>,
    /// Whom its certificate must name when it dials in; `None` for its id.
    pub(crate) certificate_name: Option<String>,
    /// How many connections are kept at once.
    pub(crate) connections: u16,
    /// Whether one of them is used while the others stand by.
    pub(crate) standby: bool,
    /// How they are secured; `None` for plain TCP.
    pub(crate) tls: Option<TlsDial>,
    /// Whether it can state the entries of all accounts in one.
    pub(crate) states_all_accounts: bool,
    /// When it is dialled, or let in; `None` for always.
    pub(crate) hours: Option<ServiceHours>,
    /// Which bytes it speaks.
    pub(crate) dialect: Dialect,
    /// The keys of the proofs at sign-on.
    pub(crate) keys: LinkKeys,
    /// What is relied on.
    pub(crate) profile: Profile,
    /// How long things may take.
    pub(crate) timers: Timers,
    /// How much of everything there may be.
    pub(crate) bounds: Bounds,
}

impl Counter {
    /// What its link is started with, by a bridge that signs on as `own_name` and records what
    /// happens in `history`; what its links know of addresses that do not answer, `outages` knows.
    pub(crate) fn link(&self, own_name: &str, history: &History, outages: &Outages) -> LinkConfig {
        LinkConfig {
            connections: self.connections,
            standby: self.standby,
            tls: self.tls.clone(),
            hours: self.hours.clone(),
            certificate_name: self.certificate_name.clone(),
            profile: self.profile.clone(),
            timers: self.timers.clone(),
            bounds: self.bounds.clone(),
            history: history.clone(),
            outages: outages.clone(),
            ..LinkConfig::new(
                self.id.clone(),
                self.addresses.clone(),
                self.dialect.clone(),
                own_name.to_owned(),
                self.keys.clone(),
            )
        }
    }
}

/// The counters that were read, and the ids of all, also of those that something is wrong with.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) list: Vec<Counter>,
    pub(super) ids: BTreeSet<CounterId>,
}

/// Whether there is an acceptor at which counters can dial in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acceptor {
    /// There is one, for those who can reach it.
    Open(Reach),
    Missing,
}

impl Counters {
    /// Those that can state the entries of all accounts.
    pub(super) fn that_state_all_accounts(&self) -> BTreeSet<CounterId> {
        let those = self.list.iter().filter(|counter| counter.states_all_accounts);
        those.map(|counter| counter.id.clone()).collect()
    }
}

/// Reads `[[counter]]`.
pub(super) fn read(root: &mut Section<'_>, sources: &Sources<'_>, door: Acceptor) -> Counters {
    let mut counters = Counters::default();
    for mut section in root.sections("counter") {
        let id = id(&mut section, &counters.ids);
        counters.ids.extend(id.clone());
        let speeches = Speech::ALL.map(|speech| (speech.as_str(), speech));
        let names = speeches.map(|(name, _)| format!("{name:?}")).join(" or ");
        section.require("dialect", &names);
        let speech = section.choice("dialect", &speeches);
        let dials_in = dials_in(&mut section, door);
        let dials_from = dials_from(&mut section, dials_in);
        let addresses = if dials_in { Some(Vec::new()) } else { addresses(&mut section) };
        let certificate_name = section.text("certificate_name").map(|name| name.value);
        let name = id.as_ref().map_or("", CounterId::as_str);
        let good = addresses.iter().flatten().filter(|address| is_host_and_port(address));
        let tls = tls::dialled(&mut section, sources, name, good);
        let reach = match door {
            Acceptor::Open(reach) if dials_in => reach,
            Acceptor::Open(_) | Acceptor::Missing => reach(addresses.iter().flatten()),
        };
        let keys = keys(&mut section, sources, (name, reach));
        let connections = value_or(section.number("connections", 1..=MOST_CONNECTIONS), 1);
        let standby = standby(&mut section, connections);
        let hours = hours(&mut section, sources);
        let states_all_accounts =
            section.flag("states_all_accounts").is_some_and(|flag| flag.value);
        let timers = timers(&mut section);
        let bounds = bounds(&mut section);
        let profile::Read { profile, amount_unit } = profile::read(&mut section);
        let dialect = speech.and_then(|s| dialect(&mut section, s.value, &amount_unit));
        section.end();
        if let (Some(id), Some(addresses), Some(keys), Some(dialect)) =
            (id, addresses, keys, dialect)
        {
            counters.list.push(Counter {
                id,
                addresses,
                dials_in,
                dials_from,
                certificate_name,
                connections,
                standby,
                tls,
                states_all_accounts,
                hours,
                dialect,
                keys,
                profile,
                timers,
                bounds,
            });
        }
    }
    counters
}

fn id(section: &mut Section<'_>, others: &BTreeSet<CounterId>) -> Option<CounterId> {
    let findings = section.findings();
    section.require("id", "how transfers name the counter");
    let id = section.text("id")?;
    match CounterId::new(&id.value) {
        Ok(counter) if others.contains(&counter) => {
            id.wrong(findings, format!("two counters have the id {:?}", id.value));
            None
        }
        Ok(counter) => Some(counter),
        Err(error) => {
            id.wrong(findings, error);
            None
        }
    }
}

fn dials_in(section: &mut Section<'_>, door: Acceptor) -> bool {
    let findings = section.findings();
    let Some(dials_in) = section.flag("dials_in").filter(|dials_in| dials_in.value) else {
        return false;
    };
    if door == Acceptor::Missing {
        dials_in.wrong(findings, "there is no [accept] with a listen at which it could dial in");
    }
    if let Some(addresses) = section.take("addresses") {
        addresses.wrong(findings, "is said together with dials_in: one side dials, not both");
    }
    true
}

/// The service hours, with the days that are otherwise.
fn hours(section: &mut Section<'_>, sources: &Sources<'_>) -> Option<ServiceHours> {
    let findings = section.findings();
    let wanted = "hours and a zone, such as \"09:00-15:30 +08:00\" or \"Mon-Fri 09:00-11:30 13:30-15:00, \
                  Mon-Thu 21:00-02:30 +08:00\"";
    let hours = section.parsed::<ServiceHours>("service_hours", wanted);
    let Some(path) = section.text("special_days_file") else {
        return hours.map(|hours| hours.value);
    };
    let file = resolved(&path, sources);
    let read = sources.read(&file);
    let text = match read.map(|content| String::from_utf8(content.bytes)) {
        Err(error) => {
            path.wrong(findings, format!("{} cannot be read: {error}", file.display()));
            return None;
        }
        Ok(Ok(text)) if text.len() <= LONGEST_KEY => text,
        Ok(_) => {
            path.wrong(findings, format!("{} is too long, or no text", file.display()));
            return None;
        }
    };
    let Some(hours) = hours else {
        path.wrong(findings, "is for a counter with service_hours");
        return None;
    };
    hours
        .value
        .with_special_days(&text)
        .map_err(|error| path.wrong(findings, format!("{}: {error}", file.display())))
        .ok()
}

fn dials_from(section: &mut Section<'_>, dials_in: bool) -> Vec<IpAddr> {
    let findings = section.findings();
    let here = section.absent("dials_from");
    let Some(list) = section.texts("dials_from") else { return Vec::new() };
    if !dials_in && !list.is_empty() {
        here.wrong(findings, "is for a counter with dials_in = true");
    }
    if list.len() > MOST_ADDRESSES {
        here.wrong(findings, format!("must be at most {MOST_ADDRESSES}, not {}", list.len()));
    }
    let mut addresses = Vec::with_capacity(list.len());
    for text in &list {
        match text.value.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => text.wrong(findings, format!("must be an IP address, not {:?}", text.value)),
        }
    }
    addresses
}

fn standby(section: &mut Section<'_>, connections: u16) -> bool {
    let findings = section.findings();
    let Some(standby) = section.flag("standby").filter(|standby| standby.value) else {
        return false;
    };
    if connections < 2 {
        standby.wrong(findings, "needs connections = 2 or more: there is nothing to stand by");
    }
    true
}

fn addresses(section: &mut Section<'_>) -> Option<Vec<String>> {
    let findings = section.findings();
    section.require("addresses", "where the counter is: [\"host:port\"]");
    let missing = section.absent("addresses");
    let has = section.has("addresses");
    let addresses = section.texts("addresses")?;
    if addresses.is_empty() && has {
        missing.wrong(findings, "must name at least one host:port");
    }
    if addresses.len() > MOST_ADDRESSES {
        missing
            .wrong(findings, format!("must be at most {MOST_ADDRESSES}, not {}", addresses.len()));
    }
    for address in &addresses {
        if !is_host_and_port(&address.value) {
            let what = format!("must be host:port, not {:?}", address.value);
            address.wrong(findings, what);
        }
    }
    Some(addresses.into_iter().map(|address| address.value).collect())
}

/// `host:port`, `1.2.3.4:port` or `[::1]:port`; port 0 is nobody's.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let plain_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let host_is_good = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.len() <= 253
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    host_is_good && plain_port && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// From where somebody could be taken for a counter that is dialled there.
fn reach<'a>(mut addresses: impl Iterator<Item = &'a String>) -> Reach {
    if addresses.all(|address| tls::is_loopback(address)) {
        Reach::ThisMachine
    } else {
        Reach::Beyond
    }
}

/// The counter's key, and the one that replaces it or is replaced by it.
fn keys(
    section: &mut Section<'_>,
    sources: &Sources<'_>,
    whose: (&str, Reach),
) -> Option<LinkKeys> {
    if !COUNTER_KEY.stand_in(section) {
        let what = format!("is missing: write {}", COUNTER_KEY.told());
        section.absent(COUNTER_KEY.file).wrong(section.findings(), what);
    }
    let first = key(COUNTER_KEY, section, sources, whose);
    let has_second = SECOND_COUNTER_KEY.stand_in(section);
    let second = key(SECOND_COUNTER_KEY, section, sources, whose);
    if has_second && second.is_none() {
        return None;
    }
    Some(LinkKeys::new(first?, second))
}

fn key(
    names: Names,
    section: &mut Section<'_>,
    sources: &Sources<'_>,
    (id, reach): (&str, Reach),
) -> Option<SecretSlice<u8>> {
    let findings = section.findings();
    let key = names.read(section, sources)?;
    let length = key.value.expose_secret().len();
    if length < SHORTEST_KEY {
        key.wrong(findings, format!("a key must have at least {SHORTEST_KEY} bytes, not {length}"));
        return None;
    }
    let holder = format!("the counter {id:?}");
    sources.keyring.take_in(&key, &holder, reach, findings).then_some(key.value)
}

/// The dialect with its details. One that is none of its own is a mistake.
fn dialect(
    section: &mut Section<'_>,
    speech: Speech,
    unit: &Located<AmountUnit>,
) -> Option<Dialect> {
    let findings = section.findings();
    let is_its_own = |detail: Detail| speech.details().contains(&detail);
    for (key, detail) in
        [("encoding", Detail::Encoding), ("utc_offset_minutes", Detail::UtcOffsetMinutes)]
    {
        if !is_its_own(detail)
            && let Some(found) = section.catch(key)
        {
            let others = Speech::having(detail);
            found.wrong(findings, format!("is for the {others} dialect only"));
        }
    }
    if !is_its_own(Detail::AmountUnit) && unit.value == AmountUnit::Major {
        unit.wrong(findings, format!("must be \"minor\": the {speech} dialect has no other"));
        return None;
    }
    let encodings = [("utf-8", Encoding::Utf8), ("gb18030", Encoding::Gb18030)];
    let mut details = Details { amount_unit: Some(unit.value), ..Details::default() };
    if is_its_own(Detail::Encoding) {
        details.encoding = section.choice("encoding", &encodings).map(|it| it.value);
    }
    if is_its_own(Detail::UtcOffsetMinutes) {
        // Real zones reach from -12:00 to +14:00.
        details.utc_offset_minutes =
            section.number("utc_offset_minutes", -720..=840).map(|it| it.value);
    }
    Some(speech.with(details))
}

fn timers(counter: &mut Section<'_>) -> Timers {
    let findings = counter.findings();
    let default = Timers::default();
    let heartbeat_s = value_or(counter.number("heartbeat_s", 0..=120), default.heartbeat_s);
    let mut section = counter.section("timers");
    let attempt = milliseconds(&mut section, "attempt_ms", 1..=600_000);
    let mut ms =
        |key, default: Duration| value_or(milliseconds(&mut section, key, 1..=600_000), default);
    let timers = Timers {
        connect: ms("connect_ms", default.connect),
        tls: ms("tls_ms", default.tls),
        sign_on: ms("sign_on_ms", default.sign_on),
        attempt: value_or(attempt.clone(), default.attempt),
        heartbeat_s,
        early_probe: ms("early_probe_ms", default.early_probe),
        write_progress: ms("write_progress_ms", default.write_progress),
        sync: ms("sync_ms", default.sync),
        drain: ms("drain_ms", default.drain),
        sign_off: ms("sign_off_ms", default.sign_off),
        close: ms("close_ms", default.close),
        fail_back: ms("fail_back_ms", default.fail_back),
        renewal: ms("renewal_ms", default.renewal),
        tcp_user_timeout: ms("tcp_user_timeout_ms", default.tcp_user_timeout),
        // The kernel counts these in seconds.
        keepalive_idle: value_or(
            seconds(&mut section, "keepalive_idle_s", 1..=7200),
            default.keepalive_idle,
        ),
        keepalive_interval: value_or(
            seconds(&mut section, "keepalive_interval_s", 1..=7200),
            default.keepalive_interval,
        ),
        keepalive_count: value_or(
            section.number("keepalive_count", 1..=127),
            default.keepalive_count,
        ),
    };
    let longest_part = timers.connect.max(timers.tls).max(timers.sign_on);
    if timers.attempt < longest_part {
        let (whole, part) = (timers.attempt.as_millis(), longest_part.as_millis());
        let what =
            format!("a whole attempt ({whole} ms) is shorter than one part of it ({part} ms)");
        attempt
            .map_or_else(|| section.absent("attempt_ms"), |at| at.map(drop))
            .wrong(findings, what);
    }
    section.end();
    timers
}

fn bounds(counter: &mut Section<'_>) -> Bounds {
    let mut section = counter.section("bounds");
    let bounds = Bounds {
        in_flight: value_or(section.number("in_flight", 1..=4096), Bounds::IN_FLIGHT),
        queued: value_or(section.number("queued", 1..=65_536), Bounds::QUEUED),
    };
    section.end();
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port() {
        for good in ["a:1", "counter.example:65535", "10.0.0.1:9001", "[::1]:9001", "a_b-c:80"] {
            assert!(is_host_and_port(good), "{good}");
        }
        for bad in ["", "a", ":1", "a:", "a:0", "a:65536", "a:+1", "::1:9001", "a b:1", "tcp://a:1"]
        {
            assert!(!is_host_and_port(bad), "{bad}");
        }
    }
}
