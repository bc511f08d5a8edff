//! Asking the process behind our own port how it is, for those who can only run a command.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::config::{GrpcServerConfig, ServerTls};

/// For all of it. A process that starts takes connections and does not answer yet.
const LIMIT: Duration = Duration::from_secs(3);

/// Why the process does not count as well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Only the process itself knows which port it was given.
    #[error("grpc.listen is {listen}, which is any free port: set one, so that it can be asked there")]
    AnyPort {
        /// What the configuration says.
        listen: SocketAddr,
    },
    /// A TLS file cannot be read.
    #[error("cannot read the TLS file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The certificate and its key are not fit to show who we are.
    #[error("cannot use the certificate and the key (grpc.tls)")]
    Identity(#[source] rustls::Error),
    /// Nobody is there, or it speaks something else.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// It answered with an error.
    #[error("{address} did not say how it is: {}", status.message())]
    Refused {
        /// Where.
        address: SocketAddr,
        /// With what.
        status: tonic::Status,
    },
    /// It said that it should not be sent calls.
    #[error("not serving")]
    NotServing,
    /// No answer; mostly it is starting.
    #[error("no answer from {address} within {} s", LIMIT.as_secs())]
    Silent {
        /// Where.
        address: SocketAddr,
    },
}

/// Asks the process that listens as `config` says. `Ok` when it should be sent calls.
pub(crate) async fn ask(config: &GrpcServerConfig) -> Result<(), AskError> {
    let address = reachable(config.listen)?;
    let answer = async {
        let mut client = HealthClient::new(connect(address, config.tls.as_ref()).await?);
        let answer = client.check(HealthCheckRequest::default()).await;
        let answer = answer.map_err(|status| AskError::Refused { address, status })?;
        match answer.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
                Err(AskError::NotServing)
            }
        }
    };
    tokio::time::timeout(LIMIT, answer)
        .await
        .unwrap_or(Err(AskError::Silent { address }))
}

/// Where a process that listens there can be reached from its own machine.
fn reachable(listen: SocketAddr) -> Result<SocketAddr, AskError> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    match listen.port() {
        0 => Err(AskError::AnyPort { listen }),
        port => Ok(SocketAddr::new(ip, port)),
    }
}

async fn connect(address: SocketAddr, tls: Option<&ServerTls>) -> Result<Channel, AskError> {
    let tls = tls.map(tls_config).transpose()?.map(TlsConnector::from);
    let connector = tower::service_fn(move |_: http::Uri| {
        let tls = tls.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            let stream = match tls {
                None => Either::Left(stream),
                Some(tls) => Either::Right(tls.connect(ServerName::from(address.ip()), stream).await?),
            };
            std::io::Result::Ok(TokioIo::new(stream))
        }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
        .map_err(|source| AskError::Connect { address, source })
}

/// Our side of TLS. Where the port admits only who has a certificate, the process' own is shown.
fn tls_config(files: &ServerTls) -> Result<Arc<rustls::ClientConfig>, AskError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(AskError::Identity)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Ourselves(provider)));
    let mut config = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(_) => {
            let (chain, key) = identity(files)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(AskError::Identity)?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn identity(files: &ServerTls) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), AskError> {
    let unread = |path: &Path| {
        let path = path.to_owned();
        |source| AskError::File { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(unread(&files.cert))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unread(&files.key))?;
    Ok((chain, key))
}

/// Takes any certificate: whoever has our own port on our own machine is the one that is asked, it is told nothing, and
/// the name that its certificate is for is not ours to know.
#[derive(Debug)]
struct Ourselves(Arc<CryptoProvider>);

impl ServerCertVerifier for Ourselves {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
