//! Servers that answer and are of no use, may forget, or are not who they should be.

use super::own_server::OwnServer;
use super::*;
use crate::{JournalHealth, OpenError};

/// Starts a server on a thread that may wait.
async fn own_server(settings: &[&str]) -> Option<OwnServer> {
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    let starting = tokio::task::spawn_blocking(move || OwnServer::start(&settings));
    starting.await.expect("no panic")
}

async fn refusal(url: &str) -> OpenError {
    match patiently(Store::open(url)).await {
        Ok(_) => panic!("{url} opened"),
        Err(error) => error,
    }
}

async fn set(server: &OwnServer, what: &'static str) {
    let mut connection = mysql_connection(&server.url("chief")).await;
    connection.execute(what).await.expect(what);
    connection.close().await.expect("closed");
}

/// A primary is read-only after a fail-over, and answers all the same. What was begun is kept, the
/// connection is left for new ones, and when one of them leads to a server that takes writes, all
/// goes on. An account that may write to a read-only server does not.
#[tokio::test]
async fn a_server_that_becomes_read_only_is_left() {
    let Some(server) = own_server(&[]).await else { return };
    let store = Store::open(&server.url("plain")).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record(vec![simple(1)]).await;
    set(&server, "SET GLOBAL read_only = 1").await;
    let ids = desk.submit(vec![simple(2), trail(master(1), 0, "debited")]);
    assert!(is_refused(&desk.answers(&ids[..1]).await[0]));
    let leased = store.lease_serials(1).await;
    assert!(leased.is_err(), "{leased:?}");
    let mut health = store.journal().health();
    let is_told = |health: &JournalHealth| matches!(health, JournalHealth::Failing { why, .. } if why.contains("read_only is on"));
    patiently(health.wait_for(is_told)).await.expect("a journal");
    assert!(store.find(master(1)).await.expect("reading goes on").is_some());
    for user in ["plain", "chief"] {
        let refused = refusal(&server.url(user)).await;
        assert!(matches!(refused, OpenError::Unavailable { .. }), "{user}: {refused}");
        assert!(refused.may_pass());
    }
    set(&server, "SET GLOBAL read_only = 0").await;
    assert_eq!(desk.answers(&ids[1..]).await, [Ok(())]);
    patiently(health.wait_for(|health| *health == JournalHealth::Ok)).await.expect("a journal");
    desk.record(vec![simple(3)]).await;
    assert!(store.lease_serials(1).await.is_ok());
    assert_eq!(store.find(master(2)).await.expect("asks"), None);
    store.close().await;
}

#[tokio::test]
async fn a_server_that_may_forget_is_refused_unless_that_is_meant() {
    let weak = ["--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=OFF"];
    let Some(server) = own_server(&weak).await else { return };
    let url = server.url("plain");
    let refused = refusal(&url).await;
    assert!(matches!(refused, OpenError::Weak { .. }) && !refused.may_pass(), "{refused}");
    for word in ["innodb_flush_log_at_trx_commit = 2", "innodb_doublewrite = OFF"] {
        assert!(refused.to_string().contains(word), "{refused}");
    }
    let store = Store::open(&format!("{url}?durability=as_it_is")).await.expect("it is meant");
    Desk::of(&store).record(vec![simple(1)]).await;
    store.close().await;
    set(&server, "SET GLOBAL innodb_flush_log_at_trx_commit = 1").await;
    set(&server, "SET GLOBAL max_allowed_packet = 1048576").await;
    let refused = refusal(&url).await.to_string();
    assert!(refused.contains("max_allowed_packet = 1048576"), "{refused}");
    assert!(!refused.contains("flush_log"), "{refused}");
}

/// A server that is set up otherwise while the bridge runs is found out at the next connection: nothing
/// is told that it may forget, and it goes on once that is mended.
#[tokio::test]
async fn what_was_weakened_meanwhile_is_found_at_the_next_connection() {
    let Some(server) = own_server(&[]).await else { return };
    let store = Store::open(&server.url("plain")).await.expect("durable");
    let mut desk = Desk::of(&store);
    desk.record(vec![simple(1)]).await;
    set(&server, "SET GLOBAL innodb_flush_log_at_trx_commit = 2").await;
    desk.record(vec![simple(2)]).await;
    set(&server, "KILL USER plain").await;
    let refused = desk.write(vec![simple(3)]).await.remove(0);
    assert!(is_refused(&refused), "{refused:?}");
    let mut health = store.journal().health();
    let named = |health: &JournalHealth| matches!(health, JournalHealth::Failing { why, .. } if why.contains("flush_log_at_trx"));
    patiently(health.wait_for(named)).await.expect("a journal");
    set(&server, "SET GLOBAL innodb_flush_log_at_trx_commit = 1").await;
    patiently(health.wait_for(|health| *health == JournalHealth::Ok)).await.expect("a journal");
    desk.record(vec![simple(4)]).await;
    store.close().await;
}

/// Certificates for 127.0.0.1, and the authority behind them.
fn certificates(folder: &std::path::Path) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let certificate = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let names = vec!["127.0.0.1".to_owned()];
    let key = rcgen::KeyPair::generate().expect("a key");
    let server = rcgen::CertificateParams::new(names).expect("a name");
    let server = server.signed_by(&key, &issuer).expect("a certificate");
    let stranger = rcgen::generate_simple_self_signed(vec!["stranger".to_owned()]).expect("one");
    for (name, text) in [
        ("ca.pem", certificate.pem()),
        ("server.pem", server.pem()),
        ("server.key", key.serialize_pem()),
        ("stranger.pem", stranger.cert.pem()),
    ] {
        std::fs::write(folder.join(name), text).expect("a file");
    }
}

#[tokio::test]
async fn a_server_is_trusted_for_its_certificate_only() {
    let folder = tempfile::tempdir().expect("a folder");
    certificates(folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let settings = [
        format!("--ssl-cert={}", at("server.pem")),
        format!("--ssl-key={}", at("server.key")),
        format!("--ssl-ca={}", at("ca.pem")),
        "--require-secure-transport=ON".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let Some(server) = own_server(&settings).await else { return };
    let url = server.url("plain");
    // Its authority is known: trusted, whether for its identity or for the authority alone.
    for ending in ["", "&ssl-mode=verify_ca", "&ssl-mode=verify_identity"] {
        let known = format!("{url}?ssl-ca={}{ending}", at("ca.pem"));
        let store = Store::open(&known).await.expect("it proves who it is");
        Desk::of(&store).write(vec![simple(1)]).await;
        store.close().await;
    }
    // Its authority is another, or none that is known.
    for ending in [
        format!("ssl-ca={}", at("stranger.pem")),
        "ssl-mode=verify_identity".to_owned(),
        "ssl-mode=verify_ca".to_owned(),
    ] {
        let refused = refusal(&format!("{url}?{ending}")).await;
        assert!(matches!(refused, OpenError::Untrusted { .. }), "{ending}: {refused}");
        assert!(!refused.may_pass() && !refused.to_string().contains("secret"), "{refused}");
    }
    // It is somebody's, but not that of the name by which it is reached.
    let elsewhere = url.replace("127.0.0.1", "localhost");
    let refused = refusal(&format!("{elsewhere}?ssl-ca={}", at("ca.pem"))).await;
    assert!(matches!(refused, OpenError::Untrusted { .. }), "{refused}");
    // A file that is not there is our mistake, and no server to wait for.
    let refused = refusal(&format!("{url}?ssl-ca={}", at("absent.pem"))).await;
    assert!(matches!(refused, OpenError::BadUrl { .. }), "{refused}");
}

/// One that offers no TLS is not spoken to in the clear where proof was asked for.
#[tokio::test]
async fn a_server_without_tls_proves_nothing() {
    let Some(server) = own_server(&["--skip-ssl"]).await else { return };
    let url = server.url("plain");
    for mode in ["required", "verify_ca", "verify_identity"] {
        let refused = refusal(&format!("{url}?ssl-mode={mode}")).await;
        assert!(matches!(refused, OpenError::Untrusted { .. }), "{mode}: {refused}");
    }
    Store::open(&url).await.expect("on this machine it need not").close().await;
}
