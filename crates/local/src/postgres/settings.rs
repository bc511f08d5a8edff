//! The server's settings.

use crate::Durability;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Name and value of each setting that is not PostgreSQL's default.
pub(super) fn of(durability: Durability) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("listen_addresses", "127.0.0.1".to_owned()),
        // Loopback is enough, and a socket's path may be too long for the system below a deep clone.
        ("unix_socket_directories", String::new()),
        ("max_connections", "300".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        ("log_line_prefix", "%m [%p] %q%a ".to_owned()),
        ("log_min_duration_statement", "2s".to_owned()),
        // Register statements are short and many; compiling them costs more than it saves.
        ("jit", "off".to_owned()),
    ];
    match durability {
        Durability::Durable => settings.extend(durable()),
        Durability::Fast => settings.extend(fast()),
    }
    settings
}

fn durable() -> [(&'static str, String); 7] {
    [
        ("fsync", "on".to_owned()),
        ("synchronous_commit", "on".to_owned()),
        ("shared_buffers", format!("{}MB", shared_buffers(memory()) / MIB)),
        ("work_mem", "64MB".to_owned()),
        ("maintenance_work_mem", "256MB".to_owned()),
        ("max_wal_size", "8GB".to_owned()),
        ("checkpoint_timeout", "15min".to_owned()),
    ]
}

fn fast() -> [(&'static str, String); 6] {
    [
        ("fsync", "off".to_owned()),
        ("synchronous_commit", "off".to_owned()),
        ("full_page_writes", "off".to_owned()),
        ("wal_level", "minimal".to_owned()),
        ("max_wal_senders", "0".to_owned()),
        ("shared_buffers", "128MB".to_owned()),
    ]
}

/// An eighth of the memory, between 128 MiB and 2 GiB.
fn shared_buffers(memory: Option<u64>) -> u64 {
    memory.map_or(128 * MIB, |memory| (memory / 8).clamp(128 * MIB, 2 * GIB))
}

/// The machine's memory in bytes, where the system tells.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_follow_the_machine_within_bounds() {
        assert_eq!(shared_buffers(None), 128 * MIB);
        assert_eq!(shared_buffers(Some(GIB / 2)), 128 * MIB);
        assert_eq!(shared_buffers(Some(8 * GIB)), GIB);
        assert_eq!(shared_buffers(Some(64 * GIB)), 2 * GIB);
    }
}
