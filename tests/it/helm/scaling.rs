//! How many copies there are, and who decides it.

use serde_json::Value;

use super::chart::{RENDERED, SERVICES, object, of_kind, render, text, title};

/// What scales a Deployment, by name.
fn scalers<'o>(objects: &'o [Value], name: &str) -> Vec<&'o Value> {
    let all = of_kind(objects, "HorizontalPodAutoscaler")
        .into_iter()
        .chain(of_kind(objects, "ScaledObject"));
    all.filter(|scaler| scaler["spec"]["scaleTargetRef"]["name"] == name)
        .collect()
}

#[test]
fn each_deployment_has_one_who_decides_how_many_copies_there_are() {
    for (file, objects) in RENDERED.iter() {
        for deployment in of_kind(objects, "Deployment") {
            let deciders = scalers(objects, text(&deployment["metadata"]["name"])).len()
                + usize::from(deployment["spec"].get("replicas").is_some());
            assert_eq!(deciders, 1, "{file}: {}", title(deployment));
        }
        for kind in ["HorizontalPodAutoscaler", "ScaledObject"] {
            for scaler in of_kind(objects, kind) {
                object(
                    objects,
                    "Deployment",
                    text(&scaler["spec"]["scaleTargetRef"]["name"]),
                );
            }
        }
    }
}

#[test]
fn keda_takes_the_place_of_the_reconcilers_hpa_where_it_is() {
    let kind = |enabled: &str| {
        let over =
            format!("{{reconciler: {{autoscaling: {{enabled: true}}}}, keda: {{enabled: {enabled}}}}}");
        let objects = render("bundled", &over).unwrap().objects;
        let found = scalers(&objects, "demo-rollcall-reconciler");
        found
            .into_iter()
            .map(|scaler| text(&scaler["kind"]).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(kind("true"), ["ScaledObject"]);
    assert_eq!(kind("false"), ["HorizontalPodAutoscaler"]);
    // No cluster is asked here, so none has it.
    assert_eq!(kind("auto"), ["HorizontalPodAutoscaler"]);
}

#[test]
fn keda_counts_the_pages_that_the_reconcilers_consume() {
    let scaled = object(
        &RENDERED["everything"],
        "ScaledObject",
        "demo-rollcall-reconciler",
    );
    let trigger = &scaled["spec"]["triggers"][0]["metadata"];
    let pages = bus::consumers::RECONCILER_PAGES;
    assert_eq!(trigger["stream"], pages.stream);
    assert_eq!(trigger["consumer"], pages.durable);
    let endpoint = text(&trigger["natsServerMonitoringEndpoint"]);
    let (host, port) = endpoint.split_once(':').unwrap();
    let service = object(
        &RENDERED["everything"],
        "Service",
        host.split('.').next().unwrap(),
    );
    let ports = service["spec"]["ports"].as_array().unwrap();
    assert!(
        ports.iter().any(|one| one["port"].as_u64() == port.parse().ok()),
        "{endpoint}"
    );
}

#[test]
fn streams_have_as_many_copies_as_the_bundled_nats_has_servers() {
    for (file, copies) in [("bundled", 3), ("small", 1), ("minimal", 1), ("tls", 3)] {
        for service in SERVICES {
            let release = if file == "small" { "rc" } else { "demo-rollcall" };
            let map = object(&RENDERED[file], "ConfigMap", &format!("{release}-{service}"));
            let toml = text(&map["data"]["rollcall.toml"]);
            assert!(
                toml.contains(&format!("\nreplicas = {copies}\n")),
                "{file}, {service}: {toml}"
            );
        }
    }
}
