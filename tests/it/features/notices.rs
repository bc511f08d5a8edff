//! Telling people: the bell (N4), the list of who failed (N5), mail (N6).

use contracts::v1::{
    DeliveryState, MarkNoticesReadRequest, NoticeKind, NoticeUpdate, Run, RunKind, RunState,
    WatchNoticesRequest,
};
use entra_sim::{Corruption, Effect, Fault, Operation};
use harness::people::{hire, hire_many};
use harness::runs::counts;
use harness::site::Site;
use harness::told::part;
use harness::wait::until;
use harness::world::World;
use local::mail::{self, Action, Moment};
use serde_json::json;
use tonic::Streaming;

const FORMULA: &str = "=cmd|' /C calc'!A0";

/// A record that no run can use: `accountEnabled` is no boolean.
fn break_record(world: &World, user: &str) {
    let corruption = Corruption::Raw {
        property: "accountEnabled".to_owned(),
        json: "\"perhaps\"".to_owned(),
    };
    world
        .tenant
        .apply(&Operation::Corrupt {
            user: user.to_owned(),
            corruption,
        })
        .unwrap();
}

async fn mark_read(world: &World, id: &str) -> u32 {
    let request = MarkNoticesReadRequest {
        notice_ids: vec![id.to_owned()],
    };
    world
        .bell()
        .mark_notices_read(world.call(request))
        .await
        .unwrap()
        .into_inner()
        .unread
}

async fn next(stream: &mut Streaming<NoticeUpdate>) -> NoticeUpdate {
    let update = tokio::time::timeout(std::time::Duration::from_secs(20), stream.message()).await;
    update
        .expect("the bell rings")
        .unwrap()
        .expect("the stream stays open")
}

#[tokio::test]
async fn n4_a_full_run_rings_the_bell_live_and_counts_as_unread_until_it_is_read() {
    let world = World::start().await;
    hire_many(&world.tenant, 2);
    let bad = hire(&world.tenant, "bad", json!({}));
    break_record(&world, &bad);
    let mut bell = world
        .bell()
        .watch_notices(world.call(WatchNoticesRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        next(&mut bell).await,
        NoticeUpdate {
            notice: None,
            unread: 0
        }
    );
    let run = world.full().await;
    assert_eq!((counts(&run).added, counts(&run).failed), (2, 1), "{run:#?}");
    let rung = next(&mut bell).await;
    let notice = rung.notice.unwrap();
    assert_eq!((notice.kind(), rung.unread), (NoticeKind::RunFinished, 1));
    assert_eq!(
        (notice.run_id.as_str(), notice.connection.as_str()),
        (run.id.as_str(), "contoso")
    );
    assert!(
        notice.title.contains("2 added") && notice.title.contains("1 failed"),
        "{notice:#?}"
    );
    assert!(
        notice.body.contains(&format!("runs/{}", run.id)),
        "it links to the run: {notice:#?}"
    );

    assert_eq!(world.notices().await.unread, 1);
    assert_eq!(mark_read(&world, &notice.id).await, 0);
    assert_eq!(mark_read(&world, &notice.id).await, 0);
    let listed = world.notices().await;
    assert!(listed.unread == 0 && listed.notices[0].read, "{listed:#?}");
}

#[tokio::test]
async fn n4_another_organization_hears_nothing() {
    let (world, other) = (World::start().await, World::start().await);
    hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    world.notice(&run.id, NoticeKind::RunFinished).await;
    assert!(other.notices().await.notices.is_empty());
    world.mails_until(Site::shared().await, 1).await;
    assert!(other.mails(Site::shared().await).is_empty());
}

#[tokio::test]
async fn n4_a_delta_rings_only_when_something_failed() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.update(&ann, "department", json!("Legal")).unwrap();
    let quiet = world.delta().await;
    assert_eq!(counts(&quiet).updated, 1);
    break_record(&world, &ann);
    world.tenant.update(&ann, "department", json!("Sales")).unwrap();
    let bad = world.delta().await;
    assert_eq!(counts(&bad).failed, 1, "{bad:#?}");
    world.notice(&bad.id, NoticeKind::RunFinished).await;
    let refused = Effect::Status {
        status: 403,
        code: None,
        message: None,
        retry_after: None,
    };
    world.tenant.fault(Fault::on("/v1.0/users/delta*", refused));
    let broken = world.run_to_end(RunKind::Delta).await;
    assert_eq!(broken.state(), RunState::Failed, "{broken:#?}");
    let notice = world.notice(&broken.id, NoticeKind::RunFailed).await;
    assert!(notice.body.contains("User.Read.All"), "{notice:#?}");
    let notices = world.notices().await.notices;
    assert!(
        notices.iter().all(|notice| notice.run_id != quiet.id),
        "{notices:#?}"
    );
}

#[tokio::test]
async fn n4_held_removals_and_a_waiting_plan_are_told() {
    let world = World::start().await;
    let ids = hire_many(&world.tenant, 3);
    world.full().await;
    for id in &ids {
        world.tenant.disable(id).unwrap();
    }
    let held = world.full().await;
    let notice = world.notice(&held.id, NoticeKind::ReviewsWaiting).await;
    assert!(
        notice.title.contains("3 removals wait for review") && notice.body.contains("reviews"),
        "{notice:#?}"
    );
    let plan = world.preview().await;
    let notice = world.notice(&plan.id, NoticeKind::PreviewReady).await;
    assert!(notice.body.contains("run apply"), "{notice:#?}");
}

/// A full run with one who fails, whose name is a formula; and its object id.
async fn with_a_formula(world: &World) -> (Run, String) {
    hire(&world.tenant, "ann", json!({}));
    let bad = hire(&world.tenant, "bad", json!({"displayName": FORMULA}));
    break_record(world, &bad);
    let run = world.full().await;
    assert_eq!(counts(&run).failed, 1, "{run:#?}");
    (run, bad)
}

#[tokio::test]
async fn n5_the_mail_brings_a_defused_list_of_who_failed_and_why() {
    let (world, site) = (World::start().await, Site::shared().await);
    let (run, bad) = with_a_formula(&world).await;
    let mails = world.mails_until(site, 1).await;
    let text = part(&mails[0], "text/plain").unwrap();
    assert!(text.contains("attached CSV names everyone who failed"), "{text}");
    assert!(
        mails[0]
            .header("Subject")
            .is_some_and(|subject| subject.contains("1 failed")),
        "{text}"
    );
    let csv = part(&mails[0], "text/csv").unwrap();
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "upn,name,object_id,reason"), "{csv}");
    assert!(
        lines[1].starts_with(&format!("bad@contoso.com,'{FORMULA},{bad},")),
        "{csv}"
    );
    assert!(lines[1].contains("accountEnabled"), "{csv}");
    assert!(mails[0].text().contains("failed-users.csv"));

    // The command line gives the same.
    let answer = world.cli_run(&["run", "failed", &run.id, "--csv"]).await;
    assert_eq!((answer.code, answer.stdout.as_str()), (0, csv.as_str()));
}

#[tokio::test]
async fn n6_one_encrypted_and_signed_in_mail_for_each_event() {
    let (world, site) = (World::start().await, Site::shared().await);
    hire(&world.tenant, "ann", json!({}));
    let first = world.full().await;
    world.mails_until(site, 1).await;
    let second = world.full().await;
    let mails = world.mails_until(site, 2).await;
    assert_eq!(mails.len(), 2, "{mails:#?}");
    for (mail, run) in mails.iter().zip([&first, &second]) {
        assert!(mail.encrypted, "TLS");
        assert_eq!(
            mail.user,
            site.mail().login().map(|login| login.user.clone()),
            "AUTH"
        );
        assert_eq!(mail.header("X-Rollcall-Run").as_deref(), Some(run.id.as_str()));
        assert!(
            mail.header("Subject").unwrap().contains("contoso"),
            "{:?}",
            mail.header("Subject")
        );
        assert_eq!(part(mail, "text/csv"), None, "nobody failed");
    }
    assert_ne!(
        mails[0].header("Message-ID").unwrap(),
        mails[1].header("Message-ID").unwrap()
    );
    let sent = until("both are recorded as sent", async || {
        let deliveries = world.deliveries().await;
        deliveries
            .iter()
            .all(|delivery| delivery.state() == DeliveryState::Sent)
            .then_some(deliveries)
    })
    .await;
    assert_eq!(sent.len(), 2, "{sent:#?}");
    assert!(
        sent.iter()
            .all(|delivery| delivery.attempts == 1 && delivery.sent_time.is_some()),
        "{sent:#?}"
    );
}

#[tokio::test]
async fn n6_what_the_server_puts_off_comes_later_under_the_same_id() {
    let (world, site) = (World::start().await, Site::shared().await);
    let later = Action::Reply {
        code: 451,
        text: "4.3.0 try again later".to_owned(),
    };
    site.mail()
        .add_fault(mail::Fault::once(Moment::Recipient, later).containing(&world.mail_to));
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let mails = world.mails_until(site, 1).await;
    assert_eq!(mails.len(), 1);
    let delivery = sent(&world).await;
    assert_eq!(delivery.attempts, 2, "{delivery:#?}");
    assert_eq!(
        bare(&delivery.message_id),
        bare(&mails[0].header("Message-ID").unwrap())
    );
}

#[tokio::test]
async fn n6_a_mail_whose_acceptance_was_not_heard_is_repeated_under_the_same_id() {
    let (world, site) = (World::start().await, Site::shared().await);
    site.mail()
        .add_fault(mail::Fault::once(Moment::Accepted, Action::Disconnect).containing(&world.mail_to));
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let mails = world.mails_until(site, 2).await;
    assert_eq!(
        mails[0].header("Message-ID").unwrap(),
        mails[1].header("Message-ID").unwrap()
    );
    assert_eq!(sent(&world).await.attempts, 2);
}

#[tokio::test]
async fn n6_a_mail_that_nobody_takes_is_shown_as_failed() {
    let (world, site) = (World::start().await, Site::shared().await);
    let never = Action::Reply {
        code: 550,
        text: "5.1.1 no such mailbox".to_owned(),
    };
    site.mail()
        .add_fault(mail::Fault::always(Moment::Recipient, never).containing(&world.mail_to));
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let notice = until("the bell tells of the mail", async || {
        let notices = world.notices().await.notices;
        notices
            .into_iter()
            .find(|notice| notice.kind() == NoticeKind::MailFailed)
    })
    .await;
    assert!(
        notice.body.contains(&world.mail_to) && notice.body.contains("no such mailbox"),
        "{notice:#?}"
    );
    let delivery = world.deliveries().await.remove(0);
    assert_eq!(delivery.state(), DeliveryState::Failed, "{delivery:#?}");
    assert!(delivery.last_error.contains("550"), "{delivery:#?}");
    assert!(world.mails(site).is_empty());
}

#[tokio::test]
async fn n6_a_connection_that_keeps_failing_is_one_mail_and_its_recovery_another() {
    let (world, site) = (World::with("firstRun: apply", "").await, Site::shared().await);
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.mails_until(site, 1).await;
    let refused = Effect::Status {
        status: 403,
        code: None,
        message: None,
        retry_after: None,
    };
    world.tenant.fault(Fault::on("/v1.0/users/delta*", refused));
    for _ in 0..3 {
        let run = world.run_to_end(RunKind::Delta).await;
        assert_eq!(run.state(), RunState::Failed);
        world.notice(&run.id, NoticeKind::RunFailed).await;
    }
    world.tenant.clear_faults();
    let run = world.full().await;
    world.notice(&run.id, NoticeKind::RunFinished).await;
    let mails = world.mails_until(site, 3).await;
    assert_eq!(
        mails.len(),
        3,
        "{:#?}",
        mails
            .iter()
            .map(|mail| mail.header("Subject"))
            .collect::<Vec<_>>()
    );
    assert!(mails[1].header("Subject").unwrap().contains("failed"));
}

/// The only delivery, sent.
async fn sent(world: &World) -> contracts::v1::Delivery {
    until("the delivery is recorded as sent", async || {
        let mut deliveries = world.deliveries().await;
        assert!(deliveries.len() <= 1, "{deliveries:#?}");
        deliveries
            .pop()
            .filter(|delivery| delivery.state() == DeliveryState::Sent)
    })
    .await
}

fn bare(message_id: &str) -> &str {
    message_id.trim_matches(['<', '>'])
}
