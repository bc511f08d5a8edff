//! Mutual TLS between the services, as an installation that wants it would set it up.

use std::path::{Path, PathBuf};

use super::{Error, Service};
use crate::home::Home;
use crate::identity::Identity;
use crate::secret;

/// The PEM files that all services show and trust.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    /// Makes them in the home, anew for each start.
    pub(super) fn make(home: &Home) -> Result<Self, Error> {
        let identity = Identity::generate("Rollcall local services")?;
        let files = Self {
            authority: home.path("services-ca.pem"),
            certificate: home.path("services.pem"),
            key: home.path("services.key"),
        };
        let contents = [
            (&files.authority, identity.authority.as_str()),
            (&files.certificate, identity.certificate.as_str()),
            (&files.key, identity.key()),
        ];
        for (path, text) in contents {
            secret::write(path, text).map_err(|source| Error::File {
                path: path.clone(),
                source,
            })?;
        }
        Ok(files)
    }

    /// The settings that make a service show the certificate and ask for one. People and programs come to api with a token
    /// instead.
    pub(super) fn settings(&self, service: Service) -> Vec<(String, String)> {
        let mut settings = self.both("grpc.tls");
        if service == Service::Api {
            for other in ["fetcher", "reconciler"] {
                settings.extend(self.both(&format!("{other}.tls")));
                settings.push((format!("{other}.tls.ca"), text(&self.authority)));
            }
        } else {
            settings.push(("grpc.tls.client_ca".to_owned(), text(&self.authority)));
        }
        settings
    }

    fn both(&self, section: &str) -> Vec<(String, String)> {
        vec![
            (format!("{section}.cert"), text(&self.certificate)),
            (format!("{section}.key"), text(&self.key)),
        ]
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
