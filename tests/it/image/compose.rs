//! `deploy/compose.yaml` and what it mounts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use bus::Bus;
use bus::streams::Limits;
use harness::tools::tool;
use harness::wait::until;
use local::port::Port;
use local::process::{Process, Program, StopWith};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::compose_file::{Compose, interpolate, references, variables_as_documented, yaml};
use super::{PROGRAMS, SERVICES, path, read};

/// What asks for these is a secret.
const SECRETS: [&str; 4] = [
    "NATS_PASSWORD",
    "POSTGRES_PASSWORD",
    "ROLLCALL_ADMIN_TOKEN",
    "ROLLCALL_VAULT_KEYS",
];

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map(|values| values.iter().map(text).collect())
        .unwrap_or_default()
}

#[test]
fn every_service_takes_what_it_is_told() {
    let (compose, variables) = (Compose::read(), variables_as_documented());
    for service in SERVICES {
        let program = local::binaries::find(&format!("rollcall-{service}")).unwrap();
        let output = Command::new(program)
            .arg("--check-config")
            .env_clear()
            .envs(compose.environment(service, &variables))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.stdout, b"OK\n", "{service}: {said}");
    }
}

#[test]
fn every_service_is_run_and_asked_by_its_own_program() {
    let compose = Compose::read();
    let ours: BTreeSet<&str> = compose
        .services()
        .iter()
        .filter(|(_, service)| text(&service["image"]).starts_with("rollcall:"))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(ours, SERVICES.into());
    for service in SERVICES {
        let (program, told) = (format!("rollcall-{service}"), &compose.services()[service]);
        assert!(PROGRAMS.contains(&program.as_str()));
        assert_eq!(told["command"], json!([program]), "{service}");
        assert_eq!(told["healthcheck"]["test"], json!(["CMD", program, "--health"]));
    }
}

#[test]
fn nothing_starts_without_its_secrets() {
    let (compose, all) = (Compose::read(), variables_as_documented());
    assert_eq!(
        all.keys().map(String::as_str).collect::<Vec<_>>(),
        SECRETS,
        "what the document makes"
    );
    let file = read("deploy/compose.yaml");
    for reference in references(&file) {
        let secret = reference.split(':').next().unwrap();
        assert!(
            reference == "ROLLCALL_VERSION:-local" || reference == format!("{secret}:?see docs/compose.md"),
            "{reference}"
        );
    }
    for secret in SECRETS {
        let mut others = all.clone();
        others.insert(secret.to_owned(), String::new());
        assert!(interpolate(&file, &others).is_err(), "{secret} is not asked for");
    }
    interpolate(&file, &all).unwrap();
    // Wherever a secret belongs, nothing else stands.
    for (name, service) in compose.services() {
        let Some(environment) = service["environment"].as_object() else {
            continue;
        };
        for (variable, value) in environment {
            let value = text(value);
            let userinfo = value
                .split_once("://")
                .and_then(|(_, rest)| Some(rest.split_once('@')?.0))
                .and_then(|userinfo| Some(userinfo.split_once(':')?.1));
            let secret = ["PASSWORD", "KEYS", "TOKEN", "SECRET"]
                .iter()
                .any(|part| variable.ends_with(part));
            for hidden in userinfo.into_iter().chain(secret.then_some(value)) {
                assert!(
                    hidden.starts_with("${") && hidden.ends_with('}'),
                    "{name}: {variable} has a secret in it"
                );
            }
        }
    }
}

#[test]
fn every_file_and_name_that_stands_in_it_exists() {
    let compose = Compose::read();
    for (name, service) in compose.services() {
        for volume in texts(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            match source.strip_prefix("./") {
                Some(file) => {
                    assert!(path("deploy").join(file).exists(), "{name}: {source}");
                    assert!(volume.ends_with(":ro"), "{name}: {volume} could be written to");
                }
                None => assert!(compose.volumes().contains_key(source), "{name}: {volume}"),
            }
        }
        if let Some(build) = service.get("build") {
            assert_eq!(build["context"], "..");
            assert!(path(text(&build["dockerfile"])).exists());
        }
        for needed in service["depends_on"].as_object().into_iter().flatten() {
            assert!(
                compose.services()[needed.0].get("healthcheck").is_some(),
                "{name} waits for the health of {}",
                needed.0
            );
        }
        // Whoever is named in an address is there.
        for value in service["environment"].as_object().into_iter().flatten() {
            let Some((_, rest)) = text(value.1).split_once("://") else {
                continue;
            };
            let place = rest.rsplit('@').next().unwrap();
            let host = place.split([':', '/']).next().unwrap();
            assert!(
                host == "localhost" || compose.services().contains_key(host),
                "{name}: {} leads to {host}",
                value.0
            );
        }
    }
    let notifier = &compose.services()["notifier"]["environment"];
    assert!(
        compose
            .services()
            .contains_key(text(&notifier["ROLLCALL_SMTP__HOST"]))
    );
}

#[test]
fn every_container_is_shut_in() {
    let compose = Compose::read();
    for (name, service) in compose.services() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
        assert_eq!(
            service["security_opt"],
            json!(["no-new-privileges:true"]),
            "{name}"
        );
        assert!(service.get("privileged").is_none() && service.get("cap_add").is_none());
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port} is open to others");
        }
        let image = text(&service["image"]);
        let tag = image
            .split_once(':')
            .unwrap_or_else(|| panic!("{image} has no tag"))
            .1;
        assert!(tag != "latest", "{image}");
    }
}

fn nats_server() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join("nats-server"))
        .find(|program| program.is_file())
        .expect("make test installs nats-server")
}

#[tokio::test]
async fn nats_takes_its_arguments_and_the_services_password_alone() {
    let (compose, variables) = (Compose::read(), variables_as_documented());
    let folder = tempfile::tempdir().unwrap();
    let (port, monitoring) = (Port::reserve().unwrap(), Port::reserve().unwrap());
    let places = [
        (
            "--store_dir=/data".to_owned(),
            format!("--store_dir={}", folder.path().display()),
        ),
        (
            "--http_port=8222".to_owned(),
            format!("--http_port={}", monitoring.number()),
        ),
    ];
    let mut args: Vec<String> = texts(&compose.services()["nats"]["command"])
        .into_iter()
        .map(|arg| interpolate(arg, &variables).unwrap())
        .collect();
    for (there, here) in places {
        let arg = args.iter_mut().find(|arg| **arg == there);
        *arg.unwrap_or_else(|| panic!("{there} is not among its arguments")) = here;
    }
    args.extend(["--addr=127.0.0.1".to_owned(), format!("--port={}", port.number())]);
    let mut nats = Process::start(Program {
        name: "nats-server".to_owned(),
        path: nats_server(),
        args: args.into_iter().map(Into::into).collect(),
        env: Vec::new(),
        log: folder.path().join("nats.log"),
        user: None,
        stop_with: StopWith::Terminate,
        pid_file: None,
        scratch: None,
    })
    .unwrap();
    let url =
        compose.environment("api", &variables)["ROLLCALL_NATS__URL"].replace("nats:4222", &port.address());
    let options = |url: &str| bus::Options {
        url: url.to_owned().into(),
        name: "test".to_owned(),
        credentials: None,
        tls: None,
        limits: Limits::default(),
    };
    let ours = options(&url);
    until("a broker that takes the services' address", async || {
        assert!(nats.exited().unwrap().is_none(), "{}", nats.log_tail());
        Bus::connect(&ours).await.ok()
    })
    .await;
    let guess = options(&url.replace(&variables["NATS_PASSWORD"], "guess"));
    let refused = Bus::connect(&guess).await.unwrap_err();
    assert!(matches!(refused, bus::ConnectError::Connect(_)), "{refused:?}");
    let mut asked = TcpStream::connect(monitoring.address()).await.unwrap();
    asked.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    asked.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(" 200 OK"), "{answer}");
    assert!(nats.stop().await.unwrap());
}

/// `host:port` of an address.
fn place(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, place)| place)
}

#[test]
fn what_the_services_tell_arrives_where_it_is_looked_at() {
    let (compose, collector) = (Compose::read(), yaml("deploy/collector.yaml"));
    let port_of = |place: &str| place.rsplit(':').next().unwrap().to_owned();
    let receiver = text(&collector["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]);
    for service in SERVICES {
        let told = &compose.services()[service]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"];
        assert_eq!(place(text(told)), format!("collector:{}", port_of(receiver)));
    }
    let pipelines = collector["service"]["pipelines"].as_object().unwrap();
    for (pipeline, parts) in pipelines {
        for kind in ["receivers", "processors", "exporters"] {
            let used = texts(&parts[kind]);
            assert!(!used.is_empty(), "{pipeline} has no {kind}");
            for part in used {
                assert!(
                    collector[kind].get(part).is_some(),
                    "{pipeline}: no {part} in {kind}"
                );
            }
        }
    }
    assert_eq!(pipelines["traces"]["exporters"], json!(["otlp"]));
    let traces = text(&collector["exporters"]["otlp"]["endpoint"]);
    assert!(compose.services().contains_key(traces.split(':').next().unwrap()));
    assert_eq!(pipelines["metrics"]["exporters"], json!(["prometheus"]));
    let exporter = &collector["exporters"]["prometheus"];
    let labels = &exporter["resource_to_telemetry_conversion"]["enabled"];
    assert_eq!(labels, true, "alerts and dashboards ask for service_name");
    let metrics = port_of(text(&exporter["endpoint"]));
    let prometheus = yaml("deploy/prometheus.yaml");
    assert_eq!(
        prometheus["scrape_configs"][0]["static_configs"][0]["targets"],
        json!([format!("collector:{metrics}")])
    );
    for source in yaml("deploy/grafana/datasources.yaml")["datasources"]
        .as_array()
        .unwrap()
    {
        let host = place(text(&source["url"])).split(':').next().unwrap();
        assert!(compose.services().contains_key(host), "{source}");
    }
    let shown = &yaml("deploy/grafana/dashboards.yaml")["providers"][0]["options"]["path"];
    let mounted = texts(&compose.services()["grafana"]["volumes"]);
    assert!(
        mounted.contains(&format!("./dashboards:{}:ro", text(shown)).as_str()),
        "{mounted:?}"
    );
}

#[test]
fn prometheus_takes_its_configuration_and_the_alerts() {
    let output = Command::new(tool("promtool"))
        .args(["check", "config"])
        .arg(path("deploy/prometheus.yaml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("alerts/"), "it has found no alerts: {said}");
}
