//! Runs and what they did, as they are looked for in a browser (R7, B16, N7).

use contracts::v1::{Run, RunKind};
use entra_sim::{Effect, Fault, RetryAfter};
use harness::browser::Browser;
use harness::documents::{CONNECTION, documents};
use harness::hold::{Hold, Step};
use harness::people::hire;
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use reqwest::StatusCode;
use serde_json::json;

const FORMULA: &str = "=cmd|' /C calc'!A0";

/// The ids of the runs that a page lists.
fn listed(body: &str) -> Vec<String> {
    let (_, table) = body.split_once("<table").unwrap_or_default();
    table
        .split("href=\"/runs/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

/// What a select of the form has chosen.
fn chosen(body: &str, name: &str) -> String {
    let (_, select) = body
        .split_once(&format!("<select id=\"{name}\""))
        .unwrap_or_else(|| panic!("no {name}: {body}"));
    let select = select.split("</select>").next().unwrap();
    let Some((before, _)) = select.split_once("\" selected>") else {
        return String::new();
    };
    before.rsplit('"').next().unwrap().to_owned()
}

fn ids<'r>(runs: &[&'r Run]) -> Vec<&'r str> {
    runs.iter().map(|run| run.id.as_str()).collect()
}

#[tokio::test]
async fn r7_runs_are_filtered_in_the_browser() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({}));
    let full = world.full().await;
    let quiet = world.delta().await;
    world.tenant.update(&ann, "city", json!("Oslo")).unwrap();
    let changed = world.delta().await;
    let sweep = world.run(RunKind::Deprovision).await;
    let back = world.revert(&changed).await;
    let browser = Browser::signed_in(&world).await;
    for (query, expected) in [
        ("", vec![&back, &sweep, &changed, &quiet, &full]),
        ("kind=delta", vec![&changed, &quiet]),
        ("kind=deprovision", vec![&sweep]),
        ("kind=revert&with=changes", vec![&back]),
        ("kind=delta&with=changes&person=ann%40contoso.com", vec![&changed]),
        ("state=finished&kind=full", vec![&full]),
        ("state=failed", vec![]),
        ("trigger=api&kind=full", vec![&full]),
        ("trigger=schedule", vec![]),
        ("trigger=schedule+nightly", vec![]),
        ("with=failures", vec![]),
        ("since=1d&kind=full", vec![&full]),
        ("person=zoe%40contoso.com", vec![]),
    ] {
        let body = browser.page(&format!("/runs?{query}")).await.body;
        assert_eq!(listed(&body), ids(&expected), "{query}");
        // The form keeps what was asked for.
        for (name, value) in query.split('&').filter_map(|part| part.split_once('=')) {
            let value = value.replace("%40", "@").replace('+', " ");
            if name == "person" {
                assert!(body.contains(&format!("value=\"{value}\"")), "{query}: {body}");
            } else {
                assert_eq!(chosen(&body, name), value, "{query}");
            }
        }
        assert_eq!(
            body.contains("No run is like that"),
            expected.is_empty(),
            "{query}"
        );
    }
    for (query, field) in [
        ("kind=halfway", "kind"),
        ("state=lost", "state"),
        ("since=7y", "since"),
        ("with=luck", "with"),
        ("connection=nobody", "nobody"),
        ("page=x", "pageToken"),
    ] {
        let refused = browser.get(&format!("/runs?{query}")).await;
        assert!(refused.status.is_client_error(), "{query}: {}", refused.status);
        assert!(refused.body.contains(field), "{query}: {}", refused.body);
    }
    let odd = browser.page("/runs?person=%3Cb%3E&trigger=%3Ci%3E").await.body;
    assert!(!odd.contains("<b>") && !odd.contains("<i>"), "{odd}");
}

#[tokio::test]
async fn r7_a_filtered_list_keeps_its_filter_from_page_to_page() {
    let world = World::start().await;
    let old = world.full().await;
    Site::shared()
        .await
        .sql(&format!(
            "INSERT INTO run (id, organization_id, connection_id, kind, trigger, requested_by, apply_first, created_at,
                 cancel_requested_at, cancel_requested_by)
             SELECT gen_random_uuid(), organization_id, connection_id, CASE WHEN n % 2 = 0 THEN 'delta' ELSE 'full' END,
                 'cli', 'tester', false, created_at - n * interval '1 minute', created_at, 'tester'
             FROM run, generate_series(1, 80) AS n WHERE id = '{}'",
            old.id
        ))
        .await;
    let browser = Browser::signed_in(&world).await;
    let mut path = "/runs?kind=delta&state=cancelled".to_owned();
    let mut pages = Vec::new();
    let mut all = Vec::new();
    loop {
        let body = browser.page(&path).await.body;
        let on_page = listed(&body);
        pages.push(on_page.len());
        all.extend(on_page);
        assert_eq!(chosen(&body, "kind"), "delta");
        let Some((_, next)) = body.split_once("rel=\"next\" href=\"") else {
            break;
        };
        path = next
            .split('"')
            .next()
            .unwrap()
            .replace("&amp;", "&")
            .replace("&#38;", "&");
    }
    assert_eq!(pages, [25, 15]);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 40);
}

#[tokio::test]
async fn r7_decisions_are_searched_and_loaded_in_the_browser() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({"jobTitle": "Clerk"}));
    hire(&world.tenant, "bob", json!({}));
    world.full().await;
    world.tenant.update(&ann, "jobTitle", json!(FORMULA)).unwrap();
    hire(
        &world.tenant,
        "cyd",
        json!({"displayName": "<script>cyd</script>"}),
    );
    let run = world.full().await;
    let browser = Browser::signed_in(&world).await;
    let path = format!("/runs/{}/changes", run.id);

    let all = browser.page(&path).await.body;
    assert!(
        all.contains("ann@contoso.com") && all.contains("cyd@contoso.com"),
        "{all}"
    );
    assert!(
        all.contains("Clerk") && all.contains("=cmd|"),
        "old and new: {all}"
    );
    assert!(!all.contains("<script>cyd"), "{all}");
    let found = browser.page(&format!("{path}?search=CYD")).await.body;
    assert!(
        !found.contains("ann@contoso.com") && found.contains("cyd@contoso.com"),
        "{found}"
    );
    let none = browser
        .page(&format!("{path}?search=ann&outcome=added"))
        .await
        .body;
    assert!(
        !none.contains("ann@contoso.com") && none.contains("None."),
        "{none}"
    );
    let link = format!("href=\"{path}.csv?outcome=added&amp;search=ann\"");
    assert!(
        none.contains(&link) || none.contains(&link.replace("&amp;", "&#38;")),
        "the file is of what is shown: {none}"
    );

    // The file is the same as the command line's.
    for (query, options) in [
        ("", &[][..]),
        ("?outcome=updated", &["--outcome", "updated"]),
        ("?search=cyd+contoso", &["--search", "cyd contoso"]),
        ("?outcome=unchanged", &["--outcome", "unchanged"]),
    ] {
        let file = browser.page(&format!("{path}.csv{query}")).await;
        assert!(file.header("content-type").starts_with("text/csv"), "{query}");
        assert!(file.header("content-disposition").starts_with("attachment"));
        let args: Vec<&str> = ["run", "changes", &run.id, "--csv"]
            .iter()
            .chain(options)
            .copied()
            .collect();
        let printed = world.cli_run(&args).await.stdout;
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&file.body), lines(&printed), "{query}");
    }
    let file = browser.page(&format!("{path}.csv?outcome=updated")).await.body;
    assert!(file.contains(",jobTitle,Clerk,'=cmd|"), "defused: {file}");
    let unknown = browser.get(&format!("{path}?outcome=halfway")).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let other = World::start().await;
    let stranger = Browser::signed_in(&other).await;
    for foreign in [path.clone(), format!("{path}.csv")] {
        assert_eq!(
            stranger.get(&foreign).await.status,
            StatusCode::NOT_FOUND,
            "{foreign}"
        );
    }
}

#[tokio::test]
async fn b16_the_page_of_a_run_tells_what_it_waits_and_waited_for() {
    let site = Site::shared().await;
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let busy = Effect::Status {
        status: 429,
        code: None,
        message: None,
        retry_after: Some(RetryAfter::Seconds(5)),
    };
    world.tenant.fault(Fault::on("/v1.0/users", busy).times(1));
    let hold = Hold::at(Step::Planned, world.organization, site).await;
    let run = world.start_run(RunKind::Full).await;
    let next = world.start_run(RunKind::Delta).await;
    let browser = Browser::signed_in(&world).await;
    let path = format!("/runs/{}", run.id);
    until("the wait is on the page", async || {
        let page = browser.page(&path).await.body;
        page.contains("s for Graph: 429 with Retry-After on /users")
            .then_some(())
    })
    .await;
    let behind = browser.page(&format!("/runs/{}", next.id)).await.body;
    assert!(
        behind.contains(&format!("<a href=\"{path}\">another run of this connection</a>")),
        "{behind}"
    );
    hold.release().await;
    world.ended(&run.id).await;
    let page = browser.page(&path).await.body;
    assert!(
        page.contains("429 with Retry-After on /users") && page.contains("the longest"),
        "{page}"
    );
    assert!(page.contains("Resource units"), "{page}");
    assert!(!page.contains("class=\"waiting\""), "{page}");
    world.ended(&next.id).await;
}

#[tokio::test]
async fn n7_a_connection_s_page_leads_to_its_own_runs() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    world
        .apply(&documents(&world.options, &world.url(), "", "").replace(CONNECTION, "fabrikam"))
        .await;
    let ours = world.full().await;
    let theirs = world.try_start("fabrikam", RunKind::Preview).await.unwrap();
    let theirs = world.ended(&theirs.id).await;
    let browser = Browser::signed_in(&world).await;
    for (connection, expected, other) in [(CONNECTION, &ours, &theirs), ("fabrikam", &theirs, &ours)] {
        let page = browser.page(&format!("/connections/{connection}")).await.body;
        assert!(
            page.contains(&format!("/runs/{}", expected.id)) && !page.contains(&other.id),
            "{page}"
        );
        let link = format!("/runs?connection={connection}");
        assert!(page.contains(&link), "{page}");
        let list = browser.page(&link).await.body;
        assert_eq!(listed(&list), [expected.id.as_str()]);
        assert_eq!(chosen(&list, "connection"), connection);
    }
}
