//! Delta runs: what has changed since, at a cost proportional to it (R5), and healing by a full run (R6).

use contracts::v1::{AccountStatus, Outcome, Run, RunKind, RunState};
use entra_sim::{Effect, Fault, Operation, RetryAfter, Tenant};
use harness::people::{crowd, hire, hire_many};
use harness::register::field;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::{Value, json};

const DELTA: &str = "/v1.0/users/delta";

/// So many people, all of them in the register.
async fn settled(people: usize) -> (World, Vec<String>) {
    let world = World::start().await;
    let ids = hire_many(&world.tenant, people);
    world.full().await;
    (world, ids)
}

/// A delta that read changes, not everything.
async fn delta(world: &World) -> Run {
    let run = world.delta().await;
    assert_eq!(run.reason, "", "{run:#?}");
    world.check_register().await;
    run
}

#[tokio::test]
async fn r5_new_and_changed_users_arrive_and_nobody_else_is_looked_at() {
    let (world, ids) = settled(12).await;
    world
        .tenant
        .update(&ids[3], "department", json!("Legal"))
        .unwrap();
    hire(&world.tenant, "new", json!({"department": "Sales"}));
    world.tenant.disable(&ids[5]).unwrap();
    world.tenant.soft_delete(&ids[6]).unwrap();
    let run = delta(&world).await;
    assert_eq!(counts(&run).seen, 4, "{run:#?}");
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 1), (Outcome::Updated, 1), (Outcome::Removed, 2)],
        "{run:#?}"
    );
    let nothing = delta(&world).await;
    assert_eq!(counts(&nothing).seen, 0, "{nothing:#?}");
}

#[tokio::test]
async fn r5_the_cost_follows_the_changes_and_not_the_tenant() {
    let mut costs = Vec::new();
    for people in [30, 600] {
        let world = World::of(crowd(people), "", "includeDisabled: true").await;
        world.full().await;
        world.tenant.apply(&Operation::ChangeMany { count: 10 }).unwrap();
        world.tenant.forget_requests();
        let run = delta(&world).await;
        assert_eq!(counts(&run).seen, 10, "{run:#?}");
        let requests = world.tenant.requests();
        assert_eq!(requests.get("GET /v1.0/users"), None, "no listing: {requests:?}");
        costs.push((requests.values().sum::<u64>(), run.progress.unwrap().graph_calls));
    }
    assert_eq!(costs[0], costs[1], "requests, calls");
}

#[tokio::test]
async fn r5_a_row_that_tells_only_what_changed_leaves_the_rest_alone() {
    let (world, ids) = settled(4).await;
    world.tenant.set(|settings| settings.delta_changed_only = true);
    let with = json!({"department": "Legal", "city": "Oslo", "jobTitle": "Clerk"});
    let ann = hire(&world.tenant, "ann", with);
    delta(&world).await;
    // Unmentioned, cleared, new: three different things.
    world.tenant.update(&ann, "department", Value::Null).unwrap();
    world.tenant.update(&ann, "city", json!("Bergen")).unwrap();
    world.tenant.update(&ids[0], "jobTitle", json!("Lead")).unwrap();
    delta(&world).await;
    let account = world.account("ann").await;
    let values = ["department", "city", "jobTitle"].map(|name| field(&account, name).to_owned());
    assert_eq!(values, ["", "Bergen", "Clerk"]);
}

/// Changes of every kind, all of which a round of many small pages has to tell.
fn stir(tenant: &std::sync::Arc<Tenant>, ids: &[String]) {
    tenant.set(|settings| settings.delta_page_size = 3);
    for (number, id) in ids.iter().enumerate().take(8) {
        tenant
            .update(id, "department", json!(format!("Dept {number}")))
            .unwrap();
    }
    let new = hire(tenant, "fresh", json!({"department": "Sales"}));
    tenant.set_manager(&ids[0], Some(&new)).unwrap();
    tenant.swap_principal_names(&ids[1], &ids[2]).unwrap();
    tenant.disable(&ids[3]).unwrap();
    tenant.soft_delete(&ids[4]).unwrap();
    tenant.soft_delete(&ids[5]).unwrap();
    tenant.restore(&ids[5]).unwrap();
    tenant.update(&ids[6], "department", json!("Twice")).unwrap();
    tenant.update(&ids[7], "department", Value::Null).unwrap();
}

/// Whatever way the same changes are told, the register ends the same.
async fn told(name: &str, faults: Vec<Fault>) {
    let (world, ids) = settled(12).await;
    stir(&world.tenant, &ids);
    for fault in faults {
        world.tenant.fault(fault);
    }
    let run = delta(&world).await;
    assert_eq!(counts(&run).seen, 9, "{name}: {run:#?}");
    // One had a department for a moment only.
    let outcomes = [
        (Outcome::Added, 1),
        (Outcome::Updated, 5),
        (Outcome::Unchanged, 1),
        (Outcome::Removed, 2),
    ];
    assert_eq!(tally(&run), outcomes, "{name}: {run:#?}");
}

#[tokio::test]
async fn r5_a_round_of_many_pages() {
    told("as it is", vec![]).await;
}

#[tokio::test]
async fn r5_duplicates_within_a_round_count_once() {
    told(
        "duplicates",
        vec![Fault::on(DELTA, Effect::Duplicates { rows: 2 })],
    )
    .await;
}

#[tokio::test]
async fn r5_empty_pages_are_no_end() {
    told(
        "empty pages",
        vec![Fault::on(DELTA, Effect::EmptyPage).after(1).times(2)],
    )
    .await;
}

#[tokio::test]
async fn r5_rows_in_any_order() {
    told("reversed", vec![Fault::on(DELTA, Effect::Reversed)]).await;
}

#[tokio::test]
async fn r5_managers_in_rows_of_their_own() {
    told("relation rows", vec![Fault::on(DELTA, Effect::RelationRows)]).await;
}

#[tokio::test]
async fn r5_links_behind_the_rows() {
    told("links last", vec![Fault::on(DELTA, Effect::LinkLast)]).await;
}

#[tokio::test]
async fn r5_what_was_told_before_is_told_again_and_changes_nothing() {
    let (world, ids) = settled(6).await;
    world
        .tenant
        .update(&ids[0], "department", json!("Legal"))
        .unwrap();
    delta(&world).await;
    world
        .tenant
        .update(&ids[1], "department", json!("Sales"))
        .unwrap();
    world
        .tenant
        .fault(Fault::on(DELTA, Effect::Replay { changes: 4 }).times(1));
    let run = delta(&world).await;
    assert_eq!(counts(&run).updated, 1, "{run:#?}");
    assert!(counts(&run).seen >= 2, "some came again: {run:#?}");
}

#[tokio::test]
async fn r5_two_who_take_each_other_s_name_in_one_round() {
    let (world, ids) = settled(5).await;
    let before = (world.account("p01").await, world.account("p02").await);
    world.tenant.swap_principal_names(&ids[0], &ids[1]).unwrap();
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Updated, 2)], "{run:#?}");
    let after = (world.account("p01").await, world.account("p02").await);
    assert_eq!((after.0.id, after.1.id), (before.1.id, before.0.id));
}

#[tokio::test]
async fn r5_a_chain_of_names_moves_up_in_one_round() {
    let (world, ids) = settled(5).await;
    for (id, name) in [(&ids[0], "p00"), (&ids[1], "p01"), (&ids[2], "p02")] {
        world
            .tenant
            .update(id, "userPrincipalName", json!(format!("{name}@contoso.com")))
            .unwrap();
    }
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Updated, 3)], "{run:#?}");
    assert_eq!(world.account("p01").await.object_id, ids[1]);
}

#[tokio::test]
async fn r5_a_manager_who_comes_later() {
    let (world, ids) = settled(3).await;
    let boss = hire(&world.tenant, "boss", json!({"accountEnabled": false}));
    world.tenant.set_manager(&ids[0], Some(&boss)).unwrap();
    delta(&world).await;
    assert_eq!(
        world.account("p01").await.reporting_to,
        "",
        "the boss is not brought in yet"
    );
    world.tenant.enable(&boss).unwrap();
    delta(&world).await;
    assert_eq!(
        world.account("p01").await.reporting_to,
        world.account("boss").await.id
    );
    world.tenant.set_manager(&ids[0], None).unwrap();
    delta(&world).await;
    assert_eq!(world.account("p01").await.reporting_to, "");
}

#[tokio::test]
async fn r5_who_comes_in_by_a_delta_has_a_manager() {
    let world = World::start().await;
    let boss = hire(&world.tenant, "boss", json!({}));
    let away = json!({"accountEnabled": false, "department": "Sales"});
    let left_out = ["left1", "left2"].map(|login| hire(&world.tenant, login, away.clone()));
    let binned = hire(&world.tenant, "binned", json!({}));
    let here = hire(&world.tenant, "here", json!({}));
    for id in left_out.iter().chain([&binned, &here]) {
        world.tenant.set_manager(id, Some(&boss)).unwrap();
    }
    world.tenant.soft_delete(&binned).unwrap();
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 2), (Outcome::Skipped, 3)],
        "{run:#?}"
    );

    // Left out by the full run; in by rows that are silent about the manager.
    for id in &left_out {
        world.tenant.enable(id).unwrap();
    }
    world.tenant.restore(&binned).unwrap();
    world.tenant.update(&here, "city", json!("Oslo")).unwrap();
    world.tenant.forget_requests();
    let run = delta(&world).await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 3), (Outcome::Updated, 1)],
        "{run:#?}"
    );
    assert_eq!(
        world.tenant.requests().get("GET /v1.0/users"),
        Some(&1),
        "one look-up for all three"
    );
    let boss = world.account("boss").await.id;
    for login in ["left1", "left2", "binned", "here"] {
        assert_eq!(world.account(login).await.reporting_to, boss, "{login}");
    }
}

#[tokio::test]
async fn r5_who_comes_in_by_a_row_that_tells_only_what_changed_is_read_whole() {
    let world = World::start().await;
    let boss = hire(&world.tenant, "boss", json!({}));
    let with = json!({"accountEnabled": false, "department": "Sales"});
    let left_out = hire(&world.tenant, "left1", with);
    world.tenant.set_manager(&left_out, Some(&boss)).unwrap();
    world.full().await;
    world.tenant.set(|settings| settings.delta_changed_only = true);
    // The row names them, and is silent about whether they may sign in: they may not.
    let name = json!("late@contoso.com");
    world.tenant.update(&left_out, "userPrincipalName", name).unwrap();
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Skipped, 1)], "{run:#?}");
    world.tenant.enable(&left_out).unwrap();
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Added, 1)], "{run:#?}");
    let account = world.account("late").await;
    assert_eq!(field(&account, "department"), "Sales");
    assert_eq!(account.reporting_to, world.account("boss").await.id);
}

/// So many at once that a call for each would show; and a tenant that is busy while they are looked up.
#[tokio::test]
async fn r5_many_who_come_in_by_a_delta_are_looked_up_in_few_calls() {
    let world = World::start().await;
    let boss = hire(&world.tenant, "boss", json!({}));
    let left_out: Vec<String> = (1..=31)
        .map(|number| {
            let with = json!({"accountEnabled": false});
            hire(&world.tenant, &format!("left{number:02}"), with)
        })
        .collect();
    for id in &left_out {
        world.tenant.set_manager(id, Some(&boss)).unwrap();
    }
    world.full().await;
    for id in &left_out {
        world.tenant.enable(id).unwrap();
    }
    let busy = Effect::Status {
        status: 429,
        code: None,
        message: None,
        retry_after: Some(RetryAfter::Seconds(1)),
    };
    world
        .tenant
        .fault(Fault::on("/v1.0/users", busy).query("filter").times(1));
    world.tenant.forget_requests();
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Added, 31)], "{run:#?}");
    assert_eq!(
        world.tenant.requests().get("GET /v1.0/users"),
        Some(&4),
        "fifteen at a time, and one again"
    );
    assert!(run.progress.unwrap().throttle_waits > 0, "{run:#?}");
    let boss = world.account("boss").await.id;
    assert_eq!(world.account("left31").await.reporting_to, boss);
}

#[tokio::test]
async fn r5_deleted_restored_and_purged_people() {
    let (world, ids) = settled(8).await;
    let before = world.account("p01").await;
    world.tenant.soft_delete(&ids[0]).unwrap();
    world.tenant.soft_delete(&ids[1]).unwrap();
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Removed, 2)], "{run:#?}");
    world.tenant.restore(&ids[0]).unwrap();
    world.tenant.purge(&ids[1]).unwrap();
    let run = delta(&world).await;
    assert_eq!(counts(&run).reactivated, 1, "{run:#?}");
    let after = world.account("p01").await;
    assert_eq!((after.status(), after.id), (AccountStatus::Active, before.id));
    // Out of use already: nothing is left to be asked.
    assert_eq!((counts(&run).held, counts(&run).removed), (0, 0), "{run:#?}");
}

#[tokio::test]
async fn r5_a_changed_mapping_makes_the_next_delta_full_and_says_so() {
    let (world, ids) = settled(3).await;
    world
        .tenant
        .update(&ids[0], "officeLocation", json!("18/2111"))
        .unwrap();
    world.connect("", "role: technician").await;
    assert!(!world.connection().await.next_full_reason.is_empty());
    let run = world.delta().await;
    assert!(run.reason.contains("contoso-staff"), "{run:#?}");
    assert_eq!(counts(&run).seen, 3, "{run:#?}");
    world.tenant.update(&ids[1], "city", json!("Oslo")).unwrap();
    let run = delta(&world).await;
    assert_eq!(counts(&run).seen, 1, "{run:#?}");
}

#[tokio::test]
async fn r5_a_delta_before_any_full_run_is_full_and_says_so() {
    let world = World::start().await;
    hire_many(&world.tenant, 3);
    let run = world.delta().await;
    assert!(run.reason.contains("no full run has finished yet"), "{run:#?}");
    assert_eq!(tally(&run), [(Outcome::Added, 3)]);
}

/// The next delta heals itself by a full run that says why, and the one after it reads changes again.
async fn heals(world: &World, ids: &[String], why: &str) {
    world
        .tenant
        .update(&ids[0], "department", json!("Legal"))
        .unwrap();
    world.tenant.hard_delete(&ids[1]).unwrap();
    let run = world.delta().await;
    assert!(run.reason.contains(why), "{why}: {run:#?}");
    let counted = counts(&run);
    assert_eq!(
        (counted.seen as usize, counted.gone, counted.updated),
        (ids.len() - 1, 1, 1),
        "{run:#?}"
    );
    world.tenant.clear_faults();
    world.tenant.update(&ids[2], "city", json!("Oslo")).unwrap();
    let run = delta(world).await;
    assert_eq!(counts(&run).seen, 1, "{run:#?}");
}

#[tokio::test]
async fn r6_a_410_heals_itself_by_a_full_run() {
    let (world, ids) = settled(5).await;
    world
        .tenant
        .fault(Fault::on(DELTA, Effect::Resync { gone: true }).times(1));
    heals(&world, &ids, "resync").await;
}

#[tokio::test]
async fn r6_a_lost_sync_state_heals_itself_by_a_full_run() {
    let (world, ids) = settled(5).await;
    world
        .tenant
        .fault(Fault::on(DELTA, Effect::Resync { gone: false }).times(1));
    heals(&world, &ids, "syncStateNotFound").await;
}

#[tokio::test]
async fn r6_a_reset_in_the_middle_of_a_round_heals_itself_by_a_full_run() {
    let (world, ids) = settled(9).await;
    world.tenant.set(|settings| settings.delta_page_size = 2);
    for id in &ids[3..] {
        world.tenant.update(id, "jobTitle", Value::Null).unwrap();
        world.tenant.update(id, "city", json!("Bergen")).unwrap();
    }
    world
        .tenant
        .fault(Fault::on(DELTA, Effect::Resync { gone: true }).after(2).times(1));
    let run = world.delta().await;
    assert!(run.reason.contains("resync"), "{run:#?}");
    assert_eq!(counts(&run).seen, 9, "{run:#?}");
    world.check_register().await;
}

#[tokio::test]
async fn r5_people_who_can_not_be_looked_up_together_are_read_one_by_one() {
    let (world, ids) = settled(5).await;
    let away = hire(&world.tenant, "away", json!({"accountEnabled": false}));
    delta(&world).await;
    world.tenant.enable(&away).unwrap();
    world.tenant.set_manager(&away, Some(&ids[0])).unwrap();
    let refused = Effect::Status {
        status: 400,
        code: Some("Request_UnsupportedQuery".into()),
        message: None,
        retry_after: None,
    };
    world
        .tenant
        .fault(Fault::on("/v1.0/users", refused).query("filter").times(1));
    let run = world.delta().await;
    assert_eq!(run.reason, "", "{run:#?}");
    assert_eq!(tally(&run), [(Outcome::Added, 1)], "{run:#?}");
    let boss = world
        .accounts()
        .await
        .into_iter()
        .find(|account| account.object_id == ids[0]);
    assert_eq!(world.account("away").await.reporting_to, boss.unwrap().id);
    world.check_register().await;
    world.tenant.update(&ids[2], "city", json!("Oslo")).unwrap();
    assert_eq!(counts(&delta(&world).await).seen, 1);
}

#[tokio::test]
async fn r6_a_token_that_the_tenant_has_forgotten_heals_itself_by_a_full_run() {
    for gone in [true, false] {
        let (world, ids) = settled(5).await;
        world.tenant.set(|settings| settings.expired_delta_gone = gone);
        world.tenant.advance(std::time::Duration::from_secs(8 * 86_400));
        heals(&world, &ids, "resync").await;
    }
}

#[tokio::test]
async fn r6_a_token_of_a_week_is_not_believed_any_more() {
    let (world, ids) = settled(5).await;
    age_token(&world, "6 days").await;
    world.tenant.update(&ids[4], "city", json!("Oslo")).unwrap();
    assert_eq!(counts(&delta(&world).await).seen, 1, "six days are fine");
    age_token(&world, "8 days").await;
    world.tenant.forget_requests();
    heals(&world, &ids, "8 days old").await;
}

/// Nobody can wait for a week.
async fn age_token(world: &World, by: &str) {
    Site::shared()
        .await
        .sql(&format!(
            "UPDATE delta_cursor SET taken_at = taken_at - interval '{by}' WHERE connection_id IN
             (SELECT id FROM connection WHERE organization_id = '{}')",
            world.organization
        ))
        .await;
}

#[tokio::test]
async fn r6_a_link_that_leads_away_is_not_followed() {
    let (world, ids) = settled(5).await;
    world.tenant.set(|settings| settings.delta_page_size = 1);
    world.tenant.update(&ids[3], "city", json!("Bergen")).unwrap();
    world.tenant.update(&ids[4], "city", json!("Bergen")).unwrap();
    let origin = "https://elsewhere.example".to_owned();
    world
        .tenant
        .fault(Fault::on(DELTA, Effect::ForeignLink { origin }).times(1));
    let run = world.run_to_end(RunKind::Delta).await;
    assert_eq!(run.state(), RunState::Finished, "{run:#?}");
    assert!(run.reason.contains("another Graph"), "{run:#?}");
    world.check_register().await;
}
