//! `custom_field`: what an organization keeps in its custom fields (M2). Written by api.

use domain::custom_field::{CustomField, CustomFields};
use domain::field::Field;
use domain::id::OrganizationId;
use domain::value_kind::ValueKind;
use sqlx::PgConnection;

use crate::{Inconsistent, StoreError};

/// All of an organization, by place.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<CustomFields, StoreError> {
    let rows: Vec<(i16, String, String)> = sqlx::query_as(
        "-- custom_field.list
         SELECT slot, name, kind FROM custom_field WHERE organization_id = $1 ORDER BY slot",
    )
    .bind(organization.0)
    .fetch_all(connection)
    .await?;
    let fields = rows
        .into_iter()
        .map(|(slot, name, kind)| {
            let bad = |column| Inconsistent::new("custom_field", column, slot);
            let place = usize::try_from(slot).ok();
            let field = place.and_then(|place| Field::CUSTOM.get(place).copied());
            Ok(CustomField {
                field: field.ok_or_else(|| bad("slot"))?,
                name,
                kind: ValueKind::of_key(&kind).ok_or_else(|| bad("kind"))?,
            })
        })
        .collect::<Result<_, Inconsistent>>()?;
    Ok(CustomFields(fields))
}

/// Adds a field, or changes its type.
pub async fn put(
    connection: &mut PgConnection,
    organization: OrganizationId,
    custom: &CustomField,
) -> Result<(), StoreError> {
    let slot = i16::from(custom.field as u8) - i16::from(Field::CUSTOM[0] as u8);
    sqlx::query(
        "-- custom_field.put
         INSERT INTO custom_field (organization_id, slot, name, kind) VALUES ($1, $2, $3, $4)
         ON CONFLICT (organization_id, slot) DO UPDATE SET name = excluded.name, kind = excluded.kind",
    )
    .bind(organization.0)
    .bind(slot)
    .bind(&custom.name)
    .bind(custom.kind.key())
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether any record of the organization has a value in this field.
pub async fn is_used(
    connection: &mut PgConnection,
    organization: OrganizationId,
    field: Field,
) -> Result<bool, StoreError> {
    let sql = format!(
        "-- custom_field.is_used
         SELECT EXISTS (SELECT 1 FROM account WHERE organization_id = $1 AND {} IS NOT NULL)",
        crate::account::column(field)
    );
    Ok(sqlx::query_scalar(&sql)
        .bind(organization.0)
        .fetch_one(connection)
        .await?)
}
