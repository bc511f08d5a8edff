//! What a run did to whom: searched, page by page, and as CSV that no spreadsheet runs (R7).

use contracts::v1::{Change, ListChangesRequest, ListChangesResponse, Outcome, Run};
use harness::people::hire;
use harness::world::World;
use serde_json::json;
use tonic::{Code, Status};

/// What a spreadsheet would run.
const FORMULA: &str = "=HYPERLINK(\"http://evil.example\",\"Ann\")";

/// Ann and Bob got new fields, Cyd is new, Dan is as he was, and Eve is disabled and unknown.
async fn some_of_each() -> (World, Run, String) {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({"jobTitle": "Clerk"}));
    let bob = hire(&world.tenant, "bob", json!({"displayName": "Bob 100% Ann"}));
    hire(&world.tenant, "dan", json!({}));
    world.full().await;
    world
        .tenant
        .update(&ann, "jobTitle", json!("@SUM(A1:A9)"))
        .unwrap();
    world
        .tenant
        .update(&ann, "city", json!("Oslo, \"the\" city"))
        .unwrap();
    world.tenant.update(&bob, "jobTitle", json!("+47")).unwrap();
    hire(&world.tenant, "cyd", json!({"displayName": FORMULA}));
    hire(&world.tenant, "eve", json!({"accountEnabled": false}));
    let run = world.full().await;
    (world, run, ann)
}

async fn list(world: &World, request: ListChangesRequest) -> Result<ListChangesResponse, Status> {
    let answer = world.runs().list_changes(world.call(request)).await?;
    Ok(answer.into_inner())
}

fn of(run: &Run, outcome: Outcome, search: &str) -> ListChangesRequest {
    ListChangesRequest {
        run_id: run.id.clone(),
        outcome: outcome.into(),
        search: search.to_owned(),
        ..ListChangesRequest::default()
    }
}

fn logins(changes: &[Change]) -> Vec<&str> {
    let mut logins: Vec<&str> = changes
        .iter()
        .map(|change| change.upn.split('@').next().unwrap())
        .collect();
    logins.sort_unstable();
    logins
}

#[tokio::test]
async fn r7_changes_are_found_by_name_upn_and_object_id() {
    let (world, run, ann) = some_of_each().await;
    let account = world.account("ann").await.id;
    for (outcome, search, expected) in [
        (Outcome::Unspecified, "", &["ann", "bob", "cyd", "eve"][..]),
        (Outcome::Unspecified, "ANN", &["ann", "bob", "cyd"]),
        (Outcome::Unspecified, "ann contoso", &["ann", "bob", "cyd"]),
        (Outcome::Unspecified, "  bob   ANN ", &["bob"]),
        (Outcome::Updated, "ann", &["ann", "bob"]),
        (Outcome::Added, "ann", &["cyd"]),
        (Outcome::Unchanged, "", &["dan"]),
        (Outcome::Unchanged, "dan@", &["dan"]),
        (Outcome::Unchanged, "ann", &[]),
        // Nothing in it is a pattern.
        (Outcome::Unspecified, "100%", &["bob"]),
        (Outcome::Unspecified, "%", &["bob"]),
        (Outcome::Unspecified, "_", &[]),
        (Outcome::Unspecified, "a\\", &[]),
        (Outcome::Unspecified, &ann, &["ann"]),
        (Outcome::Unspecified, &account, &[]),
    ] {
        let found = list(&world, of(&run, outcome, search)).await.unwrap();
        assert_eq!(logins(&found.changes), expected, "{outcome:?} {search:?}");
    }
    let found = world
        .cli_json(&[
            "run",
            "changes",
            &run.id,
            "--search",
            "bob ann",
            "--outcome",
            "updated",
        ])
        .await;
    let changes = found["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{found}");
    assert_eq!(
        changes[0]["fields"],
        json!([{"field": "jobTitle", "new": "+47"}]),
        "{found}"
    );
}

#[tokio::test]
async fn r7_a_search_goes_by_pages_of_its_own() {
    let (world, run, _) = some_of_each().await;
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListChangesRequest {
            page_size: 1,
            page_token: page_token.clone(),
            ..of(&run, Outcome::Unspecified, "ann")
        };
        let page = list(&world, request).await.unwrap();
        assert_eq!(page.changes.len(), 1);
        found.extend(page.changes);
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    assert_eq!(logins(&found), ["ann", "bob", "cyd"]);
    for other in [
        of(&run, Outcome::Unspecified, "bob"),
        of(&run, Outcome::Updated, "ann"),
        of(&run, Outcome::Unspecified, ""),
    ] {
        let request = ListChangesRequest {
            page_token: page_token.clone(),
            ..other
        };
        let refused = list(&world, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("pageToken"), "{refused:?}");
    }
    let request = ListChangesRequest {
        outcome: 99,
        ..of(&run, Outcome::Unspecified, "")
    };
    let refused = list(&world, request).await.unwrap_err();
    assert!(
        refused.code() == Code::InvalidArgument && refused.message().contains("outcome"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn r7_changes_as_csv_have_a_line_for_each_field_and_run_no_formula() {
    let (world, run, ann) = some_of_each().await;
    let csv = async |options: &[&str]| {
        let args: Vec<&str> = ["run", "changes", &run.id, "--csv"]
            .iter()
            .chain(options)
            .copied()
            .collect();
        let answer = world.cli_run(&args).await;
        assert_eq!(answer.code, 0, "{answer:?}");
        answer.stdout
    };
    let all = csv(&[]).await;
    let mut lines: Vec<&str> = all.lines().collect();
    let head = lines.remove(0);
    assert_eq!(
        head,
        "upn,name,object_id,target,outcome,action,cause,rule,reason,applied,field,old,new"
    );
    let of_ann: Vec<&&str> = lines
        .iter()
        .filter(|line| line.starts_with("ann@contoso.com,"))
        .collect();
    assert_eq!(of_ann.len(), 2, "{all}");
    let line = |field: &str| {
        let with = format!(",{field},");
        of_ann.iter().find(|line| line.contains(&with)).unwrap()
    };
    assert!(
        line("jobTitle").starts_with(&format!("ann@contoso.com,Ann,{ann},account,updated,"))
            && line("jobTitle").ends_with(",yes,jobTitle,Clerk,'@SUM(A1:A9)"),
        "{all}"
    );
    assert!(
        line("city").ends_with(",city,,\"Oslo, \"\"the\"\" city\""),
        "{all}"
    );
    let of_bob = lines.iter().find(|line| line.starts_with("bob@")).unwrap();
    assert!(of_bob.ends_with(",jobTitle,,'+47"), "{all}");
    let of_cyd: Vec<&&str> = lines.iter().filter(|line| line.starts_with("cyd@")).collect();
    assert!(
        !of_cyd.is_empty() && of_cyd.iter().all(|line| line.contains(",\"'=HYPERLINK(\"\"http")),
        "defused: {all}"
    );
    // Who was skipped changes no field, and has a line.
    let of_eve = lines.iter().find(|line| line.starts_with("eve@")).unwrap();
    assert!(of_eve.contains(",skipped,") && of_eve.ends_with(",,,"), "{all}");
    assert!(lines.iter().all(|line| !line.starts_with("dan@")), "{all}");

    let searched = csv(&["--search", "bob ann", "--outcome", "updated"]).await;
    assert_eq!(searched.lines().count(), 2, "{searched}");
    assert!(searched.lines().nth(1).unwrap().starts_with("bob@"), "{searched}");
    let nobody = csv(&["--search", "zoe"]).await;
    assert_eq!(nobody, format!("{head}\r\n"));
    let quiet = csv(&["--outcome", "unchanged"]).await;
    assert!(
        quiet.lines().nth(1).unwrap().starts_with("dan@contoso.com,Dan,"),
        "{quiet}"
    );
    let both = world
        .cli_run(&["run", "changes", &run.id, "--csv", "--limit", "3"])
        .await;
    assert_eq!(both.code, 2, "{both:?}");
}
