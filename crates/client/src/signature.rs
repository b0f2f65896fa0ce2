//! HTTP Message Signatures (RFC 9421) on requests, and `Content-Digest` (RFC 9530) on their
//! bodies. Pure: the time is an input, and what is signed is the caller's to choose, so that
//! tests can sign too little, too early, too late or twice.

use crate::key::{Algorithm, Key, KeyError};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, Uri};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The label under which this crate signs.
pub const LABEL: &str = "sig";

/// A key and the id under which the bridge knows it.
#[derive(Clone, Debug)]
pub struct Signer {
    keyid: String,
    key: Key,
    validity_s: i64,
}

/// The parameters of a signature, in the order in which they are written. Those that are `None`
/// are left out; the bridge wants all but `alg`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// When the signature was made, in seconds since 1970 UTC.
    pub created_s: Option<i64>,
    /// From when on the signature is not valid, in seconds since 1970 UTC; at most 300 s after
    /// `created`.
    pub expires_s: Option<i64>,
    /// At most 64 characters, new for every signature.
    pub nonce: Option<String>,
    /// The id under which the bridge knows the key, 1 to 128 visible ASCII characters.
    pub keyid: Option<String>,
    /// The algorithm's name in the RFC 9421 registry.
    pub alg: Option<String>,
}

/// Why a request cannot be signed; it was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A target that is not an absolute `http` or `https` URI; its first 200 characters.
    #[error("{0:?} is not an absolute http or https URI")]
    NotATarget(String),
    /// A component that the request does not have, or that is not known here; its name.
    #[error("the request has no {0:?} to sign")]
    NoComponent(String),
    /// Something in which there is more than visible ASCII; what it is.
    #[error("{0} is not ASCII that can be signed")]
    NotAscii(&'static str),
}

impl Signer {
    /// Signs with `key`, known to the bridge as `keyid` (1 to 128 visible ASCII characters);
    /// signatures are valid for 60 s.
    pub fn new(keyid: &str, key: Key) -> Result<Signer, KeyError> {
        let visible = keyid.bytes().all(|byte| byte.is_ascii_graphic());
        if keyid.is_empty() || keyid.len() > 128 || !visible {
            return Err(KeyError::NotAnId);
        }
        Ok(Signer { keyid: keyid.to_owned(), key, validity_s: 60 })
    }

    /// Signatures valid for `seconds`, 1 to 300: longer for a clock that is behind, shorter for a
    /// high rate, since the bridge remembers each nonce until then.
    #[must_use]
    pub fn valid_for_s(self, seconds: i64) -> Signer {
        Signer { validity_s: seconds.clamp(1, 300), ..self }
    }

    /// The key's id.
    pub fn keyid(&self) -> &str {
        &self.keyid
    }

    /// The key's algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The parameters of a signature made at `now_s`, with a fresh nonce of 32 characters.
    pub fn parameters(&self, now_s: i64) -> Parameters {
        Parameters {
            created_s: Some(now_s),
            expires_s: Some(now_s + self.validity_s),
            nonce: Some(format!("{:032x}", rand::random::<u128>())),
            keyid: Some(self.keyid.clone()),
            alg: Some(self.algorithm().as_str().to_owned()),
        }
    }

    /// Signs a request as the bridge wants it, at `now_s`, in seconds since 1970: sets
    /// `Content-Digest` where there is a body, and covers `@method`, `@target-uri`, and
    /// `content-digest` and `idempotency-key` where there are such headers. `target_uri` is the
    /// absolute URI that the request is sent to. An earlier signature is replaced.
    pub fn sign(
        &self,
        method: &Method,
        target_uri: &str,
        headers: &mut HeaderMap,
        body: &[u8],
        now_s: i64,
    ) -> Result<(), SignError> {
        if body.is_empty() {
            headers.remove("content-digest");
        } else {
            headers.insert("content-digest", content_digest(body)?);
        }
        let mut covered = vec!["@method", "@target-uri"];
        covered.extend(
            ["content-digest", "idempotency-key"]
                .iter()
                .filter(|name| headers.contains_key(**name)),
        );
        self.sign_as(method, target_uri, headers, &covered, &self.parameters(now_s))
    }

    /// Signs exactly `covered` with exactly `parameters`, and changes no other header.
    pub fn sign_as(
        &self,
        method: &Method,
        target_uri: &str,
        headers: &mut HeaderMap,
        covered: &[&str],
        parameters: &Parameters,
    ) -> Result<(), SignError> {
        let base = signature_base(method, target_uri, headers, covered, parameters)?;
        let signature = STANDARD.encode(self.key.sign(base.as_bytes()));
        let input = format!("{LABEL}={}", signature_params(covered, parameters)?);
        headers.insert("signature-input", value("the signature's parameters", input)?);
        headers.insert("signature", value("the signature", format!("{LABEL}=:{signature}:"))?);
        Ok(())
    }
}

/// The `Content-Digest` of a body, with sha-256.
pub fn content_digest(body: &[u8]) -> Result<HeaderValue, SignError> {
    value("the digest", format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body))))
}

/// The text that is signed (RFC 9421 §2.5).
pub fn signature_base(
    method: &Method,
    target_uri: &str,
    headers: &HeaderMap,
    covered: &[&str],
    parameters: &Parameters,
) -> Result<String, SignError> {
    let target = Target::of(target_uri)?;
    let mut base = String::with_capacity(640);
    for name in covered {
        let component = target.component(name, method, headers)?;
        let _ = writeln!(base, "\"{name}\": {component}");
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(&signature_params(covered, parameters)?);
    Ok(base)
}

/// The target URI in its parts.
struct Target {
    uri: Uri,
    scheme: String,
    authority: String,
}

impl Target {
    fn of(target_uri: &str) -> Result<Target, SignError> {
        let bad = || SignError::NotATarget(target_uri.chars().take(200).collect());
        let uri: Uri = target_uri.parse().map_err(|_| bad())?;
        let scheme = uri.scheme_str().ok_or_else(bad)?.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?.as_str().to_ascii_lowercase();
        if authority.contains('@') {
            return Err(bad());
        }
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority).to_owned();
        Ok(Target { uri, scheme, authority })
    }

    fn component(
        &self,
        name: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<String, SignError> {
        let query = self.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path_and_query = || format!("{}{query}", self.uri.path());
        Ok(match name {
            "@method" => method.as_str().to_owned(),
            "@target-uri" => format!("{}://{}{}", self.scheme, self.authority, path_and_query()),
            "@authority" => self.authority.clone(),
            "@scheme" => self.scheme.clone(),
            "@request-target" => path_and_query(),
            "@path" => self.uri.path().to_owned(),
            "@query" => format!("?{}", self.uri.query().unwrap_or_default()),
            field => return field_value(headers, field),
        })
    }
}

/// All lines of a header, trimmed and joined (RFC 9421 §2.1).
fn field_value(headers: &HeaderMap, name: &str) -> Result<String, SignError> {
    let lines = headers
        .get_all(name)
        .iter()
        .map(|line| line.to_str().map(|text| text.trim_matches([' ', '\t'])))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| SignError::NotAscii("a covered header"))?;
    if lines.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(SignError::NoComponent(name.to_owned()));
    }
    Ok(lines.join(", "))
}

/// The value of `@signature-params` (RFC 9421 §2.3).
fn signature_params(covered: &[&str], parameters: &Parameters) -> Result<String, SignError> {
    let mut params = String::from("(");
    for (index, name) in covered.iter().enumerate() {
        let space = if index == 0 { "" } else { " " };
        let _ = write!(params, "{space}{}", quoted("a component's name", name)?);
    }
    params.push(')');
    for (name, number) in [("created", parameters.created_s), ("expires", parameters.expires_s)] {
        if let Some(number) = number {
            let _ = write!(params, ";{name}={number}");
        }
    }
    let texts =
        [("nonce", &parameters.nonce), ("keyid", &parameters.keyid), ("alg", &parameters.alg)];
    for (name, text) in texts {
        if let Some(text) = text {
            let _ = write!(params, ";{name}={}", quoted(name, text)?);
        }
    }
    Ok(params)
}

/// A string of a structured field (RFC 9651 §4.1.6).
fn quoted(what: &'static str, text: &str) -> Result<String, SignError> {
    if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(SignError::NotAscii(what));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn value(what: &'static str, text: String) -> Result<HeaderValue, SignError> {
    HeaderValue::try_from(text).map_err(|_| SignError::NotAscii(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request of RFC 9421 appendix B.2.
    fn rfc_headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "example.com"),
            ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
            ("content-type", "application/json"),
            ("content-length", "18"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers
    }

    const RFC_TARGET: &str = "http://example.com/foo?param=Value&Pet=dog";

    fn rfc_parameters(keyid: &str) -> Parameters {
        Parameters {
            created_s: Some(1_618_884_473),
            keyid: Some(keyid.to_owned()),
            ..Parameters::default()
        }
    }

    #[test]
    fn hmac_signs_as_in_rfc_9421_b_2_5() {
        let secret = STANDARD
            .decode("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==")
            .expect("base64");
        let key = Key::hmac(&secret).expect("a key");
        let signer = Signer::new("test-shared-secret", key).expect("a signer");
        let mut headers = rfc_headers();
        let covered = ["date", "@authority", "content-type"];
        let parameters = rfc_parameters("test-shared-secret");
        signer
            .sign_as(&Method::POST, RFC_TARGET, &mut headers, &covered, &parameters)
            .expect("a signature");
        assert_eq!(
            headers["signature-input"],
            r#"sig=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#
        );
        assert_eq!(headers["signature"], "sig=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:");
    }

    #[test]
    fn ed25519_signs_as_in_rfc_9421_b_2_6() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n\
                   -----END PRIVATE KEY-----\n";
        let key = Key::ed25519_pem(pem).expect("a key");
        let signer = Signer::new("test-key-ed25519", key).expect("a signer");
        let mut headers = rfc_headers();
        let covered = ["date", "@method", "@path", "@authority", "content-type", "content-length"];
        let parameters = rfc_parameters("test-key-ed25519");
        assert_eq!(
            signature_base(&Method::POST, RFC_TARGET, &headers, &covered, &parameters),
            Ok("\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
                \"@method\": POST\n\
                \"@path\": /foo\n\
                \"@authority\": example.com\n\
                \"content-type\": application/json\n\
                \"content-length\": 18\n\
                \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \
                \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\""
                .to_owned())
        );
        signer
            .sign_as(&Method::POST, RFC_TARGET, &mut headers, &covered, &parameters)
            .expect("a signature");
        assert_eq!(
            headers["signature"],
            "sig=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"
        );
    }

    #[test]
    fn a_request_is_covered_as_the_bridge_wants_it() {
        let signer = Signer::new("k", Key::generate_ed25519()).expect("a signer");
        let mut headers = HeaderMap::new();
        signer.sign(&Method::GET, "http://h/x?y", &mut headers, b"", 100).expect("a signature");
        let input = headers["signature-input"].to_str().expect("text").to_owned();
        assert!(
            input.starts_with(r#"sig=("@method" "@target-uri");created=100;expires=160;nonce=""#)
        );
        assert!(!headers.contains_key("content-digest"));

        headers.insert("idempotency-key", HeaderValue::from_static("once"));
        signer.sign(&Method::POST, "http://h/x", &mut headers, b"{}", 100).expect("a signature");
        let again = headers["signature-input"].to_str().expect("text");
        assert!(again.starts_with(
            r#"sig=("@method" "@target-uri" "content-digest" "idempotency-key");created=100"#
        ));
        assert_eq!(
            headers["content-digest"],
            "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:"
        );
        assert_eq!(headers.get_all("signature").iter().count(), 1);
        let nonce = |text: &str| text.split("nonce=").nth(1).map(|rest| rest[..34].to_owned());
        assert_ne!(nonce(&input), nonce(again), "every signature has a nonce of its own");
    }

    #[test]
    fn what_cannot_be_signed_is_an_error() {
        let signer = Signer::new("k", Key::generate_ed25519()).expect("a signer").valid_for_s(9999);
        let mut headers = HeaderMap::new();
        for target in ["/x", "ftp://h/x", "http://u@h/x", "", "http://"] {
            let outcome = signer.sign(&Method::GET, target, &mut headers, b"", 0);
            assert!(matches!(outcome, Err(SignError::NotATarget(_))), "{target}");
        }
        let parameters = signer.parameters(0);
        assert_eq!(parameters.expires_s, Some(300));
        for name in ["date", "@status", "Host"] {
            let outcome =
                signer.sign_as(&Method::GET, "http://h/", &mut headers, &[name], &parameters);
            assert!(matches!(outcome, Err(SignError::NoComponent(_))), "{name}");
        }
        let odd = Parameters { nonce: Some("é".into()), ..parameters };
        let outcome = signer.sign_as(&Method::GET, "http://h/", &mut headers, &["@method"], &odd);
        assert_eq!(outcome, Err(SignError::NotAscii("nonce")));
        assert!(headers.is_empty());
        assert!(Signer::new("", Key::generate_ed25519()).is_err());
    }

    #[test]
    fn targets_are_normalized() {
        let target = Target::of("HTTP://Example.COM:80?q").expect("a target");
        let component = |name| target.component(name, &Method::GET, &HeaderMap::new());
        assert_eq!(component("@target-uri"), Ok("http://example.com/?q".into()));
        assert_eq!(component("@path"), Ok("/".into()));
        assert_eq!(component("@query"), Ok("?q".into()));
    }
}
