//! Published answers of Graph and Entra, as they are: no simulator's idea of them is between (I1, R5, R6, C8).

use std::path::Path;

use contracts::v1::{NoticeKind, Outcome, RunKind, RunState};
use entra_sim::{Effect, Fault, Published};
use harness::register::field;
use harness::runs::{counts, tally};
use harness::world::World;

const DELTA: &str = "/v1.0/users/delta";
const DELETED: &str = "/v1.0/directory/deletedItems/microsoft.graph.user";

/// A sample, its links leading to our simulator.
fn sample(world: &World, name: &str) -> Effect {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
    let published = Published::of_file(name, &std::fs::read(path).unwrap());
    Effect::Published(published.rebased(&world.url()))
}

/// The documentation's tenant, imported: a room, an administrator, and one deleted.
async fn imported() -> World {
    let world = World::start().await;
    let two = Published {
        status: 200,
        headers: std::collections::BTreeMap::new(),
        body: b"2".to_vec(),
    };
    for (path, effect) in [
        ("/v1.0/users", sample(&world, "users-list-default.json")),
        ("/v1.0/users/$count", Effect::Published(two)),
        (DELETED, sample(&world, "deletedItems-users.json")),
    ] {
        world.tenant.fault(Fault::on(path, effect));
    }
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 2), (Outcome::Skipped, 1)],
        "{run:#?}"
    );
    assert_eq!(run.removals_note, "", "the count proves the listing: {run:#?}");
    let deleted = world
        .change_of(&run, "7e06b566-15f3-4013-8bf8-79874d52e68a")
        .await;
    assert_eq!(deleted.upn, "john@contoso.com", "without the object id before it");
    world
}

#[tokio::test]
async fn i1_the_documentation_s_listing() {
    let world = imported().await;
    let admin = world.account("admin").await;
    assert_eq!(
        (
            admin.name.as_str(),
            admin.email.as_str(),
            field(&admin, "phone"),
            field(&admin, "language")
        ),
        ("MOD Administrator", "", "425-555-0100", "en-US")
    );
    assert_eq!(
        world.account("Adams").await.object_id,
        "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0"
    );
}

#[tokio::test]
async fn r5_the_documentation_s_delta_round() {
    let world = imported().await;
    let pages = [
        ("$deltatoken", "users-delta-page1-nextlink-removed-deleted.json"),
        ("$skiptoken=oEBwdSP6", "users-delta-page2-nextlink.json"),
        ("$skiptoken=pqwSUjGY", "users-delta-final-deltalink.json"),
    ];
    for (query, name) in pages {
        world
            .tenant
            .fault(Fault::on(DELTA, sample(&world, name)).query(query).times(1));
    }
    let run = world.delta().await;
    assert_eq!(run.reason, "", "{run:#?}");
    // The room as it was; one removed and six of whom the answers tell too little, none of them known here.
    assert_eq!(counts(&run).seen, 8, "{run:#?}");
    assert_eq!(
        tally(&run),
        [(Outcome::Unchanged, 1), (Outcome::Skipped, 7)],
        "{run:#?}"
    );
    // Without a null the room keeps what it has.
    assert_eq!(world.account("Adams").await.email, "Adams@contoso.com");

    let nothing = sample(&world, "users-delta-nochanges.json");
    world
        .tenant
        .fault(Fault::on(DELTA, nothing).query("$deltatoken=oEcOySpF").times(1));
    let quiet = world.delta().await;
    assert_eq!(
        (quiet.reason.as_str(), counts(&quiet).seen),
        ("", 0),
        "{quiet:#?}"
    );

    let manager = sample(&world, "users-delta-manager-at-delta.json");
    world
        .tenant
        .fault(Fault::on(DELTA, manager).query("$deltatoken=MF1LuFYb").times(1));
    let run = world.delta().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 1), (Outcome::Skipped, 1)],
        "{run:#?}"
    );
    let grady = world.account("GradyA").await;
    assert_eq!(field(&grady, "office"), "19/2109");
    assert_eq!(
        field(&grady, "reportingTo"),
        "99789584-a1e1-4232-90e5-866170e3d4e7"
    );
}

#[tokio::test]
async fn r6_the_published_answer_to_an_expired_token() {
    let world = imported().await;
    let expired = sample(&world, "error-400-syncStateNotFound-directory.json");
    world.tenant.fault(Fault::on(DELTA, expired).times(1));
    let run = world.delta().await;
    assert!(run.reason.contains("syncStateNotFound"), "{run:#?}");
    assert_eq!(
        tally(&run),
        [(Outcome::Unchanged, 2), (Outcome::Skipped, 1)],
        "{run:#?}"
    );
}

#[tokio::test]
async fn b16_a_throttled_answer_that_names_no_cause_is_waited_for() {
    let world = imported().await;
    let busy = sample(&world, "error-429-unknownerror-legacy.json");
    world
        .tenant
        .fault(Fault::on("/v1.0/organization*", busy).times(1));
    let run = world.full().await;
    assert_eq!(run.progress.unwrap().throttle_waits, 1, "{run:#?}");
}

#[tokio::test]
async fn c8_the_published_answer_to_an_expired_secret() {
    let world = imported().await;
    let name = "token-401-invalid_client-7000222-expired-secret.json";
    world
        .tenant
        .fault(Fault::on("*/oauth2/v2.0/token", sample(&world, name)));
    let test = world.test_connection().await;
    assert_eq!(test.checks[0].cause, "expired_secret", "{test:#?}");
    world.tenant.revoke_tokens();
    let run = world.run_to_end(RunKind::Full).await;
    assert_eq!(run.state(), RunState::Failed);
    let notice = world.notice(&run.id, NoticeKind::RunFailed).await;
    assert!(notice.body.contains("make a new client secret"), "{notice:#?}");
}
