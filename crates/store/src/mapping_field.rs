//! `mapping_field`: the rows of a mapping (M1, B11). Written by api.

use domain::field::{Field, Reading};
use domain::id::MappingId;
use domain::mapping::{Authority, Row, Source};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// The rows of these mappings, in their order.
pub async fn of_mappings(
    connection: &mut PgConnection,
    mappings: &[MappingId],
) -> Result<Vec<(MappingId, Row)>, StoreError> {
    let ids: Vec<Uuid> = mappings.iter().map(|mapping| mapping.0).collect();
    let rows: Vec<Stored> = sqlx::query_as(
        "-- mapping_field.of_mappings
         SELECT mapping_id, position, field, attribute, constant, default_value, authority, clear
         FROM mapping_field WHERE mapping_id = ANY($1)
         ORDER BY mapping_id, position",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| row.read().map_err(StoreError::from))
        .collect()
}

/// Puts these rows in place of the mapping's.
pub async fn replace(
    connection: &mut PgConnection,
    mapping: MappingId,
    rows: &[Row],
) -> Result<(), StoreError> {
    sqlx::query("-- mapping_field.delete\nDELETE FROM mapping_field WHERE mapping_id = $1")
        .bind(mapping.0)
        .execute(&mut *connection)
        .await?;
    for (position, row) in (0_i16..).zip(rows) {
        let (attribute, constant, default) = match &row.source {
            Source::Attribute { reading, default } => (Some(reading.to_string()), None, default.as_deref()),
            Source::Constant(value) => (None, Some(value.as_str()), None),
            Source::ObjectId => (Some(Source::OBJECT_ID.to_owned()), None, None),
        };
        sqlx::query(
            "-- mapping_field.insert
             INSERT INTO mapping_field (mapping_id, position, field, attribute, constant, default_value, authority,
                 clear)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(mapping.0)
        .bind(position)
        .bind(row.field.key())
        .bind(attribute)
        .bind(constant)
        .bind(default)
        .bind(row.authority.key())
        .bind(row.clear)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Stored {
    mapping_id: Uuid,
    position: i16,
    field: String,
    attribute: Option<String>,
    constant: Option<String>,
    default_value: Option<String>,
    authority: String,
    clear: bool,
}

impl Stored {
    fn read(self) -> Result<(MappingId, Row), Inconsistent> {
        let key = format!("{} {}", self.mapping_id, self.position);
        let bad = |column| Inconsistent::new("mapping_field", column, &key);
        let source = match (self.attribute, self.constant) {
            (Some(name), None) if name == Source::OBJECT_ID => Source::ObjectId,
            (Some(name), None) => Source::Attribute {
                reading: Reading::of_name(&name).ok_or_else(|| bad("attribute"))?,
                default: self.default_value,
            },
            (None, Some(value)) => Source::Constant(value),
            _ => return Err(bad("constant")),
        };
        let row = Row {
            field: Field::of_key(&self.field).ok_or_else(|| bad("field"))?,
            source,
            authority: Authority::of_key(&self.authority).ok_or_else(|| bad("authority"))?,
            clear: self.clear,
        };
        Ok((MappingId(self.mapping_id), row))
    }
}
