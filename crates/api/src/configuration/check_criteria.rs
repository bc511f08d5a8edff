//! Checking a mapping's criteria, clause by clause (F1).

use contracts::v1;
use domain::attribute::Attribute;
use domain::criteria::{
    AttributeClause, Clause, Criteria, Filter, MOST_CLAUSES, MOST_FILTERS, MembershipClause, Misfit,
    Operator, Part,
};

use super::check::Problems;
use crate::suggest::did_you_mean;

/// Checks criteria by themselves. Without any, everyone is taken in.
pub fn check(written: &[v1::Filter], problems: &mut Problems<'_>) -> Criteria {
    if written.len() > MOST_FILTERS {
        problems.add(
            "criteria",
            format!(
                "has {} filters; at most {MOST_FILTERS} are weighed: use in, or a regular expression",
                written.len()
            ),
        );
        return Criteria::default();
    }
    let filters = written
        .iter()
        .enumerate()
        .map(|(index, written)| filter(written, &format!("criteria[{index}]"), problems));
    Criteria {
        filters: filters.collect(),
    }
}

fn filter(written: &v1::Filter, path: &str, problems: &mut Problems<'_>) -> Filter {
    let count = written.clauses.len();
    if count == 0 {
        problems.add(
            path,
            "has no clauses, and would take everyone in; add one, or leave criteria out",
        );
    }
    if count > MOST_CLAUSES {
        problems.add(
            path,
            format!(
                "has {count} clauses; at most {MOST_CLAUSES} are weighed: use in, or a regular expression"
            ),
        );
        return Filter::default();
    }
    let clauses = written
        .clauses
        .iter()
        .enumerate()
        .filter_map(|(index, written)| clause(written, &format!("{path}.clauses[{index}]"), problems));
    Filter {
        clauses: clauses.collect(),
    }
}

fn clause(written: &v1::Clause, path: &str, problems: &mut Problems<'_>) -> Option<Clause> {
    let operator = match written.operator() {
        v1::Operator::MemberOf => return membership(false, written, path, problems),
        v1::Operator::TransitiveMemberOf => return membership(true, written, path, problems),
        other => operator(other),
    };
    let attribute = attribute(&written.attribute, path, problems);
    if operator.is_none() {
        let known: Vec<&str> = Operator::ALL
            .iter()
            .map(|operator| operator.key())
            .chain([
                MembershipClause::MEMBER_OF,
                MembershipClause::TRANSITIVE_MEMBER_OF,
            ])
            .collect();
        problems.add(
            &format!("{path}.operator"),
            format!("is none of {}", known.join(", ")),
        );
    }
    match AttributeClause::new(attribute?, operator?, written.values.clone()) {
        Ok(clause) => Some(Clause::Attribute(clause)),
        Err(misfit) => refuse(misfit, path, problems),
    }
}

/// Of a group nothing but who belongs to it can be asked.
fn membership(
    transitive: bool,
    written: &v1::Clause,
    path: &str,
    problems: &mut Problems<'_>,
) -> Option<Clause> {
    let with_attribute = !written.attribute.is_empty();
    if with_attribute {
        problems.add(
            &format!("{path}.attribute"),
            "can't go with memberOf or transitiveMemberOf, which ask of a group; remove it",
        );
    }
    match MembershipClause::new(transitive, &written.values) {
        Ok(clause) => (!with_attribute).then_some(Clause::Membership(clause)),
        Err(misfit) => refuse(misfit, path, problems),
    }
}

fn refuse(misfit: Misfit, path: &str, problems: &mut Problems<'_>) -> Option<Clause> {
    let part = match misfit.part {
        Part::Operator => "operator",
        Part::Value => "values",
    };
    problems.add(&format!("{path}.{part}"), misfit.problem);
    None
}

fn attribute(name: &str, path: &str, problems: &mut Problems<'_>) -> Option<Attribute> {
    let found = Attribute::of_name(name);
    if found.is_none() {
        let known = Attribute::ALL.iter().map(|attribute| attribute.name());
        let problem = match name {
            "" => "is missing; name what the clause asks, such as department".to_owned(),
            name => format!(
                "\"{name}\" is no attribute that is read{}",
                did_you_mean(name, known)
            ),
        };
        problems.add(&format!("{path}.attribute"), problem);
    }
    found
}

const fn operator(written: v1::Operator) -> Option<Operator> {
    Some(match written {
        v1::Operator::Unspecified | v1::Operator::MemberOf | v1::Operator::TransitiveMemberOf => {
            return None;
        }
        v1::Operator::Equals => Operator::Equals,
        v1::Operator::NotEquals => Operator::NotEquals,
        v1::Operator::In => Operator::In,
        v1::Operator::StartsWith => Operator::StartsWith,
        v1::Operator::EndsWith => Operator::EndsWith,
        v1::Operator::Contains => Operator::Contains,
        v1::Operator::Regex => Operator::Regex,
        v1::Operator::IsNull => Operator::IsNull,
        v1::Operator::IsNotNull => Operator::IsNotNull,
        v1::Operator::IsTrue => Operator::IsTrue,
        v1::Operator::IsFalse => Operator::IsFalse,
        v1::Operator::Greater => Operator::Greater,
        v1::Operator::Less => Operator::Less,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Violation;

    fn clause(attribute: &str, operator: v1::Operator, values: &[&str]) -> v1::Clause {
        v1::Clause {
            attribute: attribute.to_owned(),
            operator: operator.into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        }
    }

    fn checked(filters: &[Vec<v1::Clause>]) -> (Criteria, Vec<Violation>) {
        let written: Vec<v1::Filter> = filters
            .iter()
            .map(|clauses| v1::Filter {
                clauses: clauses.clone(),
            })
            .collect();
        let mut all = Vec::new();
        let criteria = check(&written, &mut Problems::at("mapping", &mut all));
        (criteria, all)
    }

    #[test]
    fn f1_what_is_right_is_taken_over() {
        let (criteria, problems) = checked(&[
            vec![
                clause("Department", v1::Operator::In, &["Legal", "Sales"]),
                clause("accountEnabled", v1::Operator::IsTrue, &[]),
            ],
            vec![clause("employeeHireDate", v1::Operator::Less, &["2020-01-01"])],
        ]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(
            criteria.to_string(),
            "(department is one of \"Legal\", \"Sales\" and accountEnabled is true) or (employeeHireDate is less than \
             \"2020-01-01\")"
        );
    }

    #[test]
    fn b10_a_group_is_asked_for_by_its_object_id() {
        let id = "01234567-89ab-cdef-0123-456789abcdef";
        let (criteria, problems) = checked(&[vec![
            clause("", v1::Operator::TransitiveMemberOf, &[id]),
            clause("city", v1::Operator::Equals, &["Oslo"]),
        ]]);
        assert!(problems.is_empty(), "{problems:?}");
        let told = format!("(transitive member of {id} and city equals \"Oslo\")");
        assert_eq!(criteria.to_string(), told);
        let (_, problems) = checked(&[vec![
            clause("department", v1::Operator::MemberOf, &[id]),
            clause("", v1::Operator::MemberOf, &[]),
            clause("", v1::Operator::TransitiveMemberOf, &["Sales"]),
        ]]);
        let told: Vec<(&str, &str)> = problems
            .iter()
            .map(|violation| (violation.path.as_str(), violation.problem.as_str()))
            .collect();
        for ((path, problem), (expected, part)) in told.iter().zip([
            ("mapping.criteria[0].clauses[0].attribute", "remove it"),
            (
                "mapping.criteria[0].clauses[1].values",
                "needs the object id of a group",
            ),
            (
                "mapping.criteria[0].clauses[2].values",
                "\"Sales\" is no object id",
            ),
        ]) {
            assert!(*path == expected && problem.contains(part), "{path}: {problem}");
        }
        assert_eq!(told.len(), 3, "{told:?}");
    }

    #[test]
    fn f1_every_mistake_names_its_clause_and_the_next_step() {
        let (_, problems) = checked(&[
            vec![
                clause("departmant", v1::Operator::Equals, &["Legal"]),
                clause("city", v1::Operator::Unspecified, &["Oslo"]),
                clause("accountEnabled", v1::Operator::StartsWith, &["t"]),
                clause("city", v1::Operator::Regex, &["(a"]),
            ],
            vec![],
        ]);
        let found: Vec<(&str, bool)> = problems
            .iter()
            .zip([
                "did you mean \"department\"",
                "is none of equals, notEquals",
                "use one of equals",
                "unclosed group",
                "add one, or leave criteria out",
            ])
            .map(|(violation, expected)| (violation.path.as_str(), violation.problem.contains(expected)))
            .collect();
        assert_eq!(
            found,
            [
                ("mapping.criteria[0].clauses[0].attribute", true),
                ("mapping.criteria[0].clauses[1].operator", true),
                ("mapping.criteria[0].clauses[2].operator", true),
                ("mapping.criteria[0].clauses[3].values", true),
                ("mapping.criteria[1]", true),
            ],
            "{problems:?}"
        );
    }
}
