//! The alerts are valid, fire when they should, and each has its section in the runbook.

use std::collections::BTreeSet;
use std::process::Command;

use harness::tools::tool;

use super::{RULES, RUNBOOK, path, read};

fn promtool(args: &[&str], file: &str) {
    let told = Command::new(tool("promtool"))
        .args(args)
        .arg(path(file))
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr),
    );
    assert!(told.status.success(), "{file}:\n{out}\n{err}");
}

/// The text of each alert's rule, by its name.
fn rules() -> Vec<(String, String)> {
    let text = read(RULES);
    let rules = text.split("- alert: ").skip(1).map(|rule| {
        let name = rule.lines().next().unwrap().trim();
        (name.to_owned(), rule.to_owned())
    });
    rules.collect()
}

/// The sections of the runbook that are about an alert.
fn sections() -> Vec<(String, String)> {
    let text = read(RUNBOOK);
    let sections = text.split("\n### ").skip(1).map(|section| {
        let (title, body) = section.split_once('\n').unwrap();
        let body = body.split("\n## ").next().unwrap();
        (title.trim().to_owned(), body.to_owned())
    });
    sections.collect()
}

#[test]
fn the_rules_are_valid() {
    promtool(&["check", "rules"], RULES);
}

#[test]
fn every_alert_fires_when_it_should_and_not_otherwise() {
    let files = [
        "tests/it/watching/alerts.yaml",
        "tests/it/watching/alerts_of_weeks.yaml",
    ];
    for file in files {
        promtool(&["test", "rules"], file);
    }
    let tests: String = files.into_iter().map(read).collect();
    for (name, _) in rules() {
        let fires = format!("labels: 'ALERTS{{alertname=\"{name}\", alertstate=\"firing\"");
        assert!(tests.contains(&fires), "nothing tests that {name} fires");
        let quiet = tests
            .lines()
            .any(|line| line.contains(&name) && line.contains("exp_samples: []"));
        assert!(quiet, "nothing tests that {name} stays quiet");
    }
}

#[test]
fn every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() {
    let alerts: BTreeSet<String> = rules().into_iter().map(|(name, _)| name).collect();
    let titles: Vec<String> = sections().into_iter().map(|(title, _)| title).collect();
    let unique: BTreeSet<String> = titles.iter().cloned().collect();
    assert_eq!(titles.len(), unique.len(), "a section stands twice: {titles:?}");
    assert_eq!(unique, alerts);
    for (title, body) in sections() {
        assert!(body.contains("```sh\n"), "{title} has no command");
        assert!(body.contains("*Clears*"), "{title} does not say when it clears");
    }
}

#[test]
fn the_chart_brings_these_alerts_and_dashboards() {
    for folder in ["alerts", "dashboards"] {
        let names = |of: &str| {
            let entries = std::fs::read_dir(path(of)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let (here, chart) = (
            format!("deploy/{folder}"),
            format!("helm/rollcall/files/{folder}"),
        );
        assert_eq!(names(&chart), names(&here));
        for name in names(&here) {
            let name = name.to_str().unwrap();
            assert_eq!(
                read(&format!("{chart}/{name}")),
                read(&format!("{here}/{name}")),
                "{name}"
            );
        }
    }
}

#[test]
fn every_rule_says_what_it_has_to() {
    for (name, rule) in rules() {
        for key in ["expr: ", "severity: ", "summary: ", "description: "] {
            assert!(rule.contains(key), "{name} has no {key}");
        }
        let severity = rule.split("severity: ").nth(1).unwrap().lines().next().unwrap();
        assert!(
            ["info", "warning", "critical"].contains(&severity),
            "{name}: {severity}"
        );
        let link = format!("runbook_url: docs/runbook.md#{}\n", name.to_lowercase());
        assert!(rule.contains(&link), "{name} does not link its section");
    }
}
