//! The dashboards: what they ask, and that they are whole.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{RUNBOOK, path, read};

/// A question that a panel asks.
pub struct Question {
    /// The panel.
    pub panel: String,
    /// `PromQL`, with Grafana's variables in it.
    pub expression: String,
}

fn dashboards() -> Vec<(String, Value)> {
    let mut found: Vec<_> = std::fs::read_dir(path("deploy/dashboards"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                serde_json::from_str(&text).unwrap(),
            )
        })
        .collect();
    found.sort_by(|(one, _): &(String, Value), (other, _)| one.cmp(other));
    assert!(found.len() >= 2, "{found:?}");
    found
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

/// Everything that the panels ask.
pub fn questions() -> Vec<Question> {
    let mut found = Vec::new();
    for (_, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().into_iter().flatten() {
                found.push(Question {
                    panel: format!("{}: {}", dashboard["title"], panel["title"]),
                    expression: target["expr"].as_str().unwrap().to_owned(),
                });
            }
        }
    }
    found
}

#[test]
fn every_panel_is_explained_has_its_unit_and_asks_the_chosen_data_source() {
    let runbook = read(RUNBOOK).to_lowercase();
    for (name, dashboard) in dashboards() {
        assert!(
            dashboard["schemaVersion"].as_u64().unwrap() >= 38,
            "{name} is for Grafana 10"
        );
        assert!(!dashboard["uid"].as_str().unwrap().is_empty(), "{name}");
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard) {
            let title = format!("{name}: {}", panel["title"]);
            assert!(
                ids.insert(panel["id"].as_u64().unwrap()),
                "{title}: its id is another's"
            );
            if panel["type"] == "row" {
                continue;
            }
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}");
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{title}");
            for of in targets.iter().chain([panel]) {
                assert_eq!(of["datasource"]["uid"], "${datasource}", "{title}");
            }
            for link in panel["links"].as_array().into_iter().flatten() {
                let (page, anchor) = link["url"].as_str().unwrap().split_once('#').unwrap();
                assert_eq!(page, "${runbook}", "{title}");
                assert!(
                    runbook.contains(&format!("\n### {anchor}\n")),
                    "{title}: {anchor}"
                );
            }
        }
    }
}

#[test]
fn no_panel_lies_on_another() {
    for (name, dashboard) in dashboards() {
        let mut taken = BTreeSet::new();
        for panel in panels(&dashboard) {
            let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(
                place("x") + place("w") <= 24,
                "{name}: {} is too wide",
                panel["title"]
            );
            for x in place("x")..place("x") + place("w") {
                for y in place("y")..place("y") + place("h") {
                    assert!(taken.insert((x, y)), "{name}: {} lies on another", panel["title"]);
                }
            }
        }
    }
}
