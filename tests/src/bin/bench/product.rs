//! Rollcall: the four services as they are released, all rules on, driven as a person would.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::DateTime;
use futures::StreamExt as _;
use local::cli::Cli;
use local::stack::directory::{CLIENT_ID, CLIENT_SECRET, Directory, TENANT_ID};
use local::stack::{Service, Stack};
use serde_json::Value;

use crate::machine;

const CONNECTION: &str = "contoso";
/// How far a run's times and our own clock may be apart: starting the command line and noticing the end.
const NOTICED_LATE: Duration = Duration::from_secs(2);

/// A running Rollcall with one connection.
pub struct Product {
    stack: Stack,
    cli: Cli,
    nats: u32,
}

/// A run that has finished.
#[derive(Clone, Debug)]
pub struct Run {
    /// From when it was asked for to its end.
    pub took: Duration,
    /// What became of whom.
    pub counts: Counts,
}

/// The run's counts, those that the measurements are checked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Objects read.
    pub seen: u64,
    /// New accounts.
    pub added: u64,
    /// Changed accounts.
    pub updated: u64,
    /// Accounts as they were.
    pub unchanged: u64,
    /// Records that failed.
    pub failed: u64,
}

impl Product {
    /// Starts it on this database, and makes the connection.
    ///
    /// With a group of everyone, many clauses decide who comes in, the last of which asks for it.
    pub async fn start(
        database_url: String,
        (tenant_url, everyone): (String, Option<String>),
    ) -> anyhow::Result<Self> {
        let builder = Stack::builder()
            .durable()
            .database_url(Some(database_url))
            .directory(Directory::At(tenant_url.clone()));
        let mut stack = builder.start().await?;
        let cli = stack.cli()?.env("CONTOSO_SECRET", CLIENT_SECRET);
        let file = stack.home().path("bench.yaml");
        let mut yaml = documents(&tenant_url);
        if let Some(everyone) = everyone {
            yaml.push_str(&rules(&everyone));
        }
        std::fs::write(&file, yaml)?;
        cli.json(&["apply", "--file", &file.to_string_lossy()]).await?;
        let nats = stack.nats().and_then(|nats| nats.pid());
        let nats = nats.context("the broker has ended")?;
        Ok(Self { stack, cli, nats })
    }

    /// A run to its good end.
    pub async fn run(&mut self, kind: &str) -> anyhow::Result<Run> {
        let begun = Instant::now();
        let answer = self
            .cli
            .json(&["run", "start", CONNECTION, "--kind", kind, "--wait"])
            .await?;
        let waited = begun.elapsed();
        self.stack.check()?;
        let run = Run::of(&answer).with_context(|| format!("the run's answer: {answer}"))?;
        anyhow::ensure!(
            run.took <= waited && waited < run.took + NOTICED_LATE,
            "the run says that it took {:?}, but we waited {waited:?}",
            run.took
        );
        anyhow::ensure!(run.counts.failed == 0, "records failed: {answer}");
        Ok(run)
    }

    /// CPU-seconds so far: each service, and the broker.
    pub fn cpu_seconds(&mut self) -> anyhow::Result<BTreeMap<String, f64>> {
        let mut all = self.of_services(machine::cpu_seconds)?;
        all.insert("nats-server".to_owned(), machine::cpu_seconds(self.nats)?);
        Ok(all)
    }

    /// The most memory that each service has held so far, in MiB.
    pub fn peak_mib(&mut self) -> anyhow::Result<BTreeMap<String, f64>> {
        self.of_services(machine::peak_mib)
    }

    /// Messages that the broker has stored so far.
    pub async fn messages(&self) -> anyhow::Result<u64> {
        let client = async_nats::connect(&self.stack.endpoints().nats_url).await?;
        let mut streams = async_nats::jetstream::new(client).streams();
        let mut messages = 0;
        while let Some(stream) = streams.next().await {
            messages += stream?.state.last_sequence;
        }
        Ok(messages)
    }

    /// Stops it in order.
    pub async fn stop(self) -> anyhow::Result<()> {
        let killed = self.stack.stop().await?;
        anyhow::ensure!(
            killed.is_empty(),
            "did not stop when asked: {}",
            killed.join(", ")
        );
        Ok(())
    }

    fn of_services(
        &mut self,
        ask: impl Fn(u32) -> anyhow::Result<f64>,
    ) -> anyhow::Result<BTreeMap<String, f64>> {
        let mut all = BTreeMap::new();
        for service in Service::ALL {
            let pid = self.stack.pid(service, 1)?;
            let pid = pid.with_context(|| format!("{service} has ended"))?;
            all.insert(service.to_string(), ask(pid)?);
        }
        Ok(all)
    }
}

impl Run {
    /// From the API's JSON.
    fn of(run: &Value) -> anyhow::Result<Self> {
        anyhow::ensure!(run["state"] == "RUN_STATE_FINISHED", "it has not finished");
        let time = |key: &str| {
            let text = run[key].as_str().with_context(|| format!("no {key}"))?;
            DateTime::parse_from_rfc3339(text).with_context(|| format!("{key} is no time"))
        };
        let count = |key: &str| run["counts"][key].as_u64().unwrap_or(0);
        Ok(Self {
            took: (time("endTime")? - time("createTime")?).to_std()?,
            counts: Counts {
                seen: count("seen"),
                added: count("added"),
                updated: count("updated"),
                unchanged: count("unchanged"),
                failed: count("failed"),
            },
        })
    }
}

/// Who is asked by the first two mappings, ten clauses each, is nobody; the third asks for the group.
fn rules(everyone: &str) -> String {
    let mut yaml = format!("criteria:\n  - [{{ operator: transitiveMemberOf, value: {everyone} }}]\n");
    for (name, operator) in [("contoso-a", "equals"), ("contoso-b", "contains")] {
        write!(
            yaml,
            "---\nkind: Mapping\nname: {name}\nconnection: {CONNECTION}\ntarget: accounts\nincludeDisabled: true\ncriteria:\n"
        )
        .ok();
        for attribute in [
            "department",
            "jobTitle",
            "companyName",
            "city",
            "country",
            "officeLocation",
            "employeeType",
            "state",
            "usageLocation",
            "employeeId",
        ] {
            writeln!(
                yaml,
                "  - [{{ attribute: {attribute}, operator: {operator}, value: nobody has this }}]"
            )
            .ok();
        }
    }
    yaml
}

fn documents(tenant_url: &str) -> String {
    format!(
        "kind: Settings
name: bench
mailTo: [it-desk@contoso.com]
---
kind: Credential
name: contoso-app
tenantId: {TENANT_ID}
clientId: {CLIENT_ID}
clientSecret: {{ fromEnv: CONTOSO_SECRET }}
---
kind: Connection
name: {CONNECTION}
tenantId: {TENANT_ID}
credential: contoso-app
loginUrl: {tenant_url}
graphUrl: {tenant_url}
firstRun: apply
---
kind: Mapping
name: contoso-staff
connection: {CONNECTION}
target: accounts
role: user
includeDisabled: true
overrideByEmail: true
"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_is_as_the_api_tells_it() {
        let run = Run::of(&json!({
            "state": "RUN_STATE_FINISHED",
            "createTime": "2026-11-21T05:00:00.250Z",
            "endTime": "2026-11-21T05:00:02Z",
            "counts": {"seen": 10, "added": 7, "unchanged": 3},
        }))
        .unwrap();
        assert_eq!(run.took, Duration::from_millis(1_750));
        let counts = Counts {
            seen: 10,
            added: 7,
            updated: 0,
            unchanged: 3,
            failed: 0,
        };
        assert_eq!(run.counts, counts);
    }
}
