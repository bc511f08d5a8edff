//! Delta runs.

use std::collections::BTreeSet;

use contracts::bus::v1::Source;
use domain::attribute::Attribute;
use domain::observed::{Mention, Presence};
use entra_sim::{Effect, Fault, Settings, TenantOptions};
use serde_json::json;
use store::run::Kind;

use crate::pages::users;
use crate::world::World;

#[tokio::test]
async fn what_changed_comes_once_per_object() {
    let world = World::of(700).await;
    let _fetcher = world.fetcher().await;
    world.full_run().await;
    world.link_everyone().await;
    let all = world.tenant.users();
    let id = |number: usize| all[number].id.as_str();
    world.tenant.update(id(0), "city", json!("Ålesund")).unwrap();
    world.tenant.update(id(0), "department", json!(null)).unwrap();
    world.tenant.swap_principal_names(id(1), id(2)).unwrap();
    world.tenant.soft_delete(id(3)).unwrap();
    world.tenant.hard_delete(id(4)).unwrap();
    world.tenant.soft_delete(id(5)).unwrap();
    world.tenant.restore(id(5)).unwrap();
    world.tenant.set_manager(id(6), Some(id(7))).unwrap();
    world
        .tenant
        .fault(Fault::on("/v1.0/users/delta*", Effect::RelationRows));
    world
        .tenant
        .fault(Fault::on("/v1.0/users/delta*", Effect::EmptyPage).times(1));

    let run = world.request(Kind::Delta).await;
    let fetch = world.fetched(run).await;
    assert!(fetch.delta && fetch.proved && fetch.reason.is_none(), "{fetch:?}");
    let pages = world.read_pages(&fetch).await;
    assert_eq!(
        pages.iter().map(|page| page.users.len()).sum::<usize>(),
        users(&pages).len(),
        "once each"
    );
    let came = users(&pages);
    assert!(came.values().all(|came| came.source == Source::Delta));
    let changed: BTreeSet<&str> = (0..7).map(id).collect();
    assert!(changed.iter().all(|id| came.contains_key(*id)));
    // Who reported to somebody who is gone reports to nobody now; of them, nothing else is told.
    for (_, came) in came.iter().filter(|(id, _)| !changed.contains(id.as_str())) {
        assert_eq!(*came.user.mention(Attribute::Manager), Mention::Cleared);
    }

    let user = |number: usize| &came[id(number)].user;
    assert_eq!(user(0).value(Attribute::City), Some("Ålesund"));
    assert_eq!(*user(0).mention(Attribute::Department), Mention::Cleared);
    let name = |number: usize| all[number].attributes["userPrincipalName"].as_str();
    assert_eq!(user(1).value(Attribute::UserPrincipalName), name(2));
    assert_eq!(user(2).value(Attribute::UserPrincipalName), name(1));
    assert_eq!(user(3).presence, Presence::SoftDeleted);
    assert_eq!(user(4).presence, Presence::Gone);
    assert_eq!(user(5).presence, Presence::Present);
    assert_eq!(user(5).value(Attribute::UserPrincipalName), name(5));
    assert_eq!(user(6).value(Attribute::Manager), Some(id(7)));
    world.finish(run).await;

    let run = world.request(Kind::Delta).await;
    let fetch = world.fetched(run).await;
    assert!(
        fetch.delta && fetch.progress.pages == 0,
        "nothing more: {fetch:?}"
    );
    assert_ne!(world.link_of(&fetch), "");
}

#[tokio::test]
async fn rows_that_tell_a_part_are_completed() {
    let mut options = TenantOptions::generate(7, 300);
    options.settings = Settings {
        delta_changed_only: true,
        ..Settings::default()
    };
    let world = World::with(options).await;
    let _fetcher = world.fetcher().await;
    world.full_run().await;
    world.link_everyone().await;
    let all = world.tenant.users();
    world.tenant.update(&all[0].id, "city", json!("Ålesund")).unwrap();
    world.tenant.set_manager(&all[1].id, Some(&all[2].id)).unwrap();
    let run = world.request(Kind::Delta).await;
    let fetch = world.fetched(run).await;
    let came = users(&world.read_pages(&fetch).await);
    let user = &came[&all[0].id].user;
    assert_eq!(
        user.value(Attribute::UserPrincipalName),
        all[0].attributes["userPrincipalName"].as_str()
    );
    assert_eq!(user.value(Attribute::City), Some("Ålesund"));
    assert!(
        user.attributes
            .iter()
            .all(|mention| *mention != Mention::Unmentioned)
    );
    let manager = &came[&all[1].id].user;
    assert_eq!(manager.value(Attribute::Manager), Some(all[2].id.as_str()));
    assert_eq!(
        *manager.mention(Attribute::UserPrincipalName),
        Mention::Unmentioned,
        "not asked for"
    );
}

#[tokio::test]
async fn who_was_left_out_or_had_left_is_read_whole() {
    let world = World::of(300).await;
    let _fetcher = world.fetcher().await;
    world.full_run().await;
    world.link_everyone().await;
    let all = world.tenant.users();
    let [left_out, out_of_scope, left, here, purged] = [0, 1, 2, 3, 4].map(|number| all[number].id.as_str());
    for statement in [
        format!("UPDATE link SET account_id = NULL, skip = 1, status = 2 WHERE object_id = '{left_out}'"),
        format!("DELETE FROM link WHERE object_id = '{purged}'"),
        format!("UPDATE link SET status = 5 WHERE object_id = '{out_of_scope}'"),
        format!("UPDATE link SET status = 3 WHERE object_id = '{left}'"),
    ] {
        world.sql(&statement).await;
    }
    for id in [left_out, out_of_scope, left, here] {
        world.tenant.update(id, "city", json!("Ålesund")).unwrap();
    }
    world.tenant.hard_delete(purged).unwrap();
    world.tenant.forget_requests();
    let run = world.request(Kind::Delta).await;
    let fetch = world.fetched(run).await;
    let requests = world.tenant.requests();
    assert_eq!(requests.get("GET /v1.0/users"), Some(&1), "{requests:?}");
    let came = users(&world.read_pages(&fetch).await);
    let whole = |id: &str| {
        let mut attributes = came[id].user.attributes.iter();
        attributes.all(|mention| *mention != Mention::Unmentioned)
    };
    for id in [left_out, out_of_scope, left] {
        assert!(whole(id), "{:?}", came[id].user);
        assert_eq!(came[id].user.value(Attribute::City), Some("Ålesund"));
        let manager = world
            .tenant
            .users()
            .into_iter()
            .find(|user| user.id == id)
            .unwrap();
        let manager = manager
            .attributes
            .get("manager")
            .and_then(|manager| manager.as_str());
        assert_eq!(came[id].user.value(Attribute::Manager), manager);
    }
    assert_eq!(*came[here].user.mention(Attribute::Manager), Mention::Unmentioned);
    assert_eq!(came[purged].user.presence, Presence::Gone);
}

#[tokio::test]
async fn a_first_delta_reads_everything_and_says_why() {
    let world = World::of(60).await;
    let _fetcher = world.fetcher().await;
    let run = world.request(Kind::Delta).await;
    let fetch = world.fetched(run).await;
    assert!(!fetch.delta);
    assert_eq!(fetch.reason.as_deref(), Some("no full run has finished yet"));
    assert_eq!(users(&world.read_pages(&fetch).await).len(), 60);
}

#[tokio::test]
async fn every_resync_heals_itself_within_the_run() {
    let world = World::of(900).await;
    let _fetcher = world.fetcher().await;
    world.full_run().await;
    for user in world.tenant.users().iter().take(450) {
        world.tenant.update(&user.id, "city", json!("Bergen")).unwrap();
    }
    let resync = |gone| Fault::on("/v1.0/users/delta*", Effect::Resync { gone });
    let cases = [
        // At once, and in the middle of the round.
        (resync(true).query("$deltatoken=").times(1), "410"),
        (resync(false).query("$skiptoken").times(1), "syncStateNotFound"),
        (
            Fault::on("/v1.0/users/delta*", Effect::Loop)
                .query("$skiptoken")
                .times(2),
            "could not be read",
        ),
    ];
    for (fault, why) in cases {
        world.tenant.clear_faults();
        world.tenant.fault(fault);
        let run = world.request(Kind::Delta).await;
        let fetch = world.fetched(run).await;
        let reason = fetch.reason.clone().unwrap_or_default();
        assert!(
            reason.contains(why) || why == "410" && reason.contains("resync"),
            "{why}: {reason}"
        );
        assert!(!fetch.delta && fetch.proved && fetch.attempt == 2, "{fetch:?}");
        let pages = world.read_pages(&fetch).await;
        assert!(pages.iter().all(|page| page.source() != Source::Delta));
        assert_eq!(users(&pages).len(), 900 + world.tenant.deleted_users().len());
        // The cursor stays the old one, so that the next case has the same changes before it.
        world
            .sql(&format!(
                "INSERT INTO run_plan (run_id, organization_id, connection_id, attempt, state, preview,
                     rules_fingerprint, created_at)
                 SELECT id, organization_id, connection_id, 2, 'finished', false, 0, created_at
                 FROM run WHERE id = '{run}'"
            ))
            .await;
    }
}

#[tokio::test]
async fn an_old_cursor_and_changed_rules_are_told() {
    let world = World::of(60).await;
    let _fetcher = world.fetcher().await;
    world.full_run().await;
    let day = world
        .sql("SELECT cursor_taken_at - interval '8 days' FROM run_fetch LIMIT 1")
        .await;
    world
        .sql(&format!("UPDATE delta_cursor SET taken_at = '{}'", day.trim()))
        .await;
    let run = world.request(Kind::Delta).await;
    let fetch = world.fetched(run).await;
    assert_eq!(
        fetch.reason.as_deref(),
        Some("the delta token is 8 days old; they are believed for 7")
    );
    world.finish(run).await;

    let changed = world.now().to_rfc3339();
    world
        .sql(&format!(
            "UPDATE connection SET rules_changed_at = '{changed}',
                 rules_changed_why = 'mapping contoso-staff changed: field jobTitle'"
        ))
        .await;
    let run = world.request(Kind::Delta).await;
    let fetch = world.fetched(run).await;
    assert_eq!(
        fetch.reason.as_deref(),
        Some("mapping contoso-staff changed: field jobTitle")
    );
    world.finish(run).await;

    world.sql("UPDATE connection SET rules_changed_at = NULL").await;
    world.sql("UPDATE delta_cursor SET key_id = 'k0'").await;
    let run = world.request(Kind::Delta).await;
    let fetch = world.fetched(run).await;
    assert!(fetch.reason.unwrap().contains("k0"));
}
