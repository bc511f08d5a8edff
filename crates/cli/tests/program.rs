//! The program as a shell sees it: exit codes and what is said where. What needs a running api is tested with the
//! whole stack.

use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};

/// A port of the loopback interface on which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    format!("http://{address}")
}

fn rollcall(arguments: &[&str], input: &str) -> (Output, String) {
    let api = nobody();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(arguments)
        .env_clear()
        .env("ROLLCALL_API", &api)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // One that refuses at once may have ended before it was told anything.
    match stdin.write_all(input.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => (),
        written => written.expect("it reads its input"),
    }
    drop(stdin);
    (child.wait_with_output().expect("it ends"), api)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn nobody_answers() {
    let (output, api) = rollcall(&["connection", "list"], "");
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.starts_with(&format!("error: can't reach api at {api}")),
        "{told}"
    );
    assert!(told.contains("`make run`"), "{told}");
}

#[test]
fn wrong_usage_ends_with_two() {
    for wrong in [
        &["run", "start", "contoso"][..],
        &["run", "show", "latest"],
        &["--api", "nowhere", "run", "list"],
        &["frobnicate"],
        &["connection", "list", "--output", "xml"],
    ] {
        let (output, _) = rollcall(wrong, "");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn what_destroys_is_not_done_where_nobody_can_be_asked() {
    let (output, _) = rollcall(&["connection", "disconnect", "contoso"], "y\n");
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(told.contains("disconnecting contoso wipes its secret"), "{told}");
    assert!(told.contains("add --yes"), "{told}");
}

#[test]
fn wrong_yaml_is_told_before_anyone_is_asked() {
    let yaml = "kind: Settings\nmailTo: it@contoso.com\n---\nkind: Settings\nmialTo: []\n";
    let (output, _) = rollcall(&["apply", "-f", "-"], yaml);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains("error: -:2:9: settings: mailTo: expected a list, found text"),
        "{told}"
    );
    assert!(
        told.contains("error: -:5:1: settings: unknown key \"mialTo\"; did you mean \"mailTo\"?"),
        "{told}"
    );
    assert!(
        told.contains("-:4:1: settings: is there twice, first at -:1:1"),
        "{told}"
    );
}

#[test]
fn the_token_is_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    std::fs::write(&path, "rc_topsecret\u{7}\n").expect("a file");
    let (output, _) = rollcall(
        &["--token-file", path.to_str().expect("UTF-8"), "run", "list"],
        "",
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(!stderr(&output).contains("topsecret"), "{}", stderr(&output));
    let help = rollcall(&["--help"], "").0;
    assert!(String::from_utf8_lossy(&help.stdout).contains("Examples:"));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["completion", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_version_is_the_package_s() {
    let (output, _) = rollcall(&["--version"], "");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("rollcall {}\n", env!("CARGO_PKG_VERSION"))
    );
}
