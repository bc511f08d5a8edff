//! What metrics are made of.

use chrono::{DateTime, Utc};
use rollcall_store::figures::{self, Figures};

use crate::world::{World, november};

/// Ids of connections: the nth.
fn id(n: u8) -> String {
    format!("00000000-0000-0000-0000-0000000000{n:02}")
}

async fn load(world: &World, now: DateTime<Utc>) -> Figures {
    let mut connection = world.store.connection().await.unwrap();
    figures::load(&mut connection, now).await.unwrap()
}

async fn credential(world: &World, n: u8, rest: &str, values: &str) {
    let id = id(n);
    world
        .sql(&format!(
            "INSERT INTO credential (id, name, tenant_id, client_id, created_at, updated_at, {rest})
             VALUES ('{id}', 'credential {n}', '{id}', '{id}', '2026-11-01', '2026-11-01', {values})"
        ))
        .await;
}

async fn connection(world: &World, n: u8, credential: Option<u8>, disconnected: bool) {
    let (id, organization) = (id(n), rollcall_store::organization::DEFAULT);
    let credential = credential.map_or_else(|| "NULL".to_owned(), |of| format!("'{}'", self::id(of)));
    let disconnected = if disconnected { "'2026-11-02'" } else { "NULL" };
    world
        .sql(&format!(
            "INSERT INTO connection (id, organization_id, name, tenant_id, credential_id, cloud, leaver_disabled,
                 leaver_soft_deleted, leaver_gone, leaver_out_of_scope, brake_percent, brake_count, brake_from, first_run,
                 disconnected_at, created_at, updated_at)
             VALUES ('{id}', '{organization}', 'connection {n}', '{id}', {credential}, 'global', 'nothing', 'nothing',
                 'nothing', 'nothing', 10, 50, 20, 'apply', {disconnected}, '2026-11-01', '2026-11-01')"
        ))
        .await;
}

async fn schedule(world: &World, n: u8, next_delta: &str) {
    let (id, organization) = (id(n), rollcall_store::organization::DEFAULT);
    world
        .sql(&format!(
            "INSERT INTO schedule (id, organization_id, connection_id, name, is_on, frequency_detail, time_zone, delta_on,
                 delta_hours, deprovision_on, deprovision_at, revision, created_at, updated_at)
             VALUES ('{id}', '{organization}', '{id}', 'schedule {n}', false, '', 'UTC', true, 4, false, '02:00', {n},
                 '2026-11-01T12:00Z', '2026-11-01');
             INSERT INTO schedule_state (schedule_id, organization_id, connection_id, revision, planned_at, full_key,
                 delta_slot, delta_due, delta_key, deprovision_key)
             VALUES ('{id}', '{organization}', '{id}', {n}, '2026-11-01', '', {next_delta}, {next_delta}, '', '')"
        ))
        .await;
}

/// A run of the connection that ended at `ended`.
async fn run(world: &World, n: u8, of: u8, kind: &str, state: &str, ended: &str) {
    let (id, connection) = (id(n), id(of));
    let organization = rollcall_store::organization::DEFAULT;
    world
        .sql(&format!(
            "INSERT INTO run (id, organization_id, connection_id, kind, trigger, requested_by, apply_first, created_at)
             VALUES ('{id}', '{organization}', '{connection}', '{kind}', 'a test', 'a test', false, '2026-11-01');
             INSERT INTO run_plan (run_id, organization_id, connection_id, attempt, state, preview, rules_fingerprint,
                 created_at, ended_at)
             VALUES ('{id}', '{organization}', '{connection}', 1, '{state}', false, 0, '2026-11-01', {ended});
             INSERT INTO run_fetch (run_id, attempt, state, delta, holder, lease_until, started_at, progress_at)
             VALUES ('{id}', 1, 'fetched', true, 'a test', '2026-11-01', '2026-11-01', '2026-11-01')"
        ))
        .await;
}

#[tokio::test]
async fn of_an_empty_register_everything_is_nothing() {
    let world = World::new().await;
    assert_eq!(load(&world, november(9)).await, Figures::default());
}

#[tokio::test]
async fn connections_are_told_by_how_they_fare() {
    let world = World::new().await;
    for n in 1..=5 {
        connection(&world, n, None, n == 5).await;
    }
    for (n, since, next) in [
        (2, "NULL", "NULL"),
        (3, "'2026-11-02'", "'2026-11-03'"),
        (4, "'2026-11-02'", "'2026-11-03'"),
    ] {
        world
            .sql(&format!(
                "INSERT INTO connection_health (connection_id, failures, quarantined_since, cause, reason, next_try_at,
                     considered_at)
                 VALUES ('{}', 1, {since}, 'wrong_secret', '', {next}, '2026-11-02')",
                id(n)
            ))
            .await;
    }
    // A person released the fourth.
    world
        .sql(&format!(
            "UPDATE connection SET released_at = '2026-11-04' WHERE id = '{}'",
            id(4)
        ))
        .await;
    let figures = load(&world, november(9)).await;
    assert_eq!(
        (figures.connections, figures.failing, figures.quarantined),
        (4, 1, 1)
    );
}

#[tokio::test]
async fn of_two_secrets_the_one_that_is_good_for_longer_counts() {
    let world = World::new().await;
    let sealed = "secret_key_id, secret_ciphertext, secret_id, expires_on";
    let next = "next_secret_key_id, next_secret_ciphertext, next_secret_id, next_expires_on";
    let secret = |n: u8, day: &str| format!("'k', '\\x00', '{}', {day}", id(n));
    let both = format!("{sealed}, {next}");
    let with = format!("{}, {}", secret(11, "'2026-11-12'"), secret(12, "'2026-11-20'"));
    credential(&world, 1, &both, &with).await;
    // The directory knows better than who entered it.
    credential(&world, 2, sealed, &secret(21, "'2026-11-10'")).await;
    world
        .sql(&format!(
            "INSERT INTO credential_expiry (credential_id, looked_at, secret_id, expires_at)
             VALUES ('{}', '2026-11-01', '{}', '2026-11-25T12:00Z')",
            id(2),
            id(21)
        ))
        .await;
    // Nobody signs in with it.
    credential(&world, 3, sealed, &secret(31, "'2026-11-05'")).await;
    connection(&world, 1, Some(1), false).await;
    connection(&world, 2, Some(2), false).await;
    connection(&world, 3, Some(3), true).await;
    let next = load(&world, november(9)).await.next_expiry.unwrap();
    assert_eq!(next.to_rfc3339(), "2026-11-20T00:00:00+00:00");
}

#[tokio::test]
async fn a_connection_is_overdue_from_the_first_time_without_success_since() {
    let world = World::new().await;
    connection(&world, 1, None, false).await;
    schedule(&world, 1, "'2026-11-09T16:00Z'").await;
    // Never ran: as old as its schedule, and not due yet.
    let figures = load(&world, november(9)).await;
    assert_eq!(figures.oldest_success, Some(november(1)));
    assert_eq!(figures.overdue_since, None);

    run(&world, 41, 1, "delta", "finished", "'2026-11-07T12:00Z'").await;
    // Neither says that the register is in step.
    run(&world, 42, 1, "manual", "finished", "'2026-11-08T12:00Z'").await;
    run(&world, 43, 1, "delta", "failed", "'2026-11-08T12:00Z'").await;
    let figures = load(&world, november(9)).await;
    assert_eq!(figures.oldest_success, Some(november(7)));

    let slots = format!(
        "INSERT INTO schedule_slot (schedule_id, kind, slot, organization_id, claimed_at, missed, skipped)
         SELECT '{}', 'delta', at::timestamptz, '{}', at::timestamptz + interval '1 minute', 0, 'it is in quarantine'
         FROM unnest(ARRAY['2026-11-06T12:00Z', '2026-11-08T12:00Z', '2026-11-08T16:00Z']) AS at",
        id(1),
        rollcall_store::organization::DEFAULT
    );
    world.sql(&slots).await;
    let late = load(&world, november(9)).await.overdue_since.unwrap();
    assert_eq!(late.to_rfc3339(), "2026-11-08T12:01:00+00:00");
    // A time that nobody has taken counts too.
    run(&world, 44, 1, "full", "finished", "'2026-11-08T20:00Z'").await;
    assert_eq!(load(&world, november(9)).await.overdue_since, None);
    let late = load(&world, november(10)).await.overdue_since.unwrap();
    assert_eq!(late.to_rfc3339(), "2026-11-09T16:00:00+00:00");
}

#[tokio::test]
async fn only_tokens_from_which_a_delta_goes_on_grow_old() {
    let world = World::new().await;
    for (n, taken) in [(1, 3), (2, 5)] {
        connection(&world, n, None, false).await;
        world
            .sql(&format!(
                "INSERT INTO delta_cursor (connection_id, resource, key_id, ciphertext, taken_at, selection, run_id, full_at)
                 VALUES ('{id}', 'users', 'k', '\\x00', '2026-11-0{taken}T12:00Z', '', '{id}', '2026-11-01')",
                id = id(n)
            ))
            .await;
    }
    schedule(&world, 2, "'2026-11-09T16:00Z'").await;
    assert_eq!(load(&world, november(9)).await.oldest_cursor, Some(november(5)));
}
