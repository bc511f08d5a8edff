//! `kind: Mapping`.

use contracts::v1;
use domain::attribute::Attribute;
use domain::field::{Field, Reading};
use domain::mapping::Source;

use crate::suggest::did_you_mean;
use crate::words::{AUTHORITIES, IDENTIFIERS, OPERATORS, ROLES, TARGETS};
use crate::yaml::section::Section;

/// Keys of mappings to other targets.
const LATER: [&str; 5] = [
    "filter",
    "excludeUnknown",
    "includeInactive",
    "staleAfterDays",
    "site",
];

/// Keys that choose or translate.
const CHOICES: [&str; 5] = ["role", "overrideByEmail", "includeDisabled", "fields", "criteria"];

/// Reads the document.
pub fn read(section: &mut Section<'_>) -> v1::Mapping {
    let target = target(section);
    if target == v1::MappingTarget::Groups {
        return inventory(section);
    }
    let mapping = v1::Mapping {
        name: section.required("name"),
        connection: section.required("connection"),
        target: target.into(),
        role: section.word("role", &ROLES).unwrap_or(v1::Role::User).into(),
        override_by_email: section.flag("overrideByEmail").unwrap_or_default(),
        include_disabled: section.flag("includeDisabled").unwrap_or_default(),
        fields: section.sections("fields", row),
        criteria: criteria(section),
        unique_identifier: section
            .word("uniqueIdentifier", &IDENTIFIERS)
            .unwrap_or(v1::UniqueIdentifier::Unspecified)
            .into(),
        entity: section.text("entity").unwrap_or_default(),
        collection: section.text("collection").unwrap_or_default(),
        organizational_unit: section.text("organizationalUnit").unwrap_or_default(),
        ..v1::Mapping::default()
    };
    section.not_available(&LATER);
    mapping
}

/// Groups are kept as they are, all of them: there is nothing to choose or to translate.
fn inventory(section: &mut Section<'_>) -> v1::Mapping {
    for key in CHOICES {
        if section.node(key).is_some() {
            section.problem_with(
                key,
                "can't go with target: groups, which keeps every group as it is; remove it",
            );
        }
    }
    section.not_available(&LATER);
    v1::Mapping {
        name: section.required("name"),
        connection: section.required("connection"),
        target: v1::MappingTarget::Groups.into(),
        ..v1::Mapping::default()
    }
}

/// Whom it takes in: filters, one of which is enough, of clauses that must all hold (F1).
fn criteria(section: &mut Section<'_>) -> Vec<v1::Filter> {
    section
        .lists_of_sections("criteria", clause)
        .into_iter()
        .map(|clauses| v1::Filter { clauses })
        .collect()
}

/// One question about a user. Whether the operator fits the attribute, and the value both, api says.
fn clause(section: &mut Section<'_>) -> v1::Clause {
    let operator = section.word("operator", &OPERATORS);
    let of_group = matches!(
        operator,
        Some(v1::Operator::MemberOf | v1::Operator::TransitiveMemberOf)
    );
    let attribute = if of_group {
        group(section);
        String::new()
    } else {
        section.required("attribute")
    };
    if !attribute.is_empty() && Attribute::of_name(&attribute).is_none() {
        let known = Attribute::ALL.map(Attribute::name);
        let advice = did_you_mean(&attribute, known);
        section.problem_with(
            "attribute",
            format_args!("Entra users have no attribute {attribute:?} here{advice}"),
        );
    }
    if section.node("operator").is_none() {
        let words = OPERATORS.map(|(word, _)| word).join(", ");
        section.problem_here(format_args!("\"operator\" is missing; it is one of {words}"));
    }
    v1::Clause {
        attribute,
        operator: operator.unwrap_or(v1::Operator::Unspecified).into(),
        values: section.scalars("value"),
    }
}

/// A clause about a group asks of no attribute. Its value is an object id; whether of a group, a run finds out.
fn group(section: &mut Section<'_>) {
    if section.node("attribute").is_some() {
        section.problem_with(
            "attribute",
            "can't go with memberOf or transitiveMemberOf, which ask of a group; remove it",
        );
    }
    if section.node("value").is_none() {
        section.problem_here("\"value\" is missing; give the object id of a group");
    }
}

fn target(section: &mut Section<'_>) -> v1::MappingTarget {
    if let Some(later) = section.node("target").and_then(|node| node.text())
        && later == "assets"
    {
        section.problem_with(
            "target",
            format_args!(
                "{later:?} is not available in this version; \"accounts\", \"people\" and \"groups\" are"
            ),
        );
        return v1::MappingTarget::Accounts;
    }
    section
        .word("target", &TARGETS)
        .unwrap_or(v1::MappingTarget::Accounts)
}

/// One row: register field ← attribute, constant, or attribute with a default for the empty (M1).
fn row(section: &mut Section<'_>) -> v1::MappingField {
    let row = v1::MappingField {
        field: field(section),
        attribute: attribute(section).unwrap_or_default(),
        constant: section.text("constant"),
        default: section.text("default"),
        authority: section
            .word("authority", &AUTHORITIES)
            .unwrap_or(v1::Authority::Always)
            .into(),
        clear: section.flag("clear"),
    };
    match (section.node("attribute"), section.node("constant")) {
        (None, None) => section.problem_here("give an attribute or a constant"),
        (Some(_), Some(_)) => section.problem_here("give an attribute or a constant, not both"),
        (None, Some(_)) if section.node("default").is_some() => {
            section.problem_with("default", "a default goes with an attribute, not with a constant");
        }
        _ => {}
    }
    row
}

/// The register's field, by its name in the API.
fn field(section: &mut Section<'_>) -> String {
    let name = section.required("field");
    // What custom fields there are, api knows.
    let custom = name.starts_with("custom.");
    if Field::is_kept_by_the_sync(&name) {
        let problem = "is kept by the sync itself and can't be mapped; remove the row";
        section.problem_with("field", problem);
    } else if !name.is_empty() && !custom && !Field::ALL.iter().any(|field| field.key() == name) {
        let advice = did_you_mean(&name, Field::ALL.iter().map(|field| field.key()));
        section.problem_with(
            "field",
            format_args!("the register has no field {name:?}{advice}"),
        );
    }
    name
}

/// The attribute, or a part of an address such as `userPrincipalName.local`.
fn attribute(section: &mut Section<'_>) -> Option<String> {
    let name = section.text("attribute")?;
    if name != Source::OBJECT_ID && Reading::of_name(&name).is_none() {
        let parts = Attribute::ALL
            .iter()
            .flat_map(|attribute| ["local", "domain"].map(|part| format!("{attribute}.{part}")))
            .filter(|part| Reading::of_name(part).is_some());
        let known: Vec<_> = Attribute::ALL
            .iter()
            .map(ToString::to_string)
            .chain(parts)
            .collect();
        let advice = did_you_mean(&name, known.iter().map(String::as_str));
        section.problem_with(
            "attribute",
            format_args!("Entra users have no attribute {name:?} here{advice}"),
        );
    }
    Some(name)
}
