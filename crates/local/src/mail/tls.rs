//! Taking TLS connections.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::identity::Identity;

/// Why the mail server has no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No certificate could be made.
    #[error("the mail server's certificate could not be made")]
    Generate(#[from] rcgen::Error),
    /// What was given is not PEM.
    #[error("the mail server's certificate or key is not PEM")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// The TLS library does not take it.
    #[error("the mail server's certificate is not usable")]
    Use(#[from] rustls::Error),
}

/// Takes TLS connections under an identity.
pub(super) struct Acceptor(pub(super) TlsAcceptor);

impl Acceptor {
    pub(super) fn new(identity: &Identity) -> Result<Self, Error> {
        let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(identity.key().as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}
