//! The `rollcall` command line, run as a person would.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::binaries;
use crate::stack::Endpoints;

/// Longer than any run of a test or the demo.
const LIMIT: Duration = Duration::from_secs(900);

/// Why a command gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be run.
    #[error("rollcall could not be run")]
    Run(#[source] io::Error),
    /// It did not end in time.
    #[error("`rollcall {command}` did not end within {secs} s", secs = LIMIT.as_secs())]
    Slow {
        /// The arguments.
        command: String,
    },
    /// It ended with another code than 0.
    #[error("`rollcall {command}` ended with {code}: {stderr}")]
    Failed {
        /// The arguments.
        command: String,
        /// Its exit code; -1 for a signal.
        code: i32,
        /// What it said.
        stderr: String,
    },
    /// Its answer is not the JSON that was asked for.
    #[error("`rollcall {command}` did not answer with JSON")]
    Json {
        /// The arguments.
        command: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its exit code; -1 for a signal.
    pub code: i32,
    /// What it answered.
    pub stdout: String,
    /// What it said beside.
    pub stderr: String,
}

/// The command line with an address and a token.
#[derive(Clone)]
pub struct Cli {
    program: PathBuf,
    env: Vec<(String, String)>,
}

impl Cli {
    /// For this Rollcall.
    pub fn new(endpoints: &Endpoints) -> Result<Self, binaries::Error> {
        let env = vec![
            ("ROLLCALL_API".to_owned(), endpoints.api.clone()),
            ("ROLLCALL_TOKEN".to_owned(), endpoints.token.clone()),
        ];
        Ok(Self {
            program: binaries::find("rollcall")?,
            env,
        })
    }

    /// One more variable, or another value for one.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it and returns how it ended.
    pub async fn run(&self, args: &[&str]) -> Result<Answer, Error> {
        self.answer(args, Stdio::piped()).await
    }

    async fn answer(&self, args: &[&str], stderr: Stdio) -> Result<Answer, Error> {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(stderr);
        let output = async { command.spawn()?.wait_with_output().await };
        let output = tokio::time::timeout(LIMIT, output)
            .await
            .map_err(|_| Error::Slow {
                command: args.join(" "),
            })?
            .map_err(Error::Run)?;
        Ok(Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it with our own terminal, so that its progress is seen. Returns its exit code.
    pub async fn show(&self, args: &[&str]) -> Result<i32, Error> {
        let status = tokio::time::timeout(LIMIT, self.command(args).status())
            .await
            .map_err(|_| Error::Slow {
                command: args.join(" "),
            })?
            .map_err(Error::Run)?;
        Ok(status.code().unwrap_or(-1))
    }

    /// Runs it with `--output json` and returns the answer; another exit code than 0 is an error.
    pub async fn json(&self, args: &[&str]) -> Result<Value, Error> {
        self.json_saying(args, Stdio::piped()).await
    }

    /// The same with our own terminal for what it says beside, so that its progress is seen.
    pub async fn json_with_progress(&self, args: &[&str]) -> Result<Value, Error> {
        self.json_saying(args, Stdio::inherit()).await
    }

    async fn json_saying(&self, args: &[&str], stderr: Stdio) -> Result<Value, Error> {
        let args = [args, &["--output", "json"]].concat();
        let command = || args.join(" ");
        let answer = self.answer(&args, stderr).await?;
        if answer.code != 0 {
            return Err(Error::Failed {
                command: command(),
                code: answer.code,
                stderr: answer.stderr,
            });
        }
        serde_json::from_str(&answer.stdout).map_err(|source| Error::Json {
            command: command(),
            source,
        })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}
