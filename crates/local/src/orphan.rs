//! Children of a run that ended without stopping them: found by their pid files and stopped before the next begins.
//!
//! The watchdogs make this rare (both must have been killed). A pid file holds the pid and the process's start time, because
//! pids are used again.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::wait;

const GRACE: Duration = Duration::from_secs(10);

/// Writes the pid file of a child.
pub(crate) fn remember(path: &Path, pid: u32) -> io::Result<()> {
    let started = start_time(pid).unwrap_or_default();
    std::fs::write(path, format!("{pid} {started}\n"))
}

/// Removes the pid file of a child that has ended. One that is gone already is what was wanted.
pub(crate) fn forget(path: &Path) {
    std::fs::remove_file(path).ok();
}

/// Stops every process that a pid file in `dir` names and that still runs; returns the names of their pid files.
pub async fn stop_all(dir: &Path) -> io::Result<Vec<String>> {
    let mut stopped = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if let Some(pid) = alive(&std::fs::read_to_string(&path)?) {
            stop(pid).await;
            stopped.push(
                path.file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
            );
        }
        std::fs::remove_file(&path)?;
    }
    stopped.sort();
    Ok(stopped)
}

/// Whether no process has this pid any more, or only a dead one that nobody has collected.
pub(crate) fn is_gone(pid: u32) -> bool {
    stat(pid).is_none_or(|fields| fields.first().is_some_and(|state| state == "Z"))
}

/// Asks a process group to end, then ends it.
pub(crate) async fn stop(pid: u32) {
    let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    // Not SIGTERM: PostgreSQL would wait for its clients to leave.
    rustix::process::kill_process_group(group, Signal::INT).ok();
    let gone = || Ok::<_, std::convert::Infallible>(is_gone(pid).then_some(()));
    if let Ok(None) = wait::until(GRACE, gone).await {
        rustix::process::kill_process_group(group, Signal::KILL).ok();
    }
}

fn alive(pid_file: &str) -> Option<u32> {
    let (pid, started) = pid_file.trim().split_once(' ')?;
    let pid = pid.parse().ok()?;
    (!is_gone(pid) && start_time(pid)? == started).then_some(pid)
}

fn start_time(pid: u32) -> Option<String> {
    // Field 22 of the whole line, which is the 20th after the name.
    stat(pid)?.into_iter().nth(19)
}

/// The fields of /proc/PID/stat after the name, which may itself hold spaces and parentheses.
fn stat(pid: u32) -> Option<Vec<String>> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = line.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[tokio::test]
    async fn an_orphan_is_stopped_and_a_stranger_with_its_pid_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut orphan = Command::new("sleep")
            .arg("1000")
            .process_group(0)
            .spawn()
            .unwrap();
        let mut stranger = Command::new("sleep")
            .arg("1000")
            .process_group(0)
            .spawn()
            .unwrap();
        remember(&dir.path().join("orphan.pid"), orphan.id()).unwrap();
        std::fs::write(dir.path().join("stranger.pid"), format!("{} 1\n", stranger.id())).unwrap();
        std::fs::write(dir.path().join("broken.pid"), "not a pid").unwrap();

        assert_eq!(stop_all(dir.path()).await.unwrap(), ["orphan"]);
        assert!(orphan.wait().unwrap().code().is_none(), "ended by a signal");
        assert!(stranger.try_wait().unwrap().is_none(), "still runs");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
