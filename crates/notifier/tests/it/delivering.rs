//! Mails as they arrive.

use rollcall_notifier::config::TlsMode;

use crate::world::{DEADLINE, FINISHED, Run, World, port_of};

#[tokio::test]
async fn n6_a_mail_arrives_encrypted_and_signed_in_either_way() {
    for tls in [TlsMode::Starttls, TlsMode::Tls] {
        let mut world = World::new().await;
        world.config.smtp.tls = tls;
        if tls == TlsMode::Tls {
            world.config.smtp.port = port_of(&world.mail.smtps_address());
        }
        let event = world.due(&["ops@contoso.com"]).await;
        assert_eq!(world.send_all(&world.sender()).await, 1);
        let mails = world.mail.wait_for(1, DEADLINE).await.unwrap();
        let mail = &mails[0];
        assert!(mail.encrypted, "{tls:?}");
        assert_eq!(mail.user.as_deref(), Some("rollcall"));
        assert_eq!(
            (mail.from.as_str(), mail.to.as_slice()),
            ("rollcall@contoso.com", &["ops@contoso.com".to_owned()][..])
        );
        let header = |name: &str| mail.header(name).unwrap();
        assert_eq!(header("Subject"), "Rollcall: contoso full run finished: 7 added");
        assert_eq!(header("Auto-Submitted"), "auto-generated");
        assert_eq!(header("X-Rollcall-Run"), event.run.to_string());
        assert_eq!(header("Date"), "Sat, 21 Nov 2026 12:01:00 +0000");
        assert_eq!(
            header("Message-ID"),
            world.sql("SELECT message_id FROM delivery").await
        );
        assert_eq!(world.delivery("ops@contoso.com").await, "sent|1|");
    }
}

#[tokio::test]
async fn a_server_that_wants_neither_gets_it_in_the_clear() {
    let mut world = World::with_mail(local::mail::Options::default()).await;
    world.config.smtp.tls = TlsMode::None;
    world.due(&["ops@contoso.com"]).await;
    world.send_all(&world.sender()).await;
    let mails = world.mail.messages();
    assert!(!mails[0].encrypted && mails[0].user.is_none());
}

#[tokio::test]
async fn n5_the_failed_users_go_along_with_their_reasons() {
    let world = World::new().await;
    world.mail_to(&["ops@contoso.com", "chief@contoso.com"]).await;
    let event = world
        .end(Run {
            failed: 2,
            ..FINISHED
        })
        .await;
    world
        .sql(&format!(
            "INSERT INTO decision (run_id, page, position, object_id, outcome, rule, action, cause, account_version,
                 link_status, hash, had_link, late, skip, role, name, upn, reason)
             SELECT '{}', 1, position, object_id::uuid, outcome, 0, 0, 0, 0, 1, 0, false, false, 0, 0, name, upn, reason
             FROM (VALUES
                 (0, '0d9f8a10-0000-4000-8000-000000000001', 7, '=1+1', 'ada@contoso.com', 'login \"ada\" is taken'),
                 (1, '0d9f8a10-0000-4000-8000-000000000002', 1, 'Bo', 'bo@contoso.com', NULL),
                 (2, NULL, 7, NULL, NULL, 'it has no id')) AS d (position, object_id, outcome, name, upn, reason)",
            event.run
        ))
        .await;
    world.teller().tell(&event).await.unwrap();
    world.send_all(&world.sender()).await;
    for address in ["ops@contoso.com", "chief@contoso.com"] {
        let mails = world.mails_to(address);
        let text = without_quoting(&mails[0].text());
        let (_, file) = text
            .split_once("Content-Disposition: attachment; filename=\"failed-users.csv\"")
            .unwrap();
        let lines: Vec<&str> = file.lines().collect();
        for line in [
            "upn,name,object_id,reason",
            "ada@contoso.com,'=1+1,0d9f8a10-0000-4000-8000-000000000001,\"login \"\"ada\"\" is taken\"",
            ",,,it has no id",
        ] {
            assert!(lines.contains(&line), "{line} is not in {lines:#?}");
        }
        assert!(!file.contains("bo@contoso.com"));
    }
}

#[tokio::test]
async fn one_connection_serves_many_mails() {
    let mut world = World::new().await;
    world.config.delivery.batch = 1;
    let addresses: Vec<String> = (0..5).map(|n| format!("admin{n}@contoso.com")).collect();
    world
        .due(&addresses.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    // The second greeting would be refused.
    let sender = world.sender();
    sender.batch(&world.stopper).await.unwrap();
    let refuse = local::mail::Action::Reply {
        code: 421,
        text: "one connection is enough".to_owned(),
    };
    world
        .mail
        .add_fault(local::mail::Fault::always(local::mail::Moment::Connect, refuse));
    world.send_all(&sender).await;
    assert_eq!(world.mail.messages().len(), 5);
}

/// Undoes the quoted-printable encoding, where lines are broken and `=` is written by its number.
fn without_quoting(text: &str) -> String {
    text.replace("=\r\n", "").replace("=3D", "=")
}
