//! A collector and a Prometheus, as programs of their own.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use harness::tools::tool;
use harness::wait::until;
use local::port::Port;
use local::process::{Process, Program, StopWith};
use serde_json::Value;

/// A program, and the ports that are its.
pub struct Running {
    process: Process,
    port: Port,
    _others: Vec<Port>,
}

fn start(name: &str, args: Vec<String>, ports: Vec<Port>, directory: &Path) -> Running {
    let mut ports = ports;
    let process = Process::start(Program {
        name: name.to_owned(),
        path: tool(name),
        args: args.into_iter().map(Into::into).collect(),
        env: Vec::new(),
        log: directory.join(format!("{name}.log")),
        user: None,
        stop_with: StopWith::Terminate,
        pid_file: None,
        scratch: None,
    });
    Running {
        process: process.unwrap(),
        port: ports.remove(0),
        _others: ports,
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill();
    }
}

/// A collector that takes OTLP and hands it on to `sink`.
pub async fn collector(sink: &str, directory: &Path) -> Running {
    let (grpc, http) = (Port::reserve().unwrap(), Port::reserve().unwrap());
    let args = [
        "start",
        "--otlp-grpc-endpoint",
        &grpc.address(),
        "--otlp-http-endpoint",
        &http.address(),
        "--exporter",
        "otlp",
        "--otlp-exporter-endpoint",
        sink,
        "--otlp-exporter-compression",
        "none",
    ];
    let args = args.map(ToOwned::to_owned).to_vec();
    let running = start("rotel", args, vec![grpc, http], directory);
    let address = running.port.address();
    until("the collector listens", async || {
        tokio::net::TcpStream::connect(&address).await.ok()
    })
    .await;
    running
}

impl Running {
    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }
}

/// A Prometheus that scrapes `targets` every second, and evaluates the rules of `rules`.
pub struct Prometheus {
    running: Running,
    http: reqwest::Client,
}

impl Prometheus {
    pub async fn start(targets: &[String], rules: &Path, directory: &Path) -> Self {
        let port = Port::reserve().unwrap();
        let config = directory.join("prometheus.yaml");
        let text = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\n\
             scrape_configs:\n  - {{job_name: rollcall, static_configs: [{{targets: {targets:?}}}]}}\n",
            rules.display()
        );
        std::fs::write(&config, text).unwrap();
        let args = vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", directory.join("tsdb").display()),
            format!("--web.listen-address={}", port.address()),
        ];
        let running = start("prometheus", args, vec![port], directory);
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .build()
            .unwrap();
        let this = Self { running, http };
        until("every service is scraped", async || {
            let up = this.try_ask("query", &[("query", "sum(up)")]).await?;
            let count: usize = up["result"][0]["value"][1].as_str()?.parse().ok()?;
            (count == targets.len()).then_some(())
        })
        .await;
        this
    }

    /// The data of an answer; `None` where there is none, or an error.
    async fn try_ask(&self, what: &str, form: &[(&str, &str)]) -> Option<Value> {
        let url = format!("{}/api/v1/{what}", self.running.url());
        let answer = self.http.post(url).form(form).send().await.ok()?;
        let mut answer: Value = answer.json().await.ok()?;
        (answer["status"] == "success").then(|| answer["data"].take())
    }

    /// What an expression comes to now.
    pub async fn query(&self, expression: &str) -> Vec<Value> {
        let url = format!("{}/api/v1/query", self.running.url());
        let answer = self.http.post(url).form(&[("query", expression)]).send();
        let answer: Value = answer.await.unwrap().json().await.unwrap();
        assert_eq!(answer["status"], "success", "{expression}: {answer:#}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// The names of all series.
    pub async fn names(&self) -> BTreeSet<String> {
        self.get("label/__name__/values", &|data| strings(data)).await
    }

    /// The labels of a metric.
    pub async fn labels(&self, metric: &str) -> BTreeSet<String> {
        let asked = self.try_ask("labels", &[("match[]", metric)]).await;
        strings(&asked.unwrap())
    }

    /// The expressions of all rules, by the alert's name.
    pub async fn rules(&self) -> Vec<(String, String)> {
        let rules = |data: &Value| {
            let groups = data["groups"].as_array().unwrap().iter();
            let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
            let text = |rule: &Value, key: &str| rule[key].as_str().unwrap().to_owned();
            rules
                .map(|rule| (text(rule, "name"), text(rule, "query")))
                .collect()
        };
        self.get("rules", &rules).await
    }

    /// The names of the alerts that are pending or firing.
    pub async fn alerts(&self) -> BTreeSet<String> {
        let names = |data: &Value| {
            let alerts = data["alerts"].as_array().unwrap().iter();
            let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
            alerts.map(name).collect()
        };
        self.get("alerts", &names).await
    }

    async fn get<T>(&self, what: &str, read: &dyn Fn(&Value) -> T) -> T {
        let url = format!("{}/api/v1/{what}", self.running.url());
        let answer: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["status"], "success", "{what}: {answer:#}");
        read(&answer["data"])
    }
}

fn strings(data: &Value) -> BTreeSet<String> {
    let texts = data.as_array().unwrap().iter();
    texts.map(|text| text.as_str().unwrap().to_owned()).collect()
}
