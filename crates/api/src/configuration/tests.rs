//! Configuration as code against a real database.

use contracts::v1;
use contracts::v1::document::Kind;

use super::{apply, disconnect, export};
use crate::fault::Fault;
use crate::testing::{SECRET, World, documents, hex, world};

fn actions(answer: &v1::ApplyConfigurationResponse) -> Vec<&str> {
    answer
        .changes
        .iter()
        .map(|change| change.action.as_str())
        .collect()
}

/// The documents with the mapping changed.
fn changed(change: impl FnOnce(&mut v1::Mapping)) -> Vec<v1::Document> {
    let mut documents = documents();
    let Some(Kind::Mapping(mapping)) = &mut documents[2].kind else {
        panic!("the third is the mapping")
    };
    change(mapping);
    documents
}

async fn why_full(world: &World) -> String {
    world
        .database
        .sql("SELECT rules_changed_why FROM connection")
        .await
        .unwrap()
        .trim()
        .to_owned()
}

#[tokio::test]
async fn b15_applying_twice_changes_nothing() {
    let world = world().await;
    assert_eq!(
        actions(&world.apply(documents()).await.unwrap()),
        ["created", "created", "created"]
    );
    let before = world
        .database
        .sql("SELECT updated_at, rules_changed_at FROM connection")
        .await
        .unwrap();
    assert_eq!(
        actions(&world.apply(documents()).await.unwrap()),
        ["unchanged", "unchanged", "unchanged"]
    );
    let after = world
        .database
        .sql("SELECT updated_at, rules_changed_at FROM connection")
        .await
        .unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_dry_run_tells_the_difference_and_leaves_everything() {
    let world = world().await;
    let request = v1::ApplyConfigurationRequest {
        documents: documents(),
        dry_run: true,
        ..Default::default()
    };
    let answer = apply::apply(&world.app, &world.admin, &request).await.unwrap();
    assert_eq!(actions(&answer), ["created", "created", "created"]);
    assert_eq!(
        world
            .database
            .sql("SELECT count(*) FROM credential")
            .await
            .unwrap()
            .trim(),
        "0"
    );
    assert_eq!(
        world
            .database
            .sql("SELECT count(*) FROM audit")
            .await
            .unwrap()
            .trim(),
        "0"
    );
}

#[tokio::test]
async fn what_is_exported_applies_again_without_a_change() {
    let world = world().await;
    world.apply(documents()).await.unwrap();
    let exported = export::export(&world.app, &world.viewer).await.unwrap();
    assert_eq!(exported.documents.len(), 4);
    let answer = world.apply(exported.documents).await.unwrap();
    assert!(
        answer.changes.iter().all(|change| change.action == "unchanged"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn c12_a_secret_is_stored_sealed_and_shown_nowhere() {
    let world = world().await;
    let answer = world.apply(documents()).await.unwrap();
    let exported = export::export(&world.app, &world.admin).await.unwrap();
    assert!(!format!("{answer:?} {exported:?}").contains(SECRET));
    for table in ["credential", "audit", "idempotency", "connection"] {
        let rows = world
            .database
            .sql(&format!("SELECT t::text FROM {table} t"))
            .await
            .unwrap();
        let hex = hex(SECRET);
        assert!(!rows.contains(SECRET) && !rows.contains(&hex), "{table}: {rows}");
    }
    assert_eq!(
        world
            .database
            .sql("SELECT secret_key_id FROM credential")
            .await
            .unwrap()
            .trim(),
        "k1"
    );
}

#[tokio::test]
async fn c14_every_change_is_audited_with_who_and_what() {
    let world = world().await;
    world.apply(documents()).await.unwrap();
    world
        .apply(changed(|mapping| mapping.override_by_email = true))
        .await
        .unwrap();
    let audit = "SELECT actor, action, subject, before->>'overrideByEmail', after->>'overrideByEmail' FROM audit \
                 WHERE action LIKE 'mapping%' ORDER BY id";
    assert_eq!(
        world.database.sql(audit).await.unwrap().trim(),
        "token ann|mapping.create|staff||false\ntoken ann|mapping.update|staff|false|true"
    );
}

#[tokio::test]
async fn f4_a_changed_mapping_makes_the_next_delta_full_and_says_why() {
    let world = world().await;
    world.apply(documents()).await.unwrap();
    assert_eq!(why_full(&world).await, "mapping staff was added");
    world
        .apply(changed(|mapping| mapping.fields[2].default = None))
        .await
        .unwrap();
    assert_eq!(why_full(&world).await, "mapping staff changed: field jobTitle");
    world
        .apply(changed(|mapping| drop(mapping.fields.pop())))
        .await
        .unwrap();
    assert_eq!(why_full(&world).await, "mapping staff changed: field jobTitle");
}

#[tokio::test]
async fn one_bad_document_stops_all_of_them_and_every_problem_is_told() {
    let world = world().await;
    let mut bad = documents();
    let Some(Kind::Connection(connection)) = &mut bad[1].kind else {
        panic!("the second is the connection")
    };
    connection.credential = "ap".into();
    connection.tenant_id = "contoso".into();
    let Err(Fault::Invalid(violations)) = world.apply(bad).await else {
        panic!("it was applied")
    };
    let paths: Vec<&str> = violations
        .iter()
        .map(|violation| violation.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "documents[1].connection.tenantId",
            "documents[1].connection.credential"
        ]
    );
    assert_eq!(
        world
            .database
            .sql("SELECT count(*) FROM credential")
            .await
            .unwrap()
            .trim(),
        "0"
    );
}

#[tokio::test]
async fn a_credential_needs_a_secret_once() {
    let world = world().await;
    let without = || {
        let mut documents = documents();
        let Some(Kind::Credential(credential)) = &mut documents[0].kind else {
            panic!("the first")
        };
        credential.client_secret = String::new();
        documents
    };
    let Err(Fault::Invalid(violations)) = world.apply(without()).await else {
        panic!("it was applied")
    };
    assert_eq!(violations[0].path, "documents[0].credential.clientSecret");
    world.apply(documents()).await.unwrap();
    assert_eq!(
        actions(&world.apply(without()).await.unwrap()),
        ["unchanged", "unchanged", "unchanged"]
    );
}

#[tokio::test]
async fn c9_disconnecting_wipes_the_secret_and_stops_the_runs() {
    let world = world().await;
    let id = world.connected().await;
    let start = v1::StartRunRequest {
        connection: "contoso".into(),
        kind: v1::RunKind::Full.into(),
        ..Default::default()
    };
    let run = crate::runs::start::start(&world.app, &world.admin, start.clone())
        .await
        .unwrap();
    let request = v1::DisconnectConnectionRequest {
        connection: id,
        ..Default::default()
    };
    let answer = disconnect::disconnect(&world.app, &world.admin, request.clone())
        .await
        .unwrap();
    assert_eq!(answer.state(), v1::ConnectionState::Disconnected);
    assert_eq!(
        world
            .database
            .sql("SELECT secret_ciphertext IS NULL FROM credential")
            .await
            .unwrap()
            .trim(),
        "t"
    );
    let cancelled = crate::lookup::run(&world.app, &world.viewer, &run.id)
        .await
        .unwrap();
    assert_eq!(cancelled.state, store::run_view::State::Cancelled);
    let refused = crate::runs::start::start(&world.app, &world.admin, start)
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            Fault::Precondition {
                reason: "DISCONNECTED",
                ..
            }
        ),
        "{refused}"
    );
    // Again is harmless, and applying the documents connects it again.
    disconnect::disconnect(&world.app, &world.admin, request)
        .await
        .unwrap();
    let answer = world.apply(documents()).await.unwrap();
    assert_eq!(actions(&answer), ["updated", "updated", "unchanged"]);
}

#[tokio::test]
async fn a_tenant_with_linked_accounts_can_not_be_exchanged() {
    let world = world().await;
    let id = world.connected().await;
    let other = "99999999-2222-3333-4444-555555555555";
    let moved = || {
        let mut documents = documents();
        let Some(Kind::Connection(connection)) = &mut documents[1].kind else {
            panic!("the second")
        };
        connection.tenant_id = other.into();
        documents
    };
    let link = format!(
        "INSERT INTO link (connection_id, object_id, target, organization_id, account_id, hash, status, skip) VALUES \
         ('{id}', '{other}', 1, '{}', '{other}', 1, 1, 0)",
        store::organization::DEFAULT
    );
    world.database.sql(&link).await.unwrap();
    let Err(Fault::Invalid(violations)) = world.apply(moved()).await else {
        panic!("it was applied")
    };
    assert_eq!(violations[0].path, "documents[1].connection.tenantId");
    world.database.sql("DELETE FROM link").await.unwrap();
    world.apply(moved()).await.unwrap();
}
