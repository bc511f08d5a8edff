//! What the tests stand on: a tenant, a migrated database, a broker, a connection, and any number of fetchers.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bus::{Bus, Headers, subjects};
use chrono::{DateTime, Utc};
use contracts::bus::v1::{RunCancel, RunRequested};
use domain::brake::Brake;
use domain::id::{ConnectionId, CredentialId, OrganizationId, RunId};
use domain::leaver::{Policies, Policy};
use entra_sim::{Options, Simulator, Tenant, TenantOptions};
use local::Durability;
use local::nats::Nats;
use local::test_database::TestDatabase;
use prost::Message;
use secrecy::{ExposeSecret, SecretString};
use service::Clock;
use store::Store;
use store::connection::{self, Connection, FirstRun};
use store::credential::{self, Credential, SealedSecret};
use store::run::{self, Kind, Run};
use store::run_fetch::{self, Fetch, State};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use uuid::Uuid;
use vault::{Sealed, Vault};

/// For anything that should happen soon.
pub const SOON: Duration = Duration::from_secs(30);
pub const ORGANIZATION: OrganizationId = OrganizationId(Uuid::from_u128(0x7000_8000_0000_0000_0001));
const KEYS: &str = "k1:TUFLRS1ZT1VSLU9XTi1LRVktMzItQllURVMtTE9ORyE=";

pub struct World {
    pub tenant: std::sync::Arc<Tenant>,
    pub simulator: Simulator,
    pub nats: Nats,
    pub database: TestDatabase,
    pub store: Store,
    pub bus: Bus,
    pub connection: ConnectionId,
    pub vault: Vault,
    clock: Clock,
    files: tempfile::TempDir,
}

/// A running fetcher; killed when it is dropped.
pub struct Fetcher {
    pub process: Child,
    pub grpc: String,
}

impl World {
    /// A tenant of so many users.
    pub async fn of(users: u32) -> Self {
        Self::with(TenantOptions::generate(7, users)).await
    }

    pub async fn with(tenant: TenantOptions) -> Self {
        let (id, client) = (tenant.id.clone(), tenant.client_id.clone());
        let bind = ([127, 0, 0, 1], 0).into();
        let simulator = Simulator::start(Options {
            bind,
            tenants: vec![tenant],
        })
        .await
        .unwrap();
        let database = TestDatabase::copy_of("fetcher_migrated", async |url| {
            let store = Store::new(&url, 1)?;
            let migrated = store.migrate().await;
            store.close().await;
            migrated
        });
        let database = database.await.unwrap();
        let nats = Nats::start_temporary(Durability::Fast).await.unwrap();
        let clock = Clock::system();
        let mut world = Self {
            tenant: simulator.default_tenant().unwrap(),
            simulator,
            store: Store::new(&database.url(), 5).unwrap(),
            database,
            bus: connect(&nats).await,
            nats,
            connection: ConnectionId(clock.new_id()),
            vault: Vault::from_key_ring(&SecretString::from(KEYS)).unwrap(),
            clock,
            files: tempfile::tempdir().unwrap(),
        };
        world.connection = world.connect(&id, &client).await;
        world
    }

    async fn connect(&self, tenant: &str, client: &str) -> ConnectionId {
        let (now, id) = (self.clock.now(), CredentialId(self.clock.new_id()));
        let secret = SecretString::from("demo-secret-value~not-a-guid");
        let Sealed { key_id, ciphertext } = self
            .vault
            .seal(&secret, "credential.client_secret", id.0)
            .unwrap();
        let credential = Credential {
            id,
            organization: Some(ORGANIZATION),
            name: "app".into(),
            tenant: tenant.parse().unwrap(),
            client_id: client.parse().unwrap(),
            secret: Some(SealedSecret { key_id, ciphertext }),
            created_at: now,
            updated_at: now,
            secret_id: None,
            expires_on: None,
            next: None,
            next_id: None,
            next_expires_on: None,
        };
        let policy = Policy::of_key("deactivate").unwrap();
        let connection = Connection {
            id: self.connection,
            organization: ORGANIZATION,
            name: "contoso".into(),
            tenant: tenant.parse().unwrap(),
            credential: Some(id),
            cloud: "custom".into(),
            login_url: Some(self.simulator.url()),
            graph_url: Some(self.simulator.url()),
            token_url: None,
            deletion_mode: None,
            leavers: Policies {
                disabled: policy,
                soft_deleted: policy,
                gone: policy,
                out_of_scope: policy,
                ..Policies::default()
            },
            brake: Brake {
                percent: 10,
                count: 50,
                from: 20,
            },
            first_run: FirstRun::Apply,
            rules_changed_at: None,
            rules_changed_why: None,
            disconnected_at: None,
            created_at: now,
            updated_at: now,
        };
        let mut tx = self.store.begin("test").await.unwrap();
        credential::insert(tx.connection(), &credential).await.unwrap();
        connection::insert(tx.connection(), &connection).await.unwrap();
        tx.commit().await.unwrap();
        connection.id
    }

    /// A fetcher that is ready, with short times so that tests need not wait long.
    pub async fn fetcher(&self) -> Fetcher {
        self.fetcher_with(&[]).await
    }

    pub async fn fetcher_with(&self, settings: &[(&str, &str)]) -> Fetcher {
        let place = self.files.path().join(format!("{}.json", self.clock.new_id()));
        let log = std::fs::File::create(self.log()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall-fetcher"));
        command
            .arg("--address-file")
            .arg(&place)
            .env("ROLLCALL_DATABASE__URL", self.database.url())
            .env("ROLLCALL_NATS__URL", self.nats.url())
            .env("ROLLCALL_VAULT__KEYS", KEYS)
            .env("ROLLCALL_LOG__FORMAT", "pretty")
            .env("ROLLCALL_FETCH__SWEEP_MS", "100")
            .env("ROLLCALL_FETCH__LEASE_SECONDS", "2")
            .env("ROLLCALL_FETCH__HEARTBEAT_MS", "200")
            .env("ROLLCALL_FETCH__STALL_SECONDS", "3600")
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        for (name, value) in settings {
            command.env(name, value);
        }
        let process = command.spawn().unwrap();
        let text = until("the fetcher is ready", async || {
            std::fs::read_to_string(&place).ok()
        })
        .await;
        let addresses: serde_json::Value = serde_json::from_str(&text).unwrap();
        Fetcher {
            process,
            grpc: format!("http://{}", addresses["grpc"].as_str().unwrap()),
        }
    }

    /// Asks for a run and wakes whoever fetches.
    pub async fn request(&self, kind: Kind) -> RunId {
        let run = self.add_run(kind).await;
        let message = RunRequested {
            run_id: run.0.as_bytes().to_vec(),
        }
        .encode_to_vec();
        let subject = subjects::run_requested(ORGANIZATION);
        let id = format!("{run}:requested");
        self.bus
            .publish(&subject, &id, &Headers::default(), message.into())
            .await
            .unwrap();
        run
    }

    /// Adds a run without waking anybody.
    pub async fn add_run(&self, kind: Kind) -> RunId {
        let row = Run {
            id: RunId(self.clock.new_id()),
            organization: ORGANIZATION,
            connection: self.connection,
            kind,
            trigger: "api".into(),
            requested_by: "test".into(),
            reason: None,
            manual: None,
            revert: None,
            apply_first: true,
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            created_at: self.clock.now(),
            cancel_requested_at: None,
            cancel_requested_by: None,
        };
        run::insert(&mut self.store.connection().await.unwrap(), &row)
            .await
            .unwrap();
        row.id
    }

    pub async fn cancel(&self, run: RunId) {
        let mut database = self.store.connection().await.unwrap();
        run::request_cancel(&mut database, run, self.clock.now(), "test")
            .await
            .unwrap();
        let message = RunCancel {
            run_id: run.0.as_bytes().to_vec(),
        }
        .encode_to_vec();
        let (subject, id) = (subjects::run_cancel(run), format!("{run}:cancel"));
        self.bus
            .publish(&subject, &id, &Headers::default(), message.into())
            .await
            .unwrap();
    }

    /// The reading of a run, once it is as the test wants it.
    pub async fn fetch_where(&self, run: RunId, wanted: impl Fn(&Fetch) -> bool) -> Fetch {
        let found = until_or("the reading is as wanted", async || {
            let fetch = self.fetch(run).await;
            fetch.filter(|fetch| wanted(fetch))
        });
        match found.await {
            Some(fetch) => fetch,
            None => panic!("{:#?}\n{}", self.fetch(run).await, self.log_text()),
        }
    }

    /// The reading of a run, once it has ended.
    pub async fn ended(&self, run: RunId) -> Fetch {
        self.fetch_where(run, |fetch| fetch.state != State::Fetching)
            .await
    }

    /// The same, and it got everything.
    pub async fn fetched(&self, run: RunId) -> Fetch {
        let fetch = self.ended(run).await;
        assert_eq!(fetch.state, State::Fetched, "{fetch:#?}\n{}", self.log_text());
        fetch
    }

    pub async fn fetch(&self, run: RunId) -> Option<Fetch> {
        run_fetch::find(&mut self.store.connection().await.unwrap(), run)
            .await
            .unwrap()
    }

    /// Ends a run as the reconciler does: its plan is finished, and its cursor is the connection's.
    pub async fn finish(&self, run: RunId) {
        let fetch = self.fetch(run).await.unwrap();
        let (connection, now) = (self.connection, self.clock.now().to_rfc3339());
        self.sql(&format!(
            "INSERT INTO run_plan (run_id, organization_id, connection_id, attempt, state, preview, rules_fingerprint,
                 created_at, ended_at)
             VALUES ('{run}', '{ORGANIZATION}', '{connection}', {}, 'finished', false, 0, '{now}', '{now}')",
            fetch.attempt
        ))
        .await;
        self.sql(&format!(
            "INSERT INTO delta_cursor (connection_id, resource, key_id, ciphertext, taken_at, selection, run_id, full_at)
             SELECT '{connection}', 'users', cursor_key_id, cursor_ciphertext, cursor_taken_at, selection, run_id,
                 cursor_taken_at
             FROM run_fetch WHERE run_id = '{run}' AND cursor_ciphertext IS NOT NULL
             ON CONFLICT (connection_id, resource) DO UPDATE
             SET key_id = excluded.key_id, ciphertext = excluded.ciphertext, taken_at = excluded.taken_at"
        ))
        .await;
    }

    /// A full run that has finished, so that a delta can follow.
    pub async fn full_run(&self) -> RunId {
        let run = self.request(Kind::Full).await;
        self.fetched(run).await;
        self.finish(run).await;
        run
    }

    /// Links everyone in the directory, as the reconciler does once they have an account.
    pub async fn link_everyone(&self) {
        let ids: Vec<String> = self.tenant.users().into_iter().map(|user| user.id).collect();
        self.sql(&format!(
            "INSERT INTO link (connection_id, object_id, target, organization_id, account_id, hash, status, skip)
             SELECT '{}', id, 1, '{ORGANIZATION}', gen_random_uuid(), 0, 1, 0 FROM unnest('{{{}}}'::uuid[]) AS id",
            self.connection,
            ids.join(",")
        ))
        .await;
    }

    pub async fn sql(&self, statement: &str) -> String {
        self.database.sql(statement).await.unwrap()
    }

    /// The delta link that a reading brought, opened.
    pub fn link_of(&self, fetch: &Fetch) -> String {
        let cursor = fetch.cursor.clone().unwrap();
        let sealed = Sealed {
            key_id: cursor.key_id,
            ciphertext: cursor.ciphertext,
        };
        let link = self
            .vault
            .open(&sealed, "connection.delta_link", self.connection.0)
            .unwrap();
        link.expose_secret().to_owned()
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.files.path().join("fetcher.log")
    }
}

impl Fetcher {
    /// SIGKILL: it does nothing more.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// SIGTERM, and waits for its end.
    pub async fn stop(&mut self) -> std::process::ExitStatus {
        let pid = self.process.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        assert!(sent.success());
        tokio::time::timeout(SOON, self.process.wait())
            .await
            .unwrap()
            .unwrap()
    }
}

async fn connect(nats: &Nats) -> Bus {
    let options = bus::Options {
        url: SecretString::from(nats.url()),
        name: "test".into(),
        credentials: None,
        tls: None,
        limits: bus::streams::Limits::default(),
    };
    Bus::connect(&options).await.unwrap()
}

/// Looks until there is something.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_or(what, look)
        .await
        .unwrap_or_else(|| panic!("not within {SOON:?}: {what}"))
}

async fn until_or<T>(_what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + SOON;
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    while Instant::now() < deadline {
        if let Some(found) = look().await {
            return Some(found);
        }
        pause.tick().await;
    }
    None
}
