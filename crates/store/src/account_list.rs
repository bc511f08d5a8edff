//! Accounts, and people without a login, as people see them, with the link that feeds them. Only reads.

use chrono::{DateTime, Utc};
use domain::account::{Kind, Role, Status};
use domain::decision::LinkStatus;
use domain::field::Field;
use domain::id::{AccountId, ObjectId, OrganizationId};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// An account as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its key.
    pub id: AccountId,
    /// Whether it can be used.
    pub status: Status,
    /// What it may do.
    pub role: Role,
    /// The fields that have a value, by number.
    pub fields: Vec<(Field, String)>,
    /// The manager's account, while that is in the register.
    pub reporting_to: Option<AccountId>,
    /// The object that feeds it.
    pub link: Option<Link>,
    /// How it is with its local password.
    pub password: Password,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// How it is with an account's local password (M6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// It has none.
    None,
    /// It is being made.
    Pending,
    /// It has one.
    Set,
    /// It has one that has to be changed at the next sign-in.
    MustChange,
}

/// The object that feeds an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The connection's name.
    pub connection: String,
    /// The object.
    pub object: ObjectId,
    /// What is known of it (I6).
    pub status: LinkStatus,
}

impl Account {
    /// A field's value.
    #[must_use]
    pub fn value(&self, field: Field) -> Option<&str> {
        self.fields
            .iter()
            .find(|(of, _)| *of == field)
            .map(|(_, value)| value.as_str())
    }
}

/// Which records are listed.
#[derive(Clone, Debug)]
pub struct Search {
    /// Accounts, or people without a login.
    pub kind: Kind,
    /// Words that must all occur in name, login or identifier, e-mail or UPN.
    pub words: Vec<String>,
    /// Deleted ones too.
    pub include_deleted: bool,
    /// Only of this entity.
    pub entity: Option<String>,
    /// Only of this collection.
    pub collection: Option<String>,
    /// Only those of which a link says this.
    pub status: Option<LinkStatus>,
}

/// The organization's record of this kind and id.
pub async fn find(
    connection: &mut PgConnection,
    organization: OrganizationId,
    (kind, id): (Kind, AccountId),
) -> Result<Option<Account>, StoreError> {
    let sql = format!(
        "-- account_list.find\n{SELECT} WHERE account.organization_id = $1 AND account.id = $2 AND account.kind = $3"
    );
    let row: Option<Row> = sqlx::query_as(&sql)
        .bind(organization.0)
        .bind(id.0)
        .bind(kind as i16)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(Account::try_from).transpose()?)
}

/// The organization's record of this id, or linked to the object of this id, or of this UPN; one that is not deleted and
/// linked first, an account before a person.
pub async fn find_person(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: Option<Uuid>,
    upn: Option<&str>,
) -> Result<Option<Account>, StoreError> {
    let sql = format!(
        "-- account_list.find_person
         {SELECT}
         JOIN (
             SELECT id FROM account WHERE organization_id = $1 AND id = $2
             UNION
             SELECT found.account_id FROM connection CROSS JOIN LATERAL (
                 SELECT account_id FROM link
                 WHERE connection_id = connection.id AND object_id = $2 AND account_id IS NOT NULL ORDER BY target LIMIT 1
             ) AS found
             WHERE connection.organization_id = $1 AND found.account_id IS NOT NULL
             UNION
             SELECT id FROM account WHERE organization_id = $1 AND lower(upn) = lower($3)
         ) AS found ON found.id = account.id
         ORDER BY account.status = 3, account.kind, feed.object_id IS NULL, account.id LIMIT 1"
    );
    let row: Option<Row> = sqlx::query_as(&sql)
        .bind(organization.0)
        .bind(id)
        .bind(upn)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(Account::try_from).transpose()?)
}

/// Up to `limit` of the organization's records as they were made, those behind `after`.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    search: &Search,
    after: Option<AccountId>,
    limit: i64,
) -> Result<Vec<Account>, StoreError> {
    // Said in the text, so that the planner sees which index is meant.
    let kind = search.kind as i16;
    let sql = format!(
        "-- account_list.list
         {SELECT}
         JOIN (
             SELECT id FROM account
             WHERE organization_id = $1 AND kind = {kind} AND ($2::uuid IS NULL OR id > $2) AND ($3 OR status <> 3)
               AND ($6::text IS NULL OR lower(entity) = lower($6))
               AND ($7::text IS NULL OR lower(collection) = lower($7))
               AND NOT EXISTS (
                   SELECT FROM unnest($4::text[]) AS word
                   WHERE concat_ws(' ', name, login, identifier, email, upn) NOT ILIKE word)
               AND ($8::smallint IS NULL OR EXISTS (
                   SELECT FROM link WHERE link.account_id = account.id AND link.status = $8))
             ORDER BY id LIMIT $5
         ) AS found ON found.id = account.id
         ORDER BY account.id"
    );
    let patterns: Vec<String> = search.words.iter().map(|word| pattern(word)).collect();
    let rows: Vec<Row> = sqlx::query_as(&sql)
        .bind(organization.0)
        .bind(after.map(|after| after.0))
        .bind(search.include_deleted)
        .bind(patterns)
        .bind(limit)
        .bind(&search.entity)
        .bind(&search.collection)
        .bind(search.status.map(|status| status as i16))
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| Account::try_from(row).map_err(StoreError::from))
        .collect()
}

/// Of several links the one to an object that is there comes first.
const SELECT: &str = "
    SELECT account.id, account.status, account.role, account.created_at, account.updated_at,
        to_jsonb(account) AS columns, feed.name AS connection, feed.object_id, feed.status AS link_status,
        manager.account_id AS reporting_to_account,
        EXISTS (SELECT FROM password_task WHERE password_task.account_id = account.id) AS password_pending,
        (SELECT must_change FROM account_password WHERE account_password.account_id = account.id) AS must_change
    FROM account
    LEFT JOIN LATERAL (
        SELECT link.connection_id, link.object_id, link.status, connection.name,
            CASE WHEN account.reporting_to ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN account.reporting_to::uuid END AS manager
        FROM link JOIN connection ON connection.id = link.connection_id
        WHERE link.account_id = account.id
        ORDER BY link.status IN (3, 4), link.status, link.connection_id, link.object_id LIMIT 1
    ) AS feed ON true
    LEFT JOIN LATERAL (
        -- As a record of the same kind, if the manager is one.
        SELECT account_id FROM link
        WHERE link.connection_id = feed.connection_id AND link.object_id = feed.manager AND account_id IS NOT NULL
        ORDER BY link.target <> account.kind, link.target LIMIT 1
    ) AS manager ON true";

/// What `ILIKE` finds a word anywhere by.
pub(crate) fn pattern(word: &str) -> String {
    format!("%{}%", literal(word))
}

/// The word without the pattern's special characters.
fn literal(word: &str) -> String {
    let mut literal = String::with_capacity(word.len());
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    status: i16,
    role: i16,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    columns: Json<serde_json::Map<String, Value>>,
    connection: Option<String>,
    object_id: Option<Uuid>,
    link_status: Option<i16>,
    reporting_to_account: Option<Uuid>,
    password_pending: bool,
    must_change: Option<bool>,
}

impl TryFrom<Row> for Account {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("account", column, row.id);
        let link = match (row.connection, row.object_id, row.link_status) {
            (Some(connection), Some(object), Some(status)) => Some(Link {
                connection,
                object: ObjectId(object),
                status: LinkStatus::of_number(status)
                    .ok_or_else(|| Inconsistent::new("link", "status", object))?,
            }),
            _ => None,
        };
        let mut fields: Vec<(Field, String)> = row
            .columns
            .0
            .into_iter()
            .filter_map(|(column, value)| match (Field::of_key(&column), value) {
                (Some(field), Value::String(value)) => Some((field, value)),
                _ => None,
            })
            .collect();
        fields.sort_by_key(|(field, _)| *field);
        Ok(Self {
            id: AccountId(row.id),
            status: Status::of_number(row.status).ok_or_else(|| bad("status"))?,
            role: Role::of_number(row.role).ok_or_else(|| bad("role"))?,
            fields,
            reporting_to: row.reporting_to_account.map(AccountId),
            link,
            password: match (row.password_pending, row.must_change) {
                (true, _) => Password::Pending,
                (false, None) => Password::None,
                (false, Some(false)) => Password::Set,
                (false, Some(true)) => Password::MustChange,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_column() {
        for field in Field::ALL {
            let column: String = field
                .key()
                .chars()
                .flat_map(|c| {
                    c.is_uppercase()
                        .then_some('_')
                        .into_iter()
                        .chain(c.to_lowercase())
                })
                .collect();
            assert_eq!(Field::of_key(&column), Some(field), "{column}");
        }
    }

    #[test]
    fn a_word_is_taken_as_it_stands() {
        assert_eq!(literal(r"50%_a\b"), r"50\%\_a\\b");
    }
}
