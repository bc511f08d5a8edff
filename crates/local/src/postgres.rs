//! A private PostgreSQL server on a free loopback port.

mod access;
mod cluster;
mod programs;
mod settings;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use access::{Access, SqlError};
pub use programs::Programs;

use crate::port::{self, Port};
use crate::process::{self, Process, Program, StopWith};
use crate::user::{self, User};
use crate::{Durability, wait};
use cluster::Cluster;

/// Recovery after a kill replays what was written since the last checkpoint.
const START_LIMIT: Duration = Duration::from_secs(60);
const PORT_ATTEMPTS: u32 = 5;

/// Why PostgreSQL is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its programs are missing.
    #[error(
        "PostgreSQL is not installed (looked for initdb and postgres in PATH and /usr/lib/postgresql/*/bin); on Debian and Ubuntu: apt-get install postgresql"
    )]
    NotInstalled,
    /// The data were made by a version that is not installed.
    #[error(
        "{data} was made by PostgreSQL {made_by}, which is not installed; install it, or remove the directory to begin anew"
    )]
    OtherVersion {
        /// The data directory.
        data: PathBuf,
        /// The major version that made it.
        made_by: String,
    },
    /// A program could not be run.
    #[error("{program} could not be run")]
    Run {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The data directory could not be made.
    #[error("initdb failed: {output}")]
    InitDb {
        /// What it wrote.
        output: String,
    },
    /// A file of the instance could not be read or written.
    #[error("{path} is not usable")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No user to run it as.
    #[error(transparent)]
    User(#[from] user::Error),
    /// No port to run it on.
    #[error(transparent)]
    Port(#[from] port::Error),
    /// The process could not be handled.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// It ended by itself, mostly while starting.
    #[error("PostgreSQL ended by itself; the end of {log}:\n{tail}")]
    Ended {
        /// Its log.
        log: PathBuf,
        /// The log's end.
        tail: String,
    },
    /// It did not get ready.
    #[error("PostgreSQL was not ready after {secs} s; the end of {log}:\n{tail}", secs = START_LIMIT.as_secs())]
    NotReady {
        /// Its log.
        log: PathBuf,
        /// The log's end.
        tail: String,
    },
    /// A temporary directory could not be made.
    #[error("no temporary directory for PostgreSQL")]
    Scratch(#[source] io::Error),
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its data and password are kept; made if it does not exist.
    pub dir: PathBuf,
    /// Where its log goes.
    pub log: PathBuf,
    /// How careful it is.
    pub durability: Durability,
    /// The port to take if it is free.
    pub prefer_port: Option<u16>,
    /// Where its pid is kept.
    pub pid_file: Option<PathBuf>,
    /// A temporary directory to remove with it when we end without doing so.
    pub scratch: Option<PathBuf>,
}

/// A running PostgreSQL. Dropping it kills it.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    cluster: Cluster,
    port: Port,
    durability: Durability,
    access: Access,
    _scratch: Option<tempfile::TempDir>,
}

impl Postgres {
    /// Starts a server on these data, which are made first if there are none, and waits until it takes connections.
    pub async fn start(options: Options) -> Result<Self, Error> {
        Self::launch(options, None).await
    }

    /// Starts a server in a temporary directory that goes with it.
    pub async fn start_temporary(durability: Durability) -> Result<Self, Error> {
        let scratch = tempfile::Builder::new()
            .prefix("rollcall-postgres-")
            .tempdir()
            .map_err(Error::Scratch)?;
        let options = Options {
            dir: scratch.path().join("postgres"),
            log: scratch.path().join("postgresql.log"),
            durability,
            prefer_port: None,
            pid_file: None,
            scratch: Some(scratch.path().to_path_buf()),
        };
        Self::launch(options, Some(scratch)).await
    }

    async fn launch(options: Options, scratch: Option<tempfile::TempDir>) -> Result<Self, Error> {
        let user = User::instead_of_root()?;
        if let (Some(scratch), Some(_)) = (&options.scratch, &user) {
            cluster::let_others_through(scratch)?;
        }
        let cluster = Cluster::open_or_create(&options.dir, user, options.durability).await?;
        cluster.clear_stale_pid_file().await?;
        let program = Program {
            name: "PostgreSQL".into(),
            path: cluster.programs.postgres.clone(),
            args: Vec::new(),
            env: Vec::new(),
            log: options.log,
            user: cluster.user.clone(),
            stop_with: StopWith::Interrupt,
            pid_file: options.pid_file,
            scratch: options.scratch,
        };
        let (process, port) = first_start(program, &cluster, options.durability, options.prefer_port).await?;
        let access = Access::new(port.number(), &cluster.password, cluster.programs.psql.clone());
        Ok(Self {
            process,
            cluster,
            port,
            durability: options.durability,
            access,
            _scratch: scratch,
        })
    }

    /// How to reach it: addresses, and databases to make.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The URL of one of its databases, password included.
    pub fn url(&self, database: &str) -> String {
        self.access.url(database)
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Its port, the same for its whole life.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The major version.
    pub fn version(&self) -> &str {
        &self.cluster.programs.version
    }

    /// Where the data are. Not below the directory asked for when the user that it runs as may not go there.
    pub fn data(&self) -> &Path {
        &self.cluster.data
    }

    /// Ends its sessions and stops it with a checkpoint. `true` when it ended in time.
    pub async fn stop(&mut self) -> Result<bool, Error> {
        Ok(self.process.stop().await?)
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// An error when it has ended by itself.
    pub fn check(&mut self) -> Result<(), Error> {
        match self.process.exited()? {
            Some(_) => Err(Error::Ended {
                log: self.process.log().to_path_buf(),
                tail: self.process.log_tail(),
            }),
            None => Ok(()),
        }
    }

    /// Starts it again on the same port and data, and waits until it takes connections.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.process.kill();
        self.cluster.clear_stale_pid_file().await?;
        self.process
            .set_args(arguments(&self.cluster, self.port.number(), self.durability));
        let deadline = Instant::now() + START_LIMIT;
        loop {
            self.process.restart()?;
            match ready(&mut self.process, &self.cluster).await {
                Err(Error::Ended { tail, .. }) if leftovers(&tail) && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                result => return result,
            }
        }
    }
}

/// The first start may have to give up a port that someone took after it was found free.
async fn first_start(
    mut program: Program,
    cluster: &Cluster,
    durability: Durability,
    prefer: Option<u16>,
) -> Result<(Process, Port), Error> {
    let mut attempt = 1;
    loop {
        let port = if attempt == 1 {
            Port::prefer(prefer)?
        } else {
            Port::reserve()?
        };
        program.args = arguments(cluster, port.number(), durability);
        let mut process = Process::start(program.clone())?;
        match ready(&mut process, cluster).await {
            Ok(()) => return Ok((process, port)),
            Err(Error::Ended { tail, .. })
                if attempt < PORT_ATTEMPTS && (port_taken(&tail) || leftovers(&tail)) =>
            {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn arguments(cluster: &Cluster, port: u16, durability: Durability) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec![
        "-D".into(),
        cluster.data.clone().into(),
        "-p".into(),
        port.to_string().into(),
    ];
    for (name, value) in settings::of(durability) {
        args.push("-c".into());
        args.push(format!("{name}={value}").into());
    }
    args
}

/// PostgreSQL writes `ready` on the eighth line of its pid file when it takes connections.
async fn ready(process: &mut Process, cluster: &Cluster) -> Result<(), Error> {
    let pid = process.pid().unwrap_or_default().to_string();
    let is_ready = |text: String| {
        let mut lines = text.lines();
        lines.next() == Some(pid.as_str()) && lines.nth(6).is_some_and(|status| status.trim() == "ready")
    };
    let answer = wait::until(START_LIMIT, || {
        if std::fs::read_to_string(cluster.pid_file()).is_ok_and(is_ready) {
            return Ok(Some(()));
        }
        match process.exited()? {
            Some(_) => Err(Error::Ended {
                log: process.log().to_path_buf(),
                tail: process.log_tail(),
            }),
            None => Ok(None),
        }
    });
    match answer.await? {
        Some(()) => Ok(()),
        None => Err(Error::NotReady {
            log: process.log().to_path_buf(),
            tail: process.log_tail(),
        }),
    }
}

fn port_taken(tail: &str) -> bool {
    tail.contains("could not bind") || tail.contains("could not create any TCP/IP sockets")
}

/// Sessions of a killed server live for a moment longer and hold its shared memory.
fn leftovers(tail: &str) -> bool {
    tail.contains("pre-existing shared memory block")
        || tail.contains("lock file \"postmaster.pid\" already exists")
}
