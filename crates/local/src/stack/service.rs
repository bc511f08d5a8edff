//! One copy of one service: started, watched until it is ready, killed, started again at the same address.

use std::path::PathBuf;
use std::time::Duration;

use super::Error;
use super::environment::{self, Listen, Surroundings};
use crate::balancer;
use crate::home::{Home, PortBook};
use crate::port::Port;
use crate::process::{Process, Program, StopWith};
use crate::{binaries, wait};

/// Migrations included.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Rollcall's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The way in: gRPC and the console.
    Api,
    /// Reads Microsoft Graph.
    Fetcher,
    /// Plans and writes the register.
    Reconciler,
    /// Tells people.
    Notifier,
}

impl Service {
    /// All, in the order in which they are started.
    pub const ALL: [Self; 4] = [Self::Reconciler, Self::Fetcher, Self::Notifier, Self::Api];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Fetcher => "fetcher",
            Self::Reconciler => "reconciler",
            Self::Notifier => "notifier",
        }
    }

    /// Its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Api => "rollcall-api",
            Self::Fetcher => "rollcall-fetcher",
            Self::Reconciler => "rollcall-reconciler",
            Self::Notifier => "rollcall-notifier",
        }
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Where one copy of a service will listen.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) service: Service,
    /// 1 for the first.
    pub(super) copy: usize,
    grpc: Port,
    console: Option<Port>,
    scheme: &'static str,
}

impl Place {
    pub(super) fn reserve(
        service: Service,
        copy: usize,
        encrypted: bool,
        book: &mut PortBook,
    ) -> Result<Self, Error> {
        let mut take = |what: &str| -> Result<Port, Error> {
            let name = format!("{service}-{copy}.{what}");
            let port = Port::prefer(book.last(&name))?;
            book.note(&name, port.number());
            Ok(port)
        };
        let grpc = take("grpc")?;
        let console = if service == Service::Api {
            Some(take("console")?)
        } else {
            None
        };
        let scheme = if encrypted { "https" } else { "http" };
        Ok(Self {
            service,
            copy,
            grpc,
            console,
            scheme,
        })
    }

    /// `http://127.0.0.1:PORT` of its gRPC side, or https.
    pub(super) fn grpc_url(&self) -> String {
        self.grpc_url_at(&self.grpc.address())
    }

    /// The same at another address.
    pub(super) fn grpc_url_at(&self, address: &str) -> String {
        format!("{}://{address}", self.scheme)
    }

    /// Its gRPC side, for a balancer.
    pub(super) fn to_balance(&self, home: &Home) -> balancer::Copy {
        balancer::Copy {
            address: self.grpc.address(),
            ready: home.address_file(&self.name()),
        }
    }

    /// `http://127.0.0.1:PORT` of the console, for api.
    pub(super) fn console_url(&self) -> Option<String> {
        self.console
            .as_ref()
            .map(|port| format!("http://{}", port.address()))
    }

    fn listen(&self) -> Listen {
        Listen {
            grpc: self.grpc.address(),
            console: self.console.as_ref().map(Port::address),
        }
    }

    /// `api`, `fetcher-2`: the first copy goes by the service's name alone.
    fn name(&self) -> String {
        match self.copy {
            1 => self.service.to_string(),
            copy => format!("{}-{copy}", self.service),
        }
    }
}

/// One copy of a service.
#[derive(Debug)]
pub(super) struct ServiceProcess {
    pub(super) place: Place,
    process: Process,
    address_file: PathBuf,
}

impl ServiceProcess {
    /// Starts it; [`ServiceProcess::ready`] waits for it.
    pub(super) fn start(place: Place, home: &Home, around: &Surroundings) -> Result<Self, Error> {
        let name = place.name();
        let address_file = home.address_file(&name);
        forget(&address_file);
        let process = Process::start(Program {
            path: binaries::find(place.service.program())?,
            args: vec!["--address-file".into(), address_file.clone().into()],
            env: environment::of(place.service, &place.listen(), around),
            log: home.log(&name),
            user: None,
            stop_with: StopWith::Terminate,
            pid_file: Some(home.pid_file(&name)),
            scratch: home.scratch().map(PathBuf::from),
            name,
        })?;
        Ok(Self {
            place,
            process,
            address_file,
        })
    }

    /// Starts it again at the same address.
    pub(super) fn spawn(&mut self) -> Result<(), Error> {
        self.process.kill();
        forget(&self.address_file);
        Ok(self.process.restart()?)
    }

    /// Waits until it takes calls: then it writes its addresses.
    pub(super) async fn ready(&mut self) -> Result<(), Error> {
        let (process, address_file) = (&mut self.process, &self.address_file);
        let answer = wait::until(READY_LIMIT, || {
            if address_file.exists() {
                return Ok(Some(()));
            }
            ended(process).map(|()| None)
        });
        match answer.await? {
            Some(()) => Ok(()),
            None => Err(Error::NotReady {
                name: self.process.name().to_owned(),
                log: self.process.log().to_path_buf(),
                tail: self.process.log_tail(),
            }),
        }
    }

    /// An error when it has ended by itself.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        ended(&mut self.process)
    }

    pub(super) fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// An error when the process has ended by itself.
pub(super) fn ended(process: &mut Process) -> Result<(), Error> {
    match process.exited()? {
        None => Ok(()),
        Some(status) => Err(Error::Ended {
            name: process.name().to_owned(),
            status,
            log: process.log().to_path_buf(),
            tail: process.log_tail(),
        }),
    }
}

/// A file that is not there is what was wanted; one that stays makes [`ServiceProcess::ready`] too quick, which the next call
/// shows.
fn forget(address_file: &std::path::Path) {
    std::fs::remove_file(address_file).ok();
}
