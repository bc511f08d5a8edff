use bytes::Bytes;
use domain::id::OrganizationId;
use rollcall_bus::{Headers, subjects};
use uuid::Uuid;

use crate::DEADLINE;
use crate::organization;
use crate::server::Server;

#[tokio::test]
async fn every_watcher_sees_what_is_published_for_its_organization_from_now_on() {
    let server = Server::start();
    let bus = server.bus().await;
    let other = OrganizationId(Uuid::from_u128(1));
    let publish = async |organization: OrganizationId, text: &'static str| {
        let subject = subjects::notice(organization);
        bus.publish(
            &subject,
            text,
            &Headers::default(),
            Bytes::from_static(text.as_bytes()),
        )
        .await
        .unwrap();
    };
    publish(organization(), "before").await;
    let mut one = bus.watch(&subjects::notice(organization())).await.unwrap();
    let mut all = server.bus().await.watch(&subjects::any_notice()).await.unwrap();
    publish(other, "other").await;
    publish(organization(), "mine").await;

    let next = async |watch: &mut rollcall_bus::Watch| {
        tokio::time::timeout(DEADLINE, watch.next())
            .await
            .unwrap()
            .unwrap()
            .payload
    };
    assert_eq!(next(&mut one).await, "mine");
    assert_eq!(next(&mut all).await, "other");
    assert_eq!(next(&mut all).await, "mine");
}
