//! Runs' details by the week: weeks are added and dropped while others write and read, and nobody waits for it.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::RunId;
use rollcall_store::run_page::{self, Page, Source};
use rollcall_store::run_partition::{self, Week};
use rollcall_store::{Store, run_view};
use sqlx::{Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

use crate::world::{World, id_of, november};

/// Any statement that waits this long for another fails.
const IMPATIENT: &str = "SET lock_timeout = '500ms'";

/// In the last week of the first part.
fn today() -> DateTime<Utc> {
    november(25)
}

fn page(run: RunId, number: i32) -> Page {
    Page {
        run,
        number,
        attempt: 1,
        source: Source::Listing,
        seen: vec![Uuid::from_u128(7)],
        skipped: Vec::new(),
        unusable: 0,
        decisions: 0,
        fields: Vec::new(),
    }
}

async fn impatient(world: &World) -> PgConnection {
    let mut connection = PgConnection::connect(&world.url()).await.unwrap();
    connection.execute(IMPATIENT).await.unwrap();
    connection
}

/// Decisions of one page, one of them on the account.
async fn decide(connection: &mut PgConnection, run: RunId, account: Uuid) {
    let statement = format!(
        "INSERT INTO decision (run_id, page, position, object_id, account_id, outcome, rule, action, cause,
             account_version, link_status, hash, had_link, late, skip, role)
         SELECT '{run}', 1, n, gen_random_uuid(), CASE n WHEN 1 THEN '{account}'::uuid ELSE gen_random_uuid() END, 2, 0, 2,
             0, 1, 1, 0, true, false, 0, 1
         FROM generate_series(1, 50) AS n"
    );
    connection.execute(statement.as_str()).await.unwrap();
}

/// A week that began so many weeks from now, ready.
async fn week(world: &World, from_now: i64) -> (DateTime<Utc>, RunId) {
    let at = today() + TimeDelta::weeks(from_now);
    let mut tx = world.store.begin("test").await.unwrap();
    run_partition::ensure(tx.connection(), Week::of(at))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    (at, RunId(id_of(at)))
}

async fn prune(world: &World, before: DateTime<Utc>) -> Result<usize, rollcall_store::StoreError> {
    let mut connection = world.store.connection().await?;
    run_partition::give_up(&mut connection, RunId(id_of(before)), before).await?;
    let pruned = run_partition::pruned(&mut connection).await?;
    for table in &pruned {
        run_partition::drop(&mut connection, table).await?;
    }
    Ok(pruned.len())
}

async fn tables(world: &World) -> String {
    world
        .sql(
            "SELECT relname FROM pg_class
             WHERE relkind = 'r' AND relname ~ '^(decision|run_page)_' ORDER BY relname",
        )
        .await
}

#[tokio::test]
async fn a_week_is_added_while_a_long_transaction_writes_and_neither_waits() {
    let world = World::new().await;
    let (_, now) = week(&world, 0).await;
    let mut writer = impatient(&world).await;
    let mut long = writer.begin().await.unwrap();
    decide(&mut long, now, Uuid::from_u128(1)).await;
    run_page::insert(&mut long, &page(now, 1), today()).await.unwrap();

    // The week after the first part is new; the transaction goes on while it is added, and after.
    let mut adder = impatient(&world).await;
    let mut adding = adder.begin().await.unwrap();
    let later = today() + TimeDelta::weeks(4);
    let added = run_partition::ensure(&mut adding, Week::of(later)).await.unwrap();
    assert!(added);
    decide(
        &mut long,
        RunId(id_of(today() - TimeDelta::hours(1))),
        Uuid::from_u128(2),
    )
    .await;
    adding.commit().await.unwrap();
    run_page::insert(&mut long, &page(now, 2), today()).await.unwrap();
    run_page::insert(&mut long, &page(RunId(id_of(later)), 1), later)
        .await
        .unwrap();
    long.commit().await.unwrap();
    assert_eq!(world.sql("SELECT count(*) FROM run_page").await, "3");

    let mut again = adder.begin().await.unwrap();
    let added = run_partition::ensure(&mut again, Week::of(later)).await.unwrap();
    assert!(!added, "once is enough");
}

#[tokio::test]
async fn two_who_add_a_week_at_once_add_it_once() {
    let world = World::new().await;
    let later = today() + TimeDelta::weeks(5);
    let store = Store::new(&world.url(), 8).unwrap();
    let adding = (0..8).map(|_| async {
        let mut tx = store.begin("test").await.unwrap();
        let added = run_partition::ensure(tx.connection(), Week::of(later))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        added
    });
    let added = futures::future::join_all(adding).await;
    assert_eq!(added.iter().filter(|added| **added).count(), 1);
}

#[tokio::test]
async fn old_weeks_are_dropped_while_runs_write_elsewhere_and_nobody_waits() {
    let world = World::new().await;
    let account = Uuid::from_u128(9);
    let (soon, next) = week(&world, 3).await;
    let (late, last) = week(&world, 4).await;
    let mut writer = impatient(&world).await;
    for run in [next, last] {
        decide(&mut writer, run, account).await;
        run_page::insert(&mut writer, &page(run, 1), soon).await.unwrap();
    }
    // A run in the new week is in the middle of its writing.
    let mut long = writer.begin().await.unwrap();
    run_page::insert(&mut long, &page(last, 2), late).await.unwrap();

    let url = world.url();
    let pruning = async {
        let store = Store::new(&url, 2).unwrap();
        let mut connection = store.connection().await.unwrap();
        run_partition::give_up(&mut connection, RunId(id_of(late)), late)
            .await
            .unwrap();
        for table in run_partition::pruned(&mut connection).await.unwrap() {
            run_partition::drop(&mut connection, &table).await.unwrap();
        }
    };
    let writing = async {
        // Pruning waits until the transaction that has read the old tables has ended; meanwhile everybody else goes on.
        let mut other = impatient(&world).await;
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE query LIKE 'ALTER TABLE%DETACH%' AND wait_event_type = 'Lock'";
        let begun = std::time::Instant::now();
        while world.sql(waiting).await != "1" {
            assert!(begun.elapsed().as_secs() < 20, "pruning does not wait for anyone");
            tokio::task::yield_now().await;
        }
        let mut number = 10;
        for _ in 0..20 {
            number += 1;
            run_page::insert(&mut other, &page(last, number), late)
                .await
                .unwrap();
            decide(
                &mut other,
                RunId(Uuid::from_u128(
                    last.0.as_u128() + u128::from(number.unsigned_abs()),
                )),
                account,
            )
            .await;
            let found: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM decision WHERE account_id = $1 AND outcome IN (2, 5, 6)",
            )
            .bind(account)
            .fetch_one(&mut other)
            .await
            .unwrap();
            assert!(found > 0);
        }
        run_page::insert(&mut long, &page(last, 3), late).await.unwrap();
        long.commit().await.unwrap();
    };
    tokio::join!(pruning, writing);
    let left = tables(&world).await;
    let name = |table: &str, at: DateTime<Utc>| format!("{table}_{}", Week::of(at));
    assert!(
        !left.contains(&name("decision", soon)) && !left.contains("run_page_first"),
        "{left}"
    );
    assert!(left.contains(&name("decision", late)), "{left}");
    assert_eq!(
        world
            .sql(&format!("SELECT count(*) FROM decision WHERE run_id = '{next}'"))
            .await,
        "0"
    );
}

#[tokio::test]
async fn what_a_crash_left_half_dropped_is_dropped_by_the_next_round() {
    let world = World::new().await;
    let (soon, _) = week(&world, 3).await;
    let (late, _) = week(&world, 4).await;
    let (parts, half) = (tables(&world).await, Week::of(soon));
    assert_eq!(parts.lines().count(), 6, "{parts}");

    // Broken off while it waits for a reader: the table is half detached, for good.
    let mut reader = PgConnection::connect(&world.url()).await.unwrap();
    let mut reading = reader.begin().await.unwrap();
    reading.execute("SELECT count(*) FROM decision").await.unwrap();
    let mut broken = PgConnection::connect(&world.url()).await.unwrap();
    broken.execute("SET statement_timeout = '200ms'").await.unwrap();
    run_partition::give_up(&mut broken, RunId(id_of(late)), late)
        .await
        .unwrap();
    let pruned = run_partition::pruned(&mut broken).await.unwrap();
    assert_eq!(pruned.len(), 4);
    run_partition::drop(&mut broken, &pruned[0]).await.unwrap_err();
    let pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
    assert_eq!(world.sql(pending).await, "1");
    reading.commit().await.unwrap();
    // And another one was detached and not dropped.
    let detached = format!("ALTER TABLE run_page DETACH PARTITION run_page_{half}");
    world.sql(&detached).await;

    assert_eq!(prune(&world, late).await.unwrap(), 4);
    let left = tables(&world).await;
    assert_eq!(left.lines().count(), 2, "{left}");
    assert!(left.contains(&Week::of(late).to_string()), "{left}");
    assert_eq!(prune(&world, late).await.unwrap(), 0, "nothing is left to do");
}

#[tokio::test]
async fn a_week_with_a_run_in_work_is_kept_and_a_pruned_run_says_so() {
    let world = World::new().await;
    let (soon, run) = week(&world, 3).await;
    let (late, _) = week(&world, 4).await;
    let organization = rollcall_store::organization::DEFAULT;
    world
        .sql(&format!(
            "INSERT INTO connection (id, organization_id, name, tenant_id, cloud, leaver_disabled, leaver_soft_deleted,
                 leaver_gone, leaver_out_of_scope, brake_percent, brake_count, brake_from, first_run, created_at, updated_at)
             VALUES ('{run}', '{organization}', 'contoso', '{run}', 'global', 'deactivate', 'deactivate',
                 'review', 'review', 10, 50, 20, 'apply', now(), now());
             INSERT INTO run (id, organization_id, connection_id, kind, trigger, requested_by, apply_first, created_at)
             VALUES ('{run}', '{organization}', '{run}', 'full', 'manual', 'ann', false, '{soon}');
             INSERT INTO run_plan (run_id, organization_id, connection_id, attempt, state, preview, rules_fingerprint,
                 created_at, added, seen)
             VALUES ('{run}', '{organization}', '{run}', 1, 'applying', false, 0, '{soon}', 3, 3)"
        ))
        .await;
    prune(&world, late).await.unwrap();
    let view = async || {
        let mut connection = world.store.connection().await.unwrap();
        run_view::find(&mut connection, organization, run)
            .await
            .unwrap()
            .unwrap()
    };
    assert!(!view().await.details_pruned, "it is in work");
    assert!(
        tables(&world)
            .await
            .contains(&format!("decision_{}", Week::of(soon)))
    );

    world.sql("UPDATE run_plan SET state = 'finished'").await;
    prune(&world, late).await.unwrap();
    let pruned = view().await;
    assert!(pruned.details_pruned);
    assert_eq!(
        (pruned.counts.added, pruned.counts.seen),
        (3, 3),
        "its tallies stay"
    );
}

/// Whoever asks by the run reads its week, and whoever asks by the account uses the index of each.
#[tokio::test]
async fn hot_queries_read_one_week_or_go_by_an_index() {
    let world = World::new().await;
    let mut runs = Vec::new();
    for n in 0..6 {
        let (_, run) = week(&world, n).await;
        runs.push(run);
    }
    let mut connection = PgConnection::connect(&world.url()).await.unwrap();
    for run in &runs {
        for n in 0..40_u128 {
            let id = RunId(Uuid::from_u128(run.0.as_u128() + n));
            decide(&mut connection, id, Uuid::from_u128(9)).await;
        }
    }
    let run = runs[5];
    // No table was analyzed. With a plan for any value, too, as PostgreSQL makes it when a statement comes again and again.
    for mode in ["force_custom_plan", "force_generic_plan"] {
        let set = format!("SET plan_cache_mode = {mode}");
        connection.execute(set.as_str()).await.unwrap();
        for (statement, argument) in [
            ("SELECT * FROM decision WHERE run_id = $1 AND page = 1", run.0),
            (
                "UPDATE decision SET late = true WHERE run_id = $1 AND login_key IS NOT NULL",
                run.0,
            ),
            ("DELETE FROM run_page WHERE run_id = $1", run.0),
            (
                "SELECT * FROM run r CROSS JOIN LATERAL (
                     SELECT count(*) FROM run_page WHERE run_page.run_id = r.id) p WHERE r.id = $1",
                run.0,
            ),
        ] {
            let plan = explain(&mut connection, statement, argument).await;
            let read: BTreeSet<&str> = plan
                .lines()
                .filter(|line| line.contains("Scan") && !line.contains("never executed"))
                .filter_map(|line| line.split_once(" on ").map(|(_, table)| table))
                .filter(|table| table.starts_with("decision_") || table.starts_with("run_page_"))
                .filter_map(|table| {
                    table
                        .split(['_', ' '])
                        .find(|part| part.starts_with("20") || *part == "first")
                })
                .collect();
            assert!(read.len() <= 1, "{mode}: {statement}\n{plan}");
        }
        let by_account = "SELECT * FROM decision WHERE account_id = $1 AND outcome IN (2, 5, 6)";
        let plan = explain(&mut connection, by_account, Uuid::from_u128(9)).await;
        assert!(!plan.contains("Seq Scan"), "{mode}: {plan}");
    }
}

async fn explain(connection: &mut PgConnection, statement: &str, argument: Uuid) -> String {
    let prepare = format!("PREPARE asked (uuid) AS {statement}");
    connection.execute(prepare.as_str()).await.unwrap();
    let explain =
        format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE asked ('{argument}')");
    let lines: Vec<String> = sqlx::query_scalar(&explain)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    connection.execute("DEALLOCATE asked").await.unwrap();
    lines.join("\n")
}
