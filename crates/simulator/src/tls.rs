//! Mutual TLS: what a counter shows, and whom it believes.

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Where certificates and the key lie, all in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Path of the certificates of the authorities that are believed.
    pub ca: PathBuf,
    /// Path of the counter's certificate, and of those between it and an authority.
    pub certificate: PathBuf,
    /// Path of the key of the counter's certificate.
    pub key: PathBuf,
    /// The name that the bridge's certificate must have, where the counter dials.
    pub bridge_name: String,
}

/// A file is not usable; the text is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", file.display())]
pub struct TlsError {
    /// Path of the file.
    pub file: PathBuf,
    /// What is wrong with the file, in words.
    pub what: String,
}

/// What a handshake needs, on either side.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) connector: TlsConnector,
    pub(crate) bridge_name: ServerName<'static>,
}

impl Tls {
    /// Reads the files.
    pub(crate) fn read(files: &TlsFiles) -> Result<Tls, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&files.ca)? {
            roots.add(authority).map_err(|error| wrong(&files.ca, error))?;
        }
        let roots = Arc::new(roots);
        let chain = certificates(&files.certificate)?;
        let key =
            PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, error))?;
        let provider = Arc::new(ring::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&files.certificate, error))?
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|error| wrong(&files.key, error))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| wrong(&files.ca, error))?;
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&files.certificate, error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| wrong(&files.key, error))?;
        let bridge_name = ServerName::try_from(files.bridge_name.clone())
            .map_err(|error| wrong(&files.certificate, error))?;
        Ok(Tls {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
            bridge_name,
        })
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(file, error))?;
    let list: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| wrong(file, error))?;
    if list.is_empty() { Err(wrong(file, "holds no certificate")) } else { Ok(list) }
}

fn wrong(file: &Path, what: impl Display) -> TlsError {
    TlsError { file: file.to_owned(), what: what.to_string() }
}
