//! `kind: Mapping`.

use contracts::v1;
use contracts::v1::document::Kind;

use super::*;

#[test]
fn f1_criteria_are_read_as_they_are_written() {
    let documents = read(
        "kind: Mapping
name: m
connection: c
criteria:
  - [{ attribute: department, operator: equals, value: Legal }, { attribute: accountEnabled, operator: isTrue }]
  - - { attribute: employeeId, operator: greater, value: 42 }
    - attribute: city
      operator: in
      value: [Oslo, Bergen]
",
    )
    .unwrap();
    let Some(Kind::Mapping(mapping)) = &documents[0].document.kind else {
        panic!("{documents:?}");
    };
    let found: Vec<Vec<(&str, v1::Operator, &[String])>> = mapping
        .criteria
        .iter()
        .map(|filter| {
            let clauses = filter.clauses.iter();
            clauses
                .map(|clause| (clause.attribute.as_str(), clause.operator(), &clause.values[..]))
                .collect()
        })
        .collect();
    let values =
        |values: &[&str]| -> Vec<String> { values.iter().map(|value| (*value).to_owned()).collect() };
    assert_eq!(
        found,
        [
            [
                ("department", v1::Operator::Equals, &values(&["Legal"])[..]),
                ("accountEnabled", v1::Operator::IsTrue, &[]),
            ],
            [
                ("employeeId", v1::Operator::Greater, &values(&["42"])),
                ("city", v1::Operator::In, &values(&["Oslo", "Bergen"])),
            ],
        ]
    );
    let place = |path| documents[0].place_of(path).to_string();
    assert_eq!(place("mapping.criteria[0].clauses[1].operator"), "5:104");
    assert_eq!(place("mapping.criteria[1].clauses[0].values"), "6:58");
    assert_eq!(
        documents[0].inner_path("mapping.criteria[1].clauses[0].values"),
        "criteria[1][0].value"
    );
}

#[test]
fn b10_a_clause_about_a_group_has_no_attribute() {
    let id = "99999999-aaaa-bbbb-cccc-dddddddddddd";
    let documents = read(&format!(
        "kind: Mapping\nname: m\nconnection: c\ncriteria:\n  - - {{ operator: transitiveMemberOf, value: {id} }}\n"
    ))
    .unwrap();
    let Some(Kind::Mapping(mapping)) = &documents[0].document.kind else {
        panic!("{documents:?}");
    };
    let clause = &mapping.criteria[0].clauses[0];
    assert_eq!(
        (clause.attribute.as_str(), clause.operator(), &clause.values[..]),
        ("", v1::Operator::TransitiveMemberOf, &[id.to_owned()][..])
    );
    let problems = problems_of(
        "kind: Mapping
name: m
connection: c
criteria:
  - [{ attribute: department, operator: memberOf, value: x }, { operator: memberOf }]
",
    );
    assert_eq!(
        problems,
        [
            "contoso.yaml:5:19: mapping m: criteria[0][0].attribute: can't go with memberOf or transitiveMemberOf, which \
             ask of a group; remove it",
            "contoso.yaml:5:63: mapping m: criteria[0][1]: \"value\" is missing; give the object id of a group",
        ]
    );
}

#[test]
fn i7_a_mapping_of_groups_has_nothing_to_choose() {
    let documents = read("kind: Mapping\nname: m\nconnection: c\ntarget: groups\n").unwrap();
    let Some(Kind::Mapping(mapping)) = &documents[0].document.kind else {
        panic!("{documents:?}");
    };
    assert_eq!(mapping.target(), v1::MappingTarget::Groups);
    let problems = problems_of(
        "kind: Mapping\nname: m\nconnection: c\ntarget: groups\nrole: admin\nfields: []\nsite: x\n",
    );
    assert_eq!(
        problems,
        [
            "contoso.yaml:5:7: mapping m: role: can't go with target: groups, which keeps every group as it is; remove it",
            "contoso.yaml:6:9: mapping m: fields: can't go with target: groups, which keeps every group as it is; remove \
             it",
            "contoso.yaml:7:1: mapping m: \"site\" is not available in this version; remove it",
        ]
    );
}

#[test]
fn f1_criteria_that_are_none_say_where() {
    let problems = problems_of(
        "kind: Mapping
name: m
connection: c
criteria:
  - { attribute: department, operator: equals, value: Legal }
  - [{ attribute: departmant, operator: equal, value: }, { attribute: city }]
",
    );
    assert_eq!(
        problems,
        [
            "contoso.yaml:5:5: mapping m: criteria[0]: expected a list of maps, found a map; write it as - [ { … } ]",
            "contoso.yaml:6:19: mapping m: criteria[1][0].attribute: Entra users have no attribute \"departmant\" here; \
             did you mean \"department\"?",
            "contoso.yaml:6:41: mapping m: criteria[1][0].operator: \"equal\" is none of equals, notEquals, in, \
             startsWith, endsWith, contains, regex, isNull, isNotNull, isTrue, isFalse, greater, less, memberOf, transitiveMemberOf; did you mean \
             \"equals\"?",
            "contoso.yaml:6:53: mapping m: criteria[1][0].value: expected a text, a number, or a list of those, found \
             nothing",
            "contoso.yaml:6:58: mapping m: criteria[1][1]: \"operator\" is missing; it is one of equals, notEquals, in, \
             startsWith, endsWith, contains, regex, isNull, isNotNull, isTrue, isFalse, greater, less, memberOf, transitiveMemberOf",
        ]
    );
}
