mod credential;
mod mapping;
mod round_trip;

use std::env::VarError;

use contracts::v1;
use contracts::v1::document::Kind;

use super::*;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn environment(name: &str) -> Result<String, VarError> {
    match name {
        "CONTOSO_SECRET" => Ok("s3cr3t~value".to_owned()),
        "CONTOSO_SECRET_NEXT" => Ok("n3xt~value".to_owned()),
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
