//! `account`: the register's people, with a login or without. Written by reconciler.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use domain::account::{Account, Kind, Role, Status, Values};
use domain::decision::LoginKey;
use domain::field::Field;
use domain::id::{AccountId, OrganizationId};
use domain::leaver::Cause;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::copy::Rows;
use crate::{Inconsistent, StoreError};

/// The column of a register field.
#[must_use]
pub const fn column(field: Field) -> &'static str {
    match field {
        Field::Name => "name",
        Field::Login => "login",
        Field::Domain => "domain",
        Field::Email => "email",
        Field::Upn => "upn",
        Field::LookupGuid => "lookup_guid",
        Field::FirstName => "first_name",
        Field::LastName => "last_name",
        Field::Alias => "alias",
        Field::EnabledInDirectory => "enabled_in_directory",
        Field::UserType => "user_type",
        Field::JobTitle => "job_title",
        Field::Department => "department",
        Field::Company => "company",
        Field::Office => "office",
        Field::EmployeeId => "employee_id",
        Field::EmployeeType => "employee_type",
        Field::HireDate => "hire_date",
        Field::CostCenter => "cost_center",
        Field::Division => "division",
        Field::Phone => "phone",
        Field::Mobile => "mobile",
        Field::Fax => "fax",
        Field::Street => "street",
        Field::City => "city",
        Field::State => "state",
        Field::PostalCode => "postal_code",
        Field::Country => "country",
        Field::UsageLocation => "usage_location",
        Field::Language => "language",
        Field::EmailAliases => "email_aliases",
        Field::OtherEmails => "other_emails",
        Field::ImAddresses => "im_addresses",
        Field::CreationType => "creation_type",
        Field::ExternalState => "external_state",
        Field::DirectoryCreated => "directory_created",
        Field::PasswordChanged => "password_changed",
        Field::AgeGroup => "age_group",
        Field::MinorConsent => "minor_consent",
        Field::LegalAgeGroup => "legal_age_group",
        Field::OnPremisesUpn => "on_premises_upn",
        Field::OnPremisesDomain => "on_premises_domain",
        Field::OnPremisesLogin => "on_premises_login",
        Field::OnPremisesImmutableId => "on_premises_immutable_id",
        Field::OnPremisesDn => "on_premises_dn",
        Field::OnPremisesSid => "on_premises_sid",
        Field::OnPremisesSynced => "on_premises_synced",
        Field::ReportingTo => "reporting_to",
        Field::OrganizationalUnit => "organizational_unit",
        Field::Entity => "entity",
        Field::Collection => "collection",
        Field::Identifier => "identifier",
        Field::Custom1 => "custom_1",
        Field::Custom2 => "custom_2",
        Field::Custom3 => "custom_3",
        Field::Custom4 => "custom_4",
        Field::Custom5 => "custom_5",
        Field::Custom6 => "custom_6",
        Field::Custom7 => "custom_7",
        Field::Custom8 => "custom_8",
        Field::Custom9 => "custom_9",
        Field::Custom10 => "custom_10",
        Field::Custom11 => "custom_11",
        Field::Custom12 => "custom_12",
        Field::Custom13 => "custom_13",
        Field::Custom14 => "custom_14",
        Field::Custom15 => "custom_15",
        Field::Custom16 => "custom_16",
    }
}

/// What is written of an account.
#[derive(Clone, Debug)]
pub struct Written {
    /// The account as it shall be; its `version` is the one that it has now.
    pub account: Account,
    /// Its login key; none for a deleted one.
    pub login: Option<LoginKey>,
}

static FIELDS: LazyLock<String> =
    LazyLock::new(|| Field::ALL.map(|field| format!("a.{}", column(field))).join(", "));

static LOAD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "-- account.load
         SELECT a.id, a.version, a.role, a.status, a.deactivated_for, a.kind, {}
         FROM account a WHERE a.id = ANY($1)",
        *FIELDS
    )
});

static COPY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "COPY account (id, organization_id, kind, status, role, version, deactivated_for, login_key, domain_key, {}, \
         created_at, updated_at) FROM STDIN (FORMAT binary)",
        Field::ALL.map(column).join(", ")
    )
});

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let set = Field::ALL
        .map(|field| format!("{0} = u.{0}", column(field)))
        .join(", ");
    let names = Field::ALL.map(column).join(", ");
    let arrays: Vec<String> = (0..Field::COUNT)
        .map(|index| format!("${}::text[]", index + 9))
        .collect();
    format!(
        "-- account.update
         UPDATE account a SET version = a.version + 1, updated_at = $1, status = u.status, role = u.role,
             deactivated_for = u.deactivated_for, login_key = u.login_key, domain_key = coalesce(u.domain_key, ''), {set}
         FROM unnest($2::uuid[], $3::int[], $4::smallint[], $5::smallint[], $6::smallint[], $7::text[], $8::text[], {})
             AS u (id, version, status, role, deactivated_for, login_key, domain_key, {names})
         WHERE a.id = u.id AND a.version = u.version
         RETURNING a.id",
        arrays.join(", ")
    )
});

/// How many columns [`copy_row`] writes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "there are less than a hundred fields"
)]
pub const COPY_COLUMNS: i16 = 11 + Field::COUNT as i16;

/// Loads accounts, in no order.
pub async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Account>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(LOAD.as_str()).bind(ids).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// Loads accounts and keeps others from writing them until the transaction ends, in an order that avoids deadlocks.
pub async fn load_for_update(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<Account>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("{} ORDER BY a.id FOR UPDATE", *LOAD);
    let rows = sqlx::query(&sql).bind(ids).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// Adds a new account's row to a COPY for [`insert`].
pub fn copy_row(
    rows: &mut Rows,
    organization: OrganizationId,
    (kind, id): (Kind, AccountId),
    (status, role, deactivated_for): (Status, Role, Option<Cause>),
    login: Option<(&str, &str)>,
    values: &[Option<&str>; Field::COUNT],
    now: DateTime<Utc>,
) {
    rows.row()
        .uuid(Some(id.0))
        .uuid(Some(organization.0))
        .smallint(kind as i16)
        .smallint(status as i16)
        .smallint(role as i16)
        .integer(1)
        .smallint(deactivated_for.map_or(0, |cause| cause as i16))
        .text(login.map(|(login, _)| login))
        .text(Some(login.map_or("", |(_, domain)| domain)));
    for value in values {
        rows.text(*value);
    }
    rows.time(now).time(now);
}

/// Inserts the accounts of a COPY. A login that another account holds fails the whole at the end of the transaction,
/// or at [`check_logins`].
pub async fn insert(connection: &mut PgConnection, rows: Rows) -> Result<(), StoreError> {
    rows.send(connection, &COPY).await
}

/// Writes accounts whole, where nobody else has written them since they were loaded. Answers whose were written.
pub async fn update(
    connection: &mut PgConnection,
    accounts: &[Written],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, StoreError> {
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    let of =
        |read: fn(&Account) -> i16| -> Vec<i16> { accounts.iter().map(|row| read(&row.account)).collect() };
    let mut query = sqlx::query_scalar(UPDATE.as_str())
        .bind(now)
        .bind(accounts.iter().map(|row| row.account.id.0).collect::<Vec<_>>())
        .bind(accounts.iter().map(|row| row.account.version).collect::<Vec<_>>())
        .bind(of(|account| account.status as i16))
        .bind(of(|account| account.role as i16))
        .bind(of(|account| {
            account.deactivated_for.map_or(0, |cause| cause as i16)
        }))
        .bind(
            accounts
                .iter()
                .map(|row| row.login.as_ref().map(|key| key.login.as_str()))
                .collect::<Vec<_>>(),
        )
        .bind(
            accounts
                .iter()
                .map(|row| row.login.as_ref().map(|key| key.domain.as_str()))
                .collect::<Vec<_>>(),
        );
    for field in Field::ALL {
        query = query.bind(
            accounts
                .iter()
                .map(|row| row.account.value(field))
                .collect::<Vec<_>>(),
        );
    }
    Ok(query.fetch_all(connection).await?)
}

/// Lets a login that is held twice fail now rather than at the commit.
pub async fn check_logins(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("SET CONSTRAINTS account_login IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    sqlx::query("SET CONSTRAINTS account_login DEFERRED")
        .execute(connection)
        .await?;
    Ok(())
}

/// Who holds these logins, in no order.
pub async fn holders_of(
    connection: &mut PgConnection,
    organization: OrganizationId,
    logins: &[LoginKey],
) -> Result<Vec<(LoginKey, AccountId)>, StoreError> {
    if logins.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, String, Uuid)> = sqlx::query_as(
        "-- account.holders_of
         SELECT k.login, k.domain, a.id
         FROM unnest($2::text[], $3::text[]) AS k (login, domain)
         CROSS JOIN LATERAL (
             SELECT id FROM account WHERE organization_id = $1 AND login_key = k.login AND domain_key = k.domain LIMIT 1
         ) a",
    )
    .bind(organization.0)
    .bind(logins.iter().map(|key| key.login.as_str()).collect::<Vec<_>>())
    .bind(logins.iter().map(|key| key.domain.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(login, domain, id)| (LoginKey { login, domain }, AccountId(id)))
        .collect())
}

/// Whether an organization has any account.
pub async fn any(connection: &mut PgConnection, organization: OrganizationId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- account.any
         SELECT EXISTS (SELECT 1 FROM account WHERE organization_id = $1)",
    )
    .bind(organization.0)
    .fetch_one(connection)
    .await?)
}

/// The account that holds a login, deleted ones aside.
pub async fn of_login(
    connection: &mut PgConnection,
    organization: OrganizationId,
    key: &LoginKey,
) -> Result<Option<Account>, StoreError> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "-- account.of_login
         SELECT id FROM account WHERE organization_id = $1 AND login_key = $2 AND domain_key = $3",
    )
    .bind(organization.0)
    .bind(&key.login)
    .bind(&key.domain)
    .fetch_optional(&mut *connection)
    .await?;
    match id {
        Some(id) => Ok(load(connection, &[id]).await?.into_iter().next()),
        None => Ok(None),
    }
}

/// How many active owners an organization has, but for these accounts.
pub async fn active_owners_but(
    connection: &mut PgConnection,
    organization: OrganizationId,
    but: &[Uuid],
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "-- account.active_owners_but
         SELECT count(*) FROM account
         WHERE organization_id = $1 AND role = 4 AND status = 1 AND id <> ALL($2)",
    )
    .bind(organization.0)
    .bind(but)
    .fetch_one(connection)
    .await?)
}

/// Lets nobody else take an owner out of use until the transaction ends, so that of two at a time one sees what the other
/// has done. Before any account is locked.
pub async fn lock_owners(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<(), StoreError> {
    sqlx::query("-- account.lock_owners\nSELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("owners {organization}"))
        .execute(connection)
        .await?;
    Ok(())
}

/// Those of these accounts that are active owners, by age.
pub async fn active_owners_of(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_scalar(
        "-- account.active_owners_of
         SELECT a.id FROM unnest($1::uuid[]) AS u (id)
         CROSS JOIN LATERAL (
             -- The limit keeps the planner from reading the whole table for a few of it.
             SELECT id, role, status FROM account WHERE id = u.id LIMIT 1
         ) a
         WHERE a.role = 4 AND a.status = 1 ORDER BY a.id",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?)
}

/// Those of these ids that are the organization's, accounts and people.
pub async fn of_organization(
    connection: &mut PgConnection,
    organization: OrganizationId,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar(
        "-- account.of_organization
         SELECT id FROM account WHERE organization_id = $1 AND id = ANY($2)",
    )
    .bind(organization.0)
    .bind(ids)
    .fetch_all(connection)
    .await?)
}

/// Removes accounts for good, with their local passwords.
pub async fn purge(connection: &mut PgConnection, ids: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query("-- account.purge\nDELETE FROM account WHERE id = ANY($1)")
        .bind(ids)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) fn read(row: &PgRow) -> Result<Account, StoreError> {
    let id: Uuid = row.try_get(0)?;
    let role = Role::of_number(row.try_get(2)?).ok_or_else(|| Inconsistent::new("account", "role", id))?;
    let status =
        Status::of_number(row.try_get(3)?).ok_or_else(|| Inconsistent::new("account", "status", id))?;
    let kind = Kind::of_number(row.try_get(5)?).ok_or_else(|| Inconsistent::new("account", "kind", id))?;
    let mut values: Values = [const { None }; Field::COUNT];
    for (index, value) in values.iter_mut().enumerate() {
        *value = row.try_get(index + 6)?;
    }
    Ok(Account {
        id: AccountId(id),
        kind,
        version: row.try_get(1)?,
        role,
        status,
        deactivated_for: Cause::of_number(row.try_get(4)?),
        values,
    })
}
