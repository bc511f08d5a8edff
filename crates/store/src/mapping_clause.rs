//! `mapping_clause`: the criteria of a mapping (F1). Written by api.

use domain::attribute::Attribute;
use domain::criteria::{AttributeClause, Clause, Criteria, Filter, MembershipClause, Operator};
use domain::id::MappingId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// The clauses of these mappings in their order, each with the number of its filter.
pub async fn of_mappings(
    connection: &mut PgConnection,
    mappings: &[MappingId],
) -> Result<Vec<(MappingId, i16, Clause)>, StoreError> {
    let ids: Vec<Uuid> = mappings.iter().map(|mapping| mapping.0).collect();
    let rows: Vec<Stored> = sqlx::query_as(
        "-- mapping_clause.of_mappings
         SELECT mapping_id, filter, position, attribute, operator, operands
         FROM mapping_clause WHERE mapping_id = ANY($1)
         ORDER BY mapping_id, filter, position",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| row.read().map_err(StoreError::from))
        .collect()
}

/// The criteria of clauses that stand in their order, each with the number of its filter.
#[must_use]
pub fn criteria(clauses: Vec<(i16, Clause)>) -> Criteria {
    let mut criteria = Criteria::default();
    let mut last = None;
    for (filter, clause) in clauses {
        if last != Some(filter) {
            criteria.filters.push(Filter::default());
            last = Some(filter);
        }
        if let Some(filter) = criteria.filters.last_mut() {
            filter.clauses.push(clause);
        }
    }
    criteria
}

/// Puts these criteria in place of the mapping's.
pub async fn replace(
    connection: &mut PgConnection,
    mapping: MappingId,
    criteria: &Criteria,
) -> Result<(), StoreError> {
    sqlx::query("-- mapping_clause.delete\nDELETE FROM mapping_clause WHERE mapping_id = $1")
        .bind(mapping.0)
        .execute(&mut *connection)
        .await?;
    for (number, filter) in (0_i16..).zip(&criteria.filters) {
        for (position, clause) in (0_i16..).zip(&filter.clauses) {
            let (attribute, operator, operands) = written(clause);
            sqlx::query(
                "-- mapping_clause.insert
                 INSERT INTO mapping_clause (mapping_id, filter, position, attribute, operator, operands)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(mapping.0)
            .bind(number)
            .bind(position)
            .bind(attribute)
            .bind(operator)
            .bind(operands)
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

/// Attribute, operator and operands.
fn written(clause: &Clause) -> (Option<&'static str>, &'static str, Vec<String>) {
    match clause {
        Clause::Attribute(clause) => (
            Some(clause.attribute().name()),
            clause.operator().key(),
            clause.values().to_vec(),
        ),
        Clause::Membership(clause) => (None, clause.key(), vec![clause.group.to_string()]),
    }
}

#[derive(sqlx::FromRow)]
struct Stored {
    mapping_id: Uuid,
    filter: i16,
    position: i16,
    attribute: Option<String>,
    operator: String,
    operands: Vec<String>,
}

impl Stored {
    fn read(self) -> Result<(MappingId, i16, Clause), Inconsistent> {
        let key = format!("{} {} {}", self.mapping_id, self.filter, self.position);
        let bad = |column| Inconsistent::new("mapping_clause", column, &key);
        if let Some(transitive) = MembershipClause::transitive_of_key(&self.operator) {
            let clause = MembershipClause::new(transitive, &self.operands).map_err(|_| bad("operands"))?;
            let clause = Clause::Membership(clause);
            return Ok((MappingId(self.mapping_id), self.filter, clause));
        }
        let attribute = self.attribute.as_deref().and_then(Attribute::of_name);
        let attribute = attribute.ok_or_else(|| bad("attribute"))?;
        let operator = Operator::of_key(&self.operator).ok_or_else(|| bad("operator"))?;
        let clause = AttributeClause::new(attribute, operator, self.operands).map_err(|_| bad("operands"))?;
        Ok((MappingId(self.mapping_id), self.filter, Clause::Attribute(clause)))
    }
}
