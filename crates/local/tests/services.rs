//! The whole stack. Needs the programs of this build: `cargo build --workspace --bins`, which `make test` does first.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing wrong"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use local::stack::directory::CLIENT_SECRET;
use local::stack::{Directory, Endpoints, Service, Stack};
use local::wait;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn two_copies_of_each_import_over_mutual_tls_and_come_back_after_a_kill() {
    let mut builder = Stack::builder()
        .mutual_tls()
        .directory(Directory::Simulated { users: 200, seed: 3 });
    for service in Service::ALL {
        builder = builder.copies(service, 2);
    }
    let mut stack = builder.start().await.unwrap();
    assert!(stack.endpoints().api.starts_with("https://"));
    let cli = stack.cli().unwrap().env("CONTOSO_SECRET", CLIENT_SECRET);
    let file = stack.home().path("demo.yaml");
    let documents =
        include_str!("../../../deploy/demo.yaml").replace("ENTRA_SIM_URL", &stack.endpoints().entra_sim);
    std::fs::write(&file, documents).unwrap();
    cli.json(&["apply", "-f", file.to_str().unwrap()]).await.unwrap();
    // Over mutual TLS from api to the fetcher.
    cli.json(&["connection", "test", "contoso"]).await.unwrap();
    let first = cli
        .json(&["run", "start", "contoso", "--kind", "full", "--wait"])
        .await
        .unwrap();
    assert_eq!(first["state"], "RUN_STATE_FINISHED", "{first}");

    for service in Service::ALL {
        let before = stack.pid(service, 1).unwrap();
        stack.kill(service, 1).unwrap();
        assert_eq!(stack.pid(service, 1).unwrap(), None);
        stack.spawn(service, 1).unwrap();
        stack.ready(service, 1).await.unwrap();
        assert_ne!(stack.pid(service, 1).unwrap(), before);
    }
    let second = cli
        .json(&["run", "start", "contoso", "--kind", "full", "--wait"])
        .await
        .unwrap();
    assert_eq!(second["state"], "RUN_STATE_FINISHED", "{second}");
    assert_eq!(second["counts"]["seen"], first["counts"]["seen"]);
    stack.check().unwrap();
    assert_eq!(stack.stop().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_killed_run_leaves_nothing_behind_and_the_next_goes_on_with_its_data() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let endpoints_file = dir.path().join("endpoints.json");
    let mut run = local_program("run", dir.path());
    let endpoints = endpoints_of(&mut run, &endpoints_file).await;
    assert_eq!(
        std::fs::metadata(&endpoints_file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // While it runs nobody else may.
    let second = local_program("run", dir.path()).wait_with_output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(
        !second.status.success() && said.contains(&format!("process {}", run.id())),
        "{said}"
    );

    run.kill().unwrap();
    run.wait().unwrap();
    let address = endpoints.api.strip_prefix("http://").unwrap().to_owned();
    let gone = || Ok::<_, std::io::Error>(std::net::TcpStream::connect(&address).is_err().then_some(()));
    assert!(
        wait::until(LIMIT, gone).await.unwrap().is_some(),
        "the watchdogs stop the services"
    );

    let demo = local_program("demo", dir.path()).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&demo.stdout).into_owned() + &String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{said}");
    assert!(
        said.contains(&endpoints.console) || said.contains(&endpoints.api),
        "the same ports: {said}"
    );
    assert!(!endpoints_file.exists(), "it goes with what it describes");
    assert_eq!(std::fs::read_dir(dir.path().join("pids")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_run_ends_well_when_it_is_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let mut run = local_program("run", dir.path());
    endpoints_of(&mut run, &dir.path().join("endpoints.json")).await;
    let ready = dir.path().join("logs/api.log");
    let there = || Ok::<_, std::io::Error>(ready.exists().then_some(()));
    assert!(wait::until(LIMIT, there).await.unwrap().is_some());

    let interrupt = Command::new("/bin/sh")
        .args(["-c", &format!("kill -INT {}", run.id())])
        .status()
        .unwrap();
    assert!(interrupt.success());
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("stopped"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!dir.path().join("endpoints.json").exists());
    assert_eq!(std::fs::read_dir(dir.path().join("pids")).unwrap().count(), 0);
}

fn local_program(command: &str, home: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_rollcall-local"))
        .args([command, "--users", "200", "--home"])
        .arg(home)
        .env_remove("DATABASE_URL")
        .env_remove("NATS_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn endpoints_of(run: &mut Child, file: &Path) -> Endpoints {
    let found = || match std::fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map(Some),
        Err(_) => {
            assert_eq!(run.try_wait().unwrap(), None, "it ended before it was there");
            Ok(None)
        }
    };
    wait::until(LIMIT, found).await.unwrap().unwrap()
}
