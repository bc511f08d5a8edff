//! How far a run has come, in pages.

use domain::id::RunId;
use rollcall_store::run_page::{self, Page, Source};
use rollcall_store::{organization, run_view};
use uuid::Uuid;

use crate::world::{World, november};

const RUN: RunId = RunId(Uuid::from_u128(7));

/// A run that is being applied, in its second attempt at the fetch.
async fn applying(world: &World) {
    let (organization, connection) = (organization::DEFAULT.0, Uuid::from_u128(6));
    let run = RUN.0;
    world
        .sql(&format!(
            "INSERT INTO connection (id, organization_id, name, tenant_id, cloud, leaver_disabled, leaver_soft_deleted,
                 leaver_gone, leaver_out_of_scope, brake_percent, brake_count, brake_from, first_run, created_at, updated_at)
             VALUES ('{connection}', '{organization}', 'contoso', '{connection}', 'global', 'deactivate', 'deactivate',
                 'review', 'review', 10, 50, 20, 'apply', '2026-11-01', '2026-11-01');
             INSERT INTO run (id, organization_id, connection_id, kind, trigger, requested_by, apply_first, created_at)
             VALUES ('{run}', '{organization}', '{connection}', 'full', 'manual', 'ann', false, '2026-11-01');
             INSERT INTO run_fetch (run_id, attempt, state, delta, holder, lease_until, started_at, progress_at, pages)
             VALUES ('{run}', 2, 'fetched', false, 'one', '2026-11-01', '2026-11-01', '2026-11-01', 4);
             INSERT INTO run_plan (run_id, organization_id, connection_id, attempt, state, preview, rules_fingerprint, created_at)
             VALUES ('{run}', '{organization}', '{connection}', 2, 'applying', false, 0, '2026-11-01')"
        ))
        .await;
}

#[tokio::test]
async fn pages_without_decisions_are_not_waited_for() {
    let world = World::new().await;
    applying(&world).await;
    let mut connection = world.store.connection().await.unwrap();
    // Two pages of the listing change something; the page below 1 is of people not seen.
    for (number, decisions) in [(1, 3), (2, 0), (3, 0), (4, 1), (0_i32, 2)] {
        let page = Page {
            run: RUN,
            number,
            attempt: 2,
            source: Source::Listing,
            seen: vec![Uuid::from_u128(u128::from(number.unsigned_abs()))],
            skipped: Vec::new(),
            unusable: 0,
            decisions,
            fields: Vec::new(),
        };
        run_page::insert(&mut connection, &page, november(1))
            .await
            .unwrap();
    }
    let mut seen = Vec::new();
    loop {
        let view = run_view::find(&mut connection, organization::DEFAULT, RUN)
            .await
            .unwrap();
        let progress = view.unwrap().progress;
        assert_eq!((progress.pages_fetched, progress.pages_decided), (4, 4));
        seen.push((progress.pages_applied, progress.pages_to_apply));
        let pages = run_page::take_to_apply(&mut connection, RUN, 2).await.unwrap();
        if pages.is_empty() {
            break;
        }
        run_page::set_applied(&mut connection, RUN, &pages, november(1))
            .await
            .unwrap();
    }
    assert_eq!(seen, [(0, 3), (2, 3), (3, 3)]);
    assert!(!run_page::any_to_apply(&mut connection, RUN).await.unwrap());
}
