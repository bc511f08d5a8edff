//! The simulated tenant, in a process of its own, with its pages rendered beforehand: what it costs is not what is measured.

use std::time::Duration;

use anyhow::Context as _;
use graph::{AppCredential, Cloud, Endpoints, Graph, Limits, Transport};
use local::binaries;
use local::port::Port;
use local::process::{Process, Program, StopWith};
use local::stack::directory::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use secrecy::SecretString;
use serde_json::{Value, json};

const READY_LIMIT: Duration = Duration::from_secs(60);
/// For the control interface; a million users take some seconds to go through.
const CALL_LIMIT: Duration = Duration::from_secs(120);

/// A tenant of so many users.
pub struct Tenant {
    process: Process,
    port: Port,
    control: reqwest::Client,
    _scratch: tempfile::TempDir,
}

impl Tenant {
    /// Starts it.
    pub async fn start(users: u32, groups: bool) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let port = Port::reserve()?;
        let program = Program {
            name: "entra-sim".to_owned(),
            path: binaries::find("entra-sim")?,
            args: arguments(&port, users, groups).map(Into::into).to_vec(),
            env: Vec::new(),
            log: scratch.path().join("entra-sim.log"),
            user: None,
            stop_with: StopWith::Terminate,
            pid_file: None,
            scratch: None,
        };
        let mut process = Process::start(program)?;
        let ready = local::wait::until(READY_LIMIT, || match process.exited()? {
            Some(status) => anyhow::bail!("entra-sim ended ({status}): {}", process.log_tail()),
            None => Ok(process.log_tail().contains("listening on ").then_some(())),
        });
        ready.await?.context("entra-sim was not ready in time")?;
        Ok(Self {
            process,
            port,
            control: reqwest::Client::builder().timeout(CALL_LIMIT).build()?,
            _scratch: scratch,
        })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// The client that Rollcall reads with, for the floors.
    pub fn graph(&self) -> anyhow::Result<Graph> {
        let url = self.url();
        let endpoints = Endpoints::new(Cloud::Custom, Some(&url), Some(&url), None)?;
        let credential = AppCredential {
            tenant: TENANT_ID.parse()?,
            client_id: CLIENT_ID.parse()?,
            secret: SecretString::from(CLIENT_SECRET),
            other: None,
        };
        Ok(Graph::new(
            &Transport::new(Limits::default())?,
            endpoints,
            credential,
        ))
    }

    /// Gives `count` users, evenly spread, a new department, and has the pages rendered again.
    pub async fn change(&self, count: u32) -> anyhow::Result<()> {
        self.call("operations", &json!({"op": "changeMany", "count": count}))
            .await?;
        self.render().await
    }

    /// Reads all pages once, which makes the simulator render and keep them.
    pub async fn render(&self) -> anyhow::Result<()> {
        let graph = self.graph()?;
        for mut pages in [graph.users(), graph.deleted_users()] {
            while pages.next().await?.is_some() {}
        }
        Ok(())
    }

    /// Live users.
    pub async fn users(&self) -> anyhow::Result<u32> {
        let answer = self
            .control
            .get(format!("{}/sim/counts", self.url()))
            .send()
            .await?;
        let counts: Value = answer.error_for_status()?.json().await?;
        let live = counts["live"].as_u64().context("the simulator counts no users")?;
        Ok(u32::try_from(live)?)
    }

    /// The group in which everyone is.
    pub async fn everyone(&self) -> anyhow::Result<String> {
        let answer = self
            .control
            .get(format!("{}/sim/groups", self.url()))
            .send()
            .await?;
        let groups: Value = answer.error_for_status()?.json().await?;
        let found = groups
            .as_array()
            .into_iter()
            .flatten()
            .find(|group| group["attributes"]["displayName"] == "Everyone");
        let id = found.and_then(|group| group["id"].as_str());
        Ok(id.context("the tenant has no group Everyone")?.to_owned())
    }

    /// CPU-seconds so far.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        crate::machine::cpu_seconds(self.process.pid().context("entra-sim has ended")?)
    }

    /// Stops it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.process.stop().await?;
        Ok(())
    }

    async fn call(&self, what: &str, body: &Value) -> anyhow::Result<()> {
        let url = format!("{}/sim/{what}", self.url());
        let answer = self.control.post(url).json(body).send().await?;
        let status = answer.status();
        anyhow::ensure!(status.is_success(), "{what}: {status}: {}", answer.text().await?);
        Ok(())
    }
}

fn arguments(port: &Port, users: u32, groups: bool) -> [String; 15] {
    let flag = str::to_owned;
    [
        flag("--listen"),
        port.address(),
        flag("--users"),
        users.to_string(),
        flag("--seed"),
        flag("1"),
        flag("--tenant-id"),
        flag(TENANT_ID),
        flag("--client-id"),
        flag(CLIENT_ID),
        flag("--client-secret"),
        flag(CLIENT_SECRET),
        flag("--prerender"),
        flag("--groups"),
        flag(if groups { "60" } else { "0" }),
    ]
}
