//! What is kept long enough goes, a bounded number of rows at a time; what is not done yet stays.

use chrono::TimeDelta;
use domain::id::{DeliveryId, EventId, NoticeId, OrganizationId, RunId, TokenId};
use domain::notice::{Kind, Letter, Notice};
use domain::system_log::Csv;
use rollcall_store::delivery::{self, Addressee, Mailing};
use rollcall_store::idempotency::{self, Claim, Request};
use rollcall_store::notice::About;
use rollcall_store::outbox::Event;
use rollcall_store::{console_session, inbox, notice, organization, outbox, system_log};
use uuid::Uuid;

use crate::world::{World, id_of, november, numbered};

const ORGANIZATION: OrganizationId = organization::DEFAULT;

/// An event made on this day, and its key.
async fn event(world: &World, day: u32, n: u8) -> Uuid {
    let id = numbered(november(day), n);
    let event = Event {
        id: EventId(id),
        organization: ORGANIZATION,
        subject: "run.finished".to_owned(),
        payload: Vec::new(),
        run: None,
        traceparent: None,
    };
    let mut connection = world.store.connection().await.unwrap();
    outbox::insert(&mut connection, &event, november(day))
        .await
        .unwrap();
    id
}

#[tokio::test]
async fn only_events_published_long_ago_leave_the_outbox() {
    let world = World::new().await;
    let mut connection = world.store.connection().await.unwrap();
    let waiting = event(&world, 1, 1).await;
    let late = event(&world, 1, 2).await;
    let old = [
        event(&world, 1, 3).await,
        event(&world, 2, 4).await,
        event(&world, 3, 5).await,
    ];
    let new = event(&world, 12, 6).await;
    outbox::set_published(&mut connection, &old, november(3))
        .await
        .unwrap();
    outbox::set_published(&mut connection, &[late, new], november(12))
        .await
        .unwrap();

    let before = november(10);
    let mut purge = async || {
        outbox::purge(&mut connection, EventId(id_of(before)), before, 2)
            .await
            .unwrap()
    };
    assert_eq!([purge().await, purge().await, purge().await], [2, 1, 0]);
    let left = world.sql("SELECT id FROM outbox ORDER BY id").await;
    assert_eq!(left, format!("{waiting}\n{late}\n{new}"));
}

#[tokio::test]
async fn the_inbox_remembers_an_event_for_as_long_as_it_may_come_again() {
    let world = World::new().await;
    let mut connection = world.store.connection().await.unwrap();
    let in_outbox = event(&world, 1, 1).await;
    let gone = [numbered(november(1), 2), numbered(november(2), 3)];
    let new = numbered(november(12), 4);
    for id in [in_outbox, gone[0], gone[1], new] {
        let received = inbox::receive(&mut connection, EventId(id), november(12)).await;
        assert!(received.unwrap());
    }
    let mut purge = async || {
        inbox::purge(&mut connection, EventId(id_of(november(10))), 1)
            .await
            .unwrap()
    };
    assert_eq!([purge().await, purge().await, purge().await], [1, 1, 0]);
    let left = world.sql("SELECT event_id FROM inbox ORDER BY event_id").await;
    assert_eq!(left, format!("{in_outbox}\n{new}"));
}

#[tokio::test]
async fn old_notices_go_and_who_has_read_them() {
    let world = World::new().await;
    let mut connection = world.store.connection().await.unwrap();
    let told = Notice {
        kind: Kind::RunFinished,
        title: "contoso: full run finished".to_owned(),
        body: String::new(),
    };
    for (day, n) in [(1, 1), (2, 2), (3, 3), (12, 4)] {
        let id = numbered(november(day), n);
        let about = About {
            organization: ORGANIZATION,
            event: EventId(id),
            run: None,
            connection: None,
        };
        let added = notice::insert(&mut connection, NoticeId(id), about, &told, november(day)).await;
        assert!(added.unwrap());
    }
    world
        .sql("INSERT INTO notice_read (notice_id, reader, read_at) SELECT id, id, created_at FROM notice")
        .await;
    let mut purge = async || {
        notice::purge(&mut connection, NoticeId(id_of(november(10))), 2)
            .await
            .unwrap()
    };
    assert_eq!([purge().await, purge().await, purge().await], [2, 1, 0]);
    let left = world
        .sql("SELECT (SELECT count(*) FROM notice), (SELECT count(*) FROM notice_read)")
        .await;
    assert_eq!(left, "1|1");
}

#[tokio::test]
async fn old_mails_go_with_their_tries_but_not_what_waits_to_be_sent() {
    let world = World::new().await;
    let mut connection = world.store.connection().await.unwrap();
    let letter = Letter {
        subject: "contoso: full run finished".to_owned(),
        body: String::new(),
        attach_failed: false,
    };
    let addressee = |day, n: u8| Addressee {
        id: DeliveryId(numbered(november(day), n)),
        recipient: format!("{n}@contoso.com"),
        message_id: format!("<{n}@contoso.com>"),
    };
    let addressees = [
        addressee(1, 1),
        addressee(1, 2),
        addressee(1, 3),
        addressee(12, 4),
    ];
    let mailing = Mailing {
        organization: ORGANIZATION,
        event: EventId(Uuid::from_u128(1)),
        run: Some(RunId(Uuid::from_u128(2))),
        letter: &letter,
        traceparent: None,
        addressees: &addressees,
    };
    let now = november(12);
    let added = delivery::insert(&mut connection, &mailing, now).await.unwrap();
    assert_eq!(added, 4);
    let leased = delivery::lease(&mut connection, Uuid::from_u128(3), now, now, 4)
        .await
        .unwrap();
    for delivery in leased {
        let sent = match delivery.recipient.as_str() {
            "1@contoso.com" => delivery::record_failure(&mut connection, &delivery, "away", Some(now), now),
            "2@contoso.com" => {
                delivery::record_failure(&mut connection, &delivery, "no such user", None, now)
            }
            _ => {
                assert!(
                    delivery::record_sent(&mut connection, &delivery, now)
                        .await
                        .unwrap()
                );
                continue;
            }
        };
        assert!(sent.await.unwrap());
    }
    let mut purge = async || {
        delivery::purge(&mut connection, DeliveryId(id_of(november(10))), 1)
            .await
            .unwrap()
    };
    assert_eq!([purge().await, purge().await, purge().await], [1, 1, 0]);
    let left = world
        .sql("SELECT recipient, state, (SELECT count(*) FROM delivery_attempt WHERE delivery_id = id) FROM delivery ORDER BY id")
        .await;
    assert_eq!(left, "1@contoso.com|due|1\n4@contoso.com|sent|1");
    assert_eq!(world.sql("SELECT count(*) FROM delivery_attempt").await, "2");
}

#[tokio::test]
async fn old_entries_of_the_system_log_go_the_oldest_first() {
    let world = World::new().await;
    let mut connection = world.store.connection().await.unwrap();
    let ids = [1, 2, 3, 9].map(|day| numbered(november(day), 1));
    for (id, at) in ids.into_iter().zip([1, 2, 3, 9].map(november)) {
        let entry = system_log::New {
            id,
            organization: ORGANIZATION,
            at,
            kind: domain::system_log::Kind::Removals,
            actor: "sync",
            title: "1 removed",
            connection: None,
            run: None,
            records: 1,
            accounts: Vec::new(),
            csv: &Csv::default(),
        };
        system_log::insert(&mut connection, &entry).await.unwrap();
    }
    let before = id_of(november(9));
    let mut purge = async || system_log::purge(&mut connection, before, 2).await.unwrap();
    assert_eq!([purge().await, purge().await, purge().await], [2, 1, 0]);
    assert_eq!(world.sql("SELECT id FROM system_log").await, ids[3].to_string());
}

#[tokio::test]
async fn answers_are_kept_for_a_day() {
    let world = World::new().await;
    let mut connection = world.store.connection().await.unwrap();
    let hash = [7; 32];
    let request = |key| Request {
        organization: ORGANIZATION,
        key,
        method: "StartRun",
        hash: &hash,
    };
    let now = november(12);
    for (key, hours) in [("a", 30), ("b", 26), ("c", 25), ("d", 23)] {
        let claim = idempotency::claim(&mut connection, request(key), now - TimeDelta::hours(hours)).await;
        assert_eq!(claim.unwrap(), Claim::Ours);
        idempotency::answer(&mut connection, request(key), b"done")
            .await
            .unwrap();
    }
    let mut delete = async || {
        idempotency::delete_expired(&mut connection, now, 2)
            .await
            .unwrap()
    };
    assert_eq!([delete().await, delete().await, delete().await], [2, 1, 0]);
    assert_eq!(world.sql("SELECT key FROM idempotency").await, "d");
}

#[tokio::test]
async fn browsers_are_forgotten_when_their_session_has_expired() {
    let world = World::new().await;
    let mut connection = world.store.connection().await.unwrap();
    let token = Uuid::from_u128(1);
    world
        .sql(&format!(
            "INSERT INTO token (id, organization_id, name, hash, role, created_at)
             VALUES ('{token}', '{}', 'ann', 'x', 'admin', '2026-11-01')",
            ORGANIZATION.0
        ))
        .await;
    for day in [10, 11, 12, 13] {
        let hash = [u8::try_from(day).unwrap(); 32];
        console_session::insert(&mut connection, &hash, TokenId(token), november(1), november(day))
            .await
            .unwrap();
    }
    let mut delete = async || {
        console_session::delete_expired(&mut connection, november(12), 2)
            .await
            .unwrap()
    };
    assert_eq!([delete().await, delete().await, delete().await], [2, 1, 0]);
    let left = world
        .sql("SELECT extract(day FROM expires_at) FROM console_session")
        .await;
    assert_eq!(left, "13");
}
