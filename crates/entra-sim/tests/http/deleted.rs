//! Deleted users (graph-facts §5).

use crate::support::Visit;
use entra_sim::{Operation, OperationError};
use serde_json::json;
use std::time::Duration;

const DELETED: &str = "directory/deletedItems/microsoft.graph.user";

#[tokio::test]
async fn deleted_users_are_listed_with_their_names_prefixed() {
    let visit = Visit::to(1_000).await;
    let generated = visit.tenant.deleted_users();
    assert_eq!(visit.all(DELETED).await.0.len(), 5);
    assert_eq!(generated.len(), 5);
    let user = visit.tenant.users().swap_remove(10);
    visit.tenant.soft_delete(&user.id).unwrap();
    let rows = visit.all("directory/deletedItems/graph.user?$top=2").await.0;
    assert_eq!(rows.len(), 6);
    for row in &rows {
        assert_eq!(row.as_object().unwrap().len(), 11, "the default set");
        let prefix = row["id"].as_str().unwrap().replace('-', "");
        assert!(row["userPrincipalName"].as_str().unwrap().starts_with(&prefix));
    }
    let own = rows.iter().find(|row| row["id"] == json!(user.id)).unwrap();
    let name = format!(
        "{}{}",
        user.id.replace('-', ""),
        user.attributes["userPrincipalName"].as_str().unwrap()
    );
    assert_eq!(own["userPrincipalName"], json!(name));
    assert_eq!(
        own["mail"],
        user.attributes.get("mail").cloned().unwrap_or_default()
    );
    let dated = visit
        .all(&format!("{DELETED}?$select=id,deletedDateTime"))
        .await
        .0;
    assert!(
        dated
            .iter()
            .all(|row| row["deletedDateTime"].as_str().unwrap().ends_with('Z'))
    );
}

#[tokio::test]
async fn a_type_is_needed() {
    let visit = Visit::to(10).await;
    assert_eq!(
        visit.get("directory/deletedItems").await.error(),
        (400, "Request_UnsupportedQuery".into())
    );
}

#[tokio::test]
async fn a_restored_user_is_the_same_object() {
    let visit = Visit::to(300).await;
    let users = visit.tenant.users();
    let boss = users
        .iter()
        .find(|user| users.iter().any(|other| manager(other) == user.id))
        .unwrap();
    let reports = |visit: &Visit| {
        visit
            .tenant
            .users()
            .iter()
            .filter(|user| manager(user) == boss.id)
            .count()
    };
    let before = reports(&visit);
    visit.tenant.soft_delete(&boss.id).unwrap();
    assert_eq!(reports(&visit), 0, "a link to a deleted manager is hidden");
    assert_eq!(visit.tenant.counts().live, 299);
    visit.tenant.restore(&boss.id).unwrap();
    assert_eq!(visit.tenant.user(&boss.id).as_ref(), Some(boss));
    assert_eq!(reports(&visit), before);
}

fn manager(user: &entra_sim::Snapshot) -> &str {
    user.attributes
        .get("manager")
        .and_then(|id| id.as_str())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_taken_name_forbids_a_restore() {
    let visit = Visit::to(100).await;
    let old = visit.tenant.users()[5].clone();
    let new = visit.tenant.recreate(&old.id).unwrap();
    assert_ne!(new, old.id);
    let recreated = visit.tenant.user(&new).unwrap();
    assert_eq!(
        recreated.attributes["userPrincipalName"],
        old.attributes["userPrincipalName"]
    );
    assert_eq!(recreated.attributes.get("manager"), old.attributes.get("manager"));
    assert!(matches!(
        visit.tenant.restore(&old.id),
        Err(OperationError::NameTaken(_))
    ));
    let renamed = Operation::Restore {
        user: old.id.clone(),
        user_principal_name: Some("second.life@contoso.com".into()),
    };
    visit.tenant.apply(&renamed).unwrap();
    assert_eq!(visit.tenant.user("Second.Life@contoso.com").unwrap().id, old.id);
}

#[tokio::test]
async fn thirty_days_later_they_are_gone() {
    let visit = Visit::to(1_000).await;
    visit.tenant.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(visit.tenant.counts().deleted, 0);
    let user = visit.tenant.users()[0].id.clone();
    visit.tenant.soft_delete(&user).unwrap();
    visit.tenant.purge(&user).unwrap();
    assert!(matches!(
        visit.tenant.restore(&user),
        Err(OperationError::NoSuchUser { .. })
    ));
}
