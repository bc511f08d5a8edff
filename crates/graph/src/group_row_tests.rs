use domain::observed::Presence;
use domain::observed_group::MemberKind;

use super::*;

const GROUP: &str = "2e5807ce-58f3-4a94-9b37-ffff2e085957";
const USER: &str = "693acd06-2877-4339-8ade-b704261fe7a0";

fn groups(text: &str) -> Groups<'_> {
    let page = page(text, false).unwrap();
    assert_eq!(page.no_list, None);
    page.list.into_groups()
}

/// A page of one group with these further keys, between two good groups who must not suffer from it.
fn among(keys: &str) -> String {
    format!(
        r#"{{"value":[{{"id":"{USER}","members@delta":[{{"id":"{USER}"}}]}},{{"id":"{GROUP}",{keys}}},{{"id":"{USER}","displayName":"last"}}]}}"#
    )
}

fn with_one(keys: &str, look: impl FnOnce(&ObservedGroup<'_>, &[Unusable])) {
    let text = among(keys);
    let found = groups(&text);
    assert_eq!(found.groups.len(), 3, "{keys}: {:?}", found.unusable);
    assert_eq!(found.groups[0].members.len(), 1);
    assert_eq!(
        (&found.groups[0].problem, &found.groups[2].problem),
        (&None, &None)
    );
    assert_eq!(found.groups[2].name, Mention::Value("last".into()));
    look(&found.groups[1], &found.unusable);
}

fn problem(keys: &str) -> String {
    let mut text = None;
    with_one(keys, |group, _| {
        text = Some(group.problem.as_deref().unwrap_or_default().to_owned());
    });
    text.unwrap()
}

#[test]
fn a_group_says_what_it_is_and_who_is_in_it() {
    with_one(
        r##""displayName":"Sales","description":null,"mail":"","mailEnabled":false,"securityEnabled":true,
        "groupTypes":["DynamicMembership"],"membershipRule":"user.department -eq \"Sales\"","visibility":"Private",
        "members@delta":[{"@odata.type":"#microsoft.graph.user","id":"693ACD06-2877-4339-8ADE-B704261FE7A0"},
        {"@odata.type":"#microsoft.graph.group","id":"2e5807ce-58f3-4a94-9b37-ffff2e085957"},
        {"@odata.type":"#microsoft.graph.device","id":"00000000-0000-0000-0000-000000000003"},
        {"@odata.type":"#microsoft.graph.servicePrincipal","id":"00000000-0000-0000-0000-000000000004"},
        {"@odata.type":"#microsoft.graph.orgContact","id":"00000000-0000-0000-0000-000000000005"},
        {"@odata.type":"#microsoft.graph.robot","id":"00000000-0000-0000-0000-000000000006"},
        {"id":"00000000-0000-0000-0000-000000000007","@removed":{"reason":"deleted"}}]"##,
        |group, unusable| {
            assert_eq!(
                (group.id.to_string().as_str(), group.presence),
                (GROUP, Presence::Present)
            );
            assert_eq!((&group.problem, unusable.len()), (&None, 0));
            assert_eq!(group.name, Mention::Value("Sales".into()));
            assert_eq!(
                (&group.description, &group.mail),
                (&Mention::Cleared, &Mention::Cleared)
            );
            assert_eq!(
                group.membership_rule,
                Mention::Value("user.department -eq \"Sales\"".into())
            );
            assert_eq!(group.visibility, Mention::Value("Private".into()));
            assert_eq!(
                (group.kind, group.dynamic),
                (Some(GroupKind::Security), Some(true))
            );
            let kinds: Vec<_> = group.members.iter().map(|member| member.kind).collect();
            assert_eq!(
                kinds,
                [
                    MemberKind::User,
                    MemberKind::Group,
                    MemberKind::Device,
                    MemberKind::ServicePrincipal,
                    MemberKind::OrgContact,
                    MemberKind::Unknown,
                    MemberKind::Unknown
                ]
            );
            assert_eq!(group.members[0].id.to_string(), USER);
            let removed: Vec<_> = group.members.iter().map(|member| member.removed).collect();
            assert_eq!(removed, [false, false, false, false, false, false, true]);
        },
    );
}

#[test]
fn the_kind_is_told_only_by_what_tells_it() {
    let table = [
        (
            r#""groupTypes":["Unified"]"#,
            Some(GroupKind::Microsoft365),
            Some(false),
        ),
        (
            r#""groupTypes":["Unified","DynamicMembership"]"#,
            Some(GroupKind::Microsoft365),
            Some(true),
        ),
        (r#""groupTypes":[]"#, None, Some(false)),
        (r#""groupTypes":null"#, None, Some(false)),
        (r#""securityEnabled":true"#, None, None),
        (
            r#""securityEnabled":true,"mailEnabled":false"#,
            Some(GroupKind::Security),
            Some(false),
        ),
        (
            r#""groupTypes":[],"securityEnabled":true,"mailEnabled":true"#,
            Some(GroupKind::MailEnabledSecurity),
            Some(false),
        ),
        (
            r#""groupTypes":[],"securityEnabled":null,"mailEnabled":true"#,
            Some(GroupKind::Distribution),
            Some(false),
        ),
        (r#""displayName":"x""#, None, None),
    ];
    for (keys, kind, dynamic) in table {
        with_one(keys, |group, _| {
            assert_eq!((group.kind, group.dynamic), (kind, dynamic), "{keys}");
            assert_eq!(group.problem, None, "{keys}");
        });
    }
}

#[test]
fn silence_is_not_emptiness() {
    with_one(r#""members@delta":null"#, |group, _| {
        let mut blank = ObservedGroup::new(group.id);
        assert_eq!(*group, blank);
        blank.name = Mention::Cleared;
        assert_ne!(*group, blank);
    });
}

#[test]
fn removed_groups_can_come_back_or_not() {
    for (reason, presence) in [
        (r#"{"reason":"changed"}"#, Presence::SoftDeleted),
        (r#"{"reason":"deleted"}"#, Presence::Gone),
        ("{}", Presence::SoftDeleted),
    ] {
        with_one(&format!(r#""@removed":{reason}"#), |group, _| {
            assert_eq!((group.presence, &group.problem), (presence, &None), "{reason}");
        });
    }
    assert!(problem(r#""@removed":true"#).starts_with("@removed is true"));
}

#[test]
fn a_bad_member_costs_no_other() {
    let keys = format!(
        r#""displayName":"Sales","members@delta":[{{"id":"{USER}"}},{{"id":"693acd06"}},7,{{"@odata.type":"x"}},{{"id":"{GROUP}"}}]"#
    );
    with_one(&keys, |group, unusable| {
        assert_eq!((group.members.len(), &group.problem), (2, &None));
        let reasons: Vec<_> = unusable
            .iter()
            .map(|one| {
                assert_eq!((one.index, one.label.as_deref()), (1, Some("Sales")));
                one.reason.split(',').next().unwrap()
            })
            .collect();
        assert_eq!(
            reasons,
            [
                "member 1 of the group is a link to \"693acd06\"",
                "member 2 of the group is a link that is a number",
                "member 3 of the group is a link without an id"
            ]
        );
    });
}

#[test]
fn a_bad_value_names_itself() {
    assert_eq!(
        problem(r#""displayName":7"#),
        "displayName is a number, expected text; look at this group's displayName in Entra, then run again"
    );
    assert!(problem(r#""mailEnabled":"yes""#).starts_with("mailEnabled is text, expected true or false"));
    assert!(problem(r#""groupTypes":["Unified",7]"#).starts_with("groupTypes is a list with a number in it"));
    assert!(problem(r#""members@delta":{}"#).starts_with("members@delta is an object, expected a list"));
    assert!(
        problem(r#""displayName":"a\u0000b""#).starts_with("displayName holds the control character U+0000")
    );
    assert_eq!(problem(r#""description":"two\r\nlines""#), "");
    assert!(problem(&format!(r#""description":"{}""#, "x".repeat(300_000))).contains("more than 262144"));
    // What the parser itself can't get over.
    assert!(problem(r#""description":"\uD800""#).starts_with("description can't be read"));
    with_one(
        &format!(r#""mail":"\uD800","members@delta":[{{"id":"{USER}"}}]"#),
        |group, _| {
            assert_eq!(group.members.len(), 1, "its members are kept");
        },
    );
}

#[test]
fn a_group_without_an_id_is_filed_apart() {
    let text = format!(r#"{{"value":[7,{{"displayName":"x"}},{{"id":"{GROUP}"}},{{"id":"abc"}}]}}"#);
    let found = groups(&text);
    assert_eq!(found.groups.len(), 1);
    let places: Vec<_> = found
        .unusable
        .iter()
        .map(|one| (one.index, one.label.as_deref(), one.reason.as_str()))
        .collect();
    assert_eq!(
        places,
        [
            (0, None, "the record is a number, expected a group"),
            (1, Some("x"), "id is missing; select id, then run again"),
            (3, Some("abc"), "id is \"abc\", expected a GUID")
        ]
    );
}

#[test]
fn bytes_that_are_no_text_spoil_their_group_only() {
    let mut bytes = among(r#""displayName":"Zo?""#).into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[at] = 0xEB;
    let body = crate::PageBody::of_bytes(bytes, crate::Shape::Groups, 1, String::new()).unwrap();
    assert!(matches!(body.users(), Err(crate::Error::Unexpected { .. })));
    let found = body.groups().unwrap();
    assert_eq!(found.groups.len(), 3);
    assert!(found.groups[1].problem.as_deref().unwrap().contains("not UTF-8"));
    assert_eq!(found.groups[2].problem, None);
}
