//! Schedules are switched on and off, without their document (R3, D7).

use contracts::v1::SwitchScheduleRequest;
use contracts::v1::schedules_client::SchedulesClient;
use harness::documents::CONNECTION;
use harness::site::Site;
use harness::world::World;
use serde_json::Value;
use tonic::Code;

const DAILY: &str =
    "frequency: daily\nstart: \"2199-03-31T02:30\"\ntimeZone: Europe/Berlin\ndelta: { hours: 2 }\n";

async fn write(world: &World, lines: &str) {
    let document = format!("kind: Schedule\nname: nightly\nconnection: {CONNECTION}\n{lines}");
    world.apply(&document).await;
}

fn comes(schedule: &Value) -> [bool; 3] {
    ["nextFullTime", "nextDeltaTime", "nextDeprovisionTime"].map(|key| schedule[key].is_string())
}

#[tokio::test]
async fn r3_d7_a_schedule_is_switched_from_the_command_line() {
    let world = World::start().await;
    write(&world, DAILY).await;
    let before = world.cli_json(&["schedule", "show", "nightly"]).await;
    assert_eq!(comes(&before), [true, true, false], "{before:#}");
    let switch = async |args: &[&str]| world.cli_json(&[&["schedule"], args].concat()).await;

    for _ in 0..2 {
        let off = switch(&["off", "nightly"]).await;
        assert_eq!(comes(&off), [false; 3], "{off:#}");
        assert_eq!(off["description"], "off");
    }
    let nights = switch(&["on", "nightly", "--only", "deprovision"]).await;
    assert_eq!(
        comes(&nights),
        [false, false, true],
        "D7: a toggle of its own: {nights:#}"
    );
    let on = switch(&["on", "nightly"]).await;
    assert_eq!(comes(&on), [true; 3], "both are on: {on:#}");
    assert_eq!(
        on["nextFullTime"], before["nextFullTime"],
        "the times are as they were"
    );
    let less = switch(&["off", "nightly", "--only", "delta"]).await;
    assert_eq!(comes(&less), [true, false, true], "{less:#}");
    switch(&["off", "nightly", "--only", "deprovision"]).await;
    switch(&["on", "nightly", "--only", "delta"]).await;
    let after = world.cli_json(&["schedule", "show", "nightly"]).await;
    for same in ["description", "nextFullTime", "nextDeltaTime", "start", "on"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    // Each is written down as if its document had been applied; what was so already is not.
    let audited = Site::shared()
        .await
        .sql(&format!(
            "SELECT count(*) FROM audit WHERE organization_id = '{}' AND action = 'schedule.update'",
            world.organization
        ))
        .await;
    assert_eq!(audited.trim(), "6");

    let card = world.cli_run(&["schedule", "off", "nightly"]).await;
    assert!(card.code == 0 && card.stdout.contains("off"), "{card:?}");
    let help = world.cli_run(&["schedule", "off", "--help"]).await.stdout;
    assert!(help.contains("toggle of their own"), "{help}");
}

#[tokio::test]
async fn r3_what_can_not_be_switched_says_why_and_what_to_do() {
    let world = World::start().await;
    let refused = async |args: &[&str], says: &str| {
        let answer = world.cli_run(args).await;
        assert!(
            answer.code != 0 && answer.stderr.contains(says),
            "{says}: {answer:?}"
        );
    };
    refused(
        &["schedule", "on", "nightly"],
        "there is none yet: make one with rollcall apply",
    )
    .await;
    write(&world, "on: false\ntimeZone: UTC\n").await;
    refused(&["schedule", "on", "weekly"], "there are: nightly").await;
    refused(&["schedule", "on", "nightly"], "frequency: and start:").await;
    refused(&["schedule", "on", "nightly", "--only", "nights"], "deprovision").await;

    let nothing = SwitchScheduleRequest {
        schedule: "nightly".into(),
        ..SwitchScheduleRequest::default()
    };
    let status = SchedulesClient::new(world.channel())
        .switch_schedule(world.call(nothing))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("say what to switch"), "{status:?}");

    let made = world
        .cli_json(&["token", "create", "guest", "--role", "viewer"])
        .await;
    let viewer = world
        .cli()
        .env("ROLLCALL_TOKEN", made["secret"].as_str().unwrap());
    let answer = viewer.run(&["schedule", "off", "nightly"]).await.unwrap();
    assert!(answer.code != 0 && answer.stderr.contains("admin"), "{answer:?}");
    assert_eq!(viewer.run(&["schedule", "list"]).await.unwrap().code, 0);

    // One whose only time is over says so.
    write(
        &world,
        "frequency: once\nstart: \"2020-01-01T00:00\"\ntimeZone: UTC\n",
    )
    .await;
    let listed = world.cli_run(&["schedule", "list"]).await.stdout;
    assert!(listed.contains("its last time is over"), "{listed}");
}
