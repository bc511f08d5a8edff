//! A key ring in a file that all services read, and that a test changes.

use std::path::PathBuf;
use std::process::Command;

use harness::site::Site;
use harness::world::World;
use local::stack::{Builder, Service};
use serde_json::Value;
use tempfile::TempDir;

/// The file.
pub struct Ring {
    dir: TempDir,
}

impl Ring {
    /// With this text.
    pub fn new(text: &str) -> Self {
        let ring = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        ring.set(text);
        ring
    }

    /// Makes all services read it. It has to outlive them.
    pub fn of(&self, builder: Builder) -> Builder {
        let path = self.path();
        Service::ALL.into_iter().fold(builder, |builder, service| {
            builder
                .set(service, "vault.keys", "")
                .set(service, "vault.keys_file", path.to_str().unwrap())
        })
    }

    /// What whoever starts from now on reads.
    pub fn set(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("keys")
    }
}

/// An entry with a new key, made as the document says.
pub fn entry(id: &str) -> String {
    let made = Command::new("openssl")
        .args(["rand", "-base64", "32"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    format!("{id}:{}", String::from_utf8(made.stdout).unwrap().trim())
}

/// Stops copies of a service in order and starts them again, one after the other.
pub async fn restart_one_by_one(site: &mut Site, service: Service, copies: usize) {
    for copy in 1..=copies {
        let stack = site.stack_mut();
        assert!(stack.stop_one(service, copy).await.unwrap(), "{service} {copy}");
        stack.spawn(service, copy).unwrap();
        stack.ready(service, copy).await.unwrap();
    }
}

/// What `rollcall key list` says of a key.
pub async fn key(world: &World, id: &str) -> Option<Value> {
    let list = world.cli_json(&["key", "list"]).await;
    let keys = list["keys"].as_array().cloned().unwrap_or_default();
    keys.into_iter().find(|key| key["id"] == id)
}

/// How many secrets a key has sealed.
pub async fn secrets(world: &World, id: &str) -> u64 {
    let key = key(world, id).await.unwrap_or_default();
    key["secrets"].as_u64().unwrap_or_default()
}
