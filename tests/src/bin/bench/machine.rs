//! What processes cost, as the kernel counts it.

use std::path::Path;

use anyhow::Context as _;

/// The kernel tells CPU time in hundredths of a second, on every machine that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU-seconds of a process, its children that have ended included.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = Stat::of(pid).with_context(|| format!("process {pid} can't be read"))?;
    Ok(stat.seconds())
}

/// CPU-seconds of a process and of its children, those that live and those that have ended: PostgreSQL has a process for each
/// connection.
pub fn cpu_seconds_with_children(pid: u32) -> anyhow::Result<f64> {
    let mut seconds = cpu_seconds(pid)?;
    for entry in std::fs::read_dir("/proc")? {
        let Ok(other) = entry?.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // One that ends meanwhile is among those that have ended the next time.
        if let Some(stat) = Stat::of(other)
            && stat.parent == pid
        {
            seconds += stat.seconds();
        }
    }
    Ok(seconds)
}

/// The most memory that a process has held so far, in MiB.
pub fn peak_mib(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kibibytes: f64 = kibibytes
        .context("/proc tells no VmHWM")?
        .trim()
        .parse()
        .context("VmHWM is no number")?;
    Ok(kibibytes / 1024.0)
}

/// The process id that a file begins with.
pub fn pid_in(file: &Path) -> anyhow::Result<u32> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    let first = text.split_whitespace().next().unwrap_or_default();
    first
        .parse()
        .with_context(|| format!("{} begins with {first:?}, which is no process id", file.display()))
}

/// What `/proc/PID/stat` says.
struct Stat {
    parent: u32,
    ticks: u64,
}

impl Stat {
    /// `None` when there is no such process.
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name in the second field may hold anything but ends with the last parenthesis.
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let times = fields.get(11..15)?;
        let ticks = times
            .iter()
            .map(|ticks| ticks.parse::<u64>().ok())
            .sum::<Option<u64>>()?;
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            ticks,
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody computes for 2^53 hundredths of a second"
    )]
    fn seconds(&self) -> f64 {
        self.ticks as f64 / TICKS_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_parentheses_and_spaces() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 50 25 5 20 0 8 0 1 2 3";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.parent, stat.ticks), (7, 180));
    }

    #[test]
    fn our_own_cost_can_be_told() {
        let pid = std::process::id();
        assert!(peak_mib(pid).unwrap() > 0.5);
        assert!(cpu_seconds_with_children(pid).unwrap() >= cpu_seconds(pid).unwrap());
    }
}
