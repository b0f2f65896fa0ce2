//! Mutual TLS: who we are, whom we believe, and what a certificate says. The files are read again
//! at a handshake if one of them has changed, so a renewed certificate needs no restart.

use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// A certificate that has less than this to live is told of in the log, in microseconds: two weeks,
/// in which people find the time to renew it.
const EXPIRES_SOON: i64 = 14 * 24 * 3600 * 1_000_000;

/// Where certificates and the key lie, all in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities whose certificates we believe.
    pub ca: PathBuf,
    /// Our certificate, and those between it and an authority.
    pub certificate: PathBuf,
    /// Our certificate's key.
    pub key: PathBuf,
}

/// A file of certificates or a key is not usable; the text is for people, holds no secret, and says what its
/// source says.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", file.display())]
pub struct TlsError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// Who found it, if it was not this crate.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TlsError {
    /// What is wrong with a file in words of this crate.
    fn of(file: &Path, what: impl Into<String>) -> TlsError {
        TlsError { file: file.to_owned(), what: what.into(), source: None }
    }

    /// What something beneath this crate found wrong with a file.
    fn by(file: &Path, cause: impl std::error::Error + Send + Sync + 'static) -> TlsError {
        TlsError { file: file.to_owned(), what: cause.to_string(), source: Some(Box::new(cause)) }
    }
}

/// The files' content, as of the last handshake. Cheap to clone; all clones read together.
#[derive(Clone)]
pub struct Credentials {
    files: Arc<TlsFiles>,
    // A lock, because many links share one set of files; it is held while three file times are
    // looked at, or, after a change, while three files are read.
    loaded: Arc<Mutex<Loaded>>,
}

struct Loaded {
    stamps: Stamps,
    ready: Ready,
}

/// When each file was written last, and how long it is.
type Stamps = [Option<(SystemTime, u64)>; 3];

/// What a handshake needs.
#[derive(Clone)]
pub struct Ready {
    /// For dialling.
    pub client: Arc<ClientConfig>,
    /// For accepting.
    pub server: Arc<ServerConfig>,
    /// When our certificate expires, in microseconds since 1970 UTC.
    pub own_expires_at: i64,
    servers: Arc<WebPkiServerVerifier>,
    clients: Arc<dyn ClientCertVerifier>,
}

/// Whom we believe at the other end of a connection, and as whom. It may be asked again later.
#[derive(Clone, Debug)]
pub struct Trust {
    credentials: Credentials,
    /// Whom we dialled; `None` for whoever dialled us.
    server_name: Option<ServerName<'static>>,
}

impl Trust {
    /// In whom we dialled.
    pub fn of_server(tls: &TlsDial) -> Trust {
        Trust { credentials: tls.credentials.clone(), server_name: Some(tls.server_name.clone()) }
    }

    /// In who dialled us.
    pub fn of_client(credentials: &Credentials) -> Trust {
        Trust { credentials: credentials.clone(), server_name: None }
    }

    /// Whether a chain of certificates would be believed now; if not, why, for people.
    pub(crate) fn still(&self, chain: &[CertificateDer<'_>]) -> Result<(), String> {
        let (first, rest) = chain.split_first().ok_or("no certificate")?;
        let (ready, now) = (self.credentials.current(), UnixTime::now());
        let verified = match &self.server_name {
            Some(name) => ready.servers.verify_server_cert(first, rest, name, &[], now).map(drop),
            None => ready.clients.verify_client_cert(first, rest, now).map(drop),
        };
        verified.map_err(|error| error.to_string())
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.files.fmt(f)
    }
}

impl Credentials {
    /// Reads the files.
    pub fn load(files: TlsFiles) -> Result<Credentials, TlsError> {
        let stamps = files.stamps();
        let ready = files.read()?;
        tell_expiry(&files, ready.own_expires_at);
        Ok(Credentials {
            files: Arc::new(files),
            loaded: Arc::new(Mutex::new(Loaded { stamps, ready })),
        })
    }

    /// What the files hold now. New files that are not usable leave the old ones in place: a
    /// renewal that went wrong must not take a counter away.
    pub fn current(&self) -> Ready {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = self.files.stamps();
        if stamps != loaded.stamps {
            // Whatever comes of it, the same files are not read again.
            loaded.stamps = stamps;
            match self.files.read() {
                Ok(ready) => {
                    let certificate = self.files.certificate.display();
                    tracing::info!(%certificate, "certificates were read again");
                    tell_expiry(&self.files, ready.own_expires_at);
                    loaded.ready = ready;
                }
                Err(error) => {
                    tracing::error!(%error, "changed certificates are not usable; the old ones stay");
                }
            }
        }
        loaded.ready.clone()
    }
}

fn tell_expiry(files: &TlsFiles, expires_at: i64) {
    let left = expires_at - supervise::clock::now_micros();
    let certificate = files.certificate.display();
    if left <= 0 {
        tracing::error!(%certificate, "our certificate has expired");
    } else if left < EXPIRES_SOON {
        tracing::warn!(%certificate, hours = left / 3_600_000_000, "our certificate expires soon");
    }
}

impl TlsFiles {
    fn stamps(&self) -> Stamps {
        [&self.ca, &self.certificate, &self.key].map(|file| {
            let metadata = fs::metadata(file).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }

    fn read(&self) -> Result<Ready, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&self.ca)? {
            roots.add(authority).map_err(|error| TlsError::by(&self.ca, error))?;
        }
        let roots = Arc::new(roots);
        let chain = certificates(&self.certificate)?;
        let own_expires_at =
            read(&chain[0]).map_err(|what| TlsError::of(&self.certificate, what))?.expires_at;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| TlsError::by(&self.key, error))?;
        let provider = Arc::new(ring::default_provider());
        let servers =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(|error| TlsError::by(&self.ca, error))?;
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::by(&self.certificate, error))?
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|error| TlsError::by(&self.key, error))?;
        // Every handshake proves everything anew: connections live long, and a certificate that
        // is no longer believed must not come in by an old ticket.
        client.resumption = Resumption::disabled();
        let clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| TlsError::by(&self.ca, error))?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::by(&self.certificate, error))?
            .with_client_cert_verifier(Arc::clone(&clients))
            .with_single_cert(chain, key)
            .map_err(|error| TlsError::by(&self.key, error))?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let (client, server) = (Arc::new(client), Arc::new(server));
        Ok(Ready { client, server, own_expires_at, servers, clients })
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).map_err(|error| TlsError::by(file, error))?;
    let list: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| TlsError::by(file, error))?;
    if list.is_empty() { Err(TlsError::of(file, "holds no certificate")) } else { Ok(list) }
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Whom it names: the DNS names of its subject alternative name. The common name counts for
    /// nothing, as everywhere else today (RFC 9525 §6.3).
    pub(crate) names: Vec<String>,
    /// In microseconds since 1970 UTC.
    pub(crate) expires_at: i64,
}

/// Reads one; an error is for people.
pub(crate) fn read(der: &CertificateDer<'_>) -> Result<Certificate, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let alternative = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    let names = match alternative {
        Some(names) => names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                // Of no use to us: a counter is a name.
                _ => None,
            })
            .collect(),
        None => Vec::new(),
    };
    let expires_at = certificate.validity().not_after.timestamp().saturating_mul(1_000_000);
    Ok(Certificate { names, expires_at })
}

/// How a counter that we dial is secured.
#[derive(Clone, Debug)]
pub struct TlsDial {
    pub(crate) credentials: Credentials,
    pub(crate) server_name: ServerName<'static>,
}

impl PartialEq for TlsDial {
    /// Whether both read the same files for the same name.
    fn eq(&self, other: &TlsDial) -> bool {
        Arc::ptr_eq(&self.credentials.loaded, &other.credentials.loaded)
            && self.server_name == other.server_name
    }
}

impl TlsDial {
    /// The counter's certificate must be for `server_name`, a DNS name or an IP address; a counter
    /// id is one. An error is for people.
    pub fn new(credentials: Credentials, server_name: &str) -> Result<TlsDial, String> {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| format!("{server_name:?} is neither a DNS name nor an IP address"))?;
        Ok(TlsDial { credentials, server_name: name })
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Certificates for tests.

    use super::{Credentials, TlsFiles};
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use std::fs;
    use std::path::Path;

    /// An authority.
    pub(crate) struct Authority(Issuer<'static, KeyPair>, String);

    impl Authority {
        pub(crate) fn new() -> Authority {
            let mut params = CertificateParams::new(Vec::new()).expect("no names");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().expect("a key");
            let certificate = params.self_signed(&key).expect("a certificate").pem();
            Authority(Issuer::new(params, key), certificate)
        }

        /// A certificate for `name` in files of this folder, believing this authority.
        pub(crate) fn issue(&self, folder: &Path, name: &str) -> TlsFiles {
            let path = |what: &str| folder.join(format!("{name}.{what}.pem"));
            let files =
                TlsFiles { ca: path("ca"), certificate: path("certificate"), key: path("key") };
            let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &self.0).expect("a certificate");
            fs::write(&files.ca, &self.1).expect("a file");
            fs::write(&files.certificate, certificate.pem()).expect("a file");
            fs::write(&files.key, key.serialize_pem()).expect("a file");
            files
        }

        pub(crate) fn credentials(&self, folder: &Path, name: &str) -> Credentials {
            Credentials::load(self.issue(folder, name)).expect("good files")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Authority;
    use super::*;

    #[test]
    fn changed_files_are_read_again_and_bad_ones_change_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new();
        let files = authority.issue(folder.path(), "bridge");
        let credentials = Credentials::load(files.clone()).expect("good files");
        let first = credentials.current();
        assert!(Arc::ptr_eq(&first.client, &credentials.current().client), "nothing has changed");
        fs::write(&files.certificate, "nonsense").expect("a file");
        assert!(Arc::ptr_eq(&first.client, &credentials.current().client), "the old ones stay");
        authority.issue(folder.path(), "bridge");
        let renewed = credentials.current();
        assert!(!Arc::ptr_eq(&first.client, &renewed.client));
        assert!(renewed.own_expires_at > supervise::clock::now_micros());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Authority::new().issue(folder.path(), "bridge");
        let other = Authority::new().issue(folder.path(), "other");
        for (broken, file) in [
            (TlsFiles { ca: folder.path().join("none"), ..files.clone() }, "none"),
            (TlsFiles { certificate: files.key.clone(), ..files.clone() }, "bridge.key.pem"),
            (TlsFiles { key: other.key.clone(), ..files.clone() }, "other.key.pem"),
            (TlsFiles { key: files.ca.clone(), ..files }, "bridge.ca.pem"),
        ] {
            let error = Credentials::load(broken).expect_err("broken").to_string();
            assert!(error.contains(file), "{error}");
        }
    }

    #[test]
    fn a_certificate_tells_its_names_and_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Authority::new().issue(folder.path(), "securities");
        let chain = certificates(&files.certificate).expect("a certificate");
        let certificate = read(&chain[0]).expect("readable");
        assert_eq!(certificate.names, ["securities"]);
        assert!(read(&CertificateDer::from(vec![1, 2, 3])).is_err());
    }
}
