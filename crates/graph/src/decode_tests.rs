use domain::observed::ObservedUser;

use super::*;
use crate::expect::Found;

const ID: &str = "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0";
const BOSS: &str = "99789584-a1e1-4232-90e5-866170e3d4e7";

fn records(text: &str, shape: Shape) -> Records<'_> {
    let page = page(text, shape, false).unwrap();
    assert_eq!(page.no_list, None);
    page.list.records
}

/// A page of one user with these further keys, between two good users who must not suffer from it.
fn among(keys: &str) -> String {
    format!(r#"{{"value":[{{"id":"{BOSS}"}},{{"id":"{ID}",{keys}}},{{"id":"{BOSS}","city":"Oslo"}}]}}"#)
}

fn with_one(keys: &str, shape: Shape, look: impl FnOnce(&ObservedUser<'_>)) {
    let text = among(keys);
    let records = records(&text, shape);
    assert_eq!(records.users.len(), 3, "{keys}: {:?}", records.unusable);
    assert_eq!(records.users[0].problem, None);
    assert_eq!(records.users[2].problem, None);
    assert_eq!(records.users[2].value(Attribute::City), Some("Oslo"));
    look(&records.users[1]);
}

fn problem(keys: &str) -> String {
    let mut text = None;
    with_one(keys, Shape::Listing, |user| {
        text = Some(user.problem.as_deref().unwrap_or_default().to_owned());
    });
    text.unwrap()
}

#[test]
fn a_listed_user_is_whole_and_borrowed() {
    let text = r##"{"@odata.context":"x","value":[{
        "id":"6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0","@odata.etag":"w","displayName":"Conf \"Room\" Adams",
        "mail":"Adams@contoso.com","givenName":null,"surname":"","businessPhones":["425-555-0100"],
        "proxyAddresses":["SMTP:a@b","smtp:c@d"],"otherMails":[],"accountEnabled":false,"onPremisesSyncEnabled":null,
        "createdDateTime":"2014-01-01T00:00:00Z","employeeOrgData":{"costCenter":"7","division":null},
        "manager":{"@odata.type":"#microsoft.graph.user","id":"99789584-A1E1-4232-90E5-866170E3D4E7"},
        "unknown":{"deep":[[[{"id":1}]]]}}]}"##;
    let records = records(text, Shape::Listing);
    let user = &records.users[0];
    assert_eq!(user.id.to_string(), ID);
    assert_eq!(
        (user.presence, user.completeness),
        (Presence::Present, Completeness::Whole)
    );
    assert_eq!(user.problem, None);
    let expect = [
        (Attribute::DisplayName, "Conf \"Room\" Adams"),
        (Attribute::Mail, "Adams@contoso.com"),
        (Attribute::BusinessPhones, "425-555-0100"),
        (Attribute::ProxyAddresses, "SMTP:a@b\nsmtp:c@d"),
        (Attribute::AccountEnabled, "false"),
        (Attribute::CreatedDateTime, "2014-01-01T00:00:00Z"),
        (Attribute::CostCenter, "7"),
        (Attribute::Manager, BOSS),
    ];
    for attribute in Attribute::ALL {
        let expected = expect
            .iter()
            .find(|(one, _)| *one == attribute)
            .map(|(_, value)| *value);
        assert_eq!(user.value(attribute), expected, "{attribute}");
    }
    for cleared in [
        Attribute::GivenName,
        Attribute::Surname,
        Attribute::OtherMails,
        Attribute::Division,
    ] {
        assert_eq!(user.attributes[cleared as usize], Mention::Cleared, "{cleared}");
    }
    assert_eq!(
        user.attributes[Attribute::JobTitle as usize],
        Mention::Unmentioned
    );
    for borrowed in [Attribute::Mail, Attribute::BusinessPhones] {
        let mention = &user.attributes[borrowed as usize];
        assert!(matches!(mention, Mention::Value(Cow::Borrowed(_))), "{borrowed}");
    }
}

#[test]
fn the_published_delta_answers_are_read() {
    let text = r##"{"@odata.deltaLink":"https://g/d","value":[
        {"displayName":"Grady Archie","id":"0baaae0f-b0b3-4645-867d-742d8fb669a2","mobilePhone":null,
         "manager@delta":[{"@odata.type":"#microsoft.graph.user","id":"99789584-a1e1-4232-90e5-866170e3d4e7"}]},
        {"id":"0bbbbb0f-b0b3-4645-867d-742d8fb669a2","@removed":{"reason":"changed"}},
        {"id":"86462606-fde0-4fc4-9e0c-a20eb73e54c6","@removed":{"reason":"deleted"}},
        {"displayName":"displayName-value","jobTitle":"jobTitle-value"}]}"##;
    let records = records(text, Shape::Round);
    let presences: Vec<_> = records.users.iter().map(|user| user.presence).collect();
    assert_eq!(
        presences,
        [Presence::Present, Presence::SoftDeleted, Presence::Gone]
    );
    let grady = &records.users[0];
    assert_eq!(grady.completeness, Completeness::Partial);
    assert_eq!(grady.value(Attribute::Manager), Some(BOSS));
    assert_eq!(*grady.mention(Attribute::MobilePhone), Mention::Cleared);
    assert_eq!(*grady.mention(Attribute::City), Mention::Unmentioned);
    let unusable = &records.unusable[0];
    assert_eq!(
        (unusable.index, unusable.label.as_deref()),
        (3, Some("displayName-value"))
    );
    assert!(unusable.reason.starts_with("id is missing"));
}

#[test]
fn changes_of_the_manager_are_read_in_any_order() {
    let other = "7d54cb02-aaa3-4016-9f9c-a4b49422dd9b";
    let add = |id| format!(r#"{{"id":"{id}"}}"#);
    let remove = |id| format!(r#"{{"id":"{id}","@removed":{{"reason":"deleted"}}}}"#);
    for (entries, expected) in [
        (vec![add(BOSS)], Some(BOSS)),
        (vec![remove(BOSS)], None),
        (vec![], None),
        (vec![add(other), add(BOSS)], Some(BOSS)),
        (vec![remove(other), add(BOSS)], Some(BOSS)),
        (vec![add(BOSS), remove(other)], Some(BOSS)),
        (vec![add(BOSS), remove(&BOSS.to_uppercase())], None),
        (vec![remove(BOSS), add(BOSS)], Some(BOSS)),
    ] {
        with_one(
            &format!(r#""manager@delta":[{}]"#, entries.join(",")),
            Shape::Round,
            |user| {
                assert_eq!(user.value(Attribute::Manager), expected, "{entries:?}");
                assert_ne!(*user.mention(Attribute::Manager), Mention::Unmentioned);
                assert_eq!(user.problem, None);
            },
        );
    }
}

#[test]
fn a_deleted_user_has_its_old_name_and_keeps_its_manager() {
    let text = r#"{"value":[
        {"id":"7e06b566-15f3-4013-8bf8-79874d52e68a","userPrincipalName":"7e06b56615f340138bf879874d52e68ajohn@contoso.com"},
        {"id":"7e06b566-15f3-4013-8bf8-79874d52e68b","userPrincipalName":"7e06b56615f340138bf879874d52e68ajohn@contoso.com"},
        {"id":"7e06b566-15f3-4013-8bf8-79874d52e68a","userPrincipalName":"ünïcödé-7e06b56615f340138bf87@contoso.com"},
        {"id":"7e06b566-15f3-4013-8bf8-79874d52e68a","userPrincipalName":"7e06b56615f340138bf879874d52e68a"}]}"#;
    let records = records(text, Shape::Deleted);
    let upns: Vec<_> = records
        .users
        .iter()
        .map(|user| user.value(Attribute::UserPrincipalName).unwrap())
        .collect();
    assert_eq!(upns[0], "john@contoso.com");
    assert!(upns[1].starts_with("7e06") && upns[2].starts_with('ü') && upns[3].len() == 32);
    assert!(
        records
            .users
            .iter()
            .all(|user| user.presence == Presence::SoftDeleted)
    );
    assert_eq!(
        *records.users[0].mention(Attribute::Manager),
        Mention::Unmentioned
    );
}

#[test]
fn a_wrong_type_fails_its_own_record_and_names_the_attribute() {
    for (keys, start) in [
        (r#""displayName":7"#, "displayName is a number, expected text;"),
        (
            r#""displayName":-7.5e3"#,
            "displayName is a number, expected text;",
        ),
        (
            r#""displayName":{"a":[1,{}]}"#,
            "displayName is an object, expected text;",
        ),
        (r#""displayName":["a"]"#, "displayName is a list, expected text;"),
        (r#""displayName":true"#, "displayName is true, expected text;"),
        (
            r#""accountEnabled":"true""#,
            "accountEnabled is \"true\", expected true or false;",
        ),
        (
            r#""accountEnabled":0"#,
            "accountEnabled is a number, expected true or false;",
        ),
        (
            r#""createdDateTime":"soon""#,
            "createdDateTime is \"soon\", expected a date and time;",
        ),
        (
            r#""otherMails":"a@b""#,
            "otherMails is \"a@b\", expected a list of texts;",
        ),
        (
            r#""otherMails":["a@b",3]"#,
            "otherMails is a list with a number in it, expected",
        ),
        (
            r#""otherMails":[null]"#,
            "otherMails is a list with null in it, expected",
        ),
        (
            r#""otherMails":["a@b\nc@d"]"#,
            "otherMails has an entry with a line feed in it;",
        ),
        (
            r#""employeeOrgData":[]"#,
            "employeeOrgData.costCenter is a list, expected text;",
        ),
        (
            r#""employeeOrgData":{"division":1}"#,
            "employeeOrgData.division is a number, expected text;",
        ),
        (
            r#""manager":"x""#,
            "manager is text, expected another object's id;",
        ),
        (r#""manager":{"id":"x"}"#, "manager is a link to \"x\", expected"),
        (r#""manager":{}"#, "manager is a link without an id, expected"),
        (
            r#""manager@delta":[3]"#,
            "manager is a link that is a number, expected",
        ),
        (r#""@removed":"yes""#, "@removed is text, expected an object"),
        (
            r#""displayName":"a\u0007b""#,
            "displayName holds the control character U+0007;",
        ),
        (r#""mail":"a\tb@c""#, "mail holds the control character U+0009;"),
        (
            r#""streetAddress":"a\u0000""#,
            "streetAddress holds the control character U+0000;",
        ),
    ] {
        let problem = problem(keys);
        assert!(problem.starts_with(start), "{keys}: {problem}");
        assert!(problem.contains("; "), "no next step: {problem}");
    }
    assert_eq!(problem(r#""streetAddress":"1 Way\r\nTown""#), "");
}

#[test]
fn what_the_parser_stumbles_over_is_found_record_by_record() {
    for (keys, attribute) in [
        (r#""displayName":"\ud800""#, "displayName"),
        (r#""displayName":"x\udc00y""#, "displayName"),
        (r#""jobTitle":1e999"#, "jobTitle"),
        (r#""otherMails":["\ud83d"]"#, "otherMails"),
    ] {
        let keys = format!(r#""city":"Rome",{keys},"mail":"a@b""#);
        let found = problem(&keys);
        assert!(
            found.starts_with(&format!("{attribute} can't be read: ")),
            "{keys}: {found}"
        );
        with_one(&keys, Shape::Listing, |user| {
            assert_eq!(user.value(Attribute::City), Some("Rome"));
            assert_eq!(user.value(Attribute::Mail), Some("a@b"));
        });
    }
    let text = format!(r#"{{"value":[{{"id":"\ud800"}},7,{{"id":"{ID}"}}],"@odata.nextLink":"n"}}"#);
    let page = page(&text, Shape::Listing, false).unwrap();
    assert_eq!(page.next, Found::Text("n".into()));
    assert_eq!(page.list.records.users.len(), 1);
    let places: Vec<_> = page.list.records.unusable.iter().map(|one| one.index).collect();
    assert_eq!(places, [0, 1]);
}

#[test]
fn a_record_without_a_usable_id_is_counted_apart() {
    for (record, reason) in [
        ("{}", "id is missing"),
        (r#"{"id":null}"#, "id is null"),
        (r#"{"id":7}"#, "id is a number"),
        (r#"{"id":"bob"}"#, "id is \"bob\""),
        (r#"{"id":"6ea91a8de32e41a1b7bdd2d185eed0e0"}"#, "id is \"6ea9"),
        ("null", "the record is null"),
        ("[1]", "the record is a list"),
        ("\"x\"", "the record is text"),
    ] {
        let text = format!(r#"{{"value":[{{"id":"{ID}"}},{record},{{"id":"{BOSS}"}}]}}"#);
        let records = records(&text, Shape::Listing);
        assert_eq!(records.users.len(), 2, "{record}");
        let unusable = &records.unusable[0];
        assert!(
            unusable.index == 1 && unusable.reason.starts_with(reason),
            "{unusable:?}"
        );
    }
}

#[test]
fn too_large_and_too_many_fail_the_record_and_are_not_carried_on() {
    let huge = "x".repeat(2_000_000);
    let keys = format!(r#""displayName":"Big","streetAddress":"{huge}""#);
    assert!(
        problem(&keys)
            .starts_with("the record has 2000003 bytes, more than 262144, most of them in streetAddress;")
    );
    with_one(&keys, Shape::Listing, |user| {
        assert_eq!(user.value(Attribute::DisplayName), Some("Big"));
        assert_eq!(user.value(Attribute::StreetAddress), None);
    });
    let aliases = |count| format!(r#""proxyAddresses":[{}]"#, vec![r#""smtp:a@b""#; count].join(","));
    let found = problem(&aliases(10_000));
    assert!(
        found.starts_with("proxyAddresses has 10000 entries, more than 1000;"),
        "{found}"
    );
    assert_eq!(problem(&aliases(1_000)), "");
}

#[test]
fn bytes_that_are_not_utf_8_fail_the_record_that_holds_them() {
    let mut bytes = among(r#""displayName":"Jos?","city":"Zoë \uFFFD""#).into_bytes();
    let at = bytes.windows(4).position(|four| four == b"Jos?").unwrap();
    bytes[at + 3] = 0xE9;
    let body = crate::PageBody::of_bytes(bytes, Shape::Listing, 1, String::new()).unwrap();
    let records = body.users().unwrap();
    assert_eq!(records.users.len(), 3);
    assert!(records.users[0].problem.is_none() && records.users[2].problem.is_none());
    let bad = &records.users[1];
    assert!(
        bad.problem
            .as_deref()
            .unwrap()
            .starts_with("displayName holds bytes that are not UTF-8")
    );
    assert_eq!(bad.value(Attribute::DisplayName), Some("Jos\u{FFFD}"));
    assert_eq!(bad.value(Attribute::City), Some("Zoë \u{FFFD}"));
}

#[test]
fn a_page_that_is_no_page_is_an_error() {
    for text in [
        "",
        "{",
        "<html>",
        r#"{"value":[}"#,
        r#"{"value":[{"id":"x"#,
        r#"{"value":[]} trailing"#,
    ] {
        assert!(page(text, Shape::Listing, false).is_err(), "{text}");
    }
    for (text, found) in [
        ("{}", "missing"),
        (r#"{"value":null}"#, "null"),
        (r#"{"value":{}}"#, "an object"),
        ("[]", "a list"),
    ] {
        assert_eq!(page(text, Shape::Listing, false).unwrap().no_list, Some(found));
    }
}

#[test]
fn a_single_user_is_read_whole() {
    let text =
        format!(r#"{{"@odata.context":"x","id":"{ID}","manager":{{"id":"{BOSS}","manager":{{"id":"x"}}}}}}"#);
    let records = single(&text, false).unwrap();
    assert_eq!(records.users[0].completeness, Completeness::Whole);
    assert_eq!(records.users[0].value(Attribute::Manager), Some(BOSS));
    let broken = format!(r#"{{"id":"{ID}","city":"\ud800"}}"#);
    assert!(single(&broken, false).unwrap().users[0].problem.is_some());
    assert!(single("nothing", false).is_err());
}

mod any_input {
    use proptest::prelude::*;

    use super::*;
    use crate::PageBody;

    /// A value that JSON allows, of any kind, as text.
    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|value| value.to_string()),
            any::<i64>().prop_map(|value| value.to_string()),
            Just("1e999".to_owned()),
            ".{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap()),
            "d[89a-f][0-9a-f]{2}".prop_map(|unit| format!("\"\\u{unit}\"")),
            Just(format!("\"{BOSS}\"")),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let key = prop_oneof![
                Just("id"),
                Just("reason"),
                Just("@removed"),
                Just("costCenter"),
                Just("x")
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec((key, inner), 0..4).prop_map(|entries| {
                    let entries: Vec<_> = entries
                        .iter()
                        .map(|(key, value)| format!("\"{key}\":{value}"))
                        .collect();
                    format!("{{{}}}", entries.join(","))
                }),
            ]
        })
    }

    fn key() -> impl Strategy<Value = String> {
        let known: Vec<_> = crate::key::selectable()
            .chain(["manager", "manager@delta", "@removed", "x"])
            .collect();
        prop::sample::select(known).prop_map(str::to_owned)
    }

    fn shape() -> impl Strategy<Value = Shape> {
        prop::sample::select(vec![Shape::Listing, Shape::Deleted, Shape::Round])
    }

    proptest! {
        /// Whatever one record holds, it is one record, and its neighbours are as they would be without it.
        #[test]
        fn one_record_spoils_itself_only(
            entries in prop::collection::vec((key(), json()), 0..8),
            shape in shape(),
        ) {
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            let neighbour = format!(r#"{{"id":"{ID}","city":"Oslo","displayName":"Zo\u00eb"}}"#);
            let text = format!(r#"{{"value":[{neighbour},{{{}}},{neighbour}]}}"#, entries.join(","));
            let body = PageBody::of_bytes(text.clone().into_bytes(), shape, 1, String::new()).unwrap();
            let records = body.users().unwrap();
            prop_assert_eq!(records.users.len() + records.unusable.len(), 3);
            for user in [records.users.first().unwrap(), records.users.last().unwrap()] {
                prop_assert_eq!(user.id.to_string(), ID);
                prop_assert_eq!(&user.problem, &None);
                prop_assert_eq!(user.value(Attribute::DisplayName), Some("Zoë"));
            }
            for user in &records.users {
                for mention in &user.attributes {
                    prop_assert!(*mention != Mention::Value("".into()));
                }
            }
        }

        /// Bytes gone wrong anywhere give an error or records, never a panic.
        #[test]
        fn damaged_pages_do_no_harm(at in any::<prop::sample::Index>(), byte in any::<u8>(), shape in shape()) {
            let mut bytes = among(r#""displayName":"Zo\u00eb \"Z\"","manager@delta":[{"id":"x"}],"@removed":null"#)
                .into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(body) = PageBody::of_bytes(bytes, shape, 1, String::new())
                && let Ok(records) = body.users()
            {
                prop_assert!(records.count() <= 3);
            }
        }
    }
}
