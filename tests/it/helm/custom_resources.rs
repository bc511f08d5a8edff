//! Kinds that are not Kubernetes' own, and so have no schema at hand: their shape is looked at field by field.

use serde_json::{Value, json};

use super::chart::{RENDERED, SERVICES, chosen, component_of, list, object, of_kind, text};

/// Those that tests here, or in `scaling`, look at.
pub const KNOWN: [&str; 5] = [
    "gateway.networking.k8s.io/v1 GRPCRoute",
    "gateway.networking.k8s.io/v1 HTTPRoute",
    "keda.sh/v1alpha1 ScaledObject",
    "monitoring.coreos.com/v1 PodMonitor",
    "monitoring.coreos.com/v1 PrometheusRule",
];

fn spec<'o>(kind: &str, name: &str) -> &'o Value {
    &object(&RENDERED["everything"], kind, name)["spec"]
}

#[test]
fn routes_lead_from_the_gateway_to_api() {
    for (kind, name, host, port, matches) in [
        (
            "HTTPRoute",
            "console",
            "rollcall.example.com",
            8080,
            json!([{"path": {"type": "PathPrefix", "value": "/"}}]),
        ),
        (
            "GRPCRoute",
            "grpc",
            "grpc.rollcall.example.com",
            7400,
            json!([{}]),
        ),
    ] {
        assert_eq!(
            *spec(kind, &format!("demo-rollcall-api-{name}")),
            json!({
                "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
                "hostnames": [host],
                "rules": [{"matches": matches, "backendRefs": [{"name": "demo-rollcall-api", "port": port}]}],
            })
        );
        let service = object(&RENDERED["everything"], "Service", "demo-rollcall-api");
        let found = list(&service["spec"]["ports"])
            .iter()
            .find(|one| one["port"] == port)
            .unwrap();
        let protocol = if name == "grpc" {
            "kubernetes.io/h2c"
        } else {
            "http"
        };
        assert_eq!(
            found["appProtocol"], protocol,
            "what a Gateway speaks to the pods"
        );
    }
}

#[test]
fn ingresses_lead_to_ports_that_api_has() {
    let service = object(&RENDERED["everything"], "Service", "demo-rollcall-api");
    let ingresses = of_kind(&RENDERED["everything"], "Ingress");
    assert_eq!(ingresses.len(), 2);
    for ingress in ingresses {
        let backend = &ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"];
        assert_eq!(backend["name"], service["metadata"]["name"]);
        let ports = list(&service["spec"]["ports"]);
        assert!(
            ports.iter().any(|port| port["name"] == backend["port"]["name"]),
            "{backend}"
        );
        let protocol = &ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/backend-protocol"];
        assert_eq!(
            text(protocol),
            if backend["port"]["name"] == "grpc" {
                "GRPC"
            } else {
                ""
            }
        );
        assert_eq!(
            ingress["spec"]["tls"][0]["hosts"][0],
            ingress["spec"]["rules"][0]["host"]
        );
    }
}

#[test]
fn prometheus_scrapes_the_pods_of_all_four_services_and_no_others() {
    let monitor = spec("PodMonitor", "demo-rollcall-metrics");
    assert_eq!(
        monitor["podMetricsEndpoints"],
        json!([{"port": "metrics", "path": "/metrics", "interval": "30s"}])
    );
    let expression = &monitor["selector"]["matchExpressions"][0];
    assert_eq!(
        *expression,
        json!({"key": "app.kubernetes.io/component", "operator": "In", "values": SERVICES})
    );
    let pods = chosen(&RENDERED["everything"], &monitor["selector"]["matchLabels"]);
    for service in SERVICES {
        let pod = pods
            .iter()
            .find(|pod| component_of(pod.labels) == service)
            .unwrap();
        let ports = list(&pod.spec["containers"][0]["ports"]);
        assert!(
            ports.contains(&json!({"name": "metrics", "containerPort": 9464})),
            "{service}"
        );
    }
    let labels =
        &object(&RENDERED["everything"], "PodMonitor", "demo-rollcall-metrics")["metadata"]["labels"];
    assert_eq!(labels["release"], "prometheus");
}

#[test]
fn keda_scales_between_the_bounds_of_the_values() {
    let scaled = spec("ScaledObject", "demo-rollcall-reconciler");
    assert_eq!(
        *scaled,
        json!({
            "scaleTargetRef": {"name": "demo-rollcall-reconciler"},
            "minReplicaCount": 2,
            "maxReplicaCount": 8,
            "pollingInterval": 15,
            "cooldownPeriod": 300,
            "triggers": [
                {
                    "type": "nats-jetstream",
                    "metadata": {
                        "natsServerMonitoringEndpoint": "demo-rollcall-nats-headless.identity.svc:8222",
                        "account": "$G",
                        "stream": "ROLLCALL_PAGES",
                        "consumer": "reconciler",
                        "lagThreshold": "32",
                    },
                },
                {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "80"}},
            ],
        })
    );
}
