//! Who may speak to whom by the chart's policies, and who has to by what each service is configured with.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::chart::{RENDERED, SERVICES, chosen, component_of, list, of_kind, pods, render, text, title};
use super::settings::sections;

/// From, to, and at which port.
pub type Arrow = (String, String, u64);

/// What is outside of the release, by the port that `everything` gives it; ports of parts inside are below.
const OUTSIDE: [(u64, &str); 4] = [(53, "dns"), (443, "graph"), (587, "smtp"), (4317, "collector")];

/// What a section of a service's configuration leads to.
const LEADS: [(&str, &str); 6] = [
    ("database", "postgresql"),
    ("nats", "nats"),
    ("fetcher", "fetcher"),
    ("reconciler", "reconciler"),
    ("smtp", "smtp"),
    ("graph", "graph"),
];

/// The policies of a values file by the component that they are for; the one that denies everything is not among them.
fn policies(objects: &[Value]) -> BTreeMap<String, &Value> {
    let mut found = BTreeMap::new();
    for policy in of_kind(objects, "NetworkPolicy") {
        let owners = chosen(objects, &policy["spec"]["podSelector"]["matchLabels"]);
        if owners.len() == pods(objects).len() {
            continue;
        }
        assert_eq!(owners.len(), 1, "{} is for several", title(policy));
        let component = component_of(owners[0].labels).to_owned();
        let before = found.insert(component, &policy["spec"]);
        assert!(before.is_none(), "{} has two policies", title(policy));
    }
    found
}

/// The components that the peers of a rule choose; empty where it is about something outside.
fn inside(objects: &[Value], peers: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for peer in list(peers) {
        if peer["namespaceSelector"].is_null() && peer["podSelector"].is_object() {
            let pods = chosen(objects, &peer["podSelector"]["matchLabels"]);
            assert_eq!(pods.len(), 1, "{peer} chooses no component");
            found.push(component_of(pods[0].labels).to_owned());
        }
    }
    found
}

fn ports(rule: &Value) -> BTreeSet<u64> {
    list(&rule["ports"])
        .iter()
        .map(|port| port["port"].as_u64().unwrap())
        .collect()
}

/// The arrows by which pods of the release may go out to one another.
fn between(objects: &[Value]) -> BTreeSet<Arrow> {
    let mut found = BTreeSet::new();
    for (from, policy) in policies(objects) {
        for rule in list(&policy["egress"]) {
            for to in inside(objects, &rule["to"]) {
                found.extend(
                    ports(rule)
                        .into_iter()
                        .map(|port| (from.clone(), to.clone(), port)),
                );
            }
        }
    }
    found
}

/// All arrows by which pods of `everything` may go out.
pub fn outgoing() -> BTreeSet<Arrow> {
    let objects = &RENDERED["everything"];
    let mut found = between(objects);
    for (from, policy) in policies(objects) {
        let outside = list(&policy["egress"])
            .iter()
            .filter(|rule| inside(objects, &rule["to"]).is_empty());
        for port in outside.flat_map(ports) {
            let known = OUTSIDE.into_iter().find(|(known, _)| *known == port);
            let (_, to) = known.unwrap_or_else(|| panic!("{from} may go to port {port}: what is there?"));
            found.insert((from.clone(), to.to_owned(), port));
        }
    }
    found
}

/// The arrows by which pods of the release may come in to one another.
fn incoming(objects: &[Value]) -> BTreeSet<Arrow> {
    let mut found = BTreeSet::new();
    for (to, policy) in policies(objects) {
        for rule in list(&policy["ingress"]) {
            for from in inside(objects, &rule["from"]) {
                found.extend(
                    ports(rule)
                        .into_iter()
                        .map(|port| (from.clone(), to.clone(), port)),
                );
            }
        }
    }
    found
}

#[test]
fn everything_is_denied_that_no_policy_allows() {
    for file in ["minimal", "bundled", "everything", "tls"] {
        let objects = &RENDERED[file];
        let all = pods(objects);
        let denies: Vec<&Value> = of_kind(objects, "NetworkPolicy")
            .into_iter()
            .filter(|policy| {
                chosen(objects, &policy["spec"]["podSelector"]["matchLabels"]).len() == all.len()
            })
            .collect();
        assert_eq!(denies.len(), 1, "{file}");
        for direction in ["ingress", "egress"] {
            assert!(
                denies[0]["spec"][direction].is_null(),
                "{file}: it lets something through"
            );
        }
        for policy in of_kind(objects, "NetworkPolicy") {
            assert_eq!(
                list(&policy["spec"]["policyTypes"]).len(),
                2,
                "{file}: {}",
                title(policy)
            );
        }
        let policies = policies(objects);
        for pod in all {
            let component = component_of(pod.labels);
            assert!(
                policies.contains_key(component),
                "{file}: {component} has no policy"
            );
        }
    }
    assert!(of_kind(&RENDERED["small"], "NetworkPolicy").is_empty());
}

#[test]
fn whoever_may_go_out_to_a_part_may_come_in_there() {
    for file in ["minimal", "bundled", "everything", "tls"] {
        let objects = &RENDERED[file];
        let out = between(objects);
        assert_eq!(out, incoming(objects), "{file}");
        for (_, to, port) in out {
            let pod = super::chart::pod_of(objects, &to);
            let open = list(&pod.spec["containers"][0]["ports"]);
            assert!(
                open.iter().any(|one| one["containerPort"] == port),
                "{file}: {to} does not listen on {port}"
            );
        }
    }
}

#[test]
fn each_service_may_reach_what_its_configuration_leads_to_and_nothing_else() {
    let arrows = outgoing();
    for service in SERVICES {
        let mut wanted: BTreeSet<&str> = ["dns", "collector"].into();
        let sections = sections(service);
        let leads = LEADS
            .into_iter()
            .filter(|(section, _)| sections.iter().any(|known| known == section));
        wanted.extend(leads.map(|(_, to)| to));
        let found = arrows
            .iter()
            .filter(|(from, ..)| from == service)
            .map(|(_, to, _)| to.as_str());
        assert_eq!(found.collect::<BTreeSet<_>>(), wanted, "{service}");
    }
}

#[test]
fn from_outside_nobody_comes_but_to_api_and_for_metrics_and_queues() {
    for (to, policy) in policies(&RENDERED["everything"]) {
        let from_outside: BTreeSet<u64> = list(&policy["ingress"])
            .iter()
            .filter(|rule| inside(&RENDERED["everything"], &rule["from"]).is_empty())
            .inspect(|rule| assert!(!list(&rule["from"]).is_empty(), "{to}: anyone may come: {rule}"))
            .flat_map(ports)
            .collect();
        let wanted: BTreeSet<u64> = match to.as_str() {
            "api" => [7400, 8080, 9464].into(),
            "fetcher" | "reconciler" | "notifier" => [9464].into(),
            "nats" => [8222].into(),
            _ => BTreeSet::new(),
        };
        assert_eq!(from_outside, wanted, "{to}");
    }
}

#[test]
fn nobody_comes_from_outside_where_nobody_is_named() {
    let over = "networkPolicy: {apiFrom: [], metricsFrom: [], kedaFrom: []}";
    let objects = render("everything", over).unwrap().objects;
    for (to, policy) in policies(&objects) {
        for rule in list(&policy["ingress"]) {
            assert!(
                !inside(&objects, &rule["from"]).is_empty(),
                "{to}: anyone may come: {rule}"
            );
        }
    }
}

#[test]
fn graph_is_nowhere_inside() {
    let policies = policies(&RENDERED["minimal"]);
    let rules = list(&policies["fetcher"]["egress"]);
    let graph = rules.iter().find(|rule| ports(rule).contains(&443)).unwrap();
    let metadata_service = "169.254.0.0/16";
    assert!(
        list(&graph["to"])
            .iter()
            .any(|peer| list(&peer["ipBlock"]["except"])
                .iter()
                .any(|one| text(one) == metadata_service)),
        "{graph}"
    );
}
