//! Importing users by hand (R1) and syncing one record (R2): at once, beside the connection's other runs.

use contracts::v1::{
    AccountStatus, IntegrationStatus, NoticeKind, Outcome, RunKind, RunState, StartRunRequest, UserResult,
};
use entra_sim::{Effect, Fault};
use harness::hold::{Hold, Step};
use harness::people::{hire, hire_many};
use harness::register::field;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::json;
use tonic::Code;

/// Someone of this department only; who is out of scope is deactivated.
const LEGAL: &str = "criteria:\n  - [{ attribute: department, operator: equals, value: Legal }]";
const DEACTIVATE: &str = "leavers: { outOfScope: deactivate }";

fn outcomes(results: &[UserResult]) -> Vec<Outcome> {
    results.iter().map(UserResult::outcome).collect()
}

#[tokio::test]
async fn r1_one_to_five_users_come_in_at_once_with_an_answer_for_each() {
    let world = World::with("", "").await;
    world.import("name,login,domain\nOld Bob,bob,contoso.com\n").await;
    let ann = hire(&world.tenant, "ann", json!({"department": "Legal"}));
    hire(&world.tenant, "bob", json!({"department": "Sales"}));
    hire(&world.tenant, "cyd", json!({"accountEnabled": false}));
    hire(&world.tenant, "dan", json!({}));
    let gone = hire(&world.tenant, "eve", json!({}));
    world.tenant.soft_delete(&gone).unwrap();
    let asked = [
        "ANN@contoso.com",
        "bob@contoso.com",
        "cyd@contoso.com",
        "eve@contoso.com",
        "nobody@contoso.com",
    ];
    let results = world.import_users(&asked).await;
    let users: Vec<&str> = results.iter().map(|result| result.user.as_str()).collect();
    assert_eq!(users, asked);
    assert_eq!(
        outcomes(&results),
        [
            Outcome::Added,
            Outcome::Updated,
            Outcome::Skipped,
            Outcome::Failed,
            Outcome::Failed
        ],
        "{results:#?}"
    );
    let account = world.account("ann").await;
    assert_eq!(
        (account.id.as_str(), account.object_id.as_str()),
        (results[0].account_id.as_str(), ann.as_str())
    );
    assert_eq!(field(&account, "department"), "Legal");
    assert_eq!(
        (results[1].overwritten, results[1].rule),
        (true, 4),
        "{results:#?}"
    );
    assert!(
        results[1].fields.iter().any(|change| change.field == "name"
            && change.old.as_deref() == Some("Old Bob")
            && change.new.as_deref() == Some("Bob")),
        "{results:#?}"
    );
    assert_eq!(
        results[2].reason,
        "disabled in the directory, and matches no account"
    );
    for (at, who) in [(3, "eve"), (4, "nobody")] {
        assert_eq!(
            results[at].reason,
            format!("no user \"{who}@contoso.com\" in the directory of contoso")
        );
    }
    assert_eq!(world.accounts_of("dan").await, [], "nobody else comes in");

    // Again: nothing changes, by object id too.
    let again = world.import_users(&[&ann, "bob@contoso.com"]).await;
    assert_eq!(
        outcomes(&again),
        [Outcome::Unchanged, Outcome::Unchanged],
        "{again:#?}"
    );
    world.tenant.update(&ann, "department", json!("Sales")).unwrap();
    let changed = world.import_users(&[&ann]).await;
    assert_eq!(outcomes(&changed), [Outcome::Updated], "{changed:#?}");
    assert!(!changed[0].overwritten);
    let unknown = "00000000-0000-4000-8000-000000000001";
    let missing = world.import_users(&[unknown]).await;
    assert_eq!(
        missing[0].reason,
        format!("no user \"{unknown}\" in the directory of contoso")
    );
}

#[tokio::test]
async fn r1_none_six_blank_and_repeated_names_are_refused() {
    let world = World::start().await;
    for (users, told) in [
        (&[][..], "users"),
        (&["a@b", "c@d", "e@f", "g@h", "i@j", "k@l"], "users"),
        (&["a@b", " "], "users[1]"),
        (&["a@b", "A@B"], "users[1]"),
    ] {
        let refused = world.try_import_users(users).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{users:?}");
        assert!(refused.message().contains(told), "{users:?}: {refused:?}");
    }
    let six = ["import", "users", "contoso", "a", "b", "c", "d", "e", "f"];
    assert_eq!(world.cli_run(&six).await.code, 2);
    assert_eq!(world.cli_run(&six[..3]).await.code, 2);
    let start = StartRunRequest {
        connection: "contoso".to_owned(),
        kind: RunKind::Manual.into(),
        ..StartRunRequest::default()
    };
    let refused = world.runs().start_run(world.call(start)).await.unwrap_err();
    assert!(refused.message().contains("rollcall import users"), "{refused:?}");
    let runs = world.cli_json(&["run", "list"]).await;
    assert_eq!(runs["runs"], json!([]), "nothing was begun");
}

#[tokio::test]
async fn r1_names_that_need_care_are_found() {
    let world = World::start().await;
    let names = [
        "$dollar",
        "o'brien",
        "guest_fabrikam.com#EXT#",
        "per%cent",
        "plus+one",
    ];
    let upns = names.map(|name| format!("{name}@contoso.com"));
    for name in names {
        hire(&world.tenant, name, json!({"mail": null}));
    }
    let asked: Vec<&str> = upns.iter().map(String::as_str).collect();
    let results = world.import_users(&asked).await;
    assert_eq!(outcomes(&results), [Outcome::Added; 5], "{results:#?}");
    for (name, result) in names.iter().zip(&results) {
        assert_eq!(world.account(name).await.id, result.account_id);
    }
}

#[tokio::test]
async fn r1_criteria_and_the_first_run_s_preview_do_not_count() {
    let world = World::with(&format!("firstRun: preview\n{DEACTIVATE}"), LEGAL).await;
    hire(&world.tenant, "ann", json!({"department": "Legal"}));
    let bob = hire(&world.tenant, "bob", json!({"department": "Sales"}));
    let results = world.import_users(&["bob@contoso.com"]).await;
    assert_eq!(outcomes(&results), [Outcome::Added], "{results:#?}");
    assert_eq!(results[0].reason, "brought in by hand");

    // The first full run is still the first: it stops with its plan. And who was brought in is no leaver.
    let first = world.run_to_end(RunKind::Full).await;
    assert_eq!(first.state(), RunState::Planned, "{first:#?}");
    assert_eq!(
        tally(&first),
        [(Outcome::Added, 1), (Outcome::Unchanged, 1)],
        "{first:#?}"
    );
    world.apply_plan(&first.id).await;
    // Neither when the directory changes, in a full run or in a delta.
    world.tenant.update(&bob, "city", json!("Oslo")).unwrap();
    let delta = world.delta().await;
    assert_eq!(tally(&delta), [(Outcome::Updated, 1)], "{delta:#?}");
    world.tenant.update(&bob, "city", json!("Bergen")).unwrap();
    let full = world.full().await;
    assert_eq!(
        tally(&full),
        [(Outcome::Updated, 1), (Outcome::Unchanged, 1)],
        "{full:#?}"
    );
    let account = world.account("bob").await;
    assert_eq!(
        (
            account.status(),
            account.integration_status(),
            field(&account, "city")
        ),
        (AccountStatus::Active, IntegrationStatus::Active, "Bergen")
    );
}

#[tokio::test]
async fn r1_who_was_left_out_before_comes_in_by_hand() {
    let world = World::with(DEACTIVATE, LEGAL).await;
    hire(&world.tenant, "bob", json!({"department": "Sales"}));
    let full = world.full().await;
    assert_eq!(tally(&full), [(Outcome::Skipped, 1)]);
    let results = world.import_users(&["bob@contoso.com"]).await;
    assert_eq!(outcomes(&results), [Outcome::Added], "{results:#?}");
    let again = world.full().await;
    assert_eq!(tally(&again), [(Outcome::Unchanged, 1)], "{again:#?}");
}

#[tokio::test]
async fn r1_beside_a_run_that_has_decided_the_same_user_there_is_one_account() {
    let site = Site::shared().await;
    for step in [Step::Fetched, Step::Planned] {
        let world = World::with("", "").await;
        let ids = hire_many(&world.tenant, 6);
        hire(&world.tenant, "ann", json!({"city": "Oslo"}));
        world
            .import("name,login,domain\nOld,p02,contoso.com\nOther,ann,contoso.com\n")
            .await;
        let hold = Hold::at(step, world.organization, site).await;
        let full = world.start_run(RunKind::Full).await;
        hold.reached().await;
        // At once, though the connection's run stands still.
        let asked = ["p01@contoso.com", "p02@contoso.com"];
        let results = world.import_users(&asked).await;
        assert_eq!(
            outcomes(&results),
            [Outcome::Added, Outcome::Updated],
            "{step}: {results:#?}"
        );
        let manual = world.latest_run().await;
        hold.release().await;
        let ended = world.ended(&full.id).await;
        assert_eq!(ended.state(), RunState::Finished, "{step}: {ended:#?}");
        assert_eq!(
            tally(&ended),
            [
                (Outcome::Added, 4),
                (Outcome::Updated, 1),
                (Outcome::Unchanged, 2)
            ],
            "{step}: {ended:#?}"
        );
        for (id, result) in ids.iter().zip(&results) {
            let change = world.change_of(&ended, id).await;
            assert_eq!(
                change.reason,
                format!("imported by run {manual} meanwhile"),
                "{step}"
            );
            assert_eq!(change.account_id, result.account_id, "{step}");
            assert_eq!(world.account_by_object(id).await.id, result.account_id, "{step}");
        }
        world.check_register().await;
        assert_eq!(world.accounts().await.len(), 7, "{step}: nobody twice");
        let again = world.full().await;
        assert_eq!(tally(&again), [(Outcome::Unchanged, 7)], "{step}: {again:#?}");
    }
}

#[tokio::test]
async fn r1_who_was_left_out_by_the_run_beside_or_came_after_its_listing_stays() {
    let site = Site::shared().await;
    let world = World::with(DEACTIVATE, LEGAL).await;
    hire(&world.tenant, "ann", json!({"department": "Legal"}));
    hire(&world.tenant, "bob", json!({"department": "Sales"}));
    let hold = Hold::at(Step::Fetched, world.organization, site).await;
    let full = world.start_run(RunKind::Full).await;
    hold.reached().await;
    hire(&world.tenant, "new", json!({"department": "Sales"}));
    let results = world.import_users(&["bob@contoso.com", "new@contoso.com"]).await;
    assert_eq!(
        outcomes(&results),
        [Outcome::Added, Outcome::Added],
        "{results:#?}"
    );
    hold.release().await;
    let ended = world.ended(&full.id).await;
    assert_eq!(
        tally(&ended),
        [(Outcome::Added, 1), (Outcome::Unchanged, 1)],
        "who came after the listing is not gone: {ended:#?}"
    );
    for login in ["bob", "new"] {
        let account = world.account(login).await;
        assert_eq!(
            (account.status(), account.integration_status()),
            (AccountStatus::Active, IntegrationStatus::Active),
            "{account:#?}"
        );
    }
    let again = world.full().await;
    assert_eq!(tally(&again), [(Outcome::Unchanged, 3)], "{again:#?}");
}

#[tokio::test]
async fn r1_a_change_that_both_have_decided_is_made_once() {
    let site = Site::shared().await;
    let world = World::start().await;
    let ids = hire_many(&world.tenant, 3);
    world.full().await;
    world.tenant.update(&ids[0], "city", json!("Oslo")).unwrap();
    let hold = Hold::at(Step::Planned, world.organization, site).await;
    let full = world.start_run(RunKind::Full).await;
    hold.reached().await;
    let results = world.import_users(&["p01@contoso.com"]).await;
    assert_eq!(outcomes(&results), [Outcome::Updated]);
    hold.release().await;
    let ended = world.ended(&full.id).await;
    assert_eq!(tally(&ended), [(Outcome::Unchanged, 3)], "no failure: {ended:#?}");
    world.check_register().await;
}

#[tokio::test]
async fn r1_two_imports_of_the_same_user_at_once_make_one_account() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    // Both have looked the user up before either writes.
    let slow = Effect::Delay { milliseconds: 300 };
    world.tenant.fault(Fault::on("/v1.0/users/*", slow));
    let one = ["ann@contoso.com"];
    let all = tokio::join!(
        world.import_users(&one),
        world.import_users(&one),
        world.import_users(&one)
    );
    let all = [all.0, all.1, all.2];
    let added = all
        .iter()
        .filter(|results| outcomes(results) == [Outcome::Added])
        .count();
    let unchanged = all
        .iter()
        .filter(|results| outcomes(results) == [Outcome::Unchanged])
        .count();
    assert_eq!((added, unchanged), (1, 2), "{all:#?}");
    assert_eq!(world.accounts().await.len(), 1);
}

#[tokio::test]
async fn r1_the_same_idempotency_key_is_the_same_import() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let request = contracts::v1::ImportUsersRequest {
        connection: "contoso".to_owned(),
        users: vec!["ann@contoso.com".to_owned()],
        idempotency_key: "once".to_owned(),
        ..Default::default()
    };
    let mut runs = world.runs();
    let first = runs
        .import_users(world.call(request.clone()))
        .await
        .unwrap()
        .into_inner();
    let again = runs.import_users(world.call(request)).await.unwrap().into_inner();
    assert_eq!(first.run.unwrap().id, again.run.unwrap().id);
    assert_eq!(again.results[0].outcome(), Outcome::Added);
}

#[tokio::test]
async fn r1_the_command_line_shows_what_became_of_each() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let args = [
        "import",
        "users",
        "contoso",
        "ann@contoso.com",
        "nobody@contoso.com",
    ];
    let answer = world.cli_run(&args).await;
    assert_eq!(
        answer.code, 0,
        "a failed user is told, the run has finished: {answer:?}"
    );
    let line = |who: &str| answer.stdout.lines().find(|line| line.starts_with(who)).unwrap();
    assert!(line("ann@contoso.com").contains("added"), "{answer:?}");
    let nobody = line("nobody@contoso.com");
    assert!(
        nobody.contains("failed") && nobody.contains("no user"),
        "{answer:?}"
    );
    let mut strict = args.to_vec();
    strict.push("--strict");
    assert_eq!(world.cli_run(&strict).await.code, 1);
    let runs = world.cli_json(&["run", "list", "--connection", "contoso"]).await;
    assert_eq!(runs["runs"][0]["kind"], "RUN_KIND_MANUAL", "{runs}");
    assert_eq!(runs["runs"][0]["trigger"], "cli");
    assert_eq!(runs["runs"][1]["counts"]["added"], 1);
    assert_eq!(runs["runs"][1]["counts"]["failed"], 1);
}

#[tokio::test]
async fn n4_a_manual_run_is_told_of_only_when_something_failed() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    world.import_users(&["ann@contoso.com"]).await;
    let quiet = world.latest_run().await;
    world.import_users(&["nobody@contoso.com"]).await;
    let failed = world.latest_run().await;
    let notice = world.notice(&failed, NoticeKind::RunFinished).await;
    assert!(notice.title.contains("failed"), "{notice:#?}");
    let all = world.notices().await.notices;
    assert!(all.iter().all(|notice| notice.run_id != quiet), "{all:#?}");
    assert_eq!(
        world.mails(Site::shared().await).len(),
        0,
        "who asked has the answer"
    );
}

#[tokio::test]
async fn r2_one_account_is_synced() {
    let world = World::with(DEACTIVATE, LEGAL).await;
    world.import("name,login,domain\nLoose,loose,contoso.com\n").await;
    let ann = hire(&world.tenant, "ann", json!({"department": "Legal"}));
    let bob = hire(&world.tenant, "bob", json!({"department": "Legal"}));
    world.full().await;
    let account = world.account("ann").await;
    world.tenant.update(&ann, "jobTitle", json!("Judge")).unwrap();
    world.tenant.update(&bob, "jobTitle", json!("Clerk")).unwrap();
    let answer = world.sync_account(&account.id).await.unwrap();
    assert_eq!(outcomes(&answer.results), [Outcome::Updated], "{answer:#?}");
    assert_eq!(field(&world.account("ann").await, "jobTitle"), "Judge");
    assert_eq!(
        field(&world.account("bob").await, "jobTitle"),
        "",
        "only this one"
    );

    let line = world.cli_run(&["account", "sync", &account.id]).await;
    assert!(line.code == 0 && line.stdout.contains("unchanged"), "{line:?}");

    // The criteria count, as do the policies for leavers.
    world.tenant.update(&bob, "department", json!("Sales")).unwrap();
    let out = world.account("bob").await;
    let answer = world.sync_account(&out.id).await.unwrap();
    assert_eq!(outcomes(&answer.results), [Outcome::Removed], "{answer:#?}");
    assert_eq!(world.account("bob").await.status(), AccountStatus::Deactivated);

    // Who is not in the directory any more is left to a full run.
    world.tenant.soft_delete(&ann).unwrap();
    let answer = world.sync_account(&account.id).await.unwrap();
    assert_eq!(outcomes(&answer.results), [Outcome::Failed], "{answer:#?}");
    assert!(
        answer.results[0].reason.contains("the next full run decides"),
        "{answer:#?}"
    );
    assert_eq!(answer.results[0].account_id, account.id);
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);

    let loose = world.account("loose").await;
    let refused = world.sync_account(&loose.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("linked to no user"), "{refused:?}");
}

#[tokio::test]
async fn r1_a_run_that_can_t_sign_in_fails_for_everybody() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    world.tenant.fault(Fault::on(
        "*/oauth2/v2.0/token",
        Effect::Aadsts { code: 7_000_222 },
    ));
    let answer = world.try_import_users(&["ann@contoso.com"]).await.unwrap();
    let run = answer.run.unwrap();
    assert_eq!(run.state(), RunState::Failed, "{run:#?}");
    assert_eq!(answer.results[0].outcome(), Outcome::Failed);
    assert_eq!(answer.results[0].reason, run.error);
    assert_eq!(counts(&run).seen, 0);
}
