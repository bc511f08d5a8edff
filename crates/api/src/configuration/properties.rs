//! A document as a flat list of properties, for telling old from new; secrets are only said to be there.

use contracts::v1;
use domain::criteria::{Clause, Filter};
use domain::custom_field::{CustomField, CustomFields};
use domain::mapping::{Row, Source};
use domain::schedule::{Schedule, Timing};
use serde_json::{Map, Value};
use store::connection::{Connection, DeletionMode};
use store::credential::Credential;
use store::mapping::{Mapping, Target};
use store::settings::Settings;

/// Path and value of each property, in the order in which YAML has them.
pub type Properties = Vec<(String, String)>;

/// Of a credential.
pub fn credential(credential: &Credential) -> Properties {
    let set = |secret: bool| if secret { "(set)" } else { "" }.to_owned();
    let day = |day: Option<chrono::NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
    listed([
        ("tenantId", credential.tenant.to_string()),
        ("clientId", credential.client_id.to_string()),
        ("clientSecret", set(credential.secret.is_some())),
        ("expires", day(credential.expires_on)),
        ("nextClientSecret", set(credential.next.is_some())),
        ("nextExpires", day(credential.next_expires_on)),
    ])
}

/// Of a connection whose credential has this name.
pub fn connection(connection: &Connection, credential: Option<&str>) -> Properties {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    listed([
        ("tenantId", connection.tenant.to_string()),
        ("credential", credential.unwrap_or_default().to_owned()),
        ("cloud", connection.cloud.clone()),
        ("loginUrl", text(&connection.login_url)),
        ("graphUrl", text(&connection.graph_url)),
        ("tokenUrl", text(&connection.token_url)),
        (
            "deletionMode",
            connection.deletion_mode.map_or("", DeletionMode::key).to_owned(),
        ),
        ("leavers.disabled", connection.leavers.disabled.key().to_owned()),
        (
            "leavers.softDeleted",
            connection.leavers.soft_deleted.key().to_owned(),
        ),
        ("leavers.gone", connection.leavers.gone.key().to_owned()),
        (
            "leavers.outOfScope",
            connection.leavers.out_of_scope.key().to_owned(),
        ),
        ("leavers.returning", connection.leavers.returning.key().to_owned()),
        ("brake.percent", connection.brake.percent.to_string()),
        ("brake.count", connection.brake.count.to_string()),
        ("brake.from", connection.brake.from.to_string()),
        ("firstRun", connection.first_run.key().to_owned()),
        (
            "disconnected",
            if connection.disconnected_at.is_some() {
                "true".to_owned()
            } else {
                String::new()
            },
        ),
    ])
}

/// Of a mapping of the connection of this name.
pub fn mapping(mapping: &Mapping, connection: &str, custom: &CustomFields) -> Properties {
    let mut properties = listed([
        ("connection", connection.to_owned()),
        ("target", mapping.target.key().to_owned()),
    ]);
    if mapping.target == Target::Groups {
        return properties;
    }
    properties.extend(listed([
        ("role", mapping.role.key().to_owned()),
        ("overrideByEmail", mapping.override_by_email.to_string()),
        ("includeDisabled", mapping.include_disabled.to_string()),
    ]));
    properties.extend(match &mapping.target {
        Target::Accounts { unit } => listed([("organizationalUnit", unit.clone().unwrap_or_default())]),
        Target::People { identifier, place } => listed([
            ("uniqueIdentifier", identifier.key().to_owned()),
            ("entity", place.entity.clone()),
            ("collection", place.collection.clone()),
        ]),
        Target::Groups => Properties::new(),
    });
    let filters = mapping.criteria.filters.iter().enumerate();
    properties.extend(filters.map(|(place, filter)| (format!("criteria[{place}]"), asked(filter))));
    properties.extend(
        mapping
            .rows
            .iter()
            .map(|row| (format!("fields.{}", custom.key_of(row.field)), in_words(row))),
    );
    properties
}

/// Of a custom field.
pub fn custom_field(custom: &CustomField) -> Properties {
    listed([("type", custom.kind.key().to_owned())])
}

/// Of a schedule of the connection of this name.
pub fn schedule(schedule: &Schedule, connection: &str) -> Properties {
    let full = schedule.full.as_ref();
    let often = |full: &Timing| {
        let frequency = full.frequency();
        let told = format!("{} {}", frequency.key(), frequency.detail());
        told.trim_end().to_owned()
    };
    listed([
        ("connection", connection.to_owned()),
        ("on", schedule.on.to_string()),
        ("frequency", full.map(often).unwrap_or_default()),
        (
            "start",
            full.map(|full| full.start().format("%Y-%m-%dT%H:%M").to_string())
                .unwrap_or_default(),
        ),
        ("timeZone", schedule.zone.name().to_owned()),
        ("delta.on", schedule.delta.on.to_string()),
        ("delta.hours", schedule.delta.hours.to_string()),
        ("deprovision.on", schedule.deprovision.on.to_string()),
        (
            "deprovision.at",
            schedule.deprovision.at.format("%H:%M").to_string(),
        ),
    ])
}

/// Of the settings.
pub fn settings(settings: &Settings) -> Properties {
    listed([
        ("mailTo", settings.mail_to.join(", ")),
        ("mailOnCompletion", settings.mail_on_completion.to_string()),
    ])
}

/// What differs; everything that is set, where there was nothing.
pub fn differences(old: Option<&Properties>, new: &Properties) -> Vec<v1::PropertyChange> {
    let none = Properties::new();
    let old = old.unwrap_or(&none);
    let value_in = |list: &Properties, path: &str| -> String {
        list.iter()
            .find(|(of, _)| of == path)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    let gone = old
        .iter()
        .filter(|(path, _)| !new.iter().any(|(of, _)| of == path));
    new.iter()
        .chain(gone)
        .map(|(path, _)| v1::PropertyChange {
            path: path.clone(),
            old: value_in(old, path),
            new: value_in(new, path),
        })
        .filter(|change| change.old != change.new)
        .collect()
}

/// As a JSON object, for the audit.
pub fn json(properties: &Properties) -> Value {
    let map: Map<String, Value> = properties
        .iter()
        .map(|(path, value)| (path.clone(), Value::String(value.clone())))
        .collect();
    Value::Object(map)
}

fn listed<const N: usize>(pairs: [(&str, String); N]) -> Properties {
    pairs
        .into_iter()
        .map(|(path, value)| (path.to_owned(), value))
        .collect()
}

/// All of it, so that two filters that differ are told apart.
fn asked(filter: &Filter) -> String {
    let clauses = filter.clauses.iter().map(|clause| {
        let clause = match clause {
            Clause::Attribute(clause) => clause,
            Clause::Membership(clause) => return format!("{} {}", clause.key(), clause.group),
        };
        let values: Vec<String> = clause.values().iter().map(|value| format!("{value:?}")).collect();
        let told = format!(
            "{} {} {}",
            clause.attribute(),
            clause.operator().key(),
            values.join(", ")
        );
        told.trim_end().to_owned()
    });
    clauses.collect::<Vec<_>>().join(" and ")
}

fn in_words(row: &Row) -> String {
    let source = match &row.source {
        Source::Attribute {
            reading,
            default: None,
        } => format!("attribute {reading}"),
        Source::Attribute {
            reading,
            default: Some(default),
        } => format!("attribute {reading}, default \"{default}\""),
        Source::Constant(value) => format!("constant \"{value}\""),
        Source::ObjectId => format!("attribute {}", Source::OBJECT_ID),
    };
    let clear = if row.clear { "clear" } else { "no clear" };
    format!("{source}, {}, {clear}", row.authority.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let old = listed([("a", "1".into()), ("b", "2".into()), ("gone", "x".into())]);
        let new = listed([("a", "1".into()), ("b", "3".into()), ("c", String::new())]);
        let told: Vec<(String, String, String)> = differences(Some(&old), &new)
            .into_iter()
            .map(|change| (change.path, change.old, change.new))
            .collect();
        let expected = [("b", "2", "3"), ("gone", "x", "")]
            .map(|(path, old, new)| (path.to_owned(), old.to_owned(), new.to_owned()));
        assert_eq!(told, expected);
        assert_eq!(differences(Some(&new), &new), []);
        assert_eq!(differences(None, &new).len(), 2);
    }
}
