//! Listings and delta rounds: links, loops, restarts, resync, sizes.

use domain::attribute::Attribute;
use domain::id::ObjectId;
use domain::observed::Presence;
use rollcall_graph::{DeltaLink, Disposition, Error, Graph, Limits, PageBody, Pages};
use secrecy::{ExposeSecret, SecretString};

use crate::server::{Answer, Seen, Server, quick};

const ID: &str = "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0";

fn user(number: usize) -> String {
    format!(r#"{{"id":"6ea91a8d-e32e-41a1-b7bd-{number:012x}","city":"{number}"}}"#)
}

/// A page, its link being a path and query at the server that was asked.
fn page(seen: &Seen, users: &str, link: &str) -> Answer {
    let origin = format!("http://{}", seen.header("host"));
    let link = link.replace("HERE", &origin);
    let comma = if link.is_empty() { "" } else { "," };
    Answer::ok(format!(r#"{{"value":[{users}]{comma}{link}}}"#))
}

fn next(query: &str) -> String {
    format!(r#""@odata.nextLink":"HERE/v1.0/users?{query}""#)
}

fn delta(query: &str) -> String {
    format!(r#""@odata.deltaLink":"HERE/v1.0/users/delta?{query}""#)
}

async fn all(pages: &mut Pages) -> Result<Vec<String>, Error> {
    let mut cities = Vec::new();
    while let Some(page) = pages.next().await? {
        cities.extend(cities_of(&page));
    }
    Ok(cities)
}

fn cities_of(page: &PageBody) -> Vec<String> {
    let records = page.users().unwrap();
    records
        .users
        .iter()
        .map(|user| user.value(Attribute::City).unwrap().to_owned())
        .collect()
}

fn link_at(graph: &Graph, query: &str) -> DeltaLink {
    let origin = graph.endpoints().graph_origin();
    DeltaLink(SecretString::from(format!("{origin}/v1.0/users/delta?{query}")))
}

#[tokio::test]
async fn links_are_followed_verbatim_to_a_proved_end() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| match seen.before {
            0 => page(seen, &user(1), &next("$skiptoken=a%20b+c'd&x=1")),
            1 => page(seen, "", &next("$skiptoken=empty")),
            _ => page(seen, &user(2), ""),
        })
    })
    .await;
    let mut pages = server.client().users();
    assert!(
        server.graph().is_empty(),
        "nothing is sent before the first page is asked for"
    );
    assert_eq!(all(&mut pages).await.unwrap(), ["1", "2"]);
    assert!(pages.ended() && pages.read() == 3);
    assert!(pages.next().await.unwrap().is_none());
    let targets: Vec<_> = server.graph().into_iter().map(|seen| seen.target).collect();
    assert!(
        targets[0].starts_with("/v1.0/users?$top=999&$select=id,userPrincipalName,displayName,"),
        "{targets:?}"
    );
    assert!(targets[0].contains(",employeeOrgData,"), "{targets:?}");
    assert!(
        targets[0].ends_with(",onPremisesSyncEnabled&$expand=manager($select=id)"),
        "{targets:?}"
    );
    assert_eq!(targets[1], "/v1.0/users?$skiptoken=a%20b+c%27d&x=1");
}

#[tokio::test]
async fn some_users_are_looked_up_by_their_ids_at_once() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| match seen.before {
            0 => page(seen, &user(1), &next("$skiptoken=2")),
            _ => page(seen, &user(2), ""),
        })
    })
    .await;
    let ids = [1, 2, 3].map(|number: u128| ObjectId(uuid::Uuid::from_u128(number)));
    let mut pages = server.client().users_by_id(&ids);
    assert_eq!(
        all(&mut pages).await.unwrap(),
        ["1", "2"],
        "the third is not there"
    );
    assert!(pages.ended());
    let first = server.graph()[0].target.replace("%20", " ").replace("%27", "'");
    assert!(
        first.starts_with("/v1.0/users?$top=999&$select=id,userPrincipalName,"),
        "{first}"
    );
    assert!(
        first.ends_with(
            "&$expand=manager($select=id)&$filter=id in ('00000000-0000-0000-0000-000000000001',\
             '00000000-0000-0000-0000-000000000002','00000000-0000-0000-0000-000000000003')"
        ),
        "{first}"
    );
}

#[tokio::test]
async fn the_next_page_is_on_its_way_while_one_is_decoded() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| match seen.before {
            0 => page(seen, &user(1), &next("$skiptoken=2")),
            _ => page(seen, &user(2), ""),
        })
    })
    .await;
    let mut pages = server.client().users();
    let _first = pages.next().await.unwrap().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while server.graph().len() < 2 {
        assert!(
            std::time::Instant::now() < deadline,
            "the second page was not asked for"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_link_elsewhere_is_refused_and_gets_no_token() {
    let evil = Server::start(|_| Some(Answer::ok(r#"{"value":[]}"#))).await;
    for field in ["@odata.nextLink", "@odata.deltaLink"] {
        for link in [
            format!("{}/v1.0/users?$skiptoken=x", evil.origin),
            "https://graph.microsoft.com/v1.0/users?$skiptoken=x".to_owned(),
            "/v1.0/users?$skiptoken=x".to_owned(),
        ] {
            let link = format!(r#""{field}":"{link}""#);
            let server = Server::start(move |seen| (!seen.is_token()).then(|| page(seen, "", &link))).await;
            let graph = server.client();
            let mut round = graph.changes(&link_at(&graph, "$deltatoken=x")).unwrap();
            let error = round.next().await.err().unwrap();
            assert!(matches!(error, Error::ForeignLink { .. }), "{field}: {error}");
            assert!(!error.to_string().contains("skiptoken"), "{error}");
            assert!(matches!(round.next().await, Err(Error::Broken)));
        }
    }
    let graph = evil.client();
    let stored = DeltaLink(SecretString::from(
        "http://localhost:1/v1.0/users/delta?$deltatoken=x",
    ));
    assert!(matches!(
        graph.changes(&stored).err(),
        Some(Error::ForeignLink { .. })
    ));
    assert!(evil.graph().is_empty());
}

#[tokio::test]
async fn loops_are_noticed() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| page(seen, "", &next(if seen.before % 2 == 0 { "a" } else { "b" })))
    })
    .await;
    let error = all(&mut server.client().users()).await.unwrap_err();
    assert!(matches!(error, Error::RepeatedLink { page: 3 }), "{error}");

    let server =
        Server::start(|seen| (!seen.is_token()).then(|| page(seen, "", &next(&seen.before.to_string()))))
            .await;
    let limits = Limits { pages: 5, ..quick() };
    let error = all(&mut server.client_within(limits).users()).await.unwrap_err();
    assert!(matches!(error, Error::TooManyPages { limit: 5 }), "{error}");
    assert_eq!(server.graph().len(), 5);
}

#[tokio::test]
async fn an_expired_page_link_restarts_the_listing_a_few_times() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| match seen.before {
            0 => page(seen, &user(1), &next("old")),
            1 => Answer::error(400, "Directory_ExpiredPageToken"),
            2 => page(seen, &user(1), &next("new")),
            _ => page(seen, &user(2), ""),
        })
    })
    .await;
    let mut pages = server.client().users();
    let error = all(&mut pages).await.unwrap_err();
    assert!(matches!(error, Error::RestartListing { page: 1, .. }), "{error}");
    assert_eq!(error.disposition(), Disposition::RestartListing);
    assert!(matches!(pages.next().await, Err(Error::Broken)) && !pages.ended());
    pages.restart().unwrap();
    assert_eq!(all(&mut pages).await.unwrap(), ["1", "2"]);
    assert_eq!((pages.restarts(), pages.read()), (1, 2));

    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| match seen.before % 2 {
            0 => page(seen, "", &next("old")),
            _ => Answer::error(400, "Directory_ExpiredPageToken"),
        })
    })
    .await;
    let mut pages = server.client().users();
    let last = loop {
        assert!(all(&mut pages).await.is_err());
        if let Err(error) = pages.restart() {
            break error;
        }
    };
    assert!(matches!(last, Error::TooManyRestarts { restarts: 5 }), "{last}");
}

#[tokio::test]
async fn pages_too_slow_for_graph_get_smaller() {
    let server = Server::start(|seen| {
        let top = |size: &str| seen.target.contains(&format!("$top={size}&"));
        (!seen.is_token()).then(|| match () {
            () if top("999") => Answer::error(504, "UnknownError"),
            () if seen.target.ends_with("?half") => Answer::error(504, "UnknownError"),
            () if top("500") => page(seen, &user(1), &next("half")),
            () => page(seen, &user(2), ""),
        })
    })
    .await;
    let mut pages = server.client().users();
    assert_eq!(cities_of(&pages.next().await.unwrap().unwrap()), ["1"]);
    let error = pages.next().await.err().unwrap();
    assert!(matches!(error, Error::RestartListing { page: 1, .. }), "{error}");
    pages.restart().unwrap();
    assert_eq!(all(&mut pages).await.unwrap(), ["2"]);
    let sent = |part: &str| {
        server
            .graph()
            .iter()
            .filter(|seen| seen.target.contains(part))
            .count()
    };
    assert_eq!(
        (
            sent("$top=999&"),
            sent("$top=500&"),
            sent("?half"),
            sent("$top=100&")
        ),
        (2, 1, 2, 1)
    );
}

#[tokio::test]
async fn pages_too_large_for_us_get_smaller() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| {
            let users = if seen.target.contains("$top=100&") { 1 } else { 100 };
            page(seen, &vec![user(1); users].join(","), "")
        })
    })
    .await;
    let limits = Limits {
        body: 2_000,
        ..quick()
    };
    assert_eq!(
        all(&mut server.client_within(limits).users()).await.unwrap(),
        ["1"]
    );
    let limits = Limits { body: 20, ..quick() };
    let error = all(&mut server.client_within(limits).users()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 20, .. }), "{error}");
}

#[tokio::test]
async fn deleted_users_are_listed_under_their_old_names() {
    let server = Server::start(|seen| {
        let user = format!(
            r#"{{"id":"{ID}","userPrincipalName":"{}bob@t.com"}}"#,
            ID.replace('-', "")
        );
        (!seen.is_token()).then(|| page(seen, &user, ""))
    })
    .await;
    let page = server.client().deleted_users().next().await.unwrap().unwrap();
    let records = page.users().unwrap();
    assert_eq!(
        records.users[0].value(Attribute::UserPrincipalName),
        Some("bob@t.com")
    );
    assert_eq!(records.users[0].presence, Presence::SoftDeleted);
    let target = &server.graph()[0].target;
    assert!(
        target.starts_with("/v1.0/directory/deletedItems/microsoft.graph.user?$top=999&$select=id,"),
        "{target}"
    );
    assert!(!target.contains("manager"), "{target}");
}

#[tokio::test]
async fn a_round_goes_from_link_to_link() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| match seen.before {
            0 => page(seen, "", &delta("$deltatoken=now")),
            1 => page(seen, "", &next("$skiptoken=1")),
            _ => page(seen, &user(1), &delta("$deltatoken=later")),
        })
    })
    .await;
    let graph = server.client();
    let latest = graph.latest_delta_link().await.unwrap();
    assert!(
        latest
            .0
            .expose_secret()
            .ends_with("/v1.0/users/delta?$deltatoken=now")
    );
    assert!(!format!("{latest:?}").contains("now"));
    let mut round = graph.changes(&latest).unwrap();
    assert!(round.next().await.unwrap().is_some_and(|page| !page.is_last()));
    assert!(round.end().is_none(), "no link before the end");
    let last = round.next().await.unwrap().unwrap();
    assert!(last.is_last() && cities_of(&last) == ["1"]);
    assert!(round.next().await.unwrap().is_none());
    assert!(
        round
            .end()
            .unwrap()
            .0
            .expose_secret()
            .ends_with("$deltatoken=later")
    );
    let first = &server.graph()[0].target;
    assert!(
        first.starts_with("/v1.0/users/delta?$deltatoken=latest&$select=id,userPrincipalName,"),
        "{first}"
    );
    assert!(first.ends_with(",manager") && !first.contains("$top"), "{first}");
}

#[tokio::test]
async fn every_resync_answer_ends_the_round_wherever_it_comes() {
    let answers = [
        Answer::new(410, "").with(
            "location",
            "https://graph.microsoft.com/v1.0/users/delta?$deltatoken=",
        ),
        Answer::error(400, "syncStateNotFound"),
        Answer::error(404, "ResyncRequired"),
        Answer::new(
            400,
            r#"{"error":{"code":"x","innererror":{"code":"resyncApplyDifferences"}}}"#,
        ),
    ];
    for answer in answers {
        for first_page in [true, false] {
            let resync = answer.clone();
            let server = Server::start(move |seen| {
                (!seen.is_token()).then(|| match seen.before {
                    0 if !first_page => page(seen, &user(1), &next("$skiptoken=1")),
                    _ => resync.clone(),
                })
            })
            .await;
            let graph = server.client();
            let mut round = graph.changes(&link_at(&graph, "$deltatoken=x")).unwrap();
            if !first_page {
                assert!(round.next().await.unwrap().is_some());
            }
            let error = round.next().await.err().unwrap();
            assert!(matches!(error, Error::Resync { .. }), "{answer:?}: {error}");
            assert_eq!(error.disposition(), Disposition::Resync);
            assert!(round.end().is_none());
            assert!(matches!(round.next().await, Err(Error::Broken)));
        }
    }
}

#[tokio::test]
async fn a_round_page_without_exactly_one_link_proves_nothing() {
    for links in [String::new(), format!("{},{}", next("a"), delta("b"))] {
        let server = Server::start(move |seen| (!seen.is_token()).then(|| page(seen, "", &links))).await;
        let graph = server.client();
        let mut round = graph.changes(&link_at(&graph, "$deltatoken=x")).unwrap();
        assert!(matches!(round.next().await, Err(Error::Unexpected { .. })));
        assert!(round.end().is_none());
    }
}

#[tokio::test]
async fn a_page_that_is_not_json_is_an_error_with_its_id() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| Answer::ok("{\"value\":[").with("request-id", "r-7"))
    })
    .await;
    let mut pages = server.client().users();
    let page = pages.next().await.unwrap().unwrap();
    let error = page.users().unwrap_err();
    assert!(
        matches!(&error, Error::Malformed { request_id, .. } if request_id == "r-7"),
        "{error}"
    );
}
