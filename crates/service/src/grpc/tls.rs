//! TLS from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::config::{ClientTls, ServerTls};

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there or not readable.
    #[error("cannot read the TLS file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// One of certificate and key is missing.
    #[error("tls.cert and tls.key come together: set both or neither")]
    HalfIdentity,
    /// A file does not hold what it should.
    #[error("the TLS file {} holds no {what} in PEM", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why.
        #[source]
        source: Option<rustls::pki_types::pem::Error>,
    },
    /// Certificate and key can't be used, or do not belong together.
    #[error("tls.cert {} and tls.key {} can't be used together", cert.display(), key.display())]
    Identity {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The CA can't be used to check callers.
    #[error("tls.client_ca {} can't be used", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: VerifierBuilderError,
    },
}

pub(super) fn server(tls: &ServerTls) -> Result<TlsAcceptor, TlsError> {
    let builder = ServerConfig::builder();
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(path)?);
            let verifier = WebPkiClientVerifier::builder(roots.into()).build();
            builder.with_client_cert_verifier(verifier.map_err(|source| TlsError::Authority {
                path: path.clone(),
                source,
            })?)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(&read(&tls.key)?).map_err(|source| TlsError::Content {
        path: tls.key.clone(),
        what: "private key",
        source: Some(source),
    })?;
    let mut config = builder
        .with_single_cert(certificates(&tls.cert)?, key)
        .map_err(|source| TlsError::Identity {
            cert: tls.cert.clone(),
            key: tls.key.clone(),
            source,
        })?;
    config.alpn_protocols.push(b"h2".to_vec());
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let broken = |source| TlsError::Content {
        path: path.to_owned(),
        what: "certificate",
        source,
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|source| broken(Some(source)))?;
    if certificates.is_empty() {
        return Err(broken(None));
    }
    Ok(certificates)
}

pub(super) fn client(tls: &ClientTls) -> Result<ClientTlsConfig, TlsError> {
    let mut config = match &tls.ca {
        Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?)),
        None => ClientTlsConfig::new().with_enabled_roots(),
    };
    config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => config.identity(identity(cert, key)?),
        (None, None) => config,
        _ => return Err(TlsError::HalfIdentity),
    };
    Ok(match &tls.domain {
        Some(domain) => config.domain_name(domain),
        None => config,
    })
}

fn identity(cert: &Path, key: &Path) -> Result<Identity, TlsError> {
    Ok(Identity::from_pem(read(cert)?, read(key)?))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}
