//! Criteria: whom a mapping takes in (F1, F2), and what changing them does (F4).

use contracts::v1::{AccountStatus, IntegrationStatus, Outcome, ReviewState, Run, RunKind};
use harness::documents::{CONNECTION, documents};
use harness::people::{hire, hire_many};
use harness::register::field;
use harness::runs::{counts, tally};
use harness::world::World;
use serde_json::{Value, json};

/// The only clause of the only filter: someone of this department.
const LEGAL: &str = "criteria:\n  - [{ attribute: department, operator: equals, value: Legal }]";

/// Without a row for the manager: nobody's manager comes in beside them.
const NOBODY_REPORTS: &str = "fields:
  - { field: name, attribute: displayName }
  - { field: login, attribute: userPrincipalName.local }
  - { field: domain, attribute: userPrincipalName.domain }
";

/// Changes what the mapping says.
async fn remap(world: &World, connection: &str, mapping: &str) -> Value {
    world
        .apply(&documents(&world.options, &world.url(), connection, mapping))
        .await
}

/// The logins of whom a run has this outcome for.
async fn logins(world: &World, run: &Run, outcome: Outcome) -> Vec<String> {
    let mut logins: Vec<String> = world
        .changes(run, outcome)
        .await
        .iter()
        .map(|change| change.upn.split('@').next().unwrap_or_default().to_owned())
        .collect();
    logins.sort();
    logins
}

async fn status(world: &World, login: &str) -> (AccountStatus, IntegrationStatus) {
    let account = world.account(login).await;
    (account.status(), account.integration_status())
}

const IN: (AccountStatus, IntegrationStatus) = (AccountStatus::Active, IntegrationStatus::Active);
const OUT: (AccountStatus, IntegrationStatus) = (AccountStatus::Deactivated, IntegrationStatus::OutOfScope);

#[tokio::test]
async fn f1_every_operator_takes_in_whom_it_names() {
    let world = World::with("", "includeDisabled: true").await;
    let boss = hire(&world.tenant, "boss", json!({"employeeId": "1"}));
    let ann = hire(
        &world.tenant,
        "ann",
        json!({"department": "Legal", "employeeId": "9", "employeeHireDate": "2020-03-01T00:00:00Z"}),
    );
    let bob = json!({"department": "Sales", "employeeId": "10", "employeeHireDate": "2024-03-01T00:00:00Z",
        "otherMails": ["bob@home.example", "bob@fabrikam.com"]});
    hire(&world.tenant, "bob", bob);
    hire(
        &world.tenant,
        "cyd",
        json!({"department": "Legal Affairs", "accountEnabled": false}),
    );
    world.tenant.set_manager(&ann, Some(&boss)).unwrap();
    let manager = format!("manager, operator: equals, value: {boss}");
    for (clause, expected) in [
        ("department, operator: equals, value: legal", vec!["ann"]),
        (
            "department, operator: notEquals, value: Legal",
            vec!["bob", "cyd"],
        ),
        (
            "department, operator: in, value: [LEGAL, Sales]",
            vec!["ann", "bob"],
        ),
        (
            "department, operator: startsWith, value: Legal",
            vec!["ann", "cyd"],
        ),
        ("department, operator: endsWith, value: S", vec!["bob", "cyd"]),
        ("department, operator: contains, value: affair", vec!["cyd"]),
        (
            "department, operator: regex, value: '^(legal|sales)$'",
            vec!["ann", "bob"],
        ),
        ("department, operator: isNull", vec!["boss"]),
        ("department, operator: isNotNull", vec!["ann", "bob", "cyd"]),
        ("accountEnabled, operator: isTrue", vec!["ann", "bob", "boss"]),
        ("accountEnabled, operator: isFalse", vec!["cyd"]),
        ("employeeId, operator: greater, value: 9", vec!["bob"]),
        ("employeeId, operator: less, value: 9.5", vec!["ann", "boss"]),
        (
            "employeeHireDate, operator: greater, value: 2021-01-01",
            vec!["bob"],
        ),
        ("employeeHireDate, operator: less, value: 2020-03-02", vec!["ann"]),
        (
            "otherMails, operator: endsWith, value: '@fabrikam.com'",
            vec!["bob"],
        ),
        (manager.as_str(), vec!["ann"]),
    ] {
        let mapping =
            format!("includeDisabled: true\n{NOBODY_REPORTS}criteria:\n  - [{{ attribute: {clause} }}]");
        remap(&world, "", &mapping).await;
        let run = world.preview().await;
        assert_eq!(logins(&world, &run, Outcome::Added).await, expected, "{clause}");
        assert_eq!(counts(&run).skipped, 4 - counts(&run).added, "{clause}: {run:#?}");
    }
}

#[tokio::test]
async fn f1_all_clauses_of_one_filter_and_the_clause_that_decided_is_told() {
    let criteria = "criteria:
  - - { attribute: department, operator: equals, value: Legal }
    - { attribute: city, operator: equals, value: Oslo }
  - - { attribute: jobTitle, operator: contains, value: lead }";
    let world = World::with("", criteria).await;
    hire(
        &world.tenant,
        "ann",
        json!({"department": "Legal", "city": "Oslo"}),
    );
    hire(
        &world.tenant,
        "bob",
        json!({"department": "Legal", "city": "Bergen"}),
    );
    hire(
        &world.tenant,
        "cyd",
        json!({"department": "Sales", "jobTitle": "Team Lead"}),
    );
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 2), (Outcome::Skipped, 1)],
        "{run:#?}"
    );
    assert_eq!(logins(&world, &run, Outcome::Added).await, ["ann", "cyd"]);
    let reason = async |who: &str| world.change_of(&run, &format!("{who}@contoso.com")).await.reason;
    assert_eq!(
        reason("ann").await,
        "in scope: department equals \"Legal\" and city equals \"Oslo\""
    );
    assert_eq!(reason("cyd").await, "in scope: jobTitle contains \"lead\"");
    assert_eq!(
        reason("bob").await,
        "out of scope: not city equals \"Oslo\", and not jobTitle contains \"lead\""
    );

    // Nobody is looked at twice who is as they were: those left out are remembered by key and hash.
    let again = world.full().await;
    assert_eq!(
        tally(&again),
        [(Outcome::Unchanged, 2), (Outcome::Skipped, 1)],
        "{again:#?}"
    );
    assert_eq!(world.accounts_of("bob").await, []);
}

#[tokio::test]
async fn f1_whom_the_criteria_leave_out_takes_no_account_over() {
    let world = World::with("", LEGAL).await;
    world.import("name,login,domain\nOld Bob,bob,contoso.com\n").await;
    hire(&world.tenant, "bob", json!({"department": "Sales"}));
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Skipped, 1)], "{run:#?}");
    assert_eq!(field(&world.account("bob").await, "name"), "Old Bob");
}

#[tokio::test]
async fn f1_who_falls_out_meets_the_policy_and_who_comes_back_is_reactivated() {
    for (policy, outcome, then) in [
        ("nothing", Outcome::Unchanged, AccountStatus::Active),
        ("deactivate", Outcome::Removed, AccountStatus::Deactivated),
        ("delete", Outcome::Removed, AccountStatus::Deleted),
        ("review", Outcome::Held, AccountStatus::Active),
    ] {
        let world = World::with(&format!("leavers: {{ outOfScope: {policy} }}"), LEGAL).await;
        hire(&world.tenant, "bob", json!({"department": "Legal"}));
        let ann = hire(
            &world.tenant,
            "ann",
            json!({"department": "Legal", "city": "Oslo"}),
        );
        world.full().await;
        let moved = json!("Sales");
        world.tenant.update(&ann, "department", moved).unwrap();
        let run = world.full().await;
        assert_eq!(
            counts(&run).unchanged,
            1 + u32::from(outcome == Outcome::Unchanged),
            "{run:#?}"
        );
        let change = world.change_of(&run, &ann).await;
        assert_eq!(change.outcome(), outcome, "{policy}: {change:#?}");
        if outcome != Outcome::Unchanged {
            assert_eq!(change.cause, "out_of_scope", "{policy}");
            let why = "out of scope: not department equals \"Legal\"";
            assert!(change.reason.starts_with(why), "{policy}: {change:#?}");
        }
        let account = world.account_by_object(&ann).await;
        assert_eq!(account.status(), then, "{policy}");
        assert_eq!(
            account.integration_status(),
            IntegrationStatus::OutOfScope,
            "{policy}"
        );
        assert_eq!(
            field(&account, "department"),
            "Legal",
            "{policy}: nothing more of them is brought in"
        );
        let open = world.reviews(ReviewState::Open).await;
        assert_eq!(open.len(), usize::from(policy == "review"), "{open:#?}");

        world.tenant.update(&ann, "department", json!("Legal")).unwrap();
        let back = world.full().await;
        let away = then != AccountStatus::Active;
        assert_eq!(counts(&back).reactivated, u32::from(away), "{policy}: {back:#?}");
        assert_eq!(status(&world, "ann").await, IN, "{policy}");
        assert_eq!(world.reviews(ReviewState::Open).await, [], "{policy}");
    }
}

/// Both ways in which Graph may tell a change: all that was ever set, or only what changed.
#[tokio::test]
async fn f1_a_delta_lets_in_and_out_whatever_its_rows_tell() {
    for changed_only in [false, true] {
        let world = World::with("leavers: { outOfScope: deactivate }", LEGAL).await;
        world
            .tenant
            .set(move |settings| settings.delta_changed_only = changed_only);
        let ann = hire(&world.tenant, "ann", json!({"department": "Legal"}));
        let bob = hire(
            &world.tenant,
            "bob",
            json!({"department": "Sales", "city": "Oslo"}),
        );
        let cyd = hire(&world.tenant, "cyd", json!({"city": "Oslo"}));
        world.full().await;

        // Of neither does anything change that the criteria ask for.
        world.tenant.update(&ann, "city", json!("Bergen")).unwrap();
        world.tenant.update(&bob, "city", json!("Bergen")).unwrap();
        world
            .tenant
            .update(&cyd, "userPrincipalName", json!("cydney@contoso.com"))
            .unwrap();
        let run = world.delta().await;
        assert_eq!(run.reason, "", "{run:#?}");
        assert_eq!(
            tally(&run),
            [(Outcome::Updated, 1), (Outcome::Skipped, 2)],
            "{run:#?}"
        );
        let out = world.change_of(&run, &cyd).await;
        assert_eq!(
            out.reason, "out of scope: not department equals \"Legal\"",
            "{out:#?}"
        );
        assert_eq!(field(&world.account("ann").await, "city"), "Bergen");

        // One falls out, one comes in, and one comes in who never had a department.
        world.tenant.update(&ann, "department", json!("Sales")).unwrap();
        world.tenant.update(&bob, "department", json!("Legal")).unwrap();
        world.tenant.update(&cyd, "department", json!("legal")).unwrap();
        let run = world.delta().await;
        assert_eq!(
            tally(&run),
            [(Outcome::Added, 2), (Outcome::Removed, 1)],
            "{run:#?}"
        );
        assert_eq!(status(&world, "ann").await, OUT);
        let account = world.account("bob").await;
        assert_eq!(
            (field(&account, "name"), field(&account, "city")),
            ("Bob", "Bergen"),
            "all of someone who comes in is there"
        );
        assert_eq!(status(&world, "cydney").await, IN);

        // Back again; and a change of somebody out of scope says nothing of being disabled.
        world.tenant.disable(&ann).unwrap();
        world.delta().await;
        world.tenant.update(&ann, "department", json!("Legal")).unwrap();
        world.delta().await;
        let (status_of_ann, _) = status(&world, "ann").await;
        assert_eq!(status_of_ann, AccountStatus::Deactivated, "still disabled");
        world.tenant.enable(&ann).unwrap();
        world.delta().await;
        assert_eq!(status(&world, "ann").await, IN);
    }
}

#[tokio::test]
async fn f1_many_who_fall_out_at_once_are_held_by_the_brake_with_their_clause() {
    let world = World::with("leavers: { outOfScope: deactivate }", "").await;
    hire_many(&world.tenant, 25);
    world.full().await;
    remap(&world, "leavers: { outOfScope: deactivate }", LEGAL).await;
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Held, 25)], "{run:#?}");
    let reviews = world.reviews(ReviewState::Open).await;
    assert_eq!(reviews.len(), 25);
    let reason = &reviews[0].reason;
    assert!(
        reason.starts_with("held by the brake")
            && reason.ends_with("out of scope: not department equals \"Legal\""),
        "{reason}"
    );
}

#[tokio::test]
async fn f1_what_can_not_be_asked_is_refused_at_its_place() {
    let world = World::start().await;
    let mapping = "criteria:
  - - { attribute: department, operator: regex, value: '(a' }
    - { attribute: accountEnabled, operator: startsWith, value: t }
  - - { attribute: employeeHireDate, operator: greater, value: soon }";
    let text = documents(&world.options, &world.url(), "", mapping);
    let line = |part: &str| 1 + text.lines().position(|line| line.contains(part)).unwrap();
    let file = world.file("wrong.yaml", &text);
    let answer = world.cli_run(&["apply", "-f", file.to_str().unwrap()]).await;
    assert_eq!(answer.code, 1, "{answer:?}");
    for (line, told) in [
        (
            line("regex"),
            "criteria[0][0].value: is no regular expression that can be used: unclosed group",
        ),
        (
            line("startsWith"),
            "criteria[0][1].operator: \"startsWith\" can't be asked of accountEnabled, which is true or false; use one \
             of equals, notEquals, isNull, isNotNull, isTrue, isFalse",
        ),
        (
            line("soon"),
            "criteria[1][0].value: \"soon\" is no date; write 2026-01-31, or 2026-01-31T08:00:00Z",
        ),
    ] {
        let found = answer
            .stderr
            .lines()
            .find(|found| found.contains(told))
            .unwrap_or_else(|| panic!("{told}: {answer:?}"));
        assert!(found.contains(&format!("wrong.yaml:{line}:")), "{found}");
    }
}

#[tokio::test]
async fn f1_criteria_survive_export_and_a_diff_shows_them() {
    let criteria = "criteria:
  - - { attribute: department, operator: in, value: [Legal, \"42\"] }
    - { attribute: accountEnabled, operator: isTrue }
  - - { attribute: city, operator: equals, value: Oslo }";
    let world = World::with("", criteria).await;
    let exported = world.cli_run(&["export"]).await.stdout;
    let mapping = exported
        .split("---\n")
        .find(|part| part.contains("kind: Mapping"))
        .unwrap();
    let again = world.apply(mapping).await;
    assert_eq!(again["changes"][0]["action"], "unchanged", "{mapping}\n{again}");

    let wanted = documents(&world.options, &world.url(), "", LEGAL);
    let file = world.file("wanted.yaml", &wanted);
    let told = world.cli_json(&["diff", "-f", file.to_str().unwrap()]).await;
    let properties = told["changes"][2]["properties"].as_array().unwrap();
    assert_eq!(
        properties[0],
        json!({
            "path": "criteria[0]",
            "old": "department in \"Legal\", \"42\" and accountEnabled isTrue",
            "new": "department equals \"Legal\"",
        }),
        "{told}"
    );
    assert_eq!(properties[1]["path"], "criteria[1]", "{told}");
    assert_eq!(properties[1]["old"], "city equals \"Oslo\"", "{told}");
}

#[tokio::test]
async fn f2_each_mapping_takes_in_its_own_domain_with_its_own_rows() {
    let world = World::with(
        "",
        "criteria:\n  - [{ attribute: userPrincipalName, operator: endsWith, value: '@contoso.com' }]",
    )
    .await;
    let other = |name: &str, criteria: &str| {
        format!(
            "kind: Mapping
name: {name}
connection: {CONNECTION}
target: accounts
role: technician
fields:
  - {{ field: name, attribute: displayName }}
  - {{ field: login, attribute: userPrincipalName.local }}
  - {{ field: company, constant: Fabrikam }}
{criteria}"
        )
    };
    let fabrikam = "criteria:\n  - [{ attribute: mail, operator: endsWith, value: '@fabrikam.com' }]";
    world.apply(&other("fabrikam-staff", fabrikam)).await;
    hire(&world.tenant, "ann", json!({"companyName": "Contoso"}));
    let principal = "bob@fabrikam.example";
    hire(
        &world.tenant,
        "bob",
        json!({"userPrincipalName": principal, "mail": "bob@fabrikam.com"}),
    );
    let nobody = "cyd@contoso.onmicrosoft.com";
    hire(
        &world.tenant,
        "cyd",
        json!({"userPrincipalName": nobody, "mail": null}),
    );
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 2), (Outcome::Skipped, 1)],
        "{run:#?}"
    );
    let (ann, bob) = (world.account("ann").await, world.account("bob").await);
    assert_eq!((field(&ann, "company"), ann.role), ("Contoso", 1));
    assert_eq!((field(&bob, "company"), bob.role), ("Fabrikam", 2));

    // One that takes everyone in leaves nothing for those behind it.
    let told = world.apply(&other("another", "")).await;
    let warning = told["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("another has no criteria and takes every user; contoso-staff comes behind it"),
        "{told}"
    );
}

#[tokio::test]
async fn f4_changed_criteria_make_the_next_delta_full_and_a_preview_shows_who_enters_and_leaves() {
    let leavers = "leavers: { outOfScope: deactivate }";
    let world = World::with(leavers, LEGAL).await;
    for (login, department) in [
        ("ann", "Legal"),
        ("bob", "Legal"),
        ("cyd", "Sales"),
        ("dan", "Support"),
    ] {
        hire(
            &world.tenant,
            login,
            json!({"department": department, "city": "Oslo"}),
        );
    }
    hire(
        &world.tenant,
        "eve",
        json!({"department": "Legal", "jobTitle": "Lead"}),
    );
    let first = world.full().await;
    assert_eq!(
        tally(&first),
        [(Outcome::Added, 3), (Outcome::Skipped, 2)],
        "{first:#?}"
    );
    let before = world.accounts().await;

    let changed = "criteria:
  - [{ attribute: department, operator: equals, value: Sales }]
  - [{ attribute: jobTitle, operator: equals, value: Lead }]";
    let told = remap(&world, leavers, changed).await;
    let warnings: Vec<&str> = told["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let expected = "connection contoso: 2 of 3 linked people would fall out of scope; a preview shows who enters and who \
                    leaves";
    assert_eq!(warnings, [expected], "{told}");
    let why = "mapping contoso-staff changed: criteria";
    let shown = world.connection().await.next_full_reason;
    assert!(shown.starts_with(why), "{shown}");

    let preview = world.preview().await;
    assert_eq!(logins(&world, &preview, Outcome::Added).await, ["cyd"]);
    assert_eq!(logins(&world, &preview, Outcome::Removed).await, ["ann", "bob"]);
    assert_eq!(logins(&world, &preview, Outcome::Skipped).await, ["dan"]);
    assert_eq!(counts(&preview).unchanged, 1, "{preview:#?}");
    let ann = world.change_of(&preview, "ann@contoso.com").await;
    assert_eq!(
        ann.reason,
        "out of scope: not department equals \"Sales\", and not jobTitle equals \"Lead\""
    );
    assert_eq!(world.accounts().await, before, "a preview changes nothing");

    let run = world.run(RunKind::Delta).await;
    assert_eq!(run.reason, why, "{run:#?}");
    assert_eq!(counts(&run), counts(&preview), "exactly as it was shown");
    assert_eq!(status(&world, "ann").await, OUT);
    assert_eq!(status(&world, "bob").await, OUT);
    assert_eq!(status(&world, "cyd").await, IN);
    assert_eq!(status(&world, "eve").await, IN);

    let next = world.delta().await;
    assert_eq!((next.reason.as_str(), counts(&next).seen), ("", 0), "{next:#?}");
}
