//! Runs are kept in detail for a time; then the details go by the week, the counts stay, and no run waits for it (R7).

use std::time::Duration;

use contracts::v1::{ListChangesRequest, ListRunsRequest, Outcome, RevertRunRequest, Run};
use harness::browser::Browser;
use harness::moved_clock::MovedClock;
use harness::people::{hire, hire_many, nobody};
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use local::postgres::{Access, SqlError};
use local::stack::{DATABASE, Service};
use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;
use tonic::Code;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Somebody who has read the tables of runs, and whose transaction goes on for as long as there is a row in `reading`.
async fn read_for_long(access: Access) {
    let statement = "DO $$ BEGIN
        PERFORM count(*) FROM decision;
        PERFORM count(*) FROM run_page;
        WHILE EXISTS (SELECT FROM reading) LOOP
            PERFORM pg_sleep(0.02);
        END LOOP;
    END $$";
    // It goes on in the server when nobody waits for its answer any more.
    let read = access.sql(DATABASE, statement).await;
    assert!(matches!(read, Ok(_) | Err(SqlError::Slow(_))), "{read:?}");
}

/// Begins the round that looks after the tables: a reconciler has one at once.
async fn restart_reconciler(site: &mut Site) {
    let stack = site.stack_mut();
    stack.kill(Service::Reconciler, 1).unwrap();
    stack.spawn(Service::Reconciler, 1).unwrap();
    stack.ready(Service::Reconciler, 1).await.unwrap();
}

async fn dropping_waits(site: &Site) -> bool {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE % DETACH PARTITION %CONCURRENTLY'
        AND state = 'active' AND wait_event_type = 'Lock'";
    site.sql(waiting).await != "0"
}

fn changes_of(run: &Run) -> ListChangesRequest {
    ListChangesRequest {
        run_id: run.id.clone(),
        ..ListChangesRequest::default()
    }
}

/// That there is no more of a run than its counts.
async fn everybody_is_told(world: &World, old: &Run) {
    // The counts are as they were, and everybody is told that there is no more.
    let kept = world.get_run(&old.id).await;
    assert_eq!((counts(&kept), kept.state()), (counts(old), old.state()));
    let refused = world
        .runs()
        .list_changes(world.call(changes_of(old)))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("were pruned") && refused.message().contains("its counts are kept"),
        "{refused:?}"
    );
    let refused = world
        .try_revert(RevertRunRequest {
            run_id: old.id.clone(),
            ..RevertRunRequest::default()
        })
        .await
        .unwrap_err();
    assert!(
        refused.code() == Code::FailedPrecondition
            && refused.message().contains("not kept in detail any more"),
        "{refused:?}"
    );
    let card = world.cli_run(&["run", "show", &old.id]).await.stdout;
    assert!(card.contains("were pruned; the counts are kept"), "{card}");
    for csv in [&[][..], &["--csv"]] {
        let args: Vec<&str> = ["run", "changes", &old.id].iter().chain(csv).copied().collect();
        let refused = world.cli_run(&args).await;
        assert!(
            refused.code == 1 && refused.stdout.is_empty() && refused.stderr.contains("were pruned"),
            "{refused:?}"
        );
    }
    let browser = Browser::signed_in(world).await;
    let path = format!("/runs/{}", old.id);
    let page = browser.page(&path).await.body;
    assert!(
        page.contains("Details were pruned") && !page.contains(".csv") && !page.contains("Revert this run"),
        "{page}"
    );
    let page = browser.page(&format!("{path}/changes")).await.body;
    assert!(
        page.contains("Details were pruned") && !page.contains("None."),
        "{page}"
    );
    for file in ["changes.csv", "failed.csv"] {
        let refused = browser.get(&format!("{path}/{file}")).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{file}: {}", refused.body);
        assert!(refused.body.contains("were pruned"), "{}", refused.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_old_details_go_while_a_run_goes_on_and_the_counts_stay() {
    let mut clock = MovedClock::new();
    let builder = clock
        .of(Site::builder())
        .set(Service::Reconciler, "retention.runs_days", "14");
    let mut site = Site::start(builder).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    let ann = hire(&world.tenant, "ann", json!({}));
    hire_many(&world.tenant, 5);
    let old = world.full().await;
    assert_eq!(tally(&old), [(Outcome::Added, 6)], "{old:#?}");
    assert!(!old.details_pruned);
    let tables = site
        .sql("SELECT count(*) FROM run_partition WHERE pruned_at IS NULL")
        .await;
    assert_ne!(tables, "0");

    site.sql("CREATE TABLE reading AS SELECT 1 AS by").await;
    let mut reader = JoinSet::new();
    reader.spawn(read_for_long(site.access().clone()));
    until("somebody reads", async || {
        let reads = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        (site.sql(reads).await != "0").then_some(())
    })
    .await;
    clock.advance(40 * DAY);
    restart_reconciler(&mut site).await;
    until("the details are given up", async || {
        world.get_run(&old.id).await.details_pruned.then_some(())
    })
    .await;
    until("dropping them waits for the reader", async || {
        dropping_waits(&site).await.then_some(())
    })
    .await;

    // A run goes from its beginning to its end meanwhile, is looked at, and is taken back.
    world.tenant.update(&ann, "city", json!("Oslo")).unwrap();
    let new = world.full().await;
    assert_eq!(
        tally(&new),
        [(Outcome::Updated, 1), (Outcome::Unchanged, 5)],
        "{new:#?}"
    );
    let change = world.change_of(&new, &ann).await;
    assert_eq!(change.fields[0].new.as_deref(), Some("Oslo"));
    let back = world.revert(&new).await;
    assert_eq!(counts(&back).updated, 1, "{back:#?}");
    assert!(dropping_waits(&site).await, "all that time");
    site.sql("DELETE FROM reading").await;
    reader.join_next().await.unwrap().unwrap();
    until("the tables are dropped", async || {
        let left = "SELECT count(*) FROM pg_class WHERE relname IN ('decision_first', 'run_page_first')";
        (site.sql(left).await == "0").then_some(())
    })
    .await;

    everybody_is_told(&world, &old).await;

    // It is found as before, and the others have all that they had.
    for asked in [
        ListRunsRequest {
            with_changes: true,
            ..ListRunsRequest::default()
        },
        ListRunsRequest {
            person: ann.clone(),
            ..ListRunsRequest::default()
        },
    ] {
        let found = world
            .runs()
            .list_runs(world.call(asked))
            .await
            .unwrap()
            .into_inner();
        let ids: Vec<&str> = found.runs.iter().map(|run| run.id.as_str()).collect();
        assert_eq!(ids, [back.id.as_str(), &new.id, &old.id]);
        let pruned: Vec<bool> = found.runs.iter().map(|run| run.details_pruned).collect();
        assert_eq!(pruned, [false, false, true]);
    }
    assert_eq!(world.changes(&new, Outcome::Updated).await.len(), 1);
    // And runs go on: this one undoes the revert.
    let again = world.full().await;
    assert_eq!(counts(&again).updated, 1, "{again:#?}");
    world.check_register().await;
    site.stop().await;
}
