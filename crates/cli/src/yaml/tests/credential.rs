//! `kind: Credential`, and secrets.

use contracts::v1;
use contracts::v1::document::Kind;

use super::*;

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

#[test]
fn an_exported_credential_with_two_secrets_comes_back_with_both() {
    let stored = v1::Credential {
        name: "contoso".to_owned(),
        tenant_id: TENANT.to_owned(),
        client_id: TENANT.to_owned(),
        expires: "2027-01-31".to_owned(),
        next_expires: "2028-01-31".to_owned(),
        has_secret: true,
        has_next_secret: true,
        ..v1::Credential::default()
    };
    let yaml = export::to_yaml(&[v1::Document {
        kind: Some(Kind::Credential(stored.clone())),
    }])
    .unwrap();
    assert!(
        yaml.starts_with("# Secrets are not exported: set CONTOSO_SECRET and CONTOSO_SECRET_NEXT before"),
        "{yaml}"
    );
    let documents = read(&yaml).unwrap();
    let again = v1::Credential {
        client_secret: "s3cr3t~value".to_owned(),
        next_client_secret: "n3xt~value".to_owned(),
        has_secret: false,
        has_next_secret: false,
        ..stored
    };
    assert_eq!(documents[0].document.kind, Some(Kind::Credential(again)));
}
