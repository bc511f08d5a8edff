//! Checking custom fields (M2): each has a name of its own and one of the places that the register has for them.

use contracts::v1;
use contracts::v1::document::Kind;
use domain::custom_field::{CustomField, CustomFields};
use domain::field::Field;
use domain::value_kind::ValueKind;

use super::check::Problems;
use crate::fault::Violation;

/// Characters in a name at most.
const LONGEST_NAME: usize = 40;

/// The custom fields as they will be: the stored ones, and those of the documents.
pub fn check(
    documents: &[v1::Document],
    stored: &CustomFields,
    violations: &mut Vec<Violation>,
) -> CustomFields {
    let mut fields = stored.clone();
    for (index, document) in documents.iter().enumerate() {
        let Some(Kind::CustomField(document)) = &document.kind else {
            continue;
        };
        let mut problems = Problems::at(format!("documents[{index}].customField"), violations);
        let kind = match v1::FieldType::try_from(document.r#type) {
            Ok(v1::FieldType::Unspecified | v1::FieldType::Text) => ValueKind::Text,
            Ok(v1::FieldType::Number) => ValueKind::Number,
            Ok(v1::FieldType::Boolean) => ValueKind::Boolean,
            Ok(v1::FieldType::Date) => ValueKind::Date,
            Err(_) => {
                problems.add("type", "is none of text, number, boolean and date");
                continue;
            }
        };
        if let Some(problem) = wrong_name(&document.name) {
            problems.add("name", problem);
            continue;
        }
        let known = fields.0.iter_mut();
        if let Some(known) = known
            .into_iter()
            .find(|custom| custom.name.eq_ignore_ascii_case(&document.name))
        {
            known.kind = kind;
            continue;
        }
        let free = Field::CUSTOM
            .into_iter()
            .find(|field| fields.0.iter().all(|custom| custom.field != *field));
        match free {
            Some(field) => fields.0.push(CustomField {
                field,
                name: document.name.clone(),
                kind,
            }),
            None => problems.add(
                "name",
                format!(
                    "is one too many: the register has room for {} custom fields",
                    Field::CUSTOM.len()
                ),
            ),
        }
    }
    fields
}

fn wrong_name(name: &str) -> Option<String> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if name.is_empty() {
        Some("is missing".to_owned())
    } else if !plain || name.len() > LONGEST_NAME || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Some(format!(
            "must be 1 to {LONGEST_NAME} letters, digits and underscores, a letter first, such as badgeNumber"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(name: &str, kind: v1::FieldType) -> v1::Document {
        v1::Document {
            kind: Some(Kind::CustomField(v1::CustomField {
                name: name.to_owned(),
                r#type: kind.into(),
            })),
        }
    }

    #[test]
    fn m2_a_custom_field_keeps_its_place_and_finds_a_free_one() {
        let stored = CustomFields(vec![CustomField {
            field: Field::Custom2,
            name: "badge".to_owned(),
            kind: ValueKind::Text,
        }]);
        let documents = [
            document("Badge", v1::FieldType::Number),
            document("desk", v1::FieldType::Text),
        ];
        let mut violations = Vec::new();
        let fields = check(&documents, &stored, &mut violations);
        assert!(violations.is_empty(), "{violations:?}");
        assert_eq!(fields.named("badge").unwrap().kind, ValueKind::Number);
        assert_eq!(fields.named("desk").unwrap().field, Field::Custom1);
    }

    #[test]
    fn m2_wrong_names_and_too_many_are_refused() {
        let names: Vec<String> = (0..17).map(|number| format!("field{number}")).collect();
        let mut documents: Vec<_> = names
            .iter()
            .map(|name| document(name, v1::FieldType::Text))
            .collect();
        documents.extend(["", "a b", "1st"].map(|name| document(name, v1::FieldType::Text)));
        let mut violations = Vec::new();
        let fields = check(&documents, &CustomFields::default(), &mut violations);
        assert_eq!((fields.0.len(), violations.len()), (16, 4), "{violations:?}");
    }
}
