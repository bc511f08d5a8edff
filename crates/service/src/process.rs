//! What the process itself uses, as Linux tells it in /proc. Elsewhere nothing is told.

use std::fs;
use std::time::Instant;

use crate::metrics::{observe, observe_total};

/// Seconds of processor time used.
pub const CPU: &str = "process.cpu.time";
/// Memory that is held in RAM.
pub const MEMORY: &str = "process.memory.usage";
/// Open files and sockets.
pub const FILES: &str = "process.unix.file_descriptor.count";
/// Seconds since the start.
pub const UPTIME: &str = "process.uptime";

/// Ticks a second of the times in /proc/self/stat: the same wherever Linux runs Rust.
const TICKS: f64 = 100.0;

/// Tells all of it from now on.
pub(crate) fn tell() {
    let started = Instant::now();
    observe(UPTIME, "Time since the process started.", "s", move |to| {
        to.tell(started.elapsed().as_secs_f64(), &[]);
    });
    observe_total(CPU, "Processor time used.", "s", |to| {
        if let Some(seconds) = fs::read_to_string("/proc/self/stat")
            .ok()
            .as_deref()
            .and_then(cpu)
        {
            to.tell(seconds, &[]);
        }
    });
    observe(MEMORY, "Memory held in RAM.", "By", |to| {
        if let Some(bytes) = fs::read_to_string("/proc/self/status")
            .ok()
            .as_deref()
            .and_then(resident)
        {
            to.tell(bytes, &[]);
        }
    });
    observe(FILES, "Open files and sockets.", "", |to| {
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            let count = u32::try_from(files.count()).unwrap_or(u32::MAX);
            to.tell(f64::from(count), &[]);
        }
    });
}

/// User and system time of /proc/self/stat, in seconds.
fn cpu(stat: &str) -> Option<f64> {
    // The second field is the program's name in brackets, which may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_ascii_whitespace().skip(11);
    let (user, system) = (ticks.next()?, ticks.next()?);
    Some((user.parse::<f64>().ok()? + system.parse::<f64>().ok()?) / TICKS)
}

/// `VmRSS` of /proc/self/status, in bytes.
fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "77 (roll) call)) S 1 77 77 0 -1 4194560 900 0 1 0 250 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(cpu("77"), None);
    }

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(
            resident("VmPeak:\t  90000 kB\nVmRSS:\t   2048 kB\n"),
            Some(2_097_152.0)
        );
        assert_eq!(resident("Name:\tx\n"), None);
    }
}
