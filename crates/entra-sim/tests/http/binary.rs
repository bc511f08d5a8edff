//! The program.

use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

#[tokio::test]
async fn it_says_where_it_listens_and_ends_on_a_signal() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut program = Command::new(env!("CARGO_BIN_EXE_entra-sim"))
        .args([
            "--users",
            "123",
            "--deleted",
            "4",
            "--seed",
            "7",
            "--tenant-id",
            "99999999-2222-3333-4444-555555555555",
        ])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let url = line.strip_prefix("listening on ").unwrap();
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let tenants = http
        .get(format!("{url}/sim/tenants"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let tenants: serde_json::Value = serde_json::from_str(&tenants).unwrap();
    assert_eq!(tenants[0]["id"], "99999999-2222-3333-4444-555555555555");
    assert_eq!(
        tenants[0]["counts"],
        serde_json::json!({"live": 123, "deleted": 4, "groups": 0})
    );
    let id = program.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .unwrap()
            .success()
    );
    let ended = tokio::time::timeout(Duration::from_secs(10), program.wait()).await;
    assert!(ended.unwrap().unwrap().success());
}
