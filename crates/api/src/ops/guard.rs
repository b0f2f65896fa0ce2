//! No web page of somebody else's may act through an operator's browser.

use crate::problem::Problem;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use std::net::IpAddr;

/// Lets a request through that does not come from a foreign page.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    match judge(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Three barriers. A form cannot say `application/json`, and a script elsewhere cannot without
/// asking first, which nobody answers. A browser says where a request comes from, in `Origin` and
/// `Sec-Fetch-Site`. And a name that was bent to this address (DNS rebinding) looks like its own
/// origin, so what a browser sends must be addressed to an IP address or to `localhost`. Programs
/// send neither header and are let through.
fn judge(headers: &HeaderMap) -> Result<(), Problem> {
    if !is_json(headers) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body must be JSON",
        )
        .detail("send the header Content-Type: application/json".to_owned()));
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site"))
        && !matches!(site, "same-origin" | "none")
    {
        return Err(foreign(format!("the browser says that it comes from elsewhere ({site})")));
    }
    let Some(origin) = text(header::ORIGIN) else { return Ok(()) };
    let host = text(header::HOST).unwrap_or("");
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    if host.is_empty() || !authority.is_some_and(|from| from.eq_ignore_ascii_case(host)) {
        return Err(foreign("its Origin is not this listener".to_owned()));
    }
    if !is_local_name(host) {
        return Err(foreign(
            "in a browser, use the listener's IP address or localhost; or decide by the command line"
                .to_owned(),
        ));
    }
    Ok(())
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether a host, perhaps with a port, needs no name server to be understood.
fn is_local_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

fn foreign(detail: String) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "foreign_origin",
        "The request comes from another site's page",
    )
    .detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: Result<(), u16>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header value"));
        }
        let judged = judge(&map).map_err(|problem| problem.status().as_u16());
        assert_eq!(judged, expected, "{headers:?}");
    }

    #[test]
    fn programs_pass_and_foreign_pages_do_not() {
        const JSON: (&str, &str) = ("content-type", "application/json");
        const HOST: (&str, &str) = ("host", "127.0.0.1:8081");
        check(&[JSON, HOST], Ok(()));
        check(&[("content-type", "Application/JSON; charset=utf-8"), HOST], Ok(()));
        check(&[HOST], Err(415));
        check(&[("content-type", "text/plain"), HOST], Err(415));
        check(&[("content-type", "application/jsonp"), HOST], Err(415));
        check(&[JSON, HOST, ("origin", "http://127.0.0.1:8081")], Ok(()));
        check(&[JSON, ("host", "localhost:8081"), ("origin", "http://LOCALHOST:8081")], Ok(()));
        check(&[JSON, ("host", "[::1]:8081"), ("origin", "http://[::1]:8081")], Ok(()));
        check(&[JSON, ("host", "10.0.0.7"), ("origin", "https://10.0.0.7")], Ok(()));
        check(&[JSON, HOST, ("origin", "http://127.0.0.1:9000")], Err(403));
        check(&[JSON, HOST, ("origin", "http://evil.example")], Err(403));
        check(&[JSON, HOST, ("origin", "null")], Err(403));
        check(&[JSON, ("origin", "http://127.0.0.1:8081")], Err(403));
        check(&[JSON, HOST, ("origin", "http://127.0.0.1:8081.evil.example")], Err(403));
        check(&[JSON, HOST, ("sec-fetch-site", "cross-site")], Err(403));
        check(&[JSON, HOST, ("sec-fetch-site", "same-site")], Err(403));
        check(&[JSON, HOST, ("sec-fetch-site", "same-origin")], Ok(()));
    }

    #[test]
    fn a_name_bent_to_this_address_is_refused() {
        for host in
            ["evil.example:8081", "evil.example", "127.0.0.1.evil.example", "localhost.evil"]
        {
            let origin = format!("http://{host}");
            check(
                &[("content-type", "application/json"), ("host", host), ("origin", &origin)],
                Err(403),
            );
        }
    }
}
