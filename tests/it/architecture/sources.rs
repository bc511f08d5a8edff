//! What no source file may hold.

use super::{assert_none, crates, files, read, root, rust_files, shown};

/// Lines of a file, its tests at the end aside. Who reads it should not have to scroll for long.
const LONGEST: usize = 600;
/// The same with its tests.
const LONGEST_WITH_TESTS: usize = 800;

/// Where calls that `.clippy.toml` bans may be excused: the chassis, and programs and tests that have none.
const EXCUSED: [&str; 5] = [
    "crates/service/src/clock.rs",
    "crates/entra-sim/",
    "crates/local/",
    "crates/cli/src/environment.rs",
    "tests/",
];

/// The calls that need a reason.
const BANNED: [&str; 6] = [
    "chrono::Utc::now",
    "chrono::offset::Utc::now",
    "std::time::SystemTime::now",
    "std::env::var",
    "reqwest::Client::new",
    "tokio::spawn",
];

/// `(file, line number, line)` of every line that holds this.
fn holding(needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for path in rust_files() {
        for (number, line) in (1..).zip(read(&path).lines()) {
            if line.contains(needle) {
                found.push(format!("{}:{number}: {}", shown(&path), line.trim()));
            }
        }
    }
    found
}

#[test]
fn nothing_is_left_undone_or_left_out() {
    // Put together here, so that this file is not found.
    for marker in [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[", "ignore"),
        concat!("un", "safe {"),
        concat!("#[", "allow("),
        concat!("#![", "allow("),
    ] {
        assert_none(&holding(marker), &format!("{marker} stands in the sources:"));
    }
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let mut findings = Vec::new();
    for path in rust_files() {
        let text = read(&path);
        let all = text.lines().count();
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if code > LONGEST || all > LONGEST_WITH_TESTS {
            findings.push(format!("{}: {all} lines, {code} without its tests", shown(&path)));
        }
    }
    assert_none(&findings, "a file has outgrown a reader:");
}

#[test]
fn the_clock_is_read_in_the_chassis_alone() {
    let config = read(&root().join(".clippy.toml"));
    for call in BANNED {
        assert!(
            config.contains(&format!("path = \"{call}\"")),
            "{call} is not banned any more"
        );
    }
    let excuses = holding("clippy::disallowed_methods");
    let elsewhere: Vec<String> = excuses
        .into_iter()
        .filter(|place| !EXCUSED.iter().any(|excused| place.starts_with(excused)))
        .collect();
    assert_none(&elsewhere, "a banned call is excused where it is not needed:");
}

/// A clock of its own in the database would be a second one: two services would not agree on what is due.
#[test]
fn no_statement_reads_the_databases_clock() {
    let store = root().join("crates/store");
    let mut texts = files(&store.join("src"), "rs");
    texts.extend(files(&store.join("migrations"), "sql"));
    let mut findings = Vec::new();
    for path in texts {
        let text = read(&path).to_lowercase();
        for clock in ["now()", "current_timestamp", "clock_timestamp(", "localtimestamp"] {
            if text.contains(clock) {
                findings.push(format!("{}: {clock}", shown(&path)));
            }
        }
    }
    assert_none(&findings, "time comes in as an argument:");
}

#[test]
fn every_package_keeps_the_house_lints() {
    let workspace = read(&root().join("Cargo.toml"));
    for lint in [
        "unsafe_code = \"forbid\"",
        "missing_docs = \"warn\"",
        "pedantic = { level = \"warn\"",
        "allow_attributes = \"deny\"",
        "unwrap_used = \"deny\"",
    ] {
        assert!(workspace.contains(lint), "{lint}");
    }
    let mut manifests: Vec<_> = crates()
        .into_iter()
        .map(|folder| folder.join("Cargo.toml"))
        .collect();
    manifests.push(root().join("tests/Cargo.toml"));
    manifests.push(root().join("deploy/image/Cargo.toml"));
    for manifest in manifests {
        assert!(
            read(&manifest).contains("[lints]\nworkspace = true"),
            "{} has lints of its own",
            shown(&manifest)
        );
    }
}

/// Rollcall can't change a directory, because there is no call that would.
#[test]
fn graph_is_only_ever_read() {
    let mut findings = Vec::new();
    let mut posts = 0;
    for path in files(&root().join("crates/graph/src"), "rs") {
        let text = read(&path);
        for (place, _) in text.match_indices("client()") {
            let call = text[place + "client()".len()..].trim_start();
            posts += usize::from(call.starts_with(".post("));
            let token = path.ends_with("token.rs") && call.starts_with(".post(");
            let is_definition = call.starts_with("->") || text[..place].ends_with("fn ");
            if !token && !is_definition && !call.starts_with(".get(") {
                findings.push(format!(
                    "{}: client(){}",
                    shown(&path),
                    call.lines().next().unwrap_or_default()
                ));
            }
        }
        for call in ["Method::", "RequestBuilder::", ".patch(", ".delete(", ".execute("] {
            if text.contains(call) {
                findings.push(format!("{}: {call}", shown(&path)));
            }
        }
    }
    assert_none(&findings, "crates/graph sends something else than a GET:");
    assert_eq!(posts, 1, "a token is asked for by the one POST there is");
}

/// Whoever shows a secret has to say so in the code, and never on a line that is written somewhere.
#[test]
fn secrets_have_types_that_do_not_show_them() {
    let config = read(&root().join("crates/service/src/config/sections.rs"));
    assert!(
        config.contains("SecretString"),
        "addresses with passwords are secrets"
    );
    let logged = holding("expose_secret()")
        .into_iter()
        .filter(|place| place.contains("tracing::") || place.contains("println!"))
        .collect::<Vec<_>>();
    assert_none(&logged, "a secret is logged:");
}
