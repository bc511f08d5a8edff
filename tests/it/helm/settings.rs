//! What each service is told in the chart, read by the service itself.

use std::collections::BTreeMap;
use std::process::Command;

use local::binaries;
use serde_json::Value;

use super::chart::{Pod, RENDERED, SERVICES, list, object, pod_of, text};

/// What a Secret holds, by the variable that it fills.
fn secret(variable: &str) -> &'static str {
    match variable {
        "ROLLCALL_DATABASE__URL" => "postgres://rollcall:secret@postgres:5432/rollcall",
        "ROLLCALL_NATS__URL" => "nats://rollcall:secret@nats:4222",
        "ROLLCALL_BOOTSTRAP__TOKEN" => "0123456789abcdef0123456789abcdef",
        _ => "secret",
    }
}

/// The variables of a pod's container as Kubernetes makes them: from Secrets, and with `$(OTHER)` put in.
fn variables(pod: &Pod<'_>) -> BTreeMap<String, String> {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for variable in list(&pod.spec["containers"][0]["env"]) {
        let name = text(&variable["name"]);
        let mut value = match variable["value"].as_str() {
            Some(value) => value.to_owned(),
            None => secret(name).to_owned(),
        };
        for (other, inner) in &known {
            value = value.replace(&format!("$({other})"), inner);
        }
        assert!(
            !value.contains("$("),
            "{}: {name} needs one that comes later: {value}",
            pod.owner
        );
        known.insert(name.to_owned(), value);
    }
    known
}

/// Runs `--check-config` with a configuration file, or none, and these variables alone.
fn check(program: &str, toml: Option<&str>, variables: &BTreeMap<String, String>) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(binaries::find(program).unwrap());
    command.env_clear().envs(variables).arg("--check-config");
    if let Some(toml) = toml {
        let file = dir.path().join("rollcall.toml");
        std::fs::write(&file, toml).unwrap();
        command.arg("--config").arg(file);
    }
    let output = command.output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn toml_of<'o>(file: &str, objects: &'o [Value], service: &str) -> &'o str {
    let release = if file == "small" { "rc" } else { "demo-rollcall" };
    let map = object(objects, "ConfigMap", &format!("{release}-{service}"));
    text(&map["data"]["rollcall.toml"])
}

#[test]
fn every_service_takes_the_configuration_that_the_chart_writes() {
    for (file, objects) in RENDERED.iter() {
        for service in SERVICES {
            let toml = toml_of(file, objects, service);
            let checked = check(
                &format!("rollcall-{service}"),
                Some(toml),
                &variables(&pod_of(objects, service)),
            );
            assert_eq!(checked, Ok(()), "{file}, {service}:\n{toml}");
        }
    }
}

#[test]
fn the_migration_s_variables_are_enough() {
    for file in ["minimal", "bundled", "tls"] {
        let checked = check(
            "rollcall-reconciler",
            None,
            &variables(&pod_of(&RENDERED[file], "migrate")),
        );
        assert_eq!(checked, Ok(()), "{file}");
    }
}

#[test]
fn a_key_that_a_service_does_not_know_is_found() {
    let objects = &RENDERED["minimal"];
    let toml = format!("{}\nretries = 3\n", toml_of("minimal", objects, "fetcher"));
    let error = check(
        "rollcall-fetcher",
        Some(&toml),
        &variables(&pod_of(objects, "fetcher")),
    )
    .unwrap_err();
    assert!(error.contains("vault.retries"), "{error}");
}

#[test]
fn every_file_that_a_service_is_told_of_is_in_its_pod() {
    for (file, objects) in RENDERED.iter() {
        for service in SERVICES {
            let pod = pod_of(objects, service);
            let told = variables(&pod)
                .into_values()
                .chain([toml_of(file, objects, service).to_owned()]);
            let told: Vec<String> = told.flat_map(|text| paths(&text)).collect();
            let mounted = mounted(&pod);
            for path in &told {
                assert!(
                    mounted.contains(path),
                    "{file}, {service}: {path} is not of {mounted:?}"
                );
            }
            let unused: Vec<&String> = mounted.iter().filter(|path| !told.contains(path)).collect();
            // The CA of services is api's towards the others; its own clients it asks for tokens.
            assert_eq!(
                unused,
                Vec::<&String>::new(),
                "{file}, {service}: mounted for nothing"
            );
        }
    }
}

/// The paths under /etc/rollcall in a text.
fn paths(text: &str) -> Vec<String> {
    let path = |rest: &str| {
        let end = rest.find(['"', '\n']).unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    text.match_indices("/etc/rollcall/")
        .map(|(at, _)| path(&text[at..]))
        .collect()
}

/// The files from Secrets in a pod.
fn mounted(pod: &Pod<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for mount in list(&pod.spec["containers"][0]["volumeMounts"]) {
        assert_eq!(mount["readOnly"], true, "{}: {mount}", pod.owner);
        let volumes = list(&pod.spec["volumes"]);
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]);
        let volume = volume.unwrap_or_else(|| panic!("{}: {mount} mounts nothing", pod.owner));
        for item in list(&volume["secret"]["items"]) {
            found.push(format!("{}/{}", text(&mount["mountPath"]), text(&item["path"])));
        }
    }
    found
}

#[test]
fn the_schema_has_the_sections_that_each_service_has() {
    let schema = std::fs::read_to_string(super::chart::folder().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for service in SERVICES {
        let told = &schema["definitions"][format!("{service}Config")]["properties"];
        let mut told: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
        told.sort_unstable();
        assert_eq!(told, sections(service), "{service}.config in values.schema.json");
    }
}

/// The sections of a service's configuration, as it prints them.
pub fn sections(service: &str) -> Vec<String> {
    let program = binaries::find(&format!("rollcall-{service}")).unwrap();
    let output = Command::new(program).arg("--print-defaults").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| line.trim_start_matches("# "));
    let section = |line: &str| {
        let name = line.strip_prefix('[')?.split(']').next()?;
        Some(name.split('.').next()?.to_owned())
    };
    let mut found: Vec<String> = lines.filter_map(section).collect();
    found.sort_unstable();
    found.dedup();
    found
}
