//! What an event comes to, in the tables.

use std::time::Duration;

use crate::world::{BROKEN, FINISHED, ORGANIZATION, Run, World};

const NOTICES: &str = "SELECT kind, title FROM notice ORDER BY created_at, kind";
const MAILS: &str = "SELECT recipient, subject FROM delivery ORDER BY created_at, recipient COLLATE \"C\"";
const DELTA: Run<'_> = Run {
    kind: "delta",
    ..FINISHED
};

async fn add_account(world: &World, role: u8, status: u8, email: &str) {
    world
        .sql(&format!(
            "INSERT INTO account (id, organization_id, status, role, version, login_key, email, created_at, updated_at)
             VALUES (gen_random_uuid(), '{ORGANIZATION}', {status}, {role}, 1, gen_random_uuid(), '{email}', now(), now())"
        ))
        .await;
}

#[tokio::test]
async fn n6_admins_and_the_settings_addresses_get_one_mail_each() {
    let world = World::new().await;
    world.mail_to(&["Ops@contoso.com", "chief@contoso.com"]).await;
    for (role, status, email) in [
        (4, 1, "owner@contoso.com"),
        (3, 1, "ops@CONTOSO.com"),
        (3, 2, "left@contoso.com"),
        (2, 1, "technician@contoso.com"),
        (1, 1, "user@contoso.com"),
    ] {
        add_account(&world, role, status, email).await;
    }
    let event = world.end(FINISHED).await;
    let told = world.teller().tell(&event).await.unwrap();
    assert_eq!((told.notices.len(), told.deliveries), (1, 3));
    let subject = "Rollcall: contoso full run finished: 7 added";
    let mails =
        ["Ops@contoso.com", "chief@contoso.com", "owner@contoso.com"].map(|to| format!("{to}|{subject}"));
    assert_eq!(world.sql(MAILS).await, mails.join("\n"));
    assert_eq!(
        world.sql(NOTICES).await,
        "run_finished|contoso: full run finished: 7 added"
    );
}

#[tokio::test]
async fn an_event_is_told_once_however_often_and_by_whoever_it_comes() {
    let world = World::new().await;
    world.mail_to(&["ops@contoso.com"]).await;
    let event = world.end(FINISHED).await;
    let tellers: Vec<_> = (0..8).map(|_| world.teller()).collect();
    let told = futures::future::join_all(tellers.iter().map(|teller| teller.tell(&event))).await;
    let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
    assert_eq!(told.iter().filter(|told| !told.notices.is_empty()).count(), 1);
    assert_eq!(told.iter().map(|told| told.deliveries).sum::<u64>(), 1);
    assert_eq!(world.sql("SELECT count(*) FROM notice").await, "1");
    assert_eq!(world.sql("SELECT count(*) FROM delivery").await, "1");
}

#[tokio::test]
async fn n6_a_delta_that_goes_on_failing_is_one_mail_and_its_recovery_another() {
    let world = World::new().await;
    world.mail_to(&["ops@contoso.com"]).await;
    let broken = Run {
        kind: "delta",
        ..BROKEN
    };
    let cancelled = Run {
        plan: Some("cancelled"),
        ..DELTA
    };
    for (run, change) in [
        (DELTA, None),
        (broken, Some("failing")),
        (broken, None),
        (cancelled, None),
        (broken, None),
        (DELTA, Some("working")),
        (DELTA, None),
    ] {
        let event = world.end(run).await;
        if let Some(change) = change {
            world.change(&event, change).await;
        }
        world.teller().tell(&event).await.unwrap();
    }
    assert_eq!(
        world.sql(MAILS).await,
        "ops@contoso.com|Rollcall: contoso delta run failed\nops@contoso.com|Rollcall: contoso works again"
    );
    let failed = "run_failed|contoso: delta run failed";
    assert_eq!(world.sql(NOTICES).await, [failed; 3].join("\n"));
    let body = world.sql("SELECT DISTINCT body FROM notice").await;
    assert!(
        body.contains("The client secret has expired: make a new one in Entra."),
        "{body}"
    );
    assert!(
        body.contains("rollcall run start contoso --kind delta --wait"),
        "{body}"
    );
}

#[tokio::test]
async fn failed_records_of_deltas_are_mailed_once_a_day_and_always_on_the_bell() {
    let world = World::new().await;
    world.mail_to(&["ops@contoso.com"]).await;
    let with_failed = Run { failed: 2, ..DELTA };
    for (wait, run) in [(0, with_failed), (1, DELTA), (1, with_failed), (25, with_failed)] {
        world.hand.advance(Duration::from_secs(wait * 3600));
        let event = world.end(run).await;
        world.teller().tell(&event).await.unwrap();
    }
    assert_eq!(world.sql("SELECT count(*) FROM notice").await, "3");
    assert_eq!(
        world
            .sql("SELECT count(*), bool_and(attach_failed) FROM delivery")
            .await,
        "2|t"
    );
}

#[tokio::test]
async fn d8_held_removals_have_a_notice_of_their_own() {
    let world = World::new().await;
    let event = world.end(Run { held: 12, ..FINISHED }).await;
    world.teller().tell(&event).await.unwrap();
    assert_eq!(
        world.sql(NOTICES).await,
        "reviews_waiting|contoso: 12 removals wait for review\n\
         run_finished|contoso: full run finished: 7 added, 12 held"
    );
}

#[tokio::test]
async fn a_preview_is_told_when_it_is_ready_and_not_when_it_has_gone_on_since() {
    let world = World::new().await;
    let ready = world
        .end(Run {
            kind: "preview",
            plan: Some("planned"),
            ..FINISHED
        })
        .await;
    world.teller().tell(&ready).await.unwrap();
    assert_eq!(
        world.sql(NOTICES).await,
        "preview_ready|contoso: preview ready: 7 added"
    );

    let late = world
        .end(Run {
            kind: "preview",
            plan: Some("planned"),
            ..FINISHED
        })
        .await;
    world.hand.advance(Duration::from_secs(5));
    world
        .sql(&format!(
            "UPDATE run_plan SET state = 'applying' WHERE run_id = '{}'",
            late.run
        ))
        .await;
    assert_eq!(world.teller().tell(&late).await.unwrap().notices, []);

    let superseded = world
        .end(Run {
            kind: "preview",
            plan: Some("finished"),
            ..FINISHED
        })
        .await;
    world.hand.advance(Duration::from_secs(5));
    let applied = world.publish(superseded.run).await;
    assert_eq!(world.teller().tell(&superseded).await.unwrap().notices, []);
    assert_eq!(world.teller().tell(&applied).await.unwrap().notices.len(), 1);
}

#[tokio::test]
async fn the_sweep_tells_what_the_bus_did_not_bring_but_leaves_it_time_to() {
    let world = World::new().await;
    world.mail_to(&["ops@contoso.com"]).await;
    let event = world.end(FINISHED).await;
    let sweep = world.sweep();
    assert_eq!(sweep.once().await.unwrap(), 0);
    world.hand.advance(Duration::from_secs(16));
    assert_eq!(sweep.once().await.unwrap(), 1);
    assert_eq!(sweep.once().await.unwrap(), 0);
    assert_eq!(world.teller().tell(&event).await.unwrap().notices, []);
    assert_eq!(world.sql("SELECT count(*) FROM notice").await, "1");
    assert_eq!(world.sql("SELECT count(*) FROM delivery").await, "1");
}

#[tokio::test]
async fn a_run_that_is_gone_is_told_to_nobody() {
    let world = World::new().await;
    let event = world.end(FINISHED).await;
    world
        .sql(&format!("DELETE FROM run WHERE id = '{}'", event.run))
        .await;
    assert_eq!(world.teller().tell(&event).await.unwrap().notices, []);
    assert_eq!(world.sql("SELECT count(*) FROM inbox").await, "1");
}

#[tokio::test]
async fn a_mails_id_is_made_once_with_its_row() {
    let world = World::new().await;
    world.due(&["ops@contoso.com"]).await;
    let ids = world.sql("SELECT id, message_id FROM delivery").await;
    let (id, message_id) = ids.split_once('|').unwrap();
    assert_eq!(message_id, format!("<{id}@contoso.com>"));
}

#[tokio::test]
async fn b17_a_quarantine_is_told_by_a_later_event_where_its_own_came_too_late() {
    let world = World::new().await;
    world.mail_to(&["ops@contoso.com"]).await;
    let run = Run {
        kind: "preview",
        plan: Some("finished"),
        ..FINISHED
    };
    let run = world.end(run).await.run;
    world.hand.advance(Duration::from_secs(5));
    let planned = world.publish(run).await;
    world.quarantine(&planned).await;
    world.hand.advance(Duration::from_secs(5));
    let applied = world.publish(run).await;
    assert_eq!(world.teller().tell(&planned).await.unwrap().notices, []);
    let told = world.teller().tell(&applied).await.unwrap();
    assert_eq!((told.notices.len(), told.deliveries), (2, 1));
    assert!(world.sql(NOTICES).await.contains("connection_quarantined|"));
}

#[tokio::test]
async fn b17_what_a_schedule_tries_in_quarantine_is_no_news_and_what_a_person_tries_is() {
    let world = World::new().await;
    world.mail_to(&["ops@contoso.com"]).await;
    let broken = Run {
        kind: "delta",
        ..BROKEN
    };
    let first = world.end(broken).await;
    world.quarantine(&first).await;
    let told = world.teller().tell(&first).await.unwrap();
    assert_eq!((told.notices.len(), told.deliveries), (2, 1));
    for (trigger, notices) in [("schedule nightly", 0), ("cli", 1)] {
        let event = world.end(broken).await;
        world
            .sql(&format!(
                "UPDATE run SET trigger = '{trigger}' WHERE id = '{}'",
                event.run
            ))
            .await;
        let told = world.teller().tell(&event).await.unwrap();
        assert_eq!((told.notices.len(), told.deliveries), (notices, 0), "{trigger}");
    }
}
