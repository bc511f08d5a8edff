//! The chassis as a process: its exit codes, its address file, its signals. Runs `examples/idle.rs`.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it by panicking")]

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use rollcall_service::config::GrpcClientConfig;
use rollcall_service::grpc::channel;
use tonic::transport::server::TcpIncoming;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const DEADLINE: Duration = Duration::from_secs(30);

fn idle() -> Command {
    let test = std::env::current_exe().unwrap();
    let example: PathBuf = test.parent().unwrap().parent().unwrap().join("examples/idle");
    assert!(
        example.exists(),
        "{} is built by `cargo test -p rollcall-service`",
        example.display()
    );
    let mut command = Command::new(example);
    command.env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running process, killed if the test ends before it does.
struct Process(Option<Child>);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(Some(command.spawn().unwrap()))
    }

    fn signal(&self, signal: &str) {
        let id = self.0.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    fn end(mut self) -> Output {
        let mut child = self.0.take().unwrap();
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > DEADLINE {
                child.kill().unwrap();
                panic!("still running: {}", stderr(&child.wait_with_output().unwrap()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.wait_with_output().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The gRPC address that the process reports in `file`.
fn address(file: &std::path::Path) -> String {
    let begun = Instant::now();
    loop {
        if let Ok(text) = std::fs::read_to_string(file) {
            let addresses: serde_json::Value = serde_json::from_str(&text).unwrap();
            return addresses["grpc"].as_str().unwrap().to_owned();
        }
        assert!(begun.elapsed() < DEADLINE, "no address file");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn it_serves_health_until_sigterm_and_then_exits_0() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("idle.json");
    let process = Process::start(idle().arg("--address-file").arg(&file));
    let url = format!("http://{}", address(&file));
    let mut client = HealthClient::new(channel(&GrpcClientConfig { url, tls: None }).unwrap());
    let mut statuses = client
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    while statuses.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}

    process.signal("-TERM");
    let output = tokio::task::spawn_blocking(|| process.end()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines: Vec<serde_json::Value> = stderr(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let messages: Vec<_> = lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert!(
        messages.contains(&"stopping") && messages.last() == Some(&"stopped"),
        "{messages:?}"
    );
    assert!(lines.iter().all(|line| line["service"] == "idle"));
}

/// What a collector was sent.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<ResourceSpans>>>,
    metrics: Arc<Mutex<Vec<ResourceMetrics>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.spans
            .lock()
            .unwrap()
            .extend(request.into_inner().resource_spans);
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, tonic::Status> {
        self.metrics
            .lock()
            .unwrap()
            .extend(request.into_inner().resource_metrics);
        Ok(tonic::Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Collector {
    /// Listens on a free port and answers for as long as the test's runtime lives.
    async fn listen(&self, tasks: &rollcall_service::drain::Tasks) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .add_service(MetricsServiceServer::new(self.clone()));
        tasks.spawn(
            "collector",
            server.serve_with_incoming(TcpIncoming::from(listener)),
        );
        url
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_and_metrics_reach_a_collector_before_the_process_ends() {
    let tasks = rollcall_service::drain::Tasks::new(rollcall_service::drain::Stopper::new());
    let collector = Collector::default();
    let collector_url = collector.listen(&tasks).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("idle.json");
    let process = Process::start(
        idle()
            .arg("--address-file")
            .arg(&file)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector_url),
    );
    let url = format!("http://{}", address(&file));
    let mut client = HealthClient::new(channel(&GrpcClientConfig { url, tls: None }).unwrap());
    client.check(HealthCheckRequest::default()).await.unwrap();
    drop(client);
    process.signal("-TERM");
    let output = tokio::task::spawn_blocking(|| process.end()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let spans = collector.spans.lock().unwrap();
    let resource = spans[0].resource.as_ref().unwrap();
    let name = resource
        .attributes
        .iter()
        .find(|known| known.key == "service.name")
        .unwrap();
    assert!(format!("{name:?}").contains("rollcall-idle"), "{name:?}");
    let mut names = spans
        .iter()
        .flat_map(|all| &all.scope_spans)
        .flat_map(|scope| &scope.spans);
    assert!(names.any(|span| span.name == "idle.wait"));
    let metrics = collector.metrics.lock().unwrap();
    let mut names = metrics
        .iter()
        .flat_map(|all| &all.scope_metrics)
        .flat_map(|scope| &scope.metrics);
    assert!(names.any(|metric| metric.name == "rpc.server.duration"));
}

#[test]
fn a_collector_that_is_away_does_not_keep_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("idle.json");
    let process = Process::start(
        idle()
            .arg("--address-file")
            .arg(&file)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
    );
    address(&file);
    process.signal("-TERM");
    let output = process.end();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_failing_task_ends_the_process_with_a_failure_that_names_it() {
    let failed = Process::start(idle().env("ROLLCALL_IDLE__BEHAVIOUR", "fail")).end();
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        stderr(&failed).ends_with("idle: task idler failed: told to fail\n"),
        "{}",
        stderr(&failed)
    );

    let panicked = Process::start(idle().env("ROLLCALL_IDLE__BEHAVIOUR", "panic")).end();
    assert_eq!(panicked.status.code(), Some(1));
    assert!(
        stderr(&panicked).contains(r#""panic.message":"told to panic""#),
        "{}",
        stderr(&panicked)
    );
    assert!(
        stderr(&panicked).ends_with("idle: task idler panicked: told to panic\n"),
        "{}",
        stderr(&panicked)
    );
}

#[test]
fn a_task_that_does_not_heed_the_stop_is_cut_off_after_the_grace() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("idle.json");
    let process = Process::start(
        idle()
            .env("ROLLCALL_IDLE__BEHAVIOUR", "deaf")
            .env("ROLLCALL_PROCESS__GRACE_SECONDS", "0")
            .env("ROLLCALL_PROCESS__ADDRESS_FILE", &file),
    );
    address(&file);
    process.signal("-INT");
    let output = process.end();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("still running 0 s after the stop: "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("idle.json");
    let mut command = idle();
    let process = Process::start(
        command
            .env("ROLLCALL_IDLE__BEHAVIOUR", "deaf")
            .env("ROLLCALL_PROCESS__GRACE_SECONDS", "3600")
            .env("ROLLCALL_PROCESS__ADDRESS_FILE", &file),
    );
    address(&file);
    process.signal("-TERM");
    // Signals of one kind that come together count once; another kind counts for itself.
    process.signal("-INT");
    let output = process.end();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).ends_with("idle: ended at once by a second signal\n"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn wrong_configuration_exits_64_before_anything_binds() {
    let output = Process::start(idle().env("ROLLCALL_IDLE__BEHAVIOR", "wait")).end();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(
        stderr(&output),
        "idle: unknown key idle.behavior in variable ROLLCALL_IDLE__BEHAVIOR; known there: behaviour\n"
    );
}

#[test]
fn the_configuration_can_be_checked_and_shown_without_running() {
    let checked = Process::start(idle().arg("--check-config")).end();
    assert_eq!(
        (checked.status.code(), checked.stdout.as_slice()),
        (Some(0), b"OK\n".as_slice())
    );

    let directory = tempfile::tempdir().unwrap();
    let shown = Process::start(idle().arg("--print-defaults")).end();
    let file = directory.path().join("all.toml");
    std::fs::write(&file, shown.stdout).unwrap();
    let again = Process::start(idle().arg("--check-config").env("ROLLCALL_CONFIG", &file)).end();
    assert_eq!(
        again.status.code(),
        Some(0),
        "the defaults are a valid file: {}",
        stderr(&again)
    );
}

#[test]
fn a_running_process_is_asked_how_it_is_by_its_own_program() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("idle.json");
    let process = Process::start(idle().arg("--address-file").arg(&file));
    let listen = address(&file);
    let ask = || Process::start(idle().arg("--health").env("ROLLCALL_GRPC__LISTEN", &listen)).end();
    let asked = ask();
    assert_eq!(
        (asked.status.code(), asked.stdout.as_slice()),
        (Some(0), b"serving\n".as_slice()),
        "{}",
        stderr(&asked)
    );

    process.signal("-TERM");
    process.end();
    let asked = ask();
    assert_eq!((asked.status.code(), asked.stdout.len()), (Some(1), 0));
    assert!(
        stderr(&asked).starts_with(&format!("idle: cannot connect to {listen}: ")),
        "{}",
        stderr(&asked)
    );
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let output = Process::start(idle().env("ROLLCALL_GRPC__LISTEN", &listen)).end();
    assert_eq!(output.status.code(), Some(1));
    let said =
        format!("idle: cannot listen on {listen} (grpc.listen): Address already in use (os error 98)\n");
    assert!(stderr(&output).ends_with(&said), "{}", stderr(&output));
}

#[test]
fn an_errand_is_done_once_and_tells_by_its_exit_code() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let once = || {
        let mut command = idle();
        // A service beside it has the port: an errand needs none.
        command.arg("--once").env("ROLLCALL_GRPC__LISTEN", &listen);
        command
    };
    let done = Process::start(&mut once()).end();
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));

    let failed = Process::start(once().env("ROLLCALL_IDLE__BEHAVIOUR", "fail")).end();
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        stderr(&failed).ends_with("idle: told to fail\n"),
        "{}",
        stderr(&failed)
    );

    let wrong = Process::start(once().env("ROLLCALL_IDLE__BEHAVIOR", "wait")).end();
    assert_eq!(wrong.status.code(), Some(64), "{}", stderr(&wrong));
}

#[test]
fn an_errand_ends_with_the_first_signal() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let mut command = idle();
    command.arg("--once").env("ROLLCALL_IDLE__BEHAVIOUR", "deaf");
    command.stderr(std::fs::File::create(&log).unwrap());
    let process = Process::start(&mut command);
    let begun = Instant::now();
    while !std::fs::read_to_string(&log).unwrap().contains("deaf already") {
        assert!(begun.elapsed() < DEADLINE, "it did not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    process.signal("-TERM");
    let output = process.end();
    assert_eq!(output.status.code(), Some(1));
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(
        said.ends_with("idle: ended by SIGTERM before it was done\n"),
        "{said}"
    );
}
