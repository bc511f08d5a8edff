//! The story of one run in the fetcher: open its directory, make sure that it is the right one, choose between changes
//! and everything, read, write down how it ended, and tell the reconciler.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Headers, subjects};
use contracts::bus::v1::RunFetched;
use domain::account::Kind;
use domain::criteria::Criteria;
use domain::id::{ObjectId, RunId};
use domain::managers::Managers;
use graph::{Context, Organization};
use prost::Message;
use service::Clock;
use service::drain::Stopper;
use service::retry::Backoff;
use service::telemetry::{TraceContext, set_parent};
use store::mapping::{self, Mapping};
use store::run::{self, Run};
use store::run_fetch::{self, Hold, Outcome, State};
use store::{Store, StoreError, connection, connection_health, delta_cursor, group_mirror, never_touch};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::config::FetchConfig;
use crate::delta::{self, Delta};
use crate::directory::{self, Directories};
use crate::failure::FetchError;
use crate::groups::{self, Wanted};
use crate::job::Job;
use crate::kind::{self, Cursors, Reading};
use crate::lease::{Lease, Over, Terms};
use crate::listing;
use crate::manual;
use crate::metrics::{Metrics, STATE};
use crate::status::{self, ORGANIZATION, Steps, TOKEN};

/// How often a database that is away for a moment is tried again.
const TRIES: u32 = 8;
/// How it is waited for.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// For waking the reconciler, which would find the run by itself a moment later.
const TELL_LIMIT: Duration = Duration::from_secs(5);

/// Reads runs.
pub struct Fetcher {
    /// How.
    pub config: FetchConfig,
    /// The database.
    pub store: Store,
    /// The bus.
    pub bus: Bus,
    /// The time.
    pub clock: Clock,
    /// Says when to stop.
    pub stopper: Stopper,
    /// Opens directories.
    pub directories: Arc<Directories>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// This process, among all fetchers there ever were.
    pub holder: String,
}

/// A run that this process has just taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The run.
    pub run: RunId,
    /// Which attempt at it begins.
    pub attempt: u32,
}

/// How a reading ended.
enum End {
    Fetched(Box<Outcome>),
    Failed(FetchError),
    Cancelled,
    /// The process stops: somebody else goes on.
    LetGo,
    /// Somebody else has it, or will take it when the lease has run out.
    Left,
}

impl Fetcher {
    /// Reads a run to its end, whatever that is. `look` makes it look at once whether it is to end.
    pub async fn fetch(&self, taken: Taken, look: Arc<Notify>) {
        let found = self
            .patiently("loading a run", || async {
                run::find(&mut *self.store.connection().await?, taken.run).await
            })
            .await;
        let run = match found {
            Ok(Some(run)) => run,
            Ok(None) => return tracing::info!(run.id = %taken.run, "the run was deleted"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                return tracing::error!(run.id = %taken.run, error, "the run could not be loaded");
            }
        };
        let span = tracing::info_span!(
            "run.fetch",
            run.id = %run.id,
            connection.id = %run.connection,
            attempt = taken.attempt,
        );
        if let Some(parent) = run.traceparent.as_deref().and_then(TraceContext::parse) {
            set_parent(&span, &parent);
        }
        self.fetch_run(run, taken.attempt, look).instrument(span).await;
    }

    async fn fetch_run(&self, run: Run, attempt: u32, look: Arc<Notify>) {
        let began = Instant::now();
        let lease = Arc::new(self.lease(run.id, attempt, look));
        let steps = Arc::new(Steps::default());
        let (id, connection) = (run.id, run.connection);
        tracing::info!(kind = run.kind.key(), attempt, "reading");
        let end = tokio::select! {
            biased;
            () = self.stopper.stopped() => End::LetGo,
            over = lease.keep() => match over {
                Over::Lost => End::Left,
                Over::Cancelled => End::Cancelled,
            },
            read = self.read(run, &lease, &steps) => match read {
                Ok(outcome) => End::Fetched(Box::new(outcome)),
                Err(error) if error.passes() => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "reading broke off; it will be taken again");
                    End::Left
                }
                Err(error) => End::Failed(error),
            },
        };
        lease.count_calls();
        self.metrics.ended.add(1, &[(STATE, end.name())]);
        self.metrics
            .duration
            .record(began.elapsed(), &[(STATE, end.name())]);
        if self.record(&lease, &end).await {
            self.note_state(connection, &steps, &end).await;
            self.tell(id, lease.attempt().await).await;
        }
    }

    /// Opens the run's directory and reads it.
    async fn read(&self, run: Run, lease: &Arc<Lease>, steps: &Arc<Steps>) -> Result<Outcome, FetchError> {
        let job = self.open(run, lease, steps).await?;
        steps.at(TOKEN);
        job.graph.sign_in().await?;
        steps.warn(job.directories.warning(&job.graph, &job.credential).await);
        steps.at(ORGANIZATION);
        // Refuses another tenant's directory, before anything of it is read.
        let organization = job.graph.organization().await?;
        steps.found(&organization);
        let now = self.clock.now();
        match kind::choose(
            job.run.kind,
            job.cursor.clone(),
            &job.connection,
            job.last_full,
            job.groups.as_ref(),
            job.quarantine,
            now,
        ) {
            Reading::Full(reason) => listing::read(&job, reason, &organization).await,
            Reading::Delta(cursors) => self.read_changes(&job, &cursors, &organization).await,
            Reading::Named => manual::read(&job).await,
        }
    }

    /// Reads the changes, or everything when they can't be had: as a new attempt, so that no page of theirs stays.
    async fn read_changes(
        &self,
        job: &Job,
        cursors: &Cursors,
        organization: &Organization,
    ) -> Result<Outcome, FetchError> {
        match delta::read(job, cursors).await? {
            Delta::Read(outcome) => Ok(*outcome),
            Delta::ReadEverything(reason) => {
                tracing::info!(reason, "the delta becomes a full run");
                job.lease.restart().await?;
                listing::read(job, Some(reason), organization).await
            }
        }
    }

    async fn open(&self, run: Run, lease: &Arc<Lease>, steps: &Arc<Steps>) -> Result<Job, FetchError> {
        let found = self
            .patiently("loading a run's connection", || async {
                let mut database = self.store.connection().await?;
                let Some(connection) = connection::find(&mut database, run.connection).await? else {
                    return Ok(None);
                };
                let mappings = mapping::of_connection(&mut database, run.connection).await?;
                let cursor = delta_cursor::find(&mut database, run.connection, delta_cursor::USERS).await?;
                let kept =
                    never_touch::of_connection(&mut database, run.organization, run.connection).await?;
                let kept: Vec<ObjectId> = kept.groups().collect();
                let groups = match groups::asked(&mappings, &kept) {
                    None => None,
                    Some(asked) => Some(Wanted {
                        asked,
                        cursor: delta_cursor::find(&mut database, run.connection, delta_cursor::GROUPS)
                            .await?,
                        version: group_mirror::version(&mut database, run.connection).await?,
                    }),
                };
                let last_full = run_fetch::last_full(&mut database, run.id).await?;
                let health = connection_health::find(&mut database, run.connection).await?;
                let quarantine = health
                    .filter(|known| !known.released)
                    .and_then(|known| domain::quarantine::reads_everything(&known.health));
                drop(database);
                let credential = directory::credential(&self.store, connection.credential).await?;
                Ok(Some((
                    connection,
                    mappings,
                    credential,
                    (cursor, groups),
                    (last_full, quarantine),
                )))
            })
            .await?;
        let Some((connection, mappings, credential, (cursor, groups), (last_full, quarantine))) = found
        else {
            return Err(FetchError::Missing { what: "connection" });
        };
        let graph = self.directories.open(&connection, credential.as_ref())?;
        Ok(Job {
            graph: graph.for_run(Context {
                stats: Arc::clone(&lease.stats),
                // What is dropped ends its calls by itself.
                cancel: CancellationToken::new(),
            }),
            run,
            credential: credential.map_or_else(String::new, |credential| credential.name),
            connection,
            managers: managers_of(&mappings),
            criteria: by_kind(mappings),
            groups,
            lease: Arc::clone(lease),
            cursor,
            last_full,
            quarantine,
            directories: Arc::clone(&self.directories),
            store: self.store.clone(),
            bus: self.bus.clone(),
            clock: self.clock.clone(),
            metrics: Arc::clone(&self.metrics),
            steps: Arc::clone(steps),
        })
    }

    /// Writes the end down. Says whether there is something to tell.
    async fn record(&self, lease: &Lease, end: &End) -> bool {
        let recorded = self
            .patiently("writing down how a run was read", || async {
                match end {
                    End::Fetched(outcome) => lease.succeed(outcome).await,
                    End::Failed(error) => {
                        let told = error.told();
                        lease.fail(&told.cause, &told.text()).await
                    }
                    End::Cancelled => lease.cancel().await,
                    End::LetGo => lease.release().await.map(|_| false),
                    End::Left => Ok(false),
                }
            })
            .await;
        end.log();
        match recorded {
            Ok(held) => held,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the end of the reading could not be written down");
                false
            }
        }
    }

    /// Shows on the connection how the run fared with the directory.
    async fn note_state(&self, connection: domain::id::ConnectionId, steps: &Steps, end: &End) {
        let told = match end {
            End::Fetched(_) => None,
            End::Failed(
                error @ (FetchError::Open(_) | FetchError::Graph(_) | FetchError::TooManyAttempts { .. }),
            ) => Some(error.told()),
            End::Failed(_) | End::Cancelled | End::LetGo | End::Left => return,
        };
        let status = steps.status(told.as_ref(), self.clock.now());
        if let Err(error) = status::put(&self.store, connection, &status).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the connection's state could not be written down");
        }
    }

    /// Wakes the reconciler. If that fails, its own sweep finds the run.
    pub async fn tell(&self, run: RunId, attempt: u32) {
        let payload = RunFetched {
            run_id: run.0.as_bytes().to_vec(),
        }
        .encode_to_vec();
        let headers = Headers {
            traceparent: TraceContext::current().map(|trace| trace.as_str().to_owned()),
            run_id: Some(run.to_string()),
        };
        let (subject, id) = (subjects::run_fetched(run), format!("{run}:{attempt}:fetched"));
        // Large inside, and many hands call this: kept apart from their own futures.
        let published = Box::pin(self.bus.publish(&subject, &id, &headers, payload.into()));
        match tokio::time::timeout(TELL_LIMIT, published).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the reconciler was not woken"
                );
            }
            Err(_) => tracing::warn!("the bus is away; the reconciler was not woken"),
        }
    }

    fn lease(&self, run: RunId, attempt: u32, look: Arc<Notify>) -> Lease {
        Lease::new(Terms {
            store: self.store.clone(),
            clock: self.clock.clone(),
            hold: Hold {
                run,
                attempt,
                holder: self.holder.clone(),
            },
            length: self.config.lease(),
            heartbeat: self.config.heartbeat(),
            metrics: Arc::clone(&self.metrics),
            look,
        })
    }

    /// Does something in the database, and again while that is away for a moment and the process does not stop.
    async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        what: &'static str,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, StoreError> {
        let mut attempt = 0;
        loop {
            let error = match operation().await {
                Err(error) if error.is_retryable() && attempt < TRIES => error,
                done => return done,
            };
            let wait = BACKOFF.delay(attempt, rand::random());
            tracing::warn!(
                attempt,
                error = &error as &dyn std::error::Error,
                "{what} failed; trying again"
            );
            if self.stopper.until(tokio::time::sleep(wait)).await.is_none() {
                return Err(error);
            }
            attempt += 1;
        }
    }
}

/// Who looks for managers, by the mappings that bring people in as the first kind of record: accounts, if there are any.
fn managers_of(mappings: &[Mapping]) -> Option<Managers> {
    let kind = Kind::ALL.into_iter().find(|kind| {
        mappings
            .iter()
            .any(|mapping| mapping.target.kind() == Some(*kind))
    })?;
    let first = mappings
        .iter()
        .filter(|mapping| mapping.target.kind() == Some(kind));
    Managers::of(&first.filter_map(Mapping::rules).collect::<Vec<_>>())
}

/// Whom the mappings take in, for each kind of record that there are mappings to.
fn by_kind(mappings: Vec<Mapping>) -> Vec<(Kind, Vec<Criteria>)> {
    let mut kinds = Kind::ALL.map(|kind| (kind, Vec::new()));
    for mapping in mappings {
        let of = mapping.target.kind();
        for (kind, criteria) in &mut kinds {
            if Some(*kind) == of {
                criteria.push(mapping.criteria.clone());
            }
        }
    }
    kinds
        .into_iter()
        .filter(|(_, criteria)| !criteria.is_empty())
        .collect()
}

impl End {
    /// For metrics.
    const fn name(&self) -> &'static str {
        match self {
            Self::Fetched(_) => State::Fetched.key(),
            Self::Failed(_) => State::Failed.key(),
            Self::Cancelled => State::Cancelled.key(),
            Self::LetGo | Self::Left => "let_go",
        }
    }

    fn log(&self) {
        match self {
            Self::Fetched(outcome) => tracing::info!(
                pages = outcome.progress.pages,
                records = outcome.progress.records,
                calls = outcome.progress.calls,
                waits = outcome.progress.waits,
                proved = outcome.unproved_reason.is_none(),
                "read"
            ),
            Self::Failed(error) => {
                let told = error.told();
                tracing::error!(
                    cause = told.cause,
                    error = error as &dyn std::error::Error,
                    "{}",
                    told.text()
                );
            }
            Self::Cancelled => tracing::info!("cancelled"),
            Self::LetGo => tracing::info!("let go, for somebody else to go on"),
            Self::Left => tracing::warn!("no longer held here"),
        }
    }
}
