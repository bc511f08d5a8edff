//! A certificate for servers on this machine, signed by an authority made up for it.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// A certificate for `localhost` and `127.0.0.1`, its key, and the authority that signed it, all PEM. Servers and clients may
/// both show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// What the other side must trust.
    pub authority: String,
    /// The certificate.
    pub certificate: String,
    key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// A new authority of this name and a certificate from it. The authority's key is forgotten at once.
    pub fn generate(name: &str) -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority_key = KeyPair::generate()?;
        let authority_certificate = authority.self_signed(&authority_key)?;

        let key = KeyPair::generate()?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate =
            CertificateParams::new(names)?.signed_by(&key, &Issuer::new(authority, authority_key))?;
        Ok(Self {
            authority: authority_certificate.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// The certificate's private key.
    pub fn key(&self) -> &str {
        &self.key
    }
}
