//! Faults on demand (graph-facts §7.4, §8, §11, §12).

use crate::support::{Reply, Visit, ids};
use entra_sim::{Corruption, Effect, Fault, Operation, Published, RetryAfter};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::{Duration, Instant};

fn status(status: u16, retry_after: Option<RetryAfter>) -> Effect {
    Effect::Status {
        status,
        code: None,
        message: None,
        retry_after,
    }
}

#[tokio::test]
async fn statuses_come_as_often_as_asked_with_their_bodies() {
    let visit = Visit::to(10).await;
    let cases = [
        (400, "Request_BadRequest"),
        (401, "InvalidAuthenticationToken"),
        (403, "Authorization_RequestDenied"),
        (410, "resyncRequired"),
        (429, "TooManyRequests"),
        (500, "InternalServerError"),
        (502, "UnknownError"),
        (503, "serviceNotAvailable"),
        (504, "UnknownError"),
    ];
    for (number, code) in cases {
        visit
            .tenant
            .fault(Fault::on("/v1.0/users", status(number, None)).times(1));
        let reply = visit.get("users").await;
        assert_eq!(reply.error(), (number, code.to_owned()));
        assert_eq!(reply.header("retry-after"), "");
        assert_eq!(visit.get("users").await.status, 200, "one shot only");
    }
    let throttled = Fault::on("/v1.0/users", status(429, Some(RetryAfter::Seconds(7))))
        .times(2)
        .after(1);
    visit.tenant.fault(throttled);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(visit.get("users").await.status);
    }
    assert_eq!(statuses, [200, 429, 429, 200]);
}

#[tokio::test]
async fn retry_after_comes_as_seconds_or_as_a_date() {
    let visit = Visit::to(10).await;
    visit
        .tenant
        .fault(Fault::on("/v1.0/users", status(503, Some(RetryAfter::Seconds(7)))).times(1));
    assert_eq!(visit.get("users").await.header("retry-after"), "7");
    visit
        .tenant
        .fault(Fault::on("/v1.0/users", status(429, Some(RetryAfter::Date(90)))).times(1));
    let reply = visit.get("users").await;
    let date = |name: &str| chrono::DateTime::parse_from_rfc2822(reply.header(name)).unwrap();
    let ahead = (date("retry-after") - date("date")).num_seconds();
    assert!((89..=91).contains(&ahead), "{ahead}");
}

#[tokio::test]
async fn a_resync_can_hit_in_the_middle_of_a_round() {
    let visit = Visit::to(450).await;
    let first = visit.get("users/delta?$select=id,mail").await;
    let middle = Fault::on("/v1.0/users/delta", Effect::Resync { gone: false })
        .query("$skiptoken")
        .times(1);
    visit.tenant.fault(middle);
    let next = first.next().unwrap();
    assert_eq!(visit.get(&next).await.error(), (400, "syncStateNotFound".into()));
    visit
        .tenant
        .fault(Fault::on("/v1.0/users/delta", Effect::Resync { gone: true }).times(2));
    for link in [next.as_str(), "users/delta?$select=id,mail"] {
        let reply = visit.get(link).await;
        assert_eq!(reply.status, 410);
        assert!(
            reply
                .header("location")
                .ends_with("/v1.0/users/delta?$select=id,mail&$deltatoken=")
        );
    }
}

#[tokio::test]
async fn an_expired_page_link_stays_expired() {
    let visit = Visit::to(300).await;
    let next = visit.get("users").await.next().unwrap();
    visit.tenant.fault(
        Fault::on("/v1.0/users", Effect::ExpiredPageToken)
            .query("$skiptoken")
            .times(1),
    );
    for _ in 0..2 {
        assert_eq!(
            visit.get(&next).await.error(),
            (400, "Directory_ExpiredPageToken".into())
        );
    }
    let other = visit.get("users?$top=50").await.next().unwrap();
    assert_eq!(visit.get(&other).await.status, 200);
}

#[tokio::test]
async fn links_can_loop_lead_astray_or_be_missing() {
    let visit = Visit::to(300).await;
    let next = visit.get("users").await.next().unwrap();
    visit
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::Loop).times(1));
    assert_eq!(visit.get(&next).await.next().unwrap(), next);
    let origin = "https://elsewhere.example".to_owned();
    visit
        .tenant
        .fault(Fault::on("/v1.0/users*", Effect::ForeignLink { origin }).times(2));
    assert!(
        visit
            .get("users")
            .await
            .next()
            .unwrap()
            .starts_with("https://elsewhere.example/v1.0/users?")
    );
    let delta = visit.get("users/delta?$deltatoken=latest").await.delta().unwrap();
    assert!(delta.starts_with("https://elsewhere.example/v1.0/users/delta?$deltatoken="));
    visit
        .tenant
        .fault(Fault::on("/v1.0/users*", Effect::Truncated).times(2));
    assert_eq!(visit.get("users").await.next(), None);
    let cut = visit.get("users/delta").await;
    assert_eq!((cut.next(), cut.delta()), (None, None));
    visit
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::LinkLast).times(1));
    let body = String::from_utf8(visit.get("users").await.bytes).unwrap();
    assert!(body.find("\"value\"") < body.find("@odata.nextLink"));
}

#[tokio::test]
async fn empty_pages_duplicates_and_disorder_lose_nothing() {
    let visit = Visit::to(450).await;
    for first in ["users?$select=id", "users/delta?$select=id"] {
        let plain = ids(&visit.all(first).await.0);
        let path = format!("/v1.0/{}", first.split('?').next().unwrap());
        visit
            .tenant
            .fault(Fault::on(&path, Effect::EmptyPage).query("$skiptoken").times(3));
        let pages = visit.pages(first).await;
        assert_eq!(pages.iter().filter(|page| page.rows().is_empty()).count(), 3);
        assert_eq!(pages.iter().flat_map(Reply::ids).collect::<Vec<_>>(), plain);

        visit
            .tenant
            .fault(Fault::on(&path, Effect::Duplicates { rows: 3 }).times(2));
        let twice = ids(&visit.all(first).await.0);
        assert_eq!(twice.len(), plain.len() + 6);
        assert_eq!(twice.iter().collect::<HashSet<_>>().len(), plain.len());

        visit.tenant.fault(Fault::on(&path, Effect::Reversed).times(1));
        let page = visit.get(first).await.ids();
        assert!(page.iter().rev().eq(&plain[..page.len()]));
    }
}

#[tokio::test]
async fn a_delta_can_repeat_itself_and_put_managers_apart() {
    let visit = Visit::to(100).await;
    let users = visit.tenant.users();
    let first = visit
        .get("users/delta?$select=id,jobTitle,manager&$deltatoken=latest")
        .await
        .delta()
        .unwrap();
    visit
        .tenant
        .update(&users[1].id, "jobTitle", json!("One"))
        .unwrap();
    let second = visit.get(&first).await.delta().unwrap();
    visit
        .tenant
        .update(&users[2].id, "jobTitle", json!("Two"))
        .unwrap();
    visit
        .tenant
        .set_manager(&users[2].id, Some(&users[3].id))
        .unwrap();
    visit
        .tenant
        .fault(Fault::on("/v1.0/users/delta", Effect::Replay { changes: 1 }).times(1));
    assert_eq!(
        visit.get(&second).await.ids(),
        [users[1].id.clone(), users[2].id.clone()]
    );
    visit
        .tenant
        .fault(Fault::on("/v1.0/users/delta", Effect::RelationRows).times(1));
    let rows = visit.get(&second).await.rows();
    assert_eq!(rows.len(), 2);
    assert!(rows[0]["jobTitle"] == "Two" && rows[0].get("manager@delta").is_none());
    assert_eq!(rows[1]["manager@delta"][0]["id"], json!(users[3].id));
    assert_eq!(rows[1].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn bodies_can_be_spoilt() {
    let visit = Visit::to(100).await;
    visit
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::MalformedJson).times(1));
    let malformed = visit.get("users").await;
    assert_eq!(malformed.status, 200);
    assert!(serde_json::from_slice::<Value>(&malformed.bytes).is_err());
    visit
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::NotUtf8).times(1));
    assert!(std::str::from_utf8(&visit.get("users").await.bytes).is_err());
    visit
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::CutBody).times(1));
    let url = format!("{}/v1.0/users", visit.simulator.url());
    let cut = visit
        .http
        .get(url)
        .bearer_auth(&visit.token)
        .send()
        .await
        .unwrap();
    assert_eq!(cut.status(), 200);
    assert!(cut.bytes().await.is_err(), "less came than was announced");
    assert_eq!(visit.get("users").await.rows().len(), 100);
}

#[tokio::test]
async fn answers_can_be_slow_or_lead_elsewhere() {
    let visit = Visit::to(10).await;
    visit
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::Delay { milliseconds: 120 }).times(1));
    let start = Instant::now();
    visit.get("users").await;
    assert!(start.elapsed() >= Duration::from_millis(120));
    visit.tenant.set(|settings| settings.latency_ms = 80);
    let start = Instant::now();
    visit.get("organization").await;
    assert!(start.elapsed() >= Duration::from_millis(80));
    let location = "https://elsewhere.example/".to_owned();
    visit
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::Redirect { location }).times(1));
    let reply = visit.get("users").await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (302, "https://elsewhere.example/")
    );
}

#[tokio::test]
async fn records_can_break_the_rules() {
    let visit = Visit::to(50).await;
    let id = visit.tenant.users()[3].id.clone();
    let corrupt = |corruption| Operation::Corrupt {
        user: id.clone(),
        corruption,
    };
    let row = |reply: &Reply| reply.rows()[3].clone();
    let list = "users?$select=id,displayName,accountEnabled,businessPhones,proxyAddresses,streetAddress";
    visit.get(list).await;
    let apply = |corruption| visit.tenant.apply(&corrupt(corruption)).unwrap();

    apply(Corruption::WrongTypes);
    let broken = row(&visit.get(list).await);
    assert_eq!(
        (&broken["displayName"], &broken["accountEnabled"]),
        (&json!(42), &json!("yes"))
    );
    assert!(broken["businessPhones"].is_object());
    assert!(visit.tenant.user(&id).unwrap().corrupt);
    apply(Corruption::Huge { bytes: 2_000_000 });
    apply(Corruption::ManyAliases { count: 10_000 });
    let broken = row(&visit.get(list).await);
    assert_eq!(broken["streetAddress"].as_str().unwrap().len(), 2_000_000);
    assert_eq!(broken["proxyAddresses"].as_array().unwrap().len(), 10_000);
    apply(Corruption::ControlCharacters);
    assert_eq!(
        row(&visit.get(list).await)["displayName"],
        "Nul\0Bell\u{7}Escape\u{1b}"
    );
    apply(Corruption::BadId);
    assert_eq!(row(&visit.get(list).await)["id"], "not-a-guid");
    apply(Corruption::NoId);
    assert!(row(&visit.get(list).await)["id"].is_null());
    apply(Corruption::LoneSurrogate);
    assert!(String::from_utf8_lossy(&visit.get(list).await.bytes).contains("\\ud842 a"));
    apply(Corruption::Raw {
        property: "displayName".into(),
        json: "{".into(),
    });
    assert!(serde_json::from_slice::<Value>(&visit.get(list).await.bytes).is_err());
    apply(Corruption::NotUtf8);
    let spoilt = visit.get(list).await.bytes;
    assert!(std::str::from_utf8(&spoilt).is_err());
    assert_eq!(visit.tenant.users().len(), 50, "the oracle survives it");
    visit.tenant.update(&id, "displayName", json!("Healed")).unwrap();
    assert!(std::str::from_utf8(&visit.get(list).await.bytes).is_ok());
}

#[tokio::test]
async fn published_answers_are_served_as_they_are() {
    let visit = Visit::to(10).await;
    let body = br#"{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users","value":[]}"#;
    let published = Published::of_file("users-list-default.json", body);
    visit
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::Published(published.clone())).times(1));
    // No token is needed: the token may be a published one, too.
    let url = format!("{}/v1.0/users", visit.simulator.url());
    let reply = visit.http.get(url).send().await.unwrap();
    assert_eq!(reply.bytes().await.unwrap().as_ref(), body);
    let moved = published.rebased(&visit.simulator.url());
    visit
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::Published(moved)).times(1));
    let context = visit.get("users").await.json()["@odata.context"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(context.starts_with(&visit.simulator.url()));
    let text = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\n\r\nToo Many Requests";
    let published = Published::of_file("token-429.http", text);
    visit
        .tenant
        .fault(Fault::on("*/token", Effect::Published(published)).times(1));
    let reply = visit.post_token("contoso.com", &[]).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "60"));
    assert_eq!(reply.bytes, b"Too Many Requests");
}

#[tokio::test]
async fn cleared_faults_are_over() {
    let visit = Visit::to(10).await;
    visit.tenant.fault(Fault::on("/v1.0/*", status(500, None)));
    assert_eq!(visit.get("users").await.status, 500);
    assert_eq!(visit.get("organization").await.status, 500);
    visit.tenant.clear_faults();
    assert_eq!(visit.get("users").await.status, 200);
}
