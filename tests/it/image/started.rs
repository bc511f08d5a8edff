//! The programs of the image in an empty root, as a stranger who may write nowhere.

use std::path::Path;
use std::process::{Command, Output};

use harness::wait::until;
use local::port::Port;
use local::process::Process;
use local::stack::{Directory, Service, Stack};

use super::compose_file::{Compose, Variables, variables_as_documented};
use super::empty_root::{Build, EmptyRoot};
use super::{PROGRAMS, SERVICES, workspace};

/// What the base comes to, with libgcc: Debian's libc6 (12.8 MB), tzdata (1.4 MB), and small things.
const BASE_BYTES: u64 = 15_300_000;
/// What the image may come to.
const IMAGE_BYTES: u64 = 60_000_000;

fn nothing() -> Variables {
    Variables::new()
}

fn shown(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}: {}{}",
        output.status,
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// Runs a program to its end, which must be a good one, and takes what it printed.
fn printed(root: &EmptyRoot, program: &str, args: &[&str], variables: &Variables) -> String {
    let output = root.command(program, args, variables).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", shown(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_program_starts_says_what_it_can_be_told_and_is_small() {
    let build = Build::of_this_run();
    let root = EmptyRoot::new(&build);
    let (compose, variables) = (Compose::read(), variables_as_documented());
    for program in PROGRAMS {
        let version = printed(&root, program, &["--version"], &nothing());
        assert_eq!(version, format!("{program} {}\n", env!("CARGO_PKG_VERSION")));
    }
    for service in SERVICES {
        let program = format!("rollcall-{service}");
        let defaults = printed(&root, &program, &["--print-defaults"], &nothing());
        assert!(
            defaults.contains("[grpc]") && defaults.contains("[database]"),
            "{defaults}"
        );
        let told = compose.environment(service, &variables);
        assert_eq!(printed(&root, &program, &["--check-config"], &told), "OK\n");
    }
    // That of the tests' own build is not made to be small.
    if let Build::Image(program) = build {
        let bytes = std::fs::read(program).unwrap();
        let size = BASE_BYTES + u64::try_from(bytes.len()).unwrap();
        println!("the image comes to {} MB", size / 1_000_000);
        assert!(size < IMAGE_BYTES, "the image comes to {size} bytes");
        let here = workspace().to_str().unwrap();
        let shown = String::from_utf8_lossy(&bytes).contains(here);
        assert!(
            !shown,
            "the program tells where it was built, so that it is another elsewhere"
        );
    }
}

/// The addresses that the services have on this machine, in place of those in the compose file's network.
struct Places {
    grpc: Vec<(&'static str, Port)>,
    console: Port,
    database_url: String,
    nats_url: String,
}

impl Places {
    fn of(stack: &Stack) -> Self {
        Self {
            grpc: SERVICES.map(|service| (service, Port::reserve().unwrap())).into(),
            console: Port::reserve().unwrap(),
            database_url: stack.endpoints().database_url.clone(),
            nats_url: stack.endpoints().nats_url.clone(),
        }
    }

    fn port(&self, service: &str) -> &Port {
        let found = self.grpc.iter().find(|(name, _)| *name == service);
        &found.unwrap().1
    }

    /// What the compose file tells a service, in these places.
    fn told(&self, service: &str, compose: &Compose, variables: &Variables) -> Variables {
        let mut told = compose.environment(service, variables);
        let url = |service: &str| format!("http://{}", self.port(service).address());
        let here = [
            ("ROLLCALL_DATABASE__URL", self.database_url.clone()),
            ("ROLLCALL_NATS__URL", self.nats_url.clone()),
            // On every address, as there.
            (
                "ROLLCALL_GRPC__LISTEN",
                format!("0.0.0.0:{}", self.port(service).number()),
            ),
            ("ROLLCALL_FETCHER__URL", url("fetcher")),
            ("ROLLCALL_RECONCILER__URL", url("reconciler")),
            ("ROLLCALL_CONSOLE__LISTEN", self.console.address()),
            ("ROLLCALL_API", url("api")),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1".to_owned()),
        ];
        for (name, value) in here {
            if let Some(there) = told.get_mut(name) {
                *there = value;
            }
        }
        told
    }
}

async fn database_and_broker() -> Stack {
    let builder = Service::ALL
        .into_iter()
        .fold(Stack::builder(), |builder, service| builder.copies(service, 0))
        .directory(Directory::At("http://127.0.0.1:9".to_owned()));
    builder.start().await.unwrap_or_else(|error| panic!("{error}"))
}

/// One more fetcher, told to write its addresses into the root.
async fn nothing_can_be_written(root: &EmptyRoot, fetcher: &Variables, logs: &Path) {
    let (mut told, port) = (fetcher.clone(), Port::reserve().unwrap());
    told.insert("ROLLCALL_GRPC__LISTEN".to_owned(), port.address());
    told.insert("ROLLCALL_PROCESS__ADDRESS_FILE".to_owned(), "/new".to_owned());
    let program = root.program("rollcall-fetcher", &told, logs.join("one-more"));
    let mut process = Process::start(program).unwrap();
    let status = until("a fetcher that may not write", async || process.exited().unwrap()).await;
    let said = process.log_tail();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("cannot write the addresses to /new: Permission denied"),
        "{said}"
    );
}

#[tokio::test]
async fn the_services_come_up_serve_and_end_when_asked() {
    let root = EmptyRoot::new(&Build::of_this_run());
    let (compose, variables) = (Compose::read(), variables_as_documented());
    let stack = database_and_broker().await;
    let (places, logs) = (Places::of(&stack), tempfile::tempdir().unwrap());
    let mut running = Vec::new();
    for service in SERVICES {
        let program = format!("rollcall-{service}");
        let told = places.told(service, &compose, &variables);
        let log = logs.path().join(&program);
        let process = Process::start(root.program(&program, &told, log)).unwrap();
        running.push((program, told, process));
    }
    for (program, told, process) in &mut running {
        until(&format!("{program} that serves"), async || {
            assert!(
                process.exited().unwrap().is_none(),
                "{program}: {}",
                process.log_tail()
            );
            let asked = root.command(program, &["--health"], told).output().unwrap();
            (asked.stdout == b"serving\n").then_some(())
        })
        .await;
    }
    let (_, api, _) = &running[0];
    let listed = printed(
        &root,
        "rollcall",
        &["connection", "list", "--output", "json"],
        api,
    );
    assert!(
        listed.contains("connections"),
        "the documented token is an admin's: {listed}"
    );
    let said = std::fs::read_to_string(running[1].2.log()).unwrap();
    assert!(
        said.contains("bus connected") && !said.contains("no certificates on this machine"),
        "the fetcher trusts the public authorities: {said}"
    );
    nothing_can_be_written(&root, &running[1].1, logs.path()).await;

    for (program, _, mut process) in running {
        let pid = process.pid().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let status = until(&format!("the end of {program}"), async || {
            process.exited().unwrap()
        })
        .await;
        assert_eq!(status.code(), Some(0), "{program}: {}", process.log_tail());
    }
    let killed = stack.stop().await.unwrap();
    assert!(killed.is_empty(), "{killed:?}");
}
