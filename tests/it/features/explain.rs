//! Explain: why a person is in the register as they are, or not at all, and what a sync would do now (B5).

use contracts::v1::accounts_client::AccountsClient;
use contracts::v1::{
    DirectoryPresence, ExplainAccountRequest, ExplainAccountResponse, Explanation, IntegrationStatus,
    LinkOrigin, Outcome, RuleAnswer, Run, RunKind, Verdict,
};
use harness::people::hire;
use harness::world::World;
use serde_json::json;
use tonic::{Code, Status};

/// Engineers in Oslo, or leads.
const ENGINEERS: &str = "overrideByEmail: true
criteria:
  - - { attribute: department, operator: equals, value: Engineering }
    - { attribute: city, operator: equals, value: Oslo }
  - - { attribute: jobTitle, operator: contains, value: lead }";

async fn ask(world: &World, person: &str) -> Result<ExplainAccountResponse, Status> {
    let request = ExplainAccountRequest {
        person: person.to_owned(),
        ..ExplainAccountRequest::default()
    };
    let mut client = AccountsClient::new(world.channel());
    Ok(client.explain_account(world.call(request)).await?.into_inner())
}

async fn explain(world: &World, person: &str) -> (ExplainAccountResponse, Explanation) {
    let answer = ask(world, person).await.unwrap();
    let explanation = answer
        .explanation
        .clone()
        .unwrap_or_else(|| panic!("not explained: {answer:#?}"));
    (answer, explanation)
}

fn rule(explanation: &Explanation, number: i32) -> RuleAnswer {
    let found = explanation.rules.iter().find(|rule| rule.rule == number);
    found.cloned().unwrap_or_else(|| panic!("no rule {number}"))
}

/// Who lost by a rule, and why; the one who won with nothing.
fn candidates(rule: &RuleAnswer) -> Vec<(&str, &str)> {
    for candidate in &rule.candidates {
        assert_eq!(candidate.won, candidate.reason.is_empty(), "{rule:#?}");
    }
    rule.candidates
        .iter()
        .map(|candidate| (candidate.label.as_str(), candidate.reason.as_str()))
        .collect()
}

/// Clause by clause, with the one that decided.
fn verdicts(explanation: &Explanation) -> Vec<Vec<(Verdict, bool)>> {
    explanation.mappings[0]
        .filters
        .iter()
        .map(|filter| {
            let clauses = filter.clauses.iter();
            clauses.map(|clause| (clause.verdict(), clause.decides)).collect()
        })
        .collect()
}

/// Somebody matched by a full run and changed by a delta, with a change that no run has brought in yet.
struct Matched {
    world: World,
    ann: String,
    full: Run,
    delta: Run,
}

async fn matched() -> Matched {
    let world = World::with("", ENGINEERS).await;
    let csv = "name,login,domain,email,jobTitle\n\
        Ann Before,ann,contoso.com,,Engineer\nMail Ann,mann,contoso.com,ann@contoso.com,\n";
    world.import(csv).await;
    let ann = hire(
        &world.tenant,
        "ann",
        json!({"department": "Engineering", "city": "Oslo", "jobTitle": "Engineer"}),
    );
    let full = world.full().await;
    world.tenant.update(&ann, "jobTitle", json!("Builder")).unwrap();
    let delta = world.delta().await;
    // What no run has brought in yet.
    world.tenant.update(&ann, "jobTitle", json!("Architect")).unwrap();
    Matched {
        world,
        ann,
        full,
        delta,
    }
}

#[tokio::test]
async fn b5_a_linked_person_is_explained_by_account_object_and_upn_with_scope_and_rules() {
    let Matched { world, ann, full, .. } = matched().await;
    let account = world.account("ann").await;
    let (answer, explanation) = explain(&world, "ANN@contoso.com").await;
    for person in [ann.as_str(), account.id.as_str()] {
        assert_eq!(ask(&world, person).await.unwrap(), answer, "{person}");
    }
    assert_eq!(answer.account.as_ref(), Some(&account));
    let directory = answer.directory.clone().unwrap();
    assert_eq!(
        (
            directory.presence(),
            directory.object_id.as_str(),
            directory.upn.as_str()
        ),
        (DirectoryPresence::Present, ann.as_str(), "ann@contoso.com")
    );
    let link = answer.link.clone().unwrap();
    assert_eq!(
        (link.origin(), link.rule, link.run_id.as_str(), link.status()),
        (LinkOrigin::Rule, 4, full.id.as_str(), IntegrationStatus::Active)
    );

    // In scope by the first filter; the second is not asked.
    let mapping = &explanation.mappings[0];
    assert_eq!(
        (mapping.mapping.as_str(), mapping.verdict(), mapping.decides),
        ("contoso-staff", Verdict::Holds, true)
    );
    assert!(mapping.filters[0].decides && !mapping.filters[1].decides);
    assert_eq!(
        verdicts(&explanation),
        [
            vec![(Verdict::Holds, false), (Verdict::Holds, false)],
            vec![(Verdict::NotAsked, false)]
        ]
    );
    assert_eq!(
        mapping.filters[0].clauses[0].clause,
        "department equals \"Engineering\""
    );

    // The link decides; the others would have hit these.
    let linked = rule(&explanation, 1);
    assert!(linked.decides && linked.candidates[0].won);
    let by_login = rule(&explanation, 4);
    let compared: Vec<_> = by_login
        .keys
        .iter()
        .map(|key| (key.source.as_str(), key.field.as_str(), key.value.as_str()))
        .collect();
    assert_eq!(
        compared,
        [
            ("userPrincipalName.local", "login", "ann"),
            ("userPrincipalName.domain", "domain", "contoso.com")
        ]
    );
    assert_eq!(
        candidates(&rule(&explanation, 6))
            .iter()
            .find(|(label, _)| *label != "ann@contoso.com"),
        Some(&("contoso.com\\mann", "the link goes before the rules"))
    );
}

#[tokio::test]
async fn b5_what_a_sync_would_do_who_keeps_the_fields_and_what_happened_are_told() {
    let Matched {
        world, full, delta, ..
    } = matched().await;
    let (answer, explanation) = explain(&world, "ann@contoso.com").await;

    // What a sync would do now, old and new.
    let now = explanation.now.clone().unwrap();
    assert_eq!(
        (now.outcome(), now.rule, now.applied),
        (Outcome::Updated, 1, false)
    );
    let change = now
        .fields
        .iter()
        .find(|change| change.field == "jobTitle")
        .unwrap();
    assert_eq!(
        (change.old.as_deref(), change.new.as_deref()),
        (Some("Builder"), Some("Architect"))
    );

    // Who keeps which field.
    let kept = explanation
        .fields
        .iter()
        .find(|field| field.field == "jobTitle")
        .unwrap();
    assert_eq!(
        (
            kept.connection.as_str(),
            kept.mapping.as_str(),
            kept.source.as_str()
        ),
        ("contoso", "contoso-staff", "jobTitle")
    );
    assert!(kept.locked && kept.authority == "always" && kept.value == "Builder");

    // What happened, newest first.
    let history: Vec<_> = answer
        .history
        .iter()
        .map(|entry| {
            let change = entry.change.as_ref().unwrap();
            (
                entry.run_id.as_str(),
                entry.run_kind(),
                change.outcome(),
                change.rule,
            )
        })
        .collect();
    assert_eq!(
        history,
        [
            (delta.id.as_str(), RunKind::Delta, Outcome::Updated, 1),
            (full.id.as_str(), RunKind::Full, Outcome::Updated, 4),
        ]
    );
    let fields = &answer.history[0].change.as_ref().unwrap().fields;
    assert_eq!(
        (
            fields[0].field.as_str(),
            fields[0].old.as_deref(),
            fields[0].new.as_deref()
        ),
        ("jobTitle", Some("Engineer"), Some("Builder"))
    );

    // The same in words.
    let told = world
        .cli()
        .run(&["account", "explain", "ann@contoso.com"])
        .await
        .unwrap();
    assert_eq!(told.code, 0, "{told:?}");
    for line in [
        "department equals \"Engineering\": holds",
        "rule 1: object id — decides",
        "jobTitle: \"Builder\" → \"Architect\"",
        "contoso / contoso-staff",
        &format!("full run {}", full.id),
    ] {
        assert!(told.stdout.contains(line), "{line}: {}", told.stdout);
    }
}

#[tokio::test]
async fn b5_people_who_are_not_in_the_register_are_explained_from_what_the_directory_says() {
    let world = World::with("leavers: { disabled: delete }", ENGINEERS).await;
    let bob = hire(
        &world.tenant,
        "bob",
        json!({"department": "Engineering", "city": "Bergen", "jobTitle": "Baker"}),
    );
    let (answer, explanation) = explain(&world, "bob@contoso.com").await;
    assert!(answer.account.is_none() && answer.link.is_none() && answer.history.is_empty());
    assert_eq!(answer.directory.clone().unwrap().object_id, bob);
    assert_eq!(
        verdicts(&explanation),
        [
            vec![(Verdict::Holds, false), (Verdict::DoesNotHold, true)],
            vec![(Verdict::DoesNotHold, true)]
        ]
    );
    assert!(rule(&explanation, 4).note.contains("matched with nobody"));
    let now = explanation.now.unwrap();
    assert_eq!(now.outcome(), Outcome::Skipped);
    assert_eq!(
        now.reason,
        "out of scope: not city equals \"Oslo\", and not jobTitle contains \"lead\""
    );
    assert_eq!(explain(&world, &bob).await.0, answer, "by object id");

    // In scope, and two accounts could be theirs: the stronger rule wins.
    let csv =
        "name,login,domain,email\nBob One,bob,contoso.com,\nBob Two,bobby,contoso.com,bob@contoso.com\n";
    world.import(csv).await;
    world.tenant.update(&bob, "city", json!("Oslo")).unwrap();
    let (_, explanation) = explain(&world, &bob).await;
    assert!(rule(&explanation, 4).decides);
    assert_eq!(candidates(&rule(&explanation, 4)), [("contoso.com\\bob", "")]);
    assert_eq!(
        candidates(&rule(&explanation, 6)),
        [(
            "contoso.com\\bobby",
            "rule 4: login name and domain had decided before"
        )]
    );
    let now = explanation.now.unwrap();
    assert_eq!((now.outcome(), now.rule), (Outcome::Updated, 4));

    // As it said, so it comes; and a person's cut is among the reasons.
    world.full().await;
    let taken = world.account_by_object(&bob).await;
    assert_eq!(taken.login, "bob");
    world
        .cli_json(&["link", "cut", "contoso", &bob, "--reason", "not him"])
        .await;
    let (answer, explanation) = explain(&world, &bob).await;
    assert!(answer.account.is_none() && answer.link.is_none());
    assert_eq!(
        candidates(&rule(&explanation, 4)),
        [("bob@contoso.com", "a person cut its link to this object")]
    );
    let by_mail = rule(&explanation, 6);
    assert!(
        candidates(&by_mail).contains(&("contoso.com\\bobby", "")),
        "{by_mail:#?}"
    );
    let now = explanation.now.unwrap();
    assert_eq!(now.outcome(), Outcome::Failed, "{now:#?}");
    assert!(now.reason.contains("must be unique"), "{now:#?}");

    // On the never-touch list: that goes before everything.
    world
        .cli_json(&["never-touch", "add", "--object", &bob, "--note", "robot"])
        .await;
    let (_, explanation) = explain(&world, &bob).await;
    assert_eq!(explanation.never_touch, format!("object {bob} (robot)"));
    assert_eq!(explanation.now.unwrap().outcome(), Outcome::Skipped);
}

#[tokio::test]
async fn b5_without_the_directory_the_rest_is_told() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    // Somebody who left: the directory does not know them any more.
    let bob = hire(&world.tenant, "bob", json!({}));
    world.delta().await;
    world.tenant.hard_delete(&bob).unwrap();
    let gone = ask(&world, "bob@contoso.com").await.unwrap();
    let directory = gone.directory.unwrap();
    assert_eq!(
        (directory.presence(), directory.object_id.as_str()),
        (DirectoryPresence::NotFound, bob.as_str())
    );
    assert!(gone.account.is_some() && !gone.explanation.unwrap().fields.is_empty());

    // A connection whose secret was taken away reads nobody.
    world.tenant.change_app(entra_sim::AppChange {
        roles: Some(vec!["Organization.Read.All".to_owned()]),
        ..entra_sim::AppChange::default()
    });
    world.tenant.revoke_tokens();
    let answer = ask(&world, &ann).await.unwrap();
    let directory = answer.directory.clone().unwrap();
    assert_eq!(directory.presence(), DirectoryPresence::Unspecified);
    assert!(directory.problem.contains("User.Read.All"), "{directory:#?}");
    assert_eq!(answer.account.as_ref().unwrap().object_id, ann);
    assert_eq!(answer.link.as_ref().unwrap().origin(), LinkOrigin::Created);
    let explanation = answer.explanation.clone().unwrap();
    assert!(explanation.now.is_none() && explanation.mappings.is_empty());
    assert!(
        explanation
            .fields
            .iter()
            .any(|field| field.field == "email" && field.locked)
    );
    assert_eq!(
        (answer.history.len(), answer.history[0].run_id.as_str()),
        (1, run.id.as_str())
    );
    let made = answer.history[0].change.as_ref().unwrap();
    assert!(
        made.outcome() == Outcome::Added && made.fields.iter().any(|field| field.field == "login"),
        "{made:#?}"
    );
    let told = world.cli().run(&["account", "explain", &ann]).await.unwrap();
    assert!(told.code == 0 && told.stdout.contains("not read: "), "{told:?}");
}

#[tokio::test]
async fn b5_whom_nobody_knows_and_what_is_no_person_is_said() {
    let world = World::start().await;
    let nobody = ask(&world, "nobody@contoso.com").await.unwrap_err();
    assert_eq!(nobody.code(), Code::NotFound);
    assert!(
        nobody.message().contains("among the users of contoso"),
        "{nobody:?}"
    );
    for wrong in ["", "ann"] {
        let refused = ask(&world, wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert!(refused.message().starts_with("person: "), "{refused:?}");
    }
}
