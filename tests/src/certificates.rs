//! Certificates of a test's own authority.

use crate::private;
use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::Path;

/// How a certificate says whom it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By its subject alternative name.
    Alternative,
    /// By its common name, which counts for nothing.
    Common,
}

/// An authority.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Authority> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Authority { issuer: Issuer::new(params, key), pem })
    }

    /// Its own certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes a certificate for `name` to `name.pem` in the folder, and its key to `name.key.pem`.
    pub fn certify(&self, folder: &Path, name: &str, naming: Naming) -> Result<()> {
        let key = KeyPair::generate()?;
        let params = match naming {
            Naming::Alternative => CertificateParams::new(vec![name.to_owned()])?,
            Naming::Common => {
                let mut params = CertificateParams::new(Vec::new())?;
                params.distinguished_name.push(DnType::CommonName, name);
                params
            }
        };
        let certificate = params.signed_by(&key, &self.issuer)?;
        fs::write(folder.join(format!("{name}.pem")), certificate.pem())?;
        private::write(folder.join(format!("{name}.key.pem")), key.serialize_pem())?;
        Ok(())
    }
}
