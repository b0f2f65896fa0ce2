//! How a bridge is reached.

use reqwest::{ClientBuilder, Url, redirect};
use std::net::IpAddr;

/// A builder of HTTP clients that ask `url` and nothing else. What runs on this machine is asked
/// directly, whatever proxy the environment names (`http_proxy` and its kin): a proxy would look for it
/// on a machine of its own. A redirect is never followed, for a signature is for one target.
pub fn builder(url: &Url) -> ClientBuilder {
    let builder = reqwest::Client::builder().redirect(redirect::Policy::none());
    if is_this_machine(url) { builder.no_proxy() } else { builder }
}

fn is_this_machine(url: &Url) -> bool {
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
