//! Child processes that can be stopped, killed and started again, and that never outlive us.
//!
//! Each child leads a process group of its own, so a Ctrl-C in the terminal reaches only us and we stop the children in order.
//! Beside each child runs a watchdog: a shell that waits for the end of a pipe which only we hold open. Whatever ends us,
//! `kill -9` included, the pipe closes and the watchdog stops the child.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::orphan;
use crate::user::User;
use crate::wait;

/// How long a child may take to end after it was asked to; then it is killed. Longer than the services' own 25 s.
pub const GRACE: Duration = Duration::from_secs(30);
/// How much of a log is shown when a child ends unexpectedly, in bytes.
const TAIL: u64 = 2_000;

/// `$1` signal, `$2` process group, `$3` a directory to remove afterwards, or nothing.
const WATCHDOG: &str = r#"
read -r _
kill -s "$1" -- "-$2" 2>/dev/null
tries=0
while kill -s 0 -- "-$2" 2>/dev/null && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -s KILL -- "-$2" 2>/dev/null
if [ -n "$3" ]; then rm -rf -- "$3"; fi
"#;

/// What went wrong with a child process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its log file could not be opened.
    #[error("the log {path} could not be opened")]
    Log {
        /// The log.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It could not be started.
    #[error("{name} could not be started from {path}")]
    Spawn {
        /// What it is.
        name: String,
        /// The program.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It could not be asked about its end.
    #[error("the state of {name} could not be read")]
    State {
        /// What it is.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It did not take a signal.
    #[error("{name} could not be signalled")]
    Signal {
        /// What it is.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its pid file could not be written.
    #[error("the pid file of {name} could not be written")]
    PidFile {
        /// What it is.
        name: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// How a child is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopWith {
    /// SIGTERM: the services drain.
    Terminate,
    /// SIGINT: PostgreSQL's fast shutdown.
    Interrupt,
}

impl StopWith {
    fn signal(self) -> Signal {
        match self {
            Self::Terminate => Signal::TERM,
            Self::Interrupt => Signal::INT,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
        }
    }
}

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Program {
    /// What it is, as people call it.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables on top of ours. `ROLLCALL_…` variables of ours are not passed on: services refuse keys they don't know.
    pub env: Vec<(String, String)>,
    /// Where its output goes, appended.
    pub log: PathBuf,
    /// Whom to run it as, if not as ourselves.
    pub user: Option<User>,
    /// How it is asked to end.
    pub stop_with: StopWith,
    /// Where its pid is kept for the next run, in case this one ends without a word.
    pub pid_file: Option<PathBuf>,
    /// A temporary directory that the watchdog removes when we end without doing so.
    pub scratch: Option<PathBuf>,
}

/// A program that runs, or ran and can be started again.
#[derive(Debug)]
pub struct Process {
    program: Program,
    running: Option<Running>,
    log_start: u64,
}

#[derive(Debug)]
struct Running {
    child: Child,
    watchdog: Child,
}

impl Process {
    /// Starts the program.
    pub fn start(program: Program) -> Result<Self, Error> {
        let mut process = Self {
            program,
            running: None,
            log_start: 0,
        };
        process.restart()?;
        Ok(process)
    }

    /// Starts it again with the same arguments. If it still runs, it is killed first.
    pub fn restart(&mut self) -> Result<(), Error> {
        // Even of one that ended by itself the watchdog is still there, and would remove its scratch directory.
        self.finish();
        let program = &self.program;
        let log = open_log(&program.log)?;
        self.log_start = log.metadata().map(|found| found.len()).unwrap_or_default();
        let mut child = spawn(program, &log)?;
        let running = match watchdog(program, child.id()) {
            Ok(watchdog) => Running { child, watchdog },
            Err(source) => {
                end(&mut child);
                return Err(source);
            }
        };
        self.running = Some(running);
        self.write_pid_file()
    }

    /// Changes the arguments for the next [`Process::restart`].
    pub fn set_args(&mut self, args: Vec<OsString>) {
        self.program.args = args;
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }

    /// What it is.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.program.log
    }

    /// How it ended, if it has ended by itself.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>, Error> {
        let Some(running) = &mut self.running else {
            return Ok(None);
        };
        running.child.try_wait().map_err(|source| Error::State {
            name: self.program.name.clone(),
            source,
        })
    }

    /// Asks it to end, waits up to [`GRACE`], then kills it. `true` when it ended by itself.
    pub async fn stop(&mut self) -> Result<bool, Error> {
        Ok(self.stop_and_tell().await?.is_some())
    }

    /// The same; tells how it ended, if it did by itself.
    pub async fn stop_and_tell(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.signal(self.program.stop_with.signal())?;
        let ended = wait::until(GRACE, || self.exited()).await?;
        self.finish();
        Ok(ended)
    }

    /// Ends it at once with SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        self.finish();
    }

    /// Stops it in the middle of whatever it does (SIGSTOP), or lets it go on (SIGCONT).
    pub fn freeze(&self, frozen: bool) -> Result<(), Error> {
        self.signal(if frozen { Signal::STOP } else { Signal::CONT })
    }

    /// What it wrote to its log since it was last started, at most the last 2,000 bytes.
    pub fn log_tail(&self) -> String {
        tail(&self.program.log, self.log_start).unwrap_or_else(|source| format!("(log unreadable: {source})"))
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        let Some(group) = self.pid().and_then(group) else {
            return Ok(());
        };
        match rustix::process::kill_process_group(group, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(source) => Err(Error::Signal {
                name: self.program.name.clone(),
                source: source.into(),
            }),
        }
    }

    fn finish(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        end(&mut running.child);
        // The watchdog last: until the child is gone it must be able to end it.
        end(&mut running.watchdog);
        if let Some(pid_file) = &self.program.pid_file {
            orphan::forget(pid_file);
        }
    }

    fn write_pid_file(&self) -> Result<(), Error> {
        match (&self.program.pid_file, self.pid()) {
            (Some(path), Some(pid)) => orphan::remember(path, pid).map_err(|source| Error::PidFile {
                name: self.program.name.clone(),
                source,
            }),
            _ => Ok(()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.finish();
    }
}

fn spawn(program: &Program, log: &File) -> Result<Child, Error> {
    let failed = |source| Error::Spawn {
        name: program.name.clone(),
        path: program.path.clone(),
        source,
    };
    let mut command = Command::new(&program.path);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("ROLLCALL_") {
            command.env_remove(key);
        }
    }
    command
        .args(&program.args)
        .envs(program.env.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(log.try_clone().map_err(failed)?)
        .process_group(0);
    if let Some(user) = &program.user {
        command.uid(user.uid).gid(user.gid).current_dir("/");
    }
    command.spawn().map_err(failed)
}

fn watchdog(program: &Program, child: u32) -> Result<Child, Error> {
    Command::new("/bin/sh")
        .args([
            "-c",
            WATCHDOG,
            "rollcall-watchdog",
            program.stop_with.name(),
            &child.to_string(),
        ])
        .arg(program.scratch.as_deref().unwrap_or(Path::new("")))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()
        .map_err(|source| Error::Spawn {
            name: format!("{}'s watchdog", program.name),
            path: "/bin/sh".into(),
            source,
        })
}

/// Kills a child's whole group and collects it. A child that is gone already is what was wanted.
fn end(child: &mut Child) {
    if let Some(group) = group(child.id()) {
        rustix::process::kill_process_group(group, Signal::KILL).ok();
    }
    child.kill().ok();
    child.wait().ok();
}

fn group(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn open_log(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|source| Error::Log {
            path: path.to_path_buf(),
            source,
        })
}

fn tail(path: &Path, from: u64) -> io::Result<String> {
    let mut log = File::open(path)?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL))))?;
    let mut bytes = Vec::new();
    log.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, dir: &Path) -> Program {
        Program {
            name: "a shell".into(),
            path: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("ROLLCALL_GIVEN".into(), "yes".into())],
            log: dir.join("shell.log"),
            user: None,
            stop_with: StopWith::Terminate,
            pid_file: Some(dir.join("shell.pid")),
            scratch: None,
        }
    }

    async fn logged(process: &Process, wanted: &str) -> bool {
        let found = || Ok::<_, Error>(process.log_tail().contains(wanted).then_some(()));
        wait::until(Duration::from_secs(10), found)
            .await
            .unwrap()
            .is_some()
    }

    #[tokio::test]
    async fn stopping_lets_a_program_finish_its_work() {
        let dir = tempfile::tempdir().unwrap();
        let script = "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
        let mut process = Process::start(shell(script, dir.path())).unwrap();
        assert!(logged(&process, "ready").await);
        assert!(dir.path().join("shell.pid").exists());

        assert!(process.stop().await.unwrap());
        assert!(process.log_tail().contains("goodbye"));
        assert!(!dir.path().join("shell.pid").exists());
    }

    #[tokio::test]
    async fn a_program_that_ended_by_itself_starts_again_in_the_same_scratch_directory() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let program = Program {
            scratch: Some(scratch.clone()),
            ..shell("true", dir.path())
        };
        let mut process = Process::start(program).unwrap();
        let ended = wait::until(Duration::from_secs(10), || process.exited()).await;
        assert!(ended.unwrap().is_some());
        let watchdog = process.running.as_ref().unwrap().watchdog.id();

        process.restart().unwrap();
        let gone = || Ok::<_, Error>(orphan::is_gone(watchdog).then_some(()));
        assert!(
            wait::until(Duration::from_secs(10), gone)
                .await
                .unwrap()
                .is_some()
        );
        assert!(scratch.exists());
    }

    #[tokio::test]
    async fn a_killed_program_starts_again_and_its_children_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let script = "sleep 1000 & echo child=$!; echo given=$ROLLCALL_GIVEN; wait";
        let mut process = Process::start(shell(script, dir.path())).unwrap();
        assert!(logged(&process, "given=yes").await);
        let log = process.log_tail();
        let child = log
            .lines()
            .find_map(|line| line.strip_prefix("child="))
            .unwrap()
            .to_owned();

        process.kill();
        let gone = || Ok::<_, Error>(orphan::is_gone(child.parse().unwrap()).then_some(()));
        assert!(
            wait::until(Duration::from_secs(10), gone)
                .await
                .unwrap()
                .is_some()
        );

        process.restart().unwrap();
        assert!(logged(&process, "given=yes").await);
        assert!(
            !process.log_tail().contains(&child),
            "the tail begins at the restart"
        );
    }

    #[tokio::test]
    async fn the_watchdog_ends_the_child_when_we_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let mut program = shell("echo ready; exec sleep 1000", dir.path());
        program.scratch = Some(scratch.clone());
        let mut process = Process::start(program).unwrap();
        assert!(logged(&process, "ready").await);

        // What the system does to the pipe when we die.
        drop(process.running.as_mut().unwrap().watchdog.stdin.take());
        let ended = wait::until(Duration::from_secs(10), || process.exited())
            .await
            .unwrap();
        assert!(ended.is_some_and(|status| !status.success()));
        let removed = || Ok::<_, Error>((!scratch.exists()).then_some(()));
        assert!(
            wait::until(Duration::from_secs(20), removed)
                .await
                .unwrap()
                .is_some()
        );
    }
}
