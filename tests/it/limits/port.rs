//! The ports of a running Rollcall, and what each answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use contracts::internal::v1::TestConnectionRequest;
use contracts::internal::v1::directory_client::DirectoryClient;
use harness::site::Site;
use harness::wait::until;
use local::stack::Service;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::raw::{self, Raw};

/// For an answer to come, whatever else goes on.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// gRPC, and so HTTP/2.
    Grpc,
    /// HTTP/1; this can be asked for, and forms can be sent to it.
    Http(&'static str),
}

/// A port.
#[derive(Debug)]
pub struct Port {
    /// `api.console`
    pub name: String,
    pub speaks: Speaks,
    pub address: SocketAddr,
    process: u32,
}

/// How a slow caller begins, and with what it goes on.
pub struct Opening {
    pub what: &'static str,
    pub bytes: Vec<u8>,
    pub dribble: Option<&'static [u8]>,
}

/// The ports that all services say they listen on.
pub fn of(site: &Site, processes: &BTreeMap<Service, u32>) -> Vec<Port> {
    let mut ports = Vec::new();
    for service in Service::ALL {
        let file = std::fs::read_to_string(site.stack().home().address_file(service.name())).unwrap();
        let addresses: BTreeMap<String, SocketAddr> = serde_json::from_str(&file).unwrap();
        for (kind, address) in addresses {
            if kind == "metrics" {
                // Tested in the chassis: it takes nothing but one line.
                continue;
            }
            ports.push(Port {
                name: format!("{service}.{kind}"),
                speaks: match kind.as_str() {
                    "grpc" => Speaks::Grpc,
                    "console" => Speaks::Http("/sign-in"),
                    new => panic!("{service} listens for {new}: say here what that speaks"),
                },
                address,
                process: processes[&service],
            });
        }
    }
    ports
}

impl Port {
    /// How callers begin that never come to the point.
    pub fn slow_openings(&self) -> Vec<Opening> {
        let opening = |what, bytes: Vec<u8>, dribble| Opening { what, bytes, dribble };
        match self.speaks {
            Speaks::Grpc => vec![
                opening("silence", Vec::new(), None),
                opening("half a greeting", raw::GREETING[..10].to_vec(), None),
                opening("a greeting, then silence", raw::GREETING.to_vec(), None),
                opening(
                    "a head that does not end",
                    {
                        let mut bytes = raw::GREETING.to_vec();
                        // 16 KiB are announced.
                        bytes.extend(b"\x00\x40\x00\x01\x04\x00\x00\x00\x01");
                        bytes
                    },
                    Some(b"\x00"),
                ),
                opening(
                    "a request that does not end",
                    {
                        let mut bytes = raw::GREETING.to_vec();
                        bytes.extend(raw::call_begun(1));
                        bytes
                    },
                    None,
                ),
            ],
            Speaks::Http(path) => vec![
                opening("silence", Vec::new(), None),
                opening("half a line", b"GET /si".to_vec(), None),
                opening(
                    "a head that does not end",
                    format!("GET {path} HTTP/1.1\r\nx: ").into_bytes(),
                    Some(b"y"),
                ),
                opening(
                    "headers that do not end",
                    format!("GET {path} HTTP/1.1\r\n").into_bytes(),
                    Some(b"x: y\r\n"),
                ),
            ],
        }
    }

    /// With which a caller begins that then has nothing to ask.
    pub fn greeting(&self) -> &'static [u8] {
        match self.speaks {
            Speaks::Grpc => raw::GREETING,
            Speaks::Http(_) => b"",
        }
    }

    async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        let endpoint = endpoint.connect_timeout(PATIENCE).timeout(PATIENCE);
        endpoint
            .connect()
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?}", self.name))
    }

    /// A question about health gets an answer, as soon as the connections of others have ended.
    pub async fn answers_again(&self) {
        until("health is answered", async || {
            let mut client = HealthClient::new(self.channel().await);
            client.check(HealthCheckRequest::default()).await.ok()
        })
        .await;
    }

    /// A new caller gets an answer.
    pub async fn answers(&self) {
        match self.speaks {
            Speaks::Grpc => {
                let mut client = HealthClient::new(self.channel().await);
                let answer = client.check(HealthCheckRequest::default()).await;
                assert!(answer.is_ok(), "{}: {answer:?}", self.name);
            }
            Speaks::Http(path) => {
                let answer = self
                    .ask(&format!(
                        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
                    ))
                    .await;
                assert!(answer.starts_with("HTTP/1.1 200 "), "{}: {answer}", self.name);
            }
        }
    }

    /// Calls of services are looked at, whatever becomes of them; questions about health have places of their own.
    pub async fn takes_calls(&self) {
        let mut client = DirectoryClient::new(self.channel().await);
        let answer = client.test_connection(TestConnectionRequest::default()).await;
        let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
        let refused = [Code::ResourceExhausted, Code::Unavailable, Code::DeadlineExceeded];
        assert!(!refused.contains(&code), "{}: {code:?}", self.name);
    }

    async fn ask(&self, request: &str) -> String {
        let mut raw = Raw::connect(self.address).await;
        raw.send(request.as_bytes()).await;
        raw.read_until("</html>").await
    }

    /// A message that is too large is refused by a reason that says so.
    pub async fn refuses_a_large_message(&self) {
        match self.speaks {
            Speaks::Grpc => {
                let service = "x".repeat(1 << 20);
                let mut client = HealthClient::new(self.channel().await);
                let refused = client.check(HealthCheckRequest { service }).await.unwrap_err();
                assert_eq!(
                    refused.code(),
                    Code::ResourceExhausted,
                    "{}: {refused:?}",
                    self.name
                );
                assert!(
                    refused.message().contains("larger than the 65536 allowed"),
                    "{refused:?}"
                );
            }
            Speaks::Http(path) => {
                let answer = self
                    .ask(&format!(
                        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1048576\r\n\
                         content-type: application/x-www-form-urlencoded\r\n\r\ntoken="
                    ))
                    .await;
                assert!(answer.starts_with("HTTP/1.1 413 "), "{}: {answer}", self.name);
                assert!(answer.contains("64 KiB at most"), "{answer}");
                assert!(
                    answer.contains("content-security-policy: default-src 'none'"),
                    "{answer}"
                );
            }
        }
    }

    /// Metadata or headers that are too large are refused.
    pub async fn refuses_a_large_head(&self) {
        match self.speaks {
            Speaks::Grpc => {
                let mut client = HealthClient::new(self.channel().await);
                let mut request = Request::new(HealthCheckRequest::default());
                let value = MetadataValue::try_from("x".repeat(12 * 1024)).unwrap();
                request.metadata_mut().insert("x-one", value.clone());
                request.metadata_mut().insert("x-other", value);
                let refused = client.check(request).await;
                assert!(refused.is_err(), "{}: {refused:?}", self.name);
            }
            Speaks::Http(path) => {
                let large = "x".repeat(256 * 1024);
                let answer = self
                    .ask(&format!(
                        "GET {path} HTTP/1.1\r\nhost: localhost\r\nx: {large}\r\n\r\n"
                    ))
                    .await;
                // What it ends with while more is on its way may get lost.
                let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 431 ");
                assert!(refused, "{}: {answer}", self.name);
            }
        }
    }

    /// KiB that the process holds.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The process holds little more than before.
    pub fn has_not_grown(&self, before: u64, by: u64) {
        let now = self.memory();
        assert!(
            now <= before + by,
            "{}: {before} KiB have become {now}",
            self.name
        );
    }
}
