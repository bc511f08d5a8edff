//! `mapping`: named rule sets under a connection. Written by api.

use chrono::{DateTime, Utc};
use domain::account::{Kind, Role};
use domain::criteria::Criteria;
use domain::id::{ConnectionId, MappingId, OrganizationId};
use domain::mapping::{self, Identifier, Place, Row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError, mapping_clause, mapping_field};

/// A named rule set, as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its key.
    pub id: MappingId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The connection that it belongs to.
    pub connection: ConnectionId,
    /// Unique in the organization.
    pub name: String,
    /// What it brings in.
    pub target: Target,
    /// The role that new accounts get.
    pub role: Role,
    /// Whether rule 6 (e-mail) is on.
    pub override_by_email: bool,
    /// Whether disabled users who match nobody are brought in too.
    pub include_disabled: bool,
    /// Whom it takes in.
    pub criteria: Criteria,
    /// The rows that were written; none for the default ones.
    pub rows: Vec<Row>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// What a mapping brings in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// People with a login.
    Accounts {
        /// The organizational unit that they belong to.
        unit: Option<String>,
    },
    /// People without one.
    People {
        /// What tells them apart.
        identifier: Identifier,
        /// Where they belong.
        place: Place,
    },
    /// Groups and their members, as an inventory (I7).
    Groups,
}

impl Target {
    /// The name in YAML and in the table.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Accounts { .. } => "accounts",
            Self::People { .. } => "people",
            Self::Groups => "groups",
        }
    }

    /// What its records are, if they are somebody.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        match self {
            Self::Accounts { .. } => Some(Kind::Account),
            Self::People { .. } => Some(Kind::Person),
            Self::Groups => None,
        }
    }

    /// Identifier, entity, collection and organizational unit, each where it is there.
    fn columns(&self) -> [Option<&str>; 4] {
        match self {
            Self::Accounts { unit } => [None, None, None, unit.as_deref()],
            Self::Groups => [None; 4],
            Self::People { identifier, place } => [
                Some(identifier.key()),
                Some(&place.entity),
                Some(&place.collection),
                None,
            ],
        }
    }
}

impl Mapping {
    /// What deciding needs of it, with the default rows where none were written; of groups nothing is decided.
    #[must_use]
    pub fn rules(&self) -> Option<mapping::Mapping> {
        let (name, rows) = (self.name.clone(), self.rows.clone());
        let mut rules = match &self.target {
            Target::Accounts { unit } => {
                let rules = mapping::Mapping::new(self.id, name, self.role, rows);
                match unit {
                    Some(unit) => rules.in_unit(unit.clone()),
                    None => rules,
                }
            }
            Target::People { identifier, place } => {
                mapping::Mapping::of_people(self.id, name, *identifier, place.clone(), rows)
            }
            Target::Groups => return None,
        };
        rules.override_by_email = self.override_by_email;
        rules.include_disabled = self.include_disabled;
        rules.criteria = self.criteria.clone();
        Some(rules)
    }
}

/// The connection's mappings by name; there are few.
pub async fn of_connection(
    connection: &mut PgConnection,
    id: ConnectionId,
) -> Result<Vec<Mapping>, StoreError> {
    let selection = Selection {
        connection: Some(id.0),
        limit: 1_000,
        ..Selection::default()
    };
    select(connection, selection).await
}

/// The organization's mapping of this name.
pub async fn find_by_name(
    connection: &mut PgConnection,
    organization: OrganizationId,
    name: &str,
) -> Result<Option<Mapping>, StoreError> {
    let selection = Selection {
        organization: Some(organization.0),
        name: Some(name),
        ..Selection::default()
    };
    Ok(select(connection, selection).await?.into_iter().next())
}

/// Up to `limit` of the organization's mappings by name, those behind `after`; of one connection or of all.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    of: Option<ConnectionId>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Mapping>, StoreError> {
    let selection = Selection {
        organization: Some(organization.0),
        connection: of.map(|of| of.0),
        name: None,
        after,
        limit,
    };
    select(connection, selection).await
}

/// Adds a mapping with its criteria and rows.
pub async fn insert(connection: &mut PgConnection, mapping: &Mapping) -> Result<(), StoreError> {
    let [identifier, entity, collection, unit] = mapping.target.columns();
    sqlx::query(
        "-- mapping.insert
         INSERT INTO mapping (id, organization_id, connection_id, name, target, role, override_by_email,
             include_disabled, created_at, updated_at, identifier, entity, collection, organizational_unit)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(mapping.id.0)
    .bind(mapping.organization.0)
    .bind(mapping.connection.0)
    .bind(&mapping.name)
    .bind(mapping.target.key())
    .bind(mapping.role.key())
    .bind(mapping.override_by_email)
    .bind(mapping.include_disabled)
    .bind(mapping.created_at)
    .bind(mapping.updated_at)
    .bind(identifier)
    .bind(entity)
    .bind(collection)
    .bind(unit)
    .execute(&mut *connection)
    .await?;
    mapping_clause::replace(connection, mapping.id, &mapping.criteria).await?;
    mapping_field::replace(connection, mapping.id, &mapping.rows).await
}

/// Writes everything but id, organization, name and time of creation; the criteria and rows too.
pub async fn update(connection: &mut PgConnection, mapping: &Mapping) -> Result<(), StoreError> {
    let [identifier, entity, collection, unit] = mapping.target.columns();
    sqlx::query(
        "-- mapping.update
         UPDATE mapping
         SET connection_id = $2, target = $3, role = $4, override_by_email = $5, include_disabled = $6, updated_at = $7,
             identifier = $8, entity = $9, collection = $10, organizational_unit = $11
         WHERE id = $1",
    )
    .bind(mapping.id.0)
    .bind(mapping.connection.0)
    .bind(mapping.target.key())
    .bind(mapping.role.key())
    .bind(mapping.override_by_email)
    .bind(mapping.include_disabled)
    .bind(mapping.updated_at)
    .bind(identifier)
    .bind(entity)
    .bind(collection)
    .bind(unit)
    .execute(&mut *connection)
    .await?;
    mapping_clause::replace(connection, mapping.id, &mapping.criteria).await?;
    mapping_field::replace(connection, mapping.id, &mapping.rows).await
}

struct Selection<'a> {
    organization: Option<Uuid>,
    connection: Option<Uuid>,
    name: Option<&'a str>,
    after: Option<&'a str>,
    limit: i64,
}

impl Default for Selection<'_> {
    fn default() -> Self {
        Self {
            organization: None,
            connection: None,
            name: None,
            after: None,
            limit: 1,
        }
    }
}

async fn select(connection: &mut PgConnection, selection: Selection<'_>) -> Result<Vec<Mapping>, StoreError> {
    let stored: Vec<Stored> = sqlx::query_as(
        "-- mapping.select
         SELECT id, organization_id, connection_id, name, target, role, override_by_email, include_disabled,
             created_at, updated_at, identifier, entity, collection, organizational_unit
         FROM mapping
         WHERE ($1::uuid IS NULL OR organization_id = $1)
           AND ($2::uuid IS NULL OR connection_id = $2)
           AND ($3::text IS NULL OR name = $3)
           AND ($4::text IS NULL OR name > $4)
         ORDER BY name
         LIMIT $5",
    )
    .bind(selection.organization)
    .bind(selection.connection)
    .bind(selection.name)
    .bind(selection.after)
    .bind(selection.limit)
    .fetch_all(&mut *connection)
    .await?;
    let mut mappings = stored
        .into_iter()
        .map(Mapping::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<MappingId> = mappings.iter().map(|mapping| mapping.id).collect();
    let clauses = mapping_clause::of_mappings(connection, &ids).await?;
    for mapping in &mut mappings {
        let own = clauses.iter().filter(|(id, ..)| *id == mapping.id);
        let own = own.map(|(_, filter, clause)| (*filter, clause.clone()));
        mapping.criteria = mapping_clause::criteria(own.collect());
    }
    for (id, row) in mapping_field::of_mappings(connection, &ids).await? {
        if let Some(mapping) = mappings.iter_mut().find(|mapping| mapping.id == id) {
            mapping.rows.push(row);
        }
    }
    Ok(mappings)
}

#[derive(sqlx::FromRow)]
struct Stored {
    id: Uuid,
    organization_id: Uuid,
    connection_id: Uuid,
    name: String,
    target: String,
    role: String,
    override_by_email: bool,
    include_disabled: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    identifier: Option<String>,
    entity: Option<String>,
    collection: Option<String>,
    organizational_unit: Option<String>,
}

impl Stored {
    fn target(&self) -> Option<Target> {
        match self.target.as_str() {
            "accounts" => Some(Target::Accounts {
                unit: self.organizational_unit.clone(),
            }),
            "people" => Some(Target::People {
                identifier: Identifier::of_key(self.identifier.as_deref()?)?,
                place: Place {
                    entity: self.entity.clone()?,
                    collection: self.collection.clone()?,
                },
            }),
            "groups" => Some(Target::Groups),
            _ => None,
        }
    }
}

impl TryFrom<Stored> for Mapping {
    type Error = Inconsistent;

    fn try_from(stored: Stored) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("mapping", column, stored.id);
        Ok(Self {
            id: MappingId(stored.id),
            organization: OrganizationId(stored.organization_id),
            connection: ConnectionId(stored.connection_id),
            target: stored.target().ok_or_else(|| bad("target"))?,
            role: Role::of_key(&stored.role).ok_or_else(|| bad("role"))?,
            name: stored.name,
            override_by_email: stored.override_by_email,
            include_disabled: stored.include_disabled,
            criteria: Criteria::default(),
            rows: Vec::new(),
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        })
    }
}
