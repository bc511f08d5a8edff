//! What Helm and Kubernetes' own schemas say of the chart.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::chart::{RENDERED, ask, folder, of_kind, render, text, title, values_file};
use super::custom_resources::KNOWN;

/// Against the schemas of these, strictly.
const VERSIONS: [&str; 3] = ["1.35", "1.36", "1.37"];

#[test]
fn helm_lint_finds_nothing() {
    for name in RENDERED.keys() {
        let found = ask(
            &[
                "lint",
                folder().to_str().unwrap(),
                values_file(name).to_str().unwrap(),
            ],
            "",
        );
        assert_eq!(found, "[]", "{name}");
    }
}

#[test]
fn every_object_is_valid_in_three_versions_of_kubernetes() {
    for (name, objects) in RENDERED.iter() {
        let mut args = vec!["validate"];
        args.extend(VERSIONS);
        let found: Value = serde_json::from_str(&ask(&args, &json!(objects).to_string())).unwrap();
        assert_eq!(found["findings"], json!([]), "{name}");
        for unknown in found["unknown"].as_array().unwrap() {
            assert!(KNOWN.contains(&text(unknown)), "{name}: nothing checks {unknown}");
        }
    }
}

#[test]
fn the_schemas_would_find_a_misspelled_field() {
    let mut objects = RENDERED["minimal"].clone();
    let deployment = objects
        .iter_mut()
        .find(|object| object["kind"] == "Deployment")
        .unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = json!({});
    let found = ask(&["validate", VERSIONS[0]], &json!(objects).to_string());
    assert!(found.contains("livenesProbe"), "{found}");
}

#[test]
fn names_and_namespaces_are_set_and_no_two_objects_are_the_same() {
    for (file, objects) in RENDERED.iter() {
        let mut seen = BTreeSet::new();
        for object in objects {
            assert_eq!(
                object["metadata"]["namespace"],
                "identity",
                "{file}: {}",
                title(object)
            );
            assert!(
                text(&object["metadata"]["name"]).len() <= 63,
                "{file}: {}",
                title(object)
            );
            assert!(
                seen.insert(title(object)),
                "{file}: there are two of {}",
                title(object)
            );
            let labels = &object["metadata"]["labels"];
            for label in [
                "name",
                "instance",
                "component",
                "part-of",
                "version",
                "managed-by",
            ] {
                let value = text(&labels[format!("app.kubernetes.io/{label}")]);
                assert!(
                    !value.is_empty(),
                    "{file}: {} has no label {label}",
                    title(object)
                );
            }
            assert!(
                text(&labels["helm.sh/chart"]).starts_with("rollcall-"),
                "{file}: {}",
                title(object)
            );
        }
    }
}

#[test]
fn no_secret_is_rendered() {
    for (file, objects) in RENDERED.iter() {
        assert_eq!(of_kind(objects, "Secret").len(), 0, "{file}");
        let all = json!(objects).to_string();
        for variable in ["PASSWORD", "TOKEN", "HEADERS", "SMTP__USER"] {
            assert!(
                !all.contains(&format!("{variable}\",\"value\":")),
                "{file}: {variable} has a value"
            );
        }
        // A URL's password is put in by Kubernetes, from a variable of a Secret.
        for (at, _) in all.match_indices("://rollcall:") {
            let password = &all[at + "://rollcall:".len()..];
            assert!(
                password.starts_with("$("),
                "{file}: {}",
                password.chars().take(20).collect::<String>()
            );
        }
    }
}

#[test]
fn the_readme_has_each_value_as_values_yaml_has_it() {
    let (values, readme) = (folder().join("values.yaml"), folder().join("README.md"));
    let table = ask(&["table", values.to_str().unwrap()], "");
    let readme = std::fs::read_to_string(readme).unwrap();
    let start = readme
        .find("| value | default |")
        .expect("the README has a table of the values");
    assert_eq!(
        &readme[start..],
        table,
        "the table is not that of values.yaml: tests/it/helm/chart.py table helm/rollcall/values.yaml writes it"
    );
    let values: Value = serde_json::from_str(&ask(&["values", values.to_str().unwrap()], "")).unwrap();
    every_value_is_told(&values, "", &table);
}

/// A value is in the table, or holds nothing but values that are.
fn every_value_is_told(value: &Value, path: &str, table: &str) {
    if table.contains(&format!("| `{path}` |")) {
        return;
    }
    let inner = value.as_object().filter(|inner| !inner.is_empty());
    let inner = inner.unwrap_or_else(|| panic!("values.yaml has no comment on {path}"));
    for (key, value) in inner {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        every_value_is_told(value, &path, table);
    }
}

#[test]
fn the_notes_name_what_is_still_to_be_done() {
    let notes = |name: &str| render(name, "{}").unwrap().notes;
    let minimal = notes("minimal");
    assert!(
        minimal.contains("helm test demo --namespace identity"),
        "{minimal}"
    );
    assert!(
        minimal.contains("get secret rollcall --output jsonpath='{.data.bootstrap-token}'"),
        "{minimal}"
    );
    assert!(minimal.contains("smtp.host is empty"), "{minimal}");
    let small = notes("small");
    assert!(small.contains("nobody can sign in"), "{small}");
    assert!(small.contains("PostgreSQL is the bundled one"), "{small}");
    let everything = notes("everything");
    assert!(
        everything.contains("https://rollcall.example.com"),
        "{everything}"
    );
    assert!(!everything.contains("smtp.host is empty"), "{everything}");
}

#[test]
fn the_bundled_nats_takes_its_configuration() {
    for file in ["bundled", "small"] {
        let maps = of_kind(&RENDERED[file], "ConfigMap");
        let map = maps
            .into_iter()
            .find(|map| !map["data"]["nats.conf"].is_null())
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nats.conf");
        std::fs::write(&path, text(&map["data"]["nats.conf"])).unwrap();
        let output = Command::new("nats-server")
            .arg("-t")
            .arg("--config")
            .arg(&path)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{file}: {told}");
    }
}

#[test]
fn dashboards_and_alerts_are_those_of_deploy() {
    let everything = &RENDERED["everything"];
    let deploy = folder().join("../../deploy");
    let files = |folder: &str, ending: &str| {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(deploy.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|own| own == ending) {
                found.push(path);
            }
        }
        assert!(!found.is_empty(), "deploy/{folder} is empty");
        found
    };
    for path in files("dashboards", "json") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let maps = of_kind(everything, "ConfigMap");
        let map = maps.into_iter().find(|map| !map["data"][name].is_null());
        let map = map.unwrap_or_else(|| panic!("{name} is in no ConfigMap"));
        assert_eq!(text(&map["data"][name]), std::fs::read_to_string(&path).unwrap());
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    }
    for path in files("alerts", "yaml") {
        let as_here = ask(&["values", path.to_str().unwrap()], "");
        let there = as_here.replace("docs/runbook.md", "https://wiki.example.com/rollcall/runbook");
        assert_ne!(as_here, there);
        let groups: Value = serde_json::from_str(&there).unwrap();
        let rules = of_kind(everything, "PrometheusRule");
        assert!(
            rules.iter().any(|rule| rule["spec"] == groups),
            "{} is in no PrometheusRule",
            path.display()
        );
    }
}
