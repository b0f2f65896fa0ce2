//! How a bridge is reached.

pub use reqwest::Url;
use reqwest::{Certificate, ClientBuilder, redirect};
use std::net::IpAddr;

/// By whom a bridge's certificate must be vouched for, where it is reached over `https`.
#[derive(Clone, Debug, Default)]
pub enum Authorities {
    /// By one that this machine's system believes.
    #[default]
    OfTheSystem,
    /// By one of these authorities, and nobody else.
    Only(Vec<Certificate>),
}

impl Authorities {
    /// Those of a file in PEM. An error is for people.
    pub fn from_pem(pem: &[u8]) -> Result<Authorities, String> {
        let list = Certificate::from_pem_bundle(pem).map_err(|error| error.to_string())?;
        if list.is_empty() {
            return Err("it holds no certificate in PEM".to_owned());
        }
        Ok(Authorities::Only(list))
    }
}

/// Why nobody answered, for people: the innermost cause in its own words, without what the system numbers
/// it by.
pub fn plain(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(next) = innermost.source() {
        innermost = next;
    }
    let cause = innermost.to_string();
    let cause = cause.split(" (os error").next().unwrap_or_default();
    let at = error.url().map(|url| {
        let port = url.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", url.host_str().unwrap_or_default())
    });
    let at = at.unwrap_or_default();
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => format!("no connection to {at} in time"),
        (true, false) => format!("no connection to {at}: {cause}"),
        (false, true) => format!("no answer from {at} in time"),
        (false, false) => cause.to_owned(),
    }
}

/// Reads where a bridge is: `http` or `https`, a host, and perhaps a path. An error is for people.
pub fn base(text: &str) -> Result<Url, String> {
    const FORM: &str = "the URL must be http:// or https:// with a host and perhaps a path";
    let base: Url = text.parse().map_err(|_| format!("{FORM}, not {text:?}"))?;
    let is_plain = base.query().is_none()
        && base.fragment().is_none()
        && base.username().is_empty()
        && base.password().is_none();
    if !matches!(base.scheme(), "http" | "https") || !base.has_host() || !is_plain {
        return Err(FORM.to_owned());
    }
    Ok(base)
}

/// A builder of HTTP clients that ask `url` and nothing else. What runs on this machine is asked
/// directly, whatever proxy the environment names (`http_proxy` and its kin): a proxy would look for it
/// on a machine of its own. A redirect is never followed, for a signature is for one target.
pub fn builder(url: &Url, authorities: &Authorities) -> ClientBuilder {
    // The one that the process has chosen before stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().redirect(redirect::Policy::none());
    let builder = match authorities {
        // Nobody's certificate will be seen: reading all that the system believes would only take time.
        Authorities::OfTheSystem if url.scheme() == "http" => builder.tls_certs_only([]),
        Authorities::OfTheSystem => builder,
        Authorities::Only(list) => builder.tls_certs_only(list.iter().cloned()),
    };
    if is_this_machine(url) { builder.no_proxy() } else { builder }
}

/// Whether what a URL names runs on this machine, by what it says: what is sent there, nobody on the way sees.
pub fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    // RFC 6761, section 6.3: localhost and all names below it are loopback.
    address.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
        || host == "localhost"
        || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_scheme_a_host_and_perhaps_a_path() {
        for good in ["http://h:8080", "https://h", "https://h/bridge/", "http://[::1]:1"] {
            base(good).expect(good);
        }
        for bad in
            ["", "h:8080", "https://", "http://u:p@h", "https://h/?q", "http://h/#f", "ftp://h"]
        {
            let error = base(bad).expect_err(bad);
            assert!(error.contains("URL"), "{error}");
        }
    }

    #[test]
    fn authorities_are_certificates() {
        for bad in
            [&b""[..], b"nonsense", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"]
        {
            assert!(Authorities::from_pem(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn this_machine_is_told_by_its_names_and_addresses() {
        let is = |url: &str| is_this_machine(&url.parse().expect("a URL"));
        for own in [
            "http://127.0.0.1:8080",
            "http://127.9.9.9/",
            "http://[::1]:8081",
            "http://[::ffff:127.0.0.1]",
            "http://localhost",
            "http://LocalHost:1",
            "http://bridge.localhost:1",
        ] {
            assert!(is(own), "{own}");
        }
        for other in
            ["http://10.0.0.7", "http://example.com", "http://notlocalhost", "http://[fe80::1]"]
        {
            assert!(!is(other), "{other}");
        }
    }
}
