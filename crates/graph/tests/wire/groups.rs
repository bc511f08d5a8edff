//! Rounds of groups: what Microsoft's documentation shows, split groups, removals, and all that may go wrong.

use domain::id::ObjectId;
use domain::observed::{Mention, Presence};
use domain::observed_group::{GroupKind, MemberChange, MemberKind};
use rollcall_graph::{Cause, DeltaLink, Disposition, Error, Graph, Limits, Round};
use secrecy::{ExposeSecret, SecretString};

use crate::server::{Answer, Seen, Server, quick};

const LARGE: &str = "2e5807ce-58f3-4a94-9b37-ffff2e085957";
const OTHER: &str = "ec22655c-8eb2-432a-b4ea-8b8a254bffff";

/// A row: id, presence, name, members added, members removed.
type Row = (String, Presence, Option<String>, Vec<String>, Vec<String>);

/// A page with the server's own address in its link.
fn page(seen: &Seen, groups: &str, link: &str) -> Answer {
    let link = link.replace(
        "HERE",
        &format!("http://{}/v1.0/groups/delta", seen.header("host")),
    );
    Answer::ok(format!(r#"{{"value":[{groups}],{link}}}"#))
}

fn next(query: &str) -> String {
    format!(r#""@odata.nextLink":"HERE?{query}""#)
}

fn delta(query: &str) -> String {
    format!(r#""@odata.deltaLink":"HERE?{query}""#)
}

fn since(graph: &Graph) -> DeltaLink {
    let origin = graph.endpoints().graph_origin();
    DeltaLink(SecretString::from(format!(
        "{origin}/v1.0/groups/delta?$deltatoken=old"
    )))
}

fn ids(members: &[MemberChange], removed: bool) -> Vec<String> {
    members
        .iter()
        .filter(|member| member.removed == removed)
        .map(|member| member.id.to_string())
        .collect()
}

async fn all(round: &mut Round) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    while let Some(page) = round.next().await? {
        for group in page.groups()?.groups {
            let name = match &group.name {
                Mention::Value(name) => Some(name.clone().into_owned()),
                Mention::Cleared | Mention::Unmentioned => None,
            };
            let (added, removed) = (ids(&group.members, false), ids(&group.members, true));
            rows.push((group.id.to_string(), group.presence, name, added, removed));
        }
    }
    Ok(rows)
}

/// What Microsoft's documentation shows, with this server's address in the links.
fn documented(seen: &Seen, sample: &str) -> Answer {
    let here = format!("http://{}", seen.header("host"));
    Answer::ok(sample.replace("https://graph.microsoft.com", &here))
}

#[tokio::test]
async fn the_first_round_reads_everything_a_split_group_too() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| match seen.before {
            0 => page(
                seen,
                &format!(
                    r##"{{"id":"{LARGE}","displayName":"Large","mailEnabled":false,"securityEnabled":true,"groupTypes":[],
                    "members@delta":[{{"@odata.type":"#microsoft.graph.user","id":"{}"}}]}},
                    {{"id":"{OTHER}","displayName":"Other"}}"##,
                    member(1)
                ),
                &next("$skiptoken=2"),
            ),
            1 => page(seen, "", &next("$skiptoken=3")),
            _ => page(
                seen,
                &format!(r##"{{"id":"{LARGE}","members@delta":[{{"@odata.type":"#microsoft.graph.group","id":"{OTHER}"}}]}}"##),
                &delta("$deltatoken=now"),
            ),
        })
    })
    .await;
    let mut round = server.client().group_changes(None).unwrap();
    assert!(
        server.graph().is_empty(),
        "nothing is sent before the first page is asked for"
    );
    let present = |id: &str, name: Option<&str>, added: &[String]| -> Row {
        (
            id.to_owned(),
            Presence::Present,
            name.map(str::to_owned),
            added.to_vec(),
            vec![],
        )
    };
    assert_eq!(
        all(&mut round).await.unwrap(),
        [
            present(LARGE, Some("Large"), &[member(1)]),
            present(OTHER, Some("Other"), &[]),
            present(LARGE, None, &[OTHER.to_owned()]),
        ]
    );
    assert_eq!(round.read(), 3);
    let end = round.end().unwrap();
    assert!(
        end.0
            .expose_secret()
            .ends_with("/v1.0/groups/delta?$deltatoken=now")
    );
    let targets: Vec<_> = server.graph().into_iter().map(|seen| seen.target).collect();
    assert_eq!(
        targets,
        [
            "/v1.0/groups/delta?$select=displayName,description,mail,mailEnabled,securityEnabled,groupTypes,\
             membershipRule,visibility,members",
            "/v1.0/groups/delta?$skiptoken=2",
            "/v1.0/groups/delta?$skiptoken=3"
        ]
    );
}

fn member(number: u128) -> String {
    ObjectId(uuid::Uuid::from_u128(number)).to_string()
}

#[tokio::test]
async fn the_documented_rounds_are_understood() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| {
            let sample = match seen.before {
                0 => include_str!("../../../../tests/samples/groups-delta-initial.json"),
                1 => include_str!("../../../../tests/samples/groups-delta-large-group-page1.json"),
                2 => include_str!("../../../../tests/samples/groups-delta-large-group-page2.json"),
                3 => include_str!("../../../../tests/samples/groups-delta-final-deltalink.json"),
                4 => include_str!("../../../../tests/samples/groups-delta-nochanges.json"),
                _ => include_str!("../../../../tests/samples/groups-delta-member-added-and-removed.json"),
            };
            documented(seen, sample)
        })
    })
    .await;
    let graph = server.client();
    let mut round = graph.group_changes(None).unwrap();
    let first = round.next().await.unwrap().unwrap();
    let groups = first.groups().unwrap().groups;
    assert_eq!(
        (groups.len(), groups[0].members.len(), groups[1].members.len()),
        (2, 2, 0)
    );
    assert!(
        groups[0]
            .members
            .iter()
            .all(|one| one.kind == MemberKind::User && !one.removed)
    );
    assert_eq!(
        groups[0].description,
        Mention::Value("Employees in test group 1".into())
    );
    assert_eq!((groups[0].kind, &groups[0].mail), (None, &Mention::Unmentioned));

    let second = round.next().await.unwrap().unwrap();
    let second = second.groups().unwrap();
    // One of the ids shown there lacks a digit: it costs nothing but itself.
    assert_eq!(ids(&second.groups[0].members, true), Vec::<String>::new());
    assert_eq!(
        ids(&second.groups[0].members, false),
        ["37de1ae3-408f-4702-8636-20824abda004"]
    );
    assert_eq!(second.unusable.len(), 1);
    assert_eq!(second.unusable[0].label.as_deref(), Some("LargeGroup"));
    assert!(
        second.unusable[0]
            .reason
            .contains("632f6bb2-3ec8-4c1f-9073-0027a8c6859"),
        "{}",
        second.unusable[0].reason
    );

    let third = round.next().await.unwrap().unwrap();
    let third = third.groups().unwrap();
    assert_eq!(third.groups[0].id.to_string(), LARGE, "the same group again");
    assert_eq!(
        ids(&third.groups[0].members, true),
        ["c08a463b-7b8a-40a4-aa31-f9bf690b9551"]
    );
    assert_eq!(
        ids(&third.groups[0].members, false),
        ["23423fa6-821e-44b2-aae4-d039d33884c2"]
    );

    let last = round.next().await.unwrap().unwrap();
    assert!(last.is_last() && last.groups().unwrap().groups.len() == 2);
    assert!(round.next().await.unwrap().is_none());

    let mut round = graph.group_changes(round.end().as_ref()).unwrap();
    assert_eq!(all(&mut round).await.unwrap(), [], "no changes");
    assert!(round.end().is_some());
    let mut round = graph.group_changes(round.end().as_ref()).unwrap();
    let rows = all(&mut round).await.unwrap();
    assert_eq!(rows[0].3, ["37de1ae3-408f-4702-8636-20824abda004"]);
    let asked = &server.graph()[4].target;
    assert!(
        asked.starts_with("/v1.0/groups/delta?$deltatoken=sZwAFZibx-"),
        "the link as it came: {asked}"
    );
}

#[tokio::test]
async fn the_documented_kinds_are_understood() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| {
            documented(
                seen,
                include_str!("../../../../tests/samples/groups-delta-members.json"),
            )
        })
    })
    .await;
    let mut round = server.client().group_changes(None).unwrap();
    let page = round.next().await.unwrap().unwrap();
    let found = page.groups().unwrap();
    assert!(found.groups.is_empty(), "its id is left out there");
    assert_eq!(found.unusable[0].label.as_deref(), Some("All Company"));
    assert_eq!(
        found.unusable[0].reason,
        "id is missing; select id, then run again"
    );

    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| {
            let sample = include_str!("../../../../tests/samples/groups-delta-members.json");
            let with_id = sample.replace(
                "\"createdDateTime\"",
                &format!("\"id\":\"{LARGE}\",\"createdDateTime\""),
            );
            documented(seen, &with_id)
        })
    })
    .await;
    let mut round = server.client().group_changes(None).unwrap();
    let page = round.next().await.unwrap().unwrap();
    let group = &page.groups().unwrap().groups[0];
    assert_eq!(
        (group.kind, group.dynamic),
        (Some(GroupKind::Microsoft365), Some(false))
    );
    assert_eq!(group.mail, Mention::Value("allcompany@contoso.com".into()));
}

#[tokio::test]
async fn removed_groups_and_members_are_told_apart() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| {
            page(
                seen,
                &format!(
                    r#"{{"id":"{LARGE}","members@delta":[{{"id":"{}","@removed":{{"reason":"deleted"}}}}]}},
                    {{"id":"{OTHER}","@removed":{{"reason":"changed"}}}},
                    {{"id":"{}","@removed":{{"reason":"deleted"}}}}"#,
                    member(1),
                    member(9)
                ),
                &delta("$deltatoken=now"),
            )
        })
    })
    .await;
    let graph = server.client();
    let mut round = graph.group_changes(Some(&since(&graph))).unwrap();
    assert_eq!(
        all(&mut round).await.unwrap(),
        [
            (LARGE.to_owned(), Presence::Present, None, vec![], vec![member(1)]),
            (OTHER.to_owned(), Presence::SoftDeleted, None, vec![], vec![]),
            (member(9), Presence::Gone, None, vec![], vec![]),
        ]
    );
}

#[tokio::test]
async fn loops_are_noticed() {
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| page(seen, "", &next(if seen.before % 2 == 0 { "a" } else { "b" })))
    })
    .await;
    let error = all(&mut server.client().group_changes(None).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::RepeatedLink { page: 3 }), "{error}");

    let server =
        Server::start(|seen| (!seen.is_token()).then(|| page(seen, "", &next(&seen.before.to_string()))))
            .await;
    let limits = Limits { pages: 5, ..quick() };
    let mut round = server.client_within(limits).group_changes(None).unwrap();
    let error = all(&mut round).await.unwrap_err();
    assert!(matches!(error, Error::TooManyPages { limit: 5 }), "{error}");
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let server =
        Server::start(|seen| (!seen.is_token()).then(|| Answer::error(403, "Authorization_RequestDenied")))
            .await;
    let error = all(&mut server.client().group_changes(None).unwrap())
        .await
        .unwrap_err();
    assert_eq!(
        error.cause(),
        Cause::MissingPermission {
            permission: "GroupMember.Read.All (or Group.Read.All)"
        }
    );
    assert_eq!(error.disposition(), Disposition::Stop);
    assert_eq!(server.graph().len(), 1, "another try would not help");
}

#[tokio::test]
async fn a_reset_ends_the_round_wherever_it_comes() {
    for answer in [Answer::new(410, ""), Answer::error(400, "syncStateNotFound")] {
        for first_page in [true, false] {
            let resync = answer.clone();
            let server = Server::start(move |seen| {
                (!seen.is_token()).then(|| match seen.before {
                    0 if !first_page => page(seen, "", &next("$skiptoken=1")),
                    _ => resync.clone(),
                })
            })
            .await;
            let graph = server.client();
            let mut round = graph.group_changes(Some(&since(&graph))).unwrap();
            let error = all(&mut round).await.unwrap_err();
            assert!(matches!(error, Error::Resync { .. }), "{error}");
            assert!(round.end().is_none());
            assert!(matches!(round.next().await, Err(Error::Broken)));
        }
    }
}

#[tokio::test]
async fn a_link_elsewhere_is_refused() {
    let server = Server::start(|_| None).await;
    let elsewhere = DeltaLink(SecretString::from(
        "https://graph.example/v1.0/groups/delta?$deltatoken=x",
    ));
    assert!(matches!(
        server.client().group_changes(Some(&elsewhere)).err(),
        Some(Error::ForeignLink { .. })
    ));
    let server = Server::start(|seen| {
        (!seen.is_token()).then(|| Answer::ok(r#"{"value":[],"@odata.nextLink":"https://graph.example/x"}"#))
    })
    .await;
    let error = all(&mut server.client().group_changes(None).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ForeignLink { .. }), "{error}");
}

#[tokio::test]
async fn pages_of_users_and_of_groups_are_not_mixed_up() {
    let server = Server::start(|seen| (!seen.is_token()).then(|| page(seen, "", &delta("d")))).await;
    let graph = server.client();
    let groups = graph.group_changes(None).unwrap().next().await.unwrap().unwrap();
    assert!(groups.groups().is_ok() && matches!(groups.users(), Err(Error::Unexpected { .. })));
    let users = graph
        .changes(&since(&graph))
        .unwrap()
        .next()
        .await
        .unwrap()
        .unwrap();
    assert!(users.users().is_ok() && matches!(users.groups(), Err(Error::Unexpected { .. })));
}
