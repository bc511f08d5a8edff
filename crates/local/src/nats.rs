//! A private nats-server with JetStream on a free loopback port.

mod cluster;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

use crate::Durability;
use crate::port::{self, Port};
use crate::process::{self, Process, Program, StopWith};

pub use cluster::NatsCluster;

const START_LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);
const HELLO_LIMIT: Duration = Duration::from_secs(2);
/// Debian puts it into a directory that an ordinary user's PATH may lack.
const SBIN: &str = "/usr/sbin";

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is missing.
    #[error(
        "nats-server is not installed (looked in PATH and {SBIN}); on Debian and Ubuntu: apt-get install nats-server"
    )]
    NotInstalled,
    /// Its directory or configuration could not be written.
    #[error("{path} is not usable")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It could not be run.
    #[error("{program} could not be run")]
    Run {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It does not take its configuration.
    #[error("nats-server refuses {path}: {output}")]
    Configuration {
        /// The file.
        path: PathBuf,
        /// What it wrote.
        output: String,
    },
    /// No port to run it on.
    #[error(transparent)]
    Port(#[from] port::Error),
    /// The process could not be handled.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// It ended by itself, mostly while starting.
    #[error("nats-server ended by itself; the end of {log}:\n{tail}")]
    Ended {
        /// Its log.
        log: PathBuf,
        /// The log's end.
        tail: String,
    },
    /// It did not get ready.
    #[error("nats-server was not ready after {secs} s; the end of {log}:\n{tail}", secs = START_LIMIT.as_secs())]
    NotReady {
        /// Its log.
        log: PathBuf,
        /// The log's end.
        tail: String,
    },
    /// A temporary directory could not be made.
    #[error("no temporary directory for nats-server")]
    Scratch(#[source] io::Error),
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the configuration and the streams are kept; made if it does not exist.
    pub dir: PathBuf,
    /// Where its log goes.
    pub log: PathBuf,
    /// [`Durability::Durable`] writes to disk before each acknowledgement, where the server can (2.10 on).
    pub durability: Durability,
    /// The port to take if it is free.
    pub prefer_port: Option<u16>,
    /// Where its pid is kept.
    pub pid_file: Option<PathBuf>,
    /// A temporary directory to remove with it when we end without doing so.
    pub scratch: Option<PathBuf>,
    /// Its place among others; alone if there is none.
    pub member: Option<Member>,
}

/// One server's place in a cluster, on loopback ports.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where the others reach it.
    pub port: u16,
    /// Where it reaches the others.
    pub routes: Vec<u16>,
    /// Where it says how it is, by HTTP.
    pub monitor: u16,
}

/// A running nats-server. Dropping it kills it.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    port: Port,
    syncs_always: bool,
    _scratch: Option<tempfile::TempDir>,
}

impl Nats {
    /// Starts a server on this directory and waits until it takes connections and has JetStream.
    pub async fn start(options: Options) -> Result<Self, Error> {
        Self::launch(options, None).await
    }

    /// Starts a server in a temporary directory that goes with it.
    pub async fn start_temporary(durability: Durability) -> Result<Self, Error> {
        let scratch = tempfile::Builder::new()
            .prefix("rollcall-nats-")
            .tempdir()
            .map_err(Error::Scratch)?;
        let options = Options {
            dir: scratch.path().join("nats"),
            log: scratch.path().join("nats.log"),
            durability,
            prefer_port: None,
            pid_file: None,
            scratch: Some(scratch.path().to_path_buf()),
            member: None,
        };
        Self::launch(options, Some(scratch)).await
    }

    async fn launch(options: Options, scratch: Option<tempfile::TempDir>) -> Result<Self, Error> {
        let server = find().ok_or(Error::NotInstalled)?;
        std::fs::create_dir_all(&options.dir).map_err(|source| Error::File {
            path: options.dir.clone(),
            source,
        })?;
        let port = Port::prefer(options.prefer_port)?;
        let config = options.dir.join("nats.conf");
        let syncs_always = configure(&server, &config, &options, port.number()).await?;
        let process = Process::start(Program {
            name: "nats-server".into(),
            path: server,
            args: vec!["--config".into(), config.into()],
            env: Vec::new(),
            log: options.log,
            user: None,
            stop_with: StopWith::Terminate,
            pid_file: options.pid_file,
            scratch: options.scratch,
        })?;
        let mut nats = Self {
            process,
            port,
            syncs_always,
            _scratch: scratch,
        };
        nats.ready().await?;
        Ok(nats)
    }

    /// `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.port.address())
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Its port, the same for its whole life.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Whether it writes to disk before each acknowledgement.
    pub fn syncs_always(&self) -> bool {
        self.syncs_always
    }

    /// Stops it. `true` when it ended in time.
    pub async fn stop(&mut self) -> Result<bool, Error> {
        Ok(self.process.stop().await?)
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
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

    /// Starts it again on the same port and store, and waits until it takes connections.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.process.kill();
        self.process.restart()?;
        self.ready().await
    }

    async fn ready(&mut self) -> Result<(), Error> {
        let address = self.port.address();
        let deadline = Instant::now() + START_LIMIT;
        while !greets(&address).await {
            let log = self.process.log().to_path_buf();
            if self.process.exited()?.is_some() {
                return Err(Error::Ended {
                    log,
                    tail: self.process.log_tail(),
                });
            }
            if Instant::now() >= deadline {
                return Err(Error::NotReady {
                    log,
                    tail: self.process.log_tail(),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

/// A server says what it is as soon as one connects: `INFO {…}`.
async fn greets(address: &str) -> bool {
    #[derive(Deserialize)]
    struct Info {
        #[serde(default)]
        jetstream: bool,
    }
    let hello = async {
        let mut line = String::new();
        BufReader::new(TcpStream::connect(address).await.ok()?)
            .read_line(&mut line)
            .await
            .ok()?;
        serde_json::from_str::<Info>(line.strip_prefix("INFO ")?).ok()
    };
    matches!(tokio::time::timeout(HELLO_LIMIT, hello).await, Ok(Some(info)) if info.jetstream)
}

/// Writes the configuration; `true` when the server syncs each write. Servers before 2.10 don't know the setting, and
/// refuse to start with a word that they don't know, so they are asked.
async fn configure(server: &Path, config: &Path, options: &Options, port: u16) -> Result<bool, Error> {
    let wanted = options.durability == Durability::Durable;
    for sync in [wanted, false] {
        let store = options.dir.join("jetstream");
        let text = configuration(&store, port, sync, options.member.as_ref());
        std::fs::write(config, text).map_err(|source| Error::File {
            path: config.to_path_buf(),
            source,
        })?;
        let tried = check(server, config).await?;
        if tried.status.success() {
            return Ok(sync);
        }
        let output = String::from_utf8_lossy(&tried.stderr).into_owned();
        if !(sync && output.contains("sync_interval")) {
            return Err(Error::Configuration {
                path: config.to_path_buf(),
                output,
            });
        }
    }
    Ok(false)
}

async fn check(server: &Path, config: &Path) -> Result<Output, Error> {
    tokio::process::Command::new(server)
        .arg("-t")
        .arg("--config")
        .arg(config)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| Error::Run {
            program: server.to_path_buf(),
            source,
        })
}

fn configuration(store: &Path, port: u16, sync: bool, member: Option<&Member>) -> String {
    let sync = if sync { "  sync_interval: always\n" } else { "" };
    // Ours to quote: nats-server's strings take JSON's escapes.
    let store = serde_json::Value::from(store.to_string_lossy().into_owned());
    let name = member.map_or("rollcall-local", |member| &member.name);
    let cluster = member.map(cluster::section).unwrap_or_default();
    format!(
        "listen: \"127.0.0.1:{port}\"\nserver_name: {name}\njetstream {{\n  store_dir: {store}\n{sync}}}\n{cluster}"
    )
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from(SBIN)])
        .map(|dir| dir.join("nats-server"))
        .find(|program| program.is_file())
}
