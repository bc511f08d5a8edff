//! Reading everyone, and knowing that it was everyone (I1, I3, I4, B3, B8, R2).

use std::collections::BTreeMap;

use contracts::v1::{AccountStatus, IntegrationStatus, Outcome, RunKind, RunState};
use entra_sim::{Corruption, Effect, Fault, Operation, Published, Snapshot};
use harness::people::{crowd, hire, hire_many};
use harness::register::field;
use harness::runs::{counts, tally, times};
use harness::world::World;
use serde_json::{Value, json};

/// More than one page of the listing.
const TWO_PAGES: u32 = 1_150;

#[tokio::test]
async fn i1_everyone_is_brought_in_from_all_pages() {
    let world = World::of(crowd(TWO_PAGES), "", "").await;
    let run = world.full().await;

    let users = world.tenant.users();
    let enabled: Vec<&Snapshot> = users
        .iter()
        .filter(|user| user.attributes["accountEnabled"] == json!(true))
        .collect();
    let disabled = users.len() - enabled.len();
    assert!(disabled > 0, "some must be disabled");
    let counts = counts(&run);
    assert_eq!(counts.seen as usize, users.len());
    assert_eq!(
        (counts.added as usize, counts.skipped as usize),
        (enabled.len(), disabled),
        "{run:#?}"
    );
    let listings = world.tenant.requests()["GET /v1.0/users"];
    assert!(listings >= 2, "{listings} pages");

    assert_eq!(world.accounts().await.len(), enabled.len());
    world.check_register().await;
}

/// The catalogue: attribute, a value, the register's field, and how the value stands there.
fn catalogue() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let same = |attribute, value: &'static str, field| (attribute, json!(value), field, value);
    vec![
        same("givenName", "Ægir", "firstName"),
        same("surname", "Ōtani", "lastName"),
        same("mailNickname", "ada", "alias"),
        same("userType", "Member", "userType"),
        same("jobTitle", "Engineer", "jobTitle"),
        same("department", "Research", "department"),
        same("companyName", "Contoso", "company"),
        same("officeLocation", "18/2111", "office"),
        same("employeeId", "E-7", "employeeId"),
        same("employeeType", "Employee", "employeeType"),
        same("employeeHireDate", "2020-02-03T00:00:00Z", "hireDate"),
        (
            "employeeOrgData",
            json!({"costCenter": "4711", "division": "North"}),
            "costCenter",
            "4711",
        ),
        (
            "employeeOrgData",
            json!({"costCenter": "4711", "division": "North"}),
            "division",
            "North",
        ),
        (
            "businessPhones",
            json!(["+1 425 555 0100"]),
            "phone",
            "+1 425 555 0100",
        ),
        same("mobilePhone", "+1 425 555 0101", "mobile"),
        same("faxNumber", "+1 425 555 0102", "fax"),
        same("streetAddress", "One Way", "street"),
        same("city", "Tórshavn", "city"),
        same("state", "WA", "state"),
        same("postalCode", "98052", "postalCode"),
        same("country", "Faroe Islands", "country"),
        same("usageLocation", "FO", "usageLocation"),
        same("preferredLanguage", "fo-FO", "language"),
        (
            "proxyAddresses",
            json!(["SMTP:ada@contoso.com", "smtp:a@contoso.com"]),
            "emailAliases",
            "SMTP:ada@contoso.com; smtp:a@contoso.com",
        ),
        (
            "otherMails",
            json!(["ada@home.example"]),
            "otherEmails",
            "ada@home.example",
        ),
        (
            "imAddresses",
            json!(["sip:ada@contoso.com"]),
            "imAddresses",
            "sip:ada@contoso.com",
        ),
        same("creationType", "Invitation", "creationType"),
        same("externalUserState", "Accepted", "externalState"),
        same(
            "lastPasswordChangeDateTime",
            "2026-01-02T03:04:05Z",
            "passwordChanged",
        ),
        same("ageGroup", "Adult", "ageGroup"),
        same("consentProvidedForMinor", "NotRequired", "minorConsent"),
        same("legalAgeGroupClassification", "Adult", "legalAgeGroup"),
        same(
            "onPremisesUserPrincipalName",
            "ada@corp.contoso.com",
            "onPremisesUpn",
        ),
        same("onPremisesDomainName", "corp.contoso.com", "onPremisesDomain"),
        same("onPremisesSamAccountName", "adal", "onPremisesLogin"),
        same(
            "onPremisesImmutableId",
            "legacy-anchor-7",
            "onPremisesImmutableId",
        ),
        same(
            "onPremisesDistinguishedName",
            "CN=Ada,DC=corp,DC=contoso,DC=com",
            "onPremisesDn",
        ),
        same(
            "onPremisesSecurityIdentifier",
            "S-1-5-21-1-2-3-4",
            "onPremisesSid",
        ),
        ("onPremisesSyncEnabled", json!(true), "onPremisesSynced", "true"),
    ]
}

#[tokio::test]
async fn i3_the_whole_catalogue_arrives_with_the_default_mapping() {
    let world = World::start().await;
    let boss = hire(&world.tenant, "boss", json!({}));
    let mut attributes = json!({"manager": boss});
    for (attribute, value, ..) in catalogue() {
        attributes[attribute] = value;
    }
    let ada = hire(&world.tenant, "ada", attributes);
    world.full().await;

    let account = world.account("ada").await;
    assert_eq!(account.object_id, ada);
    for (_, _, name, value) in catalogue() {
        assert_eq!(field(&account, name), value, "{name}: {account:#?}");
    }
    assert_eq!(field(&account, "enabledInDirectory"), "true");
    assert!(!field(&account, "directoryCreated").is_empty(), "{account:#?}");
}

#[tokio::test]
async fn i3_a_manager_is_the_manager_s_account() {
    let world = World::start().await;
    let boss = hire(&world.tenant, "boss", json!({}));
    hire(&world.tenant, "ada", json!({"manager": boss}));
    // Nobody's manager but of a later page, or of none: the name is looked up when it is read.
    hire(&world.tenant, "top", json!({}));
    world.tenant.set_manager(&boss, Some("top@contoso.com")).unwrap();
    world.full().await;
    let (ada, boss, top) = (
        world.account("ada").await,
        world.account("boss").await,
        world.account("top").await,
    );
    assert_eq!(
        (ada.reporting_to, boss.reporting_to, top.reporting_to.as_str()),
        (boss.id, top.id, "")
    );
}

#[tokio::test]
async fn i4_identifiers_are_stored_though_nothing_maps_them() {
    let fields =
        "fields:\n  - { field: name, attribute: displayName }\n  - { field: login, attribute: mailNickname }";
    let world = World::with("", fields).await;
    let ada = hire(
        &world.tenant,
        "ada",
        json!({
            "mailNickname": "adal",
            "jobTitle": "Engineer",
            "onPremisesUserPrincipalName": "ada@corp.contoso.com",
            "onPremisesDomainName": "corp.contoso.com",
            "onPremisesSamAccountName": "SAM7",
        }),
    );
    world.full().await;
    let account = world.account("adal").await;
    assert_eq!(account.object_id, ada);
    assert_eq!(account.upn, "ada@contoso.com");
    assert_eq!(field(&account, "onPremisesUpn"), "ada@corp.contoso.com");
    assert_eq!(field(&account, "onPremisesDomain"), "corp.contoso.com");
    assert_eq!(field(&account, "onPremisesLogin"), "SAM7");
    assert_eq!(field(&account, "jobTitle"), "", "what no row maps stays out");
}

#[tokio::test]
async fn m1_rows_map_attributes_constants_and_defaults() {
    let fields = "fields:
  - { field: name, attribute: displayName }
  - { field: login, attribute: userPrincipalName.local }
  - { field: domain, attribute: userPrincipalName.domain }
  - { field: jobTitle, attribute: jobTitle, default: unknown }
  - { field: company, constant: Contoso Ltd }
  - { field: city, attribute: city, clear: false }
  - { field: office, attribute: officeLocation, authority: onCreate }
  - { field: department, attribute: department, authority: ifEmpty }";
    let world = World::with("", fields).await;
    let attributes =
        json!({"city": "Oslo", "officeLocation": "1", "department": "Legal", "jobTitle": "Clerk"});
    let ann = hire(&world.tenant, "ann", attributes);
    hire(&world.tenant, "bob", json!({}));
    world.full().await;
    assert_eq!(field(&world.account("bob").await, "jobTitle"), "unknown");
    assert_eq!(field(&world.account("bob").await, "company"), "Contoso Ltd");
    for (attribute, value) in [
        ("city", Value::Null),
        ("officeLocation", json!("2")),
        ("department", json!("Sales")),
        ("jobTitle", Value::Null),
    ] {
        world.tenant.update(&ann, attribute, value).unwrap();
    }
    world.full().await;
    let account = world.account("ann").await;
    assert_eq!(field(&account, "city"), "Oslo", "clear: false keeps it");
    assert_eq!(field(&account, "office"), "1", "onCreate");
    assert_eq!(field(&account, "department"), "Legal", "ifEmpty");
    assert_eq!(
        field(&account, "jobTitle"),
        "unknown",
        "the default stands in for empty"
    );
}

#[tokio::test]
async fn i1_the_disabled_are_left_out_unless_they_are_asked_for() {
    for (mapping, outcome) in [("", Outcome::Skipped), ("includeDisabled: true", Outcome::Added)] {
        let world = World::with("", mapping).await;
        hire(&world.tenant, "ann", json!({}));
        hire(&world.tenant, "off", json!({"accountEnabled": false}));
        let run = world.full().await;
        let change = world.change_of(&run, "off@contoso.com").await;
        assert_eq!(change.outcome(), outcome, "{change:#?}");
        match outcome {
            Outcome::Added => {
                let account = world.account("off").await;
                assert_eq!(account.status(), AccountStatus::Deactivated);
                assert_eq!(account.integration_status(), IntegrationStatus::Disabled);
            }
            _ => assert!(world.accounts_of("off").await.is_empty()),
        }
        let again = world.full().await;
        let counts = counts(&again);
        assert_eq!(
            (counts.added, counts.updated, counts.removed),
            (0, 0, 0),
            "a second run finds it done: {again:#?}"
        );
    }
}

#[tokio::test]
async fn i1_who_waits_in_the_deleted_items_is_not_brought_in() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let gone = hire(&world.tenant, "gone", json!({}));
    world.tenant.soft_delete(&gone).unwrap();
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Added, 1), (Outcome::Skipped, 1)]);
    assert!(
        world
            .change_of(&run, &gone)
            .await
            .reason
            .contains("deleted in the directory")
    );
    assert!(world.accounts_of("gone").await.is_empty());
}

#[tokio::test]
async fn r2_a_second_run_waits_for_the_first_and_finds_nothing_to_do() {
    let world = World::start().await;
    hire_many(&world.tenant, 5);
    world.tenant.set(|settings| settings.latency_ms = 50);
    let (first, second) = (
        world.start_run(RunKind::Full).await,
        world.start_run(RunKind::Full).await,
    );
    let first = world.ended(&first.id).await;
    let second = world.ended(&second.id).await;
    assert_eq!(
        (first.state(), second.state()),
        (RunState::Finished, RunState::Finished)
    );
    assert_eq!(tally(&first), [(Outcome::Added, 5)]);
    assert_eq!(tally(&second), [(Outcome::Unchanged, 5)]);
    let ([_, _, ended], [_, started, _]) = (times(&first), times(&second));
    assert!(
        started >= ended,
        "one active run per connection: {first:#?} {second:#?}"
    );
}

/// Linked people, one of whom has gone for good, whom only a complete listing may miss.
async fn somebody_is_gone(tenant: u32) -> (World, String) {
    let world = World::of(
        crowd(tenant),
        "leavers: { gone: deactivate }",
        "includeDisabled: true",
    )
    .await;
    let gone = hire(&world.tenant, "gone", json!({}));
    world.full().await;
    world.tenant.hard_delete(&gone).unwrap();
    (world, gone)
}

async fn still_there(world: &World) {
    assert_eq!(world.account("gone").await.status(), AccountStatus::Active);
}

#[tokio::test]
async fn b3_a_listing_that_ends_early_removes_nobody_and_the_next_one_does() {
    let (world, gone) = somebody_is_gone(TWO_PAGES).await;
    world
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::Truncated).times(1));
    let run = world.full().await;
    let counted = counts(&run);
    assert_eq!((counted.removed, counted.held), (0, 0), "{run:#?}");
    assert!(counted.seen < TWO_PAGES, "{run:#?}");
    assert!(
        run.removals_note.contains("no removal was considered"),
        "{run:#?}"
    );
    still_there(&world).await;

    let run = world.full().await;
    let counted = counts(&run);
    assert_eq!((counted.gone, counted.removed), (1, 1), "{run:#?}");
    let change = world.change_of(&run, &gone).await;
    assert_eq!(
        (change.cause.as_str(), change.action.as_str()),
        ("gone", "deactivate")
    );
    assert_eq!(world.account("gone").await.status(), AccountStatus::Deactivated);
}

#[tokio::test]
async fn b3_a_link_that_leads_back_ends_the_run_and_removes_nobody() {
    let (world, _) = somebody_is_gone(TWO_PAGES).await;
    world.tenant.fault(Fault::on("/v1.0/users", Effect::Loop));
    let run = world.run_to_end(RunKind::Full).await;
    assert_eq!(run.state(), RunState::Failed, "{run:#?}");
    assert!(run.error.contains("link"), "{run:#?}");
    still_there(&world).await;
}

#[tokio::test]
async fn b3_an_empty_listing_proves_nothing() {
    let (world, _) = somebody_is_gone(30).await;
    let nobody = Published {
        status: 200,
        headers: BTreeMap::new(),
        body: br#"{"value":[]}"#.to_vec(),
    };
    world
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::Published(nobody)));
    let run = world.full().await;
    let counted = counts(&run);
    assert_eq!(
        (counted.seen, counted.gone, counted.removed, counted.held),
        (0, 0, 0, 0),
        "{run:#?}"
    );
    assert!(run.removals_note.contains("nobody in it"), "{run:#?}");
    still_there(&world).await;
}

#[tokio::test]
async fn b3_an_empty_page_in_the_middle_is_no_end() {
    let world = World::of(crowd(TWO_PAGES), "", "includeDisabled: true").await;
    world
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::EmptyPage).times(1));
    let run = world.full().await;
    assert_eq!(counts(&run).seen, TWO_PAGES, "{run:#?}");
    assert_eq!(run.removals_note, "");
}

#[tokio::test]
async fn b3_an_expired_page_begins_the_listing_again_and_counts_everyone_once() {
    let world = World::of(crowd(TWO_PAGES), "", "includeDisabled: true").await;
    world.tenant.fault(
        Fault::on("/v1.0/users", Effect::ExpiredPageToken)
            .query("$skiptoken")
            .times(1),
    );
    let run = world.full().await;
    assert_eq!(counts(&run).seen, TWO_PAGES, "{run:#?}");
    assert_eq!(tally(&run), [(Outcome::Added, TWO_PAGES)]);
}

#[tokio::test]
async fn b8_one_bad_record_fails_alone_and_names_the_reason() {
    let world = World::start().await;
    let people = hire_many(&world.tenant, 6);
    let corruption = Corruption::WrongTypes;
    world
        .tenant
        .apply(&Operation::Corrupt {
            user: people[2].clone(),
            corruption,
        })
        .unwrap();
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Added, 5), (Outcome::Failed, 1)]);
    let change = world.change_of(&run, &people[2]).await;
    assert!(change.reason.contains("expected"), "{change:#?}");
    // Put right, it comes in.
    for (attribute, value) in [
        ("displayName", json!("P03")),
        ("accountEnabled", json!(true)),
        ("businessPhones", json!([])),
    ] {
        world.tenant.update(&people[2], attribute, value).unwrap();
    }
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Added, 1), (Outcome::Unchanged, 5)]);
}
