//! Full runs.

use std::collections::{BTreeMap, BTreeSet};

use contracts::bus::v1::Source;
use domain::attribute::Attribute;
use domain::observed::Presence;
use entra_sim::{AppChange, Corruption, Effect, Fault, Operation, RetryAfter, Settings, TenantOptions};
use serde_json::json;
use store::run::Kind;
use store::run_fetch::State;

use crate::pages::users;
use crate::world::World;

fn ids(snapshots: Vec<entra_sim::Snapshot>) -> BTreeSet<String> {
    snapshots.into_iter().map(|user| user.id).collect()
}

#[tokio::test]
async fn everyone_comes_with_proof_and_a_sealed_cursor() {
    let world = World::of(2_300).await;
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    let fetch = world.fetched(run).await;
    assert!(fetch.proved, "{:?}", fetch.unproved_reason);
    assert_eq!(
        (fetch.attempt, fetch.delta, fetch.reason.as_deref()),
        (1, false, None)
    );
    assert_eq!(fetch.expected, Some(2_300));
    assert!(
        fetch.progress.calls >= 8 && fetch.progress.resource_units > 0,
        "{:?}",
        fetch.progress
    );

    let came = users(&world.read_pages(&fetch).await);
    let of = |source| -> BTreeSet<String> {
        came.iter()
            .filter(|(_, came)| came.source == source)
            .map(|(id, _)| id.clone())
            .collect()
    };
    assert_eq!(of(Source::Listing), ids(world.tenant.users()));
    assert_eq!(of(Source::DeletedItems), ids(world.tenant.deleted_users()));
    for snapshot in world.tenant.users() {
        let user = &came[&snapshot.id].user;
        for (attribute, name) in [
            (Attribute::DisplayName, "displayName"),
            (Attribute::Manager, "manager"),
        ] {
            let expected = snapshot.attributes.get(name).and_then(|value| value.as_str());
            assert_eq!(user.value(attribute), expected, "{name} of {}", snapshot.id);
        }
    }
    assert!(came.values().all(|came| came.user.problem.is_none()));
    let deleted = came
        .values()
        .find(|came| came.source == Source::DeletedItems)
        .unwrap();
    assert_eq!(deleted.user.presence, Presence::SoftDeleted);

    let link = world.link_of(&fetch);
    assert!(
        link.starts_with(&world.simulator.url()) && link.contains("$deltatoken="),
        "{link}"
    );
    let stored = String::from_utf8_lossy(&fetch.cursor.unwrap().ciphertext).into_owned();
    assert!(!stored.contains("deltatoken"));
    let state = world
        .sql("SELECT passed, display_name, verified_domains[1] FROM connection_status")
        .await;
    assert_eq!(state.trim(), "t|Contoso|contoso.com");
    assert!(
        world
            .bus
            .consume(bus::consumers::RECONCILER_FETCHED)
            .await
            .is_ok()
    );
    let log = world.log_text();
    assert!(
        !log.contains("demo-secret") && !log.contains("deltatoken"),
        "{log}"
    );
}

#[tokio::test]
async fn a_cut_listing_proves_nothing_and_says_so() {
    let world = World::of(2_300).await;
    world.tenant.fault(
        Fault::on("/v1.0/users", Effect::Truncated)
            .query("$skiptoken")
            .times(1),
    );
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    let fetch = world.fetched(run).await;
    assert!(!fetch.proved);
    let reason = fetch.unproved_reason.unwrap();
    assert!(
        reason.contains("1998 users") && reason.contains("2300"),
        "{reason}"
    );
}

#[tokio::test]
async fn repeats_of_the_last_page_hide_no_cut() {
    let world = World::of(3_100).await;
    world
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::Duplicates { rows: 900 }));
    world.tenant.fault(
        Fault::on("/v1.0/users", Effect::Truncated)
            .query("$skiptoken")
            .after(1)
            .times(1),
    );
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    let fetch = world.fetched(run).await;
    assert!(!fetch.proved, "{fetch:?}");
}

#[tokio::test]
async fn an_expired_page_link_begins_the_listing_anew() {
    let world = World::of(3_200).await;
    let expired = Effect::Status {
        status: 400,
        code: Some("Directory_ExpiredPageToken".into()),
        message: None,
        retry_after: None,
    };
    world.tenant.fault(
        Fault::on("/v1.0/users", expired)
            .query("$skiptoken")
            .after(2)
            .times(1),
    );
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    let fetch = world.fetched(run).await;
    assert!(fetch.proved && fetch.attempt == 2, "{fetch:?}");
    let came = users(&world.read_pages(&fetch).await);
    assert_eq!(
        came.len(),
        world.tenant.users().len() + world.tenant.deleted_users().len()
    );
}

#[tokio::test]
async fn a_page_that_breaks_off_is_read_again_but_not_for_ever() {
    let world = World::of(1_200).await;
    world.tenant.fault(
        Fault::on("/v1.0/users", Effect::MalformedJson)
            .query("$skiptoken")
            .times(1),
    );
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    let fetch = world.fetched(run).await;
    assert_eq!(fetch.attempt, 2);
    world.finish(run).await;

    world
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::MalformedJson).query("$skiptoken"));
    let run = world.request(Kind::Full).await;
    let fetch = world.ended(run).await;
    assert_eq!(fetch.state, State::Failed);
    let error = fetch.error.unwrap();
    assert!(
        error.contains("broke off 6 times") && error.contains("request-id"),
        "{error}"
    );
}

#[tokio::test]
async fn throttling_and_outages_are_waited_out_and_counted() {
    let world = World::of(1_200).await;
    let throttled = Effect::Status {
        status: 429,
        code: None,
        message: None,
        retry_after: Some(RetryAfter::Seconds(1)),
    };
    world
        .tenant
        .fault(Fault::on("/v1.0/users", throttled).query("$skiptoken").times(1));
    world
        .tenant
        .fault(Fault::on("/v1.0/directory/*", Effect::CutBody).times(1));
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    let fetch = world.fetched(run).await;
    assert!(fetch.proved && fetch.attempt == 1);
    assert_eq!(fetch.progress.waits, 2);
    assert!(fetch.progress.wait_ms >= 1_000);
}

#[tokio::test]
async fn each_failure_has_its_cause_and_next_step() {
    let world = World::of(50).await;
    let _fetcher = world.fetcher().await;
    let cases: [(AppChange, &str, &str); 4] = [
        (
            AppChange {
                secret: Some("another".into()),
                ..AppChange::default()
            },
            "wrong_secret",
            "copy the secret's Value",
        ),
        (
            AppChange {
                secret: Some("demo-secret-value~not-a-guid".into()),
                secret_expires_in_seconds: Some(-5),
                ..AppChange::default()
            },
            "expired_secret",
            "make a new client secret",
        ),
        (
            AppChange {
                secret: Some("demo-secret-value~not-a-guid".into()),
                disabled: Some(true),
                ..AppChange::default()
            },
            "app_disabled",
            "switch on",
        ),
        (
            AppChange {
                disabled: Some(false),
                roles: Some(vec![]),
                ..AppChange::default()
            },
            "missing_permission",
            "grant admin consent",
        ),
    ];
    for (change, cause, next_step) in cases {
        world.tenant.change_app(change);
        let run = world.request(Kind::Full).await;
        let fetch = world.ended(run).await;
        assert_eq!(
            (fetch.state, fetch.cause.as_deref()),
            (State::Failed, Some(cause)),
            "{fetch:?}"
        );
        let error = fetch.error.unwrap();
        assert!(
            error.contains(next_step) && !error.contains("demo-secret"),
            "{error}"
        );
        assert_eq!(fetch.progress.pages, 0);
        let state = world.sql("SELECT passed FROM connection_status").await;
        assert_eq!(state.trim(), "f", "{cause}");
    }
}

#[tokio::test]
async fn deleted_items_that_may_not_be_read_fail_the_run() {
    let world = World::of(50).await;
    let denied = Effect::Status {
        status: 403,
        code: None,
        message: None,
        retry_after: None,
    };
    world.tenant.fault(Fault::on("/v1.0/directory/*", denied));
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    let fetch = world.ended(run).await;
    assert_eq!(fetch.cause.as_deref(), Some("missing_permission"));
    assert!(fetch.error.unwrap().contains("User.Read.All"));
    let failing = world
        .sql("SELECT checks -> -1 ->> 'name' FROM connection_status")
        .await;
    assert_eq!(failing.trim(), "deleted users");
}

#[tokio::test]
async fn another_tenants_directory_is_not_read() {
    let world = World::of(50).await;
    // The sign-in goes to the tenant of the simulator, whatever the connection says.
    world
        .sql(&format!(
            "UPDATE connection SET tenant_id = '{}', token_url = '{}/{}/oauth2/v2.0/token', updated_at = '{}'",
            uuid::Uuid::from_u128(5),
            world.simulator.url(),
            world.tenant.id(),
            world.now().to_rfc3339()
        ))
        .await;
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    let fetch = world.ended(run).await;
    assert_eq!(fetch.cause.as_deref(), Some("wrong_tenant"), "{fetch:?}");
    assert!(
        !world
            .tenant
            .requests()
            .keys()
            .any(|request| request.contains("/users")),
        "nothing of it was read"
    );
}

#[tokio::test]
async fn bad_records_fail_alone() {
    let world = World::of(40).await;
    // Nobody's manager: who reports to a user without an id has a bad record, too.
    let mut all = world.tenant.users();
    let managers: BTreeSet<String> = all
        .iter()
        .filter_map(|user| Some(user.attributes.get("manager")?.as_str()?.to_owned()))
        .collect();
    all.retain(|user| !managers.contains(&user.id));
    let corruptions = [
        Corruption::WrongTypes,
        Corruption::Huge { bytes: 2_000_000 },
        Corruption::ManyAliases { count: 10_000 },
        Corruption::ControlCharacters,
        Corruption::LoneSurrogate,
        Corruption::NotUtf8,
        Corruption::BadId,
        Corruption::NoId,
    ];
    for (user, corruption) in all.iter().zip(corruptions) {
        let corrupt = Operation::Corrupt {
            user: user.id.clone(),
            corruption,
        };
        world.tenant.apply(&corrupt).unwrap();
    }
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    let fetch = world.fetched(run).await;
    let pages = world.read_pages(&fetch).await;
    let unusable: Vec<&String> = pages.iter().flat_map(|page| &page.unusable).collect();
    assert_eq!(unusable.len(), 2, "{unusable:?}");
    let came = users(&pages);
    let broken: BTreeMap<&String, &str> = came
        .iter()
        .filter_map(|(id, came)| Some((id, came.user.problem.as_deref()?)))
        .collect();
    let expected: Vec<&String> = all[..6].iter().map(|user| &user.id).collect();
    assert_eq!(broken.len(), expected.len(), "{broken:#?}");
    assert!(expected.iter().all(|id| broken.contains_key(id)), "{broken:#?}");
}

#[tokio::test]
async fn a_tenant_without_delta_is_read_without_a_cursor() {
    let mut options = TenantOptions::generate(7, 50);
    options.settings = Settings {
        tenant_type: "AAD B2C".into(),
        ..Settings::default()
    };
    let world = World::with(options).await;
    let _fetcher = world.fetcher().await;
    let run = world.full_run().await;
    let fetch = world.fetch(run).await.unwrap();
    assert!(fetch.proved && fetch.cursor.is_none());
    let delta = world.request(Kind::Delta).await;
    let fetch = world.fetched(delta).await;
    assert_eq!(fetch.reason.as_deref(), Some("the tenant offers no delta"));
}

#[tokio::test]
async fn an_empty_directory_proves_nothing() {
    let world = World::of(1).await;
    let only = world.tenant.users().remove(0);
    world.tenant.hard_delete(&only.id).unwrap();
    assert_eq!(json!(world.tenant.counts().live), json!(0));
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    let fetch = world.fetched(run).await;
    assert!(fetch.unproved_reason.unwrap().contains("nobody"));
}
