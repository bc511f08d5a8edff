//! All of it together: PostgreSQL, NATS, the simulated tenant, the mail server, and any number of copies of each service.

pub mod directory;
pub mod environment;
mod parts;
mod service;
mod tls;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use directory::Directory;
pub use service::Service;

use crate::balancer::{self, Balancer};
use crate::cli::Cli;
use crate::home::{self, Home};
use crate::mail::{self, MailServer};
use crate::nats::{self, Nats};
use crate::postgres::{self, Postgres, SqlError};
use crate::{Durability, binaries, port, process};
use environment::Surroundings;
use parts::Parts;
use service::{Place, ServiceProcess};

/// The database of a private instance.
pub const DATABASE: &str = "rollcall";

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The home is not usable.
    #[error(transparent)]
    Home(#[from] home::Error),
    /// No PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    /// PostgreSQL refused a statement.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// No NATS.
    #[error(transparent)]
    Nats(#[from] nats::Error),
    /// No mail server.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// A file could not be written.
    #[error("{path} could not be written")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No port for a service.
    #[error(transparent)]
    Port(#[from] port::Error),
    /// No one address for the copies of a service.
    #[error(transparent)]
    Balancer(#[from] balancer::Error),
    /// No certificate for the services.
    #[error("no certificate for the services could be made")]
    Certificate(#[from] rcgen::Error),
    /// A program is not built.
    #[error(transparent)]
    Binary(#[from] binaries::Error),
    /// A process could not be handled.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// A process ended by itself.
    #[error("{name} ended by itself ({status}); the end of {log}:\n{tail}")]
    Ended {
        /// Which.
        name: String,
        /// How.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The log's end.
        tail: String,
    },
    /// A process did not get ready.
    #[error("{name} was not ready in time; the end of {log}:\n{tail}")]
    NotReady {
        /// Which.
        name: String,
        /// Its log.
        log: PathBuf,
        /// The log's end.
        tail: String,
    },
    /// A copy that was not started.
    #[error("there is no copy {copy} of {service}")]
    NoSuchCopy {
        /// The service.
        service: Service,
        /// The copy, from 1.
        copy: usize,
    },
}

/// Where things are, as in `endpoints.json`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Endpoints {
    /// The gRPC API.
    pub api: String,
    /// The console.
    pub console: String,
    /// An admin's bearer token, for both.
    pub token: String,
    /// PostgreSQL, password included.
    pub database_url: String,
    /// NATS.
    pub nats_url: String,
    /// The simulated tenant.
    pub entra_sim: String,
    /// The view of the mail server.
    pub mail: String,
}

/// What to start; [`Stack::builder`].
pub struct Builder {
    home: Option<Home>,
    durability: Durability,
    copies: BTreeMap<Service, usize>,
    directory: Directory,
    database_url: Option<String>,
    nats_url: Option<String>,
    tls: bool,
    balanced: bool,
    extra: Vec<(Service, String, String)>,
    variables: Vec<(String, String)>,
    progress: Progress,
}

/// Told a line for each thing that is ready.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

impl Builder {
    /// Runs in this home; else in a temporary one.
    #[must_use]
    pub fn home(mut self, home: Home) -> Self {
        self.home = Some(home);
        self
    }

    /// PostgreSQL and NATS lose nothing that they acknowledged; else they are quick.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durability = Durability::Durable;
        self
    }

    /// How many copies of a service; 1 if nothing is said, and 0 is possible.
    #[must_use]
    pub fn copies(mut self, service: Service, copies: usize) -> Self {
        self.copies.insert(service, copies);
        self
    }

    /// Where users come from; a simulated tenant of 100 if nothing is said.
    #[must_use]
    pub fn directory(mut self, directory: Directory) -> Self {
        self.directory = directory;
        self
    }

    /// Uses this database instead of a private PostgreSQL.
    #[must_use]
    pub fn database_url(mut self, url: Option<String>) -> Self {
        self.database_url = url;
        self
    }

    /// Uses this broker instead of a private one.
    #[must_use]
    pub fn nats_url(mut self, url: Option<String>) -> Self {
        self.nats_url = url;
        self
    }

    /// Services speak TLS, and ask each other for certificates.
    #[must_use]
    pub fn mutual_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Each service is reached at one address that leads to all its copies, as in Kubernetes; else at the first copy's.
    #[must_use]
    pub fn balanced(mut self) -> Self {
        self.balanced = true;
        self
    }

    /// Another setting for all copies of a service: `set(Service::Fetcher, "graph.page_size", "100")`.
    #[must_use]
    pub fn set(mut self, service: Service, key: &str, value: &str) -> Self {
        self.extra.push((service, key.to_owned(), value.to_owned()));
        self
    }

    /// A variable of the environment of all services that is no setting of ours: `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Called with a line for each thing that is ready.
    #[must_use]
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Starts everything and waits until all of it is ready.
    pub async fn start(self) -> Result<Stack, Error> {
        Stack::start(self).await
    }

    fn copies_of(&self, service: Service) -> usize {
        self.copies.get(&service).copied().unwrap_or(1)
    }

    /// Before anything is started: a program that is not built is better known at once.
    fn check_programs(&self) -> Result<(), Error> {
        self.directory.check_program()?;
        for service in Service::ALL
            .into_iter()
            .filter(|service| self.copies_of(*service) > 0)
        {
            binaries::find(service.program())?;
        }
        Ok(())
    }
}

/// Everything, running. Dropping it kills it; [`Stack::stop`] is the kind way.
pub struct Stack {
    // In the order in which they are dropped: first who uses, then what is used.
    services: Vec<ServiceProcess>,
    _balancers: BTreeMap<Service, Balancer>,
    parts: Parts,
    endpoints: Endpoints,
    authority: Option<PathBuf>,
    home: Home,
}

impl Stack {
    /// What to start, with what is right for a test.
    pub fn builder() -> Builder {
        Builder {
            home: None,
            durability: Durability::Fast,
            copies: BTreeMap::new(),
            directory: Directory::Simulated { users: 100, seed: 1 },
            database_url: None,
            nats_url: None,
            tls: false,
            balanced: false,
            extra: Vec::new(),
            variables: Vec::new(),
            progress: Arc::new(|_| ()),
        }
    }

    async fn start(mut builder: Builder) -> Result<Self, Error> {
        builder.check_programs()?;
        let home = match builder.home.take() {
            Some(home) => home,
            None => Home::temporary()?,
        };
        for name in home.stop_orphans().await? {
            (builder.progress)(&format!("stopped {name}, left behind by a former run"));
        }
        let mut book = home.ports();
        let parts = Parts::start(&home, &mut book, &builder).await?;
        let mut places = Vec::new();
        for service in Service::ALL {
            for copy in 1..=builder.copies_of(service) {
                places.push(Place::reserve(service, copy, builder.tls, &mut book)?);
            }
        }
        home.keep_ports(&book)?;
        let token = home.secret("token", crate::secret::password)?;
        let mut balancers = BTreeMap::new();
        for service in Service::ALL.into_iter().filter(|_| builder.balanced) {
            let copies = places.iter().filter(|place| place.service == service);
            let copies = copies.map(|place| place.to_balance(&home)).collect();
            balancers.insert(service, Balancer::start(copies).await?);
        }
        let around = surroundings(&home, &parts, &places, &balancers, &token, &builder)?;
        let endpoints = endpoints(&parts, &places, &balancers, &around);
        let mut services = Vec::new();
        for place in places {
            services.push(ServiceProcess::start(place, &home, &around)?);
        }
        let mut stack = Self {
            services,
            _balancers: balancers,
            parts,
            endpoints,
            authority: around.tls.map(|files| files.authority),
            home,
        };
        for service in &mut stack.services {
            service.ready().await?;
            let url = service
                .place
                .console_url()
                .unwrap_or_else(|| service.place.grpc_url());
            (builder.progress)(&format!("{} ready on {url}", service.process().name()));
        }
        Ok(stack)
    }

    /// Where things are.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The command line, signed in as an admin.
    pub fn cli(&self) -> Result<Cli, Error> {
        let cli = Cli::new(&self.endpoints)?;
        Ok(match &self.authority {
            Some(file) => cli.env("ROLLCALL_CA", &file.to_string_lossy()),
            None => cli,
        })
    }

    /// The private PostgreSQL, unless another is used.
    pub fn postgres(&mut self) -> Option<&mut Postgres> {
        self.parts.postgres.as_mut()
    }

    /// The private broker, unless another is used.
    pub fn nats(&mut self) -> Option<&mut Nats> {
        self.parts.nats.as_mut()
    }

    /// The mail server.
    pub fn mail(&self) -> &MailServer {
        &self.parts.mail
    }

    /// The gRPC address of one copy, from 1.
    pub fn grpc_url(&self, service: Service, copy: usize) -> Result<String, Error> {
        let found = self
            .services
            .iter()
            .find(|one| one.place.service == service && one.place.copy == copy);
        found
            .map(|one| one.place.grpc_url())
            .ok_or(Error::NoSuchCopy { service, copy })
    }

    /// The process id of one copy while it runs.
    pub fn pid(&mut self, service: Service, copy: usize) -> Result<Option<u32>, Error> {
        Ok(self.copy(service, copy)?.process().pid())
    }

    /// Ends one copy as a crash would.
    pub fn kill(&mut self, service: Service, copy: usize) -> Result<(), Error> {
        self.copy(service, copy)?.process().kill();
        Ok(())
    }

    /// Starts one copy again at its address, and does not wait for it. One that runs is killed first.
    pub fn spawn(&mut self, service: Service, copy: usize) -> Result<(), Error> {
        self.copy(service, copy)?.spawn()
    }

    /// Waits until one copy takes calls.
    pub async fn ready(&mut self, service: Service, copy: usize) -> Result<(), Error> {
        self.copy(service, copy)?.ready().await
    }

    /// Stops one copy as Kubernetes would. `true` when it ended in time.
    pub async fn stop_one(&mut self, service: Service, copy: usize) -> Result<bool, Error> {
        Ok(self.copy(service, copy)?.process().stop().await?)
    }

    /// The same; tells how it ended, if it did in time.
    pub async fn drain(&mut self, service: Service, copy: usize) -> Result<Option<ExitStatus>, Error> {
        Ok(self.copy(service, copy)?.process().stop_and_tell().await?)
    }

    /// Stops one copy in the middle of whatever it does, or lets it go on: a long pause, not an end.
    pub fn freeze(&mut self, service: Service, copy: usize, frozen: bool) -> Result<(), Error> {
        Ok(self.copy(service, copy)?.process().freeze(frozen)?)
    }

    /// An error when anything has ended by itself.
    pub fn check(&mut self) -> Result<(), Error> {
        for service in &mut self.services {
            service.check()?;
        }
        self.parts.check()
    }

    /// Stops everything, users before what they use. Names what had to be killed.
    pub async fn stop(mut self) -> Result<Vec<String>, Error> {
        let mut killed = Vec::new();
        while let Some(mut service) = self.services.pop() {
            if !service.process().stop().await? {
                killed.push(service.process().name().to_owned());
            }
        }
        killed.extend(self.parts.stop().await?);
        Ok(killed)
    }

    fn copy(&mut self, service: Service, copy: usize) -> Result<&mut ServiceProcess, Error> {
        let found = self
            .services
            .iter_mut()
            .find(|one| one.place.service == service && one.place.copy == copy);
        found.ok_or(Error::NoSuchCopy { service, copy })
    }
}

fn surroundings(
    home: &Home,
    parts: &Parts,
    places: &[Place],
    balancers: &BTreeMap<Service, Balancer>,
    token: &str,
    builder: &Builder,
) -> Result<Surroundings, Error> {
    Ok(Surroundings {
        database_url: parts.database_url.clone(),
        nats_url: parts.nats_url.clone(),
        vault_keys: home.secret("vault-keys", || format!("local-1:{}", crate::secret::key()))?,
        admin_token: token.to_owned(),
        fetcher_url: grpc_url(places, balancers, Service::Fetcher),
        reconciler_url: grpc_url(places, balancers, Service::Reconciler),
        console_url: first(places, Service::Api, |place| {
            place.console_url().unwrap_or_default()
        }),
        smtp: parts.smtp.clone(),
        tls: if builder.tls {
            Some(tls::Files::make(home)?)
        } else {
            None
        },
        extra: builder.extra.clone(),
        variables: builder.variables.clone(),
    })
}

fn endpoints(
    parts: &Parts,
    places: &[Place],
    balancers: &BTreeMap<Service, Balancer>,
    around: &Surroundings,
) -> Endpoints {
    Endpoints {
        api: grpc_url(places, balancers, Service::Api),
        console: first(places, Service::Api, |place| {
            place.console_url().unwrap_or_default()
        }),
        token: around.admin_token.clone(),
        database_url: parts.database_url.clone(),
        nats_url: parts.nats_url.clone(),
        entra_sim: parts.directory_url().to_owned(),
        mail: parts.mail.http_url(),
    }
}

/// Of all copies where they are balanced, else of the first.
fn grpc_url(places: &[Place], balancers: &BTreeMap<Service, Balancer>, service: Service) -> String {
    match balancers.get(&service) {
        Some(balancer) => first(places, service, |place| place.grpc_url_at(&balancer.address())),
        None => first(places, service, Place::grpc_url),
    }
}

/// Of the first copy; empty when there is none.
fn first(places: &[Place], service: Service, url: impl Fn(&Place) -> String) -> String {
    places
        .iter()
        .find(|place| place.service == service)
        .map(url)
        .unwrap_or_default()
}
