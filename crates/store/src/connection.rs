//! `connection`: links to Entra tenants (C1, C4). Written by api.

use chrono::{DateTime, Utc};
use domain::brake::Brake;
use domain::id::{ConnectionId, CredentialId, OrganizationId, TenantId};
use domain::leaver::{Policies, Policy, Returning};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// One link to one Entra tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its key.
    pub id: ConnectionId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Unique in the organization.
    pub name: String,
    /// The tenant that is read.
    pub tenant: TenantId,
    /// What it signs in with; none once it is disconnected and that was deleted.
    pub credential: Option<CredentialId>,
    /// `global`, `usGov`, `usGovDod`, `china` or `custom` (C15).
    pub cloud: String,
    /// Scheme, host and port of the sign-in service, in place of the cloud's.
    pub login_url: Option<String>,
    /// Scheme, host and port of Graph, in place of the cloud's.
    pub graph_url: Option<String>,
    /// The whole token address, in place of the one derived from sign-in service and tenant.
    pub token_url: Option<String>,
    /// The shorthand that was given (D1); `leavers` has what it comes to.
    pub deletion_mode: Option<DeletionMode>,
    /// What to do with leavers, by cause (D6).
    pub leavers: Policies,
    /// When removals are held (B2).
    pub brake: Brake,
    /// What a first run does.
    pub first_run: FirstRun,
    /// When its mappings last changed: an older full run makes the next delta full (F4).
    pub rules_changed_at: Option<DateTime<Utc>>,
    /// What changed in them.
    pub rules_changed_why: Option<String>,
    /// When it was disconnected (C9).
    pub disconnected_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A shorthand for the policies of the soft-deleted and the gone (D1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionMode {
    /// Both are deleted.
    Automatic,
    /// Both go to review.
    Manual,
}

/// What a connection's first run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRun {
    /// It stops with its plan.
    Preview,
    /// It applies it.
    Apply,
}

impl DeletionMode {
    /// The name in YAML and in the table.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }

    fn of_key(key: &str) -> Option<Self> {
        [Self::Automatic, Self::Manual]
            .into_iter()
            .find(|mode| mode.key() == key)
    }
}

impl FirstRun {
    /// The name in YAML and in the table.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::Apply => "apply",
        }
    }

    fn of_key(key: &str) -> Option<Self> {
        [Self::Preview, Self::Apply]
            .into_iter()
            .find(|first| first.key() == key)
    }
}

/// The connection of this id, whoever's it is.
pub async fn find(connection: &mut PgConnection, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
    let rows = select(
        connection,
        Selection {
            id: Some(id.0),
            ..Selection::default()
        },
    )
    .await?;
    Ok(rows.into_iter().next())
}

/// The organization's connection of this name, or of this id when the text is one.
pub async fn find_by_name(
    connection: &mut PgConnection,
    organization: OrganizationId,
    name_or_id: &str,
) -> Result<Option<Connection>, StoreError> {
    let by_name = Selection {
        organization: Some(organization.0),
        name: Some(name_or_id),
        ..Selection::default()
    };
    if let Some(found) = select(&mut *connection, by_name).await?.into_iter().next() {
        return Ok(Some(found));
    }
    let Ok(id) = name_or_id.parse::<Uuid>() else {
        return Ok(None);
    };
    let by_id = Selection {
        organization: Some(organization.0),
        id: Some(id),
        ..Selection::default()
    };
    Ok(select(connection, by_id).await?.into_iter().next())
}

/// Up to `limit` of the organization's connections by name, those behind `after`.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Connection>, StoreError> {
    let selection = Selection {
        organization: Some(organization.0),
        after,
        limit,
        ..Selection::default()
    };
    select(connection, selection).await
}

/// The names of the organization's connections, the first hundred.
pub async fn names(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<Vec<String>, StoreError> {
    let names = sqlx::query_scalar(
        "-- connection.names\nSELECT name FROM connection WHERE organization_id = $1 ORDER BY name LIMIT 100",
    )
    .bind(organization.0)
    .fetch_all(connection)
    .await?;
    Ok(names)
}

/// How a connection is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The connection.
    pub connection: ConnectionId,
    /// Its name.
    pub name: String,
}

/// The names of these connections.
pub async fn names_of(
    connection: &mut PgConnection,
    ids: impl IntoIterator<Item = ConnectionId>,
) -> Result<Vec<Named>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(|id| id.0).collect();
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "-- connection.names_of
         SELECT id, name FROM connection WHERE id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let named = |(id, name)| Named {
        connection: ConnectionId(id),
        name,
    };
    Ok(rows.into_iter().map(named).collect())
}

/// Adds a connection.
pub async fn insert(connection: &mut PgConnection, row: &Connection) -> Result<(), StoreError> {
    sqlx::query(
        "-- connection.insert
         INSERT INTO connection (id, organization_id, name, tenant_id, credential_id, cloud, login_url, graph_url,
             token_url, deletion_mode, leaver_disabled, leaver_soft_deleted, leaver_gone, leaver_out_of_scope,
             brake_percent, brake_count, brake_from, first_run, rules_changed_at, rules_changed_why,
             disconnected_at, created_at, updated_at, leaver_returning)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
             $23, $24)",
    )
    .bind(row.id.0)
    .bind(row.organization.0)
    .bind(&row.name)
    .bind(row.tenant.0)
    .bind(row.credential.map(|credential| credential.0))
    .bind(&row.cloud)
    .bind(&row.login_url)
    .bind(&row.graph_url)
    .bind(&row.token_url)
    .bind(row.deletion_mode.map(DeletionMode::key))
    .bind(row.leavers.disabled.key())
    .bind(row.leavers.soft_deleted.key())
    .bind(row.leavers.gone.key())
    .bind(row.leavers.out_of_scope.key())
    .bind(i32::try_from(row.brake.percent).unwrap_or(i32::MAX))
    .bind(i32::try_from(row.brake.count).unwrap_or(i32::MAX))
    .bind(i32::try_from(row.brake.from).unwrap_or(i32::MAX))
    .bind(row.first_run.key())
    .bind(row.rules_changed_at)
    .bind(&row.rules_changed_why)
    .bind(row.disconnected_at)
    .bind(row.created_at)
    .bind(row.updated_at)
    .bind(row.leavers.returning.key())
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes everything but id, organization, name and time of creation.
pub async fn update(connection: &mut PgConnection, row: &Connection) -> Result<(), StoreError> {
    sqlx::query(
        "-- connection.update
         UPDATE connection
         SET tenant_id = $2, credential_id = $3, cloud = $4, login_url = $5, graph_url = $6, token_url = $7,
             deletion_mode = $8, leaver_disabled = $9, leaver_soft_deleted = $10, leaver_gone = $11,
             leaver_out_of_scope = $12, brake_percent = $13, brake_count = $14, brake_from = $15, first_run = $16,
             rules_changed_at = $17, rules_changed_why = $18, disconnected_at = $19, updated_at = $20,
             leaver_returning = $21
         WHERE id = $1",
    )
    .bind(row.id.0)
    .bind(row.tenant.0)
    .bind(row.credential.map(|credential| credential.0))
    .bind(&row.cloud)
    .bind(&row.login_url)
    .bind(&row.graph_url)
    .bind(&row.token_url)
    .bind(row.deletion_mode.map(DeletionMode::key))
    .bind(row.leavers.disabled.key())
    .bind(row.leavers.soft_deleted.key())
    .bind(row.leavers.gone.key())
    .bind(row.leavers.out_of_scope.key())
    .bind(i32::try_from(row.brake.percent).unwrap_or(i32::MAX))
    .bind(i32::try_from(row.brake.count).unwrap_or(i32::MAX))
    .bind(i32::try_from(row.brake.from).unwrap_or(i32::MAX))
    .bind(row.first_run.key())
    .bind(row.rules_changed_at)
    .bind(&row.rules_changed_why)
    .bind(row.disconnected_at)
    .bind(row.updated_at)
    .bind(row.leavers.returning.key())
    .execute(connection)
    .await?;
    Ok(())
}

/// Says that the connection's mappings have changed, and how, so that its next delta is full (F4).
pub async fn rules_changed(
    connection: &mut PgConnection,
    id: ConnectionId,
    at: DateTime<Utc>,
    why: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- connection.rules_changed
         UPDATE connection SET rules_changed_at = $2, rules_changed_why = $3, updated_at = $2 WHERE id = $1",
    )
    .bind(id.0)
    .bind(at)
    .bind(why)
    .execute(connection)
    .await?;
    Ok(())
}

/// The same for a connection or, without one, for all of an organization.
pub async fn rules_changed_in(
    connection: &mut PgConnection,
    (organization, id): (OrganizationId, Option<ConnectionId>),
    at: DateTime<Utc>,
    why: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- connection.rules_changed_in
         UPDATE connection SET rules_changed_at = $3, rules_changed_why = $4, updated_at = $3
         WHERE organization_id = $1 AND ($2::uuid IS NULL OR id = $2)",
    )
    .bind(organization.0)
    .bind(id.map(|id| id.0))
    .bind(at)
    .bind(why)
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks the connection as disconnected (C9). Says whether it was connected until now.
pub async fn disconnect(
    connection: &mut PgConnection,
    id: ConnectionId,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- connection.disconnect
         UPDATE connection SET disconnected_at = $2, updated_at = $2 WHERE id = $1 AND disconnected_at IS NULL",
    )
    .bind(id.0)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes down that a person ended the connection's quarantine (B17).
pub async fn release(
    connection: &mut PgConnection,
    id: ConnectionId,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query("-- connection.release\nUPDATE connection SET released_at = $2 WHERE id = $1")
        .bind(id.0)
        .bind(at)
        .execute(connection)
        .await?;
    Ok(())
}

struct Selection<'a> {
    organization: Option<Uuid>,
    id: Option<Uuid>,
    name: Option<&'a str>,
    after: Option<&'a str>,
    limit: i64,
}

impl Default for Selection<'_> {
    fn default() -> Self {
        Self {
            organization: None,
            id: None,
            name: None,
            after: None,
            limit: 1,
        }
    }
}

async fn select(
    connection: &mut PgConnection,
    selection: Selection<'_>,
) -> Result<Vec<Connection>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- connection.select
         SELECT id, organization_id, name, tenant_id, credential_id, cloud, login_url, graph_url, token_url,
             deletion_mode, leaver_disabled, leaver_soft_deleted, leaver_gone, leaver_out_of_scope, leaver_returning,
             brake_percent, brake_count, brake_from, first_run, rules_changed_at, rules_changed_why, disconnected_at,
             created_at, updated_at
         FROM connection
         WHERE ($1::uuid IS NULL OR organization_id = $1)
           AND ($2::uuid IS NULL OR id = $2)
           AND ($3::text IS NULL OR name = $3)
           AND ($4::text IS NULL OR name > $4)
         ORDER BY name
         LIMIT $5",
    )
    .bind(selection.organization)
    .bind(selection.id)
    .bind(selection.name)
    .bind(selection.after)
    .bind(selection.limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Connection::try_from(row).map_err(StoreError::from))
        .collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    tenant_id: Uuid,
    credential_id: Option<Uuid>,
    cloud: String,
    login_url: Option<String>,
    graph_url: Option<String>,
    token_url: Option<String>,
    deletion_mode: Option<String>,
    leaver_disabled: String,
    leaver_soft_deleted: String,
    leaver_gone: String,
    leaver_out_of_scope: String,
    leaver_returning: String,
    brake_percent: i32,
    brake_count: i32,
    brake_from: i32,
    first_run: String,
    rules_changed_at: Option<DateTime<Utc>>,
    rules_changed_why: Option<String>,
    disconnected_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Connection {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("connection", column, row.id);
        let policy = |column, key: &str| Policy::of_key(key).ok_or_else(|| bad(column));
        let share = |column, number: i32| u32::try_from(number).map_err(|_| bad(column));
        let deletion_mode = match row.deletion_mode.as_deref() {
            Some(key) => Some(DeletionMode::of_key(key).ok_or_else(|| bad("deletion_mode"))?),
            None => None,
        };
        Ok(Self {
            id: ConnectionId(row.id),
            organization: OrganizationId(row.organization_id),
            tenant: TenantId(row.tenant_id),
            credential: row.credential_id.map(CredentialId),
            leavers: Policies {
                disabled: policy("leaver_disabled", &row.leaver_disabled)?,
                soft_deleted: policy("leaver_soft_deleted", &row.leaver_soft_deleted)?,
                gone: policy("leaver_gone", &row.leaver_gone)?,
                out_of_scope: policy("leaver_out_of_scope", &row.leaver_out_of_scope)?,
                returning: Returning::of_key(&row.leaver_returning).ok_or_else(|| bad("leaver_returning"))?,
                manual_deletion: deletion_mode == Some(DeletionMode::Manual),
            },
            brake: Brake {
                percent: share("brake_percent", row.brake_percent)?,
                count: share("brake_count", row.brake_count)?,
                from: share("brake_from", row.brake_from)?,
            },
            first_run: FirstRun::of_key(&row.first_run).ok_or_else(|| bad("first_run"))?,
            deletion_mode,
            name: row.name,
            cloud: row.cloud,
            login_url: row.login_url,
            graph_url: row.graph_url,
            token_url: row.token_url,
            rules_changed_at: row.rules_changed_at,
            rules_changed_why: row.rules_changed_why,
            disconnected_at: row.disconnected_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
