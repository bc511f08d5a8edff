//! The simulated Entra tenant that Rollcall reads from.

use std::time::Duration;

use super::Error;
use super::service::ended;
use crate::home::{Home, PortBook};
use crate::port::Port;
use crate::process::{Process, Program, StopWith};
use crate::{binaries, wait};

/// The tenant's id.
pub const TENANT_ID: &str = "11111111-2222-3333-4444-555555555555";
/// The app registered in it.
pub const CLIENT_ID: &str = "66666666-7777-8888-9999-000000000000";
/// The app's secret. It opens nothing but a simulation.
pub const CLIENT_SECRET: &str = "demo-secret-value~not-a-guid";

const NAME: &str = "entra-sim";
/// How many groups: everyone, departments, divisions, two that hold each other, and teams.
const GROUPS: u32 = 60;
const READY_LIMIT: Duration = Duration::from_secs(60);
/// What the simulator says when it is ready, with its address after it.
const READY: &str = "listening on ";

/// Where users come from.
#[derive(Debug, Clone)]
pub enum Directory {
    /// A tenant of so many users, started for this, the same for the same seed.
    Simulated {
        /// How many users.
        users: u32,
        /// What they are made from.
        seed: u64,
    },
    /// A simulator that someone else runs, at this URL.
    At(String),
}

impl Directory {
    pub(super) fn check_program(&self) -> Result<(), binaries::Error> {
        match self {
            Self::Simulated { .. } => binaries::find(NAME).map(drop),
            Self::At(_) => Ok(()),
        }
    }
}

/// The directory in use.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) url: String,
    process: Option<(Process, Port)>,
}

impl Running {
    pub(super) async fn start(directory: &Directory, home: &Home, book: &PortBook) -> Result<Self, Error> {
        let (users, seed) = match directory {
            Directory::Simulated { users, seed } => (*users, *seed),
            Directory::At(url) => {
                return Ok(Self {
                    url: url.clone(),
                    process: None,
                });
            }
        };
        let port = Port::prefer(book.last(NAME))?;
        let args = [
            ("--listen", port.address()),
            ("--users", users.to_string()),
            ("--seed", seed.to_string()),
            ("--groups", GROUPS.to_string()),
            ("--tenant-id", TENANT_ID.to_owned()),
            ("--client-id", CLIENT_ID.to_owned()),
            ("--client-secret", CLIENT_SECRET.to_owned()),
        ];
        let mut process = Process::start(Program {
            name: NAME.to_owned(),
            path: binaries::find(NAME)?,
            args: args
                .into_iter()
                .flat_map(|(flag, value)| [flag.into(), value.into()])
                .collect(),
            env: Vec::new(),
            log: home.log(NAME),
            user: None,
            stop_with: StopWith::Terminate,
            pid_file: Some(home.pid_file(NAME)),
            scratch: home.scratch().map(Into::into),
        })?;
        ready(&mut process).await?;
        Ok(Self {
            url: format!("http://{}", port.address()),
            process: Some((process, port)),
        })
    }

    pub(super) fn note_port(&self, book: &mut PortBook) {
        if let Some((_, port)) = &self.process {
            book.note(NAME, port.number());
        }
    }

    pub(super) fn check(&mut self) -> Result<(), Error> {
        self.process
            .as_mut()
            .map_or(Ok(()), |(process, _)| ended(process))
    }

    /// `true` when it ended in time, or runs elsewhere.
    pub(super) async fn stop(&mut self) -> Result<bool, Error> {
        match &mut self.process {
            Some((process, _)) => Ok(process.stop().await?),
            None => Ok(true),
        }
    }
}

async fn ready(process: &mut Process) -> Result<(), Error> {
    let answer = wait::until(READY_LIMIT, || {
        if process.log_tail().contains(READY) {
            return Ok(Some(()));
        }
        ended(process).map(|()| None)
    });
    match answer.await? {
        Some(()) => Ok(()),
        None => Err(Error::NotReady {
            name: process.name().to_owned(),
            log: process.log().to_path_buf(),
            tail: process.log_tail(),
        }),
    }
}
