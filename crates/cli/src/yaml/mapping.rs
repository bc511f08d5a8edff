//! `kind: Mapping`.

use contracts::v1;
use domain::attribute::Attribute;
use domain::field::{Field, Reading};

use crate::suggest::did_you_mean;
use crate::words::{AUTHORITIES, OPERATORS, ROLES};
use crate::yaml::section::Section;

/// Keys of mappings to other targets.
const LATER: [&str; 9] = [
    "filter",
    "excludeUnknown",
    "includeInactive",
    "staleAfterDays",
    "site",
    "uniqueIdentifier",
    "entity",
    "collection",
    "organizationalUnit",
];

/// Reads the document.
pub fn read(section: &mut Section<'_>) -> v1::Mapping {
    let mapping = v1::Mapping {
        name: section.required("name"),
        connection: section.required("connection"),
        target: target(section).into(),
        role: section.word("role", &ROLES).unwrap_or(v1::Role::User).into(),
        override_by_email: section.flag("overrideByEmail").unwrap_or_default(),
        include_disabled: section.flag("includeDisabled").unwrap_or_default(),
        fields: section.sections("fields", row),
        criteria: criteria(section),
        ..v1::Mapping::default()
    };
    section.not_available(&LATER);
    mapping
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
    let attribute = section.required("attribute");
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
        operator: section
            .word("operator", &OPERATORS)
            .unwrap_or(v1::Operator::Unspecified)
            .into(),
        values: section.scalars("value"),
    }
}

fn target(section: &mut Section<'_>) -> v1::MappingTarget {
    if let Some(later) = section.node("target").and_then(|node| node.text())
        && ["people", "assets", "groups"].contains(&later)
    {
        section.problem_with(
            "target",
            format_args!("{later:?} is not available in this version; only \"accounts\" is"),
        );
    } else {
        section.word("target", &[("accounts", v1::MappingTarget::Accounts)]);
    }
    v1::MappingTarget::Accounts
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
    if Field::is_kept_by_the_sync(&name) {
        let problem = "is kept by the sync itself and can't be mapped; remove the row";
        section.problem_with("field", problem);
    } else if !name.is_empty() && !Field::ALL.iter().any(|field| field.key() == name) {
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
    if Reading::of_name(&name).is_none() {
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
