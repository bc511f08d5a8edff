//! Bad input: a clear error that names the field and the next step, or a failed outcome with its reason, and nothing else
//! is lost.

use contracts::v1::{Outcome, RunKind, RunState};
use entra_sim::{Corruption, Effect, Fault, Operation};
use harness::documents::documents;
use harness::people::{hire, hire_many};
use harness::register::field;
use harness::runs::tally;
use harness::site::Site;
use harness::world::World;
use serde_json::json;

/// What the command line says to these documents, which it must refuse, and nothing may be applied.
async fn refused(change: impl Fn(String) -> String) -> String {
    let world = World::bare(Site::shared().await, harness::people::nobody()).await;
    let file = world.file(
        "bad.yaml",
        &change(documents(&world.options, &world.url(), "", "")),
    );
    let answer = world.cli_run(&["apply", "-f", file.to_str().unwrap()]).await;
    assert_eq!(answer.code, 1, "{answer:?}");
    assert_eq!(
        world.cli_json(&["connection", "list"]).await["connections"],
        json!([])
    );
    answer.stderr
}

#[tokio::test]
async fn an_unknown_key_is_named_with_its_place() {
    let said = refused(|yaml| yaml.replace("target: accounts", "targte: accounts")).await;
    assert!(
        said.contains("bad.yaml:19:1") && said.contains("\"targte\"") && said.contains("\"target\"?"),
        "{said}"
    );
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_named_with_its_place() {
    let said =
        refused(|yaml| yaml.replace("firstRun: apply", "firstRun: apply\nbrake: { percent: many }")).await;
    assert!(
        said.contains("brake.percent") && said.contains("whole number"),
        "{said}"
    );
}

#[tokio::test]
async fn ids_that_are_no_guids_are_all_named() {
    let said = refused(|yaml| {
        yaml.replace("tenantId: 11111111", "tenantId: 1111")
            .replace("clientId: 6", "clientId: x")
    })
    .await;
    assert!(
        said.matches("not a GUID").count() == 3,
        "both tenants and the app: {said}"
    );
    assert!(said.contains("tenantId") && said.contains("clientId"), "{said}");
}

#[tokio::test]
async fn a_secret_in_the_file_is_refused_and_one_that_is_missing_is_named() {
    let said = refused(|yaml| yaml.replace("{ fromEnv: CONTOSO_SECRET }", "hunter2~abc")).await;
    assert!(said.contains("fromEnv") && !said.contains("hunter2"), "{said}");
    let said = refused(|yaml| yaml.replace("CONTOSO_SECRET", "NO_SUCH_SECRET")).await;
    assert!(said.contains("NO_SUCH_SECRET is not set"), "{said}");
}

#[tokio::test]
async fn a_guid_pasted_as_the_secret_is_warned_of() {
    let world = World::bare(Site::shared().await, harness::people::nobody()).await;
    let file = world.file("guid.yaml", &documents(&world.options, &world.url(), "", ""));
    let cli = world.cli().env(
        harness::documents::SECRET_VARIABLE,
        "0d9f8a10-0000-4000-8000-000000000001",
    );
    let answer = cli.run(&["apply", "-f", file.to_str().unwrap()]).await.unwrap();
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(
        answer.stderr.contains("warning") && answer.stderr.contains("Value"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn an_unknown_register_field_and_an_unknown_attribute_are_named() {
    let rows = "fields:\n  - { field: name, attribute: displayNam }\n  - { field: lgoin, attribute: mail }";
    let said = refused(|yaml| yaml.replace("target: accounts", &format!("target: accounts\n{rows}"))).await;
    assert!(
        said.contains("\"lgoin\"") && said.contains("\"login\"?"),
        "{said}"
    );
    assert!(
        said.contains("\"displayNam\"") && said.contains("\"displayName\"?"),
        "{said}"
    );
}

#[tokio::test]
async fn a_mapping_without_name_or_login_is_refused() {
    let rows = "fields:\n  - { field: email, attribute: mail }";
    let said = refused(|yaml| yaml.replace("target: accounts", &format!("target: accounts\n{rows}"))).await;
    assert!(
        said.contains("Name (name)") && said.contains("Login name (login)"),
        "{said}"
    );
    assert!(said.contains("attribute: displayName"), "the next step: {said}");
}

#[tokio::test]
async fn reporting_to_takes_the_manager_only() {
    let rows = "fields:\n  - { field: name, attribute: displayName }\n  - { field: login, attribute: mail }\n  \
                - { field: reportingTo, attribute: mail }\n  - { field: office, attribute: manager }";
    let said = refused(|yaml| yaml.replace("target: accounts", &format!("target: accounts\n{rows}"))).await;
    assert!(said.contains("takes the attribute manager only"), "{said}");
    assert!(said.contains("can only go into the field reportingTo"), "{said}");
}

#[tokio::test]
async fn plain_http_and_addresses_with_a_path_are_refused() {
    let said =
        refused(|yaml| yaml.replace("graphUrl: http://127.0.0.1", "graphUrl: http://graph.example")).await;
    assert!(said.contains("graphUrl") && said.contains("https"), "{said}");
    let said = refused(|yaml| yaml.replace("firstRun: apply", "firstRun: apply\ntokenUrl: ftp://x")).await;
    assert!(said.contains("tokenUrl"), "{said}");
}

#[tokio::test]
async fn rows_of_a_csv_fail_alone_and_say_why() {
    let world = World::bare(Site::shared().await, harness::people::nobody()).await;
    let csv = "name,login,domain,role\nAnn,ann,contoso.com,user\n,bob,contoso.com,\nCid,,,\nDan,dan,contoso.com,king\n\
               Ann Two,ANN,Contoso.com,\nEve,eve,contoso.com,technician\n";
    let file = world.file("accounts.csv", csv);
    let dry = world
        .cli_json(&["import", "csv", file.to_str().unwrap(), "--dry-run"])
        .await;
    assert_eq!((&dry["added"], &dry["failed"]), (&json!(1), &json!(5)), "{dry}");
    assert!(world.accounts().await.is_empty());
    let done = world.cli_json(&["import", "csv", file.to_str().unwrap()]).await;
    let failures = done["failures"].as_array().unwrap();
    let of = |line: u64| {
        failures.iter().find(|failure| failure["line"] == line).unwrap()["reason"]
            .as_str()
            .unwrap()
    };
    assert!(of(3).contains("name") && of(4).contains("login"), "{done}");
    assert!(of(5).contains("king"), "{done}");
    assert!(of(6).contains("line 2") && of(2).contains("line 6"), "{done}");
    assert_eq!(world.accounts().await.len(), 1);
    let file = world.file("unknown.csv", "name,login,shoe size\nAnn,ann,42\n");
    let unknown = world.cli_run(&["import", "csv", file.to_str().unwrap()]).await;
    assert!(
        unknown.code != 0 && unknown.stderr.contains("shoe size"),
        "{unknown:?}"
    );
}

/// A record that breaks the rules, among others that don't.
async fn broken(corruption: Corruption) -> (World, String, contracts::v1::Run) {
    let world = World::start().await;
    let ids = hire_many(&world.tenant, 6);
    world
        .tenant
        .apply(&Operation::Corrupt {
            user: ids[2].clone(),
            corruption,
        })
        .unwrap();
    let run = world.full().await;
    (world, ids[2].clone(), run)
}

/// The others come in; the broken one fails and its reason holds all of this.
async fn fails_alone(corruption: Corruption, reason: &[&str]) {
    let (world, id, run) = broken(corruption).await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 5), (Outcome::Failed, 1)],
        "{run:#?}"
    );
    let change = world.change_of(&run, &id).await;
    for part in reason {
        assert!(change.reason.contains(part), "{part}: {change:#?}");
    }
    assert!(world.accounts_of("p03").await.is_empty());
}

#[tokio::test]
async fn b8_a_record_of_wrong_types_fails_alone() {
    fails_alone(Corruption::WrongTypes, &["displayName", "expected text"]).await;
}

#[tokio::test]
async fn b8_a_record_of_two_megabytes_fails_alone() {
    fails_alone(Corruption::Huge { bytes: 2_000_000 }, &["streetAddress"]).await;
}

#[tokio::test]
async fn b8_ten_thousand_aliases_fail_alone() {
    fails_alone(Corruption::ManyAliases { count: 10_000 }, &["proxyAddresses"]).await;
}

#[tokio::test]
async fn b8_control_characters_in_a_name_fail_alone() {
    fails_alone(
        Corruption::ControlCharacters,
        &["displayName", "control character U+0000"],
    )
    .await;
}

#[tokio::test]
async fn b8_bytes_that_are_no_utf_8_fail_alone() {
    fails_alone(Corruption::NotUtf8, &["displayName", "UTF-8"]).await;
}

#[tokio::test]
async fn b8_half_a_surrogate_pair_fails_alone() {
    fails_alone(Corruption::LoneSurrogate, &["displayName"]).await;
}

#[tokio::test]
async fn b8_json_that_is_none_in_one_value() {
    let raw = Corruption::Raw {
        property: "jobTitle".to_owned(),
        json: "{\"nested\": [1, 2]}".to_owned(),
    };
    fails_alone(raw, &["jobTitle", "expected text"]).await;
}

#[tokio::test]
async fn b8_records_without_a_usable_id_are_counted_and_shown() {
    for (corruption, reason) in [(Corruption::BadId, "not-a-guid"), (Corruption::NoId, "id")] {
        let (world, _, run) = broken(corruption).await;
        assert_eq!(
            tally(&run),
            [(Outcome::Added, 5), (Outcome::Failed, 1)],
            "{run:#?}"
        );
        let failed = world.changes(&run, Outcome::Failed).await;
        assert!(failed[0].reason.contains(reason), "{failed:#?}");
        assert_eq!(failed[0].object_id, "");
    }
}

#[tokio::test]
async fn b8_a_bad_record_in_a_delta_fails_alone_and_comes_in_when_it_is_put_right() {
    let world = World::start().await;
    let ids = hire_many(&world.tenant, 4);
    world.full().await;
    let corruption = Corruption::ControlCharacters;
    world
        .tenant
        .apply(&Operation::Corrupt {
            user: ids[0].clone(),
            corruption,
        })
        .unwrap();
    world.tenant.update(&ids[1], "city", json!("Oslo")).unwrap();
    let run = world.delta().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Updated, 1), (Outcome::Failed, 1)],
        "{run:#?}"
    );
    assert_eq!(world.account("p01").await.name, "P01");
    world
        .tenant
        .update(&ids[0], "displayName", json!("Put Right"))
        .unwrap();
    let run = world.delta().await;
    assert_eq!(tally(&run), [(Outcome::Updated, 1)], "{run:#?}");
    assert_eq!(world.account("p01").await.name, "Put Right");
}

#[tokio::test]
async fn a_name_that_begins_like_a_formula_is_stored_as_it_is() {
    let world = World::start().await;
    hire(
        &world.tenant,
        "ann",
        json!({"displayName": "=SUM(A1:A9)", "jobTitle": "@boss"}),
    );
    world.full().await;
    let account = world.account("ann").await;
    assert_eq!(
        (account.name.as_str(), field(&account, "jobTitle")),
        ("=SUM(A1:A9)", "@boss")
    );
}

#[tokio::test]
async fn pages_larger_than_a_message_may_be_are_divided() {
    let world = World::start().await;
    // 12 MB that compress badly: far over NATS' limit of 1 MB for a payload.
    let noise = |seed: u64| -> String {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + u8::try_from(state % 90).unwrap())
        })
        .take(200_000)
        .collect()
    };
    for number in 0..60 {
        hire(
            &world.tenant,
            &format!("big{number:02}"),
            json!({"streetAddress": noise(number)}),
        );
    }
    hire(&world.tenant, "small", json!({}));
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Added, 61)], "{run:#?}");
    assert_eq!(field(&world.account("big07").await, "street"), noise(7));
}

#[tokio::test]
async fn json_that_breaks_off_is_read_again_and_json_that_stays_broken_ends_the_run() {
    let world = World::start().await;
    hire_many(&world.tenant, 3);
    for effect in [Effect::MalformedJson, Effect::CutBody] {
        world.tenant.fault(Fault::on("/v1.0/users", effect).times(1));
        let run = world.full().await;
        assert_eq!(run.removals_note, "", "{run:#?}");
    }
    assert_eq!(world.accounts().await.len(), 3);
    world
        .tenant
        .fault(Fault::on("/v1.0/users", Effect::MalformedJson));
    let run = world.run_to_end(RunKind::Full).await;
    assert_eq!(run.state(), RunState::Failed, "{run:#?}");
    assert!(run.error.contains("JSON"), "{run:#?}");
    assert_eq!(world.accounts().await.len(), 3);
}
