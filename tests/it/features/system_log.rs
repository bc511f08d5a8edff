//! The system log and the audit (N7, D9, C14): what was done to many records at once, and who changed what.

use contracts::v1::audit_client::AuditClient;
use contracts::v1::system_log_client::SystemLogClient;
use contracts::v1::{
    GetEntryRequest, ListAuditEntriesRequest, ListEntriesRequest, LogEntryKind, NoticeKind, ReviewState,
};
use harness::people::{hire, hire_many};
use harness::world::World;
use serde_json::{Value, json};

#[tokio::test]
async fn d9_automatic_removals_are_told_with_the_count_and_a_csv_of_exactly_who() {
    let world = World::with("leavers: { disabled: deactivate, gone: delete }", "").await;
    hire_many(&world.tenant, 8);
    let off = hire(&world.tenant, "off", json!({"displayName": "=cmd|' /C calc'!A0"}));
    let void = hire(&world.tenant, "void", json!({}));
    let first = world.full().await;
    world.tenant.disable(&off).unwrap();
    world.tenant.hard_delete(&void).unwrap();
    let run = world.delta().await;
    let notice = world.notice(&run.id, NoticeKind::Removed).await;
    assert_eq!(notice.title, "contoso: 2 records removed");

    let mut client = SystemLogClient::new(world.channel());
    let request = ListEntriesRequest {
        connection: "contoso".to_owned(),
        kind: LogEntryKind::Removals.into(),
        ..ListEntriesRequest::default()
    };
    let entries = client
        .list_entries(world.call(request))
        .await
        .unwrap()
        .into_inner()
        .entries;
    assert_eq!(entries.len(), 1, "the first run removed nobody: {first:#?}");
    let entry = &entries[0];
    assert_eq!(
        (
            entry.run_id.as_str(),
            entry.records,
            entry.listed,
            entry.title.as_str()
        ),
        (run.id.as_str(), 2, 2, "1 deactivated and 1 deleted by a run")
    );
    assert!(notice.body.contains(&entry.id), "{notice:#?}");
    let request = GetEntryRequest {
        entry_id: entry.id.clone(),
    };
    let csv = client
        .get_entry(world.call(request))
        .await
        .unwrap()
        .into_inner()
        .csv;
    let mut lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines.remove(0),
        "account_id,object_id,role,action,cause,upn,name,note"
    );
    lines.sort_by_key(|line| line.contains("void"));
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(
        lines[0].contains(&format!(
            ",{off},user,deactivate,disabled,off@contoso.com,'=cmd|' /C calc'!A0,"
        )),
        "{csv}"
    );
    assert!(
        lines[1].contains(&format!(",{void},user,delete,gone,void@contoso.com,Void,")),
        "{csv}"
    );
    let shown = world.cli_run(&["log", "show", &entry.id, "--csv"]).await;
    assert_eq!(shown.stdout, csv);
    let card = world.cli_run(&["log", "show", &entry.id]).await;
    assert!(card.stdout.contains("1 deactivated and 1 deleted"), "{card:?}");
}

#[tokio::test]
async fn d9_manual_removals_are_told_with_the_list() {
    let world = World::with("deletionMode: manual", "").await;
    hire_many(&world.tenant, 5);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    let run = world.full().await;
    let notice = world.notice(&run.id, NoticeKind::ReviewsWaiting).await;
    assert!(
        notice.body.contains("ann@contoso.com") && notice.body.contains("rollcall review list"),
        "{notice:#?}"
    );
    let log = world.cli_json(&["log", "list"]).await;
    assert!(log["entries"].as_array().unwrap().is_empty(), "{log}");
}

#[tokio::test]
async fn n7_the_system_log_is_an_organizations_own_and_goes_by_pages() {
    let world = World::with("leavers: { disabled: review }", "").await;
    let ids = hire_many(&world.tenant, 6);
    world.full().await;
    for id in &ids[..3] {
        world.tenant.disable(id).unwrap();
    }
    world.full().await;
    for review in world.reviews(ReviewState::Open).await {
        world.reject(&[&review.id]).await;
    }
    let mut client = SystemLogClient::new(world.channel());
    let mut titles = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListEntriesRequest {
            page_size: 2,
            page_token,
            ..ListEntriesRequest::default()
        };
        let page = client
            .list_entries(world.call(request))
            .await
            .unwrap()
            .into_inner();
        titles.extend(page.entries.into_iter().map(|entry| (entry.title, entry.id)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(titles.len(), 3, "{titles:#?}");
    assert!(titles.iter().all(|(title, _)| title == "1 review rejected"));
    let other = World::start().await;
    let request = GetEntryRequest {
        entry_id: titles[0].1.clone(),
    };
    let foreign = SystemLogClient::new(other.channel())
        .get_entry(other.call(request))
        .await
        .unwrap_err();
    assert_eq!(foreign.code(), tonic::Code::NotFound, "{foreign}");
}

#[tokio::test]
async fn c14_the_audit_is_listed_by_subject_actor_and_time() {
    let world = World::start().await;
    world.connect("leavers: { gone: delete }", "").await;
    let list = async |args: &[&str]| -> Vec<Value> {
        let args = [&["audit", "list"], args].concat();
        let answer = world.cli_json(&args).await;
        answer["entries"].as_array().unwrap().clone()
    };
    let all = list(&[]).await;
    assert!(all.len() >= 4, "{all:#?}");
    let of_connection = list(&["--subject", "CONTOSO"]).await;
    let actions: Vec<&str> = of_connection
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        ["connection.update", "connection.create"],
        "the latest first"
    );
    assert!(
        of_connection[0]["after"]
            .as_str()
            .unwrap()
            .contains("\"leavers.gone\":\"delete\""),
        "{of_connection:#?}"
    );
    assert!(
        !format!("{all:?}").contains(&world.options.client_secret),
        "no secret"
    );
    assert_eq!(list(&["--actor", "tester"]).await.len(), all.len());
    assert!(list(&["--actor", "nobody"]).await.is_empty());
    assert!(list(&["--until", "2020-01-01"]).await.is_empty());
    assert_eq!(list(&["--since", "2020-01-01"]).await.len(), all.len());

    let request = ListAuditEntriesRequest {
        page_size: 1,
        ..ListAuditEntriesRequest::default()
    };
    let mut client = AuditClient::new(world.channel());
    let page = client
        .list_audit_entries(world.call(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.entries.len(), 1);
    let request = ListAuditEntriesRequest {
        page_size: 1,
        page_token: page.next_page_token,
        ..ListAuditEntriesRequest::default()
    };
    let next = client
        .list_audit_entries(world.call(request))
        .await
        .unwrap()
        .into_inner();
    assert_ne!(next.entries[0].id, page.entries[0].id);
    let wrong = world.cli_run(&["audit", "list", "--since", "yesterday"]).await;
    assert!(
        wrong.code == 2 && wrong.stderr.contains("2026-11-21"),
        "{wrong:?}"
    );
}
