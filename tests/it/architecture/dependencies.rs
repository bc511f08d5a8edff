//! Who may depend on what, as cargo understands the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::{assert_none, root};

const SERVICES: [&str; 4] = ["api", "fetcher", "notifier", "reconciler"];

/// The program of the container image.
const IMAGE: &str = "image";

/// What a service that does not read Graph may use.
const SERVICE_USES: [&str; 8] = [
    "backing",
    "bus",
    "contracts",
    "domain",
    "keys",
    "service",
    "store",
    "vault",
];

/// Our crates, and which others of ours each may use.
const OURS: [(&str, &[&str]); 17] = [
    ("domain", &[]),
    ("contracts", &["domain"]),
    ("bus", &["domain"]),
    ("store", &["domain"]),
    ("vault", &[]),
    ("graph", &["domain"]),
    ("service", &[]),
    ("keys", &["service", "store", "vault"]),
    ("backing", &["bus", "service", "store"]),
    (
        "fetcher",
        &[
            "backing",
            "bus",
            "contracts",
            "domain",
            "graph",
            "keys",
            "service",
            "store",
            "vault",
        ],
    ),
    ("reconciler", &SERVICE_USES),
    ("notifier", &SERVICE_USES),
    ("api", &SERVICE_USES),
    ("cli", &["contracts", "domain"]),
    ("entra-sim", &[]),
    ("local", &[]),
    // All of them in one file: it knows their names and nothing more.
    (IMAGE, &["api", "cli", "fetcher", "notifier", "reconciler"]),
];

/// Packages that only these crates may use, and, for their tests, those behind the bar.
const THEIRS: [(&str, &[&str], &[&str]); 19] = [
    ("sqlx", &["store"], &["fetcher"]),
    ("async-nats", &["bus"], &[]),
    ("zstd", &["bus", "store"], &[]),
    ("reqwest", &["graph", "local"], &["entra-sim", "api"]),
    (
        "tonic",
        &[
            "contracts",
            "service",
            "api",
            "fetcher",
            "reconciler",
            "notifier",
            "cli",
        ],
        &["local"],
    ),
    ("tonic-reflection", &["service"], &[]),
    ("axum", &["api", "entra-sim", "local"], &["graph"]),
    ("askama", &["api"], &[]),
    ("lettre", &["notifier"], &["local"]),
    ("chacha20poly1305", &["vault"], &[]),
    ("clap", &["cli", "entra-sim", "local", "service"], &[]),
    ("figment", &["service"], &[]),
    ("csv", &["cli"], &[]),
    ("encoding_rs", &["cli"], &[]),
    ("argon2", &["reconciler"], &[]),
    ("opentelemetry", &["bus", "service"], &["notifier"]),
    ("opentelemetry_sdk", &["service"], &["bus", "notifier"]),
    ("opentelemetry-otlp", &["service"], &[]),
    (
        "anyhow",
        &[
            "backing",
            "service",
            "api",
            "fetcher",
            "reconciler",
            "notifier",
            "cli",
            "local",
            "entra-sim",
        ],
        &[],
    ),
];

/// All that the pure core stands on.
const DOMAIN_USES: [&str; 6] = ["base64", "chrono", "chrono-tz", "croner", "regex", "uuid"];

#[derive(Default)]
struct Uses {
    normal: BTreeSet<String>,
    tests: BTreeSet<String>,
}

/// What each crate of ours uses, by the crate's name without its prefix. The tests' own package is left out.
fn uses() -> BTreeMap<String, Uses> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = short(package["name"].as_str().unwrap());
        if name == "tests" {
            continue;
        }
        let mut uses = Uses::default();
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = short(dependency["name"].as_str().unwrap()).to_owned();
            match dependency["kind"].as_str() {
                None => uses.normal.insert(name),
                Some("dev") => uses.tests.insert(name),
                Some(_) => false,
            };
        }
        found.insert(name.to_owned(), uses);
    }
    found
}

fn short(name: &str) -> &str {
    name.strip_prefix("rollcall-").unwrap_or(name)
}

/// The tests of this package see everything; the crates may not.
#[test]
fn our_crates_use_each_other_only_in_the_one_direction() {
    let allowed: BTreeMap<_, _> = OURS.into_iter().collect();
    let uses = uses();
    let names: Vec<&str> = uses.keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = allowed.keys().copied().collect();
    assert_eq!(
        names.into_iter().collect::<BTreeSet<_>>(),
        known,
        "every crate has its rule"
    );
    let mut findings = Vec::new();
    for (name, uses) in &uses {
        let ours = uses
            .normal
            .iter()
            .filter(|used| allowed.contains_key(used.as_str()));
        for used in ours.filter(|used| !allowed[name.as_str()].contains(&used.as_str())) {
            findings.push(format!("{name} uses {used}"));
        }
    }
    assert_none(&findings, "a crate uses another that it must not know:");
}

#[test]
fn a_service_does_not_use_another_even_in_its_tests() {
    let mut findings = Vec::new();
    for (name, uses) in uses().into_iter().filter(|(name, _)| name != IMAGE) {
        for used in uses.normal.union(&uses.tests) {
            if SERVICES.contains(&used.as_str()) {
                findings.push(format!("{name} uses {used}"));
            }
        }
    }
    assert_none(
        &findings,
        "services meet on the bus, in the database and over gRPC:",
    );
}

#[test]
fn only_its_owner_uses_a_package() {
    let uses = uses();
    let mut findings = Vec::new();
    for (package, owners, testers) in THEIRS {
        let used = uses.values().any(|uses| uses.normal.contains(package));
        assert!(used, "nobody uses {package}: its rule can go");
        for (name, uses) in &uses {
            let owner = owners.contains(&name.as_str());
            if uses.normal.contains(package) && !owner {
                findings.push(format!("{name} uses {package}"));
            }
            if uses.tests.contains(package) && !owner && !testers.contains(&name.as_str()) {
                findings.push(format!("the tests of {name} use {package}"));
            }
        }
    }
    assert_none(&findings, "a package is used outside the crates that own it:");
}

#[test]
fn the_core_is_pure() {
    let uses = uses();
    let used: Vec<&str> = uses["domain"].normal.iter().map(String::as_str).collect();
    assert_eq!(
        used, DOMAIN_USES,
        "domain has no runtime, no I/O, no serde, no randomness"
    );
}

/// What a simulator or a local harness shares with the product can't be found wrong by them.
#[test]
fn neither_the_simulator_nor_its_tests_know_rollcall() {
    let uses = uses();
    let rollcall: Vec<&str> = OURS.iter().map(|(name, _)| *name).collect();
    for name in ["entra-sim", "local"] {
        let known: Vec<&String> = uses[name]
            .normal
            .union(&uses[name].tests)
            .filter(|used| rollcall.contains(&used.as_str()))
            .collect();
        assert!(known.is_empty(), "{name} knows {known:?}");
    }
}
