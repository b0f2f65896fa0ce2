//! Where what happens is exported to, for OpenTelemetry: `[opentelemetry]`.

use super::section::Section;
use super::service::value_or;
use api::auth::PublicUrl;
use client::way::{Url, is_this_machine};

/// Longest name of the service.
const NAME_LONGEST: usize = 64;

/// Where what happens is exported to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenTelemetry {
    /// The collector's base, `http://` or `https://`, without a slash at its end.
    pub(crate) endpoint: String,
    /// What the collector calls this bridge.
    pub(crate) service_name: String,
}

/// Reads `[opentelemetry]`, if it is there; a program that was built without it has none.
pub(super) fn read(root: &mut Section<'_>) -> Option<OpenTelemetry> {
    if !root.has("opentelemetry") {
        return None;
    }
    let section = root.section("opentelemetry");
    if cfg!(feature = "opentelemetry") { to(section) } else { not_built_in(&section) }
}

fn to(mut section: Section<'_>) -> Option<OpenTelemetry> {
    let findings = section.findings();
    section.require("endpoint", "where the collector takes OTLP over HTTP, http://127.0.0.1:4318");
    let endpoint = section.text("endpoint");
    if let Some(endpoint) = &endpoint {
        if endpoint.value.parse::<PublicUrl>().is_err() {
            let what = "must be http:// or https:// with a host and perhaps a path, without a user, a \
                        query or a fragment";
            endpoint.wrong(findings, what);
        }
        let url = endpoint.value.parse::<Url>().ok();
        if url.is_some_and(|url| url.scheme() == "http" && !is_this_machine(&url)) {
            endpoint
                .note(findings, "serials, counters and the log are read by whoever is on the way");
        }
    }
    let name = section.text("service_name");
    if let Some(name) = &name {
        let visible = name.value.bytes().all(|byte| byte.is_ascii_graphic());
        if name.value.is_empty() || name.value.len() > NAME_LONGEST || !visible {
            let what = format!("must be 1 to {NAME_LONGEST} visible ASCII characters");
            name.wrong(findings, what);
        }
    }
    section.end();
    let endpoint = endpoint?.value.trim_end_matches('/').to_owned();
    Some(OpenTelemetry { endpoint, service_name: value_or(name, "counter-bridge".to_owned()) })
}

fn not_built_in(section: &Section<'_>) -> Option<OpenTelemetry> {
    let what = "this program was built without it: build it with --features opentelemetry, or take this section out \
                (docs/operating.md, OpenTelemetry)";
    section.here().wrong(section.findings(), what);
    None
}

#[cfg(test)]
mod tests {
    use super::super::mistake::Mistake;
    use super::super::section::Findings;
    use super::super::tree;
    use super::*;

    fn told(
        text: &str,
        read: impl FnOnce(Section<'_>) -> Option<OpenTelemetry>,
    ) -> (Option<OpenTelemetry>, Vec<Mistake>, Vec<Mistake>) {
        let rows = tree::parse(text).map_err(|_| ()).expect("TOML");
        let findings = Findings::default();
        let mut root = Section::root(rows, &findings);
        let read = read(root.section("opentelemetry"));
        root.end();
        let (mistakes, notes) = findings.take();
        (read, mistakes, notes)
    }

    #[test]
    fn an_endpoint_and_a_name_are_read_and_whatever_else_is_named() {
        let read = |rows: &str| told(&format!("[opentelemetry]\n{rows}\n"), to);
        for (rows, endpoint, name, notes) in [
            ("endpoint = 'http://127.0.0.1:4318/'", "http://127.0.0.1:4318", "counter-bridge", 0),
            (
                "endpoint = 'https://otel.example/in'\nservice_name = 'b1'",
                "https://otel.example/in",
                "b1",
                0,
            ),
            ("endpoint = 'http://otel.example'", "http://otel.example", "counter-bridge", 1),
            (
                "endpoint = 'http://127.evil.example'",
                "http://127.evil.example",
                "counter-bridge",
                1,
            ),
            ("endpoint = 'http://localhost.x'", "http://localhost.x", "counter-bridge", 1),
            ("endpoint = 'http://[::1]:4318'", "http://[::1]:4318", "counter-bridge", 0),
        ] {
            let (read, mistakes, noted) = read(rows);
            assert_eq!((mistakes, noted.len()), (vec![], notes), "{rows}");
            let (endpoint, service_name) = (endpoint.to_owned(), name.to_owned());
            assert_eq!(read, Some(OpenTelemetry { endpoint, service_name }), "{rows}");
        }
        let long = format!("endpoint = 'http://[::1]:1'\nservice_name = '{}'", "x".repeat(65));
        for (rows, words) in [
            ("", "is missing"),
            ("endpoint = '127.0.0.1:4318'", "http://"),
            ("endpoint = 'http://me:word@h'", "without a user"),
            ("endpoint = 'http://[::1]:1'\nservice_name = ''", "visible ASCII"),
            (&long, "visible ASCII"),
            ("endpoint = 'http://[::1]:1'\nservice_nam = 'x'", "did you mean"),
        ] {
            let (_, mistakes, _) = read(rows);
            assert!(
                mistakes.len() == 1 && mistakes[0].what.contains(words),
                "{rows}: {mistakes:?}"
            );
        }
    }

    #[test]
    fn a_program_that_was_built_without_it_says_so() {
        let text = "a = 1\n[opentelemetry]\nendpoint = 'http://127.0.0.1:4318'\n";
        let (read, mistakes, _) = told(text, |section| not_built_in(&section));
        assert_eq!(read, None);
        let shown: Vec<String> = mistakes.iter().map(|mistake| mistake.shown("b.toml")).collect();
        assert!(shown.iter().any(|it| it.starts_with("b.toml:2: opentelemetry: this program was")));
        assert!(shown.iter().any(|it| it.contains("--features opentelemetry")), "{shown:?}");
    }
}
