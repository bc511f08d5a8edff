//! `Directory.TestConnection` (C5, C8): a real token, the organization, and a small call for each thing that runs read.

use std::sync::Arc;
use std::time::Duration;

use contracts::internal::v1::directory_server::Directory;
use contracts::internal::v1::{ReadUserRequest, ReadUserResponse, TestConnectionRequest};
use contracts::v1::{ConnectionCheck, ConnectionTest};
use domain::id::{ConnectionId, ObjectId};
use graph::{Error, Graph, Organization, Reading};
use store::connection::{self, Connection};
use store::connection_status::{Check, MadeBy, Status};
use store::credential::Credential;
use store::mapping;
use store::{Store, StoreError, never_touch};
use tonic::{Request, Response};

use crate::directory::{self, Directories};
use crate::expiries::Expiries;
use crate::failure::{FetchError, Told, of_graph};
use crate::groups;
use crate::read_user::{Person, read_user};
use crate::status::{self, ORGANIZATION, TOKEN, failed, passed};

/// For the whole test; someone waits for the answer.
const PATIENCE: Duration = Duration::from_secs(45);

/// What is said of a tenant without delta.
const NO_DELTA: &str = "The tenant offers no delta: every run reads everything.";

/// Tests connections.
pub struct ConnectionTests {
    store: Store,
    clock: service::Clock,
    directories: Arc<Directories>,
    expiries: Arc<Expiries>,
}

impl ConnectionTests {
    /// Tests with these.
    pub fn new(expiries: Arc<Expiries>) -> Self {
        Self {
            store: expiries.store.clone(),
            clock: expiries.clock.clone(),
            directories: Arc::clone(&expiries.directories),
            expiries,
        }
    }

    /// Tests a connection and writes down what was found; none: there is no such connection.
    pub async fn check(
        &self,
        id: ConnectionId,
        made_by: MadeBy,
    ) -> Result<Option<(Connection, Status)>, StoreError> {
        let Some(loaded) = self.load(id).await? else {
            return Ok(None);
        };
        let status = self.test(&loaded, made_by).await;
        status::put(&self.store, id, &status).await?;
        if let Some(credential) = loaded.credential.as_ref().filter(|_| status.passed) {
            self.expiries.read(&loaded.connection, credential).await?;
        }
        tracing::info!(connection.id = %id, passed = status.passed, made_by = made_by.key(), "connection tested");
        Ok(Some((loaded.connection, status)))
    }

    async fn test(&self, loaded: &Loaded, made_by: MadeBy) -> Status {
        let mut findings = Findings::default();
        let readings = &loaded.readings;
        match self
            .directories
            .open_anew(&loaded.connection, loaded.credential.as_ref())
        {
            Err(error) => findings.checks.push(failed(TOKEN, &error.told())),
            Ok(graph) => {
                if tokio::time::timeout(PATIENCE, findings.gather(&graph, readings))
                    .await
                    .is_err()
                {
                    findings.checks.push(failed(findings.at, &too_slow()));
                }
                if let Some(credential) = &loaded.credential {
                    findings.warning = self.directories.warning(&graph, &credential.name).await;
                }
            }
        }
        Status {
            warning: findings.warning,
            ..status::status(
                findings.checks,
                findings.organization.as_ref(),
                made_by,
                self.clock.now(),
            )
        }
    }

    async fn load(&self, id: ConnectionId) -> Result<Option<Loaded>, StoreError> {
        let mut database = self.store.connection().await?;
        let Some(connection) = connection::find(&mut database, id).await? else {
            return Ok(None);
        };
        let mappings = mapping::of_connection(&mut database, id).await?;
        let mut readings = Reading::USERS.to_vec();
        // Who needs no groups needs no permission for them (C11).
        let kept = never_touch::of_connection(&mut database, connection.organization, id).await?;
        let kept: Vec<ObjectId> = kept.groups().collect();
        let asked = groups::asked(&mappings, &kept);
        drop(database);
        if asked.is_some() {
            readings.extend(Reading::GROUPS);
        }
        let credential = directory::credential(&self.store, connection.credential).await?;
        Ok(Some(Loaded {
            connection,
            credential,
            readings,
            asked: asked.unwrap_or_default(),
        }))
    }
}

#[tonic::async_trait]
impl Directory for ConnectionTests {
    async fn test_connection(
        &self,
        request: Request<TestConnectionRequest>,
    ) -> Result<Response<ConnectionTest>, tonic::Status> {
        let id: ConnectionId = request
            .get_ref()
            .connection_id
            .parse()
            .map_err(|_| tonic::Status::invalid_argument("connection_id is not a UUID"))?;
        let tested = self.check(id, MadeBy::Person).await;
        let Some((connection, status)) = tested.map_err(|error| refused(&error))? else {
            return Err(tonic::Status::not_found(format!("there is no connection {id}")));
        };
        Ok(Response::new(answer(connection.name, status)))
    }

    async fn read_user(
        &self,
        request: Request<ReadUserRequest>,
    ) -> Result<Response<ReadUserResponse>, tonic::Status> {
        let request = request.get_ref();
        let id: ConnectionId = request
            .connection_id
            .parse()
            .map_err(|_| tonic::Status::invalid_argument("connection_id is not a UUID"))?;
        let Some(loaded) = self.load(id).await.map_err(|error| refused(&error))? else {
            return Err(tonic::Status::not_found(format!("there is no connection {id}")));
        };
        let person = Person {
            connection: &loaded.connection,
            credential: loaded.credential.as_ref(),
            asked: &loaded.asked,
            key: &request.key,
        };
        let answer = read_user(&self.store, &self.directories, &person).await;
        Ok(Response::new(answer.map_err(|error| refused(&error))?))
    }
}

/// What a test needs.
struct Loaded {
    connection: Connection,
    credential: Option<Credential>,
    /// What its runs read.
    readings: Vec<Reading>,
    /// The groups of which it matters who belongs to them.
    asked: Vec<ObjectId>,
}

/// What a test has found so far.
#[derive(Default)]
struct Findings {
    checks: Vec<Check>,
    organization: Option<Organization>,
    /// What is wrong with the credential, although it serves.
    warning: String,
    /// The step that is being tried.
    at: &'static str,
}

impl Findings {
    /// Step after step; one that fails for another reason than a missing permission ends the test, since those behind
    /// it would fail the same way.
    async fn gather(&mut self, graph: &Graph, readings: &[Reading]) {
        self.at = TOKEN;
        let signed_in = graph.sign_in().await;
        if !self.file(signed_in) {
            return;
        }
        self.at = ORGANIZATION;
        match graph.organization().await {
            Ok(organization) => {
                self.checks.push(passed(self.at));
                self.organization = Some(organization);
            }
            // A permission of its own: the others can still be tried.
            Err(error) => {
                let go_on = matches!(error, Error::Denied { .. });
                self.checks.push(failed(self.at, &of_graph(&error)));
                if !go_on {
                    return;
                }
            }
        }
        for reading in readings {
            self.at = reading.title();
            if !self.probe(graph, *reading).await {
                return;
            }
        }
    }

    async fn probe(&mut self, graph: &Graph, reading: Reading) -> bool {
        let changes = reading == Reading::UserChanges;
        let no_delta = self
            .organization
            .as_ref()
            .is_some_and(|organization| !organization.offers_delta());
        if no_delta && reading == Reading::GroupChanges {
            self.checks.push(failed(self.at, &FetchError::NoGroups.told()));
            return true;
        }
        if changes && no_delta {
            self.checks.push(Check {
                message: NO_DELTA.to_owned(),
                ..passed(self.at)
            });
            return true;
        }
        for probe in graph.probe(&[reading]).await {
            match probe.result {
                Err(Error::Refused { .. }) if changes => {
                    self.checks.push(Check {
                        message: NO_DELTA.to_owned(),
                        ..passed(self.at)
                    });
                }
                result => {
                    if !self.file(result) {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Adds a result. Says whether the next step is worth trying.
    fn file(&mut self, result: Result<(), Error>) -> bool {
        match result {
            Ok(()) => self.checks.push(passed(self.at)),
            Err(error) => {
                self.checks.push(failed(self.at, &of_graph(&error)));
                return matches!(error, Error::Denied { .. });
            }
        }
        true
    }
}

fn too_slow() -> Told {
    Told {
        cause: "unreachable".to_owned(),
        message: format!(
            "Microsoft's service did not answer within {} s.",
            PATIENCE.as_secs()
        ),
        next_step: "Try again in some minutes; check this machine's network and proxy if it stays."
            .to_owned(),
    }
}

fn refused(error: &StoreError) -> tonic::Status {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "the database failed while somebody waited for the directory"
    );
    if error.is_retryable() {
        tonic::Status::unavailable("the database is not available; try again")
    } else {
        tonic::Status::internal("the database failed; see the fetcher's log")
    }
}

fn answer(connection: String, status: Status) -> ConnectionTest {
    let checks = status.checks.into_iter().map(|check| ConnectionCheck {
        name: check.name,
        passed: check.passed,
        cause: check.cause,
        message: check.message,
        next_step: check.next_step,
    });
    ConnectionTest {
        connection,
        passed: status.passed,
        time: Some(prost_types::Timestamp {
            seconds: status.tested_at.timestamp(),
            nanos: i32::try_from(status.tested_at.timestamp_subsec_nanos()).unwrap_or(0),
        }),
        display_name: status.display_name.unwrap_or_default(),
        verified_domains: status.verified_domains,
        checks: checks.collect(),
    }
}
