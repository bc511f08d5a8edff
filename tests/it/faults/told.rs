//! Who was told: nothing lost, and nothing twice, except the same mail under the same Message-ID.

use std::collections::BTreeSet;

use local::postgres::Access;

use super::gate::sql;
use super::scene::{Scene, until_sql};
use crate::oracle::register::rows;

/// Waits until every event is published and told, and every mail is sent.
pub async fn quiet(access: &Access) {
    until_sql(
        access,
        "every event is published",
        "SELECT count(*) FROM outbox WHERE published_at IS NULL",
        "0",
    )
    .await;
    until_sql(
        access,
        "every end of a run is told",
        "SELECT count(*) FROM outbox WHERE subject LIKE 'rollcall.run.finished.%'
             AND NOT EXISTS (SELECT FROM inbox WHERE event_id = outbox.id)",
        "0",
    )
    .await;
    until_sql(
        access,
        "every mail is sent",
        "SELECT count(*) FROM delivery WHERE state <> 'sent'",
        "0",
    )
    .await;
}

/// Fails where something was not told, or twice.
pub async fn check(scene: &Scene) {
    let access = &scene.access;
    let ends = sql(
        access,
        "SELECT count(*) FILTER (WHERE events <> 1) FROM (
             SELECT count(outbox.id) AS events FROM run
             LEFT JOIN outbox ON outbox.run_id = run.id AND subject LIKE 'rollcall.run.finished.%'
             GROUP BY run.id) AS of_run",
    )
    .await;
    assert_eq!(ends, "0", "runs whose end was not one event");
    let untold = sql(
        access,
        "SELECT run.id, run.kind FROM run WHERE kind = 'full' AND
             (SELECT count(*) FROM notice WHERE notice.run_id = run.id AND notice.kind = 'run_finished') <> 1",
    )
    .await;
    assert_eq!(untold, "", "full runs without their one notice");
    let unmailed = sql(
        access,
        &format!(
            "SELECT run.id FROM run WHERE kind = 'full' AND (SELECT count(*) FROM delivery
                 WHERE delivery.run_id = run.id AND recipient = '{}' AND state = 'sent') <> 1",
            scene.world.mail_to
        ),
    )
    .await;
    assert_eq!(unmailed, "", "full runs without their one mail");
    check_mails(scene).await;
}

/// Every mail that was to be sent has come, and none came under a name of its own.
async fn check_mails(scene: &Scene) {
    let meant: BTreeSet<String> = rows(&scene.access, "SELECT to_json(message_id) AS row FROM delivery")
        .await
        .iter()
        .map(|id| bare(id.as_str().unwrap()))
        .collect();
    let mails = scene.site.mail().messages();
    let came: BTreeSet<String> = mails
        .iter()
        .map(|mail| bare(&mail.header("Message-ID").expect("a mail has a Message-ID")))
        .collect();
    assert_eq!(came, meant, "of {} mails", mails.len());
}

/// Whether any mail came more than once.
pub fn came_twice(scene: &Scene) -> bool {
    let mails = scene.site.mail().messages();
    let names: BTreeSet<Option<String>> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    names.len() < mails.len()
}

fn bare(message_id: &str) -> String {
    message_id.trim_matches(['<', '>']).to_owned()
}
