//! Lists of runs read what runs did by index, before anything has been analyzed.

use chrono::TimeDelta;
use domain::id::{ConnectionId, OrganizationId};
use rollcall_store::run::Kind;
use rollcall_store::run_filter::{self, Filter};
use rollcall_store::run_partition::{self, Week};
use rollcall_store::run_view::{self, State};
use rollcall_store::{Store, Tx};
use uuid::Uuid;

use crate::world::{World, november};

const ORGANIZATION: &str = "a0000000-0000-7000-8000-000000000001";
const CONNECTION: &str = "c0000000-0000-7000-8000-000000000001";

/// Two thousand runs in eight weeks, every fifth with changes, every hundredth failed; four pages and forty decisions
/// each, on a thousand accounts.
const RUNS: &str = "
    INSERT INTO organization (id, name, created_at) VALUES ('ORGANIZATION', 'o', '2026-11-01T00:00:00Z');
    INSERT INTO connection (id, organization_id, name, tenant_id, cloud, leaver_disabled, leaver_soft_deleted, leaver_gone,
        leaver_out_of_scope, brake_percent, brake_count, brake_from, first_run, created_at, updated_at)
    VALUES ('CONNECTION', 'ORGANIZATION', 'c', gen_random_uuid(), 'global', 'nothing', 'nothing', 'nothing', 'nothing',
        10, 50, 20, 'apply', '2026-11-01T00:00:00Z', '2026-11-01T00:00:00Z');
    CREATE TEMP TABLE made AS
        SELECT n, at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid AS id
        FROM (SELECT n, '2026-11-02T00:00:00Z'::timestamptz + n * interval '40 minutes' AS at FROM generate_series(1, 2000) AS n) AS one;
    INSERT INTO run (id, organization_id, connection_id, kind, trigger, requested_by, apply_first, created_at)
        SELECT id, 'ORGANIZATION', 'CONNECTION', CASE WHEN n % 20 = 0 THEN 'full' ELSE 'delta' END, 'schedule night',
            'schedule night', false, at FROM made;
    INSERT INTO run_fetch (run_id, attempt, state, delta, holder, lease_until, started_at, progress_at, ended_at)
        SELECT id, 1, CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'fetched' END, true, 'h', at, at, at, at FROM made;
    INSERT INTO run_plan (run_id, organization_id, connection_id, attempt, state, preview, rules_fingerprint, created_at,
        planned_at, ended_at, updated)
        SELECT id, 'ORGANIZATION', 'CONNECTION', 1, CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'finished' END, false, 1,
            at, at, at, CASE WHEN n % 5 = 0 THEN 10 ELSE 0 END FROM made;
    INSERT INTO run_page (run_id, number, attempt, source, seen, skipped, skip_reasons, decisions, fields, decided_at)
        SELECT id, page, 1, 1, '{}', '{}', '{}', 10, '', at FROM made, generate_series(1, 4) AS page;
    INSERT INTO account (id, organization_id, status, role, version, upn, created_at, updated_at)
        SELECT ('b0000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'ORGANIZATION', 1, 1, 1,
            'p' || n || '@contoso.com', '2026-11-01T00:00:00Z', '2026-11-01T00:00:00Z' FROM generate_series(0, 999) AS n;
    INSERT INTO decision (run_id, page, position, object_id, account_id, outcome, rule, action, cause, account_version,
        link_status, hash, had_link, late, skip, role)
        SELECT id, 1, place, gen_random_uuid(), ('b0000000-0000-7000-8000-' || lpad(((n * 40 + place) % 1000)::text, 12, '0'))::uuid,
            2, 1, 2, 0, 1, 1, 1, true, false, 0, 1 FROM made, generate_series(1, 40) AS place";

async fn filled() -> World {
    let world = World::new().await;
    for week in 0..10 {
        let mut tx = world.store.begin("test").await.unwrap();
        run_partition::ensure(tx.connection(), Week::of(november(2) + TimeDelta::weeks(week)))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    let statement = RUNS
        .replace("ORGANIZATION", ORGANIZATION)
        .replace("CONNECTION", CONNECTION);
    world.sql(&statement).await;
    world
}

/// So many rows in tables that are read from one end to the other are no matter: weeks with hardly anything in them.
const FEW: i64 = 1_000;

/// Rows of what runs did that this connection has read by going through whole tables, of late: what earlier transactions
/// on it have read may be among them.
async fn read_through(tx: &mut Tx) -> i64 {
    sqlx::query_scalar(
        "SELECT coalesce(sum(seq_tup_read), 0)::bigint FROM pg_stat_xact_user_tables WHERE relname ~ '^(decision|run_page)(_|$)'",
    )
    .fetch_one(tx.connection())
    .await
    .unwrap()
}

async fn listed(store: &Store, asked: &Filter) -> (usize, i64) {
    let mut tx = store.begin("test").await.unwrap();
    let organization = OrganizationId(ORGANIZATION.parse().unwrap());
    let before = read_through(&mut tx).await;
    let runs = run_view::list(tx.connection(), organization, asked, None, 51)
        .await
        .unwrap();
    (runs.len(), read_through(&mut tx).await - before)
}

#[tokio::test]
async fn a_list_of_runs_reads_nothing_of_the_others() {
    let world = filled().await;
    let mut tx = world.store.begin("test").await.unwrap();
    sqlx::query("SELECT count(*) FROM decision")
        .execute(tx.connection())
        .await
        .unwrap();
    assert!(read_through(&mut tx).await > 50 * FEW, "it would be seen");
    drop(tx);

    let nothing = Filter::default();
    let connection = ConnectionId(CONNECTION.parse().unwrap());
    for (asked, expected) in [
        (nothing.clone(), 51),
        (Filter::of_connection(connection), 51),
        (
            Filter {
                kinds: vec![Kind::Full],
                ..nothing.clone()
            },
            51,
        ),
        (
            Filter {
                states: vec![State::Failed],
                ..nothing.clone()
            },
            20,
        ),
        (
            Filter {
                states: vec![State::Applying],
                ..nothing.clone()
            },
            0,
        ),
        (
            Filter {
                trigger: Some("schedule".to_owned()),
                ..nothing.clone()
            },
            51,
        ),
        (
            Filter {
                trigger: Some("cli".to_owned()),
                ..nothing.clone()
            },
            0,
        ),
        (
            Filter {
                from: Some(november(10)),
                to: Some(november(11)),
                ..nothing.clone()
            },
            36,
        ),
        (
            Filter {
                with_failures: true,
                ..nothing.clone()
            },
            20,
        ),
        (
            Filter {
                with_changes: true,
                ..nothing.clone()
            },
            51,
        ),
    ] {
        let (runs, read) = listed(&world.store, &asked).await;
        assert_eq!(runs, expected, "{asked:?}");
        assert!(read < FEW, "{read} rows: {asked:?}");
    }
}

#[tokio::test]
async fn a_person_s_runs_are_found_by_index_in_every_week() {
    let world = filled().await;
    let organization = OrganizationId(ORGANIZATION.parse().unwrap());
    let account = "b0000000-0000-7000-8000-000000000007";
    for who in ["P7@contoso.com", account] {
        let mut tx = world.store.begin("test").await.unwrap();
        let runs = run_filter::of_person(tx.connection(), organization, who)
            .await
            .unwrap();
        assert_eq!(runs.len(), 80, "{who}");
        let weeks: std::collections::BTreeSet<String> = runs
            .iter()
            .map(|run| Week::of_run(domain::id::RunId(*run)).to_string())
            .collect();
        assert!(weeks.len() > 5, "{weeks:?}");
        let read = read_through(&mut tx).await;
        assert!(read < FEW, "{read} rows: {who}");
        let asked = Filter {
            runs: Some(runs),
            ..Filter::default()
        };
        drop(tx);
        let (runs, read) = listed(&world.store, &asked).await;
        assert!(runs == 51 && read < FEW, "{runs} runs, {read} rows");
    }
    let mut tx = world.store.begin("test").await.unwrap();
    let nobody = run_filter::of_person(tx.connection(), organization, &Uuid::nil().to_string())
        .await
        .unwrap();
    assert!(nobody.is_empty());
}
