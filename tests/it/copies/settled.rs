//! What must hold when everything has come to rest: nothing lost, nothing twice.

use std::collections::BTreeMap;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use contracts::v1::{Run, RunState};
use futures::StreamExt;
use harness::runs::{counts, outcomes};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;

/// Each run ended well, and its tallies add up.
pub fn check_runs(runs: &[Run]) {
    for run in runs {
        assert_eq!(run.state(), RunState::Finished, "{run:#?}");
        let counts = counts(run);
        let outcomes: u32 = outcomes(&counts).iter().map(|(_, count)| count).sum();
        assert_eq!(counts.seen + counts.gone, outcomes, "{run:#?}");
        assert_eq!(counts.failed, 0, "{run:#?}");
    }
}

/// Waits until every event is published, told and mailed.
pub async fn rest(site: &Site) {
    for (what, left) in [
        (
            "every event is published",
            "SELECT count(*) FROM outbox WHERE published_at IS NULL",
        ),
        (
            "every end of a run is told",
            "SELECT count(*) FROM outbox WHERE subject LIKE 'rollcall.run.finished.%'
                 AND NOT EXISTS (SELECT FROM inbox WHERE event_id = outbox.id)",
        ),
        (
            "every mail is sent",
            "SELECT count(*) FROM delivery WHERE state <> 'sent'",
        ),
    ] {
        until(what, async || (site.sql(left).await == "0").then_some(())).await;
    }
}

/// One event for each run that was no preview, one notice and one mail for each full one, and each mail came once.
pub async fn check_told(site: &Site, worlds: &[World]) {
    let wrong = "SELECT run.id, run.kind, e.events, n.notices FROM run,
         LATERAL (SELECT count(*) AS events FROM outbox
                  WHERE outbox.run_id = run.id AND subject LIKE 'rollcall.run.finished.%') e,
         LATERAL (SELECT count(*) AS notices FROM notice
                  WHERE notice.run_id = run.id AND notice.kind = 'run_finished') n
         WHERE run.kind IN ('full', 'delta') AND events <> 1 OR run.kind = 'full' AND notices <> 1";
    assert_eq!(site.sql(wrong).await, "", "not one event and one notice each");
    for world in worlds {
        let wrong = format!(
            "SELECT run.id FROM run WHERE organization_id = '{}' AND kind = 'full' AND
                 (SELECT count(*) FROM delivery WHERE delivery.run_id = run.id AND recipient = '{}') <> 1",
            world.organization, world.mail_to
        );
        assert_eq!(site.sql(&wrong).await, "", "full runs without their one mail");
        let mut came: BTreeMap<Option<String>, usize> = BTreeMap::new();
        for mail in world.mails(site) {
            *came.entry(mail.header("Message-ID")).or_default() += 1;
        }
        let meant = format!(
            "SELECT count(DISTINCT message_id) FROM delivery WHERE recipient = '{}'",
            world.mail_to
        );
        assert_eq!(came.len().to_string(), site.sql(&meant).await);
        let twice: Vec<_> = came.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "mails that came more than once: {twice:?}");
    }
}

/// A client of ours at all servers of a cluster.
pub async fn client(nats: &str) -> async_nats::Client {
    let servers = nats.split(',').map(|url| url.parse().unwrap());
    let servers: Vec<async_nats::ServerAddr> = servers.collect();
    async_nats::connect(servers).await.unwrap()
}

/// The broker has each event of the outbox, once, and no message waits or is in anybody's hands.
pub async fn check_bus(site: &Site, nats: &str) {
    let client = client(nats).await;
    let jetstream = async_nats::jetstream::new(client);
    let stream = jetstream.get_stream(bus::streams::EVENTS).await.unwrap();
    let all = stream.cached_info().state.messages;
    let config = OrderedConfig {
        deliver_policy: DeliverPolicy::All,
        ..OrderedConfig::default()
    };
    let consumer = stream.create_consumer(config).await.unwrap();
    let messages = consumer.messages().await.unwrap();
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    let mut messages = messages.take(usize::try_from(all).unwrap());
    while let Some(message) = messages.next().await {
        let message = message.unwrap();
        let id = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get("Nats-Msg-Id"));
        *held
            .entry(id.map(ToString::to_string).unwrap_or_default())
            .or_default() += 1;
    }
    let events = site.sql("SELECT id FROM outbox").await;
    assert!(events.lines().count() > 0);
    for event in events.lines() {
        assert_eq!(held.get(event), Some(&1), "event {event} at the broker");
    }
    until("every queue is empty", async || {
        for spec in bus::consumers::ALL {
            let stream = jetstream.get_stream(spec.stream).await.ok()?;
            let info = stream.consumer_info(spec.durable).await.ok()?;
            if info.num_pending > 0 || info.num_ack_pending > 0 {
                return None;
            }
        }
        Some(())
    })
    .await;
}
