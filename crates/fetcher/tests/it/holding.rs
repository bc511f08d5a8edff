//! Who holds a run: one reader at a time, one run of a connection at a time, and no run without a reader.

use std::time::Duration;

use entra_sim::{Effect, Fault};
use store::run::Kind;
use store::run_fetch::State;
use tokio::time::Instant;

use crate::pages::users;
use crate::world::World;

const SLOW: Effect = Effect::Delay { milliseconds: 700 };

#[tokio::test]
async fn a_killed_fetcher_is_followed_by_another() {
    let world = World::of(3_000).await;
    world
        .tenant
        .fault(Fault::on("/v1.0/users", SLOW).query("$skiptoken"));
    let mut first = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    world.fetch_where(run, |fetch| fetch.progress.pages > 0).await;
    first.kill().await;
    assert_eq!(world.fetch(run).await.unwrap().state, State::Fetching);
    let _second = world.fetcher().await;
    let fetch = world.fetched(run).await;
    assert_eq!(fetch.attempt, 2);
    let came = users(&world.read_pages(&fetch).await);
    assert_eq!(came.len(), 3_000 + world.tenant.deleted_users().len());
}

#[tokio::test]
async fn a_stopped_fetcher_lets_its_runs_go_at_once() {
    let world = World::of(3_000).await;
    world
        .tenant
        .fault(Fault::on("/v1.0/users", SLOW).query("$skiptoken"));
    let long = [("ROLLCALL_FETCH__LEASE_SECONDS", "600")];
    let mut first = world.fetcher_with(&long).await;
    let run = world.request(Kind::Full).await;
    world.fetch_where(run, |fetch| fetch.progress.calls > 3).await;
    let status = first.stop().await;
    assert!(status.success(), "{status}\n{}", world.log_text());
    let _second = world.fetcher_with(&long).await;
    let fetch = world.fetched(run).await;
    assert_eq!(fetch.attempt, 2, "long before the lease ran out");
}

#[tokio::test]
async fn a_run_taken_over_is_left_by_its_reader() {
    let world = World::of(3_000).await;
    world
        .tenant
        .fault(Fault::on("/v1.0/users", SLOW).query("$skiptoken"));
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    world.fetch_where(run, |fetch| fetch.progress.calls > 3).await;
    world
        .sql("UPDATE run_fetch SET attempt = 7, holder = 'other', lease_until = '2100-01-01T00:00:00Z'")
        .await;
    crate::world::until("it is left", async || {
        world.log_text().contains("no longer held here").then_some(())
    })
    .await;
    let fetch = world.fetch(run).await.unwrap();
    assert_eq!((fetch.state, fetch.holder.as_str()), (State::Fetching, "other"));
}

#[tokio::test]
async fn a_cancelled_run_ends_within_a_second() {
    let world = World::of(3_000).await;
    let minute = Effect::Delay { milliseconds: 60_000 };
    world
        .tenant
        .fault(Fault::on("/v1.0/users", minute).query("$skiptoken"));
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    world.fetch_where(run, |fetch| fetch.progress.calls > 3).await;
    let waiting = world.add_run(Kind::Full).await;
    let asked = Instant::now();
    world.cancel(run).await;
    let fetch = world.ended(run).await;
    assert_eq!(fetch.state, State::Cancelled);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    // The next one waits for a reader now; nobody has to read it for it to be cancelled.
    world.cancel(waiting).await;
    assert_eq!(world.ended(waiting).await.state, State::Cancelled);
}

#[tokio::test]
async fn a_connections_runs_come_one_after_the_other() {
    let world = World::of(60).await;
    let _fetchers = (world.fetcher().await, world.fetcher().await);
    let first = world.request(Kind::Full).await;
    let second = world.request(Kind::Full).await;
    let third = world.request(Kind::Full).await;
    world.cancel(third).await;
    world.fetched(first).await;
    assert_eq!(
        world.ended(third).await.state,
        State::Cancelled,
        "it need not wait for its turn"
    );
    assert_eq!(
        world.fetch(second).await,
        None,
        "the first one is not planned yet"
    );
    world.finish(first).await;
    assert_eq!(world.fetched(second).await.attempt, 1);
}

#[tokio::test]
async fn lost_pages_are_read_again_and_then_given_up() {
    let world = World::of(60).await;
    let settings = [
        ("ROLLCALL_FETCH__STALL_SECONDS", "1"),
        ("ROLLCALL_FETCH__MAX_ATTEMPTS", "2"),
    ];
    let _fetcher = world.fetcher_with(&settings).await;
    let run = world.request(Kind::Full).await;
    let fetch = world.fetched(run).await;
    let mut pages = world.pages().await;
    // Taken off the bus, and not decided by anybody.
    pages.take(run, 1, fetch.progress.pages).await;
    let again = world
        .fetch_where(run, |fetch| fetch.attempt == 2 && fetch.state == State::Fetched)
        .await;
    pages.take(run, 2, again.progress.pages).await;
    let given_up = world.fetch_where(run, |fetch| fetch.state == State::Failed).await;
    assert_eq!(given_up.cause.as_deref(), Some("pages_lost"));
    assert!(given_up.error.unwrap().contains("2 times"));
}

#[tokio::test]
async fn pages_that_wait_for_a_reconciler_are_not_lost() {
    let world = World::of(60).await;
    let _fetcher = world
        .fetcher_with(&[("ROLLCALL_FETCH__STALL_SECONDS", "1")])
        .await;
    // The queue is there, but nobody takes anything out of it.
    drop(world.pages().await);
    let first = world.request(Kind::Full).await;
    world.fetched(first).await;
    crate::world::until("it was looked for lost pages twice", async || {
        let looks = world.log_text().matches("pages wait for a reconciler").count();
        (looks >= 2).then_some(())
    })
    .await;
    assert_eq!(world.fetch(first).await.unwrap().attempt, 1);
}

#[tokio::test]
async fn a_broker_and_a_database_that_go_away_for_a_moment_stop_no_run() {
    let mut world = World::of(4_000).await;
    world
        .tenant
        .fault(Fault::on("/v1.0/users", SLOW).query("$skiptoken"));
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    world.fetch_where(run, |fetch| fetch.progress.pages > 0).await;
    world.nats.kill();
    world
        .sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    world.nats.restart().await.unwrap();
    let fetch = world.fetched(run).await;
    assert_eq!(fetch.attempt, 1);
    let came = users(&world.read_pages(&fetch).await);
    assert_eq!(came.len(), 4_000 + world.tenant.deleted_users().len());
}
