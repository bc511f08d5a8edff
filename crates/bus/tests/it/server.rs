//! A nats-server of the test's own, on a free port, in a directory of its own, killed when the test ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rollcall_bus::streams::Limits;
use rollcall_bus::{Bus, Options};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(30);

pub struct Server {
    directory: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    pub fn start() -> Self {
        Self::with("")
    }

    /// With more lines of configuration.
    pub fn with(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("jetstream");
        let config = format!(
            "jetstream {{ store_dir: {:?}, max_file_store: 4GB }}\n{config}\n",
            store.display()
        );
        std::fs::write(directory.path().join("nats.conf"), config).unwrap();
        let process = spawn(directory.path(), -1);
        let port = wait_for_port(directory.path(), process.id());
        Self {
            directory,
            port,
            process,
        }
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Empties its disk.
    pub fn forget_everything(&self) {
        std::fs::remove_dir_all(self.directory.path().join("jetstream")).unwrap();
    }

    /// Starts it again on the same port with what it had stored.
    pub fn start_again(&mut self) {
        self.process = spawn(self.directory.path(), i32::from(self.port));
        assert_eq!(wait_for_port(self.directory.path(), self.process.id()), self.port);
    }

    pub async fn bus(&self) -> Bus {
        self.bus_with(Limits::default()).await
    }

    pub async fn bus_with(&self, limits: Limits) -> Bus {
        let options = Options {
            url: self.url().into(),
            name: "test".to_owned(),
            credentials: None,
            tls: None,
            limits,
        };
        Bus::connect(&options).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn spawn(directory: &Path, port: i32) -> Child {
    let log = std::fs::File::create(directory.join("log")).unwrap();
    let config = directory.join("nats.conf");
    let mut command = Command::new("nats-server");
    command
        .arg("--config")
        .arg(config)
        .arg("--ports_file_dir")
        .arg(directory);
    command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
    let started = command.stdout(Stdio::null()).stderr(log).spawn();
    started.expect("nats-server is installed (apt install nats-server)")
}

/// The server writes `nats-server_<pid>.ports` when it is ready.
fn wait_for_port(directory: &Path, pid: u32) -> u16 {
    let file = directory.join(format!("nats-server_{pid}.ports"));
    let begun = Instant::now();
    loop {
        let ports = std::fs::read_to_string(&file)
            .ok()
            .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        if let Some(ports) = ports {
            let url = ports["nats"][0].as_str().unwrap().to_owned();
            return url.rsplit_once(':').unwrap().1.parse().unwrap();
        }
        let log = || std::fs::read_to_string(directory.join("log")).unwrap();
        assert!(begun.elapsed() < DEADLINE, "nats-server did not start: {}", log());
        std::thread::sleep(Duration::from_millis(5));
    }
}
