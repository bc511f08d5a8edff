//! The life of a change, step by step (design §3).

use contracts::v1::{NoticeKind, RunKind};
use harness::people::hire;
use harness::runs::counts;
use harness::site::Site;
use harness::world::World;
use serde_json::json;

#[tokio::test]
async fn a_change_goes_from_the_directory_to_the_register_and_into_a_mail() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({"department": "Legal"}));

    // 1. A run is asked for.
    let run = world.start_run(RunKind::Full).await;
    let ended = world.ended(&run.id).await;
    assert_eq!(counts(&ended).added, 1, "{ended:#?}");
    let account = world.account("ann").await;
    assert_eq!(account.object_id, ann);
    world.notice(&run.id, NoticeKind::RunFinished).await;
    let mails = world.mails_until(Site::shared().await, 1).await;
    assert_eq!(mails.len(), 1);
}
