//! The life of a change, step by step (design §3): who comes later is held back, so that each step can be looked at.

use contracts::v1::{NoticeKind, Outcome, Run, RunKind, RunState};
use harness::people::{hire, nobody};
use harness::register::field;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::told::part;
use harness::wait::until;
use harness::world::World;
use local::stack::Service;
use serde_json::json;

fn hold(site: &mut Site, service: Service, held: bool) {
    site.stack_mut().freeze(service, 1, held).unwrap();
}

async fn reached(world: &World, id: &str, state: RunState) -> Run {
    until(&format!("{state:?}"), async || {
        let run = world.get_run(id).await;
        (run.state() == state).then_some(run)
    })
    .await
}

#[tokio::test]
async fn a_change_goes_from_the_directory_to_the_register_and_into_a_mail() {
    let mut site = Site::start(Site::builder()).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    world.import("name,login,domain\nOld Bob,bob,contoso.com\n").await;
    let ann = hire(&world.tenant, "ann", json!({"department": "Legal"}));
    hire(&world.tenant, "bob", json!({"manager": ann}));
    let later = [Service::Fetcher, Service::Reconciler, Service::Notifier];
    for service in later {
        hold(&mut site, service, true);
    }

    // 1. An API call creates a run, and another waits behind it.
    let run = world.start_run(RunKind::Full).await;
    assert_eq!(run.state(), RunState::Requested);
    assert!(
        !world.tenant.requests().contains_key("GET /v1.0/users"),
        "nothing is read yet"
    );

    // 2 to 4. A fetcher takes it: the tenant is checked, the delta token taken, everyone read. The pages wait on the bus.
    hold(&mut site, Service::Fetcher, false);
    let read = reached(&world, &run.id, RunState::Planning).await;
    let progress = read.progress.unwrap();
    assert_eq!(
        (progress.records_read, progress.pages_decided),
        (2, 0),
        "{read:#?}"
    );
    assert!(progress.pages_fetched >= 1, "{read:#?}");
    let requests = world.tenant.requests();
    for request in [
        "POST /oauth2/v2.0/token",
        "GET /v1.0/organization",
        "GET /v1.0/users/delta",
        "GET /v1.0/users",
        "GET /v1.0/directory/deletedItems/microsoft.graph.user",
    ] {
        assert!(requests.contains_key(request), "{request}: {requests:?}");
    }
    assert!(world.links().await.is_empty(), "the register knows nothing of it");

    // 5 to 7. A reconciler decides each, settles the whole, and applies it.
    hold(&mut site, Service::Reconciler, false);
    let run = world.ended(&run.id).await;
    assert_eq!(tally(&run), [(Outcome::Added, 1), (Outcome::Updated, 1)]);
    assert_eq!(
        (
            counts(&run).overwritten,
            world.change_of(&run, "bob@contoso.com").await.rule
        ),
        (1, 4)
    );
    let (ann_account, bob) = (world.account("ann").await, world.account("bob").await);
    assert_eq!(
        (field(&ann_account, "department"), bob.reporting_to.as_str()),
        ("Legal", ann_account.id.as_str())
    );
    world.check_register().await;

    // 8 and 9. The event waits for the notifier, who tells the bell and sends the mail.
    assert!(world.notices().await.notices.is_empty());
    hold(&mut site, Service::Notifier, false);
    let notice = world.notice(&run.id, NoticeKind::RunFinished).await;
    assert!(
        notice.body.contains("1 added, 1 updated (1 of them overwritten)"),
        "{notice:#?}"
    );
    let mails = world.mails_until(&site, 1).await;
    let letter = part(&mails[0], "text/plain").unwrap();
    assert!(letter.contains(&run.id), "{letter}");

    // And so with every change from now on.
    world.tenant.update(&ann, "department", json!("Sales")).unwrap();
    let delta = world.delta().await;
    assert_eq!(
        (tally(&delta), delta.reason.as_str()),
        (vec![(Outcome::Updated, 1)], "")
    );
    assert_eq!(field(&world.account("ann").await, "department"), "Sales");
    site.stop().await;
}
