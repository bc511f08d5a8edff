//! People without a login beside accounts (I2, M3), custom fields and the types of fields (M2), suggestions (M1).

use contracts::v1::people_client::PeopleClient;
use contracts::v1::{AccountStatus, ListPeopleRequest, Outcome, Person, RunState};
use harness::documents::CONNECTION;
use harness::people::hire;
use harness::register::field;
use harness::runs::{counts, tally};
use harness::world::World;
use serde_json::{Value, json};

/// A mapping to people of Contoso's staff, with further lines.
fn people(name: &str, identifier: &str, more: &str) -> String {
    format!(
        "kind: Mapping\nname: {name}\nconnection: {CONNECTION}\ntarget: people\nuniqueIdentifier: {identifier}\n\
         entity: Contoso\ncollection: Staff\n{more}\n"
    )
}

async fn all_people(world: &World) -> Vec<Person> {
    let request = ListPeopleRequest {
        page_size: 200,
        include_deleted: true,
        ..ListPeopleRequest::default()
    };
    let mut client = PeopleClient::new(world.channel());
    let mut people = client
        .list_people(world.call(request))
        .await
        .unwrap()
        .into_inner()
        .people;
    people.sort_by(|one, other| one.name.cmp(&other.name));
    people
}

fn names(people: &[Person]) -> Vec<&str> {
    people.iter().map(|person| person.name.as_str()).collect()
}

/// What is wrong with documents that the command line refuses.
async fn refused(world: &World, yaml: &str) -> String {
    let file = world.file("wrong.yaml", yaml);
    let answer = world.cli_run(&["apply", "-f", file.to_str().unwrap()]).await;
    assert_ne!(answer.code, 0, "{answer:?}");
    answer.stderr
}

#[tokio::test]
async fn i2_one_connection_brings_in_accounts_and_people() {
    let staff = "organizationalUnit: Head office\nrole: technician\ncriteria:\n  \
                 - [{ attribute: department, operator: equals, value: Legal }]";
    let world = World::with("leavers: { outOfScope: nothing }", staff).await;
    let ann = hire(
        &world.tenant,
        "ann",
        json!({"department": "Legal", "jobTitle": "Clerk"}),
    );
    let bob = hire(&world.tenant, "bob", json!({"department": "Sales"}));
    world.tenant.set_manager(&bob, Some(&ann)).unwrap();
    world.apply(&people("contoso-people", "email", "")).await;

    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 2)],
        "everyone counts once: {run:#?}"
    );
    let account = world.account("ann").await;
    assert_eq!(field(&account, "organizationalUnit"), "Head office");
    assert_eq!(account.role().as_str_name(), "ROLE_TECHNICIAN");
    assert_eq!(world.accounts().await.len(), 1, "people are no accounts");

    let people = all_people(&world).await;
    assert_eq!(names(&people), ["Ann", "Bob"]);
    let person = &people[1];
    assert_eq!(
        (
            person.entity.as_str(),
            person.collection.as_str(),
            person.identifier.as_str()
        ),
        ("Contoso", "Staff", "bob@contoso.com")
    );
    assert!(!person.fields.contains_key("login"), "{person:#?}");
    assert_eq!(person.object_id, bob);
    assert_eq!(person.reporting_to, people[0].id, "the manager as a person");

    let again = world.full().await;
    assert_eq!(tally(&again), [(Outcome::Unchanged, 2)], "{again:#?}");

    world.tenant.update(&bob, "jobTitle", json!("Head")).unwrap();
    world.tenant.update(&ann, "department", json!("Sales")).unwrap();
    let delta = world.delta().await;
    assert_eq!(counts(&delta).seen, 2, "{delta:#?}");
    let people = all_people(&world).await;
    assert_eq!(people[1].fields["jobTitle"], "Head");
    assert_eq!(
        people[0].status(),
        AccountStatus::Active,
        "still in scope as a person"
    );
    assert_eq!(people[0].fields["department"], "Sales");
    assert_eq!(tally(&world.full().await), [(Outcome::Unchanged, 2)]);

    world.tenant.soft_delete(&bob).unwrap();
    world.full().await;
    let people = all_people(&world).await;
    assert_eq!(
        people[1].status(),
        AccountStatus::Deactivated,
        "leavers' policies hold for people"
    );
}

#[tokio::test]
async fn i2_a_connection_may_bring_in_people_only() {
    let world = World::with("", "").await;
    let documents = harness::documents::documents(&world.options, &world.url(), "", "");
    let people_only = documents.replace(
        "target: accounts",
        "target: people\nuniqueIdentifier: objectId\nentity: Contoso\ncollection: Guests",
    );
    world.apply(&people_only).await;
    let ann = hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Added, 1)]);
    assert!(world.accounts().await.is_empty());
    assert_eq!(all_people(&world).await[0].identifier, ann);
    world.tenant.update(&ann, "displayName", json!("Anna")).unwrap();
    let delta = world.delta().await;
    assert_eq!(tally(&delta), [(Outcome::Updated, 1)], "{delta:#?}");
    assert_eq!(names(&all_people(&world).await), ["Anna"]);
}

#[tokio::test]
async fn m3_blank_and_repeated_identifiers_fail_with_the_reason_and_others_go_on() {
    let world = World::with(
        "",
        "criteria:\n  - [{ attribute: city, operator: equals, value: Nowhere }]",
    )
    .await;
    world.apply(&people("contoso-people", "email", "")).await;
    hire(&world.tenant, "ann", json!({}));
    hire(&world.tenant, "blank", json!({"mail": null}));
    hire(&world.tenant, "one", json!({"mail": "same@contoso.com"}));
    hire(&world.tenant, "two", json!({"mail": "Same@contoso.com"}));
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 1), (Outcome::Failed, 3)],
        "{run:#?}"
    );
    assert_eq!(names(&all_people(&world).await), ["Ann"]);
    let failed = world.changes(&run, Outcome::Failed).await;
    let reason = |who: &str| -> String {
        let of = failed.iter().find(|change| change.upn.starts_with(who));
        of.unwrap().reason.clone()
    };
    assert!(
        reason("blank").contains("unique identifier (email) would be empty"),
        "{}",
        reason("blank")
    );
    for (who, other) in [("one", "two@contoso.com"), ("two", "one@contoso.com")] {
        let reason = reason(who);
        assert!(
            reason.contains("same@contoso.com") && reason.contains(other),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn m3_the_identifier_finds_who_is_there_whatever_the_object() {
    let world = World::with(
        "",
        "criteria:\n  - [{ attribute: city, operator: equals, value: Nowhere }]",
    )
    .await;
    world
        .apply(&people("contoso-people", "userPrincipalName", ""))
        .await;
    let first = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let before = all_people(&world).await;
    world.tenant.hard_delete(&first).unwrap();
    let second = hire(&world.tenant, "ann", json!({"displayName": "Ann again"}));
    let run = world.full().await;
    assert_eq!(counts(&run).overwritten, 1, "{run:#?}");
    let people = all_people(&world).await;
    assert_eq!(people.len(), 1, "no duplicate: {people:#?}");
    assert_eq!((&people[0].id, &people[0].object_id), (&before[0].id, &second));
    assert_eq!(people[0].name, "Ann again");
}

#[tokio::test]
async fn m2_custom_fields_are_mapped_and_their_types_are_checked() {
    let rows = "fields:
  - { field: name, attribute: displayName }
  - { field: login, attribute: userPrincipalName.local }
  - { field: custom.badge, attribute: employeeId }
  - { field: custom.plant, constant: North }
  - { field: custom.since, attribute: employeeHireDate }
  - { field: custom.key, attribute: id }";
    let world = World::start().await;
    let fields = "kind: CustomField\nname: badge\ntype: number\n---\nkind: CustomField\nname: plant\n---\n\
                  kind: CustomField\nname: since\ntype: date\n---\nkind: CustomField\nname: key\n---\n";
    let documents = harness::documents::documents(&world.options, &world.url(), "", rows);
    let both = format!("{fields}{documents}");
    world.apply(&both).await;
    let again = world.apply(&both).await;
    let changed = again["changes"].as_array().unwrap();
    assert!(
        changed.iter().all(|change| change["action"] == "unchanged"),
        "{again:#}"
    );
    let exported = world.cli_run(&["export"]).await.stdout;
    for part in ["kind: CustomField", "name: badge", "type: number", "custom.badge"] {
        assert!(exported.contains(part), "{part} is not in {exported}");
    }

    let hired = json!({"employeeId": "42", "employeeHireDate": "2020-03-01T00:00:00Z"});
    let ann = hire(&world.tenant, "ann", hired);
    hire(&world.tenant, "bob", json!({"employeeId": "forty-two"}));
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 1), (Outcome::Failed, 1)],
        "{run:#?}"
    );
    let account = world.account("ann").await;
    for (name, value) in [
        ("custom.badge", "42"),
        ("custom.plant", "North"),
        ("custom.since", "2020-03-01T00:00:00Z"),
        ("custom.key", ann.as_str()),
    ] {
        assert_eq!(field(&account, name), value, "{account:#?}");
    }
    let change = world.change_of(&run, "bob@contoso.com").await;
    assert!(
        change
            .reason
            .starts_with("custom.badge: \"forty-two\" is no number"),
        "{}",
        change.reason
    );

    let wrong = documents.replace(
        "constant: North }",
        "constant: North }\n  - { field: hireDate, constant: soon }",
    );
    let told = refused(&world, &format!("{fields}{wrong}")).await;
    assert!(told.contains("is no date"), "{told}");
    let wrong = documents.replace("custom.badge", "custom.bagde");
    let told = refused(&world, &format!("{fields}{wrong}")).await;
    assert!(told.contains("custom.badge"), "{told}");
    let told = refused(&world, "kind: CustomField\nname: badge\ntype: date\n").await;
    assert!(told.contains("records have values in it"), "{told}");

    let file = world.file(
        "people.csv",
        "name,login,custom.badge\nCyd,cyd,7\nDan,dan,seven\n",
    );
    let answer = world.cli_json(&["import", "csv", file.to_str().unwrap()]).await;
    assert_eq!(
        (&answer["added"], &answer["failed"]),
        (&json!(1), &json!(1)),
        "{answer:#}"
    );
    assert_eq!(field(&world.account("cyd").await, "custom.badge"), "7");
    let told = refused(&world, "kind: CustomField\nname: badge\ntype: date\n").await;
    assert!(told.contains("records have values in it"), "{told}");
}

#[tokio::test]
async fn m2_what_every_record_needs_can_not_be_left_out() {
    let world = World::start().await;
    let with = |rows: &str| harness::documents::documents(&world.options, &world.url(), "", rows);
    let told = refused(
        &world,
        &with("fields:\n  - { field: login, attribute: userPrincipalName.local }"),
    )
    .await;
    assert!(told.contains("name") && told.contains("displayName"), "{told}");
    let told = refused(
        &world,
        &with("fields:\n  - { field: name, attribute: displayName }"),
    )
    .await;
    assert!(told.contains("userPrincipalName.local"), "{told}");
    let reporting = "fields:\n  - { field: name, attribute: displayName }\n  - { field: login, attribute: mail.local }\n  \
                     - { field: reportingTo, attribute: department }";
    let told = refused(&world, &with(reporting)).await;
    assert!(told.contains("manager only"), "{told}");
    let told = refused(
        &world,
        &people(
            "contoso-people",
            "email",
            "fields:\n  - { field: name, attribute: displayName }\n  - { field: login, attribute: mail }",
        ),
    )
    .await;
    assert!(told.contains("people have no login"), "{told}");
    for (what, words) in [
        (
            "uniqueIdentifier: email\n",
            "objectId, userPrincipalName or email",
        ),
        ("entity: Contoso\n", "entity"),
        ("collection: Staff\n", "collection"),
    ] {
        let told = refused(&world, &people("contoso-people", "email", "").replace(what, "")).await;
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn m1_every_field_suggests_the_attribute_that_goes_into_it() {
    let world = World::start().await;
    world
        .apply("kind: CustomField\nname: fax_number\n---\nkind: CustomField\nname: costCenter\n")
        .await;
    let answer = world.cli_json(&["mapping", "fields"]).await;
    let fields = answer["fields"].as_array().unwrap();
    let of = |name: &str| -> &Value { fields.iter().find(|field| field["name"] == name).unwrap() };
    assert_eq!(of("jobTitle")["suggestedAttribute"], "jobTitle");
    assert_eq!(of("login")["suggestedAttribute"], "userPrincipalName.local");
    assert_eq!(of("login")["requiredForAccounts"], true);
    assert_eq!(of("reportingTo")["onlyAttributes"], json!(["manager"]));
    assert_eq!(of("hireDate")["type"], "FIELD_TYPE_DATE");
    assert_eq!(
        of("custom.costCenter")["suggestedAttribute"],
        "employeeOrgData.costCenter"
    );
    assert!(
        fields.iter().all(|field| field["name"] != "identifier"),
        "{answer:#}"
    );

    let rows = "fields:\n  - { field: name, attribute: displayName }\n  - { field: login, attribute: mail.local }\n  \
                - { field: email }";
    let documents = harness::documents::documents(&world.options, &world.url(), "", rows);
    let told = refused(&world, &documents).await;
    assert!(told.contains("attribute"), "{told}");
}

#[tokio::test]
async fn b11_each_row_says_whose_word_counts_and_whether_empty_empties() {
    let rows = |authority: &str, clear: bool| {
        format!(
            "fields:\n  - {{ field: name, attribute: displayName }}\n  - {{ field: login, attribute: userPrincipalName.local }}\n  \
             - {{ field: city, attribute: city, authority: {authority}, clear: {clear} }}"
        )
    };
    for (authority, clear, changed, cleared) in [
        ("always", true, "Bergen", ""),
        ("always", false, "Bergen", "Bergen"),
        ("onCreate", true, "Oslo", "Oslo"),
        ("ifEmpty", true, "Oslo", "Oslo"),
        ("never", true, "", ""),
    ] {
        let world = World::with("", &rows(authority, clear)).await;
        let ann = hire(&world.tenant, "ann", json!({"city": "Oslo"}));
        world.full().await;
        world.tenant.update(&ann, "city", json!("Bergen")).unwrap();
        let run = world.delta().await;
        assert_eq!(run.state(), RunState::Finished);
        assert_eq!(field(&world.account("ann").await, "city"), changed, "{authority}");
        world.tenant.update(&ann, "city", Value::Null).unwrap();
        world.delta().await;
        assert_eq!(
            field(&world.account("ann").await, "city"),
            cleared,
            "{authority} {clear}"
        );
    }
}
