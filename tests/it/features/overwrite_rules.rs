//! The six overwrite rules against accounts that were there before (M4), and who gets a contested one (M5).

use contracts::v1::{AccountStatus, Change, IntegrationStatus, Outcome, RunKind};
use entra_sim::{Options, Simulator};
use harness::documents::documents;
use harness::people::hire;
use harness::register::field;
use harness::runs::{counts, tally};
use harness::world::World;
use serde_json::{Value, json};

const HEADER: &str = "name,login,domain,email,upn,lookup_guid,role";
/// Bytes 00 to 0f in Windows order, as base64 and as the GUID that they are.
const ANCHOR: &str = "AwIBAAUEBwYICQoLDA0ODw==";
const ANCHOR_GUID: &str = "00010203-0405-0607-0809-0A0B0C0D0E0F";

/// One account of the register and one user of the directory; what a full run did with the user.
async fn meet(row: &str, mapping: &str, login: &str, attributes: Value) -> (World, Change) {
    let world = World::with("", mapping).await;
    world.import(&format!("{HEADER}\n{row}\n")).await;
    hire(&world.tenant, login, attributes);
    let run = world.full().await;
    let change = world.change_of(&run, &format!("{login}@contoso.com")).await;
    (world, change)
}

/// The user took the account by this rule: no second account, and the run counts it as overwritten.
async fn overwritten(row: &str, mapping: &str, login: &str, attributes: Value, rule: u32) {
    let (world, change) = meet(row, mapping, login, attributes).await;
    assert_eq!(
        (change.outcome(), change.rule),
        (Outcome::Updated, rule),
        "{change:#?}"
    );
    let accounts = world.accounts().await;
    assert_eq!(accounts.len(), 1, "{accounts:#?}");
    assert_eq!(
        (accounts[0].id.as_str(), accounts[0].object_id.as_str()),
        (change.account_id.as_str(), change.object_id.as_str())
    );
    assert_eq!(
        accounts[0].name,
        harness::people::name_of(login),
        "what the directory says is taken over"
    );
    let runs = world.cli_json(&["run", "list"]).await;
    assert_eq!(runs["runs"][0]["counts"]["overwritten"], 1, "{runs}");
    // From now on it is the link.
    let again = world.full().await;
    assert_eq!(tally(&again), [(Outcome::Unchanged, 1)]);
}

/// The user is somebody else than the account.
async fn created(row: &str, mapping: &str, login: &str, attributes: Value) {
    let (world, change) = meet(row, mapping, login, attributes).await;
    assert_eq!(
        (change.outcome(), change.rule),
        (Outcome::Added, 0),
        "{change:#?}"
    );
    assert_eq!(world.accounts().await.len(), 2);
}

#[tokio::test]
async fn m4_rule_1_the_link_wins_over_whatever_else_matches() {
    let world = World::with("", "overrideByEmail: true").await;
    let ann = hire(&world.tenant, "ann", json!({}));
    hire(&world.tenant, "bob", json!({}));
    world.full().await;
    let before = world.account("ann").await;
    // An account that rule 2 would give to her.
    world
        .import(&format!(
            "{HEADER}\nOld Ann,oldann,corp.contoso.com,,ann@corp.contoso.com,,\n"
        ))
        .await;
    for (attribute, value) in [
        ("userPrincipalName", "anna@contoso.com"),
        ("displayName", "Anna"),
        ("mail", "anna@contoso.com"),
        ("onPremisesUserPrincipalName", "ann@corp.contoso.com"),
    ] {
        world.tenant.update(&ann, attribute, json!(value)).unwrap();
    }
    let run = world.full().await;
    let change = world.change_of(&run, &ann).await;
    assert_eq!(
        (change.outcome(), change.rule),
        (Outcome::Updated, 1),
        "{change:#?}"
    );
    assert_eq!(counts(&run).overwritten, 0, "rule 1 is no overwriting");
    let after = world.account("anna").await;
    assert_eq!((after.id, after.name.as_str()), (before.id, "Anna"));
    assert_eq!(world.account("oldann").await.name, "Old Ann");
}

#[tokio::test]
async fn m4_rule_2_the_on_premises_upn_is_the_account_s_upn() {
    let attributes = json!({"onPremisesUserPrincipalName": "ANN.Old@corp.contoso.com"});
    overwritten(
        "Somebody,x1,elsewhere.example,,ann.old@Corp.Contoso.COM,,",
        "",
        "ann",
        attributes,
        2,
    )
    .await;
}

#[tokio::test]
async fn m4_rule_2_the_immutable_id_is_the_lookup_guid() {
    let attributes = json!({"onPremisesImmutableId": ANCHOR});
    overwritten(
        &format!("Somebody,x1,elsewhere.example,,,{ANCHOR_GUID},"),
        "",
        "ann",
        attributes,
        2,
    )
    .await;
    let attributes = json!({"onPremisesImmutableId": "Legacy-Anchor-7"});
    overwritten(
        "Somebody,x1,elsewhere.example,,,legacy-anchor-7,",
        "",
        "ann",
        attributes,
        2,
    )
    .await;
}

#[tokio::test]
async fn m4_rule_3_the_on_premises_domain_and_login_are_the_account_s() {
    let attributes = json!({"onPremisesDomainName": "Corp.Contoso.com", "onPremisesSamAccountName": "ALEE7"});
    overwritten("Somebody,alee7,corp.contoso.com,,,,", "", "ann", attributes, 3).await;
    let attributes =
        json!({"onPremisesDomainName": "other.contoso.com", "onPremisesSamAccountName": "alee7"});
    created("Somebody,alee7,corp.contoso.com,,,,", "", "ann", attributes).await;
}

#[tokio::test]
async fn m4_rule_4_login_and_domain_are_the_account_s() {
    overwritten("Somebody,ANN,Contoso.Com,,,,", "", "ann", json!({}), 4).await;
}

#[tokio::test]
async fn m4_rule_5_the_login_is_that_of_an_account_without_domain() {
    overwritten("Somebody,Ann,,,,,", "", "ann", json!({}), 5).await;
    created("Somebody,ann,elsewhere.example,,,,", "", "ann", json!({})).await;
}

#[tokio::test]
async fn m4_rule_6_the_e_mail_decides_only_while_it_may() {
    let row = "Somebody,x1,elsewhere.example,Ann@Contoso.com,,,";
    overwritten(row, "overrideByEmail: true", "ann", json!({}), 6).await;
    created(row, "", "ann", json!({})).await;
}

#[tokio::test]
async fn m4_the_first_rule_that_hits_wins() {
    // Login and domain stay as they are, so that the accounts don't get into each other's way.
    let mapping = "overrideByEmail: true
fields:
  - { field: name, attribute: displayName }
  - { field: login, attribute: userPrincipalName.local, authority: onCreate }
  - { field: domain, attribute: userPrincipalName.domain, authority: onCreate }
  - { field: upn, attribute: userPrincipalName, authority: onCreate }
  - { field: email, attribute: mail, authority: onCreate }";
    let world = World::with("", mapping).await;
    let mut csv = format!("{HEADER}\n");
    // The user of each strongest rule meets an account of that rule and of every weaker one.
    for strongest in 2..=6 {
        let user = format!("u{strongest}");
        let by_rule = [
            (2, format!("by-2,{user}x2,x2.example,,{user}@corp.contoso.com,,")),
            (3, format!("by-3,{user}sam,corp.contoso.com,,,,")),
            (4, format!("by-4,{user},contoso.com,,,,")),
            (5, format!("by-5,{user},,,,,")),
            (6, format!("by-6,{user}x6,x6.example,{user}@contoso.com,,,")),
        ];
        for (_, row) in by_rule.iter().filter(|(rule, _)| *rule >= strongest) {
            csv.push_str(row);
            csv.push('\n');
        }
        hire(
            &world.tenant,
            &user,
            json!({
                "onPremisesUserPrincipalName": format!("{user}@corp.contoso.com"),
                "onPremisesDomainName": "corp.contoso.com",
                "onPremisesSamAccountName": format!("{user}sam"),
            }),
        );
    }
    world.import(&csv).await;
    let before = world.accounts().await;
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Updated, 5)], "{run:#?}");
    assert_eq!(counts(&run).overwritten, 5);
    for strongest in 2..=6_u32 {
        let change = world.change_of(&run, &format!("u{strongest}@contoso.com")).await;
        assert_eq!(change.rule, strongest, "{change:#?}");
        let taken = before
            .iter()
            .find(|account| account.id == change.account_id)
            .unwrap();
        assert_eq!(taken.name, format!("by-{strongest}"));
    }
    assert_eq!(world.accounts().await.len(), before.len(), "nobody is created");
}

#[tokio::test]
async fn m4_empty_never_equals_empty() {
    // Neither has an on-premises name, an anchor, or a mail address.
    created(
        "Somebody,x1,,,,,",
        "overrideByEmail: true",
        "ann",
        json!({"mail": null}),
    )
    .await;
    // Half of a pair is no pair.
    let half = json!({"onPremisesSamAccountName": "x1", "mail": null});
    created(
        "Somebody,x1,elsewhere.example,,,,",
        "overrideByEmail: true",
        "ann",
        half.clone(),
    )
    .await;
    created("Somebody,x1,,,,,", "overrideByEmail: true", "ann", half).await;
}

#[tokio::test]
async fn m4_a_recreated_person_gets_the_old_account_back() {
    let world = World::start().await;
    let old = hire(&world.tenant, "ann", json!({}));
    hire(&world.tenant, "bob", json!({}));
    world.full().await;
    let before = world.account("ann").await;
    let new = world.tenant.recreate(&old).unwrap();
    let run = world.full().await;
    let change = world.change_of(&run, &new).await;
    assert_eq!(
        (change.outcome(), change.rule),
        (Outcome::Updated, 4),
        "{change:#?}"
    );
    let after = world.account("ann").await;
    assert_eq!(
        (after.id.as_str(), after.object_id.as_str()),
        (before.id.as_str(), new.as_str()),
        "no duplicate"
    );
    assert_eq!(after.status(), AccountStatus::Active);
    let superseded = world.change_of(&run, &old).await;
    assert_eq!(superseded.outcome(), Outcome::Skipped, "{superseded:#?}");
    assert!(superseded.reason.contains("superseded"), "{superseded:#?}");
    let again = world.full().await;
    assert_eq!(counts(&again).updated + counts(&again).removed, 0, "{again:#?}");
}

#[tokio::test]
async fn m4_an_account_whose_user_lives_is_not_taken() {
    let world = World::with("", "overrideByEmail: true").await;
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    hire(&world.tenant, "second", json!({"mail": "ann@contoso.com"}));
    let run = world.full().await;
    let change = world.change_of(&run, "second@contoso.com").await;
    assert_eq!(
        (change.outcome(), change.rule),
        (Outcome::Failed, 6),
        "{change:#?}"
    );
    assert!(
        change.reason.contains("ann@contoso.com"),
        "it names whose it is: {change:#?}"
    );
    assert_eq!(world.account("ann").await.object_id, ann);
    assert!(world.accounts_of("second").await.is_empty());
}

#[tokio::test]
async fn m4_an_account_of_another_connection_s_living_user_is_not_taken() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let other = Simulator::start(subsidiary()).await.unwrap();
    let (tenant, url) = (other.default_tenant().unwrap(), other.url());
    hire(&tenant, "ann", json!({}));
    let yaml = documents(&subsidiary().tenants[0], &url, "", "").replace("contoso", "second");
    world.apply(&yaml).await;
    let run = world.try_start("second", RunKind::Full).await.unwrap();
    let run = world.ended(&run.id).await;
    assert_eq!(tally(&run), [(Outcome::Failed, 1)], "{run:#?}");
    let change = world.change_of(&run, "ann@contoso.com").await;
    assert!(
        change.reason.contains(&ann) && change.reason.contains("another connection"),
        "{change:#?}"
    );
    let account = world.account("ann").await;
    assert_eq!(
        (account.connection.as_str(), account.integration_status()),
        ("contoso", IntegrationStatus::Active)
    );

    // Once that person has gone there, the account may be taken here.
    world.tenant.hard_delete(&ann).unwrap();
    hire(&world.tenant, "bob", json!({}));
    world.full().await;
    let run = world.try_start("second", RunKind::Full).await.unwrap();
    let run = world.ended(&run.id).await;
    assert_eq!(tally(&run), [(Outcome::Updated, 1)], "{run:#?}");
    assert_eq!(world.account("ann").await.connection, "second");
}

/// A tenant of its own, whose people have other object ids.
fn subsidiary() -> Options {
    let mut options = Options::generate(2, 0);
    "99999999-8888-7777-6666-555555555555".clone_into(&mut options.tenants[0].id);
    options
}

#[tokio::test]
async fn m5_a_tie_fails_everyone_and_creates_nobody() {
    let world = World::start().await;
    world.import(&format!("{HEADER}\nThe Desk,desk,,,,,\n")).await;
    hire(&world.tenant, "desk", json!({"displayName": "Desk North"}));
    hire(
        &world.tenant,
        "twin",
        json!({"displayName": "Desk South", "userPrincipalName": "desk@fabrikam.example"}),
    );
    hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 1), (Outcome::Failed, 2)],
        "{run:#?}"
    );
    let north = world.change_of(&run, "desk@contoso.com").await;
    let south = world.change_of(&run, "desk@fabrikam.example").await;
    assert_eq!((north.rule, south.rule), (5, 5));
    assert!(
        north.reason.contains("desk@fabrikam.example") || north.reason.contains("Desk South"),
        "{north:#?}"
    );
    assert!(
        south.reason.contains("desk@contoso.com") || south.reason.contains("Desk North"),
        "{south:#?}"
    );
    for change in [&north, &south] {
        assert!(
            change.reason.contains("the account desk"),
            "the account is named: {change:#?}"
        );
    }
    assert_eq!(world.links().await.len(), 1, "nothing links them");
    let desk = world.account("desk").await;
    assert_eq!(
        (desk.name.as_str(), desk.object_id.as_str()),
        ("The Desk", ""),
        "nobody has it"
    );
}

#[tokio::test]
async fn m5_the_strongest_rule_wins_when_one_alone_has_it() {
    let world = World::start().await;
    world
        .import(&format!(
            "{HEADER}\nSam Old,sam,contoso.com,,sam@corp.contoso.com,,\n"
        ))
        .await;
    let strong = hire(
        &world.tenant,
        "strong",
        json!({"onPremisesUserPrincipalName": "sam@corp.contoso.com"}),
    );
    hire(&world.tenant, "sam", json!({}));
    let run = world.full().await;
    let (won, lost) = (
        world.change_of(&run, &strong).await,
        world.change_of(&run, "sam@contoso.com").await,
    );
    assert_eq!((won.outcome(), won.rule), (Outcome::Updated, 2), "{won:#?}");
    assert_eq!((lost.outcome(), lost.rule), (Outcome::Failed, 4), "{lost:#?}");
    assert!(
        lost.reason.contains("Strong") || lost.reason.contains("strong@contoso.com"),
        "{lost:#?}"
    );
    assert!(
        lost.reason.contains("rule 2") && lost.reason.contains("rule 4"),
        "{lost:#?}"
    );
    let account = world.account("strong").await;
    assert_eq!(account.object_id, strong);
    assert_eq!(field(&account, "upn"), "strong@contoso.com");
    assert!(
        world.accounts_of("sam").await.is_empty(),
        "the loser is not created"
    );
}

#[tokio::test]
async fn m5_a_user_that_two_accounts_match_fails_with_both_names() {
    let world = World::start().await;
    let rows = format!(
        "{HEADER}\nFirst Half,x1,a.example,,ann@corp.contoso.com,,\nSecond Half,x2,b.example,,,{ANCHOR_GUID},\n"
    );
    world.import(&rows).await;
    let both =
        json!({"onPremisesUserPrincipalName": "ann@corp.contoso.com", "onPremisesImmutableId": ANCHOR});
    hire(&world.tenant, "ann", both);
    let run = world.full().await;
    let change = world.change_of(&run, "ann@contoso.com").await;
    assert_eq!(change.outcome(), Outcome::Failed, "{change:#?}");
    // By UPN, or else by login: names need not be unique.
    assert!(
        change.reason.contains("ann@corp.contoso.com") && change.reason.contains("b.example\\x2"),
        "{change:#?}"
    );
    let accounts = world.accounts().await;
    assert_eq!(accounts.len(), 2, "{accounts:#?}");
    assert!(
        accounts.iter().all(|account| account.object_id.is_empty()),
        "{accounts:#?}"
    );
}

#[tokio::test]
async fn m5_a_login_that_two_would_hold_fails_with_both_names() {
    let fields =
        "fields:\n  - { field: name, attribute: displayName }\n  - { field: login, attribute: mailNickname }";
    let world = World::with("", fields).await;
    hire(&world.tenant, "ann", json!({"mailNickname": "same"}));
    hire(&world.tenant, "bob", json!({"mailNickname": "SAME"}));
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Failed, 2)], "{run:#?}");
    let change = world.change_of(&run, "ann@contoso.com").await;
    assert!(
        change.reason.contains("same@contoso.com") && change.reason.contains("bob@contoso.com"),
        "{change:#?}"
    );
    assert_eq!(change.account_id, "", "there is no such account: {change:#?}");
    assert!(world.accounts().await.is_empty());
    assert!(world.links().await.is_empty());
}
