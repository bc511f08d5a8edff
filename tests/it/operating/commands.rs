//! The commands of docs/operating.md, run as they stand there.

use std::path::Path;
use std::process::Command;

/// Runs the block of shell commands whose first line is this comment, in `dir`, with these variables; its output.
pub fn run(title: &str, dir: &Path, variables: &[(&str, &str)]) -> String {
    let script = block(title);
    let output = Command::new("sh")
        .args(["-eu", "-c", &script])
        .current_dir(dir)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{script}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn block(title: &str) -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    let text = std::fs::read_to_string(document).unwrap();
    let start = format!("```sh\n# {title}\n");
    let mut blocks = text.split(&start).skip(1);
    let block = blocks
        .next()
        .unwrap_or_else(|| panic!("docs/operating.md has no commands called {title:?}"));
    assert!(blocks.next().is_none(), "{title:?} is there twice");
    block.split("\n```").next().unwrap().to_owned()
}
