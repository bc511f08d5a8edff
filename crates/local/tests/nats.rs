//! A private nats-server through crashes and restarts. It is spoken to in its own text protocol: the client library is the
//! bus crate's alone.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing wrong"
)]

use std::time::Duration;

use local::Durability;
use local::nats::Nats;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_stream_and_its_message_survive_a_kill() {
    let mut nats = Nats::start_temporary(Durability::Durable).await.unwrap();
    let url = nats.url();
    let made = request(
        &nats,
        "$JS.API.STREAM.CREATE.KEEP",
        r#"{"name":"KEEP","subjects":["keep"],"storage":"file"}"#,
    )
    .await;
    assert!(!made.contains("\"error\""), "{made}");
    let stored = request(&nats, "keep", "kept").await;
    assert!(stored.contains("\"seq\":1"), "{stored}");

    nats.kill();
    assert!(TcpStream::connect(nats.address()).await.is_err());
    nats.restart().await.unwrap();
    assert_eq!(nats.url(), url);
    let info = request(&nats, "$JS.API.STREAM.INFO.KEEP", "").await;
    assert!(info.contains("\"messages\":1"), "{info}");

    assert!(nats.stop().await.unwrap());
    assert!(TcpStream::connect(nats.address()).await.is_err());
}

#[tokio::test]
async fn two_servers_run_side_by_side() {
    let one = Nats::start_temporary(Durability::Fast).await.unwrap();
    let two = Nats::start_temporary(Durability::Fast).await.unwrap();
    assert_ne!(one.url(), two.url());
    assert!(!one.syncs_always());
    for nats in [&one, &two] {
        assert!(request(nats, "$JS.API.INFO", "").await.contains("\"streams\":0"));
    }
}

/// Publishes with a reply address and returns the answer's payload.
async fn request(nats: &Nats, subject: &str, payload: &str) -> String {
    let exchange = async {
        let mut stream = BufReader::new(TcpStream::connect(nats.address()).await.unwrap());
        let text = format!(
            "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer {}\r\n{payload}\r\n",
            payload.len()
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            if line.starts_with("MSG ") {
                let length = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
                let mut answer = vec![0; length];
                stream.read_exact(&mut answer).await.unwrap();
                return String::from_utf8(answer).unwrap();
            }
            assert!(line.starts_with("INFO") || line.starts_with("PING"), "{line}");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), exchange)
        .await
        .expect("an answer in time")
}
