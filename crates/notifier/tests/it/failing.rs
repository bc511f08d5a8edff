//! Mails that don't arrive, and what becomes of them.

use std::time::Duration;

use local::mail::{Action, Fault, Moment};
use rollcall_notifier::config::TlsMode;

use crate::world::{World, port_of};

const ATTEMPTS: &str =
    "SELECT number, coalesce(error, 'accepted') FROM delivery_attempt ORDER BY delivery_id, number";

fn reply(code: u16, text: &str) -> Action {
    Action::Reply {
        code,
        text: text.to_owned(),
    }
}

/// Later than any wait between tries.
fn later(world: &World) {
    world.hand.advance(Duration::from_secs(3601));
}

#[tokio::test]
async fn what_is_refused_for_now_is_tried_again_later() {
    let world = World::new().await;
    world.due(&["ops@contoso.com"]).await;
    world.mail.add_fault(Fault::once(
        Moment::Recipient,
        reply(451, "greylisted, come back"),
    ));
    let sender = world.sender();
    assert_eq!(sender.batch(&world.stopper).await.unwrap(), 1);
    let waiting = world.delivery("ops@contoso.com").await;
    assert!(
        waiting.starts_with("due|1|") && waiting.contains("greylisted, come back"),
        "{waiting}"
    );

    later(&world);
    assert_eq!(world.send_all(&sender).await, 1);
    assert_eq!(world.delivery("ops@contoso.com").await, "sent|2|");
    assert_eq!(world.mails_to("ops@contoso.com").len(), 1);
    let attempts = world.sql(ATTEMPTS).await;
    assert!(
        attempts.starts_with("1|") && attempts.contains("451") && attempts.ends_with("\n2|accepted"),
        "{attempts}"
    );
}

#[tokio::test]
async fn n6_what_is_refused_for_good_has_failed_and_the_bell_says_so_once_a_day() {
    let world = World::new().await;
    world
        .mail
        .add_fault(Fault::always(Moment::Recipient, reply(550, "no such user")).containing("gone"));
    world
        .due(&["gone@contoso.com", "ops@contoso.com", "gone.too@contoso.com"])
        .await;
    let sender = world.sender();
    assert_eq!(world.send_all(&sender).await, 3);
    let failed = world.delivery("gone@contoso.com").await;
    assert!(
        failed.starts_with("failed|1|") && failed.contains("550") && failed.contains("no such user"),
        "{failed}"
    );
    assert_eq!(world.delivery("ops@contoso.com").await, "sent|1|");

    let bell = "SELECT count(*) FROM notice WHERE kind = 'mail_failed'";
    assert_eq!(world.sql(bell).await, "1");
    let notice = world
        .sql("SELECT title, body FROM notice WHERE kind = 'mail_failed'")
        .await;
    assert!(
        notice.contains("could not be delivered") && notice.contains("no such user"),
        "{notice}"
    );

    world.due(&["gone@contoso.com"]).await;
    world.send_all(&sender).await;
    assert_eq!(world.sql(bell).await, "1");
    world.hand.advance(Duration::from_secs(25 * 3600));
    world.due(&["gone@contoso.com"]).await;
    world.send_all(&sender).await;
    assert_eq!(world.sql(bell).await, "2");
}

#[tokio::test]
async fn a_mail_that_was_taken_before_the_line_broke_comes_again_under_the_same_id() {
    let world = World::new().await;
    world.due(&["ops@contoso.com"]).await;
    world
        .mail
        .add_fault(Fault::once(Moment::Accepted, Action::Disconnect));
    let sender = world.sender();
    world.send_all(&sender).await;
    assert!(world.delivery("ops@contoso.com").await.starts_with("due|1|"));
    later(&world);
    world.send_all(&sender).await;
    assert_eq!(world.delivery("ops@contoso.com").await, "sent|2|");
    let ids: Vec<_> = world
        .mail
        .messages()
        .iter()
        .map(|mail| mail.header("Message-ID").unwrap())
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn after_enough_tries_it_has_failed_and_says_why() {
    let world = World::new().await;
    world.due(&["ops@contoso.com"]).await;
    world
        .mail
        .add_fault(Fault::always(Moment::Connect, Action::Disconnect));
    let sender = world.sender();
    for _ in 0..3 {
        assert_eq!(world.send_all(&sender).await, 1);
        later(&world);
    }
    assert_eq!(world.send_all(&sender).await, 0);
    let failed = world.delivery("ops@contoso.com").await;
    assert!(
        failed.starts_with("failed|3|given up after 3 tries: cannot connect to 127.0.0.1:"),
        "{failed}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_our_settings_can_be_put_right_while_the_mail_waits() {
    let mut world = World::new().await;
    world.due(&["ops@contoso.com"]).await;
    let right = world.config.smtp.clone();

    world.config.smtp.password = Some("hunter3".to_owned().into());
    world.send_all(&world.sender()).await;
    let refused = world.delivery("ops@contoso.com").await;
    assert!(
        refused.contains("refuses to sign us in (smtp.user, smtp.password)"),
        "{refused}"
    );
    assert!(!refused.contains("hunter3"), "{refused}");

    later(&world);
    world.config.smtp = right.clone();
    world.config.smtp.ca_file = Some(world.foreign_ca());
    world.send_all(&world.sender()).await;
    let untrusted = world.delivery("ops@contoso.com").await;
    assert!(
        untrusted.starts_with("due|2|cannot encrypt the line"),
        "{untrusted}"
    );
    assert_eq!(world.mail.messages().len(), 0);

    later(&world);
    world.config.smtp = right;
    world.send_all(&world.sender()).await;
    assert_eq!(world.delivery("ops@contoso.com").await, "sent|3|");
}

#[tokio::test]
async fn a_server_that_is_too_slow_is_left_and_its_connection_not_used_again() {
    let mut world = World::new().await;
    world.config.smtp.timeout_seconds = 1;
    world.due(&["ops@contoso.com"]).await;
    let slow = Action::Delay { milliseconds: 1_500 };
    world.mail.add_fault(Fault::once(Moment::Sender, slow));
    let sender = world.sender();
    world.send_all(&sender).await;
    let waiting = world.delivery("ops@contoso.com").await;
    assert!(
        waiting.starts_with("due|1|") && waiting.contains("did not finish within 1 s"),
        "{waiting}"
    );
    later(&world);
    world.send_all(&sender).await;
    assert_eq!(world.delivery("ops@contoso.com").await, "sent|2|");
    assert_eq!(world.mails_to("ops@contoso.com").len(), 1);
}

#[tokio::test]
async fn without_a_mail_server_mails_fail_and_say_so() {
    let mut world = World::new().await;
    world.config.smtp.host = None;
    world.due(&["ops@contoso.com"]).await;
    world.send_all(&world.sender()).await;
    assert_eq!(
        world.delivery("ops@contoso.com").await,
        "failed|1|no SMTP server is configured (smtp.host)"
    );
}

#[tokio::test]
async fn what_is_no_address_fails_and_the_others_get_theirs() {
    let world = World::new().await;
    world
        .due(&["nobody", "ops@contoso.com", "Åsa Øst <asa@contoso.com>"])
        .await;
    world.send_all(&world.sender()).await;
    let failed = world.delivery("nobody").await;
    assert!(
        failed.starts_with("failed|1|\"nobody\" is not an e-mail address"),
        "{failed}"
    );
    assert_eq!(world.mails_to("ops@contoso.com").len(), 1);
    assert_eq!(world.mails_to("asa@contoso.com").len(), 1);
}

#[tokio::test]
async fn a_server_that_offers_no_encryption_gets_no_mail() {
    let mut world = World::new().await;
    world.config.smtp.tls = TlsMode::Starttls;
    // This port speaks TLS from the start, so there is no greeting in the clear to be had.
    world.config.smtp.port = port_of(&world.mail.smtps_address());
    world.config.smtp.timeout_seconds = 1;
    world.due(&["ops@contoso.com"]).await;
    world.send_all(&world.sender()).await;
    assert!(world.delivery("ops@contoso.com").await.starts_with("due|1|"));
    assert_eq!(world.mail.messages().len(), 0);
}
