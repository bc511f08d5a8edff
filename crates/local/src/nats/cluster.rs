//! Several nats-servers that are one: streams can be kept by more than one of them.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Error, Member, Nats, Options, PAUSE, START_LIMIT};
use crate::Durability;
use crate::port::Port;

const NAME: &str = "rollcall-local";
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// A running cluster. Dropping it kills it.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<Node>,
    _scratch: tempfile::TempDir,
}

#[derive(Debug)]
struct Node {
    nats: Nats,
    monitor: Port,
    _route: Port,
}

impl NatsCluster {
    /// Starts so many servers in a temporary directory, and waits until they have found each other and a leader.
    pub async fn start_temporary(size: usize, durability: Durability) -> Result<Self, Error> {
        let scratch = tempfile::Builder::new()
            .prefix("rollcall-nats-cluster-")
            .tempdir()
            .map_err(Error::Scratch)?;
        let mut places = Vec::new();
        for _ in 0..size {
            places.push((Port::reserve()?, Port::reserve()?));
        }
        let routes: Vec<u16> = places.iter().map(|(route, _)| route.number()).collect();
        let mut nodes = Vec::new();
        for (number, (route, monitor)) in (1..).zip(places) {
            let member = Member {
                name: format!("{NAME}-{number}"),
                port: route.number(),
                routes: routes.clone(),
                monitor: monitor.number(),
            };
            nodes.push(Node {
                nats: Nats::start(options(scratch.path(), number, durability, member)).await?,
                monitor,
                _route: route,
            });
        }
        let mut cluster = Self {
            nodes,
            _scratch: scratch,
        };
        for node in 0..size {
            cluster.healthy(node).await?;
        }
        Ok(cluster)
    }

    /// The servers' addresses, with commas: `nats://127.0.0.1:PORT,nats://…`.
    pub fn url(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(|node| node.nats.url()).collect();
        urls.join(",")
    }

    /// Ends one server, from 0, as the loss of its machine would.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].nats.kill();
    }

    /// Starts one again with what it had on its disk, and waits until it is of the cluster again.
    pub async fn restart(&mut self, node: usize) -> Result<(), Error> {
        self.nodes[node].nats.restart().await?;
        self.healthy(node).await
    }

    /// Stops one in order, as an upgrade does. `true` when it ended in time.
    pub async fn stop_one(&mut self, node: usize) -> Result<bool, Error> {
        self.nodes[node].nats.stop().await
    }

    /// Waits until a server knows the leader and what there is to keep. Not until it has all of that: nats-server 2.9 says of a
    /// queue in which nothing happens that it is not current, for as long as nothing happens.
    async fn healthy(&mut self, node: usize) -> Result<(), Error> {
        let node = &mut self.nodes[node];
        let deadline = Instant::now() + START_LIMIT;
        while !is_healthy(&node.monitor.address()).await {
            node.nats.check()?;
            if Instant::now() >= deadline {
                return Err(Error::NotReady {
                    log: node.nats.process.log().to_path_buf(),
                    tail: node.nats.process.log_tail(),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

fn options(home: &Path, number: usize, durability: Durability, member: Member) -> Options {
    Options {
        dir: home.join(format!("nats-{number}")),
        log: home.join(format!("nats-{number}.log")),
        durability,
        prefer_port: None,
        pid_file: None,
        scratch: Some(home.to_path_buf()),
        member: Some(member),
    }
}

/// What a member's configuration says on top.
pub(super) fn section(member: &Member) -> String {
    let others = member.routes.iter().filter(|port| **port != member.port);
    let routes: Vec<_> = others
        .map(|port| format!("\"nats-route://127.0.0.1:{port}\""))
        .collect();
    let routes = routes.join(", ");
    format!(
        "http: \"127.0.0.1:{}\"\ncluster {{\n  name: {NAME}\n  listen: \"127.0.0.1:{}\"\n  routes: [{routes}]\n}}\n",
        member.monitor, member.port
    )
}

async fn is_healthy(address: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream
            .write_all(b"GET /healthz?js-server-only=true HTTP/1.0\r\n\r\n")
            .await
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.split(' ').nth(1).map(|code| code == "200")
    };
    matches!(tokio::time::timeout(ANSWER_LIMIT, ask).await, Ok(Some(true)))
}
