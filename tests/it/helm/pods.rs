//! Pods: how they are fenced, found, probed and ended.

use serde_json::{Value, json};

use super::chart::{
    Pod, RENDERED, SERVICES, chosen, component_of, list, object, of_kind, pod_of, pods, render, text, title,
};

/// What a pod has that the restricted Pod Security Standard does not allow, by its own words.
fn against_the_restricted_standard(pod: &Pod<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let spec = pod.spec;
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec[field] == true {
            found.push(field.to_owned());
        }
    }
    let of_pod = &spec["securityContext"];
    let containers = ["initContainers", "containers", "ephemeralContainers"];
    for container in containers.iter().flat_map(|kind| list(&spec[*kind])) {
        let (name, own) = (text(&container["name"]), &container["securityContext"]);
        let either = |field: &str| {
            if own[field].is_null() {
                &of_pod[field]
            } else {
                &own[field]
            }
        };
        let rules = [
            ("privileged", own["privileged"] != true),
            (
                "allowPrivilegeEscalation",
                own["allowPrivilegeEscalation"] == false,
            ),
            ("capabilities.drop", own["capabilities"]["drop"] == json!(["ALL"])),
            (
                "capabilities.add",
                list(&own["capabilities"]["add"])
                    .iter()
                    .all(|added| added == "NET_BIND_SERVICE"),
            ),
            ("runAsNonRoot", *either("runAsNonRoot") == true),
            (
                "runAsUser",
                either("runAsUser").as_u64().is_none_or(|user| user > 0),
            ),
            (
                "seccompProfile",
                ["RuntimeDefault", "Localhost"].contains(&text(&either("seccompProfile")["type"])),
            ),
            (
                "hostPort",
                list(&container["ports"])
                    .iter()
                    .all(|port| port["hostPort"].is_null()),
            ),
        ];
        let broken = rules.into_iter().filter(|(_, kept)| !kept);
        found.extend(broken.map(|(rule, _)| format!("{name}: {rule}")));
    }
    let allowed = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for volume in list(&spec["volumes"]) {
        let kinds = volume.as_object().unwrap().keys().filter(|key| *key != "name");
        let others = kinds.filter(|kind| !allowed.contains(&kind.as_str()));
        found.extend(others.map(|kind| format!("volume of kind {kind}")));
    }
    found
}

#[test]
fn every_pod_keeps_the_restricted_standard_and_more() {
    for (file, objects) in RENDERED.iter() {
        let pods = pods(objects);
        assert!(pods.len() >= 4, "{file}");
        for pod in pods {
            let found = against_the_restricted_standard(&pod);
            assert!(found.is_empty(), "{file}: {}: {found:?}", pod.owner);
            assert_eq!(
                pod.spec["automountServiceAccountToken"], false,
                "{file}: {}",
                pod.owner
            );
            assert_eq!(pod.spec["enableServiceLinks"], false, "{file}: {}", pod.owner);
            for container in list(&pod.spec["containers"]) {
                let what = format!("{file}: {}: {container:#}", pod.owner);
                assert_eq!(
                    container["securityContext"]["readOnlyRootFilesystem"], true,
                    "{what}"
                );
                let resources = &container["resources"];
                for given in [
                    &resources["requests"]["cpu"],
                    &resources["requests"]["memory"],
                    &resources["limits"]["memory"],
                ] {
                    assert!(!given.is_null(), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_cluster_that_chooses_users_is_left_the_choice() {
    let chosen_by_values = render("minimal", "{scheduling: {user: 1234}}").unwrap();
    let chosen_by_cluster = render("minimal", "{scheduling: {user: 0}}").unwrap();
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        for pod in pods(&chosen_by_values.objects) {
            assert_eq!(pod.spec["securityContext"][field], 1234, "{}", pod.owner);
        }
        for pod in pods(&chosen_by_cluster.objects) {
            assert!(pod.spec["securityContext"][field].is_null(), "{}", pod.owner);
            let found = against_the_restricted_standard(&pod);
            assert!(found.is_empty(), "{}: {found:?}", pod.owner);
        }
    }
}

#[test]
fn what_the_standard_forbids_is_found() {
    let broken = [
        ("/spec/hostNetwork", json!(true)),
        ("/spec/securityContext/runAsNonRoot", json!(false)),
        ("/spec/securityContext/seccompProfile/type", json!("Unconfined")),
        ("/spec/securityContext/runAsUser", json!(0)),
        (
            "/spec/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
        ),
        ("/spec/containers/0/securityContext/capabilities/drop", json!([])),
        (
            "/spec/volumes/0",
            json!({"name": "host", "hostPath": {"path": "/"}}),
        ),
    ];
    for (at, value) in broken {
        let pod = pod_of(&RENDERED["everything"], "api");
        let mut template = json!({"spec": pod.spec});
        template["spec"]["hostNetwork"] = json!(false);
        *template.pointer_mut(at).unwrap() = value;
        let pod = Pod {
            spec: &template["spec"],
            ..pod
        };
        assert!(!against_the_restricted_standard(&pod).is_empty(), "{at}");
    }
}

/// The owners of the pods that a selector chooses.
fn owners(objects: &[Value], labels: &Value) -> Vec<String> {
    chosen(objects, labels).into_iter().map(|pod| pod.owner).collect()
}

#[test]
fn selectors_choose_exactly_the_pods_they_mean() {
    for (file, objects) in RENDERED.iter() {
        for kind in ["Deployment", "StatefulSet"] {
            for workload in of_kind(objects, kind) {
                let found = owners(objects, &workload["spec"]["selector"]["matchLabels"]);
                assert_eq!(found, [title(workload)], "{file}");
            }
        }
        for budget in of_kind(objects, "PodDisruptionBudget") {
            let found = owners(objects, &budget["spec"]["selector"]["matchLabels"]);
            assert_eq!(found.len(), 1, "{file}: {} is for {found:?}", title(budget));
        }
        for service in of_kind(objects, "Service") {
            let found = chosen(objects, &service["spec"]["selector"]);
            assert_eq!(found.len(), 1, "{file}: {}", title(service));
            let ports = list(&found[0].spec["containers"])
                .iter()
                .flat_map(|one| list(&one["ports"]));
            let named: Vec<(&str, &Value)> = ports
                .map(|port| (text(&port["name"]), &port["containerPort"]))
                .collect();
            for port in list(&service["spec"]["ports"]) {
                let target = (text(&port["targetPort"]), &port["port"]);
                assert!(
                    named.contains(&target),
                    "{file}: {}: {target:?} is not of {named:?}",
                    title(service)
                );
            }
        }
    }
}

#[test]
fn a_drained_node_takes_one_copy_of_a_service_at_a_time() {
    for (file, components) in [("bundled", 5), ("minimal", 4), ("small", 0)] {
        let budgets = of_kind(&RENDERED[file], "PodDisruptionBudget");
        assert_eq!(budgets.len(), components, "{file}");
        for budget in budgets {
            assert_eq!(budget["spec"]["maxUnavailable"], 1, "{file}: {}", title(budget));
        }
    }
}

#[test]
fn the_metrics_port_is_in_no_service() {
    for (file, objects) in RENDERED.iter() {
        for service in of_kind(objects, "Service") {
            let ports = list(&service["spec"]["ports"]);
            assert!(
                ports.iter().all(|port| port["port"] != 9464),
                "{file}: {}",
                title(service)
            );
        }
    }
}

#[test]
fn every_server_is_probed_without_asking_for_what_it_depends_on() {
    for (file, objects) in RENDERED.iter() {
        for kind in ["Deployment", "StatefulSet"] {
            for workload in of_kind(objects, kind) {
                for container in list(&workload["spec"]["template"]["spec"]["containers"]) {
                    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                        assert!(
                            container[probe].is_object(),
                            "{file}: {}: {probe}",
                            title(workload)
                        );
                    }
                }
            }
        }
        for service in SERVICES {
            let container = &pod_of(objects, service).spec["containers"][0];
            let (live, ready) = (&container["livenessProbe"], &container["readinessProbe"]);
            if file == "tls" {
                // The kubelet speaks no TLS.
                assert_eq!(live["httpGet"]["port"], "metrics", "{service}");
                let command = list(&ready["exec"]["command"]);
                assert_eq!(command[0], format!("/usr/local/bin/rollcall-{service}"));
                assert_eq!(command[3], "--health");
                assert_eq!(
                    command[1..3],
                    list(&container["args"])[..2],
                    "{service}: asked by its own configuration"
                );
            } else {
                assert_eq!(
                    live["grpc"],
                    json!({"port": 7400, "service": "liveness"}),
                    "{file}: {service}"
                );
                assert_eq!(ready["grpc"], json!({"port": 7400}), "{file}: {service}");
            }
        }
    }
}

/// Seconds that PostgreSQL gives a statement, as store tells it.
fn statement_seconds() -> u64 {
    let source = include_str!("../../../crates/store/src/pool.rs");
    let (_, rest) = source
        .split_once(r#"("statement_timeout", ""#)
        .expect("store limits its statements");
    rest.split_once('s').unwrap().0.parse().unwrap()
}

#[test]
fn a_pod_has_the_time_to_end_what_it_has_in_work() {
    /// For the last spans and metrics, and for the runtime; service's own limits.
    const AFTERWARDS: u64 = 6;
    let over = "shutdown: {preStopSeconds: 20, graceSeconds: 300}";
    let changed = render("minimal", over).unwrap().objects;
    let minimal = &RENDERED["minimal"];
    for (objects, pre_stop, grace) in [(minimal, 5, 130), (&changed, 20, 300)] {
        for service in SERVICES {
            let map = object(objects, "ConfigMap", &format!("demo-rollcall-{service}"));
            let toml = text(&map["data"]["rollcall.toml"]);
            assert!(toml.contains(&format!("grace_seconds = {grace}\n")), "{toml}");
            let spec = pod_of(objects, service).spec;
            assert_eq!(
                spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"],
                pre_stop
            );
            let kubernetes = spec["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(
                kubernetes > pre_stop + grace + AFTERWARDS,
                "{service}: {kubernetes}"
            );
        }
        assert!(
            grace > statement_seconds(),
            "no statement outlives the grace of {grace} s"
        );
    }
}

#[test]
fn a_changed_configuration_makes_new_pods_of_its_service_alone() {
    let over = "fetcher: {config: {fetch: {runs: 2}}}";
    let changed = render("minimal", over).unwrap().objects;
    let checksum = |objects, service: &str| {
        let deployment = object(objects, "Deployment", &format!("demo-rollcall-{service}"));
        text(&deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"]).to_owned()
    };
    for service in SERVICES {
        let (before, after) = (
            checksum(&RENDERED["minimal"], service),
            checksum(&changed, service),
        );
        assert!(!before.is_empty());
        assert_eq!(before != after, service == "fetcher", "{service}");
    }
}

#[test]
fn a_newer_chart_restarts_neither_database_nor_broker() {
    let over = "{image: {tag: 9.9.9}, api: {replicas: 5}}";
    let newer = render("bundled", over).unwrap().objects;
    for component in ["nats", "postgresql"] {
        let template =
            |objects| object(objects, "StatefulSet", &format!("demo-rollcall-{component}"))["spec"].clone();
        assert_eq!(template(&RENDERED["bundled"]), template(&newer), "{component}");
        let labels = &template(&newer)["template"]["metadata"]["labels"];
        assert!(
            labels["helm.sh/chart"].is_null(),
            "{component}: its pods carry the chart's version"
        );
    }
}

#[test]
fn migrations_run_before_everything_or_beside_it() {
    let annotation = |job: &Value| text(&job["metadata"]["annotations"]["helm.sh/hook"]).to_owned();
    let minimal = of_kind(&RENDERED["minimal"], "Job")[0];
    assert_eq!(annotation(minimal), "pre-install,pre-upgrade");
    // The hook runs before anything of the release is there: it may need nothing of it.
    let pod = pod_of(&RENDERED["minimal"], "migrate");
    assert_eq!(pod.spec["serviceAccountName"], "default");
    assert!(!pod.spec.to_string().contains("configMap"), "{}", pod.spec);
    assert_eq!(pod.spec["containers"][0]["args"], json!(["--migrate"]));

    // The bundled database is there no sooner than the release, and a Job cannot be changed.
    let bundled = of_kind(&RENDERED["bundled"], "Job")[0];
    assert_eq!(annotation(bundled), "");
    let newer = render("bundled", "image: {tag: 9.9.9}").unwrap().objects;
    assert_ne!(title(bundled), title(of_kind(&newer, "Job")[0]));
    let same = render("bundled", "api: {replicas: 5}").unwrap().objects;
    assert_eq!(bundled, of_kind(&same, "Job")[0]);

    assert!(of_kind(&RENDERED["small"], "Job").is_empty());
    for (file, objects) in RENDERED.iter() {
        let has_job = !of_kind(objects, "Job").is_empty();
        for map in of_kind(objects, "ConfigMap") {
            let toml = text(&map["data"]["rollcall.toml"]);
            if SERVICES.contains(&component_of(&map["metadata"]["labels"])) {
                assert!(
                    toml.contains(&format!("migrate = {}\n", !has_job)),
                    "{file}: {}",
                    title(map)
                );
            }
        }
    }
}

#[test]
fn helm_test_signs_in_as_programs_do() {
    for (file, url, token) in [
        (
            "minimal",
            "http://demo-rollcall-api:7400",
            json!({"name": "rollcall", "key": "bootstrap-token"}),
        ),
        (
            "tls",
            "https://demo-rollcall-api:7400",
            json!({"name": "rollcall-test", "key": "token"}),
        ),
    ] {
        let pod = of_kind(&RENDERED[file], "Pod")[0];
        assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["command"], json!(["/usr/local/bin/rollcall"]));
        assert_eq!(container["env"][0], json!({"name": "ROLLCALL_API", "value": url}));
        assert_eq!(container["env"][1]["valueFrom"]["secretKeyRef"], token);
    }
    assert!(
        of_kind(&RENDERED["small"], "Pod").is_empty(),
        "there is no token to sign in with"
    );
}
