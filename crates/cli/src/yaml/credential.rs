//! `kind: Credential`.

use contracts::v1;

use crate::yaml::secret::{self, Environment};
use crate::yaml::section::Section;

/// Reads the document. Without `clientSecret` the stored one stays.
pub fn read(section: &mut Section<'_>, environment: Environment<'_>) -> v1::Credential {
    v1::Credential {
        name: section.required("name"),
        tenant_id: section.guid("tenantId"),
        client_id: section.guid("clientId"),
        client_secret: secret::read(section, "clientSecret", environment).unwrap_or_default(),
        ..v1::Credential::default()
    }
}
