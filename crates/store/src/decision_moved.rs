//! Whether a plan that waited can still be applied as it was shown. Reads `decision`, `account`, `link` and `asset`.

use domain::decision::Skip;
use domain::id::{OrganizationId, RunId};
use sqlx::PgConnection;

use crate::StoreError;

/// The first records of a stored plan whose account has been written by others since, that a person has said to keep, or
/// whose login or object has been taken.
pub async fn moved(
    connection: &mut PgConnection,
    run: RunId,
    organization: OrganizationId,
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "-- decision_moved.moved
         SELECT coalesce(d.upn, d.name, d.object_id::text)
         FROM decision d JOIN run r ON r.id = d.run_id
         LEFT JOIN account a ON a.id = d.account_id
         LEFT JOIN link l ON l.connection_id = r.connection_id AND l.object_id = d.object_id AND l.target = d.kind
         WHERE d.run_id = $1 AND (d.outcome IN (1, 2, 5, 6) AND (
             (d.account_version > 0 AND a.version IS DISTINCT FROM d.account_version)
             OR (d.account_version > 0 AND d.rule > 1 AND l.account_id IS NOT NULL)
             OR (d.outcome = 1 AND l.account_id IS NOT NULL)
             OR (d.outcome = 5 AND d.action = 4 AND EXISTS (SELECT 1 FROM asset WHERE account_id = d.account_id))
             OR (d.outcome IN (5, 6) AND EXISTS (
                 SELECT 1 FROM review v WHERE v.connection_id = r.connection_id AND v.object_id = d.object_id
                     AND v.account_id = d.account_id AND v.cause = d.cause AND v.state = 'kept'))
             OR (d.outcome = 1 AND NOT d.late AND EXISTS (
                 SELECT 1 FROM account t WHERE t.organization_id = $2 AND t.login_key = d.login_key
                     AND t.domain_key = d.domain_key)))
             -- Whoever was left out, or as they should be, has got or lost a record since.
             OR (d.outcome IN (3, 4) AND d.skip <> $3 AND l.account_id IS DISTINCT FROM d.account_id))
         LIMIT 4",
    )
    .bind(run.0)
    .bind(organization.0)
    .bind(Skip::Superseded as i16)
    .fetch_all(connection)
    .await?)
}
