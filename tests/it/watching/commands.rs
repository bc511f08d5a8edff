//! The commands of the runbook and of the page about observing are real ones.

use std::process::Command;

use local::binaries;

use super::{RUNBOOK, read};

/// Exit code of the command line for what it does not understand.
const USAGE: i32 = 2;

const AN_ID: &str = "01980000-0000-7000-8000-000000000000";

/// Lines of the code blocks that call `rollcall`.
fn commands(page: &str) -> Vec<String> {
    let text = read(page);
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        } else if in_code && line.starts_with("rollcall ") {
            found.push(line.to_owned());
        }
    }
    found
}

/// As a shell would divide them; quotes are the only thing special in these. `ID` stands for an id.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in command.split('"').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            let plain = part.split_whitespace();
            words.extend(plain.map(|word| if word == "ID" { AN_ID } else { word }.to_owned()));
        }
    }
    words
}

/// Runs it where nobody answers: what it does not understand it says before it calls.
fn code(words: &[String]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("credentials.yaml"),
        "kind: Settings\nname: default\n",
    )
    .unwrap();
    let told = Command::new(binaries::find("rollcall").unwrap())
        .args(&words[1..])
        .current_dir(directory.path())
        .env("ROLLCALL_API", "http://127.0.0.1:9")
        .env("ROLLCALL_TOKEN", "rc_nobody")
        .output()
        .unwrap();
    (
        told.status.code(),
        String::from_utf8_lossy(&told.stderr).into_owned(),
    )
}

#[test]
fn every_command_of_the_runbook_is_one() {
    let all: Vec<String> = [RUNBOOK, "docs/observing.md"]
        .into_iter()
        .flat_map(commands)
        .collect();
    assert!(all.len() > 30, "{all:#?}");
    for command in all {
        let (code, said) = code(&words(&command));
        assert_eq!(code, Some(1), "{command}: {said}");
    }
}

#[test]
fn what_is_no_command_is_told_apart() {
    for wrong in [
        "rollcall connection mend NAME",
        "rollcall run list --sate failed",
        "rollcall review keep ID",
    ] {
        assert_eq!(code(&words(wrong)).0, Some(USAGE), "{wrong}");
    }
}
