//! Mappings.

use contracts::v1;
use domain::criteria::{Clause, Filter, Operator};
use domain::custom_field::CustomFields;
use domain::mapping::{Authority, Identifier, Row, Source};
use store::mapping::{Mapping, Target};

use super::account::role;
use super::time;

/// A mapping of the connection of this name.
pub fn mapping(mapping: &Mapping, connection: &str, custom: &CustomFields) -> v1::Mapping {
    let bare = match &mapping.target {
        Target::Accounts { unit } => v1::Mapping {
            target: v1::MappingTarget::Accounts.into(),
            role: role(mapping.role).into(),
            organizational_unit: unit.clone().unwrap_or_default(),
            ..v1::Mapping::default()
        },
        Target::People { identifier, place } => v1::Mapping {
            target: v1::MappingTarget::People.into(),
            unique_identifier: self::identifier(*identifier).into(),
            entity: place.entity.clone(),
            collection: place.collection.clone(),
            ..v1::Mapping::default()
        },
        Target::Groups => v1::Mapping {
            target: v1::MappingTarget::Groups.into(),
            ..v1::Mapping::default()
        },
    };
    v1::Mapping {
        id: mapping.id.to_string(),
        name: mapping.name.clone(),
        connection: connection.to_owned(),
        override_by_email: mapping.override_by_email,
        include_disabled: mapping.include_disabled,
        fields: mapping.rows.iter().map(|row| field(row, custom)).collect(),
        criteria: mapping.criteria.filters.iter().map(filter).collect(),
        update_time: Some(time(mapping.updated_at)),
        ..bare
    }
}

const fn identifier(identifier: Identifier) -> v1::UniqueIdentifier {
    match identifier {
        Identifier::ObjectId => v1::UniqueIdentifier::ObjectId,
        Identifier::UserPrincipalName => v1::UniqueIdentifier::UserPrincipalName,
        Identifier::Email => v1::UniqueIdentifier::Email,
    }
}

fn filter(filter: &Filter) -> v1::Filter {
    v1::Filter {
        clauses: filter.clauses.iter().map(clause).collect(),
    }
}

fn clause(clause: &Clause) -> v1::Clause {
    match clause {
        Clause::Attribute(clause) => v1::Clause {
            attribute: clause.attribute().name().to_owned(),
            operator: operator(clause.operator()).into(),
            values: clause.values().to_vec(),
        },
        Clause::Membership(clause) => v1::Clause {
            attribute: String::new(),
            operator: membership(clause.transitive).into(),
            values: vec![clause.group.to_string()],
        },
    }
}

const fn membership(transitive: bool) -> v1::Operator {
    if transitive {
        v1::Operator::TransitiveMemberOf
    } else {
        v1::Operator::MemberOf
    }
}

const fn operator(operator: Operator) -> v1::Operator {
    match operator {
        Operator::Equals => v1::Operator::Equals,
        Operator::NotEquals => v1::Operator::NotEquals,
        Operator::In => v1::Operator::In,
        Operator::StartsWith => v1::Operator::StartsWith,
        Operator::EndsWith => v1::Operator::EndsWith,
        Operator::Contains => v1::Operator::Contains,
        Operator::Regex => v1::Operator::Regex,
        Operator::IsNull => v1::Operator::IsNull,
        Operator::IsNotNull => v1::Operator::IsNotNull,
        Operator::IsTrue => v1::Operator::IsTrue,
        Operator::IsFalse => v1::Operator::IsFalse,
        Operator::Greater => v1::Operator::Greater,
        Operator::Less => v1::Operator::Less,
    }
}

fn field(row: &Row, custom: &CustomFields) -> v1::MappingField {
    let (attribute, constant, default) = match &row.source {
        Source::Attribute { reading, default } => (reading.to_string(), None, default.clone()),
        Source::Constant(value) => (String::new(), Some(value.clone()), None),
        Source::ObjectId => (Source::OBJECT_ID.to_owned(), None, None),
    };
    v1::MappingField {
        field: custom.key_of(row.field).into_owned(),
        attribute,
        constant,
        default,
        authority: match row.authority {
            Authority::Always => v1::Authority::Always,
            Authority::OnCreate => v1::Authority::OnCreate,
            Authority::IfEmpty => v1::Authority::IfEmpty,
            Authority::Never => v1::Authority::Never,
        }
        .into(),
        clear: Some(row.clear),
    }
}
