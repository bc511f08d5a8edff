//! Runs of schedules and of each connection, and why a run read everything (R7, N7).

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::v1::{ListRunsRequest, RunKind};
use harness::documents::{CONNECTION, documents};
use harness::moved_clock::MovedClock;
use harness::people::{hire, hire_many, nobody};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use serde_json::json;

use crate::features::run_history::{by, list};

#[tokio::test]
async fn r7_runs_of_schedules_are_found_of_all_or_of_one() {
    let mut clock = MovedClock::new();
    let site = Site::start(clock.of(Site::builder())).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let hour = clock.now().timestamp() / 3600 + 2;
    let start = DateTime::<Utc>::from_timestamp(hour * 3600, 0).unwrap();
    let other = documents(&world.options, &world.url(), "", "").replace(CONNECTION, "fabrikam");
    world.apply(&other).await;
    let schedule = |name: &str, connection: &str| {
        format!(
            "kind: Schedule\nname: {name}\nconnection: {connection}\nstart: \"{}\"\ntimeZone: UTC\nfrequency: daily\n",
            start.format("%Y-%m-%dT%H:%M")
        )
    };
    world.apply(&schedule("night", CONNECTION)).await;
    world.apply(&schedule("night-shift", "fabrikam")).await;
    let of = async |trigger: &str| {
        let runs = list(&world, by(trigger)).await.unwrap().runs;
        runs.into_iter().map(|run| run.trigger).collect::<Vec<_>>()
    };
    let mut times: BTreeMap<DateTime<Utc>, &str> = BTreeMap::new();
    for name in ["night", "night-shift"] {
        let time = until("it is planned", async || {
            let shown = world.cli_json(&["schedule", "show", name]).await;
            shown["nextFullTime"].as_str().map(|time| time.parse().unwrap())
        })
        .await;
        times.insert(time, name);
    }
    // Each at its time: what is late begins over a minute.
    for (time, name) in times {
        let until_then = (time - clock.now()).to_std().unwrap_or_default();
        clock.advance(until_then + Duration::from_secs(1));
        until("the schedule's run", async || {
            let all = of("schedule").await;
            all.contains(&format!("schedule {name}")).then_some(())
        })
        .await;
    }
    for name in ["schedule night", "schedule night-shift"] {
        let found = of(name).await;
        assert!(
            !found.is_empty() && found.iter().all(|trigger| trigger == name),
            "{found:?}"
        );
    }
    assert_eq!(of("api").await.len(), 1);
    assert!(of("sched").await.is_empty());
    let shown = world
        .cli_json(&["run", "list", "--trigger", "schedule night"])
        .await;
    assert_eq!(shown["runs"][0]["trigger"], "schedule night", "{shown}");
    site.stop().await;
}

#[tokio::test]
async fn r7_a_run_that_was_full_says_why() {
    let world = World::with("firstRun: preview", "").await;
    hire_many(&world.tenant, 3);
    let first = world.run_to_end(RunKind::Full).await;
    assert!(first.preview && first.reason.contains("first run"), "{first:#?}");
    world.apply_plan(&first.id).await;

    let mapping = "fields:\n  - { field: name, attribute: displayName }\n  - { field: login, attribute: mailNickname }\n";
    world
        .apply(&documents(&world.options, &world.url(), "", mapping))
        .await;
    let full = world.delta().await;
    assert_eq!(full.kind(), RunKind::Delta);
    assert!(!full.reason.is_empty(), "{full:#?}");
    let card = world.cli_run(&["run", "show", &full.id]).await.stdout;
    assert!(card.contains(&full.reason), "{card}");
    // And not longer than it is true.
    assert_eq!(world.delta().await.reason, "");
}

#[tokio::test]
async fn n7_each_connection_has_its_own_log_of_syncs() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let other = documents(&world.options, &world.url(), "", "").replace(CONNECTION, "fabrikam");
    world.apply(&other).await;
    let ours = world.full().await;
    let second = world.delta().await;
    let theirs = world.try_start("fabrikam", RunKind::Preview).await.unwrap();
    let theirs = world.ended(&theirs.id).await;
    for (connection, expected) in [
        (CONNECTION, vec![second.id.as_str(), &ours.id]),
        ("fabrikam", vec![&theirs.id]),
        ("", vec![&theirs.id, &second.id, &ours.id]),
    ] {
        let request = ListRunsRequest {
            connection: connection.to_owned(),
            ..ListRunsRequest::default()
        };
        let found = list(&world, request).await.unwrap().runs;
        let ids: Vec<&str> = found.iter().map(|run| run.id.as_str()).collect();
        assert_eq!(ids, expected, "{connection}");
        let table = world
            .cli_run(&["run", "list", "--connection", connection])
            .await
            .stdout;
        assert!(expected.iter().all(|id| table.contains(id)), "{table}");
        assert_eq!(table.lines().count(), expected.len() + 1, "{table}");
    }
}
