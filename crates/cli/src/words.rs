//! The words that YAML, flags and tables use for the API's enums.

use contracts::v1;

/// Clouds in YAML.
pub const CLOUDS: [(&str, v1::Cloud); 4] = [
    ("global", v1::Cloud::Global),
    ("usGov", v1::Cloud::UsGov),
    ("usGovDod", v1::Cloud::UsGovDod),
    ("china", v1::Cloud::China),
];

/// `deletionMode` in YAML.
pub const DELETION_MODES: [(&str, v1::DeletionMode); 2] = [
    ("automatic", v1::DeletionMode::Automatic),
    ("manual", v1::DeletionMode::Manual),
];

/// What to do with a leaver, in YAML.
pub const LEAVER_ACTIONS: [(&str, v1::LeaverAction); 4] = [
    ("nothing", v1::LeaverAction::Nothing),
    ("deactivate", v1::LeaverAction::Deactivate),
    ("delete", v1::LeaverAction::Delete),
    ("review", v1::LeaverAction::Review),
];

/// What to do with someone who is back, in YAML.
pub const RETURN_ACTIONS: [(&str, v1::ReturnAction); 2] = [
    ("reactivate", v1::ReturnAction::Reactivate),
    ("nothing", v1::ReturnAction::Nothing),
];

/// `firstRun` in YAML.
pub const FIRST_RUNS: [(&str, v1::FirstRun); 2] =
    [("preview", v1::FirstRun::Preview), ("apply", v1::FirstRun::Apply)];

/// Which local password imported accounts get, in YAML.
pub const PASSWORD_MODES: [(&str, v1::PasswordMode); 3] = [
    ("none", v1::PasswordMode::None),
    ("random", v1::PasswordMode::Random),
    ("predefined", v1::PasswordMode::Predefined),
];

/// Roles in YAML, CSV and tables.
pub const ROLES: [(&str, v1::Role); 4] = [
    ("owner", v1::Role::Owner),
    ("admin", v1::Role::Admin),
    ("technician", v1::Role::Technician),
    ("user", v1::Role::User),
];

/// Whose word counts for a field, in YAML.
pub const AUTHORITIES: [(&str, v1::Authority); 4] = [
    ("always", v1::Authority::Always),
    ("onCreate", v1::Authority::OnCreate),
    ("ifEmpty", v1::Authority::IfEmpty),
    ("never", v1::Authority::Never),
];

/// What tells people apart, in YAML.
pub const IDENTIFIERS: [(&str, v1::UniqueIdentifier); 3] = [
    ("objectId", v1::UniqueIdentifier::ObjectId),
    ("userPrincipalName", v1::UniqueIdentifier::UserPrincipalName),
    ("email", v1::UniqueIdentifier::Email),
];

/// What a mapping brings users in as, in YAML.
pub const TARGETS: [(&str, v1::MappingTarget); 3] = [
    ("accounts", v1::MappingTarget::Accounts),
    ("people", v1::MappingTarget::People),
    ("groups", v1::MappingTarget::Groups),
];

/// Weekdays in YAML.
pub const WEEKDAYS: [(&str, v1::Weekday); 7] = [
    ("mon", v1::Weekday::Monday),
    ("tue", v1::Weekday::Tuesday),
    ("wed", v1::Weekday::Wednesday),
    ("thu", v1::Weekday::Thursday),
    ("fri", v1::Weekday::Friday),
    ("sat", v1::Weekday::Saturday),
    ("sun", v1::Weekday::Sunday),
];

/// What a field holds, in YAML.
pub const FIELD_TYPES: [(&str, v1::FieldType); 4] = [
    ("text", v1::FieldType::Text),
    ("number", v1::FieldType::Number),
    ("boolean", v1::FieldType::Boolean),
    ("date", v1::FieldType::Date),
];

/// What the sync knows of a record's object, in flags.
pub const INTEGRATION: [(&str, v1::IntegrationStatus); 6] = [
    ("active", v1::IntegrationStatus::Active),
    ("disabled", v1::IntegrationStatus::Disabled),
    ("soft-deleted", v1::IntegrationStatus::SoftDeleted),
    ("gone", v1::IntegrationStatus::Gone),
    ("out-of-scope", v1::IntegrationStatus::OutOfScope),
    ("conflict", v1::IntegrationStatus::Conflict),
];

/// How a clause of the criteria compares, in YAML.
pub const OPERATORS: [(&str, v1::Operator); 15] = [
    ("equals", v1::Operator::Equals),
    ("notEquals", v1::Operator::NotEquals),
    ("in", v1::Operator::In),
    ("startsWith", v1::Operator::StartsWith),
    ("endsWith", v1::Operator::EndsWith),
    ("contains", v1::Operator::Contains),
    ("regex", v1::Operator::Regex),
    ("isNull", v1::Operator::IsNull),
    ("isNotNull", v1::Operator::IsNotNull),
    ("isTrue", v1::Operator::IsTrue),
    ("isFalse", v1::Operator::IsFalse),
    ("greater", v1::Operator::Greater),
    ("less", v1::Operator::Less),
    ("memberOf", v1::Operator::MemberOf),
    ("transitiveMemberOf", v1::Operator::TransitiveMemberOf),
];

/// The word for `value`; nothing for the unspecified one.
pub fn word_of<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> Option<&'static str> {
    words
        .iter()
        .find(|(_, known)| *known == value)
        .map(|(word, _)| *word)
}

/// An enum's own name as people read it: `RUN_STATE_FINISHED` without `RUN_STATE_` is `finished`; the unspecified one
/// is nothing.
pub fn plain(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix).unwrap_or(name) {
        "UNSPECIFIED" => String::new(),
        word => word.to_ascii_lowercase().replace('_', " "),
    }
}

/// A run's kind.
pub fn run_kind(kind: v1::RunKind) -> String {
    plain(kind.as_str_name(), "RUN_KIND_")
}

/// A run's state.
pub fn run_state(state: v1::RunState) -> String {
    plain(state.as_str_name(), "RUN_STATE_")
}

/// What became of an object.
pub fn outcome(outcome: v1::Outcome) -> String {
    plain(outcome.as_str_name(), "OUTCOME_")
}

/// A role.
pub fn role(role: v1::Role) -> String {
    plain(role.as_str_name(), "ROLE_")
}

/// What the sync knows of a record's object.
pub fn integration(status: v1::IntegrationStatus) -> String {
    plain(status.as_str_name(), "INTEGRATION_STATUS_")
}

/// A weekday in full.
pub fn weekday(day: v1::Weekday) -> String {
    plain(day.as_str_name(), "WEEKDAY_")
}

/// An action on a leaver.
pub fn leaver_action(action: v1::LeaverAction) -> String {
    plain(action.as_str_name(), "LEAVER_ACTION_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_plain() {
        assert_eq!(run_state(v1::RunState::Finished), "finished");
        assert_eq!(integration(v1::IntegrationStatus::OutOfScope), "out of scope");
        assert_eq!(role(v1::Role::Unspecified), "");
        assert_eq!(word_of(&CLOUDS, v1::Cloud::UsGovDod), Some("usGovDod"));
        assert_eq!(word_of(&CLOUDS, v1::Cloud::Unspecified), None);
    }
}
