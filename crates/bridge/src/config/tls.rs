//! How connections with counters are secured: certificates, or the plain word that there are none.

use super::is_open_to_others;
use super::secret::{Sources, note_that_others_read, resolved};
use super::section::Section;
use link::{Credentials, TlsDial, TlsFiles};
use std::fs;
use std::net::IpAddr;

/// Reads `tls` and `plain` of a counter that is dialled at `addresses`; its certificate is to name
/// `id` unless `server_name` says otherwise. `None` is plain TCP, which is a mistake unless it does
/// not leave this machine or is asked for.
pub(super) fn dialled<'a>(
    counter: &mut Section<'_>,
    sources: &Sources<'_>,
    id: &str,
    mut addresses: impl Iterator<Item = &'a String>,
) -> Option<TlsDial> {
    let findings = counter.findings();
    let plain = counter.flag("plain");
    let wants_plain = plain.as_ref().is_some_and(|plain| plain.value);
    if !counter.has("tls") {
        // Asked for, so that there is one known key more.
        counter.section("tls");
        if let Some(address) = addresses.find(|address| !is_loopback(address)) {
            match plain.filter(|plain| plain.value) {
                Some(plain) => plain.note(
                    findings,
                    format!(
                        "{address} is talked to without TLS: whoever is on the way reads every \
                         transfer and can change it"
                    ),
                ),
                None => counter.absent("tls").wrong(
                    findings,
                    format!(
                        "is missing: {address} is not this machine. Write tls = {{ ca_file, \
                         cert_file, key_file }}, or plain = true to go without"
                    ),
                ),
            }
        }
        return None;
    }
    if wants_plain && let Some(plain) = plain {
        plain.wrong(findings, "is said together with tls: only one of them can be meant");
    }
    let mut section = counter.section("tls");
    let credentials = credentials(&mut section, sources);
    let name = section
        .text("server_name")
        .unwrap_or_else(|| section.absent("server_name").map(|()| id.to_owned()));
    section.end();
    match TlsDial::new(credentials?, &name.value) {
        Ok(tls) => Some(tls),
        Err(error) => {
            name.wrong(findings, error);
            None
        }
    }
}

/// Reads `tls` and `plain` of the acceptor at `listen`. `None` is plain TCP, which is a mistake unless
/// it does not leave this machine or is asked for.
pub(super) fn accepted(
    accept: &mut Section<'_>,
    sources: &Sources<'_>,
    listen: Option<IpAddr>,
) -> Option<Credentials> {
    let findings = accept.findings();
    let plain = accept.flag("plain");
    let has_tls = accept.has("tls");
    let mut section = accept.section("tls");
    match (plain.filter(|plain| plain.value), has_tls) {
        (Some(plain), true) => {
            plain.wrong(findings, "is said together with tls: only one of them can be meant");
        }
        (Some(plain), false) => plain.note(
            findings,
            "counters dial in without TLS: whoever is on the way reads every transfer and can \
             change it",
        ),
        (None, false) if listen.is_some_and(|listen| !listen.is_loopback()) => {
            accept.absent("tls").wrong(
                findings,
                "is missing: others than this machine can dial in. Write tls = { ca_file, \
                 cert_file, key_file }, or plain = true to go without",
            );
        }
        (None, _) => {}
    }
    let credentials = if has_tls { credentials(&mut section, sources) } else { None };
    section.end();
    credentials
}

/// Reads `ca_file`, `cert_file` and `key_file`, and the files.
pub(super) fn credentials(section: &mut Section<'_>, sources: &Sources<'_>) -> Option<Credentials> {
    let findings = section.findings();
    let mut file = |key, meaning| {
        section.require(key, meaning);
        section.text(key).map(|name| name.clone().map(|_| resolved(&name, sources)))
    };
    let ca = file("ca_file", "the authorities whose certificates are believed, in PEM");
    let certificate = file("cert_file", "the bridge's certificate, in PEM");
    let key = file("key_file", "the key of the bridge's certificate, in PEM");
    let (ca, certificate, key) = (ca?.value, certificate?.value, key?);
    if fs::metadata(&key.value).is_ok_and(|metadata| is_open_to_others(&metadata)) {
        note_that_others_read(&key, &key.value, findings);
    }
    let files = TlsFiles { ca, certificate, key: key.value };
    match Credentials::load(files) {
        Ok(credentials) => Some(credentials),
        Err(error) => {
            section.here().wrong(findings, error);
            None
        }
    }
}

/// Whether what is sent there stays on this machine.
pub(super) fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_loopback_and_nothing_else() {
        for here in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1"] {
            assert!(is_loopback(here), "{here}");
        }
        for there in ["10.0.0.1:1", "counter.example:1", "[::2]:1", "localhost.example:1"] {
            assert!(!is_loopback(there), "{there}");
        }
    }
}
