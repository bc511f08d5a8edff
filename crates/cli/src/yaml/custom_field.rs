//! `kind: CustomField`.

use contracts::v1;

use crate::words::FIELD_TYPES;
use crate::yaml::section::Section;

/// Reads the document.
pub fn read(section: &mut Section<'_>) -> v1::CustomField {
    v1::CustomField {
        name: section.required("name"),
        r#type: section
            .word("type", &FIELD_TYPES)
            .unwrap_or(v1::FieldType::Text)
            .into(),
    }
}
