//! The stack without services: what they stand on, and what stays between runs.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing wrong"
)]

use std::os::unix::fs::PermissionsExt as _;

use local::home::Home;
use local::stack::{Builder, Directory, Service, Stack};

/// Nothing reads from this directory, so it need not exist.
const NOWHERE: &str = "http://127.0.0.1:9";

fn bare() -> Builder {
    let directory = Directory::At(NOWHERE.to_owned());
    Service::ALL
        .into_iter()
        .fold(Stack::builder().directory(directory), |builder, service| {
            builder.copies(service, 0)
        })
}

/// Of what runs in a process of its own. The mail server runs in ours, where its port is free a moment after the drop.
fn addresses(stack: &Stack) -> serde_json::Value {
    let mut endpoints = serde_json::to_value(stack.endpoints()).unwrap();
    assert!(endpoints.as_object_mut().unwrap().remove("mail").is_some());
    endpoints
}

#[tokio::test]
async fn a_second_run_in_the_same_home_finds_everything_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    // So that PostgreSQL's data stay in it when its user is another than ours.
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let mut stack = bare()
        .durable()
        .home(Home::kept(&dir.path().join("home")).unwrap())
        .start()
        .await
        .unwrap();
    let first = addresses(&stack);
    let access = stack.postgres().unwrap().access().clone();
    access.sql("rollcall", "CREATE TABLE kept (x int)").await.unwrap();
    assert_eq!(first["entra_sim"], NOWHERE);
    // A crash: nothing is stopped in order.
    drop(stack);

    let mut stack = bare()
        .durable()
        .home(Home::kept(&dir.path().join("home")).unwrap())
        .start()
        .await
        .unwrap();
    assert_eq!(addresses(&stack), first);
    let access = stack.postgres().unwrap().access().clone();
    assert_eq!(
        access
            .sql("rollcall", "SELECT to_regclass('kept')")
            .await
            .unwrap(),
        "kept"
    );
    stack.check().unwrap();
    assert_eq!(stack.stop().await.unwrap(), Vec::<String>::new());
    let left = std::fs::read_dir(dir.path().join("home/pids")).unwrap().count();
    assert_eq!(left, 0, "every process took its pid file with it");
}

#[tokio::test]
async fn what_ends_by_itself_is_noticed() {
    let mut stack = bare().start().await.unwrap();
    stack.check().unwrap();
    let pids = stack.home().path("pids");
    let pid_file = std::fs::read_to_string(pids.join("nats-server.pid")).unwrap();
    let pid = pid_file.split(' ').next().unwrap();
    assert!(
        std::process::Command::new("/bin/sh")
            .args(["-c", &format!("kill -KILL {pid}")])
            .status()
            .unwrap()
            .success()
    );
    let noticed = || Ok::<_, std::io::Error>(stack.check().err());
    let error = local::wait::until(std::time::Duration::from_secs(10), noticed)
        .await
        .unwrap()
        .unwrap();
    assert!(error.to_string().contains("nats-server"), "{error}");
}

#[tokio::test]
async fn a_copy_that_was_not_started_is_an_error() {
    let mut stack = bare().start().await.unwrap();
    let error = stack.kill(Service::Fetcher, 2).unwrap_err();
    assert_eq!(error.to_string(), "there is no copy 2 of fetcher");
}
