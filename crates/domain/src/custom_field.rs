//! Fields of the register that an organization names itself (M2).

use std::borrow::Cow;

use crate::field::Field;
use crate::value_kind::ValueKind;

/// Stands before the names of custom fields in mappings, imports and answers: `custom.badgeNumber`.
const PREFIX: &str = "custom.";

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomField {
    /// Where its values are.
    pub field: Field,
    /// What people call it, without the prefix.
    pub name: String,
    /// What its values are.
    pub kind: ValueKind,
}

/// All of an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomFields(pub Vec<CustomField>);

impl CustomFields {
    /// The field of this name, custom or not.
    #[must_use]
    pub fn field_of(&self, key: &str) -> Option<Field> {
        match key.split_at_checked(PREFIX.len()) {
            Some((prefix, name)) if prefix.eq_ignore_ascii_case(PREFIX) => {
                self.named(name).map(|custom| custom.field)
            }
            _ => Field::of_key(key).filter(|field| !field.is_custom()),
        }
    }

    /// The custom field of this name, without the prefix; letter case aside.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&CustomField> {
        self.0
            .iter()
            .find(|custom| custom.name.eq_ignore_ascii_case(name))
    }

    /// The name of a field in mappings, imports and answers.
    #[must_use]
    pub fn key_of(&self, field: Field) -> Cow<'static, str> {
        match self.0.iter().find(|custom| custom.field == field) {
            Some(custom) => Cow::Owned(format!("{PREFIX}{}", custom.name)),
            None => Cow::Borrowed(field.key()),
        }
    }

    /// What a field holds.
    #[must_use]
    pub fn kind_of(&self, field: Field) -> ValueKind {
        let custom = self.0.iter().find(|custom| custom.field == field);
        custom.map_or(field.kind(), |custom| custom.kind)
    }

    /// Every field that a mapping may fill, by name.
    pub fn keys(&self) -> impl Iterator<Item = Cow<'static, str>> {
        let own = Field::ALL.into_iter().filter(|field| !field.is_custom());
        own.chain(self.0.iter().map(|custom| custom.field))
            .map(|field| self.key_of(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m2_custom_fields_go_by_their_own_names() {
        let fields = CustomFields(vec![CustomField {
            field: Field::Custom1,
            name: "badgeNumber".to_owned(),
            kind: ValueKind::Number,
        }]);
        assert_eq!(fields.field_of("Custom.BadgeNumber"), Some(Field::Custom1));
        assert_eq!(fields.field_of("job_title"), Some(Field::JobTitle));
        for none in ["badgeNumber", "custom.other", "custom1", "custom."] {
            assert_eq!(fields.field_of(none), None, "{none}");
        }
        assert_eq!(fields.key_of(Field::Custom1), "custom.badgeNumber");
        assert_eq!(fields.kind_of(Field::Custom1), ValueKind::Number);
        assert!(fields.keys().all(|key| fields.field_of(&key).is_some()));
    }
}
