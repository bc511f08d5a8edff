//! Configuration out and in again (B15).

use harness::documents::CONNECTION;
use harness::people::nobody;
use harness::site::Site;
use harness::world::World;
use serde_json::Value;

/// A document of each kind, with everything that can be said in it.
fn everything(tenant: &str, client: &str, url: &str) -> String {
    format!(
        "kind: Credential
name: {CONNECTION}-app
tenantId: {tenant}
clientId: {client}
clientSecret: {{ fromEnv: CONTOSO_APP_SECRET }}
expires: 2199-01-31
nextClientSecret: {{ fromEnv: CONTOSO_APP_SECRET_NEXT }}
nextExpires: 2199-06-30
---
kind: Connection
name: {CONNECTION}
tenantId: {tenant}
credential: {CONNECTION}-app
loginUrl: {url}
graphUrl: {url}
deletionMode: manual
leavers: {{ disabled: review, softDeleted: delete, gone: nothing, outOfScope: deactivate, returning: nothing }}
brake: {{ percent: 7, count: 9, from: 11 }}
firstRun: apply
---
kind: CustomField
name: badge
type: number
---
kind: Mapping
name: a-crew
connection: {CONNECTION}
target: accounts
role: technician
overrideByEmail: true
includeDisabled: true
organizationalUnit: \"OU=Crew, it's\"
fields:
  - {{ field: name, attribute: displayName, authority: onCreate, clear: false }}
  - {{ field: login, attribute: userPrincipalName.local }}
  - {{ field: custom.badge, attribute: employeeId, default: \"42\" }}
criteria:
  - - {{ attribute: department, operator: in, value: [Legal, \"on: call\"] }}
    - {{ attribute: accountEnabled, operator: isTrue }}
  - [{{ operator: memberOf, value: 99999999-aaaa-bbbb-cccc-dddddddddddd }}]
---
kind: Mapping
name: b-people
connection: {CONNECTION}
target: people
uniqueIdentifier: email
entity: HQ
collection: \"#staff\"
---
kind: Mapping
name: c-groups
connection: {CONNECTION}
target: groups
---
kind: Schedule
name: nightly
connection: {CONNECTION}
on: false
frequency: {{ weekly: [mon, sun] }}
start: \"2199-03-31T02:30\"
timeZone: America/St_Johns
delta: {{ on: false, hours: 5 }}
deprovision: {{ on: true, at: \"23:45\" }}
---
kind: Settings
mailTo: [it@contoso.com, o'chief@contoso.com]
mailOnCompletion: false
passwords: {{ mode: predefined, predefined: {{ fromEnv: PREDEFINED_PASSWORD }}, mustChange: false, mail: false, policy: {{ length: 14, symbol: true }} }}
"
    )
}

fn told(answer: &Value) -> Vec<String> {
    let changes = answer["changes"].as_array().unwrap().iter();
    changes
        .map(|change| {
            let part = |key: &str| change[key].as_str().unwrap().to_owned();
            format!("{} {}", part("kind"), part("action"))
        })
        .collect()
}

fn all(action: &str) -> Vec<String> {
    let kinds = [
        "Credential",
        "Connection",
        "CustomField",
        "Mapping",
        "Mapping",
        "Mapping",
        "Schedule",
        "Settings",
    ];
    kinds.map(|kind| format!("{kind} {action}")).to_vec()
}

#[tokio::test]
async fn b15_every_kind_comes_out_as_it_went_in() {
    let world = World::bare(Site::shared().await, nobody()).await;
    let cli = |world: &World| {
        world
            .cli()
            .env("CONTOSO_APP_SECRET", &world.options.client_secret)
            .env("CONTOSO_APP_SECRET_NEXT", "the~next~one")
            .env("PREDEFINED_PASSWORD", "Ten-small-horses-7")
    };
    let options = &world.options;
    let written = everything(&options.id, &options.client_id, &world.url());
    let file = world.file("written.yaml", &written);
    let made = cli(&world)
        .json(&["apply", "-f", file.to_str().unwrap()])
        .await
        .unwrap();
    let mut created = all("created");
    "Settings updated".clone_into(created.last_mut().unwrap());
    assert_eq!(told(&made), created, "{made:#}");

    let export = world.cli_run(&["export"]).await;
    assert_eq!(export.code, 0, "{export:?}");
    for secret in [
        options.client_secret.as_str(),
        "the~next~one",
        "Ten-small-horses-7",
    ] {
        assert!(!export.stdout.contains(secret), "{}", export.stdout);
    }
    let file = world.file("exported.yaml", &export.stdout);
    for verb in ["diff", "apply"] {
        let again = cli(&world)
            .json(&[verb, "-f", file.to_str().unwrap()])
            .await
            .unwrap();
        assert_eq!(told(&again), all("unchanged"), "{again:#}\n{}", export.stdout);
    }

    // Elsewhere it makes the same.
    let other = World::bare(Site::shared().await, world.options.clone()).await;
    let made = cli(&other)
        .json(&["apply", "-f", file.to_str().unwrap()])
        .await
        .unwrap();
    assert_eq!(told(&made), created, "{made:#}");
    assert_eq!(other.cli_run(&["export"]).await.stdout, export.stdout);
}
