//! Fields of the register.

use contracts::v1;
use domain::attribute::Attribute;
use domain::custom_field::{CustomField, CustomFields};
use domain::field::Field;
use domain::value_kind::ValueKind;

/// A custom field as it is configured.
pub fn custom(custom: &CustomField) -> v1::CustomField {
    v1::CustomField {
        name: custom.name.clone(),
        r#type: kind(custom.kind).into(),
    }
}

/// Every field that a mapping can fill, with what usually goes into it (M1).
pub fn all(custom: &CustomFields) -> Vec<v1::RegisterField> {
    let own = Field::ALL
        .into_iter()
        .filter(|field| !field.is_custom() && !is_given(*field));
    own.chain(custom.0.iter().map(|custom| custom.field))
        .map(|field| v1::RegisterField {
            name: custom.key_of(field).into_owned(),
            title: match custom.0.iter().find(|custom| custom.field == field) {
                Some(custom) => custom.name.clone(),
                None => field.title().to_owned(),
            },
            r#type: kind(custom.kind_of(field)).into(),
            suggested_attribute: suggestion(&custom.key_of(field), field),
            required_for_accounts: matches!(field, Field::Name | Field::Login),
            required_for_people: field == Field::Name,
            only_attributes: if field == Field::ReportingTo {
                vec![Attribute::Manager.name().to_owned()]
            } else {
                Vec::new()
            },
        })
        .collect()
}

/// What a mapping to people says once for everyone; no row fills it.
pub const fn is_given(field: Field) -> bool {
    matches!(field, Field::Entity | Field::Collection | Field::Identifier)
}

/// The attribute that usually goes into a field: of a custom one, that of the same name.
fn suggestion(key: &str, field: Field) -> String {
    if let Some(reading) = field.default_reading() {
        return reading.to_string();
    }
    let name = key.rsplit('.').next().unwrap_or(key);
    let same = Attribute::ALL.into_iter().find(|attribute| {
        let last = attribute.name().rsplit('.').next().unwrap_or_default();
        last.eq_ignore_ascii_case(name)
    });
    match (field, same) {
        (Field::LookupGuid, _) => Attribute::OnPremisesImmutableId.name().to_owned(),
        (_, Some(attribute)) => attribute.name().to_owned(),
        (_, None) => String::new(),
    }
}

const fn kind(kind: ValueKind) -> v1::FieldType {
    match kind {
        ValueKind::Text => v1::FieldType::Text,
        ValueKind::Number => v1::FieldType::Number,
        ValueKind::Boolean => v1::FieldType::Boolean,
        ValueKind::Date => v1::FieldType::Date,
    }
}
