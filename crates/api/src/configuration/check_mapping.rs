//! Checking a mapping: its rows, one by one and together (M1, M2, B11).

use std::collections::BTreeMap;

use contracts::v1;
use domain::account::{Kind, Role};
use domain::attribute::{self, Attribute};
use domain::criteria::Criteria;
use domain::custom_field::CustomFields;
use domain::field::{Field, Reading};
use domain::mapping::{Authority, Identifier, Place, Row, Source};
use domain::value_kind::ValueKind;
use store::mapping::Target;

use super::check::Problems;
use super::check_criteria;
use crate::suggest::did_you_mean;

/// Bytes in a constant or default at most.
const LONGEST_VALUE: usize = 1_024;

/// A mapping as a document asks for it.
#[derive(Debug)]
pub struct WantedMapping {
    /// Its name.
    pub name: String,
    /// Its connection's name.
    pub connection: String,
    /// What it brings in.
    pub target: Target,
    /// The role of new accounts.
    pub role: Role,
    /// Whether rule 6 is on.
    pub override_by_email: bool,
    /// Whether disabled users are brought in too.
    pub include_disabled: bool,
    /// Whom it takes in.
    pub criteria: Criteria,
    /// Its rows; none for the default ones.
    pub rows: Vec<Row>,
}

/// Checks a mapping by itself.
pub fn check(document: &v1::Mapping, custom: &CustomFields, problems: &mut Problems<'_>) -> WantedMapping {
    let role = match v1::Role::try_from(document.role) {
        Ok(v1::Role::Unspecified | v1::Role::User) => Role::User,
        Ok(v1::Role::Technician) => Role::Technician,
        Ok(v1::Role::Admin) => Role::Admin,
        Ok(v1::Role::Owner) => Role::Owner,
        Err(_) => {
            problems.add("role", "is none of user, technician, admin and owner");
            Role::User
        }
    };
    let target = target(document, problems);
    WantedMapping {
        name: problems.name("name", &document.name),
        connection: problems.name("connection", &document.connection),
        role,
        override_by_email: document.override_by_email,
        include_disabled: document.include_disabled,
        criteria: check_criteria::check(&document.criteria, problems),
        rows: rows(&document.fields, (&target, custom), problems),
        target,
    }
}

/// What it brings users in as, and what goes with that only (I2, M3).
fn target(document: &v1::Mapping, problems: &mut Problems<'_>) -> Target {
    let refuse = |problems: &mut Problems<'_>, key: &str, written: bool, why: &str| {
        if written {
            problems.add(key, format!("goes with {why} only; leave it out"));
        }
    };
    match v1::MappingTarget::try_from(document.target) {
        Ok(v1::MappingTarget::Unspecified | v1::MappingTarget::Accounts) => {
            let identifier = document.unique_identifier != 0;
            refuse(problems, "uniqueIdentifier", identifier, "target people");
            refuse(problems, "entity", !document.entity.is_empty(), "target people");
            refuse(
                problems,
                "collection",
                !document.collection.is_empty(),
                "target people",
            );
            let unit = &document.organizational_unit;
            Target::Accounts {
                unit: (!unit.is_empty()).then(|| problems.name("organizationalUnit", unit)),
            }
        }
        Ok(v1::MappingTarget::People) => {
            let unit = !document.organizational_unit.is_empty();
            refuse(problems, "organizationalUnit", unit, "target accounts");
            let role = !matches!(document.role(), v1::Role::Unspecified | v1::Role::User);
            refuse(problems, "role", role, "target accounts");
            refuse(
                problems,
                "overrideByEmail",
                document.override_by_email,
                "target accounts",
            );
            Target::People {
                identifier: match v1::UniqueIdentifier::try_from(document.unique_identifier) {
                    Ok(v1::UniqueIdentifier::ObjectId) => Identifier::ObjectId,
                    Ok(v1::UniqueIdentifier::UserPrincipalName) => Identifier::UserPrincipalName,
                    Ok(v1::UniqueIdentifier::Email) => Identifier::Email,
                    Ok(v1::UniqueIdentifier::Unspecified) | Err(_) => {
                        problems.add(
                            "uniqueIdentifier",
                            "is missing; people are told apart by objectId, userPrincipalName or email",
                        );
                        Identifier::ObjectId
                    }
                },
                place: Place {
                    entity: problems.name("entity", &document.entity),
                    collection: problems.name("collection", &document.collection),
                },
            }
        }
        Ok(v1::MappingTarget::Groups) => {
            only_inventory(document, problems);
            Target::Groups
        }
        Err(_) => {
            problems.add("target", "is not available yet; use accounts, people or groups");
            Target::Accounts { unit: None }
        }
    }
}

/// Groups are kept as they are, all of them: there is nothing to choose or to translate.
fn only_inventory(document: &v1::Mapping, problems: &mut Problems<'_>) {
    for (key, given) in [
        ("role", document.role() != v1::Role::Unspecified),
        ("overrideByEmail", document.override_by_email),
        ("includeDisabled", document.include_disabled),
        ("fields", !document.fields.is_empty()),
        ("criteria", !document.criteria.is_empty()),
        ("uniqueIdentifier", document.unique_identifier != 0),
        ("entity", !document.entity.is_empty()),
        ("collection", !document.collection.is_empty()),
        ("organizationalUnit", !document.organizational_unit.is_empty()),
    ] {
        if given {
            problems.add(
                key,
                "can't go with the target groups, which keeps every group as it is; remove it",
            );
        }
    }
}

fn rows(
    written: &[v1::MappingField],
    (target, custom): (&Target, &CustomFields),
    problems: &mut Problems<'_>,
) -> Vec<Row> {
    let mut rows = Vec::with_capacity(written.len());
    let mut places: BTreeMap<Field, usize> = BTreeMap::new();
    let mut all_known = true;
    for (index, row) in written.iter().enumerate() {
        let path = format!("fields[{index}]");
        let Some(field) = field(&row.field, custom, &path, problems) else {
            all_known = false;
            continue;
        };
        if let Some(problem) = misplaced(field, target) {
            problems.add(&format!("{path}.field"), problem);
        }
        if let Some(first) = places.insert(field, index) {
            problems.add(
                &format!("{path}.field"),
                format!("\"{field}\" is in fields[{first}] already; a field takes its value from one row"),
            );
        }
        let source = source((field, custom), row, &path, problems);
        let authority = authority(row.authority, &path, problems);
        if let Some(source) = source {
            let clear = row.clear.unwrap_or(authority == Authority::Always);
            rows.push(Row {
                field,
                source,
                authority,
                clear,
            });
        }
    }
    // With an unknown field among them, the missing one may be that.
    if !written.is_empty() && all_known {
        let people = target.kind() == Some(Kind::Person);
        for (field, suggestion) in [
            (Field::Name, "displayName"),
            (Field::Login, "userPrincipalName.local"),
        ] {
            let needed = field == Field::Name || !people;
            if needed && !places.contains_key(&field) {
                problems.add(
                    "fields",
                    format!(
                        "has no row for {} ({field}), which every record needs; add {{ field: {field}, attribute: \
                         {suggestion} }}, or leave fields out to map everything",
                        field.title()
                    ),
                );
            }
        }
    }
    rows
}

/// What is wrong with a row for this field.
fn misplaced(field: Field, target: &Target) -> Option<String> {
    let people = target.kind() == Some(Kind::Person);
    match field {
        Field::Entity | Field::Collection => Some(format!(
            "{field} takes no row; write {field} beside target: people"
        )),
        Field::Identifier => {
            Some("identifier takes no row; write uniqueIdentifier beside target: people".to_owned())
        }
        Field::Login | Field::Domain if people => Some(format!(
            "{field} goes with target accounts only: people have no login"
        )),
        _ => None,
    }
}

fn field(name: &str, custom: &CustomFields, path: &str, problems: &mut Problems<'_>) -> Option<Field> {
    let found = custom.field_of(name);
    if found.is_none() {
        let known: Vec<_> = custom.keys().collect();
        let known = known.iter().map(AsRef::as_ref);
        let problem = match name {
            "" => "is missing".to_owned(),
            name if Field::is_kept_by_the_sync(name) => {
                "is kept by the sync itself and can't be mapped; remove the row".to_owned()
            }
            name => format!(
                "\"{name}\" is no field of the register{}",
                did_you_mean(name, known)
            ),
        };
        problems.add(&format!("{path}.field"), problem);
    }
    found
}

/// An attribute or a constant, one of the two.
fn source(
    (field, custom): (Field, &CustomFields),
    row: &v1::MappingField,
    path: &str,
    problems: &mut Problems<'_>,
) -> Option<Source> {
    let kind = custom.kind_of(field);
    let mut refuse = |part: &str, problem: String| {
        problems.add(&format!("{path}.{part}"), problem);
        None
    };
    match (row.attribute.as_str(), &row.constant) {
        ("", None) => refuse(
            "attribute",
            match field.default_reading() {
                Some(reading) => {
                    format!("is missing; what usually goes into {field} is {reading}, or write a constant")
                }
                None => format!("is missing; the field {field} needs an attribute or a constant"),
            },
        ),
        ("", Some(_)) if row.default.is_some() => refuse(
            "default",
            "can't go with a constant, which is never empty; take one of them away".to_owned(),
        ),
        ("", Some(_)) if field == Field::ReportingTo => refuse(
            "constant",
            "can't be: Reporting to takes the attribute manager only".to_owned(),
        ),
        ("", Some(constant)) if constant.trim().is_empty() => refuse(
            "constant",
            "is empty; leave the row out, or use authority never".to_owned(),
        ),
        ("", Some(constant)) if !is_value(constant) => refuse(
            "constant",
            "holds control characters, or is longer than 1024 bytes".to_owned(),
        ),
        ("", Some(constant)) => match kind.objection(constant) {
            None => Some(Source::Constant(constant.clone())),
            Some(objection) => refuse("constant", format!("{constant:?} {objection}")),
        },
        (_, Some(_)) => refuse(
            "constant",
            "can't go with an attribute; take one of them away".to_owned(),
        ),
        (Source::OBJECT_ID, None)
            if row.default.is_none() && kind == ValueKind::Text && field != Field::ReportingTo =>
        {
            Some(Source::ObjectId)
        }
        (name, None) => {
            let Some(reading) = Reading::of_name(name) else {
                let known = Attribute::ALL.iter().map(|attribute| attribute.name());
                let known = known.chain(["userPrincipalName.local", "userPrincipalName.domain"]);
                return refuse(
                    "attribute",
                    format!(
                        "\"{name}\" is no attribute that is read{}",
                        did_you_mean(name, known)
                    ),
                );
            };
            if let Err(problem) = fits(field, reading) {
                return refuse("attribute", problem);
            }
            if !kind.takes(reading.attribute().kind()) {
                return refuse(
                    "attribute",
                    format!(
                        "\"{reading}\" can't be: {} holds a {}, which it never is",
                        custom.key_of(field),
                        kind.key()
                    ),
                );
            }
            match row.default.as_deref() {
                Some(_) if field == Field::ReportingTo => refuse(
                    "default",
                    "can't be: Reporting to takes the manager as it is".to_owned(),
                ),
                Some(default) if default.trim().is_empty() || !is_value(default) => refuse(
                    "default",
                    "is empty, holds control characters, or is longer than 1024 bytes".to_owned(),
                ),
                default => match default.and_then(|default| kind.objection(default)) {
                    Some(objection) => refuse("default", objection.to_owned()),
                    None => Some(Source::Attribute {
                        reading,
                        default: default.map(str::to_owned),
                    }),
                },
            }
        }
    }
}

/// Reporting to takes the manager only, and the manager goes nowhere else: it is an object, not a text (M2).
fn fits(field: Field, reading: Reading) -> Result<(), String> {
    let reference = reading.attribute().kind() == attribute::Kind::Reference;
    match (field == Field::ReportingTo, reference) {
        (true, true) | (false, false) => Ok(()),
        (true, false) => Err(format!(
            "\"{reading}\" can't be: Reporting to takes the attribute manager only"
        )),
        (false, true) => Err(format!("\"{reading}\" can only go into the field reportingTo")),
    }
}

fn is_value(text: &str) -> bool {
    text.len() <= LONGEST_VALUE && !text.contains(char::is_control)
}

fn authority(written: i32, path: &str, problems: &mut Problems<'_>) -> Authority {
    match v1::Authority::try_from(written) {
        Ok(v1::Authority::Unspecified | v1::Authority::Always) => Authority::Always,
        Ok(v1::Authority::OnCreate) => Authority::OnCreate,
        Ok(v1::Authority::IfEmpty) => Authority::IfEmpty,
        Ok(v1::Authority::Never) => Authority::Never,
        Err(_) => {
            problems.add(
                &format!("{path}.authority"),
                "is none of always, onCreate, ifEmpty and never",
            );
            Authority::Always
        }
    }
}
