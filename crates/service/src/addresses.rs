//! The addresses a process listens on: logged, and written to a file for whoever started it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What listens where, by what it speaks (`grpc`, `console`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses(Arc<Mutex<BTreeMap<&'static str, SocketAddr>>>);

impl Addresses {
    /// Adds one, and logs it.
    pub(crate) fn add(&self, what: &'static str, address: SocketAddr) {
        tracing::info!("listening {what}={address}");
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(what, address);
    }

    /// Writes all as one JSON object, such as `{"grpc":"127.0.0.1:7401"}`. The file appears whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let texts: BTreeMap<_, _> = all
            .iter()
            .map(|(what, address)| (*what, address.to_string()))
            .collect();
        let json = serde_json::to_string(&texts).map_err(io::Error::other)?;
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".tmp");
        std::fs::write(&unfinished, format!("{json}\n"))?;
        std::fs::rename(&unfinished, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_every_address() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api.json");
        let addresses = Addresses::default();
        addresses.add("grpc", "127.0.0.1:7400".parse().unwrap());
        addresses.add("console", "[::1]:7480".parse().unwrap());
        addresses.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"console\":\"[::1]:7480\",\"grpc\":\"127.0.0.1:7400\"}\n");
    }
}
