//! No web page of somebody else's may read or act through an operator's browser.

use api::problem::{Problem, kind};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use std::net::IpAddr;
use std::sync::Arc;

/// The names by which the operators' listener is asked, beside any IP address and `localhost`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Arc<[String]>);

impl Names {
    /// These, without a port; case does not count.
    pub fn new(names: impl IntoIterator<Item = String>) -> Names {
        Names(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Whether what a `Host` header says, a name and perhaps a port, is this listener. A name that
    /// somebody else bent to its address (DNS rebinding) is not: the page that was loaded by that name
    /// would otherwise read here as if it were ours. Nothing at all is what no browser says.
    pub fn know(&self, host: Option<&str>) -> bool {
        let Some(host) = host else { return true };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) | None => host,
        };
        let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        address.unwrap_or(name).parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.0.iter().any(|known| name.eq_ignore_ascii_case(known))
    }
}

/// Lets a request through that is addressed to this listener.
pub(super) async fn known_host(
    State(names): State<Names>,
    request: Request,
    next: Next,
) -> Response {
    if names_this_listener(&names, &request) {
        return next.run(request).await;
    }
    Problem::foreign_host().into_response()
}

fn names_this_listener(names: &Names, request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let said = hosts.next().map(|host| host.to_str().unwrap_or(""));
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    // The one that goes before the other differs from program to program: both have to be this one.
    hosts.next().is_none() && names.know(said) && names.know(target)
}

/// Lets a request through that does not come from a foreign page.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    match judge(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Two barriers more. A form cannot say `application/json`, and a script elsewhere cannot without
/// asking first, which nobody answers. And a browser says where a request comes from, in `Origin` and
/// `Sec-Fetch-Site`; a name that was bent to this address would look like its own origin, but
/// [`known_host`] lets none in. Programs send neither header and are let through.
fn judge(headers: &HeaderMap) -> Result<(), Problem> {
    if !is_json(headers) {
        return Err(Problem::new(kind::UNSUPPORTED_MEDIA_TYPE)
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
    Ok(())
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn foreign(detail: String) -> Problem {
    Problem::new(kind::FOREIGN_ORIGIN).detail(detail)
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
    fn a_name_bent_to_this_address_is_not_this_listener() {
        let names = Names::new(["Bridge.internal".to_owned()]);
        for own in [
            "127.0.0.1:8081",
            "10.0.0.7",
            "[::1]:8081",
            "[fd00::7]",
            "localhost",
            "LocalHost:8081",
            "bridge.internal",
            "bridge.INTERNAL:8081",
        ] {
            assert!(names.know(Some(own)), "{own}");
        }
        assert!(names.know(None), "no browser says nothing");
        for foreign in [
            "evil.example:8081",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "",
            "localhost.",
            "bridge.internal.evil",
            "x.bridge.internal",
            "127.0.0.1:80:80",
            "[::1",
            "localhost@evil.example",
            "127.0.0.1 ",
            "localhost:x",
        ] {
            assert!(!names.know(Some(foreign)), "{foreign}");
        }
        assert!(!Names::default().know(Some("bridge.internal")));
    }

    #[test]
    fn request_line_and_host_header_have_to_agree_with_it() {
        let said = |target: &str, hosts: &[&str]| {
            let mut request = Request::builder().uri(target);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            names_this_listener(&Names::default(), &request.body("".into()).expect("a request"))
        };
        assert!(said("/", &["localhost"]));
        assert!(said("/", &[]));
        assert!(said("http://127.0.0.1/", &["127.0.0.1"]));
        assert!(!said("/", &["localhost", "localhost"]));
        assert!(!said("/", &["evil.example"]));
        assert!(!said("http://evil.example/", &["localhost"]));
        assert!(!said("http://localhost/", &["evil.example"]));
    }
}
