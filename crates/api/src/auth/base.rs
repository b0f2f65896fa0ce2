//! The signature base (RFC 9421 §2.5): the very text that was signed, put together again from the
//! request as it arrived.

use super::{
    error::{AuthError, excerpt},
    fields::Input,
    limits,
};
use http::{HeaderMap, Method, Uri, uri::Authority};
use std::borrow::Cow;
use std::net::SocketAddr;

/// What is signed of a request, apart from its body.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The target as it came over the wire: not rewritten by a router that strips prefixes.
    pub uri: &'a Uri,
    /// All headers of the request.
    pub headers: &'a HeaderMap,
    /// The address of this bridge at which the connection arrived, as far as it is known.
    pub arrived_at: Option<SocketAddr>,
}

/// Where callers find this API, if a proxy stands in front: what they take for scheme, authority
/// and the part of the path that the proxy strips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    scheme: Scheme,
    authority: String,
    prefix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    const fn default_port(self) -> &'static str {
        match self {
            Scheme::Http => "80",
            Scheme::Https => "443",
        }
    }
}

/// The text is not such a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the public URL must be http:// or https:// with a host and perhaps a path, not {0:?}; \
     no user, query or fragment"
)]
pub struct NotAPublicUrl(String);

impl std::str::FromStr for PublicUrl {
    type Err = NotAPublicUrl;

    /// Reads, for example, `https://pay.example.com` or `https://example.com/bridge`; a slash at
    /// the end says nothing.
    fn from_str(text: &str) -> Result<PublicUrl, NotAPublicUrl> {
        let bad = || NotAPublicUrl(excerpt(text));
        if text.contains(['?', '#']) {
            return Err(bad());
        }
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(bad()),
        };
        let authority =
            uri.authority().and_then(|found| normalized(found, scheme)).ok_or_else(bad)?;
        Ok(PublicUrl { scheme, authority, prefix: uri.path().trim_end_matches('/').to_owned() })
    }
}

/// The target URI in its parts, as the caller sees it.
#[derive(Debug)]
pub(super) struct Target<'a> {
    scheme: Scheme,
    authority: Cow<'a, str>,
    prefix: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// From the configured URL; or, without one, from `http` and the authority of the request
    /// line or else the `Host` header, where that is believed; or else from the address at which the
    /// request arrived.
    pub(super) fn of(
        request: &Request<'a>,
        public_url: Option<&'a PublicUrl>,
        believes_host: bool,
    ) -> Result<Target<'a>, AuthError> {
        let (path, query) = (request.uri.path(), request.uri.query());
        if let Some(PublicUrl { scheme, authority, prefix }) = public_url {
            let authority = Cow::Borrowed(authority.as_str());
            return Ok(Target { scheme: *scheme, authority, prefix, path, query });
        }
        let said = asked(request)?;
        let authority = if believes_host {
            said
        } else {
            let own = request.arrived_at.ok_or(AuthError::MalformedAuthority("no own address"))?;
            // What comes over IPv4 to a socket of both kinds is told as IPv4.
            let own = SocketAddr::new(own.ip().to_canonical(), own.port()).to_string();
            own.parse().ok().and_then(|own| normalized(&own, Scheme::Http)).unwrap_or(own)
        };
        let authority = Cow::Owned(authority);
        Ok(Target { scheme: Scheme::Http, authority, prefix: "", path, query })
    }

    pub(super) const fn has_query(&self) -> bool {
        self.query.is_some()
    }

    /// The value of `@target-uri`.
    pub(super) fn uri(&self) -> String {
        let mut uri = String::with_capacity(128);
        self.write_uri(&mut uri);
        uri
    }

    /// Whether the `Host` header names this bridge, with the port of its scheme left out or not.
    fn is_host_of(&self, request: &Request<'_>) -> bool {
        let said = request.headers.get("host").map(http::HeaderValue::as_bytes);
        let said = said.and_then(|said| Authority::try_from(said).ok());
        said.and_then(|said| normalized(&said, self.scheme))
            .is_some_and(|said| said == *self.authority)
    }

    fn write_uri(&self, text: &mut String) {
        text.push_str(self.scheme.as_str());
        text.push_str("://");
        text.push_str(&self.authority);
        self.write_path_and_query(text);
    }

    fn write_path_and_query(&self, text: &mut String) {
        text.push_str(self.prefix);
        text.push_str(self.path);
        if let Some(query) = self.query {
            text.push('?');
            text.push_str(query);
        }
    }
}

/// Whom the caller asked: the authority of the request line or else of the `Host` header.
fn asked(request: &Request<'_>) -> Result<String, AuthError> {
    let parsed;
    let found = if let Some(authority) = request.uri.authority() {
        authority
    } else {
        let mut lines = request.headers.get_all("host").iter();
        let line = lines.next().ok_or(AuthError::MalformedAuthority("no Host header"))?;
        if lines.next().is_some() {
            return Err(AuthError::MalformedAuthority("several Host headers"));
        }
        parsed = Authority::try_from(line.as_bytes())
            .map_err(|_| AuthError::MalformedAuthority("the Host header is not a host"))?;
        &parsed
    };
    normalized(found, Scheme::Http)
        .ok_or(AuthError::MalformedAuthority("it is not a host and perhaps a port"))
}

/// Lower case, without the scheme's default port (RFC 9421 §2.2.3); `None` for a user part, no
/// host, or something that is not a port.
fn normalized(authority: &Authority, scheme: Scheme) -> Option<String> {
    let text = authority.as_str();
    let host = authority.host();
    if host.is_empty() || text.contains('@') {
        return None;
    }
    let mut normalized = host.to_ascii_lowercase();
    match text.get(host.len()..)?.strip_prefix(':') {
        None if text.len() == host.len() => {}
        Some("") => {}
        Some(port) if port == scheme.default_port() => {}
        Some(port) if port.parse::<u16>().is_ok() => {
            normalized.push(':');
            normalized.push_str(port);
        }
        None | Some(_) => return None,
    }
    Some(normalized)
}

/// The signature base of `input` over the request.
pub(super) fn signature_base(
    request: &Request<'_>,
    target: &Target<'_>,
    input: &Input<'_>,
) -> Result<String, AuthError> {
    let mut base = String::with_capacity(640);
    for component in &input.components {
        let name = component.as_str();
        base.push('"');
        base.push_str(name);
        base.push_str("\": ");
        write_value(&mut base, request, target, name)?;
        base.push('\n');
        if base.len() > limits::SIGNATURE_BASE {
            return Err(AuthError::TooMuchCovered);
        }
    }
    base.push_str("\"@signature-params\": ");
    input.write_signature_params(&mut base);
    Ok(base)
}

fn write_value(
    base: &mut String,
    request: &Request<'_>,
    target: &Target<'_>,
    name: &str,
) -> Result<(), AuthError> {
    match name {
        "@method" => base.push_str(request.method.as_str()),
        "@target-uri" => target.write_uri(base),
        "@authority" => base.push_str(&target.authority),
        "@scheme" => base.push_str(target.scheme.as_str()),
        "@request-target" if request.uri.authority().is_some() => target.write_uri(base),
        "@request-target" => target.write_path_and_query(base),
        "@path" => {
            base.push_str(target.prefix);
            base.push_str(target.path);
        }
        "@query" => {
            base.push('?');
            base.push_str(target.query.unwrap_or_default());
        }
        // A signature that covers whom it was sent to holds for nobody else.
        "host" if !target.is_host_of(request) => {
            return Err(AuthError::BadSignature { target_uri: excerpt(&target.uri()) });
        }
        field => return write_field(base, request.headers, field),
    }
    Ok(())
}

/// All lines of a header, trimmed and joined (RFC 9421 §2.1): once each, so no longer than the head
/// that was received. The name must be in lower case; a derived component that is not known here is no
/// header either.
fn write_field(base: &mut String, headers: &HeaderMap, name: &str) -> Result<(), AuthError> {
    let absent = || AuthError::CoveredButAbsent(excerpt(name));
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(absent());
    }
    if !headers.contains_key(name) {
        return Err(absent());
    }
    for (number, line) in headers.get_all(name).iter().enumerate() {
        let text = line.to_str().map_err(|_| AuthError::CoveredButUnreadable(excerpt(name)))?;
        base.push_str(if number == 0 { "" } else { ", " });
        base.push_str(text.trim_matches([' ', '\t']));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::fields::signature_inputs, *};

    fn base(uri: &str, headers: &[(&str, &str)], public: Option<&str>, covered: &str) -> String {
        let uri: Uri = uri.parse().expect("a URI");
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().expect("a name");
            map.append(name, value.parse().expect("a value"));
        }
        let public: Option<PublicUrl> = public.map(|url| url.parse().expect("a public URL"));
        let request = Request { method: &Method::POST, uri: &uri, headers: &map, arrived_at: None };
        let inputs = signature_inputs(covered).expect("inputs");
        Target::of(&request, public.as_ref(), true)
            .and_then(|target| signature_base(&request, &target, &inputs[0]))
            .unwrap_or_else(|error| format!("refused: {error}"))
    }

    const DERIVED: &str =
        r#"s=("@method" "@target-uri" "@authority" "@scheme" "@request-target" "@path" "@query")"#;

    #[test]
    fn derived_components_come_from_the_request() {
        assert_eq!(
            base("/v1/x%2Fy?a=b&c", &[("host", "LocalHost:8080")], None, DERIVED),
            "\"@method\": POST\n\
             \"@target-uri\": http://localhost:8080/v1/x%2Fy?a=b&c\n\
             \"@authority\": localhost:8080\n\
             \"@scheme\": http\n\
             \"@request-target\": /v1/x%2Fy?a=b&c\n\
             \"@path\": /v1/x%2Fy\n\
             \"@query\": ?a=b&c\n\
             \"@signature-params\": (\"@method\" \"@target-uri\" \"@authority\" \"@scheme\" \
             \"@request-target\" \"@path\" \"@query\")"
        );
    }

    #[test]
    fn behind_a_proxy_they_are_what_the_caller_sees() {
        assert_eq!(
            base(
                "/v1/x",
                &[("host", "inner:1")],
                Some("https://Example.COM:443/bridge/"),
                r#"s=("@target-uri" "@authority" "@path" "@query" "@request-target")"#
            ),
            "\"@target-uri\": https://example.com/bridge/v1/x\n\
             \"@authority\": example.com\n\
             \"@path\": /bridge/v1/x\n\
             \"@query\": ?\n\
             \"@request-target\": /bridge/v1/x\n\
             \"@signature-params\": \
             (\"@target-uri\" \"@authority\" \"@path\" \"@query\" \"@request-target\")"
        );
    }

    #[test]
    fn the_request_line_goes_before_the_host_header() {
        let uri = r#"s=("@target-uri")"#;
        assert!(
            base("http://a:80/x", &[("host", "b")], None, uri)
                .starts_with("\"@target-uri\": http://a/x\n")
        );
        assert!(base("/x", &[("host", "[::1]:81")], None, uri).contains("http://[::1]:81/x\n"));
        assert!(base("/x", &[("host", "h:")], None, uri).contains("http://h/x\n"));
        for bad in [&[][..], &[("host", "a"), ("host", "a")], &[("host", "u@h")], &[("host", "")]] {
            assert!(base("/x", bad, None, uri).starts_with("refused: "), "{bad:?}");
        }
        for bad in ["h:99999", "h:x", "h/x", "[::1]x", ":80", ":"] {
            assert!(base("/x", &[("host", bad)], None, uri).starts_with("refused: "), "{bad}");
        }
    }

    #[test]
    fn a_request_line_with_an_authority_is_the_request_target_as_a_whole() {
        let covered = r#"s=("@request-target")"#;
        assert!(
            base("http://A:80/x?y", &[("host", "b")], None, covered)
                .starts_with("\"@request-target\": http://a/x?y\n")
        );
    }

    #[test]
    fn headers_are_trimmed_and_joined() {
        let headers = [("host", "h"), ("x-a", "  one\t"), ("x-b", ""), ("x-a", "two,three ")];
        assert_eq!(
            base("/", &headers, None, r#"s=("x-a" "x-b")"#),
            "\"x-a\": one, two,three\n\"x-b\": \n\"@signature-params\": (\"x-a\" \"x-b\")"
        );
        for bad in [
            r#"s=("x-c")"#,
            r#"s=("X-A")"#,
            r#"s=("@status")"#,
            r#"s=("@query-param")"#,
            r#"s=("@signature-params")"#,
            r#"s=("")"#,
            r#"s=("a b")"#,
        ] {
            assert!(base("/", &headers, None, bad).contains("does not have"), "{bad}");
        }
    }

    #[test]
    fn the_base_has_a_longest_length() {
        let line = "\"x-a\": \n".len();
        let longest = "v".repeat(limits::SIGNATURE_BASE - line);
        let covered = r#"s=("x-a")"#;
        assert!(
            !base("/", &[("host", "h"), ("x-a", &longest)], None, covered).starts_with("refused")
        );
        let longer = format!("{longest}v");
        assert!(
            base("/", &[("host", "h"), ("x-a", &longer)], None, covered).starts_with("refused")
        );
        let many = [("host", "h"), ("x-a", longest.as_str()), ("x-a", &longest)];
        assert!(base("/", &many, None, covered).starts_with("refused"));
    }

    #[test]
    fn public_urls_are_absolute_and_plain() {
        for bad in ["", "/x", "example.com", "ftp://h", "https://", "https://u@h", "https://h/?q"] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
        for (url, target_uri) in [
            ("http://Pay.example.com:80", "http://pay.example.com/x"),
            ("https://pay.example.com:443/", "https://pay.example.com/x"),
            ("http://pay.example.com:443/a/b/", "http://pay.example.com:443/a/b/x"),
        ] {
            let said = base("/x", &[("host", "h")], Some(url), r#"s=("@target-uri")"#);
            assert!(said.starts_with(&format!("\"@target-uri\": {target_uri}\n")), "{url}: {said}");
        }
    }
}
