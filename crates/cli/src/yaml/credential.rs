//! `kind: Credential`.

use contracts::v1;

use crate::yaml::secret::{self, Environment};
use crate::yaml::section::Section;

/// Reads the document. Without any secret the stored ones stay.
pub fn read(section: &mut Section<'_>, environment: Environment<'_>) -> v1::Credential {
    v1::Credential {
        name: section.required("name"),
        tenant_id: section.guid("tenantId"),
        client_id: section.guid("clientId"),
        client_secret: secret::read(section, "clientSecret", environment).unwrap_or_default(),
        expires: section.text("expires").unwrap_or_default(),
        next_client_secret: secret::read(section, "nextClientSecret", environment).unwrap_or_default(),
        next_expires: section.text("nextExpires").unwrap_or_default(),
        ..v1::Credential::default()
    }
}
