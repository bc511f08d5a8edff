//! TLS from files.

use std::path::{Path, PathBuf};

use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

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
}

pub(super) fn server(tls: &ServerTls) -> Result<ServerTlsConfig, TlsError> {
    let config = ServerTlsConfig::new().identity(identity(&tls.cert, &tls.key)?);
    match &tls.client_ca {
        None => Ok(config),
        Some(ca) => Ok(config.client_ca_root(Certificate::from_pem(read(ca)?))),
    }
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
