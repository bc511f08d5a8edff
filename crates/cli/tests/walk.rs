//! The commands against all of Rollcall: what a person types, what the shell gets back.

use std::path::Path;
use std::time::Duration;

use local::cli::{Answer, Cli};
use local::stack::directory::{CLIENT_ID, CLIENT_SECRET, Directory, TENANT_ID};
use local::stack::{Service, Stack};
use serde_json::Value;

const USERS: u32 = 60;

/// A running Rollcall and its command line.
struct World {
    stack: Stack,
    cli: Cli,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let directory = Directory::Simulated {
            users: USERS,
            seed: 7,
        };
        let stack = Stack::builder()
            .directory(directory)
            .start()
            .await
            .expect("everything starts");
        let cli = stack
            .cli()
            .expect("rollcall is built")
            .env("CONTOSO_SECRET", CLIENT_SECRET);
        let folder = tempfile::tempdir().expect("a folder");
        Self { stack, cli, folder }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    }

    fn documents(&self) -> String {
        let sim = &self.stack.endpoints().entra_sim;
        format!(
            "kind: Credential\nname: app\ntenantId: {TENANT_ID}\nclientId: {CLIENT_ID}\n\
             clientSecret: {{ fromEnv: CONTOSO_SECRET }}\n---\n\
             kind: Connection\nname: contoso\ntenantId: {TENANT_ID}\ncredential: app\n\
             loginUrl: {sim}\ngraphUrl: {sim}\n---\n\
             kind: Mapping\nname: staff\nconnection: contoso\n"
        )
    }

    async fn run(&self, args: &[&str]) -> Answer {
        self.cli.run(args).await.expect("it runs")
    }

    async fn json(&self, args: &[&str]) -> Value {
        self.cli.json(args).await.expect("it answers")
    }
}

fn actions(answer: &Value) -> Vec<&str> {
    answer["changes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|change| change["action"].as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sets_up_previews_applies_and_looks_around() {
    let world = World::start().await;
    configuration(&world).await;
    connection(&world).await;
    runs(&world).await;
    accounts(&world).await;
    tokens(&world).await;
    world.stack.stop().await.expect("everything stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_goes_on_when_api_comes_back() {
    let mut world = World::start().await;
    let file = world.file("contoso.yaml", &world.documents());
    world.json(&["apply", "-f", &file]).await;
    world
        .stack
        .freeze(Service::Fetcher, 1, true)
        .expect("it is frozen");
    let cli = world.cli.clone();
    let waiting = async {
        cli.run(&["run", "start", "contoso", "--kind", "preview", "--wait"])
            .await
    };
    let breaking = async {
        until_a_run_exists(&cli).await;
        world.stack.kill(Service::Api, 1).expect("it is killed");
        let away = cli.run(&["run", "list"]).await.expect("it runs");
        assert!(
            away.code == 1 && away.stderr.contains("can't reach api"),
            "{away:?}"
        );
        world.stack.spawn(Service::Api, 1).expect("it starts");
        world.stack.ready(Service::Api, 1).await.expect("it is ready");
        world
            .stack
            .freeze(Service::Fetcher, 1, false)
            .expect("it goes on");
    };
    let (waited, ()) = tokio::join!(waiting, breaking);
    let waited = waited.expect("it runs");
    assert_eq!(waited.code, 0, "{}", waited.stderr);
    assert!(
        waited.stdout.contains("State         planned"),
        "{}",
        waited.stdout
    );
    world.stack.stop().await.expect("everything stops");
}

async fn until_a_run_exists(cli: &Cli) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while std::time::Instant::now() < deadline {
        let runs = cli.json(&["run", "list"]).await.expect("it answers");
        if runs["runs"].as_array().is_some_and(|runs| !runs.is_empty()) {
            return;
        }
    }
    panic!("no run was started");
}

async fn configuration(world: &World) {
    let file = world.file("contoso.yaml", &world.documents());
    let differs = world.run(&["diff", "-f", &file]).await;
    assert_eq!(differs.code, 0, "{}", differs.stderr);
    assert!(
        differs.stdout.contains("tenantId: (none) → 11111111"),
        "{}",
        differs.stdout
    );
    assert!(
        differs
            .stdout
            .ends_with("3 to create, 0 to update, 0 unchanged\n"),
        "{}",
        differs.stdout
    );
    assert_eq!(
        actions(&world.json(&["apply", "-f", &file]).await),
        ["created"; 3]
    );
    assert_eq!(
        actions(&world.json(&["apply", "-f", &file]).await),
        ["unchanged"; 3]
    );

    let exported = world.run(&["export"]).await.stdout;
    assert!(
        !exported.contains(CLIENT_SECRET) && exported.contains("fromEnv: APP_SECRET"),
        "{exported}"
    );
    let exported = world.file("exported.yaml", &exported);
    let again = world
        .cli
        .clone()
        .env("APP_SECRET", CLIENT_SECRET)
        .json(&["apply", "-f", &exported])
        .await;
    assert_eq!(actions(&again.expect("it applies")), ["unchanged"; 4]);

    let wrong = "kind: Settings\n---\nkind: Mapping\nname: other\nconnection: nobody\n";
    let wrong = world.file("wrong.yaml", wrong);
    let refused = world.run(&["apply", "-f", &wrong]).await;
    assert_eq!(refused.code, 1);
    assert!(
        refused
            .stderr
            .starts_with(&format!("error: {wrong}:5:13: mapping other: connection: ")),
        "{refused:?}"
    );
}

async fn connection(world: &World) {
    let passed = world.json(&["connection", "test", "contoso"]).await;
    assert_eq!(passed["passed"], true);
    let listed = world.json(&["connection", "list"]).await;
    assert_eq!(listed["connections"][0]["state"], "CONNECTION_STATE_CONNECTED");

    let wrong = world.documents().replace("CONTOSO_SECRET", "WRONG_SECRET");
    let wrong = world.file("secret.yaml", &wrong);
    let cli = world.cli.clone().env("WRONG_SECRET", "not-the-secret~at-all");
    cli.json(&["apply", "-f", &wrong]).await.expect("it applies");
    let failed = world.run(&["connection", "test", "contoso"]).await;
    assert_eq!(failed.code, 1);
    assert!(failed.stdout.contains("wrong_secret"), "{}", failed.stdout);
    assert!(
        failed.stderr.contains("the test of contoso did not pass"),
        "{}",
        failed.stderr
    );

    let right = Path::new(world.folder.path()).join("contoso.yaml");
    world.json(&["apply", "-f", right.to_str().expect("UTF-8")]).await;
    assert_eq!(world.run(&["connection", "test", "contoso"]).await.code, 0);
    let unknown = world.run(&["connection", "show", "nobody"]).await;
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""));
    assert!(
        unknown.stderr.contains("\"nobody\"") && unknown.stderr.contains("contoso"),
        "{}",
        unknown.stderr
    );
}

async fn runs(world: &World) {
    let first = world
        .run(&[
            "run", "start", "contoso", "--kind", "full", "--wait", "--output", "json",
        ])
        .await;
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(first.stderr.contains("contoso: planned"), "{}", first.stderr);
    assert!(
        first
            .stderr
            .contains("Nothing was applied: the run stopped as a preview"),
        "{}",
        first.stderr
    );
    let planned: Value = serde_json::from_str(&first.stdout).expect("JSON");
    assert_eq!(planned["state"], "RUN_STATE_PLANNED");
    let id = planned["id"].as_str().expect("an id");
    assert!(
        first.stderr.contains(&format!("rollcall run apply {id}")),
        "{}",
        first.stderr
    );

    let added = world.json(&["run", "changes", id, "--outcome", "added"]).await;
    let added = added["changes"].as_array().expect("a list").len();
    assert!(added > 0);
    assert_eq!(planned["counts"]["added"], added);
    let applied = world.json(&["run", "apply", id, "--wait"]).await;
    assert_eq!(applied["state"], "RUN_STATE_FINISHED");
    assert_eq!(applied["counts"], planned["counts"]);
    let twice = world.run(&["run", "apply", id]).await;
    assert_eq!(twice.code, 1);
    assert!(twice.stderr.starts_with("error: the run"), "{}", twice.stderr);

    let delta = world
        .json(&["run", "start", "contoso", "--kind", "delta", "--wait", "--strict"])
        .await;
    assert_eq!(delta["state"], "RUN_STATE_FINISHED");
    let shown = world.run(&["run", "show", id]).await.stdout;
    assert!(
        shown.contains("State         finished") && shown.contains("USERS      COUNT"),
        "{shown}"
    );
    let failed = world.run(&["run", "failed", id, "--csv"]).await.stdout;
    assert!(failed.starts_with("upn,name,object_id,reason\r\n"), "{failed}");
    let runs = world.json(&["run", "list", "--connection", "contoso"]).await;
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(2));
    let links = world.json(&["link", "list", "contoso"]).await;
    assert_eq!(links["links"].as_array().map(Vec::len), Some(added));
    assert!(world.json(&["review", "list"]).await["reviews"].is_array());
    assert!(world.json(&["notice", "list"]).await["notices"].is_array());
}

async fn accounts(world: &World) {
    let rows = "Name;LOGIN;domain;e_mail\nBo;bo;contoso.com;\n";
    let unknown = world
        .run(&[
            "import",
            "csv",
            &world.file("a.csv", &rows.replace("e_mail", "e_mial")),
        ])
        .await;
    assert_eq!(unknown.code, 1);
    assert!(
        unknown
            .stderr
            .contains("column 4: the register has no field \"e_mial\"; did you mean"),
        "{unknown:?}"
    );
    let people: Vec<_> = (0..1_200)
        .map(|n| format!("Importée {n};importee{n};contoso.com;\n"))
        .collect();
    let people = people.concat();
    let rows = format!("Name;LOGIN;domain;e_mail\n{people}Short\n");
    let file = world.file("accounts.csv", &rows);
    let dry = world.json(&["import", "csv", &file, "--dry-run"]).await;
    assert_eq!((&dry["added"], &dry["failed"]), (&1_200.into(), &1.into()));
    let strict = world.run(&["import", "csv", &file, "--strict"]).await;
    assert_eq!(strict.code, 1);
    assert!(
        strict
            .stdout
            .contains("1202  1 cells, but the first line names 4 columns"),
        "{}",
        strict.stdout
    );
    let again = world.json(&["import", "csv", &file]).await;
    assert_eq!((&again["added"], &again["unchanged"]), (&0.into(), &1_200.into()));

    let all = world
        .json(&["account", "list", "--search", "importée", "--limit", "5000"])
        .await;
    assert_eq!(all["accounts"].as_array().map(Vec::len), Some(1_200));
    let some = world
        .run(&["account", "list", "--search", "importée", "--limit", "10"])
        .await;
    assert_eq!(some.stdout.lines().count(), 11);
    assert!(some.stderr.contains("raise --limit"), "{}", some.stderr);
    let id = all["accounts"][0]["id"].as_str().expect("an id");
    assert!(
        world
            .run(&["account", "show", id])
            .await
            .stdout
            .contains("contoso.com")
    );
}

async fn tokens(world: &World) {
    let made = world
        .run(&["token", "create", "looker", "--role", "viewer"])
        .await;
    let secret = made.stdout.trim_end();
    assert!(
        made.code == 0 && !secret.is_empty() && !secret.contains(char::is_whitespace),
        "{made:?}"
    );
    let looker = world.cli.clone().env("ROLLCALL_TOKEN", secret);
    assert_eq!(looker.run(&["run", "list"]).await.expect("it runs").code, 0);
    let refused = looker
        .run(&["run", "start", "contoso", "--kind", "delta"])
        .await
        .expect("it runs");
    assert!(
        refused.code == 1 && refused.stderr.contains("admin"),
        "{refused:?}"
    );
    assert_eq!(world.run(&["token", "revoke", "looker"]).await.code, 0);
    let gone = looker.run(&["run", "list"]).await.expect("it runs");
    assert!(gone.code == 1 && !gone.stderr.contains(secret), "{gone:?}");
}
