//! `settings`: of an organization. Written by api.

use domain::id::OrganizationId;
use sqlx::PgConnection;

use crate::StoreError;

/// An organization's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who gets mail beside the register's active admins and owners (N6).
    pub mail_to: Vec<String>,
    /// Whether a mail goes out when a run completes.
    pub mail_on_completion: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mail_to: Vec::new(),
            mail_on_completion: true,
        }
    }
}

/// The organization's settings, or the default ones.
pub async fn find(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<Settings, StoreError> {
    let row: Option<(Vec<String>, bool)> = sqlx::query_as(
        "-- settings.find\nSELECT mail_to, mail_on_completion FROM settings WHERE organization_id = $1",
    )
    .bind(organization.0)
    .fetch_optional(connection)
    .await?;
    Ok(
        row.map_or_else(Settings::default, |(mail_to, mail_on_completion)| Settings {
            mail_to,
            mail_on_completion,
        }),
    )
}

/// Puts the organization's settings in place of the ones before.
pub async fn put(
    connection: &mut PgConnection,
    organization: OrganizationId,
    settings: &Settings,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- settings.put
         INSERT INTO settings (organization_id, mail_to, mail_on_completion) VALUES ($1, $2, $3)
         ON CONFLICT (organization_id) DO UPDATE
         SET mail_to = excluded.mail_to, mail_on_completion = excluded.mail_on_completion",
    )
    .bind(organization.0)
    .bind(&settings.mail_to)
    .bind(settings.mail_on_completion)
    .execute(connection)
    .await?;
    Ok(())
}
