//! What the bridge itself is: where it listens, how patient it is, how it ends.

use super::section::{Located, Section};
use super::tree::Node;
use api::auth::{Policy, PublicUrl};
use api::server::Limits;
use domain::money::Currency;
use ops::{Approval, MetricsFor, Names};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The transfer API's listener.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// Where it listens; port 0 for any free one.
    pub(crate) listen: SocketAddr,
    /// The longest body of a request, in bytes.
    pub(crate) longest_body: usize,
    /// How many nonces are remembered at once.
    pub(crate) nonces: usize,
    /// What signatures must be like.
    pub(crate) policy: Policy,
    /// What is allowed to those who connect.
    pub(crate) limits: Limits,
}

/// The operators' listener.
#[derive(Clone, Debug)]
pub(crate) struct Operators {
    /// Where it listens; port 0 for any free one.
    pub(crate) listen: SocketAddr,
    /// What is allowed to those who connect.
    pub(crate) limits: Limits,
    /// Live feeds at once from one address.
    pub(crate) feeds_per_address: usize,
    /// The names by which it is asked, beside IP addresses and `localhost`.
    pub(crate) names: Names,
    /// What only admins may approve.
    pub(crate) approval: Approval,
    /// Who may read the metrics.
    pub(crate) metrics_for: MetricsFor,
}

/// Reads `[api]`.
pub(super) fn api(root: &mut Section<'_>) -> Located<Api> {
    let mut section = root.section("api");
    let default = Policy::default();
    let listen = listen(&mut section, 8080);
    let api = Api {
        listen: listen.value,
        // Transfers have some hundred bytes; whatever is longer is none.
        longest_body: value_or(section.number("longest_body", 256..=1_048_576), 16_384),
        nonces: value_or(section.number("nonces", 64..=100_000_000), 1_000_000),
        policy: Policy {
            public_url: section
                .parsed::<PublicUrl>(
                    "public_url",
                    "http:// or https:// with a host and perhaps a path",
                )
                .map(|url| url.value),
            // Whoever can connect from elsewhere may bring what was signed for somebody else.
            believes_host: listen.value.ip().is_loopback(),
            clock_skew_s: value_or(section.number("clock_skew_s", 0..=3600), default.clock_skew_s),
            longest_validity_s: value_or(
                section.number("longest_validity_s", 1..=86_400),
                default.longest_validity_s,
            ),
        },
        limits: limits(&mut section, &Limits::default()),
    };
    if !api.policy.believes_host && api.policy.public_url.is_none() {
        listen.note(
            section.findings(),
            "without a public_url only signatures for the very address at which a request arrives \
             are taken, and none for a name",
        );
    }
    section.end();
    listen.map(|_| api)
}

/// Reads `[operators]`; they must not listen where the API does.
pub(super) fn operators(root: &mut Section<'_>, api: SocketAddr) -> Operators {
    let findings = root.findings();
    let mut section = root.section("operators");
    let listen = listen(&mut section, 8081);
    // Some hundred browsers, each with a feed and a page, and what scrapes the metrics.
    let few = Limits { connections: 1024, per_address: 64, ..Limits::default() };
    let limits = limits(&mut section, &few);
    let feeds_per_address = value_or(section.number("feeds_per_address", 1..=256), 16);
    if listen.value.port() != 0 && listen.value == api {
        listen.wrong(findings, format!("{api} is where the transfer API listens already"));
    }
    if !listen.value.ip().is_loopback() {
        listen.note(
            findings,
            "the operators' side speaks no TLS: where no proxy in front of it does, passwords and \
             tokens are read by whoever is on the way",
        );
    }
    let metrics_for = metrics_for(&mut section, &listen);
    let names = names(&mut section);
    let approval = approval(section.section("admin_approves_above"));
    section.end();
    Operators { listen: listen.value, limits, feeds_per_address, names, approval, metrics_for }
}

/// Who may read the metrics. Where others than this machine can ask and nothing is said of it, that is noted.
fn metrics_for(section: &mut Section<'_>, listen: &Located<SocketAddr>) -> MetricsFor {
    let choices = [("anyone", MetricsFor::Anyone), ("viewer", MetricsFor::Viewer)];
    let said = section.choice("metrics", &choices);
    if said.is_none() && !listen.value.ip().is_loopback() {
        let note = "whoever reaches this address reads /metrics: metrics = \"viewer\" has it ask for a token, \
                    and metrics = \"anyone\" says that it is meant";
        listen.note(section.findings(), note);
    }
    value_or(said, MetricsFor::default())
}

/// Amounts by currency, in minor units: `[operators.admin_approves_above]`.
fn approval(mut section: Section<'_>) -> Approval {
    let findings = section.findings();
    let mut admin_above = BTreeMap::new();
    for (name, row) in section.rows() {
        let amount = match &row.value {
            Node::Number(number) => Some(*number),
            Node::Words(words) => words.parse().ok(),
            Node::Text(_) | Node::Flag(_) | Node::List(_) | Node::Table(_) | Node::Other(_) => None,
        };
        let amount = amount.filter(|amount| *amount >= 0);
        match (name.parse::<Currency>(), amount) {
            (Ok(currency), Some(amount)) => drop(admin_above.insert(currency.to_string(), amount)),
            (Err(error), _) => row.wrong(findings, format!("must be named by a currency: {error}")),
            (Ok(_), None) => row.wrong(findings, "must be an amount in minor units, 0 or more"),
        }
    }
    Approval { admin_above }
}

/// Names of hosts, without ports.
fn names(section: &mut Section<'_>) -> Names {
    let findings = section.findings();
    let names = section.texts("names").unwrap_or_default();
    for name in &names {
        let may_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if name.value.is_empty() || name.value.len() > 253 || !name.value.bytes().all(may_be) {
            name.wrong(
                findings,
                format!("must be a host's name without a port, not {:?}", name.value),
            );
        }
    }
    Names::new(names.into_iter().map(|name| name.value))
}

/// What is allowed to those who connect to a listener.
fn limits(section: &mut Section<'_>, default: &Limits) -> Limits {
    let longest_head = u32::try_from(Limits::SHORTEST_HEAD).unwrap_or(u32::MAX)..=1_048_576;
    Limits {
        connections: value_or(section.number("connections", 8..=1_000_000), default.connections),
        per_address: value_or(
            section.number("connections_per_address", 1..=1_000_000),
            default.per_address,
        ),
        longest_head: section
            .number("longest_head", longest_head)
            .and_then(|located| usize::try_from(located.value).ok())
            .unwrap_or(default.longest_head),
        head: value_or(milliseconds(section, "head_ms", 100..=600_000), default.head),
        body: value_or(milliseconds(section, "body_ms", 100..=600_000), default.body),
        idle: value_or(milliseconds(section, "idle_ms", 100..=86_400_000), default.idle),
        write: value_or(milliseconds(section, "unread_ms", 100..=600_000), default.write),
    }
}

/// Reads `[coordinator]`.
pub(super) fn coordinator(root: &mut Section<'_>) -> coordinator::Config {
    let findings = root.findings();
    let mut section = root.section("coordinator");
    let default = coordinator::Config::default();
    let first_pause = milliseconds(&mut section, "first_pause_ms", 1..=60_000);
    let longest_pause = milliseconds(&mut section, "longest_pause_ms", 1..=3_600_000);
    let config = coordinator::Config {
        shards: value_or(section.number("shards", 1..=256), default.shards),
        transfer_deadline: value_or(
            seconds(&mut section, "transfer_deadline_s", 1..=86_400),
            default.transfer_deadline,
        ),
        posting_deadline: value_or(
            milliseconds(&mut section, "posting_deadline_ms", 1..=600_000),
            default.posting_deadline,
        ),
        query_deadline: value_or(
            milliseconds(&mut section, "query_deadline_ms", 1..=600_000),
            default.query_deadline,
        ),
        patience: value_or(section.number("patience", 1..=10_000), default.patience),
        first_pause: value_or(first_pause.clone(), default.first_pause),
        longest_pause: value_or(longest_pause.clone(), default.longest_pause),
        parked_pause: value_or(
            seconds(&mut section, "parked_pause_s", 1..=86_400),
            default.parked_pause,
        ),
        most_callers: value_or(section.number("most_callers", 1..=1_000_000), default.most_callers),
        most_open: value_or(section.number("most_open", 1..=10_000_000), default.most_open),
        serial_block: value_or(section.number("serial_block", 1..=1_000_000), default.serial_block),
        // Said of each counter, and of each app.
        states_all_accounts: default.states_all_accounts,
        day_limits: default.day_limits,
    };
    if config.first_pause > config.longest_pause
        && let Some(pause) = longest_pause.or(first_pause)
    {
        let (first, longest) = (config.first_pause.as_millis(), config.longest_pause.as_millis());
        let what =
            format!("the first pause ({first} ms) is longer than the longest ({longest} ms)");
        pause.wrong(findings, what);
    }
    section.end();
    config
}

/// Reads `[drain]`: how long everything may take to end in order.
pub(super) fn drain_budget(root: &mut Section<'_>) -> Duration {
    let mut section = root.section("drain");
    let budget = value_or(seconds(&mut section, "budget_s", 0..=600), Duration::from_secs(20));
    section.end();
    budget
}

/// What was read, or the default.
pub(super) fn value_or<T>(read: Option<Located<T>>, default: T) -> T {
    read.map_or(default, |located| located.value)
}

/// A time in milliseconds.
pub(super) fn milliseconds(
    section: &mut Section<'_>,
    key: &'static str,
    limits: std::ops::RangeInclusive<u32>,
) -> Option<Located<Duration>> {
    let number = section.number(key, limits)?;
    Some(number.map(|number| Duration::from_millis(number.into())))
}

/// A time in seconds.
pub(super) fn seconds(
    section: &mut Section<'_>,
    key: &'static str,
    limits: std::ops::RangeInclusive<u32>,
) -> Option<Located<Duration>> {
    let number = section.number(key, limits)?;
    Some(number.map(|number| Duration::from_secs(number.into())))
}

fn listen(section: &mut Section<'_>, port: u16) -> Located<SocketAddr> {
    let default = SocketAddr::from(([127, 0, 0, 1], port));
    let read = section.parsed("listen", "an IP address and a port, such as 127.0.0.1:8080");
    read.unwrap_or_else(|| section.absent("listen").map(|()| default))
}
