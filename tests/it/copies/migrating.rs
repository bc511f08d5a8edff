//! The schema is brought up to date apart from the services, which wait for it: not ready, but alive.

use std::process::{Child, Command, Output, Stdio};

use harness::wait::until;
use local::Durability;
use local::binaries;
use local::nats::Nats;
use local::port::Port;
use local::stack::Service;
use local::test_database::TestDatabase;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Of the test's own: thirty-two bytes.
const KEYS: &str = "test-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A service that does not migrate; killed in the end.
struct Waiting {
    child: Child,
    port: Port,
    log: tempfile::NamedTempFile,
}

impl Waiting {
    fn start(service: Service, database: &str, nats: &str) -> Self {
        let port = Port::reserve().unwrap();
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = command(service, database);
        command
            .env("ROLLCALL_DATABASE__MIGRATE", "false")
            .env("ROLLCALL_NATS__URL", nats)
            .env("ROLLCALL_VAULT__KEYS", KEYS)
            .env("ROLLCALL_GRPC__LISTEN", port.address())
            .stderr(log.reopen().unwrap());
        Self {
            child: command.spawn().unwrap(),
            port,
            log,
        }
    }

    async fn health(&self, service: &str) -> Option<ServingStatus> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.port.address())).unwrap();
        let mut client = HealthClient::new(endpoint.connect().await.ok()?);
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        Some(client.check(request).await.ok()?.into_inner().status())
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn command(service: Service, database: &str) -> Command {
    let mut command = Command::new(binaries::find(service.program()).unwrap());
    command
        .env_clear()
        .env("ROLLCALL_DATABASE__URL", database)
        .env("ROLLCALL_NATS__URL", "nats://127.0.0.1:9")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn migrate(database: &str) -> Output {
    command(Service::Reconciler, database)
        .arg("--migrate")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_do_not_migrate_wait_alive_and_not_ready_until_the_schema_is_there() {
    let database = TestDatabase::empty().await.unwrap();
    let nats = Nats::start_temporary(Durability::Fast).await.unwrap();
    let services = Service::ALL.map(|service| Waiting::start(service, &database.url(), &nats.url()));
    for service in &services {
        until("it says what it waits for", async || {
            let said = service.said();
            (said.contains("0001 foundation") && said.contains("rollcall-reconciler --migrate")).then_some(())
        })
        .await;
        assert_eq!(service.health("").await, Some(ServingStatus::NotServing));
        assert_eq!(service.health("liveness").await, Some(ServingStatus::Serving));
    }
    let done = migrate(&database.url());
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert!(said(&done).contains("0002 criteria"), "{}", said(&done));
    for service in &services {
        until("it is ready", async || {
            (service.health("").await == Some(ServingStatus::Serving)).then_some(())
        })
        .await;
    }
    let again = migrate(&database.url());
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(said(&again).contains("up to date already"), "{}", said(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_can_t_be_done_or_is_told_nonsense_says_so_by_its_exit_code() {
    let database = TestDatabase::empty().await.unwrap();
    database
        .sql("CREATE TABLE organization (id integer)")
        .await
        .unwrap();
    let refused = migrate(&database.url());
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("already exists"), "{}", said(&refused));

    let nonsense = migrate("mysql://db");
    assert_eq!(nonsense.status.code(), Some(64), "{}", said(&nonsense));
    assert!(said(&nonsense).contains("database.url"), "{}", said(&nonsense));
}
