//! Who in the register gets mail: `account`, read for the notifier.

use domain::account::{Role, Status};
use domain::id::OrganizationId;
use sqlx::PgConnection;

use crate::StoreError;

/// The e-mail addresses of up to `limit` active admins and owners that have one, owners first.
pub async fn admins(
    connection: &mut PgConnection,
    organization: OrganizationId,
    limit: i64,
) -> Result<Vec<String>, StoreError> {
    // The constants of the partial index account_mailed have to be in the text for the planner to see that it fits.
    const { assert!(Role::Admin as i16 == 3 && Status::Active as i16 == 1) };
    let addresses = sqlx::query_scalar(
        "-- recipient.admins
         SELECT email FROM account
         WHERE organization_id = $1 AND role >= 3 AND status = 1 AND email IS NOT NULL
         ORDER BY role DESC, id LIMIT $2",
    )
    .bind(organization.0)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(addresses)
}
