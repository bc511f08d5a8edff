//! A data directory: made once, whole or not at all, and owned by the user that the server runs as.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Error, Programs};
use crate::user::User;
use crate::{Durability, orphan, secret};

/// Where the data go when the server's user may not reach the directory asked for (a clone below /root).
const ELSEWHERE: &str = "/var/lib/rollcall-local";
/// The superuser of a private instance.
pub(super) const SUPERUSER: &str = "rollcall";

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) data: PathBuf,
    pub(super) password: String,
    pub(super) programs: Programs,
    pub(super) user: Option<User>,
}

impl Cluster {
    /// The cluster in `dir`: the one that is there, else a new one.
    pub(super) async fn open_or_create(
        dir: &Path,
        user: Option<User>,
        durability: Durability,
    ) -> Result<Self, Error> {
        let dir = prepare(dir, user.as_ref())?;
        let data = dir.join("data");
        let programs = Programs::find(&data)?;
        let password_file = dir.join("password");
        let password = secret::kept(&password_file, secret::password).map_err(|source| Error::File {
            path: password_file,
            source,
        })?;
        let cluster = Self {
            data,
            password,
            programs,
            user,
        };
        if !cluster.data.exists() {
            cluster.create(&dir, durability).await?;
        }
        Ok(cluster)
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.data.join("postmaster.pid")
    }

    /// The pid file of a server that did not stop properly. PostgreSQL takes any living process of its user with that pid for
    /// the old server, which after a reboot, or in a fresh container, is often wrong; we look at what it runs.
    pub(super) async fn clear_stale_pid_file(&self) -> Result<(), Error> {
        let path = self.pid_file();
        let Ok(text) = std::fs::read_to_string(&path) else {
            return Ok(());
        };
        if let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok())
            && runs_on(pid, &self.data)
        {
            orphan::stop(pid).await;
        }
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::File { path, source }),
            _ => Ok(()),
        }
    }

    async fn create(&self, dir: &Path, durability: Durability) -> Result<(), Error> {
        // Under another name until it is complete, so that an interrupted initdb is not taken for a cluster.
        let unfinished = dir.join("data.unfinished");
        let password_file = dir.join("password.initdb");
        remove_dir(&unfinished)?;
        secret::write(&password_file, &self.password).map_err(|source| Error::File {
            path: password_file.clone(),
            source,
        })?;
        if let Some(user) = &self.user {
            user.own(&password_file)?;
        }
        let made = self.run_initdb(&unfinished, &password_file, durability).await;
        std::fs::remove_file(&password_file).map_err(|source| Error::File {
            path: password_file,
            source,
        })?;
        made?;
        std::fs::rename(&unfinished, &self.data).map_err(|source| Error::File {
            path: unfinished,
            source,
        })
    }

    async fn run_initdb(
        &self,
        data: &Path,
        password_file: &Path,
        durability: Durability,
    ) -> Result<(), Error> {
        let mut command = Command::new(&self.programs.initdb);
        command
            .arg("--pgdata")
            .arg(data)
            .arg("--pwfile")
            .arg(password_file)
            .args([
                "--username",
                SUPERUSER,
                "--auth",
                "scram-sha-256",
                "--encoding",
                "UTF8",
            ])
            .args(["--locale", "C.UTF-8", "--no-instructions"])
            .current_dir("/");
        if durability == Durability::Fast {
            command.arg("--no-sync");
        }
        if let Some(user) = &self.user {
            command.uid(user.uid).gid(user.gid);
        }
        let failed = |source| Error::Run {
            program: self.programs.initdb.clone(),
            source,
        };
        let output = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::InitDb {
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}

/// Lets the server's user pass through a temporary directory, which is made for us alone.
pub(super) fn let_others_through(path: &Path) -> Result<(), Error> {
    std::fs::set_permissions(path, Permissions::from_mode(0o711)).map_err(|source| Error::File {
        path: path.to_path_buf(),
        source,
    })
}

/// Makes the directory, or its stand-in where the user can reach it.
fn prepare(dir: &Path, user: Option<&User>) -> Result<PathBuf, Error> {
    make_dir(dir)?;
    let Some(user) = user else {
        return Ok(dir.to_path_buf());
    };
    let dir = if user.can_reach(dir.parent().unwrap_or(dir)) {
        dir.to_path_buf()
    } else {
        elsewhere(dir)?
    };
    make_dir(&dir)?;
    // initdb makes the data directory itself, as that user.
    user.own(&dir)?;
    Ok(dir)
}

/// A place of its own for this directory. Its name is kept in the directory and not made from the path, so that removing the
/// directory means beginning anew, and moving it does not.
fn elsewhere(dir: &Path) -> Result<PathBuf, Error> {
    let note = dir.join("data-are-in");
    let make = || format!("{ELSEWHERE}/{:016x}", rand::random::<u64>());
    secret::kept(&note, make)
        .map(PathBuf::from)
        .map_err(|source| Error::File { path: note, source })
}

fn make_dir(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(|source| Error::File {
        path: path.to_path_buf(),
        source,
    })
}

fn remove_dir(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::File {
            path: path.to_path_buf(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Whether the process is a server on these data: its command line is `postgres -D DATA …`.
fn runs_on(pid: u32, data: &Path) -> bool {
    let Ok(command) = std::fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    let data = data.to_string_lossy();
    command
        .split(|byte| *byte == 0)
        .any(|argument| argument == data.as_bytes())
}
