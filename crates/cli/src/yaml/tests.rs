use std::env::VarError;

use contracts::v1;
use contracts::v1::document::Kind;
use proptest::prelude::*;

use super::*;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn environment(name: &str) -> Result<String, VarError> {
    match name {
        "CONTOSO_SECRET" => Ok("s3cr3t~value".to_owned()),
        "EMPTY" => Ok(String::new()),
        _ => Err(VarError::NotPresent),
    }
}

fn read(text: &str) -> Result<Vec<Placed>, Vec<String>> {
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    parse("contoso.yaml", text, &environment, &mut documents, &mut problems);
    refuse_twins(&documents, &mut problems);
    if problems.is_empty() {
        Ok(documents)
    } else {
        Err(problems.iter().map(ToString::to_string).collect())
    }
}

fn problems_of(text: &str) -> Vec<String> {
    read(text).expect_err("should be refused")
}

#[test]
fn the_design_s_example_reads() {
    let documents = read(&format!(
        "kind: Credential
name: contoso-app
tenantId: {TENANT}
clientId: 66666666-7777-8888-9999-000000000000
clientSecret: {{ fromEnv: CONTOSO_SECRET }}
---
kind: Connection
name: contoso
tenantId: {TENANT}
credential: contoso-app
cloud: usGovDod
deletionMode: manual
leavers: {{ disabled: deactivate, outOfScope: review, returning: nothing }}
brake: {{ percent: 5 }}
firstRun: apply
---
kind: Mapping
name: contoso-staff
connection: contoso
target: accounts
role: technician
overrideByEmail: true
fields:
  - {{ field: name,        attribute: displayName,              authority: onCreate, clear: false }}
  - {{ field: login,       attribute: userPrincipalName.local }}
  - {{ field: jobTitle,    attribute: jobTitle, default: \"unknown\" }}
  - {{ field: company,     constant: \"Contoso\" }}
---
kind: Settings
mailTo: [it@contoso.com]
mailOnCompletion: false
"
    ))
    .unwrap();
    let kinds: Vec<_> = documents
        .into_iter()
        .filter_map(|placed| placed.document.kind)
        .collect();
    let [
        Kind::Credential(credential),
        Kind::Connection(connection),
        Kind::Mapping(mapping),
        Kind::Settings(settings),
    ] = &kinds[..]
    else {
        panic!("four documents");
    };
    assert_eq!(credential.client_secret, "s3cr3t~value");
    assert_eq!(connection.cloud(), v1::Cloud::UsGovDod);
    assert_eq!(
        connection.brake,
        Some(v1::Brake {
            percent: 5,
            count: 50,
            from: 20
        })
    );
    assert_eq!(
        connection.leavers.as_ref().unwrap().out_of_scope(),
        v1::LeaverAction::Review
    );
    assert_eq!(
        connection.leavers.as_ref().unwrap().gone(),
        v1::LeaverAction::Unspecified
    );
    assert_eq!(
        connection.leavers.as_ref().unwrap().returning(),
        v1::ReturnAction::Nothing
    );
    assert_eq!(mapping.role(), v1::Role::Technician);
    assert_eq!(mapping.fields.len(), 4);
    assert_eq!(mapping.fields[0].authority(), v1::Authority::OnCreate);
    assert_eq!(mapping.fields[0].clear, Some(false));
    assert_eq!(mapping.fields[1].authority(), v1::Authority::Always);
    assert_eq!(mapping.fields[3].constant.as_deref(), Some("Contoso"));
    assert_eq!(settings.mail_to, ["it@contoso.com"]);
    assert_eq!(settings.mail_on_completion, Some(false));
}

#[test]
fn everything_wrong_is_told_at_once_with_its_place() {
    let problems = problems_of(
        "kind: Connection
name: contoso
tenantId: 11-22
credential: 12
cloud: usgov
brake: { percent: ten, cuont: 5 }
---
kind: Mapping
name: contoso-staff
connection: contoso
includeDisabled: yes
feilds: []
fields:
  - { field: jobTitel, attribute: jobTitle }
  - { field: name, attribute: displayname, constant: x }
  - { field: login, attribute: userPrincipalName.locl }
  - { field: email }
  - nonsense
site: Oslo
---
kind: RoleMapping
name: nightly
---
kind: Conection
name: x
---
name: y
",
    );
    let expected = [
        "contoso.yaml:3:11: connection contoso: tenantId: \"11-22\" is not a GUID; it looks like 11111111-2222-3333-4444-555555555555",
        "contoso.yaml:4:13: connection contoso: credential: expected text, found a number; put it in quotes",
        "contoso.yaml:5:8: connection contoso: cloud: \"usgov\" is none of global, usGov, usGovDod, china; did you mean \"usGov\"?",
        "contoso.yaml:6:19: connection contoso: brake.percent: expected a whole number from 0 up, found text",
        "contoso.yaml:6:24: connection contoso: brake: unknown key \"cuont\"; did you mean \"count\"?",
        "contoso.yaml:11:18: mapping contoso-staff: includeDisabled: expected true or false, found text",
        "contoso.yaml:12:1: mapping contoso-staff: unknown key \"feilds\"; did you mean \"fields\"?",
        "contoso.yaml:14:14: mapping contoso-staff: fields[0].field: the register has no field \"jobTitel\"; did you mean \"jobTitle\"?",
        "contoso.yaml:15:5: mapping contoso-staff: fields[1]: give an attribute or a constant, not both",
        "contoso.yaml:16:32: mapping contoso-staff: fields[2].attribute: Entra users have no attribute \"userPrincipalName.locl\" here; did you mean \"userPrincipalName.local\"?",
        "contoso.yaml:17:5: mapping contoso-staff: fields[3]: give an attribute or a constant",
        "contoso.yaml:18:5: mapping contoso-staff: fields[4]: expected a map of keys, found text",
        "contoso.yaml:19:1: mapping contoso-staff: \"site\" is not available in this version; remove it",
        "contoso.yaml:21:7: rolemapping nightly: kind: \"RoleMapping\" is not available in this version",
        "contoso.yaml:24:7: conection x: kind: \"Conection\" is none of Credential, Connection, CustomField, Mapping, Schedule, Settings; did you mean \"Connection\"?",
        "contoso.yaml:27:1: y: \"kind\" is missing",
    ];
    let wrong = problems
        .iter()
        .filter(|problem| !expected.contains(&problem.as_str()))
        .collect::<Vec<_>>();
    assert!(wrong.is_empty(), "unexpected: {wrong:#?}");
    let absent = expected
        .iter()
        .filter(|line| !problems.iter().any(|p| p == *line))
        .collect::<Vec<_>>();
    assert!(absent.is_empty(), "missing: {absent:#?}");
}

#[test]
fn a_secret_in_the_file_is_refused_without_repeating_it() {
    let credential = |secret: &str| {
        format!("kind: Credential\nname: a\ntenantId: {TENANT}\nclientId: {TENANT}\nclientSecret: {secret}\n")
    };
    let only = |secret: &str| {
        let problems = problems_of(&credential(secret));
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].clone()
    };
    let refused = only("hunter2~abc");
    assert!(refused.starts_with("contoso.yaml:5:15: credential a: clientSecret: a secret does not belong"));
    assert!(
        refused.contains("{ fromEnv: NAME }") && !refused.contains("hunter2"),
        "{refused}"
    );
    assert!(only("{ fromEnv: NOT_SET }").contains("environment variable NOT_SET is not set"));
    assert!(only("{ fromEnv: EMPTY }").contains("EMPTY is empty"));
    assert!(
        only("{ fromFile: /nonexistent/secret }").contains("can't read the secret from /nonexistent/secret")
    );
    assert!(
        problems_of(&credential("{ fromEvn: X }"))
            .iter()
            .any(|problem| problem.contains("did you mean \"fromEnv\""))
    );
    assert!(only("{ fromEnv: X, fromFile: y }").contains("not both"));
    assert!(only("~").contains("found nothing"));
    assert!(read(&credential("{ fromEnv: CONTOSO_SECRET }")).is_ok());
}

#[test]
fn a_secret_file_loses_only_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let credential = format!(
        "kind: Credential\nname: a\ntenantId: {TENANT}\nclientId: {TENANT}\nclientSecret: {{ fromFile: {:?} }}\n",
        path.to_str().unwrap()
    );
    std::fs::write(&path, " a b \r\n").unwrap();
    let documents = read(&credential).unwrap();
    let Some(Kind::Credential(read_back)) = &documents[0].document.kind else {
        panic!()
    };
    assert_eq!(read_back.client_secret, " a b ");
    std::fs::write(&path, "two\nlines\n").unwrap();
    assert!(problems_of(&credential)[0].contains("line ends"));
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(problems_of(&credential)[0].contains("not UTF-8"));
    std::fs::write(&path, "x".repeat(5000)).unwrap();
    assert!(problems_of(&credential)[0].contains("longer than 4096 bytes"));
}

#[test]
fn the_same_document_twice_is_refused() {
    let problems = problems_of("kind: Settings\n---\nkind: Settings\nmailTo: []\n");
    assert_eq!(
        problems,
        ["contoso.yaml:3:1: settings: is there twice, first at contoso.yaml:1:1"]
    );
}

#[test]
fn files_are_limited_in_size_and_must_be_utf8() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.yaml");
    let file = path.to_str().unwrap().to_owned();
    std::fs::write(&path, "# ".repeat(600_000)).unwrap();
    let problems = load(std::slice::from_ref(&file), &environment).unwrap_err();
    assert!(problems[0].message.contains("larger than 1 MiB"));
    std::fs::write(&path, b"kind: Settings\nname: \xe9\n").unwrap();
    let problems = load(std::slice::from_ref(&file), &environment).unwrap_err();
    assert_eq!(problems[0].message, "it is not UTF-8 (line 2); save it as UTF-8");
    let problems = load(&["/nonexistent.yaml".to_owned()], &environment).unwrap_err();
    assert!(problems[0].message.starts_with("can't read it"));
}

#[test]
fn a_violation_s_path_finds_its_place() {
    let documents = read(
        "kind: Mapping\nname: m\nconnection: c\nfields:\n  - { field: name, attribute: mail }\n  - { field: login, attribute: mail }\n",
    )
    .unwrap();
    let place = |path| documents[0].place_of(path).to_string();
    assert_eq!(place("mapping.fields[1].attribute"), "6:32");
    assert_eq!(place("mapping.fields[1].default"), "6:5");
    assert_eq!(place("mapping.override_by_email"), "1:1");
    assert_eq!(place("mapping.connection"), "3:13");
    assert_eq!(place("mapping"), "1:1");
}

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

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{1,12}",
        "\\PC{1,8}",
        prop::sample::select(vec![
            "true", "null", "~", "12", "0x1F", "1e3", "yes", "- a", "a: b", "#x", "'", "é", "<<"
        ])
        .prop_map(str::to_owned),
    ]
    .prop_filter("a name has more than blanks", |text| !text.trim().is_empty())
}

fn any_criteria() -> impl Strategy<Value = Vec<v1::Filter>> {
    let clause = (prop::collection::vec(any_text(), 0..3), 1..16i32).prop_map(|(mut values, operator)| {
        let of_group = operator > v1::Operator::Less.into();
        if of_group {
            values = vec![TENANT.to_owned()];
        }
        v1::Clause {
            attribute: if of_group {
                String::new()
            } else {
                "department".to_owned()
            },
            operator,
            values,
        }
    });
    let filter = prop::collection::vec(clause, 1..3).prop_map(|clauses| v1::Filter { clauses });
    prop::collection::vec(filter, 0..3)
}

fn any_people() -> impl Strategy<Value = Kind> {
    (any_text(), any_text(), any_text(), 1..4i32, any_criteria()).prop_map(
        |(name, entity, collection, identifier, criteria)| {
            Kind::Mapping(v1::Mapping {
                name,
                connection: entity.clone(),
                target: v1::MappingTarget::People.into(),
                role: v1::Role::User.into(),
                unique_identifier: identifier,
                entity,
                collection,
                criteria,
                ..v1::Mapping::default()
            })
        },
    )
}

fn any_schedule() -> impl Strategy<Value = Kind> {
    use v1::schedule::Frequency;
    let frequency = prop_oneof![
        Just(Frequency::Daily(v1::Daily {})),
        Just(Frequency::Once(v1::Once {})),
        any::<u32>().prop_map(Frequency::Hours),
        any::<u32>().prop_map(Frequency::Monthly),
        any_text().prop_map(Frequency::Cron),
        prop::collection::vec(1..8i32, 1..8).prop_map(|days| Frequency::Weekly(v1::Weekly { days })),
    ];
    let toggles = any::<[Option<bool>; 3]>();
    (any_text(), any_text(), frequency, toggles, any::<Option<u32>>()).prop_map(
        |(name, text, frequency, [on, delta, deprovision], hours)| {
            Kind::Schedule(v1::Schedule {
                name,
                connection: text.clone(),
                on,
                frequency: Some(frequency),
                start: text.clone(),
                time_zone: text.clone(),
                delta: (delta.is_some() || hours.is_some()).then_some(v1::ScheduleDelta { on: delta, hours }),
                deprovision: Some(v1::ScheduleDeprovision {
                    on: deprovision,
                    at: text,
                }),
                ..v1::Schedule::default()
            })
        },
    )
}

fn any_documents() -> impl Strategy<Value = Vec<v1::Document>> {
    let mapping = (
        any_text(),
        any_text(),
        any_text(),
        any::<bool>(),
        1..5i32,
        any_criteria(),
    )
        .prop_map(|(name, connection, constant, flag, authority, criteria)| {
            Kind::Mapping(v1::Mapping {
                name,
                connection,
                target: v1::MappingTarget::Accounts.into(),
                role: v1::Role::Admin.into(),
                override_by_email: flag,
                criteria,
                fields: vec![
                    v1::MappingField {
                        field: "company".to_owned(),
                        constant: Some(constant.clone()),
                        authority,
                        ..Default::default()
                    },
                    v1::MappingField {
                        field: "name".to_owned(),
                        attribute: "displayName".to_owned(),
                        default: Some(constant),
                        authority: 1,
                        clear: Some(flag),
                        ..Default::default()
                    },
                ],
                ..v1::Mapping::default()
            })
        });
    let connection =
        (any_text(), any_text(), 0..4i32, 0..200u32).prop_map(|(name, credential, word, number)| {
            Kind::Connection(v1::Connection {
                name,
                tenant_id: TENANT.to_owned(),
                credential,
                cloud: word,
                deletion_mode: word % 3,
                leavers: Some(v1::LeaverPolicies {
                    disabled: word,
                    gone: word,
                    soft_deleted: 1,
                    out_of_scope: 4,
                    returning: word % 3,
                }),
                brake: Some(v1::Brake {
                    percent: number,
                    count: number,
                    from: 0,
                }),
                first_run: word % 3,
                ..v1::Connection::default()
            })
        });
    let passwords = (1..4_i32, any::<[Option<bool>; 4]>(), any::<Option<u32>>()).prop_map(
        |(mode, [must_change, mail, lower, not_login], length)| v1::PasswordSettings {
            mode,
            must_change,
            mail,
            policy: (lower.is_some() || length.is_some()).then_some(v1::PasswordPolicy {
                length,
                lower,
                not_login,
                ..v1::PasswordPolicy::default()
            }),
            ..v1::PasswordSettings::default()
        },
    );
    let settings = (
        prop::collection::vec(any_text(), 0..3),
        any::<Option<bool>>(),
        prop::option::of(passwords),
    )
        .prop_map(|(mail_to, flag, passwords)| {
            Kind::Settings(v1::Settings {
                name: String::new(),
                mail_to,
                mail_on_completion: flag,
                passwords,
            })
        });
    let custom = ("[a-z]{1,9}", 1..5i32)
        .prop_map(|(name, r#type)| Kind::CustomField(v1::CustomField { name, r#type }));
    (
        mapping,
        any_people(),
        custom,
        connection,
        any_schedule(),
        settings,
    )
        .prop_filter("each once", |(one, other, ..)| match (one, other) {
            (Kind::Mapping(one), Kind::Mapping(other)) => one.name != other.name,
            _ => true,
        })
        .prop_map(|(a, b, c, d, e, f)| {
            [a, b, c, d, e, f]
                .map(|kind| v1::Document { kind: Some(kind) })
                .to_vec()
        })
}

proptest! {
    #[test]
    fn what_is_exported_applies_again(documents in any_documents()) {
        let yaml = export::to_yaml(&documents).unwrap();
        let again: Vec<_> = read(&yaml).map_err(|problems| TestCaseError::fail(format!("{problems:?}\n{yaml}")))?
            .into_iter().map(|placed| placed.document).collect();
        prop_assert_eq!(again, documents, "{}", yaml);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = read(&text);
    }
}

#[test]
fn an_exported_credential_names_the_variable_to_set() {
    let credential = v1::Credential {
        name: "contoso-app".to_owned(),
        tenant_id: TENANT.to_owned(),
        client_id: TENANT.to_owned(),
        has_secret: true,
        ..v1::Credential::default()
    };
    let yaml = export::to_yaml(&[v1::Document {
        kind: Some(Kind::Credential(credential)),
    }])
    .unwrap();
    assert!(
        yaml.starts_with("# Secrets are not exported: set CONTOSO_APP_SECRET before"),
        "{yaml}"
    );
    assert!(problems_of(&yaml)[0].contains("environment variable CONTOSO_APP_SECRET is not set"));
}
