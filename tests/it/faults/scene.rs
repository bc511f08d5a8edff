//! A Rollcall of a test's own, which can be broken, beside the oracle of what must become of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::v1::{RunKind, StartRunRequest};
use domain::id::{OrganizationId, RunId};
use entra_sim::{Tenant, TenantOptions};
use harness::documents::CONNECTION;
use harness::site::Site;
use harness::world::World;
use local::postgres::Access;
use local::stack::{Service, Stack};
use uuid::Uuid;

use super::gate::{sql, until};
use super::{people, told};
use crate::oracle::register::{Register, assert_run};
use crate::oracle::{Directory, Oracle};

/// Copies of every service.
const COPIES: usize = 2;
/// A run with everything that a test does to it.
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// Everything of one test.
pub struct Scene {
    /// The running Rollcall.
    pub site: Site,
    /// Its organization and tenant.
    pub world: World,
    /// Its database.
    pub access: Access,
    oracle: Oracle,
    /// The directory as the last run left it.
    before: Option<Directory>,
}

/// What a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Everything.
    Everything,
    /// What has changed.
    Changes,
}

impl Scene {
    /// With so many users, some of whom have accounts already. Every page of Graph's takes `latency_ms`.
    pub async fn start(seed: u64, users: u32, latency_ms: u64) -> Self {
        let site = Site::start(builder()).await;
        let mut options = TenantOptions::generate(seed, users);
        options.settings.latency_ms = latency_ms;
        let world = World::bare(&site, options).await;
        world.connect("", people::MAPPING).await;
        people::quarrel(&world.tenant);
        world
            .import(&people::accounts(&Directory::of(&world.tenant)))
            .await;
        let access = site.access().clone();
        let register = Register::load(&access, OrganizationId(world.organization)).await;
        let oracle = Oracle::new(register.accounts);
        Self {
            site,
            world,
            access,
            oracle,
            before: None,
        }
    }

    /// The tenant, to be changed.
    pub fn tenant(&self) -> &Arc<Tenant> {
        &self.world.tenant
    }

    /// The running Rollcall, to be broken.
    pub fn stack(&mut self) -> &mut Stack {
        self.site.stack_mut()
    }

    /// Asks for a run until somebody has heard it, and no more than once.
    pub async fn start_run(&self, reads: Reads) -> RunId {
        let kind = match reads {
            Reads::Everything => RunKind::Full,
            Reads::Changes => RunKind::Delta,
        };
        let request = StartRunRequest {
            connection: CONNECTION.to_owned(),
            kind: kind.into(),
            idempotency_key: Uuid::now_v7().to_string(),
            ..StartRunRequest::default()
        };
        let begun = Instant::now();
        loop {
            match self
                .world
                .runs()
                .start_run(self.world.call(request.clone()))
                .await
            {
                Ok(run) => return run.into_inner().id.parse().unwrap(),
                Err(status) => assert!(begun.elapsed() < RUN_LIMIT, "no run could be started: {status}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the run's good end, and until everybody who must be told has been; then holds it all against the oracle.
    pub async fn check(&mut self, run: RunId, reads: Reads) {
        self.all_ready().await;
        self.ended(run).await;
        told::quiet(&self.access).await;
        let now = Directory::of(self.tenant());
        let reading = match (reads, &self.before) {
            (Reads::Changes, Some(before)) => now.since(before, &self.oracle),
            _ => now.all(),
        };
        let done = self.oracle.run(&reading);
        self.before = Some(now);
        assert_run(&self.access, run, &done, &self.oracle).await;
        let register = Register::load(&self.access, OrganizationId(self.world.organization)).await;
        register.assert_is(&self.oracle, &format!("after {reads:?}, run {run}"));
        told::check(self).await;
    }

    /// Whether the run has ended, however that was.
    pub async fn has_ended(&self, run: RunId) -> bool {
        let asked = format!("SELECT count(*) FROM run_plan WHERE run_id = '{run}' AND ended_at IS NOT NULL");
        sql(&self.access, &asked).await != "0"
    }

    async fn ended(&self, run: RunId) {
        let begun = Instant::now();
        while !self.has_ended(run).await {
            if begun.elapsed() > RUN_LIMIT {
                let where_ = sql(
                    &self.access,
                    &format!(
                        "SELECT row_to_json(f), row_to_json(p), (SELECT count(*) FROM run_page g WHERE g.run_id = f.run_id)
                         FROM run_fetch f LEFT JOIN run_plan p USING (run_id) WHERE run_id = '{run}'"
                    ),
                )
                .await;
                panic!("run {run} does not end: {where_}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let state = sql(
            &self.access,
            &format!("SELECT state, error FROM run_plan WHERE run_id = '{run}'"),
        )
        .await;
        assert_eq!(state, "finished|", "run {run}");
    }

    /// Kills every copy of a service.
    pub fn kill(&mut self, service: Service) {
        for copy in 1..=COPIES {
            self.stack().kill(service, copy).unwrap();
        }
    }

    /// Starts every copy of a service again.
    pub fn spawn(&mut self, service: Service) {
        for copy in 1..=COPIES {
            self.stack().spawn(service, copy).unwrap();
        }
    }

    /// Kills the broker and starts it again with what it had on its disk.
    pub async fn restart_nats(&mut self) {
        let nats = self.stack().nats().unwrap();
        nats.kill();
        nats.restart().await.unwrap();
    }

    /// Kills the database and starts it again with what it had on its disk.
    pub async fn restart_postgres(&mut self) {
        let postgres = self.stack().postgres().unwrap();
        postgres.kill();
        postgres.restart().await.unwrap();
    }

    /// Waits until every copy of every service takes calls.
    pub async fn all_ready(&mut self) {
        for service in Service::ALL {
            for copy in 1..=COPIES {
                self.stack().ready(service, copy).await.unwrap();
            }
        }
    }

    /// Ends it; nothing may have ended by itself.
    pub async fn stop(self) {
        let Self { site, world, .. } = self;
        drop(world);
        site.stop().await;
    }
}

/// Two copies of everything on servers that lose nothing, and short times until one takes over from another.
fn builder() -> local::stack::Builder {
    let settings = [
        (Service::Fetcher, "fetch.lease_seconds", "2"),
        (Service::Fetcher, "fetch.max_takings", "1000"),
        (Service::Fetcher, "fetch.stall_seconds", "20"),
        (Service::Reconciler, "work.ack_wait_seconds", "2"),
        (Service::Reconciler, "work.appliers", "1"),
        (Service::Reconciler, "work.decisions_per_transaction", "1"),
        (Service::Notifier, "sweep.settle_seconds", "1"),
        (Service::Notifier, "smtp.timeout_seconds", "1"),
        (Service::Notifier, "delivery.lease_seconds", "11"),
    ];
    let builder = Service::ALL
        .into_iter()
        .fold(Site::builder().durable(), |builder, service| {
            builder.copies(service, COPIES)
        });
    settings
        .into_iter()
        .fold(builder, |builder, (service, key, value)| {
            builder.set(service, key, value)
        })
}

/// Asks until the statement answers with this.
pub async fn until_sql(access: &Access, what: &str, statement: &str, answer: &str) {
    until(what, async || sql(access, statement).await == answer).await;
}
