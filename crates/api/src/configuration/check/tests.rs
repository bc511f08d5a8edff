use super::*;
use v1::document::Kind;

fn checked(documents: Vec<Kind>) -> (Wanted, Vec<Violation>, Vec<String>) {
    let documents: Vec<v1::Document> = documents
        .into_iter()
        .map(|kind| v1::Document { kind: Some(kind) })
        .collect();
    let (mut violations, mut warnings) = (Vec::new(), Vec::new());
    let wanted = check(
        &documents,
        &domain::custom_field::CustomFields::default(),
        &mut violations,
        &mut warnings,
    );
    (wanted, violations, warnings)
}

fn credential() -> v1::Credential {
    v1::Credential {
        name: "app".into(),
        tenant_id: "11111111-2222-3333-4444-555555555555".into(),
        client_id: "66666666-7777-8888-9999-000000000000".into(),
        client_secret: "s3cret~value".into(),
        ..Default::default()
    }
}

fn connection() -> v1::Connection {
    v1::Connection {
        name: "contoso".into(),
        tenant_id: "11111111-2222-3333-4444-555555555555".into(),
        credential: "app".into(),
        ..Default::default()
    }
}

fn mapping(fields: &[(&str, &str)]) -> v1::Mapping {
    v1::Mapping {
        name: "staff".into(),
        connection: "contoso".into(),
        fields: fields
            .iter()
            .map(|(field, attribute)| v1::MappingField {
                field: (*field).into(),
                attribute: (*attribute).into(),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

/// Paths and problems of a mapping's rows besides valid ones for name and login.
fn row_problems(row: v1::MappingField) -> Vec<(String, String)> {
    let mut document = mapping(&[("name", "displayName"), ("login", "userPrincipalName.local")]);
    document.fields.push(row);
    let (_, violations, _) = checked(vec![Kind::Mapping(document)]);
    violations
        .into_iter()
        .map(|violation| (violation.path, violation.problem))
        .collect()
}

#[test]
fn everything_wrong_is_told_at_once_with_its_path() {
    let bad = v1::Credential {
        tenant_id: "contoso".into(),
        client_id: String::new(),
        ..credential()
    };
    let (_, violations, _) = checked(vec![
        Kind::Credential(bad),
        Kind::Connection(v1::Connection {
            graph_url: "http://graph.example".into(),
            ..connection()
        }),
        Kind::Mapping(mapping(&[("name", "displayNam")])),
    ]);
    let paths: Vec<&str> = violations
        .iter()
        .map(|violation| violation.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "documents[0].credential.tenantId",
            "documents[0].credential.clientId",
            "documents[1].connection.graphUrl",
            "documents[1].connection.loginUrl",
            "documents[2].mapping.fields[0].attribute",
            "documents[2].mapping.fields",
        ]
    );
}

#[test]
fn c2_a_secret_that_looks_like_an_id_is_warned_of() {
    let pasted = "0b2c5d1e-1111-4222-8333-444455556666";
    let (_, violations, warnings) = checked(vec![Kind::Credential(v1::Credential {
        client_secret: pasted.into(),
        ..credential()
    })]);
    assert_eq!(violations, []);
    assert!(warnings[0].contains("secret's ID; paste its Value") && !warnings[0].contains(pasted));
}

#[test]
fn a_secret_shows_in_nothing_that_can_be_printed() {
    let (wanted, violations, _) = checked(vec![Kind::Credential(v1::Credential {
        client_secret: "two words".into(),
        ..credential()
    })]);
    assert_eq!(violations[0].path, "documents[0].credential.clientSecret");
    assert!(!format!("{wanted:?} {violations:?}").contains("two words"));
}

#[test]
fn d1_explicit_policies_win_over_the_shorthand() {
    let with = |mode: v1::DeletionMode, leavers| {
        let document = v1::Connection {
            deletion_mode: mode.into(),
            leavers,
            ..connection()
        };
        let (wanted, violations, _) = checked(vec![Kind::Connection(document)]);
        assert_eq!(violations, []);
        wanted.connections[0].1.leavers
    };
    assert_eq!(with(v1::DeletionMode::Unspecified, None), Policies::default());
    let automatic = with(v1::DeletionMode::Automatic, None);
    assert_eq!(
        (automatic.soft_deleted, automatic.gone),
        (Policy::Delete, Policy::Delete)
    );
    let written = v1::LeaverPolicies {
        gone: v1::LeaverAction::Nothing.into(),
        ..v1::LeaverPolicies::default()
    };
    let manual = with(v1::DeletionMode::Manual, Some(written));
    assert_eq!(
        (manual.soft_deleted, manual.gone),
        (Policy::Review, Policy::Nothing)
    );
    assert!(manual.manual_deletion);
    assert_eq!(manual.disabled, Policy::Deactivate);
}

#[test]
fn d3_the_policy_for_those_who_come_back_is_one_of_two() {
    let with = |returning: i32| {
        let document = v1::Connection {
            leavers: Some(v1::LeaverPolicies {
                returning,
                ..v1::LeaverPolicies::default()
            }),
            ..connection()
        };
        let (wanted, violations, _) = checked(vec![Kind::Connection(document)]);
        (wanted.connections[0].1.leavers.returning, violations)
    };
    assert_eq!(with(0), (Returning::Reactivate, vec![]));
    assert_eq!(with(1), (Returning::Reactivate, vec![]));
    assert_eq!(with(2), (Returning::Nothing, vec![]));
    let (_, violations) = with(9);
    assert_eq!(violations[0].path, "documents[0].connection.leavers.returning");
}

#[test]
fn c15_a_cloud_or_both_addresses() {
    let cloud = |document| {
        let (wanted, violations, _) = checked(vec![Kind::Connection(document)]);
        (wanted.connections[0].1.cloud.clone(), violations.len())
    };
    assert_eq!(cloud(connection()), ("global".to_owned(), 0));
    assert_eq!(
        cloud(v1::Connection {
            cloud: v1::Cloud::UsGovDod.into(),
            ..connection()
        })
        .0,
        "usGovDod"
    );
    let custom = v1::Connection {
        login_url: "http://127.0.0.1:1".into(),
        graph_url: "http://127.0.0.1:1/".into(),
        ..connection()
    };
    assert_eq!(cloud(custom.clone()), ("custom".to_owned(), 0));
    assert_eq!(
        cloud(v1::Connection {
            login_url: String::new(),
            ..custom
        })
        .1,
        1
    );
}

#[test]
fn b2_a_brake_has_a_range() {
    let brake = v1::Brake {
        percent: 101,
        count: 5,
        from: 4_000_000_000,
    };
    let (_, violations, _) = checked(vec![Kind::Connection(v1::Connection {
        brake: Some(brake),
        ..connection()
    })]);
    let paths: Vec<&str> = violations
        .iter()
        .map(|violation| violation.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "documents[0].connection.brake.percent",
            "documents[0].connection.brake.from"
        ]
    );
}

#[test]
fn m2_name_and_login_are_needed_once_fields_are_given() {
    assert_eq!(checked(vec![Kind::Mapping(mapping(&[]))]).1, []);
    let (_, violations, _) = checked(vec![Kind::Mapping(mapping(&[("email", "mail")]))]);
    assert_eq!(violations.len(), 2);
    assert!(violations[0].problem.contains("Name") && violations[1].problem.contains("Login name"));
}

#[test]
fn m2_reporting_to_takes_the_manager_only() {
    let row = |field: &str, attribute: &str| v1::MappingField {
        field: field.into(),
        attribute: attribute.into(),
        ..Default::default()
    };
    assert_eq!(row_problems(row("reportingTo", "manager")), []);
    assert!(
        row_problems(row("reportingTo", "mail"))[0]
            .1
            .contains("manager only")
    );
    assert!(
        row_problems(row("company", "manager"))[0]
            .1
            .contains("reportingTo")
    );
}

#[test]
fn m1_a_row_is_an_attribute_or_a_constant() {
    let row = v1::MappingField {
        field: "company".into(),
        ..Default::default()
    };
    let constant = || Some("Contoso".to_owned());
    assert_eq!(
        row_problems(v1::MappingField {
            constant: constant(),
            ..row.clone()
        }),
        []
    );
    for (bad, path) in [
        (row.clone(), "attribute"),
        (
            v1::MappingField {
                attribute: "mail".into(),
                constant: constant(),
                ..row.clone()
            },
            "constant",
        ),
        (
            v1::MappingField {
                default: constant(),
                constant: constant(),
                ..row.clone()
            },
            "default",
        ),
        (
            v1::MappingField {
                constant: Some(" ".into()),
                ..row.clone()
            },
            "constant",
        ),
        (
            v1::MappingField {
                field: "compny".into(),
                attribute: "mail".into(),
                ..row.clone()
            },
            "field",
        ),
        (
            v1::MappingField {
                field: "name".into(),
                attribute: "mail".into(),
                ..row.clone()
            },
            "field",
        ),
    ] {
        let problems = row_problems(bad);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].0, format!("documents[0].mapping.fields[2].{path}"));
    }
}

#[test]
fn b11_clear_follows_the_authority_unless_written() {
    let mut document = mapping(&[("name", "displayName"), ("login", "mail.local")]);
    document.fields[1].authority = v1::Authority::IfEmpty.into();
    let (wanted, violations, _) = checked(vec![Kind::Mapping(document)]);
    assert_eq!(violations, []);
    let rows = &wanted.mappings[0].1.rows;
    assert_eq!((rows[0].clear, rows[1].clear), (true, false));
}

#[test]
fn a_thing_is_written_once() {
    let (_, violations, _) = checked(vec![
        Kind::Connection(connection()),
        Kind::Connection(connection()),
    ]);
    assert!(violations[0].problem.contains("documents[0]"), "{violations:?}");
    assert_eq!(checked(vec![]).1[0].path, "documents");
}

#[test]
fn mail_addresses_can_end_no_header_line() {
    for (address, good) in [
        ("it@contoso.com", true),
        ("a.b+c@sub.contoso.com", true),
        ("it@contoso", false),
        ("it@contoso.com\r\nBcc: x@y.z", false),
        ("IT <it@contoso.com>", false),
        ("@contoso.com", false),
    ] {
        assert_eq!(is_mail_address(address), good, "{address:?}");
    }
}
