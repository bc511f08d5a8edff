//! Values that are refused, each with its name and what to do.

use super::chart::render;

/// Of the wrong kind: values on top of `minimal`, and what the refusal names.
const WRONG: [(&str, &str); 42] = [
    ("{replicas: 3}", "'replicas' not allowed"),
    ("{api: {replica: 3}}", "'replica' not allowed"),
    ("{api: {replicas: 0}}", "/api/replicas"),
    ("{api: {service: {type: loadbalancer}}}", "/api/service/type"),
    ("{image: {pullPolicy: always}}", "/image/pullPolicy"),
    ("{image: {digest: 'sha256:12'}}", "/image/digest"),
    (
        "{image: {repository: 'registry.example.com/rollcall:1'}}",
        "/image/repository",
    ),
    (
        "{database: {existingSecret: 'My Secret'}}",
        "/database/existingSecret",
    ),
    ("{database: {urlKey: ''}}", "/database/urlKey"),
    ("{database: {password: x}}", "'password' not allowed"),
    (
        "{database: {bundled: {storage: {size: much}}}}",
        "/database/bundled/storage/size",
    ),
    (
        "{database: {bundled: {image: postgres}}}",
        "/database/bundled/image",
    ),
    ("{nats: {bundled: {replicas: 2}}}", "/nats/bundled/replicas"),
    ("{nats: {streamReplicas: 6}}", "/nats/streamReplicas"),
    ("{smtp: {tls: ssl}}", "/smtp/tls"),
    ("{smtp: {port: 0}}", "/smtp/port"),
    ("{smtp: {from: Rollcall}}", "/smtp/from"),
    ("{console: {url: rollcall.example.com}}", "/console/url"),
    ("{log: {format: text}}", "/log/format"),
    ("{listen: localhost}", "/listen"),
    ("{shutdown: {graceSeconds: 0}}", "/shutdown/graceSeconds"),
    ("{shutdown: {preStopSeconds: 0}}", "/shutdown/preStopSeconds"),
    ("{otel: {endpoint: 'collector:4317'}}", "/otel/endpoint"),
    ("{otel: {variables: {PATH: '/'}}}", "/otel/variables"),
    (
        "{api: {extraEnv: [{name: ROLLCALL_TOKEN, value: x}]}}",
        "/api/extraEnv/0/name",
    ),
    ("{api: {config: {fetch: {runs: 1}}}}", "'fetch' not allowed"),
    (
        "{fetcher: {config: {fetch: {runs: {a: 1}}}}}",
        "/fetcher/config/fetch/runs",
    ),
    (
        "{fetcher: {resources: {limits: {memory: lots}}}}",
        "/fetcher/resources/limits/memory",
    ),
    (
        "{fetcher: {autoscaling: {maxReplicas: 0}}}",
        "/fetcher/autoscaling/maxReplicas",
    ),
    (
        "{notifier: {autoscaling: {enabled: true}}}",
        "'autoscaling' not allowed",
    ),
    ("{keda: {enabled: maybe}}", "/keda/enabled"),
    (
        "{networkPolicy: {apiFrom: [{namespace: x}]}}",
        "/networkPolicy/apiFrom/0",
    ),
    (
        "{networkPolicy: {graph: {ports: []}}}",
        "/networkPolicy/graph/ports",
    ),
    ("{ingress: {enabled: true}}", "/ingress"),
    (
        "{ingress: {console: {host: 'https://a'}}}",
        "/ingress/console/host",
    ),
    (
        "{gateway: {enabled: true, grpc: {hostnames: [a.b]}}}",
        "/gateway/parentRefs",
    ),
    ("{gateway: {enabled: true, parentRefs: [{name: a}]}}", "/gateway"),
    ("{podMonitor: {interval: often}}", "/podMonitor/interval"),
    ("{prometheusRule: {runbook: 'a#b'}}", "/prometheusRule/runbook"),
    ("{scheduling: {user: -1}}", "/scheduling/user"),
    ("{vault: {keys: 'k:AAAA'}}", "'keys' not allowed"),
    ("{bootstrap: {token: x}}", "'token' not allowed"),
];

/// Missing, or in contradiction: a values file, values on top, what the refusal names, and the next step that it tells.
const MISSING: [(&str, &str, &str, &str); 19] = [
    (
        "minimal",
        "{image: {repository: ''}}",
        "image.repository is empty",
        "push it",
    ),
    (
        "minimal",
        "{vault: {existingSecret: ''}}",
        "vault.existingSecret is empty",
        "kubectl create secret",
    ),
    (
        "minimal",
        "{database: {existingSecret: ''}}",
        "database.existingSecret is empty",
        "database-url",
    ),
    (
        "bundled",
        "{database: {existingSecret: ''}}",
        "database.existingSecret is empty",
        "openssl rand",
    ),
    (
        "minimal",
        "{nats: {url: ''}}",
        "nats.url and nats.existingSecret are empty",
        "nats.bundled.enabled",
    ),
    ("minimal", "{nats: {existingSecret: n}}", "both set", "remove one"),
    (
        "bundled",
        "{nats: {existingSecret: ''}}",
        "nats.existingSecret is empty",
        "openssl rand",
    ),
    (
        "bundled",
        "{nats: {url: 'nats://a:1'}}",
        "nats.bundled.enabled is true",
        "remove them",
    ),
    (
        "small",
        "{scheduling: {user: 0}, nats: {url: 'nats://a:1', existingSecret: '', bundled: {enabled: false}}}",
        "database.bundled.enabled and scheduling.user=0",
        "server of your own",
    ),
    (
        "minimal",
        "{scheduling: {user: 0}, nats: {url: '', existingSecret: n, bundled: {enabled: true}}}",
        "nats.bundled.enabled and scheduling.user=0",
        "server of your own",
    ),
    (
        "small",
        "{nats: {streamReplicas: 3}}",
        "nats.streamReplicas is 3",
        "servers",
    ),
    (
        "bundled",
        "{database: {ca: {existingSecret: c}}}",
        "database.ca.existingSecret",
        "Remove",
    ),
    (
        "minimal",
        "{fetcher: {autoscaling: {minReplicas: 7}}}",
        "fetcher.autoscaling.minReplicas is 7",
        "lower",
    ),
    (
        "tls",
        "{keda: {enabled: true}}",
        "keda.natsMonitoringEndpoint is empty",
        "8222",
    ),
    (
        "tls",
        "{gateway: {enabled: true, parentRefs: [{name: g}], grpc: {hostnames: [a.b]}}}",
        "gateway.enabled and api.tls.existingSecret",
        "Remove",
    ),
    (
        "tls",
        "{ingress: {enabled: true, grpc: {host: a.b}}}",
        "backend-protocol GRPC",
        "GRPCS",
    ),
    (
        "minimal",
        "{api: {config: {database: {url: 'postgres://a:hunter2@b/c'}}}}",
        "api.config.database.url",
        "set database.existingSecret",
    ),
    (
        "minimal",
        "{notifier: {config: {smtp: {password: hunter2}}}}",
        "notifier.config.smtp.password",
        "set smtp.existingSecret",
    ),
    (
        "minimal",
        "{nats: {url: 'nats://rollcall:hunter2@nats:4222'}}",
        "nats.url is not of the form",
        "nats.existingSecret",
    ),
];

fn refused(file: &str, over: &str) -> String {
    match render(file, over) {
        Ok(_) => panic!("{file} with {over} was taken"),
        Err(error) => error,
    }
}

#[test]
fn what_is_wrong_is_refused_by_its_name() {
    for (over, named) in WRONG {
        let error = refused("minimal", over);
        assert!(error.contains(named), "{over}: {error}");
    }
}

#[test]
fn what_is_missing_or_contradicts_is_refused_with_the_next_step() {
    for (file, over, named, step) in MISSING {
        let error = refused(file, over);
        assert!(error.contains(named) && error.contains(step), "{over}: {error}");
        assert!(!error.contains("hunter2"), "a password is told: {error}");
    }
}
