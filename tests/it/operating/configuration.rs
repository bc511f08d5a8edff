//! docs/configuration.md is what the services say of themselves.

use std::path::Path;
use std::process::Command;

use local::stack::Service;

/// Behind this line everything is generated.
const MARK: &str = "<!-- From here on: written by `make docs`. -->\n";
/// Set by `make docs`: the document is written, not judged.
const WRITE: &str = "ROLLCALL_WRITE_DOCS";
/// As people meet them.
const ORDER: [Service; 4] = [
    Service::Api,
    Service::Fetcher,
    Service::Reconciler,
    Service::Notifier,
];

fn program(name: &str) -> Command {
    let mut command = Command::new(local::binaries::find(name).unwrap());
    command.env_clear();
    command
}

fn said(name: &str, argument: &str) -> String {
    let output = program(name).arg(argument).output().unwrap();
    assert!(
        output.status.success(),
        "{name} {argument}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_reference_of_the_configuration_is_current_and_explains_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, _) = text.split_once(MARK).expect("the mark is there");
    let pages = ORDER.map(|service| said(service.program(), "--print-reference"));
    let current = format!("{head}{MARK}\n{}", pages.join("\n"));
    if std::env::vars().any(|(name, _)| name == WRITE) {
        std::fs::write(&path, &current).unwrap();
        return;
    }
    assert!(text == current, "docs/configuration.md is stale: run make docs");
}

/// The variables of the command line are in the part that is written by hand.
#[test]
fn the_command_lines_variables_are_in_the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let help = said("rollcall", "--help");
    let mut variables: Vec<&str> = help
        .split("[env: ")
        .skip(1)
        .filter_map(|rest| rest.split(['=', ']']).next())
        .collect();
    variables.extend([
        "ROLLCALL_TOKEN",
        "ROLLCALL_CONFIG",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_SDK_DISABLED",
    ]);
    assert!(variables.len() > 4, "{help}");
    for variable in variables {
        assert!(text.contains(&format!("`{variable}`")), "{variable}");
    }
}
